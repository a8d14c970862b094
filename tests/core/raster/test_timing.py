"""Matching in time: gaps of single variables, earlier dates alone, and what adds up over time."""

from datetime import datetime

import numpy as np
import pytest
from rasterio.crs import CRS

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import read_bands, stacks
from sm_toolbox.raster.origins import read_predictors
from sm_toolbox.raster.times import Time, parse_time
from sm_toolbox.raster.timing import TimeRule, adds_up, parse_gaps
from sm_toolbox.stations.pixels import sample_pixels
from sm_toolbox.stations.report import sampling_report
from sm_toolbox.stations.sampling import Rows, sample_rows
from sm_toolbox.stations.table import TableSettings, sample_table


@pytest.fixture
def stack_of(write_raster):
    def make(variable, dates):
        bands = np.arange(len(dates))[:, None, None] * np.ones((1, 4, 4))
        source = write_raster(f"{variable}.tif", bands, [f"{variable}@{date}" for date in dates])
        return source, stacks(read_bands([source]))[variable]

    return make


@pytest.mark.parametrize(
    "name",
    ["rain", "Rainfall", "precip", "total_precipitation", "precipitationCal", "tp", "PRCP", "rain_api", "api",
     "rain_sum7d", "water_sum", "rain_lag7d"],
)  # fmt: skip
def test_what_adds_up_is_known_by_its_name(name):
    assert adds_up(name)


@pytest.mark.parametrize(
    "name", ["ndvi", "terrain", "ndvi_summer", "lst_day", "capita", "step", "soil_moisture", "summit"]
)
def test_other_variables_do_not_add_up(name):
    assert not adds_up(name)


def test_gaps_are_parsed_or_refused():
    assert parse_gaps(" landcover:366, ndvi:16") == {"landcover": 366, "ndvi": 16}
    assert parse_gaps("a:b:1.5") == {"a:b": 1.5} and parse_gaps(None) == {}
    for text in ("ndvi", "ndvi:", ":3", "ndvi:-1", "ndvi:nan", "ndvi:1e9", "ndvi=3"):
        with pytest.raises(InputError, match=r"`gaps`.*landcover:366,ndvi:16"):
            parse_gaps(text)
    with pytest.raises(InputError, match="twice"):
        parse_gaps("a:1,a:2")


@pytest.mark.parametrize(
    ("time", "nearest", "previous"),
    [
        ("2020-06-01", 0, 0),
        ("2020-06-06", 1, 0),
        ("2020-06-08T23:00:00", 1, 0),
        ("2020-06-09", 1, 1),
        ("2020-05-31", 0, None),
        ("2020-06", 0, 0),
        ("2020-06-13", 1, 1),
    ],
)
def test_previous_never_takes_a_later_band(stack_of, time, nearest, previous):
    _, stack = stack_of("ndvi", ["2020-06-01", "2020-06-09", "2020-06-17"])
    assert TimeRule().nearest("ndvi", stack, parse_time(time)) == nearest
    assert TimeRule(direction="previous").nearest("ndvi", stack, parse_time(time)) == previous


def test_earlier_dates_alone_serve_a_regular_record_without_gaps(stack_of):
    _, stack = stack_of("ndvi", ["2020-06-01", "2020-06-09", "2020-06-17"])
    rule = TimeRule(direction="previous")
    found = [rule.nearest("ndvi", stack, Time(datetime(2020, 6, day))) for day in range(1, 25)]
    assert found == [0] * 8 + [1] * 8 + [2] * 8
    assert rule.nearest("ndvi", stack, parse_time("2020-06-26")) is None


def test_rain_is_never_taken_from_a_later_date(stack_of, progress):
    _, stack = stack_of("rain", ["2020-06-01", "2020-06-09"])
    for rule in (TimeRule(), TimeRule(direction="nearest"), TimeRule(30)):
        assert rule.nearest("rain", stack, parse_time("2020-06-08")) == 0
        assert rule.nearest("rain", stack, parse_time("2020-05-31")) is None
    assert TimeRule(directions={"rain": "nearest"}).nearest("rain", stack, parse_time("2020-06-08")) == 1


def rows_on(*times):
    return Rows("st", np.full(len(times), 500045.0), np.full(len(times), 3999955.0), CRS.from_epsg(32630),
                [parse_time(time) for time in times])  # fmt: skip


def test_gaps_of_single_variables_and_the_count_of_later_dates(stack_of, progress):
    ndvi, _ = stack_of("ndvi", ["2020-06-01", "2020-06-09"])
    cover, _ = stack_of("landcover", ["2019-01-01"])
    rain, _ = stack_of("rain", ["2020-06-01", "2020-06-09"])
    rows = rows_on("2020-06-02", "2020-06-08", "2020-06-07")
    samples = sample_rows(rows, [ndvi, cover, rain], TimeRule(gaps={"landcover": 600, "ndvi": 1}), progress=progress)
    by_name = {variable.variable: variable for variable in samples.variables}
    np.testing.assert_array_equal(by_name["ndvi"].values, [0, 1, np.nan])
    np.testing.assert_array_equal(by_name["landcover"].values, [0, 0, 0])
    np.testing.assert_array_equal(by_name["rain"].values, [0, 0, 0])
    np.testing.assert_array_equal(by_name["rain"].gap_days, [-1, -7, -6])
    assert [by_name[name].later for name in ("ndvi", "landcover", "rain")] == [1, 0, 0]
    said = " ".join(progress.infos)
    assert "'ndvi': 1 of 3 rows take a value from a later date" in said and "'rain' adds up over time" in said
    assert "of them from a later date" in sampling_report(samples).html()
    origins = samples.origins
    assert (origins["ndvi"].asked_gap_days, origins["ndvi"].direction) == (1, "nearest")
    assert (origins["rain"].asked_gap_days, origins["rain"].direction) == (None, "previous")
    assert not progress.warnings


def test_pixels_of_products_follow_the_same_rule(stack_of, write_raster):
    rain, _ = stack_of("rain", ["2020-06-01", "2020-06-09"])
    product = write_raster("sm.tif", np.full((1, 2, 2), 0.2), ["sm@2020-06-08"], cell=60)
    assert sample_pixels([product], read_predictors([rain])).gap_days["rain"].tolist() == [-7.0] * 4


def test_unknown_names_of_gaps_are_refused(stack_of, write_raster):
    ndvi, _ = stack_of("ndvi", ["2020-06-01", "2020-06-09"])
    dem = write_raster("dem.tif", np.ones((4, 4)), ["dem"])
    with pytest.raises(InputError, match=r"`gaps` names 'evi'.*ndvi, dem"):
        sample_rows(rows_on("2020-06-02"), [ndvi, dem], TimeRule(gaps={"evi": 3}))
    with pytest.raises(InputError, match=r"`gaps` names 'dem', which has no date"):
        sample_rows(rows_on("2020-06-02"), [ndvi, dem], TimeRule(gaps={"dem": 3}))


def test_only_defaults_are_told(stack_of, progress):
    ndvi, _ = stack_of("ndvi", ["2020-06-01", "2020-06-09"])
    rain, _ = stack_of("rain", ["2020-06-01", "2020-06-09"])
    settings = TableSettings(max_gap_days=TimeRule(gaps={"ndvi": 1}))
    sample_table(rows_on("2020-06-02"), {}, [ndvi, rain], settings, progress=progress)
    (line,) = [text for text in progress.infos if "`max_gap_days` is not set" in text]
    assert "rain 7" in line and "ndvi" not in line
