"""Writing arrays with groups into NetCDF-4 files, which are HDF5, in the layouts of providers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.errors import OutputError


@dataclass(frozen=True)
class NewArray:
    """An array to write.

    Parameters
    ----------
    name : str
        With its groups, such as `/Grid/precipitation`.
    axes : tuple of str
        Names of its dimensions; an array of one dimension and its name holds the coordinates of that.
    values : ndarray
        float32, float64 or uint16.
    gap : float or None, optional
        Stored number that means no data.
    unit : str, optional
    attributes : mapping of str to str, optional
    """

    name: str
    axes: tuple[str, ...]
    values: np.ndarray
    gap: float | None = None
    unit: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


def can_write_arrays() -> bool:
    """Say whether GDAL's Python module, which writes arrays, is there.

    Returns
    -------
    bool
    """
    return importlib.util.find_spec("osgeo") is not None


def write_arrays(path: str, arrays: Sequence[NewArray], attributes: Mapping[str, str]) -> None:
    """Write arrays into a new file.

    Parameters
    ----------
    path : str
    arrays : sequence of NewArray
        Dimensions of one name have one size.
    attributes : mapping of str to str
        Of the file.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    from sm_toolbox.raster.gdal_driver import gdal

    try:
        file = gdal.GetDriverByName("netCDF").CreateMultiDimensional(path, [], ["FORMAT=NC4"])
        if file is None:
            raise RuntimeError(gdal.GetLastErrorMsg())
        root = file.GetRootGroup()
        text = gdal.ExtendedDataType.CreateString()
        for key, value in attributes.items():
            root.CreateAttribute(key, [], text).WriteString(value)
        groups, dimensions = {"": root}, {}
        kinds = {"float32": gdal.GDT_Float32, "float64": gdal.GDT_Float64, "uint16": gdal.GDT_UInt16}
        for array in arrays:
            group, _, base = array.name.strip("/").rpartition("/")
            if group not in groups:
                groups[group] = root.CreateGroup(group)
            for axis, size in zip(array.axes, array.values.shape):
                if axis not in dimensions:
                    dimensions[axis] = root.CreateDimension(axis, None, None, size)
            kind = gdal.ExtendedDataType.Create(kinds[array.values.dtype.name])
            target = groups[group].CreateMDArray(base, [dimensions[axis] for axis in array.axes], kind)
            if array.gap is not None:
                target.SetNoDataValueDouble(array.gap)
            for key, value in {**({"units": array.unit} if array.unit else {}), **array.attributes}.items():
                target.CreateAttribute(key, [], text).WriteString(value)
            if target.Write(np.ascontiguousarray(array.values)) != gdal.CE_None:
                raise RuntimeError(gdal.GetLastErrorMsg())
    except (RuntimeError, AttributeError) as error:
        # Where GDAL does not raise its errors, it hands back nothing.
        raise OutputError(f"The file '{path}' could not be written: {error}. Check the free space.") from error
