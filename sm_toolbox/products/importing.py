"""Importing products as downloaded: named and dated bands in physical units, without what quality layers rule out."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.products.files import list_files
from sm_toolbox.products.mosaic import ImportedBand, MaskTally, OpenPieces, offset_on, part_of_piece, read_block
from sm_toolbox.products.pieces import Found, Piece, epoch_of
from sm_toolbox.products.scenes import find_pieces
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.grid import Grid, label
from sm_toolbox.raster.outputs import TILE, RasterOutput
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.writing import leave_out_empty, raster_writer
from sm_toolbox.sensors.catalogue import CATALOGUE
from sm_toolbox.sensors.quantities import AMOUNT, PERCENT, customary_unit
from sm_toolbox.sensors.shipped import Variable

IMPORT_LEVELS = ("recommended", "strict", "all")
IMPORT_OVERPASSES = ("both", "am", "pm", "mean")
AUTO = "auto"
# Overpasses of a wider region are so far apart in time that one moment would say nothing.
_WIDEST = timedelta(hours=3)
_SUN_DEGREES_PER_HOUR = 15.0
_NO_TIME = Time(datetime(1, 1, 1))
_STRIP_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Request:
    """What is asked of an import.

    Parameters
    ----------
    product_type : str, optional
        Key of `CATALOGUE`, or `auto`.
    variables : sequence of str, optional
        Names here or in the files; none for the main ones.
    level : {'recommended', 'strict', 'all'}, optional
    overpass : {'both', 'am', 'pm', 'mean'}, optional
    layer_thickness : float, optional
        Metres of soil, for kg m⁻² whose layer the product does not say.
    extent : (tuple of float, Crs), optional
        West, south, east, north, and their CRS.
    start, end : Time, optional
        First and last that is taken.
    """

    product_type: str = AUTO
    variables: Sequence[str] = ()
    level: str = "recommended"
    overpass: str = "both"
    layer_thickness: float = 0
    extent: tuple[tuple[float, float, float, float], object] | None = None
    start: Time | None = None
    end: Time | None = None


@dataclass
class Imported:
    """What has been imported.

    Parameters
    ----------
    bands : list of str
        Of the output.
    dates : int
        Different times; 0 of what does not change.
    masked_percent : float
        Of the cells with values.
    reasons : dict of str to float
        Percent of the cells with values that each reason held for; several may hold for one.
    empty : list of str
        Bands that are left out, since nothing of them is left.
    found : Found
        What the files held.
    grid : Grid
    """

    bands: list[str]
    dates: int
    masked_percent: float
    reasons: dict[str, float]
    empty: list[str]
    found: Found
    grid: Grid


def import_product(
    paths: Sequence[str], output: str, request: Request = Request(), progress: Progress = SILENT
) -> Imported:
    """Import files of products as downloaded.

    Parameters
    ----------
    paths : sequence of str
        Files, folders, zips and tars.
    output : str
        Bands `variable@time` in physical units, without what quality layers rule out; tiles of a date in one.
    request : Request, optional
    progress : Progress, optional

    Returns
    -------
    Imported

    Raises
    ------
    InputError
        Where no file can be taken, the message names why; where files lie on grids that do not fit together.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> source = write_example("chirps-v2.0.2018.06.01.tif", {"": [[0, 3.5, -9999]]})
    >>> import_product([source.path], "rain.tif").bands
    ['precipitation@2018-06-01']
    >>> read_example("rain.tif")["precipitation@2018-06-01"]
    array([[0. , 3.5, nan]], dtype=float32)
    """
    _check(request)
    with tempfile.TemporaryDirectory(prefix="smtoolbox-") as scratch, driver().environment():
        files = list_files(paths, scratch)
        keep = () if request.overpass in ("both", "mean") else (request.overpass,)
        found = find_pieces(files, request.product_type, request.variables, keep)
        pieces = [piece for piece in found.pieces if _is_wanted(piece, request)]
        if not pieces:
            raise _nothing(found, request)
        grid = _grid_over(pieces, request)
        pieces = [piece for piece in pieces if _touches(piece.values.placing.grid, grid)]
        if not pieces:
            raise InputError("`extent`: no file has cells there. Take a wider extent, or leave it empty.")
        bands = _bands(pieces, grid, request)
        return _write(bands, grid, output, request, found, progress)


def _check(request: Request) -> None:
    for key, value, allowed in (
        ("product_type", request.product_type, (AUTO, *CATALOGUE)),
        ("level", request.level, IMPORT_LEVELS),
        ("overpass", request.overpass, IMPORT_OVERPASSES),
    ):
        if value not in allowed:
            raise InputError(f"`{key}` is '{value}', but must be one of: {', '.join(allowed)}.")
    if request.start and request.end and request.end < request.start:
        raise InputError(f"`start` is {request.start}, after `end`, {request.end}. Exchange them.")


def _is_wanted(piece: Piece, request: Request) -> bool:
    time = piece.time
    if time is None:
        return True
    if request.end is not None and time.start > request.end.start:
        return False
    if request.start is None:
        return True
    first = request.start.start
    return time.start >= first if time.resolution == "second" else time.end > first


def _nothing(found: Found, request: Request) -> InputError:
    if found.pieces:
        times = sorted(piece.time for piece in found.pieces if piece.time is not None)
        return InputError(
            f"`start`, `end`: no file is of these dates; the files are of {times[0]} to {times[-1]}. Take these."
        )
    why = [f"'{path}' {reason.rstrip('.')}" for path, reason in found.skipped]
    some = "; ".join(why[:4]) + (f"; and {len(why) - 4} more" if len(why) > 4 else "")
    kinds = ", ".join(CATALOGUE)
    return InputError(
        f"`paths`: no file can be imported: {some or 'there is none'}. Give files as downloaded, with their names, "
        f"of one of these products: {kinds}; other rasters need no import, they are taken as they are."
    )


# ---- the grid


def _grid_over(pieces: Sequence[Piece], request: Request) -> Grid:
    """Return the grid of the finest cells over all pieces, or the part of it in the extent."""
    grids = {id(piece.values.placing): (piece.values.placing.grid, piece.values.path) for piece in pieces}
    base, base_path = min(grids.values(), key=lambda item: item[0].cell_size[0])
    corners = []
    for grid, path in grids.values():
        offset = offset_on(grid, base)
        if offset is None:
            raise InputError(
                f"'{path}' and '{base_path}' lie on grids that do not fit together ({_in_words(grid)}; "
                f"{_in_words(base)}). Import them apart, and bring one to the grid of the other with 'Align rasters "
                "to a grid'."
            )
        row, column, ratio = offset
        corners.append((row, column, row + grid.height * ratio, column + grid.width * ratio))
    rows, columns, bottoms, rights = zip(*corners)
    window = [min(rows), min(columns), max(bottoms), max(rights)]
    if request.extent is not None:
        window = _crop(base, window, request)
    top, left, bottom, right = window
    transform = base.transform * Affine.translation(left, top)
    return Grid(base.crs, transform, right - left, bottom - top)


def _in_words(grid: Grid) -> str:
    return f"{label(grid.crs)}, cells of {grid.cell_size[0]:.6g}"


def _crop(base: Grid, window: Sequence[int], request: Request) -> list[int]:
    assert request.extent is not None
    bounds, crs = request.extent
    try:
        west, south, east, north = driver().transform_bounds(crs, base.crs, bounds)
    except DriverError as error:
        raise InputError(f"`extent` cannot be brought into the CRS of the files: {error}.") from error
    inverse = ~base.transform
    (left, top), (right, bottom) = inverse * (west, north), inverse * (east, south)
    edge = 1e-6
    part = [
        max(window[0], math.floor(top + edge)),
        max(window[1], math.floor(left + edge)),
        min(window[2], math.ceil(bottom - edge)),
        min(window[3], math.ceil(right - edge)),
    ]
    if part[0] >= part[2] or part[1] >= part[3]:
        raise InputError("`extent`: no file has cells there. Take a wider extent, or leave it empty.")
    return part


def _touches(grid: Grid, base: Grid) -> bool:
    west, south, east, north = grid.bounds
    left, low, right, high = base.bounds
    return west < right and east > left and south < high and north > low


# ---- the bands


def _bands(pieces: Sequence[Piece], grid: Grid, request: Request) -> list[ImportedBand]:
    """Return the bands of the output, variable by variable in the order of their dates."""
    halves = {piece.passed for piece in pieces if piece.passed}
    timed = _moments(pieces, grid) if halves and request.overpass != "mean" else None
    groups: dict[tuple[str, Time | None], ImportedBand] = {}
    for place, piece in enumerate(pieces):
        variable, time = _converted(piece, request), piece.time
        if piece.passed:
            if timed is None:
                time = None if time is None else Time(time.start.replace(hour=0, minute=0, second=0), "day")
                if len(halves) > 1 and request.overpass == "both":
                    variable = replace(variable, name=f"{variable.name}_{piece.passed}")
            else:
                time = timed[place]
        band = groups.setdefault((variable.name, time), ImportedBand(variable, time, [], request.overpass == "mean"))
        band.pieces.append(piece)
    order = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in groups))}
    return sorted(groups.values(), key=lambda band: (order[band.variable.name], band.time or _NO_TIME))


def _moments(pieces: Sequence[Piece], grid: Grid) -> list[Time] | None:
    """Return for each piece the median time of the cells that were seen; None where these are far apart in time."""
    if any(piece.clock is None for piece in pieces):
        return None
    if _degrees_wide(grid) > 4 * _SUN_DEGREES_PER_HOUR:
        return None
    times = []
    with OpenPieces() as files:
        by_day: dict[tuple[Time | None, str], list[int]] = {}
        for place, piece in enumerate(pieces):
            by_day.setdefault((piece.time, piece.passed), []).append(place)
        moments: dict[int, Time] = {}
        for (time, _), places in by_day.items():
            seconds = np.concatenate([_seconds(files, pieces[place], grid) for place in places])
            if len(seconds) == 0:
                moments.update(dict.fromkeys(places, time))  # type: ignore[arg-type]
                continue
            if np.ptp(seconds) > _WIDEST.total_seconds():
                return None
            moment = epoch_of(pieces[places[0]].product) + timedelta(seconds=round(float(np.median(seconds))))
            moments.update(dict.fromkeys(places, Time(moment.replace(microsecond=0), "second")))
        times = [moments[place] for place in range(len(pieces))]
    return times


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
    seconds = files.read(piece.clock, part.window)[0].astype(np.float64)
    values = files.physical(piece.values, piece.variable, part.window)
    gaps = np.isin(seconds, piece.clock.gaps) | np.isnan(values)
    return seconds[~gaps & (seconds > 0)]


def _converted(piece: Piece, request: Request) -> Variable:
    """Return a variable whose unit is that of the output."""
    variable = piece.variable
    unit = customary_unit(piece.values.unit)
    if unit == AMOUNT and ("soil" in variable.name or "moist" in variable.name) and variable.unit != AMOUNT:
        thickness = variable.thickness or request.layer_thickness
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


def _write(
    bands: list[ImportedBand], grid: Grid, output: str, request: Request, found: Found, progress: Progress
) -> Imported:
    tags = {f"UNIT_{band.variable.name}": band.variable.unit for band in bands if band.variable.unit}
    tags.update(
        {f"PERIOD_{band.variable.name}": str(band.time.days) for band in bands if band.time and band.time.days > 1}
    )
    tally = MaskTally()
    rows = _strip_rows(grid, bands)
    names = [band.name for band in bands]
    with raster_writer(RasterOutput(output, names, tags), grid, (TILE, TILE)) as writer:
        done, total = 0, len(bands) * -(-grid.height // rows)
        for group in _by_date(bands):
            with OpenPieces() as files:
                for window in _strips(grid, rows):
                    for place in group:
                        progress.check()
                        writer.write(
                            read_block(files, bands[place], grid, window, request.level, tally, found)[None],
                            window,
                            place,
                        )
                        done += 1
                        progress.set_fraction(done / total)
        if not writer.valid_cells:
            raise InputError(
                "`paths`: no cell is left. "
                + (f"Quality layers rule out all that has values ({_top_reason(tally)}): " if tally.before else "")
                + "choose `level` all to see what there is, or other dates."
            )
        empty = leave_out_empty(writer, grid)
    percent = 100 * (1 - tally.after / tally.before) if tally.before else 0.0
    reasons = {name: 100 * count / max(1, tally.before) for name, count in tally.reasons.items() if count}
    left = [name for name in names if name not in empty]
    dates = len({band.time for band in bands if band.time is not None and band.name not in empty})
    return Imported(left, dates, percent, reasons, empty, found, grid)


def _top_reason(tally: MaskTally) -> str:
    return max(tally.reasons, key=lambda name: tally.reasons[name], default="no quality layer calls them good")


def _strip_rows(grid: Grid, bands: Sequence[ImportedBand]) -> int:
    tiles = _STRIP_BYTES // (16 * grid.width * TILE)
    return TILE * max(1, int(tiles))


def _strips(grid: Grid, rows: int) -> Iterator[Window]:
    for top in range(0, grid.height, rows):
        yield Window(0, top, grid.width, min(rows, grid.height - top))


def _by_date(bands: Sequence[ImportedBand]) -> list[list[int]]:
    """Return the places of bands of one day together, whose files are opened once."""

    def day(place: int) -> str:
        time = bands[place].time
        return "" if time is None else f"{time.start:%Y%m%d}"

    return [list(group) for _, group in groupby(sorted(range(len(bands)), key=day), key=day)]
