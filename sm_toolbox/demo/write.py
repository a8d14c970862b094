"""Write the demo scene into a folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sm_toolbox.demo import parts, products, scene
from sm_toolbox.demo.archive import write_ismn_archive
from sm_toolbox.demo.filing import SceneFiles, StationWriter
from sm_toolbox.demo.readme import README_TITLE, readme_text
from sm_toolbox.demo.streams import first_streams, streams_of_year
from sm_toolbox.demo.terrain import COARSE_FACTOR, MEDIUM_FACTOR, coarser, load_terrain
from sm_toolbox.errors import InputError, OutputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.arraywriting import can_write_arrays
from sm_toolbox.raster.outputs import check_output, put_in_place, remove_quietly, temporary_name

REAL_TERRAIN = (
    "no: real terrain, SRTM elevation near the Jacksboro fault, Tennessee, from matplotlib's sample data, projected "
    "and cut"
)
MOST_YEARS = 10
_TABLES = ("stations", "stations_validation", "stations_networks", "stations_field", "rain_gauges")
# What a scene may lack, so that one that is replaced may have left it.
_OPTIONAL = (*(f"{name}.gpkg" for name in _TABLES), parts.SMAP_FILE, parts.GLDAS_FILE, *parts.RECORDS)


@dataclass(frozen=True)
class DemoScene:
    """Where the first files of a demo scene lie, and which there are; README.txt says what each is.

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
    written : tuple of str, optional
        Names of all files.
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
    written: tuple[str, ...] = ()

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
        names = (*(f"{name}.tif" for name in rasters), *(f"{name}.csv" for name in tables), "ismn.zip")
        paths: list[Any] = [folder / name for name in names]
        return cls(folder, folder / "README.txt", *paths)


def write_demo_scene(
    folder: str | Path,
    seed: int = 0,
    progress: Progress = SILENT,
    station_writer: StationWriter | None = None,
    years: int = 0,
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
        it is called for `stations.gpkg` and the other tables.
    years : int, optional
        Whole years that follow the season, up to 10; the season is the same without them.

    Returns
    -------
    DemoScene

    Raises
    ------
    InputError
        Where the seed or the years cannot be, or matplotlib came without its sample data.
    OutputError
        Where the folder holds something else or cannot be written.
    Cancelled
        Within a day of the simulation of the user's Cancel; nothing is left behind.
    """
    if seed < 0:
        raise InputError(f"The seed is {seed}, but must be 0 or a positive whole number.")
    if not 0 <= years <= MOST_YEARS:
        raise InputError(f"`years` is {years}, but must be a whole number from 0 to {MOST_YEARS}.")
    target = Path(os.path.abspath(folder))
    _check_folder(target)
    progress.check()
    work = Path(temporary_name(str(target)))
    try:
        work.mkdir()
        _write_files(DemoScene.at(work), seed, years, progress, station_writer)
        progress.check()
        written = tuple(sorted(path.name for path in work.iterdir()))
        _move(work, target)
    except OSError as error:
        raise OutputError(
            f"The demo data cannot be written into '{target}': {error}. Choose another folder, or free some space."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress.set_fraction(1)
    return replace(DemoScene.at(target), written=written)


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
    for name in _OPTIONAL:
        for suffix in ("", "-wal", "-shm"):
            remove_quietly(str(target / f"{name}{suffix}"))
    for path in sorted(work.iterdir(), key=lambda path: path.name == "README.txt"):
        put_in_place(str(path), str(target / path.name))


def _write_files(
    work: DemoScene, seed: int, years: int, progress: Progress, station_writer: StationWriter | None
) -> None:
    files, streams = SceneFiles(work.folder, station_writer), first_streams(seed)
    progress.info("Terrain, soil and weather…")
    terrain = load_terrain()
    soil = scene.make_soil(terrain, streams[0])
    vegetation = scene.make_vegetation(terrain, streams[2])
    sites = products.place_stations(terrain, vegetation, streams[5])
    land = parts.lay_out(terrain, soil, vegetation, sites)
    files.add_static(work.dem.name, terrain.grid, {"dem": terrain.elevation}, REAL_TERRAIN)
    files.add_static(work.soil.name, terrain.grid, {"sand": soil.sand, "clay": soil.clay})
    parts.add_land_cover(files, land, seed, years)
    parts.add_soil(files, land, seed)
    stations, downloads = parts.FurtherStations(files, land, seed), parts.Downloads.over(land)
    weather = scene.make_weather(terrain, streams[1])
    span, after = scene.SEASON, None
    for year in range(years + 1):
        if year:
            streams, span = streams_of_year(seed, year), scene.year_after(year - 1)
            weather = weather.followed_by(scene.make_weather(terrain, streams[1], span.all_days))
        part = progress.part(0.05 + 0.75 * year / (years + 1), 0.05 + 0.75 * (year + 1) / (years + 1))
        part.info("Daily water balance of the topsoil…")
        truth = scene.simulate(terrain, soil, weather, vegetation, part.part(0, 0.7), after)
        part.info("Satellites and stations…")
        composites, coarse = _add_span(work, files, land, weather, truth, span, streams)
        part.set_fraction(0.9)
        stations.add(year, span, parts.rain_of(weather, span), truth)
        downloads.add(span, weather, truth)
        if not year:
            table = files.table(work.stations.name)
            write_ismn_archive(work.ismn, table, terrain, soil, streams[8])
            parts.add_field(files, land, truth, seed)
            parts.add_clouds(files, land, composites, truth, seed)
            if can_write_arrays():
                parts.add_record(files, land, weather, coarse, seed)
        after = scene.year_after(year), truth[-1].copy()
        del truth
    downloads.write(files, seed, can_write_arrays())
    if not can_write_arrays():
        progress.info(
            f"GDAL's Python module (osgeo) is not here, so that {parts.SMAP_FILE}, {parts.GLDAS_FILE} and the ten "
            "years (record_….nc) are left out. Make the demo data in QGIS to have them."
        )
    files.write(progress.part(0.8, 1))
    text = readme_text(seed, years, terrain.grid, station_writer is not None, can_write_arrays())
    work.readme.write_text(text, encoding="utf-8")


def _add_span(
    work: DemoScene,
    files: SceneFiles,
    land: parts.Land,
    weather: scene.Weather,
    truth: np.ndarray,
    span: scene.Span,
    streams: Sequence[np.random.Generator],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Add the layers that the scene has had from the beginning; return reflectances and coarse products."""
    terrain, soil, vegetation = land.terrain, land.soil, land.vegetation
    fine, medium, large = terrain.grid, coarser(terrain.grid, MEDIUM_FACTOR), coarser(terrain.grid, COARSE_FACTOR)
    files.add_dated(
        work.truth.name, fine, span.composites, {"soil_moisture": truth[[day - span.first for day in span.composites]]}
    )
    composites = products.make_composites(terrain, soil, weather, vegetation, truth, streams[3], span)
    for name, path in (
        ("ndvi", work.ndvi),
        ("albedo", work.albedo),
        ("lst_day", work.lst_day),
        ("lst_night", work.lst_night),
    ):
        files.add_dated(path.name, medium, span.composites, {name: composites[name]})
    reflectances = products.make_reflectances(composites["ndvi"], soil, truth, streams[6], span)
    files.add_dated(work.reflectance.name, medium, span.composites, reflectances)
    backscatter, angle = products.make_backscatter(terrain, soil, vegetation, truth, streams[7], span)
    files.add_dated(work.sentinel1.name, fine, products.overpasses(span), backscatter)
    files.add_static(work.sentinel1.name, fine, {"angle": angle})
    # The first days of the season have no whole week of rain behind them.
    skipped = products.FIRST_RAIN_SUM if span is scene.SEASON else 0
    week, index = products.make_rain_products(weather, skipped)
    files.add_dated(work.rain.name, large, span.all_days[skipped:], {"rain_7d": week})
    files.add_dated(work.api.name, large, span.all_days[skipped:], {"api": index})
    coarse = parts.coarse_products(land, weather, truth, span, streams[4])
    for name, path in (
        ("a", work.product_a),
        ("b", work.product_b),
        ("c", work.product_c),
        ("truth", work.product_truth),
    ):
        files.add_dated(path.name, large, span.all_days, {"soil_moisture": coarse[name]})
    sites = land.sites
    table = products.measure(sites, truth[:, sites.rows, sites.columns], streams[5], span)
    is_training = np.isin(table["station"], sites.names[: products.TRAINING_STATIONS])
    files.add_table(work.stations.name, table[is_training])
    files.add_table(work.stations_validation.name, table[~is_training])
    return reflectances, coarse
