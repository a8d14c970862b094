"""UPDATE through Processing: nights of one folder, and what a run leaves that was cancelled."""

import os

import numpy as np
import pytest
import rasterio
from qgis.core import QgsProcessingFeedback
from rasterio.transform import from_origin

DATES = ["20200601", "20200602", "20200603"]


@pytest.fixture
def folder(tmp_path):
    """A function with which the rain of a date arrives in a folder."""

    def arrive(date):
        path = tmp_path / "arrived" / f"chirps-v2.0.{date[:4]}.{date[4:6]}.{date[6:]}.tif"
        path.parent.mkdir(exist_ok=True)
        values = np.random.default_rng(int(date)).uniform(0, 20, (1, 12, 15)).astype("float32")
        grid = {"crs": "EPSG:4326", "transform": from_origin(10, 50, 0.05, 0.05)}
        with rasterio.open(path, "w", "GTiff", 15, 12, 1, dtype="float32", nodata=-9999, **grid) as dataset:
            dataset.write(values)
        return str(path.parent)

    return arrive


@pytest.fixture
def model(tmp_path):
    from sm_toolbox.models.assessment.splits import RandomSplit
    from sm_toolbox.models.learners.catalogue import make_estimator
    from sm_toolbox.models.modelfile import save_model
    from sm_toolbox.models.table import Roles, make_training_table
    from sm_toolbox.models.training import train

    rain = np.linspace(0, 20, 60)
    table = make_training_table({"precipitation": rain, "sm": 0.1 + 0.01 * rain}, Roles("sm", ("precipitation",)), "t")
    save_model(
        train(table, make_estimator("random_forest", '{"n_estimators": 9}'), RandomSplit(2)).model,
        str(tmp_path / "m.smmodel"),
    )
    return str(tmp_path / "m.smmodel")


def bands(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def test_night_by_night(run, folder, model, tmp_path):
    rain, maps, source = (str(tmp_path / name) for name in ("rain.tif", "map.tif", "source.tif"))
    for number, date in enumerate(DATES, start=1):
        imported = run("importproduct", FOLDER=folder(date), OUTPUT=rain, UPDATE=True)
        made = run("predictraster", MODEL_FILE=model, PREDICTORS=[rain], OUTPUT=maps, SOURCE=source, UPDATE=True)
        assert imported["DATES"] == made["NEW_DATES"] == 1 and made["COVERAGE_PERCENT"] == 100
        assert imported["OUTPUT"] == rain and len(bands(maps)) == len(bands(source)) == number
    feedback, report = QgsProcessingFeedback(), tmp_path / "report.html"
    os.utime(maps, (10**9, 10**9))
    os.utime(rain, (10**9, 10**9))
    given = {"FOLDER": folder(date), "OUTPUT": rain, "REPORT": str(report), "UPDATE": True}
    imported = run("importproduct", feedback, **given)
    made = run("predictraster", feedback, MODEL_FILE=model, PREDICTORS=[rain], OUTPUT=maps, SOURCE=source, UPDATE=True)
    assert os.path.getmtime(maps) == os.path.getmtime(rain) == 10**9
    assert imported["DATES"] == made["NEW_DATES"] == 0 and "COVERAGE_PERCENT" not in made and made["OUTPUT"] == maps
    assert (
        "Nothing new: 'map.tif" not in feedback.textLog() and f"Nothing new: '{maps}' holds all" in feedback.textLog()
    )
    assert "Nothing new" in report.read_text(encoding="utf-8")
    once = run("predictraster", MODEL_FILE=model, PREDICTORS=[rain], OUTPUT=str(tmp_path / "once.tif"))
    for name, values in bands(once["OUTPUT"]).items():
        np.testing.assert_array_equal(bands(maps)[name], values)


def test_another_model_is_refused_by_its_parameter(run, refused, folder, model, tmp_path):
    rain, maps = str(tmp_path / "rain.tif"), str(tmp_path / "map.tif")
    run("importproduct", FOLDER=folder(DATES[0]), OUTPUT=rain)
    run("predictraster", MODEL_FILE=model, PREDICTORS=[rain], OUTPUT=maps)
    given = {"PREDICTORS": [rain], "OUTPUT": maps, "UPDATE": True}
    refused(
        r"\(UPDATE\): .* made with .*FALLBACK_MODEL",
        "predictraster",
        MODEL_FILE=model,
        FALLBACK_MODEL=model,
        **given,
    )
    refused(
        r"\(LEVEL\) recommended, and now it is all",
        "importproduct",
        FOLDER=folder(DATES[1]),
        LEVEL="all",
        OUTPUT=rain,
        UPDATE=True,
    )


def test_a_cancelled_update_leaves_the_old_map(run, folder, model, tmp_path):
    rain, maps = str(tmp_path / "rain.tif"), tmp_path / "map.tif"
    run("importproduct", FOLDER=folder(DATES[0]), OUTPUT=rain)
    run("predictraster", MODEL_FILE=model, PREDICTORS=[rain], OUTPUT=str(maps))
    run("importproduct", FOLDER=folder(DATES[1]), OUTPUT=rain, UPDATE=True)
    before = maps.read_bytes()

    class Cancelling(QgsProcessingFeedback):
        def setProgress(self, percent):
            if percent > 50:
                self.cancel()

    run("predictraster", Cancelling(), MODEL_FILE=model, PREDICTORS=[rain], OUTPUT=str(maps), UPDATE=True)
    assert maps.read_bytes() == before and sorted(path.suffix for path in tmp_path.iterdir()) == [
        "",
        ".smmodel",
        ".tif",
        ".tif",
    ]
