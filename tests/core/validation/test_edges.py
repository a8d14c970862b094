"""Borders of coarse cells: closed forms, and the same in whatever windows."""

import numpy as np
import pytest

from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.grid import Grid
from sm_toolbox.validation.edges import block_numbers, edge_ratio, edge_sums, ratio_of_edges


def grid(cell, size, crs=32630, left=500000.0, top=4000000.0):
    return Grid(crs, Affine(cell, 0.0, left, 0.0, -cell, top), size, size)


def test_a_plane_has_no_borders_and_blocks_nothing_else():
    rows, columns = np.mgrid[:12, :12].astype(float)
    blocks = block_numbers(grid(30, 12), Window(0, 0, 12, 12), grid(90, 4))
    assert len(np.unique(blocks)) == 16
    assert edge_ratio((rows + columns)[None], blocks) == 1
    # Steps of 2 across and 1 within.
    assert edge_ratio((rows + columns + rows // 3 + columns // 3)[None], blocks) == 2
    # All steps lie on borders; and there is none at all.
    assert edge_ratio((rows // 3)[None], blocks) == np.inf and np.isnan(edge_ratio(0 * rows[None], blocks))


def test_gaps_take_no_part():
    values = np.arange(6.0)[None, None].repeat(2, axis=1)
    values[0, 1, 3] = np.nan
    sums = edge_sums(values, np.repeat(np.arange(3), 2)[None].repeat(2, axis=0))
    # Steps to the right are 1, those downwards 0: 3 on borders, and 5 of 10 elsewhere.
    assert sums.tolist() == [[3, 3], [5, 10]] and ratio_of_edges(sums) == 2


def test_windows_with_one_cell_more_make_the_whole():
    rng = np.random.default_rng(0)
    values = rng.random((2, 11, 13))
    blocks = rng.integers(0, 3, (11, 13))
    total = np.zeros((2, 2))
    for row in range(0, 11, 4):
        for column in range(0, 13, 5):
            part = np.s_[row : row + 5, column : column + 6]
            inner = min(4, 11 - row), min(5, 13 - column)
            total += edge_sums(values[:, part[0], part[1]], blocks[part], inner)
    assert total == pytest.approx(edge_sums(values, blocks))


def test_blocks_of_another_coordinate_system_are_found():
    """Cells of a UTM zone in degrees: those of one block are together, and as many as its size says."""
    degrees = Grid(4326, Affine(0.01, 0.0, -3.0, 0.0, -0.01, 36.2), 10, 10)
    found = block_numbers(grid(90, 40, top=3999000.0), Window(0, 0, 40, 40), degrees)
    _, counts = np.unique(found, return_counts=True)
    # 0.01° are 900 m along the parallel and 1110 m along the meridian here: 10 × 12.3 cells of 90 m.
    assert 110 <= counts.max() <= 140


def test_a_shift_of_half_a_fine_cell_does_not_matter():
    window = Window(0, 0, 9, 9)
    straight = block_numbers(grid(30, 9), window, grid(90, 3))
    moved = block_numbers(grid(30, 9), window, grid(90, 3, left=500000.0 + 14))
    assert np.array_equal(straight, moved)
