"""The kinds of models: each a value with its hyper-parameters that can be fitted, and read back from a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.forest import Forest
from sm_toolbox.progress import Progress


class FittedModel(Protocol):
    """What a fit gives: it predicts without the library that trained it."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict features (rows, features) → (rows,)."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        ...


class Estimator(Protocol):
    """A kind of model with its hyper-parameters."""

    def fit(self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress) -> FittedModel:
        """Fit to features (rows, features) and target (rows,)."""
        ...

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int) -> FittedModel:
        """Read a fitted model back from a model file."""
        ...


@dataclass(frozen=True)
class RandomForest:
    """Random forest (Breiman 2001, doi 10.1023/A:1010933404324), trained by scikit-learn.

    Parameters
    ----------
    n_estimators : int
        Trees.
    max_depth : int or None
        Greatest depth; None for no limit.
    min_samples_leaf : int
        Fewest training rows in a leaf.
    max_features : float or int or 'sqrt' or 'log2' or None
        Features tried at a split: a share, a number or a rule; None for all.
    max_samples : float or None
        Share of the rows drawn for each tree; None for as many as there are.
    """

    n_estimators: int = 100
    max_depth: int | None = None
    min_samples_leaf: int = 5
    max_features: float | int | str | None = 1 / 3
    max_samples: float | None = None

    def __post_init__(self) -> None:
        _check(_whole(self.n_estimators) and 1 <= self.n_estimators <= 10_000, "n_estimators", self.n_estimators, "a whole number from 1 to 10000")
        _check(
            self.max_depth is None or (_whole(self.max_depth) and self.max_depth >= 1),
            "max_depth",
            self.max_depth,
            "null or a whole number of at least 1",
        )
        _check(
            _whole(self.min_samples_leaf) and self.min_samples_leaf >= 1, "min_samples_leaf", self.min_samples_leaf, "a whole number of at least 1"
        )
        named = self.max_features in (None, "sqrt", "log2")
        share = isinstance(self.max_features, float) and 0 < self.max_features <= 1
        _check(
            named or share or (_whole(self.max_features) and int(self.max_features or 0) >= 1), "max_features", self.max_features,
            'null, "sqrt", "log2", a share above 0 and up to 1, or a whole number',
        )  # fmt: skip
        _check(
            self.max_samples is None or (_number(self.max_samples) and 0 < self.max_samples <= 1),
            "max_samples",
            self.max_samples,
            "null or a share above 0 and up to 1",
        )

    def fit(self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress) -> Forest:
        """Grow the trees in batches, so that Cancel is heard between two of them.

        Raises
        ------
        Cancelled
            Within a batch of trees of the user's Cancel.
        """
        from joblib import cpu_count, parallel_config
        from sklearn.ensemble import RandomForestRegressor

        max_features = 1.0 if self.max_features is None else self.max_features
        if _whole(max_features):
            max_features = min(int(max_features), features.shape[1])
        forest = RandomForestRegressor(
            n_estimators=0, max_depth=self.max_depth, min_samples_leaf=self.min_samples_leaf, max_features=max_features,
            max_samples=None if self.max_samples is None else float(self.max_samples), random_state=seed, warm_start=True, n_jobs=-1,
        )  # fmt: skip
        batch = max(8, 2 * cpu_count())
        # Threads only: a worker process would open QGIS again on Windows and macOS.
        with parallel_config(backend="threading"):
            while forest.n_estimators < self.n_estimators:
                progress.check()
                forest.n_estimators = min(forest.n_estimators + batch, self.n_estimators)
                forest.fit(features, target, sample_weight=weights)
                progress.set_fraction(forest.n_estimators / self.n_estimators)
        return Forest.from_sklearn(forest.estimators_, features.shape[1])

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int) -> Forest:
        """Read a forest back from a model file."""
        return Forest.from_arrays(arrays, n_features)


MODELS: dict[str, type[RandomForest]] = {"random_forest": RandomForest}
"""Kinds of models by the word that users give."""

LABELS = {"random_forest": "random forest"}


def make_estimator(kind: str, hyperparameters: str | None) -> Estimator:
    """Build an estimator from its kind and hyper-parameters as JSON; what is not given keeps its default.

    Raises
    ------
    InputError
        Where the text is no JSON object, names unknown hyper-parameters (the message lists the valid ones) or gives impossible values.
    """
    text = (hyperparameters or "").strip() or "{}"
    valid = {item.name: item.default for item in fields(MODELS[kind])}
    listing = ", ".join(f"{name} (default {json.dumps(default)})" for name, default in valid.items())
    try:
        given: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f'HYPERPARAMETERS is not valid JSON ({error}). Write for example {{"n_estimators": 200}}. Valid for {kind}: {listing}.'
        ) from None
    if not isinstance(given, dict):
        raise InputError(f'HYPERPARAMETERS must be a JSON object such as {{"n_estimators": 200}}, not {text}.')
    unknown = sorted(set(given) - set(valid))
    if unknown:
        raise InputError(f"HYPERPARAMETERS names {', '.join(unknown)}, which {kind} does not have. Valid are: {listing}.")
    estimator: Estimator = MODELS[kind](**given)
    return estimator


def hyperparameters_of(estimator: Estimator) -> dict[str, Any]:
    """Return the hyper-parameters by name."""
    return asdict(estimator)  # type: ignore[call-overload]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check(holds: bool, name: str, value: Any, expected: str) -> None:
    if not holds:
        raise InputError(f"HYPERPARAMETERS: {name} is {json.dumps(value)}, but must be {expected}.")
