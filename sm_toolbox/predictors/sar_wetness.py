"""Relative wetness from backscatter: where each cell stands between its own dry and wet reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.progress import Progress
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Band
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source

FEWEST_RADAR_DATES = 8
"""Dates with backscatter that a cell needs for its references."""
# Decibels between dry and wet below which a cell does not answer to moisture.
_LEAST_RANGE = 0.5


@dataclass(frozen=True)
class WetnessSettings:
    """The references of relative wetness.

    Parameters
    ----------
    dry_percentile, wet_percentile : float, optional
        Of each cell's backscatter over time.
    """

    dry_percentile: float = 5.0
    wet_percentile: float = 95.0

    def check(self) -> None:
        """Refuse settings that mean nothing.

        Raises
        ------
        InputError
        """
        if not 0 <= self.dry_percentile < self.wet_percentile <= 100:
            raise InputError(
                f"`dry_percentile` {self.dry_percentile:g} must lie below `wet_percentile` {self.wet_percentile:g}, "
                "both from 0 to 100."
            )


DEFAULT_WETNESS = WetnessSettings()


def relative_wetness(
    sources: Sequence[Source],
    output: str,
    settings: WetnessSettings = DEFAULT_WETNESS,
    porosity: Source | None = None,
    engine: Engine = ALL_CORES,
) -> list[str]:
    """Scale backscatter between the dry and the wet reference of each cell.

    Change detection (Wagner et al. 1999, doi 10.1016/S0034-4257(99)00036-X; for Sentinel-1 Bauer-Marschallinger et al.
    2019, doi 10.1109/TGRS.2018.2858004): what a cell scatters beyond its driest is moisture, as long as roughness,
    vegetation and angle do not change. It needs no station, so that every map that was trained on some should beat it.

    Parameters
    ----------
    sources : sequence of Source
        Dated bands `vv`, dB, of one orbit direction; others are left out.
    output : str
        GeoTIFF or NetCDF with the bands `relative_wetness@t`, 0 to 1, and, with `porosity`, `soil_moisture@t`.
    settings : WetnessSettings, optional
    porosity : Source, optional
        m³ m⁻³; wetness times porosity is moisture. On another grid it is warped.
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where there are fewer dates than eight, no cell has as many, or `porosity` is no porosity.
    OutputError, Cancelled
        As `run_blocks`.
    """
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.engine import EmptyError, run_blocks
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput
    from sm_toolbox.timeseries.dates import require_dates

    settings.check()
    stack = stacks(read_bands(sources))["vv"]
    require_dates(stack, FEWEST_RADAR_DATES)
    inputs = {"vv": stack.bands}
    variables = ["relative_wetness"]
    if porosity is not None:
        inputs["porosity"] = (_porosity(porosity, engine.progress),)
        variables.append("soil_moisture")
    bands = [band_name(name, time) for name in variables for time in stack.times]
    kernel = partial(_wetness, settings=settings)
    try:
        run_blocks(
            kernel,
            inputs,
            [RasterOutput(output, bands)],
            stack.bands[0].grid,
            engine,
            scratch_bytes_per_cell=12 * len(stack.bands) + 40,
        )
    except EmptyError as error:
        raise InputError(
            f"No cell has backscatter on {FEWEST_RADAR_DATES} dates with {_LEAST_RANGE} dB between its dry and its wet "
            "reference. Give more dates of one orbit direction."
        ) from error
    return bands


def _porosity(source: Source, progress: Progress) -> Band:
    """Return the band of porosity, and refuse another unit."""
    from sm_toolbox.raster.bands import named_stack, overview, read_bands
    from sm_toolbox.raster.meaning import refuse_fills

    band = named_stack(read_bands([source]), "porosity", progress).bands[0]
    values = overview(band)
    refuse_fills(values, source.label, band.variable)
    known = values[np.isfinite(values)]
    if known.size and not 0 < np.median(known) <= 1:
        raise InputError(
            f"`porosity` '{source.label}' has a median of {np.median(known):.4g}, but must be in m³ m⁻³, 0 to 1. "
            "Divide percent by 100 with 'Raster calculator'."
        )
    return band


def _wetness(blocks: Blocks, window: Window, settings: WetnessSettings) -> tuple[np.ndarray, Facts]:
    """Return the relative wetness of a block, and moisture; a kernel."""
    values = blocks["vv"]
    ordered = np.sort(values, axis=0)
    count = np.count_nonzero(~np.isnan(values), axis=0)
    dry, wet = (_percentile(ordered, count, share) for share in (settings.dry_percentile, settings.wet_percentile))
    with np.errstate(invalid="ignore", divide="ignore"):
        span = wet - dry
        answers = (count >= FEWEST_RADAR_DATES) & (span >= _LEAST_RANGE)
        wetness = np.clip((values - dry) / np.where(answers, span, np.nan), 0, 1)
    parts = [wetness]
    if "porosity" in blocks:
        parts.append(wetness * blocks["porosity"])
    return np.concatenate(parts).astype(np.float32), {}


def _percentile(ordered: np.ndarray, count: np.ndarray, percent: float) -> np.ndarray:
    """Return a percentile of the valid values of each cell, which are sorted with NaN last."""
    place = np.maximum(count - 1, 0) * (percent / 100)
    low = place.astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    first, second = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (low, high))
    return first + (place - low) * (second - first)
