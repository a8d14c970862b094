"""What tables and layers mean, inside QGIS: percent against fractions, fills in tables, classes, and no false alarm."""

import numpy as np
import pytest
import rasterio
from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsProcessingFeedback, QgsVectorLayer
from rasterio.transform import from_origin

# What the checks of meaning say; none of it may be said of the demo scene (tests/qgis/test_examples.py looks, too).
WORDS = (
    "most likely these cells have no data",
    "no measurement, but most likely",
    "which is not ",
    "taken as amounts",
    "same order as the target",
    "Outside the range of the training",
)
DAYS = [f"2018-06-{day:02d}" for day in range(1, 31)]
TRUTH = 0.25 + 0.08 * np.sin(np.arange(30) / 4)[:, None, None] + 0.03 * np.random.default_rng(0).random((30, 6, 8))


class Listening(QgsProcessingFeedback):
    def __init__(self):
        super().__init__(False)
        self.warned, self.errors = [], []

    def pushWarning(self, warning):
        self.warned.append(warning)

    def reportError(self, error, fatalError=False):
        self.errors.append(error)


@pytest.fixture
def product(tmp_path):
    path = tmp_path / "product.tif"
    layout = {"driver": "GTiff", "width": 8, "height": 6, "count": 30, "dtype": "float32", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", transform=from_origin(500000, 5000000, 1000, 1000), **layout) as file:
        file.write(TRUTH.astype("float32"))
        for number, day in enumerate(DAYS, start=1):
            file.set_band_description(number, f"soil_moisture@{day}")
    return str(path)


@pytest.fixture
def stations():
    """Four stations: right values, percent, and values with fills."""
    fields = "field=station:string&field=time:string&field=sm:double&field=percent:double&field=filled:double"
    layer = QgsVectorLayer(f"Point?crs=EPSG:32633&{fields}&field=cover:integer", "stations", "memory")
    rng, features = np.random.default_rng(3), []
    for number in range(4):
        for i, day in enumerate(DAYS):
            value = float(TRUTH[i, number, 2 * number] + 0.02 * rng.standard_normal())
            feature = QgsFeature(layer.fields())
            feature.setAttributes(
                [f"s{number}", day, value, 100 * value, -9999.0 if i == 5 else value, 10 * (number % 3)]
            )
            x, y = 500500 + 2000 * number, 4999500 - 1000 * number
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(x, y)))
            features.append(feature)
    layer.dataProvider().addFeatures(features)
    return layer


def common(stations, value):
    return {"STATIONS": stations, "STATION": "station", "TIME": "time", "VALUE": value}


def test_percent_is_not_validated_against_fractions(refused, run, product, stations):
    refused(
        "are not in one unit",
        "validatestations",
        PRODUCT=[product],
        **common(stations, "percent"),
        OUTPUT="TEMPORARY_OUTPUT",
    )
    listening = Listening()
    done = run("validatestations", listening, PRODUCT=[product], **common(stations, "sm"), OUTPUT="TEMPORARY_OUTPUT")
    assert abs(done["BIAS"]) < 0.02 and not listening.warned


def test_single_impossible_rows_are_named(run, product, stations):
    """-9.99 in one row of 120 is no fill that all know, and spoils the errors."""
    provider = stations.dataProvider()
    first = next(stations.getFeatures())
    provider.changeAttributeValues({first.id(): {stations.fields().indexOf("sm"): -9.99}})
    listening = Listening()
    run("validatestations", listening, PRODUCT=[product], **common(stations, "sm"), OUTPUT="TEMPORARY_OUTPUT")
    assert any("in 1 of 120 rows" in text and "-9.99" in text for text in listening.warned)


@pytest.mark.parametrize("name", ["validatestations", "interpolatestations", "aggregatestations"])
def test_fills_in_tables_are_refused(name, refused, product, stations):
    own = {
        "validatestations": {**common(stations, "filled"), "PRODUCT": [product]},
        "interpolatestations": {**common(stations, "filled"), "GRID": product, "METHOD": "idw"},
        "aggregatestations": {"INPUT": stations, "STATION": "station", "TIME": "time", "VALUE": "filled"},
    }[name]
    refused(r"'filled' of 'stations' is -9999 in 4 of 120 rows.*nullif", name, **own, OUTPUT="TEMPORARY_OUTPUT")


def test_percent_is_trained_on_without_a_unit_and_classes_one_by_one(run, stations, tmp_path):
    listening = Listening()
    run(
        "trainmodel", listening, TRAINING=stations, TARGET="percent", PREDICTORS=["sm", "cover"], STATION="station",
        CATEGORICAL=["cover"], FOLDS=2, HYPERPARAMETERS='{"n_estimators": 5}', MODEL_FILE=str(tmp_path / "a.smmodel"),
    )  # fmt: skip
    assert any("'percent' has a median of 2" in text for text in listening.warned)
    assert any("'sm' (+1.000)" in text for text in listening.warned)
    assert "m³ m⁻³" not in "".join(line for line in listening.textLog().splitlines() if "RMSE" in line)
    from sm_toolbox.models.modelfile import load_model

    assert load_model(str(tmp_path / "a.smmodel")).manifest.predictors[1].classes == [0, 10, 20]


def test_the_demo_scene_raises_no_alarm_from_stations_to_map(run, scene, tmp_path):
    """The other algorithms are looked at in test_examples."""
    folder = scene
    rasters = [str(folder / name) for name in ("soil.tif", "ndvi.tif", "lst_day.tif")]
    rasters = [path for path in rasters if (folder / path).is_file()]
    listening = Listening()
    who = {"STATION": "station", "TIME": "time"}
    stations = str(folder / "stations.gpkg")
    table = run(
        "samplepredictors", listening, STATIONS=stations, **who, PREDICTORS=rasters, OUTPUT=str(tmp_path / "t.gpkg")
    )["OUTPUT"]
    names = [field.name() for field in QgsVectorLayer(table, "t").fields()]
    predictors = [name for name in names if name in ("ndvi", "sand", "clay", "silt", "lst_day", "awc")]
    model = str(tmp_path / "m.smmodel")
    run(
        "trainmodel", listening, TRAINING=table, TARGET="soil_moisture", PREDICTORS=predictors, **who,
        HYPERPARAMETERS='{"n_estimators": 5}', MODEL_FILE=model,
    )  # fmt: skip
    run("predictraster", listening, MODEL_FILE=model, PREDICTORS=rasters, OUTPUT=str(tmp_path / "map.tif"))
    run(
        "validatestations", listening, PRODUCT=[str(tmp_path / "map.tif")], VALUE="soil_moisture", **who,
        STATIONS=str(folder / "stations_validation.gpkg"), OUTPUT=str(tmp_path / "v.gpkg"),
    )  # fmt: skip
    assert len(predictors) > 2 and not [text for text in listening.warned if any(word in text for word in WORDS)]
