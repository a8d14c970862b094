"""Spectral indices, broadband albedo and temperature–vegetation dryness from reflectances."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress

if TYPE_CHECKING:
    from rasterio.windows import Window

    from sm_toolbox.raster.bands import Band, Stack
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

Values = Mapping[str, np.ndarray]

SMALLEST_DENOMINATOR = 0.01
"""Ratios over less have no value: surface reflectance is known to about 0.005, so that a sum or difference of two or three bands below this is noise."""

REFLECTANCE_TOLERANCE = 0.02
"""How far below 0 or above 1 a reflectance may lie, as atmospheric correction leaves it over dark water and snow; it is set to 0 or 1."""

SMALLEST_SPREAD = 1.0
"""Kelvin: where the dry edge lies less above the wet one, the triangle has closed and the temperature says nothing about moisture."""

NDVI_BIN = 0.02
LOWEST_NDVI = 0.1
"""The edges begin here: below are water, snow, cloud and rock, whose temperature does not follow the moisture of the soil."""
MIN_CELLS_IN_BIN = 50
MIN_BINS = 5
EDGE_PERCENTILES = (1, 99)
"""Coldest and warmest cells of a bin; a single cell, perhaps a fire or the rim of a cloud, does not move an edge."""
EDGE_CELLS = 1024
"""Rows and columns of the regular sample of cells from which the edges are fitted."""


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
        From reflectances by the names of their bands. Indices that need `lst` (K) find there, too, the dry edge at the cell's NDVI (`dry`), the wet
        edge (`wet`) and the constant wet edge (`coldest`).
    unit : str
    """

    meaning: str
    bands: tuple[str, ...]
    formula: Callable[[Values], np.ndarray]
    unit: str = "1"

    def needs(self, sensor: str) -> tuple[str, ...]:
        """Return the bands that are needed."""
        return self.bands

    def compute(self, values: Values, sensor: str) -> np.ndarray:
        """Return the index."""
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

        Raises
        ------
        InputError
            Where there are no weights for the sensor.
        """
        if sensor not in self.weights:
            raise InputError(
                f"There is no such albedo for {sensor} ({self.meaning}). It is known for {', '.join(self.weights)}; leave it out of INDICES, or choose albedo."
            )
        return tuple(band for band in self.weights[sensor] if band)

    def compute(self, values: Values, sensor: str) -> np.ndarray:
        """Return the albedo."""
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
        "(nir − swir_1240) / (nir + swir_1240), water in leaves (Gao 1996); only MODIS has 1.24 µm, see ndii6 for the others.",
        ("nir", "swir_1240"),
        _difference("nir", "swir_1240"),
    ),
    "ndwi_mcfeeters": SpectralIndex("(green − nir) / (green + nir), open water (McFeeters 1996).", ("green", "nir"), _difference("green", "nir")),
    "ndii5": SpectralIndex(
        "(nir − swir_1240) / (nir + swir_1240); on MODIS the same as ndwi_gao.", ("nir", "swir_1240"), _difference("nir", "swir_1240")
    ),
    "ndii6": SpectralIndex("(nir − swir1) / (nir + swir1), also named NDMI (Hardisky et al. 1983).", ("nir", "swir1"), _difference("nir", "swir1")),
    "ndii7": SpectralIndex("(nir − swir2) / (nir + swir2), also named NBR.", ("nir", "swir2"), _difference("nir", "swir2")),
    "gvmi": SpectralIndex(
        "((nir + 0.1) − (swir1 + 0.02)) / ((nir + 0.1) + (swir1 + 0.02)) with 1.6 µm (Ceccato et al. 2002); some catalogues take 2.1 µm.",
        ("nir", "swir1"),
        lambda v: _ratio(v["nir"] - v["swir1"] + 0.08, v["nir"] + v["swir1"] + 0.12),
    ),
    "albedo": BroadbandAlbedo(
        f"Shortwave albedo ({_LIANG}; Sentinel-2: Bonafoni & Sekertekin 2020, doi 10.1109/LGRS.2020.2967085).",
        {
            "modis": {"red": 0.160, "nir": 0.291, "blue": 0.243, "green": 0.116, "swir_1240": 0.112, "swir2": 0.081, "": -0.0015},
            "landsat_tm_etm": _ETM_SHORTWAVE,
            "landsat_oli": _ETM_SHORTWAVE,
            "sentinel2": {"blue": 0.2266, "green": 0.1236, "red": 0.1573, "nir": 0.3417, "swir1": 0.1170, "swir2": 0.0338},
        },
    ),
    "albedo_visible": BroadbandAlbedo(
        f"Albedo of visible light ({_LIANG}).",
        {"modis": {"red": 0.331, "blue": 0.424, "green": 0.246}, "landsat_tm_etm": _ETM_VISIBLE, "landsat_oli": _ETM_VISIBLE},
    ),
    "albedo_nir": BroadbandAlbedo(
        f"Albedo of infrared light ({_LIANG}).",
        {
            "modis": {"red": 0.039, "nir": 0.504, "blue": -0.071, "green": 0.105, "swir_1240": 0.252, "swir1": 0.069, "swir2": 0.101},
            "landsat_tm_etm": _ETM_NIR,
            "landsat_oli": _ETM_NIR,
        },
    ),
    "tvdi": SpectralIndex(
        "(LST − wet) / (dry(NDVI) − wet), 0 wet to 1 dry; the wet edge is constant (Sandholt et al. 2002, doi 10.1016/S0034-4257(01)00274-7).",
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
_MODIS = {"red": ("1",), "nir": ("2",), "blue": ("3",), "green": ("4",), "swir_1240": ("5",), "swir1": ("6",), "swir2": ("7",)}
SENSORS = {
    "modis": Sensor(_MODIS, 1e-4, 0, (32767, -28672), r"\bM[OYC]D\d\d"),
    "landsat_tm_etm": Sensor(_TM, 2.75e-5, -0.2, (0,), r"\bL[TE](0[457]_|[457]\d{13})"),
    "landsat_oli": Sensor(_OLI, 2.75e-5, -0.2, (0,), r"\bL[CO](0[89]_|[89]\d{13})"),
    "sentinel2": Sensor(_MSI, 1e-4, 0, (0,), r"\bS2[A-D]_MSI|\bT\d\d[A-Z]{3}_\d{8}T\d{6}_"),
}
_BASELINE_OFFSET = -0.1
_BASELINE_START = datetime(2022, 1, 25)

_NUMBER = re.compile(r"(?<![a-z0-9])(?:b|band)[ _]?0*(\d{1,2}a?)(?![a-z0-9])")
_WORD = re.compile(r"(?<![a-z0-9])(blue|green|red|nir08|nir|swir_?(?:1240|16|22|1|2))(?![a-z0-9])(?![ _-]?(?:edge|narrow))")
_WORDS = {"nir08": "nir", "swir1240": "swir_1240", "swir16": "swir1", "swir_16": "swir1", "swir22": "swir2", "swir_22": "swir2", "swir_1": "swir1", "swir_2": "swir2"}  # fmt: skip
# Quality layers carry the number of the band that they are about.
_NO_REFLECTANCE = re.compile(r"(?<![a-z])(quality|qa|qc|mask|state|uncertainty)(?![a-z])")


def recognise_band(name: str, sensor: str) -> tuple[str, int] | None:
    """Find out which band of a sensor a name speaks of.

    Parameters
    ----------
    name : str
        A band's description, a sub-dataset or a file's stem: `red`, `B4`, `SR_B4`, `sur_refl_b01`, `T32TQM_20200101T101031_B8A_20m`.
    sensor : str

    Returns
    -------
    (str, int) or None
        Key of `Sensor.bands`, and the rank of the band where several serve; None where the name speaks of none of them.
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
    return next(((role, own.index(numbers[-1][1])) for role, own in bands.items() if numbers and numbers[-1][1] in own), None)


@dataclass(frozen=True)
class Calibration:
    """How values as they are read become reflectances.

    Parameters
    ----------
    factor, shift : float
        Reflectance = factor × value + shift. The reader has applied the file's own scale and offset already.
    fills : tuple of float
        Values that mean no data, as read; none where they are reflectances already.
    step : float
        The difference of two stored integers, as read.
    reason : str
        For the log.
    """

    factor: float
    shift: float
    fills: tuple[float, ...]
    step: float
    reason: str

    def apply(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return reflectances, NaN where they are none, and which of the valid cells were no reflectances."""
        result = values * np.float32(self.factor) + np.float32(self.shift)
        for fill in self.fills:
            result[np.abs(values - np.float32(fill)) < self.step / 2] = np.nan
        with np.errstate(invalid="ignore"):
            wrong = (result < -REFLECTANCE_TOLERANCE) | (result > 1 + REFLECTANCE_TOLERANCE)
        result[wrong] = np.nan
        return np.clip(result, 0, 1), wrong


def calibrate(band: Band, sensor: str, scale: float | None = None, offset: float | None = None) -> Calibration:
    """Find out how the values of a band become reflectances.

    What is given counts (without `offset` it is 0); else the file's own scale and offset; else whole numbers have those of the sensor's surface
    reflectance products, and floating-point numbers are reflectances already.

    Parameters
    ----------
    band : Band
    sensor : str
    scale, offset : float, optional

    Raises
    ------
    InputError
        Where the offset of Sentinel-2 cannot be known, and for Landsat Level 1, whose scale is in its metadata.
    """
    from sm_toolbox.raster.opening import open_raster

    with open_raster(band.source) as dataset:
        own_scale, own_offset = dataset.scales[band.index - 1], dataset.offsets[band.index - 1]
        is_integer = np.issubdtype(np.dtype(dataset.dtypes[band.index - 1]), np.integer)
        baseline = dataset.tags().get("PROCESSING_BASELINE", "")
    known = SENSORS[sensor]
    if scale is not None:
        used, reason = (scale, 0.0), "SCALE as given"
    elif (own_scale, own_offset) != (1.0, 0.0):
        # Some MODIS products in HDF4 give the divisor as their scale: 10000 for 0.0001.
        used = (1 / own_scale, own_offset) if own_scale > 1 else (own_scale, own_offset)
        reason = "scale of the file" if own_scale <= 1 else f"scale of the file, whose {own_scale:g} is a divisor"
    elif not is_integer:
        used, reason = (1.0, 0.0), "floating-point numbers are reflectances already"
    else:
        used, reason = (known.scale, known.offset), f"default of {sensor}"
        if offset is None and sensor == "sentinel2":
            used, reason = _sentinel2_scale(band, baseline)
        if sensor.startswith("landsat") and re.search(r"_L1[TG][PST]_", band.source.path):
            raise InputError(
                f"'{band.source.label}' is Landsat Level 1 (top of atmosphere). Use Level 2 (surface reflectance, L2SP), or give SCALE and OFFSET: REFLECTANCE_MULT_BAND and REFLECTANCE_ADD_BAND in the scene's MTL file."
            )
    if offset is not None:
        used, reason = (used[0], offset), f"{reason}, OFFSET as given"
    factor = used[0] / own_scale
    fills = tuple(fill * own_scale + own_offset for fill in known.fills) if used[0] != 1 else ()
    return Calibration(factor, used[1] - factor * own_offset, fills, own_scale, f"{used[0]:g} × stored value {used[1]:+g} ({reason})")


def _sentinel2_scale(band: Band, tag: str) -> tuple[tuple[float, float], str]:
    """Return scale and offset of Sentinel-2: from processing baseline 04.00 on, 1000 is added to what is stored."""
    in_name = re.findall(r"_N(\d{2})(\d{2})(?!\d)", band.source.path)
    text = ".".join(in_name[-1]) if in_name else tag
    if re.fullmatch(r"\d{2}\.\d{2}", text):
        is_new, reason = float(text) >= 4, f"processing baseline {text}"
    elif band.time is not None:
        is_new = band.time.start >= _BASELINE_START
        reason = f"acquired {'since' if is_new else 'before'} {_BASELINE_START:%Y-%m-%d}, when baseline 04.00 began"
    else:
        raise InputError(
            f"'{band.source.label}' has neither a processing baseline (N0400) nor a date in its name, so that its offset cannot be known. Give OFFSET: -0.1 from baseline 04.00 on (January 2022), else 0."
        )
    return (SENSORS["sentinel2"].scale, _BASELINE_OFFSET if is_new else 0.0), f"default of sentinel2, {reason}"


@dataclass(frozen=True)
class Edges:
    """The edges of the triangle of temperature and NDVI on one date.

    Parameters
    ----------
    time : Time or None
    dry, wet : (float, float)
        Intercept (K) and slope (K per unit of NDVI).
    coldest : float
        Constant wet edge (K): the mean of the bins' lowest temperatures.
    centres, warm, cold : ndarray
        NDVI, highest and lowest temperature (K) of the bins.
    ndvi, lst : ndarray
        Some cells, for the report.
    """

    time: Time | None
    dry: tuple[float, float]
    wet: tuple[float, float]
    coldest: float
    centres: np.ndarray
    warm: np.ndarray
    cold: np.ndarray
    ndvi: np.ndarray
    lst: np.ndarray

    def at(self, ndvi: np.ndarray) -> dict[str, np.ndarray]:
        """Return the dry, the wet and the constant wet edge (K) at an NDVI, as formulas take them."""
        dry, wet = (np.float32(intercept) + np.float32(slope) * ndvi for intercept, slope in (self.dry, self.wet))
        return {"dry": dry, "wet": wet, "coldest": np.array(self.coldest, np.float32)}

    @property
    def text(self) -> str:
        """Both edges as equations."""
        dry, wet = (f"{edge[0]:.2f} {edge[1]:+.2f} NDVI" for edge in (self.dry, self.wet))
        return f"dry edge {dry}, wet edge {wet}, constant wet edge {self.coldest:.2f} ({len(self.centres)} bins)"


def fit_edges(ndvi: np.ndarray, lst: np.ndarray, time: Time | None = None) -> Edges:
    """Fit the dry and the wet edge to the scatter of surface temperature over NDVI.

    The edges are straight lines through the warmest and the coldest cells (percentiles) of bins of NDVI, by least squares in which every bin counts alike.

    Parameters
    ----------
    ndvi, lst : ndarray
        Of the same shape; NaN where there is no data.
    time : Time, optional

    Raises
    ------
    InputError
        Where too few bins of NDVI hold enough cells: a scene of one land cover has no triangle.
    """
    valid = np.isfinite(ndvi) & np.isfinite(lst) & (ndvi >= LOWEST_NDVI)
    x, y = ndvi[valid].astype(float), lst[valid].astype(float)
    number = np.floor((x - LOWEST_NDVI) / NDVI_BIN).astype(int)
    order = np.argsort(number, kind="stable")
    bins, starts, counts = np.unique(number[order], return_index=True, return_counts=True)
    full = counts >= MIN_CELLS_IN_BIN
    if np.count_nonzero(full) < MIN_BINS:
        raise InputError(
            f"The edges of the temperature–NDVI triangle cannot be fitted{f' on {time}' if time else ''}: {np.count_nonzero(full)} bins of NDVI (width {NDVI_BIN}, from {LOWEST_NDVI}) hold at least {MIN_CELLS_IN_BIN} cells with "
            f"both values ({len(x)} in all), but {MIN_BINS} are needed. Use a larger area with bare and vegetated land, check that LST covers it, or leave tvdi and vtci out of INDICES."
        )
    limits = np.array([np.percentile(y[order[start : start + count]], EDGE_PERCENTILES) for start, count in zip(starts[full], counts[full])])
    centres = LOWEST_NDVI + NDVI_BIN * (bins[full] + 0.5)
    (wet_slope, wet), (dry_slope, dry) = (np.polyfit(centres, limits[:, i], 1) for i in (0, 1))
    few = slice(None, None, -(-len(x) // 20000))
    return Edges(
        time, (float(dry), float(dry_slope)), (float(wet), float(wet_slope)), float(limits[:, 0].mean()), centres, limits[:, 1], limits[:, 0], x[few], y[few]
    )  # fmt: skip


@dataclass(frozen=True)
class InputShare:
    """How much of a band was no reflectance.

    Parameters
    ----------
    role : str
        `red`.
    band : Band
    calibration : Calibration
    share : float
        Of the cells with data, 0 to 1, those that were left out.
    """

    role: str
    band: Band
    calibration: Calibration
    share: float


@dataclass(frozen=True)
class SpectralResult:
    """What was computed.

    Parameters
    ----------
    bands : list of str
    edges : list of Edges
        One for each date of tvdi and vtci.
    inputs : list of InputShare
    outside : dict of str to (float, float)
        For each band of tvdi and vtci the share of the cells below 0 and above 1: they lie beyond the edges.
    """

    bands: list[str]
    edges: list[Edges] = field(default_factory=list)
    inputs: list[InputShare] = field(default_factory=list)
    outside: dict[str, tuple[float, float]] = field(default_factory=dict)


def spectral_indices(
    sources: Sequence[Source], sensor: str, names: Sequence[str], output: str, *,
    bands: str = "", scale: float | None = None, offset: float | None = None, lst: Sequence[Source] = (), memory: int | None = None, progress: Progress = SILENT, scheduler: str = "",
) -> SpectralResult:  # fmt: skip
    """Compute spectral indices from the bands of a sensor.

    Bands are recognised by their names and brought to reflectances; values that cannot be reflectances are left out. Each index is computed on every
    date that has all its bands.

    Parameters
    ----------
    sources : sequence of Source
        Files with one or more bands, dated or not. The output has the grid of the first band that is used.
    sensor : str
        Key of `SENSORS`.
    names : sequence of str
        Keys of `SPECTRAL_INDICES`; the order of the output's bands.
    output : str
        GeoTIFF with `ndvi`, or `ndvi@date` where the input is dated.
    bands : str, optional
        `red=1, nir=2` for bands without known names: the position among all bands of the input, or a variable's name. Of dated input the
        band at the position stands for its namesakes on all dates.
    scale, offset : float, optional
        Reflectance = scale × stored value + offset; by default what `calibrate` finds.
    lst : sequence of Source, optional
        Surface temperature (K or °C), for tvdi and vtci; paired by day.
    memory : int, optional
        Budget for blocks in bytes.
    scheduler : str, optional
        Address of a Dask cluster, as `Engine`.

    Raises
    ------
    InputError
        Where a band that an index needs is missing, values are no reflectances or temperatures, files are of another sensor, or edges cannot be fitted.
    OutputError, Cancelled
        As `run_blocks`.
    """
    from sm_toolbox.raster.bands import read_bands, single_stack
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput
    from sm_toolbox.raster.planning import Engine

    names = _check_choices(sources, sensor, names, scale, offset)
    listed = _input_bands(sources)
    found = _assign(listed, sensor, bands, progress)
    if lst:
        _add_temperature(found, single_stack(read_bands(lst), "LST"))
    jobs = _jobs(names, sensor, found, progress)
    used = list(dict.fromkeys((role, time) for name, time in jobs for role in SPECTRAL_INDICES[name].needs(sensor)))
    chosen = [found[time][role] for role, time in used]
    grid = min((band for (role, _), band in zip(used, chosen) if role != "lst"), key=listed.index).grid
    calibrations = [None if role == "lst" else calibrate(band, sensor, scale, offset) for (role, _), band in zip(used, chosen)]
    reasons = [calibration.reason for calibration in calibrations if calibration]
    for reason in dict.fromkeys(reasons):
        progress.info(f"Reflectance = {reason}, in {reasons.count(reason)} bands.")
    _check_reflectances(used, chosen, calibrations)
    edges = {time: _sampled_edges(time, used, chosen, calibrations, grid, progress) for role, time in used if role == "lst"}

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        raw = blocks["INPUT"]
        out = np.empty((len(jobs), *raw.shape[1:]), np.float32)
        counts, beyond = np.zeros((len(used), 2), np.int64), np.zeros((len(jobs), 3), np.int64)
        for now in dict.fromkeys(time for _, time in jobs):
            values: dict[str, np.ndarray] = {}
            for i, ((role, time), calibration) in enumerate(zip(used, calibrations)):
                if time == now:
                    values[role], wrong = calibration.apply(raw[i]) if calibration else (raw[i], np.zeros(1, bool))
                    counts[i] = np.count_nonzero(wrong), np.count_nonzero(~np.isnan(values[role]))
            if now in edges:
                values.update(edges[now].at(SPECTRAL_INDICES["ndvi"].compute(values, sensor)))
            for i, (name, time) in enumerate(jobs):
                if time == now:
                    out[i] = SPECTRAL_INDICES[name].compute(values, sensor)
                    with np.errstate(invalid="ignore"):
                        beyond[i] = np.count_nonzero(out[i] < 0), np.count_nonzero(out[i] > 1), np.count_nonzero(~np.isnan(out[i]))
        return out, {"counts": counts, "beyond": beyond}

    band_names = [band_name(name, time) for name, time in jobs]
    tags = {f"UNIT_{name}": SPECTRAL_INDICES[name].unit for name in names}
    if edges:
        tags["EDGES"] = json.dumps([{"time": str(e.time or ""), "dry": e.dry, "wet": e.wet, "coldest": e.coldest} for e in edges.values()])
    # The bands of one date with their masks, the edges and what a formula needs meanwhile.
    scratch = 4 * (2 * len(SENSORS[sensor].bands) + 8)
    engine = Engine(memory, scheduler=scheduler, progress=progress)
    facts = run_blocks(kernel, {"INPUT": chosen}, [RasterOutput(output, band_names, tags)], grid, engine, scratch_bytes_per_cell=scratch).facts

    inputs = [
        InputShare(role, band, calibration, float(wrong / max(wrong + right, 1)))
        for (role, _), band, calibration, (wrong, right) in zip(used, chosen, calibrations, facts["counts"])
        if calibration
    ]
    for role in dict.fromkeys(item.role for item in inputs):
        own = [item for item in inputs if item.role == role]
        worst = max(own, key=lambda item: item.share)
        if worst.share > 0:
            progress.warning(
                f"{role} in {_place(worst.band)}{f', the worst of {len(own)} dates' if len(own) > 1 else ''}: {100 * worst.share:.2g} % of the cells with data lie more than {REFLECTANCE_TOLERANCE} outside 0 to 1; these are no reflectances and were left out."
            )
    outside = {
        name: (float(below / max(count, 1)), float(above / max(count, 1)))
        for (index, _), name, (below, above, count) in zip(jobs, band_names, facts["beyond"])
        if "lst" in SPECTRAL_INDICES[index].needs(sensor)
    }
    for name, (below, above) in outside.items():
        progress.info(f"{name}: {100 * below:.1f} % of the cells lie below 0 and {100 * above:.1f} % above 1, beyond the edges.")
    return SpectralResult(band_names, list(edges.values()), inputs, outside)


def _check_choices(sources: Sequence[Source], sensor: str, names: Sequence[str], scale: float | None, offset: float | None) -> list[str]:
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in SPECTRAL_INDICES]
    if unknown or not names:
        raise InputError(f"INDICES: {', '.join(unknown) or 'none is chosen'}. Choose from: {', '.join(SPECTRAL_INDICES)}.")
    if sensor not in SENSORS:
        raise InputError(f"SENSOR is '{sensor}', but must be one of: {', '.join(SENSORS)}.")
    if offset is not None and not np.isfinite(offset):
        raise InputError(f"OFFSET is {offset:g}, but must be a number: the reflectance of a stored 0, such as -0.2.")
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        raise InputError(f"SCALE is {scale:g}, but must be above 0: the reflectance of one unit of the stored values, such as 0.0001.")
    for source in sources:
        of = [name for name, known in SENSORS.items() if re.search(known.files, Path(source.path).name)]
        if of and sensor not in of:
            raise InputError(
                f"SENSOR is {sensor}, but '{source.label}' has a name of {' or '.join(of)}, whose bands have other numbers. Choose that SENSOR, or rename the file."
            )
    return names


def _input_bands(sources: Sequence[Source]) -> list[Band]:
    """List the bands of all files; where a file's bands have no names at all, they are named by their numbers."""
    from sm_toolbox.raster.bands import Band, read_bands
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import open_raster
    from sm_toolbox.raster.times import time_in_name

    listed: list[Band] = []
    for source in sources:
        with open_raster(source) as dataset:
            nameless = dataset.count > 1 and not any(dataset.descriptions) and "NETCDF_VARNAME" not in dataset.tags(1)
            if nameless:
                grid = Grid.of(dataset, source.label)
                time = source.time or time_in_name(Path(source.path).stem, source.path)[0]
                listed += [Band(str(index), time, source, index, grid) for index in range(1, dataset.count + 1)]
        if not nameless:
            listed += read_bands([source])
    return listed


def _assign(listed: Sequence[Band], sensor: str, text: str, progress: Progress) -> dict[Time | None, dict[str, Band]]:
    """Find out which band is which on each date, from BANDS and else from the names."""
    given = _given_bands(listed, sensor, text)
    alone = {source: sum(band.source == source for band in listed) == 1 for source in {band.source for band in listed}}
    ranked: dict[tuple[Time | None, str], tuple[int, Band]] = {}
    unknown = []
    for i, band in enumerate(listed):
        known: tuple[str, int] | None
        if i in given:
            known = given[i], 0
        else:
            # The name of a file or sub-dataset tells of a single band, never of several.
            places = [band.variable, *([re.split(r"[:/\\]", band.source.path)[-1]] if alone[band.source] else [])]
            known = next(filter(None, (recognise_band(place, sensor) for place in places)), None)
            if known is None or known[0] in given.values():
                unknown.append(band.name)
                continue
        role, rank = known
        twin = ranked.get((band.time, role))
        if twin is not None and twin[0] == rank:
            raise InputError(
                f"Two bands are {role}{f' on {band.time}' if band.time else ''}: {_place(twin[1])} and {_place(band)}. Leave one out, or name the right one in BANDS ({role}={i + 1})."
            )
        if twin is None or rank < twin[0]:
            ranked[band.time, role] = rank, band
    if unknown:
        progress.info(f"Not used, as their names speak of no band that indices need: {', '.join(unknown[:10])}{' …' if len(unknown) > 10 else ''}.")
    found: dict[Time | None, dict[str, Band]] = {}
    for (time, role), (_, band) in ranked.items():
        found.setdefault(time, {})[role] = band
    if not found:
        raise InputError(
            f"None of the bands ({', '.join(band.name for band in listed[:8])}) has a name that is known of {sensor}, such as red or B{SENSORS[sensor].bands['red'][0]}. Say in BANDS which is which, such as red=1, nir=2."
        )
    return found


def _given_bands(listed: Sequence[Band], sensor: str, text: str) -> dict[int, str]:
    """Read BANDS: which of the listed bands has which role."""
    given: dict[int, str] = {}
    for part in filter(str.strip, text.split(",")):
        role, _, value = (piece.strip() for piece in part.partition("="))
        role = role.lower()
        if role not in SENSORS[sensor].bands or not value:
            raise InputError(
                f"BANDS holds '{part.strip()}', but must be of the form red=1, nir=2 with names among: {', '.join(SENSORS[sensor].bands)}."
            )
        if re.fullmatch("[0-9]{1,6}", value):
            if not 1 <= int(value) <= len(listed):
                raise InputError(f"BANDS says {role}={value}, but INPUT has {len(listed)} bands, counted from 1 over all files.")
            at = listed[int(value) - 1]
            hits = [i for i, band in enumerate(listed) if i == int(value) - 1 or (band.variable == at.variable and band.time != at.time)]
        else:
            hits = [i for i, band in enumerate(listed) if band.variable == value]
            if not hits:
                raise InputError(
                    f"BANDS says {role}={value}, but no band of INPUT has that name. There are: {', '.join(dict.fromkeys(band.variable for band in listed))}."
                )
        taken = [i for i in hits if i in given]
        if taken:
            raise InputError(f"BANDS gives {_place(listed[taken[0]])} to both {given[taken[0]]} and {role}. Each band can be only one.")
        given.update(dict.fromkeys(hits, role))
    return given


def _add_temperature(found: dict[Time | None, dict[str, Band]], stack: Stack) -> None:
    """Add the surface temperature of its day to each date."""
    from sm_toolbox.raster.times import Time

    for time, roles in found.items():
        # A scene and its temperature belong together, even if only one of them is dated.
        if len(found) == len(stack.bands) == 1 and (time is None or stack.is_static):
            roles["lst"] = stack.bands[0]
        elif time is not None and not stack.is_static:
            day = Time(time.last_day, "day") if time.resolution == "second" else time
            nearest = stack.nearest(day, 0)
            if nearest is not None:
                roles["lst"] = stack.bands[nearest]


def _jobs(names: Sequence[str], sensor: str, found: Mapping[Time | None, Mapping[str, Band]], progress: Progress) -> list[tuple[str, Time | None]]:
    """List the indices with the dates on which all their bands are there."""
    times = sorted(found, key=lambda time: (time is not None, time.start if time else datetime.min))
    jobs = []
    for name in names:
        needs = SPECTRAL_INDICES[name].needs(sensor)
        own = [time for time in times if all(role in found[time] for role in needs)]
        if not own:
            raise InputError(_what_is_missing(name, needs, sensor, found))
        if len(own) < len(times):
            left = [str(time or "undated") for time in times if time not in own]
            progress.info(
                f"{name}: {len(own)} of {len(times)} dates have all of {', '.join(needs)}; left out: {', '.join(left[:10])}{' …' if len(left) > 10 else ''}."
            )
        jobs += [(name, time) for time in own]
    return jobs


def _what_is_missing(name: str, needs: Sequence[str], sensor: str, found: Mapping[Time | None, Mapping[str, Band]]) -> str:
    own = SENSORS[sensor].bands
    without = [role for role in needs if role not in own and role != "lst"]
    if without:
        return f"{name} needs {' and '.join(needs)}, but {sensor} has no band {', '.join(without)}. Leave {name} out of INDICES{'; ndii6 is its like with 1.6 µm' if 'swir_1240' in without else ''}."
    missing = [role for role in needs if not any(role in roles for roles in found.values())]
    there = ", ".join(dict.fromkeys(role for roles in found.values() for role in roles))
    if not missing:
        return f"{name} needs {', '.join(needs)} of one date, but no date has all of them. Check the dates of the layers; LST is paired by day."
    if missing == ["lst"]:
        return f"{name} needs the surface temperature of the same day. Give it as LST; found in INPUT: {there}."
    wanted = ", ".join(role if role == "lst" else f"{role} (B{own[role][0]})" for role in missing)
    return f"{name} needs {', '.join(needs)}; missing: {wanted}; found: {there}. Add the band, say in BANDS which it is ({missing[0]}=1), or leave {name} out of INDICES."


def _place(band: Band) -> str:
    return f"band {band.index} of '{band.source.label}'{f' ({band.time})' if band.time else ''}"


def _check_reflectances(used: Sequence[tuple[str, Time | None]], chosen: Sequence[Band], calibrations: Sequence[Calibration | None]) -> None:
    """Look at a middle date of each band for values that are no reflectances."""
    from sm_toolbox.raster.bands import overview

    for role in dict.fromkeys(role for role, _ in used if role != "lst"):
        own = [i for i, (other, _) in enumerate(used) if other == role]
        middle = own[len(own) // 2]
        calibration = calibrations[middle]
        assert calibration is not None
        values = overview(chosen[middle]).astype(np.float32)
        good, wrong = calibration.apply(values)
        bad, right = np.count_nonzero(wrong), np.count_nonzero(~np.isnan(good))
        if bad > right:
            low, high = np.nanpercentile(values, [2, 98])
            raise InputError(
                f"The values of {role} in {_place(chosen[middle])} are not reflectances: with {calibration.reason}, {100 * bad / (bad + right):.0f} % of them lie outside 0 to 1. As read they go from {low:.4g} to {high:.4g}. "
                "Set SCALE and OFFSET as the product's guide says (such as 0.0001 and 0; Landsat Collection 2: 0.0000275 and -0.2), or choose the right SENSOR."
            )


def _sampled_edges(
    time: Time | None, used: Sequence[tuple[str, Time | None]], chosen: Sequence[Band], calibrations: Sequence[Calibration | None], grid: Grid, progress: Progress,
) -> Edges:  # fmt: skip
    """Fit the edges on a regular sample of cells, read as a coarser grid so that bands on different grids stay aligned."""
    from affine import Affine
    from rasterio.windows import Window

    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.reading import BandReader

    progress.check()
    width, height = min(EDGE_CELLS, grid.width), min(EDGE_CELLS, grid.height)
    coarse = Grid(grid.crs, grid.transform * Affine.scale(grid.width / width, grid.height / height), width, height)
    picks = [used.index((role, time)) for role in ("red", "nir", "lst")]
    with BandReader([chosen[i] for i in picks], coarse, "nearest").open() as reader:
        red, nir, lst = reader.read(Window(0, 0, width, height))
    if np.isfinite(lst).any() and np.nanmedian(lst) > 1000:
        raise InputError(
            f"LST in {_place(chosen[picks[2]])} has a median of {np.nanmedian(lst):.5g}, which is neither kelvin nor °C. Scale it with the raster calculator: MODIS × 0.02, Landsat Collection 2 × 0.00341802 + 149."
        )
    reflectances = {
        role: calibration.apply(values)[0]
        for role, calibration, values in zip(("red", "nir"), (calibrations[i] for i in picks), (red, nir))
        if calibration
    }
    edges = fit_edges(SPECTRAL_INDICES["ndvi"].compute(reflectances, ""), lst, time)
    progress.info(f"{f'{time}: ' if time else ''}{edges.text}.")
    if edges.dry[1] >= 0:
        progress.warning(
            f"{f'{time}: ' if time else ''}the dry edge does not fall with NDVI ({edges.dry[1]:+.2f} K per unit), so that tvdi and vtci say little about moisture. Clouds, water and great differences in height do this: mask them, or use a smaller, more level area."
        )
    return edges
