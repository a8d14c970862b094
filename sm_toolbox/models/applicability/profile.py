"""How a model's error grows with dissimilarity from its training: what to expect of a cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_MOST_KNOTS, _FEWEST_ROWS = 20, 20


@dataclass(frozen=True)
class ErrorProfile:
    """The RMSE that rows of a dissimilarity had that their model did not see.

    After the error profiles of the R package CAST, with steps that never fall in place of a spline. Nothing is known of
    what is more dissimilar than all training rows were from those of other folds: there it is the last number.

    Parameters
    ----------
    dissimilarity : ndarray of float64 (knots,)
        Ascending.
    rmse : ndarray of float64 (knots,)
        In the target's unit; never falling.
    """

    dissimilarity: np.ndarray
    rmse: np.ndarray

    @classmethod
    def fit(cls, dissimilarity: np.ndarray, errors: np.ndarray) -> ErrorProfile:
        """Find the profile of out-of-fold errors.

        Parameters
        ----------
        dissimilarity : ndarray (rows,)
            Of each row from the training rows of other folds.
        errors : ndarray (rows,)
            Predicted − observed, out of fold.

        Returns
        -------
        ErrorProfile

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> unlike = rng.uniform(0, 1, 4000)
        >>> profile = ErrorProfile.fit(unlike, rng.normal(0, 0.02 + 0.06 * unlike))
        >>> profile.expected(np.array([0.1, 0.9])).round(2)
        array([0.03, 0.07], dtype=float32)
        """
        order = np.argsort(dissimilarity, kind="stable")
        parts = np.array_split(order, min(_MOST_KNOTS, max(1, len(order) // _FEWEST_ROWS)))
        knots = np.array([dissimilarity[part].mean() for part in parts], np.float64)
        squares = np.array([np.mean(np.square(errors[part])) for part in parts], np.float64)
        return cls(knots, np.sqrt(_never_falling(squares, np.array([len(part) for part in parts], np.float64))))

    def expected(self, dissimilarity: np.ndarray) -> np.ndarray:
        """Return the error to expect.

        Parameters
        ----------
        dissimilarity : ndarray (cells,)
            NaN where there is none.

        Returns
        -------
        ndarray of float32 (cells,)
            In the target's unit.
        """
        found = np.interp(dissimilarity, self.dissimilarity, self.rmse).astype(np.float32)
        return np.where(np.isnan(dissimilarity), np.float32(np.nan), found)

    def as_record(self) -> dict[str, list[float]]:
        """Return what JSON can hold."""
        return {"dissimilarity": self.dissimilarity.tolist(), "rmse": self.rmse.tolist()}

    @classmethod
    def from_record(cls, record: Any) -> ErrorProfile | None:
        """Read a profile in a model's manifest; None where there is no valid one.

        Parameters
        ----------
        record : object
            As JSON holds it.

        Returns
        -------
        ErrorProfile or None
        """
        if not isinstance(record, Mapping):
            return None
        knots, rmse = (record.get(name) for name in ("dissimilarity", "rmse"))
        both = (knots, rmse)
        if not all(
            isinstance(values, Sequence)
            and 0 < len(values) <= _MOST_KNOTS
            and all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
            for values in both
        ):
            return None
        x, y = (np.array(values, np.float64) for values in both)
        return cls(x, y) if len(x) == len(y) and (np.diff(x) >= 0).all() and (y >= 0).all() else None


def _never_falling(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the nearest numbers that never fall (pool adjacent violators; Barlow et al. 1972)."""
    pools: list[list[float]] = []
    for value, weight in zip(values, weights):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            value, weight, count = pools.pop()
            before = pools[-1]
            before[0] = (before[0] * before[1] + value * weight) / (before[1] + weight)
            before[1] += weight
            before[2] += count
    return np.concatenate([np.full(int(count), value) for value, _, count in pools])


def by_quartile(dissimilarity: np.ndarray, errors: np.ndarray) -> list[tuple[float, float, int, float]]:
    """Return the error of the rows of each quarter of dissimilarity.

    Parameters
    ----------
    dissimilarity, errors : ndarray (rows,)
        As `ErrorProfile.fit`.

    Returns
    -------
    list of (float, float, int, float)
        Lowest and highest dissimilarity, rows, and RMSE in the target's unit.
    """
    order = np.argsort(dissimilarity, kind="stable")
    return [
        (
            float(dissimilarity[part[0]]),
            float(dissimilarity[part[-1]]),
            len(part),
            float(np.sqrt(np.mean(np.square(errors[part])))),
        )
        for part in np.array_split(order, 4)
        if len(part)
    ]
