"""Residuals on fine cells: closed forms, conservation with gaps, and kriging beside the class itself."""

import numpy as np
import pytest

from sm_toolbox.demo.example import LEFT
from sm_toolbox.downscaling.blocks import Lattice
from sm_toolbox.downscaling.residuals import block_residuals, kriged_residuals, no_residuals
from sm_toolbox.downscaling.tally import Tallying
from sm_toolbox.errors import InputError
from sm_toolbox.geostatistics.kriging import Kriging
from sm_toolbox.geostatistics.variogram import fit_variogram
from sm_toolbox.raster.affine import Window

from .conftest import FINE, means, utm

WHOLE = Window(0, 0, FINE, FINE)
ROWS, COLUMNS = np.mgrid[:FINE, :FINE] + 0.5


def lattice(coarse=None):
    return Lattice.over(coarse or utm(800, 8, 8), utm(100, FINE, FINE))


def tally_of(values, over, side=20):
    """Sum up in windows that share coarse cells."""
    total = None
    for row in range(0, FINE, side):
        for column in range(0, FINE, side):
            window = Window(column, row, min(side, FINE - column), min(side, FINE - row))
            part = Tallying(over)(values[:, row : row + side, column : column + side], window)
            total = part if total is None else total + part
    return total.whole()


def test_the_tally_is_that_of_all_at_once():
    rng = np.random.default_rng(0)
    values = rng.random((2, FINE, FINE)).astype(np.float32)
    values[0, rng.random((FINE, FINE)) < 0.2] = np.nan
    over = lattice(utm(730, 9, 9, left=LEFT - 250))
    parts, whole = tally_of(values, over), tally_of(values, over, FINE)
    assert parts.sums == pytest.approx(whole.sums) and parts.shares == pytest.approx(whole.shares)
    # The weights of a fine cell add up to 1.
    assert parts.shares.sum(axis=1) == pytest.approx(parts.counts)
    nested = tally_of(values, lattice())
    assert nested.means[1] == pytest.approx(means(values[1].astype(float)), rel=1e-6)
    assert nested.variances[1, 2, 3] == pytest.approx(values[1, 16:24, 24:32].astype(float).var(), rel=1e-6)


def test_a_plane_of_residuals_comes_back_as_the_plane():
    """Bilinear between centres is exact for a plane, whose means are its values at the centres."""
    over = lattice()
    plane = 0.001 * COLUMNS - 0.002 * ROWS
    coarse = means(plane)[None]
    nothing = tally_of(np.zeros((1, FINE, FINE), np.float32), over)
    added = block_residuals(over, coarse, nothing, np.ones((1, 8, 8), bool), conserve=False).of_window(WHOLE)[0]
    inner = np.s_[4:-4, 4:-4]
    assert np.abs(added[inner] - plane[inner]).max() < 1e-6
    # Beyond the last centres it goes on as they are.
    assert added[0, 0] == pytest.approx(coarse[0, 0, 0], abs=0.004)


@pytest.mark.parametrize("coarse", [utm(800, 8, 8), utm(730, 9, 9, left=LEFT - 250)])
def test_means_of_coarse_cells_are_kept_with_gaps_of_all_kinds(coarse):
    rng = np.random.default_rng(1)
    over = lattice(coarse)
    values = (0.2 + 0.05 * rng.random((2, FINE, FINE))).astype(np.float32)
    # Clouds on one date, and a coarse cell of which but one corner is left.
    values[1, rng.random((FINE, FINE)) < 0.5] = np.nan
    values[0, 8:16, 8:15] = np.nan
    product = 0.25 + 0.1 * rng.random((2, *over.shape))
    product[:, 5, 5] = np.nan
    tally = tally_of(values, over)
    enough = np.isfinite(product) & (tally.counts > 0)
    field = block_residuals(over, product, tally, enough, conserve=True)
    added = field.of_window(WHOLE)
    assert np.isnan(added).any()
    after = tally_of(values + added, over)
    assert np.abs(after.means - product)[enough].max() < 1e-6
    loose = block_residuals(over, product, tally, enough, conserve=False).of_window(WHOLE)
    assert np.abs(tally_of(values + loose, over).means - product)[enough].max() > 1e-3
    # Most of the correction is smooth.
    assert np.nanstd(field.shifts[0]) < 0.1 * np.nanstd(product[0])


def test_windows_of_a_field_are_parts_of_it():
    rng = np.random.default_rng(2)
    over = lattice(utm(730, 9, 9, left=LEFT - 250))
    tally = tally_of(rng.random((1, FINE, FINE)).astype(np.float32), over)
    field = block_residuals(over, rng.random((1, *over.shape)), tally, tally.counts > 0, conserve=True)
    whole = field.of_window(WHOLE)
    part = field.of_window(Window(13, 30, 21, 9))
    assert np.array_equal(part, whole[:, 30:39, 13:34], equal_nan=True)


def test_without_residuals_nothing_is_added():
    assert np.isnan(no_residuals(lattice(), 2).of_window(WHOLE)).all()


@pytest.mark.parametrize("kind", ["simple", "ordinary"])
def test_kriged_residuals_are_those_of_kriging(kind):
    rng = np.random.default_rng(3)
    over = lattice()
    smooth = np.sin(np.arange(8) / 2)[:, None] + np.cos(np.arange(8) / 3)[None]
    product = 0.2 + 0.05 * np.stack([smooth, smooth.T]) + 0.002 * rng.random((2, 8, 8))
    predicted = np.full_like(product, 0.2)
    predicted[0, 3, 3] = np.nan
    enough = np.ones(product.shape, bool)
    enough[1, 0, 0] = False
    added = kriged_residuals(over, product, predicted, enough, kind).of_window(WHOLE)
    # Where a coarse cell has no product, or too little of it is in the map, nothing is added.
    assert np.isnan(added[1, :8, :8]).all() and np.isfinite(added[0]).all()
    y, x = np.divmod(np.arange(64), 8)
    points = np.column_stack([LEFT + 800 * (x + 0.5), 4_000_000.0 - 800 * (y + 0.5), np.zeros(64)])
    values = np.where(enough, product - predicted, np.nan).reshape(2, -1).T
    variogram = fit_variogram(points, values, "exponential", nugget=0.0)
    beside = Kriging(points, values, variogram, kind, mean=0.0 if kind == "simple" else None)
    cell = np.array([[LEFT + 100 * 30.5, 4_000_000.0 - 100 * 41.5, 0.0]])
    assert added[:, 41, 30] == pytest.approx(beside.predict(cell)[0][0], rel=1e-5)


def test_too_few_residuals_are_not_kriged():
    over = lattice()
    product = np.full((2, 8, 8), np.nan)
    product[0, 0, :3] = 0.2
    with pytest.raises(InputError, match="`residuals` simple_kriging needs a date with at least 4"):
        kriged_residuals(over, product, np.full_like(product, 0.1), np.isfinite(product), "simple")
    product[1] = 0.2
    product[1, 2, 2] = 0.3
    added = kriged_residuals(over, product, np.full_like(product, 0.1), np.isfinite(product), "ordinary")
    found = added.of_window(WHOLE)
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()
