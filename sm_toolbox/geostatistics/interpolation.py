"""What kriging and inverse distances have in common: values at stations, and which stations count for a cell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

# All stations count up to so many.
ALL_STATIONS = 500
_NEIGHBOURS = 32
# Cells and stations whose covariances are in memory at once stay in the processor's cache.
PAIRS = 2**17


@dataclass(frozen=True)
class DateGroup:
    """Dates on which the same stations have values and drifts, and what they share.

    Parameters
    ----------
    dates : ndarray of int (dates,)
    rows : ndarray of int (rows,)
        The stations that have a value.
    drift : ndarray of float64 (rows, p)
    """

    dates: np.ndarray
    rows: np.ndarray
    drift: np.ndarray


class Interpolation:
    """What kriging and inverse distances share: points, values of dates, and which stations count for a cell.

    Parameters
    ----------
    points : ndarray of float64 (points, 3)
        Positions (m).
    values : ndarray of float64 (points,) or (points, dates)
        NaN where there is none.
    neighbours : int
        Nearest stations that count for a cell; 0 for all of a few, and the nearest of many.
    drift : ndarray of float64 (points, p, versions)
        One version for all dates, or one for each.
    most_memory : float, optional
        Bytes that the systems of all dates may take where all stations count.
    """

    def __init__(
        self, points: np.ndarray, values: np.ndarray, neighbours: int, drift: np.ndarray, most_memory: float = math.inf
    ):
        self.points = np.ascontiguousarray(points, float)
        self._one_date = values.ndim == 1
        self.values = np.asarray(values, float).reshape(len(points), -1)
        self._across = np.ascontiguousarray(self.points.T)
        self._groups = list(_groups(self.values, drift))
        largest = max((len(group.rows) for group in self._groups), default=0)
        all_count = largest <= ALL_STATIONS and 8 * sum(len(group.rows) ** 2 for group in self._groups) <= most_memory
        self.neighbours = neighbours or (0 if all_count else _NEIGHBOURS)
        """Nearest stations that count for a cell; 0 for all."""
        self._trees = [cKDTree(self.points[group.rows]) for group in self._groups] if self.neighbours else []

    def cells_at_once(self, variance: bool) -> int:
        """Return for how many cells `predict` takes about a tenth of a second, so that callers hear Cancel.

        Parameters
        ----------
        variance : bool
            Whether variances are predicted, too.

        Returns
        -------
        int
        """
        stations, dates = self.values.shape
        own = self.neighbours or stations
        # Each cell has a system of its own nearest stations; where all stations count there is one for all cells.
        of_system = own**3 / 3 if self.neighbours else own**2 if variance else 0
        return int(
            np.clip(5e8 / (own * (50 + dates) + of_system * len(self._groups)), 32 if self.neighbours else 256, 8192)
        )

    def _nearest(self, tree: cKDTree, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return distances (m) to and positions of the nearest stations, (cells, k) each."""
        count = min(self.neighbours, tree.n)
        distances, found = tree.query(cells, count)
        return distances.reshape(len(cells), count), found.reshape(len(cells), count)

    def _others(self, tree: cKDTree) -> tuple[np.ndarray, np.ndarray]:
        """Return for each station of a tree the distances to and positions of its nearest others."""
        count = min(self.neighbours + 1, tree.n)
        distances, found = tree.query(tree.data, count)
        own = found == np.arange(tree.n)[:, None]
        # Rounding may place a close neighbour before the station itself, but not beyond the last.
        own[~own.any(axis=1), -1] = True
        return distances[~own].reshape(tree.n, -1), found[~own].reshape(tree.n, -1)

    def _shaped(self, array: np.ndarray) -> np.ndarray:
        return array[:, 0] if self._one_date else array


def placed(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions with NaN replaced for the compiled loops, and which of them had one, bool (cells,).

    Parameters
    ----------
    cells : ndarray of float64 (cells, 3)

    Returns
    -------
    cells : ndarray of float64 (cells, 3)
        Contiguous.
    lost : ndarray of bool (cells,)
        Those that had a NaN.
    """
    cells = np.ascontiguousarray(cells, float)
    lost = ~np.isfinite(cells).all(axis=1)
    return (np.where(lost[:, None], 0.0, cells) if lost.any() else cells), lost


def date_means(values: np.ndarray) -> np.ndarray:
    """Return the mean of each date of values (stations, dates); NaN where there is none.

    Parameters
    ----------
    values : ndarray of float64 (stations, dates)
        NaN where there is none.

    Returns
    -------
    ndarray of float64 (dates,)
    """
    count = np.isfinite(values).sum(axis=0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, axis=0) / count


def mean_of_others(values: np.ndarray) -> np.ndarray:
    """Return for each value the mean of the others of its date, which any interpolation must beat.

    Parameters
    ----------
    values : ndarray of float64 (stations, dates)
        NaN where there is none.

    Returns
    -------
    ndarray of float64 (stations, dates)
        NaN where there is no other.
    """
    present = np.isfinite(values)
    total, count = np.where(present, values, 0).sum(axis=0), present.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total - values) / (count - 1)


def _groups(values: np.ndarray, drift: np.ndarray) -> Iterator[DateGroup]:
    """Gather the dates that have values at the same stations, with the same drift (stations, p, versions) there."""
    present = np.isfinite(values)
    found: dict[bytes, list[int]] = {}
    for date in range(values.shape[1]):
        key = present[:, date].tobytes()
        if drift.shape[2] > 1:
            key += drift[present[:, date], :, date].tobytes()
        found.setdefault(key, []).append(date)
    for dates in found.values():
        rows = np.flatnonzero(present[:, dates[0]])
        yield DateGroup(np.array(dates), rows, drift[rows, :, dates[0] if drift.shape[2] > 1 else 0])
