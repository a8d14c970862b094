"""Optical sensors: the numbers and names of their bands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Sensor:
    """What a sensor's files look like.

    Parameters
    ----------
    bands : dict of str to tuple of str
        The sensor's numbers of the bands that indices use; of several the first that is there is taken.
    scale, offset : float
        Reflectance = scale × stored integer + offset, in surface reflectance products.
    fills : tuple of int
        Stored integers that mean no data.
    files : str
        Pattern of the names of this sensor's files.
    """

    bands: Mapping[str, tuple[str, ...]]
    scale: float
    offset: float
    fills: tuple[int, ...]
    files: str


_TM = {"blue": ("1",), "green": ("2",), "red": ("3",), "nir": ("4",), "swir1": ("5",), "swir2": ("7",)}
_OLI = {"blue": ("2",), "green": ("3",), "red": ("4",), "nir": ("5",), "swir1": ("6",), "swir2": ("7",)}
_MSI = {"blue": ("2",), "green": ("3",), "red": ("4",), "nir": ("8", "8a"), "swir1": ("11",), "swir2": ("12",)}
_MODIS = {
    "red": ("1",),
    "nir": ("2",),
    "blue": ("3",),
    "green": ("4",),
    "swir_1240": ("5",),
    "swir1": ("6",),
    "swir2": ("7",),
}
SENSORS = {
    "modis": Sensor(_MODIS, 1e-4, 0, (32767, -28672), r"\bM[OYC]D\d\d"),
    "landsat_tm_etm": Sensor(_TM, 2.75e-5, -0.2, (0,), r"\bL[TE](0[457]_|[457]\d{13})"),
    "landsat_oli": Sensor(_OLI, 2.75e-5, -0.2, (0,), r"\bL[CO](0[89]_|[89]\d{13})"),
    "sentinel2": Sensor(_MSI, 1e-4, 0, (0,), r"\bS2[A-D]_MSI|\bT\d\d[A-Z]{3}_\d{8}T\d{6}_"),
}
_NUMBER = re.compile(r"(?<![a-z0-9])(?:b|band)[ _]?0*(\d{1,2}a?)(?![a-z0-9])")
_WORD = re.compile(
    r"(?<![a-z0-9])(blue|green|red|nir08|nir|swir_?(?:1240|16|22|1|2))(?![a-z0-9])(?![ _-]?(?:edge|narrow))"
)
_WORDS = {
    "nir08": "nir",
    "swir1240": "swir_1240",
    "swir16": "swir1",
    "swir_16": "swir1",
    "swir22": "swir2",
    "swir_22": "swir2",
    "swir_1": "swir1",
    "swir_2": "swir2",
}
# Quality layers carry the number of the band that they describe.
_NO_REFLECTANCE = re.compile(r"(?<![a-z])(quality|qa|qc|mask|state|uncertainty)(?![a-z])")


BASELINE_OFFSET = -0.1
"""What Sentinel-2 subtracts from reflectance since processing baseline 04.00, so that dark cells are not cut off."""
_BASELINE_START = datetime(2022, 1, 25)


def sentinel2_baseline(path: str, date: datetime | None, tag: str = "") -> tuple[float, str] | None:
    """Return the offset of Sentinel-2's reflectance: since processing baseline 04.00, 1000 is added to what is stored.

    Parameters
    ----------
    path : str
        In which `_N0509_` is the baseline.
    date : datetime or None
        When the scene was seen.
    tag : str, optional
        The baseline as metadata state it, such as `05.09`.

    Returns
    -------
    (float, str) or None
        The offset, and why; None where neither the baseline nor the date is known.
    """
    in_name = re.findall(r"_N(\d{2})(\d{2})(?!\d)", path)
    text = ".".join(in_name[-1]) if in_name else tag
    if re.fullmatch(r"\d{2}\.\d{2}", text):
        return (BASELINE_OFFSET if float(text) >= 4 else 0.0), f"processing baseline {text}"
    if date is None:
        return None
    is_new = date >= _BASELINE_START
    reason = f"acquired {'since' if is_new else 'before'} {_BASELINE_START:%Y-%m-%d}, when baseline 04.00 began"
    return (BASELINE_OFFSET if is_new else 0.0), reason


def recognise_band(name: str, sensor: str) -> tuple[str, int] | None:
    """Find out which band of a sensor a name denotes.

    Parameters
    ----------
    name : str
        A band's description, a sub-dataset or a file's stem: `red`, `B4`, `SR_B4`, `sur_refl_b01`,
        `T32TQM_20200101T101031_B8A_20m`.
    sensor : str

    Returns
    -------
    (str, int) or None
        Key of `Sensor.bands`, and the rank of the band where several serve; None where the name denotes none of them.
    """
    text = name.lower()
    bands = SENSORS[sensor].bands
    if _NO_REFLECTANCE.search(text):
        return None
    # The last one counts: rivers and valleys are named after colours, too, but before the number of the band.
    words, numbers = (list(pattern.finditer(text)) for pattern in (_WORD, _NUMBER))
    if words and not (numbers and numbers[-1].start() > words[-1].start()):
        role = _WORDS.get(words[-1][1], words[-1][1])
        return (role, 0) if role in bands else None
    return next(
        ((role, names.index(numbers[-1][1])) for role, names in bands.items() if numbers and numbers[-1][1] in names),
        None,
    )
