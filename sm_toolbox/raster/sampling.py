"""Reading bands at points: only the blocks that hold points are read, each once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.windows import Window

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import Band, Source, Stack
from sm_toolbox.raster.grid import Grid, label
from sm_toolbox.raster.reading import BandReader, OpenBands
from sm_toolbox.raster.times import Time

METHODS = {"nearest": 0, "bilinear": 1, "mean_3x3": 1}
"""Ways to read a value at a point, with the cells around the point's own that each needs."""


def match_times(stack: Stack, times: Sequence[Time | None], max_gap_days: float) -> np.ndarray:
    """Find for each time the band of a stack that is nearest within a gap.

    Returns
    -------
    ndarray of int (times,)
        Positions in the stack; -1 where no band is near enough.
    """
    known: dict[Time | None, int] = {}
    for time in times:
        if time not in known:
            position = stack.nearest(time, max_gap_days)
            known[time] = -1 if position is None else position
    return np.array([known[time] for time in times], dtype=np.int64)


def locate(x: np.ndarray, y: np.ndarray, crs: CRS, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find points in a grid.

    Parameters
    ----------
    x, y : ndarray (points,)
        Coordinates in `crs`.

    Returns
    -------
    columns, rows : ndarray of float (points,)
        Positions in cells; the centre of the first cell is (0.5, 0.5).
    inside : ndarray of bool (points,)
    """
    if crs != grid.crs:
        x, y = _transform(x, y, crs, grid.crs)
    inverse = ~grid.transform
    columns = inverse.a * x + inverse.b * y + inverse.c
    rows = inverse.d * x + inverse.e * y + inverse.f
    with np.errstate(invalid="ignore"):
        inside = (columns >= 0) & (columns < grid.width) & (rows >= 0) & (rows < grid.height)
    return columns, rows, inside


def _transform(x: np.ndarray, y: np.ndarray, crs: CRS, to: CRS) -> tuple[np.ndarray, np.ndarray]:
    """Transform points; NaN where a point cannot be, such as one whose latitude and longitude are swapped."""
    try:
        transformer = Transformer.from_crs(crs.to_wkt(), to.to_wkt(), always_xy=True)
    except ProjError as error:
        raise InputError(
            f"Points cannot be transformed from {label(crs)} to {label(to)}: {error}. Reproject the layer with 'Reproject layer' first, or run 'Check installation'."
        ) from error
    x, y = (np.asarray(values, float) for values in transformer.transform(x, y))
    lost = ~(np.isfinite(x) & np.isfinite(y))
    return np.where(lost, np.nan, x), np.where(lost, np.nan, y)


def sample(
    bands: Sequence[Band],
    x: np.ndarray,
    y: np.ndarray,
    crs: CRS,
    points: np.ndarray,
    wanted: np.ndarray,
    method: str = "nearest",
    progress: Progress = SILENT,
) -> np.ndarray:
    """Read values of bands at points.

    Parameters
    ----------
    bands : sequence of Band
        On any grids: each band is read on its own.
    x, y : ndarray (points,)
        Coordinates in `crs`.
    crs : CRS
    points, wanted : ndarray of int (pairs,)
        Which band is read at which point; -1 in `wanted` for none.
    method : {'nearest', 'bilinear', 'mean_3x3'}
        Bilinear interpolation and the mean of 3 × 3 cells leave missing cells out and give the others their weight.
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
    for number, positions in enumerate(files.values()):
        progress.check()
        of_file = np.isin(wanted, positions)
        if of_file.any():
            _sample_file(
                [bands[i] for i in positions], np.array(positions), x, y, crs, points, wanted, np.flatnonzero(of_file), method, values, progress
            )
        progress.set_fraction((number + 1) / len(files))
    return values


def _sample_file(
    bands: list[Band], positions: np.ndarray, x: np.ndarray, y: np.ndarray, crs: CRS,
    points: np.ndarray, wanted: np.ndarray, pairs: np.ndarray, method: str, values: np.ndarray, progress: Progress,
) -> None:  # fmt: skip
    grid = bands[0].grid
    columns, rows, inside = locate(x, y, crs, grid)
    pairs = pairs[inside[points[pairs]]]
    if not len(pairs):
        return
    reader = BandReader(bands, grid)
    tile_rows, tile_columns = next(iter(reader.tiles()))
    of_point = (rows[points[pairs]] // tile_rows).astype(np.int64) * (-(-grid.width // tile_columns)) + (
        columns[points[pairs]] // tile_columns
    ).astype(np.int64)
    order = np.argsort(of_point, kind="stable")
    groups = np.split(pairs[order], np.flatnonzero(np.diff(of_point[order])) + 1)
    halo = METHODS[method]
    opened: dict[tuple[int, ...], OpenBands] = {}
    with ExitStack() as stack:
        for group in groups:
            progress.check()
            own = np.unique(wanted[group])
            key = tuple(int(i) for i in own)
            if key not in opened:
                chosen = BandReader([bands[int(np.searchsorted(positions, i))] for i in key], grid)
                opened[key] = stack.enter_context(chosen.open())
            row, column = rows[points[group]], columns[points[group]]
            top, left = int(row.min()), int(column.min())
            window = Window(left, top, int(column.max()) - left + 1, int(row.max()) - top + 1)
            block = opened[key].read(window, halo).astype(np.float64)
            values[group] = _pick(block, np.searchsorted(own, wanted[group]), row - top + halo, column - left + halo, method)


def _pick(block: np.ndarray, band: np.ndarray, row: np.ndarray, column: np.ndarray, method: str) -> np.ndarray:
    """Take values out of a block (bands, rows, cols) at fractional positions."""
    if method == "nearest":
        return block[band, row.astype(int), column.astype(int)]
    if method == "mean_3x3":
        around = [(dr, dc, np.ones(len(row))) for dr in (-1, 0, 1) for dc in (-1, 0, 1)]
        first_row, first_column = row.astype(int), column.astype(int)
    else:
        # From cell corners to cell centres: a point on a centre takes that cell alone.
        first_row, first_column = np.floor(row - 0.5).astype(int), np.floor(column - 0.5).astype(int)
        down, right = row - 0.5 - first_row, column - 0.5 - first_column
        around = [(0, 0, (1 - down) * (1 - right)), (0, 1, (1 - down) * right), (1, 0, down * (1 - right)), (1, 1, down * right)]
    total, weights = np.zeros(len(row)), np.zeros(len(row))
    for dr, dc, weight in around:
        value = block[band, first_row + dr, first_column + dc]
        valid = ~np.isnan(value)
        total += np.where(valid, value, 0) * weight
        weights += valid * weight
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weights > 0, total / weights, np.nan)
