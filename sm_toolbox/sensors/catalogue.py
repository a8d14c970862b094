"""Products as providers ship them: one row per product, as data; nothing is opened here.

A row says how the files of a product are recognised, what its variables are called in them and here, how stored numbers
become physical ones, what grid and times they have, and which quality layers tell good cells. Constants are those of
the provider's documents: files state scales that mean a divisor, or none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sm_toolbox.sensors.quality import FURTHER_RULES, QUALITY_RULES, QualityRule

RASTERS, ARRAYS = "rasters", "arrays"
"""How a product is packed: one raster file a layer, or many arrays in one file."""


@dataclass(frozen=True)
class Quality:
    """A layer that tells which cells of a variable are good.

    Parameters
    ----------
    layer : str
        Regular expression of the layer's name.
    rule : str
        Key of `QUALITY_RULES` or `FURTHER_RULES`.
    """

    layer: str
    rule: str

    @property
    def how(self) -> QualityRule:
        """The rule."""
        return QUALITY_RULES.get(self.rule) or FURTHER_RULES[self.rule]


@dataclass(frozen=True)
class Variable:
    """A variable of a product.

    Parameters
    ----------
    name : str
        In the output.
    layers : tuple of str
        Regular expressions of the layer's name, matched as a whole; the first that a file has is taken.
    unit : str
        Of the output; empty for shares and reflectance.
    scale, offset : float or None
        Physical value = scale · stored number + offset; None: what the file states.
    fills : tuple of float
        Stored numbers without meaning, beside what the file declares.
    valid : (float, float) or None
        Lowest and highest stored number that means something.
    quality : tuple of Quality
    is_main : bool
        Whether it is imported where no variables are asked for.
    thickness : float
        Metres of soil that kg m⁻² are in; 0 where the variable is none of these.
    scenes : str
        Regular expression that the scene's name begins with, where sensors number their bands differently.
    """

    name: str
    layers: tuple[str, ...]
    unit: str = ""
    scale: float | None = None
    offset: float | None = None
    fills: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    quality: tuple[Quality, ...] = ()
    is_main: bool = True
    thickness: float = 0
    scenes: str = ""


@dataclass(frozen=True)
class Pass:
    """One of the halves of a day that a product keeps apart.

    Parameters
    ----------
    key : {'am', 'pm', ''}
    form : str
        Full name of a layer in the file, with {} for the layer of the row; empty for any place in the file.
    clock : str
        Layer that holds when cells were seen; empty where there is none.
    """

    key: str = ""
    form: str = ""
    clock: str = ""


@dataclass(frozen=True)
class Product:
    """How a product's files are recognised and read.

    Parameters
    ----------
    key, label : str
    packing : {'rasters', 'arrays'}
    files : tuple of str
        Regular expressions of paths. Of rasters, groups `scene` and `layer` say what belongs together; of arrays, a
        file of another name is recognised by its layers alone.
    variables : tuple of Variable
    source : str
        Provider's document.
    tried : str
        On what the row was tried: `real file`, or `layout only`, made from the document.
    passes : tuple of Pass
    shape : (int, int) or None
        Rows and columns, where only they tell it from another product.
    epoch : str
        ISO moment that the clock counts seconds from.
    needs : tuple of str
        Regular expressions of layers that a file of any name is known by; none: those of its variables do.
    times : {'name', 'axis', 'none'}
        Whether the time of a single map is that of the file's name, or of its time axis; none for what does not change.
    calendar : str
        What counts instead of the calendar that the file states.
    is_swath : bool
        Whether cells follow the track of a satellite, so that they are taken nearest onto a grid.
    note : str
        What the log says of each import.
    """

    key: str
    label: str
    packing: str
    files: tuple[str, ...]
    variables: tuple[Variable, ...]
    source: str
    tried: str
    passes: tuple[Pass, ...] = (Pass(),)
    shape: tuple[int, int] | None = None
    epoch: str = ""
    needs: tuple[str, ...] = ()
    times: str = "name"
    calendar: str = ""
    is_swath: bool = False
    note: str = ""


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
    Pass("am", "/Soil_Moisture_Retrieval_Data_AM/{}", "tb_time_seconds"),
    Pass("pm", "/Soil_Moisture_Retrieval_Data_PM/{}_pm", "tb_time_seconds"),
    Pass("am", "/Soil_Moisture_Retrieval_Data/{}", "tb_time_seconds"),
)


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


def _soil_water(name: str, layers: str, thickness: float = 0) -> Variable:
    return Variable(name, tuple(layers.split(" | ")), "m3 m-3", thickness=thickness)


_VOLUME: dict[str, Any] = {"unit": "m3 m-3"}
_ASCAT_QUALITY = (Quality("proc_flag1", "ascat_processing"), Quality("aggregated_quality_flag", "ascat_surface"))
_CGLS_VALID: dict[str, Any] = {"unit": "%", "scale": 0.5, "offset": 0.0, "valid": (0.0, 200.0)}

PRODUCTS: dict[str, Product] = {
    row.key: row
    for row in (
        Product(
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
        Product(
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
        Product(
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
        Product(
            "smos_l3",
            "SMOS level 3, 25 km (CATDS CLF31A, CLF31D)",
            ARRAYS,
            (r"SM_\w{4}_MIR_CLF3[13](?P<pass>[AD])_",),
            (Variable("soil_moisture", ("Soil_Moisture",), **_VOLUME, valid=(0.0, 32767.0)),),
            "CATDS, level 3 product handbook: A ascending, 6 h, D descending, 18 h, local time",
            "real file (a window)",
            needs=("Soil_Moisture", "Mean_Acq_Time_Days"),
        ),
        Product(
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
            passes=(Pass("am", "/{}", "utc_line_nodes"), Pass("pm", "/{}", "utc_line_nodes")),
            epoch="2000-01-01T00:00:00",
            is_swath=True,
            note="ASCAT's soil moisture is in percent of saturation: times porosity it is m³ m⁻³.",
            needs=("soil_moisture", "proc_flag1", "as_des_pass"),
        ),
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
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
        Product(
            "chirps",
            "CHIRPS precipitation",
            RASTERS,
            (r"(?P<scene>chirps[^/]*?)(?P<layer>)\.(?:tiff?(?:\.gz)?|nc)$",),
            (Variable("precipitation", (".*",), "mm", scale=1.0, offset=0.0, fills=(-9999.0,), valid=(0.0, 1e5)),),
            "UCSB Climate Hazards Center, README of CHIRPS 2.0: mm per day, pentad, dekad or month",
            "real file (a window)",
        ),
        Product(
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
}
"""By key of PRODUCT_TYPE."""


def product_of_name(path: str) -> tuple[Product, re.Match[str]] | None:
    """Return the product that a path's name is that of.

    Parameters
    ----------
    path : str
        With forward slashes.

    Returns
    -------
    (Product, re.Match) or None
        The row, and its match of the path.
    """
    for product in PRODUCTS.values():
        for pattern in product.files:
            match = re.search(pattern, path, re.IGNORECASE)
            if match is not None:
                return product, match
    return None


def variable_of_layer(product: Product, layer: str, scene: str = "") -> Variable | None:
    """Return the variable that a layer holds.

    Parameters
    ----------
    product : Product
    layer : str
        Its name, without groups.
    scene : str, optional
        The name of the scene.

    Returns
    -------
    Variable or None
    """
    return next(
        (
            variable
            for variable in product.variables
            if re.match(variable.scenes, scene)
            and any(re.fullmatch(pattern, layer, re.IGNORECASE) for pattern in variable.layers)
        ),
        None,
    )
