"""The block engine: run a pure function over rasters larger than memory, on threads, into outputs that appear whole or not at all."""

from __future__ import annotations

import importlib.util
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
import rasterio
from rasterio.windows import Window

from sm_toolbox.errors import InputError, OutputError
from sm_toolbox.memory import physical_memory
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.cluster import on_cluster
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.outputs import TILE, RasterOutput, RasterWriter, raster_writer
from sm_toolbox.raster.reading import BandReader, OpenBands

Blocks = dict[str, np.ndarray]
Kernel = Callable[[Blocks, Window], np.ndarray]

DEFAULT_MEMORY = 256 * 2**20
# GDAL keeps decoded tiles for the whole process, by default as many as fill 5 % of the memory. Blocks read each tile once, so that a few are enough;
# rasterio takes bytes and restores the limit afterwards.
GDAL_CACHE = 64 * 2**20
# Blocks of about this size keep every thread busy to the end and the progress bar moving; larger ones gain nothing.
_PREFERRED_CELLS = 2**18


class Windows(Sequence[Window]):
    """The windows of the blocks of a raster, row by row; a grid of a continent in metres has more than a list should hold.

    Parameters
    ----------
    height, width : int
        Of the raster.
    rows, columns : int
        Of a block; those at the lower and right edges may be smaller.
    """

    def __init__(self, height: int, width: int, rows: int, columns: int):
        self._height, self._width, self._rows, self._columns = height, width, rows, columns
        self._across = -(-width // columns)

    def __len__(self) -> int:
        return -(-self._height // self._rows) * self._across

    def __getitem__(self, number: int) -> Window:  # type: ignore[override]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        row, column = (place * size for place, size in zip(divmod(number % len(self), self._across), (self._rows, self._columns)))
        return Window(column, row, min(self._columns, self._width - column), min(self._rows, self._height - row))


@dataclass(frozen=True)
class Plan:
    """How a raster is cut into blocks.

    Parameters
    ----------
    windows : sequence of Window
        In the order in which they are written.
    threads : int
        Workers that read and compute.
    in_flight : int
        Blocks that are in memory at once.
    """

    windows: Sequence[Window]
    threads: int
    in_flight: int

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of output tiles of which the blocks are made whole, as far as GeoTIFF allows."""
        last = self.windows[-1]
        height, width = last.row_off + last.height, last.col_off + last.width
        first = self.windows[0]
        rows, columns = (TILE if size >= whole else max(16, math.gcd(size, TILE)) for size, whole in ((first.height, height), (first.width, width)))
        return rows, columns


def plan_blocks(grid: Grid, tile: tuple[int, int], bytes_per_cell: float, memory: int, threads: int, halo: int = 0) -> Plan:
    """Cut a grid into blocks so that all that is in memory at once stays within a budget.

    Blocks are whole multiples of the files' tiles, wide before they are high, since strips are read and written faster.

    Parameters
    ----------
    grid : Grid
    tile : (int, int)
        Rows and columns that are read and written together.
    bytes_per_cell : float
        Inputs, outputs and temporaries of one cell of one block.
    memory : int
        Budget in bytes.
    threads : int
        Workers wanted; fewer are used where the budget does not allow them.
    halo : int, optional
        Extra cells around a block that its inputs need.
    """
    rows_step, columns_step = (min(size, limit) for size, limit in zip(tile, (grid.height, grid.width)))
    smallest = (rows_step + 2 * halo) * (columns_step + 2 * halo)
    # One block more than there are threads is being written; the last resort is one block at a time.
    in_flight = next((blocks for blocks in range(threads + 1, 1, -1) if memory / blocks / bytes_per_cell >= smallest), 1)
    threads = max(in_flight - 1, 1)
    budget = memory / in_flight / bytes_per_cell
    budget = min(budget, _PREFERRED_CELLS)
    columns = grid.width
    if (rows_step + 2 * halo) * (columns + 2 * halo) > budget:
        columns = max(1, int(budget / (rows_step + 2 * halo) - 2 * halo) // columns_step) * columns_step
    rows = max(1, int(budget / (columns + 2 * halo) - 2 * halo) // rows_step) * rows_step
    # A budget below one tile is still kept: reading a tile more than once is slow, running out of memory is worse.
    while (rows + 2 * halo) * (columns + 2 * halo) > budget and (rows > 1 or columns > 1):
        if rows >= columns:
            rows = _half(rows)
        else:
            columns = _half(columns)
    return Plan(Windows(grid.height, grid.width, rows, columns), threads, in_flight)


def _half(size: int) -> int:
    """Return about half of a size, a multiple of 16 as long as there is one: GeoTIFF's tiles are such."""
    return max(16, size // 2 // 16 * 16) if size > 16 else -(-size // 2)


def run_blocks(
    kernel: Kernel,
    inputs: Mapping[str, Sequence[Band]],
    outputs: Sequence[RasterOutput],
    grid: Grid,
    *,
    halo: int = 0,
    scratch_bytes_per_cell: float = 0,
    memory: int | None = None,
    threads: int | None = None,
    resampling: str | None = None,
    finish: Callable[[np.ndarray], np.ndarray] | None = None,
    has_data: Callable[[], bool] | None = None,
    scheduler: str = "",
    progress: Progress = SILENT,
) -> list[int]:
    """Run a kernel over blocks of rasters and write what it returns.

    Parameters
    ----------
    kernel : callable
        `kernel(blocks, window) -> ndarray`: a pure function of the inputs' blocks, float32 (bands, rows + 2 halo, cols + 2 halo) under the
        inputs' names with NaN where there is no data, and of the block's window (for what depends on the place). It returns
        float32 (bands, rows, cols), the bands of all outputs one after the other. It is called from several threads at once.
    inputs : mapping of str to sequence of Band
        Bands on other grids are warped; the log names the files. None where a kernel needs only its window.
    outputs : sequence of RasterOutput
    grid : Grid
        The grid of the outputs.
    halo : int, optional
        Cells around each block that the kernel needs; outside the raster they are NaN.
    scratch_bytes_per_cell : float, optional
        Temporaries of the kernel, for the plan.
    memory : int, optional
        Budget in bytes for all blocks in memory at once; by default 256 MB, and more where one tile of many bands needs it, up to a quarter of the
        computer's memory.
    threads : int, optional
        Workers; by default all cores.
    resampling : str, optional
        How bands on other grids are warped; by default as `resampling_for` says.
    finish : callable, optional
        `finish(result) -> ndarray`: what is written of what the kernel returns; called in the order of the blocks and in this thread, so that it may count.
    has_data : callable, optional
        Says after the last block whether anything that was written rests on data, where not all values do (a count of 0).
    scheduler : str, optional
        Address of a Dask cluster, on whose workers the kernel runs, as `cluster.on_cluster`. Without it threads of this process work.
    progress : Progress, optional

    Returns
    -------
    list of int
        The number of valid cells written into each output, over all its bands.

    Raises
    ------
    InputError
        Where all that was written would be without data.
    OutputError
        Where an output cannot be written; none is left behind.
    Cancelled
        Within a block of the user's Cancel; no output is left behind.
    """
    progress.check()
    # One reader for all inputs: a file that holds several of them is opened once and each of its tiles decoded once.
    reader = BandReader([band for bands in inputs.values() for band in bands], grid, resampling)
    for line in reader.warnings():
        progress.info(line)
    ends = np.cumsum([len(bands) for bands in inputs.values()])
    bands_in, bands_out = len(reader.bands), sum(len(output.bands) for output in outputs)
    # Twice the outputs: GDAL keeps what it compresses; one more input band for decoding.
    bytes_per_cell = 4 * (bands_in + 1 + 2 * bands_out) + scratch_bytes_per_cell
    tile = common_tile(reader.tiles(), grid)
    memory = memory or memory_for(tile, bytes_per_cell, bands_in, halo, progress)
    plan = plan_blocks(grid, tile, bytes_per_cell, memory, threads or os.cpu_count() or 1, halo)

    def work(bands: OpenBands, window: Window) -> np.ndarray:
        return kernel(dict(zip(inputs, np.split(bands.read(window, halo), ends[:-1]))), window)

    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE), _products_in_one_thread(), whole_outputs(outputs, grid, plan) as writers:
        blocks = on_cluster(reader, work, plan, progress, scheduler, GDAL_CACHE) if scheduler else in_order(reader, work, plan, progress)
        with closing(blocks) as results:
            for done, (window, found) in enumerate(results, start=1):
                result = finish(found) if finish else found
                start = 0
                for writer in writers:
                    stop = start + len(writer.output.bands)
                    writer.write(result[start:stop], window)
                    start = stop
                progress.set_fraction(done / len(plan.windows))
        valid = [writer.valid_cells for writer in writers]
        if not any(valid) or (has_data is not None and not has_data()):
            raise InputError(_why_empty(inputs))
    return valid


@contextmanager
def _products_in_one_thread() -> Iterator[None]:
    """Keep products of matrices from starting threads of their own: beside one block on each core they would only get into each other's way.

    The library that can tell them so comes with scikit-learn; without it all works, some kernels slower.
    """
    if importlib.util.find_spec("threadpoolctl") is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@contextmanager
def whole_outputs(outputs: Sequence[RasterOutput], grid: Grid, plan: Plan) -> Iterator[list[RasterWriter]]:
    """Open outputs that get their names only when all of them are complete; none is left behind where something fails."""
    paths = [os.path.realpath(output.path) for output in outputs]
    twice = next((output.path for output, path in zip(outputs, paths) if paths.count(path) > 1), None)
    if twice is not None:
        raise OutputError(f"Two outputs are to be written into the same file '{twice}'. Give each a name of its own.")
    writers: list[RasterWriter] = []
    kept = 0
    try:
        for output in outputs:
            writers.append(raster_writer(output, grid, plan.tile))
        yield writers
        for writer in writers:
            writer.finish()
        for writer in writers:
            writer.put_in_place()
            kept += 1
    finally:
        for writer in writers[kept:]:
            writer.discard()


_Task = tuple[Window, "Future[np.ndarray]"]


def in_order(
    reader: BandReader, work: Callable[[OpenBands, Window], np.ndarray], plan: Plan, progress: Progress
) -> Generator[tuple[Window, np.ndarray], None, None]:
    """Yield windows with their results in order, reading ahead no further than the plan's memory allows."""
    tasks: SimpleQueue[_Task | None] = SimpleQueue()
    waiting: deque[_Task] = deque()
    windows = iter(plan.windows)
    workers = [threading.Thread(target=_serve, args=(reader, work, tasks), name=f"smtoolbox-{i}", daemon=True) for i in range(plan.threads)]
    for worker in workers:
        worker.start()
    try:
        while True:
            while len(waiting) < plan.in_flight and (window := next(windows, None)) is not None:
                waiting.append((window, Future()))
                tasks.put(waiting[-1])
            if not waiting:
                return
            progress.check()
            window, future = waiting.popleft()
            yield window, future.result()
            del future
    finally:
        for _, future in waiting:
            future.cancel()
        for _ in workers:
            tasks.put(None)
        for worker in workers:
            worker.join()


def _serve(reader: BandReader, work: Callable[[OpenBands, Window], np.ndarray], tasks: SimpleQueue[_Task | None]) -> None:
    """Work on windows until there are no more, with files of this thread's own.

    GDAL's datasets must not be shared between threads, and rasterio wants them closed by the thread that opened them.
    """
    with ExitStack() as stack:
        bands: OpenBands | None = None
        while (task := tasks.get()) is not None:
            window, future = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                bands = bands or stack.enter_context(reader.open())
                future.set_result(work(bands, window))
            except BaseException as error:
                future.set_exception(error)
            # Kept in a name, a result would stay in memory until the next one.
            del task, future


def memory_for(tile: tuple[int, int], bytes_per_cell: float, bands: int, halo: int, progress: Progress) -> int:
    """Return the default budget, or what one tile of a long record needs, as far as the computer has it: tiles read in parts are decoded again for each."""
    needed = math.ceil((tile[0] + 2 * halo) * (tile[1] + 2 * halo) * bytes_per_cell)
    allowed = max(DEFAULT_MEMORY, physical_memory() // 4)
    if needed > allowed:
        progress.info(
            f"The {bands:,} bands of one tile take {needed / 2**20:,.0f} MB, more than the {allowed / 2**20:,.0f} MB that blocks may take here: each tile is decoded about {math.ceil(needed / allowed)} times. "
            "Files with smaller tiles, or fewer dates at a time, are faster."
        )
    return max(DEFAULT_MEMORY, min(needed, allowed))


def common_tile(tiles: Iterable[tuple[int, int]], grid: Grid) -> tuple[int, int]:
    """Return rows and columns that suit the outputs' tiles and those of every input."""
    rows, columns = TILE, TILE
    for tile_rows, tile_columns in tiles:
        if math.lcm(rows, tile_rows) <= 4 * TILE:
            rows = math.lcm(rows, tile_rows)
        # Strips are decoded whole, whatever part of them is asked for.
        columns = grid.width if tile_columns >= grid.width else math.lcm(columns, tile_columns)
    return rows, min(columns, grid.width)


def _why_empty(inputs: Mapping[str, Sequence[Band]]) -> str:
    names = sorted({f"'{band.source.label}'" for bands in inputs.values() for band in bands})
    return (
        f"Nothing was written: no cell has data in all that is needed from {', '.join(names)}. Check that the layers overlap, that they are not empty, and that their nodata values are right "
        "(Layer properties > Information shows extent, minimum and maximum)."
    )
