"""Blocks on the workers of a Dask cluster, which see the same files."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import pickle
import re
import socket
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sm_toolbox.errors import Cancelled, InputError, ToolboxError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.naming import file_of
from sm_toolbox.raster.reading import BandReader

if TYPE_CHECKING:
    from sm_toolbox.raster.planning import Plan
    from sm_toolbox.raster.request import Engine

# Seconds in which a cluster must answer a short question, and in which a lost worker must be back.
_PATIENCE = 8.0
# Seconds for workers to import libraries, or to look for files on a slow disk.
_FIRST_STEPS = 120.0
# Seconds for one block: far more than any takes, so that a worker that hangs does not hang the run for ever.
_LONGEST_BLOCK = 3600.0
# Bytes a second that the slowest network brings.
_SLOWEST = 2**18
_TICK = 0.02
_LOOK = 1.0
# Blocks differ in their last bits, or cannot be read at all, where these do.
_LIBRARIES = ("numpy", "numba", "sm_toolbox")
# An address, with or without its protocol.
_ADDRESS = re.compile(r"(?:[a-z]+://)?(?:\[[0-9a-fA-F:.]+\]|[^\s/:\[\]]+):[0-9]{1,5}/?")
# Bytes that are sent as they are, without a look for gaps.
_SMALL = 2**14


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
        With the address of the cluster's scheduler (`tcp://host:8786`). The workers need `sm_toolbox`, and see the
        files under the same names.
    cache : int
        Bytes that GDAL may keep in a worker.

    Yields
    ------
    window : Window
    result : object

    Raises
    ------
    InputError
        Where the cluster cannot be reached or is lost, workers have other libraries or cannot see a file.
    Cancelled
        At the user's Cancel; what the workers are doing is not waited for.
    """
    import_distributed()
    import cloudpickle

    payload = cloudpickle.dumps((reader, work, cache))
    with _quiet(), closing(_Cluster(engine.scheduler, engine.progress)) as cluster:
        threads = cluster.threads()
        if not threads:
            raise InputError(
                f"The cluster at `scheduler` '{engine.scheduler}' has no workers. Start some with 'dask worker "
                f"{engine.scheduler}', or leave `scheduler` empty."
            )
        cluster.compare_versions()
        cluster.check_files({file_of(band.source.path) for band in reader.bands})
        engine.progress.info(f"{threads} threads of the cluster at {engine.scheduler} work.")
        # Sent once: the list of bands of a long record is large, and so may be a model.
        shared = cluster.send(_Shared(payload), len(payload))
        windows = iter(plan.windows)
        waiting: deque[tuple[Window, Any]] = deque()
        while True:
            while len(waiting) < 2 * threads and (window := next(windows, None)) is not None:
                place = tuple(int(size) for size in (window.col_off, window.row_off, window.width, window.height))
                waiting.append((window, cluster.client.submit(_work_there, shared, place, pure=False)))
            if not waiting:
                return
            window, future = waiting.popleft()
            result = cluster.result(future)
            del future
            yield window, _unpacked(result)


def import_distributed() -> Any:
    """Return the library, or say how to get it.

    Raises
    ------
    InputError
    """
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise InputError(
            "`scheduler` needs the Python library 'distributed', which is not here. Install it as 'Check "
            "installation' says for the others, or leave `scheduler` empty."
        ) from error


def _knock(scheduler: str) -> None:
    """Raise `OSError` at once where nothing listens at an address, to which a client would try to connect for long."""
    protocol, _, place = scheduler.rpartition("://")
    if protocol not in ("", "tcp", "tls"):
        return
    host, _, port = place.strip("/").rpartition(":")
    # Where there is no answer in a second the place is far away perhaps, and the client waits longer.
    with suppress(socket.timeout):
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()


class _Cluster:
    """A connection to a cluster, of which every wait has an end and hears Cancel.

    Parameters
    ----------
    scheduler : str
    progress : Progress
    """

    def __init__(self, scheduler: str, progress: Progress):
        self._scheduler, self._progress = scheduler, progress
        if not _ADDRESS.fullmatch(scheduler.strip()):
            raise self._unreachable("that is no address")
        client = import_distributed().Client
        try:
            _knock(scheduler.strip())
            self.client = _answer(
                lambda: client(scheduler.strip(), timeout=_PATIENCE, set_as_default=False),
                2 * _PATIENCE,
                progress,
                undo=_close,
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise self._unreachable(str(error)) from error
        self._seen = time.monotonic()
        self._look = self._seen + _LOOK
        self._compared: set[str] = set()

    def _unreachable(self, reason: str) -> InputError:
        return InputError(
            f"`scheduler` '{self._scheduler}' cannot be reached ({reason}). Start a cluster ('dask scheduler' and "
            "'dask worker'), give the address that it prints, such as tcp://host:8786, or leave `scheduler` empty."
        )

    def _lost(self, reason: str) -> InputError:
        return InputError(
            f"The cluster at `scheduler` '{self._scheduler}' was lost: {reason}. Nothing was kept. Look into the "
            "logs of its scheduler and workers, start them again, or leave `scheduler` empty."
        )

    def close(self) -> None:
        """Leave the cluster; what it is doing for this run ends there."""
        with suppress(Exception):
            _answer(lambda: _close(self.client), _PATIENCE, SILENT)

    def _ask(self, question: Callable[[], Any], seconds: float) -> Any:
        try:
            return _answer(question, seconds, self._progress)
        except TimeoutError as error:
            raise self._lost(f"it has not answered for {seconds:.0f} s") from error
        except (OSError, CancelledError) as error:
            raise self._lost("its scheduler does not answer any more") from error

    def threads(self) -> int:
        """Return the number of threads of all workers."""
        return sum(self._ask(self.client.nthreads, _PATIENCE).values())

    def send(self, thing: Any, size: int) -> Any:
        """Bring a thing of a size in bytes to all workers and return what stands for it."""
        seconds = _FIRST_STEPS + size / _SLOWEST
        return self._ask(lambda: self.client.scatter(thing, broadcast=True, hash=False), seconds)

    def compare_versions(self, workers: Collection[str] | None = None) -> None:
        """Refuse workers whose libraries are not those of this process, before any code is sent.

        Parameters
        ----------
        workers : collection of str, optional
            Addresses; by default all that are there.
        """
        here = ".".join(map(str, sys.version_info[:2]))
        pythons = {
            worker: ".".join(found["packages"]["python"].split(".")[:2])
            for worker, found in self._ask(self.client.get_versions, _FIRST_STEPS)["workers"].items()
            if isinstance(found, dict) and (workers is None or worker in workers)
        }
        other = next(((worker, python) for worker, python in pythons.items() if python != here), None)
        if other is not None:
            raise self._mismatch(
                other[0],
                f"Python {other[1]}, and this computer {here}",
                f"python{here} -m venv worker",
                "worker/bin/python",
            )
        own = _own_versions()

        # Within this function, so that it is sent as it is: a worker may have no sm_toolbox to find it in.
        def versions(names: list[str]) -> dict[str, str]:
            from importlib import import_module

            found = {}
            for name in names:
                try:
                    found[name] = str(import_module(name).__version__)
                except Exception as error:
                    found[name] = (
                        "" if isinstance(error, ModuleNotFoundError) and error.name == name else f"broken: {error}"
                    )
            return found

        answers = self._on_all(versions, list(own), workers=workers)
        self._compared |= set(answers)
        for worker, found in answers.items():
            wrong = [
                f"{name} {found[name]}, and this computer {version}" if found[name] else f"no {name}"
                for name, version in own.items()
                if found[name] != version
            ]
            if wrong:
                raise self._mismatch(worker, "; ".join(wrong))

    def _mismatch(self, worker: str, what: str, before: str = "", python: str = "python") -> InputError:
        import distributed

        libraries = [f"distributed=={distributed.__version__}"] if before else []
        libraries += [f"{name}=={version}" for name, version in _own_versions().items() if name != "sm_toolbox"]
        folder = Path(__file__).parents[2]
        commands = [*filter(None, [before]), f"{python} -m pip install {' '.join(libraries)} '{folder}'"]
        return InputError(
            f"The worker {worker} of the cluster at `scheduler` '{self._scheduler}' has {what}. Only with the same "
            f"does it make the same values. Run there, with the Python of the worker: {' && '.join(commands)} "
            f"('{folder}' is the folder of this toolbox), start the workers again, or leave `scheduler` empty."
        )

    def check_files(self, files: Iterable[str]) -> None:
        """Refuse files that a worker cannot see as they are here, and relative paths."""
        here = {file: os.path.getsize(file) for file in sorted(files) if os.path.exists(file)}
        relative = next((file for file in here if not os.path.isabs(file)), None)
        if relative is not None:
            raise InputError(
                f"'{relative}' is a relative path, which workers of a cluster cannot know. Give the whole path, "
                "or leave `scheduler` empty."
            )
        for worker, missing in self._on_all(_unseen, here).items():
            if missing:
                others = f" and {len(missing) - 1:,} others" if len(missing) > 1 else ""
                raise InputError(
                    f"The worker {worker} of the cluster at `scheduler` '{self._scheduler}' cannot see "
                    f"'{missing[0]}'{others} as this computer does. Put the files where all see them under the "
                    "same name, such as a shared disk, or leave `scheduler` empty."
                )

    def _on_all(self, function: Callable, *arguments: Any, workers: Collection[str] | None = None) -> dict[str, Any]:
        asked = None if workers is None else list(workers)
        try:
            return dict(self._ask(lambda: self.client.run(function, *arguments, workers=asked), _FIRST_STEPS))
        except (ToolboxError, Cancelled):
            raise
        except Exception as error:
            raise self._lost(f"a worker failed at the first question ({type(error).__name__}: {error})") from error

    def result(self, future: Any) -> Any:
        """Wait for the result of a task and bring it here."""
        start = time.monotonic()
        answer = _in_thread(future.result)
        while True:
            self._progress.check()
            now = time.monotonic()
            # Quick blocks are looked at, too: a worker may join at any time.
            if now > self._look:
                self._check_alive()
                self._look = time.monotonic() + _LOOK
            if answer.done():
                break
            if now - start > _LONGEST_BLOCK:
                raise self._lost(f"one block has taken more than {_LONGEST_BLOCK / 60:.0f} minutes")
            time.sleep(_TICK)
        try:
            return answer.result()
        except (ToolboxError, Cancelled):
            raise
        except ImportError as error:
            raise InputError(
                f"A worker of the cluster at `scheduler` '{self._scheduler}' lacks a library: {error}. Install "
                "there what 'Check installation' lists here, or leave `scheduler` empty."
            ) from error
        except BaseException as error:
            if type(error).__name__ == "KilledWorker":
                raise self._lost(
                    "several workers ended at the same block, most likely for want of memory; give them more, or "
                    "fewer threads each"
                ) from error
            if isinstance(error, (CancelledError, OSError)) or "Cancelled" in type(error).__name__:
                raise self._lost("its workers or its scheduler have ended") from error
            raise

    def _check_alive(self) -> None:
        if self.client.status != "running":
            raise self._lost("its scheduler does not answer any more")
        workers = self._ask(self.client.nthreads, _PATIENCE)
        newcomers = set(workers) - self._compared
        if newcomers:
            self.compare_versions(newcomers)
        if workers:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _PATIENCE:
            raise self._lost("it has no workers any more")


def _own_versions() -> dict[str, str]:
    # Whoever reads through osgeo has a GDAL that pip does not bring; workers then read through what they have.
    of_rasters = ("rasterio",) if driver().name == "rasterio" else ()
    return {name: importlib.import_module(name).__version__ for name in (*_LIBRARIES, *of_rasters)}


def _in_thread(call: Callable[[], Any], undo: Callable[[Any], None] | None = None) -> Future[Any]:
    """Call a function in a thread of its own; what it returns after its future was cancelled is undone."""
    future: Future[Any] = Future()

    def serve() -> None:
        try:
            result, error = call(), None
        except BaseException as raised:
            result, error = None, raised
        if not future.set_running_or_notify_cancel():
            if undo is not None and error is None:
                undo(result)
        elif error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    threading.Thread(target=serve, name="smtoolbox-cluster", daemon=True).start()
    return future


def _answer(
    call: Callable[[], Any], seconds: float, progress: Progress, undo: Callable[[Any], None] | None = None
) -> Any:
    """Return what a function that waits returns, in a time; hear Cancel meanwhile.

    Raises
    ------
    TimeoutError
    Cancelled
    """
    future = _in_thread(call, undo)
    end = time.monotonic() + seconds
    try:
        while not future.done():
            progress.check()
            if time.monotonic() > end:
                raise TimeoutError(f"no answer within {seconds:.0f} s")
            time.sleep(_TICK)
    except BaseException:
        future.cancel()
        raise
    return future.result()


def _close(client: Any) -> None:
    with suppress(Exception):
        client.close(timeout=_PATIENCE / 2)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from telling in the console what is told in a sentence here."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado.application")]
    before = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"distributed(\..*)?")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL + 1)
            yield
    finally:
        for logger, level in zip(loggers, before):
            logger.setLevel(level)


# In a worker --------------------------------------------------------------------------------------------------------

_LOADING = threading.Lock()


class _Shared:
    """Bytes that a worker decodes when it first needs them, so that a failure is an error that comes back."""

    def __init__(self, payload: bytes):
        self._payload: bytes | None = payload
        self._loaded: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker may hand it on to another.
        return _Shared, (self._payload,)

    def load(self) -> tuple[BandReader, Callable[[Any, Window], Any], int]:
        """Return reader, work and the bytes of GDAL's cache."""
        with _LOADING:
            if self._loaded is None:
                assert self._payload is not None
                self._loaded = pickle.loads(self._payload)
                _one_thread_each()
        return self._loaded  # type: ignore[no-any-return]


def _one_thread_each() -> None:
    """Keep matrix products single-threaded, as the engine does: another order of sums changes the last bits."""
    if importlib.util.find_spec("threadpoolctl") is not None:
        importlib.import_module("threadpoolctl").threadpool_limits(1)


def _work_there(shared: _Shared, place: tuple[int, int, int, int]) -> Any:
    """Work on a window, given by column, row, width and height, in a worker."""
    reader, work, cache = shared.load()
    with driver().environment(cache), reader.open() as opened:
        return _packed(work(opened, Window(*place)))


def _unseen(files: dict[str, int]) -> list[str]:
    """Return the files that are not here, or of another size."""
    found = []
    for file, size in files.items():
        try:
            if os.path.getsize(file) != size and os.path.isfile(file):
                found.append(file)
        except OSError:
            found.append(file)
    return found


class _Sparse:
    """A float32 array of which only what is no gap is sent; bit for bit what it was."""

    def __init__(self, values: np.ndarray, gap: np.ndarray):
        self._shape, self._gap, self._values = values.shape, np.packbits(gap), values[~gap]

    def dense(self) -> np.ndarray:
        """Return the array."""
        out = np.full(self._shape, np.nan, np.float32)
        gap = np.unpackbits(self._gap, count=out.size).astype(bool).reshape(self._shape)
        out[~gap] = self._values
        return out


def _packed(value: Any) -> Any:
    """Return a result without the gaps of its arrays, in tuples and lists too."""
    if type(value) in (tuple, list):
        return type(value)(map(_packed, value))
    if isinstance(value, np.ndarray) and value.dtype == np.float32 and value.nbytes > _SMALL:
        # NaN of this one bit pattern; others have signs of their own.
        gap = np.ascontiguousarray(value).view(np.uint32) == np.float32(np.nan).view(np.uint32)
        if np.count_nonzero(gap) * 16 > gap.size:
            return _Sparse(value, gap)
    return value


def _unpacked(value: Any) -> Any:
    if type(value) in (tuple, list):
        return type(value)(map(_unpacked, value))
    return value.dense() if isinstance(value, _Sparse) else value
