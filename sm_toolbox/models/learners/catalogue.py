"""The kinds of models: each a value with its hyper-parameters that can be fitted, and read back from a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Protocol

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.learners.boosting import XGBoost
from sm_toolbox.models.learners.mlp import NeuralNetwork
from sm_toolbox.models.learners.quantileforest import QuantileForest
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.learners.svr import SupportVectors
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


MODELS: dict[str, Any] = {
    "random_forest": RandomForest,
    "quantile_forest": QuantileForest,
    "xgboost": XGBoost,
    "svr": SupportVectors,
    "mlp": NeuralNetwork,
}
"""Kinds of models by the word that users give."""

LABELS = {
    "random_forest": "random forest",
    "quantile_forest": "quantile forest",
    "xgboost": "XGBoost",
    "svr": "support vector regression",
    "mlp": "neural network",
}


def make_estimator(kind: str, hyperparameters: str | None) -> Estimator:
    """Build an estimator from its kind and hyper-parameters as JSON; what is not given keeps its default.

    Raises
    ------
    InputError
        As `read_hyperparameters`, and where a value is impossible.
    """
    estimator: Estimator = MODELS[kind](**read_hyperparameters(kind, hyperparameters))
    return estimator


def read_hyperparameters(kind: str, hyperparameters: str | None) -> dict[str, Any]:
    """Read hyper-parameters from JSON.

    Raises
    ------
    InputError
        Where the text is no JSON object or names unknown hyper-parameters (the message lists the valid ones).
    """
    text = (hyperparameters or "").strip() or "{}"
    valid = {item.name: item.default for item in fields(MODELS[kind])}
    listing = ", ".join(f"{name} (default {json.dumps(default)})" for name, default in valid.items())
    try:
        given: Any = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(
            f'HYPERPARAMETERS is not valid JSON ({error}). Write for example {{"n_estimators": 200}}. Valid for {kind}: {listing}.'
        ) from None
    if not isinstance(given, dict):
        raise InputError(f'HYPERPARAMETERS must be a JSON object such as {{"n_estimators": 200}}, not {text}.')
    unknown = sorted(set(given) - set(valid))
    if unknown:
        raise InputError(f"HYPERPARAMETERS names {', '.join(unknown)}, which {kind} does not have. Valid are: {listing}.")
    return given


def hyperparameters_of(estimator: Estimator) -> dict[str, Any]:
    """Return the hyper-parameters by name."""
    return asdict(estimator)  # type: ignore[call-overload]
