"""Depressions across strips of a DEM, compiled: where the water of one strip spills into others.

Barnes 2016, doi 10.1016/j.cageo.2016.07.001: each strip is filled by itself as if water left it anywhere along its
borders. What drains to the same cell of a border is one watershed; the lowest passes between watersheds are a graph
that is small beside the raster, and tells how high the water stands in each of them.
"""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import njit
from sm_toolbox.predictors.fill_kernels import _grown, _key, _pop, _push
from sm_toolbox.predictors.terrain_kernels import CONTRACTED

# Nothing drains into the rim of a strip where another one follows.
CLOSED = np.float32(np.inf)


@njit(**CONTRACTED)
def label_border(z, width, row, first_label, labels):
    """Label the cells of a strip's border, of a row of lower and lower cells all with the lowest one's label.

    From a cell the way to a neighbour that is not higher costs no climb, so that both stand for each other.

    Parameters
    ----------
    z : ndarray of float32 (cells,)
        Heights with a rim.
    width : int
    row : int
        The border, rim included.
    first_label : int
        The label of the row's first cell, if it gets its own; above 0.
    labels : ndarray of int32 (cells,)
        Those of the row are set, 0 for holes.
    """
    start = row * width
    for column in range(1, width - 1):
        cell = start + column
        if z[cell - 1] <= z[cell]:
            labels[cell] = labels[cell - 1]
        else:
            labels[cell] = 0 if np.isnan(z[cell]) else first_label + column
    for column in range(width - 2, 0, -1):
        cell = start + column
        if z[cell + 1] < z[cell] and not z[cell - 1] <= z[cell]:
            labels[cell] = labels[cell + 1]


@njit(**CONTRACTED)
def _place_of(keys, key):
    """Return where a key stands in a table of pairs, or where it would."""
    mask = np.uint64(keys.size - 1)
    # Fibonacci hashing: the upper bits of the product are those that all bits of the key have shaped.
    place = ((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & mask
    while keys[place] >= 0 and keys[place] != key:
        place = (place + np.uint64(1)) & mask
    return place


@njit(**CONTRACTED)
def _no_keys(size):
    keys = np.empty(size, np.int64)
    for place in range(size):
        keys[place] = -1
    return keys


@njit(**CONTRACTED)
def find_passes(z, labels, width):
    """Find the lowest pass between each two watersheds that touch.

    Parameters
    ----------
    z, labels : ndarray (cells,)
        As `fill_depressions` leaves them; the rim towards other strips is `CLOSED`.
    width : int

    Returns
    -------
    pairs : ndarray of int64 (n,)
        The lower label times 2³² plus the higher one; -1 where there is no pair.
    passes : ndarray of float32 (n,)
        Heights (m).
    """
    keys, heights, count = _no_keys(np.int64(1024)), np.empty(1024, np.float32), 0
    for cell in range(z.size - width - 1):
        for near in (cell + 1, cell + width - 1, cell + width, cell + width + 1):
            if labels[cell] == labels[near] or z[cell] == CLOSED or z[near] == CLOSED:
                continue
            # Beside a hole the height of the cell itself.
            height = z[cell] if z[cell] >= z[near] or np.isnan(z[near]) else z[near]
            low, high = min(labels[cell], labels[near]), max(labels[cell], labels[near])
            key = (np.int64(low) << 32) | np.int64(high)
            place = _place_of(keys, key)
            if keys[place] < 0:
                keys[place], heights[place] = key, height
                count += 1
                if 2 * count > keys.size:
                    old_keys, old_heights = keys, heights
                    keys, heights = _no_keys(2 * keys.size), np.empty(2 * keys.size, np.float32)
                    for old in range(old_keys.size):
                        if old_keys[old] >= 0:
                            place = _place_of(keys, old_keys[old])
                            keys[place], heights[place] = old_keys[old], old_heights[old]
            elif height < heights[place]:
                heights[place] = height
    return keys, heights


@njit(**CONTRACTED)
def find_levels(firsts, others, passes, bits, levels):
    """Find how high water has to rise in each watershed until it reaches an edge or a hole.

    Parameters
    ----------
    firsts : ndarray of int64 (labels + 1,)
        Where the passes of each label begin.
    others : ndarray of int32 (n,)
        To which label each pass leads.
    passes : ndarray of float32 (n,)
        Heights (m); each pass stands in both directions.
    bits : ndarray of int32 (labels,)
        The memory of `levels` as whole numbers.
    levels : ndarray of float32 (labels,)
        Infinite but for label 0, the edges and holes; filled.
    """
    heap, size = np.empty(1024, np.int64), np.int64(1)
    heap[0] = _key(bits[0], np.int64(0))
    while size > 0:
        key = _pop(heap, size)
        size -= 1
        label = key & 0xFFFFFFFF
        if key != _key(bits[label], label):
            continue  # a lower way has been found since
        for place in range(firsts[label], firsts[label + 1]):
            other, level = others[place], max(levels[label], passes[place])
            if level < levels[other]:
                levels[other] = level
                heap = _grown(heap, size)
                _push(heap, size, _key(bits[other], other))
                size += 1


@njit(**CONTRACTED)
def raise_to_levels(z, labels, levels):
    """Raise what a strip by itself has filled to how high water stands in its watersheds.

    Parameters
    ----------
    z : ndarray of float32 (cells,)
        Changed in place.
    labels : ndarray of int32 (cells,)
    levels : ndarray of float32 (labels,)
    """
    for cell in range(z.size):
        # Holes are not lower than anything.
        if z[cell] < levels[labels[cell]]:
            z[cell] = levels[labels[cell]]
