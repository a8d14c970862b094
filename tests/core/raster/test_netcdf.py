"""NetCDF out and in: what is written is what xarray and our own reader find."""

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from affine import Affine
from osgeo import gdal
from rasterio.crs import CRS
from scipy.io import netcdf_file

from sm_toolbox.errors import InputError, OutputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import read_bands, stacks
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source, open_raster
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.writing import raster_writer

pytest.importorskip("osgeo", reason="NetCDF is written through GDAL's Python module")

GRID = Grid(CRS.from_epsg(32630), Affine(30, 0, 5e5, 0, -30, 4e6), 300, 200)
BANDS = ["ndvi@2018-06-09", "ndvi@2018-06-01", "albedo", "rain@2018-06", "rain@2018-07", "lst@2018-06-01T10:30:00"]
TAGS = {"UNIT_rain": "mm", "SIMULATED": "yes"}


@pytest.fixture
def values():
    cells = np.random.default_rng(0).random((len(BANDS), GRID.height, GRID.width)).astype(np.float32)
    cells[1, 20:40, 50:90] = np.nan
    return cells


def write(path, values, bands=BANDS, grid=GRID, tags=TAGS):
    with raster_writer(RasterOutput(str(path), bands, tags), grid, (64, 128)) as writer:
        for row in range(0, grid.height, 64):
            part = values[:, row : row + 64]
            writer.write(part, Window(0, row, grid.width, part.shape[1]))
    return Source(str(path))


def read(source):
    bands = read_bands([source])
    with BandReader(bands, bands[0].grid).open() as reader:
        found = reader.read(Window(0, 0, bands[0].grid.width, bands[0].grid.height))
    return {band.name: values for band, values in zip(bands, found)}, bands


def test_what_is_written_is_read_again(tmp_path, values, leftovers):
    source = write(tmp_path / "out.nc", values)
    found, bands = read(source)
    assert set(found) == set(BANDS)
    for name, expected in zip(BANDS, values):
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
    assert all(band.grid.same_as(GRID) for band in bands)
    assert [str(time) for time in stacks(bands)["ndvi"].times] == ["2018-06-01", "2018-06-09"]
    assert leftovers() == ["out.nc"]


def test_one_variable_is_one_raster(tmp_path, values):
    source = write(tmp_path / "one.nc", values[:2], BANDS[:2])
    with rasterio.open(source.path) as dataset:
        assert dataset.count == 2 and dataset.crs == GRID.crs and dataset.block_shapes[0] == (64, 128)


def test_xarray_reads_it(tmp_path, values):
    """In a process of its own: another HDF5 library beside GDAL's might disturb the tests."""
    pytest.importorskip("xarray", reason="xarray is a development dependency")
    source = write(tmp_path / "out.nc", values)
    code = """
import json, sys
import numpy as np, xarray
data = xarray.open_dataset(sys.argv[1], engine="h5netcdf")
print(json.dumps({
    "conventions": data.attrs["Conventions"], "variables": sorted(data.data_vars),
    "x": float(data.x[0]), "y": float(data.y[-1]),
    "times": [str(t)[:10] for t in data.ndvi[data.ndvi.dims[0]].values],
    "dims": list(data.albedo.dims), "unit": data.rain.attrs["units"],
    "mean": float(data.ndvi[1].mean(dtype="float64")), "gaps": int(np.isnan(data.ndvi[0]).sum()),
    "mapping": data.ndvi.encoding.get("grid_mapping") or data.ndvi.attrs.get("grid_mapping"),
    "moment": str(data.lst[data.lst.dims[0]].values[0]),
}))
"""
    done = subprocess.run([sys.executable, "-c", code, source.path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1500:]
    found = json.loads(done.stdout)
    assert {"albedo", "lst", "ndvi", "rain"} <= set(found["variables"]) and found["conventions"] == "CF-1.8"
    assert (found["x"], found["y"]) == (5e5 + 15, 4e6 - 30 * 199.5)
    assert found["times"] == ["2018-06-01", "2018-06-09"] and found["moment"] == "2018-06-01T10:30:00.000000000"
    assert found["dims"] == ["y", "x"] and found["unit"] == "mm" and found["mapping"]
    assert found["mean"] == pytest.approx(values[0].mean(dtype=float)) and found["gaps"] == 20 * 40


@pytest.mark.parametrize("epsg", [4326, 6933, 3035, 2264])
def test_grids_come_back(tmp_path, epsg):
    """Degrees, equal-area and conformal projections, feet."""
    cell = 0.01 if epsg == 4326 else 1000
    grid = Grid(CRS.from_epsg(epsg), Affine(cell, 0, 7, 0, -cell, 50), 40, 30)
    source = write(tmp_path / "grid.nc", np.ones((1, 30, 40), np.float32), ["ndvi@2018-06-01"], grid)
    _, bands = read(source)
    assert grid.differences(bands[0].grid) == []


@pytest.mark.parametrize("shape", [(1, 40), (30, 1), (1, 1)])
@pytest.mark.parametrize("epsg", [4326, 32630])
@pytest.mark.usefixtures("gdal_errors")
def test_single_rows_and_columns(tmp_path, shape, epsg):
    grid = Grid(CRS.from_epsg(epsg), Affine(0.5, 0, 7, 0, -0.25, 50), shape[1], shape[0])
    found, bands = read(write(tmp_path / "line.nc", np.ones((1, *shape), np.float32), ["ndvi@2018-06-01"], grid))
    assert grid.differences(bands[0].grid) == [] and list(found) == ["ndvi@2018-06-01"]


def test_a_grid_with_south_on_top(tmp_path):
    """GDAL turns it the right way round on reading."""
    grid = Grid(CRS.from_epsg(32630), Affine(30, 0, 5e5, 0, 30, 4e6), 4, 3)
    cells = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    found, bands = read(write(tmp_path / "south.nc", cells, ["a"], grid))
    np.testing.assert_array_equal(found["a"], cells[0, ::-1])
    assert bands[0].grid.transform.e == -30 and bands[0].grid.bounds == grid.bounds


def test_through_the_engine(tmp_path, values, progress):
    bands = read_bands([write(tmp_path / "in.tif", values)])
    for name in ("out.nc", "out.tif"):
        run_blocks(
            lambda blocks, window: blocks["a"] * 2,
            {"a": bands},
            [RasterOutput(str(tmp_path / name), BANDS)],
            GRID,
            engine=Engine(memory=4_000_000),
        )
    nc, tif = (read(Source(str(tmp_path / name)))[0] for name in ("out.nc", "out.tif"))
    for name in BANDS:
        np.testing.assert_array_equal(nc[name], tif[name])


def test_scale_offset_and_fill_of_others(tmp_path):
    """A file as others write it: packed integers, hours, latitude and longitude without a grid mapping."""
    path = tmp_path / "packed.nc"
    with netcdf_file(path, "w") as file:
        file.createDimension("time", None)
        for name, size in (("lat", 3), ("lon", 4)):
            file.createDimension(name, size)
        times = file.createVariable("time", "i4", ("time",))
        times.units, times[:] = "hours since 2018-06-01 00:00:00", [0, 24]
        for name, unit, start, step in (("lat", "degrees_north", 50.0, -0.25), ("lon", "degrees_east", 10.0, 0.25)):
            axis = file.createVariable(name, "f8", (name,))
            axis.units, axis.standard_name = unit, {"lat": "latitude", "lon": "longitude"}[name]
            axis[:] = start + step * np.arange(3 if name == "lat" else 4)
        data = file.createVariable("swvl1", "i2", ("time", "lat", "lon"))
        data.scale_factor, data.add_offset, data._FillValue = 0.001, 0.1, np.int16(-32767)
        packed = np.arange(24, dtype=np.int16).reshape(2, 3, 4) * 10
        packed[1, 1, 2] = -32767
        data[:] = packed
    found, bands = read(Source(str(path)))
    expected = np.where(packed == -32767, np.nan, packed * 0.001 + 0.1)
    assert list(found) == ["swvl1@2018-06-01", "swvl1@2018-06-02"]
    np.testing.assert_allclose(np.stack(list(found.values())), expected, rtol=1e-6)
    assert bands[0].grid.crs.is_geographic and bands[0].grid.bounds == pytest.approx((9.875, 49.375, 10.875, 50.125))


def test_chunks_of_many_times(tmp_path):
    """As xarray users write them; windows need not end where chunks do."""

    times, rows, columns = 10, 150, 170
    values = np.random.default_rng(0).random((times, rows, columns)).astype(np.float32)
    path = str(tmp_path / "chunks.nc")
    dataset = gdal.GetDriverByName("netCDF").CreateMultiDimensional(path)
    root, single, double = (
        dataset.GetRootGroup(),
        *(gdal.ExtendedDataType.Create(code) for code in (gdal.GDT_Float32, gdal.GDT_Float64)),
    )
    axes = []
    for name, kind, size, unit in (
        ("time", "TEMPORAL", times, "days since 2018-06-01"),
        ("lat", "", rows, "degrees_north"),
        ("lon", "", columns, "degrees_east"),
    ):
        axes.append(root.CreateDimension(name, kind, None, size))
        axis = root.CreateMDArray(name, [axes[-1]], double)
        axis.CreateAttribute("units", [], gdal.ExtendedDataType.CreateString()).WriteString(unit)
        steps = 50 - np.arange(size) * 0.1 if name == "lat" else np.arange(size) * (1 if name == "time" else 0.1)
        axis.Write(steps.astype(np.float64).tobytes(), buffer_datatype=double)
    array = root.CreateMDArray("ndvi", axes, single, ["BLOCKSIZE=10,64,64", "COMPRESS=DEFLATE"])
    array.Write(values.tobytes(), buffer_datatype=single)
    del array, axis, axes, root, dataset
    found, bands = read(Source(path))
    np.testing.assert_array_equal(np.stack(list(found.values())), values)
    with BandReader(bands, bands[0].grid).open() as reader:
        np.testing.assert_array_equal(reader.read(Window(50, 30, 100, 90)), values[:, 30:120, 50:150])


def test_what_netcdf_cannot_hold(tmp_path, leftovers):
    rotated = Grid(CRS.from_epsg(32630), Affine(30, 5, 5e5, 5, -30, 4e6), 4, 3)
    cells = np.ones((1, 3, 4), np.float32)
    with pytest.raises(OutputError, match=r"rotated.*Write a \.tif"):
        write(tmp_path / "a.nc", cells, ["a"], rotated)
    with pytest.raises(OutputError, match=r"'time' would be taken for a coordinate"):
        write(tmp_path / "b.nc", cells, ["time"], Grid(GRID.crs, GRID.transform, 4, 3))
    assert leftovers() == []


def test_names_and_times_that_would_not_come_back(tmp_path, leftovers):
    cells, grid = np.ones((2, 3, 4), np.float32), Grid(GRID.crs, GRID.transform, 4, 3)
    for bands, words in (
        (["a/b", "a_b"], "several variables would be named 'a_b'"),
        (["v@2018-06", "v@2018-06-01"], "cannot tell apart"),
        (["time_2@2018-06", "b"], "'time_2' would be taken for a coordinate"),
    ):
        with pytest.raises(OutputError, match=words):
            write(tmp_path / "x.nc", cells, bands, grid)
    assert leftovers() == []
    found, _ = read(write(tmp_path / "colon.nc", cells, ["a:b@2018-05", "c@2018-05"], grid))
    assert set(found) == {"a_b@2018-05", "c@2018-05"}


def test_an_error_or_a_cancel_leaves_nothing(tmp_path, leftovers):
    with pytest.raises(RuntimeError), raster_writer(RasterOutput(str(tmp_path / "a.nc"), BANDS), GRID) as writer:
        writer.write(np.ones((len(BANDS), 64, 300), np.float32), Window(0, 0, 300, 64))
        raise RuntimeError
    assert leftovers() == []


def test_a_file_without_any_band(tmp_path):
    path = tmp_path / "empty.nc"
    with netcdf_file(path, "w") as file:
        file.createDimension("x", 2)
        file.createVariable("x", "f8", ("x",))[:] = [1, 2]
    with pytest.raises(InputError, match=r"empty\.nc"):
        read_bands([Source(str(path))])


def test_composites_say_how_and_for_how_long_they_stand(write_raster, tmp_path):
    from sm_toolbox.timeseries.composite import temporal_composite

    source = write_raster("a.tif", np.ones((1, 9, 9), np.float32), ["rain@2020-02-25"])
    path = str(tmp_path / "o.nc")
    temporal_composite([source], path, period="dekad", statistic="sum")
    (band,) = read_bands([Source(path)])
    assert (str(band.time), band.time.days) == ("2020-02-21", 9)
    with open_raster(band.source) as dataset:
        assert dataset.tags(1)["cell_methods"] == "time: sum"
