"""Variables that need no raster: the same in a training table, in maps of any blocks, and by hand."""

import numpy as np
import pytest
from pyproj import Transformer
from rasterio.crs import CRS

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.builtin import BUILTINS, MapBuiltins, builtin_origins, of_time
from sm_toolbox.raster.cells import CellRule
from sm_toolbox.raster.opening import grid_of
from sm_toolbox.raster.origins import read_predictors
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.pixels import sample_pixels
from sm_toolbox.stations.sampling import Rows, sample_rows
from sm_toolbox.stations.table import TableSettings, sample_table

UTM = CRS.from_epsg(32630)


@pytest.fixture
def dem(write_raster):
    return write_raster("dem.tif", np.random.default_rng(0).random((20, 30)), ["dem"])


@pytest.fixture
def rows():
    x, y = np.array([500040.0, 500700.0, np.nan]), np.array([3999955.0, 3999500.0, np.nan])
    return Rows("st", x, y, UTM, [parse_time(text) for text in ("2020-02-29T13:00:00", "2020-12-31", "2020-01-01")])


def by_name(samples):
    return {variable.variable: variable.values for variable in samples.variables}


@pytest.mark.parametrize("method", ["nearest", CellRule()])
def test_rows_get_place_and_date(dem, rows, method):
    found = by_name(sample_rows(rows, [dem], None, method, builtins=tuple(BUILTINS)))
    assert list(found) == ["dem", *BUILTINS]
    x, y = rows.x, rows.y
    if method != "nearest":
        # The centre of the cell, as the map has it.
        x, y = 500000 + 30 * (np.floor((x - 500000) / 30) + 0.5), 4000000 - 30 * (np.floor((4000000 - y) / 30) + 0.5)
    np.testing.assert_allclose(found["x"], x)
    np.testing.assert_allclose(found["y"], y)
    longitude, latitude = Transformer.from_crs(32630, 4326, always_xy=True).transform(x[:2], y[:2])
    np.testing.assert_allclose(found["longitude"][:2], longitude, atol=1e-9)
    np.testing.assert_allclose(found["latitude"][:2], latitude, atol=1e-9)
    np.testing.assert_array_equal(found["day_of_year"], [60, 366, np.nan])
    np.testing.assert_array_equal(found["month"], [2, 12, np.nan])


def test_periods_have_the_date_of_their_middle():
    assert of_time("day_of_year", parse_time("2020-06")) == 168 and of_time("month", parse_time("2020-06")) == 6
    assert of_time("month", parse_time("2019")) == 7


def test_the_map_has_what_the_table_has(dem, rows):
    samples = sample_rows(rows, [dem], None, CellRule(), builtins=tuple(BUILTINS))
    grid = grid_of(dem)
    made = MapBuiltins(grid, {name: samples.origins[name] for name in BUILTINS})
    whole = {**made.in_window(Window(0, 0, 30, 20)), **made.on_date(parse_time("2020-02-29"), (20, 30))}
    column, row = int(40 / 30), int(45 / 30)
    for name, values in by_name(samples).items():
        if name in BUILTINS:
            assert whole[name].dtype == np.float32 and whole[name][row, column] == np.float32(values[0])
    for window in (Window(3, 5, 7, 4), Window(29, 19, 1, 1)):
        down = slice(window.row_off, window.row_off + window.height)
        right = slice(window.col_off, window.col_off + window.width)
        for name, values in made.in_window(window).items():
            np.testing.assert_array_equal(values, whole[name][down, right])


def test_names_that_are_taken_get_a_suffix(dem, rows, write_raster):
    assert list(builtin_origins(["longitude", "month"], ["Longitude"], None)) == ["longitude_builtin", "month"]
    settings = TableSettings(builtins=("longitude", "latitude"))
    made = sample_table(rows, {"longitude": [1.0, 2.0, 3.0]}, [dem], settings)
    assert made.columns["longitude"] == [1.0, 2.0, 3.0]
    assert made.columns["longitude_builtin"][0] == pytest.approx(-3, abs=0.1)
    assert made.predictors == ["dem", "longitude_builtin", "latitude"]
    origin = made.samples.origins["longitude_builtin"]
    assert (origin.variable, origin.kind, origin.unit) == ("longitude", "builtin", "degrees_east")


def test_a_date_needs_the_time_field(dem, rows):
    with pytest.raises(InputError, match=r"`builtins` day_of_year needs the `times` field of 'st'"):
        sample_rows(Rows("st", rows.x, rows.y, UTM), [dem], builtins=["day_of_year"])


def test_pixels_of_products_have_them_too(write_raster, dem, rows):
    product = write_raster("sm.tif", np.full((1, 2, 3), 0.2), ["sm@2020-03-01"], cell=300)
    origins = sample_rows(rows, [dem], builtins=tuple(BUILTINS)).origins
    pixels = sample_pixels([product], read_predictors([dem]), builtins={name: origins[name] for name in BUILTINS})
    assert pixels.predictors["x"].tolist() == [500150, 500450, 500750] * 2
    assert set(pixels.predictors["day_of_year"]) == {61} and set(pixels.predictors["month"]) == {3}
