"""The compiled loops behind gap filling: date after date, some columns of a row at a time.

The values of one cell lie far apart in a block, those of neighbouring columns side by side. So time is walked through
once for all columns together, every loop over columns becomes vector instructions, and what is remembered on the way
fits into the processor's cache.
"""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

MOVING_AVERAGE, LINEAR, SPLINE, SAVITZKY_GOLAY = range(4)
# Columns walked through together: many, since every call costs the same however long the row; fewer with many dates, to
# stay within the cache.
_COLUMNS, _VALUES = 256, 2**17
# Days; times that are meant to be equally far apart differ by less, by rounding.
_SAME = 1e-6
# The place of a value in what `_look_ahead` and `_pass` remember: time and value of the nearest date, of the one beyond
# it.
_X, _Y, _X2, _Y2 = range(4)


@njit(**KERNEL_OPTIONS)
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
    before, after : int
        Valid values in the block and in `out`.
    """
    _, rows, columns = block.shape
    limit, twice = max_gap + _SAME, method == SPLINE
    length = max(targets.size, regular.size)
    width = min(_COLUMNS, columns, max(16, _VALUES // length))
    ahead, behind = np.empty((length, 4 if twice else 2, width)), np.empty((4 if twice else 2, width))
    bridged, smooth = np.empty((regular.size, width)), np.empty((regular.size, width))
    before = after = 0
    for row in range(rows):
        for start in range(0, columns, width):
            stop = min(start + width, columns)
            if method == SAVITZKY_GOLAY:
                _bridge(block, row, start, stop, days, regular, twice, ahead, behind, bridged)
                _smooth(bridged, stop - start, weights, smooth)
            _look_ahead(block, row, start, stop, days, targets, twice, ahead)
            _forget(behind, -np.inf)
            passed = first = last = 0
            for k in range(targets.size):
                time, result = targets[k], out[k, row, start:stop]
                while passed < days.size and days[passed] <= time:
                    _pass(block[passed, row, start:stop], days[passed], behind, twice)
                    before += _count(block[passed, row, start:stop])
                    passed += 1
                if method == MOVING_AVERAGE:
                    while last < days.size and days[last] <= time + half_window + _SAME:
                        last += 1
                    while first < last and days[first] < time - half_window - _SAME:
                        first += 1
                    _average(block[first:last], row, start, behind, ahead[k], limit, result)
                elif method == SPLINE:
                    _cubic(time, behind, ahead[k], limit, result)
                else:
                    _line(time, behind, ahead[k], limit, result)
                if method == SAVITZKY_GOLAY:
                    _take_smooth(time, regular, smooth, behind, result)
                after += _count(result)
            for i in range(passed, days.size):
                before += _count(block[i, row, start:stop])
    return before, after


@njit(**KERNEL_OPTIONS)
def _forget(memory, time):
    for k in range(_X, len(memory), 2):
        for j in range(memory.shape[1]):
            memory[k, j] = time
    for k in range(_Y, len(memory), 2):
        for j in range(memory.shape[1]):
            memory[k, j] = np.nan


@njit(**KERNEL_OPTIONS)
def _pass(values, day, memory, twice):
    """Remember the values of a date as the nearest, and, where asked, the former nearest as the one beyond."""
    # Loops over few arrays: the more there are, the more pairs must be known to be apart before vector instructions can
    # be used.
    if twice:
        _keep(values, memory[_X], memory[_X2])
        _keep(values, memory[_Y], memory[_Y2])
    x, y = memory[_X], memory[_Y]
    for j in range(values.size):
        x[j] = day if values[j] == values[j] else x[j]
    for j in range(values.size):
        y[j] = values[j] if values[j] == values[j] else y[j]


@njit(**KERNEL_OPTIONS)
def _keep(values, near, far):
    for j in range(values.size):
        far[j] = near[j] if values[j] == values[j] else far[j]


@njit(**KERNEL_OPTIONS)
def _count(values):
    count = 0
    for j in range(values.size):
        count += values[j] == values[j]
    return count


@njit(**KERNEL_OPTIONS)
def _look_ahead(block, row, start, stop, days, targets, twice, ahead):
    """Find for each target what comes at or after it."""
    i = days.size - 1
    for k in range(targets.size - 1, -1, -1):
        if k == targets.size - 1:
            _forget(ahead[k], np.inf)
        else:
            # Numba compiles an assignment of arrays for two seconds.
            for part in range(ahead.shape[1]):
                for j in range(ahead.shape[2]):
                    ahead[k, part, j] = ahead[k + 1, part, j]
        while i >= 0 and days[i] >= targets[k]:
            _pass(block[i, row, start:stop], days[i], ahead[k], twice)
            i -= 1


@njit(**KERNEL_OPTIONS)
def _average(window, row, start, behind, ahead, limit, out):
    """The mean of the values within the window; a value that is there stays."""
    total, count = np.zeros(out.size), np.zeros(out.size)
    for i in range(window.shape[0]):
        values = window[i, row, start : start + out.size]
        for j in range(out.size):
            is_valid = values[j] == values[j]
            total[j] += values[j] if is_valid else 0.0
            count[j] += 1.0 if is_valid else 0.0
    x0, y0, x1 = behind[_X], behind[_Y], ahead[_X]
    for j in range(out.size):
        gap = x1[j] - x0[j]
        # Before the first and after the last value there is only one side.
        mean = np.nan if limit < gap < np.inf else total[j] / count[j]
        out[j] = y0[j] if gap == 0 else mean


@njit(**KERNEL_OPTIONS)
def _line(time, behind, ahead, limit, out):
    """On the line between the values on both sides; none beyond the first and the last."""
    x0, y0, x1, y1 = behind[_X], behind[_Y], ahead[_X], ahead[_Y]
    for j in range(out.size):
        gap = x1[j] - x0[j]
        value = y0[j] + (time - x0[j]) / gap * (y1[j] - y0[j])
        out[j] = y0[j] if gap == 0 else (np.nan if gap > limit else value)


@njit(**KERNEL_OPTIONS)
def _cubic(time, behind, ahead, limit, out):
    """On the cubic that keeps the shape of the data (Fritsch & Butland 1984, doi 10.1137/0905021)."""
    x0, y0, before_x, before_y = behind[_X], behind[_Y], behind[_X2], behind[_Y2]
    x1, y1, after_x, after_y = ahead[_X], ahead[_Y], ahead[_X2], ahead[_Y2]
    for j in range(out.size):
        gap = x1[j] - x0[j]
        per_gap = 1 / gap
        rise = (y1[j] - y0[j]) * per_gap
        step_before, step_after = x0[j] - before_x[j], after_x[j] - x1[j]
        rise_before, rise_after = (y0[j] - before_y[j]) / step_before, (after_y[j] - y1[j]) / step_after
        left = _slope(rise_before, rise, rise_after, step_before, gap, step_after)
        right = _slope(rise_after, rise, rise_before, step_after, gap, step_before)
        u = (time - x0[j]) * per_gap
        # What the curve is above the line.
        value = y0[j] + gap * u * (rise + (1 - u) * ((1 - u) * (left - rise) - u * (right - rise)))
        out[j] = y0[j] if gap == 0 else (np.nan if gap > limit else value)


@njit(**KERNEL_OPTIONS)
def _slope(outer, inner, opposite, outer_step, step, opposite_step):
    """Return the slope at one end of a gap, from the rises outside, within and beyond it; NaN stands for none."""
    a, b = 2 * step + outer_step, step + 2 * outer_step
    mean = (a + b) * (outer * inner) / (a * inner + b * outer) if outer * inner > 0 else 0.0
    # At the end of the series: such that the curve neither overshoots nor turns.
    end = ((2 * step + opposite_step) * inner - step * opposite) / (step + opposite_step)
    bounded = 3 * inner if inner * opposite <= 0 and abs(end) > 3 * abs(inner) else end
    single = bounded if end * inner > 0 else 0.0
    return mean if outer == outer else (single if opposite == opposite else inner)


@njit(**KERNEL_OPTIONS)
def _bridge(block, row, start, stop, days, regular, twice, ahead, behind, bridged):
    """Draw lines through all gaps, at equal steps; NaN before the first and after the last value."""
    _look_ahead(block, row, start, stop, days, regular, twice, ahead)
    _forget(behind, -np.inf)
    passed = 0
    for k in range(regular.size):
        while passed < days.size and days[passed] <= regular[k]:
            _pass(block[passed, row, start:stop], days[passed], behind, twice)
            passed += 1
        _line(regular[k], behind, ahead[k], np.inf, bridged[k, : stop - start])


@njit(**KERNEL_OPTIONS)
def _smooth(bridged, columns, weights, smooth):
    """Take the middle of the polynomial in each window; near the ends of a series the ends of the outermost one."""
    steps, window = bridged.shape[0], weights.shape[0]
    half = window // 2
    smooth[:] = np.nan
    for k in range(half, steps - half):
        _weigh(bridged[k - half : k + half + 1], weights[half], smooth[k, :columns])
    for j in range(columns):
        low, high = 0, steps
        while low < high and np.isnan(bridged[low, j]):
            low += 1
        while low < high and np.isnan(bridged[high - 1, j]):
            high -= 1
        if high - low < window:
            continue
        for i in range(half):
            first = last = 0.0
            for m in range(window):
                first += weights[i, m] * bridged[low + m, j]
                last += weights[half + 1 + i, m] * bridged[high - window + m, j]
            smooth[low + i, j], smooth[high - half + i, j] = first, last


@njit(**KERNEL_OPTIONS)
def _weigh(values, weights, out):
    out[:] = 0.0
    for m in range(weights.size):
        row, weight = values[m], weights[m]
        for j in range(out.size):
            out[j] += weight * row[j]


@njit(**KERNEL_OPTIONS)
def _take_smooth(time, regular, smooth, behind, out):
    """Put the smoothed series in the place of a line drawn through a gap."""
    place = (time - regular[0]) / (regular[1] - regular[0])
    k = min(max(int(place), 0), regular.size - 2)
    part = min(max(place - k, 0.0), 1.0)
    earlier, later, x0 = smooth[k], smooth[k + 1], behind[_X]
    for j in range(out.size):
        value = earlier[j] + part * (later[j] - earlier[j])
        # The first or the last value may lie between two steps, only one of which is within the series.
        value = value if value == value else (earlier[j] if earlier[j] == earlier[j] else later[j])
        drawn = out[j] == out[j] and x0[j] < time
        out[j] = value if drawn else out[j]
