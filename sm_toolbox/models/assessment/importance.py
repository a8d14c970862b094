"""Permutation importance of predictors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import FittedModel
from sm_toolbox.progress import SILENT, Progress

# The slowest models predict some hundred thousand rows a minute.
_ROWS_AT_ONCE = 2048


def permutation_increase(
    fitted: FittedModel,
    encoder: FeatureEncoder,
    predictors: np.ndarray,
    target: np.ndarray,
    rng: np.random.Generator,
    repeats: int = 3,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Return how much the RMSE of left-out rows grows when the values of one predictor are shuffled among them.

    Computed on rows that the model was not trained on, so that a predictor it merely memorised does not count
    (Breiman 2001; Fisher, Rudin & Dominici 2019, arXiv 1801.01489). A cyclic predictor is shuffled as a whole.

    Parameters
    ----------
    fitted : FittedModel
    encoder : FeatureEncoder
    predictors : ndarray (rows, predictors)
    target : ndarray (rows,)
    rng : numpy.random.Generator
        Shuffles.
    repeats : int, optional
        Shufflings of each predictor, whose mean is returned.
    progress : Progress, optional
        Asked for Cancel.

    Returns
    -------
    ndarray of float64 (predictors,)
        In the target's unit; about zero or below where the model does not need the predictor.
    """
    base = _rmse(_predict(fitted, encoder, predictors, progress), target)
    increase = np.zeros(predictors.shape[1])
    shuffled = predictors.copy()
    for column in range(predictors.shape[1]):
        for _ in range(repeats):
            shuffled[:, column] = rng.permutation(predictors[:, column])
            increase[column] += (_rmse(_predict(fitted, encoder, shuffled, progress), target) - base) / repeats
        shuffled[:, column] = predictors[:, column]
    return increase


def parts(rows: int) -> Iterator[slice]:
    """Cut rows into parts that are predicted between two checks for Cancel.

    Parameters
    ----------
    rows : int

    Returns
    -------
    iterator of slice
    """
    return (slice(start, start + _ROWS_AT_ONCE) for start in range(0, rows, _ROWS_AT_ONCE))


def _predict(fitted: FittedModel, encoder: FeatureEncoder, predictors: np.ndarray, progress: Progress) -> np.ndarray:
    predictions = []
    for part in parts(len(predictors)):
        progress.check()
        predictions.append(fitted.predict(encoder.encode(predictors[part])))
    return np.concatenate(predictions)


def _rmse(predicted: np.ndarray, observed: np.ndarray) -> float:
    return float(np.sqrt(np.mean((predicted - observed) ** 2)))
