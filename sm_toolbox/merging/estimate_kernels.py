"""The compiled loops from covariances to error variances and weights, cell by cell, and the bootstrap around them.

Gruber et al. 2016 (doi 10.1002/2015JD024027) solve for the variances of the signal and of the errors by least squares
over all triplets without a pair of correlated errors. The error variance of a product stands in one equation alone, so
that the solution is the mean of the estimates of the signal variance Q_ia Q_ib / Q_ab over the triplets (i, a, b), and
what is left of Q_ii. With three products this is triple collocation (Gruber et al. 2015, doi
10.1016/j.jag.2015.09.002).
"""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import njit

RESOLVED, TOO_FEW, NOT_CORRELATED, NEGATIVE_VARIANCE, IMPOSSIBLE_CORRELATION = range(5)

# An error variance below this share of the variance is the rounding of single precision: one product is a copy of
# another.
ROUNDING = 1e-9
# Autocorrelation that the rule for the length of blocks is still made for.
MOST_MEMORY = 0.97

COMPILE = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit(**COMPILE)
def fill_estimates(
    covariances, samples, p_values, triplets, quadruplets, pairs, declared, limits, reference, out, flags
):
    """Estimate the errors of each cell, or say why they cannot be estimated.

    Parameters
    ----------
    covariances : ndarray of float64 (products, products, cells)
    samples : ndarray of float64 (cells,)
    p_values : ndarray of float64 (pairs, cells)
        Of the correlation of two products; 1 where it is not positive.
    triplets : ndarray of int64 (n, 3)
        Product, and the two others that an estimate of its signal variance comes from.
    quadruplets : ndarray of int64 (n, 5)
        Pair, its two products, and the two others, in this order, that an estimate of the signal they share comes from.
    pairs : ndarray of int64 (pairs, 2)
        All pairs of products, the lower one first.
    declared : ndarray of bool (pairs,)
        The pairs whose errors may be correlated.
    limits : (float, float)
        Fewest samples, and the p-value that a correlation must stay below.
    reference : int
        The product in whose space errors are compared.
    out : ndarray of float32 (estimates, cells)
        Filled with what `estimates` of `collocation` lists; NaN where the flag is not 0.
    flags : ndarray of float32 (cells,)
        Filled.
    """
    products = covariances.shape[0]
    q = np.empty((products, products))
    work = workspace(products, len(pairs))
    values = np.empty(len(out))
    for cell in range(samples.size):
        for i in range(products):
            for j in range(products):
                q[i, j] = covariances[i, j, cell]
        flag = _screen(q, samples[cell], p_values[:, cell], pairs, declared, limits)
        if flag == RESOLVED:
            flag = _estimate(q, triplets, quadruplets, pairs, declared, reference, work, values)
        flags[cell] = flag
        for k in range(values.size):
            out[k, cell] = np.float32(values[k]) if flag == RESOLVED else np.float32(np.nan)


@njit(**COMPILE)
def workspace(products, pairs):
    """Return room for signal and error variances, scaled error covariances, weights and error covariances of pairs."""
    return np.empty(products), np.empty(products), np.empty((products, products)), np.empty(products), np.empty(pairs)


@njit(**COMPILE)
def _screen(q, n, p_values, pairs, declared, limits):
    if not n >= limits[0]:
        return TOO_FEW
    for k in range(len(pairs)):
        if not declared[k] and not p_values[k] < limits[1]:
            return NOT_CORRELATED
    for k in range(len(pairs)):
        i, j = pairs[k]
        if q[i, j] * q[i, j] >= (1 - ROUNDING) * q[i, i] * q[j, j]:
            return NEGATIVE_VARIANCE
    return RESOLVED


@njit(**COMPILE)
def _estimate(q, triplets, quadruplets, pairs, declared, reference, work, values):
    signal, error, _, _, shared = work
    products = len(signal)
    signal_variances(q, triplets, signal)
    for i in range(products):
        error[i] = q[i, i] - signal[i]
        if not error[i] > ROUNDING * q[i, i]:
            return NEGATIVE_VARIANCE
        if not signal[i] > 0:
            return IMPOSSIBLE_CORRELATION
    for k in range(len(pairs)):
        shared[k] = np.nan
    if len(quadruplets):
        error_correlations(q, triplets, quadruplets, pairs, shared)
    for k in range(len(pairs)):
        if declared[k] and not abs(shared[k]) <= 1:
            return IMPOSSIBLE_CORRELATION
    return derive(q, pairs, declared, reference, work, values)


@njit(**COMPILE)
def derive(q, pairs, declared, reference, work, values):
    """Fill what follows from signal and error variances."""
    signal, error, scaled, weights, shared = work
    products = len(signal)
    for i in range(products):
        sensitivity = math.sqrt(signal[reference] / signal[i])
        own = math.sqrt(error[i])
        values[i] = own
        values[products + i] = sensitivity * own
        values[2 * products + i] = math.sqrt(min(signal[i] / q[i, i], 1.0))
        values[3 * products + i] = 10 * math.log10(signal[i] / error[i])
        values[4 * products + i] = sensitivity
    _scaled_covariances(values[products : 2 * products], pairs, declared, shared, scaled)
    merged = least_squares_weights(scaled, (1 << products) - 1, weights)
    if not merged > 0:
        return IMPOSSIBLE_CORRELATION
    for i in range(products):
        values[5 * products + i] = weights[i]
    values[6 * products] = math.sqrt(merged)
    for k in range(values.size - 6 * products - 1):
        values[6 * products + 1 + k] = shared[k]
    return RESOLVED


@njit(**COMPILE)
def signal_variances(q, triplets, signal):
    """Fill the signal variance of each product, float64 (products,): the mean of its triplets' Q_ia Q_ib / Q_ab."""
    for i in range(signal.size):
        total, count = 0.0, 0
        for k in range(len(triplets)):
            if triplets[k, 0] == i:
                a, b = triplets[k, 1], triplets[k, 2]
                total += q[i, a] * q[i, b] / q[a, b]
                count += 1
        signal[i] = total / count


@njit(**COMPILE)
def error_correlations(q, triplets, quadruplets, pairs, correlations):
    """Estimate the error correlation of each pair from what takes their errors to be correlated and all others not.

    NaN where there are too few products for it, or an error variance is not positive.
    """
    for k in range(len(pairs)):
        i, j = pairs[k]
        total, count = 0.0, 0
        for m in range(len(quadruplets)):
            if quadruplets[m, 0] == k:
                a, b, c, d = quadruplets[m, 1], quadruplets[m, 2], quadruplets[m, 3], quadruplets[m, 4]
                total += q[a, c] * q[b, d] / q[c, d]
                count += 1
        variance = _error_without(q, triplets, i, j) * _error_without(q, triplets, j, i)
        correlations[k] = (q[i, j] - total / count) / math.sqrt(variance) if count > 0 and variance > 0 else np.nan


@njit(**COMPILE)
def _error_without(q, triplets, product, other):
    """Return the error variance of a product from the triplets without another; not positive where there is none."""
    total, count = 0.0, 0
    for k in range(len(triplets)):
        if triplets[k, 0] == product and triplets[k, 1] != other and triplets[k, 2] != other:
            a, b = triplets[k, 1], triplets[k, 2]
            total += q[product, a] * q[product, b] / q[a, b]
            count += 1
    return max(q[product, product] - total / count, 0.0) if count > 0 else 0.0


@njit(**COMPILE)
def _scaled_covariances(errors, pairs, declared, correlations, out):
    """Fill the covariances of the errors from their standard deviations, and their correlations where declared."""
    for i in range(len(out)):
        for j in range(len(out)):
            out[i, j] = errors[i] * errors[i] if i == j else 0.0
    for k in range(len(pairs)):
        if declared[k]:
            i, j = pairs[k]
            out[i, j] = out[j, i] = correlations[k] * errors[i] * errors[j]


@njit(**COMPILE)
def least_squares_weights(covariances, present, weights):
    """Fill the weights that sum to 1 and make the error variance of the mean smallest, and return that variance.

    Parameters
    ----------
    covariances : ndarray of float64 (products, products)
        Of the errors, all in the space of one product.
    present : int
        Bit i is set where product i takes part; the others get 0.
    weights : ndarray of float64 (products,)

    Returns
    -------
    float
        NaN where there are no such weights, nor any product.

    Notes
    -----
    w = C⁻¹1 / 1ᵀC⁻¹1 (Yilmaz et al. 2012, doi 10.1029/2011WR011682, for three products with independent errors). A
    product whose weight would be negative, as happens where its errors follow those of a better one, is left out: taken
    off, it would add its own errors.
    """
    products = weights.size
    system = np.empty((products, products + 1))
    while present:
        weights[:] = 0
        if not _solve_for_ones(covariances, present, system, weights):
            return np.nan
        total = weights.sum()
        lowest = 0
        for i in range(products):
            weights[i] /= total
            if weights[i] < weights[lowest]:
                lowest = i
        if not weights[lowest] < 0:
            return 1 / total
        present &= ~(1 << lowest)
    weights[:] = 0
    return np.nan


@njit(**COMPILE)
def _solve_for_ones(covariances, present, system, solution):
    """Solve C x = 1 for the products that are present; False where C is not positive definite."""
    products = solution.size
    for i in range(products):
        here = (present >> i) & 1
        for j in range(products):
            both = here and (present >> j) & 1
            system[i, j] = covariances[i, j] if both else (1.0 if i == j else 0.0)
        system[i, products] = 1.0 if here else 0.0
    for i in range(products):
        if not system[i, i] > 0:
            return False
        for row in range(i + 1, products):
            factor = system[row, i] / system[i, i]
            if factor != 0:
                for j in range(i, products + 1):
                    system[row, j] -= factor * system[i, j]
    for i in range(products - 1, -1, -1):
        left = system[i, products]
        for j in range(i + 1, products):
            left -= system[i, j] * solution[j]
        solution[i] = left / system[i, i]
    return True
