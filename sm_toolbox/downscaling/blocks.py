"""Coarse cells over a fine grid: which fine cells each holds, and means of fine rasters over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sm_toolbox.downscaling.block_kernels import add_to_cells
from sm_toolbox.memory import refuse_beyond_memory
from sm_toolbox.progress import Progress
from sm_toolbox.raster import streaming
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.kinds import components, is_direction, mean_direction
from sm_toolbox.raster.masking import ClassMask
from sm_toolbox.raster.points import cells_within
from sm_toolbox.raster.reading import ground_cell
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.streaming import Emit, OpenStacks
from sm_toolbox.raster.warping import touched_window
from sm_toolbox.validation.edges import block_places


@dataclass(frozen=True)
class Lattice:
    """The coarse cells that a fine grid touches. A fine cell belongs to the coarse cell that holds its centre.

    Parameters
    ----------
    grid : Grid
        Of these coarse cells.
    fine : Grid
    row, column : int
        Where they begin in the raster of the product.
    """

    grid: Grid
    fine: Grid
    row: int
    column: int

    @classmethod
    def over(cls, coarse: Grid, fine: Grid) -> Lattice:
        """Find the coarse cells over a fine grid.

        Parameters
        ----------
        coarse, fine : Grid
            Of any coordinate reference systems; the cells need not nest.

        Returns
        -------
        Lattice
            Of no cells where the two share no ground.
        """
        window = touched_window(fine, coarse)
        row, column = int(window.row_off), int(window.col_off)
        transform = coarse.transform * Affine.translation(column, row)
        return cls(Grid(coarse.crs, transform, int(window.width), int(window.height)), fine, row, column)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.height, self.grid.width

    @property
    def window(self) -> Window:
        """All its cells."""
        return Window(0, 0, self.grid.width, self.grid.height)

    def places(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Return where among the coarse cells the fine cells of a window lie.

        Parameters
        ----------
        window : Window
            Of the fine grid.

        Returns
        -------
        columns, rows : ndarray of float64 (fine,)
            The centre of the first coarse cell is (0.5, 0.5); NaN outside of all.
        """
        columns, rows = (values.ravel() for values in block_places(self.fine, window, self.grid))
        with np.errstate(invalid="ignore"):
            within = (columns >= 0) & (columns < self.grid.width) & (rows >= 0) & (rows < self.grid.height)
        return np.where(within, columns, np.nan), np.where(within, rows, np.nan)

    @cached_property
    def is_whole(self) -> np.ndarray:
        """Coarse cells all of which the fine grid covers, bool (rows, cols)."""
        return cells_within(self.grid, self.window, [self.fine])

    def sizes(self, counts: np.ndarray) -> np.ndarray:
        """Return how many fine cells a coarse cell holds, those that would lie beyond the fine grid's edge, too.

        Parameters
        ----------
        counts : ndarray (rows, cols)
            Fine cells in each.

        Returns
        -------
        ndarray of float64 (rows, cols)
        """
        if self.grid.crs == self.fine.crs:
            by_area = np.full(self.shape[0], abs(self.grid.transform.determinant / self.fine.transform.determinant))
        else:
            fine = np.prod(ground_cell(self.fine))
            side = np.prod(self.grid.cell_size)
            by_area = np.array([side * np.prod(self.grid.metres_per_unit(row)) / fine for row in range(self.shape[0])])
        return np.where(self.is_whole, counts, np.maximum(by_area[:, None], counts)).astype(np.float64)


@dataclass(frozen=True)
class CellsOfWindow:
    """The coarse cells over a window of the fine grid.

    Parameters
    ----------
    row, column, height, width : int
        Where they lie in the lattice.
    columns, rows : ndarray of float64 (fine,)
        Places of the fine cells among them; NaN outside of all.
    """

    row: int
    column: int
    height: int
    width: int
    columns: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, lattice: Lattice, window: Window) -> CellsOfWindow:
        """Find the coarse cells over a window.

        Parameters
        ----------
        lattice : Lattice
        window : Window
            Of the fine grid.

        Returns
        -------
        CellsOfWindow
        """
        columns, rows = lattice.places(window)
        if np.isnan(columns).all():
            return cls(0, 0, 0, 0, columns, rows)
        (left, right), (top, bottom) = (
            (int(np.nanmin(values)), int(np.nanmax(values)) + 1) for values in (columns, rows)
        )
        return cls(top, left, bottom - top, right - left, columns - left, rows - top)

    @property
    def cells(self) -> np.ndarray:
        """The coarse cell of each fine one, counted row by row within the part; -1 for none, int64 (fine,)."""
        found = ~np.isnan(self.columns)
        column, row = (np.where(found, values, 0).astype(np.int64) for values in (self.columns, self.rows))
        return np.where(found, row * self.width + column, -1)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its place in arrays of the lattice."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)


@dataclass(frozen=True)
class BlockMeans:
    """Fine bands over coarse cells.

    Parameters
    ----------
    values : ndarray of float64 (bands, rows, cols)
        Means of the fine cells that have data and are not masked: of directions that of their vectors, of classes the
        most frequent one. NaN where there is none.
    missing : ndarray of float64 (bands, rows, cols)
        Share of a coarse cell that is masked, without data or beyond the fine grid.
    masked : ndarray of float64 (rows, cols)
        Share of a coarse cell that is masked.
    sizes : ndarray of float64 (rows, cols)
        Fine cells that a coarse cell holds.
    """

    values: np.ndarray
    missing: np.ndarray
    masked: np.ndarray
    sizes: np.ndarray


def block_means(
    bands: Sequence[Band],
    classes: Sequence[bool],
    rules: Sequence[str | None],
    lattice: Lattice,
    mask: ClassMask | None,
    engine: Engine,
) -> BlockMeans:
    """Average bands over coarse cells as they are on the fine grid, in one pass.

    Parameters
    ----------
    bands : sequence of Band
        On any grids; they are warped to the fine one first, as a map on it takes them.
    classes : sequence of bool (bands,)
        Whether a band's numbers are classes.
    rules : sequence of str or None (bands,)
        How each reaches the fine grid, as `BandReader`.
    lattice : Lattice
    mask : ClassMask or None
        Fine cells that take no part.
    engine : Engine

    Returns
    -------
    BlockMeans

    Raises
    ------
    InputError
        Where there are too many coarse cells for the memory.
    """
    kinds = tuple(
        "class" if of_class else "direction" if is_direction(band.variable) else "amount"
        for band, of_class in zip(bands, classes)
    )
    refuse_beyond_memory(
        8 * 6 * len(bands) * np.prod(lattice.shape, dtype=float),
        f"`coarse` has {lattice.shape[0]:,} × {lattice.shape[1]:,} cells over the predictors, and their means need",
        "It must be a product of coarser cells than the predictors: check its cell size and coordinate reference "
        "system, or take fewer dates.",
    )
    every = [*bands, *([mask.band] if mask else [])]
    reader = streaming.StackReader(every, lattice.fine, [*rules, *(["auto"] if mask else [])])
    stream = streaming.plan_stream(reader, len(bands), 48, 12, whole=False, engine=engine)
    work = _Averaging(lattice, kinds, stream.dates, mask)
    total = _Sums.of(kinds, lattice.shape)
    for _, found in streaming.stream_in_order(reader, work, stream.plan, engine):
        total.take(found)
    if mask:
        said = mask.missing_in_words(sorted(total.seen))
        if said:
            engine.progress.warning(said)
    return total.means(kinds, lattice)


def _planes(kinds: Sequence[str]) -> list[int]:
    """Return how many sums each band has: a direction those of its components, a class none of its own."""
    return [{"direction": 2, "amount": 1, "class": 0}[kind] for kind in kinds]


@dataclass
class _Found:
    """What one window adds to the coarse cells over it."""

    part: CellsOfWindow
    sums: np.ndarray
    counts: np.ndarray
    # All fine cells, and those that are not masked.
    held: np.ndarray
    classes: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]
    seen: set[float]


@dataclass(frozen=True)
class _Averaging:
    """Sums up the bands of a window, so many at once, over the coarse cells."""

    lattice: Lattice
    kinds: tuple[str, ...]
    at_once: int
    mask: ClassMask | None

    def __call__(self, opened: OpenStacks, window: Window, emit: Emit, progress: Progress) -> _Found:
        part = CellsOfWindow.of(self.lattice, window)
        cells = part.cells
        size = part.height * part.width
        held = np.zeros((2, size))
        held[0] = np.bincount(cells[cells >= 0], minlength=size)
        seen: set[float] = set()
        if self.mask:
            values = opened.read(np.array([len(self.kinds)]), window).reshape(-1)
            seen = set(np.unique(values[~np.isnan(values)]).tolist())
            cells = np.where(self.mask.leaves_out(values), -1, cells)
        held[1] = np.bincount(cells[cells >= 0], minlength=size)
        first = np.concatenate([[0], np.cumsum(_planes(self.kinds))]).astype(int)
        sums, counts = np.zeros((2, first[-1], size))
        classes = []
        for start in range(0, len(self.kinds) if size else 0, self.at_once):
            progress.check()
            positions = np.arange(start, min(start + self.at_once, len(self.kinds)))
            block = opened.read(positions, window).reshape(len(positions), -1)
            amounts = [i for i in positions if self.kinds[i] == "amount"]
            if amounts:
                into = first[amounts]
                # Mostly all of them, one after the other, which needs no copies.
                chosen = block if len(amounts) == len(positions) else block[np.array(amounts) - start]
                part_sums, part_counts = np.zeros((2, len(amounts), size))
                add_to_cells(chosen, cells, part_sums, part_counts)
                sums[into], counts[into] = part_sums, part_counts
            for i in positions:
                if self.kinds[i] == "direction":
                    both = components(block[i - start]).astype(np.float32)
                    add_to_cells(both, cells, sums[first[i] : first[i] + 2], counts[first[i] : first[i] + 2])
                elif self.kinds[i] == "class":
                    classes.append((int(i), *_count_classes(block[i - start], part, cells, self.lattice.shape[1])))
        return _Found(part, sums, counts, held, classes, seen)


def _count_classes(
    values: np.ndarray, part: CellsOfWindow, cells: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coarse cells of the lattice, classes in them and how many fine cells are of each (pairs,)."""
    taken = (cells >= 0) & ~np.isnan(values)
    row, column = np.divmod(cells[taken], max(1, part.width))
    pairs = np.stack([(row + part.row) * width + column + part.column, values[taken].astype(np.float64)], axis=1)
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    return found[:, 0].astype(np.int64), found[:, 1], counts


@dataclass
class _Sums:
    """Sums over all windows."""

    sums: np.ndarray
    counts: np.ndarray
    held: np.ndarray
    classes: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = field(default_factory=dict)
    seen: set[float] = field(default_factory=set)

    @classmethod
    def of(cls, kinds: Sequence[str], shape: tuple[int, int]) -> _Sums:
        planes = sum(_planes(kinds))
        return cls(np.zeros((planes, *shape)), np.zeros((planes, *shape)), np.zeros((2, *shape)))

    def take(self, found: _Found) -> None:
        part = found.part
        for total, new in ((self.sums, found.sums), (self.counts, found.counts), (self.held, found.held)):
            total[(slice(None), *part.slices)] += new.reshape(len(new), part.height, part.width)
        for band, *pairs in found.classes:
            self.classes.setdefault(band, []).append(tuple(pairs))  # type: ignore[arg-type]
        self.seen |= found.seen

    def means(self, kinds: Sequence[str], lattice: Lattice) -> BlockMeans:
        sizes = lattice.sizes(self.held[0])
        values = np.full((len(kinds), *lattice.shape), np.nan)
        counts = np.zeros_like(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.sums / self.counts
        place = 0
        for band, kind in enumerate(kinds):
            if kind == "class":
                self._modes(band, values[band], counts[band])
                continue
            counts[band] = self.counts[place]
            values[band] = means[place] if kind == "amount" else mean_direction(means[place], means[place + 1])
            place += 2 if kind == "direction" else 1
        with np.errstate(invalid="ignore", divide="ignore"):
            missing = np.where(sizes > 0, 1 - counts / sizes, 1.0)
            masked = np.where(sizes > 0, (self.held[0] - self.held[1]) / sizes, 0.0)
        return BlockMeans(values, missing, masked, sizes)

    def _modes(self, band: int, values: np.ndarray, counts: np.ndarray) -> None:
        """Fill the most frequent class of each coarse cell, of equals the lowest, and how many fine cells have any."""
        found = self.classes.get(band)
        if not found:
            return
        cells, classes, times = (np.concatenate(parts) for parts in zip(*found))
        pairs, of_pair = np.unique(np.stack([cells.astype(np.float64), classes], axis=1), axis=0, return_inverse=True)
        total = np.bincount(of_pair.ravel(), times)
        cell = pairs[:, 0].astype(np.int64)
        # The largest count last, so that it is the one that stays.
        order = np.lexsort((-pairs[:, 1], total))
        values.reshape(-1)[cell[order]] = pairs[order, 1]
        counts.reshape(-1)[:] = np.bincount(cell, total, counts.size)
