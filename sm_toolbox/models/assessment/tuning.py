"""Search for hyper-parameters: on a grid or at random, judged on rows that the candidates have not seen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.metrics import metrics
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator, Learner
from sm_toolbox.models.learners.catalogue import LEARNERS, hyperparameters_of, read_hyperparameters
from sm_toolbox.models.learners.hyperparameters import IntRange, NoConvergence
from sm_toolbox.models.learners.threads import side_by_side
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.progress import Progress

SEARCHES = ("none", "grid", "random")
# Levels of a range of whole numbers on a grid.
_GRID_LEVELS = 3


@dataclass(frozen=True)
class Candidate:
    """Hyper-parameters and their error.

    Parameters
    ----------
    estimator : Estimator
    rmse : float
        Over all rows left out in turn.
    """

    estimator: Estimator
    rmse: float


@dataclass(frozen=True)
class Search:
    """What a search found.

    Parameters
    ----------
    tried : list of Candidate
        In the order in which they were tried.
    asked : int
        How many there were to try.
    stopped : bool
        Whether the user stopped the search.
    """

    tried: list[Candidate]
    asked: int
    stopped: bool = False

    @property
    def best(self) -> Estimator:
        """The candidate of the smallest error; of equals the first."""
        return min(self.tried, key=lambda candidate: candidate.rmse).estimator


@dataclass(frozen=True)
class Tuner:
    """Chooses hyper-parameters by cross-validation within the rows that it is given.

    Parameters
    ----------
    candidates : sequence of Estimator
    split : Split
        Of the kind of the validation's own, so that candidates are judged by what the model is for.
    keep_best : bool
        Whether a Cancel ends the search with the best candidate so far, not the training.
    """

    candidates: Sequence[Estimator]
    split: Split
    keep_best: bool = False

    def search(self, table: TrainingTable, encoder: FeatureEncoder, seed: int, progress: Progress) -> Search:
        """Try all candidates on a table.

        Parameters
        ----------
        table : TrainingTable
        encoder : FeatureEncoder
        seed : int
        progress : Progress

        Returns
        -------
        Search

        Raises
        ------
        InputError
            Where the split is not possible with these rows.
        Cancelled
            At the user's Cancel, unless the best so far is to be kept and there is one.
        """
        folds = self.split.divide(table, seed)
        features = encoder.encode(table.predictors)
        tried: list[Candidate] = []
        stopped = False
        # Progress of a single fit would run back and forth within that of the search.
        problem = Problem(table, encoder, seed, self.split)
        tasks = [partial(_error, estimator, problem, features, folds) for estimator in self.candidates]
        errors = side_by_side(tasks, [progress.part(0, 0)] * len(tasks), problem.size_for(self.candidates[0]))
        for number, estimator in enumerate(self.candidates):
            try:
                error = next(errors)
            except Cancelled:
                if not (self.keep_best and tried):
                    raise
                progress.warning(
                    f"The search was stopped after {len(tried)} of {len(self.candidates)} candidates; the best of "
                    "them is kept."
                )
                stopped = True
                # Ends the fits in other threads.
                errors.close()
                break
            if isinstance(error, NoConvergence):
                progress.info(f"Candidate {number + 1} of {len(self.candidates)} is left out: {error}")
                continue
            if not tried or error < min(candidate.rmse for candidate in tried):
                progress.info(
                    f"Candidate {number + 1} of {len(self.candidates)}: RMSE {error:.4f}, the best so far: "
                    f"{_in_words(estimator)}."
                )
            tried.append(Candidate(estimator, error))
            progress.set_fraction((number + 1) / len(self.candidates))
        if not tried:
            raise InputError("None of the candidates could be fitted. Name other values in `hyperparameters`.")
        return Search(tried, len(self.candidates), stopped)


def _error(
    estimator: Estimator,
    problem: Problem,
    features: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    progress: Progress,
) -> float | NoConvergence:
    table = problem.table
    predictions = np.full(len(table), np.nan)
    for train, test in folds:
        try:
            fitted = problem.take(train).fit_features(estimator, features[train], progress)
        except NoConvergence as failure:
            return failure
        predictions[test] = fitted.predict(features[test])
    return metrics(predictions[table.rated], table.target[table.rated]).rmse


@dataclass(frozen=True)
class NestedSearch:
    """Hyper-parameters for the model of all rows, and for each fold those found without its rows.

    Parameters
    ----------
    search : Search
        On all rows.
    by_split : list of list of Estimator
        For each fold of each split.
    stopped : bool
        Whether the user stopped it, so that folds have hyper-parameters that were found with their own rows.
    share : float
        Of the progress that was used up.
    """

    search: Search
    by_split: list[list[Estimator]]
    stopped: bool
    share: float


# Share of a training that the search takes, roughly.
_SHARE = 0.9


def search_nested(tuner: Tuner, problem: Problem, folds: Sequence[Folds], progress: Progress) -> NestedSearch:
    """Search on all rows, and anew for each fold without its rows, so that the search does not flatter the error.

    Parameters
    ----------
    tuner : Tuner
    problem : Problem
    folds : sequence of list of (ndarray of int, ndarray of int)
        Training and test rows of each fold, for each split whose error is to be that of the search and the fit.
    progress : Progress

    Returns
    -------
    NestedSearch

    Raises
    ------
    InputError, Cancelled
        As `Tuner.search`; a Cancel within a fold's search ends it where the best is to be kept.
    """
    outer = [rows for of_split in folds for rows, _ in of_split]
    step = _SHARE / (1 + len(outer))
    table, encoder, seed = problem.table, problem.encoder, problem.seed
    search = tuner.search(table, encoder, seed, progress.part(0, step))
    best = search.best
    if search.stopped:
        # The search was stopped: do not repeat it in each fold.
        return NestedSearch(search, _by_split([], folds, best), True, step)
    found: list[Estimator] = []
    rest = progress.part(step, _SHARE)
    for i, train_rows in enumerate(outer):
        part = rest.part(i / len(outer), (i + 1) / len(outer))
        try:
            inner = tuner.search(table.take(train_rows), encoder, seed, part)
        except Cancelled:
            if not tuner.keep_best:
                raise
            inner = None
        if inner is None or inner.stopped:
            return NestedSearch(search, _by_split(found, folds, best), True, _SHARE)
        found.append(inner.best)
    return NestedSearch(search, _by_split(found, folds, best), False, _SHARE)


def _by_split(found: Sequence[Estimator], folds: Sequence[Folds], best: Estimator) -> list[list[Estimator]]:
    """Return what was found for the folds one after another by split, and the best of all rows for the others."""
    left = iter(found)
    return [[next(left, best) for _ in of_split] for of_split in folds]


def inner_split(split: Split, folds: int) -> Split:
    """Return the split by which candidates are judged: of the same kind, with folds of its own.

    Parameters
    ----------
    split : Split
    folds : int

    Returns
    -------
    Split
    """
    return replace(split, folds=folds)


_MOST_CANDIDATES = 10_000


def make_candidates(kind: str, hyperparameters: str | None, method: str, count: int, seed: int) -> list[Estimator]:
    """List the hyper-parameters to try.

    Parameters
    ----------
    kind : str
    hyperparameters : str or None
        JSON. A list stands for values to choose from, `{"min_samples_leaf": [1, 5, 10]}`, any other value is fixed.
        Without a list the search space of the kind is used for all that is not fixed (that of S4, Table III).
    method : {'grid', 'random'}
        All combinations, of ranges of whole numbers three values, or `count` draws.
    count : int
        Largest number of candidates.
    seed : int

    Returns
    -------
    list of Estimator

    Raises
    ------
    InputError
        Where a value is impossible, `count` is beyond 10,000, or a grid has more combinations than `count`.
    """
    if count > _MOST_CANDIDATES:
        raise InputError(
            f"`count` is {count:,}, but may be up to {_MOST_CANDIDATES:,}: each is fitted once for each fold "
            "of the search, and more hardly find a better one."
        )
    given = read_hyperparameters(kind, hyperparameters)
    learner = LEARNERS[kind]
    model = learner.estimator
    lists = {
        name: tuple(value)
        for name, value in given.items()
        if isinstance(value, list) and not _is_value(learner, name, value)
    }
    for name, values in lists.items():
        if not values:
            raise InputError(f"`hyperparameters`: the list of {name} is empty. Give the values to choose from.")
    fixed = {name: value for name, value in given.items() if name not in lists}
    space: Mapping[str, Any] = lists or {name: values for name, values in model.SPACE.items() if name not in fixed}
    if not space:
        return [model(**fixed)]
    draws = _grid(space, count) if method == "grid" else _random(space, count, seed)
    candidates: dict[str, Estimator] = {}
    for draw in draws:
        estimator = model(**fixed, **draw)
        candidates.setdefault(repr(estimator), estimator)
    return list(candidates.values())


def _is_value(learner: Learner, name: str, value: list[Any]) -> bool:
    """Return whether a list is itself a value, as the sizes of a network's layers are; a list of lists is a choice."""
    return name in learner.lists and not any(isinstance(item, list) for item in value)


def _grid(space: Mapping[str, Any], count: int) -> Iterator[dict[str, Any]]:
    axes = [_levels(values) for values in space.values()]
    combinations = int(np.prod([len(axis) for axis in axes]))
    if combinations > count:
        raise InputError(
            f"The grid has {combinations} combinations "
            f"({', '.join(f'{name}: {len(axis)}' for name, axis in zip(space, axes))}), more than `count` "
            f"({count}). "
            "Allow more, choose `method` random, or name fewer values in `hyperparameters`, such as "
            '{"min_samples_leaf": [1, 5, 10]}.'
        )
    return (dict(zip(space, values)) for values in itertools.product(*axes))


def _levels(values: Any) -> list[Any]:
    if isinstance(values, IntRange):
        return np.unique(np.round(np.linspace(values.low, values.high, _GRID_LEVELS)).astype(int)).tolist()
    return list(values)


def _random(space: Mapping[str, Any], count: int, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield {
            name: int(rng.integers(values.low, values.high + 1))
            if isinstance(values, IntRange)
            else values[int(rng.integers(len(values)))]
            for name, values in space.items()
        }


def _in_words(estimator: Estimator) -> str:
    return ", ".join(f"{name} {value}" for name, value in hyperparameters_of(estimator).items())
