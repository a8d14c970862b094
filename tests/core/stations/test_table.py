"""The training table: columns that are added, kept and replaced, and pixels of a product as further rows."""

import numpy as np
import pytest
from rasterio.crs import CRS

from sm_toolbox.errors import InputError
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.stations.table import TableSettings, pixel_table, sample_table

DAYS = ("2020-06-01", "2020-06-02", "2020-06-03")


@pytest.fixture
def stations():
    """Three rows of two stations, and their columns."""
    times = [parse_time(day) for day in DAYS]
    x, y = np.array([500015.0, 500015.0, 500615.0]), np.array([3999985.0, 3999985.0, 3999385.0])
    rows = Rows("gauges", x, y, CRS.from_epsg(32630), times, ["a", "a", "b"])
    columns = {
        "station": ["a", "a", "b"],
        "day": list(DAYS),
        "soil_moisture": [0.1, 0.2, None],
        "slope": [1.0, 2.0, 3.0],
    }
    return rows, columns


@pytest.fixture
def rasters(write_raster):
    ndvi = np.stack([np.full((40, 40), 0.5), np.full((40, 40), 0.7)])
    return [
        write_raster("ndvi.tif", ndvi, ["ndvi@2020-06-01", "ndvi@2020-06-03"]),
        write_raster("clay.tif", np.arange(1600.0).reshape(40, 40), ["clay"]),
    ]


def test_columns_of_stations_and_of_rasters(stations, rasters, progress):
    rows, columns = stations
    table = sample_table(rows, columns, rasters, progress=progress)
    assert list(table.columns) == [*columns, "ndvi", "clay", "ndvi_gap_days"]
    assert table.predictors == ["ndvi", "clay"] and table.added == ["ndvi", "clay", "ndvi_gap_days"]
    assert table.columns["clay"] == [0, 0, 20 * 40 + 20] and table.columns["soil_moisture"] == [0.1, 0.2, None]
    assert table.columns["ndvi"][0] == pytest.approx(0.5) and table.complete == 3 and table.pixels is None
    assert "3 of 3 rows have a value of every predictor." in progress.infos
    assert any("half the distance" in line for line in progress.infos)


def test_what_a_larger_gap_would_bring_is_said(stations, rasters, progress):
    rows, columns = stations
    table = sample_table(rows, columns, rasters, TableSettings(max_gap_days=0), progress=progress)
    assert table.complete == 2 and "ndvi_gap_days" not in table.columns
    (warning,) = progress.warnings
    assert "'ndvi' is missing in 1 rows" in warning
    assert "with 1 days (`max_gap_days`) 3 rows would be complete" in warning


def test_columns_are_replaced_where_that_is_wanted(stations, write_raster, progress):
    rows, columns = stations
    slope = [write_raster("terrain.tif", np.full((40, 40), 9.0), ["slope"])]
    kept = sample_table(rows, columns, slope)
    assert kept.columns["slope"] == [1, 2, 3] and kept.predictors == ["slope_terrain"]
    replaced = sample_table(rows, columns, slope, TableSettings(replace=True), progress=progress)
    assert replaced.columns["slope"] == [9, 9, 9] and list(replaced.columns)[-1] == "slope"
    assert any("'slope' of 'gauges' is replaced by the values of the raster 'slope'" in w for w in progress.warnings)
    # Observed values are not.
    moisture = [write_raster("product.tif", np.full((40, 40), 0.3), ["soil_moisture"])]
    table = sample_table(rows, columns, moisture, TableSettings(replace=True))
    assert table.columns["soil_moisture"] == [0.1, 0.2, None] and table.predictors == ["soil_moisture_product"]
    with pytest.raises(InputError, match="'fid', which GeoPackages keep for themselves"):
        sample_table(rows, columns, [write_raster("fid.tif", np.ones((40, 40)), ["fid"])])


def test_pixels_of_a_product_are_further_rows(stations, rasters, write_raster):
    rows, columns = stations
    product = [write_raster("smap.tif", np.full((2, 2), 0.25), ["sm@2020-06-01"], cell=600.0)]
    settings = TableSettings(station="station", time="day", value="soil_moisture")
    table = sample_table(rows, columns, rasters, settings, product)
    assert table.columns["source"] == ["station"] * 3 + ["smap"] * 4
    assert table.columns["soil_moisture"][3:] == [0.25] * 4 and table.columns["slope"][3:] == [None] * 4
    assert table.columns["day"] == [*DAYS, *[parse_time("2020-06-01")] * 4]
    assert table.columns["station"][3] == "smap r0 c0" and table.columns["ndvi"][3] == pytest.approx(0.5)
    assert len({len(values) for values in table.columns.values()}) == 1 and table.complete == 7
    np.testing.assert_allclose((table.x[3], table.y[3]), (500300, 3999700))
    with pytest.raises(InputError, match="`product` needs `value` or `extra_value`"):
        sample_table(rows, columns, rasters, TableSettings(), product)


def test_earlier_values_are_columns(stations, write_raster, progress):
    rows, columns = stations
    days = ["2020-05-30", "2020-05-31", "2020-06-01", "2020-06-03"]
    values = np.arange(4.0)[:, None, None] * np.ones((1, 40, 40))
    rain = [write_raster("rain.tif", values, [f"rain@{day}" for day in days])]
    table = sample_table(rows, columns, rain, TableSettings(lags="rain:1-2, rain:2d, rain:2d:sum"), progress=progress)
    assert table.predictors == ["rain", "rain_lag1", "rain_lag2", "rain_lag2d", "rain_sum2d"]
    nan = np.nan
    np.testing.assert_array_equal(table.columns["rain"], [2, nan, 3])
    # Of 2020-06-02 there is no rain, but that of the days before is known; the sum over it is not.
    np.testing.assert_array_equal(table.columns["rain_lag1"], [1, 2, nan])
    np.testing.assert_array_equal(table.columns["rain_lag2"], [0, 1, 2])
    np.testing.assert_array_equal(table.columns["rain_lag2d"], [0, 1, 2])
    np.testing.assert_array_equal(table.columns["rain_sum2d"], [3, nan, nan])
    # No gap field for each of them, and one line about all.
    assert [name for name in table.columns if name.endswith("gap_days")] == []
    assert len([warning for warning in progress.warnings if "_lag" in warning or "_sum" in warning]) == 0
    assert any("Earlier values are missing in up to 2 rows ('rain_sum2d')" in line for line in progress.infos)
    assert table.samples.origins["rain_sum2d"].lag == "2d:sum"


def test_pixels_alone_are_a_table(rasters, write_raster, progress):
    product = [write_raster("smap.tif", np.full((2, 2), 0.25), ["sm@2020-06-03"], cell=600.0)]
    settings = TableSettings(station="station", time="time", extra_value="soil_moisture", lags="ndvi:1")
    table = pixel_table(product, rasters, settings, progress)
    assert list(table.columns) == [
        "station", "time", "soil_moisture", "source", "ndvi", "clay", "ndvi_lag1", "ndvi_gap_days",
    ]  # fmt: skip
    assert table.columns["station"] == ["smap r0 c0", "smap r0 c1", "smap r1 c0", "smap r1 c1"]
    assert table.columns["time"] == [parse_time("2020-06-03")] * 4 and table.complete == 4
    np.testing.assert_allclose(table.columns["ndvi"], 0.7, rtol=1e-6)
    np.testing.assert_allclose(table.columns["ndvi_lag1"], 0.5, rtol=1e-6)
    np.testing.assert_allclose(table.columns["clay"][0], np.arange(1600.0).reshape(40, 40)[:20, :20].mean())
    assert table.samples.origins["clay"].grid_cell_m[0] == pytest.approx(600, rel=0.01)
    with pytest.raises(InputError, match="lies wholly within"):
        pixel_table([write_raster("far.tif", np.ones((2, 2)), ["sm"], cell=600, origin=(9e5, 1e6))], rasters, settings)
