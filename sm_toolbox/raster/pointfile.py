"""A raster file, open for reading single cells."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.choice import driver_for_points
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.gaps import drop_ranges, is_gap, outside, stored_gaps
from sm_toolbox.raster.grid import split_column
from sm_toolbox.raster.meaning import band_scale


class PointFile:
    """A raster file, open for reading cells, through the driver that is quickest at small reads.

    Parameters
    ----------
    bands : sequence of Band
        All of one file.
    """

    def __init__(self, bands: Sequence[Band]):
        self._source, self._indexes = bands[0].source, [band.index for band in bands]
        with self._named():
            self._dataset = driver_for_points().open(self._source.path, unbuffered=True)
            described = [band.described or self._dataset.describe(band.index) for band in bands]
            self._masked = self._dataset.has_mask(self._indexes[0])
            self._scalings = [
                band_scale(self._dataset, index, self._source.path, known)
                for index, known in zip(self._indexes, described)
            ]
        self.block = described[0].block_shape
        self._dtype = np.result_type(*(known.dtype for known in described))
        self.item_size = self._dtype.itemsize
        grid = bands[0].grid
        # Columns by which the grid begins further east, where its longitudes are counted from -180° and the file's from
        # 0°.
        self.shift = (split_column(grid.crs, self._dataset.transform, grid.width) or 0) if grid.crs.is_geographic else 0

    def read(self, read: PointRead) -> np.ndarray:
        """Return the physical values of cells, float32 (neighbours, pairs), NaN where there is no data.

        Parameters
        ----------
        read : PointRead

        Returns
        -------
        ndarray of float32 (neighbours, pairs)
        """
        described = [self._scalings[place] for place in read.bands]
        window = Window(*read.window)
        shape = (len(described), window.height, window.width)
        raw = _buffer(math.prod(shape) * self.item_size).view(self._dtype).reshape(shape)
        with self._named():
            self._dataset.read([self._indexes[place] for place in read.bands], window, raw)
        stored = raw[read.cells]
        # Numbers beyond float32 become infinite, and that no data.
        with np.errstate(over="ignore"):
            values = stored.astype(np.float32)
        for place, band in enumerate(described):
            pairs = np.flatnonzero(read.band == place) if len(described) > 1 else slice(None)
            if (band.scale, band.offset) != (1, 0):
                values[:, pairs] = values[:, pairs] * np.float32(band.scale) + np.float32(band.offset)
            missing = is_gap(stored[:, pairs], stored_gaps(band, self._dtype))
            if missing is not None:
                values[:, pairs] = np.where(missing, np.float32(np.nan), values[:, pairs])
            ranges = (*self._source.gaps_of(self._indexes[read.bands[place]]), *outside(band))
            if ranges:
                kept = values[:, pairs]
                drop_ranges(kept, ranges)
                values[:, pairs] = kept
        if self._masked:
            with self._named():
                valid = self._dataset.read_mask(window, self._indexes[0])
            values[~valid[read.cells[1:]]] = np.nan
        values[np.isinf(values)] = np.nan
        return values

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except DriverError as error:
            raise InputError(
                f"The raster '{self._source.label}' ({self._source.path}) cannot be read: {error}. The file may "
                "be damaged; download or make it again."
            ) from error


_of_thread = threading.local()


def _buffer(size: int) -> np.ndarray:
    """Return reusable memory of this thread, uint8 (size,): allocating it anew takes as long as reading."""
    if getattr(_of_thread, "buffer", np.empty(0)).size < size:
        _of_thread.buffer = np.empty(size, np.uint8)
    return _of_thread.buffer[:size]


@dataclass(frozen=True)
class PointRead:
    """What is read at once: a window of some bands, and which of its cells make the values of which pairs.

    Parameters
    ----------
    window : tuple of int
        Column, row, width and height.
    bands : list of int
        Places among the bands of the file.
    pairs : ndarray of int (pairs,)
    band : ndarray of int (pairs,)
        Places in `bands`.
    cells : tuple of ndarray of int (neighbours, pairs)
        Band, row and column in the window.
    weights : ndarray of float (neighbours, pairs)
    """

    window: tuple[int, int, int, int]
    bands: list[int]
    pairs: np.ndarray
    band: np.ndarray
    cells: tuple[np.ndarray, np.ndarray, np.ndarray]
    weights: np.ndarray
