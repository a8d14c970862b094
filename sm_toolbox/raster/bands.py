"""Band = (variable, time | None, source): how a raster band gets its name and its time."""

from __future__ import annotations

import os
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.env import hasenv
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.grid import RASTER_ERRORS, Grid, crs_of, from_minus_180, split_column
from sm_toolbox.raster.times import RESOLUTIONS, Time, parse_time, time_in_name

_CF_UNITS = {
    **dict.fromkeys(("days", "day", "d"), 86400),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), 3600),
    **dict.fromkeys(("minutes", "minute", "mins", "min"), 60),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), 1),
}


@dataclass(frozen=True)
class Source:
    """A raster file as the user named it.

    Parameters
    ----------
    path : str
        What GDAL opens: a file or a sub-dataset such as `NETCDF:"file.nc":ndvi`.
    name : str, optional
        The layer's name for messages; the file's name where it is empty.
    time : Time, optional
        The layer's temporal range in QGIS, used for bands whose description carries no time.
    """

    path: str
    name: str = ""
    time: Time | None = None

    @property
    def label(self) -> str:
        return self.name or os.path.basename(self.path)


@dataclass(frozen=True)
class Band:
    """One band of one raster file: a variable at a time (or static), and where to read it.

    Parameters
    ----------
    variable : str
    time : Time or None
        None for static bands.
    source : Source
    index : int
        The band's number in the file, from 1.
    grid : Grid
    """

    variable: str
    time: Time | None
    source: Source
    index: int
    grid: Grid

    @property
    def name(self) -> str:
        """The band's description: `ndvi`, or `ndvi@2018-06-01` where it is dated."""
        return band_name(self.variable, self.time)


def band_name(variable: str, time: Time | None) -> str:
    """Return the description of a band: `ndvi`, or `ndvi@2018-06-01` where it is dated."""
    return variable if time is None else f"{variable}@{time}"


def split_name(name: str) -> tuple[str, Time | None]:
    """Return the variable and the time of a band that `band_name` has named."""
    variable, _, text = name.rpartition("@")
    time = parse_time(text)
    return (variable, time) if variable and time is not None else (name, None)


def open_raster(source: Source) -> DatasetReader:
    """Open a raster for reading, with longitudes from -180° to 180° where it has them from 0° to 360°.

    Raises
    ------
    InputError
        Where the file is missing or GDAL cannot read it.
    """
    dataset = _open(source)
    crs = crs_of(dataset)
    column = split_column(crs, dataset.transform, dataset.width) if crs else None
    if column is None:
        return dataset
    try:
        with dataset:
            return rasterio.open(_moved_west(dataset, crs, column))
    except RASTER_ERRORS as error:
        raise InputError(
            f"The raster '{source.label}' ({source.path}) has longitudes from 0° to 360° and cannot be read as from −180° to 180°: {error}. Convert it with 'Translate (convert format)' first."
        ) from error


def _open(source: Source) -> DatasetReader:
    try:
        # Where there is an environment, rasterio.open would set up a second one, which takes as long as opening the file.
        return DatasetReader(source.path) if hasenv() else rasterio.open(source.path)
    except RASTER_ERRORS as error:
        raise InputError(
            f"The raster '{source.label}' ({source.path}) cannot be opened: {str(error).rstrip('.')}. Check that the file exists and is a raster that QGIS can show."
        ) from error


@contextmanager
def readable(source: Source, where: object = "") -> Iterator[None]:
    """Name the raster whose cells cannot be read.

    Raises
    ------
    InputError
    """
    try:
        yield
    except RASTER_ERRORS as error:
        at = f" at {where}" if where else ""
        raise InputError(
            f"The raster '{source.label}' ({source.path}) cannot be read{at}: {str(error).rstrip('.')}. The file, or one that it is made of, is missing or damaged: "
            "download or make it again."
        ) from error


_GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int16", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32", "float32": "Float32", "float64": "Float64",
}  # fmt: skip


def _moved_west(dataset: DatasetReader, crs: CRS, column: int) -> str:
    """Return GDAL's description of a virtual raster that begins with a column of a raster, and goes on with the columns before it."""
    width, height = dataset.width, dataset.height
    parts = [(column, 0, width - column), (0, width - column, column)]

    def sources(band: str) -> str:
        return "".join(
            f'<SimpleSource><SourceFilename relativeToVRT="0">{escape(dataset.name)}</SourceFilename><SourceBand>{band}</SourceBand>'
            f'<SrcRect xOff="{start}" yOff="0" xSize="{size}" ySize="{height}"/><DstRect xOff="{place}" yOff="0" xSize="{size}" ySize="{height}"/></SimpleSource>'
            for start, place, size in parts
            if size
        )

    bands = []
    for index, (dtype, nodata, scale, offset) in enumerate(zip(dataset.dtypes, dataset.nodatavals, dataset.scales, dataset.offsets), start=1):
        gap = "" if nodata is None else f"<NoDataValue>{nodata!r}</NoDataValue>"
        name = escape(dataset.descriptions[index - 1] or "")
        color = dataset.colorinterp[index - 1].name.capitalize()
        # 64-bit integers lose digits that no measurement has.
        bands.append(
            f'<VRTRasterBand dataType="{_GDAL_TYPES.get(dtype, "Float64")}" band="{index}"><Description>{name}</Description>{gap}<ColorInterp>{color}</ColorInterp>'
            f"<Offset>{offset!r}</Offset><Scale>{scale!r}</Scale>{sources(str(index))}</VRTRasterBand>"
        )
    mask = ""
    if MaskFlags.per_dataset in dataset.mask_flag_enums[0] and MaskFlags.alpha not in dataset.mask_flag_enums[0]:
        mask = f'<MaskBand><VRTRasterBand dataType="Byte">{sources("mask,1")}</VRTRasterBand></MaskBand>'
    tags = "".join(f'<MDI key="{escape(key)}">{escape(value)}</MDI>' for key, value in dataset.tags().items())
    a, b, c, d, e, f, *_ = from_minus_180(dataset.transform, column)
    return (
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>{escape(crs.to_wkt())}</SRS><Metadata>{tags}</Metadata>'
        f"<GeoTransform>{c!r}, {a!r}, {b!r}, {f!r}, {d!r}, {e!r}</GeoTransform>{''.join(bands)}{mask}</VRTDataset>"
    )


def read_bands(sources: Iterable[Source]) -> list[Band]:
    """List the bands of raster files with their variables and times.

    The time of a band is taken from its description (`ndvi@2018-06-01`, or a bare date), else from the layer's temporal
    range in QGIS, else from NetCDF/CF time metadata, else from a date in the file's name. Where the description is empty the variable is
    the NetCDF variable or the file's stem without the date.

    Parameters
    ----------
    sources : iterable of Source

    Returns
    -------
    list of Band
        In the order of the files and of the bands in them.

    Raises
    ------
    InputError
        Where two bands have the same variable and time, a date is ambiguous, or a file cannot be read.
    """
    bands = list_bands(sources)
    refuse_duplicates(bands)
    return bands


def list_bands(sources: Iterable[Source]) -> list[Band]:
    """List bands as `read_bands` does, bands of the same variable and time included: those of two products."""
    bands: list[Band] = []
    sources = list(sources)
    if not sources:
        raise InputError("No raster is given. Choose at least one layer.")
    # GDAL lists a file's folder to find its sidecars: for each of a thousand files there, a thousand names. For GeoTIFF it need only ask for their few names.
    ask = all(source.path.lower().endswith((".tif", ".tiff")) for source in sources)
    # One environment for all files: rasterio would set one up for each.
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN=ask):
        for given in sources:
            parts = _read_file(given, bands)
            for part in parts:
                if _read_file(part, bands):
                    raise _no_band(part)
    return bands


def _read_file(source: Source, bands: list[Band]) -> list[Source]:
    """Append the bands of a file, or return its sub-datasets where it holds several variables."""
    with warnings.catch_warnings():
        # A file of sub-datasets has no place of its own.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        # As it is stored, since only so it has the descriptions and times of its bands.
        dataset = _open(source)
    with dataset:
        if dataset.count:
            grid = Grid.of(dataset, source.label)
            if any(dtype.startswith("complex") for dtype in dataset.dtypes):
                raise InputError(
                    f"The raster '{source.label}' ({source.path}) holds complex numbers. Make real ones of them first: the amplitude or the intensity of a radar image."
                )
            # Transparency says where the other bands have data, and is read as such.
            alpha = [color == ColorInterp.alpha for color in dataset.colorinterp]
            bands += [
                Band(*_name_and_time(dataset, source, index), source, index, grid)
                for index in range(1, dataset.count + 1)
                if all(alpha) or not alpha[index - 1]
            ]
            return []
        if not dataset.subdatasets:
            raise _no_band(source)
        return [Source(part, f"{source.label}: {part.rpartition(':')[2]}", source.time) for part in dataset.subdatasets]


def _no_band(source: Source) -> InputError:
    return InputError(f"The raster '{source.label}' ({source.path}) holds no band. Check that QGIS can show it.")


def _name_and_time(dataset: DatasetReader, source: Source, index: int) -> tuple[str, Time | None]:
    description = (dataset.descriptions[index - 1] or "").strip()
    tags = dataset.tags(index)
    variable, time = description, parse_time(description)
    if time is not None:
        variable = ""
    elif "@" in description:
        variable, _, text = (part.strip() for part in description.rpartition("@"))
        time = parse_time(text)
        if time is None:
            raise InputError(
                f"Band {index} of '{source.label}' is named '{description}', but '{text}' is not a date. Write the time as YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss."
            )
    stem = stem_of(source.path)
    time = time or source.time or _cf_time(tags, dataset.tags(), source.label)
    if not variable:
        variable = tags.get("NETCDF_VARNAME", "")
    if time is None or not variable:
        in_name, rest = (None, stem) if time is not None and variable else time_in_name(stem, source.path)
        time = time or in_name
        variable = variable or rest or Path(source.path).parent.name or "band"
    return variable, time


def stem_of(path: str) -> str:
    """Return the file's name without folder and extension, also for sub-datasets such as NETCDF:"a.nc":ndvi."""
    quoted = re.search(r'"([^"]+)"', path)
    return Path(quoted.group(1) if quoted else path.split("|")[0]).stem


_CF_REFERENCE = re.compile(
    r"(?P<unit>\w+) since (?P<date>\d{1,4}-\d{1,2}-\d{1,2})(?:[T ]+(?P<clock>\d{1,2}(?::\d{1,2}){0,2})(?:\.\d*)?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?\s*$"
)
# Before this day the calendars `standard` and `gregorian` of the CF conventions are Julian, Python's is not.
_GREGORIAN = datetime(1582, 10, 15)


def _cf_time(tags: Mapping[str, str], file_tags: Mapping[str, str], label: str) -> Time | None:
    """Read a band's place on a time axis after the CF conventions, whatever the name of the dimension."""
    for key, value in tags.items():
        name = key.removeprefix("NETCDF_DIM_")
        units = file_tags.get(f"{name}#units", "")
        if name == key or " since " not in units:
            continue
        calendar = file_tags.get(f"{name}#calendar", "standard").lower()
        try:
            start = _cf_moment(float(value), units, calendar)
        except (ValueError, OverflowError):
            raise InputError(
                f"The times of '{label}' are {value} '{units}' in the calendar '{calendar}', which cannot be told from days and hours of the standard calendar. "
                "Write dates into the band descriptions (variable@YYYY-MM-DD), or convert the file with CDO or xarray first."
            ) from None
        midnight = (start.hour, start.minute, start.second) == (0, 0, 0)
        resolution = file_tags.get(f"{name}#resolution")
        return Time(start, resolution if resolution in RESOLUTIONS else "day" if midnight else "second")
    return None


def _cf_moment(value: float, units: str, calendar: str) -> datetime:
    match = _CF_REFERENCE.match(units)
    if match is None or calendar not in ("standard", "gregorian", "proleptic_gregorian"):
        raise ValueError(units)
    unit = _CF_UNITS.get(match["unit"].lower())
    if unit is None:
        raise ValueError(units)
    year, month, day = (int(part) for part in match["date"].split("-"))
    clock = [int(part) for part in (match["clock"] or "0").split(":")] + [0, 0]
    epoch, julian = datetime(year, month, day), timedelta()
    if calendar != "proleptic_gregorian" and epoch < _GREGORIAN:
        century = (year - (month < 3)) // 100
        julian = timedelta(days=century - century // 4 - 2)
    zone = re.sub("[:ZUTCGM]", "", match["zone"] or "")
    shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5] or 0)) * (-1 if zone[0] == "-" else 1) if zone else timedelta()
    # Fractions of days do not hold whole seconds exactly.
    return epoch + (julian - shift + timedelta(hours=clock[0], minutes=clock[1], seconds=clock[2] + round(value * unit)))


def refuse_duplicates(bands: Sequence[Band]) -> None:
    """Raise where two bands have the same variable and time, or a variable is static in one file and dated in another."""
    seen: dict[tuple[str, Time | None], Band] = {}
    dated: dict[str, Band] = {}
    static: dict[str, Band] = {}
    for band in bands:
        twin = seen.setdefault((band.variable, band.time), band)
        if twin is not band:
            raise InputError(
                f"Two bands are named '{band.name}': band {twin.index} of '{twin.source.label}' ({twin.source.path}) and band {band.index} of "
                f"'{band.source.label}' ({band.source.path}). Leave one of the files out, or give the bands different descriptions."
            )
        (static if band.time is None else dated).setdefault(band.variable, band)
    for variable in static.keys() & dated.keys():
        a, b = static[variable], dated[variable]
        raise InputError(
            f"The variable '{variable}' is static in '{a.source.label}' ({a.source.path}) but dated in '{b.source.label}' ({b.source.path}). Give every band of a variable a date, or none."
        )


@dataclass(frozen=True)
class Stack:
    """The bands of one variable: a single static band, or dated bands sorted by time."""

    variable: str
    bands: tuple[Band, ...]

    @property
    def is_static(self) -> bool:
        return self.bands[0].time is None

    @cached_property
    def times(self) -> list[Time]:
        """The times of the bands; empty for a static stack."""
        return [band.time for band in self.bands if band.time is not None]

    @cached_property
    def step_days(self) -> float:
        """The usual distance of two dates in days; 0 where there are no two."""
        starts = np.array([time.start for time in self.times], "datetime64[s]")
        return float(np.median(np.diff(starts).astype(float)) / 86400) if len(starts) > 1 else 0.0

    def reach(self, max_gap_days: float | None) -> float:
        """Return the largest gap in time in days: what is given, or half the distance of the dates, with which no time within a regular record lacks one."""
        return self.step_days / 2 if max_gap_days is None else max_gap_days

    def nearest(self, time: Time | None, max_gap_days: float | None) -> int | None:
        """Return the position of the band nearest in time, within the gap; of equally near ones the earlier.

        A static stack always answers 0. A dated one asked without a time answers None. Without a gap it is half the distance of the dates.
        """
        if self.is_static:
            return 0
        if time is None:
            return None
        # Sorted by start, the nearest can only be a neighbour; a day band may follow the month band it lies in.
        times = self.times
        after = bisect_left(times, time)
        distance, position = min((time.distance_days(times[i]), i) for i in range(max(0, after - 2), min(len(times), after + 2)))
        return position if distance <= self.reach(max_gap_days) else None


def stacks(bands: Iterable[Band]) -> dict[str, Stack]:
    """Group bands by variable, each sorted by time; the variables in the order in which they appear."""
    groups: dict[str, list[Band]] = {}
    for band in bands:
        groups.setdefault(band.variable, []).append(band)
    return {variable: Stack(variable, tuple(sorted(group, key=lambda band: band.time or _NEVER))) for variable, group in groups.items()}


def single_stack(bands: Iterable[Band], role: str) -> Stack:
    """Return the one stack among bands that must all be of one variable.

    Raises
    ------
    InputError
        Where the bands are of several variables; the message names them and the role (`PRODUCT`).
    """
    found = stacks(bands)
    if len(found) != 1:
        raise InputError(
            f"{role} must hold one variable (one static band, or dated bands of the same name), but holds {len(found)}: {', '.join(sorted(found))}. Choose the layers of one variable."
        )
    return next(iter(found.values()))


def named_stack(bands: Iterable[Band], role: str, progress: Progress = SILENT) -> Stack:
    """Return the stack of the variable that is named as a role (`LST_DAY`: lst_day) where there are several, else the only one.

    Raises
    ------
    InputError
        As `single_stack`.
    """
    found = stacks(bands)
    named = next((stack for variable, stack in found.items() if variable.lower() == role.lower()), None)
    if named is None or len(found) == 1:
        return single_stack([band for stack in found.values() for band in stack.bands], role)
    progress.info(f"{role}: of the variables {', '.join(found)}, '{named.variable}' is taken.")
    return named


def named_band(source: Source, variable: str) -> Band:
    """Return a file's only band, or among several the one of a variable.

    Raises
    ------
    InputError
        Where there are several bands and none has that name.
    """
    bands = read_bands([source])
    chosen = [band for band in bands if band.variable == variable] if len(bands) > 1 else bands
    if len(chosen) != 1:
        raise InputError(
            f"'{source.label}' has {len(bands)} bands ({', '.join(band.name for band in bands[:8])}), none of them named '{variable}' alone. Name the band, or extract it into a file of its own."
        )
    return chosen[0]


def grid_of(source: Source) -> Grid:
    """Return the grid of a raster."""
    with open_raster(source) as dataset:
        return Grid.of(dataset, source.label)


def overview(band: Band, size: int = 512) -> np.ndarray:
    """Read a band coarsely, for a first look at its values.

    Returns
    -------
    ndarray of float64 (rows, cols)
        At most `size` cells on a side, scale and offset applied, NaN where there is no data.

    Raises
    ------
    InputError
        Where the file is damaged.
    """
    with open_raster(band.source) as dataset:
        shape = tuple(min(size, length) for length in (dataset.height, dataset.width))
        with readable(band.source):
            values = dataset.read(band.index, out_shape=shape, masked=True).astype(np.float64).filled(np.nan)
        return values * dataset.scales[band.index - 1] + dataset.offsets[band.index - 1]


_NEVER = Time(datetime(1, 1, 1))
