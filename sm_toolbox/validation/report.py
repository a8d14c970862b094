"""The report on a validation against stations."""

from __future__ import annotations

import numpy as np

from sm_toolbox.metrics import FEWEST_EFFECTIVE
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.report.text import metric_cells, metric_head, metrics_explained, summary
from sm_toolbox.validation.rating import StationMetrics, StationValidation

_MOST_SERIES = 8


def validation_report(
    result: StationValidation, product: str, layer: str, min_samples: int, progress: Progress = SILENT
) -> Page:
    """Write the report on a validation.

    Parameters
    ----------
    result : StationValidation
    product, layer : str
        Names of what was compared.
    min_samples : int
        Pairs that a station needed.
    progress : Progress, optional

    Returns
    -------
    Page
    """
    page = Page(
        f"Validation of {product}",
        f"Against the stations of '{layer}': {result.pooled.n:,} pairs at {len(np.unique(result.stations))} stations.",
        progress=progress,
        unit=result.unit,
    )
    spread = (
        f"over stations the median R is {number(result.median('r'))}, the median ubRMSE "
        f"{number(result.median('ubrmse'))} and the median bias {number(result.median('bias'))} m³ m⁻³."
    )
    page.notice(
        f"Over all pairs R is {number(result.pooled.r)}, R² {number(result.pooled.r2)} and RMSE "
        f"{number(result.pooled.rmse)} m³ m⁻³; {spread}"
    )
    if np.isfinite(result.pooled.r2) and result.pooled.r2 <= 0:
        page.notice("R² is not above zero: the mean of the observations would be as good as the product.", warning=True)
    for reason, count in result.unmatched:
        page.notice(f"{count:,} observations have no pair: {reason}.", warning=True)
    if result.too_few:
        names = ", ".join(f"{name} ({count})" for name, count in result.too_few[:30]) + (
            " …" if len(result.too_few) > 30 else ""
        )
        page.notice(
            f"{len(result.too_few)} stations have fewer than {min_samples} pairs and are not rated on their own: "
            f"{names}.",
            warning=True,
        )

    page.heading("All pairs")
    page.table(("", *metric_head()), [("all pairs", *metric_cells(result.pooled.values))])
    page.text(metrics_explained())
    page.figure(
        figures.scatter(result.observed, result.predicted, "All pairs", summary(result.pooled)),
        "Product against observations.",
    )
    _stations(page, result)
    _series(page, result)
    return page


def _stations(page: Page, result: StationValidation) -> None:
    stations = result.by_station
    page.heading("Stations")
    groups: dict[str, list[StationMetrics]] = {}
    for item in stations:
        groups.setdefault(item.group or "all stations", []).append(item)
    for name, label in (("r", "R"), ("bias", "bias (m³ m⁻³)"), ("ubrmse", "ubRMSE (m³ m⁻³)")):
        if any(np.isfinite(item.metrics.values[name]) for item in stations):
            page.figure(
                figures.boxes(
                    {
                        group: [item.metrics.values[name] for item in members]
                        for group, members in sorted(groups.items())
                    },
                    label,
                ),
                f"{label} of the stations.",
            )
    points = []
    for item in stations:
        is_station = result.stations == item.station
        spread = result.observed[is_station].std()
        points.append(
            (item.station, result.predicted[is_station].std() / spread if spread > 0 else float("nan"), item.metrics.r)
        )
    page.figure(
        figures.taylor(points, "Taylor diagram"),
        "Each dot is a station: the angle is its correlation, the radius the standard deviation of the product "
        "relative to the observed one, the distance from the star the relative ubRMSE.",
    )
    page.table(
        (
            "Station",
            "group",
            *metric_head(),
            "R from",
            "R to",
            "ubRMSE from",
            "ubRMSE to",
            "bias from",
            "bias to",
            "effective n",
        ),
        [
            (item.station, item.group, *metric_cells(item.metrics.values), *_limits(item))
            for item in sorted(stations, key=lambda item: -item.metrics.rmse)
        ],
    )
    page.text(
        "From and to are 95 % confidence limits: Fisher's z for R, χ² for ubRMSE and Student's t for the bias, "
        "each with the number of samples that are independent of one another (from the lag-1 autocorrelation of "
        "the pairs in order of time, without the bias of short samples). Where these are fewer than "
        f"{FEWEST_EFFECTIVE} there are none: they would hold less often than they say."
    )


def _limits(item: StationMetrics) -> tuple[float, ...]:
    limits = item.intervals
    return (
        limits.r_low,
        limits.r_high,
        limits.ubrmse_low,
        limits.ubrmse_high,
        limits.bias_low,
        limits.bias_high,
        limits.n_effective,
    )


def _series(page: Page, result: StationValidation) -> None:
    """Show the series of the stations around the quartiles of R, so that good and bad ones are both seen."""
    dated = [
        item
        for item in result.by_station
        if np.isfinite(item.metrics.r) and not np.isnat(result.times[result.stations == item.station]).any()
    ]
    if not dated:
        return
    page.heading("Series")
    ranked = sorted(dated, key=lambda item: -item.metrics.r)
    positions = sorted({round(i) for i in np.linspace(0, len(ranked) - 1, min(_MOST_SERIES, len(ranked)))})
    page.text(f"{len(positions)} of {len(ranked)} stations, from the highest to the lowest correlation.")
    for position in positions:
        item = ranked[position]
        is_station = result.stations == item.station
        page.figure(
            figures.series(
                result.times[is_station],
                result.observed[is_station],
                result.predicted[is_station],
                f"{item.station}: R = {number(item.metrics.r)}, bias = {number(item.metrics.bias)}",
            ),
            f"Station {item.station}.",
        )
