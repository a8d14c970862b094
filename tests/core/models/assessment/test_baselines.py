"""What costs nothing beside a model: by hand, under the same folds, and what the report says of it."""

import numpy as np
import pytest

from sm_toolbox.models.assessment.baselines import BASELINES, best_of, evaluate_baselines, skill
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.splits import StationSplit
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.reports.training import gap_in_words, training_report
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train

RNG = np.random.default_rng(7)
STATIONS, DATES = 12, 20


def table(columns, predictors, **roles):
    return make_training_table(columns, Roles("sm", predictors, station="station", **roles), "table")


@pytest.fixture
def columns():
    station = np.repeat(np.arange(STATIONS), DATES)
    day = np.tile(np.arange(DATES) * 18, STATIONS)
    ndvi, slope = RNG.uniform(0.1, 0.8, station.size), np.repeat(RNG.uniform(0, 20, STATIONS), DATES)
    season = 0.08 * np.cos(2 * np.pi * day / 365)
    sm = 0.2 + season + 0.1 * (ndvi - 0.4) + RNG.normal(0, 0.01, station.size)
    times = np.datetime64("2018-01-01") + day
    return {
        "station": station,
        "time": [str(time) for time in times],
        "ndvi": ndvi,
        "slope": slope,
        "sm": sm,
        "soil_moisture": sm + RNG.normal(0, 0.15, station.size),
    }


def results_of(rows, folds=None, rated=None, periods=None):
    problem = Problem(rows, FeatureEncoder(rows.roles.predictors, periods or {}, rows.classes), 0)
    folds = StationSplit(4).divide(rows, 0) if folds is None else folds
    return problem, folds, {item.key: item for item in evaluate_baselines(problem, folds, rated)}


def test_each_is_made_of_the_training_rows_alone(columns):
    rows = table(columns, ("ndvi", "slope"), time="time")
    _, folds, found = results_of(rows)
    assert list(found) == list(BASELINES)
    for train_rows, test_rows in folds:
        assert found["mean"].predictions[test_rows] == pytest.approx(rows.target[train_rows].mean())
        slope, start = np.polyfit(rows.predictors[train_rows, 0], rows.target[train_rows], 1)
        by_hand = start + slope * rows.predictors[test_rows, 0]
        np.testing.assert_allclose(found["line"].predictions[test_rows], by_hand, rtol=1e-10)
        day = np.array([(time - time.astype("datetime64[Y]")).astype("timedelta64[D]").astype(int)
                        for time in rows.times])  # fmt: skip
        for row in test_rows[:5]:
            away = np.abs(day[train_rows] - day[row])
            near = rows.target[train_rows][np.minimum(away, 366 - away) <= 15]
            assert found["climatology"].predictions[row] == pytest.approx(near.mean())
    assert found["line"].label == "a straight line on ndvi"


def test_the_line_is_that_of_the_product_where_there_is_one(columns):
    """Though another predictor would do better: it is what the map is to improve."""
    _, _, found = results_of(table(columns, ("ndvi", "soil_moisture")))
    assert found["line"].label == "a straight line on soil_moisture"


def test_what_the_rows_do_not_allow_is_left_out(columns):
    _, _, found = results_of(table(columns, ("ndvi",)))
    assert list(found) == ["mean", "line"]
    rows = table(columns, ("slope",))
    _, _, found = results_of(rows, periods={"slope": 360.0})
    assert list(found) == ["mean"], "a direction is on no line"


def test_weights_count(columns):
    rows = table({**columns, "weight": np.where(columns["station"] == 0, 1e9, 1)}, ("ndvi",), weight="weight")
    without = np.flatnonzero(rows.stations != "0")
    first = np.flatnonzero(rows.stations == "0")
    _, _, found = results_of(rows, [(np.concatenate([first, without[:100]]), without[100:])])
    assert found["mean"].predictions[without[100:]] == pytest.approx(rows.target[first].mean(), rel=1e-6)


def test_skill_is_that_of_the_best(columns):
    rows = table(columns, ("ndvi", "slope"), time="time")
    _, _, found = results_of(rows)
    best = best_of(list(found.values()))
    assert best.key == "climatology" and best.metrics.rmse < found["mean"].metrics.rmse
    assert skill(0.5, 1) == 0.5 and skill(2, 1) == -1 and np.isnan(skill(1, 0))


def test_report_and_log_say_whether_a_model_is_worth_having(columns):
    rows = table(columns, ("ndvi", "slope"), time="time")
    training = train(rows, make_estimator("random_forest", '{"n_estimators": 30}'), StationSplit(4))
    chosen = training.chosen
    by_hand = 1 - chosen.metrics.rmse / min(item.metrics.rmse for item in chosen.baselines)
    assert chosen.skill == pytest.approx(by_hand) and chosen.skill < 0, "the season is not among the predictors"
    words = gap_in_words(training)
    assert "the model is not worth having: the mean of the training rows within 15 days" in words
    html = training_report(training).html()
    assert "Is the model worth having?" in html and "a straight line on ndvi" in html
    (record, _) = training.model.manifest.splits
    assert record.skill == pytest.approx(by_hand) and [item["key"] for item in record.baselines] == list(BASELINES)
    bare = training.without_baselines()
    assert "not worth having" not in gap_in_words(bare) and bare.model.manifest.splits[0].baselines is None
    assert "Is the model worth having?" not in training_report(bare).html()


def test_a_model_of_noise_has_no_skill():
    """In the mean over draws: predictors that know nothing never beat the mean."""
    skills = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        station = np.repeat(np.arange(10), 8)
        drawn = {
            "station": station,
            "a": rng.normal(size=80),
            "b": rng.normal(size=80),
            "sm": rng.uniform(0.1, 0.4, 80),
        }
        training = train(
            table(drawn, ("a", "b")), make_estimator("random_forest", '{"n_estimators": 30}'), StationSplit(5)
        )
        skills.append(training.chosen.skill)
    assert np.mean(skills) < 0 and max(skills) < 0.1
