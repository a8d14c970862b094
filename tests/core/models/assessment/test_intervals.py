"""The kind of intervals is chosen by how evenly they hold from place to place."""

from dataclasses import replace

import numpy as np
import pytest

from sm_toolbox.models.assessment.calibration import QuantileShift
from sm_toolbox.models.assessment.intervals import intervals_in_words
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.reports.training import training_report
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train

DAYS = 30


def rows(seed, stations, grows):
    """A main cloud of stations, and some away from it where errors are much larger if they grow."""
    rng = np.random.default_rng(seed)
    away = np.arange(stations) % 4 == 0
    place = np.where(away, rng.uniform(2, 4, stations), rng.uniform(0, 1, stations))
    x = np.repeat(place, DAYS) + rng.normal(0, 0.02, stations * DAYS)
    y = rng.random(stations * DAYS)
    spread = np.where(np.repeat(away, DAYS) & grows, 0.08, 0.02)
    columns = {
        "x": x,
        "y": y,
        "sm": 0.2 + 0.1 * y + rng.normal(0, 1, len(x)) * spread,
        "station": np.repeat(np.arange(stations), DAYS).astype(str),
    }
    return make_training_table(columns, Roles("sm", ("x", "y"), station="station"), "table")


def held_by_station(model, table):
    _, quantiles = model.predict_quantiles(table.predictors, np.array([0.05, 0.95]))
    held = (quantiles[:, 0] <= table.target) & (table.target <= quantiles[:, 1])
    return np.array([held[table.stations == name].mean() for name in np.unique(table.stations)])


def test_errors_that_grow_get_wider_intervals_and_hold_more_evenly_at_new_stations():
    table, new = rows(0, 60, True), rows(1, 60, True)
    training = train(table, RandomForest(30, min_samples_leaf=10), make_split("station", 5))
    found = training.intervals
    assert found.shift.typical > 0 and found.spreads[1] < found.spreads[0] and found.widths[1] < 1.02 * found.widths[0]
    words = intervals_in_words(found)
    assert "Those wider where predictors are unlike the training are taken." in words
    assert words.partition(":")[0] in training_report(training).html()
    scaled = held_by_station(training.model, new)
    assert scaled.mean() == pytest.approx(0.9, abs=0.05)
    assert np.std(scaled) < np.std(held_even(training, new))


def held_even(training, table):
    own = training.table
    even = QuantileShift.fit(own.target, training.chosen.quantiles)
    return held_by_station(replace(training.model, calibration=even), table)


def test_the_kind_goes_through_the_model_file(tmp_path):
    training = train(rows(0, 60, True), RandomForest(10, min_samples_leaf=10), make_split("station", 5))
    assert training.intervals.shift.typical > 0
    save_model(training.model, str(tmp_path / "a.smmodel"))
    again = load_model(str(tmp_path / "a.smmodel"))
    at, levels = rows(2, 8, True).predictors, np.array([0.05, 0.5, 0.95])
    for one, other in zip(training.model.predict_quantiles(at, levels), again.predict_quantiles(at, levels)):
        np.testing.assert_array_equal(one, other)


def test_errors_that_do_not_grow_keep_the_even_width():
    training = train(rows(0, 60, False), RandomForest(30, min_samples_leaf=10), make_split("station", 5))
    found = training.intervals
    assert found.shift.typical == 0 and found.spreads is not None
    assert "as wide everywhere are taken" in intervals_in_words(found)


def test_few_places_tell_nothing():
    training = train(rows(0, 6, True), RandomForest(10), make_split("station", 3))
    assert training.intervals.spreads is None and intervals_in_words(training.intervals) == ""
