"""A few of the demo scene's stations as an archive of the International Soil Moisture Network."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from sm_toolbox.demo.scene import Soil
from sm_toolbox.demo.terrain import WGS84, Terrain
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.points import transform_points

ISMN_NETWORK = "SIMULATED"
ISMN_STATIONS = 6
_HOURS = (2, 8, 14, 20)
_NOISE = 0.004  # m³ m⁻³, of one reading
_DUBIOUS = 0.03  # of all readings
_FLAGS = np.array(["C02", "D04", "D05", "D04,D05", "D06"])
_LAND_COVER = {
    "forest": (60, "Tree cover, broadleaved, deciduous, Closed to open (>15%)"),
    "cropland": (10, "Cropland, rainfed"),
    "grassland": (130, "Grassland"),
}
NO_DATE = (2020, 1, 1, 0, 0, 0)  # the same in every run, so that the file is


def write_ismn_archive(
    path: Path, stations: np.ndarray, terrain: Terrain, soil: Soil, rng: np.random.Generator
) -> None:
    """Write the first stations of a table in ISMN's format header+values.

    Parameters
    ----------
    path : Path
        The zip.
    stations : structured ndarray (rows,)
        One row per station and day: station, time, soil_moisture (m³ m⁻³), land_cover, lon, lat.
    terrain : Terrain
    soil : Soil
    rng : numpy.random.Generator
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, name in enumerate(np.unique(stations["station"])[:ISMN_STATIONS].tolist()):
            table = stations[stations["station"] == name]
            cell = _cell(table[0], terrain.grid)
            folder = f"{ISMN_NETWORK}/{name}/{ISMN_NETWORK}_{ISMN_NETWORK}_{name}"
            depths = [(0.05, "Probe-A")] + [(0.05, "Probe-B")] * (number % 2) + [(0.20, "Probe-A")] * (number == 0)
            for depth, sensor in depths:
                file = f"{folder}_sm_{depth:.6f}_{depth:.6f}_{sensor}_20190401_20190930.stm"
                _add(archive, file, _sensor_file(table, float(terrain.elevation[cell]), depth, sensor, rng))
            _add(
                archive,
                f"{folder}_static_variables.csv",
                _static_file(table[0], float(soil.sand[cell]), float(soil.clay[cell])),
            )


def _cell(row: np.void, grid: Grid) -> tuple[int, int]:
    x, y = transform_points(np.array([row["lon"]]), np.array([row["lat"]]), driver().crs(WGS84), grid.crs)
    column, line = ~grid.transform * (x[0], y[0])
    return int(line), int(column)


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    info = zipfile.ZipInfo(name, NO_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, text)


def _sensor_file(table: np.ndarray, elevation: float, depth: float, sensor: str, rng: np.random.Generator) -> str:
    first = table[0]
    days = np.repeat(table["soil_moisture"], len(_HOURS))
    if depth > 0.1:
        # Deeper soil is damper and follows slowly.
        days = 0.05 + _following(days, 20 * len(_HOURS))
    values = np.maximum(days + rng.normal(0, _NOISE, len(days)), 0.001)
    flags = np.full(len(values), "G", object)
    dubious = rng.random(len(values)) < _DUBIOUS
    flags[dubious] = _FLAGS[rng.integers(0, len(_FLAGS), int(dubious.sum()))]
    values[dubious] += rng.normal(0.1, 0.05, int(dubious.sum()))
    times = [f"{day:%Y/%m/%d} {hour:02d}:00" for day in table["time"].tolist() for hour in _HOURS]
    head = (
        f"{ISMN_NETWORK:10} {ISMN_NETWORK:10} {first['station']:15} {first['lat']:10.5f} {first['lon']:11.5f} "
        f"{elevation:8.2f} {depth:5.2f} {depth:5.2f} {sensor}"
    )
    return (
        "\n".join([head, *(f"{time} {value:8.4f} {flag} M" for time, value, flag in zip(times, values, flags))]) + "\n"
    )


def _following(values: np.ndarray, span: int) -> np.ndarray:
    """Return means of all values so far, each weighted by 1 - 2 / (span + 1) to the power of its age."""
    kept = 1 - 2 / (span + 1)
    means, total, weight = np.empty(len(values)), 0.0, 0.0
    for number, value in enumerate(values):
        total, weight = kept * total + value, kept * weight + 1
        means[number] = total / weight
    return means


def _static_file(row: np.void, sand: float, clay: float) -> str:
    code, cover = _LAND_COVER[row["land_cover"]]
    rows = [
        "quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name",
        f"sand fraction;% weight;0.00;0.30;{sand:.2f};;simulated",
        f"clay fraction;% weight;0.00;0.30;{clay:.2f};;simulated",
        f"land cover classification;;;;{code};{cover};CCI_landcover_2010",
        "climate classification;;;;Cfa;Temperate - Without dry season - Hot Summer;koeppen_geiger_2007",
    ]
    return "\n".join(rows) + "\n"
