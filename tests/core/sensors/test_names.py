"""Dates in names: the forms of providers, and what a list of names proves."""

import pytest

from sm_toolbox.sensors.names import MEANINGLESS, folder_date, product_date, read_names


def read(*names):
    return [(str(reading.moment), reading.rest) for reading in read_names(names)]


@pytest.mark.parametrize(
    ("stem", "time", "rest"),
    [
        ("ndvi_20180601", "2018-06-01", "ndvi"),
        ("20180601_ndvi", "2018-06-01", "ndvi"),
        ("ndvi_2018-06-01_v2", "2018-06-01", "ndvi_v2"),
        ("ndvi_2018152", "2018-06-01", "ndvi"),
        ("ndvi_201806", "2018-06", "ndvi"),
        ("ndvi-2018-06", "2018-06", "ndvi"),
        ("MOD11A2.A2008001.h18v04.006.2009012345678", "2008-01-01", "MOD11A2_h18v04.006"),
        ("LC08_L2SP_199012_20160209_20200907_02_T1_SR_B4", "2016-02-09", "LC08_L2SP_199012_02_T1_SR_B4"),
        (
            "S2A_MSIL2A_20220301T101031_N0400_R022_T32TQM_20220301T123456",
            "2022-03-01T10:10:31",
            "S2A_MSIL2A_N0400_R022_T32TQM",
        ),
        ("T32TQM_20200101T101031_B8A_20m", "2020-01-01T10:10:31", "T32TQM_B8A_20m"),
        (
            "S1A_IW_GRDH_1SDV_20150309T173017_20150309T173042_004963_006353_1B2C",
            "2015-03-09T17:30:17",
            "S1A_IW_GRDH_1SDV",
        ),
        ("S1A__IW___A_20150309T173017_VV_grd", "2015-03-09T17:30:17", "S1A__IW___A_VV_grd"),
        ("dem_30m", "None", "dem_30m"),
        ("tile_123456_x", "None", "tile_123456_x"),
        ("lst_20180230", "None", "lst_20180230"),
        ("ndvi_2018366", "None", "ndvi_2018366"),
    ],
)
def test_one_name(stem, time, rest):
    assert read(stem) == [(time, rest)]


# As the providers write them; the days are 10 and 26 June 2018.
PAIRS = {
    "appeears": ("MOD13Q1.061__250m_16_days_EVI_doy{j}000000_aid0007", "MOD13Q1.061__250m_16_days_EVI_aid0007"),
    "appeears_old": ("MYD13Q1.006__250m_16_days_EVI_doy{j}_aid0007", "MYD13Q1.006__250m_16_days_EVI_aid0007"),
    "chirps": ("chirps-v2.0.{y}.{m}.{d}", "chirps-v2.0"),
    "cgls": ("c_gls_SWI1km_{y}{m}{d}1200_CEURO_SCATSAR_V1.0.2", "c_gls_SWI1km_CEURO_SCATSAR_V1.0.2"),
    "cci": ("C3S-SOILMOISTURE-L3S-SSMV-PASSIVE-DAILY-{y}{m}{d}000000-TCDR-v202012", None),
    "hls": ("HLS.S30.T32TQM.{j}T101031.v2.0.B8A", "HLS.S30.T32TQM_v2.0.B8A"),
    "gldas": ("GLDAS_NOAH025_3H.A{y}{m}{d}.0000.021", "GLDAS_NOAH025_3H_021"),
    "smap_l3": ("SMAP_L3_SM_P_{y}{m}{d}_R18290_001", "SMAP_L3_SM_P_R18290_001"),
    "smap_l3_enhanced": ("SMAP_L3_SM_P_E_{y}{m}{d}_R18290_001", "SMAP_L3_SM_P_E_R18290_001"),
    "imerg": ("3B-DAY.MS.MRG.3IMERG.{y}{m}{d}-S000000-E235959.V07B", None),
    "smos": ("SM_RE07_MIR_CLF31D_{y}{m}{d}T000000_{y}{m}{d}T235959_300_001_7", "SM_RE07_MIR_CLF31D_300_001_7"),
    "underscores": ("lst_{y}_{m}_{d}", "lst"),
    "merra": ("MERRA2_400.tavg1_2d_slv_Nx.{y}{m}{d}", "MERRA2_400.tavg1_2d_slv_Nx"),
    "viirs": ("VNP13A1.A{j}.h18v04.001.{k}", "VNP13A1_h18v04.001"),
    "proba": ("PROBAV_S10_TOC_X18Y02_{y}{m}{d}_333M_V101", "PROBAV_S10_TOC_X18Y02_333M_V101"),
    "landsat_in_earth_engine": ("LE07_194028_{y}{m}{d}", "LE07_194028"),
    "earth_engine_bands": ("{y}_{m}_{d}_LST_Day_1km", "LST_Day_1km"),
    "r": ("X{y}.{m}.{d}", ""),
    "month_names": ("sm_{d}-Jun-{y}", "sm"),
    "day_of_year": ("NDVI.{y}.{doy}", "NDVI"),
}


@pytest.mark.parametrize("key", PAIRS)
def test_two_names_of_a_provider(key):
    form, rest = PAIRS[key]
    days = [
        {"y": "2018", "m": "06", "d": day, "j": f"2018{doy}", "doy": doy, "k": stamp}
        for day, doy, stamp in (("10", "161", "2019122140212"), ("26", "177", "2019130140214"))
    ]
    first, second = read(*(form.format(**day) for day in days))
    assert (first[0][:10], second[0][:10]) == ("2018-06-10", "2018-06-26") and first[1] == second[1]
    assert rest is None or first[1] == rest


def test_day_first_where_the_list_proves_it():
    assert read("sm_05062018", "sm_21062018") == [("2018-06-05", "sm"), ("2018-06-21", "sm")]
    # 21 is no month, so that one name is enough; in these two both orders are possible.
    assert read("sm_21062018") == [("2018-06-21", "sm")]
    both = read_names(["a_01022018", "a_03022018"])
    assert all(reading.moment is None and len(reading.rivals) == 2 for reading in both)


def test_years_of_two_digits_where_the_list_proves_them():
    assert read("ndvi_180610", "ndvi_180626") == [("2018-06-10", "ndvi"), ("2018-06-26", "ndvi")]
    assert read("ndvi_10-06-18", "ndvi_26-06-18") == [("2018-06-10", "ndvi"), ("2018-06-26", "ndvi")]
    assert read("ndvi_180610") == [("None", "ndvi_180610")]


def test_what_varies_is_the_date():
    names = ("ndvi_20180610_v20200101", "ndvi_20180626_v20200101")
    assert [time for time, _ in read(*names)] == ["2018-06-10", "2018-06-26"]
    assert read_names(names[:1])[0].moment is None and len(read_names(names[:1])[0].rivals) == 2


def test_first_and_last_days_are_periods():
    first, second = read_names(["ndvi_20180610_20180625", "ndvi_20180626_20180711"])
    assert (str(first.moment), first.moment.days, first.rest) == ("2018-06-10", 16, "ndvi")
    assert (str(second.moment), second.moment.days) == ("2018-06-26", 16)


def test_dekads():
    readings = read_names(["chirps-v2.0.2018.02.1", "chirps-v2.0.2018.02.3"])
    assert [(str(reading.moment), reading.moment.days) for reading in readings] == [
        ("2018-02-01", 10),
        ("2018-02-21", 8),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "sand_0-5cm_mean",
        "srtm_38_03",
        "sur_refl_b01",
        "soil_2000_250m",
        "embedding_64",
        "B4, central wavelength 665 nm",
    ],
)
def test_no_dates(name):
    assert read(name) == [("None", name)]


def test_names_that_say_nothing():
    nothing = ["Band 1", "Layer_1", "lyr1", "lyr.12", "Gray", "Height", "OUTPUT", "constant", "", "Band 1 (Gray)"]
    assert all(MEANINGLESS.fullmatch(name) for name in nothing)
    assert not any(
        MEANINGLESS.fullmatch(name) for name in ["ndvi", "B1", "B8A", "height_above", "vv", "bulk density", "sm"]
    )


@pytest.mark.parametrize(
    ("name", "moment", "days"),
    [
        ("MOD13A2.A2018161.h18v04.061.2021342063412_NDVI", "2018-06-10", 16),
        ("MYD13Q1.006__250m_16_days_EVI_doy2018361_aid0007", "2018-12-27", 5),
        ("MOD11A2.A2018161.h18v04.061.2021342063412", "2018-06-10", 8),
        ("VNP13A1.A2018161.h18v04.001.2019122140212", "2018-06-10", 16),
        ("MOD11A1.A2018161.h18v04.061.2021342063412", "2018-06-10", 0),
        ("MOD13A3.A2018152.h18v04.061.2021342063412", "2018-06", 0),
        ("MCD12Q1.A2018001.h18v04.061.2021342063412", "2018", 0),
        ("MCD43A3.A2018161.h18v04.061.2021342063412", "2018-06-10", 0),
    ],
)
def test_what_composites_stand_for(name, moment, days):
    (reading,) = read_names([name])
    assert (str(reading.moment), reading.moment.days) == (moment, days)


def test_years_where_the_list_proves_them():
    assert read("landcover_2018", "landcover_2019") == [("2018", "landcover"), ("2019", "landcover")]
    assert read("landcover_2018") == [("None", "landcover_2018")]
    assert read("soil_2000m", "soil_2500m") == [("None", "soil_2000m"), ("None", "soil_2500m")]


def test_years_and_days_of_the_year_after_a_y():
    assert read("Y16299", "Y16300") == [("2016-10-25", ""), ("2016-10-26", "")]
    assert read("Y16299") == [("None", "Y16299")]


def test_names_of_folders():
    assert str(product_date("S2A_29RKH_20200219_0_L2A")) == "2020-02-19"
    assert product_date("downloads_20200219") is None


@pytest.mark.parametrize(
    ("names", "times", "days"),
    [
        (["swvl1_2018061006", "swvl1_2018061012"], ["2018-06-10T06:00:00", "2018-06-10T12:00:00"], 0),
        (["ERA5_Land_20180610_00", "ERA5_Land_20180610_06"], ["2018-06-10", "2018-06-10T06:00:00"], 0),
        (["20180610T06_swvl1", "20180610T12_swvl1"], ["2018-06-10T06:00:00", "2018-06-10T12:00:00"], 0),
        (["lst_2018-06-10_1030", "lst_2018-06-11_1035"], ["2018-06-10T10:30:00", "2018-06-11T10:35:00"], 0),
        (["t2m_20180610_12UTC", "t2m_20180610_18UTC"], ["2018-06-10T12:00:00", "2018-06-10T18:00:00"], 0),
        (["X2018.06.10.12.00.00", "X2018.06.26.12.00.00"], ["2018-06-10T12:00:00", "2018-06-26T12:00:00"], 0),
        (["era5_swvl1_2018_06", "era5_swvl1_2018_07"], ["2018-06", "2018-07"], 0),
        (["chirps-v2.0.2018.06.1", "chirps-v2.0.2018.06.5"], ["2018-06-01", "2018-06-21"], 5),
        (["WAPOR-3.L1-AETI-D.2018-06-D1", "WAPOR-3.L1-AETI-D.2018-06-D2"], ["2018-06-01", "2018-06-11"], 10),
        (["L1_AETI_1816", "L1_AETI_1817"], ["2018-06-01", "2018-06-11"], 10),
        (["rfe2018_06-dk1.v3.1", "rfe2018_06-dk2.v3.1"], ["2018-06-01", "2018-06-11"], 10),
        (["rfe2018_06-pd1.v3.1", "rfe2018_06-pd5.v3.1"], ["2018-06-01", "2018-06-21"], 5),
        (["sm_2018W23", "sm_2018W24"], ["2018-06-04", "2018-06-11"], 7),
        (["sm_2018Q1", "sm_DJF_2018"], ["2018-01-01", "2017-12-01"], 90),
        (["ms6s4_d18161", "ms6s4_d18177"], ["2018-06-10", "2018-06-26"], 0),
        (["sm 10.6.18", "sm 26.6.18"], ["2018-06-10", "2018-06-26"], 0),
        (["sm_1.6.2018", "sm_26.6.2018"], ["2018-06-01", "2018-06-26"], 0),
        (["sm_2018-6-1", "sm_2018-6-26"], ["2018-06-01", "2018-06-26"], 0),
        (["mosaic_10jun18", "mosaic_26jun18"], ["2018-06-10", "2018-06-26"], 0),
        (["NDVI_10June2018", "NDVI_26June2018"], ["2018-06-10", "2018-06-26"], 0),
        (["NDVI_June_10_2018", "NDVI_June_26_2018"], ["2018-06-10", "2018-06-26"], 0),
        (["NDVI_2018_June", "NDVI_2018_July"], ["2018-06", "2018-07"], 0),
        (["NDVI_Mai2018", "NDVI_Okt2018"], ["2018-05", "2018-10"], 0),
        (["NDVI_junio_2018", "NDVI_agosto_2018"], ["2018-06", "2018-08"], 0),
        (["C3S-MONTHLY-20180601000000-TCDR", "C3S-MONTHLY-20180701000000-TCDR"], ["2018-06", "2018-07"], 0),
        (
            ["C3S-DEKADAL-20180601000000-TCDR", "C3S-DEKADAL-20180611000000-TCDR"],
            ["2018-06-01", "2018-06-11"],
            10,
        ),
        (
            [
                "3B-MO.MS.MRG.3IMERG.20180601-S000000-E235959.06.V06B",
                "3B-MO.MS.MRG.3IMERG.20180701-S000000-E235959.07.V06B",
            ],
            ["2018-06", "2018-07"],
            0,
        ),
        (
            [
                "s1a-iw-grd-vv-20180610t053512-20180610t053537-022292-0269a6-001",
                "s1a-iw-grd-vv-20180622t053512-20180622t053537-022467-026e5a-001",
            ],
            ["2018-06-10T05:35:12", "2018-06-22T05:35:12"],
            0,
        ),
        (
            [
                "S5P_OFFL_L2__NO2____20180610T110000_20180610T124100_03400_01_010002_20180616T120000",
                "S5P_OFFL_L2__NO2____20180626T110000_20180626T124100_03600_01_010002_20180702T120000",
            ],
            ["2018-06-10T11:00:00", "2018-06-26T11:00:00"],
            0,
        ),
        (
            ["cyg.ddmi.s20180610-000000-e20180610-235959.l3", "cyg.ddmi.s20180611-000000-e20180611-235959.l3"],
            ["2018-06-10", "2018-06-11"],
            0,
        ),
        (
            [
                "SMAP_L2_SM_SP_1AIWDV_20180610T112122_20180610T053512_010E45N_R18240_001",
                "SMAP_L2_SM_SP_1AIWDV_20180622T112122_20180622T053512_010E45N_R18240_001",
            ],
            ["2018-06-10T11:21:22", "2018-06-22T11:21:22"],
            0,
        ),
        (
            [
                "OPERA_L2_RTC-S1_T168-359595-IW1_20180610T053512Z_20230101T000000Z_S1A_30_v1.0_VV",
                "OPERA_L2_RTC-S1_T168-359595-IW1_20180622T053512Z_20230102T000000Z_S1A_30_v1.0_VV",
            ],
            ["2018-06-10T05:35:12", "2018-06-22T05:35:12"],
            0,
        ),
        (["Band 1: 2018-06-10", "Band 1: 2018-06-26"], ["2018-06-10", "2018-06-26"], 0),
        (["ndvi_2018_m06", "ndvi_2018_m07"], ["2018-06", "2018-07"], 0),
        (["ndvi_062018", "ndvi_072018"], ["2018-06", "2018-07"], 0),
        (["ndvi_06.2018", "ndvi_07.2018"], ["2018-06", "2018-07"], 0),
        (["S2_2018-06-10_2018-06-25_m", "S2_2018-06-26_2018-07-11_m"], ["2018-06-10", "2018-06-26"], 16),
        (["0_20180610_NDVI", "1_20180626_NDVI"], ["2018-06-10", "2018-06-26"], 0),
        (["S2A_20180610_NDVI", "S2B_20180615_NDVI"], ["2018-06-10", "2018-06-15"], 0),
        (["CLC2018_V2020_20u1", "CLC2012_V2020_20u1"], ["2018", "2012"], 0),
        (["ndvi_20180610 (1)", "ndvi_20180626"], ["2018-06-10", "2018-06-26"], 0),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_dates_of_further_providers_and_habits(names, times, days):
    readings = read_names(names)
    assert [str(reading.moment) for reading in readings] == times
    assert len({reading.rest for reading in readings}) == 1
    assert {reading.moment.days for reading in readings} == {days}


@pytest.mark.parametrize(
    "names",
    [
        ["Decagon_2018", "Marburg_2018"],
        ["model_v1.2.10", "model_v1.3.10"],
        ["sm_5_10_15cm", "sm_10_15_20cm"],
        ["srtm_38_04", "srtm_39_04"],
        ["Copernicus_DSM_COG_10_N46_00_E010_00_DEM", "Copernicus_DSM_COG_10_N47_00_E010_00_DEM"],
        ["2018-2019_001-365_HL_TSA_SEN2L_NDV_TSI"],
        ["wc2.1_30s_prec_06", "wc2.1_30s_prec_07"],
    ],
    ids=lambda names: names[0],
)
def test_places_depths_and_versions_are_no_dates(names):
    assert [reading.moment for reading in read_names(names)] == [None] * len(names)


@pytest.mark.parametrize(
    ("folders", "time"),
    [
        (("data", "2018", "161"), "2018-06-10"),
        (("data", "2018", "06", "10"), "2018-06-10"),
        (("data", "2018.06.10"), "2018-06-10"),
        (("data", "2018", "06"), "2018-06"),
        (("data", "20180610"), "2018-06-10"),
        (("data", "2018"), "None"),
        (("data", "2018", "tile_12"), "None"),
        (("2018", "33"), "None"),
    ],
)
def test_dates_of_folders(folders, time):
    assert str(folder_date(folders)) == time


@pytest.mark.parametrize("name", ["Banda 1", "Kanal 1 (Grau)", "channel_2", "unknown", "calculated", "value", "time"])
def test_names_of_other_programs_mean_nothing(name):
    assert MEANINGLESS.fullmatch(name)


def test_a_range_of_days_is_no_time_of_day():
    (reading,) = read_names(["S2_2018-06-10_2018-06-26_median"])
    assert reading.moment is None and [str(rival) for rival in reading.rivals] == ["2018-06-10", "2018-06-26"]
