"""Settings and results of an interpolation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.geostatistics.variogram import Empirical, Variogram
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.times import Time
from sm_toolbox.stations.interpolation.observations import Observations

INTERPOLATION_METHODS = ("ordinary_kriging", "simple_kriging", "idw")


@dataclass(frozen=True)
class InterpolationSettings:
    """How to interpolate.

    Parameters
    ----------
    method : {'ordinary_kriging', 'simple_kriging', 'idw'}
    variogram : str
        A name of `variogram.MODELS`.
    nugget, sill, range : float, optional
        What of the variogram is known and not fitted: share of the sill, squared units of the values, metres.
    mean : float, optional
        The known mean of simple kriging; by default that of each date.
    power : float
        Of the distance, for idw.
    neighbours : int
        Nearest stations that count for a cell, up to `interpolation.ALL_STATIONS`; 0 as `Kriging` chooses.
    drift : sequence of Source
        Rasters of variables on which the mean depends linearly, static or dated; for ordinary kriging.
    max_gap_days : float, optional
        How far in time a dated drift may lie from a date; by default half the distance of its dates.
    """

    method: str = "ordinary_kriging"
    variogram: str = "spherical"
    nugget: float | None = None
    sill: float | None = None
    range: float | None = None
    mean: float | None = None
    power: float = 2
    neighbours: int = 0
    drift: Sequence[Source] = ()
    max_gap_days: float | None = None

    @property
    def is_kriging(self) -> bool:
        """Whether a variogram is needed."""
        return self.method != "idw"


@dataclass(frozen=True)
class Result:
    """Maps of an interpolation, the fitted variogram and leave-one-out errors.

    Parameters
    ----------
    variable : str
    settings : InterpolationSettings
    observations : Observations
        Of the dates that have a map.
    drift : list of str
        Names of the drifts.
    variogram : Variogram or None
        None for idw.
    empirical : Empirical or None
    scale : ndarray (dates,)
        Sill of each date over that of the variogram.
    neighbours : int
        Nearest stations that count for a cell; 0 for all.
    left_out : LeftOut
    models : list of (Variogram, float)
        Other variogram models that were fitted, with their errors at stations left out.
    skipped : list of (str, int, str)
        Dates without a map: date, values, and why.
    span : (float, float)
        Smallest and largest value of the maps.
    maps : list of (Time or None, ndarray, ndarray or None)
        Coarse maps of the dates with the smallest and the largest mean, and their standard deviations, for the report.
    places : (ndarray, ndarray)
        Columns and rows of the stations in these maps.
    warnings : list of str
        What the user should know before trusting the maps.
    """

    variable: str
    settings: InterpolationSettings
    observations: Observations
    drift: list[str]
    variogram: Variogram | None
    empirical: Empirical | None
    scale: np.ndarray
    neighbours: int
    left_out: LeftOut
    models: list[tuple[Variogram, float]]
    skipped: list[tuple[str, int, str]]
    span: tuple[float, float]
    maps: list[tuple[Time | None, np.ndarray, np.ndarray | None]]
    places: tuple[np.ndarray, np.ndarray]
    warnings: list[str]


def variable_name(field_name: str) -> str:
    """Return the name of a field as that of a variable: letters, digits and underscores.

    Parameters
    ----------
    field_name : str

    Returns
    -------
    str
    """
    return re.sub(r"\W+", "_", field_name).strip("_") or "value"


PLAIN_MEAN = "mean of the other stations"


@dataclass(frozen=True)
class LeftOut:
    """How well the method predicts stations that are left out.

    Parameters
    ----------
    observed, predicted, variance : ndarray (places, dates)
        NaN where there is no value; the variance is NaN for idw.
    others : dict of str to ndarray (places, dates)
        Predictions of simpler methods, for comparison.
    """

    observed: np.ndarray
    predicted: np.ndarray
    variance: np.ndarray
    others: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def errors(self) -> np.ndarray:
        """Predicted minus observed (places, dates)."""
        return self.predicted - self.observed

    @property
    def rmse(self) -> float:
        """Root mean square error; NaN where there is none."""
        return rmse(self.errors)

    @property
    def bias(self) -> float:
        """Mean of predicted minus observed; NaN where there is none."""
        return float(np.nanmean(self.errors)) if np.isfinite(self.errors).any() else float("nan")

    @property
    def r(self) -> float:
        """Pearson's correlation over all places and dates; NaN where either does not vary."""
        is_valid = np.isfinite(self.errors)
        pair = self.observed[is_valid], self.predicted[is_valid]
        if len(pair[0]) < 3 or any(np.ptp(values) <= 1e-12 * np.abs(values).max() for values in pair):
            return float("nan")
        return float(np.corrcoef(*pair)[0, 1])

    @property
    def calibration(self) -> float:
        """Mean of squared errors over their variances: 1 where these are right, more where they are too small."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = self.errors**2 / self.variance
        ratio = ratio[np.isfinite(ratio)]
        return float(ratio.mean()) if len(ratio) else float("nan")


def rmse(errors: np.ndarray) -> float:
    """Return the root mean square of what is not NaN.

    Parameters
    ----------
    errors : ndarray

    Returns
    -------
    float
        NaN where there is nothing else.
    """
    finite = errors[np.isfinite(errors)]
    return float(np.sqrt((finite**2).mean())) if len(finite) else float("nan")
