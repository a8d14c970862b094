"""The report on a validation against stations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.metrics import FEWEST_EFFECTIVE, METRICS
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.report.text import metric_cells, metric_head, metrics_explained, summary
from sm_toolbox.validation.groups import EVERY_STATION, by_tenth, group_rows, groups_differ, spread_ratio
from sm_toolbox.validation.products import COMPARED, ProductsValidation, paired_difference, pairs_of
from sm_toolbox.validation.rating import StationMetrics, StationValidation

_MOST_SERIES = 8
_MAPPED = ("r", "rmse")


@dataclass(frozen=True)
class Shown:
    """What a report is told beside the numbers.

    Parameters
    ----------
    layer : str
        Name of the layer of the observations.
    min_samples : int
        Pairs that a station needed.
    x, y : ndarray of float64 (rows,), optional
        Places of the observations; without them there is no map.
    is_degrees : bool, optional
        Whether these are degrees.
    series : sequence of str, optional
        Stations whose series are shown; by default some from the highest to the lowest correlation.
    """

    layer: str
    min_samples: int
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    is_degrees: bool = False
    series: Sequence[str] = ()


def products_report(found: ProductsValidation, title: str, shown: Shown, progress: Progress = SILENT) -> Page:
    """Write the report on a validation of one or several products.

    Parameters
    ----------
    found : ProductsValidation
    title : str
    shown : Shown
    progress : Progress, optional

    Returns
    -------
    Page
    """
    page = start_page(found, title, shown, progress)
    continue_page(page, found, shown)
    return page


def start_page(found: ProductsValidation, title: str, shown: Shown, progress: Progress = SILENT) -> Page:
    """Begin the report: what came out in a sentence, and what was left out.

    Parameters
    ----------
    found : ProductsValidation
    title : str
    shown : Shown
    progress : Progress, optional

    Returns
    -------
    Page
    """
    result = found.first
    page = Page(
        title,
        f"Against the stations of '{shown.layer}': {result.pooled.n:,} pairs at {len(np.unique(result.stations))} "
        "stations.",
        progress=progress,
        unit=result.unit,
    )
    several = len(found.labels) > 1
    of_first = f" of {found.labels[0]}" if several else ""
    page.notice(
        f"Over all pairs R{of_first} is {number(result.pooled.r)}, R² {number(result.pooled.r2)} and RMSE "
        f"{number(result.pooled.rmse)} m³ m⁻³; over stations the median R is {number(result.median('r'))}, the median "
        f"ubRMSE {number(result.median('ubrmse'))} and the median bias {number(result.median('bias'))} m³ m⁻³."
    )
    if result.anomalies != "none":
        page.notice(
            "All numbers and figures are of what is left when the season is taken off both sides "
            f"(ANOMALIES {result.anomalies}): they say how well departures from the usual are caught. Bias has no "
            "meaning then."
        )
    elif np.isfinite(result.pooled.r2) and result.pooled.r2 <= 0:
        page.notice("R² is not above zero: the mean of the observations would be as good as the product.", warning=True)
    for label, each in zip(found.labels, found.results):
        of_product = f" ({label})" if several else ""
        for reason, count in each.unmatched:
            page.notice(f"{count:,} observations have no pair: {reason}{of_product}.", warning=True)
    if result.too_few:
        names = ", ".join(f"{name} ({count})" for name, count in result.too_few[:30]) + (
            " …" if len(result.too_few) > 30 else ""
        )
        page.notice(
            f"{len(result.too_few)} stations have fewer than {shown.min_samples} pairs and are not rated on their own: "
            f"{names}.",
            warning=True,
        )
    return page


def continue_page(page: Page, found: ProductsValidation, shown: Shown) -> None:
    """Add the tables and figures of a validation.

    Parameters
    ----------
    page : Page
    found : ProductsValidation
    shown : Shown
    """
    several = len(found.labels) > 1
    _all_pairs(page, found)
    for label, result in zip(found.labels, found.results):
        name = label if several else "All pairs"
        page.figure(
            figures.scatter(result.observed, result.predicted, name, summary(result.pooled)),
            f"Values of {label} against observations." if several else "Product against observations.",
            half=several,
        )
    if several:
        _differences(page, found)
    _extremes(page, found)
    _groups(page, found)
    _stations(page, found, shown)
    _series(page, found, shown)


def _all_pairs(page: Page, found: ProductsValidation) -> None:
    page.heading("All pairs")
    if len(found.labels) == 1:
        page.table(("", *metric_head()), [("all pairs", *metric_cells(found.first.pooled.values))])
        page.text(metrics_explained())
        return
    rows = []
    for label, result, own in zip(found.labels, found.results, found.own):
        sample = "common pairs" if found.common else "its own pairs"
        rows.append((label, sample, *metric_cells(result.pooled.values)))
        if found.common and found.differs and own is not None:
            rows.append((label, "all its own pairs", *metric_cells(own.pooled.values)))
    page.table(("Product", "sample", *metric_head()), rows)
    page.text(
        (
            "All products have a value at the same pairs. "
            if found.common and not found.differs
            else "Products are compared by the rows of common pairs, on which all of them have a value; those of a "
            "product's own pairs are of other places and times, and not to be compared with another product's. "
            if found.common
            else "Each product is rated by its own pairs, of other places and times than another's: their numbers are "
            "not to be compared. COMMON_SAMPLE compares them on the same pairs. "
        )
        + metrics_explained()
    )


def _differences(page: Page, found: ProductsValidation) -> None:
    page.heading("Differences between products")
    rows = []
    for i, j in pairs_of(found.labels):
        for metric, words in COMPARED.items():
            item = paired_difference(found.results[i], found.results[j], metric)
            rows.append(
                (
                    f"{found.labels[j]} − {found.labels[i]}",
                    words,
                    item.stations,
                    item.mean,
                    item.low,
                    item.high,
                    p_in_words(item.p),
                    "–" if np.isnan(item.better) else f"{item.better:.0%}",
                )
            )
    page.table(
        ("Products", "metric", "stations", "mean difference", "from", "to", "P", "better at"), rows, sortable=True
    )
    page.text(
        "Differences at the same stations, each of which counts once: the pairs of a station are no independent "
        "samples. From and to are 95 % limits of the mean difference (Student's t); where they hold zero, the stations "
        "do not tell the products apart. P is the probability of a difference as large where there is none."
    )


def p_in_words(p: float) -> str:
    """Write a p-value.

    Parameters
    ----------
    p : float

    Returns
    -------
    str
        '–' for NaN.
    """
    return "–" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _extremes(page: Page, found: ProductsValidation) -> None:
    if found.first.pooled.n < 20:
        return
    page.heading("Dry and wet")
    tenths = {label: by_tenth(result.predicted, result.observed) for label, result in zip(found.labels, found.results)}
    page.figure(
        figures.biases(
            {
                label: (np.array([row.observed for row in rows]), np.array([row.bias for row in rows]))
                for label, rows in tenths.items()
            },
            "observed",
        ),
        "Bias by tenths of the observed values, from the driest to the wettest.",
        half=True,
    )
    page.table(
        ("Product", "observed from", "to", "pairs", "mean observed", "mean predicted", "bias"),
        [
            (label, row.low, row.high, row.n, row.observed, row.predicted, row.bias)
            for label, rows in tenths.items()
            for row in rows
        ],
    )
    ratios = ", ".join(
        f"{label} {number(spread_ratio(result.predicted, result.observed))}"
        for label, result in zip(found.labels, found.results)
    )
    page.text(
        f"Standard deviation of the product over that of the observations: {ratios}. Below 1, with dry too wet and wet "
        "too dry, a product is drawn to the mean. A part of that is in the sorting: whatever is not perfectly "
        "correlated with the observations looks so, by 1 − slope of predicted on observed."
    )


def _groups(page: Page, found: ProductsValidation) -> None:
    rows = group_rows(found)
    several, grouped = len(found.labels) > 1, len({row.group for row in rows}) > 1
    if grouped:
        page.heading("Groups of stations")
        page.table(
            (
                "Group",
                "product",
                "stations",
                "pairs",
                *(f"{kind} {METRICS[key].symbol}" for key in ("r", "rmse", "bias") for kind in ("mean", "median")),
                "P of no bias",
                *(f"P of {name}" for name in COMPARED.values() if several),
            ),
            [
                (
                    row.group,
                    row.product,
                    row.stations,
                    row.n,
                    *(each[key] for key in ("r", "rmse", "bias") for each in (row.mean, row.median)),
                    p_in_words(row.p_bias_zero),
                    *(p_in_words(row.p_first[key]) for key in COMPARED if several),
                )
                for row in rows
            ],
            sortable=True,
        )
        differ = "; ".join(
            f"{label}: "
            + ", ".join(
                f"{METRICS[key].symbol} {p_in_words(groups_differ(result, key))}" for key in ("r", "rmse", "bias")
            )
            for label, result in zip(found.labels, found.results)
        )
        page.text(
            "Means and medians over the stations of a group. P of no bias: of a mean bias that is none (Student's t "
            "over stations). "
            + (
                f"P of a metric: of no difference to {found.labels[0]} at the same stations (paired t). "
                if several
                else ""
            )
            + "P that the groups' stations are alike (Kruskal and Wallis, groups with three stations or more): "
            + f"{differ}."
        )
    labels = list(found.labels)
    for key, label in (("r", "R"), ("bias", "bias (m³ m⁻³)"), ("ubrmse", "ubRMSE (m³ m⁻³)"), ("rmse", "RMSE (m³ m⁻³)")):
        by_group: dict[str, dict[str, list[float]]] = {}
        for name, result in zip(labels, found.results):
            for item in result.by_station:
                of_group = by_group.setdefault(item.group or EVERY_STATION, {})
                of_group.setdefault(name, []).append(float(item.metrics.values[key]))
        if any(np.isfinite(value) for of_group in by_group.values() for each in of_group.values() for value in each):
            ordered = dict(sorted(by_group.items()))
            drawn = (
                figures.boxes_of_products(ordered, labels, label)
                if several
                else figures.boxes({group: each[labels[0]] for group, each in ordered.items()}, label)
            )
            page.figure(drawn, f"{label} of the stations.", half=len(ordered) < 6)


def _stations(page: Page, found: ProductsValidation, shown: Shown) -> None:
    several = len(found.labels) > 1
    page.heading("Stations")
    points = {}
    for label, result in zip(found.labels, found.results):
        points[label] = [_taylor_point(result, item) for item in result.by_station]
        if several:
            points[label].append(("", spread_ratio(result.predicted, result.observed), result.pooled.r))
    page.figure(
        figures.taylor_of_products(points, "Taylor diagram")
        if several
        else figures.taylor(points[found.labels[0]], "Taylor diagram"),
        "Each dot is a station: the angle is its correlation, the radius the standard deviation of the product "
        "relative to the observed one, the distance from the star the relative ubRMSE."
        + (" Large dots are the products over all pairs." if several else ""),
        half=True,
    )
    _maps(page, found.first, shown)
    page.table(
        (
            "Station",
            "group",
            *(("product",) if several else ()),
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
            (
                item.station,
                item.group,
                *((label,) if several else ()),
                *metric_cells(item.metrics.values),
                *_limits(item),
            )
            for label, result in zip(found.labels, found.results)
            for item in sorted(result.by_station, key=lambda item: -item.metrics.rmse)
        ],
        sortable=True,
    )
    page.text(
        "From and to are 95 % confidence limits: Fisher's z for R, χ² for ubRMSE and Student's t for the bias, "
        "each with the number of samples that are independent of one another (from the lag-1 autocorrelation of "
        "the pairs in order of time, without the bias of short samples). Where these are fewer than "
        f"{FEWEST_EFFECTIVE} there are none: they would hold less often than they say. A click on a head sorts."
    )


def _taylor_point(result: StationValidation, item: StationMetrics) -> tuple[str, float, float]:
    is_station = result.stations == item.station
    ratio = spread_ratio(result.predicted[is_station], result.observed[is_station])
    return item.station, ratio, float(item.metrics.r)


def _maps(page: Page, result: StationValidation, shown: Shown) -> None:
    """Show the stations at their places, coloured by how well the first product does there."""
    if shown.x is None or shown.y is None:
        return
    rows = np.array([item.row for item in result.by_station])
    x, y = shown.x[rows], shown.y[rows]
    placed = np.isfinite(x) & np.isfinite(y)
    if np.count_nonzero(placed) < 2:
        return
    for key in _MAPPED:
        values = np.array([item.metrics.values[key] for item in result.by_station], float)[placed]
        if np.isfinite(values).any():
            row = METRICS[key]
            label = f"{row.symbol} ({row.unit})" if row.unit else row.symbol
            page.figure(
                figures.station_map(x[placed], y[placed], values, label, shown.is_degrees),
                f"{row.symbol} of the stations at their places.",
                half=True,
            )


def _limits(item: StationMetrics) -> tuple[float, ...]:
    """Return the confidence limits of a station, and the whole number of samples that they rest on."""
    limits = item.intervals
    return (
        limits.r_low,
        limits.r_high,
        limits.ubrmse_low,
        limits.ubrmse_high,
        limits.bias_low,
        limits.bias_high,
        round(limits.n_effective),
    )


def _series(page: Page, found: ProductsValidation, shown: Shown) -> None:
    """Show series of stations that were asked for, or around the quartiles of R, so that good and bad ones are seen."""
    result = found.first
    dated = {
        item.station: item
        for item in result.by_station
        if not np.isnat(result.times[result.stations == item.station]).any()
    }
    ranked = sorted((item for item in dated.values() if np.isfinite(item.metrics.r)), key=lambda item: -item.metrics.r)
    if shown.series:
        chosen = [dated[name] for name in shown.series if name in dated]
    else:
        positions = sorted({round(i) for i in np.linspace(0, len(ranked) - 1, min(_MOST_SERIES, len(ranked)))})
        chosen = [ranked[position] for position in positions]
    if not chosen:
        return
    page.heading("Series")
    if not shown.series:
        page.text(f"{len(chosen)} of {len(ranked)} stations, from the highest to the lowest correlation.")
    for item in chosen:
        is_station = result.stations == item.station
        title = f"{item.station}: R = {number(item.metrics.r)}, bias = {number(item.metrics.bias)}"
        times, observed = result.times[is_station], result.observed[is_station]
        if len(found.labels) == 1:
            drawn = figures.series(times, observed, result.predicted[is_station], title)
        else:
            drawn = _drawn_together(found, item.station, title)
        page.figure(drawn, f"Station {item.station}.")


def _drawn_together(found: ProductsValidation, station: str, title: str) -> figures.Figure:
    """Draw the series of a station with all products, each at its own pairs."""
    rows = np.unique(np.concatenate([each.rows[each.stations == station] for each in found.results]))
    times = np.full(len(rows), np.datetime64("NaT", "s"))
    observed = np.full(len(rows), np.nan)
    products = {}
    for label, each in zip(found.labels, found.results):
        mask = each.stations == station
        place = np.searchsorted(rows, each.rows[mask])
        times[place], observed[place] = each.times[mask], each.observed[mask]
        products[label] = np.full(len(rows), np.nan)
        products[label][place] = each.predicted[mask]
    order = np.argsort(times)
    return figures.series_of_products(
        times[order], observed[order], {label: values[order] for label, values in products.items()}, title
    )
