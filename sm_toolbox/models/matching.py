"""Which bands of rasters are the predictors of a model, and on which dates all of them are there."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from sm_toolbox.errors import InputError
from sm_toolbox.models.modelfile import Model
from sm_toolbox.progress import Progress
from sm_toolbox.raster.bands import Stack
from sm_toolbox.raster.lags import Lag, base_of, lag_of_column, lagged, read_lag, refuse_other_steps, without_lags
from sm_toolbox.raster.origins import Origin, origin_from, qualified
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.timing import TimeRule

AvailableStacks = Sequence[tuple[str, str, Stack]]


def find_predictors(
    model: Model, available: AvailableStacks, role: str, progress: Progress, made: Collection[str] = ()
) -> dict[str, Stack]:
    """Find the stack of each predictor: by its name, or as the product that the training table noted of it.

    Parameters
    ----------
    model : Model
    available : list of (str, str, Stack)
        As `part_products` returns them.
    role : str
        What the model is, for messages.
    progress : Progress
    made : collection of str, optional
        Predictors that need no raster.

    Returns
    -------
    dict of str to Stack

    Raises
    ------
    InputError
        Where one is missing, or several products could be meant.
    """
    notes = {item.name: origin_from(item.origin) for item in model.manifest.predictors}
    used: dict[str, Stack] = {}
    lost, told = [], set()
    for name in model.predictors:
        if name in made:
            continue
        origin = notes.get(name)
        column, lag = _column_and_lag(name, origin, available)
        found = _candidates(column, origin, available)
        if len(found) > 1:
            raise InputError(
                f"{role} needs '{name}', but several products of it are given: "
                f"{', '.join(sorted(product for _, product, _ in found))} (files without their dates). Leave the "
                "others out, or give the files the names that they had when the training table was sampled."
            )
        if found:
            variable, product, stack = found[0]
            if lag is None:
                used[name] = stack
            else:
                refuse_other_steps(name, lag, origin.time_step_days if origin else None, stack)
                used[name] = lagged(column, stack, lag, f"The predictor '{name}'")
            if variable == column or column in told:
                continue
            told.add(column)
            if origin is not None and product != origin.product:
                progress.warning(
                    f"The predictor '{column}' was sampled from '{origin.product}'; now '{product}' is taken, the "
                    f"only one with '{variable}'. Check that it is the same product."
                )
            else:
                progress.info(f"The predictor '{column}' is '{variable}' of '{product}'.")
        else:
            lost.append(name)
    if not lost:
        _refuse_one_for_two(used, role)
        return {name: used[name] for name in model.predictors if name in used}
    names = sorted({variable for variable, _, _ in available})
    close = {name: difflib.get_close_matches(name, names, 1) for name in lost}
    hints = [f"'{name}' (did you mean '{match[0]}'?)" if match else f"'{name}'" for name, match in close.items()]
    raise InputError(
        f"{role} needs predictors that none of the layers has: {', '.join(hints)}. The layers have: "
        f"{', '.join(names)}. Add the layers, or give their bands the names that the model was trained with (band "
        "descriptions)."
    )


def _column_and_lag(name: str, origin: Origin | None, available: AvailableStacks) -> tuple[str, Lag | None]:
    """Part the name of a predictor into that of a variable and its lag, where it is to be made of earlier dates."""
    parted: tuple[str, Lag] | None = None
    if origin is None:
        parted = lag_of_column(name)
    elif (lag := read_lag(origin.lag)) is not None:
        parted = name.removesuffix(lag.column("")), lag
    # A raster that already holds it, as of 'Antecedent index', is taken as it is.
    if parted is None or _candidates(name, None, available) or not _candidates(parted[0], origin, available):
        return name, None
    return parted


def _candidates(name: str, origin: Origin | None, available: AvailableStacks) -> list[tuple[str, str, Stack]]:
    """Return what may be meant by a predictor, the likeliest way first that leads to anything."""
    by_name = [item for item in available if item[0] == name]
    if origin is not None:
        of_variable = [item for item in available if item[0] == origin.variable]
        of_product = [item for item in of_variable if item[1] == origin.product]
        if name != origin.variable:
            # Of one product alone it is the one, whatever its files are called now.
            return of_product or by_name or of_variable
        return of_product if len(by_name) > 1 and of_product else by_name
    # A table that keeps no notes, such as a CSV, still has the names.
    return by_name or [item for item in available if qualified(item[0], item[1]) == name]


def _is_among(stack: Stack, used: Mapping[str, Stack]) -> bool:
    """Say whether a stack is taken for a predictor."""
    return any(stack is base_of(each) for each in used.values())


def tell_unused(available: AvailableStacks, used: Mapping[str, Stack], progress: Progress) -> None:
    """Warn of what is given, but that no model was trained with.

    Parameters
    ----------
    available : list of (str, str, Stack)
        As `part_products` returns them.
    used : mapping of str to Stack
        By predictor.
    progress : Progress
        Gets the warning.
    """
    taken = {variable for variable, _, stack in available if _is_among(stack, used)}
    unused = [
        f"{variable} of '{product}'" if variable in taken else variable
        for variable, product, stack in available
        if not _is_among(stack, used)
    ]
    if unused:
        progress.warning(
            f"Given, but not used, because the model was trained without: {', '.join(dict.fromkeys(unused))}."
        )


def _refuse_one_for_two(used: Mapping[str, Stack], role: str) -> None:
    of_stack: dict[int, str] = {}
    for name, stack in without_lags(used).items():
        twin = of_stack.setdefault(id(stack), name)
        if twin != name:
            raise InputError(
                f"{role} needs '{twin}' and '{name}', two products of '{stack.variable}', but only "
                f"'{stack.bands[0].source.label}' has it. Add the layers of the other product."
            )


def tell_gaps(used: Mapping[str, Stack], timing: TimeRule, progress: Progress) -> None:
    """Log how far in time each dated predictor may lie where no gap was set.

    Parameters
    ----------
    used : mapping of str to Stack
        By predictor.
    timing : TimeRule
    progress : Progress
        Gets the line.
    """
    said = timing.defaults_in_words(without_lags(used))
    if said:
        progress.info(said)


def pick_bands(used: dict[str, Stack], time: Time | None, timing: TimeRule) -> dict[str, int] | None:
    """Choose the band of each predictor for a date; None where one has none near enough.

    Parameters
    ----------
    used : dict of str to Stack
        By predictor.
    time : Time or None
        None where all predictors are static.
    timing : TimeRule

    Returns
    -------
    dict of str to int or None
        Positions in the stacks.
    """
    found = {name: timing.nearest(name, stack, time) for name, stack in used.items()}
    return (
        None if None in found.values() else {name: position for name, position in found.items() if position is not None}
    )


def choose_dates(
    used: Sequence[dict[str, Stack]],
    timing: TimeRule,
    wanted: Sequence[Time] | None,
    progress: Progress,
    of_date: Sequence[str] = (),
) -> list[Time | None]:
    """Choose the dates for which one of the models has all its predictors; a single None where all are static.

    Parameters
    ----------
    used : sequence of dict of str to Stack
        Of each model, by predictor.
    timing : TimeRule
    wanted : sequence of Time or None
        None for all that are possible.
    progress : Progress
    of_date : sequence of str, optional
        Predictors that are made of the date.

    Returns
    -------
    list of Time or None

    Raises
    ------
    InputError
        Where a wanted date, or any date at all, lacks a predictor.
    """
    dated = {name: stack for stacks_ in used for name, stack in stacks_.items() if not stack.is_static}
    within = _gaps_in_words(dated, timing)
    if not dated and of_date:
        if not wanted:
            raise InputError(
                f"The model needs the date ({', '.join(of_date)}), but no raster has one. Give `dates`, such as "
                "2018-06-01."
            )
        return [*sorted(set(wanted))]
    if not dated:
        if wanted:
            raise InputError(
                "`dates` are given, but no predictor of the model is dated: there is one map for all times. Leave "
                "`dates` empty."
            )
        return [None]

    def possible(time: Time) -> bool:
        return any(pick_bands(stacks_, time, timing) is not None for stacks_ in used)

    if wanted:
        for time in wanted:
            if not possible(time):
                lost = [name for name, stack in dated.items() if timing.nearest(name, stack, time) is None]
                raise InputError(
                    f"`dates`: for {time} there is no band within {within} of "
                    f"{', '.join(f'{name} ({_span(dated[name])})' for name in lost)}. Leave the date out, or "
                    "allow a larger `max_gap_days` (`gaps`)."
                )
        return [*sorted(set(wanted))]
    # Earlier values count for dates beyond the record, too; those are maps only where nothing else has dates.
    candidates = sorted({time for stack in (without_lags(dated) or dated).values() for time in stack.times})
    chosen: list[Time | None] = [time for time in candidates if possible(time)]
    if not chosen:
        spans = "; ".join(f"{name}: {_span(stack)}" for name, stack in dated.items())
        raise InputError(
            f"No date has all dated predictors within {within} of it ({spans}). Allow a larger `max_gap_days`, or "
            "add the layers of the missing dates."
        )
    if len(chosen) < len(candidates):
        progress.info(
            f"{len(chosen)} of {len(candidates)} dates have all dated predictors within {within}; the others are "
            "left out."
        )
    return chosen


def _gaps_in_words(dated: Mapping[str, Stack], timing: TimeRule) -> str:
    """Say how far bands may lie from a date: one number where it is one for all."""
    gaps = {
        name: f"{timing.reach(name, stack):g} days{' before' if timing.only_earlier(name, stack) else ''}"
        for name, stack in dated.items()
    }
    if len(set(gaps.values())) == 1:
        return next(iter(gaps.values()))
    return f"their largest gaps in time ({', '.join(f'{name} {gap}' for name, gap in gaps.items())})"


def _span(stack: Stack) -> str:
    return f"{stack.times[0]} to {stack.times[-1]}, {len(stack.bands)} dates"
