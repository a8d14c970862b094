"""From the values of a window of the grid to estimates of the errors of each cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.merging.collocation import (
    Collocation,
    collocate,
    covariances_of_sums,
    limit_widths,
    memory_of_sums,
)
from sm_toolbox.merging.settings import Estimation
from sm_toolbox.progress import Progress
from sm_toolbox.timeseries.anomaly import month_anomalies, month_means, moving_windows, read_with_moving_means

if TYPE_CHECKING:
    from sm_toolbox.merging.products import Products
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.streaming import OpenStacks

LIMITED = ("error", "scaled_error", "correlation", "snr", "sensitivity", "weight")
# Cells of a bootstrap after which Cancel is heard.
_CELLS_BETWEEN_CHECKS = 128


class Record:
    """The dates that values are read on, and what depends on them alone.

    Parameters
    ----------
    products : Products
    estimation : Estimation
    parts : ndarray of int64 (12,)
        The part of the year of each month, if sums are to be kept apart.
    """

    def __init__(self, products: Products, estimation: Estimation, parts: np.ndarray):
        self.products, self.estimation = products, estimation
        settings = estimation.settings
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
            self.low, self.high = moving_windows(products.times, settings.anomaly_window)
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
        if self.low is not None and self.high is not None:
            yield from read_with_moving_means(
                lambda start, stop: opened.read(self.positions[:, start:stop], window), self.low, self.high, at_once
            )
            return
        for first in range(0, self.positions.shape[1], at_once):
            yield first, opened.read(self.positions[:, first : first + at_once], window), None

    def sum_up(
        self, opened: OpenStacks, window: Window, at_once: int, progress: Progress
    ) -> tuple[np.ndarray, tuple[int, np.ndarray, np.ndarray | None] | None]:
        """Return the sums of a window, and the part of the record that was read last.

        Parameters
        ----------
        opened : OpenStacks
        window : Window
        at_once : int
            Dates of a part.
        progress : Progress
            Asked for Cancel.

        Returns
        -------
        sums : ndarray of float64 (groups, sums, rows, cols)
        part : (int, ndarray, ndarray or None) or None
            As `read` yields it: all of the record, where it is read at once.
        """
        shape = int(window.height), int(window.width)
        sums, latest = self.empty_sums(shape), np.full((self.products.count, *shape), np.nan, np.float32)
        part = None
        for part in self.read(opened, window, at_once):
            progress.check()
            self.add(*part, sums, latest)
        return sums, part

    def add(
        self, first: int, block: np.ndarray, means: np.ndarray | None, sums: np.ndarray, latest: np.ndarray
    ) -> None:
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
        latest : ndarray of float32 (products, rows, cols)
            The latest sample before the part, NaN where there is none; updated.
        """
        from sm_toolbox.merging import covariance_kernels

        values = np.ascontiguousarray(block) if means is None else block - means
        groups = self.groups[first : first + block.shape[1]]
        covariance_kernels.accumulate(values, self.shifts, groups, sums, latest)

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
        fixed = (
            8 * sums_per_cell(count) * (self.group_count + 2) + 4 * count + 8 * len(self.estimation.design.estimates)
        )
        copies = 2 if self.low is None else 4
        return fixed + 8 * count * self.margin, 4 * count * (copies + bool(self.estimation.settings.replicates))

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
        settings = self.estimation.settings
        within = settings.anomalies == "climatology"
        groups = None if part is None else self.groups_of_part[part]
        samples, lost, means, covariances = covariances_of_sums(sums, groups, within)
        found = collocate(
            covariances,
            samples,
            self.estimation.design,
            min_samples=min_samples or settings.min_samples,
            alpha=settings.alpha,
            reference=self.estimation.reference,
            lost=lost,
            memory=memory_of_sums(sums, groups, within),
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
        means = month_means(sums[:, :1], sums[:, 1 : self.products.count + 1])
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

        plan, settings = self.estimation.design, self.estimation.settings
        values = block
        if means is not None:
            values = block - means
        elif settings.anomalies == "climatology":
            values = month_anomalies(block, self.months, self.month_means(sums))
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
                self.estimation.reference,
                found.lost.ravel(),
                settings.replicates,
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
