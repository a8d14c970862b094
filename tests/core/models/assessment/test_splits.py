"""Splits: every row is left out once, and what belongs together stays together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.splits import SPLITS, make_split
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.table import Roles, TrainingTable


def table(rows=200, stations=12, days=40, seed=0):
    rng = np.random.default_rng(seed)
    return TrainingTable(
        Roles("sm", ("a",)),
        rng.random((rows, 1)),
        rng.random(rows),
        np.arange(rows),
        np.array([f"s{i}" for i in rng.integers(0, stations, rows)]),
        np.datetime64("2020-01-01", "s") + rng.integers(0, days * 24, rows) * np.timedelta64(3600, "s"),
        None,
        rng.random((rows, 2)) * 10000,
        groups=np.array([f"network {i}" for i in rng.integers(0, 4, rows)]),
    )


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["random", "station", "time", "block"]), st.integers(2, 6), st.integers(0, 1000))
def test_every_row_is_left_out_once(name, folds, seed):
    rows = table(seed=seed)
    parts = make_split(name, folds, 1500.0).divide(rows, seed)
    left_out = np.concatenate([test for _, test in parts])
    np.testing.assert_array_equal(np.sort(left_out), np.arange(len(rows)))
    for train, test in parts:
        assert len(train) and len(test) and not set(train) & set(test)
        assert len(train) + len(test) == len(rows)


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together(seed):
    rows = table(seed=seed)
    for train, test in make_split("station", 4).divide(rows, seed):
        assert not set(rows.stations[train]) & set(rows.stations[test])
    for train, test in make_split("time", 4).divide(rows, seed):
        days = rows.times.astype("datetime64[D]")
        assert not set(days[train]) & set(days[test])
        assert np.ptp(np.flatnonzero(np.isin(np.unique(days), days[test]))) + 1 == len(np.unique(days[test])), (
            "a fold is one period"
        )
    for train, test in make_split("block", 4, 2000.0).divide(rows, seed):
        block = np.floor((rows.positions - rows.positions.min(axis=0)) / 2000).astype(int)
        assert not {tuple(b) for b in block[train]} & {tuple(b) for b in block[test]}


def test_whole_groups_are_left_out_each_once_where_there_are_fewer_than_folds():
    rows = table()
    parts = make_split("group", 5).divide(rows, 0)
    assert sorted(np.unique(rows.groups[test]).tolist() for _, test in parts) == [[f"network {i}"] for i in range(4)]
    for train, test in make_split("group", 2).divide(rows, 0):
        assert not set(rows.groups[train]) & set(rows.groups[test]) and len(train) + len(test) == len(rows)
    one = replace(rows, groups=np.full(len(rows), "Alps"))
    with pytest.raises(InputError, match=r"of one group only \('Alps'\).*`group` field with several"):
        make_split("group", 2).divide(one, 0)


def test_groups_are_read_from_their_field_and_torn_stations_are_named(progress):
    columns = {
        "a": [0.1, 0.4, 0.2, 0.3, 0.7, 0.9],
        "sm": [0.1, 0.2, 0.3, 0.4, 0.2, 0.1],
        "station": ["s", "s", "t", "t", "u", "v"],
        "net": ["A", "B", "B", "B", "C", None],
    }
    request = SplitRequest("group", 3)
    prepared = prepare_training(
        SampledTable(columns), Roles("sm", ("a",), "station", group="net"), None, request, progress
    )
    assert prepared.table.groups.tolist() == ["A", "B", "B", "B", "C"] and prepared.table.dropped == {"no group": 1}
    assert len(prepared.split.divide(prepared.table, 0)) == 3
    assert any("1 stations have rows in several groups of 'net' (s)" in text for text in progress.warnings)


def test_folds_are_balanced():
    sizes = [len(test) for _, test in make_split("station", 4).divide(table(2000, 50), 1)]
    assert max(sizes) < 1.2 * min(sizes)


def test_the_seed_decides():
    rows = table()
    first, again, other = (make_split("station", 4).divide(rows, seed)[0][1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_is_refused():
    few = table(20, 3, 2)
    bare = TrainingTable(few.roles, few.predictors, few.target, few.source_rows)
    for name, rows, words in [
        ("station", few, "3 stations, fewer than 5 folds"),
        ("time", few, "2 days, fewer than 5 folds"),
        ("station", bare, "needs the `station` field"),
        ("time", bare, "needs the `time` field"),
        ("block", bare, "needs training rows with points"),
        ("group", bare, "needs the `group` field"),
    ]:
        with pytest.raises(InputError, match=words):
            make_split(name, 5, 100.0).divide(rows, 0)
    with pytest.raises(InputError, match="needs `block_size`"):
        make_split("block", 5).divide(few, 0)
    with pytest.raises(InputError, match="fewer than 5 folds"):
        make_split("block", 5, 1e6).divide(few, 0)
    with pytest.raises(InputError, match="4 complete rows cannot be divided into 5 folds"):
        make_split("random", 5).divide(table(4), 0)
    with pytest.raises(InputError, match="at least 2"):
        make_split("random", 1)


def test_years_months_and_stations_with_periods():
    rng = np.random.default_rng(0)
    rows = table(rows=600)
    rows = replace(
        rows, times=np.datetime64("2018-01-01", "s") + rng.integers(0, 3 * 365, 600) * np.timedelta64(86400, "s")
    )
    years = rows.times.astype("datetime64[Y]")
    parts = make_split("year", 5).divide(rows, 0)
    assert len(parts) == 3
    for train, test in parts:
        assert len(set(years[test])) == 1 and not set(years[train]) & set(years[test])
    months = rows.times.astype("datetime64[M]").astype(int) % 12
    parts = make_split("month", 4).divide(rows, 0)
    assert len(parts) == 4
    for train, test in parts:
        assert not set(months[train]) & set(months[test])
    days = rows.times.astype("datetime64[D]")
    parts = make_split("station_time", 3).divide(rows, 0)
    assert len(parts) == 9
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in parts])), np.arange(600))
    for train, test in parts:
        assert not set(rows.stations[train]) & set(rows.stations[test]) and not set(days[train]) & set(days[test])


def test_matched_distances_keep_places_together():
    rng = np.random.default_rng(0)
    places = np.repeat(100 * rng.random((10, 2)), 4, axis=0) + rng.standard_normal((40, 2))
    rows = replace(table(rows=400), positions=np.repeat(places, 10, axis=0))
    for train, test in make_split("knndm", 4, prediction=100 * rng.random((500, 2))).divide(rows, 0):
        assert not set(map(tuple, rows.positions[train])) & set(map(tuple, rows.positions[test]))


@pytest.mark.parametrize(
    ("name", "without", "words"),
    [
        ("year", {"times": None}, "`split` 'year' needs the `time` field"),
        ("month", {"times": None}, "`split` 'month' needs the `time` field"),
        ("year", {}, "of one year only"),
        ("station_time", {"stations": None}, "needs the `station` and `time` fields"),
        ("knndm", {"positions": None}, "needs training rows with points"),
        ("knndm", {}, "needs `prediction`"),
    ],
)
def test_further_splits_say_what_they_need(name, without, words):
    with pytest.raises(InputError, match=words):
        make_split(name, 3).divide(replace(table(), **without), 0)


@pytest.mark.parametrize("name", SPLITS)
def test_scikit_learn_takes_every_split(name):
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import cross_val_predict, cross_val_score

    rows = table(rows=400, days=800)
    split = make_split(name, 3, 3000.0, 1e4 * np.random.default_rng(1).random((200, 2)))
    groups = split.groups_of(rows)
    scores = cross_val_score(LinearRegression(), rows.predictors, rows.target, groups=groups, cv=split)
    assert len(scores) == len(split.divide(rows, 0)) == split.get_n_splits(rows.predictors, groups=groups)
    predicted = cross_val_predict(LinearRegression(), rows.predictors, rows.target, groups=groups, cv=split)
    assert np.isfinite(predicted).all()


def test_each_split_says_all_about_itself():
    for key, split in SPLITS.items():
        assert split.key == key and split.left_out and split.help and split.meaning.startswith("how well the model")
