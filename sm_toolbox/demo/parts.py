"""The parts of the scene beside the first ones, each with its truth, as files."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.demo import clouds, cover, networks, products
from sm_toolbox.demo.downloads import Footprints, gldas_footprints, smap_footprints, write_gldas, write_smap
from sm_toolbox.demo.field import field_backscatter, field_moisture, make_field
from sm_toolbox.demo.fields import block_mean
from sm_toolbox.demo.filing import SceneFiles
from sm_toolbox.demo.record import make_record
from sm_toolbox.demo.scene import FIRST_DAY, SEASON, Soil, Span, Weather, soil_temperature
from sm_toolbox.demo.soilgrids import SOILGRIDS_FACTOR, as_soilgrids, make_soil_properties
from sm_toolbox.demo.streams import own_stream
from sm_toolbox.demo.terrain import COARSE_FACTOR, MEDIUM_FACTOR, Terrain, coarser
from sm_toolbox.sensors.quantities import FRACTION, KELVIN

SENTINEL2_DAYS = tuple(products.overpasses()[1::4])
SMAP_FILE, GLDAS_FILE = "smap_l3.zip", "GLDAS_NOAH025_D.A20190401.021.nc4"
RECORDS = tuple(f"record_{name}.nc" for name in ("a", "b", "c", "truth", "weather", "flag"))
_CLOUD_LENGTH = 6.0  # in cells of 450 m


@dataclass(frozen=True)
class Land:
    """What does not change from day to day.

    Parameters
    ----------
    terrain : Terrain
    soil : Soil
    vegetation : ndarray (rows, cols)
    sites : Sites
        The scene's first stations.
    land_cover : ndarray (rows, cols)
        Numbers of `LAND_COVER_CLASSES`.
    """

    terrain: Terrain
    soil: Soil
    vegetation: np.ndarray
    sites: products.Sites
    land_cover: np.ndarray


def lay_out(terrain: Terrain, soil: Soil, vegetation: np.ndarray, sites: products.Sites) -> Land:
    """Return the land, with a lake and ice.

    Parameters
    ----------
    terrain : Terrain
    soil : Soil
    vegetation : ndarray (rows, cols)
    sites : Sites

    Returns
    -------
    Land
    """
    names = products.name_land_cover(terrain, vegetation)
    return Land(terrain, soil, vegetation, sites, cover.make_land_cover(terrain, names, sites))


def add_land_cover(files: SceneFiles, land: Land, seed: int, years: int) -> None:
    """Add the truth of the land cover, and a product with a band for each year.

    Parameters
    ----------
    files : SceneFiles
    land : Land
    seed : int
    years : int
        That follow the season.
    """
    grid = land.terrain.grid
    files.add_static("landcover_truth.tif", grid, {"land_cover": land.land_cover})
    bands = {
        f"land_cover@{FIRST_DAY.year + year}": cover.make_land_cover_product(
            land.land_cover, own_stream(seed, "land_cover", year)
        )
        for year in range(years + 1)
    }
    files.add_static("landcover.tif", coarser(grid, MEDIUM_FACTOR), bands)


def add_soil(files: SceneFiles, land: Land, seed: int) -> None:
    """Add the truth of the soil, and files like those of SoilGrids.

    Parameters
    ----------
    files : SceneFiles
    land : Land
    seed : int
    """
    rng = own_stream(seed, "soilgrids")
    truth = make_soil_properties(land.terrain, land.soil, land.vegetation, rng)
    units = {"bulk_density": "g cm-3", "organic_carbon": "g kg-1"}
    units |= dict.fromkeys(("porosity", "field_capacity", "wilting_point"), FRACTION)
    files.add_static("soil_truth.tif", land.terrain.grid, truth, units=units)
    whole = {**truth, "sand": land.soil.sand, "clay": land.soil.clay}
    for name, values in as_soilgrids(whole, rng).items():
        # As in the provider's files, the band has no name.
        files.add_static(f"{name}.tif", coarser(land.terrain.grid, SOILGRIDS_FACTOR), {"": values})


def add_field(files: SceneFiles, land: Land, truth: np.ndarray, seed: int) -> None:
    """Add the field with its sensors and its radar, of the season.

    Parameters
    ----------
    files : SceneFiles
    land : Land
    truth : ndarray (DAYS, rows, cols)
    seed : int
    """
    rng = own_stream(seed, "field")
    field_ = make_field(land.terrain, land.land_cover, rng)
    daily = np.stack([field_moisture(field_, land.soil, day) for day in truth])
    days = list(products.overpasses())
    backscatter, angle = field_backscatter(field_, land.soil, daily[days], rng)
    files.add_static("field_dem.tif", field_.grid, {"dem": field_.elevation})
    files.add_dated("field_truth.tif", field_.grid, days, {"soil_moisture": daily[days]}, {"soil_moisture": FRACTION})
    files.add_dated("field_radar.tif", field_.grid, days, backscatter)
    files.add_static("field_radar.tif", field_.grid, {"angle": angle})
    at = daily[:, field_.sites.rows, field_.sites.columns]
    files.add_table("stations_field.csv", products.measure(field_.sites, at, rng))


def add_clouds(
    files: SceneFiles, land: Land, reflectances: dict[str, np.ndarray], truth: np.ndarray, seed: int
) -> None:
    """Add reflectances as they come, their quality layers, and the truth of those that have none yet; of the season.

    Parameters
    ----------
    files : SceneFiles
    land : Land
    reflectances : dict of str to ndarray (periods, rows / 5, cols / 5)
    truth : ndarray (DAYS, rows, cols)
    seed : int
    """
    fine, medium = land.terrain.grid, coarser(land.terrain.grid, MEDIUM_FACTOR)
    for number, day in enumerate(SEASON.composites):
        rng = own_stream(seed, "clouds", number)
        drawn = clouds.draw_clouds(rng, (medium.height, medium.width), _CLOUD_LENGTH)
        clear = {name: reflectances[name][number] for name in ("red", "nir")}
        seen = clouds.cover_with_clouds(clear, drawn)
        files.add_dated("reflectance_cloudy.tif", medium, [day], {name: band[None] for name, band in seen.items()})
        files.add_dated("state.tif", medium, [day], {"state": clouds.state_words(drawn)[None]})
    for number, day in enumerate(SENTINEL2_DAYS):
        rng = own_stream(seed, "clouds", 1000 + number)
        drawn = clouds.draw_clouds(rng, (fine.height, fine.width), _CLOUD_LENGTH * MEDIUM_FACTOR)
        clear = clouds.fine_reflectances(land.soil, land.vegetation, truth[day], land.land_cover, day)
        seen = clouds.cover_with_clouds(clear, drawn)
        ndvi = (clear["nir"] - clear["red"]) / (clear["nir"] + clear["red"])
        classes = clouds.scene_classes(drawn, land.land_cover, ndvi)
        files.add_dated("sentinel2_truth.tif", fine, [day], {name: band[None] for name, band in clear.items()})
        files.add_dated("sentinel2.tif", fine, [day], {name: band[None] for name, band in seen.items()})
        files.add_dated("scl.tif", fine, [day], {"scl": classes[None]})


def add_record(files: SceneFiles, land: Land, weather: Weather, coarse: dict[str, np.ndarray], seed: int) -> None:
    """Add ten years of the coarse products.

    Parameters
    ----------
    files : SceneFiles
    land : Land
    weather : Weather
        Of the season.
    coarse : dict of str to ndarray (DAYS, rows / 50, cols / 50)
        As `make_coarse_products`.
    seed : int
    """
    rng = own_stream(seed, "record")
    record = make_record(land.terrain, land.soil, weather, land.vegetation, coarse, rng)
    grid = coarser(land.terrain.grid, COARSE_FACTOR)
    for name, values in record.moisture.items():
        files.add_dated(f"record_{name}.nc", grid, record.days, {"soil_moisture": values}, {"soil_moisture": FRACTION})
    files.add_dated(
        "record_weather.nc",
        grid,
        record.days,
        {"rain": record.rain, "soil_temperature": record.temperature},
        {"rain": "mm", "soil_temperature": KELVIN},
    )
    files.add_dated("record_flag.nc", grid, record.days, {"retrieval_qual_flag": record.flag})


class FurtherStations:
    """The networks and rain gauges, span by span.

    Parameters
    ----------
    files : SceneFiles
    land : Land
    seed : int
    """

    def __init__(self, files: SceneFiles, land: Land, seed: int):
        self._files, self._land, self._seed = files, land, seed
        self._networks = networks.place_networks(land.terrain, land.land_cover, own_stream(seed, "networks"))
        self._gauges = networks.place_gauges(land.terrain, own_stream(seed, "gauges"))

    def add(self, year: int, span: Span, rain: np.ndarray, truth: np.ndarray) -> None:
        """Add a span to their tables.

        Parameters
        ----------
        year : int
            0 for the season.
        span : Span
        rain : ndarray (days, rows / 5, cols / 5)
            mm per day.
        truth : ndarray (days, rows, cols)
        """
        for number, (network, sites) in enumerate(self._networks.items()):
            rng = own_stream(self._seed, "networks", 1 + len(self._networks) * year + number)
            table = products.measure(sites, truth[:, sites.rows, sites.columns], rng, span)
            self._files.add_table("stations_networks.csv", networks.with_network(table, network))
        terrain = self._land.terrain
        rng = own_stream(self._seed, "gauges", 1 + year)
        self._files.add_table("rain_gauges.csv", networks.measure_rain(terrain, self._gauges, rain, rng, span))
        grid = coarser(terrain.grid, MEDIUM_FACTOR)
        self._files.add_dated("rain_truth.tif", grid, span.all_days, {"rain": rain}, {"rain": "mm"})


@dataclass
class Downloads:
    """What the files of SMAP and GLDAS need to know, span by span.

    Parameters
    ----------
    land : Land
    smap, gldas : Footprints
    days : list of int
    truth_smap, truth_gldas, frozen : list of ndarray (days, rows, cols)
    """

    land: Land
    smap: Footprints
    gldas: Footprints
    days: list[int] = field(default_factory=list)
    truth_smap: list[np.ndarray] = field(default_factory=list)
    truth_gldas: list[np.ndarray] = field(default_factory=list)
    frozen: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def over(cls, land: Land) -> Downloads:
        """Return downloads without a day yet.

        Parameters
        ----------
        land : Land

        Returns
        -------
        Downloads
        """
        return cls(land, smap_footprints(land.terrain), gldas_footprints(land.terrain))

    def add(self, span: Span, weather: Weather, truth: np.ndarray) -> None:
        """Add the days of a span.

        Parameters
        ----------
        span : Span
        weather : Weather
        truth : ndarray (days, rows, cols)
        """
        self.days += span.all_days
        self.truth_smap.append(np.stack([self.smap.mean(day) for day in truth]))
        self.truth_gldas.append(np.stack([self.gldas.mean(day) for day in truth]))
        elevation = self.land.terrain.elevation
        # Where the scene covers too little of a cell, there is no height and nothing freezes.
        self.frozen.append(soil_temperature(weather, self.smap.mean(elevation) - elevation.mean()) < 273.15)

    def write(self, files: SceneFiles, seed: int, with_arrays: bool) -> None:
        """Write the files, and add their truth.

        Parameters
        ----------
        files : SceneFiles
        seed : int
        with_arrays : bool
            Whether HDF5 and NetCDF can be written.
        """
        of_smap, of_gldas = np.concatenate(self.truth_smap), np.concatenate(self.truth_gldas)
        units = {"soil_moisture": FRACTION}
        files.add_dated("smap_truth.tif", self.smap.grid, self.days, {"soil_moisture": of_smap}, units)
        files.add_dated("gldas_truth.tif", self.gldas.grid, self.days, {"soil_moisture": of_gldas}, units)
        if not with_arrays:
            return
        is_water = self.land.land_cover == cover.LAND_COVER_CLASSES["water"]
        water = np.nan_to_num(self.smap.mean(is_water.astype(np.float32)))
        frozen, rng = np.concatenate(self.frozen), own_stream(seed, "smap")
        write_smap(files.folder / SMAP_FILE, self.smap, of_smap, self.days, frozen, water, rng)
        write_gldas(files.folder / GLDAS_FILE, self.gldas, of_gldas, self.days, own_stream(seed, "gldas"))


def rain_of(weather: Weather, span: Span) -> np.ndarray:
    """Return the rain of a span's own days.

    Parameters
    ----------
    weather : Weather
    span : Span

    Returns
    -------
    ndarray (days, rows, cols)
    """
    return weather.rain[-span.days :]


def coarse_products(
    land: Land, weather: Weather, truth: np.ndarray, span: Span, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return the coarse products of a span, with frost where there is some.

    Parameters
    ----------
    land : Land
    weather : Weather
    truth : ndarray (days, rows, cols)
    span : Span
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray (days, rows / 50, cols / 50)
        As `make_coarse_products`.
    """
    height = block_mean(land.terrain.elevation, COARSE_FACTOR)
    frozen = None if span is SEASON else soil_temperature(weather, height - height.mean()) < 273.15
    return products.make_coarse_products(block_mean(truth, COARSE_FACTOR), rng, span, frozen)
