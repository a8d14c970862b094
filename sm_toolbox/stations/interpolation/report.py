"""The report on interpolated stations: the variogram, leave-one-out errors, and maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.stations.interpolation.quality import distance_text
from sm_toolbox.stations.interpolation.result import PLAIN_MEAN, LeftOut, rmse

if TYPE_CHECKING:
    from sm_toolbox.stations.interpolation.result import Result

_TITLES = {
    "ordinary_kriging": "Ordinary kriging",
    "simple_kriging": "Simple kriging",
    "idw": "Inverse distance weighting",
}
_WORST_STATIONS = 20


def interpolation_report(result: Result, progress: Progress = SILENT) -> Page:
    """Write the report on an interpolation.

    Parameters
    ----------
    result : Result
    progress : Progress, optional

    Returns
    -------
    Page
    """
    observations, settings = result.observations, result.settings
    title = "Universal kriging" if result.drift else _TITLES[settings.method]
    dates = (
        f"{len(observations.times)} dates, {observations.times[0]} to {observations.times[-1]}"
        if observations.times != [None]
        else "no dates"
    )
    page = Page(
        f"Interpolated stations: {result.variable}",
        f"{title} of {len(observations.names)} stations of '{observations.layer}'; {dates}; "
        f"{int(np.isfinite(observations.values).sum()):,} values.",
        progress=progress,
    )
    _summary(page, result)
    for text in result.warnings:
        page.notice(text, warning=True)
    for text in observations.notes:
        page.text(text)
    page.text(_about(result))
    if result.variogram is not None:
        _variogram(page, result)
    _errors(page, result)
    _maps(page, result)
    if result.skipped:
        page.heading("Dates without a map")
        page.table(("Date", "values", "why"), result.skipped)
    return page


def _summary(page: Page, result: Result) -> None:
    left_out = result.left_out
    plain = rmse(left_out.others[PLAIN_MEAN] - left_out.observed)
    if not np.isfinite(left_out.rmse) or not plain > 0:
        return
    gain = 100 * (1 - left_out.rmse / plain)
    worth = f"{gain:.0f} % less than" if gain >= 1 else "hardly less than"
    page.notice(
        f"A station left out is predicted with an error (RMSE) of {number(left_out.rmse)}, {worth} by the plain "
        f"mean of the others ({number(plain)}).",
        warning=gain < 1,
    )


def _about(result: Result) -> str:
    settings, count = result.settings, len(result.observations.names)
    which = (
        f"the {result.neighbours} nearest stations"
        if result.neighbours and result.neighbours < count
        else "all stations"
    )
    parts = [f"Each cell is computed from {which} that have a value on the date."]
    if settings.method == "idw":
        parts.append(
            f"Weights fall with distance to the power of {settings.power:g}; at a station the map is its value."
        )
        return " ".join(parts)
    if settings.method == "simple_kriging":
        parts.append(
            f"The mean is taken as known: {'that of the date' if settings.mean is None else f'{settings.mean:g}'}."
        )
    if result.drift:
        parts.append(f"The mean depends linearly on {', '.join(result.drift)}, with coefficients of each date.")
    parts.append(
        "The map is that of the field without the nugget, which counts as error of measurement; it meets the "
        "stations exactly only where the nugget is 0. The variance is that of what another station would "
        "measure."
    )
    return " ".join(parts)


def _variogram(page: Page, result: Result) -> None:
    variogram, empirical = result.variogram, result.empirical
    assert variogram is not None and empirical is not None
    page.heading("Variogram")
    if variogram.sill == 0:
        page.text("All values of each date are equal: there is no variogram.")
        return
    fixed = [
        name
        for name, value in (
            ("nugget", result.settings.nugget),
            ("sill", result.settings.sill),
            ("range", result.settings.range),
        )
        if value is not None
    ]
    page.figure(
        _variogram_figure(result),
        "Half the mean squared difference between stations by their distance, and the model. Larger points stand "
        "for more pairs.",
    )
    ends = "ends" if variogram.model == "spherical" else "has fallen to 5 %"
    page.text(
        f"Likeness {ends} at a range of {distance_text(variogram.range)}. Far apart, values vary with a variance "
        f"of {variogram.sill:.3g} (sill, standard deviation {variogram.sill**0.5:.3g}); "
        f"{100 * variogram.nugget:.0f} % of it ({variogram.nugget * variogram.sill:.3g}) is there at no distance "
        "at all (nugget: errors of measurement, and what varies between neighbours). "
        + (
            f"The points lie {100 * variogram.fit_error:.0f} % off the curve (root mean square, by pairs)."
            if np.isfinite(variogram.fit_error)
            else ""
        )
        + (f" Given, not fitted: {', '.join(fixed)}." if fixed else "")
    )
    subject = "what the drift leaves of the values (by least squares)" if result.drift else "the values"
    pooled = (
        ""
        if len(result.scale) == 1
        else " The pairs of all dates are pooled, since one date has too few for a variogram."
    )
    scaled = (
        " The sill of each date is then scaled to the variance of its values (here "
        f"{number(float(result.scale.min()))} to {number(float(result.scale.max()))} times the sill above), as "
        "Bastin et al. (1984) do for rain."
        if len(result.scale) > 1 and result.settings.sill is None
        else ""
    )
    page.text(
        f"It is that of {subject}, fitted with the weights of Cressie (1985) to the nearest three quarters of the "
        f"pairs of stations.{pooled}{scaled}"
    )
    if result.models:
        page.table(
            ("Model", "range (km)", "sill", "nugget (% of sill)", "off the curve (%)", "RMSE at stations left out"),
            [
                (each.model, each.range / 1000, f"{each.sill:.3g}", 100 * each.nugget, 100 * each.fit_error, error)
                for each, error in result.models
            ],
        )


def _variogram_figure(result: Result) -> Figure:
    variogram, empirical = result.variogram, result.empirical
    assert variogram is not None and empirical is not None
    unit, factor = ("km", 1000) if empirical.reach >= 2000 else ("m", 1)
    figure = Figure(figsize=(6.4, 3.8))
    axes = figure.add_subplot()
    end = 1.1 * float(empirical.distance.max())
    h = np.linspace(1e-3 * end, end, 300)
    axes.scatter(
        empirical.distance / factor,
        empirical.semivariance,
        s=15 + 75 * empirical.pairs / empirical.pairs.max(),
        color=figures.BLUE,
        alpha=0.8,
        label="stations",
        zorder=3,
    )
    axes.plot(h / factor, variogram(h), color=figures.ORANGE, label=f"{variogram.model} model")
    if variogram.range <= end:
        axes.axhline(variogram.sill, color=figures.GREY, linewidth=0.8, linestyle="--", label="sill")
        axes.axvline(variogram.range / factor, color=figures.GREY, linewidth=0.8, linestyle=":", label="range")
    axes.set(
        xlim=(0, end / factor), xlabel=f"distance ({unit})", ylabel=f"semivariance of {figures.plain(result.variable)}"
    )
    axes.set_ylim(0, 1.15 * max(float(empirical.semivariance.max()), variogram.sill if variogram.range <= end else 0.0))
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def _errors(page: Page, result: Result) -> None:
    left_out, observations = result.left_out, result.observations
    page.heading("Stations left out")
    both = np.isfinite(left_out.errors)
    if not both.any():
        page.text("With one station there is none to compare with.")
        return
    page.text(
        "Each station is predicted from the others of its date. The variogram is not fitted again, so that "
        "errors are a little too small. Bias is predicted − observed."
    )
    rows = [
        (
            _TITLES[result.settings.method] if not result.drift else "Universal kriging",
            left_out.rmse,
            left_out.bias,
            left_out.r,
        )
    ]
    for name, predicted in left_out.others.items():
        other = LeftOut(left_out.observed, predicted, left_out.variance)
        rows.append((name, other.rmse, other.bias, other.r))
    page.table(("Method", "RMSE", "bias", "R"), rows)
    if len(observations.times) > 1:
        page.text(
            "R is over all dates, whose differences count, too: compare it with that of the mean, which knows "
            "nothing else."
        )
    if np.isfinite(left_out.calibration):
        page.text(
            f"Squared errors are on average {left_out.calibration:.2f} times the kriging variance; 1 is ideal, "
            "more means that the variance map promises too much."
        )
    figure = figures.scatter(
        left_out.observed[both],
        left_out.predicted[both],
        "Stations left out",
        f"n = {int(both.sum()):,}\nRMSE = {number(left_out.rmse)}\nR = {number(left_out.r)}",
    )
    figure.axes[0].set(
        xlabel=f"observed {figures.plain(result.variable)}", ylabel=f"predicted {figures.plain(result.variable)}"
    )
    page.figure(figure, "Predicted from the other stations of the date against observed.")
    if len(observations.times) > 1:
        _by_date(page, result)
    if both.any(axis=1).sum() > 1:
        errors = [
            (name, int(is_valid.sum()), rmse(error), float(np.mean(error[is_valid])))
            for name, error, is_valid in zip(observations.names, left_out.errors, both)
            if is_valid.any()
        ]
        errors.sort(key=lambda row: -row[2])
        page.heading("Stations that fit least")
        page.text(
            "Errors of the same sign on all dates tell of a place that differs from its surroundings, of a "
            "sensor with a bias, or of wrong coordinates."
        )
        page.table(("Station", "dates", "RMSE", "bias"), errors[:_WORST_STATIONS])


def _by_date(page: Page, result: Result) -> None:
    left_out, observations = result.left_out, result.observations
    plain = left_out.others[PLAIN_MEAN] - left_out.observed
    page.heading("Dates")
    page.text(
        "Mean and standard deviation (SD) of the stations; errors at stations left out, of the method and of the "
        "plain mean of the others."
    )
    rows = []
    for date, time in enumerate(observations.times):
        values = observations.values[np.isfinite(observations.values[:, date]), date]
        part = LeftOut(left_out.observed[:, [date]], left_out.predicted[:, [date]], left_out.variance[:, [date]])
        rows.append(
            (
                str(time),
                len(values),
                float(values.mean()),
                float(values.std()),
                part.rmse,
                rmse(plain[:, date]),
                part.calibration,
            )
        )
    head = ["Date", "stations", "mean", "SD", "RMSE", "RMSE of mean", "error² / variance"]
    columns = len(head) if result.variogram is not None else len(head) - 1
    page.table(head[:columns], [row[:columns] for row in rows])


def _maps(page: Page, result: Result) -> None:
    page.heading("Maps")
    titles = [str(time) if time is not None else result.variable for time, _, _ in result.maps]
    which = "The dates with the smallest and the largest mean of the stations" if len(titles) > 1 else "The map"
    _with_stations(
        page,
        result,
        [(title, image) for title, (_, image, _) in zip(titles, result.maps)],
        result.variable,
        "YlGnBu",
        which,
    )
    deviations = [(title, image) for title, (_, _, image) in zip(titles, result.maps) if image is not None]
    if deviations:
        _with_stations(
            page,
            result,
            deviations,
            f"standard deviation of {result.variable}",
            "magma_r",
            "Kriging standard deviation: the root of the variance",
        )


def _with_stations(
    page: Page, result: Result, images: list[tuple[str, np.ndarray]], label: str, cmap: str, caption: str
) -> None:
    """Draw maps with the stations on them."""
    if not any(np.isfinite(image).any() for _, image in images):
        return
    figure = figures.maps(images, label, cmap)
    columns, rows = result.places
    for axes in figure.axes[: len(images)]:
        # Centres of cells have whole numbers in a figure.
        axes.scatter(columns - 0.5, rows - 0.5, s=9, facecolors="white", edgecolors="black", linewidths=0.7)
    page.figure(figure, f"{caption}. Circles are stations.")
