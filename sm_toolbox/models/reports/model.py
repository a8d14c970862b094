"""The report on a model, from its file alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sm_toolbox.metrics import metrics
from sm_toolbox.models.assessment.calibration import held_in_words
from sm_toolbox.models.assessment.splits import SPLITS, expectation
from sm_toolbox.models.features import limits_in_words
from sm_toolbox.models.learners.catalogue import LEARNERS, label_of
from sm_toolbox.models.manifest import Manifest, target_unit
from sm_toolbox.models.modelfile import Model
from sm_toolbox.models.reports.course import add_course
from sm_toolbox.models.reports.effects import Effect, local_effects
from sm_toolbox.models.reports.holdout import add_kept_holdout
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.report.text import bare_coverage, metric_cells, metric_head, metrics_explained

_METHODS = (
    (
        "Area of applicability: Meyer, H. & Pebesma, E. (2021). Predicting into unknown space? Methods in Ecology "
        "and Evolution 12. doi 10.1111/2041-210X.13650"
    ),
    (
        "Calibrated intervals: Romano, Y., Patterson, E. & Candès, E. (2019). Conformalized quantile regression. "
        "arXiv 1905.03222"
    ),
    (
        "Permutation importance: Fisher, A., Rudin, C. & Dominici, F. (2019). All models are wrong, but many are "
        "useful. arXiv 1801.01489"
    ),
    (
        "Accumulated local effects: Apley, D. W. & Zhu, J. (2020). Visualizing the effects of predictor variables. "
        "doi 10.1111/rssb.12377"
    ),
)


def model_report(model: Model, name: str, progress: Progress = SILENT) -> Page:
    """Write the report on a model.

    Parameters
    ----------
    model : Model
    name : str
        The file's name.
    progress : Progress, optional

    Returns
    -------
    Page
    """
    manifest = model.manifest
    page = Page(
        f"Model report: {label_of(manifest.kind)} for {manifest.target.name}",
        f"{name}, made {'at an unknown time' if manifest.created is None else manifest.created}.",
        progress=progress,
        unit=target_unit(manifest.target),
    )
    _worth(page, manifest)
    _data(page, manifest)
    _validation(page, model, manifest)
    if manifest.holdout is not None:
        add_kept_holdout(page, manifest.holdout)
    add_course(page, model.fitted, manifest.sequence)
    _importance(page, model, manifest)
    if model.evidence is not None:
        _effects(page, model, progress)
    page.heading("Where it can be used")
    page.table(
        ("Predictor", "from", "to", "mean", "SD", "period"),
        [(item.name, item.minimum, item.maximum, item.mean, item.sd, item.period) for item in manifest.predictors],
    )
    for name, classes in model.encoder.classes.items():
        listed = ", ".join(f"{value:g}" for value in classes)
        page.text(f"Classes of {name}: {listed}. Where a map has another one, it has no value.")
    if model.encoder.limits:
        page.text(limits_in_words(model.encoder.limits))
    if model.applicability is None:
        page.text("The file holds no area of applicability: it was made by an earlier version of the toolbox.")
    else:
        page.text(
            "Predictions count as within the area of applicability up to a dissimilarity of "
            f"{number(model.applicability.threshold)} (in mean distances between training rows, predictors "
            "weighted by importance). Beyond it expect more than the errors above."
        )
    page.heading("How it was made")
    settings = {f"hyper-parameter {key}": value for key, value in (manifest.hyperparameters or {}).items()}
    settings |= {"seed": manifest.seed, **(manifest.versions or {}), "format of the file": manifest.format_version}
    page.table(("Setting", "value"), [(key, str(value)) for key, value in settings.items()])
    page.heading("Methods to cite")
    chosen = [row.split for row in manifest.splits]
    learner = LEARNERS.get(manifest.kind)
    for source in (
        learner.source if learner else "",
        *_METHODS,
        *(split.source for key, split in SPLITS.items() if key in chosen),
    ):
        if source:
            page.text(source)
    return page


def _worth(page: Page, manifest: Manifest) -> None:
    splits = manifest.splits
    if not splits:
        page.notice("The file says nothing about the model's error.", warning=True)
        return
    sentences = [
        f"With {row.left_out} left out (split '{row.split}') its RMSE is {_of(row.metrics, 'rmse')} m³ m⁻³ and R² "
        f"{_of(row.metrics, 'r2')}."
        for row in splits
    ]
    harder = max(splits, key=lambda row: row.metrics.get("rmse") or 0)
    sentences.append(f"Expect a map of {expectation(harder.split)} to have the error of split '{harder.split}'.")
    page.notice(" ".join(sentences))


def _data(page: Page, manifest: Manifest) -> None:
    page.heading("Training data")
    target, training = manifest.target, manifest.training or {}
    rows = [
        ("layer", training.get("layer")), ("rows", training.get("rows")), ("stations", training.get("stations")),
        ("first", training.get("first")), ("last", training.get("last")), ("target", target.name),
        ("target from", target.minimum), ("target to", target.maximum),
        *((f"left out: {reason}", count) for reason, count in training.get("dropped", {}).items()),
    ]  # fmt: skip
    page.table(("What", "value"), rows)
    spiking = manifest.local_rows
    if spiking:
        before, after = spiking.before, spiking.after
        page.text(
            f"{spiking.rows:,} local rows of {spiking.stations} stations joined with weight {spiking.weight:g}: "
            f"at local stations that did not join, bias went from {_of(before, 'bias')} to {_of(after, 'bias')} "
            f"and RMSE from {_of(before, 'rmse')} to {_of(after, 'rmse')} m³ m⁻³."
            + (f" The intervals hold {held_in_words(spiking.held)} of their observations." if spiking.held else "")
        )


def _validation(page: Page, model: Model, manifest: Manifest) -> None:
    splits = manifest.splits
    page.heading("Out-of-fold error")
    page.table(
        ("Split", "left out", "folds", *metric_head(short=True)),
        [(row.split, row.left_out, row.folds, *metric_cells(row.metrics, short=True)) for row in splits],
    )
    page.text(metrics_explained())
    baselines = [(row, item) for row in splits for item in row.baselines or ()]
    if baselines:
        page.heading("Beside what costs nothing")
        page.table(
            ("Split", "predicted by", *metric_head(short=True)),
            [(row.split, item["label"], *metric_cells(item, short=True)) for row, item in baselines],
        )
        skills = ", ".join(f"{row.skill:.2f} (split '{row.split}')" for row in splits if row.skill is not None)
        page.text(f"Skill of the model, the share of the best of these errors that it removes: {skills}.")
    if model.evidence is not None:
        evidence = model.evidence
        agreement = metrics(evidence.predicted, evidence.target)
        page.figure(
            figures.scatter(
                evidence.target,
                evidence.predicted,
                f"Split '{splits[0].split}'" if splits else "",
                f"n = {agreement.n:,}\nR = {number(agreement.r)}\nRMSE = {number(agreement.rmse)}",
            ),
            "Out-of-fold predictions of the training rows that the file keeps, a sample where there are many; "
            "the table below is of all rows.",
        )
    if splits:
        page.table(
            ("Fold", *metric_head(short=True)),
            [(str(i), *metric_cells(values, short=True)) for i, values in enumerate(splits[0].by_fold, start=1)],
        )
    covered = [(row, row.coverage) for row in splits if row.coverage]
    if covered:
        page.heading("Intervals")
        page.table(
            ("Split", "interval", "holds", "without calibration", "mean width"),
            [
                (row.split, f"{nominal:.0%}", f"{reached:.1%}", bare_coverage(bare), float(width))
                for row, coverage in covered
                for nominal, reached, bare, width in zip(
                    coverage["nominal"], coverage["reached"], coverage["uncalibrated"], coverage["width"]
                )
            ],
        )
        page.text(
            "Share of left-out observations within intervals that were calibrated on the other folds of the "
            f"split. 'Predict raster' writes those of split '{splits[0].split}'."
        )
    tuning = manifest.search
    if tuning:
        page.heading("Search for hyper-parameters")
        how = (
            "searched anew in each fold"
            if tuning.nested
            else "searched once, with all rows, so that the error above is somewhat too small"
        )
        page.text(
            f"{tuning.tried} of {tuning.asked} candidates were tried, {how}; their RMSE was "
            f"{number(tuning.best[0]['rmse'])} to {number(tuning.worst_rmse)} m³ m⁻³."
        )


def _importance(page: Page, model: Model, manifest: Manifest) -> None:
    page.heading("Importance")
    names = manifest.names
    mean = np.array([item.importance or 0.0 for item in manifest.predictors])
    spread = (
        model.evidence.importance.std(axis=0)
        if model.evidence is not None and len(model.evidence.importance)
        else np.zeros(len(names))
    )
    page.figure(
        figures.bars(names, mean, spread, "increase of RMSE (m³ m⁻³)"),
        "Increase of the error on left-out rows when one predictor is shuffled; the line is the standard "
        "deviation over folds.",
    )


def _effects(page: Page, model: Model, progress: Progress) -> None:
    assert model.evidence is not None
    effects = {}
    for i, name in enumerate(model.predictors):
        progress.check()
        effects[name] = local_effects(model, model.evidence.predictors, i)
    page.heading("Effects")
    order = sorted(effects, key=lambda name: -effects[name].range)
    page.figure(
        _curves([(name, effects[name]) for name in order]),
        "Accumulated local effects: how the prediction changes with one predictor, the others being as they "
        "occur with it; ticks are quantiles of the training rows.",
    )
    page.table(("Predictor", "range of the effect [m³ m⁻³]"), [(name, effects[name].range) for name in order])


def _curves(effects: Sequence[tuple[str, Effect]]) -> Figure:
    columns = 4
    rows = -(-len(effects) // columns)
    figure = Figure(figsize=(9.5, 0.4 + 2.1 * rows), constrained_layout=True)
    all_axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, (name, effect) in zip(all_axes, effects):
        axes.plot(effect.at, effect.effect, color=figures.BLUE)
        axes.plot(effect.at, np.full(len(effect.at), effect.effect.min()), "|", color=figures.GREY, markersize=5)
        axes.axhline(0, color=figures.GREY, linewidth=0.6)
        axes.set_title(figures.plain(name), fontsize=9)
        axes.tick_params(labelsize=7)
    for axes in all_axes[len(effects) :]:
        axes.set_axis_off()
    all_axes[0].set_ylabel(figures.UNIT, fontsize=8)
    return figure


def _of(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return "–" if value is None else number(float(value))
