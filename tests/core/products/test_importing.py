"""Imports of small files as providers lay them out: what is a variable, at which time, where, and without what."""

import gzip
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sm_toolbox.errors import Cancelled, InputError, OutputError
from sm_toolbox.products.importing import import_product
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.times import Time, parse_time

from .conftest import FILL, SMAP_CELL, SMAP_LEFT, SMAP_TOP, degrees, time_axis

AM = np.array([[0.1, 0.2, FILL], [0.3, 0.4, 0.5]], np.float32)
PM = np.array([[0.3, FILL, FILL], [0.1, 0.2, 0.3]], np.float32)
SMAP = "SMAP_L3_SM_P_20150401_R19240_001.h5"
RED = np.array([[10000, 20000], [0, 15000]], np.uint16)
LANDSAT = "LC08_L2SP_192029_20200710_20200912_02_T1"


def crs(code):
    return driver().crs(code)


def test_smap_has_the_time_of_each_overpass(smap, made):
    done = made(smap(SMAP, AM, PM))
    assert list(done.bands) == ["soil_moisture@2015-04-01T05:58:55", "soil_moisture@2015-04-01T17:58:55"]
    np.testing.assert_array_equal(done["soil_moisture@2015-04-01T05:58:55"], np.where(AM == FILL, np.nan, AM))
    assert done.transform.c == pytest.approx(SMAP_LEFT + 500 * SMAP_CELL, abs=1)
    assert done.transform.f == pytest.approx(SMAP_TOP - 100 * SMAP_CELL, abs=1)
    assert done.crs.to_epsg() == 6933 and set(done.units.values()) == {"m3 m-3"}


def test_smap_seen_over_many_hours_has_the_day(smap, tmp_path, made):
    first = smap(f"a/{SMAP}", AM, PM, column=500)
    second = smap(f"b/{SMAP}", AM, PM, column=505, seconds=481_140_000.0 + 5 * 3600)
    done = made([first, second])
    assert list(done.bands) == ["soil_moisture_am@2015-04-01", "soil_moisture_pm@2015-04-01"]
    assert done["soil_moisture_am@2015-04-01"].shape == (2, 8)


@pytest.mark.parametrize(
    ("overpass", "names", "first"),
    [
        ("am", ["soil_moisture@2015-04-01T05:58:55"], 0.1),
        ("pm", ["soil_moisture@2015-04-01T17:58:55"], 0.3),
        ("mean", ["soil_moisture@2015-04-01"], 0.2),
    ],
)
def test_one_overpass_or_their_mean(smap, made, overpass, names, first):
    done = made(smap(SMAP, AM, PM), overpass=overpass)
    assert list(done.bands) == names and done[names[0]][0, 0] == pytest.approx(first)
    if overpass == "mean":
        # Where only one has a value, it is the mean.
        np.testing.assert_allclose(done[names[0]], [[0.2, 0.2, np.nan], [0.2, 0.3, 0.4]], atol=1e-6)


def test_levels_of_smap(smap, made):
    flags = [[0, 1, 0], [8, 4, 65534]]
    path = smap(SMAP, AM, flags=flags)
    kept = [~np.isnan(next(iter(made(path, level=level).bands.values()))) for level in ("recommended", "strict", "all")]
    np.testing.assert_array_equal(kept[0], [[1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(kept[1], [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(kept[2], [[1, 1, 0], [1, 1, 1]])
    done = made(path).result
    assert done.masked_percent == pytest.approx(40) and done.reasons["not recommended"] == pytest.approx(20)


def test_enhanced_smap_and_36_km_in_one_call_keep_their_names(smap, made):
    fine = smap("SMAP_L3_SM_P_E_20150401_R19240_001.h5", np.full((8, 12), 0.25), row=400, column=2000, factor=4)
    done = made([smap(SMAP, AM), fine])
    names = ["soil_moisture_smap_l3", "soil_moisture_smap_l3_enhanced"]
    assert [name.partition("@")[0] for name in done.bands] == names
    coarse = next(iter(done.bands.values()))
    np.testing.assert_array_equal(coarse[::4, ::4], np.where(AM == FILL, np.nan, AM))
    assert done.transform.a == pytest.approx(SMAP_CELL / 4)


def test_later_release_of_a_granule_counts(smap, made):
    old, new = (smap(f"SMAP_L3_SM_P_20150401_R19240_00{n}.h5", np.full((2, 2), n / 10)) for n in (1, 2))
    for order in ([old, new], [new, old]):
        assert next(iter(made(order).bands.values()))[0, 0] == pytest.approx(0.2)


# ---- tiles and scenes


def sinusoidal(h, v, size=4):
    """Upper left corner and cell of a MODIS tile of few cells."""
    edge = 1111950.5196666666
    return {"crs": SINUSOIDAL, "origin": ((h - 18) * edge, (9 - v) * edge), "cell": edge / size}


SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
VI = "MOD13Q1.A2021001.h{:02d}v{:02d}.061.2021021073137_250m_16_days_{}.tif"


def write_vi(tile, h, v, value, reliability=0, size=4):
    place = sinusoidal(h, v, size)
    tile(VI.format(h, v, "pixel_reliability"), np.full((size, size), reliability, np.uint8), **place)
    return tile(VI.format(h, v, "NDVI"), np.full((size, size), value, np.int16), nodata=-3000, **place)


def test_tiles_of_a_date_are_one_mosaic(tile, tmp_path, made):
    write_vi(tile, 18, 4, 5000)
    write_vi(tile, 19, 4, 7000, reliability=1)
    write_vi(tile, 20, 5, 9000, reliability=3)
    done = made([tmp_path])
    (name,) = done.bands
    assert name == "ndvi@2021-01-01" and done[name].shape == (8, 12)
    assert done[name][0, 0] == 0.5 and done[name][0, 4] == pytest.approx(0.7) and np.isnan(done[name][4:]).all()
    assert done.result.reasons == {"marginal": pytest.approx(100 / 3), "cloud": pytest.approx(100 / 3)}


def test_extent_across_tiles_in_another_crs(tile, tmp_path, made):
    write_vi(tile, 18, 4, 5000)
    write_vi(tile, 19, 4, 7000)
    # The edge between both is at x = 1111950 m, which is 15.56° E on 50° N.
    done = made([tmp_path], extent=((14, 45, 16, 46), crs(4326)))
    (values,) = done.bands.values()
    assert {round(float(value), 4) for value in values[~np.isnan(values)]} == {0.5, 0.7} and values.shape[1] < 8
    only = made([tmp_path], extent=((1200000, 5100000, 1300000, 5200000), crs(32632)))
    assert {round(float(value), 4) for value in next(iter(only.bands.values())).ravel()} == {0.7}
    with pytest.raises(InputError, match="`extent`: no file has cells there"):
        made([tmp_path], extent=((-80, -20, -70, -10), crs(4326)))


def test_an_extent_of_the_world_takes_all(tile, tmp_path, made):
    tile(f"{LANDSAT}_SR_B4.TIF", RED)
    done = made([tmp_path], extent=((-180, -90, 180, 90), crs(4326)))
    assert next(iter(done.bands.values())).shape == (2, 2)


def test_overlapping_scenes_fill_each_other(tile, made):
    full, later = np.full((4, 4), 20000, np.uint16), np.full((4, 4), 30000, np.uint16)
    later[:, :2] = 0
    first = tile("LC08_L2SP_192029_20200710_20200912_02_T1_SR_B4.TIF", full)
    second = tile("LC08_L2SP_192030_20200710_20200912_02_T1_SR_B4.TIF", later, origin=(500000.0, 5000000.0 - 60))
    values = next(iter(made([first, second]).bands.values()))
    red = [raw * 2.75e-5 - 0.2 for raw in (20000, 30000)]
    np.testing.assert_allclose(values[:2], red[0], atol=1e-6)
    np.testing.assert_allclose(values[2:4, :2], red[0], atol=1e-6)
    np.testing.assert_allclose(values[2:4, 2:], red[1], atol=1e-6)
    assert np.isnan(values[4:, :2]).all()


def test_landsat_7_counts_its_bands_otherwise(tile, tmp_path, made):
    scene = "LE07_L2SP_192029_20020710_20200912_02_T1"
    tile(f"{scene}_SR_B4.TIF", RED)
    tile(f"{scene}_ST_B6.TIF", np.full((2, 2), 44000, np.uint16))
    tile(f"{scene}_QA_PIXEL.TIF", np.array([[64, 8], [64, 64]], np.uint16))
    tile(f"{scene}_QA_RADSAT.TIF", np.array([[0, 0], [0, 512]], np.uint16))
    done = made([tmp_path])
    assert set(done.bands) == {"nir@2002-07-10", "lst@2002-07-10"}
    np.testing.assert_allclose(done["nir@2002-07-10"], [[10000 * 2.75e-5 - 0.2, np.nan], [np.nan, np.nan]], atol=1e-6)
    np.testing.assert_allclose(done["lst@2002-07-10"][1], 44000 * 0.00341802 + 149, atol=1e-3)


def test_bands_of_20_m_beside_10_m(tile, tmp_path, made):
    folder = "S2A_MSIL2A_20230625T100031_N0509_R122_T32TQM_20230625T154957.SAFE/GRANULE/L2A/IMG_DATA/"
    scene = "T32TQM_20230625T100031"
    cells = np.arange(16, dtype=np.uint16).reshape(4, 4) * 100 + 2000
    tile(f"{folder}R10m/{scene}_B04_10m.jp2".replace(".jp2", ".tif"), cells, cell=10.0)
    tile(f"{folder}R20m/{scene}_B8A_20m.tif", np.array([[5000, 6000], [7000, 0]], np.uint16), cell=20.0)
    tile(f"{folder}R20m/{scene}_SCL_20m.tif", np.array([[4, 9], [5, 4]], np.uint8), cell=20.0)
    done = made([tmp_path], variables=("red_10m", "nir"))
    red, nir = (done[f"{name}@2023-06-25T10:00:31"] for name in ("red_10m", "nir"))
    # Baseline 05.09 of the folder's name: an offset of -1000 where its metadata are not there.
    assert red[0, 0] == pytest.approx(0.1) and np.isnan(red[:2, 2:]).all() and red[3, 3] == pytest.approx(0.25)
    np.testing.assert_allclose(nir[:, 0], [0.4, 0.4, 0.6, 0.6], atol=1e-6)
    assert np.isnan(nir[2:, 2:]).all()


def test_hls_of_both_sensors(tile, tmp_path, made):
    for sensor, band in (("L30", "B05"), ("S30", "B8A")):
        scene = f"HLS.{sensor}.T32TQM.2023176T1000{31 if sensor == 'S30' else 10}.v2.0"
        tile(f"{scene}.{band}.tif", np.array([[3000, -9999]], np.int16), nodata=-9999)
        tile(f"{scene}.Fmask.tif", np.array([[64, 64]], np.uint8), nodata=255)
    done = made([tmp_path])
    assert list(done.bands) == ["nir@2023-06-25T10:00:10", "nir@2023-06-25T10:00:31"]
    for values in done.bands.values():
        np.testing.assert_allclose(values, [[0.3, np.nan]], atol=1e-6)


def test_terra_and_aqua_of_a_date_are_two_variables(tile, tmp_path, made):
    for product, value in (("MOD11A1", 15000), ("MYD11A1", 15500)):
        name = f"{product}.A2021001.h18v04.061.2021021073137_LST_Day_1km.tif"
        tile(name, np.full((2, 2), value, np.uint16), **sinusoidal(18, 4, 2))
    done = made([tmp_path])
    assert {name: values[0, 0] for name, values in done.bands.items()} == {
        "lst_day_mod11a1@2021-01-01": 300,
        "lst_day_myd11a1@2021-01-01": 310,
    }


def test_composites_of_terra_and_aqua_take_turns(tile, tmp_path, made):
    for product, day in (("MOD13Q1", "001"), ("MYD13Q1", "009")):
        name = f"{product}.A2021{day}.h18v04.061.2021021073137_250m_16_days_NDVI.tif"
        tile(name, np.full((2, 2), 5000, np.int16), **sinusoidal(18, 4, 2))
    assert list(made([tmp_path]).bands) == ["ndvi@2021-01-01", "ndvi@2021-01-09"]


def test_dates_within_a_composite(tile, tmp_path, made):
    """A composite that begins before START is taken where it reaches it."""
    write_vi(tile, 18, 4, 5000)
    for start, end in (("2021-01-10", "2021-01-12"), ("2020-12-01", "2021-01-01"), ("2021-01-16", "2021-02-01")):
        done = made([tmp_path], start=parse_time(start), end=parse_time(end))
        assert list(done.bands) == ["ndvi@2021-01-01"]
    for start, end in (("2021-01-17", "2021-02-01"), ("2020-12-01", "2020-12-31")):
        with pytest.raises(InputError, match="`start`, `end`: no file is of these dates; the files are of 2021-01-01"):
            made([tmp_path], start=parse_time(start), end=parse_time(end))


def test_viirs_ranks_its_pixels_otherwise_than_modis(tile, tmp_path, made):
    place = sinusoidal(18, 4, 2)
    words = np.array([[0, 3], [7, 9]], np.uint8)
    for product in ("VNP13A1", "VJ113A1", "MOD13A1"):
        scene = f"{product}.A2021001.h18v04.002.2021021073137_500_m_16_days"
        tile(f"{product}/{scene}_NDVI.tif", np.full((2, 2), 5000, np.int16), **place)
        tile(f"{product}/{scene}_pixel_reliability.tif", words, **place)
        values = made([tmp_path / product])["ndvi@2021-01-01"]
        np.testing.assert_array_equal(np.isfinite(values), [[1, product != "MOD13A1"], [0, 0]])


def test_accuracy_of_mod21_counts_the_other_way_round(tile, tmp_path, made):
    place = sinusoidal(18, 4, 2)
    # Bits 0-1 = 1, and 6-7 = 0 … 3.
    words = np.array([[1, 65], [129, 193]], np.uint8)
    for product, kept in (("MOD11A2", [[1, 1], [0, 0]]), ("MOD21A2", [[0, 1], [1, 1]]), ("VNP21A2", [[0, 1], [1, 1]])):
        scene = f"{product}.A2021001.h18v04.061.2021021073137"
        tile(f"{product}/{scene}_LST_Day_1KM.tif", np.full((2, 2), 15000, np.uint16), **place)
        tile(f"{product}/{scene}_QC_Day.tif", words, **place)
        np.testing.assert_array_equal(np.isfinite(made([tmp_path / product])["lst_day@2021-01-01"]), kept)


def test_names_of_appeears(tile, tmp_path, made):
    place = {"crs": "EPSG:4326", "origin": (11, 45), "cell": 0.0083}
    for name, value, kind in (
        ("MOD13A2.061__1_km_16_days_NDVI_doy2020001_aid0001.tif", 5000, np.int16),
        ("MOD13A2.061__1_km_16_days_NDVI_doy2020017000000_aid0001.tif", 6000, np.int16),
        ("MOD13A2.061__1_km_16_days_pixel_reliability_doy2020017000000_aid0001.tif", 3, np.uint8),
        ("MOD11A1.061_LST_Day_1km_doy2020001_aid0001.tif", 15000, np.uint16),
        ("MCD12Q1.061_LC_Type1_doy2020001_aid0001.tif", 12, np.uint8),
    ):
        tile(name, np.full((2, 2), value, kind), **place)
    done = made([tmp_path])
    found = {name: values[0, 0] for name, values in done.bands.items()}
    assert found == {"ndvi@2020-01-01": 0.5, "lst_day@2020-01-01": 300, "land_cover@2020": 12}
    assert done.result.empty == ["ndvi@2020-01-17"]


def test_soilgrids_2_in_homolosine(tile, tmp_path, made):
    igh = "+proj=igh +lat_0=0 +lon_0=0 +datum=WGS84 +units=m +no_defs"
    for name, value in (("sand_0-5cm_mean", 412), ("bdod_0-5cm_mean", 135), ("soc_5-15cm_mean", 250)):
        tile(f"{name}.tif", np.array([[value, -32768]], np.int16), crs=igh, cell=250.0, nodata=-32768)
    done = made([tmp_path], variables=("sand_0_5cm", "bulk_density_0_5cm", "organic_carbon_5_15cm"))
    assert {name: round(float(values[0, 0]), 4) for name, values in done.bands.items()} == {
        "bulk_density_0_5cm": 1.35,
        "sand_0_5cm": 41.2,
        "organic_carbon_5_15cm": 25.0,
    }
    assert done.units == {"bulk_density_0_5cm": "g cm-3", "sand_0_5cm": "%", "organic_carbon_5_15cm": "g kg-1"}
    assert done.result.dates == 0 and list(made([tmp_path]).bands) == ["sand_0_5cm"]


# ---- files of arrays


def era5(values, steps=2, lat=(46, 45.75), lon=(10, 10.25), more=(), units="hours since 1900-01-01"):
    dims = ("time", *(name for name, _ in more), "lat", "lon")
    return {
        **degrees(lat, lon),
        **time_axis(1051896 + np.arange(steps), units),
        **{f"/{name}": (np.asarray(each, float), (name,), {}) for name, each in more},
        "/swvl1": (np.asarray(values, np.float32), dims, {"fill": -32767, "units": "m**3 m**-3"}),
        "/latitude": (np.zeros(1), ("none",), {}),
    }


def test_old_era5_with_expver(arrays, made):
    """The last months have two versions, of which each has what the other lacks."""
    values = np.full((2, 2, 2, 2), -32767, np.float32)
    values[0, 0], values[1, 1] = 0.25, 0.5
    done = made(arrays("download.nc", era5(values, more=(("expver", [1, 5]),))))
    assert list(done.bands) == ["soil_moisture_0_7cm@2020-01-01T00:00:00", "soil_moisture_0_7cm@2020-01-01T01:00:00"]
    assert [float(each.mean()) for each in done.bands.values()] == [0.25, 0.5]


def test_months_of_era5(arrays, made):
    file = era5(np.full((2, 2, 2), 0.25), units="months since 2020-01-01")
    file["/time"] = (np.array([0.0, 1.0]), ("time",), {"units": "months since 2020-01-01"})
    assert list(made(arrays("monthly.nc", file)).bands) == [
        "soil_moisture_0_7cm@2020-01",
        "soil_moisture_0_7cm@2020-02",
    ]


def test_midnight_of_a_file_of_its_own_is_a_moment_beside_other_hours(arrays, made):
    for hour in (0, 1):
        file = era5(np.full((1, 2, 2), 0.25), steps=1)
        file["/time"] = (np.array([1051896.0 + hour]), ("time",), {"units": "hours since 1900-01-01"})
        arrays(f"in/{hour}.nc", file)
    names = list(made([Path(arrays("x.nc", file)).parent / "in"]).bands)
    assert names == ["soil_moisture_0_7cm@2020-01-01T00:00:00", "soil_moisture_0_7cm@2020-01-01T01:00:00"]


def test_longitudes_to_360_and_rows_from_the_south(arrays, made):
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 4) / 10
    lon, lat = np.arange(4) * 90.0, np.array([-60.0, 0, 60])
    done = made(arrays("x.nc", era5(values, steps=1, lat=lat, lon=lon)))
    (found,) = done.bands.values()
    assert done.transform[:6] == (90, 0, -225, 0, -60, 90)
    row, column = int((90 - 60) / 60), int((0 - done.transform.c) / 90)
    assert found[row, column] == pytest.approx(0.8) and found[-1, column] == pytest.approx(0)


def test_imerg_as_shipped(arrays, made):
    values = np.array([[[0, 1.5, FILL], [2, 3, 4]]], np.float32)
    for name, kind in (
        ("3B-HHR.MS.MRG.3IMERG.20200101-S003000-E005959.0030.V07B.HDF5", "2020-01-01T00:30:00"),
        ("3B-HHR-L.MS.MRG.3IMERG.20200101-S003000-E005959.0030.V07B.RT-H5", "2020-01-01T00:30:00"),
        ("3B-DAY.MS.MRG.3IMERG.20200101-S000000-E235959.V07B.nc4", "2020-01-01"),
        ("3B-MO.MS.MRG.3IMERG.20200101-S000000-E235959.01.V07B.HDF5", "2020-01"),
    ):
        file = {
            "/Grid/precipitation": (values, ("time", "lon", "lat"), {"fill": FILL, "units": "mm/hr"}),
            "/Grid/randomError": (values, ("time", "lon", "lat"), {"fill": FILL, "units": "mm/hr"}),
        }
        axes = {**degrees((44.95, 45.05, 45.15), (10.05, 10.15)), **time_axis([1577838600], "seconds since 1970-01-01")}
        done = made(arrays(name, {**axes, **file}))
        assert list(done.bands) == [f"precipitation@{kind}"]
        np.testing.assert_array_equal(done[f"precipitation@{kind}"], [[np.nan, 4], [1.5, 3], [0, 2]])
        assert done.transform.f == pytest.approx(45.2) and done.transform.c == pytest.approx(10)


def test_monthly_gldas_beside_three_hourly(arrays, made):
    for name in ("GLDAS_NOAH025_3H.A20160101.0300.021.nc4", "GLDAS_NOAH025_M.A201601.021.nc4"):
        layer = np.full((1, 2, 2), 28.0, np.float32)
        arrays(
            f"in/{name}",
            {
                **degrees((-0.125, 0.125), (10.125, 10.375)),
                **time_axis([0], "minutes since 2016-01-01 03:00:00"),
                "/SoilMoi0_10cm_inst": (layer, ("time", "lat", "lon"), {"fill": FILL, "units": "kg m-2"}),
            },
        )
    done = made([Path(arrays("x.nc", era5(np.zeros((2, 2, 2))))).parent / "in"])
    assert list(done.bands) == [
        "soil_moisture_0_10cm_noah025_3h@2016-01-01T03:00:00",
        "soil_moisture_0_10cm_noah025_m@2016-01",
    ]
    assert all(values[0, 0] == pytest.approx(0.28) for values in done.bands.values())


def smap_l4(x, y, values):
    return {
        "/y": (np.asarray(y), ("y",), {"units": "m"}),
        "/x": (np.asarray(x), ("x",), {"units": "m"}),
        "/Geophysical_Data/sm_surface": (np.asarray(values, np.float32), ("y", "x"), {"fill": FILL, "units": "m3 m-3"}),
        "/Geophysical_Data/sm_rootzone": (np.full((2, 3), 0.3, np.float32), ("y", "x"), {"fill": FILL}),
    }


def test_level_4_of_smap_by_its_axes(arrays, made):
    """Axes in metres of EASE-Grid 2.0, whose CRS GDAL does not find."""
    cell = SMAP_CELL / 4
    x, y = SMAP_LEFT + (np.arange(3) + 2000.5) * cell, SMAP_TOP - (np.arange(2) + 400.5) * cell
    done = made(arrays("SMAP_L4_SM_gph_20150331T013000_Vv7032_001.h5", smap_l4(x, y, [[0.1, 0.2, FILL], [0, 0, 0]])))
    assert set(done.bands) == {f"soil_moisture{end}@2015-03-31T01:30:00" for end in ("_rootzone", "")}
    assert done.crs.to_epsg() == 6933 and done.transform.c == pytest.approx(SMAP_LEFT + 2000 * cell, abs=0.1)


def test_metres_of_no_known_crs_are_refused(arrays, made):
    path = arrays(
        "SMAP_L4_SM_gph_20150331T013000_Vv7032_001.h5", smap_l4([1e5, 2e5, 3e5], [9e5, 8e5], np.zeros((2, 3)))
    )
    with pytest.raises(InputError, match="coordinates that are no degrees, and its file does not say of which CRS"):
        made(path)


def test_quality_of_several_dates_in_one_file(arrays, made):
    """AppEEARS' NetCDF: each date has its own words."""
    file = {
        **degrees((45.2, 45.1), (10.1, 10.2)),
        **time_axis([7305, 7321], "days since 2000-01-01"),
        "/_250m_16_days_NDVI": (np.full((2, 2, 2), 5000, np.int16), ("time", "lat", "lon"), {"fill": -3000}),
        "/_250m_16_days_pixel_reliability": (
            np.array([[[0, 0], [0, 0]], [[0, 3], [3, 3]]], np.int16),
            ("time", "lat", "lon"),
            {"fill": -1},
        ),
    }
    done = made(arrays("MOD13Q1.061_250m_aid0001.nc", file))
    assert [int(np.isfinite(values).sum()) for values in done.bands.values()] == [4, 1]
    assert list(done.bands) == ["ndvi@2020-01-01", "ndvi@2020-01-17"]


def test_signed_words_are_the_same_words(tile, tmp_path, made):
    """Reliability of -1 is 255 where it has no sign."""
    place = sinusoidal(18, 4, 2)
    tile(VI.format(18, 4, "NDVI"), np.full((2, 2), 5000, np.int16), **place)
    tile(VI.format(18, 4, "pixel_reliability"), np.array([[0, -1], [1, 3]], np.int16), **place)
    np.testing.assert_array_equal(np.isfinite(made([tmp_path])["ndvi@2021-01-01"]), [[1, 0], [1, 0]])


def test_kilograms_need_a_thickness(arrays, made):
    file = {
        **degrees((1, 0), (0, 1)),
        **time_axis([0], "days since 2020-01-01"),
        "/sm": (np.full((1, 2, 2), 20.0, np.float32), ("time", "lat", "lon"), {"units": "kg m-2"}),
        "/flag": (np.zeros((1, 2, 2), np.uint8), ("time", "lat", "lon"), {}),
    }
    path = arrays("C3S-SOILMOISTURE-L3S-SSMV-COMBINED-DAILY-20200101000000-TCDR-v202212.0.0.nc", file)
    with pytest.raises(
        InputError, match="`layer_thickness`: soil_moisture of .* is in kg m⁻².*Give its thickness in metres"
    ):
        made(path)
    done = made(path, layer_thickness=0.05)
    assert done["soil_moisture@2020-01-01"][0, 0] == pytest.approx(0.4)


# ---- what is asked for


def test_variables_by_our_name_and_by_the_files(tile, tmp_path, made):
    for layer in ("SR_B4", "SR_B5", "QA_PIXEL"):
        tile(f"{LANDSAT}_{layer}.TIF", RED if layer != "QA_PIXEL" else np.full((2, 2), 64, np.uint16))
    assert list(made([tmp_path], variables=("red", "SR_B5")).bands) == ["red@2020-07-10", "nir@2020-07-10"]
    words = made([tmp_path], variables=("qa_pixel",))
    assert list(words.bands) == ["qa_pixel@2020-07-10"] and words["qa_pixel@2020-07-10"][0, 0] == 64
    with pytest.raises(InputError, match="is SR_B4 of Landsat.*not among the variables that are asked for"):
        made([tmp_path], variables=("ndvi",))


def test_unknown_variable_of_arrays_names_what_is_there(smap, made):
    with pytest.raises(InputError, match="holds none of the variables ndvi; its layers are latitude, longitude, retr"):
        made(smap(SMAP, AM), variables=("ndvi",))


def test_product_that_is_asked_for(smap, tile, tmp_path, made):
    smap(SMAP, AM)
    tile(f"{LANDSAT}_SR_B4.TIF", RED)
    with pytest.raises(InputError) as caught:
        made([tmp_path])
    assert "Landsat Collection 2, level 2; EPSG:32632" in str(caught.value)
    assert "`product_type` smap_l3 or landsat_c2_l2 leaves the others out" in str(caught.value)
    done = made([tmp_path], product_type="landsat_c2_l2")
    assert list(done.bands) == ["red@2020-07-10"] and len(done.result.found.skipped) == 1
    assert next(iter(made([tmp_path], product_type="smap_l3").bands)).startswith("soil_moisture@")


def test_two_zones_of_one_product(tile, tmp_path, made):
    tile(f"{LANDSAT}_SR_B4.TIF", RED)
    tile("LC08_L2SP_191029_20200703_20200912_02_T1_SR_B5.TIF", RED, crs="EPSG:32633")
    with pytest.raises(InputError, match="EPSG:32633.*do not fit together. Import the files of each grid apart"):
        made([tmp_path])


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"product_type": "smap"}, "`product_type` is 'smap', but must be one of: auto, smap_l3,"),
        ({"level": "best"}, "`level` is 'best'"),
        ({"overpass": "noon"}, "`overpass` is 'noon'"),
        (
            {"start": Time(parse_time("2020-02-01").start), "end": parse_time("2020-01-01")},
            "after `end`.*Exchange them",
        ),
    ],
)
def test_requests_that_are_none(tmp_path, made, request_, reason):
    with pytest.raises(InputError, match=reason):
        made([tmp_path], **request_)


# ---- how files come


def test_archives_folders_and_compressed_files(tile, smap, tmp_path, made):
    """Zips, tars and `.tif.gz` give what the files give; names may have blanks, umlauts and backslashes."""
    source = Path(tile(f"raw/{LANDSAT}_SR_B4.TIF", RED))
    expected = made(str(source))["red@2020-07-10"]
    place = tmp_path / "Größe und Maß"
    place.mkdir()
    with zipfile.ZipFile(place / "a b.zip", "w") as archive:
        archive.write(source, f"inner/{source.name}")
    with tarfile.open(place / "c d.tar", "w") as archive:
        archive.add(source, source.name)
    shutil.copy(source, place / source.name)
    for path in (place / "a b.zip", place / "c d.tar", place / source.name, place):
        np.testing.assert_array_equal(made(str(path))["red@2020-07-10"], expected)
    hdf = smap(SMAP, AM)
    with zipfile.ZipFile(place / "smap.zip", "w") as archive:
        archive.write(hdf, f"days/{SMAP}")
    with tarfile.open(place / "smap.tgz", "w:gz") as archive:
        archive.add(hdf, f"days/{SMAP}")
    for name in ("smap.zip", "smap.tgz"):
        assert len(made(str(place / name)).bands) == 1


def test_chirps_compressed(tile, tmp_path, made):
    path = Path(tile("raw/x.tif", np.array([[1.5, -9999]], np.float32), crs="EPSG:4326", cell=0.05, origin=(10, 5)))
    for name in ("chirps-v2.0.2018.06.01.tif.gz", "chirps-v2.0.2018.06.02.tif.gz"):
        with gzip.open(tmp_path / name, "wb") as file:
            file.write(path.read_bytes())
    done = made(sorted(tmp_path.glob("*.gz")))
    assert list(done.bands) == ["precipitation@2018-06-01", "precipitation@2018-06-02"]
    np.testing.assert_array_equal(done["precipitation@2018-06-01"], [[1.5, np.nan]])


def test_an_archive_that_reaches_outside_is_refused(tmp_path, smap, made):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(smap(SMAP, AM), f"../../{SMAP}")
    with pytest.raises(InputError, match="lies outside of it"):
        made(str(tmp_path / "x.zip"))


def test_damaged_files_are_skipped_and_named(smap, tmp_path, made):
    good = smap(SMAP, AM)
    cut = tmp_path / SMAP.replace("0401", "0402")
    cut.write_bytes(Path(good).read_bytes()[:4000])
    empty = tmp_path / SMAP.replace("0401", "0403")
    empty.write_bytes(b"")
    done = made([good, cut, empty])
    assert list(done.bands) == ["soil_moisture@2015-04-01T05:58:55"]
    skipped = {Path(path).name: reason for path, reason in done.result.found.skipped}
    assert set(skipped) == {cut.name, empty.name} and all("download it again" in why for why in skipped.values())


def test_a_file_that_is_damaged_only_in_its_data(tile, tmp_path, made):
    """Headers are whole, so that this shows only where values are read."""
    values = np.random.default_rng(0).integers(9000, 20000, (300, 300)).astype(np.uint16)
    good = tile(f"{LANDSAT}_SR_B4.TIF", values)
    bad = Path(tile("LC08_L2SP_192030_20200710_20200912_02_T1_SR_B4.TIF", values, origin=(500000.0, 5000000.0 - 9000)))
    content = bad.read_bytes()
    bad.write_bytes(content[: len(content) // 2])
    done = made([good, bad])
    assert [Path(path).name for path, _ in done.result.found.skipped] == [bad.name]
    assert "download it again" in done.result.found.skipped[0][1]
    assert bad.name not in {Path(path).name for path, _ in done.result.found.taken}
    np.testing.assert_allclose(done["red@2020-07-10"][:300], values * 2.75e-5 - 0.2, atol=1e-6)


def test_a_damaged_clock_does_not_end_the_import(smap, tmp_path, made, monkeypatch):
    from sm_toolbox.products.mosaic import OpenPieces
    from sm_toolbox.raster.driver import DriverError

    good, bad = smap(SMAP, AM), smap(SMAP.replace("0401", "0402"), AM)
    read = OpenPieces.read

    def fail(self, layer, window):
        if layer.path == bad:
            raise DriverError("inflate failed")
        return read(self, layer, window)

    monkeypatch.setattr(OpenPieces, "read", fail)
    done = made([good, bad])
    assert list(done.bands) == ["soil_moisture@2015-04-01T05:58:55"]
    assert done.result.found.skipped[0][0] == bad


def test_nothing_usable(tmp_path, made):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="no file can be imported: there is none. Give files as downloaded"):
        made([tmp_path])
    with pytest.raises(InputError, match="'.*notes.txt' is no file of a product that is known by its name"):
        made(str(tmp_path / "notes.txt"))
    with pytest.raises(InputError, match="The file or folder '.*none.h5' does not exist"):
        made(str(tmp_path / "none.h5"))


def test_where_quality_leaves_nothing(smap, made, leftovers):
    path = smap(SMAP, AM, flags=np.full((2, 3), 7))
    with pytest.raises(InputError, match=r"no cell is left. Quality layers rule out all .*\(not recommended\): choose"):
        made(path)
    assert leftovers() == [SMAP]


def test_cancelled_leaves_nothing(smap, tmp_path, cancelling, leftovers):
    path = smap(SMAP, AM, PM)
    with pytest.raises(Cancelled):
        import_product([path], str(tmp_path / "o.tif"), progress=cancelling(cancel_after=1))
    assert leftovers() == [SMAP]


def test_a_full_disk_is_told(smap, tmp_path, monkeypatch, leftovers):
    path = smap(SMAP, AM)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("sm_toolbox.raster.outputs.shutil.disk_usage", lambda *_: usage._replace(free=0))
    with pytest.raises(OutputError, match="could not be written whole"):
        import_product([path], str(tmp_path / "o.tif"))
    assert leftovers() == [SMAP]


def test_the_output_is_no_input(tile, tmp_path, made):
    path = tile(f"{LANDSAT}_SR_B4.tif", RED)
    before = Path(path).read_bytes()
    for inputs in ([path], [str(tmp_path)]):
        with pytest.raises(OutputError, match="is one of the files that are imported. Give it a name of its own"):
            import_product(inputs, path)
    assert Path(path).read_bytes() == before


def test_an_output_in_the_folder_that_is_imported(tile, tmp_path):
    """A second run does not take what the first has written."""
    tile(f"{LANDSAT}_SR_B4.TIF", RED)
    for _ in range(2):
        done = import_product([str(tmp_path)], str(tmp_path / "imported.tif"))
        assert done.bands == ["red@2020-07-10"]


def test_netcdf_as_output(smap, tmp_path):
    done = import_product([smap(SMAP, AM, PM)], str(tmp_path / "o.nc"))
    from sm_toolbox.raster.bands import list_bands
    from sm_toolbox.raster.opening import Source

    assert sorted(band.name for band in list_bands([Source(str(tmp_path / "o.nc"))])) == sorted(done.bands)
