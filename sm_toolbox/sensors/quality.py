"""What quality layers of products say: one row per rule, its conditions as text, and the grammar of the conditions.

    conditions = all {"or" all}
    all        = condition {"and" condition}
    condition  = bits ("=" | "!=" | "<=" | ">=" | "<" | ">") number | bits "in" number {"," number}
    bits       = lowest "-" highest | bit | "value"

A cell is kept where its conditions hold; `value` is the whole number, bits count from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.errors import InputError

QUALITY_LEVELS = ("recommended", "strict")
"""How much is asked of a cell."""


@dataclass(frozen=True)
class QualityRule:
    """How the quality layer of a product is read.

    Parameters
    ----------
    label : str
    recommended, strict : str
        Conditions of the cells that are kept.
    names : re.Pattern
        Variables that such layers are called.
    source : str
        Where the bits are described.
    reasons : mapping of str to str
        What may be wrong with a cell, each as the conditions of the cells where it is; several may be.
    """

    label: str
    recommended: str
    strict: str
    names: re.Pattern[str]
    source: str
    reasons: Mapping[str, str] = field(default_factory=dict)


def _rule(label: str, recommended: str, strict: str, names: str, source: str, **reasons: str) -> QualityRule:
    told = {name.replace("_", " "): conditions for name, conditions in reasons.items()}
    return QualityRule(label, recommended, strict, re.compile(names, re.IGNORECASE), source, told)


QUALITY_RULES = {
    "landsat_qa_pixel": _rule(
        "Landsat Collection 2: QA_PIXEL",
        "0-4 = 0",
        "0-5 = 0 and 7 = 0 and 8-9 <= 1 and 14-15 <= 1",
        r"qa_?pixel",
        "USGS LSDS-1619: fill, dilated cloud, cirrus, cloud, shadow; strict also snow, water, confidences",
        fill="0 = 1",
        beside_cloud="1 = 1",
        cirrus="2 = 1",
        cloud="3 = 1",
        cloud_shadow="4 = 1",
        snow="5 = 1",
        water="7 = 1",
    ),
    "sentinel2_scl": _rule(
        "Sentinel-2: scene classification (SCL)",
        "value in 4, 5, 7",
        "value in 4, 5",
        r"(^|_)scl(_|$)",
        "ESA, Sentinel-2 Level-2A: vegetation, bare, unclassified",
        no_data="value = 0",
        defective="value = 1",
        dark_or_topographic_shadow="value = 2",
        cloud_shadow="value = 3",
        water="value = 6",
        unclassified="value = 7",
        cloud="value in 8, 9",
        cirrus="value = 10",
        snow="value = 11",
    ),
    "modis_state": _rule(
        "MODIS and VIIRS reflectance (09): state",
        "0-1 in 0, 3 and 2 = 0 and 10 = 0 and 12 = 0 and value != 65535",
        "0-1 in 0, 3 and 2 = 0 and 10 = 0 and 12 = 0 and 13 = 0 and 8-9 = 0 and 6-7 <= 2 and value != 65535",
        r"state",
        "MOD09 user's guide: cloud, shadow, internal cloud, snow; strict also beside cloud, cirrus, aerosol",
        no_state="value = 65535",
        cloud="0-1 = 1 and value != 65535",
        mixed_cloud="0-1 = 2",
        cloud_shadow="2 = 1 and value != 65535",
        internal_cloud="10 = 1 and value != 65535",
        snow="12 = 1 and value != 65535",
        beside_cloud="13 = 1 and value != 65535",
        cirrus="8-9 != 0 and value != 65535",
        high_aerosol="6-7 = 3 and value != 65535",
    ),
    "modis_lst_qc": _rule(
        "MODIS temperature (11): QC",
        "0-1 = 0 or 0-1 = 1 and 6-7 <= 1",
        "0-1 = 0 and 6-7 = 0",
        r"(^|_)qc(_|$)",
        "MOD11 user's guide: produced well, or with an error of at most 2 K; strict at most 1 K",
        unreliable="0-1 = 1",
        cloud="0-1 = 2",
        not_produced="0-1 = 3",
    ),
    "modis_vi_quality": _rule(
        "MODIS and VIIRS vegetation indices (13): pixel reliability",
        "value in 0, 1",
        "value = 0",
        r"reliability",
        "MOD13 user's guide: good, marginal",
        marginal="value = 1",
        snow="value = 2",
        cloud="value = 3",
        no_data="value = 255",
    ),
    "modis_albedo_qa": _rule(
        "MODIS albedo and BRDF (MCD43): mandatory quality",
        "value in 0, 1",
        "value = 0",
        r"mandatory|_qa(_|$)|quality",
        "MCD43 user's guide: full inversion; recommended also magnitude inversion",
        magnitude_inversion="value = 1",
        no_data="value = 255",
    ),
    "hls_fmask": _rule(
        "Harmonized Landsat Sentinel-2: Fmask",
        "1 = 0 and 3 = 0 and 4 = 0 and value != 255",
        "1-5 = 0 and 6-7 <= 2 and value != 255",
        r"fmask",
        "HLS user's guide: cloud, shadow, snow; strict also beside cloud, water, high aerosol",
        no_data="value = 255",
        cloud="1 = 1 and value != 255",
        beside_cloud="2 = 1 and value != 255",
        cloud_shadow="3 = 1 and value != 255",
        snow="4 = 1 and value != 255",
        water="5 = 1 and value != 255",
        high_aerosol="6-7 = 3 and value != 255",
    ),
    "smap_retrieval": _rule(
        "SMAP: retrieval quality flag",
        "0 = 0 and value != 65534",
        "0 = 0 and 1 = 0 and 2 = 0 and value != 65534",
        r"retrieval_qual",
        "NSIDC, SMAP: a set bit means not so: recommended, attempted, successful",
        not_recommended="0 = 1",
        not_attempted="1 = 1",
        not_successful="2 = 1",
    ),
}
"""By key."""

FURTHER_RULES = {
    "viirs_vi_quality": _rule(
        "VIIRS vegetation indices (13): pixel reliability",
        "value <= 4",
        "value <= 1",
        r"reliability",
        "VNP13 user's guide: ranks 0 excellent to 4 pass; strict excellent and good",
        marginal="value in 3, 4",
        doubtful="value in 5, 6",
        cloud_shadow="value = 7",
        snow="value = 8",
        cloud="value = 9",
        estimated="value in 10, 11",
        no_data="value > 11",
    ),
    "lst_21_composite_qc": _rule(
        "MODIS and VIIRS temperature of 8 days (21): QC",
        "0-1 = 0 or 0-1 = 1 and 6-7 >= 1",
        "0-1 = 0 and 6-7 = 3",
        r"(^|_)qc(_|$)",
        "MxD21 user guide, table 12: produced well, or accurate to 2 K; strict to 1 K; higher is better, unlike MOD11",
        unreliable="0-1 = 1",
        cloud="0-1 = 2",
        not_produced="0-1 = 3",
    ),
    "landsat_saturation": _rule(
        "Landsat Collection 2: QA_RADSAT",
        "value = 0",
        "value = 0",
        r"qa_?radsat",
        "USGS LSDS-1619: no band saturated, no terrain in the way",
        saturated_or_hidden="value != 0",
    ),
    "lst_21_qc": _rule(
        "MODIS and VIIRS temperature (21): QC",
        "0-1 = 0",
        "0-1 = 0 and 14-15 >= 2",
        r"(^|_)qc(_|$)",
        "MOD21 user's guide: produced well; strict with an error of at most 1.5 K",
        unreliable="0-1 = 1",
        cloud="0-1 = 2",
        not_produced="0-1 = 3",
    ),
    "viirs_cloud": _rule(
        "VIIRS reflectance (09): QF1",
        "2-3 <= 1",
        "2-3 = 0",
        r"qf1",
        "VNP09 user's guide: confidently clear, probably clear",
        cloud="2-3 >= 2",
    ),
    "viirs_shadow": _rule(
        "VIIRS reflectance (09): QF2",
        "3 = 0 and 5 = 0",
        "3 = 0 and 5 = 0 and 6-7 = 0",
        r"qf2",
        "VNP09 user's guide: no shadow, no snow; strict also no cirrus",
        cloud_shadow="3 = 1",
        snow="5 = 1",
    ),
    "cci_flag": _rule(
        "ESA CCI and C3S soil moisture: flag",
        "value = 0",
        "value = 0",
        r"flag",
        "ESA CCI soil moisture, product user guide: no inconsistency",
        snow_or_frost="0 = 1 and value != 127",
        dense_vegetation="1 = 1 and value != 127",
        no_convergence="2 = 1 and value != 127",
        beyond_bounds="3 = 1 and value != 127",
    ),
    "ascat_processing": _rule(
        "ASCAT: processing flags",
        "value = 0",
        "value = 0",
        r"proc_flag",
        "EUMETSAT, ASCAT soil moisture product guide: undescribed bits are set, too, so that 0 alone is safe",
        doubtful_processing="value != 0",
    ),
    "ascat_surface": _rule(
        "ASCAT: largest share of snow, frost, wetland or mountains",
        "value <= 50",
        "value <= 20",
        r"aggregated",
        "EUMETSAT, ASCAT soil moisture product guide: percent; 255 is none",
        snow_frost_wetland_or_mountains="value > 50 and value <= 100",
        no_data="value > 100",
    ),
    "cgls_frozen": _rule(
        "Copernicus soil water index: surface state",
        "value in 0, 1, 255",
        "value = 1",
        r"ssf",
        "Copernicus Global Land Service, SWI product user manual: unknown, unfrozen; strict unfrozen",
        frozen="value = 2",
        melting="value = 3",
    ),
}
"""Rules of layers that only the import of a product knows."""

# Words are read as single-precision numbers, which hold 24 bits exactly.
_HIGHEST = 23
_CONDITION = re.compile(
    r"(?:(?P<low>\d+)\s*-\s*(?P<high>\d+)|(?P<bit>\d+)|(?P<value>value))\s*"
    r"(?P<sign>!=|<=|>=|<|>|=|in\b)\s*(?P<numbers>\d+(?:\s*,\s*\d+)*)$",
    re.IGNORECASE,
)
_COMPARE: dict[str, Callable[..., np.ndarray]] = {
    "=": np.equal,
    "!=": np.not_equal,
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "<": np.less,
    ">": np.greater,
}


@dataclass(frozen=True)
class Condition:
    """What some bits of a quality word must be.

    Parameters
    ----------
    lowest, highest : int
        Bits, inclusive.
    sign : str
    numbers : tuple of int
    """

    lowest: int
    highest: int
    sign: str
    numbers: tuple[int, ...]

    def holds(self, words: np.ndarray) -> np.ndarray:
        """Say where the condition holds.

        Parameters
        ----------
        words : ndarray of int (…)

        Returns
        -------
        ndarray of bool (…)
        """
        bits = (words >> self.lowest) & ((1 << (self.highest - self.lowest + 1)) - 1)
        return np.isin(bits, self.numbers) if self.sign == "in" else _COMPARE[self.sign](bits, self.numbers[0])


def parse_conditions(text: str) -> list[list[Condition]]:
    """Read conditions.

    Parameters
    ----------
    text : str
        Such as `3-4=0 and 6=1`, or `value in 4,5,6`.

    Returns
    -------
    list of list of Condition
        Of which all of any inner list must hold.

    Raises
    ------
    InputError
        Which names the part that is none.

    Examples
    --------
    >>> rule = parse_conditions("0-1=0 or 0-1=1 and 6-7<=1")
    >>> kept(np.array([0b00000000, 0b01000001, 0b10000001, 0b00000010]), rule)
    array([ True,  True, False, False])
    """
    if not text.strip():
        raise InputError("`bits` is empty. Write what good cells have, such as 3-4=0 and 6=1, or value in 4,5,6.")
    return [
        [_condition(part) for part in re.split(r"\band\b", group, flags=re.IGNORECASE)]
        for group in re.split(r"\bor\b", text, flags=re.IGNORECASE)
    ]


def _condition(text: str) -> Condition:
    match = _CONDITION.match(text.strip())
    if match is None:
        raise InputError(
            f"`bits`: '{text.strip()}' is no condition. Write bits and what they must be: 3-4=0, 6=1, 0-1 in 0,3, "
            "6-7<=1 or value in 4,5,6; several with and, or between them."
        )
    numbers = tuple(int(number) for number in match["numbers"].split(","))
    if match["value"]:
        lowest, highest = 0, _HIGHEST
    else:
        lowest = int(match["low"] or match["bit"])
        highest = int(match["high"] or match["bit"])
    if not lowest <= highest <= _HIGHEST:
        raise InputError(f"`bits`: '{text.strip()}' must name bits from 0 to {_HIGHEST}, the lower one first.")
    if len(numbers) > 1 and match["sign"].lower() != "in":
        raise InputError(f"`bits`: '{text.strip()}' lists several numbers. Write in instead of {match['sign']}.")
    most = (1 << (highest - lowest + 1)) - 1
    if max(numbers) > most:
        raise InputError(f"`bits`: '{text.strip()}' can never be: these bits hold numbers from 0 to {most}.")
    return Condition(lowest, highest, match["sign"].lower(), numbers)


def kept(words: np.ndarray, conditions: list[list[Condition]]) -> np.ndarray:
    """Say which cells are kept.

    Parameters
    ----------
    words : ndarray of int (…)
    conditions : list of list of Condition

    Returns
    -------
    ndarray of bool (…)
    """
    good = np.zeros(words.shape, bool)
    for group in conditions:
        holds = np.ones(words.shape, bool)
        for condition in group:
            holds &= condition.holds(words)
        good |= holds
    return good
