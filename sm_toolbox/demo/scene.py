"""Soil, weather and the simulated truth: a daily water balance of the topsoil in every 90 m cell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from sm_toolbox.demo.fields import random_field, standardised
from sm_toolbox.demo.terrain import MEDIUM_FACTOR, Terrain, declination_fao56, insolation
from sm_toolbox.progress import SILENT, Progress

FIRST_DAY = datetime(2019, 4, 1)
DAYS = 183
SPIN_UP = 40  # days before the first, so that the start does not show in the truth
COMPOSITE_DAYS = 8
_LATERAL_REACH = 4  # cells over which water runs sideways within a day or so
_REINFILTRATION = 0.6  # of the water that runs sideways; the rest reaches a stream
_ROOT_SHARE = 0.75  # of the evapotranspiration is taken from the topsoil
_WINTER, _FROST = 46, 9.0  # days around 5 January that are colder than the cosine of the season, and by how many K
_LAPSE = 0.0065  # K per metre of height
_FROST_DAYS = 5  # over whose mean temperature the soil freezes


def date_of(day: int) -> datetime:
    """Return the date of a day of the scene; 0 is the first, days of the spin-up are negative.

    Parameters
    ----------
    day : int

    Returns
    -------
    datetime
    """
    return FIRST_DAY + timedelta(days=day)


def day_of_year(day: int) -> int:
    """Return the day of the year, 1 for 1 January.

    Parameters
    ----------
    day : int
        Day of the scene, as `date_of`.

    Returns
    -------
    int
    """
    return date_of(day).timetuple().tm_yday


@dataclass(frozen=True)
class Span:
    """Days that are simulated in one go: the season, or one of the years that follow it.

    Parameters
    ----------
    first, days : int
        First day of the scene, and how many.
    """

    first: int
    days: int

    @property
    def all_days(self) -> range:
        """Days of the scene."""
        return range(self.first, self.first + self.days)

    @property
    def composites(self) -> tuple[int, ...]:
        """First days of the 8-day periods, whose calendar starts anew each 1 January as that of MODIS does."""
        return tuple(day for day in self.all_days if (day_of_year(day) - 1) % COMPOSITE_DAYS == 0)


SEASON = Span(0, DAYS)


def year_after(years: int) -> Span:
    """Return one of the years that follow the season.

    Parameters
    ----------
    years : int
        How many years lie between it and the season.

    Returns
    -------
    Span
        From 1 October to 30 September.
    """
    end = FIRST_DAY + timedelta(days=DAYS)
    first = end.replace(year=end.year + years)
    return Span((first - FIRST_DAY).days, (first.replace(year=first.year + 1) - first).days)


@dataclass(frozen=True)
class Soil:
    """Texture and hydraulic limits, each float32 (rows, cols).

    Parameters
    ----------
    sand, clay : ndarray
        Percent.
    porosity, field_capacity, wilting_point, residual : ndarray
        m³ m⁻³.
    drainage_days : ndarray
        Days in which the water above field capacity falls to 1/e.
    depth : ndarray
        Thickness of the layer of the water balance, mm.
    """

    sand: np.ndarray
    clay: np.ndarray
    porosity: np.ndarray
    field_capacity: np.ndarray
    wilting_point: np.ndarray
    residual: np.ndarray
    drainage_days: np.ndarray
    depth: np.ndarray

    def wetness(self, soil_moisture: np.ndarray) -> np.ndarray:
        """Scale soil moisture to 0 (residual) … 1 (saturated).

        Parameters
        ----------
        soil_moisture : ndarray (..., rows, cols)
            m³ m⁻³.

        Returns
        -------
        ndarray, same shape
        """
        scaled: np.ndarray = (soil_moisture - self.residual) / (self.porosity - self.residual)
        return scaled


def make_soil(terrain: Terrain, rng: np.random.Generator) -> Soil:
    """Draw the soil: finer in the valleys, coarser on the ridges, with patches of its own.

    Parameters
    ----------
    terrain : Terrain
    rng : numpy.random.Generator

    Returns
    -------
    Soil

    Notes
    -----
    Porosity, suction curve and conductivity follow Cosby et al. 1984 (doi 10.1029/WR020i006p00682, Table 5), field
    capacity and wilting point are taken at -33 and -1500 kPa. Soils on slopes that face north hold more water (Geroy et
    al. 2011, doi 10.1002/hyp.8281). What no soil map shows, structure and stones, shifts field capacity and depth in
    patches.
    """
    shape = terrain.elevation.shape
    patches, texture, structure, stones = (random_field(rng, shape, length) for length in (40, 15, 12, 20))
    fine = standardised(0.9 * patches + 0.45 * terrain.hollow)
    clay = np.clip(24 + 9 * fine + 2 * texture, 5, 55)
    sand = np.clip(38 - 13 * fine + 6 * texture, 8, 85)
    sand = np.minimum(sand, 95 - clay)

    porosity = 0.489 - 0.00126 * sand
    saturated_suction = 10 ** (1.88 - 0.0131 * sand)  # cm
    conductivity = 25.4 * 24 * 10 ** (-0.884 + 0.0153 * sand)  # mm per day; the paper has inches per hour
    exponent = 2.91 + 0.159 * clay
    # 1 kPa is a water column of 10.2 cm.
    field_capacity = porosity * (33 * 10.2 / saturated_suction) ** (-1 / exponent)
    wilting_point = porosity * (1500 * 10.2 / saturated_suction) ** (-1 / exponent)
    # In hollows the water table is near and keeps the soil above it from draining as far.
    shallow_water_table = 0.3 * np.clip(terrain.hollow, 0, 2.5) / 2.5
    field_capacity += shallow_water_table * (porosity - field_capacity) + 0.08 * terrain.normal[1] + 0.024 * structure
    field_capacity = np.clip(field_capacity, wilting_point + 0.03, porosity - 0.03)
    drainage_days = 2.0 * (conductivity / 300) ** -0.5 * np.exp(0.3 * terrain.hollow)
    depth = 150 * np.exp(0.12 * stones + 0.08 * terrain.hollow)
    return Soil(
        *(
            values.astype(np.float32)
            for values in (
                sand,
                clay,
                porosity,
                field_capacity,
                wilting_point,
                0.5 * wilting_point,
                drainage_days,
                depth,
            )
        )
    )


@dataclass(frozen=True)
class Weather:
    """Daily weather, the SPIN_UP days before the first one of a span included.

    Parameters
    ----------
    rain : ndarray, float32 (days, rows, cols)
        mm per day on the 450 m grid, or a coarser one.
    temperature, temperature_range, evapotranspiration : ndarray (days,)
        Mean air temperature at the scene's mean elevation (°C), its daily range (K), reference evapotranspiration (mm
        per day).
    """

    rain: np.ndarray
    temperature: np.ndarray
    temperature_range: np.ndarray
    evapotranspiration: np.ndarray

    def followed_by(self, other: Weather, kept: int = SPIN_UP) -> Weather:
        """Return the last days of this weather with other weather after them.

        Parameters
        ----------
        other : Weather
        kept : int, optional
            Days of this one.

        Returns
        -------
        Weather
        """
        names = ("rain", "temperature", "temperature_range", "evapotranspiration")
        return Weather(*(np.concatenate([getattr(self, name)[-kept:], getattr(other, name)]) for name in names))


def make_weather(
    terrain: Terrain,
    rng: np.random.Generator,
    days: range = range(-SPIN_UP, DAYS),
    factor: int = MEDIUM_FACTOR,
) -> Weather:
    """Draw the weather: frontal rain in spring, showers in summer, a drier autumn, frost in January.

    Parameters
    ----------
    terrain : Terrain
    rng : numpy.random.Generator
    days : range, optional
        Days of the scene; by default the season with its spin-up.
    factor : int, optional
        Cells of 90 m along a side of those of the rain.

    Returns
    -------
    Weather

    Notes
    -----
    Rain is a two-state Markov chain with gamma amounts (Richardson 1981, doi 10.1029/WR017i001p00182);
    evapotranspiration after Hargreaves & Samani 1985 with the radiation of FAO-56 (Allen et al. 1998, Eq. 21).
    """
    doy = np.array([day_of_year(day) for day in days])
    summer = np.exp(-(((doy - 205) / 45) ** 2))
    # What follows from 1 October to 20 February leaves the season as it is to the last bit.
    dry_season = np.clip((doy - 150) / 120, 0, 1) * np.clip((330 - doy) / 40, 0, 1)
    from_midwinter = np.abs((doy - 5 + 182) % 365 - 182)
    frost = np.where(from_midwinter < _WINTER, _FROST * np.cos(np.pi / 2 * from_midwinter / _WINTER) ** 2, 0.0)

    wet = np.zeros(len(doy), bool)
    for i, chance in enumerate(rng.random(len(doy))):
        wet[i] = chance < (0.55 if i and wet[i - 1] else 0.26) * (1 - 0.45 * dry_season[i])
    amount = np.where(wet, rng.gamma(0.8, 13, len(doy)), 0)

    shape = tuple(size // factor for size in terrain.elevation.shape)
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    wetter_west = 0.15 * standardised(-columns - 0.5 * rows)
    rain = np.zeros((len(doy), *shape), np.float32)
    for i in np.flatnonzero(wet):
        patchiness = 0.25 + 0.65 * summer[i]
        cells = random_field(rng, shape, 16 * MEDIUM_FACTOR / factor)
        rain[i] = amount[i] * np.exp(wetter_west + patchiness * cells - patchiness**2 / 2)
        rain[i][cells < -2.2 + 1.4 * summer[i]] = 0

    noise = np.zeros(len(doy))
    for i, shock in enumerate(rng.normal(0, 1.4, len(doy))):
        noise[i] = (0.7 * noise[i - 1] if i else 0) + shock
    temperature = 14.5 + 10 * np.cos(2 * np.pi * (doy - 200) / 365) + noise - 1.5 * wet - frost
    temperature_range = np.where(wet, 7.5, 12.5) + rng.normal(0, 1, len(doy))
    evapotranspiration = (
        0.0023 * _radiation(terrain.latitude, doy) * (temperature + 17.8) * np.sqrt(np.maximum(temperature_range, 2))
    )
    return Weather(rain, temperature, temperature_range, np.maximum(evapotranspiration, 0.2))


def _radiation(latitude: float, doy: np.ndarray) -> np.ndarray:
    """Return the radiation above the atmosphere as mm of water that it could evaporate per day."""
    phi, delta = np.radians(latitude), declination_fao56(doy)
    sunset = np.arccos(-np.tan(phi) * np.tan(delta))
    megajoules = 24 * 60 / np.pi * 0.082 * (1 + 0.033 * np.cos(2 * np.pi * doy / 365))
    result: np.ndarray = (
        0.408 * megajoules * (sunset * np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.sin(sunset))
    )
    return result


def make_vegetation(terrain: Terrain, rng: np.random.Generator) -> np.ndarray:
    """Draw the share of the ground that plants cover in summer: woods on slopes, fields in the valleys.

    Parameters
    ----------
    terrain : Terrain
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32 (rows, cols)
        0 … 1.
    """
    pattern = standardised(
        0.9 * random_field(rng, terrain.elevation.shape, 18)
        + 0.7 * standardised(np.minimum(terrain.slope, 0.4))
        - 0.3 * terrain.hollow
    )
    return np.clip(0.66 + 0.13 * pattern, 0.2, 0.95)


def season(doy: float) -> float:
    """Return the state of the leaves, 0 in winter to 1 in summer.

    Double logistic, Beck et al. 2006, doi 10.1016/j.rse.2005.10.021.

    Parameters
    ----------
    doy : float
        Day of the year.

    Returns
    -------
    float
    """
    return float(1 / (1 + np.exp(-0.08 * (doy - 112))) + 1 / (1 + np.exp(0.06 * (doy - 290))) - 1)


def soil_temperature(weather: Weather, height: np.ndarray) -> np.ndarray:
    """Return the daily temperature of the topsoil, which follows the air's of five days.

    Parameters
    ----------
    weather : Weather
    height : ndarray (rows, cols)
        Metres above the scene's mean elevation.

    Returns
    -------
    ndarray, float32 (days, rows, cols)
        Kelvin, of the days after the first SPIN_UP; the soil is frozen below 273.15.
    """
    sums = np.cumsum(weather.temperature)
    means = (sums[SPIN_UP:] - sums[SPIN_UP - _FROST_DAYS : -_FROST_DAYS]) / _FROST_DAYS
    kelvin: np.ndarray = (273.15 + means[:, None, None] - _LAPSE * height).astype(np.float32)
    return kelvin


def simulate(
    terrain: Terrain,
    soil: Soil,
    weather: Weather,
    vegetation: np.ndarray,
    progress: Progress = SILENT,
    after: tuple[Span, np.ndarray] | None = None,
) -> np.ndarray:
    """Run the water balance of the topsoil.

    Parameters
    ----------
    terrain : Terrain
    soil : Soil
    weather : Weather
    vegetation : ndarray, float32 (rows, cols)
        Share of the ground that plants cover in summer.
    progress : Progress, optional
    after : (Span, ndarray (rows, cols)), optional
        The days to simulate, and the moisture of the day before; by default the season, after its spin-up.

    Returns
    -------
    ndarray, float32 (days, rows, cols)
        Daily soil moisture, m³ m⁻³, between residual and porosity.

    Notes
    -----
    Of the rain a share that grows with wetness runs off (Bergström 1992, the HBV model); water above field capacity
    drains; part of both runs sideways into hollows; evapotranspiration follows light, plants and, below a critical
    wetness, the moisture that is left (Feddes et al. 1978).
    """
    # Lateral flow conserves water: the weights of a neighbourhood add up to one.
    attraction = np.exp(0.9 * np.clip(terrain.hollow, -2.5, 2.5))
    gathering = attraction / gaussian_filter(attraction, _LATERAL_REACH)
    sideways = np.clip(0.2 + 1.2 * terrain.slope, 0, 0.7)
    drained = 1 - np.exp(-1 / soil.drainage_days)
    critical = 0.3 * soil.wilting_point + 0.7 * soil.field_capacity

    span, moisture = after or (SEASON, soil.field_capacity.copy())
    days = span.all_days if after else range(-SPIN_UP, DAYS)
    out = np.empty((span.days, *terrain.elevation.shape), np.float32)
    for day in days:
        progress.check()
        doy, row = day_of_year(day), day - span.first + SPIN_UP
        if row % COMPOSITE_DAYS == 0:
            light = insolation(terrain, [doy])[0] ** 1.5  # sunny slopes are warmer and windier as well
            cover = vegetation * (0.35 + 0.65 * season(doy))
        rain = (
            zoom(weather.rain[row], MEDIUM_FACTOR, order=1, grid_mode=True, mode="nearest")
            if weather.rain[row].any()
            else np.float32(0)
        )
        runoff = rain * (moisture / soil.porosity) ** 4
        drainage = np.maximum(moisture - soil.field_capacity, 0) * drained * soil.depth
        stress = np.clip((moisture - soil.residual) / (critical - soil.residual), 0, 1)
        evapotranspiration = _ROOT_SHARE * weather.evapotranspiration[row] * light * (0.55 + 0.6 * cover) * stress
        arriving = gaussian_filter(runoff + sideways * drainage, _LATERAL_REACH) * gathering * _REINFILTRATION
        change = (rain - runoff - drainage - evapotranspiration + arriving) / soil.depth
        moisture = np.clip(moisture + change, soil.residual, soil.porosity).astype(np.float32)
        if day >= span.first:
            out[day - span.first] = moisture
        progress.set_fraction((day - days[0] + 1) / len(days))
    return out
