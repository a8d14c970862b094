"""Spectral indices, broadband albedo and temperature–vegetation dryness from reflectances."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.predictors import triangle
from sm_toolbox.predictors.reflectance import (
    AS_KNOWN,
    REFLECTANCE_TOLERANCE,
    Calibration,
    ReflectanceScaling,
    calibrate,
    doubts,
)
from sm_toolbox.predictors.spectral_bands import add_temperature, assign_bands, input_bands, list_jobs, place
from sm_toolbox.predictors.spectral_indices import SPECTRAL_INDICES
from sm_toolbox.predictors.triangle import Edges, fit_edges
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.sensors.optical import SENSORS

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Band
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

# Dates of a band that are looked at, and cells on a side.
_MOST_LOOKS, _LOOK_CELLS = 25, 256


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


@dataclass(frozen=True)
class _Scene:
    """What is computed from which bands.

    Parameters
    ----------
    sensor : str
    jobs : list of (str, Time or None)
        Indices with their dates, as the output's bands.
    used : list of (str, Time or None)
        Roles with their dates, as the input's bands.
    calibrations : list of Calibration or None
        Of the input's bands; None for temperature.
    edges : dict of Time or None to Edges
        Of the dates that have a temperature.
    """

    sensor: str
    jobs: list[tuple[str, Time | None]]
    used: list[tuple[str, Time | None]]
    calibrations: list[Calibration | None]
    edges: dict[Time | None, Edges]

    def kernel(self, blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        """Compute a block; count values that are no reflectances, and those beyond the edges."""
        raw = blocks["INPUT"]
        out = np.empty((len(self.jobs), *raw.shape[1:]), np.float32)
        counts, beyond = np.zeros((len(self.used), 2), np.int64), np.zeros((len(self.jobs), 3), np.int64)
        for now in dict.fromkeys(time for _, time in self.jobs):
            values: dict[str, np.ndarray] = {}
            for i, ((role, time), calibration) in enumerate(zip(self.used, self.calibrations)):
                if time == now:
                    values[role], wrong = calibration.apply(raw[i]) if calibration else (raw[i], np.zeros(1, bool))
                    counts[i] = np.count_nonzero(wrong), np.count_nonzero(~np.isnan(values[role]))
            if now in self.edges:
                values.update(self.edges[now].at(SPECTRAL_INDICES["ndvi"].compute(values, self.sensor)))
            for i, (name, time) in enumerate(self.jobs):
                if time == now:
                    out[i] = SPECTRAL_INDICES[name].compute(values, self.sensor)
                    with np.errstate(invalid="ignore"):
                        beyond[i] = (
                            np.count_nonzero(out[i] < 0),
                            np.count_nonzero(out[i] > 1),
                            np.count_nonzero(~np.isnan(out[i])),
                        )
        return out, {"counts": counts, "beyond": beyond}

    def tags(self) -> dict[str, str]:
        """Return the units of the indices, and the edges."""
        tags = {f"UNIT_{name}": SPECTRAL_INDICES[name].unit for name in dict.fromkeys(name for name, _ in self.jobs)}
        if self.edges:
            tags["EDGES"] = json.dumps(
                [
                    {"time": str(e.time or ""), "dry": e.dry, "wet": e.wet, "coldest": e.coldest}
                    for e in self.edges.values()
                ]
            )
        return tags


def spectral_indices(
    sources: Sequence[Source],
    sensor: str,
    names: Sequence[str],
    output: str,
    *,
    bands: str = "",
    scaling: ReflectanceScaling = AS_KNOWN,
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
    scaling : ReflectanceScaling, optional
        How stored values become reflectances; by default as `calibrate` finds.
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
    >>> spectral_indices([source], "modis", ["ndvi"], "indices.tif", scaling=ReflectanceScaling(1)).bands
    ['ndvi@2018-06-01']
    >>> print(read_example("indices.tif")["ndvi@2018-06-01"].round(2))
    [[0.5 0.2]]
    """
    from sm_toolbox.raster.bands import read_bands, single_stack
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    progress = engine.progress
    names = _check_choices(sources, sensor, names, scaling)
    listed = input_bands(sources)
    found = assign_bands(listed, sensor, bands, progress)
    if lst:
        add_temperature(found, single_stack(read_bands(lst), "lst"))
    jobs = list_jobs(names, sensor, found, progress)
    used = list(dict.fromkeys((role, time) for name, time in jobs for role in SPECTRAL_INDICES[name].needs(sensor)))
    chosen = [found[time][role] for role, time in used]
    grid = min((band for (role, _), band in zip(used, chosen) if role != "lst"), key=listed.index).grid
    calibrations = [
        None if role == "lst" else calibrate(band, sensor, scaling.scale, scaling.offset)
        for (role, _), band in zip(used, chosen)
    ]
    reasons = [calibration.reason for calibration in calibrations if calibration]
    for reason in dict.fromkeys(reasons):
        progress.info(f"Reflectance = {reason}, in {reasons.count(reason)} bands.")
    _check_reflectances(used, chosen, calibrations, progress)
    edges = {
        time: _sampled_edges(time, used, chosen, calibrations, grid, progress) for role, time in used if role == "lst"
    }
    scene = _Scene(sensor, jobs, used, calibrations, edges)
    band_names = [band_name(name, time) for name, time in jobs]
    # The bands of one date with their masks, the edges and what a formula needs meanwhile.
    scratch = 4 * (2 * len(SENSORS[sensor].bands) + 8)
    facts = run_blocks(
        scene.kernel,
        {"INPUT": chosen},
        [RasterOutput(output, band_names, scene.tags())],
        grid,
        engine,
        scratch_bytes_per_cell=scratch,
    ).facts
    inputs = [
        InputShare(role, band, calibration, float(wrong / max(wrong + right, 1)))
        for (role, _), band, calibration, (wrong, right) in zip(used, chosen, calibrations, facts["counts"])
        if calibration
    ]
    outside = {
        name: (float(below / max(count, 1)), float(above / max(count, 1)))
        for (index, _), name, (below, above, count) in zip(jobs, band_names, facts["beyond"])
        if "lst" in SPECTRAL_INDICES[index].needs(sensor)
    }
    _tell_left_out(inputs, outside, progress)
    return SpectralResult(band_names, list(edges.values()), inputs, outside)


def _tell_left_out(
    inputs: Sequence[InputShare], outside: Mapping[str, tuple[float, float]], progress: Progress
) -> None:
    """Log what was no reflectance, and what lies beyond the edges."""
    for role in dict.fromkeys(item.role for item in inputs):
        own = [item for item in inputs if item.role == role]
        worst = max(own, key=lambda item: item.share)
        if worst.share > 0:
            progress.warning(
                f"{role} in {place(worst.band)}{f', the worst of {len(own)} dates' if len(own) > 1 else ''}: "
                f"{100 * worst.share:.2g} % of the cells with data lie more than {REFLECTANCE_TOLERANCE} outside "
                "0 to 1; these are no reflectances and were left out."
            )
    for name, (below, above) in outside.items():
        progress.info(
            f"{name}: {100 * below:.1f} % of the cells lie below 0 and {100 * above:.1f} % above 1, beyond the edges."
        )


def _check_choices(
    sources: Sequence[Source], sensor: str, names: Sequence[str], scaling: ReflectanceScaling
) -> list[str]:
    scale, offset = scaling.scale, scaling.offset
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in SPECTRAL_INDICES]
    if unknown or not names:
        raise InputError(
            f"`names`: {', '.join(unknown) or 'none is chosen'}. Choose from: {', '.join(SPECTRAL_INDICES)}."
        )
    if sensor not in SENSORS:
        raise InputError(f"`sensor` is '{sensor}', but must be one of: {', '.join(SENSORS)}.")
    if offset is not None and not np.isfinite(offset):
        raise InputError(f"`offset` is {offset:g}, but must be a number: the reflectance of a stored 0, such as -0.2.")
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        raise InputError(
            f"`scale` is {scale:g}, but must be above 0: the reflectance of one unit of the stored values, such as "
            "0.0001."
        )
    for source in sources:
        of = [name for name, known in SENSORS.items() if re.search(known.files, Path(source.path).name)]
        if of and sensor not in of:
            raise InputError(
                f"`sensor` is {sensor}, but '{source.label}' has a name of {' or '.join(of)}, whose bands have "
                "other numbers. Choose that `sensor`, or rename the file."
            )
    return names


def _check_reflectances(
    used: Sequence[tuple[str, Time | None]],
    chosen: Sequence[Band],
    calibrations: Sequence[Calibration | None],
    progress: Progress,
) -> None:
    """Look at all dates of each band, of many at some, for values that are no reflectances and doubtful offsets."""
    doubt = doubts(chosen, calibrations)
    if doubt:
        progress.warning(doubt)
    for role in dict.fromkeys(role for role, _ in used if role != "lst"):
        own = [i for i, (other, _) in enumerate(used) if other == role]
        looked = [own[i] for i in np.unique(np.linspace(0, len(own) - 1, _MOST_LOOKS).astype(int))]
        shares = [_look_at_reflectances(chosen[i], calibrations[i]) for i in looked]
        bad, right = sum(wrong for wrong, _, _ in shares), sum(good for _, good, _ in shares)
        if bad > right:
            worst = max(range(len(looked)), key=lambda k: shares[k][0])
            band, calibration, (low, high) = chosen[looked[worst]], calibrations[looked[worst]], shares[worst][2]
            assert calibration is not None
            over = f", over {len(looked)} dates" if len(looked) > 1 else ""
            raise InputError(
                f"The values of {role} in {place(band)} are not reflectances: with {calibration.reason}, "
                f"{100 * bad / (bad + right):.0f} % of them lie outside 0 to 1{over}. As read they go from {low:.4g} "
                f"to {high:.4g}. Set `scale` and `offset` as the product's guide says (such as 0.0001 and 0; Landsat "
                "Collection 2: 0.0000275 and -0.2), or choose the right `sensor`. If the scene lies under clouds, mask "
                "it with its quality layer first ('Mask by quality layer'), or leave it out."
            )


def _look_at_reflectances(band: Band, calibration: Calibration | None) -> tuple[int, int, tuple[float, float]]:
    """Return how many cells hold no reflectance, how many do, and between which values most of them lie as read."""
    from sm_toolbox.raster.bands import overview

    assert calibration is not None
    values = overview(band, _LOOK_CELLS).astype(np.float32)
    good, wrong = calibration.apply(values)
    low, high = np.nanpercentile(values, [2, 98]) if np.isfinite(values).any() else (np.nan, np.nan)
    return int(np.count_nonzero(wrong)), int(np.count_nonzero(~np.isnan(good))), (float(low), float(high))


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
    width, height = min(triangle.EDGE_CELLS, grid.width), min(triangle.EDGE_CELLS, grid.height)
    coarse = Grid(grid.crs, grid.transform * Affine.scale(grid.width / width, grid.height / height), width, height)
    picks = [used.index((role, time)) for role in ("red", "nir", "lst")]
    with BandReader([chosen[i] for i in picks], coarse, "nearest").open() as reader:
        red, nir, lst = reader.read(Window(0, 0, width, height))
    if np.isfinite(lst).any() and np.nanmedian(lst) > 1000:
        raise InputError(
            f"LST in {place(chosen[picks[2]])} has a median of {np.nanmedian(lst):.5g}, which is neither kelvin "
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
