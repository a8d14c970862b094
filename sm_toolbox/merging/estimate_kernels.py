"""The compiled loops from covariances to error variances and weights, cell by cell, and the bootstrap around them.

Gruber et al. 2016 (doi 10.1002/2015JD024027) solve for the variances of the signal and of the errors by least squares over all triplets without
a pair of correlated errors. The error variance of a product stands in one equation alone, so that the solution is the mean of the estimates of
the signal variance Q_ia Q_ib / Q_ab over the triplets (i, a, b), and what is left of Q_ii. With three products this is triple collocation
(Gruber et al. 2015, doi 10.1016/j.jag.2015.09.002).
"""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import njit

RESOLVED, TOO_FEW, NOT_CORRELATED, NEGATIVE_VARIANCE, IMPOSSIBLE_CORRELATION = range(5)

# An error variance below this share of the variance is the rounding of single precision: one product is a copy of another.
_ROUNDING = 1e-9
# Resampled series that limits need.
_FEWEST_DRAWN = 20
# Autocorrelation that the rule for the length of blocks is still made for.
_MOST_MEMORY = 0.97

_COMPILE = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit(**_COMPILE)
def fill_estimates(covariances, samples, p_values, triplets, quadruplets, pairs, declared, limits, reference, out, flags):
    """Estimate the errors of each cell, or say why they cannot be estimated.

    Parameters
    ----------
    covariances : ndarray of float64 (products, products, cells)
    samples : ndarray of float64 (cells,)
    p_values : ndarray of float64 (pairs, cells)
        Of the correlation of two products; 1 where it is not positive.
    triplets : ndarray of int64 (n, 3)
        Product, and the two others that an estimate of its signal variance comes from.
    quadruplets : ndarray of int64 (n, 5)
        Pair, its two products, and the two others, in this order, that an estimate of the signal they share comes from.
    pairs : ndarray of int64 (pairs, 2)
        All pairs of products, the lower one first.
    declared : ndarray of bool (pairs,)
        The pairs whose errors may be correlated.
    limits : (float, float)
        Fewest samples, and the p-value that a correlation must stay below.
    reference : int
        The product in whose space errors are compared.
    out : ndarray of float32 (estimates, cells)
        Filled with what `estimates` of `collocation` lists; NaN where the flag is not 0.
    flags : ndarray of float32 (cells,)
        Filled.
    """
    products = covariances.shape[0]
    q = np.empty((products, products))
    work = _workspace(products, len(pairs))
    values = np.empty(len(out))
    for cell in range(samples.size):
        for i in range(products):
            for j in range(products):
                q[i, j] = covariances[i, j, cell]
        flag = _screen(q, samples[cell], p_values[:, cell], pairs, declared, limits)
        if flag == RESOLVED:
            flag = _estimate(q, triplets, quadruplets, pairs, declared, reference, work, values)
        flags[cell] = flag
        for k in range(values.size):
            out[k, cell] = np.float32(values[k]) if flag == RESOLVED else np.float32(np.nan)


@njit(**_COMPILE)
def _workspace(products, pairs):
    """Return room for signal and error variances, scaled error covariances, weights and error covariances of pairs."""
    return np.empty(products), np.empty(products), np.empty((products, products)), np.empty(products), np.empty(pairs)


@njit(**_COMPILE)
def _screen(q, n, p_values, pairs, declared, limits):
    if not n >= limits[0]:
        return TOO_FEW
    for k in range(len(pairs)):
        if not declared[k] and not p_values[k] < limits[1]:
            return NOT_CORRELATED
    for k in range(len(pairs)):
        i, j = pairs[k]
        if q[i, j] * q[i, j] >= (1 - _ROUNDING) * q[i, i] * q[j, j]:
            return NEGATIVE_VARIANCE
    return RESOLVED


@njit(**_COMPILE)
def _estimate(q, triplets, quadruplets, pairs, declared, reference, work, values):
    signal, error, _, _, shared = work
    products = len(signal)
    _signal_variances(q, triplets, signal)
    for i in range(products):
        error[i] = q[i, i] - signal[i]
        if not error[i] > _ROUNDING * q[i, i]:
            return NEGATIVE_VARIANCE
        if not signal[i] > 0:
            return IMPOSSIBLE_CORRELATION
    for k in range(len(pairs)):
        shared[k] = np.nan
    if len(quadruplets):
        _error_correlations(q, triplets, quadruplets, pairs, shared)
    for k in range(len(pairs)):
        if declared[k] and not abs(shared[k]) <= 1:
            return IMPOSSIBLE_CORRELATION
    return _derive(q, pairs, declared, reference, work, values)


@njit(**_COMPILE)
def _derive(q, pairs, declared, reference, work, values):
    """Fill what follows from signal and error variances."""
    signal, error, scaled, weights, shared = work
    products = len(signal)
    for i in range(products):
        sensitivity = math.sqrt(signal[reference] / signal[i])
        own = math.sqrt(error[i])
        values[i] = own
        values[products + i] = sensitivity * own
        values[2 * products + i] = math.sqrt(min(signal[i] / q[i, i], 1.0))
        values[3 * products + i] = 10 * math.log10(signal[i] / error[i])
        values[4 * products + i] = sensitivity
    _scaled_covariances(values[products : 2 * products], pairs, declared, shared, scaled)
    merged = least_squares_weights(scaled, (1 << products) - 1, weights)
    if not merged > 0:
        return IMPOSSIBLE_CORRELATION
    for i in range(products):
        values[5 * products + i] = weights[i]
    values[6 * products] = math.sqrt(merged)
    for k in range(values.size - 6 * products - 1):
        values[6 * products + 1 + k] = shared[k]
    return RESOLVED


@njit(**_COMPILE)
def _signal_variances(q, triplets, signal):
    for i in range(signal.size):
        total, count = 0.0, 0
        for k in range(len(triplets)):
            if triplets[k, 0] == i:
                a, b = triplets[k, 1], triplets[k, 2]
                total += q[i, a] * q[i, b] / q[a, b]
                count += 1
        signal[i] = total / count


@njit(**_COMPILE)
def _error_correlations(q, triplets, quadruplets, pairs, correlations):
    """Estimate the error correlation of each pair from what takes their errors to be correlated and all others not.

    NaN where there are too few products for it, or an error variance is not positive.
    """
    for k in range(len(pairs)):
        i, j = pairs[k]
        total, count = 0.0, 0
        for m in range(len(quadruplets)):
            if quadruplets[m, 0] == k:
                a, b, c, d = quadruplets[m, 1], quadruplets[m, 2], quadruplets[m, 3], quadruplets[m, 4]
                total += q[a, c] * q[b, d] / q[c, d]
                count += 1
        variance = _error_without(q, triplets, i, j) * _error_without(q, triplets, j, i)
        correlations[k] = (q[i, j] - total / count) / math.sqrt(variance) if count > 0 and variance > 0 else np.nan


@njit(**_COMPILE)
def _error_without(q, triplets, product, other):
    """Return the error variance of a product from the triplets without another; not positive where there is none."""
    total, count = 0.0, 0
    for k in range(len(triplets)):
        if triplets[k, 0] == product and triplets[k, 1] != other and triplets[k, 2] != other:
            a, b = triplets[k, 1], triplets[k, 2]
            total += q[product, a] * q[product, b] / q[a, b]
            count += 1
    return max(q[product, product] - total / count, 0.0) if count > 0 else 0.0


@njit(**_COMPILE)
def _scaled_covariances(errors, pairs, declared, correlations, out):
    """Fill the covariances of the errors from their standard deviations, and their correlations where declared."""
    for i in range(len(out)):
        for j in range(len(out)):
            out[i, j] = errors[i] * errors[i] if i == j else 0.0
    for k in range(len(pairs)):
        if declared[k]:
            i, j = pairs[k]
            out[i, j] = out[j, i] = correlations[k] * errors[i] * errors[j]


@njit(**_COMPILE)
def least_squares_weights(covariances, present, weights):
    """Fill the weights that sum to 1 and make the error variance of the mean smallest, and return that variance.

    Parameters
    ----------
    covariances : ndarray of float64 (products, products)
        Of the errors, all in the space of one product.
    present : int
        Bit i is set where product i takes part; the others get 0.
    weights : ndarray of float64 (products,)

    Returns
    -------
    float
        NaN where there are no such weights.

    Notes
    -----
    w = C⁻¹1 / 1ᵀC⁻¹1 (Yilmaz et al. 2012, doi 10.1029/2011WR011682, for three products with independent errors). A product whose
    weight would be negative, as happens where its errors follow those of a better one, is left out: taken off, it would add its own errors.
    """
    products = weights.size
    system = np.empty((products, products + 1))
    while True:
        weights[:] = 0
        if not _solve_for_ones(covariances, present, system, weights):
            return np.nan
        total = weights.sum()
        lowest = 0
        for i in range(products):
            weights[i] /= total
            if weights[i] < weights[lowest]:
                lowest = i
        if weights[lowest] >= 0:
            return 1 / total
        present &= ~(1 << lowest)


@njit(**_COMPILE)
def _solve_for_ones(covariances, present, system, solution):
    """Solve C x = 1 for the products that are present; False where C is not positive definite."""
    products = solution.size
    for i in range(products):
        here = (present >> i) & 1
        for j in range(products):
            both = here and (present >> j) & 1
            system[i, j] = covariances[i, j] if both else (1.0 if i == j else 0.0)
        system[i, products] = 1.0 if here else 0.0
    for i in range(products):
        if not system[i, i] > 0:
            return False
        for row in range(i + 1, products):
            factor = system[row, i] / system[i, i]
            if factor != 0:
                for j in range(i, products + 1):
                    system[row, j] -= factor * system[i, j]
    for i in range(products - 1, -1, -1):
        left = system[i, products]
        for j in range(i + 1, products):
            left -= system[i, j] * solution[j]
        solution[i] = left / system[i, i]
    return True


@njit(**_COMPILE)
def bootstrap(block, cells, seeds, triplets, quadruplets, pairs, declared, reference, lost, replicates, widths, estimates, out):
    """Find confidence limits of the estimates of some cells by drawing blocks of their samples with replacement.

    Parameters
    ----------
    block : ndarray of float32 (products, dates, cells)
        NaN where there is no data.
    cells : ndarray of int64 (n,)
        Those to do: the ones that are resolved.
    seeds : ndarray of uint64 (cells,)
        So that a cell's limits do not depend on the other cells of the block.
    triplets, quadruplets, pairs, declared, reference
        As for `fill_estimates`.
    lost : ndarray of float64 (cells,)
        Degrees of freedom that means have taken from the samples.
    replicates : int
    widths : ndarray of float64 (n,)
        Standard deviations from the middle to each limit, by the number of blocks that a series is made of.
    estimates : ndarray of float32 (estimates, cells)
        As `fill_estimates` gave them.
    out : ndarray of float32 (2, estimates, cells)
        Filled for the cells that are done: low and high limits.
    """
    products, dates, _ = block.shape
    number = len(estimates)
    series = np.empty((products, dates))
    drawn = np.empty((number, replicates))
    for cell in cells:
        n = _copy_samples(block, cell, series)
        found, blocks = _resample(series[:, :n], lost[cell], seeds[cell], triplets, quadruplets, pairs, declared, reference, drawn)
        width = widths[min(blocks, widths.size - 1)]
        for k in range(number):
            out[0, k, cell], out[1, k, cell] = _limits(drawn[k, :found], np.float64(estimates[k, cell]), width)


@njit(**_COMPILE)
def _copy_samples(block, cell, series):
    """Copy the samples of a cell, about their means, into the start of `series`, and return how many there are."""
    products, dates, _ = block.shape
    n = 0
    for date in range(dates):
        is_sample = True
        for i in range(products):
            series[i, n] = block[i, date, cell]
            is_sample &= series[i, n] == series[i, n]
        n += int(is_sample)
    for i in range(products):
        series[i, :n] -= series[i, :n].mean()
    return n


@njit(**_COMPILE)
def _resample(series, lost, seed, triplets, quadruplets, pairs, declared, reference, drawn):
    """Fill the estimates of resampled series; return how many could be estimated, and of how many blocks a series is made.

    Notes
    -----
    Circular blocks (Politis & Romano 1992): each sample is drawn equally often. Blocks are added from cumulative sums, which takes as many
    steps as there are blocks rather than samples.
    """
    products, n = series.shape
    q = np.empty((products, products))
    covariances(series, lost, q)
    length = block_length(series, q, triplets)
    sums = products + products * (products + 1) // 2
    cumulative = np.zeros((n + length + 1, sums))
    for t in range(n + length):
        place = products
        for i in range(products):
            x = series[i, t % n]
            cumulative[t + 1, i] = cumulative[t, i] + x
            for j in range(i, products):
                cumulative[t + 1, place] = cumulative[t, place] + x * series[j, t % n]
                place += 1
    total = np.empty(sums)
    work = _workspace(products, len(pairs))
    values = np.empty(len(drawn))
    state = seed
    found = 0
    for _ in range(drawn.shape[1]):
        total[:] = 0
        left = n
        while left > 0:
            taken = min(length, left)
            state, start = _random_below(state, n)
            for k in range(sums):
                total[k] += cumulative[start + taken, k] - cumulative[start, k]
            left -= taken
        _covariances_of_sums(total, n, lost, q)
        if _estimate_resampled(q, triplets, quadruplets, pairs, declared, reference, work, values):
            drawn[:, found] = values
            found += 1
    return found, -(-n // length)


@njit(**_COMPILE)
def covariances(series, lost, q):
    """Fill the covariances of series (products, n) about 0, less the degrees of freedom that were lost."""
    products, n = series.shape
    for i in range(products):
        for j in range(i, products):
            total = 0.0
            for t in range(n):
                total += series[i, t] * series[j, t]
            q[i, j] = q[j, i] = total / (n - lost)


@njit(**_COMPILE)
def _covariances_of_sums(total, n, lost, q):
    products = len(q)
    place = products
    for i in range(products):
        for j in range(i, products):
            q[i, j] = q[j, i] = (total[place] - total[i] * total[j] / n) / (n - lost)
            place += 1


@njit(**_COMPILE)
def _random_below(state, n):
    """Return the next state of the generator SplitMix64 (Steele et al. 2014, doi 10.1145/2714064.2660195) and a number from 0 to n − 1."""
    state += np.uint64(0x9E3779B97F4A7C15)
    mixed = state
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return state, np.int64(np.float64(mixed >> np.uint64(11)) * 2.0**-53 * n)


@njit(**_COMPILE)
def _estimate_resampled(q, triplets, quadruplets, pairs, declared, reference, work, values):
    """Estimate as for the samples themselves, but take impossible variances and correlations to their nearest possible value.

    Left out, they would be missing from the very tail that is looked for.
    """
    signal, error, _, _, shared = work
    for k in range(len(pairs)):
        if not declared[k] and not q[pairs[k, 0], pairs[k, 1]] > 0:
            return False
        shared[k] = np.nan
    _signal_variances(q, triplets, signal)
    for i in range(signal.size):
        error[i] = max(q[i, i] - signal[i], _ROUNDING * q[i, i])
    if len(quadruplets):
        _error_correlations(q, triplets, quadruplets, pairs, shared)
        for k in range(len(pairs)):
            if declared[k]:
                shared[k] = min(max(shared[k], -0.999), 0.999)
    if _derive(q, pairs, declared, reference, work, values) != RESOLVED:
        return False
    for i in range(signal.size):
        if error[i] <= _ROUNDING * q[i, i]:
            values[i] = values[signal.size + i] = 0.0
            values[3 * signal.size + i] = np.inf
    return True


@njit(**_COMPILE)
def block_length(series, q, triplets):
    """Return how many samples that follow one another are drawn together.

    Notes
    -----
    (√6 ρ / (1 − ρ²))^(2/3) n^(1/3), Carlstein's (1986, doi 10.1214/aos/1176350057) rule for a series with lag-1 autocorrelation ρ. The series
    here are what each sample adds to the estimates: for products i, a, b with equal signals (x_i − x_a)(x_i − x_b) for an error variance and
    (x_i − x_a) x_b for a sensitivity. The largest ρ of them counts.
    """
    products, n = series.shape
    signal = np.empty(products)
    _signal_variances(q, triplets, signal)
    memory = 0.0
    for k in range(len(triplets)):
        i, a, b = triplets[k]
        if not min(signal[i], signal[a], signal[b]) > 0:
            continue
        per_a, per_b = math.sqrt(signal[i] / signal[a]), math.sqrt(signal[i] / signal[b])
        memory = max(memory, _lag1(series[i], series[a], series[b], 1.0, per_a, 1.0, per_b))
        memory = max(memory, _lag1(series[i], series[a], series[b], 1.0, per_a, 0.0, per_b))
        memory = max(memory, _lag1(series[i], series[a], series[b], 0.0, per_a, 0.0, per_b))
    memory = min(memory, _MOST_MEMORY)
    length = math.ceil((math.sqrt(6.0) * memory / (1 - memory * memory)) ** (2 / 3) * n ** (1 / 3))
    return max(1, min(length, n // 4))


@njit(**_COMPILE)
def _lag1(x, a, b, first, per_a, second, per_b):
    """Return the lag-1 autocorrelation of (first x − per_a a)(second x − per_b b)."""
    n = x.size
    mean = 0.0
    for t in range(n):
        mean += (first * x[t] - per_a * a[t]) * (second * x[t] - per_b * b[t])
    mean /= n
    before = power = product = 0.0
    for t in range(n):
        value = (first * x[t] - per_a * a[t]) * (second * x[t] - per_b * b[t]) - mean
        power += value * value
        product += value * before
        before = value
    return product / power if power > 0 else 0.0


@njit(**_COMPILE)
def _limits(drawn, estimate, width):
    """Return the low and the high limit.

    Notes
    -----
    Bias-corrected percentiles (Efron 1987, doi 10.1080/01621459.1987.10478410, without acceleration), at the distances of Student's instead of the
    normal distribution: few blocks tell little about their own spread.
    """
    if drawn.size < _FEWEST_DRAWN or not math.isfinite(estimate):
        return np.float32(np.nan), np.float32(np.nan)
    ordered = np.sort(drawn)
    # Estimates come in single precision; what equals them so counts half on either side.
    rounding = 1e-6 * abs(estimate)
    below = 0.0
    for value in ordered:
        below += 1.0 if value < estimate - rounding else (0.5 if value <= estimate + rounding else 0.0)
    share = min(max(below / ordered.size, 1 / ordered.size), 1 - 1 / ordered.size)
    shift = 2 * _normal_quantile(share)
    low, high = _quantile(ordered, _normal(shift - width)), _quantile(ordered, _normal(shift + width))
    # What may be infinite, the ratio of signal to an error that may be nothing, has no limit.
    return np.float32(low if math.isfinite(low) else np.nan), np.float32(high if math.isfinite(high) else np.nan)


@njit(**_COMPILE)
def _normal(z):
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@njit(**_COMPILE)
def _normal_quantile(p):
    """Return the quantile of the standard normal distribution, by Newton's method: on either side of 0 the distribution is convex or concave, so that it converges."""
    z = 0.0
    for _ in range(30):
        step = (p - _normal(z)) * math.sqrt(2 * math.pi) * math.exp(z * z / 2)
        z += step
        if abs(step) < 1e-10:
            break
    return z


@njit(**_COMPILE)
def _quantile(ordered, p):
    place = p * (ordered.size - 1)
    low = int(place)
    high = min(low + 1, ordered.size - 1)
    if ordered[low] == ordered[high]:
        return ordered[low]
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
