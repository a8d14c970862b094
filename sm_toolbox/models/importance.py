"""How much a model leans on each predictor."""

from __future__ import annotations

import numpy as np

from sm_toolbox.models.estimators import FittedModel
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.progress import SILENT, Progress


def permutation_increase(
    fitted: FittedModel, encoder: FeatureEncoder, predictors: np.ndarray, target: np.ndarray, rng: np.random.Generator, repeats: int = 3,
    progress: Progress = SILENT,
) -> np.ndarray:  # fmt: skip
    """Return how much the RMSE of left-out rows grows when the values of one predictor are shuffled among them.

    Computed on rows that the model was not trained on, so that a predictor it merely memorised does not count
    (Breiman 2001; Fisher, Rudin & Dominici 2019, arXiv 1801.01489). A cyclic predictor is shuffled as a whole.

    Parameters
    ----------
    predictors : ndarray (rows, predictors)
    target : ndarray (rows,)

    Returns
    -------
    ndarray of float64 (predictors,)
        In the target's unit; about zero or below where the model does not need the predictor.
    """
    base = _rmse(fitted.predict(encoder.encode(predictors)), target)
    increase = np.zeros(predictors.shape[1])
    shuffled = predictors.copy()
    for column in range(predictors.shape[1]):
        for _ in range(repeats):
            progress.check()
            shuffled[:, column] = rng.permutation(predictors[:, column])
            increase[column] += (_rmse(fitted.predict(encoder.encode(shuffled)), target) - base) / repeats
        shuffled[:, column] = predictors[:, column]
    return increase


def _rmse(predicted: np.ndarray, observed: np.ndarray) -> float:
    return float(np.sqrt(np.mean((predicted - observed) ** 2)))
