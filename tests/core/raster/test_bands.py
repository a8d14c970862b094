"""Names and times of bands, stacks, and what is refused."""

from datetime import datetime

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import overview, read_bands, single_stack, stacks
from sm_toolbox.raster.naming import BandFacts, band_name, cf_time, name_bands
from sm_toolbox.raster.opening import Source, open_raster
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.times import Time, parse_time

CELLS = np.ones((4, 5))


def names(*sources):
    return [band.name for band in read_bands(sources)]


def test_descriptions_carry_variable_and_time(write_raster):
    source = write_raster("a.tif", np.ones((3, 4, 5)), ["ndvi@2018-06-01", "slope", "lst@2018-06-01T10:30:00"])
    assert names(source) == ["ndvi@2018-06-01", "slope", "lst@2018-06-01T10:30:00"]


def test_a_bare_date_as_description_takes_the_name_of_the_file(write_raster):
    assert names(write_raster("lst.tif", np.ones((2, 4, 5)), ["2008-01-01", "2008-01-09"])) == [
        "lst@2008-01-01",
        "lst@2008-01-09",
    ]


def test_the_layers_time_comes_before_the_files_name(write_raster):
    path = write_raster("ndvi_20180601.tif", CELLS).path
    assert names(Source(path)) == ["ndvi@2018-06-01"]
    assert names(Source(path, time=Time(datetime(2020, 1, 1)))) == ["ndvi@2020-01-01"]


def test_a_name_that_is_only_a_date_takes_the_folders_name(write_raster):
    assert names(write_raster("albedo/20180601.tif", CELLS)) == ["albedo@2018-06-01"]


def test_an_ambiguous_date_in_the_name_does_not_matter_where_the_description_has_one(write_raster):
    assert names(write_raster("x_20180101_20180116.tif", CELLS, ["ndvi@2018-01-01"])) == ["ndvi@2018-01-01"]
    with pytest.raises(InputError, match="ambiguous"):
        names(write_raster("y_20180101_20180116.tif", CELLS))


def test_a_description_with_a_wrong_date_is_refused(write_raster):
    with pytest.raises(InputError, match=r"'ndvi@1/6/2018'.*'1/6/2018' is not a date"):
        names(write_raster("a.tif", CELLS, ["ndvi@1/6/2018"]))


@pytest.mark.parametrize(
    ("value", "attributes", "time"),
    [
        ("151", {"units": "days since 2018-01-01 00:00:00"}, "2018-06-01"),
        ("6", {"units": "hours since 2018-01-01"}, "2018-01-01T06:00:00"),
        ("1.1", {"units": "days since 2018-1-1"}, "2018-01-02T02:24:00"),
        ("151", {"units": "days since 2018-01-01", "resolution": "month"}, "2018-06"),
        ("17067072", {"units": "hours since 1-1-1 00:00:0.0"}, "1948-01-01"),
        ("0", {"units": "hours since 2000-01-01 00:00:00 +06:00"}, "1999-12-31T18:00:00"),
        ("5", {"units": "days since 2018-01-01", "resolution": "daily"}, "2018-01-06"),
        ("1", {"units": "months since 2018-01-01"}, "2018-02"),
        ("672.5", {"units": "months since 1960-01-01", "calendar": "360"}, "2016-01"),
        ("2", {"units": "years since 2016-03-01"}, "2018-03"),
        ("59", {"units": "days since 2016-01-01", "calendar": "noleap"}, "2016-03-01"),
        ("60590", {"units": "days since 1850-01-01 00:00:00 UTC", "calendar": "365_day"}, "2016-01-01"),
        ("59", {"units": "days since 2016-01-01", "calendar": "360_day"}, "2016-02-29"),
        ("60", {"units": "days since 2015-01-01", "calendar": "all_leap"}, "2015-03-01"),
        ("13", {"units": "days since 2018-01-01", "calendar": "julian"}, "2018-01-27"),
        ("31.25", {"units": "days since 20160101T000000Z"}, "2016-02-01T06:00:00"),
        ("86400", {"units": "seconds since 1970-01-01T00:00:00Z", "calendar": "proleptic_gregorian"}, "1970-01-02"),
    ],
)
def test_netcdf_time_axis(value, attributes, time):
    for name in ("time", "valid_time"):
        tags = {f"{name}#{key}": text for key, text in attributes.items()}
        assert cf_time({f"NETCDF_DIM_{name}": value, "NETCDF_VARNAME": "t"}, tags, "file") == parse_time(time)


def named(*facts):
    return [band_name(*named) for named in name_bands([BandFacts(*fact) for fact in facts])]


def test_bands_of_grib_by_their_metadata():
    tags = {"GRIB_ELEMENT": "SOILW", "GRIB_VALID_TIME": "1528610400", "GRIB_SHORT_NAME": "0-7-DBLL"}
    near = {"GRIB_ELEMENT": "T", "GRIB_VALID_TIME": "  1528610400 sec UTC", "GRIB_SHORT_NAME": "0-SFC"}
    source = Source("era5.grib2")
    assert named((source, 1, 2, "0-7[m] DBLL", tags, {}), (source, 2, 2, "0[-] SFC", near, {})) == [
        "soilw_0_7_dbll@2018-06-10T06:00:00",
        "t@2018-06-10T06:00:00",
    ]


def test_further_dimensions_of_netcdf_tell_bands_apart():
    file = {"time#units": "days since 2018-01-01", "NETCDF_DIM_depth_VALUES": "{0.05,0.2}", "depth#units": "m"}
    tags = {"NETCDF_VARNAME": "sm", "NETCDF_DIM_time": "9", "NETCDF_DIM_depth": "0.2"}
    assert named((Source("a.nc"), 1, 2, "", tags, file)) == ["sm_depth_0.2@2018-01-10"]
    one = {**file, "NETCDF_DIM_depth_VALUES": "0.2"}
    assert named((Source("a.nc"), 1, 2, "", tags, one)) == ["sm@2018-01-10"]


def test_names_that_say_nothing_give_way_to_the_layers_and_the_files():
    def one(path, name="", description="Band 1", count=1):
        return (Source(path, name), 1, count, description, {}, {})

    assert named(one("ndvi.tif")) == ["ndvi"] and named(one("ndvi.tif", description="B1")) == ["ndvi"]
    assert named(one("/tmp/1a2b/OUTPUT.tif", "filled")) == ["filled"]
    assert named(one("/a/OUTPUT.tif", "slope"), one("/b/OUTPUT.tif", "relief")) == ["slope", "relief"]
    assert named(one("x/b.tif", "NDVI 2018-06-10"), one("x/c.tif", "NDVI 2018-06-26")) == [
        "NDVI@2018-06-10",
        "NDVI@2018-06-26",
    ]
    # Layers named by people after their months are one variable where the files say so.
    assert named(one("ndvi_20180610.tif", "NDVI June"), one("ndvi_20180710.tif", "NDVI July")) == [
        "ndvi@2018-06-10",
        "ndvi@2018-07-10",
    ]


def test_nameless_bands_of_one_file_are_numbered():
    source = Source("embedding_2019-01-01.tif")
    assert named(*((source, index, 3, f"lyr.{index}", {}, {}) for index in (1, 2, 3))) == [
        f"embedding_{index}@2019-01-01" for index in (1, 2, 3)
    ]


def test_dates_within_descriptions():
    source = Source("a.tif")
    for form in ("X{}", "{}", "NDVI_{}", "{}_NDVI"):
        found = named(*((source, i, 2, form.format(day), {}, {}) for i, day in ((1, "2018.06.10"), (2, "2018.06.26"))))
        variable = "NDVI" if "NDVI" in form else "a"
        assert found == [f"{variable}@2018-06-10", f"{variable}@2018-06-26"]


def test_what_is_no_time_axis():
    assert cf_time({}, {"time#units": "days since 2018-01-01"}, "file") is None
    assert cf_time({"NETCDF_DIM_depth": "5"}, {"depth#units": "m"}, "file") is None


@pytest.mark.parametrize(
    ("value", "attributes"),
    [
        ("1", {"units": "moons since 2018-01-01"}),
        ("1", {"units": "days since 2018-01-01", "calendar": "martian"}),
        ("1", {"units": "days since 2018-13-01", "calendar": "noleap"}),
        ("nan", {"units": "days since 2018-01-01"}),
        ("9.96921e36", {"units": "days since 2018-01-01"}),
        ("1", {"units": "days since 2000-13-01"}),
        ("1", {"units": "days since 0000-01-01"}),
    ],
)
def test_time_axes_that_cannot_be_read_are_refused(value, attributes):
    with pytest.raises(InputError, match=r"times of 'file'.*cannot be told.*variable@"):
        cf_time({"NETCDF_DIM_time": value}, {f"time#{key}": text for key, text in attributes.items()}, "file")


def test_duplicate_bands_name_both_files(write_raster):
    a, b = write_raster("a.tif", CELLS, ["ndvi@2018-06-01"]), write_raster("b.tif", CELLS, ["ndvi@2018-06-01"])
    with pytest.raises(InputError, match=r"(?s)'ndvi@2018-06-01'.*a\.tif.*b\.tif"):
        read_bands([a, b])


def test_a_variable_cannot_be_static_and_dated(write_raster):
    a, b = write_raster("a.tif", CELLS, ["ndvi"]), write_raster("b.tif", CELLS, ["ndvi@2018-06-01"])
    with pytest.raises(InputError, match=r"static in 'a\.tif'.*dated in 'b\.tif'"):
        read_bands([a, b])


def test_no_crs_is_refused(write_raster):
    with pytest.raises(InputError, match=r"'a\.tif' has no coordinate reference system"):
        read_bands([write_raster("a.tif", CELLS, crs=None)])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_no_georeference_is_refused(write_raster):
    with pytest.raises(InputError, match="no georeference"):
        read_bands([write_raster("a.tif", CELLS, transform=rasterio.Affine.identity())])


def test_missing_and_foreign_files_are_named(tmp_path):
    (tmp_path / "text.tif").write_text("not a raster")
    for name in ("missing.tif", "text.tif"):
        with pytest.raises(InputError, match=name):
            read_bands([Source(str(tmp_path / name))])


def test_stacks_are_sorted_by_time_and_find_the_nearest_band(write_raster):
    source = write_raster("a.tif", np.ones((4, 4, 5)), ["ndvi@2018-06-17", "ndvi@2018-06-01", "dem", "ndvi@2018-06-09"])
    found = stacks(read_bands([source]))
    ndvi = found["ndvi"]
    assert [str(time) for time in ndvi.times] == ["2018-06-01", "2018-06-09", "2018-06-17"]
    assert ndvi.nearest(parse_time("2018-06-10"), 4) == 1
    assert ndvi.nearest(parse_time("2018-06-05"), 4) == 0, "of two equally near the earlier"
    assert ndvi.nearest(parse_time("2018-06-21T23:00:00"), 4) == 2
    assert ndvi.nearest(parse_time("2018-06-22"), 4) is None
    assert ndvi.nearest(None, 4) is None
    assert found["dem"].nearest(None, 0) == 0
    assert not ndvi.is_static and found["dem"].is_static


def test_nearest_agrees_with_looking_at_all_bands(write_raster):
    rng = np.random.default_rng(1)
    days = np.sort(rng.choice(300, 25, replace=False))
    times = [Time(datetime.fromordinal(736695 + int(day))) for day in days]
    stack = stacks(read_bands([write_raster("a.tif", np.ones((25, 2, 2)), [f"v@{time}" for time in times])]))["v"]
    for day in range(-5, 310):
        asked = Time(datetime.fromordinal(736695 + day).replace(hour=13), "second")
        brute = min(range(25), key=lambda i: (asked.distance_days(times[i]), i))
        expected = brute if asked.distance_days(times[brute]) <= 6 else None
        assert stack.nearest(asked, 6) == expected


def test_a_product_of_two_variables_is_refused(write_raster):
    with pytest.raises(InputError, match="`sources` must hold one variable.*a, b"):
        single_stack(read_bands([write_raster("a.tif", np.ones((2, 4, 5)), ["b", "a"])]), "sources")


@pytest.mark.parametrize(
    ("west", "width", "expected"),
    [
        (0.0, 36, -180.0),
        (-5.0, 36, -185.0),
        (200.0, 10, -160.0),
        (150.0, 10, 150.0),
        (-180.0, 36, -180.0),
        (10.0, 5, 10.0),
    ],
)
def test_longitudes_from_0_to_360(write_raster, west, width, expected):
    """ERA5's way to count; what lies beyond 180° is found west of Greenwich."""
    columns = np.arange(width)
    values = np.array([columns, columns + 100], np.int16).repeat(4, axis=0).reshape(2, 4, width)
    source = write_raster(
        "era.tif",
        values,
        ["t@2018-06-01", "t@2018-06-02"],
        crs="EPSG:4326",
        transform=from_origin(west, 20, 10, 10),
        dtype="int16",
        nodata=3,
    )
    bands = read_bands([source])
    grid = bands[0].grid
    assert [band.name for band in bands] == ["t@2018-06-01", "t@2018-06-02"]
    with BandReader(bands, grid).open() as reader:
        found = reader.read(Window(0, 0, width, 4))[:, 0]
    assert grid.transform.c == expected
    # Every value is where it was, but for full circles.
    for column in range(width):
        longitude = grid.transform.c + 10 * (column + 0.5)
        stored = round((longitude - west) % 360 / 10 - 0.5)
        assert found[1, column] == stored + 100
        assert found[0, column] == stored or stored == 3
    assert np.isnan(found[0]).sum() == 1
    assert np.nanmax(overview(bands[1])) == width + 99


def test_masks_and_names_move_with_the_longitudes(write_raster):
    values = np.arange(36 * 4, dtype=np.uint8).reshape(1, 4, 36) + 1
    source = write_raster(
        "masked.tif", values, ["red"], crs="EPSG:4326", transform=from_origin(0, 20, 10, 10), dtype="uint8"
    )
    with rasterio.open(source.path, "r+") as dataset:
        mask = np.full((4, 36), 255, np.uint8)
        mask[1, 20:30] = 0
        dataset.write_mask(mask)
    band = read_bands([source])[0]
    with BandReader([band], band.grid).open() as reader, open_raster(source) as moved:
        found = reader.read(Window(0, 0, 36, 4))[0]
        assert moved.describe(1).name == "red"
    assert np.isnan(found[1, 2:12]).all() and np.isnan(found).sum() == 10


@pytest.mark.parametrize("dtype", ["int64", "int8", "float64"])
def test_all_types_move_with_the_longitudes(write_raster, dtype):
    try:
        source = write_raster(
            "any.tif", np.full((1, 2, 36), 7), ["a"], crs="EPSG:4326", transform=from_origin(0, 20, 10, 10), dtype=dtype
        )
    except (TypeError, rasterio.errors.RasterioError):
        pytest.skip(f"this GDAL does not write {dtype}")
    band = read_bands([source])[0]
    with BandReader([band], band.grid).open() as reader:
        assert (reader.read(Window(0, 0, 36, 2)) == 7).all()


def test_transparency_is_no_variable(write_raster):
    grey = write_raster(
        "grey_2020-06-01.tif", np.array([[[1, 2]], [[255, 0]]]), dtype="uint8", photometric="minisblack", alpha="yes"
    )
    bands = read_bands([grey])
    assert [(band.name, band.index) for band in bands] == [("grey@2020-06-01", 1)]
    with BandReader(bands, bands[0].grid).open() as reader:
        np.testing.assert_array_equal(reader.read(Window(0, 0, 2, 1)), [[[1, np.nan]]])


def test_complex_numbers_are_refused(write_raster):
    source = write_raster("slc.tif", np.ones((2, 2)) + 1j, ["vv"], dtype="complex64")
    with pytest.raises(InputError, match=r"'slc.tif' .* holds complex numbers. .* intensity"):
        read_bands([source])


def test_the_composite_that_covers_a_day_counts_before_the_nearer_one(write_raster):
    files = [f"MOD13A2.A2018{day}.h18v04.061.2021342063412_NDVI.tif" for day in (145, 161, 177)]
    stack = single_stack(read_bands([write_raster(name, CELLS) for name in files]), "sources")
    # 24 June is day 175: two days before the next composite, and the fourteenth of the one that covers it.
    assert [stack.nearest(parse_time(day), None) for day in ("2018-06-24", "2018-06-09", "2018-07-11")] == [1, 0, 2]
    assert stack.nearest(parse_time("2018-07-12"), 0) is None


def test_of_periods_that_cover_a_day_the_shortest_counts(write_raster):
    names = ["ndvi@2018-06", "ndvi@2018-06-12", "ndvi@2018-07"]
    stack = single_stack(read_bands([write_raster("a.tif", np.zeros((3, 6, 8), np.float32), names)]), "sources")
    assert [stack.nearest(parse_time(day), 0) for day in ("2018-06-12", "2018-06-13")] == [1, 0]
