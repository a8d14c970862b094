"""Compilation with numba: common options, and where compiled functions are cached."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba

# Division follows NumPy: Python's test for a zero divisor would keep a loop from becoming vector instructions.
KERNEL_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


def njit(**options: Any) -> Callable:
    """Compile a function as `numba.njit` does, and keep the result where that is possible.

    Beside the module, or in the user's cache folder, as numba chooses. Where neither can be written (a read-only plugin
    and home, in containers and services), a folder of the user's own that nobody else can write is used, since what
    lies there is run; where there is none, the function is compiled anew in each session. Files that cannot be read or
    written later are no reason to fail either.

    A function whose name begins with an underscore is for other compiled ones: what Python would need to call it takes
    as long to compile as the function itself, and is left out. Called from Python it ends the process; a test looks for
    such calls.
    """
    options["no_cfunc_wrapper"] = True

    def compile_(function: Callable) -> Any:
        options["no_cpython_wrapper"] = function.__name__.startswith("_")
        if not options.get("cache"):
            return _sent_by_name(numba.njit(**options)(function))
        with contextlib.suppress(RuntimeError, OSError):
            return _sent_by_name(_guarded(numba.njit(**options)(function)))
        folder = private_folder()
        if folder is not None:
            with contextlib.suppress(RuntimeError, OSError), _cached_in(folder):
                return _sent_by_name(_guarded(numba.njit(**options)(function)))
        return _sent_by_name(numba.njit(**{**options, "cache": False})(function))

    return compile_


def private_folder() -> Path | None:
    """Return a private folder for compiled functions in the user's runtime folder; None where there is none.

    The temporary folder will not do: others could put a folder of any name that can be guessed there first.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    if not base or not hasattr(os, "getuid"):
        return None
    folder = Path(base) / "smtoolbox-compiled"
    try:
        if not _is_own(Path(base)):
            return None
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder if _is_own(folder) else None
    except OSError:
        return None


def _is_own(folder: Path) -> bool:
    """Return whether a folder, and no link to one, belongs to the user and is closed to all others."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


@contextlib.contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    # For the toolbox's functions only: other plugins may use numba, too.
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _guarded(dispatcher: Any) -> Any:
    """Compile a function even where its cache cannot be written, as on a full disk or in a read-only folder."""
    cache = getattr(dispatcher, "_cache", None)
    for name in ("load_overload", "save_overload"):
        method = getattr(cache, name, None)
        if method is not None:
            setattr(cache, name, _quiet(method))
    return dispatcher


def _sent_by_name(dispatcher: Any) -> Any:
    """Send a function to other processes by its name, as plain ones go.

    Numba would send its code, and compile it there anew in spite of the cache.
    """
    dispatcher.__reduce_ex__ = lambda protocol: dispatcher.__qualname__
    return dispatcher


def _quiet(action: Callable) -> Callable:
    def call(*arguments: Any) -> Any:
        with contextlib.suppress(OSError, EOFError):
            return action(*arguments)
        return None

    return call


def check_cache() -> str:
    """Say where compiled functions are kept; empty where they cannot be.

    A function is compiled on the spot, so that what is said has been tried.
    """

    def probe(value: float) -> float:
        return value

    compiled = njit(cache=True)(probe)
    compiled(1.0)
    where = getattr(getattr(compiled, "_cache", None), "cache_path", None)
    return (
        ""
        if where is None or not any(compiled.stats.cache_misses.values()) or not _was_kept(Path(where))
        else str(where)
    )


def _was_kept(folder: Path) -> bool:
    try:
        files = [*folder.glob("compiled.check_cache.*.nb[ic]")]
    except OSError:
        return False
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink()
    return bool(files)
