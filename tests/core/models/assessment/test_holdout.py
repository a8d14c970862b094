"""Rows that are held out change nothing of the model, and are rated as by hand."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import metrics
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.reports.model import model_report
from sm_toolbox.models.reports.training import gap_in_words, training_report
from sm_toolbox.models.table import Roles
from sm_toolbox.models.training import train

COUNT = 240
ESTIMATOR = make_estimator("random_forest", '{"n_estimators": 10}')


@pytest.fixture
def columns():
    rng = np.random.default_rng(2)
    ndvi, sand = rng.uniform(0.1, 0.8, COUNT), rng.uniform(20, 40, COUNT)
    days = np.tile(np.arange(20) * 30, 12)
    return {
        "ndvi": ndvi,
        "sand": sand,
        "sm": 0.1 + 0.3 * ndvi - 0.002 * sand + rng.normal(0, 0.01, COUNT),
        "station": np.repeat([f"s{i}" for i in range(12)], 20),
        "time": [str(np.datetime64("2014-01-01") + day) for day in days],
        "network": np.repeat(["A", "B", "C"], 80),
    }


def prepared(columns, holdout=None, **request):
    roles = Roles("sm", ("ndvi", "sand"), "station", "time", group="network")
    split = SplitRequest(request.pop("key", "station"), 4)
    return prepare_training(SampledTable(columns), roles, request=split, holdout=holdout, **request)


def test_the_model_is_that_without_these_rows(columns):
    later = np.array([time >= "2015-01-01" for time in columns["time"]])
    with_rows = prepared(columns, later)
    without = prepared({name: np.array(values)[~later].tolist() for name, values in columns.items()})
    both = [train(item.table, ESTIMATOR, item.split) for item in (with_rows, without)]
    x = np.random.default_rng(0).uniform([0.1, 20], [0.8, 40], (50, 2))
    np.testing.assert_array_equal(*(training.model.predict(x) for training in both))
    assert both[0].chosen.metrics == both[1].chosen.metrics
    rated = both[0].rate(with_rows.holdout)
    rows = np.stack([columns["ndvi"], columns["sand"]], axis=1)[later]
    expected = metrics(both[1].model.predict(rows), columns["sm"][later])
    assert rated.holdout.metrics.values == pytest.approx(expected.values)
    line = np.polyfit(columns["ndvi"][~later], columns["sm"][~later], 1)
    by_hand = np.sqrt(np.mean((np.polyval(line, columns["ndvi"][later]) - columns["sm"][later]) ** 2))
    assert rated.holdout.baselines["a straight line on ndvi"].rmse == pytest.approx(by_hand)
    assert rated.holdout.beside.startswith("12 stations, all of them in the training, too, and 7 dates, none of them")
    assert "On 84 rows held out" in gap_in_words(rated) and "gaps are filled" not in gap_in_words(rated)


def test_reports_and_the_file_know_it(columns, tmp_path):
    held = columns["network"] == "C"
    item = prepared(columns, held, key="group")
    training = train(item.table, ESTIMATOR, item.split).rate(item.holdout)
    assert len(training.chosen.by_fold) == 2, "two networks are left"
    html = training_report(training).html()
    assert "Rows held out" in html and "training, out of fold (split &#x27;group&#x27;)" in html and ">Groups<" in html
    path = str(tmp_path / "m.smmodel")
    save_model(training.model, path)
    model = load_model(path)
    assert model.manifest.holdout["metrics"]["rmse"] == pytest.approx(training.holdout.metrics.rmse)
    assert "Rows held out" in model_report(model, "m").html()
    bare = training.without_baselines()
    assert bare.model.manifest.holdout["baselines"] == [] and "line" not in gap_in_words(bare)


def test_rows_at_random_are_said_to_be_gaps(columns):
    item = prepared(columns, np.random.default_rng(1).random(COUNT) < 0.3)
    training = train(item.table, ESTIMATOR, item.split).rate(item.holdout)
    assert "where both are shared the error says how well gaps are filled" in training.holdout.beside


def test_classes_that_are_held_out_alone_are_not_rated(columns):
    columns["cover"] = np.where(columns["network"] == "C", 7, np.arange(COUNT) % 2)
    roles = Roles("sm", ("ndvi", "cover"), "station")
    split = SplitRequest("station", 4)
    held = (columns["network"] == "C") | (np.arange(COUNT) < 20)
    item = prepare_training(SampledTable(columns), roles, None, split, categorical=("cover",), holdout=held)
    assert item.table.classes == {"cover": (0.0, 1.0)}
    assert train(item.table, ESTIMATOR, item.split).rate(item.holdout).holdout.metrics.n == 20
    item = prepare_training(
        SampledTable(columns), roles, None, split, categorical=("cover",), holdout=columns["network"] == "C"
    )
    with pytest.raises(InputError, match="No row that `holdout` takes can be predicted"):
        train(item.table, ESTIMATOR, item.split).rate(item.holdout)


def test_all_and_none_are_refused(columns):
    with pytest.raises(InputError, match="`holdout` takes all 240 complete rows"):
        prepared(columns, np.ones(COUNT, bool))
    with pytest.raises(InputError, match=r"`holdout` takes none of the 240 complete rows.*\(0 of all rows"):
        prepared(columns, np.zeros(COUNT, bool))
    columns["ndvi"] = [None if i < 10 else value for i, value in enumerate(columns["ndvi"])]
    with pytest.raises(InputError, match=r"takes none of the 230 complete rows.*\(10 of all rows"):
        prepared(columns, np.arange(COUNT) < 10)
