"""The training table of a model: station rows with the values of rasters, and pixels of a product as more rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.columns import SOURCE_FIELD, STATIONS_SOURCE, to_numbers
from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.builtin import KIND, builtin_origins
from sm_toolbox.raster.cells import CellRule, Cells
from sm_toolbox.raster.lags import without_lags
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.origins import read_predictors
from sm_toolbox.raster.points import transform_points
from sm_toolbox.raster.telling import tell_dated_and_static
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.stations.likeness import bring_to_stations
from sm_toolbox.stations.pixels import PixelRows, sample_pixels
from sm_toolbox.stations.sampling import (
    Rows,
    Samples,
    VariableSamples,
    reaches_in_words,
    sample_rows,
    tell_suspects,
)

# Names that the toolbox gives to observed soil moisture.
_OBSERVED = ("soil_moisture", "value")
# Names that GeoPackages keep for themselves.
_RESERVED = ("fid", "geom", "geometry")


@dataclass(frozen=True)
class TableSettings:
    """How a training table is made.

    Parameters
    ----------
    station, time : str, optional
        The columns that the station and time of the rows are of; they are never replaced.
    value : str, optional
        The column of observed soil moisture, which is never replaced either; by default `soil_moisture` or `value`,
        where there is such a column.
    max_gap_days : TimeRule or float, optional
        As in `sample_rows`.
    method : {'nearest', 'bilinear', 'mean_3x3'}, optional
        How a value is taken at a point, from each raster's own cells; by default the value is that of the cell of a
        grid, as a map has it.
    grid : Source, optional
        Raster with that grid; by default the finest predictor's.
    resampling : str, optional
        A word of `RULES`: how rasters reach that grid.
    builtins : tuple of str, optional
        Keys of `BUILTINS`: variables that need no raster become columns, too.
    lags : str, optional
        As `parse_lags` takes it: earlier values and sums of variables become columns, too.
    replace : bool
        Whether rasters replace columns of their names; otherwise they get the names of their files as suffixes.
    extra_value : str, optional
        The column that takes the values of the product; by default `value`.
    extra_rows : int
        Largest number of rows from the product.
    extra_matching : {'none', 'mean_sd'}
        Whether the values of the product are brought to the mean and spread of the stations.
    """

    station: str = ""
    time: str = ""
    value: str = ""
    max_gap_days: TimeRule | float | None = None
    method: str | None = None
    grid: Source | None = None
    resampling: str = "auto"
    builtins: tuple[str, ...] = ()
    lags: str = ""
    replace: bool = False
    extra_value: str = ""
    extra_rows: int = 10_000
    extra_matching: str = "none"

    @property
    def product_field(self) -> str:
        """The column that takes the values of the product; empty where none is given."""
        return self.extra_value or self.value


DEFAULT_TABLE = TableSettings()


@dataclass(frozen=True)
class StationTable:
    """A training table.

    Parameters
    ----------
    columns : dict of str to list (rows,)
        Those of the stations that are not replaced, then those that are added. Rows of pixels follow those of stations;
        in the column of times they have a `Time`, and None where they know nothing.
    added : list of str
        The columns that are added.
    predictors : list of str
        Those of the added columns that are predictors.
    x, y : ndarray of float64 (rows,)
        In the coordinate reference system of the stations.
    complete : int
        Rows with a value of every predictor.
    samples : Samples
    pixels : PixelRows or None
    """

    columns: dict[str, list[Any]]
    added: list[str]
    predictors: list[str]
    x: np.ndarray
    y: np.ndarray
    complete: int
    samples: Samples
    pixels: PixelRows | None


def sample_table(
    rows: Rows,
    columns: Mapping[str, Sequence[Any]],
    sources: Sequence[Source],
    settings: TableSettings = DEFAULT_TABLE,
    product: Sequence[Source] = (),
    progress: Progress = SILENT,
) -> StationTable:
    """Add the values of rasters to station rows.

    Parameters
    ----------
    rows : Rows
    columns : mapping of str to sequence (rows,)
        All that is known of the rows, by name; None where there is no value.
    sources : sequence of Source
        Every variable becomes a column.
    settings : TableSettings, optional
    product : sequence of Source, optional
        Coarser soil-moisture product, whose pixels become further rows.
    progress : Progress, optional

    Returns
    -------
    StationTable

    Raises
    ------
    InputError
        As `sample_rows` and `sample_pixels`; where a column would be taken for another, or a product has no column.
    Cancelled
        Within a block of the user's Cancel.

    Notes
    -----
    How many days a dated band lies from its row is in `variable_gap_days` where a day or more is allowed (negative: the
    band is earlier). With a product the column `source` tells stations (`station`) from pixels (the product's name).
    """
    if product and not settings.product_field:
        raise InputError(
            f"`product` needs `value` or `extra_value`: the field of '{rows.layer}' that takes the values of the "
            "product."
        )
    value = settings.value or next((name for name in _OBSERVED if name in columns), "")
    needed = [name for name in (settings.station, settings.time, value, settings.product_field) if name]
    taken = needed if settings.replace else list(columns)
    max_gap = settings.max_gap_days
    method = settings.method or CellRule(settings.grid, settings.resampling)
    samples = sample_rows(
        rows,
        sources,
        max_gap,
        method,
        progress.part(0, 0.4 if product else 0.9),
        taken,
        settings.builtins,
        settings.lags,
    )
    tell_suspects(samples, progress)
    complete = int(samples.complete.sum())
    if reaches_in_words(samples.variables):
        progress.info(reaches_in_words(samples.variables))
    _tell_incomplete(samples, complete, progress)
    sampled = {variable.variable: variable.values for variable in samples.variables}
    predictors = list(sampled)
    sampled |= {
        gap_field(variable.variable): variable.gap_days
        for variable in samples.variables
        if variable.gap_days is not None
        and samples.origins[variable.variable].lag is None
        and (variable.reach_days >= 1 or TimeRule.of(max_gap).largest)
    }
    added = [*([SOURCE_FIELD] if product else []), *sampled]
    replaced = _replaced(rows.layer, columns, added, needed, settings.replace, progress)
    table = {name: list(values) for name, values in columns.items() if name not in replaced}
    if product:
        table[SOURCE_FIELD] = [STATIONS_SOURCE] * len(rows.x)
    table |= {name: list(values) for name, values in sampled.items()}
    if not product:
        return StationTable(table, added, predictors, rows.x, rows.y, complete, samples, None)
    pixels = sample_pixels(
        product,
        samples.predictors,
        max_gap,
        settings.extra_rows,
        progress=progress.part(0.4, 0.9),
        builtins={name: origin for name, origin in samples.origins.items() if origin.kind == KIND},
    )
    observed = to_numbers(columns[settings.product_field], settings.product_field, rows.layer)
    pixels = bring_to_stations(pixels, product, rows, observed, settings.extra_matching, max_gap, progress)
    own = _columns_of_pixels(pixels, settings)
    nothing = [None] * len(pixels.names)
    for name, values in table.items():
        values += own.get(name, nothing)
    x, y = transform_points(pixels.x, pixels.y, pixels.crs, rows.crs)
    whole = int(np.all([~np.isnan(column) for column in pixels.predictors.values()], axis=0).sum())
    progress.info(
        f"{len(pixels.names)} of {pixels.found} pixels and dates of '{pixels.product}' were added; "
        f"{whole} of them have a value of every predictor."
    )
    return StationTable(
        table,
        added,
        predictors,
        np.concatenate([rows.x, x]),
        np.concatenate([rows.y, y]),
        complete + whole,
        samples,
        pixels,
    )


def pixel_table(
    product: Sequence[Source], sources: Sequence[Source], settings: TableSettings, progress: Progress = SILENT
) -> StationTable:
    """Make a training table of the pixels of a coarse product alone.

    Parameters
    ----------
    product : sequence of Source
        Coarser soil-moisture product.
    sources : sequence of Source
        Every variable becomes a column.
    settings : TableSettings
        Of which `station`, `time` and `product_field` name the columns that no raster gives.
    progress : Progress, optional

    Returns
    -------
    StationTable

    Raises
    ------
    InputError
        As `sample_pixels`; where rasters would take the names of these columns.
    Cancelled
        Within a block of the user's Cancel.
    """
    own = (settings.station, settings.time, settings.product_field)
    predictors = read_predictors(sources, own).with_lags(settings.lags, [*own, *settings.builtins])
    tell_dated_and_static(without_lags(predictors.stacks), progress)
    rule = TimeRule.of(settings.max_gap_days)
    rule.check_names(predictors.stacks)
    grid = read_bands(product)[0].grid
    made = builtin_origins(settings.builtins, [*own, *predictors.stacks], grid.crs)
    pixels = sample_pixels(
        product, predictors, rule, settings.extra_rows, progress=progress.part(0, 0.9), builtins=made
    )
    nowhere = np.zeros(len(pixels.names), bool)
    rows = Rows(pixels.product, pixels.x, pixels.y, pixels.crs, pixels.times, pixels.names)
    variables = [
        VariableSamples(
            name,
            values,
            nowhere,
            np.isnan(pixels.gap_days[name]) if name in pixels.gap_days else nowhere,
            pixels.gap_days.get(name),
        )
        for name, values in pixels.predictors.items()
    ]
    origins = {**predictors.origins(rule, Cells(grid, settings.resampling)), **made}
    samples = Samples(rows, variables, origins, predictors)
    tell_suspects(samples, progress)
    complete = int(samples.complete.sum())
    progress.info(
        f"{len(pixels.names):,} of {pixels.found:,} pixels and dates of '{pixels.product}' are rows; {complete:,} of "
        "them have a value of every predictor."
    )
    gaps = {
        gap_field(name): gap for name, gap in pixels.gap_days.items() if rule.reach(name, predictors.stacks[name]) >= 1
    }
    columns: dict[str, list[Any]] = {
        settings.station: list(pixels.names),
        settings.time: list(pixels.times),
        settings.product_field: pixels.values.tolist(),
        SOURCE_FIELD: [pixels.product] * len(pixels.names),
    }
    added = {**pixels.predictors, **gaps}
    _replaced(pixels.product, columns, list(added), list(own), False, progress)
    columns |= {name: list(values) for name, values in added.items()}
    return StationTable(columns, list(columns), list(pixels.predictors), pixels.x, pixels.y, complete, samples, pixels)


def gap_field(variable: str) -> str:
    """Name the field of the days between a row and the band it was given.

    Parameters
    ----------
    variable : str

    Returns
    -------
    str
    """
    return f"{variable}_gap_days"


def _columns_of_pixels(pixels: PixelRows, settings: TableSettings) -> dict[str, list[Any]]:
    own: dict[str, list[Any]] = {
        settings.station: pixels.names,
        settings.product_field: pixels.values.tolist(),
        SOURCE_FIELD: [pixels.product] * len(pixels.names),
    }
    own |= {variable: list(values) for variable, values in pixels.predictors.items()}
    own |= {gap_field(variable): list(gap) for variable, gap in pixels.gap_days.items()}
    if settings.time:
        own[settings.time] = list(pixels.times)
    return own


def _tell_incomplete(samples: Samples, complete: int, progress: Progress) -> None:
    """Tell in the log, by predictor, what rows lack and what helps; the report lists the stations."""
    progress.info(f"{complete:,} of {len(samples.rows.x):,} rows have a value of every predictor.")
    lacking = {name: missing for name, missing, _, _ in samples.lacking()}
    earlier = [name for name in lacking if samples.origins[name].lag]
    for name, missing, why, gap in samples.lacking():
        if name in earlier:
            continue
        cure = ""
        if gap is not None and (possible := samples.complete_with(gap)) > complete:
            cure = f"; with {gap:g} days (`max_gap_days`) {possible:,} rows would be complete, now {complete:,}"
        progress.warning(f"'{name}' is missing in {missing:,} rows: {why}{cure}.")
    if earlier:
        most = max(earlier, key=lacking.__getitem__)
        progress.info(
            f"Earlier values are missing in up to {lacking[most]:,} rows ('{most}'), before the rasters' first dates "
            "or in gaps of theirs."
        )


def _replaced(
    layer: str,
    columns: Mapping[str, Sequence[Any]],
    added: Sequence[str],
    needed: Sequence[str],
    replace: bool,
    progress: Progress,
) -> set[str]:
    """Return the columns of the stations that give way to new ones of their names, whatever their capitals."""
    taken: dict[str, str] = {}
    for name in added:
        if name.lower() in _RESERVED:
            raise InputError(
                f"A band is named '{name}', which GeoPackages keep for themselves. Give the band another name "
                "(its description)."
            )
        twin = taken.setdefault(name.lower(), name)
        if twin != name:
            raise InputError(
                f"Two bands are named '{twin}' and '{name}', which tables take for one. Give one of them another name."
            )
    existing = [name for name in columns if name.lower() in taken]
    kept = [name for name in existing if name in needed]
    listed = ", ".join(f"'{name}'" for name in existing)
    if kept:
        raise InputError(
            f"'{layer}' has the fields {listed}, as bands are named, and {kept[0]} is needed itself. "
            "Rename it with 'Rename field', or the band."
        )
    if existing and not replace:
        raise InputError(
            f"'{layer}' already has the fields {listed}, as bands are named. Set `replace` to have the "
            "rasters' values in their place, or rename them with 'Rename field'."
        )
    for name in existing:
        progress.warning(
            f"The field '{name}' of '{layer}' is replaced by the values of the raster '{taken[name.lower()]}' "
            "(`replace`)."
        )
    return set(existing)
