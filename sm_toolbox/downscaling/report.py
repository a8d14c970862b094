"""The report on a downscaling: what was gained, errors of coarse cells, maps before and after, and their borders."""

from __future__ import annotations

import numpy as np

from sm_toolbox.downscaling.choices import DOWNSCALE_SPLITS, RESIDUALS
from sm_toolbox.downscaling.downscale import Downscaling
from sm_toolbox.downscaling.learning import CoarseModel
from sm_toolbox.models.assessment.baselines import skill
from sm_toolbox.models.assessment.selection import Method, PredictorSelection, select_predictors
from sm_toolbox.models.assessment.trials import Step
from sm_toolbox.models.learners.catalogue import hyperparameters_of, label_of
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.progress import Progress, Unheard
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.bands import Stack, overview, read_bands
from sm_toolbox.raster.grid import Grid, label
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.reading import ground_cell
from sm_toolbox.raster.request import Engine
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.report.text import metric_cells, metric_head, metrics_explained, summary
from sm_toolbox.validation.edges import block_places
from sm_toolbox.validation.mapedges import WantedEdges, edge_ratios

# Longest side of the pictures, and dates of which there are some.
_SIDE, _PICTURES = 250, 3
# Edge ratios above which borders are seen by eye.
_SEEN = 1.2
# Rows up to which predictors are left out in turn: each takes as many fits as there are folds.
_ROWS_LEFT_OUT_IN_TURN = 20_000
_LISTED = 12


def downscaling_report(result: Downscaling, engine: Engine) -> Page:
    """Write the report on a downscaling.

    Parameters
    ----------
    result : Downscaling
        Its output must still be where it was written.
    engine : Engine

    Returns
    -------
    Page
    """
    coarse_model, progress = result.coarse_model, engine.progress
    table, training = coarse_model.table, coarse_model.training
    cells, dates = (len(np.unique(of_row[coarse_model.rows])) for of_row in (table.cell, table.date))
    page = Page(
        f"Downscaling of {table.source.name}",
        f"{len(coarse_model.prepared.table):,} rows of {cells:,} coarse cells on {dates:,} dates; "
        f"{label_of(training.model.manifest.kind)}; cells of "
        f"{_size(table.lattice.grid)} m to cells of {_size(table.lattice.fine)} m.",
        progress=progress,
        unit=coarse_model.prepared.table.unit,
    )
    page.notice(result.judgement.in_words(), warning=not result.judgement.gained)
    _gain(page, result)
    _pictures(page, result)
    _out_of_fold(page, coarse_model)
    _blocks(page, result, engine.part(0, 0.3).here())
    _reach(page, result)
    _importance(page, coarse_model, progress.part(0.3, 1))
    _made(page, result)
    return page


def _size(grid: Grid) -> str:
    return " × ".join(f"{side:,.4g}" for side in ground_cell(grid))


def _gain(page: Page, result: Downscaling) -> None:
    page.heading("Gain over the resampled product")
    if result.gain is None:
        page.text(
            "There are no stations to tell: give STATIONS that took no part in the product, to see whether the map is "
            "nearer to the truth than the product is."
        )
        return
    found = result.gain.found
    page.table(
        ("", *metric_head(), "R of the stations' means"),
        [
            (name, *metric_cells(each.pooled.values), r)
            for name, each, r in zip(found.labels, found.results, result.gain.r_of_places())
        ],
    )
    page.text(
        f"At {len(found.first.by_station)} stations, on the pairs that all have. The map removes "
        f"{result.gain.percent:.1f} % of the RMSE of the product as it is resampled best (below 0: it adds to it). R "
        "of the stations' means holds what differs in space alone. A station stands for a few metres and a map's cell "
        "for "
        f"{_size(result.coarse_model.table.lattice.fine)} m: part of each error is that difference. "
        + metrics_explained()
    )


def _out_of_fold(page: Page, coarse_model: CoarseModel) -> None:
    table, results = coarse_model.prepared.table, coarse_model.results
    page.heading("Coarse cells that the model has not seen")
    rows = []
    for result in results:
        rows.append((result.name, "the model", result.skill, *metric_cells(result.metrics.values)))
        for item in result.baselines:
            gained = "" if item is result.baselines[0] else skill(item.metrics.rmse, result.baselines[0].metrics.rmse)
            rows.append((result.name, item.label, gained, *metric_cells(item.metrics.values)))
    page.table(("Split", "predicted by", "skill", *metric_head()), rows)
    page.text(
        f"Left out in turn: {'; '.join(f'{result.name}: {DOWNSCALE_SPLITS[result.name]}' for result in results)}. "
        "Skill of the model: the share of the RMSE of the best of what costs nothing that it removes; of these: of the "
        "mean's. Against the product, not the truth: a model that reproduces the product reproduces its errors, too."
    )
    chosen = results[0]
    page.figure(
        figures.scatter(table.target, chosen.predictions, f"Split '{chosen.name}'", summary(chosen.metrics)),
        f"Coarse cells on dates, with {DOWNSCALE_SPLITS[chosen.name]} left out.",
    )
    if table.dropped:
        page.notice(
            f"Left out: {'; '.join(f'{count:,} rows with {reason}' for reason, count in table.dropped.items())}.",
            warning=True,
        )


def _pictures(page: Page, result: Downscaling) -> None:
    """Show the product and the map beside each other on a few dates."""
    page.heading("Before and after")
    table = result.coarse_model.table
    bands = sorted(read_bands([Source(result.files.output)]), key=lambda band: band.index)
    chosen = np.unique(np.linspace(0, len(bands) - 1, min(_PICTURES, len(bands))).astype(int))
    for date in chosen:
        time = bands[date].time
        after = overview(bands[date], _SIDE)
        before = _product_like(
            table.values[date], table.lattice.grid, bands[date].grid, (after.shape[0], after.shape[1])
        )
        page.figure(
            figures.maps([("the product", before), ("downscaled", after)], "soil moisture (m³ m⁻³)"),
            f"{time or 'The product'}: as it is, and downscaled. White: no data, or left out by MASK.",
        )


def _product_like(values: np.ndarray, coarse: Grid, fine: Grid, shape: tuple[int, int]) -> np.ndarray:
    """Return the nearest coarse cell at the places of a picture of the fine grid."""
    scale = Affine.scale(fine.width / shape[1], fine.height / shape[0])
    picture = Grid(fine.crs, fine.transform * scale, shape[1], shape[0])
    columns, rows = block_places(picture, Window(0, 0, shape[1], shape[0]), coarse)
    with np.errstate(invalid="ignore"):
        inside = (columns >= 0) & (columns < coarse.width) & (rows >= 0) & (rows < coarse.height)
    column, row = (np.where(inside, each, 0).astype(int) for each in (columns, rows))
    return np.where(inside, values[row, column], np.nan)


def _blocks(page: Page, result: Downscaling, engine: Engine) -> None:
    """Say how far the map keeps the product, and whether the borders of its cells show."""
    page.heading("The product in the map")
    table, fine = result.coarse_model.table, result.fine
    bands = sorted(read_bands([Source(result.files.output)]), key=lambda band: band.index)
    ratio = edge_ratios(WantedEdges([bands], table.lattice.grid, table.source.name), engine).product
    own = "" if table.lattice.grid.crs == table.lattice.fine.crs else (
        f" Product ({label(table.lattice.grid.crs)}) and map ({label(table.lattice.fine.crs)}) have other coordinate "
        "reference systems: the mean is over the cells of the map whose centres lie in the coarse cell."
    )  # fmt: skip
    page.table(
        ("", "value"),
        [
            ("Block error: largest difference of the map's mean in a coarse cell from the product (m³ m⁻³)",
             f"{fine.block_error:.1e}"),
            ("RMSE of these means before the residual (m³ m⁻³)", fine.error_without),
            ("Share of the values with a residual", f"{fine.with_residual:.1%}"),
            ("Edge ratio of the map", ratio),
            ("Standard deviation of the prediction within coarse cells (m³ m⁻³)", fine.detail.spread),
            ("Roughness of the prediction within coarse cells (noise: 1)", fine.detail.roughness),
        ],
    )  # fmt: skip
    page.text(
        f"Residuals: {result.residuals}: {RESIDUALS[result.residuals]}. Observed − predicted. A fine cell belongs to "
        "the coarse cell that holds its centre; masked cells count for none."
        f"{own} Edge ratio: how many times as large the steps between neighbours are across borders of coarse cells as "
        "elsewhere (1: none to be seen)."
    )
    if ratio > _SEEN:
        page.notice(
            f"The borders of the coarse cells show in the map (edge ratio {ratio:.2f}): of a predictor that is no "
            "finer than they are, or of residuals beside coarse cells without data.",
            warning=True,
        )


def _reach(page: Page, result: Downscaling) -> None:
    """Say how far fine predictors reach beyond the range of their means, from which the model learned."""
    outside = result.fine.prediction.outside
    if outside is None or not outside.cells:
        return
    page.heading("Beyond what the model has seen")
    shares = {name: outside.beyond[name] / cells for name, cells in outside.cells.items()}
    page.table(
        ("Predictor", "of coarse cells, from", "to", "of the map's cells, from", "to", "beyond the former"),
        [
            (
                name,
                outside.records[name].minimum,
                outside.records[name].maximum,
                outside.low[name],
                outside.high[name],
                f"{shares[name]:.1%}",
            )
            for name in sorted(shares, key=lambda key: -shares[key])
        ],
    )
    applicable = result.fine.prediction.applicable
    within = (
        "" if applicable is None else f" {applicable:.1%} of the predicted cells lie within the area of applicability."
    )
    page.text(
        "Means over coarse cells have a narrower range than the cells within them. What lies beyond it the model has "
        "never seen: trees go on with the value at the edge, so that the driest and wettest places are too much like "
        f"the others.{within}"
    )


def _importance(page: Page, coarse_model: CoarseModel, progress: Progress) -> None:
    """Show the error without each predictor in turn."""
    page.heading("Importance")
    selection = _without_each(coarse_model, progress)
    if selection is None:
        mean, spread = (np.asarray(f(coarse_model.training.importance, axis=0)) for f in (np.mean, np.std))
        page.figure(
            figures.bars(coarse_model.training.model.predictors, mean, spread, "increase of RMSE (m³ m⁻³)"),
            "How much the error of coarse cells left out grows when the values of one predictor are shuffled.",
        )
        return
    whole = selection.steps[0]
    steps = selection.steps[1 : 1 + len(selection.table.roles.predictors)]
    change = np.array([step.metrics.rmse - whole.metrics.rmse for step in steps])
    spread = np.array([_spread(step, whole) for step in steps])
    names = [step.removed[0] for step in steps]
    page.figure(
        figures.bars(names, change, spread, "increase of RMSE without it (m³ m⁻³)"),
        f"Each predictor left out in turn: how much larger the RMSE of coarse cells left out is (with all: "
        f"{number(whole.metrics.rmse)} m³ m⁻³). The line is the standard deviation over folds. Where others say the "
        "same, a predictor can be spared, and below 0 it does harm.",
    )
    page.table(
        ("Without", "RMSE (m³ m⁻³)", "more than with all", "R²"),
        [
            (names[i], steps[i].metrics.rmse, f"{change[i]:+.4f}", steps[i].metrics.r2)
            for i in np.argsort(-change, kind="stable")
        ],
    )


def _without_each(coarse_model: CoarseModel, progress: Progress) -> PredictorSelection | None:
    table: TrainingTable = coarse_model.prepared.table
    training = coarse_model.training
    reads_sequences = training.model.manifest.sequence is not None
    if reads_sequences or len(table.roles.predictors) < 2 or len(table) > _ROWS_LEFT_OUT_IN_TURN:
        return None
    return select_predictors(
        table,
        coarse_model.estimator,
        training.split,
        Method("leave_one_out"),
        coarse_model.prepared.periods,
        training.model.manifest.seed or 0,
        Unheard(progress),
    )


def _spread(step: Step, whole: Step) -> float:
    return float(np.std([one.rmse - all_.rmse for one, all_ in zip(step.by_fold, whole.by_fold)]))


def _made(page: Page, result: Downscaling) -> None:
    coarse_model = result.coarse_model
    table, manifest, inputs = coarse_model.table, coarse_model.training.model.manifest, coarse_model.table.inputs
    page.heading("How it was made")
    too_coarse = table.too_coarse
    if too_coarse:
        page.text(f"No finer than the product's cells, so that they bring no detail: {', '.join(too_coarse)}.")
    split = coarse_model.prepared.split
    size = getattr(split, "block_size", 0.0)
    mask = inputs.mask
    classes = "" if mask is None else ", ".join(f"{item:g}" for item in mask.mask_values)
    settings = {
        "dates": _listed(table.stack),
        "split": f"{split.key}{f', blocks of {size:,.0f} m' if size else ''}, {split.folds} folds",
        "weights": "1 / σ² of the product's error" if inputs.coarse_error else "none",
        "masked": "nothing" if mask is None else f"classes {classes} of {mask.source.label}",
        "largest share masked or without data": f"{inputs.max_masked_share:.0%}",
        **{f"hyper-parameter {name}": value for name, value in hyperparameters_of(coarse_model.estimator).items()},
        "seed": manifest.seed,
        **(manifest.versions or {}),
    }
    page.table(("Setting", "value"), [(name, str(value)) for name, value in settings.items()])


def _listed(stack: Stack) -> str:
    if stack.is_static:
        return "none"
    names = [str(time) for time in stack.times]
    return ", ".join(names) if len(names) <= _LISTED else f"{names[0]} to {names[-1]}, {len(names)}"
