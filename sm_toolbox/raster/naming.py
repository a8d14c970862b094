"""How a raster band gets its name and its time: from its description, CF metadata or the file's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from rasterio.io import DatasetReader

from sm_toolbox.errors import InputError
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.times import RESOLUTIONS, Time, parse_time, time_in_name

_CF_UNITS = {
    **dict.fromkeys(("days", "day", "d"), 86400),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), 3600),
    **dict.fromkeys(("minutes", "minute", "mins", "min"), 60),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), 1),
}


def band_name(variable: str, time: Time | None) -> str:
    """Return the description of a band: `ndvi`, or `ndvi@2018-06-01` where it is dated.

    Parameters
    ----------
    variable : str
    time : Time or None

    Returns
    -------
    str
    """
    return variable if time is None else f"{variable}@{time}"


def split_name(name: str) -> tuple[str, Time | None]:
    """Return the variable and the time of a band that `band_name` has named.

    Parameters
    ----------
    name : str

    Returns
    -------
    str, Time or None
        The name itself and None where it holds no time.
    """
    variable, _, text = name.rpartition("@")
    time = parse_time(text)
    return (variable, time) if variable and time is not None else (name, None)


def name_and_time(dataset: DatasetReader, source: Source, index: int) -> tuple[str, Time | None]:
    """Return the variable and time of a band: of its description, else of the source, CF metadata or the file's name.

    Parameters
    ----------
    dataset : DatasetReader
    source : Source
    index : int
        Of the band, from 1.

    Returns
    -------
    str, Time or None

    Raises
    ------
    InputError
        Where the description, the metadata or the name hold a date that cannot be read.
    """
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
                f"Band {index} of '{source.label}' is named '{description}', but '{text}' is not a date. Write "
                "the time as YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss."
            )
    stem = stem_of(source.path)
    time = time or source.time or cf_time(tags, dataset.tags(), source.label)
    if not variable:
        variable = tags.get("NETCDF_VARNAME", "")
    if time is None or not variable:
        in_name, rest = (None, stem) if time is not None and variable else time_in_name(stem, source.path)
        time = time or in_name
        variable = variable or rest or Path(source.path).parent.name or "band"
    return variable, time


def stem_of(path: str) -> str:
    """Return the file's name without folder and extension, also for sub-datasets such as NETCDF:"a.nc":ndvi.

    Parameters
    ----------
    path : str

    Returns
    -------
    str
    """
    return Path(file_of(path)).stem


def file_of(path: str) -> str:
    """Return the file of a path, or of a sub-dataset such as NETCDF:"a.nc":ndvi.

    Parameters
    ----------
    path : str

    Returns
    -------
    str
    """
    quoted = re.search(r'"([^"]+)"', path)
    return quoted.group(1) if quoted else path.split("|")[0]


_CF_REFERENCE = re.compile(
    r"(?P<unit>\w+) since (?P<date>\d{1,4}-\d{1,2}-\d{1,2})"
    r"(?:[T ]+(?P<clock>\d{1,2}(?::\d{1,2}){0,2})(?:\.\d*)?)?\s*"
    r"(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?\s*$"
)

# Before this day the calendars `standard` and `gregorian` of the CF conventions are Julian, Python's is not.
_GREGORIAN = datetime(1582, 10, 15)


def cf_time(tags: Mapping[str, str], file_tags: Mapping[str, str], label: str) -> Time | None:
    """Read a band's place on a time axis after the CF conventions, whatever the name of the dimension.

    Parameters
    ----------
    tags : mapping of str to str
        Of the band.
    file_tags : mapping of str to str
        Of the file, with the units of its dimensions.
    label : str
        For the message.

    Returns
    -------
    Time or None

    Raises
    ------
    InputError
        Where the units or the calendar cannot be read.
    """
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
                f"The times of '{label}' are {value} '{units}' in the calendar '{calendar}', which cannot be told "
                "from days and hours of the standard calendar. Write dates into the band descriptions "
                "(variable@YYYY-MM-DD), or convert the file with CDO or xarray first."
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
    shift = (
        timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5] or 0)) * (-1 if zone[0] == "-" else 1)
        if zone
        else timedelta()
    )
    # Fractions of days do not hold whole seconds exactly.
    return epoch + (
        julian - shift + timedelta(hours=clock[0], minutes=clock[1], seconds=clock[2] + round(value * unit))
    )
