"""Times of the layers that QGIS loads, for its Temporal Controller."""

import numpy as np
import pytest
from qgis.core import (
    Qgis,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRasterLayerTemporalProperties,
)

CELLS = np.arange(20, dtype=np.float32).reshape(4, 5)


@pytest.fixture
def composite(plugin, write_raster, tmp_path):
    """A function that runs an algorithm whose output QGIS loads, and returns the layer as it is then."""

    def composite(descriptions, **parameters):
        source = write_raster("in.tif", np.stack([CELLS] * len(descriptions)), descriptions)
        output = str(tmp_path / "out.tif")
        context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
        context.setProject(QgsProject.instance())
        context.addLayerToLoadOnCompletion(output, QgsProcessingContext.LayerDetails("out", QgsProject.instance(), "OUTPUT"))
        algorithm = plugin.provider.algorithm("temporalcomposite").create()
        _, done = algorithm.run({"INPUT": [source.path], "OUTPUT": output, **parameters}, context, feedback)
        assert done, feedback.textLog()
        layer = QgsRasterLayer(output, "out")
        processor = context.layerToLoadOnCompletionDetails(output).postProcessor()
        processor.postProcessLayer(layer, context, feedback)
        return layer

    return composite


def test_one_month_is_the_range_of_the_layer(composite):
    layer = composite(["ndvi@2018-06-01", "ndvi@2018-06-17"], PERIOD="month")
    properties = layer.temporalProperties()
    assert properties.isActive() and properties.mode() == QgsRasterLayerTemporalProperties.ModeFixedTemporalRange  # qt6: kept by QGIS
    found = properties.fixedTemporalRange()
    assert (found.begin().toString("yyyy-MM-dd hh:mm"), found.end().toString("yyyy-MM-dd hh:mm")) == ("2018-06-01 00:00", "2018-07-01 00:00")
    assert found.includeBeginning() and not found.includeEnd()


@pytest.mark.skipif(Qgis.QGIS_VERSION_INT < 33800, reason="QGIS has ranges of bands from 3.38 on")
def test_bands_have_ranges_of_their_own(composite):
    layer = composite(["ndvi@2018-06-01", "ndvi@2018-07-17"], PERIOD="day")
    properties = layer.temporalProperties()
    assert properties.isActive() and properties.mode() == Qgis.RasterTemporalMode.FixedRangePerBand
    found = properties.fixedRangePerBand()
    assert (
        sorted(found) == [1, 2] and found[2].begin().toString("yyyy-MM-dd") == "2018-07-17" and found[2].end().toString("yyyy-MM-dd") == "2018-07-18"
    )


@pytest.mark.skipif(Qgis.QGIS_VERSION_INT >= 33800, reason="QGIS has ranges of bands from 3.38 on")
def test_before_there_are_ranges_of_bands_nothing_is_claimed(composite):
    layer = composite(["ndvi@2018-06-01", "ndvi@2018-07-17"], PERIOD="day")
    assert not layer.temporalProperties().isActive()
