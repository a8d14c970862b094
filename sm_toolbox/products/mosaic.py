"""One band of an import: pieces read, in physical units, joined, and without the cells that quality layers rule out."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.products.pieces import Found, Layer, Piece
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.arrays import ArrayFile
from sm_toolbox.raster.driver import Dataset, DriverError
from sm_toolbox.raster.gaps import is_nodata, typed_nodata
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.opening import Source, open_raster
from sm_toolbox.raster.times import Time
from sm_toolbox.sensors.quality import kept, parse_conditions
from sm_toolbox.sensors.shipped import Quality, Variable

_COLDEST = 150


@dataclass
class ImportedBand:
    """A band of the output, and what it is made of.

    Parameters
    ----------
    variable : Variable
    time : Time or None
    pieces : list of Piece
        Of which the first with a value counts.
    is_mean : bool, optional
        Whether the mean of the pieces counts instead.
    """

    variable: Variable
    time: Time | None
    pieces: list[Piece]
    is_mean: bool = False

    @property
    def name(self) -> str:
        """The band\'s description."""
        return band_name(self.variable.name, self.time)


@dataclass
class MaskTally:
    """Counts of cells over all bands.

    Parameters
    ----------
    before, after : int, optional
        With values, and those of them that are kept.
    reasons : dict of str to int, optional
        Cells with values that each reason holds for.
    """

    before: int = 0
    after: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def offset_on(grid: Grid, base: Grid) -> tuple[int, int, int] | None:
    """Return where a grid lies on a base of cells as large or smaller.

    Parameters
    ----------
    grid, base : Grid

    Returns
    -------
    (int, int, int) or None
        Row and column of its corner, and how many cells of the base are along one of its; None where it does not fit.
    """
    if grid.crs != base.crs:
        return None
    ratios = [own / other for own, other in zip(grid.cell_size, base.cell_size)]
    ratio = round(ratios[0])
    inverse = ~base.transform
    column, row = inverse * (grid.transform.c, grid.transform.f)
    last = inverse * (grid.transform * (grid.width, grid.height))
    off = max(abs(value - round(value)) for value in (column, row, *last))
    if ratio < 1 or max(abs(value - ratio) for value in ratios) > 1e-3 * ratio or off > 0.1:
        return None
    return round(row), round(column), ratio


class OpenPieces:
    """Files that are open while a date is read."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[str, ArrayFile | Dataset] = {}

    def __enter__(self) -> OpenPieces:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _file(self, layer: Layer) -> ArrayFile | Dataset:
        if layer.path not in self._open:
            opened: ArrayFile | Dataset = ArrayFile(layer.path) if layer.name else open_raster(Source(layer.path))
            self._open[layer.path] = opened
            self._stack.callback(opened.close)
        return self._open[layer.path]

    def read(self, layer: Layer, window: Window) -> tuple[np.ndarray, tuple[float, ...], float, float]:
        """Return stored numbers, and what the file states of them.

        Parameters
        ----------
        layer : Layer
        window : Window
            Of the layer's grid.

        Returns
        -------
        ndarray (rows, cols), tuple of float, float, float
            The numbers, those that are gaps, scale and offset.
        """
        file = self._file(layer)
        if isinstance(file, ArrayFile):
            return self._arraypart_of_piece(file, layer, window), layer.gaps, layer.scale, layer.offset
        described = file.describe(layer.band)
        out = np.empty((1, int(window.height), int(window.width)), described.dtype)
        file.read([layer.band], window, out)
        gaps = (() if described.nodata is None else (described.nodata,)) + described.missing
        return out[0], gaps, described.scale, described.offset

    def _arraypart_of_piece(self, file: ArrayFile, layer: Layer, window: Window) -> np.ndarray:
        placing = layer.placing
        if placing.nodes is not None:
            rows, columns = window.slices
            nodes = placing.nodes[rows, columns]
            stored = file.read(layer.name)
            if stored.ndim == 1:
                # One number a row of the swath.
                return stored[np.maximum(nodes, 0) // placing.columns]
            stored = stored.reshape(-1)
            # Of cells without a node the value counts for nothing: `physical` leaves them out.
            return stored[np.maximum(nodes, 0)]

        def part(row: int, column: int, rows: int, columns: int) -> np.ndarray:
            start, count = (row, column), (rows, columns)
            if placing.is_transposed:
                start, count = start[::-1], count[::-1]
            steps = layer.steps
            values = file.read(layer.name, [*steps, *start], [*([1] * len(steps)), *count]).reshape(count)
            return values.T if placing.is_transposed else values

        return placing.read(window, part)

    def physical(self, layer: Layer, variable: Variable, window: Window) -> np.ndarray:
        """Return physical values.

        Parameters
        ----------
        layer : Layer
        variable : Variable
        window : Window
            Of the layer's grid.

        Returns
        -------
        ndarray of float32 (rows, cols)
            NaN where there are none.
        """
        stored, gaps, scale, offset = self.read(layer, window)
        values = stored.astype(np.float32)
        missing = np.zeros(values.shape, bool)
        for gap in (*gaps, *variable.fills):
            typed = typed_nodata(gap, stored.dtype)
            if typed is not None:
                missing |= is_nodata(stored, typed)
        if variable.valid is not None:
            missing |= (stored < variable.valid[0]) | (stored > variable.valid[1])
        if layer.placing.nodes is not None:
            rows, columns = window.slices
            missing |= layer.placing.nodes[rows, columns] < 0
        scale = scale if variable.scale is None else variable.scale
        offset = offset if variable.offset is None else variable.offset
        if (scale, offset) != (1.0, 0.0):
            values = (values * np.float64(scale) + offset).astype(np.float32)
        values[missing | ~np.isfinite(values)] = np.nan
        if variable.unit == "K" and not missing.all() and np.nanmedian(values) < _COLDEST:
            # GDAL gives temperatures of some GRIB files in °C.
            values += np.float32(273.15)
        return values


@dataclass(frozen=True)
class Part:
    """What a layer has in a window of the output.

    Parameters
    ----------
    window : Window
        Of the layer's grid.
    place : (slice, slice)
        Rows and columns of the output's window that it fills.
    repeat : int
        How often each cell is repeated along both axes; 1 over what counts for layers of finer cells, negative.
    skip : (int, int)
        Repeated rows and columns before the first that is wanted.
    """

    window: Window
    place: tuple[slice, slice]
    repeat: int = 1
    skip: tuple[int, int] = (0, 0)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return cells of the layer as cells of the output.

        Parameters
        ----------
        values : ndarray (rows, cols)
            Of the window.

        Returns
        -------
        ndarray
            With the shape of the place.
        """
        if self.repeat < 0:
            return values[:: -self.repeat, :: -self.repeat]
        if self.repeat > 1:
            values = values.repeat(self.repeat, axis=0).repeat(self.repeat, axis=1)
        rows, columns = (part.stop - part.start for part in self.place)
        return values[self.skip[0] : self.skip[0] + rows, self.skip[1] : self.skip[1] + columns]


def part_of_piece(own: Grid, grid: Grid, window: Window) -> Part | None:
    """Return what a layer has in a window of the output.

    Parameters
    ----------
    own : Grid
        Of the layer.
    grid : Grid
        Of the output.
    window : Window
        Of the output.

    Returns
    -------
    Part or None
        None where it has nothing there.

    Raises
    ------
    InputError
        Where the grids do not fit together.
    """
    offset = offset_on(own, grid)
    if offset is None:
        return _finer_part(own, grid, window)
    top, left, ratio = offset
    row, column = int(window.row_off), int(window.col_off)
    first_row, first_column = max(row, top), max(column, left)
    last_row = min(row + int(window.height), top + own.height * ratio)
    last_column = min(column + int(window.width), left + own.width * ratio)
    if first_row >= last_row or first_column >= last_column:
        return None
    start_row, start_column = (first_row - top) // ratio, (first_column - left) // ratio
    rows = -(-(last_row - top) // ratio) - start_row
    columns = -(-(last_column - left) // ratio) - start_column
    return Part(
        Window(start_column, start_row, columns, rows),
        (slice(first_row - row, last_row - row), slice(first_column - column, last_column - column)),
        ratio,
        (first_row - top - start_row * ratio, first_column - left - start_column * ratio),
    )


def _finer_part(own: Grid, grid: Grid, window: Window) -> Part | None:
    """As `part_of_piece`, for quality layers of finer cells: of those in a cell the middle one counts."""
    offset = offset_on(grid, own)
    if offset is None:
        raise InputError("a quality layer lies on a grid that does not fit its product's")
    top, left, ratio = offset
    starts, counts, places = [], [], []
    for first, count, edge, size in (
        (int(window.row_off), int(window.height), top, own.height),
        (int(window.col_off), int(window.width), left, own.width),
    ):
        cells = edge + np.arange(first, first + count) * ratio + ratio // 2
        there = np.flatnonzero((cells >= 0) & (cells < size))
        if not len(there):
            return None
        starts.append(int(cells[there[0]]))
        counts.append((len(there) - 1) * ratio + 1)
        places.append(slice(int(there[0]), int(there[-1]) + 1))
    return Part(Window(starts[1], starts[0], counts[1], counts[0]), (places[0], places[1]), -ratio)


def read_block(
    files: OpenPieces, band: ImportedBand, grid: Grid, window: Window, level: str, tally: MaskTally, found: Found
) -> np.ndarray:
    """Return a window of a band of the output.

    Parameters
    ----------
    files : OpenPieces
    band : ImportedBand
    grid : Grid
        Of the output.
    window : Window
    level : {'recommended', 'strict', 'all'}
        How much quality layers must say of a cell that is kept.
    tally : MaskTally
        What is added to.
    found : Found
        To which files that cannot be read are added.

    Returns
    -------
    ndarray of float32 (rows, cols)
    """
    out = np.full((int(window.height), int(window.width)), np.nan, np.float32)
    count = np.zeros(out.shape, np.float32) if band.is_mean else None
    for piece in band.pieces:
        part = part_of_piece(piece.values.placing.grid, grid, window)
        if part is None:
            continue
        place = part.place
        try:
            values = part.spread(files.physical(piece.values, band.variable, part.window))
            values = _without_bad(files, piece, grid, window, place, values, level, tally)
        except (DriverError, InputError) as error:
            reason = f"cannot be read whole ({str(error).rstrip('.')}): download it again"
            if (piece.values.path, reason) not in found.skipped:
                found.skipped.append((piece.values.path, reason))
            continue
        target = out[place]
        if count is None:
            np.copyto(target, values, where=np.isnan(target))
        else:
            here = ~np.isnan(values)
            target[here] = np.where(np.isnan(target[here]), 0, target[here]) + values[here]
            count[place][here] += 1
    return out if count is None else out / np.where(count > 0, count, 1)


def _without_bad(
    files: OpenPieces,
    piece: Piece,
    grid: Grid,
    window: Window,
    place: tuple[slice, slice],
    values: np.ndarray,
    level: str,
    tally: MaskTally,
) -> np.ndarray:
    """Leave out the cells that quality layers call bad, and count them."""
    there = ~np.isnan(values)
    tally.before += int(there.sum())
    good = there.copy()
    for rule, layer in piece.quality if level != "all" else ():
        words = np.zeros((int(window.height), int(window.width)), np.int64)
        known = np.zeros(words.shape, bool)
        part = part_of_piece(layer.placing.grid, grid, window)
        if part is not None:
            words[part.place] = part.spread(files.read(layer, part.window)[0])
            known[part.place] = True
        words, known = words[place], known[place]
        good &= known
        _count(words[there & known], rule, tally)
        # A table of all words there may be: conditions are read once, not for each cell.
        table = np.arange(int(words.max(initial=0)) + 1)
        good &= kept(table, parse_conditions(getattr(rule.how, level)))[words]
    tally.after += int(good.sum())
    return np.where(good, values, np.float32(np.nan)) if level != "all" else values


def _count(words: np.ndarray, rule: Quality, tally: MaskTally) -> None:
    """Count for how many cells each reason holds."""
    counts = np.bincount(words)
    present = np.flatnonzero(counts)
    for name, conditions in rule.how.reasons.items():
        bad = int(counts[present[kept(present, parse_conditions(conditions))]].sum())
        tally.reasons[name] = tally.reasons.get(name, 0) + bad
