"""Correlated predictors."""

from __future__ import annotations

import numpy as np

from sm_toolbox.models.assessment.selection import PredictorSelection


def correlations(selection: PredictorSelection) -> tuple[list[str], np.ndarray]:
    """Return Pearson correlations between the predictors as the model sees them.

    A cyclic predictor enters as its sine and its cosine: 359° and 1° are neighbours, which a correlation of the angles
    would not know.

    Parameters
    ----------
    selection : PredictorSelection

    Returns
    -------
    names : list of str
        Of the features.
    correlation : ndarray of float64 (features, features)
        NaN where a feature does not vary.
    """
    features = selection.encoder.encode(selection.table.predictors).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return selection.encoder.names, np.atleast_2d(np.corrcoef(features, rowvar=False))


def alike(selection: PredictorSelection, least: float = 0.8) -> list[tuple[str, str, float]]:
    """List pairs of correlated features of different predictors, the strongest first.

    Parameters
    ----------
    selection : PredictorSelection
    least : float, optional
        Smallest absolute correlation.

    Returns
    -------
    list of (str, str, float)
    """
    names, correlation = correlations(selection)
    encoder = selection.encoder
    owner = [name for name, width in zip(encoder.predictors, encoder.widths) for _ in range(width)]
    pairs = [
        (names[i], names[j], float(correlation[i, j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if owner[i] != owner[j] and abs(correlation[i, j]) >= least
    ]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))
