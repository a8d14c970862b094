"""Metrics against independent formulas, and intervals against simulations."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_squared_error, r2_score

from sm_toolbox.metrics import METRICS, effective_samples, intervals, metrics

values = st.lists(st.floats(0, 0.6).map(lambda v: round(v, 4)), min_size=5, max_size=60)


@settings(max_examples=100)
@given(values, st.integers(0, 1000))
def test_against_scipy_and_scikit_learn(observed, seed):
    observed = np.array(observed)
    predicted = observed + np.random.default_rng(seed).normal(0.02, 0.05, len(observed))
    found = metrics(predicted, observed)
    assert found.rmse == pytest.approx(np.sqrt(mean_squared_error(observed, predicted)))
    assert found.rmse**2 == pytest.approx(found.ubrmse**2 + found.bias**2)
    if np.ptp(observed) > 0.01:
        line = stats.linregress(predicted, observed)
        assert found.r == pytest.approx(line.rvalue) and found.slope == pytest.approx(line.slope)
        assert found.r_squared == pytest.approx(line.rvalue**2) and found.r2 == pytest.approx(
            r2_score(observed, predicted)
        )
        # Taylor 2001: the three sides of a triangle.
        assert found.ubrmse**2 == pytest.approx(
            predicted.var() + observed.var() - 2 * predicted.std() * observed.std() * found.r
        )


def test_closed_forms():
    observed = np.array([0.1, 0.2, 0.3, 0.4])
    found = metrics(observed + 0.05, observed)
    assert (found.bias, found.rmse, found.ubrmse, found.r, found.slope) == pytest.approx((0.05, 0.05, 0, 1, 1))
    assert metrics(np.full(4, 0.25), observed).r2 == pytest.approx(0)
    assert metrics(observed[::-1].copy(), observed).r2 < 0


def test_too_little_to_say_anything():
    assert metrics(np.array([]), np.array([])).n == 0
    constant = metrics(np.full(5, 0.2), np.full(5, 0.2))
    assert np.isnan(constant.r) and np.isnan(constant.r2) and np.isnan(constant.slope) and constant.rmse == 0
    assert np.isnan(metrics(np.array([0.1, 0.2]), np.array([0.1, 0.3])).r)
    assert np.isnan(intervals(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.3, 0.2])).r_low)


def autoregressive(rng, n, rho):
    noise = rng.normal(size=n) * np.sqrt(1 - rho**2)
    series = np.empty(n)
    series[0] = rng.normal()
    for i in range(1, n):
        series[i] = rho * series[i - 1] + noise[i]
    return series


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_intervals_cover_the_truth_about_as_often_as_they_say(rho):
    rng = np.random.default_rng(0)
    r_true, bias_true, sd_true = 0.8, 0.03, 0.05
    covered = np.zeros(3)
    runs = 600
    for _ in range(runs):
        a, b = autoregressive(rng, 200, rho), autoregressive(rng, 200, rho)
        error = autoregressive(rng, 200, rho) * sd_true + bias_true
        found = intervals(a, r_true * a + np.sqrt(1 - r_true**2) * b)
        of_error = intervals(0.2 + error, np.full(200, 0.2))
        covered += [
            found.r_low <= r_true <= found.r_high,
            of_error.bias_low <= bias_true <= of_error.bias_high,
            of_error.ubrmse_low <= sd_true <= of_error.ubrmse_high,
        ]
    np.testing.assert_allclose(covered / runs, 0.95, atol=0.035)


def test_few_effective_samples_have_no_limits():
    """At most one series in six of 30 values and a memory of 0.9 has limits of ubRMSE that do not hold."""
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(300):
        error = autoregressive(rng, 30, 0.9) * 0.05
        found = intervals(0.2 + error, np.full(30, 0.2))
        wrong += np.isfinite(found.ubrmse_low) and not found.ubrmse_low <= 0.05 <= found.ubrmse_high
    assert wrong / 300 <= 1 / 6
    alike = np.linspace(0.1, 0.4, 40)
    assert np.isnan(intervals(alike + 0.01, alike + 0.0).r_low), "two slopes are worth one pair"
    assert np.isnan(intervals(np.arange(9.0), rng.normal(size=9)).bias_low)


def test_effective_samples_of_autocorrelated_series():
    rng = np.random.default_rng(0)
    white = np.mean([effective_samples(rng.normal(size=500), rng.normal(size=500)) for _ in range(20)])
    red = np.mean([effective_samples(autoregressive(rng, 500, 0.8), autoregressive(rng, 500, 0.8)) for _ in range(20)])
    assert white == pytest.approx(500, rel=0.05)
    assert red == pytest.approx(500 * (1 - 0.64) / (1 + 0.64), rel=0.15)


def test_each_metric_is_a_row_and_an_attribute():
    rng = np.random.default_rng(0)
    found = metrics(rng.random(20), rng.random(20))
    assert list(found.as_dict()) == list(METRICS)
    assert all(getattr(found, key) == value for key, value in found.as_dict().items())
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(AttributeError, match="there is no metric 'mae'"):
        _ = found.mae


def test_one_pair_has_no_error_but_its_bias():
    found = metrics(np.array([0.3]), np.array([0.2]))
    assert np.isnan(found.ubrmse) and found.bias == pytest.approx(0.1) and found.rmse == pytest.approx(0.1)
