"""Which rows of a training are watched for when to stop: a part that shares no place, or no time, with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.splits import (
    MonthSplit,
    RandomSplit,
    StationSplit,
    StationTimeSplit,
    TimeSplit,
    YearSplit,
)
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.learners.sequences import WATCHED_SHARE, Parts
from sm_toolbox.models.table import TrainingTable

# Folds from which the watched ones are taken; few groups allow of fewer.
_FOLDS = (10, 3, 2)
_SECOND = np.timedelta64(1, "s")


def held_apart(table: TrainingTable, split: Split | None, seed: int, reach_days: float) -> Parts:
    """Part the rows of a training for a fit that watches some of them.

    Where the split leaves out places, whole places of the same kind are watched; where it leaves out times, the last
    of the record, with a gap of `reach_days` before it, so that no sequence of the one part reaches into the other;
    where it leaves out single rows, whole stations. What is not possible with these rows gives way: stations, then the
    last time, then single rows.

    Parameters
    ----------
    table : TrainingTable
        Rows of the fit.
    split : Split or None
        None for single rows.
    seed : int
    reach_days : float
        How far back in time a row reaches.

    Returns
    -------
    Parts
    """
    of_stations = StationSplit()
    of_times = isinstance(split, (TimeSplit, YearSplit, MonthSplit))
    of_places = split is not None and not of_times and not isinstance(split, RandomSplit)
    chosen = split if of_places and not isinstance(split, StationTimeSplit) else of_stations
    assert chosen is not None
    ways: list[Callable[[], Parts | None]] = [
        lambda: _whole_groups(chosen, table, seed),
        lambda: _whole_groups(of_stations, table, seed),
    ]
    ways.insert(0 if of_times else 2, lambda: _last_time(table, reach_days))
    for way in ways:
        parts = way()
        if parts is not None and len(parts.learned) > 1 and np.ptp(table.target[parts.learned]) > 0:
            return parts
    order = np.random.default_rng(seed).permutation(len(table))
    watched = max(1, round(WATCHED_SHARE * len(table)))
    return Parts(np.sort(order[watched:]), np.sort(order[:watched]))


def _whole_groups(split: Split, table: TrainingTable, seed: int) -> Parts | None:
    """Watch about the share of the rows in whole folds; None where the rows cannot be divided so."""
    for folds in _divisions(split, table, seed):
        watched = np.empty(0, np.int64)
        for _, test in folds[:-1]:
            joined = np.concatenate([watched, test])
            if len(watched) and _off(joined, table) > _off(watched, table):
                break
            watched = joined
        if len(watched):
            return Parts(np.setdiff1d(np.arange(len(table)), watched), np.sort(watched))
    return None


def _divisions(split: Split, table: TrainingTable, seed: int) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    for count in _FOLDS:
        try:
            folds = replace(split, folds=count).divide(table, seed)
        except InputError:
            continue
        if len(folds) > 1:
            yield folds


def _off(rows: np.ndarray, table: TrainingTable) -> float:
    return abs(len(rows) / len(table) - WATCHED_SHARE)


def _last_time(table: TrainingTable, reach_days: float) -> Parts | None:
    """Watch the last part of the record; None where too little is left before it."""
    if table.times is None:
        return None
    times = np.asarray(table.times, "datetime64[s]")
    first = np.sort(times)[len(times) - max(1, round(WATCHED_SHARE * len(times)))]
    gap = round(reach_days * 86_400) * _SECOND
    watched, learned = np.flatnonzero(times >= first), np.flatnonzero(times < first - gap)
    # Short records have no room for the gap.
    return Parts(learned, watched) if len(learned) >= len(watched) else None
