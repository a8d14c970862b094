"""The compiled loop that turns the leaves of a quantile forest into means and quantiles."""

from __future__ import annotations

import numpy as np
from numba import njit

# Rounding of sums of weights: a share that falls short of a level by less reaches it.
_ROUNDING = 1e-12


@njit(nogil=True, cache=True, error_model="numpy")
def leaf_quantiles(leaves, first, members, member_weight, leaf_weight, target, levels, shift, coarse, slot, fine, out):
    """Find quantiles of the training targets, weighted by how often they share a leaf with a row.

    Weights are first added up by groups of 2**shift ranks of the target, few enough to stay in the processor's nearest cache; then, rank by rank, only in the groups
    in which a level is reached (Meinshausen 2006, JMLR 7, 983-999, section 3).

    Parameters
    ----------
    leaves : ndarray of uint32 (rows, trees)
        The node in which each row ends in each tree.
    first : ndarray of uint32 (nodes + 1,)
        Where the members of each node begin.
    members : ndarray of uint16 or uint32 (members,)
        Ranks of the training targets in each leaf.
    member_weight : ndarray of float64 (members,) or (0,)
        Share of each member in its leaf; empty where all have the same.
    leaf_weight : ndarray of float64 (nodes,)
        Share of each member where all have the same.
    target : ndarray of float64 (training rows,)
        Sorted.
    levels : ndarray of float64 (levels,)
        Ascending, above 0 and below 1.
    shift : uint32
    coarse : ndarray of float64 (groups,)
        Zeros, and left as such.
    slot : ndarray of int32 (groups,)
        -1, and left as such.
    fine : ndarray of float64 (groups of at most as many levels << shift,)
        Zeros, and left as such.
    out : ndarray of float64 (rows, levels)
        The smallest target at which the share of the weight reaches the level.
    """
    weighted = member_weight.size > 0
    size = np.int64(1) << np.int64(shift)
    mask = np.uint32(size - 1)
    group_of, below_group = np.empty(levels.size, np.int64), np.empty(levels.size)
    for row in range(leaves.shape[0]):
        coarse[:] = 0.0
        for tree in range(leaves.shape[1]):
            node = leaves[row, tree]
            weight = leaf_weight[node]
            for i in range(first[node], first[node + np.uint32(1)]):
                if weighted:
                    weight = member_weight[i]
                coarse[np.uint32(members[i]) >> shift] += weight
        total = 0.0
        for group in range(coarse.size):
            total += coarse[group]
        if not total > 0:
            out[row] = np.nan
            continue
        group, below, slots = 0, 0.0, 0
        for k in range(levels.size):
            wanted = (levels[k] - _ROUNDING) * total
            while group < coarse.size - 1 and below + coarse[group] < wanted:
                below += coarse[group]
                group += 1
            if slot[group] < 0:
                slot[group] = slots
                slots += 1
            group_of[k], below_group[k] = group, below
        fine[: slots << np.int64(shift)] = 0.0
        for tree in range(leaves.shape[1]):
            node = leaves[row, tree]
            weight = leaf_weight[node]
            for i in range(first[node], first[node + np.uint32(1)]):
                rank = np.uint32(members[i])
                own = slot[rank >> shift]
                if own >= 0:
                    if weighted:
                        weight = member_weight[i]
                    fine[own * size + np.int64(rank & mask)] += weight
        for k in range(levels.size):
            wanted = (levels[k] - _ROUNDING) * total
            group = group_of[k]
            start = group * size
            place, last = slot[group] * size, min(size, target.size - start) - 1
            at, reached = 0, below_group[k] + fine[place]
            while reached < wanted and at < last:
                at += 1
                reached += fine[place + at]
            out[row, k] = target[start + at]
        for k in range(levels.size):
            slot[group_of[k]] = -1
