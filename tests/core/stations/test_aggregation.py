"""Means over periods and cells: against pandas, by hand, and what is left out."""

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from sm_toolbox.errors import InputError
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.aggregation import aggregate
from sm_toolbox.stations.sampling import Rows

UTM = CRS.from_epsg(32630)
GRID = Grid(UTM, Affine(100, 0, 1000, 0, -100, 2000), 5, 5)


def rows_of(names, times, x=None, y=None):
    x = np.full(len(names), 1050.0) if x is None else np.asarray(x, float)
    y = np.full(len(names), 1950.0) if y is None else np.asarray(y, float)
    return Rows("obs", x, y, UTM, [None if time is None else parse_time(time) for time in times], names)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 24 * 70), st.floats(0, 0.6)), min_size=1, max_size=80),
    st.sampled_from([("hour", "h"), ("day", "D"), ("month", "MS")]),
    st.integers(1, 3),
)
def test_means_are_those_of_pandas(observations, period, min_count):
    names, hours, values = (list(column) for column in zip(*observations))
    stamps = pd.Timestamp("2019-12-20T00:20:00") + pd.to_timedelta(np.array(hours) * 0.7, unit="h")
    rows = rows_of(names, [stamp.strftime("%Y-%m-%dT%H:%M:%S") for stamp in stamps])
    starts = stamps.to_period("M").to_timestamp() if period[0] == "month" else stamps.floor(period[1])
    frame = pd.DataFrame({"name": names, "start": starts, "value": values})
    expected = frame.groupby(["name", "start"])["value"].agg(["mean", "count", "std", "min", "max"]).reset_index()
    expected = expected[expected["count"] >= min_count]
    if expected.empty:
        with pytest.raises(InputError, match="the most are"):
            aggregate(rows, np.array(values), period[0], min_count)
        return
    found = aggregate(rows, np.array(values), period[0], min_count)
    assert found.names == expected["name"].tolist()
    assert [time.start for time in found.times] == expected["start"].tolist()
    for ours, theirs in (
        (found.values, "mean"),
        (found.counts, "count"),
        (found.sd, "std"),
        (found.minimum, "min"),
        (found.maximum, "max"),
    ):
        np.testing.assert_allclose(ours, expected[theirs].to_numpy(float), atol=1e-12)
    np.testing.assert_array_equal(np.bincount(found.row_groups[found.row_groups >= 0]), found.counts)


def test_a_cell_is_the_mean_of_its_stations_not_of_their_observations():
    rows = rows_of(
        ["a", "a", "a", "b", "c"],
        ["2020-01-01T00:00:00", "2020-01-01T06:00:00", "2020-01-01T12:00:00", "2020-01-01", "2020-01-01"],
        x=[1010, 1010, 1010, 1090, 1390],
        y=[1990, 1990, 1990, 1910, 1610],
    )
    found = aggregate(rows, np.array([0.1, 0.2, 0.3, 0.4, 0.5]), "day", grid=GRID)
    assert found.names == ["cell_r0_c0", "cell_r3_c3"]
    np.testing.assert_allclose(found.values, [0.3, 0.5])
    np.testing.assert_allclose(found.sd, [np.std([0.2, 0.4], ddof=1), np.nan])
    np.testing.assert_array_equal(found.counts, [4, 1])
    np.testing.assert_array_equal(found.stations, [2, 1])
    np.testing.assert_array_equal(found.row_groups, [0, 0, 0, 0, 1])
    np.testing.assert_allclose([found.x, found.y], [[1050, 1350], [1950, 1650]])


def test_stations_in_the_ease_grid(tmp_path):
    """Stations given in degrees fall into cells of EASE-Grid 2.0, as in S4."""
    ease = Grid(CRS.from_epsg(6933), Affine(1000.9, 0, -17367530.445, 0, -1000.9, 7314540.83), 34704, 14616)
    rows = Rows(
        "obs",
        np.array([-117.0, -117.001, -116.0]),
        np.array([46.78, 46.781, 46.78]),
        CRS.from_epsg(4326),
        [parse_time("2020-01-01")] * 3,
        list("abc"),
    )
    found = aggregate(rows, np.array([0.1, 0.3, 0.2]), "day", grid=ease)
    np.testing.assert_allclose(found.values, [0.2, 0.2])
    np.testing.assert_array_equal(found.stations, [2, 1])


def test_rows_that_cannot_be_used_are_counted(progress):
    rows = rows_of(
        ["a", None, "a", "a", "a"],
        ["2020-01-01", "2020-01-01", None, "2020-01-01", "2020-02-01"],
        x=[1050, 1050, 1050, 9999, 1050],
    )
    found = aggregate(rows, np.array([0.1, 0.2, 0.3, 0.4, np.nan]), "month", grid=GRID)
    assert found.left_out == {"without a station": 1, "without a time": 1, "without a value": 1, "outside the grid": 1}
    np.testing.assert_array_equal(found.row_groups, [0, -1, -1, -1, -1])
    found = aggregate(rows_of(["a"] * 3, ["2020-01-01", "2020-01-01", "2020-01-02"]), np.ones(3), "day", min_count=2)
    assert found.left_out == {"in periods with fewer than 2": 1}


def test_one_name_at_two_places_is_said(progress):
    aggregate(
        rows_of(["Åre #1", "Åre #1"], ["2020-01-01", "2020-01-02"], x=[1000, 1100]),
        np.ones(2),
        "day",
        progress=progress,
    )
    assert (
        "1 stations of 'obs' have rows at different places" in progress.warnings[0] and "Åre #1" in progress.warnings[0]
    )


def test_refusals():
    rows = rows_of(["a"], ["2020-01"])
    with pytest.raises(InputError, match="stand for a whole month each and cannot be averaged by the day"):
        aggregate(rows, np.ones(1), "day")
    with pytest.raises(InputError, match="No row of 'obs' can be used: 1 rows without a value"):
        aggregate(rows, np.array([np.nan]), "month")
    with pytest.raises(InputError, match="1 rows outside the grid"):
        aggregate(rows_of(["a"], ["2020-01-01"], x=[0]), np.ones(1), "day", grid=GRID)
    with pytest.raises(InputError, match=r"No station of 'obs' has 5 observations in a month; the most are 1"):
        aggregate(rows, np.ones(1), "month", 5)
    with pytest.raises(InputError, match="without the `names` and `times` fields"):
        aggregate(Rows("obs", np.ones(1), np.ones(1), UTM), np.ones(1), "day")


def test_a_station_is_where_its_first_row_with_a_point_is(progress):
    rows = rows_of(
        ["a", "a", "b"], ["2020-06-01", "2020-06-02", "2020-06-03"], [np.nan, 5, np.nan], [np.nan, 7, np.nan]
    )
    found = aggregate(rows, np.array([0.1, 0.3, 0.2]), "month", progress=progress)
    assert found.x[0] == 5 and found.y[0] == 7 and np.isnan(found.x[1]) and not progress.warnings
