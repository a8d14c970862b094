"""What a split is: how training rows are divided into folds, with every text about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.table import TrainingTable

if TYPE_CHECKING:
    from sm_toolbox.models.assessment.nndm import MatchedFolds


@dataclass(frozen=True)
class Cautions:
    """What to say of a split that flatters a map.

    Parameters
    ----------
    at_training, at_selection : str
        Before the work.
    alone : str
        In the report, where no other split is beside it.
    """

    at_training: str
    at_selection: str
    alone: str


@dataclass(frozen=True)
class Split:
    """A way to divide rows into folds, which scikit-learn takes as `cv`, too.

    Parameters
    ----------
    folds : int, optional
    seed : int, optional
        Of what is divided at random.
    """

    key: ClassVar[str]
    """The word that users give."""
    left_out: ClassVar[str]
    """What a fold leaves out."""
    meaning: ClassVar[str]
    """What the error tells: 'how well the model …'."""
    elsewhere: ClassVar[str] = "what was left out"
    """Of what the error is, in a sentence's part: 'places without a station, at times it was trained on,'."""
    remembered: ClassVar[str] = "rows"
    """What a model may remember of its training that this split does not reward, and random rows do."""
    source: ClassVar[str] = ""
    """What to cite."""
    help: ClassVar[str]
    """For the dialog, as one of a list."""
    cautions: ClassVar[Cautions | None] = None
    """Of a split that leaves rows of one place on both sides, so that it flatters a map: the baseline of the others."""

    folds: int = 5
    seed: int = 0

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the positions of training and test rows, fold by fold.

        Parameters
        ----------
        X : array of n rows
            Only its length counts.
        y : array (n,), optional
            Does not count.
        groups : array of n entries, optional
            What the rows are divided by, as `groups_of` takes it from a training table.

        Yields
        ------
        train, test : ndarray of int

        Raises
        ------
        InputError
            Where the split is not possible with these rows.
        """
        yield from self._divide(len(X), groups)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds; the rows may allow of another, which is known when they are divided.

        Parameters
        ----------
        X, y, groups : optional
            As `split` takes them.

        Returns
        -------
        int
        """
        return self.folds if X is None else len(self._divide(len(X), groups))

    def divide(self, table: TrainingTable, seed: int) -> Folds:
        """Divide a training table.

        Parameters
        ----------
        table : TrainingTable
        seed : int

        Returns
        -------
        list of (ndarray of int, ndarray of int)
            Training and test rows of each fold.

        Raises
        ------
        InputError
            Where the split is not possible with these rows.
        """
        return list(replace(self, seed=seed).split(table.predictors, table.target, self.groups_of(table)))

    def groups_of(self, table: TrainingTable) -> Any:
        """Return what the rows of a table are divided by; None where they are alike, or the table lacks it.

        Parameters
        ----------
        table : TrainingTable

        Returns
        -------
        ndarray (rows, ...) or None
        """
        return None

    def _divide(self, n: int, groups: Any) -> Folds:
        raise NotImplementedError


@runtime_checkable
class WithDistances(Protocol):
    """A split that knows how far its folds are from each other, and the map from its stations."""

    def match(self, table: TrainingTable, seed: int) -> MatchedFolds:
        """Return the folds of the places with their distances.

        Parameters
        ----------
        table : TrainingTable
        seed : int

        Returns
        -------
        MatchedFolds
        """
        ...
