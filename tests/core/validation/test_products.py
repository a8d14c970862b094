"""Several products at the same stations: common samples, paired differences, groups, tenths, seasons taken off."""

import numpy as np
import pytest
from scipy import stats

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import metrics
from sm_toolbox.validation.anomalies import Deviations
from sm_toolbox.validation.groups import by_tenth, group_rows, groups_differ, spread_ratio
from sm_toolbox.validation.products import compare_products, paired_difference
from sm_toolbox.validation.rating import Observed, rate
from sm_toolbox.validation.report import Shown, products_report

STATIONS, DATES = 8, 30


@pytest.fixture
def rows():
    """Observations of eight stations in two networks."""
    rng = np.random.default_rng(3)
    stations = np.repeat([f"s{i}" for i in range(STATIONS)], DATES)
    times = np.tile(np.datetime64("2018-06-01", "s") + np.arange(DATES) * np.timedelta64(86400, "s"), STATIONS)
    groups = np.where(np.repeat(np.arange(STATIONS) < 4, DATES), "Alps", "Po")
    return Observed("obs", stations, times, rng.uniform(0.1, 0.4, STATIONS * DATES), groups)


@pytest.fixture
def products(rows):
    """A close product with gaps, and a wet one without."""
    rng = np.random.default_rng(4)
    close = rows.values + 0.02 * rng.standard_normal(len(rows.values))
    wet = rows.values + 0.05 + 0.03 * rng.standard_normal(len(rows.values))
    close[::3] = np.nan
    return {"close": close, "wet": wet}


def test_products_are_compared_on_the_rows_that_all_have(rows, products, progress):
    found = compare_products(rows, products, 5, progress=progress)
    both = ~np.isnan(products["close"])
    for label, result, own in zip(found.labels, found.results, found.own):
        has = ~np.isnan(products[label])
        assert result.pooled == metrics(*_sorted(rows, products[label], both))
        assert own.pooled == metrics(*_sorted(rows, products[label], has))
        np.testing.assert_array_equal(np.sort(result.rows), np.flatnonzero(both))
    assert ("no value of another product", 80) in found.results[1].unmatched
    assert (
        "On the 160 pairs that all products have" in progress.infos[-1] and "on all its 240 pairs" in progress.infos[-1]
    )
    apart = compare_products(rows, products, 5, common_sample=False)
    assert [result.pooled.n for result in apart.results] == [160, 240] and not apart.common


def _sorted(rows, values, mask):
    pairs = np.flatnonzero(mask)
    pairs = pairs[np.lexsort((rows.times[pairs], rows.stations[pairs]))]
    return values[pairs], rows.values[pairs]


def test_products_without_common_rows_are_refused_with_what_each_has(rows, products):
    early = np.where(np.arange(len(rows.values)) % DATES < 15, rows.values, np.nan)
    late = np.where(np.arange(len(rows.values)) % DATES >= 15, rows.values, np.nan)
    with pytest.raises(InputError, match=r"too few common pairs \(0; .*'early' 120, 'late' 120.*`common_sample` off"):
        compare_products(rows, {"early": early, "late": late})
    with pytest.raises(InputError, match=r"'sparse': No station of 'obs' has 10 pairs"):
        sparse = np.where(np.arange(len(rows.values)) % DATES < 2, rows.values, np.nan)
        compare_products(rows, {"all": rows.values, "sparse": sparse}, common_sample=False)


@pytest.mark.parametrize("metric", ["r", "rmse", "ubrmse", "bias"])
def test_paired_differences_are_those_of_a_t_test_over_stations(rows, products, metric):
    found = compare_products(rows, products, 5)
    item = paired_difference(*found.results, metric)
    before, after = (
        np.array([station.metrics.values[metric] for station in result.by_station]) for result in found.results
    )
    before, after = (np.abs(before), np.abs(after)) if metric == "bias" else (before, after)
    by_scipy = stats.ttest_rel(after, before)
    assert item.stations == STATIONS and item.mean == pytest.approx((after - before).mean())
    assert item.p == pytest.approx(by_scipy.pvalue, rel=1e-9)
    half = stats.t.ppf(0.975, STATIONS - 1) * (after - before).std(ddof=1) / np.sqrt(STATIONS)
    assert (item.low, item.high) == pytest.approx((item.mean - half, item.mean + half))
    assert item.better == np.mean(after > before if metric == "r" else after < before)


def test_limits_of_differences_hold_what_they_say():
    """95 % of them hold zero where two products are equally good."""
    rng, held = np.random.default_rng(5), 0
    stations = np.repeat([f"s{i}" for i in range(10)], 12)
    times = np.full(120, np.datetime64("NaT", "s"))
    for _ in range(200):
        rows = Observed("obs", stations, times, rng.uniform(0.1, 0.4, 120))
        noise = np.repeat(rng.uniform(0.01, 0.06, 10), 12)
        first, second = (rate(rows, rows.values + noise * rng.standard_normal(120)) for _ in range(2))
        item = paired_difference(first, second, "rmse")
        held += item.low <= 0 <= item.high
    assert 0.90 <= held / 200 <= 0.99


def test_too_few_stations_have_no_limits(rows, products):
    few = Observed("obs", rows.stations[:60], rows.times[:60], rows.values[:60])
    pair = [rate(few, products[name][:60], 5) for name in ("close", "wet")]
    item = paired_difference(*pair, "rmse")
    assert item.stations == 2 and item.mean > 0 and np.isnan([item.low, item.high, item.p]).all()
    assert np.isnan(paired_difference(pair[0], pair[0], "rmse").p)


def test_groups_are_means_and_medians_over_their_stations(rows, products):
    found = compare_products(rows, products, 5)
    table = {(row.group, row.product): row for row in group_rows(found)}
    assert set(table) == {(g, p) for g in ("Alps", "Po", "all stations") for p in ("close", "wet")}
    members = [item for item in found.results[1].by_station if item.group == "Po"]
    row = table["Po", "wet"]
    biases = [item.metrics.bias for item in members]
    assert row.stations == 4 and row.n == sum(item.metrics.n for item in members)
    assert row.mean["bias"] == pytest.approx(np.mean(biases)) and row.median["r"] == pytest.approx(
        np.median([item.metrics.r for item in members])
    )
    assert row.p_bias_zero == pytest.approx(stats.ttest_1samp(biases, 0).pvalue)
    assert row.p_first["rmse"] == paired_difference(*found.results, "rmse", "Po").p < 0.05
    assert np.isnan(table["Po", "close"].p_first["rmse"])
    rmse = [[item.metrics.rmse for item in found.first.by_station if item.group == g] for g in ("Alps", "Po")]
    assert groups_differ(found.first, "rmse") == pytest.approx(stats.kruskal(*rmse).pvalue)


def test_groups_of_one_station_have_no_p_values(rows, products):
    one = Observed("obs", rows.stations, rows.times, rows.values, rows.stations)
    found = compare_products(one, products, 5)
    alone = [row for row in group_rows(found) if row.group != "all stations"]
    assert len(alone) == 2 * STATIONS and all(
        row.stations == 1 and np.isnan([row.p_bias_zero, *row.p_first.values()]).all() for row in alone
    )
    assert np.isnan(groups_differ(found.first, "rmse"))


def test_tenths_show_what_is_drawn_to_the_mean():
    observed = np.random.default_rng(0).permutation(np.linspace(0, 0.5, 1000))
    rows = by_tenth(0.25 + 0.4 * (observed - 0.25), observed)
    assert [row.n for row in rows] == [100] * 10 and rows[0].low == 0 and rows[-1].high == 0.5
    # Bias of a line of slope 0.4: −0.6 (o − 0.25).
    assert [row.bias for row in rows] == pytest.approx([-0.6 * (row.observed - 0.25) for row in rows])
    assert spread_ratio(0.4 * observed, observed) == pytest.approx(0.4)
    assert np.isnan(spread_ratio(observed, np.full(1000, 0.2))) and len(by_tenth(observed[:4], observed[:4])) == 4


def season(times):
    return 0.1 * np.sin(2 * np.pi * (times.astype("datetime64[D]").astype(int) % 365) / 365)


def test_months_are_taken_off_both_sides():
    """Anomalies from a mean year are what pandas makes of them."""
    import pandas as pd

    rng = np.random.default_rng(1)
    times = np.datetime64("2015-01-03", "s") + np.arange(0, 4 * 365, 5) * np.timedelta64(86400, "s")
    own = 0.02 * rng.standard_normal(len(times))
    observed = 0.25 + season(times) + own
    product = 0.30 + 0.5 * season(times) + 0.8 * own
    stations = np.full(len(times), "a")
    found = rate(Observed("obs", stations, times, observed), product, deviations=Deviations("climatology"))
    series = pd.Series(observed, times)
    expected = series - series.groupby(series.index.month).transform("mean")
    np.testing.assert_allclose(found.observed, expected.to_numpy(), atol=1e-12)
    assert found.pooled.r > 0.9 and abs(found.pooled.bias) < 1e-12 and found.anomalies == "climatology"


def test_a_moving_window_takes_off_the_days_around():
    import pandas as pd

    rng = np.random.default_rng(1)
    times = np.datetime64("2015-01-03", "s") + np.arange(200) * np.timedelta64(86400, "s")
    values = 0.25 + season(times) + 0.02 * rng.standard_normal(200)
    stations = np.full(200, "a")
    found = rate(Observed("obs", stations, times, values), values + 0.1, deviations=Deviations("moving_window", 31))
    # The window reaches 15.5 days to both sides: 31 dates in the middle, fewer at the ends.
    expected = values - pd.Series(values).rolling(31, center=True, min_periods=1).mean()
    np.testing.assert_allclose(found.observed, expected, atol=1e-12)
    assert found.pooled.r == pytest.approx(1) and found.pooled.rmse == pytest.approx(0, abs=1e-12)


def test_pairs_alone_in_their_window_or_without_a_time_are_counted():
    times = np.datetime64("2015-01-01", "s") + np.append(np.arange(12), 300) * np.timedelta64(86400, "s")
    times[0] = np.datetime64("NaT")
    values = np.random.default_rng(0).random(13)
    found = rate(Observed("obs", np.full(13, "a"), times, values), values, 5, deviations=Deviations("moving_window", 9))
    assert ("no mean of the season, for too few values around", 2) in found.unmatched and found.pooled.n == 11
    with pytest.raises(InputError, match="`anomalies` is 'weekly'"):
        Deviations("weekly")


def test_the_report_has_all_of_it(rows, products):
    found = compare_products(rows, products, 5)
    x, y = np.repeat(np.arange(8.0), DATES), np.repeat(np.arange(8.0) % 3, DATES)
    html = products_report(found, "Two products", Shown("obs", 5, x, y, True, ("s3", "s5"))).html()
    for words in (
        "all its own pairs",
        "Differences between products",
        "wet − close",
        "Dry and wet",
        "Groups of stations",
        "Kruskal",
        "Large dots are the products",
        "RMSE of the stations at their places",
        "Station s3.",
        'class="sortable"',
        'class="half"',
        'addEventListener("click"',
    ):
        assert words in html, words
    assert "Station s1." not in html and html.count("Station s") == 2 * html.count("Station s3.")
