"""Pairs of predicted and observed values rated: station by station, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import MOISTURE_UNIT, Intervals, Metrics, intervals, metrics
from sm_toolbox.raster.meaning import unit_of_moisture
from sm_toolbox.validation.anomalies import VALUES, Deviations


@dataclass(frozen=True)
class StationMetrics:
    """Metrics of the pairs of one station.

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
    unit : str
        Of what was compared, for reports: m³ m⁻³, or "" where the observations say that it is another.
    anomalies : str
        'none' where values were compared, else what was taken off: a word of `ANOMALIES`.
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
    unit: str = MOISTURE_UNIT
    anomalies: str = "none"

    def median(self, name: str) -> float:
        """Return the median over stations of a metric; NaN where no station has it.

        Parameters
        ----------
        name : str
            A key of `METRICS`.

        Returns
        -------
        float
        """
        values = np.array([item.metrics.values[name] for item in self.by_station], float)
        return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


@dataclass(frozen=True)
class Observed:
    """What was observed, where and when.

    Parameters
    ----------
    layer : str
        The layer's name, for messages.
    stations : ndarray of str (rows,)
    times : ndarray of datetime64[s] (rows,)
        NaT where a row has none.
    values : ndarray of float64 (rows,)
        NaN where there is none.
    groups : ndarray of str (rows,), optional
        A property of the stations.
    repeated : ndarray of bool (rows,), optional
        Rows that repeat an earlier one and do not count.
    """

    layer: str
    stations: np.ndarray
    times: np.ndarray
    values: np.ndarray
    groups: np.ndarray | None = None
    repeated: np.ndarray | None = None

    @property
    def counts(self) -> np.ndarray:
        """Rows with a value that is none of an earlier row's (rows,)."""
        has_value = ~np.isnan(self.values)
        return has_value if self.repeated is None else has_value & ~self.repeated

    def reasons(self, others: Mapping[str, np.ndarray]) -> list[tuple[str, int]]:
        """Count the rows that have no pair, by reason.

        Parameters
        ----------
        others : mapping of str to ndarray of bool (rows,)
            Reasons beside those of the observations themselves, which go before.

        Returns
        -------
        list of (str, int)
            Those that concern any.
        """
        repeated = np.zeros(len(self.values), bool) if self.repeated is None else self.repeated
        own = {"no observed value": ~self.counts & ~repeated, "the same as an earlier row": repeated}
        masks = {**own, **{reason: self.counts & mask for reason, mask in others.items()}}
        return [(reason, int(np.count_nonzero(mask))) for reason, mask in masks.items() if mask.any()]


def rate(
    observations: Observed,
    predicted: np.ndarray,
    min_samples: int = 10,
    why_not: Mapping[str, np.ndarray] | None = None,
    deviations: Deviations = VALUES,
) -> StationValidation:
    """Rate predicted values by the observed ones.

    Parameters
    ----------
    observations : Observed
    predicted : ndarray of float64 (rows,)
        NaN where there is none.
    min_samples : int, optional
        Pairs that a station needs to be rated on its own.
    why_not : mapping of str to ndarray of bool (rows,), optional
        Rows without a predicted value, by reason.
    deviations : Deviations, optional
        What of a series is compared: by default its values, else what is left without the season.

    Returns
    -------
    StationValidation

    Raises
    ------
    InputError
        Where no station has enough pairs.

    Examples
    --------
    >>> observed, stations = np.array([0.1, 0.2, 0.3, 0.2]), np.array(["a"] * 4)
    >>> times = np.datetime64("2018-06-01", "s") + np.arange(4) * np.timedelta64(86400, "s")
    >>> result = rate(Observed("stations", stations, times, observed), observed + 0.01, min_samples=3)
    >>> result.pooled.n, round(result.pooled.bias, 3), [item.station for item in result.by_station]
    (4, 0.01, ['a'])
    """
    unmatched = observations.reasons(why_not or {})
    names, times, groups = observations.stations, observations.times, observations.groups
    pairs = np.flatnonzero(observations.counts & ~np.isnan(predicted))
    pairs = pairs[np.lexsort((times[pairs], names[pairs]))]
    of_pairs, truth, dropped = deviations.of_pairs(
        names[pairs], times[pairs], predicted[pairs], observations.values[pairs]
    )
    if dropped.any():
        unmatched.append(("no mean of the season, for too few values around", int(np.count_nonzero(dropped))))
        pairs, of_pairs, truth = pairs[~dropped], of_pairs[~dropped], truth[~dropped]
    by_station, too_few = [], []
    stations, starts, counts = np.unique(names[pairs], return_index=True, return_counts=True)
    for station, start, count in zip(stations, starts, counts):
        if count < min_samples:
            too_few.append((str(station), int(count)))
            continue
        part = slice(start, start + count)
        group = None if groups is None else str(groups[pairs[start]])
        by_station.append(
            StationMetrics(
                str(station),
                group,
                int(pairs[start]),
                metrics(of_pairs[part], truth[part]),
                intervals(of_pairs[part], truth[part]),
            )
        )
    if not by_station:
        most = (
            f"the one with the most, '{stations[np.argmax(counts)]}', has {counts.max()}"
            if len(pairs)
            else "there is none at all"
        )
        why = "; ".join(f"{count} rows: {reason}" for reason, count in unmatched)
        raise InputError(
            f"No station of '{observations.layer}' has {min_samples} pairs with the product ({most}). "
            f"{why + '. ' if why else ''}Lower `min_samples` (1 for a map of one date), or allow a larger "
            "`max_gap_days`."
        )
    return StationValidation(
        pairs,
        of_pairs,
        truth,
        names[pairs],
        None if groups is None else groups[pairs],
        times[pairs],
        metrics(of_pairs, truth),
        by_station,
        too_few,
        unmatched,
        unit_of_moisture(observations.values[pairs]),
        deviations.kind,
    )
