"""What trains and what is tested in each scenario."""

from dataclasses import replace

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.experiments.comparison import plan_bench, plan_trials
from sm_toolbox.experiments.scenarios import SCENARIOS, Ground
from sm_toolbox.experiments.sizes import parse_sizes
from sm_toolbox.experiments.trials import Trial
from tests.core.experiments.conftest import prepared_of, settings_of, table_of


@pytest.fixture
def ground(prepared):
    return Ground(prepared.table, len(prepared.table), 0, largest_temporal=3)


def test_dependent_rows_are_so_many_percent_and_grow(ground):
    small, large = (SCENARIOS["dependent"].draw(ground, size, 0) for size in (10, 40))
    assert (len(small.train), len(large.train)) == (32, 128) and set(small.train) < set(large.train)
    assert len(np.intersect1d(large.train, large.test)) == 0 and len(large.train) + len(large.test) == 320


def test_other_years_are_tested_at_the_same_stations(ground):
    draw = SCENARIOS["temporal"].draw(replace(ground, train_year=2018), 3, 1)
    years = ground.years
    assert set(years[draw.train]) == {2018} and set(years[draw.test]) == {2019}
    names, counts = np.unique(ground.table.stations[draw.train], return_counts=True)
    assert len(names) == 20 and set(counts) == {3} and len(draw.test) == 160


def test_other_stations_are_tested_and_sets_grow(ground):
    small, large = (SCENARIOS["spatial"].draw(ground, size, 0) for size in (2, 8))
    stations = ground.table.stations
    assert len(set(stations[small.train])) == 2 and set(stations[small.train]) < set(stations[large.train])
    assert not set(stations[large.train]) & set(stations[large.test]) and len(large.test) == 12 * 16


def test_stations_of_one_place_stay_together(ground):
    places = np.where(np.isin(ground.table.stations, ["s0", "s1"]), "s0\ns1", ground.table.stations)
    ground = replace(ground, table=replace(ground.table, places=places))
    for repeat in range(8):
        draw = SCENARIOS["spatial"].draw(ground, 6, repeat)
        both = {"s0", "s1"} & set(ground.table.stations[draw.train])
        assert len(both) in (0, 2)


def test_each_group_is_tested_once(ground):
    scenario = SCENARIOS["group"]
    assert scenario.sizes(ground, ()) == ([3.0], "") and scenario.repeats(ground, 10) == 4
    tested = []
    for repeat in range(4):
        draw = scenario.draw(ground, 3, repeat)
        (own,) = set(ground.table.groups[draw.test])
        assert own not in set(ground.table.groups[draw.train])
        tested.append(own)
    assert sorted(tested) == ["n0", "n1", "n2", "n3"]


def test_groups_of_one_station_train_but_are_not_tested(ground):
    groups = np.where(ground.table.stations == "s0", "alone", ground.table.groups)
    ground = replace(ground, table=replace(ground.table, groups=groups))
    sizes, told = SCENARIOS["group"].sizes(ground, ())
    assert sizes == [4.0] and told.endswith("not tested: alone") and SCENARIOS["group"].repeats(ground, 10) == 4
    ground = replace(ground, table=replace(ground.table, groups=ground.table.stations))
    with pytest.raises(InputError, match="each of the 20 groups has one station.*`group` field"):
        SCENARIOS["group"].sizes(ground, ())


def test_candidates_are_judged_as_the_scenario_is(ground):
    """Without the stations, months or groups that a fold tests; single rows where there is but one."""
    table = ground.table
    for key, units in (
        ("temporal", table.times.astype("datetime64[M]").astype(int)),
        ("spatial", table.stations),
        ("group", table.groups),
        ("regional", table.stations),
    ):
        folds = SCENARIOS[key].inner_folds(table, 0)
        assert len(folds) == 3
        assert all(not set(units[train]) & set(units[test]) for train, test in folds)
    one = table.take(np.flatnonzero(table.stations == "s3"))
    folds = SCENARIOS["spatial"].inner_folds(one, 0)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(16))


def test_sizes_that_leave_too_little_are_left_out_and_said(prepared):
    settings = settings_of(
        scenarios=("dependent", "temporal", "spatial"),
        sizes_dependent="1,50,90",
        sizes_temporal="8,9",
        sizes_spatial="1,16,17",
    )
    bench, sizes, told = plan_bench(prepared, settings, None)
    assert sizes == {"dependent": [50.0], "temporal": [8.0], "spatial": [1.0, 16.0]}
    assert len(told) == 3 and told[2] == "spatial: 17 of 20 stations (less than a fifth of them for the test)"
    trials = plan_trials(bench, settings, sizes)
    # Repeat by repeat, so that a run that ends early has all scenarios.
    assert len(trials) == 8 and [trial.repeat for trial in trials] == [0] * 4 + [1] * 4


def test_all_rows_train_for_another_table(prepared):
    other = prepared_of(table_of(stations=3, seed=5, first=50)).table
    bench, sizes, _ = plan_bench(prepared, settings_of(scenarios=("regional",)), other)
    draw = bench.draw(Trial("regional", sizes["regional"][0], 1, "random_forest"))
    assert len(draw.train) == 320 and len(draw.test) == 48
    assert set(bench.ground.table.stations[draw.test]) == {"s50", "s51", "s52"}


@pytest.mark.parametrize(
    ("scenario", "roles", "settings", "words"),
    [
        ("spatial", {"station": None}, {}, "need to know the station .*`station`"),
        ("temporal", {"time": None}, {}, "needs `time`, the date"),
        ("group", {"group": None}, {}, "needs `group`, the field"),
        ("regional", {}, {}, "needs a table of tests. Choose `test`"),
        ("temporal", {}, {"train_year": 2001}, "`train_year` is 2001, of which there is no row. There are 2018, 2019"),
        ("temporal", {}, {"sizes_temporal": "30"}, "too few stations have rows.*`train_year`|in 2018 too few"),
        ("spatial", {}, {"sizes_spatial": "20"}, "none of `sizes_spatial` leaves a fifth of the 20 stations"),
        ("dependent", {}, {"sizes_dependent": "1,99"}, "all of `sizes_dependent` .* fewer than 5"),
    ],
)
def test_what_rows_do_not_allow_is_refused(scenario, roles, settings, words):
    prepared = prepared_of(table_of(), **roles)
    with pytest.raises(InputError, match=words):
        plan_bench(prepared, settings_of(scenarios=(scenario,), **settings), None)


@pytest.mark.parametrize(
    ("text", "whole", "sizes"),
    [("1,3,…,21", True, tuple(range(1, 22, 2))), ("1,9,...,57", True, (1, 9, 17, 25, 33, 41, 49, 57)),
     ("5, 0.5,1", False, (0.5, 1.0, 5.0)), ("2,4,…,9", True, (2, 4, 6, 8, 9)), ("7,7", True, (7,))],
)  # fmt: skip
def test_sizes_are_read(text, whole, sizes):
    assert parse_sizes(text, "sizes_spatial", whole=whole, most=100) == sizes


@pytest.mark.parametrize(
    "text", ["", ",", "a", "-1", "0", "1.5", "101", "nan", "inf", "…", "1,…,5", "5,3,…,9", "1,2,…", "1,2,…,2"]
)
def test_sizes_of_nonsense_are_refused(text):
    with pytest.raises(InputError, match="`sizes_spatial`"):
        parse_sizes(text, "sizes_spatial", whole=True, most=100)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scenarios": ("lunar",)}, "`scenarios` names lunar.*dependent, temporal, spatial, group, regional"),
        ({"scenarios": ()}, "`scenarios` is empty"),
        ({"models": ("oracle",)}, "`models` names oracle, which is unknown. Choose of: random_forest"),
        ({"repeats": 0}, "`repeats` is 0, but must be from 1 to 1,000"),
        ({"candidates": 0}, "`candidates` is 0"),
        ({"target_rmse": 0.0}, "`target_rmse` is 0"),
        ({"hyperparameters": "{"}, "`hyperparameters` is not valid JSON"),
        ({"hyperparameters": '{"n_estimators": 5}'}, "`hyperparameters` must be by model"),
        ({"hyperparameters": '{"lstm9": {}}'}, "names lstm9, which is no model"),
        ({"hyperparameters": '{"random_forest": {"trees": 5}}'}, "names trees, which random_forest does not have"),
    ],
)
def test_settings_of_nonsense_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        settings_of(**settings).check()
