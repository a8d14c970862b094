"""The report on an import from ISMN: what was taken, what was left out and why."""

from __future__ import annotations

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report.figures import BLUE, GREY, ORANGE, plain
from sm_toolbox.report.page import Page
from sm_toolbox.stations.ismn.imported import Import, Series
from sm_toolbox.stations.ismn.selection import QUALITY_FLAGS, Selection

_SHOWN = 4
_MONTHS = np.dtype("datetime64[M]")
_COLORS = (BLUE, ORANGE, "#5b8c3f", "#5b3f8c")


def import_report(result: Import, variable: str, progress: Progress = SILENT) -> Page:
    """Write the report on an import.

    Parameters
    ----------
    result : Import
    variable : str
        For the axes of the figures.
    progress : Progress, optional

    Returns
    -------
    Page
    """
    rows = sum(len(series.times) for series in result.series)
    page = Page("ISMN import", f"{variable} from '{result.path}': {_describe(result.selection)}.", progress=progress)
    page.notice(
        f"{rows:,} rows of {len(result.series)} sensors at {len(result.stations)} stations, from "
        f"{result.observations:,} observations."
    )
    for warning in result.warnings:
        page.notice(warning, warning=True)

    page.heading("Stations over time")
    page.figure(_stations_over_time(result.series), "Stations with at least one row in the month.")
    page.figure(
        _some_series(result.series, variable),
        f"The {min(_SHOWN, len(result.series))} longest series, as means of the "
        f"{'month' if result.selection.period == 'month' else 'day'}.",
    )

    page.heading("Sensors taken")
    page.table(
        (
            "Station",
            "sensor",
            "depth (m)",
            "first (UTC)",
            "last",
            "rows",
            "observations",
            "rejected by flags",
            "% rejected",
            "days with rows (%)",
            "longest gap (days)",
            "mean",
        ),
        [_sensor_row(series) for series in result.series],
    )

    page.heading("Quality flags")
    page.text(
        "Within START and END, of the sensors of these depths. An observation is taken where all of its flags "
        "are accepted."
    )
    total = sum(result.flags.values())
    page.table(
        ("Flags", "meaning", "observations", "%", "taken"),
        [
            (
                cell or "none",
                "; ".join(QUALITY_FLAGS.get(flag, "unknown") for flag in cell.split(",")) if cell else "",
                count,
                100 * count / total,
                "yes" if result.selection.takes_flags(cell) else "no",
            )
            for cell, count in result.flags.most_common(40)
        ],
    )

    page.heading("Land cover and climate")
    covers = Counter((series.land_cover or "not known", series.climate or "not known") for series in result.series)
    page.table(
        ("Land cover (ESA CCI)", "climate (Köppen–Geiger)", "sensors"),
        [(*pair, count) for pair, count in covers.most_common()],
    )

    if result.other_depths or result.other_variables:
        page.heading("Not asked for")
        listed = [(f"{top:g}–{bottom:g} m", count) for (top, bottom), count in sorted(result.other_depths.items())]
        page.table(("Depth or variable", "files"), [*listed, *result.other_variables.most_common()])
    if result.skipped:
        page.heading("Files skipped")
        page.table(("File", "why"), result.skipped)
    page.text("Times are UTC. The data belong to the networks: cite them as ISMN's terms ask (https://ismn.earth).")
    return page


def _describe(selection: Selection) -> str:
    rule = "within" if selection.depth_rule == "encloses" else "overlapping"
    parts = [
        f"depths {rule} {selection.depth_from:g} to {selection.depth_to:g} m",
        "any flag" if selection.flags is None else f"flags {', '.join(selection.flags)}",
    ]
    if selection.start or selection.end:
        parts.append(f"{selection.start or 'the beginning'} to {selection.end or 'the end'}")
    if selection.period != "none":
        parts.append(f"means by the {selection.period} of at least {selection.min_count} observations")
    if selection.sensors == "mean":
        parts.append("sensors of one station and depth averaged")
    return "; ".join(parts)


def _sensor_row(series: Series) -> tuple:
    days = np.unique(series.times.astype("datetime64[D]"))
    span = int((days[-1] - days[0]).astype(int)) + 1
    monthly = series.times.dtype == _MONTHS
    judged = series.observations + series.tally.flagged
    return (
        series.station_id,
        series.sensor,
        f"{series.place.top:g}–{series.place.bottom:g}",
        str(series.times[0]).replace("T", " "),
        str(series.times[-1]).replace("T", " "),
        len(series.times),
        series.observations,
        series.tally.flagged,
        100 * series.tally.flagged / judged,
        None if monthly else 100 * len(days) / span,
        None if monthly else int(np.diff(days).astype(int).max(initial=1)) - 1,
        float(series.values.mean()),
    )


def _stations_over_time(all_series: list[Series]) -> Figure:
    months = Counter(month for station_months in _months_of_stations(all_series).values() for month in station_months)
    axis = np.arange(min(months), max(months) + 2)
    figure = Figure(figsize=(8, 2.4))
    axes = figure.add_subplot()
    counts = [months.get(month, 0) for month in axis[:-1]]
    axes.stairs(counts, _numbers(axis), color=BLUE, fill=True, alpha=0.7)
    axes.xaxis_date()
    axes.set_ylim(0, max(counts) * 1.1)
    axes.set_ylabel("stations")
    axes.grid(axis="y", color=GREY, alpha=0.3)
    figure.autofmt_xdate()
    return figure


def _months_of_stations(all_series: list[Series]) -> dict[str, set[np.datetime64]]:
    months: dict[str, set[np.datetime64]] = {}
    for series in all_series:
        months.setdefault(series.station_id, set()).update(np.unique(series.times.astype("datetime64[M]")))
    return months


def _some_series(all_series: list[Series], variable: str) -> Figure:
    longest = sorted(all_series, key=lambda series: -len(series.times))[:_SHOWN]
    figure = Figure(figsize=(8, 1.6 * len(longest) + 0.6))
    for number, (axes, series) in enumerate(
        zip(figure.subplots(len(longest), 1, sharex=True, squeeze=False)[:, 0], longest)
    ):
        days, day_index = np.unique(series.times.astype("datetime64[D]"), return_inverse=True)
        means = np.bincount(day_index.reshape(-1), series.values) / np.bincount(day_index.reshape(-1))
        if series.times.dtype != _MONTHS:
            # Break the line where days are missing.
            axis = np.arange(days[0], days[-1] + 1)
            gaps = np.full(len(axis), np.nan)
            gaps[(days - days[0]).astype(int)] = means
            days, means = axis, gaps
        axes.plot(
            _numbers(days),
            means,
            color=_COLORS[number],
            linewidth=0.8,
            marker=".",
            markersize=3 if len(days) < 200 else 1,
        )
        axes.set_title(
            plain(f"{series.station_id}, {series.place.top:g}–{series.place.bottom:g} m, {series.sensor}"), fontsize=9
        )
        axes.set_ylabel(plain(series.unit or variable), fontsize=8)
        axes.xaxis_date()
    figure.autofmt_xdate()
    return figure


def _numbers(times: np.ndarray) -> np.ndarray:
    """Return times as matplotlib counts them, in days."""
    return times.astype("datetime64[D]").astype(float)
