"""Anomalies: what is left of a series when its seasonal cycle is taken off, one climatology for all who need it.

The cycle is the mean of each calendar month over all years (`climatology`), or the mean of the samples around each date
(`moving_window`). Both are over samples: dates on which all variables that are looked at together have a value.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress

if TYPE_CHECKING:
    from sm_toolbox.raster.times import Time

ANOMALIES = ("none", "climatology", "moving_window")
LONGEST_WINDOW = 36_525
"""Days."""
_FEWEST_YEARS = 3
# Samples of a month below which its mean is that of all the year.
_FEWEST_IN_MONTH = 3


def check_anomalies(anomalies: str, window_days: float) -> None:
    """Refuse a kind of anomalies that there is not, and a window that no record has.

    Parameters
    ----------
    anomalies : str
        One of `ANOMALIES`.
    window_days : float
        Length of the moving window.

    Raises
    ------
    InputError
        Which names the parameter.
    """
    if anomalies not in ANOMALIES:
        raise InputError(f"`anomalies` is '{anomalies}', but must be one of: {', '.join(ANOMALIES)}.")
    if not 0 < window_days <= LONGEST_WINDOW:
        raise InputError(
            f"`anomaly_window` is {window_days:g} days, but must be above 0 and up to {LONGEST_WINDOW:,} (100 years)."
        )


def warn_of_short_climatology(times: Sequence[Time], progress: Progress) -> None:
    """Say where a mean year rests on too few years.

    Parameters
    ----------
    times : sequence of Time
        In order.
    progress : Progress
    """
    years = (times[-1].start - times[0].start).days / 365.25
    if years < _FEWEST_YEARS:
        progress.warning(
            f"`anomalies` climatology: the common dates span {years:.1f} years, so that each month's mean is mostly "
            f"of the month itself. It is meant for {_FEWEST_YEARS} and more years; take moving_window."
        )


# The mean of each month ---------------------------------------------------------------------------------------------


def month_means(samples: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Return the mean of each month; that of all the year where a month has fewer than three samples.

    Parameters
    ----------
    samples : ndarray (12, ...)
        Their number.
    totals : ndarray (12, ...)
        The sums of their values; may have axes that `samples` has with a length of 1.

    Returns
    -------
    ndarray of float64 (12, ...)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means: np.ndarray = np.where(
            samples >= _FEWEST_IN_MONTH, totals / samples, totals.sum(axis=0) / samples.sum(axis=0)
        )
    return means


def month_anomalies(values: np.ndarray, months: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return the deviations from the mean of the month.

    Parameters
    ----------
    values : ndarray of float32 (variables, dates, ...)
    months : ndarray of int (dates,)
        From 0 for January.
    means : ndarray (12, variables, ...)

    Returns
    -------
    ndarray of float32 (variables, dates, ...)
    """
    by_month = means.astype(np.float32)
    return np.stack([values[:, date] - by_month[month] for date, month in enumerate(months)], axis=1)


def month_position(time: Time) -> tuple[int, int, float]:
    """Return the two months whose middles a date lies between, and how far it is from the first to the second.

    Parameters
    ----------
    time : Time

    Returns
    -------
    first, second : int
        Months, 0 to 11.
    share : float
        0 to 1.
    """
    day = (
        (calendar.monthrange(time.start.year, time.start.month)[1] - 1) / 2
        if time.resolution == "month"
        else time.start.day - 1
    )
    place = time.start.month - 1 + (day + 0.5) / calendar.monthrange(time.start.year, time.start.month)[1] - 0.5
    first = math.floor(place)
    return first % 12, (first + 1) % 12, place - first


def between_months(means: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the climatology of dates: in between the middles of two months that of these is interpolated.

    Parameters
    ----------
    means : ndarray of float32 (12, variables, ...)
    positions : ndarray (dates, 3)
        Of each date, as `month_position`.

    Returns
    -------
    ndarray of float32 (variables, dates, ...)
    """
    return np.stack(
        [
            means[int(first)] * np.float32(1 - share) + means[int(second)] * np.float32(share)
            for first, second, share in positions
        ],
        axis=1,
    )


# The mean of the days around each date -------------------------------------------------------------------------------


def moving_windows(times: Sequence[Time], days: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each date the first date of its window, and the first one after it.

    Parameters
    ----------
    times : sequence of Time
        In order.
    days : float
        Length of the window, with the date in its middle.

    Returns
    -------
    low, high : ndarray of int64 (dates,)

    Raises
    ------
    InputError
        Where the usual window holds too few dates.
    """
    from sm_toolbox.timeseries.anomaly_kernels import FEWEST_IN_WINDOW

    at = np.array([(time.start - times[0].start).total_seconds() / 86400 for time in times])
    low, high = np.searchsorted(at, at - days / 2, "left"), np.searchsorted(at, at + days / 2, "right")
    if float(np.median(high - low)) < FEWEST_IN_WINDOW:
        raise InputError(
            f"A window of `anomaly_window` {days:g} days holds {np.median(high - low):.0f} of the dates, but the "
            f"mean of the season needs at least {FEWEST_IN_WINDOW}. Give a longer window, or take `anomalies` "
            "climatology for monthly data."
        )
    return low.astype(np.int64), high.astype(np.int64)


def read_with_moving_means(
    read: Callable[[int, int], np.ndarray], low: np.ndarray, high: np.ndarray, at_once: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield parts of a record with their moving means; no date is read twice.

    Parameters
    ----------
    read : callable
        `read(start, stop)` returns the values of some dates, float32 (variables, dates, rows, cols).
    low, high : ndarray of int64 (dates,)
        As of `moving_windows`.
    at_once : int
        Dates of a part.

    Yields
    ------
    first : int
        The first date.
    block, means : ndarray of float32 (variables, dates, rows, cols)
    """
    from sm_toolbox.timeseries.anomaly_kernels import moving_means

    dates = len(low)
    held, begin, end = None, 0, 0
    for first in range(0, dates, at_once):
        last = min(first + at_once, dates)
        start, stop = int(low[first]), int(high[last - 1])
        fresh = read(max(end, start), stop)
        held = fresh if held is None else np.concatenate([held[:, start - begin :], fresh], axis=1)
        begin, end = start, stop
        block = held[:, first - begin : last - begin]
        means = np.empty_like(block)
        moving_means(held, low[first:last] - begin, high[first:last] - begin, means)
        yield first, block, means
