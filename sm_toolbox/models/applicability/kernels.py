"""The compiled loops that find the nearest training row, and count those within a distance."""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

LANES = 16
"""Training rows of a leaf, children of a node, and rows that are looked up together: each a vector that is compared in
few instructions.
"""

PAD = 1e18
"""First coordinate of what fills up the last leaf and node: farther away than anything that is looked up."""

# Squared distance of a row that nothing is near to. Coordinates are cut off where their squares would come close to it.
_FAR, _CUT = np.float32(1e35), np.float32(1e14)
# How much farther than the nearest row known so far is searched, as distances to boxes are rounded.
_ROUNDED = np.float32(1.00001)
_ZERO = np.float32(0)
# Unsigned integers spare the test for negative indices; together with signed ones they would become floats.
_0, _1, _2, _3, _4, _LANES, _BOX = (np.uint64(number) for number in (0, 1, 2, 3, 4, LANES, 2 * LANES))

_FAST = {**KERNEL_OPTIONS, "fastmath": {"contract", "nsz"}}
# Passing many array descriptors would take as long as the function itself.
_INLINED = {**_FAST, "forceinline": True}


@njit(**KERNEL_OPTIONS)
def _load(features, first, tile, missing):
    """Take up to LANES rows, feature after feature; the last lanes repeat the last row.

    Rows with a gap take the values of one without.

    Returned is whether any row is complete. Not compiled with fast mathematics, which knows no NaN.
    """
    last = features.shape[1] - 1
    for lane in range(LANES):
        missing[lane] = False
    for k in range(features.shape[0]):
        base = k * LANES
        if first + LANES <= last + 1:
            for lane in range(LANES):
                tile[base + lane] = features[k, first + lane]
        else:
            for lane in range(LANES):
                tile[base + lane] = features[k, min(first + lane, last)]
        for lane in range(LANES):
            # Neither NaN nor an infinite number is zero less itself.
            missing[lane] |= tile[base + lane] - tile[base + lane] != _ZERO
    complete, gaps = -1, 0
    for lane in range(LANES):
        if missing[lane]:
            gaps += 1
        else:
            complete = lane
    if gaps > 0 and complete >= 0:
        for k in range(features.shape[0]):
            for lane in range(LANES):
                if missing[lane]:
                    tile[k * LANES + lane] = tile[k * LANES + complete]
    return complete >= 0


@njit(**_INLINED)
def _project(tile, width, axes, centre, scale, rotation, standard, out):
    """Standardise a tile and turn it onto the principal axes."""
    for k in range(width):
        middle, factor, base = centre[k], scale[k], k * _LANES
        for lane in range(_LANES):
            value = (tile[base + lane] - middle) * factor
            value = value if value < _CUT else _CUT
            standard[base + lane] = value if value > -_CUT else -_CUT
    for axis in range(axes):
        to = axis * _LANES
        for lane in range(_LANES):
            out[to + lane] = _ZERO
        # Four at a time, as below: the sums go through memory, and each addition waits for the one before.
        k = _0
        while k < width:
            offset, base = axis * width + k, k * _LANES
            a, b, c, d = rotation[offset], rotation[offset + _1], rotation[offset + _2], rotation[offset + _3]
            for lane in range(_LANES):
                i = base + lane
                out[to + lane] += (a * standard[i] + b * standard[i + _LANES]) + (
                    c * standard[i + _2 * _LANES] + d * standard[i + _3 * _LANES]
                )
            k += _4


@njit(**_INLINED)
def _box_distances(query, lane, axes, boxes, base, out):
    """Fill in the squared distances from a row to the boxes of the children of a node, along the principal axes."""
    for child in range(_LANES):
        out[child] = _ZERO
    k = _0
    while k < axes:
        offset = k * _LANES + lane
        a, b, c, d = query[offset], query[offset + _LANES], query[offset + _2 * _LANES], query[offset + _3 * _LANES]
        for child in range(_LANES):
            i = base + k * _BOX + child
            below, above = boxes[i] - a, a - boxes[i + _LANES]
            outside = below if below > above else above
            da = outside if outside > _ZERO else _ZERO
            i += _BOX
            below, above = boxes[i] - b, b - boxes[i + _LANES]
            outside = below if below > above else above
            db = outside if outside > _ZERO else _ZERO
            i += _BOX
            below, above = boxes[i] - c, c - boxes[i + _LANES]
            outside = below if below > above else above
            dc = outside if outside > _ZERO else _ZERO
            i += _BOX
            below, above = boxes[i] - d, d - boxes[i + _LANES]
            outside = below if below > above else above
            dd = outside if outside > _ZERO else _ZERO
            out[child] += (da * da + db * db) + (dc * dc + dd * dd)
        k += _4


@njit(**_INLINED)
def _axis_distances(query, lane, axes, places, base, out):
    """Fill in squared distances from a row to a leaf's along the principal axes: lower bounds of the whole ones."""
    for row in range(_LANES):
        out[row] = _ZERO
    k = _0
    while k < axes:
        offset, start = k * _LANES + lane, base + k * _LANES
        a, b, c, d = query[offset], query[offset + _LANES], query[offset + _2 * _LANES], query[offset + _3 * _LANES]
        for row in range(_LANES):
            i = start + row
            da, db, dc, dd = (
                places[i] - a,
                places[i + _LANES] - b,
                places[i + _2 * _LANES] - c,
                places[i + _3 * _LANES] - d,
            )
            out[row] += (da * da + db * db) + (dc * dc + dd * dd)
        k += _4


@njit(**_INLINED)
def _distances(tile, lane, width, rows, base, scale, out):
    """Fill in squared distances from a row to those of a leaf; exact also where they are tiny."""
    for row in range(_LANES):
        out[row] = _ZERO
    k = _0
    while k < width:
        offset, start = k * _LANES + lane, base + k * _LANES
        a, b, c, d = tile[offset], tile[offset + _LANES], tile[offset + _2 * _LANES], tile[offset + _3 * _LANES]
        sa, sb, sc, sd = scale[k], scale[k + _1], scale[k + _2], scale[k + _3]
        for row in range(_LANES):
            i = start + row
            da, db = (rows[i] - a) * sa, (rows[i + _LANES] - b) * sb
            dc, dd = (rows[i + _2 * _LANES] - c) * sc, (rows[i + _3 * _LANES] - d) * sd
            out[row] += (da * da + db * db) + (dc * dc + dd * dd)
        k += _4


@njit(**_INLINED)
def _widened(squared, slack):
    radius = math.sqrt(squared) * _ROUNDED + slack
    return radius * radius


@njit(**_FAST)
def nearest(features, row_groups, index, unit, out):
    """Find the distance from each row to the nearest training row of another group.

    Training rows lie in a tree of boxes on the first principal axes, which hold nearly all of the distances; only the
    rows that are near along these are compared in all features. The search begins with the row that was nearest to the
    last one: on a map it is near to this one, too.

    Parameters
    ----------
    features : ndarray of float32 (features, rows)
        Rows that are not finite become NaN.
    row_groups : ndarray of int32 (rows,)
        Group of each row.
    index : applicability.Index
        Training rows.
    unit : float32
        One over the distance that counts as 1.
    out : ndarray of float32 (rows,)
        Infinite where the squares of the distance are beyond float32.
    """
    centre, scale, rotation, rows, places, boxes, levels, groups, slack = index
    width = np.uint64(len(scale))
    axes = np.uint64(len(rotation)) // width
    row_size, place_size, box_size = width * _LANES, axes * _LANES, axes * _BOX
    tile, standard = np.zeros(row_size, np.float32), np.empty(row_size, np.float32)
    query, missing = np.empty(place_size, np.float32), np.empty(LANES, np.bool_)
    bounds, squared = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    nearby = np.empty(LANES, np.uint64)
    top = len(levels) - 2
    room = LANES * len(levels)
    stack_node, stack_level, stack_bound = (
        np.empty(room, np.uint64),
        np.empty(room, np.int64),
        np.empty(room, np.float32),
    )
    count = features.shape[1]
    near = _0
    for first in range(0, count, LANES):
        row_count = min(LANES, count - first)
        if not _load(features, first, tile, missing):
            out[first : first + row_count] = np.nan
            continue
        _project(tile, width, axes, centre, scale, rotation, standard, query)
        for position in range(row_count):
            lane, row_group = np.uint64(position), row_groups[first + position]
            _distances(tile, lane, width, rows, near // _LANES * row_size, scale, squared)
            best = squared[near % _LANES] if groups[near] != row_group else _FAR
            best = best if best < _FAR else _FAR
            reach = _widened(best, slack)
            waiting = 0
            for node in range(levels[top + 1] - levels[top]):
                stack_node[waiting], stack_level[waiting], stack_bound[waiting] = node, top, _ZERO
                waiting += 1
            while waiting > 0:
                waiting -= 1
                if stack_bound[waiting] >= reach:
                    continue
                node, level = stack_node[waiting], stack_level[waiting]
                _box_distances(query, lane, axes, boxes, (levels[level] + node) * box_size, bounds)
                # The children that are near enough, farthest first; written down without a branch, as few of sixteen
                # are.
                near_count = 0
                for child in range(_LANES):
                    nearby[near_count] = child
                    near_count += bounds[child] < reach
                for i in range(1, near_count):
                    child, place = nearby[i], i
                    while place > 0 and bounds[nearby[place - 1]] < bounds[child]:
                        nearby[place] = nearby[place - 1]
                        place -= 1
                    nearby[place] = child
                if level > 0:
                    for i in range(near_count):
                        stack_node[waiting], stack_level[waiting] = node * _LANES + nearby[i], level - 1
                        stack_bound[waiting] = bounds[nearby[i]]
                        waiting += 1
                    continue
                for i in range(near_count - 1, -1, -1):
                    if bounds[nearby[i]] >= reach:
                        break
                    leaf = node * _LANES + nearby[i]
                    _axis_distances(query, lane, axes, places, leaf * place_size, squared)
                    candidates = 0
                    for row in range(_LANES):
                        candidates += squared[row] < reach
                    if candidates == 0:
                        continue
                    _distances(tile, lane, width, rows, leaf * row_size, scale, squared)
                    for row in range(_LANES):
                        if squared[row] < best and groups[leaf * _LANES + row] != row_group:
                            best, near = squared[row], leaf * _LANES + row
                            reach = _widened(best, slack)
            distance = np.float32(math.sqrt(best)) * unit if best < _FAR else np.float32(np.inf)
            out[first + position] = np.float32(np.nan) if missing[position] else distance


@njit(**_FAST)
def count_within(features, index, limit, out):
    """Count the training rows at most at a distance.

    Parameters
    ----------
    features, index
        As in `nearest`.
    limit : float32
        Square of the distance.
    out : ndarray of float32 (rows,)
        Counts; NaN for rows that are not finite.
    """
    centre, scale, rotation, rows, places, boxes, levels, _, slack = index
    width = np.uint64(len(scale))
    axes = np.uint64(len(rotation)) // width
    row_size, place_size, box_size = width * _LANES, axes * _LANES, axes * _BOX
    tile, standard = np.zeros(row_size, np.float32), np.empty(row_size, np.float32)
    query, missing = np.empty(place_size, np.float32), np.empty(LANES, np.bool_)
    bounds, along, squared = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    top = len(levels) - 2
    room = LANES * len(levels)
    stack_node, stack_level = np.empty(room, np.uint64), np.empty(room, np.int64)
    # Below the distance to the padding of leaves and nodes.
    limit = limit if limit < _FAR else _FAR
    reach = _widened(limit, slack)
    count = features.shape[1]
    for first in range(0, count, LANES):
        row_count = min(LANES, count - first)
        if not _load(features, first, tile, missing):
            out[first : first + row_count] = np.nan
            continue
        _project(tile, width, axes, centre, scale, rotation, standard, query)
        for position in range(row_count):
            if missing[position]:
                out[first + position] = np.nan
                continue
            lane, within, waiting = np.uint64(position), 0, 0
            for node in range(levels[top + 1] - levels[top]):
                stack_node[waiting], stack_level[waiting] = node, top
                waiting += 1
            while waiting > 0:
                waiting -= 1
                node, level = stack_node[waiting], stack_level[waiting]
                _box_distances(query, lane, axes, boxes, (levels[level] + node) * box_size, bounds)
                for child in range(_LANES):
                    if bounds[child] > reach:
                        continue
                    below = node * _LANES + child
                    if level > 0:
                        stack_node[waiting], stack_level[waiting] = below, level - 1
                        waiting += 1
                        continue
                    # Padding of the last leaf repeats its last row, but is far away along the first axis.
                    _axis_distances(query, lane, axes, places, below * place_size, along)
                    candidates = 0
                    for row in range(_LANES):
                        candidates += along[row] <= reach
                    if candidates > 0:
                        _distances(tile, lane, width, rows, below * row_size, scale, squared)
                        for row in range(_LANES):
                            within += (along[row] <= reach) & (squared[row] <= limit)
            out[first + position] = within
