"""Report on a choice of predictors: errors of every step, the rule of the choice, and alike predictors."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
from matplotlib.figure import Figure

from sm_toolbox.metrics import METRICS, Metric
from sm_toolbox.models.assessment.collinearity import alike, correlations
from sm_toolbox.models.assessment.nested import NestedSelection
from sm_toolbox.models.assessment.selection import PAIR_LIMIT, PredictorSelection
from sm_toolbox.models.assessment.trials import Step
from sm_toolbox.models.learners.catalogue import hyperparameters_of, label_of
from sm_toolbox.models.manifest import versions
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.report.text import metrics_explained

_TITLES = {
    "ranked": "predictors added in the order of importance",
    "forward": "forward selection",
    "leave_one_out": "each predictor left out in turn",
    "groups": "each group of predictors left out in turn",
}
_RULES = {
    "ranked": "The predictors join one at a time, the most important first (as RF_I to RF_XIII of Fan et al. 2022). "
    "Chosen is the smallest number of predictors whose RMSE is within one standard error over the folds of the "
    "best step's (Breiman et al. 1984, Classification and Regression Trees): the folds cannot tell the two "
    "apart, and fewer predictors ask for fewer rasters.",
    "forward": f"The selection starts from the best of all pairs (of more than {PAIR_LIMIT} predictors from the best "
    "single one), adds the predictor that lowers the RMSE most, and ends where none does (Meyer et al. 2018, doi "
    "10.1016/j.envsoft.2017.12.001). The last step of the table, where it is not the chosen one, is the best "
    "that could have been added, and did not help.",
    "leave_one_out": "Chosen are the predictors without which the RMSE is larger; all of them, where these alone "
    "have an RMSE more than one standard error over the folds above that of all. Of predictors that say "
    "the same each can be spared as long as the others are there, so that the change says nothing of what they "
    "bring together: look at the collinear pairs below, and at the error without all that is left out.",
    "groups": "Chosen are the groups without which the RMSE is larger, and predictors that are in no group; all of "
    "them, where these alone have an RMSE more than one standard error over the folds above that of all. Of groups "
    "that say the same each can be spared as long as the others are there: look at the collinear pairs below, "
    "and at the error without all that is left out.",
}
_TRUST = (
    "The predictors were chosen by the same errors that are shown here, so that the error of the chosen ones is "
    "somewhat too small, the more so the more sets were tried. For the error of the map, train with the chosen "
    "predictors and compare the map with stations that took no part in choice or training."
)
_NAMED_CELLS = 16


def in_words(selection: PredictorSelection) -> str:
    """Say what was chosen and why.

    Parameters
    ----------
    selection : PredictorSelection

    Returns
    -------
    str
    """
    chosen, best = selection.chosen, selection.best
    errors = f"RMSE {number(chosen.metrics.rmse)} m³ m⁻³, R² {number(chosen.metrics.r2)}"
    names = (
        f"{len(chosen.predictors)} of {len(selection.table.roles.predictors)} predictors are chosen: "
        f"{', '.join(chosen.predictors)} ({errors}, with {selection.left_out} left out)."
    )
    if selection.method == "ranked":
        if chosen is best:
            return f"{names} Step {roman(chosen.number)} has the smallest RMSE of all."
        return (
            f"{names} The smallest RMSE is that of step {roman(best.number)} ({number(best.metrics.rmse)} with "
            f"{len(best.predictors)} predictors); step {roman(chosen.number)} is the first within one standard "
            f"error ({number(best.rmse_se)}) of it."
        )
    if selection.method == "forward":
        tail = (
            f"No other predictor lowers the RMSE further; the best of them, {selection.steps[-1].added[0]}, "
            f"leaves it at {number(selection.steps[-1].metrics.rmse)}."
            if selection.steps[-1] is not chosen
            else "Every predictor lowered the RMSE."
        )
        earlier = selection.simplest
        doubt = (
            ""
            if earlier is chosen
            else f" Step {roman(earlier.number)} ({', '.join(earlier.predictors)}) is already within one standard "
            f"error ({number(chosen.rmse_se)}) of it: what was added later may help by chance."
        )
        return f"{names} {tail}{doubt}"
    whole = selection.steps[0]
    return f"{names} With all predictors the RMSE is {number(whole.metrics.rmse)}."


def trust_in_words(nested: NestedSelection | None) -> str:
    """Say how far the errors of a selection can be trusted.

    Parameters
    ----------
    nested : NestedSelection or None

    Returns
    -------
    str
    """
    if nested is None:
        return _TRUST
    return (
        f"Chosen anew in each of {len(nested.chosen)} outer folds, and judged on rows that took no part in the choice, "
        f"the RMSE is {number(nested.metrics.rmse)} m³ m⁻³ and R² {number(nested.metrics.r2)}: the error to trust. "
        "That of the steps is of the rows by which the predictors were chosen."
    )


def selection_report(
    selection: PredictorSelection, nested: NestedSelection | None = None, progress: Progress = SILENT
) -> Page:
    """Write the report on a selection.

    Parameters
    ----------
    selection : PredictorSelection
    nested : NestedSelection, optional
    progress : Progress, optional

    Returns
    -------
    Page
    """
    table = selection.table
    page = Page(
        f"Predictors of {table.roles.target}: {_TITLES[selection.method]}",
        f"{len(table):,} rows of '{table.layer}', {label_of(selection.kind)}, {selection.left_out} left out in "
        f"{len(selection.chosen.by_fold)} folds, made {datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}.",
        progress=progress,
        unit=table.unit,
    )
    page.notice(in_words(selection))
    page.notice(trust_in_words(nested), warning=nested is None)
    for text in selection.notes:
        page.notice(text, warning=True)
    if table.dropped:
        page.notice(
            f"Left out: {'; '.join(f'{count:,} rows with {reason}' for reason, count in table.dropped.items())}.",
            warning=True,
        )
    page.heading("Steps")
    if selection.method in ("ranked", "forward"):
        _sequence(page, selection)
    else:
        _changes(page, selection)
    page.text(_RULES[selection.method])
    page.text(
        metrics_explained()
        + " Every row is predicted by a model that did not see its fold. SD is the standard deviation over the "
        "folds, Δ the change from all predictors, and the best step that of the smallest RMSE."
    )
    if nested is not None:
        page.heading("Choices of the outer folds")
        page.table(
            ("Outer fold", "predictors"),
            [(str(fold), ", ".join(names)) for fold, names in enumerate(nested.chosen, start=1)],
        )
        page.text("Predictors that most folds choose are those that the choice rests on; the others come by chance.")
    if selection.importance is not None:
        _importance(page, selection)
    _correlation(page, selection)
    page.heading("How it was made")
    settings = {
        "model": selection.kind,
        **{f"hyper-parameter {name}": value for name, value in hyperparameters_of(selection.estimator).items()},
        "split": selection.split,
        "folds": len(selection.chosen.by_fold),
        "sets of predictors tried": selection.subsets,
        "models fitted": selection.subsets * len(selection.chosen.by_fold),
        "seed": selection.seed,
        **versions("numpy", "scikit-learn", "numba"),
    }
    page.table(("Setting", "value"), [(name, str(value)) for name, value in settings.items()])
    return page


def roman(value: int) -> str:
    """Write a whole number above zero in Roman numerals, as S1 numbers its models.

    Parameters
    ----------
    value : int

    Returns
    -------
    str
    """
    signs = (
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    )
    written = ""
    for worth, sign in signs:
        count, value = divmod(value, worth)
        written += sign * count
    return written


def _metrics() -> list[Metric]:
    return [row for key, row in METRICS.items() if row.is_own and key != "n"]


def _head() -> list[str]:
    """Return the head of the columns that `_cells` fills; beside the RMSE stands its standard deviation."""
    return [name for row in _metrics() for name in ([row.symbol, "SD of RMSE"] if row.key == "rmse" else [row.symbol])]


def _cells(step: Step) -> list[float]:
    """Return the cells of a table row under `_head`."""
    values = step.metrics.values
    return [
        value
        for row in _metrics()
        for value in ([values[row.key], step.rmse_sd] if row.key == "rmse" else [values[row.key]])
    ]


def _verdict(step: Step, selection: PredictorSelection) -> str:
    words = [word for word, of in (("chosen", selection.chosen), ("best", selection.best)) if step is of]
    return ", ".join(words)


def _sequence(page: Page, selection: PredictorSelection) -> None:
    page.figure(
        _course(selection),
        "Out-of-fold error step by step; the filled point is the chosen step. Bars of the RMSE are the standard "
        "deviation over the folds"
        + (
            "; the dashed line is the best step's RMSE plus one standard error."
            if selection.method == "ranked"
            else "."
        ),
    )
    page.table(
        ("Step", "added", "", *_head()),
        [
            (roman(step.number), ", ".join(step.added), _verdict(step, selection), *_cells(step))
            for step in selection.steps
        ],
    )


def _course(selection: PredictorSelection) -> Figure:
    steps = selection.steps
    x = np.arange(len(steps))
    panels = (("r", "R"), ("r2", "R²"), ("slope", "slope"), ("rmse", "RMSE"), ("ubrmse", "ubRMSE"), ("bias", "bias"))
    figure = Figure(figsize=(max(8.6, 1.2 * len(steps)), 5.4), constrained_layout=True)
    all_axes = figure.subplots(2, 3, sharex=True)
    chosen_index = steps.index(selection.chosen)
    for axes, (name, label) in zip(all_axes.flat, panels):
        values = np.array([step.metrics.values[name] for step in steps])
        if name == "rmse":
            axes.errorbar(
                x,
                values,
                yerr=[step.rmse_sd for step in steps],
                color=figures.BLUE,
                ecolor=figures.GREY,
                marker="o",
                mfc="white",
                linewidth=1,
            )
            if selection.method == "ranked":
                axes.axhline(
                    selection.best.metrics.rmse + selection.best.rmse_se,
                    color=figures.ORANGE,
                    linestyle="--",
                    linewidth=1,
                )
        else:
            axes.plot(x, values, color=figures.BLUE, marker="o", mfc="white", linewidth=1)
        axes.plot(x[chosen_index], values[chosen_index], marker="o", color=figures.ORANGE, zorder=3)
        if name in ("slope", "bias"):
            axes.axhline(1 if name == "slope" else 0, color=figures.GREY, linewidth=0.8)
        axes.set_ylabel(label if name in ("r", "r2", "slope") else f"{label} ({figures.UNIT})")
        axes.set_xticks(x)
        axes.set_xticklabels([roman(step.number) for step in steps], rotation=90 if len(steps) > 8 else 0, fontsize=8)
    return figure


def _changes(page: Page, selection: PredictorSelection) -> None:
    whole, *others = selection.steps
    singles = [step for step in others if len(step.removed) == 1]
    page.figure(
        figures.bars(
            [step.removed[0] for step in singles],
            np.array([step.metrics.rmse - whole.metrics.rmse for step in singles]),
            np.array([_change_sd(step, whole) for step in singles]),
            "increase of RMSE without it (m³ m⁻³)",
        ),
        "How much the out-of-fold error grows without the predictor or group; the line is the standard deviation "
        "of the change over the folds. Left of zero the model is better off without.",
    )
    page.table(
        ("Without", "", "Δ RMSE", "SD", "Δ R", "Δ R²", *_head()),
        [
            (
                ", ".join(step.removed) or "nothing: all predictors",
                _verdict(step, selection),
                step.metrics.rmse - whole.metrics.rmse,
                _change_sd(step, whole),
                step.metrics.r - whole.metrics.r,
                step.metrics.r2 - whole.metrics.r2,
                *_cells(step),
            )
            for step in selection.steps
        ],
    )


def _change_sd(step: Step, whole: Step) -> float:
    return float(np.std([a.rmse - b.rmse for a, b in zip(step.by_fold, whole.by_fold)], ddof=1))


def _importance(page: Page, selection: PredictorSelection) -> None:
    importance, names = selection.importance, selection.table.roles.predictors
    assert importance is not None
    mean, spread = importance.permutation.mean(axis=0), importance.permutation.std(axis=0, ddof=1)
    page.heading("Importance")
    page.figure(
        figures.bars(names, mean, spread, "increase of RMSE (m³ m⁻³)"),
        "Model of all predictors: how much the error on left-out rows grows when the values of one predictor are "
        "shuffled; the line is the standard deviation over folds. Predictors that are alike share their "
        "importance.",
    )
    head, columns = ["Predictor", "increase of RMSE", "SD over folds"], [mean, spread]
    if importance.impurity is not None:
        head += ["impurity importance", "SD over folds"]
        columns += [importance.impurity.mean(axis=0), importance.impurity.std(axis=0, ddof=1)]
    by_impurity = selection.method == "ranked" and selection.ranked_by == "impurity"
    order = np.argsort(-(columns[3] if by_impurity else mean), kind="stable")
    page.table(head, [(names[i], *(float(column[i]) for column in columns)) for i in order])
    if importance.impurity is not None:
        page.text(
            "Impurity importance is the share of the variance of the training rows that splits at the predictor "
            "explain: it also counts what the trees only remember, and favours predictors with many values. "
            "Trust the increase of the error."
        )


def _correlation(page: Page, selection: PredictorSelection) -> None:
    names, correlation = correlations(selection)
    if len(names) < 2:
        return
    page.heading("Correlation of the predictors")
    page.figure(
        _heat_map(names, correlation),
        "Pearson correlation between predictors over the training rows; cyclic ones enter as sine and cosine.",
    )
    pairs = alike(selection)
    if pairs:
        page.text(
            "Strongly collinear pairs, |r| at least 0.8. A model can use one for the other: importance is "
            "divided between them, and the choice of one is partly chance."
        )
        page.table(("Predictor", "and", "r"), pairs)
    else:
        page.text("No two predictors have a correlation of 0.8 or more in size.")


def _heat_map(names: list[str], correlation: np.ndarray) -> Figure:
    size = 2.2 + 0.36 * len(names)
    figure = Figure(figsize=(size + 0.8, size), constrained_layout=True)
    axes = figure.add_subplot()
    image = axes.imshow(correlation, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    axes.set_xticks(range(len(names)))
    axes.set_xticklabels([figures.plain(name) for name in names], rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels([figures.plain(name) for name in names], fontsize=8)
    if len(names) <= _NAMED_CELLS:
        for (row, column), value in np.ndenumerate(correlation):
            if np.isfinite(value):
                axes.text(
                    column,
                    row,
                    f"{round(float(value), 1) + 0.0:.1f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if abs(value) > 0.7 else "black",
                )
    figure.colorbar(image, ax=axes, label="r", shrink=0.85)
    return figure
