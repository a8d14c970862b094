"""Files as people have them: axes, fills, ranges, grids and names that only the metadata, or the size, tell."""

import zipfile

import numpy as np
import pytest
from rasterio.transform import from_origin

from sm_toolbox.errors import InputError
from sm_toolbox.raster import choice
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import overview, read_bands
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.points import sample
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.sensors.grids import KNOWN_GRIDS

h5netcdf = pytest.importorskip("h5netcdf.legacyapi")
LATITUDES, LONGITUDES = np.arange(50, 40, -1.0), np.arange(0, 12, 1.0)


@pytest.fixture(params=["rasterio", "gdal"], autouse=True)
def both(request, monkeypatch):
    from tests.core.raster.conftest import use

    pytest.importorskip("osgeo")
    use(monkeypatch, request.param)
    return request.param


def netcdf(path, values, axes=("lat", "lon"), units=True, fill=None, **attributes):
    """Write a variable `sm` (times, first axis, second axis)."""
    coordinates = {"lat": LATITUDES, "lon": LONGITUDES, "y": LATITUDES, "x": LONGITUDES}
    with h5netcdf.Dataset(str(path), "w") as data:
        data.attrs["Conventions"] = "CF-1.6"
        for name, size in (("time", len(values)), *((axis, len(coordinates[axis])) for axis in axes)):
            data.createDimension(name, size)
        time = data.createVariable("time", "f8", ("time",))
        time[:] = np.arange(len(values))
        time.attrs["units"] = "days since 2018-06-10"
        for axis in axes:
            variable = data.createVariable(axis, "f8", (axis,))
            variable[:] = coordinates[axis]
            if units:
                variable.attrs["units"] = {"lat": "degrees_north", "lon": "degrees_east"}[axis]
        sm = data.createVariable("sm", values.dtype, ("time", *axes), fill_value=fill)
        sm[:] = values
        for name, value in attributes.items():
            sm.attrs[name] = value
    return Source(str(path))


def read(source):
    bands = read_bands([source])
    grid = bands[0].grid
    with BandReader(bands, grid).open() as reader:
        values = reader.read(Window(0, 0, grid.width, grid.height))
    row, column = np.divmod(np.arange(grid.width * grid.height), grid.width)
    x, y = grid.transform * (column + 0.5, row + 0.5)
    points = np.arange(len(x))
    at_points = sample(bands[:1], x, y, grid.crs, points, np.zeros(len(x), int))
    # Blocks, single cells and overviews follow one rule.
    np.testing.assert_array_equal(at_points.astype(np.float32), values[0].ravel())
    np.testing.assert_allclose(overview(bands[0]), values[0], rtol=1e-6)
    return bands, values


def test_two_kinds_of_gaps(tmp_path):
    values = np.full((2, 10, 12), 0.25, np.float32)
    values[:, :3], values[:, 3:5] = -9999, -9998
    _, found = read(netcdf(tmp_path / "a.nc", values, fill=np.float32(-9999), missing_value=np.float32(-9998)))
    assert np.nanmean(found) == 0.25 and np.isnan(found).sum() == 2 * 5 * 12


def test_valid_ranges_of_stored_and_of_physical_numbers(tmp_path):
    stored = np.tile(np.arange(1000, 2200, 10, dtype=np.int16).reshape(1, 10, 12), (2, 1, 1))
    packed = {"scale_factor": 1e-4, "add_offset": 0.0, "fill": np.int16(-1)}
    _, all_valid = read(netcdf(tmp_path / "a.nc", stored, valid_min=-0.2, valid_max=1.0, **packed))
    np.testing.assert_allclose(all_valid, stored * 1e-4, rtol=1e-5)
    _, some = read(netcdf(tmp_path / "b.nc", stored, valid_min=0.15, valid_max=0.2, **packed))
    assert np.nanmin(some) == pytest.approx(0.15) and np.nanmax(some) == pytest.approx(0.2)
    by_convention = {"valid_min": np.int16(1500), "valid_max": np.int16(2000)}
    _, conventional = read(netcdf(tmp_path / "c.nc", stored, **by_convention, **packed))
    np.testing.assert_array_equal(np.isnan(conventional), np.isnan(some))


def test_transposed_axes_are_refused_with_the_command_that_turns_them(tmp_path, both, monkeypatch):
    if both == "rasterio":
        # rasterio alone cannot tell; osgeo, which is beside it here, can.
        monkeypatch.delenv(choice.DRIVER_VARIABLE)
        choice.driver.cache_clear(), choice.driver_for_points.cache_clear()
    source = netcdf(tmp_path / "a.nc", np.zeros((2, 12, 10), np.float32), ("lon", "lat"))
    with pytest.raises(InputError, match=r"longitude, latitude.*gdalmdimtranslate.*name=sm,transpose=\[0,2,1\]"):
        read_bands([source])


def test_longitude_and_latitude_without_units(tmp_path):
    bands, _ = read(netcdf(tmp_path / "a.nc", np.zeros((2, 10, 12), np.float32), units=False))
    assert bands[0].grid.crs.to_epsg() == 4326 and bands[0].grid.bounds == (-0.5, 40.5, 11.5, 50.5)
    with pytest.raises(InputError, match=r"does not say where its cells lie.*degrees_east.*-a_ullr"):
        read_bands([netcdf(tmp_path / "b.nc", np.zeros((2, 10, 12), np.float32), ("y", "x"), units=False)])


def test_the_ease_grid_by_its_size(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "SMAP_L3_SM_P_20180601_R18290_001.h5"
    values = np.full((406, 964), -9999, np.float32)
    values[100, 500] = 0.25
    with h5py.File(path, "w") as file:
        data = file.create_dataset("Soil_Moisture_Retrieval_Data_AM/soil_moisture", data=values)
        data.attrs["_FillValue"] = np.float32(-9999)
    (band,) = read_bands([Source(f'HDF5:"{path}"://Soil_Moisture_Retrieval_Data_AM/soil_moisture')])
    assert band.name == "soil_moisture@2018-06-01" and band.grid.crs.to_epsg() == 6933
    # Both ends of the grid are the same distance from the middle.
    west, south, east, north = band.grid.bounds
    assert west == pytest.approx(-east, abs=0.1) and south == pytest.approx(-north, abs=0.1)
    with BandReader([band], band.grid).open() as reader:
        found = reader.read(Window(0, 0, 964, 406))[0]
    assert found[100, 500] == 0.25 and np.isfinite(found).sum() == 1


@pytest.mark.parametrize("grid", KNOWN_GRIDS, ids=lambda grid: grid.name)
def test_known_grids_are_symmetrical(grid):
    assert grid.left == pytest.approx(-grid.columns * grid.cell / 2, rel=2e-6)
    assert grid.top == pytest.approx(grid.rows * grid.cell / 2, rel=2e-6)


def test_names_of_rasters_within_files(tmp_path, write_raster):
    source = write_raster("ndvi_2018-06-10.tif", np.full((1, 6, 8), 0.3, np.float32))
    archive = tmp_path / "scene.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(source.path, "inner/ndvi_2018-06-10.tif")
    (band,) = read_bands([Source(f"/vsizip/{archive}/inner/ndvi_2018-06-10.tif")])
    assert band.name == "ndvi@2018-06-10"
    with pytest.raises(InputError, match=r"scene\.zip.*/vsizip/.*/NAME\.tif"):
        read_bands([Source(str(archive))])


def test_a_bar_in_a_name(write_raster):
    assert read_bands([write_raster("a|b_2018-06-10.tif", np.zeros((1, 6, 8), np.float32))])[0].name == "a|b@2018-06-10"


def test_what_the_user_gave_the_layer_counts(write_raster):
    values = np.zeros((1, 6, 8), np.float32)
    values[0, 2:] = 0.4
    wrong = write_raster("sm.tif", values, ["sm"], crs="EPSG:4326", transform=from_origin(500000, 4000000, 30, 30))
    given = Source(wrong.path, "sm", crs="EPSG:32630", gaps=((1, 0.0, 0.0),))
    bands, found = read(given)
    assert bands[0].grid.crs.to_epsg() == 32630 and np.isnan(found).sum() == 16 and np.nanmean(found) == np.float32(0.4)


def test_rasters_within_a_file_that_are_no_maps_are_left_out(tmp_path):
    path = tmp_path / "gldas_20180610.nc"
    with h5netcdf.Dataset(str(path), "w") as data:
        data.attrs["Conventions"] = "CF-1.6"
        for name, values, unit in (("lat", LATITUDES, "degrees_north"), ("lon", LONGITUDES, "degrees_east")):
            data.createDimension(name, len(values))
            data.createVariable(name, "f8", (name,))[:] = values
            data[name].attrs["units"] = unit
        for name, size in (("row", 5), ("side", 2)):
            data.createDimension(name, size)
        data.createVariable("bounds", "f4", ("row", "side"))[:] = np.zeros((5, 2))
        for name in ("moisture", "rain"):
            data.createVariable(name, "f4", ("lat", "lon"))[:] = np.full((10, 12), 0.3)
    assert [band.name for band in read_bands([Source(str(path))])] == ["moisture@2018-06-10", "rain@2018-06-10"]


def test_bands_of_a_scene_are_dated_by_its_folder(write_raster):
    source = write_raster("S2A_29RKH_20200219_0_L2A/B04.tif", np.zeros((1, 6, 8), np.float32))
    assert read_bands([source])[0].name == "B04@2020-02-19"


def test_dates_of_the_folders_of_a_scene_and_of_days(write_raster):
    values = np.zeros((1, 6, 8), np.float32)
    scene = "S2A_MSIL2A_20180610T101031_N0208_R022_T32TPS_20180610T121503.SAFE/GRANULE/L2A_T32TPS/IMG_DATA/R10m/B04.tif"
    assert read_bands([write_raster(scene, values)])[0].name == "B04@2018-06-10T10:10:31"
    days = [write_raster(f"2018/{day}/lst.tif", values) for day in (161, 177)]
    assert [band.name for band in read_bands(days)] == ["lst@2018-06-10", "lst@2018-06-26"]
    described = write_raster("stack.tif", np.zeros((2, 6, 8)), ["time=2018-06-10", "Band 2: 2018-06-26"])
    assert [band.name for band in read_bands([described])] == ["stack@2018-06-10", "stack@2018-06-26"]
