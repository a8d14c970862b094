"""How a prediction changes with one predictor: accumulated local effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.models.modelfile import Model

_BINS = 20


@dataclass(frozen=True)
class Effect:
    """The effect of one predictor.

    Parameters
    ----------
    at : ndarray of float64 (edges,)
        Values of the predictor, quantiles of the training rows; of a categorical one its classes.
    effect : ndarray of float64 (edges,)
        Change of the prediction against its mean over the rows, in the target's unit.
    """

    at: np.ndarray
    effect: np.ndarray

    @property
    def range(self) -> float:
        """Largest difference that the predictor makes."""
        return float(np.ptp(self.effect))


def local_effects(model: Model, predictors: np.ndarray, column: int, bins: int = _BINS) -> Effect:
    """Accumulate the local effects of a predictor.

    Within each bin of the predictor the rows' predictions at its two edges are compared, so that no row is moved to
    where nothing like it exists, as partial dependence does among correlated predictors (Apley & Zhu 2020, doi
    10.1111/rssb.12377).

    Parameters
    ----------
    model : Model
    predictors : ndarray (rows, predictors)
        Training rows.
    column : int
    bins : int, optional

    Returns
    -------
    Effect
    """
    values = predictors[:, column]
    classes = np.array(model.encoder.classes.get(model.predictors[column], ()))
    if classes.size:
        # Between classes there is nothing: each row is predicted as if it were of each of them.
        made, of_class = np.empty(len(classes)), predictors.copy()
        for number, value in enumerate(classes):
            of_class[:, column] = value
            made[number] = model.predict(of_class).mean()
        share = [np.count_nonzero(values == np.float32(value)) for value in classes]
        return Effect(classes, made - np.average(made, weights=share if any(share) else None))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    if len(edges) < 2:
        return Effect(edges.astype(np.float64), np.zeros(len(edges)))
    bin_index = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, len(edges) - 2)
    low, high = predictors.copy(), predictors.copy()
    low[:, column], high[:, column] = edges[bin_index], edges[bin_index + 1]
    change = model.predict(high) - model.predict(low)
    counts = np.bincount(bin_index, minlength=len(edges) - 1)
    steps = np.bincount(bin_index, change, len(edges) - 1) / np.maximum(counts, 1)
    effect = np.concatenate([[0.0], np.cumsum(steps)])
    centre = np.average((effect[1:] + effect[:-1]) / 2, weights=counts)
    return Effect(edges.astype(np.float64), effect - centre)
