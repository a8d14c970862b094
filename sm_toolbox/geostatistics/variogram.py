"""Variograms: how alike values are with distance, estimated from stations and fitted by a model.

The models and the fit are forty lines on SciPy here rather than gstools or pykrige at run time: each user would have to
install them, with what they need in turn, into QGIS's Python. The tests compare with both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.distance import pdist, squareform

from sm_toolbox.errors import InputError
from sm_toolbox.geostatistics import kriging_kernels as kernels

MODELS = {
    "spherical": kernels.SPHERICAL,
    "exponential": kernels.EXPONENTIAL,
    "gaussian": kernels.GAUSSIAN,
    "matern": kernels.MATERN,
}
"""Variogram models with their numbers in the kernels."""

_CLASSES = 15
# Pairs grow with the square of the stations; so many stations tell enough about distances.
_MOST_STATIONS = 2000


@dataclass(frozen=True)
class Variogram:
    """A model of the covariance between two places.

    Parameters
    ----------
    model : {'spherical', 'exponential', 'gaussian', 'matern'}
        With h the distance and a the range, the correlation is 1 − 1.5 h/a + 0.5 (h/a)³ up to a and 0 beyond; e^(−3
        h/a); e^(−3 (h/a)²); (1 + s) e^−s with s = 4.744 h/a (Matérn's with ν = 3/2).
    sill : float
        Variance of values that are far apart, nugget included, in squared units of the values.
    range : float
        Practical range (m): where the correlation has fallen to 5 %; for the spherical model to 0.
    nugget : float
        Share of the sill, 0 to 1, that even neighbours do not have in common: measurement errors and what varies within
        no distance.
    fit_error : float, optional
        Relative deviation of the empirical variogram from the model, root mean square weighted by pairs; NaN where
        nothing was fitted.
    """

    model: str
    sill: float
    range: float
    nugget: float = 0.0
    fit_error: float = math.nan

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise InputError(f"The variogram model '{self.model}' is none of {', '.join(MODELS)}.")
        if not (self.range > 0 and self.sill >= 0 and 0 <= self.nugget <= 1):
            raise InputError(
                "A variogram needs a range above 0 m, a sill of 0 or more and a nugget of 0 to 1 of the sill, "
                f"not {self.range:g}, {self.sill:g} and {self.nugget:g}."
            )

    def correlation(self, distance: np.ndarray) -> np.ndarray:
        """Return the correlation of what has no nugget at distances (m), of any shape.

        Parameters
        ----------
        distance : ndarray
            Metres.

        Returns
        -------
        ndarray, same shape
        """
        distance = np.asarray(distance, float)
        out = np.empty(distance.size)
        kernels.correlations_at(MODELS[self.model], np.ascontiguousarray(distance.ravel()), self.range, out)
        return out.reshape(distance.shape)

    def covariance(self, distance: np.ndarray) -> np.ndarray:
        """Return the covariance of two different places at distances (m), without the nugget at 0, too.

        Parameters
        ----------
        distance : ndarray
            Metres.

        Returns
        -------
        ndarray, same shape
            Squared units of the values.
        """
        return self.sill * (1 - self.nugget) * self.correlation(distance)

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        """Return half the expected squared difference of two places at distances above 0 (m)."""
        return self.sill - self.covariance(distance)


@dataclass(frozen=True)
class Empirical:
    """The empirical variogram, in classes of distance.

    Parameters
    ----------
    distance : ndarray (classes,)
        Mean distance of the pairs (m).
    semivariance : ndarray (classes,)
        Half the mean squared difference.
    pairs : ndarray of int (classes,)
        Pairs of values, over all dates.
    spread : float
        Half the mean squared difference of all pairs: the mean of the dates' variances, weighted by their pairs.
    reach : float
        The distance (m) up to which pairs are in classes.
    """

    distance: np.ndarray
    semivariance: np.ndarray
    pairs: np.ndarray
    spread: float
    reach: float


def empirical_variogram(points: np.ndarray, values: np.ndarray) -> Empirical:
    """Estimate the variogram of values at points, from the pairs within each date (Matheron's estimator).

    Parameters
    ----------
    points : ndarray (points, 3)
        Positions (m).
    values : ndarray (points, dates)
        NaN where there is none.

    Returns
    -------
    Empirical
        In up to 15 classes of the same width for the nearest three quarters of the pairs of stations: beyond, there are
        only pairs across the whole network, and stations far from all others. The dates are pooled: a single one with
        twenty stations has too few pairs to tell a shape.
    """
    if len(points) > _MOST_STATIONS:
        chosen = np.random.default_rng(0).choice(len(points), _MOST_STATIONS, replace=False)
        points, values = points[chosen], values[chosen]
    present = np.isfinite(values)
    # Differences do not change, but rounding matters less.
    means = np.where(present, values, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    centred = np.where(present, values - means, 0)
    # Sums over the dates on which both stations of a pair have a value, for all pairs at once.
    squares = centred**2 @ present.T
    upper = np.triu_indices(len(points), 1)
    half = 0.5 * (squares + squares.T - 2 * centred @ centred.T)[upper]
    pairs = (present.astype(float) @ present.T)[upper]
    distance = squareform(pdist(points))[upper]
    has_pairs = pairs > 0
    half, pairs, distance = np.maximum(half[has_pairs], 0), pairs[has_pairs], distance[has_pairs]
    if not len(pairs):
        return Empirical(np.empty(0), np.empty(0), np.empty(0, int), math.nan, 0.0)
    # With few stations every pair is needed.
    reach = float(np.quantile(distance, 0.75)) if len(distance) >= 4 * _CLASSES else float(distance.max())
    near = distance <= reach
    of_class = np.minimum((distance[near] / reach * _CLASSES).astype(int), _CLASSES - 1)
    count, sums, total = (
        np.bincount(of_class, weights, _CLASSES) for weights in (pairs[near], half[near], (pairs * distance)[near])
    )
    some = count > 0
    return Empirical(
        total[some] / count[some],
        sums[some] / count[some],
        count[some].astype(int),
        float(half.sum() / pairs.sum()),
        reach,
    )


def fit_variogram(
    points: np.ndarray,
    values: np.ndarray,
    model: str = "spherical",
    *,
    nugget: float | None = None,
    sill: float | None = None,
    range_: float | None = None,
    empirical: Empirical | None = None,
) -> Variogram:
    """Fit a variogram model to values at points.

    Parameters
    ----------
    points : ndarray (points, 3)
        Positions (m).
    values : ndarray (points,) or (points, dates)
        NaN where there is none.
    model : str, optional
        A name of `MODELS`.
    nugget, sill, range_ : float, optional
        What is known and not fitted, as in `Variogram`.
    empirical : Empirical, optional
        The empirical variogram of these values, where it has been computed.

    Returns
    -------
    Variogram
        With a sill of 0 where all values of each date are equal. Of three stations, whose pairs leave no more than two
        classes, without a nugget.

    Raises
    ------
    InputError
        Where there are too few pairs for what is to be fitted.

    Notes
    -----
    The weights are those of Cressie (1985, doi 10.1007/BF01032109): the squares of γ̂ / γ − 1, each times the number of
    its pairs.

    Examples
    --------
    Values of 30 dates with a known variogram:

    >>> rng = np.random.default_rng(0)
    >>> points = np.column_stack([rng.uniform(0, 10_000, (100, 2)), np.zeros(100)])
    >>> truth = Variogram("exponential", sill=1.0, range=3000.0)
    >>> distances = np.linalg.norm(points[:, None] - points, axis=2)
    >>> values = np.linalg.cholesky(truth.covariance(distances)) @ rng.normal(size=(100, 30))
    >>> fitted = fit_variogram(points, values, "exponential")
    >>> print(round(fitted.sill, 1), round(fitted.range, -3))
    1.0 3000.0
    """
    observed = empirical or empirical_variogram(points, values.reshape(len(points), -1))
    if nugget is None and 0 < len(observed.pairs) < 3:
        nugget = 0.0
    unknown = [name for name, value in (("`nugget`", nugget), ("`sill`", sill), ("`range`", range_)) if value is None]
    if not unknown:
        return _with_error(Variogram(model, float(sill or 0), float(range_ or 0), float(nugget or 0)), observed)
    if observed.spread == 0 and sill is None:
        return Variogram(model, 0.0, range_ or observed.reach or 1.0, nugget or 0.0)
    if len(observed.pairs) < len(unknown):
        raise InputError(
            f"There are too few pairs of stations to fit a variogram: {int(observed.pairs.sum())} pairs in "
            f"{len(observed.pairs)} classes of distance, for {' and '.join(unknown)}. Use more stations or dates, "
            "give `nugget`, `sill` and `range` (of a larger network), or use `method` idw."
        )
    start_range = np.array([0.2, 0.5, 1.0, 2.0])
    # As shares of the sill of all pairs and of the reach, so that all are about 1.
    low = [0.0, 1e-3, min(0.5 * float(observed.distance[0]) / observed.reach, 0.05)]
    high = [1.0, 20.0, 4.0]
    known = [
        nugget,
        None if sill is None else sill / (observed.spread or 1),
        None if range_ is None else range_ / observed.reach,
    ]
    free = [i for i, value in enumerate(known) if value is None]
    spread = observed.spread or 1.0

    def build(part: np.ndarray) -> Variogram:
        full = [value if value is not None else 0.0 for value in known]
        for position, value in zip(free, part):
            full[position] = float(value)
        return Variogram(model, full[1] * spread, full[2] * observed.reach, full[0])

    def deviations(part: np.ndarray) -> np.ndarray:
        return _deviations(build(part), observed)

    best = None
    for first in start_range if range_ is None else start_range[:1]:
        for share in (0.05, 0.5) if nugget is None else (0.05,):
            start = np.clip(np.array([share, 1.0, first]), np.add(low, 1e-6), np.subtract(high, 1e-6))[free]
            found = least_squares(deviations, start, bounds=(np.array(low)[free], np.array(high)[free]), x_scale="jac")
            if best is None or found.cost < best.cost:
                best = found
    assert best is not None
    return _with_error(build(best.x), observed)


def _deviations(variogram: Variogram, observed: Empirical) -> np.ndarray:
    """Return γ̂ / γ − 1 times the root of the share of the pairs."""
    model = np.maximum(variogram(observed.distance), 1e-12 * (observed.spread or 1))
    return (observed.semivariance / model - 1) * np.sqrt(observed.pairs / observed.pairs.sum())


def _with_error(variogram: Variogram, observed: Empirical) -> Variogram:
    if not len(observed.pairs) or variogram.sill == 0:
        return variogram
    return replace(variogram, fit_error=float(np.sqrt((_deviations(variogram, observed) ** 2).sum())))
