"""Colours and times of the layers that QGIS loads."""

from pathlib import Path

import numpy as np
import pytest
from qgis.core import (
    Qgis,
    QgsDateTimeRange,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRasterLayerTemporalProperties,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QSize, Qt, QTime
from qgis.PyQt.QtGui import QColor

CELLS = np.arange(20, dtype=np.float32).reshape(4, 5)


@pytest.fixture
def composite(plugin, write_raster, tmp_path):
    """A function that runs an algorithm whose output QGIS loads, and returns the layer as it is then."""

    def composite(descriptions, **parameters):
        source = write_raster("in.tif", np.stack([CELLS] * len(descriptions)), descriptions)
        output = str(tmp_path / "out.tif")
        context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
        context.setProject(QgsProject.instance())
        context.addLayerToLoadOnCompletion(
            output, QgsProcessingContext.LayerDetails("out", QgsProject.instance(), "OUTPUT")
        )
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
    fixed = QgsRasterLayerTemporalProperties.ModeFixedTemporalRange  # qt6: kept by QGIS
    assert properties.isActive() and properties.mode() == fixed
    found = properties.fixedTemporalRange()
    assert (found.begin().toString("yyyy-MM-dd hh:mm"), found.end().toString("yyyy-MM-dd hh:mm")) == (
        "2018-06-01 00:00",
        "2018-07-01 00:00",
    )
    assert found.includeBeginning() and not found.includeEnd()


@pytest.mark.skipif(Qgis.QGIS_VERSION_INT < 33800, reason="QGIS has ranges of bands from 3.38 on")
def test_bands_have_ranges_of_their_own(composite):
    layer = composite(["ndvi@2018-06-01", "ndvi@2018-07-17"], PERIOD="day")
    properties = layer.temporalProperties()
    assert properties.isActive() and properties.mode() == Qgis.RasterTemporalMode.FixedRangePerBand
    found = properties.fixedRangePerBand()
    assert (
        sorted(found) == [1, 2]
        and found[2].begin().toString("yyyy-MM-dd") == "2018-07-17"
        and found[2].end().toString("yyyy-MM-dd") == "2018-07-18"
    )


@pytest.mark.skipif(Qgis.QGIS_VERSION_INT >= 33800, reason="QGIS has ranges of bands from 3.38 on")
def test_before_there_are_ranges_of_bands_nothing_is_claimed(composite):
    layer = composite(["ndvi@2018-06-01", "ndvi@2018-07-17"], PERIOD="day")
    assert not layer.temporalProperties().isActive()


# Colours ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(write_raster):
    """A function that writes bands and returns the layer as the toolbox presents it."""

    def shown(bands, names):
        from soil_moisture_toolbox.algorithms.presentation import present

        layer = QgsRasterLayer(write_raster("shown.tif", np.asarray(bands, np.float32), names).path, "shown")
        present(layer)
        return layer

    return shown


def colours(layer, band=None):
    """Return the colours of the cells of a layer as it is drawn, or with another band in its place."""
    made = layer.renderer().clone()
    made.setInput(layer.dataProvider())
    if band is not None:
        made.setInputBand(band) if hasattr(made, "setInputBand") else made.setBand(band)
    block = made.block(1, layer.extent(), layer.width(), layer.height())
    return [QColor(block.color(row, column)).name() for row in range(layer.height()) for column in range(layer.width())]


def test_soil_moisture_is_drawn_on_one_range_for_all_dates_from_the_first_on(plugin, shown):
    dry, wet = np.full((4, 5), 0.05), np.full((4, 5), 0.4)
    layer = shown([wet, dry, dry], ["soil_moisture@2018-06-17", "soil_moisture@2018-06-01", "soil_moisture@2018-06-09"])
    made = layer.renderer()
    assert made.type() == "singlebandpseudocolor"
    assert (made.classificationMin(), made.classificationMax()) == (0.0, 0.5)
    assert made.usesBands() == [2], "the first date"
    brown, blue = QColor(colours(layer)[0]), QColor(colours(layer, 1)[0])
    assert brown.red() > brown.blue() and blue.blue() > blue.red()


def test_dates_without_data_are_passed_over(plugin, shown):
    """The first days of a filter over time are empty: shown, they would look like a run that failed."""
    empty = np.full((4, 5), np.nan)
    layer = shown([empty, empty, CELLS / 40], [f"soil_moisture@2018-06-0{day}" for day in (1, 2, 3)])
    assert layer.renderer().usesBands() == [3]
    layer = shown([empty, empty], ["flag@2018-06-01", "flag@2018-06-02"])
    assert layer.renderer().usesBands() == [1]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("soil_moisture", (5, 45), (5, 45)),  # in percent: the range of the data
        ("soil_moisture_q05", (0.1, 0.3), (0, 0.5)),
        ("error_a", (0.01, 0.05), (0, 0.1)),
        ("ubrmse", (0.01, 0.05), (0, 0.1)),
        ("r", (0.7, 0.95), (0, 1)),
        ("bias", (-0.02, 0.03), (-0.1, 0.1)),
        ("profile_curvature", (-0.01, 0.03), (-0.03, 0.03)),
        ("aspect", (10, 350), (0, 360)),
        ("ndvi", (0.1, 0.8), (-0.2, 0.9)),
        ("nobody_knows", (-3, 7), (-3, 7)),
    ],
)
def test_ranges_are_fixed_where_the_variable_is_known_and_fits(plugin, shown, name, values, expected):
    layer = shown([np.linspace(*values, 20).reshape(4, 5)], [name])
    made = layer.renderer()
    assert (made.classificationMin(), made.classificationMax()) == pytest.approx(expected, abs=1e-6)


def test_the_slope_of_a_trend_is_no_slope_of_land(plugin, shown):
    layer = shown([CELLS / 20, CELLS, CELLS, CELLS], ["slope", "slope_per_step", "p_value", "n"])
    assert layer.renderer().classificationMin() == -layer.renderer().classificationMax()
    layer = shown([CELLS], ["slope"])
    assert layer.renderer().classificationMin() == 0


def test_classes_say_their_reason(plugin, shown):
    layer = shown([CELLS % 5], ["flag"])
    labels = [item.label for item in layer.renderer().classes()]
    assert (
        layer.renderer().type() == "paletted"
        and labels[0] == "resolved"
        and len(labels) == 5
        and "negative error variance" in labels
    )
    layer = shown([CELLS % 2 + 1], ["source@2018-06-01"])
    assert "fallback" in layer.renderer().classes()[1].label


@pytest.mark.parametrize(
    ("name", "values", "labels"),
    [
        ("land_cover@2019", CELLS % 3 + 10, {"grassland", "permanent wetland", "cropland"}),
        ("scl@2019-06-01", CELLS % 12, {"vegetation", "thin cirrus", "water"}),
        ("landcover", 10 * (CELLS % 3) + 10, {"10", "20", "30"}),  # of ESA WorldCover, say: no legend of ours
    ],
)
def test_classes_of_land_are_no_ramp(plugin, shown, name, values, labels):
    layer = shown([values], [name])
    assert layer.renderer().type() == "paletted" and labels <= {item.label for item in layer.renderer().classes()}
    assert len(set(colours(layer))) == len(np.unique(values)), "each value has a colour of its own"


def test_the_other_variables_of_a_file_are_styles_to_choose(plugin, shown):
    layer = shown([CELLS / 20, CELLS, CELLS % 5], ["weight_a", "samples", "flag"])
    manager = layer.styleManager()
    assert set(manager.styles()) == {"weight_a", "samples", "flag"} and manager.currentStyle() == "weight_a"
    manager.setCurrentStyle("flag")
    assert layer.renderer().type() == "paletted" and layer.renderer().usesBands() == [3]


def test_a_style_of_the_users_own_beside_the_file_stays(plugin, write_raster, tmp_path):
    from soil_moisture_toolbox.algorithms.presentation import present

    path = write_raster("own.tif", CELLS, ["soil_moisture"]).path
    (tmp_path / "own.qml").write_text("")
    layer = QgsRasterLayer(path, "own")
    before = layer.renderer().type()
    present(layer)
    assert layer.renderer().type() == before


def test_stations_are_graduated_by_their_error(plugin, point_layer):
    from soil_moisture_toolbox.algorithms.presentation import present

    layer = point_layer([("station", "string"), ("ubrmse", "double")], [(0, 0, "a", 0.01), (1, 1, "b", 0.5)])
    present(layer)
    made = layer.renderer()
    assert made.classAttribute() == "ubrmse" and "ubRMSE" in made.ranges()[0].label()
    assert made.rangeForValue(0.01).label() != made.rangeForValue(0.5).label(), "large errors have a class, too"


def test_of_rows_at_one_place_the_first_date_is_seen(plugin, point_layer):
    """As of a raster beside it; the other dates are the Temporal Controller's."""
    from soil_moisture_toolbox.algorithms.presentation import present

    rows = [(0, 0, "a", "2019-06-02", 0.45), (0, 0, "a", "2019-06-01", 0.05), (0, 0, "a", "2019-06-03", 0.45)]
    layer = point_layer([("station", "string"), ("time", "string"), ("soil_moisture", "double")], rows)
    present(layer)
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(QgsRectangle(-1, -1, 1, 1))
    settings.setOutputSize(QSize(41, 41))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    seen = job.renderedImage().pixelColor(20, 20)
    assert seen.red() > seen.blue(), "the driest, which is the first"


def test_files_of_styles_are_those_of_the_table(plugin, write_raster):
    from soil_moisture_toolbox.algorithms.styles import RAMPS, STYLES

    folder = Path(__file__).parents[2] / "resources" / "styles"
    layer = QgsRasterLayer(write_raster("cell.tif", CELLS, ["x"]).path, "cell")
    fixed = [item for item in STYLES if item.classes or None not in (item.low, item.high)]
    assert {path.stem for path in folder.glob("*.qml")} == {item.name for item in fixed} | {
        "stations_ubrmse",
        "stations_soil_moisture",
    }
    for item in fixed:
        _, loaded = layer.loadNamedStyle(str(folder / f"{item.name}.qml"))
        made = layer.renderer()
        assert loaded, item.name
        if item.classes:
            assert [(c.value, c.color.name(), c.label) for c in made.classes()] == list(item.classes), (
                f"make styles: {item.name}"
            )
        else:
            assert (made.classificationMin(), made.classificationMax()) == (item.low, item.high), (
                f"make styles: {item.name}"
            )
            assert made.shader().rasterShaderFunction().sourceColorRamp().color1().name() == RAMPS[item.ramp][0], (
                f"make styles: {item.name}"
            )


def test_output_layers_of_both_kinds_are_looked_after(plugin, point_layer):
    from soil_moisture_toolbox.algorithms.presentation import Presentation

    context = QgsProcessingContext()
    layer = point_layer([("ubrmse", "double")], [(0, 0, 0.01)])
    context.temporaryLayerStore().addMapLayer(layer)
    context.addLayerToLoadOnCompletion(
        layer.id(), QgsProcessingContext.LayerDetails("stations", QgsProject.instance(), "OUTPUT")
    )
    Presentation.attach_all(["not loaded", layer.id()], context)
    context.layerToLoadOnCompletionDetails(layer.id()).postProcessor().postProcessLayer(
        layer, context, QgsProcessingFeedback()
    )
    assert layer.renderer().type() == "graduatedSymbol"


def test_what_a_map_is_worth_does_not_hide_the_map(plugin, write_raster, point_layer, no_main_window):
    """QGIS loads files in the order of their names: here the worst there is."""
    from processing.gui.Postprocessing import handleAlgorithmResults
    from soil_moisture_toolbox.algorithms.presentation import Presentation

    project, unloaded = QgsProject(), QgsProcessingContext()
    # As of a script, which loads nothing.
    unloaded.addLayerToLoadOnCompletion("never", QgsProcessingContext.LayerDetails("never", project, "never"))
    Presentation.attach_all(["never"], unloaded)
    for run in range(2):
        context = QgsProcessingContext()
        context.setProject(project)
        files = {
            name: write_raster(f"{run}/{file}.tif", CELLS, ["soil_moisture"]).path
            for name, file in (("map", "a"), ("quantiles", "z"), ("error", "m"), ("earlier", "b"))
        }
        points = point_layer([("ubrmse", "double")], [(0, 0, 0.01)])
        context.temporaryLayerStore().addMapLayer(points)
        for name, file in {**files, "stations": points.id()}.items():
            context.addLayerToLoadOnCompletion(file, QgsProcessingContext.LayerDetails(name, project, name))
        Presentation.attach_all([files["earlier"]], context)
        Presentation.attach_all([files["map"], files["quantiles"], "memory", files["error"]], context)
        Presentation.attach_all([points.id()], context)
        handleAlgorithmResults(
            plugin.provider.algorithm("predictraster"), context, QgsProcessingFeedback(), parameters={}
        )
    names = [node.name() for node in project.layerTreeRoot().findLayers()]
    expected = ["stations", "map", "quantiles", "error", "earlier"]
    assert names == 2 * expected, "a second run lies on the first"


@pytest.mark.skipif(Qgis.QGIS_VERSION_INT < 33800, reason="QGIS has ranges of bands from 3.38 on")
def test_two_dates_are_two_pictures_in_the_temporal_controller(plugin, shown):
    layer = shown(
        [np.full((4, 5), 0.05), np.full((4, 5), 0.4)], ["soil_moisture@2018-06-01", "soil_moisture@2018-06-09"]
    )
    pictures = []
    for day in (1, 9):
        settings = QgsMapSettings()
        settings.setLayers([layer])
        settings.setExtent(layer.extent())
        settings.setDestinationCrs(layer.crs())
        settings.setOutputSize(QSize(20, 20))
        settings.setIsTemporal(True)
        moment = QDateTime(QDate(2018, 6, day), QTime(0, 0), Qt.TimeSpec.UTC)
        settings.setTemporalRange(QgsDateTimeRange(moment, moment.addDays(1), True, False))
        job = QgsMapRendererSequentialJob(settings)
        job.start()
        job.waitForFinished()
        pictures.append(job.renderedImage().pixelColor(10, 10).name())
    assert pictures[0] != pictures[1]


def test_stations_are_coloured_by_what_they_are_worth(plugin):
    from qgis.core import QgsVectorLayer
    from soil_moisture_toolbox.algorithms.presentation import present_points

    layer = QgsVectorLayer("Point?field=correlation:double&field=representative:integer", "quality", "memory")
    present_points(layer)
    ranges = layer.renderer().ranges()
    assert [item.lowerValue() for item in ranges] == [0, 0.3, 0.5, 0.7, 0.8, 0.9] and "truth" in ranges[0].label()
    assert layer.renderer().classAttribute() == 'coalesce("correlation", 0)'
