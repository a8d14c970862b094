"""Dates in the names of files and bands: the forms of providers, and what a whole list of names says about one.

Text alone: nothing is opened here. A name is read as a product's where a row of `PRODUCTS` fits; else all numbers that
can be dates are candidates, and what varies among names that are alike otherwise is the date. Orders that one name
leaves open (10062018, 180610) count only where all names of the list have a date in one order and not in the other.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_YEARS = range(1900, 2200)
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_MONTH_NAMES = "|".join(calendar.month_abbr[1:])
_DAY = r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"
_CLOCK = r"(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})"
_DAY_OF_YEAR = r"(?P<y>\d{4})(?P<j>\d{3})"


@dataclass(frozen=True)
class Product:
    """How a provider writes the date into its names.

    Parameters
    ----------
    key : str
    pattern : re.Pattern
        With groups y, m, d or j (day of the year) and H, M, S; group `all` is what is cut out of the name, by default
        what the pattern matches.
    source : str
        Where the form is described, or seen.
    """

    key: str
    pattern: re.Pattern[str]
    source: str


def _product(key: str, pattern: str, source: str) -> Product:
    return Product(key, re.compile(pattern, re.IGNORECASE), source)


PRODUCTS = (
    _product(
        "modis_viirs",
        rf"(?<![A-Za-z0-9])A{_DAY_OF_YEAR}(?!\d)(?:\.\d{{4}}(?=\.\d{{3}}\.))?",
        "MODIS and VIIRS file names: AYYYYDDD, for swaths with the time of day",
    ),
    _product(
        "gldas", rf"(?<![A-Za-z0-9])A{_DAY}\.(?P<H>\d{{2}})(?P<M>\d{{2}})(?!\d)", "GLDAS and NLDAS: AYYYYMMDD.hhmm"
    ),
    _product("gldas_month", r"(?<![A-Za-z0-9])A(?P<y>\d{4})(?P<m>\d{2})(?=\.\d{3}(?!\d))", "GLDAS, monthly: AYYYYMM"),
    _product("gldas_day", rf"(?<![A-Za-z0-9])A{_DAY}(?=\.\d{{3}}(?!\d))", "GLDAS and NLDAS, daily: AYYYYMMDD"),
    _product(
        "appeears", rf"(?<![A-Za-z0-9])doy{_DAY_OF_YEAR}(?:\d{{6}})?(?!\d)", "AppEEARS: doyYYYYDDD, doyYYYYDDDhhmmss"
    ),
    _product("landsat", rf"(?<=L[COTEM]\d\d_L\d[A-Z]{{2}}_\d{{6}}_){_DAY}(?=_\d{{8}}_)", "Landsat Collection 1 and 2"),
    _product("landsat_gee", rf"(?<=L[COTEM]\d\d_\d{{6}}_){_DAY}(?!\d)", "Landsat in Earth Engine"),
    _product(
        "landsat_scene", rf"(?<=L[COTEM]\d\d{{6}}){_DAY_OF_YEAR}(?=[A-Z]{{3}}\d\d)", "Landsat's scene identifiers"
    ),
    _product(
        "sentinel1",
        rf"(?<=^S1[A-D]_[A-Z0-9]{{2}}_[A-Z0-9]{{3}}[A-Z_]_[12][A-Z]{{3}}_){_DAY}T{_CLOCK}(?=_\d{{8}}T\d{{6}}_)",
        "Sentinel-1: start and end of the overpass",
    ),
    _product("sentinel2", rf"(?<=_MSIL\d[AC]_){_DAY}T{_CLOCK}(?=_N\d{{4}}_R\d{{3}}_)", "Sentinel-2 products"),
    _product(
        "sentinel2_gee",
        rf"(?<![0-9A-Za-z]){_DAY}T{_CLOCK}(?=_\d{{8}}T\d{{6}}_T\d{{2}}[A-Z]{{3}})",
        "Sentinel-2 in Earth Engine",
    ),
    _product("sentinel2_cog", rf"(?<=^S2[A-D]_\d{{2}}[A-Z]{{3}}_){_DAY}(?=_\d+_L\d[AC])", "Sentinel-2 of Earth Search"),
    _product("hls", r"(?<=\.T\d{2}[A-Z]{3}\.)(?P<y>\d{4})(?P<j>\d{3})T(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})", "HLS"),
    _product(
        "smap_l3",
        rf"(?<=SMAP_L3_SM_[AP]_){_DAY}(?=_R\d{{5}})|(?<=SMAP_L3_SM_P_E_){_DAY.replace('?P<', '?P<e')}(?=_R\d{{5}})",
        "SMAP L3",
    ),
    _product(
        "smos_l3",
        rf"(?<=_){_DAY}T{_CLOCK}(?=_\d{{8}}T\d{{6}}_\d{{3}}_\d{{3}}_\d)",
        "SMOS: start and end of the day",
    ),
    _product("imerg", rf"(?<=\.){_DAY}(?=-S\d{{6}}-E\d{{6}})", "GPM IMERG"),
    _product(
        "chirps_dekad",
        r"(?<=chirps-v\d\.\d\.)(?P<y>\d{4})\.(?P<m>\d{2})\.(?P<k>[1-3])(?!\d)",
        "CHIRPS dekads: 1 to 3 of the month",
    ),
    _product("chirps", r"(?<=chirps-v\d\.\d\.)(?P<y>\d{4})\.(?P<m>\d{2})(?:\.(?P<d>\d{2}))?(?!\d)", "CHIRPS"),
)
"""Forms of providers, the most specific first."""

# Composites are named by their first day; they begin anew with each year.
_COMPOSITES = tuple(
    (re.compile(pattern, re.IGNORECASE), days)
    for pattern, days in (
        (r"^(M[OY]D|V[NJ]P?1?)13(?!(A3|C2|B3))", 16),
        (
            r"^M[OY]D(11[ABC]2|21A2|09[AQ]1|10A2|15A2H?|16A2(GF)?|17A2H?(GF)?)|^MCD15A2H?|^V[NJ]P?1?(21A2|09[AH]1|15A2H?)",
            8,
        ),
        (r"^MCD15A3H?", 4),
    )
)
_MONTHLY = re.compile(r"^(M[OY]D|V[NJ]P?1?)13(A3|C2|B3)|^M[OY]D(11C3|11B3)", re.IGNORECASE)
_YEARLY = re.compile(r"^MCD12|^V[NJ]P?1?2?12Q1", re.IGNORECASE)

# Stamps of processing, which say nothing of what was observed.
_PROCESSED = re.compile(r"[._]\d{13}(?!\d)|_\d{8}(T\d{6})?(?!\d)")
# What says whose product it is and varies among files of one record: orbits, identifiers, checksums.
_SENTINEL1_TAIL = re.compile(r"_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}(_COG)?")

_B, _E = r"(?<!\d)", r"(?!\d)"
_GENERIC = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_B}(?P<y>\d{{4}})-?(?P<m>\d{{2}})-?(?P<d>\d{{2}})[T_-]?T?(?P<H>\d{{2}})[:_-]?(?P<M>\d{{2}})[:_-]?(?P<S>\d{{2}}){_E}",
        rf"{_B}{_DAY}T?(?P<H>\d{{2}})(?P<M>\d{{2}}){_E}",
        # A number of four digits after a date is a time of day where satellites and models have one.
        rf"{_B}{_DAY}[T_-](?P<H>\d{{2}})(?P<M>00|15|30|45){_E}",
        rf"{_B}(?P<y>\d{{4}})(?P<s>[-._ ])(?P<m>\d{{2}})(?P=s)(?P<d>\d{{2}}){_E}",
        rf"{_B}(?P<y>\d{{4}})(?P<s>[-._ ]?)(?P<n>{_MONTH_NAMES})(?P=s)(?P<d>\d{{2}}){_E}",
        rf"{_B}(?P<d>\d{{1,2}})(?P<s>[-._ ]?)(?P<n>{_MONTH_NAMES})(?P=s)(?P<y>\d{{4}}){_E}",
        rf"{_B}{_DAY}{_E}",
        rf"{_B}(?P<y>\d{{4}})[-._](?P<j>\d{{3}})(?![A-Za-z0-9])",
        rf"{_B}{_DAY_OF_YEAR}{_E}",
        r"(?<!\d)(?<!\d[-._])(?P<y>\d{4})[-._](?P<m>\d{2})(?![-._]?\d)",
        rf"{_B}(?P<y>\d{{4}})(?P<m>\d{{2}}){_E}",
        rf"(?<![A-Za-z0-9])(?P<n>{_MONTH_NAMES})[a-z]*[-._ ]?(?P<y>\d{{4}}){_E}",
        rf"{_B}(?P<y>\d{{4}})[-._ ]?(?P<n>{_MONTH_NAMES})(?![A-Za-z])",
    )
)
# Orders that a list of names must prove, as (pattern, the order in words).
_OPEN_ORDERS = tuple(
    (re.compile(rf"{_B}{pattern}{_E}"), words)
    for pattern, words in (
        (r"(?P<d>\d{2})(?P<s>[-._]?)(?P<m>\d{2})(?P=s)(?P<y>\d{4})", "day, month, year"),
        (r"(?P<m>\d{2})(?P<s>[-._]?)(?P<d>\d{2})(?P=s)(?P<y>\d{4})", "month, day, year"),
        (r"(?P<y2>\d{2})(?P<s>[-._]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})", "year, month, day"),
        (r"(?P<d>\d{2})(?P<s>[-._]?)(?P<m>\d{2})(?P=s)(?P<y2>\d{2})", "day, month, year"),
        (r"(?P<m>\d{2})(?P<s>[-._]?)(?P<d>\d{2})(?P=s)(?P<y2>\d{2})", "month, day, year"),
        (r"(?<=Y)(?P<y2>\d{2})(?P<j>\d{3})", "year, day of the year"),
    )
)
_SHORTER = 10

MEANINGLESS = re.compile(
    r"(band|layer|lyr|raster|output|constant|gray|height|unnamed|none)?[\s._-]*\d*\s*(\((gray|red|green|blue|alpha)\))?",
    re.IGNORECASE,
)
"""Names that say nothing of what a band holds, matched as a whole: `Band 1`, `lyr.1`, `OUTPUT`."""

FIRST_OF_ONE = re.compile(r"b1", re.IGNORECASE)
"""A name that says nothing where a file has one band; among others it is a sensor's."""


@dataclass(frozen=True)
class Moment:
    """A time as a name writes it.

    Parameters
    ----------
    start : datetime
    resolution : {'second', 'day', 'month', 'year'}
    days : int
        Days it stands for where these are more than one and no month: 10 or so of a dekad, 0 otherwise.
    """

    start: datetime
    resolution: str
    days: int = 0

    def __str__(self) -> str:
        return self.start.strftime(
            {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d"}.get(self.resolution, "%Y-%m-%dT%H:%M:%S")
        )


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
    readings: list[NameReading | None] = [_of_product(name) for name in names]
    open_names: dict[str, list[int]] = {}
    for place, (name, reading) in enumerate(zip(names, readings)):
        if reading is None:
            open_names.setdefault(_skeleton(name), []).append(place)
    for places in open_names.values():
        alike = [names[place] for place in places]
        for place, reading in zip(places, _of_alike(alike)):
            readings[place] = reading
    return [reading for reading in readings if reading is not None]


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


def _skeleton(name: str) -> str:
    """Return a name with its digits, and the names of months between digits, made alike."""
    text = re.sub(rf"(?<=\d)([-._ ]?)({_MONTH_NAMES})(?=[-._ ]?\d)", r"\1###", name, flags=re.IGNORECASE)
    return re.sub(r"\d", "0", text).lower()


def _of_product(name: str) -> NameReading | None:
    for product in PRODUCTS:
        match = product.pattern.search(name)
        moment = None if match is None else _moment(match)
        if match is not None and moment is not None:
            start, end = match.span()
            rest = name[:start] + "\0" + name[end:]
            if product.key == "sentinel1":
                rest = _SENTINEL1_TAIL.sub("", rest)
            if product.key in ("modis_viirs", "landsat", "sentinel1", "sentinel2", "sentinel2_gee", "smos_l3"):
                rest = _PROCESSED.sub("", rest)
            return NameReading(_with_period(moment, name), _joined(rest))
    return None


def _with_period(moment: Moment, name: str) -> Moment:
    """Return what a product's date stands for: the days of its composite, a month, a year."""
    if _YEARLY.match(name):
        return Moment(moment.start.replace(month=1, day=1), "year")
    if _MONTHLY.match(name):
        return Moment(moment.start.replace(day=1), "month")
    days = next((days for pattern, days in _COMPOSITES if pattern.match(name)), 0)
    left = (datetime(moment.start.year + 1, 1, 1) - moment.start).days
    return moment if not days or moment.resolution != "day" else Moment(moment.start, "day", min(days, left))


def _joined(rest: str) -> str:
    """Close the gaps, marked by zeros, that dates have left."""
    return re.sub(r"([_\-. ]*\0[_\-. ]*)+", "_", rest).strip("_-. ")


def _cut(name: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        name = name[:start] + "\0" + name[end:]
    # R writes X before names that begin with a digit, and some write Y before years.
    return _joined(re.sub(r"(?<![A-Za-z0-9])[XY](?=\0)", "", name))


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
    return readings


def _of_years(names: Sequence[str]) -> list[NameReading]:
    """Read names that differ in a number of four digits alone, which is a year in all of them; none where it is not."""
    matches = [list(re.finditer(r"(?<!\d)(19|20)\d\d(?![0-9A-Za-z])", name)) for name in names]
    if len(names) < 2 or any(len(found) != 1 for found in matches):
        return []
    years = [int(found[0].group()) for found in matches]
    rests = [_cut(name, [found[0].span()]) for name, found in zip(names, matches)]
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
    for pattern in _GENERIC:
        for match in pattern.finditer(name):
            start, end = match.span()
            if any(start < candidate.span[1] and end > candidate.span[0] for candidate in found):
                continue
            moment = _moment(match)
            if moment is not None:
                found.append(_Candidate(moment, (start, end)))
    return sorted(found, key=lambda candidate: candidate.span)


def _of_open_order(names: Sequence[str]) -> list[NameReading]:
    """Read names whose dates leave the order open, where the list proves one."""
    plain = [NameReading(None, name) for name in names]
    possible: list[tuple[timedelta, str, list[NameReading]]] = []
    for pattern, words in _OPEN_ORDERS:
        # Six digits in a single name may be anything.
        if len(names) < 2 and "y2" in pattern.groupindex:
            continue
        matches = [list(pattern.finditer(name)) for name in names]
        if any(len(found) != 1 for found in matches):
            continue
        moments = [_moment(found[0]) for found in matches]
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


def _moment(match: re.Match[str]) -> Moment | None:
    """Return the date of a match; None where there is no such day."""
    part = {key: text for key, text in match.groupdict().items() if text is not None}
    part = {**part, **{key[1:]: text for key, text in part.items() if len(key) == 2 and key[0] == "e"}}
    year = int(part["y"]) if "y" in part else _century(int(part["y2"]))
    if year not in _YEARS:
        return None
    try:
        if "j" in part:
            start = datetime(year, 1, 1) + timedelta(days=int(part["j"]) - 1)
            if start.year != year:
                return None
        else:
            month = _MONTHS[part["n"].lower()[:3]] if "n" in part else int(part["m"])
            if "k" in part:
                first = 1 + 10 * (int(part["k"]) - 1)
                last = calendar.monthrange(year, month)[1] if first == 21 else first + 9
                return Moment(datetime(year, month, first), "day", last - first + 1)
            start = datetime(year, month, int(part.get("d", 1)))
        if "H" in part:
            start = start.replace(hour=int(part["H"]), minute=int(part["M"]), second=int(part.get("S", 0)))
            # Whole days are written as their first second.
            return Moment(start, "day" if (start.hour, start.minute, start.second) == (0, 0, 0) else "second")
    except (ValueError, KeyError):
        return None
    return Moment(start, "day" if "d" in part or "j" in part else "month")


def _century(year: int) -> int:
    return 2000 + year if year < 70 else 1900 + year
