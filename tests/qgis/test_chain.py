"""The chain from layers to a validated map inside QGIS, with layers as users have them."""

import json
import zipfile

import numpy as np
import pytest
import rasterio
from qgis.core import QgsProcessingFeedback, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime

DATES = [QDate(2020, 6, day) for day in range(1, 15)]


@pytest.fixture
def small_scene(write_raster, point_layer):
    """A DEM, a dated stack on a coarser grid, and stations whose moisture follows both."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:80, :100]
    dem = (30 * np.sin(cols / 9) + rows).astype(np.float32)
    rain = rng.random((14, 8, 10)).astype(np.float32)
    layers = {
        "dem": write_raster("dem.tif", dem, ["dem"]).path,
        "rain": write_raster("rain.tif", rain, [f"rain@2020-06-{day:02d}" for day in range(1, 15)], cell=300.0).path,
    }
    features = []
    for station in range(24):
        row, col = rng.integers(2, 78), rng.integers(2, 98)
        for day, date in enumerate(DATES):
            value = 0.2 + 0.001 * dem[row, col] + 0.1 * rain[day, row // 10, col // 10] + rng.normal(0, 0.005)
            features.append(
                (500000 + 30 * (col + 0.5), 4000000 - 30 * (row + 0.5), f"S {station}#é", date, float(value))
            )
    layers["stations"] = point_layer([("station", "string"), ("time", "date"), ("sm", "double")], features)
    return layers


def test_sample_train_predict_validate(run, small_scene, tmp_path):
    feedback = QgsProcessingFeedback()
    sampled = run(
        "samplepredictors",
        feedback,
        STATIONS=small_scene["stations"],
        STATION="station",
        TIME="time",
        PREDICTORS=[small_scene["dem"], small_scene["rain"]],
        OUTPUT="TEMPORARY_OUTPUT",
        REPORT=str(tmp_path / "s.html"),
    )
    assert (sampled["ROWS"], sampled["COMPLETE_ROWS"]) == (336, 336)
    table = sampled["OUTPUT"]
    assert [field.name() for field in table.fields()] == [
        "station",
        "time",
        "sm",
        "dem",
        "rain",
    ] and table.featureCount() == 336
    assert table.geometryType() == 0 and table.crs().authid() == "EPSG:32630"

    trained = run(
        "trainmodel",
        feedback,
        TRAINING=table,
        TARGET="sm",
        PREDICTORS=["dem", "rain"],
        STATION="station",
        TIME="time",
        HYPERPARAMETERS='{"n_estimators": 40, "max_features": null}',
        MODEL_FILE=str(tmp_path / "m.smmodel"),
        REPORT=str(tmp_path / "t.html"),
        PREDICTIONS="TEMPORARY_OUTPUT",
    )
    assert trained["R2"] > 0.8 and trained["N"] == 336 and 0 < trained["RMSE"] < 0.03
    predictions = trained["PREDICTIONS"]
    assert predictions.featureCount() == 336 and {feature["fold"] for feature in predictions.getFeatures()} == {
        1,
        2,
        3,
        4,
        5,
    }
    for feature in predictions.getFeatures():
        assert feature["residual"] == pytest.approx(feature["sm"] - feature["predicted"])
    log = feedback.textLog()
    assert (
        "Split 'station' tells how well the model maps places that have no station" in log and "Split 'random'" in log
    )

    predicted = run(
        "predictraster",
        feedback,
        MODEL_FILE=trained["MODEL_FILE"],
        PREDICTORS=[small_scene["rain"], small_scene["dem"]],
        GRID=small_scene["dem"],
        OUTPUT=str(tmp_path / "map.tif"),
    )
    assert (
        predicted["COVERAGE_PERCENT"] == 100
        and "'rain' is warped to the grid of the output (bilinear)" in feedback.textLog()
    )
    layer = QgsRasterLayer(predicted["OUTPUT"], "map")
    assert layer.isValid() and layer.bandCount() == 14 and "soil_moisture@2020-06-01" in layer.bandName(1)

    rated = run(
        "validatestations",
        feedback,
        PRODUCT=[predicted["OUTPUT"]],
        STATIONS=small_scene["stations"],
        STATION="station",
        TIME="time",
        VALUE="sm",
        OUTPUT="TEMPORARY_OUTPUT",
        MATCHES="TEMPORARY_OUTPUT",
        REPORT=str(tmp_path / "v.html"),
    )
    assert (
        rated["N"] == 336
        # The scene's soil moisture follows the borders of the coarse cells, the map does not.
        and rated["R2"] > 0.85
        and rated["OUTPUT"].featureCount() == 24
        and rated["MATCHES"].featureCount() == 336
    )
    first = next(rated["OUTPUT"].getFeatures())
    assert (
        first["n"] == 14
        and first["r_low"] <= first["r"] <= first["r_high"]
        and first["rmse"] ** 2 == pytest.approx(first["ubrmse"] ** 2 + first["bias"] ** 2)
    )
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("s.html", "t.html", "v.html"))


def test_reports_and_optional_outputs_may_be_skipped(run, small_scene, tmp_path):
    sampled = run(
        "samplepredictors",
        STATIONS=small_scene["stations"],
        TIME="time",
        PREDICTORS=[small_scene["dem"]],
        OUTPUT="TEMPORARY_OUTPUT",
    )
    assert sampled["REPORT"] is None
    trained = run(
        "trainmodel",
        TRAINING=sampled["OUTPUT"],
        TARGET="sm",
        PREDICTORS=["dem"],
        HYPERPARAMETERS='{"n_estimators": 8}',
        MODEL_FILE=str(tmp_path / "m.smmodel"),
    )
    assert trained["REPORT"] is None and trained["PREDICTIONS"] is None and trained["R"] is not None


def test_terrain_indices_with_a_grid(run, small_scene, tmp_path):
    out = run(
        "terrainindices",
        DEM=small_scene["dem"],
        INDICES=["slope", "aspect"],
        GRID=small_scene["rain"],
        OUTPUT=str(tmp_path / "t.tif"),
    )["OUTPUT"]
    with rasterio.open(out) as dataset:
        assert dataset.descriptions == ("slope", "aspect") and dataset.shape == (8, 10)
    every = run("terrainindices", DEM=small_scene["dem"], OUTPUT=str(tmp_path / "all.tif"))["OUTPUT"]
    with rasterio.open(every) as dataset:
        assert dataset.count == 12 and dataset.descriptions[0] == "elevation"


def test_times_as_date_time_with_and_without_zone_and_as_text(run, small_scene, point_layer):
    x, y = 500000 + 30 * 5.5, 4000000 - 30 * 5.5
    with rasterio.open(small_scene["rain"]) as dataset:
        second_day = dataset.read(2)[0, 0]
    local = QDateTime(QDate(2020, 6, 2), QTime(14, 0))
    offset = QDateTime(QDate(2020, 6, 3), QTime(1, 0), Qt.TimeSpec.OffsetFromUTC, 2 * 3600)
    for kind, value in [
        ("datetime", local),
        ("datetime", offset),
        ("string", "2020-06-02"),
        ("string", "2020-06-02T23:59:59Z"),
        ("string", "2020-06-03T01:00:00+02:00"),
    ]:
        layer = point_layer([("t", kind)], [(x, y, value)])
        out = run(
            "samplepredictors", STATIONS=layer, TIME="t", PREDICTORS=[small_scene["rain"]], OUTPUT="TEMPORARY_OUTPUT"
        )
        assert next(out["OUTPUT"].getFeatures())["rain"] == pytest.approx(second_day), (kind, value)


def test_a_layers_temporal_range_gives_its_bands_a_time(run, write_raster, point_layer):
    from qgis.core import QgsDateTimeRange

    layer = QgsRasterLayer(write_raster("plain.tif", np.full((5, 5), 7.0), ["moist"]).path, "plain")
    properties = layer.temporalProperties()
    properties.setMode(properties.ModeFixedTemporalRange)
    properties.setFixedTemporalRange(
        QgsDateTimeRange(QDateTime(QDate(2020, 6, 2), QTime(0, 0)), QDateTime(QDate(2020, 6, 3), QTime(0, 0)))
    )
    properties.setIsActive(True)
    rows = [(500030, 3999970, "2020-06-02"), (500030, 3999970, "2020-06-03")]
    out = run(
        "samplepredictors",
        STATIONS=point_layer([("t", "string")], rows),
        TIME="t",
        PREDICTORS=[layer],
        OUTPUT="TEMPORARY_OUTPUT",
    )
    values = [feature["moist"] for feature in out["OUTPUT"].getFeatures()]
    assert values[0] == 7 and not values[1]
    assert out["COMPLETE_ROWS"] == 1


def test_a_delimited_text_layer_of_texts(run, small_scene, tmp_path):
    """Numbers that arrive as text are numbers all the same; empty cells are no values."""
    path = tmp_path / "obs.csv"
    lines = ["name,date,sm,x,y"]
    for station in range(12):
        lines += [
            f"a{station},2020-06-{day:02d},{0.1 + 0.01 * station + 0.001 * day},"
            f"{500100 + 200 * station},{3999000 - 30 * day}"
            for day in range(1, 15)
        ]
    lines[3] = lines[3].replace(lines[3].split(",")[2], "")
    path.write_text("\n".join(lines))
    layer = QgsVectorLayer(
        f"file://{path}?type=csv&delimiter=,&xField=x&yField=y&crs=EPSG:32630&detectTypes=no", "obs", "delimitedtext"
    )
    assert layer.isValid() and layer.fields().field("sm").typeName().lower() in ("text", "string")
    feedback = QgsProcessingFeedback()
    out = run(
        "samplepredictors",
        STATIONS=layer,
        STATION="name",
        TIME="date",
        PREDICTORS=[small_scene["dem"], small_scene["rain"]],
        OUTPUT="TEMPORARY_OUTPUT",
    )
    trained = run(
        "trainmodel",
        feedback,
        TRAINING=out["OUTPUT"],
        TARGET="sm",
        PREDICTORS=["dem", "rain"],
        STATION="name",
        TIME="date",
        SPLIT="time",
        HYPERPARAMETERS='{"n_estimators": 8}',
        MODEL_FILE=str(tmp_path / "m.smmodel"),
    )
    assert trained["N"] == 167 and "1 rows are left out: no sm." in feedback.textLog()


def test_every_split(run, small_scene, tmp_path):
    table = run(
        "samplepredictors",
        STATIONS=small_scene["stations"],
        STATION="station",
        TIME="time",
        PREDICTORS=[small_scene["dem"], small_scene["rain"]],
        OUTPUT="TEMPORARY_OUTPUT",
    )["OUTPUT"]
    errors = {}
    for split, more in [("random", {}), ("station", {}), ("time", {}), ("block", {"BLOCK_SIZE": 600})]:
        errors[split] = run(
            "trainmodel",
            TRAINING=table,
            TARGET="sm",
            PREDICTORS=["dem", "rain"],
            STATION="station",
            TIME="time",
            SPLIT=split,
            FOLDS=3,
            HYPERPARAMETERS='{"n_estimators": 16, "max_features": null}',
            MODEL_FILE=str(tmp_path / "m.smmodel"),
            **more,
        )["RMSE"]
    assert errors["block"] > errors["random"]


def test_the_default_split_leaves_stations_out_where_they_are_known(run, small_scene, tmp_path):
    table = run(
        "samplepredictors",
        STATIONS=small_scene["stations"],
        STATION="station",
        TIME="time",
        PREDICTORS=[small_scene["dem"]],
        OUTPUT="TEMPORARY_OUTPUT",
    )["OUTPUT"]
    for split, station, chosen in [
        (None, "station", "station"),
        (None, "", "station"),
        ("random", "station", "random"),
    ]:
        feedback = QgsProcessingFeedback()
        run(
            "trainmodel",
            feedback,
            TRAINING=table,
            TARGET="sm",
            PREDICTORS=["dem"],
            STATION=station,
            SPLIT=split,
            HYPERPARAMETERS='{"n_estimators": 4}',
            MODEL_FILE=str(tmp_path / "m.smmodel"),
        )
        first = next(line for line in feedback.textLog().splitlines() if line.startswith("Split '"))
        assert first.startswith(f"Split '{chosen}'"), (split, station)


def test_the_same_seed_gives_the_same_model(run, small_scene, tmp_path):
    table = run(
        "samplepredictors",
        STATIONS=small_scene["stations"],
        TIME="time",
        PREDICTORS=[small_scene["dem"], small_scene["rain"]],
        OUTPUT="TEMPORARY_OUTPUT",
    )["OUTPUT"]
    arrays, manifests = [], []
    for name in "ab":
        path = tmp_path / f"{name}.smmodel"
        run(
            "trainmodel",
            TRAINING=table,
            TARGET="sm",
            PREDICTORS=["dem", "rain"],
            SEED=5,
            HYPERPARAMETERS='{"n_estimators": 8}',
            MODEL_FILE=str(path),
        )
        with zipfile.ZipFile(path) as archive:
            arrays.append(archive.read("arrays.npz"))
            manifests.append(
                {key: value for key, value in json.loads(archive.read("manifest.json")).items() if key != "created"}
            )
    assert arrays[0] == arrays[1] and manifests[0] == manifests[1]


def test_check_installation(run, tmp_path):
    found = run("checkinstallation", REPORT=str(tmp_path / "r.html"))
    assert found["READY"] is True
    assert "rasterio" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_model_runs_through_processing(run, scene, tmp_path):
    stations = QgsVectorLayer(str(scene / "stations.gpkg"), "stations", "ogr")
    assert (
        stations.isValid()
        and stations.fields().field("time").typeName() == "Date"
        and len(stations.uniqueValues(stations.fields().lookupField("station"))) == 45
    )
    feedback = QgsProcessingFeedback()
    out = run(
        "stationmap",
        feedback,
        dem=str(scene / "dem.tif"),
        predictors=[str(scene / "soil.tif"), str(scene / "ndvi.tif")],
        stations=stations,
        station="station",
        time="time",
        value="soil_moisture",
        validation=str(scene / "stations_validation.gpkg"),
        **{
            "train:Model file": str(tmp_path / "m.smmodel"),
            "train:Training report": str(tmp_path / "t.html"),
            "predict:Soil moisture": str(tmp_path / "map.tif"),
            "validate:Stations with metrics": "TEMPORARY_OUTPUT",
            "validate:Validation report": str(tmp_path / "v.html"),
        },
    )
    with rasterio.open(out["predict:Soil moisture"]) as dataset:
        assert dataset.count == 23 and dataset.shape == (300, 300)
    assert out["validate:Stations with metrics"].featureCount() == 15
    with zipfile.ZipFile(tmp_path / "m.smmodel") as archive:
        manifest = json.loads(archive.read("manifest.json"))
    learned = json.dumps(manifest)
    assert all(
        f'"{name}"' in learned for name in ("elevation", "slope", "tangential_curvature", "sand", "clay", "ndvi")
    ), "all that is given"
    assert "7,004 of 7,092 rows have a value of every predictor" in feedback.textLog(), (
        "the gap of 4 days is the default, here too"
    )


def test_the_model_is_valid_and_in_order(provider):
    model = provider.algorithm("stationmap")
    valid, issues = model.validate()
    assert valid, issues
    assert model.group() == "Workflows"
    inputs = [d.name() for d in model.parameterDefinitions() if not d.isDestination()]
    assert inputs == ["dem", "predictors", "stations", "station", "time", "value", "validation", "gap", "fields"]
    assert "open a copy" in model.helpContent()["ALG_DESC"] and "copy" not in model.shortDescription()


def test_predictors_that_are_given_and_not_used_are_named(run, small_scene, tmp_path):
    table = run(
        "samplepredictors",
        STATIONS=small_scene["stations"],
        PREDICTORS=[small_scene["dem"], small_scene["rain"]],
        OUTPUT="TEMPORARY_OUTPUT",
    )
    assert table["FIELDS"] == "dem;rain"
    feedback = QgsProcessingFeedback()
    model = run(
        "trainmodel",
        TRAINING=table["OUTPUT"],
        TARGET="sm",
        PREDICTORS=["dem"],
        HYPERPARAMETERS='{"n_estimators": 4}',
        MODEL_FILE=str(tmp_path / "m.smmodel"),
    )
    run(
        "predictraster",
        feedback,
        MODEL_FILE=model["MODEL_FILE"],
        PREDICTORS=[small_scene["dem"], small_scene["rain"]],
        OUTPUT=str(tmp_path / "map.tif"),
    )
    assert "Given, but not used, because the model was trained without: rain." in feedback.textLog()
