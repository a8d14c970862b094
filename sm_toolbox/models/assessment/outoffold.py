"""Out-of-fold predictions: every row predicted by a model that was trained without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.baselines import BaselineResult, best_of, evaluate_baselines, skill
from sm_toolbox.models.assessment.calibration import LEVELS, Coverage, coverage
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.importance import parts, permutation_increase
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.learners.base import Estimator, FittedModel, mean_and_quantiles
from sm_toolbox.models.learners.threads import side_by_side
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.progress import Progress

# Of a fold: predictions (rows,), quantiles (rows, levels), and the increase of the RMSE by predictor, if asked for.
_Judged = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]


@dataclass(frozen=True)
class SplitResult:
    """Errors of one way of splitting.

    Parameters
    ----------
    name : str
        A word of `splits.SPLITS`.
    left_out : str
        What a fold leaves out, in words.
    predictions : ndarray of float64 (rows,)
        Of each row by the model that did not see its fold.
    fold : ndarray of int (rows,)
        From 1.
    metrics : Metrics
        Over the rows that a model is judged by (`TrainingTable.rated`), as all that follows.
    baselines : list of BaselineResult
        What costs nothing, under the same folds; none where they are not wanted.
    by_fold : list of Metrics
    importance : ndarray of float64 (folds, predictors)
        Increase of the RMSE on left-out rows when a predictor is shuffled; of no rows where it was not asked for.
    quantiles : ndarray of float64 (rows, levels)
        Out-of-fold quantiles at `calibration.LEVELS`; the prediction itself for kinds without quantiles.
    coverage : Coverage
        Of the calibrated intervals.
    """

    name: str
    left_out: str
    predictions: np.ndarray
    fold: np.ndarray
    metrics: Metrics
    baselines: list[BaselineResult]
    by_fold: list[Metrics]
    importance: np.ndarray
    quantiles: np.ndarray
    coverage: Coverage

    @property
    def best_baseline(self) -> BaselineResult | None:
        """The baseline of the smallest error; None where there is none."""
        return best_of(self.baselines) if self.baselines else None

    @property
    def skill(self) -> float:
        """The share of the best baseline's error that the model removes; NaN without one."""
        best = self.best_baseline
        return float("nan") if best is None else skill(self.metrics.rmse, best.metrics.rmse)


def evaluate(
    problem: Problem,
    split: Split,
    folds: Folds,
    estimators: Sequence[Estimator],
    fits: Sequence[Progress],
    progress: Progress,
    with_importance: bool,
) -> SplitResult:
    """Predict every row by a model that did not see its fold.

    Parameters
    ----------
    problem : Problem
    split : Split
    folds : list of (ndarray of int, ndarray of int)
        How it divides the rows.
    estimators : sequence of Estimator
        One for each fold.
    fits : sequence of Progress
        One for each fold.
    progress : Progress
        For what is to be said.
    with_importance : bool
        Whether predictors are shuffled, too.

    Returns
    -------
    SplitResult

    Raises
    ------
    InputError
        Where there is nothing to learn without some fold.
    """
    table = problem.table
    check_targets(table, folds, split.key)
    rated = table.rated
    _check_weights(table, folds, split.key)
    predictions, fold_of_row = np.full(len(table), np.nan), np.zeros(len(table), np.int64)
    quantiles = np.full((len(table), len(LEVELS)), np.nan)
    by_fold, importance = [], []
    tasks = [partial(_judge, problem, with_importance, *rows, estimator) for rows, estimator in zip(folds, estimators)]
    judged = side_by_side(tasks, fits, problem.size_for(estimators[0]))
    for fold, ((_, test_rows), (means, levels, increase)) in enumerate(zip(folds, judged), start=1):
        predictions[test_rows], quantiles[test_rows], fold_of_row[test_rows] = means, levels, fold
        of_fold = table.rated_of(test_rows)
        by_fold.append(metrics(predictions[of_fold], table.target[of_fold]))
        if increase is not None:
            importance.append(increase)
        progress.info(
            f"Split '{split.key}', fold {fold} of {len(folds)}: RMSE {by_fold[-1].rmse:.4f} on {len(of_fold)} "
            "rows left out."
        )
    return SplitResult(
        split.key,
        split.left_out,
        predictions,
        fold_of_row,
        metrics(predictions[rated], table.target[rated]),
        evaluate_baselines(problem, folds, rated),
        by_fold,
        np.array(importance).reshape(-1, table.predictors.shape[1]),
        quantiles,
        coverage(table.target, quantiles, folds, rated),
    )


def check_targets(table: TrainingTable, folds: Folds, key: str) -> None:
    """Reject folds without which there is nothing to learn.

    Parameters
    ----------
    table : TrainingTable
    folds : list of (ndarray of int, ndarray of int)
        Training and test rows of each fold.
    key : str
        The split, for the message.

    Raises
    ------
    InputError
        Where the target is the same in all rows of a training.
    """
    for fold, (train_rows, _) in enumerate(folds, start=1):
        if np.ptp(table.target[train_rows]) == 0:
            raise InputError(
                f"Without fold {fold} of `split` '{key}' the target is the same in all rows: there is nothing to "
                "learn. Give fewer `folds`, or choose another `split`."
            )


def _check_weights(table: TrainingTable, folds: Folds, key: str) -> None:
    if table.weights is None:
        return
    for fold, (train_rows, _) in enumerate(folds, start=1):
        if not table.weights[train_rows].sum() > 0:
            raise InputError(
                f"Without fold {fold} of `split` '{key}' all rows have the weight 0: there is nothing to learn from. "
                "Give more rows a weight, or choose another `split`."
            )


def _judge(
    problem: Problem,
    with_importance: bool,
    train_rows: np.ndarray,
    test_rows: np.ndarray,
    estimator: Estimator,
    progress: Progress,
) -> _Judged:
    """Fit to some rows, and predict others."""
    table, encoder = problem.table, problem.encoder
    fitted = problem.take(train_rows).fit(estimator, progress)
    means, levels = _predict_with_quantiles(fitted, encoder.encode(table.predictors[test_rows]), progress)
    if not with_importance:
        return means, levels, None
    of_fold = table.rated_of(test_rows)
    rows = table.predictors[of_fold], table.target[of_fold]
    rng = np.random.default_rng(problem.seed)
    return means, levels, permutation_increase(fitted, encoder, *rows, rng, progress=progress)


def _predict_with_quantiles(
    fitted: FittedModel, features: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions (rows,) and quantiles at `LEVELS`, or the prediction where the kind has no quantiles."""
    means, quantiles = np.empty(len(features)), np.empty((len(features), len(LEVELS)))
    for part in parts(len(features)):
        progress.check()
        means[part], quantiles[part] = mean_and_quantiles(fitted, features[part], LEVELS)
    return means, quantiles
