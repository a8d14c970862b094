"""XGBoost, support vectors and networks: equal to the libraries that trained them, and safe to read from a file."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import Cancelled, InputError, ModelFileError
from sm_toolbox.models.learners.boosting import XGBoost
from sm_toolbox.models.learners.catalogue import LEARNERS, make_estimator
from sm_toolbox.models.learners.mlp import NeuralNetwork
from sm_toolbox.models.learners.scaling import Scaling, relative_weights
from sm_toolbox.models.learners.svr import SupportVectors
from sm_toolbox.progress import SILENT


def data(seed=0, rows=200, features=3):
    rng = np.random.default_rng(seed)
    x = (rng.random((rows, features)) * [1000, 1, 0.01][:features]).astype(np.float32)
    y = 0.3 + 0.1 * np.sin(x[:, 0] / 200) + 0.01 * rng.standard_normal(rows)
    return x, y, rng


def far_rows(x):
    """Rows like those of the training, and some far from them."""
    return np.concatenate([x, 3 * x, -x]).astype(np.float32)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 100), st.integers(1, 30), st.integers(1, 6), st.sampled_from([0.3, 0.01]), st.booleans())
def test_boosted_trees_are_those_of_xgboost(seed, trees, depth, rate, weighted):
    xgboost = pytest.importorskip("xgboost")
    x, y, rng = data(seed)
    weights = rng.random(len(y)) if weighted else None
    found = XGBoost(trees, depth, rate).fit(x, y, weights, 3, SILENT)
    peer = xgboost.XGBRegressor(
        n_estimators=trees, max_depth=depth, learning_rate=rate, tree_method="hist", random_state=3
    ).fit(x, y, sample_weight=relative_weights(weights))
    # On thresholds themselves, too, where < and <= differ.
    rows = np.concatenate([far_rows(x), np.nextafter(x, np.float32(np.inf))])
    np.testing.assert_allclose(found.predict(rows), peer.predict(rows), atol=1e-6)
    assert found.impurity_importance.sum() == pytest.approx(1, abs=1e-5) or trees == 1


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 100),
    st.sampled_from(["linear", "rbf", "poly", "sigmoid"]),
    st.sampled_from([0.1, 10]),
    st.sampled_from([0.01, 0.5]),
    st.booleans(),
)
def test_support_vectors_are_those_of_scikit_learn(seed, kernel, penalty, epsilon, weighted):
    from sklearn.svm import SVR

    x, y, rng = data(seed)
    weights = 0.1 + rng.random(len(y)) if weighted else None
    found = SupportVectors(C=penalty, epsilon=epsilon, kernel=kernel).fit(x, y, weights, 0, SILENT)
    scaling = Scaling.fit(x, y)
    peer = SVR(kernel=kernel, C=penalty, epsilon=epsilon, gamma="scale").fit(
        scaling.features(x), scaling.target(y), sample_weight=relative_weights(weights)
    )
    np.testing.assert_allclose(found.predict(x), scaling.unscaled(peer.predict(scaling.features(x))), atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 100),
    st.sampled_from([(5,), (20, 10), (4, 4, 4)]),
    st.sampled_from(["relu", "tanh"]),
    st.sampled_from([50, 200]),
)
def test_networks_are_those_of_scikit_learn(seed, layers, activation, batch):
    from sklearn.neural_network import MLPRegressor

    x, y, _ = data(seed)
    found = NeuralNetwork(layers, activation, max_iter=5, batch_size=batch).fit(x, y, None, 7, SILENT)
    scaling = Scaling.fit(x, y)
    peer = MLPRegressor(hidden_layer_sizes=layers, activation=activation, batch_size=batch, random_state=7)
    for _ in range(5):
        peer.partial_fit(scaling.features(x), scaling.target(y))
    np.testing.assert_allclose(
        found.predict(far_rows(x)), scaling.unscaled(peer.predict(scaling.features(far_rows(x)))), atol=1e-9
    )


@pytest.fixture(params=["xgboost", "svr", "mlp"])
def kind(request):
    if request.param == "xgboost":
        pytest.importorskip("xgboost")
    return request.param


def test_a_file_gives_the_same_model(kind, tmp_path):
    x, y, _ = data()
    # A feature that is the same in all rows.
    x[:, 1] = 0.25
    found = make_estimator(kind, None).fit(x, y, None, 0, SILENT)
    np.savez_compressed(tmp_path / "m.npz", **found.to_arrays())
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        again = LEARNERS[kind].estimator.from_arrays(dict(arrays), 3)
    np.testing.assert_array_equal(again.predict(x), found.predict(x))
    assert found.predict(x[:1]).shape == (1,) and found.predict(x[:0]).shape == (0,)
    assert np.corrcoef(found.predict(x), y)[0, 1] > 0.9


def test_weights_count(kind):
    x, y, _ = data()
    both = np.concatenate([x, x]), np.concatenate([y, y + 0.2])
    first = np.r_[np.full(200, 1.0), np.full(200, 1e-6)]
    low = make_estimator(kind, None).fit(*both, first, 0, SILENT).predict(x)
    high = make_estimator(kind, None).fit(*both, first[::-1].copy(), 0, SILENT).predict(x)
    assert (high - low).mean() == pytest.approx(0.2, abs=0.05)


def test_only_relations_of_weights_count(kind):
    """Weights whose sum is 1, say, would forbid XGBoost every split and support vectors every error."""
    x, y, rng = data()
    weights = 0.5 + rng.random(200)
    expected = make_estimator(kind, None).fit(x, y, weights, 0, SILENT).predict(x)
    for factor in (2.0**-20, 2.0**10):
        np.testing.assert_allclose(
            make_estimator(kind, None).fit(x, y, factor * weights, 0, SILENT).predict(x), expected, rtol=1e-12
        )


def test_cancel(kind, cancelling):
    x, y, _ = data()
    for checks in (0, 1):
        with pytest.raises(Cancelled):
            make_estimator(kind, None).fit(x, y, None, 0, cancelling(checks))


@pytest.mark.parametrize(
    ("kind_", "name", "change"),
    [
        ("svr", "svr_vectors", lambda a: a[:, :2]),
        ("svr", "svr_coefficients", lambda a: a[:-1]),
        ("svr", "svr_form", lambda a: a * np.nan),
        ("svr", "svr_form", lambda a: a + 9),
        ("svr", "svr_form", lambda a: a * [1, -1, 1, 1, 1]),
        ("svr", "scaling_scale", lambda a: 0 * a),
        ("svr", "scaling_centre", lambda a: a[:2]),
        ("mlp", "mlp_coefficients_0", lambda a: a[:2]),
        ("mlp", "mlp_intercepts_1", lambda a: a[:2]),
        ("mlp", "mlp_activation", lambda a: a + 5),
        ("mlp", "mlp_coefficients_1", lambda a: a.astype(int)),
        ("mlp", "mlp_coefficients_2", lambda a: np.hstack([a, a])),
        ("xgboost", "boosting_base", lambda a: np.array([np.inf])),
        ("xgboost", "forest_child", lambda a: a + 10**6),
        ("xgboost", "boosting_base", lambda a: np.zeros(2)),
    ],
)
def test_hostile_files_are_refused(kind_, name, change):
    if kind_ == "xgboost":
        pytest.importorskip("xgboost")
    x, y, _ = data()
    arrays = make_estimator(kind_, None).fit(x, y, None, 0, SILENT).to_arrays()
    without = {key: array for key, array in arrays.items() if key != name}
    for spoilt in ({**arrays, name: change(arrays[name])}, without):
        with pytest.raises(ModelFileError):
            LEARNERS[kind_].estimator.from_arrays(spoilt, 3)


@pytest.mark.parametrize(
    ("kind_", "text", "words"),
    [
        ("svr", '{"gamma": Infinity}', "gamma is Infinity"),
        ("svr", '{"coef0": NaN}', "coef0 is NaN"),
        ("xgboost", '{"reg_lambda": Infinity}', "reg_lambda"),
        ("svr", '{"C": -1}', "C is -1, but must be a number above 0 and up to"),
        ("svr", '{"kernel": "cubic"}', "one of linear, rbf, poly, sigmoid"),
        ("svr", '{"gamma": "auto"}', "gamma"),
        ("mlp", '{"hidden_layer_sizes": []}', "a list of whole numbers"),
        ("mlp", '{"hidden_layer_sizes": 5}', "a list of whole numbers"),
        ("mlp", '{"activation": "logistic"}', "one of relu, tanh"),
        ("mlp", '{"batch_size": 0}', "batch_size is 0"),
        ("xgboost", '{"max_depth": 0}', "max_depth is 0"),
        ("xgboost", '{"learning_rate": 2}', "above 0 and up to 1"),
        ("mlp", '{"layers": 2}', r"Valid are: hidden_layer_sizes \(default \[100, 50\]\)"),
    ],
)
def test_mistakes_are_named(kind_, text, words):
    with pytest.raises(InputError, match=words):
        make_estimator(kind_, text)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(InputError, match="needs the Python library xgboost, which cannot be loaded here"):
        XGBoost().fit(*data()[:2], None, 0, SILENT)


def test_trees_without_a_split_and_kernels_of_other_degrees():
    pytest.importorskip("xgboost")
    x, y, _ = data()
    constant = XGBoost(5, min_child_weight=1e9).fit(x, y, None, 0, SILENT)
    np.testing.assert_allclose(constant.predict(x), y.mean(), atol=1e-6)
    from sklearn.svm import SVR

    scaling = Scaling.fit(x, y)
    for degree in (1, 2, 5):
        peer = SVR(kernel="poly", degree=degree, coef0=0.5, C=3).fit(scaling.features(x), scaling.target(y))
        found = SupportVectors(kernel="poly", degree=degree, coef0=0.5).fit(x, y, None, 0, SILENT)
        np.testing.assert_allclose(
            found.predict(far_rows(x)),
            scaling.unscaled(peer.predict(scaling.features(far_rows(x)))),
            rtol=1e-9,
            atol=1e-6,
        )


def test_rows_far_from_all_support_vectors():
    """Kernel values that underflow are nothing, not an error."""
    x, y, _ = data()
    found = SupportVectors().fit(x, y, None, 0, SILENT)
    assert np.isfinite(found.predict(1e6 * x)).all()


def test_a_network_that_runs_away_says_so():
    x, y, _ = data()
    with pytest.raises(InputError, match="did not converge with learning_rate_init"):
        NeuralNetwork((5,), learning_rate_init=1e200, max_iter=20).fit(x, y, None, 0, SILENT)
