"""Values of bands in the cells of a grid that hold points: those that a map on that grid is made of."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from sm_toolbox.errors import Cancelled
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.bands import Band, Stack
from sm_toolbox.raster.driver import Crs
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.points import locate, sample
from sm_toolbox.raster.reading import BandReader, ground_cell, warp_method
from sm_toolbox.raster.warping import overlap

# Seconds between two looks at Cancel.
_PATIENCE = 0.2
# Cells of a file on a side that are averaged at once.
_SIDE = 512
# Cells beyond which a point is nowhere near the grid.
_FAR = 2**30


@dataclass(frozen=True)
class Cells:
    """A grid, and how bands on other grids reach it.

    Parameters
    ----------
    grid : Grid
    rule : str, optional
        A word of `RULES`.
    """

    grid: Grid
    rule: str = "auto"

    def method(self, band: Band) -> str:
        """Return how a band is read in cells of the grid.

        Parameters
        ----------
        band : Band

        Returns
        -------
        str
            'cell' where the band lies on the grid; else a word of `RESAMPLINGS`.
        """
        return "cell" if band.grid.same_as(self.grid) else warp_method(self.rule, band, self.grid)

    def centres(self, x: np.ndarray, y: np.ndarray, crs: Crs) -> tuple[np.ndarray, np.ndarray]:
        """Return the centres of the cells that hold points, also where the cells would go on beyond the grid's edges.

        Parameters
        ----------
        x, y : ndarray of float64 (points,)
        crs : Crs
            Of the points.

        Returns
        -------
        x, y : ndarray of float64 (points,)
            In the grid's CRS.
        """
        columns, rows = self.places(x, y, crs)
        centre_x, centre_y = self.grid.transform * (columns + 0.5, rows + 0.5)
        return centre_x, centre_y

    def places(self, x: np.ndarray, y: np.ndarray, crs: Crs) -> tuple[np.ndarray, np.ndarray]:
        """Return columns and rows of the cells that hold points.

        Parameters
        ----------
        x, y : ndarray of float64 (points,)
        crs : Crs
            Of the points.

        Returns
        -------
        columns, rows : ndarray of float64 (points,)
            Whole numbers; NaN where there is no point.
        """
        columns, rows, _ = locate(x, y, crs, self.grid)
        return np.floor(columns), np.floor(rows)


@dataclass(frozen=True)
class CellRule:
    """On which grid values are to be those of a map, and how bands on other grids reach it.

    Parameters
    ----------
    grid : Source, optional
        By default the finest of the bands.
    rule : str, optional
        A word of `RULES`.
    """

    grid: Source | None = None
    rule: str = "auto"

    def cells(self, stacks: Mapping[str, Stack], progress: Progress = SILENT) -> Cells:
        """Choose the grid, and say what is warped to it.

        Parameters
        ----------
        stacks : mapping of str to Stack
            By column.
        progress : Progress, optional

        Returns
        -------
        Cells
        """
        cells = Cells(grid_of(self.grid) if self.grid else finest_grid(stacks.values()), self.rule)
        by_method: dict[str, list[str]] = {}
        for name, stack in stacks.items():
            method = cells.method(stack.bands[0])
            if method != "cell":
                by_method.setdefault(method, []).append(name)
        if by_method:
            size = " × ".join(f"{side:.4g}" for side in ground_cell(cells.grid))
            chosen = "" if self.grid else " (`grid` is not set: the finest predictor's)"
            listed = "; ".join(f"{method}: {', '.join(names)}" for method, names in by_method.items())
            progress.info(
                f"Rows get the values that a map with cells of {size} m has in theirs{chosen}. Warped to them by "
                f"{listed}."
            )
        return cells


def finest_grid(stacks: Iterable[Stack]) -> Grid:
    """Return the grid with the smallest cells on the ground; of several the first.

    Parameters
    ----------
    stacks : iterable of Stack

    Returns
    -------
    Grid
    """
    grids = dict.fromkeys(band.grid for stack in stacks for band in stack.bands)
    # To a percent, so that the first of equals is taken.
    return min(grids, key=lambda grid: round(math.log(math.prod(ground_cell(grid))), 2))


def sample_cells_of(
    bands: Sequence[Band],
    cells: Cells,
    x: np.ndarray,
    y: np.ndarray,
    crs: Crs,
    points: np.ndarray,
    wanted: np.ndarray,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Read values of bands in the cells that hold points, as a map on the grid has them.

    Parameters
    ----------
    bands : sequence of Band
    cells : Cells
    x, y : ndarray (points,)
        Coordinates in `crs`.
    crs : Crs
    points, wanted : ndarray of int (pairs,)
        Which band is read at which point; -1 in `wanted` for none.
    progress : Progress, optional

    Returns
    -------
    ndarray, float64 (pairs,)
        NaN outside a band's raster and where there is no data.
    """
    values = np.full(len(points), np.nan)
    columns, rows = cells.places(x, y, crs)
    centre_x, centre_y = cells.grid.transform * (columns + 0.5, rows + 0.5)
    # Bands of a long record are alike.
    of_kind = {(band.grid, getattr(band, "is_class", False)): band for band in bands}
    way_of = {kind: _way(band, cells) for kind, band in of_kind.items()}
    ways = [way_of[band.grid, getattr(band, "is_class", False)] for band in bands]
    for number, way in enumerate(dict.fromkeys(ways)):
        part = progress.part(number / len(set(ways)), (number + 1) / len(set(ways)))
        own = np.array([other == way for other in ways])
        pairs = np.flatnonzero((wanted >= 0) & own[wanted])
        if not len(pairs):
            continue
        if way in ("nearest", "bilinear"):
            # At the centre of its cell, which reads single cells and is the same.
            found = sample(bands, centre_x, centre_y, cells.grid.crs, points[pairs], wanted[pairs], way, part)
            values[pairs] = found.astype(np.float32)
        else:
            values[pairs] = _by_windows(bands, cells, columns, rows, points[pairs], wanted[pairs], part)
    return values


def _way(band: Band, cells: Cells) -> str:
    """Say how a band is read: from cells around the centre where that is the same as warping, else by windows."""
    method = cells.method(band)
    if method in ("cell", "nearest"):
        return "nearest"
    own, wanted = ground_cell(band.grid), ground_cell(cells.grid)
    if method == "bilinear" and all(size >= other for size, other in zip(own, wanted)):
        return "bilinear"
    return "windows"


@dataclass(frozen=True)
class _Task:
    """Windows of the lattice that are read from one file, and the pairs in each."""

    bands: list[Band]
    tiles: list[np.ndarray]


def _by_windows(
    bands: Sequence[Band],
    cells: Cells,
    columns: np.ndarray,
    rows: np.ndarray,
    points: np.ndarray,
    wanted: np.ndarray,
    progress: Progress,
) -> np.ndarray:
    """Warp windows around the points, as maps are made."""
    values = np.full(len(points), np.nan)
    near = np.flatnonzero((np.abs(columns[points]) < _FAR) & (np.abs(rows[points]) < _FAR))
    if not len(near):
        return values
    used = points[near]
    left, top = (min(0, int(places[used].min())) for places in (columns, rows))
    right = max(cells.grid.width, int(columns[used].max()) + 1)
    bottom = max(cells.grid.height, int(rows[used].max()) + 1)
    # Stations beyond the grid have cells, too.
    lattice = Grid(cells.grid.crs, cells.grid.transform * Affine.translation(left, top), right - left, bottom - top)
    column, row = columns[points] - left, rows[points] - top
    files: dict[Source, list[int]] = {}
    for position in np.unique(wanted[near]):
        files.setdefault(bands[position].source, []).append(int(position))
    tasks = [
        task
        for positions in files.values()
        if overlap(bands[positions[0]].grid, lattice)
        for task in _tasks([bands[i] for i in positions], near[np.isin(wanted[near], positions)], column, row, lattice)
    ]
    place = {position: i for positions in files.values() for i, position in enumerate(positions)}
    band_place = np.array([place[position] for position in wanted[near]])
    of_pair = np.full(len(points), -1)
    of_pair[near] = band_place
    stop = threading.Event()

    def read(task: _Task) -> None:
        reader = BandReader(task.bands, lattice, cells.rule)
        with reader.open() as opened:
            for pairs in task.tiles:
                if stop.is_set():
                    raise Cancelled
                first_row, first_column = int(row[pairs].min()), int(column[pairs].min())
                height, width = int(row[pairs].max()) - first_row + 1, int(column[pairs].max()) - first_column + 1
                block = opened.read(Window(first_column, first_row, width, height))
                values[pairs] = block[
                    of_pair[pairs], (row[pairs] - first_row).astype(int), (column[pairs] - first_column).astype(int)
                ]

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="smtoolbox") as pool:
        futures = [pool.submit(read, task) for task in tasks]
        try:
            for number, future in enumerate(futures):
                while not future.done():
                    wait([future], timeout=_PATIENCE)
                    progress.check()
                future.result()
                progress.set_fraction((number + 1) / len(futures))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    progress.check()
    return values


def _tasks(bands: list[Band], pairs: np.ndarray, column: np.ndarray, row: np.ndarray, lattice: Grid) -> Iterable[_Task]:
    """Group the pairs of one file by tiles of the lattice, and the tiles into what threads do."""
    ratio = max(1.0, *(wanted / own for wanted, own in zip(ground_cell(lattice), ground_cell(bands[0].grid))))
    side = max(1, int(_SIDE / ratio))
    down, right = row[pairs] // side, column[pairs] // side
    order = np.lexsort((right, down))
    tiles = [
        pairs[[order[i] for i in group]]
        for _, group in groupby(range(len(order)), lambda i: (down[order[i]], right[order[i]]))
    ]
    count = min(len(tiles), 4 * (os.cpu_count() or 1))
    for number in range(count):
        yield _Task(bands, tiles[number * len(tiles) // count : (number + 1) * len(tiles) // count])
