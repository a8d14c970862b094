"""Filling of depressions and grading of flats, compiled."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import njit
from sm_toolbox.predictors.flow_kernels import CHECK_EVERY, DONE, DRAINS, HOLE, STOP, UNKNOWN, neighbour_offsets
from sm_toolbox.predictors.terrain_kernels import CONTRACTED


@njit(**CONTRACTED)
def _key(bits, cell):
    """Return a number that sorts as the height whose bits these are, and among equal heights as the cell."""
    # Negative floats are ordered backwards by their bits.
    return (np.int64(bits ^ ((bits >> 31) & 0x7FFFFFFF)) << 32) | np.int64(cell)


@njit(**CONTRACTED)
def _push(heap, size, key):
    """Put a key into a heap of `size` keys, the lowest on top."""
    place = size
    while place > 0:
        parent = (place - 1) >> 2
        if heap[parent] <= key:
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = key


@njit(**CONTRACTED)
def _pop(heap, size):
    """Take the lowest key out of a heap of `size` keys, each with up to four below it."""
    lowest = heap[0]
    size -= 1
    key = heap[size]
    place = 0
    while True:
        first = 4 * place + 1
        if first >= size:
            break
        child = first
        for other in range(first + 1, min(first + 4, size)):
            if heap[other] < heap[child]:
                child = other
        if heap[child] >= key:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = key
    return lowest


@njit(**CONTRACTED)
def _grown(array, size):
    """Return an array with room for one more, keeping what is in it."""
    if size < array.size:
        return array
    larger = np.empty(2 * array.size, array.dtype)
    # Numba compiles an assignment of slices for two seconds.
    for place in range(size):
        larger[place] = array[place]
    return larger


@njit(**CONTRACTED)
def _is_slope(z, state, cell, offsets):
    """Return whether a cell lies above one that is known to drain, and so is about to become known itself."""
    for offset in offsets:
        near = cell + offset
        if state[near] and z[near] < z[cell]:
            return True
    return False


@njit(**CONTRACTED)
def fill_depressions(z, bits, width, labels, queue, control):
    """Raise cells from which no path leads down to the raster's edge or a hole to the height of their lowest outlet.

    Priority-flood (Barnes, Lehman & Mulla 2014, doi 10.1016/j.cageo.2013.04.024), in which cells on slopes pass by the
    priority queue (Wei, Zhou & Fu 2019, doi 10.1080/17538947.2018.1429503): a cell above one that drains drains too.

    Parameters
    ----------
    z : ndarray of float32 (cells,)
        Heights with a rim of NaN; changed in place.
    bits : ndarray of int32 (cells,)
        The same memory as whole numbers.
    width : int
        Cells in a row, rim included.
    labels : ndarray of int32 (cells,) or (0,)
        Of a strip of a larger raster: above 0 where a cell lies at the border to another strip, beyond which water may
        leave, and anywhere on a rim that stands for another strip; else 0. Filled with the label of the border cell to
        which each cell drains, 0 for edges and holes. Empty where nothing lies beyond.
    queue : ndarray of int32 (cells,)
        Room to work in.
    control : ndarray of int64 (2,)
    """
    offsets = neighbour_offsets(width)
    is_strip = labels.size > 0
    # Holes and the rim are done from the start.
    state = np.empty(z.size, np.uint8)
    for place in range(z.size):
        state[place] = HOLE if np.isnan(z[place]) else UNKNOWN
    if is_strip:
        for rim in (0, z.size - width):
            for place in range(rim, rim + width):
                if labels[place] > 0:
                    state[place] = DRAINS
    # A plain 0 is a type of its own to numba, for which all that takes it would be compiled, too.
    heap, size = np.empty(1024, np.int64), np.int64(0)
    for place in range(width + 1, z.size - width - 1):
        cell = np.uint64(place)
        if state[cell] == UNKNOWN:
            if is_strip and labels[cell] > 0:
                heap = _grown(heap, size)
                _push(heap, size, _key(bits[cell], cell))
                size += 1
                state[cell] = DRAINS
                continue
            for offset in offsets:
                if state[cell + offset] == HOLE:
                    heap = _grown(heap, size)
                    _push(heap, size, _key(bits[cell], cell))
                    size += 1
                    state[cell] = DRAINS
                    break
    popped = 0
    while size > 0:
        if popped % CHECK_EVERY == 0 and control[STOP]:
            return
        popped += 1
        cell = np.uint64(_pop(heap, size) & 0xFFFFFFFF)
        size -= 1
        level = z[cell]
        # The depression behind this cell, if there is one: all that is not above its level, from neighbour to
        # neighbour. What lies higher around it is a slope. Both wait in the same room, the depression from its start,
        # the slopes from its end.
        first, last, top = 0, 1, queue.size
        queue[0] = cell
        while first < last:
            current = np.uint64(queue[first])
            first += 1
            for offset in offsets:
                near = current + offset
                if state[near]:
                    continue
                state[near] = DRAINS
                if is_strip:
                    labels[near] = labels[current]
                if z[near] <= level:
                    z[near] = level
                    queue[last] = near
                    last += 1
                else:
                    top -= 1
                    queue[top] = near
        # Up the slopes. A cell with an unknown neighbour that is not higher may be the outlet of another depression.
        head = queue.size
        while head > top:
            head -= 1
            current = np.uint64(queue[head])
            waits = False
            for offset in offsets:
                near = current + offset
                if state[near]:
                    continue
                if z[near] > z[current]:
                    state[near] = DRAINS
                    if is_strip:
                        labels[near] = labels[current]
                    top -= 1
                    queue[top] = near
                elif z[near] <= z[current] and not waits:
                    waits = not _is_slope(z, state, near, offsets)
            if waits:
                heap = _grown(heap, size)
                _push(heap, size, _key(bits[current], current))
                size += 1
    control[DONE] = popped


@njit(**CONTRACTED)
def mark_flats(z, width, first_row, last_row, steps):
    """Find the cells that have neither a lower neighbour nor an edge beside them.

    Parameters
    ----------
    z : ndarray of float32 (cells,)
        Heights without depressions.
    width : int
    first_row, last_row : int
        Rows, rim included, from and up to.
    steps : ndarray of int32 (cells,)
        Those of the rows are set: -1 on flats, else 0.
    """
    offsets = neighbour_offsets(width)
    for place in range(first_row * width, last_row * width):
        cell = np.uint64(place)
        height = z[cell]
        steps[cell] = 0
        # The rim has no neighbours beyond.
        if not np.isnan(height):
            flat = True
            for offset in offsets:
                # At an edge (NaN) and above a lower neighbour this is false.
                flat &= z[cell + offset] >= height
            steps[cell] = -1 if flat else 0


@njit(**CONTRACTED)
def grade_flats(z, width, first_row, last_row, sources, queue, steps, control):
    """Number the steps from each cell of a flat to its nearest outlet: a gradient below any of the heights.

    Parameters
    ----------
    z : ndarray of float32 (cells,)
        Heights without depressions.
    width : int
    first_row, last_row : int
        Rows, rim included, from and up to.
    sources : ndarray of int32 (n,)
        Cells of flats beside these rows whose steps are known, the fewest first.
    queue : ndarray of int32 (cells,)
        Room to work in.
    steps : ndarray of int32 (cells,)
        As `mark_flats` leaves them, or this function where other sources were known. The flats of the rows get their
        steps; those without a way to an outlet or a source keep -1.
    control : ndarray of int64 (2,)
    """
    offsets = neighbour_offsets(width)
    start, stop = np.uint64(first_row * width), np.uint64(last_row * width)
    last = 0
    for place in range(first_row * width, last_row * width):
        cell = np.uint64(place)
        if steps[cell] < 0:
            for offset in offsets:
                if steps[cell + offset] == 0 and z[cell + offset] == z[cell]:
                    queue[last] = cell
                    last += 1
                    break
    for place in range(last):
        steps[queue[place]] = 1
    first = known = 0
    # Always from the fewest steps, so that no cell is reached twice.
    while first < last or known < sources.size:
        if first % CHECK_EVERY == 0 and control[STOP]:
            return
        if known < sources.size and (first == last or steps[sources[known]] < steps[queue[first]]):
            cell = np.uint64(sources[known])
            known += 1
        else:
            cell = np.uint64(queue[first])
            first += 1
        step = steps[cell] + 1
        for offset in offsets:
            near = cell + offset
            # Sources lie at the rim of what is in memory.
            if start <= near < stop and z[near] == z[cell] and (steps[near] < 0 or steps[near] > step):
                steps[near] = step
                queue[last] = near
                last += 1
