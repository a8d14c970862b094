"""What a coarse product says beyond the model of its cells, brought to fine cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.downscaling.block_kernels import spread_between_centres
from sm_toolbox.downscaling.blocks import CellsOfWindow, Lattice
from sm_toolbox.downscaling.tally import MapTally
from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window

if TYPE_CHECKING:
    from sm_toolbox.geostatistics.kriging import Kriging
    from sm_toolbox.geostatistics.positions import Positions

_FEWEST = 4
# After these, less than a hundredth of what is to be corrected is left.
_CORRECTIONS = 8


@dataclass(frozen=True)
class ResidualField:
    """Residuals of coarse cells, ready to be added to fine ones.

    Parameters
    ----------
    lattice : Lattice
    shifts : ndarray of float64 (dates, rows, cols)
        Added in the whole coarse cell; NaN where a coarse cell has no residual, and its fine cells stay as they are.
    centres : ndarray of float64 (dates, 1 + rows + 1, 1 + cols + 1), optional
        Spread bilinearly between the centres of the coarse cells, with one cell more on every side.
    kriging : Kriging, optional
        Of the dates that have a residual.
    positions : Positions, optional
        Of the fine grid.
    """

    lattice: Lattice
    shifts: np.ndarray
    centres: np.ndarray
    kriging: Kriging | None = None
    positions: Positions | None = None

    def of_window(self, window: Window) -> np.ndarray:
        """Return what is added to the cells of a window.

        Parameters
        ----------
        window : Window
            Of the fine grid.

        Returns
        -------
        ndarray of float32 (dates, rows, cols)
            NaN where there is no residual.
        """
        part = CellsOfWindow.of(self.lattice, window)
        dates, (down, right) = len(self.shifts), part.slices
        out = np.full((dates, len(part.columns)), np.nan, np.float32)
        if part.height and part.width:
            shifts = np.ascontiguousarray(self.shifts[:, down, right])
            centres = self.centres[:, down.start : down.stop + 2, right.start : right.stop + 2]
            spread_between_centres(part.columns, part.rows, np.ascontiguousarray(centres), shifts, out)
            if self.kriging is not None:
                self._add_kriged(out, window)
        return out.reshape(dates, int(window.height), int(window.width))

    def _add_kriged(self, out: np.ndarray, window: Window) -> None:
        assert self.kriging is not None and self.positions is not None
        cells = np.flatnonzero(~np.isnan(out).all(axis=0))
        points = self.positions.of_cells(window)
        step = self.kriging.cells_at_once(variance=False)
        for start in range(0, len(cells), step):
            some = cells[start : start + step]
            out[:, some] += self.kriging.predict(points[some])[0].T


def block_residuals(
    lattice: Lattice, coarse: np.ndarray, tally: MapTally, enough: np.ndarray, conserve: bool
) -> ResidualField:
    """Find what the product has beyond the mean of a fine map in each coarse cell, and spread it bilinearly.

    Parameters
    ----------
    lattice : Lattice
    coarse : ndarray of float64 (dates, rows, cols)
        The product; NaN where there is none.
    tally : MapTally
        Of the map, one date for all where it is the same on all dates.
    enough : ndarray of bool (dates, rows, cols)
        Coarse cells of which enough is in the map.
    conserve : bool
        Whether the mean of each coarse cell is then corrected, so that it is that of the product: what is spread
        bilinearly has other means than the residuals, since centres of neighbours reach into a cell.

    Returns
    -------
    ResidualField

    Notes
    -----
    A model of means is not the mean of a model, f(mean X) ≠ mean f(X): the residual is therefore that of the map
    itself, not of the model's value for the cell's means.

    The correction is spread bilinearly as well, as long as it gets smaller; only what is left then is added to whole
    cells. Added at once it would show as borders: on the demo scene steps across them are 1.20 times those elsewhere,
    so 1.01 times.
    """
    residual = np.where(enough, coarse - tally.means, np.nan)
    centres = _with_neighbours(residual)
    if not conserve:
        return ResidualField(lattice, np.where(np.isnan(residual), np.nan, 0.0), centres)
    left = residual - tally.spread_means(centres)
    for _ in range(_CORRECTIONS):
        nearer = centres + _with_neighbours(left)
        still_left = residual - tally.spread_means(nearer)
        # Where a cell has few fine cells in a corner of it, its centre hardly counts there and corrections may grow.
        if not np.nansum(still_left**2) < np.nansum(left**2):
            break
        centres, left = nearer, still_left
    return ResidualField(lattice, left, centres)


def _with_neighbours(residual: np.ndarray) -> np.ndarray:
    """Return residuals with one cell more on every side; those that are missing are the mean of their neighbours'.

    Beyond the edges and in gaps nothing is known, and the residual goes on as it is nearby; 0 far from any.
    """
    padded = np.pad(residual, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    known = ~np.isnan(padded)
    wider, counts = (
        np.pad(np.where(known, values, 0.0), ((0, 0), (1, 1), (1, 1))) for values in (padded, np.ones_like(padded))
    )
    rows, columns = padded.shape[1:]
    total, number = np.zeros_like(padded), np.zeros_like(padded)
    for down in range(3):
        for right in range(3):
            total += wider[:, down : down + rows, right : right + columns]
            number += counts[:, down : down + rows, right : right + columns]
    return np.where(known, padded, total / np.maximum(number, 1))


def kriged_residuals(
    lattice: Lattice,
    coarse: np.ndarray,
    predicted: np.ndarray,
    enough: np.ndarray,
    kind: str,
) -> ResidualField:
    """Krige what the product has beyond the model's values for the means of its cells.

    Parameters
    ----------
    lattice : Lattice
    coarse : ndarray of float64 (dates, rows, cols)
        The product; NaN where there is none.
    predicted : ndarray of float64 (dates, rows, cols)
        By the model, of the means of the predictors; NaN where there is none.
    enough : ndarray of bool (dates, rows, cols)
        Coarse cells of which enough is in the map.
    kind : {'simple', 'ordinary'}
        With the mean 0, or an unknown one for each date.

    Returns
    -------
    ResidualField
        Dates with fewer than four residuals have none: the map is there of the model alone.

    Raises
    ------
    InputError
        Where no date has four.

    Notes
    -----
    One exponential variogram without nugget for all dates: each residual is that of a whole cell.
    """
    from sm_toolbox.geostatistics.kriging import Kriging
    from sm_toolbox.geostatistics.positions import Positions
    from sm_toolbox.geostatistics.variogram import Variogram, fit_variogram

    residual = np.where(enough, coarse - predicted, np.nan)
    few = np.isfinite(residual).sum(axis=(1, 2)) < _FEWEST
    if few.all():
        raise InputError(
            f"`residuals` {kind}_kriging needs a date with at least {_FEWEST} coarse cells that have data and all "
            "predictors. Choose block_bilinear."
        )
    values = residual.reshape(len(residual), -1).T.copy()
    values[:, few] = np.nan
    some = np.flatnonzero(np.isfinite(values).any(axis=1))
    row, column = np.divmod(some, lattice.grid.width)
    x, y = lattice.grid.transform * (column + 0.5, row + 0.5)
    positions = Positions(lattice.fine)
    points = positions.of_points(x, y, lattice.grid.crs)
    variogram = fit_variogram(points, values[some][:, ~few], "exponential", nugget=0.0)
    if variogram.sill == 0:
        variogram = Variogram("exponential", 1.0, variogram.range, 0.0)
    kriged = np.where(few, 0.0, values[some]) if few.any() else values[some]
    kriging = Kriging(points, kriged, variogram, kind, mean=0.0 if kind == "simple" else None)
    shifts = np.where(enough & np.isfinite(coarse) & ~few[:, None, None], 0.0, np.nan)
    centres = np.zeros((len(shifts), lattice.shape[0] + 2, lattice.shape[1] + 2))
    return ResidualField(lattice, shifts, centres, kriging, positions)


def no_residuals(lattice: Lattice, dates: int) -> ResidualField:
    """Return a field that adds nothing anywhere.

    Parameters
    ----------
    lattice : Lattice
    dates : int

    Returns
    -------
    ResidualField
    """
    shape = lattice.shape
    return ResidualField(lattice, np.full((dates, *shape), np.nan), np.zeros((dates, shape[0] + 2, shape[1] + 2)))
