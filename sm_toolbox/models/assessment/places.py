"""Stations that share a place: a split by names alone would leave one of them out and learn from the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sm_toolbox.models.table import TrainingTable
from sm_toolbox.sensors.quantities import quantity_of
from sm_toolbox.stations.partition import NEAR_METRES

_DEGREE_METRES = 111_320.0
_MOST_DATES = 300
_FEWEST_DATES = 3


@dataclass(frozen=True)
class Places:
    """The places of a table's rows.

    Parameters
    ----------
    of_rows : ndarray of str (rows,)
        Stations of one place have one name.
    together : list of (tuple of str, str)
        Stations that share a place, and why.
    """

    of_rows: np.ndarray
    together: list[tuple[tuple[str, ...], str]] = field(default_factory=list)


@dataclass(frozen=True)
class SharedCells:
    """Stations that lie in one cell of the coarsest predictor.

    Parameters
    ----------
    predictor : str
    groups : list of tuple of str
        Stations of each cell that has several.
    cell_metres : float
        Side of a cell, or how far the stations of a group lie apart where it is not known.
    """

    predictor: str
    groups: list[tuple[str, ...]]
    cell_metres: float


def share_places(table: TrainingTable, folds: int) -> Places | None:
    """Find stations that share a place, which must stay in one fold.

    These are stations within 50 m of each other, in one cell of the finest static predictor, or with equal rows of all
    static predictors. A rule that would leave fewer places than folds is not applied.

    Parameters
    ----------
    table : TrainingTable
    folds : int

    Returns
    -------
    Places or None
        None where there are no stations.
    """
    if table.stations is None:
        return None
    names, index = np.unique(table.stations, return_inverse=True)
    group = np.arange(len(names))
    together: list[tuple[tuple[str, ...], str]] = []
    static = _static_values(table, index, len(names))
    centres = _centres(table, index, len(names))
    for reason, pairs in (
        (f"less than {NEAR_METRES:g} m apart", _near(centres, NEAR_METRES)),
        ("in one cell of the finest static predictor", _in_one_cell(table, static, centres)),
        ("equal in all static predictors", _equal(table, static)),
    ):
        joined = group.copy()
        changed = set()
        for first, second in pairs:
            if joined[first] != joined[second]:
                joined[joined == joined[second]] = joined[first]
                changed.add(joined[first])
        if changed and len(np.unique(joined)) >= folds:
            group = joined
            together += [
                (tuple(str(name) for name in names[group == number]), reason)
                for number in dict.fromkeys(group[int(old)] for old in sorted(changed))
            ]
    labels = np.array(["\n".join(str(name) for name in names[group == number]) for number in group])
    return Places(labels[index], together)


def _centres(table: TrainingTable, index: np.ndarray, count: int) -> np.ndarray | None:
    """Return the mean position of each station (stations, 2), m; None without positions."""
    if table.positions is None:
        return None
    rows = np.bincount(index, minlength=count)
    return np.stack([np.bincount(index, axis, count) / rows for axis in table.positions.T], axis=1)


def _static_values(table: TrainingTable, index: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Return the predictors that have one value at each station, by name (stations,)."""
    first = np.zeros(count, np.int64)
    first[index[::-1]] = np.arange(len(index))[::-1]
    static = {}
    for name, values in zip(table.roles.predictors, table.predictors.T):
        at_first = values[first]
        if name not in table.classes and (values == at_first[index]).all():
            static[name] = at_first
    return static


def _near(centres: np.ndarray | None, metres: float) -> Iterator[tuple[int, int]]:
    if centres is None:
        return
    from scipy.spatial import cKDTree

    yield from sorted(cKDTree(centres).query_pairs(metres))


def _cell_metres(origin: Mapping[str, Any] | None) -> float:
    """Return the side of a cell behind a column, m; 0 where it is not known."""
    size = (origin or {}).get("cell_size") or (0.0, 0.0)
    side = max(map(float, size))
    # Degrees are known by their CRS: a WKT of geographic coordinates has no projection.
    wkt = str((origin or {}).get("crs") or "")
    return side * _DEGREE_METRES if wkt.startswith(("GEOGCS", "GEOGCRS")) else side


def _in_one_cell(
    table: TrainingTable, static: Mapping[str, np.ndarray], centres: np.ndarray | None
) -> Iterator[tuple[int, int]]:
    cells = {name: _cell_metres(table.origins.get(name)) for name in static}
    known = {name: cell for name, cell in cells.items() if cell > 0}
    if not known or centres is None:
        return
    finest = min(known, key=lambda name: known[name])
    for first, second in _near(centres, math.sqrt(2) * known[finest]):
        if static[finest][first] == static[finest][second]:
            yield first, second


def _equal(table: TrainingTable, static: Mapping[str, np.ndarray]) -> Iterator[tuple[int, int]]:
    values = list(static.values())
    # Whole numbers, such as metres of elevation, are equal at many places: one or two of them say nothing.
    if not values or (len(values) < 3 and all((column == np.round(column)).all() for column in values)):
        return
    _, kind = np.unique(np.stack(values, axis=1), axis=0, return_inverse=True)
    kind = kind.ravel()
    for number in np.flatnonzero(np.bincount(kind) > 1):
        first, *others = np.flatnonzero(kind == number)
        yield from ((int(first), int(other)) for other in others)


def share_cells(table: TrainingTable) -> SharedCells | None:
    """Find stations that lie in one cell of the coarsest predictor: on all common dates it has one value at them.

    Parameters
    ----------
    table : TrainingTable

    Returns
    -------
    SharedCells or None
        None where no two stations do, or positions, times or stations are missing.
    """
    if table.stations is None or table.positions is None or table.times is None:
        return None
    name, cell = _coarsest(table)
    if not name:
        return None
    names, index = np.unique(table.stations, return_inverse=True)
    dates, date = np.unique(table.times.astype("datetime64[D]"), return_inverse=True)
    values = np.full((len(names), len(dates)), np.nan)
    values[index, date] = table.predictors[:, table.roles.predictors.index(name)]
    values = values[:, np.unique(np.linspace(0, len(dates) - 1, _MOST_DATES).astype(int))]
    centres = _centres(table, index, len(names))
    assert centres is not None
    group = np.arange(len(names))
    for first in range(len(names)):
        common = ~np.isnan(values[first]) & ~np.isnan(values[first + 1 :])
        same = ((values[first] == values[first + 1 :]) & common).sum(axis=1)
        alike = (same == common.sum(axis=1)) & (same >= _FEWEST_DATES)
        if cell:
            alike &= np.hypot(*(centres[first + 1 :] - centres[first]).T) <= math.sqrt(2) * cell
        for second in first + 1 + np.flatnonzero(alike):
            group[group == group[second]] = group[first]
    sizes = np.bincount(group, minlength=len(names))
    groups = [np.flatnonzero(group == number) for number in np.flatnonzero(sizes > 1)]
    if not groups:
        return None
    apart = max(float(np.ptp(centres[members], axis=0).max()) for members in groups)
    listed = [tuple(str(name) for name in names[members]) for members in groups]
    return SharedCells(name, listed, cell or max(apart, NEAR_METRES))


def _coarsest(table: TrainingTable) -> tuple[str, float]:
    """Return the predictor of the largest cells with their side, m; without origins a product of soil moisture."""
    cells = {
        name: _cell_metres(table.origins.get(name)) for name in table.roles.predictors if name not in table.classes
    }
    name = max(cells, key=lambda name: cells[name], default="")
    if name and cells[name] > 0:
        return name, cells[name]
    for name in cells:
        quantity = quantity_of(name)
        if quantity is not None and quantity.key == "soil_moisture":
            return name, 0.0
    return "", 0.0
