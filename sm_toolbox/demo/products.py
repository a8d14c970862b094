"""What instruments see of the simulated truth: stations, MODIS-like composites and three coarse products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.demo.fields import block_mean, random_field
from sm_toolbox.demo.scene import COMPOSITE_DAYS, COMPOSITES, DAYS, SPIN_UP, Soil, Weather, date_of, day_of_year, season
from sm_toolbox.demo.terrain import COARSE_FACTOR, MEDIUM_FACTOR, WGS84, Terrain, insolation
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.points import transform_points

RAIN_DAYS = 7
FIRST_RAIN_SUM = RAIN_DAYS - 1  # the first day of the scene with a whole week of rain behind it
API_MEMORY = 0.9
TRAINING_STATIONS = 45
VALIDATION_STATIONS = 15
STATION_BIAS = 0.01
STATION_NOISE = 0.012
STATION_ROW = np.dtype(
    [
        ("station", "U5"),
        ("time", "datetime64[D]"),
        ("soil_moisture", np.float64),
        ("land_cover", "U9"),
        ("lon", np.float64),
        ("lat", np.float64),
    ]
)
_SPACING = 12  # cells between stations, about 1.1 km
_MARGIN = 12  # cells between the stations and the scene's edge
_TWINS = 3  # training stations that share a 450 m cell with another


@dataclass(frozen=True)
class ErrorModel:
    """A product = offset + gain × truth + noise.

    Parameters
    ----------
    offset : float
        m³ m⁻³.
    gain : float
    noise : float
        Standard deviation, m³ m⁻³.
    """

    offset: float
    gain: float
    noise: float


PRODUCT_ERRORS = {"a": ErrorModel(0.0, 1.0, 0.02), "b": ErrorModel(0.03, 0.8, 0.04), "c": ErrorModel(0.02, 1.2, 0.03)}


def composite_mean(daily: np.ndarray) -> np.ndarray:
    """Average the days of each 8-day period, which is named after its first day as with MODIS.

    Parameters
    ----------
    daily : ndarray (DAYS, ...)

    Returns
    -------
    ndarray (periods, ...)
        The last period ends with the scene.
    """
    return np.stack([daily[day : day + COMPOSITE_DAYS].mean(axis=0) for day in COMPOSITES])


def make_composites(
    terrain: Terrain, soil: Soil, weather: Weather, vegetation: np.ndarray, truth: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Simulate the 8-day composites of a MODIS-like instrument.

    Parameters
    ----------
    terrain : Terrain
    soil : Soil
    weather : Weather
    vegetation : ndarray, float32 (rows, cols)
    truth : ndarray, float32 (DAYS, rows, cols)
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray, float32 (periods, rows / 5, cols / 5)
        `ndvi` and `albedo` without gaps, `lst_day` and `lst_night` in kelvin with NaN under clouds.
    """
    wetness = np.stack([block_mean(soil.wetness(day), MEDIUM_FACTOR) for day in truth])
    before = np.stack([wetness[max(0, day - 20) : day + 1].mean(axis=0) for day in COMPOSITES])
    during = composite_mean(wetness)
    elevation, plants, slope_light = (
        block_mean(terrain.elevation, MEDIUM_FACTOR),
        block_mean(vegetation, MEDIUM_FACTOR),
        block_mean(insolation(terrain, [day_of_year(day) for day in COMPOSITES]), MEDIUM_FACTOR),
    )
    altitude = elevation - elevation.mean()
    warmth, warmth_range = (
        composite_mean(series[SPIN_UP:]) for series in (weather.temperature, weather.temperature_range)
    )
    shape = elevation.shape
    fields: dict[str, list[np.ndarray]] = {"ndvi": [], "albedo": [], "lst_day": [], "lst_night": []}
    for i, day in enumerate(COMPOSITES):
        noise = [0.6 * random_field(rng, shape, 2) + 0.4 * rng.standard_normal(shape) for _ in fields]
        # Plants remember the last weeks' moisture; woods, whose roots go deep, less than grass.
        ndvi = (
            0.16
            + 0.74 * plants * (0.35 + 0.65 * season(day_of_year(day)))
            + 0.3 * (1 - 0.5 * plants) * (before[i] - 0.45)
            + 0.012 * noise[0]
        )
        albedo = 0.235 - 0.09 * plants - 0.10 * (1 - 0.6 * plants) * during[i] + 0.004 * noise[1]
        # What evaporates water heats the surface less; wet soil also keeps the warmth of the day for the night.
        evaporative = np.clip(0.15 + 0.55 * during[i] + 0.25 * ndvi, 0, 0.95)
        air = 273.15 + warmth[i] - 0.0065 * altitude
        fields["ndvi"].append(ndvi)
        fields["albedo"].append(albedo)
        fields["lst_day"].append(
            air + 0.25 * warmth_range[i] + 14 * slope_light[i] * (1 - evaporative) + 0.5 * noise[2]
        )
        fields["lst_night"].append(air - 0.5 * warmth_range[i] + 4 * (during[i] - 0.5) + 0.4 * noise[3])
    stacks = {name: np.stack(layers).astype(np.float32) for name, layers in fields.items()}
    day_gaps, night_gaps = _clouds(weather, shape, rng)
    stacks["lst_day"][day_gaps] = np.nan
    stacks["lst_night"][night_gaps] = np.nan
    return stacks


REFLECTANCE_BANDS = ("red", "nir", "blue", "green", "swir_1240", "swir1", "swir2")


def make_reflectances(
    ndvi: np.ndarray, soil: Soil, truth: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Simulate surface reflectances in MODIS's seven bands, of which the red and infrared make the NDVI of the scene.

    Parameters
    ----------
    ndvi : ndarray, float32 (periods, rows / 5, cols / 5)
    soil : Soil
    truth : ndarray, float32 (DAYS, rows, cols)
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray, float32 (periods, rows / 5, cols / 5)
        By the names of `REFLECTANCE_BANDS`.
    """
    wetness = composite_mean(np.stack([block_mean(soil.wetness(day), MEDIUM_FACTOR) for day in truth]))
    noise = 1 + 0.01 * rng.standard_normal((4, *ndvi.shape))
    # Leaves reflect in the near infrared; water, in leaves and soil, absorbs the more the longer the wave.
    nir = (0.17 + 0.2 * ndvi) * noise[0]
    red = nir * (1 - ndvi) / (1 + ndvi)
    swir = (0.33 - 0.12 * ndvi - 0.16 * (1 - 0.7 * ndvi) * wetness) * noise[1]
    reflectances = (
        red,
        nir,
        0.55 * red * noise[2],
        0.03 + 0.75 * red * noise[3],
        0.98 * nir - 0.04 * wetness,
        swir,
        (0.75 - 0.25 * wetness) * swir,
    )
    return {name: values.astype(np.float32) for name, values in zip(REFLECTANCE_BANDS, reflectances)}


OVERPASS_DAYS = 12
FIRST_OVERPASS = 2
OVERPASSES = tuple(range(FIRST_OVERPASS, DAYS, OVERPASS_DAYS))
_LOOKS = 4.4  # of Sentinel-1's ground-range products: how many independent samples a cell's speckle is the mean of


def make_backscatter(
    terrain: Terrain, soil: Soil, vegetation: np.ndarray, truth: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Simulate the backscatter that a radar like Sentinel-1 sees every 12 days.

    Moist soil scatters more, the less plants cover it; plants themselves scatter, most into the other polarisation.
    Speckle multiplies the power.

    Parameters
    ----------
    terrain : Terrain
    soil : Soil
    vegetation : ndarray (rows, cols)
        Share of the ground under plants, 0 … 1.
    truth : ndarray (days, rows, cols)
        Soil moisture, m³ m⁻³.
    rng : numpy.random.Generator
        For the speckle.

    Returns
    -------
    backscatter : dict of str to ndarray, float32 (overpasses, rows, cols)
        `vv` and `vh` in dB.
    angle : ndarray, float32 (rows, cols)
        Local incidence angle in degrees, of a radar that looks from the west.
    """
    east = terrain.normal[0]
    angle = 38 + np.linspace(-2, 2, east.shape[1]) - np.degrees(np.arcsin(np.clip(east, -1, 1)))
    decibels: dict[str, list[np.ndarray]] = {"vv": [], "vh": []}
    for day in OVERPASSES:
        cover = vegetation * (0.35 + 0.65 * season(day_of_year(day)))
        moist = 9 * (1 - 0.6 * cover) * (soil.wetness(truth[day]) - 0.5)
        facing = -0.12 * (angle - 38)
        for name, level in (("vv", -13 + moist + 2 * cover + facing), ("vh", -20.5 + 0.7 * moist + 4 * cover + facing)):
            speckle = rng.gamma(_LOOKS, 1 / _LOOKS, level.shape)
            decibels[name].append(level + 10 * np.log10(speckle))
    return {name: np.stack(layers).astype(np.float32) for name, layers in decibels.items()}, angle.astype(np.float32)


def _clouds(weather: Weather, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw where an 8-day composite had no clear sky by day and by night: 20 to 40 %, most where it rained often."""
    rainy = composite_mean((weather.rain[SPIN_UP:].mean(axis=(1, 2)) > 0.5).astype(float))
    shares = 0.21 + 0.18 * (rainy - rainy.min()) / np.ptp(rainy)
    gaps = np.zeros((2, len(shares), *shape), bool)
    for i, share in enumerate(shares):
        both = random_field(rng, shape, 8)
        for gap in gaps:
            field = 0.7 * both + 0.7 * random_field(rng, shape, 8)
            gap[i] = field > np.quantile(field, 1 - share)
    return gaps[0], gaps[1]


def make_rain_products(weather: Weather) -> tuple[np.ndarray, np.ndarray]:
    """Sum the rain of a week and compute the antecedent precipitation index on the coarse grid.

    Parameters
    ----------
    weather : Weather

    Returns
    -------
    week : ndarray, float32 (days, rows / 50, cols / 50)
        Rain of the day and the six before, mm, from day `FIRST_RAIN_SUM` on.
    index : ndarray, float32, same shape
        API_t = 0.9 API_{t-1} + P_t, mm (Kohler & Linsley 1951).
    """
    rain = block_mean(weather.rain, COARSE_FACTOR // MEDIUM_FACTOR)
    index = np.zeros_like(rain)
    for day in range(len(rain)):
        index[day] = rain[day] + (API_MEMORY * index[day - 1] if day else 0)
    start = SPIN_UP + FIRST_RAIN_SUM
    week = np.stack([rain[day - RAIN_DAYS + 1 : day + 1].sum(axis=0) for day in range(start, len(rain))])
    return week.astype(np.float32), index[start:].astype(np.float32)


def make_coarse_products(truth: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Simulate three coarse products whose errors are independent of one another and of the truth.

    Parameters
    ----------
    truth : ndarray, float32 (DAYS, rows, cols)
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray, float32 (DAYS, rows / 50, cols / 50)
        `truth` and the products `a`, `b` and `c` after `PRODUCT_ERRORS`; `a` has the gaps of an orbit.
    """
    coarse = block_mean(truth, COARSE_FACTOR)
    products = {
        name: error.offset + error.gain * coarse + rng.normal(0, error.noise, coarse.shape)
        for name, error in PRODUCT_ERRORS.items()
    }
    products["a"][~_swath(coarse.shape)] = np.nan
    return {"truth": coarse, **{name: values.astype(np.float32) for name, values in products.items()}}


def _swath(shape: tuple[int, ...]) -> np.ndarray:
    """Return which cells an orbiting instrument sees: slanting swaths that move from day to day and skip some days."""
    day, row, column = np.indices(shape)
    across = (column + 0.3 * row) / shape[2]  # in widths of the scene
    track = (day * 0.83) % 2.6 - 0.8
    is_seen: np.ndarray = np.abs((across - track + 1.3) % 2.6 - 1.3) < 0.85
    return is_seen


def make_stations(
    terrain: Terrain, vegetation: np.ndarray, truth: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Place stations and let them measure.

    Parameters
    ----------
    terrain : Terrain
    vegetation : ndarray, float32 (rows, cols)
    truth : ndarray, float32 (DAYS, rows, cols)
    rng : numpy.random.Generator

    Returns
    -------
    training, validation : structured ndarray (rows,)
        One row per station and day, days without a measurement left out: station, time (midnight of the day),
        soil_moisture (m³ m⁻³), land_cover, lon, lat (degrees, WGS 84). No station is in both.
    """
    rows, columns = _sites(terrain, rng)
    x, y = terrain.grid.transform * (columns + 0.5, rows + 0.5)
    lon, lat = transform_points(x, y, terrain.grid.crs, driver().crs(WGS84))
    cover = _land_cover(terrain, vegetation)[rows, columns]
    measured = (
        truth[:, rows, columns]
        + rng.normal(0, STATION_BIAS, len(rows))
        + rng.normal(0, STATION_NOISE, (DAYS, len(rows)))
    )
    measured = np.maximum(measured, 0.005)
    measured[_outages(len(rows), rng)] = np.nan
    table = np.empty(measured.size, STATION_ROW)
    table["station"] = np.repeat([f"SM-{number:02d}" for number in range(1, len(rows) + 1)], DAYS)
    table["time"] = np.tile(np.array([date_of(day) for day in range(DAYS)], "datetime64[D]"), len(rows))
    table["soil_moisture"] = measured.T.ravel().round(4)
    table["land_cover"] = np.repeat(cover, DAYS)
    table["lon"], table["lat"] = (np.repeat(np.round(degrees, 6), DAYS) for degrees in (lon, lat))
    is_training = np.repeat(np.arange(len(rows)) < TRAINING_STATIONS, DAYS)
    training, validation = (table[part & ~np.isnan(table["soil_moisture"])] for part in (is_training, ~is_training))
    return training, validation


def _sites(terrain: Terrain, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose cells: apart from one another, but for a few that share a 450 m cell with the first ones."""
    height, width = terrain.elevation.shape
    sites: list[tuple[int, int]] = []
    while len(sites) < TRAINING_STATIONS - _TWINS + VALIDATION_STATIONS:
        row, column = int(rng.integers(_MARGIN, height - _MARGIN)), int(rng.integers(_MARGIN, width - _MARGIN))
        if all(np.hypot(row - r, column - c) >= _SPACING for r, c in sites):
            sites.append((row, column))
    # The mirror image within the 450 m cell, except for its middle, which has none.
    last = MEDIUM_FACTOR - 1
    twins = [
        (
            row - row % MEDIUM_FACTOR + last - row % MEDIUM_FACTOR,
            column - column % MEDIUM_FACTOR + (column + 2) % MEDIUM_FACTOR,
        )
        for row, column in sites[:_TWINS]
    ]
    chosen = np.array(sites[: TRAINING_STATIONS - _TWINS] + twins + sites[TRAINING_STATIONS - _TWINS :])
    return chosen[:, 0], chosen[:, 1]


def _land_cover(terrain: Terrain, vegetation: np.ndarray) -> np.ndarray:
    """Name the land cover: forest where plants cover most, cropland on the gentler half of the rest."""
    forest = vegetation > np.quantile(vegetation, 0.55)
    gentle = terrain.slope < np.median(terrain.slope[~forest])
    return np.where(forest, "forest", np.where(gentle, "cropland", "grassland"))


def _outages(stations: int, rng: np.random.Generator) -> np.ndarray:
    """Draw missing days, bool (DAYS, stations): single days, and a few longer failures."""
    missing = rng.random((DAYS, stations)) < 0.05
    for station in range(stations):
        for _ in range(rng.poisson(1.5)):
            start = int(rng.integers(0, DAYS))
            missing[start : start + int(rng.integers(3, 21)), station] = True
    return missing
