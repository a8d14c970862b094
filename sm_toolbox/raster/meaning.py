"""What the numbers of a file or column mean: scales it does not state, fill values nobody declared, units, ranges."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import MOISTURE_UNIT
from sm_toolbox.sensors.quantities import (
    ABSURD,
    AMOUNT,
    CELSIUS,
    FILLS,
    FRACTION,
    KELVIN,
    PERCENT,
    QUANTITIES,
    customary_unit,
    landsat_scale,
    quantity_of,
)

if TYPE_CHECKING:
    from sm_toolbox.progress import Progress
    from sm_toolbox.raster.driver import BandDescription, Dataset
    from sm_toolbox.raster.opening import Source

# Products whose medians differ by more than this factor are in different units.
_SAME_UNIT = 5.0
# Share of the cells that a fill value must have to be named; of those that may be measured, too.
_SHARE = 0.01
# What may be a measurement as well: the highest numbers of integer types, and zero.
_OF_TYPE = {"uint8": 255.0, "uint16": 65535.0, "int16": 32767.0}
# Distance of a fill value from all other numbers, in ranges of these.
_FAR = 0.3
_FAR_OF = {-3000.0: 0.05, -28672.0: 0.05}
# Quantities that are not exactly 0 in many cells.
_NEVER_ZERO = ("soil_moisture", "temperature", "vegetation_index")
# A step of a physical quantity cannot be as large as this, and integers with it hold what must be divided by it.
_LARGEST_STEP = 1000.0
# Cells that are looked at in a block: all of a small one, else about so many, or one in so many.
_SMALL, _CELLS, _ONE_IN = 16384, 2048, 512
# All of the first blocks of a file, then one in so many.
_FIRST_READS, _THEN_EVERY = 16, 5
# Of so many cells of a row the first ones.
_EVERY, _RUN = 128, 16
# Kelvin below are no temperatures of the ground, and °C above none either.
_COLDEST = 150.0
# Numbers kept of each input, for its median.
_KEPT = 4096
OF_PERCENT = "0.01 × the percent that the file states, in m³ m⁻³"
"""The note of soil moisture whose unit is made a fraction."""
MOST_MOISTURE = 1.5
"""Soil moisture in m³ m⁻³ stays below the porosity, which peat brings near 1; a higher median is in another unit."""


@dataclass(frozen=True)
class StoredScale:
    """How stored numbers become physical ones.

    Parameters
    ----------
    scale, offset : float
        Physical value = stored · scale + offset.
    nodata : float or None
        In stored numbers.
    note : str
        What is taken that the file does not say, for the log; empty where all is as the file says.
    missing, valid : optional
        As in `BandDescription`.
    unit : str, optional
        Of the physical values, where it is not the one that the file states.
    """

    scale: float
    offset: float
    nodata: float | None
    note: str = ""
    missing: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    unit: str = ""


def physical_scale(described: BandDescription, path: str, tags: Mapping[str, str] | None = None) -> StoredScale:
    """Return scale and offset of a band, with what is known of its product where the file is silent or wrong.

    All that reads rasters asks here: integers of Landsat Collection 2 have the scale of their product; a scale that
    must be a divisor (MOD13: 10000) is one; soil moisture whose unit is stated as percent becomes a fraction.

    Parameters
    ----------
    described : BandDescription
    path : str
        Of the file, or a sub-dataset's name.
    tags : mapping of str, optional
        Metadata of the band.

    Returns
    -------
    StoredScale
    """
    scale, offset, nodata = described.scale, described.offset, described.nodata
    is_integer = described.dtype.startswith(("int", "uint"))
    names = [name for name in (described.name.partition("@")[0], _stem(path)) if name]
    if is_integer and (scale, offset) == (1.0, 0.0) and described.dtype == "uint16":
        known = next((found for found in map(landsat_scale, names) if found), None)
        if known:
            note = f"{known[0]:g} × stored value {known[1]:+g}, as in Landsat Collection 2, Level 2"
            return StoredScale(*known, 0.0 if nodata is None else nodata, note)
    quantity = next((found for found in map(quantity_of, names) if found), None)
    if is_integer and scale > 1 and scale >= min(_LARGEST_STEP, np.inf if quantity is None else quantity.span):
        note = f"stored value / {scale:g}: the file's scale of {scale:g} is a divisor"
        return StoredScale(1 / scale, offset, nodata, note)
    if quantity is QUANTITIES["soil_moisture"] and customary_unit(described.unit) == PERCENT:
        about = " ".join([*names, *((tags or {}).get(key, "") for key in ("long_name", "standard_name"))]).lower()
        # Of radar, ssm is a percentage of saturation.
        if not re.search(r"saturation|relative|degree|index|ssm|surface soil moisture", about):
            return StoredScale(scale / 100, offset / 100, nodata, OF_PERCENT, unit=FRACTION)
    return StoredScale(scale, offset, nodata)


def band_scale(dataset: Dataset, index: int, path: str, described: BandDescription | None = None) -> StoredScale:
    """Return scale and offset of a band of an open file.

    Parameters
    ----------
    dataset : Dataset
    index : int
        From 1.
    path : str
        As the user named it.
    described : BandDescription, optional
        What the file says of the band, where that is known.

    Returns
    -------
    StoredScale
    """
    described = described or dataset.describe(index)
    name = described.name.partition("@")[0]
    if not name and dataset.format == "netCDF":
        name = dataset.tags(index).get("NETCDF_VARNAME", "")
        described = replace(described, name=name)
    if described.unit:
        is_percent = customary_unit(described.unit) == PERCENT
        scaling = physical_scale(described, path, dataset.tags(index) if is_percent else None)
    elif name and quantity_of(name) is QUANTITIES["soil_moisture"]:
        scaling = physical_scale(replace(described, unit=stated_unit(dataset, index, name)), path)
    else:
        scaling = physical_scale(described, path)
    return replace(scaling, missing=described.missing, valid=described.valid)


def _stem(path: str) -> str:
    """Return the name of a file without its ending, or of a raster within a file."""
    if re.match(r"(?!(https?|s3):)[A-Za-z0-9_]{3,}:.+:[^\\/]*[^:]+$", path):
        return path.rpartition(":")[2].strip("/").rpartition("/")[2]
    return os.path.splitext(os.path.basename(path))[0]


def stated_unit(dataset: Dataset, index: int, variable: str) -> str:
    """Return the unit that a file states of a band, or of its variable as the toolbox's own files do.

    Parameters
    ----------
    dataset : Dataset
    index : int
    variable : str

    Returns
    -------
    str
        As `customary_unit`; empty where there is none.
    """
    tags = dataset.tags()
    return customary_unit(dataset.describe(index).unit or tags.get(f"UNIT_{variable}") or tags.get("UNITS") or "")


@dataclass
class Looked:
    """What was seen of one variable of a file.

    Parameters
    ----------
    label, variable, unit, dtype : str
    scales : (float, float)
        Scale and offset.
    fills : dict of float to int
        Cells with each number that may stand for no data.
    cells : int
        Cells with data that were looked at.
    low, high : float
        Of all other numbers.
    values : list of ndarray
        Some of these.
    """

    label: str
    variable: str
    unit: str
    dtype: str
    scales: tuple[float, float] = (1.0, 0.0)
    fills: dict[float, int] = field(default_factory=dict)
    cells: int = 0
    low: float = np.inf
    high: float = -np.inf
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray, candidates: Sequence[tuple[float, float]]) -> None:
        """Look at some cells.

        Parameters
        ----------
        values : ndarray of float32 (cells,)
            Without NaN.
        candidates : sequence of (float, float)
            Numbers that may stand for no data, as stored and as read.
        """
        if not values.size:
            return
        self.cells += values.size
        low, high = float(values.min()), float(values.max())
        if abs(low) > ABSURD or high > ABSURD:
            absurd = np.abs(values) > ABSURD
            worst = float(values[absurd][0])
            self.fills[worst] = self.fills.get(worst, 0) + int(absurd.sum())
            values = values[~absurd]
        for stored, read in candidates:
            if low <= read <= high:
                found = values == np.float32(read)
                count = int(np.count_nonzero(found))
                if count:
                    self.fills[stored] = self.fills.get(stored, 0) + count
                    values = values[~found]
        values = self._without_lone_extremes(values)
        if values.size:
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
            kept = sum(map(len, self.values))
            if kept < _KEPT:
                self.values.append(values[:: max(1, values.size // 256)][: _KEPT - kept].copy())

    def _without_lone_extremes(self, values: np.ndarray) -> np.ndarray:
        """Count the lowest and the highest number apart where many cells have it and it may stand for no data.

        That is what is impossible for the quantity, and in others what is a negative integer, as most codes are.
        """
        quantity = None if self.is_stored else quantity_of(self.variable)
        for lowest in (True, False):
            if not values.size:
                break
            extreme = float(values.min() if lowest else values.max())
            if quantity is not None:
                is_odd = extreme < quantity.low if lowest else extreme > quantity.high
            else:
                is_odd = lowest and extreme < 0 and extreme.is_integer()
            if not is_odd:
                continue
            found = values == np.float32(extreme)
            count = int(np.count_nonzero(found))
            if count >= max(3, _SHARE * values.size):
                stored = round((extreme - self.scales[1]) / self.scales[0], 4)
                self.fills[stored] = self.fills.get(stored, 0) + count
                values = values[~found]
        return values

    def suspects(self) -> list[tuple[float, float, bool]]:
        """List numbers that stand for no data: each with its share, and whether no measurement can have it."""
        found = []
        rest = np.concatenate(self.values) if self.values else np.empty(0)
        distinct = len(np.unique(rest)) if rest.size else 0
        for fill, count in self.fills.items():
            share = count / self.cells
            if share < _SHARE * 0.8:
                continue
            sure = abs(fill) > ABSURD or (fill < 0 and fill != -99 and fill in FILLS)
            if not rest.size:
                # Nothing else is there, and zeros or the highest number everywhere may be right.
                if sure:
                    found.append((fill, share, True))
            elif self._is_far(fill, distinct, sure):
                found.append((fill, share, sure))
        return found

    def _is_far(self, fill: float, distinct: int, sure: bool) -> bool:
        span = self.high - self.low
        if abs(fill) > ABSURD:
            return True
        read = fill * self.scales[0] + self.scales[1]
        quantity = quantity_of(self.variable)
        is_impossible = quantity is not None and not quantity.low <= read <= quantity.high
        if not sure and not is_impossible and distinct <= 20:
            # Classes and masks.
            return False
        if fill == 0:
            # ERA5's soil is 0 over the sea, as ECMWF says.
            if quantity is None or quantity.key not in _NEVER_ZERO or self.variable.startswith("swvl"):
                return False
            low, high = np.percentile(np.concatenate(self.values), [1, 99])
            return bool(low - read >= 0.1 * (high - low))
        distance = max(self.low - read, read - self.high)
        if fill not in FILLS and fill != _OF_TYPE.get(self.dtype):
            far = (0.02 if read < self.low else _FAR) if is_impossible else 1.0
            return distance > 0 and distance >= far * span
        return distance > 0 and distance >= _FAR_OF.get(fill, _FAR) * span

    @property
    def is_stored(self) -> bool:
        """Whether the numbers are integers of a product as it stores them, of which means are as good as of others."""
        quantity = quantity_of(self.variable)
        by_product = quantity is not None and quantity.key in ("vegetation_index", "reflectance", "temperature")
        return by_product and self.scales == (1.0, 0.0) and self.dtype.startswith(("int", "uint"))

    @property
    def median(self) -> float:
        """Of what is not suspect; NaN where there is nothing."""
        return float(np.median(np.concatenate(self.values))) if self.values else float("nan")


class Watch:
    """Looks at what is read, in the pass that reads it, from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[Any, str], Looked] = {}
        self._notes: dict[str, list[str]] = {}
        # Of no matter if two threads count one.
        self._reads: dict[Source, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        # On a cluster each worker looks for itself.
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Watch.__init__(self)

    def note(self, source: Source, note: str) -> None:
        """Keep what is to be said of a file.

        Parameters
        ----------
        source : Source
        note : str
        """
        with self._lock:
            files = self._notes.setdefault(note, [])
            if source.label not in files:
                files.append(source.label)

    def look(self, source: Source, bands: Sequence[WatchedBand], values: np.ndarray) -> None:
        """Look at a block.

        Parameters
        ----------
        source : Source
        bands : sequence of WatchedBand
        values : ndarray of float32 (bands, rows, cols)
            As read, NaN where there is no data.
        """
        reads = self._reads[source] = self._reads.get(source, 0) + 1
        if reads > _FIRST_READS and reads % _THEN_EVERY:
            return
        some = _some_cells(values)
        first = 0
        while first < len(bands):
            last = first + 1
            while last < len(bands) and bands[last] == bands[first]:
                last += 1
            band = bands[first]
            if not band.is_class:
                part = some[first:last].ravel()
                part = part[~np.isnan(part)]
                with self._lock:
                    looked = self._seen.setdefault(
                        (source, band.variable),
                        Looked(source.label, band.variable, band.unit, band.dtype, band.scales),
                    )
                    looked.add(part, band.candidates)
            first = last

    def tell(self, progress: Progress, strict: bool = True) -> None:
        """Say what was seen that is not right.

        Parameters
        ----------
        progress : Progress
        strict : bool, optional
            Whether a fill value that nobody declared is refused.

        Raises
        ------
        InputError
            Where numbers that no measurement can have would be reckoned with.
        """
        with self._lock:
            seen, notes = list(self._seen.values()), {note: list(files) for note, files in self._notes.items()}
        for note, files in notes.items():
            others = f" and {len(files) - 3} more" if len(files) > 3 else ""
            progress.info(f"{', '.join(repr(name) for name in files[:3])}{others}: {note}.")
        told: dict[tuple[float, bool], list[tuple[Looked, float]]] = {}
        for looked in seen:
            for fill, share, sure in looked.suspects():
                told.setdefault((fill, sure), []).append((looked, share))
        for (fill, sure), cases in sorted(told.items(), key=lambda item: not item[0][1]):
            text = _fill_in_words(fill, cases)
            if sure and strict:
                raise InputError(text)
            progress.warning(text)

    def refuse_early(self) -> None:
        """Raise as `tell` does where enough has been seen to be certain."""
        with self._lock:
            seen = [looked for looked in self._seen.values() if looked.fills and looked.cells >= _CELLS]
        for looked in seen:
            for fill, share, sure in looked.suspects():
                if sure and share >= 5 * _SHARE:
                    raise InputError(_fill_in_words(fill, [(looked, share)]))

    def range_of(self, bands: Sequence[Any]) -> tuple[float, float]:
        """Return the lowest and the highest number that were seen of bands.

        Parameters
        ----------
        bands : sequence of Band

        Returns
        -------
        (float, float)
            Infinite, the lowest above the highest, where nothing was seen.
        """
        keys = {(band.source, band.variable) for band in bands}
        with self._lock:
            seen = [looked for key, looked in self._seen.items() if key in keys]
        return min((each.low for each in seen), default=np.inf), max((each.high for each in seen), default=-np.inf)

    def tell_ranges(self, progress: Progress) -> None:
        """Warn of variables most of whose numbers are impossible in the unit that their name claims.

        Parameters
        ----------
        progress : Progress
        """
        with self._lock:
            seen = list(self._seen.values())
        told: set[str] = set()
        for looked in seen:
            if looked.is_stored:
                continue
            text = implausible(looked.variable, looked.median, looked.unit)
            if (
                not text
                and looked.label in self._notes.get(OF_PERCENT, ())
                and abs(looked.median) < MOST_MOISTURE / 100
            ):
                text = (
                    f"has a median of {looked.median * 100:.4g} % as the file states its unit, but these numbers "
                    "look like m³ m⁻³: correct the unit of the file."
                )
            if text and looked.variable not in told:
                told.add(looked.variable)
                progress.warning(f"'{looked.variable}' of '{looked.label}' {text}")


def _some_cells(values: np.ndarray) -> np.ndarray:
    """Return cells from all over a block (bands, rows, cols), those of a row in runs that the memory reads at once."""
    if values.size <= _SMALL:
        return values
    few, width = max(_CELLS, values.size // _ONE_IN), values.shape[2]
    if width >= 2 * _EVERY:
        whole = values[:, :, : width // _EVERY * _EVERY]
        values = whole.reshape(*whole.shape[:2], -1, _EVERY)[..., :_RUN]
    step = max(1, min(values.shape[1], values.size // few))
    return values[:, step // 2 :: step]


def refuse_fills(values: np.ndarray, label: str, variable: str) -> None:
    """Refuse numbers that stand for no data, where few dates are looked at before the work.

    Parameters
    ----------
    values : ndarray of float
        NaN where there is no data.
    label, variable : str
        Of the layer, for the message.

    Raises
    ------
    InputError
    """
    looked = Looked(label, variable, "", "float32")
    looked.add(values[~np.isnan(values)].astype(np.float32), [(fill, fill) for fill in FILLS])
    for fill, share, sure in looked.suspects():
        if sure:
            raise InputError(_fill_in_words(fill, [(looked, share)]))


def _fill_in_words(fill: float, cases: Sequence[tuple[Looked, float]]) -> str:
    looked, share = max(cases, key=lambda case: case[1])
    others = f" (and {len(cases) - 1} more)" if len(cases) > 1 else ""
    rest = f", while all others lie between {looked.low:.4g} and {looked.high:.4g}" if looked.values else ""
    return (
        f"'{looked.variable}' of '{looked.label}'{others} is {fill:g} in {share:.1%} of the cells{rest}: most likely "
        "these cells have no data, which the file does not say. Set it with 'Translate (convert format)': Assign a "
        f"specified NoData value {fill:g}."
    )


@dataclass(frozen=True)
class WatchedBand:
    """A band as `Watch` knows it.

    Parameters
    ----------
    variable, unit, dtype : str
    scales : (float, float)
        Scale and offset.
    is_class : bool
        Whether no number is out of the ordinary: of classes, and directions.
    """

    variable: str
    unit: str
    dtype: str
    scales: tuple[float, float]
    is_class: bool

    @cached_property
    def candidates(self) -> list[tuple[float, float]]:
        """Numbers that may stand for no data, as stored and as read."""
        highest = _OF_TYPE.get(self.dtype)
        stored = dict.fromkeys((*FILLS, 0.0, *(() if highest is None else (highest,))))
        scale, offset = np.float32(self.scales[0]), np.float32(self.scales[1])
        return [(fill, float(np.float32(fill) * scale + offset)) for fill in stored]


def implausible(name: str, median: float, unit: str = "") -> str:
    """Say why numbers cannot be what their name claims.

    Parameters
    ----------
    name : str
        Of a variable or field.
    median : float
    unit : str, optional
        As `customary_unit`; soil moisture in another unit than m³ m⁻³ claims nothing else.

    Returns
    -------
    str
        The rest of a sentence after the name; empty where all may be right.
    """
    quantity = quantity_of(name)
    if quantity is QUANTITIES["temperature"] and np.isfinite(median):
        if unit == KELVIN and median < _COLDEST:
            return f"has a median of {median:.4g}, which is no kelvin as its unit says, but may be °C."
        if unit == CELSIUS and _COLDEST < median <= quantity.high:
            return f"has a median of {median:.4g}, which is no °C as its unit says, but may be kelvin."
    if quantity is None or not np.isfinite(median) or quantity.low <= median <= quantity.high:
        return ""
    if quantity.unit == FRACTION and unit in (PERCENT, AMOUNT):
        return ""
    return f"has a median of {median:.4g}, which is not {quantity.label}. {quantity.remedy}"


def fills_in_column(values: np.ndarray) -> list[tuple[float, int]]:
    """Find numbers that stand for no data in a column of a table: exact ones, far outside the rest.

    Parameters
    ----------
    values : ndarray of float64 (rows,)
        NaN where there is none.

    Returns
    -------
    list of (float, int)
        Each with its number of rows.
    """
    valid = values[~np.isnan(values)]
    if not valid.size or (valid.min() > -90 and valid.max() < 9999):
        return []
    is_fill = np.isin(valid, FILLS) | (np.abs(valid) > ABSURD)
    rest = valid[~is_fill]
    found = []
    for fill in np.unique(valid[is_fill]):
        count = int(np.count_nonzero(valid == fill))
        if rest.size:
            span = float(np.ptp(rest))
            distance = max(float(rest.min()) - fill, fill - float(rest.max()))
            # What is positive may be measured, unless all else is close together far below.
            if distance < max(span, 10.0) or (0 < fill < ABSURD and (distance < 100 * span or rest.size < 10)):
                continue
        elif len(np.unique(valid)) > 1 or fill not in (-9999, -999):
            continue
        found.append((float(fill), count))
    return found


def tell_amounts(watch: Watch, bands: Sequence[Any], progress: Progress) -> None:
    """Warn, after a pass that reckons with numbers as amounts, of classes and of impossible numbers.

    Parameters
    ----------
    watch : Watch
        What was seen.
    bands : sequence of Band
        What was read.
    progress : Progress
    """
    classes = {band.variable: f"'{band.variable}' of '{band.source.label}'" for band in bands if band.is_class}
    if classes:
        progress.warning(
            f"Numbers of classes are taken as amounts: {', '.join(classes.values())}. Their means, sums and trends say "
            "nothing; leave them out, or make a raster of 0 and 1 for each class ('Raster calculator')."
        )
    watch.tell_ranges(progress)


def tell_fills(values: np.ndarray, what: str, progress: Progress) -> None:
    """Warn of numbers that stand for no data among values at points.

    Parameters
    ----------
    values : ndarray of float64 (rows,)
    what : str
        Whose values, for the message.
    progress : Progress
    """
    for fill, count in fills_in_column(values)[:1]:
        progress.warning(
            f"{what} is {fill:g} in {count:,} of {np.count_nonzero(~np.isnan(values)):,} rows, far from all others: "
            "most likely cells without data, which the file does not say. Set it with 'Translate (convert format)': "
            f"Assign a specified NoData value {fill:g}, and sample again."
        )


def unit_of_moisture(values: np.ndarray) -> str:
    """Return the unit that soil moisture most likely has: m³ m⁻³, or "" where its numbers say that it is another.

    Parameters
    ----------
    values : ndarray of float (n,)

    Returns
    -------
    str
    """
    valid = values[np.isfinite(values)]
    return MOISTURE_UNIT if not valid.size or -0.05 <= float(np.median(valid)) <= MOST_MOISTURE else ""


def in_same_unit(medians: Sequence[float], reference: int) -> np.ndarray:
    """Say which products can be in the units of the reference; where there is no telling, they are.

    Parameters
    ----------
    medians : sequence of float
        Of each product.
    reference : int
        Position of the product whose units count.

    Returns
    -------
    ndarray of bool (products,)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(np.array(medians) / medians[reference])
    return ~((ratio > _SAME_UNIT) | (ratio < 1 / _SAME_UNIT))
