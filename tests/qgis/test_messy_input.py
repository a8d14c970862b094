"""Messy but legitimate input: it works, or says what it left out."""

import numpy as np
import pytest
import rasterio
from qgis.core import QgsFeature, QgsGeometry, QgsProcessingFeedback, QgsVectorLayer


def test_spaces_accents_and_brackets_in_paths(run, write_raster, point_layer, tmp_path):
    raster = write_raster("Donnees été (1) #2/ndvi & co.tif", np.full((5, 5), 0.5), ["ndvi"]).path
    out = tmp_path / "Donnees été (1) #2" / "résultat final.gpkg"
    result = run(
        "samplepredictors",
        STATIONS=point_layer([("n", "string")], [(500030, 3999970, "Zoë #1")]),
        STATION="n",
        PREDICTORS=[raster],
        OUTPUT=str(out),
        REPORT=str(out.with_suffix(".html")),
    )
    assert result["COMPLETE_ROWS"] == 1 and out.exists() and out.with_suffix(".html").exists()


def test_multipoints_null_points_and_month_bands(run, write_raster):
    raster = write_raster(
        "m.tif", np.stack([np.full((5, 5), 1.0), np.full((5, 5), 2.0)]), ["rain@2020-05", "rain@2020-06"]
    ).path
    layer = QgsVectorLayer("MultiPoint?crs=EPSG:32630&field=t:string", "multi", "memory")
    features = []
    for wkt, time in [
        ("MultiPoint((500030 3999970))", "2020-05-31"),
        ("MultiPoint((500030 3999970))", "2020-06-01T00:00:00"),
        (None, "2020-06-01"),
        ("MultiPoint((500030 3999970),(500060 3999970))", "2020-06-02"),
    ]:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([time])
        if wkt:
            feature.setGeometry(QgsGeometry.fromWkt(wkt))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    feedback = QgsProcessingFeedback()
    result = run("samplepredictors", feedback, STATIONS=layer, TIME="t", PREDICTORS=[raster], OUTPUT="TEMPORARY_OUTPUT")
    values = [feature["rain"] or None for feature in result["OUTPUT"].getFeatures()]
    assert values == [1.0, 2.0, None, None] and (result["ROWS"], result["COMPLETE_ROWS"]) == (4, 2)
    assert "2 of 4 rows of 'multi' have no point" in feedback.textLog()


def test_south_up_rasters(run, write_raster, point_layer, tmp_path):
    cells = np.arange(25.0).reshape(5, 5)
    north = write_raster("north.tif", cells, ["a"]).path
    south = write_raster(
        "south.tif", cells[::-1], ["b"], transform=rasterio.Affine(30, 0, 500000, 0, 30, 4000000 - 150)
    ).path
    rows = [(500000 + 30 * (c + 0.5), 4000000 - 30 * (r + 0.5)) for r in range(5) for c in range(5)]
    out = run(
        "samplepredictors",
        STATIONS=point_layer([("n", "int")], [(x, y, i) for i, (x, y) in enumerate(rows)]),
        PREDICTORS=[north, south],
        OUTPUT="TEMPORARY_OUTPUT",
    )["OUTPUT"]
    assert (
        [feature["a"] for feature in out.getFeatures()]
        == [feature["b"] for feature in out.getFeatures()]
        == list(range(25))
    )
    aligned = run("alignrasters", INPUT=[south], GRID=north, OUTPUT=str(tmp_path / "o.tif"))["OUTPUT"]
    with rasterio.open(aligned) as dataset:
        np.testing.assert_array_equal(dataset.read(1), cells)


def test_integers_with_scale_and_an_alpha_band(run, write_raster, point_layer):
    scaled = write_raster("s.tif", np.array([[1000, -32768]]), ["lst"], dtype="int16", nodata=-32768)
    with rasterio.open(scaled.path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.02,), (100.0,)
    alpha = write_raster(
        "rgba.tif",
        np.array([[[10, 20]], [[255, 0]]]),
        ["red", "alpha"],
        dtype="uint8",
        photometric="MINISBLACK",
        alpha="yes",
    )
    out = run(
        "samplepredictors",
        STATIONS=point_layer([("n", "int")], [(500015, 3999985, 1), (500045, 3999985, 2)]),
        PREDICTORS=[scaled.path, alpha.path],
        OUTPUT="TEMPORARY_OUTPUT",
    )["OUTPUT"]
    first, second = out.getFeatures()
    assert first["lst"] == pytest.approx(120) and not second["lst"]
    assert first["red"] == 10 and not second["red"], "a transparent cell has no data"


def test_one_row_rasters(run, write_raster, tmp_path):
    one = write_raster("one.tif", np.arange(7.0)[None], ["a@2020-01-01"]).path
    for name, more in (
        ("alignrasters", {"INPUT": [one], "GRID": one}),
        ("temporalstatistics", {"INPUT": [one]}),
        ("temporalcomposite", {"INPUT": [one]}),
    ):
        out = run(name, OUTPUT=str(tmp_path / f"{name}.tif"), **more)["OUTPUT"]
        with rasterio.open(out) as dataset:
            assert dataset.shape == (1, 7)
