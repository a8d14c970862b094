"""Small tables: one thread for each fit, and fits side by side.

A fit of some hundred rows ends before its threads have found each other, and on busy cores they mostly wait for one
another: XGBoost took 29.9 s for 617 rows on all cores and 5.0 s on one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from sm_toolbox.progress import Progress, UntilStopped

# Values of a table, rows times features, up to which it is small.
_SMALL = 100_000
# Seconds between two checks for Cancel.
_PATIENCE = 0.1

T = TypeVar("T")


def is_small(values: int) -> bool:
    """Return whether a table of so many values (rows times features) is fitted faster by one thread, or must be.

    Parameters
    ----------
    values : int

    Returns
    -------
    bool
    """
    return values <= _SMALL or _ALONE.get()


_ALONE: ContextVar[bool] = ContextVar("_ALONE", default=False)


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Fit tables of any size in the calling thread alone, as long as the context lasts: others fit beside it."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def side_by_side(
    tasks: Sequence[Callable[[Progress], T]], progresses: Sequence[Progress], values: int
) -> Generator[T, None, None]:
    """Run independent fits, and yield what they return in their order.

    Parameters
    ----------
    tasks : sequence of callable
        Each takes a progress. It must not write messages, since it may run in another thread.
    progresses : sequence of Progress
        One for each task.
    values : int
        Rows times features; a large table is fitted task after task, each on all cores.

    Yields
    ------
    object
        What a task returns.

    Raises
    ------
    Cancelled
        Soon after the user's Cancel.
    """
    workers = min(len(tasks), os.cpu_count() or 1)
    if workers < 2 or not is_small(values):
        for task, progress in zip(tasks, progresses):
            yield task(progress)
        return
    stop = threading.Event()
    with ThreadPoolExecutor(workers, thread_name_prefix="smtoolbox") as pool:
        futures: list[Future[T]] = [pool.submit(task, UntilStopped(stop)) for task in tasks]
        try:
            for future, progress in zip(futures, progresses):
                while not future.done():
                    progress.check()
                    wait([future], timeout=_PATIENCE)
                progress.check()
                result = future.result()
                progress.set_fraction(1)
                yield result
        finally:
            stop.set()
            for future in futures:
                future.cancel()
