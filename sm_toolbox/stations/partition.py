"""Rows of stations divided into those to train on and those to validate with, without a station, or date, in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress

NEAR_METRES = 50.0
"""Stations that are nearer than this to each other measure one place."""

PARTITIONS = ("share", "before_date", "expression")
"""Ways to divide rows, by the word that users give."""


@dataclass(frozen=True)
class StationRows:
    """What rows are divided by.

    Parameters
    ----------
    layer : str
        The layer's name, for messages.
    stations : ndarray of str (rows,)
        "" where a row has none.
    times : ndarray of datetime64[s] (rows,), optional
        NaT where a row has none.
    positions : ndarray of float64 (rows, 2), optional
        Metres; NaN where a row has none. Stations within 50 m of each other stay together.
    """

    layer: str
    stations: np.ndarray
    times: np.ndarray | None = None
    positions: np.ndarray | None = None


@dataclass(frozen=True)
class Partition:
    """Rows on both sides; those on neither are left out.

    Parameters
    ----------
    training, validation : ndarray of bool (rows,)
    """

    training: np.ndarray
    validation: np.ndarray


def split_by_share(
    rows: StationRows,
    share: float = 0.25,
    strata: Sequence[str | None] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Partition:
    """Draw a share of the stations for the validation, the same share in each stratum as far as whole stations go.

    Parameters
    ----------
    rows : StationRows
    share : float, optional
        Of the stations; above 0 and below 1.
    strata : sequence of str (rows,), optional
        A property of the stations, such as their land cover or network. A stratum of one place is trained on.
    seed : int, optional
    progress : Progress, optional
        Told of rows without a station, of stations that stay together, and of strata that are too small.

    Returns
    -------
    Partition

    Raises
    ------
    InputError
        Where one side would have no station.

    Examples
    --------
    >>> rows = StationRows("stations", np.repeat(["a", "b", "c", "d"], 5))
    >>> parts = split_by_share(rows, 0.25)
    >>> len(np.unique(rows.stations[parts.validation])), len(np.unique(rows.stations[parts.training]))
    (1, 3)
    """
    if not 0 < share < 1:
        raise InputError(f"`share` is {share:g}, but must be above 0 and below 1, such as 0.25.")
    known = rows.stations != ""
    if not known.any():
        raise InputError(f"No row of '{rows.layer}' has a station. Check the `names` field.")
    names, index = np.unique(rows.stations[known], return_inverse=True)
    place = _places(rows, known, index, len(names), names, progress)
    kinds = _strata_of(place, index, None if strata is None else [item for item, k in zip(strata, known) if k])
    count = int(place.max()) + 1
    if count < 2:
        raise InputError(
            f"The rows of '{rows.layer}' are of one place only, so that none can be left for the validation."
        )
    wanted = min(count - 1, max(1, int(np.floor(share * count + 0.5))))
    chosen = _draw(kinds, wanted, share, np.random.default_rng(seed))
    if not chosen.any():
        raise InputError(
            f"Each stratum of '{rows.layer}' has one place only, so that none can be left for the validation. Choose "
            "`strata` of more stations each, or none."
        )
    alone = [str(kind) for kind in np.unique(kinds) if np.count_nonzero(kinds == kind) == 1]
    if alone and strata is not None:
        progress.warning(
            f"Strata of one place are in the training, and no validation says how well they do: {', '.join(alone[:6])}"
            f"{' …' if len(alone) > 6 else ''}. Join them with others."
        )
    validation = np.zeros(len(known), bool)
    validation[known] = chosen[place[index]]
    return _told(rows, Partition(known & ~validation, validation), progress)


def _places(
    rows: StationRows, known: np.ndarray, index: np.ndarray, count: int, names: np.ndarray, progress: Progress
) -> np.ndarray:
    """Number the places of stations (stations,): those within 50 m of each other are one."""
    place = np.arange(count)
    if rows.positions is not None:
        positions = rows.positions[known]
        valid = np.isfinite(positions).all(axis=1)
        number = np.bincount(index[valid], minlength=count)
        sums = [np.bincount(index[valid], axis[valid], count) for axis in positions.T]
        placed = np.flatnonzero(number)
        centres = np.stack(sums, axis=1)[placed] / number[placed, None]
        found = False
        for i, first in enumerate(placed):
            near = np.hypot(*(centres[i + 1 :] - centres[i]).T) <= NEAR_METRES
            for second in placed[i + 1 :][near]:
                place[place == place[second]] = place[first]
                found = True
        if found:
            together = [names[place == number] for number in np.unique(place) if np.count_nonzero(place == number) > 1]
            listed = "; ".join(" and ".join(map(str, group[:3])) for group in together[:5])
            progress.info(f"Stations less than {NEAR_METRES:g} m apart stay on one side: {listed}.")
    return np.unique(place, return_inverse=True)[1].ravel()


def _strata_of(place: np.ndarray, index: np.ndarray, strata: Sequence[str | None] | None) -> np.ndarray:
    """Return the stratum of each place, of most of its rows (places,)."""
    count = int(place.max()) + 1
    if strata is None:
        return np.full(count, "")
    kinds, kind = np.unique([item or "(none)" for item in strata], return_inverse=True)
    votes = np.zeros((count, len(kinds)), np.int64)
    np.add.at(votes, (place[index], kind), 1)
    return np.asarray(kinds[votes.argmax(axis=1)])


def _draw(kinds: np.ndarray, wanted: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Choose places: in each stratum its share, the stations left over where they are nearest to a whole one."""
    strata, counts = np.unique(kinds, return_counts=True)
    quota = np.minimum(share * counts, counts - 1)
    take = np.floor(quota).astype(int)
    # Ties in a random order, so that no stratum is favoured by its name.
    order = rng.permutation(len(strata))
    for stratum in order[np.argsort(-(quota - take)[order], kind="stable")]:
        if take.sum() < wanted and take[stratum] < counts[stratum] - 1:
            take[stratum] += 1
    chosen = np.zeros(len(kinds), bool)
    for stratum, number in zip(strata, take):
        chosen[rng.permutation(np.flatnonzero(kinds == stratum))[:number]] = True
    return chosen


def split_before_date(rows: StationRows, date: datetime, progress: Progress = SILENT) -> Partition:
    """Train on the rows before a day, and validate with those of it and after.

    Parameters
    ----------
    rows : StationRows
    date : datetime
        Its day is the first of the validation.
    progress : Progress, optional
        Told of rows without a time.

    Returns
    -------
    Partition

    Raises
    ------
    InputError
        Where there are no times, or one side would have no row.

    Examples
    --------
    >>> times = np.array(["2014-12-31T23:00:00", "2015-01-01T00:00:00"], "datetime64[s]")
    >>> parts = split_before_date(StationRows("stations", np.array(["a", "a"]), times), datetime(2015, 1, 1))
    >>> parts.training, parts.validation
    (array([ True, False]), array([False,  True]))
    """
    if rows.times is None:
        raise InputError("`method` before_date needs the `times` field.")
    dated = ~np.isnat(rows.times)
    if not dated.any():
        raise InputError(f"No row of '{rows.layer}' has a time. Check the `times` field.")
    days = rows.times.astype("datetime64[D]")
    first = np.datetime64(date, "D")
    training, validation = dated & (days < first), dated & (days >= first)
    if not training.any() or not validation.any():
        raise InputError(
            f"All rows of '{rows.layer}' are {'of' if not training.any() else 'before'} {first}"
            f"{' or after' if not training.any() else ''} ({days[dated].min()} to {days[dated].max()}): "
            f"none is left for the {'training' if not training.any() else 'validation'}. Choose a `date` in between."
        )
    return _told(rows, Partition(training, validation), progress)


def split_by_choice(rows: StationRows, expression: np.ndarray, progress: Progress = SILENT) -> Partition:
    """Validate with chosen rows, and train on the others: those that share neither a station nor a date with them.

    Where the chosen rows share stations with the others and dates, too, the others of these stations are on neither
    side. Where they share only stations (other years), or only dates (other places), all others are trained on.

    Parameters
    ----------
    rows : StationRows
    expression : ndarray of bool (rows,)
        Where it is true: the chosen rows.
    progress : Progress, optional
        Told of rows that are on neither side.

    Returns
    -------
    Partition

    Raises
    ------
    InputError
        Where no row or all rows are chosen, or nothing is left to train on.

    Examples
    --------
    >>> rows = StationRows("stations", np.array(["a", "a", "b", "b"]))
    >>> split_by_choice(rows, np.array([True, False, False, False])).training
    array([False, False,  True,  True])
    """
    chosen = expression
    if chosen.all() or not chosen.any():
        raise InputError(
            f"The `expression` is true for {'all' if chosen.all() else 'none'} of the {len(chosen):,} rows of "
            f"'{rows.layer}': one side would be empty. Check it with 'Select by expression'."
        )
    training = ~chosen
    on_both = np.isin(rows.stations, np.unique(rows.stations[chosen])) & (rows.stations != "")
    shares_stations = bool((training & on_both).any())
    if shares_stations and _shares_dates(rows, chosen):
        left_out = training & on_both
        training &= ~on_both
        if not training.any():
            raise InputError(
                f"The rows that the `expression` chooses of '{rows.layer}' share their stations and dates with all "
                "others, so that none is left to train on. Choose whole stations, or whole periods."
            )
        progress.warning(
            f"{np.count_nonzero(left_out):,} rows are on neither side: they are of stations that the `expression` "
            "chooses rows of, and dates are on both sides as well. Choose whole stations, or whole periods, to keep "
            "all."
        )
    return _told(rows, Partition(training, chosen.copy()), progress)


def _shares_dates(rows: StationRows, chosen: np.ndarray) -> bool:
    if rows.times is None:
        return True
    days = rows.times.astype("datetime64[D]")
    dated = ~np.isnat(rows.times)
    return bool(np.isin(days[~chosen & dated], days[chosen & dated]).any() or not dated.all())


def _told(rows: StationRows, parts: Partition, progress: Progress) -> Partition:
    lost = int(np.count_nonzero(~parts.training & ~parts.validation))
    if lost and ((rows.stations == "").any() or (rows.times is not None and np.isnat(rows.times).any())):
        progress.warning(f"{lost:,} rows of '{rows.layer}' are on neither side: they have no station or time.")
    stations = [len(np.unique(rows.stations[side])) for side in (parts.training, parts.validation)]
    progress.info(
        f"Training: {np.count_nonzero(parts.training):,} rows of {stations[0]} stations; validation: "
        f"{np.count_nonzero(parts.validation):,} rows of {stations[1]} stations."
    )
    return parts
