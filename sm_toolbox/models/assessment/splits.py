"""Ways to divide training rows into folds. Each is one class, with every text about it; `SPLITS` lists them.

What a fold leaves out decides what its error means: left-out rows say how well the model fills in gaps at known
stations, left-out stations how well it maps places without one, left-out times how well it serves another season.

A new split is one class here and its line in `SPLITS`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.folds import Folds, calendar_folds, group_folds, numbered_folds
from sm_toolbox.models.assessment.splitting import Cautions, Split
from sm_toolbox.models.table import TrainingTable

if TYPE_CHECKING:
    from sm_toolbox.models.assessment.nndm import MatchedFolds


@dataclass(frozen=True)
class RandomSplit(Split):
    """Rows at random: neighbours in time and place of every test row are in the training."""

    key = "random"
    left_out = "single rows"
    meaning = "how well the model fills in missing rows at the stations and times it was trained on"
    elsewhere = "the same stations and times"
    help = "single rows (random)"
    cautions = Cautions(
        "The split is random: rows of one station are in training and validation at once, and the error says how "
        "well gaps of these stations are filled, not how well a map is made. Set `station`, and `split` to station, "
        "for the error of a map.",
        "Rows of one place are alike: left out at random they also reward predictors that only tell the stations "
        "apart, such as coordinates or elevation. For a map of places without a station choose predictors with "
        "whole stations left out (`split` 'station', which needs the `station` field).",
        "Rows of one place are alike, so that this split is likely to flatter a map. Choose the `station` field to "
        "see the error at places without a station.",
    )

    def _divide(self, n: int, groups: Any) -> Folds:
        if n < self.folds:
            raise InputError(
                f"{n} complete rows cannot be divided into {self.folds} folds. Give fewer `folds`, or more rows."
            )
        order = np.random.default_rng(self.seed).permutation(n)
        fold = np.empty(n, np.int64)
        fold[order] = np.arange(n) % self.folds
        return numbered_folds(fold)


@dataclass(frozen=True)
class StationSplit(Split):
    """Whole stations, with those that share their place: none is in the training. Groups are places (n,)."""

    key = "station"
    left_out = "whole stations"
    meaning = "how well the model maps places that have no station"
    elsewhere = "places without a station, at times it was trained on,"
    remembered = "places"
    help = "whole stations"

    def groups_of(self, table: TrainingTable) -> np.ndarray | None:
        """Return the stations (rows,), those of one place under one name.

        As `Split.groups_of`.
        """
        return table.stations if table.places is None else table.places

    def divide(self, table: TrainingTable, seed: int) -> Folds:
        """Divide the rows; stations and pixels of products each so that every fold has about as many of them.

        As `Split.divide`.
        """
        pixels = np.flatnonzero(~table.rated)
        if not len(pixels):
            return super().divide(table, seed)
        groups = self.groups_of(table)
        assert groups is not None
        of_folds = np.zeros(len(table), np.int64)
        for rows, folds in ((np.flatnonzero(table.rated), self.folds), (pixels, 0)):
            folds = folds or min(self.folds, len(np.unique(groups[pixels])))
            for number, (_, test) in enumerate(group_folds(groups[rows], folds, seed, "stations")):
                of_folds[rows[test]] = number
        return numbered_folds(of_folds)

    def _divide(self, n: int, groups: Any) -> Folds:
        """Divide the stations so that the folds have about equally many rows."""
        if groups is None:
            raise InputError(
                "`split` 'station' needs the `station` field, which tells the rows of one station from those of "
                "another."
            )
        return group_folds(groups, self.folds, self.seed, "stations")


@dataclass(frozen=True)
class GroupSplit(Split):
    """Whole groups of stations, such as networks or regions: none is in the training. Groups are names (n,)."""

    key = "group"
    left_out = "whole groups of stations"
    meaning = "how well the model maps a region, or serves a network, that it has no station of"
    elsewhere = "groups of stations (networks, regions) without any of its own, at times it was trained on,"
    remembered = "groups of stations"
    help = "whole groups of stations (group)"

    def groups_of(self, table: TrainingTable) -> np.ndarray | None:
        """Return the groups (rows,).

        As `Split.groups_of`.
        """
        return table.groups

    def _divide(self, n: int, groups: Any) -> Folds:
        """Leave out each group in turn, or several together where there are more groups than folds."""
        if groups is None:
            raise InputError(
                "`split` 'group' needs the `group` field, which says to which network, region or other group a row "
                "belongs."
            )
        count = len(np.unique(groups))
        if count < 2:
            raise InputError(
                f"The training rows are of one group only ('{groups[0]}'), so that none can be left out. Choose a "
                "`group` field with several (a search for hyper-parameters needs three), or another `split`."
            )
        return group_folds(groups, min(self.folds, count), self.seed, "groups")


@dataclass(frozen=True)
class TimeSplit(Split):
    """Contiguous periods: no row of a test period is in the training. Groups are the rows' times (n,)."""

    key = "time"
    left_out = "whole periods"
    meaning = "how well the model serves periods it was not trained on"
    elsewhere = "its stations in other periods"
    remembered = "dates"
    help = "contiguous periods (time)"

    def groups_of(self, table: TrainingTable) -> np.ndarray | None:
        """Return the times (rows,).

        As `Split.groups_of`.
        """
        return table.times

    def _divide(self, n: int, groups: Any) -> Folds:
        """Divide the record into periods with about equally many rows; all rows of one day stay together."""
        if groups is None:
            raise InputError("`split` 'time' needs the `time` field.")
        times = np.asarray(groups, "datetime64[s]")
        days, day_index, counts = np.unique(times.astype("datetime64[D]"), return_inverse=True, return_counts=True)
        if len(days) < self.folds:
            raise InputError(
                f"The training rows are of {len(days)} days, fewer than {self.folds} folds. Give fewer `folds`, or "
                "another `split`."
            )
        middle = np.cumsum(counts) - counts / 2
        fold = np.minimum((middle * self.folds / n).astype(np.int64), self.folds - 1)
        # A day with very many rows may leave a fold without any: number the folds that are there anew.
        fold = np.unique(fold, return_inverse=True)[1]
        if fold.max() == 0:
            raise InputError(
                "Nearly all training rows are of one day, so that no periods can be held out. Choose another `split`."
            )
        return numbered_folds(fold[day_index])


@dataclass(frozen=True)
class YearSplit(Split):
    """Whole years: no row of a test year is in the training. Groups are the rows' times (n,)."""

    key = "year"
    left_out = "whole years"
    meaning = "how well the model serves a year it was not trained on"
    elsewhere = "its stations in other years"
    remembered = "dates"
    help = "whole years"

    def groups_of(self, table: TrainingTable) -> np.ndarray | None:
        """Return the times (rows,).

        As `Split.groups_of`.
        """
        return table.times

    def _divide(self, n: int, groups: Any) -> Folds:
        """Leave out each year in turn, or several together where there are more years than folds."""
        if groups is None:
            raise InputError("`split` 'year' needs the `time` field.")
        return calendar_folds(
            np.asarray(groups, "datetime64[Y]").astype(np.int64), self.folds, self.seed, "year", "years"
        )


@dataclass(frozen=True)
class MonthSplit(Split):
    """Whole calendar months: no row of a test month, of any year, is in the training. Groups are times (n,)."""

    key = "month"
    left_out = "whole calendar months"
    meaning = "how well the model serves a season it was not trained on"
    elsewhere = "its stations in other seasons"
    remembered = "dates"
    help = "calendar months"

    def groups_of(self, table: TrainingTable) -> np.ndarray | None:
        """Return the times (rows,).

        As `Split.groups_of`.
        """
        return table.times

    def _divide(self, n: int, groups: Any) -> Folds:
        """Leave out each calendar month in turn, or several together where there are more months than folds."""
        if groups is None:
            raise InputError("`split` 'month' needs the `time` field.")
        months = np.asarray(groups, "datetime64[M]").astype(np.int64) % 12
        return calendar_folds(months, self.folds, self.seed, "month", "calendar months")


@dataclass(frozen=True)
class StationTimeSplit(Split):
    """Stations and periods at once: no station and no period of the test rows is in the training (Meyer et al. 2018).

    Groups are a structured array (n,) of the rows' `station` and `time`.
    """

    key = "station_time"
    left_out = "whole stations and periods at once"
    meaning = "how well the model maps places without a station in periods it was not trained on"
    elsewhere = "places without a station in other periods"
    remembered = "places and dates"
    source = (
        "Splits in space and time: Meyer, H. et al. (2018). Environmental Modelling & Software 101. doi "
        "10.1016/j.envsoft.2017.12.001"
    )
    help = "stations and periods at once (station_time: FOLDS × FOLDS fits)"

    def groups_of(self, table: TrainingTable) -> np.ndarray | None:
        """Return stations and times, structured (rows,).

        As `Split.groups_of`.
        """
        if table.stations is None or table.times is None:
            return None
        places = table.stations if table.places is None else table.places
        groups = np.empty(len(table), [("station", places.dtype), ("time", table.times.dtype)])
        groups["station"], groups["time"] = places, table.times
        return groups

    def _divide(self, n: int, groups: Any) -> Folds:
        """Leave out every pair of a group of stations and a period."""
        if groups is None:
            raise InputError("`split` 'station_time' needs the `station` and `time` fields.")
        station_fold, time_fold = np.empty(n, np.int64), np.empty(n, np.int64)
        for fold_of_row, split, part in (
            (station_fold, StationSplit(self.folds, self.seed), groups["station"]),
            (time_fold, TimeSplit(self.folds, self.seed), groups["time"]),
        ):
            for fold, (_, test) in enumerate(split._divide(n, part)):
                fold_of_row[test] = fold
        folds = []
        for station, time in np.ndindex(int(station_fold.max()) + 1, int(time_fold.max()) + 1):
            test = np.flatnonzero((station_fold == station) & (time_fold == time))
            train = np.flatnonzero((station_fold != station) & (time_fold != time))
            if len(test):
                if len(train) < 2:
                    raise InputError(
                        "`split` 'station_time' leaves no training rows beside some stations and periods. Give "
                        "fewer `folds`, or choose 'station'."
                    )
                folds.append((train, test))
        return folds


@dataclass(frozen=True)
class BlockSplit(Split):
    """Square blocks of land: no row of a test block is in the training. Groups are positions (n, 2) in metres.

    Parameters
    ----------
    block_size : float
        Side of a block in metres.
    """

    key = "block"
    left_out = "whole blocks of land"
    meaning = "how well the model maps land at some distance from its stations"
    elsewhere = "places at some distance from its stations, at times it was trained on,"
    remembered = "places"
    help = "blocks of land"

    block_size: float = 0.0

    def groups_of(self, table: TrainingTable) -> np.ndarray | None:
        """Return the positions (rows, 2).

        As `Split.groups_of`.
        """
        return table.positions

    def _divide(self, n: int, groups: Any) -> Folds:
        """Divide the blocks so that the folds have about equally many rows."""
        if groups is None:
            raise InputError(
                "`split` 'block' needs training rows with points: use the layer that 'Sample predictors at "
                "stations' made, or choose another `split`."
            )
        if not self.block_size > 0:
            raise InputError(
                "`split` 'block' needs `block_size`: the side of a block in metres, larger than the distance over "
                "which soil moisture is alike."
            )
        positions = np.asarray(groups, np.float64)
        block = np.floor((positions - positions.min(axis=0)) / self.block_size).astype(np.int64)
        names = np.array([f"{row}/{column}" for column, row in block])
        return group_folds(names, self.folds, self.seed, f"blocks of {self.block_size:g} m")


@dataclass(frozen=True)
class DistanceSplit(Split):
    """Folds as far from their training rows as the map's cells are from the stations (kNNDM).

    Groups are the rows' positions (n, 2) in metres.

    Parameters
    ----------
    prediction : ndarray of float64 (points, 2)
        A sample of the area of the map, in the coordinates of the table's positions.
    max_fold_share : float, optional
        Largest share of the places that a fold may hold.
    """

    key = "knndm"
    left_out = "places as far from the others as the map is from its stations"
    meaning = "how well the model maps land as far from its stations as the area to be mapped is"
    elsewhere = "the area to be mapped, at times it was trained on,"
    remembered = "places"
    source = (
        "Distance-matched folds: Linnenbrink, J. et al. (2024). kNNDM CV. Geoscientific Model Development 17. doi "
        "10.5194/gmd-17-5897-2024"
    )
    help = "places as far from the others as the map is from its stations (knndm)"

    prediction: np.ndarray | None = None
    max_fold_share: float = 0.5

    def groups_of(self, table: TrainingTable) -> np.ndarray | None:
        """Return the positions (rows, 2).

        As `Split.groups_of`.
        """
        return table.positions

    def match(self, table: TrainingTable, seed: int) -> MatchedFolds:
        """Return the folds of the places with their distances.

        As `WithDistances.match`.
        """
        return replace(self, seed=seed)._match(self.groups_of(table))[0]

    def _divide(self, n: int, groups: Any) -> Folds:
        """Divide the places."""
        matched, place_index = self._match(groups)
        return numbered_folds(matched.fold[place_index])

    def _match(self, positions: Any) -> tuple[MatchedFolds, np.ndarray]:
        """Return the folds of the places, and the place of each row (n,)."""
        if positions is None:
            raise InputError(
                "`split` 'knndm' needs training rows with points: use the layer that 'Sample predictors at "
                "stations' made, or choose another `split`."
            )
        if self.prediction is None:
            raise InputError(
                "`split` 'knndm' needs `prediction`: a raster whose cells with data are the area to be mapped."
            )
        from sm_toolbox.models.assessment.nndm import match_folds

        places, place_index = np.unique(positions, axis=0, return_inverse=True)
        matched = match_folds(places, self.prediction, self.folds, self.seed, self.max_fold_share)
        return matched, place_index.reshape(-1)


SPLITS: dict[str, type[Split]] = {
    row.key: row
    for row in (
        RandomSplit,
        StationSplit,
        GroupSplit,
        TimeSplit,
        YearSplit,
        MonthSplit,
        StationTimeSplit,
        BlockSplit,
        DistanceSplit,
    )
}
"""Splits by the word that users give."""


def make_split(
    key: str,
    folds: int,
    block_size: float | None = None,
    prediction: np.ndarray | None = None,
    max_fold_share: float = 0.5,
) -> Split:
    """Return the split of a word; what it has no use for does not count.

    Parameters
    ----------
    key : str
        One of `SPLITS`.
    folds : int
    block_size : float, optional
        Metres, for blocks; by default chosen from the places.
    prediction : ndarray of float64 (points, 2), optional
        Metres: positions of cells of the map, for matched distances.
    max_fold_share : float, optional
        Largest share of the places in a fold, for matched distances.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        Where there are fewer than two folds, or a share that is none.
    """
    if folds < 2:
        raise InputError(f"`folds` is {folds}; at least 2 are needed.")
    if not 1 / folds <= max_fold_share <= 1:
        raise InputError(
            f"`max_fold_share` is {max_fold_share:g}, but must lie between 1 / `folds`, {1 / folds:.2g}, and 1."
        )
    given = {
        "folds": folds,
        "block_size": block_size or 0.0,
        "prediction": prediction,
        "max_fold_share": max_fold_share,
    }
    row = SPLITS[key]
    return row(**{item.name: given[item.name] for item in fields(row) if item.name in given})  # type: ignore[arg-type]


def default_split(stations: np.ndarray | None, folds: int) -> str:
    """Return the split where none is asked for.

    Whole stations where there are enough of them and they have several rows, else random rows.

    Parameters
    ----------
    stations : ndarray (rows,) or None
    folds : int

    Returns
    -------
    str
        One of `SPLITS`.
    """
    if stations is None:
        return RandomSplit.key
    count = len(np.unique(stations))
    return StationSplit.key if folds <= count < len(stations) else RandomSplit.key


def comparison(split: Split, table: TrainingTable) -> Split | None:
    """Return the split to show beside another: random rows, or beside these whole stations where there are enough.

    The difference between the two says what part of the skill is memory of the place.

    Parameters
    ----------
    split : Split
    table : TrainingTable

    Returns
    -------
    Split or None
    """
    if split.cautions is None:
        return RandomSplit(split.folds)
    stations = StationSplit(split.folds)
    groups = stations.groups_of(table)
    return None if groups is None or len(np.unique(groups)) < split.folds else stations


def beside_stations(split: Split, table: TrainingTable) -> Split | None:
    """Return blocks of land where whole stations are left out that share cells of the coarsest predictor with others.

    The neighbours of such a station tell the model what the predictor shows there.

    Parameters
    ----------
    split : Split
    table : TrainingTable

    Returns
    -------
    Split or None
    """
    if split.key != StationSplit.key or not table.coarse_cell_m or table.positions is None:
        return None
    blocks = BlockSplit(split.folds, block_size=table.coarse_cell_m)
    try:
        blocks.divide(table, split.seed)
    except InputError:
        return None
    return blocks


def expectation(key: str) -> str:
    """Say of what the error of a split is, in a sentence's part.

    Parameters
    ----------
    key : str
        'what was left out' for one that this version does not know.

    Returns
    -------
    str
    """
    return SPLITS[key].elsewhere if key in SPLITS else Split.elsewhere
