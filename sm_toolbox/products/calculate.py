"""Arithmetic on dated and static bands, with names and times kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.products.expression import Assignment, check_names, evaluate_expressions, names_in, parse
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Stack
    from sm_toolbox.raster.engine import Blocks
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time


@dataclass(frozen=True)
class Joined:
    """Which bands make the result of a date.

    Parameters
    ----------
    times : list of Time or None
        A single None where no dated variable is used.
    positions : list of dict of str to int
        For each time the band of each variable in its stack.
    """

    times: list[Time | None]
    positions: list[dict[str, int]]


def calculate_bands(
    sources: Sequence[Source],
    expression: str,
    output: str,
    *,
    grid: Source | None = None,
    resampling: str = "auto",
    max_gap_days: float = 0.0,
    engine: Engine = ALL_CORES,
) -> list[str]:
    """Evaluate expressions on every date that the dated variables share; static ones serve all dates.

    Parameters
    ----------
    sources : sequence of Source
        Two inputs of one variable are named `variable_file`.
    expression : str
        As `parse`.
    output : str
    grid : Source, optional
        Raster whose CRS, cells and extent the output has; by default the finest of the variables that are used.
    resampling : {'auto', 'nearest', 'bilinear', 'average', 'mode'}, optional
        How bands on other grids are brought to it.
    max_gap_days : float, optional
        How far the dates of the variables may lie apart; the one with the most dates counts. A composite covers all
        days of its period.
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output: `name@time`, or `name` where no dated variable is used.

    Raises
    ------
    InputError
        Where the expression has a fault, names what is not there, or the dated variables share no date.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> lst = write_example("lst.tif", {"lst@2018-06-01": [[300.0, 290.0]], "albedo": [[0.2, 0.5]]})
    >>> calculate_bands([lst], "celsius = lst - 273.15; dry = where(lst > 295 and albedo < 0.4, 1, 0)", "out.tif")
    ['celsius@2018-06-01', 'dry@2018-06-01']
    >>> read_example("out.tif")["dry@2018-06-01"]
    array([[1., 0.]], dtype=float32)
    """
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.opening import grid_of
    from sm_toolbox.raster.origins import read_predictors
    from sm_toolbox.raster.outputs import RasterOutput

    assignments = parse(expression)
    stacks = read_predictors(sources).stacks
    check_names(assignments, stacks)
    used = {name: stack for name, stack in stacks.items() if name in names_in(assignments)}
    if not used:
        raise InputError("`expression` uses no band of `sources`. Name at least one, so that the result has a place.")
    joined = join_dates(used, max_gap_days)
    needed = {name: sorted({positions[name] for positions in joined.positions}) for name in used}
    picks = [
        {name: needed[name].index(position) for name, position in positions.items()} for positions in joined.positions
    ]

    def kernel(blocks: Blocks, window: Window) -> np.ndarray:
        made = [
            evaluate_expressions(assignments, {name: blocks[name][place] for name, place in pick.items()})
            for pick in picks
        ]
        # By name, then by date.
        return np.stack([of_date[number] for number in range(len(assignments)) for of_date in made])

    names = [band_name(item.name, time) for item in assignments for time in joined.times]
    inputs = {name: [used[name].bands[i] for i in needed[name]] for name in used}
    target = grid_of(grid) if grid is not None else _finest(used)
    progress = engine.progress
    unused = sorted(set(stacks) - set(used))
    if unused:
        progress.info(f"Not used by `expression`: {', '.join(unused)}.")
    if joined.times != [None]:
        progress.info(f"{len(joined.times)} dates: {joined.times[0]} to {joined.times[-1]}.")
    run_blocks(
        kernel,
        inputs,
        [RasterOutput(output, names, _units(assignments, used))],
        target,
        engine,
        scratch_bytes_per_cell=24 + 4 * len(names),
        resampling=resampling,
    )
    return names


def join_dates(used: Mapping[str, Stack], max_gap_days: float) -> Joined:
    """Find the dates that dated variables share.

    Parameters
    ----------
    used : mapping of str to Stack
    max_gap_days : float

    Returns
    -------
    Joined

    Raises
    ------
    InputError
        Where they share none.
    """
    dated = {name: stack for name, stack in used.items() if not stack.is_static}
    if not dated:
        return Joined([None], [dict.fromkeys(used, 0)])
    times: list[Time | None] = []
    positions: list[dict[str, int]] = []
    leading = max(dated.values(), key=lambda stack: len(stack.times))
    for time in leading.times:
        found = {name: stack.nearest(time, max_gap_days) for name, stack in used.items()}
        here = {name: position for name, position in found.items() if position is not None}
        if len(here) == len(used):
            times.append(time)
            positions.append(here)
    if not times:
        spans = "; ".join(
            f"{name} {stack.times[0]} to {stack.times[-1]} ({len(stack.times)} dates)" for name, stack in dated.items()
        )
        raise InputError(
            f"No date has all of {', '.join(dated)} within `max_gap_days` {max_gap_days:g} days: {spans}. Give a "
            "larger `max_gap_days`, or layers of the same dates."
        )
    return Joined(times, positions)


def _finest(used: Mapping[str, Stack]) -> Grid:
    grids = [stack.bands[0].grid for stack in used.values()]
    return min(grids, key=lambda grid: grid.cell_size[0] * grid.metres_per_unit()[0])


def _units(assignments: Sequence[Assignment], used: Mapping[str, Stack]) -> dict[str, str]:
    """Keep the unit of a band that is only given another name."""
    from sm_toolbox.raster.bands import unit_of_band

    tags = {}
    for item in assignments:
        if item.value.kind == "name" and item.value.name in used:
            unit = unit_of_band(used[item.value.name].bands[0])
            if unit:
                tags[f"UNIT_{item.name}"] = unit
    return tags
