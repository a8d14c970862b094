"""Bring rasters onto one grid."""

from __future__ import annotations

from collections.abc import Sequence

from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.request import ALL_CORES, Engine


def align_rasters(
    sources: Sequence[Source],
    grid: Source,
    output: str,
    resampling: str,
    engine: Engine = ALL_CORES,
) -> list[str]:
    """Warp all bands of rasters to the grid of another and write them into one file.

    Parameters
    ----------
    sources : sequence of Source
    grid : Source
        Raster whose CRS, cells and extent the output has.
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
        grid_of(grid),
        engine,
        resampling=resampling,
    )
    return names
