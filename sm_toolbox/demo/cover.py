"""Land cover as MODIS' classes, with a lake and ice: the truth in 90 m cells, and a product that errs."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from sm_toolbox.demo.fields import block_mean
from sm_toolbox.demo.products import Sites
from sm_toolbox.demo.terrain import COARSE_FACTOR, MEDIUM_FACTOR, Terrain

LAND_COVER_CLASSES = {"forest": 4, "grassland": 10, "cropland": 12, "ice": 15, "water": 17}
"""IGBP numbers, as in MCD12Q1."""
LAND_COVER_CONFUSED = 0.05
_LAND = tuple(LAND_COVER_CLASSES[name] for name in ("forest", "grassland", "cropland"))
_LAKE = 0.6  # of the cells of one 4.5 km cell
_ICE = 0.01  # of all cells
_SHORE = 5  # cells between a station and water or ice


def make_land_cover(terrain: Terrain, names: np.ndarray, sites: Sites) -> np.ndarray:
    """Add a lake in a low place without a station, and ice on the summits, to the land cover.

    Parameters
    ----------
    terrain : Terrain
    names : ndarray of str (rows, cols)
        As `name_land_cover`.
    sites : Sites
        Stations, which stay on land.

    Returns
    -------
    ndarray, float32 (rows, cols)
        Numbers of `LAND_COVER_CLASSES`.
    """
    classes = np.zeros(names.shape, np.float32)
    for name, number in LAND_COVER_CLASSES.items():
        classes[names == name] = number
    height = gaussian_filter(terrain.elevation, 2)
    stations = np.zeros(names.shape, bool)
    stations[sites.rows, sites.columns] = True
    near = binary_dilation(stations, iterations=_SHORE)
    count = block_mean(stations.astype(float), COARSE_FACTOR).ravel()
    lowest = np.lexsort((block_mean(height, COARSE_FACTOR).ravel(), count))[0]
    row, column = np.unravel_index(lowest, [size // COARSE_FACTOR for size in names.shape])
    block = (
        slice(row * COARSE_FACTOR, (row + 1) * COARSE_FACTOR),
        slice(column * COARSE_FACTOR, (column + 1) * COARSE_FACTOR),
    )
    lake = np.zeros(names.shape, bool)
    lake[block] = height[block] <= np.quantile(height[block], _LAKE)
    classes[lake & ~near] = LAND_COVER_CLASSES["water"]
    classes[(height >= np.quantile(height, 1 - _ICE)) & ~near] = LAND_COVER_CLASSES["ice"]
    return classes


def make_land_cover_product(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Take the most frequent class of each 450 m cell, and confuse some of those on land.

    Parameters
    ----------
    classes : ndarray (rows, cols)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32 (rows / 5, cols / 5)
    """
    numbers = np.array(list(LAND_COVER_CLASSES.values()))
    shares = np.stack([block_mean((classes == number).astype(np.float32), MEDIUM_FACTOR) for number in numbers])
    product = numbers[shares.argmax(axis=0)]
    confused = (rng.random(product.shape) < LAND_COVER_CONFUSED) & np.isin(product, _LAND)
    others = np.array([[number for number in _LAND if number != own] for own in _LAND])
    place = np.searchsorted(_LAND, product[confused])
    product[confused] = others[place, rng.integers(0, 2, len(place))]
    return product.astype(np.float32)
