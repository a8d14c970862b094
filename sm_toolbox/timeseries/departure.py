"""Dry or not: values against those that a cell had at the same time of the year in other years."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.timeseries.dates import require_dates, require_distinct_starts, require_same_periods

if TYPE_CHECKING:
    from sm_toolbox.progress import Progress
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Stack
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.meaning import Watch
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

DEPARTURES = {"difference": "anomaly", "standardized": "z", "percentile": "percentile"}
"""What can be computed, and the ending of its bands."""
DRY_BELOW = 20.0
"""Percentile below which the US Drought Monitor calls a place dry: its class D1, moderate drought."""


@dataclass(frozen=True)
class DepartureSettings:
    """How values are set against a cell's own climatology.

    Parameters
    ----------
    method : tuple of str, optional
        Of `DEPARTURES`.
    window : float, optional
        Length of the season that counts around a day of the year.
    leave_year_out : bool, optional
        Whether the year of a date is left out of its own climatology.
    min_years : int, optional
        Years in which a cell needs a value in the window.
    """

    method: tuple[str, ...] = ("difference",)
    window: float = 31.0
    leave_year_out: bool = True
    min_years: int = 5

    def check(self) -> None:
        """Refuse settings that mean nothing.

        Raises
        ------
        InputError
        """
        unknown = [name for name in self.method if name not in DEPARTURES]
        if unknown or not self.method:
            raise InputError(
                f"`method`: {', '.join(unknown) or 'none is chosen'}. Choose from: {', '.join(DEPARTURES)}."
            )
        if not 0 < self.window <= 366:
            raise InputError(f"`window` is {self.window:g} days, but must be above 0 and up to 366.")
        if self.min_years < 1:
            raise InputError(f"`min_years` is {self.min_years}, but must be at least 1.")


@dataclass(frozen=True)
class Departures:
    """What came of it.

    Parameters
    ----------
    bands : list of str
    too_few : float
        Share of the values whose cell has too few years, 0 to 1.
    dry : float or None
        Share of the cells below the 20th percentile on the last date that has values, 0 to 1; None where percentiles
        were not asked for.
    """

    bands: list[str]
    too_few: float
    dry: float | None


DEFAULT_DEPARTURE = DepartureSettings()


@dataclass(frozen=True)
class _Seasons:
    """Which reference dates count for each date, as `departure_kernels.depart` takes it."""

    order: np.ndarray
    day_of: np.ndarray
    low: np.ndarray
    high: np.ndarray
    own_year: np.ndarray


def temporal_departures(
    sources: Sequence[Source],
    output: str,
    settings: DepartureSettings = DEFAULT_DEPARTURE,
    reference: Sequence[Source] = (),
    engine: Engine = ALL_CORES,
) -> Departures:
    """Set every value against those that its cell had at the same time of other years.

    The climatology of a date is made of all reference values within half a window of the same day in each year. The
    percentile is the share of them that lies below the value, with half of those that equal it.

    Parameters
    ----------
    sources : sequence of Source
        Dated bands of one or several variables; on other grids than the first they are warped.
    output : str
        GeoTIFF or NetCDF with the bands `variable_anomaly@t` (in the variable's unit), `variable_z@t` (in standard
        deviations) and `variable_percentile@t` (0 to 100).
    settings : DepartureSettings, optional
    reference : sequence of Source, optional
        A longer record of the same variables; by default `sources`.
    engine : Engine, optional

    Returns
    -------
    Departures

    Raises
    ------
    InputError
        Where a variable is not dated, the reference lacks it or is of other periods, there are too few years, or no
        cell has enough.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> years = {f"sm@{year}-06-01": [[value]] for year, value in zip(range(2015, 2020), (0.2, 0.3, 0.25, 0.28, 0.1))}
    >>> settings = DepartureSettings(("difference", "percentile"), min_years=4)
    >>> found = temporal_departures([write_example("sm.tif", years)], "dry.tif", settings)
    >>> found.dry
    1.0
    >>> print(read_example("dry.tif")["sm_anomaly@2019-06-01"].round(4))
    [[-0.1575]]
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
    records = stacks(read_bands(reference)) if reference else by_name
    chosen = {name: _record(name, stack, records) for name, stack in by_name.items()}
    _tell_years(by_name, chosen, settings, progress)
    seasons, inputs, bands = {}, {}, []
    for name, stack in by_name.items():
        record = chosen[name]
        seasons[name] = _seasons(stack, record, settings)
        inputs[name] = stack.bands
        if reference:
            inputs[_reference_of(name)] = record.bands
        bands += [band_name(f"{name}_{DEPARTURES[item]}", time) for item in _wanted(settings) for time in stack.times]
    kernel = partial(_depart_all, seasons=seasons, settings=settings)
    written = run_blocks(
        kernel,
        inputs,
        [RasterOutput(output, bands)],
        given[0].grid,
        engine,
        # Masks of the dates of one variable.
        scratch_bytes_per_cell=max(len(stack.bands) for stack in by_name.values()) + 200,
    )
    tell_amounts(written.watch, [*given, *(band for record in chosen.values() for band in record.bands)], progress)
    if reference:
        for name, stack in by_name.items():
            _tell_units(written.watch, stack, chosen[name], progress)
    few: _TooFew = written.facts["few"]
    return Departures(bands, few.share, _dry(by_name, written.facts["dry"], settings, progress))


@dataclass(frozen=True)
class _TooFew:
    """How many values have too few years beside them; a fact of blocks."""

    values: int
    few: int
    min_years: int

    @property
    def share(self) -> float:
        return self.few / max(1, self.values)

    def __add__(self, other: _TooFew) -> _TooFew:
        return _TooFew(self.values + other.values, self.few + other.few, self.min_years)

    def conclude(self, progress: Progress) -> None:
        """Say it, and refuse a map without any value."""
        if self.few and self.few == self.values:
            raise InputError(
                f"No cell has values in `min_years` {self.min_years} years around any of the dates. Give a longer "
                "`reference`, a longer `window`, or fewer years."
            )
        if self.few:
            progress.info(
                f"{100 * self.share:.1f} % of the values are left out: their cells have data in fewer than "
                f"{self.min_years} years at that time of the year (`min_years`)."
            )


def _reference_of(name: str) -> str:
    return f"{name}, reference"


def _wanted(settings: DepartureSettings) -> list[str]:
    return [name for name in DEPARTURES if name in settings.method]


def _depart_all(
    blocks: Blocks, window: Window, seasons: dict[str, _Seasons], settings: DepartureSettings
) -> tuple[np.ndarray, Facts]:
    """Return the departures of all variables of a block; a kernel."""
    from sm_toolbox.timeseries.departure_kernels import depart

    wanted = _wanted(settings)
    places = np.array([wanted.index(name) if name in wanted else -1 for name in DEPARTURES])
    few, values, start = 0, 0, 0
    dry = {}
    dates = sum(len(blocks[name]) for name in seasons)
    result = np.empty((len(wanted) * dates, *next(iter(blocks.values())).shape[1:]), np.float32)
    for name, season in seasons.items():
        block = blocks[name]
        stop = start + len(wanted) * len(block)
        out = result[start:stop].reshape(len(wanted), *block.shape)
        start = stop
        few += depart(
            block,
            blocks.get(_reference_of(name), block),
            season.order,
            season.day_of,
            season.low,
            season.high,
            season.own_year,
            settings.min_years,
            places,
            out,
        )
        values += int(np.count_nonzero(~np.isnan(block)))
        if "percentile" in wanted:
            ranks = out[wanted.index("percentile")]
            dry[name] = np.stack([(ranks < DRY_BELOW).sum(axis=(1, 2)), (~np.isnan(ranks)).sum(axis=(1, 2))])
    return result, {
        "few": _TooFew(values, few, settings.min_years),
        "dry": _Counts(dry),
    }


class _Counts(dict[str, np.ndarray]):
    """Dry cells and cells with a percentile of each date, by variable; can be added."""

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts({name: counts + other[name] for name, counts in self.items()})


def _dry(
    by_name: dict[str, Stack], counts: dict[str, np.ndarray], settings: DepartureSettings, progress: Progress
) -> float | None:
    """Say how much is dry on the last date, and return it; of several variables that of the first."""
    if "percentile" not in settings.method:
        return None
    shares = []
    for name, stack in by_name.items():
        dry, known = counts[name]
        last = np.flatnonzero(known)
        if not len(last):
            continue
        share = dry[last[-1]] / known[last[-1]]
        shares.append(float(share))
        progress.info(
            f"{name} on {stack.times[last[-1]]}: {100 * share:.1f} % of the cells are below the {DRY_BELOW:.0f}th "
            "percentile of their own record."
        )
    return shares[0] if shares else None


def _tell_units(watch: Watch, stack: Stack, record: Stack, progress: Progress) -> None:
    """Warn where no value lies among those of the reference."""
    (low, high), (lowest, highest) = (watch.range_of(each.bands) for each in (stack, record))
    if high < lowest or highest < low:
        progress.warning(
            f"All values of '{stack.variable}' ({low:.4g} to {high:.4g}) lie outside those of `reference` "
            f"({lowest:.4g} to {highest:.4g}): most likely the two are not in one unit. Bring them to one with 'Raster "
            "calculator', or match them with 'Match product to reference'."
        )


def _record(name: str, stack: Stack, records: dict[str, Stack]) -> Stack:
    """Return the reference of a variable."""
    if name not in records:
        if len(records) > 1:
            raise InputError(
                f"`reference` has no '{name}', but {', '.join(records)}. Give a record of the same variable."
            )
        record = next(iter(records.values()))
    else:
        record = records[name]
    for each in (stack, record):
        require_dates(each)
        require_distinct_starts(each)
    require_same_periods(stack, record)
    return record


def _seasons(stack: Stack, record: Stack, settings: DepartureSettings) -> _Seasons:
    """Find the reference dates around the same day of each year."""
    at = np.array([_middle(time) for time in record.times], "datetime64[s]")
    # The years before and after hold parts of the windows around New Year.
    years = range(_middle(record.times[0]).year - 1, _middle(record.times[-1]).year + 2)
    half = np.timedelta64(round(settings.window / 2 * 86400), "s")
    middles = [_middle(time) for time in stack.times]
    keys = [(time.month, time.day, time.hour, time.minute, time.second) for time in middles]
    days = sorted(set(keys))
    anchors = np.array([[_in_year(year, *key) for year in years] for key in days], "datetime64[s]")
    # The windows only move on: an hour of 29 February is no earlier than the last of the day before.
    anchors = np.maximum.accumulate(anchors, axis=0)
    low = np.searchsorted(at, anchors - half, "left")
    high = np.searchsorted(at, anchors + half, "right")
    place = {key: i for i, key in enumerate(days)}
    own = np.array([years.index(time.year) if time.year in years else -1 for time in middles])
    return _Seasons(
        np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64),
        np.array([place[key] for key in keys], np.int64),
        low.astype(np.int64),
        high.astype(np.int64),
        (own if settings.leave_year_out else np.full(len(own), -1)).astype(np.int64),
    )


def _middle(time: Time) -> datetime:
    return time.start + (time.end - time.start) / 2


def _in_year(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime:
    """Return the same moment of another year; of 29 February that of the day before where there is none."""
    return datetime(year, month, min(day, calendar.monthrange(year, month)[1]), hour, minute, second)


def _tell_years(
    by_name: dict[str, Stack], chosen: dict[str, Stack], settings: DepartureSettings, progress: Progress
) -> None:
    """Refuse records of too few years."""
    for name, record in chosen.items():
        years = len({_middle(time).year for time in record.times})
        own = settings.leave_year_out and record is by_name[name]
        if years - own < settings.min_years:
            raise InputError(
                f"'{record.variable}' has dates in {years} year{'s' if years > 1 else ''} "
                f"({record.times[0]} to {record.times[-1]}), but `min_years` {settings.min_years} are needed"
                f"{' beside that of the date (`leave_year_out`)' if own else ''}. Give a longer record in `reference`, "
                "or ask for fewer years."
            )
    if settings.min_years < 5:
        progress.warning(
            f"`min_years` {settings.min_years}: percentiles and deviations of so few years say little. Drought "
            "monitors take 20 and more."
        )
