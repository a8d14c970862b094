"""Columns as users' tables hold them."""

import pytest

from sm_toolbox.columns import to_times
from sm_toolbox.errors import InputError


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2019/04/03", "2019-04-03"),
        ("2019/04/03 14:30:00", "2019-04-03T14:30:00"),
        (" 2019-04-03 ", "2019-04-03"),
        ("2019-04", "2019-04"),
        ("NULL", None),
    ],
)
def test_texts_as_dates(text, time):
    """With slashes as QGIS writes dates into text files."""
    (found,) = to_times([text], "time", "obs")
    assert (found and str(found)) == time


@pytest.mark.parametrize("text", ["03/04/2019", "2019/04/033", "3.4.2019", "2019/13/01"])
def test_texts_that_are_anybodys_guess(text):
    with pytest.raises(InputError, match="must hold times, but row 1 holds"):
        to_times([text], "time", "obs")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("20180610", "2018-06-10"),
        (20180610, "2018-06-10"),
        ("2018-6-5", "2018-06-05"),
        ("2018/06/10 14:30:00", "2018-06-10T14:30:00"),
        ("2018.06.10", "2018-06-10"),
        ("2018-161", "2018-06-10"),
        ("2018-06-10 12:00 UTC", "2018-06-10T12:00:00"),
        ("2018-06-10T12:00:00.000Z", "2018-06-10T12:00:00"),
        ("2018-06-10 12:00+02", "2018-06-10T10:00:00"),
        ("2018-06-10T23:30:00-05:00", "2018-06-11T04:30:00"),
        ("2018-06-10 24:00", "2018-06-11T00:00:00"),
        ("20180610T120000", "2018-06-10T12:00:00"),
        ("10-Jun-2018", "2018-06-10"),
        ("5 August 2018", "2018-08-05"),
    ],
)
def test_times_that_leave_no_doubt(text, time):
    assert [str(found) for found in to_times([text, None], "time", "stations")] == [time, "None"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([43261, 43262.5], r"43261 to 43262\.5\), as Excel counts days"),
        (["43261"], "as Excel counts days"),
        ([1528588800], "seconds since 1970"),
        ([1528588800000.0], "milliseconds since 1970"),
        ([201806, 201807], "months as YYYYMM"),
        ([2018, 2019], "years alone"),
        ([20180610, 20181310], r"holds numbers \(20180610 to 20181310\)\. Use a date field"),
        (["10.06.2018"], r"row 1 holds '10\.06\.2018', whose order of day and month is not clear.*'dd\.MM\.yyyy'"),
        (["06/10/18 14:00"], r"'dd/MM/yy hh:mm'\) where the day comes first, to_datetime.*'MM/dd/yy hh:mm'"),
        (["2018-W23"], "which is no date"),
        (["2018-366"], "which is no date"),
        (["2018-06-10", True], "row 2 holds 'True', which is no date"),
    ],
)
def test_what_is_no_time_is_named_with_what_converts_it(values, words):
    with pytest.raises(InputError, match=rf"Field 'time' of 'stations' must hold times, but .*{words}"):
        to_times(values, "time", "stations")
