"""The scenarios: which rows train and which are tested, and how candidates are judged without the tested ones.

A new scenario is one class with its texts, and its line in `SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.folds import Folds, group_folds
from sm_toolbox.models.table import TrainingTable

INNER_FOLDS = 3
"""Folds by which candidates are judged within the training rows."""

# Rows below which nothing can be learned, nor candidates be judged.
_FEWEST_ROWS = 5
# Share of what is left for the test, below which sizes are left out.
_LEAST_TEST = 0.2


@dataclass(frozen=True)
class Ground:
    """The rows that scenarios draw from.

    Parameters
    ----------
    table : TrainingTable
        Rows of the training table, and after them those of the table of tests where there is one.
    own : int
        How many of them are of the training table.
    seed : int
    train_year : int, optional
        By default that of the most rows.
    largest_temporal : int, optional
        Rows that each station of the temporal scenario has in that year.
    """

    table: TrainingTable
    own: int
    seed: int
    train_year: int | None = None
    largest_temporal: int = 1

    @property
    def places(self) -> np.ndarray:
        """What stays together where stations are left out, of the rows of the training table."""
        table = self.table
        units = table.places if table.places is not None else table.stations
        if units is None:
            raise InputError(
                "The scenarios that leave out stations or years need to know the station of each row. Choose "
                "`station`, or leave these scenarios out of `scenarios`."
            )
        return np.asarray(units[: self.own])

    @property
    def years(self) -> np.ndarray:
        """The year of each row of the training table."""
        if self.table.times is None:
            raise InputError(
                "The scenario temporal needs `time`, the date of each row. Choose its field, or take temporal out."
            )
        found: np.ndarray = self.table.times[: self.own].astype("datetime64[Y]").astype(int) + 1970
        return found


@dataclass(frozen=True)
class Draw:
    """Rows of one repeat.

    Parameters
    ----------
    train, test : ndarray of int
    """

    train: np.ndarray
    test: np.ndarray


class Scenario:
    """A way to test, with its texts."""

    key: ClassVar[str]
    title: ClassVar[str]
    """In a heading."""
    unit: ClassVar[str]
    """Of its sizes."""
    tells: ClassVar[str]
    """What its error tells."""

    def sizes(self, ground: Ground, asked: Sequence[float]) -> tuple[list[float], str]:
        """Return the sizes that leave enough for the test, and what to say of the others.

        Parameters
        ----------
        ground : Ground
        asked : sequence of float

        Returns
        -------
        sizes : list of float
        left_out : str
            "" where none is.

        Raises
        ------
        InputError
            Where these rows do not allow of the scenario.
        """
        raise NotImplementedError

    def repeats(self, ground: Ground, asked: int) -> int:
        """Return how many repeats differ from one another.

        Parameters
        ----------
        ground : Ground
        asked : int

        Returns
        -------
        int
        """
        return asked

    def draw(self, ground: Ground, size: float, repeat: int) -> Draw:
        """Return the rows of a repeat; the rows of a smaller size are among those of a larger one.

        Parameters
        ----------
        ground : Ground
        size : float
        repeat : int

        Returns
        -------
        Draw
        """
        raise NotImplementedError

    def units(self, table: TrainingTable) -> np.ndarray | None:
        """Return what candidates are judged without, of training rows; None for single rows.

        Parameters
        ----------
        table : TrainingTable

        Returns
        -------
        ndarray (rows,) or None
        """
        return None

    def inner_folds(self, table: TrainingTable, seed: int) -> Folds:
        """Divide training rows as the scenario itself divides, as far as they allow of it; else by single rows.

        Parameters
        ----------
        table : TrainingTable
        seed : int

        Returns
        -------
        list of (ndarray of int, ndarray of int)
        """
        units = self.units(table)
        count = 0 if units is None else len(np.unique(units))
        if units is None or count < 2:
            units, count = np.arange(len(table)), len(table)
        return group_folds(units, min(INNER_FOLDS, count), seed, "parts")

    def _rng(self, ground: Ground, repeat: int) -> np.random.Generator:
        return np.random.default_rng([ground.seed, list(SCENARIOS).index(self.key), repeat])


class DependentScenario(Scenario):
    """Random rows train, all others are tested."""

    key = "dependent"
    title = "Dependent: random rows"
    unit = "% of the rows"
    tells = "how well gaps are filled between rows of the same stations and times; a map never is that easy"

    def sizes(self, ground: Ground, asked: Sequence[float]) -> tuple[list[float], str]:
        """As `Scenario.sizes`."""
        fits = [size for size in asked if _FEWEST_ROWS <= self._rows(ground, size) <= (1 - _LEAST_TEST) * ground.own]
        gone = [size for size in asked if size not in fits]
        why = f"fewer than {_FEWEST_ROWS} of {ground.own} rows, or less than a fifth of them for the test"
        if not fits:
            raise InputError(
                f"The scenario dependent: all of `sizes_dependent` ({_listed(gone)} %) make {why}. Name others, or "
                "take dependent out of `scenarios`."
            )
        return fits, f"{_listed(gone)} % ({why})" if gone else ""

    def draw(self, ground: Ground, size: float, repeat: int) -> Draw:
        """As `Scenario.draw`."""
        order = self._rng(ground, repeat).permutation(ground.own)
        count = self._rows(ground, size)
        return Draw(np.sort(order[:count]), np.sort(order[count:]))

    def _rows(self, ground: Ground, size: float) -> int:
        return round(size / 100 * ground.own)


class TemporalScenario(Scenario):
    """Some rows of each station from one year train, its rows of all other years are tested."""

    key = "temporal"
    title = "Temporal: other years of the same stations"
    unit = "rows per station"
    tells = "how well the model serves other years at stations that it knows"

    def sizes(self, ground: Ground, asked: Sequence[float]) -> tuple[list[float], str]:
        """As `Scenario.sizes`."""
        counts = self._counts(ground)
        total = len(np.unique(ground.places))
        fits = [size for size in asked if np.count_nonzero(counts >= size) >= max(2, _LEAST_TEST * total)]
        gone = [size for size in asked if size not in fits]
        if not fits:
            raise InputError(
                f"The scenario temporal: in {self.year(ground)} too few stations have rows, and others in other years "
                f"({np.count_nonzero(counts)} of {total}). Name another `train_year`, or take temporal out of "
                "`scenarios`."
            )
        return fits, f"{_listed(gone)} rows (fewer than a fifth of the stations have so many)" if gone else ""

    def year(self, ground: Ground) -> int:
        """Return the year that trains.

        Parameters
        ----------
        ground : Ground

        Returns
        -------
        int

        Raises
        ------
        InputError
            Where the rows are of one year, or none is of the year that was asked for.
        """
        years, counts = np.unique(ground.years, return_counts=True)
        if len(years) < 2:
            raise InputError(
                f"The scenario temporal needs rows of several years; all are of {years[0]}. Take temporal out of "
                "`scenarios`."
            )
        if ground.train_year is None:
            return int(years[np.argmax(counts)])
        if ground.train_year not in years:
            raise InputError(
                f"`train_year` is {ground.train_year}, of which there is no row. There are "
                f"{', '.join(map(str, years))}."
            )
        return ground.train_year

    def _counts(self, ground: Ground) -> np.ndarray:
        """Return the rows of each place in the year, 0 for places without rows in other years."""
        names, place = np.unique(ground.places, return_inverse=True)
        in_year = ground.years == self.year(ground)
        within, beyond = (np.bincount(place.ravel()[rows], minlength=len(names)) for rows in (in_year, ~in_year))
        return np.where(beyond > 0, within, 0)

    def draw(self, ground: Ground, size: float, repeat: int) -> Draw:
        """As `Scenario.draw`; of the stations that have the largest size, so that sizes can be compared."""
        place = np.unique(ground.places, return_inverse=True)[1].ravel()
        taken = np.flatnonzero(self._counts(ground) >= ground.largest_temporal)
        in_year = ground.years == self.year(ground)
        rng = self._rng(ground, repeat)
        train = [rng.permutation(np.flatnonzero((place == station) & in_year))[: int(size)] for station in taken]
        return Draw(np.sort(np.concatenate(train)), np.flatnonzero(np.isin(place, taken) & ~in_year))

    def units(self, table: TrainingTable) -> np.ndarray | None:
        """Return the months of the rows.

        As `Scenario.units`.
        """
        return None if table.times is None else table.times.astype("datetime64[M]").astype(int)


class SpatialScenario(Scenario):
    """All rows of some stations train, all other stations are tested."""

    key = "spatial"
    title = "Spatial: other stations"
    unit = "stations"
    tells = "how good a map is between the stations"

    def sizes(self, ground: Ground, asked: Sequence[float]) -> tuple[list[float], str]:
        """As `Scenario.sizes`."""
        total = len(np.unique(ground.places))
        fits = [size for size in asked if total - size >= max(1, _LEAST_TEST * total)]
        gone = [size for size in asked if size not in fits]
        if not fits:
            raise InputError(
                f"The scenario spatial: none of `sizes_spatial` leaves a fifth of the {total} stations for the test. "
                "Name smaller ones, or take spatial out of `scenarios`."
            )
        return fits, f"{_listed(gone)} of {total} stations (less than a fifth of them for the test)" if gone else ""

    def draw(self, ground: Ground, size: float, repeat: int) -> Draw:
        """As `Scenario.draw`."""
        names, place = np.unique(ground.places, return_inverse=True)
        chosen = self._rng(ground, repeat).permutation(len(names))[: int(size)]
        trains = np.isin(place.ravel(), chosen)
        return Draw(np.flatnonzero(trains), np.flatnonzero(~trains))

    def units(self, table: TrainingTable) -> np.ndarray | None:
        """Return the stations of the rows.

        As `Scenario.units`.
        """
        return table.places if table.places is not None else table.stations


class GroupScenario(SpatialScenario):
    """All groups but one train, and that one is tested."""

    key = "group"
    title = "Group: other networks or regions"
    unit = "groups"
    tells = "how good a map is in a region without a station of its own"

    def sizes(self, ground: Ground, asked: Sequence[float]) -> tuple[list[float], str]:
        """As `Scenario.sizes`; all groups but one, whatever is asked for."""
        tested, single = self._tested(ground)
        told = f"groups of a single station are trained on, but not tested: {_listed(single)}" if single else ""
        return [float(len(np.unique(self._groups(ground))) - 1)] if tested else [], told

    def repeats(self, ground: Ground, asked: int) -> int:
        """As `Scenario.repeats`: each group is tested once."""
        return min(asked, len(self._tested(ground)[0]))

    def draw(self, ground: Ground, size: float, repeat: int) -> Draw:
        """As `Scenario.draw`."""
        tested, _ = self._tested(ground)
        # One order for all repeats: each tests another group.
        left = tested[int(self._rng(ground, 0).permutation(len(tested))[repeat])]
        tests = self._groups(ground) == left
        return Draw(np.flatnonzero(~tests), np.flatnonzero(tests))

    def units(self, table: TrainingTable) -> np.ndarray | None:
        """Return the groups of the rows, where there are several.

        As `Scenario.units`.
        """
        has_several = table.groups is not None and len(np.unique(table.groups)) > 1
        return table.groups if has_several else super().units(table)

    def _groups(self, ground: Ground) -> np.ndarray:
        if ground.table.groups is None:
            raise InputError(
                "The scenario group needs `group`, the field that says to which network or region a row belongs. "
                "Choose it, or take group out of `scenarios`."
            )
        return np.asarray(ground.table.groups[: ground.own])

    def _tested(self, ground: Ground) -> tuple[list[str], list[str]]:
        """Return the groups of several stations, and those of one."""
        groups, places = self._groups(ground), ground.places
        names = np.unique(groups)
        many = [len(np.unique(places[groups == name])) > 1 for name in names]
        tested = [str(name) for name, several in zip(names, many) if several]
        if len(names) < 2 or not tested:
            found = "there is one group only" if len(names) < 2 else f"each of the {len(names)} groups has one station"
            raise InputError(
                f"The scenario group: {found}. Choose a `group` field with several groups of several stations, or take "
                "group out of `scenarios`: spatial leaves single stations out."
            )
        return tested, [str(name) for name, several in zip(names, many) if not several]


class RegionalScenario(SpatialScenario):
    """All rows of the training table train, those of another table are tested."""

    key = "regional"
    title = "Regional: another table"
    unit = "rows"
    tells = "how good the model is in the area of the other table"

    def sizes(self, ground: Ground, asked: Sequence[float]) -> tuple[list[float], str]:
        """As `Scenario.sizes`; all rows, whatever is asked for."""
        if ground.own == len(ground.table):
            raise InputError(
                "The scenario regional needs a table of tests. Choose `test`, or take regional out of `scenarios`."
            )
        return [float(ground.own)], ""

    def draw(self, ground: Ground, size: float, repeat: int) -> Draw:
        """As `Scenario.draw`: the same rows in each repeat, which differ in the candidates and in what models draw."""
        return Draw(np.arange(ground.own), np.arange(ground.own, len(ground.table)))


SCENARIOS: dict[str, Scenario] = {
    row.key: row() for row in (DependentScenario, TemporalScenario, SpatialScenario, GroupScenario, RegionalScenario)
}
"""Scenarios by the word that users give."""


def _listed(values: Sequence[Any]) -> str:
    shown = [f"{value:g}" if isinstance(value, (int, float)) else str(value) for value in values[:8]]
    return ", ".join(shown) + (" …" if len(values) > 8 else "")
