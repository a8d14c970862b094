"""What is measured: names, units, plausible numbers and customary fill values of quantities, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

FILLS = (
    *(-9999.0, -999.0, -99.0, -32768.0, -32767.0, -28672.0, -3000.0, -99999.0, -9999.9),
    *(-6999.0, -7777.0, -8888.0, -999.9, -999.99, -9999.99, -2147483648.0),
    *(9999.0, 99999.0, 32767.0),
)
"""Numbers that programs write where there is no data."""

ABSURD = 1e15
"""No measurement comes near: 1e20, 9.96921e36, 3.4e38 are fill values."""

FRACTION, PERCENT, AMOUNT, KELVIN, CELSIUS = "m3 m-3", "%", "kg m-2", "K", "degC"
_UNITS = {
    FRACTION: r"m3[ ./*]?m-?3|m\^?3/m\^?3|m\*\*3m\*\*-3|m\^3m\^-3|cm\^?3[ ./*]?(cm\^?-?3)|cm3cm-3|volume/volume|v/v",
    PERCENT: r"%|percent|percentage|vol\.?%|%vol\.?|m3m-3\*100|%\(?vol(umetric)?\)?",
    AMOUNT: r"kg/?m\^?-?2|kg\.m-2|kgm\*\*-2|mm",
    KELVIN: r"k|kelvin|degk|degreesk(elvin)?",
    CELSIUS: r"°c|c|degc|celsius|deg_c|degreesc(elsius)?|degree_?celsius|degrees_?celsius",
}


@dataclass(frozen=True)
class Quantity:
    """A quantity as files name it.

    Parameters
    ----------
    key : str
    label : str
        In words, for messages.
    names : str
        Regular expression that the name of a variable, field or file holds between other letters and digits.
    low, high : float
        Numbers beyond are impossible in its unit, tolerance included.
    unit : str
        "" where it has none.
    remedy : str
        What numbers beyond mostly are, and what helps.
    """

    key: str
    label: str
    names: str
    low: float
    high: float
    unit: str
    remedy: str

    @property
    def span(self) -> float:
        """From the lowest to the highest possible number."""
        return self.high - self.low


QUANTITIES: dict[str, Quantity] = {
    row.key: row
    for row in (
        Quantity(
            "soil_moisture",
            "soil moisture in m³ m⁻³",
            r"soil_?moisture|ssm|sm|swvl\d?|vwc|sm_?(am|pm|surface|rootzone)|soilmoi\d*|theta",
            -0.05,
            1.05,
            FRACTION,
            "Percent are divided by 100, kg m⁻² by 1000 times the layer's thickness in metres ('Raster calculator' or "
            "'Field calculator').",
        ),
        Quantity(
            "vegetation_index",
            "a vegetation index",
            r"ndvi|evi2?|savi|ndwi|ndmi|lswi|nbr",
            -1.5,
            1.5,
            "1",
            "MODIS holds it times 10000: divide by that with 'Raster calculator' or 'Field calculator'.",
        ),
        Quantity(
            "reflectance",
            "reflectance",
            r"sur_?refl(_b\d\d)?|reflectance|albedo|sr_b\d+",
            -0.2,
            2.0,
            "1",
            "Multiply by the product's scale first (MODIS and Sentinel-2: 0.0001).",
        ),
        Quantity(
            "temperature",
            "a temperature in kelvin or °C",
            r"lst(_day|_night)?|land_?surface_?temperature|st_b(6|10)|skin_?temperature|t2m|air_?temperature",
            -100.0,
            400.0,
            "",
            "Multiply by the product's scale first (MODIS: 0.02).",
        ),
        Quantity(
            "elevation",
            "heights in metres",
            r"elevation|altitude|dem|dtm|dsm",
            -500.0,
            9000.0,
            "m",
            "Give heights in metres, and gaps as no data.",
        ),
        Quantity(
            "texture",
            "a share of sand, silt or clay in percent or g/kg",
            r"sand|silt|clay",
            -0.5,
            1010.0,
            "",
            "Give percent or g/kg.",
        ),
        Quantity(
            "backscatter",
            "backscatter in dB or as a ratio",
            r"vv|vh|hh|hv|sigma_?0|gamma_?0",
            -70.0,
            70.0,
            "",
            "Give dB, or the linear ratio.",
        ),
        Quantity(
            "rain",
            "rain in mm",
            r"rain|rainfall|precip(itation)?|precipitation_?cal|chirps",
            -0.01,
            20000.0,
            "mm",
            "Give mm, and gaps as no data.",
        ),
    )
}
"""Quantities by key; where a name is of several, the first."""

_PATTERNS = {
    key: re.compile(rf"(?<![a-z0-9])(?:{row.names})(?![a-z0-9])", re.IGNORECASE) for key, row in QUANTITIES.items()
}
# Not the quantity itself, but how sure it is, how it changes, or what else is noted of it.
_ABOUT = re.compile(
    r"(?<![a-z])(error|uncertainty|unc|anomal(y|ies)|slope|trend|p|value|count|flags?|state|day_of_year|zenith|azimuth|qa|qc|quality|mask|sd|std|variance|z|"
    r"percentile|percent|pct|weight|gap_days|class|samples|snr|correlation|delta|difference|bias|saturation|"
    r"log10?|sin|cos|rank|scaled|cum|sum|noise)(?![a-z])",
    re.IGNORECASE,
)
_CLASSES = re.compile(
    r"(?<![a-z])(class(es)?|cover_?type|scl|fmask|qa_pixel|soil_?(type|unit)|category|categories|crop_?type|landform|geology|lithology)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_LAND_COVER = re.compile(
    r"(?<![a-z])(land_?cover|land_?use|lulc|lcc|lccs|lc(?![a-z0-9])|igbp|clc(?![a-z])|lc_type\d)(?![a-z])",
    re.IGNORECASE,
)
_PART_OF_CLASS = re.compile(r"fraction|share|prob|percent|pct|proportion|confidence|distance|change", re.IGNORECASE)

_LANDSAT = re.compile(r"(?<![a-z0-9])(s[rt])_b(\d{1,2})(?!\d)", re.IGNORECASE)
_LANDSAT_SCALES = {"sr": (2.75e-5, -0.2), "st": (0.00341802, 149.0)}


@lru_cache(maxsize=4096)
def quantity_of(name: str) -> Quantity | None:
    """Find out which quantity a name denotes.

    Parameters
    ----------
    name : str
        Of a variable, a field or a file.

    Returns
    -------
    Quantity or None
        None where the name says nothing, or denotes what is noted of a quantity (its error, anomaly, quality).
    """
    text = _words(name)
    if _ABOUT.search(text):
        return None
    return next((QUANTITIES[key] for key, pattern in _PATTERNS.items() if pattern.search(text)), None)


def names_classes(name: str, is_integer: bool = True) -> bool:
    """Say whether a name denotes classes, such as land cover.

    Parameters
    ----------
    name : str
    is_integer : bool, optional
        Whether the numbers are integers by their type; others are classes only where they are land cover or land use.

    Returns
    -------
    bool
    """
    text = _words(name)
    if _PART_OF_CLASS.search(text):
        return False
    return bool(_LAND_COVER.search(text) or (is_integer and _CLASSES.search(text)))


def is_coordinate(name: str) -> bool:
    """Say whether a name denotes the longitudes or latitudes of cells.

    Parameters
    ----------
    name : str
        Of a variable.

    Returns
    -------
    bool
    """
    return (
        re.fullmatch(r"(cell_?)?(lat|latitude|lon|long|longitude)(_(am|pm|centroid))?", name, re.IGNORECASE) is not None
    )


def _words(name: str) -> str:
    """Return a name with its words apart by underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name)


@lru_cache(maxsize=1024)
def customary_unit(unit: str) -> str:
    """Return a unit as this program writes it.

    Parameters
    ----------
    unit : str
        As files state it.

    Returns
    -------
    str
        One of `FRACTION`, `PERCENT`, `AMOUNT`, `KELVIN`, `CELSIUS`, or what was given.
    """
    text = unit.strip().lower().replace("³", "3").replace("²", "2").replace("⁻", "-").replace(" ", "")
    text = text.replace("[", "").replace("]", "")
    return next((own for own, pattern in _UNITS.items() if re.fullmatch(pattern, text)), unit.strip())


def landsat_scale(name: str) -> tuple[float, float] | None:
    """Return scale and offset of the bands of Landsat Collection 2, Level 2, whose files do not state them.

    Parameters
    ----------
    name : str
        Of a band or its file: `SR_B4`, `LC08_L2SP_…_ST_B10`.

    Returns
    -------
    (float, float) or None
        Reflectance, or kelvin, = scale × stored + offset; 0 is no data.
    """
    found = _LANDSAT.search(_words(name))
    return _LANDSAT_SCALES[found[1].lower()] if found else None
