"""Triple collocation of raster stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.merging.collocation import LETTERS, Design
from sm_toolbox.merging.record import LIMITED, Estimated, Record, cell_seeds
from sm_toolbox.merging.run import Run
from sm_toolbox.merging.settings import DEFAULT_SETTINGS, CollocationSettings, Estimation
from sm_toolbox.merging.tally import Overview, Tally
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.merging.products import Products
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.outputs import RasterWriter
    from sm_toolbox.raster.streaming import Emit, OpenStacks


@dataclass(frozen=True)
class CollocationResult:
    """What was computed.

    Parameters
    ----------
    products : Products
        On the dates that all of them have.
    estimation : Estimation
    tally : Tally
    bands : list of str
        Of the output.
    overview : Overview
        Every so many cells of the estimates, `samples`, `flag`, and `r_…`, which here are not only of resolved cells.
    """

    products: Products
    estimation: Estimation
    tally: Tally
    bands: list[str]
    overview: Overview


@dataclass(frozen=True)
class _Collocated:
    """What comes of a window: the bands of the output, and what is known of its cells."""

    values: np.ndarray
    estimated: Estimated


@dataclass(frozen=True)
class _Collocating:
    """Collocates a window, with so many dates read at once."""

    record: Record
    dates: int

    def __call__(self, opened: OpenStacks, window: Window, emit: Emit, progress: Progress) -> _Collocated:
        record, plan = self.record, self.record.estimation.design
        sums, part = record.sum_up(opened, window, self.dates, progress)
        found = record.estimate(sums)
        pairs = np.concatenate([found.found.correlations, found.found.p_values])
        parts = [found.estimates, np.where(found.flags == 0, pairs, np.nan), found.samples[None], found.flags[None]]
        if record.estimation.settings.replicates and part is not None:
            _, block, means = part
            limits = record.limits(block, found, cell_seeds(record.products.grid, window), means, sums, progress)
            limited = [plan.estimates.index(name) for name in _limited(plan)]
            parts += [limits[0, limited], limits[1, limited]]
        return _Collocated(np.concatenate(parts).astype(np.float32), found)


def triple_collocation(
    sources: Sequence[Sequence[Source]],
    output: str,
    settings: CollocationSettings = DEFAULT_SETTINGS,
    *,
    engine: Engine = ALL_CORES,
) -> CollocationResult:
    """Estimate the random errors of three to five products, cell by cell, without knowing the truth.

    Parameters
    ----------
    sources : sequence of sequence of Source
        For each product dated bands of one variable. Files on other grids than the first are warped.
    output : str
        GeoTIFF; see `output_bands`.
    settings : CollocationSettings, optional
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
    from sm_toolbox.raster.outputs import RasterOutput

    run = Run.of(sources, settings, 0, engine).on_common_dates()
    plan, record = run.estimation.design, run.record()
    bands = output_bands(plan, settings.replicates > 0)
    fixed, per_date = record.bytes_per_cell()
    reader, stream = run.stream(fixed + 12 * len(bands), per_date)
    limits_from = len(output_bands(plan, False))
    overview = Overview(
        [*plan.estimates, "samples", "flag", *(f"r_{pair}" for pair in plan.pair_names), *bands[limits_from:]], run.grid
    )

    def keep(writers: Sequence[RasterWriter], window: Window, done: _Collocated) -> None:
        writers[0].write(done.values, window)
        found = done.estimated
        overview.keep(window, "samples", np.stack([found.samples, found.flags]))
        overview.keep(window, plan.estimates[0], found.estimates)
        overview.keep(window, f"r_{plan.pair_names[0]}", found.found.correlations)
        if settings.replicates:
            overview.keep(window, bands[limits_from], done.values[limits_from:])

    outputs = [RasterOutput(output, bands, run.tags())]
    tally = run.write(reader, stream, _Collocating(record, stream.dates), outputs, keep)
    return CollocationResult(run.products, run.estimation, tally, bands, overview)


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
    ends = [f"{name}_{end}" for end in ("low", "high") for name in _limited(plan)] if limits else []
    return [
        *plan.estimates,
        *(f"{kind}_{pair}" for kind in ("r", "p") for pair in plan.pair_names),
        "samples",
        "flag",
        *ends,
    ]


def _limited(plan: Design) -> list[str]:
    """Return the estimates that get confidence limits."""
    return [f"{kind}_{letter}" for kind in LIMITED for letter in LETTERS[: plan.count]]
