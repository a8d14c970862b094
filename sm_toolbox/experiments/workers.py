"""Trials side by side: on threads of this process, each in one thread, or on the workers of a Dask cluster."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sm_toolbox.experiments.trials import Bench, Outcome, Trial
from sm_toolbox.onethread import products_in_one_thread
from sm_toolbox.progress import SILENT, UntilStopped
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.cluster import on_cluster
from sm_toolbox.raster.request import Engine

# Seconds between two looks for Cancel and at the clock.
_PATIENCE = 0.1
# Bytes of GDAL's cache, which trials do not need.
_CACHE = 2**20

Made = tuple[Trial, Outcome]


def workers_of(engine: Engine, trials: int) -> int:
    """Return how many threads work.

    Parameters
    ----------
    engine : Engine
    trials : int
        What there is to do.

    Returns
    -------
    int
    """
    return max(1, min(trials, engine.threads or os.cpu_count() or 1))


def make_trials(
    bench: Bench, trials: Sequence[Trial], engine: Engine, deadline: float | None
) -> Generator[Made, None, None]:
    """Make trials, and yield each as it ends.

    Parameters
    ----------
    bench : Bench
    trials : sequence of Trial
    engine : Engine
    deadline : float or None
        Of `time.monotonic`; what is not finished by then is given up.

    Yields
    ------
    trial : Trial
    outcome : Outcome

    Raises
    ------
    Cancelled
        Soon after the user's Cancel.
    InputError
        As `on_cluster`.
    """
    if not trials:
        return
    made = _there(bench, trials, engine) if engine.scheduler else _here(bench, trials, engine, deadline)
    with closing(made), products_in_one_thread():
        for done in made:
            yield done
            if deadline is not None and time.monotonic() > deadline:
                return


def _here(bench: Bench, trials: Sequence[Trial], engine: Engine, deadline: float | None) -> Generator[Made, None, None]:
    stop = threading.Event()
    waiting = deque(trials)
    running: dict[Future[Outcome], Trial] = {}
    workers = workers_of(engine, len(trials))
    with ThreadPoolExecutor(workers, thread_name_prefix="smtoolbox") as pool:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    trial = waiting.popleft()
                    running[pool.submit(bench.make, trial, UntilStopped(stop))] = trial
                ended, _ = wait(running, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
                for future in ended:
                    # What has ended is kept before a Cancel is heard.
                    yield running.pop(future), future.result()
                engine.progress.check()
                if deadline is not None and time.monotonic() > deadline:
                    return
        finally:
            stop.set()


@dataclass(frozen=True)
class _Bench:
    """Stands for the files that the blocks of a raster are read from: there are none."""

    bench: Bench
    bands: tuple[()] = ()

    @contextmanager
    def open(self) -> Iterator[Bench]:
        yield self.bench


@dataclass(frozen=True)
class _Numbered:
    """Stands for the windows of a raster: each is the number of a trial."""

    windows: list[Window]


@dataclass(frozen=True)
class _MakeOne:
    """Makes the trial that a window stands for."""

    trials: tuple[Trial, ...]

    def __call__(self, bench: Bench, window: Window) -> Outcome:
        return bench.make(self.trials[int(window.col_off)], SILENT)


def _there(bench: Bench, trials: Sequence[Trial], engine: Engine) -> Generator[Made, None, None]:
    windows = [Window(number, 0, 1, 1) for number in range(len(trials))]
    # The cluster asks no more of a reader and a plan than these have.
    reader: Any = _Bench(bench)
    plan: Any = _Numbered(windows)
    results = on_cluster(reader, _MakeOne(tuple(trials)), plan, engine, _CACHE)
    with closing(results):
        for window, outcome in results:
            yield trials[int(window.col_off)], outcome
