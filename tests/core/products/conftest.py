"""Small files as providers lay them out, made through GDAL's multidimensional interface."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sm_toolbox.products.importing import Request, import_product
from sm_toolbox.raster.choice import driver

FILL = -9999.0
SMAP_CELL, SMAP_LEFT, SMAP_TOP = 36032.220840584, -17367530.4451615, 7314540.8306386


def _type(gdal, dtype):
    codes = {
        "uint8": gdal.GDT_Byte,
        "uint16": gdal.GDT_UInt16,
        "int16": gdal.GDT_Int16,
        "int32": gdal.GDT_Int32,
        "float32": gdal.GDT_Float32,
        "float64": gdal.GDT_Float64,
    }
    return gdal.ExtendedDataType.Create(codes[str(np.dtype(dtype))])


def _attribute(gdal, target, name, value):
    if isinstance(value, str):
        target.CreateAttribute(name, [], gdal.ExtendedDataType.CreateString()).Write(value)
    else:
        target.CreateAttribute(name, [], gdal.ExtendedDataType.Create(gdal.GDT_Float64)).Write(float(value))


def write_arrays(path, arrays):
    """Write a NetCDF-4 file, which is HDF5, of arrays by their full names.

    Each is values, names of dimensions, and attributes, of which `fill` is what stands for no data. An array of the
    name of its only dimension has the coordinates.
    """
    from osgeo import gdal

    path.parent.mkdir(parents=True, exist_ok=True)
    file = gdal.GetDriverByName("netCDF").CreateMultiDimensional(str(path), [], ["FORMAT=NC4"])
    root = file.GetRootGroup()
    groups, dimensions, kept = {"": root}, {}, []
    for full, (values, names, attributes) in arrays.items():
        values = np.ascontiguousarray(values)
        folder, _, name = full.strip("/").rpartition("/")
        for depth in range(1, folder.count("/") + 2) if folder else ():
            part = "/".join(folder.split("/")[:depth])
            if part not in groups:
                outer, _, last = part.rpartition("/")
                groups[part] = groups[outer].CreateGroup(last)
        for size, dimension in zip(values.shape, names):
            if dimension not in dimensions:
                dimensions[dimension] = root.CreateDimension(dimension, "", "", size)
        array = groups[folder].CreateMDArray(name, [dimensions[each] for each in names], _type(gdal, values.dtype))
        if "fill" in attributes:
            array.SetNoDataValueDouble(float(attributes["fill"]))
        for key, value in attributes.items():
            if key != "fill":
                _attribute(gdal, array, key, value)
        array.Write(values)
        kept.append(array)
    del kept, array, groups, dimensions, root, file
    return str(path)


def degrees(lat, lon):
    """Return axes in degrees for `write_arrays`."""
    return {
        "/lat": (np.asarray(lat, float), ("lat",), {"units": "degrees_north"}),
        "/lon": (np.asarray(lon, float), ("lon",), {"units": "degrees_east"}),
    }


def time_axis(values, units, name="time"):
    """Return an axis of times for `write_arrays`."""
    return {f"/{name}": (np.asarray(values, float), (name,), {"units": units, "calendar": "standard"})}


@pytest.fixture
def arrays(tmp_path):
    """A function that writes a file of arrays under a name."""
    return lambda name, arrays: write_arrays(tmp_path / name, arrays)


@pytest.fixture
def smap(tmp_path):
    """A function that writes a window of SMAP as NSIDC's subsetter hands it out."""

    def write(name, am, pm=None, *, flags=None, row=100, column=500, seconds=481_140_000.0, hours=12, factor=1):
        known = SMAP_CELL / factor
        made = {}
        for half, values, end, later in (("AM", am, "", 0), ("PM", pm, "_pm", hours * 3600.0)):
            if values is None:
                continue
            values = np.asarray(values, np.float32)
            rows, columns = np.indices(values.shape)
            lon, lat = driver().transform(
                (SMAP_LEFT + (columns + column + 0.5) * known).ravel(),
                (SMAP_TOP - (rows + row + 0.5) * known).ravel(),
                driver().crs(6933),
                driver().crs(4326),
            )
            lat, lon = (np.asarray(each, np.float32).reshape(values.shape) for each in (lat, lon))
            group, dims = f"/Soil_Moisture_Retrieval_Data_{half}", ("y", "x")
            words = np.zeros(values.shape, np.uint16) if flags is None else np.asarray(flags, np.uint16)
            made[f"{group}/soil_moisture{end}"] = (values, dims, {"fill": FILL, "units": "cm**3/cm**3"})
            made[f"{group}/retrieval_qual_flag{end}"] = (words, dims, {"fill": 65534})
            made[f"{group}/latitude{end}"] = (lat, dims, {})
            made[f"{group}/longitude{end}"] = (lon, dims, {})
            clock = np.where(values == FILL, FILL, seconds + later)
            made[f"{group}/tb_time_seconds{end}"] = (clock, dims, {"fill": FILL})
        return write_arrays(tmp_path / name, made)

    return write


@pytest.fixture
def tile(tmp_path):
    """A function that writes one band as a GeoTIFF under a provider's name."""

    def write(name, values, crs="EPSG:32632", origin=(500000.0, 5000000.0), cell=30.0, nodata=None):
        values = np.asarray(values)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=values.shape[0],
            width=values.shape[1],
            count=1,
            dtype=values.dtype,
            crs=crs,
            transform=from_origin(*origin, cell, cell),
            nodata=nodata,
        ) as dataset:
            dataset.write(values, 1)
        return str(path)

    return write


class Made:
    """An import, with its bands by name."""

    def __init__(self, paths, path, **request):
        paths = [paths] if isinstance(paths, str) else [str(each) for each in paths]
        self.result = import_product(paths, str(path), Request(**request))
        with rasterio.open(path) as dataset:
            self.bands = dict(zip(dataset.descriptions, dataset.read()))
            self.units = dict(zip(dataset.descriptions, dataset.units))
            self.transform, self.crs = dataset.transform, dataset.crs

    def __getitem__(self, name):
        return self.bands[name]


@pytest.fixture
def made(tmp_path):
    """A function that imports files."""
    return lambda paths, **request: Made(paths, tmp_path / "output.tif", **request)
