"""Geotransforms and windows: from columns and rows to coordinates of the map, and rectangles of cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Affine(NamedTuple):
    """x = a · column + b · row + c, y = d · column + e · row + f, in the order of the package affine.

    Multiplied by a place it gives another (numbers or arrays), by another `Affine` the two one after the other; `~`
    turns it round.
    """

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @classmethod
    def of(cls, coefficients: Iterable[float]) -> Affine:
        """Return six numbers, or the nine of the package affine, as an `Affine`.

        Parameters
        ----------
        coefficients : iterable of float

        Returns
        -------
        Affine
        """
        return cls(*(float(number) for number in tuple(coefficients)[:6]))

    @classmethod
    def identity(cls) -> Affine:
        """Return what leaves places as they are.

        Returns
        -------
        Affine
        """
        return cls(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    @classmethod
    def translation(cls, x: float, y: float) -> Affine:
        """Return a shift.

        Parameters
        ----------
        x, y : float

        Returns
        -------
        Affine
        """
        return cls(1.0, 0.0, float(x), 0.0, 1.0, float(y))

    @classmethod
    def scale(cls, x: float, y: float | None = None) -> Affine:
        """Return a change of scale.

        Parameters
        ----------
        x : float
        y : float, optional
            By default that of x.

        Returns
        -------
        Affine
        """
        return cls(float(x), 0.0, 0.0, 0.0, float(x if y is None else y), 0.0)

    @classmethod
    def from_gdal(cls, c: float, a: float, b: float, f: float, d: float, e: float) -> Affine:
        """Return what GDAL lists in another order.

        Parameters
        ----------
        c, a, b, f, d, e : float

        Returns
        -------
        Affine
        """
        return cls(a, b, c, d, e, f)

    def to_gdal(self) -> tuple[float, float, float, float, float, float]:
        """Return the numbers in GDAL's order.

        Returns
        -------
        tuple of float
        """
        return self.c, self.a, self.b, self.f, self.d, self.e

    @property
    def determinant(self) -> float:
        """The area of a cell, negative where rows run down the map."""
        return self.a * self.e - self.b * self.d

    @property
    def is_identity(self) -> bool:
        """Whether places stay as they are: what GDAL says of files without a geotransform."""
        return all(abs(mine - other) < 1e-5 for mine, other in zip(self, Affine.identity()))

    def __mul__(self, other: Any) -> Any:
        a, b, c, d, e, f = self
        if isinstance(other, Affine):
            p, q, r, s, t, u = other
            return Affine(
                a * p + b * s, a * q + b * t, a * r + b * u + c, d * p + e * s, d * q + e * t, d * r + e * u + f
            )
        x, y = other
        return a * x + b * y + c, d * x + e * y + f

    def __invert__(self) -> Affine:
        scale = 1 / self.determinant
        a, b, d, e = self.e * scale, -self.b * scale, -self.d * scale, self.a * scale
        return Affine(a, b, -self.c * a - self.f * b, d, e, -self.c * d - self.f * e)


class Window(NamedTuple):
    """A rectangle of cells, which may reach beyond its raster."""

    col_off: int
    row_off: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and columns of the window."""
        return slice(self.row_off, self.row_off + self.height), slice(self.col_off, self.col_off + self.width)

    def transform(self, of_raster: Affine) -> Affine:
        """Return the geotransform of the window's own cells.

        Parameters
        ----------
        of_raster : Affine

        Returns
        -------
        Affine
        """
        moved: Affine = of_raster * Affine.translation(self.col_off, self.row_off)
        return moved


def bounds_of(transform: Affine, window: Sequence[int]) -> tuple[float, float, float, float]:
    """Return the extent of all corners of a window.

    Parameters
    ----------
    transform : Affine
    window : sequence of int
        Column, row, width, height.

    Returns
    -------
    tuple of float
        West, south, east, north.
    """
    left, top, width, height = window
    x, y = zip(*(transform * (column, row) for column in (left, left + width) for row in (top, top + height)))
    return min(x), min(y), max(x), max(y)
