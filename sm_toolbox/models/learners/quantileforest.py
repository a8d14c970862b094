"""Quantile regression forest: the conditional distribution of the target, not only its mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.errors import ModelFileError
from sm_toolbox.models.learners.base import Learner
from sm_toolbox.models.learners.forest import Forest
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.progress import Progress

# Rows whose leaves are in memory at once.
_ROWS = 2048
# Fields of a node next to each other in memory, since they are read together.
_HELD = np.dtype([("first", np.uint32), ("count", np.uint32), ("weight", np.float64)], align=True)


@dataclass(frozen=True)
class QuantileForest(RandomForest):
    """Quantile regression forest (Meinshausen 2006, JMLR 7, 983–999), grown by scikit-learn.

    A prediction weighs every training row by how often it shares a leaf with the cell, in each tree by one over the
    rows in the leaf, and takes the mean and the quantiles of all targets with these weights. All training rows count,
    those too that a tree was not grown from.

    Parameters
    ----------
    n_estimators, max_depth, min_samples_leaf, max_features, max_samples
        As of `RandomForest`; leaves of at least 10 rows, as in S0, since a quantile of few rows is a matter of chance.
    """

    min_samples_leaf: int = 10

    def fit(  # type: ignore[override]
        self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress
    ) -> QuantileForestModel:
        """Grow the trees in batches, checking for Cancel between two of them.

        As `Estimator.fit`.

        Raises
        ------
        Cancelled
            Within a batch of trees of the user's Cancel.
        """
        forest = super().fit(features, target, weights, seed, progress)
        return QuantileForestModel(forest, np.asarray(features, np.float32), np.asarray(target, np.float64), weights)

    @staticmethod
    def from_arrays(  # type: ignore[override]
        arrays: Mapping[str, np.ndarray], n_features: int
    ) -> QuantileForestModel:
        """Read a forest back from a model file.

        As `Estimator.from_arrays`.
        """
        return QuantileForestModel.from_arrays(arrays, n_features)


class QuantileForestModel:
    """A forest that keeps the training rows in its leaves.

    Parameters
    ----------
    forest : Forest
    features : ndarray of float32 (training rows, features)
        From which the leaf of every training row is found again: they take less room in a file than the leaves.
    target : ndarray of float64 (training rows,)
    weights : ndarray of float64 (training rows,), optional
    """

    def __init__(self, forest: Forest, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None):
        self.forest = forest
        self._features, self._given, self._weights = features, target, weights
        order = np.argsort(target, kind="stable")
        self._target = target[order]
        nodes, count = len(forest.nodes), len(target)
        leaves = forest.leaves(features[order])
        weight = None if weights is None else np.asarray(weights, np.float64)[order]
        # Members of a leaf by rank: a tree's rows sorted by leaf, those of one leaf staying in the order of their
        # targets.
        ranks = np.argsort(leaves, axis=0, kind="stable")
        in_order = np.take_along_axis(leaves, ranks, axis=0).T.reshape(-1)
        self._members = ranks.T.reshape(-1).astype(np.uint16 if count <= 2**16 else np.uint32)
        first = np.searchsorted(in_order, np.arange(nodes + 1))
        member_weight = np.ones(len(self._members)) if weight is None else weight[self._members]
        sums = np.bincount(in_order, member_weight, nodes)
        self._held = np.empty(nodes, _HELD)
        self._held["count"] = np.diff(first)
        self._held["first"] = np.where(self._held["count"] > 0, first[:-1], 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._held["weight"] = np.where(sums > 0, 1 / sums, 0.0)
            means = np.where(
                sums > 0, np.bincount(in_order, member_weight * self._target[self._members], nodes) / sums, 0.0
            )
        self._row_weight = np.empty(0) if weight is None else weight
        self._means = forest.with_values(means)
        # Groups of about the square root of the rows: as many groups as ranks in each.
        self._shift = max(1, int(np.log2(max(2, count)) / 2))

    @property
    def impurity_importance(self) -> np.ndarray | None:
        """Share of the variance that splits at each feature explain (features,)."""
        return self.forest.impurity_importance

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict the mean of the target.

        As `FittedModel.predict`.
        """
        return self._means.predict(features)

    def predict_quantiles(self, features: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict mean and quantiles of rows.

        Parameters
        ----------
        features : ndarray (rows, features)
        levels : ndarray (levels,)
            Ascending, above 0 and below 1.

        Returns
        -------
        mean : ndarray of float64 (rows,)
        quantiles : ndarray of float64 (rows, levels)
            The smallest training target at which the share of the weight reaches the level.
        """
        from sm_toolbox.models.learners.quantile_kernels import leaf_quantiles

        levels = np.asarray(levels, np.float64)
        mean, quantiles = np.empty(len(features)), np.empty((len(features), len(levels)))
        groups = (len(self._target) >> self._shift) + 1
        coarse, slot, fine = (
            np.empty(groups),
            np.zeros(groups, np.int32),
            np.empty((1 + min(groups, len(levels))) << self._shift),
        )
        for start in range(0, len(features), _ROWS):
            part = slice(start, start + _ROWS)
            leaves = self.forest.leaves(features[part])
            mean[part] = self._means.values[leaves].mean(axis=1)
            leaf_quantiles(
                leaves,
                self._held,
                self._members,
                self._row_weight,
                self._target,
                levels,
                np.uint32(self._shift),
                coarse,
                slot,
                fine,
                quantiles[part],
            )
        return mean, quantiles

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        kept = self.forest.to_arrays() | {"quantile_features": self._features, "quantile_target": self._given}
        return kept if self._weights is None else kept | {"quantile_weight": np.asarray(self._weights, np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_features: int) -> QuantileForestModel:
        """Read what a model file holds.

        As `Estimator.from_arrays`.

        Raises
        ------
        ModelFileError
            Where the arrays cannot be those of a quantile forest.
        """
        forest = Forest.from_arrays(arrays, n_features)
        try:
            features, target = arrays["quantile_features"], arrays["quantile_target"]
        except KeyError as error:
            raise ModelFileError(f"the array {error} is missing") from None
        weights: Any = arrays.get("quantile_weight")
        sound = (
            features.dtype == np.float32
            and features.ndim == 2
            and features.shape[1] == n_features
            and len(features) > 0
        )
        sound = sound and target.dtype == np.float64 and target.shape == (len(features),)
        sound = sound and (weights is None or (weights.dtype == np.float64 and weights.shape == target.shape))
        if not sound:
            raise ModelFileError(
                "the training rows of the quantile forest do not have the shapes and types they must have"
            )
        if not (
            np.isfinite(features).all()
            and np.isfinite(target).all()
            and (weights is None or (np.isfinite(weights).all() and (weights >= 0).all()))
        ):
            raise ModelFileError("the training rows of the quantile forest hold values that are no numbers")
        return cls(forest, features, target, weights)


LEARNER = Learner(
    "quantile_forest",
    QuantileForest,
    "quantile forest",
    help="the same with quantiles, for maps of uncertainty.",
    source="Quantile regression forest: Meinshausen, N. (2006). Quantile regression forests. Journal of Machine "
    "Learning Research 7, 983–999",
    arrays=r"forest_(feature|threshold|child|value|root|importance)|quantile_(features|target|weight)",
    impurity=True,
    quantiles=True,
)
