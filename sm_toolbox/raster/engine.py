"""The block engine: run a pure function over rasters larger than memory, on threads, into outputs that appear whole or not at all."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from queue import SimpleQueue

import numpy as np
import rasterio
from rasterio.windows import Window

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.cluster import on_cluster
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.planning import GDAL_CACHE, Plan, common_tile, memory_for, plan_blocks
from sm_toolbox.raster.reading import BandReader, OpenBands
from sm_toolbox.raster.writing import whole_outputs

Blocks = dict[str, np.ndarray]
Kernel = Callable[[Blocks, Window], np.ndarray]


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


def _why_empty(inputs: Mapping[str, Sequence[Band]]) -> str:
    names = sorted({f"'{band.source.label}'" for bands in inputs.values() for band in bands})
    return (
        f"Nothing was written: no cell has data in all that is needed from {', '.join(names)}. Check that the layers overlap, that they are not empty, and that their nodata values are right "
        "(Layer properties > Information shows extent, minimum and maximum)."
    )
