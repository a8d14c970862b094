"""Maps from station values: kriging or inverse distances for each date, with leave-one-out errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.geostatistics.interpolation import ALL_STATIONS, date_means, mean_of_others
from sm_toolbox.geostatistics.inversedistance import InverseDistance
from sm_toolbox.geostatistics.kriging import Kriging
from sm_toolbox.geostatistics.positions import Positions
from sm_toolbox.geostatistics.variogram import MODELS, Empirical, Variogram, empirical_variogram, fit_variogram
from sm_toolbox.progress import Progress
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.engine import Blocks, Extent, Facts, run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.points import locate
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.raster.times import Time
from sm_toolbox.stations.interpolation.drift import Drift, dependent_drift, refuse_useless
from sm_toolbox.stations.interpolation.observations import Observations, gather
from sm_toolbox.stations.interpolation.quality import judge
from sm_toolbox.stations.interpolation.result import (
    INTERPOLATION_METHODS,
    PLAIN_MEAN,
    InterpolationSettings,
    LeftOut,
    Result,
    rmse,
)
from sm_toolbox.stations.sampling import Rows

_FEWEST = 3
# Squares of larger values would overflow.
_LARGEST_NUMBER = 1e15
# Longest side of the maps in the report.
_SIDE = 250
# Station systems of all dates, times the cube of their stations, up to which other variogram models are tried for the
# report.
_COMPARISON = 3e9


def interpolate_stations(
    rows: Rows,
    values: np.ndarray,
    variable: str,
    grid: Source,
    output: str,
    *,
    variance: str | None = None,
    settings: InterpolationSettings | None = None,
    engine: Engine = ALL_CORES,
) -> Result:
    """Interpolate the values of stations to a grid, for each date.

    Parameters
    ----------
    rows : Rows
        Places and, for dated maps, times. Several values of one place and date are averaged.
    values : ndarray of float (rows,)
        NaN where there is none.
    variable : str
        Of the output's bands.
    grid : Source
        Raster whose CRS, cells and extent the output has; its values do not count.
    output : str
        GeoTIFF or NetCDF with a band `variable`, or `variable@date` for each date.
    variance : str, optional
        The same for the kriging variances, `variable_variance`.
    settings : InterpolationSettings, optional
    engine : Engine, optional

    Returns
    -------
    Result

    Raises
    ------
    InputError
        Where no date has enough stations, the stations lie elsewhere, or a drift says nothing.
    OutputError, Cancelled
        As `run_blocks`.

    Notes
    -----
    The variogram is fitted to the pairs of all dates together, and its sill then scaled for each date to the variance
    of that date's values (Bastin et al. 1984, doi 10.1029/WR020i004p00463): one date has too few stations for a
    variogram, but dry and wet ones differ in how much they vary. Scaling changes the variances, not the maps.

    Examples
    --------
    >>> from sm_toolbox.demo.example import LEFT, TOP, read_example, write_example
    >>> from sm_toolbox.raster.opening import grid_of
    >>> grid = write_example("grid.tif", {"grid": np.ones((1, 3))}, cell=100)
    >>> x, y = LEFT + np.array([50.0, 250.0, 150.0]), TOP - np.array([50.0, 50.0, 150.0])
    >>> rows = Rows("stations", x, y, grid_of(grid).crs)
    >>> result = interpolate_stations(
    ...     rows, np.array([0.1, 0.3, 0.2]), "sm", grid, "map.tif", settings=InterpolationSettings("idw")
    ... )
    >>> print(read_example("map.tif")["sm"])
    [[0.1 0.2 0.3]]
    """
    progress = engine.progress
    settings = settings or InterpolationSettings()
    _check(settings, variance)
    target = grid_of(grid)
    positions = Positions(target)
    _check_values(values)
    observations = gather(rows, values, positions, target, progress)
    trend = None
    if settings.drift:
        trend = Drift.sample(settings.drift, observations, settings.max_gap_days, progress.part(0, 0.1))
    observations, trend, skipped = _usable(observations, trend, settings, progress)

    fitted = _fit(observations, trend, settings)
    model = _model(observations.positions, observations.values, trend, fitted.variogram, settings, progress)
    left_out = _leave_one_out(model, observations, fitted.scale, settings, progress)
    progress.set_fraction(0.15)

    outputs = [RasterOutput(output, [band_name(variable, time) for time in observations.times])]
    if variance is not None:
        outputs.append(RasterOutput(variance, [band_name(f"{variable}_variance", time) for time in observations.times]))

    dates = len(observations.times)

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        block = _predict(
            model, positions.of_cells(window), trend, blocks.get("drift"), fitted.scale, variance is not None, progress
        )
        return block.reshape(-1, int(window.height), int(window.width)), {"span": Extent.of(block[:dates])}

    inputs = {"drift": trend.bands} if trend else {}
    span = run_blocks(kernel, inputs, outputs, target, engine.part(0.15, 0.97), scratch_bytes_per_cell=32).facts["span"]
    coarse = _coarse(target)
    columns, lines, inside = locate(observations.x, observations.y, observations.crs, coarse)
    result = Result(
        variable,
        settings,
        observations,
        trend.names if trend else [],
        fitted.variogram,
        fitted.empirical,
        fitted.scale,
        model.neighbours,
        left_out,
        _compare(observations, trend, fitted, settings, progress),
        skipped,
        (span.low, span.high),
        _coarse_maps(observations, trend, fitted, settings, positions, coarse, progress),
        (columns[inside], lines[inside]),
        [],
    )
    result.warnings.extend(judge(result))
    for text in result.warnings:
        progress.warning(text)
    progress.set_fraction(1)
    return result


def _check_values(values: np.ndarray) -> None:
    if np.nanmax(np.abs(values), initial=0) > _LARGEST_NUMBER:
        raise InputError(
            f"`values` holds {np.nanmax(np.abs(values)):g}, but may hold up to {_LARGEST_NUMBER:g}: no field that "
            "stations measure has more. Make such values NULL with 'Field calculator'."
        )


def _check(settings: InterpolationSettings, variance: str | None) -> None:
    if settings.method not in INTERPOLATION_METHODS:
        raise InputError(f"`method` '{settings.method}' is none of {', '.join(INTERPOLATION_METHODS)}.")
    if settings.drift and settings.method != "ordinary_kriging":
        raise InputError(
            f"`drift` is for `method` ordinary_kriging, not for {settings.method}. Choose that, or leave `drift` empty."
        )
    if variance is not None and not settings.is_kriging:
        raise InputError("Inverse distances have no variance. Leave `variance` empty, or choose a `method` of kriging.")
    if settings.sill is not None and settings.sill <= 0:
        raise InputError(
            f"`sill` must be above 0, not {settings.sill:g}: it is the variance of values far apart. Leave it empty "
            "to have it fitted."
        )
    for key, value in (("sill", settings.sill), ("range", settings.range), ("mean", settings.mean)):
        if value is not None and abs(value) > _LARGEST_NUMBER:
            raise InputError(
                f"`{key}` is {value:g}, but may be up to {_LARGEST_NUMBER:g}: no field that stations measure has "
                "more. Leave it empty to have it found from the values."
            )
    if settings.neighbours > ALL_STATIONS:
        raise InputError(
            f"`neighbours` may be up to {ALL_STATIONS}, not {settings.neighbours}: time grows with its third power, "
            "and stations behind hundreds of nearer ones hardly count. 0 takes what is sensible."
        )


# Dates
# ---------------------------------------------------------------------------------------------------------------------


def _usable(
    observations: Observations, trend: Drift | None, settings: InterpolationSettings, progress: Progress
) -> tuple[Observations, Drift | None, list[tuple[str, int, str]]]:
    """Leave out dates that have too few stations, and say which."""
    values = observations.values
    notes = observations.notes
    if trend:
        missing = np.isnan(trend.at_stations).any(axis=1) & np.isfinite(values) & (trend.picks >= 0).all(axis=1)
        if missing.any():
            names = [name for name, rows in zip(observations.names, missing) if rows.any()]
            notes = [
                *notes,
                f"{int(missing.sum()):,} values are left out, where a drift has no data: of {len(names)} stations "
                f"({', '.join(names[:5])}{', …' if len(names) > 5 else ''}).",
            ]
            progress.warning(notes[-1])
        values = np.where(missing, np.nan, values)
        refuse_useless(trend, values)
    fewest = 1 if not settings.is_kriging else _FEWEST + (len(trend.names) if trend else 0)
    counts = np.isfinite(values).sum(axis=0)
    reasons = []
    for date, (time, count) in enumerate(zip(observations.times, counts)):
        why = ""
        if trend and (trend.picks[date] < 0).any():
            lost = [name for name, pick in zip(trend.names, trend.picks[date]) if pick < 0]
            why = f"no band of {', '.join(lost)} near enough in time"
        elif count < fewest:
            why = f"fewer than {fewest} stations"
        elif trend:
            column = dependent_drift(trend.at_stations[np.isfinite(values[:, date]), :, date])
            why = (
                ""
                if column is None
                else f"{trend.names[column]} is the same at all stations of the date, or follows from the other drifts"
            )
        reasons.append((str(time or "no date"), int(count), why))
    keep = np.array([not why for _, _, why in reasons])
    skipped = [reason for reason in reasons if reason[2]]
    if not keep.any():
        most = int(counts.max(initial=0))
        raise InputError(
            f"'{observations.layer}' has {most} station{'' if most == 1 else 's'} with a value on the date that "
            "has most" + f", of {len(observations.times)} dates; {settings.method} needs "
            f"{fewest}{' with all drifts' if trend else ''} ({skipped[0][0]}: {skipped[0][2]}). Use more "
            "stations, `method` idw, or an earlier step (temporalcomposite, aggregatestations) that brings their "
            "times together; with dated `drift`, a larger `max_gap_days`."
        )
    if skipped:
        listed = ", ".join(f"{date} ({why})" for date, _, why in skipped[:5])
        progress.warning(
            f"{len(skipped)} of {len(reasons)} dates get no map: {listed}{', …' if len(skipped) > 5 else ''}."
        )
    dates = np.flatnonzero(keep)
    some = np.isfinite(values[:, dates]).any(axis=1)
    chosen = np.flatnonzero(some)
    observations = replace(
        observations,
        names=[observations.names[i] for i in chosen],
        x=observations.x[chosen],
        y=observations.y[chosen],
        positions=observations.positions[chosen],
        values=values[np.ix_(chosen, dates)],
        times=[observations.times[i] for i in dates],
        notes=notes,
    )
    if trend:
        trend = trend.of_dates(dates)
        trend = replace(trend, at_stations=trend.at_stations[chosen])
    return observations, trend, skipped


# Model
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fit:
    variogram: Variogram | None
    empirical: Empirical | None
    residuals: np.ndarray
    scale: np.ndarray


def _fit(observations: Observations, trend: Drift | None, settings: InterpolationSettings) -> _Fit:
    """Fit the variogram to values, or to what a drift leaves of them by least squares, and scale it to each date."""
    residuals = observations.values
    if trend:
        residuals = residuals.copy()
        for date in range(residuals.shape[1]):
            is_valid = np.isfinite(residuals[:, date])
            design = np.concatenate(
                [np.ones((is_valid.sum(), 1)), _centred(trend.at_stations[is_valid, :, date])], axis=1
            )
            residuals[is_valid, date] -= design @ np.linalg.lstsq(design, residuals[is_valid, date], rcond=None)[0]
    scale = np.ones(residuals.shape[1])
    if not settings.is_kriging:
        return _Fit(None, None, residuals, scale)
    empirical = empirical_variogram(observations.positions, residuals)
    variogram = _fitted(observations, residuals, empirical, settings.variogram, settings)
    if settings.sill is None and empirical.spread > 0:
        count = np.isfinite(residuals).sum(axis=0)
        spread = np.nansum((residuals - date_means(residuals)) ** 2, axis=0) / (count - 1)
        scale = spread / empirical.spread if len(scale) > 1 else scale
    return _Fit(variogram, empirical, residuals, scale)


def _centred(drift: np.ndarray) -> np.ndarray:
    scale = drift.std(axis=0)
    return (drift - drift.mean(axis=0)) / np.where(scale > 0, scale, 1)


def _fitted(
    observations: Observations, residuals: np.ndarray, empirical: Empirical, model: str, settings: InterpolationSettings
) -> Variogram:
    return fit_variogram(
        observations.positions,
        residuals,
        model,
        nugget=settings.nugget,
        sill=settings.sill,
        range_=settings.range,
        empirical=empirical,
    )


def _model(
    positions: np.ndarray,
    values: np.ndarray,
    trend: Drift | None,
    variogram: Variogram | None,
    settings: InterpolationSettings,
    progress: Progress,
) -> Kriging | InverseDistance:
    if variogram is None:
        return InverseDistance(positions, values, settings.power, neighbours=settings.neighbours)
    kind = settings.method.partition("_")[0]
    return Kriging(
        positions,
        values,
        variogram,
        kind,
        trend.stations if trend else None,
        mean=settings.mean,
        neighbours=settings.neighbours,
        progress=progress,
    )


def _predict(
    model: Kriging | InverseDistance,
    cells: np.ndarray,
    trend: Drift | None,
    drift: np.ndarray | None,
    scale: np.ndarray,
    variance: bool,
    progress: Progress,
) -> np.ndarray:
    """Predict cells: float32 (dates, cells), and as many bands of variances after them where they are asked for."""
    dates = len(scale)
    out = np.empty((2 * dates if variance else dates, len(cells)), np.float32)
    step = model.cells_at_once(variance)
    flat = None if drift is None else drift.reshape(len(drift), -1)
    for start in range(0, len(cells), step):
        progress.check()
        part = slice(start, start + step)
        if isinstance(model, InverseDistance):
            out[:, part] = model.predict(cells[part]).T
            continue
        mean, spread = model.predict(
            cells[part], trend.cells(flat[:, part]) if trend and flat is not None else None, variance
        )
        out[:dates, part] = mean.T
        if spread is not None:
            out[dates:, part] = (spread * scale).T
    return out


def _leave_one_out(
    model: Kriging | InverseDistance,
    observations: Observations,
    scale: np.ndarray,
    settings: InterpolationSettings,
    progress: Progress,
) -> LeftOut:
    values = observations.values
    others = {PLAIN_MEAN: mean_of_others(values)}
    if isinstance(model, InverseDistance):
        return LeftOut(values, model.leave_one_out(progress), np.full(values.shape, np.nan), others)
    idw = InverseDistance(observations.positions, values, settings.power, neighbours=model.neighbours)
    others["inverse distances"] = idw.leave_one_out(progress)
    predicted, variance = model.leave_one_out(progress)
    return LeftOut(values, predicted, variance * scale, others)


def _compare(
    observations: Observations, trend: Drift | None, fitted: _Fit, settings: InterpolationSettings, progress: Progress
) -> list[tuple[Variogram, float]]:
    """Fit the other variogram models, too, where that takes no more than seconds."""
    values = observations.values
    if (
        fitted.variogram is None
        or fitted.empirical is None
        or fitted.variogram.sill == 0
        or values.shape[1] * len(values) ** 3 > _COMPARISON
    ):
        return []
    results = []
    for name in MODELS:
        progress.check()
        variogram = _fitted(observations, fitted.residuals, fitted.empirical, name, settings)
        model = _model(observations.positions, values, trend, variogram, settings, progress)
        results.append((variogram, rmse(model.leave_one_out(progress)[0] - values)))
    return results


def _coarse(grid: Grid) -> Grid:
    """Return the grid in cells as large as a report can show."""
    width, height = (
        max(1, round(size * min(1, _SIDE / max(grid.width, grid.height)))) for size in (grid.width, grid.height)
    )
    return Grid(grid.crs, grid.transform * Affine.scale(grid.width / width, grid.height / height), width, height)


def _coarse_maps(
    observations: Observations,
    trend: Drift | None,
    fitted: _Fit,
    settings: InterpolationSettings,
    positions: Positions,
    coarse: Grid,
    progress: Progress,
) -> list[tuple[Time | None, np.ndarray, np.ndarray | None]]:
    """Map the dates with the smallest and the largest mean once more, in cells as large as a report can show."""
    means = date_means(observations.values)
    dates = np.unique([np.argmin(means), np.argmax(means)])
    window = Window(0, 0, coarse.width, coarse.height)
    part = trend.of_dates(dates) if trend else None
    drift = None
    if part:
        with BandReader(part.bands, coarse).open() as bands:
            drift = bands.read(window)
    some = np.isfinite(observations.values[:, dates]).any(axis=1)
    if part:
        part = replace(part, at_stations=part.at_stations[some])
    model = _model(
        observations.positions[some],
        observations.values[np.ix_(some, dates)],
        part,
        fitted.variogram,
        settings,
        progress,
    )
    block = _predict(
        model, positions.of_cells(window, coarse), part, drift, fitted.scale[dates], settings.is_kriging, progress
    )
    block = block.reshape(-1, coarse.height, coarse.width)
    deviations = np.sqrt(block[len(dates) :]) if settings.is_kriging else [None] * len(dates)
    return [(observations.times[date], block[i], deviations[i]) for i, date in enumerate(dates)]
