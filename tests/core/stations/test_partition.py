"""Stations divided for training and validation: shares, strata, dates, choices; nothing in both."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import InputError
from sm_toolbox.stations.partition import StationRows, split_before_date, split_by_choice, split_by_share


def rows(stations=40, dates=6, **more):
    names = np.repeat([f"s{i:02d}" for i in range(stations)], dates)
    times = np.tile(np.datetime64("2014-12-29", "s") + np.arange(dates) * np.timedelta64(86400, "s"), stations)
    return StationRows("obs", names, times, **more)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.floats(0.05, 0.95), st.integers(0, 500), st.integers(1, 6))
def test_shares_of_stations_with_strata(count, share, seed, kinds):
    table = rows(count)
    kind = np.random.default_rng(seed).integers(0, kinds, count)
    strata = np.repeat([f"k{i}" for i in kind], 6).tolist()
    sizes = np.bincount(kind)
    if sizes.max() < 2:
        return
    parts = split_by_share(table, share, strata, seed)
    inside, outside = (set(table.stations[side]) for side in (parts.validation, parts.training))
    assert not inside & outside and len(inside | outside) == count and (parts.training ^ parts.validation).all()
    of_kind = {int(i): sum(kind[int(name[1:])] == i for name in inside) for i in np.unique(kind)}
    for i, taken in of_kind.items():
        # As near to the share as whole stations go, and one is left to train on.
        assert taken <= sizes[i] - 1 and (abs(taken - share * sizes[i]) < 1 or taken == sizes[i] - 1)


def test_the_share_is_met_as_well_as_can_be_and_the_seed_decides():
    table = rows(86)
    first, again, other = (split_by_share(table, 0.25, seed=seed).validation for seed in (1, 1, 2))
    assert len(np.unique(table.stations[first])) == 22
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_stations_of_one_place_and_rows_without_one(progress):
    positions = np.repeat(np.stack([1000.0 * np.arange(40), np.zeros(40)], axis=1), 6, axis=0)
    positions[6:12] = positions[0:6] + 30.0
    table = rows(positions=positions)
    for seed in range(20):
        parts = split_by_share(table, 0.25, seed=seed, progress=progress)
        assert parts.validation[0] == parts.validation[6], "30 m apart"
    assert "less than 50 m apart stay on one side: s00 and s01" in progress.infos[0]
    names = table.stations.copy()
    names[:6] = ""
    parts = split_by_share(StationRows("obs", names), 0.25, progress=progress)
    assert (
        not (parts.training | parts.validation)[:6].any() and "6 rows of 'obs' are on neither" in progress.warnings[-1]
    )


def test_strata_of_one_station_are_trained_on(progress):
    strata = ["rare"] * 6 + ["common"] * 234
    for seed in range(10):
        assert split_by_share(rows(), 0.5, strata, seed, progress).training[:6].all()
    assert "Strata of one place are in the training" in progress.warnings[0] and "rare" in progress.warnings[0]


def test_days_are_whole():
    table = rows(3)
    table = StationRows("obs", table.stations, table.times + np.timedelta64(43200, "s"))
    parts = split_before_date(table, datetime(2015, 1, 1, 18))
    assert parts.training.sum() == 9 and (table.times[parts.validation] >= np.datetime64("2015-01-01")).all()
    times = table.times.copy()
    times[0] = np.datetime64("NaT")
    assert split_before_date(StationRows("obs", table.stations, times), datetime(2015, 1, 1)).training.sum() == 8


def test_choices_share_no_station_or_no_date(progress):
    table = rows(4)
    # A whole station, and a whole period: all others are trained on.
    for chosen in (table.stations == "s01", table.times >= np.datetime64("2015-01-01")):
        np.testing.assert_array_equal(split_by_choice(table, chosen, progress).training, ~chosen)
    assert not progress.warnings
    # Other years of other stations share both: what is left of the stations is on neither side.
    chosen = (table.stations == "s01") & (table.times >= np.datetime64("2015-01-01"))
    parts = split_by_choice(table, chosen, progress)
    assert set(table.stations[parts.training]) == {"s00", "s02", "s03"} and parts.validation.sum() == 3
    assert "3 rows are on neither side" in progress.warnings[0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda t: split_by_share(t, 1.0), "`share` is 1, but must be above 0 and below 1"),
        (lambda t: split_by_share(rows(1)), "of one place only"),
        (lambda t: split_by_share(t, 0.3, t.stations.tolist()), "Each stratum of 'obs' has one place only"),
        (lambda t: split_by_share(StationRows("obs", np.full(5, "")), 0.3), "No row of 'obs' has a station"),
        (lambda t: split_before_date(t, datetime(2010, 1, 1)), "none is left for the training.*`date` in between"),
        (lambda t: split_before_date(t, datetime(2020, 1, 1)), "none is left for the validation"),
        (lambda t: split_before_date(StationRows("obs", t.stations), datetime(2020, 1, 1)), "needs the `times` field"),
        (lambda t: split_by_choice(t, np.ones(240, bool)), "true for all of the 240 rows of 'obs'"),
        (lambda t: split_by_choice(t, np.zeros(240, bool)), "true for none of the 240 rows"),
        (
            lambda t: split_by_choice(t, np.random.default_rng(0).random(240) < 0.9),
            "share their stations and dates with all others",
        ),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make(rows())
