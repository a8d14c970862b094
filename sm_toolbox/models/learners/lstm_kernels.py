"""Compiled loops of recurrent networks: the gates of a step forwards and backwards, and a step of Adam.

Products of matrices are left to NumPy's BLAS; what lies between two of them goes through memory once here.
"""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

_FAST = {"reassoc", "contract", "arcp", "nsz"}
# Beyond this the tangent is 1 to the last bit of float32.
_LARGEST = np.float32(7.998811721801758)
_ODD = tuple(
    np.float32(value)
    for value in (
        4.89352455891786e-03,
        6.37261928875436e-04,
        1.48572235717979e-05,
        5.12229709037114e-08,
        -8.60467152213735e-11,
        2.00018790482477e-13,
        -2.76076847742355e-16,
    )
)
_EVEN = tuple(
    np.float32(value)
    for value in (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
)
_HALF, _ONE = np.float32(0.5), np.float32(1)


@njit(**KERNEL_OPTIONS, fastmath=_FAST)
def _tangent(x):
    """Return the hyperbolic tangent as a ratio of polynomials, exact to 4e-7, which becomes vector instructions."""
    x = min(_LARGEST, max(-_LARGEST, x))
    y = x * x
    odd = _ODD[4] + y * (_ODD[5] + y * _ODD[6])
    odd = _ODD[0] + y * (_ODD[1] + y * (_ODD[2] + y * (_ODD[3] + y * odd)))
    even = _EVEN[0] + y * (_EVEN[1] + y * (_EVEN[2] + y * _EVEN[3]))
    return x * odd / even


@njit(**KERNEL_OPTIONS, fastmath=_FAST)
def _logistic(x):
    return _HALF + _HALF * _tangent(_HALF * x)


@njit(**KERNEL_OPTIONS, fastmath=_FAST)
def _open(sums, offsets):
    for i in range(len(sums)):
        sums[i] = _logistic(sums[i] + offsets[i])


@njit(**KERNEL_OPTIONS, fastmath=_FAST)
def _bend(sums, offsets):
    for i in range(len(sums)):
        sums[i] = _tangent(sums[i] + offsets[i])


@njit(**KERNEL_OPTIONS, fastmath=_FAST)
def advance(gates, offsets, before, after, hidden, first):
    """Take one step of a layer of long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    Parameters
    ----------
    gates : ndarray (rows, 4 * units)
        Weighted sums of the input, forget, candidate and output gates; their values afterwards.
    offsets : ndarray (rows or 1, 4 * units)
        What is added to the sums: of each row, or of all alike.
    before, after : ndarray (rows, units)
        Cells before the step; filled with those after it. May be the same array.
    hidden : ndarray (rows, columns)
        Filled with what the layer gives, from column `first` on.
    first : int
    """
    units = before.shape[1]
    last = offsets.shape[0] - 1
    for row in range(gates.shape[0]):
        sums, offset = gates[row], offsets[min(row, last)]
        # Short loops over few arrays, each of which becomes vector instructions; a row stays in the cache.
        _open(sums[: 2 * units], offset[: 2 * units])
        _bend(sums[2 * units : 3 * units], offset[2 * units : 3 * units])
        _open(sums[3 * units :], offset[3 * units :])
        for unit in range(units):
            cell = sums[units + unit] * before[row, unit] + sums[unit] * sums[2 * units + unit]
            after[row, unit] = cell
            hidden[row, first + unit] = sums[3 * units + unit] * _tangent(cell)


@njit(**KERNEL_OPTIONS, fastmath=_FAST)
def retreat(gates, before, after, hidden_slope, cell_slope):
    """Take the step of `advance` backwards: from slopes of the loss by its results to those by its sums.

    Parameters
    ----------
    gates : ndarray (rows, 4 * units)
        Values of the gates; afterwards the slopes by the weighted sums.
    before, after : ndarray (rows, units)
        Cells before and after the step.
    hidden_slope : ndarray (rows, units)
        Slope of the loss by what the layer gives at this step.
    cell_slope : ndarray (rows, units)
        Slope by the cells after the step, from later steps; afterwards by those before it.
    """
    units = before.shape[1]
    for row in range(gates.shape[0]):
        values, slopes, by_cell = gates[row], hidden_slope[row], cell_slope[row]
        for unit in range(units):
            shown, let_out = _tangent(after[row, unit]), values[3 * units + unit]
            by_cell[unit] += slopes[unit] * let_out * (_ONE - shown * shown)
            values[3 * units + unit] = slopes[unit] * shown * let_out * (_ONE - let_out)
        for unit in range(units):
            let_in, candidate = values[unit], values[2 * units + unit]
            values[unit] = by_cell[unit] * candidate * let_in * (_ONE - let_in)
            values[2 * units + unit] = by_cell[unit] * let_in * (_ONE - candidate * candidate)
        for unit in range(units):
            keep = values[units + unit]
            values[units + unit] = by_cell[unit] * before[row, unit] * keep * (_ONE - keep)
            by_cell[unit] *= keep


@njit(**KERNEL_OPTIONS, fastmath=_FAST)
def descend(values, slopes, first, second, rate, floor):
    """Take a step of Adam (Kingma & Ba 2015, Algorithm 1, in the order of its Section 2's last lines).

    Parameters
    ----------
    values, slopes : ndarray (parameters,)
        The parameters, changed, and the slopes of the loss by them.
    first, second : ndarray (parameters,)
        Running means of the slopes and of their squares, brought up to date; of decay 0.9 and 0.999.
    rate, floor : float
        Step length and smallest root with the corrections of the two means in them; of the parameters' type.
    """
    for i in range(len(values)):
        slope = slopes[i]
        first[i] += np.float32(0.1) * (slope - first[i])
        second[i] += np.float32(0.001) * (slope * slope - second[i])
        values[i] -= rate * first[i] / (np.sqrt(second[i]) + floor)
