"""Memory of series: the sums that tell it, and how many samples count in the significance of a correlation."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import t as student

from sm_toolbox.merging.collocation import collocate, covariances_of_sums, design, memory_of_sums
from sm_toolbox.merging.covariance_kernels import accumulate, sums_per_cell


def summed(block, groups=None, at_once=10):
    """Sums of a block (products, dates, rows, cols), taken part by part as a long record is."""
    count, dates, *shape = block.shape
    groups = np.zeros(dates, np.int64) if groups is None else groups
    sums = np.zeros((groups.max() + 1, sums_per_cell(count), *shape))
    latest = np.full((count, *shape), np.nan, np.float32)
    for first in range(0, dates, at_once):
        part = np.ascontiguousarray(block[:, first : first + at_once])
        accumulate(part, np.full(count, 0.3, np.float32), groups[first : first + at_once], sums, latest)
    return sums


def one_by_one(block, groups):
    """The same sums, sample by sample in double precision."""
    count, dates, rows, columns = block.shape
    sums = np.zeros((groups.max() + 1, sums_per_cell(count), rows, columns))
    for row, column in np.ndindex(rows, columns):
        before = None
        for date in range(dates):
            x = block[:, date, row, column].astype(float) - np.float32(0.3)
            if np.isnan(x).any():
                continue
            own = sums[groups[date], :, row, column]
            pairs = [x[i] * x[j] for i in range(count) for j in range(i, count)]
            own[: 1 + count + len(pairs)] += [1, *x, *pairs]
            if before is not None:
                own[1 + count + len(pairs) :] += [*(x * before), *before, *x, 1]
            before = x
    return sums


def persistent(rng, memory, dates, cells):
    steps = rng.normal(0, np.sqrt(1 - memory**2), (dates, cells))
    steps[0] /= np.sqrt(1 - memory**2)
    return lfilter([1], [1, -memory], steps, axis=0)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_sums_with_gaps_groups_and_parts(count):
    rng = np.random.default_rng(count)
    block = rng.normal(0.3, 0.1, (count, 43, 2, 5)).astype(np.float32)
    block[rng.random(block.shape) < 0.15] = np.nan
    block[:, :, 0, 0] = np.nan
    block[:, :20, 0, 1] = np.nan
    groups = np.repeat([0, 1, 0, 2], [11, 12, 9, 11])
    expected = one_by_one(block, groups)
    for at_once in (1, 4, 10, 43):
        np.testing.assert_allclose(summed(block, groups, at_once), expected, rtol=1e-5, atol=1e-6)


def test_a_record_wider_than_a_stretch_of_cells():
    rng = np.random.default_rng(0)
    block = rng.normal(0.3, 0.1, (3, 9, 3, 700)).astype(np.float32)
    block[rng.random(block.shape) < 0.3] = np.nan
    groups = np.zeros(9, np.int64)
    np.testing.assert_allclose(summed(block, groups, 4), one_by_one(block, groups), rtol=1e-5, atol=1e-6)


def test_the_memory_is_that_of_the_samples():
    rng = np.random.default_rng(1)
    block = np.stack([0.3 + 0.05 * persistent(rng, memory, 4000, 4) for memory in (0.2, 0.7, 0.95)])[:, :, None]
    found = memory_of_sums(summed(block.astype(np.float32), at_once=1000))
    for product in range(3):
        for cell in range(4):
            series = block[product, :, 0, cell]
            expected = np.corrcoef(series[:-1], series[1:])[0, 1]
            assert found[product, 0, cell] == pytest.approx(expected, abs=2e-3)
    nothing = np.full((3, 5, 1, 1), np.nan, np.float32)
    assert (memory_of_sums(summed(nothing)) == 0).all()
    constant = np.full((3, 5, 1, 1), 0.2, np.float32)
    assert np.isfinite(memory_of_sums(summed(constant))).all()


def test_the_season_is_no_memory_of_anomalies():
    """Independent deviations from a strong annual cycle, one value a month, as climatology leaves them."""
    rng = np.random.default_rng(2)
    months = np.arange(240) % 12
    block = 0.3 + 0.2 * np.sin(months / 6 * np.pi)[None, :, None, None] + 0.02 * rng.normal(size=(3, 240, 4, 5))
    sums = summed(block.astype(np.float32), months)
    assert memory_of_sums(sums).min() > 0.7
    assert np.abs(memory_of_sums(sums, within=True)).max() < 0.25


def test_p_values_are_of_the_effective_number():
    covariances = np.array([[1, 0.3, 0.3], [0.3, 1, 0.3], [0.3, 0.3, 1]])
    memory = np.array([0.9, 0.8, -0.5])
    found = collocate(covariances, np.array(200.0), design(3), memory=memory)
    both = 0.9 * 0.8
    freedom = 200 * (1 - both) / (1 + both) - 2
    expected = 2 * student.sf(0.3 * np.sqrt(freedom / (1 - 0.3**2)), freedom)
    assert found.p_values[0] == pytest.approx(expected, rel=1e-9)
    # Memories of opposite signs make no samples out of nothing.
    assert found.p_values[1] == collocate(covariances, np.array(200.0), design(3)).p_values[1]


@pytest.mark.parametrize("memory", [0.9, 0.98])
def test_noise_with_memory_is_no_signal(memory):
    rng = np.random.default_rng(3)
    block = np.stack([persistent(rng, memory, 365, 4000) for _ in range(3)])[:, :, None].astype(np.float32)
    sums = summed(block, at_once=365)
    samples, lost, _, covariances = covariances_of_sums(sums)
    found, plain = (
        collocate(covariances, samples, design(3), lost=lost, memory=each) for each in (memory_of_sums(sums), None)
    )
    passed, before = (((each.correlations > 0) & (each.p_values < 0.05)).mean() for each in (found, plain))
    assert passed <= 0.035 and before > 0.2
    assert (found.flags == 0).mean() <= 0.001


@pytest.mark.parametrize(("memory", "dates"), [(0.95, 365), (0.9, 100)])
def test_signals_with_memory_stay_resolved(memory, dates):
    rng = np.random.default_rng(4)
    signal, error = persistent(rng, memory, dates, 4000), np.sqrt(1 / 0.9**2 - 1)
    block = np.stack([signal + error * persistent(rng, memory, dates, 4000) for _ in range(3)])[:, :, None]
    sums = summed(block.astype(np.float32), at_once=dates)
    samples, lost, _, covariances = covariances_of_sums(sums)
    found, plain = (
        collocate(covariances, samples, design(3), lost=lost, memory=each) for each in (memory_of_sums(sums), None)
    )
    assert (found.flags == 0).mean() > (plain.flags == 0).mean() - 0.03 > 0.8
