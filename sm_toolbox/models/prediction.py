"""Maps from a model: block by block, on threads, for each date that the predictors allow."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rasterio.windows import Window

from sm_toolbox.errors import InputError
from sm_toolbox.models.modelfile import Model
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import Band, Source, Stack, band_name, grid_of, read_bands, stacks
from sm_toolbox.raster.engine import Blocks, run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.times import Time, parse_time
from sm_toolbox.raster.writers import RasterOutput

# Rows encoded and predicted together: they stay in the cache on their way from bands to features to trees.
_ROWS = 8192
VARIABLE = "soil_moisture"


@dataclass(frozen=True)
class Prediction:
    """What was predicted.

    Parameters
    ----------
    bands : list of str
        The bands of the output.
    coverage : float
        Share of cells, over all bands, that have a value; 0 to 1.
    """

    bands: list[str]
    coverage: float


def predict_raster(
    model: Model, sources: Sequence[Source], output: str, *,
    grid: Source | None = None, max_gap_days: float = 0, dates: Sequence[Time] | None = None,
    memory: int | None = None, threads: int | None = None, progress: Progress = SILENT,
) -> Prediction:  # fmt: skip
    """Predict a map, or one for each date.

    Parameters
    ----------
    model : Model
    sources : sequence of Source
        Rasters that hold the model's predictors, matched by name; in any order, further bands are ignored.
    output : str
        GeoTIFF with a band `soil_moisture`, or `soil_moisture@date` for each date where predictors are dated.
    grid : Source, optional
        Raster whose grid the map has; by default the first source that holds a predictor.
    max_gap_days : float, optional
        How far in time a dated predictor may lie from the date of the map.
    dates : sequence of Time, optional
        Dates to predict; by default all for which every dated predictor has a band within the gap.
    memory : int, optional
        Budget for blocks in bytes.

    Raises
    ------
    InputError
        Where a predictor is missing, no date has all of them, or no cell has data in all of them.
    OutputError, Cancelled
        As `run_blocks`.
    """
    available = stacks(read_bands(sources))
    used = {name: available[name] for name in model.predictors if name in available}
    if len(used) < len(model.predictors):
        raise InputError(_missing(model, available))
    target = _grid(grid, used, sources)
    times = _dates(used, max_gap_days, dates, progress)
    # `_dates` has made sure that every predictor has a band for every date.
    picks = [{name: stack.nearest(time, max_gap_days) or 0 for name, stack in used.items()} for time in times]
    needed = {name: sorted({pick[name] for pick in picks}) for name in used}
    inputs: dict[str, list[Band]] = {name: [used[name].bands[i] for i in positions] for name, positions in needed.items()}
    plan = [[needed[name].index(pick[name]) for name in model.predictors] for pick in picks]
    bands = [band_name(VARIABLE, time) for time in times]

    def kernel(blocks: Blocks, window: Window) -> np.ndarray:
        return np.stack([_predict_block(model, [blocks[name][i] for name, i in zip(model.predictors, pick)]) for pick in plan])

    tags = {"SOIL_MOISTURE_MODEL": model.manifest["kind"], "SOIL_MOISTURE_MODEL_CREATED": str(model.manifest.get("created", "")), "UNITS": "m3 m-3"}
    valid = run_blocks(
        kernel, inputs, [RasterOutput(output, bands, tags)], target, scratch_bytes_per_cell=12, memory=memory, threads=threads, progress=progress
    )
    return Prediction(bands, valid[0] / (len(bands) * target.width * target.height))


def _predict_block(model: Model, predictors: list[np.ndarray]) -> np.ndarray:
    """Predict one date of a block from its predictors, each (rows, cols)."""
    shape = predictors[0].shape
    flat = [band.reshape(-1) for band in predictors]
    missing = np.isnan(flat[0])
    for band in flat[1:]:
        missing |= np.isnan(band)
    result = np.full(missing.size, np.nan, np.float32)
    columns = np.empty((len(flat), min(_ROWS, missing.size)), np.float32)
    for start in range(0, missing.size, _ROWS):
        gaps = missing[start : start + _ROWS]
        if gaps.all():
            continue
        # Whole slices are copied much faster than chosen cells.
        cells = slice(start, start + len(gaps)) if not gaps.any() else start + np.flatnonzero(~gaps)
        part = columns[:, : np.count_nonzero(~gaps)]
        for column, band in zip(part, flat):
            column[:] = band[cells]
        result[cells] = model.predict(part.T)
    return result.reshape(shape)


def _missing(model: Model, available: dict[str, Stack]) -> str:
    lost = [name for name in model.predictors if name not in available]
    close = {name: difflib.get_close_matches(name, available, 1) for name in lost}
    hints = [f"'{name}' (did you mean '{match[0]}'?)" if match else f"'{name}'" for name, match in close.items()]
    return (
        f"The model needs predictors that none of the layers has: {', '.join(hints)}. The layers have: {', '.join(sorted(available))}. "
        "Add the layers, or give their bands the names that the model was trained with (band descriptions)."
    )


def _grid(grid: Source | None, used: dict[str, Stack], sources: Sequence[Source]) -> Grid:
    if grid is not None:
        return grid_of(grid)
    of_source = {band.source: band.grid for stack in used.values() for band in stack.bands}
    return next(of_source[source] for source in sources if source in of_source)


def _dates(used: dict[str, Stack], max_gap_days: float, wanted: Sequence[Time] | None, progress: Progress) -> list[Time | None]:
    """Choose the dates to predict; a single None where all predictors are static."""
    dated = [stack for stack in used.values() if not stack.is_static]
    if not dated:
        if wanted:
            raise InputError("DATES are given, but no predictor of the model is dated: there is one map for all times. Leave DATES empty.")
        return [None]
    if wanted:
        for time in wanted:
            lost = [stack.variable for stack in dated if stack.nearest(time, max_gap_days) is None]
            if lost:
                raise InputError(
                    f"DATES: for {time} there is no band within {max_gap_days:g} days of {', '.join(f'{name} ({_span(used[name])})' for name in lost)}. Leave the date out, or allow a larger MAX_TIME_GAP."
                )
        return [*sorted(set(wanted))]
    candidates = sorted({time for stack in dated for time in stack.times})
    chosen: list[Time | None] = [time for time in candidates if all(stack.nearest(time, max_gap_days) is not None for stack in dated)]
    if not chosen:
        spans = "; ".join(f"{stack.variable}: {_span(stack)}" for stack in dated)
        raise InputError(
            f"No date has all dated predictors within {max_gap_days:g} days of it ({spans}). Allow a larger MAX_TIME_GAP, or add the layers of the missing dates."
        )
    if len(chosen) < len(candidates):
        progress.info(f"{len(chosen)} of {len(candidates)} dates have all dated predictors within {max_gap_days:g} days; the others are left out.")
    return chosen


def _span(stack: Stack) -> str:
    return f"{stack.times[0]} to {stack.times[-1]}, {len(stack.bands)} dates"


def parse_dates(text: str | None) -> list[Time] | None:
    """Read a comma-separated list of dates; None where it is empty.

    Raises
    ------
    InputError
        Where a part is no date.
    """
    parts = [part.strip() for part in (text or "").replace(";", ",").split(",") if part.strip()]
    times = []
    for part in parts:
        time = parse_time(part)
        if time is None:
            raise InputError(f"DATES: '{part}' is not a date. Write dates as YYYY-MM-DD, separated by commas.")
        times.append(time)
    return times or None
