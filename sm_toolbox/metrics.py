"""Agreement of predicted with observed soil moisture: plain functions of two arrays.

Throughout, `predicted` and `observed` are float arrays of one shape (n,) in m³ m⁻³ without missing values, and
differences are predicted − observed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Metrics:
    """Metrics of one set of pairs; NaN where there are too few pairs or one side does not vary.

    Parameters
    ----------
    n : int
        Pairs.
    r : float
        Pearson correlation.
    r_squared : float
        Its square.
    r2 : float
        Coefficient of determination 1 − SSE/SST; negative where the observed mean would be the better prediction.
    rmse, ubrmse, bias : float
        m³ m⁻³.
    slope : float
        Of the regression of observed on predicted (Zhao et al. 2022, IEEE JSTARS, Eq. 6).
    """

    n: int
    r: float
    r_squared: float
    r2: float
    rmse: float
    ubrmse: float
    bias: float
    slope: float

    def as_dict(self) -> dict[str, float]:
        """Return the metrics by name."""
        return asdict(self)


def metrics(predicted: np.ndarray, observed: np.ndarray) -> Metrics:
    """Compute all metrics of a set of pairs.

    Notes
    -----
    ubRMSE is √(mean(((p − p̄) − (o − ō))²)) = √(RMSE² − bias²).
    """
    n = len(predicted)
    if n == 0:
        nan = float("nan")
        return Metrics(0, nan, nan, nan, nan, nan, nan, nan)
    difference = predicted - observed
    bias = float(difference.mean())
    rmse = float(np.sqrt(np.mean(difference**2)))
    ubrmse = float(np.sqrt(np.mean((difference - bias) ** 2)))
    r = correlation(predicted, observed)
    total = float(np.sum((observed - observed.mean()) ** 2))
    r2 = 1 - float(np.sum(difference**2)) / total if _varies(observed) else float("nan")
    spread = float(predicted.std())
    slope = r * float(observed.std()) / spread if _varies(predicted) else float("nan")
    return Metrics(n, r, r * r, r2, rmse, ubrmse, bias, slope)


def _varies(values: np.ndarray) -> bool:
    """Say whether values differ by more than rounding."""
    return len(values) > 1 and float(np.ptp(values)) > 1e-12 * max(1.0, float(np.abs(values).max()))


def correlation(predicted: np.ndarray, observed: np.ndarray) -> float:
    """Return Pearson's correlation; NaN where there are fewer than three pairs or one side does not vary."""
    if len(predicted) < 3 or not _varies(predicted) or not _varies(observed):
        return float("nan")
    p, o = predicted - predicted.mean(), observed - observed.mean()
    return float(np.clip(np.sum(p * o) / np.sqrt(np.sum(p * p) * np.sum(o * o)), -1, 1))


@dataclass(frozen=True)
class Intervals:
    """Confidence limits of correlation, ubRMSE and bias, and the effective number of samples they rest on."""

    n_effective: float
    r_low: float
    r_high: float
    ubrmse_low: float
    ubrmse_high: float
    bias_low: float
    bias_high: float


def effective_samples(a: np.ndarray, b: np.ndarray) -> float:
    """Return the number of independent pairs for the covariance of two autocorrelated series in order of time.

    For the variance of one series give it twice. n (1 − ρ_a ρ_b) / (1 + ρ_a ρ_b) with the lag-1 autocorrelations ρ (Bretherton et al. 1999, doi 10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2,
    Eq. 31); between 2 and n.
    """
    return _effective(len(a), _lag1(a) * _lag1(b))


def _effective(n: int, memory: float) -> float:
    if not np.isfinite(memory):
        return float(n)
    return float(np.clip(n * (1 - memory) / (1 + memory), 2, n))


def _lag1(values: np.ndarray) -> float:
    centred = values - values.mean()
    power = float(np.sum(centred**2))
    return float(np.sum(centred[1:] * centred[:-1])) / power if power > 0 else float("nan")


def intervals(predicted: np.ndarray, observed: np.ndarray, level: float = 0.95) -> Intervals:
    """Return confidence limits of a series of pairs in order of time.

    Fisher's z for the correlation, χ² for ubRMSE and Student's t for the bias, each with the effective number of
    samples; NaN where these are fewer than four.

    Parameters
    ----------
    level : float, optional
        Confidence level, 0 to 1.
    """
    n = len(predicted)
    nan = float("nan")
    if n < 4:
        return Intervals(float(n), nan, nan, nan, nan, nan, nan)
    tail = (1 - level) / 2
    r = correlation(predicted, observed)
    n_r = effective_samples(predicted, observed)
    r_low = r_high = nan
    if np.isfinite(r) and n_r > 3 and abs(r) < 1:
        half = stats.norm.ppf(1 - tail) / np.sqrt(n_r - 3)
        r_low, r_high = (float(np.tanh(np.arctanh(r) + sign * half)) for sign in (-1, 1))
    difference = predicted - observed
    n_variance = effective_samples(difference, difference)
    # A mean forgets more slowly than a variance: its memory is ρ, not ρ² (Bretherton et al. 1999, Eq. 30).
    n_mean = _effective(n, _lag1(difference))
    spread = float(difference.std(ddof=1))
    freedom = n_variance - 1
    low, high = (float(np.sqrt(freedom * spread**2 / stats.chi2.ppf(p, freedom))) for p in (1 - tail, tail))
    half = float(stats.t.ppf(1 - tail, n_mean - 1) * spread / np.sqrt(n_mean))
    bias = float(difference.mean())
    return Intervals(n_r, r_low, r_high, low, high, bias - half, bias + half)
