"""Maps from models: block by block, on threads, for each date that the predictors allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.dateplan import DatePlan, plan_dates
from sm_toolbox.models.learned import learned_builtins, learned_rules, learned_timing
from sm_toolbox.models.learners.base import WithQuantiles
from sm_toolbox.models.learners.catalogue import LEARNERS
from sm_toolbox.models.manifest import target_unit
from sm_toolbox.models.matching import find_predictors, tell_gaps, tell_unused
from sm_toolbox.models.modelfile import Model
from sm_toolbox.models.planes import MAP_ALONE, VARIABLE, Planes, Wanted
from sm_toolbox.models.ranges import Outside
from sm_toolbox.models.updating import making_of, read_held, tell_empty, tell_left_out
from sm_toolbox.progress import SILENT, Beat, Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Stack, list_bands
from sm_toolbox.raster.builtin import MapBuiltins
from sm_toolbox.raster.engine import Blocks, EmptyError, Facts, Kernel, run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.lags import without_lags
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.origins import part_products
from sm_toolbox.raster.reading import ground_cell, resampling_for
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.telling import tell_dated_and_static
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.timing import TimeRule, later_in_words

# Rows encoded and predicted together: they stay in the cache on their way from bands to features to trees.
_ROWS = 8192
# The name of the mask among the inputs, which no predictor can have.
_MASK = " mask"


@dataclass(frozen=True)
class Prediction:
    """What was predicted.

    Parameters
    ----------
    bands : list of str
        The bands of the map that were made: of an update those that it added, which may be none.
    coverage : float
        Share of cells, over all bands, that have a value; 0 to 1.
    by_model : list of float
        The same for each model alone: the first, and what the fallback adds.
    applicable : float or None
        Share of the predicted cells that lie within the area of applicability; None where it was not asked for.
    outside : Outside, optional
        How many cells of each predictor lie outside the range of the training.
    tally : object, optional
        What `Wanted.tally` made of all blocks.
    """

    bands: list[str]
    coverage: float
    by_model: list[float]
    applicable: float | None
    outside: Outside | None = None
    tally: Any = None


NOTHING_NEW = Prediction([], 0.0, [], None)
"""Of an update whose map holds all dates."""


def predict_raster(
    model: Model,
    sources: Sequence[Source],
    output: str,
    *,
    grid: Source | None = None,
    max_gap_days: TimeRule | float | None = None,
    fallback: Model | None = None,
    wanted: Wanted = MAP_ALONE,
    engine: Engine = ALL_CORES,
) -> Prediction:
    """Predict a map, or one for each date.

    Parameters
    ----------
    model : Model
    sources : sequence of Source
        Rasters that hold the model's predictors, matched by name, and products of one variable by their files' names;
        in any order, further bands are ignored.
    output : str
        GeoTIFF with a band `soil_moisture`, or `soil_moisture@date` for each date where predictors are dated.
    grid : Source, optional
        Raster whose grid the map has; by default the first source that holds a predictor.
    max_gap_days : TimeRule or float, optional
        How far in time a dated predictor may lie from the date of the map, earlier or later; by default as the model
        learned it, or half the distance of the predictor's dates. A `TimeRule` says it for each predictor.
    fallback : Model, optional
        Used for cells and dates that lack a predictor of the first (S1's RF_VI+sup).
    wanted : Wanted, optional
        The dates, what is written beside the map, and whether dates are added to a map that is there.
    engine : Engine, optional

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        Where a predictor is missing, no date has all of them, no cell has data in all of them, the fallback predicts
        something else, a model does not have what is wanted beside the map, or dates cannot be added to what is there.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> from sm_toolbox.models.assessment.splits import RandomSplit
    >>> from sm_toolbox.models.learners.catalogue import make_estimator
    >>> from sm_toolbox.models.table import Roles, make_training_table
    >>> from sm_toolbox.models.training import train
    >>> ndvi = np.linspace(0, 1, 50)
    >>> table = make_training_table({"ndvi": ndvi, "sm": 0.1 + 0.2 * ndvi}, Roles("sm", ("ndvi",)), "table")
    >>> model = train(table, make_estimator("random_forest", '{"n_estimators": 20}'), RandomSplit(2)).model
    >>> predict_raster(model, [write_example("ndvi.tif", {"ndvi": [[0.2, 0.9]]})], "map.tif").bands
    ['soil_moisture']
    >>> print(read_example("map.tif")["soil_moisture"].round(1))
    [[0.1 0.3]]
    """
    progress = engine.progress
    models = [model] if fallback is None else [model, fallback]
    _check_wanted(models, wanted, progress)
    available = part_products(list_bands(sources))
    made = learned_builtins(models, {variable for variable, _, _ in available}, progress)
    used = [
        find_predictors(each, available, role, progress, made)
        for each, role in zip(models, ("The model", "The fallback model"))
    ]
    everything = {name: stack for stacks_ in used for name, stack in stacks_.items()}
    tell_unused(available, everything, progress)
    tell_dated_and_static(without_lags(everything), progress)
    planes, beat = Planes(output, wanted), Beat()
    making = making_of(models, wanted)
    held = read_held(planes, wanted, making, target_unit(model.manifest.target) and "m3 m-3")
    # Where the map is there, its grid counts, whatever the order of the rasters.
    target = held.grid(_grid(grid, everything, sources, SILENT if held.map else progress), grid is not None)
    rules = learned_rules(models, everything, target, wanted.resampling, progress)
    timing = learned_timing(models, everything, TimeRule.of(max_gap_days), progress)
    tell_gaps(everything, timing, progress)
    builtins = MapBuiltins(target, made)
    held, times = held.choose_missing(used, timing, wanted.dates, progress, builtins.need_date)
    if not times:
        return NOTHING_NEW
    plan = plan_dates(models, used, times, timing, rules)
    _tell_later(without_lags(everything), times, timing, progress)
    inputs = {**plan.inputs, **({_MASK: [wanted.mask.band]} if wanted.mask else {})}
    making = replace(making, files=[band.source.path for bands in plan.inputs.values() for band in bands])
    try:
        written = run_blocks(
            _kernel_of(models, plan, times, builtins, planes, wanted, beat),
            inputs,
            planes.outputs(times, model, making, held.files),
            target,
            replace(engine, beat=beat),
            scratch_bytes_per_cell=12 + 4 * len(times) * planes.count,
            resampling=[rules.get(name, "auto") for name, bands in inputs.items() for _ in bands],
        )
    except EmptyError:
        if held.map is None:
            raise
        tell_empty(times, progress)
        return NOTHING_NEW
    times = tell_left_out(times, written.left_out, progress)
    return _conclude(written.facts, times, target, wanted, progress)


def _kernel_of(
    models: Sequence[Model],
    plan: DatePlan,
    times: Sequence[Time | None],
    builtins: MapBuiltins,
    planes: Planes,
    wanted: Wanted,
    beat: Beat,
) -> Kernel:
    """Return what predicts all dates of a block."""

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        result = np.full((len(plan.dates), planes.count, int(window.height), int(window.width)), np.nan, np.float32)
        of_place = builtins.in_window(window)
        left_out = wanted.mask.leaves_out(blocks[_MASK][0]) if wanted.mask else None
        for out, of_date, time in zip(result, plan.dates, times):
            here = {**of_place, **builtins.on_date(time, (result.shape[2], result.shape[3]))}
            predictors = [
                None if bands is None else [here[each.name] if each.name in here else each.of(blocks) for each in bands]
                for bands in of_date
            ]
            _predict_date(out, models, predictors, planes, left_out)
            beat.step(1 / len(plan.dates))
        made = result[:, planes.place("source")]
        facts: Facts = {
            "outside": Outside.of(models[0].manifest.predictors, plan.looked_at(blocks, left_out)),
            "unseen": _unseen(models, blocks),
            "made": np.array([np.count_nonzero(made == number + 1) for number in range(len(models))]),
            "applicable": int(np.count_nonzero(result[:, planes.place("applicable")] == 1)),
            **({"tally": wanted.tally(result[:, planes.place(VARIABLE)], window)} if wanted.tally else {}),
        }
        # Only what is written leaves this place, which may be another computer.
        return planes.bands(result), facts

    return kernel


def _conclude(
    facts: Facts, times: Sequence[Time | None], target: Grid, wanted: Wanted, progress: Progress
) -> Prediction:
    """Say, and return, what came out."""
    _tell_unseen(facts["unseen"], progress)
    shares = (facts["made"] / (len(times) * target.width * target.height)).tolist()
    result = Prediction(
        [band_name(VARIABLE, time) for time in times],
        sum(shares),
        shares,
        _applicable_share(facts, progress) if wanted.needs_applicability else None,
        facts["outside"],
        facts.get("tally"),
    )
    _tell(result, progress)
    return result


def _applicable_share(facts: Facts, progress: Progress) -> float:
    """Return the share of the predicted cells that are like the training; say what most likely happened if few are."""
    share = float(facts["applicable"] / max(1, facts["made"].sum()))
    outside = facts["outside"].many() if share < 0.5 else ""
    if outside:
        progress.warning(
            f"Most cells are unlike the training. Outside its range lie {'; '.join(outside)}. Check that "
            "these are the same quantities in the same units as in the training table."
        )
    return share


def _tell(result: Prediction, progress: Progress) -> None:
    """Log how much of the map has values, and how much of that is a guess."""
    progress.info(f"{len(result.bands)} maps; {100 * result.coverage:.1f} % of the cells have a value.")
    if len(result.by_model) > 1:
        progress.info(
            f"The model alone covers {100 * result.by_model[0]:.1f} %; the fallback model adds "
            f"{100 * result.by_model[1]:.1f} %."
        )
    if result.applicable is not None:
        progress.info(
            f"{100 * result.applicable:.1f} % of the predicted cells lie within the area of applicability; "
            "elsewhere they are less like the training than its rows were like each other."
        )


class _Unseen(dict[str, int]):
    """Cells of each predictor that are of no class of the training; can be added."""

    def __add__(self, other: _Unseen) -> _Unseen:
        return _Unseen({name: self.get(name, 0) + other.get(name, 0) for name in {**self, **other}})


def _unseen(models: Sequence[Model], blocks: Blocks) -> _Unseen:
    found = _Unseen()
    for model in models:
        for name in model.encoder.classes:
            unknown = model.encoder.unseen(blocks[name], name) if name in blocks else None
            if unknown is not None:
                found[name] = max(found.get(name, 0), int(np.count_nonzero(unknown & ~np.isnan(blocks[name]))))
    return found


def _tell_unseen(unseen: _Unseen, progress: Progress) -> None:
    listed = ", ".join(f"'{name}' ({count:,} cells)" for name, count in unseen.items() if count)
    if listed:
        progress.warning(
            f"Classes that no training row is of have no value in the map: {listed}. Add stations of these classes, "
            "or join classes before sampling."
        )


def _tell_later(used: Mapping[str, Stack], times: Sequence[Time | None], timing: TimeRule, progress: Progress) -> None:
    """Log of how many maps each predictor lies after the date, and which are never taken from after it."""
    for name, stack in used.items():
        if stack.is_static:
            continue
        picks = [(time, timing.nearest(name, stack, time)) for time in times if time is not None]
        bands = [(time, stack.times[position]) for time, position in picks if position is not None]
        later = sum(band.start > time.start and band.distance_days(time) > 0 for time, band in bands)
        said = later_in_words(name, stack, timing, later, len(times), "dates")
        if said:
            progress.info(said)


def _check_wanted(models: Sequence[Model], wanted: Wanted, progress: Progress) -> None:
    names = [each.manifest.target.name for each in models]
    if len(set(names)) > 1:
        raise InputError(
            f"The model predicts '{names[0]}', but `fallback` predicts '{names[1]}': one map cannot hold "
            "both. Choose models of one target."
        )
    if len(models) == 2 and set(models[1].predictors) >= set(models[0].predictors):
        progress.warning(
            "The fallback model needs all predictors that the model needs, so that it fills no cell. Give one "
            "that was trained on fewer."
        )
    for each in models:
        if wanted.needs_applicability and each.applicability is None:
            raise InputError(
                "A model file holds no area of applicability: it was made by an earlier version. Train the model "
                "again, or switch `count_applicable` off."
            )
        if wanted.error and each.error_profile is None:
            raise InputError(
                "A model file does not say how its error grows with dissimilarity: it was made by an earlier version. "
                "Train the model again, or leave `error` empty."
            )
        if wanted.quantiles and each.calibration is None:
            raise InputError(
                "A model file holds no calibration of intervals: it was made by an earlier version. Train the "
                "model again, or leave `quantiles` empty."
            )
        if wanted.quantiles and not isinstance(each.fitted, WithQuantiles):
            progress.info(
                f"The model '{each.manifest.kind}' gives no quantiles of its own: the intervals are those of its "
                "out-of-fold errors and equally wide everywhere. `kind` "
                f"{' or '.join(key for key, row in LEARNERS.items() if row.quantiles)} gives them for each cell."
            )
    if wanted.quantiles and not wanted.levels:
        raise InputError("`quantiles` needs `levels`, such as 0.05,0.5,0.95.")


def _predict_date(
    out: np.ndarray,
    models: Sequence[Model],
    predictors: Sequence[list[np.ndarray] | None],
    planes: Planes,
    left_out: np.ndarray | None,
) -> None:
    """Fill one date of a block, (planes, rows, cols), from the predictors of each model, each (rows, cols)."""
    flat_out = out.reshape(len(out), -1)
    made = flat_out[planes.place("source")]
    for number, (model, bands) in enumerate(zip(models, predictors), start=1):
        if bands is None:
            continue
        flat = [band.reshape(-1) for band in bands]
        missing = ~np.isnan(made)
        if left_out is not None:
            missing |= left_out.reshape(-1)
        for name, band in zip(model.predictors, flat):
            missing |= np.isnan(band)
            unseen = model.encoder.unseen(band, name)
            if unseen is not None:
                missing |= unseen
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
            planes.fill(flat_out, cells, model, part.T)
            made[cells] = number


def _grid(grid: Source | None, used: Mapping[str, Stack], sources: Sequence[Source], progress: Progress) -> Grid:
    """Return the grid of the map; where none is given, say which it is and what detail it has no room for."""
    if grid is not None:
        return grid_of(grid)
    of_source = {band.source: band.grid for stack in used.values() for band in stack.bands}
    first = next((source for source in sources if source in of_source), sources[0])
    found = of_source[first] if first in of_source else grid_of(first)
    if all(other.same_as(found) for other in set(of_source.values())):
        return found
    size = _size(found)
    progress.info(f"`grid` is not set: the map has the grid of '{first.label}', with cells of {size} m.")
    finer = {
        name: _size(stack.bands[0].grid)
        for name, stack in used.items()
        if resampling_for(stack.bands[0], found) != "nearest"
    }
    if finer:
        listed = ", ".join(f"{name} ({own} m)" for name, own in finer.items())
        progress.warning(
            f"Cells of {size} m ('{first.label}', since `grid` is not set) have no room for the detail of {listed}: it "
            "is averaged. For a map as fine as these give one of their rasters as `grid`."
        )
    return found


def _size(grid: Grid) -> str:
    return " × ".join(f"{side:.4g}" for side in ground_cell(grid))
