"""Calibrated prediction intervals: quantiles shifted by out-of-fold residuals (conformal prediction)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError

LEVELS = np.round(np.arange(0.01, 1.0, 0.01), 2)
"""Levels at which quantiles are calibrated; those between them are interpolated."""
# Central intervals whose coverage is reported.
INTERVALS = (0.5, 0.8, 0.9)


@dataclass(frozen=True)
class QuantileShift:
    """What is added to a model's quantiles.

    Parameters
    ----------
    correction : ndarray of float64 (levels,)
        In the target's unit, for each of `LEVELS`.
    typical, largest : float, optional
        Median dissimilarity of the rows that it was found on, and the largest one: the correction is multiplied by
        (dissimilarity + typical) / (2 typical), up to the largest. 0: it is the same everywhere.
    """

    correction: np.ndarray
    typical: float = 0.0
    largest: float = 0.0

    @classmethod
    def fit(cls, observed: np.ndarray, quantiles: np.ndarray, dissimilarity: np.ndarray | None = None) -> QuantileShift:
        """Find the shift of each quantile after which the nominal share of out-of-fold observations lies below it.

        One-sided split-conformal prediction (Romano, Patterson & Candès 2019, arXiv 1905.03222): the shift is the ⌈(n +
        1) q⌉-th smallest difference between observations and predicted quantiles for q of at least one half, the ⌊(n +
        1) q⌋-th for smaller ones, so that intervals hold at least what they promise. With fewer than 1 / q rows there
        is no such difference and the most extreme one is taken.

        Parameters
        ----------
        observed : ndarray (rows,)
        quantiles : ndarray (rows, levels)
            Predicted by models that did not see the row; a model without quantiles gives its prediction for each level.
        dissimilarity : ndarray (rows,), optional
            Of each row from those of other folds, with a median above 0; with it the shift grows with dissimilarity.

        Returns
        -------
        QuantileShift
        """
        nothing = cls(np.zeros(len(LEVELS)))
        if dissimilarity is not None:
            nothing = replace(nothing, typical=float(np.median(dissimilarity)), largest=float(dissimilarity.max()))
        excess = np.sort((observed[:, None] - quantiles) / nothing.scale(dissimilarity), axis=0)
        # Whole numbers of hundredths: 100 times 0.07 is more than 7 in floating point.
        scaled_ranks = (len(observed) + 1) * np.round(100 * LEVELS).astype(np.int64)
        rank = np.clip(np.where(LEVELS < 0.5, scaled_ranks // 100, -(-scaled_ranks // 100)), 1, len(observed)) - 1
        return replace(nothing, correction=excess[rank, np.arange(len(LEVELS))])

    def scale(self, dissimilarity: np.ndarray | None) -> np.ndarray:
        """Return what the correction is multiplied by in each row.

        Parameters
        ----------
        dissimilarity : ndarray (rows,) or None
            None where the correction is the same everywhere.

        Returns
        -------
        ndarray of float64 (rows, 1) or (1, 1)
        """
        if not self.typical or dissimilarity is None:
            return np.ones((1, 1))
        within = np.minimum(np.asarray(dissimilarity, np.float64), self.largest)
        scale: np.ndarray = ((within + self.typical) / (2 * self.typical))[:, None]
        return scale

    def apply(self, quantiles: np.ndarray, levels: np.ndarray, dissimilarity: np.ndarray | None = None) -> np.ndarray:
        """Return calibrated quantiles (rows, levels), in ascending order in each row where the levels ascend.

        Parameters
        ----------
        quantiles : ndarray of float64 (rows, levels)
        levels : ndarray of float64 (levels,)
        dissimilarity : ndarray (rows,), optional
            From the training; needed where the shift grows with it.

        Returns
        -------
        ndarray of float64 (rows, levels)
        """
        shift = np.interp(levels, LEVELS, self.correction) * self.scale(dissimilarity)
        return np.maximum.accumulate(quantiles + shift, axis=1)

    def as_record(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"correction": self.correction.tolist(), "typical": self.typical, "largest": self.largest}


@dataclass(frozen=True)
class Coverage:
    """Shares of out-of-fold observations within central intervals, each fold calibrated on the others.

    Parameters
    ----------
    nominal : tuple of float
        What the intervals promise.
    reached, uncalibrated : ndarray of float64 (intervals,)
        Over the rows that count, with the shift and without it.
    by_fold : ndarray of float64 (folds, intervals)
    width : ndarray of float64 (intervals,)
        Mean width of the calibrated intervals, in the target's unit.
    inside : ndarray of bool (rows, intervals)
        Whether each row lies within its calibrated interval.
    """

    nominal: tuple[float, ...]
    reached: np.ndarray
    uncalibrated: np.ndarray
    by_fold: np.ndarray
    width: np.ndarray
    inside: np.ndarray


def coverage(
    observed: np.ndarray,
    quantiles: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    rated: np.ndarray | None = None,
    dissimilarity: np.ndarray | None = None,
) -> Coverage:
    """Return the share of observations that the intervals hold, on rows unseen by the model and its calibration.

    Parameters
    ----------
    observed : ndarray (rows,)
    quantiles : ndarray (rows, levels)
        As in `QuantileShift.fit`.
    folds : sequence of (ndarray of int, ndarray of int)
        Training and test rows; every row is a test row once.
    rated : ndarray of bool (rows,), optional
        Rows that calibrate and count, by default all: pixels of a product say nothing of the truth.
    dissimilarity : ndarray (rows,), optional
        Of each row from those of other folds, for intervals whose width grows with it.

    Returns
    -------
    Coverage
    """
    rated = np.ones(len(observed), bool) if rated is None else rated
    columns = _limits_of_intervals()
    calibrated = np.empty((len(observed), len(INTERVALS), 2))
    for train, test in folds:
        train = train[rated[train]] if rated[train].any() else train
        of_train, of_test = (None if dissimilarity is None else dissimilarity[part] for part in (train, test))
        shifted = QuantileShift.fit(observed[train], quantiles[train], of_train).apply(quantiles[test], LEVELS, of_test)
        calibrated[test] = shifted[:, columns]
    inside = _inside(observed, calibrated)
    return Coverage(
        INTERVALS,
        inside[rated].mean(axis=0),
        _inside(observed, quantiles[:, columns])[rated].mean(axis=0),
        np.stack([inside[test][rated[test]].mean(axis=0) for _, test in folds if rated[test].any()]),
        np.diff(calibrated, axis=2)[rated, :, 0].mean(axis=0),
        inside,
    )


def within_intervals(observed: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return which observations lie within which central intervals.

    Parameters
    ----------
    observed : ndarray (rows,)
    quantiles : ndarray (rows, levels)
        At `LEVELS`.

    Returns
    -------
    ndarray of bool (rows, intervals)
        In the order of `INTERVALS`.
    """
    return _inside(observed, quantiles[:, _limits_of_intervals()])


def _limits_of_intervals() -> np.ndarray:
    """Return the positions in `LEVELS` of the limits of each interval (intervals, 2)."""
    limits = np.array([[(1 - width) / 2, (1 + width) / 2] for width in INTERVALS])
    return np.searchsorted(LEVELS, np.round(limits, 2))


def _inside(observed: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return which rows lie within which limits (rows, intervals, 2)."""
    return np.asarray((limits[..., 0] <= observed[:, None]) & (observed[:, None] <= limits[..., 1]))


def held_in_words(held: Sequence[float] | np.ndarray) -> str:
    """Say what share of observations intervals hold.

    Parameters
    ----------
    held : sequence of float (intervals,)
        In the order of `INTERVALS`.

    Returns
    -------
    str
    """
    parts = [f"{share:.0%} (of {nominal:.0%})" for share, nominal in zip(held, INTERVALS)]
    return ", ".join(parts[:-1]) + f" and {parts[-1]}"


def parse_quantiles(text: str | None) -> list[float]:
    """Read a comma-separated list of quantiles, sorted; empty where there is none.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    list of float

    Raises
    ------
    InputError
        Where a part is no number between 0 and 1.
    """
    levels: list[float] = []
    for part in (item.strip() for item in (text or "").replace(";", ",").split(",")):
        if not part:
            continue
        try:
            level = float(part)
        except ValueError:
            level = -1.0
        if not 0 < level < 1 or level != round(level, 4):
            raise InputError(
                f"`levels`: '{part}' is not a number above 0 and below 1 with at most four decimals. Write for "
                "example 0.05,0.5,0.95."
            )
        levels.append(level)
    if len(set(levels)) < len(levels):
        raise InputError(f"`levels` names a quantile twice: {text}.")
    return sorted(levels)


def quantile_name(level: float) -> str:
    """Return the name of a quantile in a band: `q05`, `q50`, `q975`.

    Parameters
    ----------
    level : float
        Above 0 and below 1.

    Returns
    -------
    str
    """
    return f"q{f'{level:.10f}'[2:].rstrip('0'):0<2}"


def read_shift(calibration: Any) -> QuantileShift | None:
    """Read the calibration in a model's manifest; None where there is no valid one.

    Parameters
    ----------
    calibration : object
        As JSON holds it.

    Returns
    -------
    QuantileShift or None
    """
    values = calibration.get("correction") if isinstance(calibration, dict) else None
    if (
        not isinstance(values, Sequence)
        or len(values) != len(LEVELS)
        or not all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
    ):
        return None
    typical, largest = (calibration.get(name, 0.0) for name in ("typical", "largest"))
    if not all(isinstance(value, (int, float)) and 0 <= value < math.inf for value in (typical, largest)):
        return None
    return QuantileShift(np.array(values, float), float(typical), float(largest))
