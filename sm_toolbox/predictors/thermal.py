"""Apparent thermal inertia from albedo and the range of the land surface temperature between day and night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.sensors.quantities import CELSIUS, KELVIN

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Stack
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

SOLAR_CORRECTIONS = ("none", "verstraeten", "first_harmonic")
_ROLES = ("albedo", "lst_day", "lst_night")


def declination(day: datetime) -> float:
    """Return the sun's declination (radians) on a day.

    Spencer 1971, Fourier series representation of the position of the sun, Search 2(5).

    Parameters
    ----------
    day : datetime

    Returns
    -------
    float
    """
    angle = 2 * np.pi * (day.timetuple().tm_yday - 1) / 365
    return float(
        0.006918
        - 0.399912 * np.cos(angle)
        + 0.070257 * np.sin(angle)
        - 0.006758 * np.cos(2 * angle)
        + 0.000907 * np.sin(2 * angle)
        - 0.002697 * np.cos(3 * angle)
        + 0.00148 * np.sin(3 * angle)
    )


def solar_correction(latitude: np.ndarray | float, delta: float, variant: str) -> np.ndarray | float:
    """Return the factor C that makes apparent thermal inertia of different days and latitudes alike.

    Parameters
    ----------
    latitude : ndarray or float
        Degrees.
    delta : float
        Declination in radians.
    variant : {'none', 'verstraeten', 'first_harmonic'}
        1; Verstraeten et al. 2006 (doi 10.1016/j.rse.2005.12.016); the first harmonic of the insolation after Xue &
        Cracknell 1995, which has the square root of the bracket.

    Returns
    -------
    ndarray or float
        As `latitude`.
    """
    if variant == "none":
        return 1.0
    phi = np.radians(latitude)
    # In polar day and night the sun does not rise or set: the hour angle ends at 0 or π.
    product = np.clip(np.tan(phi) * np.tan(delta), -1, 1)
    bracket = 1 - product**2
    if variant == "first_harmonic":
        bracket = np.sqrt(bracket)
    return np.sin(phi) * np.sin(delta) * bracket + np.cos(phi) * np.cos(delta) * np.arccos(-product)


@dataclass(frozen=True)
class ThermalInertia:
    """What was computed.

    Parameters
    ----------
    bands : list of str
    missing : dict of str to float
        For each date (or '' where the inputs are static) the share of cells without a value, 0 to 1: clouds, and ranges
        below the smallest.
    """

    bands: list[str]
    missing: dict[str, float]


def thermal_inertia(
    albedo: Sequence[Source], lst_day: Sequence[Source], lst_night: Sequence[Source], output: str, *,
    lst_scale: float | None = None, correction: str = "none", min_range: float = 1.0, engine: Engine = ALL_CORES,
) -> ThermalInertia:  # fmt: skip
    """Compute apparent thermal inertia, ATI = C (1 − albedo) / (LST_day − LST_night), and the temperature range.

    Parameters
    ----------
    albedo, lst_day, lst_night : sequence of Source
        One variable each, or the variable of that name among several. Dated ones are paired by day; a static one serves
        all days.
    output : str
        GeoTIFF with `ati@date` (K⁻¹) and `delta_lst@date` (K) for each day, on the grid of the day temperature.
    lst_scale : float, optional
        Kelvin per unit of the temperatures (MODIS: 0.02); 0 then stands for no data, as in MODIS.
    correction : {'none', 'verstraeten', 'first_harmonic'}
        C is 1, or depends on the latitude and the day (see `solar_correction`); needs dated inputs.
    min_range : float, optional
        Ranges below this (K) have no value: a small range is cloud or noise, and dividing by it gives anything.
    engine : Engine, optional

    Returns
    -------
    ThermalInertia

    Raises
    ------
    InputError
        Where no day has all three, units cannot be right, or the night is warmer than the day everywhere.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> albedo = write_example("albedo.tif", {"albedo": [[0.2]]})
    >>> day = write_example("day.tif", {"lst_day": [[305.0]]})
    >>> night = write_example("night.tif", {"lst_night": [[285.0]]})
    >>> thermal_inertia([albedo], [day], [night], "ati.tif").bands
    ['ati', 'delta_lst']
    >>> print(read_example("ati.tif")["ati"])
    [[0.04]]
    """
    from sm_toolbox.raster.bands import named_stack, read_bands
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    progress = engine.progress
    stacks = {
        role: named_stack(read_bands(sources), role, progress)
        for role, sources in zip(_ROLES, (albedo, lst_day, lst_night))
    }
    times = _days(stacks, progress)
    if correction != "none" and times == [None]:
        raise InputError(
            f"`correction` '{correction}' depends on the day, but none of the layers is dated. Name the bands "
            "variable@YYYY-MM-DD, or choose none."
        )
    to_kelvin = _to_kelvin(stacks, lst_scale, progress)
    _check_units(stacks, lst_scale, to_kelvin)
    grid = stacks["lst_day"].bands[0].grid
    picks = [{role: stack.nearest(time, 0) or 0 for role, stack in stacks.items()} for time in times]
    scale = np.float32(1 if lst_scale is None else lst_scale)

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        rows, columns = blocks["lst_day"].shape[1:]
        latitude = _latitudes(grid, window) if correction != "none" else 0.0
        out = np.empty((2 * len(times), rows, columns), np.float32)
        missing = np.zeros(len(times), np.int64)
        for i, (time, pick) in enumerate(zip(times, picks)):
            day, night = (
                _temperature(blocks[role][pick[role]], scale, lst_scale is not None) + to_kelvin[role]
                for role in ("lst_day", "lst_night")
            )
            reflected = blocks["albedo"][pick["albedo"]]
            delta = day - night
            with np.errstate(invalid="ignore"):
                delta[delta < min_range] = np.nan
                # Snow comes near 1; outside 0 to 1 it is no albedo.
                reflected = np.where((reflected >= 0) & (reflected <= 1), reflected, np.nan)
            factor = solar_correction(latitude, declination(time.start), correction) if time is not None else 1.0
            out[i] = factor * (1 - reflected) / delta
            out[len(times) + i] = delta
            missing[i] = np.count_nonzero(np.isnan(out[i]))
        return out, {"missing": missing}

    bands = [band_name(name, time) for name in ("ati", "delta_lst") for time in times]
    inputs = {role: stack.bands for role, stack in stacks.items()}
    outputs = [RasterOutput(output, bands, {"UNIT_ati": "K-1", "UNIT_delta_lst": "K"})]
    written = run_blocks(kernel, inputs, outputs, grid, engine, scratch_bytes_per_cell=40)
    shares = {
        str(time or ""): float(count) / (grid.width * grid.height)
        for time, count in zip(times, written.facts["missing"])
    }
    for day, share in shares.items():
        progress.info(f"{day or 'All times'}: {100 * share:.1f} % of the cells have no thermal inertia.")
    return ThermalInertia(bands, shares)


def _temperature(values: np.ndarray, scale: np.float32, zero_is_gap: bool) -> np.ndarray:
    scaled = values * scale
    if zero_is_gap:
        scaled[values == 0] = np.nan
    return scaled


def _to_kelvin(stacks: dict[str, Stack], lst_scale: float | None, progress: Progress) -> dict[str, np.float32]:
    """Return what is to be added to the temperatures where the files state °C of one and kelvin of the other."""
    from sm_toolbox.raster.meaning import band_scale, stated_unit
    from sm_toolbox.raster.opening import open_raster

    units = {}
    for role in ("lst_day", "lst_night"):
        band = stacks[role].bands[0]
        with open_raster(band.source) as dataset:
            units[role] = stated_unit(dataset, band.index, band.variable)
            note = band_scale(dataset, band.index, band.source.path).note
        if note and lst_scale is not None:
            raise InputError(
                f"`lst_scale` is {lst_scale:g}, but `{role}` ('{band.source.label}') is read in kelvin already: "
                f"{note}. Leave `lst_scale` empty."
            )
    if set(units.values()) != {CELSIUS, KELVIN}:
        return dict.fromkeys(units, np.float32(0))
    celsius = next(role for role, unit in units.items() if unit == CELSIUS)
    progress.info(f"`{celsius}` is in °C, as its file states, and the other in kelvin: 273.15 is added.")
    return {role: np.float32(273.15 if role == celsius else 0) for role in units}


def _days(stacks: dict[str, Stack], progress: Progress) -> list[Time | None]:
    """Return the days on which every dated input has a band."""
    dated = {role: stack for role, stack in stacks.items() if not stack.is_static}
    if not dated:
        return [None]
    candidates = sorted({time for stack in dated.values() for time in stack.times})
    first = next(iter(dated.values()))
    chosen: list[Time | None] = [
        time for time in first.times if all(stack.nearest(time, 0) is not None for stack in dated.values())
    ]
    if not chosen:
        spans = "; ".join(f"`{role}`: {stack.times[0]} to {stack.times[-1]}" for role, stack in dated.items())
        raise InputError(
            f"No day has {', '.join(map(_marked, dated))} ({spans}). Check the dates of the layers, or bring them to "
            "common dates with 'Composite over time'."
        )
    if len(chosen) < len(candidates):
        progress.info(
            f"{len(chosen)} of {len(candidates)} dates have all of {', '.join(map(_marked, dated))}; the others are "
            "left out."
        )
    return chosen


def _marked(argument: str) -> str:
    return f"`{argument}`"


def _check_units(stacks: dict[str, Stack], lst_scale: float | None, to_kelvin: dict[str, np.float32]) -> None:
    """Check a middle date for temperatures in different units, swapped day and night, and an unscaled albedo."""
    from sm_toolbox.raster.bands import overview

    overviews = {role: overview(stack.bands[len(stack.bands) // 2]) for role, stack in stacks.items()}
    scale = 1.0 if lst_scale is None else lst_scale
    day, night = (
        to_kelvin[role]
        + (np.where(overviews[role] == 0, np.nan, overviews[role]) * scale if lst_scale else overviews[role])
        for role in ("lst_day", "lst_night")
    )
    if np.isfinite(day).any() and np.isfinite(night).any():
        middle_day, middle_night = float(np.nanmedian(day)), float(np.nanmedian(night))
        for role, median in (("lst_day", middle_day), ("lst_night", middle_night)):
            if median > 1000:
                raise InputError(
                    f"`{role}` ('{stacks[role].bands[0].source.label}') has temperatures of about {median:.4g}, which "
                    "are not kelvin. MODIS LST needs `lst_scale` 0.02; Landsat Collection 2 has kelvin = 0.00341802 × "
                    "stored value + 149, which files named as the product (…_ST_B10) get by themselves, others with "
                    "'Raster calculator'."
                )
        if abs(middle_day - middle_night) > 150:
            raise InputError(
                f"`lst_day` (median {middle_day:.4g}) and `lst_night` (median {middle_night:.4g}) are not in the same "
                "unit: one looks like kelvin, the other like °C. Convert one of them with the raster calculator."
            )
        both = np.isfinite(day) & np.isfinite(night) if day.shape == night.shape else np.zeros(1, bool)
        if both.any() and float(np.max(day[both] - night[both])) < 0:
            raise InputError(
                "The night is warmer than the day everywhere. Check that `lst_day` and `lst_night` are not swapped."
            )
    albedo = overviews["albedo"]
    if np.isfinite(albedo).any() and float(np.nanmedian(albedo)) > 1:
        raise InputError(
            f"`albedo` has a median of {float(np.nanmedian(albedo)):.4g}, but must lie between 0 and 1. Scale it "
            "(MODIS: × 0.001) with the raster calculator."
        )


def _latitudes(grid: Grid, window: Window) -> np.ndarray:
    """Return the latitude (degrees) of the cells of a window (rows, cols)."""
    from sm_toolbox.raster.choice import driver
    from sm_toolbox.raster.points import transform_points

    columns, rows = np.meshgrid(
        np.arange(window.width) + window.col_off + 0.5, np.arange(window.height) + window.row_off + 0.5
    )
    t = grid.transform
    x, y = t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
    if grid.crs.is_geographic:
        return y
    return transform_points(x.ravel(), y.ravel(), grid.crs, driver().crs(4326))[1].reshape(x.shape)
