"""Blocks on the workers of a Dask cluster, which see the same files."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.windows import Window

from sm_toolbox.errors import InputError
from sm_toolbox.raster.reading import BandReader

if TYPE_CHECKING:
    from sm_toolbox.raster.planning import Engine, Plan

# Seconds in which a cluster must answer.
_PATIENCE = 8


def on_cluster(
    reader: BandReader, work: Callable[[Any, Window], Any], plan: Plan, engine: Engine, cache: int
) -> Generator[tuple[Window, Any], None, None]:
    """Yield windows with their results in order, as the engine's threads do.

    Parameters
    ----------
    reader : BandReader
        What it opens is handed to `work`.
    work : callable
        `work(opened, window)`; it must hold nothing that cannot be sent to another process.
    plan : Plan
    engine : Engine
        With the address of the cluster's scheduler (`tcp://host:8786`). The workers need `sm_toolbox`, and see the files under the same names.
    cache : int
        Bytes that GDAL may keep in a worker.

    Raises
    ------
    InputError
        Where the cluster cannot be reached or has no workers.
    Cancelled
        At the user's Cancel; what the workers are doing is not waited for.
    """
    scheduler, progress = engine.scheduler, engine.progress
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "SCHEDULER needs the Python library 'distributed', which is not here. Install it as 'Check installation' says for the others, or leave SCHEDULER empty."
        ) from error
    try:
        client = Client(scheduler, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"SCHEDULER '{scheduler}' cannot be reached ({error}). Start a cluster ('dask scheduler' and 'dask worker'), give the address that it prints, such as tcp://host:8786, or leave SCHEDULER empty."
        ) from error
    with client:
        workers = sum(client.nthreads().values())
        if not workers:
            raise InputError(f"The cluster at SCHEDULER '{scheduler}' has no workers. Start some with 'dask worker {scheduler}'.")
        progress.info(f"{workers} threads of the cluster at {scheduler} work.")
        # Sent once: the list of bands of a long record is large, and so may be a model.
        shared = client.scatter((reader, work, cache), broadcast=True)
        windows = iter(plan.windows)
        waiting: deque[tuple[Window, Any]] = deque()
        while True:
            while len(waiting) < 2 * workers and (window := next(windows, None)) is not None:
                waiting.append((window, client.submit(_work_there, shared, window, pure=False)))
            if not waiting:
                return
            window, future = waiting.popleft()
            while not future.done():
                progress.check()
                time.sleep(0.05)
            result = future.result()
            del future
            yield window, result


def _work_there(shared: tuple[BandReader, Callable[[Any, Window], Any], int], window: Window) -> Any:
    """Work on a window in a worker."""
    reader, work, cache = shared
    with rasterio.Env(GDAL_CACHEMAX=cache), reader.open() as opened:
        return work(opened, window)
