"""The training table of downscaling: coarse cells on dates, with means of the fine predictors over each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sm_toolbox.downscaling.blocks import BlockMeans, Lattice, block_means
from sm_toolbox.downscaling.weights import read_errors
from sm_toolbox.errors import InputError
from sm_toolbox.models.layout import Layout
from sm_toolbox.models.planes import VARIABLE
from sm_toolbox.models.preparation import SampledTable
from sm_toolbox.models.table import Roles
from sm_toolbox.progress import Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band, Stack, read_bands, single_stack
from sm_toolbox.raster.cells import Cells, finest_grid
from sm_toolbox.raster.grid import Grid, label
from sm_toolbox.raster.lags import addends_of, base_of, without_lags
from sm_toolbox.raster.masking import ClassMask
from sm_toolbox.raster.meaning import refuse_fills
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.origins import Predictors, read_predictors
from sm_toolbox.raster.reading import BandReader, ground_cell, has_cells_within
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.telling import tell_dated_and_static
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.raster.warping import overlap

CELL, TIME, WEIGHT = "cell", "time", "weight"
"""Names of the table's columns beside the target and the predictors."""
# Fewer coarse cells say nothing about a relation.
_FEWEST_CELLS = 4
# Rows that are learned from: more take long, and neighbours repeat one another.
_MOST_ROWS = 100_000


@dataclass(frozen=True)
class DownscaleInputs:
    """What is downscaled, and by what.

    Parameters
    ----------
    coarse : sequence of Source
        A product: one variable, dated or static, on one grid.
    predictors : sequence of Source
        Rasters with finer cells.
    coarse_error : Source, optional
        Standard deviations of the product's errors: `merged_error` of a merged product, or the only variable.
    grid : Source, optional
        Raster whose grid the map has; by default the finest predictor's.
    mask : ClassMask, optional
        Fine cells that are left out of means and map.
    max_masked_share : float, optional
        The largest share of a coarse cell that may be masked or without data.
    timing : TimeRule, optional
        How dated predictors are matched with the product.
    categorical : tuple of str, optional
        Predictors that hold numbers of classes.
    lags : str, optional
        As `parse_lags` takes it: earlier values and sums of predictors that become predictors, too.
    """

    coarse: Sequence[Source]
    predictors: Sequence[Source]
    coarse_error: Source | None = None
    grid: Source | None = None
    mask: ClassMask | None = None
    max_masked_share: float = 0.5
    timing: TimeRule = field(default_factory=TimeRule)
    categorical: tuple[str, ...] = ()
    lags: str = ""


@dataclass(frozen=True)
class CoarseTable:
    """Rows of coarse cells, and what a map is made of them with.

    Parameters
    ----------
    source : SampledTable
        All rows with a value of the product.
    roles : Roles
    stack : Stack
        The product on the dates that get a map.
    values : ndarray of float64 (dates, rows, cols)
        The product in the cells of the lattice; NaN where there is none.
    lattice : Lattice
    fine : Source
        Raster whose grid the map has.
    usable : ndarray of bool (rows, cols)
        Coarse cells that are not masked too much.
    sizes : ndarray of float64 (rows, cols)
        Cells of the map that a coarse cell holds.
    predictors : Predictors
    date, cell : ndarray of int (rows,)
        Of each row: its date, and its coarse cell counted row by row.
    x, y : ndarray of float64 (rows,)
        Centres of the rows' cells, in the product's CRS.
    inputs : DownscaleInputs
    """

    source: SampledTable
    roles: Roles
    stack: Stack
    values: np.ndarray
    lattice: Lattice
    fine: Source
    usable: np.ndarray
    sizes: np.ndarray
    predictors: Predictors
    date: np.ndarray
    cell: np.ndarray
    x: np.ndarray
    y: np.ndarray
    inputs: DownscaleInputs = field(repr=False)

    @property
    def times(self) -> list[Time | None]:
        """The dates that get a map."""
        return [band.time for band in self.stack.bands]

    @property
    def is_dated(self) -> bool:
        """Whether some predictor has dates, so that there is a prediction for each."""
        return any(not stack.is_static for stack in self.predictors.stacks.values())

    @property
    def cell_metres(self) -> float:
        """Mean side of a coarse cell on the ground, m."""
        return float(np.mean(ground_cell(self.lattice.grid)))

    @property
    def too_coarse(self) -> list[str]:
        """Predictors without any detail within the coarse cells."""
        return [
            name
            for name, stack in self.predictors.stacks.items()
            if not has_cells_within(stack.bands[0].grid, self.lattice.grid)
        ]


def coarse_table(inputs: DownscaleInputs, engine: Engine, steps: int = 0) -> CoarseTable:
    """Average fine predictors over the cells of a coarse product, for each of its dates.

    Parameters
    ----------
    inputs : DownscaleInputs
    engine : Engine
    steps : int, optional
        Of the sequences that the model reads: where `inputs` asks for no earlier values, those of all dated predictors
        become predictors.

    Returns
    -------
    CoarseTable

    Raises
    ------
    InputError
        Where product and predictors do not fit each other in place, time or cell size, or too few coarse cells are
        left.
    """
    progress = engine.progress
    stack = single_stack(read_bands(inputs.coarse), "coarse")
    grid = _one_grid(stack)
    taken = (CELL, TIME, WEIGHT, VARIABLE)
    predictors = read_predictors(inputs.predictors, taken)
    predictors = predictors.with_lags(inputs.lags or _of_sequences(predictors, steps), taken)
    tell_dated_and_static(without_lags(predictors.stacks), progress)
    fine = _fine(inputs, predictors)
    lattice = _lattice(stack, fine, predictors)
    inputs.timing.check_names(predictors.stacks)
    said = inputs.timing.defaults_in_words(predictors.stacks)
    if said:
        progress.info(said)
    stack, picks = _dates(stack, predictors, inputs.timing, progress)
    values = _read_coarse(stack, grid, lattice)
    refuse_fills(values, stack.bands[0].source.label, stack.variable)
    bands, classes, places = _bands(predictors, picks, inputs.categorical)
    means = block_means(bands, classes, ["auto"] * len(bands), lattice, inputs.mask, engine.part(0.1, 1))
    enough = 1e-6 + inputs.max_masked_share
    usable = (means.masked <= enough) & (means.sizes > 0)
    date, cell = _rows(values, usable, stack, progress)
    columns = _columns(values, means, picks, places, (date, cell), enough)
    row, column = np.divmod(cell, lattice.grid.width)
    columns[CELL] = [f"r{r} c{c}" for r, c in zip(row + lattice.row, column + lattice.column)]
    if not stack.is_static:
        moments = [band.time.start for band in stack.bands if band.time is not None]
        columns[TIME] = [moments[i] for i in date]
    if inputs.coarse_error is not None:
        columns[WEIGHT] = _weights(inputs.coarse_error, stack, grid, lattice, (date, cell))
    x, y = lattice.grid.transform * (column + 0.5, row + 0.5)
    _check_cells(cell, columns, tuple(predictors.stacks), stack)
    source = SampledTable(
        {name: _with_nulls(values) for name, values in columns.items()},
        Path(stack.bands[0].source.label).stem,
        _positions(x, y, lattice.grid),
        {key: item.as_dict() for key, item in predictors.origins(inputs.timing, Cells(grid_of(fine))).items()},
    )
    roles = Roles(
        VARIABLE,
        tuple(predictors.stacks),
        CELL,
        None if stack.is_static else TIME,
        WEIGHT if inputs.coarse_error is not None else None,
    )
    return CoarseTable(
        source, roles, stack, values, lattice, fine, usable, means.sizes, predictors, date, cell, x, y, inputs
    )


def _one_grid(stack: Stack) -> Grid:
    first = stack.bands[0]
    for band in stack.bands:
        if not band.grid.same_as(first.grid):
            raise InputError(
                f"The bands of `coarse` must have one grid, but '{band.source.label}' differs from "
                f"'{first.source.label}' ({'; '.join(first.grid.differences(band.grid))}). Run 'Align rasters to a "
                "grid' (smtoolbox:alignrasters) first."
            )
    return first.grid


def _fine(inputs: DownscaleInputs, predictors: Predictors) -> Source:
    """Return the raster whose grid the map has: as asked, else that of the finest predictor."""
    if inputs.grid is not None:
        return inputs.grid
    finest = finest_grid(predictors.stacks.values())
    return next(
        band.source for stack in predictors.stacks.values() for band in stack.bands if band.grid.same_as(finest)
    )


def _lattice(stack: Stack, source: Source, predictors: Predictors) -> Lattice:
    """Return the coarse cells over the map's grid; refuse grids that do not fit."""
    coarse, fine = stack.bands[0], grid_of(source)
    if not has_cells_within(fine, coarse.grid):
        sizes = [" × ".join(f"{side:.4g}" for side in ground_cell(grid)) for grid in (coarse.grid, fine)]
        raise InputError(
            f"`coarse` ('{coarse.source.label}') has cells of {sizes[0]} m, the map ('{source.label}') of {sizes[1]} "
            "m: there is nothing to downscale, since a coarse cell must hold at least two cells of the map on each "
            "side. Exchange the two, or give a raster of finer cells as `grid`."
        )
    if not overlap(fine, coarse.grid):
        raise InputError(
            f"`coarse` ('{coarse.source.label}', {label(coarse.grid.crs)}) and the grid of the map ('{source.label}', "
            f"{label(fine.crs)}) share no ground. Check both extents and coordinate reference systems."
        )
    for name, each in predictors.stacks.items():
        for band in each.bands:
            if not overlap(band.grid, fine):
                raise InputError(
                    f"The predictor '{name}' ('{band.source.label}') does not overlap the grid of the map "
                    f"('{source.label}'). Check both extents and coordinate reference systems."
                )
    return Lattice.over(coarse.grid, fine)


def _dates(
    stack: Stack, predictors: Predictors, timing: TimeRule, progress: Progress
) -> tuple[Stack, list[dict[str, int]]]:
    """Keep the dates of the product on which all predictors have a band, and return the place of each of these."""
    dated = {name: each for name, each in predictors.stacks.items() if not each.is_static}
    label_ = stack.bands[0].source.label
    if stack.is_static and dated:
        raise InputError(
            f"`coarse` ('{label_}') has no date, but predictors have ({', '.join(dated)}): nothing says which of their "
            "dates belong to it. Name its bands soil_moisture@2018-06-01, or give the date in the file's name or the "
            "layer's temporal range."
        )
    if not dated and len(stack.bands) > 1:
        progress.warning(
            "No predictor has dates: the model can tell places apart, not dates, and all that changes from date to "
            "date comes from the product's own cells. Add dated `predictors`, such as ndvi or surface temperature."
        )
    picks, kept, lost = [], [], set()
    for band in stack.bands:
        found = {name: timing.nearest(name, each, band.time) for name, each in predictors.stacks.items()}
        lost |= {name for name, position in found.items() if position is None}
        if None not in found.values():
            kept.append(band)
            picks.append({name: position for name, position in found.items() if position is not None})
    if not kept:
        spans_of = without_lags(dated)
        spans = "; ".join(f"{name}: {each.times[0]} to {each.times[-1]}" for name, each in spans_of.items())
        raise InputError(
            f"No date of `coarse` ({stack.times[0]} to {stack.times[-1]}) has a band of all predictors near enough "
            f"({spans}). Allow a larger `max_gap_days`, or add the layers of these dates"
            + (" and of those before them, which earlier values are of." if len(spans_of) < len(dated) else ".")
        )
    if len(kept) < len(stack.bands):
        progress.warning(
            f"{len(stack.bands) - len(kept)} of {len(stack.bands)} dates of `coarse` get no map: there is no band of "
            f"{', '.join(sorted(lost))} near enough in time. Allow a larger `max_gap_days`."
        )
    return Stack(stack.variable, tuple(kept)), picks


def _read_coarse(stack: Stack, grid: Grid, lattice: Lattice) -> np.ndarray:
    """Return the product in the cells of the lattice, float64 (dates, rows, cols)."""
    window = Window(lattice.column, lattice.row, lattice.grid.width, lattice.grid.height)
    with BandReader(stack.bands, grid).open() as opened:
        return opened.read(window).astype(np.float64)


def _of_sequences(predictors: Predictors, steps: int) -> str:
    """Return the lags of sequences of all dated predictors; empty where the model reads none."""
    if steps < 2:
        return ""
    if all(stack.is_static for stack in predictors.stacks.values()):
        raise InputError(
            "The model reads earlier values of its predictors, but none of `predictors` has dates. Add dated ones, "
            "such as ndvi or surface temperature, or choose another `kind`."
        )
    return f"*:1-{steps - 1}"


def _bands(
    predictors: Predictors, picks: Sequence[dict[str, int]], categorical: Sequence[str]
) -> tuple[list[Band], list[bool], dict[tuple[str, int], list[int]]]:
    """Return each band that some date needs, and whether it holds classes; and the bands that each value is the sum of.

    The latter by predictor and place in its stack.
    """
    found: dict[Band, bool] = {}
    addends: dict[tuple[str, int], list[Band]] = {}
    for name, stack in predictors.stacks.items():
        base = base_of(stack).bands
        for position in sorted({pick[name] for pick in picks}):
            addends[name, position] = [base[i] for i in addends_of(stack)[:, position]]
            for band in addends[name, position]:
                found[band] = found.get(band, False) or band.is_class or name in categorical
    places = {band: i for i, band in enumerate(found)}
    return list(found), list(found.values()), {key: [places[band] for band in each] for key, each in addends.items()}


def _rows(values: np.ndarray, usable: np.ndarray, stack: Stack, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Return date and coarse cell of each row: where the product has data, and not too much is masked."""
    name = stack.bands[0].source.label
    found = np.isfinite(values)
    if not found.any():
        raise InputError(f"`coarse` ('{name}') has no data where the predictors lie. Check its nodata value.")
    left_out = int((found & ~usable).sum())
    if left_out == found.sum():
        raise InputError(
            f"All coarse cells of '{name}' are masked too much to be used, or hold no cell of the map. Check "
            "`mask_values`, or allow a larger `max_masked_share`."
        )
    if left_out:
        progress.info(
            f"{left_out:,} of {int(found.sum()):,} values of `coarse` are left out: of their cells more is masked than "
            "`max_masked_share` allows."
        )
    empty = [str(band.time) for band, each in zip(stack.bands, found) if not each.any()]
    if empty and not stack.is_static:
        progress.warning(
            f"`coarse` has no data on {len(empty)} dates ({', '.join(empty[:5])}{', …' if len(empty) > 5 else ''}): "
            "there the map is of the model alone."
        )
    date, cell = np.nonzero((found & usable).reshape(len(values), -1))
    if len(date) > _MOST_ROWS:
        progress.info(f"{_MOST_ROWS:,} of {len(date):,} cells and dates are learned from, drawn at random.")
        drawn = np.sort(np.random.default_rng(0).choice(len(date), _MOST_ROWS, replace=False))
        date, cell = date[drawn], cell[drawn]
    return date, cell


def _columns(
    values: np.ndarray,
    means: BlockMeans,
    picks: Sequence[dict[str, int]],
    places: dict[tuple[str, int], list[int]],
    rows: tuple[np.ndarray, np.ndarray],
    enough: float,
) -> dict[str, Any]:
    """Return target and predictors of the rows, by column; NaN where too much of a cell has no data."""
    date, cell = rows
    columns: dict[str, Any] = {VARIABLE: values.reshape(len(values), -1)[date, cell]}
    flat = np.where(means.missing <= enough, means.values, np.nan).reshape(len(means.values), -1)
    for name in picks[0]:
        of_date = np.array([places[name, pick[name]] for pick in picks])
        columns[name] = flat[of_date[date], cell[:, None]].sum(axis=1)
    return columns


def _weights(
    source: Source, stack: Stack, grid: Grid, lattice: Lattice, rows: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return 1 / σ² of the rows, 1 on average; NaN where the error is not known."""
    window = Window(lattice.column, lattice.row, lattice.grid.width, lattice.grid.height)
    sigma = read_errors(source, stack, grid, window).reshape(len(stack.bands), -1)[rows]
    known = np.isfinite(sigma)
    if not known.any():
        raise InputError(
            f"`coarse_error` ('{source.label}') has no data in the cells of `coarse`. Leave it empty, or give the "
            "errors of this product."
        )
    if (sigma[known] <= 0).any():
        raise InputError(
            f"`coarse_error` ('{source.label}') holds {sigma[known].min():g}, but must hold standard deviations above "
            "0: weights are 1 / σ². Make such cells no data with 'Raster calculator', or leave it empty."
        )
    weights: np.ndarray = sigma**-2
    return weights / np.nanmean(weights)


def _with_nulls(values: Any) -> Any:
    """Return a column as tables have it: None where there is no number."""
    if not isinstance(values, np.ndarray):
        return values
    column = values.astype(object)
    column[np.isnan(values)] = None
    return column


def _check_cells(cell: np.ndarray, columns: dict[str, Any], names: tuple[str, ...], stack: Stack) -> None:
    complete = np.isfinite(np.stack([columns[name] for name in names])).all(axis=0)
    if WEIGHT in columns:
        complete &= np.isfinite(columns[WEIGHT])
    count = len(np.unique(cell[complete]))
    if count >= _FEWEST_CELLS:
        return
    empty = [name for name in names if not np.isfinite(columns[name]).any()]
    why = (
        f" {', '.join(empty)} {'has' if len(empty) == 1 else 'have'} no data in enough of any of them: fill the gaps "
        "('Fill gaps over time'), leave it out, or allow a larger `max_masked_share`."
        if empty
        else " Take a larger area, or predictors with fewer gaps."
    )
    raise InputError(
        f"'{stack.bands[0].source.label}' has {count} coarse cell{'' if count == 1 else 's'} with data in all "
        f"`predictors`; a model of what lies within them needs at least {_FEWEST_CELLS}, better dozens.{why}"
    )


def _positions(x: np.ndarray, y: np.ndarray, grid: Grid) -> np.ndarray | None:
    """Return the centres of the rows' cells in metres."""
    geographic = bool(grid.crs.is_geographic)
    layout = Layout.of(
        x,
        y,
        geographic=geographic,
        metres_per_unit=1.0 if geographic else grid.unit_metres,
        crs=None if geographic else grid.crs,
    )
    return None if layout is None else layout.positions
