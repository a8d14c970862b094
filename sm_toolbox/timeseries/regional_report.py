"""The report on series of regions."""

from __future__ import annotations

import numpy as np

from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report.figures import COLORS
from sm_toolbox.report.page import Page
from sm_toolbox.report.timefigures import hovmoeller, mean_years, series_of_regions
from sm_toolbox.timeseries.regional import RegionalSeries, VariableSeries


def regional_report(found: RegionalSeries, progress: Progress = SILENT) -> Page:
    """Write the report on series of regions.

    Parameters
    ----------
    found : RegionalSeries
    progress : Progress, optional

    Returns
    -------
    Page
    """
    names = ", ".join(item.variable for item in found.variables)
    dates = max(len(item.times) for item in found.variables)
    page = Page(
        "Regional series",
        f"{names} in {_counted(len(found.zones), 'zone')} on {_counted(dates, 'date')}.",
        progress=progress,
    )
    for item in found.variables:
        page.heading(item.variable)
        page.table(("Zone", "cells", "dates with data", "mean", "sd in space", "coverage [%]"), _rows(found, item))
        if item.times[0] is None:
            continue
        when = np.array([time.start for time in item.times if time is not None], "datetime64[s]")
        # The zones with the most cells, as many as there are colours.
        shown = np.sort(np.argsort(-found.cells[: len(found.zones)], kind="stable")[: len(COLORS)])
        named = {found.zones[zone]: item.mean[:, zone] for zone in shown}
        if len(when) > 1:
            page.figure(
                series_of_regions(when, named, item.variable, "Mean of the cells with data"),
                "Where coverage changes, the mean changes with it: compare dates of like coverage.",
            )
        months = when.astype("datetime64[M]").astype(int) % 12
        if len(np.unique(months)) > 1:
            cycles = {name: _mean_year(values, months) for name, values in named.items()}
            page.figure(
                mean_years(cycles, item.variable), "The mean year: each month's mean of all its dates.", half=True
            )
        if len(when) > 1 and len(found.bands) > 1:
            page.figure(
                hovmoeller(when, found.bands, item.coverage[:, len(found.zones) :], "share of cells with data"),
                "Coverage by latitude and date. Columns are dates, whatever lies between them.",
            )
    return page


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rows(found: RegionalSeries, item: VariableSeries) -> list[tuple[str, int, int, float, float, float]]:
    rows = []
    for zone, name in enumerate(found.zones):
        known = ~np.isnan(item.mean[:, zone])
        rows.append(
            (
                name,
                int(found.cells[zone]),
                int(known.sum()),
                float(item.mean[known, zone].mean()) if known.any() else float("nan"),
                float(np.nanmean(item.sd[:, zone])) if (~np.isnan(item.sd[:, zone])).any() else float("nan"),
                100 * float(np.nan_to_num(item.coverage[:, zone]).mean()),
            )
        )
    return rows


def _mean_year(values: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Return the mean of each month of a series, NaN where it has none."""
    found = np.full(12, np.nan)
    for month in np.unique(months):
        own = values[(months == month) & ~np.isnan(values)]
        if len(own):
            found[month] = own.mean()
    return found
