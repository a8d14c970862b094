"""Filling gaps over time, and interpolating to other dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.times import parse_dates
from sm_toolbox.timeseries.dates import days_since_first, require_dates, require_distinct_starts

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

GAP_FILL_METHODS = ("moving_average", "linear", "spline", "savitzky_golay")
DEFAULT_WINDOW = {"moving_average": 3.0, "savitzky_golay": 7.0}
DEFAULT_ORDER = 2
_MOST_DATES = 10_000
_LARGEST_WINDOW = 3_660
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class GapFilling:
    """What was done.

    Parameters
    ----------
    bands : list of str
    missing : dict of str to (float, float)
        For each variable the share of values that were missing, 0 to 1, in its dates, and that still are in the
        output's.
    """

    bands: list[str]
    missing: dict[str, tuple[float, float]]


def fill_gaps(
    sources: Sequence[Source],
    output: str,
    *,
    method: str = "linear",
    window: float | None = None,
    order: int = DEFAULT_ORDER,
    max_gap: float | None = None,
    dates: str = "",
    engine: Engine = ALL_CORES,
) -> GapFilling:
    """Fill the gaps of every variable over time, or interpolate it to given dates. Values that are there never change.

    Parameters
    ----------
    sources : sequence of Source
        Dated bands of one or several variables, in any order of dates; on other grids than the first they are warped.
    output : str
        GeoTIFF or NetCDF with the bands `variable@date`.
    method : {'moving_average', 'linear', 'spline', 'savitzky_golay'}
        The mean of the values within `window` days around the date; the line between the values on both sides; the
        piecewise cubic that keeps the shape of the data (Fritsch & Butland 1984, doi 10.1137/0905021); the polynomial
        fitted within a moving window of equal steps (Savitzky & Golay 1964, doi 10.1021/ac60214a047), gaps bridged by
        lines first. All but the first need a value on both sides of a gap, and Savitzky–Golay as many steps from a
        cell's first to its last value as its window has.
    window : float, optional
        Days for the moving average (3: the day before, the day, the day after); for Savitzky–Golay an odd number of
        steps (7), where a step is the median distance of the dates.
    order : int, optional
        Degree of the polynomial of Savitzky–Golay.
    max_gap : float, optional
        Gaps stay where the values on both sides are further apart than these days. What lies before the first or after
        the last value is no such gap: only the moving average fills it, as far as its window goes.
    dates : str, optional
        Dates of the output as `parse_dates` takes them; by default those of the input.
    engine : Engine, optional

    Returns
    -------
    GapFilling

    Raises
    ------
    InputError
        Where a variable is not dated, has a single date or two that start at the same moment, and where a setting is
        impossible.
    OutputError, Cancelled
        As `run_blocks`.

    Notes
    -----
    A month counts from its first day, a day from its midnight.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> bands = {"ndvi@2018-06-01": [[0.2]], "ndvi@2018-06-09": [[np.nan]], "ndvi@2018-06-17": [[0.6]]}
    >>> filled = fill_gaps([write_example("ndvi.tif", bands)], "filled.tif", method="linear")
    >>> before, after = filled.missing["ndvi"]
    >>> round(before, 2), after
    (0.33, 0.0)
    >>> print(read_example("filled.tif")["ndvi@2018-06-09"])
    [[0.4]]
    """
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.meaning import tell_amounts
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    progress = engine.progress
    size = _check(method, window, order, max_gap)
    wanted = _wanted(dates)
    given = read_bands(sources)
    by_name = stacks(given)
    for stack in by_name.values():
        require_dates(stack, 2)
        require_distinct_starts(stack)
    targets = {name: wanted or stack.times for name, stack in by_name.items()}
    series = {
        name: tuple(days_since_first(times, stack.times[0]) for times in (stack.times, targets[name]))
        for name, stack in by_name.items()
    }
    for name, (days, times) in series.items():
        _check_reach(name, by_name[name].times, days, times, size / 2 if method == "moving_average" else 0, progress)
    regular = {
        name: _regular(days, name) if method == "savitzky_golay" else np.empty(0) for name, (days, _) in series.items()
    }
    weights = _polynomial_weights(int(size), order) if method == "savitzky_golay" else np.empty((0, 0))

    # Of each variable the dates that it has and those that it gets, as days, and the equal steps.
    jobs = {name: (*days, regular[name]) for name, days in series.items()}
    settings = GAP_FILL_METHODS.index(method), size / 2, np.inf if max_gap is None else max_gap
    kernel = partial(_filled, jobs=jobs, settings=settings, weights=weights)
    bands = [band_name(name, time) for name, times in targets.items() for time in times]
    inputs = {name: stack.bands for name, stack in by_name.items()}
    grid = given[0].grid
    written = run_blocks(kernel, inputs, [RasterOutput(output, bands)], grid, engine)
    tell_amounts(written.watch, given, progress)
    cells = grid.width * grid.height
    missing = {
        name: (1 - before / (cells * len(stack.bands)), 1 - after / (cells * len(targets[name])))
        for (name, stack), (before, after) in zip(by_name.items(), written.facts["counts"].tolist())
    }
    filling = GapFilling(bands, missing)
    _report_missing(filling, progress)
    return filling


def _filled(
    blocks: Blocks,
    window: Window,
    jobs: dict[str, tuple[np.ndarray, ...]],
    settings: tuple[int, float, float],
    weights: np.ndarray,
) -> tuple[np.ndarray, Facts]:
    """Return all variables on their dates, and the valid values of each before and after; a kernel."""
    from sm_toolbox.timeseries.gapfill_kernels import fill

    shape = next(iter(blocks.values())).shape[1:]
    out = np.empty((sum(len(targets) for _, targets, _ in jobs.values()), *shape), np.float32)
    counts = np.zeros((len(jobs), 2), np.int64)
    start = 0
    for number, (name, (days, targets, regular)) in enumerate(jobs.items()):
        part = out[start : start + len(targets)]
        start += len(targets)
        counts[number] = fill(blocks[name], days, targets, *settings, regular, weights, part)
    return out, {"counts": counts}


def _wanted(dates: str) -> list[Time]:
    """Return the dates that are asked for, each once."""

    wanted = parse_dates(dates)
    twice = [str(a) for a, b in zip(wanted, wanted[1:]) if a.start == b.start]
    if twice:
        raise InputError(f"`dates`: {twice[0]} is given twice.")
    return wanted


def _report_missing(filling: GapFilling, progress: Progress) -> None:
    for name, shares in filling.missing.items():
        progress.info(
            f"{name}: {100 * shares[0]:.1f} % of the values of the input are missing, {100 * shares[1]:.1f} % of "
            "the output."
        )


def _check_reach(
    variable: str, dates: Sequence[Time], days: np.ndarray, targets: np.ndarray, reach: float, progress: Progress
) -> None:
    """Return how many target dates no value can reach; raise where these are all."""
    outside = np.count_nonzero((targets < days[0] - reach) | (targets > days[-1] + reach))
    if outside == len(targets):
        raise InputError(
            f"`dates`: none lies within the dates of {variable}, {dates[0]} to {dates[-1]}. Ask for dates between "
            f"them, or leave {variable} out."
        )
    if outside:
        progress.warning(
            f"{outside} of {len(targets)} `dates` lie outside the dates of {variable}, {dates[0]} to {dates[-1]}, "
            "and have no values."
        )


def _regular(days: np.ndarray, variable: str) -> np.ndarray:
    """Return equally spaced times from the first date on, at the median distance of the dates."""
    step = float(np.median(np.diff(days)))
    count = int(np.ceil((days[-1] - days[0]) / step - 1e-6)) + 1
    if count > _MOST_DATES:
        raise InputError(
            f"Half of the dates of {variable} are no more than {step:.2g} days apart, which makes {count:,} equal "
            f"steps for savitzky_golay; at most {_MOST_DATES:,} are taken. Bring the dates to one period with "
            "'Composite over time' first, or choose another `method`."
        )
    regular = days[0] + step * np.arange(count)
    # Steps that are dates but for rounding become them: next to the first or the last value a step would else count as
    # outside.
    nearest = days[np.searchsorted((days[1:] + days[:-1]) / 2, regular)]
    return np.where(np.abs(nearest - regular) < 1e-6, nearest, regular)


def _polynomial_weights(window: int, order: int) -> np.ndarray:
    """Return the matrix that takes a window's values to those of the polynomial fitted to them."""
    # From -1 to 1, so that the powers stay of one size.
    powers = np.vander(np.linspace(-1, 1, window), order + 1)
    return powers @ np.linalg.pinv(powers)


def _check(method: str, window: float | None, order: int, max_gap: float | None) -> float:
    """Check all settings and return the window."""
    if method not in GAP_FILL_METHODS:
        raise InputError(f"`method` is '{method}', but must be one of: {', '.join(GAP_FILL_METHODS)}.")
    size = DEFAULT_WINDOW.get(method, 1.0) if window is None else window
    if not 0 < size <= _LARGEST_WINDOW:
        raise InputError(f"`window` is {size:g}, but must be greater than 0 and at most {_LARGEST_WINDOW:,}.")
    if max_gap is not None and not max_gap > 0:
        raise InputError(
            f"`max_gap` is {max_gap:g}, but must be greater than 0 days. Leave it empty to fill gaps of any length."
        )
    if method == "savitzky_golay":
        if size != int(size) or int(size) % 2 == 0 or size < 3:
            raise InputError(
                f"`window` is {size:g}, but for savitzky_golay it is the number of steps, an odd number from 3 on: "
                "5, 7, 9."
            )
        if not 0 <= order < size:
            raise InputError(
                f"`order` is {order}, but must be at least 0 and less than `window` ({size:g}). 2 or 3 are usual."
            )
    return size
