"""Dates in names: the forms of providers, and what a list of names proves."""

import pytest

from sm_toolbox.sensors.names import MEANINGLESS, product_date, read_names


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
