"""Limits of estimates by resampling blocks of dates, compiled."""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import njit
from sm_toolbox.merging.estimate_kernels import (
    COMPILE,
    MOST_MEMORY,
    RESOLVED,
    ROUNDING,
    derive,
    error_correlations,
    signal_variances,
    workspace,
)

# Resampled series that limits need.
_FEWEST_DRAWN = 20


@njit(**COMPILE)
def bootstrap(
    block, cells, seeds, triplets, quadruplets, pairs, declared, reference, lost, replicates, widths, estimates, out
):
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
        found, blocks = _resample(
            series[:, :n], lost[cell], seeds[cell], triplets, quadruplets, pairs, declared, reference, drawn
        )
        width = widths[min(blocks, widths.size - 1)]
        for k in range(number):
            out[0, k, cell], out[1, k, cell] = _limits(drawn[k, :found], np.float64(estimates[k, cell]), width)


@njit(**COMPILE)
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


@njit(**COMPILE)
def _resample(series, lost, seed, triplets, quadruplets, pairs, declared, reference, drawn):
    """Fill the estimates of resampled series; return how many could be estimated, and the blocks of a series.

    Notes
    -----
    Circular blocks (Politis & Romano 1992): each sample is drawn equally often. Blocks are added from cumulative sums,
    which takes as many steps as there are blocks rather than samples.
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
    work = workspace(products, len(pairs))
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


@njit(**COMPILE)
def covariances(series, lost, q):
    """Fill the covariances of series (products, n) about 0, less the degrees of freedom that were lost."""
    products, n = series.shape
    for i in range(products):
        for j in range(i, products):
            total = 0.0
            for t in range(n):
                total += series[i, t] * series[j, t]
            q[i, j] = q[j, i] = total / (n - lost)


@njit(**COMPILE)
def _covariances_of_sums(total, n, lost, q):
    products = len(q)
    place = products
    for i in range(products):
        for j in range(i, products):
            q[i, j] = q[j, i] = (total[place] - total[i] * total[j] / n) / (n - lost)
            place += 1


@njit(**COMPILE)
def _random_below(state, n):
    """Return the next state of SplitMix64 (doi 10.1145/2714064.2660195) and a number from 0 to n − 1."""
    state += np.uint64(0x9E3779B97F4A7C15)
    mixed = state
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return state, np.int64(np.float64(mixed >> np.uint64(11)) * 2.0**-53 * n)


@njit(**COMPILE)
def _estimate_resampled(q, triplets, quadruplets, pairs, declared, reference, work, values):
    """Estimate as for the samples, but take impossible variances and correlations to their nearest possible value.

    Left out, they would be missing from the very tail that is looked for.
    """
    signal, error, _, _, shared = work
    for k in range(len(pairs)):
        if not declared[k] and not q[pairs[k, 0], pairs[k, 1]] > 0:
            return False
        shared[k] = np.nan
    signal_variances(q, triplets, signal)
    for i in range(signal.size):
        error[i] = max(q[i, i] - signal[i], ROUNDING * q[i, i])
    if len(quadruplets):
        error_correlations(q, triplets, quadruplets, pairs, shared)
        for k in range(len(pairs)):
            if declared[k]:
                shared[k] = min(max(shared[k], -0.999), 0.999)
    if derive(q, pairs, declared, reference, work, values) != RESOLVED:
        return False
    for i in range(signal.size):
        if error[i] <= ROUNDING * q[i, i]:
            values[i] = values[signal.size + i] = 0.0
            values[3 * signal.size + i] = np.inf
    return True


@njit(**COMPILE)
def block_length(series, q, triplets):
    """Return how many samples that follow one another are drawn together.

    Notes
    -----
    (√6 ρ / (1 − ρ²))^(2/3) n^(1/3), Carlstein's (1986, doi 10.1214/aos/1176350057) rule for a series with lag-1
    autocorrelation ρ. The series here are the differences of two products with equal signals, x_i − x_a, which are
    errors alone: what limits are too narrow for is errors that persist. The largest ρ of them counts.
    """
    products, n = series.shape
    signal = np.empty(products)
    signal_variances(q, triplets, signal)
    memory = 0.0
    for i in range(products):
        for a in range(i + 1, products):
            if min(signal[i], signal[a]) > 0:
                memory = max(memory, _lag1_of_difference(series[i], series[a], math.sqrt(signal[i] / signal[a])))
    memory = min(memory, MOST_MEMORY)
    length = math.ceil((math.sqrt(6.0) * memory / (1 - memory * memory)) ** (2 / 3) * n ** (1 / 3))
    return max(1, min(length, n // 4))


@njit(**COMPILE)
def _lag1_of_difference(x, a, per_a):
    """Return the lag-1 autocorrelation of x − per_a a, each about 0."""
    before = power = product = 0.0
    for t in range(x.size):
        value = x[t] - per_a * a[t]
        power += value * value
        product += value * before
        before = value
    return product / power if power > 0 else 0.0


@njit(**COMPILE)
def _limits(drawn, estimate, width):
    """Return the low and the high limit.

    Notes
    -----
    Bias-corrected percentiles (Efron 1987, doi 10.1080/01621459.1987.10478410, without acceleration), at the distances
    of Student's instead of the normal distribution: few blocks tell little about their own spread.
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


@njit(**COMPILE)
def _normal(z):
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@njit(**COMPILE)
def _normal_quantile(p):
    """Return the quantile of the standard normal distribution, by Newton's method.

    On either side of 0 the distribution is convex or concave, so that it converges.
    """
    z = 0.0
    for _ in range(30):
        step = (p - _normal(z)) * math.sqrt(2 * math.pi) * math.exp(z * z / 2)
        z += step
        if abs(step) < 1e-10:
            break
    return z


@njit(**COMPILE)
def _quantile(ordered, p):
    place = p * (ordered.size - 1)
    low = int(place)
    high = min(low + 1, ordered.size - 1)
    if ordered[low] == ordered[high]:
        return ordered[low]
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
