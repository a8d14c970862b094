"""Confidence limits: how often they hold the truth, and what they depend on."""

from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from scipy.signal import lfilter

from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import collocate, design
from sm_toolbox.merging.record import LIMITED, Estimated, Record
from sm_toolbox.merging.report import collocation_report
from sm_toolbox.merging.settings import CollocationSettings, Estimation
from sm_toolbox.merging.triplecollocation import triple_collocation
from sm_toolbox.progress import SILENT
from sm_toolbox.raster.request import Engine

CELLS = 1000
ERRORS = np.array([0.03, 0.04, 0.05])
GAINS = np.array([1, 0.8, 1.3])
SPREAD = 0.06


def noise(rng, dates, memory, cells=CELLS):
    """Series (dates, cells) of mean 0 and variance 1 with a lag-1 autocorrelation, from their stationary distribution
    on.
    """
    steps = rng.normal(0, np.sqrt(1 - memory**2), (dates, cells))
    steps[0] /= np.sqrt(1 - memory**2)
    return lfilter([1], [1, -memory], steps, axis=0)


def simulate(seed, dates, signal_memory=0.0, error_memory=0.0, cells=CELLS):
    """Three products of independent cells, float32 (products, dates, 1, cells)."""
    rng = np.random.default_rng(seed)
    signal = SPREAD * noise(rng, dates, signal_memory, cells)
    made = [gain * (signal + error * noise(rng, dates, error_memory, cells)) for gain, error in zip(GAINS, ERRORS)]
    return (0.3 + np.stack(made)[:, :, None, :]).astype(np.float32)


def with_limits(block, replicates=400, first_seed=1):
    """Estimates of all cells by name and their limits, each (cells,), and the flags."""
    plan = design(3)
    estimation = Estimation(CollocationSettings(min_samples=50, replicates=replicates), plan, 0)
    count, _, _, cells = block.shape
    centred = block.astype(float)
    valid = np.isfinite(block).all(axis=0)
    samples = valid.sum(axis=0)
    centred = np.where(valid, centred, 0)
    centred -= np.where(valid, centred.sum(axis=1, keepdims=True) / samples, 0)
    covariances = np.einsum("idrc,jdrc->ijrc", centred, centred) / (samples - 1)
    found = collocate(covariances, samples, plan, min_samples=50)
    known = Estimated(found, samples, np.ones((1, cells)), np.zeros((count, 1, cells)), np.ones((count, 1, cells)))
    seeds = np.arange(first_seed, first_seed + cells, dtype=np.uint64)[None]
    record = Record.__new__(Record)
    record.estimation, record.products = estimation, SimpleNamespace(count=count)
    limits = record.limits(block, known, seeds, None, np.empty(0), SILENT)
    named = {name: (found.estimates[i, 0], limits[0, i, 0], limits[1, i, 0]) for i, name in enumerate(plan.estimates)}
    return named, found.flags[0]


def truth():
    """What the simulated products have, by name."""
    own = {f"error_{letter}": gain * error for letter, gain, error in zip("abc", GAINS, ERRORS)}
    snr = {f"snr_{letter}": 20 * np.log10(SPREAD / error) for letter, error in zip("abc", ERRORS)}
    return {**own, **snr, "sensitivity_b": GAINS[0] / GAINS[1], "sensitivity_c": GAINS[0] / GAINS[2]}


@pytest.mark.parametrize(
    ("dates", "signal_memory", "error_memory", "short"),
    [(400, 0, 0, 0.01), (500, 0.9, 0.6, 0.035)],
    ids=["independent", "autocorrelated"],
)
def test_limits_hold_the_truth_nearly_as_often_as_they_say(dates, signal_memory, error_memory, short):
    named, flags = with_limits(simulate(7, dates, signal_memory, error_memory))
    resolved = flags == 0
    assert resolved.mean() > 0.99
    # Three standard errors of a share of so many cells, and what limits fall short by: resampled blocks keep only a
    # part of a long memory, so that 3000 cells had 0.94 to 0.95 of independent samples, and 0.915 to 0.94 of these
    # autocorrelated ones.
    chance = 3 * np.sqrt(0.95 * 0.05 / resolved.sum())
    for name, value in truth().items():
        estimates, low, high = (values[resolved] for values in named[name])
        # A ratio of signal to noise has no upper limit where the noise may be nothing.
        assert np.isfinite(low).all() and (np.isfinite(high).all() or name.startswith("snr"))
        below, above = value < low, value > np.where(np.isnan(high), np.inf, high)
        held = 1 - np.mean(below | above)
        print(f"{name}: {held:.3f}, {below.mean():.3f} below, {above.mean():.3f} above")
        assert 0.95 - short - chance < held < 0.95 + 0.01 + chance, name
        assert 0 < below.mean() < 0.08 and 0 < above.mean() < 0.08, name
        # As wide as the estimates scatter.
        assert 0.85 < np.nanmedian(high - low) / (2 * 1.96 * np.std(estimates)) < 1.15, name


def test_limits_contain_the_estimate_and_share_nothing_between_cells():
    block = simulate(3, 200, cells=60)
    block[:, :, 0, 7] = block[:, :, 0, 6]
    block[0, ::3, 0, 8] = np.nan
    # One product of noise, one copy of another product, and too few dates.
    block[2, :, 0, 9] = np.random.default_rng(1).normal(0.3, 0.1, 200)
    block[1, :, 0, 10] = block[0, :, 0, 10]
    block[1, 40:, 0, 11] = np.nan
    named, flags = with_limits(block, replicates=100)
    assert list(flags[6:12]) == [0, 0, 0, 2, 3, 1]
    for name, (estimates, low, high) in named.items():
        resolved = (flags == 0) & np.isfinite(estimates)
        assert (low[resolved] <= estimates[resolved]).all() and (
            estimates[resolved] <= np.where(np.isnan(high), np.inf, high)[resolved]
        ).all(), name
        assert np.isnan(low[flags != 0]).all() and np.isnan(high[flags != 0]).all()
    # The same series with two seeds: other limits, but not far off.
    estimates, low, high = named["error_a"]
    assert estimates[6] == estimates[7] and low[6] != low[7]
    assert low[6] == pytest.approx(low[7], rel=0.15) and high[6] == pytest.approx(high[7], rel=0.15)
    # Of the block's other cells nothing is seen.
    alone, _ = with_limits(block[..., 20:23], replicates=100, first_seed=21)
    for name, (_, low, high) in named.items():
        np.testing.assert_array_equal(alone[name][1], low[20:23])
        np.testing.assert_array_equal(alone[name][2], high[20:23])


# Rasters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def products(write_raster):
    """Three products of 150 dates on 40 × 40 cells in tiles of 16, with some cells that cannot be resolved."""
    block = simulate(5, 150, 0.9, 0.6, cells=1600).reshape(3, 150, 40, 40)
    gaps = np.random.default_rng(6).random(block.shape) < 0.1
    block[gaps] = np.nan
    block[2, :, :5, :5] = np.random.default_rng(7).normal(0.3, 0.1, (150, 5, 5))
    block[1, :, 35:, 35:] = np.nan
    days = np.datetime_as_string(np.datetime64("2020-01-01") + np.arange(150))
    options = {"nodata": np.nan, "tiled": True, "blockxsize": 16, "blockysize": 16, "interleave": "pixel"}
    return [
        [write_raster(f"{name}.tif", values, [f"sm@{day}" for day in days], **options)]
        for name, values in zip("abc", block)
    ]


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def test_the_same_limits_every_time_and_for_every_size_of_block(products, tmp_path, cancelling):
    found, blocks = {}, {}
    for name, options in (
        ("all", ()),
        ("again", ()),
        ("small", (2_000_000, 3)),
        ("single", (2_000_000, 1)),
    ):
        progress = cancelling()
        triple_collocation(
            products,
            str(tmp_path / f"{name}.tif"),
            settings=CollocationSettings(min_samples=50, replicates=100),
            engine=Engine(*options, progress=progress),
        )
        found[name], blocks[name] = read(tmp_path / f"{name}.tif"), len(progress.fractions)
    assert blocks["small"] > blocks["all"]
    for name, bands in found.items():
        for band, values in found["all"].items():
            np.testing.assert_array_equal(bands[band], values, err_msg=f"{name}: {band}")


def test_limits_of_rasters_are_there_where_estimates_are(products, tmp_path):
    result = triple_collocation(
        products, str(tmp_path / "tc.tif"), settings=CollocationSettings(min_samples=50, replicates=100)
    )
    found = read(tmp_path / "tc.tif")
    html = collocation_report(result).html()
    middle = [f"{np.nanmedian(found[f'error_b_{end}']):.3g}"[:5] for end in ("low", "high")]
    assert "100 replicates" in html and all(value in html for value in middle)
    resolved = found["flag"] == 0
    assert 0.8 < resolved.mean() < 0.99 and set(np.unique(found["flag"])) >= {0, 1, 2}
    for kind in LIMITED:
        for letter in "abc":
            estimates, low, high = (found[f"{kind}_{letter}{end}"] for end in ("", "_low", "_high"))
            assert (
                np.isnan(estimates[~resolved]).all()
                and np.isnan(low[~resolved]).all()
                and np.isnan(high[~resolved]).all()
            )
            assert np.isfinite(low[resolved]).all() and (kind == "snr" or np.isfinite(high[resolved]).all())
            assert (low[resolved] <= estimates[resolved]).all()
            assert (estimates[resolved] <= np.where(np.isnan(high), np.inf, high)[resolved]).all()
    assert (found["sensitivity_a_low"][resolved] == 1).all() and (found["sensitivity_a_high"][resolved] == 1).all()


@pytest.mark.parametrize("replicates", [-1, 1, 99])
def test_few_replicates_are_refused(products, tmp_path, leftovers, replicates):
    before = leftovers()
    with pytest.raises(InputError, match=rf"`replicates` is {replicates}, .*at least 100"):
        triple_collocation(products, str(tmp_path / "tc.tif"), settings=CollocationSettings(replicates=replicates))
    assert leftovers() == before
