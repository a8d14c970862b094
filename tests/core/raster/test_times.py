"""Times of bands and observations."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_toolbox.errors import InputError
from sm_toolbox.raster.times import Time, parse_time, time_in_name


@pytest.mark.parametrize(
    ("text", "start", "resolution"),
    [
        ("2018-06", datetime(2018, 6, 1), "month"),
        ("2018-06-01", datetime(2018, 6, 1), "day"),
        ("2018-06-01T10:30:00", datetime(2018, 6, 1, 10, 30), "second"),
        ("2018-06-01 10:30", datetime(2018, 6, 1, 10, 30), "second"),
        ("2018-06-01T10:30:00Z", datetime(2018, 6, 1, 10, 30), "second"),
        ("2018-06-01T01:30:00+02:00", datetime(2018, 5, 31, 23, 30), "second"),
        ("2018-06-01T10:30:00.123Z", datetime(2018, 6, 1, 10, 30), "second"),
    ],
)
def test_iso_texts(text, start, resolution):
    assert parse_time(text) == Time(start, resolution)


@pytest.mark.parametrize(
    "text", ["01/02/2018", "2018", "2018-13-01", "2018-02-30", "June", "", "20180601", "2018-06-01T25:00:00"]
)
def test_what_is_no_time(text):
    assert parse_time(text) is None


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)).map(lambda d: d.replace(microsecond=0)),
    st.sampled_from(["second", "day", "month"]),
)
def test_a_time_is_read_back_from_its_text(start, resolution):
    start = {
        "second": start,
        "day": start.replace(hour=0, minute=0, second=0),
        "month": start.replace(day=1, hour=0, minute=0, second=0),
    }[resolution]
    time = Time(start, resolution)
    assert parse_time(str(time)) == time


@pytest.mark.parametrize(
    ("stem", "time", "rest"),
    [
        ("ndvi_20180601", "2018-06-01", "ndvi"),
        ("20180601_ndvi", "2018-06-01", "ndvi"),
        ("ndvi_2018-06-01_v2", "2018-06-01", "ndvi_v2"),
        ("ndvi_2018152", "2018-06-01", "ndvi"),
        ("ndvi_201806", "2018-06", "ndvi"),
        ("ndvi-2018-06", "2018-06", "ndvi"),
        ("MOD11A2.A2008001.h18v04.006.2009012345678", "2008-01-01", "MOD11A2_h18v04.006"),
        ("LC08_L2SP_199012_20160209_20200907_02_T1_SR_B4", "2016-02-09", "LC08_L2SP_199012_02_T1_SR_B4"),
        (
            "S2A_MSIL2A_20220301T101031_N0400_R022_T32TQM_20220301T123456",
            "2022-03-01T10:10:31",
            "S2A_MSIL2A_N0400_R022_T32TQM",
        ),
        ("T32TQM_20200101T101031_B8A_20m", "2020-01-01T10:10:31", "T32TQM_B8A_20m"),
        (
            "S1A_IW_GRDH_1SDV_20150309T173017_20150309T173042_004963_006353_1B2C",
            "2015-03-09T17:30:17",
            "S1A_IW_GRDH_1SDV_004963_006353_1B2C",
        ),
        ("S1A__IW___A_20150309T173017_VV_grd", "2015-03-09T17:30:17", "S1A__IW___A_VV_grd"),
        ("dem_30m", "None", "dem_30m"),
        ("tile_123456_x", "None", "tile_123456_x"),
        ("lst_20180230", "None", "lst_20180230"),
        ("ndvi_2018366", "None", "ndvi_2018366"),
    ],
)
def test_dates_in_file_names(stem, time, rest):
    found, name = time_in_name(stem)
    assert (str(found), name) == (time, rest)


def test_a_name_with_two_dates_is_ambiguous():
    with pytest.raises(InputError, match=r"'a/ndvi_20180101_20180116.tif' is ambiguous.*2018-01-01 and 2018-01-16"):
        time_in_name("ndvi_20180101_20180116", "a/ndvi_20180101_20180116.tif")


def test_the_same_date_twice_is_not_ambiguous():
    assert str(time_in_name("ndvi_20180101_20180101")[0]) == "2018-01-01"


@pytest.mark.parametrize(
    ("a", "b", "days"),
    [
        ("2018-06-01", "2018-06-01T14:00:00", 0),
        ("2018-06-01", "2018-06-04", 3),
        ("2018-06-01T12:00:00", "2018-06-02T00:00:00", 0.5),
        ("2018-06", "2018-06-30", 0),
        ("2018-06", "2018-07-02", 2),
        ("2018-05-30T23:00:00", "2018-06", 2),
        ("2018-06", "2018-06", 0),
    ],
)
def test_distances(a, b, days):
    first, second = parse_time(a), parse_time(b)
    assert first.distance_days(second) == second.distance_days(first) == days
