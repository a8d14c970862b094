"""The compiled loop of matching: in each cell a product is brought to the climatology of a reference."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

MEAN_SD, CDF = 0, 2
NODES = np.array([0.0, 5, 10, 30, 50, 70, 90, 95, 100])
"""Percentiles between which the lines of a CDF run."""


@njit(**KERNEL_OPTIONS)
def match_cells(values, reference, partner, order, bounds, method, fewest, out, samples):
    """Match all cells of a block.

    Parameters
    ----------
    values : ndarray of float32 (dates, rows, cols)
        The product; NaN in gaps.
    reference : ndarray of float32 (reference dates, rows, cols)
    partner : ndarray of int64 (dates,)
        The reference date of each date; -1 where there is none.
    order : ndarray of int64 (dates,)
        The dates group by group; those of one group are matched with its samples.
    bounds : ndarray of int64 (groups + 1,)
        Where each group begins in `order`.
    method : int
        MEAN_SD, 1 for the line that predicts the reference, or CDF.
    fewest : int
        Samples that a group needs.
    out : ndarray of float32 (dates, rows, cols)
        Filled.
    samples : ndarray of int64 (rows, cols)
        Filled with the samples of all groups.
    """
    dates, rows, columns = values.shape
    a, b = np.empty(dates), np.empty(dates)
    for row in range(rows):
        for column in range(columns):
            samples[row, column] = 0
            for number in range(bounds.size - 1):
                own = order[bounds[number] : bounds[number + 1]]
                n = 0
                for date in own:
                    if partner[date] >= 0:
                        x, y = values[date, row, column], reference[partner[date], row, column]
                        if x == x and y == y:
                            a[n], b[n] = x, y
                            n += 1
                samples[row, column] += n
                if method == CDF:
                    knots, heights = _nodes(a[:n], b[:n]) if n >= fewest else (a[:0], b[:0])
                    usable = knots.size > 1 and heights[0] < heights[-1]
                    slope, shift = 0.0, 0.0
                else:
                    knots, heights = a[:0], b[:0]
                    slope, shift = _line(a[:n], b[:n], method) if n >= fewest else (np.nan, np.nan)
                    usable = slope == slope
                for date in own:
                    x = np.float64(values[date, row, column])
                    if not usable or x != x:
                        out[date, row, column] = np.nan
                    elif method == CDF:
                        out[date, row, column] = _along(x, knots, heights)
                    else:
                        out[date, row, column] = shift + slope * x


@njit(**KERNEL_OPTIONS)
def _line(a, b, method):
    """Return slope and intercept; NaN where one of the two does not vary."""
    ma, mb = a.mean(), b.mean()
    va, vb, both = 0.0, 0.0, 0.0
    for i in range(a.size):
        va += (a[i] - ma) ** 2
        vb += (b[i] - mb) ** 2
        both += (a[i] - ma) * (b[i] - mb)
    if not (va > 1e-12 * a.size * (ma * ma + 1e-6) and vb > 1e-12 * a.size * (mb * mb + 1e-6)):
        return np.nan, np.nan
    slope = np.sqrt(vb / va) if method == MEAN_SD else both / va
    return slope, mb - slope * ma


@njit(**KERNEL_OPTIONS)
def _nodes(a, b):
    """Return percentiles of product and reference, equal ones of the product once with the mean of the reference's."""
    x, y = _percentiles(a), _percentiles(b)
    kept = 0
    first = 0
    while first < x.size:
        last = first
        total = 0.0
        while last < x.size and x[last] == x[first]:
            total += y[last]
            last += 1
        x[kept], y[kept] = x[first], total / (last - first)
        kept += 1
        first = last
    return x[:kept], y[:kept]


@njit(**KERNEL_OPTIONS)
def _percentiles(values):
    """Return the percentiles of the nodes; the i-th of n values stands at 100 (i - 1/2) / n (Hazen 1914)."""
    ordered = np.sort(values)
    found = np.empty(NODES.size)
    for k in range(NODES.size):
        place = min(max(NODES[k] / 100 * ordered.size - 0.5, 0.0), ordered.size - 1.0)
        low = int(place)
        high = min(low + 1, ordered.size - 1)
        found[k] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    return found


@njit(**KERNEL_OPTIONS)
def _along(x, knots, heights):
    """Follow the lines between nodes; beyond the ends the first and the last go on."""
    i = 1
    while i < knots.size - 1 and x > knots[i]:
        i += 1
    share = (x - knots[i - 1]) / (knots[i] - knots[i - 1])
    return heights[i - 1] + share * (heights[i] - heights[i - 1])
