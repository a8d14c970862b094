"""Warping to windows of a grid, and the algebra of windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window, bounds_of
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import Crs, DriverError
from sm_toolbox.raster.grid import Grid, label

# Cells of all bands of a file that are warped at once.
_WARPED_CELLS = 2**23

# Cells added around a window for means.
_LARGEST_MARGIN = 256

# Reach of kernels in cells of the coarser grid.
_RADIUS = {"nearest": 0, "bilinear": 1, "cubic": 2}


def overlap(own: Grid, grid: Grid) -> bool:
    """Say whether two rasters on these grids share ground.

    Parameters
    ----------
    own, grid : Grid

    Returns
    -------
    bool
    """
    touched = touched_window(own, grid)
    return touched.width > 0 and touched.height > 0


def touched_window(own: Grid, grid: Grid) -> Window:
    """Return the window of a grid that a raster on another grid may touch; of no size where there is none.

    Parameters
    ----------
    own : Grid
        Of the raster.
    grid : Grid

    Returns
    -------
    Window

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
    except DriverError as error:
        for grid_of_site, other in ((own, grid), (grid, own)):
            if grid_of_site.is_site_grid and not other.is_site_grid:
                raise InputError(
                    f"A raster on the site grid '{label(grid_of_site.crs)}' cannot be brought together with one in "
                    f"{label(other.crs)}: the site grid does not say where on the earth it lies. Georeference it "
                    "(QGIS's Georeferencer), or use rasters of the site grid alone."
                ) from error
        raise InputError(
            f"Coordinates cannot be transformed from {label(own.crs)} to {label(grid.crs)}: {error}. Reproject "
            "the layer with 'Warp (reproject)' first."
        ) from error
    return inside(_cells(grid, bounds), Window(0, 0, grid.width, grid.height))


def _is_globe(grid: Grid) -> bool:
    west, _, east, _ = grid.bounds
    return bool(grid.crs.is_geographic) and east - west > 359.9


def _bounds_in(crs: Crs, grid: Grid, bounds: Sequence[float]) -> Sequence[float]:
    """Return an extent in the coordinates of a grid; over all its longitudes where the extent crosses 180°."""
    if crs == grid.crs:
        return bounds
    west, south, east, north = driver().transform_bounds(crs, grid.crs, bounds)
    if west > east:
        west, _, east, _ = grid.bounds
    return west, south, east, north


def _cells(grid: Grid, bounds: Sequence[float], margin: int = 0) -> Window:
    """Return the window of a grid that covers an extent; the whole raster where the extent is not finite."""
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
    """Return what two windows share; of no size where they share nothing.

    Parameters
    ----------
    window, other : Window

    Returns
    -------
    Window
    """
    left, top = max(window.col_off, other.col_off), max(window.row_off, other.row_off)
    right = min(window.col_off + window.width, other.col_off + other.width)
    bottom = min(window.row_off + window.height, other.row_off + other.height)
    return Window(left, top, max(0, right - left), max(0, bottom - top))


class Warp:
    """Warps the bands of a file to windows of a grid.

    GDAL is handed cells that reach beyond the window on all sides, with NaN where the file ends: where its source
    window is cut at the edge of the file, versions before 3.8 average wrong cells, inside the file too.

    Parameters
    ----------
    own, grid : Grid
        The grid of the file, and the one asked for.
    resampling : str
        One of `RESAMPLINGS`.
    """

    def __init__(self, own: Grid, grid: Grid, resampling: str):
        self._own, self._grid, self._resampling = own, grid, resampling
        fine, coarse = (
            tuple(size * metres for size, metres in zip(each.cell_size, each.metres_per_unit())) for each in (own, grid)
        )
        # Cells of the file that one of the grid reaches over, which kernels are widened to.
        self._ratio = max(1.0, *(large / small for large, small in zip(coarse, fine)))
        # Versions of GDAL before 3.8 average nothing where a file lies within one or two cells and little is added
        # around it.
        self._margin = math.ceil(_RADIUS.get(resampling, min(1, _LARGEST_MARGIN / self._ratio)) * self._ratio) + 2
        self._reach = touched_window(own, grid)

    def by_mode(self) -> Warp:
        """Return the same warp that takes the most frequent value, for classes."""
        return Warp(self._own, self._grid, "mode")

    @property
    def mixes(self) -> bool:
        """Whether values of several cells are put together."""
        return self._resampling not in ("nearest", "mode")

    def fill(self, out: np.ndarray, window: Window, read: Callable[[np.ndarray, Window], None]) -> None:
        """Fill an array for a window of the grid.

        Parameters
        ----------
        out : ndarray of float32 (bands, rows, cols)
        window : Window
            Of the grid.
        read : callable
            `read(array, window)` fills an array for a window of the file.
        """
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
        driver().warp(
            values,
            (around.transform(self._own.transform), self._own.crs),
            warped,
            (window.transform(self._grid.transform), self._grid.crs),
            self._resampling,
        )
        out[:] = warped

    def _around(self, window: Window) -> Window:
        """Return the window of the file that a window of the grid needs, reaching beyond the file where need be."""
        bounds: Sequence[float] = bounds_of(self._grid.transform, window)
        try:
            bounds = _bounds_in(self._grid.crs, self._own, bounds)
        except DriverError:
            # A corner that the other projection does not show: GDAL finds the cells that it does.
            bounds = (math.inf,) * 4
        around = _cells(self._own, bounds, self._margin)
        # Around a whole globe there is nothing beyond the edges, and GDAL finds the way across 180° only where nothing
        # is added there.
        return (
            inside(around, Window(0, around.row_off, self._own.width, around.height))
            if _is_globe(self._own)
            else around
        )

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
