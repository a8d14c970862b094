"""Zones of a grid: the cells whose centres lie in polygons, or between two latitudes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.builtin import latitudes, latitudes_at
from sm_toolbox.raster.grid import Grid

_MOST_BANDS = 40


@dataclass(frozen=True)
class Polygons:
    """One zone of polygons.

    Parameters
    ----------
    name : str
    parts : tuple of tuple of ndarray of float64 (corners, 2)
        Outer and inner rings of each part, in the CRS of the grid; a cell is inside a part where an odd number of its
        rings surrounds its centre. Parts may overlap.
    """

    name: str
    parts: tuple[tuple[np.ndarray, ...], ...]

    def cells(self, grid: Grid, window: Window) -> np.ndarray:
        """Find the cells whose centres lie inside.

        Parameters
        ----------
        grid : Grid
        window : Window

        Returns
        -------
        ndarray of bool (rows, cols)
        """
        rows, columns = int(window.height), int(window.width)
        inside = np.zeros((rows, columns), bool)
        inverse = ~grid.transform
        for rings in self.parts:
            in_part = np.zeros((rows, columns), bool)
            for ring in rings:
                x, y = ring[:, 0], ring[:, 1]
                # In cells of the window; the centre of its first cell is at 0.
                column = inverse.a * x + inverse.b * y + inverse.c - window.col_off - 0.5
                row = inverse.d * x + inverse.e * y + inverse.f - window.row_off - 0.5
                _flip_right_of(row, column, in_part)
            inside |= in_part
        return inside


def _flip_right_of(row: np.ndarray, column: np.ndarray, inside: np.ndarray) -> None:
    """Turn over the cells to the right of each edge of a ring: those inside are turned an odd number of times."""
    rows, columns = inside.shape
    next_row, next_column = np.roll(row, -1), np.roll(column, -1)
    # A line through a corner meets the edge above it alone.
    first = np.maximum(0, np.ceil(np.minimum(row, next_row))).astype(int)
    last = np.minimum(rows, np.ceil(np.maximum(row, next_row))).astype(int)
    for edge in np.flatnonzero(first < last):
        slope = (next_column[edge] - column[edge]) / (next_row[edge] - row[edge])
        for line in range(first[edge], last[edge]):
            start = max(0, math.ceil(column[edge] + (line - row[edge]) * slope))
            if start < columns:
                inside[line, start:] ^= True


@dataclass(frozen=True)
class LatitudeBands:
    """Bands between two latitudes, from north to south.

    Parameters
    ----------
    edges : ndarray of float64 (bands + 1,)
        Degrees, descending.
    """

    edges: np.ndarray

    @classmethod
    def of(cls, grid: Grid) -> LatitudeBands:
        """Cut the latitudes of a grid into at most 40 bands of a round width.

        Parameters
        ----------
        grid : Grid

        Returns
        -------
        LatitudeBands
        """
        low, high = _range_oflatitudes(grid)
        span = max(high - low, 1e-6)
        step = next(
            digit * 10.0**power
            for power in range(-7, 3)
            for digit in (1, 2, 5)
            if span / (digit * 10.0**power) <= _MOST_BANDS - 1
        )
        top, bottom = math.ceil(high / step + 1e-9), math.floor(low / step - 1e-9)
        return cls(np.arange(top, bottom - 1, -1) * step)

    @property
    def names(self) -> list[str]:
        """The bands as `45 to 46° N`."""
        return [f"{_degrees(south)} to {_degrees(north)}" for north, south in zip(self.edges, self.edges[1:])]

    def of_cells(self, grid: Grid, window: Window) -> np.ndarray:
        """Return the band of each cell.

        Parameters
        ----------
        grid : Grid
        window : Window

        Returns
        -------
        ndarray of int (rows, cols)
            -1 for none.
        """
        latitude = latitudes(grid, window)
        band = np.searchsorted(-self.edges, -latitude, "right") - 1
        return np.where((band >= 0) & (band < len(self.edges) - 1) & ~np.isnan(latitude), band, -1)


def _range_oflatitudes(grid: Grid) -> tuple[float, float]:
    """Return the lowest and the highest latitude of the cells' centres, degrees."""
    rows, columns = (np.unique(np.linspace(0, size - 1, 50).astype(int)) for size in (grid.height, grid.width))
    some = latitudes_at(grid, *np.meshgrid(columns, rows))
    found = []
    for choose, place in ((np.nanmin, np.nanargmin), (np.nanmax, np.nanargmax)):
        # A pole lies between the cells that are looked at.
        row, column = np.unravel_index(place(some), some.shape)
        (top, bottom), (left, right) = (
            (at[max(0, i - 1)], at[min(i + 1, len(at) - 1)] + 1) for at, i in ((rows, row), (columns, column))
        )
        found.append(float(choose(latitudes(grid, Window(left, top, right - left, bottom - top)))))
    return found[0], found[1]


def _degrees(value: float) -> str:
    return f"{abs(value):.6g}° {'N' if value >= 0 else 'S'}"


def names_of(polygons: Sequence[Polygons]) -> list[str]:
    """Return the names of zones, each once: a second `Tisza` is `Tisza (2)`.

    Parameters
    ----------
    polygons : sequence of Polygons

    Returns
    -------
    list of str
    """
    found: list[str] = []
    for item in polygons:
        name, number = item.name, 2
        while name in found:
            name, number = f"{item.name} ({number})", number + 1
        found.append(name)
    return found
