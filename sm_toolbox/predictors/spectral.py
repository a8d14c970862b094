"""Spectral indices, broadband albedo and temperature–vegetation dryness from reflectances."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.predictors.reflectance import REFLECTANCE_TOLERANCE, Calibration, calibrate, doubts
from sm_toolbox.predictors.spectral_indices import SPECTRAL_INDICES
from sm_toolbox.predictors.triangle import EDGE_CELLS, Edges, fit_edges
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.sensors.optical import SENSORS, recognise_band

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Band, Stack
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time


@dataclass(frozen=True)
class InputShare:
    """How much of a band was no reflectance.

    Parameters
    ----------
    role : str
        `red`.
    band : Band
    calibration : Calibration
    share : float
        Of the cells with data, 0 to 1, those that were left out.
    """

    role: str
    band: Band
    calibration: Calibration
    share: float


@dataclass(frozen=True)
class SpectralResult:
    """What was computed.

    Parameters
    ----------
    bands : list of str
    edges : list of Edges
        One for each date of tvdi and vtci.
    inputs : list of InputShare
    outside : dict of str to (float, float)
        For each band of tvdi and vtci the share of the cells below 0 and above 1: they lie beyond the edges.
    """

    bands: list[str]
    edges: list[Edges] = field(default_factory=list)
    inputs: list[InputShare] = field(default_factory=list)
    outside: dict[str, tuple[float, float]] = field(default_factory=dict)


def spectral_indices(
    sources: Sequence[Source],
    sensor: str,
    names: Sequence[str],
    output: str,
    *,
    bands: str = "",
    scale: float | None = None,
    offset: float | None = None,
    lst: Sequence[Source] = (),
    engine: Engine = ALL_CORES,
) -> SpectralResult:
    """Compute spectral indices from the bands of a sensor.

    Bands are recognised by their names and brought to reflectances; values that cannot be reflectances are left out.
    Each index is computed on every date that has all its bands.

    Parameters
    ----------
    sources : sequence of Source
        Files with one or more bands, dated or not. The output has the grid of the first band that is used.
    sensor : str
        Key of `SENSORS`.
    names : sequence of str
        Keys of `SPECTRAL_INDICES`; the order of the output's bands.
    output : str
        GeoTIFF with `ndvi`, or `ndvi@date` where the input is dated.
    bands : str, optional
        `red=1, nir=2` for bands without known names: the position among all bands of the input, or a variable's name.
        Of dated input the band at the position stands for its namesakes on all dates.
    scale, offset : float, optional
        Reflectance = scale × stored value + offset; by default what `calibrate` finds.
    lst : sequence of Source, optional
        Surface temperature (K or °C), for tvdi and vtci; paired by day.
    engine : Engine, optional

    Returns
    -------
    SpectralResult

    Raises
    ------
    InputError
        Where a band that an index needs is missing, values are no reflectances or temperatures, files are of another
        sensor, or edges cannot be fitted.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> bands = {"red@2018-06-01": [[0.1, 0.2]], "nir@2018-06-01": [[0.3, 0.3]]}
    >>> source = write_example("modis.tif", bands)
    >>> spectral_indices([source], "modis", ["ndvi"], "indices.tif", scale=1).bands
    ['ndvi@2018-06-01']
    >>> print(read_example("indices.tif")["ndvi@2018-06-01"].round(2))
    [[0.5 0.2]]
    """
    from sm_toolbox.raster.bands import read_bands, single_stack
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    progress = engine.progress
    names = _check_choices(sources, sensor, names, scale, offset)
    listed = _input_bands(sources)
    found = _assign(listed, sensor, bands, progress)
    if lst:
        _add_temperature(found, single_stack(read_bands(lst), "LST"))
    jobs = _jobs(names, sensor, found, progress)
    used = list(dict.fromkeys((role, time) for name, time in jobs for role in SPECTRAL_INDICES[name].needs(sensor)))
    chosen = [found[time][role] for role, time in used]
    grid = min((band for (role, _), band in zip(used, chosen) if role != "lst"), key=listed.index).grid
    calibrations = [
        None if role == "lst" else calibrate(band, sensor, scale, offset) for (role, _), band in zip(used, chosen)
    ]
    reasons = [calibration.reason for calibration in calibrations if calibration]
    for reason in dict.fromkeys(reasons):
        progress.info(f"Reflectance = {reason}, in {reasons.count(reason)} bands.")
    _check_reflectances(used, chosen, calibrations, progress)
    edges = {
        time: _sampled_edges(time, used, chosen, calibrations, grid, progress) for role, time in used if role == "lst"
    }

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        raw = blocks["INPUT"]
        out = np.empty((len(jobs), *raw.shape[1:]), np.float32)
        counts, beyond = np.zeros((len(used), 2), np.int64), np.zeros((len(jobs), 3), np.int64)
        for now in dict.fromkeys(time for _, time in jobs):
            values: dict[str, np.ndarray] = {}
            for i, ((role, time), calibration) in enumerate(zip(used, calibrations)):
                if time == now:
                    values[role], wrong = calibration.apply(raw[i]) if calibration else (raw[i], np.zeros(1, bool))
                    counts[i] = np.count_nonzero(wrong), np.count_nonzero(~np.isnan(values[role]))
            if now in edges:
                values.update(edges[now].at(SPECTRAL_INDICES["ndvi"].compute(values, sensor)))
            for i, (name, time) in enumerate(jobs):
                if time == now:
                    out[i] = SPECTRAL_INDICES[name].compute(values, sensor)
                    with np.errstate(invalid="ignore"):
                        beyond[i] = (
                            np.count_nonzero(out[i] < 0),
                            np.count_nonzero(out[i] > 1),
                            np.count_nonzero(~np.isnan(out[i])),
                        )
        return out, {"counts": counts, "beyond": beyond}

    band_names = [band_name(name, time) for name, time in jobs]
    tags = {f"UNIT_{name}": SPECTRAL_INDICES[name].unit for name in names}
    if edges:
        tags["EDGES"] = json.dumps(
            [{"time": str(e.time or ""), "dry": e.dry, "wet": e.wet, "coldest": e.coldest} for e in edges.values()]
        )
    # The bands of one date with their masks, the edges and what a formula needs meanwhile.
    scratch = 4 * (2 * len(SENSORS[sensor].bands) + 8)
    facts = run_blocks(
        kernel,
        {"INPUT": chosen},
        [RasterOutput(output, band_names, tags)],
        grid,
        engine,
        scratch_bytes_per_cell=scratch,
    ).facts

    inputs = [
        InputShare(role, band, calibration, float(wrong / max(wrong + right, 1)))
        for (role, _), band, calibration, (wrong, right) in zip(used, chosen, calibrations, facts["counts"])
        if calibration
    ]
    for role in dict.fromkeys(item.role for item in inputs):
        own = [item for item in inputs if item.role == role]
        worst = max(own, key=lambda item: item.share)
        if worst.share > 0:
            progress.warning(
                f"{role} in {_place(worst.band)}{f', the worst of {len(own)} dates' if len(own) > 1 else ''}: "
                f"{100 * worst.share:.2g} % of the cells with data lie more than {REFLECTANCE_TOLERANCE} outside "
                "0 to 1; these are no reflectances and were left out."
            )
    outside = {
        name: (float(below / max(count, 1)), float(above / max(count, 1)))
        for (index, _), name, (below, above, count) in zip(jobs, band_names, facts["beyond"])
        if "lst" in SPECTRAL_INDICES[index].needs(sensor)
    }
    for name, (below, above) in outside.items():
        progress.info(
            f"{name}: {100 * below:.1f} % of the cells lie below 0 and {100 * above:.1f} % above 1, beyond the edges."
        )
    return SpectralResult(band_names, list(edges.values()), inputs, outside)


def _check_choices(
    sources: Sequence[Source], sensor: str, names: Sequence[str], scale: float | None, offset: float | None
) -> list[str]:
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in SPECTRAL_INDICES]
    if unknown or not names:
        raise InputError(
            f"INDICES: {', '.join(unknown) or 'none is chosen'}. Choose from: {', '.join(SPECTRAL_INDICES)}."
        )
    if sensor not in SENSORS:
        raise InputError(f"SENSOR is '{sensor}', but must be one of: {', '.join(SENSORS)}.")
    if offset is not None and not np.isfinite(offset):
        raise InputError(f"OFFSET is {offset:g}, but must be a number: the reflectance of a stored 0, such as -0.2.")
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        raise InputError(
            f"SCALE is {scale:g}, but must be above 0: the reflectance of one unit of the stored values, such as "
            "0.0001."
        )
    for source in sources:
        of = [name for name, known in SENSORS.items() if re.search(known.files, Path(source.path).name)]
        if of and sensor not in of:
            raise InputError(
                f"SENSOR is {sensor}, but '{source.label}' has a name of {' or '.join(of)}, whose bands have "
                "other numbers. Choose that SENSOR, or rename the file."
            )
    return names


def _input_bands(sources: Sequence[Source]) -> list[Band]:
    """List the bands of all files; where a file's bands have no names at all, they are named by their numbers."""
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


def _assign(listed: Sequence[Band], sensor: str, text: str, progress: Progress) -> dict[Time | None, dict[str, Band]]:
    """Find out which band is which on each date, from BANDS and else from the names."""
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
                f"Two bands are {role}{f' on {band.time}' if band.time else ''}: {_place(twin[1])} and "
                f"{_place(band)}. Leave one out, or name the right one in BANDS ({role}={i + 1})."
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
            f"{sensor}, such as red or B{SENSORS[sensor].bands['red'][0]}. Say in BANDS which is which, such as "
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
                f"BANDS holds '{part.strip()}', but must be of the form red=1, nir=2 with names among: "
                f"{', '.join(SENSORS[sensor].bands)}."
            )
        if re.fullmatch("[0-9]{1,6}", value):
            if not 1 <= int(value) <= len(listed):
                raise InputError(
                    f"BANDS says {role}={value}, but INPUT has {len(listed)} bands, counted from 1 over all files."
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
                    f"BANDS says {role}={value}, but no band of INPUT has that name. There are: "
                    f"{', '.join(dict.fromkeys(band.variable for band in listed))}."
                )
        taken = [i for i in hits if i in given]
        if taken:
            raise InputError(
                f"BANDS gives {_place(listed[taken[0]])} to both {given[taken[0]]} and {role}. Each band can be "
                "only one."
            )
        given.update(dict.fromkeys(hits, role))
    return given


def _add_temperature(found: dict[Time | None, dict[str, Band]], stack: Stack) -> None:
    """Add the surface temperature of its day to each date."""
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


def _jobs(
    names: Sequence[str], sensor: str, found: Mapping[Time | None, Mapping[str, Band]], progress: Progress
) -> list[tuple[str, Time | None]]:
    """List the indices with the dates on which all their bands are there."""
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
            f"INDICES{'; ndii6 is its like with 1.6 µm' if 'swir_1240' in without else ''}."
        )
    missing = [role for role in needs if not any(role in roles for roles in found.values())]
    there = ", ".join(dict.fromkeys(role for roles in found.values() for role in roles))
    if not missing:
        return (
            f"{name} needs {', '.join(needs)} of one date, but no date has all of them. Check the dates of the "
            "layers; LST is paired by day."
        )
    if missing == ["lst"]:
        return f"{name} needs the surface temperature of the same day. Give it as LST; found in INPUT: {there}."
    wanted = ", ".join(role if role == "lst" else f"{role} (B{own[role][0]})" for role in missing)
    return (
        f"{name} needs {', '.join(needs)}; missing: {wanted}; found: {there}. Add the band, say in BANDS which it is "
        f"({missing[0]}=1), or leave {name} out of INDICES."
    )


def _place(band: Band) -> str:
    return f"band {band.index} of '{band.source.label}'{f' ({band.time})' if band.time else ''}"


def _check_reflectances(
    used: Sequence[tuple[str, Time | None]],
    chosen: Sequence[Band],
    calibrations: Sequence[Calibration | None],
    progress: Progress,
) -> None:
    """Look at a middle date of each band for values that are no reflectances, and for doubts about their offset."""
    from sm_toolbox.raster.bands import overview

    doubt = doubts(chosen, calibrations)
    if doubt:
        progress.warning(doubt)

    for role in dict.fromkeys(role for role, _ in used if role != "lst"):
        own = [i for i, (other, _) in enumerate(used) if other == role]
        middle = own[len(own) // 2]
        calibration = calibrations[middle]
        assert calibration is not None
        values = overview(chosen[middle]).astype(np.float32)
        good, wrong = calibration.apply(values)
        bad, right = np.count_nonzero(wrong), np.count_nonzero(~np.isnan(good))
        if bad > right:
            low, high = np.nanpercentile(values, [2, 98])
            raise InputError(
                f"The values of {role} in {_place(chosen[middle])} are not reflectances: with "
                f"{calibration.reason}, {100 * bad / (bad + right):.0f} % of them lie outside 0 to 1. As read "
                f"they go from {low:.4g} to {high:.4g}. Set SCALE and OFFSET as the product's guide says (such as "
                "0.0001 and 0; Landsat Collection 2: 0.0000275 and -0.2), or choose the right SENSOR."
            )


def _sampled_edges(
    time: Time | None,
    used: Sequence[tuple[str, Time | None]],
    chosen: Sequence[Band],
    calibrations: Sequence[Calibration | None],
    grid: Grid,
    progress: Progress,
) -> Edges:
    """Fit the edges on a regular sample of cells, read as a coarser grid so that bands of different grids align."""
    from sm_toolbox.raster.affine import Affine, Window
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.reading import BandReader

    progress.check()
    width, height = min(EDGE_CELLS, grid.width), min(EDGE_CELLS, grid.height)
    coarse = Grid(grid.crs, grid.transform * Affine.scale(grid.width / width, grid.height / height), width, height)
    picks = [used.index((role, time)) for role in ("red", "nir", "lst")]
    with BandReader([chosen[i] for i in picks], coarse, "nearest").open() as reader:
        red, nir, lst = reader.read(Window(0, 0, width, height))
    if np.isfinite(lst).any() and np.nanmedian(lst) > 1000:
        raise InputError(
            f"LST in {_place(chosen[picks[2]])} has a median of {np.nanmedian(lst):.5g}, which is neither kelvin "
            "nor °C. Scale it with the raster calculator: MODIS × 0.02, Landsat Collection 2 × 0.00341802 + 149."
        )
    reflectances = {
        role: calibration.apply(values)[0]
        for role, calibration, values in zip(("red", "nir"), (calibrations[i] for i in picks), (red, nir))
        if calibration
    }
    edges = fit_edges(SPECTRAL_INDICES["ndvi"].compute(reflectances, ""), lst, time)
    progress.info(f"{f'{time}: ' if time else ''}{edges.text}.")
    if edges.dry[1] >= 0:
        progress.warning(
            f"{f'{time}: ' if time else ''}the dry edge does not fall with NDVI ({edges.dry[1]:+.2f} K per unit), "
            "so that tvdi and vtci say little about moisture. Clouds, water and great differences in height do "
            "this: mask them, or use a smaller, more level area."
        )
    return edges
