"""The table of spectral indices and broadband albedos: formula, bands and source in one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError

Values = Mapping[str, np.ndarray]


SMALLEST_DENOMINATOR = 0.01
"""Ratios over less have no value: surface reflectance is known to about 0.005, so that a sum or difference of two or
three bands below this is noise.
"""
SMALLEST_SPREAD = 1.0
"""Kelvin: where the dry edge lies less above the wet one, the triangle has closed and the temperature says nothing
about moisture.
"""


def _ratio(numerator: np.ndarray, denominator: np.ndarray, smallest: float = SMALLEST_DENOMINATOR) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(denominator) >= smallest, numerator / denominator, np.float32(np.nan))


def _difference(first: str, second: str) -> Callable[[Values], np.ndarray]:
    """Return the normalized difference of two bands as a formula."""
    return lambda v: _ratio(v[first] - v[second], v[first] + v[second])


@dataclass(frozen=True)
class SpectralIndex:
    """An index that is the same for every sensor that has its bands.

    Parameters
    ----------
    meaning : str
        Formula and source.
    bands : tuple of str
        What it needs: names of bands as in `Sensor.bands`, and `lst`.
    formula : callable
        From reflectances by the names of their bands. Indices that need `lst` (K) find there, too, the dry edge at the
        cell's NDVI (`dry`), the wet edge (`wet`) and the constant wet edge (`coldest`).
    unit : str
    """

    meaning: str
    bands: tuple[str, ...]
    formula: Callable[[Values], np.ndarray]
    unit: str = "1"

    def needs(self, sensor: str) -> tuple[str, ...]:
        """Return the bands that are needed.

        Parameters
        ----------
        sensor : str
            Key of `SENSORS`.

        Returns
        -------
        tuple of str
            Roles of bands, such as `nir`.
        """
        return self.bands

    def compute(self, values: Values, sensor: str) -> np.ndarray:
        """Return the index.

        Parameters
        ----------
        values : mapping of str to ndarray of float32
            Reflectances by role of the band.
        sensor : str
            Key of `SENSORS`.

        Returns
        -------
        ndarray of float32
        """
        return self.formula(values)


@dataclass(frozen=True)
class BroadbandAlbedo:
    """An albedo: a weighted sum of reflectances, with the weights of each sensor.

    Parameters
    ----------
    meaning : str
    weights : dict of str to dict
        By sensor the weights by band, and a constant under ''.
    unit : str
    """

    meaning: str
    weights: Mapping[str, Mapping[str, float]]
    unit: str = "1"

    def needs(self, sensor: str) -> tuple[str, ...]:
        """Return the bands that are needed.

        As `SpectralIndex.needs`.

        Raises
        ------
        InputError
            Where there are no weights for the sensor.
        """
        if sensor not in self.weights:
            raise InputError(
                f"There is no such albedo for {sensor} ({self.meaning}). It is known for "
                f"{', '.join(self.weights)}; leave it out of `names`, or choose albedo."
            )
        return tuple(band for band in self.weights[sensor] if band)

    def compute(self, values: Values, sensor: str) -> np.ndarray:
        """Return the albedo.

        As `SpectralIndex.compute`.
        """
        weights = self.weights[sensor]
        total = sum(np.float32(weight) * values[band] for band, weight in weights.items() if band)
        return np.asarray(total + np.float32(weights.get("", 0)))


_ETM_SHORTWAVE = {"blue": 0.356, "red": 0.130, "nir": 0.373, "swir1": 0.085, "swir2": 0.072, "": -0.0018}
_ETM_VISIBLE = {"blue": 0.443, "green": 0.317, "red": 0.240}
_ETM_NIR = {"nir": 0.693, "swir1": 0.212, "swir2": 0.116, "": -0.003}
_LIANG = "Liang 2001, doi 10.1016/S0034-4257(00)00205-4; its weights for ETM+ serve all Landsat sensors"
SPECTRAL_INDICES: dict[str, SpectralIndex | BroadbandAlbedo] = {
    "ndvi": SpectralIndex("(nir − red) / (nir + red) (Rouse et al. 1974).", ("red", "nir"), _difference("nir", "red")),
    "savi": SpectralIndex(
        "1.5 (nir − red) / (nir + red + 0.5) (Huete 1988).",
        ("red", "nir"),
        lambda v: _ratio(1.5 * (v["nir"] - v["red"]), v["nir"] + v["red"] + 0.5),
    ),
    "vari": SpectralIndex(
        "(green − red) / (green + red − blue) (Gitelson et al. 2002).",
        ("blue", "green", "red"),
        lambda v: _ratio(v["green"] - v["red"], v["green"] + v["red"] - v["blue"]),
    ),
    "ndwi_gao": SpectralIndex(
        "(nir − swir_1240) / (nir + swir_1240), water in leaves (Gao 1996); only MODIS has 1.24 µm, see ndii6 "
        "for the others.",
        ("nir", "swir_1240"),
        _difference("nir", "swir_1240"),
    ),
    "ndwi_mcfeeters": SpectralIndex(
        "(green − nir) / (green + nir), open water (McFeeters 1996).", ("green", "nir"), _difference("green", "nir")
    ),
    "ndii5": SpectralIndex(
        "(nir − swir_1240) / (nir + swir_1240); on MODIS the same as ndwi_gao.",
        ("nir", "swir_1240"),
        _difference("nir", "swir_1240"),
    ),
    "ndii6": SpectralIndex(
        "(nir − swir1) / (nir + swir1), also named NDMI (Hardisky et al. 1983).",
        ("nir", "swir1"),
        _difference("nir", "swir1"),
    ),
    "ndii7": SpectralIndex(
        "(nir − swir2) / (nir + swir2), also named NBR.", ("nir", "swir2"), _difference("nir", "swir2")
    ),
    "gvmi": SpectralIndex(
        "((nir + 0.1) − (swir1 + 0.02)) / ((nir + 0.1) + (swir1 + 0.02)) with 1.6 µm (Ceccato et al. 2002); some "
        "catalogues take 2.1 µm.",
        ("nir", "swir1"),
        lambda v: _ratio(v["nir"] - v["swir1"] + 0.08, v["nir"] + v["swir1"] + 0.12),
    ),
    "albedo": BroadbandAlbedo(
        f"Shortwave albedo ({_LIANG}; Sentinel-2: Bonafoni & Sekertekin 2020, doi 10.1109/LGRS.2020.2967085).",
        {
            "modis": {
                "red": 0.160,
                "nir": 0.291,
                "blue": 0.243,
                "green": 0.116,
                "swir_1240": 0.112,
                "swir2": 0.081,
                "": -0.0015,
            },
            "landsat_tm_etm": _ETM_SHORTWAVE,
            "landsat_oli": _ETM_SHORTWAVE,
            "sentinel2": {
                "blue": 0.2266,
                "green": 0.1236,
                "red": 0.1573,
                "nir": 0.3417,
                "swir1": 0.1170,
                "swir2": 0.0338,
            },
        },
    ),
    "albedo_visible": BroadbandAlbedo(
        f"Albedo of visible light ({_LIANG}).",
        {
            "modis": {"red": 0.331, "blue": 0.424, "green": 0.246},
            "landsat_tm_etm": _ETM_VISIBLE,
            "landsat_oli": _ETM_VISIBLE,
        },
    ),
    "albedo_nir": BroadbandAlbedo(
        f"Albedo of infrared light ({_LIANG}).",
        {
            "modis": {
                "red": 0.039,
                "nir": 0.504,
                "blue": -0.071,
                "green": 0.105,
                "swir_1240": 0.252,
                "swir1": 0.069,
                "swir2": 0.101,
            },
            "landsat_tm_etm": _ETM_NIR,
            "landsat_oli": _ETM_NIR,
        },
    ),
    "tvdi": SpectralIndex(
        "(LST − wet) / (dry(NDVI) − wet), 0 wet to 1 dry; the wet edge is constant (Sandholt et al. 2002, doi "
        "10.1016/S0034-4257(01)00274-7).",
        ("red", "nir", "lst"),
        lambda v: _ratio(v["lst"] - v["coldest"], np.maximum(v["dry"] - v["coldest"], 0), SMALLEST_SPREAD),
    ),
    "vtci": SpectralIndex(
        "(dry(NDVI) − LST) / (dry(NDVI) − wet(NDVI)), 0 dry to 1 wet; both edges are lines (Wan et al. 2004).",
        ("red", "nir", "lst"),
        lambda v: _ratio(v["dry"] - v["lst"], np.maximum(v["dry"] - v["wet"], 0), SMALLEST_SPREAD),
    ),
}
"""All indices by the names of their bands."""
