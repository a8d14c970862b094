"""The compiled loops behind flow routing: depressions, flats, and what drains through each cell.

The rasters here are flat arrays with a rim of one cell of NaN around them. A comparison with NaN is false, so that
neither the rim nor a hole is ever lower, higher or level, and no loop needs to know where the raster ends. Cells are
numbered along the rows; the eight neighbours of cell c are c + offset, with the directions counted from east,
counter-clockwise.

`control` is what a kernel shares with the thread that waits for it: the cells done so far, and whether to stop.
"""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import njit
from sm_toolbox.predictors.terrain_kernels import CONTRACTED

# Freeman 1991: the share of each lower neighbour goes with the slope to this power.
FREEMAN_EXPONENT = 1.1
_LEAST_SHARE, _LARGEST_SHARE = np.float32(1e-37), np.float32(1e37)
DONE, STOP = 0, 1
CHECK_EVERY = 1 << 16

_FINISHED = np.uint8(255)
UNKNOWN, HOLE, DRAINS = np.uint8(0), np.uint8(1), np.uint8(2)


@njit(**CONTRACTED)
def neighbour_offsets(width):
    """Return the distances in memory to the neighbours: E, NE, N, NW, W, SW, S, SE."""
    return (
        np.uint64(1),
        np.uint64(1 - width),
        np.uint64(-width),
        np.uint64(-1 - width),
        np.uint64(-1),
        np.uint64(width - 1),
        np.uint64(width),
        np.uint64(width + 1),
    )


@njit(**CONTRACTED)
def _shares_mfd(z, steps, cell, offsets, closeness, shares):
    """Divide the flow among lower neighbours by slope^1.1 (Freeman 1991, doi 10.1016/0098-3004(91)90048-I)."""
    total = 0.0
    for k in range(8):
        near = cell + offsets[k]
        drop = z[cell] - z[near]
        shares[k] = 0.0
        if drop > 0:
            # In single precision, which is much faster; what vanishes or overflows in it is still a share.
            shares[k] = min(
                max((drop * np.float32(closeness[k])) ** np.float32(FREEMAN_EXPONENT), _LEAST_SHARE), _LARGEST_SHARE
            )
        elif drop == 0 and steps[near] < steps[cell]:
            # On a flat all descents are equally small.
            shares[k] = closeness[k] ** FREEMAN_EXPONENT
        total += shares[k]
    if total > 0:
        for k in range(8):
            shares[k] /= total


@njit(**CONTRACTED)
def _shares_d8(z, steps, cell, offsets, closeness, shares):
    """Send all flow down the steepest descent (O'Callaghan & Mark 1984, doi 10.1016/S0734-189X(84)80011-0)."""
    steepest, chosen = 0.0, -1
    for k in range(8):
        near = cell + offsets[k]
        shares[k] = 0.0
        drop = z[cell] - z[near]
        # Heights first: on a flat no neighbour is lower.
        slope = drop * closeness[k] if drop > 0 else 0.0
        if slope > steepest:
            steepest, chosen = slope, k
    if chosen < 0:
        for k in range(8):
            near = cell + offsets[k]
            if z[near] == z[cell] and steps[near] < steps[cell] and closeness[k] > steepest:
                steepest, chosen = closeness[k], k
    if chosen >= 0:
        shares[chosen] = 1.0


@njit(**CONTRACTED)
def _shares_dinf(z, steps, cell, offsets, closeness, shares):
    """Send the flow down the steepest of eight facets, to one or two neighbours.

    Tarboton 1997, doi 10.1029/96WR03137.
    """
    steepest, straight, diagonal, part = 0.0, -1, -1, 0.0
    for k in range(8):
        shares[k] = 0.0
    for facet in range(8):
        # Facets lie between a straight neighbour (E, N, W, S) and a diagonal one beside it.
        k = facet + (facet & 1)
        j = facet + 1 - (facet & 1)
        k &= 7
        along = (z[cell] - z[cell + offsets[k]]) * closeness[k]
        # From the straight neighbour to the diagonal one it is as far as to the next straight one.
        across = (z[cell + offsets[k]] - z[cell + offsets[j]]) * closeness[(k + 2) & 7]
        limit = math.atan2(closeness[k], closeness[(k + 2) & 7])
        if np.isnan(along):
            continue
        if np.isnan(across) or across <= 0:
            angle, slope = 0.0, along
        else:
            angle, slope = math.atan2(across, along), math.hypot(across, along)
            if angle >= limit:
                angle, slope = limit, (z[cell] - z[cell + offsets[j]]) * closeness[j]
        if slope > steepest:
            steepest, straight, diagonal, part = slope, k, j, angle / limit
    # A lower diagonal neighbour counts too where the straight ones beside it are holes.
    for j in range(1, 8, 2):
        slope = (z[cell] - z[cell + offsets[j]]) * closeness[j]
        if slope > steepest:
            steepest, straight, diagonal, part = slope, j, j, 1.0
    if straight < 0:
        _shares_d8(z, steps, cell, offsets, closeness, shares)
    else:
        shares[straight] += 1 - part
        shares[diagonal] += part


@njit(**CONTRACTED)
def count_givers_mfd(z, steps, width, closeness, first_row, last_row, givers, control):
    """As `_counter` says: every higher neighbour gives."""
    offsets = neighbour_offsets(width)
    for place in range(first_row * width, last_row * width):
        cell = np.uint64(place)
        givers[cell] = 0
        if np.isnan(z[cell]):
            givers[cell] = _FINISHED
            continue
        for offset in offsets:
            near = cell + offset
            givers[cell] += z[near] > z[cell] or (z[near] == z[cell] and steps[near] > steps[cell])


def _counter(shares_of):
    """Return a function that counts for each cell of some rows the neighbours from which water comes.

    It is compiled for one way of sharing alone, since most users need but one. Its parameters:

    z, steps : ndarray (cells,)
        As `fill_depressions` and `grade_flats` leave them.
    width : int
    closeness : ndarray of float64 (rows, 8)
        One over the distance (m) to each neighbour, for each row.
    first_row, last_row : int
        Rows, rim included, from and up to.
    givers : ndarray of uint8 (cells,)
        Those of the rows are set; 255 where there is no data.
    control : ndarray of int64 (2,)
    """

    @njit(**CONTRACTED)
    def count_givers(z, steps, width, closeness, first_row, last_row, givers, control):
        offsets = neighbour_offsets(width)
        first, last = np.uint64(first_row * width), np.uint64(last_row * width)
        for place in range(first, last):
            givers[place] = _FINISHED if np.isnan(z[place]) else 0
        shares = np.empty(8)
        # Givers may lie in the row before and in the row after.
        for row in range(max(first_row - 1, 1), min(last_row + 1, closeness.shape[0] - 1)):
            if control[STOP]:
                return
            for place in range(row * width, (row + 1) * width):
                cell = np.uint64(place)
                if np.isnan(z[cell]):
                    continue
                shares_of(z, steps, cell, offsets, closeness[row], shares)
                for k in range(8):
                    near = cell + offsets[k]
                    if shares[k] > 0 and first <= near < last:
                        givers[near] += 1

    return count_givers


def _accumulator(shares_of):
    """Return a function that passes the area of every cell of some rows, and all that it has got, on to those below.

    What leaves these rows is not passed on but handed out, so that other rows can be worked on at the same time. The
    function is compiled for one way of sharing alone. Its parameters:

    z, steps, width, closeness, first_row, last_row
        As for `_counter`.
    givers : ndarray of uint8 (cells,)
        Used up.
    area : ndarray of float64 (cells,)
        The cells' own areas (m²); increased by all that drains through them.
    queue : ndarray of int32 (cells,)
        Room to work in; only the part of these rows is used.
    arrived : ndarray of int32 (n,)
        Cells of these rows that receive from others, in a second and later call; empty in the first.
    amounts : ndarray of float64 (n,)
        What they receive (m²).
    leaving : ndarray of int32 (6 width,)
        Filled with the cells of other rows that receive from these: three from each cell of the first and of the last
        row at most.
    left : ndarray of float64 (6 width,)
        Filled with what they receive.
    control : ndarray of int64 (2,)

    It returns how many there are in `leaving`.
    """

    @njit(**CONTRACTED)
    def accumulate_flow(
        z,
        steps,
        width,
        closeness,
        first_row,
        last_row,
        givers,
        area,
        queue,
        arrived,
        amounts,
        leaving,
        left,
        control,
    ):
        offsets = neighbour_offsets(width)
        shares = np.empty(8)
        room = queue[first_row * width : last_row * width]
        first, last = np.uint64(first_row * width), np.uint64(last_row * width)
        done, size, gone = 0, 0, 0
        for place in range(arrived.size):
            cell = np.uint64(arrived[place])
            area[cell] += amounts[place]
            givers[cell] -= 1
            if givers[cell] == 0:
                room[size] = cell
                size += 1
        starts = range(first_row * width, last_row * width) if arrived.size == 0 else range(1)
        for place in starts:
            start = np.uint64(place)
            if arrived.size == 0 and givers[start] == 0:
                room[0] = start
                size = 1
            # Downstream from cells without open inflow, as far as all inflow is complete.
            while size > 0:
                if done % CHECK_EVERY == 0 and control[STOP]:
                    return gone
                done += 1
                size -= 1
                cell = np.uint64(room[size])
                # Marked, so that the loop over all sources skips it.
                givers[cell] = _FINISHED
                shares_of(z, steps, cell, offsets, closeness[np.uint32(cell) // np.uint32(width)], shares)
                for k in range(8):
                    if shares[k] == 0:
                        continue
                    near = cell + offsets[k]
                    amount = shares[k] * area[cell]
                    if near < first or near >= last:
                        leaving[gone], left[gone] = near, amount
                        gone += 1
                        continue
                    area[near] += amount
                    givers[near] -= 1
                    if givers[near] == 0:
                        room[size] = near
                        size += 1
        control[DONE] += done
        return gone

    return accumulate_flow


# By the number of the routing.
COUNT_GIVERS = count_givers_mfd, _counter(_shares_dinf), _counter(_shares_d8)
ACCUMULATE_FLOW = _accumulator(_shares_mfd), _accumulator(_shares_dinf), _accumulator(_shares_d8)
