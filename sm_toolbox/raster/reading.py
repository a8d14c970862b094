"""Reading bands on a grid as float32 with NaN where there is no data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial

import numpy as np
from rasterio.enums import MaskFlags, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import Band, Source, open_raster
from sm_toolbox.raster.grid import RASTER_ERRORS, Grid, label

# Files that each thread keeps open. macOS allows a process 256 open files, of which QGIS has some.
OPEN_FILES = max(4, 120 // (os.cpu_count() or 1))


def resampling_for(band: Band, grid: Grid) -> str:
    """Choose how a band is warped to a grid.

    Cells much finer than the grid's are averaged; otherwise the nearest cell is taken, so that a model meets the
    values it was trained on and gaps keep their shape.
    """
    fine, coarse = band.grid.cell_size, grid.cell_size
    own, wanted = (size[0] * target.metres_per_unit()[0] for size, target in ((fine, band.grid), (coarse, grid)))
    return "average" if wanted >= 2 * own else "nearest"


class BandReader:
    """Reads bands as if they lay on one grid.

    Parameters
    ----------
    bands : sequence of Band
    grid : Grid
    resampling : str, optional
        A name of `rasterio.enums.Resampling` for the bands on other grids; by default what `resampling_for` chooses.
    """

    def __init__(self, bands: Sequence[Band], grid: Grid, resampling: str | None = None):
        self.bands, self.grid = bands, grid
        self._files: dict[Source, list[int]] = {}
        for position, band in enumerate(bands):
            self._files.setdefault(band.source, []).append(position)
        self._warp = {
            source: resampling or resampling_for(bands[positions[0]], grid)
            for source, positions in self._files.items()
            if not bands[positions[0]].grid.same_as(grid)
        }

    def warnings(self) -> list[str]:
        """Say, a line for each file, what is warped and why."""
        return [
            f"'{source.label}' is warped to the grid of the output ({method}): {'; '.join(self.grid.differences(self._grid_of(source)))}."
            for source, method in self._warp.items()
        ]

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Yield rows and columns of the tiles of the files that are read without warping."""
        for source in self._files:
            if source not in self._warp:
                with open_raster(source) as dataset:
                    yield dataset.block_shapes[0]

    @contextmanager
    def open(self) -> Iterator[OpenBands]:
        """Open the files, for one thread.

        Systems allow a process some hundred open files, and a long record may have more: the first ones stay open, the others are opened
        whenever they are read.
        """
        with ExitStack() as stack:
            readers: list[Callable[[], AbstractContextManager[OpenFile]]] = []
            for number, source in enumerate(self._files):
                if number < OPEN_FILES:
                    readers.append(partial(_as_it_is, stack.enter_context(self.open_file(source))))
                else:
                    readers.append(partial(self.open_file, source))
            yield OpenBands(list(zip(readers, self._files.values())), len(self.bands), self.grid)

    @contextmanager
    def open_file(self, source: Source) -> Iterator[OpenFile]:
        with ExitStack() as stack:
            dataset = stack.enter_context(open_raster(source))
            target = dataset
            if source in self._warp:
                self._refuse_mixed_gaps(dataset, source)
                target = stack.enter_context(_warped(dataset, self.grid, self._warp[source], self._grid_of(source)))
            yield OpenFile(source, dataset, target, [self.bands[position].index for position in self._files[source]])

    def _refuse_mixed_gaps(self, dataset: DatasetReader, source: Source) -> None:
        """GDAL warps all bands of a file with one nodata value."""
        gaps = {repr(dataset.nodatavals[self.bands[position].index - 1]) for position in self._files[source]}
        if len(gaps) > 1:
            raise InputError(
                f"The bands of '{source.label}' ({source.path}) have different nodata values ({', '.join(sorted(gaps))}) and cannot be warped together. Save them as files of their own, or give them one value with 'Warp (reproject)'."
            )

    def _grid_of(self, source: Source) -> Grid:
        return self.bands[self._files[source][0]].grid


def _warped(dataset: DatasetReader, grid: Grid, resampling: str, own: Grid) -> WarpedVRT:
    if not overlap(own, grid):
        raise InputError(f"The raster '{dataset.name}' does not overlap the grid of the output. Check both extents and coordinate reference systems.")
    # float32 with NaN, so that averages of integers are not cut and a source without a nodata value gets one. Gaps are those of
    # each band: by default a cell counts as valid in all bands where it is valid in one.
    # NaN stands for no data in files that do not say so, too.
    gap = np.nan if dataset.nodata is None and dataset.dtypes[0].startswith("float") else dataset.nodata
    return WarpedVRT(
        dataset, src_nodata=gap, src_crs=own.crs, crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height, resampling=Resampling[resampling],
        dtype="float32", nodata=np.nan, UNIFIED_SRC_NODATA="NO",
    )  # fmt: skip


def overlap(own: Grid, grid: Grid) -> bool:
    try:
        west, south, east, north = transform_bounds(own.crs, grid.crs, *own.bounds) if own.crs != grid.crs else own.bounds
    except RASTER_ERRORS as error:
        raise InputError(
            f"Coordinates cannot be transformed from {label(own.crs)} to {label(grid.crs)}: {error}. Reproject the layer with 'Warp (reproject)' first."
        ) from error
    other = grid.bounds
    return west < other[2] and east > other[0] and south < other[3] and north > other[1]


class OpenFile:
    """An open file and which of its bands are wanted."""

    def __init__(self, source: Source, dataset: DatasetReader, target: DatasetReader | WarpedVRT, indexes: list[int]):
        self.source, self.target, self.indexes = source, target, indexes
        self.is_warped = target is not dataset
        self._dtype = np.result_type(*(target.dtypes[index - 1] for index in indexes))
        self._is_float32 = self._dtype == np.float32
        self.nodata = [None if self.is_warped else self._nodata(dataset.nodatavals[index - 1]) for index in indexes]
        self.scales = [(dataset.scales[index - 1], dataset.offsets[index - 1]) for index in indexes]
        many_times = dataset.driver == "netCDF" and len(indexes) > 1 and not self.is_warped
        self._chunk = dataset.block_shapes[0] if many_times else None
        flags = dataset.mask_flag_enums[indexes[0] - 1]
        self.has_mask = not self.is_warped and (MaskFlags.per_dataset in flags or MaskFlags.alpha in flags)

    def _nodata(self, value: float | None) -> np.generic | None:
        """Return the nodata value in the file's own type: -3.4e38 as float64 is no float32."""
        if value is None or np.isnan(value):
            return None
        if np.issubdtype(self._dtype, np.floating):
            return self._dtype.type(value)
        limits = np.iinfo(self._dtype)
        return self._dtype.type(value) if limits.min <= value <= limits.max else None

    def read(self, out: np.ndarray, window: Window) -> None:
        """Fill `out` (bands, rows, cols) with physical values, NaN where there is no data."""
        raw = out if self._is_float32 and out.flags.c_contiguous else np.empty(out.shape, self._dtype)
        try:
            for part, rows, columns in self._parts(window):
                self.target.read(self.indexes, window=part, out=raw[:, rows, columns])
            mask = self.target.dataset_mask(window=window) == 0 if self.has_mask else None
        except RASTER_ERRORS as error:
            raise InputError(
                f"The raster '{self.source.label}' ({self.source.path}) cannot be read at {window}: {error}. The file may be damaged; download or make it again."
            ) from error
        for band, values, nodata, (scale, offset) in zip(out, raw, self.nodata, self.scales):
            missing = None if nodata is None else values == nodata
            if values is not band:
                band[...] = values
            if missing is not None:
                band[missing] = np.nan
            if (scale, offset) != (1.0, 0.0):
                band *= scale
                band += offset
            if mask is not None:
                band[mask] = np.nan
            if np.issubdtype(raw.dtype, np.floating):
                band[np.isinf(band)] = np.nan

    def _parts(self, window: Window) -> Iterator[tuple[Window, slice, slice]]:
        """Cut a window into what is read at once, with its place in the window.

        A chunk of a NetCDF file may hold many times, and the library keeps only a few chunks: all times of one chunk are read before the next one.
        """
        row, column, height, width = (int(size) for size in (window.row_off, window.col_off, window.height, window.width))
        rows, columns = self._chunk or (height, width)
        for top in range(row - row % rows if self._chunk else row, row + height, rows):
            for left in range(column - column % columns if self._chunk else column, column + width, columns):
                first, last = max(top, row), min(top + rows, row + height)
                start, stop = max(left, column), min(left + columns, column + width)
                yield Window(start, first, stop - start, last - first), slice(first - row, last - row), slice(start - column, stop - column)


def _as_it_is(file: OpenFile) -> AbstractContextManager[OpenFile]:
    return nullcontext(file)


class OpenBands:
    """The bands of a `BandReader`, open for one thread."""

    def __init__(self, files: list[tuple[Callable[[], AbstractContextManager[OpenFile]], list[int]]], count: int, grid: Grid):
        self._files, self._count, self._grid = files, count, grid

    def read(self, window: Window, halo: int = 0) -> np.ndarray:
        """Read all bands of a window, with `halo` more cells on every side (NaN outside the raster).

        Returns
        -------
        ndarray, float32 (bands, rows + 2 halo, cols + 2 halo)
        """
        top, left = int(window.row_off) - halo, int(window.col_off) - halo
        rows, columns = int(window.height) + 2 * halo, int(window.width) + 2 * halo
        row_0, row_1 = max(top, 0), min(top + rows, self._grid.height)
        column_0, column_1 = max(left, 0), min(left + columns, self._grid.width)
        inside = Window(column_0, row_0, column_1 - column_0, row_1 - row_0)
        whole = (row_1 - row_0, column_1 - column_0) == (rows, columns)
        out = np.empty((self._count, rows, columns), np.float32) if whole else np.full((self._count, rows, columns), np.nan, np.float32)
        inner = out[:, row_0 - top : row_1 - top, column_0 - left : column_1 - left]
        for opened, positions in self._files:
            with opened() as file:
                if positions == list(range(self._count)):
                    file.read(inner, inside)
                else:
                    part = np.empty((len(positions), *inner.shape[1:]), np.float32)
                    file.read(part, inside)
                    inner[positions] = part
        return out
