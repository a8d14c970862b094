"""Pixels of a coarse product as further training rows: its value, and means of the fine predictors under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.memory import refuse_beyond_memory
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.bands import Stack, read_bands, single_stack
from sm_toolbox.raster.builtin import of_rows
from sm_toolbox.raster.driver import Crs
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.lags import LaggedStack, addends_of, base_of
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.origins import Origin, Predictors
from sm_toolbox.raster.points import cells_within, nearest_bands
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.raster.warping import inside, touched_window

# Positions, coordinates and results.
_BYTES_PER_PIXEL = 80


@dataclass(frozen=True)
class PixelRows:
    """Rows made of a product's pixels, by date, row and column.

    Parameters
    ----------
    product : str
        Name of the product's layer.
    x, y : ndarray of float64 (rows,)
        Centres of the pixels in `crs`.
    crs : Crs
    names : list of str (rows,)
        A name for each pixel, the same on all dates.
    times : list of Time or None (rows,)
    values : ndarray of float64 (rows,)
    predictors : dict of str to ndarray of float64 (rows,)
        Means over the pixel of the cells that have data.
    gap_days : dict of str to ndarray of float64 (rows,)
        Of dated predictors, as those of samples.
    found : int
        Pixels and dates with data, of which the rows were drawn.
    """

    product: str
    x: np.ndarray
    y: np.ndarray
    crs: Crs
    names: list[str]
    times: list[Time | None]
    values: np.ndarray
    predictors: dict[str, np.ndarray]
    gap_days: dict[str, np.ndarray]
    found: int


def sample_pixels(
    product: Sequence[Source],
    predictors: Predictors,
    max_gap_days: TimeRule | float | None = None,
    most: int = 10_000,
    seed: int = 0,
    progress: Progress = SILENT,
    builtins: Mapping[str, Origin] | None = None,
) -> PixelRows:
    """Average predictors over the pixels of a coarse product.

    A model that learns from few stations is given the product's pixels as further targets (Remote Sens. 2023, 15, 1531,
    section 2.3). Only pixels that lie wholly within every predictor's raster count.

    Parameters
    ----------
    product : sequence of Source
        One variable, static or dated.
    predictors : Predictors
        As `read_predictors` returns them, with finer cells.
    max_gap_days : TimeRule or float, optional
        How far in time a dated predictor may lie from the product; not given: half the distance of the predictor's
        dates.
    most : int, optional
        Largest number of rows; where there are more, so many are drawn at random.
    seed : int, optional
    progress : Progress, optional
    builtins : mapping of str to Origin, optional
        Variables that need no raster, by column.

    Returns
    -------
    PixelRows

    Raises
    ------
    InputError
        Where the product's bands have different grids, or no pixel with data is covered.
    """
    stack = single_stack(read_bands(product), "product")
    grid = stack.bands[0].grid
    for band in stack.bands:
        if not band.grid.same_as(grid):
            raise InputError(
                f"The bands of `product` must have one grid, but '{band.source.label}' differs from "
                f"'{stack.bands[0].source.label}' ({'; '.join(grid.differences(band.grid))}). Run 'Align rasters "
                "to a grid' (smtoolbox:alignrasters) first."
            )
    by_name = predictors.stacks
    grids = {band.grid for predictor in by_name.values() for band in predictor.bands}
    window, covered = _covered(grid, grids)
    if not covered.any():
        raise InputError(
            f"No pixel of `product` ('{stack.bands[0].source.label}') lies wholly within the predictors. "
            "Check both extents and coordinate reference systems."
        )
    values, band_of, cell_of = [], [], []
    for number, band in enumerate(stack.bands):
        progress.check()
        with BandReader([band], grid).open() as bands:
            of_band = bands.read(window)[0]
        cells = np.flatnonzero(covered & ~np.isnan(of_band))
        values.append(of_band.ravel()[cells].astype(np.float64))
        band_of.append(np.full(len(cells), number))
        cell_of.append(cells)
        progress.set_fraction(0.3 * (number + 1) / len(stack.bands))
    value, number_of, cell = np.concatenate(values), np.concatenate(band_of), np.concatenate(cell_of)
    total = len(value)
    if not total:
        raise InputError(
            f"`product` ('{stack.bands[0].source.label}') has no data where the predictors lie. Check its nodata value."
        )
    if total > most:
        drawn = np.sort(np.random.default_rng(seed).choice(total, most, replace=False))
        value, number_of, cell = value[drawn], number_of[drawn], cell[drawn]

    cropped = Grid(
        grid.crs,
        grid.transform * Affine.translation(window.col_off, window.row_off),
        int(window.width),
        int(window.height),
    )
    times: list[Time | None] = [band.time for band in stack.bands]
    row_times = [times[i] for i in number_of]
    means, gaps, rule = {}, {}, TimeRule.of(max_gap_days)
    for i, (predictor_name, predictor) in enumerate(by_name.items()):
        part = progress.part(0.3 + 0.7 * i / len(by_name), 0.3 + 0.7 * (i + 1) / len(by_name))
        position, gap = nearest_bands(
            predictor, times, rule.gap(predictor_name, predictor), rule.only_earlier(predictor_name, predictor)
        )
        means[predictor_name] = _means(predictor, cropped, position[number_of], cell, part)
        if not predictor.is_static and not isinstance(predictor, LaggedStack):
            gaps[predictor_name] = gap[number_of]
    row, column = np.divmod(cell, cropped.width)
    x, y = cropped.transform * (column + 0.5, row + 0.5)
    means |= of_rows(builtins or {}, x, y, grid.crs, row_times)
    name = stack.bands[0].source.label.rsplit(".", 1)[0]
    names = [f"{name} r{r} c{c}" for r, c in zip(row + int(window.row_off), column + int(window.col_off))]
    return PixelRows(name, x, y, grid.crs, names, row_times, value, means, gaps, total)


def _covered(grid: Grid, others: set[Grid]) -> tuple[Window, np.ndarray]:
    """Return the window of a grid that others may cover, and the pixels wholly within all, bool (rows, cols)."""
    window = Window(0, 0, grid.width, grid.height)
    for other in others:
        window = inside(window, touched_window(other, grid))
    refuse_beyond_memory(
        _BYTES_PER_PIXEL * window.width * window.height,
        f"`product` has {window.width:,.0f} × {window.height:,.0f} pixels over the predictors, which needs",
        "It must be a product of coarser cells than the predictors: check its cell size and coordinate reference "
        "system.",
    )
    return window, cells_within(grid, window, others)


def _means(predictor: Stack, grid: Grid, position: np.ndarray, cell: np.ndarray, progress: Progress) -> np.ndarray:
    """Return means of a predictor's bands over the cells of a grid (rows,); NaN without a band or data."""
    means = np.full(len(cell), np.nan)
    used = np.unique(position[position >= 0])
    row, column = np.divmod(cell, grid.width)
    for number, i in enumerate(used):
        rows_of_band = np.flatnonzero(position == i)
        addends = [base_of(predictor).bands[place] for place in addends_of(predictor)[:, i]]
        with BandReader(addends, grid, ["average"] * len(addends)).open() as bands:
            # Row by row of pixels, checking for Cancel and reading only what is needed.
            for line in np.unique(row[rows_of_band]):
                progress.check()
                in_line = rows_of_band[row[rows_of_band] == line]
                first, last = column[in_line].min(), column[in_line].max()
                read = bands.read(Window(first, line, last - first + 1, 1))
                means[in_line] = read[:, 0, column[in_line] - first].sum(axis=0)
        progress.set_fraction((number + 1) / len(used))
    return means
