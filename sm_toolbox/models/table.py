"""The training table: target and predictors of complete rows, with the station, time and place of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sm_toolbox.columns import SOURCE_FIELD, STATIONS_SOURCE, drop_missing, moments_of, to_names, to_numbers, to_times
from sm_toolbox.errors import InputError
from sm_toolbox.metrics import correlation
from sm_toolbox.raster.meaning import unit_of_moisture
from sm_toolbox.sensors.quantities import FRACTION, names_classes

# Predictors with a correlation beyond this are one predictor in two units.
_COPY = 0.9999
_FEWEST_RANKED = 20
_MOST_CLASSES = 100


@dataclass(frozen=True)
class Roles:
    """Which field of a table plays which part.

    Parameters
    ----------
    target : str
    predictors : tuple of str
    station, time, weight : str, optional
    group : str, optional
        A property of stations by which whole groups are left out: network, region.
    """

    target: str
    predictors: tuple[str, ...]
    station: str | None = None
    time: str | None = None
    weight: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class TrainingTable:
    """Rows with a target and all predictors.

    Parameters
    ----------
    roles : Roles
    predictors : ndarray of float64 (rows, predictors)
    target : ndarray of float64 (rows,)
    source_rows : ndarray of int (rows,)
        Positions in the table that was read.
    stations : ndarray of str (rows,), optional
    times : ndarray of datetime64[s] (rows,), optional
    weights : ndarray of float64 (rows,), optional
    positions : ndarray of float64 (rows, 2), optional
        Metres, for distances.
    dropped : dict of str to int
        Rows left out, by reason.
    layer : str
        The layer's name, for messages.
    sources : ndarray of str (rows,), optional
        `STATIONS_SOURCE` and the names of products, where pixels of products are among the rows.
    places : ndarray of str (rows,), optional
        What stays together where stations are left out: of stations that share a place all names, one a line.
    coarse_cell_m : float
        Side of the cells of the coarsest predictor where several stations lie in one, m; else 0.
    classes : mapping of str to tuple of float
        The classes of categorical predictors, by column.
    groups : ndarray of str (rows,), optional
        The network, region or other group of each row.
    limits : mapping of str to (float, float)
        The lowest and highest value of predictors that are scaled by them to 0 and 1, by column.
    origins : mapping of str to dict
        What the table notes of the rasters behind its columns, by column; the model keeps it, to find the predictors
        again.
    """

    roles: Roles
    predictors: np.ndarray
    target: np.ndarray
    source_rows: np.ndarray
    stations: np.ndarray | None = None
    times: np.ndarray | None = None
    weights: np.ndarray | None = None
    positions: np.ndarray | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    layer: str = "training table"
    sources: np.ndarray | None = None
    places: np.ndarray | None = None
    coarse_cell_m: float = 0.0
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    classes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    groups: np.ndarray | None = None
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """The unit of the target for reports: m³ m⁻³, or "" where its numbers say that it is another."""
        return unit_of_moisture(self.target)

    @property
    def rated(self) -> np.ndarray:
        """Rows that a model is judged by (rows,): those of stations, where pixels of products are among them."""
        is_station = np.ones(len(self), bool) if self.sources is None else self.sources == STATIONS_SOURCE
        return is_station if is_station.any() else np.ones(len(self), bool)

    def rated_of(self, rows: np.ndarray) -> np.ndarray:
        """Return those of some rows that a model is judged by; all of them where none is of a station.

        Parameters
        ----------
        rows : ndarray of int

        Returns
        -------
        ndarray of int
        """
        rated = rows[self.rated[rows]]
        return rated if len(rated) else rows

    @property
    def stated_unit(self) -> str | None:
        """The unit of the target as model files and rasters state it; None where it is not known."""
        return FRACTION if self.unit else None

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: np.ndarray) -> TrainingTable:
        """Return some of the rows.

        Parameters
        ----------
        rows : ndarray of int

        Returns
        -------
        TrainingTable
        """
        chosen = {
            name: None if values is None else values[rows]
            for name, values in (
                (name, getattr(self, name))
                for name in (
                    "predictors",
                    "target",
                    "source_rows",
                    "stations",
                    "times",
                    "weights",
                    "positions",
                    "sources",
                    "places",
                    "groups",
                )
            )
        }
        return replace(self, **chosen)  # type: ignore[arg-type]

    def joined(self, other: TrainingTable, weight: float) -> TrainingTable:
        """Return the rows of both tables, those of the other with their weights multiplied.

        A row without a weight has the weight 1.

        Parameters
        ----------
        other : TrainingTable
        weight : float

        Returns
        -------
        TrainingTable
        """
        weights = np.ones(len(self)) if self.weights is None else self.weights
        others = weight * (np.ones(len(other)) if other.weights is None else other.weights)

        def both(name: str) -> np.ndarray | None:
            first, second = getattr(self, name), getattr(other, name)
            return None if first is None or second is None else np.concatenate([first, second])

        return replace(
            self,
            predictors=np.concatenate([self.predictors, other.predictors]),
            target=np.concatenate([self.target, other.target]),
            source_rows=np.concatenate([self.source_rows, np.full(len(other), -1)]),
            stations=both("stations"),
            times=both("times"),
            weights=np.concatenate([weights, others]),
            positions=both("positions"),
            sources=both("sources"),
            places=both("places"),
            groups=both("groups"),
        )


def make_training_table(
    columns: Mapping[str, Sequence[Any]],
    roles: Roles,
    layer: str,
    positions: np.ndarray | None = None,
    must_vary: bool = True,
) -> TrainingTable:
    """Check a table and keep its complete rows.

    Parameters
    ----------
    columns : mapping of str to sequence
        Attribute values by field.
    roles : Roles
    layer : str
        The layer's name, for messages.
    positions : ndarray (rows, 2), optional
        Coordinates in metres; NaN where a row has none.
    must_vary : bool, optional
        Whether target and predictors must not be the same in all rows; few rows that join others may be alike.

    Returns
    -------
    TrainingTable

    Raises
    ------
    InputError
        Where a field is missing or does not hold what its part needs, where no row is complete, and where the target or
        a predictor is the same in all rows.
    """
    _check_roles(columns, roles, layer)
    target = to_numbers(columns[roles.target], roles.target, layer)
    for name in roles.predictors:
        _refuse_classes(columns[name], name, layer)
    predictors = np.stack([to_numbers(columns[name], name, layer) for name in roles.predictors], axis=1)
    missing = {f"no {roles.target}": np.isnan(target)}
    for name, values in zip(roles.predictors, predictors.T):
        _note(missing, name, np.isnan(values))
    stations = _names_of("station", roles.station, columns, layer, missing)
    groups = _names_of("group", roles.group, columns, layer, missing)
    times = weights = None
    if roles.time:
        parsed = to_times(columns[roles.time], roles.time, layer)
        _note(missing, "time", np.array([time is None for time in parsed]))
        times = moments_of(parsed)
    if roles.weight:
        weights = to_numbers(columns[roles.weight], roles.weight, layer)
        if np.nanmin(weights, initial=0) < 0 or not np.nansum(weights) > 0:
            raise InputError(
                f"The weights in field '{roles.weight}' of '{layer}' must be zero or positive and not all zero."
            )
        _note(missing, "weight", np.isnan(weights))
    keep, dropped = drop_missing(missing)
    if not keep.any():
        reasons = "; ".join(f"{count} rows: {reason}" for reason, count in dropped.items())
        raise InputError(
            f"No row of '{layer}' has a target and all predictors ({reasons}). Leave out the predictors that are "
            "missing everywhere, or sample them again."
        )
    rows = np.flatnonzero(keep)
    stations, times, weights, positions, groups = (
        None if values is None else values[rows] for values in (stations, times, weights, positions, groups)
    )
    table = TrainingTable(
        roles,
        predictors[rows],
        target[rows],
        rows,
        stations,
        times,
        weights,
        positions,
        dropped,
        layer,
        _sources(columns, roles, rows),
        groups=groups,
    )
    if must_vary:
        check_variation(table)
    _check_size(table)
    return table


def _note(missing: dict[str, np.ndarray], what: str, rows: np.ndarray) -> None:
    """Note the rows without something; a predictor may be called as a part is: `weight`."""
    reason = f"no {what}"
    missing[reason] = missing[reason] | rows if reason in missing else rows


def _names_of(
    part: str, name: str | None, columns: Mapping[str, Sequence[Any]], layer: str, missing: dict[str, np.ndarray]
) -> np.ndarray | None:
    """Return the names in the field of a part (rows,), and note the rows without one; None where no field has it."""
    if not name:
        return None
    names = to_names(columns[name])
    if not any(names):
        raise InputError(
            f"The `{part}` field '{name}' of '{layer}' is NULL in all rows: there is no {part} in it. Choose the field "
            f"with their names or numbers, or leave `{part}` empty."
        )
    _note(missing, part, np.array([item is None for item in names]))
    return np.array([item or "" for item in names])


def _sources(columns: Mapping[str, Sequence[Any]], roles: Roles, rows: np.ndarray) -> np.ndarray | None:
    """Return what each row is, where 'Sample predictors' has added pixels of a product to the stations (rows,)."""
    if SOURCE_FIELD not in columns or SOURCE_FIELD in (roles.target, *roles.predictors):
        return None
    names = np.array([name or "" for name in to_names(columns[SOURCE_FIELD])])[rows]
    return names if STATIONS_SOURCE in names and len(np.unique(names)) > 1 else None


def _check_roles(columns: Mapping[str, Sequence[Any]], roles: Roles, layer: str) -> None:
    if not roles.predictors:
        raise InputError("No predictor is chosen. Choose at least one field in `predictors`.")
    for name in (roles.target, *roles.predictors, roles.station, roles.time, roles.weight, roles.group):
        if name is not None and name not in columns:
            raise InputError(f"'{layer}' has no field '{name}'. Its fields are: {', '.join(columns)}.")
    twice = sorted({name for name in roles.predictors if roles.predictors.count(name) > 1})
    if twice:
        raise InputError(f"`predictors` names {', '.join(twice)} more than once.")
    if roles.target in roles.predictors:
        raise InputError(
            f"The target '{roles.target}' is also among the predictors: the model would learn to copy it. Take it "
            "out of `predictors`."
        )


def _refuse_classes(values: Sequence[Any], name: str, layer: str) -> None:
    """Return how to encode a predictor that holds names of classes."""
    texts = {value.strip() for value in values if isinstance(value, str)} - {""}
    if any(
        any(letter.isalpha() for letter in text)
        and text.lower() not in ("null", "none", "nan", "na", "n/a", "inf", "-inf")
        for text in texts
    ):
        some = sorted(texts)[:3]
        raise InputError(
            f"Predictor '{name}' of '{layer}' holds text ({', '.join(some)}{', …' if len(texts) > 3 else ''}), "
            "but models learn from numbers. Make a field of 0 and 1 for each class with 'Field calculator', such "
            f"as CASE WHEN \"{name}\" = '{some[0]}' THEN 1 ELSE 0 END, choose these fields instead, and give the "
            "raster of each class the same name."
        )


def oddities(table: TrainingTable) -> list[str]:
    """List what a user should know about a table before trusting a model made of it.

    Parameters
    ----------
    table : TrainingTable

    Returns
    -------
    list of str
    """
    notes = []
    rows, count = table.predictors.shape
    if count >= rows:
        notes.append(
            f"There are {count} predictors and only {rows} rows: many models fit such a table perfectly and know "
            "nothing. Trust only the error of rows left out, and choose fewer predictors."
        )
    repeated = _repeated(table)
    if repeated:
        notes.append(
            f"{repeated:,} rows of '{table.layer}' repeat another in station, time, target and all predictors: "
            "they count twice, and with single rows left out the model has seen what it is judged by. Take them "
            "out with 'Delete duplicates by attribute'."
        )
    varying = np.ptp(table.predictors, axis=0) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.atleast_2d(np.corrcoef(table.predictors, rowvar=False))
    names = table.roles.predictors
    copies = [
        f"'{names[i]}' and '{names[j]}'"
        for i in range(count)
        for j in range(i + 1, count)
        if varying[i] and varying[j] and abs(correlation[i, j]) > _COPY
    ]
    if copies:
        notes.append(
            f"These predictors are copies of each other and share their importance: {', '.join(copies[:10])}. "
            "Leave one of each pair out."
        )
    notes += _telling_of_the_target(table)
    if not table.unit:
        notes.append(
            f"The target '{table.roles.target}' has a median of {np.median(table.target):.4g}, which is not m³ m⁻³ but "
            "perhaps percent or kg m⁻²: errors and maps are in its own unit. Divide percent by 100, kg m⁻² by 1000 "
            "times the layer's thickness in metres, where m³ m⁻³ are wanted."
        )
    notes += _taken_as_amounts(table)
    return notes


# Rows that are ranked, and the rank correlation from which a predictor is the target in other words.
_RANKED, _SAME_ORDER = 20_000, 0.99


def _telling_of_the_target(table: TrainingTable) -> list[str]:
    """Name predictors that put the rows in the order of the target, as no measurement of something else does."""
    rows = np.arange(len(table))
    if len(rows) < _FEWEST_RANKED:
        return []
    if len(rows) > _RANKED:
        rows = np.random.default_rng(0).choice(len(rows), _RANKED, replace=False)
    # Slow to load, and the table is read at many places that need none of it.
    from scipy.stats import rankdata

    target = rankdata(table.target[rows])
    found = []
    for name, values in zip(table.roles.predictors, table.predictors[rows].T):
        # Predictors with few values tie most rows.
        if len(np.unique(values)) > _FEWEST_RANKED / 2:
            order = correlation(rankdata(values), target)
            if abs(order) > _SAME_ORDER:
                found.append(f"'{name}' ({order:+.3f})")
    return (
        [
            f"Predictors that put the rows in the same order as the target (rank correlation): {', '.join(found)}. "
            "Most likely they are the target itself, or made from it, which no map has: leave them out of `predictors`."
        ]
        if found
        else []
    )


def _taken_as_amounts(table: TrainingTable) -> list[str]:
    """Name predictors that hold numbers of classes without being said to."""
    found = []
    for name, values in zip(table.roles.predictors, table.predictors.T):
        of_class = table.origins.get(name, {}).get("kind") == "class" or names_classes(name)
        if of_class and name not in table.classes and (values == np.round(values)).all() and np.ptp(values) > 1:
            count = len(np.unique(values))
            if count <= _MOST_CLASSES:
                found.append(f"'{name}' ({count} classes)")
    return (
        [
            f"Numbers of classes are taken as amounts: {', '.join(found)}. Name them in `categorical`, so that each "
            "class becomes a predictor of 0 and 1."
        ]
        if found
        else []
    )


def _repeated(table: TrainingTable) -> int:
    """Count rows that repeat an earlier one; only possible with times."""
    if table.times is None:
        return 0
    import pandas as pd

    columns = {
        "time": table.times.astype(np.int64),
        "target": table.target,
        **{f"predictor_{i}": values for i, values in enumerate(table.predictors.T)},
    }
    if table.stations is not None:
        columns["station"] = table.stations
    return int(pd.DataFrame(columns).duplicated().sum())


def check_variation(table: TrainingTable) -> None:
    """Reject a table whose target or some predictor is the same in all rows.

    Parameters
    ----------
    table : TrainingTable

    Raises
    ------
    InputError
        Which names them.
    """
    if np.ptp(table.target) == 0:
        raise InputError(
            f"The target '{table.roles.target}' is {table.target[0]:g} in all {len(table)} complete rows of "
            f"'{table.layer}': there is nothing to learn. Check the field."
        )
    constant = [name for name, values in zip(table.roles.predictors, table.predictors.T) if np.ptp(values) == 0]
    if constant:
        raise InputError(
            f"Predictors that are the same in all {len(table)} complete rows of '{table.layer}' carry no "
            f"information: {', '.join(constant)}. Take them out of `predictors`, or check that they were sampled "
            "from the right layers."
        )


def _check_size(table: TrainingTable) -> None:
    if np.abs(table.target).max() > np.finfo(np.float32).max:
        raise InputError(
            f"The target '{table.roles.target}' of '{table.layer}' holds {np.abs(table.target).max():g}, which is "
            "no soil moisture. Make such values NULL with 'Field calculator'."
        )
    largest = np.abs(table.predictors).max(axis=0)
    for name, value in zip(table.roles.predictors, largest):
        if value > np.finfo(np.float32).max:
            raise InputError(
                f"Predictor '{name}' of '{table.layer}' holds {value:g}, beyond what a raster cell can hold. "
                "Check its nodata value."
            )
