"""The report on a comparison of maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from sm_toolbox.metrics import METRICS
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.validation.maps import MapComparison
from sm_toolbox.validation.mapsums import METRICS_OF_MAPS

# Dates and zones in a table that is still read.
_MOST_ROWS = 400
# Edge ratios above which borders are seen by eye.
_VISIBLE = 1.2


def map_report(result: MapComparison, progress: Progress = SILENT) -> Page:
    """Write the report on a comparison of maps.

    Parameters
    ----------
    result : MapComparison
    progress : Progress, optional

    Returns
    -------
    Page
    """
    pairs = result.pairs
    page = Page(
        f"Comparison of {pairs.product.bands[0].source.label} with {pairs.reference.bands[0].source.label}",
        f"{pairs.labels[0]} less {pairs.labels[1]}: {int(result.number('n')):,} pairs of cells on {pairs.dates} "
        f"date{'s' if pairs.dates > 1 else ''}, {pairs.grid.width} × {pairs.grid.height} cells.",
        progress=progress,
    )
    _notices(page, result)
    page.heading("All dates")
    page.table(_head("Zone"), [(_zone(result, i), *_cells(result.pooled, i)) for i in range(1 + len(result.zones))])
    page.text(
        "R, R² and errors are over all pairs of cells and dates, so that R holds what differs in space and what "
        "differs in time. SPAEF rates one map as a pattern; here is the median of the dates. It is 1 where "
        "correlation, variation about the mean and distribution are those of the reference, and has no lower end "
        "(Demirel et al. 2018, doi 10.5194/gmd-11-1873-2018). Differences are product − reference."
    )
    if result.sample.size:
        product, reference = result.sample
        note = f"{len(product):,} of {int(result.number('n')):,} pairs\nR = {number(result.number('r'))}"
        page.figure(figures.scatter(reference, product, "Pairs of cells", note), "Product against reference.")
    _maps(page, result)
    _dates(page, result)
    return page


def _notices(page: Page, result: MapComparison) -> None:
    page.notice(
        f"R is {number(result.number('r'))}, RMSE {number(result.number('rmse'))} m³ m⁻³, ubRMSE "
        f"{number(result.number('ubrmse'))} m³ m⁻³ and bias {number(result.number('bias'))} m³ m⁻³; the median SPAEF "
        f"of the dates is {number(result.number('spaef'))}."
    )
    edges = result.edges
    if edges is None:
        return
    other = f" That of the reference is {edges.reference:.2f}." if np.isfinite(edges.reference) else ""
    visible = edges.product > _VISIBLE and not edges.product < 1.1 * edges.reference
    advice = (
        " They show as borders that are not in the ground: predictors from coarse cells reach the map without them "
        "with the resampling bilinear or auto."
        if visible
        else ""
    )
    page.notice(
        f"Edge ratio {edges.product:.2f}: the steps between neighbouring cells of the product are that many times as "
        f"large across the borders of the cells of '{edges.label}' as elsewhere (1: none to be seen).{other}{advice}",
        warning=visible,
    )


def _head(*first: str) -> tuple[str, ...]:
    return (*first, *(METRICS[name].symbol for name in METRICS_OF_MAPS), "SPAEF")


def _zone(result: MapComparison, place: int) -> str:
    return "all" if place == 0 else str(result.zones[place - 1])


def _cells(values: dict[str, np.ndarray], place: Any) -> list[Any]:
    return [
        int(values[name][place]) if name == "n" else float(values[name][place]) for name in (*METRICS_OF_MAPS, "spaef")
    ]


def _maps(page: Page, result: MapComparison) -> None:
    """Show where the two differ, and where they go together in time."""
    page.heading("Where")
    bias = result.overview["bias"]
    if np.isfinite(bias).any():
        reach = float(np.nanpercentile(np.abs(bias), 99)) or 1.0
        page.figure(
            figures.maps([("Mean difference", bias)], "product − reference (m³ m⁻³)", "RdBu", (-reach, reach)),
            "Mean over the dates of each cell; in large maps every so many cells.",
        )
    r, ubrmse = result.overview["r"], result.overview["ubrmse"]
    if np.isfinite(r).any():
        page.figure(
            figures.maps([("R in time", r)], "R", "viridis", (-1, 1)),
            "Correlation of the dates in each cell; cells with fewer than three have none.",
        )
        page.figure(
            figures.maps([("ubRMSE in time", ubrmse)], "ubRMSE (m³ m⁻³)", "magma"),
            "Error without the bias of the cell.",
        )


def _dates(page: Page, result: MapComparison) -> None:
    """Show each date, and each zone of it."""
    names = result.pairs.names
    if len(names) < 2:
        return
    page.heading("Dates")
    with_pairs = np.flatnonzero(result.by_date["n"][:, 0] > 0)
    groups = {
        METRICS[name].symbol: result.by_date[name][with_pairs, 0] for name in ("r", "bias", "ubrmse")
    } | {"SPAEF": result.by_date["spaef"][with_pairs, 0]}  # fmt: skip
    for label, values in groups.items():
        if np.isfinite(values).any():
            unit = " (m³ m⁻³)" if label in ("bias", "ubRMSE") else ""
            page.figure(figures.boxes({"dates": values}, f"{label} in space{unit}"), f"{label} of the dates.")
    rows = [
        (names[date], _zone(result, zone), *_cells(result.by_date, (date, zone)))
        for date in with_pairs
        for zone in range(1 + len(result.zones))
    ]
    page.table(_head("Date", "zone"), rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        page.text(f"{len(rows) - _MOST_ROWS:,} further rows are in the table of dates and zones.")
