"""Means over coarse cells: against sums by hand, whatever the grids, kinds and windows."""

import numpy as np
import pytest

from sm_toolbox.demo.example import LEFT, TOP
from sm_toolbox.downscaling.blocks import CellsOfWindow, Lattice, block_means
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.masking import ClassMask
from sm_toolbox.raster.points import transform_points
from sm_toolbox.raster.request import Engine

from .conftest import COARSE, FINE, utm, write_on


def by_hand(values, fine, coarse, taken=None):
    """Return means and counts by a loop over fine cells."""
    sums, counts = np.zeros((2, coarse.height, coarse.width))
    for row in range(fine.height):
        for column in range(fine.width):
            x, y = fine.transform * (column + 0.5, row + 0.5)
            if fine.crs != coarse.crs:
                (x,), (y,) = transform_points(np.array([x]), np.array([y]), fine.crs, coarse.crs)
            place = ~coarse.transform * (x, y)
            right, down = int(np.floor(place[0])), int(np.floor(place[1]))
            inside = 0 <= right < coarse.width and 0 <= down < coarse.height
            if inside and np.isfinite(values[row, column]) and (taken is None or taken[row, column]):
                sums[down, right] += values[row, column]
                counts[down, right] += 1
    with np.errstate(invalid="ignore"):
        return sums / counts, counts


def found(source, coarse, mask=None, memory=None, classes=False):
    bands = read_bands([source])
    lattice = Lattice.over(coarse, bands[0].grid)
    of_class = [classes] * len(bands)
    return lattice, block_means(bands, of_class, ["auto"] * len(bands), lattice, mask, Engine(memory=memory))


GRIDS = {
    "nested": utm(800, 8, 8),
    "shifted": utm(730, 9, 9, left=LEFT - 350, top=TOP + 210),
    "degrees": Grid(4326, Affine(0.009, 0.0, -3.002, 0.0, -0.008, 36.148), 9, 9),
}


@pytest.mark.parametrize("name", GRIDS)
def test_means_are_those_of_the_cells_whose_centres_lie_within(tmp_path, name):
    rng = np.random.default_rng(0)
    values = rng.random((FINE, FINE)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    fine, coarse = utm(100, FINE, FINE), GRIDS[name]
    lattice, result = found(write_on(tmp_path / "a.tif", fine, {"a": values}), coarse)
    wanted, counts = by_hand(values, fine, lattice.grid)
    assert np.nanmax(np.abs(result.values[0] - wanted)) < 1e-6
    assert np.array_equal(np.isnan(result.values[0]), counts == 0)
    whole = lattice.is_whole
    assert whole.any()
    inside = by_hand(np.ones((FINE, FINE)), fine, lattice.grid)[1]
    share = 1 - counts / np.maximum(inside, 1)
    assert result.missing[0][whole] == pytest.approx(share[whole])
    # A cell that the fine grid does not cover lacks what lies beyond its edge.
    assert (result.missing[0][~whole] > share[~whole] - 0.05).all()


def test_small_windows_make_the_same(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.random((600, 700)).astype(np.float32)
    source = write_on(tmp_path / "a.tif", utm(100, 700, 600), {"a": values})
    coarse = utm(1300, 60, 60, left=LEFT - 500)
    big, small = (found(source, coarse, memory=memory)[1] for memory in (2**28, 2**20))
    assert np.nanmax(np.abs(big.values - small.values)) < 1e-12
    assert np.array_equal(big.missing, small.missing)


def test_directions_and_classes_have_means_of_their_own(tmp_path):
    aspect = np.full((16, 16), 350.0)
    aspect[:, ::2] = 10.0
    cover = np.full((16, 16), 4.0)
    cover[:3, :3] = 12.0
    cover[0, 0] = np.nan
    # Half and half: the lower one.
    cover[8:, 8:12], cover[8:, 12:] = 7.0, 5.0
    fine = utm(100, 16, 16)
    coarse = utm(800, 2, 2)
    _, of_aspect = found(write_on(tmp_path / "b.tif", fine, {"aspect": aspect}), coarse)
    assert np.abs((of_aspect.values[0] + 180) % 360 - 180).max() < 1e-3
    _, of_cover = found(write_on(tmp_path / "c.tif", fine, {"cover": cover}), coarse, classes=True)
    assert of_cover.values[0].tolist() == [[4, 4], [4, 5]]
    assert of_cover.missing[0][0, 0] == 1 / 64


def test_masked_cells_count_in_no_mean(tmp_path):
    rng = np.random.default_rng(2)
    values, cover = rng.random((16, 16)), rng.choice([4.0, 17.0, 15.0], (16, 16))
    cover[:8, :8] = 17
    fine, coarse = utm(100, 16, 16), utm(800, 2, 2)
    mask = ClassMask(write_on(tmp_path / "cover.tif", fine, {"landcover": cover}), (0.0, 17.0))
    lattice, result = found(write_on(tmp_path / "a.tif", fine, {"a": values}), coarse, mask)
    wanted, counts = by_hand(values, fine, lattice.grid, cover != 17)
    assert result.values[0] == pytest.approx(wanted, nan_ok=True)
    assert result.masked == pytest.approx(1 - counts / 64)
    assert result.missing[0, 0, 0] == 1


def test_a_window_knows_its_coarse_cells():
    lattice = Lattice.over(utm(800, COARSE, COARSE), utm(100, FINE, FINE))
    part = CellsOfWindow.of(lattice, Window(20, 9, 6, 3))
    assert (part.row, part.column, part.height, part.width) == (1, 2, 1, 2)
    assert part.cells.reshape(3, 6)[0].tolist() == [0, 0, 0, 0, 1, 1]
    far = Lattice.over(utm(800, 2, 2), utm(100, FINE, FINE))
    nothing = CellsOfWindow.of(far, Window(40, 40, 5, 5))
    assert nothing.height == 0 and (nothing.cells == -1).all()
