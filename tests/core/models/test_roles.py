"""Which fields can be learned, and from which."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.splits import default_split
from sm_toolbox.models.roles import check_target, choose_predictors, is_row_number, places

ROWS = range(20)
TABLE = {
    "fid": list(ROWS),
    "nr": [i + 7 for i in ROWS],
    "station": [f"s{i % 3}" for i in ROWS],
    "sm": [0.1 + i % 5 / 100 for i in ROWS],
    "ndvi": [i % 7 / 10 for i in ROWS],
    "ndvi_gap_days": [i % 2 for i in ROWS],
    "text": ["0.5"] * 20,
    "cover": ["wood", None] * 10,
}


@pytest.mark.parametrize(
    ("name", "expected"), [("fid", True), ("nr", True), ("sm", False), ("ndvi", False), ("station", False)]
)
def test_row_numbers(name, expected):
    assert is_row_number(name, TABLE[name]) == expected


def test_a_short_series_is_no_row_number_by_its_values():
    assert not is_row_number("depth", [1, 2, 3]) and is_row_number("OBJECTID", [5, 3])


@pytest.mark.parametrize("name", ["doy", "DayOfYear", "day_of_year", "sampling_year", "month"])
def test_days_of_a_single_station_are_no_row_numbers(name):
    days = list(range(120, 200))
    assert not is_row_number(name, days) and is_row_number("number", days) and is_row_number("today", days)


def test_a_number_of_rows_and_days_of_a_gap_are_no_target():
    for name in ("fid", "nr", "ndvi_gap_days"):
        with pytest.raises(InputError, match=f"`target`: the field '{name}'"):
            check_target(name, TABLE, "table")
    check_target("sm", TABLE, "table")


def test_all_fields_leave_what_cannot_be_a_predictor():
    kept, left_out = choose_predictors(list(TABLE), TABLE, ("sm", "station", None, None), "table")
    assert kept == ("ndvi", "text")
    assert set(left_out) == {"fid", "nr", "station", "sm", "ndvi_gap_days", "cover"}


def test_all_fields_of_a_sampled_table_are_those_of_rasters():
    """Others, such as the stations' longitude or depth, no map would have; who wants them names them."""
    table = {"sm": [0.1, 0.2, 0.3], "ndvi": [0.5, 0.2, 0.4], "depth": [5.0, 10.0, 5.0]}
    kept, left_out = choose_predictors(list(table), table, ("sm",), "table", {"ndvi": {}})
    assert kept == ("ndvi",) and left_out == {"sm": "has another part", "depth": "of no raster"}
    assert choose_predictors(["ndvi", "depth"], table, ("sm",), "table", {"ndvi": {}}) == (("ndvi", "depth"), {})
    assert choose_predictors(list(table), table, ("sm",), "table")[0] == ("ndvi", "depth"), "none is known"


def test_a_single_choice_stays_for_the_checks_that_say_why():
    kept, left_out = choose_predictors(["ndvi", "sm", "cover", "nr"], TABLE, ("sm", "station", None, None), "table")
    assert kept == ("ndvi", "sm", "cover") and left_out == {"nr": "numbers the rows"}


def test_nothing_left():
    with pytest.raises(InputError, match=r"none of the fields chosen of 'table'.*fid \(numbers the rows\)"):
        choose_predictors(["fid", "ndvi_gap_days"], TABLE, ("sm",), "table")


def test_places_and_the_split_they_allow():
    positions = np.repeat([[0.0, 0], [1000, 0], [0, 1000]], 4, axis=0) + 0.2
    names = places(positions)
    assert len(set(names)) == 3 and list(names[:4]) == [names[0]] * 4
    assert default_split(names, 3) == "station"
    assert default_split(names, 4) == "random" and default_split(None, 3) == "random"
    assert default_split(np.array(["a", "b", "c"]), 3) == "random", "a place for each row tells nothing of places"
