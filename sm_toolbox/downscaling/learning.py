"""Learning from coarse cells: which of them are left out in turn, and the model of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.downscaling.choices import DOWNSCALE_SPLITS
from sm_toolbox.downscaling.table import CoarseTable
from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.outoffold import SplitResult, evaluate
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.splits import BlockSplit, StationSplit, TimeSplit
from sm_toolbox.models.assessment.tuning import Tuner, inner_split
from sm_toolbox.models.learners.base import Estimator
from sm_toolbox.models.preparation import Prepared, SplitRequest, prepare_training
from sm_toolbox.models.training import Training, train
from sm_toolbox.progress import Progress

# Blocks in a fold, so that folds are alike, and the sides of the smallest ones in coarse cells.
_BLOCKS_OF_A_FOLD, _SMALLEST = 6, 2


@dataclass(frozen=True)
class Learning:
    """How a model of coarse cells is made and judged.

    Parameters
    ----------
    candidates : sequence of Estimator
        One, or those that a search chooses from.
    split : str, optional
        A word of `DOWNSCALE_SPLITS`; by default blocks of coarse cells, or single ones where there are few.
    folds : int, optional
    block_size : float, optional
        Side of a block, m; by default at least two coarse cells.
    tuning_folds : int, optional
        Folds of the search.
    keep_best : bool, optional
        Whether a Cancel during the search ends the search alone.
    seed : int, optional
    """

    candidates: Sequence[Estimator]
    split: str | None = None
    folds: int = 5
    block_size: float | None = None
    tuning_folds: int = 3
    keep_best: bool = False
    seed: int = 0


@dataclass(frozen=True)
class CoarseModel:
    """A model of coarse cells, and what it is worth there.

    Parameters
    ----------
    table : CoarseTable
    prepared : Prepared
        The complete rows.
    training : Training
    in_time : SplitResult, optional
        With whole periods left out, where dates allow it and the chosen split is another.
    estimator : Estimator
        The one that was fitted to all rows.
    """

    table: CoarseTable
    prepared: Prepared
    training: Training
    in_time: SplitResult | None
    estimator: Estimator

    @property
    def results(self) -> list[SplitResult]:
        """All splits, the chosen one first."""
        return [*self.training.splits, *([self.in_time] if self.in_time else [])]

    @property
    def rows(self) -> np.ndarray:
        """Positions of the complete rows in the coarse table (rows,)."""
        return self.prepared.table.source_rows

    def predicted_cells(self) -> np.ndarray:
        """Return the model's values for the means of the predictors, (dates, rows, cols) of the lattice; NaN elsewhere.

        Returns
        -------
        ndarray of float64 (dates, rows, cols)
        """
        table = self.table
        values = np.full(table.values.shape, np.nan)
        flat = values.reshape(len(values), -1)
        flat[table.date[self.rows], table.cell[self.rows]] = self.training.model.predict(self.prepared.table.predictors)
        return values


def learn_cells(table: CoarseTable, learning: Learning, progress: Progress) -> CoarseModel:
    """Train a model on coarse cells.

    Parameters
    ----------
    table : CoarseTable
    learning : Learning
    progress : Progress

    Returns
    -------
    CoarseModel

    Raises
    ------
    InputError
        Where the rows do not allow the split, or there is nothing to learn.
    """
    prepared = prepare_training(
        table.source, table.roles, None, _split(table, learning), progress, table.inputs.categorical
    )
    tuner = None
    if len(learning.candidates) > 1:
        tuner = Tuner(list(learning.candidates), inner_split(prepared.split, learning.tuning_folds), learning.keep_best)
    training = train(
        prepared.table,
        learning.candidates[0],
        prepared.split,
        prepared.periods,
        learning.seed,
        tuner=tuner,
        progress=progress.part(0, 0.85),
    )
    estimator = training.search.best if training.search else learning.candidates[0]
    in_time = _left_out_in_time(training, prepared, estimator, progress.part(0.85, 1))
    return CoarseModel(table, prepared, training, in_time, estimator)


def _split(table: CoarseTable, learning: Learning) -> SplitRequest:
    """Return the split that is asked for, or whole blocks of coarse cells, or single ones where there are few."""
    cells, folds = len(np.unique(table.cell)), learning.folds
    across = max(_SMALLEST, int(np.sqrt(cells / (_BLOCKS_OF_A_FOLD * max(1, folds)))))
    # A trifle less than whole cells, so that rounding puts no centre beyond the edge of its block.
    size = learning.block_size or (1 - 1e-6) * across * table.cell_metres
    key = learning.split
    if key not in (None, *DOWNSCALE_SPLITS):
        raise InputError(f"`split` '{key}' is none of {', '.join(DOWNSCALE_SPLITS)}.")
    if key is None:
        positions = table.source.positions
        blocks = 0
        if positions is not None:
            blocks = len(np.unique(np.floor((positions - positions.min(axis=0)) / size), axis=0))
        key = BlockSplit.key if blocks >= folds else StationSplit.key
        if key == StationSplit.key and cells < folds:
            raise InputError(
                f"`coarse` has {cells} cells over the predictors, which cannot be divided into {folds} folds. Give "
                "fewer `folds`, or `split` time."
            )
    return SplitRequest(key, folds, size)


def _left_out_in_time(
    training: Training, prepared: Prepared, estimator: Estimator, progress: Progress
) -> SplitResult | None:
    """Judge the model with whole periods left out, beside the chosen split; None where dates do not allow it."""
    table = prepared.table
    if table.times is None or prepared.split.key in (TimeSplit.key, "year", "month", "station_time"):
        return None
    days = len(np.unique(table.times.astype("datetime64[D]")))
    if days < 2:
        return None
    split, seed = TimeSplit(min(prepared.split.folds, days)), training.model.manifest.seed or 0
    problem = Problem(table, training.model.encoder, seed, split)
    try:
        folds = split.divide(table, seed)
    except InputError:
        # Nearly all rows are of one date.
        return None
    parts = [progress.part(i / len(folds), (i + 1) / len(folds)) for i in range(len(folds))]
    return evaluate(problem, split, folds, [estimator] * len(folds), parts, progress, with_importance=False)
