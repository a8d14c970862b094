"""Agreement of predicted with observed soil moisture: plain functions of two arrays.

Throughout, `predicted` and `observed` are float arrays of one shape (n,) in m³ m⁻³ without missing values, and
differences are predicted − observed.

A new metric is one function and its row in `METRICS`: model files and the tables of all reports have it then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

MOISTURE_UNIT = "m³ m⁻³"
"""The unit of soil moisture in reports and logs."""


class Pairs:
    """Predictions with observations, and what several metrics have in common.

    Parameters
    ----------
    predicted, observed : ndarray of float (n,)
        At least one pair.
    """

    def __init__(self, predicted: np.ndarray, observed: np.ndarray):
        self.predicted, self.observed = predicted, observed

    @cached_property
    def difference(self) -> np.ndarray:
        """Predicted − observed (n,)."""
        return self.predicted - self.observed

    @cached_property
    def bias(self) -> float:
        """Mean difference."""
        return float(self.difference.mean())

    @cached_property
    def r(self) -> float:
        """Pearson's correlation."""
        return correlation(self.predicted, self.observed)


def _r2(pairs: Pairs) -> float:
    observed = pairs.observed
    total = float(np.sum((observed - observed.mean()) ** 2))
    return 1 - float(np.sum(pairs.difference**2)) / total if _varies(observed) else float("nan")


def _ubrmse(pairs: Pairs) -> float:
    """Return √(mean(((p − p̄) − (o − ō))²)) = √(RMSE² − bias²); NaN for one pair, which has no error but its bias."""
    if len(pairs.difference) < 2:
        return float("nan")
    return float(np.sqrt(np.mean((pairs.difference - pairs.bias) ** 2)))


def _slope(pairs: Pairs) -> float:
    spread = float(pairs.predicted.std())
    return pairs.r * float(pairs.observed.std()) / spread if _varies(pairs.predicted) else float("nan")


@dataclass(frozen=True)
class Metric:
    """A row of `METRICS`.

    Parameters
    ----------
    key : str
        Its name in tables and model files.
    symbol : str
        Its name in reports.
    unit : str
        "" where it has none.
    meaning : str
        What it is, in a part of a sentence.
    compute : callable
        Takes `Pairs` (at least one), returns a float; NaN where there are too few pairs or one side does not vary.
    explained : str, optional
        Sentence below the tables of reports; "" where that of another metric says it.
    is_own : bool, optional
        False for what another metric implies: short tables leave it out.
    """

    key: str
    symbol: str
    unit: str
    meaning: str
    compute: Callable[[Pairs], float]
    explained: str = ""
    is_own: bool = True


METRICS: dict[str, Metric] = {
    row.key: row
    for row in (
        Metric("n", "n", "", "pairs", lambda pairs: len(pairs.predicted)),
        Metric(
            "r",
            "R",
            "",
            "Pearson's correlation",
            lambda pairs: pairs.r,
            "R is Pearson's correlation and r² its square.",
        ),
        Metric("r_squared", "r²", "", "square of Pearson's correlation", lambda pairs: pairs.r * pairs.r, is_own=False),
        Metric(
            "r2",
            "R²",
            "",
            "coefficient of determination 1 − SSE/SST",
            _r2,
            "R² = 1 − SSE/SST is the share of the variance explained; it is negative where the observed mean "
            "would be the better prediction.",
        ),
        Metric(
            "rmse",
            "RMSE",
            "m³ m⁻³",
            "root mean square error",
            lambda pairs: float(np.sqrt(np.mean(pairs.difference**2))),
            "RMSE, ubRMSE (RMSE without the bias) and bias (predicted − observed) are in m³ m⁻³.",
        ),
        Metric("ubrmse", "ubRMSE", "m³ m⁻³", "root mean square error without the bias", _ubrmse),
        Metric("bias", "bias", "m³ m⁻³", "mean of predicted − observed", lambda pairs: pairs.bias),
        Metric(
            "slope",
            "slope",
            "",
            "slope of the regression of observed on predicted (Fan et al. 2022, IEEE JSTARS, Eq. 6)",
            _slope,
            "The slope is that of observed on predicted; 1 is ideal.",
        ),
    )
}
"""Metrics by key, in the order of tables."""


@dataclass(frozen=True)
class Metrics:
    """Metrics of one set of pairs, each an attribute: `metrics(p, o).rmse`.

    Parameters
    ----------
    values : mapping of str to float
        By the keys of `METRICS`; NaN where there are too few pairs or one side does not vary.
    """

    values: Mapping[str, float]

    @property
    def n(self) -> int:
        """Pairs."""
        return int(self.values["n"])

    def __getattr__(self, key: str) -> float:
        try:
            # Not self.values, which copying and unpickling ask for before it is there.
            return self.__dict__["values"][key]
        except KeyError:
            raise AttributeError(f"there is no metric '{key}'") from None

    def as_dict(self) -> dict[str, float]:
        """Return the metrics by name."""
        return dict(self.values)


def metrics(predicted: np.ndarray, observed: np.ndarray) -> Metrics:
    """Compute all metrics of a set of pairs.

    Parameters
    ----------
    predicted, observed : ndarray of float64 (pairs,)
        Without NaN.

    Returns
    -------
    Metrics
        NaN for those that so few pairs do not have.

    Examples
    --------
    >>> values = metrics(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.12, 0.22, 0.28, 0.38]))
    >>> values.n, round(values.rmse, 3), round(values.bias, 3), round(values.r, 3)
    (4, 0.02, 0.0, 0.995)
    """
    if len(predicted) == 0:
        return Metrics({key: 0 if key == "n" else float("nan") for key in METRICS})
    pairs = Pairs(predicted, observed)
    return Metrics({key: row.compute(pairs) for key, row in METRICS.items()})


def _varies(values: np.ndarray) -> bool:
    """Return whether values differ by more than rounding."""
    return len(values) > 1 and float(np.ptp(values)) > 1e-12 * max(1.0, float(np.abs(values).max()))


def correlation(predicted: np.ndarray, observed: np.ndarray) -> float:
    """Return Pearson's correlation; NaN where there are fewer than three pairs or one side does not vary.

    Parameters
    ----------
    predicted, observed : ndarray of float64 (pairs,)

    Returns
    -------
    float
    """
    if len(predicted) < 3 or not _varies(predicted) or not _varies(observed):
        return float("nan")
    p, o = predicted - predicted.mean(), observed - observed.mean()
    return float(np.clip(np.sum(p * o) / np.sqrt(np.sum(p * p) * np.sum(o * o)), -1, 1))


FEWEST_EFFECTIVE = 10
"""Effective samples below which limits would hold less often than they say."""


@dataclass(frozen=True)
class Intervals:
    """Confidence limits of metrics, and the number of samples they rest on.

    Parameters
    ----------
    n_effective : float
        Effective number of samples.
    r_low, r_high : float
        Of the correlation.
    ubrmse_low, ubrmse_high, bias_low, bias_high : float
        In the unit of the pairs.
    """

    n_effective: float
    r_low: float
    r_high: float
    ubrmse_low: float
    ubrmse_high: float
    bias_low: float
    bias_high: float


def effective_samples(a: np.ndarray, b: np.ndarray) -> float:
    """Return the number of independent pairs for the covariance of two autocorrelated series in order of time.

    For the variance of one series give it twice. n (1 − ρ_a ρ_b) / (1 + ρ_a ρ_b) with the lag-1 autocorrelations ρ
    (Bretherton et al. 1999, doi 10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2, Eq. 31), of which the bias of short
    samples is taken away, (n ρ̂ + 1) / (n − 4); between 2 and n.

    Parameters
    ----------
    a, b : ndarray of float64 (n,)
        In order of time, at equal steps.

    Returns
    -------
    float
    """
    return _effective(len(a), _memory(a) * _memory(b))


def _effective(n: int, memory: float) -> float:
    if not np.isfinite(memory):
        return float(n)
    return float(np.clip(n * (1 - memory) / (1 + memory), 2, n)) if memory < 1 else 2.0


def _memory(values: np.ndarray) -> float:
    """Return the lag-1 autocorrelation without the bias that a short sample has: (n ρ̂ + 1) / (n − 4), at most 1."""
    n = len(values)
    return min(1.0, (n * lag1_correlation(values) + 1) / (n - 4)) if n > 4 else float("nan")


def lag1_correlation(values: np.ndarray) -> float:
    """Return how much each value resembles the one before it.

    Parameters
    ----------
    values : ndarray of float64 (n,)
        In order of time, at equal steps.

    Returns
    -------
    float
        The sample's lag-1 autocorrelation; NaN where it does not vary.
    """
    centred = values - values.mean()
    power = float(np.sum(centred**2))
    return float(np.sum(centred[1:] * centred[:-1])) / power if power > 0 else float("nan")


def student_limits(mean: float, error: float, freedom: float) -> tuple[float, float, float]:
    """Return the 95 % confidence limits of a mean by Student's t, and the p-value of a mean of zero.

    Parameters
    ----------
    mean : float
    error : float
        Its standard error, above 0, in the same unit.
    freedom : float
        Degrees of freedom, above 0.

    Returns
    -------
    low, high : float
        In the unit of the mean.
    p_value : float
        Two-sided.
    """
    # As in `intervals`: prediction needs no scipy.
    from scipy.special import stdtr, stdtrit

    reach = float(stdtrit(freedom, 0.975)) * error
    return mean - reach, mean + reach, float(2 * stdtr(freedom, -abs(mean) / error))


def intervals(predicted: np.ndarray, observed: np.ndarray, level: float = 0.95) -> Intervals:
    """Return confidence limits of a series of pairs in order of time.

    Fisher's z for the correlation, χ² for ubRMSE and Student's t for the bias, each with the effective number of
    samples, from autocorrelations without the bias of short samples; NaN where these are fewer than
    `FEWEST_EFFECTIVE`.

    Parameters
    ----------
    predicted, observed : ndarray of float64 (pairs,)
        In order of time, without NaN.
    level : float, optional
        Confidence level, 0 to 1.

    Returns
    -------
    Intervals
    """
    # Prediction reads metrics of model files and needs no scipy, which takes long to load.
    from scipy import stats

    n = len(predicted)
    nan = float("nan")
    if n < FEWEST_EFFECTIVE:
        return Intervals(float(n), nan, nan, nan, nan, nan, nan)
    tail = (1 - level) / 2
    r = correlation(predicted, observed)
    n_r = effective_samples(predicted, observed)
    r_low = r_high = low = high = nan
    if np.isfinite(r) and n_r >= FEWEST_EFFECTIVE and abs(r) < 1:
        half = stats.norm.ppf(1 - tail) / np.sqrt(n_r - 3)
        r_low, r_high = (float(np.tanh(np.arctanh(r) + sign * half)) for sign in (-1, 1))
    difference = predicted - observed
    memory = _memory(difference)
    n_variance = effective_samples(difference, difference)
    # A mean forgets more slowly than a variance: its memory is ρ, not ρ² (Bretherton et al. 1999, Eq. 30).
    n_mean = _effective(n, memory)
    spread = float(difference.std(ddof=1))
    freedom = n_variance - 1
    if n_variance >= FEWEST_EFFECTIVE:
        low, high = (float(np.sqrt(freedom * spread**2 / stats.chi2.ppf(p, freedom))) for p in (1 - tail, tail))
    half = float(stats.t.ppf(1 - tail, n_mean - 1) * spread / np.sqrt(n_mean)) if n_mean >= FEWEST_EFFECTIVE else nan
    bias = float(difference.mean())
    return Intervals(n_r, r_low, r_high, low, high, bias - half, bias + half)
