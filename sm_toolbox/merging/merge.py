"""Merging of products with the weights that triple collocation gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import LETTERS, Design
from sm_toolbox.merging.recipe import average_error, baseline_block, baselines, flat, make_recipe
from sm_toolbox.merging.record import Estimated, Record, cell_seeds
from sm_toolbox.merging.run import Run, product_count
from sm_toolbox.merging.settings import DEFAULT_SETTINGS, CollocationSettings, Estimation
from sm_toolbox.merging.tally import Overview, Tally
from sm_toolbox.progress import Progress
from sm_toolbox.raster.meaning import MOST_MOISTURE, in_same_unit
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.timeseries.anomaly import month_position

if TYPE_CHECKING:
    from sm_toolbox.merging.products import Products
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.outputs import RasterOutput, RasterWriter
    from sm_toolbox.raster.streaming import Emit, OpenStacks
    from sm_toolbox.raster.times import Time

REFERENCES = tuple(LETTERS)
FALLBACKS = ("mean", "best", "nodata")
WINDOWS = ("all", "season", "month")
_SEASONS = ("djf", "mam", "jja", "son")


@dataclass(frozen=True)
class MergeResult:
    """What was computed.

    Parameters
    ----------
    products : Products
        On all dates.
    estimation : Estimation
    fallback : str
    parts : list of str
        The parts of the year with weights of their own; none where the weights are those of all dates.
    tally : Tally
    own_weights : list of float
        For each part the share of the resolved cells (percent) that have weights of their own in it.
    coverage : list of float
        Share of cells and dates (percent) with a value, for each product and last for what was merged.
    map_times : list of Time
        The dates whose maps are in the overview.
    overview : Overview
        Every so many cells of `weight_…`, `scaled_error_…`, `merged_error`, `average_error` (of the plain mean of the
        rescaled products), `flag`, and for each of the map times, numbered from 0, `a@0` … and `merged@0`.
    """

    products: Products
    estimation: Estimation
    fallback: str
    parts: list[str]
    tally: Tally
    own_weights: list[float]
    coverage: list[float]
    map_times: list[Time]
    overview: Overview


@dataclass(frozen=True)
class _Merged:
    """What becomes of a window besides the merged values.

    Parameters
    ----------
    described : ndarray of float32 (bands, rows, cols)
        For the output of weights; of no bands where there is none.
    estimated : Estimated
    seen : ndarray (names, rows, cols)
        For the overview.
    maps : dict of int to ndarray (products + 1, rows, cols)
        Products and merged values on the dates of the overview's maps.
    present : ndarray of int64 (products + 1,)
        Valid values of each product and of what was merged.
    own_weights : ndarray of int64 (parts,)
        Resolved cells with weights of their own in each part of the year.
    """

    described: np.ndarray
    estimated: Estimated
    seen: np.ndarray
    maps: dict[int, np.ndarray]
    present: np.ndarray
    own_weights: np.ndarray


@dataclass(frozen=True)
class _Merging:
    """Merges a window.

    Parameters
    ----------
    record, whole : Record
        What errors are estimated from, and all dates; the same where all dates are read at once.
    dates : int
        Read at once.
    parts : int
        Of the year, that have weights of their own; 0 for one set of weights.
    fallback : str
    mapped : list of int
        The dates of the overview's maps.
    with_weights : bool
        Whether weights are written.
    """

    record: Record
    whole: Record
    dates: int
    parts: int
    fallback: str
    mapped: list[int]
    with_weights: bool

    def __call__(self, opened: OpenStacks, place: Window, emit: Emit, progress: Progress) -> _Merged:
        from sm_toolbox.merging import merge_kernels

        record, products, estimation = self.record, self.whole.products, self.record.estimation
        plan, count, target = estimation.design, products.count, estimation.reference
        shape = int(place.height), int(place.width)
        sums, held = record.sum_up(opened, place, self.dates, progress)
        found = record.estimate(sums)
        comparable = in_same_unit(products.medians, target)
        recipe, of_parts = make_recipe(found, record, sums, self.parts, self.fallback, comparable)
        rows = [plan.estimates.index(name) for name in _limited(plan)]
        described = [found.estimates[rows], found.samples[None], found.flags[None], *of_parts]
        if estimation.settings.replicates and held is not None:
            limits = record.limits(held[1], found, cell_seeds(products.grid, place), held[2], sums, progress)
            described += [limits[0, rows], limits[1, rows]]
        baseline = baselines(found, record, sums, recipe)
        positions = np.array([month_position(time) for time in products.times])
        present, maps = np.zeros(count + 1, np.int64), {}
        # A record that is in memory at once is not read again.
        at_once = held if record is self.whole else None
        for first, block, means in self.whole.read(opened, place, self.dates) if at_once is None else [at_once]:
            progress.check()
            dates = slice(first, first + block.shape[1])
            merged = np.empty((block.shape[1], shape[0] * shape[1]), np.float32)
            merge_kernels.merge(
                np.ascontiguousarray(block).reshape(*block.shape[:2], -1),
                baseline_block(baseline, means, positions[dates], recipe),
                target,
                flat(recipe.factors),
                recipe.how.ravel(),
                flat(recipe.scores),
                flat(recipe.errors),
                flat(recipe.correlations),
                plan.pairs,
                plan.declared,
                self.whole.parts[dates],
                merged,
            )
            merged = merged.reshape(-1, *shape)
            emit(first, merged)
            present += [np.count_nonzero(~np.isnan(values)) for values in (*block, merged)]
            for i, date in enumerate(self.mapped):
                if first <= date < dates.stop:
                    maps[i] = np.concatenate([block[:, date - first], merged[date - first : date - first + 1]])
        own = np.array([np.count_nonzero((found.flags == 0) & (flags[-1] == 0)) for flags in of_parts], np.int64)
        errors = found.estimates[[plan.estimates.index(f"scaled_error_{letter}") for letter in LETTERS[:count]]]
        average = average_error(errors, recipe.correlations[0], plan)
        seen = np.concatenate([found.estimates[rows], errors, average[None], found.flags[None]])
        # What is not written need not travel.
        weights = np.concatenate(described).astype(np.float32) if self.with_weights else np.empty((0, *shape), "f4")
        return _Merged(weights, found, seen, maps, present, own)


def merge_products(
    sources: Sequence[Sequence[Source]],
    output: str,
    weights_output: str | None = None,
    *,
    reference: str = "a",
    fallback: str = "mean",
    window: str = "all",
    settings: CollocationSettings = DEFAULT_SETTINGS,
    engine: Engine = ALL_CORES,
) -> MergeResult:
    """Merge three to five products, each weighted by its error at the cell.

    Parameters
    ----------
    sources : sequence of sequence of Source
        As `triple_collocation`; dates are matched to those of the reference.
    output : str
        Raster with `soil_moisture@date` on all dates that any product has, in the units of the reference.
    weights_output : str, optional
        Raster with `weight_a` …, `merged_error` (standard deviation in the units of the reference), `samples` and
        `flag`; with `window` also those of each part of the year, and with replicates `_low` and `_high` limits.
    reference : {'a', 'b', 'c', 'd', 'e'}
        To whose mean and signal the others are rescaled.
    fallback : {'mean', 'best', 'nodata'}
        What cells get that are not resolved; see the notes.
    window : {'all', 'season', 'month'}
        Whether errors and weights are of the whole record, or of each season or calendar month. Where a part of the
        year is not resolved for itself, the weights of the whole record are used.
    settings : CollocationSettings, optional
    engine : Engine, optional

    Returns
    -------
    MergeResult

    Raises
    ------
    InputError, OutputError, Cancelled
        As `triple_collocation`.

    Notes
    -----
    x_i* = x̄_r + β_i (x_i − x̄_i) is the rescaled product (β and the means over the common samples of the whole
    record), and the merged value the mean of x_i* with the weights of least squares (Yilmaz et al. 2012, doi
    10.1029/2011WR011682). With anomalies, x̄ is the mean of the month or window: in between the middles of two months
    that of climatologies is interpolated; the merged product has the seasonal cycle of the reference.

    On a date that some products lack, the weights are those of least squares for the others: with independent errors
    the same as their weights divided by their sum.

    Cells that are not resolved get, on each date, the mean of what products there are, or the one of these that on
    average is most correlated with the others, matched to the reference in mean and standard deviation over at least 10
    common samples. Without these, products are taken as they are, if the medians do not tell that the units differ.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> rng = np.random.default_rng(0)
    >>> dates = np.arange("2018-01-01", "2018-05-01", dtype="datetime64[D]")
    >>> truth = rng.normal(0.25, 0.06, len(dates))
    >>> def product(name, error):
    ...     values = truth + rng.normal(0, error, len(dates))
    ...     bands = {f"soil_moisture@{date}": [[value]] for date, value in zip(dates, values)}
    ...     return [write_example(f"{name}.tif", bands)]
    >>> products = [product("a", 0.04), product("b", 0.04), product("c", 0.04)]
    >>> result = merge_products(products, "merged.tif", engine=Engine(threads=1))
    >>> merged = np.array([band[0, 0] for band in read_example("merged.tif").values()])
    >>> bool(np.std(merged - truth) < 0.03)
    True
    """
    progress = engine.progress
    run = Run.of(sources, settings, _reference(sources, reference, fallback, window), engine)
    products, estimation, times = run.products, run.estimation, run.products.times
    _report_dates(products, estimation.reference, progress)
    names, of_month = year_parts(window)
    whole = run.record(of_month)
    mapped = _map_dates(products)
    limited = _limited(estimation.design)
    described = [*limited, "samples", "flag", *(f"{name}_{part}" for part in names for name in (*limited, "flag"))]
    described += [f"{name}_{end}" for end in ("low", "high") for name in limited] if settings.replicates else []
    count, pairs = products.count, len(estimation.design.pairs)
    fixed, per_date = whole.bytes_per_cell()
    fixed += 12 * len(described) + 8 * max(1, len(names)) * (count + pairs) + 24 * count
    common = run.on_common_dates().record(of_month)
    reader, stream = run.stream(fixed, per_date + 4 * (count + 3))
    overview = Overview(
        [
            *limited, *(f"scaled_error_{letter}" for letter in LETTERS[:count]), "average_error", "flag",
            *(f"{name}@{i}" for i in range(len(mapped)) for name in (*LETTERS[:count], "merged")),
        ],
        run.grid,
    )  # fmt: skip
    valid, own_weights = np.zeros(count + 1, np.int64), np.zeros(len(names), np.int64)

    def keep(writers: Sequence[RasterWriter], place: Window, done: _Merged) -> None:
        nonlocal valid, own_weights
        if weights_output is not None:
            writers[1].write(done.described, place)
        valid = valid + done.present
        own_weights = own_weights + done.own_weights
        overview.keep(place, limited[0], done.seen)
        for i, values in done.maps.items():
            overview.keep(place, f"a@{i}", values)

    work = _Merging(
        whole if stream.dates >= len(times) else common,
        whole,
        stream.dates,
        len(names),
        fallback,
        mapped,
        weights_output is not None,
    )
    outputs = _outputs(run, output, weights_output, described)
    tally = run.write(reader, stream, work, outputs, keep)
    shares = [100 * float(cells) / max(1, int(tally.flags[0])) for cells in own_weights]
    for name, share in zip(names, shares):
        progress.info(
            f"{share:.1f} % of the resolved cells have weights of their own in {name}; the others have those of "
            "the whole record there."
        )
    coverage = [100 * float(values) / (tally.cells * len(times)) for values in valid]
    return MergeResult(
        products, estimation, fallback, names, tally, shares, coverage, [times[i] for i in mapped], overview
    )


def _reference(sources: Sequence[Sequence[Source]], reference: str, fallback: str, window: str) -> int:
    """Refuse choices that there are not, and return the place of the reference among the products."""
    for key, value, allowed in (
        ("reference", reference, REFERENCES),
        ("fallback", fallback, FALLBACKS),
        ("window", window, WINDOWS),
    ):
        if value not in allowed:
            raise InputError(f"`{key}` is '{value}', but must be one of: {', '.join(allowed)}.")
    target = LETTERS.index(reference)
    if target >= product_count(sources):
        raise InputError(
            f"`reference` is '{reference}', but `sources[{target}]` holds no raster. Choose one of the "
            "products that are given."
        )
    return target


def _limited(plan: Design) -> list[str]:
    """Return the estimates that are written as weights, and that get confidence limits."""
    return [*(f"weight_{letter}" for letter in LETTERS[: plan.count]), "merged_error"]


def _outputs(run: Run, output: str, weights_output: str | None, described: list[str]) -> list[RasterOutput]:
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    products, target = run.products, run.estimation.reference
    tags, reference = run.tags(), {"REFERENCE": LETTERS[target]}
    unit = {"UNIT_soil_moisture": "m3 m-3"} if abs(products.medians[target]) <= MOST_MOISTURE else {}
    bands = [band_name("soil_moisture", time) for time in products.times]
    outputs = [RasterOutput(output, bands, {**tags, **unit, **reference})]
    if weights_output is not None:
        outputs.append(RasterOutput(weights_output, described, {**tags, **reference}))
    return outputs


def year_parts(window: str) -> tuple[list[str], np.ndarray]:
    """Return the parts of the year that have weights of their own.

    Parameters
    ----------
    window : {'all', 'season', 'month'}

    Returns
    -------
    names : list of str
        Empty for `all`.
    part : ndarray of int64 (12,)
        The part of each month.
    """
    if window == "all":
        return [], np.zeros(12, np.int64)
    if window == "season":
        # Meteorological seasons, from December on.
        return list(_SEASONS), np.arange(1, 13) % 12 // 3
    return [f"{month:02d}" for month in range(1, 13)], np.arange(12)


def _report_dates(products: Products, target: int, progress: Progress) -> None:
    common = int(np.count_nonzero(products.common))
    if common < len(products.times):
        progress.info(f"{len(products.times) - common} further dates lack a product; they are merged from the others.")
    if abs(products.medians[target]) > MOST_MOISTURE:
        progress.warning(
            f"`reference` {LETTERS[target]} is not in m³ m⁻³ (median {products.medians[target]:.4g}), and the "
            "merged product is in its units. Choose another reference, or convert it first."
        )


def _map_dates(products: Products) -> list[int]:
    """Choose two dates half a year apart, as far as there are, on which all products have a band."""
    common = np.flatnonzero(products.common)
    first = int(common[common.size // 3])
    days = np.array([abs((products.times[i].start - products.times[first].start).days) for i in common])
    second = int(common[int(np.argmin(np.abs(days - 182)))])
    return sorted({first, second})
