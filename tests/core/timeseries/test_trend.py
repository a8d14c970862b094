"""Trends over time against SciPy, NumPy and plain definitions, with gaps, ties, months and little memory."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import Time
from sm_toolbox.timeseries import trend
from sm_toolbox.timeseries.trend import BANDS, group_dates, temporal_trend

FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def name_dates(days, variable="sm"):
    return [f"{variable}@{datetime(2009, 1, 5) + timedelta(days=int(day)):%Y-%m-%d}" for day in days]


def make_days(rng, dates):
    """Days of increasing, uneven distances."""
    return np.cumsum(rng.integers(1, 60, dates))


def effective(residuals):
    """The number of independent values, by the autocorrelation of neighbours without its bias."""
    n = len(residuals)
    square = (residuals**2).sum()
    if n <= 4 or square < 1e-14:
        return n
    rho = (n * (residuals[1:] * residuals[:-1]).sum() / square + 1) / (n - 4)
    rho = min(max(rho, 0), 1)
    return max(3, n * (1 - rho) / (1 + rho))


def mann_kendall(y, size):
    """The test as its authors define it, with ties and continuity corrected for, and the variance of the score.

    The p-value is two-sided, for a number of independent values.
    """
    n = len(y)
    score = sum(np.sign(y[j] - y[i]) for i in range(n) for j in range(i + 1, n))
    groups = np.unique(y, return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in groups)) / 18
    variance *= n / size
    z = 0 if score == 0 else (score - np.sign(score)) / np.sqrt(variance)
    return 2 * stats.norm.sf(abs(z)), variance


def reference(days, series, method):
    """The values of one cell."""
    valid = np.isfinite(series)
    if valid.sum() < 3:
        return np.nan, np.nan, np.nan, valid.sum(), np.nan, np.nan
    years, steps, y = days[valid] / 365.25, np.arange(1, len(series) + 1)[valid], series[valid].astype(np.float64)
    per_step = np.polyfit(steps, y, 1)[0]
    if method == "least_squares":
        line = stats.linregress(years, y)
        residuals = y - line.intercept - line.slope * years
        if (residuals**2).sum() <= 1e-13 * ((y - y.mean()) ** 2).sum():
            return line.slope, per_step, float(np.ptp(y) == 0), valid.sum(), line.slope, line.slope
        freedom = max(effective(residuals) - 2, 1)
        error = line.stderr * np.sqrt((valid.sum() - 2) / freedom)
        reach = stats.t.ppf(0.975, freedom) * error
        p_value = 2 * stats.t.sf(abs(line.slope) / error, freedom)
        return line.slope, per_step, p_value, valid.sum(), line.slope - reach, line.slope + reach
    slope = stats.theilslopes(y, years)[0]
    residuals = y - slope * years
    perfect = ((residuals - residuals.mean()) ** 2).sum() <= 1e-11 * ((y - y.mean()) ** 2).sum()
    size = len(y) if perfect else effective(residuals - residuals.mean())
    p_value, variance = mann_kendall(y, size)
    slopes = np.sort([(y[j] - y[i]) / (years[j] - years[i]) for i in range(len(y)) for j in range(i + 1, len(y))])
    below = int(np.floor((len(slopes) - stats.norm.ppf(0.975) * np.sqrt(variance)) / 2))
    low, high = (slopes[below], slopes[len(slopes) - 1 - below]) if below >= 0 else (-np.inf, np.inf)
    return slope, per_step, p_value, valid.sum(), *(np.nan if np.isinf(value) else value for value in (low, high))


@pytest.mark.parametrize("method", ["least_squares", "theil_sen"])
@FEW
@given(st.integers(0, 1000), st.integers(3, 24), st.floats(0, 1))
def test_against_scipy(write_raster, tmp_path, method, seed, dates, gaps):
    rng = np.random.default_rng(seed)
    days = make_days(rng, dates)
    values = 300 + rng.normal(0, 2, (dates, 4, 5)).astype(np.float32) + (days / 500)[:, None, None].astype(np.float32)
    values[:, 3] = np.round(values[:, 3])
    values[rng.random(values.shape) < gaps] = np.nan
    order = rng.permutation(dates)
    source = write_raster("lst.tif", values[order], list(np.array(name_dates(days))[order]))
    assert temporal_trend([source], str(tmp_path / "o.tif"), method=method) == list(BANDS)
    found = read(tmp_path / "o.tif")
    expected = np.array([[reference(days, values[:, row, column], method) for column in range(5)] for row in range(4)])
    for i, name in enumerate(BANDS):
        np.testing.assert_allclose(
            found[name], expected[..., i], rtol=2e-5, atol=1e-9 if name == "p_value" else 2e-6, err_msg=name
        )


@pytest.mark.parametrize("method", ["least_squares", "theil_sen"])
@pytest.mark.parametrize(
    "values",
    [[3, 3, 3, 3, 1, 1, 9], [0, 0, 0, 0, 0, 0, 1], [1, 2, 2, 2, 2, 2, 3], [5, 4, 4, 3, 3, 3, 2], [2, 1, 2, 1, 2, 1, 2]],
)
def test_ties(write_raster, tmp_path, method, values):
    days = np.arange(len(values)) * 100
    temporal_trend(
        [write_raster("t.tif", np.array(values).reshape(-1, 1, 1), name_dates(days))],
        str(tmp_path / "o.tif"),
        method=method,
    )
    found = read(tmp_path / "o.tif")
    np.testing.assert_allclose(
        [found[name].item() for name in BANDS], reference(days, np.array(values, float), method), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("dates", [64, 65, 150])
def test_many_pairs(write_raster, tmp_path, dates):
    rng = np.random.default_rng(dates)
    days = make_days(rng, dates)
    # The last two columns: slopes that rise in the order of the pairs, and hardly any that differ.
    values = rng.normal(0, 1, (dates, 1, 130)).astype(np.float32)
    values[:, 0, 128] = (days / 1000.0) ** 2
    values[:, 0, 129] = rng.integers(0, 2, dates)
    temporal_trend([write_raster("m.tif", values, name_dates(days))], str(tmp_path / "o.tif"), method="theil_sen")
    found = read(tmp_path / "o.tif")
    expected = np.array([reference(days, values[:, 0, i], "theil_sen") for i in range(130)])
    np.testing.assert_allclose(found["slope"][0], expected[:, 0], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found["p_value"][0], expected[:, 2], rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("method", ["least_squares", "theil_sen"])
@FEW
@given(st.integers(0, 1000), st.integers(3, 12), st.floats(0.25, 8))
def test_what_must_hold_for_any_series(write_raster, tmp_path, method, seed, dates, factor):
    rng = np.random.default_rng(seed)
    days = make_days(rng, dates)
    # In quarters and with powers of two no rounding hides a difference.
    y = rng.integers(-40, 40, (dates, 2, 3)) / 4
    y[0, 0, 0] = np.nan
    factor = 2.0 ** np.round(np.log2(factor))

    def run(name, days, values):
        temporal_trend([write_raster(f"{name}.tif", values, name_dates(days))], str(tmp_path / "o.tif"), method=method)
        return read(tmp_path / "o.tif")

    plain = run("plain", days, y)
    cases = {
        "moved": (run("moved", days, y + 64), 1),
        "scaled": (run("scaled", days, y * factor), factor),
        "turned": (run("turned", days[-1] - days[::-1], y[::-1]), -1),
    }
    for name, (found, scale) in cases.items():
        for band in ("slope", "slope_per_step"):
            np.testing.assert_allclose(found[band], plain[band] * scale, rtol=1e-5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(found["p_value"], plain["p_value"], rtol=1e-5, atol=1e-7, err_msg=name)
        np.testing.assert_array_equal(found["n"], plain["n"])


def test_perfect_and_no_change(write_raster, tmp_path):
    days = np.array([0, 30, 365, 800, 1000])
    values = np.full((5, 1, 4), np.nan)
    values[:, 0, 0] = 290.1
    values[:, 0, 1] = 2 * days / 365.25 + 3
    values[1:4, 0, 2] = -np.arange(3)
    source = write_raster("p.tif", values, name_dates(days), dtype="float64")
    temporal_trend([source], str(tmp_path / "ls.tif"))
    found = read(tmp_path / "ls.tif")
    np.testing.assert_array_equal(found["n"][0], [5, 5, 3, 0])
    assert found["slope"][0, 0] == 0 and found["slope_per_step"][0, 0] == 0 and found["p_value"][0, 0] == 1
    assert found["slope"][0, 1] == pytest.approx(2) and found["p_value"][0, 1] < 1e-9
    assert found["slope_per_step"][0, 2] == -1, "the second to fourth of five dates"
    assert all(np.isnan(found[name][0, 3]) for name in BANDS[:3])
    temporal_trend([source], str(tmp_path / "ts.tif"), method="theil_sen")
    found = read(tmp_path / "ts.tif")
    assert found["slope"][0, 0] == 0 and found["p_value"][0, 0] == 1 and found["slope"][0, 1] == pytest.approx(2)


def test_a_line_in_single_precision_is_perfect(write_raster, tmp_path):
    values = (250 + np.arange(20)).reshape(-1, 1, 1)
    # Four years are 1461 days, also between these dates: the distances are exact multiples.
    names = [f"sm@{1901 + 4 * i}-03-01" for i in range(20)]
    temporal_trend([write_raster("l.tif", values, names)], str(tmp_path / "o.tif"))
    found = read(tmp_path / "o.tif")
    assert found["slope"].item() == pytest.approx(0.25) and found["p_value"].item() == 0


def test_one_outlier_does_not_move_theil_sen(write_raster, tmp_path):
    values = np.arange(12.0)
    values[-1] = 1000
    source = write_raster("o.tif", values.reshape(-1, 1, 1), [f"sm@{2000 + i}" + "-07-01" for i in range(12)])
    temporal_trend([source], str(tmp_path / "ts.tif"), method="theil_sen")
    temporal_trend([source], str(tmp_path / "ls.tif"))
    assert (
        read(tmp_path / "ts.tif")["slope"].item() == pytest.approx(1, rel=1e-3)
        and read(tmp_path / "ls.tif")["slope"].item() > 30
    )


@pytest.mark.parametrize("method", ["least_squares", "theil_sen"])
def test_a_step_by_month_is_a_year(write_raster, tmp_path, progress, method):
    rng = np.random.default_rng(1)
    years, months = np.repeat(np.arange(2009, 2019), 6), np.tile(np.arange(5, 11), 10)
    values = rng.normal(0.3, 0.05, (60, 3, 4)).astype(np.float32)
    values[:, 0, 0] = (months * 0.01 + (years - 2009) * 0.001 * months).astype(np.float32)
    names = [f"sm@{year}-{month:02d}" for year, month in zip(years, months)]
    bands = temporal_trend(
        [
            write_raster("a.tif", values[:59], names[:59]),
            write_raster("b.tif", [values[59], values[0] + 1], [names[59], "sm@2009-02"]),
        ],
        str(tmp_path / "o.tif"),
        method=method,
        by_month=True,
        engine=Engine(progress=progress),
    )
    found = read(tmp_path / "o.tif")
    assert bands == list(found) == [f"{name}_{month:02d}" for month in (2, 5, 6, 7, 8, 9, 10) for name in BANDS]
    assert "months 02" in progress.warnings[0] and any("Month 05: 100.0 %" in line for line in progress.infos)
    assert np.isnan(found["slope_02"]).all() and (found["n_02"] == 1).all()
    for month in range(5, 11):
        assert found[f"slope_per_step_{month:02d}"][0, 0] == pytest.approx(0.001 * month, rel=1e-4)
        series = values[months == month]
        days = np.array([(datetime(year, month, 1) - datetime(2009, month, 1)).days for year in range(2009, 2019)])
        expected = reference(days, series[:, 2, 3], method)
        np.testing.assert_allclose([found[f"{name}_{month:02d}"][2, 3] for name in BANDS], expected, rtol=1e-4)


def test_months_with_several_dates(write_raster, tmp_path):
    days = [datetime(year, month, day) for year in (2001, 2002, 2004) for month in (6, 7) for day in (4, 20)]
    groups = group_dates([Time(day) for day in days], True)
    assert [group.suffix for group in groups] == ["_06", "_07"]
    np.testing.assert_array_equal(groups[0].positions, [0, 1, 4, 5, 8, 9])
    np.testing.assert_allclose(groups[0].steps, [-1, -1, 0, 0, 1, 1])
    # In a single year a month has a slope per year, but there is no second step.
    values = np.arange(3.0).reshape(-1, 1, 1)
    temporal_trend(
        [write_raster("y.tif", values, [f"sm@2001-06-{day:02d}" for day in (1, 11, 21)])],
        str(tmp_path / "o.tif"),
        by_month=True,
    )
    found = read(tmp_path / "o.tif")
    assert found["slope_06"].item() == pytest.approx(36.525) and np.isnan(found["slope_per_step_06"]).all()


@pytest.mark.parametrize("method", ["least_squares", "theil_sen"])
def test_noise_with_memory_is_no_trend(write_raster, tmp_path, method):
    """AR(1) of 0.8, 60 dates: as independent values half of such series would pass at 5 %."""
    rng = np.random.default_rng(11)
    noise = rng.standard_normal((160, 20, 20))
    for i in range(1, 160):
        noise[i] += 0.8 * noise[i - 1]
    source = write_raster("n.tif", noise[100:].astype(np.float32), name_dates(np.arange(60) * 30))
    temporal_trend([source], str(tmp_path / "o.tif"), method=method)
    found = read(tmp_path / "o.tif")
    assert (found["p_value"] < 0.05).mean() <= 0.1
    assert ((found["slope_low"] <= 0) & (found["slope_high"] >= 0)).mean() >= 0.9
    assert (found["slope_low"] <= found["slope"]).all() and (found["slope"] <= found["slope_high"]).all()


@pytest.mark.parametrize("method", ["least_squares", "theil_sen"])
def test_blocks_equal_the_whole(write_raster, tmp_path, method):
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (10, 270, 300)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    source = write_raster("b.tif", values, name_dates(np.arange(10) * 7))
    for name, memory in (("whole", 2**30), ("blocks", 2**21)):
        temporal_trend(
            [source], str(tmp_path / f"{name}.tif"), method=method, by_month=True, engine=Engine(memory=memory)
        )
    whole, blocks = read(tmp_path / "whole.tif"), read(tmp_path / "blocks.tif")
    for name, band in whole.items():
        np.testing.assert_array_equal(band, blocks[name])


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1)])
def test_narrow_rasters(write_raster, tmp_path, shape):
    values = np.arange(4.0).reshape(-1, 1, 1) * np.arange(1, 1 + np.prod(shape)).reshape(shape)
    temporal_trend(
        [write_raster("n.tif", values, name_dates(np.arange(4) * 10))], str(tmp_path / "o.tif"), method="theil_sen"
    )
    np.testing.assert_allclose(read(tmp_path / "o.tif")["slope"], values[1] * 36.525, rtol=1e-6)


def test_no_cell_has_three_values(write_raster, tmp_path, progress):
    values = np.full((3, 2, 2), np.nan)
    values[:2] = 1
    temporal_trend(
        [write_raster("e.tif", values, name_dates([0, 9, 20]))],
        str(tmp_path / "o.tif"),
        engine=Engine(progress=progress),
    )
    found = read(tmp_path / "o.tif")
    assert (
        (found["n"] == 2).all()
        and np.isnan(found["slope"]).all()
        and "No cell has three values" in progress.warnings[0]
    )


def test_many_dates_are_announced(write_raster, tmp_path, progress):
    values = np.random.default_rng(0).normal(size=(401, 1, 1))
    temporal_trend(
        [write_raster("d.tif", values, name_dates(range(401)))],
        str(tmp_path / "o.tif"),
        method="theil_sen",
        engine=Engine(progress=progress),
    )
    assert "80,200 pairs" in progress.infos[0]


def test_theil_sen_hears_cancel_within_a_block(write_raster, tmp_path, leftovers, cancelling, monkeypatch):
    values = np.random.default_rng(0).normal(size=(12, 40, 30))
    source = write_raster("c.tif", values, name_dates(range(12)))
    temporal_trend([source], str(tmp_path / "whole.tif"), method="theil_sen")
    monkeypatch.setattr(trend, "_PAIRS_BETWEEN_CHECKS", 7 * 72 * 30)
    temporal_trend([source], str(tmp_path / "pieces.tif"), method="theil_sen")
    for name, band in read(tmp_path / "whole.tif").items():
        np.testing.assert_array_equal(band, read(tmp_path / "pieces.tif")[name])
    before = leftovers()
    with pytest.raises(Cancelled):
        temporal_trend([source], str(tmp_path / "o.tif"), method="theil_sen", engine=Engine(progress=cancelling(4)))
    assert leftovers() == before


def test_what_is_refused(write_raster, tmp_path, leftovers, cancelling):
    ones = np.ones((4, 3, 3))
    static = write_raster("s.tif", ones[0], ["dem"])
    one = write_raster("one.tif", ones[:1], ["sm@2020-01-01"])
    two = write_raster("two.tif", ones[:2], ["sm@2020-02-01", "sm@2020-03-01"])
    other = write_raster("other.tif", ones[:1], ["ndvi@2020-01-01"])
    month = write_raster("month.tif", ones[:1], ["sm@2020-02"])
    twice = write_raster("twice.tif", ones[:1], ["sm@2020-01-01"])
    before = leftovers()
    for sources, options, words in [
        ([static], {}, "dem has no dates"),
        ([one], {}, r"sm has a single date \(2020-01-01\).*at least 3"),
        ([two], {}, "sm has 2 dates"),
        ([one, two, other], {}, "`sources` must hold one variable"),
        ([one, two, month], {}, "both 2020-02-01 and 2020-02, which start"),
        ([one, two, twice], {}, "Two bands are named"),
        ([one, two], {"method": "median"}, "`method` is 'median'"),
        ([one, two], {"by_month": True}, "No calendar month has three dates"),
    ]:
        with pytest.raises(InputError, match=words):
            temporal_trend(sources, str(tmp_path / "o.tif"), **options)
    with pytest.raises(Cancelled):
        temporal_trend([one, two], str(tmp_path / "o.tif"), engine=Engine(progress=cancelling(1)))
    assert leftovers() == before
