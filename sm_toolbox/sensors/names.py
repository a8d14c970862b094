"""Dates in the names of files and bands: the forms of providers, and what a whole list of names says about one.

Text alone: nothing is opened here. A name is read as a product's where a row of `PRODUCTS` fits; else all numbers that
can be dates are candidates, and what varies among names that are alike otherwise is the date. Orders that one name
leaves open (10062018, 180610) count only where all names of the list have a date in one order and not in the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sm_toolbox.sensors.dateforms import (
    ANY_DATE,
    CHIRPS_PENTAD,
    MONTH_NAMES,
    OPEN_ORDERS,
    PRODUCTS,
    Moment,
    as_stated,
    moment_of,
    with_period,
)

# Stamps of processing, which say nothing of what was observed.
_PROCESSED = re.compile(r"[._]\d{13}(?!\d)|_\d{8}(T\d{6})?(?!\d)")
# What says whose product it is and varies among files of one record: orbits, identifiers, checksums, satellites.
_TAILS = {
    "sentinel1": re.compile(r"_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}(_COG)?"),
    "hyp3": re.compile(r"(?<=_g[a-z]{5})_[0-9A-F]{4}(?![0-9A-Za-z])"),
    "ecostress": re.compile(r"_\d{5}_\d{3}(?=_\d\d[A-Z]{3}_)"),
}
# Of Sentinel-1's measurements, Sentinel-5P and Sentinel-3, after the times.
_ORBIT = re.compile(r"(?<=\0)(-\d{6}-[0-9a-f]{6}(?=-\d{3})|_\d{5}_\d\d_\d{6}(?![0-9])|_\d{4}_\d{3}_\d{3}_[\d_]{4})")
_SATELLITE = re.compile(r"(?<![A-Za-z0-9])(S(?:EN(?:TINEL-?)?)?[123])[A-D](?![A-Za-z0-9])", re.IGNORECASE)
_COPY = re.compile(r"[\s_]*(\(\d+\)|- (copy|kopie|copie|copia))$", re.IGNORECASE)
_FOLDERS = re.compile(
    r"(?P<y>\d{4})[/._-]?((?P<j>\d{3})|(?P<m>\d{2})([/._-]?(?P<d>\d{2}))?)(?!\d)",
)

_SHORTER = 10

MEANINGLESS = re.compile(
    r"(band|layer|lyr|raster|output|constant|gray|height|unnamed|none|banda|bande|channel|kanal|canal|unknown|undefined|"
    r"untitled|calculated|values?|var|time|date)?[\s._-]*\d*\s*(\((gr[ae]y|red|green|blue|alpha|grau|gris)\))?",
    re.IGNORECASE,
)
"""Names that say nothing of what a band holds, matched as a whole: `Band 1`, `lyr.1`, `OUTPUT`."""

FIRST_OF_ONE = re.compile(r"b1", re.IGNORECASE)
"""A name that says nothing where a file has one band; among others it is a sensor's."""


@dataclass(frozen=True)
class NameReading:
    """What a name says.

    Parameters
    ----------
    moment : Moment or None
    rest : str
        The name without the date and the separators around it.
    rivals : tuple of Moment
        Where several dates are possible, all of them; `moment` is None then.
    order : str
        In which order day, month and year were taken where the list had to prove it.
    """

    moment: Moment | None
    rest: str
    rivals: tuple[Moment, ...] = ()
    order: str = ""


@dataclass(frozen=True)
class _Candidate:
    moment: Moment
    span: tuple[int, int]


def read_names(names: Sequence[str]) -> list[NameReading]:
    """Find the dates in names that are given together.

    Parameters
    ----------
    names : sequence of str
        Of files without folder and extension, or of bands.

    Returns
    -------
    list of NameReading
        In the order of the names.

    Examples
    --------
    >>> for reading in read_names(["ndvi_10062018", "ndvi_26062018"]):
    ...     print(reading.moment, reading.rest, reading.order)
    2018-06-10 ndvi day, month, year
    2018-06-26 ndvi day, month, year
    """
    # The names of CHIRPS's dekads are those of pentads, of which there are up to six in a month.
    pentads = any(match["p"] > "3" for match in map(CHIRPS_PENTAD.search, names) if match)
    readings: list[NameReading | None] = [_of_product(name, pentads) for name in names]
    open_names: dict[str, list[int]] = {}
    for place, (name, reading) in enumerate(zip(names, readings)):
        if reading is None:
            open_names.setdefault(_skeleton(name), []).append(place)
    for places in open_names.values():
        alike = [names[place] for place in places]
        for place, reading in zip(places, _of_alike(alike)):
            readings[place] = reading
    return _of_one_record([reading for reading in readings if reading is not None], names)


def product_date(name: str) -> Moment | None:
    """Return the date of a name that has the form of a provider, such as a folder's; None where it has none.

    Parameters
    ----------
    name : str

    Returns
    -------
    Moment or None
    """
    reading = _of_product(name)
    return None if reading is None else reading.moment


def folder_date(folders: Sequence[str]) -> Moment | None:
    """Return the date of folders that are named by years and days or months: `2018/161`, `2018/06/10`, `2018.06.10`.

    Parameters
    ----------
    folders : sequence of str
        From the root.

    Returns
    -------
    Moment or None
    """
    for count in (3, 2, 1):
        match = _FOLDERS.fullmatch("/".join(folders[-count:]))
        moment = None if match is None else moment_of(match)
        if moment is not None:
            return moment
    return None


def _skeleton(name: str) -> str:
    """Return a name with its digits, and the names of months between digits, made alike."""
    text = re.sub(rf"(?<=\d)([-._ ]?)({MONTH_NAMES})(?=[-._ ]?\d)", r"\1###", name, flags=re.IGNORECASE)
    # Days and months of one digit.
    text = re.sub(r"(?<!\d)\d{1,2}([-._])\d{1,2}(?=\1(\d{4}|\d{2})(?!\d))", r"00\g<1>00", text)
    text = re.sub(r"(?<!\d)(\d{4})([-._])\d{1,2}\2\d{1,2}(?!\d)", r"\1\g<2>00\g<2>00", text)
    text = re.sub(r"(?<!\d)\d{1,2}(?=[-._ ]?###)", "00", text)
    return re.sub(r"\d", "0", text).lower()


def _of_one_record(readings: Sequence[NameReading], names: Sequence[str]) -> list[NameReading]:
    """Give names that differ in the satellite of a pair, or in the number of a copy, one variable; see to periods."""
    found = [
        reading if reading.moment is None else replace(reading, rest=_COPY.sub("", reading.rest))
        for reading in readings
    ]
    plain = [_SATELLITE.sub(r"\1", reading.rest) for reading in found]
    several = {rest for rest in plain if len({other.rest for other, of in zip(found, plain) if of == rest}) > 1}
    return [
        replace(reading, rest=rest if rest in several else reading.rest, moment=as_stated(reading.moment, name))
        for reading, rest, name in zip(found, plain, names)
    ]


def _of_product(name: str, pentads: bool = False) -> NameReading | None:
    for product in PRODUCTS:
        if product.key == "chirps_pentad" and not pentads:
            continue
        match = product.pattern.search(name)
        moment = None if match is None else moment_of(match)
        if match is not None and moment is not None:
            start, end = match.span()
            rest = name[:start] + "\0" + name[end:]
            if product.key == "wapor":
                rest = f"{name[:start]}{match['v']}\0{name[end:]}"
            if product.key in _TAILS:
                rest = _TAILS[product.key].sub("", rest)
            if product.key in ("modis_viirs", "landsat", "sentinel1", "sentinel2", "sentinel2_gee", "smos_l3"):
                rest = _PROCESSED.sub("", rest)
            return NameReading(with_period(moment, name), _joined(rest))
    return None


def _joined(rest: str) -> str:
    """Close the gaps, marked by zeros, that dates have left."""
    return re.sub(r"([_\-. ]*\0[_\-. ]*)+", "_", rest).strip("_-. :=")


def _cut(name: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        name = name[:start] + "\0" + name[end:]
    # R writes X before names that begin with a digit, and some write Y before years.
    return _joined(_ORBIT.sub("", re.sub(r"(?<![A-Za-z0-9])[XY](?=\0)", "", name)))


def _of_alike(names: Sequence[str]) -> list[NameReading]:
    """Read names that differ in digits alone."""
    found = [_candidates(name) for name in names]
    if not any(found):
        return _of_years(names) or _of_open_order(names)
    readings = []
    varying = _varying(found)
    periods = _periods(found)
    for place, (name, candidates) in enumerate(zip(names, found)):
        moments = {candidate.moment for candidate in candidates}
        if periods is not None:
            moments = {periods[place]}
        elif _is_overpass(candidates):
            moments = {candidates[0].moment}
        if len(moments) > 1 and varying is not None:
            chosen = [candidate for candidate in candidates if candidate.span == varying]
            moments = {candidate.moment for candidate in chosen}
            candidates = chosen
        if len(moments) > 1:
            readings.append(NameReading(None, name, tuple(candidate.moment for candidate in candidates)))
        elif moments:
            readings.append(NameReading(moments.pop(), _cut(name, (candidate.span for candidate in candidates))))
        else:
            readings.append(NameReading(None, name))
    return _with_clocks(_without_counter(readings))


def _is_overpass(candidates: Sequence[_Candidate]) -> bool:
    """Say whether the moments of a name are start and end of an overpass or day, and perhaps one of processing."""
    if len(candidates) < 2 or "second" not in {candidate.moment.resolution for candidate in candidates[:2]}:
        return False
    first, second, *others = (candidate.moment for candidate in candidates)
    exact = all(moment.resolution in ("second", "day") for moment in (first, second))
    near = abs(second.start - first.start) < timedelta(days=1)
    return exact and near and all(other.start >= first.start for other in others)


def _without_counter(readings: list[NameReading]) -> list[NameReading]:
    """Leave out the number that Earth Engine's toBands() puts before the names of an image's bands."""
    rests = [re.sub(r"^\d+_(?=\D)", "", reading.rest) for reading in readings]
    if len({reading.rest for reading in readings}) < 2 or len(set(rests)) > 1 or not rests[0]:
        return readings
    if any(reading.moment is None for reading in readings):
        return readings
    return [replace(reading, rest=rest) for reading, rest in zip(readings, rests)]


def _with_clocks(readings: list[NameReading]) -> list[NameReading]:
    """Take what varies after the days of names as a time of day, where it can be one in all of them.

    Hours (00, 06) must be a step of three or six hours apart; of four digits (1030) each day must have one.
    """
    found = [re.search(r"(?<!\d)(\d{2})(\d{2})?(?!\d)", reading.rest) for reading in readings]
    if len(readings) < 2 or len({reading.rest for reading in readings}) < 2 or any(match is None for match in found):
        return readings
    matches = [match for match in found if match is not None]
    rests = [_joined(match.string[: match.start()] + "\0" + match.string[match.end() :]) for match in matches]
    clocks = [(int(match[1]), int(match[2] or 0)) for match in matches]
    days = [
        reading.moment.start if reading.moment and reading.moment.resolution == "day" else None for reading in readings
    ]
    if len(set(rests)) > 1 or None in days or any(hour > 23 or minute > 59 for hour, minute in clocks):
        return readings
    hourly = all(match[2] is None for match in matches) and len(set(days)) < len(days)
    if not (hourly and all(hour % 3 == 0 for hour, _ in clocks)) and (
        any(match[2] is None for match in matches) or len(set(days)) < len(days)
    ):
        return readings
    return [
        NameReading(Moment(day.replace(hour=hour, minute=minute), "second" if hour or minute else "day"), rest)
        for day, (hour, minute), rest in zip(days, clocks, rests)
        if day is not None
    ]


def _of_years(names: Sequence[str]) -> list[NameReading]:
    """Read names that differ in a number of four digits alone, which is a year in all of them; none where it is not."""
    matches = [list(re.finditer(r"(?<!\d)(19|20)\d\d(?![0-9A-Za-z])", name)) for name in names]
    if len(names) < 2 or not matches[0] or len({len(found) for found in matches}) > 1:
        return []
    varying = [place for place in range(len(matches[0])) if len({found[place].group() for found in matches}) > 1]
    if len(varying) != 1:
        return []
    years = [int(found[varying[0]].group()) for found in matches]
    rests = [_cut(name, [found[varying[0]].span()]) for name, found in zip(names, matches)]
    if len(set(rests)) > 1 or len(set(years)) < len(years):
        return []
    return [NameReading(Moment(datetime(year, 1, 1), "year"), rest) for year, rest in zip(years, rests)]


def _varying(found: Sequence[Sequence[_Candidate]]) -> tuple[int, int] | None:
    """Return the place of the one date that varies among names that are alike; None where none or several do."""
    if len(found) < 2:
        return None
    at: dict[tuple[int, int], set[Moment]] = {}
    for candidates in found:
        for candidate in candidates:
            at.setdefault(candidate.span, set()).add(candidate.moment)
    varying = [span for span, moments in at.items() if len(moments) > 1]
    return varying[0] if len(varying) == 1 else None


def _periods(found: Sequence[Sequence[_Candidate]]) -> list[Moment] | None:
    """Return first days with lengths where all names hold the first and the last day of equally long periods."""
    if len(found) < 2 or any(len(candidates) != 2 for candidates in found):
        return None
    ends = [(first.moment, last.moment) for first, last in found]
    lengths = {(last.start - first.start).days + 1 for first, last in ends}
    whole = all(moment.resolution == "day" for pair in ends for moment in pair)
    if not whole or len(lengths) != 1 or not 2 <= min(lengths) <= 366 or len({first for first, _ in ends}) < len(ends):
        return None
    length = lengths.pop()
    return [Moment(first.start, "day", length) for first, _ in ends]


def _candidates(name: str) -> list[_Candidate]:
    found: list[_Candidate] = []
    for pattern in ANY_DATE:
        for match in pattern.finditer(name):
            start, end = match.span()
            if any(start < candidate.span[1] and end > candidate.span[0] for candidate in found):
                continue
            moment = moment_of(match)
            if moment is not None:
                found.append(_Candidate(moment, (start, end)))
    return sorted(found, key=lambda candidate: candidate.span)


def _of_open_order(names: Sequence[str]) -> list[NameReading]:
    """Read names whose dates leave the order open, where the list proves one."""
    plain = [NameReading(None, name) for name in names]
    possible: list[tuple[timedelta, str, list[NameReading]]] = []
    for pattern, words in OPEN_ORDERS:
        # Six digits in a single name may be anything.
        if len(names) < 2 and ("y2" in pattern.groupindex or words == "month, year"):
            continue
        matches = [list(pattern.finditer(name)) for name in names]
        if any(len(found) != 1 for found in matches):
            continue
        moments = [moment_of(found[0]) for found in matches]
        known = [moment for moment in moments if moment is not None]
        if len(known) < len(names) or len({moment.start for moment in known}) < len(names):
            continue
        span = max(moment.start for moment in known) - min(moment.start for moment in known)
        readings = [
            NameReading(moment, _cut(name, [found[0].span()]), order=words)
            for name, found, moment in zip(names, matches, known)
        ]
        possible.append((span, words, readings))
    if not possible:
        return plain
    # That each day of 062018 and 072018 is the 20th is a year's doing.
    possible = [item for item in possible if item[1] == "month, year"] or possible
    # Forms with days of one and of two digits find the same.
    possible = list({tuple(reading.moment for reading in item[2]): item for item in reversed(possible)}.values())
    possible.sort(key=lambda item: item[0])
    best = possible[0]
    # Whether day or month comes first must be seen: one order must be impossible. Where the year stands, first or last,
    # is also told by a record that is ten times shorter: none has one day of each of many years.
    year_last = best[1].endswith("year")
    rivals = [item for item in possible[1:] if item[1].endswith("year") == year_last or item[0] < _SHORTER * best[0]]
    if rivals:
        return [
            NameReading(None, name, tuple(item[2][place].moment for item in [best, *rivals] if item[2][place].moment))  # type: ignore[misc]
            for place, name in enumerate(names)
        ]
    return best[2]
