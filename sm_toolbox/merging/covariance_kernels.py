"""The compiled loops that go over all values once: sums and products of samples, and of each with the one before.

Samples are the dates on which all products have a value.
The sums of some dates are taken before they are added to those in memory, over a stretch of columns that stays in the
processor's cache, so that each loop is over a few neighbouring arrays and becomes vector instructions; the speed is
near that of reading the values.
"""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import njit
from sm_toolbox.timeseries.anomaly_kernels import leave_out_gaps

# Dates that are added at once, and columns at once: the deviations of five products and their sums fill half of a
# level-2 cache at most.
_DATES = 4
_COLUMNS = 256
# With three products, cells at once: the memory of one date is far from that of the next, and short stretches of it are
# slow to find. Not a power of two, at whose distance the sums of a cell would share one place in the cache.
_CELLS = 1072

_COMPILE = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}


def sums_per_cell(products):
    """Return how many sums `accumulate` keeps for a cell.

    Samples, sum of each product, sums of products of two; and of samples with one before them the sums of products with
    that, of what is before and after, and their number.
    """
    return 1 + products + products * (products + 1) // 2 + 3 * products + 1


def accumulate(block, shifts, groups, sums, latest):
    """Add the samples of some dates to sums, from which means and covariances follow.

    Parameters
    ----------
    block : ndarray of float32 (products, dates, rows, cols)
        NaN where there is no data; a sample is a date on which all products have some.
    shifts : ndarray of float32 (products,)
        Taken from the values first: about their means, so that the sums of squares keep their digits.
    groups : ndarray of int64 (dates,)
        Which of the groups a date belongs to.
    sums : ndarray of float64 (groups, sums, rows, cols)
        Added to: samples, the sums of the deviations x_i, and the sums of x_i x_j for i ≤ j, ordered 11, 12, 13, …, 22,
        23, …; then, of the samples that have one before them, in the group of the later one: the sums of x_i times x_i
        before, the sums of x_i before, the sums of x_i, and their number.
    latest : ndarray of float32 (products, rows, cols)
        Deviations of the latest sample, NaN before the first one; updated.
    """
    # Chosen here, so that only the one that is needed is compiled.
    (accumulate_three if len(block) == 3 else accumulate_any)(block, shifts, groups, sums, latest)


@njit(**_COMPILE)
def accumulate_any(block, shifts, groups, sums, latest):
    """Do as `accumulate` for any number of products."""
    products, dates, rows, columns = block.shape
    # The last of the deviations is 1 where there is a sample.
    deviations = np.zeros((products + 1, _DATES * _COLUMNS), np.float32)
    for row in range(rows):
        for left in range(0, columns, _COLUMNS):
            width = min(_COLUMNS, columns - left)
            right = left + width
            date = 0
            while date < dates:
                taken = 1
                while taken < _DATES and date + taken < dates and groups[date + taken] == groups[date]:
                    taken += 1
                deviations[:, taken * _COLUMNS :] = 0
                for i in range(taken):
                    first, last = i * _COLUMNS, i * _COLUMNS + width
                    is_sample = deviations[products, first:last]
                    is_sample[:] = 1
                    for product in range(products):
                        leave_out_gaps(block[product, date + i, row, left:right], is_sample)
                    for product in range(products):
                        _deviate(
                            block[product, date + i, row, left:right],
                            shifts[product],
                            is_sample,
                            deviations[product, first:last],
                        )
                group = groups[date]
                _add(deviations[products], sums[group, 0, row, left:right])
                place = 1
                for product in range(products):
                    _add(deviations[product], sums[group, place, row, left:right])
                    place += 1
                for product in range(products):
                    for other in range(product, products):
                        _add_products(deviations[product], deviations[other], sums[group, place, row, left:right])
                        place += 1
                for i in range(taken):
                    first = i * _COLUMNS
                    for product in range(products):
                        _remember(
                            deviations[product, first : first + width],
                            deviations[products, first : first + width],
                            latest[product, row, left:right],
                            sums[group, place + product, row, left:right],
                            sums[group, place + products + product, row, left:right],
                            sums[group, place + 2 * products + product, row, left:right],
                            sums[group, place + 3 * products, row, left:right],
                            product == products - 1,
                        )
                date += taken


@njit(**_COMPILE)
def _remember(deviations, is_sample, latest, products, before, after, pairs, counts):
    """Add each sample that has one before it, and keep it for the next."""
    for c in range(deviations.size):
        x, earlier, valid = deviations[c], latest[c], is_sample[c] != 0
        both = valid and earlier == earlier
        x_before, x_after = (np.float64(earlier), np.float64(x)) if both else (0.0, 0.0)
        products[c] += x_before * x_after
        before[c] += x_before
        after[c] += x_after
        if counts:
            pairs[c] += 1.0 if both else 0.0
        latest[c] = x if valid else earlier


@njit(**_COMPILE)
def accumulate_three(block, shifts, groups, sums, latest):
    """Do as `accumulate` for three products, by far the most usual number, without writing deviations down.

    One flat array holds the ten sums, the three of products with the sample before, and that sample, at distances that
    are known when this is compiled: only so does the compiler see that they do not overlap, and takes several cells at
    once. They are loaded and stored once for four dates.
    """
    dates, cells = block.shape[1], block.shape[2] * block.shape[3]
    values, totals = block.reshape(3, dates, cells), sums.reshape(sums.shape[0], 20, cells)
    newest = latest.reshape(3, cells)
    flat, start = np.empty(16 * _CELLS), np.empty(3 * _CELLS)
    for left in range(0, cells, _CELLS):
        right = min(left + _CELLS, cells)
        for k in range(3):
            _load(newest[k, left:right], start[k * _CELLS : (k + 1) * _CELLS])
        # A plain 0 is a type of its own to numba, for which all that takes it would be compiled, too.
        date = np.int64(0)
        while date < dates:
            group, begin = groups[date], date
            flat[: 13 * _CELLS] = 0
            for c in range(3 * _CELLS):
                flat[13 * _CELLS + c] = start[c] if start[c] == start[c] else 0.0
            while date < dates and groups[date] == group:
                four = date + 3 < dates
                for i in range(1, 4):
                    four = four and groups[date + i] == group
                if four:
                    _add_four(values, date, left, right, shifts, flat)
                    date += 4
                else:
                    _add_one(values, date, left, right, shifts, flat)
                    date += 1
            _add_run(values, begin, date, left, right, shifts, flat, start, totals[group])
        for k in range(3):
            for c in range(right - left):
                newest[k, left + c] = np.float32(start[k * _CELLS + c])


@njit(**_COMPILE)
def _load(values, target):
    for c in range(values.size):
        target[c] = values[c]


@njit(**_COMPILE)
def _add_run(values, begin, end, left, right, shifts, flat, start, totals):
    """Add what dates of one group have given, and keep the latest samples as the start of what follows.

    Sums over the samples that have one before them, and over those before, differ from the sum over all by the first
    and the last sample.
    """
    width = right - left
    for k in range(13):
        _add_to(flat[k * _CELLS : k * _CELLS + width], totals[k, left:right])
    _add_to(flat[:width], totals[19, left:right])
    for c in range(width):
        # The first sample of all has none before it.
        if start[c] != start[c] and flat[c] != 0:
            date = begin
            while not _sample(
                values[0, date, left + c],
                values[1, date, left + c],
                values[2, date, left + c],
                shifts[0],
                shifts[1],
                shifts[2],
            )[3]:
                date += 1
            totals[19, left + c] -= 1.0
            for k in range(3):
                totals[16 + k, left + c] -= np.float64(values[k, date, left + c] - shifts[k])
    for k in range(3):
        own = flat[(1 + k) * _CELLS : (1 + k) * _CELLS + width]
        latest = flat[(13 + k) * _CELLS : (13 + k) * _CELLS + width]
        _add_to(own, totals[16 + k, left:right])
        _pass_on(own, latest, flat[:width], start[k * _CELLS : k * _CELLS + width], totals[13 + k, left:right])


@njit(**_COMPILE)
def _add_to(some, totals):
    for c in range(totals.size):
        totals[c] += some[c]


@njit(**_COMPILE)
def _pass_on(own, latest, counts, start, before):
    """Add the sums over the samples before others, and make the latest sample the start of what follows."""
    for c in range(before.size):
        known = start[c] == start[c]
        before[c] += own[c] - latest[c] + (start[c] if known else 0.0)
        start[c] = latest[c] if known or counts[c] != 0 else np.nan


@njit(**_COMPILE)
def _sample(a, b, c, shift_a, shift_b, shift_c):
    """Return the deviations of three values and 1, or four zeros where one of them is a gap."""
    x, y, z = a - shift_a, b - shift_b, c - shift_c
    total = x + y + z
    valid = total == total
    return (
        np.float64(x) if valid else 0.0,
        np.float64(y) if valid else 0.0,
        np.float64(z) if valid else 0.0,
        1.0 if valid else 0.0,
    )


@njit(**_COMPILE)
def _add_four(values, date, left, right, shifts, flat):
    # Taken like this the slices are known to be contiguous.
    a_0, a_1 = values[0, date, left:right], values[0, date + 1, left:right]
    a_2, a_3 = values[0, date + 2, left:right], values[0, date + 3, left:right]
    b_0, b_1 = values[1, date, left:right], values[1, date + 1, left:right]
    b_2, b_3 = values[1, date + 2, left:right], values[1, date + 3, left:right]
    c_0, c_1 = values[2, date, left:right], values[2, date + 1, left:right]
    c_2, c_3 = values[2, date + 2, left:right], values[2, date + 3, left:right]
    a, b, c = shifts[0], shifts[1], shifts[2]
    for i in range(a_0.size):
        x_0, y_0, z_0, n_0 = _sample(a_0[i], b_0[i], c_0[i], a, b, c)
        x_1, y_1, z_1, n_1 = _sample(a_1[i], b_1[i], c_1[i], a, b, c)
        x_2, y_2, z_2, n_2 = _sample(a_2[i], b_2[i], c_2[i], a, b, c)
        x_3, y_3, z_3, n_3 = _sample(a_3[i], b_3[i], c_3[i], a, b, c)
        flat[i] += n_0 + n_1 + n_2 + n_3
        flat[_CELLS + i] += x_0 + x_1 + x_2 + x_3
        flat[2 * _CELLS + i] += y_0 + y_1 + y_2 + y_3
        flat[3 * _CELLS + i] += z_0 + z_1 + z_2 + z_3
        flat[4 * _CELLS + i] += x_0 * x_0 + x_1 * x_1 + x_2 * x_2 + x_3 * x_3
        flat[5 * _CELLS + i] += x_0 * y_0 + x_1 * y_1 + x_2 * y_2 + x_3 * y_3
        flat[6 * _CELLS + i] += x_0 * z_0 + x_1 * z_1 + x_2 * z_2 + x_3 * z_3
        flat[7 * _CELLS + i] += y_0 * y_0 + y_1 * y_1 + y_2 * y_2 + y_3 * y_3
        flat[8 * _CELLS + i] += y_0 * z_0 + y_1 * z_1 + y_2 * z_2 + y_3 * z_3
        flat[9 * _CELLS + i] += z_0 * z_0 + z_1 * z_1 + z_2 * z_2 + z_3 * z_3
    # A loop of its own: with more sums at once the compiler takes no several cells at once any more.
    for i in range(a_0.size):
        x_0, y_0, z_0, n_0 = _sample(a_0[i], b_0[i], c_0[i], a, b, c)
        x_1, y_1, z_1, n_1 = _sample(a_1[i], b_1[i], c_1[i], a, b, c)
        x_2, y_2, z_2, n_2 = _sample(a_2[i], b_2[i], c_2[i], a, b, c)
        x_3, y_3, z_3, n_3 = _sample(a_3[i], b_3[i], c_3[i], a, b, c)
        x = _chain(flat[13 * _CELLS + i], x_0, x_1, x_2, x_3, n_0, n_1, n_2, n_3)
        flat[10 * _CELLS + i] += x[0]
        flat[13 * _CELLS + i] = x[1]
        y = _chain(flat[14 * _CELLS + i], y_0, y_1, y_2, y_3, n_0, n_1, n_2, n_3)
        flat[11 * _CELLS + i] += y[0]
        flat[14 * _CELLS + i] = y[1]
        z = _chain(flat[15 * _CELLS + i], z_0, z_1, z_2, z_3, n_0, n_1, n_2, n_3)
        flat[12 * _CELLS + i] += z[0]
        flat[15 * _CELLS + i] = z[1]


@njit(**_COMPILE)
def _chain(before_0, x_0, x_1, x_2, x_3, n_0, n_1, n_2, n_3):
    """Return the sum of the products of four deviations, 0 in gaps, with the sample before each, and the latest."""
    before_1 = x_0 + (1.0 - n_0) * before_0
    before_2 = x_1 + (1.0 - n_1) * before_1
    before_3 = x_2 + (1.0 - n_2) * before_2
    return before_0 * x_0 + before_1 * x_1 + before_2 * x_2 + before_3 * x_3, x_3 + (1.0 - n_3) * before_3


@njit(**_COMPILE)
def _add_one(values, date, left, right, shifts, flat):
    a_0, b_0, c_0 = values[0, date, left:right], values[1, date, left:right], values[2, date, left:right]
    for i in range(a_0.size):
        x, y, z, n = _sample(a_0[i], b_0[i], c_0[i], shifts[0], shifts[1], shifts[2])
        flat[i] += n
        flat[_CELLS + i] += x
        flat[2 * _CELLS + i] += y
        flat[3 * _CELLS + i] += z
        flat[4 * _CELLS + i] += x * x
        flat[5 * _CELLS + i] += x * y
        flat[6 * _CELLS + i] += x * z
        flat[7 * _CELLS + i] += y * y
        flat[8 * _CELLS + i] += y * z
        flat[9 * _CELLS + i] += z * z
    for i in range(a_0.size):
        x, y, z, n = _sample(a_0[i], b_0[i], c_0[i], shifts[0], shifts[1], shifts[2])
        flat[10 * _CELLS + i] += x * flat[13 * _CELLS + i]
        flat[11 * _CELLS + i] += y * flat[14 * _CELLS + i]
        flat[12 * _CELLS + i] += z * flat[15 * _CELLS + i]
        flat[13 * _CELLS + i] = x + (1.0 - n) * flat[13 * _CELLS + i]
        flat[14 * _CELLS + i] = y + (1.0 - n) * flat[14 * _CELLS + i]
        flat[15 * _CELLS + i] = z + (1.0 - n) * flat[15 * _CELLS + i]


@njit(**_COMPILE)
def _deviate(values, shift, is_sample, deviations):
    for c in range(deviations.size):
        # The difference is taken whether it is one or not: a branch would keep the loop from becoming vector
        # instructions.
        difference = values[c] - shift
        deviations[c] = difference if is_sample[c] != 0 else np.float32(0)


@njit(**_COMPILE)
def _add(values, total):
    for c in range(total.size):
        some = 0.0
        for i in range(_DATES):
            some += np.float64(values[i * _COLUMNS + c])
        total[c] += some


@njit(**_COMPILE)
def _add_products(values, others, total):
    for c in range(total.size):
        some = 0.0
        for i in range(_DATES):
            some += np.float64(values[i * _COLUMNS + c]) * np.float64(others[i * _COLUMNS + c])
        total[c] += some
