"""A stack of layers of long short-term memory with one output: its predictions, and the slopes of its loss.

All coefficients lie in one array, of which `Shape.parts` names the pieces, so that an optimiser sees a plain vector.
Sequences are (steps, rows, channels), the oldest step first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sm_toolbox.models.learners.lstm_kernels import advance, retreat

# Rows whose sums of all layers stay in the cache of a core.
_ROWS_AT_ONCE = 512


class MemoryLayer(NamedTuple):
    """Coefficients of a layer; gates are input, forget, candidate, output.

    Parameters
    ----------
    taken : ndarray (inputs, 4 * units)
        Of what the layer is given.
    recalled : ndarray (units, 4 * units)
        Of what it gave at the step before.
    offset : ndarray (4 * units,)
    """

    taken: np.ndarray
    recalled: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True)
class Shape:
    """Sizes of a network.

    Parameters
    ----------
    inputs : int
        Channels of a sequence: those that move, then those that are fixed.
    units : tuple of int
        Of each layer.
    """

    inputs: int
    units: tuple[int, ...]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Inputs and units of each layer."""
        return list(zip((self.inputs, *self.units), self.units))

    @property
    def count(self) -> int:
        """The number of coefficients."""
        return sum(4 * units * (inputs + units + 1) for inputs, units in self.sizes) + self.units[-1] + 1

    def parts(self, vector: np.ndarray) -> tuple[list[MemoryLayer], np.ndarray, np.ndarray]:
        """Return views of the coefficients.

        Parameters
        ----------
        vector : ndarray (count,)

        Returns
        -------
        layers : list of MemoryLayer
        output : ndarray (last units,)
        offset : ndarray (1,)
        """
        layers, start = [], 0
        for inputs, units in self.sizes:
            width = 4 * units
            ends = start + np.cumsum([inputs * width, units * width, width])
            taken, recalled, offset = np.split(vector[start : ends[-1]], ends[:-1] - start)
            layers.append(MemoryLayer(taken.reshape(inputs, width), recalled.reshape(units, width), offset))
            start = int(ends[-1])
        return layers, vector[start:-1], vector[-1:]

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Draw coefficients to begin with, as Keras does.

        Weights of inputs are uniform (Glorot & Bengio 2010), those of the past orthogonal (Saxe et al. 2014), and the
        forget gate begins open (Jozefowicz et al. 2015).

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of float32 (count,)
        """
        vector = np.zeros(self.count)
        layers, output, _ = self.parts(vector)
        for (inputs, units), layer in zip(self.sizes, layers):
            layer.taken[:] = rng.uniform(-1, 1, layer.taken.shape) * np.sqrt(6 / (inputs + 4 * units))
            square, triangle = np.linalg.qr(rng.standard_normal((4 * units, units)))
            layer.recalled[:] = (square * np.sign(np.diag(triangle))).T
            layer.offset[units : 2 * units] = 1
        output[:] = rng.uniform(-1, 1, len(output)) * np.sqrt(6 / (len(output) + 1))
        return vector.astype(np.float32)


class Network:
    """Predicts sequences in blocks of bounded memory.

    Parameters
    ----------
    shape : Shape
    vector : ndarray (shape.count,)
        Its type is that of all computing.
    moving : int
        How many of the inputs change from step to step; the sums of the others are made once.
    """

    def __init__(self, shape: Shape, vector: np.ndarray, moving: int):
        self.shape, self.vector, self._moving = shape, vector, moving
        layers, self._output, self._offset = shape.parts(vector)
        first = layers[0]
        # One product for each layer and step: what comes from below beside what the layer gave before.
        self._joined = [
            np.concatenate([layer.taken[:moving] if layer is first else layer.taken, layer.recalled])
            for layer in layers
        ]
        self._of_fixed = first.taken[moving:]
        self._offsets = [layer.offset[None] for layer in layers]

    def predict(self, moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        """Predict rows.

        Parameters
        ----------
        moving : ndarray (steps, rows, channels)
        fixed : ndarray (rows, channels)

        Returns
        -------
        ndarray (rows,)
        """
        result = np.empty(len(fixed), self.vector.dtype)
        for start in range(0, len(fixed), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            result[rows] = self._predict(moving[:, rows], fixed[rows])
        return result

    def _predict(self, moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        rows, kind = len(fixed), self.vector.dtype
        # Side by side: the step's channels, then what each layer gave last; each layer sees its piece of it.
        widths = (self._moving, *self.shape.units)
        begins = np.cumsum([0, *widths])
        state = np.zeros((rows, begins[-1]), kind)
        sums = [np.empty((rows, 4 * units), kind) for units in self.shape.units]
        cells = [(np.zeros((rows, units), kind), np.empty((rows, units), kind)) for units in self.shape.units]
        offsets = [
            fixed @ self._of_fixed + self._offsets[0] if fixed.shape[1] else self._offsets[0],
            *self._offsets[1:],
        ]
        for number, step in enumerate(moving):
            state[:, : self._moving] = step
            for i, joined in enumerate(self._joined):
                # At the first step there is nothing to recall.
                end = begins[i + 2] if number else begins[i + 1]
                np.matmul(state[:, begins[i] : end], joined[: end - begins[i]], out=sums[i])
                before, after = cells[i]
                advance(sums[i], offsets[i], before, after, state, begins[i + 1])
                cells[i] = after, before
        return state[:, begins[-2] :] @ self._output + self._offset


class _Pass(NamedTuple):
    """What a layer leaves behind for the way back; of all steps."""

    given: np.ndarray
    gates: np.ndarray
    cells: np.ndarray
    hidden: np.ndarray


def loss_and_slopes(
    shape: Shape,
    vector: np.ndarray,
    sequences: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray,
    masks: Sequence[np.ndarray] | None = None,
) -> tuple[float, np.ndarray]:
    """Return the loss of some rows, and its slopes by all coefficients (back-propagation through time).

    Parameters
    ----------
    shape : Shape
    vector : ndarray (shape.count,)
    sequences : ndarray (steps, rows, inputs)
    target : ndarray (rows,)
    weights : ndarray (rows,)
        Of the squared errors, whose weighted sum divided by the number of rows is the loss.
    masks : sequence of ndarray, optional
        By layer what its results are multiplied with (dropout): (steps, rows, units), of the last (rows, units).

    Returns
    -------
    loss : float
    slopes : ndarray (shape.count,)
    """
    layers, output, offset = shape.parts(vector)
    passes, shown = [], sequences
    for i, layer in enumerate(layers):
        passes.append(_forwards(layer, shown))
        shown = passes[-1].hidden[1:]
        if masks is not None and i < len(layers) - 1:
            shown = shown * masks[i]
    last = shown[-1] if masks is None else shown[-1] * masks[-1]
    error = last @ output + offset - target
    loss = float(np.mean(weights * error**2, dtype=np.float64))
    slopes = np.empty_like(vector)
    of_layers, of_output, of_offset = shape.parts(slopes)
    by_error = (weights * error * (2 / len(target))).astype(vector.dtype)
    of_output[:], of_offset[:] = by_error @ last, by_error.sum()
    by_hidden = np.zeros_like(passes[-1].hidden[1:])
    by_hidden[-1] = by_error[:, None] * output
    if masks is not None:
        by_hidden[-1] *= masks[-1]
    for i in range(len(layers) - 1, -1, -1):
        below = _backwards(layers[i], passes[i], by_hidden, of_layers[i], i > 0)
        if i > 0:
            by_hidden = below if masks is None else below * masks[i - 1]
    return loss, slopes


def _forwards(layer: MemoryLayer, given: np.ndarray) -> _Pass:
    steps, rows, inputs = given.shape
    units, kind = layer.recalled.shape[0], layer.taken.dtype
    given = np.ascontiguousarray(given)
    gates = (given.reshape(-1, inputs) @ layer.taken).reshape(steps, rows, 4 * units)
    cells, hidden = (np.zeros((steps + 1, rows, units), kind) for _ in range(2))
    offset = layer.offset[None]
    for step in range(steps):
        if step:
            gates[step] += hidden[step] @ layer.recalled
        advance(gates[step], offset, cells[step], cells[step + 1], hidden[step + 1], 0)
    return _Pass(given, gates, cells, hidden)


def _backwards(layer: MemoryLayer, left: _Pass, by_hidden: np.ndarray, out: MemoryLayer, wanted: bool) -> np.ndarray:
    """Fill the slopes by a layer's coefficients; return those by what it was given, where they are wanted."""
    given, gates, cells, hidden = left
    steps, rows, inputs = given.shape
    by_cell = np.zeros_like(cells[0])
    back = np.ascontiguousarray(layer.recalled.T)
    for step in range(steps - 1, -1, -1):
        retreat(gates[step], cells[step], cells[step + 1], by_hidden[step], by_cell)
        if step:
            by_hidden[step - 1] += gates[step] @ back
    flat = gates.reshape(-1, gates.shape[2])
    np.matmul(given.reshape(-1, inputs).T, flat, out=out.taken)
    np.matmul(hidden[:-1].reshape(-1, hidden.shape[2]).T, flat, out=out.recalled)
    out.offset[:] = flat.sum(axis=0)
    return (flat @ layer.taken.T).reshape(steps, rows, inputs) if wanted else given
