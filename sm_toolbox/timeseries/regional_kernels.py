"""The compiled loop of regional series: sums over the cells of a zone, band by band."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit


@njit(**KERNEL_OPTIONS)
def add_cells(block, cells, weights, sums):
    """Sum up the cells of a zone.

    Parameters
    ----------
    block : ndarray of float32 (bands, cells of the window)
        NaN where there is no data.
    cells : ndarray of int64 (cells of the zone,)
        Places in the window.
    weights : ndarray of float64 (cells of the window,)
    sums : ndarray of float64 (bands, 4)
        Filled with the number of cells that have data, and the sums of their weights, of weight times value, and of
        weight times the value's square.
    """
    for band in range(block.shape[0]):
        n, weight, total, square = 0.0, 0.0, 0.0, 0.0
        for cell in cells:
            value = np.float64(block[band, cell])
            if value == value:
                n += 1.0
                weight += weights[cell]
                total += weights[cell] * value
                square += weights[cell] * value * value
        sums[band, 0], sums[band, 1], sums[band, 2], sums[band, 3] = n, weight, total, square
