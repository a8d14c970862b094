"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Protocol

from sm_toolbox.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_WORK, _LOCK, _BEFORE = "smtoolbox-", ".smtoolbox-lock", ".smtoolbox-before-"
_PARTIAL = re.compile(r"\..*-[0-9a-f]{8}\.partial(\.\w+)?")
_DAY = 86400
# Windows replaces no file that a program has open.
_CLOSE_IT = (
    "Close the programs that have it open; where QGIS shows it, remove the layer from the project, run again, and add "
    "it anew. Or choose another name."
)
_NOTES = (".aux.xml", ".ovr", ".msk", "-wal", "-shm", "-journal")
# Side files of a Shapefile, such as an index of its shapes.
_BESIDE_SHAPEFILES = (".prj", ".qpj", ".cpg", ".qix", ".sbn", ".sbx", ".idm", ".ind")


def check_output(path: str) -> None:
    """Find out, before any work is done, whether a file can be written, and one that is there replaced.

    Parameters
    ----------
    path : str

    Raises
    ------
    OutputError
        Where the folder is missing or not writable, or an existing file cannot be replaced.
    """
    check_writable(path)
    if os.path.exists(path) and _is_open(os.path.realpath(path)):
        raise OutputError(
            f"The existing output '{path}' cannot be replaced while a program has it open. {_CLOSE_IT} "
            "Nothing was changed."
        )


def check_writable(path: str) -> None:
    """Find out, before any work is done, whether a file can be made, or one that is there written into.

    Parameters
    ----------
    path : str

    Raises
    ------
    OutputError
        Where the folder is missing or not writable, or an existing file is write-protected.
    """
    target = Path(path)
    try:
        # A name that is too long, or leads through a file.
        os.lstat(target)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise OutputError(
            f"The output '{_shortened(path)}' cannot be written: {(error.strerror or str(error)).lower()}. Give "
            "it another name."
        ) from error
    if target.is_dir():
        raise OutputError(f"The output '{path}' is a folder. Name a file in it.")
    if target.exists() and not target.is_file():
        raise OutputError(
            f"The output '{path}' is no file but a device, a pipe or a socket, which would be replaced. Name a file."
        )
    if not target.parent.is_dir():
        raise OutputError(
            f"The output '{path}' cannot be written: the folder '{target.parent}' does not exist. Create it first."
        )
    if not os.access(target.parent, os.W_OK):
        raise OutputError(
            f"The output '{path}' cannot be written: you may not write into '{target.parent}'. Choose another folder."
        )
    if target.exists():
        try:
            with open(target, "r+b"):
                pass
        except OSError as error:
            raise OutputError(
                f"The existing output '{path}' cannot be replaced ({error.strerror or error}). Clear its write "
                f"protection. {_CLOSE_IT}"
            ) from error


def _is_open(path: str) -> bool:
    """Return whether a program has a file open on Windows, where it can then be neither replaced nor renamed."""
    if fcntl is not None:
        return False
    try:
        os.rename(path, path)
    except OSError:
        return True
    return False


def _shortened(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:100]}…{path[-60:]}"


def temporary_name(path: str) -> str:
    """Return a name beside a file under which it is written until it is complete.

    Parameters
    ----------
    path : str
        The final name.

    Returns
    -------
    str
    """
    target = Path(path)
    return str(target.with_name(f".{target.stem[:60]}-{uuid.uuid4().hex[:8]}.partial{target.suffix}"))


def put_in_place(temporary: str, path: str) -> None:
    """Give a complete file its name, replacing an existing one.

    Parameters
    ----------
    temporary : str
        The complete file, in the same folder.
    path : str
        The final name.

    Raises
    ------
    OutputError
        Where the existing file is locked; the new one is removed.
    """
    try:
        os.replace(temporary, path)
    except OSError as error:
        remove_quietly(temporary)
        raise _not_replaced(path, error) from error
    # Side files of GDAL, QGIS or SQLite for the replaced file would be taken for those of the new one.
    for suffix in _NOTES:
        remove_quietly(path + suffix)


def remove_quietly(path: str) -> None:
    """Remove a file where it exists; clearing up must not hide the error that led to it.

    Parameters
    ----------
    path : str
    """
    with contextlib.suppress(OSError):
        os.remove(path)


@contextmanager
def working_folder(parent: str | None = None, hidden: bool = False) -> Iterator[str]:
    """Make a folder that is removed with the run, or after a killed run by the next one in the same place.

    Parameters
    ----------
    parent : str, optional
        Where to make it; not given: the computer's folder for temporary files.
    hidden : bool
        Whether file managers are not to show it. What is made in it then is for all who may read the parent; else it is
        closed to others.

    Yields
    ------
    str

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    parent = parent or tempfile.gettempdir()
    tidy(parent)
    if hidden:
        # Not by mkdtemp, which closes it to others: on Windows files keep the rights of the folder that they were made
        # in, also when they have left it.
        folder = os.path.join(parent, f".{_WORK}{uuid.uuid4().hex[:8]}")
        os.mkdir(folder)
    else:
        folder = tempfile.mkdtemp(prefix=_WORK, dir=parent)
    try:
        with _held(folder):
            yield folder
    finally:
        _remove_folder(folder)


def _remove_folder(folder: str) -> None:
    """Remove a working folder, its lock last.

    What another program has open on Windows stays, and goes with a later run that finds the lock.
    """
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != _LOCK:
                remove_quietly(entry.path)
        if os.listdir(folder) in ([], [_LOCK]):
            shutil.rmtree(folder, ignore_errors=True)


def tidy(parent: str) -> None:
    """Remove what dead runs left in a folder.

    Their working folders go at once, loose partial files after a day without a write.

    Parameters
    ----------
    parent : str
        The folder.
    """
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(parent)):
            with contextlib.suppress(OSError):
                if entry.name.lstrip(".").startswith(_WORK) and entry.is_dir(follow_symlinks=False):
                    if _is_left_over(entry.path):
                        _put_back(entry.path, parent)
                        _remove_folder(entry.path)
                elif _PARTIAL.fullmatch(entry.name) and time.time() - entry.stat(follow_symlinks=False).st_mtime > _DAY:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.remove(entry.path)


@contextmanager
def _held(folder: str) -> Iterator[None]:
    """Lock a folder for as long as this process lives; the system releases the lock, however the process ends."""
    with open(os.path.join(folder, _LOCK), "w", encoding="ascii") as lock:
        if fcntl is not None:
            # It waits, for runs that tidy may hold the lock for a moment. Some network folders know no locks; then the
            # folder's age decides.
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
        # An empty lock is not held yet. On a full disk it stays empty, and the folder's age decides, too.
        with contextlib.suppress(OSError):
            os.write(lock.fileno(), b"held")
        yield


@contextmanager
def one_at_a_time(folders: Iterable[str]) -> Iterator[None]:
    """Keep other runs of the toolbox out of a block of code for the same folders, where the system has file locks.

    Parameters
    ----------
    folders : iterable of str
    """
    with contextlib.ExitStack() as opened:
        if fcntl is not None:
            # In a fixed order, so that two runs cannot deadlock.
            for folder in sorted(set(folders)):
                # Some network file systems do not support locks.
                with contextlib.suppress(OSError):
                    number = os.open(folder, os.O_RDONLY)
                    opened.callback(os.close, number)
                    fcntl.flock(number, fcntl.LOCK_EX)
        yield


def _is_left_over(folder: str) -> bool:
    """Return whether a folder is a working folder whose run has ended; a user's own folder has no lock in it."""
    path = os.path.join(folder, _LOCK)
    if not os.path.isfile(path):
        return False
    status = os.stat(path)
    is_old = time.time() - status.st_mtime > _DAY
    if not status.st_size:
        return is_old
    if fcntl is None:
        return not _is_open(path)
    with open(path, "r+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return is_old
    return True


def _put_back(folder: str, parent: str) -> None:
    """Put back files that a dead run had moved out of the way of its own, and never replaced."""
    for name in os.listdir(folder):
        final = os.path.join(parent, name.removeprefix(_BEFORE))
        if name.startswith(_BEFORE) and not os.path.lexists(final):
            os.replace(os.path.join(folder, name), final)


class StagedOutputs:
    """The files of one run, which get their names together when all are complete, or not at all.

    Each is written into a hidden folder beside its place, so that giving it its name copies nothing; whatever lies
    beside it there (the parts of a Shapefile, notes on a raster) goes with it. Files that were there before stay as
    they are until all new ones have been written, and are put back where one of them cannot be replaced. A context
    manager: what has not been kept by then is removed.
    """

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}
        self._names: list[tuple[str, str]] = []
        self._holding = contextlib.ExitStack()
        self._last: list[PendingChange] = []

    def path(self, final: str) -> str:
        """Return where to write a file that is to have a name in the end.

        Parameters
        ----------
        final : str
            The path that the file is to have.

        Returns
        -------
        str

        Raises
        ------
        OutputError
            Where nothing can be written beside it.
        """
        parent, name = os.path.split(os.path.realpath(final))
        if parent not in self._folders:
            self._folders[parent] = self._make_folder(parent, final)
        return os.path.join(self._folders[parent], name)

    def aside(self, final: str) -> str:
        """Return where to write a file that is only on its way into another one, beside that one.

        Parameters
        ----------
        final : str
            The path of the file into which it goes.

        Returns
        -------
        str
        """
        parent, name = os.path.split(os.path.realpath(final))
        return os.path.join(self._make_folder(parent, final), name)

    def _make_folder(self, parent: str, final: str) -> str:
        try:
            folder = self._holding.enter_context(working_folder(parent, hidden=True))
        except OSError as error:
            raise OutputError(
                f"The output '{final}' cannot be written: nothing can be created in '{parent}' "
                f"({error.strerror or error}). Nothing was kept. Choose another folder, or free some space."
            ) from error
        self._names.append((folder, parent))
        return folder

    def add(self, change: PendingChange) -> None:
        """Take a change to be made together with the files, such as a table within a database.

        Parameters
        ----------
        change : PendingChange
        """
        self._last.append(change)

    def in_words(self, text: str) -> str:
        """Return a message with the names that the files are to have in place of those under which they are written.

        Parameters
        ----------
        text : str

        Returns
        -------
        str
        """
        for folder, parent in self._names:
            for temporary, final in ((folder, parent), (repr(folder)[1:-1], repr(parent)[1:-1])):
                text = text.replace(temporary, final)
        return text

    def keep(self) -> None:
        """Give all files their names.

        Raises
        ------
        OutputError
            Where one cannot be replaced; all is then as before the run.
        """
        undo: list[Callable[[], None]] = []
        replaced = []
        try:
            for change in self._last:
                undo.append(change.undo)
                change.make()
            for parent, folder in self._folders.items():
                for name in sorted(set(os.listdir(folder)) - {_LOCK}):
                    final = os.path.join(parent, name)
                    undo.append(_replace(os.path.join(folder, name), final, os.path.join(folder, f"{_BEFORE}{name}")))
                    replaced.append(final)
            for change in self._last:
                change.confirm()
        except BaseException:
            for step in reversed(undo):
                with contextlib.suppress(OSError, OutputError):
                    step()
            raise
        notes = {final + suffix for final in replaced for suffix in _NOTES}
        for final in replaced:
            stem, suffix = os.path.splitext(final)
            if suffix.lower() == ".shp":
                notes |= {stem + beside for beside in _BESIDE_SHAPEFILES}
        for note in notes.difference(replaced):
            remove_quietly(note)
        self._last = []

    def __enter__(self) -> StagedOutputs:
        return self

    def __exit__(self, *error: object) -> None:
        self._holding.close()


class PendingChange(Protocol):
    """A change that is made with others, and confirmed or undone after all of them."""

    def make(self) -> None:
        """Make it; raises `OutputError` where that fails."""

    def confirm(self) -> None:
        """Make the change permanent; raises `OutputError` where that fails."""

    def undo(self) -> None:
        """Undo what was made, in whole or in part; does nothing where nothing was made."""


def _replace(new: str, final: str, before: str) -> Callable[[], None]:
    """Give a new file its name, and return what puts back the one that was there."""
    existed = os.path.lexists(final)
    if os.path.isdir(final):
        raise _not_replaced(final, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    try:
        if existed:
            try:
                # A hard link to the old file, so that it always has a name.
                os.link(final, before)
            except OSError:
                # Not every file system supports hard links.
                os.replace(final, before)
        os.replace(new, final)
    except OSError as error:
        if existed and not os.path.lexists(final):
            os.replace(before, final)
        raise _not_replaced(final, error) from error

    def put_back() -> None:
        if existed:
            os.replace(before, final)
        else:
            os.remove(final)

    return put_back


def _not_replaced(path: str, error: OSError) -> OutputError:
    return OutputError(
        f"The output '{path}' cannot be replaced ({error.strerror or error}). {_CLOSE_IT} Nothing was changed."
    )
