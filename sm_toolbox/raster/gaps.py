"""Which numbers stand for gaps: nodata values, others that a file names, ranges that it or the user leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class StatesGaps(Protocol):
    """What says which numbers of a band are gaps: the description of a band, or how its numbers become physical."""

    @property
    def scale(self) -> float:
        """Physical value = stored · scale + offset."""

    @property
    def nodata(self) -> float | None:
        """A stored number that stands for gaps."""

    @property
    def missing(self) -> tuple[float, ...]:
        """Other such numbers."""

    @property
    def valid(self) -> tuple[float, float] | None:
        """Lowest and highest physical value."""


def typed_nodata(value: float | None, dtype: np.dtype) -> np.generic | None:
    """Return a nodata value in the file's own type; None where no cell can have it.

    Parameters
    ----------
    value : float or None
        -3.4e38 as float64 is no float32.
    dtype : dtype

    Returns
    -------
    scalar of `dtype`, or None
    """
    if value is None or np.isnan(value):
        return None
    if np.issubdtype(dtype, np.floating):
        return dtype.type(value)
    limits = np.iinfo(dtype)
    return dtype.type(value) if limits.min <= value <= limits.max else None


def is_nodata(values: np.ndarray, nodata: Any) -> np.ndarray:
    """Say which cells have a nodata value in their own type.

    Programs write the lowest number of a type with different last digits into the cells and into the header
    (-3.40282347e38 and -3.40282306e38 in one file), so that of such numbers, which nothing measures, all that are
    beyond count.

    Parameters
    ----------
    values : ndarray
        As stored.
    nodata : scalar of the same type

    Returns
    -------
    ndarray of bool, same shape
    """
    if np.issubdtype(values.dtype, np.floating) and abs(float(nodata)) > 1e30:
        limit = values.dtype.type(float(nodata) * (1 - 1e-6))
        return values <= limit if limit < 0 else values >= limit
    return values == nodata


def stored_gaps(band: StatesGaps, dtype: np.dtype) -> list[np.generic]:
    """Return the stored numbers that stand for gaps, in the type that they are read in.

    Parameters
    ----------
    band : StatesGaps
    dtype : dtype

    Returns
    -------
    list of NumPy scalars
    """
    typed = (typed_nodata(value, dtype) for value in (band.nodata, *band.missing))
    return [value for value in typed if value is not None]


def is_gap(values: np.ndarray, gaps: Sequence[np.generic]) -> np.ndarray | None:
    """Say which cells hold one of the numbers that stand for gaps.

    Parameters
    ----------
    values : ndarray
        As stored.
    gaps : sequence of NumPy scalars
        Of `stored_gaps`.

    Returns
    -------
    ndarray of bool or None
        None where there are no such numbers.
    """
    found: np.ndarray | None = None
    for gap in gaps:
        at = is_nodata(values, gap)
        found = at if found is None else found | at
    return found


def outside(band: StatesGaps) -> list[tuple[float, float]]:
    """Return the ranges of physical values that a band's own valid range leaves out.

    Parameters
    ----------
    band : StatesGaps

    Returns
    -------
    list of (float, float)
    """
    if band.valid is None:
        return []
    low, high = band.valid
    # Half a step of the stored numbers: rounding must not drop the limits themselves.
    step = abs(band.scale) / 2
    return [(-np.inf, low - step), (high + step, np.inf)]


def drop_ranges(values: np.ndarray, ranges: Sequence[tuple[float, float]]) -> None:
    """Make gaps, in place, of physical values within closed ranges.

    Parameters
    ----------
    values : ndarray of float
    ranges : sequence of (float, float)
    """
    for low, high in ranges:
        with np.errstate(invalid="ignore"):
            values[(values >= np.float32(low)) & (values <= np.float32(high))] = np.nan
