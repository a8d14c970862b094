"""From a table as it was read to what a training takes: its complete rows, cyclic predictors, and a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sm_toolbox.columns import tell_impossible
from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.holdout import part_rows
from sm_toolbox.models.assessment.places import share_cells, share_places
from sm_toolbox.models.assessment.splits import SPLITS, GroupSplit, StationSplit, default_split, make_split
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.features import parse_classes, parse_cyclic, parse_limits
from sm_toolbox.models.layout import Layout
from sm_toolbox.models.roles import asks_for_all, check_target, choose_predictors, places
from sm_toolbox.models.sequences import bases_of
from sm_toolbox.models.table import Roles, TrainingTable, check_variation, make_training_table
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.builtin import builtin_of_table
from sm_toolbox.raster.kinds import is_direction
from sm_toolbox.raster.origins import origin_from

if TYPE_CHECKING:
    from sm_toolbox.stations.table import StationTable

_MOST_LISTED = 6


@dataclass(frozen=True)
class SampledTable:
    """A table as it was read.

    Parameters
    ----------
    columns : mapping of str to sequence
        Attribute values by field.
    name : str, optional
        For messages.
    positions : ndarray of float64 (rows, 2), optional
        Metres; NaN where a row has none.
    origins : mapping of str to mapping, optional
        What is noted of the rasters behind its columns.
    """

    columns: Mapping[str, Sequence[Any]]
    name: str = "training table"
    positions: np.ndarray | None = None
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of_stations(cls, table: StationTable) -> SampledTable:
        """Return the table that `sample_table` has made, with its places and what is known of its rasters.

        Parameters
        ----------
        table : StationTable

        Returns
        -------
        SampledTable
        """
        rows = table.samples.rows
        metres = 1.0 if rows.crs.is_geographic else rows.crs.linear_units_factor[1]
        layout = Layout.of(table.x, table.y, geographic=rows.crs.is_geographic, metres_per_unit=metres, crs=rows.crs)
        notes = {name: origin.as_dict() for name, origin in table.samples.origins.items()}
        columns = {
            name: [None if value != value else value for value in values] if name in table.added else values
            for name, values in table.columns.items()
        }
        return cls(columns, rows.layer, layout.positions if layout else None, notes)


@dataclass(frozen=True)
class SplitRequest:
    """How rows are to be divided.

    Parameters
    ----------
    key : str, optional
        A word of `splits.SPLITS`; by default whole stations where there are enough of them, else random rows.
    folds : int, optional
    block_size : float, optional
        Side of the blocks of the split by blocks, in metres.
    prediction : ndarray of float64 (points, 2), optional
        A sample of the area to be mapped, in the coordinates of the table's positions.
    max_fold_share : float, optional
        Largest share of the places in a fold, for matched distances.
    """

    key: str | None = None
    folds: int = 5
    block_size: float | None = None
    prediction: np.ndarray | None = None
    max_fold_share: float = 0.5


@dataclass(frozen=True)
class Prepared:
    """What `training.train` and `selection.select_predictors` take.

    Parameters
    ----------
    table : TrainingTable
    periods : dict of str to float
        Of cyclic predictors, in their unit.
    split : Split
    holdout : TrainingTable, optional
        Rows that are rated and never fitted.
    """

    table: TrainingTable
    periods: dict[str, float]
    split: Split
    holdout: TrainingTable | None = None


def prepare_training(
    source: SampledTable,
    roles: Roles,
    cyclic: str | None = None,
    request: SplitRequest = SplitRequest(),
    progress: Progress = SILENT,
    categorical: Sequence[str] = (),
    holdout: np.ndarray | None = None,
    limits: str | None = None,
) -> Prepared:
    """Check a table, keep its complete rows, and choose how they are divided.

    Fields that can be no predictor are left out, and rows at one place are of one station where no field says so. What
    should be known before the result is trusted is reported to `progress`: what was left out, directions that are not
    cyclic, and a split that flatters a map.

    Parameters
    ----------
    source : SampledTable
    roles : Roles
    cyclic : str, optional
        Cyclic predictors, such as `aspect:360,doy:365`.
    request : SplitRequest, optional
    progress : Progress, optional
    categorical : sequence of str, optional
        Predictors that hold numbers of classes: each class becomes a feature of its own.
    holdout : ndarray of bool (rows,), optional
        Rows that are neither fitted nor searched with, to be rated at the end.
    limits : str, optional
        Where it is given, predictors are scaled to 0 and 1 between their limits (`vv:-30:5,vh:-35:0`); those it does
        not name between their smallest and largest value, which are all of them for "".

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        Where a field is missing or does not hold what its part needs, no row is complete, or the split is not possible.

    Examples
    --------
    >>> columns = {
    ...     "station": ["a", "a", "b", "b"],
    ...     "sm": [0.1, 0.2, 0.3, 0.2],
    ...     "ndvi": [0.5, 0.6, 0.7, 0.4],
    ... }
    >>> roles = Roles("sm", ("ndvi",), station="station")
    >>> prepared = prepare_training(SampledTable(columns), roles, request=SplitRequest(folds=2))
    >>> len(prepared.table), prepared.split.key
    (4, 'station')
    """
    check_target(roles.target, source.columns, source.name)
    taken = (roles.target, roles.station, roles.time, roles.weight, roles.group)
    predictors, left_out = choose_predictors(roles.predictors, source.columns, taken, source.name, source.origins)
    if left_out:
        # Who asks for all fields expects it.
        tell = progress.info if asks_for_all(roles.predictors, source.columns) else progress.warning
        tell(f"Left out of the predictors: {', '.join(f'{name} ({why})' for name, why in left_out.items())}.")
    table = make_training_table(source.columns, replace(roles, predictors=predictors), source.name, source.positions)
    table = replace(table, origins=source.origins)
    tell_impossible(table.target, roles.target, source.name, progress)
    if table.stations is None and table.positions is not None:
        stations = places(table.positions)
        table = replace(table, stations=stations)
        progress.info(f"No `station` is given: the rows are of {len(np.unique(stations))} places by their coordinates.")
    held_out = None
    if holdout is not None:
        table, held_out = part_rows(table, holdout)
        check_variation(table)
    table = replace(table, classes=parse_classes(categorical, predictors, table.predictors))
    periods = parse_cyclic(cyclic, predictors)
    periods = {**_own_periods(table, set(periods), progress), **periods}
    both = sorted(set(periods) & set(table.classes))
    if both:
        raise InputError(
            f"'{both[0]}' is in `cyclic` and in `categorical`, but can be but one of them. Take it out of one."
        )
    if limits is not None:
        table = replace(table, limits=_limits(table, limits, periods, progress))
    key = request.key or (StationSplit.key if roles.station else default_split(table.stations, request.folds))
    table = _with_places(table, request.folds, key, progress)
    if key == GroupSplit.key:
        _tell_torn_stations(table, progress)
    cautions = SPLITS[key].cautions
    if cautions is not None:
        progress.warning(cautions.at_training)
    split = make_split(key, request.folds, request.block_size, request.prediction, request.max_fold_share)
    _tell_dropped(table, progress)
    return Prepared(table, periods, split, held_out)


def _tell_dropped(table: TrainingTable, progress: Progress) -> None:
    """Say why rows are left out; sequences of a year may lack each of 365 earlier values in some."""
    reasons = sorted(table.dropped.items(), key=lambda item: -item[1])
    for reason, count in reasons[:_MOST_LISTED]:
        progress.warning(f"{count} rows are left out: {reason}.")
    more = reasons[_MOST_LISTED:]
    if more:
        progress.warning(f"{sum(count for _, count in more)} further rows are left out: {_some([r for r, _ in more])}.")


def _with_places(table: TrainingTable, folds: int, key: str, progress: Progress) -> TrainingTable:
    """Keep stations of one place together, and say which share one, or a cell of the coarsest predictor."""
    places = share_places(table, folds)
    if places is not None and places.together:
        table = replace(table, places=places.of_rows)
        listed = "; ".join(f"{_some(names)} ({why})" for names, why in places.together[:_MOST_LISTED])
        more = len(places.together) - _MOST_LISTED
        progress.warning(
            f"Stations that share a place stay in one fold: {listed}{f'; and {more} more places' if more > 0 else ''}."
        )
    shared = share_cells(table)
    if shared is not None:
        table = replace(table, coarse_cell_m=shared.cell_metres)
        if key == StationSplit.key:
            progress.warning(
                f"{sum(map(len, shared.groups))} stations share a cell of '{shared.predictor}' with others "
                f"({_some(shared.groups[0])} …): left out one by one they are easier than places without a neighbour. "
                f"The report shows the error with blocks of {shared.cell_metres:,.0f} m left out beside it."
            )
    return table


def _limits(
    table: TrainingTable, text: str, periods: Mapping[str, float], progress: Progress
) -> dict[str, tuple[float, float]]:
    """Return the limits by which amounts are scaled; say where rows lie beyond those that were given."""
    names = table.roles.predictors
    given = parse_limits(text, names)
    bases = bases_of(names, table.origins)
    limits, beyond = {}, []
    for name, values in zip(names, table.predictors.T):
        if name in periods or name in table.classes:
            if name in given:
                what = "cyclic: its sine and cosine" if name in periods else "categorical: its classes"
                raise InputError(
                    f"`limits` names '{name}', which is {what} lie within −1 and 1 without. Take it out of `limits`."
                )
            continue
        # Earlier values are scaled as the predictor itself, so that they compare.
        alike = table.predictors[:, [bases[other] == bases[name] for other in names]]
        own = (float(alike.min()), float(alike.max()))
        low, high = limits[name] = given.get(name, given.get(bases[name], own))
        outside = int(np.count_nonzero((values < low) | (values > high)))
        if outside:
            beyond.append(f"{name} ({outside:,} rows; {values.min():.4g} to {values.max():.4g})")
    if beyond:
        progress.warning(
            f"Rows lie beyond `limits`, and beyond 0 and 1 when scaled: {', '.join(beyond)}. Check the unit, or give "
            "wider limits."
        )
    return limits


def _tell_torn_stations(table: TrainingTable, progress: Progress) -> None:
    """Say which stations have rows in several groups, so that no group can be left out without leaving a part."""
    if table.groups is None or table.stations is None:
        return
    pairs = np.unique(np.stack([table.stations.astype(str), table.groups.astype(str)]), axis=1)
    stations, counts = np.unique(pairs[0], return_counts=True)
    torn = stations[counts > 1]
    if len(torn):
        progress.warning(
            f"{len(torn)} stations have rows in several groups of '{table.roles.group}' ({_some(torn.tolist())}): they "
            "are trained on and left out at once. Give each station one group."
        )


def _some(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _own_periods(table: TrainingTable, known: set[str], progress: Progress) -> dict[str, float]:
    """Return the periods of predictors that are cyclic by themselves: directions, day of year, month."""
    periods = {}
    for name, values in zip(table.roles.predictors, table.predictors.T):
        builtin = builtin_of_table(name, origin_from(table.origins.get(name)))
        period = 360.0 if is_direction(name) else builtin.period if builtin is not None else None
        if period is None or name in known:
            continue
        if values.min() < 0 or values.max() > period + 1:
            progress.warning(
                f"'{name}' holds {values.min():.4g} to {values.max():.4g}, which are not the numbers of a period of "
                f"{period:g}: it is taken as an amount. Set `cyclic` to {name}:PERIOD, with its period in its unit."
            )
            continue
        periods[name] = period
    if periods:
        listed = ", ".join(f"{name} (period {period:g})" for name, period in periods.items())
        progress.info(f"Cyclic, and learned from as sine and cosine: {listed}.")
    return periods
