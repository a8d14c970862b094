"""Tells QGIS the times of the rasters that it loads, so that its Temporal Controller shows them."""

from __future__ import annotations

from qgis.core import Qgis, QgsDateTimeRange, QgsProcessingLayerPostProcessorInterface, QgsRasterLayerTemporalProperties

from sm_toolbox.errors import ToolboxError

from .layers import utc_moment

# QGIS keeps no reference to a post-processor that Python made.
_alive: list[SetTemporalRanges] = []


class SetTemporalRanges(QgsProcessingLayerPostProcessorInterface):
    """Gives each dated band its time range; before QGIS 3.38 only a layer whose bands all have the same time."""

    @classmethod
    def attach(cls, path: str, context) -> None:
        """Have the layer of a raster output looked after, where QGIS will load it."""
        if context.willLoadLayerOnCompletion(path):
            processor = cls()
            _alive.append(processor)
            context.layerToLoadOnCompletionDetails(path).setPostProcessor(processor)

    def postProcessLayer(self, layer, context, feedback):
        if self in _alive:
            _alive.remove(self)
        try:
            set_temporal_ranges(layer)
        except ToolboxError as error:
            # The layer itself is complete.
            feedback.pushWarning(f"The times of '{layer.name()}' are not set: {error}")


def set_temporal_ranges(layer) -> None:
    """Set the temporal ranges of a raster layer from the names of its bands."""
    from sm_toolbox.raster.bands import Source, read_bands

    bands = read_bands([Source(layer.source())])
    ranges = {band.index: _range(band.time) for band in bands if band.time is not None}
    if not ranges:
        return
    properties = layer.temporalProperties()
    # A range of the whole layer would date its static bands, too.
    if len(ranges) == len(bands) and len({band.time for band in bands}) == 1:
        properties.setMode(QgsRasterLayerTemporalProperties.ModeFixedTemporalRange)  # qt6: kept by QGIS
        properties.setFixedTemporalRange(ranges[1])
    elif hasattr(properties, "setFixedRangePerBand"):
        properties.setMode(Qgis.RasterTemporalMode.FixedRangePerBand)
        properties.setFixedRangePerBand(ranges)
    else:
        return
    properties.setIsActive(True)


def _range(time) -> QgsDateTimeRange:
    return QgsDateTimeRange(utc_moment(time.start), utc_moment(time.end), True, time.start == time.end)
