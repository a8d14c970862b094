"""Triple collocation of raster stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import LETTERS, Design, design
from sm_toolbox.merging.record import (
    LIMITED,
    Estimated,
    Record,
    Settings,
    cell_seeds,
    check_settings,
    warn_of_short_climatology,
)
from sm_toolbox.merging.tally import Counter, Overview, Tally, report_tally
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.merging.products import Products
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.streaming import OpenStacks


@dataclass(frozen=True)
class CollocationResult:
    """What was computed.

    Parameters
    ----------
    products : Products
        On the dates that all of them have.
    settings : Settings
    tally : Tally
    bands : list of str
        Of the output.
    overview : Overview
        Every so many cells of the estimates, `samples`, `flag`, and `r_…`, which here are not only of resolved cells.
    """

    products: Products
    settings: Settings
    tally: Tally
    bands: list[str]
    overview: Overview


def triple_collocation(
    sources: Sequence[Sequence[Source]],
    output: str,
    *,
    correlated: str = "",
    min_samples: int = 100,
    alpha: float = 0.05,
    anomalies: str = "none",
    anomaly_window: float = 35,
    replicates: int = 0,
    max_gap_days: float | None = None,
    engine: Engine = ALL_CORES,
) -> CollocationResult:
    """Estimate the random errors of three to five products, cell by cell, without knowing the truth.

    Parameters
    ----------
    sources : sequence of sequence of Source
        For each product dated bands of one variable. Files on other grids than the first are warped.
    output : str
        GeoTIFF; see `output_bands`.
    correlated : str, optional
        Pairs whose errors may be correlated, such as `B-C`; needs four or more products.
    min_samples, alpha : optional
        As `collocate`.
    anomalies : {'none', 'climatology', 'moving_window'}
    anomaly_window : float, optional
        Days of the moving window.
    replicates : int, optional
        Resampled series for 95 % confidence limits; 0 for none.
    max_gap_days : float, optional
        Days between dates of products that are taken as one; those of the first product count. By default half the
        distance of each product's dates.
    engine : Engine, optional

    Returns
    -------
    CollocationResult

    Raises
    ------
    InputError
        As `read_products` and `design`; where a setting is impossible, or no cell has a sample.
    OutputError, Cancelled
        As `run_blocks`.

    Notes
    -----
    Samples are the dates on which all products have a value: with more than three products, too, so that all
    covariances are of the same days and the estimates of different triplets can be averaged.
    """
    from sm_toolbox.merging.products import read_products
    from sm_toolbox.raster import streaming
    from sm_toolbox.raster.outputs import RasterOutput
    from sm_toolbox.raster.writing import whole_outputs

    progress = engine.progress
    settings = Settings(
        design(product_count(sources), correlated), min_samples, alpha, anomalies, anomaly_window, replicates, 0
    )
    check_settings(settings)
    matched = read_products(sources, max_gap_days=max_gap_days, reference=0, min_samples=min_samples, progress=progress)
    products = matched.at(matched.common)
    if anomalies == "climatology":
        warn_of_short_climatology(products.times, progress)
    record = Record(products, settings, np.zeros(12, np.int64))
    plan = settings.design
    bands = output_bands(plan, replicates > 0)
    grid = products.grid
    reader = streaming.StackReader(products.bands, grid)
    for line in reader.warnings():
        progress.info(line)
    fixed, per_date = record.bytes_per_cell()
    stream = streaming.plan_stream(
        reader, len(products.times), fixed + 12 * len(bands), per_date, whole=replicates > 0, engine=engine
    )
    limited = [plan.estimates.index(f"{kind}_{letter}") for kind in LIMITED for letter in LETTERS[: plan.count]]
    limits_from = len(output_bands(plan, False))
    overview = Overview(
        [*plan.estimates, "samples", "flag", *(f"r_{pair}" for pair in plan.pair_names), *bands[limits_from:]], grid
    )
    counter = Counter(settings)

    def work(
        opened: OpenStacks, window: Window, emit: streaming.Emit, progress: Progress
    ) -> tuple[np.ndarray, Estimated]:
        sums = record.empty_sums((int(window.height), int(window.width)))
        block = means = None
        for first, block, means in record.read(opened, window, stream.dates):
            progress.check()
            record.add(first, block, means, sums)
        found = record.estimate(sums)
        extra = np.where(found.flags == 0, np.concatenate([found.found.correlations, found.found.p_values]), np.nan)
        parts = [found.estimates, extra, found.samples[None], found.flags[None]]
        if replicates and block is not None:
            limits = record.limits(block, found, cell_seeds(grid, window), means, sums, progress)
            parts += [limits[0, limited], limits[1, limited]]
        return np.concatenate(parts).astype(np.float32), found

    with whole_outputs([RasterOutput(output, bands, output_tags(products))], grid, stream.plan) as (writer,):
        for window, (result, found) in streaming.stream_in_order(reader, work, stream.plan, engine):
            writer.write(result, window)
            counter.count(found)
            overview.keep(window, "samples", np.stack([found.samples, found.flags]))
            overview.keep(window, plan.estimates[0], found.estimates)
            overview.keep(window, f"r_{plan.pair_names[0]}", found.found.correlations)
            if replicates:
                overview.keep(window, bands[limits_from], result[limits_from:])
        tally = counter.tally()
        if not tally.sampled:
            raise InputError(no_samples(products))
    report_tally(tally, settings, progress)
    return CollocationResult(products, settings, tally, bands, overview)


def output_bands(plan: Design, limits: bool) -> list[str]:
    """Return the names of the bands of the output.

    For each product a to e `error` (standard deviation in own units), `scaled_error` (in the space of a), `correlation`
    (with the truth), `snr` (dB), `sensitivity` (factor to the space of a) and `weight`; `merged_error`; with four and
    more products `error_correlation` of each pair; `r` and `p` (correlation and p-value of each pair); `samples` and
    `flag`; and `_low` and `_high` of the metrics where there are limits.

    Parameters
    ----------
    plan : Design
    limits : bool
        Whether there are confidence limits.

    Returns
    -------
    list of str
    """
    limited = [f"{kind}_{letter}" for kind in LIMITED for letter in LETTERS[: plan.count]]
    ends = [f"{name}_{end}" for end in ("low", "high") for name in limited] if limits else []
    return [
        *plan.estimates,
        *(f"{kind}_{pair}" for kind in ("r", "p") for pair in plan.pair_names),
        "samples",
        "flag",
        *ends,
    ]


def no_samples(products: Products) -> str:
    """Return the message for products that share no cell and date.

    Parameters
    ----------
    products : Products

    Returns
    -------
    str
    """
    return (
        f"No cell has data of all products on the same date: {', '.join(products.labels)}. Check that the layers "
        "overlap, that they are not empty, and that their nodata values are right (Layer properties > "
        "Information shows extent, minimum and maximum)."
    )


def product_count(sources: Sequence[Sequence[Source]]) -> int:
    """Return the number of products, up to the last that holds a raster; three where there are fewer.

    Parameters
    ----------
    sources : sequence of sequence of Source
        Those of each product.

    Returns
    -------
    int
    """
    return max([3, *(i + 1 for i, own in enumerate(sources) if own)])


def output_tags(products: Products) -> dict[str, str]:
    """Return metadata that tell what an output was made of.

    Parameters
    ----------
    products : Products

    Returns
    -------
    dict of str to str
    """
    named = {f"PRODUCT_{LETTERS[i].upper()}": label for i, label in enumerate(products.labels)}
    return {
        **named,
        "DATES": f"{products.times[0]} to {products.times[-1]}",
        "COMMON_DATES": str(int(np.count_nonzero(products.common))),
    }
