"""Reading bands on a grid as float32 with NaN where there is no data."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import groupby

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.driver import Dataset
from sm_toolbox.raster.gaps import drop_ranges, is_gap, outside, stored_gaps
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.kinds import components, is_direction, mean_direction
from sm_toolbox.raster.meaning import Watch, WatchedBand, band_scale, stated_unit
from sm_toolbox.raster.opening import Source, open_raster, readable
from sm_toolbox.raster.warping import Warp, overlap
from sm_toolbox.sensors.quantities import is_coordinate

# Files that each thread keeps open. macOS allows a process 256 open files, of which QGIS has some.
OPEN_FILES = max(4, 120 // (os.cpu_count() or 1))

# Cells of a file that are read for one cell of a grid, 1 GB of one band: those of 2 m for one of 30 km.
_LARGEST_FOR_ONE = 2**28


# Ways to warp that make no new numbers.
_OF_CLASSES = ("nearest", "mode")
RULES = ("auto", "nearest", "bilinear", "average", "mode")
"""Words of RESAMPLING."""


def ground_cell(grid: Grid) -> tuple[float, float]:
    """Return the width and height of a cell in metres on the ground.

    Parameters
    ----------
    grid : Grid

    Returns
    -------
    float, float
    """
    (width, height), (along_x, along_y) = grid.cell_size, grid.metres_per_unit()
    return width * along_x, height * along_y


def has_cells_within(grid: Grid, coarse: Grid) -> bool:
    """Say whether a coarse cell holds at least two cells of a grid on each side.

    Parameters
    ----------
    grid, coarse : Grid

    Returns
    -------
    bool
    """
    # To half a percent, since sizes in degrees and metres are not the same to the last digit.
    return all(large >= 1.99 * small for small, large in zip(ground_cell(grid), ground_cell(coarse)))


def warp_method(rule: str | None, band: Band, grid: Grid) -> str:
    """Say how a band on another grid is warped.

    Parameters
    ----------
    rule : str or None
        A word of `RULES` or `RESAMPLINGS`. auto: as `resampling_for`, and bilinear from coarser cells, since a map
        would show their borders otherwise; classes are never put together. None: as `resampling_for` alone.
    band : Band
    grid : Grid

    Returns
    -------
    str
        A word of `RESAMPLINGS`.
    """
    if rule not in (None, "auto"):
        return str(rule)
    method = resampling_for(band, grid)
    # To a percent, since sizes in degrees and metres are not the same to the last digit.
    is_coarser = ground_cell(band.grid)[0] > 1.01 * ground_cell(grid)[0]
    if rule == "auto" and method == "nearest" and is_coarser and not band.is_class:
        return "bilinear"
    return method


def resampling_for(band: Band, grid: Grid) -> str:
    """Choose how a band is warped to a grid.

    Cells much finer than the grid's are averaged; otherwise the nearest cell is taken, so that a model meets the
    values it was trained on and gaps keep their shape.

    Parameters
    ----------
    band : Band
    grid : Grid

    Returns
    -------
    {'average', 'nearest', 'mode'}
        The mode where an average is of classes.
    """
    fine, coarse = band.grid.cell_size, grid.cell_size
    own, wanted = (size[0] * target.metres_per_unit()[0] for size, target in ((fine, band.grid), (coarse, grid)))
    if wanted < 2 * own:
        return "nearest"
    return "mode" if band.is_class else "average"


class BandReader:
    """Reads bands as if they lay on one grid.

    Parameters
    ----------
    bands : sequence of Band
    grid : Grid
    resampling : str or sequence of (str or None), optional
        One of `RESAMPLINGS` or `RULES`, for the bands on other grids; by default what `resampling_for` chooses. As many
        as there are bands where each has its own; bands of one file are read as its first.
    """

    def __init__(self, bands: Sequence[Band], grid: Grid, resampling: str | Sequence[str | None] | None = None):
        rules = [resampling] * len(bands) if resampling is None or isinstance(resampling, str) else resampling
        self.bands, self.grid, self.watch = bands, grid, Watch()
        self._files: dict[Source, list[int]] = {}
        for position, band in enumerate(bands):
            self._files.setdefault(band.source, []).append(position)
        self._warp, self._modes = {}, {}
        for source, positions in self._files.items():
            if not bands[positions[0]].grid.same_as(grid):
                amounts = [position for position in positions if not bands[position].is_class]
                first = (amounts or positions)[0]
                method = warp_method(rules[first], bands[first], grid)
                if len(amounts) < len(positions) and method not in _OF_CLASSES:
                    names = dict.fromkeys(
                        bands[position].variable for position in positions if bands[position].is_class
                    )
                    self._modes[source] = f"classes by their mode, since they have no mean: {', '.join(names)}"
                    method = method if amounts else "mode"
                self._warp[source] = method

    def warnings(self) -> list[str]:
        """Say, a line for each file, what is warped and why."""
        return [
            f"'{source.label}' is warped to the grid of the output ({method}): "
            f"{'; '.join(self.grid.differences(self._grid_of(source)))}"
            f"{f'; {self._modes[source]}' if source in self._modes else ''}."
            for source, method in self._warp.items()
        ]

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Yield rows and columns of the tiles of the files that are read without warping."""
        for source in self._files:
            if source not in self._warp:
                with open_raster(source) as dataset:
                    yield dataset.describe(1).block_shape

    @contextmanager
    def open(self) -> Iterator[OpenBands]:
        """Open the files, for one thread.

        Systems allow a process some hundred open files, and a long record may have more: the first ones stay open, the
        others are opened whenever they are read.
        """
        with ExitStack() as stack:
            readers: list[Callable[[], AbstractContextManager[OpenFile]]] = []
            for number, source in enumerate(self._files):
                if number < OPEN_FILES:
                    readers.append(partial(_as_it_is, stack.enter_context(self.open_file(source))))
                else:
                    readers.append(partial(self.open_file, source))
            yield OpenBands(list(zip(readers, self._files.values())), len(self.bands), self.grid)

    @contextmanager
    def open_file(self, source: Source) -> Iterator[OpenFile]:
        """Open one of the files, for one thread; where its grid is another one it is warped on reading.

        Parameters
        ----------
        source : Source

        Yields
        ------
        OpenFile

        Raises
        ------
        InputError
            Where it cannot be opened, or does not overlap the grid.
        """
        with open_raster(source) as dataset:
            bands = [self.bands[position] for position in self._files[source]]
            if source not in self._warp:
                yield OpenFile(source, dataset, bands, self.watch)
                return
            own = self._grid_of(source)
            if not overlap(own, self.grid):
                raise InputError(
                    f"The raster '{source.label}' does not overlap the grid of the output. Check both extents and "
                    "coordinate reference systems."
                )
            warp = Warp(own, self.grid, self._warp[source])
            self._check_sizes(source, own, warp.cells_for_one())
            yield WarpedFile(source, dataset, bands, warp, self.watch)

    def _check_sizes(self, source: Source, own: Grid, cells: float) -> None:
        """Refuse rasters of which one cell of the grid takes more than memory holds: most likely a wrong cell size."""
        if cells > _LARGEST_FOR_ONE:
            fine, coarse = (
                " × ".join(f"{size * metres:.3g}" for size, metres in zip(each.cell_size, each.metres_per_unit()))
                for each in (own, self.grid)
            )
            raise InputError(
                f"The raster '{source.label}' has cells of {fine} m ({own.width:,} × {own.height:,}), but the "
                f"grid of the output {coarse} m: for one of its cells {cells:.2g} would be read at once, and at "
                f"most {_LARGEST_FOR_ONE:.2g} are. Check both cell sizes and coordinate reference systems, or "
                f"bring '{source.label}' to coarser cells first ('Warp (reproject)')."
            )

    def _grid_of(self, source: Source) -> Grid:
        return self.bands[self._files[source][0]].grid


class OpenFile:
    """An open file and which of its bands are wanted.

    Parameters
    ----------
    source : Source
    dataset : Dataset
    bands : sequence of Band
        Those that are wanted.
    watch : Watch
        Looks at what is read.
    """

    def __init__(self, source: Source, dataset: Dataset, bands: Sequence[Band], watch: Watch):
        self.source, self.dataset, self.indexes = source, dataset, [band.index for band in bands]
        indexes = self.indexes
        described = [dataset.describe(index) for index in indexes]
        self._dtype = np.result_type(*(band.dtype for band in described))
        self._is_float32 = self._dtype == np.float32
        scalings = [band_scale(dataset, index, source.path) for index in indexes]
        self.nodata = [[] if source.is_words else stored_gaps(scaling, self._dtype) for scaling in scalings]
        self.valid = [(*source.gaps_of(index), *outside(scaling)) for index, scaling in zip(indexes, scalings)]
        self.scales = [(scaling.scale, scaling.offset) for scaling in scalings]
        self._watch, self._watched = watch, _watched(dataset, bands, self.scales)
        for note in dict.fromkeys(scaling.note for scaling in scalings if scaling.note):
            watch.note(source, note)
        many_times = dataset.format == "netCDF" and len(indexes) > 1
        self._chunk = described[0].block_shape if many_times else None
        self.has_mask = dataset.has_mask(indexes[0])

    def some_bands(self, places: Sequence[int]) -> OpenFile:
        """Return the same open file that reads only some of its bands, by their places among those that it reads.

        Parameters
        ----------
        places : sequence of int

        Returns
        -------
        OpenFile
        """
        part = copy.copy(self)
        part.indexes = [self.indexes[i] for i in places]
        part.nodata = [self.nodata[i] for i in places]
        part.scales = [self.scales[i] for i in places]
        part.valid = [self.valid[i] for i in places]
        part._watched = [self._watched[i] for i in places]
        return part

    def read(self, out: np.ndarray, window: Window) -> None:
        """Fill `out` (bands, rows, cols) with physical values, NaN where there is no data.

        Parameters
        ----------
        out : ndarray of float32 (bands, rows, cols)
        window : Window
        """
        raw = out if self._is_float32 and out.flags.c_contiguous else np.empty(out.shape, self._dtype)
        with readable(self.source, window):
            for part, rows, columns in self._parts(window):
                self.dataset.read(self.indexes, part, raw[:, rows, columns])
            mask = ~self.dataset.read_mask(window, self.indexes[0]) if self.has_mask else None
        for band, values, gaps, (scale, offset), ranges in zip(out, raw, self.nodata, self.scales, self.valid):
            missing = is_gap(values, gaps)
            if values is not band:
                # Numbers beyond float32 become infinite, and that no data.
                with np.errstate(over="ignore"):
                    band[...] = values
            if missing is not None:
                band[missing] = np.nan
            if (scale, offset) != (1.0, 0.0):
                band *= scale
                band += offset
            if mask is not None:
                band[mask] = np.nan
            if np.issubdtype(raw.dtype, np.floating):
                band[np.isinf(band)] = np.nan
            drop_ranges(band, ranges)
        self._watch.look(self.source, self._watched, out)

    def _parts(self, window: Window) -> Iterator[tuple[Window, slice, slice]]:
        """Cut a window into what is read at once, with its place in the window.

        A chunk of a NetCDF file may hold many times, and the library keeps only a few chunks: all times of one chunk
        are read before the next one.
        """
        row, column, height, width = (
            int(size) for size in (window.row_off, window.col_off, window.height, window.width)
        )
        rows, columns = self._chunk or (height, width)
        for top in range(row - row % rows if self._chunk else row, row + height, rows):
            for left in range(column - column % columns if self._chunk else column, column + width, columns):
                first, last = max(top, row), min(top + rows, row + height)
                start, stop = max(left, column), min(left + columns, column + width)
                yield (
                    Window(start, first, stop - start, last - first),
                    slice(first - row, last - row),
                    slice(start - column, stop - column),
                )


class WarpedFile(OpenFile):
    """An open file that is read as if it lay on another grid; bands that are directions by their components.

    Parameters
    ----------
    source : Source
    dataset : Dataset
    bands : sequence of Band
        As `OpenFile`.
    warp : Warp
    watch : Watch
        As `OpenFile`.
    """

    def __init__(self, source: Source, dataset: Dataset, bands: Sequence[Band], warp: Warp, watch: Watch):
        super().__init__(source, dataset, bands, watch)
        self._to_grid, self._by_mode = warp, warp.by_mode() if any(band.is_class for band in bands) else warp
        self._kinds = [
            "direction"
            if warp.mixes and is_direction(band.variable)
            else "class"
            if warp.mixes and band.is_class
            else "amount"
            for band in bands
        ]

    def read(self, out: np.ndarray, window: Window) -> None:
        """Fill `out` for a window of the grid to which the file is warped.

        As `OpenFile.read`.
        """
        at_once = self._to_grid.bands_at_once()
        for kind, run in groupby(range(len(out)), self._kinds.__getitem__):
            places = list(run)
            warp = self._by_mode if kind == "class" else self._to_grid
            if kind == "direction":
                for place in places:
                    both = np.empty((2, *out.shape[1:]), np.float32)
                    self._to_grid.fill(both, window, partial(_read_components, self.some_bands([place])))
                    out[place] = mean_direction(*both)
                continue
            for first in range(0, len(places), at_once):
                some = places[first : first + at_once]
                warp.fill(out[some[0] : some[-1] + 1], window, partial(OpenFile.read, self.some_bands(some)))


def _watched(dataset: Dataset, bands: Sequence[Band], scales: Sequence[tuple[float, float]]) -> list[WatchedBand]:
    """Return what is to be known of bands while they are read."""
    found, units = [], {}
    for band, scale in zip(bands, scales):
        described = dataset.describe(band.index)
        if band.variable not in units:
            units[band.variable] = stated_unit(dataset, band.index, band.variable)
        # Longitudes and latitudes beside a product's fields are no measurements.
        is_place = described.name == "" and is_coordinate(band.variable)
        has_no_fill = band.is_class or is_direction(band.variable) or is_place
        found.append(WatchedBand(band.variable, units[band.variable], described.dtype, scale, has_no_fill))
    return found


def _read_components(file: OpenFile, out: np.ndarray, window: Window) -> None:
    """Fill `out` (2, rows, cols) with the components of the directions in a file's only band."""
    degrees = np.empty((1, *out.shape[1:]), np.float32)
    OpenFile.read(file, degrees, window)
    out[:] = components(degrees[0])


def _as_it_is(file: OpenFile) -> AbstractContextManager[OpenFile]:
    return nullcontext(file)


class OpenBands:
    """The bands of a `BandReader`, open for one thread.

    Parameters
    ----------
    files : list of (callable, list of int)
        What opens a file, and the positions of its bands.
    count : int
        Number of bands.
    grid : Grid
    """

    def __init__(
        self, files: list[tuple[Callable[[], AbstractContextManager[OpenFile]], list[int]]], count: int, grid: Grid
    ):
        self._files, self._count, self._grid = files, count, grid

    def read(self, window: Window, halo: int = 0) -> np.ndarray:
        """Read all bands of a window, with `halo` more cells on every side (NaN outside the raster).

        Parameters
        ----------
        window : Window
        halo : int, optional

        Returns
        -------
        ndarray, float32 (bands, rows + 2 halo, cols + 2 halo)
        """
        top, left = int(window.row_off) - halo, int(window.col_off) - halo
        rows, columns = int(window.height) + 2 * halo, int(window.width) + 2 * halo
        row_0, row_1 = max(top, 0), min(top + rows, self._grid.height)
        column_0, column_1 = max(left, 0), min(left + columns, self._grid.width)
        inside = Window(column_0, row_0, column_1 - column_0, row_1 - row_0)
        whole = (row_1 - row_0, column_1 - column_0) == (rows, columns)
        out = (
            np.empty((self._count, rows, columns), np.float32)
            if whole
            else np.full((self._count, rows, columns), np.nan, np.float32)
        )
        inner = out[:, row_0 - top : row_1 - top, column_0 - left : column_1 - left]
        for opened, positions in self._files:
            with opened() as file:
                if positions == list(range(self._count)):
                    file.read(inner, inside)
                else:
                    part = np.empty((len(positions), *inner.shape[1:]), np.float32)
                    file.read(part, inside)
                    inner[positions] = part
        return out
