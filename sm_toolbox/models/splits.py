"""Ways to divide training rows into folds: each is a value with a `split` method.

What a fold leaves out decides what its error means: left-out rows say how well the model fills in gaps at known
stations, left-out stations how well it maps places without one, left-out times how well it serves another season.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.table import TrainingTable

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


SPLITS = {"random": RandomSplit, "station": StationSplit, "time": TimeSplit, "block": BlockSplit}


def make_split(name: str, folds: int, block_size: float | None = None) -> Split:
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
    split: Split = SPLITS[name](folds)
    return split
