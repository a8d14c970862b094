"""Tells the user when a function is compiled at its first use, which takes some seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sm_toolbox.progress import Progress

MESSAGE = "First use: compiling (some seconds, at most about 10, once)."
EVERY_TIME = (
    "Compiling (some seconds): nothing can be kept for the next time; 'Check installation' says how to mend that."
)


class Compilations:
    """Counts the toolbox's own functions that numba compiles; those that it finds in its cache do not count.

    Parameters
    ----------
    progress : Progress
        Told once, at the first of them.
    """

    def __init__(self, progress: Progress):
        self.count = 0
        self._progress = progress
        # Kernels run in threads.
        self._lock = threading.Lock()

    def add(self, function: Any, is_kept: bool = True) -> None:
        """Count a function that begins to be compiled, and may be kept for the next time.

        Parameters
        ----------
        function : callable
            Functions of other libraries do not count.
        is_kept : bool, optional
            Whether the compiled function goes into a cache.
        """
        if not str(getattr(function, "__module__", "")).startswith("sm_toolbox."):
            return
        with self._lock:
            self.count += 1
            first = self.count == 1
        if first:
            self._progress.info(MESSAGE if is_kept else EVERY_TIME)


@contextmanager
def announced(progress: Progress) -> Iterator[Compilations]:
    """Report compilations in any thread to `progress`, as long as the context lasts.

    Parameters
    ----------
    progress : Progress
        Gets one message, at the first function.

    Yields
    ------
    Compilations
        Counts them.
    """
    from numba.core import event

    compilations = Compilations(progress)

    class Listener(event.Listener):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            dispatcher = event.data.get("dispatcher")
            # Numba's class for a function without a cache.
            is_kept = type(getattr(dispatcher, "_cache", None)).__name__ != "NullCache"
            compilations.add(getattr(dispatcher, "py_func", None), is_kept)

        def on_end(self, event: Any) -> None:
            pass

    listener = Listener()
    event.register("numba:compile", listener)
    try:
        yield compilations
    finally:
        event.unregister("numba:compile", listener)
