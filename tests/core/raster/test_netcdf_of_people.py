"""NetCDF files that differ from the usual ones in a name, a unit, an axis or a group."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import overview, read_bands
from sm_toolbox.raster.opening import Source

h5netcdf = pytest.importorskip("h5netcdf.legacyapi")
AXES = {"t": np.arange(2.0), "y": np.arange(50, 40, -1.0), "x": np.arange(0, 12, 1.0), "d": np.array([0.05, 0.2])}
VALUES = 0.2 + 0.001 * np.arange(120).reshape(10, 12)


@pytest.fixture(params=["rasterio", "gdal"], autouse=True)
def both(request, monkeypatch):
    from tests.core.raster.conftest import use

    pytest.importorskip("osgeo")
    use(monkeypatch, request.param)
    return request.param


@pytest.fixture
def write(tmp_path):
    """A function that writes a variable `sm` with axes of any names, units and order."""

    def write(names="time lat lon", units=("", "degrees_north", "degrees_east"), order="tyx", **more):
        path = tmp_path / more.get("file", "a.nc")
        name_of = dict(zip("tyxd", (*names.split(), "depth")))
        unit_of = dict(zip("tyx", units))
        with h5netcdf.Dataset(str(path), "w") as file:
            data = file.createGroup(more["group"]) if "group" in more else file
            for axis in order:
                values = AXES[axis] * more.get("stretch", 1.0) if axis in "xy" else AXES[axis]
                values = np.array(more["times"]) if axis == "t" and "times" in more else values
                data.createDimension(name_of[axis], len(values))
                variable = data.createVariable(name_of[axis], "f8", (name_of[axis],))
                variable[:] = values
                unit = more.get("since", "days since 2018-06-10") if axis == "t" else unit_of.get(axis, "")
                if unit:
                    variable.attrs["units"] = unit
            sm = data.createVariable("sm", "f4", tuple(name_of[axis] for axis in order))
            shape = [{"t": 2, "y": 10, "x": 12, "d": 2}[axis] for axis in order]
            map_ = VALUES if order.index("y") < order.index("x") else VALUES.T
            sm[:] = np.broadcast_to(
                map_.reshape([size if axis in "xy" else 1 for axis, size in zip(order, shape)]), shape
            ) * more.get("times_", 1)
            for key, value in more.get("attributes", {}).items():
                sm.attrs[key] = value
            if "change" in more:
                more["change"](file)
        return Source(str(path))

    return write


@pytest.mark.parametrize(
    ("names", "units"),
    [
        ("time Lat Lon", ("", "", "")),
        ("time lat lon", ("", "degreeN", "degreeE")),
        ("time lat lon", ("", "degrees", "degrees")),
        ("Time nav_lat nav_lon", ("", "degrees_north", "degrees_east")),
        ("T YDim XDim", ("", "degrees_north", "degrees_east")),
    ],
)
def test_axes_of_other_names_and_units(names, units, write):
    bands = read_bands([write(names, units)])
    assert [band.name for band in bands] == ["sm@2018-06-10", "sm@2018-06-11"]
    assert bands[0].grid.crs.to_epsg() == 4326 and bands[0].grid.bounds == (-0.5, 40.5, 11.5, 50.5)
    np.testing.assert_allclose(overview(bands[0]), VALUES, rtol=1e-6)


@pytest.mark.parametrize(("order", "turned"), [("yxt", "[2,0,1]"), ("ytx", "[1,0,2]"), ("tyxd", "[0,3,1,2]")])
def test_axes_that_do_not_end_with_the_map_are_no_swath(order, turned, write, both):
    import re

    command = re.escape(turned) if both == "gdal" else ""
    with pytest.raises(InputError, match=rf"'lat' is not among the last two.*gdalmdimtranslate.*transpose={command}"):
        read_bands([write(order=order)])


@pytest.mark.parametrize(
    ("since", "times", "found"),
    [
        ("milliseconds since 1970-01-01", [1528588800000.0, 1528675200000.0], ["2018-06-10", "2018-06-11"]),
        ("weeks since 2018-06-10", [0.0, 1.0], ["2018-06-10", "2018-06-17"]),
        ("day as %Y%m%d.%f", [20180610.0, 20180611.5], ["2018-06-10T00:00:00", "2018-06-11T12:00:00"]),
    ],
)
def test_times_in_other_units(since, times, found, write):
    assert [str(band.time) for band in read_bands([write(since=since, times=times)])] == found


def test_times_of_a_group(write):
    bands = read_bands([write(group="obs")])
    assert [band.name for band in bands] == ["sm@2018-06-10", "sm@2018-06-11"]


@pytest.mark.usefixtures("gdal_errors")
def test_a_time_that_is_no_axis(write, both):
    def add(file):
        time = file.createVariable("time", "f8", ())
        time[...] = 3.0
        time.attrs["units"] = "days since 2018-06-10"

    source = write("none lat lon", order="yx", attributes={"coordinates": "time"}, change=add)
    (band,) = read_bands([source])
    # rasterio alone cannot read it.
    assert band.name == ("sm@2018-06-13" if both == "gdal" else "sm")


def test_percent_of_a_variable_in_a_file_of_another_name(write):
    bands = read_bands([write(file="record.nc", attributes={"units": "%"}, times_=100)])
    np.testing.assert_allclose(overview(bands[0]), VALUES, rtol=1e-5)


def test_metres_without_a_system_a_rotated_pole_and_a_swath_are_named(write):
    with pytest.raises(InputError, match=r"coordinates in km.*-a_srs EPSG:CODE -a_ullr.*km times 1000"):
        read_bands([write("time y x", ("", "km", "km"), stretch=100.0)])

    def rotate(file):
        pole = file.createVariable("rotated_pole", "i4", ())
        pole.attrs["grid_mapping_name"] = "rotated_latitude_longitude"

    with pytest.raises(InputError, match=r"rotated pole.*cdo remapbil"):
        read_bands([write("time rlat rlon", ("", "degrees", "degrees"), change=rotate, file="b.nc")])
    with pytest.raises(InputError, match=r"is a swath.*gdalwarp -geoloc"):
        read_bands([write("time row col", ("", "", ""), attributes={"coordinates": "latitude longitude"}, file="c.nc")])
