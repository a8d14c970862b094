"""Predictors at stations: matched in place and time, nothing dropped silently."""

import numpy as np
import pytest
from rasterio.crs import CRS

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.report import sampling_report
from sm_toolbox.stations.sampling import Rows, sample_rows

UTM = CRS.from_epsg(32630)


def at(row, column):
    return 500000 + 30 * (np.asarray(column) + 0.5), 4000000 - 30 * (np.asarray(row) + 0.5)


@pytest.fixture
def layers(write_raster):
    rng = np.random.default_rng(0)
    dem, ndvi = rng.random((20, 20)), rng.random((3, 20, 20))
    dem[4, 4] = -9999
    return (
        dem,
        ndvi,
        [
            write_raster("dem.tif", dem, ["dem"], nodata=-9999),
            write_raster("ndvi_20200601.tif", ndvi[0], ["ndvi"]),
            write_raster("b.tif", ndvi[1:], ["ndvi@2020-06-09", "ndvi@2020-06-17"]),
        ],
    )


def test_static_and_dated_bands_from_several_files(layers):
    dem, ndvi, sources = layers
    x, y = at([1, 2, 1, 4], [3, 5, 3, 4])
    rows = Rows(
        "st",
        x,
        y,
        UTM,
        [parse_time(t) for t in ("2020-06-01T13:00:00", "2020-06-10", "2020-06-20", "2020-06-17")],
        ["a", "b", "a", "c"],
    )
    samples = sample_rows(rows, sources, max_gap_days=1)
    by_name = {variable.variable: variable for variable in samples.variables}
    np.testing.assert_array_equal(by_name["dem"].values[:3], dem[[1, 2, 1], [3, 5, 3]].astype(np.float32))
    np.testing.assert_array_equal(
        by_name["ndvi"].values, np.float32([ndvi[0, 1, 3], ndvi[1, 2, 5], np.nan, ndvi[2, 4, 4]])
    )
    np.testing.assert_array_equal(samples.complete, [True, True, False, False])
    assert samples.incomplete_stations() == [
        ("a", 1, 2, "ndvi: no date near enough (1)"),
        ("c", 1, 1, "dem: no data (1)"),
    ]


def test_stations_outside_are_listed(layers):
    _, _, sources = layers
    x, y = at([1, 99], [1, 1])
    samples = sample_rows(Rows("st", x, y, UTM, [parse_time("2020-06-01")] * 2, ["in", "Æ #out"]), sources)
    assert samples.incomplete_stations() == [
        ("Æ #out", 1, 1, "dem: outside the raster (1); ndvi: outside the raster (1)")
    ]
    assert "Æ #out" in sampling_report(samples).html()


def test_a_variable_on_several_tiles_is_outside_only_where_no_tile_reaches(write_raster):
    left = write_raster("l.tif", np.ones((5, 5)), ["v@2020-01-01"])
    right = write_raster("r.tif", np.full((5, 5), 2.0), ["v@2020-01-02"], origin=(500150, 4000000))
    x, y = at([2, 2, 2], [2, 7, 12])
    samples = sample_rows(
        Rows("st", x, y, UTM, [parse_time("2020-01-01"), parse_time("2020-01-02"), parse_time("2020-01-02")]),
        [left, right],
    )
    np.testing.assert_array_equal(samples.variables[0].values, [1, 2, np.nan])
    np.testing.assert_array_equal(samples.variables[0].outside, [False, False, True])


def test_no_overlap_says_where_both_are(layers):
    _, _, sources = layers
    rows = Rows("st", np.array([10.0]), np.array([50.0]), CRS.from_epsg(4326), [parse_time("2020-06-01")])
    with pytest.raises(InputError, match=r"No station of 'st' lies within the rasters.*EPSG:4326.*EPSG:32630.*swapped"):
        sample_rows(rows, sources)


def test_no_match_in_time_and_no_data(layers):
    _, _, sources = layers
    x, y = at([1], [1])
    with pytest.raises(InputError, match=r"has a band near enough in time \(ndvi: 2020-06-01 to 2020-06-17\)"):
        sample_rows(Rows("st", x, y, UTM, [parse_time("2021-06-01")]), sources[1:])
    with pytest.raises(InputError, match="No row of 'st' has a time: the `times` field is NULL in all"):
        sample_rows(Rows("st", x, y, UTM, [None]), sources[1:])
    x, y = at([4], [4])
    with pytest.raises(InputError, match="lie on cells without data"):
        sample_rows(Rows("st", x, y, UTM), sources[:1])


def test_dated_rasters_need_times_and_points(layers):
    _, _, sources = layers
    x, y = at([1], [1])
    with pytest.raises(
        InputError, match=r"ndvi are dated \(such as ndvi@2020-06-01\), so that the `times` field of 'st' is needed"
    ):
        sample_rows(Rows("st", x, y, UTM), sources)
    with pytest.raises(InputError, match="No row of 'st' has a point"):
        sample_rows(Rows("st", np.array([np.nan]), np.array([np.nan]), UTM), sources[:1])


def test_rows_without_a_point_get_nothing_and_are_counted(layers, progress):
    _dem, _, sources = layers
    x, y = at([1.0, 2.0], [1.0, 2.0])
    x[1] = np.nan
    samples = sample_rows(Rows("st", x, y, UTM), sources[:1], progress=progress)
    np.testing.assert_array_equal(samples.complete, [True, False])
    assert "1 of 2 rows of 'st' have no point" in progress.warnings[0]


def test_cancel_while_reading(layers, cancelling):
    _, _, sources = layers
    x, y = at([1], [1])
    with pytest.raises(Cancelled):
        sample_rows(Rows("st", x, y, UTM, [parse_time("2020-06-01")]), sources, progress=cancelling(1))
