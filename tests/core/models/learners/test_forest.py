"""The forest kernel against scikit-learn, and the file's arrays against what must not be trusted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor

from sm_toolbox.errors import ModelFileError
from sm_toolbox.models.learners.forest import Forest, Tree


def fitted(seed, leaf, depth=None, rows=600, features=7, trees=13):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    y = x[:, 0] + np.sin(3 * x[:, 1]) + rng.normal(0, 0.2, rows)
    return RandomForestRegressor(trees, min_samples_leaf=leaf, max_depth=depth, random_state=seed).fit(x, y), x


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100), st.sampled_from([1, 3, 10, 250]), st.sampled_from([None, 1, 4]), st.integers(1, 3000))
def test_equal_to_scikit_learn(seed, leaf, depth, rows):
    model, _ = fitted(seed, leaf, depth)
    forest = Forest.from_sklearn(model.estimators_, 7)
    x = np.random.default_rng(seed + 1).normal(size=(rows, 7)).astype(np.float32)
    np.testing.assert_allclose(forest.predict(x), model.predict(x), rtol=0, atol=1e-12)


def test_values_on_thresholds_go_the_same_way():
    """The training values lie on both sides of thresholds halfway between them; thresholds themselves must go left."""
    model, x = fitted(3, 1)
    forest = Forest.from_sklearn(model.estimators_, 7)
    np.testing.assert_allclose(forest.predict(x), model.predict(x), rtol=0, atol=1e-12)
    thresholds = np.concatenate([tree.tree_.threshold[tree.tree_.feature == 0] for tree in model.estimators_])
    probe = np.zeros((3 * len(thresholds), 7), np.float32)
    near = thresholds.astype(np.float32)
    probe[:, 0] = np.concatenate(
        [near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))]
    )
    np.testing.assert_allclose(forest.predict(probe), model.predict(probe), rtol=0, atol=1e-12)


def test_neighbours_that_are_alike():
    """Rows that walk together, part and meet again, in tiles that are full and one that is not."""
    model, _ = fitted(2, 3)
    base = np.linspace(-2, 2, 1003, dtype=np.float32)
    x = np.stack([np.sin(base * (i + 1)) for i in range(7)], axis=1)
    np.testing.assert_allclose(
        Forest.from_sklearn(model.estimators_, 7).predict(x), model.predict(x), rtol=0, atol=1e-12
    )


def test_a_tree_that_is_one_leaf():
    model, x = fitted(0, 600)
    np.testing.assert_allclose(
        Forest.from_sklearn(model.estimators_, 7).predict(x), model.predict(x), rtol=0, atol=1e-12
    )


def test_rows_that_arrive_long_after_most():
    """A chain with a leaf beside each step: three quarters of the leaves lie far above the last."""
    steps = 70
    left = np.array([node + 1 if node % 2 == 0 and node < 2 * steps else -1 for node in range(2 * steps + 1)])
    # Inner nodes are the even ones: left a leaf, right the next inner node.
    right = np.where(left >= 0, np.arange(2 * steps + 1) + 2, -1)
    threshold = np.where(left >= 0, np.arange(2 * steps + 1) / 2, 0).astype(np.float32)
    value = np.where(left >= 0, np.nan, np.arange(2 * steps + 1) // 2).astype(float)
    chain = Tree(left, right, np.zeros(len(left), int), threshold, value)
    forest = Forest.from_trees([chain], 1)
    x = np.random.default_rng(0).uniform(-1, steps + 1, (500, 1)).astype(np.float32)
    np.testing.assert_array_equal(forest.predict(x), np.clip(np.ceil(x[:, 0]), 0, steps))


def test_nodes_with_many_parents_do_not_multiply():
    """Files that were made by hand may lead many ways to one node: the levels are found without walking each way."""
    forest = Forest.from_sklearn(fitted(1, 5, trees=1)[0].estimators_, 7)
    arrays = {key: array.copy() for key, array in forest.to_arrays().items()}
    count = 201
    node = np.arange(count)
    arrays["forest_child"] = np.where(node < count - 2, node + 1, node).astype(np.int32)
    arrays["forest_threshold"] = np.where(node < count - 2, 0, np.inf).astype(np.float32)
    arrays["forest_feature"], arrays["forest_value"] = np.zeros(count, np.int32), node.astype(float)
    made = Forest.from_arrays(arrays, 7).predict(np.full((3, 7), 0.5, np.float32))
    np.testing.assert_array_equal(made, count - 1)


def test_arrays_are_read_back_unchanged():
    model, x = fitted(1, 5)
    forest = Forest.from_sklearn(model.estimators_, 7)
    again = Forest.from_arrays(forest.to_arrays(), 7)
    np.testing.assert_array_equal(again.predict(x), forest.predict(x))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("forest_child", lambda a: a.__setitem__(0, 10**6)),
        ("forest_child", lambda a: a.__setitem__(5, 1)),
        ("forest_child", lambda a: a.__setitem__(0, -3)),
        ("forest_feature", lambda a: a.__setitem__(0, 7)),
        ("forest_feature", lambda a: a.__setitem__(0, -1)),
        ("forest_root", lambda a: a.__setitem__(-1, 10**7)),
        ("forest_value", lambda a: a.__setitem__(0, np.nan)),
        ("forest_threshold", lambda a: a.__setitem__(0, np.inf)),
    ],
)
def test_arrays_that_point_outside_are_refused(name, change):
    arrays = {
        key: array.copy() for key, array in Forest.from_sklearn(fitted(1, 5)[0].estimators_, 7).to_arrays().items()
    }
    change(arrays[name])
    with pytest.raises(ModelFileError):
        Forest.from_arrays(arrays, 7)


def test_children_in_another_tree_are_refused():
    arrays = Forest.from_sklearn(fitted(1, 5)[0].estimators_, 7).to_arrays()
    arrays["forest_child"][0] = arrays["forest_root"][1]
    with pytest.raises(ModelFileError, match="do not exist"):
        Forest.from_arrays(arrays, 7)


def test_missing_and_misshapen_arrays_are_refused():
    arrays = Forest.from_sklearn(fitted(1, 5)[0].estimators_, 7).to_arrays()
    for name in arrays:
        if name != "forest_importance":  # files of the first version have none
            with pytest.raises(ModelFileError):
                Forest.from_arrays({key: array for key, array in arrays.items() if key != name}, 7)
        with pytest.raises(ModelFileError):
            Forest.from_arrays({**arrays, name: arrays[name][0]}, 7)
        with pytest.raises(ModelFileError):
            Forest.from_arrays(
                {**arrays, name: arrays[name][:-1] if name != "forest_root" else arrays[name].astype(np.float32)}, 7
            )


def test_a_wrong_number_of_features_is_refused():
    forest = Forest.from_sklearn(fitted(1, 5)[0].estimators_, 7)
    with pytest.raises(ValueError, match=r"\(rows, 7\)"):
        forest.predict(np.zeros((4, 6)))


@pytest.mark.parametrize("threshold", [-np.inf, np.nan, 0.5])
def test_leaves_that_lead_on_are_refused(threshold):
    """A leaf is left only by a threshold below +inf, and what comes after it is another tree or nothing."""
    arrays = Forest.from_sklearn(fitted(1, 5)[0].estimators_, 7).to_arrays()
    arrays["forest_threshold"][np.isinf(arrays["forest_threshold"])] = threshold
    with pytest.raises(ModelFileError):
        Forest.from_arrays(arrays, 7)
