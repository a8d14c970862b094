"""Surface reflectance from what files hold: scale, offset and how they are known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.sensors.optical import SENSORS, sentinel2_baseline

if TYPE_CHECKING:
    from sm_toolbox.raster.bands import Band

REFLECTANCE_TOLERANCE = 0.02
"""How far below 0 or above 1 a reflectance may lie, as atmospheric correction leaves it over dark water and snow; it is
set to 0 or 1.
"""


@dataclass(frozen=True)
class ReflectanceScaling:
    """What a user knows of stored values: reflectance = scale × stored value + offset.

    Parameters
    ----------
    scale, offset : float, optional
    """

    scale: float | None = None
    offset: float | None = None


AS_KNOWN = ReflectanceScaling()


@dataclass(frozen=True)
class Calibration:
    """How stored values become reflectances.

    Parameters
    ----------
    factor, shift : float
        Reflectance = factor × value + shift. The reader has applied the file's own scale and offset already.
    fills : tuple of float
        Values that mean no data, as read; none where they are reflectances already.
    step : float
        The difference of two stored integers, as read.
    reason : str
        For the log.
    is_doubtful : bool
        Whether the file does not say if an offset belongs to it: Sentinel-2 of before 2022 without its baseline, which
        may have been processed again.
    """

    factor: float
    shift: float
    fills: tuple[float, ...]
    step: float
    reason: str
    is_doubtful: bool = False

    def apply(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return reflectances, and which of the valid cells hold none.

        Parameters
        ----------
        values : ndarray of float32
            As stored, NaN where there is no data.

        Returns
        -------
        reflectance : ndarray of float32, same shape
            0 to 1, else NaN.
        wrong : ndarray of bool, same shape
            Valid cells that hold no reflectance.
        """
        result = values * np.float32(self.factor) + np.float32(self.shift)
        for fill in self.fills:
            result[np.abs(values - np.float32(fill)) < self.step / 2] = np.nan
        with np.errstate(invalid="ignore"):
            wrong = (result < -REFLECTANCE_TOLERANCE) | (result > 1 + REFLECTANCE_TOLERANCE)
        result[wrong] = np.nan
        return np.clip(result, 0, 1), wrong


def calibrate(band: Band, sensor: str, scale: float | None = None, offset: float | None = None) -> Calibration:
    """Find scale, offset and fill values of a band of reflectances.

    What is given counts (without `offset` it is 0); else the file's own scale and offset; else whole numbers have those
    of the sensor's surface reflectance products, and floating-point numbers are reflectances already.

    Parameters
    ----------
    band : Band
    sensor : str
    scale, offset : float, optional

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        Where the offset of Sentinel-2 cannot be known, and for Landsat Level 1, whose scale is in its metadata.
    """
    from sm_toolbox.raster.bands import open_raster
    from sm_toolbox.raster.meaning import band_scale

    with open_raster(band.source) as dataset:
        described = dataset.describe(band.index)
        stated = described.scale
        scaling = band_scale(dataset, band.index, band.source.path)
        own_scale, own_offset = scaling.scale, scaling.offset
        is_integer = np.issubdtype(np.dtype(described.dtype), np.integer)
        baseline = dataset.tags().get("PROCESSING_BASELINE", "")
    defaults = SENSORS[sensor]
    if scale is not None:
        used, reason = (scale, 0.0), "scale as given"
    elif (stated, described.offset) != (1.0, 0.0):
        # Some MODIS products in HDF4 give the divisor as their scale: 10000 for 0.0001.
        used = (1 / own_scale, own_offset) if own_scale > 1 else (own_scale, own_offset)
        reason = "scale of the file" if stated <= 1 else f"scale of the file, whose {stated:g} is a divisor"
    elif not is_integer:
        used, reason = (1.0, 0.0), "floating-point numbers are reflectances already"
    else:
        used, reason = (defaults.scale, defaults.offset), f"default of {sensor}"
        if offset is None and sensor == "sentinel2":
            used, reason = _sentinel2_scale(band, baseline)
        if sensor.startswith("landsat") and re.search(r"_L1[TG][PST]_", band.source.path):
            raise InputError(
                f"'{band.source.label}' is Landsat Level 1 (top of atmosphere). Use Level 2 (surface reflectance, "
                "L2SP), or give `scale` and `offset`: REFLECTANCE_MULT_BAND and REFLECTANCE_ADD_BAND in the scene's "
                "MTL file."
            )
    is_doubtful = offset is None and used[1] == 0 and reason.endswith("when baseline 04.00 began")
    if offset is not None:
        used, reason = (used[0], offset), f"{reason}, offset as given"
    factor = used[0] / own_scale
    fills = tuple(fill * own_scale + own_offset for fill in defaults.fills) if used[0] != 1 else ()
    text = f"{used[0]:g} × stored value {used[1]:+g} ({reason})"
    return Calibration(factor, used[1] - factor * own_offset, fills, own_scale, text, is_doubtful)


def doubts(bands: Sequence[Band], calibrations: Sequence[Calibration | None]) -> str:
    """Say what was taken where a file does not say whether an offset belongs to its reflectances.

    Parameters
    ----------
    bands : sequence of Band
    calibrations : sequence of Calibration or None
        Of each.

    Returns
    -------
    str
        Empty where there is no doubt: with the offset of 1000, nothing is darker than that.
    """
    from sm_toolbox.raster.bands import overview

    doubtful = [band for band, calibration in zip(bands, calibrations) if calibration and calibration.is_doubtful]
    if not doubtful:
        return ""
    darkest = np.inf
    for band in doubtful[:12]:
        values = overview(band, 256)
        values = values[np.isfinite(values) & (values > 0)]
        darkest = min(darkest, float(np.percentile(values, 1)) if values.size else np.inf)
    if darkest < 1000:
        return ""
    return (
        f"{len(doubtful)} bands of Sentinel-2 ('{doubtful[0].source.label}' first) do not say with which baseline they "
        "were processed; by their date no offset is taken. If they were processed again since 2022 (baseline 05.00), "
        "their reflectances are 0.1 too high: give `offset` -0.1 then, 0 else, or the files within their folder "
        "(…_N0500_….SAFE)."
    )


def _sentinel2_scale(band: Band, tag: str) -> tuple[tuple[float, float], str]:
    """Return scale and offset of Sentinel-2."""
    known = sentinel2_baseline(band.source.path, None if band.time is None else band.time.start, tag)
    if known is None:
        raise InputError(
            f"'{band.source.label}' has neither a processing baseline (N0400) nor a date in its name, so that its "
            "offset cannot be known. Give `offset`: -0.1 from baseline 04.00 on (January 2022), else 0."
        )
    offset, reason = known
    return (SENSORS["sentinel2"].scale, offset), f"default of sentinel2, {reason}"
