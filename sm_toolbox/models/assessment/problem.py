"""What all fits of a training have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.assessment.stopping import held_apart
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator, FittedModel
from sm_toolbox.models.learners.sequences import OfSequences
from sm_toolbox.models.sequences import Sequences, find_sequences
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
    split : Split, optional
        By which rows are held apart where a fit watches some for when to stop.
    """

    table: TrainingTable
    encoder: FeatureEncoder
    seed: int
    split: Split | None = None

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
        return self.fit_features(estimator, self.encoder.encode(self.table.predictors), progress)

    def fit_features(self, estimator: Estimator, features: np.ndarray, progress: Progress) -> FittedModel:
        """Fit an estimator to all rows, which are encoded already.

        Parameters
        ----------
        estimator : Estimator
        features : ndarray of float32 (rows, features)
        progress : Progress

        Returns
        -------
        FittedModel

        Raises
        ------
        InputError
            As the estimator's `fit`; of one of sequences where the table lacks earlier values.
        """
        table = self.table
        sequences = self.sequences_of(estimator)
        if isinstance(estimator, OfSequences) and sequences is not None:
            parts = held_apart(table, self.split, self.seed, sequences.reach_days(table))
            estimator = estimator.bound(sequences.layout, parts)
        return estimator.fit(features, table.target, table.weights, self.seed, progress)

    def size_for(self, estimator: Estimator) -> int:
        """Return how many values a fit has, by which `side_by_side` shares out the cores.

        Parameters
        ----------
        estimator : Estimator

        Returns
        -------
        int
            0 of a kind that is fitted in one thread, however large the table.
        """
        return 0 if isinstance(estimator, OfSequences) else int(self.table.predictors.size)

    def sequences_of(self, estimator: Estimator) -> Sequences | None:
        """Return how rows are sequences for an estimator; None for one that reads rows alone.

        Parameters
        ----------
        estimator : Estimator

        Returns
        -------
        Sequences or None

        Raises
        ------
        InputError
            As `find_sequences`.
        """
        if not isinstance(estimator, OfSequences):
            return None
        return find_sequences(self.encoder, self.table.origins, estimator.sequence_length)

    def tell_sequences(self, estimator: Estimator, progress: Progress) -> None:
        """Say what an estimator reads as sequences, and which earlier values it does not read.

        Parameters
        ----------
        estimator : Estimator
        progress : Progress

        Raises
        ------
        InputError
            As `find_sequences`.
        """
        sequences = self.sequences_of(estimator)
        if sequences is None:
            return
        moving, steps = ", ".join(sequences.moving), sequences.layout.steps
        progress.info(f"Read as sequences of {steps} steps: {moving}. All else is the same at each step.")
        if sequences.unused:
            progress.warning(
                f"Earlier values that reach further back are not used: {', '.join(sequences.unused)}. Take them out of "
                "`predictors`, so that no row is dropped for the lack of them, or give a larger `sequence_length`."
            )
