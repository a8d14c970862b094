"""Means of station observations over periods of time and over the cells of a grid."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.columns import drop_missing, moments_of
from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.grid import Grid, label
from sm_toolbox.raster.points import distinct_times, locate
from sm_toolbox.raster.times import RESOLUTIONS, Time
from sm_toolbox.stations.sampling import Rows

PERIODS = {"hour": "second", "day": "day", "month": "month"}
"""Periods of time, with the resolution of the times that stand for them."""


@dataclass(frozen=True)
class Aggregated:
    """Means, one for each station (or cell) and period, sorted by both.

    Parameters
    ----------
    names : list of str (means,)
        The station; for cells `cell_r12_c7`, by row and column from 0.
    times : list of Time (means,)
        The start of an hour, a day or a month.
    x, y : ndarray of float64 (means,)
        The station's place in its own CRS, or the centre of the cell in the grid's.
    values, sd, minimum, maximum : ndarray of float64 (means,)
        In the unit of the observations. In cells, mean and spread are those of the stations' own means, so that a
        station that reports more often has no more weight; `sd` has the divisor n − 1 and is NaN for a single value.
    counts : ndarray of int (means,)
        Observations.
    stations : ndarray of int (means,)
        Stations; 1 where there is no grid.
    row_groups : ndarray of int (rows,)
        The mean to which each row belongs; -1 for those left out.
    left_out : dict of str to int
        Rows left out, by reason.
    """

    names: list[str]
    times: list[Time]
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    sd: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    counts: np.ndarray
    stations: np.ndarray
    row_groups: np.ndarray
    left_out: dict[str, int]

    def common_values(self, values: Sequence[Any]) -> list[Any]:
        """Return for each mean the value of another column (rows,) that all its rows share, or None.

        Parameters
        ----------
        values : sequence (rows,)

        Returns
        -------
        list (means,)
        """
        missing = object()
        common: list[Any] = [missing] * len(self.names)
        for value, group in zip(values, self.row_groups.tolist()):
            if group < 0:
                continue
            if common[group] is missing:
                common[group] = value
            elif common[group] != value:
                common[group] = None
        return common

    def spread_columns(
        self, value: str, taken: Collection[str], layer: str, progress: Progress = SILENT
    ) -> dict[str, np.ndarray]:
        """Return what is known of each mean beside its value, by the name of its column.

        Parameters
        ----------
        value : str
            The column of the values.
        taken : collection of str
            Columns that the means keep, such as the field `maximum` of means that are averaged once more; their
            namesakes here get the value's name before theirs.
        layer : str
            For messages.
        progress : Progress, optional
            Gets a warning of namesakes.

        Returns
        -------
        dict of str to ndarray (means,)
        """
        spread = {
            "count": self.counts,
            "sd": self.sd,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "stations": self.stations,
        }
        kept = {name.lower() for name in taken}
        clashing = [name for name in spread if name in kept]
        if clashing:
            spread = {f"{value}_{name}" if name in clashing else name: numbers for name, numbers in spread.items()}
            progress.warning(
                f"'{layer}' already uses {', '.join(clashing)} as a field: here it is "
                f"{', '.join(f'{value}_{name}' for name in clashing)}."
            )
        return spread


def aggregate(
    rows: Rows,
    values: np.ndarray,
    period: str,
    min_count: int = 1,
    grid: Grid | None = None,
    progress: Progress = SILENT,
) -> Aggregated:
    """Average observations of each station over periods, and those of all stations in a cell of a grid.

    Parameters
    ----------
    rows : Rows
        With times, and names of the stations.
    values : ndarray of float64 (rows,)
        NaN where there is none.
    period : {'hour', 'day', 'month'}
        In UTC. A time on the hour belongs to the hour that it begins.
    min_count : int, optional
        Observations that a station needs in a period.
    grid : Grid, optional
    progress : Progress, optional

    Returns
    -------
    Aggregated

    Raises
    ------
    InputError
        Where no row remains, and where times stand for more than the period.
    """
    means = _aggregate(rows, values, period, min_count, grid, progress)
    for reason, count in means.left_out.items():
        progress.warning(f"{count} rows of '{rows.layer}' were left out: {reason}.")
    progress.info(
        f"{int(means.counts.sum())} observations of {len(set(means.names))} {'cells' if grid else 'stations'} "
        f"make {len(means.names)} means by the {period}."
    )
    return means


def _aggregate(
    rows: Rows, values: np.ndarray, period: str, min_count: int, grid: Grid | None, progress: Progress
) -> Aggregated:
    if rows.times is None or rows.names is None:
        raise InputError(
            f"Observations of '{rows.layer}' cannot be averaged without the `names` and `times` fields. Choose both."
        )
    starts, coarsest = _period_starts(rows, period)
    missing = {
        "without a station": np.array([name is None for name in rows.names]),
        "without a time": np.isnat(starts),
        "without a value": np.isnan(values),
    }
    if grid is not None:
        columns, lines, inside = locate(rows.x, rows.y, rows.crs, grid)
        missing |= {"without a point": np.isnan(rows.x) | np.isnan(rows.y), "outside the grid": ~inside}
    keep, left_out = drop_missing(missing)
    if not keep.any():
        raise InputError(
            f"No row of '{rows.layer}' can be used: {_counts(left_out)}. Check the `names`, `times` and `values` "
            f"fields{' and the `grid`' if grid else ''}."
        )
    if coarsest is not None and RESOLUTIONS.index(coarsest) > RESOLUTIONS.index(PERIODS[period]):
        raise InputError(
            f"Observations of '{rows.layer}' stand for a whole {coarsest} each and cannot be averaged by the "
            f"{period}. Choose a longer `period`."
        )

    kept = np.flatnonzero(keep)
    names, station = np.unique(np.array([rows.names[row] for row in kept]), return_inverse=True)
    # A row without a point does not say where its station is, where another one does.
    order = np.argsort(np.isnan(rows.x[kept]) | np.isnan(rows.y[kept]), kind="stable")
    first_of_station = kept[order[_first(station[order], len(names))]]
    _report_moved(rows, kept, station, names, first_of_station, progress)
    groups = _Groups(station, starts[kept], values[kept])
    enough = groups.counts >= min_count
    if not enough.any():
        raise InputError(
            f"No station of '{rows.layer}' has {min_count} observations in a {period}; the most are "
            f"{groups.counts.max()}. Choose a smaller `min_count` or a longer `period`."
        )
    rare = int(groups.counts[~enough].sum())
    if rare:
        left_out[f"in periods with fewer than {min_count}"] = rare
    row_groups = np.full(len(values), -1)
    row_groups[kept] = np.where(enough, np.cumsum(enough) - 1, -1)[groups.of_row]
    groups = groups.only(enough)
    if grid is None:
        places = first_of_station[groups.keys]
        return Aggregated(
            names[groups.keys].tolist(),
            _times(groups.starts, period),
            rows.x[places],
            rows.y[places],
            groups.means,
            groups.sd,
            groups.minimum,
            groups.maximum,
            groups.counts,
            np.ones(len(groups.keys), np.int64),
            row_groups,
            left_out,
        )

    cells = lines[first_of_station].astype(np.int64) * grid.width + columns[first_of_station].astype(np.int64)
    return _in_cells(groups, cells[groups.keys], grid, period, row_groups, left_out)


def _in_cells(
    groups: _Groups,
    cell_of_group: np.ndarray,
    grid: Grid,
    period: str,
    row_groups: np.ndarray,
    left_out: dict[str, int],
) -> Aggregated:
    """Average the means of stations over the cells that they lie in."""
    cells, cell = np.unique(cell_of_group, return_inverse=True)
    together = _Groups(cell, groups.starts, groups.means)
    row_groups = np.where(row_groups >= 0, together.of_row[row_groups], -1)
    row, column = np.divmod(cells[together.keys], grid.width)
    x, y = grid.transform * (column + 0.5, row + 0.5)
    counts = np.bincount(together.of_row, groups.counts, len(together.keys)).astype(np.int64)
    return Aggregated(
        [f"cell_r{r}_c{c}" for r, c in zip(row, column)], _times(together.starts, period), x, y,
        together.means, together.sd, together.minimum, together.maximum, counts, together.counts, row_groups, left_out,
    )  # fmt: skip


class _Groups:
    """Rows grouped by a key and the start of a period, with what is to be known of each group; sorted by both."""

    def __init__(self, key: np.ndarray, start: np.ndarray, values: np.ndarray):
        order = np.lexsort((start, key))
        edges = np.r_[True, (key[order][1:] != key[order][:-1]) | (start[order][1:] != start[order][:-1])]
        firsts = np.flatnonzero(edges)
        self.of_row = np.empty(len(key), np.int64)
        self.of_row[order] = np.cumsum(edges) - 1
        self.keys, self.starts = key[order][firsts], start[order][firsts]
        ordered = values[order]
        self.counts = np.diff(np.r_[firsts, len(key)])
        self.means = np.add.reduceat(ordered, firsts) / self.counts
        self.minimum, self.maximum = np.minimum.reduceat(ordered, firsts), np.maximum.reduceat(ordered, firsts)
        squares = np.add.reduceat((ordered - np.repeat(self.means, self.counts)) ** 2, firsts)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.sd = np.where(self.counts > 1, np.sqrt(squares / (self.counts - 1)), np.nan)

    def only(self, chosen: np.ndarray) -> _Groups:
        """Return some of the groups; rows are not renumbered."""
        part = object.__new__(_Groups)
        part.of_row = self.of_row
        for name in ("keys", "starts", "counts", "means", "minimum", "maximum", "sd"):
            setattr(part, name, getattr(self, name)[chosen])
        return part


def _period_starts(rows: Rows, period: str) -> tuple[np.ndarray, str | None]:
    """Return each row's period start, datetime64[s] (rows,), NaT without a time, and the coarsest resolution."""
    unit = {"hour": "h", "day": "D", "month": "M"}[period]
    times = list(rows.times or [])
    first, of_row = distinct_times(times)
    distinct = [times[row] for row in first]
    starts = moments_of(distinct)
    found = [RESOLUTIONS.index(time.resolution) for time in distinct if time is not None]
    return starts.astype(f"datetime64[{unit}]").astype("datetime64[s]")[of_row], RESOLUTIONS[
        max(found)
    ] if found else None


def _times(starts: np.ndarray, period: str) -> list[Time]:
    return [Time(start, PERIODS[period]) for start in starts.tolist()]


def _first(group: np.ndarray, count: int) -> np.ndarray:
    """Return the first row of each group."""
    first = np.empty(count, np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    return first


def _report_moved(
    rows: Rows, kept: np.ndarray, station: np.ndarray, names: np.ndarray, first: np.ndarray, progress: Progress
) -> None:
    home = first[station]
    apart = ~np.isnan(rows.x[kept]) & ((rows.x[kept] != rows.x[home]) | (rows.y[kept] != rows.y[home]))
    if apart.any():
        moved = names[np.unique(station[apart])]
        progress.warning(
            f"{len(moved)} stations of '{rows.layer}' have rows at different places ({label(rows.crs)}), the "
            f"first of which is taken: {', '.join(moved[:10])}. Are these different stations of one name?"
        )


def _counts(left_out: dict[str, int]) -> str:
    return ", ".join(f"{count} rows {reason}" for reason, count in left_out.items())
