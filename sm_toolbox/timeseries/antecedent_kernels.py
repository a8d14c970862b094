"""The compiled loops behind antecedent indices: date after date, along the columns of a row."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit


@njit(**KERNEL_OPTIONS)
def decay_and_add(block, weights, days, spin_up, out):
    """Add up what fell, each day of its past worth less.

    Parameters
    ----------
    block : ndarray of float32 (dates, rows, cols)
        Amounts; NaN in gaps.
    weights : ndarray of float64 (dates,)
        What of the index of the date before is left; NaN where dates are missing in between, and at the first.
    days : ndarray of float64 (dates,)
        Since the date before; at the first, and after missing ones, one usual distance.
    spin_up : float
        Days from the first value, or the first after a gap, to the first index.
    out : ndarray of float32 (dates, rows, cols)
        Filled; NaN within a gap and until the index no longer depends on what fell before it.
    """
    dates, rows, columns = block.shape
    total, known = np.empty(columns), np.empty(columns)
    for row in range(rows):
        total[:], known[:] = 0, 0
        for i in range(dates):
            restart = np.isnan(weights[i])
            for j in range(columns):
                value = np.float64(block[i, row, j])
                if value != value:
                    total[j], known[j] = 0.0, 0.0
                    out[i, row, j] = np.float32(np.nan)
                    continue
                if restart:
                    total[j], known[j] = 0.0, 0.0
                total[j] = (0.0 if restart else total[j] * weights[i]) + value
                known[j] += days[i]
                out[i, row, j] = np.float32(total[j]) if known[j] >= spin_up else np.float32(np.nan)
