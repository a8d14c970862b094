"""The whole chain headless, and what scripts rely on: outputs as JSON, exit codes, errors in words."""

import pytest
import rasterio

pytestmark = pytest.mark.headless
FIELDS = ["elevation", "slope", "northness", "sand", "clay", "ndvi", "rain_7d", "api"]


def test_every_algorithm_is_listed_and_explained(headless):
    listed = headless.call("list").stdout
    for name in (
        "terrainindices",
        "samplepredictors",
        "trainmodel",
        "predictraster",
        "validatestations",
        "checkinstallation",
        "demodata",
        "stationmap",
    ):
        assert f"smtoolbox:{name}" in listed
    details = headless.answer(headless.call("--json", "help", "smtoolbox:trainmodel"))
    assert details["algorithm_details"]["name"] == "Train model" and "RMSE" in details["outputs"]


def test_from_scene_to_validated_map(headless, scene, tmp_path):
    terrain, training, model, out = (
        str(tmp_path / name) for name in ("terrain.tif", "training.gpkg", "m.smmodel", "map.tif")
    )
    headless.run("terrainindices", DEM=scene / "dem.tif", INDICES=["elevation", "slope", "northness"], OUTPUT=terrain)
    with rasterio.open(terrain) as dataset:
        assert dataset.descriptions == ("elevation", "slope", "northness")
    predictors = [terrain, *(scene / f"{name}.tif" for name in ("soil", "ndvi", "rain", "api"))]
    sampled = headless.run(
        "samplepredictors",
        STATIONS=scene / "stations.gpkg",
        STATION="station",
        TIME="time",
        PREDICTORS=predictors,
        MAX_TIME_GAP=4,
        OUTPUT=training,
        REPORT=tmp_path / "s.html",
    )
    assert 0.95 * sampled["ROWS"] < sampled["COMPLETE_ROWS"] < sampled["ROWS"], (
        "the days before the first composite have none"
    )
    trained = headless.run(
        "trainmodel",
        TRAINING=training,
        TARGET="soil_moisture",
        PREDICTORS=FIELDS,
        STATION="station",
        TIME="time",
        MODEL="random_forest",
        SPLIT="station",
        HYPERPARAMETERS='{"n_estimators": 40}',
        MODEL_FILE=model,
        REPORT=tmp_path / "t.html",
        PREDICTIONS=tmp_path / "oof.gpkg",
    )
    assert 0.4 < trained["R2"] < 0.9 and trained["N"] == sampled["COMPLETE_ROWS"]
    predicted = headless.run(
        "predictraster",
        MODEL_FILE=model,
        PREDICTORS=predictors[::-1],
        GRID=scene / "dem.tif",
        DATES="2019-06-02,2019-08-05",
        MAX_TIME_GAP=4,
        OUTPUT=out,
    )
    assert predicted["COVERAGE_PERCENT"] > 95
    with rasterio.open(out) as dataset:
        assert (
            dataset.descriptions == ("soil_moisture@2019-06-02", "soil_moisture@2019-08-05")
            and dataset.crs.to_epsg() == 32616
        )
    rated = headless.run(
        "validatestations",
        PRODUCT=out,
        STATIONS=scene / "stations_validation.gpkg",
        STATION="station",
        TIME="time",
        VALUE="soil_moisture",
        GROUP="land_cover",
        MAX_TIME_GAP=4,
        MIN_SAMPLES=5,
        OUTPUT=tmp_path / "rated.gpkg",
        MATCHES=tmp_path / "pairs.gpkg",
        REPORT=tmp_path / "v.html",
    )
    assert rated["N"] > 100 and rated["R"] > 0.5 and rated["RMSE"] < 0.09
    for name in ("s.html", "t.html", "v.html", "oof.gpkg", "rated.gpkg", "pairs.gpkg"):
        assert (tmp_path / name).stat().st_size > 1000


def test_the_model_headless(headless, scene, tmp_path):
    out = headless.run(
        "stationmap",
        dem=scene / "dem.tif",
        predictors=[scene / "soil.tif", scene / "ndvi.tif"],
        stations=scene / "stations.gpkg",
        station="station",
        time="time",
        value="soil_moisture",
        gap=4,
        fields="elevation;slope;sand;clay;ndvi",
        validation=scene / "stations_validation.gpkg",
        **{
            "train:Model file": tmp_path / "m.smmodel",
            "train:Training report": tmp_path / "t.html",
            "predict:Soil moisture": tmp_path / "map.tif",
            "validate:Stations with metrics": tmp_path / "rated.gpkg",
            "validate:Validation report": tmp_path / "v.html",
        },
    )
    with rasterio.open(out["predict:Soil moisture"]) as dataset:
        assert dataset.count == 23
    assert (tmp_path / "v.html").stat().st_size > 10000


def test_a_failure_has_an_exit_code_and_words_and_writes_nothing(headless, scene, tmp_path):
    failed = headless.attempt(
        "predictraster",
        MODEL_FILE=tmp_path / "lost.smmodel",
        PREDICTORS=scene / "soil.tif",
        OUTPUT=tmp_path / "map.tif",
    )
    assert failed.returncode != 0 and "lost.smmodel' does not exist" in failed.stdout + failed.stderr
    failed = headless.attempt(
        "samplepredictors",
        STATIONS=scene / "stations.gpkg",
        PREDICTORS=[scene / "soil.tif", tmp_path / "lost.tif"],
        OUTPUT=tmp_path / "x.gpkg",
    )
    assert failed.returncode != 0 and "lost.tif" in failed.stdout + failed.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_installation(headless):
    assert headless.run("checkinstallation")["READY"] is True
