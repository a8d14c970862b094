"""The demo scene's terrain: a real SRTM elevation model that comes with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from sm_toolbox.demo.fields import standardised
from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Affine
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.points import transform_points

FINE_CELL = 90.0
MEDIUM_FACTOR = 5  # 450 m, about what MODIS offers
COARSE_FACTOR = 50  # 4.5 km, a scale model of a microwave product on so small a scene
_SAMPLE = "jacksboro_fault_dem.npz"
_UTM_16N, WGS84 = 32616, 4326
# Cells in UTM that cover the sample, which is given in degrees.
_CORNER, _SIZE = (730939.219465799, 4069226.162225269), (363, 345)
# Diffuse light reaches every slope alike; about this share of summer days with broken clouds.
_DIFFUSE = 0.3


@dataclass(frozen=True)
class Terrain:
    """The scene's elevation and what follows from it.

    Parameters
    ----------
    grid : Grid
        90 m, UTM zone 16N.
    elevation : ndarray, float32 (rows, cols)
        Metres above sea level.
    latitude : float
        Of the scene's centre, degrees.
    normal : ndarray, float32 (3, rows, cols)
        Unit vector that stands on the surface: east, north, up.
    hollow : ndarray, float32 (rows, cols)
        Topographic position from two neighbourhoods, standardised: positive in hollows and valleys, negative on ridges.
    """

    grid: Grid
    elevation: np.ndarray
    latitude: float
    normal: np.ndarray
    hollow: np.ndarray

    @property
    def slope(self) -> np.ndarray:
        """Slope as the tangent of its angle, (rows, cols)."""
        tangent: np.ndarray = np.hypot(self.normal[0], self.normal[1]) / self.normal[2]
        return tangent


def coarser(grid: Grid, factor: int) -> Grid:
    """Return the grid whose cells are blocks of `factor` × `factor` cells.

    Parameters
    ----------
    grid : Grid
    factor : int
        Cells left over at the right and lower edge are dropped.

    Returns
    -------
    Grid
    """
    return Grid(grid.crs, grid.transform * Affine.scale(factor), grid.width // factor, grid.height // factor)


def load_terrain() -> Terrain:
    """Read matplotlib's sample elevation model and project it to UTM.

    Returns
    -------
    Terrain
        The largest part in the middle that has no gaps and is a whole number of 4.5 km cells.

    Raises
    ------
    InputError
        Where matplotlib came without its sample data.
    """
    elevation, grid = _projected(*_read_sample())
    height, width = elevation.shape
    rows, columns = (size // COARSE_FACTOR * COARSE_FACTOR for size in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    elevation = elevation[top : top + rows, left : left + columns]
    grid = Grid(grid.crs, grid.transform * Affine.translation(left, top), columns, rows)
    centre = grid.transform * (columns / 2, rows / 2)
    x, y = np.array(centre)[:, None]
    latitude = float(transform_points(x, y, grid.crs, driver().crs(WGS84))[1][0])
    return Terrain(grid, elevation, latitude, _normal(elevation), _hollow(elevation))


def _read_sample() -> tuple[np.ndarray, Affine]:
    from matplotlib.cbook import get_sample_data

    try:
        with np.load(get_sample_data(_SAMPLE, asfileobj=False), allow_pickle=False) as sample:
            # `ymin` belongs to the first row, which is the northern one.
            corner = Affine.translation(float(sample["xmin"]), float(sample["ymin"])) * Affine.scale(
                float(sample["dx"]), -float(sample["dy"])
            )
            return sample["elevation"].astype(np.float32), corner
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"The demo scene's terrain, matplotlib's sample file '{_SAMPLE}', cannot be read ({error}). Install "
            "matplotlib with its sample data: on Debian and Ubuntu the package python-matplotlib-data, elsewhere "
            "reinstall matplotlib with pip."
        ) from error


def _projected(elevation: np.ndarray, corner: Affine) -> tuple[np.ndarray, Grid]:
    """Warp to UTM and cut off the slanting borders that have no data."""
    height, width = _SIZE
    affine = Affine.translation(*_CORNER) * Affine.scale(FINE_CELL, -FINE_CELL)
    utm = driver().crs(_UTM_16N)
    warped = np.full((1, height, width), np.nan, np.float32)
    driver().warp(elevation[None], (corner, driver().crs(WGS84)), warped, (affine, utm), "bilinear")
    warped = warped[0]
    top, left, bottom, right = 0, 0, height, width
    while (missing := np.isnan(warped[top:bottom, left:right])).any():
        # Trim first the border with the largest share of gaps.
        gaps = {
            "top": missing[0].mean(),
            "left": missing[:, 0].mean(),
            "bottom": missing[-1].mean(),
            "right": missing[:, -1].mean(),
        }
        worst = max(gaps, key=lambda side: gaps[side])
        top, left, bottom, right = (
            top + (worst == "top"),
            left + (worst == "left"),
            bottom - (worst == "bottom"),
            right - (worst == "right"),
        )
    return warped[top:bottom, left:right], Grid(utm, affine * Affine.translation(left, top), right - left, bottom - top)


def _normal(elevation: np.ndarray) -> np.ndarray:
    south, east = np.gradient(elevation, FINE_CELL)
    vector = np.stack([-east, south, np.ones_like(east)])
    unit: np.ndarray = (vector / np.linalg.norm(vector, axis=0)).astype(np.float32)
    return unit


def _hollow(elevation: np.ndarray) -> np.ndarray:
    """Topographic position at the scale of a gully (270 m) and of a valley (1.3 km)."""
    position = sum(standardised(gaussian_filter(elevation, scale) - elevation) for scale in (3, 15))
    return standardised(np.clip(np.asarray(position), -4, 4))


def declination_fao56(day_of_year: np.ndarray) -> np.ndarray:
    """Return the sun's declination in radians (FAO-56, Allen et al. 1998, Eq. 24).

    Parameters
    ----------
    day_of_year : ndarray

    Returns
    -------
    ndarray, same shape
    """
    angle: np.ndarray = 0.409 * np.sin(2 * np.pi * day_of_year / 365 - 1.39)
    return angle


def insolation(terrain: Terrain, days_of_year: Sequence[float]) -> np.ndarray:
    """Return the daily light on every slope relative to level ground.

    Parameters
    ----------
    terrain : Terrain
    days_of_year : sequence of float

    Returns
    -------
    ndarray, float32 (days, rows, cols)
        1 on level ground.

    Notes
    -----
    The direct light is the product of the surface's normal and the sun's direction summed over the day (the vector form
    of Duffie & Beckman 2013, Eq. 1.6.2); shadows cast by other slopes are left out.
    """
    phi = np.radians(terrain.latitude)
    hours = np.radians(np.arange(-112.5, 113, 15))
    out = np.empty((len(days_of_year), *terrain.elevation.shape), np.float32)
    for beam, delta in zip(out, declination_fao56(np.asarray(days_of_year))):
        up = np.sin(delta) * np.sin(phi) + np.cos(delta) * np.cos(phi) * np.cos(hours)
        north = np.sin(delta) * np.cos(phi) - np.cos(delta) * np.sin(phi) * np.cos(hours)
        east = -np.cos(delta) * np.sin(hours)
        beam[...] = 0
        for sun in np.stack([east, north, up], axis=1)[up > 0].astype(np.float32):
            beam += np.maximum(np.tensordot(sun, terrain.normal, axes=1), 0)
        beam /= up[up > 0].sum()
    return _DIFFUSE + (1 - _DIFFUSE) * out
