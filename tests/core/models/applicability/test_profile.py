"""The error that grows with dissimilarity: known laws, and what is written for each cell."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from sm_toolbox.models.applicability.profile import ErrorProfile, by_quartile


def test_a_known_law_is_found():
    rng = np.random.default_rng(1)
    unlike = rng.uniform(0, 2, 20_000)
    profile = ErrorProfile.fit(unlike, rng.normal(0, 0.03 + 0.05 * unlike))
    at = np.linspace(0.1, 1.9, 10)
    np.testing.assert_allclose(profile.expected(at), 0.03 + 0.05 * at, rtol=0.06)
    assert np.isnan(profile.expected(np.array([np.nan]))).all()


def test_beyond_the_training_it_is_the_last():
    profile = ErrorProfile(np.array([0.1, 0.5]), np.array([0.02, 0.06]))
    np.testing.assert_allclose(profile.expected(np.array([0.0, 0.3, 9.0])), [0.02, 0.04, 0.06], rtol=1e-6)


def test_it_never_falls_and_equals_isotonic_regression():
    rng = np.random.default_rng(2)
    unlike, errors = rng.uniform(0, 1, 600), rng.normal(0, 0.05, 600)
    profile = ErrorProfile.fit(unlike, errors)
    assert (np.diff(profile.rmse) >= 0).all() and len(profile.rmse) == 20
    parts = np.array_split(np.argsort(unlike, kind="stable"), 20)
    squares = [np.mean(errors[part] ** 2) for part in parts]
    peer = IsotonicRegression().fit(np.arange(20), squares, [len(part) for part in parts]).predict(np.arange(20))
    np.testing.assert_allclose(profile.rmse, np.sqrt(peer), rtol=1e-12)


def test_few_rows_have_one_number():
    profile = ErrorProfile.fit(np.array([0.1, 0.4, 0.2]), np.array([0.01, -0.03, 0.02]))
    assert len(profile.rmse) == 1 and profile.rmse[0] == pytest.approx(np.sqrt((1e-4 + 9e-4 + 4e-4) / 3))


def test_the_record_comes_back_and_nonsense_does_not():
    profile = ErrorProfile(np.array([0.1, 0.5]), np.array([0.02, 0.06]))
    again = ErrorProfile.from_record(profile.as_record())
    np.testing.assert_array_equal(again.rmse, profile.rmse)
    for record in (
        None,
        [],
        {},
        {"dissimilarity": [], "rmse": []},
        {"dissimilarity": [0.1], "rmse": [0.1, 0.2]},
        {"dissimilarity": [0.5, 0.1], "rmse": [0.1, 0.2]},
        {"dissimilarity": [0.1, 0.5], "rmse": [0.1, float("nan")]},
        {"dissimilarity": ["a", 0.5], "rmse": [0.1, 0.2]},
        {"dissimilarity": [0.1, 0.5], "rmse": [-0.1, 0.2]},
        {"dissimilarity": list(range(500)), "rmse": list(range(500))},
    ):
        assert ErrorProfile.from_record(record) is None


def test_quarters():
    unlike, errors = np.arange(8.0)[::-1], np.array([4, 4, 3, 3, 2, 2, 1, 1.0])
    quarters = by_quartile(unlike, errors)
    assert quarters == [(0, 1, 2, 1), (2, 3, 2, 2), (4, 5, 2, 3), (6, 7, 2, 4)]
