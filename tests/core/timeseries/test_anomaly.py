"""The seasonal cycle of a series and what is left without it."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.raster.times import parse_time
from sm_toolbox.timeseries.anomaly import (
    between_months,
    check_anomalies,
    month_anomalies,
    month_means,
    month_position,
    moving_windows,
    read_with_moving_means,
    warn_of_short_climatology,
)

DAYS = [parse_time(str(day)) for day in np.arange("2018-01-01", "2021-01-01", dtype="datetime64[D]")]
MONTHS = np.array([day.start.month - 1 for day in DAYS])


def test_means_of_months_and_what_is_left():
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 0.1, (2, len(DAYS), 3)).astype(np.float32)
    samples = np.bincount(MONTHS, minlength=12)[:, None, None] * np.ones((1, 1, 3))
    totals = np.stack([values[:, month == MONTHS].astype(float).sum(axis=1) for month in range(12)])
    means = month_means(samples, totals)
    np.testing.assert_allclose(means[4], values[:, MONTHS == 4].mean(axis=1), rtol=1e-5)
    left = month_anomalies(values, MONTHS, means)
    for month in range(12):
        np.testing.assert_allclose(left[:, month == MONTHS].mean(axis=1), 0, atol=1e-6)
    # A month of two samples has the mean of the year.
    samples[4], totals[4] = 2, 2 * 0.9
    np.testing.assert_allclose(month_means(samples, totals)[4], totals.sum(axis=0) / samples.sum(axis=0))


@pytest.mark.parametrize(
    ("text", "first", "second", "share"),
    [
        ("2019-01-16", 0, 1, 0.0),
        ("2019-04-15", 2, 3, 59 / 60),
        ("2019-01-01", 11, 0, 0.5 + 0.5 / 31),
        ("2019-02", 1, 2, 0),
    ],
)
def test_dates_lie_between_the_middles_of_months(text, first, second, share):
    assert month_position(parse_time(text)) == (first, second, pytest.approx(share, abs=1e-9))


def test_a_climatology_is_interpolated_between_months():
    means = np.arange(12, dtype=np.float32).reshape(12, 1, 1)
    positions = np.array([month_position(parse_time(text)) for text in ("2019-01-16", "2019-02-01")])
    found = between_months(means, positions)
    assert found.shape == (1, 2, 1) and found[0, 0, 0] == 0 and 0.5 < found[0, 1, 0] < 0.55


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_moving_means_of_any_number_of_dates_at_once(at_once):
    rng = np.random.default_rng(1)
    days, values = DAYS[:120:2], rng.normal(0.3, 0.1, (2, 60, 3, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    low, high = moving_windows(days, 21)
    reads = []

    def read(start, stop):
        reads.extend(range(start, stop))
        return values[:, start:stop]

    parts = list(read_with_moving_means(read, low, high, at_once))
    means = np.concatenate([part for _, _, part in parts], axis=1)
    np.testing.assert_array_equal(np.concatenate([block for _, block, _ in parts], axis=1), values)
    assert reads == list(range(60))
    complete = np.isfinite(values).all(axis=0)
    for date in (0, 30, 59):
        there = [i for i in range(60) if abs((days[i].start - days[date].start).days) <= 10]
        own = np.where(complete[there], values[:, there], np.nan)
        expected = np.where(complete[there].sum(axis=0) >= 3, np.nanmean(own, axis=1), np.nan)
        np.testing.assert_allclose(means[:, date], expected, rtol=1e-5)


def test_what_cannot_be(progress):
    with pytest.raises(
        InputError, match="`anomalies` is 'weekly', but must be one of: none, climatology, moving_window"
    ):
        check_anomalies("weekly", 35)
    with pytest.raises(InputError, match="`anomaly_window` is 0 days"):
        check_anomalies("moving_window", 0)
    with pytest.raises(InputError, match="holds 1 of the dates.*take `anomalies` climatology"):
        moving_windows(DAYS[::30], 20)
    warn_of_short_climatology(DAYS[:400], progress)
    assert "the common dates span 1.1 years" in progress.warnings[0]
    progress.warnings.clear()
    warn_of_short_climatology([*DAYS, parse_time("2022-01-01")], progress)
    assert not progress.warnings
