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
_ROUNDED = 1e-11
# The sums of a series may be taken in any order, which lets the compiler take several values at once; gaps stay NaN.
_SUMS = {**KERNEL_OPTIONS, "fastmath": {"reassoc", "contract"}}


@njit(**KERNEL_OPTIONS)
def least_squares(block, positions, years, steps, slope, per_step, error, effective, count):
    """Fit a straight line to each cell over time, once against years and once against steps.

    Parameters
    ----------
    block : ndarray of float32 (dates, rows, cols)
        NaN where there is no data.
    positions : ndarray of int64 (n,)
        The dates of the block to take, in order of time.
    years, steps : ndarray of float64 (n,)
        The two axes; near zero, so that their squares keep their digits.
    slope : ndarray of float64 (rows, cols)
        Filled: slope per year; NaN with fewer than FEWEST values.
    per_step : ndarray of float32 (rows, cols)
        Filled: slope per step.
    error : ndarray of float64 (rows, cols)
        Filled: standard error of the slope per year as if values were independent; 0 for a perfect fit and for a series
        without change.
    effective : ndarray of float64 (rows, cols)
        Filled: effective number of values, as `effective_size`.
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
                slope[row, place], per_step[row, place], error[row, place], effective[row, place] = result[:4]
                count[row, place] = result[4]


@njit(**KERNEL_OPTIONS)
def theil_sen(block, first, positions, years, slope, low, high, statistic, effective):
    """Take the median of the slopes between all pairs of values of each cell, and the Mann–Kendall statistic.

    Parameters
    ----------
    block, positions, years
        As `least_squares`.
    first : int
        The row of the block that belongs to the first row of `slope`: it takes so long that a block is done in pieces.
    slope : ndarray of float64 (rows, cols)
        Filled: median slope per year (Theil 1950, Sen 1968); NaN with fewer than FEWEST values.
    low, high : ndarray of float64 (rows, cols)
        Filled: the slopes between which the true one lies in 95 of 100 cases (Sen 1968), for the effective number.
    statistic : ndarray of float64 (rows, cols)
        Filled: z of Mann (1945) and Kendall (1975), with corrections for ties and for continuity; standard normal where
        there is no trend and values are independent.
    effective : ndarray of float64 (rows, cols)
        Filled: effective number of values, as `effective_size`.
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
                    slope[row, place] = low[row, place] = high[row, place] = np.nan
                    statistic[row, place] = effective[row, place] = np.nan
                    continue
                pairs = slopes[: n * (n - 1) // 2]
                score = _pair_slopes(x[:n], y[:n], slopes)
                variance = _score_variance(y[:n])
                statistic[row, place] = (score - np.sign(score)) / math.sqrt(variance) if score else 0.0
                slope[row, place] = _median(pairs)
                effective[row, place] = _of_residuals(x[:n], y[:n], slope[row, place])
                # Ranks of the slopes that bound the true one: Kendall's score of the residuals would be as far off.
                reach = 1.959963984540054 * math.sqrt(variance * n / effective[row, place])
                below = math.floor((pairs.size - reach) / 2)
                low[row, place] = np.float64(_select(pairs, below)) if below >= 0 else -np.inf
                high[row, place] = np.float64(_select(pairs, pairs.size - 1 - below)) if below >= 0 else np.inf


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
        return np.nan, np.nan, np.nan, np.nan, n
    xx, dd, xd = x_2 - x_1 * x_1 / n, d_2 - d_1 * d_1 / n, xd - x_1 * d_1 / n
    kk = k_2 - k_1 * k_1 / n
    # All values of a calendar month may come from one year: there is no step then.
    per_step = (kd - k_1 * d_1 / n) / kk if kk > 0 else np.nan
    residual = dd - xd * xd / xx
    slope = xd / xx
    if dd <= 0 or residual <= _PERFECT * dd:
        return slope, per_step, 0.0, n, n
    # Of the residuals the products of neighbours in time, gaps left out.
    start = first + d_1 / n - slope * x_1 / n
    product = before = 0.0
    for i in range(series.size):
        value = float(series[i])
        valid = value == value
        left = value - start - slope * years[i] if valid else 0.0
        product += left * before
        before = left if valid else before
    return slope, per_step, math.sqrt(residual / (n - 2) / xx), effective_size(product / residual, n), n


@njit(**KERNEL_OPTIONS)
def effective_size(lag1, n):
    """Return the number of independent values that a series of autocorrelated ones is worth.

    Parameters
    ----------
    lag1 : float
        Correlation of each value with the next, as the sample has it: biased low, which is corrected.
    n : float

    Returns
    -------
    float
        n (1 − ρ) / (1 + ρ), at least 3 and at most n.
    """
    if n <= 4:
        return n
    lag1 = min(max((n * lag1 + 1) / (n - 4), 0.0), 1.0)
    return max(3.0, n * (1 - lag1) / (1 + lag1))


@njit(**KERNEL_OPTIONS)
def _of_residuals(x, y, slope):
    """Return the effective number of values of a series without its slope."""
    n = y.size
    mean = middle = 0.0
    for i in range(n):
        mean += (y[i] - slope * x[i]) / n
        middle += y[i] / n
    product = square = total = before = 0.0
    for i in range(n):
        left = y[i] - slope * x[i] - mean
        product += left * before
        square += left * left
        total += (y[i] - middle) ** 2
        before = left
    # The slope is rounded to single precision: what it leaves of a perfect line means nothing.
    return effective_size(product / square, float(n)) if square > _ROUNDED * total else float(n)


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
def _score_variance(y):
    # A value that occurs t times adds (t − 1)(2 t + 5) as often, which is the t (t − 1)(2 t + 5) of the group.
    ties = 0
    for value in y:
        same = 0
        for other in y:
            same += int(other == value)
        ties += (same - 1) * (2 * same + 5)
    n = y.size
    return (n * (n - 1) * (2 * n + 5) - ties) / 18


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
