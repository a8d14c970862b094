"""Warnings about an import, and the message where nothing was imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from sm_toolbox.stations.ismn.imported import NEAR, VARIABLE_UNITS, Import
from sm_toolbox.stations.ismn.selection import TOLERANCE


def look_for_trouble(result: Import, variable: str) -> None:
    """Add warnings to the result of an import.

    Parameters
    ----------
    result : Import
    variable : str
    """
    selection = result.selection
    networks: dict[str, set[str]] = {}
    for series in result.series:
        networks.setdefault(series.station, set()).add(series.network)
    shared = sorted(station for station, members in networks.items() if len(members) > 1)
    if shared:
        result.warnings.append(
            f"{len(shared)} station names occur in several networks ({_some(shared)}): tell them apart by the "
            "field station_id."
        )
    if result.moved:
        result.warnings.append(
            f"{len(result.moved)} stations have several coordinates ({_some(result.moved)}). Check them."
        )
    percent = [
        f"{series.station_id}, median {np.median(series.values):.3g}"
        for series in result.series
        if variable in VARIABLE_UNITS and not series.unit
    ]
    if percent:
        result.warnings.append(
            f"The soil moisture of {len(percent)} sensors seem to be in percent, not in m³ m⁻³ "
            f"({_some(percent)}). It is kept as it is, with an empty field unit: divide it by 100 with the field "
            "calculator."
        )
    tallies = [(series.station_id, series.tally) for series in result.series]
    for name, what in (
        ("backwards", "lines are earlier than the line before; the rows are in order"),
        ("repeated", "lines are of a time that the sensor already has; the first is kept"),
        ("differing", "of these have another value than the first"),
        ("unreadable", "lines have no time or value that can be read"),
    ):
        counts = {station: getattr(tally, name) for station, tally in tallies if getattr(tally, name)}
        if counts:
            result.warnings.append(f"{sum(counts.values()):,} {what} ({_some(sorted(counts))}).")
    near = Counter(
        {
            depth: count
            for depth, count in result.other_depths.items()
            if selection.depth_to < depth[1] < selection.depth_to + NEAR and depth[0] > selection.depth_from - TOLERANCE
        }
    )
    if near:
        result.warnings.append(
            f"{sum(near.values())} sensors reach less than 5 mm below `depth_to` ({_depths(near)} m): `depth_to` "
            f"{max(bottom for _, bottom in near):g} takes them, too."
        )
    if result.skipped:
        result.warnings.append(
            f"{len(result.skipped)} files were skipped; the report says why. The first: {result.skipped[0][0]}: "
            f"{result.skipped[0][1]}."
        )
    if result.too_few:
        result.warnings.append(
            f"{result.too_few:,} means of fewer than {selection.min_count} observations were left out."
        )


def why_nothing(result: Import, variable: str) -> str:
    """Return the message for an import without rows: what the archive holds instead.

    Parameters
    ----------
    result : Import
    variable : str

    Returns
    -------
    str
    """
    selection, name = result.selection, Path(result.path).name
    if result.too_few:
        return f"No {selection.period} of '{name}' has {selection.min_count} observations. Set a smaller `min_count`."
    if result.flags:
        listed = ", ".join(f"{cell or 'none'} ({count:,})" for cell, count in result.flags.most_common(12))
        return (
            f"No observation of {variable} in '{name}' has accepted flags only ({', '.join(selection.flags or ())}). "
            f"The flags it has: {listed}. Add those to `flags` that you accept."
        )
    if result.span is not None:
        return (
            f"No observation of {variable} in '{name}' lies within `start` and `end`: at these depths it has "
            f"{result.span[0]} to {result.span[1]} (UTC)."
        )
    if result.other_depths:
        return (
            f"No sensor of {variable} in '{name}' fits `depth_from` {selection.depth_from:g}, `depth_to` "
            f"{selection.depth_to:g} m and the rule '{selection.depth_rule}'. The depths it has (m), with the "
            f"number of files: {_depths(result.other_depths)}."
        )
    why = "; ".join(f"{PurePosixPath(file).name}: {reason}" for file, reason in result.skipped[:3])
    return f"No file of {variable} in '{name}' has values that can be used{f' ({why})' if why else ''}."


def _depths(counts: Counter[tuple[float, float]]) -> str:
    """List depths, with counts where they have them: the commonest, from above."""
    return ", ".join(
        f"{top:g}–{bottom:g} ({counts[top, bottom]})"
        for top, bottom in sorted(depth for depth, _ in counts.most_common(20))
    )


def _some(names: Sequence[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
