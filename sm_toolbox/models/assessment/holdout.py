"""Rows held out of a training altogether: neither fitted nor searched with, and rated once, at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.baselines import FittedBaseline, skill
from sm_toolbox.models.table import TrainingTable


@dataclass(frozen=True)
class Holdout:
    """What a model is worth at rows that were held out.

    Parameters
    ----------
    beside : str
        What these rows share with those of the training, in words.
    predictions, target : ndarray of float64 (rows,)
        Of the rows that are rated.
    metrics : Metrics
    baselines : dict of str to Metrics
        What costs nothing, made of the training rows, on the same rows.
    """

    beside: str
    predictions: np.ndarray
    target: np.ndarray
    metrics: Metrics
    baselines: Mapping[str, Metrics]

    @property
    def best(self) -> str | None:
        """The baseline of the smallest error; None where there is none."""
        return min(self.baselines, key=lambda label: float(self.baselines[label].rmse)) if self.baselines else None

    @property
    def skill(self) -> float:
        """The share of the best baseline's RMSE that the model removes; NaN where there is none."""
        return float("nan") if self.best is None else skill(self.metrics.rmse, self.baselines[self.best].rmse)

    def to_record(self) -> dict[str, Any]:
        """Return what JSON can hold."""

        def plain(values: Metrics) -> dict[str, float | None]:
            return {key: float(value) if np.isfinite(value) else None for key, value in values.as_dict().items()}

        return {
            "beside": self.beside,
            "metrics": plain(self.metrics),
            "baselines": [{"label": label, **plain(values)} for label, values in self.baselines.items()],
            "skill": None if np.isnan(self.skill) else self.skill,
        }


def part_rows(table: TrainingTable, holdout: np.ndarray) -> tuple[TrainingTable, TrainingTable]:
    """Part the rows of a table that are held out from those of the training.

    Parameters
    ----------
    table : TrainingTable
        Complete rows.
    holdout : ndarray of bool
        Of all rows of the table that was read.

    Returns
    -------
    training, held_out : TrainingTable

    Raises
    ------
    InputError
        Where all complete rows are held out, or none.
    """
    held = holdout[table.source_rows]
    if held.all() or not held.any():
        of = f"{len(table):,} complete rows of '{table.layer}'"
        raise InputError(
            f"`holdout` takes all {of}: none is left to learn from. Choose a part of them."
            if held.all()
            else f"`holdout` takes none of the {of} ({np.count_nonzero(holdout):,} of all rows, complete or not). "
            "Check the expression with 'Select by expression', or leave it empty."
        )
    return table.take(np.flatnonzero(~held)), table.take(np.flatnonzero(held))


def rate_holdout(
    table: TrainingTable, rows: TrainingTable, predictions: np.ndarray, baselines: Sequence[FittedBaseline]
) -> Holdout:
    """Rate the predictions of rows that were held out.

    Parameters
    ----------
    table : TrainingTable
        Of the training.
    rows : TrainingTable
        Held out.
    predictions : ndarray of float64 (rows,)
        NaN for rows that the model does not predict.
    baselines : sequence of FittedBaseline
        Made of the training rows.

    Returns
    -------
    Holdout

    Raises
    ------
    InputError
        Where no row has a prediction.
    """
    made = np.flatnonzero(np.isfinite(predictions))
    if not len(made):
        raise InputError(
            "No row that `holdout` takes can be predicted: all are of classes that no training row is of. Choose other "
            "rows, or take the predictor out of `categorical`."
        )
    rated = rows.rated_of(made)
    kept = rows.take(rated)
    beside = {}
    for baseline in baselines:
        values = baseline.predict(kept.predictors, kept.roles.predictors, kept.times)
        if values is not None and np.isfinite(values).all():
            beside[baseline.label] = metrics(values, kept.target)
    found = metrics(predictions[rated], kept.target)
    return Holdout(_in_common(table, kept), predictions[rated], kept.target, found, beside)


def _in_common(table: TrainingTable, rows: TrainingTable) -> str:
    """Say what stations and dates held-out rows share with the training."""
    parts, shared = [], []
    for what, first, second in (
        ("stations", table.stations, rows.stations),
        ("dates", _days(table), _days(rows)),
    ):
        if first is None or second is None:
            continue
        names = np.unique(second)
        known = int(np.isin(names, first).sum())
        shared.append(known > 0)
        share = "all" if known == len(names) else f"{known:,}" if known else "none"
        parts.append(f"{len(names):,} {what}, {share} of them in the training{', too' if known else ''}")
    text = ", and ".join(parts)
    if len(shared) == 2 and all(shared):
        return f"{text}: where both are shared the error says how well gaps are filled"
    return text


def _days(table: TrainingTable) -> np.ndarray | None:
    return None if table.times is None else table.times.astype("datetime64[D]")
