"""The edge ratio of maps that are larger than memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster import streaming
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.opening import grid_of
from sm_toolbox.raster.reading import ground_cell, has_cells_within
from sm_toolbox.validation.edges import block_numbers, edge_sums, ratio_of_edges

if TYPE_CHECKING:
    from sm_toolbox.raster.bands import Band
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.request import Engine
    from sm_toolbox.raster.streaming import Emit, OpenStacks
    from sm_toolbox.validation.mappairs import MapPairs


@dataclass(frozen=True)
class EdgeRatios:
    """How far the borders of coarse cells show in maps, each on its own grid.

    Parameters
    ----------
    product : float
        NaN where no step lies on a border, or none elsewhere.
    reference : float
        NaN also where its cells are too coarse.
    label : str
        Of the raster with the coarse cells.
    """

    product: float
    reference: float
    label: str


@dataclass(frozen=True)
class WantedEdges:
    """The bands whose edges are looked at.

    Parameters
    ----------
    bands : list of list of Band
        Of the product, and of the reference where its cells are fine enough.
    block_grid : Grid
    label : str
    """

    bands: list[list[Band]]
    block_grid: Grid
    label: str


def edges_to_look_at(pairs: MapPairs, block_grid: Source | None) -> WantedEdges | None:
    """Return the bands on common dates whose edges are looked at; None where no grid of blocks is given.

    Parameters
    ----------
    pairs : MapPairs
    block_grid : Source or None
        Whose cells may show.

    Returns
    -------
    WantedEdges or None

    Raises
    ------
    InputError
        Where the product has no cells within such a block.
    """
    if block_grid is None:
        return None
    blocks = grid_of(block_grid)
    wanted = [[pairs.bands[position] for position in positions] for positions in pairs.positions]
    fine = [has_cells_within(bands[0].grid, blocks) for bands in wanted]
    if not fine[0]:
        sizes = [" × ".join(f"{size:.4g}" for size in ground_cell(grid)) for grid in (wanted[0][0].grid, blocks)]
        raise InputError(
            f"`block_grid` '{block_grid.label}' has cells of {sizes[1]} m, the product of {sizes[0]} m: borders can "
            "only be told from what lies between them where a cell of `block_grid` holds at least two of the product "
            "on each side. Choose the coarse raster that the product was made from, or leave it out."
        )
    return WantedEdges(wanted if fine[1] else wanted[:1], blocks, block_grid.label)


def edge_ratios(wanted: WantedEdges, engine: Engine) -> EdgeRatios:
    """Return the edge ratios of maps on their own grids.

    Parameters
    ----------
    wanted : WantedEdges
    engine : Engine

    Returns
    -------
    EdgeRatios
    """
    found = []
    for i, bands in enumerate(wanted.bands):
        part = engine.part(i / len(wanted.bands), (i + 1) / len(wanted.bands))
        grid = bands[0].grid
        reader = streaming.StackReader(bands, grid)
        stream = streaming.plan_stream(reader, len(bands), 40, 4 * 12, whole=False, engine=part)
        work = _Edges(grid, wanted.block_grid, len(bands), stream.dates)
        total = np.zeros((2, 2))
        for _, sums in streaming.stream_in_order(reader, work, stream.plan, part):
            total += sums
        found.append(ratio_of_edges(total))
    return EdgeRatios(found[0], found[1] if len(found) > 1 else float("nan"), wanted.label)


@dataclass(frozen=True)
class _Edges:
    """Sums up the steps between neighbours of a window, with so many dates read at once."""

    grid: Grid
    block_grid: Grid
    count: int
    dates: int

    def __call__(self, opened: OpenStacks, window: Window, emit: Emit, progress: Progress) -> np.ndarray:
        # With one row and one column more: the steps to the next windows are this one's.
        right = min(self.grid.width, window.col_off + window.width + 1)
        below = min(self.grid.height, window.row_off + window.height + 1)
        wider = Window(window.col_off, window.row_off, right - window.col_off, below - window.row_off)
        blocks = block_numbers(self.grid, wider, self.block_grid)
        sums = np.zeros((2, 2))
        for first in range(0, self.count, self.dates):
            progress.check()
            positions = np.arange(first, min(first + self.dates, self.count))
            values = opened.read(positions, wider)
            sums += edge_sums(values, blocks, (int(window.height), int(window.width)))
        return sums
