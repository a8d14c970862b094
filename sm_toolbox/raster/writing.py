"""The writer of an output, by its extension, and outputs that appear together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sm_toolbox.errors import OutputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import list_bands
from sm_toolbox.raster.geotiff import GeotiffWriter
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import TILE, RasterOutput, RasterWriter, check_raster_output
from sm_toolbox.raster.planning import Plan
from sm_toolbox.raster.reading import BandReader

_COPIED = 4 * 2**20
"""Cells that are copied at once."""


def raster_writer(output: RasterOutput, grid: Grid, tile: tuple[int, int] = (TILE, TILE)) -> RasterWriter:
    """Return the writer for an output, by its extension.

    Parameters
    ----------
    output : RasterOutput
    grid : Grid
    tile : (int, int), optional
        Rows and columns of the blocks that are written.

    Returns
    -------
    RasterWriter

    Raises
    ------
    OutputError
        Where it cannot be written under that name.
    """
    check_raster_output(output.path)
    if Path(output.path).suffix.lower() == ".nc":
        from sm_toolbox.raster.netcdf import NetcdfWriter

        return NetcdfWriter(output, grid, tile)
    return GeotiffWriter(output, grid, tile)


@contextmanager
def whole_outputs(outputs: Sequence[RasterOutput], grid: Grid, plan: Plan) -> Iterator[list[RasterWriter]]:
    """Open outputs that get their names only when all of them are complete; none is left behind where something fails.

    Parameters
    ----------
    outputs : sequence of RasterOutput
    grid : Grid
    plan : Plan

    Yields
    ------
    list of RasterWriter

    Raises
    ------
    OutputError
        Where two go into one file, or one cannot be written.
    """
    paths = [os.path.realpath(output.path) for output in outputs]
    twice = next((output.path for output, path in zip(outputs, paths) if paths.count(path) > 1), None)
    if twice is not None:
        raise OutputError(f"Two outputs are to be written into the same file '{twice}'. Give each a name of its own.")
    writers: list[RasterWriter] = []
    kept = 0
    try:
        for output in outputs:
            writers.append(raster_writer(output, grid, plan.tile))
        yield writers
        for writer in writers:
            writer.finish()
        for writer in writers:
            writer.put_in_place()
            kept += 1
    finally:
        for writer in writers[kept:]:
            writer.discard()


def leave_out_empty(writer: RasterWriter, grid: Grid) -> list[str]:
    """Leave bands without a value out of a file that is written but has not got its name yet.

    How many bands there are must be said before the first is written, when nobody knows which stay empty.

    Parameters
    ----------
    writer : RasterWriter
    grid : Grid

    Returns
    -------
    list of str
        The bands that are left out; none where all are empty.

    Raises
    ------
    OutputError
        Where it cannot be written again.
    """
    empty = [name for name, cells in zip(writer.output.bands, writer.valid_of_bands) if not cells]
    if not empty or len(empty) == len(writer.output.bands):
        return []
    writer.finish()
    output = replace(writer.output, bands=[name for name in writer.output.bands if name not in empty])
    bands = {band.name: band for band in list_bands([Source(writer.written_to)])}
    rows = min(grid.height, TILE * max(1, _COPIED // (grid.width * TILE)))
    # Opening a file takes time with the number of its bands: many small ones are copied at once.
    together = max(1, _COPIED // (grid.width * rows))
    other = raster_writer(output, grid)
    try:
        for place in range(0, len(output.bands), together):
            group = [bands[name] for name in output.bands[place : place + together]]
            with BandReader(group, grid).open() as opened:
                for top in range(0, grid.height, rows):
                    window = Window(0, top, grid.width, min(rows, grid.height - top))
                    other.write(opened.read(window), window, place)
        other.finish()
    except BaseException:
        other.discard()
        raise
    writer.take_over(other)
    return empty
