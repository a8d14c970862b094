"""Speed of prediction and training of every kind of model against the library that trained it, on all cores.

Run with `python benchmarks/learners.py [rows [folder]]`: 200,000 rows of 25 features (noise, the worst case for trees
that walk neighbours together), models of 20,000 training rows (support vectors: 5,000). `folder` may hold the package
quantile-forest, with which the quantile forest is then compared. The peers are given all cores in the way that they
offer; ours get blocks of rows on as many threads, as `predict_raster` does it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, medians
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.learners.forest import Forest
from sm_toolbox.models.learners.quantileforest import QuantileForestModel
from sm_toolbox.models.learners.scaling import Scaling
from sm_toolbox.progress import SILENT

THREADS = os.cpu_count() or 1
FEATURES, TRAINING_ROWS, BLOCK = 25, 400 if SMALL else 20_000, 4096
LEVELS = np.array([0.05, 0.5, 0.95])


def make_rows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features float32 (rows, features) and a target (rows,)."""
    rng = np.random.default_rng(seed)
    x = rng.random((rows, FEATURES), np.float32)
    return x, x[:, :5].sum(axis=1) / 5 + 0.1 * rng.standard_normal(rows)


def in_blocks(predict: Callable[[np.ndarray], object], rows: np.ndarray) -> None:
    """Predict blocks of rows on all cores, products of matrices in one thread each."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(predict, [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]))


def compare(what: str, ours: Callable[[], object], peer: Callable[[], object], share: float = 1.0) -> None:
    """Print how many times as fast ours is; `share` is the part of our rows that the peer is given."""
    mine, theirs = medians(ours, peer, repeats=3)
    print(f"{what}: {theirs / share / mine:.1f} times as fast", flush=True)


def forests(rows: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    from joblib import parallel_config
    from sklearn.ensemble import RandomForestRegressor

    for name, leaf in (("at least 10 rows in a leaf", 10), ("full depth", 1)):
        peer = RandomForestRegressor(100, min_samples_leaf=leaf, max_features=1 / 3, n_jobs=-1, random_state=0).fit(
            x, y
        )
        forest = Forest.from_sklearn(peer.estimators_, FEATURES)
        with parallel_config(backend="threading"):
            compare(
                f"Random forest, 100 trees, {name}, against scikit-learn",
                partial(in_blocks, forest.predict, rows),
                partial(peer.predict, rows),
            )
    settings = '{"n_estimators": 100, "min_samples_leaf": 10}'
    bare = RandomForestRegressor(100, min_samples_leaf=10, max_features=1 / 3, n_jobs=-1, random_state=0)
    mine, theirs = medians(
        lambda: make_estimator("random_forest", settings).fit(x, y, None, 0, SILENT), lambda: bare.fit(x, y), repeats=3
    )
    print(f"Training a random forest takes {mine / theirs:.2f} times as long as the bare estimator")


def quantile_forests(rows: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    from quantile_forest import RandomForestQuantileRegressor

    peer = RandomForestQuantileRegressor(
        100, min_samples_leaf=10, max_features=1 / 3, max_samples_leaf=None, n_jobs=-1, random_state=0
    ).fit(x, y)
    model = QuantileForestModel(Forest.from_sklearn(peer.estimators_, FEATURES), x, y)
    few = rows[:4000]

    def both() -> None:
        # It gives the mean and the quantiles in two calls.
        peer.predict(few, quantiles="mean", weighted_leaves=True)
        peer.predict(few, quantiles=LEVELS.tolist(), weighted_quantile=True, weighted_leaves=True)

    some = rows[:40_000]
    compare(
        "Quantile forest, mean and 3 quantiles of all rows in the leaves, against quantile-forest",
        partial(in_blocks, lambda part: model.predict_quantiles(part, LEVELS), some),
        both,
        len(few) / len(some),
    )


def boosted(rows: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    import xgboost

    settings = {"max_depth": 6, "tree_method": "hist", "nthread": THREADS}
    booster = xgboost.train(settings, xgboost.DMatrix(x, y), 100)
    model = make_estimator("xgboost", '{"n_estimators": 100, "max_depth": 6, "learning_rate": 0.3}').fit(
        x, y, None, 0, SILENT
    )
    compare(
        "XGBoost, 100 trees of depth 6, against its own inplace_predict",
        partial(in_blocks, model.predict, rows),
        partial(booster.inplace_predict, rows),
    )


def support_vectors(rows: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    from sklearn.svm import SVR

    x, y = x[:5000], y[:5000]
    scaling = Scaling.fit(x, y)
    peer = SVR(C=3, epsilon=0.3).fit(scaling.features(x), scaling.target(y))
    model = make_estimator("svr", '{"C": 3, "epsilon": 0.3}').fit(x, y, None, 0, SILENT)
    some, few = rows[:40_000], scaling.features(rows[:2000])
    compare(
        f"Support vectors ({len(peer.support_)}), against scikit-learn",
        partial(in_blocks, model.predict, some),
        partial(peer.predict, few),
        len(few) / len(some),
    )


def main(rows: int = 5_000 if SMALL else 200_000, folder: str = "") -> None:
    sys.path.append(folder)
    new, _ = make_rows(rows, 1)
    x, y = make_rows(TRAINING_ROWS, 0)
    forests(new, x, y)
    boosted(new, x, y)
    support_vectors(new, x, y)
    if folder:
        quantile_forests(new, x, y)


if __name__ == "__main__":
    main(*(int(text) if text.isdigit() else text for text in sys.argv[1:3]))
