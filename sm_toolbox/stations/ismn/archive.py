"""Observations from ISMN archives: chosen by variable, depth, flags and time, averaged where asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.stations.ismn.files import (
    VARIABLES,
    Entry,
    SensorName,
    UnreadableFile,
    open_archive,
    read_all,
    read_head,
)
from sm_toolbox.stations.ismn.imported import SOIL, VARIABLE_UNITS, Import, LineCounts, Series
from sm_toolbox.stations.ismn.readings import Place, Readings, read_place, read_readings
from sm_toolbox.stations.ismn.selection import Selection
from sm_toolbox.stations.ismn.static import Static, read_static
from sm_toolbox.stations.ismn.trouble import look_for_trouble, why_nothing

_PERCENT = 1.5
_MOVED = 1e-3
_UNITS_OF_TIME = {"day": "datetime64[D]", "month": "datetime64[M]"}


@dataclass(frozen=True)
class _Sensor:
    """The readings of one sensor that were taken, in order of time."""

    name: SensorName
    place: Place
    times: np.ndarray
    values: np.ndarray
    tally: LineCounts


def import_archive(path: str, selection: Selection, progress: Progress = SILENT) -> Import:
    """Read the observations of an archive.

    One station is read at a time, straight from the zip, so that the memory needed is that of what is taken.

    Parameters
    ----------
    path : str
        The zip as downloaded, the folder into which it was unpacked (or that holds several zips), or one `.stm` file.
    selection : Selection
    progress : Progress, optional

    Returns
    -------
    Import

    Raises
    ------
    InputError
        Where it is no such archive, or nothing of it fits the selection: the message says what the archive has.
    Cancelled
        Within a few MB of the user's Cancel.

    Examples
    --------
    >>> from pathlib import Path
    >>> head = "NET NET Alpha 45.5 7.25 300.0 0.05 0.05 Probe-1"
    >>> lines = [head, "2018/06/01 00:00 0.1 G M", "2018/06/01 12:00 0.2 G M"]
    >>> path = Path("NET_NET_Alpha_sm_0.050000_0.050000_Probe-1_20180601_20180602.stm")
    >>> _ = path.write_text("\\n".join(lines))
    >>> (series,) = import_archive(str(path), Selection(period="day")).series
    >>> series.station_id, [str(time) for time in series.times], series.values.round(2)
    ('NET/Alpha', ['2018-06-01'], array([0.15]))
    """
    variable = VARIABLES.get(
        selection.variable.strip().lower(), re.sub(r"[\s-]+", "_", selection.variable.strip().lower())
    )
    if selection.depth_from > selection.depth_to:
        raise InputError(
            f"`depth_from` ({selection.depth_from:g} m) is below `depth_to` ({selection.depth_to:g} m). Depths grow "
            "downwards; above ground they are negative."
        )
    if selection.start and selection.end and selection.start > selection.end:
        raise InputError(f"`start` ({selection.start}) is after `end` ({selection.end}).")
    with open_archive(path) as (entries, skipped):
        result = Import(path, selection, skipped=list(skipped))
        stations = _group(entries, variable, result)
        statics = {
            entry.folder: entry for entry in reversed(entries) if entry.name.lower().endswith("static_variables.csv")
        }
        total = sum(entry.size for sensors in stations.values() for files in sensors.values() for entry in files) or 1
        done = 0
        for sensors in stations.values():
            taken = []
            for name, files in sensors.items():
                sensor = _read_sensor(name, files, result, progress)
                done += sum(entry.size for entry in files)
                progress.set_fraction(min(1.0, done / total))
                if sensor is not None:
                    taken.append((sensor, _static_of(files, statics, result)))
            _add_station(taken, variable, result)
    if not result.series:
        raise InputError(why_nothing(result, variable))
    look_for_trouble(result, variable)
    for warning in result.warnings:
        progress.warning(warning)
    count = sum(len(series.times) for series in result.series)
    progress.info(
        f"{count:,} rows of {len(result.series)} sensors at {len(result.stations)} stations, from "
        f"{result.observations:,} observations."
    )
    return result


def _group(
    entries: Iterable[Entry], variable: str, result: Import
) -> dict[tuple[str, str], dict[SensorName, list[Entry]]]:
    """Group files by station and sensor: parts of an archive for different years hold the same sensors."""
    stations: dict[tuple[str, str], dict[SensorName, list[Entry]]] = {}
    variables: Counter[str] = Counter()
    for entry in entries:
        if not entry.name.lower().endswith(".stm"):
            continue
        name = entry.sensor
        if name is None:
            result.skipped.append(
                (
                    entry.name,
                    (
                        "its name does not say what it holds (expected such as "
                        "NETWORK_NETWORK_STATION_sm_0.050000_0.050000_SENSOR_20180101_20181231.stm; the old CEOP "
                        "format with all sensors in one file is not read)"
                    ),
                )
            )
        elif name.variable != variable:
            variables[name.variable] += 1
        else:
            stations.setdefault((name.network, name.station), {}).setdefault(name, []).append(entry)
    result.other_variables.update(variables)
    if not stations and variables:
        listed = ", ".join(f"{name} ({count})" for name, count in variables.most_common())
        raise InputError(
            f"'{result.path}' has no sensor of {variable}. The variables it has, with the number of files: "
            f"{listed}. Set `variable` to one of them."
        )
    if not stations:
        raise InputError(
            f"None of the {len(result.skipped)} files of '{result.path}' can be used; {result.skipped[0][0]}: "
            f"{result.skipped[0][1]}."
        )
    return stations


def _read_sensor(name: SensorName, files: Sequence[Entry], result: Import, progress: Progress) -> _Sensor | None:
    """Read what is taken of a sensor; None where that is nothing."""
    tally, place, parts = LineCounts(), None, []
    for entry in files:
        progress.check()
        try:
            # Sensors of other depths are not read beyond their first lines.
            file_place = read_place(read_head(entry), name)
            if not result.selection.takes_depth(file_place.top, file_place.bottom):
                result.other_depths[file_place.top, file_place.bottom] += 1
                continue
            readings = read_readings(read_all(entry, progress))
        except UnreadableFile as error:
            result.skipped.append((entry.name, str(error)))
            continue
        if place is not None and (
            abs(file_place.latitude - place.latitude) > _MOVED or abs(file_place.longitude - place.longitude) > _MOVED
        ):
            result.moved.append(
                f"{name.network}/{name.station}: {file_place.latitude:g}, {file_place.longitude:g} in '{entry.name}', "
                f"left for {place.latitude:g}, {place.longitude:g} of the file before"
            )
        place = place or file_place
        for latitude, longitude in readings.places:
            if abs(latitude - file_place.latitude) > _MOVED or abs(longitude - file_place.longitude) > _MOVED:
                result.moved.append(
                    f"{name.network}/{name.station}: {latitude:g}, {longitude:g} in lines of '{entry.name}', left "
                    f"for {place.latitude:g}, {place.longitude:g}"
                )
        parts.append(_select(readings, result, tally))
    if place is None:
        return None
    times, values = (np.concatenate(columns) for columns in zip(*parts))
    if np.any(times[1:] < times[:-1]):
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    again = np.flatnonzero(times[1:] == times[:-1]) + 1
    if len(again):
        first = np.searchsorted(times, times[again])
        tally.repeated, tally.differing = len(again), int(np.count_nonzero(values[again] != values[first]))
        times, values = np.delete(times, again), np.delete(values, again)
    return _Sensor(name, place, times, values, tally)


def _select(readings: Readings, result: Import, tally: LineCounts) -> tuple[np.ndarray, np.ndarray]:
    """Return the times and values of the lines that are taken, and count the others."""
    selection, times = result.selection, readings.times
    timed = ~np.isnat(times)
    keep = timed & ~np.isnan(readings.values)
    tally.lines += len(times)
    tally.unreadable += readings.unreadable
    tally.missing += int(np.count_nonzero(~keep)) - readings.unreadable
    tally.backwards += int(np.count_nonzero(np.diff(times[timed]) < np.timedelta64(0, "s")))
    if keep.any():
        first, last = times[keep].min(), times[keep].max()
        result.span = (first, last) if result.span is None else (min(first, result.span[0]), max(last, result.span[1]))
    within = keep.copy()
    if selection.start is not None:
        within &= times >= np.datetime64(selection.start, "s")
    if selection.end is not None:
        within &= times <= np.datetime64(selection.end, "s")
    tally.outside += int(np.count_nonzero(keep & ~within))
    cells = [*readings.flags, ""]
    counts = np.bincount(readings.flag_of_line[within] % len(cells), minlength=len(cells))
    result.flags.update({cell: int(count) for cell, count in zip(cells, counts) if count})
    accepted = within & np.array([selection.takes_flags(cell) for cell in cells])[readings.flag_of_line]
    tally.flagged += int(np.count_nonzero(within & ~accepted))
    return times[accepted], readings.values[accepted]


def _static_of(files: Sequence[Entry], statics: dict[tuple[str, str], Entry], result: Import) -> Static:
    entry = next((statics[file.folder] for file in files if file.folder in statics), None)
    if entry is None:
        return Static()
    try:
        return read_static(read_all(entry))
    except UnreadableFile as error:
        if (entry.name, str(error)) not in result.skipped:
            result.skipped.append((entry.name, str(error)))
        return Static()


def _add_station(taken: Sequence[tuple[_Sensor, Static]], variable: str, result: Import) -> None:
    """Average a station's sensors and periods as asked for, and add what has rows."""
    places = {(round(sensor.place.latitude, 3), round(sensor.place.longitude, 3)) for sensor, _ in taken}
    if len(places) > 1:
        name = taken[0][0].name
        result.moved.append(
            f"{name.network}/{name.station}: {' and '.join(f'{lat:g}, {lon:g}' for lat, lon in sorted(places))}, "
            "each sensor with its own"
        )
    groups: dict[object, list[tuple[_Sensor, Static]]] = {}
    for number, (sensor, static) in enumerate(taken):
        place = sensor.place
        key = (place.top, place.bottom, round(place.latitude, 3), round(place.longitude, 3))
        groups.setdefault(key if result.selection.sensors == "mean" else number, []).append((sensor, static))
    for group in groups.values():
        series = _make_series([sensor for sensor, _ in group], group[0][1], variable, result)
        if len(series.times):
            result.series.append(series)


def _make_series(sensors: Sequence[_Sensor], static: Static, variable: str, result: Import) -> Series:
    selection, first = result.selection, sensors[0]
    times, values, counts = _average(
        np.concatenate([sensor.times for sensor in sensors]), np.concatenate([sensor.values for sensor in sensors])
    )
    unit = VARIABLE_UNITS.get(variable, "")
    if variable == "soil_moisture" and len(values) and np.median(values) > _PERCENT:
        unit = ""
    if selection.period != "none":
        times, values, counts = _average(times.astype(_UNITS_OF_TIME[selection.period]), values)
        enough = counts >= selection.min_count
        result.too_few += int(np.count_nonzero(~enough))
        times, values, counts = times[enough], values[enough], counts[enough]
    tally = LineCounts(*(sum(numbers) for numbers in zip(*(astuple(sensor.tally) for sensor in sensors))))
    code, cover, place = None, None, first.place
    if len(times):
        middle = times[0] + (times[-1] - times[0]) // 2
        code, cover = static.cover_in(int(middle.astype("datetime64[Y]").astype(int)) + 1970)
    return Series(
        place.network,
        first.name.station,
        "; ".join(sensor.name.sensor for sensor in sensors),
        place,
        unit,
        times,
        values,
        counts,
        sum(len(sensor.times) for sensor in sensors),
        tally,
        code,
        cover,
        static.climate or None,
        {name: static.soil_at(name, place.top, place.bottom) for name in SOIL},
    )


def _average(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average values of equal times; return the times in order, the means and how many values each has."""
    if np.all(times[1:] > times[:-1]):
        return times, values, np.ones(len(times), np.int32)
    distinct, of_value, counts = np.unique(times, return_inverse=True, return_counts=True)
    return distinct, np.bincount(of_value.reshape(-1), values, minlength=len(distinct)) / counts, counts


# What the user should know --------------------------------------------------------------------------------------------
