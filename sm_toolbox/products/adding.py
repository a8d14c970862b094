"""Imports that are there already: which bands they hold, and which of the files' are new."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sm_toolbox.errors import InputError
from sm_toolbox.products.grouping import WIDEST
from sm_toolbox.products.mosaic import ImportedBand, offset_on
from sm_toolbox.progress import Progress
from sm_toolbox.raster.appending import Earlier, Making
from sm_toolbox.raster.grid import Grid


def grid_of_earlier(earlier: Earlier, grid: Grid) -> Grid:
    """Return the grid of bands that are added.

    Parameters
    ----------
    earlier : Earlier
    grid : Grid
        Over all files, or the part of it in the extent.

    Returns
    -------
    Grid
        That of the output, of which the files may cover a part.

    Raises
    ------
    InputError
        Where the files do not lie on it.
    """
    own = earlier.grid
    if grid.same_as(own):
        return grid
    place = offset_on(grid, own)
    if place is not None:
        row, column, ratio = place
        if (
            min(row, column) >= 0
            and row + grid.height * ratio <= own.height
            and column + grid.width * ratio <= own.width
        ):
            return own
    why = ", ".join(grid.differences(own)) if place is None else "they reach beyond it"
    raise InputError(
        f"`update`: the files do not lie on the grid of '{earlier.path}' ({why}). Give the `extent` with which it was "
        "made, and files of the same product. Or give the output another name: it is then made whole."
    )


def resolution_of(earlier: Earlier) -> str:
    """Return what the times of an output stand for, such as `second` or `day`; empty where they differ.

    Parameters
    ----------
    earlier : Earlier

    Returns
    -------
    str
    """
    found = {time.resolution for time in earlier.times if time is not None}
    return found.pop() if len(found) == 1 else ""


def choose_new(bands: Sequence[ImportedBand], earlier: Earlier, made: Making, progress: Progress) -> list[ImportedBand]:
    """Choose the bands that an output does not hold, and say so.

    Parameters
    ----------
    bands : sequence of ImportedBand
        Of all files.
    earlier : Earlier
    made : Making
        Of these bands.
    progress : Progress
        Gets a warning of files that came too late for their date.

    Returns
    -------
    list of ImportedBand

    Raises
    ------
    InputError
        Where they do not go with those of the output.
    """
    earlier.refuse_others(made, {band.variable.name: band.variable.unit for band in bands})
    new = [band for band in bands if not _is_held(band, earlier)]
    files = {os.path.basename(piece.values.path) for band in new for piece in band.pieces}
    of_held = {os.path.basename(piece.values.path) for band in bands for piece in band.pieces} - files
    late = sorted(of_held - earlier.files)
    if late:
        progress.warning(
            f"{len(late)} files are of dates that '{earlier.path}' holds without them, and are not added: "
            f"{', '.join(late[:4])}{' …' if len(late) > 4 else ''}. Switch `update` off once to have them in it."
        )
    held = f"'{earlier.path}' holds {len(earlier.bands)} bands"
    progress.info(
        f"{held}, which stay as they are; {len(new)} are new." if new else f"Nothing new: {held} and stays as it is."
    )
    return new


def _is_held(band: ImportedBand, earlier: Earlier) -> bool:
    if band.name in earlier.names:
        return True
    if band.time is None or not any(piece.passed for piece in band.pieces):
        return False
    # The moment of an overpass is the median of its cells, and moves a little with each file that comes late.
    return any(
        other.variable == band.variable.name
        and other.time is not None
        and abs(other.time.start - band.time.start) <= WIDEST
        for other in earlier.bands
    )
