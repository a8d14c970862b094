"""The compiled loop of the exponential filter: date after date, along the columns of a row."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

LONGEST_MEMORY = 3.0
"""Time constants after which an observation has less than 5 % of its weight left, and no longer counts as one."""


@njit(**KERNEL_OPTIONS)
def filter_surface(values, days, step, constant, low, high, fewest, as_moisture, out, quality):
    """Filter surface moisture through time.

    Parameters
    ----------
    values : ndarray of float32 (dates, rows, cols)
        Surface moisture; NaN in gaps.
    days : ndarray of float64 (dates,)
        From any first moment, ascending.
    step : float
        Usual distance of the dates, days.
    constant : ndarray of float32 (rows, cols)
        Time constant in days; a cell whose is not positive has no values.
    low, high : ndarray of float32 (rows, cols)
        Surface moisture that is 0 and 1.
    fewest : int
        Observations needed within three time constants.
    as_moisture : bool
        Whether the result is put back between `low` and `high`.
    out, quality : ndarray of float32 (dates, rows, cols)
        Filled.

    Returns
    -------
    int
        Observations below `low` or above `high`, which count as these.
    """
    dates, rows, columns = values.shape
    weight, total, last = np.empty(columns), np.empty(columns), np.empty(columns)
    count, begin = np.empty(columns, np.int64), np.empty(columns, np.int64)
    clipped = 0
    for row in range(rows):
        weight[:], total[:], last[:] = 0, 0, -np.inf
        count[:], begin[:] = 0, 0
        for date in range(dates):
            elapsed = days[date] - days[date - 1] if date else 0.0
            for j in range(columns):
                time = np.float64(constant[row, j])
                span = np.float64(high[row, j]) - np.float64(low[row, j])
                if not (time > 0 and span > 0):
                    out[date, row, j] = quality[date, row, j] = np.float32(np.nan)
                    continue
                left = np.exp(-elapsed / time)
                weight[j] *= left
                total[j] *= left
                value = values[date, row, j]
                if value == value:
                    share = (np.float64(value) - low[row, j]) / span
                    clipped += share < -1e-6 or share > 1 + 1e-6
                    weight[j] += 1.0
                    total[j] += min(max(share, 0.0), 1.0)
                    last[j] = days[date]
                    count[j] += 1
                while days[date] - days[begin[j]] > LONGEST_MEMORY * time:
                    count[j] -= values[begin[j], row, j] == values[begin[j], row, j]
                    begin[j] += 1
                if count[j] < fewest or days[date] - last[j] > time:
                    out[date, row, j] = quality[date, row, j] = np.float32(np.nan)
                    continue
                index = total[j] / weight[j]
                out[date, row, j] = low[row, j] + index * span if as_moisture else index
                quality[date, row, j] = min(1.0, weight[j] * (1 - np.exp(-step / time)))
    return clipped
