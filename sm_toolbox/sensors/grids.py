"""Grids of products whose files do not say where their cells lie, known by their numbers of columns and rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownGrid:
    """A global or hemispheric grid.

    Parameters
    ----------
    name : str
    epsg : int
    columns, rows : int
    left, top : float
        Corner of the first cell, in metres.
    cell : float
        Metres.
    source : str
    """

    name: str
    epsg: int
    columns: int
    rows: int
    left: float
    top: float
    cell: float
    source: str


_EASE2 = (
    "Brodzik, M. J. et al. (2012, 2014). ISPRS Int. J. Geo-Inf. 1 and 3. doi 10.3390/ijgi1010032, 10.3390/ijgi3031154"
)
_LEFT, _TOP = -17367530.4451615, 7314540.8306386


def _global(columns: int, rows: int, cell: float, name: str, top: float = _TOP) -> KnownGrid:
    return KnownGrid(f"EASE-Grid 2.0, global, {name}", 6933, columns, rows, _LEFT, top, cell, _EASE2)


KNOWN_GRIDS = (
    _global(964, 406, 36032.220840584, "36 km"),
    _global(3856, 1624, 9008.055210146, "9 km"),
    _global(11568, 4872, 3002.685070049, "3 km"),
    _global(34704, 14616, 1000.895023350, "1 km"),
    _global(1388, 584, 25025.2600081, "25 km", 7307375.9223652),
    KnownGrid("EASE-Grid 2.0, north, 36 km", 6931, 500, 500, -9000000.0, 9000000.0, 36000.0, _EASE2),
    KnownGrid("EASE-Grid 2.0, north, 9 km", 6931, 2000, 2000, -9000000.0, 9000000.0, 9000.0, _EASE2),
    KnownGrid("EASE-Grid 2.0, north, 25 km", 6931, 720, 720, -9000000.0, 9000000.0, 25000.0, _EASE2),
)
"""Sizes that no other grid of satellite products has."""


def known_grid(columns: int, rows: int) -> KnownGrid | None:
    """Return the grid of a size.

    Parameters
    ----------
    columns, rows : int

    Returns
    -------
    KnownGrid or None
    """
    return next((grid for grid in KNOWN_GRIDS if (grid.columns, grid.rows) == (columns, rows)), None)
