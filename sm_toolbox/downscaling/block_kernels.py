"""The compiled loops of downscaling: sums of fine cells over coarse ones, and coarse values spread over fine cells."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit


@njit(**KERNEL_OPTIONS)
def add_to_cells(values, cells, sums, counts):
    """Add the values of fine cells to the coarse cells that hold them.

    Parameters
    ----------
    values : ndarray of float32 (bands, fine)
        NaN where there is no data.
    cells : ndarray of int64 (fine,)
        The coarse cell of each; -1 for none.
    sums, counts : ndarray of float64 (bands, coarse)
        Added to.
    """
    for band in range(values.shape[0]):
        for i in range(values.shape[1]):
            value, cell = values[band, i], cells[i]
            if cell >= 0 and not np.isnan(value):
                sums[band, cell] += np.float64(value)
                counts[band, cell] += 1


@njit(**KERNEL_OPTIONS)
def add_with_shares(values, columns, rows, sums, shares):
    """Add values to the coarse cells that hold them, with the weights that coarse centres have in these fine cells.

    Parameters
    ----------
    values : ndarray of float32 (dates, fine)
        NaN where there is no data.
    columns, rows : ndarray of float64 (fine,)
        Places among the coarse cells of the window, of which the centre of the first is (0.5, 0.5); NaN for none.
    sums : ndarray of float64 (dates, 3, coarse rows, coarse cols)
        Added to: number, sum and sum of squares.
    shares : ndarray of float64 (dates, 9, coarse rows, coarse cols)
        Added to: the bilinear weights of the centre itself and of its eight neighbours, row by row.
    """
    height, width = sums.shape[2], sums.shape[3]
    for i in range(values.shape[1]):
        if np.isnan(columns[i]):
            continue
        column, row = int(np.floor(columns[i])), int(np.floor(rows[i]))
        if column < 0 or row < 0 or column >= width or row >= height:
            continue
        across, down = columns[i] - 0.5, rows[i] - 0.5
        left, top = int(np.floor(across)), int(np.floor(down))
        right_share, lower_share = across - left, down - top
        # Among the nine centres around the cell's own one, in the middle.
        first = (top - row + 1) * 3 + left - column + 1
        for date in range(values.shape[0]):
            value = np.float64(values[date, i])
            if np.isnan(value):
                continue
            sums[date, 0, row, column] += 1
            sums[date, 1, row, column] += value
            sums[date, 2, row, column] += value * value
            shares[date, first, row, column] += (1 - lower_share) * (1 - right_share)
            shares[date, first + 1, row, column] += (1 - lower_share) * right_share
            shares[date, first + 3, row, column] += lower_share * (1 - right_share)
            shares[date, first + 4, row, column] += lower_share * right_share


@njit(**KERNEL_OPTIONS)
def spread_between_centres(columns, rows, centres, shifts, out):
    """Spread coarse values bilinearly between the centres of coarse cells.

    Parameters
    ----------
    columns, rows : ndarray of float64 (fine,)
        Places among the coarse cells, as `add_with_shares`.
    centres : ndarray of float64 (dates, 1 + coarse rows + 1, 1 + coarse cols + 1)
        With one cell more on every side.
    shifts : ndarray of float64 (dates, coarse rows, coarse cols)
        Added in the whole coarse cell; NaN where a coarse cell has none, and its fine cells get nothing.
    out : ndarray of float32 (dates, fine)
        Filled; NaN where nothing is added.
    """
    height, width = shifts.shape[1], shifts.shape[2]
    for i in range(out.shape[1]):
        out[:, i] = np.nan
        if np.isnan(columns[i]):
            continue
        column, row = int(np.floor(columns[i])), int(np.floor(rows[i]))
        if column < 0 or row < 0 or column >= width or row >= height:
            continue
        across, down = columns[i] + 0.5, rows[i] + 0.5
        left, top = int(np.floor(across)), int(np.floor(down))
        right_share, lower_share = across - left, down - top
        for date in range(out.shape[0]):
            shift = shifts[date, row, column]
            if np.isnan(shift):
                continue
            upper = (1 - right_share) * centres[date, top, left] + right_share * centres[date, top, left + 1]
            lower = (1 - right_share) * centres[date, top + 1, left] + right_share * centres[date, top + 1, left + 1]
            out[date, i] = shift + (1 - lower_share) * upper + lower_share * lower
