"""How a raster band gets its name and its time: from its description, CF metadata or the file's name."""

from __future__ import annotations

import calendar
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sm_toolbox.errors import InputError
from sm_toolbox.raster.driver import Dataset
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.times import RESOLUTIONS, Time, parse_time, period_days
from sm_toolbox.sensors.dateforms import Moment
from sm_toolbox.sensors.names import FIRST_OF_ONE, MEANINGLESS, NameReading, folder_date, product_date, read_names

_CF_UNITS = {
    **dict.fromkeys(("days", "day", "d"), 86400),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), 3600),
    **dict.fromkeys(("minutes", "minute", "mins", "min"), 60),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), 1),
    **dict.fromkeys(("milliseconds", "millisecond", "msecs", "msec", "ms"), 0.001),
    **dict.fromkeys(("weeks", "week"), 604800),
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


@dataclass(frozen=True)
class BandFacts:
    """What a file says of one of its bands, before it has a name.

    Parameters
    ----------
    source : Source
    index, count : int
        The band's number, from 1, and how many bands the file has.
    description : str
    tags, file_tags : dict of str
    """

    source: Source
    index: int
    count: int
    description: str
    tags: Mapping[str, str]
    file_tags: Mapping[str, str]


def facts_of(
    dataset: Dataset,
    source: Source,
    index: int,
    count: int,
    moments: Mapping[str, tuple[str, str, str]] | None = None,
) -> BandFacts:
    """Collect what a file says of a band.

    Parameters
    ----------
    dataset : Dataset
    source : Source
    index : int
        The band's number, from 1.
    count : int
        Bands of the file that hold values.
    moments : mapping of str to (str, str, str), optional
        Value, units and calendar of times that are coordinates of the band, but no axes, by their names.

    Returns
    -------
    BandFacts
    """
    tags, file_tags = dataset.tags(index), dataset.tags()
    for name, (value, units, calendar_name) in (moments or {}).items():
        tags = {**tags, f"NETCDF_DIM_{name}": value}
        file_tags = {**file_tags, f"{name}#units": units, f"{name}#calendar": calendar_name}
    return BandFacts(source, index, count, dataset.describe(index).name.strip(), tags, file_tags)


def name_bands(facts: Sequence[BandFacts]) -> list[tuple[str, Time | None]]:
    """Name bands that are given together, each by its variable and its time.

    A band's own description counts first (`ndvi@2018-06-01`), then the metadata of GRIB and NetCDF, the layer's
    temporal range in QGIS, and last the names of layers and files: what is equal in all of them is the variable, what
    varies a date (`sensors.names`).

    Parameters
    ----------
    facts : sequence of BandFacts
        Of all bands of all inputs.

    Returns
    -------
    list of (str, Time or None)

    Raises
    ------
    InputError
        Where what follows an @ is no date, the times of a file cannot be read, or a file's name holds several dates.
    """
    explicit = [_explicit(fact) for fact in facts]
    by_name = _read_descriptions(facts, explicit)
    files = _read_files(facts)
    named: list[tuple[str, Time | None]] = []
    on_axis = _times_on_axes(facts)
    for place, (fact, own, described) in enumerate(zip(facts, explicit, by_name)):
        variable, time = own
        if described is not None:
            variable, time = described
        time = time or fact.source.time or on_axis[place]
        if time is None or not variable:
            reading, label = files[fact.source]
            if time is None:
                if reading.rivals:
                    raise InputError(
                        f"The date of '{fact.source.path}' is ambiguous: its name holds "
                        f"{' and '.join(str(rival) for rival in reading.rivals)}. Write the time into the band "
                        "description as 'variable@YYYY-MM-DD', or rename the file so that one date remains."
                    )
                time = _time_of(reading.moment)
            variable = variable or label
            if not own[0] and own[1] is None and described is None and fact.count > 1:
                variable = f"{variable}_{fact.index}"
        period = next((fact.file_tags[key] for key in _period_keys(variable) if key in fact.file_tags), "")
        if time is not None and period and time.resolution == "day":
            time = replace(time, days=period_days(period, time.start))
        named.append((variable, time))
    return named


def _times_on_axes(facts: Sequence[BandFacts]) -> list[Time | None]:
    """Return the times on the time axes of files; of an axis of moments midnights are moments, too."""
    times = [cf_time(fact.tags, fact.file_tags, fact.source.label) for fact in facts]
    of_files: dict[Source, list[int]] = {}
    for place, (fact, time) in enumerate(zip(facts, times)):
        if time is not None:
            of_files.setdefault(fact.source, []).append(place)
    for places in of_files.values():
        alike = same_resolution([time for place in places if (time := times[place]) is not None])
        for place, time in zip(places, alike):
            times[place] = time
    return times


def _period_keys(variable: str) -> tuple[str, str]:
    """Return how GeoTIFF and NetCDF say for how long the bands of a variable stand."""
    return f"PERIOD_{variable}", f"NC_GLOBAL#PERIOD_{variable}"


def is_named(facts: BandFacts) -> bool:
    """Say whether a band has a name of its own, or of its metadata.

    Parameters
    ----------
    facts : BandFacts

    Returns
    -------
    bool
    """
    return bool(_explicit(facts)[0])


def same_resolution(times: Sequence[Time], as_moments: bool = False) -> list[Time]:
    """Return the times of one axis: where some of them are moments, midnights are moments, too, and no whole days.

    Parameters
    ----------
    times : sequence of Time
    as_moments : bool, optional
        Whether they are to be moments also where none of them is.

    Returns
    -------
    list of Time
    """
    if not as_moments and not any(time.resolution == "second" for time in times):
        return list(times)
    return [replace(time, resolution="second", days=1) if time.resolution == "day" else time for time in times]


def time_of_name(path: str) -> Time | None:
    """Return the time in a file's name, or in that of a scene's folder; None where it holds none, or several.

    Parameters
    ----------
    path : str

    Returns
    -------
    Time or None
    """
    moment = read_names([stem_of(path)])[0].moment
    return _time_of(moment or product_date(Path(file_of(path)).parent.name))


def _time_of(moment: Moment | None) -> Time | None:
    return None if moment is None else Time(moment.start, moment.resolution, max(moment.days, 1))


def _explicit(fact: BandFacts) -> tuple[str, Time | None]:
    """Return what the band's own description and metadata say: a variable, which may be empty, and a time."""
    description = fact.description
    time = parse_time(description)
    if time is not None:
        return fact.tags.get("NETCDF_VARNAME", ""), time
    if "@" in description:
        variable, _, text = (part.strip() for part in description.rpartition("@"))
        time = parse_time(text)
        if time is None:
            raise InputError(
                f"Band {fact.index} of '{fact.source.label}' is named '{description}', but '{text}' is not a date. "
                "Write the time as YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss."
            )
        return variable, time
    if "GRIB_ELEMENT" in fact.tags:
        return _grib_name(fact.tags), _grib_time(fact.tags)
    if "NETCDF_VARNAME" in fact.tags and not description:
        return fact.tags["NETCDF_VARNAME"] + _further_dimensions(fact), None
    means_nothing = MEANINGLESS.fullmatch(description) or (fact.count == 1 and FIRST_OF_ONE.fullmatch(description))
    return ("" if means_nothing else description), None


def _grib_name(tags: Mapping[str, str]) -> str:
    """Name a band of a GRIB file by its element and its level, which GDAL writes as `0-7-DBLL` or `0-SFC`."""
    level = tags.get("GRIB_SHORT_NAME", "")
    name = re.sub(r"\W+", "_", tags["GRIB_ELEMENT"].lower()).strip("_")
    surface = re.fullmatch(r"0+-(SFC|MSL|EATM|RESERVED.*)", level, re.IGNORECASE)
    return name if surface or not level else f"{name}_{re.sub(r'[^0-9A-Za-z.]+', '_', level).strip('_').lower()}"


def _grib_time(tags: Mapping[str, str]) -> Time | None:
    match = re.match(r"\s*(-?\d+)", tags.get("GRIB_VALID_TIME", ""))
    return None if match is None else Time(datetime(1970, 1, 1) + timedelta(seconds=int(match.group(1))), "second")


def _further_dimensions(fact: BandFacts) -> str:
    """Tell bands of one NetCDF variable apart by dimensions other than time that have several values: depth, level."""
    parts = []
    for key, value in sorted(fact.tags.items()):
        name = key.removeprefix("NETCDF_DIM_")
        values = fact.file_tags.get(f"NETCDF_DIM_{name}_VALUES", "")
        if name == key or _is_time(_of_dimension(fact.file_tags, name, "units")) or "," not in values:
            continue
        parts.append(f"_{name}_{value}")
    return "".join(parts)


def _read_descriptions(
    facts: Sequence[BandFacts], explicit: Sequence[tuple[str, Time | None]]
) -> list[tuple[str, Time | None] | None]:
    """Find dates in the descriptions of bands that have no time yet: `NDVI_20180610`, `X2018.06.10`."""
    places = [
        place
        for place, (fact, (variable, time)) in enumerate(zip(facts, explicit))
        if variable and time is None and variable == fact.description
    ]
    named: list[tuple[str, Time | None] | None] = [None] * len(facts)
    for place, reading in zip(places, read_names([facts[place].description for place in places])):
        if reading.moment is not None:
            rest = "" if MEANINGLESS.fullmatch(reading.rest) else reading.rest
            named[place] = rest, _time_of(reading.moment)
    return named


def _read_files(facts: Sequence[BandFacts]) -> dict[Source, tuple[NameReading, str]]:
    """Read the names of files and layers together: for each source what its name says, and what to call its bands."""
    sources = list(dict.fromkeys(fact.source for fact in facts))
    stems = [stem_of(source.path) for source in sources]
    of_files = [
        replace(reading, rest=part_of(source.path) or reading.rest)
        for source, reading in zip(sources, read_names(stems))
    ]
    titles = [source.name if _is_name(source.name, stem) else "" for source, stem in zip(sources, stems)]
    of_layers = read_names(titles)
    # Layers that someone named by their dates, such as 'NDVI June', are one variable if their files are.
    files_vary = len({reading.moment for reading in of_files}) > 1 and len({reading.rest for reading in of_files}) == 1
    read: dict[Source, tuple[NameReading, str]] = {}
    for source, of_file, of_layer in zip(sources, of_files, of_layers):
        dated = of_layer if of_layer.moment is not None else of_file
        if dated.moment is None and not dated.rivals:
            # Bands of a scene may lie in a folder of its name.
            folders = Path(file_of(source.path)).parent.parts
            of_scene = filter(None, map(product_date, folders[:-6:-1]))
            dated = replace(dated, moment=next(of_scene, None) or folder_date(folders))
        means_nothing = not of_file.rest or bool(MEANINGLESS.fullmatch(of_file.rest))
        use_layer = bool(of_layer.rest) and (means_nothing or not files_vary)
        label = of_layer.rest if use_layer else of_file.rest
        if not label or (means_nothing and not use_layer and of_file.moment is not None):
            label = Path(file_of(source.path)).parent.name or label or "band"
        read[source] = dated, label
    return read


def _is_name(title: str, stem: str) -> bool:
    """Say whether a layer's name says more than its file's."""
    return (
        bool(title)
        and title != stem
        and not title.startswith((f"{stem}.", f"{stem}:"))
        and not MEANINGLESS.fullmatch(title)
    )


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
    return _split_path(path)[0]


def part_of(path: str) -> str:
    """Return the raster that a sub-dataset names within its file: ndvi of NETCDF:"a.nc":ndvi; empty for whole files.

    Parameters
    ----------
    path : str

    Returns
    -------
    str
    """
    return _split_path(path)[1].rpartition("/")[2]


_SUB_DATASET = re.compile(r'\w{2,}:(?:"(?P<quoted>[^"]+)"|(?P<plain>.+?))(?::(?P<part>[^:\\]+))?$')


def _split_path(path: str) -> tuple[str, str]:
    if os.path.exists(path):
        # A name may hold a bar or a colon.
        return path, ""
    found = _SUB_DATASET.match(path)
    if found is not None and not path.startswith("/vsi"):
        return found["quoted"] or found["plain"], found["part"] or ""
    return path.split("|")[0], ""


_CF_REFERENCE = re.compile(
    r"""(?P<unit>\w+)\s+since\s+
    (?P<y>\d{1,4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})
    (?:[T\s]+(?P<H>\d{1,2})(?::(?P<M>\d{1,2}))?(?::(?P<S>\d{1,2}))?(?:\.\d*)?)?
    \s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?\s*$""",
    re.VERBOSE | re.IGNORECASE,
)
_MONTH_UNITS = {"month", "months", "mon", "mons"}
_YEAR_UNITS = {"year", "years", "common_year", "common_years"}
# Days of the months in the calendars of climate models.
_NO_LEAP = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CALENDARS = {
    **dict.fromkeys(("noleap", "365_day"), _NO_LEAP),
    **dict.fromkeys(("all_leap", "366_day"), (31, 29, *_NO_LEAP[2:])),
    **dict.fromkeys(("360_day", "360"), (30,) * 12),
}

# Before this day the calendars `standard` and `gregorian` of the CF conventions are Julian, Python's is not.
_GREGORIAN = datetime(1582, 10, 15)


def cf_time(tags: Mapping[str, str], file_tags: Mapping[str, str], label: str) -> Time | None:
    """Read a band's place on a time axis after the CF conventions, whatever the name of the dimension.

    Dates of other calendars become the same day of the standard one, the 30th of February its last day; months since a
    date become months.

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
        units = _of_dimension(file_tags, name, "units")
        if name == key or not _is_time(units):
            continue
        calendar_name = (_of_dimension(file_tags, name, "calendar") or "standard").lower()
        try:
            time = time_from_cf(float(value), units, calendar_name)
        except (ValueError, OverflowError):
            raise InputError(
                f"The times of '{label}' are {value} '{units}' in the calendar '{calendar_name}', which cannot be told "
                "from days and hours of the standard calendar. Write dates into the band descriptions "
                "(variable@YYYY-MM-DD), or convert the file with CDO or xarray first."
            ) from None
        resolution = file_tags.get(f"{name}#resolution")
        return Time(time.start, resolution) if resolution in RESOLUTIONS else time
    return None


def _of_dimension(file_tags: Mapping[str, str], name: str, attribute: str) -> str:
    """Return an attribute of a dimension's coordinate, also where it lies in a group: `/group/time#units`."""
    tag = f"{name}#{attribute}"
    return file_tags.get(tag) or next((text for key, text in file_tags.items() if key.endswith(f"/{tag}")), "")


def _is_time(units: str) -> bool:
    return " since " in units or units.lower().startswith("day as %y%m%d")


def time_from_cf(value: float, units: str, calendar_name: str) -> Time:
    """Return the time that a number on a time axis after the CF conventions stands for.

    Parameters
    ----------
    value : float
    units : str
        Such as `hours since 1900-01-01`.
    calendar_name : str

    Returns
    -------
    Time

    Raises
    ------
    ValueError
        Where the units or the calendar are not known.
    """
    if " since " not in units:
        # As CDO and Grads write days: 20180610.5 is noon.
        start = datetime.strptime(str(math.floor(value)), "%Y%m%d") + timedelta(seconds=round(value % 1 * 86400))
        return Time(start, "day" if value == math.floor(value) else "second")
    # ISO's basic form, without signs between the parts.
    units = re.sub(r"\b(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2}))?", _spelt_out, units)
    match = _CF_REFERENCE.match(units)
    if match is None:
        raise ValueError(units)
    year, month, day = (int(match[part]) for part in "ymd")
    clock = sum(int(match[part] or 0) * seconds for part, seconds in (("H", 3600), ("M", 60), ("S", 1)))
    zone = re.sub("[:ZUTCGM]", "", (match["zone"] or "").upper())
    if zone:
        clock -= (int(zone[1:3]) * 3600 + int(zone[3:5] or 0) * 60) * (-1 if zone[0] == "-" else 1)
    unit = match["unit"].lower()
    if unit in _MONTH_UNITS or unit in _YEAR_UNITS:
        # Half a month is its middle.
        months = math.floor(value * (12 if unit in _YEAR_UNITS else 1) + 1e-6) + year * 12 + month - 1
        return Time(datetime(months // 12, months % 12 + 1, 1), "month")
    if unit not in _CF_UNITS:
        raise ValueError(units)
    # Fractions of days do not hold whole seconds exactly.
    seconds = clock + round(value * _CF_UNITS[unit])
    if calendar_name in _CALENDARS:
        start = _in_calendar(year, month, day, seconds, _CALENDARS[calendar_name])
    elif calendar_name in ("standard", "gregorian", "proleptic_gregorian", "julian", "none", ""):
        epoch, lag = datetime(year, month, day), timedelta(0)
        if calendar_name != "proleptic_gregorian" and (epoch < _GREGORIAN or calendar_name == "julian"):
            lag = _julian_lag(year, month)
        start = epoch + (lag + timedelta(seconds=seconds))
    else:
        raise ValueError(calendar_name)
    return Time(start, "day" if (start.hour, start.minute, start.second) == (0, 0, 0) else "second")


def _spelt_out(match: re.Match[str]) -> str:
    date, clock = match.groups()[:3], match.groups()[3:]
    return "-".join(date) + (f"T{':'.join(clock)}" if clock[0] else "")


def _julian_lag(year: int, month: int) -> timedelta:
    """Return how far the Julian calendar's days lie from those of the same name of the Gregorian one."""
    century = (year - (month < 3)) // 100
    return timedelta(days=century - century // 4 - 2)


def _in_calendar(year: int, month: int, day: int, seconds: int, lengths: Sequence[int]) -> datetime:
    """Return the moment some seconds after a date in a calendar whose years are alike."""
    datetime(2000, month, day)  # refuses what is no date
    days, rest = divmod(seconds, 86400)
    number = sum(lengths[: month - 1]) + day - 1 + days
    year, number = year + number // sum(lengths), number % sum(lengths)
    month = 1
    while number >= lengths[month - 1]:
        number -= lengths[month - 1]
        month += 1
    last = calendar.monthrange(year, month)[1]
    return datetime(year, month, min(number + 1, last)) + timedelta(seconds=rest)
