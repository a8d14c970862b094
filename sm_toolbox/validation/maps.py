"""A product against another map: in space on each date, in time in each cell, and the borders of coarse cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.tally import Overview
from sm_toolbox.progress import Progress
from sm_toolbox.raster import streaming
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.writing import whole_outputs
from sm_toolbox.validation.mapedges import EdgeRatios, edge_ratios, edges_to_look_at
from sm_toolbox.validation.mappairs import (
    DEFAULT_MAP_SETTINGS,
    MapPairs,
    MapSettings,
    read_map_pairs,
    refuse_many_zones,
)
from sm_toolbox.validation.mapsums import METRICS_OF_MAPS, Histograms, metrics_of_sums, spatial_efficiency

if TYPE_CHECKING:
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.streaming import Emit, OpenStacks

CELL_BANDS = ("r", "bias", "ubrmse", "n")
"""Bands of the raster of metrics in time."""

# Dates that a correlation in time needs.
FEWEST_DATES = 3
# Pairs of cells kept for the report.
_KEPT_PAIRS = 20_000


@dataclass(frozen=True)
class MapComparison:
    """What a comparison of maps came to.

    Parameters
    ----------
    pairs : MapPairs
        What was compared.
    zones : list of int
        Numbers of the zones that have pairs.
    by_date : dict of str to ndarray (dates, 1 + zones)
        Metrics in space by the keys of `METRICS_OF_MAPS`, and `spaef`; all cells first, then each zone.
    pooled : dict of str to ndarray (1 + zones,)
        Over the pairs of all dates; `spaef` is the median of the dates.
    edges : EdgeRatios, optional
        Where a grid of blocks was given.
    overview : Overview
        Every so many cells of the mean difference (`bias`) and the metrics in time.
    sample : ndarray of float32 (2, pairs)
        Some pairs, product first.
    bands : list of str
        Of the stack of differences.
    """

    pairs: MapPairs
    zones: list[int]
    by_date: dict[str, np.ndarray]
    pooled: dict[str, np.ndarray]
    edges: EdgeRatios | None
    overview: Overview = field(repr=False)
    sample: np.ndarray = field(repr=False)
    bands: list[str] = field(repr=False)

    def number(self, name: str) -> float:
        """Return a pooled metric over all cells.

        Parameters
        ----------
        name : str
            A key of `pooled`.

        Returns
        -------
        float
        """
        return float(self.pooled[name][0])

    @property
    def edge_ratio(self) -> float:
        """The product's edge ratio; NaN without a grid of blocks."""
        return self.edges.product if self.edges is not None else float("nan")


def compare_maps(
    product: Sequence[Source],
    reference: Sequence[Source],
    output: str,
    settings: MapSettings = DEFAULT_MAP_SETTINGS,
    *,
    cells: str | None = None,
    engine: Engine = ALL_CORES,
) -> MapComparison:
    """Compare a product with another map, such as a finer model, interpolated stations or a coarse product.

    Parameters
    ----------
    product, reference : sequence of Source
        Each of one variable, both dated or both static, in one unit.
    output : str
        GeoTIFF or NetCDF: product − reference on each common date (`difference@date`).
    settings : MapSettings, optional
    cells : str, optional
        GeoTIFF or NetCDF with `r`, `bias`, `ubrmse` and `n` (dates) of each cell in time.
    engine : Engine, optional

    Returns
    -------
    MapComparison

    Raises
    ------
    InputError
        As `read_map_pairs`; where no cell has both on a common date, or metrics in time have too few dates.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> truth = np.array([[0.10, 0.20, 0.30], [0.15, 0.25, 0.35]])
    >>> product = write_example("product.tif", {"soil_moisture": truth + 0.02})
    >>> result = compare_maps([product], [write_example("truth.tif", {"soil_moisture": truth})], "difference.tif")
    >>> round(result.number("r"), 3), round(result.number("bias"), 3), round(result.number("ubrmse"), 3)
    (1.0, 0.02, 0.0)
    >>> print(read_example("difference.tif")["difference"].round(2))
    [[0.02 0.02 0.02]
     [0.02 0.02 0.02]]
    """
    pairs = read_map_pairs(product, reference, settings, engine.progress)
    if cells and pairs.dates < FEWEST_DATES:
        raise InputError(
            f"The two have {pairs.dates} common date{'s' if pairs.dates > 1 else ''}; metrics of each cell in time "
            f"need {FEWEST_DATES}. Leave `cells` out, or add further dates."
        )
    # Before the work: it may be refused.
    wanted = edges_to_look_at(pairs, settings.block_grid)
    names = [f"difference@{name}" if name else "difference" for name in pairs.names]
    sums = _Summed(pairs)
    first, second, last = (engine.part(*span) for span in ((0, 0.55), (0.55, 0.9), (0.9, 1)))
    outputs = [RasterOutput(output, names)]
    if cells:
        outputs.append(RasterOutput(cells, list(CELL_BANDS)))
    reader, stream = _stream(pairs, first)
    with whole_outputs(outputs, pairs.grid, stream.plan) as writers:

        def write(window: Window, place: int, block: np.ndarray) -> None:
            writers[0].write(block, window, place)

        work = _Summing(pairs, stream.dates, sums.step)
        for window, done in streaming.stream_in_order(reader, work, stream.plan, first, write=write):
            sums.add(window, done)
            if cells:
                writers[1].write(done.in_time, window)
        sums.require_pairs()
        efficiency = _efficiency(pairs, sums, second)
        edges = edge_ratios(wanted, last) if wanted is not None else None
    by_date = metrics_of_sums(np.moveaxis(sums.sums, -1, 0))
    pooled = metrics_of_sums(np.moveaxis(sums.sums.sum(axis=0), -1, 0))
    by_date["spaef"] = efficiency
    with_value = np.isfinite(efficiency)
    pooled["spaef"] = np.array(
        [float(np.median(column[has])) if has.any() else np.nan for column, has in zip(efficiency.T, with_value.T)]
    )
    result = MapComparison(
        pairs, sums.zones, by_date, pooled, edges, sums.overview, np.concatenate(sums.kept, axis=1), names
    )
    _tell_maps(result, engine.progress)
    return result


def _stream(pairs: MapPairs, engine: Engine) -> tuple[streaming.StackReader, streaming.Stream]:
    """Return a reader of all bands on the grid of the comparison, and how the work is cut."""
    reader = streaming.StackReader(pairs.bands, pairs.grid, pairs.rules)
    # Six sums and the bands in time; both products, decoded and as they are, and their difference.
    return reader, streaming.plan_stream(reader, pairs.dates, 8 * 6 + 4 * 8, 4 * 6, whole=False, engine=engine)


@dataclass(frozen=True)
class _Sums:
    """What comes of a window."""

    values: np.ndarray
    sums: np.ndarray
    extremes: np.ndarray
    in_time: np.ndarray
    sample: np.ndarray


@dataclass(frozen=True)
class _Summing:
    """Sums up the pairs of a window, with so many dates read at once, and emits the differences."""

    pairs: MapPairs
    dates: int
    step: int

    def __call__(self, opened: OpenStacks, window: Window, emit: Emit, progress: Progress) -> _Sums:
        from sm_toolbox.validation import map_kernels

        pairs = self.pairs
        values, zones = pairs.zones_of(opened, window)
        sums = np.zeros((pairs.dates, 1 + len(values), 6))
        extremes = np.tile([np.inf, -np.inf], (pairs.dates, 1 + len(values), 2))
        cells = np.zeros((6, *zones.shape))
        kept = []
        row, column = (-int(start) % self.step for start in (window.row_off, window.col_off))
        for first in range(0, pairs.dates, self.dates):
            progress.check()
            block = opened.read(pairs.positions[:, first : first + self.dates], window)
            block[:, :, zones < 0] = np.nan
            part = slice(first, first + block.shape[1])
            map_kernels.add_pairs(block[0], block[1], zones, pairs.shift, sums[part], extremes[part], cells)
            some = block[:, :, row :: self.step, column :: self.step].reshape(2, -1)
            kept.append(some[:, np.isfinite(some).all(axis=0)])
            emit(first, block[0] - block[1])
        found = metrics_of_sums(cells)
        found["r"] = np.where(found["n"] >= FEWEST_DATES, found["r"], np.nan)
        in_time = np.stack([found[name] for name in CELL_BANDS]).astype(np.float32)
        in_time[:, cells[0] == 0] = np.nan
        return _Sums(values, sums, extremes, in_time, np.concatenate(kept, axis=1))


class _Summed:
    """The sums of all windows."""

    def __init__(self, pairs: MapPairs):
        self.pairs = pairs
        self.zones: list[int] = []
        self.sums = np.zeros((pairs.dates, 1, 6))
        self.extremes = np.tile([np.inf, -np.inf], (pairs.dates, 1, 2))
        self.overview = Overview(CELL_BANDS, pairs.grid)
        self.kept: list[np.ndarray] = []
        total = pairs.grid.width * pairs.grid.height * pairs.dates
        self.step = max(1, int(np.sqrt(total / _KEPT_PAIRS)))

    def add(self, window: Window, done: _Sums) -> None:
        """Add what came of a window."""
        new = [int(value) for value in done.values if value not in self.zones]
        if new:
            self.zones += new
            refuse_many_zones(len(self.zones), self.pairs.bands[-1].source.label)
            added = self.sums.shape[0], len(new)
            self.sums = np.concatenate([self.sums, np.zeros((*added, 6))], axis=1)
            self.extremes = np.concatenate([self.extremes, np.tile([np.inf, -np.inf], (*added, 2))], axis=1)
        groups = [0, *(1 + self.zones.index(value) for value in done.values)]
        self.sums[:, groups] += done.sums
        for place, choose in ((0, np.minimum), (1, np.maximum)):
            before = self.extremes[:, groups, place::2]
            self.extremes[:, groups, place::2] = choose(before, done.extremes[..., place::2])
        self.overview.keep(window, CELL_BANDS[0], done.in_time)
        self.kept.append(done.sample)

    def require_pairs(self) -> None:
        """Raise where nothing was compared; put zones in order and leave out those without pairs."""
        if not self.sums[:, 0, 0].any():
            mask = " and `mask` is not 0" if self.pairs.has_mask else ""
            raise InputError(
                f"No cell has data of {' and '.join(self.pairs.labels)} on a common date{mask}. Check that the layers "
                "overlap, that they are not empty, and that their nodata values are right (Layer properties > "
                "Information shows extent, minimum and maximum)."
            )
        with_pairs = [i for i in np.argsort(self.zones) if self.sums[:, 1 + i, 0].any()]
        self.zones = [self.zones[i] for i in with_pairs]
        groups = [0, *(1 + i for i in with_pairs)]
        self.sums, self.extremes = self.sums[:, groups], self.extremes[:, groups]


@dataclass(frozen=True)
class _Counting:
    """Counts the z-scores of a window, with so many dates read at once."""

    pairs: MapPairs
    dates: int
    zones: list[int]
    histograms: Histograms

    def __call__(self, opened: OpenStacks, window: Window, emit: Emit, progress: Progress) -> np.ndarray:
        from sm_toolbox.validation import map_kernels

        pairs, plan = self.pairs, self.histograms
        values, local = pairs.zones_of(opened, window)
        # Zones that have pairs somewhere, by their place among all; the others are as none.
        places = [0, *(1 + self.zones.index(value) if value in self.zones else 0 for value in values)]
        zones = np.where(local < 0, -1, np.array(places, np.int32)[np.maximum(local, 0)]).astype(np.int32)
        counts = plan.empty_counts()
        for first in range(0, pairs.dates, self.dates):
            progress.check()
            block = opened.read(pairs.positions[:, first : first + self.dates], window)
            part = slice(first, first + block.shape[1])
            map_kernels.count_scores(
                block[0], block[1], zones, plan.scales[part], plan.firsts[part], plan.bins[part], counts
            )
        return counts


def _efficiency(pairs: MapPairs, sums: _Summed, engine: Engine) -> np.ndarray:
    """Return SPAEF of each date and zone, from a second look at both: only now their means are known."""
    histograms = Histograms.of(sums.sums, sums.extremes, pairs.shift)
    counts = histograms.empty_counts()
    if counts.size:
        reader, stream = _stream(pairs, engine)
        work = _Counting(pairs, stream.dates, sums.zones, histograms)
        for _, found in streaming.stream_in_order(reader, work, stream.plan, engine):
            counts += found
    r = metrics_of_sums(np.moveaxis(sums.sums, -1, 0))["r"]
    return spatial_efficiency(r, histograms.scales, histograms.overlaps(counts))


def _tell_maps(result: MapComparison, progress: Progress) -> None:
    """Log what came out, and which maps do not vary."""
    found: dict[str, Any] = {name: result.number(name) for name in (*METRICS_OF_MAPS, "spaef")}
    progress.info(
        f"{int(found['n']):,} pairs of cells on {result.pairs.dates} date{'s' if result.pairs.dates > 1 else ''}: R "
        f"{found['r']:.3f}, RMSE {found['rmse']:.4f}, bias {found['bias']:+.4f}, SPAEF {found['spaef']:.3f}."
    )
    has_pairs = result.by_date["n"][:, 0] > 1
    constant = np.count_nonzero(has_pairs & np.isnan(result.by_date["r"][:, 0]))
    if constant:
        progress.warning(
            f"On {constant} of {np.count_nonzero(has_pairs)} dates one of the two maps has one value in all cells: "
            "there is no R and no SPAEF. Check that it is the layer you mean."
        )
