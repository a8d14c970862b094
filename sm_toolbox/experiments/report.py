"""The report on a comparison of scenarios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sm_toolbox.experiments.comparison import ScenarioComparison
from sm_toolbox.experiments.scenarios import SCENARIOS
from sm_toolbox.experiments.trials import TUNINGS
from sm_toolbox.experiments.verdict import best_baseline, best_model, corrected_comparison, in_size, verdict
from sm_toolbox.models.assessment.baselines import BASELINES
from sm_toolbox.models.features import limits_in_words
from sm_toolbox.models.learners.catalogue import LEARNERS, label_of
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report.figures import BLUE, GREY, ORANGE, UNIT, plain
from sm_toolbox.report.page import Page

_SOURCE = (
    "The scenarios are those of 'Are expectations overoptimistic?' (IEEE 2025), which chose hyper-parameters on the "
    "tested rows: that is the column oracle here. Its medians for surface soil moisture of the world at 1 km were: "
    "dependent at most 0.06, temporal 0.078 to 0.086, spatial 0.089, regional 0.112 m³ m⁻³ (random forests)."
)


def scenario_report(result: ScenarioComparison, layer: str, progress: Progress = SILENT) -> Page:
    """Write the report on a comparison of scenarios.

    Parameters
    ----------
    result : ScenarioComparison
    layer : str
        The name of the training table.
    progress : Progress, optional

    Returns
    -------
    Page
    """
    settings = result.settings
    page = Page(
        f"Evaluation scenarios of {layer}",
        f"{', '.join(label_of(model) for model in settings.models)}: {settings.repeats} repeats, {settings.candidates} "
        f"candidates of hyper-parameters, {len(result.outcomes):,} of {result.planned:,} trials.",
        progress=progress,
        unit=result.unit,
    )
    for line in verdict(result):
        page.notice(line)
    if len(result.outcomes) < result.planned:
        page.notice("The time ended before all trials did: later repeats are missing.", warning=True)
    for line in result.left_out:
        page.notice(f"Left out: {line}.", warning=True)
    for scenario in result.sizes:
        _scenario(page, result, scenario)
    page.heading("How to read this")
    page.lines([f"{key}: {row.tells}." for key, row in SCENARIOS.items() if key in result.sizes])
    page.text(
        f"nested: hyper-parameters {TUNINGS['nested']}. oracle: {TUNINGS['oracle']}. Where the two differ, a method "
        "that was tuned on its test set looks better than it is, the more so the more candidates it has."
    )
    if result.table.limits:
        page.text(limits_in_words(result.table.limits))
    page.text(
        "Repeats share rows, so that a plain t test over them finds differences where there are none. The limits here "
        "have the corrected variance s² (1/J + tested rows / training rows) of Nadeau & Bengio (2003, doi "
        "10.1023/A:1024068626366): with few training rows and many tested ones they are wide, and rightly so."
    )
    page.text(_SOURCE)
    return page


def _scenario(page: Page, result: ScenarioComparison, scenario: str) -> None:
    """Show a scenario: the errors by size and model, and which models can be told apart."""
    page.heading(SCENARIOS[scenario].title)
    page.text(f"It tells {SCENARIOS[scenario].tells}.")
    sizes = [size for size in result.sizes[scenario] if result.rows(scenario, size)[0]]
    if not sizes:
        page.text("No trial of it was finished.")
        return
    page.figure(
        violins(result, scenario, sizes),
        "Violins: RMSE of the repeats with candidates chosen among the training rows, the median marked; dots: medians "
        "with candidates chosen on the tested rows. Broken line: the target; dotted: the best of what costs nothing.",
    )
    head = ("Size", "training rows", "tested rows", "model", "RMSE nested", "RMSE oracle", "R", "ubRMSE", "bias")
    page.table(head, [row for size in sizes for row in _rows(result, scenario, size)])
    differences = _differences(result, scenario, sizes[-1])
    if differences:
        page.text(
            f"Differences of the RMSE from that of the best model, with {in_size(scenario, sizes[-1])}: means over the "
            "repeats, which a single bad repeat moves, where the table above has medians."
        )
        page.table(("Compared", "difference", "from", "to", "p"), differences)


def _rows(result: ScenarioComparison, scenario: str, size: float) -> list[tuple[Any, ...]]:
    train, test = result.rows(scenario, size)
    first = in_size(scenario, size), train, test
    rows: list[tuple[Any, ...]] = []
    for model in result.settings.models:
        errors = [result.median(scenario, size, model, tuning) for tuning in TUNINGS]
        others = [result.median(scenario, size, model, "nested", name) for name in ("r", "ubrmse", "bias")]
        rows.append((*first, label_of(model), *errors, *others))
    labels = result.baselines[scenario, size].labels
    for key in (key for key in BASELINES if key in labels):
        values = [result.median(scenario, size, key, "", name) for name in ("rmse", "r", "ubrmse", "bias")]
        rows.append((*first, labels[key], values[0], None, *values[1:]))
    return rows


def _differences(result: ScenarioComparison, scenario: str, size: float) -> list[tuple[Any, ...]]:
    """Compare all others with the best model over the repeats."""
    best, _ = best_model(result, scenario, size)
    if not best:
        return []
    own = result.values(scenario, size, best, "nested")
    labels = result.baselines[scenario, size].labels
    others = [(label_of(model), model, "nested") for model in result.settings.models if model != best]
    others += [(labels[key], key, "") for key in BASELINES if key in labels]
    rows = []
    for label, key, tuning in others:
        found = corrected_comparison(result.values(scenario, size, key, tuning), own, *result.rows(scenario, size))
        if np.isfinite(found.difference):
            rows.append((f"{label} − {label_of(best)}", found.difference, found.low, found.high, found.p_value))
    return rows


def violins(result: ScenarioComparison, scenario: str, sizes: Sequence[float]) -> Figure:
    """Draw the RMSE of the repeats by size, a panel for each model.

    Parameters
    ----------
    result : ScenarioComparison
    scenario : str
    sizes : sequence of float

    Returns
    -------
    Figure
    """
    models = result.settings.models
    across = min(2, len(models))
    down = math.ceil(len(models) / across)
    figure = Figure(figsize=(max(4.6, 1.2 + 0.55 * len(sizes)) * across, 3.1 * down), constrained_layout=True)
    panels = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    places = np.arange(1, len(sizes) + 1)
    free = [best_baseline(result, scenario, size)[1] for size in sizes]
    for axes, model in zip(panels, models):
        for place, size in zip(places, sizes):
            values = result.values(scenario, size, model, "nested")
            values = values[np.isfinite(values)]
            if len(values) > 1 and np.ptp(values) > 0:
                for body in axes.violinplot(values, [place], widths=0.8, showextrema=False)["bodies"]:
                    body.set(facecolor=BLUE, alpha=0.5)
            axes.plot([place] * len(values), values, marker="_", linestyle="none", color=BLUE, markersize=4)
        for tuning, style in (("nested", {"marker": "s", "color": BLUE}), ("oracle", {"marker": "o", "color": ORANGE})):
            medians = [result.median(scenario, size, model, tuning) for size in sizes]
            axes.plot(places, medians, linestyle="none", markersize=4, label=tuning, **style)
        axes.plot(places, free, color=GREY, linestyle=":", marker=".", label="best without a model")
        axes.axhline(result.settings.target_rmse, color=GREY, linestyle="--", linewidth=1)
        axes.set_title(plain(LEARNERS[model].label), fontsize=10)
        axes.set_xticks(places)
        axes.set_xticklabels([f"{size:g}" for size in sizes], fontsize=8)
        axes.set_xlabel(plain(SCENARIOS[scenario].unit))
    for axes in panels[len(models) :]:
        axes.set_axis_off()
    for axes in panels[::across]:
        axes.set_ylabel(f"RMSE ({UNIT})")
    panels[0].legend(fontsize=7, frameon=False)
    return figure
