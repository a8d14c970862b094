"""Borders of coarse cells that show in a finer map: steps between neighbours across them, and elsewhere."""

from __future__ import annotations

import numpy as np

from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid

# More columns than any lattice has, so that row and column make one number.
_MOST_COLUMNS = 2**31


def block_places(grid: Grid, window: Window, block_grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return where among coarse cells the centre of each cell of a window lies.

    Parameters
    ----------
    grid : Grid
        Of the fine map.
    window : Window
        Of that grid.
    block_grid : Grid
        Of the coarse cells; beyond its extent they go on.

    Returns
    -------
    columns, rows : ndarray of float64 (rows, cols)
        The centre of the first coarse cell is (0.5, 0.5); NaN where the place does not exist in the other CRS.
    """
    columns, rows = np.meshgrid(
        window.col_off + np.arange(int(window.width)) + 0.5, window.row_off + np.arange(int(window.height)) + 0.5
    )
    x, y = grid.transform * (columns.ravel(), rows.ravel())
    if grid.crs != block_grid.crs:
        x, y = driver().transform(x, y, grid.crs, block_grid.crs)
    with np.errstate(invalid="ignore"):
        column, row = ~block_grid.transform * (np.asarray(x), np.asarray(y))
    lost = ~(np.isfinite(column) & np.isfinite(row))
    column, row = (np.where(lost, np.nan, values).reshape(columns.shape) for values in (column, row))
    return column, row


def block_numbers(grid: Grid, window: Window, block_grid: Grid) -> np.ndarray:
    """Return in which coarse cell the centre of each cell of a window lies.

    Parameters
    ----------
    grid, window, block_grid : Grid, Window, Grid
        As `block_places`.

    Returns
    -------
    ndarray of int64 (rows, cols)
        The same number for cells of one coarse cell; -1 where the place does not exist in the other CRS.
    """
    columns, rows = block_places(grid, window, block_grid)
    found = ~np.isnan(columns)
    column, row = (np.floor(np.where(found, values, 0)).astype(np.int64) for values in (columns, rows))
    return np.where(found, row * _MOST_COLUMNS + column, -1)


def edge_sums(values: np.ndarray, blocks: np.ndarray, inner: tuple[int, int] | None = None) -> np.ndarray:
    """Sum up the absolute differences of neighbours, across borders of coarse cells and within them.

    Parameters
    ----------
    values : ndarray (bands, rows, cols)
        NaN where there is no data.
    blocks : ndarray of int (rows, cols)
        The coarse cell of each cell.
    inner : (int, int), optional
        Rows and columns of which neighbours to the right and below are taken; by default all. With one row and one
        column more than a window has, each pair of a raster belongs to one window.

    Returns
    -------
    ndarray of float64 (2, 2)
        Sum and number of differences across borders, then of those within.
    """
    rows, columns = inner or blocks.shape
    sums = np.zeros((2, 2))
    for axis, part in ((1, np.s_[:, :, :columns]), (2, np.s_[:, :rows, :])):
        steps = np.abs(np.diff(values[part].astype(np.float64), axis=axis))
        is_border = np.diff(blocks[part[1:]], axis=axis - 1) != 0
        has_data = np.isfinite(steps)
        for kind, chosen in enumerate((is_border, ~is_border)):
            taken = steps[has_data & chosen]
            sums[kind] += taken.sum(), taken.size
    return sums


def ratio_of_edges(sums: np.ndarray) -> float:
    """Return the mean difference across borders over that within.

    Parameters
    ----------
    sums : ndarray of float64 (2, 2)
        As `edge_sums`.

    Returns
    -------
    float
        Infinite where a map does not change but on borders; NaN where there is no neighbour of either kind, or no
        change at all.
    """
    (across, borders), (within, others) = sums
    if not borders or not others or not across + within:
        return float("nan")
    return float(across / borders / (within / others)) if within else float("inf")


def edge_ratio(values: np.ndarray, blocks: np.ndarray) -> float:
    """Return how much larger steps between neighbours are across borders of coarse cells than within them.

    Parameters
    ----------
    values : ndarray (bands, rows, cols)
        A map on some dates; NaN where there is no data.
    blocks : ndarray of int (rows, cols)
        The coarse cell of each cell.

    Returns
    -------
    float
        1: no borders to be seen.

    Examples
    --------
    >>> fine = np.arange(6.0)
    >>> coarse = np.repeat(np.arange(3), 2)
    >>> edge_ratio(fine[None, None], coarse[None])
    1.0
    >>> edge_ratio((fine + 2 * coarse)[None, None], coarse[None])
    3.0
    """
    return ratio_of_edges(edge_sums(values, blocks))
