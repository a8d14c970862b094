"""Time of the area of applicability over that of the forest's prediction, and over that of other ways to find the
nearest training row.

Run with `python benchmarks/applicability.py [side]`: side × side cells (1000) against 10,000 training rows, in blocks
on all cores, as 'Predict raster' does. The maps have spectra as climate and terrain have, each predictor with noise on
top; in the worst case neighbouring cells have nothing in common and predictors nothing with each other. The importance
of each predictor is a share of that of the one before; with a share of 1, the dissimilarity has as many dimensions as
predictors, in which no search is much better than comparing all with all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, medians
from sm_toolbox.models.applicability.area import Applicability
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.progress import SILENT

ROWS, BLOCK = 300 if SMALL else 10_000, 8192
# Peers get fewer cells, one after the other on the map: the slowest of them take a hundred times as long.
PEER_CELLS = 40_000


def make_map(side: int, count: int, noise: float) -> np.ndarray:
    """Return smooth predictors (cells, predictors) with some noise, correlated as bands and indices of one scene are;
    only noise where it is 1.
    """
    rng = np.random.default_rng(0)
    if noise == 1:
        return rng.standard_normal((side * side, count), dtype=np.float32)
    squared = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.rfftfreq(side)[None] ** 2
    squared[0, 0] = np.inf
    cells = np.empty((side * side, count), np.float32)
    for k in range(count):
        values = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) / squared**0.75, s=(side, side))
        cells[:, k] = (values / values.std() + noise * rng.standard_normal((side, side))).ravel()
    return cells @ (np.eye(count) + 0.3 * rng.standard_normal((count, count)) / np.sqrt(count)).astype(np.float32)


def in_blocks(task: Callable[[np.ndarray], object], cells: np.ndarray) -> None:
    """Run a task over blocks of cells, given predictor after predictor, on all cores."""
    columns = np.ascontiguousarray(cells.T)
    with ThreadPoolExecutor(cpu_count()) as pool:
        list(pool.map(lambda start: task(columns[:, start : start + BLOCK].T), range(0, len(cells), BLOCK)))


def all_with_all(cells: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the squared distance to the nearest row by matrix products, 256 cells at a time."""
    squares = np.einsum("ij,ij->i", rows, rows)
    nearest = np.concatenate(
        [(squares - 2 * (cells[i : i + 256] @ rows.T)).min(axis=1) for i in range(0, len(cells), 256)]
    )
    return np.maximum(nearest + np.einsum("ij,ij->i", cells, cells), 0)


def compare(side: int, count: int, noise: float, share: float) -> None:
    """Print the ratios of one case."""
    cells = make_map(side, count, noise)
    rng = np.random.default_rng(1)
    rows = cells[rng.choice(len(cells), ROWS, replace=False)]
    target = np.sin(2 * rows[:, 0]) + rows[:, 1] * rows[:, 2] + 0.5 * rows[:, 3] + 0.3 * rng.standard_normal(ROWS)
    forest = make_estimator("random_forest", '{"n_estimators": 100, "min_samples_leaf": 10}').fit(
        rows, target, None, 0, SILENT
    )
    area = Applicability.fit(rows, share ** np.arange(count), rng.integers(1, 6, ROWS))
    some = cells[: min(PEER_CELLS, len(cells))]
    scale = (area.weights / rows.std(axis=0, dtype=np.float64)).astype(np.float32)
    weighted_rows, weighted = rows * scale, some * scale
    tree = cKDTree(weighted_rows)
    expected = tree.query(weighted, workers=-1)[0] / area.mean_distance
    difference = np.abs(area.dissimilarity(some)[0] - expected).max()
    predict, own, density, own_some, kd, brute = medians(
        lambda: in_blocks(forest.predict, cells),
        lambda: in_blocks(area.dissimilarity, cells),
        lambda: in_blocks(lambda block: area.dissimilarity(block, density=True), some),
        lambda: in_blocks(area.dissimilarity, some),
        lambda: tree.query(weighted, workers=-1),
        lambda: all_with_all(weighted, weighted_rows),
        repeats=3,
    )
    kind = "independent noise" if noise == 1 else f"map with {100 * noise:.0f} % noise"
    print(
        f"{kind}, {count} predictors, importance × {share:g}: DI / forest {own / predict:.2f}, DI and LPD / DI "
        f"{density / own_some:.1f}, cKDTree / DI {kd / own_some:.1f}, all with all (BLAS) / DI "
        f"{brute / own_some:.1f}; largest difference of DI {difference:.0e}",
        flush=True,
    )


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 40 if SMALL else 1000
    print(
        f"{side * side:,} cells, {ROWS:,} training rows, forest of 100 trees with at least 10 rows in a leaf, "
        f"{cpu_count()} cores"
    )
    for count, noise, share in (
        (12, 0.02, 0.8),
        (25, 0.02, 0.8),
        (25, 0.1, 0.8),
        (25, 0.02, 0.9),
        (25, 1, 0.8),
        (25, 1, 1),
    ):
        compare(side, count, noise, share)


if __name__ == "__main__":
    main()
