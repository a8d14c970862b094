"""Bring rasters onto one grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Affine
from sm_toolbox.raster.bands import list_bands, read_bands
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.grid import Grid, label
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.request import ALL_CORES, Engine


def align_rasters(
    sources: Sequence[Source],
    grid: Source | Grid,
    output: str,
    resampling: str,
    engine: Engine = ALL_CORES,
) -> list[str]:
    """Warp all bands of rasters to the grid of another and write them into one file.

    Parameters
    ----------
    sources : sequence of Source
    grid : Source or Grid
        Whose CRS, cells and extent the output has; see `grid_over` for one without a raster.
    output : str
        GeoTIFF; bands keep their variables and times.
    resampling : {'nearest', 'bilinear', 'cubic', 'average', 'mode'}
        How the value of a cell comes about; bands that are on the grid already are copied.
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where a raster does not overlap the grid.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> rain = write_example("rain.tif", {"rain@2018-06-01": [[1, 3]]}, cell=200)
    >>> dem = write_example("dem.tif", {"dem": [[7, 8, 9, 9]]}, cell=100)
    >>> align_rasters([rain], dem, "aligned.tif", "nearest")
    ['rain@2018-06-01']
    >>> print(read_example("aligned.tif")["rain@2018-06-01"])
    [[1. 1. 3. 3.]]
    """
    bands = read_bands(sources)
    names = [band.name for band in bands]
    run_blocks(
        lambda blocks, window: blocks["bands"],
        {"bands": bands},
        [RasterOutput(output, names)],
        grid if isinstance(grid, Grid) else grid_of(grid),
        engine,
        resampling=resampling,
    )
    return names


# Cells that a grid may have: more are a wrong cell size.
_MOST_CELLS = 1e11


def grid_over(sources: Sequence[Source], cell_size: float, crs: Any = None) -> Grid:
    """Return a grid over all rasters whose cells have a size, and whose edges are multiples of it.

    Parameters
    ----------
    sources : sequence of Source
    cell_size : float
        In units of the CRS.
    crs : Crs, str or int, optional
        By default that of the first raster.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        Where the size is none, or an extent cannot be transformed.
    """
    if not 0 < cell_size < math.inf:
        raise InputError(f"`cell_size` is {cell_size:g}, but must be above 0, in units of the CRS.")
    grids = {band.grid for band in list_bands(sources)}
    wanted = next(iter(list_bands(sources[:1]))).grid.crs if crs is None else driver().crs(crs)
    edges = []
    for own in grids:
        try:
            edges.append(own.bounds if own.crs == wanted else driver().transform_bounds(own.crs, wanted, own.bounds))
        except DriverError as error:
            raise InputError(
                f"The extent of a raster in {label(own.crs)} cannot be transformed to {label(wanted)}: {error}. Choose "
                "another `crs`, or give a `grid`."
            ) from error
    west, south = (cell_size * math.floor(min(edge[i] for edge in edges) / cell_size + 1e-6) for i in (0, 1))
    east, north = (cell_size * math.ceil(max(edge[i] for edge in edges) / cell_size - 1e-6) for i in (2, 3))
    columns, rows = (max(1, round((far - near) / cell_size)) for near, far in ((west, east), (south, north)))
    if columns * rows > _MOST_CELLS:
        raise InputError(
            f"`cell_size` {cell_size:g} makes {columns:,} × {rows:,} cells. It is in units of {label(wanted)}, which "
            f"are {'degrees' if wanted.is_geographic else 'lengths'}: give a larger one."
        )
    return Grid(wanted, Affine(cell_size, 0.0, west, 0.0, -cell_size, north), columns, rows)
