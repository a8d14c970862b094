"""Reflectances as they come, with clouds and their shadows, and the quality layers that tell where these are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from sm_toolbox.demo.cover import LAND_COVER_CLASSES
from sm_toolbox.demo.fields import random_field
from sm_toolbox.demo.scene import Soil, day_of_year, season

CLOUDS = {"cloud": 0.16, "mixed": 0.06, "cirrus": 0.06}
"""Share of the cells, on average, under each kind; shadows lie beside clouds."""
_BRIGHT = {"red": 0.55, "nir": 0.58}
_OPACITY = {"cloud": 0.8, "mixed": 0.35, "cirrus": 0.12}
_SHADE = 0.45
_SHADOW_MOVE = (-2, 3)  # rows, columns: the sun stands in the south-west


def draw_clouds(rng: np.random.Generator, shape: tuple[int, int], length: float) -> dict[str, np.ndarray]:
    """Draw where there are clouds, clouds of less than a cell, cirrus and shadows.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (int, int)
    length : float
        Of a cloud, in cells.

    Returns
    -------
    dict of str to ndarray of bool (rows, cols)
        `cloud`, `mixed`, `cirrus`, `shadow` and `beside` (next to a cloud); only the last holds with others.
    """
    thick, thin = random_field(rng, shape, length), random_field(rng, shape, 2 * length)
    share = CLOUDS["cloud"] * rng.uniform(0.4, 1.6)
    cloud = thick > np.quantile(thick, 1 - share)
    mixed = (thick > np.quantile(thick, 1 - share - CLOUDS["mixed"])) & ~cloud
    cirrus = (thin > np.quantile(thin, 1 - CLOUDS["cirrus"])) & ~cloud & ~mixed
    shadow = np.roll(cloud, _SHADOW_MOVE, axis=(0, 1)) & ~cloud & ~mixed & ~cirrus
    beside = binary_dilation(cloud, iterations=2) & ~cloud
    return {"cloud": cloud, "mixed": mixed, "cirrus": cirrus, "shadow": shadow, "beside": beside}


def cover_with_clouds(
    reflectances: Mapping[str, np.ndarray], clouds: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what an instrument sees of reflectances through clouds.

    Parameters
    ----------
    reflectances : mapping of str to ndarray (rows, cols)
        `red` and `nir`.
    clouds : mapping of str to ndarray of bool (rows, cols)
        As `draw_clouds`.

    Returns
    -------
    dict of str to ndarray, float32 (rows, cols)
    """
    seen = {}
    for name, values in reflectances.items():
        opacity = sum(share * clouds[kind] for kind, share in _OPACITY.items())
        covered = values * np.where(clouds["shadow"], _SHADE, 1.0)
        seen[name] = ((1 - opacity) * covered + opacity * _BRIGHT[name]).astype(np.float32)
    return seen


def state_words(clouds: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the quality words of MOD09: state.

    Parameters
    ----------
    clouds : mapping of str to ndarray of bool (rows, cols)
        As `draw_clouds`.

    Returns
    -------
    ndarray of int (rows, cols)
    """
    land_and_little_aerosol = (1 << 3) | (1 << 6)
    words: np.ndarray = (
        land_and_little_aerosol
        + 1 * clouds["cloud"]
        + 2 * clouds["mixed"]
        + (clouds["shadow"] << 2)
        + (clouds["cirrus"] << 8)
        + (clouds["cloud"] << 10)
        + (clouds["beside"] << 13)
    )
    return words


def scene_classes(clouds: Mapping[str, np.ndarray], land_cover: np.ndarray, ndvi: np.ndarray) -> np.ndarray:
    """Return the classes of Sentinel-2's scene classification (SCL).

    Parameters
    ----------
    clouds : mapping of str to ndarray of bool (rows, cols)
        As `draw_clouds`.
    land_cover, ndvi : ndarray (rows, cols)
        The first in numbers of `LAND_COVER_CLASSES`.

    Returns
    -------
    ndarray of int (rows, cols)
    """
    classes = np.where(ndvi > 0.4, 4, 5)
    classes[land_cover == LAND_COVER_CLASSES["water"]] = 6
    classes[land_cover == LAND_COVER_CLASSES["ice"]] = 11
    for kind, number in (("shadow", 3), ("mixed", 8), ("cloud", 9), ("cirrus", 10)):
        classes[clouds[kind]] = number
    return classes


def fine_reflectances(
    soil: Soil, vegetation: np.ndarray, moisture: np.ndarray, land_cover: np.ndarray, day: int
) -> dict[str, np.ndarray]:
    """Return what an instrument of the scene's cells sees under a clear sky.

    Parameters
    ----------
    soil : Soil
    vegetation, moisture, land_cover : ndarray (rows, cols)
        Share under plants; m³ m⁻³; numbers of `LAND_COVER_CLASSES`.
    day : int
        Of the scene.

    Returns
    -------
    dict of str to ndarray, float32 (rows, cols)
        `red` and `nir`.
    """
    wetness = gaussian_filter(soil.wetness(moisture), 1)
    ndvi = 0.16 + 0.74 * vegetation * (0.35 + 0.65 * season(day_of_year(day))) + 0.2 * (wetness - 0.45)
    ndvi = np.clip(ndvi, 0.05, 0.95)
    nir = 0.17 + 0.2 * ndvi
    red = nir * (1 - ndvi) / (1 + ndvi)
    water, ice = (land_cover == LAND_COVER_CLASSES[name] for name in ("water", "ice"))
    return {
        "red": np.where(water, 0.03, np.where(ice, 0.85, red)).astype(np.float32),
        "nir": np.where(water, 0.015, np.where(ice, 0.75, nir)).astype(np.float32),
    }
