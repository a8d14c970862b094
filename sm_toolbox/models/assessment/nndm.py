"""Folds whose distances from test to training rows are like those from the map's cells to the stations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp, wasserstein_distance

from sm_toolbox.errors import InputError

# The memory of hierarchical clustering grows with the square of the places.
_MOST_PLACES = 4000
# Numbers of clusters that are tried, evenly spaced in their logarithm.
_TRIED = 100
MAX_FOLD_SHARE = 0.5
"""No fold holds more than this share of the places, unless another is given; as in CAST's knndm (maxp)."""
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class MatchedFolds:
    """Folds of places, and how well their distances match those of the prediction.

    Parameters
    ----------
    fold : ndarray of int (places,)
        From 0.
    clustered : bool
        Whether the places are significantly nearer to each other than the prediction is to them; where they are not,
        the folds are random.
    to_training : ndarray of float64 (prediction points,)
        Distances from the prediction to the nearest place, m, sorted.
    in_folds : ndarray of float64 (places,)
        Distances from each place to the nearest one outside its fold, m, sorted.
    in_random : ndarray of float64 (places,)
        Distances from each place to the nearest other, which random folds come close to, m, sorted.
    mismatch : float
        Wasserstein distance between the first two, m.
    """

    fold: np.ndarray
    clustered: bool
    to_training: np.ndarray
    in_folds: np.ndarray
    in_random: np.ndarray
    mismatch: float


def match_folds(
    places: np.ndarray, prediction: np.ndarray, folds: int, seed: int = 0, max_fold_share: float = MAX_FOLD_SHARE
) -> MatchedFolds:
    """Divide places into folds by k-fold nearest neighbour distance matching.

    Places are clustered hierarchically (by Ward's method) into ever more clusters, which are spread over the folds
    along the main direction of the places; the division is kept whose distribution of distances between folds comes
    nearest to that of the distances from prediction to places (Linnenbrink et al. 2024, doi 10.5194/gmd-17-5897-2024).

    Parameters
    ----------
    places : ndarray of float64 (places, 2)
        Distinct, in metres.
    prediction : ndarray of float64 (points, 2)
        A sample of the area that is to be predicted, in the same coordinates.
    folds : int
    seed : int, optional
        For random folds, where places are not clustered.
    max_fold_share : float, optional
        Largest share of the places that a fold may hold; larger ones let clusters stay whole.

    Returns
    -------
    MatchedFolds

    Raises
    ------
    InputError
        Where there are fewer than two places for each fold.
    """
    if len(places) < 2 * folds:
        raise InputError(
            f"`split` 'knndm' needs at least two places for each of {folds} folds, but the training rows are of "
            f"{len(places)}. Give fewer `folds`."
        )
    units, unit_index = _units(places)
    to_training = np.sort(cKDTree(places).query(prediction)[0])
    in_random = np.sort(cKDTree(places).query(places, 2)[0][:, 1])
    random = np.random.default_rng(seed).permutation(len(places)) % folds
    if ks_2samp(in_random, to_training, alternative="greater", method="asymp").pvalue >= _SIGNIFICANT:
        distances = _between(places, random)
        return MatchedFolds(
            random, False, to_training, distances, in_random, float(wasserstein_distance(distances, to_training))
        )
    tree = linkage(units, "ward")
    along = _main_direction(units)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    tried = np.unique(np.round(np.geomspace(folds, max(folds, len(units) - 2), _TRIED)).astype(np.int64))
    for count in tried:
        cluster = fcluster(tree, count, "maxclust") - 1
        fold = _spread(cluster, along, np.bincount(unit_index, minlength=len(units)), folds)[unit_index]
        shares = np.bincount(fold, minlength=folds) / len(places)
        if shares.min() == 0 or shares.max() > max_fold_share:
            continue
        distances = _between(places, fold)
        mismatch = float(wasserstein_distance(distances, to_training))
        if best is None or mismatch < best[0]:
            best = mismatch, fold, distances
    if best is None:
        raise InputError(
            f"The training places are in too few groups to be divided into {folds} folds of comparable size. Give "
            "another number of `folds` or a larger `max_fold_share`, or choose `split` 'block'."
        )
    return MatchedFolds(best[1], True, to_training, best[2], in_random, best[0])


def _units(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places, or means of cells of a lattice where there are too many to cluster, and each place's unit."""
    cell = 0.0
    span = float(np.ptp(places, axis=0).max())
    unit_index = np.arange(len(places))
    while len(np.unique(unit_index)) > _MOST_PLACES:
        cell = 2 * cell or span / _MOST_PLACES
        steps = np.floor((places - places.min(axis=0)) / cell).astype(np.int64)
        unit_index = np.unique(steps[:, 0] * (steps[:, 1].max() + 1) + steps[:, 1], return_inverse=True)[1]
    counts = np.bincount(unit_index)
    return np.stack([np.bincount(unit_index, axis) / counts for axis in places.T], axis=1), unit_index


def _main_direction(places: np.ndarray) -> np.ndarray:
    """Return the places' coordinates along the direction in which they spread most (places,)."""
    centred = places - places.mean(axis=0)
    return np.asarray(centred @ np.linalg.svd(centred, full_matrices=False)[2][0])


def _spread(cluster: np.ndarray, along: np.ndarray, weight: np.ndarray, folds: int) -> np.ndarray:
    """Put clusters into folds: those as large as a fold alone, the others in turn along the main direction."""
    count = int(cluster.max()) + 1
    size = np.bincount(cluster, weight, count)
    position = np.bincount(cluster, along * weight, count) / size
    order = np.argsort(position, kind="stable")
    fold = np.full(count, -1)
    large = [c for c in order if size[c] >= weight.sum() / folds][:folds]
    fold[large] = np.arange(len(large))
    free = np.setdiff1d(np.arange(folds), fold[large])
    rest = [c for c in order if fold[c] < 0]
    if rest and not len(free):
        free = np.arange(folds)
    for i, c in enumerate(rest):
        fold[c] = free[i % len(free)]
    return np.asarray(fold[cluster])


def _between(places: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the distance from each place to the nearest one outside its fold, sorted."""
    distances = np.empty(len(places))
    for number in np.unique(fold):
        is_test = fold == number
        distances[is_test] = cKDTree(places[~is_test]).query(places[is_test])[0]
    return np.sort(distances)
