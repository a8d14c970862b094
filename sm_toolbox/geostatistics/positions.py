"""Positions in metres of stations and cells, so that straight distances between them are distances on the ground."""

from __future__ import annotations

import numpy as np

from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import Crs
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.points import locate

# A projection that stretches or shrinks distances by more than this anywhere on the grid is left.
_DISTORTION = 0.02
_SEMI_MAJOR, _ECCENTRICITY_SQUARED = 6378137.0, 0.00669437999014


def globe_positions(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Return Cartesian positions on the WGS 84 ellipsoid.

    Straight distances between them run through the earth: equal to those along the ground over 100 km but for a metre,
    and by 1 % shorter over 3,100 km. Covariance models of three dimensions are valid for them; for distances along a
    sphere some are not.

    Parameters
    ----------
    longitude, latitude : ndarray of float64 (points,)
        Degrees.

    Returns
    -------
    ndarray of float64 (points, 3)
        Metres from the centre of the earth.
    """
    lambda_, phi = np.radians(longitude), np.radians(latitude)
    normal = _SEMI_MAJOR / np.sqrt(1 - _ECCENTRICITY_SQUARED * np.sin(phi) ** 2)
    flat = normal * np.cos(phi)
    return np.stack(
        [flat * np.cos(lambda_), flat * np.sin(lambda_), normal * (1 - _ECCENTRICITY_SQUARED) * np.sin(phi)], axis=-1
    )


class Positions:
    """Turns coordinates into positions (points, 3) in metres, all in one system.

    That is the plane of the grid's CRS where its distances are true to 2 %. Where they are not, and on geographic
    grids, it is space: positions on the WGS 84 ellipsoid.

    Parameters
    ----------
    grid : Grid
        Whose cells are to be interpolated.

    Attributes
    ----------
    in_space : bool
    centre : ndarray (3,)
        Of the grid.
    radius : float
        Distance from the centre to the farthest corner (m).
    """

    def __init__(self, grid: Grid):
        self._grid = grid
        self._geographic = self._geographic_grid()
        self.in_space = self._geographic is not None and (grid.crs.is_geographic or self._is_distorted())
        thirds = np.array([0.0, 0.5, 1.0])
        columns, rows = np.meshgrid(thirds * grid.width, thirds * grid.height)
        frame = self._of_map(*_to_map(grid, columns.ravel(), rows.ravel()))
        self.centre = frame[4]
        self.radius = float(np.nanmax(np.linalg.norm(frame - self.centre, axis=1)))

    def _geographic_grid(self) -> Grid | None:
        """Return a grid of one-degree cells whose columns and rows are longitude and latitude; None for local CRSs."""
        if self._grid.crs.is_geographic:
            crs = self._grid.crs
        elif self._grid.crs.is_projected:
            crs = driver().crs(4326)
        else:
            return None
        return Grid(crs, Affine.identity(), 360, 90)

    def _is_distorted(self) -> bool:
        """Compare short steps along the map's axes with their lengths on the ground, at nine places of the grid."""
        west, south, east, north = self._grid.bounds
        x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(west, east, 3), np.linspace(south, north, 3)))
        factor = self._grid.unit_metres
        step = 1000 / factor
        origin, along, across = (self._on_globe(x + dx, y + dy) for dx, dy in ((0, 0), (step, 0), (0, step)))
        lengths = np.concatenate([np.linalg.norm(moved - origin, axis=1) for moved in (along, across)])
        lengths = lengths[np.isfinite(lengths)]
        return bool((np.abs(lengths / 1000 - 1) > _DISTORTION).any())

    def _on_globe(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        assert self._geographic is not None
        longitude, latitude, _ = locate(x, y, self._grid.crs, self._geographic)
        return globe_positions(longitude, latitude)

    def _of_map(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the positions of map coordinates of the grid's CRS."""
        if self.in_space:
            return self._on_globe(x, y)
        factor = self._grid.unit_metres
        return np.stack([x * factor, y * factor, np.zeros_like(x)], axis=-1)

    def of_points(self, x: np.ndarray, y: np.ndarray, crs: Crs) -> np.ndarray:
        """Return positions of points in any CRS; NaN where a point cannot be transformed.

        Parameters
        ----------
        x, y : ndarray of float64 (points,)
        crs : Crs
            Of the points.

        Returns
        -------
        ndarray of float64 (points, 3)
            Metres.
        """
        columns, rows, _ = locate(x, y, crs, self._grid)
        if self.in_space and crs == self._grid.crs:
            return self._on_globe(x, y)
        return self._of_map(*_to_map(self._grid, columns, rows))

    def of_cells(self, window: Window, grid: Grid | None = None) -> np.ndarray:
        """Return positions of the centres of a window's cells, row by row.

        Parameters
        ----------
        window : Window
        grid : Grid, optional
            A grid of the same CRS with other cells; by default the grid itself.

        Returns
        -------
        ndarray of float64 (rows * cols, 3)
            Metres.
        """
        columns, rows = np.meshgrid(
            window.col_off + 0.5 + np.arange(window.width), window.row_off + 0.5 + np.arange(window.height)
        )
        return self._of_map(*_to_map(grid or self._grid, columns.ravel(), rows.ravel()))


def _to_map(grid: Grid, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    t = grid.transform
    return t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
