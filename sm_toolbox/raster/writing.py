"""The writer of an output, by its extension, and outputs that appear together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from sm_toolbox.errors import OutputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band, list_bands
from sm_toolbox.raster.driver import Dataset
from sm_toolbox.raster.geotiff import GeotiffWriter
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source, open_as_stored, readable
from sm_toolbox.raster.outputs import TILE, RasterOutput, RasterWriter, check_raster_output
from sm_toolbox.raster.planning import Plan

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


def settle(writer: RasterWriter, grid: Grid, progress: Progress = SILENT) -> list[str]:
    """Bring a file into its last form that is written but has not got its name yet.

    Bands without a value are left out where the output is to be without them: how many bands there are must be said
    before the first is written, when nobody knows which stay empty. Bands of before come in as they are stored.

    Parameters
    ----------
    writer : RasterWriter
    grid : Grid
    progress : Progress, optional

    Returns
    -------
    list of str
        The bands that are left out; none where all are empty.

    Raises
    ------
    OutputError
        Where it cannot be written again.
    """
    written = writer.output
    empty = [name for name, cells in zip(written.bands, writer.valid_of_bands) if not cells]
    if not written.leaves_out_empty or len(empty) == len(written.bands):
        empty = []
    if not empty and written.earlier is None:
        return []
    writer.finish()
    names = [name for name in written.bands if name not in empty]
    bands = list_bands([Source(writer.written_to)])
    if written.earlier:
        names, bands = written.earlier.in_order(names), [*written.earlier.bands, *bands]
    other = raster_writer(replace(written, bands=names), grid, writer.tile)
    try:
        _copy({band.name: band for band in bands}, other, grid, progress)
        other.finish()
    except BaseException:
        other.discard()
        raise
    writer.take_over(other)
    return empty


def _copy(bands: Mapping[str, Band], writer: RasterWriter, grid: Grid, progress: Progress) -> None:
    """Write bands as they are stored, many small ones at once."""
    height = writer.tile[0]
    rows = min(grid.height, height * max(1, _COPIED // (grid.width * height)))
    together = max(1, _COPIED // (grid.width * rows))
    block = np.empty((together, rows, grid.width), np.float32)
    place = 0
    with ExitStack() as opened:
        files: dict[Source, Dataset] = {}
        for source, run in groupby((bands[name] for name in writer.output.bands), key=lambda band: band.source):
            if source not in files:
                files[source] = opened.enter_context(open_as_stored(source))
            indexes = [band.index for band in run]
            for start in range(0, len(indexes), together):
                group = indexes[start : start + together]
                for top in range(0, grid.height, rows):
                    progress.check()
                    window = Window(0, top, grid.width, min(rows, grid.height - top))
                    part = block[: len(group), : int(window.height)]
                    with readable(source, window):
                        files[source].read(group, window, part)
                    writer.write(part, window, place)
                place += len(group)
                progress.set_fraction(place / len(writer.output.bands))
