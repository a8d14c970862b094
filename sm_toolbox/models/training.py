"""Training: folds, out-of-fold predictions, importance, and the final model with all that is known about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.models.applicability.profile import ErrorProfile
from sm_toolbox.models.assessment.baselines import baseline_from_record, fit_baselines
from sm_toolbox.models.assessment.calibration import QuantileShift
from sm_toolbox.models.assessment.choices import choice_of
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.holdout import Holdout, rate_holdout
from sm_toolbox.models.assessment.intervals import ModelIntervals, choose_intervals, intervals_in_words
from sm_toolbox.models.assessment.outoffold import SplitResult, evaluate
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.rival import Rival, judge_rival
from sm_toolbox.models.assessment.spiking import Spike, Spiking, divide_local_rows, measure_spiking
from sm_toolbox.models.assessment.splits import RandomSplit, beside_stations, comparison
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.assessment.tuning import NestedSearch, Search, search_nested
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator, FittedModel, impurity_of
from sm_toolbox.models.learners.catalogue import LEARNERS, hyperparameters_of, kind_of
from sm_toolbox.models.manifest import (
    FORMAT,
    FORMAT_VERSION,
    Manifest,
    PredictorRecord,
    SpikingRecord,
    SplitRecord,
    TargetRecord,
    TuningRecord,
    metrics_record,
    versions,
)
from sm_toolbox.models.modelfile import Evidence, Model
from sm_toolbox.models.table import TrainingTable, oddities
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report.page import in_unit

if TYPE_CHECKING:
    from sm_toolbox.models.applicability.area import Applicability
    from sm_toolbox.models.assessment.tuning import Tuner

# Rows of the training table that a model file keeps for its report.
_EVIDENCE_ROWS = 2000


@dataclass(frozen=True)
class Training:
    """A trained model and the evidence for what it is worth.

    Parameters
    ----------
    model : Model
    table : TrainingTable
    splits : list of SplitResult
        The chosen split first, then the one it is compared with.
    split : Split
        The chosen one.
    search : Search, optional
        Of hyper-parameters, on all rows.
    nested : bool
        Whether each fold's hyper-parameters were searched without the fold.
    spiking : Spiking, optional
    choice : str, optional
        How far the errors can be trusted where the predictors were chosen on the same rows.
    intervals : ModelIntervals, optional
        Which kind was taken, and how evenly both hold by place.
    holdout : Holdout, optional
        Of rows that were held out.
    rival : Rival, optional
        Another kind of model on the same folds of the chosen split.
    """

    model: Model
    table: TrainingTable
    splits: list[SplitResult]
    split: Split
    search: Search | None = None
    nested: bool = True
    spiking: Spiking | None = None
    choice: str = ""
    intervals: ModelIntervals | None = None
    holdout: Holdout | None = None
    rival: Rival | None = None

    @property
    def chosen(self) -> SplitResult:
        """The split that the user chose."""
        return self.splits[0]

    @property
    def importance(self) -> np.ndarray:
        """Increase of the RMSE on the left-out rows of the chosen split (folds, predictors)."""
        return self.chosen.importance

    def rate(self, rows: TrainingTable) -> Training:
        """Return the same with what the model is worth at rows that were held out, which the model's file keeps, too.

        Parameters
        ----------
        rows : TrainingTable
            Neither fitted nor searched with.

        Returns
        -------
        Training

        Raises
        ------
        InputError
            Where no row can be predicted.
        """
        model = self.model
        known = np.ones(len(rows), bool)
        for i, name in enumerate(model.predictors):
            unseen = model.encoder.unseen(rows.predictors[:, i], name)
            known &= True if unseen is None else ~unseen
        predictions = np.full(len(rows), np.nan)
        if known.any():
            predictions[known] = model.predict(rows.predictors[known])
        baselines = [baseline_from_record(item, model.predictors) for item in model.manifest.baselines or ()]
        holdout = rate_holdout(self.table, rows, predictions, [item for item in baselines if item is not None])
        manifest = replace(model.manifest, holdout=holdout.to_record())
        return replace(self, model=replace(model, manifest=manifest), holdout=holdout)

    def without_baselines(self) -> Training:
        """Return the same without what costs nothing beside the model."""
        manifest = self.model.manifest
        records = [replace(record, baselines=None, skill=None) for record in manifest.splits]
        manifest = replace(manifest, validation=records)
        holdout = None if self.holdout is None else replace(self.holdout, baselines={})
        if holdout is not None:
            manifest = replace(manifest, holdout=holdout.to_record())
        return replace(
            self,
            splits=[replace(result, baselines=[]) for result in self.splits],
            model=replace(self.model, manifest=manifest),
            holdout=holdout,
        )


@dataclass
class _Rounds:
    """Shares progress out among rounds of equal length."""

    progress: Progress
    total: int
    done: int = field(default=0)

    def next(self) -> Progress:
        self.done += 1
        return self.progress.part((self.done - 1) / self.total, min(1.0, self.done / self.total))

    def take(self, count: int) -> list[Progress]:
        return [self.next() for _ in range(count)]


def train(
    table: TrainingTable,
    estimator: Estimator,
    split: Split,
    periods: Mapping[str, float] | None = None,
    seed: int = 0,
    tuner: Tuner | None = None,
    spike: Spike | None = None,
    progress: Progress = SILENT,
) -> Training:
    """Evaluate a model on what it has not seen, then fit it to all rows.

    The chosen split is shown beside the one of `splits.comparison`, because the difference between the two says what
    part of the skill is memory of the place.

    Parameters
    ----------
    table : TrainingTable
    estimator : Estimator
        Used where there is no tuner.
    split : Split
    periods : mapping of str to float, optional
        Cyclic predictors.
    seed : int, optional
    tuner : Tuner, optional
        Chooses hyper-parameters: for the final model on all rows, and for each fold on the rows of the others (nested),
        so that the search does not flatter the error.
    spike : Spike, optional
        Rows of the area to be mapped that join the final training (S0); what they bring is found out on local stations
        that did not join.
    progress : Progress, optional

    Returns
    -------
    Training

    Raises
    ------
    InputError
        Where the split is not possible with these rows.
    Cancelled
        Within a batch of trees of the user's Cancel.

    Examples
    --------
    >>> from sm_toolbox.models.assessment.splits import StationSplit
    >>> from sm_toolbox.models.learners.catalogue import make_estimator
    >>> from sm_toolbox.models.table import Roles, make_training_table
    >>> rng = np.random.default_rng(0)
    >>> ndvi, slope = rng.uniform(0.1, 0.8, 60), rng.uniform(0, 20, 60)
    >>> columns = {"ndvi": ndvi, "slope": slope, "sm": 0.1 + 0.4 * ndvi - 0.004 * slope, "station": np.arange(60) // 6}
    >>> table = make_training_table(columns, Roles("sm", ("ndvi", "slope"), station="station"), "table")
    >>> training = train(table, make_estimator("random_forest", '{"n_estimators": 20}'), StationSplit(5))
    >>> [split.name for split in training.splits], training.chosen.metrics.r2 > 0.5
    (['station', 'random'], True)
    """
    progress.check()
    # Reject what no model file could name before the work.
    kind = kind_of(estimator)
    for text in oddities(table):
        progress.warning(text)
    choice = choice_of(table)
    if choice:
        progress.info(in_unit(choice, table.unit))
    encoder = FeatureEncoder(table.roles.predictors, periods or {}, table.classes, table.limits)
    problem = Problem(table, encoder, seed, split)
    problem.tell_sequences(estimator, progress)
    splits = [split, *filter(None, (comparison(split, table), beside_stations(split, table)))]
    folds = [candidate.divide(table, seed) for candidate in splits]
    local_folds = divide_local_rows(table, spike.table, split.folds, seed) if spike else []
    # Whole stations beside random rows are the error to expect of the map: that, too, is of the search and the fit.
    strict = [place for place, each in enumerate(splits) if each is split or each.key != RandomSplit.key]
    nested = search_nested(tuner, problem, [folds[place] for place in strict], progress) if tuner else None
    if nested:
        estimator = nested.search.best
        if nested.stopped:
            progress.enough()
    beside = len(folds[0]) if LEARNERS[kind].beside else 0
    rounds = _Rounds(
        progress.part(nested.share if nested else 0, 1),
        sum(map(len, folds)) + beside + (len(local_folds) + 1 if spike else 0) + 2,
    )
    results = []
    for place, (candidate, parts) in enumerate(zip(splits, folds)):
        is_chosen = candidate is split
        is_nested = nested and place in strict
        estimators = nested.by_split[strict.index(place)] if nested and is_nested else [estimator] * len(parts)
        results.append(
            evaluate(
                problem, candidate, parts, estimators, rounds.take(len(parts)), progress, with_importance=is_chosen
            )
        )
    rival = judge_rival(kind, problem, split, folds[0], rounds.take(beside))
    applicability = _applicability(problem, results[0], folds[0], spike, rounds.next())
    # How unlike local stations are that did not join, the model of all rows cannot know: even widths.
    unlike = None if spike else applicability.training_di.astype(np.float64)
    intervals = choose_intervals(table, results[0], folds[0], unlike)
    results[0] = replace(results[0], coverage=intervals.coverage)
    spiking, final, shift = None, problem, intervals.shift
    if spike:
        spiking = measure_spiking(problem, spike, estimator, local_folds, shift, rounds.take(len(local_folds) + 1))
        progress.info(in_unit(_spiking_in_words(spiking), table.unit))
        final = problem.joined(spike.table, spike.weight)
    words = intervals_in_words(intervals)
    if words:
        progress.info(in_unit(words, table.unit))
    progress.info(f"Fitting the final model to all {len(final.table)} rows.")
    fitted = final.fit(estimator, rounds.next())
    manifest = _manifest(problem, estimator, fitted, results, nested, spiking, shift, applicability)
    manifest = replace(manifest, baselines=[item.to_record() for item in fit_baselines(final)])
    model = Model(manifest, problem.encoder, fitted, applicability, shift, _evidence(problem, results[0]))
    search, is_whole = (nested.search, not nested.stopped) if nested else (None, True)
    return Training(model, table, results, split, search, is_whole, spiking, choice, intervals, None, rival)


def _spiking_in_words(spiking: Spiking) -> str:
    before, after = spiking.before, spiking.after
    return (
        f"Local stations: bias {before.bias:+.4f}, RMSE {before.rmse:.4f} without local rows; "
        f"bias {after.bias:+.4f}, RMSE {after.rmse:.4f} with those of other local stations."
    )


def _applicability(
    problem: Problem, chosen: SplitResult, folds: Folds, spike: Spike | None, progress: Progress
) -> Applicability:
    from sm_toolbox.models.applicability.area import Applicability

    table, encoder = problem.table, problem.encoder
    columns = {i: encoder.periods[name] for i, name in enumerate(encoder.predictors) if name in encoder.periods}
    predictors = table.predictors
    if spike is not None:
        # Local rows are training rows, too: a fold of their own keeps them out of the threshold of the others.
        folds = [*folds, (np.arange(len(table)), len(table) + np.arange(len(spike.table)))]
        predictors = np.concatenate([predictors, spike.table.predictors])
    # Numbers of classes have no distance: cells of unknown ones have no value at all.
    importance = chosen.importance.mean(axis=0)
    amounts = np.array([name not in encoder.classes for name in encoder.predictors])
    if importance[amounts].max(initial=0) > 0:
        importance = importance * amounts
    return Applicability.fit(predictors, importance, folds, columns, progress)


def dissimilar_errors(
    table: TrainingTable, chosen: SplitResult, applicability: Applicability
) -> tuple[np.ndarray, np.ndarray]:
    """Return how dissimilar the rows are that a model is judged by from those of other folds, and their errors.

    Parameters
    ----------
    table : TrainingTable
    chosen : SplitResult
    applicability : Applicability

    Returns
    -------
    dissimilarity, error : ndarray (rows,)
        Predicted − observed, out of fold.
    """
    rated = table.rated
    error = chosen.predictions - table.target
    return applicability.training_di[: len(table)][rated].astype(np.float64), error[rated]


def _evidence(problem: Problem, chosen: SplitResult) -> Evidence:
    table = problem.table
    rows = np.arange(len(table))
    if len(rows) > _EVIDENCE_ROWS:
        rows = np.sort(np.random.default_rng(problem.seed).choice(len(rows), _EVIDENCE_ROWS, replace=False))
    return Evidence(
        table.predictors[rows].astype(np.float32), table.target[rows], chosen.predictions[rows], chosen.importance
    )


def _manifest(
    problem: Problem,
    estimator: Estimator,
    fitted: FittedModel,
    results: Sequence[SplitResult],
    nested: NestedSearch | None,
    spiking: Spiking | None,
    shift: QuantileShift,
    applicability: Applicability,
) -> Manifest:
    """Write the manifest of a model."""
    table, chosen, kind = problem.table, results[0], kind_of(estimator)
    sequences = problem.sequences_of(estimator)
    return Manifest(
        format=FORMAT,
        format_version=FORMAT_VERSION if table.limits else 1,
        kind=kind,
        task="regression",
        target=TargetRecord(
            table.roles.target, table.stated_unit, float(table.target.min()), float(table.target.max())
        ),
        predictors=_predictor_records(problem, fitted, chosen),
        hyperparameters=hyperparameters_of(estimator),
        validation=[_split_record(result) for result in results],
        calibration={"split": chosen.name, **shift.as_record()},
        applicability={
            "threshold": applicability.threshold,
            "split": chosen.name,
            "error_profile": ErrorProfile.fit(*dissimilar_errors(table, chosen, applicability)).as_record(),
        },
        tuning=_tuning_record(nested) if nested else None,
        spiking=_spiking_record(spiking) if spiking else None,
        training={
            "layer": table.layer,
            "rows": len(table),
            "dropped": table.dropped,
            "stations": None if table.stations is None else len(np.unique(table.stations)),
            "first": None if table.times is None else str(table.times.min()),
            "last": None if table.times is None else str(table.times.max()),
        },
        seed=problem.seed,
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        versions=versions("numpy", "scikit-learn", "numba", *LEARNERS[kind].packages),
        matching=1,
        sequence=None if sequences is None else sequences.as_record(),
    )


def _predictor_records(problem: Problem, fitted: FittedModel, chosen: SplitResult) -> tuple[PredictorRecord, ...]:
    table, encoder = problem.table, problem.encoder
    impurity = impurity_of(fitted)
    shares = None if impurity is None else encoder.by_predictor(impurity)
    records = []
    for i, name in enumerate(encoder.predictors):
        values = table.predictors[:, i]
        records.append(
            PredictorRecord(
                name,
                minimum=float(values.min()),
                maximum=float(values.max()),
                mean=float(values.mean()),
                sd=float(values.std()),
                period=encoder.periods.get(name),
                classes=encoder.classes.get(name),
                importance=float(chosen.importance[:, i].mean()),
                impurity_importance=None if shares is None else float(shares[i]),
                origin=dict(table.origins[name]) if name in table.origins else None,
                limits=encoder.limits.get(name),
            )
        )
    return tuple(records)


def _split_record(result: SplitResult) -> SplitRecord:
    coverage = result.coverage
    return SplitRecord(
        result.name,
        result.left_out,
        len(result.by_fold),
        metrics_record(result.metrics),
        [metrics_record(values) for values in result.by_fold],
        {
            "nominal": list(coverage.nominal),
            "reached": coverage.reached.tolist(),
            "uncalibrated": coverage.uncalibrated.tolist(),
            "width": coverage.width.tolist(),
        },
        [{"key": item.key, "label": item.label, **metrics_record(item.metrics)} for item in result.baselines],
        None if np.isnan(result.skill) else result.skill,
    )


def _tuning_record(nested: NestedSearch) -> TuningRecord:
    search = nested.search
    ranked = sorted(search.tried, key=lambda candidate: candidate.rmse)
    best = [
        {"rmse": candidate.rmse, "hyperparameters": hyperparameters_of(candidate.estimator)}
        for candidate in ranked[:10]
    ]
    return TuningRecord(len(search.tried), search.asked, not nested.stopped, best, ranked[-1].rmse)


def _spiking_record(spiking: Spiking) -> SpikingRecord:
    return SpikingRecord(
        spiking.rows,
        spiking.stations,
        spiking.weight,
        metrics_record(spiking.before),
        metrics_record(spiking.after),
        [float(share) for share in spiking.held],
    )
