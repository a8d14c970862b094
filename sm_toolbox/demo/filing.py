"""The files of a scene: rasters whose bands come span by span, and tables."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sm_toolbox.demo.scene import date_of
from sm_toolbox.progress import Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.writing import raster_writer

SIMULATED = "yes: these values were computed by a model of the Soil Moisture Toolbox, nobody measured them"

StationWriter = Callable[[np.ndarray, Path], None]


@dataclass
class GrowingRaster:
    """A raster whose dates are not all there yet.

    Parameters
    ----------
    grid : Grid
    tags : dict of str to str
    days : list of int
        Of the scene.
    dated : dict of str to list of ndarray (days, rows, cols)
        By variable.
    static : dict of str to ndarray (rows, cols)
    """

    grid: Grid
    tags: dict[str, str]
    days: list[int] = field(default_factory=list)
    dated: dict[str, list[np.ndarray]] = field(default_factory=dict)
    static: dict[str, np.ndarray] = field(default_factory=dict)


class SceneFiles:
    """What will lie in the folder of a scene.

    Parameters
    ----------
    folder : Path
    station_writer : callable or None
        As in `write_demo_scene`.
    """

    def __init__(self, folder: Path, station_writer: StationWriter | None = None):
        self.folder, self._station_writer = folder, station_writer
        self._rasters: dict[str, GrowingRaster] = {}
        self._tables: dict[str, list[np.ndarray]] = {}

    def _raster(self, name: str, grid: Grid, simulated: str, units: Mapping[str, str]) -> GrowingRaster:
        tags = {"SIMULATED": simulated, **{f"UNIT_{variable}": unit for variable, unit in units.items()}}
        return self._rasters.setdefault(name, GrowingRaster(grid, tags))

    def add_dated(
        self,
        name: str,
        grid: Grid,
        days: Iterable[int],
        variables: Mapping[str, np.ndarray],
        units: Mapping[str, str] = {},
    ) -> None:
        """Add dates to a raster.

        Parameters
        ----------
        name : str
            Of the file, in the folder.
        grid : Grid
        days : iterable of int
            Of the scene.
        variables : mapping of str to ndarray (days, rows, cols)
        units : mapping of str to str, optional
            By variable.
        """
        raster = self._raster(name, grid, SIMULATED, units)
        raster.days += list(days)
        for variable, values in variables.items():
            raster.dated.setdefault(variable, []).append(values)

    def add_static(
        self,
        name: str,
        grid: Grid,
        bands: Mapping[str, np.ndarray],
        simulated: str = SIMULATED,
        units: Mapping[str, str] = {},
    ) -> None:
        """Add bands to a raster; they come after the dated ones.

        Parameters
        ----------
        name : str
            Of the file, in the folder.
        grid : Grid
        bands : mapping of str to ndarray (rows, cols)
            By name.
        simulated : str, optional
            What the file says of itself.
        units : mapping of str to str, optional
            By variable.
        """
        self._raster(name, grid, simulated, units).static.update(bands)

    def add_table(self, name: str, table: np.ndarray) -> None:
        """Add rows to a table.

        Parameters
        ----------
        name : str
            Of the CSV file, in the folder.
        table : structured ndarray (rows,)
            With a column `station`.
        """
        self._tables.setdefault(name, []).append(table)

    def table(self, name: str) -> np.ndarray:
        """Return the rows of a table so far.

        Parameters
        ----------
        name : str

        Returns
        -------
        structured ndarray (rows,)
        """
        return np.concatenate(self._tables[name])

    def write(self, progress: Progress) -> None:
        """Write all rasters and tables.

        Parameters
        ----------
        progress : Progress
        """
        number = len(self._rasters) + len(self._tables)
        for place, name in enumerate(list(self._rasters)):
            progress.check()
            self._write_raster(name, self._rasters.pop(name))
            progress.set_fraction(place / number)
        for name, parts in self._tables.items():
            progress.check()
            whole = np.concatenate(parts)
            # Rows of one station stay in the order of time.
            whole = whole[np.argsort(whole["station"], kind="stable")]
            write_csv(self.folder / name, whole)
            if self._station_writer is not None:
                self._station_writer(whole, (self.folder / name).with_suffix(".gpkg"))
        progress.set_fraction(1)

    def _write_raster(self, name: str, raster: GrowingRaster) -> None:
        names = [band for variable in raster.dated for band in dated_names(variable, raster.days)]
        output = RasterOutput(str(self.folder / name), [*names, *raster.static], raster.tags)
        window = Window(0, 0, raster.grid.width, raster.grid.height)
        parts = [part for parts in raster.dated.values() for part in parts]
        with raster_writer(output, raster.grid) as writer:
            first = 0
            for part in [*parts, *(band[None] for band in raster.static.values())]:
                writer.write(part.astype(np.float32), window, first)
                first += len(part)


def dated_names(variable: str, days: Iterable[int]) -> list[str]:
    """Return the names of a variable's bands.

    Parameters
    ----------
    variable : str
    days : iterable of int
        Of the scene.

    Returns
    -------
    list of str
    """
    return [band_name(variable, Time(date_of(day))) for day in days]


def write_csv(path: Path, table: np.ndarray) -> None:
    """Write a table.

    Parameters
    ----------
    path : Path
    table : structured ndarray (rows,)
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=os.linesep)
        writer.writerow(table.dtype.names or ())
        writer.writerows(table.tolist())
