"""The compiled loop that walks rows of predictors through the trees of a forest."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

TILE_ROWS = 16
"""Rows that walk through a tree at once."""


@njit(**KERNEL_OPTIONS)
def add_leaf_values(tiles, width, nodes, values, trees, lanes, out):
    """Add up, for each row, the values of the leaves that it reaches in all trees.

    Neighbours on a map are alike: as long as all rows of a tile go the same way they walk as one, compared with a
    threshold in one vector instruction. From where they part each walks on its own, without a branch, so that the
    processor works on one row while it waits for another's node.

    Parameters
    ----------
    tiles : ndarray of float32 (rows / TILE_ROWS * width * TILE_ROWS,)
        Tile after tile of TILE_ROWS rows, in each of them feature after feature.
    width : uint64
        Features of a row.
    nodes : structured array (nodes,)
        `feature` uint32, `threshold` float32 and `child` uint32: a row goes to `child` where its feature is at most the
        threshold, else to `child + 1`. A leaf has the threshold +∞ and is its own child, so that a row stays on it.
    values : ndarray of float64 (nodes,)
    trees : structured array (trees,)
        `root`, `most` and `deepest`, uint64: the first node, the levels below it within which most leaves lie, and
        those within which all do.
    lanes : uint64
        TILE_ROWS. As an argument it keeps the compiler from unrolling the comparison of a tile, which it then turns
        into vector instructions.
    out : ndarray of float64 (rows,)
        Added to, tree after tree; a multiple of TILE_ROWS rows.

    Notes
    -----
    A tile meets all trees before the next one comes: both stay in the fastest cache as long as the trees are small.
    """
    # Unsigned integers spare the test for negative indices that would break the chains of steps.
    rows, step, none, one = np.uint64(out.size), np.uint64(TILE_ROWS), np.uint64(0), np.uint64(1)
    tile_size = width * step
    current = np.empty(TILE_ROWS, np.uint64)
    start, base = none, none
    while start < rows:
        for tree in trees:
            index, most, deepest, level = tree.root, tree.most, tree.deepest, none
            node = nodes[index]
            parted = False
            while True:
                first = base + np.uint64(node.feature) * step
                threshold = node.threshold
                right = np.uint32(0)
                for lane in range(lanes):
                    right += np.uint32(tiles[first + lane] > threshold)
                level += one
                if right == np.uint32(0):
                    to = np.uint64(node.child)
                elif right == np.uint32(TILE_ROWS):
                    to = np.uint64(node.child) + one
                else:
                    parted = True
                    break
                if to == index:
                    break
                index = to
                node = nodes[index]
            if parted:
                for lane in range(step):
                    current[lane] = np.uint64(node.child) + np.uint64(tiles[first + lane] > threshold)
                # A row on a leaf stays there. To look whether all have come to one takes as long as a part of a step:
                # not before most can have.
                while level < most:
                    for lane in range(step):
                        lane_node = nodes[current[lane]]
                        current[lane] = np.uint64(lane_node.child) + np.uint64(
                            tiles[base + np.uint64(lane_node.feature) * step + lane] > lane_node.threshold
                        )
                    level += one
                moved = one
                while moved != none and level < deepest:
                    moved = none
                    for lane in range(step):
                        lane_node = nodes[current[lane]]
                        to = np.uint64(lane_node.child) + np.uint64(
                            tiles[base + np.uint64(lane_node.feature) * step + lane] > lane_node.threshold
                        )
                        moved |= to ^ current[lane]
                        current[lane] = to
                    level += one
                for lane in range(step):
                    out[start + lane] += values[current[lane]]
            else:
                value = values[index]
                for lane in range(step):
                    out[start + lane] += value
        start += step
        base += tile_size
