"""Reading long stacks window by window, some dates at a time, in memory that depends on neither size.

The block engine holds all bands of a window. With thousands of dates its windows become much smaller than the files'
tiles, each of which would be decoded many times. Here windows are whole tiles, and a kernel asks for as many dates at
once as the budget allows.
"""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster import planning
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.cluster import on_cluster
from sm_toolbox.raster.engine import in_order as on_threads
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source, open_raster
from sm_toolbox.raster.planning import Plan
from sm_toolbox.raster.reading import OPEN_FILES, BandReader, OpenFile
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.warping import Warp, overlap

# Fewest dates read at once; with fewer, opening and going through the sums of a window would take longer than decoding.
_FEWEST_DATES = 16
# Cells of all bands that are warped at once.
_WARPED_CELLS = 2**22


class StackReader(BandReader):
    """Reads some of many bands at a time, as if they lay on one grid.

    Parameters
    ----------
    bands : sequence of Band
    grid : Grid
    resampling : str or sequence of (str or None), optional
        As `BandReader`.
    """

    def __init__(self, bands: Sequence[Band], grid: Grid, resampling: str | Sequence[str | None] | None = None):
        super().__init__(bands, grid, resampling)
        # A file elsewhere fails now rather than after hours.
        for source in self._warp:
            if not overlap(self._grid_of(source), grid):
                raise InputError(
                    f"The raster '{source.label}' does not overlap the grid of the first product. Check both "
                    "extents and coordinate reference systems."
                )

    @property
    def wants_whole_records(self) -> bool:
        """Whether a file is read fastest with all its dates: NetCDF chunks may hold many, and GDAL drops them."""
        for source, positions in self._files.items():
            if len(positions) > 1:
                with open_raster(source) as dataset:
                    if dataset.format == "netCDF":
                        return True
        return False

    @contextmanager
    def open(self) -> Iterator[OpenStacks]:  # type: ignore[override]
        """Open the files, for one thread."""
        with ExitStack() as stack:
            opened = OpenStacks(self)
            stack.callback(opened.close)
            yield opened


class OpenStacks:
    """The bands of a `StackReader` for one thread, with few files open at a time.

    Parameters
    ----------
    reader : StackReader
    """

    def __init__(self, reader: StackReader):
        self._reader = reader
        self._warps = {
            source: Warp(reader._grid_of(source), reader.grid, method) for source, method in reader._warp.items()
        }
        self._open: OrderedDict[Source, tuple[ExitStack, OpenFile]] = OrderedDict()
        self._place = {
            position: (source, i) for source, positions in reader._files.items() for i, position in enumerate(positions)
        }

    def close(self) -> None:
        """Close all files."""
        while self._open:
            self._open.popitem()[1][0].close()

    def read(self, positions: np.ndarray, window: Window) -> np.ndarray:
        """Read bands of a window.

        Parameters
        ----------
        positions : ndarray of int (...)
            Places of the bands in the reader; -1 stands for a band without data.
        window : Window

        Returns
        -------
        ndarray, float32 (..., rows, cols)
            NaN where there is no data.
        """
        flat = positions.ravel()
        out = np.empty((flat.size, int(window.height), int(window.width)), np.float32)
        wanted: dict[Source, tuple[list[int], list[int]]] = {}
        for target, position in enumerate(flat):
            if position < 0:
                out[target] = np.nan
                continue
            source, place = self._place[int(position)]
            targets, places = wanted.setdefault(source, ([], []))
            targets.append(target)
            places.append(place)
        for source, (targets, places) in wanted.items():
            part = self._file(source).some_bands(places)
            first, last = targets[0], targets[-1] + 1
            if last - first == len(targets):
                self._fill(part, source, out[first:last], window)
            else:
                values = np.empty((len(targets), *out.shape[1:]), np.float32)
                self._fill(part, source, values, window)
                out[targets] = values
        return out.reshape(*positions.shape, *out.shape[1:])

    def _file(self, source: Source) -> OpenFile:
        if source in self._open:
            self._open.move_to_end(source)
            return self._open[source][1]
        if len(self._open) >= OPEN_FILES:
            self._open.popitem(last=False)[1][0].close()
        bands = [self._reader.bands[position] for position in self._reader._files[source]]
        stack = ExitStack()
        # On its own grid: warped files are warped below, some bands at a time, which GDAL's virtual warping cannot do.
        own = BandReader(bands, bands[0].grid)
        own.watch = self._reader.watch
        self._open[source] = stack, stack.enter_context(own.open_file(source))
        return self._open[source][1]

    def _fill(self, file: OpenFile, source: Source, out: np.ndarray, window: Window) -> None:
        if source not in self._warps:
            file.read(out, window)
            return
        rows, columns = (int(size) for size in (window.height, window.width))
        at_once = max(1, _WARPED_CELLS // (rows * columns))
        for first in range(0, len(out), at_once):
            some = range(first, min(first + at_once, len(out)))
            self._warps[source].fill(out[first : some.stop], window, file.some_bands(some).read)


@dataclass(frozen=True)
class Stream:
    """How a grid and a record are cut.

    Parameters
    ----------
    plan : Plan
        Windows and threads.
    dates : int
        Dates read at once.
    """

    plan: Plan
    dates: int


def plan_stream(
    reader: StackReader, dates: int, fixed: float, per_date: float, *, whole: bool, engine: Engine,
) -> Stream:  # fmt: skip
    """Cut a grid into windows of whole tiles, and the record into parts that fit the budget.

    Parameters
    ----------
    reader : StackReader
    dates : int
        The length of the record.
    fixed, per_date : float
        Bytes of a cell for what does not depend on the dates, and for each date that is in memory.
    whole : bool
        Whether all dates must be in memory at once; they also are where a file asks for it.
    engine : Engine
        Its budget is by default as `run_blocks` where all dates are in memory at once, else its smallest, or what a
        tile and some dates need for each worker.

    Returns
    -------
    Stream
    """
    workers, grid, memory = engine.threads or os.cpu_count() or 1, reader.grid, engine.memory
    tile = planning.common_tile(reader.tiles(), grid)
    tile = min(tile[0], grid.height), min(tile[1], grid.width)
    at_once = dates
    if whole or reader.wants_whole_records:
        memory = memory or planning.memory_for(tile, fixed + per_date * dates, len(reader.bands), 0, engine.progress)
    else:
        needed = math.ceil((workers + 1) * tile[0] * tile[1] * (fixed + per_date * min(dates, _FEWEST_DATES)))
        memory = memory or max(planning.DEFAULT_MEMORY, min(needed, planning.physical_memory() // 4))
        at_once = int((memory / (workers + 1) / (tile[0] * tile[1]) - fixed) / per_date)
        at_once = min(dates, max(_FEWEST_DATES, at_once))
    return Stream(planning.plan_blocks(grid, tile, fixed + per_date * at_once, memory, workers), at_once)


Emit = Callable[[int, np.ndarray], None]
Work = Callable[[OpenStacks, Window, Emit, Progress], Any]


def stream_in_order(
    reader: StackReader,
    work: Work,
    plan: Plan,
    engine: Engine,
    *,
    write: Callable[[Window, int, np.ndarray], None] | None = None,
) -> Iterator[tuple[Window, Any]]:
    """Yield windows, in order, with what `work` makes of them on several threads or on a cluster.

    Parameters
    ----------
    reader : StackReader
    work : callable
        `work(opened, window, emit, progress)`; what it hands to `emit(first, block)` is written at once, so that it
        need not keep it. For a cluster it must hold nothing that cannot be sent there.
    plan : Plan
    engine : Engine
    write : callable, optional
        `write(window, first, block)`: where emitted blocks go; it is called from several threads, one at a time.

    Yields
    ------
    window : Window
    result : object

    Raises
    ------
    InputError
        Where the cluster cannot be reached, or what is read holds fill values that no file declares.
    Cancelled
        Within a window of the user's Cancel.
    """

    progress = engine.progress
    lock = threading.Lock()

    def local(opened: OpenStacks, window: Window) -> Any:
        def emit(first: int, block: np.ndarray) -> None:
            if write:
                with lock:
                    write(window, first, block)

        return work(opened, window, emit, progress), []

    if engine.scheduler:
        results = on_cluster(reader, _Collecting(work), plan, engine, planning.GDAL_CACHE)
    else:
        results = on_threads(cast(Any, reader), cast(Any, local), plan, engine)
    with driver().environment(planning.GDAL_CACHE), closing(results):
        for done, (window, (result, blocks)) in enumerate(results, start=1):
            for first, block in blocks:
                if write:
                    write(window, first, block)
            reader.watch.refuse_early()
            yield window, result
            progress.set_fraction(done / len(plan.windows))
    reader.watch.tell(progress)


@dataclass(frozen=True)
class _Collecting:
    """Does `work` in a worker of a cluster and keeps what is to be written, which only this process can write."""

    work: Work

    def __call__(self, opened: OpenStacks, window: Window) -> tuple[Any, list[tuple[int, np.ndarray]]]:
        blocks: list[tuple[int, np.ndarray]] = []
        return self.work(opened, window, lambda first, block: blocks.append((first, block)), SILENT), blocks
