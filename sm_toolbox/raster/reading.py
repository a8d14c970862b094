"""Reading bands on a grid as float32 with NaN where there is no data."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.enums import MaskFlags, Resampling
from rasterio.io import DatasetReader
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window
from rasterio.windows import bounds as window_bounds
from rasterio.windows import transform as window_transform

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.grid import RASTER_ERRORS, Grid, label
from sm_toolbox.raster.kinds import components, is_direction, mean_direction
from sm_toolbox.raster.opening import Source, open_raster, readable

# Files that each thread keeps open. macOS allows a process 256 open files, of which QGIS has some.
OPEN_FILES = max(4, 120 // (os.cpu_count() or 1))
# Cells of all bands of a file that are warped at once.
_WARPED_CELLS = 2**23
# Cells of a file that are read for one cell of a grid, 1 GB of one band: those of 2 m for one of 30 km.
_LARGEST_FOR_ONE = 2**28
# Cells added around a window for means.
_LARGEST_MARGIN = 256
# Reach of kernels in cells of the coarser grid.
_RADIUS = {"nearest": 0, "bilinear": 1, "cubic": 2}


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
        """Open one of the files, for one thread; where its grid is another one it is warped on reading."""
        with open_raster(source) as dataset:
            indexes = [self.bands[position].index for position in self._files[source]]
            if source not in self._warp:
                yield OpenFile(source, dataset, indexes)
                return
            own = self._grid_of(source)
            if not overlap(own, self.grid):
                raise InputError(
                    f"The raster '{source.label}' does not overlap the grid of the output. Check both extents and coordinate reference systems."
                )
            warp = Warp(own, self.grid, self._warp[source])
            self._check_sizes(source, own, warp.cells_for_one())
            directions = [is_direction(self.bands[position].variable) for position in self._files[source]]
            yield WarpedFile(source, dataset, indexes, warp, directions)

    def _check_sizes(self, source: Source, own: Grid, cells: float) -> None:
        """Refuse rasters of which one cell of the grid takes more than can be held: one of the two has a wrong cell size, most likely."""
        if cells > _LARGEST_FOR_ONE:
            fine, coarse = (
                " × ".join(f"{size * metres:.3g}" for size, metres in zip(each.cell_size, each.metres_per_unit())) for each in (own, self.grid)
            )
            raise InputError(
                f"The raster '{source.label}' has cells of {fine} m ({own.width:,} × {own.height:,}), but the grid of the output {coarse} m: for one of its cells {cells:.2g} would be read at once, "
                f"and at most {_LARGEST_FOR_ONE:.2g} are. Check both cell sizes and coordinate reference systems, or bring '{source.label}' to coarser cells first ('Warp (reproject)')."
            )

    def _grid_of(self, source: Source) -> Grid:
        return self.bands[self._files[source][0]].grid


def overlap(own: Grid, grid: Grid) -> bool:
    """Say whether two rasters on these grids share ground."""
    touched = touched_window(own, grid)
    return touched.width > 0 and touched.height > 0


def touched_window(own: Grid, grid: Grid) -> Window:
    """Return the window of a grid that a raster on another grid may touch; of no size where there is none.

    Raises
    ------
    InputError
        Where there is no way from one coordinate reference system to the other.
    """
    if _is_globe(own):
        # What a projection makes of the edges of a globe says nothing about what lies between them.
        return Window(0, 0, grid.width, grid.height)
    try:
        bounds = _bounds_in(own.crs, grid, own.bounds)
    except RASTER_ERRORS as error:
        raise InputError(
            f"Coordinates cannot be transformed from {label(own.crs)} to {label(grid.crs)}: {error}. Reproject the layer with 'Warp (reproject)' first."
        ) from error
    return inside(_cells(grid, bounds), Window(0, 0, grid.width, grid.height))


def _is_globe(grid: Grid) -> bool:
    west, _, east, _ = grid.bounds
    return bool(grid.crs.is_geographic) and east - west > 359.9


def _bounds_in(crs: CRS, grid: Grid, bounds: Sequence[float]) -> Sequence[float]:
    """Return an extent in the coordinates of a grid; over all its longitudes where the extent crosses 180°."""
    if crs == grid.crs:
        return bounds
    west, south, east, north = transform_bounds(crs, grid.crs, *bounds)
    if west > east:
        west, _, east, _ = grid.bounds
    return west, south, east, north


def _cells(grid: Grid, bounds: Sequence[float], margin: int = 0) -> Window:
    """Return the window of a grid that covers an extent, which may reach beyond the raster; the whole raster where the extent is not finite."""
    if not all(map(math.isfinite, bounds)):
        return Window(0, 0, grid.width, grid.height)
    west, south, east, north = bounds
    inverse = ~grid.transform
    columns, rows = zip(*(inverse * corner for corner in ((west, south), (west, north), (east, south), (east, north))))
    # Rounding must not add a row of cells that the extent only touches.
    left, top = (math.floor(min(places) + 1e-6) - margin for places in (columns, rows))
    right, bottom = (math.ceil(max(places) - 1e-6) + margin for places in (columns, rows))
    return Window(left, top, right - left, bottom - top)


def inside(window: Window, other: Window) -> Window:
    """Return what two windows share; of no size where they share nothing."""
    left, top = max(window.col_off, other.col_off), max(window.row_off, other.row_off)
    right = min(window.col_off + window.width, other.col_off + other.width)
    bottom = min(window.row_off + window.height, other.row_off + other.height)
    return Window(left, top, max(0, right - left), max(0, bottom - top))


class Warp:
    """Warps the bands of a file to windows of a grid.

    GDAL is handed cells that reach beyond the window on all sides, with NaN where the file ends: where its source window is cut at the edge of the file, versions
    before 3.8 average wrong cells, inside the file too.

    Parameters
    ----------
    own, grid : Grid
        The grid of the file, and the one asked for.
    resampling : str
        A name of `rasterio.enums.Resampling`.
    """

    def __init__(self, own: Grid, grid: Grid, resampling: str):
        self._own, self._grid, self._resampling = own, grid, Resampling[resampling]
        fine, coarse = (tuple(size * metres for size, metres in zip(each.cell_size, each.metres_per_unit())) for each in (own, grid))
        # Cells of the file that one of the grid reaches over, which kernels are widened to.
        self._ratio = max(1.0, *(large / small for large, small in zip(coarse, fine)))
        # Versions of GDAL before 3.8 average nothing where a file lies within one or two cells and little is added around it.
        self._margin = math.ceil(_RADIUS.get(resampling, min(1, _LARGEST_MARGIN / self._ratio)) * self._ratio) + 2
        self._reach = touched_window(own, grid)

    @property
    def mixes(self) -> bool:
        """Whether values of several cells are put together."""
        return self._resampling not in (Resampling.nearest, Resampling.mode)

    def fill(self, out: np.ndarray, window: Window, read: Callable[[np.ndarray, Window], None]) -> None:
        """Fill `out` (bands, rows, cols) for a window of the grid, with values that `read` fills in for a window of the file."""
        out[:] = np.nan
        part = inside(window, self._reach)
        if part.width and part.height:
            self._fill(_view(out, window, part), part, read)

    def _fill(self, out: np.ndarray, window: Window, read: Callable[[np.ndarray, Window], None]) -> None:
        around = self._around(window)
        cells = int(around.width) * int(around.height)
        if cells * len(out) > _WARPED_CELLS and window.width * window.height > 1:
            for part in _halves(window):
                self._fill(_view(out, window, part), part, read)
            return
        values = np.full((len(out), int(around.height), int(around.width)), np.nan, np.float32)
        within = inside(around, Window(0, 0, self._own.width, self._own.height))
        if not within.width or not within.height:
            return
        read(_view(values, around, within), within)
        warped = np.full(out.shape, np.nan, np.float32)
        # Gaps are those of each band: by default a cell counts as valid in all bands where it is valid in one.
        reproject(
            values, warped, src_transform=window_transform(around, self._own.transform), src_crs=self._own.crs, src_nodata=np.nan,
            dst_transform=window_transform(window, self._grid.transform), dst_crs=self._grid.crs, dst_nodata=np.nan,
            resampling=self._resampling, UNIFIED_SRC_NODATA="NO",
        )  # fmt: skip
        out[:] = warped

    def _around(self, window: Window) -> Window:
        """Return the window of the file that a window of the grid needs, reaching beyond the file where need be."""
        bounds: Sequence[float] = window_bounds(window, self._grid.transform)
        try:
            bounds = _bounds_in(self._grid.crs, self._own, bounds)
        except RASTER_ERRORS:
            # A corner that the other projection does not show: GDAL finds the cells that it does.
            bounds = (math.inf,) * 4
        around = _cells(self._own, bounds, self._margin)
        # Around a whole globe there is nothing beyond the edges, and GDAL finds the way across 180° only where nothing is added there.
        return inside(around, Window(0, around.row_off, self._own.width, around.height)) if _is_globe(self._own) else around

    def cells_for_one(self) -> float:
        """Return how many cells of the file are read for a single cell of the grid."""
        return float((self._ratio + 2 * self._margin) ** 2)

    def bands_at_once(self) -> int:
        """Return how many bands fit into the budget where a single cell of the grid is warped."""
        return max(1, int(_WARPED_CELLS / (self._ratio + 2 * self._margin) ** 2))


def _view(values: np.ndarray, window: Window, part: Window) -> np.ndarray:
    """Return the part of an array (bands, rows, cols) over a window that lies in another window."""
    row, column = int(part.row_off - window.row_off), int(part.col_off - window.col_off)
    return values[:, row : row + int(part.height), column : column + int(part.width)]


def _halves(window: Window) -> tuple[Window, Window]:
    left, top, width, height = window.col_off, window.row_off, window.width, window.height
    if height >= width:
        half = height // 2
        return Window(left, top, width, half), Window(left, top + half, width, height - half)
    half = width // 2
    return Window(left, top, half, height), Window(left + half, top, width - half, height)


def typed_nodata(value: float | None, dtype: np.dtype) -> np.generic | None:
    """Return a nodata value in the file's own type: -3.4e38 as float64 is no float32. None where no cell can have it."""
    if value is None or np.isnan(value):
        return None
    if np.issubdtype(dtype, np.floating):
        return dtype.type(value)
    limits = np.iinfo(dtype)
    return dtype.type(value) if limits.min <= value <= limits.max else None


def is_nodata(values: np.ndarray, nodata: Any) -> np.ndarray:
    """Say which cells have a nodata value in their own type.

    Programs write the lowest number of a type with different last digits into the cells and into the header (-3.40282347e38 and -3.40282306e38 in one file), so
    that of such numbers, which nothing measures, all that are beyond count.
    """
    if np.issubdtype(values.dtype, np.floating) and abs(float(nodata)) > 1e30:
        limit = values.dtype.type(float(nodata) * (1 - 1e-6))
        return values <= limit if limit < 0 else values >= limit
    return values == nodata


class OpenFile:
    """An open file and which of its bands are wanted."""

    def __init__(self, source: Source, dataset: DatasetReader, indexes: list[int]):
        self.source, self.dataset, self.indexes = source, dataset, indexes
        self._dtype = np.result_type(*(dataset.dtypes[index - 1] for index in indexes))
        self._is_float32 = self._dtype == np.float32
        self.nodata = [typed_nodata(dataset.nodatavals[index - 1], self._dtype) for index in indexes]
        self.scales = [(dataset.scales[index - 1], dataset.offsets[index - 1]) for index in indexes]
        many_times = dataset.driver == "netCDF" and len(indexes) > 1
        self._chunk = dataset.block_shapes[0] if many_times else None
        flags = dataset.mask_flag_enums[indexes[0] - 1]
        self.has_mask = MaskFlags.per_dataset in flags or MaskFlags.alpha in flags

    def some_bands(self, places: Sequence[int]) -> OpenFile:
        """Return the same open file that reads only some of its bands, by their places among those that it reads."""
        part = copy.copy(self)
        part.indexes = [self.indexes[i] for i in places]
        part.nodata = [self.nodata[i] for i in places]
        part.scales = [self.scales[i] for i in places]
        return part

    def read(self, out: np.ndarray, window: Window) -> None:
        """Fill `out` (bands, rows, cols) with physical values, NaN where there is no data."""
        raw = out if self._is_float32 and out.flags.c_contiguous else np.empty(out.shape, self._dtype)
        with readable(self.source, window):
            for part, rows, columns in self._parts(window):
                self.dataset.read(self.indexes, window=part, out=raw[:, rows, columns])
            mask = self.dataset.dataset_mask(window=window) == 0 if self.has_mask else None
        for band, values, nodata, (scale, offset) in zip(out, raw, self.nodata, self.scales):
            missing = None if nodata is None else is_nodata(values, nodata)
            if values is not band:
                # Numbers beyond float32 become infinite, and that no data.
                with np.errstate(over="ignore"):
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


class WarpedFile(OpenFile):
    """An open file that is read as if it lay on another grid; bands that are directions by their components."""

    def __init__(self, source: Source, dataset: DatasetReader, indexes: list[int], warp: Warp, directions: list[bool]):
        super().__init__(source, dataset, indexes)
        self._to_grid, self._directions = warp, directions if warp.mixes else [False] * len(indexes)

    def read(self, out: np.ndarray, window: Window) -> None:
        at_once = self._to_grid.bands_at_once()
        for averaged_as_direction, run in groupby(range(len(out)), self._directions.__getitem__):
            places = list(run)
            if averaged_as_direction:
                for place in places:
                    both = np.empty((2, *out.shape[1:]), np.float32)
                    self._to_grid.fill(both, window, partial(_read_components, self.some_bands([place])))
                    out[place] = mean_direction(*both)
                continue
            for first in range(0, len(places), at_once):
                some = places[first : first + at_once]
                self._to_grid.fill(out[some[0] : some[-1] + 1], window, partial(OpenFile.read, self.some_bands(some)))


def _read_components(file: OpenFile, out: np.ndarray, window: Window) -> None:
    """Fill `out` (2, rows, cols) with the components of the directions in a file's only band."""
    degrees = np.empty((1, *out.shape[1:]), np.float32)
    OpenFile.read(file, degrees, window)
    out[:] = components(degrees[0])


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
