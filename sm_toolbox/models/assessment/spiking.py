"""Spiking: rows of the area to be mapped join the training; the gain is measured at local stations left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.calibration import LEVELS, QuantileShift, within_intervals
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.splits import StationSplit
from sm_toolbox.models.learners.base import Estimator, mean_and_quantiles
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.progress import Progress


@dataclass(frozen=True)
class Spike:
    """Local rows that join a training.

    Parameters
    ----------
    table : TrainingTable
    weight : float, optional
        Of a local row against one of the training table.
    """

    table: TrainingTable
    weight: float = 1.0


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
    held : ndarray of float64 (intervals,)
        Share of the local observations within each of `INTERVALS` of that model, calibrated at the stations of the
        training, as the model of the file is.
    """

    rows: int
    stations: int
    weight: float
    before: Metrics
    after: Metrics
    held: np.ndarray


def divide_local_rows(table: TrainingTable, spike: TrainingTable, folds: int, seed: int) -> Folds:
    """Divide local rows so that whole stations are left out.

    Parameters
    ----------
    table : TrainingTable
        Of the training.
    spike : TrainingTable
        The local rows.
    folds : int
        At most; no more than there are local stations.
    seed : int

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Training and test rows, of `spike`, of each fold.

    Raises
    ------
    InputError
        Where local rows have no stations, fewer than two, or some that are in the training too.
    """
    if spike.stations is None:
        raise InputError(
            f"`spike` needs the `station` field in '{spike.layer}', too: what local rows bring is found out at local "
            "stations that are left out."
        )
    stations = len(np.unique(spike.stations))
    if stations < 2:
        raise InputError(
            f"The `spike` layer '{spike.layer}' has rows of one station only; with two or more the gain can be "
            "measured on the others."
        )
    both = [] if table.stations is None else sorted(set(spike.stations) & set(table.stations))
    if both:
        raise InputError(
            f"{len(both)} stations are both in the `spike` layer '{spike.layer}' and in '{table.layer}': "
            f"{', '.join(both[:5])}. What local rows bring cannot be measured at stations that the model knows "
            "anyway. Take them out of one of the layers; where they are different stations, give them different "
            "names."
        )
    return StationSplit(min(folds, stations)).divide(spike, seed)


def measure_spiking(
    problem: Problem,
    spike: Spike,
    estimator: Estimator,
    folds: Folds,
    shift: QuantileShift,
    fits: Sequence[Progress],
) -> Spiking:
    """Compare the model without local rows with those that saw some of the local stations, on the others.

    Parameters
    ----------
    problem : Problem
        Without local rows.
    spike : Spike
    estimator : Estimator
    folds : list of (ndarray of int, ndarray of int)
        Of the local rows, as `divide_local_rows` makes them.
    shift : QuantileShift
        Of the stations of the training.
    fits : sequence of Progress
        One for the model without local rows, and one for each fold.

    Returns
    -------
    Spiking
    """
    local = spike.table
    features = problem.encoder.encode(local.predictors)
    before = problem.fit(estimator, fits[0]).predict(features)
    after, quantiles = np.full(len(local), np.nan), np.full((len(local), len(LEVELS)), np.nan)
    for (train_rows, test_rows), progress in zip(folds, fits[1:]):
        fitted = problem.joined(local.take(train_rows), spike.weight).fit(estimator, progress)
        after[test_rows], quantiles[test_rows] = mean_and_quantiles(fitted, features[test_rows], LEVELS)
    assert local.stations is not None
    stations = len(np.unique(local.stations))
    held = within_intervals(local.target, shift.apply(quantiles, LEVELS)).mean(axis=0)
    return Spiking(
        len(local), stations, spike.weight, metrics(before, local.target), metrics(after, local.target), held
    )
