"""Series of regions by hand: zones of polygons, bands of latitude, areas of cells, coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.grid import Grid, metres_per_degree
from sm_toolbox.raster.opening import grid_of
from sm_toolbox.raster.request import Engine
from sm_toolbox.timeseries.regional import regional_series
from sm_toolbox.timeseries.zones import LatitudeBands, Polygons, names_of

LEFT, TOP = 500000.0, 4000000.0


def box(name, left, top, right, bottom):
    """A rectangle, in cells of 30 m from the corner."""
    x, y = np.array([left, right, right, left]), np.array([top, top, bottom, bottom])
    return Polygons(name, ((np.stack([LEFT + 30 * x, TOP - 30 * y], axis=1),),))


def winding(ring, x, y):
    """Even-odd rule, point by point."""
    inside = False
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0)):
        if (y0 <= y) != (y1 <= y) and x > x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside


@given(st.integers(0, 10_000))
def test_cells_in_polygons_point_by_point(seed):
    rng = np.random.default_rng(seed)
    grid = Grid(32630, Affine(10, 0, 1000, 0, -10, 2000), 30, 20)
    rings = tuple(
        np.stack([1000 + 300 * rng.random(n), 2000 - 200 * rng.random(n)], axis=1) for n in rng.integers(3, 9, 2)
    )
    window = Window(4, 3, 20, 15)
    found = Polygons("zone", (rings,)).cells(grid, window)
    for row, column in np.ndindex(15, 20):
        x, y = 1000 + 10 * (column + 4.5), 2000 - 10 * (row + 3.5)
        assert found[row, column] == (sum(winding(ring, x, y) for ring in rings) % 2 == 1)


def test_a_polygon_with_a_hole_and_corners_on_centres():
    grid = Grid(32630, Affine(1, 0, 0, 0, -1, 10), 10, 10)
    outer = np.array([[0.5, 9.5], [8.5, 9.5], [8.5, 1.5], [0.5, 1.5]])
    hole = np.array([[3, 7], [6, 7], [6, 4], [3, 4]], float)
    found = Polygons("zone", ((outer, hole),)).cells(grid, Window(0, 0, 10, 10))
    # Neighbours that share an edge share no cell: of eight by eight centres between the corners each counts once.
    assert found.sum() == 8 * 8 - 9 and not found[4, 4]
    beside = Polygons("beside", ((outer + np.array([8, 0]),),)).cells(grid, Window(0, 0, 10, 10))
    assert not (found & beside).any() and (found | beside)[:, 8].any()
    # Parts that overlap do not cancel each other.
    twice = Polygons("twice", ((outer,), (outer,))).cells(grid, Window(0, 0, 10, 10))
    assert twice.sum() == 64


@pytest.fixture
def series(write_raster):
    rng = np.random.default_rng(0)
    values = rng.random((5, 8, 10)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[4] = np.nan
    return values, write_raster("sm.tif", values, [f"sm@2018-06-0{day}" for day in range(1, 6)])


def test_zones_by_hand(series, write_raster, progress):
    values, source = series
    static = write_raster("clay.tif", np.arange(80.0).reshape(8, 10), ["clay"])
    zones = [box("west", 0, 0, 4, 8), box("middle", 2, 2, 7, 6), box("far", 20, 20, 30, 30)]
    found = regional_series([source, static], zones, Engine(progress=progress))
    assert found.zones == ["west", "middle", "far"] and found.cells[:3].tolist() == [32, 20, 0]
    sm, clay = found.variables
    for zone, cells in ((0, values[:, :, :4]), (1, values[:, 2:6, 2:7])):
        flat = cells.reshape(5, -1).astype(float)
        np.testing.assert_allclose(sm.coverage[:, zone], np.isfinite(flat).mean(axis=1))
        np.testing.assert_allclose(sm.mean[:4, zone], np.nanmean(flat[:4], axis=1), rtol=1e-6)
        np.testing.assert_allclose(sm.sd[:4, zone], np.nanstd(flat[:4], axis=1, ddof=1), rtol=1e-6)
    assert np.isnan(sm.mean[4]).all() and sm.coverage[4, 0] == 0
    assert clay.times == [None] and clay.mean[0, 1] == np.arange(80.0).reshape(8, 10)[2:6, 2:7].mean()
    assert str(sm.times[0]) == "2018-06-01"
    assert any("1 of 3 zones hold the centre of no cell and have no values: 'far'" in w for w in progress.warnings)


def test_all_cells_and_bands_of_latitude(series):
    values, source = series
    found = regional_series([source])
    assert found.zones == ["all"] and found.cells[0] == 80
    (sm,) = found.variables
    np.testing.assert_allclose(sm.coverage[:, 0], np.isfinite(values).mean(axis=(1, 2)))
    # The bands of latitude hold all cells between them.
    assert found.cells[1:].sum() == 80 and len(found.bands) == len(found.cells) - 1
    shares = sm.coverage[:, 1:] * found.cells[1:]
    np.testing.assert_allclose(shares.sum(axis=1), sm.coverage[:, 0] * 80)


def test_cells_in_degrees_count_by_their_area(write_raster):
    values = np.zeros((1, 60, 2), np.float32)
    values[:, 30:] = 1
    source = write_raster("sm.tif", values, ["sm@2018-06"], cell=1.0, origin=(10.0, 80.0), crs="EPSG:4326")
    found = regional_series([source])
    latitude = 79.5 - np.arange(60)
    areas = np.prod(metres_per_degree(latitude), axis=0)
    assert found.variables[0].mean[0, 0] == pytest.approx(areas[30:].sum() / areas.sum(), rel=1e-6)
    assert found.variables[0].coverage[0, 0] == 1
    bands = LatitudeBands.of(grid_of(source))
    assert bands.names[0] == "78° N to 80° N" and len(bands.names) == 30
    south = write_raster("s.tif", np.ones((1, 4, 2)), ["sm"], cell=1.0, origin=(10.0, 2.0), crs="EPSG:4326")
    assert LatitudeBands.of(grid_of(south)).names[-1] == "1.6° S to 1.5° S"


def test_little_memory_makes_the_same(write_raster):
    rng = np.random.default_rng(0)
    source = write_raster(
        "sm.tif", rng.random((30, 140, 150)).astype(np.float32), [f"sm@2018-06-{d:02d}" for d in range(1, 31)]
    )
    zones = [box("a", 10, 10, 100, 120)]
    first, second = (regional_series([source], zones, Engine(memory=memory)) for memory in (None, 2**20))
    np.testing.assert_allclose(first.variables[0].mean, second.variables[0].mean, rtol=1e-12)
    np.testing.assert_array_equal(first.variables[0].coverage, second.variables[0].coverage)


def test_refusals(series, write_raster):
    _, source = series
    with pytest.raises(InputError, match="No cell of 'sm.tif' has its centre in one of the `zones`"):
        regional_series([source], [box("far", 20, 20, 30, 30)])
    empty = write_raster("empty.tif", np.full((1, 4, 4), np.nan), ["sm@2018-06-01"])
    with pytest.raises(InputError, match="No cell of the zones has data in 'empty.tif'"):
        regional_series([empty])


def test_names_are_told_apart():
    zones = [Polygons(name, ()) for name in ("Tisza", "Danube", "Tisza", "Tisza")]
    assert names_of(zones) == ["Tisza", "Danube", "Tisza (2)", "Tisza (3)"]


def test_bands_of_latitude_around_a_pole():
    """The pole lies inside the grid, where neither its edges nor its corners are."""
    grid = Grid(CRS.from_epsg(6931), Affine(36000, 0, -1800000, 0, -36000, 2200000), 100, 111)
    bands = LatitudeBands.of(grid)
    assert bands.edges[0] == 90
    assert (bands.of_cells(grid, Window(0, 0, 100, 111)) >= 0).all()
