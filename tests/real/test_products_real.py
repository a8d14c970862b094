"""Products as downloaded against values, counts and corners that were read from the files by other means."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.products.importing import Request, import_product

pytestmark = pytest.mark.real

EASE2 = (-17367530.445161, 7314540.830865, 36032.220840584)


class Output:
    """An import of real files, with its bands by name."""

    def __init__(self, paths, folder, **request):
        self.path = str(folder / "o.tif")
        self.result = import_product([str(path) for path in paths], self.path, Request(**request))
        with rasterio.open(self.path) as dataset:
            self.crs, self.transform = dataset.crs, dataset.transform
            self.bands = dict(zip(dataset.descriptions, dataset.read()))

    def __getitem__(self, name):
        return self.bands[name]

    def count(self, name):
        return int(np.isfinite(self.bands[name]).sum())

    def corner(self):
        return self.transform.c, self.transform.f


@pytest.fixture
def imported(real_data, tmp_path):
    """A function that imports real files."""

    def run(*names, **request):
        return Output([real_data("products", *name.split("/")) for name in names], tmp_path, **request)

    return run


@pytest.fixture
def refused(imported):
    """A function that expects words of a refusal."""

    def run(reason, *names, **request):
        with pytest.raises(InputError, match=reason):
            imported(*names, **request)

    return run


def words(path, layer):
    """Quality words of a file, read by GDAL's multidimensional interface."""
    from osgeo import gdal

    group = gdal.OpenEx(str(path), gdal.OF_MULTIDIM_RASTER).GetRootGroup()
    *groups, name = layer.split("/")
    kept = [group]
    for part in groups:
        kept.append(kept[-1].OpenGroup(part))
    return kept[-1].OpenMDArray(name).ReadAsArray()


SMAP = [f"smap/SMAP_L3_SM_P_{day}_R18290_synthetic_002.h5" for day in ("20150331", "20150401")]


def test_smap_all_that_has_a_value(imported):
    made = imported(*SMAP, level="all")
    am, pm = made["soil_moisture_am@2015-03-31"], made["soil_moisture_pm@2015-03-31"]
    assert made.count("soil_moisture_am@2015-03-31") == 110_520 and made.count("soil_moisture_pm@2015-03-31") == 115_456
    assert np.nanmean(am.astype(float)) == pytest.approx(0.23344, abs=5e-6)
    assert np.nanmean(pm.astype(float)) == pytest.approx(0.24872, abs=5e-6)
    found = [am[50, 48], am[127, 707], am[63, 441], pm[50, 57], pm[127, 452], pm[62, 203]]
    np.testing.assert_allclose(found, [0.32, 0.29, 0.31, 0.35, 0.29, 0.17], atol=1e-6)
    assert np.isnan([am[150, 702], pm[150, 702]]).all()
    assert made["soil_moisture_am@2015-04-01"][50, 48] == pytest.approx(0.33)
    assert made.crs.to_epsg() == 6933 and made.transform.a == pytest.approx(EASE2[2], abs=1e-6)
    np.testing.assert_allclose(made.corner(), EASE2[:2], atol=1)


def test_smap_recommended(imported):
    made = imported(SMAP[0])
    assert made.count("soil_moisture_am@2015-03-31") == 91_475 and made.count("soil_moisture_pm@2015-03-31") == 95_657
    before = 110_520 + 115_456
    assert made.result.masked_percent == pytest.approx(100 * (1 - (91_475 + 95_657) / before))
    assert made.result.reasons == {"not recommended": pytest.approx(made.result.masked_percent)}


def test_smap_of_a_region_has_the_time_of_its_overpass(imported):
    """Local solar times by steps of 2.5°: [50, 48] was seen at 16:50:07."""
    west, south, east, north = -163, 48, -161, 49
    from sm_toolbox.raster.choice import driver

    bounds = ((west, south, east, north), driver().crs(4326))
    made = imported(*SMAP, extent=bounds, level="all")
    assert list(made.bands) == ["soil_moisture@2015-03-31T16:50:07", "soil_moisture@2015-04-01T16:50:07"]
    row, column = ~made.transform * (EASE2[0] + 48.5 * EASE2[2], EASE2[1] - 50.5 * EASE2[2])
    morning = next(name for name in made.bands if name.startswith("soil_moisture@2015-03-31T16:5"))
    assert made[morning][int(column), int(row)] == pytest.approx(0.32)


def test_smap_mean_of_a_day_and_one_overpass(imported):
    both, mean = imported(SMAP[0], level="all"), imported(SMAP[0], level="all", overpass="mean")
    am, pm = both["soil_moisture_am@2015-03-31"], both["soil_moisture_pm@2015-03-31"]
    with np.errstate(invalid="ignore"):
        expected = np.where(np.isnan(am), pm, np.where(np.isnan(pm), am, (am + pm) / 2))
    np.testing.assert_allclose(mean["soil_moisture@2015-03-31"], expected, atol=1e-6)
    one = imported(SMAP[0], level="all", overpass="pm")
    np.testing.assert_array_equal(one["soil_moisture@2015-03-31"], pm)


def test_smap_level_4_window(imported):
    made = imported("smap/SMAP_L4_SM_aup_dimension_list_input.h5")
    values = made["soil_moisture_rootzone@2015-04-01T05:58:55"]
    assert values.shape == (108, 33)
    np.testing.assert_allclose([values[0, 0], values[107, 32]], [0.2085648, 0.14339702], atol=1e-7)


@pytest.mark.parametrize(
    ("path", "count", "cells"),
    [
        (
            "esa_cci/ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-20160607000000-fv05.2.nc",
            170_984,
            {(191, 263): 0.16975327, (40, 367): 0.12152584},
        ),
        (
            "c3s/C3S-SOILMOISTURE-L3S-SSMV-COMBINED-DAILY-20140101000000-TCDR-v201801.0.0.nc",
            70_011,
            {(75, 822): 0.25156176, (291, 921): 0.159263},
        ),
        (
            "c3s/C3S-SOILMOISTURE-L3S-SSMV-COMBINED-DAILY-20140102000000-TCDR-v201801.0.0.nc",
            71_957,
            {(75, 822): 0.29256362},
        ),
        (
            "c3s/C3S-SOILMOISTURE-L3S-SSMV-COMBINED-MONTHLY-20140101000000-TCDR-v201801.0.0.nc",
            119_187,
            {(272, 307): 0.264323},
        ),
    ],
)
def test_cci_and_c3s(imported, path, count, cells):
    made = imported(path, level="all")
    (name,) = made.bands
    assert made.count(name) == count and name.startswith("soil_moisture@")
    assert name.endswith("2014-01") == ("MONTHLY" in path)
    for (row, column), value in cells.items():
        assert made[name][row, column] == pytest.approx(value, abs=1e-7)
    assert made.transform[:6] == (0.25, 0, -180, 0, -0.25, 90) and made.crs.to_epsg() == 4326


def test_active_c3s_is_in_percent_of_saturation(imported):
    made = imported("c3s/C3S-SOILMOISTURE-L3S-SSMS-ACTIVE-DAILY-20140101000000-TCDR-v201801.0.0.nc", level="all")
    name = "soil_moisture_saturation@2014-01-01"
    assert made.count(name) == 67_717 and made[name][75, 822] == pytest.approx(21.598204, abs=1e-5)
    with rasterio.open(made.path) as dataset:
        assert dataset.units == ("%",)


def test_the_flag_of_c3s_rules_out(imported, real_data):
    path = "c3s/C3S-SOILMOISTURE-L3S-SSMV-COMBINED-DAILY-20140101000000-TCDR-v201801.0.0.nc"
    made = imported(path)
    assert made.count("soil_moisture@2014-01-01") == 70_011
    assert not words(real_data("products", *path.split("/")), "flag")[0][
        np.isfinite(made["soil_moisture@2014-01-01"])
    ].any()


def test_kinds_of_c3s_are_kept_apart(imported):
    made = imported("c3s")
    assert list(made.bands) == [
        "soil_moisture_saturation@2014-01-01",
        "soil_moisture_combined@2014-01-01",
        "soil_moisture_combined@2014-01-02",
        "soil_moisture_combined_monthly@2014-01",
    ]


def test_smos(imported):
    made = imported(
        *(f"smos/SM_OPER_MIR_CLF31A_{day}T000000_{day}T235959_300_002_7.DBL.nc" for day in ("20150506", "20150507"))
    )
    first, second = "soil_moisture@2015-05-06", "soil_moisture@2015-05-07"
    assert list(made.bands) == [first, second] and (made.count(first), made.count(second)) == (3563, 5254)
    # The file's first row is the southernmost.
    assert made[first][100, 83] == pytest.approx(9151 * 3.05185e-5, abs=1e-7)
    assert made[first][100 - 68, 98] == pytest.approx(3485 * 3.05185e-5, abs=1e-7)
    assert made.crs.to_epsg() == 6933 and made.transform.a == pytest.approx(25025.26, abs=0.01)
    left, top = made.corner()
    assert abs((left + 17367530.4451615) / 25025.2600081 - 699) < 4e-5
    assert abs((7307375.9223652 - top) / 25025.2600081 - 34) < 4e-5


ASCAT = "ascat/W_XX-EUMETSAT-Darmstadt,SURFACE+SATELLITE,METOPA+ASCAT_C_EUMP_20170220041500_53652_eps_o_250_ssm_l2.nc"


def test_each_cell_of_ascat_has_the_nearest_node(imported, real_data):
    """Brute force on a sample of cells: the value is that of the node nearest on the sphere, of the same pass."""
    from sm_toolbox.raster.choice import driver

    made = imported(ASCAT, level="all")
    path = real_data("products", *ASCAT.split("/"))
    latitude, longitude = (words(path, name) * 1e-6 for name in ("latitude", "longitude"))
    stored, passes = words(path, "soil_moisture"), words(path, "as_des_pass")
    crs, degrees = driver().crs(6933), driver().crs(4326)
    random = np.random.default_rng(1)
    for name, half in (("am", 1), ("pm", 0)):
        band = made[f"soil_moisture_saturation_{name}@2017-02-20"]
        seen = np.argwhere(np.isfinite(band))
        taken = np.broadcast_to((passes == half)[:, None], latitude.shape)
        lat, lon, values = np.radians(latitude[taken]), np.radians(longitude[taken]), stored[taken]
        for row, column in seen[random.choice(len(seen), 60, replace=False)]:
            x, y = made.transform * (column + 0.5, row + 0.5)
            here_lon, here_lat = (np.radians(float(each[0])) for each in driver().transform([x], [y], crs, degrees))
            cosine = np.sin(here_lat) * np.sin(lat) + np.cos(here_lat) * np.cos(lat) * np.cos(lon - here_lon)
            away = 6371.0 * np.arccos(np.clip(cosine, -1, 1))
            order = np.argsort(away)[:2]
            near = order[:1] if away[order[1]] - away[order[0]] > 0.1 else order
            assert away[near[0]] < 18.1
            assert any(band[row, column] == pytest.approx(values[each] / 100, abs=1e-4) for each in near)
        assert band[np.isfinite(band)].max() <= 100


def test_ascat_without_doubtful_cells(imported, real_data):
    path = real_data("products", *ASCAT.split("/"))
    good = (words(path, "proc_flag1") == 0).sum()
    assert good == 13_337
    made, all_of_it = imported(ASCAT), imported(ASCAT, level="all")
    for name, band in made.bands.items():
        np.testing.assert_array_equal(band[np.isfinite(band)], all_of_it[name][np.isfinite(band)])
        assert 0 < made.count(name) < all_of_it.count(name)


def test_an_empty_day_of_cgls_is_left_out(imported):
    made = imported(*(f"cgls/c_gls_SSM1km_2017060{day}0000_CEURO_S1CSAR_V1.1.1.nc" for day in (1, 2, 3)))
    first, third = "soil_moisture_saturation@2017-06-01", "soil_moisture_saturation@2017-06-03"
    assert list(made.bands) == [first, third] and made.result.empty == ["soil_moisture_saturation@2017-06-02"]
    assert (made.count(first), made.count(third)) == (27_563, 4448)
    assert made[first][0, 316] == 47 and made[third][0, 0] == 33.5


def test_soil_water_index(imported):
    made = imported("cgls/c_gls_SWI1km_201706011200_CEURO_SCATSAR_V1.0.1.nc", level="all", variables=("SWI_005",))
    (name,) = made.bands
    assert made.count(name) == 155_881 and made[name][0, 0] == 53.5 and name.endswith("@2017-06-01T12:00:00")


def test_gldas_in_cubic_metres(imported):
    made = imported("gldas/GLDAS_NOAH025_3H.A20160101.0300.021.nc4")
    top, below = (f"soil_moisture_{layer}@2016-01-01T03:00:00" for layer in ("0_10cm", "10_40cm"))
    assert made.count(top) == 243_883 and top in made.bands and below in made.bands
    # The file's rows run northwards from 60° S.
    row, column = int((90 - 39.875) / 0.25), int((67.125 + 180) / 0.25)
    assert made[top][row, column] == pytest.approx(0.28172, abs=1e-5)
    assert made[top][int((90 + 55.625) / 0.25), int((180 - 68.125) / 0.25)] == pytest.approx(0.25968, abs=1e-5)
    assert made.transform[:6] == (0.25, 0, -180, 0, -0.25, 90)
    with rasterio.open(made.path) as dataset:
        assert set(dataset.units) == {"m3 m-3"}


@pytest.mark.parametrize(
    ("path", "steps", "first", "last", "corner"),
    [
        ("ERA5_Brazil_2024_07_24_24.nc", 24, 0.26290351, 0.19098443, (-55.125, -9.875)),
        ("ERA5_Western-Australia_2020_10_01_07.nc", 168, 0.01607898, 0.11005333, None),
        ("ERA5_Western-Australia_20200601_20200607.nc", 168, 0.03172302, 0.11303711, None),
    ],
)
def test_era5_new_layout(imported, path, steps, first, last, corner):
    made = imported(f"era5/{path}")
    names = list(made.bands)
    assert len(names) == steps and names[0].endswith("T00:00:00") and names[-1].endswith("T23:00:00")
    assert made[names[0]][0, 0] == pytest.approx(first, abs=1e-7)
    assert made[names[-1]][-1, -1] == pytest.approx(last, abs=1e-7)
    if corner:
        assert made.corner() == corner


def test_era5_old_layout(imported):
    """Longitudes from 0° to 360° by 20°: the first column of the file is that of 0°."""
    made = imported("era5/era5_2t_1.nc")
    values = made["air_temperature_2m@2021-03-01T12:00:00"]
    assert values.shape == (9, 18) and made.corner() == (-190, 90)
    assert values[0, 9] == pytest.approx(260.20880, abs=1e-4) and values[-1, 8] == pytest.approx(252.07699, abs=1e-4)


def test_era5_grib_in_kelvin(imported):
    made = imported("era5/era5-single-level-scalar-time.grib")
    assert made["air_temperature_2m@2017-01-01T12:00:00"][0, 0] == pytest.approx(278.44751, abs=1e-4)
    soil = imported("era5/soil-surface-level-mix.grib")
    time = "2022-01-01T00:00:00"
    assert soil[f"soil_moisture_0_7cm@{time}"][3, 3] == pytest.approx(0.36213413, abs=1e-6)
    assert soil[f"soil_moisture_100_289cm@{time}"][3, 3] == pytest.approx(0.23361206, abs=1e-6)


MOD09A1 = "modis/MOD09A1.A2017193.h18v04.006.2017202035302.hdf"


def test_mod09a1(imported, real_data):
    made = imported(MOD09A1, level="all")
    red, nir = made["red@2017-07-12"], made["nir@2017-07-12"]
    np.testing.assert_allclose([red[0, 0], red[36, 33], red[72, 65]], [0.0485, 0.0160, 0.0332], atol=1e-7)
    np.testing.assert_allclose([nir[0, 0], nir[36, 33], nir[72, 65]], [0.3345, 0.2751, 0.3315], atol=1e-7)
    np.testing.assert_allclose(made.corner(), (753346.477, 5132114.961), atol=1)
    assert made.transform.a == pytest.approx(463.3127, abs=1e-3)
    kept = imported(MOD09A1)
    state = imported(MOD09A1, level="all", variables=("sur_refl_state_500m",))
    (words_of_it,) = state.bands.values()
    bits = words_of_it.astype(np.int64)
    clear = np.isin(bits & 3, (0, 3)) & ((bits >> 2) & 1 == 0) & ((bits >> 10) & 1 == 0) & ((bits >> 12) & 1 == 0)
    np.testing.assert_array_equal(np.isfinite(kept["red@2017-07-12"]), clear & np.isfinite(red))
    assert ((bits & 3) == 1).sum() == 27 and ((bits >> 2) & 1).sum() == 286 and ((bits >> 10) & 1).sum() == 173


def test_mod09ga_takes_coarser_words_and_says_why_nothing_is_left(imported, refused):
    path = "modis/MOD09GA.A2008296.h14v17.006.2015181011753.hdf"
    made = imported(path, level="all", variables=("red",))
    values = made["red@2008-10-22"]
    assert values.shape == (2400, 2400) and np.nanmax(values) == pytest.approx(1.4516, abs=1e-6)
    np.testing.assert_allclose(made.corner(), (-4447802.079, -8895604.157), atol=1)
    refused("no cell is left. Quality layers rule out all that has values", path, variables=("red",))


def test_mod11_without_the_cells_whose_words_are_good_but_hold_nothing(imported, real_data):
    path = "modis/MOD11B2.A2017001.h14v04.006.2017013155631.hdf"
    made = imported(path, level="all")
    day = made["lst_day@2017-01-01"]
    np.testing.assert_allclose([day[0, 57], day[24, 84], day[39, 58]], [264.20, 267.56, 267.78], atol=1e-4)
    assert made.count("lst_day@2017-01-01") == 3119
    good = imported(path)["lst_day@2017-01-01"]
    quality = imported(path, level="all", variables=("QC_Day",))
    (words_of_it,) = quality.bands.values()
    # The file declares 0 to be no data, but it is the word of good cells.
    bits = words_of_it.astype(np.int64)
    recommended = ((bits & 3) == 0) | (((bits & 3) == 1) & (bits >> 6 <= 1))
    np.testing.assert_array_equal(np.isfinite(good), recommended & np.isfinite(day))
    strict = imported(path, level="strict")["lst_day@2017-01-01"]
    assert 0 < np.isfinite(strict).sum() <= 782


def test_mod13_whose_scale_divides(imported):
    path = "modis/MOD13A2.A2016145.h18v04.006.2016166145124.hdf"
    made = imported(path, level="all")
    ndvi = made["ndvi@2016-05-24"]
    np.testing.assert_allclose([ndvi[0, 0], ndvi[90, 110], ndvi[184, 218]], [0.8994, 0.7180, 0.5979], atol=1e-7)
    np.testing.assert_allclose(made.corner(), (670117.907, 5608858.446), atol=1)
    assert imported(path).count("ndvi@2016-05-24") == 21880 + 18229
    assert imported(path, level="strict").count("ndvi@2016-05-24") == 21880
    assert imported("modis/MYD13A1", level="all")["ndvi@2020-06-01"][327, 267] == pytest.approx(0.2308)


def test_mcd43a4_as_geotiff(imported):
    made = imported("modis/MCD43A4", level="all")
    assert made["nir@2017-01-06"][54, 31] == pytest.approx(0.35)
    assert made.count("nir@2017-01-06") == 7388
    assert imported("modis/MCD43A4", level="strict").count("nir@2017-01-06") == 372


def test_products_of_modis_that_do_not_fit(refused):
    refused(
        r"MOD13A2.*\(MODIS and VIIRS vegetation.*MOD09GA.*`product_type` modis_vegetation or modis_reflectance leaves",
        "modis",
    )
    made_of = "modis/MOD11B2.A2017001.h14v04.006.2017013155631.hdf"
    words = "is MODIS.*not the `product_type` landsat_c2_l2|holds no layer of the `product_type`"
    refused(words, made_of, product_type="hls")


def test_landsat(imported, real_data):
    folder = real_data("products", "landsat")
    with rasterio.open(next(folder.glob("*_QA_PIXEL.TIF"))) as dataset:
        bits, corner = dataset.read(1).astype(np.int64), dataset.transform
    with rasterio.open(next(folder.glob("*_QA_RADSAT.TIF"))) as dataset:
        saturated = dataset.read(1)
    made = imported("landsat", level="all")
    found = [made[f"{name}@2019-12-01"][198, 375] for name in ("red", "nir", "lst")]
    np.testing.assert_allclose(found, [0.0523, 0.3798, 311.75], atol=6e-3)
    assert found[0] == pytest.approx(9175 * 2.75e-5 - 0.2, abs=1e-6)
    good = imported("landsat")
    expected = (bits & 31 == 0) & (saturated == 0) & np.isfinite(made["red@2019-12-01"])
    np.testing.assert_array_equal(np.isfinite(good["red@2019-12-01"]), expected)
    assert good.crs.to_epsg() == 32618 and good.corner() == (corner.c, corner.f)


def test_sentinel2_of_a_folder_with_its_offset(imported):
    safe = "sentinel2/safe_synthetic_/S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP_20230626T022157.SAFE"
    from sm_toolbox.raster.choice import driver

    # Blocks of 549 cells of 20 m; row 5, column 3, and a part of the last, which has no data.
    left, top, block = 300000, 7400040, 549 * 20
    west, north = left + 3 * block, top - 5 * block
    bounds = ((west + 2000, north - 4000, west + 4000, north - 2000), driver().crs(32601))
    made = imported(safe, level="all", variables=("red", "nir", "swir1"), extent=bounds)
    time = "2023-06-25T23:46:21"
    for name, value in (("red", 0.105), ("nir", 0.303), ("swir1", 0.208)):
        np.testing.assert_allclose(made[f"{name}@{time}"], value, atol=1e-6)
    assert made.crs.to_epsg() == 32601 and made.corner() == (west + 2000, north - 2000)
    fine = imported(safe, variables=("nir_10m",), extent=bounds)
    np.testing.assert_allclose(fine[f"nir_10m@{time}"], 0.306, atol=1e-6)
    assert fine.transform.a == 10 and not fine.result.found.notes


def test_sentinel2_before_baseline_4(imported):
    made = imported("sentinel2/S2A_29RKH_20200219_0_L2A", level="all")
    red, nir, swir = (made[f"{name}@2020-02-19"] for name in ("red", "nir", "swir1"))
    assert red.shape == (1098, 1098) and red[549, 549] == pytest.approx(0.3416, abs=1e-6)
    # Coarser bands are repeated: cell [274, 274] of 200 m is [548:550, 548:550] of 100 m.
    np.testing.assert_allclose(nir[548:550, 548:550], 0.3951, atol=1e-6)
    np.testing.assert_allclose(swir[548:550, 548:550], 0.5024, atol=1e-6)
    kept = imported("sentinel2/S2A_29RKH_20200219_0_L2A").result
    assert kept.reasons["cirrus"] == pytest.approx(100 * 10434 / 301444, abs=0.1)


def test_soilgrids_of_2017(imported):
    made = imported("soilgrids")
    clay, sand = made["clay_0cm"], made["sand_0cm"]
    assert (clay[480, 480], sand[480, 480], clay[320, 320], sand[320, 320]) == (20, 45, 16, 47)
    assert made.result.dates == 0


def test_chirps_and_imerg(imported, real_data):
    made = imported("precipitation/chirps.tif")
    names = list(made.bands)
    assert len(names) == 28 and names[0] == "precipitation@2016-10-25" and names[-1] == "precipitation@2016-11-21"
    assert made[names[0]][100, 100] == 0 and made[names[19]][100, 100] == pytest.approx(4.943426, abs=1e-5)
    assert made[names[0]][65, 78] == pytest.approx(7.7108264, abs=1e-5)
    rain = imported("precipitation/GPM_3IMERGHH_bounds.nc4")
    (values,) = rain.bands.values()
    # Stored as longitude, latitude, southwards first: [10, 10] is at 28.95° W, 31.05° N.
    assert np.nanmax(values) == pytest.approx(11.148554, abs=1e-5)
    row, column = (int(value) for value in (~rain.transform * (-28.95, 31.05))[::-1])
    assert values[row, column] == 0.0
    path = real_data("products", "precipitation", "GPM_3IMERGHH_bounds.nc4")
    np.testing.assert_array_equal(values, words(path, "Grid/precipitationCal")[0].T[::-1])


@pytest.mark.parametrize(
    ("reason", "path"),
    [
        (
            "is BUFR, which GDAL cannot read: get the product as NetCDF",
            "ascat/h16_20170220_110000_METOPB_22969_EUM.buf",
        ),
        (
            r"lists of cells and no map.*gridded product \(level 3\)",
            "smos/SM_REPR_MIR_SMUDP2_20100601T141203_20100601T150522_700_100_1.nc",
        ),
        (
            r"lists of cells and no map.*gridded product \(level 3\)",
            "smap/SMAP_L2_SM_P_02801_A_20150811T013002_R18290_001.h5",
        ),
        ("is Sentinel-1 without calibration and map grid: process it", "sentinel1/s1-vh.tiff"),
        ("holds not a single time step", "precipitation/empty-IMERG.nc"),
        ("is a quality layer of Harmonized Landsat Sentinel-2, whose bands are not here", "hls"),
        ("no file of a product that is known by its name", "modis/modistsp_NDVI"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_words(refused, reason, path):
    refused(reason, path)
