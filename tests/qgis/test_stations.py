"""Aggregating stations, and sampling with gaps in time and with the pixels of a coarse product."""

import numpy as np
import pytest
import rasterio
from qgis.core import QgsProcessingFeedback

FIELDS = [("station", "string"), ("time", "date"), ("sm", "double"), ("depth", "double"), ("note", "string")]


@pytest.fixture
def observations(point_layer):
    rows = [(500015, 3999985, "Å #1", f"2020-06-{day:02d}", 0.2 + 0.01 * day, 0.05, f"n{day}") for day in range(1, 5)]
    rows += [(500315, 3999685, "b", "2020-06-02", 0.3, 0.05, "x"), (500325, 3999685, "c", "2020-06-02", 0.5, 0.1, "x")]
    return point_layer(FIELDS, rows)


def rows_of(layer):
    return [feature.attributes() for feature in layer.getFeatures()]


def test_monthly_means_keep_fields_that_do_not_vary(run, observations):
    found = run(
        "aggregatestations",
        INPUT=observations,
        STATION="station",
        TIME="time",
        VALUE="sm",
        PERIOD="month",
        OUTPUT="memory:",
    )
    layer = found["OUTPUT"]
    assert layer.fields().names() == [
        "station",
        "time",
        "sm",
        "depth",
        "note",
        "count",
        "sd",
        "minimum",
        "maximum",
        "stations",
    ]
    rows = rows_of(layer)
    assert [row[0] for row in rows] == ["b", "c", "Å #1"] and found["STATIONS"] == 3 and found["MEANS"] == 3
    assert (
        rows[2][1] == "2020-06"
        and rows[2][2] == pytest.approx(0.225)
        and rows[2][3] == 0.05
        and not rows[2][4]
        and rows[2][5] == 4
    )
    assert rows[0][4] == "x"


@pytest.mark.parametrize("name", ["maximum", "SD", "count", "stations"])
@pytest.mark.parametrize("output", ["memory:", "m.gpkg"])
def test_means_are_averaged_again(run, point_layer, tmp_path, name, output):
    """A field named as one of those that are added keeps its values."""
    values = [0.11, 0.12, 0.16]
    layer = point_layer(
        [("station", "string"), ("time", "date"), (name, "double")],
        [(0, 0, "a", f"2020-06-0{i + 1}", v) for i, v in enumerate(values)],
    )
    target = output if output == "memory:" else str(tmp_path / output)
    found = run(
        "aggregatestations", INPUT=layer, STATION="station", TIME="time", VALUE=name, PERIOD="month", OUTPUT=target
    )["OUTPUT"]
    if output != "memory:":
        from qgis.core import QgsVectorLayer

        found = QgsVectorLayer(found, "m", "ogr")
    (row,) = found.getFeatures()
    added = {
        other: f"{name}_{other}" if other == name.lower() else other
        for other in ("count", "sd", "minimum", "maximum", "stations")
    }
    assert [field for field in found.fields().names() if field != "fid"] == ["station", "time", name, *added.values()]
    expected = {
        name: 0.13,
        added["count"]: 3,
        added["sd"]: np.std(values, ddof=1),
        added["minimum"]: 0.11,
        added["maximum"]: 0.16,
        added["stations"]: 1,
    }
    assert {field: row[field] for field in expected} == pytest.approx(expected)


def test_cells_of_a_grid_chain_into_sampling(run, observations, write_raster):
    grid = write_raster("grid.tif", np.arange(16).reshape(4, 4), ["v"], cell=300)
    means = run(
        "aggregatestations",
        INPUT=observations,
        STATION="station",
        TIME="time",
        VALUE="sm",
        PERIOD="day",
        GRID=grid.path,
        OUTPUT="memory:",
    )["OUTPUT"]
    rows = rows_of(means)
    assert rows[-1][0] == "cell_r1_c1" and rows[-1][2] == pytest.approx(0.4) and rows[-1][-1] == 2 and not rows[-1][3]
    assert rows[-1][1].toString("yyyy-MM-dd") == "2020-06-02"
    table = run(
        "samplepredictors", STATIONS=means, STATION="station", TIME="time", PREDICTORS=[grid.path], OUTPUT="memory:"
    )["OUTPUT"]
    assert [feature["v"] for feature in table.getFeatures()] == [0, 0, 0, 0, 5]


def test_sampling_keeps_the_gap_in_time(run, observations, write_raster):
    ndvi = write_raster("ndvi.tif", np.ones((2, 40, 40)), ["ndvi@2020-06-01", "ndvi@2020-06-05"])
    table = run(
        "samplepredictors", STATIONS=observations, TIME="time", PREDICTORS=[ndvi.path], MAX_TIME_GAP=2, OUTPUT="memory:"
    )["OUTPUT"]
    assert [feature["ndvi_gap_days"] for feature in table.getFeatures()] == [0, -1, -2, 1, -1, -1]
    table = run(
        "samplepredictors", STATIONS=observations, TIME="time", PREDICTORS=[ndvi.path], MAX_TIME_GAP=0, OUTPUT="memory:"
    )["OUTPUT"]
    assert "ndvi_gap_days" not in table.fields().names()
    feedback = QgsProcessingFeedback()
    table = run(
        "samplepredictors", feedback, STATIONS=observations, TIME="time", PREDICTORS=[ndvi.path], OUTPUT="memory:"
    )["OUTPUT"]
    assert [feature["ndvi_gap_days"] for feature in table.getFeatures()] == [0, -1, -2, 1, -1, -1]
    assert "half the distance of each variable's dates, in days: ndvi 2." in feedback.textLog()


def test_a_gap_that_is_too_small_is_told_with_the_cure(run, observations, write_raster):
    ndvi = write_raster("ndvi.tif", np.ones((2, 40, 40)), ["ndvi@2020-06-01", "ndvi@2020-06-05"])
    feedback = QgsProcessingFeedback()
    run(
        "samplepredictors",
        feedback,
        STATIONS=observations,
        TIME="time",
        PREDICTORS=[ndvi.path],
        MAX_TIME_GAP=0,
        OUTPUT="memory:",
    )
    assert (
        "'ndvi' is missing in 5 rows: no date near enough (5); with 2 days (MAX_TIME_GAP) 6 rows would be "
        "complete, now 1." in feedback.textLog()
    )


def test_a_gap_of_millions_of_years_is_refused(refused, observations, write_raster):
    ndvi = write_raster("ndvi.tif", np.ones((2, 40, 40)), ["ndvi@2020-06-01", "ndvi@2020-06-05"])
    given = {"STATIONS": observations, "TIME": "time", "PREDICTORS": [ndvi.path], "OUTPUT": "memory:"}
    refused("at most 36,525 days", "samplepredictors", **given, MAX_TIME_GAP=2**31)


@pytest.mark.parametrize("output", ["memory:", "table.gpkg"])
@pytest.mark.parametrize("copied", [False, True])
def test_the_observed_value_is_never_replaced_and_its_namesakes_are_found_again(
    run, point_layer, write_raster, tmp_path, output, copied
):
    """Two satellite products named as the observation: from the table through the model to the map."""
    rng = np.random.default_rng(0)
    products = {name: rng.random((40, 40)).astype(np.float32) for name in ("product_a", "product_b")}
    paths = [write_raster(f"{name}.tif", values, ["soil_moisture"]).path for name, values in products.items()]
    rows = []
    for station in range(60):
        row, column = rng.integers(0, 40, 2)
        value = 0.1 + 0.3 * products["product_a"][row, column] - 0.1 * products["product_b"][row, column]
        rows.append((500015 + 30 * column, 3999985 - 30 * row, f"s{station}", float(value)))
    layer = point_layer([("station", "string"), ("soil_moisture", "double")], rows)
    target = output if output == "memory:" else str(tmp_path / output)
    table = run("samplepredictors", STATIONS=layer, STATION="station", PREDICTORS=paths, REPLACE=True, OUTPUT=target)[
        "OUTPUT"
    ]
    if copied:
        import processing

        table = processing.run(
            "native:extractbyexpression", {"INPUT": table, "EXPRESSION": "true", "OUTPUT": "memory:"}
        )["OUTPUT"]
    names = ["soil_moisture_product_a", "soil_moisture_product_b"]
    model, maps = str(tmp_path / "m.smmodel"), str(tmp_path / "map.tif")
    run(
        "trainmodel", TRAINING=table, TARGET="soil_moisture", PREDICTORS=names, STATION="station", MODEL_FILE=model,
        HYPERPARAMETERS='{"n_estimators": 30, "max_features": null}',
    )  # fmt: skip
    if not copied:
        from sm_toolbox.models.modelfile import load_model

        notes = [item.origin for item in load_model(model).manifest.predictors]
        assert [(note["variable"], note["product"], note["file"]) for note in notes] == [
            ("soil_moisture", name, f"{name}.tif") for name in products
        ] and notes[0]["cell_size"] == [30, 30]
    run("predictraster", MODEL_FILE=model, PREDICTORS=paths[::-1], OUTPUT=maps)
    with rasterio.open(maps) as dataset:
        predicted = dataset.read(1)
    assert (
        np.corrcoef(predicted.ravel(), (0.3 * products["product_a"] - 0.1 * products["product_b"]).ravel())[0, 1] > 0.9
    )


def test_pixels_of_a_product_become_rows(run, observations, write_raster, tmp_path):
    ndvi = write_raster(
        "ndvi.tif", np.random.default_rng(0).random((2, 40, 40)), ["ndvi@2020-06-01", "ndvi@2020-06-05"]
    )
    product = write_raster("smci.tif", np.full((1, 4, 4), 0.3), ["sm@2020-06-04"], cell=300)
    given = {
        "STATIONS": observations,
        "STATION": "station",
        "TIME": "time",
        "PREDICTORS": [ndvi.path],
        "MAX_TIME_GAP": 2,
        "EXTRA_TARGETS": [product.path],
    }
    report = tmp_path / "r.html"
    found = run("samplepredictors", **given, EXTRA_VALUE="sm", OUTPUT=str(tmp_path / "t.gpkg"), REPORT=str(report))
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer(found["OUTPUT"], "t", "ogr")
    rows = [dict(zip(layer.fields().names(), row)) for row in rows_of(layer)]
    assert found["ROWS"] == len(rows) == 6 + 16 and found["COMPLETE_ROWS"] == 22
    assert [row["source"] for row in rows] == ["station"] * 6 + ["smci"] * 16
    assert rows[6]["station"] == "smci r0 c0" and rows[6]["sm"] == pytest.approx(0.3) and rows[6]["ndvi_gap_days"] == 1
    assert rows[6]["time"].toString("yyyy-MM-dd") == "2020-06-04" and not rows[6]["note"]
    assert "Judge it on the rows of stations" in report.read_text("utf-8")
    place = list(layer.getFeatures())[6].geometry().asPoint()
    assert (place.x(), place.y()) == pytest.approx((500150, 3999850))


def test_extra_targets_refused(refused, observations, point_layer, write_raster):
    ndvi = write_raster("ndvi.tif", np.ones((1, 40, 40)), ["ndvi"])
    product = write_raster("smci.tif", np.full((1, 4, 4), 0.3), ["sm@2020-06-04"], cell=300)
    given = {"TIME": "time", "PREDICTORS": [ndvi.path], "EXTRA_TARGETS": [product.path], "OUTPUT": "memory:"}
    refused(
        r"needs .*\(VALUE\) or .*\(EXTRA_VALUE\): the field of 'stations'",
        "samplepredictors",
        STATIONS=observations,
        **given,
    )
    whole = point_layer(
        [("station", "string"), ("time", "date"), ("sm", "integer")], [(500015, 3999985, "a", "2020-06-04", 1)]
    )
    refused(
        "must hold decimal numbers", "samplepredictors", STATIONS=whole, STATION="station", EXTRA_VALUE="sm", **given
    )
    kept = write_raster("fid.tif", np.ones((1, 40, 40)), ["fid"])
    refused(
        "GeoPackages keep for themselves",
        "samplepredictors",
        STATIONS=observations,
        PREDICTORS=[kept.path],
        OUTPUT="memory:",
    )
    numbered = point_layer(
        [("id", "integer"), ("time", "date"), ("sm", "double")], [(500015, 3999985, 1, "2020-06-04", 0.2)]
    )
    refused("which must be text", "samplepredictors", STATIONS=numbered, STATION="id", EXTRA_VALUE="sm", **given)


def test_earlier_values_at_stations(run, observations, write_raster):
    names = ["ndvi@2020-05-31", "ndvi@2020-06-02", "ndvi@2020-06-04"]
    ndvi = write_raster("ndvi.tif", np.arange(3.0)[:, None, None] * np.ones((1, 40, 40)), names)
    feedback = QgsProcessingFeedback()
    given = {"STATIONS": observations, "TIME": "time", "PREDICTORS": [ndvi.path], "MAX_TIME_GAP": 1}
    found = run("samplepredictors", feedback, **given, LAGS="ndvi:1", OUTPUT="memory:")
    assert found["FIELDS"] == "ndvi;ndvi_lag1"
    rows = [(row["time"].toString("dd"), row["ndvi"], row["ndvi_lag1"]) for row in found["OUTPUT"].getFeatures()]
    assert ("03", 1, 0) in rows and all(lag == value - 1 for _, value, lag in rows if value)


def test_earlier_values_refused(refused, observations, write_raster):
    ndvi = write_raster("ndvi.tif", np.ones((2, 40, 40)), ["ndvi@2020-06-01", "ndvi@2020-06-05"])
    given = {"STATIONS": observations, "TIME": "time", "PREDICTORS": [ndvi.path], "OUTPUT": "memory:"}
    for text, message in (
        ("evi:1", r"\(LAGS\) names 'evi', which is none of the variables: ndvi"),
        ("ndvi", r"\(LAGS\): 'ndvi' is not of the form"),
        ("ndvi:7d:sum", r"\(LAGS\) 'ndvi:7d:sum': the dates of 'ndvi' are 4 days apart"),
    ):
        refused(message, "samplepredictors", **given, LAGS=text)


def test_pixels_of_a_product_need_no_stations(run, refused, write_raster, tmp_path):
    ndvi = write_raster("ndvi.tif", np.ones((1, 40, 40)), ["ndvi@2020-06-05"])
    product = write_raster("smci.tif", np.full((1, 4, 4), 0.3), ["sm@2020-06-04"], cell=300)
    given = {"PREDICTORS": [ndvi.path], "MAX_TIME_GAP": 2}
    report = tmp_path / "r.html"
    found = run("samplepredictors", **given, EXTRA_TARGETS=[product.path], OUTPUT="memory:", REPORT=str(report))
    layer = found["OUTPUT"]
    assert layer.fields().names() == ["station", "time", "soil_moisture", "source", "ndvi", "ndvi_gap_days"]
    rows = list(layer.getFeatures())
    assert len(rows) == found["COMPLETE_ROWS"] == 16 and layer.crs().authid() == "EPSG:32630"
    assert rows[0].attributes() == ["smci r0 c0", "2020-06-04", pytest.approx(0.3), "smci", 1, 1]
    assert rows[0].geometry().asPoint().x() == pytest.approx(500150)
    text = report.read_text("utf-8")
    assert "16 of 16 rows have a value of every predictor" in text and "Judge its maps at stations" in text
    refused("Neither .*STATIONS.* nor .*EXTRA_TARGETS.* is set", "samplepredictors", **given, OUTPUT="memory:")
