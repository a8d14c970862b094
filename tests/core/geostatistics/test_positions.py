"""Positions in metres: straight distances are those on the ground, whatever the grid's CRS."""

import math

import numpy as np
import pytest
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.transform import from_origin

from sm_toolbox.geostatistics.positions import Positions, globe_positions
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.grid import Grid

WGS84 = CRS.from_epsg(4326)
GEOD = Geod(ellps="WGS84")


def distances(positions):
    return np.linalg.norm(positions[:, None] - positions, axis=2)


@pytest.mark.parametrize("latitude", [0.0, 36.0, -75.0])
def test_distances_on_the_globe_are_geodesics_over_short_ways(latitude):
    rng = np.random.default_rng(0)
    longitude, latitudes = 179.9 + 0.4 * rng.random(20), latitude + 0.3 * rng.random(20)
    found = distances(globe_positions(longitude, latitudes))
    expected = np.array(
        [[GEOD.inv(a, b, c, d)[2] for c, d in zip(longitude, latitudes)] for a, b in zip(longitude, latitudes)]
    )
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("epsg", "west", "north", "cell", "in_space"),
    [
        (4326, -5, 41, 0.1, True),
        (32630, 5e5, 4.5e6, 1000, False),
        (3035, 3.2e6, 2.3e6, 1000, False),
        # Web Mercator stretches by 1 / cos φ, EASE-Grid 2.0 along the parallels.
        (3857, -5e5, 5e6, 1000, True),
        (6933, -5e5, 6e6, 9000, True),
        # US survey feet, Colorado Central.
        (2232, 3.0e6, 1.7e6, 3000, False),
    ],
)
def test_distances_of_cells_are_those_on_the_ground(epsg, west, north, cell, in_space):
    crs = CRS.from_epsg(epsg)
    grid = Grid(crs, from_origin(west, north, cell, cell), 40, 30)
    positions = Positions(grid)
    assert positions.in_space is in_space
    cells = positions.of_cells(Window(5, 3, 4, 3))
    assert cells.shape == (12, 3)
    columns, rows = np.meshgrid(np.arange(5, 9) + 0.5, np.arange(3, 6) + 0.5)
    x, y = west + cell * columns.ravel(), north - cell * rows.ravel()
    from pyproj import Transformer

    longitude, latitude = Transformer.from_crs(crs.to_wkt(), WGS84.to_wkt(), always_xy=True).transform(x, y)
    expected = np.array(
        [[GEOD.inv(a, b, c, d)[2] for c, d in zip(longitude, latitude)] for a, b in zip(longitude, latitude)]
    )
    np.testing.assert_allclose(distances(cells), expected, rtol=0.02 if not in_space else 1e-5, atol=1e-3)
    # Stations given in degrees fall on the cells that lie there, and so do those in the grid's CRS; datums may differ
    # by a metre.
    np.testing.assert_allclose(positions.of_points(np.array(longitude), np.array(latitude), WGS84), cells, atol=2)
    np.testing.assert_allclose(positions.of_points(x, y, crs), cells, atol=1e-3)


def test_points_that_are_nowhere():
    positions = Positions(Grid(CRS.from_epsg(32630), from_origin(5e5, 4.5e6, 1000, 1000), 40, 30))
    found = positions.of_points(np.array([-3.0, 36.0, np.nan]), np.array([40.0, -131.0, 40.0]), WGS84)
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), [False, True, True])


def test_a_global_grid_reaches_around_the_earth():
    positions = Positions(Grid(WGS84, from_origin(-180, 90, 1, 1), 360, 180))
    near = positions.of_points(np.array([-179.99, 179.99]), np.array([10.0, 10.0]), WGS84)
    assert np.linalg.norm(near[0] - near[1]) == pytest.approx(GEOD.inv(-179.99, 10, 179.99, 10)[2], rel=1e-5)
    far = np.linalg.norm(positions.of_points(np.array([120.0]), np.array([-60.0]), WGS84) - positions.centre)
    assert far < 3 * positions.radius


def test_rotated_grids():
    along, across = 100 * math.cos(math.radians(30)), 100 * math.sin(math.radians(30))
    grid = Grid(CRS.from_epsg(32630), Affine(along, across, 5e5, across, -along, 4.5e6), 10, 10)
    cells = Positions(grid).of_cells(Window(0, 0, 10, 10))
    assert np.linalg.norm(cells[1] - cells[0]) == pytest.approx(100) and np.linalg.norm(
        cells[10] - cells[0]
    ) == pytest.approx(100)
    np.testing.assert_allclose(cells[0, :2], grid.transform * (0.5, 0.5))
