"""Reports on triple collocation and merged products: the errors, why cells have none, and the assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.merging.collocation import FLAGS, LETTERS, Design
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.meaning import in_same_unit
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number

if TYPE_CHECKING:
    from sm_toolbox.merging.merge import MergeResult
    from sm_toolbox.merging.products import Products
    from sm_toolbox.merging.settings import CollocationSettings, Estimation
    from sm_toolbox.merging.tally import Overview, Tally
    from sm_toolbox.merging.triplecollocation import CollocationResult

# Error correlations of this size between two products make both look better than they are.
_NOTEWORTHY_CORRELATION = 0.3

_METRICS = (
    ("error", "Error standard deviation (own units)"),
    ("scaled_error", "Error standard deviation, scaled to product a"),
    ("correlation", "Correlation with the truth"),
    ("snr", "Signal-to-noise ratio (dB)"),
    ("sensitivity", "Factor to the space of product a"),
    ("weight", "Weight in the merged product"),
)
_ASSUMPTIONS = (
    "Triple collocation knows no truth. Its errors are right where the errors of the products are independent of "
    "one another and of the truth, and where each product is a straight line of the truth plus noise. What fails "
    "in practice is the first: products that share their forcing, their retrieval model or auxiliary data share "
    "errors, which then count as signal, and both look better than they are. Biases are not seen at all."
)


def collocation_report(result: CollocationResult, progress: Progress = SILENT) -> Page:
    """Write up triple collocation.

    Parameters
    ----------
    result : CollocationResult
    progress : Progress, optional

    Returns
    -------
    Page
    """
    products, settings = result.products, result.estimation.settings
    page = Page("Triple collocation", _subtitle(products, result.estimation.design), progress=progress)
    _resolved(page, result.tally, result.estimation, products)
    if result.tally.flags[0]:
        _ranking(page, result.overview, products)
        letters = LETTERS[: products.count]
        page.heading("Errors and skill")
        page.text("Median over the resolved cells, and in brackets the range of the middle half of them.")
        page.table(
            ("Metric", *products.labels),
            [
                (label, *(_spread(result.overview[f"{kind}_{letter}"]) for letter in letters))
                for kind, label in _METRICS
            ],
        )
        limits = [(kind, label) for kind, label in _METRICS if f"{kind}_a_low" in result.overview]
        if limits:
            page.text(
                f"95 % limits of the estimates in a cell, by bootstrap ({settings.replicates} replicates): "
                "medians of the lower and of the upper limit over the resolved cells. Where they overlap, the "
                "record is too short to tell the products apart in a single cell."
            )
            page.table(
                ("Metric", *products.labels),
                [
                    (label, *(_limits(result.overview, f"{kind}_{letter}") for letter in letters))
                    for kind, label in limits
                ],
            )
        for kind, label in (_METRICS[1], _METRICS[3], _METRICS[2]):
            _maps(page, result.overview, [f"{kind}_{letter}" for letter in letters], label)
            page.figure(
                figures.boxes({letter: result.overview[f"{kind}_{letter}"].ravel() for letter in letters}, label),
                f"{label}: all resolved cells.",
            )
    _pairs(page, result)
    _flag_map(page, result.overview)
    page.heading("What this rests on")
    page.text(_ASSUMPTIONS)
    page.text(_about_anomalies(settings))
    return page


def merge_report(result: MergeResult, progress: Progress = SILENT) -> Page:
    """Write up a merged product.

    Parameters
    ----------
    result : MergeResult
    progress : Progress, optional

    Returns
    -------
    Page
    """
    products, estimation, seen = result.products, result.estimation, result.overview
    letters = LETTERS[: products.count]
    reference = LETTERS[estimation.reference]
    page = Page(
        "Merged product",
        f"{_subtitle(products, estimation.design)} In the units of product {reference}.",
        progress=progress,
    )
    _resolved(page, result.tally, estimation, products)
    what = {
        "mean": "the mean of the products that are there, matched to the reference",
        "best": "the product most correlated with the others",
        "nodata": "nothing",
    }
    page.text(f"Cells that are not resolved get {what[result.fallback]} (FALLBACK {result.fallback}).")
    page.heading("Coverage")
    page.text(
        "Share of all cells and dates with a value. On dates that a product lacks, the weights of the others are "
        "renormalised."
    )
    page.table(("Product", "coverage (%)"), [*zip(products.labels, result.coverage), ("merged", result.coverage[-1])])
    if result.tally.flags[0]:
        page.heading("Weights")
        _maps(page, seen, [f"weight_{letter}" for letter in letters], "Weight", limits=(0, 1))
        if result.parts:
            page.text(
                "Cells with weights of their own in a part of the year; the others have those of the whole "
                "record there."
            )
            page.table(
                ("Part of the year", "resolved cells with own weights (%)"), list(zip(result.parts, result.own_weights))
            )
        page.heading("Errors")
        groups = {f"product {letter}": seen[f"scaled_error_{letter}"].ravel() for letter in letters}
        groups |= {"plain mean": seen["average_error"].ravel(), "merged": seen["merged_error"].ravel()}
        medians = {name: _quantile(values, 0.5) for name, values in groups.items()}
        best = min((letter for letter in letters), key=lambda letter: medians[f"product {letter}"])
        page.text(
            f"Expected error standard deviation in the space of product {reference}, median over the resolved "
            f"cells: merged {medians['merged']:.4f}, plain mean {medians['plain mean']:.4f}, the best single "
            f"product ({best}) {medians[f'product {best}']:.4f}. These are estimates of the random error under "
            "the assumptions below; stations tell how far they hold. They are errors on dates on which all "
            "products have a value: on the others the merged product is made of fewer, and its error is larger."
        )
        page.figure(
            figures.boxes(groups, f"error, in units of {reference}"),
            "Expected errors of the products, of their plain mean and of the merged product.",
        )
        _maps(page, seen, ["merged_error", "average_error"], "Expected error")
    for i, time in enumerate(result.map_times):
        page.heading(f"{time}")
        names = [f"{name}@{i}" for name in (*letters, "merged")]
        if in_same_unit(products.medians, estimation.reference).all():
            page.text("Products as they are, and the merged product.")
            _maps(page, seen, names, "Soil moisture")
        else:
            page.text(f"Products as they are, each in its own units, and the merged product in those of {reference}.")
            for name in names:
                _maps(page, seen, [name], "Soil moisture")
    _flag_map(page, seen)
    page.heading("What this rests on")
    page.text(_ASSUMPTIONS)
    page.text(_about_anomalies(estimation.settings))
    return page


def _subtitle(products: Products, design: Design) -> str:
    common = int(np.count_nonzero(products.common))
    declared = [name.upper() for name, is_declared in zip(design.pair_names, design.declared) if is_declared]
    text = f"Products {', '.join(products.labels)}; {common} common dates, {products.times[0]} to {products.times[-1]}."
    return text + (
        f" Errors of {', '.join('-'.join(pair) for pair in declared)} may be correlated." if declared else ""
    )


def _resolved(page: Page, tally: Tally, estimation: Estimation, products: Products) -> None:
    settings = estimation.settings
    page.notice(
        f"{tally.resolved_percent:.1f} % of the {tally.sampled:,} cells with common samples are resolved.",
        warning=tally.resolved_percent < 50,
    )
    reasons = (
        "",
        f"Fewer than MIN_SAMPLES {settings.min_samples} dates on which all products have a value.",
        f"Two products do not rise and fall together (p ≥ ALPHA {settings.alpha:g}): at least one has no skill "
        "here, or sees something else.",
        (
            "The covariances contradict independent errors: two products share errors, one is a copy, or there are "
            "too few samples."
        ),
        "Declared pairs whose error correlation would lie beyond ±1.",
    )
    page.table(
        ("Flag", "cells", "share (%)", "what it means"),
        [
            (f"{flag} {name}", int(cells), 100 * float(cells) / max(1, tally.sampled), reason)
            for flag, (name, cells, reason) in enumerate(zip(FLAGS, tally.flags, reasons))
        ],
    )
    if tally.flags[2]:
        pairs = [
            (products.labels[i], products.labels[j], 100 * float(cells) / float(tally.flags[2]))
            for (i, j), cells in zip(estimation.design.pairs, tally.failed_pairs)
        ]
        page.text("Of the cells with flag 2, the share in which each pair fails:")
        page.table(("Product", "and", "cells of flag 2 (%)"), pairs)


def _ranking(page: Page, seen: Overview, products: Products) -> None:
    letters = LETTERS[: products.count]
    errors = np.stack([seen[f"scaled_error_{letter}"] for letter in letters])
    known = np.isfinite(errors).all(axis=0)
    if not known.any():
        return
    best = np.bincount(np.argmin(errors[:, known], axis=0), minlength=len(letters)) / known.sum()
    order = np.argsort(-best)
    page.text(
        "Smallest error, once all are scaled to product a: "
        + "; ".join(f"{products.labels[i]} in {100 * best[i]:.0f} % of the cells" for i in order)
        + "."
    )


def _pairs(page: Page, result: CollocationResult) -> None:
    """Correlations of the products and, with four or more, of their errors."""
    products, design, seen = result.products, result.estimation.design, result.overview
    page.heading("Pairs of products")
    rows = []
    high = []
    for (i, j), name in zip(design.pairs, design.pair_names):
        row = [f"{products.labels[i]} and {products.labels[j]}", _quantile(seen[f"r_{name}"], 0.5)]
        if f"error_correlation_{name}" in seen:
            correlation = _quantile(seen[f"error_correlation_{name}"], 0.5)
            row += [
                correlation,
                _quantile(seen[f"error_correlation_{name}"], 0.25),
                _quantile(seen[f"error_correlation_{name}"], 0.75),
            ]
            # Shared errors are positive; strongly negative ones, even beyond -1, are what another pair's shared errors
            # do to this one.
            if correlation >= _NOTEWORTHY_CORRELATION:
                high.append((correlation, name))
        rows.append(row)
    if products.count == 3:
        page.table(("Pair", "correlation (median)"), rows)
        page.text(
            "With three products correlated errors cannot be seen. A fourth product, with errors of its own, "
            "shows them."
        )
        return
    page.table(("Pair", "correlation (median)", "error correlation: median", "25 %", "75 %"), rows)
    page.text(
        "The error correlation of a pair is estimated as if that pair alone had correlated errors. A pair that "
        "has makes others look correlated, too: declare the largest in CORRELATED, and look again."
    )
    if high:
        _, name = max(high)
        page.notice(
            f"The largest error correlation is that of {'-'.join(name.upper())}: independence does not hold there.",
            warning=True,
        )
    _maps(
        page,
        seen,
        [f"error_correlation_{name}" for name in design.pair_names],
        "Error correlation",
        limits=(-1, 1),
        cmap="RdBu_r",
    )


def _maps(
    page: Page,
    seen: Overview,
    names: Sequence[str],
    label: str,
    *,
    limits: tuple[float, float] | None = None,
    cmap: str = "YlGnBu",
) -> None:
    """Draw maps in one colour scale, in rows of two or three; titles are the names without the number of a date."""
    some = [name for name in names if np.isfinite(seen[name]).any()]
    if not some:
        return
    if limits is None:
        low, high = np.percentile(np.concatenate([seen[name][np.isfinite(seen[name])] for name in some]), [1, 99])
        limits = float(low), float(high)
    columns = 2 if len(some) == 4 else 3
    for first in range(0, len(some), columns):
        row = [(name.partition("@")[0], seen[name]) for name in some[first : first + columns]]
        page.figure(figures.maps(row, label, cmap, limits), f"{label}: {', '.join(title for title, _ in row)}.")


def _flag_map(page: Page, seen: Overview) -> None:
    page.heading("Where cells are resolved")
    page.figure(
        figures.classes(seen["flag"], [f"{flag} {name}" for flag, name in enumerate(FLAGS)]), "Flag of each cell."
    )


def _spread(values: np.ndarray) -> str:
    low, middle, high = (number(_quantile(values, q)) for q in (0.25, 0.5, 0.75))
    return f"{middle} ({low} … {high})"


def _limits(seen: Overview, name: str) -> str:
    return " … ".join(number(_quantile(seen[f"{name}_{end}"], 0.5)) for end in ("low", "high"))


def _quantile(values: np.ndarray, q: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, q)) if known.size else float("nan")


def _about_anomalies(settings: CollocationSettings) -> str:
    if settings.anomalies == "none":
        return (
            "The errors are those of the values themselves. Where the seasons are strong, they make up most of "
            "the signal and raise correlations and signal-to-noise ratios; ANOMALIES tells how well the products "
            "follow single rains and dry spells."
        )
    return (
        f"The errors are those of anomalies (ANOMALIES {settings.anomalies}): of what is left when the seasonal cycle "
        "is taken off."
    )
