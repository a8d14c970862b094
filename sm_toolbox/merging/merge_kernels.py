"""The compiled loop that merges products, cell by cell and date by date."""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import njit
from sm_toolbox.merging.estimate_kernels import _scaled_covariances, least_squares_weights

LEAST_SQUARES, MEAN, BEST, NOTHING = range(4)

# Cells that are merged together: one after the other, their dates would push each other out of the processor's cache.
_CELLS = 128

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
    independent = not declared.any()
    precision = np.empty((len(errors), products, _CELLS))
    deviations = np.empty((products, _CELLS))
    total, divisor = np.empty(_CELLS), np.empty(_CELLS)
    # Weights of products with correlated errors, by cell, part of the year and which of them are there; found when they
    # are first needed.
    weights = np.empty((_CELLS, len(errors), 1 << products, products))
    known = np.empty((_CELLS, len(errors), 1 << products), np.bool_)
    covariances = np.empty((products, products))
    for first in range(0, cells, _CELLS):
        last = min(first + _CELLS, cells)
        known[:] = False
        for cell in range(first, last):
            for part in range(len(errors)):
                _fill_precision(errors[part, :, cell], how[cell], scores[:, cell], precision[part, :, cell - first])
        for date in range(dates):
            part = parts[date]
            total[:] = 0
            divisor[:] = 0
            for i in range(products):
                _deviate(
                    block[i, date, first:last], baselines[i, date, first:last], factors[i, first:last], deviations[i]
                )
                _weigh(deviations[i], precision[part, i], total, divisor)
            if not independent:
                for cell in range(first, last):
                    if how[cell] == LEAST_SQUARES:
                        c = cell - first
                        # Of the type that it keeps: what takes it is compiled only once.
                        present = np.int64(0)
                        for i in range(products):
                            present |= int(deviations[i, c] == deviations[i, c]) << i
                        if not known[c, part, present]:
                            known[c, part, present] = True
                            _scaled_covariances(
                                errors[part, :, cell], pairs, declared, correlations[part, :, cell], covariances
                            )
                            least_squares_weights(covariances, present, weights[c, part, present])
                        # Without any product 0 / 0 is no value, as below.
                        total[c] = 0.0
                        divisor[c] = 1.0 if present else 0.0
                        for i in range(products):
                            if present >> i & 1:
                                total[c] += weights[c, part, present, i] * deviations[i, c]
            _divide(total, divisor, baselines[reference, date, first:last], out[date, first:last])


@njit(**_COMPILE)
def _fill_precision(errors, how, scores, precision):
    """Fill numbers that the weights of products with independent errors are proportional to, whichever are there."""
    for i in range(precision.size):
        if how == LEAST_SQUARES:
            precision[i] = 1 / (np.float64(errors[i]) * errors[i])
        elif how == MEAN:
            precision[i] = 1.0
        elif how == BEST:
            # So far apart that in double precision only the best of those that are there counts; of equal ones the
            # first.
            better = 0
            for j in range(precision.size):
                better += int(scores[j] > scores[i] or (scores[j] == scores[i] and j < i))
            precision[i] = 1e-30**better
        else:
            precision[i] = np.nan


@njit(**_COMPILE)
def _deviate(values, baseline, factors, deviations):
    for c in range(values.size):
        deviations[c] = (np.float64(values[c]) - baseline[c]) * factors[c]


@njit(**_COMPILE)
def _weigh(deviations, precision, total, divisor):
    for c in range(total.size):
        there = deviations[c] == deviations[c]
        weighted = precision[c] * deviations[c]
        total[c] += weighted if there else 0.0
        divisor[c] += precision[c] if there else 0.0


@njit(**_COMPILE)
def _divide(total, divisor, baseline, out):
    # Without any product 0 / 0 is NaN.
    for c in range(out.size):
        out[c] = baseline[c] + total[c] / divisor[c]


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
