"""Predictions for the rows of a table that took no part in the training."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.columns import moments_of, to_numbers
from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.baselines import FittedBaseline, baseline_from_record, fit_baselines
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.modelfile import Model
from sm_toolbox.models.preparation import SampledTable
from sm_toolbox.models.ranges import Outside
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.builtin import BUILTINS, builtin_of_table, builtin_origins, of_places, of_time
from sm_toolbox.raster.driver import Crs
from sm_toolbox.raster.origins import Origin, origin_from, qualified
from sm_toolbox.raster.times import Time

# Rows that are predicted together, between two looks at Cancel.
_ROWS = 8192


@dataclass(frozen=True)
class PlacesAndTimes:
    """Where and when the rows of a table are.

    Parameters
    ----------
    times : sequence of Time or None, optional
        None where there is no time field.
    x, y : ndarray of float64 (rows,), optional
        Coordinates in `crs`; NaN where a row has no point.
    crs : Crs, optional
    """

    times: Sequence[Time | None] | None = None
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    crs: Crs | None = None

    @property
    def moments(self) -> np.ndarray | None:
        """The times as datetime64[s] (rows,), NaT where a row has none; None where there is no time field."""
        return None if self.times is None else moments_of(self.times)


@dataclass(frozen=True)
class RowPrediction:
    """What a model says of the rows of a table.

    Parameters
    ----------
    predicted : ndarray of float64 (rows,)
        In the unit of the target; NaN where a predictor is missing, or of a class that the training does not know.
    quantiles : ndarray of float64 (rows, levels)
        Calibrated; of no levels where none were asked for.
    dissimilarity : ndarray of float64 (rows,)
        To the training rows; NaN where there is no prediction, or the model file does not know it.
    applicable : ndarray of float64 (rows,)
        1 within the area of applicability, else 0; NaN as `dissimilarity`.
    baselines : dict of str to ndarray of float64 (rows,)
        What costs nothing, made of the training rows, by what it is in words; NaN as `predicted`.
    columns : dict of str to str
        The column of each predictor that has one.
    missing : dict of str to int
        Rows without a prediction, by reason.
    seen : ndarray of bool (rows,)
        Rows whose predictors are those of a training row that the model file keeps.
    """

    predicted: np.ndarray
    quantiles: np.ndarray
    dissimilarity: np.ndarray
    applicable: np.ndarray
    baselines: dict[str, np.ndarray] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    seen: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


def predict_rows(
    model: Model,
    source: SampledTable,
    where: PlacesAndTimes = PlacesAndTimes(),
    levels: Sequence[float] = (),
    progress: Progress = SILENT,
) -> RowPrediction:
    """Predict the rows of a table, as `predict_raster` predicts the cells that they were sampled from.

    Parameters
    ----------
    model : Model
    source : SampledTable
        Columns that hold the model's predictors: by name, or by what is noted of the rasters behind them.
    where : PlacesAndTimes, optional
        For predictors that are of the place or the date and have no column, and for the mean of the season.
    levels : sequence of float, optional
        Quantiles, ascending, above 0 and below 1.
    progress : Progress, optional

    Returns
    -------
    RowPrediction

    Raises
    ------
    InputError
        Where a predictor has no column, no row has all of them, or the model file does not have what is asked for.
    Cancelled
        Within some thousand rows of the user's Cancel.

    Examples
    --------
    >>> from sm_toolbox.models.assessment.splits import RandomSplit
    >>> from sm_toolbox.models.learners.catalogue import make_estimator
    >>> from sm_toolbox.models.table import make_training_table
    >>> from sm_toolbox.models.training import train
    >>> ndvi = np.linspace(0, 1, 50)
    >>> table = make_training_table({"ndvi": ndvi, "sm": 0.1 + 0.2 * ndvi}, Roles("sm", ("ndvi",)), "table")
    >>> model = train(table, make_estimator("random_forest", '{"n_estimators": 20}'), RandomSplit(2)).model
    >>> predict_rows(model, SampledTable({"ndvi": [0.2, None, 0.9]})).predicted.round(1)
    array([0.1, nan, 0.3])
    """
    if levels and model.calibration is None:
        raise InputError(
            "The model file holds no calibration of intervals: it was made by an earlier version. Train the model "
            "again, or leave `levels` empty."
        )
    if model.applicability is None:
        progress.warning(
            "The model file holds no area of applicability: it was made by an earlier version. Dissimilarity and "
            "applicable are empty; train the model again for them."
        )
    columns = find_columns(model, source, progress)
    predictors, missing = _predictors(model, source, columns, where, progress)
    usable = ~np.isnan(predictors).any(axis=1)
    for name in model.encoder.classes:
        i = model.predictors.index(name)
        unseen = model.encoder.unseen(predictors[:, i], name)
        if unseen is not None:
            unknown = unseen & usable
            if unknown.any():
                missing[f"'{name}' is of a class that no training row is of"] = int(np.count_nonzero(unknown))
            usable &= ~unseen
    if not usable.any():
        why = "; ".join(f"{count:,} rows: {reason}" for reason, count in missing.items())
        raise InputError(
            f"No row of '{source.name}' has all predictors of the model ({why}). Sample the predictors at these rows "
            "('Sample predictors at stations')."
        )
    for reason, count in missing.items():
        progress.warning(f"{count:,} of {len(predictors):,} rows have no prediction: {reason}.")
    _tell_outside(model, predictors[usable], progress)
    result = _predict(model, predictors, usable, levels, progress)
    seen = _seen(model, predictors) & usable
    return RowPrediction(*result, _baselines(model, predictors, usable, where), columns, missing, seen)


def find_columns(model: Model, source: SampledTable, progress: Progress = SILENT) -> dict[str, str]:
    """Find the column of each predictor: by its name, or as the product that both tables note of it.

    Parameters
    ----------
    model : Model
    source : SampledTable
    progress : Progress, optional

    Returns
    -------
    dict of str to str
        Without the predictors that need none: place and date.

    Raises
    ------
    InputError
        Where one is missing, or two would be of one column.
    """
    noted = {name: origin_from(note) for name, note in source.origins.items() if name in source.columns}
    found: dict[str, str] = {}
    lost = []
    for item in model.manifest.predictors:
        origin = origin_from(item.origin)
        column = _column_of(item.name, origin, source.columns, noted)
        if column is not None:
            found[item.name] = column
            _tell_column(item.name, origin, column, noted.get(column), progress)
        elif builtin_of_table(item.name, origin) is None:
            lost.append(item.name)
    if lost:
        close = {name: difflib.get_close_matches(name, list(source.columns), 1) for name in lost}
        hints = [f"'{name}' (did you mean '{match[0]}'?)" if match else f"'{name}'" for name, match in close.items()]
        raise InputError(
            f"'{source.name}' has no field for the predictors {', '.join(hints)} of the model. Its fields are: "
            f"{', '.join(source.columns)}. Sample the predictors at these rows with 'Sample predictors at stations', "
            "or rename the fields as in the training table."
        )
    of_column: dict[str, str] = {}
    for name, column in found.items():
        twin = of_column.setdefault(column, name)
        if twin != name:
            raise InputError(
                f"The model needs '{twin}' and '{name}', two products of one variable, but '{source.name}' has only "
                f"'{column}' for both. Sample the other product at these rows, too."
            )
    return found


def _column_of(
    name: str, origin: Origin | None, columns: Mapping[str, object], noted: Mapping[str, Origin | None]
) -> str | None:
    """Return what may be meant by a predictor, the likeliest way first that leads to anything."""
    if origin is not None:
        same = [
            column
            for column, other in noted.items()
            if other is not None and (other.variable, other.product) == (origin.variable, origin.product)
        ]
        if len(same) == 1 or name in same:
            return name if name in same else same[0]
    if name in columns:
        return name
    if origin is None:
        return None
    # A table without notes has two products of one variable under their own names.
    if qualified(origin.variable, origin.product) in columns:
        return qualified(origin.variable, origin.product)
    of_variable = [column for column, other in noted.items() if other is not None and other.variable == origin.variable]
    return of_variable[0] if len(of_variable) == 1 else None


def _tell_column(name: str, origin: Origin | None, column: str, other: Origin | None, progress: Progress) -> None:
    if origin is not None and other is not None and other.product != origin.product:
        progress.warning(
            f"The predictor '{name}' was sampled from '{origin.product}', the field '{column}' of these rows from "
            f"'{other.product}'. Check that it is the same product."
        )
    elif column != name:
        progress.info(f"The predictor '{name}' is the field '{column}'.")


def _predictors(
    model: Model, source: SampledTable, columns: Mapping[str, str], where: PlacesAndTimes, progress: Progress
) -> tuple[np.ndarray, dict[str, int]]:
    """Return the predictors, float32 (rows, predictors), and the rows that lack each and none before it."""
    rows = len(next(iter(source.columns.values())))
    values = np.full((rows, len(model.predictors)), np.nan, np.float32)
    complete = np.ones(rows, bool)
    missing = {}
    for i, item in enumerate(model.manifest.predictors):
        if item.name in columns:
            column = to_numbers(source.columns[columns[item.name]], columns[item.name], source.name)
        else:
            column = _made(item.name, origin_from(item.origin), where, source.name, rows, progress)
        # As rasters keep it: the same value makes the same map.
        values[:, i] = column
        lacking = np.isnan(values[:, i]) & complete
        if lacking.any():
            missing[f"no '{item.name}'"] = int(np.count_nonzero(lacking))
        complete &= ~lacking
    return values, missing


def _made(
    name: str, origin: Origin | None, where: PlacesAndTimes, layer: str, rows: int, progress: Progress
) -> np.ndarray:
    """Return a predictor of the place or the date that no column holds (rows,)."""
    if origin is None:
        (origin,) = builtin_origins([name], (), None).values()
    builtin = BUILTINS[origin.variable]
    if builtin.of_date:
        if where.times is None:
            raise InputError(
                f"The model needs '{name}', which no field of '{layer}' holds: choose the `times` field, and it is "
                "made of the date."
            )
        made = np.array([np.nan if time is None else of_time(origin.variable, time) for time in where.times], float)
    else:
        if where.x is None or where.y is None or where.crs is None:
            raise InputError(
                f"The model needs '{name}', which no field of '{layer}' holds, and '{layer}' has no points to make it "
                "of. Give a layer of points, or add the field."
            )
        (made,) = of_places([origin], where.x, where.y, where.crs)
    progress.info(f"No field holds '{name}': it is made of the {'date' if builtin.of_date else 'place'} of each row.")
    return np.broadcast_to(made, (rows,))


def _seen(model: Model, predictors: np.ndarray) -> np.ndarray:
    """Say which rows have the predictors of a training row that the file keeps, bool (rows,)."""
    if model.evidence is None:
        return np.zeros(len(predictors), bool)
    known = {row.tobytes() for row in np.ascontiguousarray(model.evidence.predictors, np.float32)}
    return np.array([row.tobytes() in known for row in predictors], bool)


def _tell_outside(model: Model, predictors: np.ndarray, progress: Progress) -> None:
    """Say which predictors lie outside the range of the training, as maps do."""
    blocks = {name: predictors[:, i].reshape(1, -1, 1) for i, name in enumerate(model.predictors)}
    told = Outside.of(model.manifest.predictors, blocks).told("rows")
    if told:
        progress.warning(f"{told} Where they are, the predictions are guesses.")


def _predict(
    model: Model, predictors: np.ndarray, usable: np.ndarray, levels: Sequence[float], progress: Progress
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return predictions, quantiles, dissimilarity and whether it is applicable, of all rows."""
    count = len(predictors)
    predicted, quantiles = np.full(count, np.nan), np.full((count, len(levels)), np.nan)
    dissimilarity, applicable = np.full(count, np.nan), np.full(count, np.nan)
    rows = np.flatnonzero(usable)
    for start in range(0, len(rows), _ROWS):
        progress.check()
        progress.set_fraction(start / len(rows))
        part = rows[start : start + _ROWS]
        unlike = None
        if model.applicability is not None:
            # Maps keep it in 32 bits, and compare that with the threshold.
            unlike, _ = model.applicability.dissimilarity(predictors[part])
            dissimilarity[part] = unlike
            applicable[part] = dissimilarity[part] <= model.applicability.threshold
        if levels:
            at = np.array(levels, float)
            predicted[part], quantiles[part] = model.predict_quantiles(predictors[part], at, unlike)
        else:
            predicted[part] = model.predict(predictors[part])
    progress.set_fraction(1)
    return predicted, quantiles, dissimilarity, applicable


def training_baselines(model: Model) -> list[FittedBaseline]:
    """Return what costs nothing, made of a model's training rows.

    Parameters
    ----------
    model : Model

    Returns
    -------
    list of FittedBaseline
        From the some thousand rows that the file keeps, where it is from before baselines were kept; empty where it
        keeps none.
    """
    kept = model.manifest.baselines
    if isinstance(kept, (list, tuple)):
        read = [baseline_from_record(record, model.predictors) for record in kept]
        return [item for item in read if item is not None]
    if model.evidence is None:
        return []
    evidence = model.evidence
    roles = Roles(model.manifest.target.name, model.predictors)
    rows = np.arange(len(evidence.target))
    table = TrainingTable(roles, evidence.predictors.astype(np.float64), evidence.target, rows)
    return fit_baselines(Problem(table, model.encoder, 0))


def _baselines(
    model: Model, predictors: np.ndarray, usable: np.ndarray, where: PlacesAndTimes
) -> dict[str, np.ndarray]:
    found = {}
    for baseline in training_baselines(model):
        values = baseline.predict(predictors, model.predictors, where.moments)
        if values is not None:
            found[baseline.label] = np.where(usable, values, np.nan)
    return found
