"""The report of an import: bands, what was masked for which reason, files taken and skipped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sm_toolbox.products.importing import Imported, Request
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.grid import label
from sm_toolbox.report.page import Page

_MOST_ROWS = 500


def product_report(result: Imported, request: Request, progress: Progress = SILENT) -> Page:
    """Return the report of an import.

    Parameters
    ----------
    result : Imported
    request : Request
    progress : Progress, optional

    Returns
    -------
    Page
    """
    taken = dict(result.found.taken)
    products = Counter(taken.values())
    page = Page(
        "Import of products",
        f"{', '.join(products)}: {len(result.bands)} bands of {len({name.partition('@')[0] for name in result.bands})} "
        f"variables from {len(taken)} files."
        if result.bands
        else "Nothing new: the output has all that is in the files, and stays as it is.",
        progress=progress,
    )
    grid = result.grid
    page.text(
        f"The grid has {grid.width} × {grid.height} cells of {grid.cell_size[0]:.6g} × {grid.cell_size[1]:.6g} in "
        f"{label(grid.crs)}."
    )
    for note in result.found.notes:
        page.notice(note, warning=True)
    page.heading("What was left out")
    if request.level == "all":
        page.text("Nothing: all cells that have values were taken, whatever their quality layers say.")
    elif result.reasons:
        page.text(
            f"{result.masked_percent:.1f} % of the cells with values were ruled out by quality layers (level "
            f"{request.level}). Of the cells with values these were marked so; a cell may be marked by several, and "
            "not every mark rules it out:"
        )
        rows = sorted(result.reasons.items(), key=lambda item: -item[1])
        page.table(["reason", "cells (%)"], [[name, f"{percent:.2f}"] for name, percent in rows])
    else:
        page.text("Nothing: no quality layer of these files marks a cell with a value, or they have none.")
    if result.empty:
        page.text(
            f"{len(result.empty)} bands have no cell left and are not in the output: {', '.join(result.empty[:20])}."
        )
    page.heading("Bands")
    page.lines(result.bands[:_MOST_ROWS])
    page.heading("Files that were skipped")
    if result.found.skipped:
        page.table(
            ["file", "reason"], [[Path(path).name, reason] for path, reason in result.found.skipped[:_MOST_ROWS]]
        )
    else:
        page.text("None.")
    page.heading("Files that were taken")
    page.table(
        ["file", "product"],
        [[Path(path).name, product] for path, product in dict(result.found.taken).items()][:_MOST_ROWS],
    )
    return page
