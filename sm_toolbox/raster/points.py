"""Reading bands at points: only the blocks that hold points are read, each once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band, Stack, overview
from sm_toolbox.raster.choice import driver_for_points
from sm_toolbox.raster.driver import Crs, DriverError
from sm_toolbox.raster.grid import Grid, goes_around, label
from sm_toolbox.raster.kinds import components, is_direction, mean_direction
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.pointfile import PointFile, PointRead
from sm_toolbox.raster.times import Time

# A corner this share of a cell within the cell stands for it, so that grids that share an edge do not miss each other
# by rounding.
_INSET = 0.01


def nearest_bands(
    stack: Stack, times: Sequence[Time | None], max_gap_days: float | None, only_earlier: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Find for each time the band of a stack that is nearest in time.

    Parameters
    ----------
    stack : Stack
    times : sequence of Time or None
    max_gap_days : float or None
        As `Stack.reach`.
    only_earlier : bool, optional
        As `Stack.nearest`.

    Returns
    -------
    positions : ndarray of int (times,)
        Positions in the stack; -1 where no band is near enough.
    gaps : ndarray of float64 (times,)
        Days from the times to the bands, negative where the band is earlier; NaN where there is none, or the stack is
        static.
    """
    first, of_time = distinct_times(times)
    positions, gaps = np.full(len(first), -1), np.full(len(first), np.nan)
    for number, row in enumerate(first):
        time = times[row]
        position = stack.nearest(time, max_gap_days, only_earlier)
        if position is None:
            continue
        positions[number] = position
        if time is not None and not stack.is_static:
            band = stack.times[position]
            gaps[number] = time.distance_days(band) * (1 if band.start > time.start else -1)
    # Without negative zeros.
    return positions[of_time], gaps[of_time] + 0.0


def sample_cells(band: Band, count: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw cells that have data, from a coarse look at a band.

    Parameters
    ----------
    band : Band
    count : int, optional
        Largest number of cells.
    seed : int, optional

    Returns
    -------
    x, y : ndarray of float64 (cells,)
        Centres of at most `count` cells of the overview, in the band's CRS.

    Raises
    ------
    InputError
        Where no cell has data.
    """
    values = overview(band)
    row, column = np.nonzero(~np.isnan(values))
    if not len(row):
        raise InputError(
            f"The raster '{band.source.label}' has no cell with data. Choose a raster that covers the area to be "
            "mapped."
        )
    if len(row) > count:
        drawn = np.random.default_rng(seed).choice(len(row), count, replace=False)
        row, column = row[drawn], column[drawn]
    grid = band.grid
    x, y = grid.transform * ((column + 0.5) * grid.width / values.shape[1], (row + 0.5) * grid.height / values.shape[0])
    return x, y


def distinct_times(times: Sequence[Time | None]) -> tuple[np.ndarray, np.ndarray]:
    """Find the distinct times among rows, quickly.

    Rows of one date mostly share one object, and comparing the objects themselves takes a tenth of comparing dates;
    equal dates that are different objects count twice.

    Parameters
    ----------
    times : sequence of Time or None

    Returns
    -------
    first : ndarray of int (distinct,)
        A row of each.
    of_row : ndarray of int (rows,)
        The time of each row.
    """
    first, of_row = np.unique(
        np.fromiter(map(id, times), np.int64, len(times)), return_index=True, return_inverse=True
    )[1:]
    return first, of_row


def locate(x: np.ndarray, y: np.ndarray, crs: Crs, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find points in a grid.

    Parameters
    ----------
    x, y : ndarray (points,)
        Coordinates in `crs`.
    crs : Crs
    grid : Grid

    Returns
    -------
    columns, rows : ndarray of float (points,)
        Positions in cells; the centre of the first cell is (0.5, 0.5).
    inside : ndarray of bool (points,)
    """
    if crs != grid.crs:
        x, y = transform_points(x, y, crs, grid.crs)
    inverse = ~grid.transform
    columns = inverse.a * x + inverse.b * y + inverse.c
    rows = inverse.d * x + inverse.e * y + inverse.f
    if grid.crs.is_geographic and not (inverse.b or inverse.d):
        # A station at -120° is also at 240°.
        turn = 360 * abs(inverse.a)
        with np.errstate(invalid="ignore"):
            columns = np.where(columns < 0, columns + turn, np.where(columns >= grid.width, columns - turn, columns))
    with np.errstate(invalid="ignore"):
        inside = (columns >= 0) & (columns < grid.width) & (rows >= 0) & (rows < grid.height)
    return columns, rows, inside


def cells_within(grid: Grid, window: Window, others: Iterable[Grid]) -> np.ndarray:
    """Find the cells of a window that lie wholly within other grids, by their corners.

    Parameters
    ----------
    grid : Grid
    window : Window
    others : iterable of Grid
        In any coordinate reference systems.

    Returns
    -------
    ndarray of bool (rows, cols)
    """
    row, column = np.indices((int(window.height), int(window.width)))
    within = np.ones(row.shape, bool)
    for other in others:
        for down in (_INSET, 1 - _INSET):
            for right in (_INSET, 1 - _INSET):
                x, y = grid.transform * (
                    (column + window.col_off + right).ravel(),
                    (row + window.row_off + down).ravel(),
                )
                within &= locate(x, y, grid.crs, other)[2].reshape(within.shape)
    return within


def transform_points(x: np.ndarray, y: np.ndarray, crs: Crs, to: Crs) -> tuple[np.ndarray, np.ndarray]:
    """Transform points; NaN where a point cannot be, such as one whose latitude and longitude are swapped.

    Parameters
    ----------
    x, y : ndarray of float64 (points,)
    crs, to : Crs

    Returns
    -------
    x, y : ndarray of float64 (points,)

    Raises
    ------
    InputError
        Where there is no way from one CRS to the other.
    """
    # By GDAL, not by pyproj, whose versions 3.7.0 to 3.7.2 crash in the threads of Qt on which QGIS runs algorithms
    # (pyproj issues 1509 and 1622).
    reader = driver_for_points()
    try:
        moved = reader.transform(
            np.asarray(x, float), np.asarray(y, float), reader.crs(crs.to_wkt()), reader.crs(to.to_wkt())
        )
    except DriverError as error:
        raise InputError(
            f"Points cannot be transformed from {label(crs)} to {label(to)}: {error}. Reproject the layer with "
            "'Reproject layer' first, or run 'Check installation'."
        ) from error
    lost = ~(np.isfinite(moved[0]) & np.isfinite(moved[1]))
    return np.where(lost, np.nan, moved[0]), np.where(lost, np.nan, moved[1])


def sample(
    bands: Sequence[Band],
    x: np.ndarray,
    y: np.ndarray,
    crs: Crs,
    points: np.ndarray,
    wanted: np.ndarray,
    method: str = "nearest",
    progress: Progress = SILENT,
) -> np.ndarray:
    """Read values of bands at points.

    Parameters
    ----------
    bands : sequence of Band
        Of one variable, on any grids: each band is read on its own.
    x, y : ndarray (points,)
        Coordinates in `crs`.
    crs : Crs
    points, wanted : ndarray of int (pairs,)
        Which band is read at which point; -1 in `wanted` for none.
    method : {'nearest', 'bilinear', 'mean_3x3'}
        Bilinear interpolation and the mean of 3 × 3 cells leave missing cells out and give the others their weight;
        directions are averaged by components.
    progress : Progress, optional

    Returns
    -------
    ndarray, float64 (pairs,)
        NaN outside the raster, where there is no data, and where no band is wanted.
    """
    values = np.full(len(points), np.nan)
    files: dict[Source, list[int]] = {}
    for position, band in enumerate(bands):
        files.setdefault(band.source, []).append(position)
    file_of_band, place_in_file = np.empty(len(bands), np.int64), np.empty(len(bands), np.int64)
    for number, positions in enumerate(files.values()):
        file_of_band[positions], place_in_file[positions] = number, np.arange(len(positions))
    located = {grid: (grid, *locate(x, y, crs, grid)) for grid in {band.grid for band in bands}}

    pairs = np.flatnonzero(wanted >= 0)
    file_of_pair = file_of_band[wanted[pairs]]
    # Numbers of 16 bits are sorted without comparing them.
    pairs = pairs[np.argsort(file_of_pair.astype(np.uint16) if len(files) < 2**16 else file_of_pair, kind="stable")]
    ends = np.cumsum(np.bincount(file_of_pair, minlength=len(files)))
    tasks: list[tuple[np.ndarray, list[Band], _Places]] = []
    for positions, first, last in zip(files.values(), [0, *ends], ends):
        grid, columns, rows, inside = located[bands[positions[0]].grid]
        own = pairs[first:last]
        own = own[inside[points[own]]]
        if len(own):
            # Classes have no mean.
            way = "nearest" if bands[positions[0]].is_class else method
            places = _Places(grid, rows[points[own]], columns[points[own]], place_in_file[wanted[own]], way)
            # Files of one record are mostly read at the same places: what is read together is thought out once.
            if tasks and tasks[-1][2].same_as(places):
                places = tasks[-1][2]
            tasks.append((own, [bands[position] for position in positions], places))
    stop = threading.Event()
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="smtoolbox") as pool:
        futures = [pool.submit(_sample_file, of_file, places, stop) for _, of_file, places in tasks]
        try:
            for number, ((own, _, _), future) in enumerate(zip(tasks, futures)):
                while not future.done():
                    wait([future], timeout=_PATIENCE)
                    progress.check()
                if number % 100 == 0:
                    progress.check()
                    progress.set_fraction(number / len(tasks))
                values[own] = future.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    progress.check()
    progress.set_fraction(1)
    return values


# Seconds between two looks at Cancel.
_PATIENCE = 0.2
# Bytes that may be read in vain to save a call: about what is read in the time that a call takes.
_WASTE = 2**15
# Bytes that are read at once.
_LARGEST_READ = 2**24


def _sample_file(bands: Sequence[Band], places: _Places, stop: threading.Event) -> np.ndarray:
    """Read the values of one file's bands at the places."""
    if stop.is_set():
        raise Cancelled
    values = np.empty(places.count)
    with closing(PointFile(bands)) as file:
        for read in places.reads(file):
            if stop.is_set():
                raise Cancelled
            cells = file.read(read)
            if len(cells) > 1 and is_direction(bands[0].variable):
                values[read.pairs] = mean_direction(*(_mean(part, read.weights) for part in components(cells)))
            else:
                values[read.pairs] = _mean(cells, read.weights)
    return values


class _Places:
    """Where a file is read: fractional row and column and the band of each pair."""

    def __init__(self, grid: Grid, row: np.ndarray, column: np.ndarray, band: np.ndarray, method: str):
        self._grid, self._row, self._column, self._band, self._method = grid, row, column, band, method
        self._known: dict[tuple, list[PointRead]] = {}
        self.count = len(row)

    def same_as(self, other: _Places) -> bool:
        return self._grid is other._grid and all(
            np.array_equal(a, b)
            for a, b in ((self._row, other._row), (self._column, other._column), (self._band, other._band))
        )

    def reads(self, file: PointFile) -> list[PointRead]:
        key = (file.block, file.item_size, file.shift)
        if key not in self._known:
            self._known[key] = list(self._plan(*key))
        return self._known[key]

    def _plan(self, block: tuple[int, int], item_size: int, shift: int) -> Iterator[PointRead]:
        rows, columns, weights = _neighbours(self._row, self._column, self._method)
        if self._grid.crs.is_geographic and goes_around(self._grid.transform, self._grid.width):
            columns = columns % self._grid.width
        weights = weights * ((rows >= 0) & (rows < self._grid.height) & (columns >= 0) & (columns < self._grid.width))
        rows = rows.clip(0, self._grid.height - 1)
        columns = (columns.clip(0, self._grid.width - 1) + shift) % self._grid.width
        middle = len(rows) // 2
        for pairs, bands in _groups(
            rows[middle] // block[0], columns[middle] // block[1], self._band, block[0] * block[1] * item_size
        ):
            left, top = int(columns[:, pairs].min()), int(rows[:, pairs].min())
            window = (left, top, int(columns[:, pairs].max()) - left + 1, int(rows[:, pairs].max()) - top + 1)
            at_once = max(1, _LARGEST_READ // (window[2] * window[3] * item_size))
            for first in range(0, len(bands), at_once):
                some = bands[first : first + at_once]
                own = pairs[np.isin(self._band[pairs], some)]
                band = np.searchsorted(some, self._band[own])
                cells = (np.broadcast_to(band, (len(rows), len(own))), rows[:, own] - top, columns[:, own] - left)
                yield PointRead(window, some.tolist(), own, band, cells, weights[:, own])


def _neighbours(row: np.ndarray, column: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and weights of the cells that make a value, (neighbours, pairs) each."""
    if method == "bilinear":
        # From cell corners to cell centres: a point on a centre takes that cell alone.
        top, left = np.floor(row - 0.5), np.floor(column - 0.5)
        down, right = row - 0.5 - top, column - 0.5 - left
        weights = np.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right])
        steps = np.indices((2, 2)).reshape(2, 4, 1)
    else:
        top, left = np.floor(row), np.floor(column)
        width = 3 if method == "mean_3x3" else 1
        steps = np.indices((width, width)).reshape(2, width**2, 1) - width // 2
        weights = np.ones((width**2, len(row)))
    return top.astype(np.int64) + steps[0], left.astype(np.int64) + steps[1], weights


def _mean(cells: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weigh the neighbours of each pair, leaving out those without data."""
    if len(cells) == 1:
        return cells[0]
    weights = np.where(np.isnan(cells), 0, weights)
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, np.sum(weights * np.nan_to_num(cells), axis=0) / total, np.nan)


@dataclass(frozen=True)
class _Group:
    """Pairs that are read at once: those in one rectangle of blocks, `used` of which hold pairs."""

    top: int
    left: int
    bottom: int
    right: int
    used: int
    pairs: list[np.ndarray]
    bands: np.ndarray

    def joined(self, other: _Group, block_size: int) -> _Group | None:
        """Return both groups as one, or None where too much would be read in vain, or at once."""
        if not np.array_equal(self.bands, other.bands):
            return None
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom, right = max(self.bottom, other.bottom), max(self.right, other.right)
        used, blocks = self.used + other.used, (bottom - top) * (right - left)
        size = block_size * len(self.bands)
        if (blocks - used) * size > _WASTE or blocks * size > _LARGEST_READ:
            return None
        return _Group(top, left, bottom, right, used, self.pairs + other.pairs, self.bands)


def _groups(
    row: np.ndarray, column: np.ndarray, band: np.ndarray, block_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pairs that are read at once and the bands they need, sorted.

    Parameters
    ----------
    row, column : ndarray of int (pairs,)
        The block in which each pair's cell lies. Neighbours that lie in the next block do not count: few cells of it
        are read twice.
    band : ndarray of int (pairs,)
    block_size : int
        Bytes of a block of one band.
    """
    order = np.lexsort((column, row))
    starts = np.flatnonzero(np.diff(row[order], prepend=-1) | np.diff(column[order], prepend=-1))
    groups = [
        _Group(
            int(row[pairs[0]]),
            int(column[pairs[0]]),
            int(row[pairs[0]]) + 1,
            int(column[pairs[0]]) + 1,
            1,
            [pairs],
            np.unique(band[pairs]),
        )
        for pairs in np.split(order, starts[1:])
    ]
    # First blocks join their neighbours in the same row, then rows join.
    for _ in range(2):
        joined: list[_Group] = []
        for group in groups:
            together = joined[-1].joined(group, block_size) if joined else None
            if together is None:
                joined.append(group)
            else:
                joined[-1] = together
        groups = joined
    for group in groups:
        yield np.concatenate(group.pairs), group.bands
