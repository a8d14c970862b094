"""Values at points are those of a map's cells: equal to warping the whole raster and looking the cells up."""

import numpy as np
import pytest
from rasterio.crs import CRS

from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.cells import Cells, sample_cells_of
from sm_toolbox.raster.points import locate
from sm_toolbox.raster.reading import RULES, BandReader

UTM = CRS.from_epsg(32630)


@pytest.fixture
def grid(write_raster):
    return read_bands([write_raster("grid.tif", np.ones((60, 75)), ["grid"], cell=30)])[0].grid


def points_on(grid, count=300, seed=0):
    rng = np.random.default_rng(seed)
    west, south, east, north = grid.bounds
    return rng.uniform(west, east, count), rng.uniform(south, north, count)


def by_the_map(bands, grid, rule, x, y):
    with BandReader(bands, grid, rule).open() as opened:
        block = opened.read(Window(0, 0, grid.width, grid.height))
    columns, rows, inside = locate(x, y, UTM, grid)
    assert inside.all()
    return block[:, rows.astype(int), columns.astype(int)]


@pytest.mark.parametrize("variable", ["ndvi", "aspect"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cell", [7, 10, 20, 29, 30, 45, 100, 450])
def test_a_value_is_that_of_the_cell_in_the_map(write_raster, grid, rule, cell, variable):
    rng = np.random.default_rng(int(cell))
    shape = 2, int(1900 / cell) + 2, int(2300 / cell) + 2
    values = rng.random(shape) * 360
    values[rng.random(shape) < 0.1] = np.nan
    names = [f"{variable}@2020-06-01", f"{variable}@2020-06-02"]
    bands = read_bands([write_raster("b.tif", values, names, cell=cell, origin=(499990.0, 4000011.0))])
    x, y = points_on(grid)
    points, wanted = np.repeat(np.arange(len(x)), 2), np.tile([0, 1], len(x))
    found = sample_cells_of(bands, Cells(grid, rule), x, y, UTM, points, wanted)
    expected = by_the_map(bands, grid, rule, x, y).T.ravel()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    difference = np.abs(found - expected)
    if variable == "aspect":
        difference = np.minimum(difference, 360 - difference)
    assert np.nanmax(difference) < 2e-3
