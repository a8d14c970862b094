"""From the values of a window of the grid to estimates of the errors of each cell."""

from __future__ import annotations

import calendar
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import Collocation, Design, collocate, covariances_of_sums, limit_widths
from sm_toolbox.progress import Progress

if TYPE_CHECKING:
    from sm_toolbox.merging.products import Products
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.streaming import OpenStacks
    from sm_toolbox.raster.times import Time

ANOMALIES = ("none", "climatology", "moving_window")
LIMITED = ("error", "scaled_error", "correlation", "snr", "sensitivity", "weight")
_FEWEST_YEARS = 3
# Cells of a bootstrap after which Cancel is heard.
_CELLS_BETWEEN_CHECKS = 128


@dataclass(frozen=True)
class Settings:
    """How errors are estimated.

    Parameters
    ----------
    design : Design
    min_samples : int
    alpha : float
        As for `collocate`.
    anomalies : {'none', 'climatology', 'moving_window'}
        Whether covariances are those of the values, of their deviations from the mean of each calendar month over all
        years, or from the mean of the samples of `anomaly_days` around each date.
    anomaly_days : float
    replicates : int
        Resampled series for confidence limits; 0 for none.
    reference : int
        The product in whose space scaled errors are.
    """

    design: Design
    min_samples: int
    alpha: float
    anomalies: str
    anomaly_days: float
    replicates: int
    reference: int


_MOST_REPLICATES, _LONGEST_WINDOW = 100_000, 36_525


def check_settings(settings: Settings) -> None:
    """Refuse settings that cannot be.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    InputError
        Which names the parameter.
    """
    if settings.anomalies not in ANOMALIES:
        raise InputError(f"ANOMALIES is '{settings.anomalies}', but must be one of: {', '.join(ANOMALIES)}.")
    if settings.min_samples < 3:
        raise InputError(
            f"MIN_SAMPLES is {settings.min_samples}, but must be at least 3: a covariance of two samples says nothing."
        )
    if not 0 < settings.alpha <= 1:
        raise InputError(f"ALPHA is {settings.alpha:g}, but must be above 0 and at most 1.")
    if settings.replicates < 0 or 0 < settings.replicates < 100:
        raise InputError(
            f"BOOTSTRAP is {settings.replicates}, but must be 0 or at least 100: limits are taken from the "
            "outermost resampled estimates."
        )
    if settings.replicates > _MOST_REPLICATES:
        raise InputError(
            f"BOOTSTRAP is {settings.replicates:,}, but may be up to {_MOST_REPLICATES:,}: 1000 give steady "
            "limits, and time grows with the number."
        )
    if not 0 < settings.anomaly_days <= _LONGEST_WINDOW:
        raise InputError(
            f"ANOMALY_WINDOW is {settings.anomaly_days:g} days, but must be above 0 and up to {_LONGEST_WINDOW:,} "
            "(100 years)."
        )


class Record:
    """The dates that values are read on, and what depends on them alone.

    Parameters
    ----------
    products : Products
    settings : Settings
    parts : ndarray of int64 (12,)
        The part of the year of each month, if sums are to be kept apart.
    """

    def __init__(self, products: Products, settings: Settings, parts: np.ndarray):
        self.products, self.settings = products, settings
        self.positions = products.positions
        self.months = np.array([time.start.month - 1 for time in products.times])
        self.parts = parts[self.months]
        by_month = settings.anomalies == "climatology"
        self.groups = self.months if by_month else self.parts
        self.group_count = 12 if by_month else int(parts.max()) + 1
        self.groups_of_part = [
            np.flatnonzero(parts == part) if by_month else np.array([part]) for part in range(int(parts.max()) + 1)
        ]
        self.low: np.ndarray | None = None
        self.high: np.ndarray | None = None
        if settings.anomalies == "moving_window":
            self.low, self.high = _moving_windows(products.times, settings.anomaly_days)
        # Deviations from a moving mean are about 0 already.
        centres = np.nan_to_num(np.array(products.medians, np.float32))
        self.shifts = np.zeros_like(centres) if self.low is not None else centres

    @property
    def margin(self) -> int:
        """Dates around a date that its moving window needs."""
        return 0 if self.low is None or self.high is None else int((self.high - self.low).max())

    def read(
        self, opened: OpenStacks, window: Window, at_once: int
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """Yield the record in parts.

        Parameters
        ----------
        opened : OpenStacks
        window : Window
        at_once : int
            Dates of a part.

        Yields
        ------
        first : int
            Position of the part's first date.
        block : ndarray of float32 (products, dates, rows, cols)
        means : ndarray of float32, same shape, or None
            Moving means, where anomalies from them are asked for.
        """
        from sm_toolbox.merging import covariance_kernels

        dates = self.positions.shape[1]
        if self.low is None or self.high is None:
            for first in range(0, dates, at_once):
                yield first, opened.read(self.positions[:, first : first + at_once], window), None
            return
        held, begin, end = None, 0, 0
        for first in range(0, dates, at_once):
            last = min(first + at_once, dates)
            start, stop = int(self.low[first]), int(self.high[last - 1])
            fresh = opened.read(self.positions[:, max(end, start) : stop], window)
            held = fresh if held is None else np.concatenate([held[:, start - begin :], fresh], axis=1)
            begin, end = start, stop
            block = held[:, first - begin : last - begin]
            means = np.empty_like(block)
            covariance_kernels.moving_means(held, self.low[first:last] - begin, self.high[first:last] - begin, means)
            yield first, block, means

    def add(self, first: int, block: np.ndarray, means: np.ndarray | None, sums: np.ndarray) -> None:
        """Add a part of the record to sums.

        Parameters
        ----------
        first : int
            Position of the part's first date.
        block : ndarray of float32 (products, dates, rows, cols)
        means : ndarray of float32, same shape, or None
            Subtracted first.
        sums : ndarray of float64 (groups, sums, rows, cols)
            Added to.
        """
        from sm_toolbox.merging import covariance_kernels

        values = np.ascontiguousarray(block) if means is None else block - means
        covariance_kernels.accumulate(values, self.shifts, self.groups[first : first + block.shape[1]], sums)

    def empty_sums(self, shape: tuple[int, int]) -> np.ndarray:
        """Return sums of 0 for a window.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns.

        Returns
        -------
        ndarray of float64 (groups, sums, rows, cols)
        """
        from sm_toolbox.merging.covariance_kernels import sums_per_cell

        return np.zeros((self.group_count, sums_per_cell(self.products.count), *shape))

    def bytes_per_cell(self) -> tuple[float, float]:
        """Return the bytes of a cell for sums and estimates, and for each date read, decoded and taken as anomaly."""
        from sm_toolbox.merging.covariance_kernels import sums_per_cell

        count = self.products.count
        fixed = 8 * sums_per_cell(count) * (self.group_count + 2) + 8 * len(self.settings.design.estimates)
        copies = 2 if self.low is None else 4
        return fixed + 8 * count * self.margin, 4 * count * (copies + bool(self.settings.replicates))

    def estimate(self, sums: np.ndarray, part: int | None = None, min_samples: int | None = None) -> Estimated:
        """Estimate the errors from sums, of all the year or one part of it.

        Parameters
        ----------
        sums : ndarray of float64 (groups, sums, rows, cols)
        part : int, optional
            Of the year; by default all.
        min_samples : int, optional
            By default that of the settings.

        Returns
        -------
        Estimated
        """
        within = self.settings.anomalies == "climatology"
        groups = None if part is None else self.groups_of_part[part]
        samples, lost, means, covariances = covariances_of_sums(sums, groups, within)
        found = collocate(
            covariances,
            samples,
            self.settings.design,
            min_samples=min_samples or self.settings.min_samples,
            alpha=self.settings.alpha,
            reference=self.settings.reference,
            lost=lost,
        )
        spreads = np.sqrt(np.stack([covariances[i, i] for i in range(self.products.count)]))
        return Estimated(found, samples, lost, means + self.shifts[:, None, None], spreads)

    def month_means(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean of each product in each month; of all the year where a month has fewer than three samples.

        Parameters
        ----------
        sums : ndarray of float64 (months, sums, rows, cols)

        Returns
        -------
        ndarray of float64 (12, products, rows, cols)
        """
        count = self.products.count
        n, total = sums[:, :1], sums[:, 1 : count + 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(n >= 3, total / n, total.sum(axis=0) / n.sum(axis=0))
        filled: np.ndarray = means + self.shifts[:, None, None]
        return filled

    def limits(
        self,
        block: np.ndarray,
        found: Estimated,
        seeds: np.ndarray,
        means: np.ndarray | None,
        sums: np.ndarray,
        progress: Progress,
    ) -> np.ndarray:
        """Return confidence limits from the whole record of a window; NaN where there are none.

        Parameters
        ----------
        block : ndarray of float32 (products, dates, rows, cols)
        found : Estimated
        seeds : ndarray of uint64 (rows, cols)
            Of each cell's random numbers.
        means : ndarray of float32, same shape as `block`, or None
            Moving means.
        sums : ndarray of float64 (groups, sums, rows, cols)
        progress : Progress
            Asked for Cancel.

        Returns
        -------
        ndarray of float32 (2, estimates, rows, cols)
        """
        from sm_toolbox.merging import bootstrap_kernels

        plan = self.settings.design
        values = block
        if means is not None:
            values = block - means
        elif self.settings.anomalies == "climatology":
            by_month = self.month_means(sums).astype(np.float32)
            values = np.stack([block[:, date] - by_month[month] for date, month in enumerate(self.months)], axis=1)
        shape = block.shape[2:]
        flat = np.ascontiguousarray(values).reshape(*values.shape[:2], -1)
        estimates = found.estimates.reshape(len(found.estimates), -1)
        out = np.full((2, *estimates.shape), np.nan, np.float32)
        cells = np.flatnonzero(found.flags == 0)
        for first in range(0, cells.size, _CELLS_BETWEEN_CHECKS):
            progress.check()
            bootstrap_kernels.bootstrap(
                flat,
                cells[first : first + _CELLS_BETWEEN_CHECKS],
                seeds.ravel(),
                plan.triplets,
                plan.quadruplets,
                plan.pairs,
                plan.declared,
                self.settings.reference,
                found.lost.ravel(),
                self.settings.replicates,
                limit_widths(),
                estimates,
                out,
            )
        return out.reshape(2, -1, *shape)


@dataclass(frozen=True)
class Estimated:
    """What is known of the cells of a window, each (..., rows, cols).

    Parameters
    ----------
    found : Collocation
        The estimates.
    samples : ndarray of int (rows, cols)
        Common dates.
    lost : ndarray (rows, cols)
        Degrees of freedom lost to group means.
    means, spreads : ndarray of float64 (products, rows, cols)
        Means and standard deviations of the products.
    """

    found: Collocation
    samples: np.ndarray
    lost: np.ndarray
    means: np.ndarray
    spreads: np.ndarray

    @property
    def estimates(self) -> np.ndarray:
        """In the order of `Design.estimates`."""
        return self.found.estimates

    @property
    def flags(self) -> np.ndarray:
        """0 where resolved."""
        return self.found.flags


def _moving_windows(times: Sequence[Time], days: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each date the first date of its window, and the first one after it."""
    from sm_toolbox.merging.covariance_kernels import FEWEST_IN_WINDOW

    at = np.array([(time.start - times[0].start).total_seconds() / 86400 for time in times])
    low, high = np.searchsorted(at, at - days / 2, "left"), np.searchsorted(at, at + days / 2, "right")
    if float(np.median(high - low)) < FEWEST_IN_WINDOW:
        raise InputError(
            f"A window of ANOMALY_WINDOW {days:g} days holds {np.median(high - low):.0f} of the dates, but the "
            f"mean of the season needs at least {FEWEST_IN_WINDOW}. Give a longer window, or take ANOMALIES "
            "climatology for monthly data."
        )
    return low.astype(np.int64), high.astype(np.int64)


def warn_of_short_climatology(times: Sequence[Time], progress: Progress) -> None:
    """Say where a mean year rests on too few years.

    Parameters
    ----------
    times : sequence of Time
        In order.
    progress : Progress
    """
    years = (times[-1].start - times[0].start).days / 365.25
    if years < _FEWEST_YEARS:
        progress.warning(
            f"ANOMALIES climatology: the common dates span {years:.1f} years, so that each month's mean is mostly "
            f"of the month itself. It is meant for {_FEWEST_YEARS} and more years; take moving_window."
        )


def month_position(time: Time) -> tuple[int, int, float]:
    """Return the two months whose middles a date lies between, and how far it is from the first to the second.

    Parameters
    ----------
    time : Time

    Returns
    -------
    first, second : int
        Months, 0 to 11.
    share : float
        0 to 1.
    """
    day = (
        (calendar.monthrange(time.start.year, time.start.month)[1] - 1) / 2
        if time.resolution == "month"
        else time.start.day - 1
    )
    place = time.start.month - 1 + (day + 0.5) / calendar.monthrange(time.start.year, time.start.month)[1] - 0.5
    first = math.floor(place)
    return first % 12, (first + 1) % 12, place - first


def cell_seeds(grid: Grid, window: Window) -> np.ndarray:
    """Return a seed for each cell of a window (rows, cols), which depends on nothing but its place in the grid.

    Parameters
    ----------
    grid : Grid
    window : Window

    Returns
    -------
    ndarray of uint64 (rows, cols)
    """
    rows, columns = (
        np.arange(start, start + size, dtype=np.uint64)
        for start, size in ((window.row_off, window.height), (window.col_off, window.width))
    )
    return rows[:, None] * np.uint64(grid.width) + columns + np.uint64(1)
