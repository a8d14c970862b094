"""The compiled loop that turns the leaves of a quantile forest into means and quantiles."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

# Rounding of sums of weights: a share that falls short of a level by less reaches it.
_ROUNDING = 1e-12


@njit(**KERNEL_OPTIONS)
def leaf_quantiles(leaves, leaf_ranges, members, row_weight, target, levels, shift, coarse, slot, fine, out):
    """Find quantiles of the training targets, weighted by how often they share a leaf with a row.

    Weights are first added up by groups of 2**shift ranks of the target, few enough to stay in the processor's nearest
    cache; then, rank by rank, only in the groups in which a level is reached (Meinshausen 2006, JMLR 7, 983-999,
    section 3).

    Parameters
    ----------
    leaves : ndarray of uint32 (rows, trees)
        The node in which each row ends in each tree.
    leaf_ranges : structured array (nodes,)
        What a node holds: `first` and `count` uint32 are the place of its members, `weight` float64 one over the sum of
        their weights. `first` is the place of a member even where there are none.
    members : ndarray of uint16 or uint32 (members,)
        Ranks of the training targets in each leaf.
    row_weight : ndarray of float64 (training rows,) or (0,)
        By rank; empty where all have the same.
    target : ndarray of float64 (training rows,)
        Sorted.
    levels : ndarray of float64 (levels,)
        Ascending, above 0 and below 1.
    shift : uint32
    coarse : ndarray of float64 (groups,)
        Overwritten.
    slot : ndarray of int32 (groups,)
        Zeros, and left as such.
    fine : ndarray of float64 (1 + groups of at most as many levels << shift,)
        Overwritten. The first part takes what is in no group of a level: adding it is faster than leaving it out.
    out : ndarray of float64 (rows, levels)
        The smallest target at which the share of the weight reaches the level.
    """
    weighted = row_weight.size > 0
    size = np.int64(1) << np.int64(shift)
    mask = np.uint32(size - 1)
    trees = leaves.shape[1]
    group_of, below_group = np.empty(levels.size, np.int64), np.empty(levels.size)
    start, stop, weight, touched = (
        np.empty(trees, np.int64),
        np.empty(trees, np.int64),
        np.empty(trees),
        np.empty(trees, members.dtype),
    )
    for row in range(leaves.shape[0]):
        # Nodes and members lie far apart in memory: asked for one after the other, without anything that waits for
        # them, they arrive together.
        for tree in range(trees):
            leaf_range = leaf_ranges[leaves[row, tree]]
            start[tree], stop[tree], weight[tree] = (
                leaf_range.first,
                np.int64(leaf_range.first) + np.int64(leaf_range.count),
                leaf_range.weight,
            )
        for tree in range(trees):
            touched[tree] = members[start[tree]]
        coarse[:] = 0.0
        for tree in range(trees):
            for i in range(start[tree], stop[tree]):
                rank = np.uint32(members[i])
                coarse[rank >> shift] += weight[tree] * row_weight[rank] if weighted else weight[tree]
        total = 0.0
        for group in range(coarse.size):
            total += coarse[group]
        if not total > 0:
            out[row] = np.nan
            continue
        group, below, slots = 0, 0.0, 1
        for k in range(levels.size):
            threshold = (levels[k] - _ROUNDING) * total
            while group < coarse.size - 1 and below + coarse[group] < threshold:
                below += coarse[group]
                group += 1
            if slot[group] == 0:
                slot[group] = slots
                slots += 1
            group_of[k], below_group[k] = group, below
        fine[: slots << np.int64(shift)] = 0.0
        for tree in range(trees):
            for i in range(start[tree], stop[tree]):
                rank = np.uint32(members[i])
                fine[slot[rank >> shift] * size + np.int64(rank & mask)] += (
                    weight[tree] * row_weight[rank] if weighted else weight[tree]
                )
        for k in range(levels.size):
            threshold = (levels[k] - _ROUNDING) * total
            group = group_of[k]
            lowest = group * size
            place, last = slot[group] * size, min(size, target.size - lowest) - 1
            at, reached = 0, below_group[k] + fine[place]
            while reached < threshold and at < last:
                at += 1
                reached += fine[place + at]
            out[row, k] = target[lowest + at]
        for k in range(levels.size):
            slot[group_of[k]] = 0
