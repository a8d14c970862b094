"""How the cells of a window are merged: factors, weights and fallbacks, from the errors that were estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.merging.collocation import LETTERS, Design
from sm_toolbox.merging.record import Estimated, Record
from sm_toolbox.timeseries.anomaly import between_months

# Common samples below which means and standard deviations of an unresolved cell are not matched to the reference.
_FEWEST_TO_MATCH = 10


@dataclass(frozen=True)
class Recipe:
    """How the products of a window are merged, each (..., rows, cols); see the kernel `merge`.

    Parameters
    ----------
    factors : ndarray of float32 (products, rows, cols)
        What deviations are multiplied by to be those of the reference.
    how : ndarray of int8 (rows, cols)
        By least squares, or as the fallback says.
    scores : ndarray of float32 (products, rows, cols)
        The highest is the best product.
    errors : ndarray of float32 (parts, products, rows, cols)
        Scaled errors, of each part of the year.
    correlations : ndarray of float32 (parts, pairs, rows, cols)
        Of these errors.
    as_they_are : ndarray of bool (rows, cols)
        Where products are matched to the reference in nothing.
    """

    factors: np.ndarray
    how: np.ndarray
    scores: np.ndarray
    errors: np.ndarray
    correlations: np.ndarray
    as_they_are: np.ndarray


def make_recipe(
    found: Estimated, record: Record, sums: np.ndarray, parts: int, fallback: str, comparable: np.ndarray
) -> tuple[Recipe, list[np.ndarray]]:
    """Decide how the cells of a window are merged.

    Parameters
    ----------
    found : Estimated
        Of the whole record.
    record : Record
    sums : ndarray
        Of the window, as `Record.sum_up`.
    parts : int
        Of the year, that have weights of their own; 0 for one set of weights.
    fallback : str
    comparable : ndarray of bool (products,)
        Those that can be in the units of the reference.

    Returns
    -------
    recipe : Recipe
    described : list of ndarray (products + 2, rows, cols)
        Weights, error and flag of each part of the year.
    """
    from sm_toolbox.merging import merge_kernels

    plan, count, target = record.estimation.design, record.products.count, record.estimation.reference
    own, scaled, sensitivity = (
        [plan.estimates.index(f"{kind}_{letter}") for letter in LETTERS[:count]]
        for kind in ("error", "scaled_error", "sensitivity")
    )
    shape = found.flags.shape
    resolved = found.flags == 0

    def error_correlations(estimated: Estimated) -> np.ndarray:
        return estimated.estimates[-len(plan.pairs) :] if count > 3 else np.zeros((len(plan.pairs), *shape), np.float32)

    errors = np.empty((max(1, parts), count, *shape), np.float32)
    correlations = np.empty((max(1, parts), len(plan.pairs), *shape), np.float32)
    errors[:], correlations[:] = found.estimates[scaled], error_correlations(found)
    described = []
    for part in range(parts):
        apart = record.estimate(sums, part)
        usable = resolved & (apart.flags == 0)
        errors[part] = np.where(usable, found.estimates[sensitivity] * apart.estimates[own], errors[part])
        correlations[part] = np.where(usable, error_correlations(apart), correlations[part])
        weights, merged = np.empty((count, *shape), np.float32), np.empty(shape, np.float32)
        merge_kernels.fill_weights(
            flat(errors[part]), flat(correlations[part]), plan.pairs, plan.declared, flat(weights), merged.ravel()
        )
        described.append(
            np.concatenate(
                [
                    np.where(usable, np.concatenate([weights, merged[None]]), np.nan),
                    np.where(resolved, apart.flags, found.flags)[None],
                ]
            )
        )

    matched = (found.samples >= _FEWEST_TO_MATCH) & (found.spreads > 0).all(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spreads = found.spreads[target] / found.spreads
    simple = np.where(matched, spreads, np.where(comparable, 1.0, np.nan)[:, None, None])
    kind = {"mean": merge_kernels.MEAN, "best": merge_kernels.BEST, "nodata": merge_kernels.NOTHING}[fallback]
    # Where no correlation is known, the reference is the best.
    score = np.full((count, *shape), -2.0)
    score[target] = -1.0
    for i in range(count):
        others = np.mean([r for r, pair in zip(found.found.correlations, plan.pairs) if i in pair], axis=0)
        score[i] = np.where(np.isnan(others), score[i], others)
    return Recipe(
        np.where(resolved, found.estimates[sensitivity], simple).astype(np.float32),
        np.where(resolved, merge_kernels.LEAST_SQUARES, kind).astype(np.int8),
        score.astype(np.float32),
        errors,
        correlations,
        ~resolved & ~matched,
    ), described


def baselines(found: Estimated, record: Record, sums: np.ndarray, recipe: Recipe) -> np.ndarray | None:
    """Return the means that values are deviations from; None where these move with the date.

    Parameters
    ----------
    found : Estimated
    record : Record
    sums : ndarray
        Of the window, as `Record.sum_up`.
    recipe : Recipe

    Returns
    -------
    ndarray of float64 (1 or 12 months, products, rows, cols) or None
    """
    if record.low is not None:
        return None
    means = record.month_means(sums) if record.estimation.settings.anomalies == "climatology" else found.means[None]
    return np.where(recipe.as_they_are, 0, means)


def baseline_block(
    baseline: np.ndarray | None, means: np.ndarray | None, places: np.ndarray, recipe: Recipe
) -> np.ndarray:
    """Return the baselines of some dates, float32 (products, dates, cells).

    Parameters
    ----------
    baseline : ndarray (1 or 12 months, products, rows, cols) or None
        As `baselines`.
    means : ndarray of float32 (products, dates, rows, cols) or None
        Moving means, which come first.
    places : ndarray (dates, 3)
        Of each date, as `month_position`.
    recipe : Recipe

    Returns
    -------
    ndarray of float32 (products, dates, cells)
    """
    if means is not None:
        return np.ascontiguousarray(np.where(recipe.as_they_are, np.float32(0), means)).reshape(*means.shape[:2], -1)
    assert baseline is not None
    cells = baseline.astype(np.float32).reshape(*baseline.shape[:2], -1)
    if len(cells) == 1:
        return np.broadcast_to(cells[0][:, None], (cells.shape[1], len(places), cells.shape[2]))
    return between_months(cells, places)


def average_error(errors: np.ndarray, correlations: np.ndarray, design: Design) -> np.ndarray:
    """Return the error of the plain mean of the rescaled products.

    Parameters
    ----------
    errors : ndarray of float32 (products, rows, cols)
        Scaled errors.
    correlations : ndarray of float32 (pairs, rows, cols)
        Of these errors.
    design : Design

    Returns
    -------
    ndarray (rows, cols)
    """
    variance = np.sum(errors.astype(np.float64) ** 2, axis=0)
    for k in np.flatnonzero(design.declared):
        i, j = design.pairs[k]
        variance += 2 * correlations[k] * errors[i] * errors[j]
    average: np.ndarray = np.sqrt(np.maximum(variance, 0)) / len(errors)
    return average


def flat(values: np.ndarray) -> np.ndarray:
    """Return an array (..., rows, cols) as (..., cells).

    Parameters
    ----------
    values : ndarray (..., rows, cols)

    Returns
    -------
    ndarray (..., cells)
    """
    return values.reshape(*values.shape[:-2], -1)
