"""How outputs look when QGIS has loaded them: colours, and the times that its Temporal Controller plays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsClassificationRange,
    QgsDateTimeRange,
    QgsFeatureRequest,
    QgsGraduatedSymbolRenderer,
    QgsLayerTreeLayer,
    QgsMapLayerStyle,
    QgsMarkerSymbol,
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsRasterLayer,
    QgsRasterLayerTemporalProperties,
    QgsRendererRange,
    QgsSingleSymbolRenderer,
    QgsVectorLayer,
    QgsVectorLayerTemporalProperties,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QVariant

from sm_toolbox.files import remove_quietly

from .layers import utc_moment
from .styles import colour_ramp, renderer, style_of

# QGIS keeps no reference to a post-processor that Python made.
_alive: list[Presentation] = []
# The layers that the last run has loaded so far, each with its rank from the top.
_loaded: dict[str, tuple[bool, int, int]] = {}


class Presentation(QgsProcessingLayerPostProcessorInterface):
    """Styles an output of the toolbox, gives it its times and its place, once QGIS has loaded it.

    Parameters
    ----------
    step, place : int
        The number of the algorithm in its run, and of the output in it: QGIS loads files in the order of their names,
        which chance makes, and what a map is worth would hide the map.
    """

    def __init__(self, step: int = 0, place: int = 0):
        super().__init__()
        self._step, self._place = step, place

    @classmethod
    def attach_all(cls, destinations: Sequence[str], context) -> None:
        """Have the layers of an algorithm's outputs looked after, raster or vector, where QGIS will load them.

        Parameters
        ----------
        destinations : sequence of str
            What the algorithm returns for its outputs, the main one first: paths, or ids of layers.
        """
        # Those of a run before; the steps of a workflow all come before the first layer is loaded.
        _loaded.clear()
        step = 1 + max((processor._step for processor in _alive), default=0)
        for place, destination in enumerate(destinations):
            if context.willLoadLayerOnCompletion(destination):
                processor = cls(step, place)
                _alive.append(processor)
                details = context.layerToLoadOnCompletionDetails(destination)
                details.setPostProcessor(processor)
                if hasattr(details, "layerSortKey"):
                    # From the bottom, and later steps of a workflow on top.
                    details.layerSortKey = 100 * step - place

    def postProcessLayer(self, layer, context, feedback):
        if self in _alive:
            _alive.remove(self)
        try:
            self._put_in_place(layer, context.project())
            present(layer)
        except Exception as error:  # the layer itself is complete, and an exception here would end the whole dialog
            feedback.pushWarning(f"The colours and times of '{layer.name()}' are not set: {error}")

    def _put_in_place(self, layer, project) -> None:
        """Move the layer below those of its run that come before it: points, later steps, main outputs."""
        root = project.layerTreeRoot() if project is not None else None
        node = root.findLayer(layer.id()) if root is not None else None
        if node is None:
            return
        rank = _loaded[layer.id()] = (isinstance(layer, QgsRasterLayer), -self._step, self._place)
        siblings = [
            child.layerId() if isinstance(child, QgsLayerTreeLayer) else "" for child in node.parent().children()
        ]
        before = [number for number, other in enumerate(siblings) if _loaded.get(other, rank) < rank]
        if before and before[-1] > siblings.index(layer.id()):
            # QGIS takes a layer whose last node goes out of the project.
            node.parent().insertChildNode(before[-1] + 1, node.clone())
            node.parent().removeChildNode(node)


def present(layer) -> None:
    """Style a layer and set its times; one that has a style file beside it keeps the colours of that."""
    styled = not os.path.exists(os.path.splitext(layer.source().split("|")[0])[0] + ".qml")
    if not styled:
        # Processing loads layers without.
        layer.loadDefaultStyle()
    if isinstance(layer, QgsRasterLayer):
        present_raster(layer, styled)
    elif isinstance(layer, QgsVectorLayer) and layer.isSpatial():
        present_points(layer, styled)


# Rasters ------------------------------------------------------------------------------------------------------------

# Styles by name for more variables than this would only be a long list.
_MOST_STYLES = 40


def present_raster(layer, styled: bool = True) -> None:
    """Show the first date of the first variable on one range for all dates; other variables are further styles."""
    from sm_toolbox.raster.bands import read_bands
    from sm_toolbox.raster.opening import Source

    bands = read_bands([Source(layer.source())])
    variables: dict[str, list] = {}
    for band in sorted(bands, key=lambda band: band.index):
        variables.setdefault(band.variable, []).append(band)
    for shown in variables.values():
        shown.sort(key=lambda band: (band.time is not None, band.time.start if band.time else None, band.index))
    first = next(iter(variables))
    set_temporal_ranges(layer, bands, variables[first])
    if not styled:
        return
    manager = layer.styleManager()
    for name in [*list(variables)[1:_MOST_STYLES], first]:
        shown = [band.index for band in variables[name]]
        layer.setRenderer(renderer(style_of(name, variables), layer.dataProvider(), shown))
        if name != first:
            manager.addStyle(name, _style_now(layer))
    if len(variables) > 1:
        manager.renameStyle(manager.currentStyle(), first)
    layer.triggerRepaint()
    layer.emitStyleChanged()


def _style_now(layer) -> QgsMapLayerStyle:
    style = QgsMapLayerStyle()
    style.readFromLayer(layer)
    return style


def set_temporal_ranges(layer, bands: Sequence, shown: Sequence) -> None:
    """Give the bands of the variable that is shown their times, for the Temporal Controller.

    A band of another variable with the same time would take its place. Before QGIS 3.38 only a layer whose bands all
    have the same time has one.

    Parameters
    ----------
    bands, shown : sequence of Band
        All of the layer, and those of the variable that is shown.
    """
    ranges = {band.index: _range(band.time) for band in shown if band.time is not None}
    if not ranges:
        return
    properties = layer.temporalProperties()
    # A range of the whole layer would date its static bands, too.
    if len({band.time for band in bands}) == 1:
        properties.setMode(QgsRasterLayerTemporalProperties.ModeFixedTemporalRange)  # qt6: kept by QGIS
        properties.setFixedTemporalRange(next(iter(ranges.values())))
    elif hasattr(properties, "setFixedRangePerBand"):
        properties.setMode(Qgis.RasterTemporalMode.FixedRangePerBand)
        properties.setFixedRangePerBand(ranges)
    else:
        return
    properties.setIsActive(True)


def _range(time) -> QgsDateTimeRange:
    return QgsDateTimeRange(utc_moment(time.start), utc_moment(time.end), True, time.start == time.end)


# Points -------------------------------------------------------------------------------------------------------------

# What the colour of a point says, the first that its layer has: field or expression, the fields it needs, label, ramp,
# ends of the classes.
POINTS = (
    # A station that follows no product has no correlation with the truth, and is to be seen all the same.
    (
        'coalesce("correlation", 0)',
        ("correlation", "representative"),
        "correlation with the truth",
        "good",
        (0, 0.3, 0.5, 0.7, 0.8, 0.9),
    ),
    ("ubrmse", ("ubrmse",), "ubRMSE [m³ m⁻³]", "error", (0, 0.02, 0.04, 0.06, 0.08, 0.1)),
    ("residual", ("residual", "predicted"), "residual [m³ m⁻³]", "diverging", (-0.1, -0.05, -0.02, 0.02, 0.05, 0.1)),
    (
        '"predicted" - "observed"',
        ("predicted", "observed"),
        "predicted − observed [m³ m⁻³]",
        "diverging",
        (-0.1, -0.05, -0.02, 0.02, 0.05, 0.1),
    ),
    ("soil_moisture", ("soil_moisture",), "soil moisture [m³ m⁻³]", "moisture", (0, 0.1, 0.2, 0.3, 0.4, 0.5)),
    ("value", ("value", "station"), "soil moisture [m³ m⁻³]", "moisture", (0, 0.1, 0.2, 0.3, 0.4, 0.5)),
)


def present_points(layer, styled: bool = True) -> None:
    """Colour points by what matters most of them, and let the Temporal Controller play rows that have a time."""
    fields = layer.fields()
    if styled and layer.geometryType() == QgsWkbTypes.GeometryType.PointGeometry:
        for expression, needed, label, ramp, ends in POINTS:
            if all(fields.lookupField(name) >= 0 for name in needed):
                layer.setRenderer(_graduated(expression, label, ramp, ends))
                break
        else:
            layer.setRenderer(QgsSingleSymbolRenderer(_marker("#2b83ba")))
        _draw_first_date_last(layer)
        layer.triggerRepaint()
        layer.emitStyleChanged()
    time = fields.lookupField("time")
    if time >= 0 and fields.at(time).type() in (QVariant.Date, QVariant.DateTime):
        properties = layer.temporalProperties()
        properties.setMode(QgsVectorLayerTemporalProperties.ModeFeatureDateTimeInstantFromField)  # qt6: kept by QGIS
        properties.setStartField("time")
        properties.setIsActive(True)


# To sort more rows would slow down every drawing of the map.
_MOST_SORTED = 200_000


def _draw_first_date_last(layer) -> None:
    """Have the rows of a station's first date lie on top of its others, as rasters show their first date, too."""
    if layer.fields().lookupField("time") >= 0 and layer.featureCount() <= _MOST_SORTED:
        latest_first = QgsFeatureRequest.OrderByClause('"time"', False)
        layer.renderer().setOrderBy(QgsFeatureRequest.OrderBy([latest_first]))
        layer.renderer().setOrderByEnabled(True)


def _marker(colour):
    return QgsMarkerSymbol.createSimple(
        {"name": "circle", "color": colour, "outline_color": "#333333", "outline_width": "0.2", "size": "3"}
    )


def _graduated(expression: str, label: str, ramp: str, ends: Sequence[float]) -> QgsGraduatedSymbolRenderer:
    """Return a renderer with fixed classes, open at both ends where the scale is not bound by zero."""
    colours = colour_ramp(ramp)
    bounds = [*ends, 1e6] if ends[0] == 0 else [-1e6, *ends, 1e6]
    classes = []
    for i, (low, high) in enumerate(zip(bounds, bounds[1:])):
        text = f"> {low:g}" if high == 1e6 else (f"< {high:g}" if low == -1e6 else f"{low:g} – {high:g}")
        marker = _marker(colours.color(i / (len(bounds) - 2)).name())
        classes.append(
            QgsRendererRange(QgsClassificationRange(f"{text}  {label}" if i == 0 else text, low, high), marker)
        )
    made = QgsGraduatedSymbolRenderer(expression, classes)
    made.setSourceColorRamp(colours)
    return made


# Style files --------------------------------------------------------------------------------------------------------


def write_style_beside(path: Path) -> None:
    """Write the style of a raster or of points beside the file, where QGIS finds it for everybody."""
    style = path.with_suffix(".qml")
    remove_quietly(str(style))
    layer = _open(path)
    if layer.isValid():
        present(layer)
        layer.saveNamedStyle(str(style))
    # GDAL notes the statistics that were asked for in a file of its own as soon as it closes the raster.
    del layer
    remove_quietly(f"{path}.aux.xml")


def _open(path: Path):
    if path.suffix == ".tif":
        return QgsRasterLayer(str(path), path.stem)
    return QgsVectorLayer(str(path), path.stem, "ogr")


# Groups -------------------------------------------------------------------------------------------------------------


class Grouped(Presentation):
    """Puts a layer into a group of the project, in a certain order, too.

    Parameters
    ----------
    group : str
    order : sequence of str
        Names of the layers of the group, from the top.
    visible : bool
    """

    def __init__(self, group: str, order: Sequence[str], visible: bool):
        super().__init__()
        self._group, self._order, self._visible = group, order, visible

    @classmethod
    def load(cls, paths: Sequence[Path], shown: Sequence[str], group: str, context) -> None:
        """Have QGIS load files as layers of a group when the algorithm has ended; only those in `shown` are visible."""
        order = [path.stem for path in paths]
        for path in paths:
            details = QgsProcessingContext.LayerDetails(path.stem, context.project(), path.stem)
            processor = cls(group, order, path.stem in shown)
            _alive.append(processor)
            details.setPostProcessor(processor)
            context.addLayerToLoadOnCompletion(str(path), details)

    def postProcessLayer(self, layer, context, feedback):
        super().postProcessLayer(layer, context, feedback)
        root = context.project().layerTreeRoot()
        node = root.findLayer(layer.id())
        if node is None:
            return
        group = root.findGroup(self._group) or root.insertGroup(0, self._group)
        place = self._order.index(layer.name()) if layer.name() in self._order else len(self._order)
        moved = node.clone()
        moved.setItemVisibilityChecked(self._visible)
        moved.setExpanded(False)
        # QGIS adds a layer beside the one that is current, which may be in this group already; and it takes a layer
        # whose last node goes out of the project.
        index = 0
        for number, child in enumerate(group.children()):
            if child != node and child.name() in self._order and self._order.index(child.name()) < place:
                index = number + 1
        group.insertChildNode(index, moved)
        node.parent().removeChildNode(node)
