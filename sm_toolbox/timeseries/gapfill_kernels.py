"""The compiled loops behind gap filling: one cell's series at a time, taken out of the block a few columns at once.

A block lies date after date; the values of one cell are far apart. Columns side by side are copied into a small array in which each
cell's series is contiguous, filled there, and copied back, so that memory is read and written in whole lines.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

MOVING_AVERAGE, LINEAR, SPLINE, SAVITZKY_GOLAY = range(4)
_COMPILE = {"nogil": True, "cache": True, "error_model": "numpy"}
_COLUMNS = 32


@njit(**_COMPILE)
def fill(block, days, targets, method, half_window, max_gap, regular, weights, out):
    """Fill the gaps of every cell and write its values at the targets.

    Parameters
    ----------
    block : ndarray of float32 (dates, rows, cols)
        NaN in gaps.
    days : ndarray of float64 (dates,)
        Times, increasing.
    targets : ndarray of float64 (targets,)
        Times of the output, increasing.
    method : int
        MOVING_AVERAGE, LINEAR, SPLINE or SAVITZKY_GOLAY.
    half_window : float
        For the moving average, days on either side.
    max_gap : float
        Days between the values on both sides of a gap that is filled at most.
    regular : ndarray of float64 (steps,)
        For Savitzky–Golay, equally spaced times over all dates.
    weights : ndarray of float64 (window, window)
        For Savitzky–Golay, row i gives the fitted polynomial at the i-th of a window's steps.
    out : ndarray of float32 (targets, rows, cols)
        Filled.

    Returns
    -------
    int
        Valid values in the block.
    """
    dates, rows, columns = block.shape
    count = targets.size
    series, filled = np.empty((_COLUMNS, dates)), np.empty((_COLUMNS, count))
    x, y, slope = np.empty(dates), np.empty(dates), np.empty(dates)
    curve, smooth = np.empty(regular.size), np.empty(regular.size)
    before = 0
    for row in range(rows):
        for first in range(0, columns, _COLUMNS):
            width = min(_COLUMNS, columns - first)
            for i in range(dates):
                for j in range(width):
                    series[j, i] = block[i, row, first + j]
            for j in range(width):
                n = 0
                for i in range(dates):
                    if not math.isnan(series[j, i]):
                        x[n], y[n] = days[i], series[j, i]
                        n += 1
                before += n
                if method == MOVING_AVERAGE:
                    _moving_average(x, y, n, targets, half_window, max_gap, filled[j])
                elif n == 0:
                    filled[j, :] = np.nan
                elif method == LINEAR:
                    _linear(x, y, n, targets, max_gap, filled[j])
                elif method == SPLINE:
                    _hermite_slopes(x, y, n, slope)
                    _hermite(x, y, slope, n, targets, max_gap, filled[j])
                else:
                    _savitzky_golay(x, y, n, targets, max_gap, regular, weights, curve, smooth, filled[j])
            for i in range(count):
                for j in range(width):
                    out[i, row, first + j] = filled[j, i]
    return before


@njit(**_COMPILE)
def _moving_average(x, y, n, targets, half_window, max_gap, out):
    """The mean of the values within the window; a value that is there stays."""
    # Times that are meant to be half a window apart must not fall out of it by rounding.
    reach = half_window + 1e-6
    first = after = last = 0
    total = 0.0
    for i in range(targets.size):
        time = targets[i]
        while last < n and x[last] <= time + reach:
            total += y[last]
            last += 1
        while first < last and x[first] < time - reach:
            total -= y[first]
            first += 1
        if first == last:
            # Nothing is carried along that rounding has left.
            total = 0.0
        while after < n and x[after] < time:
            after += 1
        if after < n and x[after] == time:
            out[i] = y[after]
        elif first == last or (0 < after < n and x[after] - x[after - 1] > max_gap):
            out[i] = np.nan
        else:
            out[i] = total / (last - first)


@njit(**_COMPILE)
def _linear(x, y, n, targets, max_gap, out):
    """On the line between the values on both sides; none beyond the first and the last."""
    after = 0
    for i in range(targets.size):
        time = targets[i]
        while after < n and x[after] < time:
            after += 1
        if after < n and x[after] == time:
            out[i] = y[after]
        elif after == 0 or after == n or x[after] - x[after - 1] > max_gap:
            out[i] = np.nan
        else:
            part = (time - x[after - 1]) / (x[after] - x[after - 1])
            out[i] = y[after - 1] + part * (y[after] - y[after - 1])


@njit(**_COMPILE)
def _end_slope(near, far, step, next_step):
    """The slope at an end from the two slopes beside it, such that the curve neither overshoots nor turns."""
    slope = ((2 * step + next_step) * near - step * far) / (step + next_step)
    if slope * near <= 0:
        return 0.0
    if near * far <= 0 and abs(slope) > 3 * abs(near):
        return 3 * near
    return slope


@njit(**_COMPILE)
def _hermite_slopes(x, y, n, slope):
    """Slopes of the cubic that keeps the shape of the data (Fritsch & Butland 1984, doi 10.1137/0905021)."""
    if n < 3:
        slope[0] = slope[max(n - 1, 0)] = (y[1] - y[0]) / (x[1] - x[0]) if n == 2 else 0.0
        return
    for i in range(1, n - 1):
        step, next_step = x[i] - x[i - 1], x[i + 1] - x[i]
        before, behind = (y[i] - y[i - 1]) / step, (y[i + 1] - y[i]) / next_step
        if before * behind <= 0:
            slope[i] = 0.0
        else:
            a, b = 2 * next_step + step, next_step + 2 * step
            slope[i] = (a + b) / (a / before + b / behind)
    slope[0] = _end_slope((y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1]), x[1] - x[0], x[2] - x[1])
    slope[n - 1] = _end_slope(
        (y[n - 1] - y[n - 2]) / (x[n - 1] - x[n - 2]), (y[n - 2] - y[n - 3]) / (x[n - 2] - x[n - 3]), x[n - 1] - x[n - 2], x[n - 2] - x[n - 3]
    )


@njit(**_COMPILE)
def _hermite(x, y, slope, n, targets, max_gap, out):
    """On the cubic with given slopes at the values."""
    _linear(x, y, n, targets, max_gap, out)
    after = 0
    for i in range(targets.size):
        if math.isnan(out[i]):
            continue
        while x[after] < targets[i]:
            after += 1
        if x[after] == targets[i]:
            continue
        step = x[after] - x[after - 1]
        u = (targets[i] - x[after - 1]) / step
        rise, left, right = y[after] - y[after - 1], step * slope[after - 1], step * slope[after]
        # What the curve is above the line.
        out[i] += u * (1 - u) * ((1 - u) * (left - rise) - u * (right - rise))


@njit(**_COMPILE)
def _savitzky_golay(x, y, n, targets, max_gap, regular, weights, curve, smooth, out):
    """Gaps bridged by lines, on regular steps smoothed by polynomials in a moving window; only what was a gap is taken from the result."""
    window = weights.shape[0]
    half = window // 2
    # The steps between the first and the last value.
    low, high = 0, regular.size
    while low < high and regular[low] < x[0] - 1e-6:
        low += 1
    while high > low and regular[high - 1] > x[n - 1] + 1e-6:
        high -= 1
    steps = high - low
    _linear(x, y, n, targets, max_gap, out)
    if steps < window:
        # Too short to be smoothed: only the values that are there.
        for i in range(targets.size):
            if not _is_at(x, n, targets[i]):
                out[i] = np.nan
        return
    after = 0
    for k in range(steps):
        time = min(max(regular[low + k], x[0]), x[n - 1])
        while after < n - 1 and x[after] < time:
            after += 1
        if x[after] == time or after == 0:
            curve[k] = y[after]
        else:
            part = (time - x[after - 1]) / (x[after] - x[after - 1])
            curve[k] = y[after - 1] + part * (y[after] - y[after - 1])
    for k in range(steps):
        # Near the ends the first or the last window is evaluated off its middle.
        start = min(max(k - half, 0), steps - window)
        total = 0.0
        for j in range(window):
            total += weights[k - start, j] * curve[start + j]
        smooth[k] = total
    spacing = regular[1] - regular[0]
    for i in range(targets.size):
        if math.isnan(out[i]) or _is_at(x, n, targets[i]):
            continue
        place = (targets[i] - regular[low]) / spacing
        k = min(max(int(place), 0), steps - 2)
        out[i] = smooth[k] + min(max(place - k, 0.0), 1.0) * (smooth[k + 1] - smooth[k])


@njit(**_COMPILE)
def _is_at(x, n, time):
    place = np.searchsorted(x[:n], time)
    return place < n and x[place] == time
