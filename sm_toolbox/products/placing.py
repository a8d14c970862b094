"""Where the cells of an array lie, and how a window of a map is read from it.

Rows may run northwards, axes come as longitude, latitude, longitudes run from 0° to 360°; windows of EASE-Grids and
swaths have coordinates of their cells alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.arrays import ArrayFacts, ArrayFile, Axis
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid, metres_per_degree
from sm_toolbox.sensors.grids import KNOWN_GRIDS, KnownGrid

MODIS_SINUSOIDAL = (
    'PROJCS["MODIS Sinusoidal",GEOGCS["Unknown datum based upon the custom spheroid",DATUM["Not specified (based on '
    'custom spheroid)",SPHEROID["Custom spheroid",6371007.181,0]],PRIMEM["Greenwich",0],UNIT["degree",'
    '0.0174532925199433]],PROJECTION["Sinusoidal"],PARAMETER["longitude_of_center",0],PARAMETER["false_easting",0],'
    'PARAMETER["false_northing",0],UNIT["metre",1]]'
)
# Coordinates are kept in single precision, and rounded: a step may be off by this share of a cell.
_EVEN = 0.02
# A cell of a swath serves map cells whose centres are no further away: half the diagonal of 25 km cells.
_REACH = 18_000.0


@dataclass(frozen=True)
class Placing:
    """How an array lies on a grid.

    Parameters
    ----------
    grid : Grid
        North-up, longitudes from -180° to 180°.
    is_flipped : bool
        Whether the first row is the southernmost.
    is_transposed : bool
        Whether columns come before rows.
    shift : int
        The column of the array that is the first of the grid.
    nodes : ndarray of int64 (rows, cols) or None
        Of a swath: for each cell of the grid the cell of the swath, counted along its rows; -1 where it has none.
    columns : int
        Of a swath.
    """

    grid: Grid
    is_flipped: bool = False
    is_transposed: bool = False
    shift: int = 0
    nodes: np.ndarray | None = field(default=None, compare=False)
    columns: int = 0

    def read(self, window: Window, part: Callable[[int, int, int, int], np.ndarray]) -> np.ndarray:
        """Return a window of the grid.

        Parameters
        ----------
        window : Window
        part : callable
            `part(row, column, rows, columns)` returns that part of the array, in the order rows, columns of the map.

        Returns
        -------
        ndarray (rows, cols)
        """
        row, column, height, width = (
            int(size) for size in (window.row_off, window.col_off, window.height, window.width)
        )
        first = self.grid.height - row - height if self.is_flipped else row
        start = (column + self.shift) % self.grid.width
        before = min(width, self.grid.width - start)
        values = part(first, start, height, before)
        if before < width:
            values = np.concatenate([values, part(first, 0, height, width - before)], axis=1)
        return values[::-1] if self.is_flipped else values


def place_array(
    file: ArrayFile, facts: ArrayFacts, shape: tuple[int, int] | None, coordinates: tuple[str, str]
) -> Placing:
    """Find out where the last two axes of an array lie.

    Parameters
    ----------
    file : ArrayFile
    facts : ArrayFacts
    shape : (int, int) or None
        Rows and columns of the product's global EASE-Grid, where it has one.
    coordinates : (str, str)
        Full names of the arrays of latitudes and longitudes, where the axes have none; empty texts for none.

    Returns
    -------
    Placing

    Raises
    ------
    InputError
        Where they lie on no grid.
    """
    first, second = facts.axes[-2:]
    if first.values is None or second.values is None:
        axes = _eos_axes(file, facts)
        if axes is None:
            return _on_ease_grid(file, facts, shape, coordinates)
        first, second = axes
    is_transposed = _is_longitude(first) and not _is_longitude(second)
    y, x = (second, first) if is_transposed else (first, second)
    assert y.values is not None and x.values is not None
    is_flipped = len(y.values) > 1 and y.values[0] < y.values[-1]
    rows = y.values[::-1] if is_flipped else y.values
    wkt = facts.wkt or (MODIS_SINUSOIDAL if axes_are_eos(first) else "")
    if wkt and not driver().crs(wkt).is_geographic:
        return Placing(_even_grid(driver().crs(wkt), x.values, rows, facts.name), is_flipped, is_transposed)
    columns, shift = _moved_west(x.values)
    if _is_even(rows) and _is_even(columns):
        return Placing(_even_grid(driver().crs(4326), columns, rows, facts.name), is_flipped, is_transposed, shift)
    return Placing(_ease_from_degrees(columns, rows, facts.name), is_flipped, is_transposed, shift)


def axes_are_eos(axis: Axis) -> bool:
    """Say whether an axis was made of HDF-EOS' description of its grid.

    Parameters
    ----------
    axis : Axis

    Returns
    -------
    bool
    """
    return axis.unit == "eos"


def _is_longitude(axis: Axis) -> bool:
    return axis.unit.lower().startswith("degrees_e") or axis.name.lower() in ("lon", "longitude", "x")


def _is_even(values: np.ndarray) -> bool:
    steps = np.diff(values)
    return len(steps) == 0 or bool(np.abs(steps - np.median(steps)).max() <= _EVEN * abs(float(np.median(steps))))


def _even_grid(crs: Any, x: np.ndarray, y: np.ndarray, name: str) -> Grid:
    """Return the grid of the centres of cells."""
    if len(x) < 2 or len(y) < 2 or not (_is_even(x) and _is_even(y)):
        raise InputError(f"the coordinates of {name} are not evenly spaced")
    (width, left), (height, top) = (_step_and_start(axis, crs.is_geographic) for axis in (x, y))
    return Grid(crs, Affine(width, 0, left, 0, height, top), len(x), len(y))


def _step_and_start(centres: np.ndarray, is_degrees: bool) -> tuple[float, float]:
    """Return the size of cells and the edge of the first, without the rounding of single precision in degrees."""
    step = float(centres[-1] - centres[0]) / (len(centres) - 1)
    parts = round(1 / abs(step))
    if is_degrees and parts and abs(abs(step) * parts - 1) < 1e-5:
        step = float(np.sign(step)) / parts
    start = float(centres[0] + centres[-1]) / 2 - step * len(centres) / 2
    halves = round(2 * start / step)
    return step, halves * step / 2 if is_degrees and abs(2 * start / step - halves) < 1e-3 else start


def _moved_west(x: np.ndarray) -> tuple[np.ndarray, int]:
    """Return longitudes from -180° to 180°, and the column that is the first of these."""
    if x.max() <= 180:
        return x, 0
    step = float(np.median(np.diff(x)))
    column = int(np.argmax(x + step / 2 > 180 + 1e-6 * abs(step)))
    if x[0] >= 180 or abs(x[-1] - x[0] + step - 360) < abs(step) / 2:
        moved = np.concatenate([x[column:] - 360, x[:column]])
        return (moved, column) if x[0] < 180 else (x - 360, 0)
    raise InputError("longitudes run across 180°, so that the map would be cut in two")


def _ease_from_degrees(longitude: np.ndarray, latitude: np.ndarray, name: str) -> Grid:
    """Return the cylindrical EASE-Grid 2.0 whose rows and columns have these latitudes and longitudes."""
    crs = driver().crs(6933)
    x, _ = driver().transform(longitude, np.zeros_like(longitude), driver().crs(4326), crs)
    _, y = driver().transform(np.zeros_like(latitude), latitude, driver().crs(4326), crs)
    for known in KNOWN_GRIDS:
        column, row = (x[0] - known.left) / known.cell - 0.5, (known.top - y[0]) / known.cell - 0.5
        last = (x[-1] - known.left) / known.cell - 0.5, (known.top - y[-1]) / known.cell - 0.5
        steps = (last[0] - column, last[1] - row)
        is_there = np.allclose(steps, (len(x) - 1, len(y) - 1), atol=0.05) and known.epsg == 6933
        if is_there and max(abs(column - round(column)), abs(row - round(row))) < 0.1:
            return _window_of(known, round(row), round(column), len(y), len(x))
    raise InputError(f"the coordinates of {name} are not evenly spaced, and are those of no EASE-Grid 2.0")


def _window_of(known: KnownGrid, row: int, column: int, rows: int, columns: int) -> Grid:
    left, top = known.left + column * known.cell, known.top - row * known.cell
    return Grid(driver().crs(known.epsg), Affine(known.cell, 0, left, 0, -known.cell, top), columns, rows)


def _eos_axes(file: ArrayFile, facts: ArrayFacts) -> tuple[Axis, Axis] | None:
    """Return the axes of an HDF-EOS5 grid, which GDAL does not know before 3.7, from the file's own description."""
    text = file.text("/HDFEOS INFORMATION/StructMetadata.0")
    rows, columns = facts.shape[-2:]
    for part in text.split("GridName=")[1:]:
        if part.split('"')[1] not in facts.name:
            continue
        corners = [
            [float(number) for number in part.split(f"{key}=(")[1].split(")")[0].split(",")]
            for key in ("UpperLeftPointMtrs", "LowerRightMtrs")
        ]
        (left, top), (right, bottom) = corners
        x = left + (np.arange(columns) + 0.5) * (right - left) / columns
        y = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
        return Axis("YDim", "eos", y, rows), Axis("XDim", "eos", x, columns)
    return None


def _on_ease_grid(
    file: ArrayFile, facts: ArrayFacts, shape: tuple[int, int] | None, coordinates: tuple[str, str]
) -> Placing:
    """Place an array by its size, or by the latitudes and longitudes of its cells, which must agree."""
    rows, columns = facts.shape[-2:]
    known = next((grid for grid in KNOWN_GRIDS if (grid.rows, grid.columns) == (shape or (rows, columns))), None)
    if known is None:
        raise InputError(f"{facts.name} does not say where its cells lie")
    if not all(coordinates):
        if (known.rows, known.columns) == (rows, columns):
            return Placing(_window_of(known, 0, 0, rows, columns))
        raise InputError(f"{facts.name} is a part of {known.name}, but its file lacks latitudes and longitudes")
    latitude, longitude = (file.read(name).astype(np.float64) for name in coordinates)
    seen = np.argwhere((np.abs(latitude) <= 90) & (np.abs(longitude) <= 180))
    if not len(seen):
        return Placing(_window_of(known, 0, 0, rows, columns))
    some = seen[:: max(1, len(seen) // 500)]
    at = tuple(some.T)
    crs = driver().crs(known.epsg)
    x, y = driver().transform(longitude[at], latitude[at], driver().crs(4326), crs)
    offsets = np.stack(
        [(known.top - y) / known.cell - 0.5 - some[:, 0], (x - known.left) / known.cell - 0.5 - some[:, 1]]
    )
    row, column = (int(value) for value in np.rint(np.median(offsets, axis=1)))
    if np.abs(offsets - np.array([[row], [column]])).max() > 0.1:
        raise InputError(f"the latitudes and longitudes of {facts.name} are not those of {known.name}")
    return Placing(_window_of(known, row, column, rows, columns))


def place_swath(latitude: np.ndarray, longitude: np.ndarray, taken: np.ndarray) -> Placing:
    """Bring a swath onto EASE-Grid 2.0, 25 km: each cell of the map has the nearest of the swath.

    Parameters
    ----------
    latitude, longitude : ndarray of float64 (rows, cols)
        Degrees; NaN where there is no cell.
    taken : ndarray of bool (rows, cols)
        Cells of the swath that serve: those of one pass.

    Returns
    -------
    Placing
        On the part of the grid that the swath covers.

    Raises
    ------
    InputError
        Where no cell of the swath lies on the grid.
    """
    known = next(grid for grid in KNOWN_GRIDS if (grid.epsg, round(grid.cell)) == (6933, 25025))
    crs, degrees = driver().crs(known.epsg), driver().crs(4326)
    nodes = np.flatnonzero(taken & (np.abs(latitude) < 85) & np.isfinite(longitude))
    if not len(nodes):
        raise InputError("no cell of the swath lies between 85° S and 85° N")
    lat, lon = latitude.ravel()[nodes], longitude.ravel()[nodes]
    x, y = driver().transform(lon, lat, degrees, crs)
    column, row = np.floor((x - known.left) / known.cell), np.floor((known.top - y) / known.cell)
    # Cells are narrower than they are on the equator, up to a tenth: further columns are within reach.
    moves = np.array([(r, c) for r in (-1, 0, 1) for c in range(-4, 5)])
    rows, columns = row[:, None] + moves[:, 0], (column[:, None] + moves[:, 1]) % known.columns
    is_row = (rows >= 0) & (rows < known.rows)
    rows = np.clip(rows, 0, known.rows - 1)
    centre = driver().transform(
        (known.left + (columns + 0.5) * known.cell).ravel(),
        (known.top - (rows + 0.5) * known.cell).ravel(),
        crs,
        degrees,
    )
    away = _distances(lon, lat, *(part.reshape(rows.shape) for part in centre))
    near = (away <= _REACH) & is_row
    order = np.argsort(-away[near], kind="stable")
    cells = (rows * known.columns + columns)[near].astype(np.int64)[order]
    whole = np.full(known.rows * known.columns, -1, np.int64)
    # The nearest is written last.
    whole[cells] = np.broadcast_to(nodes[:, None], rows.shape)[near][order]
    whole = whole.reshape(known.rows, known.columns)
    used = np.argwhere(whole >= 0)
    (top, left), (bottom, right) = used.min(axis=0), used.max(axis=0) + 1
    grid = _window_of(known, int(top), int(left), int(bottom - top), int(right - left))
    return Placing(grid, nodes=whole[top:bottom, left:right].copy(), columns=latitude.shape[1])


def _distances(lon: np.ndarray, lat: np.ndarray, other_lon: np.ndarray, other_lat: np.ndarray) -> np.ndarray:
    """Return metres between points and their candidates (points, candidates), which are near."""
    east, north = metres_per_degree((lat[:, None] + other_lat) / 2)
    turn = (other_lon - lon[:, None] + 180) % 360 - 180
    return np.hypot(turn * east, (other_lat - lat[:, None]) * north)
