"""Values at points: against plain array indexing, rasterio.sample and interpolation by hand."""

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS

from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.sampling import sample

UTM = CRS.from_epsg(32630)
WGS = CRS.from_epsg(4326)


@pytest.fixture
def field(write_raster):
    cells = np.random.default_rng(0).random((3, 90, 70)).astype(np.float32)
    cells[:, 40:45, 30:35] = -9999
    source = write_raster("field.tif", cells, list("abc"), nodata=-9999, tiled=True, blockxsize=16, blockysize=16)
    return np.where(cells == -9999, np.nan, cells), read_bands([source]), source.path


def centres(rows, columns):
    return 500000 + 30 * (np.asarray(columns) + 0.5), 4000000 - 30 * (np.asarray(rows) + 0.5)


def test_nearest_is_the_cell_that_holds_the_point(field):
    _cells, bands, path = field
    rng = np.random.default_rng(1)
    x, y = 500000 + rng.random(400) * 2100, 4000000 - rng.random(400) * 2700
    points, wanted = np.repeat(np.arange(400), 3), np.tile(np.arange(3), 400)
    values = sample(bands, x, y, UTM, points, wanted).reshape(400, 3)
    with rasterio.open(path) as dataset:
        peer = np.array([np.where(value == -9999, np.nan, value) for value in dataset.sample(np.stack([x, y], 1))])
    np.testing.assert_array_equal(values, peer)


def test_stations_in_another_crs(field):
    cells, bands, _ = field
    x, y = centres([3, 50], [4, 60])
    lon, lat = Transformer.from_crs(32630, 4326, always_xy=True).transform(x, y)
    values = sample(bands, np.array(lon), np.array(lat), WGS, np.array([0, 1]), np.array([0, 2]))
    np.testing.assert_array_equal(values, [cells[0, 3, 4], cells[2, 50, 60]])


def test_outside_nodata_and_not_wanted_are_nan(field):
    _, bands, _ = field
    x, y = centres([-1, 42, 10, 10], [10, 32, 70, 10])
    values = sample(bands, x, y, UTM, np.arange(4), np.array([0, 0, 0, -1]))
    assert np.isnan(values).all()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(1, 88), st.floats(1, 68))
def test_bilinear_and_mean_by_hand(field, row, column):
    cells, bands, _ = field
    # On the very edge of a cell rounding decides which one it is.
    assume(all(abs(2 * value - round(2 * value)) > 1e-6 for value in (row, column)))
    x, y = np.array([500000 + 30 * column]), np.array([4000000 - 30 * row])
    one = np.array([0])
    r, c = int(np.floor(row - 0.5)), int(np.floor(column - 0.5))
    weight = np.outer([1 - (row - 0.5 - r), row - 0.5 - r], [1 - (column - 0.5 - c), column - 0.5 - c])
    four = cells[1, r : r + 2, c : c + 2]
    weight = np.where(np.isnan(four), 0, weight)
    expected = np.nansum(four * weight) / weight.sum() if weight.sum() > 1e-9 else np.nan
    np.testing.assert_allclose(sample(bands, x, y, UTM, one, one + 1, "bilinear"), expected, rtol=1e-5)
    r, c = int(row), int(column)
    nine = cells[1, r - 1 : r + 2, c - 1 : c + 2]
    expected = np.nan if np.isnan(nine).all() else np.nanmean(nine)
    np.testing.assert_allclose(sample(bands, x, y, UTM, one, one + 1, "mean_3x3"), expected, rtol=1e-5)


def test_bilinear_at_the_edge_uses_the_cells_there_are(field):
    cells, bands, _ = field
    values = sample(bands, np.array([500001.0]), np.array([3999999.0]), UTM, np.array([0]), np.array([0]), "bilinear")
    np.testing.assert_allclose(values, cells[0, 0, 0], rtol=1e-6)
