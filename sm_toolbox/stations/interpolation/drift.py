"""Drift: rasters on which the mean of a variable depends, at stations and at cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster.bands import Band, read_bands, stacks
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.stations.interpolation.observations import Observations
from sm_toolbox.stations.sampling import Rows, reaches_in_words, sample_rows


@dataclass(frozen=True)
class Drift:
    """Rasters that the mean depends on: at the stations, and where to read them for each date.

    Parameters
    ----------
    names : list of str
    at_stations : ndarray (places, p, dates)
        NaN where there is none.
    bands : list of Band
    picks : ndarray of int (dates, p)
        Positions in `bands`; -1 where none is near enough in time.
    is_static : bool
        Whether all dates have the same.
    """

    names: list[str]
    at_stations: np.ndarray
    bands: list[Band]
    picks: np.ndarray
    is_static: bool

    @classmethod
    def sample(
        cls, sources: Sequence[Source], observations: Observations, max_gap_days: float | None, progress: Progress
    ) -> Drift:
        """Take the drift at stations and dates from rasters.

        Parameters
        ----------
        sources : sequence of Source
            Static or dated bands of one or several variables.
        observations : Observations
        max_gap_days : float or None
            As `Stack.reach`.
        progress : Progress

        Returns
        -------
        Drift
        """
        by_name = stacks(read_bands(sources))
        is_static = all(stack.is_static for stack in by_name.values())
        places, dates = observations.values.shape
        times = [None] * places if is_static else [time for time in observations.times for _ in range(places)]
        repeats = 1 if is_static else dates
        undated = observations.times == [None]
        rows = Rows(
            observations.layer, np.tile(observations.x, repeats), np.tile(observations.y, repeats), observations.crs,
            None if is_static or undated else times, observations.names * repeats,
        )  # fmt: skip
        samples = sample_rows(rows, sources, max_gap_days, "nearest", progress)
        if max_gap_days is None and not is_static:
            progress.info(reaches_in_words(samples.variables))
        at_stations = np.stack([variable.values.reshape(repeats, places).T for variable in samples.variables], axis=1)
        bands: list[Band] = []
        picks = np.full((dates, len(by_name)), -1)
        rule = TimeRule.of(max_gap_days)
        for column, (name, stack) in enumerate(by_name.items()):
            number: dict[int, int] = {}
            for date, time in enumerate(observations.times):
                position = rule.nearest(name, stack, time)
                if position is not None:
                    if position not in number:
                        number[position] = len(bands)
                        bands.append(stack.bands[position])
                    picks[date, column] = number[position]
        return cls(list(by_name), np.broadcast_to(at_stations, (places, len(by_name), dates)), bands, picks, is_static)

    def of_dates(self, dates: np.ndarray) -> Drift:
        """Return the drift of some dates.

        Parameters
        ----------
        dates : ndarray of bool or int

        Returns
        -------
        Drift
        """
        picks = self.picks[dates]
        used, numbers = np.unique(picks, return_inverse=True)
        return Drift(
            self.names,
            self.at_stations[:, :, dates],
            [self.bands[i] for i in used],
            numbers.reshape(picks.shape),
            self.is_static,
        )

    @property
    def stations(self) -> np.ndarray:
        """The drift at the stations as `Kriging` takes it."""
        return self.at_stations[:, :, 0] if self.is_static else self.at_stations

    def cells(self, block: np.ndarray) -> np.ndarray:
        """Return the drift of cells from a block of the bands.

        Parameters
        ----------
        block : ndarray of float32 (bands, cells)

        Returns
        -------
        ndarray of float64 (cells, p) or (cells, p, dates)
            The latter where the drift is dated.
        """
        if self.is_static:
            return block[self.picks[0]].T.astype(np.float64)
        return block[self.picks].transpose(2, 1, 0).astype(np.float64)


def refuse_useless(trend: Drift, values: np.ndarray) -> None:
    """Reject drifts that are constant or collinear at the stations on all dates.

    Parameters
    ----------
    trend : Drift
    values : ndarray of float64 (stations, dates)
        NaN where there is none.

    Raises
    ------
    InputError
        Where a variable is constant at the stations, or follows from the others.
    """
    is_valid = np.isfinite(values)
    table = np.concatenate([trend.at_stations[is_valid[:, date], :, date] for date in range(values.shape[1])])
    column = dependent_drift(table) if len(table) else None
    if column is None:
        return
    others = [name for name in trend.names if name != trend.names[column]]
    if np.ptp(table[:, column]) <= 1e-6 * np.abs(table[:, column]).max():
        raise InputError(
            f"The drift '{trend.names[column]}' is {table[0, column]:.6g} at all stations: nothing can be learned "
            "from it. Leave it out of `drift`."
        )
    raise InputError(
        f"The drift '{trend.names[column]}' follows linearly from {', '.join(others)} at the stations. Leave one "
        "of them out of `drift`."
    )


def dependent_drift(drift: np.ndarray) -> int | None:
    """Return the first drift that is constant or follows linearly from those before it; None where there is none.

    Parameters
    ----------
    drift : ndarray (stations, p)

    Returns
    -------
    int or None
    """
    basis = np.ones((len(drift), 1))
    for column in range(drift.shape[1]):
        vector = drift[:, [column]]
        vector = vector - vector.mean()
        # Single precision is what rasters hold.
        size = max(np.linalg.norm(vector), 1e-6 * np.linalg.norm(drift[:, column]))
        if size == 0:
            return column
        residual = vector - basis @ np.linalg.lstsq(basis, vector, rcond=None)[0]
        if np.linalg.norm(residual) <= 1e-5 * size:
            return column
        basis = np.concatenate([basis, vector / size], axis=1)
    return None
