"""Rows that took no part in a training: found by name or by note, as maps have them, with what costs nothing."""

from dataclasses import replace

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import metrics
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.rowprediction import PlacesAndTimes, find_columns, predict_rows, training_baselines
from sm_toolbox.models.table import Roles
from sm_toolbox.models.training import train
from sm_toolbox.raster.origins import Origin
from sm_toolbox.raster.times import parse_dates
from sm_toolbox.validation.predictions import predictions_report, rate_predictions, worth_of_predictions
from sm_toolbox.validation.rating import Observed
from sm_toolbox.validation.report import Shown

COUNT = 120
RNG = np.random.default_rng(0)
A, B = RNG.uniform(0.1, 0.5, COUNT), RNG.uniform(0.1, 0.5, COUNT)
COVER = np.arange(COUNT) % 3
DATES = parse_dates("2018-01-01/2018-12-31/3")[:COUNT]
NOTES = {
    "soil_moisture_a": Origin("soil_moisture", "a").as_dict(),
    "soil_moisture_b": Origin("soil_moisture", "b").as_dict(),
}


def columns():
    return {
        "soil_moisture_a": A,
        "soil_moisture_b": B,
        "cover": COVER.astype(float),
        "sm": 0.1 + 0.5 * A - 0.1 * B + 0.02 * COVER,
        "station": [f"s{i % 10}" for i in range(COUNT)],
        "time": [str(date) for date in DATES],
        "day_of_year": [date.start.timetuple().tm_yday for date in DATES],
    }


def fitted(predictors=("soil_moisture_a", "soil_moisture_b"), **more):
    item = prepare_training(
        SampledTable(columns(), "table", None, NOTES), Roles("sm", predictors, "station", "time"), None,
        SplitRequest("station", 3), **more,
    )  # fmt: skip
    estimator = make_estimator("quantile_forest", '{"n_estimators": 12}')
    return train(item.table, estimator, make_split("station", 3), item.periods)


@pytest.fixture(scope="module")
def model():
    return fitted().model


def test_columns_are_found_by_what_is_noted_of_their_rasters(model, progress):
    """Of another table, whose fields clash in another way: products stay what they are."""
    table = SampledTable(
        {"soil_moisture": [0.4], "soil_moisture_a": [0.2]}, "others", None,
        {"soil_moisture": Origin("soil_moisture", "a").as_dict(),
         "soil_moisture_a": Origin("soil_moisture", "b").as_dict()},
    )  # fmt: skip
    assert find_columns(model, table, progress) == {
        "soil_moisture_a": "soil_moisture",
        "soil_moisture_b": "soil_moisture_a",
    }
    assert "The predictor 'soil_moisture_a' is the field 'soil_moisture'." in progress.infos
    swapped = predict_rows(model, table).predicted
    plain = predict_rows(model, SampledTable({"soil_moisture_a": [0.4], "soil_moisture_b": [0.2]})).predicted
    assert swapped == plain == model.predict(np.array([[0.4, 0.2]], np.float32))


def test_another_product_is_told_and_one_column_is_not_two(model, progress):
    noted = {**NOTES, "soil_moisture_b": Origin("soil_moisture", "c").as_dict()}
    table = SampledTable({"soil_moisture_a": [0.4], "soil_moisture_b": [0.2]}, "others", None, noted)
    assert set(find_columns(model, table, progress).values()) == {"soil_moisture_a", "soil_moisture_b"}
    assert "was sampled from 'b', the field 'soil_moisture_b' of these rows from 'c'" in progress.warnings[0]
    lone = SampledTable({"moist": [0.4]}, "lone", None, {"moist": Origin("soil_moisture", "d").as_dict()})
    with pytest.raises(InputError, match="two products of one variable, but 'lone' has only 'moist' for both"):
        find_columns(model, lone)
    with pytest.raises(InputError, match=r"'x' has no field for the predictors 'soil_moisture_a' \(did you mean"):
        find_columns(model, SampledTable({"soil_moisture_aa": [1]}, "x"))


def test_predictors_of_the_date_need_no_column(progress):
    model = fitted(("soil_moisture_a", "day_of_year")).model
    bare = SampledTable({"soil_moisture_a": A})
    where = PlacesAndTimes(DATES)
    whole = SampledTable({"soil_moisture_a": A, "day_of_year": columns()["day_of_year"]})
    made = predict_rows(model, bare, where, progress=progress).predicted
    np.testing.assert_array_equal(made, predict_rows(model, whole).predicted)
    assert "No field holds 'day_of_year': it is made of the date of each row." in progress.infos
    with pytest.raises(InputError, match="choose the `times` field"):
        predict_rows(model, bare)


def test_unknown_classes_have_no_prediction(progress):
    model = fitted(("soil_moisture_a", "cover"), categorical=("cover",)).model
    table = SampledTable({"soil_moisture_a": [0.2, 0.3, 0.4], "cover": [0, 9, None]}, "rows")
    found = predict_rows(model, table, progress=progress)
    assert np.isnan(found.predicted).tolist() == [False, True, True] == np.isnan(found.dissimilarity).tolist()
    assert found.missing == {"no 'cover'": 1, "'cover' is of a class that no training row is of": 1}
    assert len(progress.warnings) == 2


def test_baselines_are_those_of_the_training_rows(model):
    table = SampledTable({"soil_moisture_a": A[:20] + 0.01, "soil_moisture_b": B[:20]})
    found = predict_rows(model, table, PlacesAndTimes(DATES[:20]))
    target = columns()["sm"]
    mean, season, line = found.baselines.values()
    np.testing.assert_allclose(mean, target.mean())
    day = np.array(columns()["day_of_year"])
    away = np.abs(day - day[5])
    assert season[5] == pytest.approx(target[np.minimum(away, 366 - away) <= 15].mean())
    np.testing.assert_allclose(
        line, np.polyval(np.polyfit(A, target, 1), (A[:20] + 0.01).astype(np.float32)), rtol=1e-6
    )
    assert len(predict_rows(model, table).baselines) == 2, "no season without times"


def test_files_of_before_have_baselines_of_the_rows_that_they_keep(model, tmp_path):
    path = str(tmp_path / "m.smmodel")
    source = {name: value for name, value in model.manifest.source.items() if name != "baselines"}
    save_model(replace(model, manifest=replace(model.manifest, baselines=None, source=source)), path)
    old = load_model(path)
    assert old.manifest.baselines is None
    kept = {item.key: item for item in training_baselines(old)}
    new = {item.key: item for item in training_baselines(model)}
    assert set(kept) == {"mean", "line"} and kept["line"].values == pytest.approx(new["line"].values, rel=1e-5)
    broken = replace(model, manifest=replace(model.manifest, baselines=[{"key": "mean", "values": ["x"]}, 3]))
    assert training_baselines(broken) == []


def test_ratings_are_those_of_the_rows_and_compare_with_the_best_baseline(model, progress):
    rng = np.random.default_rng(5)
    a, b = rng.uniform(0.1, 0.5, 60), rng.uniform(0.1, 0.5, 60)
    observed = 0.1 + 0.5 * a - 0.1 * b + rng.normal(0, 0.01, 60)
    with_gap = [None if i == 7 else value for i, value in enumerate(a)]
    prediction = predict_rows(model, SampledTable({"soil_moisture_a": with_gap, "soil_moisture_b": b}))
    stations = np.repeat([f"t{i}" for i in range(6)], 10)
    rows = Observed("others", stations, np.full(60, np.datetime64("NaT", "s")), observed, stations)
    rated = rate_predictions(rows, {"the model": prediction}, 5, progress)
    known = ~np.isnan(prediction.predicted)
    expected = metrics(prediction.predicted[known], observed[known])
    assert known.sum() == 59 and rated.found.first.pooled.values == pytest.approx(expected.values)
    line = prediction.baselines["a straight line on soil_moisture_a"][known]
    assert rated.baseline_rmse == pytest.approx(np.sqrt(np.mean((line - observed[known]) ** 2)))
    assert rated.found.labels == ("the model", "a straight line on soil_moisture_a")
    assert rated.skill == pytest.approx(1 - expected.rmse / rated.baseline_rmse)
    assert rated.within.n + rated.beyond.n == 59 and not progress.warnings
    assert ("is not worth having" in worth_of_predictions(rated)) == (rated.skill <= 0)
    html = predictions_report(rated, "Rows", Shown("others", 5), prediction.missing).html()
    assert (
        "1 rows have no prediction: no &#x27;soil_moisture_a&#x27;" in html and "outside: unlike the training" in html
    )


def test_observations_in_percent_and_without_values_are_refused(model):
    prediction = predict_rows(model, SampledTable({"soil_moisture_a": A[:20], "soil_moisture_b": B[:20]}))
    rows = Observed("x", np.full(20, "a"), np.full(20, np.datetime64("NaT", "s")), 100 * A[:20])
    with pytest.raises(InputError, match="not in one unit"):
        rate_predictions(rows, {"the model": prediction})
    with pytest.raises(InputError, match="No row of 'x' has an observed value and a prediction"):
        rate_predictions(replace(rows, values=np.full(20, np.nan)), {"the model": prediction})
