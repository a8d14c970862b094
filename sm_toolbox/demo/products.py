"""What instruments see of the simulated truth: stations, MODIS-like composites and three coarse products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.demo.fields import block_mean, random_field
from sm_toolbox.demo.scene import (
    COMPOSITE_DAYS,
    SEASON,
    SPIN_UP,
    Soil,
    Span,
    Weather,
    date_of,
    day_of_year,
    season,
)
from sm_toolbox.demo.terrain import COARSE_FACTOR, MEDIUM_FACTOR, WGS84, Terrain, insolation
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid
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
FROZEN_SHARE = 0.4
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


def composite_mean(daily: np.ndarray, span: Span = SEASON) -> np.ndarray:
    """Average the days of each 8-day period, which is named after its first day as with MODIS.

    Parameters
    ----------
    daily : ndarray (days, ...)
    span : Span, optional
        The days.

    Returns
    -------
    ndarray (periods, ...)
        The last period of a year and that of the span are shorter.
    """
    starts = [day - span.first for day in span.composites]
    ends = [min(start + COMPOSITE_DAYS, end) for start, end in zip(starts, [*starts[1:], span.days])]
    return np.stack([daily[start:end].mean(axis=0) for start, end in zip(starts, ends)])


def make_composites(
    terrain: Terrain,
    soil: Soil,
    weather: Weather,
    vegetation: np.ndarray,
    truth: np.ndarray,
    rng: np.random.Generator,
    span: Span = SEASON,
) -> dict[str, np.ndarray]:
    """Simulate the 8-day composites of a MODIS-like instrument.

    Parameters
    ----------
    terrain : Terrain
    soil : Soil
    weather : Weather
    vegetation : ndarray, float32 (rows, cols)
    truth : ndarray, float32 (days, rows, cols)
    rng : numpy.random.Generator
    span : Span, optional

    Returns
    -------
    dict of str to ndarray, float32 (periods, rows / 5, cols / 5)
        `ndvi` and `albedo` without gaps, `lst_day` and `lst_night` in kelvin with NaN under clouds.
    """
    wetness = np.stack([block_mean(soil.wetness(day), MEDIUM_FACTOR) for day in truth])
    starts = [day - span.first for day in span.composites]
    before = np.stack([wetness[max(0, day - 20) : day + 1].mean(axis=0) for day in starts])
    during = composite_mean(wetness, span)
    elevation, plants, slope_light = (
        block_mean(terrain.elevation, MEDIUM_FACTOR),
        block_mean(vegetation, MEDIUM_FACTOR),
        block_mean(insolation(terrain, [day_of_year(day) for day in span.composites]), MEDIUM_FACTOR),
    )
    altitude = elevation - elevation.mean()
    warmth, warmth_range = (
        composite_mean(series[SPIN_UP:], span) for series in (weather.temperature, weather.temperature_range)
    )
    shape = elevation.shape
    fields: dict[str, list[np.ndarray]] = {"ndvi": [], "albedo": [], "lst_day": [], "lst_night": []}
    for i, day in enumerate(span.composites):
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
    day_gaps, night_gaps = _clouds(weather, shape, rng, span)
    stacks["lst_day"][day_gaps] = np.nan
    stacks["lst_night"][night_gaps] = np.nan
    return stacks


REFLECTANCE_BANDS = ("red", "nir", "blue", "green", "swir_1240", "swir1", "swir2")


def make_reflectances(
    ndvi: np.ndarray, soil: Soil, truth: np.ndarray, rng: np.random.Generator, span: Span = SEASON
) -> dict[str, np.ndarray]:
    """Simulate surface reflectances in MODIS's seven bands, of which the red and infrared make the NDVI of the scene.

    Parameters
    ----------
    ndvi : ndarray, float32 (periods, rows / 5, cols / 5)
    soil : Soil
    truth : ndarray, float32 (days, rows, cols)
    rng : numpy.random.Generator
    span : Span, optional

    Returns
    -------
    dict of str to ndarray, float32 (periods, rows / 5, cols / 5)
        By the names of `REFLECTANCE_BANDS`.
    """
    wetness = composite_mean(np.stack([block_mean(soil.wetness(day), MEDIUM_FACTOR) for day in truth]), span)
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
_LOOKS = 4.4  # of Sentinel-1's ground-range products: how many independent samples a cell's speckle is the mean of


def overpasses(span: Span = SEASON) -> tuple[int, ...]:
    """Return the days on which the radar passes.

    Parameters
    ----------
    span : Span, optional

    Returns
    -------
    tuple of int
        Days of the scene.
    """
    return tuple(day for day in span.all_days if (day - FIRST_OVERPASS) % OVERPASS_DAYS == 0)


def make_backscatter(
    terrain: Terrain,
    soil: Soil,
    vegetation: np.ndarray,
    truth: np.ndarray,
    rng: np.random.Generator,
    span: Span = SEASON,
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
    span : Span, optional

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
    for day in overpasses(span):
        cover = vegetation * (0.35 + 0.65 * season(day_of_year(day)))
        moist = 9 * (1 - 0.6 * cover) * (soil.wetness(truth[day - span.first]) - 0.5)
        facing = -0.12 * (angle - 38)
        for name, level in (("vv", -13 + moist + 2 * cover + facing), ("vh", -20.5 + 0.7 * moist + 4 * cover + facing)):
            speckle = rng.gamma(_LOOKS, 1 / _LOOKS, level.shape)
            decibels[name].append(level + 10 * np.log10(speckle))
    return {name: np.stack(layers).astype(np.float32) for name, layers in decibels.items()}, angle.astype(np.float32)


def _clouds(
    weather: Weather, shape: tuple[int, ...], rng: np.random.Generator, span: Span
) -> tuple[np.ndarray, np.ndarray]:
    """Draw where an 8-day composite had no clear sky by day and by night: 20 to 40 %, most where it rained often."""
    rainy = composite_mean((weather.rain[SPIN_UP:].mean(axis=(1, 2)) > 0.5).astype(float), span)
    shares = 0.21 + 0.18 * (rainy - rainy.min()) / np.ptp(rainy)
    gaps = np.zeros((2, len(shares), *shape), bool)
    for i, share in enumerate(shares):
        both = random_field(rng, shape, 8)
        for gap in gaps:
            field = 0.7 * both + 0.7 * random_field(rng, shape, 8)
            gap[i] = field > np.quantile(field, 1 - share)
    return gaps[0], gaps[1]


def make_rain_products(weather: Weather, skipped: int = FIRST_RAIN_SUM) -> tuple[np.ndarray, np.ndarray]:
    """Sum the rain of a week and compute the antecedent precipitation index on the coarse grid.

    Parameters
    ----------
    weather : Weather
    skipped : int, optional
        Days after the spin-up that are left out.

    Returns
    -------
    week : ndarray, float32 (days, rows / 50, cols / 50)
        Rain of the day and the six before, mm.
    index : ndarray, float32, same shape
        API_t = 0.9 API_{t-1} + P_t, mm (Kohler & Linsley 1951).
    """
    rain = block_mean(weather.rain, COARSE_FACTOR // MEDIUM_FACTOR)
    index = np.zeros_like(rain)
    for day in range(len(rain)):
        index[day] = rain[day] + (API_MEMORY * index[day - 1] if day else 0)
    start = SPIN_UP + skipped
    week = np.stack([rain[day - RAIN_DAYS + 1 : day + 1].sum(axis=0) for day in range(start, len(rain))])
    return week.astype(np.float32), index[start:].astype(np.float32)


def make_coarse_products(
    truth: np.ndarray, rng: np.random.Generator, span: Span = SEASON, frozen: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Simulate three coarse products whose errors are independent of one another and of the truth.

    Parameters
    ----------
    truth : ndarray, float32 (days, rows / 50, cols / 50)
        Of the coarse cells.
    rng : numpy.random.Generator
    span : Span, optional
    frozen : ndarray of bool, same shape, optional
        Where the soil is frozen, so that the instrument of `a` sees FROZEN_SHARE of the water.

    Returns
    -------
    dict of str to ndarray, float32 (days, rows / 50, cols / 50)
        `truth` and the products `a`, `b` and `c` after `PRODUCT_ERRORS`; `a` has the gaps of an orbit.
    """
    products = {
        name: error.offset + error.gain * truth + rng.normal(0, error.noise, truth.shape)
        for name, error in PRODUCT_ERRORS.items()
    }
    if frozen is not None:
        products["a"][frozen] *= FROZEN_SHARE
    products["a"][~swath(truth.shape, span.first)] = np.nan
    return {"truth": truth, **{name: values.astype(np.float32) for name, values in products.items()}}


def swath(shape: tuple[int, ...], first: float = 0) -> np.ndarray:
    """Return which cells an orbiting instrument sees: slanting swaths that move from day to day and skip some days.

    Parameters
    ----------
    shape : (int, int, int)
        Days, rows, columns.
    first : float, optional
        Day of the scene of the first.

    Returns
    -------
    ndarray of bool (days, rows, cols)
    """
    day, row, column = np.indices(shape)
    across = (column + 0.3 * row) / shape[2]  # in widths of the scene
    track = ((day + first) * 0.83) % 2.6 - 0.8
    is_seen: np.ndarray = np.abs((across - track + 1.3) % 2.6 - 1.3) < 0.85
    return is_seen


@dataclass(frozen=True)
class Sites:
    """Where stations stand, and how far each is off.

    Parameters
    ----------
    names : list of str
    rows, columns : ndarray of int (stations,)
        Cells of 90 m.
    lon, lat : ndarray (stations,)
        Degrees, WGS 84.
    land_cover : ndarray of str (stations,)
    bias : ndarray (stations,)
        m³ m⁻³.
    gain, noise : float, optional
        A station measures gain × truth + bias + noise of this standard deviation each day.
    """

    names: list[str]
    rows: np.ndarray
    columns: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    land_cover: np.ndarray
    bias: np.ndarray
    gain: float = 1
    noise: float = STATION_NOISE


def sites_at(
    names: list[str], cells: tuple[np.ndarray, np.ndarray], grid: Grid, land_cover: np.ndarray, bias: np.ndarray
) -> Sites:
    """Return stations in the middle of cells.

    Parameters
    ----------
    names : list of str
    cells : (ndarray of int, ndarray of int)
        Rows and columns.
    grid : Grid
    land_cover : ndarray of str (stations,)
    bias : ndarray (stations,)
        m³ m⁻³.

    Returns
    -------
    Sites
    """
    rows, columns = cells
    x, y = grid.transform * (columns + 0.5, rows + 0.5)
    lon, lat = transform_points(x, y, grid.crs, driver().crs(WGS84))
    return Sites(names, rows, columns, lon, lat, land_cover, bias)


def place_stations(terrain: Terrain, vegetation: np.ndarray, rng: np.random.Generator) -> Sites:
    """Place the stations of the scene, those for training first.

    Parameters
    ----------
    terrain : Terrain
    vegetation : ndarray, float32 (rows, cols)
    rng : numpy.random.Generator

    Returns
    -------
    Sites
    """
    cells = _sites(terrain, rng)
    names = [f"SM-{number:02d}" for number in range(1, len(cells[0]) + 1)]
    cover = name_land_cover(terrain, vegetation)[cells]
    return sites_at(names, cells, terrain.grid, cover, rng.normal(0, STATION_BIAS, len(names)))


def measure(sites: Sites, truth: np.ndarray, rng: np.random.Generator, span: Span = SEASON) -> np.ndarray:
    """Let stations measure.

    Parameters
    ----------
    sites : Sites
    truth : ndarray (days, stations)
        Soil moisture, m³ m⁻³.
    rng : numpy.random.Generator
    span : Span, optional

    Returns
    -------
    structured ndarray (rows,)
        One row per station and day, days without a measurement left out: station, time (midnight of the day),
        soil_moisture (m³ m⁻³), land_cover, lon, lat (degrees, WGS 84).
    """
    measured = sites.gain * truth + sites.bias + rng.normal(0, sites.noise, truth.shape)
    measured = np.maximum(measured, 0.005)
    measured[outages(len(sites.names), rng, span)] = np.nan
    table = np.empty(measured.size, STATION_ROW)
    table["station"] = np.repeat(sites.names, span.days)
    table["time"] = np.tile(np.array([date_of(day) for day in span.all_days], "datetime64[D]"), len(sites.names))
    table["soil_moisture"] = measured.T.ravel().round(4)
    table["land_cover"] = np.repeat(sites.land_cover, span.days)
    table["lon"], table["lat"] = (np.repeat(np.round(degrees, 6), span.days) for degrees in (sites.lon, sites.lat))
    return table[~np.isnan(table["soil_moisture"])]


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


def name_land_cover(terrain: Terrain, vegetation: np.ndarray) -> np.ndarray:
    """Name the land cover: forest where plants cover most, cropland on the gentler half of the rest.

    Parameters
    ----------
    terrain : Terrain
    vegetation : ndarray (rows, cols)

    Returns
    -------
    ndarray of str (rows, cols)
    """
    forest = vegetation > np.quantile(vegetation, 0.55)
    gentle = terrain.slope < np.median(terrain.slope[~forest])
    return np.where(forest, "forest", np.where(gentle, "cropland", "grassland"))


def outages(stations: int, rng: np.random.Generator, span: Span = SEASON) -> np.ndarray:
    """Draw missing days: single days, and a few longer failures.

    Parameters
    ----------
    stations : int
    rng : numpy.random.Generator
    span : Span, optional

    Returns
    -------
    ndarray of bool (days, stations)
    """
    missing = rng.random((span.days, stations)) < 0.05
    for station in range(stations):
        for _ in range(rng.poisson(1.5 * span.days / SEASON.days)):
            start = int(rng.integers(0, span.days))
            missing[start : start + int(rng.integers(3, 21)), station] = True
    return missing
