"""The report on a training: errors on rows left out, importance, and what was done."""

from __future__ import annotations

import numpy as np

from sm_toolbox.columns import STATIONS_SOURCE
from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.applicability.profile import by_quartile
from sm_toolbox.models.assessment.baselines import skill
from sm_toolbox.models.assessment.calibration import held_in_words
from sm_toolbox.models.assessment.intervals import intervals_in_words
from sm_toolbox.models.assessment.nndm import MatchedFolds
from sm_toolbox.models.assessment.outoffold import SplitResult
from sm_toolbox.models.assessment.spiking import Spiking
from sm_toolbox.models.assessment.splits import SPLITS
from sm_toolbox.models.assessment.splitting import WithDistances
from sm_toolbox.models.assessment.tuning import Search
from sm_toolbox.models.learners.base import WithQuantiles
from sm_toolbox.models.learners.catalogue import hyperparameters_of, label_of
from sm_toolbox.models.reports.course import add_course, add_rival, rival_in_words
from sm_toolbox.models.reports.holdout import add_holdout, holdout_in_words
from sm_toolbox.models.training import Training, dissimilar_errors
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, in_unit, number
from sm_toolbox.report.text import bare_coverage, metric_cells, metric_head, metrics_explained, summary

# Below this share of a baseline's error nobody would notice the difference on a map.
_HARDLY = 0.05


def training_report(training: Training, progress: Progress = SILENT) -> Page:
    """Write the report on a training.

    Parameters
    ----------
    training : Training
    progress : Progress, optional

    Returns
    -------
    Page
    """
    table, manifest = training.table, training.model.manifest
    page = Page(
        f"Training report: {label_of(manifest.kind)} for {table.roles.target}",
        f"{len(table):,} rows of '{table.layer}', made {manifest.created}.",
        progress=progress,
        unit=table.unit,
    )
    page.notice(gap_in_words(training))
    if training.choice:
        page.notice(training.choice, warning=True)
    if table.dropped:
        page.notice(
            f"Left out: {'; '.join(f'{count:,} rows with {reason}' for reason, count in table.dropped.items())}.",
            warning=True,
        )

    page.heading("Out-of-fold error")
    page.table(
        ("Split", "left out", *metric_head()),
        [(result.name, result.left_out, *metric_cells(result.metrics.values)) for result in training.splits],
    )
    page.text(metrics_explained() + " Every row is predicted by a model that did not see its fold.")
    _baselines(page, training)
    if training.rival is not None:
        add_rival(page, training.rival, manifest.kind, training.chosen.metrics, training.chosen.name)
    for result in training.splits:
        page.figure(
            figures.scatter(table.target, result.predictions, f"Split '{result.name}'", summary(result.metrics)),
            f"Out-of-fold predictions with {result.left_out} left out: {SPLITS[result.name].meaning}.",
        )
    if isinstance(training.split, WithDistances):
        _distances(page, training.split.match(table, manifest.seed or 0))
    chosen = training.chosen
    by_source = _by_source(training)
    if by_source:
        page.heading("Stations and products")
        page.table(("Rows of", *metric_head()), [(name, *metric_cells(values.values)) for name, values in by_source])
        page.text(
            f"Out-of-fold error of split '{chosen.name}'. The target of pixels is the product, so that their "
            "error says how well the model reproduces it. All else in this report is judged by rows of stations."
        )
    if training.holdout is not None:
        add_holdout(page, training.holdout, chosen.metrics, chosen.name)
    page.heading(f"Folds of split '{chosen.name}'")
    page.table(
        ("Fold", *metric_head()),
        [(str(i), *metric_cells(values.values)) for i, values in enumerate(chosen.by_fold, start=1)],
    )

    if table.groups is not None:
        _groups(page, training, chosen)
    if table.stations is not None:
        _stations(page, training, chosen)
    _intervals(page, training)
    if training.search is not None:
        _search(page, training.search, training.nested)
    if training.spiking is not None:
        _spiking(page, training.spiking)
    add_course(page, training.model.fitted, manifest.sequence)
    _importance(page, training)
    _made(page, training)
    return page


def _groups(page: Page, training: Training, chosen: SplitResult) -> None:
    table = training.table
    groups, rated = table.groups, table.rated
    assert groups is not None
    rows = []
    for name in np.unique(groups):
        mask = (groups == name) & rated
        stations = "" if table.stations is None else len(np.unique(table.stations[mask]))
        rows.append((str(name), stations, *metric_cells(metrics(chosen.predictions[mask], table.target[mask]).values)))
    page.heading("Groups")
    page.table(("Group", "stations", *metric_head()), rows, sortable=True)
    page.text(f"Out-of-fold error of split '{chosen.name}' by '{table.roles.group}'.")


def _baselines(page: Page, training: Training) -> None:
    rows = []
    for result in training.splits:
        if not result.baselines:
            return
        rows.append((result.name, "the model", result.skill, *metric_cells(result.metrics.values)))
        for item in result.baselines:
            gained = skill(item.metrics.rmse, result.baselines[0].metrics.rmse)
            rows.append(
                (
                    result.name,
                    item.label,
                    "" if item is result.baselines[0] else gained,
                    *metric_cells(item.metrics.values),
                )
            )
    page.heading("Is the model worth having?")
    page.table(("Split", "predicted by", "skill", *metric_head()), rows)
    page.text(
        "What costs nothing, made of the same training rows and judged on the same rows left out as the model"
        + (" (rows of stations alone)" if training.table.sources is not None else "")
        + ". Skill of the model: the share of the best baseline's RMSE that it removes; of baselines: of the mean's."
    )


def worth_in_words(training: Training) -> str:
    """Say whether a model is better than what costs nothing, and by how much.

    Parameters
    ----------
    training : Training

    Returns
    -------
    str
        Empty where there are no baselines.
    """
    sentences = []
    for result in training.splits:
        best = result.best_baseline
        if best is None:
            return ""
        of_baseline = f"{best.label} has {number(best.metrics.rmse)} m³ m⁻³"
        where = f"With {result.left_out} left out"
        if result.skill <= 0:
            sentences.append(
                f"{where} the model is not worth having: {of_baseline}, the model {number(result.metrics.rmse)}. Take "
                "that instead, or find predictors that know more."
            )
        elif result.skill < _HARDLY:
            sentences.append(
                f"{where} the model is hardly better than what costs nothing: {of_baseline}, the model "
                f"{number(result.metrics.rmse)} (skill {result.skill:.2f})."
            )
        else:
            sentences.append(
                f"{where} the model removes {result.skill:.0%} of the error of the best baseline ({of_baseline})."
            )
    return "\n".join(sentences)


def _importance(page: Page, training: Training) -> None:
    page.heading("Importance")
    mean, spread = training.importance.mean(axis=0), training.importance.std(axis=0)
    names = training.model.predictors
    page.figure(
        figures.bars(names, mean, spread, "increase of RMSE (m³ m⁻³)"),
        "How much the error on left-out rows grows when the values of one predictor are shuffled; the line is "
        "the standard deviation over folds. Predictors that are alike share their importance.",
    )
    order = np.argsort(-mean)
    impurity = [item.impurity_importance for item in training.model.manifest.predictors]
    page.table(
        ("Predictor", "increase of RMSE", "SD over folds", "impurity importance"),
        [
            (names[i], float(mean[i]), float(spread[i]), "" if impurity[i] is None else float(impurity[i]))
            for i in order
        ],
    )
    if impurity[0] is not None:
        page.text(
            "Impurity importance is the share of the variance of the training rows that splits at the predictor "
            "explain: it also counts what the trees only remember, and favours predictors with many values. "
            "Trust the increase of the error."
        )


def _made(page: Page, training: Training) -> None:
    manifest = training.model.manifest
    page.heading("Area of applicability")
    assert training.model.applicability is not None
    threshold = training.model.applicability.threshold
    quarters = by_quartile(*dissimilar_errors(training.table, training.chosen, training.model.applicability))
    page.table(
        ("Quarter of the rows by dissimilarity", "from", "to", "rows", "RMSE [m³ m⁻³]"),
        [(name, *row) for name, row in zip(("most alike", "second", "third", "most unlike"), quarters)],
    )
    page.text(
        "Out-of-fold error of rows by how unlike the rows of other folds their predictors are. Where it grows, expect "
        "more of cells that are unlike the training: 'Predict raster' writes it for each cell where ERROR_OUTPUT is "
        f"given, and marks those above {number(threshold)} where APPLICABILITY_OUTPUT is."
    )

    page.heading("How it was made")
    page.table(
        ("Predictor", "from", "to", "mean", "SD", "period"),
        [(item.name, item.minimum, item.maximum, item.mean, item.sd, item.period) for item in manifest.predictors],
    )
    settings = {
        **{f"hyper-parameter {name}": value for name, value in (manifest.hyperparameters or {}).items()},
        "seed": manifest.seed,
        **(manifest.versions or {}),
    }
    page.table(("Setting", "value"), [(name, str(value)) for name, value in settings.items()])


def _distances(page: Page, matched: MatchedFolds) -> None:
    page.heading("Distances")
    page.figure(
        figures.distributions(
            {
                "map to its stations": matched.to_training,
                "left-out places to the others": matched.in_folds,
                "stations to their neighbours": matched.in_random,
            },
            "distance (m)",
        ),
        "Share of distances up to a length. The error of left-out places is that of the map where the first two "
        "lines lie together; the third are the distances from a station to the next one, where single stations "
        "are left out.",
    )
    if not matched.clustered:
        page.text(
            "The stations are not significantly nearer to each other than the map is to them, so that places "
            "were left out at random."
        )


def _intervals(page: Page, training: Training) -> None:
    page.heading("Intervals")
    source = (
        "the model's own quantiles"
        if isinstance(training.model.fitted, WithQuantiles)
        else "the prediction, shifted by the quantiles of its errors"
    )
    rows = []
    for result in training.splits:
        coverage = result.coverage
        for i, nominal in enumerate(coverage.nominal):
            worst, best = coverage.by_fold[:, i].min(), coverage.by_fold[:, i].max()
            rows.append(
                (
                    result.name,
                    f"{nominal:.0%}",
                    f"{coverage.reached[i]:.1%}",
                    f"{worst:.0%} to {best:.0%}",
                    bare_coverage(coverage.uncalibrated[i]),
                    float(coverage.width[i]),
                )
            )
    page.table(("Split", "interval", "holds", "in single folds", "without calibration", "mean width [m³ m⁻³]"), rows)
    page.text(
        f"Share of left-out observations within central intervals: {source}, calibrated on the other folds of the "
        "split, so that the rows counted were seen neither by model nor by calibration. The model file carries "
        f"the calibration of split '{training.chosen.name}'. Where single folds fall short, some stations or "
        "periods are unlike the others, and no interval made from the others can know."
    )
    compared = intervals_in_words(training.intervals) if training.intervals else ""
    if compared:
        page.text(compared)
    stations = training.table.stations
    if stations is not None:
        shares = [
            (
                float(training.chosen.coverage.inside[stations == name, -1].mean()),
                int((stations == name).sum()),
                str(name),
            )
            for name in np.unique(stations)
        ]
        nominal = training.chosen.coverage.nominal[-1]
        page.figure(
            figures.boxes({f"{nominal:.0%} interval": [share for share, _, _ in shares]}, "share of observations held"),
            f"Share of each station's observations that its {nominal:.0%} intervals hold (split "
            f"'{training.chosen.name}').",
        )
        page.table(
            ("Station", "rows", f"held by {nominal:.0%} intervals"),
            [(name, rows_, f"{share:.0%}") for share, rows_, name in sorted(shares)[:10]],
        )
        page.text("The ten stations whose intervals hold least.")


def _search(page: Page, search: Search, nested: bool) -> None:
    page.heading("Search for hyper-parameters")
    page.text(
        f"{len(search.tried)} of {search.asked} candidates were tried. "
        + (
            "Each fold of the chosen split searched anew without its own rows, so that the search does not "
            "flatter the error above."
            if nested
            else "The search was stopped: the folds use the hyper-parameters found on all rows, so that the error "
            "above is somewhat too small."
        )
    )
    ranked = sorted(search.tried, key=lambda candidate: candidate.rmse)[:10]
    page.table(
        ("RMSE [m³ m⁻³]", "hyper-parameters"),
        [
            (
                candidate.rmse,
                ", ".join(f"{name} {value}" for name, value in hyperparameters_of(candidate.estimator).items()),
            )
            for candidate in ranked
        ],
    )
    page.text("The ten best on all rows, by folds of the same kind as the chosen split's.")


def _spiking(page: Page, spiking: Spiking) -> None:
    page.heading("Local rows (spiking)")
    page.table(
        ("Local stations", *metric_head()),
        [
            ("without local rows", *metric_cells(spiking.before.values)),
            ("with other local stations", *metric_cells(spiking.after.values)),
        ],
    )
    page.text(
        f"{spiking.rows:,} rows of {spiking.stations} local stations joined the training with a weight of "
        f"{spiking.weight:g}. Both lines are of local stations whose own rows the model did not see; the second "
        "model saw those of the other local stations. Its intervals, calibrated as those of the model file at the "
        f"stations of the training, hold {held_in_words(spiking.held)} of these observations; where they fall "
        "short, the area is unlike the training, and its intervals are too narrow."
    )


def gap_in_words(training: Training) -> str:
    """Say what the chosen split and the one beside it mean for a map.

    Parameters
    ----------
    training : Training

    Returns
    -------
    str
        A line for each thing to know.
    """
    chosen = training.chosen
    sentences = [
        f"Split '{chosen.name}' tells {SPLITS[chosen.name].meaning}: RMSE {number(chosen.metrics.rmse)} m³ m⁻³, "
        f"R² {number(chosen.metrics.r2)}."
    ]
    sentences += _sources_in_words(training)
    if training.spiking is not None:
        sentences.append(
            "These are errors at the stations of the training, without the local rows. With them, as the model "
            "of the file has them, the RMSE at local stations that it did not see is "
            f"{number(training.spiking.after.rmse)} m³ m⁻³."
        )
    if len(training.splits) < 2:
        cautions = SPLITS[chosen.name].cautions
        sentences.append(cautions.alone if cautions else "")
        sentences += _beside_in_words(training)
        return in_unit("\n".join(filter(None, sentences)), training.table.unit)
    beside = training.splits[1]
    sentences.append(
        f"Split '{beside.name}' tells {SPLITS[beside.name].meaning}: RMSE {number(beside.metrics.rmse)} m³ m⁻³, "
        f"R² {number(beside.metrics.r2)}."
    )
    harder, random = (beside, chosen) if SPLITS[chosen.name].cautions else (chosen, beside)
    split = SPLITS[harder.name]
    ratio = harder.metrics.rmse / random.metrics.rmse if random.metrics.rmse > 0 else float("nan")
    if ratio > 1.05:
        sentences.append(
            f"With {harder.left_out} left out the error is {ratio:.1f} times that of the random split: the "
            f"difference is what the model remembers of its {split.remembered}, not what it knows. Expect a map "
            f"of {split.elsewhere} to have the error of split '{harder.name}', not that of the random one."
        )
    else:
        sentences.append(
            f"With {harder.left_out} left out the error is about that of the random split ({ratio:.2f} times): "
            f"the skill carries over to {split.elsewhere.rstrip(',')}."
        )
    if np.isfinite(harder.metrics.r2) and harder.metrics.r2 <= 0:
        sentences.append(
            f"R² of split '{harder.name}' is not above zero: there the mean of the training observations would be "
            "as good as the map."
        )
    for result in training.splits[2:]:
        sentences.append(
            f"Several stations lie in one cell of the coarsest predictor: with {result.left_out} "
            f"({training.table.coarse_cell_m:,.0f} m) left out the RMSE is {number(result.metrics.rmse)} m³ m⁻³. "
            "Expect that of land without a station nearby."
        )
    sentences += _beside_in_words(training)
    return in_unit("\n".join(filter(None, sentences)), training.table.unit)


def _beside_in_words(training: Training) -> list[str]:
    """Say what a model is worth beside what costs less, and at rows held out."""
    chosen = training.chosen
    rival = rival_in_words(training.rival, training.model.manifest.kind, chosen.metrics, chosen.left_out)
    return [text for text in (worth_in_words(training), rival, holdout_in_words(training.holdout)) if text]


def _by_source(training: Training) -> list[tuple[str, Metrics]]:
    """Return the out-of-fold error of the rows of stations and of each product; empty for stations only."""
    sources = training.table.sources
    if sources is None:
        return []
    names = [STATIONS_SOURCE, *(str(name) for name in np.unique(sources) if name != STATIONS_SOURCE)]
    return [
        (name, metrics(training.chosen.predictions[sources == name], training.table.target[sources == name]))
        for name in names
    ]


def _sources_in_words(training: Training) -> list[str]:
    by_source = _by_source(training)
    if not by_source:
        return []
    listed = ", ".join(f"'{name}' {number(values.rmse)} (bias {number(values.bias)})" for name, values in by_source[1:])
    return [
        f"All errors are those of the {by_source[0][1].n:,} rows of stations, which know the truth. Against the pixels "
        f"of products that it learned from, too, the RMSE is: {listed}."
    ]


def _stations(page: Page, training: Training, chosen: SplitResult) -> None:
    table = training.table
    assert table.stations is not None
    rows = []
    for name in np.unique(table.stations):
        is_station = table.stations == name
        rows.append((str(name), metrics(chosen.predictions[is_station], table.target[is_station])))
    page.heading("Stations")
    page.figure(
        figures.boxes({"R": [m.r for _, m in rows]}, "R")
        if len(rows) > 1
        else figures.scatter(table.target, chosen.predictions, rows[0][0], summary(rows[0][1])),
        f"Correlation in time of each station with its out-of-fold predictions (split '{chosen.name}').",
    )
    page.figure(
        figures.boxes(
            {
                "bias": [m.bias for _, m in rows],
                "ubRMSE": [m.ubrmse for _, m in rows],
                "RMSE": [m.rmse for _, m in rows],
            },
            "m³ m⁻³",
        ),
        f"Bias, ubRMSE and RMSE of the stations (split '{chosen.name}').",
    )
    page.table(
        ("Station", *metric_head()),
        [(name, *metric_cells(values.values)) for name, values in sorted(rows, key=lambda row: -row[1].rmse)],
    )
