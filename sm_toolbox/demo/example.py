"""Small rasters from arrays and back: what the examples in docstrings are made of, and for trying things out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.bands import overview, read_bands
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.writing import raster_writer

LEFT, TOP = 500_000.0, 4_000_000.0


def write_example(path: str, bands: Mapping[str, np.ndarray], cell: float = 100.0) -> Source:
    """Write a raster in UTM zone 30 N (EPSG:32630) whose upper left corner is at `LEFT`, `TOP`.

    Parameters
    ----------
    path : str
        GeoTIFF.
    bands : mapping of str to ndarray (rows, cols)
        By name, such as `ndvi` or `ndvi@2018-06-01`; NaN where there is no data.
    cell : float, optional
        Width and height of a cell, m.

    Returns
    -------
    Source
    """
    values = np.stack([np.asarray(band, np.float32) for band in bands.values()])
    rows, columns = values.shape[1:]
    grid = Grid(driver().crs(32630), Affine(cell, 0, LEFT, 0, -cell, TOP), columns, rows)
    with raster_writer(RasterOutput(path, list(bands)), grid) as writer:
        writer.write(values, Window(0, 0, columns, rows))
    return Source(path)


def read_example(path: str) -> dict[str, np.ndarray]:
    """Read the bands of a small raster.

    Parameters
    ----------
    path : str
        Of at most 512 × 512 cells.

    Returns
    -------
    dict of str to ndarray of float32 (rows, cols)
        By name; NaN where there is no data.
    """
    return {band.name: overview(band).astype(np.float32) for band in read_bands([Source(path)])}
