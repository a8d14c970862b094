"""The compiled loops behind antecedent indices: date after date, along the columns of a row."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit


@njit(**KERNEL_OPTIONS)
def decay_and_add(block, weights, days, spin_up, places, out):
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
    places : ndarray of int64 (dates,)
        Place of each date in `out`; -1 where it has none.
    out : ndarray of float32 (bands, rows, cols)
        Filled; NaN within a gap and until the index no longer depends on what fell before it.
    """
    dates, rows, columns = block.shape
    total, known = np.empty(columns), np.empty(columns)
    for row in range(rows):
        total[:], known[:] = 0, 0
        for i in range(dates):
            restart = np.isnan(weights[i])
            place = places[i]
            for j in range(columns):
                value = np.float64(block[i, row, j])
                is_gap = value != value
                if is_gap or restart:
                    total[j], known[j] = 0.0, 0.0
                if not is_gap:
                    total[j] = (0.0 if restart else total[j] * weights[i]) + value
                    known[j] += days[i]
                if place >= 0:
                    out[place, row, j] = np.float32(np.nan if is_gap or known[j] < spin_up else total[j])


@njit(**KERNEL_OPTIONS)
def add_up(block, addends, out):
    """Add up the dates of windows.

    Parameters
    ----------
    block : ndarray of float32 (dates, rows, cols)
        Amounts; NaN in gaps.
    addends : ndarray of int64 (addends, bands)
        Places in `block` of what each band is the sum of.
    out : ndarray of float32 (bands, rows, cols)
        Filled; NaN where one of the dates is.
    """
    rows, columns = block.shape[1:]
    total = np.empty(columns)
    # Row by row, all dates of a row stay in the processor's cache.
    for row in range(rows):
        for band in range(addends.shape[1]):
            total[:] = 0
            for k in range(addends.shape[0]):
                values = block[addends[k, band], row]
                for j in range(columns):
                    total[j] += values[j]
            for j in range(columns):
                out[band, row, j] = total[j]
