"""Under which angle a radar sees sloping ground."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Band
    from sm_toolbox.raster.engine import Blocks
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source

PASSES = ("ascending", "descending")
# Sentinel-1: inclination of the orbit, and turns of the Earth per turn of the satellite (175 orbits in 12 days).
_INCLINATION = np.radians(98.18)
_TURNS = 12 / 175
# Incidence angles of spaceborne radars, degrees; those of Sentinel-1 are 29 to 46.
_ANGLES = (10.0, 75.0)


def sensor_azimuth(latitude: np.ndarray, direction: str) -> np.ndarray:
    """Return where Sentinel-1 stands, seen from the ground; it looks to the right of its track.

    The track over the turning Earth has tan ψ = (cos i − q cos² φ) / √(cos² φ − cos² i) west of north, with the
    inclination i, the latitude φ and the turns of the Earth per orbit q.

    Parameters
    ----------
    latitude : ndarray of float64
        Degrees.
    direction : {'ascending', 'descending'}

    Returns
    -------
    ndarray of float64
        Degrees clockwise from north.

    Raises
    ------
    InputError
        Where the direction is none of these.
    """
    if direction not in PASSES:
        raise InputError(f"`direction` is '{direction}', but must be one of: {', '.join(PASSES)}.")
    squared = np.cos(np.radians(latitude)) ** 2
    within = np.maximum(squared - np.cos(_INCLINATION) ** 2, 1e-6)
    heading = np.degrees(np.arctan2(np.cos(_INCLINATION) - _TURNS * squared, np.sqrt(within)))
    track = heading if direction == "ascending" else 180 - heading
    return np.asarray((track + 270) % 360)


def local_incidence(
    heights: np.ndarray, angle: np.ndarray, azimuth: np.ndarray, dx: np.ndarray, dy: np.ndarray
) -> np.ndarray:
    """Return the angle between the beam and the normal of the ground.

    Parameters
    ----------
    heights : ndarray of float32 (rows + 2, cols + 2)
        Metres.
    angle : ndarray of float32 (bands, rows, cols)
        Incidence angle on level ground, degrees.
    azimuth : ndarray of float64 (rows, cols)
        Of the sensor, degrees clockwise from north.
    dx, dy : ndarray of float64 (rows,)
        Metres from a cell to the next column and to the previous row, positive towards east and north.

    Returns
    -------
    ndarray of float32 (bands, rows, cols)
        Degrees; above 90 the ground lies in the radar's shadow. NaN where a neighbour or the angle is missing.
    """
    z = heights.astype(np.float64)
    east = (z[:-2, 2:] + 2 * z[1:-1, 2:] + z[2:, 2:] - z[:-2, :-2] - 2 * z[1:-1, :-2] - z[2:, :-2]) / (8 * dx[:, None])
    north = (z[:-2, :-2] + 2 * z[:-2, 1:-1] + z[:-2, 2:] - z[2:, :-2] - 2 * z[2:, 1:-1] - z[2:, 2:]) / (8 * dy[:, None])
    # A hole in the middle does not enter the differences.
    steepness = np.sqrt(1 + east**2 + north**2) + 0 * z[1:-1, 1:-1]
    turned, theta = np.radians(azimuth), np.radians(angle.astype(np.float64))
    across = -(east * np.sin(turned) + north * np.cos(turned))
    cosine = (np.sin(theta) * across + np.cos(theta)) / steepness
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))).astype(np.float32)


def local_incidence_angles(
    sources: Sequence[Source], dem: Source, output: str, direction: str = "ascending", engine: Engine = ALL_CORES
) -> list[str]:
    """Compute the angle between Sentinel-1's beam and the normal of the ground.

    Parameters
    ----------
    sources : sequence of Source
        Bands `angle`, the incidence angle on level ground, degrees; others are left out.
    dem : Source
        Elevation, metres; averaged to the cells of the angle. Slopes are those of Horn (1981).
    output : str
        GeoTIFF with `local_incidence_angle@t`, degrees, for each band of the angle.
    direction : {'ascending', 'descending'}, optional
        Of the satellite.
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where there is no band `angle`, it is not in degrees, or the direction is none of these.
    OutputError, Cancelled
        As `run_blocks`.
    """
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    sensor_azimuth(np.zeros(1), direction)
    by_name = stacks(read_bands(sources))
    if "angle" not in by_name:
        raise InputError("The local incidence angle needs `angle`, the incidence angle on level ground. Give it.")
    angles, heights = by_name["angle"].bands, read_bands([dem])[:1]
    _check_degrees(angles[0])
    grid = angles[0].grid
    bands = [band_name("local_incidence_angle", band.time) for band in angles]
    kernel = partial(_local, grid=grid, direction=direction)
    tags = {"UNIT_local_incidence_angle": "degrees"}
    inputs = {"angle": angles, "dem": heights}
    run_blocks(kernel, inputs, [RasterOutput(output, bands, tags)], grid, engine, halo=1, scratch_bytes_per_cell=120)
    return bands


def _check_degrees(band: Band) -> None:
    from sm_toolbox.raster.bands import overview

    values = overview(band)
    known = values[np.isfinite(values)]
    if known.size and not _ANGLES[0] <= np.median(known) <= _ANGLES[1]:
        raise InputError(
            f"`angle` has a median of {np.median(known):.4g}, but radars look down at {_ANGLES[0]:g} to {_ANGLES[1]:g} "
            "degrees. Multiply radians by 57.3 with the raster calculator, or give the incidence angle."
        )


def _local(blocks: Blocks, window: Window, grid: Grid, direction: str) -> np.ndarray:
    """Return the local incidence angles of a block; a kernel."""
    from sm_toolbox.predictors.terrain import cell_distances
    from sm_toolbox.raster.builtin import latitudes

    dx, dy = cell_distances(grid, int(window.row_off), int(window.height))
    azimuth = sensor_azimuth(latitudes(grid, window), direction)
    return local_incidence(blocks["dem"][0], blocks["angle"][:, 1:-1, 1:-1], azimuth, dx, dy)
