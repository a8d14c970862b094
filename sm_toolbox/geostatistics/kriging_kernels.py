"""Compiled loops of kriging: correlations of many cells and stations, and small systems of the nearest stations."""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

SPHERICAL, EXPONENTIAL, GAUSSIAN, MATERN = range(4)
# Distances over the range at which the correlation falls to 5 %, the practical range: e^-3, and (1 + s) e^-s for
# Matérn's with ν = 3/2.
_THREE, _MATERN_SCALE = 3.0, 4.743864518390554
# Within a thousandth of a millimetre a cell is at the station; its weight then outweighs all others.
_SAME_PLACE, _ALL_WEIGHT = 1e-12, 1e200

_FAST = {**KERNEL_OPTIONS, "fastmath": {"contract", "reassoc"}}


@njit(**_FAST)
def _exp_of_minus(x):
    """Return e^-x for x ≥ 0, relative error below 1e-11, without a branch or a call, so that loops vectorise.

    (e^(-x / 1024))^1024, from Taylor's series and ten squarings; beyond 45 it stays at e^-45, 3e-20.
    """
    y = (x if x < 45.0 else 45.0) * (-1.0 / 1024.0)
    e = 1.0 + y * (1.0 + y * (1 / 2 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y * (1 / 720))))))
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    return e


@njit(**_FAST)
def _of_squared(model, d2, scale):
    """Return the correlation at a squared distance; `scale` is one over the range."""
    if model == GAUSSIAN:
        return _exp_of_minus(_THREE * d2 * scale * scale)
    h = math.sqrt(d2) * scale
    if model == SPHERICAL:
        h = h if h < 1.0 else 1.0
        return 1.0 - h * (1.5 - 0.5 * h * h)
    if model == EXPONENTIAL:
        return _exp_of_minus(_THREE * h)
    s = _MATERN_SCALE * h
    return (1.0 + s) * _exp_of_minus(s)


@njit(**_FAST)
def correlations_at(model, distances, range_, out):
    """Fill `out` with the correlations at distances (any, ), both float64."""
    for i in range(distances.size):
        out[i] = _of_squared(model, distances[i] * distances[i], 1.0 / range_)


@njit(**_FAST)
def fill_correlations(model, cells, stations, range_, out):
    """Fill the correlations between cells and stations.

    Parameters
    ----------
    model : int
    cells : ndarray of float64 (cells, 3)
        Positions (m).
    stations : ndarray of float64 (3, stations)
        Positions (m), coordinate by coordinate.
    range_ : float
        Practical range (m).
    out : ndarray of float64 (cells, stations)
    """
    x, y, z = stations[0], stations[1], stations[2]
    scale = 1.0 / range_
    for i in range(len(cells)):
        row = out[i]
        cx, cy, cz = cells[i, 0], cells[i, 1], cells[i, 2]
        # The model is chosen outside the loop over the stations: within it, it would keep the loop from becoming vector
        # instructions.
        if model == SPHERICAL:
            for j in range(len(row)):
                dx, dy, dz = x[j] - cx, y[j] - cy, z[j] - cz
                row[j] = _of_squared(SPHERICAL, dx * dx + dy * dy + dz * dz, scale)
        elif model == EXPONENTIAL:
            for j in range(len(row)):
                dx, dy, dz = x[j] - cx, y[j] - cy, z[j] - cz
                row[j] = _of_squared(EXPONENTIAL, dx * dx + dy * dy + dz * dz, scale)
        elif model == GAUSSIAN:
            for j in range(len(row)):
                dx, dy, dz = x[j] - cx, y[j] - cy, z[j] - cz
                row[j] = _of_squared(GAUSSIAN, dx * dx + dy * dy + dz * dz, scale)
        else:
            for j in range(len(row)):
                dx, dy, dz = x[j] - cx, y[j] - cy, z[j] - cz
                row[j] = _of_squared(MATERN, dx * dx + dy * dy + dz * dz, scale)


@njit(**_FAST)
def fill_inverse_distances(cells, stations, power, out):
    """Fill the weights 1 / distance^power between cells and stations, shaped as in `fill_correlations`."""
    x, y, z = stations[0], stations[1], stations[2]
    for i in range(len(cells)):
        row = out[i]
        for j in range(len(row)):
            dx, dy, dz = x[j] - cells[i, 0], y[j] - cells[i, 1], z[j] - cells[i, 2]
            row[j] = dx * dx + dy * dy + dz * dz
        weigh_distances(row, power)


@njit(**_FAST)
def weigh_distances(row, power):
    """Turn squared distances into weights, in place."""
    if power == 2.0:
        for j in range(len(row)):
            row[j] = 1.0 / row[j] if row[j] > _SAME_PLACE else _ALL_WEIGHT
    else:
        for j in range(len(row)):
            row[j] = row[j] ** (-0.5 * power) if row[j] > _SAME_PLACE else _ALL_WEIGHT


@njit(**KERNEL_OPTIONS)
def krige_nearest(
    model, range_, nugget, cells, stations, neighbours, cell_drift, station_drift, values, mean, variance
):
    """Krige cells from the nearest stations of each, with a sill of 1.

    Parameters
    ----------
    model : int
    range_ : float
        Practical range (m).
    nugget : float
        Share of the sill.
    cells : ndarray of float64 (cells, 3)
    stations : ndarray of float64 (stations, 3)
    neighbours : ndarray of int64 (cells, k)
        Positions in `stations`, ascending in each row: where those of a cell are those of the one before, as mostly is,
        its factors are used again.
    cell_drift : ndarray of float64 (cells, p)
    station_drift : ndarray of float64 (stations, p)
        A first column of ones for ordinary kriging; no column for simple kriging.
    values : ndarray of float64 (stations, dates)
        Minus the mean for simple kriging.
    mean : ndarray of float64 (cells, dates)
        Filled.
    variance : ndarray of float64 (cells,)
        Filled with the variance of what a station would measure there, nugget included.
    """
    k, p, dates = neighbours.shape[1], station_drift.shape[1], values.shape[1]
    factor = np.empty((k, k))
    drift = np.empty((k, p))
    drift_factor, inverse = np.empty((p, p)), np.empty(p)
    u, e = np.empty(k), np.empty(p)
    scale, partial = 1.0 / range_, 1.0 - nugget
    for cell in range(len(cells)):
        nearest = neighbours[cell]
        same = cell > 0
        for i in range(k):
            if not same:
                break
            same = nearest[i] == neighbours[cell - 1, i]
        if not same:
            _factorise(model, scale, nugget, stations, nearest, station_drift, factor, drift, drift_factor, inverse)
        for i in range(k):
            d2 = 0.0
            for axis in range(3):
                d2 += (stations[nearest[i], axis] - cells[cell, axis]) ** 2
            total = partial * _of_squared(model, d2, scale)
            for j in range(i):
                total -= factor[i, j] * u[j]
            u[i] = total / factor[i, i]
        spread = 1.0
        for i in range(k):
            spread -= u[i] * u[i]
        for a in range(p):
            total = cell_drift[cell, a]
            for i in range(k):
                total -= drift[i, a] * u[i]
            for b in range(a):
                total -= drift_factor[a, b] * e[b]
            e[a] = total * inverse[a]
            spread += e[a] * e[a]
        variance[cell] = max(spread, 0.0) if not math.isnan(spread) else spread
        # Back from the factors: the drift's multipliers, then the weights of the stations, both in place.
        for a in range(p - 1, -1, -1):
            total = e[a]
            for b in range(a + 1, p):
                total -= drift_factor[b, a] * e[b]
            e[a] = total * inverse[a]
        for i in range(k):
            for a in range(p):
                u[i] += drift[i, a] * e[a]
        for i in range(k - 1, -1, -1):
            total = u[i]
            for j in range(i + 1, k):
                total -= factor[j, i] * u[j]
            u[i] = total / factor[i, i]
        for date in range(dates):
            total = 0.0
            for i in range(k):
                total += u[i] * values[nearest[i], date]
            mean[cell, date] = total


@njit(**KERNEL_OPTIONS)
def _factorise(model, scale, nugget, stations, nearest, station_drift, factor, drift, drift_factor, inverse):
    """Cholesky factors of the covariances L L' and of the drift's F' K⁻¹ F, and L⁻¹ F; each in the lower triangle."""
    k, p = drift.shape
    partial = 1.0 - nugget
    for i in range(k):
        for j in range(i + 1):
            d2 = 0.0
            for axis in range(3):
                d2 += (stations[nearest[i], axis] - stations[nearest[j], axis]) ** 2
            total = partial * _of_squared(model, d2, scale) if j < i else 1.0 + 1e-10
            for m in range(j):
                total -= factor[i, m] * factor[j, m]
            # Stations that nearly coincide: rounding must not make the root of a negative number.
            factor[i, j] = total / factor[j, j] if j < i else math.sqrt(max(total, 1e-10))
    for a in range(p):
        for i in range(k):
            total = station_drift[nearest[i], a]
            for j in range(i):
                total -= factor[i, j] * drift[j, a]
            drift[i, a] = total / factor[i, i]
    for a in range(p):
        for b in range(a + 1):
            total = 0.0
            for i in range(k):
                total += drift[i, a] * drift[i, b]
            whole = total
            for m in range(b):
                total -= drift_factor[a, m] * drift_factor[b, m]
            if b < a:
                drift_factor[a, b] = total * inverse[b]
            else:
                # A drift that is constant at these stations has no effect here.
                independent = total > 1e-9 * whole
                drift_factor[a, a] = math.sqrt(total) if independent else 1.0
                inverse[a] = 1.0 / drift_factor[a, a] if independent else 0.0
