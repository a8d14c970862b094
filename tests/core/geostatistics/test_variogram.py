"""Variograms: models as published, the empirical one by hand, and fits that find what was simulated."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.geostatistics.variogram import MODELS, Variogram, empirical_variogram, fit_variogram


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("spherical", lambda h: np.where(h < 1, 1 - 1.5 * h + 0.5 * h**3, 0)),
        ("exponential", lambda h: np.exp(-3 * h)),
        ("gaussian", lambda h: np.exp(-3 * h**2)),
        ("matern", lambda h: (1 + 4.743864518390554 * h) * np.exp(-4.743864518390554 * h)),
    ],
)
def test_models(model, expected):
    h = np.linspace(0, 3, 400).reshape(20, 20)
    variogram = Variogram(model, 2.0, 5000.0, 0.25)
    np.testing.assert_allclose(variogram.correlation(5000 * h), expected(h), atol=1e-11)
    np.testing.assert_allclose(variogram.covariance(5000 * h), 1.5 * expected(h), atol=1e-11)
    np.testing.assert_allclose(variogram(5000 * h[h > 0]), 2 - 1.5 * expected(h[h > 0]), atol=1e-11)


@pytest.mark.parametrize("model", MODELS)
def test_the_range_is_where_likeness_has_fallen_to_a_twentieth(model):
    expected = 0.0 if model == "spherical" else 0.05
    assert Variogram(model, 1.0, 700.0).correlation(np.array([700.0]))[0] == pytest.approx(expected, abs=3e-4)


@pytest.mark.parametrize(
    "wrong", [{"model": "linear"}, {"range": 0.0}, {"sill": -1.0}, {"nugget": 1.2}, {"range": float("nan")}]
)
def test_no_variogram(wrong):
    with pytest.raises(InputError, match=r"is none of spherical|needs a range above 0 m"):
        Variogram(**{"model": "spherical", "sill": 1.0, "range": 10.0, "nugget": 0.1, **wrong})


def test_empirical_by_hand():
    rng = np.random.default_rng(1)
    points = np.concatenate([100 * rng.random((25, 2)), np.zeros((25, 1))], axis=1)
    values = rng.normal(300, 1, (25, 3))
    values[rng.random((25, 3)) < 0.3] = np.nan
    seen = empirical_variogram(points, values)
    pairs = []
    for date in range(3):
        for i in range(25):
            for j in range(i):
                if np.isfinite(values[i, date] + values[j, date]):
                    pairs.append(
                        (np.linalg.norm(points[i] - points[j]), 0.5 * (values[i, date] - values[j, date]) ** 2)
                    )
    distance, half = np.array(pairs).T
    reach = np.quantile(np.unique(distance), 0.75)
    assert seen.reach == pytest.approx(reach) and seen.spread == pytest.approx(half.mean())
    of_class = np.floor(distance / reach * 15).astype(int)
    for k, number in enumerate(np.unique(of_class[of_class < 15])):
        own = of_class == number
        assert seen.pairs[k] == own.sum()
        assert (seen.distance[k], seen.semivariance[k]) == pytest.approx((distance[own].mean(), half[own].mean()))


def simulate(model, nugget, dates=1000, stations=120):
    """A Gaussian field of many independent dates: its truth is known."""
    rng = np.random.default_rng(7)
    points = np.concatenate([1e5 * rng.random((stations, 2)), np.zeros((stations, 1))], axis=1)
    truth = Variogram(model, 0.004, 3e4, nugget)
    covariance = truth.covariance(np.linalg.norm(points[:, None] - points, axis=2)) + truth.sill * nugget * np.eye(
        stations
    )
    values = 0.3 + np.linalg.cholesky(covariance + 1e-12 * np.eye(stations)) @ rng.normal(size=(stations, dates))
    return points, values, truth


@pytest.mark.parametrize("nugget", [0.0, 0.3])
@pytest.mark.parametrize("model", MODELS)
def test_a_simulated_field_is_found_again(model, nugget):
    points, values, truth = simulate(model, nugget)
    values[np.random.default_rng(0).random(values.shape) < 0.2] = np.nan
    found = fit_variogram(points, values, model)
    assert found.sill == pytest.approx(truth.sill, rel=0.05)
    assert found.range == pytest.approx(truth.range, rel=0.05)
    assert found.nugget == pytest.approx(nugget, abs=0.03)
    assert found.fit_error < 0.05


def test_what_is_given_is_kept():
    points, values, truth = simulate("exponential", 0.2)
    for given in ({"nugget": 0.5}, {"sill": 0.01}, {"range_": 5000.0}, {"nugget": 0.0, "range_": 2e4}):
        found = fit_variogram(points, values, "exponential", **given)
        for name, value in given.items():
            assert getattr(found, name.rstrip("_")) == pytest.approx(value, rel=1e-12)
    whole = fit_variogram(points, values, "exponential", nugget=0.2, sill=0.004, range_=3e4)
    assert (whole.nugget, whole.sill, whole.range) == (0.2, 0.004, 3e4) and 0 < whole.fit_error < 0.2
    assert truth.range == pytest.approx(
        fit_variogram(points, values, "exponential", nugget=0.2, sill=0.004).range, rel=0.1
    )


def test_noise_alone_is_all_nugget():
    rng = np.random.default_rng(0)
    points = np.concatenate([1e5 * rng.random((80, 2)), np.zeros((80, 1))], axis=1)
    found = fit_variogram(points, rng.normal(size=(80, 50)), "exponential")
    # A range of next to nothing is a nugget, too.
    assert found.sill == pytest.approx(1, rel=0.05)
    assert found.covariance(np.array([8e3]))[0] < 0.05


def test_a_trend_has_a_range_at_its_bound():
    rng = np.random.default_rng(0)
    points = np.concatenate([1e5 * rng.random((40, 2)), np.zeros((40, 1))], axis=1)
    found = fit_variogram(points, points[:, 0] / 1e5, "spherical")
    assert found.range > 1e5 and found.sill > np.var(points[:, 0] / 1e5)


def test_equal_values_have_no_variogram():
    points = np.arange(12.0).reshape(4, 3)
    assert fit_variogram(points, np.full(4, 0.3), "spherical").sill == 0
    assert fit_variogram(points, np.full(4, 0.3), "spherical", sill=2.0, nugget=0.1, range_=5.0).sill == 2


def test_too_few_pairs():
    with pytest.raises(InputError, match="1 pairs in 1 classes of distance, for `sill` and `range`"):
        fit_variogram(np.eye(3)[:2], np.array([1.0, 2.0]))
    with pytest.raises(InputError, match="0 pairs"):
        fit_variogram(np.eye(3)[:2], np.array([1.0, np.nan]))
    assert fit_variogram(np.eye(3)[:2], np.array([1.0, 2.0]), nugget=0.1, range_=5.0).sill > 0


def test_many_stations_are_thinned_out():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.random((2500, 2)), np.zeros((2500, 1))], axis=1)
    seen = empirical_variogram(points, rng.normal(size=(2500, 1)))
    assert seen.pairs.sum() < 2000 * 1999 / 2 and seen.spread == pytest.approx(1, rel=0.1)
