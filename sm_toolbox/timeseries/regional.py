"""Series of regions: mean, spread and coverage of zones, date by date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster import streaming
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band, read_bands, stacks
from sm_toolbox.raster.grid import Grid, metres_per_degree
from sm_toolbox.raster.meaning import tell_amounts
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.streaming import Emit, OpenStacks
from sm_toolbox.raster.times import Time
from sm_toolbox.timeseries.zones import LatitudeBands, Polygons, names_of

WHOLE = "all"
"""The zone of all cells, where no polygons are given."""


@dataclass(frozen=True)
class VariableSeries:
    """One variable in all zones, date by date.

    Parameters
    ----------
    variable : str
    times : list of Time or None
        A single None where it has no dates.
    mean, sd : ndarray of float64 (dates, zones)
        In the variable's unit, of the cells that have data, weighted by their area on the ground; NaN where none has,
        sd where fewer than two have.
    coverage : ndarray of float64 (dates, zones)
        Share of the zone's cells that have data, 0 to 1.
    """

    variable: str
    times: list[Time | None]
    mean: np.ndarray
    sd: np.ndarray
    coverage: np.ndarray


@dataclass(frozen=True)
class RegionalSeries:
    """What came of it.

    Parameters
    ----------
    zones : list of str
        Polygons, or all cells.
    bands : list of str
        Bands of latitude, from north to south.
    cells : ndarray of int (zones + bands,)
        Cells of each.
    variables : list of VariableSeries
        Whose zones are those of polygons, then those of latitude.
    """

    zones: list[str]
    bands: list[str]
    cells: np.ndarray
    variables: list[VariableSeries]


def regional_series(
    sources: Sequence[Source], zones: Sequence[Polygons] = (), engine: Engine = ALL_CORES
) -> RegionalSeries:
    """Sum up rasters by zones and bands of latitude, date by date.

    Parameters
    ----------
    sources : sequence of Source
        Dated or static bands of one or several variables; on other grids than the first they are warped.
    zones : sequence of Polygons, optional
        In the CRS of the first raster; they may overlap. By default all cells are one zone.
    engine : Engine, optional

    Returns
    -------
    RegionalSeries

    Raises
    ------
    InputError
        Where no zone has a cell of the rasters, or no cell has data.
    Cancelled
        Within a window of the user's Cancel.

    Examples
    --------
    >>> from sm_toolbox.demo.example import write_example
    >>> bands = {"sm@2018-06-01": [[0.1, 0.3]], "sm@2018-06-02": [[0.2, np.nan]]}
    >>> found = regional_series([write_example("sm.tif", bands)])
    >>> found.variables[0].mean[:, 0].round(3), found.variables[0].coverage[:, 0]
    (array([0.2, 0.2]), array([1. , 0.5]))
    """
    by_name = stacks(read_bands(sources))
    bands = [band for stack in by_name.values() for band in stack.bands]
    grid = bands[0].grid
    latitudes = LatitudeBands.of(grid)
    names = names_of(zones) or [WHOLE]
    reader = streaming.StackReader(bands, grid)
    stream = streaming.plan_stream(reader, len(bands), 16, 8, whole=False, engine=engine)
    work = _Summing(grid, tuple(zones), latitudes, len(bands), stream.dates)
    sums: np.ndarray | None = None
    cells = np.zeros(len(names) + len(latitudes.names), np.int64)
    for _, (of_window, cells_of_window) in streaming.stream_in_order(reader, work, stream.plan, engine):
        sums = of_window if sums is None else sums + of_window
        cells += cells_of_window
    tell_amounts(reader.watch, bands, engine.progress)
    assert sums is not None
    _check(names, cells, sums, bands, engine.progress)
    known = cells > 0
    kept = [name for name, has in zip(latitudes.names, known[len(names) :]) if has]
    keep = np.concatenate([np.ones(len(names), bool), known[len(names) :]])
    n, weight, total, square = np.moveaxis(sums[:, keep], -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / weight
        # Unbiased where all weights are one.
        sd = np.sqrt(np.maximum(square / weight - mean**2, 0) * n / (n - 1))
        sd[n < 2] = np.nan
        coverage = n / cells[keep]
    found, start = [], 0
    for name, stack in by_name.items():
        part = slice(start, start + len(stack.bands))
        start += len(stack.bands)
        times: list[Time | None] = [band.time for band in stack.bands]
        found.append(VariableSeries(name, times, mean[part], sd[part], coverage[part]))
    return RegionalSeries(names, kept, cells[keep], found)


@dataclass(frozen=True)
class _Summing:
    """Sums up the cells of a window by zone, with so many bands read at once."""

    grid: Grid
    polygons: tuple[Polygons, ...]
    latitudes: LatitudeBands
    count: int
    at_once: int

    def __call__(
        self, opened: OpenStacks, window: Window, emit: Emit, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray]:
        from sm_toolbox.timeseries.regional_kernels import add_cells

        shape = int(window.height), int(window.width)
        masks = [item.cells(self.grid, window) for item in self.polygons] or [np.ones(shape, bool)]
        band = self.latitudes.of_cells(self.grid, window)
        places = [np.flatnonzero(mask) for mask in masks]
        places += [np.flatnonzero(band == number) for number in range(len(self.latitudes.names))]
        weights = np.ascontiguousarray(_areas(self.grid, window).ravel())
        sums = np.zeros((self.count, len(places), 4))
        for first in range(0, self.count, self.at_once):
            progress.check()
            wanted = np.arange(first, min(first + self.at_once, self.count))
            block = opened.read(wanted, window).reshape(len(wanted), -1)
            for zone, cells in enumerate(places):
                add_cells(block, cells, weights, sums[first : first + len(wanted), zone])
        return sums, np.array([len(cells) for cells in places])


def _areas(grid: Grid, window: Window) -> np.ndarray:
    """Return how much each cell counts, (rows, cols): its area on the ground where the grid is in degrees."""
    shape = int(window.height), int(window.width)
    if not grid.crs.is_geographic:
        return np.ones(shape)
    rows = window.row_off + np.arange(shape[0]) + 0.5
    _, y = grid.transform * (np.full(shape[0], grid.width / 2), rows)
    along_x, along_y = metres_per_degree(np.clip(np.asarray(y, float), -90, 90))
    return np.broadcast_to((along_x * along_y / 1e10)[:, None], shape)


def _check(zones: list[str], cells: np.ndarray, sums: np.ndarray, bands: Sequence[Band], progress: Progress) -> None:
    """Refuse what has no cells, and name zones that have none."""
    empty = [name for name, count in zip(zones, cells) if not count]
    if len(empty) == len(zones):
        raise InputError(
            f"No cell of '{bands[0].source.label}' has its centre in one of the `zones`. Check that the layers "
            "overlap, and that zones are no smaller than cells."
        )
    if empty:
        listed = ", ".join(f"'{name}'" for name in empty[:5]) + (" …" if len(empty) > 5 else "")
        progress.warning(f"{len(empty)} of {len(zones)} zones hold the centre of no cell and have no values: {listed}.")
    if not sums[:, : len(zones), 0].any():
        raise InputError(
            f"No cell of the zones has data in '{bands[0].source.label}'. Check the layers' extents and nodata values."
        )
