"""Moisture of the root zone from that of the surface, by the recursive exponential filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.timeseries.dates import days_since_first, require_dates, require_distinct_starts

if TYPE_CHECKING:
    from sm_toolbox.progress import Progress
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source

ROOT_ZONE_UNITS = {"index": "soil_water_index", "moisture": "root_zone_soil_moisture"}
"""What the filter can give, and the variable of its bands."""
_LONGEST = 3_660.0
# The wettest surface of a record comes nearer to field capacity than this share, if both are in one unit.
_FAR_BELOW = 0.2


@dataclass(frozen=True)
class RootZoneSettings:
    """How surface moisture is filtered.

    Parameters
    ----------
    time_constant : float, optional
        Days; 5 for a layer of some 0.2 m, 20 for the root zone, 60 for a metre (Wagner et al. 1999).
    units : {'index', 'moisture'}, optional
        The soil water index, 0 to 1, or moisture between the same limits as that of the surface.
    min_observations : int, optional
        Observations needed within three time constants.
    """

    time_constant: float = 20.0
    units: str = "index"
    min_observations: int = 4

    def check(self) -> None:
        """Refuse settings that mean nothing.

        Raises
        ------
        InputError
        """
        if not 0 < self.time_constant <= _LONGEST:
            raise InputError(
                f"`time_constant` is {self.time_constant:g} days, but must be above 0 and up to {_LONGEST:,.0f}."
            )
        if self.units not in ROOT_ZONE_UNITS:
            raise InputError(f"`units` is '{self.units}', but must be one of: {', '.join(ROOT_ZONE_UNITS)}.")
        if self.min_observations < 1:
            raise InputError(f"`min_observations` is {self.min_observations}, but must be at least 1.")


@dataclass(frozen=True)
class RootZoneInputs:
    """The rasters of the filter.

    Parameters
    ----------
    sources : sequence of Source
        Dated surface moisture of one variable.
    time_constant : Source, optional
        Days for each cell, instead of one for all.
    wilting_point, field_capacity : Source, optional
        Surface moisture that is 0 and 1; by default the lowest and highest of each cell.
    """

    sources: Sequence[Source]
    time_constant: Source | None = None
    wilting_point: Source | None = None
    field_capacity: Source | None = None


DEFAULT_ROOT_ZONE = RootZoneSettings()


def exponential_filter(days: np.ndarray, values: np.ndarray, time_constant: float) -> np.ndarray:
    """Filter a series through time.

    Each value is the mean of all up to it, weighted by e^(−age / T): SWI_n = SWI_{n−1} + K_n (m_n − SWI_{n−1}), K_n =
    K_{n−1} / (K_{n−1} + e^(−(t_n − t_{n−1}) / T)), SWI_1 = m_1, K_1 = 1 (Wagner et al. 1999, doi
    10.1016/S0034-4257(99)00036-X; recursive after Albergel et al. 2008, doi 10.5194/hess-12-1323-2008, Eqs. 4 and 5).

    Parameters
    ----------
    days : ndarray of float64 (dates,)
        Ascending.
    values : ndarray of float64 (..., dates)
        NaN in gaps, which have no result.
    time_constant : float
        T, days.

    Returns
    -------
    ndarray of float64 (..., dates)

    Examples
    --------
    >>> exponential_filter(np.array([0.0, 1.0, 31.0]), np.array([0.2, 0.4, 0.1]), 10).round(4)
    array([0.2   , 0.305 , 0.1178])
    """
    out = np.full(values.shape, np.nan)
    weight, total = np.zeros(values.shape[:-1]), np.zeros(values.shape[:-1])
    for date, day in enumerate(days):
        left = np.exp(-(day - days[date - 1]) / time_constant) if date else 0.0
        observed = ~np.isnan(values[..., date])
        weight = weight * left + observed
        total = total * left + np.where(observed, values[..., date], 0.0)
        out[..., date] = np.where(observed, total / np.where(observed, weight, 1.0), np.nan)
    return out


def root_zone(
    inputs: RootZoneInputs, output: str, settings: RootZoneSettings = DEFAULT_ROOT_ZONE, engine: Engine = ALL_CORES
) -> list[str]:
    """Estimate the moisture of the root zone from that of the surface.

    Parameters
    ----------
    inputs : RootZoneInputs
        On other grids than the first raster of the surface they are warped.
    output : str
        GeoTIFF or NetCDF with the bands `soil_water_index@t` (0 to 1) or `root_zone_soil_moisture@t`, and `quality@t`:
        the weight of the observations up to the date, as a share of what one on every usual date would have, 0 to 1. A
        date without an observation keeps the last value while that is no older than a time constant; the first dates,
        which cannot have enough observations, are left out.
    settings : RootZoneSettings, optional
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where the surface is not dated or of several variables, a setting is impossible, or no cell has a value.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> surface = {"sm@2018-06-01": [[0.1]], "sm@2018-06-02": [[0.4]], "sm@2018-06-03": [[0.2]]}
    >>> settings = RootZoneSettings(time_constant=5, min_observations=1)
    >>> root_zone(RootZoneInputs([write_example("sm.tif", surface)]), "swi.tif", settings)[-1]
    'quality@2018-06-03'
    >>> print(read_example("swi.tif")["soil_water_index@2018-06-03"].round(3))
    [[0.463]]
    """
    from sm_toolbox.raster.bands import read_bands, single_stack
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.meaning import tell_amounts
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput
    from sm_toolbox.raster.reading import warp_method

    settings.check()
    stack = single_stack(read_bands(inputs.sources), "sources")
    require_dates(stack, max(2, settings.min_observations))
    require_distinct_starts(stack)
    grid = stack.bands[0].grid
    blocks = {"surface": list(stack.bands)}
    for name in ("time_constant", "wilting_point", "field_capacity"):
        source = getattr(inputs, name)
        if source is not None:
            found = read_bands([source])
            if len(found) != 1:
                raise InputError(f"`{name}`: '{source.label}' has {len(found)} bands; give a raster with one.")
            blocks[name] = found
    # The first dates cannot have as many observations.
    times = stack.times[settings.min_observations - 1 :]
    bands = [band_name(name, time) for name in (ROOT_ZONE_UNITS[settings.units], "quality") for time in times]
    kernel = partial(
        _filtered, days=days_since_first(stack.times, stack.times[0]), step=stack.step_days, settings=settings
    )
    written = run_blocks(
        kernel,
        blocks,
        [RasterOutput(output, bands)],
        grid,
        engine,
        scratch_bytes_per_cell=9 * len(stack.bands) + 40,
        resampling=[warp_method("auto", band, grid) for found in blocks.values() for band in found],
    )
    tell_amounts(written.watch, stack.bands, engine.progress)
    return bands


def _filtered(
    blocks: Blocks, window: Window, days: np.ndarray, step: float, settings: RootZoneSettings
) -> tuple[np.ndarray, Facts]:
    """Return the filtered moisture and its quality; a kernel."""
    from sm_toolbox.timeseries.rootzone_kernels import LONGEST_MEMORY, filter_surface

    surface = blocks["surface"]
    shape = surface.shape[1:]
    # NaN in cells without any observation.
    lowest, highest = np.fmin.reduce(surface, axis=0), np.fmax.reduce(surface, axis=0)
    low = blocks["wilting_point"][0] if "wilting_point" in blocks else lowest
    high = blocks["field_capacity"][0] if "field_capacity" in blocks else highest
    constant = (
        blocks["time_constant"][0] if "time_constant" in blocks else np.full(shape, settings.time_constant, np.float32)
    )
    result = np.empty((2 * len(surface), *shape), np.float32)
    clipped = filter_surface(
        surface,
        days,
        step,
        constant.astype(np.float32),
        low.astype(np.float32),
        high.astype(np.float32),
        settings.min_observations,
        settings.units == "moisture",
        result[: len(surface)],
        result[len(surface) :],
    )
    with np.errstate(invalid="ignore"):
        observed = ~np.isnan(highest)
        tally = _Tally(
            cells=int(observed.sum()),
            observations=int(np.count_nonzero(~np.isnan(surface))),
            without_constant=int((observed & ~(constant > 0)).sum()),
            without_range=int((observed & ~(high > low)).sum()),
            far_below=int((highest < _FAR_BELOW * high).sum()),
            clipped=clipped,
            values=int(np.count_nonzero(~np.isnan(result[: len(surface)]))),
            longest=LONGEST_MEMORY * float(np.fmax.reduce(constant, axis=None, initial=0)),
            fewest=settings.min_observations,
        )
    kept = slice(settings.min_observations - 1, None)
    return np.concatenate([result[: len(surface)][kept], result[len(surface) :][kept]]), {"tally": tally}


@dataclass(frozen=True)
class _Tally:
    """What cells and observations lack; a fact of blocks."""

    cells: int
    observations: int
    without_constant: int
    without_range: int
    far_below: int
    clipped: int
    values: int
    longest: float
    fewest: int

    def __add__(self, other: _Tally) -> _Tally:
        counts = {name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        return _Tally(**{**counts, "longest": max(self.longest, other.longest), "fewest": self.fewest})

    def conclude(self, progress: Progress) -> None:
        """Say it, and refuse a map without any value."""
        if self.cells and self.without_constant == self.cells:
            raise InputError("`time_constant` is nowhere above 0 where `sources` has data. Give days, such as 20.")
        if self.cells and self.without_range == self.cells:
            raise InputError(
                "No cell has a range of moisture: `field_capacity` must lie above `wilting_point`, in the unit of "
                "`sources`; without them the surface must change."
            )
        if self.cells and not self.values:
            raise InputError(
                f"No cell has `min_observations` {self.fewest} observations within three time constants, "
                f"{self.longest:g} days. Ask for fewer, or give a longer `time_constant`."
            )
        if self.without_constant:
            progress.info(f"{self.without_constant:,} cells without a `time_constant` above 0 have no value.")
        if self.without_range:
            progress.info(
                f"{self.without_range:,} cells have no value: their moisture never changes, or `field_capacity` does "
                "not lie above `wilting_point`."
            )
        if self.far_below > 0.5 * self.cells:
            progress.warning(
                f"In {100 * self.far_below / self.cells:.0f} % of the cells `field_capacity` is more than "
                f"{1 / _FAR_BELOW:.0f} times the highest observation: most likely the two are not in one unit. Bring "
                "them to one with 'Raster calculator'."
            )
        if self.clipped > 0.05 * self.observations:
            progress.warning(
                f"{100 * self.clipped / self.observations:.0f} % of the observations lie below `wilting_point` or "
                "above `field_capacity` and count as these. Check the units, or match the surface to them with 'Match "
                "product to reference'."
            )
