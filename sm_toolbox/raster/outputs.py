"""Raster outputs that appear whole or not at all."""

from __future__ import annotations

import importlib.util
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
from affine import Affine
from rasterio.drivers import raster_driver_extensions
from rasterio.io import MemoryFile
from rasterio.windows import Window

from sm_toolbox.errors import OutputError
from sm_toolbox.files import check_output, put_in_place, remove_quietly, temporary_name
from sm_toolbox.raster.grid import RASTER_ERRORS, Grid

TILE = 256


@dataclass(frozen=True)
class RasterOutput:
    """A raster file to write.

    Parameters
    ----------
    path : str
        GeoTIFF (`.tif`, `.tiff`) or CF NetCDF (`.nc`).
    bands : sequence of str
        Band descriptions in order.
    tags : mapping, optional
        Metadata of the file; `UNIT_<variable>` is the unit of a variable.
    """

    path: str
    bands: Sequence[str]
    tags: dict[str, str] = field(default_factory=dict)


def check_raster_output(path: str) -> None:
    """Find out, before any work is done, whether a raster can be written under a name.

    Raises
    ------
    OutputError
        As `check_output`, and where the extension is neither GeoTIFF's nor NetCDF's.
    """
    suffix = Path(path).suffix.lower()
    if suffix != ".nc" and raster_driver_extensions().get(suffix.lstrip(".")) != "GTiff":
        raise OutputError(f"The output '{path}' cannot be written: rasters are written as GeoTIFF or NetCDF. Give it the extension .tif or .nc.")
    if suffix == ".nc" and importlib.util.find_spec("osgeo") is None:
        raise OutputError(
            f"The output '{path}' cannot be written: NetCDF needs GDAL's Python module (osgeo), which is not here. Write a .tif instead."
        )
    check_output(path)


def raster_writer(output: RasterOutput, grid: Grid, tile: tuple[int, int] = (TILE, TILE)) -> RasterWriter:
    """Return the writer for an output, by its extension."""
    check_raster_output(output.path)
    if Path(output.path).suffix.lower() == ".nc":
        from sm_toolbox.raster.netcdf import NetcdfWriter

        return NetcdfWriter(output, grid, tile)
    return GeotiffWriter(output, grid, tile)


class RasterWriter(ABC):
    """A raster file under a temporary name until `finish`.

    As a context manager it finishes on success and removes everything on an error or a cancel.

    Parameters
    ----------
    output : RasterOutput
    grid : Grid
    """

    def __init__(self, output: RasterOutput, grid: Grid):
        self.output, self._grid = output, grid
        self._temporary = temporary_name(output.path)
        self.valid_cells = 0

    @abstractmethod
    def _write(self, block: np.ndarray, window: Window, first: int) -> bool:
        """Write a block of the bands from one on, counted from 0, and say whether that worked."""

    @abstractmethod
    def _close(self) -> None:
        """Close the file; nothing where it is closed."""

    @abstractmethod
    def _is_complete(self) -> bool:
        """Say whether all that was written lies in the closed file."""

    def write(self, block: np.ndarray, window: Window, first: int = 0) -> None:
        """Write a block of bands, float32 (bands, rows, cols), NaN where there is no data; what is infinite becomes no data.

        Parameters
        ----------
        block : ndarray
        window : Window
        first : int, optional
            The band that the block begins with, counted from 0, where it does not hold all of them.
        """
        if shutil.disk_usage(os.path.dirname(os.path.abspath(self._temporary))).free < block.nbytes:
            raise self._full()
        infinite = np.isinf(block)
        if infinite.any():
            # No measurement is infinite: it comes of a division by nearly nothing, and would spoil every mean and every colour ramp.
            block = np.where(infinite, np.float32(np.nan), block)
        self.valid_cells += int(np.count_nonzero(~np.isnan(block)))
        if not self._write(block, window, first):
            raise self._full()

    def finish(self) -> None:
        """Close and verify the file; it still has its temporary name."""
        self._close()
        if not self._is_complete():
            raise self._full()

    def put_in_place(self) -> None:
        """Give the finished file its name."""
        put_in_place(self._temporary, self.output.path)

    def discard(self) -> None:
        """Remove whatever has been written."""
        self._close()
        remove_quietly(self._temporary)
        remove_quietly(self._temporary + ".aux.xml")

    def __enter__(self) -> RasterWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            try:
                self.finish()
            except BaseException:
                self.discard()
                raise
            self.put_in_place()
        else:
            self.discard()

    def _full(self) -> OutputError:
        folder = os.path.dirname(os.path.abspath(self.output.path))
        free = shutil.disk_usage(folder).free / 2**20
        return OutputError(
            f"Writing '{self.output.path}' failed: the file could not be written whole. {free:,.0f} MB are free in '{folder}': free some space or choose another disk. Nothing was kept."
        )


class GeotiffWriter(RasterWriter):
    """A tiled, compressed Float32 GeoTIFF.

    Parameters
    ----------
    output : RasterOutput
    grid : Grid
    tile : (int, int)
        Rows and columns of the file's tiles, multiples of 16. Where the blocks that are written are not made of whole tiles, GDAL reads
        back and compresses again, which takes long and leaves holes in the file.
    """

    def __init__(self, output: RasterOutput, grid: Grid, tile: tuple[int, int]):
        super().__init__(output, grid)
        compression = {"compress": "zstd", "zstd_level": 1} if _has_zstd() else {"compress": "deflate", "zlevel": 6}
        try:
            self._dataset = rasterio.open(
                self._temporary, "w", driver="GTiff", dtype="float32", nodata=np.nan, count=len(output.bands), width=grid.width, height=grid.height,
                crs=grid.crs, transform=grid.transform, tiled=True, blockysize=tile[0], blockxsize=tile[1], interleave="band", predictor=2,
                num_threads="all_cpus", bigtiff="if_safer", **compression,
            )  # fmt: skip
            for index, name in enumerate(output.bands, start=1):
                self._dataset.set_band_description(index, name)
            self._dataset.update_tags(**output.tags)
        except RASTER_ERRORS as error:
            remove_quietly(self._temporary)
            raise OutputError(f"The output '{output.path}' cannot be created: {error}.") from error

    def _write(self, block: np.ndarray, window: Window, first: int) -> bool:
        try:
            self._dataset.write(block, indexes=range(first + 1, first + len(block) + 1), window=window)
        except RASTER_ERRORS:
            return False
        return True

    def _close(self) -> None:
        if not self._dataset.closed:
            self._dataset.close()

    def _is_complete(self) -> bool:
        """Say whether every tile lies within the file.

        GDAL writes late, on closing too, and a full disk there raises nothing through rasterio.
        """
        size = os.path.getsize(self._temporary)
        try:
            with rasterio.open(self._temporary) as dataset:
                tile_rows, tile_columns = dataset.block_shapes[0]
                rows, columns = -(-dataset.height // tile_rows), -(-dataset.width // tile_columns)
                for band in range(1, dataset.count + 1):
                    for row in range(rows):
                        for column in range(columns):
                            offset = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
                            length = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
                            if offset is None or length is None or int(offset) + int(length) > size:
                                return False
        except RASTER_ERRORS:
            return False
        return True


@lru_cache
def _has_zstd() -> bool:
    """Say whether GDAL was built with ZSTD; a build without it refuses to create the file."""
    try:
        with (
            MemoryFile() as memory,
            memory.open(driver="GTiff", width=1, height=1, count=1, dtype="uint8", compress="zstd", transform=Affine.scale(2)),
        ):
            return True
    except RASTER_ERRORS:
        return False
