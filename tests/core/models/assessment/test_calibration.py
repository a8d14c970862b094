"""Calibrated intervals: they cover what they promise on rows that nothing has seen."""

import numpy as np
import pytest
from scipy.stats import norm

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.calibration import (
    INTERVALS,
    LEVELS,
    QuantileShift,
    coverage,
    parse_quantiles,
    quantile_name,
    read_shift,
)


@pytest.fixture
def narrow():
    """Observations, and quantiles of a model that takes half the spread for the whole and errs by 0.02."""
    rng = np.random.default_rng(0)
    centre = rng.random(20000)
    observed = centre + 0.1 * rng.standard_normal(20000)
    return observed, centre[:, None] + 0.02 + 0.05 * norm.ppf(LEVELS)


def test_intervals_cover_what_they_promise(narrow):
    observed, quantiles = narrow
    half = slice(0, 10000), slice(10000, 20000)
    calibrated = QuantileShift.fit(observed[half[0]], quantiles[half[0]]).apply(quantiles[half[1]], LEVELS)
    np.testing.assert_allclose((observed[half[1], None] <= calibrated).mean(axis=0), LEVELS, atol=0.015)
    assert (np.diff(calibrated, axis=1) >= 0).all()


def test_coverage_of_folds(narrow):
    observed, quantiles = narrow
    fold = np.arange(20000) % 5
    found = coverage(observed, quantiles, [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(5)])
    np.testing.assert_allclose(found.reached, INTERVALS, atol=0.01)
    assert (found.uncalibrated < np.array(INTERVALS) - 0.1).all() and found.by_fold.shape == (5, 3)
    np.testing.assert_allclose(found.width, 2 * 0.1 * norm.ppf([0.75, 0.9, 0.95]), rtol=0.05)
    np.testing.assert_allclose(found.inside.mean(axis=0), found.reached)


@pytest.mark.parametrize("rows", [25, 45, 60, 99])
def test_intervals_of_few_rows_hold_at_least_what_they_promise(rows):
    rng = np.random.default_rng(rows)
    held = []
    for _ in range(3000):
        errors = rng.standard_normal(rows + 1)
        low, high = QuantileShift.fit(errors[:-1], np.zeros((rows, len(LEVELS)))).correction[[4, 94]]
        held.append(low <= errors[-1] <= high)
    assert np.mean(held) > 0.9 - 3 * np.sqrt(0.09 / 3000)


def test_rank_by_hand():
    """With 9 rows the correction of the median is the fifth smallest excess, and beyond the largest there is none."""
    observed = np.arange(9.0)
    correction = QuantileShift.fit(observed, np.zeros((9, len(LEVELS)))).correction
    assert correction[49] == 4 and correction[0] == 0 and correction[-1] == 8
    # 100 times 0.07 is the seventh, not the eighth.
    assert QuantileShift.fit(np.arange(99.0), np.zeros((99, len(LEVELS)))).correction[[6, 92]].tolist() == [6, 92]


def test_a_shift_that_grows_with_dissimilarity():
    rng = np.random.default_rng(4)
    unlike = rng.uniform(0, 2, 20000)
    observed = (1 + unlike) * rng.standard_normal(20000)
    quantiles = np.zeros((20000, len(LEVELS)))
    shift = QuantileShift.fit(observed, quantiles, unlike)
    assert shift.typical == pytest.approx(1, abs=0.03) and shift.largest == unlike.max()
    # Errors grow as the scale does: intervals hold what they promise at every dissimilarity.
    low, high = shift.apply(quantiles[:, :2], np.array([0.05, 0.95]), unlike).T
    held = (low <= observed) & (observed <= high)
    for part in np.array_split(np.argsort(unlike), 5):
        assert held[part].mean() == pytest.approx(0.9, abs=0.02)
    # Beyond the most dissimilar row nothing is known: no wider than there.
    at = shift.apply(np.zeros((3, 1)), np.array([0.95]), np.array([0.0, unlike.max(), 100.0]))
    assert at[0, 0] < at[1, 0] == at[2, 0]
    again = read_shift(shift.as_record())
    np.testing.assert_array_equal(again.correction, shift.correction)
    assert (again.typical, again.largest) == (shift.typical, shift.largest)
    assert read_shift({**shift.as_record(), "typical": -1}) is None
    assert read_shift({**shift.as_record(), "largest": "many"}) is None


def test_quantiles_are_read_and_named():
    assert parse_quantiles("0.95, 0.05;0.5") == [0.05, 0.5, 0.95] and parse_quantiles("") == []
    assert [quantile_name(level) for level in (0.05, 0.5, 0.95, 0.975, 0.1)] == ["q05", "q50", "q95", "q975", "q10"]
    for wrong in ("0", "1", "5%", "1.5", "-0.1", "nan", "0.05000000001", "1e-12"):
        with pytest.raises(InputError, match="`levels`"):
            parse_quantiles(wrong)
    with pytest.raises(InputError, match="twice"):
        parse_quantiles("0.5,0.50")


def test_a_manifest_that_is_not_sound_has_no_calibration():
    assert read_shift({}) is None and read_shift({"correction": ["a"] * 99}) is None
    assert read_shift({"correction": [0.1] * 99}).correction.tolist() == [0.1] * 99
