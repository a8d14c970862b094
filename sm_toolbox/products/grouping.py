"""Pieces of products made into the bands of an import: what is one variable at one time, and when that is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.products.mosaic import ImportedBand, OpenPieces, part_of_piece
from sm_toolbox.products.pieces import Piece, epoch_of
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import same_resolution
from sm_toolbox.raster.times import Time
from sm_toolbox.sensors.quantities import AMOUNT, PERCENT, customary_unit
from sm_toolbox.sensors.shipped import Variable

# Overpasses of a wider region are so far apart in time that one moment would say nothing.
WIDEST = timedelta(hours=3)
_SUN_DEGREES_PER_HOUR = 15.0
# Seconds of a clock beyond which, as before 0, there is none.
_LATEST = 1e10
_NO_TIME = Time(datetime(1, 1, 1))


def group_bands(
    pieces: Sequence[Piece], grid: Grid, overpass: str, thickness: float = 0, resolution: str = ""
) -> list[ImportedBand]:
    """Return the bands of an import, variable by variable in the order of their dates.

    Parameters
    ----------
    pieces : sequence of Piece
    grid : Grid
        Of the output.
    overpass : {'both', 'am', 'pm', 'mean'}
    thickness : float, optional
        Metres of soil, for kg m⁻² whose layer the product does not say.
    resolution : str, optional
        What the times stand for of an output that the bands are added to, `second` or `day`; so do those of the bands.

    Returns
    -------
    list of ImportedBand

    Raises
    ------
    InputError
        Where a thickness is needed.
    """
    halves = {piece.passed for piece in pieces if piece.passed}
    dated = halves and overpass != "mean" and resolution != "day"
    moments = _moments(pieces, grid, resolution == "second") if dated else None
    variables, times = [], []
    for place, piece in enumerate(pieces):
        variable, time = _in_output_unit(piece, thickness), piece.time
        if piece.passed and moments is not None:
            time = moments[place]
        elif piece.passed:
            time = None if time is None else Time(time.start.replace(hour=0, minute=0, second=0), "day")
            if len(halves) > 1 and overpass == "both":
                variable = replace(variable, name=f"{variable.name}_{piece.passed}")
        variables.append(variable)
        times.append(time)
    variables = _told_apart(pieces, variables, times)
    times = _of_one_kind(variables, times, resolution == "second")
    groups: dict[tuple[str, str], ImportedBand] = {}
    for piece, variable, time in zip(pieces, variables, times):
        band = groups.setdefault((variable.name, str(time)), ImportedBand(variable, time, [], overpass == "mean"))
        band.pieces.append(piece)
    for band in groups.values():
        # Of the same cells of a date the later release, or processing, counts: names end with it.
        band.pieces.sort(key=lambda piece: re.split(r"[/\\]", piece.values.path)[-1], reverse=True)
    order = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in groups))}
    return sorted(groups.values(), key=lambda band: (order[band.variable.name], band.time or _NO_TIME))


def _told_apart(pieces: Sequence[Piece], variables: Sequence[Variable], times: Sequence[Time | None]) -> list[Variable]:
    """Name variables after their product where several have one of that name, and after its kind where dates clash."""
    products: dict[str, set[str]] = defaultdict(set)
    dates: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for piece, variable, time in zip(pieces, variables, times):
        products[variable.name].add(piece.product.key)
        length = "none" if time is None else "days" if time.days > 1 else time.resolution
        dates[variable.name, piece.product.key][piece.kind] |= {str(time), "" if length == "second" else length}
    clash = {key for key, of_kinds in dates.items() if _clash(list(of_kinds.values()))}
    named = []
    for piece, variable in zip(pieces, variables):
        parts = [variable.name]
        if len(products[variable.name]) > 1:
            parts.append(piece.product.key)
        if (variable.name, piece.product.key) in clash and piece.kind:
            parts.append(re.sub(r"\W+", "_", piece.kind).lower())
        named.append(replace(variable, name="_".join(parts)))
    return named


def _clash(kinds: Sequence[set[str]]) -> bool:
    """Say whether kinds of a product share dates, or have means of different lengths."""
    lengths = {"none", "day", "days", "month", "year"}
    shared = [first & second for place, first in enumerate(kinds) for second in kinds[place + 1 :]]
    return any(dates - lengths - {""} for dates in shared) or len({frozenset(kind & lengths) for kind in kinds}) > 1


def _of_one_kind(variables: Sequence[Variable], times: Sequence[Time | None], as_moments: bool) -> list[Time | None]:
    """Return times where midnight is a moment, and no whole day, beside other moments of its variable."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, (variable, time) in enumerate(zip(variables, times)):
        if time is not None:
            places[variable.name].append(place)
    even = list(times)
    for these in places.values():
        alike = same_resolution([time for place in these if (time := times[place]) is not None], as_moments)
        for place, time in zip(these, alike):
            even[place] = time
    return even


def _moments(pieces: Sequence[Piece], grid: Grid, always: bool) -> list[Time] | None:
    """Return each piece's median time of the cells that were seen; None where these are far apart, unless `always`."""
    if any(piece.passed and piece.clock is None for piece in pieces):
        return None
    if not always and _degrees_wide(grid) > 4 * _SUN_DEGREES_PER_HOUR:
        return None
    by_day: dict[tuple[Time | None, str], list[int]] = {}
    for place, piece in enumerate(pieces):
        if piece.passed:
            by_day.setdefault((piece.time, piece.passed), []).append(place)
    moments: dict[int, Time] = {}
    for (time, _), places in by_day.items():
        with OpenPieces() as files:
            seconds = np.concatenate([_seconds(files, pieces[place], grid) for place in places])
        if len(seconds) == 0:
            moments.update(dict.fromkeys(places, time))  # type: ignore[arg-type]
            continue
        if not always and np.ptp(seconds) > WIDEST.total_seconds():
            return None
        moment = epoch_of(pieces[places[0]].product) + timedelta(seconds=round(float(np.median(seconds))))
        moments.update(dict.fromkeys(places, Time(moment.replace(microsecond=0), "second")))
    return [moments.get(place, _NO_TIME) for place in range(len(pieces))]


def _degrees_wide(grid: Grid) -> float:
    """Return how many degrees of longitude the middle row of a grid spans."""
    columns = np.linspace(0.5, grid.width - 0.5, 9)
    x, y = grid.transform * (columns, np.full(9, grid.height / 2))
    longitude, _ = driver().transform(x, y, grid.crs, driver().crs(4326))
    return float(((np.diff(longitude) + 360) % 360).sum())


def _seconds(files: OpenPieces, piece: Piece, grid: Grid) -> np.ndarray:
    """Return when the cells of a piece within a grid were seen that have values."""
    assert piece.clock is not None
    part = part_of_piece(piece.values.placing.grid, grid, Window(0, 0, grid.width, grid.height))
    if part is None:
        return np.empty(0)
    try:
        seconds = files.read(piece.clock, part.window)[0].astype(np.float64)
        values = files.physical(piece.values, piece.variable, part.window)
    except DriverError:
        # It is damaged, which is told where its values are read.
        return np.empty(0)
    return seconds[~np.isnan(values) & (seconds > 0) & (seconds < _LATEST)]


def _in_output_unit(piece: Piece, thickness: float) -> Variable:
    """Return a variable whose unit is that of the output."""
    variable = piece.variable
    unit = customary_unit(piece.values.unit)
    if unit == AMOUNT and ("soil" in variable.name or "moist" in variable.name) and variable.unit != AMOUNT:
        thickness = variable.thickness or thickness
        if not thickness:
            raise InputError(
                f"`layer_thickness`: {variable.name} of '{piece.values.path}' is in kg m⁻², and the product does not "
                "say of how thick a layer. Give its thickness in metres."
            )
        scale = 1 if variable.scale is None else variable.scale
        return replace(variable, scale=scale / (1000 * thickness), offset=0.0, unit="m3 m-3")
    if unit == PERCENT and variable.name == "soil_moisture":
        # As m³ m⁻³ it would be read wrongly: a hundred percent is the porosity.
        return replace(variable, name="soil_moisture_saturation", unit=PERCENT)
    return variable if variable.unit else replace(variable, unit=unit or piece.values.unit)
