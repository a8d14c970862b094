"""Training: folds, out-of-fold predictions, importance, and the final model with all that is known about it."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import sm_toolbox
from sm_toolbox.errors import InputError
from sm_toolbox.models.estimators import Estimator, hyperparameters_of
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.importance import permutation_increase
from sm_toolbox.models.modelfile import FORMAT, FORMAT_VERSION, Model
from sm_toolbox.models.splits import Split, StationSplit, make_split
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.validation.metrics import Metrics, metrics


@dataclass(frozen=True)
class SplitResult:
    """What one way of splitting says about the model.

    Parameters
    ----------
    name : str
        `random`, `station`, `time` or `block`.
    left_out : str
        What a fold leaves out, in words.
    predictions : ndarray of float64 (rows,)
        Of each row by the model that did not see its fold.
    fold : ndarray of int (rows,)
        From 1.
    metrics : Metrics
        Over all rows.
    by_fold : list of Metrics
    """

    name: str
    left_out: str
    predictions: np.ndarray
    fold: np.ndarray
    metrics: Metrics
    by_fold: list[Metrics]


@dataclass(frozen=True)
class Training:
    """A trained model and the evidence for what it is worth.

    Parameters
    ----------
    model : Model
    table : TrainingTable
    splits : list of SplitResult
        The chosen split first, then the one it is compared with.
    importance : ndarray of float64 (folds, predictors)
        Increase of the RMSE on the left-out rows of the chosen split.
    """

    model: Model
    table: TrainingTable
    splits: list[SplitResult]
    importance: np.ndarray

    @property
    def chosen(self) -> SplitResult:
        """The split that the user chose."""
        return self.splits[0]


def train(
    table: TrainingTable,
    kind: str,
    estimator: Estimator,
    split_name: str,
    split: Split,
    periods: dict[str, float] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Training:
    """Evaluate a model on what it has not seen, then fit it to all rows.

    The chosen split is shown beside the random one (or, where that is chosen, beside whole stations, where stations are known),
    because the difference between the two says what part of the skill is memory of the place.

    Parameters
    ----------
    table : TrainingTable
    kind : str
        Word of the model's kind, for the manifest.
    estimator : Estimator
    split_name : {'random', 'station', 'time', 'block'}
    split : Split
    periods : mapping of str to float, optional
        Cyclic predictors.
    seed : int, optional

    Raises
    ------
    InputError
        Where the split is not possible with these rows.
    Cancelled
        Within a batch of trees of the user's Cancel.
    """
    progress.check()
    encoder = FeatureEncoder(table.roles.predictors, periods or {})
    beside = _beside(split_name, split, table)
    rounds = len(split.split(table, seed)) + (len(beside[1].split(table, seed)) if beside else 0) + 1
    done = 0

    def next_part() -> Progress:
        nonlocal done
        done += 1
        return progress.part((done - 1) / rounds, done / rounds)

    importance: list[np.ndarray] = []
    results = [_evaluate(table, encoder, estimator, split_name, split, seed, next_part, progress, importance)]
    if beside:
        results.append(_evaluate(table, encoder, estimator, *beside, seed, next_part, progress, None))
    progress.info(f"Fitting the final model to all {len(table)} rows.")
    fitted = estimator.fit(encoder.encode(table.predictors), table.target, table.weights, seed, next_part())
    manifest = _manifest(table, kind, estimator, encoder, results, np.array(importance), seed)
    return Training(Model(manifest, encoder, fitted), table, results, np.array(importance))


def _beside(name: str, split: Split, table: TrainingTable) -> tuple[str, Split] | None:
    folds: int = split.folds  # type: ignore[attr-defined]
    if name != "random":
        return "random", make_split("random", folds)
    if table.stations is None or len(np.unique(table.stations)) < folds:
        return None
    return "station", StationSplit(folds)


def _evaluate(table, encoder, estimator, name, split, seed, next_part, progress, importance) -> SplitResult:  # type: ignore[no-untyped-def]
    predictions = np.full(len(table), np.nan)
    number = np.zeros(len(table), np.int64)
    by_fold = []
    folds = split.split(table, seed)
    for fold, (train_rows, test_rows) in enumerate(folds, start=1):
        if np.ptp(table.target[train_rows]) == 0:
            raise InputError(
                f"Without fold {fold} of SPLIT '{name}' the target is the same in all rows: there is nothing to learn. Give fewer FOLDS, or choose another SPLIT."
            )
        weights = None if table.weights is None else table.weights[train_rows]
        fitted = estimator.fit(encoder.encode(table.predictors[train_rows]), table.target[train_rows], weights, seed, next_part())
        predictions[test_rows] = fitted.predict(encoder.encode(table.predictors[test_rows]))
        number[test_rows] = fold
        by_fold.append(metrics(predictions[test_rows], table.target[test_rows]))
        if importance is not None:
            importance.append(
                permutation_increase(fitted, encoder, table.predictors[test_rows], table.target[test_rows], np.random.default_rng(seed))
            )
        progress.info(f"Split '{name}', fold {fold} of {len(folds)}: RMSE {by_fold[-1].rmse:.4f} on {len(test_rows)} rows left out.")
    return SplitResult(name, split.left_out, predictions, number, metrics(predictions, table.target), by_fold)


def _manifest(
    table: TrainingTable, kind: str, estimator: Estimator, encoder: FeatureEncoder, results: list[SplitResult], importance: np.ndarray, seed: int
) -> dict[str, Any]:
    predictors = []
    for i, name in enumerate(encoder.predictors):
        values = table.predictors[:, i]
        predictors.append({
            "name": name, "minimum": float(values.min()), "maximum": float(values.max()), "mean": float(values.mean()), "sd": float(values.std()),
            "period": encoder.periods.get(name), "importance": float(importance[:, i].mean()),
        })  # fmt: skip
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "task": "regression",
        "target": {"name": table.roles.target, "unit": "m3 m-3", "minimum": float(table.target.min()), "maximum": float(table.target.max())},
        "predictors": predictors,
        "hyperparameters": hyperparameters_of(estimator),
        "validation": [
            {
                "split": result.name,
                "left_out": result.left_out,
                "folds": len(result.by_fold),
                "metrics": _plain(result.metrics),
                "by_fold": [_plain(m) for m in result.by_fold],
            }
            for result in results
        ],
        "training": {
            "layer": table.layer,
            "rows": len(table),
            "dropped": table.dropped,
            "stations": None if table.stations is None else len(np.unique(table.stations)),
            "first": None if table.times is None else str(table.times.min()),
            "last": None if table.times is None else str(table.times.max()),
        },
        "seed": seed,
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": versions("numpy", "scikit-learn", "numba"),
    }


def _plain(values: Metrics) -> dict[str, float | None]:
    """JSON knows no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.as_dict().items()}


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of the toolbox, Python and some packages."""
    found = {"sm_toolbox": sm_toolbox.__version__, "python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
