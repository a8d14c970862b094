"""Cells that are left out by their class: water and ice of a land cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import Band, read_bands
from sm_toolbox.raster.opening import Source

_MOST_NAMED = 12


@dataclass(frozen=True)
class ClassMask:
    """A raster of classes, and those of them whose cells are left out.

    Parameters
    ----------
    source : Source
        One band, the same for all dates. A class that the file calls no data is one like any other here: many land
        covers have water as 0, and 0 as no data.
    mask_values : tuple of float
        Classes that are left out.
    """

    source: Source
    mask_values: tuple[float, ...]

    @cached_property
    def band(self) -> Band:
        """The band, which reaches other grids by its mode."""
        bands = read_bands([self.source])
        if len(bands) != 1:
            raise InputError(
                f"`mask` '{self.source.label}' has {len(bands)} bands, but must have one, of classes that hold for all "
                "dates. Extract it with 'Rearrange bands' first."
            )
        return replace(bands[0], source=replace(bands[0].source, is_words=True), is_class=True)

    def leaves_out(self, values: np.ndarray) -> np.ndarray:
        """Say of which classes are left out.

        Parameters
        ----------
        values : ndarray
            Classes; NaN is none of them.

        Returns
        -------
        ndarray of bool, same shape
        """
        return np.isin(values, np.array(self.mask_values, values.dtype))

    def missing_in_words(self, seen: Sequence[float]) -> str:
        """Say that none of the classes has been seen; empty where one has.

        Parameters
        ----------
        seen : sequence of float
            Classes of the raster.

        Returns
        -------
        str
        """
        if not len(seen) or np.isin(np.asarray(seen), self.mask_values).any():
            return ""
        more = ", …" if len(seen) > _MOST_NAMED else ""
        return (
            f"Nothing is masked: `mask` '{self.source.label}' has the classes "
            f"{', '.join(f'{value:g}' for value in seen[:_MOST_NAMED])}{more}, none of which is in `mask_values` "
            f"({', '.join(f'{value:g}' for value in self.mask_values)}). Name its classes of water and ice there."
        )


def parse_mask_values(text: str | None) -> tuple[float, ...]:
    """Read `0,15,17`: the classes that are left out.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    tuple of float

    Raises
    ------
    InputError
        Where something is no number.

    Examples
    --------
    >>> parse_mask_values("0, 15,17")
    (0.0, 15.0, 17.0)
    """
    found = []
    for part in (item.strip() for item in (text or "").split(",")):
        if not part:
            continue
        try:
            found.append(float(part))
        except ValueError:
            raise InputError(
                f"`mask_values`: '{part}' is no number of a class. Write the classes of `mask` that are left out, "
                "separated by commas: 0,15,17."
            ) from None
    return tuple(dict.fromkeys(found))
