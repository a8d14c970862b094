"""What stations measured, as a table of places and dates, with counts of the rows left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from sm_toolbox.columns import drop_missing
from sm_toolbox.errors import InputError
from sm_toolbox.geostatistics.positions import Positions
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.driver import Crs
from sm_toolbox.raster.grid import Grid, label
from sm_toolbox.raster.times import Time
from sm_toolbox.stations.sampling import Rows

# Places nearer to each other than this share of a cell are one: no map can tell them apart.
_SAME_CELL = 0.01
# Stations that lie farther from the middle of the grid than so many times its radius are suspect.
_FAR = 3
_MANY_TIMES = 1000


@dataclass(frozen=True)
class Observations:
    """Values at places on dates.

    Parameters
    ----------
    layer : str
        The layer's name, for messages.
    names : list of str
        Station of each place.
    x, y : ndarray of float (places,)
        Coordinates in `crs`.
    crs : Crs
    positions : ndarray of float (places, 3)
        In metres.
    values : ndarray of float (places, dates)
        NaN where there is none.
    times : list of Time or None
        In order; a single None where there is no time.
    notes : list of str
        What was left out or averaged.
    """

    layer: str
    names: list[str]
    x: np.ndarray
    y: np.ndarray
    crs: Crs
    positions: np.ndarray
    values: np.ndarray
    times: list[Time | None]
    notes: list[str]


def gather(
    rows: Rows, values: np.ndarray, positions: Positions, grid: Grid, progress: Progress = SILENT
) -> Observations:
    """Gather rows into places and dates.

    Parameters
    ----------
    rows : Rows
    values : ndarray of float (rows,)
        NaN where there is none.
    positions : Positions
        Of the grid.
    grid : Grid
        What is to be interpolated.
    progress : Progress, optional

    Returns
    -------
    Observations

    Raises
    ------
    InputError
        Where no row has a place, a value and a time, or no station lies on the grid or near it.
    """
    place = positions.of_points(rows.x, rows.y, rows.crs)
    no_time = np.array([time is None for time in rows.times]) if rows.times is not None else np.zeros(len(values), bool)
    no_point = ~(np.isfinite(rows.x) & np.isfinite(rows.y))
    keep, counts = drop_missing(
        {
            "no point": no_point,
            "coordinates outside their CRS": ~no_point & ~np.isfinite(place).all(axis=1),
            "no value": np.isnan(values),
            "no time": no_time,
        }
    )
    left_out = "; ".join(f"{count:,} {reason}" for reason, count in counts.items())
    if not keep.any():
        raise InputError(
            f"No row of '{rows.layer}' has a point, a value and, where `times` is chosen, a time ({len(values):,} "
            f"rows: {left_out}). Check the fields, the filter of the layer, its CRS, and that x and y are not "
            "swapped."
        )
    notes = [f"Rows left out: {left_out}."] if left_out else []
    chosen = np.flatnonzero(keep)
    _refuse_elsewhere(rows, place[chosen], chosen, positions, grid, progress)

    place_index = _merge_near(place[chosen], _SAME_CELL * max(grid.cell_size) * max(grid.metres_per_unit()), notes)
    times: list[Time | None] = [None]
    of_date = np.zeros(len(chosen), int)
    if rows.times is not None:
        times = [*sorted({time for time in (rows.times[row] for row in chosen) if time is not None})]
        number = {time: i for i, time in enumerate(times)}
        of_date = np.array([number[rows.times[row]] for row in chosen])
    _warn_of_many(times, progress)
    shape = (place_index.max() + 1, len(times))
    cell = place_index * shape[1] + of_date
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore"):
        table = (np.bincount(cell, values[chosen], minlength=len(count)) / count).reshape(shape)
    repeated = int(len(chosen) - np.count_nonzero(count))
    if repeated:
        notes.append(
            f"{repeated:,} rows are of a place{' and date' if rows.times is not None else ''} that another row "
            "has, too: they are averaged."
        )
    first = chosen[np.unique(place_index, return_index=True)[1]]
    names = rows.stations()
    if rows.names is not None:
        _warn_of_moved(names[chosen], place_index, place[first], progress)
    for note in notes:
        progress.info(note)
    return Observations(
        rows.layer,
        [str(names[row]) for row in first],
        rows.x[first],
        rows.y[first],
        rows.crs,
        place[first],
        table,
        times,
        notes,
    )


def _merge_near(place: np.ndarray, limit: float, notes: list[str]) -> np.ndarray:
    """Return for each row the number of its place; places nearer than a limit (m) are one."""
    places, index = np.unique(place, axis=0, return_inverse=True)
    pairs = cKDTree(places).query_pairs(limit, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(places), len(places)))
    count, of_place = connected_components(graph, directed=False)
    if count < len(places):
        notes.append(f"{len(places) - count} places lie within a hundredth of a cell of another: they count as one.")
    merged = of_place[index.reshape(-1)]
    # Numbered as they appear.
    _, first, index = np.unique(merged, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[index]


def _refuse_elsewhere(
    rows: Rows, place: np.ndarray, chosen: np.ndarray, positions: Positions, grid: Grid, progress: Progress
) -> None:
    far = np.linalg.norm(place - positions.centre, axis=1) > _FAR * positions.radius
    if far.all():
        x, y = rows.x[chosen], rows.y[chosen]
        raise InputError(
            f"No station of '{rows.layer}' lies on the grid or near it. The stations span {x.min():.6g} to "
            f"{x.max():.6g}, {y.min():.6g} to {y.max():.6g} in {label(rows.crs)}; the grid spans "
            f"{', '.join(f'{value:.6g}' for value in grid.bounds)} (west, south, east, north) in "
            f"{label(grid.crs)}. Check that both CRSs are right and that x and y are not swapped."
        )
    if far.any():
        names = sorted(set(rows.stations()[chosen[far]]))
        progress.warning(
            f"{len(names)} stations lie far from the grid "
            f"({', '.join(names[:5])}{', …' if len(names) > 5 else ''}). They count all the same; check their "
            "coordinates."
        )


def _warn_of_moved(names: np.ndarray, place_index: np.ndarray, place: np.ndarray, progress: Progress) -> None:
    """Name stations that lie at several places: one of them is a typing error, or the station was moved."""
    pairs = np.unique(np.stack([np.unique(names, return_inverse=True)[1], place_index], axis=1), axis=0)
    count = np.bincount(pairs[:, 0])
    moved = []
    for station in np.flatnonzero(count > 1):
        positions = place[pairs[pairs[:, 0] == station, 1]]
        distance = float(np.linalg.norm(positions - positions[0], axis=1).max())
        moved.append(f"{np.unique(names)[station]} ({len(positions)} places, {distance / 1000:.3g} km apart)")
    if moved:
        progress.warning(
            f"{len(moved)} stations lie at several places, each of which counts as one: "
            f"{', '.join(moved[:5])}{', …' if len(moved) > 5 else ''}. Check their coordinates."
        )


def _warn_of_many(times: Sequence[Time | None], progress: Progress) -> None:
    if len(times) > _MANY_TIMES and any(time is not None and time.resolution == "second" for time in times):
        progress.warning(
            f"There are {len(times):,} different times, and a band for each. 'Aggregate stations' makes daily "
            "values of measurements at hours and minutes."
        )
