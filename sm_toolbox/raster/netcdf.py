"""NetCDF after the CF conventions, with a time axis: written through GDAL, which QGIS brings."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from sm_toolbox.errors import OutputError
from sm_toolbox.files import remove_quietly
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.gdal_driver import gdal, osr
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import split_name
from sm_toolbox.raster.outputs import METHOD_TAG, RasterOutput, RasterWriter
from sm_toolbox.raster.times import Time

_EPOCH = datetime(1970, 1, 1)
_RESERVED = {"time", "x", "y", "lon", "lat", "crs"}


class NetcdfWriter(RasterWriter):
    """A compressed NetCDF-4 file after CF-1.8: one variable for each of the bands', with time where it is dated.

    Its chunks hold one time each: GDAL, and so QGIS, reads band by band.

    Parameters
    ----------
    output : RasterOutput
        Bands of one variable need not follow each other, nor be in order of time.
    grid : Grid
    tile : (int, int)
        Rows and columns of the file's chunks.
    """

    def __init__(self, output: RasterOutput, grid: Grid, tile: tuple[int, int]):
        super().__init__(output, grid, tile)
        if grid.transform.b or grid.transform.d:
            raise OutputError(
                f"The output '{output.path}' cannot be NetCDF: its grid is rotated against the axes of its CRS. "
                "Write a .tif instead."
            )
        self._names = [split_name(name) for name in output.bands]
        variables = list(dict.fromkeys(name for name, _ in self._names))
        in_file = [_in_file(name) for name in variables]
        taken = sorted({name for name in in_file if name in _RESERVED or re.fullmatch(r"time_\d+", name)})
        twins = sorted({name for name in in_file if in_file.count(name) > 1})
        if twins:
            raise OutputError(
                f"The output '{output.path}' cannot be NetCDF: several variables would be named '{twins[0]}' "
                f"there ({', '.join(variables[:8])}). Write a .tif instead."
            )
        if taken:
            raise OutputError(
                f"The output '{output.path}' cannot be NetCDF: a variable named '{taken[0]}' would be taken for a "
                "coordinate. Write a .tif instead."
            )
        # GDAL returns nothing where it fails, or raises RuntimeError where another plugin has switched its exceptions
        # on.
        self._dataset: Any = None
        with contextlib.suppress(RuntimeError):
            self._dataset = gdal.GetDriverByName("netCDF").CreateMultiDimensional(self._temporary, [], ["FORMAT=NC4"])
        if self._dataset is None:
            raise OutputError(f"The output '{output.path}' cannot be created: {gdal.GetLastErrorMsg()}.")
        try:
            self._define(tile)
        except RuntimeError as error:
            self.discard()
            raise OutputError(f"The output '{output.path}' cannot be NetCDF: {error}. Write a .tif instead.") from error
        except BaseException:
            self.discard()
            raise

    def _define(self, tile: tuple[int, int]) -> None:
        root, tags = self._dataset.GetRootGroup(), self.output.all_tags
        _describe(
            root,
            {
                "Conventions": "CF-1.8",
                **{key: text for key, text in tags.items() if not key.startswith(("UNIT_", METHOD_TAG))},
            },
        )
        grid = self._grid
        transform = grid.transform
        geographic = grid.crs.is_geographic
        kind, unit = ("{}", "degrees_{}") if geographic else ("projection_{}_coordinate", _length_unit(grid))
        axes = []
        for letter, name, size, origin, step, long, compass in (
            ("y", "lat", grid.height, transform.f, transform.e, "latitude", "north"),
            ("x", "lon", grid.width, transform.c, transform.a, "longitude", "east"),
        ):
            axis = root.CreateDimension(name if geographic else letter, f"HORIZONTAL_{letter.upper()}", None, size)
            attributes = {
                "standard_name": kind.format(long if geographic else letter),
                "units": unit.format(compass),
                "axis": letter.upper(),
            }
            _coordinate(root, axis, origin + (np.arange(size) + 0.5) * step, attributes)
            axes.append(axis)
        system = osr.SpatialReference()
        system.ImportFromWkt(grid.crs.to_wkt())
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        self._arrays = {}
        times_of: dict[str, list[Time]] = {}
        for variable, time in self._names:
            times_of.setdefault(variable, [])
            if time is not None:
                times_of[variable].append(time)
        dimensions: dict[tuple[Time, ...], gdal.Dimension] = {}
        chunk = [min(tile[0], grid.height), min(tile[1], grid.width)]
        for variable, times in times_of.items():
            own = tuple(sorted(times))
            if len({time.resolution for time in own}) > 1:
                raise OutputError(
                    f"The output '{self.output.path}' cannot be NetCDF: {variable} has {own[0]} and other times "
                    "that stand for months, days and moments, which a time axis cannot tell apart. Write a .tif "
                    "instead."
                )
            if own and own not in dimensions:
                dimensions[own] = _time_axis(root, f"time_{len(dimensions) + 1}" if dimensions else "time", own)
            over = [dimensions[own], *axes] if own else axes
            chunks = ",".join(str(length) for length in ([1, *chunk] if own else chunk))
            name = _in_file(variable)
            array = root.CreateMDArray(
                name, over, _type(gdal.GDT_Float32), [f"BLOCKSIZE={chunks}", "COMPRESS=DEFLATE", "ZLEVEL=1"]
            )
            if array is None:
                raise OutputError(
                    f"The output '{self.output.path}' cannot be NetCDF: the variable '{variable}' is refused "
                    f"({gdal.GetLastErrorMsg()})."
                )
            array.SetNoDataValueDouble(float("nan"))
            array.SetSpatialRef(system)
            # Without a dimension NetCDF's conventions want 1, not a dash.
            unit = tags.get(f"UNIT_{variable}", "1").replace("–", "1")
            _describe(array, {"long_name": variable, "units": unit})
            method = tags.get(f"{METHOD_TAG}{variable}")
            if method and own:
                _describe(array, {"cell_methods": f"{dimensions[own].GetName()}: {method}"})
            self._keep_geotransform(root, array)
            self._arrays[variable] = (array, {time: place for place, time in enumerate(own)})

    def _keep_geotransform(self, root: gdal.Group, array: gdal.MDArray) -> None:
        """Note the geotransform as GDAL does: a single row or column does not show its spacing."""
        mapping = array.GetAttribute("grid_mapping")
        if min(self._grid.width, self._grid.height) > 1 or mapping is None:
            return
        target = root.OpenMDArray(mapping.ReadAsString())
        if target is not None and "GeoTransform" not in (attribute.GetName() for attribute in target.GetAttributes()):
            _describe(
                target, {"GeoTransform": " ".join(repr(float(value)) for value in self._grid.transform.to_gdal())}
            )

    def _write(self, block: np.ndarray, window: Window, first: int) -> bool:
        start, size = [int(window.row_off), int(window.col_off)], [int(window.height), int(window.width)]
        for values, (variable, time) in zip(block, self._names[first:]):
            array, places = self._arrays[variable]
            at, count = (start, size) if time is None else ([places[time], *start], [1, *size])
            data = np.ascontiguousarray(values, np.float32).tobytes()
            try:
                if (
                    array.Write(data, array_start_idx=at, count=count, buffer_datatype=_type(gdal.GDT_Float32))
                    != gdal.CE_None
                ):
                    return False
            except RuntimeError:
                return False
        return True

    def _close(self) -> None:
        # GDAL closes a file when the last object that refers to it has gone.
        self._arrays = {}
        self._dataset = None

    def _is_complete(self) -> bool:
        """Say whether the file opens with all its variables; HDF5 does not open one that is cut."""
        found = None
        with contextlib.suppress(RuntimeError):
            found = gdal.OpenEx(self._temporary, gdal.OF_MULTIDIM_RASTER)
        if found is None:
            return False
        return {_in_file(variable) for variable, _ in self._names} <= set(found.GetRootGroup().GetMDArrayNames())

    def discard(self) -> None:
        """Remove what has been written."""
        super().discard()
        remove_quietly(self._temporary)


def _in_file(variable: str) -> str:
    """Return a variable's name without what names of NetCDF variables and of GDAL's sub-datasets cannot hold."""
    return re.sub(r'[/:"]', "_", variable).strip() or "_"


def _type(code: int) -> gdal.ExtendedDataType:
    return gdal.ExtendedDataType.Create(code)


def _describe(target: gdal.Group | gdal.MDArray, attributes: dict[str, str]) -> None:
    for name, text in attributes.items():
        target.CreateAttribute(name, [], gdal.ExtendedDataType.CreateString()).WriteString(text)


def _coordinate(
    root: gdal.Group, dimension: gdal.Dimension, values: Sequence[float] | np.ndarray, attributes: dict[str, str]
) -> None:
    array = root.CreateMDArray(dimension.GetName(), [dimension], _type(gdal.GDT_Float64))
    _describe(array, attributes)
    array.Write(
        np.asarray(values, np.float64).tobytes(),
        array_start_idx=[0],
        count=[len(values)],
        buffer_datatype=_type(gdal.GDT_Float64),
    )


def _time_axis(root: gdal.Group, name: str, times: Sequence[Time]) -> gdal.Dimension:
    dimension = root.CreateDimension(name, "TEMPORAL", None, len(times))
    # Whole numbers: fractions of days are no exact seconds to programs that decode them.
    step, unit = (1, "seconds") if times[0].resolution == "second" else (86400, "days")
    counts = [(time.start - _EPOCH).total_seconds() / step for time in times]
    attributes = {"standard_name": "time", "units": f"{unit} since 1970-01-01", "calendar": "standard", "axis": "T"}
    # Not of the conventions: tells whether the first of a month stands for the day or for the month.
    attributes["resolution"] = times[0].resolution
    _coordinate(root, dimension, counts, attributes)
    return dimension


def _length_unit(grid: Grid) -> str:
    name, factor = grid.crs.linear_units_factor
    return "m" if factor == 1 else name
