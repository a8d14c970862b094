"""What a user should know of an import before trusting it, and why nothing came of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from sm_toolbox.stations.ismn.imported import NEAR, VARIABLE_UNITS, Import
from sm_toolbox.stations.ismn.selection import TOLERANCE


def look_for_trouble(found: Import, variable: str) -> None:
    selection = found.selection
    networks: dict[str, set[str]] = {}
    for series in found.series:
        networks.setdefault(series.station, set()).add(series.network)
    shared = sorted(station for station, own in networks.items() if len(own) > 1)
    if shared:
        found.warnings.append(
            f"{len(shared)} station names occur in several networks ({_some(shared)}): tell them apart by the "
            "field station_id."
        )
    if found.moved:
        found.warnings.append(
            f"{len(found.moved)} stations have several coordinates ({_some(found.moved)}). Check them."
        )
    percent = [
        f"{series.station_id}, median {np.median(series.values):.3g}"
        for series in found.series
        if variable in VARIABLE_UNITS and not series.unit
    ]
    if percent:
        found.warnings.append(
            f"The soil moisture of {len(percent)} sensors seem to be in percent, not in m³ m⁻³ "
            f"({_some(percent)}). It is kept as it is, with an empty field unit: divide it by 100 with the field "
            "calculator."
        )
    tallies = [(series.station_id, series.tally) for series in found.series]
    for name, what in (
        ("backwards", "lines are earlier than the line before; the rows are in order"),
        ("repeated", "lines are of a time that the sensor already has; the first is kept"),
        ("differing", "of these have another value than the first"),
        ("unreadable", "lines have no time or value that can be read"),
    ):
        counts = {station: getattr(tally, name) for station, tally in tallies if getattr(tally, name)}
        if counts:
            found.warnings.append(f"{sum(counts.values()):,} {what} ({_some(sorted(counts))}).")
    near = Counter(
        {
            depth: count
            for depth, count in found.other_depths.items()
            if selection.depth_to < depth[1] < selection.depth_to + NEAR and depth[0] > selection.depth_from - TOLERANCE
        }
    )
    if near:
        found.warnings.append(
            f"{sum(near.values())} sensors reach less than 5 mm below DEPTH_TO ({_depths(near)} m): DEPTH_TO "
            f"{max(bottom for _, bottom in near):g} takes them, too."
        )
    if found.skipped:
        found.warnings.append(
            f"{len(found.skipped)} files were skipped; the report says why. The first: {found.skipped[0][0]}: "
            f"{found.skipped[0][1]}."
        )
    if found.too_few:
        found.warnings.append(
            f"{found.too_few:,} means of fewer than {selection.min_count} observations were left out."
        )


def why_nothing(found: Import, variable: str) -> str:
    """Say what the archive has where nothing of it was taken."""
    selection, name = found.selection, Path(found.path).name
    if found.too_few:
        return f"No {selection.period} of '{name}' has {selection.min_count} observations. Set a smaller MIN_COUNT."
    if found.flags:
        listed = ", ".join(f"{cell or 'none'} ({count:,})" for cell, count in found.flags.most_common(12))
        return (
            f"No observation of {variable} in '{name}' has accepted flags only ({', '.join(selection.flags or ())}). "
            f"The flags it has: {listed}. Add those to FLAGS that you accept."
        )
    if found.span is not None:
        return (
            f"No observation of {variable} in '{name}' lies within START and END: at these depths it has "
            f"{found.span[0]} to {found.span[1]} (UTC)."
        )
    if found.other_depths:
        return (
            f"No sensor of {variable} in '{name}' fits DEPTH_FROM {selection.depth_from:g}, DEPTH_TO "
            f"{selection.depth_to:g} m and the rule '{selection.depth_rule}'. The depths it has (m), with the "
            f"number of files: {_depths(found.other_depths)}."
        )
    why = "; ".join(f"{PurePosixPath(file).name}: {reason}" for file, reason in found.skipped[:3])
    return f"No file of {variable} in '{name}' has values that can be used{f' ({why})' if why else ''}."


def _depths(counts: Counter[tuple[float, float]]) -> str:
    """List depths, with counts where they have them: the commonest, from above."""
    return ", ".join(
        f"{top:g}–{bottom:g} ({counts[top, bottom]})"
        for top, bottom in sorted(depth for depth, _ in counts.most_common(20))
    )


def _some(names: Sequence[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
