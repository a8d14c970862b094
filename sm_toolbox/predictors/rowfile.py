"""Rasters on the disk whose rows are read and written again: what does not fit into memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from types import TracebackType

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress

_PIECE = 8 * 2**20
HOW_TO_GET_ROOM = (
    "Free some space, or name a folder on a larger disk in the environment variable TMPDIR (on Windows TEMP) before "
    "QGIS is started."
)


class RowFile:
    """A raster in a new file without a header, row by row.

    Parameters
    ----------
    path : str
    dtype : type
        Of NumPy.
    width : int
        Cells in a row.
    progress : Progress, optional
        Asked for Cancel between pieces of some MB.

    Raises
    ------
    InputError
        Also of reading and writing: where the disk fails, as when it is full.

    Examples
    --------
    >>> with RowFile("rows.bin", np.int32, 3) as rows:
    ...     rows.write(0, np.arange(6, dtype=np.int32))
    ...     found = np.empty(3, np.int32)
    ...     rows.read(1, found)
    >>> print(found)
    [3 4 5]
    """

    def __init__(self, path: str, dtype: type, width: int, progress: Progress = SILENT):
        self.path, self._progress = path, progress
        self.dtype: np.dtype = np.dtype(dtype)
        self._row = width * self.dtype.itemsize
        try:
            self._file = open(path, "w+b", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> RowFile:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def write(self, first: int, rows: np.ndarray | memoryview) -> None:
        """Write rows.

        Parameters
        ----------
        first : int
            The number of the first of them.
        rows : ndarray or memoryview
            Contiguous.
        """
        self._move(first, rows, self._file.write)

    def read(self, first: int, rows: np.ndarray | memoryview) -> None:
        """Read rows.

        Parameters
        ----------
        first : int
            The number of the first of them.
        rows : ndarray or memoryview
            Contiguous; filled.
        """
        self._move(first, rows, self._file.readinto)

    def _move(self, first: int, rows: np.ndarray | memoryview, move: Callable[[memoryview], int]) -> None:
        left = memoryview(rows).cast("B")  # type: ignore[arg-type]
        try:
            self._file.seek(first * self._row)
            while left:
                self._progress.check()
                done = move(left[:_PIECE])
                if not done:
                    raise OSError("it ends too early")
                left = left[done:]
        except OSError as error:
            raise self._failed(error) from error

    def remove(self) -> None:
        """Close the file, and give its place on the disk back."""
        self._file.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def _failed(self, error: OSError) -> InputError:
        folder = os.path.dirname(os.path.abspath(self.path))
        free = shutil.disk_usage(folder).free / 2**20
        return InputError(
            f"A temporary file in '{folder}' could not be used ({error.strerror or error}); {free:,.0f} MB are free "
            f"there. {HOW_TO_GET_ROOM}"
        )


def in_turn(waiting: set[int], count: int) -> Iterator[int]:
    """Yield the numbers that wait, upwards and downwards in turn, until none does.

    Parameters
    ----------
    waiting : set of int
        Emptied; others may be added to it on the way.
    count : int
        Numbers are below this.

    Yields
    ------
    int

    Examples
    --------
    >>> print(list(in_turn({0, 2}, 3)))
    [0, 2]
    """
    numbers = range(count)
    while waiting:
        for number in numbers:
            if number in waiting:
                waiting.discard(number)
                yield number
        numbers = numbers[::-1]
