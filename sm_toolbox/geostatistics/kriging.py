"""Kriging: from values at stations to values anywhere, for many dates at once.

With up to some hundred stations all of them count for each cell: one system is solved for a date, and the map is a
weighted sum of covariances. With more, each cell has a small system of its nearest stations. Dates on which the same
stations have values share all but their values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.blas import dtrmm

from sm_toolbox.errors import InputError
from sm_toolbox.geostatistics import kriging_kernels as kernels
from sm_toolbox.geostatistics.interpolation import PAIRS, DateGroup, Interpolation, date_means, mean_of_others, placed
from sm_toolbox.geostatistics.variogram import MODELS, Variogram
from sm_toolbox.progress import SILENT, Progress

KINDS = ("ordinary", "simple")
# The factors of all dates may take so much memory.
_FACTORS = 2**29


@dataclass(frozen=True)
class _Factors:
    """L⁻¹, L⁻¹ F and R⁻¹, with K = L L' the correlations of a group's stations, F their drift, F' K⁻¹ F = R R'."""

    inverse: np.ndarray
    drift: np.ndarray
    drift_inverse: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """K⁻¹ − K⁻¹ F (F' K⁻¹ F)⁻¹ F' K⁻¹, (stations, stations)."""
        across = self.drift_inverse @ self.drift.T @ self.inverse
        return self.inverse.T @ self.inverse - across.T @ across


class Kriging(Interpolation):
    """Kriging of values at points.

    Parameters
    ----------
    points : ndarray (points, 3)
        Positions (m), such as those of `Positions`; no two the same.
    values : ndarray (points,) or (points, dates)
        NaN where there is none.
    variogram : Variogram
    kind : {'ordinary', 'simple'}, optional
        With an unknown mean for each date, or a known one.
    drift : ndarray (points, p) or (points, p, dates), optional
        What the mean depends on linearly (universal kriging, kriging with external drift), beside a constant; for
        ordinary kriging only.
    mean : float, optional
        The known mean of simple kriging; by default that of each date's values.
    neighbours : int, optional
        How many of the nearest stations count for a cell. 0: all up to 500, 32 where there are more.
    progress : Progress, optional

    Raises
    ------
    InputError
        Where a date has no more values than the drift has unknowns, the drift is constant or collinear on a date, or
        points coincide.

    Notes
    -----
    A nugget counts as what stations measure beside the field: the map is that of the field without it, and exact at a
    station only where the nugget is 0. The variance is that of what another station would measure, nugget included.

    Examples
    --------
    >>> points = np.array([[0.0, 0, 0], [1000.0, 0, 0]])
    >>> kriging = Kriging(points, np.array([0.1, 0.3]), Variogram("spherical", sill=0.01, range=2000.0))
    >>> mean, variance = kriging.predict(np.array([[500.0, 0, 0]]), variance=True)
    >>> mean.round(3), variance.round(4)
    (array([0.2]), array([0.0039]))
    """

    def __init__(
        self,
        points: np.ndarray,
        values: np.ndarray,
        variogram: Variogram,
        kind: str = "ordinary",
        drift: np.ndarray | None = None,
        *,
        mean: float | None = None,
        neighbours: int = 0,
        progress: Progress = SILENT,
    ):
        if kind not in KINDS:
            raise InputError(f"The kind of kriging '{kind}' is none of {', '.join(KINDS)}.")
        if kind == "simple" and drift is not None:
            raise InputError("Simple kriging has a known mean, which cannot depend on a drift. Use ordinary kriging.")
        self.variogram, self.kind, self._mean = variogram, kind, mean
        self._model = MODELS[variogram.model]
        known = np.empty((len(points), 0, 1)) if drift is None else drift.reshape(len(points), drift.shape[1], -1)
        self._centre, self._scale = _standard(known)
        super().__init__(points, values, neighbours, self._design(known), _FACTORS)
        present = np.isfinite(self.values)
        self._means = date_means(self.values) if mean is None else np.full(self.values.shape[1], mean)
        self._centred = np.where(present, self.values - (self._means if kind == "simple" else 0), 0)
        self._weights = np.zeros(self.values.shape)
        self._coefficients = np.zeros((self._groups[0].drift.shape[1], self.values.shape[1]))
        self._factors: list[_Factors] = []
        for group in self._groups:
            progress.check()
            if len(group.rows) <= group.drift.shape[1]:
                raise InputError(
                    f"A date has {len(group.rows)} values, too few for {group.drift.shape[1]} unknowns of the mean."
                )
            if not self.neighbours:
                self._solve(group)

    def _design(self, drift: np.ndarray) -> np.ndarray:
        """Return the standardised drift (places, columns, versions), after a column of ones for ordinary kriging."""
        standard = (drift - self._centre[:, None]) / self._scale[:, None]
        if self.kind == "simple":
            return standard
        return np.concatenate([np.ones((len(standard), 1, standard.shape[2])), standard], axis=1)

    def _solve(self, group: DateGroup) -> None:
        factors = self._factorise(group)
        self._factors.append(factors)
        whitened = factors.inverse @ self._centred[np.ix_(group.rows, group.dates)]
        coefficients = factors.drift_inverse.T @ (factors.drift_inverse @ (factors.drift.T @ whitened))
        self._coefficients[:, group.dates] = coefficients
        self._weights[np.ix_(group.rows, group.dates)] = factors.inverse.T @ (whitened - factors.drift @ coefficients)

    def _factorise(self, group: DateGroup) -> _Factors:
        own = self.points[group.rows]
        correlations = np.empty((len(own), len(own)))
        kernels.fill_correlations(self._model, own, np.ascontiguousarray(own.T), self.variogram.range, correlations)
        correlations *= 1 - self.variogram.nugget
        lower = _cholesky(correlations)
        inverse = np.asfortranarray(solve_triangular(lower, np.eye(len(own)), lower=True))
        drift = inverse @ group.drift
        try:
            drift_factor = np.linalg.cholesky(drift.T @ drift) if drift.shape[1] else np.empty((0, 0))
        except np.linalg.LinAlgError as error:
            raise InputError(
                "The drift is the same at all stations of a date, or one part of it follows from another."
            ) from error
        return _Factors(inverse, drift, np.linalg.inv(drift_factor))

    def predict(
        self, cells: np.ndarray, drift: np.ndarray | None = None, variance: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Predict cells.

        Parameters
        ----------
        cells : ndarray (cells, 3)
            Positions (m); NaN where a cell has none, such as outside of a projection.
        drift : ndarray (cells, p) or (cells, p, dates), optional
            The drift at the cells, as for the points; NaN where there is none.
        variance : bool, optional

        Returns
        -------
        mean : ndarray (cells,) or (cells, dates)
            Shaped as the values; NaN where the drift or the position is.
        variance : ndarray or None
            Of the same shape, in squared units of the values.
        """
        cells, lost = placed(cells)
        known = np.empty((len(cells), 0, 1)) if drift is None else drift.reshape(len(cells), drift.shape[1], -1)
        design = self._design(known)
        mean = np.empty((len(cells), self.values.shape[1]))
        spread = np.empty_like(mean) if variance else None
        step = max(16, PAIRS // (self.neighbours or len(self.points)))
        for start in range(0, len(cells), step):
            part = slice(start, start + step)
            fill = self._predict_near if self.neighbours else self._predict_all
            fill(cells[part], design[part], mean[part], None if spread is None else spread[part])
        if self.kind == "simple":
            mean += self._means
        mean[lost] = np.nan
        if spread is not None:
            spread *= self.variogram.sill
            spread[lost] = np.nan
        return self._shaped(mean), None if spread is None else self._shaped(spread)

    def _predict_all(self, cells: np.ndarray, design: np.ndarray, mean: np.ndarray, spread: np.ndarray | None) -> None:
        correlations = np.empty((len(cells), len(self.points)))
        kernels.fill_correlations(self._model, cells, self._across, self.variogram.range, correlations)
        correlations *= 1 - self.variogram.nugget
        np.matmul(correlations, self._weights, out=mean)
        mean += np.einsum("mpt,pt->mt", design, self._coefficients)
        if spread is None:
            return
        for group, factors in zip(self._groups, self._factors):
            own = correlations if len(group.rows) == len(self.points) else correlations[:, group.rows]
            # Half the work of a product with a full matrix.
            whitened = dtrmm(1.0, factors.inverse, own.T, lower=1)
            left = (_version(design, group) - whitened.T @ factors.drift) @ factors.drift_inverse.T
            of_group = 1 - np.einsum("ij,ij->j", whitened, whitened) + np.einsum("ij,ij->i", left, left)
            spread[:, group.dates] = np.maximum(of_group, 0)[:, None]

    def _predict_near(self, cells: np.ndarray, design: np.ndarray, mean: np.ndarray, spread: np.ndarray | None) -> None:
        for group, tree in zip(self._groups, self._trees):
            found = np.sort(self._nearest(tree, cells)[1], axis=1)
            values = self._centred[np.ix_(group.rows, group.dates)]
            of_group, of_cells = self._krige_nearest(group, cells, found, _version(design, group), values)
            mean[:, group.dates] = of_group
            if spread is not None:
                spread[:, group.dates] = of_cells[:, None]

    def _krige_nearest(
        self, group: DateGroup, cells: np.ndarray, found: np.ndarray, design: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = np.empty((len(cells), values.shape[1])), np.empty(len(cells))
        kernels.krige_nearest(
            self._model,
            self.variogram.range,
            self.variogram.nugget,
            cells,
            self.points[group.rows],
            found,
            np.ascontiguousarray(design),
            np.ascontiguousarray(group.drift),
            np.ascontiguousarray(values),
            mean,
            variance,
        )
        return mean, variance

    def _leave_out_near(
        self, group: DateGroup, found: np.ndarray, values: np.ndarray, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict the stations of a group from their nearest others, as `_krige_nearest`, checking for Cancel."""
        points, step, parts = self.points[group.rows], self.cells_at_once(True), []
        for start in range(0, len(found), step):
            progress.check()
            some = slice(start, start + step)
            parts.append(self._krige_nearest(group, points[some], found[some], group.drift[some], values))
        mean, spread = (np.concatenate(part) for part in zip(*parts))
        return mean, spread

    def leave_one_out(self, progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
        """Predict each station from the others of its date, with the variogram as it is.

        Parameters
        ----------
        progress : Progress, optional

        Returns
        -------
        predicted, variance : ndarray
            Shaped as the values, NaN where they are. The variance is that of the difference to what the station
            measured.

        Notes
        -----
        Without a system for each station where all stations count: with Q the precision of `_Factors`, the error is (Q
        z)_i / Q_ii and its variance 1 / Q_ii (Dubrule 1983, doi 10.1007/BF01033232).
        """
        predicted, variance = np.full(self.values.shape, np.nan), np.full(self.values.shape, np.nan)
        # A mean that is not given is that of the others, too.
        shift = mean_of_others(self.values) - self._means if self._mean is None else np.zeros(self.values.shape)
        for number, group in enumerate(self._groups):
            progress.check()
            at = np.ix_(group.rows, group.dates)
            if self.neighbours:
                found = np.sort(self._others(self._trees[number])[1], axis=1)
                values = np.concatenate([self._centred[at], np.ones((len(group.rows), 1))], axis=1)
                mean, spread = self._leave_out_near(group, found, values, progress)
                weights = mean[:, -1:]
                predicted[at] = mean[:, :-1] + (
                    self._means[group.dates] + (1 - weights) * shift[at] if self.kind == "simple" else 0
                )
            else:
                precision = self._factors[number].precision
                spread = 1 / np.diagonal(precision)
                errors = spread[:, None] * (precision @ self._centred[at])
                if self.kind == "simple":
                    errors -= (spread * precision.sum(axis=1))[:, None] * shift[at]
                predicted[at] = self.values[at] - errors
            variance[at] = self.variogram.sill * spread[:, None]
        return self._shaped(predicted), self._shaped(variance)


def _standard(drift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each drift (stations, p, versions) where it is known."""
    axes = (0, 2)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(drift)
        count = np.maximum(known.sum(axis=axes), 1)
        centre = np.where(known, drift, 0).sum(axis=axes) / count
        scale = np.sqrt((np.where(known, drift - centre[:, None], 0) ** 2).sum(axis=axes) / count)
    return centre, np.where(scale > 0, scale, 1)


def _version(design: np.ndarray, group: DateGroup) -> np.ndarray:
    """Return the drift at cells (cells, p, versions) that belongs to a group's dates."""
    return design[:, :, group.dates[0] if design.shape[2] > 1 else 0]


def _cholesky(correlations: np.ndarray) -> np.ndarray:
    """Factorise correlations, with the smallest addition to the diagonal that makes them positive definite.

    Smooth models are nearly singular.
    """
    for addition in (1e-10, 1e-9, 1e-8, 1e-7, 1e-6):
        np.fill_diagonal(correlations, 1 + addition)
        try:
            return cholesky(correlations, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            continue
    raise InputError(
        "The system of the stations cannot be solved: many lie so close together that the variogram hardly tells "
        "them apart. Give a `nugget` (such as 0.05), or use another `variogram` (exponential)."
    )
