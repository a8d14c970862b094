"""Trends over time, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.timeseries.dates import FEWEST, days_since_first, require_dates, require_distinct_starts

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

TREND_METHODS = ("least_squares", "theil_sen")
BANDS = ("slope", "slope_per_step", "p_value", "n", "slope_low", "slope_high")
"""Values that a trend needs: through two there is always a line, and nothing left to judge it by."""
_DAYS_PER_YEAR = 365.25
_MANY_DATES = 400
# About a second between checks for Cancel.
_PAIRS_BETWEEN_CHECKS = 2 * 10**8


@dataclass(frozen=True)
class Group:
    """Dates that have a trend of their own: all of them, or those of one calendar month.

    Parameters
    ----------
    suffix : str
        What follows the names of its bands: nothing, or `_01` to `_12`.
    positions : ndarray of int64 (n,)
        Its dates among those of the stack.
    years, steps : ndarray of float64 (n,)
        Its two axes of time, each about its mean.
    """

    suffix: str
    positions: np.ndarray
    years: np.ndarray
    steps: np.ndarray


def group_dates(times: Sequence[Time], by_month: bool) -> list[Group]:
    """Divide dates into groups that have a trend each.

    Parameters
    ----------
    times : sequence of Time
        Sorted. A month counts from its first day.
    by_month : bool
        Whether each calendar month is a group. Its step is one occurrence of the month, so that several dates of a
        month are at the same step. Without it each date is a step.

    Returns
    -------
    list of Group
    """
    days = days_since_first(times, times[0])
    months = np.array([time.start.month if by_month else 0 for time in times])
    groups = []
    for month in np.unique(months):
        positions = np.flatnonzero(months == month)
        occurrences = [times[i].start.year if by_month else i for i in positions]
        steps = np.unique(occurrences, return_inverse=True)[1].astype(np.float64)
        years = days[positions] / _DAYS_PER_YEAR
        groups.append(Group(f"_{month:02d}" if by_month else "", positions, years - years.mean(), steps - steps.mean()))
    return groups


def temporal_trend(
    sources: Sequence[Source], output: str, *,
    method: str = "least_squares", by_month: bool = False, engine: Engine = ALL_CORES,
) -> list[str]:  # fmt: skip
    """Compute the linear trend of a variable over its dates, with a test of whether there is one.

    Parameters
    ----------
    sources : sequence of Source
        Dated bands of one variable, in any order of dates; on other grids than the first they are warped.
    output : str
        GeoTIFF with `slope` (units of the variable per year of 365.25 days), `slope_per_step` (per step), `p_value` (0
        to 1), `n` (valid values), and `slope_low` and `slope_high`, 95 % confidence limits of the slope. Cells with
        fewer than three values have only `n`.
    method : {'least_squares', 'theil_sen'}
        Least squares with the two-sided t test (n − 2 degrees of freedom); or the median of the slopes between all
        pairs of values (Theil 1950; Sen 1968, doi 10.1080/01621459.1968.10480934) with the two-sided test of Mann
        (1945) and Kendall (1975) in its normal approximation, with corrections for ties and continuity. The second
        takes time with the square of the number of dates, and 2 n² bytes for each thread.
    by_month : bool, optional
        A trend for each calendar month, its bands named `slope_01` to `slope_12` and so on.
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where the bands are of several variables or not dated, two dates start at the same moment, or no trend has three
        dates.
    OutputError, Cancelled
        As `run_blocks`.

    Notes
    -----
    `slope_per_step` is least squares over the numbers 1, 2, … of the dates, whatever the method: Eq. 8 of the study of
    Zoige (Remote Sens. 2023, 15, 1531). A cell with gaps keeps the numbers that its dates have in the whole record. By
    month, the occurrences of the month are numbered.

    Values that follow each other closely are worth fewer independent ones. Both tests and the limits use the effective
    number n (1 − ρ) / (1 + ρ), in which ρ is the correlation of each residual with the next, (n ρ̂ + 1) / (n − 4), which
    takes away most of its bias (Santer et al. 2000, doi 10.1029/1999JD901105; Yue & Wang 2004, doi
    10.1023/B:WARM.0000043140.61082.60). At least three values remain.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> rain = {f"rain@{year}-01-01": [[10.0 * (year - 2000)]] for year in range(2001, 2006)}
    >>> temporal_trend([write_example("rain.tif", rain)], "trend.tif", method="theil_sen")
    ['slope', 'slope_per_step', 'p_value', 'n', 'slope_low', 'slope_high']
    >>> print(read_example("trend.tif")["slope"].round(1))
    [[10.]]
    """
    from sm_toolbox.raster.bands import read_bands, single_stack
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.meaning import tell_amounts
    from sm_toolbox.raster.outputs import RasterOutput

    progress = engine.progress
    if method not in TREND_METHODS:
        raise InputError(f"`method` is '{method}', but must be one of: {', '.join(TREND_METHODS)}.")
    given = read_bands(sources)
    stack = single_stack(given, "sources")
    require_dates(stack, FEWEST)
    require_distinct_starts(stack)
    groups = group_dates(stack.times, by_month)
    _report_groups(stack.variable, groups, method, progress)
    bands = [f"{name}{group.suffix}" for group in groups for name in BANDS]
    grid = given[0].grid
    kernel = partial(_trends, groups=groups, method=method, progress=progress)
    written = run_blocks(
        kernel,
        {"input": stack.bands},
        [RasterOutput(output, bands)],
        grid,
        engine,
        scratch_bytes_per_cell=4 * len(bands) + 120,
    )
    tell_amounts(written.watch, given, progress)
    with_trend = written.facts["with_trend"]
    for group, cells in zip(groups, with_trend):
        share = 100 * float(cells) / (grid.width * grid.height)
        progress.info(
            f"{f'Month {group.suffix[1:]}' if by_month else 'All dates'}: {share:.1f} % of the cells have a trend."
        )
    if not with_trend.any():
        progress.warning(
            f"No cell has three values of {stack.variable}, so that there is no trend. The output has only the "
            "numbers of values."
        )
    return bands


def _trends(
    blocks: Blocks, window: Window, groups: Sequence[Group], method: str, progress: Progress
) -> tuple[np.ndarray, Facts]:
    """Return the bands of each group of dates, and in how many cells each has a trend; a kernel."""
    from sm_toolbox.timeseries import trend_kernels

    values = blocks["input"]
    out = np.empty((len(groups), len(BANDS), *values.shape[1:]), np.float32)
    slope, error, statistic, effective, low, high = np.empty((6, *values.shape[1:]))
    with_trend = np.zeros(len(groups), np.int64)
    for i, group in enumerate(groups):
        _, per_step, p_value, count = out[i, :4]
        trend_kernels.least_squares(
            values, group.positions, group.years, group.steps, slope, per_step, error, effective, count
        )
        if method == "theil_sen":
            pairs = len(group.positions) ** 2 * values.shape[2]
            rows = max(1, 2 * _PAIRS_BETWEEN_CHECKS // pairs)
            for row in range(0, values.shape[1], rows):
                progress.check()
                parts = (part[row : row + rows] for part in (slope, low, high, statistic, effective))
                trend_kernels.theil_sen(values, row, group.positions, group.years, *parts)
            p_value[...] = two_sided(statistic * np.sqrt(effective / count), None)
        else:
            low, high = _student(slope, error, effective, count, p_value)
        out[i, 0], out[i, 4], out[i, 5] = slope, low, high
        with_trend[i] = np.count_nonzero(count >= FEWEST)
    return out.reshape(-1, *values.shape[1:]), {"with_trend": with_trend}


def _student(
    slope: np.ndarray, error: np.ndarray, effective: np.ndarray, count: np.ndarray, p_value: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fill the p-value of least squares, and return the 95 % confidence limits of the slope."""
    from scipy.special import stdtrit

    freedom = np.maximum(effective - 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = error * np.sqrt((count - 2) / freedom)
        p_value[...] = two_sided(np.where(slope == 0, 0, slope / error), freedom + 2)
    reach = stdtrit(freedom, 0.975) * error
    return slope - reach, slope + reach


def two_sided(statistic: np.ndarray, count: np.ndarray | None) -> np.ndarray:
    """Return the probability of a statistic at least as far from 0 where there is no trend.

    Parameters
    ----------
    statistic : ndarray of float
    count : ndarray, optional
        Values behind each statistic, which is Student's t with two degrees of freedom fewer; without it the statistic
        is standard normal.

    Returns
    -------
    ndarray of float, same shape
    """
    from scipy.special import ndtr, stdtr

    below = -np.abs(statistic)
    return 2 * (ndtr(below) if count is None else stdtr(count.astype(np.float64) - 2, below))


def _report_groups(variable: str, groups: Sequence[Group], method: str, progress: Progress) -> None:
    short = [group for group in groups if len(group.positions) < FEWEST]
    if len(short) == len(groups):
        raise InputError(
            f"No calendar month has three dates of {variable}, as a trend needs. Add the layers of further years, "
            "or switch `by_month` off."
        )
    if short:
        progress.warning(
            f"Fewer than three dates, and no trend, in the months {', '.join(group.suffix[1:] for group in short)}."
        )
    most = max(len(group.positions) for group in groups)
    if method == "theil_sen" and most > _MANY_DATES:
        progress.info(
            f"The {most} dates make {most * (most - 1) // 2:,} pairs in each cell: this takes long. 'Composite "
            "over time' to months first is much faster."
        )
