"""Which band of which file is red, near infrared and so on, on which date; and what can be computed from them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sm_toolbox.errors import InputError
from sm_toolbox.predictors.spectral_indices import SPECTRAL_INDICES
from sm_toolbox.progress import Progress
from sm_toolbox.sensors.optical import SENSORS, recognise_band

if TYPE_CHECKING:
    from sm_toolbox.raster.bands import Band, Stack
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time


def input_bands(sources: Sequence[Source]) -> list[Band]:
    """List the bands of all files; where a file's bands have no names at all, they are named by their numbers.

    Parameters
    ----------
    sources : sequence of Source

    Returns
    -------
    list of Band
    """
    from sm_toolbox.raster.bands import Band, read_bands
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.naming import facts_of, name_bands
    from sm_toolbox.raster.opening import open_raster

    listed: list[Band] = []
    for source in sources:
        with open_raster(source) as dataset:
            nameless = dataset.count > 1 and "NETCDF_VARNAME" not in dataset.tags(1)
            nameless = nameless and not any(dataset.describe(index).name for index in range(1, dataset.count + 1))
            if nameless:
                grid = Grid.of(dataset, source.label)
                time = name_bands([facts_of(dataset, source, 1, dataset.count)])[0][1]
                listed += [Band(str(index), time, source, index, grid) for index in range(1, dataset.count + 1)]
        if not nameless:
            listed += read_bands([source])
    return listed


def assign_bands(
    listed: Sequence[Band], sensor: str, text: str, progress: Progress
) -> dict[Time | None, dict[str, Band]]:
    """Find out which band is which on each date, from BANDS and else from the names.

    Parameters
    ----------
    listed : sequence of Band
    sensor : str
        One of `SENSORS`.
    text : str
        BANDS, such as `red=1, nir=2`; may be empty.
    progress : Progress

    Returns
    -------
    dict of Time or None to dict of str to Band
        Of each date the bands by role.

    Raises
    ------
    InputError
        Where BANDS cannot be, two bands have one role, or none has any.
    """
    given = _given_bands(listed, sensor, text)
    alone = {source: sum(band.source == source for band in listed) == 1 for source in {band.source for band in listed}}
    ranked: dict[tuple[Time | None, str], tuple[int, Band]] = {}
    unknown = []
    for i, band in enumerate(listed):
        known: tuple[str, int] | None
        if i in given:
            known = given[i], 0
        else:
            # The name of a file or sub-dataset tells of a single band, never of several.
            places = [band.variable, *([re.split(r"[:/\\]", band.source.path)[-1]] if alone[band.source] else [])]
            known = next(filter(None, (recognise_band(place, sensor) for place in places)), None)
            if known is None or known[0] in given.values():
                unknown.append(band.name)
                continue
        role, rank = known
        twin = ranked.get((band.time, role))
        if twin is not None and twin[0] == rank:
            raise InputError(
                f"Two bands are {role}{f' on {band.time}' if band.time else ''}: {place(twin[1])} and "
                f"{place(band)}. Leave one out, or name the right one in `bands` ({role}={i + 1})."
            )
        if twin is None or rank < twin[0]:
            ranked[band.time, role] = rank, band
    if unknown:
        progress.info(
            "Not used, as their names speak of no band that indices need: "
            f"{', '.join(unknown[:10])}{' …' if len(unknown) > 10 else ''}."
        )
    found: dict[Time | None, dict[str, Band]] = {}
    for (time, role), (_, band) in ranked.items():
        found.setdefault(time, {})[role] = band
    if not found:
        raise InputError(
            f"None of the bands ({', '.join(band.name for band in listed[:8])}) has a name that is known of "
            f"{sensor}, such as red or B{SENSORS[sensor].bands['red'][0]}. Say in `bands` which is which, such as "
            "red=1, nir=2."
        )
    return found


def _given_bands(listed: Sequence[Band], sensor: str, text: str) -> dict[int, str]:
    """Read BANDS: which of the listed bands has which role."""
    given: dict[int, str] = {}
    for part in filter(str.strip, text.split(",")):
        role, _, value = (piece.strip() for piece in part.partition("="))
        role = role.lower()
        if role not in SENSORS[sensor].bands or not value:
            raise InputError(
                f"`bands` holds '{part.strip()}', but must be of the form red=1, nir=2 with names among: "
                f"{', '.join(SENSORS[sensor].bands)}."
            )
        if re.fullmatch("[0-9]{1,6}", value):
            if not 1 <= int(value) <= len(listed):
                raise InputError(
                    f"`bands` says {role}={value}, but `sources` has {len(listed)} bands, counted from 1 over all "
                    "files."
                )
            at = listed[int(value) - 1]
            hits = [
                i
                for i, band in enumerate(listed)
                if i == int(value) - 1 or (band.variable == at.variable and band.time != at.time)
            ]
        else:
            hits = [i for i, band in enumerate(listed) if band.variable == value]
            if not hits:
                raise InputError(
                    f"`bands` says {role}={value}, but no band of `sources` has that name. There are: "
                    f"{', '.join(dict.fromkeys(band.variable for band in listed))}."
                )
        taken = [i for i in hits if i in given]
        if taken:
            raise InputError(
                f"`bands` gives {place(listed[taken[0]])} to both {given[taken[0]]} and {role}. Each band can be "
                "only one."
            )
        given.update(dict.fromkeys(hits, role))
    return given


def add_temperature(found: dict[Time | None, dict[str, Band]], stack: Stack) -> None:
    """Add the surface temperature of its day to each date.

    Parameters
    ----------
    found : dict of Time or None to dict of str to Band
        Added to, as `lst`.
    stack : Stack
        Of the temperature.
    """
    from sm_toolbox.raster.times import Time

    for time, roles in found.items():
        # A scene and its temperature belong together, even if only one of them is dated.
        if len(found) == len(stack.bands) == 1 and (time is None or stack.is_static):
            roles["lst"] = stack.bands[0]
        elif time is not None and not stack.is_static:
            day = Time(time.last_day, "day") if time.resolution == "second" else time
            nearest = stack.nearest(day, 0)
            if nearest is not None:
                roles["lst"] = stack.bands[nearest]


def list_jobs(
    names: Sequence[str], sensor: str, found: Mapping[Time | None, Mapping[str, Band]], progress: Progress
) -> list[tuple[str, Time | None]]:
    """List the indices with the dates on which all their bands are there.

    Parameters
    ----------
    names : sequence of str
        Some of `SPECTRAL_INDICES`.
    sensor : str
        One of `SENSORS`.
    found : mapping of Time or None to mapping of str to Band
        As `assign_bands`.
    progress : Progress

    Returns
    -------
    list of (str, Time or None)

    Raises
    ------
    InputError
        Where an index lacks a band on all dates.
    """
    times = sorted(found, key=lambda time: (time is not None, time.start if time else datetime.min))
    jobs = []
    for name in names:
        needs = SPECTRAL_INDICES[name].needs(sensor)
        own = [time for time in times if all(role in found[time] for role in needs)]
        if not own:
            raise InputError(_what_is_missing(name, needs, sensor, found))
        if len(own) < len(times):
            left = [str(time or "undated") for time in times if time not in own]
            progress.info(
                f"{name}: {len(own)} of {len(times)} dates have all of {', '.join(needs)}; left out: "
                f"{', '.join(left[:10])}{' …' if len(left) > 10 else ''}."
            )
        jobs += [(name, time) for time in own]
    return jobs


def _what_is_missing(
    name: str, needs: Sequence[str], sensor: str, found: Mapping[Time | None, Mapping[str, Band]]
) -> str:
    own = SENSORS[sensor].bands
    without = [role for role in needs if role not in own and role != "lst"]
    if without:
        return (
            f"{name} needs {' and '.join(needs)}, but {sensor} has no band {', '.join(without)}. Leave {name} out of "
            f"`names`{'; ndii6 is its like with 1.6 µm' if 'swir_1240' in without else ''}."
        )
    missing = [role for role in needs if not any(role in roles for roles in found.values())]
    there = ", ".join(dict.fromkeys(role for roles in found.values() for role in roles))
    if not missing:
        return (
            f"{name} needs {', '.join(needs)} of one date, but no date has all of them. Check the dates of the "
            "layers; `lst` is paired by day."
        )
    if missing == ["lst"]:
        return f"{name} needs the surface temperature of the same day. Give it as `lst`; found in `sources`: {there}."
    wanted = ", ".join(role if role == "lst" else f"{role} (B{own[role][0]})" for role in missing)
    return (
        f"{name} needs {', '.join(needs)}; missing: {wanted}; found: {there}. Add the band, say in `bands` which it is "
        f"({missing[0]}=1), or leave {name} out of `names`."
    )


def place(band: Band) -> str:
    """Return where a band is, in words.

    Parameters
    ----------
    band : Band

    Returns
    -------
    str
    """
    return f"band {band.index} of '{band.source.label}'{f' ({band.time})' if band.time else ''}"
