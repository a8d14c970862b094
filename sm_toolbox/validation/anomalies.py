"""What of the series of stations is compared: their values, or what is left when the season is taken off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.timeseries.anomaly import check_anomalies, month_means

# As where products are collocated.
_FEWEST_IN_WINDOW = 3


@dataclass(frozen=True)
class Deviations:
    """What of a series of pairs is compared; both sides lose the season of the same dates.

    Parameters
    ----------
    kind : {'none', 'climatology', 'moving_window'}, optional
        The values; or deviations from the mean of each calendar month over all years, or from the mean of the pairs
        around each date.
    window_days : float, optional
        Length of the moving window, with the date in its middle.

    Raises
    ------
    InputError
        Where the kind is none of these, or the window none.
    """

    kind: str = "none"
    window_days: float = 35

    def __post_init__(self) -> None:
        check_anomalies(self.kind, self.window_days)

    def of_pairs(
        self, stations: np.ndarray, times: np.ndarray, predicted: np.ndarray, observed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return both sides of pairs as they are compared.

        Parameters
        ----------
        stations : ndarray of str (pairs,)
        times : ndarray of datetime64[s] (pairs,)
            In order within each station.
        predicted, observed : ndarray of float64 (pairs,)

        Returns
        -------
        predicted, observed : ndarray of float64 (pairs,)
        dropped : ndarray of bool (pairs,)
            Pairs without a time, or with too few others around them.
        """
        left, dropped = self.of_series(stations, times, np.stack([predicted, observed]))
        return left[0], left[1], dropped

    def of_series(self, stations: np.ndarray, times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return several series of stations as they are compared.

        Parameters
        ----------
        stations : ndarray of str (samples,)
        times : ndarray of datetime64[s] (samples,)
            In order within each station.
        values : ndarray of float64 (series, samples)

        Returns
        -------
        values : ndarray of float64 (series, samples)
        dropped : ndarray of bool (samples,)
            Samples without a time, or with too few others around them.
        """
        if self.kind == "none":
            return values, np.zeros(values.shape[1], bool)
        season = np.full(values.shape, np.nan)
        dated = ~np.isnat(times)
        for station in np.unique(stations):
            rows = np.flatnonzero((stations == station) & dated)
            if len(rows):
                season[:, rows] = (
                    _months(values[:, rows], times[rows])
                    if self.kind == "climatology"
                    else _window(values[:, rows], times[rows], self.window_days)
                )
        return values - season, np.isnan(season).any(axis=0)


VALUES = Deviations()
"""The values as they are."""


def _months(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean of each date's calendar month over all years, (series, dates)."""
    months = times.astype("datetime64[M]").astype(int) % 12
    samples = np.bincount(months, minlength=12)[:, None]
    totals = np.stack([np.bincount(months, series, 12) for series in values], axis=1)
    # Of a month without samples nothing is asked.
    return np.asarray(month_means(samples, totals)[months].T)


def _window(values: np.ndarray, times: np.ndarray, days: float) -> np.ndarray:
    """Return the mean of the samples around each date, (series, dates); NaN where they are too few."""
    at = times.astype("datetime64[s]").astype(np.int64) / 86400
    low, high = np.searchsorted(at, at - days / 2, "left"), np.searchsorted(at, at + days / 2, "right")
    # Sums of deviations from the series' own mean lose nothing to rounding.
    middle = values.mean(axis=1, keepdims=True)
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values - middle, axis=1)], axis=1)
    count = high - low
    return np.asarray(np.where(count >= _FEWEST_IN_WINDOW, (sums[:, high] - sums[:, low]) / count + middle, np.nan))
