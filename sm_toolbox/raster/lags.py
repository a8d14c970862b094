"""Earlier values of dated variables as variables: one step back, seven days back, the sum of seven days."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import Stack
from sm_toolbox.raster.times import Time

_MOST_STEPS = 1000
_MOST_DAYS = 36_525
_DAY = timedelta(days=1)
_WRITTEN = re.compile(r"(?P<first>\d{1,4})(-(?P<last>\d{1,4}))?|(?P<days>\d{1,5}(\.\d{1,6})?)d", re.IGNORECASE)
_COLUMN = re.compile(r"(?P<base>.+)_(?P<how>lag|sum)(?P<size>\d{1,5}(\.\d{1,6})?)(?P<unit>d?)")
_ALL = "*"
# Two usual distances of dates beyond this ratio are two kinds of steps: eight days and a month.
_SAME_STEP = 1.5


@dataclass(frozen=True)
class Lag:
    """How far back a value is taken, or over how long values are added up.

    Parameters
    ----------
    steps : int
        In usual distances of the variable's dates; 0 where it is in days.
    days : float, optional
    is_sum : bool, optional
        The sum of so many steps or days, of which the last is the date itself.
    """

    steps: int
    days: float = 0.0
    is_sum: bool = False

    def __str__(self) -> str:
        return f"{self._size}:sum" if self.is_sum else self._size

    @property
    def _size(self) -> str:
        return str(self.steps) if self.steps else f"{self.days:g}d"

    def column(self, name: str) -> str:
        """Name the variable that it makes of another: `ndvi_lag1`, `rain_lag7d`, `rain_sum7d`.

        Parameters
        ----------
        name : str

        Returns
        -------
        str
        """
        return f"{name}_{'sum' if self.is_sum else 'lag'}{self._size}"


@dataclass(frozen=True, eq=False)
class LaggedStack(Stack):
    """Bands under the dates for which they count, rather than those that they are of.

    Parameters
    ----------
    variable : str
    bands : tuple of Band
    base : Stack
        The bands under their own dates.
    lag : Lag
    addends : ndarray of int (addends, bands)
        Places in `base` of what the value of each date is the sum of.
    """

    base: Stack
    lag: Lag
    addends: np.ndarray

    @property
    def step_days(self) -> float:  # type: ignore[override]
        """The usual distance of two dates of the variable in days, also where few dates have a whole window."""
        return self.base.step_days


def base_of(stack: Stack) -> Stack:
    """Return the stack under its own dates.

    Parameters
    ----------
    stack : Stack

    Returns
    -------
    Stack
    """
    return stack.base if isinstance(stack, LaggedStack) else stack


def addends_of(stack: Stack) -> np.ndarray:
    """Return what the values of a stack are the sums of: one band each, but where it adds up several dates.

    Parameters
    ----------
    stack : Stack

    Returns
    -------
    ndarray of int (addends, bands)
        Places in `base_of` the stack.
    """
    return stack.addends if isinstance(stack, LaggedStack) else np.arange(len(stack.bands))[None]


def without_lags(stacks: Mapping[str, Stack]) -> dict[str, Stack]:
    """Return the stacks under their own dates alone.

    Parameters
    ----------
    stacks : mapping of str to Stack

    Returns
    -------
    dict of str to Stack
    """
    return {name: stack for name, stack in stacks.items() if not isinstance(stack, LaggedStack)}


def lagged(name: str, stack: Stack, lag: Lag, wanted: str = "") -> LaggedStack:
    """Put the bands of a variable under the dates for which they are earlier values.

    A step is the usual distance of the dates; steps are counted from date to date, so that shorter ones, such as the
    last composite of a year, and missing ones do not shift the rest. A sum needs every step of its window.

    Parameters
    ----------
    name : str
        Of the column, for messages.
    stack : Stack
        Dated.
    lag : Lag
    wanted : str, optional
        What asks for it, to begin a message with; by default the text of `parse_lags`.

    Returns
    -------
    LaggedStack

    Raises
    ------
    InputError
        Where the variable is static or has a single date, days are asked of months, a window holds no whole number of
        steps, or no date has a whole one.
    """
    wanted = wanted or f"`lags` '{name}:{lag}'"
    if stack.is_static:
        raise InputError(
            f"{wanted}: '{name}' has no dates, so that it has no earlier values. Leave it out, or give its bands dates."
        )
    if not stack.step_days:
        raise InputError(f"{wanted}: '{name}' has the single date {stack.times[0]}. Add the layers of earlier dates.")
    by_calendar = _by_calendar(stack)
    if lag.days and by_calendar:
        raise InputError(
            f"{wanted}: the dates of '{name}' are months or years, so that days mean nothing. `lags` of 'Sample "
            f"predictors at stations' counts in steps: {name}:1 is one step back."
        )
    numbers, step = steps_of(stack)
    if lag.is_sum:
        return _summed(wanted, stack, lag, numbers, step)
    if lag.days:
        times = [replace(time, start=time.start + lag.days * _DAY) for time in stack.times]
    else:
        of_number = dict(zip(numbers.tolist(), stack.times))
        times = [
            of_number.get(number + lag.steps) or _later(time, lag.steps * step, by_calendar)
            for number, time in zip(numbers.tolist(), stack.times)
        ]
    return _under_dates(stack, lag, times, np.arange(len(times))[None])


def _summed(wanted: str, stack: Stack, lag: Lag, numbers: np.ndarray, step: float) -> LaggedStack:
    steps = lag.days / step if lag.days else float(lag.steps)
    count = round(steps)
    if count < 1 or abs(steps - count) > 0.05 or count > _MOST_STEPS:
        raise InputError(
            f"{wanted}: the dates of '{stack.variable}' are {step:g} days apart, so that {lag.days:g} days "
            f"are {steps:.3g} of them. Give a multiple of {step:g} d, at most {_MOST_STEPS:,} dates."
        )
    place = {number: i for i, number in enumerate(numbers.tolist())}
    windows = np.array([[place.get(number - back, -1) for number in numbers.tolist()] for back in range(count)])
    whole = (windows >= 0).all(axis=0)
    if not whole.any():
        raise InputError(
            f"{wanted}: no date of '{stack.variable}' ({stack.times[0]} to {stack.times[-1]}, {len(stack.bands)} "
            f"dates) has {count} dates in a row up to it. Sum fewer, or add the layers of the missing dates."
        )
    windows = windows[:, whole]
    return _under_dates(stack, lag, [stack.times[i] for i in windows[0]], windows)


def _under_dates(stack: Stack, lag: Lag, times: Sequence[Time], addends: np.ndarray) -> LaggedStack:
    """Return bands under other dates, in their order."""
    order = sorted(range(len(times)), key=times.__getitem__)
    bands = tuple(replace(stack.bands[addends[0, i]], time=times[i]) for i in order)
    return LaggedStack(stack.variable, bands, stack, lag, addends[:, order])


def _by_calendar(stack: Stack) -> bool:
    return all(time.resolution in ("month", "year") for time in stack.times)


def steps_of(stack: Stack) -> tuple[np.ndarray, float]:
    """Number the dates of a stack in steps.

    Parameters
    ----------
    stack : Stack
        Dated.

    Returns
    -------
    numbers : ndarray of int (dates,)
        From 0; two dates that are further apart than usual differ by more than 1.
    step : float
        The usual distance, in months where all dates are months or years, else in days.
    """
    if _by_calendar(stack):
        counts = np.array([12 * time.start.year + time.start.month for time in stack.times], float)
    else:
        counts = np.array([(time.start - stack.times[0].start) / _DAY for time in stack.times])
    differences = np.diff(counts)
    # Of a few dates the shorter of two equally usual distances: the longer one is a gap.
    usual = float(np.quantile(differences[differences > 0], 0.5, method="lower")) if differences.any() else 1.0
    # Two dates that start at one moment, as a month and its first day, are one step.
    steps = np.where(differences > 0, np.maximum(1, np.round(differences / usual)), 0)
    return np.concatenate([[0], np.cumsum(steps)]).astype(int), usual


def _later(time: Time, count: float, by_calendar: bool) -> Time:
    """Return the time so many days after another, or months."""
    if not by_calendar:
        return replace(time, start=time.start + count * _DAY)
    months = round(count) + time.start.month - 1
    return replace(time, start=time.start.replace(year=time.start.year + months // 12, month=months % 12 + 1))


def parse_lags(text: str | None) -> list[tuple[str, Lag]]:
    """Read `ndvi:1`, `ndvi:1-11`, `rain:7d` and `rain:7d:sum`, with commas between them.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    list of (str, Lag)
        Variable and lag, each once; the variable `*` stands for all dated ones.

    Raises
    ------
    InputError
        Where a part has another form.

    Examples
    --------
    >>> [lag.column(name) for name, lag in parse_lags("ndvi:1-2, rain:7d, rain:7d:sum")]
    ['ndvi_lag1', 'ndvi_lag2', 'rain_lag7d', 'rain_sum7d']
    """
    found: dict[tuple[str, Lag], None] = {}
    for part in filter(None, map(str.strip, re.split(r"[,;\n]", text or ""))):
        is_sum = part.lower().endswith(":sum")
        name, _, size = (piece.strip() for piece in (part[:-4] if is_sum else part).rpartition(":"))
        match = _WRITTEN.fullmatch(size)
        if match is None or not name:
            raise InputError(
                f"`lags`: '{part[:100]}' is not of the form variable:steps, variable:days with a d, or either with "
                ":sum. Write for example ndvi:1, ndvi:1-11, rain:7d, rain:7d:sum."
            )
        if match["days"]:
            lags = [Lag(0, float(match["days"]), is_sum)]
        else:
            first, last = int(match["first"]), int(match["last"] or match["first"])
            lags = [Lag(steps, is_sum=is_sum) for steps in range(first, min(last, _MOST_STEPS + 1) + 1)]
        if not lags or any(
            not 0 < (lag.steps or lag.days) <= (_MOST_STEPS if lag.steps else _MOST_DAYS) for lag in lags
        ):
            raise InputError(
                f"`lags`: '{part[:100]}' is not possible: 1 to {_MOST_STEPS:,} steps, the smaller number first, or up "
                f"to {_MOST_DAYS:,} days."
            )
        found |= dict.fromkeys((name, lag) for lag in lags)
    return list(found)


def choose_lags(
    wanted: Sequence[tuple[str, Lag]], stacks: Mapping[str, Stack], taken: Collection[str]
) -> dict[str, tuple[str, Lag]]:
    """Name the columns of lags.

    Parameters
    ----------
    wanted : sequence of (str, Lag)
        As `parse_lags` returns them.
    stacks : mapping of str to Stack
        By column.
    taken : collection of str
        Names that the columns must not have, whatever their capitals.

    Returns
    -------
    dict of str to (str, Lag)
        By the column of a lag: the column of the variable, and the lag.

    Raises
    ------
    InputError
        Where a variable is unknown or stands for several columns, or a name is taken.
    """
    used = {name.lower() for name in (*taken, *stacks)}
    found: dict[str, tuple[str, Lag]] = {}
    for word, lag in wanted:
        if word == _ALL:
            columns = [name for name, stack in stacks.items() if not stack.is_static]
            if not columns:
                raise InputError("`lags` asks for those of all dated variables (*), but no variable has dates.")
        elif word in stacks:
            columns = [word]
        else:
            columns = [name for name, stack in stacks.items() if stack.variable == word]
        if not columns or (word != _ALL and len(columns) > 1):
            several = f"stands for several columns: {', '.join(columns)}" if columns else "is none of the variables"
            listed = "" if columns else f": {', '.join(stacks)}"
            raise InputError(f"`lags` names '{word}', which {several}{listed}. Give the name of one.")
        for name in columns:
            column = lag.column(name)
            if column.lower() in used:
                raise InputError(
                    f"`lags` '{word}:{lag}' makes the column '{column}', which there is already. Leave it out, or "
                    "rename the field or the band."
                )
            found[column] = name, lag
    return found


def read_lag(text: str | None) -> Lag | None:
    """Read what `str` makes of a lag; None where it is none.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    Lag or None
    """
    try:
        ((_, lag),) = parse_lags(f"variable:{text}")
    except (InputError, ValueError):
        return None
    return lag


def lag_of_column(name: str) -> tuple[str, Lag] | None:
    """Read the name of a column that may hold a lag, where nothing else is known of it.

    Parameters
    ----------
    name : str

    Returns
    -------
    (str, Lag) or None
        The column of the variable, and the lag.

    Examples
    --------
    >>> lag_of_column("rain_sum7d")
    ('rain', Lag(steps=0, days=7.0, is_sum=True))
    """
    match = _COLUMN.fullmatch(name)
    if match is None:
        return None
    lag = read_lag(f"{match['size']}{match['unit']}{':sum' if match['how'] == 'sum' else ''}")
    return None if lag is None else (match["base"], lag)


def refuse_other_steps(name: str, lag: Lag, learned_days: float | None, stack: Stack) -> None:
    """Refuse a variable whose dates have another distance than that in which its lags were learned.

    Parameters
    ----------
    name : str
        Of the predictor.
    lag : Lag
    learned_days : float or None
        Usual distance of the dates that were learned from; None where it is not known.
    stack : Stack

    Raises
    ------
    InputError
    """
    if not (lag.steps and learned_days and stack.step_days):
        return
    ratio = stack.step_days / learned_days
    if not 1 / _SAME_STEP <= ratio <= _SAME_STEP:
        raise InputError(
            f"The model learned '{name}' in steps of {learned_days:.4g} days, but the dates of '{stack.variable}' "
            f"('{stack.bands[0].source.label}') are {stack.step_days:.4g} days apart. Bring them to that step with "
            "'Composite over time', or train a model on theirs."
        )
