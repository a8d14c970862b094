"""Stations that share a place, or a cell of the coarsest predictor, and what a split by stations makes of them."""

import numpy as np
import pytest

from sm_toolbox.models.assessment.places import share_cells, share_places
from sm_toolbox.models.assessment.splits import BlockSplit, RandomSplit, StationSplit, StationTimeSplit, beside_stations
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train


def rows(names, positions, predictors, days=4, **more):
    """Return a table of stations with static predictors and one that changes with the date."""
    rng = np.random.default_rng(0)
    count = len(names)
    columns = {
        "station": np.repeat(names, days),
        "time": [f"2020-06-{day + 1:02d}" for day in range(days)] * count,
        "sm": rng.uniform(0.1, 0.4, count * days),
        "ndvi": rng.uniform(0, 1, count * days),
        **{name: np.repeat(np.asarray(values, float), days) for name, values in predictors.items()},
        **more,
    }
    roles = Roles("sm", ("ndvi", *predictors, *(name for name in more if name != "sm")), station="station", time="time")
    return make_training_table(columns, roles, "table", np.repeat(np.asarray(positions, float), days, axis=0))


FAR = [(1000.0 * i, 0.0) for i in range(6)]
NAMES = list("abcdef")


def test_near_stations_are_one_place():
    table = rows(NAMES, [*FAR[:5], (FAR[4][0] + 30, 0)], {"slope": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]})
    found = share_places(table, 5)
    assert found.together == [(("e", "f"), "less than 50 m apart")]
    assert len(np.unique(found.of_rows)) == 5 and (found.of_rows[16:] == "e\nf").all()


def test_chains_join():
    positions = [(0, 0), (40, 0), (80, 0), (5000, 0), (9000, 0), (13000, 0)]
    found = share_places(rows(NAMES, positions, {"slope": np.arange(6) + 0.5}), 3)
    assert found.together == [(("a", "b", "c"), "less than 50 m apart")]


def test_equal_static_rows_are_one_place():
    static = {"slope": [1.5, 1.5, 3.5, 4.5, 5.5, 6.5], "clay": [20, 20, 30, 30, 40, 40]}
    found = share_places(rows(NAMES, FAR, static), 5)
    assert found.together == [(("a", "b"), "equal in all static predictors")]


def test_equal_whole_numbers_say_nothing():
    """Two stations at 250 m are no one place."""
    found = share_places(rows(NAMES, FAR, {"elevation": [250, 250, 260, 260, 270, 270]}), 3)
    assert found.together == [] and len(np.unique(found.of_rows)) == 6


def test_one_cell_of_the_finest_static_predictor():
    table = rows(NAMES, [(0, 0), (80, 0), (4000, 0), (4500, 0), (9000, 0), (15000, 0)],
                 {"slope": [1.5, 1.5, 3.5, 3.5, 5.5, 6.5], "sand": [30.5, 31.5, 32.5, 33.5, 34.5, 35.5]})  # fmt: skip
    origins = {"slope": {"cell_size": (100.0, 100.0)}, "sand": {"cell_size": (1000.0, 1000.0)}}
    found = share_places(make_with(table, origins), 4)
    assert found.together == [(("a", "b"), "in one cell of the finest static predictor")]


def make_with(table, origins):
    from dataclasses import replace

    return replace(table, origins=origins)


def test_never_fewer_places_than_folds():
    table = rows(NAMES, [(0, 0), (30, 0), (5000, 0), (5030, 0), (9000, 0), (9030, 0)], {"slope": np.arange(6) + 0.5})
    assert len(np.unique(share_places(table, 3).of_rows)) == 3
    assert share_places(table, 4).together == []


def test_splits_keep_places_together():
    table = rows(NAMES, [*FAR[:5], (FAR[4][0] + 30, 0)], {"slope": np.arange(6) + 0.5})
    table = make_places(table, share_places(table, 3))
    for split in (StationSplit(3), StationTimeSplit(2)):
        for train_rows, test_rows in split.divide(table, 1):
            assert not set(table.places[train_rows]) & set(table.places[test_rows])
            assert not set(table.stations[train_rows]) & set(table.stations[test_rows])
    some = table.take(np.arange(20, 24))
    assert (some.places == "e\nf").all()


def make_places(table, found):
    from dataclasses import replace

    return replace(table, places=found.of_rows)


def test_stations_in_one_coarse_cell_are_told_and_blocks_shown_beside(progress):
    days = 6
    station = np.repeat([f"s{i}" for i in range(12)], days)
    positions = np.repeat([(10_000.0 * (i // 2) + 700 * (i % 2), 0) for i in range(12)], days, axis=0)
    rng = np.random.default_rng(3)
    coarse = np.repeat(rng.uniform(0.1, 0.4, (6, days)), 2, axis=0).ravel()
    columns = {
        "station": station,
        "time": [f"2020-06-{day + 1:02d}" for day in range(days)] * 12,
        "soil_moisture": coarse,
        "slope": np.repeat(rng.uniform(0, 20, 12), days),
        "sm": coarse + rng.normal(0, 0.02, len(coarse)),
    }
    roles = Roles("sm", ("soil_moisture", "slope"), station="station", time="time")
    origins = {"soil_moisture": {"cell_size": (9000.0, 9000.0), "corner": (0, 0), "crs": "PROJCS"}}
    prepared = prepare_training(
        SampledTable(columns, "t", positions, origins), roles, request=SplitRequest("station", 3), progress=progress
    )
    shared = share_cells(prepared.table)
    assert shared.predictor == "soil_moisture" and shared.groups[0] == ("s0", "s1") and len(shared.groups) == 6
    assert prepared.table.coarse_cell_m == 9000
    (warning,) = [text for text in progress.warnings if "share a cell" in text]
    assert "12 stations" in warning and "blocks of 9,000 m" in warning and "`split` 'station'" not in warning
    training = train(prepared.table, make_estimator("random_forest", '{"n_estimators": 20}'), prepared.split)
    assert [split.name for split in training.splits] == ["station", "random", "block"]
    assert isinstance(beside_stations(StationSplit(3), prepared.table), BlockSplit)
    assert beside_stations(RandomSplit(3), prepared.table) is None


def r2_with_twins(seed, with_twins):
    """Return R2 by stations of 30 places whose effect no predictor explains, some with a second logger 30 m away."""
    rng = np.random.default_rng(seed)
    places, days = 30, 12
    effect, slope = rng.normal(0, 0.05, places), rng.uniform(0, 20, places)
    where = rng.uniform(0, 50_000, (places, 2))
    loggers = [(f"p{i}", i, (0, 0)) for i in range(places)]
    if with_twins:
        loggers += [(f"q{i}", i, (30, 0)) for i in range(places)]
    season = 0.03 * np.sin(np.arange(days))
    ndvi = rng.normal(0, 1, days)
    columns = {name: [] for name in ("station", "time", "sm", "slope", "sand", "ndvi")}
    sand = rng.uniform(10, 60, places)
    positions = []
    for name, place, shift in loggers:
        columns["station"] += [name] * days
        columns["time"] += [f"2020-{month + 1:02d}-01" for month in range(days)]
        columns["sm"] += list(0.25 + effect[place] + season + rng.normal(0, 0.01, days))
        columns["slope"] += [slope[place]] * days
        columns["sand"] += [sand[place]] * days
        columns["ndvi"] += list(season * 10 + 0.1 * ndvi)
        positions += [where[place] + shift] * days
    roles = Roles("sm", ("ndvi", "slope", "sand"), station="station", time="time")
    prepared = prepare_training(
        SampledTable(columns, "t", np.array(positions)), roles, request=SplitRequest("station", 5)
    )
    estimator = make_estimator("random_forest", '{"n_estimators": 40}')
    return train(prepared.table, estimator, prepared.split).chosen.metrics.r2


def test_a_second_logger_adds_no_skill():
    with_twins, without = (np.mean([r2_with_twins(seed, twins) for seed in range(3)]) for twins in (True, False))
    assert with_twins == pytest.approx(without, abs=0.1)
