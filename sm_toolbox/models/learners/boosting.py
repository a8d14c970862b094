"""Gradient boosting: trees fitted one after the other to the residuals of those before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sm_toolbox.errors import InputError, ModelFileError
from sm_toolbox.models.learners.base import Learner
from sm_toolbox.models.learners.forest import Forest, Tree
from sm_toolbox.models.learners.hyperparameters import IntRange, check, is_number, is_whole
from sm_toolbox.models.learners.scaling import float_array, relative_weights
from sm_toolbox.models.learners.threads import is_small
from sm_toolbox.progress import Progress

# Rows times features up to which one thread is as fast as several on idle cores, and many times as fast on busy ones,
# where they wait for one another.
_ONE_THREAD = 1_000_000


@dataclass(frozen=True)
class XGBoost:
    """Gradient-boosted trees (Chen & Guestrin 2016, doi 10.1145/2939672.2939785), trained by XGBoost.

    Parameters
    ----------
    n_estimators : int
        Trees.
    max_depth : int
    learning_rate : float
        Share of each tree's correction that is used.
    min_child_weight : float
        Least weight of the rows in a leaf, where the mean weight of all rows is 1.
    subsample, colsample_bytree : float
        Shares of rows and of features drawn for each tree.
    reg_lambda : float
        Penalty of large values of leaves.
    """

    SPACE: ClassVar[dict[str, Any]] = {
        "n_estimators": IntRange(100, 300),
        "max_depth": (3, 4, 5),
        "learning_rate": (0.3, 0.1, 0.03, 0.01, 0.003, 0.001),
    }

    n_estimators: int = 200
    max_depth: int = 5
    learning_rate: float = 0.1
    min_child_weight: float = 1
    subsample: float = 1
    colsample_bytree: float = 1
    reg_lambda: float = 1

    def __post_init__(self) -> None:
        check(
            is_whole(self.n_estimators) and 1 <= self.n_estimators <= 10_000,
            "n_estimators",
            self.n_estimators,
            "a whole number from 1 to 10000",
        )
        check(
            is_whole(self.max_depth) and 1 <= self.max_depth <= 20,
            "max_depth",
            self.max_depth,
            "a whole number from 1 to 20",
        )
        for name in ("learning_rate", "subsample", "colsample_bytree"):
            check(
                is_number(getattr(self, name)) and 0 < getattr(self, name) <= 1,
                name,
                getattr(self, name),
                "a number above 0 and up to 1",
            )
        for name in ("min_child_weight", "reg_lambda"):
            check(
                is_number(getattr(self, name)) and 0 <= getattr(self, name) <= 1e9,
                name,
                getattr(self, name),
                "a number from 0 to 1e9",
            )

    def fit(
        self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress
    ) -> BoostedTrees:
        """Grow the trees; Cancel is checked after each.

        As `Estimator.fit`.

        Raises
        ------
        InputError
            Where XGBoost is not installed.
        Cancelled
            Within a tree of the user's Cancel.
        """
        try:
            import xgboost
        # Not only ImportError: xgboost has an error of its own where its library cannot be loaded.
        except Exception as error:
            raise InputError(
                f"`kind` xgboost needs the Python library xgboost, which cannot be loaded here ({error}). 'Check "
                "installation' says how to get it; or choose another `kind`."
            ) from error

        progress.check()
        total = self.n_estimators

        class Watch(xgboost.callback.TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                progress.set_fraction((epoch + 1) / total)
                return progress.is_cancelled()

        settings = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "seed": seed,
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree,
            "reg_lambda": self.reg_lambda,
            "verbosity": 0,
            **({"nthread": 1} if features.size <= _ONE_THREAD or is_small(features.size) else {}),
        }
        rows = xgboost.DMatrix(np.asarray(features, np.float32), target, weight=relative_weights(weights))
        booster = xgboost.train(settings, rows, total, callbacks=[Watch()])
        progress.check()
        return BoostedTrees.from_json(json.loads(bytes(booster.save_raw("json"))), features.shape[1])

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int) -> BoostedTrees:
        """Read trees back from a model file.

        As `Estimator.from_arrays`.

        Raises
        ------
        ModelFileError
            Where the arrays cannot be those of boosted trees.
        """
        base = float_array(arrays, "boosting_base")
        if base.shape != (1,):
            raise ModelFileError("the arrays of the boosted trees do not have the shapes they must have")
        return BoostedTrees(Forest.from_arrays(arrays, n_features), float(base[0]))


class BoostedTrees:
    """Trees whose sum is the prediction.

    Parameters
    ----------
    forest : Forest
    base : float
        What the sum begins with.
    """

    def __init__(self, forest: Forest, base: float):
        self._forest, self._base = forest, base

    @classmethod
    def from_json(cls, model: Mapping[str, Any], n_features: int) -> BoostedTrees:
        """Convert what XGBoost writes as JSON.

        Parameters
        ----------
        model : mapping
        n_features : int

        Returns
        -------
        BoostedTrees
        """
        learner = model["learner"]
        trees = []
        gain = np.zeros(n_features)
        for tree in learner["gradient_booster"]["model"]["trees"]:
            left = np.array(tree["left_children"], np.int64)
            feature = np.array(tree["split_indices"], np.int64)
            conditions = np.array(tree["split_conditions"], np.float32)
            # XGBoost sends x < t to the left, our loop x <= t: the next smaller number says the same.
            threshold = np.nextafter(conditions, np.float32(-np.inf))
            trees.append(
                Tree(
                    left, np.array(tree["right_children"], np.int64), feature, threshold, conditions.astype(np.float64)
                )
            )
            inner = left >= 0
            gain += np.bincount(feature[inner], np.array(tree["loss_changes"])[inner], n_features)
        importance = (gain / (gain.sum() or 1.0)).astype(np.float32)
        # Since XGBoost 3.1 a list, for several targets.
        base = str(learner["learner_model_param"]["base_score"]).strip("[]")
        return cls(Forest.from_trees(trees, n_features, importance), float(base))

    @property
    def impurity_importance(self) -> np.ndarray | None:
        """Share of the gain of all splits that is due to each feature (features,)."""
        return self._forest.impurity_importance

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict the target.

        As `FittedModel.predict`.
        """
        return self._forest.predict(features) * len(self._forest.roots) + self._base

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        return self._forest.to_arrays() | {"boosting_base": np.array([self._base])}


LEARNER = Learner(
    "xgboost",
    XGBoost,
    "XGBoost",
    help="trees that correct each other, often the most accurate with many rows.",
    source="XGBoost: Chen, T. & Guestrin, C. (2016). XGBoost: a scalable tree boosting system. KDD '16. doi "
    "10.1145/2939672.2939785",
    arrays=r"forest_(feature|threshold|child|value|root|importance)|boosting_base",
    impurity=True,
    packages=("xgboost",),
)
