"""What a fine map sums up to over coarse cells, found block by block while the map is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.downscaling.block_kernels import add_with_shares
from sm_toolbox.downscaling.blocks import CellsOfWindow, Lattice
from sm_toolbox.raster.affine import Window

NUMBER, SUM, SQUARES = range(3)
"""Places of the sums of a `MapTally`."""
_CENTRE = 4


class MapTally:
    """Sums of a map over coarse cells; a fact of blocks, which can be added.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the lattice.
    row, column : int
        Where the sums begin in it.
    sums : ndarray of float64 (dates, 3, rows, cols)
        Number, sum and sum of squares of the fine cells with a value.
    shares : ndarray of float64 (dates, 9, rows, cols)
        Sums of the bilinear weights of a coarse cell's centre and of its neighbours' in these fine cells.
    """

    def __init__(self, shape: tuple[int, int], row: int, column: int, sums: np.ndarray, shares: np.ndarray):
        self._shape, self._row, self._column = shape, row, column
        self.sums, self.shares = sums, shares

    def __add__(self, other: MapTally) -> MapTally:
        # The first one that is added to takes all the others in: a whole lattice for each block would be slow.
        total = self.whole()
        rows = slice(other._row, other._row + other.sums.shape[2])
        columns = slice(other._column, other._column + other.sums.shape[3])
        total.sums[:, :, rows, columns] += other.sums
        total.shares[:, :, rows, columns] += other.shares
        return total

    def whole(self) -> MapTally:
        """Return the same over all of the lattice; itself where it is."""
        if self.sums.shape[2:] == self._shape:
            return self
        empty = [np.zeros((*values.shape[:2], *self._shape)) for values in (self.sums, self.shares)]
        return MapTally(self._shape, 0, 0, *empty) + self

    @property
    def counts(self) -> np.ndarray:
        """Fine cells with a value, (dates, rows, cols)."""
        return np.asarray(self.sums[:, NUMBER])

    @property
    def means(self) -> np.ndarray:
        """Means of the fine cells with a value (dates, rows, cols); NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.sums[:, SUM] / self.sums[:, NUMBER])

    @property
    def variances(self) -> np.ndarray:
        """Variances of the fine cells within a coarse one (dates, rows, cols); NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.maximum(self.sums[:, SQUARES] / self.sums[:, NUMBER] - self.means**2, 0))

    def spread_means(self, centres: np.ndarray) -> np.ndarray:
        """Return the means over coarse cells of what is spread bilinearly between their centres.

        Parameters
        ----------
        centres : ndarray of float64 (dates, 1 + rows + 1, 1 + cols + 1)
            With one cell more on every side.

        Returns
        -------
        ndarray of float64 (dates, rows, cols)
            Over the fine cells with a value; NaN where there is none.
        """
        rows, columns = self._shape
        total = np.zeros((len(centres), rows, columns))
        for place in range(2 * _CENTRE + 1):
            down, right = divmod(place, 3)
            total += self.shares[:, place] * centres[:, down : down + rows, right : right + columns]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / self.counts)


@dataclass(frozen=True)
class Tallying:
    """Sums blocks of a map up over coarse cells.

    Parameters
    ----------
    lattice : Lattice
    """

    lattice: Lattice

    def __call__(self, block: np.ndarray, window: Window) -> MapTally:
        """Return the sums of a block.

        Parameters
        ----------
        block : ndarray of float32 (dates, rows, cols)
            NaN where there is no value.
        window : Window

        Returns
        -------
        MapTally
        """
        part = CellsOfWindow.of(self.lattice, window)
        sums = np.zeros((len(block), 3, part.height, part.width))
        shares = np.zeros((len(block), 9, part.height, part.width))
        values = np.ascontiguousarray(block.reshape(len(block), -1))
        add_with_shares(values, part.columns, part.rows, sums, shares)
        return MapTally(self.lattice.shape, part.row, part.column, sums, shares)
