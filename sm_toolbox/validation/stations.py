"""A product against stations: pairs in time and place, metrics of each station and of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.prediction import VARIABLE
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import Source, read_bands, single_stack, stacks
from sm_toolbox.stations.sampling import Rows, VariableSamples, reaches_in_words, sample_rows
from sm_toolbox.validation.metrics import Intervals, Metrics, intervals, metrics


@dataclass(frozen=True)
class StationMetrics:
    """What the pairs of one station say.

    Parameters
    ----------
    station : str
    group : str or None
    row : int
        The station's first row, for its place.
    metrics : Metrics
    intervals : Intervals
        95 % confidence limits.
    """

    station: str
    group: str | None
    row: int
    metrics: Metrics
    intervals: Intervals


@dataclass(frozen=True)
class StationValidation:
    """Pairs and metrics.

    Parameters
    ----------
    rows : ndarray of int (pairs,)
        Positions in the table of observations, sorted by station and time.
    predicted, observed : ndarray of float64 (pairs,)
    stations : ndarray of str (pairs,)
    groups : ndarray of str (pairs,), optional
    times : ndarray of datetime64[s] (pairs,)
    pooled : Metrics
        Over all pairs of the stations with enough of them.
    by_station : list of StationMetrics
        Stations with enough pairs.
    too_few : list of (str, int)
        Stations with too few pairs, and how many they have.
    unmatched : list of (str, int)
        Reasons for which observations have no pair, and how many.
    """

    rows: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray
    stations: np.ndarray
    groups: np.ndarray | None
    times: np.ndarray
    pooled: Metrics
    by_station: list[StationMetrics]
    too_few: list[tuple[str, int]]
    unmatched: list[tuple[str, int]]

    def median(self, name: str) -> float:
        """Return the median over stations of a metric; NaN where no station has it."""
        values = np.array([getattr(item.metrics, name) for item in self.by_station], float)
        return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def validate_stations(
    rows: Rows, observed: np.ndarray, sources: Sequence[Source], groups: Sequence[str | None] | None = None, *,
    max_gap_days: float | None = None, min_samples: int = 10, method: str = "nearest", progress: Progress = SILENT,
) -> StationValidation:  # fmt: skip
    """Compare a product with observations.

    Parameters
    ----------
    rows : Rows
        Place, time and station of each observation.
    observed : ndarray of float64 (rows,)
        m³ m⁻³; NaN where there is none.
    sources : sequence of Source
        The product: one variable, static or dated. Where there are several, `soil_moisture` is taken.
    groups : sequence of str, optional
        A property of the stations (land cover, network) for the report.
    max_gap_days : float, optional
        How far in time the product may lie from an observation; by default half the distance of its dates.
    min_samples : int, optional
        Pairs that a station needs to be rated on its own.
    method : {'nearest', 'bilinear'}, optional

    Raises
    ------
    InputError
        Where nothing matches or no station has enough pairs.
    """
    if np.isnan(observed).all():
        raise InputError(f"No row of '{rows.layer}' has an observed value. Check the VALUE field.")
    bands = read_bands(sources)
    variables = stacks(bands)
    if len(variables) > 1 and VARIABLE in variables:
        progress.info(f"Of the variables {', '.join(variables)} the one validated is '{VARIABLE}'.")
        bands = list(variables[VARIABLE].bands)
    stack = single_stack(bands, "PRODUCT")
    kept = {band.source for band in stack.bands}
    samples = sample_rows(rows, [source for source in sources if source in kept], max_gap_days, method, progress)
    product = next(variable for variable in samples.variables if variable.variable == stack.variable)
    if max_gap_days is None and product.reach_days >= 1:
        progress.info(reaches_in_words([product]))
    return _compare(rows, observed, product, groups, min_samples)


def _compare(rows: Rows, observed: np.ndarray, product: VariableSamples, groups: Sequence[str | None] | None, min_samples: int) -> StationValidation:
    has_value = ~np.isnan(observed)
    reasons = {
        "no observed value": ~has_value,
        "station outside the product": has_value & product.outside,
        "no date of the product near enough": has_value & product.no_date,
        "no data in the product": has_value & product.no_data,
    }
    unmatched = [(reason, int(np.count_nonzero(mask))) for reason, mask in reasons.items() if mask.any()]
    names = rows.stations()
    times = np.array(
        [np.datetime64(time.start, "s") if time else np.datetime64("NaT", "s") for time in rows.times]
        if rows.times is not None
        else [np.datetime64("NaT", "s")] * len(observed)
    )
    pairs = np.flatnonzero(has_value & ~np.isnan(product.values))
    pairs = pairs[np.lexsort((times[pairs], names[pairs]))]
    group_of = None if groups is None else np.array([group or "(none)" for group in groups])
    by_station, too_few = [], []
    stations, starts, counts = np.unique(names[pairs], return_index=True, return_counts=True)
    for station, start, count in zip(stations, starts, counts):
        if count < min_samples:
            too_few.append((str(station), int(count)))
            continue
        own = pairs[start : start + count]
        group = None if group_of is None else str(group_of[own[0]])
        predicted, truth = product.values[own], observed[own]
        by_station.append(StationMetrics(str(station), group, int(own[0]), metrics(predicted, truth), intervals(predicted, truth)))
    if not by_station:
        most = f"the one with the most, '{stations[np.argmax(counts)]}', has {counts.max()}" if len(pairs) else "there is none at all"
        why = "; ".join(f"{count} rows: {reason}" for reason, count in unmatched)
        raise InputError(
            f"No station of '{rows.layer}' has {min_samples} pairs with the product ({most}). {why + '. ' if why else ''}Lower MIN_SAMPLES (1 for a map of one date), or allow a larger MAX_TIME_GAP."
        )
    pooled = metrics(product.values[pairs], observed[pairs])
    return StationValidation(
        pairs,
        product.values[pairs],
        observed[pairs],
        names[pairs],
        None if group_of is None else group_of[pairs],
        times[pairs],
        pooled,
        by_station,
        too_few,
        unmatched,
    )
