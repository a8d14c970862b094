"""Train model inside QGIS: whole groups left out, rows held out, predictors scaled between limits."""

import numpy as np
import pytest
from qgis.core import QgsProcessingFeedback

from sm_toolbox.models.modelfile import load_model

FIELDS = [("station", "string"), ("time", "string"), ("sm", "double"), ("rain", "double"), ("vv", "double"),
          ("network", "string")]  # fmt: skip


@pytest.fixture
def options(point_layer, tmp_path):
    rng, rows = np.random.default_rng(1), []
    for number in range(12):
        for day in range(20):
            rain, vv = rng.random(), rng.uniform(-20, -5)
            value = float(0.2 + 0.1 * rain + 0.004 * (vv + 12) + rng.normal(0, 0.004))
            date = f"201{4 + day // 10}-06-{day % 10 + 1:02d}"
            rows.append((500000 + 900 * number, 3999900 - 700 * (number % 4), f"S {number}", date, value, float(rain),
                         float(vv), "ABC"[number % 3]))  # fmt: skip
    return {
        "TRAINING": point_layer(FIELDS, rows, name="table"),
        "TARGET": "sm",
        "PREDICTORS": ["rain", "vv"],
        "STATION": "station",
        "TIME": "time",
        "HYPERPARAMETERS": '{"n_estimators": 16}',
        "MODEL_FILE": str(tmp_path / "m.smmodel"),
    }


def test_groups_and_rows_held_out(run, options, tmp_path):
    feedback = QgsProcessingFeedback()
    done = run("trainmodel", feedback, SPLIT="group", GROUP="network", HOLDOUT="\"time\" >= '2015'",
               PREDICTIONS="TEMPORARY_OUTPUT", REPORT=str(tmp_path / "r.html"), **options)  # fmt: skip
    rows = list(done["PREDICTIONS"].getFeatures())
    # Each network is a fold of its own; what is held out is in none.
    assert len(rows) == 120 == done["N"] == done["HOLDOUT_N"] and all(row["time"] < "2015" for row in rows)
    assert len({(row["network"], row["fold"]) for row in rows}) == 3
    assert 0 < done["HOLDOUT_RMSE"] < 0.03 and done["HOLDOUT_R"] > 0.8
    assert (
        "On 120 rows held out (12 stations, all of them in the training, too, and 10 dates, none" in feedback.textLog()
    )
    assert load_model(done["MODEL_FILE"]).manifest.training["last"] < "2015"
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Rows held out" in html and ">Groups<" in html


def test_selection_leaves_out_groups(run, options):
    del options["MODEL_FILE"]
    done = run("selectpredictors", SPLIT="group", GROUP="network", OUTPUT="TEMPORARY_OUTPUT", **options)
    assert set(done["SELECTED"].split(";")) == {"rain", "vv"}


def test_limits_are_in_the_file(run, options):
    options["HYPERPARAMETERS"] = '{"C": [1, 3]}'
    done = run("trainmodel", MODEL="svr", TUNING="grid", SCALING="minmax", LIMITS="vv:-30:5", **options)
    model = load_model(done["MODEL_FILE"])
    assert model.encoder.limits["vv"] == (-30, 5) and model.manifest.hyperparameters["scaling"] == "as_given"
    assert done["R2"] > 0.7
    feedback = QgsProcessingFeedback()
    run("trainmodel", feedback, LIMITS="vv:-30:5", **options | {"HYPERPARAMETERS": ""})
    assert "LIMITS is ignored, because SCALING is 'standard'" in feedback.textLog()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"HOLDOUT": "\"time\" >= '2010'"}, r"\(HOLDOUT\) takes all 240 complete rows"),
        ({"HOLDOUT": "\"time\" >= '2020'"}, r"\(HOLDOUT\) takes none of the 240 complete rows"),
        ({"SPLIT": "group"}, "needs the GROUP field"),
        ({"SPLIT": "group", "GROUP": "network", "HOLDOUT": "\"network\" <> 'A'"}, r"of one group only \('A'\)"),
        ({"SCALING": "minmax", "LIMITS": "vv:5:-30"}, r"\(LIMITS\): 'vv:5:-30' is not of the form"),
    ],
)
def test_refused(refused, options, given, words):
    refused(words, "trainmodel", **options, **given)


class CancelsAfterACandidate(QgsProcessingFeedback):
    """Cancels once a candidate has been judged."""

    def isCanceled(self):
        return "Candidate 1 of" in self.textLog()


@pytest.mark.parametrize("keep_best", [True, False])
def test_a_cancel_of_a_search_keeps_the_best_where_asked_to(run, options, tmp_path, keep_best):
    options["HYPERPARAMETERS"] = '{"n_estimators": 16, "min_samples_leaf": [1, 5, 10, 20, 40]}'
    feedback = CancelsAfterACandidate()
    done = run("trainmodel", feedback, TUNING="grid", KEEP_BEST=keep_best, **options)
    assert bool(done) == keep_best == (tmp_path / "m.smmodel").exists()
    assert ("the best of them is kept" in feedback.textLog()) == keep_best
