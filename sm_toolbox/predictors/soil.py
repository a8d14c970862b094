"""Soil indices: texture in percent and available water capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Band
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source

TEXTURE_UNITS = {"percent": 1.0, "g_per_kg": 0.1}
"""Percent in a unit of texture."""

# Texture in percent ends at 100; what rounding in products adds is below this.
_ROUNDING = 1.0


def available_water_capacity(sand: np.ndarray, clay: np.ndarray) -> np.ndarray:
    """Return the available water capacity (percent) of sand and clay (percent); never below 0.

    AWC = 40.7 − 0.38 sand − 0.63 clay, as the Zoige study uses it (Remote Sens. 2023, 15, 1531).

    Parameters
    ----------
    sand, clay : ndarray
        Percent.

    Returns
    -------
    ndarray, same shape
        Percent.

    Examples
    --------
    >>> available_water_capacity(np.array([40.0, 90.0]), np.array([20.0, 10.0])).round(1)
    array([12.9,  0.2])
    """
    return np.maximum(40.7 - 0.38 * sand - 0.63 * clay, 0)


def soil_indices(
    sand: Source,
    clay: Source,
    output: str,
    *,
    silt: Source | None = None,
    units: str = "percent",
    engine: Engine = ALL_CORES,
) -> dict[str, int]:
    """Compute texture in percent and available water capacity.

    Parameters
    ----------
    sand, clay : Source
        One band, or among several one named `sand` or `clay`.
    output : str
        GeoTIFF with the bands sand, clay, silt (percent) and awc (percent), on the grid of `sand`.
    silt : Source, optional
        By default 100 − sand − clay.
    units : {'percent', 'g_per_kg'}
        Of all inputs; SoilGrids delivers g/kg.
    engine : Engine, optional

    Returns
    -------
    dict of str to int
        `clipped_awc`: cells whose capacity came out negative; `above_100`: cells where sand and clay are more than all.

    Raises
    ------
    InputError
        Where the values cannot be in the unit that is said.
    OutputError, Cancelled
        As `run_blocks`.
    """
    from sm_toolbox.raster.bands import named_band
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.outputs import RasterOutput

    progress = engine.progress
    if units not in TEXTURE_UNITS:
        raise InputError(f"`units` is '{units}', but must be one of: {', '.join(TEXTURE_UNITS)}.")
    bands = {"sand": named_band(sand, "sand"), "clay": named_band(clay, "clay")}
    if silt is not None:
        bands["silt"] = named_band(silt, "silt")
    _check_unit(bands, units)

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        percent = {name: block[0] * np.float32(TEXTURE_UNITS[units]) for name, block in blocks.items()}
        for name, values in percent.items():
            low, high = _extent(values)
            if high > 100 + _ROUNDING or low < -_ROUNDING:
                raise InputError(_impossible(bands[name], name, low if low < -_ROUNDING else high, units))
        rest = 100 - percent["sand"] - percent["clay"]
        capacity = 40.7 - 0.38 * percent["sand"] - 0.63 * percent["clay"]
        facts = {
            "clipped_awc": int(np.count_nonzero(capacity < 0)),
            "above_100": int(np.count_nonzero(rest < -_ROUNDING)),
        }
        texture_silt = percent.get("silt", np.maximum(rest, 0))
        out = np.stack(
            [percent["sand"], percent["clay"], texture_silt, available_water_capacity(percent["sand"], percent["clay"])]
        )
        return out.astype(np.float32), facts

    names = ["sand", "clay", "silt", "awc"]
    tags = {f"UNIT_{name}": "percent" for name in names}
    inputs = {name: [band] for name, band in bands.items()}
    counts = run_blocks(
        kernel, inputs, [RasterOutput(output, names, tags)], bands["sand"].grid, engine, scratch_bytes_per_cell=32
    ).facts
    if counts["clipped_awc"]:
        progress.warning(
            f"The available water capacity came out negative in {counts['clipped_awc']} cells (very clayey soil) "
            "and was set to 0 there."
        )
    if counts["above_100"]:
        progress.warning(
            f"Sand and clay add up to more than 100 % in {counts['above_100']} cells; check that both are of one "
            "product and depth."
        )
    return counts


def _extent(values: np.ndarray) -> tuple[float, float]:
    valid = values[~np.isnan(values)]
    return (float(valid.min()), float(valid.max())) if valid.size else (0.0, 0.0)


def _check_unit(bands: dict[str, Band], units: str) -> None:
    """Detect percent given as g/kg: no single cell shows it, but all of them lie below 100."""
    from sm_toolbox.raster.bands import overview

    if units != "g_per_kg":
        return
    highest = {name: _extent(overview(band))[1] for name, band in bands.items()}
    if max(highest.values()) <= 100:
        listed = ", ".join(f"{name} up to {value:.3g}" for name, value in highest.items())
        raise InputError(
            f"`units` is g_per_kg, but the values ({listed}) look like percent: g/kg go up to 1000. Set `units` to "
            "percent, or check the layers."
        )


def _impossible(band: Band, name: str, value: float, units: str) -> str:
    raw = value / TEXTURE_UNITS[units]
    hint = (
        "The values look like g/kg, as SoilGrids delivers them: set `units` to g_per_kg."
        if units == "percent" and 100 < raw <= 1010
        else "Check the layer and its nodata value."
    )
    return (
        f"{name.capitalize()} in '{band.source.label}' holds {raw:.4g}, which cannot be {units.replace('_', ' ')}. "
        f"{hint}"
    )
