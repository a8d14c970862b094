"""Local rows that join the training: their gain is measured at local stations that did not."""

from dataclasses import replace

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.spiking import Spike
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.reports.model import model_report
from sm_toolbox.models.reports.training import training_report
from sm_toolbox.models.table import Roles, TrainingTable, make_training_table
from sm_toolbox.models.training import train


def rows(count, shift, stations, seed):
    rng = np.random.default_rng(seed)
    x = rng.random((count, 2))
    return TrainingTable(
        Roles("sm", ("a", "b"), "station"),
        x,
        0.3 * x[:, 0] + shift,
        np.arange(count),
        stations=np.array([f"{stations}{i}" for i in rng.integers(0, 8, count)]),
    )


def test_local_rows_take_away_the_bias():
    spiked = train(
        rows(600, 0.0, "far", 0),
        RandomForest(20),
        make_split("station", 4),
        spike=Spike(rows(160, 0.1, "near", 1), 50),
    )
    found = spiked.spiking
    assert (
        found.before.bias == pytest.approx(-0.1, abs=0.01)
        and abs(found.after.bias) < 0.02
        and found.after.n == 160
        and found.stations == 8
    )
    plain = train(rows(600, 0.0, "far", 0), RandomForest(20), make_split("station", 4))
    x = np.random.default_rng(5).random((200, 2))
    assert (spiked.model.predict(x) - plain.model.predict(x)).mean() > 0.05
    # The validation of the training table itself is that without local rows.
    assert spiked.chosen.metrics == plain.chosen.metrics
    assert (
        "without local rows" in training_report(spiked).html()
        and "at local stations that it did not see" in training_report(spiked).html()
    )
    assert spiked.model.manifest.local_rows.weight == 50


def test_intervals_are_looked_at_at_local_stations_that_did_not_join():
    """Without noise at the stations, and much of it in the area: its observations lie beyond the intervals."""
    calm, rng = rows(600, 0.0, "far", 0), np.random.default_rng(3)
    shares = {}
    for noise in (0.0, 0.2):
        local = rows(160, 0.0, "near", 1)
        local = replace(local, target=local.target + rng.normal(0, noise, 160) if noise else local.target)
        training = train(calm, RandomForest(20), make_split("station", 4), spike=Spike(local, 1))
        held = shares[noise] = training.spiking.held
        record = training.model.manifest.local_rows
        assert held.shape == (3,) and (np.diff(held) >= 0).all() and list(record.held) == list(held)
        assert f"{held[2]:.0%} (of 90%)" in training_report(training).html()
        assert f"{held[2]:.0%} (of 90%)" in model_report(training.model, "a").html()
    assert shares[0.0][2] > 0.8 and shares[0.2][2] < 0.5


def test_local_rows_need_stations_and_the_same_fields():
    far = rows(100, 0.0, "far", 0)
    arguments = (far, RandomForest(5), make_split("station", 4))
    one = rows(10, 0.0, "near", 1)
    with pytest.raises(InputError, match="has rows of one station only"):
        train(*arguments, spike=Spike(one.take(np.flatnonzero(one.stations == one.stations[0]))))
    with pytest.raises(InputError, match="8 stations are both in the `spike` layer"):
        train(*arguments, spike=Spike(rows(50, 0.1, "far", 2)))
    with pytest.raises(InputError, match="'local' has no field 'b'"):
        make_training_table({"sm": [0.1], "a": [1.0], "station": ["x"]}, far.roles, "local", must_vary=False)
