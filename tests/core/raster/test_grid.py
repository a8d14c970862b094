"""Grids and how they differ."""

import numpy as np
import pytest
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.transform import from_origin

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.grid import Grid, metres_per_degree
from sm_toolbox.raster.warping import overlap

UTM = CRS.from_epsg(32630)
GRID = Grid(UTM, from_origin(500000, 4000000, 30, 30), 100, 80)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Grid(CRS.from_epsg(32631), GRID.transform, 100, 80), "CRS EPSG:32631 instead of EPSG:32630"),
        (Grid(UTM, from_origin(500000, 4000000, 10, 10), 100, 80), "cell size 10 × 10 instead of 30 × 30"),
        (Grid(UTM, GRID.transform, 99, 80), "99 × 80 cells instead of 100 × 80"),
        (Grid(UTM, from_origin(500015, 4000000, 30, 30), 100, 80), "shifted by 0.5 cells"),
    ],
)
def test_differences_are_said_in_words(other, words):
    assert not GRID.same_as(other)
    assert words in "; ".join(GRID.differences(other))


def test_rounding_is_no_difference():
    assert GRID.same_as(Grid(UTM, from_origin(500000.0001, 4000000.0001, 30.0000001, 30), 100, 80))


@pytest.mark.parametrize("latitude", [-60.0, 0.0, 35.0, 80.0])
def test_metres_per_degree_agree_with_geodesics(latitude):
    geod = Geod(ellps="WGS84")
    step = 0.001
    x = geod.inv(10, latitude, 10 + step, latitude)[2] / step
    y = geod.inv(10, latitude - step / 2, 10, latitude + step / 2)[2] / step
    np.testing.assert_allclose(metres_per_degree(latitude), (x, y), rtol=1e-6)


def test_feet_are_converted():
    feet = Grid(CRS.from_epsg(2225), from_origin(6000000, 2000000, 100, 100), 10, 10)
    np.testing.assert_allclose(feet.metres_per_unit(), 1200 / 3937, rtol=1e-9)


def test_bounds_of_a_south_up_grid():
    south_up = Grid(UTM, from_origin(0, 0, 10, -10), 5, 4)
    assert south_up.bounds == (0, 0, 50, 40)


SITE = 'LOCAL_CS["site grid",UNIT["metre",1],AXIS["easting",EAST],AXIS["northing",NORTH]]'


def test_a_unit_of_web_mercator_at_60_north_is_half_a_metre():
    y = 8399737.89  # 60° N
    grid = Grid(3857, from_origin(1000000, y + 5000, 100, 100), 100, 100)
    np.testing.assert_allclose(grid.metres_per_unit(), 0.5, rtol=0.003)
    assert grid.metres_per_unit(0)[0] < grid.metres_per_unit(99)[0] and grid.unit_metres == 1


def test_maps_for_measuring_keep_their_units():
    for crs in (32630, 3035, 2154, 27700):
        grid = Grid(crs, from_origin(500000, 500000, 30, 30) if crs == 27700 else from_origin(4e5, 6.5e6, 30, 30), 9, 9)
        if crs != 3035:
            assert grid.metres_per_unit() == (1, 1)
    feet = Grid(2263, from_origin(980000, 200000, 30, 30), 9, 9)
    assert feet.metres_per_unit() == pytest.approx((0.3048006, 0.3048006))


def test_a_site_grid_measures_but_lies_nowhere(write_raster):
    source = write_raster("site.tif", np.zeros((1, 9, 9), np.float32), ["dem"], crs=SITE)
    grid = read_bands([source])[0].grid
    assert grid.metres_per_unit() == (1, 1) and grid.is_site_grid
    with pytest.raises(InputError, match=r"site grid 'site grid'.*EPSG:32630.*Georeference it"):
        overlap(grid, Grid(32630, from_origin(500000, 4000000, 30, 30), 9, 9))
