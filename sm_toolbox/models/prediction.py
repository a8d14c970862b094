"""Maps from models: block by block, on threads, for each date that the predictors allow."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.calibration import quantile_name
from sm_toolbox.models.learners.base import WithQuantiles
from sm_toolbox.models.learners.catalogue import LEARNERS
from sm_toolbox.models.manifest import target_unit
from sm_toolbox.models.modelfile import Model
from sm_toolbox.models.ranges import Outside
from sm_toolbox.progress import Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band, Stack, default_gaps_in_words, list_bands
from sm_toolbox.raster.engine import Blocks, Facts, run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.origins import Origin, origin_from, part_products, qualified
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.times import Time

# Rows encoded and predicted together: they stay in the cache on their way from bands to features to trees.
_ROWS = 8192
VARIABLE = "soil_moisture"


@dataclass(frozen=True)
class Wanted:
    """What is written beside the map itself.

    Parameters
    ----------
    quantiles : str, optional
        Raster of the quantiles `soil_moisture_q05@date …`.
    levels : sequence of float
        Which quantiles, ascending.
    applicability : str, optional
        Raster with `dissimilarity@date` and `applicable@date` (1 within the area of applicability, else 0).
    count_applicable : bool
        Whether the share of applicable cells is wanted, with or without that raster.
    source : str, optional
        Raster with `source@date`: 1 where the model made the value, 2 where the fallback model did.
    """

    quantiles: str | None = None
    levels: Sequence[float] = ()
    applicability: str | None = None
    count_applicable: bool = False
    source: str | None = None

    @property
    def needs_applicability(self) -> bool:
        """Whether the area of applicability is to be computed."""
        return self.count_applicable or self.applicability is not None


@dataclass(frozen=True)
class Prediction:
    """What was predicted.

    Parameters
    ----------
    bands : list of str
        The bands of the output.
    coverage : float
        Share of cells, over all bands, that have a value; 0 to 1.
    by_model : list of float
        The same for each model alone: the first, and what the fallback adds.
    applicable : float or None
        Share of the predicted cells that lie within the area of applicability; None where it was not asked for.
    """

    bands: list[str]
    coverage: float
    by_model: list[float]
    applicable: float | None


def predict_raster(
    model: Model,
    sources: Sequence[Source],
    output: str,
    *,
    grid: Source | None = None,
    max_gap_days: float | None = None,
    dates: Sequence[Time] | None = None,
    fallback: Model | None = None,
    wanted: Wanted = Wanted(),
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
    max_gap_days : float, optional
        How far in time a dated predictor may lie from the date of the map, earlier or later; by default half the
        distance of the predictor's dates.
    dates : sequence of Time, optional
        Dates to predict; by default all for which every dated predictor has a band within the gap.
    fallback : Model, optional
        Used for cells and dates that lack a predictor of the first (S1's RF_VI+sup).
    wanted : Wanted, optional
    engine : Engine, optional

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        Where a predictor is missing, no date has all of them, no cell has data in all of them, the fallback predicts
        something else, or a model does not have what is wanted beside the map.
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
    used = [
        find_predictors(each, available, role, progress)
        for each, role in zip(models, ("The model", "The fallback model"))
    ]
    everything = {name: stack for stacks_ in used for name, stack in stacks_.items()}
    taken = {variable for variable, _, stack in available if _is_among(stack, everything)}
    unused = [
        f"{variable} of '{product}'" if variable in taken else variable
        for variable, product, stack in available
        if not _is_among(stack, everything)
    ]
    if unused:
        progress.warning(
            f"Given, but not used, because the model was trained without: {', '.join(dict.fromkeys(unused))}."
        )
    target = _grid(grid, everything, sources)
    if max_gap_days is None:
        _tell_gaps(everything, progress)
    times = _dates(used, max_gap_days, dates, progress)
    # For each date and model the band of each predictor; None where the model lacks one on that date.
    picks = [[_pick(stacks_, time, max_gap_days) for stacks_ in used] for time in times]
    needed = {
        name: sorted({pick[name] for of_date in picks for pick in of_date if pick is not None and name in pick})
        for name in everything
    }
    inputs: dict[str, list[Band]] = {
        name: [everything[name].bands[i] for i in positions] for name, positions in needed.items() if positions
    }
    plan = [
        [
            None if pick is None else [(name, needed[name].index(pick[name])) for name in each.predictors]
            for each, pick in zip(models, of_date)
        ]
        for of_date in picks
    ]
    levels = np.array(wanted.levels if wanted.quantiles else (), float)

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        # (dates, values, rows, cols): the prediction, its quantiles, dissimilarity, whether it is applicable, and the
        # number of the model.
        result = np.full((len(plan), len(levels) + 4, int(window.height), int(window.width)), np.nan, np.float32)
        for out, of_date in zip(result, plan):
            _predict_date(
                out,
                models,
                [None if bands is None else [blocks[name][i] for name, i in bands] for bands in of_date],
                levels,
                wanted,
            )
        facts: Facts = {
            "outside": Outside.of(model.manifest.predictors, blocks),
            "unseen": _unseen(models, blocks),
            "made": np.array([np.count_nonzero(result[:, -1] == number + 1) for number in range(len(models))]),
            "applicable": int(np.count_nonzero(result[:, -2] == 1)),
        }
        # Only what is written leaves this place, which may be another computer.
        parts = [result[:, 0]]
        if wanted.quantiles:
            parts += list(result[:, 1 : 1 + len(levels)])
        if wanted.applicability:
            parts += list(result[:, -3:-1])
        if wanted.source:
            parts.append(result[:, -1])
        return np.concatenate(parts), facts

    bands = [band_name(VARIABLE, time) for time in times]
    names = [quantile_name(level) for level in levels]
    tags = _tags(model)
    outputs = [RasterOutput(output, bands, tags)]
    if wanted.quantiles:
        outputs.append(
            RasterOutput(
                wanted.quantiles, [band_name(f"{VARIABLE}_{name}", time) for time in times for name in names], tags
            )
        )
    if wanted.applicability:
        outputs.append(
            RasterOutput(
                wanted.applicability,
                [band_name(name, time) for time in times for name in ("dissimilarity", "applicable")],
            )
        )
    if wanted.source:
        outputs.append(RasterOutput(wanted.source, [band_name("source", time) for time in times]))
    scratch = 12 + 4 * len(plan) * (len(levels) + 4)
    facts = run_blocks(kernel, inputs, outputs, target, engine, scratch_bytes_per_cell=scratch).facts
    made, applicable = facts["made"], facts["applicable"]
    _tell_unseen(facts["unseen"], progress)
    cells = len(bands) * target.width * target.height
    shares = (made / cells).tolist()
    applicable_share = float(applicable / max(1, made.sum())) if wanted.needs_applicability else None
    if applicable_share is not None and applicable_share < 0.5:
        outside = facts["outside"].many()
        if outside:
            progress.warning(
                f"Most cells are unlike the training. Outside its range lie {'; '.join(outside)}. Check that "
                "these are the same quantities in the same units as in the training table."
            )
    return Prediction(bands, sum(shares), shares, applicable_share)


def _tags(model: Model) -> dict[str, str]:
    manifest = model.manifest
    return {
        "SOIL_MOISTURE_MODEL": manifest.kind,
        "SOIL_MOISTURE_MODEL_CREATED": str("" if manifest.created is None else manifest.created),
        **({"UNITS": "m3 m-3"} if target_unit(manifest.target) else {}),
    }


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


def _check_wanted(models: Sequence[Model], wanted: Wanted, progress: Progress) -> None:
    names = [each.manifest.target.name for each in models]
    if len(set(names)) > 1:
        raise InputError(
            f"The model predicts '{names[0]}', but FALLBACK_MODEL predicts '{names[1]}': one map cannot hold "
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
                "again, or switch APPLICABILITY off."
            )
        if wanted.quantiles and each.calibration is None:
            raise InputError(
                "A model file holds no calibration of intervals: it was made by an earlier version. Train the "
                "model again, or leave QUANTILES_OUTPUT empty."
            )
        if wanted.quantiles and not isinstance(each.fitted, WithQuantiles):
            progress.info(
                f"The model '{each.manifest.kind}' gives no quantiles of its own: the intervals are those of its "
                "out-of-fold errors and equally wide everywhere. MODEL "
                f"{' or '.join(key for key, row in LEARNERS.items() if row.quantiles)} gives them for each cell."
            )
    if wanted.quantiles and not wanted.levels:
        raise InputError("QUANTILES_OUTPUT needs QUANTILES, such as 0.05,0.5,0.95.")


def _predict_date(
    out: np.ndarray,
    models: Sequence[Model],
    predictors: Sequence[list[np.ndarray] | None],
    levels: np.ndarray,
    wanted: Wanted,
) -> None:
    """Fill one date of a block, (values, rows, cols), from the predictors of each model, each (rows, cols)."""
    flat_out = out.reshape(len(out), -1)
    for number, (model, bands) in enumerate(zip(models, predictors), start=1):
        if bands is None:
            continue
        flat = [band.reshape(-1) for band in bands]
        missing = ~np.isnan(flat_out[-1])
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
            _predict_rows(flat_out, cells, model, part.T, levels, wanted)
            flat_out[-1, cells] = number


def _predict_rows(
    out: np.ndarray, cells: slice | np.ndarray, model: Model, rows: np.ndarray, levels: np.ndarray, wanted: Wanted
) -> None:
    if len(levels):
        mean, quantiles = model.predict_quantiles(rows, levels)
        out[0, cells] = mean
        out[1 : 1 + len(levels), cells] = quantiles.T
    else:
        out[0, cells] = model.predict(rows)
    if wanted.needs_applicability:
        assert model.applicability is not None
        dissimilarity, _ = model.applicability.dissimilarity(rows)
        out[-3, cells] = dissimilarity
        out[-2, cells] = dissimilarity <= model.applicability.threshold


def find_predictors(model: Model, available: AvailableStacks, role: str, progress: Progress) -> dict[str, Stack]:
    """Find the stack of each predictor: by its name, or as the product that the training table noted of it.

    Parameters
    ----------
    model : Model
    available : list of (str, str, Stack)
        As `part_products` returns them.
    role : str
        What the model is, for messages.
    progress : Progress

    Returns
    -------
    dict of str to Stack

    Raises
    ------
    InputError
        Where one is missing, or several products could be meant.
    """
    notes = {item.name: origin_from(item.origin) for item in model.manifest.predictors}
    used: dict[str, Stack] = {}
    lost = []
    for name in model.predictors:
        found = _candidates(name, notes.get(name), available)
        if len(found) > 1:
            raise InputError(
                f"{role} needs '{name}', but several products of it are given: "
                f"{', '.join(sorted(product for _, product, _ in found))} (files without their dates). Leave the "
                "others out, or give the files the names that they had when the training table was sampled."
            )
        if found:
            variable, product, used[name] = found[0]
            origin = notes.get(name)
            if variable != name and origin is not None and product != origin.product:
                progress.warning(
                    f"The predictor '{name}' was sampled from '{origin.product}'; now '{product}' is taken, the "
                    f"only one with '{variable}'. Check that it is the same product."
                )
            elif variable != name:
                progress.info(f"The predictor '{name}' is '{variable}' of '{product}'.")
        else:
            lost.append(name)
    if not lost:
        _refuse_one_for_two(used, role)
        return {name: used[name] for name in model.predictors}
    names = sorted({variable for variable, _, _ in available})
    close = {name: difflib.get_close_matches(name, names, 1) for name in lost}
    hints = [f"'{name}' (did you mean '{match[0]}'?)" if match else f"'{name}'" for name, match in close.items()]
    raise InputError(
        f"{role} needs predictors that none of the layers has: {', '.join(hints)}. The layers have: "
        f"{', '.join(names)}. Add the layers, or give their bands the names that the model was trained with (band "
        "descriptions)."
    )


AvailableStacks = Sequence[tuple[str, str, Stack]]


def _candidates(name: str, origin: Origin | None, available: AvailableStacks) -> list[tuple[str, str, Stack]]:
    """Return what may be meant by a predictor, the likeliest way first that leads to anything."""
    by_name = [item for item in available if item[0] == name]
    if origin is not None:
        of_variable = [item for item in available if item[0] == origin.variable]
        of_product = [item for item in of_variable if item[1] == origin.product]
        if name != origin.variable:
            # Of one product alone it is the one, whatever its files are called now.
            return of_product or by_name or of_variable
        return of_product if len(by_name) > 1 and of_product else by_name
    # A table that keeps no notes, such as a CSV, still has the names.
    return by_name or [item for item in available if qualified(item[0], item[1]) == name]


def _is_among(stack: Stack, used: Mapping[str, Stack]) -> bool:
    return any(stack is each for each in used.values())


def _refuse_one_for_two(used: Mapping[str, Stack], role: str) -> None:
    of_stack: dict[int, str] = {}
    for name, stack in used.items():
        twin = of_stack.setdefault(id(stack), name)
        if twin != name:
            raise InputError(
                f"{role} needs '{twin}' and '{name}', two products of '{stack.variable}', but only "
                f"'{stack.bands[0].source.label}' has it. Add the layers of the other product."
            )


def _tell_gaps(used: Mapping[str, Stack], progress: Progress) -> None:
    gaps = {name: stack.reach(None) for name, stack in used.items() if not stack.is_static}
    if gaps:
        progress.info(default_gaps_in_words("variable", gaps))


def _grid(grid: Source | None, used: dict[str, Stack], sources: Sequence[Source]) -> Grid:
    if grid is not None:
        return grid_of(grid)
    of_source = {band.source: band.grid for stack in used.values() for band in stack.bands}
    return next(of_source[source] for source in sources if source in of_source)


def _pick(used: dict[str, Stack], time: Time | None, max_gap_days: float | None) -> dict[str, int] | None:
    """Choose the band of each predictor for a date; None where one has none near enough."""
    found = {name: stack.nearest(time, max_gap_days) for name, stack in used.items()}
    return (
        None if None in found.values() else {name: position for name, position in found.items() if position is not None}
    )


def _dates(
    used: Sequence[dict[str, Stack]], max_gap_days: float | None, wanted: Sequence[Time] | None, progress: Progress
) -> list[Time | None]:
    """Choose the dates for which one of the models has all its predictors; a single None where all are static."""
    dated = {name: stack for stacks_ in used for name, stack in stacks_.items() if not stack.is_static}
    within = "half the distance of their dates" if max_gap_days is None else f"{max_gap_days:g} days"
    if not dated:
        if wanted:
            raise InputError(
                "DATES are given, but no predictor of the model is dated: there is one map for all times. Leave "
                "DATES empty."
            )
        return [None]

    def possible(time: Time) -> bool:
        return any(_pick(stacks_, time, max_gap_days) is not None for stacks_ in used)

    if wanted:
        for time in wanted:
            if not possible(time):
                lost = [name for name, stack in dated.items() if stack.nearest(time, max_gap_days) is None]
                raise InputError(
                    f"DATES: for {time} there is no band within {within} of "
                    f"{', '.join(f'{name} ({_span(dated[name])})' for name in lost)}. Leave the date out, or "
                    "allow a larger MAX_TIME_GAP."
                )
        return [*sorted(set(wanted))]
    candidates = sorted({time for stack in dated.values() for time in stack.times})
    chosen: list[Time | None] = [time for time in candidates if possible(time)]
    if not chosen:
        spans = "; ".join(f"{name}: {_span(stack)}" for name, stack in dated.items())
        raise InputError(
            f"No date has all dated predictors within {within} of it ({spans}). Allow a larger MAX_TIME_GAP, or "
            "add the layers of the missing dates."
        )
    if len(chosen) < len(candidates):
        progress.info(
            f"{len(chosen)} of {len(candidates)} dates have all dated predictors within {within}; the others are "
            "left out."
        )
    return chosen


def _span(stack: Stack) -> str:
    return f"{stack.times[0]} to {stack.times[-1]}, {len(stack.bands)} dates"
