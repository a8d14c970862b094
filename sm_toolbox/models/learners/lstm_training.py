"""How a recurrent network learns: batches in random order, and a stop when rows that are only watched gain no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sm_toolbox.errors import Cancelled
from sm_toolbox.models.learners.hyperparameters import NoConvergence
from sm_toolbox.models.learners.lstm_kernels import descend
from sm_toolbox.models.learners.lstm_network import Network, Shape, loss_and_slopes
from sm_toolbox.models.learners.sequences import Parts
from sm_toolbox.progress import Progress

# Of Adam: decays of the running means, and what keeps a root from being 0.
_DECAYS, _FLOOR = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Course:
    """Scaled rows that a network is trained with.

    Parameters
    ----------
    sequences : ndarray of float32 (steps, rows, channels)
    target, weights : ndarray of float32 (rows,)
        Weights of the squared errors, with a mean of 1.
    parts : Parts
    moving : int
        How many of the channels change from step to step; the others follow them.
    """

    sequences: np.ndarray
    target: np.ndarray
    weights: np.ndarray
    parts: Parts
    moving: int


@dataclass(frozen=True)
class Schedule:
    """The hyper-parameters of `lstm.ShortTermMemory` that say how to train.

    Parameters
    ----------
    dropout, learning_rate : float
    max_epochs, patience, batch_size : int
    """

    dropout: float
    learning_rate: float
    max_epochs: int
    patience: int
    batch_size: int


class Trainer(Protocol):
    """What computes: holds the coefficients, changes them batch by batch, and predicts."""

    def learn_from(self, rows: np.ndarray, masks: Sequence[np.ndarray] | None) -> float:
        """Change the coefficients by a batch.

        Parameters
        ----------
        rows : ndarray of int
        masks : sequence of ndarray or None
            As `loss_and_slopes` takes them.

        Returns
        -------
        float
            The loss before the change.
        """
        ...

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict rows without dropout.

        Parameters
        ----------
        rows : ndarray of int

        Returns
        -------
        ndarray of float32 (rows,)
        """
        ...

    def vector(self) -> np.ndarray:
        """Return a copy of the coefficients, float32 (shape.count,)."""
        ...


class NumpyTrainer:
    """Trains with NumPy's products of matrices and compiled loops between them.

    Parameters
    ----------
    course : Course
    shape : Shape
    vector : ndarray of float32 (shape.count,)
        Coefficients to begin with.
    learning_rate : float
    """

    def __init__(self, course: Course, shape: Shape, vector: np.ndarray, learning_rate: float):
        self._course, self._shape, self._vector, self._rate = course, shape, vector.copy(), learning_rate
        self._first, self._second = np.zeros_like(vector), np.zeros_like(vector)
        self._steps = 0

    def learn_from(self, rows: np.ndarray, masks: Sequence[np.ndarray] | None) -> float:
        """Change the coefficients by a batch.

        As `Trainer.learn_from`.
        """
        course = self._course
        # A training that runs away is found by its loss.
        with np.errstate(over="ignore", invalid="ignore"):
            loss, slopes = loss_and_slopes(
                self._shape, self._vector, course.sequences[:, rows], course.target[rows], course.weights[rows], masks
            )
        self._steps += 1
        first, second = (1 - decay**self._steps for decay in _DECAYS)
        rate, floor = self._rate * np.sqrt(second) / first, _FLOOR * np.sqrt(second)
        descend(self._vector, slopes, self._first, self._second, np.float32(rate), np.float32(floor))
        return loss

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict rows without dropout.

        As `Trainer.predict`.
        """
        sequences, moving = self._course.sequences[:, rows], self._course.moving
        network = Network(self._shape, self._vector, moving)
        return network.predict(sequences[:, :, :moving], sequences[0, :, moving:])

    def vector(self) -> np.ndarray:
        """Return a copy of the coefficients."""
        return self._vector.copy()


def learn(
    course: Course,
    shape: Shape,
    engine: Any,
    schedule: Schedule,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Train a network until the rows that are watched gain no more.

    Parameters
    ----------
    course : Course
    shape : Shape
    engine : callable
        Makes a `Trainer`, as `NumpyTrainer` is called.
    schedule : Schedule
    rng : numpy.random.Generator
        Draws the first coefficients, the order of the rows and what is left out.
    progress : Progress

    Returns
    -------
    vector : ndarray of float32 (shape.count,)
        Of the epoch with the smallest loss of the rows watched.
    losses : ndarray of float64 (epochs, 2)
        Of the rows learned from (while they changed the coefficients, with dropout), and of those watched.

    Raises
    ------
    NoConvergence
        Where the coefficients grow without bounds.
    Cancelled
        Within a batch of the user's Cancel, unless `progress` keeps the best and there is an epoch.
    """
    trainer: Trainer = engine(course, shape, shape.drawn(rng), schedule.learning_rate)
    watched = course.parts.watched
    losses: list[tuple[float, float]] = []
    best, kept, since = np.inf, trainer.vector(), 0
    for epoch in range(schedule.max_epochs):
        try:
            learned = _epoch(course, shape, trainer, schedule, rng, progress)
        except Cancelled:
            if not (progress.keeps_best and losses):
                raise
            progress.enough()
            progress.warning(f"The training was stopped after {len(losses)} epochs; the best of them is kept.")
            break
        error = trainer.predict(watched) - course.target[watched]
        loss = float(np.mean(course.weights[watched] * error**2, dtype=np.float64))
        if not (np.isfinite(loss) and np.isfinite(learned)):
            raise NoConvergence(
                f"The LSTM did not converge with learning_rate {schedule.learning_rate:g}. Give a smaller one in "
                "`hyperparameters`."
            )
        losses.append((learned, loss))
        if loss < best:
            best, kept, since = loss, trainer.vector(), epoch
        progress.set_fraction((epoch + 1) / schedule.max_epochs)
        if epoch - since >= schedule.patience:
            break
    return kept, np.array(losses)


def _epoch(
    course: Course,
    shape: Shape,
    trainer: Trainer,
    schedule: Schedule,
    rng: np.random.Generator,
    progress: Progress,
) -> float:
    """Learn from all rows once, in random order; return their mean loss."""
    order = rng.permutation(course.parts.learned)
    total = 0.0
    for start in range(0, len(order), schedule.batch_size):
        progress.check()
        batch = order[start : start + schedule.batch_size]
        masks = _masks(shape, schedule.dropout, len(course.sequences), len(batch), rng)
        total += len(batch) * trainer.learn_from(batch, masks)
    return total / len(order)


def _masks(shape: Shape, dropout: float, steps: int, rows: int, rng: np.random.Generator) -> list[np.ndarray] | None:
    """Draw what is left out after each layer; what stays is enlarged, so that its mean stays (dropout)."""
    if dropout == 0:
        return None
    sizes = [(steps, rows, units) for units in shape.units[:-1]] + [(rows, shape.units[-1])]
    return [(rng.random(size, np.float32) >= dropout) * np.float32(1 / (1 - dropout)) for size in sizes]
