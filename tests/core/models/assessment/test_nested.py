"""Selections in outer folds: no row that judges a choice has a part in it."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.metrics import metrics
from sm_toolbox.models.assessment.nested import select_nested
from sm_toolbox.models.assessment.selection import Method, select_predictors
from sm_toolbox.models.assessment.splits import StationSplit
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.reports.selection import selection_report, trust_in_words
from sm_toolbox.models.table import Roles, make_training_table

FOREST = make_estimator("random_forest", '{"n_estimators": 12}')


def table(seed, names, with_signal=False):
    rng = np.random.default_rng(seed)
    station = np.repeat(np.arange(12), 6)
    columns = {name: np.repeat(rng.normal(size=12), 6) for name in names}
    columns["station"] = station
    columns["sm"] = 0.25 + np.repeat(rng.normal(0, 0.05, 12), 6) + rng.normal(0, 0.01, len(station))
    if with_signal:
        columns[names[0]] = rng.normal(size=len(station))
        columns["sm"] = 0.25 + 0.05 * columns[names[0]] + rng.normal(0, 0.01, len(station))
    return make_training_table(columns, Roles("sm", tuple(names), station="station"), "table")


def test_each_outer_fold_is_judged_by_what_it_left(progress):
    rows = table(1, ["a", "b", "c", "d"], with_signal=True)
    found = select_nested(rows, FOREST, StationSplit(3), Method("ranked"), 3, seed=5, progress=progress)
    predictions = np.full(len(rows), np.nan)
    for (train, test), names in zip(StationSplit(3).divide(rows, 5), found.chosen):
        inner = select_predictors(rows.take(train), FOREST, StationSplit(3), Method("ranked"), seed=5)
        assert names == tuple(inner.selected)
        columns = [rows.roles.predictors.index(name) for name in names]
        peer = RandomForestRegressor(12, min_samples_leaf=FOREST.min_samples_leaf, max_features=FOREST.max_features,
                                     random_state=5)  # fmt: skip
        x = rows.predictors[:, columns].astype(np.float32)
        predictions[test] = peer.fit(x[train], rows.target[train]).predict(x[test])
    assert found.metrics.rmse == pytest.approx(metrics(predictions, rows.target).rmse, rel=1e-9)
    assert all("a" in names for names in found.chosen) and found.metrics.r2 > 0.6
    assert len([line for line in progress.infos if line.startswith("Outer fold")]) == 3
    assert not [line for line in progress.infos if line.startswith("Step")], "inner selections are quiet"


def test_noise_has_no_skill():
    nested = [
        select_nested(table(seed, [f"x{i}" for i in range(8)]), FOREST, StationSplit(3), Method("ranked"), 3)
        for seed in range(4)
    ]
    assert np.mean([each.metrics.r2 for each in nested]) <= 0


def test_the_report_says_which_error_to_trust():
    rows = table(1, ["a", "b", "c"], with_signal=True)
    selection = select_predictors(rows, FOREST, StationSplit(3), Method("ranked"))
    nested = select_nested(rows, FOREST, StationSplit(3), Method("ranked"), 3)
    assert "somewhat too small" in trust_in_words(None)
    html = selection_report(selection, nested).html()
    assert "the error to trust" in html and "Choices of the outer folds" in html
    assert "Choices of the outer folds" not in selection_report(selection).html()


def test_one_outer_fold_is_none_and_cancel_is_heard(cancelling):
    rows = table(1, ["a", "b"])
    with pytest.raises(InputError, match="`outer_folds` is 1; at least 2"):
        select_nested(rows, FOREST, StationSplit(3), Method("ranked"), 1)
    with pytest.raises(Cancelled):
        select_nested(rows, FOREST, StationSplit(3), Method("ranked"), 3, progress=cancelling(2))
