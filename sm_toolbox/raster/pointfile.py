"""A raster file, open for reading single cells."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from osgeo import gdal

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.grid import split_column
from sm_toolbox.raster.reading import is_nodata, typed_nodata


class PointFile:
    """A raster file, open for reading cells.

    It is read through GDAL's own Python module: a call of rasterio takes ten times as long, which for some cells in
    each of a thousand files is nearly all the time there is.

    Parameters
    ----------
    bands : sequence of Band
        All of one file.
    """

    def __init__(self, bands: Sequence[Band]):
        self._source, self._indexes = bands[0].source, [band.index for band in bands]
        gdal.PushErrorHandler("CPLQuietErrorHandler")
        # GDAL need not keep the blocks of uncompressed files, each of which is read once.
        gdal.SetThreadLocalConfigOption("GTIFF_DIRECT_IO", "YES")
        try:
            self._dataset = self._done(lambda: gdal.OpenEx(self._source.path, gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR))
        finally:
            gdal.SetThreadLocalConfigOption("GTIFF_DIRECT_IO", None)
            gdal.PopErrorHandler()
        first = self._dataset.GetRasterBand(self._indexes[0])
        self.block = tuple(first.GetBlockSize()[::-1])
        self._type = (
            first.DataType
            if all(self._dataset.GetRasterBand(i).DataType == first.DataType for i in self._indexes)
            else gdal.GDT_Float64
        )
        if self._type not in _NUMPY_TYPES:
            self._type = gdal.GDT_Float64
        self._dtype = np.dtype(_NUMPY_TYPES[self._type])
        self.item_size = self._dtype.itemsize
        grid = bands[0].grid
        # Columns by which the grid begins further east, where its longitudes are counted from -180° and the file's from
        # 0°.
        is_geographic = grid.crs.is_geographic
        self.shift = (
            (split_column(grid.crs, Affine.from_gdal(*self._dataset.GetGeoTransform()), grid.width) or 0)
            if is_geographic
            else 0
        )
        self._masked = bool(first.GetMaskFlags() & (gdal.GMF_PER_DATASET | gdal.GMF_ALPHA))

    def read(self, read: PointRead) -> np.ndarray:
        """Return the physical values of cells, float32 (neighbours, pairs), NaN where there is no data.

        Parameters
        ----------
        read : PointRead

        Returns
        -------
        ndarray of float32 (neighbours, pairs)
        """
        indexes = [self._indexes[place] for place in read.bands]
        shape = (len(indexes), read.window[3], read.window[2])
        raw = _buffer(math.prod(shape) * self.item_size).view(self._dtype).reshape(shape)
        self._done(lambda: self._dataset.ReadRaster(*read.window, buf_type=self._type, band_list=indexes, buf_obj=raw))
        stored = raw[read.cells]
        # Numbers beyond float32 become infinite, and that no data.
        with np.errstate(over="ignore"):
            values = stored.astype(np.float32)
        for place, index in enumerate(indexes):
            band = self._dataset.GetRasterBand(index)
            own = np.flatnonzero(read.band == place) if len(indexes) > 1 else slice(None)
            scale, offset = band.GetScale(), band.GetOffset()
            if scale not in (None, 1) or offset not in (None, 0):
                values[:, own] = values[:, own] * np.float32(1 if scale is None else scale) + np.float32(offset or 0)
            nodata = typed_nodata(band.GetNoDataValue(), self._dtype)
            if nodata is not None:
                values[:, own] = np.where(is_nodata(stored[:, own], nodata), np.float32(np.nan), values[:, own])
        if self._masked:
            mask = self._dataset.GetRasterBand(indexes[0]).GetMaskBand()
            valid = np.frombuffer(self._done(lambda: mask.ReadRaster(*read.window, buf_type=gdal.GDT_Byte)), np.uint8)
            values[valid.reshape(shape[1:])[read.cells[1:]] == 0] = np.nan
        values[np.isinf(values)] = np.nan
        return values

    def _done(self, call: Callable[[], Any]) -> Any:
        """Return what GDAL returns; it raises errors or returns nothing, as other plugins may have told it."""
        gdal.ErrorReset()
        try:
            result = call()
            error = None if result is not None else gdal.GetLastErrorMsg() or "it ends too early"
        except RuntimeError as raised:
            error = str(raised)
        if error is not None:
            raise InputError(
                f"The raster '{self._source.label}' ({self._source.path}) cannot be read: {error}. The file may "
                "be damaged; download or make it again."
            )
        return result


_of_thread = threading.local()


def _buffer(size: int) -> np.ndarray:
    """Return reusable memory of this thread, uint8 (size,): allocating it anew takes as long as reading."""
    if getattr(_of_thread, "buffer", np.empty(0)).size < size:
        _of_thread.buffer = np.empty(size, np.uint8)
    return _of_thread.buffer[:size]


_NUMPY_TYPES = {
    gdal.GDT_Byte: np.uint8,
    gdal.GDT_UInt16: np.uint16,
    gdal.GDT_Int16: np.int16,
    gdal.GDT_UInt32: np.uint32,
    gdal.GDT_Int32: np.int32,
    gdal.GDT_Float32: np.float32,
    gdal.GDT_Float64: np.float64,
}


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
