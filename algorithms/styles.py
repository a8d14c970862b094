"""How variables look in QGIS: one table, from which layers are styled and `make styles` writes resources/styles."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qgis.core import (
    QgsColorRampShader,
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsPalettedRasterRenderer,
    QgsRasterShader,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

RAMPS = {
    "moisture": ("#7f3b08", "#b35806", "#e0a458", "#f6e8c3", "#a6d5e8", "#4393c3", "#08306b"),
    "error": ("#fff7ec", "#fdd49e", "#fc8d59", "#d7301f", "#7f0000"),
    "good": ("#fcfdbf", "#c7e9b4", "#41b6c4", "#225ea8", "#081d58"),
    "viridis": ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"),
    "dry_to_wet": ("#8c510a", "#d8b365", "#f5f5f5", "#5aaed6", "#08519c"),
    "diverging": ("#b2182b", "#ef8a62", "#fddbc7", "#f7f7f7", "#d1e5f0", "#67a9cf", "#2166ac"),
    "cyclic": ("#e2d9e2", "#6276ba", "#2f1436", "#b25652", "#e2d9e2"),
    "vegetation": ("#a6611a", "#dfc27d", "#f5f5dc", "#80b46c", "#1b7837", "#00441b"),
    "terrain": ("#2d6a4f", "#95c88b", "#f1e8b8", "#c49a6c", "#8b5e3c", "#f7f7f7"),
    "heat": ("#000004", "#51127c", "#b73779", "#fc8961", "#fcfdbf"),
    "grey": ("#000000", "#ffffff"),
    "drought": ("#730000", "#e60000", "#ffaa00", "#fcd37f", "#ffff00", "#f2f2f2", "#a6d5e8", "#4393c3"),
    "blue": ("#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"),
    "soil": ("#fff8e7", "#e3c08f", "#b07b46", "#6b4423"),
}
"""Colours from the lowest to the highest value, at equal distances."""


@dataclass(frozen=True)
class Style:
    """How one kind of variable is drawn.

    Parameters
    ----------
    name : str
        The file in resources/styles.
    pattern : str
        Regular expression of the whole name of the variable.
    ramp : str
        Of `RAMPS`; empty for classes.
    low, high : float, optional
        The range, the same for all dates; an end that is not set is taken from the data.
    symmetric : bool
        Whether the range from the data has zero in its middle.
    classes : tuple of (value, colour, label)
        What the values of a class mean; where the data have others, these are shown without a meaning.
    steps : tuple of (value, colour, label)
        Classes of a range: the highest value of each.
    among : str
        A variable that must be in the same file, for names that mean two things.
    """

    name: str
    pattern: str
    ramp: str = ""
    low: float | None = None
    high: float | None = None
    symmetric: bool = False
    classes: tuple[tuple[float, str, str], ...] = ()
    steps: tuple[tuple[float, str, str], ...] = ()
    among: str = ""


# As MODIS has them (MCD12, LC_Type1), in the colours of its documents.
_IGBP = (
    (1, "#05450a", "evergreen needleleaf forest"),
    (2, "#086a10", "evergreen broadleaf forest"),
    (3, "#54a708", "deciduous needleleaf forest"),
    (4, "#78d203", "deciduous broadleaf forest"),
    (5, "#009900", "mixed forest"),
    (6, "#c6b044", "closed shrubland"),
    (7, "#dcd159", "open shrubland"),
    (8, "#dade48", "woody savanna"),
    (9, "#fbff13", "savanna"),
    (10, "#b6ff05", "grassland"),
    (11, "#27ff87", "permanent wetland"),
    (12, "#c24f44", "cropland"),
    (13, "#a5a5a5", "urban and built-up"),
    (14, "#ff6d4c", "cropland and natural vegetation"),
    (15, "#69fff8", "snow and ice"),
    (16, "#f9ffa4", "barren"),
    (17, "#1c0dff", "water"),
)
# Scene classification of Sentinel-2's level 2A, in the colours of its documents.
_SCENE_CLASSES = (
    (0, "#000000", "no data"),
    (1, "#ff0000", "saturated or defective"),
    (2, "#2f2f2f", "dark or topographic shadow"),
    (3, "#643200", "cloud shadow"),
    (4, "#00a000", "vegetation"),
    (5, "#ffe65a", "not vegetated"),
    (6, "#0000ff", "water"),
    (7, "#808080", "unclassified"),
    (8, "#c0c0c0", "cloud, medium probability"),
    (9, "#ffffff", "cloud, high probability"),
    (10, "#64c8ff", "thin cirrus"),
    (11, "#ff96ff", "snow or ice"),
)
_PART = r"(_[a-z0-9]+)?"
STYLES = (
    Style(
        "flag",
        rf"flag{_PART}",
        classes=(
            (0, "#1a9850", "resolved"),
            (1, "#bdbdbd", "too few common samples"),
            (2, "#fee08b", "two products not significantly positively correlated"),
            (3, "#fc8d59", "negative error variance"),
            (4, "#d73027", "correlation outside 0 to 1"),
        ),
    ),
    Style("source", "source", classes=((1, "#2b83ba", "the model"), (2, "#fdae61", "the fallback model"))),
    Style(
        "applicable",
        "applicable",
        classes=(
            (0, "#d7301f", "unlike the training: the map is a guess"),
            (1, "#74c476", "like the training: the error of the report holds"),
        ),
    ),
    Style("land_cover", r"land_?cover|igbp|lc_type1", classes=_IGBP),
    Style("scene_classes", "scl|scene_class(ification|es)?", classes=_SCENE_CLASSES),
    Style("trend", r"slope(_per_step|_low|_high)?", "dry_to_wet", symmetric=True, among="slope_per_step"),
    Style(
        "drought",
        r".+_percentile",
        "drought",
        0,
        100,
        steps=tuple(
            zip(
                (2, 5, 10, 20, 30, 70, 90, 100),
                RAMPS["drought"],
                (
                    "up to 2: D4, exceptional drought",
                    "2 to 5: D3, extreme drought",
                    "5 to 10: D2, severe drought",
                    "10 to 20: D1, moderate drought",
                    "20 to 30: D0, abnormally dry",
                    "30 to 70: as usual",
                    "70 to 90: wet",
                    "above 90: very wet",
                ),
            )
        ),
    ),
    Style("moisture_anomaly", r"(soil_moisture|sm|root_zone_soil_moisture)_anomaly", "diverging", -0.1, 0.1),
    Style("anomaly", r".+_anomaly", "diverging", symmetric=True),
    Style("standardized", r".+_z", "diverging", -3, 3),
    Style("p_value", r"p_value|p_[a-e]{2}", "error", 0, 0.2),
    Style("variance", r".+_variance", "error", 0),
    Style("count", r"n|samples|.+_(count|n)" + _PART, "good", 0),
    Style(
        "spread",
        r"((scaled_error_[a-e]|error_[a-e]|merged_error|average_error|expected_error)" + _PART + "|ubrmse|rmse)",
        "error",
        0,
        0.1,
    ),
    Style("moisture_spread", r"(soil_moisture|sm)_sd", "error", 0, 0.15),
    Style(
        "soil_moisture",
        r"(soil_moisture|root_zone_soil_moisture|sm|value)(_(min|mean|max|median|q\d+|[a-e]))?",
        "moisture",
        0,
        0.5,
    ),
    Style("weight", r"weight_[a-e]" + _PART, "viridis", 0, 1),
    Style("correlation", r"r|correlation|(correlation|r)_[a-e]+" + _PART, "good", 0, 1),
    Style("signal_to_noise", r"snr_[a-e]" + _PART, "dry_to_wet", -10, 10),
    Style("sensitivity", r"sensitivity_[a-e]" + _PART, "viridis", 0),
    Style("dissimilarity", "dissimilarity", "error", 0),
    Style("bias", r"(bias|difference|residual)" + _PART, "diverging", -0.1, 0.1),
    Style("curvature", r".*curvature", "diverging", symmetric=True),
    Style("aspect", "aspect", "cyclic", 0, 360),
    Style("direction", "northness|eastness", "diverging", -1, 1),
    Style("elevation", "elevation|dem|dtm|altitude", "terrain"),
    Style("slope", "slope", "heat", 0),
    Style("roughness", "roughness|vector_ruggedness", "viridis", 0),
    Style("wetness_index", "twi", "dry_to_wet"),
    Style("relative_wetness", "relative_wetness|soil_water_index", "moisture", 0, 1),
    Style("vegetation", r"(ndvi|savi|vari|evi)(_(min|mean|max|median))?", "vegetation", -0.2, 0.9),
    Style("water_index", r"(ndwi|ndii|gvmi).*", "dry_to_wet", -0.6, 0.6),
    Style("dryness_index", "tvdi|vtci", "vegetation", 0, 1),
    Style("albedo", r"albedo.*", "grey", 0, 0.5),
    Style("reflectance", r"(red|green|blue|nir|swir)[_0-9]*", "grey", 0, 0.5),
    Style("temperature", r"lst.*|delta_lst.*|temperature.*", "heat"),
    Style("thermal_inertia", "ati", "dry_to_wet"),
    Style("soil", "sand|clay|silt", "soil", 0),
    Style("water_capacity", "awc", "blue", 0),
    Style("vv", r"vv(_(min|mean|max))?", "grey", -20, -5),
    Style("vh", r"vh(_(min|mean|max))?", "grey", -28, -10),
    Style("rain", r"(rain|api|precipitation).*", "blue", 0),
)
FALLBACK = Style("any", ".*", "viridis")


def style_of(variable: str, others: Iterable[str] = ()) -> Style:
    """Return how a variable is drawn, in a file that has others."""
    others = set(others)
    return next(
        (item for item in STYLES if re.fullmatch(item.pattern, variable) and (not item.among or item.among in others)),
        FALLBACK,
    )


def colour_ramp(name: str) -> QgsGradientColorRamp:
    """Return a ramp of `RAMPS` as QGIS knows it."""
    colours = [QColor(colour) for colour in RAMPS[name]]
    stops = [QgsGradientStop(i / (len(colours) - 1), colour) for i, colour in enumerate(colours)]
    return QgsGradientColorRamp(colours[0], colours[-1], False, stops[1:-1])


def renderer(style: Style, provider, bands: Sequence[int]):
    """Return the renderer of a variable: it shows the first of its bands that has data, and its range serves all.

    Parameters
    ----------
    provider : QgsRasterDataProvider or None
        Where a range is to come from the data; without one it is 0 to 1.
    """
    shown = bands[0] if provider is None else _first_filled(provider, bands)
    if style.classes:
        classes = [
            QgsPalettedRasterRenderer.Class(value, QColor(colour), label)
            for value, colour, label in (style.classes if provider is None else _classes(style, provider, bands))
        ]
        return QgsPalettedRasterRenderer(provider, shown, classes)
    low, high = value_range(style, provider, bands)
    shader = QgsColorRampShader(low, high, colour_ramp(style.ramp))
    if style.steps:
        shader.setColorRampType(QgsColorRampShader.Type.Discrete)
        shader.setColorRampItemList(
            [QgsColorRampShader.ColorRampItem(value, QColor(colour), label) for value, colour, label in style.steps]
        )
    else:
        shader.classifyColorRamp(0, shown)
    raster_shader = QgsRasterShader(low, high)
    raster_shader.setRasterShaderFunction(shader)
    made = QgsSingleBandPseudoColorRenderer(provider, shown, raster_shader)
    made.setClassificationMin(low)
    made.setClassificationMax(high)
    return made


# Further values than a legend can tell apart are no classes, whatever the band is called.
_MOST_CLASSES = 60


def _classes(style: Style, provider, bands: Sequence[int]) -> list[tuple[float, str, str]]:
    """Return the classes of a style, or the values of the data in colours of a ramp, where they are of another kind."""
    found = {value for band in bands[:_SAMPLED_BANDS] for value in _values(provider, band)}
    if found <= {value for value, _, _ in style.classes} or len(found) > _MOST_CLASSES:
        return list(style.classes)
    ramp = colour_ramp("viridis")
    return [
        (value, ramp.color(place / max(1, len(found) - 1)).name(), f"{value:g}")
        for place, value in enumerate(sorted(found))
    ]


def _values(provider, band: int) -> set[float]:
    """Return the values of a band, as a picture of at most `_SAMPLED_CELLS` shows them."""
    shrink = max(1.0, math.sqrt(provider.xSize() * provider.ySize() / _SAMPLED_CELLS))
    width, height = max(1, int(provider.xSize() / shrink)), max(1, int(provider.ySize() / shrink))
    block = provider.block(band, provider.extent(), width, height)
    return {block.value(i) for i in range(width * height) if not block.isNoData(i)}


def value_range(style: Style, provider, bands: Sequence[int]) -> tuple[float, float]:
    """Return the range of colours: that of the style where it fits the data, else the data's own."""
    extremes = _extremes(provider, bands) if provider is not None else None
    low, high = style.low, style.high
    if extremes is None:
        return (0.0 if low is None else low), (1.0 if high is None else high)
    if low is not None and high is not None:
        span = high - low
        if extremes[0] >= low - 2 * span and extremes[1] <= high + 2 * span:
            return low, high
        low = high = None
    least, most = extremes
    if style.symmetric:
        most = max(abs(least), abs(most))
        least = -most
    low, high = (least if low is None else min(low, least)), (most if high is None else high)
    return (low, high) if high > low else (low, low + 1)


# A record of years has hundreds of bands; so many of them tell its range.
_SAMPLED_BANDS = 8
_SAMPLED_CELLS = 100_000


# A record that begins with more empty dates than this is better looked at by hand.
_MOST_EMPTY = 100


def _first_filled(provider, bands: Sequence[int]) -> int:
    """Return the first band that has data: a filter over time has none on its first dates, and an empty map would look
    like a run that failed.
    """
    for band in bands[:_MOST_EMPTY]:
        stats = provider.bandStatistics(band, extent=provider.extent(), sampleSize=_SAMPLED_CELLS)
        if stats.elementCount > 0 and math.isfinite(stats.mean):
            return band
    return bands[0]


def _extremes(provider, bands: Sequence[int]) -> tuple[float, float] | None:
    """Return the range of most values, so that one odd cell does not set it: 99 % of a normal distribution."""
    step = max(1, math.ceil(len(bands) / _SAMPLED_BANDS))
    lows, highs = [], []
    for band in bands[::step]:
        stats = provider.bandStatistics(band, extent=provider.extent(), sampleSize=_SAMPLED_CELLS)
        least, most, mean, spread = stats.minimumValue, stats.maximumValue, stats.mean, stats.stdDev
        if all(map(math.isfinite, (least, most, mean, spread))) and least <= most:
            lows.append(max(least, mean - 2.6 * spread))
            highs.append(min(most, mean + 2.6 * spread))
    return (min(lows), max(highs)) if lows and abs(min(lows)) < 1e30 and abs(max(highs)) < 1e30 else None
