"""Products as providers ship them: daily files in the layout of SMAP's level 3, and one in that of GLDAS Noah."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from sm_toolbox.demo.archive import NO_DATE
from sm_toolbox.demo.products import FROZEN_SHARE, ErrorModel, swath
from sm_toolbox.demo.scene import date_of
from sm_toolbox.demo.terrain import FINE_CELL, WGS84, Terrain
from sm_toolbox.raster.affine import Affine
from sm_toolbox.raster.arraywriting import NewArray, write_arrays
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.points import transform_points
from sm_toolbox.sensors.catalogue import CATALOGUE
from sm_toolbox.sensors.grids import KNOWN_GRIDS

SMAP_ERRORS = {"am": ErrorModel(0.0, 1.0, 0.022), "pm": ErrorModel(0.012, 0.95, 0.03)}
"""Of cells whose retrieval is recommended."""
SMAP_DOUBTFUL = 0.12
"""Share of the cells whose retrieval is not recommended, with errors three times as large."""
GLDAS_ERRORS = ErrorModel(0.045, 0.75, 0.02)
GLDAS_MEMORY = 0.8
"""Share of a day's error that the next day has."""
WATER_TOO_WET = 0.5
"""What a cell of SMAP is too wet by where it is all water, m³ m⁻³."""
_NOT_SEEN, _FAILED = 65534, 7
_WATER_LIMIT = 0.05
_FILL = -9999.0
_HOURS = {"am": 6, "pm": 18}
_GLDAS_CELL = 0.05
_THICKNESS = 100.0  # kg m⁻² of a layer of 0.1 m that is all water


@dataclass(frozen=True)
class Footprints:
    """Cells of another grid over those of the scene.

    Parameters
    ----------
    grid : Grid
        The smallest part of the other grid that has all of the scene.
    cells : ndarray of int (rows × cols of the scene,)
        For each cell of the scene the cell of `grid` that its centre lies in.
    counts : ndarray (rows, cols)
        How many lie in each.
    is_covered : ndarray of bool (rows, cols)
        Whether the scene covers at least half of the cell.
    """

    grid: Grid
    cells: np.ndarray
    counts: np.ndarray
    is_covered: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Average over cells.

        Parameters
        ----------
        values : ndarray (scene's rows, scene's cols)

        Returns
        -------
        ndarray, float32 (rows, cols)
            NaN where the scene covers less than half.
        """
        sums = np.bincount(self.cells, values.ravel(), self.counts.size).reshape(self.counts.shape)
        return np.where(self.is_covered, sums / np.maximum(self.counts, 1), np.nan).astype(np.float32)


def smap_footprints(terrain: Terrain) -> Footprints:
    """Return the cells of the global EASE-Grid 2.0 of 9 km over the scene.

    Parameters
    ----------
    terrain : Terrain

    Returns
    -------
    Footprints
    """
    known = next(grid for grid in KNOWN_GRIDS if (grid.rows, grid.columns) == CATALOGUE["smap_l3_enhanced"].shape)
    whole = Affine(known.cell, 0, known.left, 0, -known.cell, known.top)
    return _footprints(terrain, known.epsg, whole, (known.cell / FINE_CELL) ** 2)


def gldas_footprints(terrain: Terrain) -> Footprints:
    """Return cells of 0.05° over the scene.

    Parameters
    ----------
    terrain : Terrain

    Returns
    -------
    Footprints
    """
    metres = _GLDAS_CELL * 111_200
    full = metres * metres * np.cos(np.radians(terrain.latitude)) / FINE_CELL**2
    return _footprints(terrain, WGS84, Affine(_GLDAS_CELL, 0, -180, 0, -_GLDAS_CELL, 90), float(full))


def _footprints(terrain: Terrain, epsg: int, whole: Affine, full: float) -> Footprints:
    crs = driver().crs(epsg)
    rows, columns = np.indices(terrain.elevation.shape)
    x, y = terrain.grid.transform * (columns.ravel() + 0.5, rows.ravel() + 0.5)
    x, y = transform_points(x, y, terrain.grid.crs, crs)
    column, row = (np.floor(part).astype(int) for part in ~whole * (x, y))
    left, top = int(column.min()), int(row.min())
    width, height = int(column.max()) - left + 1, int(row.max()) - top + 1
    cells = (row - top) * width + column - left
    counts = np.bincount(cells, minlength=width * height).reshape(height, width)
    grid = Grid(crs, whole * Affine.translation(left, top), width, height)
    return Footprints(grid, cells, counts, counts >= full / 2)


def write_smap(
    path: Path,
    footprints: Footprints,
    truth: np.ndarray,
    days: Sequence[int],
    frozen: np.ndarray,
    water: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Write a zip with a file for each day in the layout of SPL3SMP_E, with AM and PM.

    Parameters
    ----------
    path : Path
    footprints : Footprints
    truth : ndarray, float32 (days, rows, cols)
        Mean of each day and cell, m³ m⁻³.
    days : sequence of int
        Of the scene.
    frozen : ndarray of bool (days, rows, cols)
    water : ndarray (rows, cols)
        Share of the cell under water.
    rng : numpy.random.Generator
    """
    grid = footprints.grid
    rows, columns = np.indices((grid.height, grid.width))
    x, y = grid.transform * (columns.ravel() + 0.5, rows.ravel() + 0.5)
    lon, lat = (part.reshape(rows.shape) for part in transform_points(x, y, grid.crs, driver().crs(WGS84)))
    halves = {half: _smap_half(half, truth, frozen, water, rng) for half in SMAP_ERRORS}
    epoch = datetime.fromisoformat(CATALOGUE["smap_l3_enhanced"].epoch)
    with tempfile.TemporaryDirectory(prefix="smtoolbox-") as folder, zipfile.ZipFile(path, "w") as archive:
        for number, day in enumerate(days):
            arrays = []
            for half, (moisture, words) in halves.items():
                end = "_pm" if half == "pm" else ""
                seconds = (date_of(day) - epoch).total_seconds() + 3600 * (_HOURS[half] - lon / 15)
                seen = words[number] != _NOT_SEEN
                layers = (
                    ("soil_moisture", moisture[number], "cm**3/cm**3", _FILL),
                    ("retrieval_qual_flag", words[number], "", float(_NOT_SEEN)),
                    ("latitude", lat.astype(np.float32), "degrees", _FILL),
                    ("longitude", lon.astype(np.float32), "degrees", _FILL),
                    ("tb_time_seconds", np.where(seen, seconds, _FILL), "seconds", _FILL),
                )
                arrays += [
                    NewArray(f"/Soil_Moisture_Retrieval_Data_{half.upper()}/{name}{end}", ("y", "x"), values, gap, unit)
                    for name, values, unit, gap in layers
                ]
            file = Path(folder) / f"SMAP_L3_SM_P_E_{date_of(day):%Y%m%d}_R18290_001.h5"
            write_arrays(str(file), arrays, {"SIMULATED": "yes"})
            info = zipfile.ZipInfo(file.name, NO_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, file.read_bytes())
            file.unlink()


def _smap_half(
    half: str, truth: np.ndarray, frozen: np.ndarray, water: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return soil moisture and quality words of the mornings or evenings."""
    error = SMAP_ERRORS[half]
    doubtful = (rng.random(truth.shape) < SMAP_DOUBTFUL) | frozen | (water > _WATER_LIMIT)
    noise = rng.normal(0, error.noise, truth.shape) * np.where(doubtful, 3, 1)
    values = (error.offset + error.gain * truth + WATER_TOO_WET * water + noise) * np.where(frozen, FROZEN_SHARE, 1)
    words = doubtful.astype(np.uint16)
    words[rng.random(truth.shape) < 0.02] = _FAILED
    words[~swath(truth.shape, 0.5 * (half == "pm")) | np.isnan(truth)] = _NOT_SEEN
    has_value = (words != _FAILED) & (words != _NOT_SEEN)
    return np.where(has_value, np.clip(values, 0.02, 0.7), _FILL).astype(np.float32), words


def write_gldas(
    path: Path, footprints: Footprints, truth: np.ndarray, days: Sequence[int], rng: np.random.Generator
) -> None:
    """Write a NetCDF in the layout of GLDAS Noah, south up, in kg m⁻².

    Parameters
    ----------
    path : Path
    footprints : Footprints
    truth : ndarray, float32 (days, rows, cols)
        Mean of each day and cell, m³ m⁻³.
    days : sequence of int
        Of the scene.
    rng : numpy.random.Generator
    """
    noise = rng.normal(0, GLDAS_ERRORS.noise, truth.shape)
    for number in range(1, len(noise)):
        noise[number] = GLDAS_MEMORY * noise[number - 1] + np.sqrt(1 - GLDAS_MEMORY**2) * noise[number]
    values = _THICKNESS * np.clip(GLDAS_ERRORS.offset + GLDAS_ERRORS.gain * truth + noise, 0.02, 0.6)
    stored = np.where(np.isnan(truth), _FILL, values)[:, ::-1].astype(np.float32)
    grid = footprints.grid
    lon = grid.transform.c + _GLDAS_CELL * (np.arange(grid.width) + 0.5)
    lat = (grid.transform.f - _GLDAS_CELL * (np.arange(grid.height) + 0.5))[::-1]
    time = np.array([(date_of(day) - datetime(2000, 1, 1)).days for day in days], np.float64)
    arrays = [
        NewArray("/time", ("time",), time, None, "days since 2000-01-01 00:00:00", {"calendar": "standard"}),
        NewArray("/lat", ("lat",), lat, None, "degrees_north", {"standard_name": "latitude"}),
        NewArray("/lon", ("lon",), lon, None, "degrees_east", {"standard_name": "longitude"}),
        NewArray(
            "/SoilMoi0_10cm_inst",
            ("time", "lat", "lon"),
            stored,
            _FILL,
            "kg m-2",
            {"long_name": "Soil moisture content (0-10 cm)"},
        ),
    ]
    write_arrays(str(path), arrays, {"Conventions": "CF-1.6", "SIMULATED": "yes"})
