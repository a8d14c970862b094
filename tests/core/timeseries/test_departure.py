"""Departures from a cell's own year against plain loops and SciPy, and a dry spell put in."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import rasterio
from scipy.stats import percentileofscore

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import Engine
from sm_toolbox.timeseries.departure import DepartureSettings, temporal_departures

ALL = ("difference", "standardized", "percentile")


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def named(dates, variable="sm"):
    return [f"{variable}@{date:%Y-%m-%d}" for date in dates]


def every(days, count, start=datetime(2010, 1, 3)):
    return [start + i * timedelta(days=days) for i in range(count)]


def by_hand(values, dates, reference, days, settings):
    """Difference, z and percentile, date by date and cell by cell."""
    out = np.full((3, *values.shape), np.nan)
    for t, date in enumerate(dates):
        samples, years = [], []
        for year in range(days[0].year - 1, days[-1].year + 2):
            if settings.leave_year_out and year == date.year:
                continue
            day = 28 if (date.month, date.day) == (2, 29) and year % 4 else date.day
            anchor = datetime(year, date.month, day)
            for i, other in enumerate(days):
                if abs((other - anchor) / timedelta(days=1)) <= settings.window / 2:
                    samples.append(reference[i])
                    years.append(year)
        samples, years = np.array(samples), np.array(years)
        for cell in np.ndindex(values.shape[1:]):
            x = float(values[(t, *cell)])
            own = samples[(slice(None), *cell)] if len(samples) else np.empty(0)
            valid = ~np.isnan(own)
            if np.isnan(x) or len(set(years[valid])) < settings.min_years:
                continue
            own = own[valid].astype(float)
            out[(0, t, *cell)] = x - own.mean()
            out[(1, t, *cell)] = (x - own.mean()) / own.std(ddof=1)
            out[(2, t, *cell)] = percentileofscore(own, x, kind="mean")
    return out


@pytest.mark.parametrize("leave_year_out", [True, False])
def test_against_plain_loops(write_raster, tmp_path, leave_year_out):
    rng = np.random.default_rng(0)
    dates = every(9, 300)
    values = rng.normal(0.25, 0.05, (300, 3, 4)).astype(np.float32).round(2)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[:200, 0, 0] = np.nan
    source = write_raster("sm.tif", values, named(dates))
    settings = DepartureSettings(ALL, 31, leave_year_out, 4)
    temporal_departures([source], str(tmp_path / "o.tif"), settings)
    found = read(tmp_path / "o.tif")
    expected = by_hand(values, dates, values, dates, settings)
    for part, ending in zip(expected, ("anomaly", "z", "percentile")):
        got = np.stack([found[f"sm_{ending}@{date:%Y-%m-%d}"] for date in dates])
        np.testing.assert_allclose(got, part, rtol=2e-4, atol=2e-5, err_msg=ending)
        assert 0.2 < np.isnan(got).mean() < 0.6 and np.isnan(got[:, 0, 0]).all()


def test_a_reference_of_its_own(write_raster, tmp_path):
    """On another grid, and with leap days and New Year within windows."""
    rng = np.random.default_rng(1)
    days = every(5, 73 * 8, datetime(2008, 1, 2))
    record = rng.normal(0.3, 0.05, (len(days), 3, 3)).astype(np.float32)
    dates = [datetime(2020, 1, 1), datetime(2020, 2, 29), datetime(2020, 12, 30), datetime(2012, 6, 1)]
    values = rng.normal(0.3, 0.05, (4, 3, 3)).astype(np.float32)
    sources = [write_raster("now.tif", values, named(dates))]
    settings = DepartureSettings(ALL, 20, True, 5)
    reference = [write_raster("record.tif", record, named(days))]
    temporal_departures(sources, str(tmp_path / "o.tif"), settings, reference)
    order = np.argsort(dates)

    def check(name, expected):
        got = np.stack(list(read(tmp_path / name).values()))
        np.testing.assert_allclose(got, expected[:, order].reshape(12, 3, 3), rtol=2e-4, atol=2e-5)

    check("o.tif", by_hand(values, dates, record, days, settings))
    # One cell that holds all: every cell has its record, whose nearest value is taken.
    coarse = [write_raster("coarse.tif", record[:, :1, :1], named(days), cell=90.0)]
    temporal_departures(sources, str(tmp_path / "c.tif"), settings, coarse)
    check("c.tif", by_hand(values, dates, np.broadcast_to(record[:, :1, :1], record.shape), days, settings))


def test_months_are_set_against_the_same_month(write_raster, tmp_path):
    names = [f"sm@{year}-{month:02d}" for year in range(2010, 2018) for month in range(1, 13)]
    # The season alone, but for the last June.
    values = np.tile(np.arange(12.0), 8)
    values[-7] = 3
    source = write_raster("sm.tif", values[:, None, None] * np.ones((1, 2, 2)), names)
    found = temporal_departures([source], str(tmp_path / "o.tif"), DepartureSettings(("difference", "percentile")))
    got = read(tmp_path / "o.tif")
    assert got["sm_anomaly@2017-06"][0, 0] == -2 and got["sm_percentile@2017-06"][0, 0] == 0
    assert got["sm_anomaly@2017-05"][0, 0] == 0 and got["sm_percentile@2017-05"][0, 0] == 50
    assert found.dry == 0 and found.too_few == 0


def test_constant_cells_have_no_standard_deviation(write_raster, tmp_path):
    names = [f"sm@{year}-06-01" for year in range(2000, 2010)]
    values = np.full((10, 2, 2), 0.1, np.float32)
    values[:, 0, 0] = np.linspace(0.1, 0.2, 10)
    temporal_departures([write_raster("sm.tif", values, names)], str(tmp_path / "o.tif"), DepartureSettings(ALL))
    found = read(tmp_path / "o.tif")
    assert np.isnan(found["sm_z@2005-06-01"][1]).all() and np.isfinite(found["sm_z@2005-06-01"][0, 0])
    np.testing.assert_allclose(found["sm_anomaly@2005-06-01"][1], 0, atol=1e-9)


def test_what_is_dry_now(write_raster, tmp_path, progress):
    rng = np.random.default_rng(0)
    dates = [datetime(year, 6, day) for year in range(2008, 2019) for day in (1, 11, 21)]
    values = rng.normal(0.3, 0.03, (33, 10, 10)).astype(np.float32)
    values[-1, :, 5:] = 0.05
    # The last date of all has no data.
    values = np.concatenate([values, np.full((1, 10, 10), np.nan, np.float32)])
    source = write_raster("sm.tif", values, named([*dates, datetime(2018, 6, 25)]))
    found = temporal_departures(
        [source], str(tmp_path / "o.tif"), DepartureSettings(("percentile",)), engine=Engine(progress=progress)
    )
    ranks = read(tmp_path / "o.tif")["sm_percentile@2018-06-21"]
    assert (ranks[:, 5:] == 0).all() and found.dry == (ranks < 20).mean()
    assert any("sm on 2018-06-21: " in line and "below the 20th percentile" in line for line in progress.infos)


def test_little_memory_makes_the_same(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    dates = every(30, 12 * 8)
    values = rng.random((len(dates), 130, 140)).astype(np.float32)
    source = write_raster("sm.tif", values, named(dates))
    for name, memory in (("a.tif", None), ("b.tif", 2**20)):
        temporal_departures([source], str(tmp_path / name), DepartureSettings(ALL), engine=Engine(memory=memory))
    a, b = read(tmp_path / "a.tif"), read(tmp_path / "b.tif")
    np.testing.assert_array_equal(np.stack(list(a.values())), np.stack(list(b.values())))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (DepartureSettings(()), "none is chosen"),
        (DepartureSettings(("spi",)), "`method`: spi. Choose from: difference"),
        (DepartureSettings(window=0), "`window` is 0 days"),
        (DepartureSettings(window=400), "`window` is 400 days"),
        (DepartureSettings(min_years=0), "`min_years` is 0"),
        (DepartureSettings(min_years=6), r"in 6 years .* `min_years` 6 are needed beside that of the date"),
    ],
)
def test_refusals(write_raster, tmp_path, settings, message):
    source = write_raster("sm.tif", np.ones((6, 2, 2)), [f"sm@{year}-06-01" for year in range(2010, 2016)])
    with pytest.raises(InputError, match=message):
        temporal_departures([source], str(tmp_path / "o.tif"), settings)


def test_references_that_do_not_serve(write_raster, tmp_path):
    years = range(2000, 2010)
    now = [write_raster("now.tif", np.ones((1, 2, 2)), ["sm@2020-06-01"])]
    with pytest.raises(InputError, match="in 1 year .2020-06-01 to 2020-06-01."):
        temporal_departures(now, str(tmp_path / "o.tif"))
    monthly = [write_raster("m.tif", np.ones((10, 2, 2)), [f"sm@{year}-06" for year in years])]
    with pytest.raises(InputError, match="periods of 1 days, `reference` of 30"):
        temporal_departures(now, str(tmp_path / "o.tif"), reference=monthly)
    other = [
        write_raster(f"{name}.tif", np.ones((10, 2, 2)), [f"{name}@{year}-06-01" for year in years])
        for name in ("rain", "ndvi")
    ]
    with pytest.raises(InputError, match="`reference` has no 'sm', but rain, ndvi"):
        temporal_departures(now, str(tmp_path / "o.tif"), reference=other)
    winters = [write_raster("w.tif", np.ones((10, 2, 2)), [f"sm@{year}-12-01" for year in years])]
    with pytest.raises(InputError, match="No cell has values in `min_years` 5 years"):
        temporal_departures(now, str(tmp_path / "o.tif"), reference=winters)
    assert not (tmp_path / "o.tif").exists()


def test_hours_of_29_february(write_raster, tmp_path):
    """In other years they stand beside the last hour of the day before."""
    hours = [
        datetime(year, 2, 28) + timedelta(hours=6 * i)
        for year in range(2012, 2018)
        for i in range(8 if year % 4 == 0 else 4)
    ]
    values = np.random.default_rng(3).normal(0.3, 0.05, (len(hours), 1, 2)).astype(np.float32)
    source = write_raster("sm.tif", values, [f"sm@{hour:%Y-%m-%dT%H:%M}" for hour in hours])
    settings = DepartureSettings(("difference", "percentile"), 0.1, min_years=5)
    temporal_departures([source], str(tmp_path / "o.tif"), settings)
    found = {name.partition(":00:00")[0]: band for name, band in read(tmp_path / "o.tif").items()}
    for hour in (0, 6, 12, 18):
        own = values[hours.index(datetime(2016, 2, 29, hour))]
        days = [datetime(year, 2, 28, 18) for year in (2013, 2014, 2015, 2017)] + [datetime(2012, 2, 29, hour)]
        others = np.stack([values[hours.index(day)] for day in days])
        name = f"2016-02-29T{hour:02d}"
        np.testing.assert_allclose(found[f"sm_anomaly@{name}"], own - others.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(found[f"sm_percentile@{name}"], 100 * (others < own).mean(axis=0))


def test_a_reference_in_another_unit(write_raster, tmp_path, progress):
    dates = every(73, 50)
    values = np.random.default_rng(4).uniform(10, 20, (50, 4, 4)).astype(np.float32)
    celsius = write_raster("now.tif", values, named(dates, "t"))
    kelvin = write_raster("record.tif", values + 273, named(dates, "t"))
    for reference, warnings in ((celsius, 0), (kelvin, 1)):
        temporal_departures([celsius], str(tmp_path / "o.tif"), reference=[reference], engine=Engine(progress=progress))
        assert len(progress.warnings) == warnings
    assert "not in one unit" in progress.warnings[0]


def test_other_variables_of_a_reference_do_not_matter(write_raster, tmp_path):
    """A static one beside the record, or one of a single year, is none of its years."""
    now = [write_raster("now.tif", np.full((1, 2, 2), 0.1), ["sm@2020-06-01"])]
    names = [*(f"sm@{year}-06-01" for year in range(2000, 2010)), "flag", "rain@2009-06-01"]
    values = np.concatenate([np.linspace(0.2, 0.3, 10), [1, 5]])[:, None, None] * np.ones((1, 2, 2))
    reference = [write_raster("record.tif", values, names)]
    temporal_departures(now, str(tmp_path / "o.tif"), reference=reference)
    np.testing.assert_allclose(read(tmp_path / "o.tif")["sm_anomaly@2020-06-01"], -0.15, atol=1e-6)
