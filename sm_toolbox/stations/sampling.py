"""Predictors at stations: one value per row and variable, in time and place."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import Stack, default_gaps_in_words
from sm_toolbox.raster.builtin import BUILTINS, builtin_origins, of_rows
from sm_toolbox.raster.cells import CellRule, Cells, finest_grid, sample_cells_of
from sm_toolbox.raster.driver import Crs
from sm_toolbox.raster.grid import label
from sm_toolbox.raster.lags import LaggedStack, addends_of, base_of, without_lags
from sm_toolbox.raster.meaning import band_scale, tell_fills
from sm_toolbox.raster.opening import Source, open_raster
from sm_toolbox.raster.origins import Origin, Predictors, read_predictors
from sm_toolbox.raster.points import locate, nearest_bands, sample
from sm_toolbox.raster.telling import tell_dated_and_static
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.timing import TimeRule, later_in_words


@dataclass(frozen=True)
class Rows:
    """Where and when to sample.

    Parameters
    ----------
    layer : str
        The layer's name, for messages.
    x, y : ndarray of float (rows,)
        Coordinates in `crs`; NaN where a row has no point.
    crs : Crs
    times : sequence of Time or None, optional
        None where no time field is given.
    names : sequence of str, optional
        Station of each row; where it is not given, every place is a station of its own.
    """

    layer: str
    x: np.ndarray
    y: np.ndarray
    crs: Crs
    times: Sequence[Time | None] | None = None
    names: Sequence[str | None] | None = None

    def stations(self) -> np.ndarray:
        """Name of each row's station (rows,)."""
        # A field that is NULL everywhere names no station.
        if self.names is not None and any(self.names):
            return np.array([name or "(no name)" for name in self.names])
        return np.array([f"{x:.6g}, {y:.6g}" for x, y in zip(self.x, self.y)])


@dataclass(frozen=True)
class VariableSamples:
    """One variable at all rows.

    Parameters
    ----------
    variable : str
        The name of its column: the variable, with a suffix where another column has that name.
    values : ndarray of float64 (rows,)
        NaN where there is none.
    outside : ndarray of bool (rows,)
        The point lies outside every raster of the variable.
    no_date : ndarray of bool (rows,)
        No band lies within the gap in time.
    gap_days : ndarray of float64 (rows,), optional
        Days from the row's time to the band's: negative where the band is earlier, NaN where there is none. None for
        static variables.
    reach_days : float, optional
        How far a band was allowed to lie from a row.
    step_days : float, optional
        Usual distance of the bands in time.
    nearest_days : ndarray of float64 (rows,), optional
        How far the nearest band lies from each row, whatever the gap.
    by_default : bool, optional
        Whether no gap was asked for.
    """

    variable: str
    values: np.ndarray
    outside: np.ndarray
    no_date: np.ndarray
    gap_days: np.ndarray | None = None
    reach_days: float = 0.0
    step_days: float = 0.0
    nearest_days: np.ndarray | None = None
    by_default: bool = True

    @property
    def later(self) -> int:
        """How many rows have a value from a later date."""
        return 0 if self.gap_days is None else int(np.count_nonzero((self.gap_days > 0) & ~np.isnan(self.values)))

    @property
    def no_data(self) -> np.ndarray:
        """The cell has no data on that date (rows,)."""
        return np.isnan(self.values) & ~self.outside & ~self.no_date


@dataclass(frozen=True)
class Samples:
    """All variables at all rows, in the order in which the variables appear in the rasters.

    Parameters
    ----------
    rows : Rows
    variables : list of VariableSamples
    origins : dict of str to Origin, optional
        What is noted of the rasters, by name of the predictor.
    predictors : Predictors, optional
        The rasters.
    """

    rows: Rows
    variables: list[VariableSamples]
    origins: Mapping[str, Origin] = field(default_factory=dict)
    predictors: Predictors = field(default_factory=lambda: Predictors({}, {}, {}))

    def lacking(self) -> list[tuple[str, int, str, float | None]]:
        """List variables that rows lack, those that most lack first.

        Each with its name, rows, why, and the gap in days with which most of them would have a date.

        The gap is half the distance of the dates, or what nine tenths of the rows need where that is less than the
        whole distance; None where no gap of a sensible size helps.
        """
        result: list[tuple[str, int, str, float | None]] = []
        for variable in self.variables:
            masks = (
                ("outside the raster", variable.outside),
                ("no date near enough", variable.no_date),
                ("no data", variable.no_data),
            )
            counts = [(int(np.count_nonzero(mask)), reason) for reason, mask in masks]
            missing = sum(count for count, _ in counts)
            if missing:
                why = "; ".join(f"{reason} ({count:,})" for count, reason in counts if count)
                result.append((variable.variable, missing, why, self._helpful_gap(variable)))
        return sorted(result, key=lambda item: -item[1])

    def _helpful_gap(self, variable: VariableSamples) -> float | None:
        if variable.nearest_days is None or not variable.no_date.any():
            return None
        needed = variable.nearest_days[variable.no_date & np.isfinite(variable.nearest_days)]
        within = needed[needed <= variable.step_days]
        return float(math.ceil(np.quantile(within, 0.9))) if len(within) else None

    def complete_with(self, max_gap_days: float) -> int:
        """Count the rows that would be complete with a larger gap in time, if the dates that it brings have data.

        Parameters
        ----------
        max_gap_days : float

        Returns
        -------
        int
        """
        possible = np.ones(len(self.rows.x), bool)
        for variable in self.variables:
            has = ~np.isnan(variable.values)
            if variable.nearest_days is not None:
                has |= variable.no_date & (variable.nearest_days <= max_gap_days)
            possible &= has
        return int(np.count_nonzero(possible))

    @property
    def complete(self) -> np.ndarray:
        """Rows that have a value of every variable (rows,)."""
        return np.all([~np.isnan(variable.values) for variable in self.variables], axis=0)

    def incomplete_stations(self) -> list[tuple[str, int, int, str]]:
        """List stations with rows that lack a value: name, incomplete rows, all rows, and why."""
        names = self.rows.stations()
        missing = ~self.complete
        result = []
        for name in np.unique(names[missing]):
            is_station = names == name
            reasons = []
            for variable in self.variables:
                for reason, mask in (
                    ("outside the raster", variable.outside),
                    ("no date near enough", variable.no_date),
                    ("no data", variable.no_data),
                ):
                    count = int(np.count_nonzero(is_station & mask))
                    if count:
                        reasons.append(f"{variable.variable}: {reason} ({count})")
            result.append(
                (
                    str(name),
                    int(np.count_nonzero(is_station & missing)),
                    int(np.count_nonzero(is_station)),
                    "; ".join(reasons),
                )
            )
        return result


def sample_rows(
    rows: Rows,
    sources: Sequence[Source],
    max_gap_days: TimeRule | float | None = None,
    method: str | CellRule = "nearest",
    progress: Progress = SILENT,
    taken: Collection[str] = (),
    builtins: Sequence[str] = (),
    lags: str = "",
) -> Samples:
    """Read every variable of a set of rasters at every row.

    Parameters
    ----------
    rows : Rows
    sources : sequence of Source
    max_gap_days : TimeRule or float, optional
        How far in time a dated band may lie from a row, earlier or later; 0 for the same day. Not given: half the
        distance of the variable's dates. A `TimeRule` says it for each variable. Variables that add up, such as rain,
        are never taken from after a row.
    method : {'nearest', 'bilinear', 'mean_3x3'} or CellRule, optional
        How a value is taken at a point, from each raster's own cells; or, by a `CellRule`, the value
        that a map on a grid has in the cell that holds the point.
    progress : Progress, optional
    taken : collection of str, optional
        Names that the variables must not have; one that has gets its product as a suffix, as do two products of one
        variable.
    builtins : sequence of str, optional
        Keys of `BUILTINS`: variables that need no raster.
    lags : str, optional
        As `parse_lags` takes it: earlier values and sums of variables that become variables, too.

    Returns
    -------
    Samples

    Raises
    ------
    InputError
        Where dated rasters meet rows without times, no point is valid, or no row has any value.
    Cancelled
        Within a block of the user's Cancel.

    Examples
    --------
    >>> from sm_toolbox.demo.example import LEFT, TOP, write_example
    >>> from sm_toolbox.raster.opening import grid_of
    >>> from sm_toolbox.raster.times import parse_dates
    >>> ndvi = write_example("ndvi.tif", {"ndvi@2018-06-01": [[0.2, 0.4]], "ndvi@2018-06-09": [[0.3, 0.5]]}, cell=100)
    >>> x, y = LEFT + np.array([50.0, 150.0]), TOP - np.array([50.0, 50.0])
    >>> rows = Rows("stations", x, y, grid_of(ndvi).crs, parse_dates("2018-06-02, 2018-06-08"), ["a", "b"])
    >>> (variable,) = sample_rows(rows, [ndvi]).variables
    >>> variable.variable, variable.values.round(2), variable.gap_days
    ('ndvi', array([0.2, 0.5]), array([-1.,  1.]))
    """
    # Imported here, since it is slow to load and not needed for `Rows`.
    import pandas as pd

    predictors = read_predictors(sources, taken).with_lags(lags, [*taken, *builtins])
    by_name, plain = predictors.stacks, without_lags(predictors.stacks)
    for name, why in predictors.renamed.items():
        progress.warning(
            f"'{by_name[name].variable}' of '{by_name[name].bands[0].source.label}' becomes '{name}', since {why}."
        )
    tell_dated_and_static(plain, progress)
    dated = [name for name, stack in by_name.items() if not stack.is_static]
    if dated and rows.times is None:
        raise InputError(
            f"{', '.join(dated)} are dated (such as {by_name[dated[0]].bands[0].name}), so that the `times` field of "
            f"'{rows.layer}' is needed. Choose it."
        )
    rule = TimeRule.of(max_gap_days)
    rule.check_names(by_name)
    way = method.cells(plain, progress) if isinstance(method, CellRule) else method
    valid = np.isfinite(rows.x) & np.isfinite(rows.y)
    if not valid.any():
        raise InputError(
            f"No row of '{rows.layer}' has a point with coordinates. Create points from the table's coordinates "
            "first ('Create points layer from table')."
        )
    if not valid.all():
        progress.warning(
            f"{np.count_nonzero(~valid)} of {len(valid)} rows of '{rows.layer}' have no point; they get no values."
        )
    _tell_scales(plain, progress)
    classes = [name for name, stack in plain.items() if stack.bands[0].is_class]
    if classes and method != "nearest":
        progress.info(f"Classes have no mean and are those of the nearest cell: {', '.join(classes)}.")
    # A station is read once for each band, however many of its rows match that band.
    first, place_index = _distinct(pd.factorize(rows.x)[0], pd.factorize(rows.y)[0])
    places = np.stack([rows.x, rows.y], axis=1)[first]
    samples = [
        variable
        for i, name in enumerate(plain)
        for variable in _sample_stacks(
            {column: stack for column, stack in by_name.items() if base_of(stack) is plain[name]},
            rows,
            (places, place_index),
            rule,
            way,
            progress.part(i / len(plain), (i + 1) / len(plain)),
        )
    ]
    if all(np.isnan(variable.values).all() for variable in samples):
        raise InputError(_why_nothing(rows, samples, by_name))
    for variable in samples:
        stack = by_name[variable.variable]
        said = (
            ""
            if stack.is_static or isinstance(stack, LaggedStack)
            else later_in_words(variable.variable, stack, rule, variable.later, len(rows.x))
        )
        if said:
            progress.info(said)
    made: dict[str, Origin] = {}
    if builtins:
        grid = way.grid if isinstance(way, Cells) else finest_grid(by_name.values())
        made = builtin_origins(builtins, [*taken, *by_name], grid.crs)
        samples += _sample_builtins(made, rows, way)
    return Samples(rows, samples, {**predictors.origins(rule, way), **made}, predictors)


def _sample_builtins(made: Mapping[str, Origin], rows: Rows, way: str | Cells) -> list[VariableSamples]:
    """Return the variables that need no raster, of the cells' centres where values are those of cells."""
    of_date = [name for name, origin in made.items() if BUILTINS[origin.variable].of_date]
    if of_date and rows.times is None:
        raise InputError(
            f"`builtins` {', '.join(of_date)} needs the `times` field of '{rows.layer}'. Choose it, or leave them out."
        )
    x, y, crs = rows.x, rows.y, rows.crs
    if isinstance(way, Cells):
        x, y = way.centres(x, y, crs)
        crs = way.grid.crs
    found = of_rows(made, x, y, crs, rows.times)
    nowhere = np.zeros(len(rows.x), bool)
    return [
        VariableSamples(name, values, nowhere, np.isnan(values) if name in of_date else nowhere)
        for name, values in found.items()
    ]


def _sample_stacks(
    of_variable: Mapping[str, Stack],
    rows: Rows,
    places: tuple[np.ndarray, np.ndarray],
    rule: TimeRule,
    method: str | Cells,
    progress: Progress,
) -> list[VariableSamples]:
    """Read one variable, and what is made of its earlier dates; each band at each place once.

    `places` are the distinct ones (places, 2) and the one of each row.
    """
    where, place_of_row = places
    base = base_of(next(iter(of_variable.values())))
    times = rows.times if rows.times is not None else [None] * len(place_of_row)
    matched, wanted = {}, []
    for name, stack in of_variable.items():
        only_earlier = rule.only_earlier(name, stack)
        bands, gaps = nearest_bands(stack, times, rule.gap(name, stack), only_earlier)
        addends = np.where(bands >= 0, addends_of(stack)[:, bands], -1)
        matched[name] = stack, bands, gaps, only_earlier
        wanted.append(addends)
    every = np.concatenate(wanted)
    first, of_pair = _distinct(np.tile(place_of_row, len(every)), every.ravel())
    at = where[:, 0], where[:, 1], rows.crs, place_of_row[first % len(place_of_row)], every.ravel()[first]
    read = (
        sample_cells_of(base.bands, method, *at, progress)
        if isinstance(method, Cells)
        else sample(base.bands, *at, method, progress)
    )[of_pair].reshape(every.shape)
    outside = np.ones(len(where), bool)
    for grid in {band.grid for band in base.bands}:
        outside &= ~locate(where[:, 0], where[:, 1], rows.crs, grid)[2]
    outside = outside[place_of_row]
    found, start = [], 0
    for (name, (stack, bands, gaps, only_earlier)), addends in zip(matched.items(), wanted):
        values = read[start : start + len(addends)].sum(axis=0)
        start += len(addends)
        no_date = (bands < 0) & ~outside
        if stack.is_static:
            found.append(VariableSamples(name, values, outside, no_date))
            continue
        nearest = np.abs(nearest_bands(stack, times, np.inf, only_earlier)[1]) if no_date.any() else np.abs(gaps)
        found.append(
            VariableSamples(
                name,
                values,
                outside,
                no_date,
                gaps,
                rule.reach(name, stack),
                stack.step_days,
                nearest,
                rule.gap(name, stack) is None,
            )
        )
    return found


def _tell_scales(by_name: Mapping[str, Stack], progress: Progress) -> None:
    """Say which scale is taken where a file does not state it."""
    for name, stack in by_name.items():
        band = stack.bands[0]
        with open_raster(band.source) as dataset:
            note = band_scale(dataset, band.index, band.source.path).note
        if note:
            progress.info(f"{name}: {note}.")


def tell_suspects(samples: Samples, progress: Progress) -> None:
    """Warn of sampled values that stand for no data.

    Parameters
    ----------
    samples : Samples
    progress : Progress
    """
    for variable in samples.variables:
        tell_fills(variable.values, f"'{variable.variable}' at the points of '{samples.rows.layer}'", progress)


def reaches_in_words(variables: Sequence[VariableSamples]) -> str:
    """Return which gap in time each dated variable was given where none was set; empty where none is dated.

    Parameters
    ----------
    variables : sequence of VariableSamples

    Returns
    -------
    str
    """
    dated = {
        variable.variable: variable.reach_days
        for variable in variables
        if variable.gap_days is not None and variable.by_default
    }
    return default_gaps_in_words("variable", dated) if dated else ""


def _distinct(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the distinct pairs among rows of two whole numbers from -1: a row of each, and the pair of each row."""
    keys = (a + 1) * (b.max() + 2) + b + 1
    largest = int(keys.max()) + 1
    if largest > 10 * len(keys):
        first, row_index = np.unique(keys, return_index=True, return_inverse=True)[1:]
        return first, row_index
    # Stations that all have the same dates fill the table of pairs: no need to sort a million of them.
    row_of_key = np.full(largest, -1)
    row_of_key[keys] = np.arange(len(keys))
    exists = row_of_key >= 0
    return row_of_key[exists], (np.cumsum(exists) - 1)[keys]


def _why_nothing(rows: Rows, samples: list[VariableSamples], by_name: dict[str, Stack]) -> str:
    if all(variable.outside.all() for variable in samples):
        x, y = rows.x[np.isfinite(rows.x)], rows.y[np.isfinite(rows.y)]
        grid = next(iter(by_name.values())).bands[0].grid
        return (
            f"No station of '{rows.layer}' lies within the rasters. The stations span {x.min():.6g} to "
            f"{x.max():.6g}, {y.min():.6g} to {y.max():.6g} in {label(rows.crs)}; the first raster spans "
            f"{', '.join(f'{value:.6g}' for value in grid.bounds)} (west, south, east, north) in "
            f"{label(grid.crs)}. Check that both CRSs are right and that x and y are not swapped."
        )
    if all((variable.outside | variable.no_date).all() for variable in samples):
        times = sorted(time for time in rows.times or [] if time)
        if not times:
            return f"No row of '{rows.layer}' has a time: the `times` field is NULL in all. Choose another field."
        spans = "; ".join(
            f"{name}: {stack.times[0]} to {stack.times[-1]}" for name, stack in by_name.items() if stack.times
        )
        return (
            f"No row of '{rows.layer}' ({times[0]} to {times[-1]}) has a band near enough in time ({spans}). Check "
            "the `times` field, or allow a larger `max_gap_days`."
        )
    return (
        f"All rows of '{rows.layer}' lie on cells without data. Check the rasters' nodata values, and that the "
        "stations do not lie in a gap."
    )
