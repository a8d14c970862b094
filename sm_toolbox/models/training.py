"""Training: folds, out-of-fold predictions, importance, and the final model with all that is known about it."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

import sm_toolbox
from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.calibration import LEVELS, Calibration, Coverage, coverage
from sm_toolbox.models.assessment.importance import parts, permutation_increase
from sm_toolbox.models.assessment.splits import Folds, Split, StationSplit, comparison
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator, FittedModel, impurity_of, mean_and_quantiles
from sm_toolbox.models.learners.catalogue import LEARNERS, hyperparameters_of
from sm_toolbox.models.learners.threads import side_by_side
from sm_toolbox.models.modelfile import FORMAT, FORMAT_VERSION, Evidence, Model
from sm_toolbox.models.table import TrainingTable, oddities
from sm_toolbox.progress import SILENT, Progress

if TYPE_CHECKING:
    from sm_toolbox.models.applicability.area import Applicability
    from sm_toolbox.models.assessment.tuning import Search, Tuner

# Rows of the training table that a model file keeps for its report.
_EVIDENCE_ROWS = 2000


@dataclass(frozen=True)
class SplitResult:
    """What one way of splitting says about the model.

    Parameters
    ----------
    name : str
        A word of `splits.SPLITS`.
    left_out : str
        What a fold leaves out, in words.
    predictions : ndarray of float64 (rows,)
        Of each row by the model that did not see its fold.
    fold : ndarray of int (rows,)
        From 1.
    metrics : Metrics
        Over all rows.
    by_fold : list of Metrics
    importance : ndarray of float64 (folds, predictors)
        Increase of the RMSE on left-out rows when a predictor is shuffled; of no rows where it was not asked for.
    quantiles : ndarray of float64 (rows, levels)
        Out-of-fold quantiles at `calibration.LEVELS`; the prediction itself for kinds without quantiles.
    coverage : Coverage
        Of the calibrated intervals.
    """

    name: str
    left_out: str
    predictions: np.ndarray
    fold: np.ndarray
    metrics: Metrics
    by_fold: list[Metrics]
    importance: np.ndarray
    quantiles: np.ndarray
    coverage: Coverage


@dataclass(frozen=True)
class Spiking:
    """What local rows that joined the training change at local stations that did not.

    Parameters
    ----------
    rows, stations : int
    weight : float
        Of a local row against one of the training table.
    before : Metrics
        The model of the training table alone, on all local rows.
    after : Metrics
        The model of the training table and the local stations of other folds.
    """

    rows: int
    stations: int
    weight: float
    before: Metrics
    after: Metrics


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
    """

    model: Model
    table: TrainingTable
    splits: list[SplitResult]
    split: Split
    search: Search | None = None
    nested: bool = True
    spiking: Spiking | None = None

    @property
    def chosen(self) -> SplitResult:
        """The split that the user chose."""
        return self.splits[0]

    @property
    def importance(self) -> np.ndarray:
        """Increase of the RMSE on the left-out rows of the chosen split (folds, predictors)."""
        return self.chosen.importance


@dataclass
class _Rounds:
    """Shares progress out among rounds of equal length."""

    progress: Progress
    total: int
    done: int = field(default=0)

    def next(self) -> Progress:
        self.done += 1
        return self.progress.part((self.done - 1) / self.total, min(1.0, self.done / self.total))


class _Deaf(Progress):
    """Passes on all but Cancel: it has been heard, and what is left is to be done."""

    def __init__(self, progress: Progress):
        self._progress = progress

    def set_fraction(self, fraction: float) -> None:
        self._progress.set_fraction(fraction)

    def info(self, text: str) -> None:
        self._progress.info(text)

    def warning(self, text: str) -> None:
        self._progress.warning(text)


def train(
    table: TrainingTable,
    kind: str,
    estimator: Estimator,
    split_name: str,
    split: Split,
    periods: dict[str, float] | None = None,
    seed: int = 0,
    tuner: Tuner | None = None,
    spike: TrainingTable | None = None,
    spike_weight: float = 1.0,
    progress: Progress = SILENT,
) -> Training:
    """Evaluate a model on what it has not seen, then fit it to all rows.

    The chosen split is shown beside the random one (or, where that is chosen, beside whole stations, where stations are known),
    because the difference between the two says what part of the skill is memory of the place.

    Parameters
    ----------
    table : TrainingTable
    kind : str
        Word of the model's kind, for the manifest.
    estimator : Estimator
        Used where there is no tuner.
    split_name : str
        A word of `splits.SPLITS`.
    split : Split
    periods : mapping of str to float, optional
        Cyclic predictors.
    seed : int, optional
    tuner : Tuner, optional
        Chooses hyper-parameters: for the final model on all rows, and for each fold on the rows of the others (nested), so that the search does not
        flatter the error.
    spike : TrainingTable, optional
        Rows of the area to be mapped that join the final training (S0); what they bring is found out on local stations that did not join.
    spike_weight : float, optional

    Raises
    ------
    InputError
        Where the split is not possible with these rows.
    Cancelled
        Within a batch of trees of the user's Cancel.
    """
    progress.check()
    for text in oddities(table):
        progress.warning(text)
    encoder = FeatureEncoder(table.roles.predictors, periods or {})
    beside = comparison(split, table)
    splits = [(split_name, split), *([] if beside is None else [(beside.key, beside)])]
    folds = [way.divide(table, seed) for _, way in splits]
    local_folds = _local_folds(table, spike, split, seed) if spike is not None else []
    search_share = 0.0 if tuner is None else 0.9
    search, nested = None, True
    if tuner is not None:
        first = search_share / (1 + len(folds[0]))
        search = tuner.search(table, encoder, seed, progress.part(0, first))
        estimator = search.best
        if search.stopped:
            # The user stopped the search: there is no time for searching again in each fold.
            tuner, nested, progress = None, False, _Deaf(progress)
            search_share = first
    fold_estimators: Sequence[Estimator] = [estimator] * len(folds[0])
    if tuner is not None:
        fold_estimators, stopped = _search_in_folds(
            tuner, table, encoder, estimator, folds[0], seed, progress.part(search_share / (1 + len(folds[0])), search_share)
        )
        if stopped:
            nested, progress = False, _Deaf(progress)
    rounds = _Rounds(progress.part(search_share, 1), sum(map(len, folds)) + (len(local_folds) + 1 if spike is not None else 0) + 2)

    results = [
        _evaluate(
            table,
            encoder,
            fold_estimators if number == 0 else [estimator] * len(parts),
            name,
            way,
            parts,
            seed,
            rounds,
            progress,
            with_importance=number == 0,
        )
        for number, ((name, way), parts) in enumerate(zip(splits, folds))
    ]
    spiking = None
    final = table
    if spike is not None:
        spiking = _spiking(table, spike, spike_weight, encoder, estimator, local_folds, seed, rounds)
        final = table.joined(spike, spike_weight)
    progress.info(f"Fitting the final model to all {len(final)} rows.")
    fitted = estimator.fit(encoder.encode(final.predictors), final.target, final.weights, seed, rounds.next())
    chosen = results[0]
    applicability = _applicability(table, encoder, chosen, folds[0], spike, rounds.next())
    training = Training(
        Model({}, encoder, fitted, applicability, Calibration.fit(table.target, chosen.quantiles), _evidence(table, chosen, seed)), table, results, split, search, nested, spiking
    )  # fmt: skip
    training.model.manifest.update(_manifest(training, kind, estimator, seed))
    return training


def _search_in_folds(
    tuner: Tuner, table: TrainingTable, encoder: FeatureEncoder, estimator: Estimator, folds: Folds, seed: int, progress: Progress
) -> tuple[list[Estimator], bool]:
    """Search anew for each fold, without its rows; say whether the user stopped it, so that the remaining folds get the estimator found on all rows."""
    found: list[Estimator] = []
    for i, (train_rows, _) in enumerate(folds):
        try:
            search = tuner.search(table.take(train_rows), encoder, seed, progress.part(i / len(folds), (i + 1) / len(folds)))
        except Cancelled:
            if not tuner.keep_best:
                raise
            search = None
        if search is None or search.stopped:
            return found + [estimator] * (len(folds) - len(found)), True
        found.append(search.best)
    return found, False


def _evaluate(
    table: TrainingTable, encoder: FeatureEncoder, estimators: Sequence[Estimator], name: str, split: Split, folds: Folds, seed: int,
    rounds: _Rounds, progress: Progress, with_importance: bool,
) -> SplitResult:  # fmt: skip
    predictions, fold_of_row = np.full(len(table), np.nan), np.zeros(len(table), np.int64)
    quantiles = np.full((len(table), len(LEVELS)), np.nan)
    by_fold, importance = [], []
    for number, (train_rows, _) in enumerate(folds, start=1):
        if np.ptp(table.target[train_rows]) == 0:
            raise InputError(
                f"Without fold {number} of SPLIT '{name}' the target is the same in all rows: there is nothing to learn. Give fewer FOLDS, or choose another SPLIT."
            )
        if table.weights is not None and not table.weights[train_rows].sum() > 0:
            raise InputError(
                f"Without fold {number} of SPLIT '{name}' all rows have the weight 0: there is nothing to learn from. Give more rows a weight, or choose another SPLIT."
            )

    def judge(
        train_rows: np.ndarray, test_rows: np.ndarray, estimator: Estimator, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        fitted = fit_rows(table.take(train_rows), encoder, estimator, seed, progress)
        own, levels = _predict_with_quantiles(fitted, encoder.encode(table.predictors[test_rows]), progress)
        if not with_importance:
            return own, levels, None
        rng = np.random.default_rng(seed)
        return own, levels, permutation_increase(fitted, encoder, table.predictors[test_rows], table.target[test_rows], rng, progress=progress)

    tasks = [partial(judge, *rows, estimator) for rows, estimator in zip(folds, estimators)]
    found = side_by_side(tasks, [rounds.next() for _ in folds], table.predictors.size)
    for number, ((_, test_rows), (own, levels, increase)) in enumerate(zip(folds, found), start=1):
        predictions[test_rows], quantiles[test_rows], fold_of_row[test_rows] = own, levels, number
        by_fold.append(metrics(own, table.target[test_rows]))
        if increase is not None:
            importance.append(increase)
        progress.info(f"Split '{name}', fold {number} of {len(folds)}: RMSE {by_fold[-1].rmse:.4f} on {len(test_rows)} rows left out.")
    return SplitResult(
        name, split.left_out, predictions, fold_of_row, metrics(predictions, table.target), by_fold,
        np.array(importance).reshape(-1, table.predictors.shape[1]), quantiles, coverage(table.target, quantiles, folds),
    )  # fmt: skip


def fit_rows(table: TrainingTable, encoder: FeatureEncoder, estimator: Estimator, seed: int, progress: Progress) -> FittedModel:
    """Fit an estimator to all rows of a table."""
    return estimator.fit(encoder.encode(table.predictors), table.target, table.weights, seed, progress)


def _predict_with_quantiles(fitted: FittedModel, features: np.ndarray, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions (rows,) and quantiles at `LEVELS` (rows, levels); the prediction for each level where the kind has no quantiles."""
    means, quantiles = np.empty(len(features)), np.empty((len(features), len(LEVELS)))
    for part in parts(len(features)):
        progress.check()
        means[part], quantiles[part] = mean_and_quantiles(fitted, features[part], LEVELS)
    return means, quantiles


def _local_folds(table: TrainingTable, spike: TrainingTable, split: Split, seed: int) -> Folds:
    """Divide local rows so that whole stations are left out."""
    if spike.stations is None:
        raise InputError(
            f"SPIKE needs the STATION field in '{spike.layer}', too: what local rows bring is found out at local stations that are left out."
        )
    stations = len(np.unique(spike.stations))
    if stations < 2:
        raise InputError(f"The SPIKE layer '{spike.layer}' has rows of one station only; with two or more the gain can be measured on the others.")
    both = [] if table.stations is None else sorted(set(spike.stations) & set(table.stations))
    if both:
        raise InputError(
            f"{len(both)} stations are both in the SPIKE layer '{spike.layer}' and in '{table.layer}': {', '.join(both[:5])}. What local rows bring cannot be measured at stations that the model knows anyway. "
            "Take them out of one of the layers; where they are different stations, give them different names."
        )
    return StationSplit(min(split.folds, stations)).divide(spike, seed)


def _spiking(
    table: TrainingTable, spike: TrainingTable, weight: float, encoder: FeatureEncoder, estimator: Estimator, folds: Folds, seed: int, rounds: _Rounds,
) -> Spiking:  # fmt: skip
    features = encoder.encode(spike.predictors)
    before = fit_rows(table, encoder, estimator, seed, rounds.next()).predict(features)
    after = np.full(len(spike), np.nan)
    for train_rows, test_rows in folds:
        fitted = fit_rows(table.joined(spike.take(train_rows), weight), encoder, estimator, seed, rounds.next())
        after[test_rows] = fitted.predict(features[test_rows])
    assert spike.stations is not None
    found = Spiking(len(spike), len(np.unique(spike.stations)), weight, metrics(before, spike.target), metrics(after, spike.target))
    rounds.progress.info(
        f"Local stations: bias {found.before.bias:+.4f}, RMSE {found.before.rmse:.4f} without local rows; bias {found.after.bias:+.4f}, RMSE {found.after.rmse:.4f} with those of other local stations."
    )
    return found


def _applicability(
    table: TrainingTable, encoder: FeatureEncoder, chosen: SplitResult, folds: Folds, spike: TrainingTable | None, progress: Progress
) -> Applicability:
    from sm_toolbox.models.applicability.area import Applicability

    columns = {i: encoder.periods[name] for i, name in enumerate(encoder.predictors) if name in encoder.periods}
    predictors = table.predictors
    if spike is not None:
        # Local rows are training rows, too: a fold of their own keeps them out of the threshold of the others.
        folds = [*folds, (np.arange(len(table)), len(table) + np.arange(len(spike)))]
        predictors = np.concatenate([predictors, spike.predictors])
    return Applicability.fit(predictors, chosen.importance.mean(axis=0), folds, columns, progress)


def _evidence(table: TrainingTable, chosen: SplitResult, seed: int) -> Evidence:
    rows = np.arange(len(table))
    if len(rows) > _EVIDENCE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), _EVIDENCE_ROWS, replace=False))
    return Evidence(table.predictors[rows].astype(np.float32), table.target[rows], chosen.predictions[rows], chosen.importance)


def _manifest(training: Training, kind: str, estimator: Estimator, seed: int) -> dict[str, Any]:
    table, encoder, chosen = training.table, training.model.encoder, training.chosen
    impurity = impurity_of(training.model.fitted)
    of_predictor = None if impurity is None else encoder.by_predictor(impurity)
    predictors = []
    for i, name in enumerate(encoder.predictors):
        values = table.predictors[:, i]
        predictors.append({
            "name": name, "minimum": float(values.min()), "maximum": float(values.max()), "mean": float(values.mean()), "sd": float(values.std()),
            "period": encoder.periods.get(name), "importance": float(chosen.importance[:, i].mean()),
            "impurity_importance": None if of_predictor is None else float(of_predictor[i]),
            **({"origin": dict(table.origins[name])} if name in table.origins else {}),
        })  # fmt: skip
    assert training.model.calibration is not None and training.model.applicability is not None
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "task": "regression",
        "target": {"name": table.roles.target, "unit": "m3 m-3", "minimum": float(table.target.min()), "maximum": float(table.target.max())},
        "predictors": predictors,
        "hyperparameters": hyperparameters_of(estimator),
        "validation": [
            {
                "split": result.name,
                "left_out": result.left_out,
                "folds": len(result.by_fold),
                "metrics": _plain(result.metrics),
                "by_fold": [_plain(m) for m in result.by_fold],
                "coverage": {
                    "nominal": list(result.coverage.nominal),
                    "reached": result.coverage.reached.tolist(),
                    "uncalibrated": result.coverage.uncalibrated.tolist(),
                    "width": result.coverage.width.tolist(),
                },
            }
            for result in training.splits
        ],
        "calibration": {"split": chosen.name, "correction": training.model.calibration.correction.tolist()},
        "applicability": {"threshold": training.model.applicability.threshold, "split": chosen.name},
        "tuning": None if training.search is None else _tuning(training.search, training.nested),
        "spiking": None if training.spiking is None else _spiking_record(training.spiking),
        "training": {
            "layer": table.layer,
            "rows": len(table),
            "dropped": table.dropped,
            "stations": None if table.stations is None else len(np.unique(table.stations)),
            "first": None if table.times is None else str(table.times.min()),
            "last": None if table.times is None else str(table.times.max()),
        },
        "seed": seed,
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": versions("numpy", "scikit-learn", "numba", *LEARNERS[kind].packages),
    }


def _tuning(search: Search, nested: bool) -> dict[str, Any]:
    ranked = sorted(search.tried, key=lambda candidate: candidate.rmse)
    return {
        "tried": len(search.tried),
        "asked": search.asked,
        "nested": nested,
        "best": [{"rmse": candidate.rmse, "hyperparameters": hyperparameters_of(candidate.estimator)} for candidate in ranked[:10]],
        "worst_rmse": ranked[-1].rmse,
    }


def _spiking_record(spiking: Spiking) -> dict[str, Any]:
    return {
        "rows": spiking.rows,
        "stations": spiking.stations,
        "weight": spiking.weight,
        "before": _plain(spiking.before),
        "after": _plain(spiking.after),
    }


def _plain(values: Metrics) -> dict[str, float | None]:
    """JSON knows no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.as_dict().items()}


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of the toolbox, Python and some packages."""
    found = {"sm_toolbox": sm_toolbox.__version__, "python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            # The same module comes in several packages, such as xgboost-cpu.
            found[package] = str(getattr(sys.modules.get(package), "__version__", "not installed"))
    return found
