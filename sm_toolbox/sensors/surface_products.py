"""Rows of products of the surface: reflectance, albedo, temperature, vegetation, land cover, soil, rain."""

from __future__ import annotations

from typing import Any

from sm_toolbox.sensors.shipped import ARRAYS, RASTERS, ProductRow, Quality, Variable


def _reflectances(layers: str, roles: dict[str, str], quality: str, **constants: Any) -> tuple[Variable, ...]:
    """Return the bands of a sensor; in `layers` and `quality` {} is the number of the band."""
    return tuple(
        Variable(
            role,
            tuple(part.format(number) for part in layers.split(" | ")),
            quality=tuple(
                Quality(part.rpartition(":")[0].format(number), part.rpartition(":")[2])
                for part in quality.split(" & ")
            ),
            **constants,
        )
        for role, number in roles.items()
    )


_MODIS_ROLES = {
    "red": "1",
    "nir": "2",
    "blue": "3",
    "green": "4",
    "swir_1240": "5",
    "swir1": "6",
    "swir2": "7",
}
_TILED = r"(?P<scene>{}[A-Z0-9]*\.A\d{{7}}\.h\d\dv\d\d\.\d{{3}}(?:\.\d{{13}})?)_(?P<layer>[^/]+)\.tiff?$"
_APPEEARS = r"(?P<scene>{}[A-Z0-9]*\.\d{{3}})_+(?P<layer>[^/]+?)_(?P<date>doy\d{{7}}(?:\d{{6}})?)_aid\d+\.tiff?$"


def _of_modis(products: str) -> tuple[str, ...]:
    return (rf"(^|/)({products})[^/]*\.(hdf|h5)$", _TILED.format(f"({products})"), _APPEEARS.format(f"({products})"))


_RELIABILITY = (Quality(r".*pixel[_ ]reliability|PR_B12|.*_pixel_reliability", "modis_vi_quality"),)
_VI: dict[str, Any] = {
    "scale": 1e-4,
    "offset": 0.0,
    "fills": (-3000.0, -13000.0, -15000.0),
    "valid": (-10000.0, 10000.0),
}
_LST: dict[str, Any] = {"unit": "K", "scale": 0.02, "offset": 0.0, "fills": (0.0,), "valid": (7500.0, 65535.0)}

_OLI = {"blue": "2", "green": "3", "red": "4", "nir": "5", "swir1": "6", "swir2": "7"}
_TM = {"blue": "1", "green": "2", "red": "3", "nir": "4", "swir1": "5", "swir2": "7"}
_LANDSAT = r"(?P<scene>L[{}]0[{}]_L2S[PR]_\d{{6}}_\d{{8}}_\d{{8}}_02_T\d)_(?P<layer>[A-Z0-9_]+)\.TIFF?$"
_LANDSAT_QUALITY = "QA_PIXEL:landsat_qa_pixel & QA_RADSAT:landsat_saturation"
_LANDSAT_SR: dict[str, Any] = {"scale": 2.75e-5, "offset": -0.2, "fills": (0.0,)}


def _landsat_temperature(layer: str) -> Variable:
    quality = (Quality("QA_PIXEL", "landsat_qa_pixel"),)
    return Variable("lst", (layer,), "K", scale=0.00341802, offset=149.0, fills=(0.0,), quality=quality)


_MSI = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B8A", "swir1": "B11", "swir2": "B12"}
_MSI_FINE = {"blue_10m": "B02", "green_10m": "B03", "red_10m": "B04", "nir_10m": "B08"}
_SCL = "SCL(?:_20m|_60m)?:sentinel2_scl"
_HLS_S30 = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B8A", "swir1": "B11", "swir2": "B12"}
_HLS_L30 = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B05", "swir1": "B06", "swir2": "B07"}
_HLS: dict[str, Any] = {"scale": 1e-4, "offset": 0.0, "fills": (-9999.0,)}

_DEPTHS = {"0_5cm": 0, "5_15cm": 5, "15_30cm": 15, "30_60cm": 30, "60_100cm": 60, "100_200cm": 100}
_DEPTHS_2017 = {f"{depth}cm": f"sl{place}" for place, depth in enumerate((0, 5, 15, 30, 60, 100, 200), start=1)}


def _soilgrids(name: str, layer: str, old: str, unit: str, scales: tuple[float, float]) -> tuple[Variable, ...]:
    """Return a property at all depths, of the edition 2.0 and of that of 2017."""
    new = (
        Variable(
            f"{name}_{depth}",
            (rf"{layer}_{depth.replace('_', '-')}_mean",),
            unit,
            scale=scales[0],
            offset=0.0,
            fills=(-32768.0,),
            is_main=name in ("sand", "silt", "clay"),
        )
        for depth in _DEPTHS
    )
    former = (
        Variable(
            f"{name}_{depth}",
            (rf"{old}_M_{level}_\d+k?m(?:_ll)?",),
            unit,
            scale=scales[1],
            offset=0.0,
            fills=(255.0,) if scales[1] == 1 else (-32768.0,),
            is_main=name in ("sand", "silt", "clay"),
        )
        for depth, level in _DEPTHS_2017.items()
    )
    return (*new, *former)


SURFACE_PRODUCTS = (
    ProductRow(
        "modis_reflectance",
        "MODIS and VIIRS surface reflectance (09)",
        ARRAYS,
        _of_modis("M[OY]D09[AGQ][A1Q]?|V[NJ]P09"),
        (
            *_reflectances(
                r"sur_refl_b0{0}(?:_1)?",
                _MODIS_ROLES,
                r"(?:sur_refl_)?state_(?:500m|1km)(?:_1)?:modis_state",
                scale=1e-4,
                offset=0.0,
                fills=(-28672.0,),
                valid=(-100.0, 16000.0),
            ),
            *_reflectances(
                r"SurfReflect_{0}(?:_1)?",
                {"red": "I1", "nir": "I2", "swir1": "I3", "blue": "M3", "green": "M4", "swir2": "M11"},
                r"SurfReflect_State_(?:500m|1km):modis_state & SurfReflect_QF1_1:viirs_cloud"
                r" & SurfReflect_QF2_1:viirs_shadow",
                scale=1e-4,
                offset=0.0,
                fills=(-28672.0,),
                valid=(-100.0, 16000.0),
            ),
        ),
        "MOD09 and VNP09 user's guides: × 0.0001 (MOD09GA states a divisor of 10000)",
        "real file (MOD09A1, MOD09GA); VIIRS layout only",
    ),
    ProductRow(
        "modis_albedo",
        "MODIS and VIIRS albedo and nadir reflectance (43)",
        ARRAYS,
        _of_modis("MCD43A[34]|V[NJ]P43[MI]A[34]"),
        (
            Variable(
                "albedo",
                ("Albedo_WSA_shortwave",),
                scale=1e-3,
                offset=0.0,
                fills=(32767.0,),
                valid=(0.0, 1000.0),
                quality=(Quality("BRDF_Albedo_Band_Mandatory_Quality_shortwave", "modis_albedo_qa"),),
            ),
            Variable(
                "albedo_black_sky",
                ("Albedo_BSA_shortwave",),
                scale=1e-3,
                offset=0.0,
                fills=(32767.0,),
                valid=(0.0, 1000.0),
                quality=(Quality("BRDF_Albedo_Band_Mandatory_Quality_shortwave", "modis_albedo_qa"),),
                is_main=False,
            ),
            *_reflectances(
                "Nadir_Reflectance_Band{0} | B0{0}",
                _MODIS_ROLES,
                "BRDF_Albedo_Band_Mandatory_Quality_Band{0}|B0{0}qa:modis_albedo_qa",
                scale=1e-4,
                offset=0.0,
                fills=(32767.0,),
                valid=(0.0, 32766.0),
            ),
        ),
        "MCD43 user's guide: albedo × 0.001 (white-sky: what diffuse light sees), reflectance × 0.0001",
        "real file (MCD43A4 as GeoTIFF); MCD43A3 and VIIRS layout only",
    ),
    ProductRow(
        "modis_lst",
        "MODIS and VIIRS land surface temperature (11, 21)",
        ARRAYS,
        _of_modis("M[OY]D(?:11|21)[AB][123]|V[NJ]P21A[12]|M[OY]D21"),
        (
            Variable("lst_day", (r"LST_Day_\dkm",), quality=(Quality("QC_Day", "modis_lst_qc"),), **_LST),
            Variable("lst_night", (r"LST_Night_\dkm",), quality=(Quality("QC_Night", "modis_lst_qc"),), **_LST),
            Variable("lst", ("LST_1KM",), quality=(Quality("QC", "lst_21_qc"),), **_LST),
        ),
        "MOD11 and MOD21 user's guides: × 0.02 K, 0 is fill and not always marked in the quality word",
        "real file (MOD11B2); MOD21 and VIIRS layout only",
    ),
    ProductRow(
        "modis_vegetation",
        "MODIS and VIIRS vegetation indices (13)",
        ARRAYS,
        _of_modis("M[OY]D13[A-Z]\\d|V[NJ]P13[A-Z]\\d"),
        (
            Variable(
                "ndvi",
                (r"\d+ k?m (?:16 days|monthly) NDVI", r"\d+k?m_(?:16_days|monthly)_NDVI", "NDVI_B01"),
                quality=_RELIABILITY,
                **_VI,
            ),
            Variable(
                "evi",
                (r"\d+ k?m (?:16 days|monthly) EVI", r"\d+k?m_(?:16_days|monthly)_EVI", "EVI_B02"),
                quality=_RELIABILITY,
                **_VI,
            ),
        ),
        "MOD13 and VNP13 user's guides: the scale of 10000 divides",
        "real file (MOD13A2, MYD13A1); VIIRS layout only",
    ),
    ProductRow(
        "modis_landcover",
        "MODIS land cover, yearly (MCD12)",
        ARRAYS,
        _of_modis("MCD12Q1"),
        tuple(
            Variable(
                "land_cover" if number == 1 else f"land_cover_type{number}",
                (f"LC_Type{number}",),
                scale=1.0,
                offset=0.0,
                fills=(255.0,),
                is_main=number == 1,
            )
            for number in range(1, 6)
        ),
        "MCD12 user's guide: IGBP classes (LC_Type1); 17 water, 15 snow and ice",
        "layout only",
    ),
    ProductRow(
        "landsat_c2_l2",
        "Landsat Collection 2, level 2",
        RASTERS,
        (_LANDSAT.format("CO", "89"), _LANDSAT.format("TE", "457")),
        (
            *_reflectances("SR_B{0}", _OLI, _LANDSAT_QUALITY, scenes="L[CO]", **_LANDSAT_SR),
            _landsat_temperature("ST_B10"),
            *_reflectances("SR_B{0}", _TM, _LANDSAT_QUALITY, scenes="L[TE]", **_LANDSAT_SR),
            _landsat_temperature("ST_B6"),
        ),
        "USGS LSDS-1619: reflectance × 2.75e-5 − 0.2, temperature × 0.00341802 + 149 K",
        "real file",
    ),
    ProductRow(
        "sentinel2_l2a",
        "Sentinel-2, level 2A",
        RASTERS,
        (
            r"(?P<scene>T\d\d[A-Z]{3}_\d{8}T\d{6})_(?P<layer>B\d[0-9A]_\d0m|SCL_\d0m)\.(?:jp2|tiff?)$",
            r"(?P<scene>S2[A-D]_\d\d[A-Z]{3}_\d{8}_\d+_L2A)/(?P<layer>B\d[0-9A]|SCL)\.(?:jp2|tiff?)$",
        ),
        (
            *_reflectances("{0}_20m | {0}", _MSI, _SCL, scale=1e-4, offset=0.0, fills=(0.0,)),
            *_reflectances("{0}_10m | {0}", _MSI_FINE, _SCL, scale=1e-4, offset=0.0, fills=(0.0,), is_main=False),
        ),
        "ESA, Sentinel-2 product specification: (DN + BOA_ADD_OFFSET) / BOA_QUANTIFICATION_VALUE",
        "real file (before baseline 04.00); folder and metadata of a real product, images made up",
    ),
    ProductRow(
        "hls",
        "Harmonized Landsat Sentinel-2",
        RASTERS,
        (
            r"(?P<scene>HLS\.S30\.T\d\d[A-Z]{3}\.\d{7}T\d{6}\.v\d\.\d)\.(?P<layer>B\d[0-9A]|Fmask)\.tiff?$",
            r"(?P<scene>HLS\.L30\.T\d\d[A-Z]{3}\.\d{7}T\d{6}\.v\d\.\d)\.(?P<layer>B\d\d|Fmask)\.tiff?$",
        ),
        (
            *_reflectances("{0}", _HLS_S30, "Fmask:hls_fmask", scenes=r"HLS\.S30", **_HLS),
            *_reflectances("{0}", _HLS_L30, "Fmask:hls_fmask", scenes=r"HLS\.L30", **_HLS),
        ),
        "HLS user's guide: × 0.0001, fill −9999",
        "real file (Fmask); reflectances layout only",
    ),
    ProductRow(
        "soilgrids",
        "SoilGrids 2.0 and 2017",
        RASTERS,
        (
            r"(?P<scene>)(?P<layer>(?:sand|silt|clay|bdod|soc)_\d+-\d+cm_mean)[^/]*\.(?:tiff?|vrt)$",
            r"(?P<scene>)(?P<layer>(?:SND|SLT|CLY)PPT_M_sl\d_\d+k?m(?:_ll)?|(?:BLDFIE|ORCDRC)_M_sl\d_\d+k?m(?:_ll)?)"
            r"\.tiff?$",
        ),
        (
            *_soilgrids("sand", "sand", "SNDPPT", "%", (0.1, 1.0)),
            *_soilgrids("silt", "silt", "SLTPPT", "%", (0.1, 1.0)),
            *_soilgrids("clay", "clay", "CLYPPT", "%", (0.1, 1.0)),
            *_soilgrids("bulk_density", "bdod", "BLDFIE", "g cm-3", (0.01, 0.001)),
            *_soilgrids("organic_carbon", "soc", "ORCDRC", "g kg-1", (0.1, 1.0)),
        ),
        "ISRIC, SoilGrids: 2.0 in g/kg, cg/cm³, dg/kg; 2017 in percent, kg/m³, g/kg",
        "real file (2017); 2.0 layout only",
        times="none",
    ),
    ProductRow(
        "chirps",
        "CHIRPS precipitation",
        RASTERS,
        (r"(?P<scene>chirps[^/]*?)(?P<layer>)\.(?:tiff?(?:\.gz)?|nc)$",),
        (Variable("precipitation", (".*",), "mm", scale=1.0, offset=0.0, fills=(-9999.0,), valid=(0.0, 1e5)),),
        "UCSB Climate Hazards Center, README of CHIRPS 2.0: mm per day, pentad, dekad or month",
        "real file (a window)",
    ),
    ProductRow(
        "imerg",
        "GPM IMERG precipitation",
        ARRAYS,
        (r"3B-(HHR|DAY|MO)[^/]*\.IMERG\.", r"GPM_3IMERG"),
        (Variable("precipitation", ("precipitationCal", "precipitation"), valid=(0.0, 1e5)),),
        "NASA, IMERG technical documentation: mm/hr, daily files mm or mm/day; axes are longitude, latitude",
        "real file (a window)",
        times="axis",
        calendar="standard",
        needs=("precipitation(Cal)?", "HQprecipitation|lat_bnds|randomError"),
    ),
)
