"""What fell before: antecedent precipitation, and earlier values and sums of dated variables as bands."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.lags import Lag, addends_of, lagged, steps_of
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.timeseries.dates import require_dates, require_distinct_starts

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Stack
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

ANTECEDENT_METHODS = ("antecedent_precipitation", "lag", "sum")
DEFAULT_DECAY = 0.9
DEFAULT_DAYS = "7,30"
# Share of the index that may still depend on what fell before the record, or in a gap, where no spin-up is given.
_UNKNOWN_SHARE = 0.05
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class AntecedentSettings:
    """What is made of what fell before.

    Parameters
    ----------
    method : tuple of str, optional
        Of `ANTECEDENT_METHODS`.
    decay : float, optional
        What of the antecedent precipitation index is left a day later, between 0 and 1.
    days : str, optional
        How many days values lie back, and over how many they are summed; several with commas between them.
    spin_up : float, optional
        Days from the first value, or the first after a gap, to the first index; by default until 5 % of what fell
        before would be left.
    """

    method: tuple[str, ...] = ("antecedent_precipitation",)
    decay: float = DEFAULT_DECAY
    days: str = DEFAULT_DAYS
    spin_up: float | None = None

    @property
    def known_after(self) -> float:
        """Days without an index after the beginning of a record or a gap."""
        if self.spin_up is not None:
            return self.spin_up
        return math.log(_UNKNOWN_SHARE) / math.log(self.decay)

    def lags(self) -> list[Lag]:
        """Return lags and sums, each once.

        Raises
        ------
        InputError
            Where `days` holds something else than numbers of days.
        """
        found: dict[Lag, None] = {}
        wanted = [method == "sum" for method in ("lag", "sum") if method in self.method]
        for part in filter(None, map(str.strip, re.split(r"[,;\n]", self.days))):
            try:
                number = float(part.rstrip("dD"))
            except ValueError:
                number = math.nan
            if not 0 < number <= 36_525:
                raise InputError(f"`days`: '{part[:100]}' is no number of days. Write 7,30.")
            found |= {Lag(0, number, is_sum): None for is_sum in wanted}
        if wanted and not found:
            raise InputError("`days` is empty. Say how many days lag and sum go back, such as 7,30.")
        return list(found)

    def check(self) -> None:
        """Refuse settings that mean nothing.

        Raises
        ------
        InputError
        """
        unknown = [method for method in self.method if method not in ANTECEDENT_METHODS]
        if unknown or not self.method:
            raise InputError(
                f"`method`: {', '.join(unknown) or 'none is chosen'}. Choose from: {', '.join(ANTECEDENT_METHODS)}."
            )
        if not 0 < self.decay < 1:
            raise InputError(
                f"`decay` is {self.decay:g}, but must lie between 0 and 1: what is left a day later, 0.85 to 0.98."
            )
        if self.spin_up is not None and not 0 <= self.spin_up <= 36_525:
            raise InputError(f"`spin_up` is {self.spin_up:g}, but must be 0 to 36,525 days.")


DEFAULT_ANTECEDENT = AntecedentSettings()


@dataclass(frozen=True)
class _Recursion:
    """How the index of a variable is carried from date to date, and the places of the dates that get one."""

    weights: np.ndarray
    days: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True)
class _Job:
    """What is made of one variable: its index, and sums of bands, each (addends, dates)."""

    index: _Recursion | None
    sums: tuple[np.ndarray, ...]


def antecedent_indices(
    sources: Sequence[Source],
    output: str,
    settings: AntecedentSettings = DEFAULT_ANTECEDENT,
    engine: Engine = ALL_CORES,
) -> list[str]:
    """Make bands of what fell before each date.

    The antecedent precipitation index is what fell on the date and a share of the index before it,
    API_t = k^Δt API_{t−1} + P_t over Δt days (Kohler & Linsley 1951, Predicting the runoff from storm rainfall, US
    Weather Bureau Research Paper 34). A gap makes a gap rather than days without rain: the index begins anew after it,
    and has no value until what fell in the gap no longer matters.

    Parameters
    ----------
    sources : sequence of Source
        Dated bands of one or several variables, in any order of dates; on other grids than the first they are warped.
    output : str
        GeoTIFF or NetCDF with the bands `variable_api@t`, `variable_lag7d@t`, `variable_sum7d@t` on those dates of the
        variable that can have one: the value seven days before, and the sum of the seven days of which the date is the
        last. Where dates of a window are missing or have no data, there is no sum.
    settings : AntecedentSettings, optional
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where a variable is not dated, has a single date, or months or years, a setting is impossible, or nothing has a
        value.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> rain = {"rain@2018-06-01": [[10.0]], "rain@2018-06-02": [[0.0]], "rain@2018-06-03": [[5.0]]}
    >>> settings = AntecedentSettings(("antecedent_precipitation", "sum"), 0.5, "2", spin_up=0)
    >>> antecedent_indices([write_example("rain.tif", rain)], "api.tif", settings)[2:]
    ['rain_api@2018-06-03', 'rain_sum2d@2018-06-02', 'rain_sum2d@2018-06-03']
    >>> found = read_example("api.tif")
    >>> print(found["rain_api@2018-06-03"], found["rain_sum2d@2018-06-03"])
    [[7.5]] [[5.]]
    """
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.meaning import tell_amounts
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    settings.check()
    progress = engine.progress
    given = read_bands(sources)
    by_name = stacks(given)
    lags = settings.lags()
    jobs: dict[str, _Job] = {}
    bands: list[str] = []
    for name, stack in by_name.items():
        require_dates(stack, 2)
        require_distinct_starts(stack)
        index = _recursion(stack, settings) if "antecedent_precipitation" in settings.method else None
        if index is not None:
            bands += [band_name(f"{name}_api", stack.times[i]) for i in index.kept]
        sums = []
        for lag in lags:
            times, addends = _sum(stack, lag)
            bands += [band_name(lag.column(name), time) for time in times]
            sums.append(addends)
        jobs[name] = _Job(index, tuple(sums))
    if "antecedent_precipitation" in settings.method and settings.known_after:
        progress.info(
            f"Indices have no value in the first {settings.known_after:.3g} days of a record, and after gaps: they "
            "depend on what fell before. `spin_up` changes that."
        )
    kernel = partial(_indices, jobs=jobs, spin_up=settings.known_after, count=len(bands))
    inputs = {name: stack.bands for name, stack in by_name.items()}
    written = run_blocks(kernel, inputs, [RasterOutput(output, bands)], given[0].grid, engine)
    tell_amounts(written.watch, given, progress)
    return bands


def _indices(
    blocks: Blocks, window: Window, jobs: dict[str, _Job], spin_up: float, count: int
) -> tuple[np.ndarray, Facts]:
    """Return all bands of a block; a kernel."""
    from sm_toolbox.timeseries.antecedent_kernels import add_up, decay_and_add

    result = np.empty((count, *next(iter(blocks.values())).shape[1:]), np.float32)
    start = 0
    for name, job in jobs.items():
        block = blocks[name]
        if job.index is not None:
            places = np.full(len(block), -1, np.int64)
            places[job.index.kept] = start + np.arange(len(job.index.kept))
            decay_and_add(block, job.index.weights, job.index.days, spin_up, places, result)
            start += len(job.index.kept)
        for addends in job.sums:
            add_up(block, addends.astype(np.int64), result[start : start + addends.shape[1]])
            start += addends.shape[1]
    return result, {"with_data": int((~np.isnan(result)).any())}


def _recursion(stack: Stack, settings: AntecedentSettings) -> _Recursion:
    name = stack.variable
    if any(time.resolution in ("month", "year") for time in stack.times):
        raise InputError(
            f"`method` antecedent_precipitation needs days, but the dates of '{name}' are months or years. Give the "
            f"daily rasters, or sum steps with 'Sample predictors at stations' ({name}:3:sum)."
        )
    numbers, step = steps_of(stack)
    apart = np.diff([(time.start - stack.times[0].start) / _DAY for time in stack.times])
    begins = np.concatenate([[True], np.diff(numbers) > 1])
    days = np.where(begins, step, np.concatenate([[step], apart]))
    # Days of the record that a date looks back on, without a gap.
    known = np.zeros(len(days))
    for i, of_date in enumerate(days):
        known[i] = of_date + (0 if begins[i] else known[i - 1])
    kept = np.flatnonzero(known >= settings.known_after)
    if not len(kept):
        raise InputError(
            f"'{name}' has no more than {known.max():.4g} days in a row, but its index has no value in the first "
            f"{settings.known_after:.3g}, which depend on what fell before. Give a longer record, or set `spin_up` to "
            "0 to begin with nothing."
        )
    return _Recursion(np.where(begins, np.nan, settings.decay**days), days, kept)


def _sum(stack: Stack, lag: Lag) -> tuple[list[Time], np.ndarray]:
    """Return the dates that have a lag, and the places of the bands that make it, (addends, dates)."""
    wanted = f"`days` '{lag.days:g}'"
    of_lag = lagged(stack.variable, stack, lag, wanted)
    places = {time: TimeRule().nearest(stack.variable, of_lag, time) for time in stack.times}
    found = {time: place for time, place in places.items() if place is not None}
    if not found:
        raise InputError(
            f"{wanted}: no date of '{stack.variable}' ({stack.times[0]} to {stack.times[-1]}) lies {lag.days:g} days "
            "after another. Give fewer days, or a longer record."
        )
    return list(found), addends_of(of_lag)[:, list(found.values())]
