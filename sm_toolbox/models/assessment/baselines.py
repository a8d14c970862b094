"""What costs nothing: predictions that any model must beat before it is worth having, under the same folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.sensors.quantities import quantity_of

_WINDOW_DAYS = 15
_DAYS_OF_YEAR = 366


@dataclass(frozen=True)
class FittedBaseline:
    """A baseline made of training rows: plain numbers, which a model file keeps to rate other rows with.

    Parameters
    ----------
    key : str
        Of `BASELINES`.
    label : str
        In words.
    values : tuple of float
        Of the mean: itself. Of a climatology: the means of the 366 days of the year. Of a line: the mean of the
        target, the slope, and the mean of the predictor.
    predictor : str, optional
        Of a line.
    """

    key: str
    label: str
    values: tuple[float, ...]
    predictor: str = ""

    def predict(
        self, predictors: np.ndarray, names: Sequence[str], times: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Predict rows.

        Parameters
        ----------
        predictors : ndarray of float (rows, predictors)
        names : sequence of str
            Of the predictors.
        times : ndarray of datetime64 (rows,), optional

        Returns
        -------
        ndarray of float64 (rows,) or None
            NaN for rows without a time, or without the predictor; None where it needs times and there are none.
        """
        if self.key == "climatology":
            if times is None:
                return None
            known = ~np.isnat(times)
            found = np.full(len(predictors), np.nan)
            found[known] = np.array(self.values)[_days_of_year(times[known])]
            return found
        if self.key == "line":
            start, slope, middle = self.values
            return start + slope * (np.asarray(predictors[:, list(names).index(self.predictor)], np.float64) - middle)
        return np.full(len(predictors), self.values[0])

    def to_record(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"key": self.key, "label": self.label, "values": list(self.values), "predictor": self.predictor}


def baseline_from_record(record: Any, names: Sequence[str]) -> FittedBaseline | None:
    """Read a baseline of a model file.

    Parameters
    ----------
    record : any
        As JSON gives it.
    names : sequence of str
        Of the model's predictors.

    Returns
    -------
    FittedBaseline or None
        None where this version cannot use it.
    """
    if not isinstance(record, Mapping) or not isinstance(record.get("label"), str):
        return None
    key, values, predictor = record.get("key"), record.get("values"), record.get("predictor", "")
    count = {"mean": 1, "climatology": _DAYS_OF_YEAR, "line": 3}.get(str(key))
    if not isinstance(values, (list, tuple)) or len(values) != count:
        return None
    if not all(isinstance(value, (int, float)) and np.isfinite(value) for value in values):
        return None
    if key == "line" and predictor not in names:
        return None
    return FittedBaseline(str(key), record["label"], tuple(map(float, values)), str(predictor))


@dataclass(frozen=True)
class Baseline:
    """A way to predict without a model.

    Parameters
    ----------
    label : str
        In words; {} is the predictor of a line.
    fit : callable
        `fit(problem, train) -> (values, predictor)`: what is to be kept of some rows, as `FittedBaseline` has it; None
        where these rows do not allow it.
    source : str
    """

    label: str
    fit: Callable[[Problem, np.ndarray], tuple[tuple[float, ...], str] | None]
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


def _days_of_year(times: np.ndarray) -> np.ndarray:
    """Return the days of the year (rows,), from 0."""
    days = times.astype("datetime64[D]")
    return (days - days.astype("datetime64[Y]")).astype(int)


def _mean(problem: Problem, train: np.ndarray) -> tuple[tuple[float, ...], str]:
    table = problem.table
    return (float(np.average(table.target[train], weights=_weights(table, train))),), ""


def _climatology(problem: Problem, train: np.ndarray) -> tuple[tuple[float, ...], str] | None:
    """Return the mean of the training rows within 15 days of each day of the year, of whatever year; else of all."""
    table = problem.table
    if table.times is None:
        return None
    of_year = _days_of_year(table.times)
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
    return tuple(np.where(count > 0, total / np.where(count > 0, count, 1), mean).tolist()), ""


def _line(problem: Problem, train: np.ndarray) -> tuple[tuple[float, ...], str] | None:
    """Fit by least squares to one predictor: a product of soil moisture where there is one, else the best."""
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
    return (float(weights @ table.target[train]), slope, middle), encoder.predictors[i]


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


def fit_baselines(problem: Problem, rows: np.ndarray | None = None) -> list[FittedBaseline]:
    """Make what costs nothing of training rows.

    Parameters
    ----------
    problem : Problem
    rows : ndarray of int, optional
        Of its table; by default all.

    Returns
    -------
    list of FittedBaseline
        Without those that these rows do not allow: a climatology needs times.

    Examples
    --------
    >>> from sm_toolbox.models.features import FeatureEncoder
    >>> from sm_toolbox.models.table import Roles, make_training_table
    >>> columns = {"ndvi": [0.1, 0.2, 0.3, 0.4], "sm": [0.1, 0.2, 0.3, 0.4]}
    >>> table = make_training_table(columns, Roles("sm", ("ndvi",)), "table")
    >>> mean, line = fit_baselines(Problem(table, FeatureEncoder(("ndvi",), {}), 0))
    >>> mean.predict(np.array([[0.5]]), ["ndvi"]).round(2), line.predict(np.array([[0.5]]), ["ndvi"]).round(2)
    (array([0.25]), array([0.5]))
    """
    rows = np.arange(len(problem.table)) if rows is None else rows
    fitted = []
    for key, baseline in BASELINES.items():
        made = baseline.fit(problem, rows)
        if made is not None:
            values, predictor = made
            fitted.append(FittedBaseline(key, baseline.label.format(predictor), values, predictor))
    return fitted


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
    table, names = problem.table, problem.encoder.predictors
    rated = np.ones(len(table), bool) if rated is None else rated
    by_fold = [{item.key: item for item in fit_baselines(problem, train)} for train, _ in folds]
    results = []
    for key, baseline in BASELINES.items():
        if not all(key in fitted for fitted in by_fold):
            continue
        predictions, used = np.full(len(table), np.nan), Counter[str]()
        for fitted, (_, test) in zip(by_fold, folds):
            times = None if table.times is None else table.times[test]
            predictions[test] = fitted[key].predict(table.predictors[test], names, times)
            used[fitted[key].predictor] += len(test)
        label = baseline.label.format(used.most_common(1)[0][0])
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
