"""Random forest: the mean of regression trees, each grown on random rows and predictors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sm_toolbox.models.learners.base import Learner
from sm_toolbox.models.learners.forest import Forest
from sm_toolbox.models.learners.hyperparameters import IntRange, check, is_number, is_whole
from sm_toolbox.models.learners.threads import is_small
from sm_toolbox.progress import Progress


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

    SPACE: ClassVar[dict[str, Any]] = {
        "n_estimators": IntRange(10, 100),
        "max_depth": (None, 10, 20, 30),
        "min_samples_leaf": (1, 2, 4, 8),
        "max_features": ("sqrt", "log2", None),
    }

    n_estimators: int = 100
    max_depth: int | None = None
    min_samples_leaf: int = 5
    max_features: float | int | str | None = 1 / 3
    max_samples: float | None = None

    def __post_init__(self) -> None:
        check(
            is_whole(self.n_estimators) and 1 <= self.n_estimators <= 10_000,
            "n_estimators",
            self.n_estimators,
            "a whole number from 1 to 10000",
        )
        check(
            self.max_depth is None or (is_whole(self.max_depth) and 1 <= self.max_depth <= 10_000),
            "max_depth",
            self.max_depth,
            "null or a whole number from 1 to 10000",
        )
        check(
            is_whole(self.min_samples_leaf) and 1 <= self.min_samples_leaf <= 10**9,
            "min_samples_leaf",
            self.min_samples_leaf,
            "a whole number of at least 1",
        )
        named = self.max_features in (None, "sqrt", "log2")
        share = isinstance(self.max_features, float) and 0 < self.max_features <= 1
        check(
            named or share or (is_whole(self.max_features) and int(self.max_features or 0) >= 1),
            "max_features",
            self.max_features,
            'null, "sqrt", "log2", a share above 0 and up to 1, or a whole number',
        )
        check(
            self.max_samples is None or (is_number(self.max_samples) and 0 < self.max_samples <= 1),
            "max_samples",
            self.max_samples,
            "null or a share above 0 and up to 1",
        )

    def fit(
        self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress
    ) -> Forest:
        """Grow the trees in batches, checking for Cancel between two of them.

        As `Estimator.fit`.

        Raises
        ------
        Cancelled
            Within a batch of trees of the user's Cancel.
        """
        from joblib import cpu_count, parallel_config
        from sklearn.ensemble import RandomForestRegressor

        max_features = 1.0 if self.max_features is None else self.max_features
        if is_whole(max_features):
            max_features = min(int(max_features), features.shape[1])
        forest = RandomForestRegressor(
            n_estimators=0,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            max_features=max_features,
            max_samples=None if self.max_samples is None else float(self.max_samples),
            random_state=seed,
            warm_start=True,
            n_jobs=1 if is_small(features.size) else -1,
        )
        # Trees of many rows take long, and each batch is as long as the slowest of them.
        batch = max(8, 2 * cpu_count()) if is_small(features.size) else cpu_count()
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
        """Read a forest back from a model file.

        As `Estimator.from_arrays`.
        """
        return Forest.from_arrays(arrays, n_features)


LEARNER = Learner(
    "random_forest",
    RandomForest,
    "random forest",
    help="the mean of regression trees grown on random parts of the rows and predictors; a safe first choice.",
    source="Random forest: Breiman, L. (2001). Random forests. Machine Learning 45, 5–32. doi 10.1023/A:1010933404324",
    arrays=r"forest_(feature|threshold|child|value|root|importance)",
    impurity=True,
)
