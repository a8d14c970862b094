"""Figures of the reports, drawn without a screen and without pyplot, which is not safe in a background thread."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#2b7a9b", "#c9772b", "#8a979c"
COLORS = (BLUE, ORANGE, "#5b3f8c", "#4c8c3f", "#8c2d2d")
"""Of products, in their order."""
UNIT = "m³ m⁻³"


def plain(text: str) -> str:
    """Return a name as matplotlib shows it letter by letter, since it takes what is between two `$` for a formula.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return text.replace("$", r"\$")


def scatter(observed: np.ndarray, predicted: np.ndarray, title: str, note: str) -> Figure:
    """Draw predicted against observed with the 1:1 line; a density where points would cover one another.

    Parameters
    ----------
    observed, predicted : ndarray (pairs,)
        m³ m⁻³, without NaN.
    title, note : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(5.2, 4.8))
    axes = figure.add_subplot()
    low, high = float(min(observed.min(), predicted.min())), float(max(observed.max(), predicted.max()))
    pad = 0.03 * (high - low or 1)
    limits = (low - pad, high + pad)
    if len(observed) > 1500:
        cells = axes.hexbin(
            observed, predicted, gridsize=60, extent=(*limits, *limits), bins="log", mincnt=1, cmap="viridis"
        )
        figure.colorbar(cells, ax=axes, label="pairs")
    else:
        axes.scatter(observed, predicted, s=12, alpha=0.5, color=BLUE, edgecolors="none")
    axes.plot(limits, limits, color=GREY, linewidth=1)
    axes.set(xlim=limits, ylim=limits, xlabel=f"observed ({UNIT})", ylabel=f"predicted ({UNIT})", title=plain(title))
    axes.set_aspect("equal")
    axes.text(
        0.03,
        0.97,
        note,
        transform=axes.transAxes,
        va="top",
        fontsize=9,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none"},
    )
    return figure


def bars(names: Sequence[str], values: np.ndarray, spread: np.ndarray, label: str) -> Figure:
    """Draw horizontal bars with their spread, the largest on top.

    Parameters
    ----------
    names : sequence of str
    values, spread : ndarray (names,)
    label : str
        Of the axis.

    Returns
    -------
    Figure
    """
    order = np.argsort(values)
    figure = Figure(figsize=(6, 0.8 + 0.28 * len(names)))
    axes = figure.add_subplot()
    axes.barh([plain(names[i]) for i in order], values[order], xerr=spread[order], color=BLUE, ecolor=GREY)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_xlabel(plain(label))
    return figure


def boxes(groups: Mapping[str, Sequence[float] | np.ndarray], label: str) -> Figure:
    """Draw a box plot for each group, with the group's size under its name.

    Parameters
    ----------
    groups : mapping of str to sequence of float
        NaN and infinite values are left out.
    label : str
        Of the axis.

    Returns
    -------
    Figure
    """
    finite = {name: np.array(values, float)[np.isfinite(values)] for name, values in groups.items()}
    shown = {name: values for name, values in finite.items() if len(values)}
    figure = Figure(figsize=(max(4.0, 1.1 * len(shown) + 1.5), 3.6))
    axes = figure.add_subplot()
    axes.boxplot(list(shown.values()), medianprops={"color": ORANGE}, flierprops={"markersize": 3})
    axes.set_xticks(range(1, len(shown) + 1))
    axes.set_xticklabels(
        [f"{plain(name)}\n(n={len(values)})" for name, values in shown.items()],
        rotation=30 if len(shown) > 5 else 0,
        ha="right" if len(shown) > 5 else "center",
    )
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel(plain(textwrap.fill(label, 36)))
    return figure


def distributions(groups: Mapping[str, np.ndarray], label: str) -> Figure:
    """Draw the empirical distribution function of each group.

    Parameters
    ----------
    groups : mapping of str to ndarray
        Up to three.
    label : str
        Of the axis.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6, 3.4))
    axes = figure.add_subplot()
    for (name, values), color in zip(groups.items(), (ORANGE, BLUE, GREY)):
        ordered = np.sort(values)
        axes.step(ordered, np.arange(1, len(ordered) + 1) / len(ordered), where="post", color=color, label=plain(name))
    axes.set(xlabel=plain(label), ylabel="share", ylim=(0, 1))
    axes.legend(fontsize=8, frameon=False)
    return figure


def taylor(points: Sequence[tuple[str, float, float]], title: str) -> Figure:
    """Draw a Taylor diagram of standard deviations relative to the observed one (doi 10.1029/2000JD900719).

    Parameters
    ----------
    points : sequence of (str, float, float)
        Name, ratio of predicted to observed standard deviation, and correlation.
    title : str

    Returns
    -------
    Figure
    """
    return taylor_of_products({"": points}, title)


def taylor_of_products(products: Mapping[str, Sequence[tuple[str, float, float]]], title: str) -> Figure:
    """Draw a Taylor diagram of several products, each in a colour of its own.

    Parameters
    ----------
    products : mapping of str to sequence of (str, float, float)
        Points of each, as `taylor` takes them. A point without a name is drawn large: the product over all pairs.
    title : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(5.4, 4.6))
    axes: Any = figure.add_subplot(projection="polar")
    finite = {
        label: [(name, ratio, r) for name, ratio, r in points if np.isfinite(ratio) and np.isfinite(r)]
        for label, points in products.items()
    }
    every = [point for points in finite.values() for point in points]
    lowest = min((r for _, _, r in every), default=0.0)
    reach = np.pi / 2 if lowest >= 0 else np.pi
    top = min(3.0, max(1.6, 1.1 * max((ratio for _, ratio, _ in every), default=1.0)))
    axes.set_thetamax(np.degrees(reach))
    ticks = np.array([0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1])
    ticks = ticks if lowest >= 0 else np.concatenate([-ticks[:0:-1], ticks])
    axes.set_thetagrids(np.degrees(np.arccos(ticks)), [f"{tick:g}" for tick in ticks])
    angle, radius = np.meshgrid(np.linspace(0, reach, 90), np.linspace(0, top, 60))
    lines = axes.contour(
        angle,
        radius,
        np.sqrt(1 + radius**2 - 2 * radius * np.cos(angle)),
        levels=[0.25, 0.5, 0.75, 1, 1.5],
        colors=GREY,
        linewidths=0.6,
    )
    axes.clabel(lines, fontsize=7)
    axes.plot(np.linspace(0, reach, 90), np.ones(90), color=GREY, linestyle="--", linewidth=0.8)
    axes.plot(0, 1, marker="*", color=ORANGE if len(products) == 1 else GREY, markersize=12, clip_on=False)
    for (label, points), color in zip(finite.items(), COLORS):
        for name, ratio, r in points:
            size, alpha, edge = (4, 0.7, color) if name else (10, 1.0, "black")
            axes.plot(
                np.arccos(r),
                min(ratio, top),
                marker="o",
                markersize=size,
                color=color,
                alpha=alpha,
                markeredgecolor=edge,
            )
        if label:
            axes.plot([], [], marker="o", linestyle="none", color=color, label=plain(label))
    if len(products) > 1:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0.95, 1.1))
    axes.set_rlim(0, top)
    axes.set_title(title, fontsize=10)
    return figure


def series(times: np.ndarray, observed: np.ndarray, predicted: np.ndarray, title: str) -> Figure:
    """Draw observed and predicted over time.

    Parameters
    ----------
    times : ndarray of datetime64 (times,)
    observed, predicted : ndarray (times,)
        m³ m⁻³.
    title : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8, 2.4))
    axes = figure.add_subplot()
    # matplotlib reads datetime objects everywhere; datetime64[s] only in some versions.
    when = times.astype("datetime64[s]").tolist()
    axes.plot(when, observed, color=GREY, linewidth=1, marker=".", markersize=3, label="observed")
    axes.plot(when, predicted, color=BLUE, linewidth=1, marker=".", markersize=3, label="predicted")
    axes.set_ylabel(UNIT)
    axes.set_title(plain(title), fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    figure.autofmt_xdate()
    return figure


def series_of_products(
    times: np.ndarray, observed: np.ndarray, products: Mapping[str, np.ndarray], title: str
) -> Figure:
    """Draw observed values and those of several products over time.

    Parameters
    ----------
    times : ndarray of datetime64 (times,)
    observed : ndarray (times,)
        m³ m⁻³.
    products : mapping of str to ndarray (times,)
        By label; NaN where there is none.
    title : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8, 2.6))
    axes = figure.add_subplot()
    when = times.astype("datetime64[s]").tolist()
    axes.plot(when, observed, color="black", linewidth=1, marker=".", markersize=3, label="observed")
    for (label, values), color in zip(products.items(), COLORS):
        axes.plot(when, values, color=color, linewidth=1, marker=".", markersize=3, label=plain(label))
    axes.set_ylabel(UNIT)
    axes.set_title(plain(title), fontsize=10)
    axes.legend(fontsize=8, frameon=False, ncol=min(6, 1 + len(products)))
    figure.autofmt_xdate()
    return figure


def boxes_of_products(
    groups: Mapping[str, Mapping[str, Sequence[float] | np.ndarray]], labels: Sequence[str], label: str
) -> Figure:
    """Draw for each group the box plots of all products beside one another.

    Parameters
    ----------
    groups : mapping of str to mapping of str to sequence of float
        By group and product; NaN and infinite values are left out.
    labels : sequence of str
        The products, in their order.
    label : str
        Of the axis.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(max(4.0, 0.45 * len(groups) * (len(labels) + 1) + 1.5), 3.6))
    axes = figure.add_subplot()
    width = 0.8 / max(1, len(labels))
    for i, (product, color) in enumerate(zip(labels, COLORS)):
        for place, of_products in enumerate(groups.values()):
            values = np.array(of_products.get(product, ()), float)
            values = values[np.isfinite(values)]
            if len(values):
                drawn = axes.boxplot(
                    [values],
                    positions=[place + (i - (len(labels) - 1) / 2) * width],
                    widths=0.85 * width,
                    patch_artist=True,
                    medianprops={"color": "black"},
                    flierprops={"markersize": 3},
                    manage_ticks=False,
                )
                drawn["boxes"][0].set_facecolor(color)
        axes.plot([], [], marker="s", linestyle="none", color=color, label=plain(product))
    counts = [
        max((int(np.isfinite(np.array(v, float)).sum()) for v in each.values()), default=0) for each in groups.values()
    ]
    axes.set_xticks(range(len(groups)))
    axes.set_xticklabels(
        [f"{plain(name)}\n(n={count})" for name, count in zip(groups, counts)],
        rotation=30 if len(groups) > 5 else 0,
        ha="right" if len(groups) > 5 else "center",
    )
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel(plain(textwrap.fill(label, 36)))
    if len(labels) > 1:
        axes.legend(fontsize=8, frameon=False)
    return figure


def biases(products: Mapping[str, tuple[np.ndarray, np.ndarray]], label: str) -> Figure:
    """Draw the bias of products over the observed value, and the line of none.

    Parameters
    ----------
    products : mapping of str to (ndarray, ndarray)
        Observed means and biases, m³ m⁻³, in order.
    label : str
        Of the horizontal axis.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(5.4, 3.6))
    axes = figure.add_subplot()
    for (name, (observed, bias)), color in zip(products.items(), COLORS):
        axes.plot(observed, bias, color=color, marker="o", markersize=4, linewidth=1, label=plain(name))
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set(xlabel=f"{plain(label)} ({UNIT})", ylabel=f"bias ({UNIT})")
    if len(products) > 1:
        axes.legend(fontsize=8, frameon=False)
    return figure


def station_map(x: np.ndarray, y: np.ndarray, values: np.ndarray, label: str, is_degrees: bool = False) -> Figure:
    """Draw stations at their places, coloured by a number; those without one are empty circles.

    Parameters
    ----------
    x, y : ndarray of float64 (stations,)
        Coordinates, all in one system.
    values : ndarray of float64 (stations,)
    label : str
        Of the colours.
    is_degrees : bool, optional
        Whether the coordinates are degrees, which are wider near the equator.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(5.4, 4.2), constrained_layout=True)
    axes = figure.add_subplot()
    known = np.isfinite(values)
    axes.scatter(x[~known], y[~known], s=28, facecolors="none", edgecolors=GREY)
    drawn = axes.scatter(x[known], y[known], s=34, c=values[known], cmap="viridis", edgecolors="black", linewidths=0.4)
    figure.colorbar(drawn, ax=axes, label=plain(label), shrink=0.85)
    if len(y):
        axes.set_aspect(
            1 / max(0.1, float(np.cos(np.radians(np.mean(y))))) if is_degrees else 1.0, adjustable="datalim"
        )
    axes.tick_params(labelsize=7)
    axes.set(xlabel="longitude" if is_degrees else "x", ylabel="latitude" if is_degrees else "y")
    return figure


def maps(
    images: Sequence[tuple[str, np.ndarray]],
    label: str,
    cmap: str = "YlGnBu",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw rasters beside one another in one colour scale; NaN stays white.

    Parameters
    ----------
    images : sequence of (str, ndarray (rows, cols))
        With their titles.
    label : str
        Of the colours.
    cmap : str, optional
        A colour map of matplotlib.
    limits : (float, float), optional
        Of the colours; by default the 1st and 99th percentile of all values.

    Returns
    -------
    Figure
    """
    values = np.concatenate([image[np.isfinite(image)] for _, image in images])
    low, high = limits or (np.percentile(values, [1, 99]) if len(values) else (0, 1))
    figure = Figure(figsize=(4.6 * len(images) + 0.8, 4.4), constrained_layout=True)
    drawn = None
    all_axes = figure.subplots(1, len(images), squeeze=False)[0]
    for axes, (title, image) in zip(all_axes, images):
        drawn = axes.imshow(image, vmin=low, vmax=high, cmap=cmap, interpolation="nearest")
        axes.set_title(plain(title), fontsize=10)
        axes.set_axis_off()
    figure.colorbar(drawn, ax=list(all_axes), label=plain(label), shrink=0.85)
    return figure


def classes(image: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw a raster of whole numbers from 0, each in a colour of its own; NaN stays white.

    Parameters
    ----------
    image : ndarray (rows, cols)
    names : sequence of str
        Of the classes, up to five.

    Returns
    -------
    Figure
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    colors = [BLUE, "#c8d0d3", ORANGE, "#8c2d2d", "#5b3f8c"]
    figure = Figure(figsize=(6.4, 4.4), constrained_layout=True)
    axes = figure.add_subplot()
    axes.imshow(
        image, vmin=-0.5, vmax=len(names) - 0.5, cmap=ListedColormap(colors[: len(names)]), interpolation="nearest"
    )
    axes.set_axis_off()
    axes.legend(
        handles=[Patch(color=color, label=plain(name)) for color, name in zip(colors, names)],
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        fontsize=8,
    )
    return figure
