"""Inverse distance weighting: from values at stations to values anywhere, for many dates at once."""

from __future__ import annotations

import numpy as np

from sm_toolbox.geostatistics import kriging_kernels as kernels
from sm_toolbox.geostatistics.interpolation import PAIRS, DateGroup, Interpolation, placed
from sm_toolbox.progress import SILENT, Progress


class InverseDistance(Interpolation):
    """Means of the stations weighted by 1 / distance^power (Shepard 1968); exact at stations.

    Parameters
    ----------
    points, values, neighbours
        As for `Kriging`; one value is enough, of which the map is made.
    power : float, optional
    """

    def __init__(self, points: np.ndarray, values: np.ndarray, power: float = 2, *, neighbours: int = 0):
        super().__init__(points, values, neighbours, np.empty((len(points), 0, 1)))
        self._power = float(power)
        self._present = np.isfinite(self.values).astype(float)
        self._filled = np.where(np.isfinite(self.values), self.values, 0)

    def predict(self, cells: np.ndarray) -> np.ndarray:
        """Predict cells (cells, 3); returned are (cells,) or (cells, dates), shaped as the values.

        Parameters
        ----------
        cells : ndarray of float64 (cells, 3)
            Positions in metres; NaN gives NaN.

        Returns
        -------
        ndarray of float64
        """
        cells, lost = placed(cells)
        mean = np.empty((len(cells), self.values.shape[1]))
        step = max(16, PAIRS // (self.neighbours or len(self.points)))
        for start in range(0, len(cells), step):
            part = cells[start : start + step]
            if self.neighbours:
                for group, tree in zip(self._groups, self._trees):
                    mean[start : start + step, group.dates] = self._of_nearest(group, *self._nearest(tree, part))
                continue
            weights = np.empty((len(part), len(self.points)))
            kernels.fill_inverse_distances(part, self._across, self._power, weights)
            mean[start : start + step] = (weights @ self._filled) / (weights @ self._present)
        mean[lost] = np.nan
        return self._shaped(mean)

    def _of_nearest(self, group: DateGroup, distances: np.ndarray, found: np.ndarray) -> np.ndarray:
        weights = np.square(distances.ravel())
        kernels.weigh_distances(weights, self._power)
        weights = weights.reshape(distances.shape)
        weights = weights / weights.sum(axis=1, keepdims=True)
        return np.einsum("mk,mkt->mt", weights, self.values[np.ix_(group.rows, group.dates)][found])

    def leave_one_out(self, progress: Progress = SILENT) -> np.ndarray:
        """Predict each station from the others of its date; NaN where there is no other.

        Parameters
        ----------
        progress : Progress, optional

        Returns
        -------
        ndarray
            Shaped as the values.
        """
        predicted = np.full(self.values.shape, np.nan)
        if self.neighbours:
            for group, tree in zip(self._groups, self._trees):
                progress.check()
                if len(group.rows) > 1:
                    predicted[np.ix_(group.rows, group.dates)] = self._of_nearest(group, *self._others(tree))
            return self._shaped(predicted)
        weights = np.empty((len(self.points), len(self.points)))
        kernels.fill_inverse_distances(self.points, self._across, self._power, weights)
        np.fill_diagonal(weights, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            predicted = np.where(self._present > 0, (weights @ self._filled) / (weights @ self._present), np.nan)
        return self._shaped(predicted)
