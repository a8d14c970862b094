"""Place and readings in the file of a sensor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pandas as pd

from sm_toolbox.stations.ismn.files import HEAD, SensorName, UnreadableFile
from sm_toolbox.stations.ismn.static import decode

_DATE = re.compile(rb"\d{4}/\d\d/\d\d\s")
# Stations may have spaces in their names, or be named like a number: the station is what comes before latitude,
# longitude, elevation and the two depths.
_PLACE = re.compile(
    r"\S+ (?P<network>\S+) (?P<station>\S.*?) (?P<latitude>-?\d+\.\d+) (?P<longitude>-?\d+\.\d+)"
    r" (?P<elevation>-?\d+(?:\.\d+)?|nan)"
    r" (?P<top>-?\d+(?:\.\d+)?) (?P<bottom>-?\d+(?:\.\d+)?)(?= |$)",
    re.IGNORECASE,
)


_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$")
_SOMETHING = re.compile(rb"\S")
_MISSING = -9999.0


@dataclass(frozen=True)
class Place:
    """Where a sensor is, as its file says.

    Parameters
    ----------
    network : str
    latitude, longitude : float
        Degrees, WGS 84.
    elevation : float
        m; NaN where it is not known.
    top, bottom : float
        Depth in m.
    """

    network: str
    latitude: float
    longitude: float
    elevation: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Readings:
    """The lines of a file, in its order.

    Parameters
    ----------
    times : ndarray of datetime64[s] (lines,)
        UTC; NaT where the line has no time that can be read.
    values : ndarray of float (lines,)
        NaN where there is none.
    flag_of_line : ndarray of int (lines,)
        Index into `flags`; -1 where the line has no flag.
    flags : list of str
        The different flag cells, such as `G` and `C02,D04`.
    unreadable : int
        Lines whose time or value cannot be read; a missing value (`NaN`, -9999) is none of them.
    places : ndarray of float (places, 2)
        The different latitudes and longitudes that lines of CEOP-sep give, in their order; empty where all have that of
        the first line.
    """

    times: np.ndarray
    values: np.ndarray
    flag_of_line: np.ndarray
    flags: list[str]
    unreadable: int
    places: np.ndarray


def read_place(head: bytes, name: SensorName) -> Place:
    """Read the place of a sensor from the beginning of its file.

    Parameters
    ----------
    head : bytes
    name : SensorName
        Its depth is more precise than that in the lines of CEOP-sep and stands there for it. In header+values that of
        the header counts, as in ISMN's own reader.

    Returns
    -------
    Place

    Raises
    ------
    UnreadableFile
    """
    line, is_ceop = _first_line(head)
    match = _match_place(line, is_ceop)
    part = {key: float(match[key]) for key in ("latitude", "longitude", "elevation", "top", "bottom")}
    if abs(part["latitude"]) > 90:
        raise UnreadableFile(
            f"its latitude is {part['latitude']:g}: most likely latitude and longitude ({part['longitude']:g}) "
            "are swapped"
        )
    if abs(part["longitude"]) > 180:
        raise UnreadableFile(f"its longitude is {part['longitude']:g}, but must lie within -180 and 180")
    depth = (name.top, name.bottom) if is_ceop else (part["top"], part["bottom"])
    elevation = part["elevation"] if part["elevation"] > _MISSING else float("nan")
    return Place(match["network"], part["latitude"], part["longitude"], elevation, min(depth), max(depth))


def read_readings(data: bytes) -> Readings:
    """Read times, values and flags of a file.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    Readings

    Raises
    ------
    UnreadableFile
        Where it has no values, or more lines without than with.
    """
    line, is_ceop = _first_line(data[:HEAD])
    match = _match_place(line, is_ceop)
    if is_ceop:
        before, start = 4 + len(match.group().split(" ")), 0
    else:
        before, start = 2, data.index(line) + len(line)
    if _SOMETHING.search(data, start) is None:
        raise UnreadableFile("it has a header, but no values")
    table = _read_columns(data[start:], before)
    texts = table[before]
    values = pd.to_numeric(texts, errors="coerce").to_numpy(float, copy=True)
    times = _moments(table[0], table[1])
    unreadable = int(np.count_nonzero(np.isnat(times) | (np.isnan(values) & texts.notna().to_numpy())))
    if 2 * unreadable > len(table):
        raise UnreadableFile(f"{unreadable:,} of its {len(table):,} lines do not begin with a date, a time and a value")
    values[~np.isfinite(values) | (values <= _MISSING)] = np.nan
    flags = table[before + 1].astype("category").cat
    places = _read_places(data, before) if is_ceop and _differs(data, line, match, len(table)) else np.empty((0, 2))
    return Readings(
        times, values, flags.codes.to_numpy(np.int32), [str(cell) for cell in flags.categories], unreadable, places
    )


def _differs(data: bytes, line: bytes, match: re.Match[str], lines: int) -> bool:
    """Return whether not all lines are at the place of the first one, without reading them."""
    coordinates = re.search(
        rb"%s\s+%s" % tuple(re.escape(match[key].encode()) for key in ("latitude", "longitude")), line
    )
    return coordinates is None or data.count(coordinates.group()) < lines


def _read_places(data: bytes, value: int) -> np.ndarray:
    """Read the distinct latitudes and longitudes of the lines of CEOP-sep."""
    table = pd.read_csv(
        BytesIO(data),
        sep=r"\s+",
        header=None,
        names=range(value + 3),
        usecols=(value - 5, value - 4),
        dtype=str,
        quoting=3,
        encoding="latin-1",
    )
    return table.apply(pd.to_numeric, errors="coerce").dropna().drop_duplicates().to_numpy(float)


def _read_columns(data: bytes, value: int) -> pd.DataFrame:
    """Read date, clock, value and flag, the latter two from column `value` on, of lines of any length."""
    types: dict = {0: "category", 1: "category", value + 1: "category"}
    for kind in (float, str):
        try:
            return pd.read_csv(
                BytesIO(data), sep=r"\s+", header=None, names=range(value + 3), usecols=(0, 1, value, value + 1),
                dtype={**types, value: kind}, quoting=3, encoding="latin-1",
            )  # fmt: skip
        except ValueError as error:
            # Text among the values makes the whole column text; only that is slow.
            cause = error
    raise UnreadableFile(f"its lines cannot be read ({cause})")


def _first_line(head: bytes) -> tuple[bytes, bool]:
    """Return the first line that is not empty, and whether it is CEOP-sep; lines end in CR, LF, or both."""
    for line in re.split(rb"[\r\n]+", head.removeprefix(b"\xef\xbb\xbf")):
        if line.strip():
            return line, _DATE.match(line.lstrip()) is not None
    raise UnreadableFile("it is empty")


def _match_place(line: bytes, is_ceop: bool) -> re.Match[str]:
    words = line.split()
    match = _PLACE.match(decode(b" ".join(words[4 if is_ceop else 0 :])))
    if match is None:
        raise UnreadableFile(
            "its first line has no network, station, latitude, longitude, elevation and depths "
            f"('{decode(line).strip()[:60]}'): neither header+values nor CEOP-sep"
        )
    return match


def _moments(dates: pd.Series, clocks: pd.Series) -> np.ndarray:
    """Return the moments of dates (2018/06/01) and clocks (14:30), reading each distinct one once; NaT for others."""
    days = pd.to_datetime(pd.Series(dates.cat.categories.astype(str)), format="%Y/%m/%d", errors="coerce").to_numpy(
        "datetime64[s]"
    )
    seconds = []
    for clock in clocks.cat.categories.astype(str):
        match = _CLOCK.match(clock)
        seconds.append(
            np.timedelta64(
                sum(int(n or 0) * unit for n, unit in zip(match.groups(), (3600, 60, 1))) if match else "NaT", "s"
            )
        )
    # The code of a missing cell is -1: the last one.
    day = np.append(days, np.datetime64("NaT"))[dates.cat.codes.to_numpy()]
    return day + np.array([*seconds, np.timedelta64("NaT", "s")])[clocks.cat.codes.to_numpy()]
