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
        # Qt makes 1918 of 18.
        (
            ["06/10/18 14:00"],
            r"'20'\), 'dd/MM/yyyy hh:mm'\) where the day comes first, to_datetime.*'MM/dd/yyyy hh:mm'",
        ),
        (["06/10/2018 2:30 PM"], r"'MM/dd/yyyy h:mm AP'"),
        ([180610, 180626], r"YYMMDD.*to_date\('20' \|\| lpad"),
        ([58279, 58280], r"modified Julian days.*1858-11-17"),
        ([2458279.5, 2458280.5], r"Julian days.*- 2440587.5\)"),
        ([737221.0, 737222.5], r"MATLAB.*- 719529\)"),
        ([2018.4397, 2018.45], r"years with fractions"),
        (["2018-W23"], "which is no date"),
        (["2018-366"], "which is no date"),
        (["2018-06-10", True], "row 2 holds 'True', which is no date"),
    ],
)
def test_what_is_no_time_is_named_with_what_converts_it(values, words):
    with pytest.raises(InputError, match=rf"Field 'time' of 'stations' must hold times, but .*{words}"):
        to_times(values, "time", "stations")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2018-06-10 02:30 PM", "2018-06-10T14:30:00"),
        ("2018-06-10 12:05 AM", "2018-06-10T00:05:00"),
        ("2018-06-10 12:05 pm", "2018-06-10T12:05:00"),
        ("2018-06-10 2:30:00 p.m.", "2018-06-10T14:30:00"),
        ("10. Juni 2018", "2018-06-10"),
        ("10-Mai-2018", "2018-05-10"),
        ("10. März 2018 14:00", "2018-03-10T14:00:00"),
        ("10 de junio de 2018", "2018-06-10"),
        ("10-ago-2018", "2018-08-10"),
        ("10 août 2018", "2018-08-10"),
        ("June 10, 2018", "2018-06-10"),
        ("2018-W23-7", "2018-06-10"),
        (2018161, "2018-06-10"),
        ("2018161", "2018-06-10"),
        # These are no milliseconds or seconds since 1970.
        (201806101430, "2018-06-10T14:30:00"),
        ("20180610143015", "2018-06-10T14:30:15"),
        ("2018061014", "2018-06-10T14:00:00"),
        ("2018-06-10T12:00:00,000", "2018-06-10T12:00:00"),
        ("2018_06_10", "2018-06-10"),
        ("2018-06-10T9:05", "2018-06-10T09:05:00"),
        ("2018-06-10 14h30", "2018-06-10T14:30:00"),
        ("NaT", None),
        (float("nan"), None),
    ],
)
def test_dates_as_people_and_programs_write_them(text, time):
    (found,) = to_times([text], "time", "obs")
    assert (found and str(found)) == time


@pytest.mark.parametrize("text", ["10 Marchant 2018", "2018-06-10 14:30 PM", "2018-W60-1", "2018-06-10 12:00 CEST"])
def test_texts_that_only_look_like_dates(text):
    with pytest.raises(InputError, match="must hold times, but row 1 holds"):
        to_times([text], "time", "obs")
