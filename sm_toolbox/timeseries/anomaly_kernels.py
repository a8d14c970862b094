"""The compiled loops of anomalies: means of the samples around each date."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import njit

# Samples of a moving window below which their mean says little about the season.
FEWEST_IN_WINDOW = 3

_COMPILE = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}


@njit(**_COMPILE)
def leave_out_gaps(values, is_sample):
    """Set to 0 where a value is missing."""
    for c in range(is_sample.size):
        is_sample[c] = is_sample[c] if values[c] == values[c] else np.float32(0)


@njit(**_COMPILE)
def moving_means(block, low, high, means):
    """Average the samples around each date.

    Parameters
    ----------
    block : ndarray of float32 (products, dates, rows, cols)
        Several variables, with the dates around those that are wanted; NaN where there is no data. A sample is a date
        on which all of them have some.
    low, high : ndarray of int64 (wanted,)
        The dates of the block from which and up to which, without itself, each mean is taken; neither falls.
    means : ndarray of float32 (products, wanted, rows, cols)
        Filled; NaN where a window has fewer than `FEWEST_IN_WINDOW` samples.
    """
    products, wanted, rows, columns = means.shape
    totals, count = np.empty((products, columns)), np.empty(columns)
    sample = np.empty(columns, np.float32)
    for row in range(rows):
        totals[:] = 0
        count[:] = 0
        begin, end = low[0], low[0]
        for date in range(wanted):
            while end < high[date]:
                _include(block, end, row, 1.0, sample, totals, count)
                end += 1
            while begin < low[date]:
                _include(block, begin, row, -1.0, sample, totals, count)
                begin += 1
            for product in range(products):
                _divide(totals[product], count, means[product, date, row])


@njit(**_COMPILE)
def _include(block, date, row, sign, is_sample, totals, count):
    is_sample[:] = 1
    for product in range(block.shape[0]):
        leave_out_gaps(block[product, date, row], is_sample)
    for product in range(block.shape[0]):
        _add_signed(block[product, date, row], sign, is_sample, totals[product])
    for c in range(count.size):
        count[c] += sign * is_sample[c]


@njit(**_COMPILE)
def _add_signed(values, sign, is_sample, total):
    for c in range(total.size):
        signed = sign * np.float64(values[c])
        total[c] += signed if is_sample[c] != 0 else 0.0


@njit(**_COMPILE)
def _divide(total, count, mean):
    for c in range(mean.size):
        mean[c] = np.float32(total[c] / count[c]) if count[c] >= FEWEST_IN_WINDOW else np.float32(np.nan)
