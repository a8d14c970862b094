"""Ten years of the 4.5 km products: a record whose last days are the scene's, with winters of frost and a dry spell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from sm_toolbox.demo.fields import block_mean
from sm_toolbox.demo.products import make_coarse_products
from sm_toolbox.demo.scene import (
    DAYS,
    FIRST_DAY,
    SPIN_UP,
    Soil,
    Span,
    Weather,
    day_of_year,
    make_weather,
    season,
    soil_temperature,
    year_after,
)
from sm_toolbox.demo.terrain import COARSE_FACTOR, MEDIUM_FACTOR, Terrain

RECORD_YEARS = 10
DRY_SPELL = (datetime(2016, 6, 1), datetime(2016, 9, 15))
"""First and last day on which next to no rain falls on the eastern half."""
DRY_SHARE = 0.08
_RETURNED = 0.28  # of what drains: it comes back from the neighbours


@dataclass(frozen=True)
class LongRecord:
    """Daily series of the 4.5 km cells.

    Parameters
    ----------
    days : range
        Days of the scene; those before its first are negative.
    moisture : dict of str to ndarray, float32 (days, rows / 50, cols / 50)
        `truth`, and the products `a`, `b` and `c`.
    rain, temperature : ndarray, float32, same shape
        mm per day; of the topsoil, K.
    flag : ndarray, same shape
        Words of SMAP's rule: 1, not recommended, where the soil is frozen.
    """

    days: range
    moisture: dict[str, np.ndarray]
    rain: np.ndarray
    temperature: np.ndarray
    flag: np.ndarray


def make_record(
    terrain: Terrain,
    soil: Soil,
    weather: Weather,
    vegetation: np.ndarray,
    season_products: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> LongRecord:
    """Simulate the record on the coarse grid.

    Parameters
    ----------
    terrain : Terrain
    soil : Soil
    weather : Weather
        Of the season.
    vegetation : ndarray (rows, cols)
    season_products : dict of str to ndarray (DAYS, rows / 50, cols / 50)
        As `make_coarse_products`; the record ends with them.
    rng : numpy.random.Generator

    Returns
    -------
    LongRecord

    Notes
    -----
    The water balance of the coarse cells is simpler than that of the scene; a straight line in each cell, fitted over
    the season, brings it to the scene's truth.
    """
    first = year_after(-RECORD_YEARS).first
    before = make_weather(terrain, rng, range(first - SPIN_UP, -SPIN_UP), COARSE_FACTOR)
    before.rain[_dry_spell(first, before.rain.shape)] *= DRY_SHARE
    ratio = COARSE_FACTOR // MEDIUM_FACTOR
    whole = before.followed_by(replace(weather, rain=block_mean(weather.rain, ratio)), len(before.rain))
    simple = _balance(soil, whole, block_mean(vegetation, COARSE_FACTOR), range(first, DAYS))
    truth = season_products["truth"]
    inner, middle, target = simple[-DAYS:], simple[-DAYS:].mean(axis=0), truth.mean(axis=0)
    slope = ((inner - middle) * (truth - target)).sum(axis=0) / ((inner - middle) ** 2).sum(axis=0)
    fitted = np.clip(target + slope * (simple[:-DAYS] - middle), 0.02, 0.6).astype(np.float32)
    height = block_mean(terrain.elevation, COARSE_FACTOR)
    temperature = soil_temperature(whole, height - height.mean())
    frozen = temperature < 273.15
    earlier = make_coarse_products(fitted, rng, Span(first, -first), frozen[:-DAYS])
    moisture = {name: np.concatenate([earlier[name], season_products[name]]) for name in earlier}
    return LongRecord(
        range(first, DAYS), moisture, whole.rain[SPIN_UP:].astype(np.float32), temperature, frozen.astype(np.float32)
    )


def _dry_spell(first: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return where it is dry, bool (days with the spin-up, rows, cols)."""
    start, end = ((date - FIRST_DAY).days - first + SPIN_UP for date in DRY_SPELL)
    days, _, columns = np.indices(shape)
    dry: np.ndarray = (days >= start) & (days <= end) & (columns >= shape[2] // 2)
    return dry


def _balance(soil: Soil, weather: Weather, vegetation: np.ndarray, days: range) -> np.ndarray:
    """Run a water balance of the coarse cells, without water from the neighbours."""
    capacity, porosity, wilting, residual, drainage_days, depth = (
        block_mean(values, COARSE_FACTOR)
        for values in (
            soil.field_capacity,
            soil.porosity,
            soil.wilting_point,
            soil.residual,
            soil.drainage_days,
            soil.depth,
        )
    )
    drained, critical = 1 - np.exp(-1 / drainage_days), 0.3 * wilting + 0.7 * capacity
    moisture, out = capacity.copy(), np.empty((len(days), *capacity.shape), np.float32)
    for row, day in enumerate(range(days[0] - SPIN_UP, days[-1] + 1)):
        rain = weather.rain[row]
        runoff = rain * (moisture / porosity) ** 4
        drainage = np.maximum(moisture - capacity, 0) * drained * depth
        stress = np.clip((moisture - residual) / (critical - residual), 0, 1)
        cover = vegetation * (0.35 + 0.65 * season(day_of_year(day)))
        evapotranspiration = 0.75 * weather.evapotranspiration[row] * (0.55 + 0.6 * cover) * stress
        change = (rain - evapotranspiration - (1 - _RETURNED) * drainage - runoff) / depth
        moisture = np.clip(moisture + change, residual, porosity)
        if row >= SPIN_UP:
            out[row - SPIN_UP] = moisture
    return out
