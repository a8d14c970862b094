"""Long short-term memory: a network that reads the last steps of each predictor in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sm_toolbox.errors import InputError, ModelFileError
from sm_toolbox.models.learners.base import Learner
from sm_toolbox.models.learners.hyperparameters import check, is_number, is_whole
from sm_toolbox.models.learners.scaling import SCALINGS, Scaling, float_array, relative_weights
from sm_toolbox.models.learners.sequences import WATCHED_SHARE, Parts, SequenceLayout
from sm_toolbox.onethread import products_in_one_thread
from sm_toolbox.progress import Progress

if TYPE_CHECKING:
    from sm_toolbox.models.learners.lstm_network import Shape

ENGINES = ("auto", "numpy", "torch")
"""What can train: auto takes torch where it finds a graphics card, else NumPy."""
# Rows that are predicted at once: many of few features, and fewer of long sequences, so that the memory is bounded.
_MOST_ROWS, _FEWEST_ROWS, _MOST_VALUES = 8192, 512, 2**22
_MOST_STEPS = 1000


@dataclass(frozen=True)
class ShortTermMemory:
    """Layers of long short-term memory (Hochreiter & Schmidhuber 1997) with dropout, and one dense unit (S3).

    Features and target are scaled to mean 0 and standard deviation 1, a quantity's lags all alike. Trained with Adam on
    the mean squared error; rows that are only watched end the training when their error has not fallen for `patience`
    epochs, and the coefficients of the best epoch are kept. A row is a sequence once the estimator is `bound` to a
    layout; without, it has one step, and rows to watch are drawn at random.

    Parameters
    ----------
    sequence_length : int
        Steps of a sequence, the row's own included.
    units : sequence of int
        Of each layer.
    dropout : float
        Share of what a layer gives that is left out at random in training, after each layer.
    learning_rate : float
    max_epochs : int
    patience : int
        Epochs without a smaller error of the rows watched after which the training ends.
    batch_size : int
        Rows after each of which the coefficients change.
    engine : {'auto', 'numpy', 'torch'}
        What trains: auto takes torch where it finds a graphics card, else NumPy. Predictions are NumPy's.
    scaling : {'standard', 'as_given'}
        Whether features are scaled to mean 0 and standard deviation 1, or have been scaled before.
    """

    SPACE: ClassVar[dict[str, Any]] = {
        "units": ((40,), (80,), (40, 50), (80, 100)),
        "dropout": (0.0, 0.2, 0.4),
        "learning_rate": (3e-4, 1e-3, 3e-3),
    }

    sequence_length: int = 12
    units: tuple[int, ...] = (80, 100)
    dropout: float = 0.2
    learning_rate: float = 1e-3
    max_epochs: int = 200
    patience: int = 10
    batch_size: int = 32
    engine: str = "auto"
    scaling: str = "standard"

    def __post_init__(self) -> None:
        sizes = self.units
        sound = (
            isinstance(sizes, (list, tuple))
            and 1 <= len(sizes) <= 10
            and all(is_whole(size) and 1 <= size <= 2000 for size in sizes)
        )
        check(sound, "units", sizes, "a list of whole numbers such as [80, 100]")
        object.__setattr__(self, "units", tuple(sizes))
        length = self.sequence_length
        check(
            is_whole(length) and 2 <= length <= _MOST_STEPS,
            "sequence_length",
            length,
            f"a whole number from 2 to {_MOST_STEPS}",
        )
        check(is_number(self.dropout) and 0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")
        check(
            is_number(self.learning_rate) and self.learning_rate > 0,
            "learning_rate",
            self.learning_rate,
            "a number above 0",
        )
        for name in ("max_epochs", "patience", "batch_size"):
            value = getattr(self, name)
            check(is_whole(value) and value >= 1, name, value, "a whole number of at least 1")
        check(self.engine in ENGINES, "engine", self.engine, f"one of {', '.join(ENGINES)}")
        check(self.scaling in SCALINGS, "scaling", self.scaling, f"one of {', '.join(SCALINGS)}")

    def bound(self, layout: SequenceLayout, parts: Parts) -> BoundMemory:
        """Return what can be fitted to rows of a layout.

        As `OfSequences.bound`.
        """
        return BoundMemory(self, layout, parts)

    def fit(
        self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress
    ) -> ShortTermMemoryModel:
        """Fit to rows without a past.

        As `Estimator.fit`.

        Raises
        ------
        InputError, Cancelled
            As `BoundMemory.fit`.
        """
        order = np.random.default_rng(seed).permutation(len(target))
        watched = max(1, round(WATCHED_SHARE * len(order)))
        parts = Parts(np.sort(order[watched:]), np.sort(order[:watched]))
        return self.bound(SequenceLayout.of_one_step(features.shape[1]), parts).fit(
            features, target, weights, seed, progress
        )

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int) -> ShortTermMemoryModel:
        """Read a network back from a model file.

        As `Estimator.from_arrays`.

        Raises
        ------
        ModelFileError
            Where the arrays cannot be those of a network.
        """
        from sm_toolbox.models.learners.lstm_network import Shape

        scaling = Scaling.from_arrays(arrays, n_features)
        layout = SequenceLayout.from_arrays(arrays, n_features)
        if layout.steps > _MOST_STEPS:
            raise ModelFileError(f"its sequences have {layout.steps:,} steps, more than the {_MOST_STEPS} there can be")
        units, vector, history = (float_array(arrays, f"lstm_{name}") for name in ("units", "coefficients", "history"))
        if units.ndim != 1 or not 1 <= len(units) <= 10 or not ((units >= 1) & (units <= 2000)).all():
            raise ModelFileError("the layers of the network are none that this version of the toolbox knows")
        shape = Shape(layout.moving.shape[1] + len(layout.fixed), tuple(int(size) for size in units))
        if vector.dtype != np.float32 or vector.shape != (shape.count,):
            raise ModelFileError("the layers of the network do not fit its coefficients")
        if history.ndim != 2 or history.shape[1] != 2 or not len(history):
            raise ModelFileError("the course of its training does not have the shape it must have")
        return ShortTermMemoryModel(scaling, layout, shape, vector, history)


@dataclass(frozen=True)
class BoundMemory:
    """An estimator with what it must know of the features and rows of one fit.

    Parameters
    ----------
    estimator : ShortTermMemory
    layout : SequenceLayout
    parts : Parts
    """

    estimator: ShortTermMemory
    layout: SequenceLayout
    parts: Parts

    SPACE: ClassVar[dict[str, Any]] = {}

    def fit(
        self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress
    ) -> ShortTermMemoryModel:
        """Train epoch by epoch, checking for Cancel between two batches.

        As `Estimator.fit`.

        Raises
        ------
        InputError
            Where torch is asked for and does not work, no row learned from has a weight, and (`NoConvergence`) the
            coefficients grow without bounds.
        Cancelled
            Within a batch of the user's Cancel, unless `progress` keeps the best and there is an epoch.
        """
        from sm_toolbox.models.learners.lstm_network import Shape
        from sm_toolbox.models.learners.lstm_torch import choose_engine
        from sm_toolbox.models.learners.lstm_training import Course, Schedule, learn

        estimator, layout, parts = self.estimator, self.layout, self.parts
        scaling = _scaling(features[parts.learned], target[parts.learned], layout, estimator.scaling)
        moving, fixed = _sequences(scaling.features(features), layout)
        sequences = np.concatenate([moving, np.broadcast_to(fixed, (layout.steps, *fixed.shape))], axis=2)
        course = Course(
            sequences,
            scaling.target(target).astype(np.float32),
            _weights(weights, len(target), parts),
            parts,
            layout.moving.shape[1],
        )
        shape = Shape(sequences.shape[2], estimator.units)
        schedule = Schedule(*(getattr(estimator, item.name) for item in fields(Schedule)))
        with products_in_one_thread():
            vector, losses = learn(
                course,
                shape,
                choose_engine(estimator.engine, progress),
                schedule,
                np.random.default_rng(seed),
                progress,
            )
        history = np.sqrt(losses) * scaling.target_scale
        model = ShortTermMemoryModel(scaling, layout, shape, vector, history)
        progress.info(
            f"Epoch {model.best_epoch} of {len(history)} was the best: RMSE {history[model.best_epoch - 1, 1]:.4f} on "
            f"the {len(parts.watched)} rows watched, {history[model.best_epoch - 1, 0]:.4f} on the "
            f"{len(parts.learned)} learned from."
        )
        return model

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int) -> ShortTermMemoryModel:
        """Read a network back from a model file.

        As `Estimator.from_arrays`.
        """
        return ShortTermMemory.from_arrays(arrays, n_features)


class ShortTermMemoryModel:
    """A fitted network.

    Parameters
    ----------
    scaling : Scaling
    layout : SequenceLayout
    shape : Shape
    vector : ndarray of float32 (shape.count,)
    history : ndarray of float64 (epochs, 2)
        RMSE of the rows learned from and of those watched, in the target's unit.
    """

    def __init__(self, scaling: Scaling, layout: SequenceLayout, shape: Shape, vector: np.ndarray, history: np.ndarray):
        from sm_toolbox.models.learners.lstm_network import Network

        self._scaling, self.layout, self.history = scaling, layout, history
        self.best_epoch = int(np.argmin(history[:, 1])) + 1
        self._network = Network(shape, vector, layout.moving.shape[1])

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict the target.

        As `FittedModel.predict`.
        """
        result = np.empty(len(features))
        fitting = _MOST_VALUES // features.shape[1] // _FEWEST_ROWS * _FEWEST_ROWS
        step = min(_MOST_ROWS, max(_FEWEST_ROWS, fitting))
        for start in range(0, len(features), step):
            rows = slice(start, start + step)
            result[rows] = self._network.predict(*_sequences(self._scaling.features(features[rows]), self.layout))
        return self._scaling.unscaled(result)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        return {
            **self._scaling.to_arrays(),
            **self.layout.to_arrays(),
            "lstm_units": np.array(self._network.shape.units, np.float64),
            "lstm_coefficients": self._network.vector,
            "lstm_history": self.history,
        }


def _weights(given: np.ndarray | None, rows: int, parts: Parts) -> np.ndarray:
    """Return weights with a mean of 1 among the rows of each part, float32 (rows,)."""
    found = np.ones(rows, np.float32)
    if given is None:
        return found
    if not given[parts.learned].sum() > 0:
        raise InputError(
            "All rows that the LSTM would learn from have the weight 0; the others are only watched for when to stop. "
            "Give more rows a weight, or choose another `kind`."
        )
    for part in (parts.learned, parts.watched):
        relative = relative_weights(given[part]) if given[part].sum() > 0 else None
        found[part] = 1 if relative is None else relative
    return found


def _scaling(features: np.ndarray, target: np.ndarray, layout: SequenceLayout, how: str) -> Scaling:
    """Scale all lags of a quantity alike: by their means over the rows and steps."""
    single = Scaling.fit(features, target, how)
    centre, scale = single.centre.copy(), single.scale.copy()
    if how != "as_given":
        for lags in layout.moving.T:
            of_all = Scaling.fit(features[:, lags].reshape(-1, 1), target)
            centre[lags], scale[lags] = of_all.centre[0], of_all.scale[0]
    return Scaling(centre, scale, single.target_centre, single.target_scale)


def _sequences(features: np.ndarray, layout: SequenceLayout) -> tuple[np.ndarray, np.ndarray]:
    """Return scaled features (rows, features) as float32 (steps, rows, channels) and (rows, channels)."""
    features = features.astype(np.float32)
    rows = np.arange(len(features))[None, :, None]
    return features[rows, layout.moving[:, None, :]], features[:, layout.fixed]


LEARNER = Learner(
    "lstm",
    ShortTermMemory,
    "long short-term memory",
    help="a recurrent network (LSTM) that reads the last SEQUENCE_LENGTH steps of predictors, for tables with their "
    "lags.",
    source="LSTM: Hochreiter, S. & Schmidhuber, J. (1997). Long short-term memory. Neural Computation 9. doi "
    "10.1162/neco.1997.9.8.1735",
    arrays=r"scaling_\w+|lstm_(moving|fixed|units|coefficients|history)",
    lists=("units",),
    beside="random_forest",
)
