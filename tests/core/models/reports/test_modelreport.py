"""The report from a model file alone, and the effects of predictors."""

import json

import numpy as np
import pytest

from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.modelfile import Model, load_model, save_model
from sm_toolbox.models.reports.effects import local_effects
from sm_toolbox.models.reports.model import model_report
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.models.training import train


class Additive:
    """A model whose effects are known: 2 a + b²; c counts for nothing."""

    def predict(self, features):
        return 2.0 * features[:, 0] + features[:, 1] ** 2


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    a = rng.random(3000)
    # b goes along with a: partial dependence would leave the data here.
    return np.stack([a, a + 0.1 * rng.standard_normal(3000), rng.random(3000)], axis=1).astype(np.float32)


def test_effects_of_an_additive_model_are_its_terms(rows):
    model = Model({}, FeatureEncoder(("a", "b", "c"), {}), Additive())
    a, b, c = (local_effects(model, rows, i) for i in range(3))
    np.testing.assert_allclose(a.effect - a.effect[0], 2 * (a.at - a.at[0]), atol=1e-4)
    np.testing.assert_allclose(b.effect - b.effect[0], b.at**2 - b.at[0] ** 2, atol=1e-4)
    assert c.range < 1e-6 and a.range == pytest.approx(2 * np.ptp(rows[:, 0]), rel=1e-3)


def test_a_constant_column_has_no_effect(rows):
    rows[:, 2] = 1
    assert local_effects(Model({}, FeatureEncoder(("a", "b", "c"), {}), Additive()), rows, 2).range == 0


@pytest.mark.parametrize("kind", ["random_forest", "quantile_forest", "svr"])
def test_the_file_alone_tells_all(kind, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.random((300, 2))
    table = TrainingTable(
        Roles("sm", ("dem", "ndvi")),
        x,
        0.2 * x[:, 0] + 0.01 * rng.standard_normal(300),
        np.arange(300),
        np.array([f"s{i % 10}" for i in range(300)]),
        dropped={"no ndvi": 7},
    )
    small = json.dumps({"n_estimators": 10}) if "forest" in kind else None
    training = train(table, make_estimator(kind, small), make_split("station", 4))
    save_model(training.model, str(tmp_path / "m.smmodel"))
    model = load_model(str(tmp_path / "m.smmodel"))
    html = model_report(model, "m.smmodel").html()
    for words in (
        "m.smmodel",
        "whole stations",
        "left out: no ndvi",
        "Accumulated local effects",
        "area of applicability up to a dissimilarity",
        "Methods to cite",
        "Intervals",
    ):
        assert words in html
    np.testing.assert_allclose(model.evidence.predicted, training.chosen.predictions)
    assert model.applicability.threshold == pytest.approx(training.model.applicability.threshold)
    np.testing.assert_allclose(model.calibration.correction, training.model.calibration.correction)
    np.testing.assert_allclose(model.predict(x), training.model.predict(x), rtol=1e-6)
