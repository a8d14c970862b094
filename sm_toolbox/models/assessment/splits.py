"""Ways to divide training rows into folds: each is a value with a `split` method.

What a fold leaves out decides what its error means: left-out rows say how well the model fills in gaps at known
stations, left-out stations how well it maps places without one, left-out times how well it serves another season.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.table import TrainingTable

if TYPE_CHECKING:
    from sm_toolbox.models.assessment.nndm import MatchedFolds

Folds = list[tuple[np.ndarray, np.ndarray]]


class Split(Protocol):
    """A way to divide rows into folds."""

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Return, for each fold, the positions of its training and of its test rows."""
        ...

    @property
    def left_out(self) -> str:
        """What a fold leaves out, for the report."""
        ...


@dataclass(frozen=True)
class RandomSplit:
    """Rows at random: neighbours in time and place of every test row are in the training."""

    folds: int = 5
    left_out: str = "single rows"

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Divide the rows at random."""
        if len(table) < self.folds:
            raise InputError(f"{len(table)} complete rows cannot be divided into {self.folds} folds. Give fewer FOLDS, or more rows.")
        order = np.random.default_rng(seed).permutation(len(table))
        number = np.empty(len(table), np.int64)
        number[order] = np.arange(len(table)) % self.folds
        return _folds(number)


@dataclass(frozen=True)
class StationSplit:
    """Whole stations: no row of a test station is in the training."""

    folds: int = 5
    left_out: str = "whole stations"

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Divide the stations so that the folds have about equally many rows."""
        if table.stations is None:
            raise InputError("SPLIT 'station' needs the STATION field, which tells the rows of one station from those of another.")
        return _group_folds(table.stations, self.folds, seed, "stations")


@dataclass(frozen=True)
class TimeSplit:
    """Contiguous periods: no row of a test period is in the training."""

    folds: int = 5
    left_out: str = "whole periods"

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Divide the record into periods with about equally many rows; all rows of one day stay together."""
        if table.times is None:
            raise InputError("SPLIT 'time' needs the TIME field.")
        days, of_row, counts = np.unique(table.times.astype("datetime64[D]"), return_inverse=True, return_counts=True)
        if len(days) < self.folds:
            raise InputError(f"The training rows are of {len(days)} days, fewer than {self.folds} folds. Give fewer FOLDS, or another SPLIT.")
        middle = np.cumsum(counts) - counts / 2
        number = np.minimum((middle * self.folds / len(table)).astype(np.int64), self.folds - 1)
        # A day with very many rows may leave a fold without any: number the folds that are there anew.
        number = np.unique(number, return_inverse=True)[1]
        if number.max() == 0:
            raise InputError("Nearly all training rows are of one day, so that no periods can be held out. Choose another SPLIT.")
        return _folds(number[of_row])


@dataclass(frozen=True)
class YearSplit:
    """Whole years: no row of a test year is in the training."""

    folds: int = 5
    left_out: str = "whole years"

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Leave out each year in turn, or several together where there are more years than folds."""
        return _calendar_folds(table, "datetime64[Y]", self.folds, seed, "year", "years")


@dataclass(frozen=True)
class MonthSplit:
    """Whole calendar months: no row of a test month, of any year, is in the training."""

    folds: int = 5
    left_out: str = "whole calendar months"

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Leave out each calendar month in turn, or several together where there are more months than folds."""
        return _calendar_folds(table, "datetime64[M]", self.folds, seed, "month", "calendar months")


@dataclass(frozen=True)
class StationTimeSplit:
    """Stations and periods at once: neither the stations nor the periods of the test rows are in the training (Meyer et al. 2018)."""

    folds: int = 5
    left_out: str = "whole stations and periods at once"

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Leave out every pair of a group of stations and a period."""
        if table.stations is None or table.times is None:
            raise InputError("SPLIT 'station_time' needs the STATION and TIME fields.")
        of_station, of_time = np.empty(len(table), np.int64), np.empty(len(table), np.int64)
        for number, split in ((of_station, StationSplit(self.folds)), (of_time, TimeSplit(self.folds))):
            for fold, (_, test) in enumerate(split.split(table, seed)):
                number[test] = fold
        found = []
        for station, time in np.ndindex(int(of_station.max()) + 1, int(of_time.max()) + 1):
            test = np.flatnonzero((of_station == station) & (of_time == time))
            train = np.flatnonzero((of_station != station) & (of_time != time))
            if len(test):
                if len(train) < 2:
                    raise InputError(
                        "SPLIT 'station_time' leaves no training rows beside some stations and periods. Give fewer FOLDS, or choose 'station'."
                    )
                found.append((train, test))
        return found


@dataclass(frozen=True)
class DistanceSplit:
    """Folds as far from their training rows as the map's cells are from the stations (k-fold nearest neighbour distance matching).

    Parameters
    ----------
    prediction : ndarray of float64 (points, 2)
        A sample of the area of the map, in the coordinates of the table's positions.
    """

    folds: int = 5
    prediction: np.ndarray | None = None
    left_out: str = "places as far from the others as the map is from its stations"

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Divide the places."""
        matched, of_row = self.match(table, seed)
        return _folds(matched.fold[of_row])

    def match(self, table: TrainingTable, seed: int) -> tuple[MatchedFolds, np.ndarray]:
        """Return the folds of the places with their distances, and the place of each row (rows,)."""
        if table.positions is None:
            raise InputError(
                "SPLIT 'knndm' needs training rows with points: use the layer that 'Sample predictors at stations' made, or choose another SPLIT."
            )
        if self.prediction is None:
            raise InputError("SPLIT 'knndm' needs PREDICTION_AREA: a raster whose cells with data are the area to be mapped.")
        from sm_toolbox.models.assessment.nndm import match_folds

        places, of_row = np.unique(table.positions, axis=0, return_inverse=True)
        return match_folds(places, self.prediction, self.folds, seed), of_row.reshape(-1)


@dataclass(frozen=True)
class BlockSplit:
    """Square blocks of land: no row of a test block is in the training.

    Parameters
    ----------
    block_size : float
        Side of a block in metres.
    """

    folds: int = 5
    block_size: float = 0.0
    left_out: str = "whole blocks of land"

    def split(self, table: TrainingTable, seed: int) -> Folds:
        """Divide the blocks so that the folds have about equally many rows."""
        if table.positions is None:
            raise InputError(
                "SPLIT 'block' needs training rows with points: use the layer that 'Sample predictors at stations' made, or choose another SPLIT."
            )
        if not self.block_size > 0:
            raise InputError(
                "SPLIT 'block' needs BLOCK_SIZE: the side of a block in metres, larger than the distance over which soil moisture is alike."
            )
        block = np.floor((table.positions - table.positions.min(axis=0)) / self.block_size).astype(np.int64)
        return _group_folds(np.array([f"{row}/{column}" for column, row in block]), self.folds, seed, f"blocks of {self.block_size:g} m")


def _calendar_folds(table: TrainingTable, unit: str, folds: int, seed: int, name: str, what: str) -> Folds:
    if table.times is None:
        raise InputError(f"SPLIT '{name}' needs the TIME field.")
    part = table.times.astype(unit).astype(np.int64)
    part = part % 12 if name == "month" else part
    count = len(np.unique(part))
    if count < 2:
        raise InputError(f"The training rows are of one {name} only, so that none can be left out. Choose another SPLIT.")
    return _group_folds(part, min(folds, count), seed, what)


def _group_folds(groups: np.ndarray, folds: int, seed: int, what: str) -> Folds:
    """Put whole groups into folds, in random order and each into the fold that has the fewest rows."""
    names, of_row, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise InputError(
            f"The training rows are of {len(names)} {what}, fewer than {folds} folds. Give fewer FOLDS (at least 2), or choose another SPLIT."
        )
    order = np.random.default_rng(seed).permutation(len(names))
    rows_in_fold = np.zeros(folds, np.int64)
    fold_of = np.empty(len(names), np.int64)
    for group in order:
        fold_of[group] = np.argmin(rows_in_fold)
        rows_in_fold[fold_of[group]] += counts[group]
    return _folds(fold_of[of_row])


def _folds(number: np.ndarray) -> Folds:
    return [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(int(number.max()) + 1)]


SPLITS = {
    "random": RandomSplit,
    "station": StationSplit,
    "time": TimeSplit,
    "year": YearSplit,
    "month": MonthSplit,
    "station_time": StationTimeSplit,
    "block": BlockSplit,
    "knndm": DistanceSplit,
}
"""Splits by the word that users give."""


def make_split(name: str, folds: int, block_size: float | None = None, prediction: np.ndarray | None = None) -> Split:
    """Return the split of a name.

    Raises
    ------
    InputError
        Where there are fewer than two folds.
    """
    if folds < 2:
        raise InputError(f"FOLDS is {folds}; at least 2 are needed.")
    if name == "block":
        return BlockSplit(folds, block_size or 0.0)
    if name == "knndm":
        return DistanceSplit(folds, prediction)
    split: Split = SPLITS[name](folds)
    return split
