"""One row per thing: a learner, a split or a metric that is added to its table alone goes all the way, from training to
map.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import rasterio

from sm_toolbox.metrics import METRICS, Metric
from sm_toolbox.models.assessment.selection import Method, select_predictors
from sm_toolbox.models.assessment.splits import SPLITS, make_split
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.assessment.tuning import Tuner, inner_split, make_candidates
from sm_toolbox.models.learners.base import Learner
from sm_toolbox.models.learners.catalogue import LEARNERS, make_estimator
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.planes import Wanted
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.reports.model import model_report
from sm_toolbox.models.reports.selection import selection_report
from sm_toolbox.models.reports.training import gap_in_words, training_report
from sm_toolbox.models.table import Roles
from sm_toolbox.models.training import train


class DummyModel:
    def __init__(self, line):
        self.line = line

    def predict(self, features):
        return features @ self.line[:-1] + self.line[-1]

    def to_arrays(self):
        return {"dummy_line": self.line}


@dataclass(frozen=True)
class DummyEstimator:
    SPACE = {"ridge": (0.0, 1.0)}

    ridge: float = 0.0

    def fit(self, features, target, weights, seed, progress):
        x = np.column_stack([features, np.ones(len(features))]).astype(np.float64)
        return DummyModel(np.linalg.solve(x.T @ x + (self.ridge + 1e-9) * np.eye(x.shape[1]), x.T @ target))

    @staticmethod
    def from_arrays(arrays, n_features):
        return DummyModel(arrays["dummy_line"])


@dataclass(frozen=True)
class DummySplit(Split):
    key = "dummy"
    left_out = "dummy rows"
    meaning = "how well the model serves dummies"
    elsewhere = "dummy land"
    remembered = "dummies"
    source = "Dummy folds: Dummy, D. (2026)"
    help = "dummy rows"

    def _divide(self, n, groups):
        fold = np.arange(n) % self.folds
        return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(self.folds)]


ROWS = {
    "learner": (
        LEARNERS,
        Learner("dummy", DummyEstimator, "dummy line", "a line.", "Dummy line: Dummy, D. (2026)", r"dummy_line"),
        {
            "training": ["dummy line"],
            "model": ["dummy line", "Dummy line: Dummy, D. (2026)"],
            "selection": ["dummy line"],
        },
    ),
    "split": (
        SPLITS,
        DummySplit,
        {
            "training": ["how well the model serves dummies", "dummy rows"],
            "model": ["Dummy folds: Dummy, D. (2026)", "With dummy rows left out"],
            "selection": ["dummy rows left out"],
        },
    ),
    "metric": (
        METRICS,
        Metric(
            "dummy", "MAD", "m³ m⁻³", "dummy", lambda pairs: float(np.abs(pairs.difference).mean()), "MAD is a dummy."
        ),
        {
            "training": ["MAD is a dummy.", "<th>MAD</th>"],
            "model": ["<th>MAD</th>"],
            "selection": ["MAD is a dummy.", "<th>MAD</th>"],
        },
    ),
}


@pytest.mark.parametrize("what", ROWS)
def test_a_row_in_its_table_goes_all_the_way(what, monkeypatch, write_raster, tmp_path):
    rows, row, words = ROWS[what]
    monkeypatch.setitem(rows, "dummy", row)
    kind, small = ("dummy", None) if what == "learner" else ("random_forest", '{"n_estimators": 5}')
    rng = np.random.default_rng(0)
    dem, ndvi = rng.random(200), rng.random(200)
    columns = {
        "dem": dem,
        "ndvi": ndvi,
        "sm": 0.1 + 0.2 * dem + 0.05 * ndvi + 0.01 * rng.random(200),
        "station": [f"s{i % 10}" for i in range(200)],
    }
    request = SplitRequest("dummy" if what == "split" else None, 3)
    prepared = prepare_training(SampledTable(columns), Roles("sm", ("dem", "ndvi"), "station"), request=request)
    tuner = None
    if what == "learner":
        tuner = Tuner(make_candidates(kind, None, "grid", 10, 0), inner_split(prepared.split, 2))
    training = train(prepared.table, make_estimator(kind, small), prepared.split, tuner=tuner)
    assert np.isfinite(training.chosen.metrics.rmse) and "RMSE" in gap_in_words(training)
    path = str(tmp_path / "dummy.smmodel")
    save_model(training.model, path)
    model = load_model(path)
    assert model.manifest.to_json() == training.model.manifest.to_json()
    selection = select_predictors(prepared.table, make_estimator(kind, small), prepared.split, Method("ranked"))
    pages = {
        "training": training_report(training).html(),
        "model": model_report(model, "dummy").html(),
        "selection": selection_report(selection).html(),
    }
    for name, texts in words.items():
        for text in texts:
            assert text in pages[name], (name, text)
    if what == "metric":
        expected = np.abs(training.chosen.predictions - prepared.table.target).mean()
        assert model.manifest.splits[0].metrics["dummy"] == pytest.approx(expected) == training.chosen.metrics.dummy
    raster = write_raster("x.tif", rng.random((2, 20, 30)), ["dem", "ndvi"])
    wanted = Wanted(str(tmp_path / "q.tif"), [0.05, 0.95], None, True)
    result = predict_raster(model, [raster], str(tmp_path / "map.tif"), wanted=wanted)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert result.coverage == 1 and np.isfinite(dataset.read()).all()


def test_each_row_says_all_about_itself():
    for key, learner in LEARNERS.items():
        assert learner.key == key and learner.label and learner.help.endswith(".") and learner.source and learner.arrays
    for key, metric in METRICS.items():
        assert metric.key == key and metric.symbol and metric.meaning
    assert all(make_split(key, 3).folds == 3 for key in SPLITS)
