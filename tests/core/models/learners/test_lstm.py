"""LSTM: its predictions and slopes are those of the equations, of torch where it is there, and of no thread count."""

import sys
import threading
import tracemalloc
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import Cancelled, InputError, ModelFileError
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.learners.lstm import ShortTermMemory
from sm_toolbox.models.learners.lstm_kernels import descend
from sm_toolbox.models.learners.lstm_network import Network, Shape, loss_and_slopes
from sm_toolbox.models.learners.lstm_torch import TorchTrainer, choose_engine
from sm_toolbox.models.learners.lstm_training import Course, NumpyTrainer
from sm_toolbox.models.learners.sequences import Parts, SequenceLayout
from sm_toolbox.onethread import products_in_one_thread
from sm_toolbox.progress import SILENT


def plain(shape, vector, sequences):
    """The equations, row by row and step by step, in float64 (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""

    def logistic(x):
        return 0.5 * (1 + np.tanh(x / 2))

    layers, output, offset = shape.parts(np.asarray(vector, np.float64))
    found = []
    for row in np.swapaxes(sequences, 0, 1).astype(np.float64):
        for layer in layers:
            hidden = cell = np.zeros(layer.recalled.shape[0])
            given = []
            for step in row:
                sums = step @ layer.taken + hidden @ layer.recalled + layer.offset
                let_in, keep, candidate, let_out = np.split(sums, 4)
                cell = logistic(keep) * cell + logistic(let_in) * np.tanh(candidate)
                hidden = logistic(let_out) * np.tanh(cell)
                given.append(hidden)
            row = np.array(given)
        found.append(row[-1] @ output + offset[0])
    return np.array(found)


def case(seed, steps=5, rows=7, channels=3, units=(4, 5), scale=1.0):
    rng = np.random.default_rng(seed)
    shape = Shape(channels, units)
    return shape, scale * shape.drawn(rng), rng.standard_normal((steps, rows, channels)), rng


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 100),
    st.integers(1, 13),
    st.integers(1, 600),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([(3,), (8, 5), (4, 3, 2)]),
    st.sampled_from([1.0, 3.0]),
)
def test_predictions_are_those_of_the_equations(seed, steps, rows, moving, fixed, units, scale):
    if not moving + fixed:
        fixed = 1
    shape, vector, sequences, _ = case(seed, steps, rows, moving + fixed, units, scale)
    sequences[:, :, moving:] = sequences[0, :, moving:]
    expected = plain(shape, vector, sequences)
    for kind, off in ((np.float32, 2e-5), (np.float64, 2e-6)):
        network = Network(shape, vector.astype(kind), moving)
        given = sequences.astype(kind)
        found = network.predict(given[:, :, :moving], given[0, :, moving:])
        np.testing.assert_allclose(found, expected, atol=off)


def test_far_values_saturate_and_stay_numbers():
    shape, vector, sequences, _ = case(0)
    far = np.float32(1e6) * sequences.astype(np.float32)
    found = Network(shape, vector, 3).predict(far, far[0, :, 3:])
    np.testing.assert_allclose(found, plain(shape, vector, far), atol=1e-5)


@pytest.mark.parametrize("with_masks", [False, True])
def test_slopes_are_those_of_finite_differences(with_masks):
    shape, vector, sequences, rng = case(1, scale=1.5)
    vector = vector.astype(np.float64)
    target, weights = rng.standard_normal(7), rng.random(7)
    masks = [(rng.random(size) > 0.3) / 0.7 for size in ((5, 7, 4), (7, 5))] if with_masks else None

    def loss(values):
        return loss_and_slopes(shape, values, sequences, target, weights, masks)[0]

    slopes = loss_and_slopes(shape, vector, sequences, target, weights, masks)[1]
    steps = 1e-4 * np.eye(shape.count)
    by_differences = np.array([(loss(vector + step) - loss(vector - step)) / 2e-4 for step in steps])
    assert np.abs(slopes).max() > 0.1
    np.testing.assert_allclose(slopes, by_differences, atol=1e-6)


def test_the_loss_is_that_of_the_predictions():
    shape, vector, sequences, rng = case(2)
    target, weights = rng.standard_normal(7), rng.random(7)
    expected = np.mean(weights * (plain(shape, vector, sequences) - target) ** 2)
    assert loss_and_slopes(shape, vector.astype(float), sequences, target, weights)[0] == pytest.approx(expected)


def test_steps_are_those_of_adam():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(50)
    expected, first, second = values.copy(), np.zeros(50), np.zeros(50)
    means = np.zeros(50), np.zeros(50)
    for step in range(1, 6):
        slopes = rng.standard_normal(50)
        first, second = 0.9 * first + 0.1 * slopes, 0.999 * second + 0.001 * slopes**2
        expected -= 0.01 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        root = np.sqrt(1 - 0.999**step)
        descend(values, slopes, *means, 0.01 * root / (1 - 0.9**step), 1e-8 * root)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def course(rows=40, steps=6, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    sequences = rng.standard_normal((steps, rows, channels)).astype(np.float32)
    target = sequences[:, :, 0].sum(axis=0) / 3
    parts = Parts(np.arange(rows // 4, rows), np.arange(rows // 4))
    return Course(sequences, target, rng.random(rows, np.float32), parts, channels)


@pytest.fixture
def torch():
    """The library, where it is installed and works."""
    found = pytest.importorskip("torch")
    try:
        choose_engine("torch", SILENT)
    except InputError as error:
        pytest.skip(str(error))
    return found


def test_training_is_that_of_torch(torch):
    rng = np.random.default_rng(0)
    shape, given = Shape(3, (8, 5)), course()
    vector = shape.drawn(rng)
    ours, theirs = (kind(given, shape, vector, 0.01) for kind in (NumpyTrainer, TorchTrainer))
    rows = np.arange(40)
    np.testing.assert_allclose(theirs.vector(), vector, atol=0)
    np.testing.assert_allclose(ours.predict(rows), theirs.predict(rows), atol=1e-5)
    for _ in range(20):
        batch = rng.permutation(40)[:16]
        masks = [(rng.random(size, np.float32) > 0.2) / np.float32(0.8) for size in ((6, 16, 8), (16, 5))]
        assert ours.learn_from(batch, masks) == pytest.approx(theirs.learn_from(batch, masks), abs=1e-5)
    np.testing.assert_allclose(ours.vector(), theirs.vector(), atol=1e-4)


def test_torch_trains_the_same_model(torch, progress):
    on_graphics = torch.cuda.is_available()
    assert (choose_engine("auto", progress) is NumpyTrainer) == (not on_graphics)
    settings = {"units": (8,), "max_epochs": 10, "learning_rate": 0.01, "dropout": 0.1}
    ours, theirs = (fit(ShortTermMemory(engine=name, **settings))[0] for name in ("numpy", "torch"))
    np.testing.assert_allclose(ours.history, theirs.history, rtol=1e-3)
    np.testing.assert_allclose(ours.predict(table()[0]), theirs.predict(table()[0]), atol=1e-4)


def table(rows=120, seed=0, noise=0.01):
    """Three lags of which the target is a sum, and something fixed."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, 4)).astype(np.float32) * np.float32([3, 3, 3, 1]) + np.float32(10)
    target = 0.3 + 0.02 * (features[:, 0] - features[:, 2]) + 0.03 * features[:, 3]
    layout = SequenceLayout(np.array([[2], [1], [0]]), np.array([3]))
    order = rng.permutation(rows)
    return features, target + noise * rng.standard_normal(rows), layout, Parts(order[rows // 4 :], order[: rows // 4])


def fit(estimator=None, seed=0, weights=None, progress=SILENT, **more):
    features, target, layout, parts = table(**more)
    estimator = estimator or ShortTermMemory(units=(8,), max_epochs=60, learning_rate=0.02, dropout=0.1)
    return estimator.bound(layout, parts).fit(features, target, weights, seed, progress), features, target


def test_it_learns_and_keeps_the_best_epoch(progress):
    model, features, target = fit(progress=progress)
    assert np.corrcoef(model.predict(features), target)[0, 1] > 0.98
    watched = table()[3].watched
    off = np.sqrt(np.mean((model.predict(features[watched]) - target[watched]) ** 2))
    assert off == pytest.approx(model.history[model.best_epoch - 1, 1], rel=1e-4) == model.history[:, 1].min()
    assert model.history[0, 1] > 2 * off
    assert progress.fractions == sorted(progress.fractions) and len(progress.fractions) == len(model.history)
    assert f"Epoch {model.best_epoch} of {len(model.history)} was the best" in progress.infos[-1]


def test_it_stops_when_rows_that_are_watched_gain_no_more():
    estimator = ShortTermMemory(units=(8,), max_epochs=100, patience=3, learning_rate=0.02)
    # Nothing but noise.
    model, *_ = fit(estimator, noise=10.0)
    assert len(model.history) == model.best_epoch + 3 < 100


def test_a_seed_gives_one_model_whatever_the_threads():
    first = fit()[0].to_arrays()
    found = []
    with products_in_one_thread():
        found.append(fit()[0])
    threads = [threading.Thread(target=lambda: found.append(fit()[0])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model in found:
        for name, values in model.to_arrays().items():
            np.testing.assert_array_equal(values, first[name], err_msg=name)
    assert (fit(seed=1)[0].to_arrays()["lstm_coefficients"] != first["lstm_coefficients"]).any()


def test_products_get_their_threads_back():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def counts():
        return [item["num_threads"] for item in threadpoolctl.threadpool_info() if item["user_api"] == "blas"]

    before, inner = counts(), products_in_one_thread()
    if not before:
        pytest.skip("numpy's matrix products are not of a library that has threads")
    with products_in_one_thread():
        inner.__enter__()
    # The first has left, the second is still there.
    assert set(counts()) == {1}
    inner.__exit__(None, None, None)
    assert counts() == before


def test_lags_are_scaled_alike():
    arrays = fit()[0].to_arrays()
    assert len({*arrays["scaling_centre"][:3]}) == 1 != len({*arrays["scaling_centre"]})


def test_weights_count():
    features, target, layout, parts = table()
    far = np.arange(120) % 2 == 0
    models = [
        ShortTermMemory(units=(8,), max_epochs=20, learning_rate=0.02)
        .bound(layout, parts)
        .fit(features, target + far, np.where(far, *pair), 0, SILENT)
        for pair in ((1.0, 1e-6), (1e-6, 1.0))
    ]
    high, low = (model.predict(features).mean() for model in models)
    assert high - low == pytest.approx(1, abs=0.1)


def test_rows_learned_from_need_a_weight_and_those_watched_do_not():
    parts = table()[3]
    weights = np.ones(120)
    weights[parts.learned] = 0
    with pytest.raises(InputError, match="learn from have the weight 0"):
        fit(weights=weights)
    model = fit(weights=1 - weights)[0]
    assert np.isfinite(model.history).all() and model.history[-1, 1] < model.history[0, 1]


def test_without_a_layout_a_row_is_one_step():
    features, target, *_ = table()
    model = ShortTermMemory(units=(8,), max_epochs=60, learning_rate=0.02).fit(features, target, None, 0, SILENT)
    assert model.layout.steps == 1 and np.corrcoef(model.predict(features), target)[0, 1] > 0.95


def test_cancel_ends_it_or_keeps_the_best(cancelling):
    # 90 rows are three batches an epoch.
    for checks in (0, 5):
        with pytest.raises(Cancelled):
            fit(progress=cancelling(checks))
    progress = cancelling(5)
    progress.keeps_best = True
    model, *_ = fit(progress=progress)
    assert len(model.history) == 1 and "stopped after 1 epochs" in progress.warnings[0]
    progress.check()
    early = cancelling(1)
    early.keeps_best = True
    with pytest.raises(Cancelled):
        fit(progress=early)


def test_a_run_away_is_told():
    with pytest.raises(InputError, match="did not converge with learning_rate 1e\\+30"):
        fit(ShortTermMemory(units=(8,), learning_rate=1e30))


def test_a_file_gives_the_same_model(tmp_path):
    model, features, _ = fit()
    np.savez_compressed(tmp_path / "m.npz", **model.to_arrays())
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        again = ShortTermMemory.from_arrays(dict(arrays), 4)
    np.testing.assert_array_equal(again.predict(features), model.predict(features))
    assert again.best_epoch == model.best_epoch and again.predict(features[:0]).shape == (0,)
    # Whole blocks and parts of them.
    many = np.tile(features, (80, 1))
    np.testing.assert_allclose(again.predict(many), np.tile(model.predict(features), 80), atol=1e-6)


def test_long_sequences_are_predicted_in_bounded_memory():
    steps, channels, count = 500, 10, 3000
    layout = SequenceLayout(np.arange(steps * channels).reshape(steps, channels), np.empty(0, np.int64))
    features = np.random.default_rng(0).random((count, steps * channels), np.float32)
    estimator = ShortTermMemory(units=(3,), max_epochs=1).bound(layout, Parts(np.arange(8), np.arange(8, 12)))
    model = estimator.fit(features[:12], features[:12, 0].astype(float), None, 0, SILENT)
    tracemalloc.start()
    found = model.predict(features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All rows at once would be 120 MB as they are scaled, and as much again for the sequences.
    assert peak < 90e6
    np.testing.assert_allclose(found[1000:1100], model.predict(features[1000:1100]), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("lstm_moving", lambda a: a + 9),
        ("lstm_moving", lambda a: a - 1),
        ("lstm_moving", lambda a: a.astype(float)),
        ("lstm_moving", lambda a: a[0]),
        ("lstm_moving", lambda a: a[:0]),
        ("lstm_moving", lambda a: np.tile(a, (500, 1))),
        ("lstm_fixed", lambda a: a[:0]),
        ("lstm_units", lambda a: a * 0),
        ("lstm_units", lambda a: a + 1e9),
        ("lstm_units", lambda a: np.tile(a, 2)),
        ("lstm_coefficients", lambda a: a[:-1]),
        ("lstm_coefficients", lambda a: a * np.float32(np.nan)),
        ("lstm_history", lambda a: a[:, :1]),
        ("lstm_history", lambda a: a[:0]),
        ("scaling_scale", lambda a: 0 * a),
    ],
)
def test_hostile_files_are_refused(name, change):
    features, target, layout, parts = table()
    arrays = ShortTermMemory(units=(3,), max_epochs=1).bound(layout, parts).fit(features, target, None, 0, SILENT)
    arrays = arrays.to_arrays()
    without = {key: array for key, array in arrays.items() if key != name}
    for spoilt in ({**arrays, name: change(arrays[name])}, without):
        with pytest.raises(ModelFileError):
            ShortTermMemory.from_arrays(spoilt, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"units": 80}', "a list of whole numbers"),
        ('{"units": []}', "a list of whole numbers"),
        ('{"sequence_length": 1}', "a whole number from 2 to 1000"),
        ('{"dropout": 1}', "from 0 to below 1"),
        ('{"dropout": NaN}', "dropout is NaN"),
        ('{"learning_rate": 0}', "a number above 0"),
        ('{"patience": 0}', "patience is 0"),
        ('{"engine": "tensorflow"}', "one of auto, numpy, torch"),
        ('{"layers": 2}', r"Valid are: sequence_length \(default 12\)"),
    ],
)
def test_mistakes_are_named(text, words):
    with pytest.raises(InputError, match=words):
        make_estimator("lstm", text)


def test_torch_that_does_not_work_gives_way(monkeypatch, tmp_path, progress):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libtorch.so: cannot open\\nmore')")
    for name in [name for name in sys.modules if name.split(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert choose_engine("auto", progress) is NumpyTrainer
    assert progress.infos == [
        "torch is installed, but does not work (libtorch.so: cannot open): NumPy trains the network."
    ]
    with pytest.raises(InputError, match=r"engine torch needs .* \(libtorch.so: cannot open\)\. Leave engine out"):
        choose_engine("torch", progress)


def test_torch_that_was_half_imported_gives_way(monkeypatch, progress):
    """A module without a specification, of which importlib does not say whether it is there."""
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    assert choose_engine("auto", progress) is NumpyTrainer
    assert "torch is installed, but does not work" in progress.infos[0]


def test_without_torch_nothing_is_said(monkeypatch, progress):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert choose_engine("auto", progress) is choose_engine("numpy", progress) is NumpyTrainer
    assert not progress.infos
