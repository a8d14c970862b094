"""Predictors from Sentinel-1: backscatter without its extremes, averaged, smoothed, and its statistics over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.files import working_folder
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.timeseries.statistics import summarise

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Band, Stack
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

LIMITS = {"vv": (-25.0, -5.0), "vh": (-30.0, -10.0)}
"""Lowest and highest backscatter (dB) of each polarisation that land has; what lies outside is water, built-up or
layover.
"""
_LOWEST_MEDIAN = -60
_OVER_TIME = ("min", "mean", "max", "sd")
# Cells on a side of the window that smooths; more is no despeckling, and takes memory for all that lies around each
# block.
_LARGEST_FILTER = 1001
_NEPERS_PER_DB = np.float32(np.log(10) / 10)
# Fine cells in linear power wait in a temporary file until they are averaged, as many bands at a time as fit into this.
_TEMPORARY_BYTES = 2**31


def sar_predictors(
    vv: Sequence[Source],
    vh: Sequence[Source],
    angle: Sequence[Source],
    output: str,
    *,
    grid: Source | None = None,
    filter_size: int = 3,
    statistics: str | None = None,
    engine: Engine = ALL_CORES,
) -> list[str]:
    """Mask, average and smooth backscatter, each band on its own.

    Values outside `LIMITS` are masked. All that follows is done in linear power, of which decibels are the logarithm:
    the cells within each cell of `grid` are averaged, then smoothed with a Gaussian window. The steps and limits are
    those of a global study at 100 m (Front. Water 2, 578367, 2020, after Bauer-Marschallinger et al. 2018, doi
    10.1109/TGRS.2018.2858004).

    Parameters
    ----------
    vv, vh, angle : sequence of Source
        Backscatter (dB) and incidence angle (degrees): one variable each, dated or static, or the variable of that name
        among several. `vh` and `angle` may be empty. The angle is averaged to the output's cells, no more.
    output : str
        GeoTIFF with `vv@date` and `vh@date` (dB) and `angle@date` (degrees), on the grid of the first VV band or on
        `grid`.
    grid : Source, optional
        A raster with coarser cells.
    filter_size : int, optional
        Cells on a side of the window, odd; 1 does not smooth. See `gaussian_weights`.
    statistics : str, optional
        GeoTIFF with `vv_min`, `vv_mean`, `vv_max`, `vv_sd` and the same of VH: over time, of the decibels in `output`.
        The standard deviation is that of a sample and needs two dates.
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where backscatter is not in dB, VV and VH are the same band, the window has no middle, or `grid` is finer than
        the backscatter.
    OutputError, Cancelled
        As `run_blocks`.
    """
    from sm_toolbox.raster.opening import grid_of

    progress = engine.progress
    if filter_size < 1 or filter_size % 2 == 0:
        raise InputError(
            f"`filter_size` is {filter_size}, but must be an odd number: 3, 5 … so that the window has a cell in "
            "its middle, or 1 for none."
        )
    radar = {"vv": _stack(vv, "vv")}
    if vh:
        radar["vh"] = _stack(vh, "vh")
    incidence = _stack(angle, "angle").bands if angle else ()
    _check_decibels(radar, progress)
    target = radar["vv"].bands[0].grid if grid is None else grid_of(grid)
    if grid is not None:
        _check_coarser(radar, target, grid)
    largest = min(_LARGEST_FILTER, max(9, 2 * max(target.width, target.height) + 1))
    if filter_size > largest:
        raise InputError(
            f"`filter_size` is {filter_size:,}, but may be up to {largest:,} for a raster of {target.width:,} × "
            f"{target.height:,} cells: a window beyond that smooths all away."
        )
    # For each polarisation the valid values before and after the limits.
    counts = {name: np.zeros(2, np.int64) for name in radar}
    fine = [(name, band) for name, stack in radar.items() for band in stack.bands if not band.grid.same_as(target)]
    share = 0.8 if fine else 0.0
    with working_folder() as folder:
        means = _average(fine, target, Path(folder), counts, engine.part(0, share))
        inputs = _Inputs(radar, means, incidence, target)
        bands = _smooth(inputs, filter_size, output, statistics, counts, engine.part(share, 1))
    _report(counts, progress)
    return bands


def mask(decibels: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Set backscatter outside limits to NaN.

    Parameters
    ----------
    decibels : ndarray of float32
        dB.
    limits : (float, float)
        Lowest and highest, dB.

    Returns
    -------
    ndarray of float32, same shape
    """
    return np.where((decibels >= limits[0]) & (decibels <= limits[1]), decibels, np.float32(np.nan))


def to_power(decibels: np.ndarray) -> np.ndarray:
    """Turn backscatter in dB into linear power.

    Parameters
    ----------
    decibels : ndarray of float32

    Returns
    -------
    ndarray of float32, same shape
    """
    return np.exp(decibels * _NEPERS_PER_DB)


def to_decibels(power: np.ndarray) -> np.ndarray:
    """Turn linear power into dB.

    Parameters
    ----------
    power : ndarray of float32

    Returns
    -------
    ndarray of float32, same shape
    """
    return np.log(power) / _NEPERS_PER_DB


def gaussian_weights(size: int) -> np.ndarray:
    """Return the weights of a row of a Gaussian window; those of a cell are the product of its row's and its column's.

    Parameters
    ----------
    size : int
        Cells on a side, odd. The standard deviation is a third of it: 1 cell for 3 × 3, with the weights 0.204 in the
        middle, 0.124 beside and 0.075 at the corners, as Google Earth Engine, where the study smoothed its images, has
        it by default.

    Returns
    -------
    ndarray of float32 (size,)
    """
    places = np.arange(size) - size // 2
    weights = np.exp(-0.5 * (places / (size / 3)) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def smooth(power: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the valid cells around each cell.

    Parameters
    ----------
    power : ndarray of float32 (rows + size - 1, cols + size - 1)
        With a rim of half the window; NaN where there is no data.
    weights : ndarray of float32 (size,)
        Of a row and of a column.

    Returns
    -------
    ndarray of float32 (rows, cols)
        A gap stays one; beside it the other cells share its weight.
    """
    half = len(weights) // 2
    if half == 0:
        return power
    valid = ~np.isnan(power)
    with np.errstate(invalid="ignore"):
        mean = _convolve(np.where(valid, power, np.float32(0)), weights) / _convolve(valid.astype(np.float32), weights)
    return np.where(valid[half:-half, half:-half], mean, np.float32(np.nan))


def _convolve(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    rows, columns = (length - len(weights) + 1 for length in values.shape)
    across = np.zeros((values.shape[0], columns), np.float32)
    for i, weight in enumerate(weights):
        across += weight * values[:, i : i + columns]
    out = np.zeros((rows, columns), np.float32)
    for i, weight in enumerate(weights):
        out += weight * across[i : i + rows]
    return out


def _valid(*values: np.ndarray) -> np.ndarray:
    """Return how many valid values arrays have, before and after the limits mask some."""
    return np.array([np.count_nonzero(~np.isnan(each)) for each in values], np.int64)


def _report(counts: dict[str, np.ndarray], progress: Progress) -> None:
    for name, (before, after) in counts.items():
        low, high = LIMITS[name]
        share = 100 * (1 - after / max(before, 1))
        tell = progress.warning if share > 50 else progress.info
        tell(f"`{name}`: {share:.1f} % of the values lie outside {low:g} to {high:g} dB and are masked.")


def _stack(sources: Sequence[Source], name: str) -> Stack:
    """Return the bands of a role: those of that name among several variables, or whatever single-band files hold.

    Names of scenes differ in satellite and orbit ('S1A__IW___A', 'S1B__IW___D'): all that is given as VV is VV.
    """
    from sm_toolbox.raster.bands import read_bands, single_stack

    bands = read_bands(sources)
    named = [band for band in bands if band.variable.lower() == name]
    if named or len({band.source for band in bands}) < len(bands):
        return single_stack(named or bands, name)
    by_time: dict[Time | None, Band] = {}
    for band in bands:
        twin = by_time.setdefault(band.time, band)
        if twin is not band:
            raise InputError(
                f"`{name}`: '{twin.source.label}' and '{band.source.label}' have the same time "
                f"({band.time or 'none'}). Merge scenes of one pass with 'Merge', and give every other one its "
                "date (variable@YYYY-MM-DD)."
            )
    if None in by_time and len(by_time) > 1:
        raise InputError(
            f"`{name}`: '{by_time[None].source.label}' has no date, but others have. Name its band "
            "variable@YYYY-MM-DD, or leave it out."
        )
    return single_stack([replace(band, variable=name) for band in bands], name)


def _check_decibels(radar: dict[str, Stack], progress: Progress) -> None:
    """Look at the first date with data for values that are no decibels, and for VV and VH swapped."""
    medians = {}
    for name, stack in radar.items():
        median = _median(stack.bands)
        if median is None:
            continue
        medians[name] = median
        if median > 0:
            raise InputError(
                f"`{name}` has a median of {median:.4g}, but backscatter in dB is negative over land. It "
                "looks like linear power or raw counts: calibrate it to sigma0 or gamma0 where it is not, and "
                "convert it to dB with the raster calculator (10 * log10)."
            )
        if median < _LOWEST_MEDIAN:
            raise InputError(
                f"`{name}` has a median of {median:.4g}, but backscatter lies between about −30 and 0 dB. "
                "Bring scaled whole numbers to dB, and declare the nodata value of the file where it has one."
            )
    if "vh" not in radar:
        return
    if {(band.source.path, band.index) for band in radar["vv"].bands} & {
        (band.source.path, band.index) for band in radar["vh"].bands
    }:
        raise InputError(
            "`vv` and `vh` are the same band. Choose the layers of the two polarisations, or leave `vh` empty."
        )
    if len(medians) == 2 and medians["vh"] > medians["vv"]:
        progress.warning(
            f"`vh` (median {medians['vh']:.1f} dB) is stronger than `vv` (median {medians['vv']:.1f} dB), which land "
            "hardly ever shows. Check that the two are not swapped."
        )


def _median(bands: Sequence[Band]) -> float | None:
    from sm_toolbox.raster.bands import overview

    for band in bands:
        values = overview(band)
        # 0 fills the margins of scenes without a declared nodata value.
        values = values[np.isfinite(values) & (values != 0)]
        if values.size:
            return float(np.median(values))
    return None


def _check_coarser(radar: dict[str, Stack], target: Grid, grid: Source) -> None:
    target_size = np.multiply(target.cell_size, target.metres_per_unit())
    for stack in radar.values():
        for band in stack.bands:
            size = np.multiply(band.grid.cell_size, band.grid.metres_per_unit())
            if np.any(target_size < 0.99 * size):
                raise InputError(
                    f"The cells of `grid` '{grid.label}' ({target_size[0]:.4g} × {target_size[1]:.4g} m) are finer "
                    f"than those of '{band.source.label}' ({size[0]:.4g} × {size[1]:.4g} m). Backscatter is averaged "
                    "to coarser cells only; leave `grid` empty, or choose a coarser raster."
                )


def _batches(fine: Sequence[tuple[str, Band]]) -> Iterator[list[tuple[str, Band]]]:
    """Divide bands into such as lie on one grid and fit into the temporary file."""
    batch: list[tuple[str, Band]] = []
    for item in fine:
        grid = item[1].grid
        if batch and (
            not batch[0][1].grid.same_as(grid) or 4 * grid.width * grid.height * (len(batch) + 1) > _TEMPORARY_BYTES
        ):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _average(
    fine: Sequence[tuple[str, Band]], target: Grid, folder: Path, counts: dict[str, np.ndarray], engine: Engine
) -> dict[tuple[str, Time | None], Band]:
    """Average bands in linear power to a grid, into temporary files; return these by polarisation and time."""
    from sm_toolbox.raster.bands import read_bands
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.outputs import RasterOutput
    from sm_toolbox.raster.reading import BandReader

    batches = list(_batches(fine))
    for batch in batches:
        # Opening them now reveals at once, not after hours, that one does not overlap.
        with BandReader([band for _, band in batch], target, "average").open():
            pass
    means = {}
    for number, batch in enumerate(batches):
        part = engine.part(number / len(batches), (number + 1) / len(batches))
        bands = [band for _, band in batch]
        # The last band is never empty: a fully masked file is not an error.
        names = [f"{name}_{i}" for i, (name, _) in enumerate(batch)] + ["always"]
        label = bands[0].source.label + (" and others" if len({band.source for band in bands}) > 1 else "")
        power, mean = (Source(str(folder / f"{stem}_{number}.tif"), label) for stem in ("power", "mean"))

        kernel = partial(_to_linear, roles=[name for name, _ in batch])
        written = run_blocks(
            kernel,
            {"fine": bands},
            [RasterOutput(power.path, names)],
            bands[0].grid,
            part.part(0, 0.5),
            scratch_bytes_per_cell=12,
        )
        for name, valid in written.facts.items():
            counts[name] += valid
        # What has been written lies in a folder of this computer.
        run_blocks(
            lambda blocks, window: blocks["power"],
            {"power": read_bands([power])},
            [RasterOutput(mean.path, names)],
            target,
            part.part(0.5, 1).here(),
            resampling="average",
        )
        Path(power.path).unlink()
        means.update({(name, band.time): averaged for (name, band), averaged in zip(batch, read_bands([mean]))})
    return means


def _to_linear(blocks: Blocks, window: Window, roles: Sequence[str]) -> tuple[np.ndarray, Facts]:
    """Return decibels within the limits in linear power, and a band that is never empty; a kernel."""
    out = np.ones((len(roles) + 1, *blocks["fine"].shape[1:]), np.float32)
    counts = {name: np.zeros(2, np.int64) for name in roles}
    for i, name in enumerate(roles):
        masked = mask(blocks["fine"][i], LIMITS[name])
        counts[name] += _valid(blocks["fine"][i], masked)
        out[i] = to_power(masked)
    return out, counts


@dataclass(frozen=True)
class _Inputs:
    """Backscatter, means of its finer bands by polarisation and time, incidence angles, and the output's grid."""

    radar: dict[str, Stack]
    means: dict[tuple[str, Time | None], Band]
    incidence: Sequence[Band]
    target: Grid


def _smooth(
    radar_inputs: _Inputs,
    filter_size: int,
    output: str,
    statistics: str | None,
    counts: dict[str, np.ndarray],
    engine: Engine,
) -> list[str]:
    """Smooth backscatter, from decibels or from averaged power, and write it with the angle and its statistics."""
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    radar, means, incidence = radar_inputs.radar, radar_inputs.means, radar_inputs.incidence
    weights, halo = gaussian_weights(filter_size), filter_size // 2
    inputs: dict[str, Sequence[Band]] = {
        name: [means.get((name, band.time), band) for band in stack.bands] for name, stack in radar.items()
    }
    if incidence:
        inputs["angle"] = incidence

    # Whether each band holds averaged power.
    averaged = {name: [(name, band.time) in means for band in stack.bands] for name, stack in radar.items()}
    with_angle, with_statistics = bool(incidence), bool(statistics)

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        facts = {name: np.zeros(2, np.int64) for name in averaged}
        parts = []
        for name, is_power in averaged.items():
            smoothed = []
            for block, power in zip(blocks[name], is_power):
                if power:
                    smoothed.append(to_decibels(smooth(block, weights)))
                    continue
                masked = mask(block, LIMITS[name])
                inner = _inner(masked, halo)
                facts[name] += _valid(_inner(block, halo), inner)
                # Without a window decibels stay as they are, to the last digit.
                smoothed.append(to_decibels(smooth(to_power(masked), weights)) if halo else inner)
            parts.append(np.stack(smoothed))
        over_time = [summarise(part, _OVER_TIME) for part in parts] if with_statistics else []
        if with_angle:
            parts.append(_inner(blocks["angle"], halo))
        return np.concatenate(parts + over_time), facts

    times = [(name, band.time) for name, stack in radar.items() for band in stack.bands] + [
        ("angle", band.time) for band in incidence
    ]
    tags = {f"UNIT_{name}": "degrees" if name == "angle" else "dB" for name in inputs}
    outputs = [RasterOutput(output, [band_name(name, time) for name, time in times], tags)]
    if statistics:
        outputs.append(RasterOutput(statistics, [f"{name}_{statistic}" for name in radar for statistic in _OVER_TIME]))
    deepest = max(len(stack.bands) for stack in radar.values())
    # Averages lie in a folder of this computer.
    engine = engine.here() if means else engine
    scratch = 40 + 4 * len(times) + (17 * deepest if statistics else 0)
    written = run_blocks(
        kernel,
        inputs,
        outputs,
        radar_inputs.target,
        engine,
        halo=halo,
        scratch_bytes_per_cell=scratch,
        resampling="average",
    )
    for name, valid in written.facts.items():
        counts[name] += valid
    return list(outputs[0].bands)


def _inner(values: np.ndarray, halo: int) -> np.ndarray:
    return values[..., halo : values.shape[-2] - halo, halo : values.shape[-1] - halo]
