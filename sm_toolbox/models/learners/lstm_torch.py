"""Training of recurrent networks with torch, where it is installed and works; a model needs it for nothing else."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.learners.lstm_network import Shape
from sm_toolbox.models.learners.lstm_training import Course, NumpyTrainer, Trainer
from sm_toolbox.progress import Progress

_ROWS_AT_ONCE = 4096


def choose_engine(name: str, progress: Progress) -> Callable[[Course, Shape, np.ndarray, float], Trainer]:
    """Return what trains.

    Parameters
    ----------
    name : str
        A word of `lstm.ENGINES`.
    progress : Progress
        Gets a line where torch is there, but does not work.

    Returns
    -------
    callable
        As `NumpyTrainer` is called.

    Raises
    ------
    InputError
        Where torch is asked for and does not work.
    """
    if name == "numpy":
        return NumpyTrainer
    try:
        if name == "auto" and importlib.util.find_spec("torch") is None:
            return NumpyTrainer
        device = _working_device()
    except Exception as error:  # A library for another machine fails in many ways.
        if name == "torch":
            raise InputError(
                f"`hyperparameters`: engine torch needs the Python library torch, which does not work here "
                f"({_first_line(error)}). Leave engine out: NumPy trains the same network."
            ) from error
        progress.info(f"torch is installed, but does not work ({_first_line(error)}): NumPy trains the network.")
        return NumpyTrainer
    if name == "auto" and device == "cpu":
        # No faster there than NumPy, and in that the same everywhere.
        return NumpyTrainer

    def make(course: Course, shape: Shape, vector: np.ndarray, learning_rate: float) -> Trainer:
        return TorchTrainer(course, shape, vector, learning_rate, device)

    return make


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _working_device() -> str:
    """Try torch with what a training needs, and return where it computes."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    layer = torch.nn.LSTM(1, 1).to(device)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(1, 1, 1, device=device))[0].sum().backward()
    optimiser.step()
    return device


class TorchTrainer:
    """Trains with torch.

    Parameters
    ----------
    course : Course
    shape : Shape
    vector : ndarray of float32 (shape.count,)
        Coefficients to begin with.
    learning_rate : float
    device : str
        Of torch.
    """

    def __init__(self, course: Course, shape: Shape, vector: np.ndarray, learning_rate: float, device: str = "cpu"):
        import torch

        self._torch, self._shape, self._device = torch, shape, device
        self._data = [
            torch.from_numpy(np.ascontiguousarray(values)).to(device)
            for values in (course.sequences, course.target, course.weights)
        ]
        self._layers = [torch.nn.LSTM(inputs, units).to(device) for inputs, units in shape.sizes]
        self._output = torch.nn.Linear(shape.units[-1], 1).to(device)
        self._write(vector)
        parameters = [value for part in (*self._layers, self._output) for value in part.parameters()]
        self._optimiser = torch.optim.Adam(parameters, lr=learning_rate)

    def _write(self, vector: np.ndarray) -> None:
        layers, output, offset = self._shape.parts(vector)
        with self._torch.no_grad():
            for layer, values in zip(self._layers, layers):
                layer.weight_ih_l0.copy_(self._torch.from_numpy(values.taken.T.copy()))
                layer.weight_hh_l0.copy_(self._torch.from_numpy(values.recalled.T.copy()))
                layer.bias_ih_l0.copy_(self._torch.from_numpy(values.offset.copy()))
                # The second offset adds to the first: one is enough.
                layer.bias_hh_l0.zero_()
                layer.bias_hh_l0.requires_grad_(False)
            self._output.weight.copy_(self._torch.from_numpy(output[None].copy()))
            self._output.bias.copy_(self._torch.from_numpy(offset.copy()))

    def _run(self, rows: np.ndarray, masks: Sequence[np.ndarray] | None) -> Any:
        shown = self._data[0][:, self._torch.from_numpy(rows).to(self._device)]
        for i, layer in enumerate(self._layers):
            shown = layer(shown)[0]
            if i == len(self._layers) - 1:
                shown = shown[-1]
            if masks is not None:
                shown = shown * self._torch.from_numpy(masks[i]).to(self._device)
        return self._output(shown)[:, 0]

    def learn_from(self, rows: np.ndarray, masks: Sequence[np.ndarray] | None) -> float:
        """Change the coefficients by a batch.

        As `Trainer.learn_from`.
        """
        chosen = self._torch.from_numpy(rows).to(self._device)
        self._optimiser.zero_grad()
        error = self._run(rows, masks) - self._data[1][chosen]
        loss = (self._data[2][chosen] * error**2).mean()
        loss.backward()
        self._optimiser.step()
        return float(loss.detach())

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict rows without dropout.

        As `Trainer.predict`.
        """
        with self._torch.no_grad():
            found = [
                self._run(rows[start : start + _ROWS_AT_ONCE], None).cpu().numpy()
                for start in range(0, len(rows), _ROWS_AT_ONCE)
            ]
        return np.concatenate(found)

    def vector(self) -> np.ndarray:
        """Return a copy of the coefficients."""
        vector = np.empty(self._shape.count, np.float32)
        layers, output, offset = self._shape.parts(vector)
        for layer, values in zip(self._layers, layers):
            values.taken[:] = layer.weight_ih_l0.detach().cpu().numpy().T
            values.recalled[:] = layer.weight_hh_l0.detach().cpu().numpy().T
            values.offset[:] = layer.bias_ih_l0.detach().cpu().numpy()
        output[:] = self._output.weight.detach().cpu().numpy()[0]
        offset[:] = self._output.bias.detach().cpu().numpy()
        return vector
