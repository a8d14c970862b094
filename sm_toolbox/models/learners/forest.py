"""Forests of regression trees as flat arrays: from scikit-learn, to and from a model file, and fast prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sm_toolbox.errors import ModelFileError

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeRegressor

_NODE = np.dtype([("feature", np.uint32), ("threshold", np.float32), ("child", np.uint32)], align=True)
_TREE = np.dtype([("root", np.uint64), ("most", np.uint64), ("deepest", np.uint64)])
# Nodes of trees that are walked together: half of the fastest cache, so that rows have the other.
_NODES = 2048
# A block of rows, a multiple of the lanes, that stays in the cache while all trees pass over it.
_ROWS = 8192


class Tree(NamedTuple):
    """A tree as libraries keep it, its root first.

    Parameters
    ----------
    left, right : ndarray of int (nodes,)
        Children; negative in leaves.
    feature : ndarray of int (nodes,)
    threshold : ndarray of float32 (nodes,)
        A row goes left where its feature is at most this.
    value : ndarray of float64 (nodes,)
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Forest:
    """Regression trees whose mean is the prediction.

    The nodes of all trees lie in one array, each tree depth-first with the two children of a node side by side.

    Parameters
    ----------
    nodes : structured ndarray (nodes,)
        `feature`, `threshold`, `child` as in `forest_kernels.add_leaf_values`.
    values : ndarray of float64 (nodes,)
        The prediction of each leaf, in the target's unit.
    roots : ndarray of uint64 (trees,)
    n_features : int
    impurity_importance : ndarray of float32 (features,), optional
        Share of the variance of the training rows that splits at each feature explain.
    """

    nodes: np.ndarray
    values: np.ndarray
    roots: np.ndarray
    n_features: int
    impurity_importance: np.ndarray | None = None

    @classmethod
    def from_sklearn(cls, trees: Sequence[DecisionTreeRegressor], n_features: int) -> Forest:
        """Convert fitted scikit-learn trees.

        Parameters
        ----------
        trees : sequence of DecisionTreeRegressor
        n_features : int

        Returns
        -------
        Forest
        """
        importance = np.mean([estimator.feature_importances_ for estimator in trees], axis=0).astype(np.float32)
        parts = [estimator.tree_ for estimator in trees]
        return cls.from_trees(
            [
                Tree(
                    tree.children_left,
                    tree.children_right,
                    tree.feature,
                    _float32_at_most(tree.threshold),
                    tree.value[:, 0, 0],
                )
                for tree in parts
            ],
            n_features,
            importance,
        )

    @classmethod
    def from_trees(
        cls, trees: Sequence[Tree], n_features: int, impurity_importance: np.ndarray | None = None
    ) -> Forest:
        """Lay out trees for the compiled loop.

        Parameters
        ----------
        trees : sequence of Tree
        n_features : int
        impurity_importance : ndarray of float32 (features,), optional

        Returns
        -------
        Forest
        """
        nodes, values, roots = [], [], []
        start = 0
        for tree in trees:
            position = _depth_first(tree.left, tree.right)
            leaf = tree.left < 0
            flat_tree = np.empty(len(leaf), _NODE)
            flat_tree["feature"][position] = np.where(leaf, 0, tree.feature)
            flat_tree["threshold"][position] = np.where(leaf, np.float32(np.inf), tree.threshold)
            flat_tree["child"][position] = np.where(leaf, position, position[tree.left]) + start
            value = np.empty(len(leaf))
            value[position] = tree.value
            nodes.append(flat_tree)
            values.append(value)
            roots.append(start)
            start += len(leaf)
        return cls(
            np.concatenate(nodes), np.concatenate(values), np.array(roots, np.uint64), n_features, impurity_importance
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        kept = {
            "forest_feature": self.nodes["feature"].astype(np.int32),
            "forest_threshold": self.nodes["threshold"].copy(),
            "forest_child": self.nodes["child"].astype(np.int32),
            "forest_value": self.values,
            "forest_root": self.roots.astype(np.int64),
        }
        return kept if self.impurity_importance is None else kept | {"forest_importance": self.impurity_importance}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_features: int) -> Forest:
        """Read what a model file holds, after checking that no index leads out of the arrays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
        n_features : int

        Returns
        -------
        Forest

        Raises
        ------
        ModelFileError
            Where the arrays cannot be those of a forest: the compiled loop trusts them.
        """
        try:
            feature, threshold, child, value, root = (
                arrays[f"forest_{name}"] for name in ("feature", "threshold", "child", "value", "root")
            )
        except KeyError as error:
            raise ModelFileError(f"the array {error} is missing") from None
        count = feature.size
        shapes = (
            all(array.ndim == 1 for array in (feature, threshold, child, value, root))
            and len(threshold) == len(child) == len(value) == count
        )
        kinds = all(
            array.dtype == dtype
            for array, dtype in (
                (feature, np.int32),
                (threshold, np.float32),
                (child, np.int32),
                (value, np.float64),
                (root, np.int64),
            )
        )
        if not shapes or not kinds or count == 0 or len(root) == 0:
            raise ModelFileError("the arrays of the forest do not have the shapes and types they must have")
        outside = ModelFileError("the forest's nodes point to places that do not exist")
        if not (root[0] == 0 and np.all(np.diff(root) > 0) and root[-1] < count):
            raise outside
        node = np.arange(count)
        leaf = child == node
        end_of_tree = np.repeat(np.append(root[1:], count), np.diff(np.append(root, count)))
        # Children come after their parents, so that every walk ends.
        inside = (
            (feature >= 0)
            & (feature < n_features)
            & (leaf | ((child > node) & (child < end_of_tree - 1)))
            & ((threshold == np.inf) == leaf)
            & (leaf | np.isfinite(threshold))
        )
        if not (np.all(inside) and np.all(np.isfinite(value))):
            raise outside
        nodes = np.empty(count, _NODE)
        nodes["feature"], nodes["threshold"], nodes["child"] = feature, threshold, child
        importance = arrays.get("forest_importance")
        if importance is not None and (importance.shape != (n_features,) or importance.dtype != np.float32):
            raise ModelFileError(
                "the importance of the forest's features does not have the shape and type it must have"
            )
        return cls(nodes, value, root.astype(np.uint64), n_features, importance)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict rows, on the calling thread.

        Parameters
        ----------
        features : ndarray (rows, features)
            Without missing values.

        Returns
        -------
        ndarray of float64 (rows,)
            Equal to scikit-learn's forest to rounding of the sum.
        """
        total = np.zeros(len(features))
        for part, tiles, out in self._tiles(features):
            for trees in self._groups:
                self._add(tiles, self.values, trees, out)
            total[part] = out[: len(total[part])]
        total /= len(self.roots)
        return total

    def leaves(self, features: np.ndarray) -> np.ndarray:
        """Return the node in which each row ends in each tree.

        Parameters
        ----------
        features : ndarray (rows, features)
            Without missing values.

        Returns
        -------
        ndarray of uint32 (rows, trees)
        """
        leaves = np.empty((len(features), len(self.roots)), np.uint32)
        # Without values of its own a leaf adds its number.
        numbers = np.arange(len(self.nodes), dtype=np.float64)
        for part, tiles, out in self._tiles(features):
            for tree in range(len(self.roots)):
                out[:] = 0
                self._add(tiles, numbers, self._trees[tree : tree + 1], out)
                leaves[part, tree] = out[: len(leaves[part])]
        return leaves

    def with_values(self, values: np.ndarray) -> Forest:
        """Return the same trees with other predictions of their nodes.

        Parameters
        ----------
        values : ndarray of float64 (nodes,)

        Returns
        -------
        Forest
        """
        return replace(self, values=values)

    def _tiles(self, features: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Cut rows into parts that stay in the cache, laid out for the compiled loop, each with zeros to add to."""
        from sm_toolbox.models.learners.forest_kernels import TILE_ROWS

        rows = np.asarray(features, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ValueError(f"features must have the shape (rows, {self.n_features}), not {rows.shape}")
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            # The last tile is filled up with rows of zeros, whose results are dropped.
            tiles = np.zeros((-(-len(part) // TILE_ROWS), self.n_features, TILE_ROWS), np.float32)
            whole = len(part) // TILE_ROWS
            tiles[:whole] = part[: whole * TILE_ROWS].reshape(whole, TILE_ROWS, self.n_features).transpose(0, 2, 1)
            if whole < len(tiles):
                tiles[whole, :, : len(part) - whole * TILE_ROWS] = part[whole * TILE_ROWS :].T
            yield slice(start, start + len(part)), tiles.reshape(-1), np.zeros(len(tiles) * TILE_ROWS)

    @cached_property
    def _trees(self) -> np.ndarray:
        """Root and depths of each tree, as `add_leaf_values` takes them."""
        child = self.nodes["child"].astype(np.int64)
        level = np.zeros(len(child), np.int64)
        reached, below = self.roots.astype(np.int64), 0
        while len(reached):
            level[reached] = below
            inner = child[reached][child[reached] != reached]
            reached, below = np.unique([inner, inner + 1]), below + 1
        levels = np.where(child == np.arange(len(child)), level, -1)
        trees = np.empty(len(self.roots), _TREE)
        for tree, own in zip(trees, np.split(levels, self.roots[1:].astype(np.int64))):
            tree["most"], tree["deepest"] = np.quantile(own[own >= 0], 0.75), own.max()
        trees["root"] = self.roots
        return trees

    @cached_property
    def _groups(self) -> list[np.ndarray]:
        """Parts of the trees that are walked together."""
        ends = np.append(self.roots[1:], len(self.nodes))
        return np.split(self._trees, np.flatnonzero(np.diff(ends // _NODES)) + 1)

    def _add(self, tiles: np.ndarray, values: np.ndarray, trees: np.ndarray, out: np.ndarray) -> None:
        from sm_toolbox.models.learners.forest_kernels import TILE_ROWS, add_leaf_values

        add_leaf_values(tiles, np.uint64(self.n_features), self.nodes, values, trees, np.uint64(TILE_ROWS), out)


def _depth_first(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return new positions of a tree's nodes, depth-first and with siblings side by side."""
    left_of, right_of = left.tolist(), right.tolist()
    position = [0] * len(left_of)
    free, stack = 1, [0]
    while stack:
        node = stack.pop()
        if left_of[node] >= 0:
            position[left_of[node]], position[right_of[node]] = free, free + 1
            free += 2
            stack += [right_of[node], left_of[node]]
    return np.array(position, np.int64)


def _float32_at_most(thresholds: np.ndarray) -> np.ndarray:
    """Round float64 thresholds down to float32: `x <= t` then says the same for every float32 x."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded
