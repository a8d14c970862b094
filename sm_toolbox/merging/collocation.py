"""Errors of products of unknown truth from their covariances: triple collocation, and its extension to more products.

Everything here is about arrays; what the rasters are made of is in `triplecollocation` and `merge`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, permutations

import numpy as np

from sm_toolbox.errors import InputError

LETTERS = "abcde"
FLAGS = (
    "resolved",
    "too few common samples",
    "a pair not significantly positively correlated",
    "no positive error variance",
    "an impossible correlation",
)
_CONFIDENCE = 0.95
_MOST_BLOCKS = 1000


@dataclass(frozen=True)
class Design:
    """Which covariances the errors are estimated from.

    Parameters
    ----------
    count : int
        Products, 3 to 5.
    pairs : ndarray of int64 (pairs, 2)
        All pairs of products.
    declared : ndarray of bool (pairs,)
        Those whose errors may be correlated.
    triplets : ndarray of int64 (n, 3)
        For each estimate of a product's signal variance the product and the two others; none of the three pairs is
        declared.
    quadruplets : ndarray of int64 (n, 5)
        For each estimate of the signal that a pair shares the pair, its products a and b and two others c and d; of the
        pairs ac, bd and cd none is declared. Empty for three products.
    """

    count: int
    pairs: np.ndarray
    declared: np.ndarray
    triplets: np.ndarray
    quadruplets: np.ndarray

    @property
    def pair_names(self) -> list[str]:
        """The pairs in letters: `ab`, `ac`, …."""
        return [LETTERS[i] + LETTERS[j] for i, j in self.pairs]

    @property
    def estimates(self) -> list[str]:
        """The estimates of each cell, in order; error correlations of pairs only with four or more products."""
        kinds = ("error", "scaled_error", "correlation", "snr", "sensitivity", "weight")
        names = [f"{kind}_{letter}" for kind in kinds for letter in LETTERS[: self.count]]
        return [
            *names,
            "merged_error",
            *([f"error_correlation_{pair}" for pair in self.pair_names] if self.count > 3 else []),
        ]


def design(count: int, correlated: str = "") -> Design:
    """Find all triplets and quadruplets that estimates can come from.

    Parameters
    ----------
    count : int
        Products, 3 to 5.
    correlated : str, optional
        Pairs whose errors may be correlated: `B-C`, or `A-B, D-E`.

    Returns
    -------
    Design

    Raises
    ------
    InputError
        Where a pair is not understood, or a product or pair is left without an estimate.
    """
    declared_pairs = _parse_pairs(correlated, count)
    pairs = list(combinations(range(count), 2))
    apart = {pair for pair in permutations(range(count), 2) if tuple(sorted(pair)) not in declared_pairs}
    triplets = [
        (i, a, b)
        for i in range(count)
        for a, b in combinations([other for other in range(count) if other != i], 2)
        if {(i, a), (i, b), (a, b)} <= apart
    ]
    quadruplets = [
        (number, a, b, c, d)
        for number, (a, b) in enumerate(pairs)
        for c, d in permutations([other for other in range(count) if other not in (a, b)], 2)
        if {(a, c), (b, d), (c, d)} <= apart
    ]
    lost = [LETTERS[i].upper() for i in range(count) if all(triplet[0] != i for triplet in triplets)]
    lost += [
        f"{LETTERS[a].upper()}-{LETTERS[b].upper()}"
        for number, (a, b) in enumerate(pairs)
        if (a, b) in declared_pairs and all(quadruplet[0] != number for quadruplet in quadruplets)
    ]
    if lost:
        raise InputError(
            f"With {count} products and `correlated` '{correlated}', no three products without correlated errors "
            f"are left for {', '.join(lost)}. Add a product whose errors are independent, or declare fewer pairs: "
            "with four products one pair can be declared, or two that share no product."
        )
    return Design(
        count,
        np.array(pairs, np.int64),
        np.array([pair in declared_pairs for pair in pairs]),
        np.array(triplets, np.int64),
        np.array(quadruplets, np.int64).reshape(-1, 5),
    )


def _parse_pairs(text: str, count: int) -> set[tuple[int, ...]]:
    found = set()
    for part in re.split(r"[,;\s]+", re.sub(r"\s*-\s*", "-", (text or "").strip())):
        if not part:
            continue
        letters = [LETTERS.find(name.lower()) if name else -1 for name in part.split("-")]
        if len(letters) != 2 or letters[0] == letters[1] or not all(0 <= letter < count for letter in letters):
            known = ", ".join(LETTERS[:count].upper())
            raise InputError(
                f"`correlated` holds '{part}', but must hold pairs of the products {known}, such as B-C. Separate "
                "several with commas."
            )
        found.add(tuple(sorted(letters)))
    return found


@dataclass(frozen=True)
class Collocation:
    """What was estimated for cells of any arrangement (...).

    Parameters
    ----------
    estimates : ndarray of float32 (estimates, ...)
        In the order of `Design.estimates`; NaN where the flag is not 0.
    correlations, p_values : ndarray of float64 (pairs, ...)
        Pearson correlation of each two products and its two-sided p-value; NaN where a product does not vary.
    flags : ndarray of float32 (...)
        0 resolved, else the position in `FLAGS` of why not.
    """

    estimates: np.ndarray
    correlations: np.ndarray
    p_values: np.ndarray
    flags: np.ndarray


def collocate(
    covariances: np.ndarray,
    samples: np.ndarray,
    plan: Design,
    *,
    min_samples: int = 100,
    alpha: float = 0.05,
    reference: int = 0,
    lost: np.ndarray | float = 1.0,
    memory: np.ndarray | None = None,
) -> Collocation:
    """Estimate the errors of products from their covariances.

    Parameters
    ----------
    covariances : ndarray of float64 (products, products, ...)
        Of the samples that all products share.
    samples : ndarray of float (...)
        Their number.
    plan : Design
    min_samples : int, optional
        Cells with fewer are not resolved.
    alpha : float, optional
        All pairs of products, but for the declared ones, must be positively correlated with a two-sided p-value
        (Student's t, with the effective number of samples) below this.
    reference : int, optional
        The product in whose space scaled errors are, and to which sensitivities lead.
    lost : ndarray or float, optional
        Degrees of freedom that means have taken.
    memory : ndarray (products, ...), optional
        Correlation of each sample with the one before it; by default samples are independent.

    Returns
    -------
    Collocation

    Notes
    -----
    With Q the covariances, the signal variance of product i is S_i = Q_ia Q_ib / Q_ab, averaged over all admissible
    others a and b, its error variance σ_i² = Q_ii − S_i and its signal-to-noise ratio 10 log₁₀(S_i / σ_i²) dB (Gruber
    et al. 2015, doi 10.1016/j.jag.2015.09.002, and 2016, doi 10.1002/2015JD024027). Its correlation with the truth is
    √(S_i / Q_ii) (McColl et al. 2014, doi 10.1002/2014GL061322). The sensitivity β_i = √(S_r / S_i) to the reference r,
    with three products the Q_rk / Q_ik of Gruber et al. 2015, brings the product to the space of the reference:
    multiplied by it, anomalies have the same signal, and the error is β_i σ_i, the scaled error. The weights are those
    of `least_squares_weights`.

    Samples that resemble those before them are worth fewer independent ones: n (1 − ρ_i ρ_j) / (1 + ρ_i ρ_j) for two
    products with the memory ρ (Bartlett 1935). Otherwise noise with memory looks like a signal that products share.

    An error variance that is not positive is flag 3; one that is positive but within rounding of 0, or a correlation of
    1 between two products, too: one is then a copy of the other. With three products a correlation with the truth above
    1 is the same as a negative error variance, and flagged as that; flag 4 is left for declared pairs whose errors
    would have a correlation beyond ±1, or several whose error correlations exclude one another.

    Examples
    --------
    Three products with the variance 0.01 of the truth in common, and errors of their own:

    >>> covariances = np.full((3, 3), 0.01) + np.diag([0.02**2, 0.03**2, 0.05**2])
    >>> plan = design(3)
    >>> found = collocate(covariances, np.array(500.0), plan)
    >>> print(plan.estimates[:3], found.estimates[:3])
    ['error_a', 'error_b', 'error_c'] [0.02 0.03 0.05]
    """
    from sm_toolbox.merging import estimate_kernels

    shape = samples.shape
    flat = np.ascontiguousarray(covariances, np.float64).reshape(plan.count, plan.count, -1)
    n = np.asarray(samples, np.float64).reshape(-1)
    freedom = _freedom(n, np.broadcast_to(lost, shape).reshape(-1), memory, plan.pairs)
    correlations, p_values = _correlations(flat, freedom, plan.pairs)
    # A negative correlation is as far from a signal that is seen by both as none at all.
    blocking = np.where(correlations > 0, p_values, 1.0)
    out, flags = np.empty((len(plan.estimates), n.size), np.float32), np.empty(n.size, np.float32)
    estimate_kernels.fill_estimates(
        flat,
        n,
        blocking,
        plan.triplets,
        plan.quadruplets,
        plan.pairs,
        plan.declared,
        (float(max(min_samples, 3)), float(alpha)),
        reference,
        out,
        flags,
    )
    return Collocation(
        out.reshape(-1, *shape), correlations.reshape(-1, *shape), p_values.reshape(-1, *shape), flags.reshape(shape)
    )


def _freedom(n: np.ndarray, lost: np.ndarray, memory: np.ndarray | None, pairs: np.ndarray) -> np.ndarray:
    """Return the degrees of freedom of the correlation of each pair (pairs, cells)."""
    plain = n - lost - 1
    if memory is None:
        return np.broadcast_to(plain, (len(pairs), len(n)))
    flat = memory.reshape(len(memory), -1)
    both = np.clip(np.stack([flat[i] * flat[j] for i, j in pairs]), 0, 1)
    # What means of groups take goes from all samples, what the parameters of a line take from those that count.
    effective = (n - lost + 1) * (1 - both) / (1 + both) - 2
    return np.where(plain >= 1, np.maximum(effective, 1), plain)


def _correlations(covariances: np.ndarray, freedom: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.stack([covariances[i, j] / np.sqrt(covariances[i, i] * covariances[j, j]) for i, j in pairs])
        r[freedom < 1] = np.nan
        r = np.clip(r, -1, 1)
        p = 2 * stdtr(freedom, -np.abs(r) * np.sqrt(freedom / (1 - r * r)))
    return r, np.where(np.abs(r) == 1, 0.0, p)


def covariances_of_sums(
    sums: np.ndarray, groups: Sequence[int] | np.ndarray | None = None, within: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Turn the sums of `accumulate` into means and covariances.

    Parameters
    ----------
    sums : ndarray of float64 (groups, sums, ...)
    groups : sequence of int, optional
        Those to take; by default all.
    within : bool, optional
        Covariances about the mean of each group rather than that of all.

    Returns
    -------
    samples : ndarray (...)
        Without groups of one sample where `within` is asked.
    lost : ndarray (...)
        Degrees of freedom taken by the means.
    means : ndarray (products, ...)
        Of the deviations; NaN without samples.
    covariances : ndarray (products, products, ...)
        0 for products that do not vary more than by rounding; NaN without degrees of freedom.
    """
    chosen = sums if groups is None else sums[list(groups)]
    count = _product_count(sums)
    total = chosen.sum(axis=0)
    parts = chosen if within else total[None]
    n = parts[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total[1 : count + 1] / total[0]
        counted = n >= 2
        samples, lost = np.sum(np.where(counted, n, 0), axis=0), np.count_nonzero(counted, axis=0).astype(np.float64)
        first = parts[:, 1 : count + 1]
        covariances = np.empty((count, count, *samples.shape))
        for place, (i, j) in enumerate(combinations_with_replacement(range(count), 2)):
            products = parts[:, 1 + count + place]
            centred = np.where(counted, products - first[:, i] * first[:, j] / n, 0).sum(axis=0)
            if i == j:
                # The digits that are left of the squares of a constant are rounding.
                centred[centred <= 1e-12 * np.where(counted, products, 0).sum(axis=0)] = 0
            covariances[i, j] = covariances[j, i] = centred / np.where(samples > lost, samples - lost, np.nan)
    return samples, lost, means, covariances


def memory_of_sums(
    sums: np.ndarray, groups: Sequence[int] | np.ndarray | None = None, within: bool = False
) -> np.ndarray:
    """Turn the sums of `accumulate` into the correlation of each sample with the one before it.

    Parameters
    ----------
    sums : ndarray of float64 (groups, sums, ...)
    groups : sequence of int, optional
        Those to take; by default all.
    within : bool, optional
        Of deviations from the mean of each group.

    Returns
    -------
    ndarray (products, ...)
        From -1 to 1; 0 where nothing is known of it.
    """
    chosen = sums if groups is None else sums[list(groups)]
    count = _product_count(sums)
    parts = chosen if within else chosen.sum(axis=0, keepdims=True)
    n, totals, pairs = parts[:, :1], parts[:, 1 : count + 1], parts[:, -1:]
    squares = np.stack([1 + count + i * count - i * (i - 1) // 2 for i in range(count)])
    products, before, after = (parts[:, place : place + count] for place in range(-3 * count - 1, -1, count))
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = np.where(pairs >= 2, products - before * after / pairs, 0).sum(axis=0)
        spread = np.where(n >= 2, parts[:, squares] - totals * totals / n, 0).sum(axis=0)
        return np.clip(np.nan_to_num(shared / spread), -1, 1)


def _product_count(sums: np.ndarray) -> int:
    from sm_toolbox.merging.covariance_kernels import sums_per_cell

    return next(count for count in range(2, 6) if sums_per_cell(count) == sums.shape[1])


def limit_widths() -> np.ndarray:
    """Return how many standard deviations 95 % limits lie from the middle, by the number of independent blocks.

    The quantile of Student's t, and the factor by which the spread of blocks about their own mean is too small.
    """
    from scipy.special import stdtrit

    blocks = np.arange(2.0, _MOST_BLOCKS)
    widths = stdtrit(blocks - 1, (1 + _CONFIDENCE) / 2) * np.sqrt(blocks / (blocks - 1))
    return np.concatenate([[widths[0]] * 2, widths])
