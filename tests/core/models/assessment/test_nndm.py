"""Folds matched to the distances of prediction: clusters kept together, scattered places divided at random."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import wasserstein_distance

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.nndm import match_folds
from sm_toolbox.models.assessment.splits import make_split


def test_scattered_places_are_divided_at_random():
    rng = np.random.default_rng(0)
    places = np.indices((10, 10)).reshape(2, 100).T / 10 + 0.05 * rng.random((100, 2))
    found = match_folds(places, rng.random((2000, 2)), 5)
    assert not found.clustered and np.bincount(found.fold).tolist() == [20] * 5


def test_folds_of_clusters_match_the_prediction_better_than_random_ones():
    rng = np.random.default_rng(1)
    centres = 100 * rng.random((12, 2))
    places = np.repeat(centres, 15, axis=0) + rng.standard_normal((180, 2))
    prediction = 100 * rng.random((2000, 2))
    found = match_folds(places, prediction, 6)
    assert found.clustered
    # By the definition: distances to the nearest place outside the fold, and to the nearest place of all.
    outside = [
        min(np.linalg.norm(places[i] - places[j]) for j in range(180) if found.fold[j] != found.fold[i])
        for i in range(180)
    ]
    np.testing.assert_allclose(found.in_folds, np.sort(outside))
    np.testing.assert_allclose(found.to_training, np.sort(cKDTree(places).query(prediction)[0]))
    assert found.mismatch == pytest.approx(wasserstein_distance(outside, found.to_training))
    assert found.mismatch < 0.5 * wasserstein_distance(found.in_random, found.to_training)
    assert np.bincount(found.fold, minlength=6).min() > 0 and np.bincount(found.fold).max() <= 90


def test_thousands_of_places():
    rng = np.random.default_rng(2)
    places = np.unique(
        np.round(np.repeat(1000 * rng.random((40, 2)), 200, axis=0) + rng.standard_normal((8000, 2)) * 5, 3), axis=0
    )
    found = match_folds(places, 1000 * rng.random((500, 2)), 5)
    assert found.clustered and found.mismatch < 0.5 * wasserstein_distance(found.in_random, found.to_training)


def test_too_few_places():
    with pytest.raises(InputError, match="at least two places for each of 5 folds, but the training rows are of 6"):
        match_folds(np.random.default_rng(0).random((6, 2)), np.zeros((3, 2)), 5)


def test_a_larger_share_of_a_fold_lets_clusters_stay_whole():
    """Three clusters of which one holds most places: with CAST's half it is cut into more folds."""
    rng = np.random.default_rng(5)
    clusters = [rng.normal(0, 200, (70, 2)), rng.normal(60_000, 200, (15, 2)), rng.normal(-60_000, 200, (15, 2))]
    places = np.concatenate(clusters)
    prediction = rng.uniform(-100_000, 100_000, (400, 2))
    half = match_folds(places, prediction, 3)
    more = match_folds(places, prediction, 3, max_fold_share=0.8)
    assert np.bincount(half.fold).max() <= 50 < np.bincount(more.fold).max() <= 80
    assert more.mismatch < half.mismatch


@pytest.mark.parametrize("share", [0.2, 1.1, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(InputError, match="`max_fold_share` is"):
        make_split("knndm", 4, prediction=np.zeros((3, 2)), max_fold_share=share)
