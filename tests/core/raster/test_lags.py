"""Earlier values as variables: dates, gaps and sums by hand, in tables, under pixels and in maps alike."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import read_bands, stacks
from sm_toolbox.raster.lags import Lag, addends_of, lag_of_column, lagged, parse_lags, read_lag, refuse_other_steps
from sm_toolbox.raster.origins import origin_from, read_predictors
from sm_toolbox.raster.times import parse_time
from sm_toolbox.raster.timing import TimeRule


@pytest.fixture
def stack(write_raster):
    def of(name, *dates):
        values = np.arange(len(dates), dtype=float)[:, None, None] * np.ones((1, 2, 2))
        return stacks(read_bands([write_raster(f"{name}.tif", values, [f"{name}@{date}" for date in dates])]))[name]

    return of


def under_dates(of):
    """Places in the record, summed or not, by the date under which they count."""
    return {str(time): addends_of(of)[:, i].tolist() for i, time in enumerate(of.times)}


def test_what_users_write():
    text = "ndvi:1, ndvi:3-4; rain:7d\nrain:7d:sum,rain:3:SUM, ndvi:1"
    found = parse_lags(text)
    assert [(lag.column(name), str(lag)) for name, lag in found] == [
        ("ndvi_lag1", "1"),
        ("ndvi_lag3", "3"),
        ("ndvi_lag4", "4"),
        ("rain_lag7d", "7d"),
        ("rain_sum7d", "7d:sum"),
        ("rain_sum3", "3:sum"),
    ]
    # What is kept as text comes back, and names can be read where no notes are kept.
    assert [read_lag(str(lag)) for _, lag in found] == [lag for _, lag in found]
    assert [lag_of_column(lag.column(name)) for name, lag in found] == found
    assert lag_of_column("ndvi") is lag_of_column("jet_lag") is read_lag("soon") is None and parse_lags(None) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ndvi", "'ndvi' is not of the form"),
        ("ndvi:-1", "'ndvi:-1' is not of the form"),
        ("ndvi:0", "1 to 1,000 steps"),
        ("ndvi:5-2", "the smaller number first"),
        ("ndvi:1-9999", "1 to 1,000 steps"),
        ("rain:0d", "up to 36,525 days"),
        (":1", "is not of the form"),
    ],
)
def test_what_is_no_lag(text, message):
    with pytest.raises(InputError, match=message):
        parse_lags(text)


def test_steps_follow_the_record_and_its_gaps(stack):
    # The last composite of a year is shorter; 2019-01-17 is missing.
    of = stack("ndvi", "2018-12-19", "2018-12-27", "2019-01-01", "2019-01-09", "2019-01-25")
    assert under_dates(lagged("ndvi", of, Lag(1))) == {
        "2018-12-27": [0],
        "2019-01-01": [1],
        "2019-01-09": [2],
        # Eight days after the last one before the gap, and after the end of the record.
        "2019-01-17": [3],
        "2019-02-02": [4],
    }
    assert under_dates(lagged("ndvi", of, Lag(3)))["2019-01-25"] == [2]


def test_months_are_counted_by_the_calendar(stack):
    of = stack("sm", "2018-11", "2018-12", "2019-02")
    assert under_dates(lagged("sm", of, Lag(2))) == {"2019-01": [0], "2019-02": [1], "2019-04": [2]}
    with pytest.raises(InputError, match="months or years, .* counts in steps: sm:1"):
        lagged("sm", of, Lag(0, 30))
    years = stack("cover", "2017", "2018")
    assert under_dates(lagged("cover", years, Lag(1))) == {"2018": [0], "2019": [1]}


def test_days_and_sums(stack):
    days = [f"2018-06-{day:02d}" for day in (1, 2, 3, 4, 6, 7, 8)]
    of = stack("rain", *days)
    week = lagged("rain", of, Lag(0, 7))
    assert [str(time) for time in week.times[:2]] == ["2018-06-08", "2018-06-09"]
    # The day itself is the last of its window; 2018-06-05 is missing, so that windows over it are, too.
    summed = lagged("rain", of, Lag(0, 3, True))
    assert under_dates(summed) == {"2018-06-03": [2, 1, 0], "2018-06-04": [3, 2, 1], "2018-06-08": [6, 5, 4]}
    # However few windows are whole, a step is what it was.
    assert summed.step_days == of.step_days == 1
    assert under_dates(lagged("rain", of, Lag(2, is_sum=True)))["2018-06-07"] == [5, 4]
    dekads = stack("tp", "2018-06-01", "2018-06-11", "2018-06-21", "2018-07-01", "2018-07-11")
    assert under_dates(lagged("tp", dekads, Lag(0, 30, True)))["2018-07-01"] == [3, 2, 1]


def test_refusals(stack):
    composites = stack("ndvi", "2018-06-02", "2018-06-10", "2018-06-18")
    with pytest.raises(InputError, match="8 days apart, so that 7 days are 0.875 of them"):
        lagged("ndvi", composites, Lag(0, 7, True))
    with pytest.raises(InputError, match="no date of 'ndvi' .* has 4 dates in a row"):
        lagged("ndvi", composites, Lag(4, is_sum=True))
    with pytest.raises(InputError, match="single date 2018-06-02"):
        lagged("ndvi", stack("ndvi", "2018-06-02"), Lag(1))
    refuse_other_steps("ndvi_lag1", Lag(1), 10, composites)
    refuse_other_steps("rain_lag7d", Lag(0, 7), 30, composites)
    with pytest.raises(InputError, match="in steps of 30.5 days, but the dates of 'ndvi' .* are 8 days apart"):
        refuse_other_steps("ndvi_lag1", Lag(1), 30.5, composites)


def test_columns(write_raster):
    sources = [
        write_raster("ndvi.tif", np.ones((2, 4, 4)), ["ndvi@2018-06-01", "ndvi@2018-06-09"]),
        write_raster("a_2018-06-01.tif", np.ones((1, 4, 4)), ["sm"]),
        write_raster("a_2018-06-02.tif", np.ones((1, 4, 4)), ["sm"]),
        write_raster("b_2018-06-01.tif", np.ones((1, 4, 4)), ["sm"]),
        write_raster("b_2018-06-02.tif", np.ones((1, 4, 4)), ["sm"]),
        write_raster("dem.tif", np.ones((1, 4, 4)), ["elevation"]),
    ]
    plain = read_predictors(sources)
    found = plain.with_lags("*:1, sm_a:2")
    assert list(found.stacks)[len(plain.stacks) :] == ["ndvi_lag1", "sm_a_lag1", "sm_b_lag1", "sm_a_lag2"]
    notes = found.origins(TimeRule(), "nearest")
    assert (notes["sm_a_lag2"].variable, notes["sm_a_lag2"].product, notes["sm_a_lag2"].lag) == ("sm", "a", "2")
    assert notes["ndvi_lag1"].time_step_days == 8 and notes["ndvi"].lag is None
    assert origin_from(notes["ndvi_lag1"].as_dict()) == notes["ndvi_lag1"]
    for text, message in (
        ("sm:1", "'sm', which stands for several columns: sm_a, sm_b"),
        ("evi:1", "'evi', which is none of the variables: ndvi"),
        ("elevation:1", "'elevation' has no dates"),
    ):
        with pytest.raises(InputError, match=message):
            plain.with_lags(text)
    with pytest.raises(InputError, match="makes the column 'ndvi_lag1', which there is already"):
        plain.with_lags("ndvi:1", ["NDVI_lag1"])
    with pytest.raises(InputError, match="no variable has dates"):
        read_predictors(sources[-1:]).with_lags("*:1")


def test_a_lag_matches_the_time_that_its_variable_does(stack):
    """Half a step around a date both have the same anchor."""
    of = stack("ndvi", "2018-06-01", "2018-06-09", "2018-06-17")
    back = lagged("ndvi", of, Lag(1))
    rule = TimeRule()
    for day in range(6, 20):
        time = parse_time(f"2018-06-{day:02d}")
        own, earlier = rule.nearest("ndvi", of, time), rule.nearest("ndvi_lag1", back, time)
        assert addends_of(back)[0, earlier] == own - 1
