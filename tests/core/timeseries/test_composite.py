"""Composites: calendars by hand, statistics against NumPy, products that straddle a boundary."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import Time, parse_time
from sm_toolbox.timeseries.composite import COMPOSITE_PERIODS, plan_periods, temporal_composite


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


@pytest.mark.parametrize(
    ("period", "date", "name"),
    [
        ("day", "2020-02-29T10:00:00", "2020-02-29"),
        ("dekad", "2020-02-29", "2020-02-21"),
        ("dekad", "2020-03-10", "2020-03-01"),
        ("dekad", "2020-03-11", "2020-03-11"),
        ("month", "2020-02-29", "2020-02"),
        ("season", "2020-02-29", "2019-12-01"),
        ("season", "2019-12-31", "2019-12-01"),
        ("season", "2020-05-31", "2020-03-01"),
        ("season", "2020-08-01", "2020-06-01"),
        ("season", "2020-11-30", "2020-09-01"),
        ("year", "2020-12-31", "2020-01-01"),
        ("all", "2020-05-05", "2020-05-05"),
        ("trailing", "2020-05-05", "2020-05-05"),
    ],
)
def test_calendar(period, date, name):
    (found,) = plan_periods([parse_time(date)], period)
    assert str(found.time) == name and found.positions == (0,) and found.weights == (1,)


days = st.lists(st.integers(0, 1500), min_size=1, max_size=40, unique=True).map(
    lambda values: [Time(datetime(2018, 1, 1) + timedelta(days=v)) for v in sorted(values)]
)


@given(days, st.sampled_from([p for p in COMPOSITE_PERIODS if p != "trailing"]), st.integers(1, 16))
def test_every_day_of_every_product_counts_once(times, period, product_days):
    weight = np.zeros(len(times))
    for item in plan_periods(times, period, product_days=product_days):
        weight[list(item.positions)] += item.weights
    np.testing.assert_allclose(weight, product_days)


def test_trailing_windows_hold_the_days_before():
    times = [parse_time(f"2020-01-{day:02d}") for day in (1, 3, 8, 9)]
    found = plan_periods(times, "trailing", trailing_days=7)
    assert [(str(item.time), item.positions) for item in found] == [
        ("2020-01-01", (0,)),
        ("2020-01-03", (0, 1)),
        ("2020-01-08", (1, 2)),
        ("2020-01-09", (1, 2, 3)),
    ]


def test_an_8_day_product_across_a_month_weighs_by_its_days(write_raster, tmp_path):
    source = write_raster("lst.tif", np.array([[[10.0]], [[20.0]]]), ["lst@2020-01-25", "lst@2020-01-28"])
    temporal_composite([source], str(tmp_path / "o.tif"), statistic="weighted_mean", product_days=8)
    found = read(tmp_path / "o.tif")
    # 25 January: 7 days in January, 1 in February; 28 January: 4 and 4.
    np.testing.assert_allclose(
        [found["lst@2020-01"][0, 0], found["lst@2020-02"][0, 0]], [(70 + 80) / 11, (10 + 80) / 5], rtol=1e-6
    )


@pytest.mark.parametrize("statistic", ["mean", "max", "min", "median", "sum", "weighted_mean"])
def test_statistics_against_numpy(write_raster, tmp_path, statistic):
    rng = np.random.default_rng(0)
    values = rng.random((60, 20, 30)).astype(np.float32)
    values[rng.random(values.shape) < 0.4] = np.nan
    values[:31, 0, 0] = np.nan
    order = rng.permutation(60)
    names = [str(Time(datetime(2020, 1, 1) + timedelta(days=int(i)))) for i in order]
    halves = [
        write_raster(f"{k}.tif", values[order][part], [f"ndvi@{n}" for n in names[part]])
        for k, part in enumerate((slice(0, 25), slice(25, 60)))
    ]
    temporal_composite(halves, str(tmp_path / "o.tif"), statistic=statistic, min_count=3, engine=Engine(memory=2**20))
    found = read(tmp_path / "o.tif")
    assert list(found) == ["ndvi@2020-01", "ndvi@2020-02"]
    function = {"max": np.nanmax, "min": np.nanmin, "median": np.nanmedian, "sum": np.nansum}.get(statistic, np.nanmean)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning) if statistic != "sum" else np.errstate():
        expected = np.stack([function(values[:31], axis=0), function(values[31:], axis=0)])
    count = np.stack([np.isfinite(values[:31]).sum(axis=0), np.isfinite(values[31:]).sum(axis=0)])
    np.testing.assert_allclose(np.stack(list(found.values())), np.where(count >= 3, expected, np.nan), rtol=1e-5)


def test_what_is_refused(write_raster, tmp_path, leftovers):
    static = write_raster("s.tif", np.ones((3, 3)), ["dem"])
    for settings, words in [
        ({}, "dem has no dates"),
        ({"period": "week"}, "`period` is 'week'"),
        ({"statistic": "mode"}, "`statistic` is 'mode'"),
        ({"min_count": 0}, "`min_count` is 0"),
    ]:
        with pytest.raises(InputError, match=words):
            temporal_composite([static], str(tmp_path / "o.tif"), **settings)
    assert leftovers() == ["s.tif"]


def test_a_count_that_is_never_reached_is_named(write_raster, tmp_path):
    values = np.full((4, 6, 8), np.nan, np.float32)
    values[0, :, :4], values[1, :, 4:] = 1, 2
    source = write_raster("a.tif", values, [f"ndvi@2020-06-0{day}" for day in (1, 2, 3, 4)])
    with pytest.raises(InputError, match=r"`min_count` is 9, but no period has more than 4 dates of ndvi.*smaller"):
        temporal_composite([source], str(tmp_path / "o.tif"), period="month", min_count=9)
    with pytest.raises(InputError, match=r"no cell has values on `min_count` \(2\) dates of any period"):
        temporal_composite([source], str(tmp_path / "o.tif"), period="month", min_count=2)


def test_composites_say_how_long_they_stand_for(write_raster, tmp_path):
    source = write_raster("a.tif", np.ones((1, 6, 8), np.float32), ["ndvi@2020-02-25"])
    temporal_composite([source], str(tmp_path / "o.tif"), period="dekad")
    (band,) = read_bands([Source(str(tmp_path / "o.tif"))])
    assert (str(band.time), band.time.days) == ("2020-02-21", 9)


def test_the_mean_year(write_raster, tmp_path):
    """The same months of all years, each date once, without dates in the names."""
    dates = [
        f"sm@{year}-{month:02d}-15" for year in (2018, 2019, 2020) for month in (1, 6, 12) if (year, month) != (2019, 6)
    ]
    values = np.arange(8.0)
    source = write_raster("sm.tif", values[:, None, None] * np.ones((1, 2, 2)), dates)
    bands = temporal_composite([source], str(tmp_path / "o.tif"), period="month_of_year")
    assert bands == ["sm_01", "sm_06", "sm_12"]
    found = read(tmp_path / "o.tif")
    expected = [np.mean([0, 3, 5]), np.mean([1, 6]), np.mean([2, 4, 7])]
    np.testing.assert_allclose([found[band][0, 0] for band in bands], expected, rtol=1e-6)
    # Eight days from 28 June on are three of June and five of July, in every year.
    crossing = write_raster("c.tif", np.ones((2, 2, 2)), ["sm@2018-06-28", "sm@2019-06-28"])
    (june, july) = plan_periods([parse_time("2018-06-28"), parse_time("2019-06-28")], "month_of_year", product_days=8)
    assert june.weights == (3, 3) and july.weights == (5, 5)
    assert temporal_composite([crossing], str(tmp_path / "c.tif"), period="month_of_year", product_days=8) == [
        "sm_06",
        "sm_07",
    ]
    with pytest.raises(InputError, match="no period has more than 3 dates of sm"):
        temporal_composite([source], str(tmp_path / "m.tif"), period="month_of_year", min_count=4)
