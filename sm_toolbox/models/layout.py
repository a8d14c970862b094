"""Places in metres, good enough to tell stations and blocks of land apart: what splits by place divide rows by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sm_toolbox.raster.driver import Crs
    from sm_toolbox.raster.opening import Source

# As of rasters: a scale that is true to this share is that of a map for measuring.
_TRUE_SCALE = 0.01


@dataclass(frozen=True)
class Layout:
    """Points of a table in metres.

    Parameters
    ----------
    positions : ndarray of float64 (rows, 2)
    metres : tuple of float
        Per unit of the coordinates x and y.
    """

    positions: np.ndarray
    metres: tuple[float, float]

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        *,
        geographic: bool = False,
        metres_per_unit: float = 1.0,
        crs: Crs | None = None,
    ) -> Layout | None:
        """Lay points out; None where a row has no point.

        Parameters
        ----------
        x, y : ndarray of float64 (rows,)
        geographic : bool, optional
            Whether these are degrees, which are laid out with the metres per degree of their middle latitude.
        metres_per_unit : float, optional
            Of coordinates that are no degrees.
        crs : Crs, optional
            Of the coordinates. Where its scale is off by more than 1 % in the middle of the points, such as Web
            Mercator's, whose 2 m are 1 m on the ground at 60° N, it is the scale there that counts.

        Returns
        -------
        Layout or None
        """
        from sm_toolbox.raster.grid import ground_scale, metres_per_degree

        if not np.isfinite(x).all():
            return None
        metres = metres_per_degree(float(y.mean())) if geographic else (metres_per_unit, metres_per_unit)
        if not geographic and crs is not None and crs.is_projected and len(x):
            middle_x, middle_y = (np.array([(axis.min() + axis.max()) / 2]) for axis in (x, y))
            scale = ground_scale(crs, middle_x, middle_y, 1000 / metres_per_unit)[0]
            if np.isfinite(scale).all() and (np.abs(scale / metres_per_unit - 1) > _TRUE_SCALE).any():
                metres = (float(scale[0]), float(scale[1]))
        return cls(np.stack([x, y], axis=1) * metres, metres)

    def of_area(self, source: Source, crs: Crs) -> np.ndarray:
        """Return a sample of the cells of a raster that have data, in the same metres (points, 2).

        Parameters
        ----------
        source : Source
            Its first band counts.
        crs : Crs
            Of the table's coordinates.

        Returns
        -------
        ndarray of float64 (points, 2)
        """
        from sm_toolbox.raster.bands import read_bands
        from sm_toolbox.raster.points import sample_cells, transform_points

        band = read_bands([source])[0]
        x, y = transform_points(*sample_cells(band), band.grid.crs, crs)
        is_valid = np.isfinite(x) & np.isfinite(y)
        return np.stack([x[is_valid], y[is_valid]], axis=1) * self.metres
