"""Quantile forest: against its definition, computed from scratch with scikit-learn's own leaves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import Cancelled, ModelFileError
from sm_toolbox.models.learners.forest import Forest
from sm_toolbox.models.learners.quantileforest import QuantileForest, QuantileForestModel
from sm_toolbox.progress import SILENT

LEVELS = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])


def by_definition(trees, features, target, weights, rows, levels):
    """Weights of all training rows, mean and quantiles, row by row (Meinshausen 2006, equations 4 to 6)."""
    weights = np.ones(len(target)) if weights is None else weights
    order = np.argsort(target, kind="stable")
    mean, quantiles = [], []
    training_leaves = [tree.apply(features) for tree in trees]
    for row in rows:
        total = np.zeros(len(target))
        for tree, leaves in zip(trees, training_leaves):
            inside = (leaves == tree.apply(row[None])[0]) * weights
            if inside.sum() > 0:
                total += inside / inside.sum()
        total /= total.sum()
        mean.append(total @ target)
        reached = np.cumsum(total[order])
        quantiles.append([target[order][np.argmax(reached >= level - 1e-9)] for level in levels])
    return np.array(mean), np.array(quantiles)


def grown(seed, rows, features, leaf, trees, weighted=False, ties=False):
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(seed)
    x = rng.random((rows, features)).astype(np.float32)
    y = x[:, 0] + 0.3 * rng.random(rows)
    if ties:
        y = np.round(y, 1)
    weights = rng.integers(0, 4, rows).astype(float) if weighted else None
    if weighted:
        weights[0] = 1
    peer = RandomForestRegressor(trees, min_samples_leaf=leaf, random_state=seed).fit(x, y, sample_weight=weights)
    model = QuantileForestModel(Forest.from_sklearn(peer.estimators_, features), x, y, weights)
    return peer.estimators_, x, y, weights, model, rng.random((40, features)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(5, 300),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_equals_the_definition(seed, rows, features, leaf, trees, weighted, ties):
    estimators, x, y, weights, model, new = grown(seed, rows, features, leaf, trees, weighted, ties)
    mean, quantiles = model.predict_quantiles(new, LEVELS)
    expected_mean, expected = by_definition(estimators, x, y, weights, new, LEVELS)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12)
    np.testing.assert_allclose(model.predict(new), expected_mean, rtol=1e-12)
    np.testing.assert_array_equal(quantiles, expected)


def test_thousands_of_rows_and_levels():
    estimators, x, y, weights, model, new = grown(0, 5000, 3, 10, 20)
    levels = np.round(np.arange(0.01, 1, 0.01), 2)
    _, quantiles = model.predict_quantiles(new, levels)
    np.testing.assert_array_equal(quantiles, by_definition(estimators, x, y, weights, new, levels)[1])
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_quantiles_of_a_known_distribution():
    """Where the spread grows with the first feature, so do the quantiles."""
    rng = np.random.default_rng(0)
    x = rng.random((20000, 2)).astype(np.float32)
    y = x[:, 0] * rng.standard_normal(20000)
    model = QuantileForest(50, min_samples_leaf=50).fit(x, y, None, 0, SILENT)
    at = np.array([[0.2, 0.5], [0.9, 0.5]], np.float32)
    _, quantiles = model.predict_quantiles(at, np.array([0.05, 0.95]))
    np.testing.assert_allclose(quantiles, [[-0.33, 0.33], [-1.48, 1.48]], rtol=0.2)


def test_a_file_gives_the_same_model(tmp_path):
    _, _, _, _, model, new = grown(1, 300, 3, 5, 10, weighted=True)
    np.savez_compressed(tmp_path / "m.npz", **model.to_arrays())
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        again = QuantileForest.from_arrays(dict(arrays), 3)
    for a, b in zip(model.predict_quantiles(new, LEVELS), again.predict_quantiles(new, LEVELS)):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(again.impurity_importance, model.impurity_importance)
    assert model.impurity_importance.sum() == pytest.approx(1) and model.impurity_importance.argmax() == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: a.pop("quantile_target"),
        lambda a: a.update(quantile_features=a["quantile_features"][:-1]),
        lambda a: a.update(quantile_features=a["quantile_features"].astype(np.float64)),
        lambda a: a.update(quantile_target=np.full_like(a["quantile_target"], np.nan)),
        lambda a: a.update(quantile_weight=np.full_like(a["quantile_target"], -1)),
        lambda a: a.update(quantile_weight=np.ones(3)),
        lambda a: a.update(forest_importance=np.ones(9, np.float32)),
    ],
)
def test_hostile_files_are_refused(spoil):
    arrays = grown(1, 50, 3, 5, 3)[4].to_arrays()
    spoil(arrays)
    with pytest.raises(ModelFileError):
        QuantileForest.from_arrays(arrays, 3)


def test_training_rows_of_another_forest_make_no_crash():
    """A leaf that no training row reaches says nothing."""
    arrays = grown(1, 50, 3, 5, 3)[4].to_arrays()
    arrays["quantile_features"] = np.zeros_like(arrays["quantile_features"])
    mean, quantiles = QuantileForest.from_arrays(arrays, 3).predict_quantiles(np.ones((5, 3), np.float32), LEVELS)
    assert mean.shape == (5,) and quantiles.shape == (5, 7)


def test_cancel(cancelling):
    rng = np.random.default_rng(0)
    with pytest.raises(Cancelled):
        QuantileForest(100).fit(rng.random((50, 2)).astype(np.float32), rng.random(50), None, 0, cancelling(2))


@pytest.mark.peers
def test_the_quantile_forest_package_agrees():
    """Means are equal; its quantiles, which interpolate between targets, reach the level to within the weight of a row
    (quantile-forest 1.4.2, trees of all rows, as it counts in-bag rows only).
    """
    package = pytest.importorskip("quantile_forest")
    rng = np.random.default_rng(0)
    x = rng.random((1000, 4)).astype(np.float32)
    y = x[:, 0] + 0.3 * rng.standard_normal(1000)
    peer = package.RandomForestQuantileRegressor(
        20, min_samples_leaf=10, max_samples_leaf=None, bootstrap=False, max_features=1 / 3, random_state=0
    ).fit(x, y)
    model = QuantileForestModel(Forest.from_sklearn(peer.estimators_, 4), x, y)
    new = rng.random((200, 4)).astype(np.float32)
    levels = np.array([0.05, 0.5, 0.95])
    mean, quantiles = model.predict_quantiles(new, levels)
    np.testing.assert_allclose(mean, peer.predict(new, quantiles="mean", weighted_leaves=True), rtol=1e-12)
    theirs = peer.predict(new, quantiles=levels.tolist(), weighted_quantile=True, weighted_leaves=True)
    leaves, training = peer.apply(new), peer.apply(x)
    for row in range(200):
        inside = leaves[row] == training
        weight = (inside / inside.sum(axis=0)).mean(axis=1)
        for level, their in zip(levels, theirs[row]):
            reached = weight[y <= their + 1e-12].sum()
            assert abs(reached - level) <= 2 * weight.max(), (row, level)
    assert np.abs(theirs - quantiles).mean() < 0.02 * np.ptp(y)
