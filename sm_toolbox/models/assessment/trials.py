"""Trials of sets of predictors, all on the same folds and with the same seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.importance import permutation_increase
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator, FittedModel, impurity_of
from sm_toolbox.models.learners.threads import side_by_side
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.progress import Progress


@dataclass(frozen=True)
class Step:
    """A set of predictors and the errors of a model that has only these.

    Parameters
    ----------
    number : int
        Among the steps of the selection; 0 for all predictors where some are left out in turn.
    predictors : tuple of str
        In the order in which they were added.
    metrics : Metrics
        Of all rows, each predicted by the model that did not see its fold.
    by_fold : list of Metrics
    added, removed : tuple of str
        What makes the step differ from the one before, or from all predictors; for groups the names of groups.
    """

    number: int
    predictors: tuple[str, ...]
    metrics: Metrics
    by_fold: list[Metrics]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def rmse_sd(self) -> float:
        """Standard deviation of the RMSE over the folds, m³ m⁻³."""
        return float(np.std([values.rmse for values in self.by_fold], ddof=1))

    @property
    def rmse_se(self) -> float:
        """Standard error of the mean RMSE of the folds, m³ m⁻³."""
        return self.rmse_sd / float(np.sqrt(len(self.by_fold)))


@dataclass(frozen=True)
class Importance:
    """Importance of each predictor in the model of all predictors.

    Parameters
    ----------
    permutation : ndarray of float64 (folds, predictors)
        Increase of the RMSE on the rows left out when the predictor is shuffled, m³ m⁻³.
    impurity : ndarray of float64 (folds, predictors), optional
        Share of the variance of the training rows that splits at the predictor explain; None for kinds without.
    """

    permutation: np.ndarray
    impurity: np.ndarray | None


@dataclass
class Trials:
    """Tries sets of predictors, all on the same folds and with the same seed.

    Parameters
    ----------
    table : TrainingTable
    encoder : FeatureEncoder
    estimator : Estimator
    folds : list of (ndarray of int, ndarray of int)
        Training and test rows of each fold.
    seed : int
    progress : Progress
    planned : int
        Number of trials, for the progress.
    done : int, optional
        Trials already made.
    """

    table: TrainingTable
    encoder: FeatureEncoder
    estimator: Estimator
    folds: Folds
    seed: int
    progress: Progress
    planned: int
    done: int = field(default=0)

    def __post_init__(self) -> None:
        names = self.encoder.predictors
        self.names = names
        self._features = self.encoder.encode(self.table.predictors)
        self._predictor_of_feature = np.repeat(np.arange(len(names)), self.encoder.widths)

    def step(
        self, number: int, columns: Sequence[int], added: tuple[str, ...] = (), removed: tuple[str, ...] = (),
        watch: Callable[[FittedModel, np.ndarray], None] | None = None,
    ) -> Step:  # fmt: skip
        """Fit and judge a model of some predictors in every fold.

        Parameters
        ----------
        number : int
            Of the step.
        columns : sequence of int
            Positions of the predictors.
        added, removed : tuple of str, optional
            As `Step`.
        watch : callable, optional
            Takes each fold's fitted model and test rows.

        Returns
        -------
        Step
        """
        table = self.table
        # Features in the table's order, whatever the order of the choice: one set has one error.
        features = self._features[:, np.isin(self._predictor_of_feature, columns)]
        predictions, by_fold = np.full(len(table), np.nan), []
        self.progress.check()
        begins = [(self.done + fold / len(self.folds)) / self.planned for fold in range(len(self.folds))]
        parts = [self.progress.part(begin, begin + 1 / (self.planned * len(self.folds))) for begin in begins]

        def fit(train: np.ndarray, progress: Progress) -> FittedModel:
            weights = None if table.weights is None else table.weights[train]
            return self.estimator.fit(features[train], table.target[train], weights, self.seed, progress)

        fits = side_by_side([partial(fit, train) for train, _ in self.folds], parts, features.size)
        for fitted, (_, test) in zip(fits, self.folds):
            predictions[test] = fitted.predict(features[test])
            rated = table.rated_of(test)
            by_fold.append(metrics(predictions[rated], table.target[rated]))
            if watch is not None:
                watch(fitted, test)
        self.done += 1
        self.progress.set_fraction(self.done / self.planned)
        judged = metrics(predictions[table.rated], table.target[table.rated])
        return Step(number, tuple(self.names[i] for i in columns), judged, by_fold, added, removed)

    def all_predictors(self, number: int) -> tuple[Step, Importance]:
        """Judge the model of all predictors, and the importance of each.

        Parameters
        ----------
        number : int
            Of the step.

        Returns
        -------
        Step, Importance
        """
        permutation, impurity = [], []

        def watch(fitted: FittedModel, test: np.ndarray) -> None:
            rng = np.random.default_rng(self.seed)
            rated = self.table.rated_of(test)
            rows = self.table.predictors[rated], self.table.target[rated]
            permutation.append(permutation_increase(fitted, self.encoder, *rows, rng, progress=self.progress))
            shares = impurity_of(fitted)
            if shares is not None:
                impurity.append(self.encoder.by_predictor(shares))

        step = self.step(number, range(len(self.names)), watch=watch)
        return step, Importance(np.array(permutation), np.array(impurity) if impurity else None)
