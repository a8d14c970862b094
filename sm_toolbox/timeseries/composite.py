"""Composites over calendar periods and trailing windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.times import Time
from sm_toolbox.timeseries.dates import require_dates

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Stack
    from sm_toolbox.raster.engine import Blocks
    from sm_toolbox.raster.opening import Source

COMPOSITE_PERIODS = ("day", "dekad", "month", "season", "year", "all", "trailing", "month_of_year")
COMPOSITE_STATISTICS = ("mean", "max", "min", "median", "sum", "weighted_mean")
_DAY = timedelta(days=1)
_MOST_DAYS = 36_600


@dataclass(frozen=True)
class Period:
    """A time span and how much each date of a stack counts in it.

    Parameters
    ----------
    time : Time
        What the composite's band is named after: the first day, or the last one of a trailing window; of a month of all
        years that month of the first of them.
    positions : tuple of int
        Dates of the stack that fall into the period.
    weights : tuple of float
        Days of each date's product that lie inside the period.
    """

    time: Time
    positions: tuple[int, ...]
    weights: tuple[float, ...]


def _day_of(time: Time) -> datetime:
    return time.start.replace(hour=0, minute=0, second=0, microsecond=0)


def _next_month(day: datetime, months: int = 1) -> datetime:
    month = day.month - 1 + months
    return day.replace(year=day.year + month // 12, month=month % 12 + 1, day=1)


def _dekad(day: datetime) -> tuple[datetime, datetime]:
    first = 1 if day.day <= 10 else 11 if day.day <= 20 else 21
    start = day.replace(day=first)
    return start, _next_month(day) if first == 21 else start + 10 * _DAY


def _season(day: datetime) -> tuple[datetime, datetime]:
    # Meteorological seasons: December belongs to the winter of the next year.
    start = (
        day.replace(day=1, month=day.month // 3 * 3)
        if day.month >= 3
        else day.replace(year=day.year if day.month == 12 else day.year - 1, month=12, day=1)
    )
    return start, _next_month(start, 3)


_SPANS: dict[str, Callable[[datetime], tuple[datetime, datetime]]] = {
    "day": lambda day: (day, day + _DAY),
    "dekad": _dekad,
    "month": lambda day: (day.replace(day=1), _next_month(day)),
    "season": _season,
    "year": lambda day: (day.replace(month=1, day=1), day.replace(year=day.year + 1, month=1, day=1)),
}


def plan_periods(times: Sequence[Time], period: str, trailing_days: int = 7, product_days: int = 1) -> list[Period]:
    """Divide the dates of a stack among periods.

    Parameters
    ----------
    times : sequence of Time
        Sorted.
    period : str
        One of `COMPOSITE_PERIODS`. `trailing` gives, for each date, the window of `trailing_days` that ends with it.
    trailing_days : int, optional
    product_days : int
        Days that a date stands for, counted from it: 8 for MODIS composites. A product that straddles a boundary counts
        in both periods, with its days inside each.

    Returns
    -------
    list of Period
        In order; periods without any date are left out.
    """
    spans = [(_day_of(time), _day_of(time) + product_days * _DAY) for time in times]
    if period == "trailing":
        windows = {(end - trailing_days * _DAY, end): Time(end - _DAY) for _, end in spans}
    elif period == "all":
        windows = {(spans[0][0], spans[-1][1]): Time(spans[0][0])}
    elif period == "month_of_year":
        return _months_of_year(plan_periods(times, "month", product_days=product_days))
    else:
        windows = {}
        for start, end in spans:
            day = start
            while day < end:
                span = _SPANS[period](day)
                windows[span] = Time(span[0], "month" if period == "month" else "day")
                day = span[1]
    periods = []
    for (first, last), time in sorted(windows.items(), key=lambda item: item[0]):
        days = [(i, (min(last, end) - max(first, start)) / _DAY) for i, (start, end) in enumerate(spans)]
        inside = [(i, weight) for i, weight in days if weight > 0]
        periods.append(Period(time, tuple(i for i, _ in inside), tuple(weight for _, weight in inside)))
    return periods


def _months_of_year(months: Sequence[Period]) -> list[Period]:
    """Put the same months of all years together."""
    found: dict[int, list[Period]] = {}
    for item in months:
        found.setdefault(item.time.start.month, []).append(item)
    return [
        Period(
            items[0].time,
            tuple(position for item in items for position in item.positions),
            tuple(weight for item in items for weight in item.weights),
        )
        for _, items in sorted(found.items())
    ]


def _combine(values: np.ndarray, period: Period, statistic: str, min_count: int, out: np.ndarray) -> None:
    """Combine the dates of a period (dates, rows, cols) into one (rows, cols)."""
    from sm_toolbox.timeseries import kernels

    if statistic == "median":
        chosen = values[list(period.positions)]
        # Sorted, NaN is last: the middle of the valid ones is found by their number.
        chosen.sort(axis=0)
        count = np.count_nonzero(~np.isnan(chosen), axis=0)
        low, high = (
            np.take_along_axis(chosen, np.maximum(i, 0)[None], axis=0)[0]
            for i in ((count - 1) // 2, np.minimum(count // 2, len(chosen) - 1))
        )
        out[...] = np.where(count >= min_count, (low + high) / 2, np.nan)
        return
    weights = np.array(period.weights) if statistic == "weighted_mean" else np.ones(len(period.weights))
    code = {
        "mean": kernels.MEAN,
        "weighted_mean": kernels.MEAN,
        "sum": kernels.SUM,
        "max": kernels.MAX,
        "min": kernels.MIN,
    }[statistic]
    kernels.combine(values, np.array(period.positions), weights, code, min_count, out)


def temporal_composite(
    sources: Sequence[Source],
    output: str,
    *,
    period: str = "month",
    statistic: str = "mean",
    trailing_days: int = 7,
    product_days: int = 1,
    min_count: int = 1,
    engine: Engine = ALL_CORES,
) -> list[str]:
    """Composite every variable over calendar periods or trailing windows.

    Parameters
    ----------
    sources : sequence of Source
        Dated bands of one or several variables, in any order of dates; on other grids than the first they are warped.
    output : str
        GeoTIFF with the bands `variable@period`: `ndvi@2018-06` for a month, the first day for other calendar periods,
        the last day for trailing windows. Months of all years have no date: `ndvi_06`.
    period, statistic : str
        One of `COMPOSITE_PERIODS` and of `COMPOSITE_STATISTICS`; `weighted_mean` weighs a date by the days of its
        product inside the period.
    trailing_days, product_days : int, optional
        As `plan_periods`.
    min_count : int, optional
        Valid values that a cell needs in a period.
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where a variable is not dated or a setting impossible.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> source = write_example("ndvi.tif", {"ndvi@2018-06-01": [[0.2, 0.4]], "ndvi@2018-06-09": [[0.4, np.nan]]})
    >>> temporal_composite([source], "month.tif", period="month", statistic="mean")
    ['ndvi@2018-06']
    >>> print(read_example("month.tif")["ndvi@2018-06"])
    [[0.3 0.4]]
    """
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.engine import EmptyError, run_blocks
    from sm_toolbox.raster.meaning import tell_amounts
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    _check(period, statistic, trailing_days, product_days, min_count)
    given = read_bands(sources)
    by_name = stacks(given)
    plans = {name: _plan(stack, period, trailing_days, product_days) for name, stack in by_name.items()}
    _check_count(plans, min_count)

    def kernel(blocks: Blocks, window: Window) -> np.ndarray:
        out = np.empty((len(bands), *next(iter(blocks.values())).shape[1:]), np.float32)
        jobs = ((blocks[name], item) for name, periods in plans.items() for item in periods)
        for (values, item), into in zip(jobs, out):
            _combine(values, item, statistic, min_count, into)
        return out

    bands = [
        f"{name}_{item.time.start.month:02d}" if period == "month_of_year" else band_name(name, item.time)
        for name, periods in plans.items()
        for item in periods
    ]
    # Only the median copies what it sorts.
    deepest = statistic == "median" and max(len(item.positions) for periods in plans.values() for item in periods)
    grid = given[0].grid
    inputs = {name: stack.bands for name, stack in by_name.items()}
    # Whoever reads the file knows how many days each band stands for.
    tags = {f"PERIOD_{name}": period for name in by_name} if period in ("dekad", "season", "year") else {}
    if statistic in _CELL_METHODS and period != "trailing":
        tags |= {f"METHOD_{name}": _CELL_METHODS[statistic] for name in by_name}
    try:
        written = run_blocks(
            kernel, inputs, [RasterOutput(output, bands, tags)], grid, engine, scratch_bytes_per_cell=16 * deepest + 20
        )
    except EmptyError as error:
        if min_count == 1:
            raise
        raise InputError(
            f"Nothing was written: no cell has values on `min_count` ({min_count}) dates of any period. Give a smaller "
            "`min_count` or a longer `period`."
        ) from error
    tell_amounts(written.watch, given, engine.progress)
    return bands


def _plan(stack: Stack, period: str, trailing_days: int, product_days: int) -> list[Period]:
    require_dates(stack)
    return plan_periods(stack.times, period, trailing_days, product_days)


# What CF calls the statistics.
_CELL_METHODS = {
    "mean": "mean",
    "weighted_mean": "mean",
    "max": "maximum",
    "min": "minimum",
    "median": "median",
    "sum": "sum",
}


def _check_count(plans: dict[str, list[Period]], min_count: int) -> None:
    for name, periods in plans.items():
        most = max(len(item.positions) for item in periods)
        if most < min_count:
            raise InputError(
                f"`min_count` is {min_count}, but no period has more than {most} dates of {name}, so that no cell "
                "would have data. Give a smaller `min_count` or a longer `period`."
            )


def _check(period: str, statistic: str, trailing_days: int, product_days: int, min_count: int) -> None:
    for key, value, allowed in (("period", period, COMPOSITE_PERIODS), ("statistic", statistic, COMPOSITE_STATISTICS)):
        if value not in allowed:
            raise InputError(f"`{key}` is '{value}', but must be one of: {', '.join(allowed)}.")
    for key, number in (("trailing_days", trailing_days), ("product_days", product_days), ("min_count", min_count)):
        if not 1 <= number <= _MOST_DAYS:
            raise InputError(f"`{key}` is {number}, but must be from 1 to {_MOST_DAYS:,}.")
