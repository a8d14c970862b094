"""The compiled loops behind composites and statistics over time: date after date, along the columns of a row.

A block lies date after date. What is gathered of a row's cells stays in the processor's cache while the dates pass by.
"""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

MEAN, SUM, MAX, MIN = range(4)


@njit(**KERNEL_OPTIONS)
def combine(block, positions, weights, statistic, min_count, out):
    """Combine some dates of a block.

    Parameters
    ----------
    block : ndarray of float32 (dates, rows, cols)
        NaN in gaps.
    positions : ndarray of int64 (n,)
        The dates to combine.
    weights : ndarray of float64 (n,)
        How much each counts in the mean and the sum.
    statistic : int
        MEAN, SUM, MAX or MIN.
    min_count : int
        Valid values that a cell needs.
    out : ndarray of float32 (rows, cols)
        Filled.
    """
    rows, columns = out.shape
    total, weight, count = np.empty(columns), np.empty(columns), np.empty(columns, np.int32)
    extreme = np.empty(columns, np.float32)
    for row in range(rows):
        count[:] = 0
        if statistic in (MAX, MIN):
            extreme[:] = np.float32(-np.inf if statistic == MAX else np.inf)
            for i in range(positions.size):
                values = block[positions[i], row]
                if statistic == MAX:
                    for j in range(columns):
                        extreme[j] = values[j] if values[j] > extreme[j] else extreme[j]
                        count[j] += values[j] == values[j]
                else:
                    for j in range(columns):
                        extreme[j] = values[j] if values[j] < extreme[j] else extreme[j]
                        count[j] += values[j] == values[j]
            for j in range(columns):
                out[row, j] = extreme[j] if count[j] >= min_count else np.float32(np.nan)
            continue
        total[:], weight[:] = 0, 0
        for i in range(positions.size):
            values, date_weight = block[positions[i], row], weights[i]
            for j in range(columns):
                valid = values[j] == values[j]
                total[j] += date_weight * values[j] if valid else 0.0
                weight[j] += date_weight if valid else 0.0
                count[j] += valid
        for j in range(columns):
            value = total[j] / weight[j] if statistic == MEAN else total[j]
            out[row, j] = value if count[j] >= min_count else np.nan


@njit(**KERNEL_OPTIONS)
def fill_statistics(block, out):
    """Compute all statistics over the dates of a block.

    Parameters
    ----------
    block : ndarray of float32 (dates, rows, cols)
        NaN in gaps.
    out : ndarray of float32 (5, rows, cols)
        Filled with minimum, mean, maximum, standard deviation of a sample and count; NaN where there are too few
        values.
    """
    dates, rows, columns = block.shape
    total, squares, shift = np.empty(columns), np.empty(columns), np.empty(columns)
    count, low, high = np.empty(columns), np.empty(columns, np.float32), np.empty(columns, np.float32)
    for row in range(rows):
        total[:], squares[:], count[:] = 0, 0, 0
        low[:], high[:] = np.float32(np.inf), np.float32(-np.inf)
        # Deviations from one of the values: squares of temperatures in kelvin would leave few digits for their spread.
        shift[:] = 0
        for i in range(dates):
            values = block[i, row]
            for j in range(columns):
                valid = values[j] == values[j]
                shift[j] = values[j] if valid and count[j] == 0 else shift[j]
                deviation = values[j] - shift[j] if valid else 0.0
                total[j] += deviation
                squares[j] += deviation * deviation
                count[j] += valid
                low[j] = values[j] if values[j] < low[j] else low[j]
                high[j] = values[j] if values[j] > high[j] else high[j]
        for j in range(columns):
            n = count[j]
            out[0, row, j] = low[j] if n else np.nan
            out[1, row, j] = shift[j] + total[j] / n if n else np.nan
            out[2, row, j] = high[j] if n else np.nan
            variance = max((squares[j] - total[j] * total[j] / n) / (n - 1), 0.0) if n > 1 else np.nan
            out[3, row, j] = math.sqrt(variance)
            out[4, row, j] = n
