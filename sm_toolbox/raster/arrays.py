"""Arrays of HDF4, HDF5, NetCDF and GRIB files with their own axes, through GDAL's multidimensional interface.

GDAL's classic one cuts the names of some sub-datasets, takes the axes of others the wrong way round and places others
by control points; here arrays come as they are stored.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.driver import DriverError


@dataclass(frozen=True)
class Axis:
    """A dimension of an array.

    Parameters
    ----------
    name, unit : str
    values : ndarray of float64 (n,) or None
        Its coordinates, where the file has them.
    size : int
    """

    name: str
    unit: str
    values: np.ndarray | None = field(compare=False)
    size: int = 0


@dataclass(frozen=True)
class ArrayFacts:
    """What a file says of an array.

    Parameters
    ----------
    name : str
        With its groups, such as `/Grid/precipitation`.
    axes : tuple of Axis
    dtype : dtype
    gaps : tuple of float
        Stored numbers that the file declares to be no data.
    scale, offset : float
        Physical value = scale · stored + offset, as the file states.
    unit : str
    wkt : str
        The coordinate reference system; empty where there is none.
    attributes : dict
    """

    name: str
    axes: tuple[Axis, ...]
    dtype: np.dtype
    gaps: tuple[float, ...]
    scale: float
    offset: float
    unit: str
    wkt: str
    attributes: dict[str, Any] = field(compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(axis.size for axis in self.axes)

    @property
    def base(self) -> str:
        """The name without its groups."""
        return self.name.rpartition("/")[2]


class ArrayFile:
    """A file of arrays, open for reading.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    kept : dict
        What callers found out about the file and need again.

    Raises
    ------
    DriverError
        Where GDAL cannot open it so.
    InputError
        Where GDAL's Python module is not there.
    """

    def __init__(self, path: str):
        if importlib.util.find_spec("osgeo") is None:
            raise InputError(
                "Files of many arrays (HDF, NetCDF, GRIB) need GDAL's Python module (osgeo), which every QGIS has and "
                "this Python has not. Run the import in QGIS, or with qgis_process."
            )
        from sm_toolbox.raster.gdal_driver import call, dtype_of, gdal

        self.path, self._call, self._gdal, self._dtype_of = path, call, gdal, dtype_of
        self._file = call(gdal.OpenEx, path, gdal.OF_MULTIDIM_RASTER)
        self._root = call(self._file.GetRootGroup)
        self._names: list[str] | None = None
        self._arrays: dict[str, Any] = {}
        self._groups: dict[str, Any] = {}
        self._axes: dict[tuple[str, str, int], Axis] = {}
        self.kept: dict[Any, Any] = {}

    def names(self) -> list[str]:
        """Return the full names of all arrays.

        Returns
        -------
        list of str
        """
        if self._names is None:
            self._names = list(self._walk(self._root, ""))
        return self._names

    def _walk(self, group: Any, path: str) -> Iterator[str]:
        with _quiet(self._gdal):
            yield from (f"{path}/{name}" for name in group.GetMDArrayNames() or ())
            for name in group.GetGroupNames() or ():
                inner = group.OpenGroup(name)
                if inner is not None:
                    yield from self._walk(inner, f"{path}/{name}")

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            path, _, base = name.rpartition("/")
            self._arrays[name] = self._call(self._group(path).OpenMDArray, base)
        return self._arrays[name]

    def _group(self, path: str) -> Any:
        """Return a group, which stays open: with it HDF4's dimensions would lose their coordinates."""
        if not path.strip("/"):
            return self._root
        if path not in self._groups:
            outer, _, name = path.rpartition("/")
            self._groups[path] = self._call(self._group(outer).OpenGroup, name)
        return self._groups[path]

    def describe(self, name: str) -> ArrayFacts:
        """Return what the file says of an array.

        Parameters
        ----------
        name : str

        Returns
        -------
        ArrayFacts

        Raises
        ------
        DriverError
            Where it is not there, or holds no numbers.
        """
        array = self._array(name)
        with _quiet(self._gdal):
            dtype = self._dtype_of(array.GetDataType().GetNumericDataType())
            if dtype is None:
                raise DriverError(f"{name} holds no numbers")
            attributes = {item.GetName(): _read(item) for item in array.GetAttributes() or ()}
            gaps = [array.GetNoDataValueAsDouble(), attributes.get("missing_value"), attributes.get("_FillValue")]
            scale, offset, system = array.GetScale(), array.GetOffset(), array.GetSpatialRef()
            return ArrayFacts(
                name,
                tuple(self._axis(name.rpartition("/")[0], dimension) for dimension in array.GetDimensions() or ()),
                dtype,
                tuple(dict.fromkeys(float(gap) for gap in gaps if isinstance(gap, (int, float)))),
                1.0 if scale is None else float(scale),
                0.0 if offset is None else float(offset),
                str(array.GetUnit() or attributes.get("units") or ""),
                "" if system is None else system.ExportToWkt(),
                attributes,
            )

    def _axis(self, group: str, dimension: Any) -> Axis:
        # Dimensions of different groups may have one name, and even those without a name of their own.
        key = group, dimension.GetFullName(), dimension.GetSize()
        if key not in self._axes:
            self._axes[key] = self._read_axis(dimension)
        return self._axes[key]

    def _read_axis(self, dimension: Any) -> Axis:
        values, unit = None, ""
        with suppress(RuntimeError):
            variable = dimension.GetIndexingVariable()
            if variable is not None:
                data = variable.ReadAsArray() if dimension.GetSize() else None
                if data is not None and data.ndim == 1 and np.issubdtype(data.dtype, np.number):
                    values, unit = data.astype(np.float64), str(variable.GetUnit() or "")
        return Axis(dimension.GetName(), unit, values, int(dimension.GetSize()))

    def read(self, name: str, start: Sequence[int] = (), count: Sequence[int] = ()) -> np.ndarray:
        """Return stored numbers.

        Parameters
        ----------
        name : str
        start, count : sequence of int, optional
            First index and number along each axis; by default all.

        Returns
        -------
        ndarray
        """
        return self._call(self._array(name).ReadAsArray, list(start) or None, list(count) or None)

    def text(self, name: str) -> str:
        """Return an array that is one text; empty where it is not there.

        Parameters
        ----------
        name : str

        Returns
        -------
        str
        """
        try:
            with _quiet(self._gdal):
                values = self._array(name).Read()
        except (RuntimeError, DriverError):
            return ""
        return values if isinstance(values, str) else "".join(map(str, values or ()))

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the file.

        Returns
        -------
        dict
        """
        with _quiet(self._gdal):
            return {item.GetName(): _read(item) for item in self._root.GetAttributes() or ()}

    def close(self) -> None:
        """Close the file."""
        self._arrays.clear()
        self._groups.clear()
        self._root = self._file = None

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _read(attribute: Any) -> Any:
    try:
        value = attribute.Read()
    except RuntimeError:
        return None
    return value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value


@contextmanager
def _quiet(gdal: Any) -> Iterator[None]:
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        yield
    except RuntimeError as error:
        raise DriverError(str(error)) from error
    finally:
        gdal.PopErrorHandler()
