"""From sums over pairs of cells to metrics: of dates, zones and cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Shares of a mean square below which a variance is rounding.
_ROUNDING = 1e-13
METRICS_OF_MAPS = ("n", "r", "r2", "rmse", "ubrmse", "bias", "slope")
"""Metrics of maps by the keys of `metrics.METRICS`; SPAEF needs more than sums."""


def metrics_of_sums(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return metrics from sums, as `metrics.metrics` has them from the pairs.

    Parameters
    ----------
    sums : ndarray of float64 (6, ...)
        Number of pairs, sums of product and reference, of their squares and of their products; all values less the
        same number, which does not matter here.

    Returns
    -------
    dict of str to ndarray (...)
        By `METRICS_OF_MAPS`; NaN where there are too few pairs or one side does not vary.
    """
    n, p, o, pp, oo, po = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = (p - o) / n
        square = np.maximum(pp + oo - 2 * po, 0) / n
        of_product, of_reference = (_variance(n, total, squares) for total, squares in ((p, pp), (o, oo)))
        covariance = po / n - p / n * (o / n)
        r = np.clip(covariance / np.sqrt(of_product * of_reference), -1, 1)
        return {
            "n": n,
            "r": r,
            "r2": 1 - square / of_reference,
            "rmse": np.where(n > 0, np.sqrt(square), np.nan),
            "ubrmse": np.where(n > 1, np.sqrt(np.maximum(square - bias**2, 0)), np.nan),
            "bias": bias,
            "slope": covariance / of_product,
        }


def _variance(n: np.ndarray, total: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return the variance; NaN where it is none but rounding."""
    square = squares / n
    variance = square - (total / n) ** 2
    return np.where((n > 1) & (variance > _ROUNDING * square), variance, np.nan)


@dataclass(frozen=True)
class Histograms:
    """Where the z-scores of each date and zone are counted: √n bins from the lowest to the highest score of both maps.

    Parameters
    ----------
    scales : ndarray of float64 (dates, groups, 6)
        Mean and standard deviation of the product, then of the reference; lowest and highest score.
    firsts, bins : ndarray of int64 (dates, groups)
        Where the histogram of a group begins, and its bins; 0 where a map does not vary.
    """

    scales: np.ndarray
    firsts: np.ndarray
    bins: np.ndarray

    @classmethod
    def of(cls, sums: np.ndarray, extremes: np.ndarray, shift: float) -> Histograms:
        """Plan the histograms of groups.

        Parameters
        ----------
        sums : ndarray of float64 (dates, groups, 6)
            As `map_kernels.add_pairs`.
        extremes : ndarray of float64 (dates, groups, 4)
            As `map_kernels.add_pairs`.
        shift : float
            What was taken off before the sums.

        Returns
        -------
        Histograms
        """
        n = sums[..., 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            means = sums[..., 1:3] / n[..., None] + shift
            spreads = np.sqrt(np.stack([_variance(n, sums[..., 1 + side], sums[..., 3 + side]) for side in (0, 1)], -1))
            scores = (extremes.reshape(*n.shape, 2, 2) - means[..., None]) / spreads[..., None]
        ends = scores.min((-1, -2)), scores.max((-1, -2))
        scales = np.stack([means[..., 0], spreads[..., 0], means[..., 1], spreads[..., 1], *ends], axis=-1)
        bins = np.where(np.isfinite(scales).all(-1), np.round(np.sqrt(n)), 0).astype(np.int64)
        firsts = np.cumsum(np.append(0, bins.ravel()[:-1])).reshape(bins.shape)
        return cls(scales, firsts, bins)

    def empty_counts(self) -> np.ndarray:
        """Return counts of 0, int64 (2, bins of all groups)."""
        return np.zeros((2, int(self.bins.sum())), np.int64)

    def overlaps(self, counts: np.ndarray) -> np.ndarray:
        """Return which share of the two histograms of each group overlaps.

        Parameters
        ----------
        counts : ndarray of int64 (2, bins of all groups)

        Returns
        -------
        ndarray of float64 (dates, groups)
            0 to 1; NaN where a map does not vary.
        """
        common = np.append(np.cumsum(np.append(0, counts.min(axis=0))), 0)
        total = np.append(np.cumsum(np.append(0, counts[1])), 0)
        ends = self.firsts + self.bins
        with np.errstate(divide="ignore", invalid="ignore"):
            share: np.ndarray = (common[ends] - common[self.firsts]) / (total[ends] - total[self.firsts])
        return np.where(self.bins > 0, share, np.nan)


def spatial_efficiency(r: np.ndarray, scales: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """Return SPAEF = 1 − √((α − 1)² + (β − 1)² + (γ − 1)²) (Demirel et al. 2018, doi 10.5194/gmd-11-1873-2018).

    Parameters
    ----------
    r : ndarray (...)
        α: Pearson's correlation.
    scales : ndarray (..., 6)
        As `Histograms`, for β: the coefficient of variation of the product over that of the reference.
    overlap : ndarray (...)
        γ: share of the histograms of z-scores that overlaps.

    Returns
    -------
    ndarray (...)
        At most 1, which is perfect; NaN where a map does not vary.

    Notes
    -----
    The z-scores of both maps are counted in the same bins, as the overlap of histograms asks for; the authors' first
    program took bins of its own for each.
    """
    mean, spread, mean_of_reference, spread_of_reference = np.moveaxis(scales[..., :4], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = (spread / mean) / (spread_of_reference / mean_of_reference)
        found: np.ndarray = 1 - np.sqrt((r - 1) ** 2 + (beta - 1) ** 2 + (overlap - 1) ** 2)
    return np.where(np.isfinite(found), found, np.nan)
