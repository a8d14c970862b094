"""The predictors of a map against the ranges that the model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError

if TYPE_CHECKING:
    from sm_toolbox.models.manifest import PredictorRecord
    from sm_toolbox.progress import Progress

# Shares of the cells outside from which a predictor is another quantity, or in another unit, and from which it is named
# where most of the map is unlike the training.
_ALL, _NEARLY_ALL, _MANY = 0.99, 0.95, 0.25
# Parts of the training's range by which cells may lie beyond it.
_MARGIN = 0.1
_CURE = "Give the same quantities in the same units as in the training table."
# Cells of a block that are looked at.
_CELLS = 16384


@dataclass
class Outside:
    """How many cells of each predictor lie outside the training; a fact of blocks, which can be added.

    Parameters
    ----------
    records : dict of str to PredictorRecord
        Those that have a range.
    cells, beyond, far : dict of str to int
        Cells that were looked at, those beyond the range, and those by more than a tenth of it.
    low, high : dict of str to float
        Of the cells.
    """

    records: Mapping[str, PredictorRecord]
    cells: dict[str, int] = field(default_factory=dict)
    beyond: dict[str, int] = field(default_factory=dict)
    far: dict[str, int] = field(default_factory=dict)
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, predictors: Sequence[PredictorRecord], blocks: Mapping[str, np.ndarray]) -> Outside:
        """Look at some cells of a block.

        Parameters
        ----------
        predictors : sequence of PredictorRecord
        blocks : mapping of str to ndarray of float32 (bands, rows, cols)

        Returns
        -------
        Outside
        """
        found = cls({item.name: item for item in predictors if _has_range(item)})
        for name, item in found.records.items():
            block = blocks.get(name)
            if block is None:
                continue
            values = thinned(block)
            values = values[~np.isnan(values)]
            if not values.size:
                continue
            low, high = np.float32(item.minimum), np.float32(item.maximum)
            margin = np.float32(_MARGIN) * (high - low)
            found.cells[name] = values.size
            found.beyond[name] = int(np.count_nonzero((values < low) | (values > high)))
            found.far[name] = int(np.count_nonzero((values < low - margin) | (values > high + margin)))
            found.low[name], found.high[name] = float(values.min()), float(values.max())
        return found

    def __add__(self, other: Outside) -> Outside:
        def total(name: str) -> dict[str, int]:
            first, second = getattr(self, name), getattr(other, name)
            return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}

        both = {**self.cells, **other.cells}
        low = {key: min(self.low.get(key, np.inf), other.low.get(key, np.inf)) for key in both}
        high = {key: max(self.high.get(key, -np.inf), other.high.get(key, -np.inf)) for key in both}
        return Outside(self.records, total("cells"), total("beyond"), total("far"), low, high)

    def told(self, what: str = "cells") -> str:
        """Name the predictors nearly all of whose values lie outside the training, and what most likely happened.

        Parameters
        ----------
        what : str, optional
            What the values are of, in the plural.

        Returns
        -------
        str
            Sentences for a warning; empty where there is no such predictor.
        """
        outside = self._nearly_all()
        if not outside:
            return ""
        listed = "; ".join(self._in_words(name, outside) for name in outside[:5])
        return f"Outside the range of the training lie nearly all {what} of {listed}. {_CURE}"

    def conclude(self, progress: Progress) -> None:
        """Name the predictors nearly all of whose cells lie outside the training.

        Parameters
        ----------
        progress : Progress

        Raises
        ------
        InputError
            Where all of them do.
        """
        outside = self._nearly_all()
        if not outside:
            return
        if len(outside) == len(self.cells) and all(self.far[name] >= _ALL * self.cells[name] for name in outside):
            listed = "; ".join(self._in_words(name, outside) for name in outside[:5])
            raise InputError(
                f"No cell of any predictor lies within the range of the training, so that no map would mean anything: "
                f"{listed}. {_CURE}"
            )
        progress.warning(f"{self.told()} Where they are, the map is a guess beyond what the model has seen.")

    def many(self) -> list[str]:
        """Describe predictors of which many cells lie outside and that `conclude` does not name, the worst first."""
        told = self._nearly_all()
        shares = {name: self.beyond[name] / self.cells[name] for name in self.cells if name not in told}
        worst = sorted((name for name in shares if shares[name] > _MANY), key=lambda name: -shares[name])
        return [f"{shares[name]:.0%} of the cells of {self._extents(name)}" for name in worst[:3]]

    def _nearly_all(self) -> list[str]:
        return [name for name, cells in self.cells.items() if self.far[name] >= _NEARLY_ALL * cells]

    def _extents(self, name: str) -> str:
        item = self.records[name]
        return (
            f"'{name}' ({self.low[name]:.4g} to {self.high[name]:.4g}; the training has {item.minimum:.4g} to "
            f"{item.maximum:.4g})"
        )

    def _in_words(self, name: str, outside: Sequence[str]) -> str:
        return f"{self._extents(name)}{self._guess(name, outside)}"

    def _guess(self, name: str, outside: Sequence[str]) -> str:
        """Return what most likely happened to a predictor."""
        low, high, item = self.low[name], self.high[name], self.records[name]

        for other in outside:
            if (
                other != name
                and _distance(low, high, self.records[other]) < 1
                and _distance(self.low[other], self.high[other], item) < 1
            ):
                return f", perhaps exchanged with '{other}'"
        distance, words = min(
            (_distance(low * factor + shift, high * factor + shift, item), words) for words, factor, shift in _MISTAKES
        )
        return f", perhaps {words}" if distance < 1 else ""


def thinned(block: np.ndarray, left_out: np.ndarray | None = None) -> np.ndarray:
    """Return some cells of a block that stand for all.

    Parameters
    ----------
    block : ndarray (bands, rows, cols)
    left_out : ndarray of bool (rows, cols), optional
        Cells that stand for none.

    Returns
    -------
    ndarray (bands, fewer rows, fewer cols)
        A view, where no cells are left out; else NaN there.
    """
    step = max(1, int(np.ceil(np.sqrt(block.size / _CELLS))))
    some = block[:, ::step, ::step]
    return some if left_out is None else np.where(left_out[::step, ::step], np.float32(np.nan), some)


_MISTAKES = (
    ("°C instead of kelvin", 1.0, 273.15),
    ("kelvin instead of °C", 1.0, -273.15),
    ("stored times 10000", 1e-4, 0.0),
    ("stored times 1000", 1e-3, 0.0),
    ("percent instead of a fraction", 1e-2, 0.0),
    ("a fraction instead of percent", 1e2, 0.0),
    ("kelvin times 50, as MODIS stores it", 0.02, 0.0),
    ("divided by 10000", 1e4, 0.0),
)


def _distance(low: float, high: float, item: PredictorRecord) -> float:
    """Return how unlike an extent is to that of the training: 0 where it is the same, above 1 where it is another."""
    assert item.minimum is not None and item.maximum is not None
    span = max(item.maximum - item.minimum, 1e-12)
    return abs((low + high) - (item.minimum + item.maximum)) / 2 / span + abs(
        float(np.log10(max(high - low, 1e-12) / span))
    )


def _has_range(item: PredictorRecord) -> bool:
    low, high = item.minimum, item.maximum
    return (
        isinstance(low, (int, float))
        and isinstance(high, (int, float))
        and item.period is None
        and item.classes is None
    )
