"""The training rows in a tree of boxes, in which the nearest one is found fast."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Share of the variance along the axes that the search uses first; fewer axes leave too many rows to compare, more cost
# more than they tell.
_SHARE = 0.95
# Rounding of coordinates on the principal axes, relative to the largest of them.
_ROUNDING = 2e-6


class Index(NamedTuple):
    """Training rows as `kernels` search them; features are filled up with zeros to a multiple of four.

    Parameters
    ----------
    centre, scale : ndarray of float32 (features,)
        Mean, and weight over standard deviation.
    rotation : ndarray of float32 (axes * features,)
        From standardised, weighted features to the first principal axes.
    rows : ndarray of float32 (leaves * features * LANES,)
        Features as they are, leaf after leaf.
    places : ndarray of float32 (leaves * axes * LANES,)
        The same rows on the principal axes.
    boxes : ndarray of float32 (nodes * axes * 2 * LANES,)
        Least and greatest coordinates of the children of each node, level after level from the one above the leaves.
    levels : ndarray of uint64 (levels + 1,)
        First node of each level.
    groups : ndarray of int32 (leaves * LANES,)
        Group of each row.
    slack : float32
        By how much distances along the axes may be off.
    """

    centre: np.ndarray
    scale: np.ndarray
    rotation: np.ndarray
    rows: np.ndarray
    places: np.ndarray
    boxes: np.ndarray
    levels: np.ndarray
    groups: np.ndarray
    slack: np.float32


def build_index(features: np.ndarray, scale: np.ndarray, groups: np.ndarray) -> Index:
    """Put rows into a tree of boxes on their first principal axes.

    Parameters
    ----------
    features : ndarray of float32 (features, rows)
    scale : ndarray of float32 (features,)
        Weight over standard deviation.
    groups : ndarray of int32 (rows,)
        The fold of each row, which a search may leave out.

    Returns
    -------
    Index
    """
    from sm_toolbox.models.applicability.kernels import LANES, PAD

    width = -(-len(features) // 4) * 4
    rows = np.zeros((features.shape[1], width), np.float32)
    rows[:, : len(features)] = features.T
    centre = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    factor = np.zeros(width, np.float32)
    factor[: len(scale)] = scale
    standard = (rows.astype(np.float64) - centre) * factor
    variances, vectors = np.linalg.eigh(np.cov(standard.T))
    explained = np.cumsum(variances[::-1]) / variances.sum()
    axes = min(width, 4 * (int(np.searchsorted(explained, _SHARE)) // 4 + 1))
    rotation = np.ascontiguousarray(vectors[:, ::-1][:, :axes].T, np.float32)
    places = standard.astype(np.float32) @ rotation.T
    order = _leaf_order(places, LANES)
    leaves = -(-len(order) // LANES)
    filled = np.concatenate([order, np.full(leaves * LANES - len(order), order[-1])])
    place = places[filled]
    low, high = (extreme(place.reshape(leaves, LANES, axes), axis=1) for extreme in (np.min, np.max))
    place[len(order) :, 0] = PAD
    boxes = []
    while True:
        nodes = -(-len(low) // LANES)
        box = np.empty((2, nodes * LANES, axes), np.float32)
        box[0], box[1] = PAD, -PAD
        box[0, : len(low)], box[1, : len(high)] = low, high
        box = box.reshape(2, nodes, LANES, axes)
        boxes.append(box.transpose(1, 3, 0, 2))
        # A node for the last few would not save any comparison.
        if nodes <= 4:
            break
        low, high = box[0].min(axis=1), box[1].max(axis=1)

    def in_leaves(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.reshape(leaves, LANES, -1).transpose(0, 2, 1)).reshape(-1)

    return Index(
        centre,
        factor,
        rotation.reshape(-1),
        in_leaves(rows[filled]),
        in_leaves(place),
        np.concatenate(boxes).reshape(-1),
        np.cumsum([0, *(len(level) for level in boxes)]).astype(np.uint64),
        groups[filled],
        np.float32(_ROUNDING * np.abs(places).max()),
    )


def _leaf_order(places: np.ndarray, leaf: int) -> np.ndarray:
    """Order points so that each run of `leaf`, and of 2, 4, 8 … of these, is compact: cut where a part is widest."""
    order = np.arange(len(places))
    parts = [(0, len(places))]
    while parts:
        start, stop = parts.pop()
        leaves = -(-(stop - start) // leaf)
        if leaves <= 1:
            continue
        # Powers of two, so that nodes of the tree begin where parts do.
        cut = leaf << ((leaves - 1).bit_length() - 1)
        part = places[order[start:stop]]
        axis = int(np.argmax(part.var(axis=0)))
        order[start:stop] = order[start:stop][np.argpartition(part[:, axis], cut - 1)]
        parts += [(start, start + cut), (start + cut, stop)]
    return order
