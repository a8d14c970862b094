"""The time constant of the exponential filter that deeper sensors ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import correlation
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import read_bands, single_stack
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.points import nearest_bands, sample
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.timeseries.dates import days_since_first, require_dates
from sm_toolbox.timeseries.rootzone import exponential_filter

CANDIDATE_DAYS = (1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100)
"""Time constants that are tried."""
_FEWEST_DAYS = 30


@dataclass(frozen=True)
class TimeConstantFit:
    """What deeper sensors ask for.

    Parameters
    ----------
    days : int
        The time constant with the highest median correlation over the stations.
    stations : list of (str, int, float, int)
        Name, its own best time constant, the correlation with it, and the number of days, by station.
    median : dict of int to float
        Median correlation by time constant.
    """

    days: int
    stations: list[tuple[str, int, float, int]]
    median: dict[int, float]


def fit_time_constant(
    rows: Rows, observed: np.ndarray, sources: Sequence[Source], progress: Progress = SILENT
) -> TimeConstantFit:
    """Find the time constant whose filtered surface moisture follows that of deeper sensors best.

    The surface is read in the cell of each station, filtered, and correlated with the mean observation of each date
    (Albergel et al. 2008, doi 10.5194/hess-12-1323-2008, section 3.2, by correlation instead of efficiency, since the
    limits of the surface are no concern of it).

    Parameters
    ----------
    rows : Rows
        Place, time and station of each observation.
    observed : ndarray of float64 (rows,)
        Moisture of the deeper layer; NaN where there is none.
    sources : sequence of Source
        Dated surface moisture of one variable.
    progress : Progress, optional

    Returns
    -------
    TimeConstantFit

    Raises
    ------
    InputError
        Where rows have no times, or no station has enough days.
    """
    if rows.times is None:
        raise InputError(f"The `times` field of '{rows.layer}' is needed to fit the time constant. Choose it.")
    stack = single_stack(read_bands(sources), "sources")
    require_dates(stack, 2)
    names = rows.stations()
    date_of_row = nearest_bands(stack, rows.times, 0 if stack.step_days <= 1 else None)[0]
    usable = ~np.isnan(observed) & np.isfinite(rows.x) & np.isfinite(rows.y) & (date_of_row >= 0)
    days = days_since_first(stack.times, stack.times[0])
    found, by_candidate = [], []
    stations = np.unique(names[usable])
    x, y = (np.array([np.median(values[usable & (names == name)]) for name in stations]) for values in (rows.x, rows.y))
    every = np.divmod(np.arange(len(stations) * len(days)), len(days))
    surface = sample(stack.bands, x, y, rows.crs, *every, progress=progress).reshape(len(stations), len(days))
    for name, series in zip(stations, surface):
        progress.check()
        own = usable & (names == name)
        count = np.bincount(date_of_row[own], minlength=len(days))
        with np.errstate(invalid="ignore", divide="ignore"):
            deep = np.bincount(date_of_row[own], observed[own], minlength=len(days)) / count
        both = ~np.isnan(series) & ~np.isnan(deep)
        if both.sum() < _FEWEST_DAYS:
            continue
        fits = [
            correlation(exponential_filter(days, series, constant)[both], deep[both]) for constant in CANDIDATE_DAYS
        ]
        if np.isnan(fits).all():
            continue
        best = int(np.nanargmax(fits))
        found.append((str(name), CANDIDATE_DAYS[best], fits[best], int(both.sum())))
        by_candidate.append(fits)
    if not found:
        raise InputError(
            f"No station of '{rows.layer}' has {_FEWEST_DAYS} days with an observation and a value of `sources` in its "
            "cell. Give a longer record, or set `time_constant` without stations."
        )
    medians = np.nanmedian(by_candidate, axis=0)
    best = int(np.nanargmax(medians))
    fit = TimeConstantFit(
        CANDIDATE_DAYS[best], found, {days: float(value) for days, value in zip(CANDIDATE_DAYS, medians)}
    )
    own_days = [constant for _, constant, _, _ in found]
    progress.info(
        f"Time constant of '{rows.layer}': {fit.days} days, median correlation {medians[best]:.2f} at {len(found)} "
        f"stations (their own best: {min(own_days)} to {max(own_days)} days)."
    )
    if fit.days in (CANDIDATE_DAYS[0], CANDIDATE_DAYS[-1]):
        progress.warning(
            f"The best time constant, {fit.days} days, is the end of what was tried. Check that the observations are "
            "of a deeper layer than the surface, and of the same place and time."
        )
    return fit
