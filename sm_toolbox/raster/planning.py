"""How a raster is worked on in blocks: their windows, and the memory that they take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sm_toolbox.memory import physical_memory
from sm_toolbox.progress import Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.outputs import TILE

DEFAULT_MEMORY = 256 * 2**20
# GDAL keeps decoded tiles for the whole process, by default as many as fill 5 % of the memory. Blocks read each tile
# once, so that a few are enough; rasterio takes bytes and restores the limit afterwards.
GDAL_CACHE = 64 * 2**20
# Blocks of about this size keep every thread busy to the end and the progress bar moving; larger ones gain nothing.
_PREFERRED_CELLS = 2**18


class Windows(Sequence[Window]):
    """The windows of a raster's blocks, row by row, computed when asked for: a continent has too many to list.

    Parameters
    ----------
    height, width : int
        Of the raster.
    rows, columns : int
        Of a block; those at the lower and right edges may be smaller.
    """

    def __init__(self, height: int, width: int, rows: int, columns: int):
        self._height, self._width, self._rows, self._columns = height, width, rows, columns
        self._across = -(-width // columns)

    def __len__(self) -> int:
        return -(-self._height // self._rows) * self._across

    def __getitem__(self, number: int) -> Window:  # type: ignore[override]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        row, column = (
            place * size for place, size in zip(divmod(number % len(self), self._across), (self._rows, self._columns))
        )
        return Window(column, row, min(self._columns, self._width - column), min(self._rows, self._height - row))


@dataclass(frozen=True)
class Plan:
    """How a raster is cut into blocks.

    Parameters
    ----------
    windows : sequence of Window
        In the order in which they are written.
    threads : int
        Workers that read and compute.
    in_flight : int
        Blocks that are in memory at once.
    """

    windows: Sequence[Window]
    threads: int
    in_flight: int

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of output tiles of which the blocks are made whole, as far as GeoTIFF allows."""
        last = self.windows[-1]
        height, width = last.row_off + last.height, last.col_off + last.width
        first = self.windows[0]
        rows, columns = (
            TILE if size >= whole else max(16, math.gcd(size, TILE))
            for size, whole in ((first.height, height), (first.width, width))
        )
        return rows, columns


def plan_blocks(
    grid: Grid, tile: tuple[int, int], bytes_per_cell: float, memory: int, threads: int, halo: int = 0
) -> Plan:
    """Cut a grid into blocks so that all that is in memory at once stays within a budget.

    Blocks are whole multiples of the files' tiles, wide before they are high, since strips are read and written faster.

    Parameters
    ----------
    grid : Grid
    tile : (int, int)
        Rows and columns that are read and written together.
    bytes_per_cell : float
        Inputs, outputs and temporaries of one cell of one block.
    memory : int
        Budget in bytes.
    threads : int
        Workers wanted; fewer are used where the budget does not allow them.
    halo : int, optional
        Extra cells around a block that its inputs need.

    Returns
    -------
    Plan
    """
    rows_step, columns_step = (min(size, limit) for size, limit in zip(tile, (grid.height, grid.width)))
    smallest = (rows_step + 2 * halo) * (columns_step + 2 * halo)
    # One block more than there are threads is being written; the last resort is one block at a time.
    in_flight = next(
        (blocks for blocks in range(threads + 1, 1, -1) if memory / blocks / bytes_per_cell >= smallest), 1
    )
    threads = max(in_flight - 1, 1)
    budget = memory / in_flight / bytes_per_cell
    budget = min(budget, _PREFERRED_CELLS)
    columns = grid.width
    if (rows_step + 2 * halo) * (columns + 2 * halo) > budget:
        columns = max(1, int(budget / (rows_step + 2 * halo) - 2 * halo) // columns_step) * columns_step
    rows = max(1, int(budget / (columns + 2 * halo) - 2 * halo) // rows_step) * rows_step
    # A budget below one tile is still kept: reading a tile more than once is slow, running out of memory is worse.
    while (rows + 2 * halo) * (columns + 2 * halo) > budget and (rows > 1 or columns > 1):
        if rows >= columns:
            rows = _half(rows)
        else:
            columns = _half(columns)
    return Plan(Windows(grid.height, grid.width, rows, columns), threads, in_flight)


def _half(size: int) -> int:
    """Return about half of a size, a multiple of 16 as long as there is one: GeoTIFF's tiles are such."""
    return max(16, size // 2 // 16 * 16) if size > 16 else -(-size // 2)


def memory_for(tile: tuple[int, int], bytes_per_cell: float, bands: int, halo: int, progress: Progress) -> int:
    """Return the default budget, or what one tile of a long record needs, as far as the computer has it.

    Tiles read in parts are decoded again for each part.

    Parameters
    ----------
    tile : (int, int)
        Rows and columns.
    bytes_per_cell : float
        Of all dates.
    bands : int
    halo : int
        Cells on every side.
    progress : Progress
        Told where a tile needs more than there is.

    Returns
    -------
    int
        Bytes.
    """
    needed = math.ceil((tile[0] + 2 * halo) * (tile[1] + 2 * halo) * bytes_per_cell)
    allowed = max(DEFAULT_MEMORY, physical_memory() // 4)
    if needed > allowed:
        progress.info(
            f"The {bands:,} bands of one tile take {needed / 2**20:,.0f} MB, more than the {allowed / 2**20:,.0f} "
            f"MB that blocks may take here: each tile is decoded about {math.ceil(needed / allowed)} times. Files "
            "with smaller tiles, or fewer dates at a time, are faster."
        )
    return max(DEFAULT_MEMORY, min(needed, allowed))


def common_tile(tiles: Iterable[tuple[int, int]], grid: Grid) -> tuple[int, int]:
    """Return rows and columns that suit the outputs' tiles and those of every input.

    Parameters
    ----------
    tiles : iterable of (int, int)
        Rows and columns of the inputs' tiles.
    grid : Grid

    Returns
    -------
    int, int
    """
    rows, columns = TILE, TILE
    for tile_rows, tile_columns in tiles:
        if math.lcm(rows, tile_rows) <= 4 * TILE:
            rows = math.lcm(rows, tile_rows)
        # Strips are decoded whole, whatever part of them is asked for.
        columns = grid.width if tile_columns >= grid.width else math.lcm(columns, tile_columns)
    return rows, min(columns, grid.width)
