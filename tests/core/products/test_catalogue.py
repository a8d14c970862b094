"""Rows of products: providers' names are known, each by its own row, and what the row says is complete."""

import re
from pathlib import Path

import numpy as np
import pytest

from sm_toolbox.raster.naming import time_of_name
from sm_toolbox.sensors.catalogue import CATALOGUE, named_part, product_of_name, variable_of_layer
from sm_toolbox.sensors.quality import FURTHER_RULES, QUALITY_LEVELS, QUALITY_RULES, kept, parse_conditions


@pytest.mark.parametrize(
    ("name", "product", "time"),
    [
        ("SMAP_L3_SM_P_20150331_R19240_001.h5", "smap_l3", "2015-03-31"),
        ("SMAP_L3_SM_P_E_20150331_R19240_001.h5", "smap_l3_enhanced", "2015-03-31"),
        ("SMAP_L4_SM_gph_20150331T013000_Vv7032_001.h5", "smap_l4", "2015-03-31T01:30:00"),
        ("SM_OPER_MIR_CLF33A_20150506T000000_20150508T235959_300_002_7.DBL.nc", "smos_l3", "2015-05-06"),
        ("C3S-SOILMOISTURE-L3S-SSMV-COMBINED-MONTHLY-20140101000000-TCDR-v202212.0.0.nc", "cci_c3s", "2014-01"),
        ("C3S-SOILMOISTURE-L3S-SSMV-PASSIVE-DEKADAL-20140111000000-ICDR-v202212.0.0.nc", "cci_c3s", "2014-01-11"),
        ("ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-20160607000000-fv08.1.nc", "cci_c3s", "2016-06-07"),
        ("c_gls_SWI10_201706011200_GLOBE_ASCAT_V3.1.1.nc", "cgls_ssm", "2017-06-01T12:00:00"),
        ("GLDAS_NOAH025_3H.A20160101.0300.021.nc4", "gldas_noah", "2016-01-01T03:00:00"),
        ("GLDAS_NOAH10_M.A201601.021.nc4.SUB.nc4", "gldas_noah", "2016-01"),
        ("MOD09Q1.A2017193.h18v04.061.2017202035302.hdf", "modis_reflectance", "2017-07-12"),
        ("MYD09GA.A2017193.h18v04.061.2017202035302.hdf", "modis_reflectance", "2017-07-12"),
        ("VJ109GA.A2020001.h18v04.002.2023120000000.h5", "modis_reflectance", "2020-01-01"),
        ("VNP09H1.A2020001.h18v04.002.2023120000000.h5", "modis_reflectance", "2020-01-01"),
        ("MOD11A1.A2021001.h10v05.061.2021021073137.hdf", "modis_lst", "2021-01-01"),
        ("MOD11C3.A2021001.061.2021021073137.hdf", "modis_lst", "2021-01"),
        ("VNP21A1D.A2020001.h18v04.002.2023120000000.h5", "modis_lst", "2020-01-01"),
        ("VJ221A1N.A2020001.h18v04.002.2023120000000.h5", "modis_lst", "2020-01-01"),
        ("MCD43A3.A2020001.h18v04.061.2023120000000.hdf", "modis_albedo", "2020-01-01"),
        ("VNP43MA4.A2020001.h18v04.002.2023120000000.h5", "modis_albedo", "2020-01-01"),
        ("MOD13Q1.A2021001.h10v05.061.2021021073137.hdf", "modis_vegetation", "2021-01-01"),
        ("MOD13Q1.A2021001.h10v05.061.2021021073137_250m_16_days_NDVI.tif", "modis_vegetation", "2021-01-01"),
        ("VJ113A1.A2020001.h18v04.002.2023120000000.h5", "modis_vegetation", "2020-01-01"),
        ("MCD12Q1.A2020001.h18v04.061.2023120000000.hdf", "modis_landcover", "2020"),
        ("MCD12Q1.061_LC_Type1_doy2020001_aid0001.tif", "modis_landcover", "2020"),
        ("LE07_L2SP_008059_20191201_20200825_02_T1_SR_B4.TIF", "landsat_c2_l2", "2019-12-01"),
        ("HLS.L30.T13RCN.2024128T173909.v2.0.B04.tif", "hls", "2024-05-07T17:39:09"),
        ("T29RKH_20200219T112111_B04_20m.jp2", "sentinel2_l2a", "2020-02-19T11:21:11"),
        ("sand_0-5cm_mean_1000.tif", "soilgrids", "None"),
        ("CLYPPT_M_sl1_250m_ll.tif", "soilgrids", "None"),
        ("chirps-v2.0.2018.06.01.tif.gz", "chirps", "2018-06-01"),
        ("chirps-v2.0.2018.06.tif", "chirps", "2018-06"),
        ("chirps-v2.0.2018.days_p05.nc", "chirps", "None"),
        ("3B-HHR.MS.MRG.3IMERG.20200101-S003000-E005959.0030.V07B.HDF5", "imerg", "2020-01-01T00:30:00"),
        ("3B-HHR-L.MS.MRG.3IMERG.20200101-S003000-E005959.0030.V07B.RT-H5", "imerg", "2020-01-01T00:30:00"),
        ("3B-DAY.MS.MRG.3IMERG.20200101-S000000-E235959.V07B.nc4", "imerg", "2020-01-01"),
        ("3B-MO.MS.MRG.3IMERG.20200101-S000000-E235959.01.V07B.HDF5", "imerg", "2020-01"),
    ],
)
def test_names_of_providers(name, product, time):
    for path in (f"folder/{name}", f"C:\\Größe und Maß\\{name}", name):
        found = product_of_name(path)
        assert found is not None and found[0].key == product
    assert str(time_of_name(f"folder/{name}")) == time


def test_other_names_are_of_no_product():
    for name in ("ndvi.tif", "S1A_IW_GRDH_1SDV_20200101.tif", "MOD13A1_NDVI_2016_001.tif", "MOD35_L2.A2020001.hdf"):
        assert product_of_name(f"folder/{name}") is None


@pytest.mark.parametrize(
    ("product", "layer", "scene", "variable"),
    [
        ("modis_vegetation", "250m 16 days NDVI", "MOD13Q1.A2021001", "ndvi"),
        ("modis_vegetation", "500m 16 days EVI", "MYD13A1.A2021001", "evi"),
        ("modis_vegetation", "1 km monthly NDVI", "MOD13A3.A2021001", "ndvi"),
        ("modis_vegetation", "CMG 0.05 Deg 16 days NDVI", "MOD13C1.A2021001", "ndvi"),
        ("modis_vegetation", "1_km_16_days_NDVI", "MOD13A2.061", "ndvi"),
        ("modis_vegetation", "500 m 16 days NDVI", "VNP13A1.A2021001", "ndvi"),
        ("modis_lst", "LST_Day_CMG", "MOD11C1.A2021001", "lst_day"),
        ("modis_lst", "LST_Night_1KM", "VNP21A2.A2021001", "lst_night"),
        ("modis_albedo", "Nadir_Reflectance_M5", "VNP43MA4.A2021001", "red"),
        ("modis_albedo", "Nadir_Reflectance_I2", "VNP43IA4.A2021001", "nir"),
        ("landsat_c2_l2", "SR_B4", "LE07_L2SP", "nir"),
        ("landsat_c2_l2", "SR_B4", "LC09_L2SP", "red"),
    ],
)
def test_layers_of_providers(product, layer, scene, variable):
    assert variable_of_layer(CATALOGUE[product], layer, scene).name == variable


def test_state_of_250_m_rules_out():
    rules = variable_of_layer(CATALOGUE["modis_reflectance"], "sur_refl_b01").quality
    assert any(re.fullmatch(rule.layer, "sur_refl_state_250m") for rule in rules)


def test_kind_and_pass_are_named():
    assert named_part(CATALOGUE["modis_lst"], "a/MYD11A1.A2021001.h10v05.061.x.hdf", "kind") == "MYD11A1"
    assert named_part(CATALOGUE["smos_l3"], "SM_OPER_MIR_CLF31D_20150506T000000_x.nc", "pass") == "D"
    assert named_part(CATALOGUE["era5"], "download.nc", "kind") == ""


def test_rows_are_complete():
    for key, row in CATALOGUE.items():
        assert row.key == key and row.source and row.tried and row.variables
        assert "real file" in row.tried or "layout only" in row.tried or "real" in row.tried, key
        for variable in row.variables:
            assert re.fullmatch(r"[a-z0-9_]+", variable.name), variable.name
            for rule in variable.quality:
                assert rule.rule in QUALITY_RULES or rule.rule in FURTHER_RULES
            for pattern in variable.layers:
                re.compile(pattern)


@pytest.mark.parametrize(
    ("rule", "recommended", "strict"),
    [
        ("viirs_vi_quality", [0, 1, 2, 3, 4], [0, 1]),
        ("lst_21_composite_qc", [0, 64, 128, 192, 65, 129, 193], [192]),
        ("cgls_frozen", [0, 1, 255], [1]),
        ("landsat_saturation", [0], [0]),
    ],
)
def test_rules_that_only_the_import_knows(rule, recommended, strict):
    words = np.array([0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 64, 65, 128, 129, 192, 193, 255])
    if rule == "lst_21_composite_qc":
        words = np.array([0, 1, 2, 3, 64, 65, 128, 129, 192, 193])
    for level, good in zip(QUALITY_LEVELS, (recommended, strict)):
        found = words[kept(words, parse_conditions(getattr(FURTHER_RULES[rule], level)))]
        assert sorted(found) == sorted(good), level


def test_strict_keeps_no_more_than_recommended():
    words = np.arange(1 << 16)
    for rule in FURTHER_RULES.values():
        loose, strict = (kept(words, parse_conditions(getattr(rule, level))) for level in QUALITY_LEVELS)
        assert strict.any() and not (strict & ~loose).any()


def test_the_page_says_what_each_row_was_tried_on():
    page = (Path(__file__).parents[3] / "docs" / "products.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{row.key}` | {row.label} | {row.tried} | {row.source} |" for row in CATALOGUE.values()]
    assert all(re.search("real file|layout", row.tried) for row in CATALOGUE.values())
