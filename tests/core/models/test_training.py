"""Training tells the truth: the gap between splits, importance, cancel, and the same model for the same seed."""

import json

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.metrics import metrics
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.reports.training import gap_in_words, training_report
from sm_toolbox.models.table import Roles, TrainingTable, make_training_table
from sm_toolbox.models.training import train


def stations_with_memory(seed=0, stations=20, days=30):
    """Each station has a level of its own that no predictor explains but the place betrays (a predictor that is its
    fingerprint).
    """
    rng = np.random.default_rng(seed)
    of_row = np.repeat(np.arange(stations), days)
    level, fingerprint = rng.normal(0, 0.06, stations), rng.random(stations)
    rain = np.tile(rng.random(days), stations)
    target = 0.25 + level[of_row] + 0.1 * rain + rng.normal(0, 0.005, len(of_row))
    noise = rng.random(len(of_row))
    return TrainingTable(
        Roles("sm", ("fingerprint", "rain", "noise"), "station"),
        np.stack([fingerprint[of_row], rain, noise], axis=1),
        target,
        np.arange(len(of_row)),
        np.array([f"s{i}" for i in of_row]),
    )


@pytest.fixture(scope="module")
def training():
    return train(stations_with_memory(), RandomForest(30, max_features=None), make_split("station", 5), seed=3)


def test_a_split_by_station_shows_what_a_random_one_hides(training):
    station, random = training.splits
    assert (station.name, random.name) == ("station", "random")
    assert random.metrics.r2 > 0.8 and station.metrics.r2 < 0.5
    words = gap_in_words(training)
    assert f"the error is {station.metrics.rmse / random.metrics.rmse:.1f} times that of the random split" in words


def test_pixels_of_a_product_are_told_from_stations():
    """The product is easy to reproduce, the stations are not: the error of all rows together would flatter the map."""
    stations = stations_with_memory()
    rng = np.random.default_rng(0)
    names = ("fingerprint", "rain", "noise")
    of_stations = dict(zip(names, stations.predictors.T)) | {"sm": stations.target, "station": stations.stations}
    of_pixels = {name: rng.random(len(stations)) for name in names}
    of_pixels |= {
        "sm": 0.2 + 0.1 * of_pixels["rain"],
        "station": np.array([f"smap r{i} c0" for i in range(len(stations))]),
    }
    columns = {name: [*of_stations[name], *of_pixels[name]] for name in of_stations}
    columns["source"] = ["station"] * len(stations) + ["smap"] * len(stations)
    table = make_training_table(columns, stations.roles, "both")
    training = train(table, RandomForest(20, max_features=None), make_split("station", 3), seed=3)
    is_station = np.array(columns["source"]) == "station"
    error = training.chosen.predictions - table.target
    own, pixels = (np.sqrt(np.mean(error[rows] ** 2)) for rows in (is_station, ~is_station))
    assert own == pytest.approx(training.chosen.metrics.rmse) and own > pixels
    assert training.chosen.metrics.n == len(stations)
    words = gap_in_words(training)
    assert (
        f"All errors are those of the {len(stations):,} rows of stations" in words and f"'smap' {pixels:.4f}" in words
    )
    assert "Stations and products" in training_report(training).html()
    # Without pixels the field says nothing.
    columns["source"] = ["station"] * len(table)
    assert make_training_table(columns, stations.roles, "stations").sources is None


def test_out_of_fold_predictions_come_from_models_without_the_fold(training):
    table, chosen = training.table, training.chosen
    test = chosen.fold == 2
    peer = RandomForestRegressor(30, min_samples_leaf=5, random_state=3).fit(
        table.predictors[~test].astype(np.float32), table.target[~test]
    )
    np.testing.assert_allclose(
        chosen.predictions[test], peer.predict(table.predictors[test].astype(np.float32)), atol=1e-12
    )
    assert chosen.metrics == metrics(chosen.predictions, table.target)


def test_the_final_model_is_scikit_learns_on_all_rows(training):
    table = training.table
    peer = RandomForestRegressor(30, min_samples_leaf=5, random_state=3).fit(
        table.predictors.astype(np.float32), table.target
    )
    np.testing.assert_allclose(
        training.model.predict(table.predictors), peer.predict(table.predictors.astype(np.float32)), atol=1e-12
    )


def test_importance_is_of_left_out_rows(training):
    names = training.model.predictors
    mean = dict(zip(names, training.importance.mean(axis=0)))
    assert mean["rain"] > 5 * abs(mean["noise"])
    # At stations that the model has not seen the fingerprint is of no use, however much the trees split on it.
    assert mean["fingerprint"] < mean["rain"]


def test_a_random_split_is_shown_beside_whole_stations():
    result = train(stations_with_memory(), RandomForest(10), make_split("random", 3))
    assert [split.name for split in result.splits] == ["random", "station"]
    assert (
        "Expect a map of places without a station, at times it was trained on, to have the error of split 'station'"
        in gap_in_words(result)
    )


def test_a_random_split_without_stations_warns():
    table = stations_with_memory()
    bare = TrainingTable(table.roles, table.predictors, table.target, table.source_rows)
    result = train(bare, RandomForest(10), make_split("random", 3))
    assert len(result.splits) == 1 and "likely to flatter a map" in gap_in_words(result)


def test_the_report_holds_what_matters(training, tmp_path):
    page = training_report(training)
    page.write(str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in (
        "Out-of-fold error",
        "whole stations",
        "Importance",
        "fingerprint",
        "s7",
        "times that of the random split",
    ):
        assert words in text
    assert text.count("data:image/png;base64,") >= 4 and "http" not in text.split("base64")[0], "self-contained"


def test_the_manifest_is_plain_json(training):
    manifest = json.loads(json.dumps(training.model.manifest.to_json(), allow_nan=False))
    assert manifest["validation"][0]["split"] == "station" and manifest["training"]["stations"] == 20
    assert [item["name"] for item in manifest["predictors"]] == ["fingerprint", "rain", "noise"]


@pytest.mark.parametrize("checks", [0, 1, 5, 25])
def test_cancel_is_heard_between_batches_of_trees(cancelling, checks):
    progress = cancelling(checks)
    with pytest.raises(Cancelled):
        train(stations_with_memory(), RandomForest(400), make_split("station", 5), progress=progress)
    assert max(progress.fractions, default=0) < 1


def test_weights_count(training):
    table = stations_with_memory()
    weights = np.where(table.target > np.median(table.target), 1.0, 0.0)
    fitted = RandomForest(20).fit(table.predictors.astype(np.float32), table.target, weights, 0, training_progress())
    assert fitted.predict(table.predictors.astype(np.float32)).min() > np.median(table.target)


def training_progress():
    from sm_toolbox.progress import SILENT

    return SILENT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{n_estimators: 3}", "not valid JSON"),
        ("[1]", "must be a JSON object"),
        (
            '{"trees": 3, "depth": 2}',
            r"names depth, trees, which random_forest does not have. "
            r"Valid are: n_estimators \(default 100\), max_depth",
        ),
        ('{"n_estimators": 0}', "n_estimators is 0, but must be a whole number from 1"),
        ('{"n_estimators": true}', "n_estimators is true"),
        ('{"max_depth": 2.5}', "max_depth is 2.5"),
        ('{"max_features": "most"}', 'max_features is "most"'),
        ('{"max_features": 1.5}', "max_features is 1.5"),
        ('{"min_samples_leaf": 0}', "min_samples_leaf"),
        ('{"max_samples": 2}', "max_samples"),
    ],
)
def test_bad_hyperparameters(text, words):
    with pytest.raises(InputError, match=words):
        make_estimator("random_forest", text)


def test_good_hyperparameters():
    assert make_estimator("random_forest", "") == RandomForest()
    assert make_estimator("random_forest", '{"max_features": "sqrt", "max_depth": null}') == RandomForest(
        max_features="sqrt"
    )
    model = RandomForest(5, max_features=99).fit(
        np.random.default_rng(0).random((50, 3), np.float32), np.arange(50.0), None, 0, training_progress()
    )
    assert len(model.roots) == 5


def test_a_fold_whose_rest_is_constant_is_refused():
    table = TrainingTable(
        Roles("sm", ("a",), "station"),
        np.arange(40.0)[:, None],
        np.repeat([0.1, 0.2], 20),
        np.arange(40),
        np.repeat(["x", "y"], 20),
    )
    with pytest.raises(InputError, match="Without fold . of `split` 'station' the target is the same"):
        train(table, RandomForest(5), make_split("station", 2))


def test_cancel_is_heard_while_predictors_are_shuffled(cancelling):
    from sm_toolbox.models.assessment.importance import permutation_increase
    from sm_toolbox.models.features import FeatureEncoder

    class Flat:
        calls = 0

        def predict(self, features):
            Flat.calls += 1
            return features[:, 0]

    x = np.random.default_rng(0).random((5000, 30))
    with pytest.raises(Cancelled):
        permutation_increase(
            Flat(),
            FeatureEncoder(tuple(f"p{i}" for i in range(30)), {}),
            x,
            x[:, 0],
            np.random.default_rng(0),
            progress=cancelling(10),
        )
    assert Flat.calls == 10, "parts of some thousand rows"
