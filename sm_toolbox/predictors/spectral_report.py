"""The report on spectral indices: what was read how, and the edges of temperature over NDVI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.predictors.spectral import SpectralResult
from sm_toolbox.predictors.triangle import Edges
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_FIGURES = 8


def spectral_report(result: SpectralResult, sensor: str, progress: Progress = SILENT) -> Page:
    """Write the report on spectral indices.

    Parameters
    ----------
    result : SpectralResult
    sensor : str
    progress : Progress, optional

    Returns
    -------
    Page
    """
    page = Page(
        "Spectral indices", f"{len(result.bands)} bands from {len(result.inputs)} bands of {sensor}.", progress=progress
    )
    if result.edges:
        _edges(page, result)
    page.heading("Reflectances")
    page.text(
        "Values that cannot be reflectances are left out: clouds that the product did not mask, saturated cells, "
        "or a wrong scale."
    )
    page.table(
        ("Band", "date", "file", "number", "reflectance =", "left out (%)"),
        [
            (
                item.role,
                str(item.band.time or ""),
                item.band.source.label,
                item.band.index,
                item.calibration.reason,
                100 * item.share,
            )
            for item in result.inputs
        ],
    )
    return page


def _edges(page: Page, result: SpectralResult) -> None:
    page.heading("Edges of temperature over NDVI")
    rising = [str(edges.time or "the scene") for edges in result.edges if edges.dry[1] >= 0]
    if rising:
        page.notice(
            f"The dry edge does not fall with NDVI on {', '.join(rising)}: there tvdi and vtci say little about "
            "moisture.",
            warning=True,
        )
    page.table(
        (
            "Date",
            "dry edge at NDVI 0",
            "dry edge per unit of NDVI",
            "wet edge at NDVI 0",
            "wet edge per unit of NDVI",
            "constant wet edge",
            "bins",
        ),
        [(str(edges.time or ""), *edges.dry, *edges.wet, edges.coldest, len(edges.centres)) for edges in result.edges],
    )
    page.text("Temperatures are in the unit of LST.")
    for position in sorted(
        {round(i) for i in np.linspace(0, len(result.edges) - 1, min(_MOST_FIGURES, len(result.edges)))}
    ):
        edges = result.edges[position]
        page.figure(
            _triangle(edges),
            "Warmest and coldest cells of bins of NDVI and the edges through "
            f"them{f', {edges.time}' if edges.time else ''}.",
        )
    page.heading("Beyond the edges")
    page.text(
        "Cells below 0 and above 1 are colder or warmer than the edges, which leave out the outermost cells of "
        "each bin. A few per cent are as they should be."
    )
    page.table(
        ("Band", "below 0 (%)", "above 1 (%)"),
        [(name, 100 * below, 100 * above) for name, (below, above) in result.outside.items()],
    )


def _triangle(edges: Edges) -> Figure:
    from matplotlib.figure import Figure

    from sm_toolbox.report.figures import BLUE, GREY, ORANGE

    figure = Figure(figsize=(6, 4.4))
    axes = figure.add_subplot()
    cells = axes.hexbin(edges.ndvi, edges.lst, gridsize=60, bins="log", mincnt=1, cmap="Greys")
    figure.colorbar(cells, ax=axes, label="cells")
    for values, (intercept, slope), color, label in (
        (edges.warm, edges.dry, ORANGE, "dry edge"),
        (edges.cold, edges.wet, BLUE, "wet edge"),
    ):
        axes.plot(edges.centres, values, ".", color=color)
        axes.plot(
            edges.centres,
            intercept + slope * edges.centres,
            color=color,
            label=f"{label}: {intercept:.2f} {slope:+.2f} NDVI",
        )
    axes.axhline(
        edges.coldest, color=GREY, linestyle="--", linewidth=1, label=f"constant wet edge: {edges.coldest:.2f}"
    )
    axes.set(xlabel="NDVI", ylabel="surface temperature")
    axes.legend(fontsize=8)
    return figure
