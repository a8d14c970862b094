"""Neural network of dense layers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sm_toolbox.errors import InputError, ModelFileError
from sm_toolbox.models.learners.base import Learner
from sm_toolbox.models.learners.hyperparameters import NoConvergence, check, is_number, is_whole
from sm_toolbox.models.learners.scaling import SCALINGS, Scaling, float_array, relative_weights
from sm_toolbox.progress import Progress

ACTIVATIONS = ("relu", "tanh")
_ROWS = 8192
_WIDTHS = (16, 32, 64, 128, 256)


# In variances of the target, which is the error of the plain mean.
_RUN_AWAY = 20.0


@dataclass(frozen=True)
class NeuralNetwork:
    """Multi-layer perceptron, trained by scikit-learn with Adam (Kingma & Ba 2015, arXiv 1412.6980).

    Features and target are scaled to mean 0 and standard deviation 1. The training ends when the loss has not fallen by
    `tol` in ten epochs.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Neurons of each layer.
    activation : {'relu', 'tanh'}
    alpha : float
        Penalty of large coefficients.
    learning_rate_init : float
    max_iter : int
        Most epochs.
    tol : float
    batch_size : int
        Rows after each of which the coefficients change; all rows where there are fewer.
    scaling : {'standard', 'as_given'}
        Whether features are scaled to mean 0 and standard deviation 1, or have been scaled before.
    """

    SPACE: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": tuple((width,) * layers for layers in range(1, 6) for width in _WIDTHS),
        "activation": ACTIVATIONS,
        "alpha": (1e-4, 1e-3, 1e-2),
        "learning_rate_init": (1e-3, 1e-2, 1e-1),
    }

    hidden_layer_sizes: tuple[int, ...] = (100, 50)
    activation: str = "relu"
    alpha: float = 1e-4
    learning_rate_init: float = 1e-3
    max_iter: int = 200
    tol: float = 1e-4
    batch_size: int = 200
    scaling: str = "standard"

    def __post_init__(self) -> None:
        sizes = self.hidden_layer_sizes
        sound = (
            isinstance(sizes, (list, tuple))
            and 1 <= len(sizes) <= 20
            and all(is_whole(size) and 1 <= size <= 10_000 for size in sizes)
        )
        check(sound, "hidden_layer_sizes", sizes, "a list of whole numbers such as [100, 50]")
        object.__setattr__(self, "hidden_layer_sizes", tuple(sizes))
        check(self.activation in ACTIVATIONS, "activation", self.activation, f"one of {', '.join(ACTIVATIONS)}")
        check(self.scaling in SCALINGS, "scaling", self.scaling, f"one of {', '.join(SCALINGS)}")
        for name in ("alpha", "tol"):
            check(
                is_number(getattr(self, name)) and getattr(self, name) >= 0,
                name,
                getattr(self, name),
                "a number of at least 0",
            )
        check(
            is_number(self.learning_rate_init) and self.learning_rate_init > 0,
            "learning_rate_init",
            self.learning_rate_init,
            "a number above 0",
        )
        for name in ("max_iter", "batch_size"):
            check(
                is_whole(getattr(self, name)) and getattr(self, name) >= 1,
                name,
                getattr(self, name),
                "a whole number of at least 1",
            )

    def fit(
        self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress
    ) -> NeuralNetworkModel:
        """Train epoch by epoch, checking for Cancel between two of them.

        As `Estimator.fit`.

        Raises
        ------
        InputError
            Where rows have weights and the installed scikit-learn cannot weigh them, and (`NoConvergence`) where the
            coefficients grow without bounds, or what is learned is worse than the plain mean.
        Cancelled
            Within an epoch of the user's Cancel.
        """
        from sklearn.neural_network import MLPRegressor

        if weights is not None and "sample_weight" not in inspect.signature(MLPRegressor.partial_fit).parameters:
            raise InputError(
                "Weights need scikit-learn 1.7 or later for `kind` mlp. Update scikit-learn ('Check installation' "
                "says how), or choose another `kind`."
            )
        scaling = Scaling.fit(features, target, self.scaling)
        rows, scaled_target = scaling.features(features), scaling.target(target)
        network = MLPRegressor(
            hidden_layer_sizes=self.hidden_layer_sizes,
            activation=self.activation,
            alpha=self.alpha,
            learning_rate_init=self.learning_rate_init,
            batch_size=min(self.batch_size, len(rows)),
            random_state=seed,
        )
        more = {} if weights is None else {"sample_weight": relative_weights(weights)}
        best, since = np.inf, 0
        for epoch in range(self.max_iter):
            progress.check()
            try:
                network.partial_fit(rows, scaled_target, **more)
            except ValueError as error:
                if "non-finite" not in str(error):
                    raise
                raise NoConvergence(
                    f"The neural network did not converge with learning_rate_init {self.learning_rate_init:g}. "
                    "Give a smaller one in `hyperparameters`."
                ) from error
            since = 0 if network.loss_ < best - self.tol else since + 1
            best = min(best, network.loss_)
            progress.set_fraction((epoch + 1) / self.max_iter)
            if since >= 10:
                break
        # The scaled target has a variance of 1: a network that is far further off on its own rows has run away; one
        # that has only begun to learn has not.
        off = float(np.mean((network.predict(rows) - scaled_target) ** 2))
        if not off < _RUN_AWAY * max(1.0, float(np.var(scaled_target))):
            raise NoConvergence(
                f"The neural network did not converge: after {epoch + 1} epochs its error on its own training "
                f"rows is {np.sqrt(off):.3g} standard deviations of the target. Give a smaller learning_rate_init "
                f"than {self.learning_rate_init:g} in `hyperparameters`, or more max_iter."
            )
        return NeuralNetworkModel(scaling, self.activation, network.coefs_, network.intercepts_)

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int) -> NeuralNetworkModel:
        """Read a network back from a model file.

        As `Estimator.from_arrays`.

        Raises
        ------
        ModelFileError
            Where the arrays cannot be those of a network.
        """
        scaling = Scaling.from_arrays(arrays, n_features)
        activation = float_array(arrays, "mlp_activation")
        count = sum(name.startswith("mlp_coefficients_") for name in arrays)
        if activation.shape != (1,) or activation[0] not in range(len(ACTIVATIONS)) or not 1 <= count <= 21:
            raise ModelFileError("the neural network is none that this version of the toolbox knows")
        coefficients = [float_array(arrays, f"mlp_coefficients_{i}") for i in range(count)]
        intercepts = [float_array(arrays, f"mlp_intercepts_{i}") for i in range(count)]
        sizes = [n_features]
        for matrix, offset in zip(coefficients, intercepts):
            if matrix.ndim != 2 or matrix.shape[0] != sizes[-1] or offset.shape != (matrix.shape[1],):
                raise ModelFileError("the layers of the neural network do not fit each other")
            sizes.append(matrix.shape[1])
        if sizes[-1] != 1:
            raise ModelFileError("the neural network predicts more than one value")
        return NeuralNetworkModel(scaling, ACTIVATIONS[int(activation[0])], coefficients, intercepts)


class NeuralNetworkModel:
    """Layers of a network.

    Parameters
    ----------
    scaling : Scaling
    activation : {'relu', 'tanh'}
    coefficients : list of ndarray of float64 (inputs, outputs)
    intercepts : list of ndarray of float64 (outputs,)
    """

    def __init__(self, scaling: Scaling, activation: str, coefficients: list[np.ndarray], intercepts: list[np.ndarray]):
        self._scaling, self._activation, self._coefficients, self._intercepts = (
            scaling,
            activation,
            coefficients,
            intercepts,
        )

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict the target.

        As `FittedModel.predict`.
        """
        result = np.empty(len(features))
        for start in range(0, len(features), _ROWS):
            values = self._scaling.features(features[start : start + _ROWS])
            for matrix, offset in zip(self._coefficients[:-1], self._intercepts[:-1]):
                values = values @ matrix
                values += offset
                if self._activation == "relu":
                    np.maximum(values, 0, out=values)
                else:
                    np.tanh(values, out=values)
            result[start : start + _ROWS] = (values @ self._coefficients[-1] + self._intercepts[-1])[:, 0]
        return self._scaling.unscaled(result)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        kept = self._scaling.to_arrays() | {"mlp_activation": np.array([float(ACTIVATIONS.index(self._activation))])}
        for i, (matrix, offset) in enumerate(zip(self._coefficients, self._intercepts)):
            kept |= {f"mlp_coefficients_{i}": matrix, f"mlp_intercepts_{i}": offset}
        return kept


LEARNER = Learner(
    "mlp",
    NeuralNetwork,
    "neural network",
    help="a neural network.",
    source="Neural network: Kingma, D. P. & Ba, J. (2015). Adam: a method for stochastic optimization. arXiv 1412.6980",
    arrays=r"scaling_\w+|mlp_(activation|(coefficients|intercepts)_\d\d?)",
    lists=("hidden_layer_sizes",),
)
