"""A field with 60 sensors and radar of 10 m: within-field patterns that no coarser layer shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter, zoom

from sm_toolbox.demo.cover import LAND_COVER_CLASSES
from sm_toolbox.demo.fields import random_field
from sm_toolbox.demo.products import Sites, overpasses, sites_at
from sm_toolbox.demo.scene import Soil, day_of_year, season
from sm_toolbox.demo.terrain import FINE_CELL, Terrain
from sm_toolbox.raster.affine import Affine
from sm_toolbox.raster.grid import Grid

FIELD_SENSORS = 60
FIELD_CELL = 10.0
FIELD_NOISE, FIELD_BIAS = 0.006, 0.008
FIELD_PATTERN = 0.022  # m³ m⁻³
FIELD_RELIEF = 0.6  # m
_BLOCKS = 9  # cells of 90 m along a side
_PARTS = round(FINE_CELL / FIELD_CELL)
_LOOKS = 12.0  # after a filter
_APART = 4  # cells of 10 m between sensors


@dataclass(frozen=True)
class DenseField:
    """The field.

    Parameters
    ----------
    grid : Grid
        10 m.
    place : (slice, slice)
        Its cells of 90 m.
    elevation, pattern : ndarray, float32 (rows, cols)
        m; what each cell is wetter than its surroundings on average days, m³ m⁻³.
    sites : Sites
        The sensors, in cells of 10 m.
    """

    grid: Grid
    place: tuple[slice, slice]
    elevation: np.ndarray
    pattern: np.ndarray
    sites: Sites


def make_field(terrain: Terrain, land_cover: np.ndarray, rng: np.random.Generator) -> DenseField:
    """Lay out the field on the gentlest land, with hollows that are wetter.

    Parameters
    ----------
    terrain : Terrain
    land_cover : ndarray (rows, cols)
        Numbers of `LAND_COVER_CLASSES`.
    rng : numpy.random.Generator

    Returns
    -------
    DenseField
    """
    half = _BLOCKS // 2
    steepness = uniform_filter(terrain.slope, _BLOCKS)
    wet = np.isin(land_cover, [LAND_COVER_CLASSES[name] for name in ("water", "ice")]).astype(np.float32)
    steepness[uniform_filter(wet, _BLOCKS) > 0] = np.inf
    border = np.ones(steepness.shape, bool)
    border[_BLOCKS:-_BLOCKS, _BLOCKS:-_BLOCKS] = False
    steepness[border] = np.inf
    row, column = np.unravel_index(int(np.argmin(steepness)), steepness.shape)
    top, left = int(row) - half, int(column) - half
    place = (slice(top, top + _BLOCKS), slice(left, left + _BLOCKS))
    size = _BLOCKS * _PARTS
    transform = terrain.grid.transform * Affine.translation(left, top) * Affine.scale(1 / _PARTS)
    grid = Grid(terrain.grid.crs, transform, size, size)
    relief, texture = random_field(rng, (size, size), 6), random_field(rng, (size, size), 4)
    elevation = gaussian_filter(finer(terrain.elevation[place]), _PARTS) - FIELD_RELIEF * relief
    pattern = FIELD_PATTERN * (0.8 * relief + 0.6 * texture)
    cells: list[tuple[int, int]] = []
    while len(cells) < FIELD_SENSORS:
        cell = (int(rng.integers(2, size - 2)), int(rng.integers(2, size - 2)))
        if all(np.hypot(cell[0] - r, cell[1] - c) >= _APART for r, c in cells):
            cells.append(cell)
    rows, columns = np.array(cells).T
    names = [f"FD-{number:02d}" for number in range(1, FIELD_SENSORS + 1)]
    cover = np.full(FIELD_SENSORS, "cropland")
    sites = sites_at(names, (rows, columns), grid, cover, rng.normal(0, FIELD_BIAS, FIELD_SENSORS))
    return DenseField(
        grid,
        place,
        elevation.astype(np.float32),
        pattern.astype(np.float32),
        replace(sites, noise=FIELD_NOISE),
    )


def finer(values: np.ndarray) -> np.ndarray:
    """Interpolate the field's cells of 90 m to 10 m.

    Parameters
    ----------
    values : ndarray (rows, cols)

    Returns
    -------
    ndarray (9 rows, 9 cols)
    """
    fine: np.ndarray = zoom(values, _PARTS, order=1, grid_mode=True, mode="nearest")
    return fine


def field_moisture(field: DenseField, soil: Soil, moisture: np.ndarray) -> np.ndarray:
    """Return the true moisture of the field: its pattern fades as the soil dries.

    Parameters
    ----------
    field : DenseField
    soil : Soil
    moisture : ndarray (rows, cols)
        Of a day, over the whole scene, m³ m⁻³.

    Returns
    -------
    ndarray, float32 (rows, cols)
        Of the field.
    """
    wetness = finer(soil.wetness(moisture)[field.place])
    values = finer(moisture[field.place]) + field.pattern * (0.4 + 1.2 * wetness)
    return np.clip(values, finer(soil.residual[field.place]), finer(soil.porosity[field.place])).astype(np.float32)


def field_backscatter(
    field: DenseField, soil: Soil, moisture: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Simulate radar of 10 m on the days of the overpasses.

    Parameters
    ----------
    field : DenseField
    soil : Soil
    moisture : ndarray (overpasses, rows, cols)
        True moisture of the field, m³ m⁻³.
    rng : numpy.random.Generator

    Returns
    -------
    backscatter : dict of str to ndarray, float32 (overpasses, rows, cols)
        `vv` and `vh`, dB.
    angle : ndarray, float32 (rows, cols)
        Local incidence angle, degrees, of a radar that looks from the west.
    """
    east = -np.gradient(field.elevation, FIELD_CELL, axis=1)
    angle = 38 - np.degrees(np.arctan(east))
    residual, porosity = (finer(part[field.place]) for part in (soil.residual, soil.porosity))
    decibels: dict[str, list[np.ndarray]] = {"vv": [], "vh": []}
    for day, values in zip(overpasses(), moisture):
        crop = 0.7 * season(day_of_year(day))
        moist = 9 * (1 - 0.6 * crop) * ((values - residual) / (porosity - residual) - 0.5)
        facing = -0.12 * (angle - 38)
        for name, level in (("vv", -13 + moist + 2 * crop + facing), ("vh", -20.5 + 0.7 * moist + 4 * crop + facing)):
            decibels[name].append(level + 10 * np.log10(rng.gamma(_LOOKS, 1 / _LOOKS, level.shape)))
    return {name: np.stack(layers).astype(np.float32) for name, layers in decibels.items()}, angle.astype(np.float32)
