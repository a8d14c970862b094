"""What an import of an archive gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.stations.ismn.readings import Place
from sm_toolbox.stations.ismn.selection import Selection

VARIABLE_UNITS = {
    "soil_moisture": "m³ m⁻³",
    "soil_temperature": "°C",
    "air_temperature": "°C",
    "surface_temperature": "°C",
    "soil_suction": "kPa",
    "precipitation": "mm",
    "snow_depth": "mm",
    "snow_water_equivalent": "mm",
}
SOIL = ("sand", "clay", "silt", "organic_carbon")
NEAR = 0.005


@dataclass
class LineCounts:
    """Counts of the lines of a sensor's files, by what became of them.

    Parameters
    ----------
    lines, unreadable, missing, outside, flagged, repeated : int
        All; without a time or value that can be read; without a value; outside START and END; rejected by their flags;
        of a time already read.
    differing : int
        Repeated lines whose value differs from the first one.
    backwards : int
        Lines earlier than the one before.
    """

    lines: int = 0
    unreadable: int = 0
    missing: int = 0
    outside: int = 0
    flagged: int = 0
    repeated: int = 0
    differing: int = 0
    backwards: int = 0


@dataclass(frozen=True)
class Series:
    """The observations, or means, of one sensor (or of the sensors of one depth, averaged).

    Parameters
    ----------
    network, station, sensor : str
    place : Place
    unit : str
        Empty where it is not known, or where the values contradict it.
    times : ndarray of datetime64 (n,)
        UTC, in order, no two alike; in seconds, days or months.
    values : ndarray of float (n,)
    counts : ndarray of int (n,)
        How many values a mean is made of: times of a day or month, or sensors of one time.
    observations : int
        How many lines were taken in all.
    tally : LineCounts
    land_cover_code, land_cover : int or None, str or None
        ESA CCI's class on the map nearest to the middle of the period; else the network's word.
    climate : str or None
    soil : dict of str to float
        `sand`, `clay`, `silt`, `organic_carbon` at the sensor's depth (percent of weight); NaN where not known.
    """

    network: str
    station: str
    sensor: str
    place: Place
    unit: str
    times: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    observations: int
    tally: LineCounts
    land_cover_code: int | None
    land_cover: str | None
    climate: str | None
    soil: dict[str, float]

    @property
    def station_id(self) -> str:
        """The station with its network: stations of two networks may have the same name."""
        return f"{self.network}/{self.station}"


@dataclass
class Import:
    """What was taken from an archive, and what not.

    Parameters
    ----------
    path : str
    selection : Selection
    series : list of Series
    skipped : list of (str, str)
        Files that could not be used, and why.
    flags : Counter of str
        Observations by flag cell (within START and END, whether accepted or not).
    other_depths : Counter of (float, float)
        Sensors of other depths.
    other_variables : Counter of str
        Sensors of other variables.
    span : tuple of datetime64 or None
        First and last observation of the sensors read, whether taken or not.
    too_few : int
        Means left out for MIN_COUNT.
    moved : list of str
        Stations with several coordinates.
    warnings : list of str
    """

    path: str
    selection: Selection
    series: list[Series] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)
    other_depths: Counter[tuple[float, float]] = field(default_factory=Counter)
    other_variables: Counter[str] = field(default_factory=Counter)
    span: tuple[np.datetime64, np.datetime64] | None = None
    too_few: int = 0
    moved: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def stations(self) -> list[str]:
        """Ids of the stations that have rows."""
        return sorted({series.station_id for series in self.series})

    @property
    def observations(self) -> int:
        """Lines taken in all."""
        return sum(series.observations for series in self.series)
