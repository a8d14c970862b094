"""Figures of series: lines by region, the mean year, and a quantity by latitude and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from sm_toolbox.report.figures import COLORS, plain

_MONTHS = "JFMAMJJASOND"
_MOST_MARKS = 400


def series_of_regions(times: np.ndarray, regions: Mapping[str, np.ndarray], label: str, title: str) -> Figure:
    """Draw a quantity of several regions over time.

    Parameters
    ----------
    times : ndarray of datetime64 (times,)
    regions : mapping of str to ndarray (times,)
        By name, at most five; NaN leaves a gap.
    label : str
        Of the axis.
    title : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8, 2.8))
    axes = figure.add_subplot()
    when = times.astype("datetime64[s]").tolist()
    for (name, values), color in zip(regions.items(), COLORS):
        # Marks of thousands of dates would hide the line.
        marker = "." if len(when) <= _MOST_MARKS else ""
        axes.plot(when, values, color=color, linewidth=1, marker=marker, markersize=3, label=plain(name))
    axes.set_ylabel(plain(label))
    axes.set_title(plain(title), fontsize=10)
    if len(regions) > 1:
        axes.legend(fontsize=8, frameon=False, ncol=len(regions))
    figure.autofmt_xdate()
    return figure


def mean_years(regions: Mapping[str, np.ndarray], label: str) -> Figure:
    """Draw the mean of each month of several regions.

    Parameters
    ----------
    regions : mapping of str to ndarray (12,)
        By name, at most five; NaN where a month has no value.
    label : str
        Of the axis.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(4.6, 2.8))
    axes = figure.add_subplot()
    for (name, values), color in zip(regions.items(), COLORS):
        axes.plot(range(12), values, color=color, linewidth=1.4, marker="o", markersize=3.5, label=plain(name))
    axes.set_xticks(range(12))
    axes.set_xticklabels(list(_MONTHS))
    axes.set_ylabel(plain(label))
    if len(regions) > 1:
        axes.legend(fontsize=8, frameon=False)
    return figure


def hovmoeller(times: np.ndarray, rows: Sequence[str], values: np.ndarray, label: str) -> Figure:
    """Draw a quantity by row and time, as columns of equal width.

    Parameters
    ----------
    times : ndarray of datetime64 (times,)
    rows : sequence of str
        From the top.
    values : ndarray (times, rows)
        0 to 1; NaN stays white.
    label : str
        Of the colours.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8, 1.6 + 0.08 * max(8, len(rows))), constrained_layout=True)
    axes = figure.add_subplot()
    drawn = axes.imshow(values.T, aspect="auto", vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
    some = np.unique(np.linspace(0, len(times) - 1, min(7, len(times))).round().astype(int))
    axes.set_xticks(some)
    axes.set_xticklabels([str(times[i].astype("datetime64[D]")) for i in some], fontsize=8)
    few = np.unique(np.linspace(0, len(rows) - 1, min(8, len(rows))).round().astype(int))
    axes.set_yticks(few)
    axes.set_yticklabels([plain(rows[i]) for i in few], fontsize=8)
    figure.colorbar(drawn, ax=axes, label=plain(label), shrink=0.9)
    return figure
