"""Flow routing over elevation models that are larger than memory: in strips of rows, with the rest on the disk.

The results are those of the whole raster. Depressions are filled strip by strip, and a graph of the watersheds that
touch strips' borders tells how high the water stands (Barnes 2016). Steps over flats are shortest ways, and are passed
from strip to strip until none gets shorter. Water is passed on within a window that moves over the rows by half of its
height, down and up in turn, until all of it has left; so a river that meanders about a border is followed where the
border lies in the window's middle. This holds for water that spreads (mfd, dinf), too, where a graph of what flows from
border to border (Barnes 2017, doi 10.1016/j.envsoft.2017.02.022) would not.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.predictors.fill_strips import FILLING_PER_CELL, FilledLand, Heights
from sm_toolbox.predictors.flow import MOST_FLOW_MEMORY, Crew, Water, closeness_of
from sm_toolbox.predictors.rowfile import HOW_TO_GET_ROOM, RowFile, in_turn
from sm_toolbox.progress import SILENT, Progress

# Heights float32, steps int32, givers uint8, areas float64.
_SCRATCH_PER_CELL = 17
# In the window: all of these, and the queue.
_FLOWING_PER_CELL = _SCRATCH_PER_CELL + 4


@dataclass(frozen=True)
class StoredArea:
    """Specific catchment areas on the disk.

    Parameters
    ----------
    path : str
        Areas (m²) as float64, with a rim.
    columns : int
    per_width : ndarray of float64 (rows,)
        One over the width of a cell (m⁻¹).
    """

    path: str
    columns: int
    per_width: np.ndarray

    def __getitem__(self, slices: tuple[slice, slice]) -> np.ndarray:
        """Read the areas of a block, float32 (rows, cols) in m; from any thread."""
        (top, bottom), (left, right) = ((each.start, each.stop) for each in slices)
        block = np.empty((bottom - top, right - left))
        try:
            with open(self.path, "rb", buffering=0) as file:
                for row, values in enumerate(block, top + 1):
                    file.seek(8 * (row * (self.columns + 2) + left + 1))
                    if file.readinto(memoryview(values).cast("B")) < values.nbytes:
                        raise OSError("it ends too early")
        except OSError as error:
            raise InputError(
                f"The temporary file '{self.path}' cannot be read again ({error.strerror or error}). See that nothing "
                "clears that folder while QGIS works, and run again."
            ) from error
        block *= self.per_width[top:bottom, None]
        return block.astype(np.float32)


def scratch_needed(rows: int, columns: int) -> int:
    """Return the bytes of temporary files that a raster needs, after a look whether there is room for them.

    Parameters
    ----------
    rows, columns : int

    Returns
    -------
    int

    Raises
    ------
    InputError
        Where the disk has less.
    """
    needed, folder = _SCRATCH_PER_CELL * (rows + 2) * (columns + 2), tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"twi of {columns:,} × {rows:,} cells needs {needed / 2**20:,.0f} MB for temporary files in '{folder}', "
            f"where {free / 2**20:,.0f} MB are free. {HOW_TO_GET_ROOM} Or leave twi out of `names`."
        )
    return needed


def catchment_area_on_disk(
    heights: Heights,
    routing: str,
    folder: str,
    memory: int,
    *,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> StoredArea:
    """Compute what `specific_catchment_area` does without holding the raster in memory.

    Parameters
    ----------
    heights : Heights
    routing : {'mfd', 'dinf', 'd8'}
    folder : str
        Where the areas are left in a file, and temporary files while this works.
    memory : int
        Bytes, of which at most `MOST_FLOW_MEMORY` are used; a handful of rows at the least are held, and the graph of
        the strips' borders beside.
    threads : int, optional
    progress : Progress, optional

    Returns
    -------
    StoredArea

    Raises
    ------
    InputError
        Where the disk is full.
    Cancelled
        Within a second of the user's Cancel.

    Examples
    --------
    Water that runs east over cells of 10 m, row by row:

    >>> from tempfile import TemporaryDirectory
    >>> size = np.full(3, 10.0)
    >>> heights = Heights(lambda first, last: np.array([[3, 2, 1]] * (last - first), np.float32), 3, size, size)
    >>> with TemporaryDirectory() as folder:
    ...     area = catchment_area_on_disk(heights, "d8", folder, 100)
    ...     print(area[0:2, 1:3])
    [[20. 30.]
     [20. 30.]]
    """
    with ThreadPoolExecutor(threads) as pool, ExitStack() as stack:
        crew, memory = Crew(pool, progress), min(memory, MOST_FLOW_MEMORY)
        # Before the pool waits: whatever fails, no other strip need be finished.
        stack.callback(crew.stop)

        def stored(name: str, dtype: type) -> RowFile:
            file = RowFile(os.path.join(folder, name), dtype, heights.width, progress)
            stack.callback(file.remove)
            return file

        z, steps, labels = stored("heights", np.float32), stored("steps", np.int32), stored("labels", np.int32)
        land = FilledLand(heights, z, steps, labels, max(1, memory // (FILLING_PER_CELL * heights.width)))
        progress.info("Filling depressions …")
        land.grade(land.fill(crew, progress.part(0, 0.4)), crew, progress.part(0.4, 0.5))
        labels.remove()
        progress.info("Routing flow …")
        half = max(1, memory // (2 * _FLOWING_PER_CELL * heights.width))
        with RowFile(os.path.join(folder, "area"), np.float64, heights.width, progress) as area:
            flow = _Flow(heights, [z, steps, stored("givers", np.uint8), area], half)
            flow.accumulate(routing, crew, progress.part(0.5, 1))
    return StoredArea(area.path, heights.columns, 1 / np.sqrt(np.abs(heights.dx * heights.dy)))


class _Flow:
    """A window that moves over stored rows, and passes water on within.

    The files are those of the heights and steps, which are read, and of the givers and areas, which are made up to the
    row `known` and change. The first and the last row of the raster are its rim.
    """

    def __init__(self, heights: Heights, files: list[RowFile], half: int):
        self._heights, self._files, self._half = heights, files, half
        self._width, self._end = heights.width, heights.rows + 1
        # Beside the window lie one row above and three below, of which the givers are counted and need neighbours.
        rows = min(2 * half + 4, heights.rows + 2)
        self._arrays = [np.zeros(rows * self._width, file.dtype) for file in files]
        self._queue = np.empty(rows * self._width, np.int32)
        self._first = self._last = 0
        self._known = 1
        for file in files[2:]:
            file.write(0, np.zeros(self._width, file.dtype))
        self._closeness = closeness_of(heights.dx, heights.dy)
        self._cell_area = np.abs(heights.dx * heights.dy)

    def accumulate(self, routing: str, crew: Crew, progress: Progress) -> None:
        """Pass on all water."""
        count = max(1, -(-self._heights.rows // self._half) - 1)
        waiting = set(range(count))
        crew.control[0] = 0
        for number in in_turn(waiting, count):
            waiting.update(number + side for side in self._pass_on(number, routing, crew))
            progress.set_fraction(min(1, crew.control[0] / (self._heights.rows * self._heights.columns)))
        self._move(self._end, self._end)

    def _pass_on(self, number: int, routing: str, crew: Crew) -> Iterator[int]:
        """Pass on water within a window; yield on which sides (-1, 1) of it more cells are complete now."""
        first = 1 + number * self._half
        last = min(first + 2 * self._half, self._end)
        self._move(first - 1, min(last + 3, self._end + 1))
        start, stop = first - self._first, last - self._first
        size = (self._last - self._first) * self._width
        z, steps, givers, area = (array[:size] for array in self._arrays)
        closeness = self._closeness[self._first : self._last]
        water = Water(z, steps, givers, area, self._queue[:size], self._width, closeness, routing)
        self._make_known(water, min(last + 1, self._end), crew)
        cells, amounts = water.accumulate(crew, start, stop)
        np.add.at(area, cells, amounts)
        np.subtract.at(givers, cells, np.uint8(1))
        complete = cells[givers[cells] == 0]
        if (complete < start * self._width).any():
            yield -1
        if (complete >= stop * self._width).any():
            yield 1

    def _make_known(self, water: Water, end: int, crew: Crew) -> None:
        """Give the rows up to `end` that have not been in the window before their own areas and their givers."""
        if end <= self._known:
            return
        start, stop = self._known - self._first, end - self._first
        water.start(crew, start, stop, self._cell_area[self._known - 1 : end - 1])
        self._known = end

    def _move(self, first: int, last: int) -> None:
        """Have other rows in memory, from and up to."""
        kept = range(max(first, self._first), min(last, self._last))
        old, new = (
            [(start, kept.start), (kept.stop, stop)] if kept else [(start, stop)]
            for start, stop in ((self._first, self._last), (first, last))
        )
        for file, array, changes in zip(self._files, self._arrays, (False, False, True, True)):
            row = self._width * file.dtype.itemsize
            data = memoryview(array).cast("B")  # type: ignore[arg-type]
            end = self._known if changes else last
            for start, stop in old if changes else []:
                if start < min(stop, end):
                    file.write(start, data[(start - self._first) * row : (min(stop, end) - self._first) * row])
            if kept:
                # The two may overlap, which memoryviews of bytes allow for.
                shifted = data[(kept.start - self._first) * row : (kept.stop - self._first) * row]
                data[(kept.start - first) * row : (kept.stop - first) * row] = shifted
            for start, stop in new:
                if start < min(stop, end):
                    file.read(start, data[(start - first) * row : (min(stop, end) - first) * row])
        self._first, self._last = first, last
