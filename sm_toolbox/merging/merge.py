"""Merging of products with the weights that triple collocation gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import LETTERS, design
from sm_toolbox.merging.record import (
    Estimated,
    Record,
    Settings,
    cell_seeds,
    check_settings,
    month_position,
    warn_of_short_climatology,
)
from sm_toolbox.merging.tally import Counter, Overview, Tally, report_tally
from sm_toolbox.merging.triplecollocation import no_samples, output_tags, product_count
from sm_toolbox.progress import Progress
from sm_toolbox.raster.meaning import MOST_MOISTURE, in_same_unit
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.merging.products import Products
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.streaming import OpenStacks
    from sm_toolbox.raster.times import Time

REFERENCES = tuple(LETTERS)
FALLBACKS = ("mean", "best", "nodata")
WINDOWS = ("all", "season", "month")
_SEASONS = ("djf", "mam", "jja", "son")
# Common samples below which means and standard deviations of an unresolved cell are not matched to the reference.
_FEWEST_TO_MATCH = 10


@dataclass(frozen=True)
class MergeResult:
    """What was computed.

    Parameters
    ----------
    products : Products
        On all dates.
    settings : Settings
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
    settings: Settings
    fallback: str
    parts: list[str]
    tally: Tally
    own_weights: list[float]
    coverage: list[float]
    map_times: list[Time]
    overview: Overview


@dataclass(frozen=True)
class _Recipe:
    """How the products of a window are merged, each (..., rows, cols); see the kernel `merge`."""

    factors: np.ndarray
    how: np.ndarray
    scores: np.ndarray
    errors: np.ndarray
    correlations: np.ndarray
    as_they_are: np.ndarray


@dataclass(frozen=True)
class _Merged:
    """What becomes of a window besides the merged values.

    Parameters
    ----------
    described : ndarray of float32 (bands, rows, cols)
        For the output of weights; of no bands where there is none.
    found : Estimated
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
    found: Estimated
    seen: np.ndarray
    maps: dict[int, np.ndarray]
    present: np.ndarray
    own_weights: np.ndarray


def merge_products(
    sources: Sequence[Sequence[Source]],
    output: str,
    weights_output: str | None = None,
    *,
    reference: str = "a",
    fallback: str = "mean",
    window: str = "all",
    correlated: str = "",
    min_samples: int = 100,
    alpha: float = 0.05,
    anomalies: str = "none",
    anomaly_window: float = 35,
    replicates: int = 0,
    max_gap_days: float | None = None,
    engine: Engine = ALL_CORES,
) -> MergeResult:
    """Merge three to five products, each weighted by its error at the cell.

    Parameters
    ----------
    sources, correlated, min_samples, alpha, anomalies, anomaly_window, replicates, max_gap_days
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
    from sm_toolbox.merging import merge_kernels
    from sm_toolbox.merging.products import read_products
    from sm_toolbox.raster import streaming
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput
    from sm_toolbox.raster.writing import whole_outputs

    progress = engine.progress
    for key, value, allowed in (
        ("REFERENCE", reference, REFERENCES),
        ("FALLBACK", fallback, FALLBACKS),
        ("WINDOW", window, WINDOWS),
    ):
        if value not in allowed:
            raise InputError(f"{key} is '{value}', but must be one of: {', '.join(allowed)}.")
    target = LETTERS.index(reference)
    if target >= product_count(sources):
        raise InputError(
            f"REFERENCE is '{reference}', but PRODUCT_{reference.upper()} holds no raster. Choose one of the "
            "products that are given."
        )
    settings = Settings(
        design(product_count(sources), correlated), min_samples, alpha, anomalies, anomaly_window, replicates, target
    )
    check_settings(settings)
    products = read_products(
        sources, max_gap_days=max_gap_days, reference=target, min_samples=min_samples, progress=progress
    )
    _report_dates(products, target, progress)
    if anomalies == "climatology":
        warn_of_short_climatology(products.times, progress)
    plan, count, grid = settings.design, products.count, products.grid
    names, of_month = year_parts(window)
    whole_record = Record(products, settings, of_month)
    common_record = Record(products.at(products.common), settings, of_month)
    places = np.array([month_position(time) for time in products.times])
    comparable = in_same_unit(products.medians, target)
    mapped = _map_dates(products)

    bands = [band_name("soil_moisture", time) for time in products.times]
    limited = [*(f"weight_{letter}" for letter in LETTERS[:count]), "merged_error"]
    rows = [plan.estimates.index(name) for name in limited]
    described = [*limited, "samples", "flag", *(f"{name}_{part}" for part in names for name in (*limited, "flag"))]
    described += [f"{name}_{end}" for end in ("low", "high") for name in limited] if replicates else []
    tags = output_tags(products)
    unit = {"UNIT_soil_moisture": "m3 m-3"} if abs(products.medians[target]) <= MOST_MOISTURE else {}
    outputs = [RasterOutput(output, bands, {**tags, **unit, "REFERENCE": reference})]
    if weights_output is not None:
        outputs.append(RasterOutput(weights_output, described, {**tags, "REFERENCE": reference}))

    reader = streaming.StackReader(products.bands, grid)
    for line in reader.warnings():
        progress.info(line)
    fixed, per_date = whole_record.bytes_per_cell()
    fixed += 12 * len(described) + 8 * max(1, len(names)) * (count + len(plan.pairs)) + 24 * count
    stream = streaming.plan_stream(
        reader, len(products.times), fixed, per_date + 4 * (count + 3), whole=replicates > 0, engine=engine
    )
    record = whole_record if stream.dates >= len(products.times) else common_record

    overview = Overview(
        [
            *limited, *(f"scaled_error_{letter}" for letter in LETTERS[:count]), "average_error", "flag",
            *(f"{name}@{i}" for i in range(len(mapped)) for name in (*LETTERS[:count], "merged")),
        ],
        grid,
    )  # fmt: skip
    counter = Counter(settings)
    valid, own_weights = np.zeros(count + 1, np.int64), np.zeros(len(names), np.int64)

    with_weights = weights_output is not None

    def work(opened: OpenStacks, place: Window, emit: streaming.Emit, progress: Progress) -> _Merged:
        shape = int(place.height), int(place.width)
        sums = record.empty_sums(shape)
        held = None
        for held in record.read(opened, place, stream.dates):
            progress.check()
            record.add(*held, sums)
        found = record.estimate(sums)
        recipe, described_parts = _recipe(found, record, sums, len(names), target, fallback, comparable)
        parts = [found.estimates[rows], found.samples[None], found.flags[None], *described_parts]
        if replicates and held is not None:
            limits = record.limits(held[1], found, cell_seeds(grid, place), held[2], sums, progress)
            parts += [limits[0, rows], limits[1, rows]]
        baseline = _baselines(found, record, sums, recipe)
        present, maps = np.zeros(count + 1, np.int64), {}
        # A record that is in memory at once is not read again.
        pieces = (
            [held] if record is whole_record and held is not None else whole_record.read(opened, place, stream.dates)
        )
        for first, block, means in pieces:
            progress.check()
            dates = slice(first, first + block.shape[1])
            merged = np.empty((block.shape[1], shape[0] * shape[1]), np.float32)
            merge_kernels.merge(
                np.ascontiguousarray(block).reshape(*block.shape[:2], -1),
                _baseline_block(baseline, means, places[dates], recipe),
                target,
                _flat(recipe.factors),
                recipe.how.ravel(),
                _flat(recipe.scores),
                _flat(recipe.errors),
                _flat(recipe.correlations),
                plan.pairs,
                plan.declared,
                whole_record.parts[dates],
                merged,
            )
            merged = merged.reshape(-1, *shape)
            emit(first, merged)
            present += [np.count_nonzero(~np.isnan(values)) for values in (*block, merged)]
            for i, date in enumerate(mapped):
                if first <= date < dates.stop:
                    maps[i] = np.concatenate([block[:, date - first], merged[date - first : date - first + 1]])
        own = np.array([np.count_nonzero((found.flags == 0) & (flags[-1] == 0)) for flags in described_parts], np.int64)
        errors = found.estimates[[plan.estimates.index(f"scaled_error_{letter}") for letter in LETTERS[:count]]]
        average = _average_error(errors, recipe.correlations[0], settings)
        seen = np.concatenate([found.estimates[rows], errors, average[None], found.flags[None]])
        # What is not written need not travel.
        for_weights = np.concatenate(parts).astype(np.float32) if with_weights else np.empty((0, *shape), np.float32)
        return _Merged(for_weights, found, seen, maps, present, own)

    with whole_outputs(outputs, grid, stream.plan) as writers:

        def write(place: Window, first: int, block: np.ndarray) -> None:
            writers[0].write(block, place, first)

        for place, merged in streaming.stream_in_order(reader, work, stream.plan, engine, write=write):
            if weights_output is not None:
                writers[1].write(merged.described, place)
            counter.count(merged.found)
            valid += merged.present
            own_weights += merged.own_weights
            overview.keep(place, limited[0], merged.seen)
            for i, values in merged.maps.items():
                overview.keep(place, f"a@{i}", values)
        tally = counter.tally()
        if not tally.sampled:
            raise InputError(no_samples(products))
    report_tally(tally, settings, progress)
    shares = [100 * float(cells) / max(1, int(tally.flags[0])) for cells in own_weights]
    for name, share in zip(names, shares):
        progress.info(
            f"{share:.1f} % of the resolved cells have weights of their own in {name}; the others have those of "
            "the whole record there."
        )
    coverage = [100 * float(values) / (tally.cells * len(products.times)) for values in valid]
    return MergeResult(
        products, settings, fallback, names, tally, shares, coverage, [products.times[i] for i in mapped], overview
    )


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
            f"REFERENCE {LETTERS[target]} is not in m³ m⁻³ (median {products.medians[target]:.4g}), and the "
            "merged product is in its units. Choose another reference, or convert it first."
        )


def _map_dates(products: Products) -> list[int]:
    """Choose two dates half a year apart, as far as there are, on which all products have a band."""
    common = np.flatnonzero(products.common)
    first = int(common[common.size // 3])
    days = np.array([abs((products.times[i].start - products.times[first].start).days) for i in common])
    second = int(common[int(np.argmin(np.abs(days - 182)))])
    return sorted({first, second})


def _recipe(
    found: Estimated, record: Record, sums: np.ndarray, parts: int, target: int, fallback: str, comparable: np.ndarray
) -> tuple[_Recipe, list[np.ndarray]]:
    """Decide how a window is merged; also return weights, error and flag of each part of the year.

    These are (products + 2, rows, cols).
    """
    from sm_toolbox.merging import merge_kernels

    plan, count = record.settings.design, record.products.count
    own, scaled, sensitivity = (
        [plan.estimates.index(f"{kind}_{letter}") for letter in LETTERS[:count]]
        for kind in ("error", "scaled_error", "sensitivity")
    )
    shape = found.flags.shape
    resolved = found.flags == 0

    def error_correlations(estimated: Estimated) -> np.ndarray:
        return estimated.estimates[-len(plan.pairs) :] if count > 3 else np.zeros((len(plan.pairs), *shape), np.float32)

    errors = np.empty((max(1, parts), count, *shape), np.float32)
    correlations = np.empty((max(1, parts), len(plan.pairs), *shape), np.float32)
    errors[:], correlations[:] = found.estimates[scaled], error_correlations(found)
    described = []
    for part in range(parts):
        apart = record.estimate(sums, part)
        usable = resolved & (apart.flags == 0)
        errors[part] = np.where(usable, found.estimates[sensitivity] * apart.estimates[own], errors[part])
        correlations[part] = np.where(usable, error_correlations(apart), correlations[part])
        weights, merged = np.empty((count, *shape), np.float32), np.empty(shape, np.float32)
        merge_kernels.fill_weights(
            _flat(errors[part]), _flat(correlations[part]), plan.pairs, plan.declared, _flat(weights), merged.ravel()
        )
        described.append(
            np.concatenate(
                [
                    np.where(usable, np.concatenate([weights, merged[None]]), np.nan),
                    np.where(resolved, apart.flags, found.flags)[None],
                ]
            )
        )

    matched = (found.samples >= _FEWEST_TO_MATCH) & (found.spreads > 0).all(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spreads = found.spreads[target] / found.spreads
    simple = np.where(matched, spreads, np.where(comparable, 1.0, np.nan)[:, None, None])
    kind = {"mean": merge_kernels.MEAN, "best": merge_kernels.BEST, "nodata": merge_kernels.NOTHING}[fallback]
    # Where no correlation is known, the reference is the best.
    score = np.full((count, *shape), -2.0)
    score[target] = -1.0
    for i in range(count):
        others = np.mean([r for r, pair in zip(found.found.correlations, plan.pairs) if i in pair], axis=0)
        score[i] = np.where(np.isnan(others), score[i], others)
    return _Recipe(
        np.where(resolved, found.estimates[sensitivity], simple).astype(np.float32),
        np.where(resolved, merge_kernels.LEAST_SQUARES, kind).astype(np.int8),
        score.astype(np.float32),
        errors,
        correlations,
        ~resolved & ~matched,
    ), described


def _baselines(found: Estimated, record: Record, sums: np.ndarray, recipe: _Recipe) -> np.ndarray | None:
    """Return what values are taken from, (1 or 12 months, products, rows, cols); None where it moves with the date."""
    if record.low is not None:
        return None
    means = record.month_means(sums) if record.settings.anomalies == "climatology" else found.means[None]
    return np.where(recipe.as_they_are, 0, means)


def _baseline_block(
    baseline: np.ndarray | None, means: np.ndarray | None, places: np.ndarray, recipe: _Recipe
) -> np.ndarray:
    """Return the baselines of some dates, float32 (products, dates, cells)."""
    if means is not None:
        return np.ascontiguousarray(np.where(recipe.as_they_are, np.float32(0), means)).reshape(*means.shape[:2], -1)
    assert baseline is not None
    flat = baseline.astype(np.float32).reshape(*baseline.shape[:2], -1)
    if len(flat) == 1:
        return np.broadcast_to(flat[0][:, None], (flat.shape[1], len(places), flat.shape[2]))
    return np.stack(
        [
            flat[int(first)] * np.float32(1 - share) + flat[int(second)] * np.float32(share)
            for first, second, share in places
        ],
        axis=1,
    )


def _average_error(errors: np.ndarray, correlations: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the error of the plain mean of the rescaled products."""
    variance = np.sum(errors.astype(np.float64) ** 2, axis=0)
    for k in np.flatnonzero(settings.design.declared):
        i, j = settings.design.pairs[k]
        variance += 2 * correlations[k] * errors[i] * errors[j]
    average: np.ndarray = np.sqrt(np.maximum(variance, 0)) / len(errors)
    return average


def _flat(values: np.ndarray) -> np.ndarray:
    """Return an array (..., rows, cols) as (..., cells)."""
    return values.reshape(*values.shape[:-2], -1)
