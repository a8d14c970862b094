"""What a training table knows of its columns travels into the model and makes the map: times, grids, place and date."""

import json
import zipfile

import numpy as np
import pytest
import rasterio
from qgis.core import QgsProcessingFeedback
from rasterio.transform import from_origin

DAYS = [f"2020-06-{day:02d}" for day in range(1, 29, 8)]
SIDE = 40


def write(path, bands, names, cell):
    bands = np.asarray(bands, np.float32)
    options = {"crs": "EPSG:32630", "transform": from_origin(500000, 4000000, cell, cell), "dtype": "float32"}
    count, height, width = bands.shape
    with rasterio.open(path, "w", driver="GTiff", width=width, height=height, count=count, **options) as file:
        file.write(bands)
        for index, name in enumerate(names, start=1):
            file.set_band_description(index, name)
    return str(path)


@pytest.fixture
def scene(tmp_path, point_layer):
    rng = np.random.default_rng(0)
    dem = write(tmp_path / "dem.tif", rng.random((1, SIDE, SIDE)), ["dem"], 30)
    ndvi = write(tmp_path / "ndvi.tif", rng.random((4, 4, 4)), [f"ndvi@{day}" for day in DAYS], 300)
    rain = write(tmp_path / "rain.tif", rng.random((4, 4, 4)), [f"rain@{day}" for day in DAYS], 300)
    points = []
    for number in range(12):
        x, y = 500000 + 1200 * rng.random(), 4000000 - 1200 * rng.random()
        points += [(x, y, f"s{number}", f"2020-06-{day:02d}", float(rng.random())) for day in range(2, 26, 4)]
    layer = point_layer([("station", "string"), ("time", "string"), ("soil_moisture", "double")], points, name="st")
    return layer, [dem, ndvi, rain]


@pytest.mark.parametrize("output", ["memory:", "table.gpkg"])
def test_rules_travel_from_the_table_into_the_map(run, scene, tmp_path, output):
    layer, predictors = scene
    sampled = run(
        "samplepredictors",
        STATIONS=layer,
        STATION="station",
        TIME="time",
        PREDICTORS=predictors,
        TIME_GAPS="ndvi:5",
        BUILTIN=["longitude", "day_of_year"],
        OUTPUT=output if output == "memory:" else str(tmp_path / output),
    )
    assert sampled["FIELDS"] == "dem;ndvi;rain;longitude;day_of_year"
    model = str(tmp_path / "m.smmodel")
    given = {"TRAINING": sampled["OUTPUT"], "TARGET": "soil_moisture", "PREDICTORS": sampled["FIELDS"].split(";")}
    feedback = QgsProcessingFeedback()
    run("trainmodel", feedback, **given, HYPERPARAMETERS='{"n_estimators": 5}', MODEL_FILE=model, SPLIT="random")
    assert "learned from as sine and cosine: day_of_year" in feedback.textLog()
    with zipfile.ZipFile(model) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    known = {item["name"]: item for item in manifest["predictors"]}
    assert known["day_of_year"]["period"] == 365.25 and known["longitude"]["origin"]["kind"] == "builtin"
    ndvi, rain = known["ndvi"]["origin"], known["rain"]["origin"]
    assert (ndvi["asked_gap_days"], ndvi["direction"], ndvi["resampling"], ndvi["method"]) == (
        5, "nearest", "auto", "bilinear",
    )  # fmt: skip
    assert (rain["asked_gap_days"], rain["direction"], rain["time_step_days"]) == (None, "previous", 8)
    assert ndvi["grid_cell_m"] == [30, 30] and known["dem"]["origin"]["method"] == "cell"
    maps, feedback = {}, QgsProcessingFeedback()
    for rule in (None, "nearest"):
        found = run(
            "predictraster", feedback, MODEL_FILE=model, PREDICTORS=predictors, DATES="2020-06-12", RESAMPLING=rule,
            OUTPUT=str(tmp_path / f"{rule}.tif"),
        )  # fmt: skip
        with rasterio.open(found["OUTPUT"]) as file:
            maps[rule] = file.read(1)
    log = feedback.textLog()
    assert "Largest gaps in time as in the training table, in days: ndvi 5" in log
    assert "'ndvi' is warped to the grid of the output (bilinear)" in log
    assert maps[None].shape == (SIDE, SIDE) and (maps[None] != maps["nearest"]).any()


def test_without_a_grid_the_finer_predictors_are_named(run, scene, tmp_path):
    layer, (dem, ndvi, _) = scene
    sampled = run("samplepredictors", STATIONS=layer, TIME="time", PREDICTORS=[dem, ndvi], METHOD="nearest",
                  OUTPUT="memory:")  # fmt: skip
    model, feedback = str(tmp_path / "m.smmodel"), QgsProcessingFeedback()
    run("trainmodel", TRAINING=sampled["OUTPUT"], TARGET="soil_moisture", PREDICTORS=["dem", "ndvi"], SPLIT="random",
        HYPERPARAMETERS='{"n_estimators": 5}', MODEL_FILE=model)  # fmt: skip
    run("predictraster", feedback, MODEL_FILE=model, PREDICTORS=[ndvi, dem], OUTPUT=str(tmp_path / "a.tif"))
    log = feedback.textLog()
    assert "GRID is not set: the map has the grid of 'ndvi', with cells of 300 × 300 m" in log
    assert "have no room for the detail of dem (30 × 30 m)" in log
    feedback = QgsProcessingFeedback()
    run("predictraster", feedback, MODEL_FILE=model, PREDICTORS=[dem, ndvi], OUTPUT=str(tmp_path / "b.tif"))
    assert "borders show in it" in feedback.textLog() and "(nearest)" in feedback.textLog()
