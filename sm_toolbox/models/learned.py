"""What a model remembers of how its predictors were matched in time and brought to a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sm_toolbox.models.modelfile import Model
from sm_toolbox.progress import Progress
from sm_toolbox.raster.bands import Stack
from sm_toolbox.raster.origins import Origin, origin_from
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
    is_old = any(model.manifest.matching is None for model in models)
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
        elif (origin is not None or is_old) and adds_up(stack.variable):
            # As the rows were matched that it learned from.
            directions[name] = "nearest"
            adding.append(name)
    if adding:
        progress.warning(
            f"The model learned {', '.join(adding)} from dates before and after its rows, although they add up over "
            "time, and predicts so. Sample the predictors again and train anew, or set TIME_DIRECTION to previous."
        )
    if gaps and asked.largest is None:
        listed = ", ".join(f"{name} {days:g}" for name, days in gaps.items() if name not in asked.gaps)
        if listed:
            progress.info(f"Largest gaps in time as in the training table, in days: {listed}.")
    timing = asked.remembering(gaps, directions)
    timing.check_names(used)
    return timing
