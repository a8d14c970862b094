"""Write the demo scene into a folder that appears whole or not at all."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sm_toolbox.demo import products, scene
from sm_toolbox.demo.archive import ISMN_NETWORK, ISMN_STATIONS, write_ismn_archive
from sm_toolbox.demo.terrain import COARSE_FACTOR, MEDIUM_FACTOR, coarser, load_terrain
from sm_toolbox.errors import InputError, OutputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.outputs import RasterOutput, check_output, put_in_place, remove_quietly, temporary_name
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.writing import raster_writer

README_TITLE = "Soil Moisture Toolbox demo data"
SIMULATED = "yes: these values were computed by a model of the Soil Moisture Toolbox, nobody measured them"
REAL_TERRAIN = (
    "no: real terrain, SRTM elevation near the Jacksboro fault, Tennessee, from matplotlib's sample data, projected "
    "and cut"
)

StationWriter = Callable[[np.ndarray, Path], None]


@dataclass(frozen=True)
class DemoScene:
    """Where the files of a demo scene lie.

    Parameters
    ----------
    folder : Path
    readme : Path
        What each file is and which errors were put in.
    dem, soil, truth : Path
        90 m: `dem` (m); `sand` and `clay` (percent); `soil_moisture@date` every eight days (m³ m⁻³).
    ndvi, albedo, lst_day, lst_night : Path
        450 m, every eight days; temperatures in kelvin with gaps.
    reflectance : Path
        450 m, every eight days: `red@date` and six other bands of MODIS.
    sentinel1 : Path
        90 m, every twelve days: `vv@date` and `vh@date` (dB), and `angle` (degrees).
    rain, api : Path
        4.5 km, daily: `rain_7d@date` and `api@date` (mm).
    product_a, product_b, product_c, product_truth : Path
        4.5 km, daily: `soil_moisture@date` (m³ m⁻³).
    stations, stations_validation : Path
        Tables (CSV): station, time, soil_moisture, land_cover, lon, lat.
    ismn : Path
        A few of the stations as an archive of the International Soil Moisture Network.
    """

    folder: Path
    readme: Path
    dem: Path
    soil: Path
    truth: Path
    ndvi: Path
    albedo: Path
    lst_day: Path
    lst_night: Path
    reflectance: Path
    sentinel1: Path
    rain: Path
    api: Path
    product_a: Path
    product_b: Path
    product_c: Path
    product_truth: Path
    stations: Path
    stations_validation: Path
    ismn: Path

    @classmethod
    def at(cls, folder: Path) -> DemoScene:
        """Return the paths of a scene in a folder.

        Parameters
        ----------
        folder : Path

        Returns
        -------
        DemoScene
        """
        rasters = (
            "dem",
            "soil",
            "truth",
            "ndvi",
            "albedo",
            "lst_day",
            "lst_night",
            "reflectance",
            "sentinel1",
            "rain",
            "api",
            "product_a",
            "product_b",
            "product_c",
            "product_truth",
        )
        tables = ("stations", "stations_validation")
        paths = (*(f"{name}.tif" for name in rasters), *(f"{name}.csv" for name in tables), "ismn.zip")
        return cls(folder, folder / "README.txt", *(folder / name for name in paths))


def write_demo_scene(
    folder: str | Path, seed: int = 0, progress: Progress = SILENT, station_writer: StationWriter | None = None
) -> DemoScene:
    """Simulate the demo scene and write it into a folder.

    Parameters
    ----------
    folder : str or Path
        It is created; it may exist where it is empty or holds an earlier demo scene, which is replaced.
    seed : int, optional
        The same seed gives the same scene; not negative.
    progress : Progress, optional
    station_writer : callable, optional
        `station_writer(table, path)` writes a station table as a point layer, for callers that have a library for it;
        it is called for `stations.gpkg` and `stations_validation.gpkg`.

    Returns
    -------
    DemoScene

    Raises
    ------
    InputError
        Where the seed is negative or matplotlib came without its sample data.
    OutputError
        Where the folder holds something else or cannot be written.
    Cancelled
        Within a day of the simulation of the user's Cancel; nothing is left behind.
    """
    if seed < 0:
        raise InputError(f"The seed is {seed}, but must be 0 or a positive whole number.")
    target = Path(os.path.abspath(folder))
    _check_folder(target)
    progress.check()
    work = Path(temporary_name(str(target)))
    try:
        work.mkdir()
        _write_files(DemoScene.at(work), seed, progress, station_writer)
        progress.check()
        _move(work, target)
    except OSError as error:
        raise OutputError(
            f"The demo data cannot be written into '{target}': {error}. Choose another folder, or free some space."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress.set_fraction(1)
    return DemoScene.at(target)


def _check_folder(target: Path) -> None:
    """Reject a folder whose content is not ours to replace."""
    if not target.parent.is_dir():
        raise OutputError(
            f"The folder '{target}' cannot be created: '{target.parent}' does not exist. Create it first."
        )
    if not os.access(target.parent, os.W_OK):
        raise OutputError(
            f"The folder '{target}' cannot be created: you may not write into '{target.parent}'. Choose another folder."
        )
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"'{target}' is a file. Name a folder for the demo data.")
    # File managers leave hidden files of their own in folders that look empty.
    names = sorted(path.name for path in target.iterdir() if not path.name.startswith("."))
    if names and not _is_demo(target):
        raise OutputError(
            f"The folder '{target}' holds other files ({', '.join(names[:3])}{', …' if len(names) > 3 else ''}). "
            "Choose an empty folder, a new one, or one with earlier demo data, which is then replaced."
        )
    for name in names:
        if (target / name).is_file():
            check_output(str(target / name))


def _is_demo(folder: Path) -> bool:
    try:
        with open(folder / "README.txt", encoding="utf-8") as file:
            return file.readline().strip() == README_TITLE
    except (OSError, UnicodeDecodeError):
        return False


def _move(work: Path, target: Path) -> None:
    """Put the complete files in place, the README last: it marks the folder as ours."""
    if not target.exists():
        os.replace(work, target)
        return
    # Layers of an earlier scene would not match the new one.
    for name in ("stations.gpkg", "stations_validation.gpkg"):
        for suffix in ("", "-wal", "-shm"):
            remove_quietly(str(target / f"{name}{suffix}"))
    for path in sorted(work.iterdir(), key=lambda path: path.name == "README.txt"):
        put_in_place(str(path), str(target / path.name))


def _write_files(files: DemoScene, seed: int, progress: Progress, station_writer: StationWriter | None) -> None:
    # A random generator for each part, so that changing one part does not change the others.
    random = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(9)]
    progress.info("Terrain, soil and weather…")
    terrain = load_terrain()
    soil = scene.make_soil(terrain, random[0])
    weather = scene.make_weather(terrain, random[1])
    vegetation = scene.make_vegetation(terrain, random[2])
    progress.info("Daily water balance of the topsoil…")
    truth = scene.simulate(terrain, soil, weather, vegetation, progress.part(0.15, 0.65))
    progress.info("Satellites and stations…")
    composites = products.make_composites(terrain, soil, weather, vegetation, truth, random[3])
    reflectances = products.make_reflectances(composites["ndvi"], soil, truth, random[6])
    backscatter, angle = products.make_backscatter(terrain, soil, vegetation, truth, random[7])
    coarse = products.make_coarse_products(truth, random[4])
    week, index = products.make_rain_products(weather)
    tables = products.make_stations(terrain, vegetation, truth, random[5])
    progress.set_fraction(0.8)

    fine, medium, large = terrain.grid, coarser(terrain.grid, MEDIUM_FACTOR), coarser(terrain.grid, COARSE_FACTOR)
    days, rain_days = range(scene.DAYS), range(products.FIRST_RAIN_SUM, scene.DAYS)
    _write(files.dem, ["dem"], terrain.elevation[None], fine, REAL_TERRAIN)
    _write(files.soil, ["sand", "clay"], np.stack([soil.sand, soil.clay]), fine)
    _write(files.truth, _dated("soil_moisture", scene.COMPOSITES), truth[list(scene.COMPOSITES)], fine)
    for name, path in (
        ("ndvi", files.ndvi),
        ("albedo", files.albedo),
        ("lst_day", files.lst_day),
        ("lst_night", files.lst_night),
    ):
        progress.check()
        _write(path, _dated(name, scene.COMPOSITES), composites[name], medium)
    _write(
        files.reflectance,
        [name for band in reflectances for name in _dated(band, scene.COMPOSITES)],
        np.concatenate(list(reflectances.values())),
        medium,
    )
    radar = [name for band in backscatter for name in _dated(band, products.OVERPASSES)]
    _write(files.sentinel1, [*radar, "angle"], np.concatenate([*backscatter.values(), angle[None]]), fine)
    _write(files.rain, _dated("rain_7d", rain_days), week, large)
    _write(files.api, _dated("api", rain_days), index, large)
    for name, path in (
        ("a", files.product_a),
        ("b", files.product_b),
        ("c", files.product_c),
        ("truth", files.product_truth),
    ):
        progress.check()
        _write(path, _dated("soil_moisture", days), coarse[name], large)
    for table, path in zip(tables, (files.stations, files.stations_validation)):
        _write_table(path, table)
        if station_writer is not None:
            station_writer(table, path.with_suffix(".gpkg"))
    write_ismn_archive(files.ismn, tables[0], terrain, soil, random[8])
    files.readme.write_text(_readme(seed, fine, station_writer is not None), encoding="utf-8")


def _dated(variable: str, days: Iterable[int]) -> list[str]:
    return [band_name(variable, Time(scene.date_of(day))) for day in days]


def _write(path: Path, names: Sequence[str], values: np.ndarray, grid: Grid, simulated: str = SIMULATED) -> None:
    with raster_writer(RasterOutput(str(path), names, {"SIMULATED": simulated}), grid) as writer:
        writer.write(values.astype(np.float32), Window(0, 0, grid.width, grid.height))


def _write_table(path: Path, table: np.ndarray) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=os.linesep)
        writer.writerow(table.dtype.names)
        writer.writerows(table.tolist())


def _readme(seed: int, grid: Grid, has_layers: bool) -> str:
    first, last = scene.date_of(0), scene.date_of(scene.DAYS - 1)
    errors = "\n".join(
        f"  product_{name}  = {error.offset:g} + {error.gain:g} × truth + noise of standard deviation {error.noise:g}"
        for name, error in products.PRODUCT_ERRORS.items()
    )
    points = (
        "stations.gpkg, stations_validation.gpkg   the same as point layers"
        if has_layers
        else "(Made without QGIS: load the tables as points, lon and lat in EPSG:4326.)"
    )
    return f"""{README_TITLE}

ALL MOISTURE, SOIL, WEATHER AND SATELLITE VALUES ARE SIMULATED. Only the terrain is real: SRTM elevation near the \
Jacksboro
fault, Tennessee, from matplotlib's sample data. Use it to learn and to test, never to say anything about the place.

Seed {seed}; {first:%Y-%m-%d} to {last:%Y-%m-%d}; UTM zone 16N (EPSG:32616); {grid.width} × {grid.height} cells of 90 m.

90 m
  dem.tif         dem: elevation, m (real)
  soil.tif        sand, clay: percent
  truth.tif       soil_moisture@date: the truth, mean of the day, m³ m⁻³, every eight days. \
Compare your maps with it; never train on it.
  sentinel1.tif   vv@date, vh@date: backscatter, dB, every twelve days, with speckle; \
angle: local incidence angle, degrees
450 m, every eight days (MODIS calendar, named after the first of the eight days)
  ndvi.tif        ndvi@date
  reflectance.tif red@date and nir, blue, green, swir_1240, swir1, swir2: surface reflectance
  albedo.tif      albedo@date
  lst_day.tif     lst_day@date: K, gaps under clouds
  lst_night.tif   lst_night@date: K, gaps under clouds
4.5 km, daily
  rain.tif        rain_7d@date: rain of the day and the six before, mm \
(from {scene.date_of(products.FIRST_RAIN_SUM):%Y-%m-%d})
  api.tif         api@date: antecedent precipitation index, mm, k = {products.API_MEMORY:g}
  product_a.tif, product_b.tif, product_c.tif   soil_moisture@date: three products with errors of their own, m³ m⁻³
  product_truth.tif                             soil_moisture@date: what they should have shown
Stations, one row per station and day, days without a measurement left out
  stations.csv              {products.TRAINING_STATIONS} stations for training: \
station, time, soil_moisture (m³ m⁻³), land_cover, lon, lat
  stations_validation.csv   {products.VALIDATION_STATIONS} other stations; \
keep them for validation
  {points}
  ismn.zip                  {ISMN_STATIONS} of the stations for training as an archive of the International Soil \
Moisture Network (header+values): four readings a day
                            with quality flags at 0.05 m, two sensors at some stations, and 0.20 m at one. \
The network is called {ISMN_NETWORK}.

The errors that were put in (m³ m⁻³)
{errors}
  The noise of the products is independent from day to day, from cell to cell and of the other products; \
product_a has the gaps of an orbit.
  stations  = truth of their 90 m cell + a bias of each station \
(standard deviation {products.STATION_BIAS:g}) + daily noise ({products.STATION_NOISE:g})

First steps in QGIS (Processing toolbox > Soil Moisture Toolbox)
  1. Terrain indices on dem.tif.
  2. Sample predictors at stations: stations.gpkg; terrain indices, soil.tif, ndvi.tif, rain.tif, api.tif; \
MAX_TIME_GAP 4.
  3. Train model: target soil_moisture, split by station. Then split at random and \
see how much better it looks than it is.
  4. Predict raster on the same predictors, and compare the map with truth.tif.
  5. Validate against stations: the map and stations_validation.gpkg.
  6. Triple collocation of product_a, product_b and product_c: does it find the errors above?
"""
