"""Importing products as downloaded: named and dated bands in physical units, without what quality layers rule out."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sm_toolbox.errors import InputError, OutputError
from sm_toolbox.products.adding import choose_new, grid_of_earlier, resolution_of
from sm_toolbox.products.files import list_files
from sm_toolbox.products.grouping import group_bands
from sm_toolbox.products.mosaic import ImportedBand, MaskTally, OpenPieces, is_same_crs, offset_on, read_block
from sm_toolbox.products.pieces import Found, Piece
from sm_toolbox.products.scenes import find_pieces
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.appending import Making, read_earlier
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.grid import Grid, label
from sm_toolbox.raster.outputs import TILE, RasterOutput, RasterWriter
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.writing import raster_writer, settle
from sm_toolbox.sensors.catalogue import CATALOGUE

IMPORT_LEVELS = ("recommended", "strict", "all")
IMPORT_OVERPASSES = ("both", "am", "pm", "mean")
AUTO = "auto"
_TOOL = "importproduct"
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
    update : bool, optional
        Whether dates are added to an output that is there; those that it holds stay as they are stored.
    """

    product_type: str = AUTO
    variables: Sequence[str] = ()
    level: str = "recommended"
    overpass: str = "both"
    layer_thickness: float = 0
    extent: tuple[tuple[float, float, float, float], object] | None = None
    start: Time | None = None
    end: Time | None = None
    update: bool = False


@dataclass
class Imported:
    """What has been imported.

    Parameters
    ----------
    bands : list of str
        That were written: of an update those that it added, which may be none.
    dates : int
        Different times of these; 0 of what does not change.
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
    paths: Sequence[str],
    output: str,
    request: Request = Request(),
    progress: Progress = SILENT,
    destination: str | None = None,
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
    destination : str, optional
        Where the output is brought in the end, where that is not `output`: no file that is taken may lie there.

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
    destination = destination or output
    check_not_input(destination, paths)
    with tempfile.TemporaryDirectory(prefix="smtoolbox-") as scratch, driver().environment():
        files = list_files(paths, scratch)
        keep = () if request.overpass in ("both", "mean") else (request.overpass,)
        found = find_pieces(files, request.product_type, request.variables, keep)
        check_not_input(destination, [path for path, _ in found.taken])
        found.skipped = [item for item in found.skipped if os.path.realpath(item[0]) != os.path.realpath(destination)]
        pieces = [piece for piece in found.pieces if _is_wanted(piece, request)]
        if not pieces:
            raise _nothing(found, request)
        earlier = read_earlier(destination, _TOOL) if request.update else None
        grid = _grid_over(pieces, request)
        if earlier is not None:
            grid = grid_of_earlier(earlier, grid)
        pieces = [piece for piece in pieces if _touches(piece.values.placing.grid, grid)]
        if not pieces:
            raise InputError("`extent`: no file has cells there. Take a wider extent, or leave it empty.")
        kept = "" if earlier is None else resolution_of(earlier)
        bands = group_bands(pieces, grid, request.overpass, request.layer_thickness, kept)
        made = _making_of(bands, request)
        if earlier is not None:
            earlier = earlier.beside((band.variable.name, band.time) for band in bands)
            bands = choose_new(bands, earlier, made, progress)
            made = _making_of(bands, request)
            new = {path.removeprefix("/vsigzip/") for path in made.files}
            found.taken = [item for item in found.taken if item[0] in new]
            if not bands:
                return Imported([], 0, 0.0, {}, [], found, grid)
        goal = RasterOutput(output, [band.name for band in bands], _tags_of(bands), True, made, earlier)
        try:
            return _write(bands, grid, goal, request, found, progress)
        except _EmptyError as error:
            if earlier is None:
                raise
            progress.warning(f"Nothing was added to '{earlier.path}': {error}")
            return Imported([], 0, 0.0, {}, [band.name for band in bands], found, grid)


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


def check_not_input(output: str, paths: Sequence[str]) -> None:
    """Refuse an output that is one of the inputs.

    Parameters
    ----------
    output : str
    paths : sequence of str

    Raises
    ------
    OutputError
    """
    if any(os.path.realpath(path) == os.path.realpath(output) for path in paths):
        raise OutputError(f"The output '{output}' is one of the files that are imported. Give it a name of its own.")


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
    grids: dict[tuple[object, ...], tuple[Grid, Piece]] = {}
    for piece in pieces:
        grid = piece.values.placing.grid
        grids.setdefault((grid.transform, grid.width, grid.height, grid.crs.to_wkt()), (grid, piece))
    base, base_piece = min(grids.values(), key=lambda item: item[0].cell_size[0])
    corners = []
    for grid, piece in grids.values():
        offset = offset_on(grid, base)
        if offset is None:
            raise _apart(piece, base_piece)
        row, column, ratio = offset
        corners.append((row, column, row + grid.height * ratio, column + grid.width * ratio))
    rows, columns, bottoms, rights = zip(*corners)
    window = [min(rows), min(columns), max(bottoms), max(rights)]
    if request.extent is not None:
        window = _crop(base, window, request)
    top, left, bottom, right = window
    transform = base.transform * Affine.translation(left, top)
    return Grid(base.crs, transform, right - left, bottom - top)


def _apart(piece: Piece, other: Piece) -> InputError:
    """Return what is said of two files whose grids do not fit together."""
    here, there = (
        f"'{os.path.basename(each.values.path)}' ({each.product.label}; {_in_words(each.values.placing.grid)})"
        for each in (piece, other)
    )
    if piece.product.key != other.product.key:
        way = (
            f"Import one product at a time: `product_type` {piece.product.key} or {other.product.key} leaves the "
            "others out; 'Align rasters to a grid' brings the results together."
        )
    elif piece.variable.name != other.variable.name and is_same_crs(
        piece.values.placing.grid, other.values.placing.grid
    ):
        way = f"Import them apart: `variables` {piece.variable.name}, then {other.variable.name}."
    else:
        way = (
            "Import the files of each grid apart; 'Align rasters to a grid' brings one result to the grid of the other."
        )
    return InputError(f"{here} and {there} lie on grids that do not fit together. {way}")


def _in_words(grid: Grid) -> str:
    return f"{label(grid.crs)}, cells of {grid.cell_size[0]:.6g}"


def _crop(base: Grid, window: Sequence[int], request: Request) -> list[int]:
    assert request.extent is not None
    bounds, crs = request.extent
    try:
        west, south, east, north = driver().transform_bounds(crs, base.crs, bounds)
    except DriverError as error:
        raise InputError(
            f"`extent` cannot be brought into the CRS of the files, {label(base.crs)} ({error}). Take a smaller extent."
        ) from error
    if not all(map(math.isfinite, (west, south, east, north))):
        # It reaches beyond what the CRS can show, and so around the files.
        return list(window)
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


# ---- the output


def _making_of(bands: Sequence[ImportedBand], request: Request) -> Making:
    settings = {
        "level": request.level,
        "overpass": request.overpass,
        "layer_thickness": f"{request.layer_thickness:g}" if request.layer_thickness else "",
    }
    for band in bands:
        products = sorted({piece.product.key for piece in band.pieces})
        settings[f"product_type.{band.variable.name}"] = ", ".join(products)
    return Making(_TOOL, settings, sorted({piece.values.path for band in bands for piece in band.pieces}))


def _tags_of(bands: Sequence[ImportedBand]) -> dict[str, str]:
    tags = {f"UNIT_{band.variable.name}": band.variable.unit for band in bands if band.variable.unit}
    return tags | {
        f"PERIOD_{band.variable.name}": str(band.time.days) for band in bands if band.time and band.time.days > 1
    }


class _EmptyError(InputError):
    """Nothing is left of what was read."""


def _write(
    bands: list[ImportedBand], grid: Grid, output: RasterOutput, request: Request, found: Found, progress: Progress
) -> Imported:
    tally, known = MaskTally(), len(found.skipped)
    rows = _strip_rows(grid, bands)
    # Bands of before are copied in the second half.
    reading = progress.part(0, 0.5) if output.earlier else progress
    with raster_writer(output, grid, (TILE, TILE)) as writer:
        done, total = 0, len(bands) * -(-grid.height // rows)
        for group in _by_date(bands):
            with OpenPieces() as files:
                for window in _strips(grid, rows):
                    for place in group:
                        progress.check()
                        block = read_block(files, bands[place], grid, window, request.level, tally, found)
                        writer.write(block[None], window, place)
                        done += 1
                        reading.set_fraction(done / total)
        damaged = {path for path, _ in found.skipped[known:]}
        if output.earlier:
            _wait_for_whole_files(writer, bands, damaged, progress)
        if not writer.valid_cells:
            raise _EmptyError(
                "`paths`: no cell is left. "
                + (f"Quality layers rule out all that has values ({_top_reason(tally)}): " if tally.before else "")
                + "choose `level` all to see what there is, or other dates."
            )
        empty = settle(writer, grid, progress.part(0.5, 1) if output.earlier else progress)
    found.taken = [item for item in found.taken if item[0] not in damaged]
    percent = 100 * (1 - tally.after / tally.before) if tally.before else 0.0
    reasons = {name: 100 * count / max(1, tally.before) for name, count in tally.reasons.items() if count}
    left = [band.name for band in bands if band.name not in empty]
    dates = len({band.time for band in bands if band.time is not None and band.name not in empty})
    return Imported(left, dates, percent, reasons, empty, found, grid)


def _wait_for_whole_files(
    writer: RasterWriter, bands: Sequence[ImportedBand], damaged: set[str], progress: Progress
) -> None:
    """Leave out the bands of files that cannot be read whole, such as one that is still on its way.

    A band that is written is not made again.
    """
    for place, band in enumerate(bands):
        if damaged.intersection(piece.values.path for piece in band.pieces):
            writer.valid_of_bands[place] = 0
            progress.warning(
                f"{band.name} is not added: one of its files cannot be read whole. The next update tries again."
            )


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
