"""What reports say of models that are learned epoch by epoch, and of the kind that is set beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sm_toolbox.metrics import Metrics
from sm_toolbox.models.assessment.rival import Rival
from sm_toolbox.models.learners.base import FittedModel, WithHistory
from sm_toolbox.models.learners.catalogue import label_of
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.report.text import metric_cells, metric_head

# Below this share of the error nobody would notice which of two models made a map.
_AS_GOOD = 0.02


def add_course(page: Page, fitted: FittedModel, sequence: Mapping[str, Any] | None) -> None:
    """Add the section on how the model was learned; none of a kind without epochs.

    Parameters
    ----------
    page : Page
    fitted : FittedModel
    sequence : mapping or None
        As `Manifest.sequence`.
    """
    if not isinstance(fitted, WithHistory):
        return
    page.heading("Course of the training")
    page.figure(
        _losses(fitted.history, fitted.best_epoch),
        "RMSE by epoch of the model that is saved. Rows that are watched are not learned from: they share no place, or "
        "no time, with those that are, as the chosen split divides. The error of rows learned from is taken while "
        "parts of the network are left out (dropout), so that it may lie above the other.",
    )
    learned, watched = fitted.history[fitted.best_epoch - 1]
    page.text(
        f"The coefficients are those of epoch {fitted.best_epoch} of {len(fitted.history)}, the best: RMSE "
        f"{number(watched)} m³ m⁻³ of the rows watched, {number(learned)} of those learned from. An error of rows by "
        "which the training was stopped is a little too small; expect that of the folds."
    )
    if sequence:
        steps = {name: f"{days:.4g} days" for name, days in (sequence.get("step_days") or {}).items()}
        listed = ", ".join(f"{name} ({steps.get(name, 'step not known')})" for name in sequence["predictors"])
        page.text(
            f"Read as sequences of {sequence['length']} steps: {listed}. All other predictors are the same at each "
            "step. Rows that lack any step are left out, and counted above."
        )


def add_rival(page: Page, rival: Rival, kind: str, chosen: Metrics, split: str) -> None:
    """Add the section on the kind that is set beside a model.

    Parameters
    ----------
    page : Page
    rival : Rival
    kind : str
        Of the model.
    chosen : Metrics
        Of the model, out of the same folds.
    split : str
        Its word.
    """
    page.heading(f"Beside a {label_of(rival.kind)}")
    page.table(
        ("Predicted by", *metric_head()),
        [
            (f"the model ({label_of(kind)})", *metric_cells(chosen.values)),
            (f"{label_of(rival.kind)}, of the same predictors", *metric_cells(rival.metrics.values)),
        ],
    )
    page.text(
        f"Out-of-fold errors under the same folds of split '{split}'; the {label_of(rival.kind)} has its defaults and "
        "sees earlier values as predictors like any other. It is far cheaper: take it where it is as good."
    )


def rival_in_words(rival: Rival | None, kind: str, chosen: Metrics, left_out: str) -> str:
    """Say which of two kinds of models is the better one.

    Parameters
    ----------
    rival : Rival or None
    kind : str
        Of the model.
    chosen : Metrics
        Of the model, out of the same folds.
    left_out : str
        What a fold leaves out.

    Returns
    -------
    str
        Empty where there is no other.
    """
    if rival is None:
        return ""
    own, other = chosen.rmse, rival.metrics.rmse
    name, beside = label_of(kind), label_of(rival.kind)
    errors = f"with {left_out} left out the RMSE is {number(own)} m³ m⁻³, that of a {beside} {number(other)}"
    if abs(own - other) <= _AS_GOOD * max(own, other):
        return f"The {name} is as good as a {beside} of the same predictors, which is far cheaper: {errors}."
    better, worse = (name, beside) if own < other else (beside, name)
    advice = "" if own < other else " Take that."
    return f"The {better} beats the {worse}: {errors}.{advice}"


def _losses(history: np.ndarray, best_epoch: int) -> Figure:
    figure = Figure(figsize=(6, 3), constrained_layout=True)
    axes = figure.add_subplot()
    epochs = np.arange(1, len(history) + 1)
    axes.plot(epochs, history[:, 0], color=figures.GREY, label="rows learned from")
    axes.plot(epochs, history[:, 1], color=figures.BLUE, label="rows watched")
    axes.axvline(best_epoch, color=figures.ORANGE, linewidth=1, label="kept")
    axes.set(xlabel="epoch", ylabel=f"RMSE ({figures.UNIT})", ylim=(0, None))
    axes.legend(fontsize=8, frameon=False)
    return figure
