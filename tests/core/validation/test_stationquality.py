"""Quality of stations: errors that were put in are found, and stations that do not follow the land around them."""

import numpy as np
import pytest
from rasterio.crs import CRS

from sm_toolbox.errors import InputError
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.validation.anomalies import Deviations
from sm_toolbox.validation.stationquality import QualitySettings, judge_stations
from sm_toolbox.validation.stationquality_report import quality_report

DAYS = 1500
DATES = [str(np.datetime64("2015-01-01") + np.timedelta64(i, "D")) for i in range(DAYS)]
TIMES = [parse_time(day) for day in DATES]


@pytest.fixture(scope="module")
def truth():
    """Of two by two cells: AR(1) with a standard deviation of 0.05."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05 * np.sqrt(1 - 0.6**2), (DAYS, 2, 2))
    values = np.zeros((DAYS, 2, 2))
    for day in range(1, DAYS):
        values[day] = 0.6 * values[day - 1] + noise[day]
    return 0.25 + values


@pytest.fixture
def products(truth, write_raster):
    rng = np.random.default_rng(1)
    a = truth + rng.normal(0, 0.03, truth.shape)
    b = 0.1 + 0.7 * truth + rng.normal(0, 0.02, truth.shape)
    return tuple(
        [write_raster(f"{name}.tif", values, [f"soil_moisture@{day}" for day in DATES], cell=300.0)]
        for name, values in (("a", a), ("b", b))
    )


def stations(truth, **errors):
    """Rows of stations in the first cell, each the truth with something of its own, twice a day."""
    names, times, values = [], [], []
    for name, make in errors.items():
        series = make(truth[:, 0, 0])
        for half in (-0.001, 0.001):
            names += [name] * DAYS
            times += TIMES
            values.append(series + half)
    count = len(names)
    rows = Rows("gauges", np.full(count, 500100.0), np.full(count, 3999900.0), CRS.from_epsg(32630), times, names)
    return rows, np.concatenate(values)


def noisy(sd, seed=2):
    return lambda series: series + np.random.default_rng(seed).normal(0, sd, len(series))


def test_errors_that_were_put_in(truth, products, progress):
    rows, observed = stations(truth, good=noisy(0.02), scaled=lambda s: 3 + 2 * noisy(0.03, 3)(s), poor=noisy(0.09, 4))
    good, poor, scaled = judge_stations(rows, observed, products, QualitySettings(), progress)
    for item, error, own in ((good, 0.02, 0.05), (scaled, 0.06, 0.1), (poor, 0.09, 0.05)):
        assert item.n == DAYS and item.error == pytest.approx(error, rel=0.12)
        assert item.correlation == pytest.approx(own / np.hypot(own, error), abs=0.03)
        assert item.snr == pytest.approx(20 * np.log10(own / error), abs=0.8)
    assert good.representative and scaled.representative and poor.representative is False
    assert "below 0.7" in poor.reason and not good.reason
    # Weights: the share of truth, on average 1 among representative ones.
    assert poor.weight == 0 and (good.weight + scaled.weight) / 2 == pytest.approx(1)
    assert good.weight / scaled.weight == pytest.approx(good.correlation**2 / scaled.correlation**2)
    assert any("2 of 3 stations are representative" in line for line in progress.infos)


def test_stations_that_do_not_follow(truth, products):
    def other(series):
        return series.mean() + np.random.default_rng(9).normal(0, 0.05, len(series))

    rows, observed = stations(truth, good=noisy(0.02), other=other, upside_down=lambda s: 0.5 - s)
    _, other, upside_down = judge_stations(rows, observed, products)
    for item in (other, upside_down):
        assert item.representative is False and item.weight == 0 and np.isnan(item.correlation)
        assert "not significantly positively correlated with PRODUCT_A and PRODUCT_B" in item.reason


def test_what_cannot_be_judged(truth, products, write_raster):
    rows, observed = stations(truth, good=noisy(0.02), constant=lambda s: np.full(len(s), 0.2))
    observed[:80], observed[80 : 2 * DAYS] = observed[:80], np.nan
    with pytest.raises(InputError, match=r"No station of 'gauges' can be judged: a series does not vary"):
        judge_stations(rows, observed, products)
    constant, good = judge_stations(rows, observed, products, QualitySettings(min_samples=50))
    assert constant.representative is None and constant.reason == "a series does not vary" and constant.weight == 1
    assert good.n == 80 and good.representative
    # Products that see nothing of each other say nothing of stations.
    rng = np.random.default_rng(5)
    noise = [write_raster("n.tif", rng.random((DAYS, 2, 2)), [f"soil_moisture@{day}" for day in DATES], cell=300.0)]
    with pytest.raises(InputError, match="the two products do not agree with each other there"):
        judge_stations(*stations(truth, good=noisy(0.02)), (products[0], noise))


def test_the_season_can_be_taken_off(truth, write_raster):
    """All share the season: without it a station that has only that is not representative."""
    season = 0.1 * np.sin(2 * np.pi * np.arange(DAYS) / 365.25)
    rng = np.random.default_rng(6)
    products = tuple(
        [write_raster(f"{name}.tif", truth + season[:, None, None] + rng.normal(0, 0.02, truth.shape),
                      [f"soil_moisture@{day}" for day in DATES], cell=300.0)]
        for name in "ab"
    )  # fmt: skip
    rows, observed = stations(
        truth,
        follows=lambda s: s + season + rng.normal(0, 0.02, DAYS),
        seasonal=lambda s: 0.25 + season + rng.normal(0, 0.02, DAYS),
    )
    assert all(item.representative for item in judge_stations(rows, observed, products))
    settings = QualitySettings(deviations=Deviations("moving_window", 35))
    follows, seasonal = judge_stations(rows, observed, products, settings)
    assert follows.representative and seasonal.representative is False


def test_noise_is_not_representative(truth, products):
    """Of stations with memory but nothing of the truth, hardly any passes."""
    passed = 0
    for seed in range(20):

        def ar(series, seed=seed):
            rng = np.random.default_rng(100 + seed)
            values = np.zeros(len(series))
            for i in range(1, len(values)):
                values[i] = 0.95 * values[i - 1] + rng.normal(0, 0.02)
            return 0.25 + values

        (item,) = judge_stations(*stations(truth, noise=ar), products)
        passed += bool(item.representative)
    assert passed <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (QualitySettings(min_samples=2), "`min_samples` is 2"),
        (QualitySettings(alpha=0), "`alpha` is 0"),
        (QualitySettings(min_correlation=1), "`min_correlation` is 1"),
    ],
)
def test_refusals(truth, products, settings, message):
    with pytest.raises(InputError, match=message):
        judge_stations(*stations(truth, good=noisy(0.02)), products, settings)


def test_one_product_is_not_two(truth, products):
    with pytest.raises(InputError, match="'a.tif' is given as both products. Give two whose"):
        judge_stations(*stations(truth, good=noisy(0.02)), (products[0], products[0]))


def test_the_report(truth, products):
    settings = QualitySettings()
    found = judge_stations(*stations(truth, good=noisy(0.02), poor=noisy(0.09, 4)), products, settings)
    html = quality_report(found, settings, False).html()
    assert "1 of 2 stations stand for the cells" in html and "below 0.7" in html
