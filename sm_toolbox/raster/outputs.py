"""Raster outputs that appear whole or not at all."""

from __future__ import annotations

import importlib.util
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from sm_toolbox.errors import OutputError
from sm_toolbox.files import check_output, put_in_place, remove_quietly, temporary_name
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.appending import Earlier, Making
from sm_toolbox.raster.grid import Grid

METHOD_TAG = "METHOD_"
TILE = 256


@dataclass(frozen=True)
class RasterOutput:
    """A raster file to write.

    Parameters
    ----------
    path : str
        GeoTIFF (`.tif`, `.tiff`) or CF NetCDF (`.nc`).
    bands : sequence of str
        Band descriptions in order.
    tags : mapping, optional
        Metadata of the file; `UNIT_<variable>` is the unit of a variable, `METHOD_<variable>` how a value stands for
        its period (`mean`, after CF's cell_methods), `PERIOD_<variable>` the period (as `times.period_days`).
    leaves_out_empty : bool, optional
        Whether bands without a value are left out.
    made : Making, optional
        What makes the bands, which the file's metadata keep.
    earlier : Earlier, optional
        File of before whose bands are in the output, too.
    """

    path: str
    bands: Sequence[str]
    tags: dict[str, str] = field(default_factory=dict)
    leaves_out_empty: bool = False
    made: Making | None = None
    earlier: Earlier | None = None

    @property
    def all_tags(self) -> dict[str, str]:
        """Metadata of the file, with what is kept of its making."""
        tags = self.earlier.tags_with(self.tags) if self.earlier else dict(self.tags)
        return tags if self.made is None else {**tags, **self.made.tags(self.bands, self.earlier)}


def check_raster_output(path: str) -> None:
    """Find out, before any work is done, whether a raster can be written under a name.

    Parameters
    ----------
    path : str

    Raises
    ------
    OutputError
        As `check_output`, and where the extension is neither GeoTIFF's nor NetCDF's.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".nc", ".tif", ".tiff"):
        raise OutputError(
            f"The output '{path}' cannot be written: rasters are written as GeoTIFF or NetCDF. Give it the "
            "extension .tif or .nc."
        )
    if suffix == ".nc" and importlib.util.find_spec("osgeo") is None:
        raise OutputError(
            f"The output '{path}' cannot be written: NetCDF needs GDAL's Python module (osgeo), which is not "
            "here. Write a .tif instead."
        )
    check_output(path)


class RasterWriter(ABC):
    """A raster file under a temporary name until `finish`.

    As a context manager it finishes on success and removes everything on an error or a cancel.

    Parameters
    ----------
    output : RasterOutput
    grid : Grid
    tile : (int, int)
        Rows and columns of what is compressed together.
    """

    def __init__(self, output: RasterOutput, grid: Grid, tile: tuple[int, int]):
        self.output, self._grid, self.tile = output, grid, tile
        self._temporary = temporary_name(output.path)
        self.valid_of_bands = np.zeros(len(output.bands), np.int64)

    @property
    def valid_cells(self) -> int:
        """Cells with values that have been written, over all bands."""
        return int(self.valid_of_bands.sum())

    @property
    def written_to(self) -> str:
        """The file's temporary name."""
        return self._temporary

    @abstractmethod
    def _write(self, block: np.ndarray, window: Window, first: int) -> bool:
        """Write a block of the bands from one on, counted from 0, and say whether that worked."""

    @abstractmethod
    def _close(self) -> None:
        """Close the file; nothing where it is closed."""

    @abstractmethod
    def _is_complete(self) -> bool:
        """Say whether all that was written lies in the closed file."""

    def write(self, block: np.ndarray, window: Window, first: int = 0) -> None:
        """Write a block of bands, float32 (bands, rows, cols); NaN and infinite values become no data.

        Parameters
        ----------
        block : ndarray
        window : Window
        first : int, optional
            The band that the block begins with, counted from 0, where it does not hold all of them.
        """
        if shutil.disk_usage(os.path.dirname(os.path.abspath(self._temporary))).free < block.nbytes:
            raise self._full()
        infinite = np.isinf(block)
        if infinite.any():
            # No measurement is infinite: it comes of a division by nearly nothing, and would spoil every mean and every
            # colour ramp.
            block = np.where(infinite, np.float32(np.nan), block)
        self.valid_of_bands[first : first + len(block)] += np.count_nonzero(~np.isnan(block), axis=(1, 2))
        if not self._write(block, window, first):
            raise self._full()

    def finish(self) -> None:
        """Close and verify the file; it still has its temporary name."""
        self._close()
        if not self._is_complete():
            raise self._full()

    def take_over(self, other: RasterWriter) -> None:
        """Become another file that is written under the same name; what has been written here is removed.

        Parameters
        ----------
        other : RasterWriter
        """
        self.discard()
        self._temporary, self.output, self.valid_of_bands = other._temporary, other.output, other.valid_of_bands

    def put_in_place(self) -> None:
        """Give the finished file its name."""
        put_in_place(self._temporary, self.output.path)

    def discard(self) -> None:
        """Remove whatever has been written."""
        self._close()
        remove_quietly(self._temporary)
        remove_quietly(self._temporary + ".aux.xml")

    def __enter__(self) -> RasterWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self.finish()
            except BaseException:
                self.discard()
                raise
            self.put_in_place()
        else:
            self.discard()

    def _full(self) -> OutputError:
        folder = os.path.dirname(os.path.abspath(self.output.path))
        free = shutil.disk_usage(folder).free / 2**20
        return OutputError(
            f"Writing '{self.output.path}' failed: the file could not be written whole. {free:,.0f} MB are free "
            f"in '{folder}': free some space or choose another disk. Nothing was kept."
        )
