"""The report on sampling: what was found, and which stations lack what."""

from __future__ import annotations

import numpy as np

from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report.page import Page
from sm_toolbox.stations.pixels import PixelRows
from sm_toolbox.stations.sampling import Samples


def sampling_report(samples: Samples, pixels: PixelRows | None = None, progress: Progress = SILENT) -> Page:
    """Write the report on a sampling, and the pixels of a product that were added to it.

    Parameters
    ----------
    samples : Samples
    pixels : PixelRows, optional
    progress : Progress, optional

    Returns
    -------
    Page
    """
    total, complete = len(samples.rows.x), int(np.count_nonzero(samples.complete))
    page = Page(
        "Sampling report",
        f"{len(samples.variables)} predictors at {total:,} rows of '{samples.rows.layer}'.",
        progress=progress,
    )
    alone = pixels is not None and samples.rows.layer == pixels.product
    page.notice(
        f"{complete:,} of {total:,} rows{'' if alone else ' of stations'} have a value of every predictor; only these "
        "can train a model.",
        warning=complete < total,
    )
    if pixels is not None:
        page.text(
            f"{len(pixels.values):,} rows{'' if alone else ' more'} are pixels of '{pixels.product}', drawn from "
            f"{pixels.found:,} pixels and dates. Their target is the product, not a measurement: a model that fits "
            "them reproduces the product. "
            f"{'Judge its maps at stations.' if alone else 'Judge it on the rows of stations.'}"
        )
    page.heading("Predictors")
    rows = []
    for variable in samples.variables:
        values = variable.values[~np.isnan(variable.values)]
        limits = (
            (float(values.min()), float(values.mean()), float(values.max())) if len(values) else (float("nan"),) * 3
        )
        rows.append(
            (
                variable.variable,
                len(values),
                "" if variable.gap_days is None else variable.later,
                *(int(np.count_nonzero(mask)) for mask in (variable.outside, variable.no_date, variable.no_data)),
                *limits,
            )
        )
    page.table(
        (
            "Predictor",
            "rows with a value",
            "of them from a later date",
            "outside the raster",
            "no date near enough",
            "no data",
            "minimum",
            "mean",
            "maximum",
        ),
        rows,
    )
    incomplete = samples.incomplete_stations()
    if incomplete:
        page.heading("Pixels that lack values" if alone else "Stations that lack values")
        page.table(("Pixel" if alone else "Station", "rows without", "rows", "why"), incomplete)
    return page
