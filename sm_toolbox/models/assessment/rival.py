"""Another kind of model under the same folds: whether the one that was asked for is worth its effort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sm_toolbox.metrics import Metrics
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.outoffold import evaluate
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.learners.catalogue import LEARNERS, make_estimator, with_features_as_given
from sm_toolbox.progress import SILENT, Progress


@dataclass(frozen=True)
class Rival:
    """Another kind of model with its defaults, judged by the folds of the chosen split.

    Parameters
    ----------
    kind : str
        Word of the learner.
    metrics : Metrics
        Out of fold.
    """

    kind: str
    metrics: Metrics


def judge_rival(kind: str, problem: Problem, split: Split, folds: Folds, fits: Sequence[Progress]) -> Rival | None:
    """Fit the kind of model that is to be seen beside another.

    Parameters
    ----------
    kind : str
        Word of the other.
    problem : Problem
    split : Split
    folds : list of (ndarray of int, ndarray of int)
    fits : sequence of Progress
        One for each fold.

    Returns
    -------
    Rival or None
        None of a kind without a rival.
    """
    rival = LEARNERS[kind].beside
    if not rival:
        return None
    estimator = make_estimator(rival, None)
    if problem.table.limits:
        estimator = with_features_as_given(estimator)
    judged = evaluate(problem, split, folds, [estimator] * len(folds), fits, SILENT, with_importance=False)
    return Rival(rival, judged.metrics)
