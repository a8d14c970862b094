"""Rows of soil moisture products: satellites, models and reanalyses."""

from __future__ import annotations

from typing import Any

from sm_toolbox.sensors.shipped import ARRAYS, HalfDay, ProductRow, Quality, Variable

_SMAP_EPOCH = "2000-01-01T11:58:55.816"
_SMAP = tuple(Quality(f"retrieval_qual_flag{end}", "smap_retrieval") for end in ("", "_scav", "_dca", "_scah"))
_SMAP_VARIABLES = (
    Variable("soil_moisture", ("soil_moisture",), "m3 m-3", quality=_SMAP[:1]),
    Variable("soil_moisture_scav", ("soil_moisture_scav",), "m3 m-3", quality=_SMAP[1:2], is_main=False),
    Variable("soil_moisture_dca", ("soil_moisture_dca",), "m3 m-3", quality=_SMAP[2:3], is_main=False),
    Variable("soil_moisture_scah", ("soil_moisture_scah",), "m3 m-3", quality=_SMAP[3:4], is_main=False),
    Variable("surface_temperature", ("surface_temperature",), "K", is_main=False),
    Variable("vegetation_water_content", ("vegetation_water_content",), "kg m-2", is_main=False),
    Variable("vegetation_opacity", ("vegetation_opacity",), "", is_main=False),
)
_SMAP_PASSES = (
    HalfDay("am", "/Soil_Moisture_Retrieval_Data_AM/{}", "tb_time_seconds"),
    HalfDay("pm", "/Soil_Moisture_Retrieval_Data_PM/{}_pm", "tb_time_seconds"),
    HalfDay("am", "/Soil_Moisture_Retrieval_Data/{}", "tb_time_seconds"),
)


def _soil_water(name: str, layers: str, thickness: float = 0) -> Variable:
    return Variable(name, tuple(layers.split(" | ")), "m3 m-3", thickness=thickness)


_VOLUME: dict[str, Any] = {"unit": "m3 m-3"}
_ASCAT_QUALITY = (Quality("proc_flag1", "ascat_processing"), Quality("aggregated_quality_flag", "ascat_surface"))
_CGLS_VALID: dict[str, Any] = {"unit": "%", "scale": 0.5, "offset": 0.0, "valid": (0.0, 200.0)}


MOISTURE_PRODUCTS = (
    ProductRow(
        "smap_l3",
        "SMAP level 3, 36 km (SPL3SMP)",
        ARRAYS,
        (r"SMAP_L3_SM_P_\d{8}_R\d{5}",),
        _SMAP_VARIABLES,
        "NSIDC, SPL3SMP data fields; EASE-Grid 2.0 (Brodzik et al. 2012)",
        "layout and coordinates of a real file, values made up",
        passes=_SMAP_PASSES,
        shape=(406, 964),
        epoch=_SMAP_EPOCH,
    ),
    ProductRow(
        "smap_l3_enhanced",
        "SMAP level 3 enhanced, 9 km (SPL3SMP_E)",
        ARRAYS,
        (r"SMAP_L3_SM_P_E_\d{8}_R\d{5}",),
        _SMAP_VARIABLES,
        "NSIDC, SPL3SMP_E data fields",
        "layout only",
        passes=_SMAP_PASSES,
        shape=(1624, 3856),
        epoch=_SMAP_EPOCH,
    ),
    ProductRow(
        "smap_l4",
        "SMAP level 4 (SPL4SMGP, SPL4SMAU)",
        ARRAYS,
        (r"SMAP_L4_SM_(gph|aup)_",),
        (
            _soil_water("soil_moisture", "sm_surface | sm_surface_analysis"),
            _soil_water("soil_moisture_rootzone", "sm_rootzone | sm_rootzone_analysis"),
            Variable("soil_temperature", ("soil_temp_layer1(_analysis)?",), "K", is_main=False),
            Variable("surface_temperature", ("surface_temp(_analysis)?",), "K", is_main=False),
        ),
        "NSIDC, SPL4SMGP and SPL4SMAU data fields",
        "real file (a subset: root zone)",
    ),
    ProductRow(
        "smos_l3",
        "SMOS level 3, 25 km (CATDS CLF31A, CLF31D)",
        ARRAYS,
        (r"SM_\w{4}_MIR_CLF3[13](?P<pass>[AD])_",),
        (Variable("soil_moisture", ("Soil_Moisture",), **_VOLUME, valid=(0.0, 32767.0)),),
        "CATDS, level 3 product handbook: A ascending, 6 h, D descending, 18 h, local time",
        "real file (a window)",
        needs=("Soil_Moisture", "Mean_Acq_Time_Days"),
    ),
    ProductRow(
        "ascat",
        "ASCAT level 2 swaths, 25 km (EUMETSAT, NetCDF)",
        ARRAYS,
        (r"METOP[ABC]\+ASCAT_C_EUMP_",),
        (
            Variable(
                "soil_moisture_saturation",
                ("soil_moisture",),
                "%",
                scale=0.01,
                offset=0.0,
                valid=(0.0, 10000.0),
                quality=_ASCAT_QUALITY,
            ),
            Variable(
                "soil_moisture_saturation_error",
                ("soil_moisture_error",),
                "%",
                scale=0.01,
                offset=0.0,
                valid=(0.0, 10000.0),
                quality=_ASCAT_QUALITY,
                is_main=False,
            ),
        ),
        "EUMETSAT, ASCAT soil moisture product guide",
        "real file",
        passes=(HalfDay("am", "/{}", "utc_line_nodes"), HalfDay("pm", "/{}", "utc_line_nodes")),
        epoch="2000-01-01T00:00:00",
        is_swath=True,
        note="ASCAT's soil moisture is in percent of saturation: times porosity it is m³ m⁻³.",
        needs=("soil_moisture", "proc_flag1", "as_des_pass"),
    ),
    ProductRow(
        "cci_c3s",
        "ESA CCI and C3S soil moisture, 0.25°",
        ARRAYS,
        (r"(ESACCI|C3S)-SOILMOISTURE-L3S-",),
        (
            Variable("soil_moisture", ("sm",), quality=(Quality("flag", "cci_flag"),)),
            Variable("soil_moisture_uncertainty", ("sm_uncertainty",), is_main=False),
        ),
        "ESA CCI soil moisture, product user guide: flag 0 is no inconsistency",
        "real file",
        needs=("sm", "freqbandID"),
    ),
    ProductRow(
        "cgls_ssm",
        "Copernicus Global Land: soil moisture (SSM) and soil water index (SWI), 1 km",
        ARRAYS,
        (r"c_gls_(SSM|SWI)1km_",),
        (
            Variable("soil_moisture_saturation", ("ssm",), **_CGLS_VALID),
            *(
                Variable(
                    f"soil_water_index_{days}",
                    (f"SWI_{days}",),
                    **_CGLS_VALID,
                    quality=(Quality("SSF", "cgls_frozen"),),
                )
                for days in ("002", "005", "010", "015", "020", "040", "060", "100")
            ),
        ),
        "Copernicus Global Land Service, SSM1km and SWI1km product user manuals: 0 to 200, others are flags",
        "real file (a window)",
        note="Copernicus' SSM and SWI are in percent of saturation: times porosity they are m³ m⁻³.",
        needs=("ssm|SWI_.*", "crs"),
    ),
    ProductRow(
        "gldas_noah",
        "GLDAS Noah, 0.25° and 1°",
        ARRAYS,
        (r"GLDAS_NOAH(025|10)_",),
        (
            _soil_water("soil_moisture_0_10cm", "SoilMoi0_10cm_inst", 0.1),
            _soil_water("soil_moisture_10_40cm", "SoilMoi10_40cm_inst", 0.3),
            _soil_water("soil_moisture_40_100cm", "SoilMoi40_100cm_inst", 0.6),
            _soil_water("soil_moisture_100_200cm", "SoilMoi100_200cm_inst", 1.0),
            Variable("soil_temperature_0_10cm", ("SoilTMP0_10cm_inst",), "K", is_main=False),
            Variable("surface_temperature", ("AvgSurfT_inst",), "K", is_main=False),
            Variable("precipitation", ("Rainf_f_tavg",), "kg m-2 s-1", is_main=False),
        ),
        "NASA GSFC, README of GLDAS version 2: layers of 10, 30, 60 and 100 cm",
        "real file (two layers)",
    ),
    ProductRow(
        "era5",
        "ERA5 and ERA5-Land (CDS: NetCDF, GRIB)",
        ARRAYS,
        (),
        (
            _soil_water("soil_moisture_0_7cm", "swvl1(_0_7_dbl[yl])? | volumetric_soil_water_layer_1"),
            _soil_water("soil_moisture_7_28cm", "swvl2(_7_28_dbl[yl])? | volumetric_soil_water_layer_2"),
            _soil_water("soil_moisture_28_100cm", "swvl3(_28_100_dbl[yl])? | volumetric_soil_water_layer_3"),
            _soil_water("soil_moisture_100_289cm", "swvl4(_100_\\d+_dbl[yl])? | volumetric_soil_water_layer_4"),
            Variable("air_temperature_2m", ("t2m", "2t"), "K"),
            Variable("skin_temperature", ("skt",), "K"),
            Variable("soil_temperature_0_7cm", ("stl1",), "K"),
            Variable("precipitation", ("tp",), "m"),
            Variable("land_share", ("lsm",), "", is_main=False),
        ),
        "ECMWF, ERA5 data documentation: layers of 0-7, 7-28, 28-100 and 100-289 cm",
        "real file",
        times="axis",
        needs=("swvl[1-4].*|t2m|2t|skt|stl1|tp|volumetric_soil_water_layer_.", "latitude|y|grib"),
    ),
)
