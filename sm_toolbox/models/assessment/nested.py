"""What a choice of predictors is worth: made anew in each outer fold without its rows, and judged on these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.selection import Method, select_predictors
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.progress import SILENT, Progress


@dataclass(frozen=True)
class NestedSelection:
    """The error of models whose predictors were chosen without the rows that they are judged on.

    Parameters
    ----------
    metrics : Metrics
        Over the rows that a model is judged by.
    chosen : list of tuple of str
        Predictors that each outer fold chose.
    """

    metrics: Metrics
    chosen: list[tuple[str, ...]]


class _Quiet(Progress):
    """Passes on fractions and Cancel: what inner selections say is not for the log."""

    def __init__(self, progress: Progress):
        self._progress = progress

    def set_fraction(self, fraction: float) -> None:
        self._progress.set_fraction(fraction)

    def is_cancelled(self) -> bool:
        return self._progress.is_cancelled()


def select_nested(
    table: TrainingTable,
    estimator: Estimator,
    split: Split,
    method: Method,
    outer_folds: int,
    periods: Mapping[str, float] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> NestedSelection:
    """Choose predictors anew in each outer fold, and judge each choice on the rows that the fold left out.

    The error of chosen predictors on the rows by which they were chosen is too small (Ambroise & McLachlan 2002, doi
    10.1073/pnas.102102699): of pure noise it makes skill.

    Parameters
    ----------
    table, estimator, split, method, periods, seed
        As `select_predictors`.
    outer_folds : int
        Divided as `split` divides.
    progress : Progress, optional

    Returns
    -------
    NestedSelection

    Raises
    ------
    InputError
        As `select_predictors`, and where there are fewer than two outer folds.
    Cancelled
        Within a batch of a fit of the user's Cancel.
    """
    if outer_folds < 2:
        raise InputError(f"`outer_folds` is {outer_folds}; at least 2 are needed, or 0 for none.")
    folds = replace(split, folds=outer_folds).divide(table, seed)
    predictions = np.full(len(table), np.nan)
    chosen = []
    quiet = _Quiet(progress)
    for number, (train, test) in enumerate(folds):
        part = quiet.part(number / len(folds), (number + 1) / len(folds))
        rows = table.take(train)
        selection = select_predictors(rows, estimator, split, method, periods, seed, part)
        names = selection.selected
        columns = [table.roles.predictors.index(name) for name in names]
        encoder = FeatureEncoder(
            tuple(names),
            {name: period for name, period in (periods or {}).items() if name in names},
            {name: classes for name, classes in table.classes.items() if name in names},
        )
        features = encoder.encode(rows.predictors[:, columns])
        fitted = estimator.fit(features, rows.target, rows.weights, seed, part)
        predictions[test] = fitted.predict(encoder.encode(table.predictors[test][:, columns]))
        chosen.append(tuple(names))
        progress.info(f"Outer fold {number + 1} of {len(folds)}: chosen without it are {', '.join(names)}.")
    rated = table.rated
    return NestedSelection(metrics(predictions[rated], table.target[rated]), chosen)
