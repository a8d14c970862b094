"""The triangle of temperature and vegetation: its dry and wet edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError

if TYPE_CHECKING:
    from sm_toolbox.raster.times import Time

NDVI_BIN = 0.02
LOWEST_NDVI = 0.1
"""The edges begin here: below are water, snow, cloud and rock, whose temperature does not follow the moisture of the
soil.
"""
MIN_CELLS_IN_BIN = 50
MIN_BINS = 5
EDGE_PERCENTILES = (1, 99)
"""Coldest and warmest cells of a bin; a single cell, perhaps a fire or the rim of a cloud, does not move an edge."""
EDGE_CELLS = 1024
"""Rows and columns of the regular sample of cells from which the edges are fitted."""


@dataclass(frozen=True)
class Edges:
    """The edges of the triangle of temperature and NDVI on one date.

    Parameters
    ----------
    time : Time or None
    dry, wet : (float, float)
        Intercept (K) and slope (K per unit of NDVI).
    coldest : float
        Constant wet edge (K): the mean of the bins' lowest temperatures.
    centres, warm, cold : ndarray
        NDVI, highest and lowest temperature (K) of the bins.
    ndvi, lst : ndarray
        Some cells, for the report.
    """

    time: Time | None
    dry: tuple[float, float]
    wet: tuple[float, float]
    coldest: float
    centres: np.ndarray
    warm: np.ndarray
    cold: np.ndarray
    ndvi: np.ndarray
    lst: np.ndarray

    def at(self, ndvi: np.ndarray) -> dict[str, np.ndarray]:
        """Return the dry, the wet and the constant wet edge (K) at an NDVI, as formulas take them.

        Parameters
        ----------
        ndvi : ndarray of float32

        Returns
        -------
        dict of str to ndarray of float32
            `dry`, `wet` and `coldest`, K.
        """
        dry, wet = (np.float32(intercept) + np.float32(slope) * ndvi for intercept, slope in (self.dry, self.wet))
        return {"dry": dry, "wet": wet, "coldest": np.array(self.coldest, np.float32)}

    @property
    def text(self) -> str:
        """Both edges as equations."""
        dry, wet = (f"{edge[0]:.2f} {edge[1]:+.2f} NDVI" for edge in (self.dry, self.wet))
        return f"dry edge {dry}, wet edge {wet}, constant wet edge {self.coldest:.2f} ({len(self.centres)} bins)"


def fit_edges(ndvi: np.ndarray, lst: np.ndarray, time: Time | None = None) -> Edges:
    """Fit the dry and the wet edge to the scatter of surface temperature over NDVI.

    The edges are straight lines through the warmest and the coldest cells (percentiles) of bins of NDVI, by least
    squares in which every bin counts alike.

    Parameters
    ----------
    ndvi, lst : ndarray
        Of the same shape; NaN where there is no data.
    time : Time, optional

    Returns
    -------
    Edges

    Raises
    ------
    InputError
        Where too few bins of NDVI hold enough cells: a scene of one land cover has no triangle.
    """
    valid = np.isfinite(ndvi) & np.isfinite(lst) & (ndvi >= LOWEST_NDVI)
    x, y = ndvi[valid].astype(float), lst[valid].astype(float)
    number = np.floor((x - LOWEST_NDVI) / NDVI_BIN).astype(int)
    order = np.argsort(number, kind="stable")
    bins, starts, counts = np.unique(number[order], return_index=True, return_counts=True)
    full = counts >= MIN_CELLS_IN_BIN
    if np.count_nonzero(full) < MIN_BINS:
        raise InputError(
            f"The edges of the temperature–NDVI triangle cannot be fitted{f' on {time}' if time else ''}: "
            f"{np.count_nonzero(full)} bins of NDVI (width {NDVI_BIN}, from {LOWEST_NDVI}) hold at least "
            f"{MIN_CELLS_IN_BIN} cells with both values ({len(x)} in all), but {MIN_BINS} are needed. Use a "
            "larger area with bare and vegetated land, check that LST covers it, or leave tvdi and vtci out of "
            "`names`."
        )
    limits = np.array(
        [
            np.percentile(y[order[start : start + count]], EDGE_PERCENTILES)
            for start, count in zip(starts[full], counts[full])
        ]
    )
    centres = LOWEST_NDVI + NDVI_BIN * (bins[full] + 0.5)
    (wet_slope, wet), (dry_slope, dry) = (np.polyfit(centres, limits[:, i], 1) for i in (0, 1))
    few = slice(None, None, -(-len(x) // 20000))
    return Edges(
        time,
        (float(dry), float(dry_slope)),
        (float(wet), float(wet_slope)),
        float(limits[:, 0].mean()),
        centres,
        limits[:, 1],
        limits[:, 0],
        x[few],
        y[few],
    )
