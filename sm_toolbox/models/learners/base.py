"""What a learner is: the protocols that the toolbox relies on, and the row that says everything about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from sm_toolbox.progress import Progress


class FittedModel(Protocol):
    """A fitted model; it predicts without the library that trained it."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict the target.

        Parameters
        ----------
        features : ndarray of float32 (rows, features)
            Without NaN.

        Returns
        -------
        ndarray of float64 (rows,)
        """
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        ...


@runtime_checkable
class WithQuantiles(Protocol):
    """A fitted model with quantiles of its own."""

    def predict_quantiles(self, features: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict the mean and quantiles.

        Parameters
        ----------
        features : ndarray of float32 (rows, features)
            Without NaN.
        levels : ndarray of float64 (levels,)
            Ascending, between 0 and 1.

        Returns
        -------
        mean : ndarray of float64 (rows,)
        quantiles : ndarray of float64 (rows, levels)
        """
        ...


@runtime_checkable
class WithImpurity(Protocol):
    """A fitted model of splits, which know what each feature explained of the training rows."""

    @property
    def impurity_importance(self) -> np.ndarray | None:
        """Share of the variance, or gain, that splits at each feature explain; None where a file does not keep it."""
        ...


@runtime_checkable
class WithHistory(Protocol):
    """A fitted model that was learned epoch by epoch, and stopped by rows that it did not learn from."""

    history: np.ndarray
    """RMSE of the rows learned from and of those watched (epochs, 2), in the target's unit."""
    best_epoch: int
    """From 1: the epoch whose coefficients were kept."""


class Estimator(Protocol):
    """A kind of model with its hyper-parameters: a dataclass of which each field is one."""

    SPACE: ClassVar[dict[str, Any]]
    """Values to search by hyper-parameter: a tuple to choose from, or an `IntRange`."""

    def fit(
        self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress
    ) -> FittedModel:
        """Fit to training rows.

        Parameters
        ----------
        features : ndarray of float32 (rows, features)
            Without NaN.
        target : ndarray of float64 (rows,)
        weights : ndarray of float64 (rows,) or None
        seed : int
        progress : Progress

        Returns
        -------
        FittedModel
        """
        ...

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int) -> FittedModel:
        """Read a fitted model back from a model file.

        Parameters
        ----------
        arrays : mapping of str to ndarray
        n_features : int

        Returns
        -------
        FittedModel
        """
        ...


@dataclass(frozen=True)
class Learner:
    """A row of `catalogue.LEARNERS`: a kind of model, with every text about it.

    Parameters
    ----------
    key : str
        The word that users give.
    estimator : type
        Dataclass of its hyper-parameters, an `Estimator`.
    label : str
        Within a title.
    help : str
        For the dialog, after the key: when to take it.
    source : str
        What to cite.
    arrays : str
        Regular expression of the names of the arrays that a model file keeps of it.
    impurity, quantiles : bool, optional
        Whether its fitted models are `WithImpurity`, `WithQuantiles`.
    lists : tuple of str, optional
        Hyper-parameters that are lists themselves; a list of any other is a choice to search.
    packages : tuple of str, optional
        What trains it, beside scikit-learn; a model file notes the versions.
    beside : str, optional
        Key of the kind that reports set beside it, fitted with its defaults under the same folds.
    """

    key: str
    estimator: Any
    label: str
    help: str
    source: str
    arrays: str
    impurity: bool = False
    quantiles: bool = False
    lists: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    beside: str = ""


def impurity_of(fitted: FittedModel) -> np.ndarray | None:
    """Return the impurity importance of a fitted model; None of one without.

    Parameters
    ----------
    fitted : FittedModel

    Returns
    -------
    ndarray (features,) or None
    """
    return fitted.impurity_importance if isinstance(fitted, WithImpurity) else None


def mean_and_quantiles(fitted: FittedModel, features: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and quantiles; the prediction for each level of a kind without quantiles.

    Parameters
    ----------
    fitted : FittedModel
    features : ndarray of float32 (rows, features)
    levels : ndarray of float64 (levels,)

    Returns
    -------
    mean : ndarray of float64 (rows,)
    quantiles : ndarray of float64 (rows, levels)
    """
    if isinstance(fitted, WithQuantiles):
        return fitted.predict_quantiles(features, levels)
    mean = fitted.predict(features)
    return mean, np.repeat(mean[:, None], len(levels), axis=1)
