"""What all fits of a training have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator, FittedModel
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.progress import Progress


@dataclass(frozen=True)
class Problem:
    """Training data, encoder and seed: what all fits of a training share.

    Parameters
    ----------
    table : TrainingTable
    encoder : FeatureEncoder
    seed : int
        Of all that is drawn.
    """

    table: TrainingTable
    encoder: FeatureEncoder
    seed: int

    def take(self, rows: np.ndarray) -> Problem:
        """Return the problem of some of the rows.

        Parameters
        ----------
        rows : ndarray of int

        Returns
        -------
        Problem
        """
        return replace(self, table=self.table.take(rows))

    def joined(self, other: TrainingTable, weight: float) -> Problem:
        """Return the problem with the rows of another table, too, which have a weight of their own.

        Parameters
        ----------
        other : TrainingTable
        weight : float

        Returns
        -------
        Problem
        """
        return replace(self, table=self.table.joined(other, weight))

    def fit(self, estimator: Estimator, progress: Progress) -> FittedModel:
        """Fit an estimator to all rows.

        Parameters
        ----------
        estimator : Estimator
        progress : Progress

        Returns
        -------
        FittedModel
        """
        table = self.table
        return estimator.fit(self.encoder.encode(table.predictors), table.target, table.weights, self.seed, progress)
