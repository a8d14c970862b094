"""What is there once Run has been pressed in a window: layers, colours, times, names and the Results Viewer."""

import json

import numpy as np
import pytest
from qgis.core import Qgis, QgsProject, QgsRasterLayerTemporalProperties

DAYS = ["2018-06-01", "2018-06-09", "2018-06-17"]
WET = np.linspace(0.05, 0.45, 3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)


@pytest.fixture
def moisture(write_raster):
    """A raster of soil moisture on three dates."""
    return write_raster("moisture.tif", WET, [f"soil_moisture@{day}" for day in DAYS]).path


@pytest.fixture
def stations(point_layer):
    """Observations at the centres of four cells, all a bit wetter than the raster."""
    rows = [
        (500015 + 30 * column, 3999985 - 30 * row, f"s{row}{column}", day, float(WET[date, row, column]) + 0.01)
        for date, day in enumerate(DAYS)
        for row, column in ((0, 0), (1, 3), (2, 1), (3, 4))
    ]
    layer = point_layer([("station", "string"), ("time", "string"), ("soil_moisture", "double")], rows)
    QgsProject.instance().addMapLayer(layer)
    return layer


@pytest.fixture
def loaded(dialog, run_in, tmp_path):
    """A function that runs an algorithm in its window and returns the layers that are new in the project, by name."""

    def loaded(name, **values):
        before = set(QgsProject.instance().mapLayers())
        log = run_in(dialog(name, **values))
        assert "color:#ff0000" not in log and "color:red" not in log, "an error"
        layers = QgsProject.instance().mapLayers()
        nodes = {node.layerId(): node.name() for node in QgsProject.instance().layerTreeRoot().findLayers()}
        new = {layer.name(): layer for key, layer in layers.items() if key not in before}
        assert all(layer.isValid() and nodes[layer.id()] == name for name, layer in new.items())
        return new

    return loaded


def ends(layer):
    made = layer.renderer()
    assert made.type() == "singlebandpseudocolor"
    return made.usesBands(), made.classificationMin(), made.classificationMax()


def test_a_raster_without_dates(loaded, write_raster, tmp_path):
    sand, clay = (write_raster(f"{name}.tif", WET[:1] * 100, [name]).path for name in ("sand", "clay"))
    (layer,) = loaded("soilindices", SAND=sand, CLAY=clay, OUTPUT=str(tmp_path / "soil.tif")).values()
    assert layer.name() == "Soil indices" and not layer.temporalProperties().isActive()
    bands, low, high = ends(layer)
    assert bands == [1] and low == 0 and 17 < high < 19, "the sand, from nothing to its highest share"
    assert layer.styleManager().currentStyle() == "sand" and set(layer.styleManager().styles()) == {
        "sand", "clay", "silt", "awc",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["dry.tif", "dry.nc"])
def test_a_raster_of_dates_as_geotiff_and_as_netcdf(loaded, moisture, tmp_path, name):
    values = {"INPUT": [moisture], "EXPRESSION": "soil_moisture = soil_moisture / 2", "OUTPUT": str(tmp_path / name)}
    (layer,) = loaded("calculatebands", **values).values()
    assert layer.name() == "Calculated bands" and ends(layer) == ([1], 0, 0.5) and layer.bandCount() == 3
    assert layer.crs().authid() == "EPSG:32630"
    times = layer.temporalProperties()
    assert times.isActive() == (Qgis.QGIS_VERSION_INT >= 33800)
    if times.isActive():
        assert [times.fixedRangePerBand()[band].begin().date().toString("yyyy-MM-dd") for band in (1, 2, 3)] == DAYS


def test_a_raster_of_one_date_and_its_classes(loaded, write_raster, tmp_path):
    wet = write_raster("wet.tif", WET[:1], [f"soil_moisture@{DAYS[0]}"]).path
    values = {"INPUT": [wet], "EXPRESSION": "applicable = soil_moisture > 0.1", "OUTPUT": "TEMPORARY_OUTPUT"}
    (layer,) = loaded("calculatebands", **values).values()
    classes = layer.renderer().classes()
    assert layer.renderer().type() == "paletted" and [item.value for item in classes] == [0, 1]
    assert "guess" in classes[0].label and "like the training" in classes[1].label
    times = layer.temporalProperties()
    assert times.isActive() and times.mode() == QgsRasterLayerTemporalProperties.ModeFixedTemporalRange  # qt6: kept
    assert times.fixedTemporalRange().begin().date().toString("yyyy-MM-dd") == DAYS[0]


def test_points_with_metrics_a_table_and_a_report(loaded, moisture, stations, tmp_path):
    from processing.core.ProcessingResults import resultsList

    layers = loaded(
        "validatestations", PRODUCT=[moisture], STATIONS=stations.id(), STATION="station", TIME="time",
        VALUE="soil_moisture", MIN_SAMPLES=3, OUTPUT="TEMPORARY_OUTPUT", MATCHES="TEMPORARY_OUTPUT",
        GROUP_TABLE=str(tmp_path / "groups.gpkg"), REPORT=str(tmp_path / "report.html"),
    )  # fmt: skip
    assert set(layers) == {"Stations with metrics", "Pairs", "Groups"}
    rated, table = layers["Stations with metrics"], layers["Groups"]
    assert rated.renderer().type() == "graduatedSymbol" and rated.renderer().classAttribute() == "ubrmse"
    assert rated.featureCount() == 4
    assert [round(feature["bias"], 4) for feature in rated.getFeatures()] == [-0.01] * 4
    assert not table.isSpatial() and table.featureCount() > 0
    report = resultsList.getResults()[-1]
    assert report.name.startswith("Report (Validate against stations)") and report.filename.endswith("report.html")


def test_a_batch_from_a_file(batch, run_in, moisture, tmp_path, monkeypatch):
    """As the batch window itself saves it: values as Python writes them, from QGIS 3.40 on as JSON does."""
    from processing.gui import BatchPanel

    form = getattr(BatchPanel.BatchPanel, "CURRENT_FORMAT", None)
    write = repr if form is None else lambda value: value
    rows = [
        {
            "PARAMETERS": {"INPUT": write([moisture]), "EXPRESSION": write(f"drier = soil_moisture / {parts}")},
            "OUTPUTS": {"OUTPUT": str(tmp_path / f"by_{parts}.tif")},
        }
        for parts in (2, 4)
    ]
    (tmp_path / "batch.json").write_text(json.dumps(rows if form is None else {"format": form, "rows": rows}))
    chosen = (str(tmp_path / "batch.json"), "")
    monkeypatch.setattr(BatchPanel.QFileDialog, "getOpenFileName", lambda *_, **__: chosen)
    window = batch("calculatebands")
    window.mainWidget().load()
    assert window.mainWidget().batchRowCount() == 2
    assert "failed" not in run_in(window)
    from osgeo import gdal

    for parts in (2, 4):
        made = gdal.Open(str(tmp_path / f"by_{parts}.tif")).ReadAsArray()
        np.testing.assert_allclose(made, WET / parts, rtol=1e-6)
