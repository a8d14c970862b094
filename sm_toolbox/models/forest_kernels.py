"""The compiled loop that walks rows of predictors through the trees of a forest."""

from __future__ import annotations

import numpy as np
from numba import njit

# Rows that walk through a tree at once: their steps do not depend on one another, so that the processor works on one while it
# waits for another's node. Unsigned integers spare the test for negative indices that would break this chain.
_LANES = 16


@njit(nogil=True, cache=True)
def add_leaf_values(features, width, nodes, values, roots, shallowest, deepest, out):
    """Add up, for each row, the values of the leaves that it reaches in all trees.

    Parameters
    ----------
    features : ndarray of float32 (rows * width,)
        Row after row.
    width : uint64
        Features of a row.
    nodes : structured array (nodes,)
        `feature` uint32, `threshold` float32 and `child` uint32: a row goes to `child` where its feature is at most the threshold,
        else to `child + 1`. A leaf has the threshold +∞ and is its own child, so that a row stays on it.
    values : ndarray of float64 (nodes,)
    roots : ndarray of uint64 (trees,)
    shallowest, deepest : ndarray of int64 (trees,)
        Steps from the root to the nearest and to the farthest leaf.
    out : ndarray of float64 (rows,)
        Added to, tree after tree.
    """
    rows, lanes, none = np.uint64(out.size), np.uint64(_LANES), np.uint64(0)
    at = np.empty(_LANES, np.uint64)
    for tree in range(roots.size):
        root = roots[tree]
        start = none
        while start < rows:
            active = min(lanes, rows - start)
            base = start * width
            for lane in range(active):
                at[lane] = root
            if active == lanes:
                for _ in range(shallowest[tree]):
                    for lane in range(lanes):
                        node = nodes[at[lane]]
                        right = features[base + np.uint64(lane) * width + np.uint64(node.feature)] > node.threshold
                        at[lane] = np.uint64(node.child) + np.uint64(right)
                for _ in range(deepest[tree] - shallowest[tree]):
                    moved = none
                    for lane in range(lanes):
                        node = nodes[at[lane]]
                        right = features[base + np.uint64(lane) * width + np.uint64(node.feature)] > node.threshold
                        to = np.uint64(node.child) + np.uint64(right)
                        moved |= to ^ at[lane]
                        at[lane] = to
                    if moved == none:
                        break
            else:
                for _ in range(deepest[tree]):
                    for lane in range(active):
                        node = nodes[at[lane]]
                        right = features[base + np.uint64(lane) * width + np.uint64(node.feature)] > node.threshold
                        at[lane] = np.uint64(node.child) + np.uint64(right)
            for lane in range(active):
                out[start + np.uint64(lane)] += values[at[lane]]
            start += lanes
