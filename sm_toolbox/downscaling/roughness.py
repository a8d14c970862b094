"""How a map varies within coarse cells: much or little, and like land or like noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.downscaling.blocks import Lattice
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.validation.edges import block_numbers

# Longest side of the part of a map that is looked at, and dates.
_SIDE, _DATES = 512, 6


@dataclass(frozen=True)
class Detail:
    """What lies within coarse cells.

    Parameters
    ----------
    spread : float
        Standard deviation within a coarse cell; NaN where there is none.
    roughness : float
        Half the mean squared step between neighbours over the variance within coarse cells: 1 for noise, in which
        neighbours are as different as any two cells, towards 0 for what changes smoothly. NaN without any detail.
    """

    spread: float
    roughness: float


def detail_within(values: np.ndarray, blocks: np.ndarray) -> Detail:
    """Measure what lies within coarse cells.

    Parameters
    ----------
    values : ndarray (dates, rows, cols)
        NaN where there is no data.
    blocks : ndarray of int (rows, cols)
        The coarse cell of each cell.

    Returns
    -------
    Detail

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> blocks = np.add.outer(np.arange(60) // 20 * 3, np.arange(60) // 20)
    >>> slope = np.add.outer(np.arange(60.0), np.arange(60.0))
    >>> print(round(detail_within(slope[None], blocks).roughness, 2))
    0.01
    >>> print(round(detail_within(rng.normal(size=(1, 60, 60)), blocks).roughness, 1))
    1.0
    """
    _, of_block = np.unique(blocks, return_inverse=True)
    of_block = of_block.reshape(blocks.shape)
    squares = freedom = steps = pairs = 0.0
    for date in values.astype(np.float64):
        valid = np.isfinite(date)
        number = of_block[valid]
        counts = np.bincount(number, minlength=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.bincount(number, date[valid], minlength=1) / counts
        squares += float(((date[valid] - means[number]) ** 2).sum())
        freedom += float(np.maximum(counts - 1, 0).sum())
        for axis in (0, 1):
            step = np.diff(date, axis=axis)
            taken = np.isfinite(step) & (np.diff(of_block, axis=axis) == 0)
            steps += float((step[taken] ** 2).sum())
            pairs += int(np.count_nonzero(taken))
    if not freedom or not pairs:
        return Detail(float("nan"), float("nan"))
    variance = squares / freedom
    # What float32 rounds is no detail.
    flat = variance < 1e-12
    return Detail(0.0 if flat else float(np.sqrt(variance)), float("nan") if flat else steps / pairs / 2 / variance)


def look_at_detail(bands: Sequence[Band], lattice: Lattice) -> Detail:
    """Measure what lies within coarse cells, in the middle of a map and on a few of its dates.

    Parameters
    ----------
    bands : sequence of Band
        On the fine grid.
    lattice : Lattice

    Returns
    -------
    Detail
    """
    grid = lattice.fine
    width, height = min(_SIDE, grid.width), min(_SIDE, grid.height)
    window = Window((grid.width - width) // 2, (grid.height - height) // 2, width, height)
    chosen = [bands[i] for i in np.unique(np.linspace(0, len(bands) - 1, min(_DATES, len(bands))).astype(int))]
    with BandReader(chosen, grid).open() as opened:
        values = opened.read(window)
    return detail_within(values, block_numbers(grid, window, lattice.grid))
