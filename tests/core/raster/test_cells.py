"""Values at points are those of a map's cells: equal to warping the whole raster and looking the cells up."""

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.transform import from_origin

from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import read_bands, stacks
from sm_toolbox.raster.cells import Cells, finest_grid, sample_cells_of
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


@pytest.mark.parametrize("rule", ["auto", "nearest", "average"])
@pytest.mark.parametrize("cell", [0.00009, 0.0003, 0.003])
def test_other_coordinate_reference_systems(write_raster, grid, rule, cell):
    rng = np.random.default_rng(1)
    # Smooth, since versions of GDAL find a cell to an eighth of its size.
    shape = int(0.025 / cell) + 2, int(0.035 / cell) + 2
    row, column = np.indices(shape) * cell
    values = np.sin(300 * row) + np.cos(200 * column) + 0.01 * rng.random(shape)
    transform = from_origin(-3.004, 36.147, cell, cell)
    bands = read_bands([write_raster("g.tif", values, ["ndvi"], crs="EPSG:4326", transform=transform)])
    x, y = points_on(grid, 100)
    found = sample_cells_of(bands, Cells(grid, rule), x, y, UTM, np.arange(100), np.zeros(100, int))
    expected = by_the_map(bands, grid, rule, x, y)[0]
    assert not np.isnan(expected).any()
    difference = np.abs(found - expected)
    print(rule, cell, np.quantile(difference, 0.97), difference.max())
    assert np.quantile(difference, 0.97) < 0.01


def test_points_beyond_the_grid_and_nowhere(write_raster, grid):
    fine = write_raster("f.tif", np.arange(40000.0).reshape(200, 200), ["dem"], cell=10, origin=(499000.0, 4001000.0))
    bands = read_bands([fine])
    x, y = np.array([499500.0, 500015.0, np.nan, 1e12]), np.array([4000500.0, 3999985.0, np.nan, 1e12])
    found = sample_cells_of(bands, Cells(grid), x, y, UTM, np.arange(4), np.zeros(4, int))
    assert np.isfinite(found[:2]).all() and np.isnan(found[2:]).all()


def test_the_finest_grid_is_the_first_of_equals(write_raster):
    sources = [
        write_raster("a.tif", np.ones((4, 4)), ["a"], cell=300),
        write_raster("b.tif", np.ones((4, 4)), ["b"], cell=30),
        write_raster("c.tif", np.ones((4, 4)), ["c"], cell=30, origin=(500010.0, 4000000.0)),
    ]
    found = stacks(read_bands(sources))
    assert finest_grid(found.values()) is found["b"].bands[0].grid
