"""The driver that works through rasterio."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import affine
import numpy as np
import rasterio
from rasterio._err import CPLE_AppDefinedError, CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.env import hasenv
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.warp import reproject, transform, transform_bounds
from rasterio.windows import Window as RasterioWindow

from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.driver import (
    BandDescription,
    Dataset,
    DriverError,
    GeotiffLayout,
    bands_with_categories,
    in_halves,
    is_netcdf,
    missing_values,
    stated_range,
)

# What rasterio raises for files and CRSs that GDAL cannot handle; in its versions before 1.4 these have no common base.
# GDAL's own errors (CPLE) come through here and there as they are.
_LOG = logging.getLogger("rasterio._env")
_ERRORS = (RasterioError, OSError, CRSError, CPLE_BaseError)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        raise DriverError(str(error)) from error


def _native(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col_off, window.row_off, window.width, window.height)


class RasterioDataset(Dataset):
    """A raster file, open through rasterio.

    Parameters
    ----------
    file : rasterio.io.DatasetReader
    ranges_are_physical : bool, optional
        Whether the file states valid ranges of physical values, which GDAL was told not to apply.
    warnings : sequence of str, optional
    """

    def __init__(self, file: DatasetReader, ranges_are_physical: bool = False, warnings: Sequence[str] = ()):
        self._file, self._ranges_are_physical, self.warnings = file, ranges_are_physical, warnings
        self.path, self.format = file.name, file.driver
        self.width, self.height, self.count = file.width, file.height, file.count
        self.transform = Affine.of(file.transform)

    @cached_property
    def stored_crs(self) -> CRS | None:  # type: ignore[override]
        """As `Dataset.stored_crs`."""
        # An empty CRS is none.
        return self._file.crs or None

    @cached_property
    def _descriptions(self) -> list[BandDescription]:
        """As `Dataset.stored_crs`."""
        file = self._file
        with_categories = bands_with_categories(self.path)
        with _errors():
            return [
                BandDescription(
                    dtype,
                    nodata,
                    scale,
                    offset,
                    name or "",
                    unit or "",
                    color == ColorInterp.alpha,
                    block,
                    is_class=color == ColorInterp.palette or number in with_categories,
                )
                for number, dtype, nodata, scale, offset, name, unit, color, block in zip(
                    file.indexes,
                    file.dtypes,
                    file.nodatavals,
                    file.scales,
                    file.offsets,
                    file.descriptions,
                    file.units,
                    file.colorinterp,
                    file.block_shapes,
                )
            ]

    def describe(self, band: int) -> BandDescription:
        """As `Dataset.describe`."""
        described = self._descriptions[band - 1]
        if self.format != "netCDF":
            return described
        tags = self.tags(band)
        valid = stated_range(tags, described.dtype, described.scale) if self._ranges_are_physical else None
        return replace(described, missing=missing_values(tags, described.nodata), valid=valid)

    def has_mask(self, band: int) -> bool:
        """As `Dataset.has_mask`."""
        flags = self._file.mask_flag_enums[band - 1]
        return MaskFlags.per_dataset in flags or MaskFlags.alpha in flags

    def tags(self, band: int = 0) -> dict[str, str]:
        """As `Dataset.tags`."""
        with _errors():
            tags: dict[str, str] = self._file.tags(band)
            return tags

    def subdatasets(self) -> list[str]:
        """As `Dataset.subdatasets`."""
        with _errors():
            tags = self._file.tags(ns="SUBDATASETS")
        # rasterio's own list has lost the quotes, without which groups cannot be opened.
        return [tags[f"SUBDATASET_{number}_NAME"] for number in range(1, len(tags) // 2 + 1)]

    def control_points(self) -> int:
        """As `Dataset.control_points`."""
        return len(self._file.gcps[0])

    def read(self, bands: Sequence[int], window: Window, out: np.ndarray) -> None:
        """As `Dataset.read`."""
        with _errors():
            self._file.read(list(bands), window=_native(window), out=out)

    def read_mask(self, window: Window, band: int = 1) -> np.ndarray:
        """As `Dataset.read_mask`."""
        with _errors():
            mask: np.ndarray = self._file.read_masks(band, window=_native(window)) != 0
            return mask

    def read_coarsely(self, band: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """As `Dataset.read_coarsely`."""
        with _errors():
            values = self._file.read(band, out_shape=shape).astype(np.float64)
            return values, self._file.read_masks(band, out_shape=shape) != 0

    def close(self) -> None:
        """As `Dataset.close`."""
        self._file.close()


class _Geotiff:
    """A GeoTIFF, open for writing through rasterio."""

    def __init__(self, path: str, layout: GeotiffLayout):
        self._file = rasterio.open(
            path,
            "w",
            driver="GTiff",
            dtype="float32",
            nodata=np.nan,
            count=len(layout.names),
            width=layout.width,
            height=layout.height,
            crs=layout.crs,
            transform=affine.Affine(*layout.transform),
            **layout.options,
        )
        for number, name in enumerate(layout.names, start=1):
            self._file.set_band_description(number, name)
        for number, unit in enumerate(layout.units, start=1):
            if unit:
                self._file.set_band_unit(number, unit)
        self._file.update_tags(**layout.tags)

    def write(self, block: np.ndarray, first: int, window: Window) -> None:
        """As `GeotiffFile.write`."""
        with _errors():
            self._file.write(block, indexes=range(first, first + len(block)), window=_native(window))

    def close(self) -> None:
        """As `GeotiffFile.close`."""
        if not self._file.closed:
            self._file.close()


def _open_netcdf(path: str) -> RasterioDataset:
    """Open a NetCDF file, with what GDAL says of its axes, and without its valid ranges where these are physical."""
    with rasterio.Env(), _Heard() as heard:
        file = DatasetReader(path)
        dataset = RasterioDataset(file, warnings=heard.messages)
        described = dataset.describe(1) if dataset.count else None
        if described is None or stated_range(dataset.tags(1), described.dtype, described.scale) is None:
            return dataset
        dataset.close()
        return RasterioDataset(DatasetReader(path, HONOUR_VALID_RANGE="NO"), True, heard.messages)


class _Heard(logging.Handler):
    """Collects what GDAL says in this thread; rasterio passes it on to Python's logging."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.messages.append(record.getMessage())

    def __enter__(self) -> _Heard:
        _LOG.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        _LOG.removeHandler(self)


class RasterioDriver:
    """Opens, warps and writes through rasterio."""

    name = "rasterio"
    gdal_version: str = rasterio.__gdal_version__
    version: str = rasterio.__version__

    def open(self, path: str, unbuffered: bool = False) -> Dataset:
        """As `Driver.open`."""
        with _errors(), warnings.catch_warnings():
            # Whoever needs a place looks for one.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            if is_netcdf(path):
                return _open_netcdf(path)
            if unbuffered:
                with rasterio.Env(GTIFF_DIRECT_IO=True):
                    return RasterioDataset(DatasetReader(path))
            # Where there is an environment, rasterio.open would set up a second one, which takes as long as opening
            # the file.
            return RasterioDataset(DatasetReader(path) if hasenv() else rasterio.open(path))

    def environment(self, cache: int | None = None, list_folders: bool = True) -> AbstractContextManager[Any]:
        """As `Driver.environment`."""
        options: dict[str, Any] = {} if list_folders else {"GDAL_DISABLE_READDIR_ON_OPEN": True}
        if cache is not None:
            # rasterio takes bytes and restores the limit afterwards.
            options["GDAL_CACHEMAX"] = cache
        env: AbstractContextManager[Any] = rasterio.Env(**options)
        return env

    def crs(self, definition: Any) -> CRS:
        """As `Driver.crs`."""
        if isinstance(definition, CRS):
            return definition
        with _errors():
            if isinstance(definition, int):
                return CRS.from_epsg(definition)
            return CRS.from_user_input(definition if isinstance(definition, str) else definition.to_wkt())

    def transform(self, x: np.ndarray, y: np.ndarray, own: CRS, other: CRS) -> tuple[np.ndarray, np.ndarray]:
        """As `Driver.transform`."""

        def move(points: np.ndarray) -> np.ndarray:
            try:
                return np.array(transform(own, other, points[:, 0], points[:, 1]), np.float64)[:2].T
            except CPLE_AppDefinedError as error:
                # Of a point; where there is no way from one CRS to the other, another error says so.
                raise DriverError(str(error)) from error

        with _errors():
            moved = in_halves(move, np.stack([x, y], axis=1))
        return moved[:, 0], moved[:, 1]

    def transform_bounds(self, own: CRS, other: CRS, bounds: Sequence[float]) -> tuple[float, float, float, float]:
        """As `Driver.transform_bounds`."""
        with _errors():
            west, south, east, north = transform_bounds(own, other, *bounds)
            return west, south, east, north

    def warp(
        self, values: np.ndarray, own: tuple[Affine, CRS], out: np.ndarray, grid: tuple[Affine, CRS], resampling: str
    ) -> None:
        """As `Driver.warp`."""
        # Gaps are those of each band: by default a cell counts as valid in all bands where it is valid in one.
        with _errors():
            reproject(
                values,
                out,
                src_transform=affine.Affine(*own[0]),
                src_crs=own[1],
                src_nodata=np.nan,
                dst_transform=affine.Affine(*grid[0]),
                dst_crs=grid[1],
                dst_nodata=np.nan,
                resampling=Resampling[resampling],
                UNIFIED_SRC_NODATA="NO",
            )

    def create_geotiff(self, path: str, layout: GeotiffLayout) -> _Geotiff:
        """As `Driver.create_geotiff`."""
        with _errors():
            return _Geotiff(path, layout)

    def has_zstd(self) -> bool:
        """As `Driver.has_zstd`."""
        try:
            with (
                MemoryFile() as memory,
                memory.open(
                    driver="GTiff",
                    width=1,
                    height=1,
                    count=1,
                    dtype="uint8",
                    compress="zstd",
                    transform=affine.Affine.scale(2),
                ),
            ):
                return True
        except _ERRORS:
            return False

    def tile_ends(self, path: str) -> np.ndarray:
        """As `Driver.tile_ends`."""
        with _errors(), rasterio.open(path) as file:
            rows, columns = (-(-size // tile) for size, tile in zip((file.height, file.width), file.block_shapes[0]))
            ends = np.full((file.count, rows, columns), -1, np.int64)
            for band, row, column in np.ndindex(ends.shape):
                offset, length = (
                    file.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band + 1)
                    for what in ("OFFSET", "SIZE")
                )
                if offset is not None and length is not None:
                    ends[band, row, column] = int(offset) + int(length)
            return ends
