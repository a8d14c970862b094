"""The forms in which providers and people write dates into names, as data, and what a match of one says."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

_YEARS = range(1900, 2200)

# English, German, French, Spanish and Portuguese; abbreviations that are words of names (out, set) are left out.
MONTHS_BY_NAME = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero ene janeiro",
            "feb february februar février fevrier febrero fevereiro",
            "mar march märz maerz mars marzo março",
            "apr april avril avr abril abr",
            "may mai mayo maio",
            "jun june juni juin junio junho",
            "jul july juli juillet juil julio julho",
            "aug august août aout agosto ago",
            "sep sept september septembre septiembre setembro",
            "oct october oktober okt octobre octubre outubro",
            "nov november novembre noviembre novembro",
            "dec december dezember dez décembre decembre diciembre dic dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
"""The month, from 1, by its name in small letters."""

MONTH_NAMES = "|".join(sorted(MONTHS_BY_NAME, key=len, reverse=True))
"""Regular expression of the names of months, the longest first."""

_SEASONS = {"mam": 3, "jja": 6, "son": 9, "djf": 12}

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
        rf"(?<![A-Za-z0-9])A{_DAY_OF_YEAR}(?!\d)(?:\.(?P<H>\d{{2}})(?P<M>\d{{2}})(?=\.\d{{3}}\.))?",
        "MODIS and VIIRS file names: AYYYYDDD, for swaths with the time of day",
    ),
    _product(
        "gldas", rf"(?<![A-Za-z0-9])A{_DAY}\.(?P<H>\d{{2}})(?P<M>\d{{2}})(?!\d)", "GLDAS and NLDAS: AYYYYMMDD.hhmm"
    ),
    _product("gldas_month", r"(?<![A-Za-z0-9])A(?P<y>\d{4})(?P<m>\d{2})(?=\.\d{3}(?!\d))", "GLDAS, monthly: AYYYYMM"),
    _product("gldas_day", rf"(?<![A-Za-z0-9])A{_DAY}(?=\.\d{{3}}(?!\d))", "GLDAS and NLDAS, daily: AYYYYMMDD"),
    _product(
        "appeears", rf"(?<![A-Za-z0-9])doy{_DAY_OF_YEAR}(?:{_CLOCK})?(?!\d)", "AppEEARS: doyYYYYDDD, doyYYYYDDDhhmmss"
    ),
    _product("landsat", rf"(?<=L[COTEM]\d\d_L\d[A-Z]{{2}}_\d{{6}}_){_DAY}(?=_\d{{8}}_)", "Landsat Collection 1 and 2"),
    _product(
        "landsat",
        rf"(?<=L[COTEM]\d\d_[A-Z]{{2}}_\d{{6}}_){_DAY}(?=_\d{{8}}_)",
        "Landsat, analysis ready data of the U.S.",
    ),
    _product("landsat_gee", rf"(?<=L[COTEM]\d\d_\d{{6}}_){_DAY}(?!\d)", "Landsat in Earth Engine"),
    _product(
        "landsat_scene", rf"(?<=L[COTEM]\d\d{{6}}){_DAY_OF_YEAR}(?=[A-Z]{{3}}\d\d)", "Landsat's scene identifiers"
    ),
    _product(
        "sentinel1",
        rf"(?<=S1[A-D]_[A-Z0-9]{{2}}_[A-Z0-9]{{3}}[A-Z_]_[12][A-Z]{{3}}_){_DAY}T{_CLOCK}(?=_\d{{8}}T\d{{6}}_)",
        "Sentinel-1: start and end of the overpass",
    ),
    _product("opera", rf"(?<=-IW\d_){_DAY}T{_CLOCK}Z(?:_\d{{8}}T\d{{6}}Z)?(?=_S1[A-D]_)", "OPERA RTC-S1"),
    _product(
        "hyp3",
        rf"(?<=S1[A-D]_IW_){_DAY}T{_CLOCK}(?=_[DS][VH][PRO]_RTC)",
        "ASF HyP3: with an identifier of the job",
    ),
    _product(
        "planet",
        rf"(?<![0-9A-Za-z]){_DAY}_{_CLOCK}(?:_\d\d)?_[0-9a-f]{{4}}(?=_[13][AB](_|$))",
        "PlanetScope: satellite",
    ),
    _product(
        "ecostress", rf"(?<=_\d{{5}}_\d{{3}}_\d{{2}}[A-Z]{{3}}_){_DAY}T{_CLOCK}", "ECOSTRESS, tiled: orbit, scene"
    ),
    _product("sentinel2", rf"(?<=_MSIL\d[AC]_){_DAY}T{_CLOCK}(?=_N\d{{4}}_R\d{{3}}_)", "Sentinel-2 products"),
    _product(
        "sentinel2_gee",
        rf"(?<![0-9A-Za-z]){_DAY}T{_CLOCK}(?=_\d{{8}}T\d{{6}}_T\d{{2}}[A-Z]{{3}})",
        "Sentinel-2 in Earth Engine",
    ),
    _product("sentinel2_cog", rf"(?<=^S2[A-D]_\d{{2}}[A-Z]{{3}}_){_DAY}(?=_\d+_L\d[AC])", "Sentinel-2 of Earth Search"),
    _product(
        "cci",
        rf"(?<=-){_DAY}{_CLOCK}(?=-(?:TCDR|ICDR|fv\d))",
        "ESA CCI and C3S soil moisture",
    ),
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
    _product(
        "imerg",
        r"(?<=3B-MO\.MS\.MRG\.3IMERG\.)(?P<y>\d{4})(?P<m>\d{2})01-S\d{6}-E\d{6}\.\d\d(?=\.V)",
        "GPM IMERG, monthly",
    ),
    _product("imerg", rf"(?<=\.){_DAY}-S{_CLOCK}-E\d{{6}}(?:\.\d{{4}}(?=\.V))?", "GPM IMERG"),
    _product(
        "wapor",
        r"(?<=L[123]_)(?P<v>[A-Z]{1,6})_(?P<y2>\d{2})(?P<kk>0[1-9]|[12]\d|3[0-6])(?![0-9A-Za-z])",
        "WaPOR 2: dekad of the year",
    ),
    _product(
        "chirps_pentad",
        r"(?<=chirps-v\d\.\d\.)(?P<y>\d{4})\.(?P<m>\d{2})\.(?P<p>[1-6])(?!\d)",
        "CHIRPS pentads: 1 to 6 of the month; dekads where none of the names has more than 3",
    ),
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
        (r"^(M[OY]D|V[NJ]P?[12]?)13(?!(A3|C2|B3))", 16),
        (
            r"^M[OY]D(11[ABC]2|21A2|09[AQ]1|10A2|15A2H?|16A2(GF)?|17A2H?(GF)?)|^MCD15A2H?|^V[NJ]P?[12]?(21A2|09[AH]1|15A2H?)",
            8,
        ),
        (r"^MCD15A3H?", 4),
        (r"^SM_\w{4}_MIR_CLF33", 3),
    )
)


_MONTHLY = re.compile(r"^(M[OY]D|V[NJ]P?[12]?)13(A3|C2|B3)|^M[OY]D(11C3|11B3)", re.IGNORECASE)


_YEARLY = re.compile(r"^MCD12|^V[NJ]P?[12]?2?12Q1", re.IGNORECASE)


CHIRPS_PENTAD = next(product.pattern for product in PRODUCTS if product.key == "chirps_pentad")


_MONTHLY_WORD = re.compile(r"(?<![A-Za-z])month(ly)?(?![A-Za-z])", re.IGNORECASE)


_DEKADAL_WORD = re.compile(r"(?<![A-Za-z])de[ck]ad(al)?(?![A-Za-z])", re.IGNORECASE)


_B, _E = r"(?<!\d)", r"(?!\d)"


ANY_DATE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_B}(?P<y>\d{{4}})-?(?P<m>\d{{2}})-?(?P<d>\d{{2}})[T_-]?T?(?P<H>\d{{2}})[:_-]?(?P<M>\d{{2}})[:_-]?(?P<S>\d{{2}}){_E}(?!-\d{{2}}(?!\d))",
        rf"{_B}{_DAY}T?(?P<H>\d{{2}})(?P<M>\d{{2}}){_E}",
        rf"{_B}(?P<y>\d{{4}})-?(?P<m>\d{{2}})-?(?P<d>\d{{2}})[T_-](?P<H>\d{{2}})(h(?P<M>\d{{2}})?|UTC|Z)(?![A-Za-z0-9])",
        rf"{_B}{_DAY}T?(?P<H>[01]\d|2[0-3]){_E}",
        rf"{_B}(?P<y>\d{{4}})(?P<s>[-._])(?P<m>\d{{2}})(?P=s)(?P<d>\d{{2}})(?P=s)(?P<H>\d{{2}})(?P=s)(?P<M>\d{{2}})"
        rf"((?P=s)(?P<S>\d{{2}}))?(?![-._]?\d)",
        # A number of four digits after a date is a time of day where satellites and models have one.
        rf"{_B}{_DAY}[T_-](?P<H>\d{{2}})(?P<M>00|15|30|45){_E}",
        rf"{_B}(?P<y>\d{{4}})[-._ ]?(?P<m>\d{{2}})[-._ ]?(dk|dekad|dek|D)[-._ ]?(?P<k>[1-3])(?![0-9A-Za-z])",
        rf"{_B}(?P<y>\d{{4}})[-._ ]?(?P<m>\d{{2}})[-._ ]?(pd|pentad|pent)[-._ ]?(?P<p>[1-6])(?![0-9A-Za-z])",
        rf"{_B}(?P<y>\d{{4}})[-._ ]?(week|KW|W)[-._ ]?(?P<w>\d{{2}})(?![0-9A-Za-z])",
        rf"{_B}(?P<y>\d{{4}})[-._ ]?Q(?P<q>[1-4])(?![0-9A-Za-z])",
        rf"(?<![A-Za-z0-9])(?P<z>MAM|JJA|SON|DJF)[-._ ]?(?P<y>\d{{4}}){_E}",
        rf"{_B}(?P<y>\d{{4}})[-._ ]?(?P<z>MAM|JJA|SON|DJF)(?![A-Za-z0-9])",
        rf"{_B}(?P<y>\d{{4}})(?P<s>[-._ ])(?P<m>\d{{1,2}})(?P=s)(?P<d>\d{{1,2}}){_E}",
        rf"{_B}(?P<y>\d{{4}})(?P<s>[-._ ]?)(?P<n>{MONTH_NAMES})(?P=s)(?P<d>\d{{2}}){_E}",
        rf"{_B}(?P<d>\d{{1,2}})(?P<s>[-._ ]?)(?P<n>{MONTH_NAMES})(?P=s)(?P<y>\d{{4}}){_E}",
        rf"(?<![A-Za-z0-9])(?P<n>{MONTH_NAMES})(?P<s>[-._ ])(?P<d>\d{{1,2}}),?(?P=s)(?P<y>\d{{4}}){_E}",
        rf"{_B}{_DAY}{_E}",
        rf"{_B}(?<!\d{{4}}[-_])(?P<y>\d{{4}})[-._](?P<j>\d{{3}})(?![A-Za-z0-9])",
        rf"{_B}{_DAY_OF_YEAR}{_E}",
        r"(?<!\d)(?<!\d\d[-._])(?<!\d[-._]\d[-._])(?P<y>\d{4})[-._](?P<m>\d{2})(?![-._]?\d)",
        rf"{_B}(?P<y>\d{{4}})(?P<m>\d{{2}}){_E}",
        rf"{_B}(?P<y>\d{{4}})[-._ ]?m(?P<m>\d{{2}})(?![0-9A-Za-z])",
        rf"(?<![A-Za-z0-9])(?P<n>{MONTH_NAMES})[-._ ]?(?P<y>\d{{4}}){_E}",
        rf"{_B}(?P<y>\d{{4}})[-._ ]?(?P<n>{MONTH_NAMES})(?![A-Za-z])",
    )
)


# Orders that a list of names must prove, as (pattern, the order in words).
OPEN_ORDERS = tuple(
    (re.compile(rf"{_B}{pattern}{_E}", re.IGNORECASE), words)
    for pattern, words in (
        (r"(?<!\d[-._])(?P<m>\d{2})[-._]?(?P<y>(19|20)\d{2})", "month, year"),
        (r"(?P<d>\d{2})(?P<s>[-._]?)(?P<m>\d{2})(?P=s)(?P<y>\d{4})", "day, month, year"),
        (r"(?P<m>\d{2})(?P<s>[-._]?)(?P<d>\d{2})(?P=s)(?P<y>\d{4})", "month, day, year"),
        (r"(?P<y2>\d{2})(?P<s>[-._]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})", "year, month, day"),
        (r"(?P<d>\d{2})(?P<s>[-._]?)(?P<m>\d{2})(?P=s)(?P<y2>\d{2})", "day, month, year"),
        (r"(?P<m>\d{2})(?P<s>[-._]?)(?P<d>\d{2})(?P=s)(?P<y2>\d{2})", "month, day, year"),
        (r"(?<![A-Za-z])(?P<d>\d{1,2})(?P<s>[-._])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4})(?![A-Za-z])", "day, month, year"),
        (r"(?<![A-Za-z])(?P<m>\d{1,2})(?P<s>[-._])(?P<d>\d{1,2})(?P=s)(?P<y>\d{4})(?![A-Za-z])", "month, day, year"),
        (r"(?<![A-Za-z])(?P<d>\d{1,2})(?P<s>[-._])(?P<m>\d{1,2})(?P=s)(?P<y2>\d{2})(?![A-Za-z])", "day, month, year"),
        (r"(?<![A-Za-z])(?P<m>\d{1,2})(?P<s>[-._])(?P<d>\d{1,2})(?P=s)(?P<y2>\d{2})(?![A-Za-z])", "month, day, year"),
        (rf"(?P<d>\d{{1,2}})(?P<s>[-._ ]?)(?P<n>{MONTH_NAMES})(?P=s)(?P<y2>\d{{2}})", "day, month, year"),
        (r"(?<=[YD])(?P<y2>\d{2})(?P<j>\d{3})", "year, day of the year"),
    )
)


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


def as_stated(moment: Moment | None, name: str) -> Moment | None:
    """Return the month or dekad that begins with a date where the name says that it holds one.

    Parameters
    ----------
    moment : Moment or None
    name : str
        That holds it: with the word monthly, or dekadal.

    Returns
    -------
    Moment or None
    """
    if moment is None or moment.resolution != "day" or moment.days:
        return moment
    if moment.start.day == 1 and _MONTHLY_WORD.search(name):
        return Moment(moment.start, "month")
    if moment.start.day in (1, 11, 21) and _DEKADAL_WORD.search(name):
        last = calendar.monthrange(moment.start.year, moment.start.month)[1]
        return Moment(moment.start, "day", 10 if moment.start.day < 21 else last - 20)
    return moment


def with_period(moment: Moment, name: str) -> Moment:
    """Return what a product's date stands for: the days of its composite, a month, a year.

    Parameters
    ----------
    moment : Moment
    name : str
        That holds it.

    Returns
    -------
    Moment
    """
    if _YEARLY.match(name):
        return Moment(moment.start.replace(month=1, day=1), "year")
    if _MONTHLY.match(name):
        return Moment(moment.start.replace(day=1), "month")
    days = next((days for pattern, days in _COMPOSITES if pattern.match(name)), 0)
    left = (datetime(moment.start.year + 1, 1, 1) - moment.start).days
    return moment if not days or moment.resolution != "day" else Moment(moment.start, "day", min(days, left))


def moment_of(match: re.Match[str]) -> Moment | None:
    """Return the date of a match; None where there is no such day.

    Parameters
    ----------
    match : re.Match
        With the groups of the forms of this module.

    Returns
    -------
    Moment or None
    """
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
            if not {"kk", "w", "q", "z", "k", "p"}.isdisjoint(part):
                return _part_of_year(year, part)
            month = MONTHS_BY_NAME[part["n"].lower()] if "n" in part else int(part["m"])
            start = datetime(year, month, int(part.get("d", 1)))
        if "H" in part:
            start = start.replace(hour=int(part["H"]), minute=int(part.get("M", 0)), second=int(part.get("S", 0)))
            # Whole days are written as their first second.
            return Moment(start, "day" if (start.hour, start.minute, start.second) == (0, 0, 0) else "second")
    except (ValueError, KeyError):
        return None
    return Moment(start, "day" if "d" in part or "j" in part else "month")


def _part_of_year(year: int, part: Mapping[str, str]) -> Moment:
    """Return a week, pentad, dekad, quarter or season; DJF belongs to the year of its January."""
    if "w" in part:
        return Moment(datetime.fromisocalendar(year, int(part["w"]), 1), "day", 7)
    if "q" in part or "z" in part:
        month = 3 * int(part["q"]) - 2 if "q" in part else _SEASONS[part["z"].lower()]
        start = datetime(year - (month == 12), month, 1)
        end = datetime(start.year + (month > 9), (month + 2) % 12 + 1, 1)
        return Moment(start, "day", (end - start).days)
    number = int(part.get("kk") or part.get("k") or part["p"]) - 1
    month, number = (number // 3 + 1, number % 3) if "kk" in part else (int(part["m"]), number)
    length, last = (5, 5) if "p" in part else (10, 2)
    start = datetime(year, month, 1 + length * number)
    return Moment(start, "day", calendar.monthrange(year, month)[1] - start.day + 1 if number == last else length)


def _century(year: int) -> int:
    return 2000 + year if year < 70 else 1900 + year
