"""The compiled loops of map comparison: sums and histograms of pairs of cells, by zone and by cell."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit


@njit(**KERNEL_OPTIONS)
def add_pairs(product, reference, zones, shift, sums, extremes, cells):
    """Add the pairs of some dates to sums.

    Parameters
    ----------
    product, reference : ndarray of float32 (dates, rows, cols)
        NaN where there is no data.
    zones : ndarray of int32 (rows, cols)
        The zone of each cell from 1, 0 for none; -1 where the cell takes no part.
    shift : float
        Taken off both before they are summed up, so that no digits are lost.
    sums : ndarray of float64 (dates, 1 + zones, 6)
        Added to, all cells first: number, sums of product and reference, of their squares and of their products.
    extremes : ndarray of float64 (dates, 1 + zones, 4)
        Lowest and highest of the product, then of the reference.
    cells : ndarray of float64 (6, rows, cols)
        Added to, as `sums`, over the dates.
    """
    dates, rows, columns = product.shape
    for date in range(dates):
        for row in range(rows):
            for column in range(columns):
                zone = zones[row, column]
                p, o = product[date, row, column], reference[date, row, column]
                if zone < 0 or not np.isfinite(p) or not np.isfinite(o):
                    continue
                x, y = np.float64(p) - shift, np.float64(o) - shift
                cells[0, row, column] += 1
                cells[1, row, column] += x
                cells[2, row, column] += y
                cells[3, row, column] += x * x
                cells[4, row, column] += y * y
                cells[5, row, column] += x * y
                for i in range(2):
                    group = 0 if i == 0 else zone
                    if i == 1 and zone == 0:
                        continue
                    into, edge = sums[date, group], extremes[date, group]
                    into[0] += 1
                    into[1] += x
                    into[2] += y
                    into[3] += x * x
                    into[4] += y * y
                    into[5] += x * y
                    edge[0], edge[1] = min(edge[0], np.float64(p)), max(edge[1], np.float64(p))
                    edge[2], edge[3] = min(edge[2], np.float64(o)), max(edge[3], np.float64(o))


@njit(**KERNEL_OPTIONS)
def count_scores(product, reference, zones, scales, firsts, bins, counts):
    """Count the z-scores of some dates in the bins of each group's histograms.

    Parameters
    ----------
    product, reference, zones
        As `add_pairs`.
    scales : ndarray of float64 (dates, 1 + zones, 6)
        Of each group mean and standard deviation of the product, then of the reference, and the lowest and highest
        score.
    firsts, bins : ndarray of int64 (dates, 1 + zones)
        Where the histogram of a group begins in `counts`, and its bins; 0 for none.
    counts : ndarray of int64 (2, all bins)
        Added to: of the product, then of the reference.
    """
    dates, rows, columns = product.shape
    for date in range(dates):
        for row in range(rows):
            for column in range(columns):
                zone = zones[row, column]
                p, o = np.float64(product[date, row, column]), np.float64(reference[date, row, column])
                if zone < 0 or not np.isfinite(p) or not np.isfinite(o):
                    continue
                for i in range(2):
                    group = 0 if i == 0 else zone
                    number = bins[date, group]
                    if number == 0 or (i == 1 and zone == 0):
                        continue
                    scale = scales[date, group]
                    width = (scale[5] - scale[4]) / number
                    for side in range(2):
                        score = ((p if side == 0 else o) - scale[2 * side]) / scale[2 * side + 1]
                        place = int(np.floor((score - scale[4]) / width))
                        counts[side, firsts[date, group] + min(max(place, 0), number - 1)] += 1
