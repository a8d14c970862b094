"""An LSTM inside QGIS: from rasters of some dates, through a table with lags, into maps."""

import numpy as np
import pytest
import rasterio
from qgis.core import QgsProcessingFeedback
from rasterio.transform import from_origin

from sm_toolbox.demo.example import write_example
from sm_toolbox.models.modelfile import load_model

MONTHS = [f"2019-{month:02d}" for month in range(1, 11)]
SETTINGS = '{"units": [8], "max_epochs": 5, "learning_rate": 0.01}'


@pytest.fixture
def scene(tmp_path, point_layer):
    rng = np.random.default_rng(0)
    path = tmp_path / "rain.tif"
    rain = rng.random((len(MONTHS), 20, 20)).astype(np.float32)
    options = {"crs": "EPSG:32630", "transform": from_origin(500000, 4000000, 100, 100), "dtype": "float32"}
    with rasterio.open(path, "w", driver="GTiff", width=20, height=20, count=len(MONTHS), **options) as file:
        file.write(rain)
        for index, month in enumerate(MONTHS, start=1):
            file.set_band_description(index, f"rain@{month}")
    points = []
    for number in range(8):
        row, column = divmod(7 * number, 20)
        x, y = 500050 + 100 * column, 3999950 - 100 * row
        for month in range(len(MONTHS)):
            value = 0.2 + 0.1 * rain[max(0, month - 2) : month + 1, row, column].mean()
            points.append((x, y, f"s{number}", f"{MONTHS[month]}-15", float(value)))
    layer = point_layer([("station", "string"), ("time", "string"), ("soil_moisture", "double")], points, name="st")
    return layer, str(path)


@pytest.fixture
def sampled(run, scene):
    layer, rain = scene
    return run(
        "samplepredictors", STATIONS=layer, STATION="station", TIME="time", PREDICTORS=[rain], LAGS="rain:1-2",
        OUTPUT="memory:",
    )["OUTPUT"]  # fmt: skip


def options(table, tmp_path, **more):
    fields = ["rain", "rain_lag1", "rain_lag2"]
    return {
        "TRAINING": table, "TARGET": "soil_moisture", "PREDICTORS": fields, "STATION": "station", "TIME": "time",
        "MODEL": "lstm", "SEQUENCE_LENGTH": 3, "HYPERPARAMETERS": SETTINGS, "FOLDS": 2, "SPLIT": "station",
        "MODEL_FILE": str(tmp_path / "m.smmodel"), **more,
    }  # fmt: skip


def test_from_lags_to_maps(run, scene, sampled, tmp_path):
    feedback = QgsProcessingFeedback()
    done = run("trainmodel", feedback, REPORT=str(tmp_path / "r.html"), **options(sampled, tmp_path))
    # The first two months of each station have no earlier ones.
    assert done["N"] == 64 and "8 rows are left out: no rain_lag1" in feedback.textLog()
    assert "Read as sequences of 3 steps: rain" in feedback.textLog()
    assert "Beside a random forest" in (tmp_path / "r.html").read_text(encoding="utf-8")
    model = load_model(done["MODEL_FILE"])
    assert model.manifest.sequence["length"] == 3 == model.manifest.hyperparameters["sequence_length"]
    assert 25 < model.manifest.sequence["step_days"]["rain"] < 35
    mapped = run(
        "predictraster", MODEL_FILE=done["MODEL_FILE"], PREDICTORS=[scene[1]], OUTPUT=str(tmp_path / "map.tif")
    )
    with rasterio.open(scene[1]) as rain, rasterio.open(mapped["OUTPUT"]) as made:
        assert made.descriptions == tuple(f"soil_moisture@{month}" for month in MONTHS[2:])
        rows = rain.read([10, 9, 8]).reshape(3, -1).T
        np.testing.assert_allclose(made.read(8).ravel(), model.predict(rows), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"SEQUENCE_LENGTH": 5},
            r"'Length of a sequence' \(SEQUENCE_LENGTH\) of 5 needs 'rain' .* lack rain_lag3, rain_lag4",
        ),
        ({"PREDICTORS": ["rain"]}, r"with the lags \*:1-2, and take"),
        ({"HYPERPARAMETERS": '{"sequence_length": 4}'}, r"of 4 needs 'rain' .* lack rain_lag3"),
        ({"SEQUENCE_LENGTH": 1}, "SEQUENCE_LENGTH"),
    ],
)
def test_refused(refused, sampled, tmp_path, given, words):
    refused(words, "trainmodel", **options(sampled, tmp_path, **given))


class CancelsLate(QgsProcessingFeedback):
    """Cancels once the final model is being fitted, after some epochs."""

    def __init__(self):
        super().__init__()
        self._checks = None

    def pushInfo(self, text):
        super().pushInfo(text)
        if text.startswith("Fitting the final model"):
            self._checks = 12

    def isCanceled(self):
        if self._checks is None:
            return False
        self._checks -= 1
        return self._checks < 0


@pytest.mark.parametrize("keep_best", [True, False])
def test_cancel_keeps_the_best_epoch_where_asked_to(run, sampled, tmp_path, keep_best):
    settings = SETTINGS.replace('"max_epochs": 5', '"max_epochs": 50')
    given = options(sampled, tmp_path, KEEP_BEST=keep_best, HYPERPARAMETERS=settings)
    feedback = CancelsLate()
    done = run("trainmodel", feedback, **given)
    if not keep_best:
        assert not done and not (tmp_path / "m.smmodel").exists()
        return
    history = load_model(done["MODEL_FILE"]).fitted.history
    assert 1 <= len(history) < 12 and "The training was stopped after" in feedback.textLog()


def test_downscaling_keeps_the_best_epoch(run, scene, tmp_path):
    with rasterio.open(scene[1]) as rain:
        means = 0.1 + 0.2 * rain.read().reshape(len(MONTHS), 4, 5, 4, 5).mean(axis=(2, 4))
    coarse = str(tmp_path / "coarse.tif")
    write_example(coarse, {f"soil_moisture@{month}": values for month, values in zip(MONTHS, means)}, cell=500)
    feedback = CancelsLate()
    done = run(
        "downscale", feedback, COARSE=[coarse], PREDICTORS=[scene[1]], MODEL="lstm", SEQUENCE_LENGTH=2, FOLDS=2,
        KEEP_BEST=True, HYPERPARAMETERS=SETTINGS.replace('"max_epochs": 5', '"max_epochs": 50'),
        OUTPUT=str(tmp_path / "map.tif"), MODEL_FILE=str(tmp_path / "m.smmodel"),
    )  # fmt: skip
    assert "The training was stopped after" in feedback.textLog()
    assert len(load_model(done["MODEL_FILE"]).fitted.history) < 12
    with rasterio.open(done["OUTPUT"]) as made:
        assert made.descriptions == tuple(f"soil_moisture@{month}" for month in MONTHS[1:])
