"""Depressions and flats of elevation models that are larger than memory, in strips of rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from sm_toolbox.predictors.flow import FLOW_BANDS, Crew, bands_of
from sm_toolbox.predictors.rowfile import RowFile, in_turn
from sm_toolbox.progress import Progress

# While a strip is filled: heights and labels, the queue, and marks; as many strips at once as there are bands.
FILLING_PER_CELL = 13 * FLOW_BANDS
_CELLS_AT_ONCE = 2**22


@dataclass(frozen=True)
class Heights:
    """An elevation model that is read in pieces.

    Parameters
    ----------
    read : callable
        `read(first, last)`, from one thread: rows from and up to, float32 (last - first, columns) in m, NaN where there
        is no data.
    columns : int
    dx, dy : ndarray of float64 (rows,)
        Width and height of a row's cells (m), of either sign.
    """

    read: Callable[[int, int], np.ndarray]
    columns: int
    dx: np.ndarray
    dy: np.ndarray

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.dx.size

    @property
    def width(self) -> int:
        """Cells in a row, rim included."""
        return self.columns + 2


class FilledLand:
    """Heights without depressions and steps over flats, made strip by strip, in files with a rim of one cell.

    Parameters
    ----------
    heights : Heights
    z, steps, labels : RowFile
        Of float32, int32 and int32, as wide as the heights with their rim; filled.
    rows : int
        In a strip.
    """

    def __init__(self, heights: Heights, z: RowFile, steps: RowFile, labels: RowFile, rows: int):
        self._heights, self._z, self._steps, self._labels = heights, z, steps, labels
        self._width, self._end = heights.width, heights.rows + 1
        starts = [*range(1, self._end, rows), self._end]
        self._strips = list(zip(starts[:-1], starts[1:]))
        for file, value in ((z, np.nan), (steps, 0), (labels, 0)):
            for row in (0, self._end):
                file.write(row, np.full(self._width, value, file.dtype))

    def fill(self, crew: Crew, progress: Progress) -> np.ndarray:
        """Fill each strip by itself, and find out how high the water stands.

        Parameters
        ----------
        crew : Crew
        progress : Progress

        Returns
        -------
        ndarray of float32 (labels,)
            Levels (m) of the watersheds.
        """
        under_way: deque[Future] = deque()
        edges: list[tuple[np.ndarray, np.ndarray]] = []
        border: tuple[np.ndarray, np.ndarray] | None = None
        started = 0
        for number, (first, _) in enumerate(self._strips):
            while started < min(number + FLOW_BANDS, len(self._strips)):
                under_way.append(crew.start(_fill_strip, *self._read(started, progress), self._width, crew.control))
                started += 1
            z, labels, found = crew.wait([under_way.popleft()])[0]
            self._z.write(first, z[self._width : -self._width])
            self._labels.write(first, labels[self._width : -self._width])
            edges.append(found)
            if border:
                edges.append(_passes_across(border, tuple(each[self._width : 2 * self._width] for each in (z, labels))))
            border = tuple(each[-2 * self._width : -self._width].copy() for each in (z, labels))
            del z, labels
            progress.set_fraction((number + 1) / len(self._strips))
        return _levels(edges, 1 + 2 * self._width * len(self._strips))

    def _read(self, number: int, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
        """Return heights and labels of a strip with its rim: CLOSED and 1 where another strip lies beyond."""
        from sm_toolbox.predictors.spill_kernels import CLOSED, label_border

        first, last = self._strips[number]
        shape = last - first + 2, self._width
        z, labels = np.full(shape, np.nan, np.float32), np.zeros(shape, np.int32)
        at_once = max(1, _CELLS_AT_ONCE // self._width)
        for start in range(first, last, at_once):
            stop = min(start + at_once, last)
            progress.check()
            z[start - first + 1 : stop - first + 1, 1:-1] = self._heights.read(start - 1, stop - 1)
        z, labels, label = z.ravel(), labels.ravel(), 1 + 2 * self._width * number
        for row, rim, is_open in (
            (1, slice(self._width), first > 1),
            (shape[0] - 2, slice(-self._width, None), last < self._end),
        ):
            if is_open:
                label_border(z, self._width, row, label, labels)
                z[rim], labels[rim] = CLOSED, 1
            label += self._width
        return z, labels

    def grade(self, levels: np.ndarray, crew: Crew, progress: Progress) -> None:
        """Raise the strips to the levels of the water, and number the steps to the outlets of flats.

        Parameters
        ----------
        levels : ndarray of float32 (labels,)
            As `fill` returns them.
        crew : Crew
        progress : Progress
        """
        waiting, seen = set(range(len(self._strips))), set[int]()
        for number in in_turn(waiting, len(self._strips)):
            waiting.update(
                number + side for side in self._grade_strip(number, None if number in seen else levels, crew)
            )
            seen.add(number)
            progress.set_fraction(len(seen) / len(self._strips))

    def _grade_strip(self, number: int, levels: np.ndarray | None, crew: Crew) -> Iterator[int]:
        """Grade a strip, the first time with levels; yield the sides (-1, 1) on which others get shorter ways by it."""
        from sm_toolbox.predictors import fill_kernels
        from sm_toolbox.predictors.spill_kernels import raise_to_levels

        width, (first, last) = self._width, self._strips[number]
        rows = last - first
        # One row above; two below, of which the first one can be marked.
        z = np.empty((min(last + 2, self._end + 1) - first + 1) * width, np.float32)
        steps = np.zeros(z.size, np.int32)
        self._z.read(first - 1, z)
        if levels is None:
            self._steps.read(first - 1, steps[: (rows + 2) * width])
        else:
            labels = np.empty(z.size, np.int32)
            self._labels.read(first - 1, labels)
            crew.run(raise_to_levels, [(z, labels, levels)])
            del labels
            self._z.write(first, z[width : (rows + 1) * width])
            marked = bands_of(1, min(last + 1, self._end) - first + 1)
            crew.run(fill_kernels.mark_flats, [(z, width, *band, steps) for band in marked])
            self._steps.read(first - 1, steps[:width])
        above, below = slice(0, width), slice((rows + 1) * width, (rows + 2) * width)
        sources = np.concatenate([np.flatnonzero(steps[side] > 0) + side.start for side in (above, below)])
        sources = sources[np.argsort(steps[sources], kind="stable")].astype(np.int32)
        queue = np.empty(z.size, np.int32)
        crew.run(fill_kernels.grade_flats, [(z, width, 1, rows + 1, sources, queue, steps, crew.control)])
        self._steps.write(first, steps[width : (rows + 1) * width])
        for side, beside, own in (
            (-1, above, slice(width, 2 * width)),
            (1, below, slice(rows * width, (rows + 1) * width)),
        ):
            if _is_shorter(z[own], steps[own], z[beside], steps[beside]):
                yield side


def _fill_strip(
    z: np.ndarray, labels: np.ndarray, width: int, control: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Fill a strip as if water left it anywhere along its borders; return heights, labels and passes."""
    from sm_toolbox.predictors.fill_kernels import fill_depressions
    from sm_toolbox.predictors.spill_kernels import find_passes

    fill_depressions(z, z.view(np.int32), width, labels, np.empty(z.size, np.int32), control)
    pairs, passes = find_passes(z, labels, width)
    return z, labels, (pairs[pairs >= 0], passes[pairs >= 0])


def _beside(width: int) -> Iterator[tuple[slice, slice]]:
    """Yield which cells of a row and of the next one touch: below, to its left, and to its right."""
    for shift in (0, -1, 1):
        yield slice(max(0, -shift), width - max(0, shift)), slice(max(0, shift), width + min(0, shift))


def _passes_across(upper: tuple[np.ndarray, ...], lower: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of labels of two rows of heights and labels, and their lowest passes."""
    pairs, passes = [], []
    for one, other in _beside(upper[0].size):
        a, b = upper[1][one].astype(np.int64), lower[1][other].astype(np.int64)
        differ = a != b
        pairs.append((np.minimum(a, b) << 32 | np.maximum(a, b))[differ])
        # Beside a hole the height of the cell itself.
        passes.append(np.fmax(upper[0][one], lower[0][other])[differ])
    found, heights = np.concatenate(pairs), np.concatenate(passes)
    order = np.lexsort((heights, found))
    # The first of each pair is its lowest.
    found, first = np.unique(found[order], return_index=True)
    return found, heights[order[first]]


def _levels(edges: list[tuple[np.ndarray, np.ndarray]], count: int) -> np.ndarray:
    """Return how high the water stands in each of the watersheds, of all passes between them."""
    from sm_toolbox.predictors.spill_kernels import find_levels

    pairs, passes = (np.concatenate(parts) for parts in zip(*edges))
    low, high = (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)
    here, there, passes = np.concatenate([low, high]), np.concatenate([high, low]), np.concatenate([passes, passes])
    order = np.argsort(here, kind="stable")
    levels = np.full(count, np.inf, np.float32)
    levels[0] = -np.inf
    firsts = np.concatenate([[0], np.cumsum(np.bincount(here, minlength=count))])
    find_levels(firsts, there[order], passes[order], levels.view(np.int32), levels)
    return levels


def _is_shorter(z: np.ndarray, steps: np.ndarray, z_beside: np.ndarray, steps_beside: np.ndarray) -> bool:
    """Say whether ways from a row of flats are shorter through another row than those known."""
    return any(
        (
            (z[one] == z_beside[other])
            & (steps[one] >= 0)
            & ((steps_beside[other] < 0) | (steps_beside[other] > steps[one] + 1))
        ).any()
        for one, other in _beside(z.size)
    )
