"""Terrain indices of a digital elevation model, on its own grid or averaged to a coarser one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.files import working_folder
from sm_toolbox.memory import free_memory
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.predictors.flow_strips import StoredArea
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Band
    from sm_toolbox.raster.engine import Blocks
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source

# Bytes that flow routing takes, and less where less is free. With more it would not be faster.
FLOW_MEMORY = 2**30


@dataclass(frozen=True)
class TerrainIndex:
    """What an index is.

    Parameters
    ----------
    unit : str
    meaning : str
        One sentence with the source.
    """

    unit: str
    meaning: str


TERRAIN_INDICES = {
    "elevation": TerrainIndex("m", "Height, times Z_FACTOR."),
    "slope": TerrainIndex("°", "Steepest descent (Horn 1981)."),
    "aspect": TerrainIndex(
        "°", "Direction of the descent, clockwise from north (Horn 1981); no data on level cells, which have none."
    ),
    "northness": TerrainIndex("–", "Cosine of the aspect; 0 on level cells, so that a plain is not without data."),
    "eastness": TerrainIndex("–", "Sine of the aspect; 0 on level cells."),
    "profile_curvature": TerrainIndex(
        "m⁻¹", "Curvature along the slope, positive where convex (Zevenbergen & Thorne 1987)."
    ),
    "plan_curvature": TerrainIndex(
        "m⁻¹", "Curvature of the contour line, positive where convex (Zevenbergen & Thorne 1987)."
    ),
    "tangential_curvature": TerrainIndex(
        "m⁻¹", "Curvature across the slope, positive where convex (Zevenbergen & Thorne 1987)."
    ),
    "mean_curvature": TerrainIndex("m⁻¹", "Mean of profile and tangential curvature."),
    "roughness": TerrainIndex("m", "Highest minus lowest of 3 × 3 cells (Wilson et al. 2007)."),
    "vector_ruggedness": TerrainIndex(
        "–", "Dispersion of the surface normals of 3 × 3 cells, 0 to 1 (Hobson 1972; Sappington et al. 2007)."
    ),
    "twi": TerrainIndex(
        "–",
        "Topographic wetness, ln(a / tan β) with the specific catchment area a (m) by FLOW_ROUTING and the slope "
        "β (Beven & Kirkby 1979); tan β is at least 0.001.",
    ),
}
"""All indices by the names of their bands."""


def terrain_indices(
    dem: Source, names: Sequence[str], output: str, *,
    flow_routing: str = "mfd", grid: Source | None = None, z_factor: float = 1.0, engine: Engine = ALL_CORES,
) -> None:  # fmt: skip
    """Compute terrain indices, block by block.

    Cells at the raster's edge and beside cells without data have no data, as with gdaldem. Distances are in metres
    whatever the unit of the CRS; in geographic coordinates they follow the latitude of each row.

    Parameters
    ----------
    dem : Source
        A single band of heights.
    names : sequence of str
        Keys of `TERRAIN_INDICES`; the order of the output's bands.
    output : str
        GeoTIFF.
    flow_routing : {'mfd', 'dinf', 'd8'}, optional
        How twi's catchment areas come about, see `specific_catchment_area`. A DEM of more than some 35 million cells
        is routed in strips, with the rest in temporary files, to the same results; the log says how large they are.
    grid : Source, optional
        A coarser raster: the indices are computed on the DEM's cells and averaged over those within each of its cells.
        The aspect there is that of the mean of the cells' direction vectors: 350° and 10° have the mean 0°, not 180°.
    z_factor : float, optional
        Metres per unit of the DEM.
    engine : Engine, optional

    Raises
    ------
    InputError
        Where the DEM has more than one band, is rotated or too small, where no index is named, where `grid` is finer
        than the DEM, and where there is no room for temporary files.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> east = np.arange(4) * 100.0
    >>> dem = write_example("dem.tif", {"dem": [east, east, east]}, cell=100)
    >>> terrain_indices(dem, ["slope", "aspect"], "terrain.tif")
    >>> terrain = read_example("terrain.tif")
    >>> print(terrain["slope"][1].round(1), terrain["aspect"][1])
    [nan 45. 45. nan] [ nan 270. 270.  nan]
    """
    from sm_toolbox.raster.bands import read_bands
    from sm_toolbox.raster.opening import grid_of, open_raster
    from sm_toolbox.raster.reading import BandReader

    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in TERRAIN_INDICES]
    if unknown or not names:
        raise InputError(
            f"`names`: {', '.join(unknown) or 'none is chosen'}. Choose from: {', '.join(TERRAIN_INDICES)}."
        )
    if not np.isfinite(z_factor) or z_factor == 0:
        raise InputError(
            f"`z_factor` is {z_factor:g}, but must be a number other than 0: the metres in a unit of the DEM's heights."
        )
    with open_raster(dem) as dataset:
        if dataset.count != 1:
            raise InputError(
                f"The DEM '{dem.label}' has {dataset.count} bands, but must have one. Extract the band of heights "
                "with 'Rearrange bands' first."
            )
    band = read_bands([dem])[0]
    _check_grid(band)
    if grid is None:
        _fine_indices(band, names, output, z_factor, flow_routing, engine)
        return
    coarse = grid_of(grid)
    _check_coarser(band.grid, coarse, dem, grid)
    # Opening it now reveals at once, not after all indices, that the two do not overlap.
    with BandReader([band], coarse, "average").open():
        pass
    # The mean direction is the direction of the mean vector, so that the components are needed, not the angle.
    parts = list(
        dict.fromkeys(part for name in names for part in (("northness", "eastness") if name == "aspect" else (name,)))
    )
    with working_folder() as folder:
        fine = str(Path(folder) / "fine.tif")
        _fine_indices(band, parts, fine, z_factor, flow_routing, engine.part(0, 0.7))
        # The fine indices lie in a folder of this computer.
        _aggregate(fine, names, output, coarse, engine.part(0.7, 1).here())


def _check_grid(band: Band) -> None:
    transform = band.grid.transform
    if transform.b or transform.d:
        raise InputError(
            f"The DEM '{band.source.label}' is rotated against the axes of its CRS. Warp it with 'Warp "
            "(reproject)' first, so that its rows run from west to east."
        )
    if band.grid.width < 3 or band.grid.height < 3:
        raise InputError(
            f"The DEM '{band.source.label}' has {band.grid.width} × {band.grid.height} cells; at least 3 × 3 are "
            "needed to know a slope."
        )


def _check_coarser(fine: Grid, coarse: Grid, dem: Source, grid: Source) -> None:
    fine_size, coarse_size = (np.multiply(item.cell_size, item.metres_per_unit()) for item in (fine, coarse))
    if np.any(coarse_size < 0.99 * fine_size):
        raise InputError(
            f"The cells of `grid` '{grid.label}' ({coarse_size[0]:.4g} × {coarse_size[1]:.4g} m) are finer than "
            f"those of the DEM '{dem.label}' ({fine_size[0]:.4g} × {fine_size[1]:.4g} m). Indices are averaged to "
            "coarser cells only; leave `grid` empty, or choose a coarser raster."
        )


def _fine_indices(
    band: Band, names: Sequence[str], output: str, z_factor: float, flow_routing: str, engine: Engine
) -> None:  # fmt: skip
    from sm_toolbox.predictors.terrain_kernels import KERNEL_ORDER, fill_indices
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.meaning import tell_amounts
    from sm_toolbox.raster.outputs import RasterOutput

    halo = 2 if "vector_ruggedness" in names else 1
    places = np.array([names.index(name) if name in names else -1 for name in KERNEL_ORDER], np.int64)
    catchment: np.ndarray | StoredArea = np.empty((0, 0), np.float32)
    grid = band.grid
    with ExitStack() as stack:
        if "twi" in names:
            catchment = _catchment(band, z_factor, flow_routing, engine.part(0, 0.7), stack)
            # Temporary files lie on this computer.
            engine = engine.part(0.7, 1) if isinstance(catchment, np.ndarray) else engine.part(0.7, 1).here()

        def kernel(blocks: Blocks, window: Window) -> np.ndarray:
            dem = blocks["dem"][0]
            out = np.empty((len(names), dem.shape[0] - 2 * halo, dem.shape[1] - 2 * halo), np.float32)
            first = int(window.row_off) - halo + 1
            dx, dy = cell_distances(grid, first, out.shape[1] + 2 * halo - 2)
            fill_indices(dem, halo, dx, dy, z_factor, places, out, catchment[window.slices])
            return out

        tags = {f"UNIT_{name}": TERRAIN_INDICES[name].unit for name in names}
        outputs = [RasterOutput(output, list(names), tags)]
        written = run_blocks(kernel, {"dem": [band]}, outputs, band.grid, engine, halo=halo)
    tell_amounts(written.watch, [band], engine.progress)


def _catchment(
    band: Band, z_factor: float, flow_routing: str, engine: Engine, stack: ExitStack
) -> np.ndarray | StoredArea:
    """Return the specific catchment area of every cell; water knows no blocks, so that the whole DEM is read."""
    from sm_toolbox.predictors.fill_strips import Heights
    from sm_toolbox.predictors.flow import BYTES_PER_CELL, MOST_FLOW_MEMORY, specific_catchment_area
    from sm_toolbox.predictors.flow_strips import catchment_area_on_disk, scratch_needed
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.choice import driver
    from sm_toolbox.raster.planning import GDAL_CACHE
    from sm_toolbox.raster.reading import BandReader

    grid, progress = band.grid, engine.progress
    distances = cell_distances(grid, 0, grid.height)
    memory = min(engine.memory or min(FLOW_MEMORY, free_memory() // 2), MOST_FLOW_MEMORY)
    at_once = grid.width * grid.height * BYTES_PER_CELL
    message = f"twi routes flow over the whole DEM of {grid.width:,} × {grid.height:,} cells and takes about "
    with driver().environment(GDAL_CACHE), BandReader([band], grid).open() as reader:

        def read(first: int, last: int) -> np.ndarray:
            dem = reader.read(Window(0, first, grid.width, last - first))[0]
            dem *= np.float32(z_factor)
            return dem

        if at_once <= memory:
            progress.info(f"{message}{at_once / 2**20:,.0f} MB of memory.")
            return specific_catchment_area(read(0, grid.height), *distances, flow_routing, progress=progress)
        scratch = scratch_needed(grid.height, grid.width)
        folder = stack.enter_context(working_folder())
        progress.info(
            f"{message}{memory / 2**20:,.0f} MB of memory and, until it is done, {scratch / 2**20:,.0f} MB of "
            f"temporary files in '{Path(folder).parent}'."
        )
        heights = Heights(read, grid.width, *distances)
        return catchment_area_on_disk(heights, flow_routing, folder, memory, progress=progress)


def cell_distances(grid: Grid, first_row: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the metres between neighbouring cells.

    Parameters
    ----------
    grid : Grid
    first_row, rows : int
        Which rows; the first may lie above the grid.

    Returns
    -------
    dx, dy : ndarray of float64 (rows,)
        To the next column, positive towards east, and to the previous row, positive towards north.
    """
    transform = grid.transform
    factors = np.array([grid.metres_per_unit(row) for row in range(first_row, first_row + rows)])
    return transform.a * factors[:, 0], -transform.e * factors[:, 1]


def _aggregate(fine: str, names: Sequence[str], output: str, grid: Grid, engine: Engine) -> None:
    """Average fine indices over the cells of a coarser grid; the aspect from the mean of its components."""
    from sm_toolbox.raster.bands import read_bands
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.kinds import mean_direction
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.outputs import RasterOutput

    bands = {band.variable: band for band in read_bands([Source(fine, "the terrain indices")])}
    parts = list(bands)

    def kernel(blocks: Blocks, window: Window) -> np.ndarray:
        means = dict(zip(parts, blocks["fine"]))
        if "aspect" in names:
            means["aspect"] = mean_direction(means["northness"], means["eastness"])
        return np.stack([means[name] for name in names])

    # One block of the output rests on many fine cells; GDAL's warper takes them in pieces of its own.
    run_blocks(
        kernel, {"fine": list(bands.values())}, [RasterOutput(output, list(names))], grid, engine, resampling="average"
    )
