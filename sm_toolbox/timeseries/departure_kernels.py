"""The compiled loops of departures from a cell's own year: along the columns of a row, through the days of a year."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

DIFFERENCE, STANDARDIZED, PERCENTILE = range(3)


@njit(**KERNEL_OPTIONS)
def depart(values, reference, order, day_of, low, high, own_year, fewest_years, places, out):
    """Set values against those of the same season in other years.

    Parameters
    ----------
    values : ndarray of float32 (dates, rows, cols)
        NaN in gaps.
    reference : ndarray of float32 (reference dates, rows, cols)
    order : ndarray of int64 (dates,)
        The dates by their day of the year.
    day_of : ndarray of int64 (dates,)
        The row of `low` and `high` of each date; it does not fall along `order`.
    low, high : ndarray of int64 (days, years)
        First reference date of the window of each year, and the first after it; none falls from day to day.
    own_year : ndarray of int64 (dates,)
        The year that does not count for a date; -1 for none.
    fewest_years : int
        Years in which a cell needs a value.
    places : ndarray of int64 (3,)
        Place of difference, standardized and percentile in `out`; -1 where it is not wanted.
    out : ndarray of float32 (wanted, dates, rows, cols)
        Filled.

    Returns
    -------
    int
        Values that have too few years.
    """
    years, columns = low.shape[1], values.shape[2]
    total, square, count = np.empty((years, columns)), np.empty((years, columns)), np.empty((years, columns))
    mean, spread, number = np.empty(columns), np.empty(columns), np.empty(columns)
    of_years, below = np.empty(columns), np.empty(columns)
    few = 0
    for row in range(values.shape[1]):
        total[:], square[:], count[:] = 0, 0, 0
        begin, end = low[0].copy(), low[0].copy()
        for date in order:
            day = day_of[date]
            for year in range(years):
                while end[year] < high[day, year]:
                    _include(reference[end[year], row], 1.0, total[year], square[year], count[year])
                    end[year] += 1
                while begin[year] < low[day, year]:
                    _include(reference[begin[year], row], -1.0, total[year], square[year], count[year])
                    begin[year] += 1
            mean[:], spread[:], number[:], of_years[:] = 0, 0, 0, 0
            for year in range(years):
                if year != own_year[date]:
                    for j in range(columns):
                        mean[j] += total[year, j]
                        spread[j] += square[year, j]
                        number[j] += count[year, j]
                        of_years[j] += 1.0 if count[year, j] > 0 else 0.0
            x = values[date, row]
            if places[PERCENTILE] >= 0:
                _rank(x, reference, row, low[day], high[day], own_year[date], below)
            for j in range(columns):
                valid = x[j] == x[j]
                enough = valid and of_years[j] >= fewest_years
                few += valid and not enough
                n = number[j]
                mean[j] = mean[j] / n if n > 0 else np.nan
                variance = (spread[j] - n * mean[j] * mean[j]) / (n - 1) if n > 1 else np.nan
                off = np.float64(x[j]) - mean[j]
                if places[DIFFERENCE] >= 0:
                    out[places[DIFFERENCE], date, row, j] = off if enough else np.nan
                if places[STANDARDIZED] >= 0:
                    # Rounding leaves a little of a variance of nothing.
                    varies = enough and variance > 1e-12 * (mean[j] * mean[j] + 1e-6)
                    out[places[STANDARDIZED], date, row, j] = off / np.sqrt(variance) if varies else np.nan
                if places[PERCENTILE] >= 0:
                    out[places[PERCENTILE], date, row, j] = 100 * below[j] / n if enough else np.nan
    return few


@njit(**KERNEL_OPTIONS)
def _include(values, sign, total, square, count):
    for j in range(values.size):
        valid = values[j] == values[j]
        value = sign * np.float64(values[j]) if valid else 0.0
        total[j] += value
        square[j] += value * np.float64(values[j]) if valid else 0.0
        count[j] += sign if valid else 0.0


@njit(**KERNEL_OPTIONS)
def _rank(x, reference, row, low, high, own_year, below):
    """Count reference values below x, and half of those that equal it."""
    doubled = np.zeros(x.size, np.int32)
    for year in range(low.size):
        if year != own_year:
            for i in range(low[year], high[year]):
                values = reference[i, row]
                for j in range(x.size):
                    doubled[j] += np.int32(values[j] < x[j]) + np.int32(values[j] <= x[j])
    for j in range(x.size):
        below[j] = doubled[j] / 2
