"""One trial: a kind of model, trained on the rows of one draw with some candidates, and tested on the others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.experiments.scenarios import INNER_FOLDS, SCENARIOS, Draw, Ground
from sm_toolbox.metrics import metrics
from sm_toolbox.models.assessment.baselines import fit_baselines
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.tuning import make_candidates
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator
from sm_toolbox.models.learners.catalogue import hyperparameters_of, make_estimator, with_features_as_given
from sm_toolbox.models.learners.hyperparameters import NoConvergence
from sm_toolbox.models.learners.threads import in_one_thread
from sm_toolbox.progress import Progress

METRICS_OF_TRIALS = ("bias", "r", "rmse", "ubrmse")
TUNINGS = {
    "nested": "chosen among the training rows, as one must who has no others",
    "oracle": "chosen by the error on the tested rows, which nobody knows beforehand",
}
"""How candidates are chosen, in words."""


@dataclass(frozen=True)
class Trial:
    """What is fitted and tested at once.

    Parameters
    ----------
    scenario : str
    size : float
    repeat : int
        From 0.
    model : str
    """

    scenario: str
    size: float
    repeat: int
    model: str


@dataclass(frozen=True)
class Outcome:
    """What a trial came to; the same to the last bit whenever and wherever it is made.

    Parameters
    ----------
    train, test : int
        Numbers of rows.
    by_tuning : mapping of str to mapping of str to float
        The metrics of `METRICS_OF_TRIALS` by `TUNINGS`; NaN where no candidate could be fitted.
    chosen : mapping of str to mapping
        Hyper-parameters by tuning.
    """

    train: int
    test: int
    by_tuning: Mapping[str, Mapping[str, float]]
    chosen: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Bench:
    """All that trials share; can be sent to another process.

    Parameters
    ----------
    ground : Ground
    encoder : FeatureEncoder
    hyperparameters : mapping of str to str
        JSON of each kind of model.
    candidates : int
        Draws of hyper-parameters for each trial; 1: the defaults, or what is given, as it is.
    """

    ground: Ground
    encoder: FeatureEncoder
    hyperparameters: Mapping[str, str]
    candidates: int

    def draw(self, trial: Trial) -> Draw:
        """Return the rows of a trial: of those that are tested only rows of stations count.

        Parameters
        ----------
        trial : Trial

        Returns
        -------
        Draw
        """
        found = SCENARIOS[trial.scenario].draw(self.ground, trial.size, trial.repeat)
        return Draw(found.train, self.ground.table.rated_of(found.test))

    def candidates_of(self, model: str, repeat: int) -> list[Estimator]:
        """Return the candidates of a repeat, which are the same for all scenarios and sizes.

        Where the encoder scales predictors by limits, they take features as they are.

        Parameters
        ----------
        model : str
        repeat : int

        Returns
        -------
        list of Estimator
        """
        given = self.hyperparameters.get(model)
        if self.candidates == 1:
            found = [make_estimator(model, given)]
        else:
            found = make_candidates(model, given, "random", self.candidates, self.ground.seed + 7919 * repeat)
        return [with_features_as_given(candidate) for candidate in found] if self.encoder.limits else found

    def fits_of(self, trial: Trial) -> int:
        """Return how many fits a trial takes.

        Parameters
        ----------
        trial : Trial

        Returns
        -------
        int
        """
        count = len(self.candidates_of(trial.model, trial.repeat))
        return count * (1 + INNER_FOLDS) if count > 1 else 1

    def make(self, trial: Trial, progress: Progress) -> Outcome:
        """Fit and test all candidates of a trial, in the calling thread alone.

        Parameters
        ----------
        trial : Trial
        progress : Progress
            Asked for Cancel.

        Returns
        -------
        Outcome

        Raises
        ------
        Cancelled
        """
        draw, table = self.draw(trial), self.ground.table
        features = self.encoder.encode(table.predictors)
        training = table.take(draw.train)
        seed = self.ground.seed + trial.repeat
        candidates = self.candidates_of(trial.model, trial.repeat)
        observed = table.target[draw.test]
        outer: list[dict[str, float] | None] = []
        with in_one_thread():
            for estimator in candidates:
                predicted = _predict(estimator, features, table.target, (draw.train, draw.test), seed, progress)
                outer.append(None if predicted is None else metrics(predicted, observed).as_dict())
            inner = (
                self._inner_errors(trial, candidates, features[draw.train], training, progress)
                if len(candidates) > 1
                else [0.0]
            )
        fitted = [place for place, values in enumerate(outer) if values is not None and np.isfinite(inner[place])]
        if not fitted:
            nothing = dict.fromkeys(METRICS_OF_TRIALS, float("nan"))
            none_chosen: dict[str, Mapping[str, Any]] = {key: {} for key in TUNINGS}
            return Outcome(len(draw.train), len(draw.test), dict.fromkeys(TUNINGS, nothing), none_chosen)
        best = {
            "nested": min(fitted, key=lambda place: inner[place]),
            "oracle": min(fitted, key=lambda place: (outer[place] or {})["rmse"]),
        }
        return Outcome(
            len(draw.train),
            len(draw.test),
            {key: {name: (outer[i] or {})[name] for name in METRICS_OF_TRIALS} for key, i in best.items()},
            {key: hyperparameters_of(candidates[i]) for key, i in best.items()},
        )

    def _inner_errors(
        self, trial: Trial, candidates: list[Estimator], features: np.ndarray, training: Any, progress: Progress
    ) -> list[float]:
        """Return the RMSE of each candidate over training rows left out in turn; infinite where it cannot be fitted."""
        seed = self.ground.seed + trial.repeat
        folds = SCENARIOS[trial.scenario].inner_folds(training, seed)
        found = []
        for estimator in candidates:
            left_out = np.full(len(training), np.nan)
            for train, test in folds:
                predicted = _predict(estimator, features, training.target, (train, test), seed, progress)
                left_out[test] = np.inf if predicted is None else predicted
            found.append(float(np.sqrt(np.mean((left_out - training.target) ** 2))))
        return found

    def baselines(self, trial: Trial) -> dict[str, tuple[str, Mapping[str, float]]]:
        """Return what costs nothing on the rows of a trial: label and metrics by key of `BASELINES`.

        Parameters
        ----------
        trial : Trial
            Of whatever model.

        Returns
        -------
        dict
            Without those that these rows do not allow.
        """
        draw = self.draw(trial)
        problem = Problem(self.ground.table, self.encoder, self.ground.seed)
        found: dict[str, tuple[str, Mapping[str, float]]] = {}
        table, test = self.ground.table, draw.test
        times = None if table.times is None else table.times[test]
        for baseline in fit_baselines(problem, draw.train):
            predicted = baseline.predict(table.predictors[test], self.encoder.predictors, times)
            if predicted is not None:
                found[baseline.key] = baseline.label, metrics(predicted, table.target[test]).as_dict()
        return found

    def seconds_of_a_fit(self, trial: Trial, progress: Progress) -> float:
        """Return how long one fit and test of a trial takes, with its first candidate.

        Parameters
        ----------
        trial : Trial
        progress : Progress

        Returns
        -------
        float
        """
        draw, table = self.draw(trial), self.ground.table
        features = self.encoder.encode(table.predictors)
        estimator = self.candidates_of(trial.model, trial.repeat)[0]
        start = time.perf_counter()
        with in_one_thread():
            _predict(estimator, features, table.target, (draw.train, draw.test), self.ground.seed, progress)
        return time.perf_counter() - start


def _predict(
    estimator: Estimator,
    features: np.ndarray,
    target: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    seed: int,
    progress: Progress,
) -> np.ndarray | None:
    """Fit on the first rows and predict the second; None where the fit does not converge."""
    train, test = rows
    progress.check()
    try:
        fitted = estimator.fit(features[train], target[train], None, seed, progress)
    except NoConvergence:
        return None
    return fitted.predict(features[test])
