"""The compiled loops behind trends over time: a block of dated bands to slopes and test statistics, cell by cell.

A few neighbouring cells are first copied out of all dates, so that each one's series lies in one piece: read cell by
cell, the dates of a block are so far apart that they push each other out of the processor's cache.
"""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit
from sm_toolbox.timeseries.dates import FEWEST

# Cells copied at once: a few cache lines of each date.
_CELLS = 64
# Values come in single precision: residuals below this share of the variance are their rounding, and the fit is
# perfect.
_PERFECT = 1e-14
# The sums of a series may be taken in any order, which lets the compiler take several values at once; gaps stay NaN.
_SUMS = {**KERNEL_OPTIONS, "fastmath": {"reassoc", "contract"}}


@njit(**KERNEL_OPTIONS)
def least_squares(block, positions, years, steps, slope, per_step, statistic, count):
    """Fit a straight line to each cell over time, once against years and once against steps.

    Parameters
    ----------
    block : ndarray of float32 (dates, rows, cols)
        NaN where there is no data.
    positions : ndarray of int64 (n,)
        The dates of the block to take, in order of time.
    years, steps : ndarray of float64 (n,)
        The two axes; near zero, so that their squares keep their digits.
    slope, per_step : ndarray of float32 (rows, cols)
        Filled: slopes per year and per step; NaN with fewer than FEWEST values.
    statistic : ndarray of float64 (rows, cols)
        Filled: t of the slope per year; ±∞ for a perfect fit, 0 for a series without change.
    count : ndarray of float32 (rows, cols)
        Filled: valid values.
    """
    _, rows, columns = block.shape
    series = np.empty((_CELLS, positions.size), np.float32)
    for row in range(rows):
        for start in range(0, columns, _CELLS):
            cells = min(_CELLS, columns - start)
            _copy_series(block, positions, row, start, cells, series)
            for cell in range(cells):
                result = _fit(series[cell], years, steps)
                place = start + cell
                slope[row, place], per_step[row, place], statistic[row, place], count[row, place] = result


@njit(**KERNEL_OPTIONS)
def theil_sen(block, first, positions, years, slope, statistic):
    """Take the median of the slopes between all pairs of values of each cell, and the Mann–Kendall statistic.

    Parameters
    ----------
    block, positions, years
        As `least_squares`.
    first : int
        The row of the block that belongs to the first row of `slope`: it takes so long that a block is done in pieces.
    slope : ndarray of float32 (rows, cols)
        Filled: median slope per year (Theil 1950, Sen 1968); NaN with fewer than FEWEST values.
    statistic : ndarray of float64 (rows, cols)
        Filled: z of Mann (1945) and Kendall (1975), with corrections for ties and for continuity; standard normal where
        there is no trend.
    """
    rows, columns = slope.shape
    dates = positions.size
    series = np.empty((_CELLS, dates), np.float32)
    x, y = np.empty(dates, np.float64), np.empty(dates, np.float64)
    # Rounded to single precision their median is that of the exact slopes, rounded: rounding keeps the order.
    slopes = np.empty(dates * (dates - 1) // 2, np.float32)
    for row in range(rows):
        for start in range(0, columns, _CELLS):
            cells = min(_CELLS, columns - start)
            _copy_series(block, positions, first + row, start, cells, series)
            for cell in range(cells):
                n = 0
                for i in range(dates):
                    if not np.isnan(series[cell, i]):
                        x[n], y[n] = years[i], series[cell, i]
                        n += 1
                place = start + cell
                if n < FEWEST:
                    slope[row, place] = statistic[row, place] = np.nan
                    continue
                statistic[row, place] = _mann_kendall(y[:n], _pair_slopes(x[:n], y[:n], slopes))
                slope[row, place] = _median(slopes[: n * (n - 1) // 2])


@njit(**KERNEL_OPTIONS)
def _copy_series(block, positions, row, start, cells, series):
    for i in range(positions.size):
        values = block[positions[i], row, start : start + cells]
        for cell in range(cells):
            series[cell, i] = values[cell]


@njit(**_SUMS)
def _fit(series, years, steps):
    first = 0.0
    for value in series:
        if not np.isnan(value):
            first = float(value)
            break
    n = x_1 = x_2 = k_1 = k_2 = d_1 = d_2 = xd = kd = 0.0
    for i in range(series.size):
        value = float(series[i])
        valid = value == value
        one = 1.0 if valid else 0.0
        x = years[i] if valid else 0.0
        k = steps[i] if valid else 0.0
        # Differences from the first value: squares of temperatures in kelvin would leave few digits, and those of a
        # constant are exactly 0.
        d = value - first if valid else 0.0
        n += one
        x_1 += x
        x_2 += x * x
        k_1 += k
        k_2 += k * k
        d_1 += d
        d_2 += d * d
        xd += x * d
        kd += k * d
    if n < FEWEST:
        return np.nan, np.nan, np.nan, n
    xx, dd, xd = x_2 - x_1 * x_1 / n, d_2 - d_1 * d_1 / n, xd - x_1 * d_1 / n
    kk = k_2 - k_1 * k_1 / n
    # All values of a calendar month may come from one year: there is no step then.
    per_step = (kd - k_1 * d_1 / n) / kk if kk > 0 else np.nan
    residual = dd - xd * xd / xx
    if dd <= 0:
        t = 0.0
    elif residual <= _PERFECT * dd:
        t = math.copysign(math.inf, xd)
    else:
        t = xd / math.sqrt(xx * residual / (n - 2))
    return xd / xx, per_step, t, n


@njit(**KERNEL_OPTIONS)
def _pair_slopes(x, y, slopes):
    """Fill the slopes of all pairs, and return how many more rise than fall."""
    score, filled = 0, 0
    for i in range(y.size - 1):
        pairs = slopes[filled : filled + y.size - i - 1]
        x_0, y_0, x_later, y_later = x[i], y[i], x[i + 1 :], y[i + 1 :]
        for j in range(pairs.size):
            pairs[j] = (y_later[j] - y_0) / (x_later[j] - x_0)
        for j in range(pairs.size):
            score += int(y_later[j] > y_0) - int(y_later[j] < y_0)
        filled += pairs.size
    return score


@njit(**KERNEL_OPTIONS)
def _mann_kendall(y, score):
    # A value that occurs t times adds (t − 1)(2 t + 5) as often, which is the t (t − 1)(2 t + 5) of the group.
    ties = 0
    for value in y:
        same = 0
        for other in y:
            same += int(other == value)
        ties += (same - 1) * (2 * same + 5)
    n = y.size
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    if score == 0:
        return 0.0
    return (score - np.sign(score)) / math.sqrt(variance)


@njit(**KERNEL_OPTIONS)
def _median(values):
    """Return the median; the values are rearranged."""
    middle = values.size // 2
    high = _select(values, middle)
    if values.size % 2:
        return high
    return np.float32((np.float64(values[:middle].max()) + np.float64(high)) / 2)


@njit(**KERNEL_OPTIONS)
def _select(values, k):
    """Return the value that sorting would put at position k, with none larger before it (Hoare's quickselect)."""
    low, high = 0, values.size
    random = np.uint32(1)
    while high - low > 1:
        # The middle of three, one of them at random: slopes come in an order of their own, in which fixed places can be
        # the worst ones.
        random = random * np.uint32(1664525) + np.uint32(1013904223)
        a, b, c = values[low + np.int64(random) % (high - low)], values[low + (high - low) // 2], values[high - 1]
        pivot = max(min(a, b), min(max(a, b), c))
        # Swapping always, and moving the boundary on by the comparison's result, spares a branch that would be guessed
        # wrong every other time.
        boundary = low
        for i in range(low, high):
            value = values[i]
            values[i] = values[boundary]
            values[boundary] = value
            boundary += int(value < pivot)
        if k < boundary:
            high = boundary
            continue
        if boundary == low:
            # Nothing is smaller than the pivot: without taking out all that equal it, ties would go on for ever.
            for i in range(low, high):
                value = values[i]
                values[i] = values[boundary]
                values[boundary] = value
                boundary += int(value == pivot)
            if k < boundary:
                return pivot
        low = boundary
    return values[k]
