"""What costs nothing: predictions that any model must beat before it is worth having, under the same folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.sensors.quantities import quantity_of

_WINDOW_DAYS = 15
_DAYS_OF_YEAR = 366


@dataclass(frozen=True)
class Baseline:
    """A way to predict without a model.

    Parameters
    ----------
    label : str
        In words; {} is the predictor of a line.
    predict : callable
        `predict(problem, train, test) -> (predictions, predictor)`: of some rows after others, and the name of the
        predictor that was used; None where these rows do not allow it.
    source : str
    """

    label: str
    predict: Callable[[Problem, np.ndarray, np.ndarray], tuple[np.ndarray, str] | None]
    source: str


@dataclass(frozen=True)
class BaselineResult:
    """What a baseline reaches on rows left out.

    Parameters
    ----------
    key : str
        Of `BASELINES`.
    label : str
        In words.
    predictions : ndarray of float64 (rows,)
    metrics : Metrics
        Over the rows that are rated.
    """

    key: str
    label: str
    predictions: np.ndarray
    metrics: Metrics


def _weights(table: TrainingTable, rows: np.ndarray) -> np.ndarray:
    return np.ones(len(rows)) if table.weights is None else table.weights[rows]


def _mean(problem: Problem, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, str]:
    table = problem.table
    return np.full(len(test), np.average(table.target[train], weights=_weights(table, train))), ""


def _climatology(problem: Problem, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, str] | None:
    """Predict the mean of the training rows within 15 days of the day of the year, of whatever year; else of all."""
    table = problem.table
    if table.times is None:
        return None
    days = table.times.astype("datetime64[D]")
    of_year = (days - days.astype("datetime64[Y]")).astype(int)
    if np.ptp(of_year) == 0:
        return None
    weights = _weights(table, train)
    sums, counts = (
        np.bincount(of_year[train], weights * values, _DAYS_OF_YEAR) for values in (table.target[train], 1.0)
    )
    # Around the turn of the year days of both sides are near.
    around = (np.arange(_DAYS_OF_YEAR)[:, None] + np.arange(-_WINDOW_DAYS, _WINDOW_DAYS + 1)) % _DAYS_OF_YEAR
    total, count = sums[around].sum(axis=1), counts[around].sum(axis=1)
    mean = np.average(table.target[train], weights=weights)
    return np.where(count > 0, total / np.where(count > 0, count, 1), mean)[of_year[test]], ""


def _line(problem: Problem, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, str] | None:
    """Predict by least squares on one predictor: a product of soil moisture where there is one, else the best."""
    table, encoder = problem.table, problem.encoder
    amounts = [
        i for i, name in enumerate(encoder.predictors) if name not in encoder.classes and name not in encoder.periods
    ]
    products = [i for i in amounts if _is_moisture(encoder.predictors[i])]
    weights = _weights(table, train)
    weights = weights / weights.sum()
    target = table.target[train] - weights @ table.target[train]
    best: tuple[float, int, float, float] | None = None
    for i in products or amounts:
        values = table.predictors[train, i]
        middle = float(weights @ values)
        away = values - middle
        spread, together = float(weights @ away**2), float(weights @ (away * target))
        if spread > 0 and (best is None or together**2 / spread > best[0]):
            best = (together**2 / spread, i, together / spread, middle)
    if best is None:
        return None
    _, i, slope, middle = best
    mean = float(weights @ table.target[train])
    return mean + slope * (table.predictors[test, i] - middle), encoder.predictors[i]


def _is_moisture(name: str) -> bool:
    quantity = quantity_of(name)
    return quantity is not None and quantity.key == "soil_moisture"


BASELINES = {
    "mean": Baseline("the mean of the training rows", _mean, ""),
    "climatology": Baseline(
        f"the mean of the training rows within {_WINDOW_DAYS} days of the day of the year", _climatology, ""
    ),
    "line": Baseline("a straight line on {}", _line, ""),
}
"""By key."""


def evaluate_baselines(problem: Problem, folds: Folds, rated: np.ndarray | None = None) -> list[BaselineResult]:
    """Predict every row by each baseline, made of the rows that its fold leaves.

    Parameters
    ----------
    problem : Problem
    folds : list of (ndarray of int, ndarray of int)
        Training and test rows of each fold; the same as the model's.
    rated : ndarray of bool (rows,), optional
        Rows that count; by default all.

    Returns
    -------
    list of BaselineResult
        Without those that these rows do not allow: a climatology needs times.
    """
    table = problem.table
    rated = np.ones(len(table), bool) if rated is None else rated
    results = []
    for key, baseline in BASELINES.items():
        predictions, names = np.full(len(table), np.nan), Counter[str]()
        parts = [(test, baseline.predict(problem, train, test)) for train, test in folds]
        if any(part is None for _, part in parts):
            continue
        for test, part in parts:
            assert part is not None
            predictions[test] = part[0]
            names[part[1]] += len(test)
        label = baseline.label.format(names.most_common(1)[0][0])
        results.append(BaselineResult(key, label, predictions, metrics(predictions[rated], table.target[rated])))
    return results


def best_of(results: Sequence[BaselineResult]) -> BaselineResult:
    """Return the baseline of the smallest error.

    Parameters
    ----------
    results : sequence of BaselineResult

    Returns
    -------
    BaselineResult
    """
    return min(results, key=lambda result: result.metrics.rmse)


def skill(rmse: float, baseline: float) -> float:
    """Return the share of a baseline's error that a model removes: 1 − RMSE / RMSE of the baseline.

    Parameters
    ----------
    rmse, baseline : float

    Returns
    -------
    float
        1 for no error, 0 where the model is as good as the baseline; NaN where the baseline makes no error.

    Examples
    --------
    >>> skill(0.06, 0.08)
    0.25
    """
    return 1 - rmse / baseline if baseline > 0 else float("nan")
