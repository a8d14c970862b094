"""Times of bands and observations."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_toolbox.raster.times import Time, parse_time


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
