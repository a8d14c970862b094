"""What a model remembers of how its predictors were matched in time and brought to a grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sm_toolbox.models.modelfile import Model
from sm_toolbox.progress import Progress
from sm_toolbox.raster.bands import Stack
from sm_toolbox.raster.builtin import builtin_of_table, builtin_origins
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.lags import LaggedStack, without_lags
from sm_toolbox.raster.origins import Origin, origin_from
from sm_toolbox.raster.reading import ground_cell, warp_method
from sm_toolbox.raster.timing import TimeRule, adds_up


def learned_origins(models: Sequence[Model]) -> dict[str, Origin | None]:
    """Return what models know of the rasters behind their predictors; of two models that share one, the first's.

    Parameters
    ----------
    models : sequence of Model

    Returns
    -------
    dict of str to Origin or None
        None where the training table kept no notes.
    """
    return {item.name: origin_from(item.origin) for model in reversed(models) for item in model.manifest.predictors}


def learned_builtins(models: Sequence[Model], given: Collection[str], progress: Progress) -> dict[str, Origin]:
    """Return the predictors that need no raster.

    Parameters
    ----------
    models : sequence of Model
    given : collection of str
        The variables of the rasters; one of these names is taken where the training table kept no notes.
    progress : Progress

    Returns
    -------
    dict of str to Origin
    """
    found: dict[str, Origin] = {}
    guessed = []
    for name, origin in learned_origins(models).items():
        if builtin_of_table(name, origin) is None or (origin is None and name in given):
            continue
        if origin is None:
            guessed.append(name)
            (origin,) = builtin_origins([name], (), None).values()
        found[name] = origin
    if guessed:
        progress.info(f"No raster has {', '.join(guessed)}: made of the place (WGS 84) and date of each cell.")
    return found


def learned_timing(models: Sequence[Model], used: Mapping[str, Stack], asked: TimeRule, progress: Progress) -> TimeRule:
    """Return how predictors are matched in time: as asked, else as the training table was.

    Parameters
    ----------
    models : sequence of Model
    used : mapping of str to Stack
        By predictor.
    asked : TimeRule
        Without a direction of its own where its `directions` are to be those of the model.
    progress : Progress
        Gets a warning where a file from before these rules has predictors that add up over time.

    Returns
    -------
    TimeRule
    """
    origins = learned_origins(models)
    old = _from_before(models)
    gaps: dict[str, float] = {}
    directions: dict[str, str] = {}
    adding = []
    for name, stack in used.items():
        if stack.is_static:
            continue
        origin = origins.get(name)
        if origin is not None and origin.asked_gap_days is not None:
            gaps[name] = origin.asked_gap_days
        if asked.direction is not None:
            continue
        if origin is not None and origin.direction is not None:
            directions[name] = origin.direction
        elif (origin is not None or name in old) and adds_up(stack.variable):
            # As the rows were matched that it learned from.
            directions[name] = "nearest"
            adding.append(name)
    if adding:
        progress.warning(
            f"The model learned {', '.join(adding)} from dates before and after its rows, although they add up over "
            "time, and predicts so. Sample the predictors again and train anew, or set `direction` to previous."
        )
    if gaps and asked.largest is None:
        listed = ", ".join(
            f"{name} {days:g}" for name, days in gaps.items() if name not in asked.gaps and name in without_lags(used)
        )
        if listed:
            progress.info(f"Largest gaps in time as in the training table, in days: {listed}.")
    timing = asked.remembering(gaps, directions)
    timing.check_names(used)
    return timing


def learned_rules(
    models: Sequence[Model], used: Mapping[str, Stack], grid: Grid, asked: str | None, progress: Progress
) -> dict[str, str | None]:
    """Return how each predictor on another grid reaches the map's: as asked, else as in the training table.

    Parameters
    ----------
    models : sequence of Model
    used : mapping of str to Stack
        By predictor.
    grid : Grid
        Of the map.
    asked : str or None
        A word of `RULES` for all predictors.
    progress : Progress
        Gets a warning where a file from before these rules shows the borders of coarse cells in the map.

    Returns
    -------
    dict of str to (str or None)
        Words of `RULES`; None for the rule from before them: the mean of much finer cells, else the nearest one.
    """
    if asked is not None:
        return dict.fromkeys(used, asked)
    origins = learned_origins(models)
    old = _from_before(models)
    rules: dict[str, str | None] = {}
    stepped, unknown = [], []
    for name, stack in used.items():
        origin, band = origins.get(name), stack.bands[0]
        if origin is not None:
            # Values of the rasters' own cells: maps then have them, too.
            rules[name] = origin.resampling or ("auto" if origin.method == "bilinear" else None)
        else:
            rules[name] = None if name in old else "auto"
        if band.grid.same_as(grid) or isinstance(stack, LaggedStack):
            continue
        if origin is None and name not in old:
            unknown.append(name)
        if rules[name] is None and warp_method("auto", band, grid) != warp_method(None, band, grid):
            stepped.append(name)
    if stepped:
        text = (
            f"The model learned {', '.join(stepped)} from the cells of the rasters themselves, which are coarser than "
            "those of the map: their borders show in it. `resampling` auto makes the map without them; for a model "
            "that learns so, sample the predictors anew without `method` and train again."
        )
        (progress.warning if old.intersection(stepped) else progress.info)(text)
    if unknown:
        progress.info(
            f"The training table kept no notes of {', '.join(unknown)}: they reach the grid of the map as `resampling` "
            "auto says."
        )
    _tell_other_cells(origins, used, grid, progress)
    return rules


def _from_before(models: Sequence[Model]) -> set[str]:
    """Return the predictors of model files from before these rules."""
    known = {name for model in models if model.manifest.matching is not None for name in model.predictors}
    return {name for model in models for name in model.predictors} - known


def _tell_other_cells(
    origins: Mapping[str, Origin | None], used: Mapping[str, Stack], grid: Grid, progress: Progress
) -> None:
    """Say where the map's cells are much larger or smaller than those whose values the model learned from."""
    sizes = {origin.grid_cell_m[0] for name in used if (origin := origins.get(name)) and origin.grid_cell_m}
    own = ground_cell(grid)[0]
    other = [size for size in sizes if not 0.5 <= own / size <= 2]
    if other:
        progress.info(
            f"The model learned from values of cells of {other[0]:.4g} m; those of the map have {own:.4g} m. Extremes "
            "are rarer in larger cells."
        )
