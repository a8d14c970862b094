"""The block engine: a pure function over rasters larger than memory, on threads, into whole outputs."""

from __future__ import annotations

import math
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.onethread import products_in_one_thread
from sm_toolbox.progress import Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band, unit_of_band
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.cluster import on_cluster
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.meaning import Watch
from sm_toolbox.raster.naming import split_name
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.planning import GDAL_CACHE, Plan, common_tile, memory_for, plan_blocks
from sm_toolbox.raster.reading import BandReader, OpenBands
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.writing import settle, whole_outputs

Blocks = dict[str, np.ndarray]
Facts = dict[str, Any]
Kernel = Callable[[Blocks, Window], "np.ndarray | tuple[np.ndarray, Facts]"]


@dataclass(frozen=True)
class Written:
    """What has been written.

    Parameters
    ----------
    valid_cells : list of int
        The number of valid cells written into each output, over all its bands.
    facts : dict
        The sums of what the kernel told of its blocks, in the order of the windows.
    watch : Watch, optional
        What was seen of the inputs.
    left_out : list of str, optional
        Bands without a value that the outputs are to be without.
    """

    valid_cells: list[int]
    facts: Facts
    watch: Watch = field(default_factory=Watch, repr=False, compare=False)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Extent:
    """The lowest and the highest of some values; a fact, of which the sum is the extent of both.

    Parameters
    ----------
    low, high : float, optional
        By default those of no values.
    """

    low: float = math.inf
    high: float = -math.inf

    @classmethod
    def of(cls, values: np.ndarray) -> Extent:
        """Return the extent of an array's values, of which NaN are none.

        Parameters
        ----------
        values : ndarray

        Returns
        -------
        Extent
        """
        return cls() if np.isnan(values).all() else cls(float(np.nanmin(values)), float(np.nanmax(values)))

    def __add__(self, other: Extent) -> Extent:
        return Extent(min(self.low, other.low), max(self.high, other.high))


@runtime_checkable
class Concluding(Protocol):
    """A fact that is asked for its conclusion before the outputs get their names."""

    def conclude(self, progress: Progress) -> None:
        """Say what is to be known, or raise.

        Parameters
        ----------
        progress : Progress

        Raises
        ------
        InputError
            Where the outputs would mean nothing.
        """


def run_blocks(
    kernel: Kernel,
    inputs: Mapping[str, Sequence[Band]],
    outputs: Sequence[RasterOutput],
    grid: Grid,
    engine: Engine = ALL_CORES,
    *,
    halo: int = 0,
    scratch_bytes_per_cell: float = 0,
    resampling: str | Sequence[str | None] | None = None,
) -> Written:
    """Run a kernel over blocks of rasters and write what it returns.

    Parameters
    ----------
    kernel : callable
        `kernel(blocks, window) -> (block, facts)`, or `-> block` where there is nothing to tell: a pure function of the
        inputs' blocks, float32 (bands, rows + 2 halo, cols + 2 halo) under the inputs' names with NaN where there is no
        data, and of the block's window (for what depends on the place). The block is float32 (bands, rows, cols), the
        bands of all outputs one after the other. The facts are a dict of numbers, arrays or whatever else can be added;
        they are summed up here, in the order of the windows. `with_data`, where the kernel tells it, counts what rests
        on data, where not all values that are written do (a count of 0). It is called from several threads at once, or
        from other computers: it must change nothing, and hold nothing that cannot be sent.
    inputs : mapping of str to sequence of Band
        Bands on other grids are warped; the log names the files. None where a kernel needs only its window.
    outputs : sequence of RasterOutput
    grid : Grid
        The grid of the outputs.
    engine : Engine, optional
        Memory, threads or cluster, and progress.
    halo : int, optional
        Cells around each block that the kernel needs; outside the raster they are NaN.
    scratch_bytes_per_cell : float, optional
        Temporaries of the kernel, for the plan.
    resampling : str or sequence of (str or None), optional
        How bands on other grids are warped, each of the bands of all inputs where there are several; by default as
        `resampling_for` says.

    Returns
    -------
    Written

    Raises
    ------
    InputError
        Where all that was written would be without data.
    OutputError
        Where an output cannot be written; none is left behind.
    Cancelled
        Within a block of the user's Cancel; no output is left behind.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> from sm_toolbox.raster.bands import read_bands
    >>> bands = read_bands([write_example("sm.tif", {"soil_moisture": [[0.2, np.nan]]})])
    >>> def kernel(blocks, window):
    ...     return 100 * blocks["sm"], {"highest": Extent.of(blocks["sm"])}
    >>> written = run_blocks(kernel, {"sm": bands}, [RasterOutput("percent.tif", ["percent"])], bands[0].grid)
    >>> print(written.valid_cells, round(written.facts["highest"].high, 2))
    [1] 0.2
    >>> print(read_example("percent.tif")["percent"])
    [[20. nan]]
    """
    progress = engine.progress
    progress.check()
    outputs = [_with_units(output, [band for bands in inputs.values() for band in bands]) for output in outputs]
    # One reader for all inputs: a file that holds several of them is opened once and each of its tiles decoded once.
    reader = BandReader([band for bands in inputs.values() for band in bands], grid, resampling)
    for line in reader.warnings():
        progress.info(line)
    bands_in, bands_out = len(reader.bands), sum(len(output.bands) for output in outputs)
    # Twice the outputs: GDAL keeps what it compresses; one more input band for decoding.
    bytes_per_cell = 4 * (bands_in + 1 + 2 * bands_out) + scratch_bytes_per_cell
    tile = common_tile(reader.tiles(), grid)
    memory = engine.memory or memory_for(tile, bytes_per_cell, bands_in, halo, progress)
    plan = plan_blocks(grid, tile, bytes_per_cell, memory, engine.threads or os.cpu_count() or 1, halo)
    work = _Work(kernel, tuple(inputs), tuple(np.cumsum([len(bands) for bands in inputs.values()])[:-1].tolist()), halo)
    facts: Facts = {}
    # Of outputs that are written again, writing them again is the other half.
    again = any(output.earlier or output.leaves_out_empty for output in outputs)
    working = progress.part(0, 0.5) if again else progress
    with (
        driver().environment(GDAL_CACHE),
        products_in_one_thread(),
        whole_outputs(outputs, grid, plan) as writers,
    ):
        if engine.scheduler:
            _look_here(reader, plan)
        blocks = (
            on_cluster(reader, work, plan, engine, GDAL_CACHE)
            if engine.scheduler
            else in_order(reader, work, plan, replace(engine, progress=working))
        )
        with closing(blocks) as results:
            for done, (window, (result, told)) in enumerate(results, start=1):
                start = 0
                for writer in writers:
                    stop = start + len(writer.output.bands)
                    writer.write(result[start:stop], window)
                    start = stop
                reader.watch.refuse_early()
                for name, value in told.items():
                    facts[name] = facts[name] + value if name in facts else value
                working.set_fraction(max(done, engine.beat.done if engine.beat else 0) / len(plan.windows))
        reader.watch.tell(progress)
        for fact in facts.values():
            if isinstance(fact, Concluding):
                fact.conclude(progress)
        valid = [writer.valid_cells for writer in writers]
        if not any(valid) or not facts.get("with_data", True):
            raise EmptyError(_why_empty(inputs))
        left_out: list[str] = []
        for place, writer in enumerate(writers):
            left_out += settle(writer, grid, progress.part(0.5 + 0.5 * place / len(writers), 1))
    return Written(valid, facts, reader.watch, left_out)


_SAME_UNIT = re.compile(r"(?P<variable>.+?)_(min|max|mean|median|sd|q\d+)")


def _with_units(output: RasterOutput, bands: Sequence[Band]) -> RasterOutput:
    """Keep the units of inputs in outputs of the same variables, and in their means, spreads and quantiles.

    An output that says nothing as its unit has none, whatever that of the input.
    """
    first: dict[str, Band] = {}
    for band in bands:
        first.setdefault(band.variable, band)
    tags = dict(output.tags)
    for variable in {split_name(name)[0] for name in output.bands}:
        statistic = _SAME_UNIT.fullmatch(variable)
        source = first.get(variable) or (first.get(statistic["variable"]) if statistic else None)
        unit = None if source is None or f"UNIT_{variable}" in tags else unit_of_band(source)
        if unit:
            tags[f"UNIT_{variable}"] = unit
    return replace(output, tags={key: text for key, text in tags.items() if text})


class EmptyError(InputError):
    """All that was written would be without data."""


def _look_here(reader: BandReader, plan: Plan) -> None:
    """Look at some blocks in this process, where all others are read by the workers of a cluster."""
    if reader.bands:
        with reader.open() as opened:
            for window in (plan.windows[0], plan.windows[len(plan.windows) // 2]):
                opened.read(window)
                reader.watch.refuse_early()


@dataclass(frozen=True)
class _Work:
    """Reads the blocks of a window and runs the kernel on them; can be sent to another process if the kernel can."""

    kernel: Kernel
    names: tuple[str, ...]
    ends: tuple[int, ...]
    halo: int

    def __call__(self, bands: OpenBands, window: Window) -> tuple[np.ndarray, Facts]:
        result = self.kernel(dict(zip(self.names, np.split(bands.read(window, self.halo), self.ends))), window)
        return result if isinstance(result, tuple) else (result, {})


_Task = tuple[Window, "Future[Any]"]
_SECONDS_UNHEARD = 0.5


def in_order(
    reader: BandReader, work: Callable[[OpenBands, Window], Any], plan: Plan, engine: Engine
) -> Generator[tuple[Window, Any], None, None]:
    """Yield windows with their results in order, reading ahead no further than the plan's memory allows.

    Parameters
    ----------
    reader : BandReader
    work : callable
        `work(opened, window)`, in several threads.
    plan : Plan
    engine : Engine
        Its progress is asked for Cancel while a window is waited for, and told of what its beat counts.

    Yields
    ------
    window : Window
    result : object
    """
    tasks: SimpleQueue[_Task | None] = SimpleQueue()
    waiting: deque[_Task] = deque()
    windows = iter(plan.windows)
    workers = [
        threading.Thread(target=_serve, args=(reader, work, tasks), name=f"smtoolbox-{i}", daemon=True)
        for i in range(plan.threads)
    ]
    for worker in workers:
        worker.start()
    try:
        while True:
            while len(waiting) < plan.in_flight and (window := next(windows, None)) is not None:
                waiting.append((window, Future()))
                tasks.put(waiting[-1])
            if not waiting:
                return
            engine.progress.check()
            while wait([waiting[0][1]], timeout=_SECONDS_UNHEARD).not_done:
                engine.progress.check()
                if engine.beat:
                    engine.progress.set_fraction(engine.beat.done / len(plan.windows))
            window, future = waiting.popleft()
            yield window, future.result()
            del future
    finally:
        if engine.beat:
            engine.beat.stop()
        for _, future in waiting:
            future.cancel()
        for _ in workers:
            tasks.put(None)
        for worker in workers:
            worker.join()


def _serve(reader: BandReader, work: Callable[[OpenBands, Window], Any], tasks: SimpleQueue[_Task | None]) -> None:
    """Work on windows until there are no more, with files of this thread's own.

    GDAL's datasets must not be shared between threads, and drivers want them closed by the thread that opened them.
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
        f"Nothing was written: no cell has data in all that is needed from {', '.join(names)}. Check that the "
        "layers overlap, that they are not empty, and that their nodata values are right (Layer properties > "
        "Information shows extent, minimum and maximum)."
    )
