"""The compiled loop that merges products, cell by cell and date by date."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sm_toolbox.merging.estimate_kernels import _scaled_covariances, least_squares_weights

LEAST_SQUARES, MEAN, BEST, NOTHING = range(4)

# Cells that are merged together: one after the other, their dates would push each other out of the processor's cache.
_CELLS = 64

_COMPILE = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit(**_COMPILE)
def merge(block, baselines, reference, factors, how, scores, errors, correlations, pairs, declared, parts, out):
    """Merge the products of a block.

    Parameters
    ----------
    block : ndarray of float32 (products, dates, cells)
        NaN where there is no data.
    baselines : ndarray of float32 (products, dates, cells)
        What each product's values are taken from; that of the reference is added to what is merged.
    reference : int
    factors : ndarray of float32 (products, cells)
        By which deviations from the baseline are brought to the space of the reference.
    how : ndarray of int8 (cells,)
        LEAST_SQUARES, MEAN of what there is, the BEST of what there is, or NOTHING.
    scores : ndarray of float32 (products, cells)
        The highest is the best.
    errors : ndarray of float32 (parts, products, cells)
        Error standard deviations in the space of the reference, in each part of the year.
    correlations : ndarray of float32 (parts, pairs, cells)
        Of the errors of pairs; used where declared.
    pairs, declared
        As for `fill_estimates`.
    parts : ndarray of int64 (dates,)
        The part of the year of each date.
    out : ndarray of float32 (dates, cells)
        Filled: with the products that have data on a date, weighted for themselves; NaN without any.
    """
    products, dates, cells = block.shape
    subsets = 1 << products
    independent = not declared.any()
    # Weights by cell, part of the year and which products are there, found when they are first needed.
    weights = np.empty((_CELLS, len(errors), subsets, products))
    known = np.empty((_CELLS, len(errors), subsets), np.bool_)
    covariances = np.empty((products, products))
    deviations = np.empty((products, _CELLS))
    present = np.empty(_CELLS, np.int64)
    for first in range(0, cells, _CELLS):
        last = min(first + _CELLS, cells)
        known[:] = False
        for date in range(dates):
            present[:] = 0
            for i in range(products):
                _deviate(block[i, date, first:last], baselines[i, date, first:last], factors[i, first:last], 1 << i, deviations[i], present)
            part = parts[date]
            for c in range(last - first):
                cell, subset = first + c, present[c]
                if subset == 0 or how[cell] == NOTHING:
                    out[date, cell] = np.nan
                    continue
                if not known[c, part, subset]:
                    known[c, part, subset] = True
                    if how[cell] == LEAST_SQUARES and independent:
                        _inverse_variances(errors[part, :, cell], subset, weights[c, part, subset])
                    elif how[cell] == LEAST_SQUARES:
                        _scaled_covariances(errors[part, :, cell], pairs, declared, correlations[part, :, cell], covariances)
                        least_squares_weights(covariances, subset, weights[c, part, subset])
                    else:
                        _simple_weights(subset, how[cell], scores[:, cell], weights[c, part, subset])
                total = np.float64(baselines[reference, date, cell])
                for i in range(products):
                    total += weights[c, part, subset, i] * deviations[i, c]
                out[date, cell] = total


@njit(**_COMPILE)
def _deviate(values, baseline, factors, bit, deviations, present):
    """Fill deviations in the space of the reference, 0 where there are none, and set the product's bit where there are."""
    for c in range(values.size):
        deviation = (np.float64(values[c]) - baseline[c]) * factors[c]
        there = deviation == deviation
        deviations[c] = deviation if there else 0.0
        present[c] |= bit if there else 0


@njit(**_COMPILE)
def _inverse_variances(errors, present, weights):
    """Fill what `least_squares_weights` finds for errors that are independent."""
    total = 0.0
    for i in range(weights.size):
        weights[i] = 1 / (np.float64(errors[i]) * errors[i]) if present >> i & 1 else 0.0
        total += weights[i]
    for i in range(weights.size):
        weights[i] /= total


@njit(**_COMPILE)
def _simple_weights(present, how, scores, weights):
    """Fill equal weights, or 1 for the product with the highest score."""
    weights[:] = 0
    best, highest, count = -1, -math.inf, 0
    for i in range(weights.size):
        if present >> i & 1:
            count += 1
            if best < 0 or scores[i] > highest:
                best, highest = i, scores[i]
    for i in range(weights.size):
        if how == MEAN and present >> i & 1:
            weights[i] = 1 / count
        elif how == BEST and i == best:
            weights[i] = 1.0


@njit(**_COMPILE)
def fill_weights(errors, correlations, pairs, declared, weights, merged):
    """Fill the weights of all products and the error of what they make.

    Parameters
    ----------
    errors : ndarray of float32 (products, cells)
        Standard deviations in the space of one product; NaN where not known.
    correlations, pairs, declared
        As for `merge`, without parts.
    weights : ndarray of float32 (products, cells)
    merged : ndarray of float32 (cells,)
    """
    products, cells = errors.shape
    covariances, found = np.empty((products, products)), np.empty(products)
    for cell in range(cells):
        _scaled_covariances(errors[:, cell], pairs, declared, correlations[:, cell], covariances)
        variance = least_squares_weights(covariances, (1 << products) - 1, found)
        merged[cell] = math.sqrt(variance) if variance > 0 else np.nan
        for i in range(products):
            weights[i, cell] = found[i] if variance > 0 else np.nan
