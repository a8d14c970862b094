"""Models of several kinds inside QGIS: tuning, local rows, intervals, applicability, a second model, and reports."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from qgis.core import QgsProcessingFeedback

FIELDS = [
    ("station", "string"),
    ("time", "date"),
    ("sm", "double"),
    ("dem", "double"),
    ("lst", "double"),
    ("cover", "string"),
]


def rows(stations, seed, shift=0.0, first=0):
    rng = np.random.default_rng(seed)
    found = []
    for station in range(stations):
        x, y, dem = 500000 + 2000 * rng.random(), 4000000 - 2000 * rng.random(), 100 * rng.random()
        for day in range(1, 13):
            lst = 290 + 10 * rng.random()
            value = 0.2 + shift + 0.001 * dem - 0.005 * (lst - 295) + 0.005 * rng.standard_normal()
            found.append(
                (
                    x,
                    y,
                    f"s{first + station}",
                    f"202{day % 3}-{day:02d}-15",
                    float(value),
                    float(dem),
                    float(lst),
                    "forest",
                )
            )
    return found


@pytest.fixture
def training(point_layer):
    return point_layer(FIELDS, rows(20, 0))


@pytest.fixture
def rasters(write_raster):
    rng = np.random.default_rng(1)
    dem = 100 * rng.random((40, 50))
    dem[:, :10] += 1000
    lst = 290 + 10 * rng.random((2, 40, 50))
    lst[0, :20] = np.nan
    return [
        write_raster("dem.tif", dem, ["dem"]).path,
        write_raster("lst.tif", lst, ["lst@2021-06-01", "lst@2021-06-09"]).path,
    ]


def train(run, layer, path, feedback=None, predictors=("dem", "lst"), **more):
    given = {
        "TRAINING": layer,
        "TARGET": "sm",
        "PREDICTORS": list(predictors),
        "STATION": "station",
        "TIME": "time",
        "MODEL_FILE": str(path),
    }
    return run("trainmodel", feedback, **{**given, **more})


@pytest.mark.parametrize("kind", ["quantile_forest", "svr", "mlp", "xgboost"])
def test_a_map_with_intervals_applicability_and_a_second_model(kind, run, training, rasters, tmp_path):
    if kind == "xgboost":
        pytest.importorskip("xgboost")
    trained = train(run, training, tmp_path / "a.smmodel", MODEL=kind, REPORT=str(tmp_path / "a.html"))
    assert trained["R2"] > 0.5
    train(run, training, tmp_path / "b.smmodel", predictors=["dem"], MODEL="random_forest")
    feedback = QgsProcessingFeedback()
    outputs = {
        key: str(tmp_path / f"{key}.tif")
        for key in ("OUTPUT", "QUANTILES_OUTPUT", "APPLICABILITY_OUTPUT", "ERROR_OUTPUT", "SOURCE")
    }
    done = run(
        "predictraster",
        feedback,
        MODEL_FILE=str(tmp_path / "a.smmodel"),
        FALLBACK_MODEL=str(tmp_path / "b.smmodel"),
        PREDICTORS=rasters,
        APPLICABILITY=True,
        **outputs,
    )
    with rasterio.open(outputs["SOURCE"]) as dataset:
        source = dataset.read()
    assert (source[0, :20] == 2).all() and (source[0, 20:] == 1).all() and (source[1] == 1).all()
    assert done["COVERAGE_PERCENT"] == 100 and done["FALLBACK_PERCENT"] == 25 and done["APPLICABLE_PERCENT"] <= 80
    with rasterio.open(outputs["APPLICABILITY_OUTPUT"]) as dataset:
        assert dataset.descriptions[:2] == ("dissimilarity@2021-06-01", "applicable@2021-06-01")
        applicable = dataset.read(4)
    with rasterio.open(outputs["ERROR_OUTPUT"]) as dataset:
        assert dataset.descriptions[0] == "expected_error@2021-06-01" and dataset.units[0] == "m3 m-3"
        expected = dataset.read(2)
    # What is most unlike the training has the largest error.
    assert (expected[:, :10] == expected.max()).all() and expected.min() > 0
    # Heights of a thousand metres more than the training's.
    assert (applicable[:, :10] == 0).all() and applicable[:, 10:].mean() > 0.8
    with rasterio.open(outputs["QUANTILES_OUTPUT"]) as dataset, rasterio.open(outputs["OUTPUT"]) as output:
        assert dataset.descriptions[:3] == tuple(f"soil_moisture_q{q}@2021-06-01" for q in ("05", "50", "95"))
        low, _, high = dataset.read([1, 2, 3])
        assert (low < high).all() and ((low <= output.read(1)) & (output.read(1) <= high)).mean() > 0.9
    assert "the fallback model adds 25.0 %" in feedback.textLog()
    report = run("modelreport", MODEL_FILE=str(tmp_path / "a.smmodel"), REPORT=str(tmp_path / "m.html"))["REPORT"]
    assert "Accumulated local effects" in Path(report).read_text("utf-8")


def test_tuning_and_matched_distances(run, training, rasters, tmp_path):
    feedback = QgsProcessingFeedback()
    train(
        run,
        training,
        tmp_path / "t.smmodel",
        feedback,
        TUNING="grid",
        HYPERPARAMETERS='{"n_estimators": 10, "min_samples_leaf": [2, 60]}',
        SPLIT="knndm",
        FOLDS=3,
        PREDICTION_AREA=rasters[0],
        REPORT=str(tmp_path / "t.html"),
    )
    html = (tmp_path / "t.html").read_text("utf-8")
    assert (
        "2 of 2 candidates were tried" in html
        and "map to its stations" not in html
        and "Share of distances up to a length" in html
        and "as far from the others as the map is" in html
    )
    for split in ("year", "month", "station_time"):
        assert (
            train(
                run,
                training,
                tmp_path / f"{split}.smmodel",
                SPLIT=split,
                FOLDS=3,
                HYPERPARAMETERS='{"n_estimators": 10}',
            )["N"]
            == 240
        )


def test_a_direction_that_is_not_cyclic_is_said(run, point_layer, tmp_path):
    rng = np.random.default_rng(0)
    fields = [("station", "string"), ("sm", "double"), ("aspect", "double")]
    layer = point_layer(
        fields, [(500000 + i, 3999000, f"s{i % 9}", rng.random(), 360 * rng.random()) for i in range(60)]
    )
    given = {
        "TRAINING": layer,
        "TARGET": "sm",
        "PREDICTORS": ["aspect"],
        "HYPERPARAMETERS": '{"n_estimators": 5}',
        "MODEL_FILE": str(tmp_path / "a.smmodel"),
    }
    logs = []
    for cyclic in ("", "aspect:360"):
        feedback = QgsProcessingFeedback()
        run("trainmodel", feedback, **given, CYCLIC=cyclic)
        logs.append(feedback.textLog())
    assert "learned from as sine and cosine: aspect (period 360)" in logs[0] and "set CYCLIC" not in logs[1].lower()


def test_local_rows_take_the_bias_away(run, training, point_layer, tmp_path):
    near = point_layer(FIELDS, rows(6, 5, shift=0.1, first=100), name="near")
    feedback = QgsProcessingFeedback()
    train(run, training, tmp_path / "s.smmodel", feedback, SPIKE=near, SPIKE_WEIGHT=20, REPORT=str(tmp_path / "s.html"))
    assert "Local stations: bias -0.1" in feedback.textLog() and "joined the training with a weight of 20" in (
        tmp_path / "s.html"
    ).read_text("utf-8")


def test_bad_input_is_named(refused, run, training, point_layer, rasters, tmp_path):
    path = str(tmp_path / "m.smmodel")
    given = {
        "TRAINING": training,
        "TARGET": "sm",
        "PREDICTORS": ["dem", "lst"],
        "STATION": "station",
        "MODEL_FILE": path,
    }
    refused(r"holds text \(forest\).*CASE WHEN", "trainmodel", **{**given, "PREDICTORS": ["dem", "cover"]})
    refused(r"\(HYPERPARAMETERS\) is not valid JSON", "trainmodel", **given, HYPERPARAMETERS="{trees: 5}")
    refused(
        r"\(HYPERPARAMETERS\) names trees, which xgboost does not have. Valid are: n_estimators",
        "trainmodel",
        **given,
        MODEL="xgboost",
        HYPERPARAMETERS='{"trees": 5}',
    )
    refused(r"\(SPLIT\) 'knndm' needs .*\(PREDICTION_AREA\)", "trainmodel", **given, SPLIT="knndm")
    other = point_layer([("station", "string"), ("sm", "double")], [(0, 0, "a", 0.1)], name="other")
    refused("'other' has no field 'dem'", "trainmodel", **given, SPIKE=other)
    refused(r"more than .*\(CANDIDATES\)", "trainmodel", **given, TUNING="grid", CANDIDATES=5)
    train(run, training, path)
    refused(
        r"\(QUANTILES\): '5%' is not a number",
        "predictraster",
        MODEL_FILE=path,
        PREDICTORS=rasters,
        QUANTILES="5%,0.5",
        OUTPUT=str(tmp_path / "o.tif"),
    )
    dem = train(run, training, tmp_path / "dem.smmodel", predictors=["lst"], TARGET="dem")["MODEL_FILE"]
    refused(
        r"\(FALLBACK_MODEL\) predicts 'dem'",
        "predictraster",
        MODEL_FILE=path,
        FALLBACK_MODEL=dem,
        PREDICTORS=rasters,
        OUTPUT=str(tmp_path / "o.tif"),
    )


def test_outputs_never_overwrite_inputs_or_each_other(run, training, rasters, tmp_path):
    from qgis.core import QgsProcessingException

    path = train(run, training, tmp_path / "m.smmodel")["MODEL_FILE"]
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.suffix in (".tif", ".smmodel")}
    predict = {"MODEL_FILE": path, "PREDICTORS": rasters, "OUTPUT": str(tmp_path / "o.tif")}
    for name, given, words in (
        ("predictraster", {**predict, "OUTPUT": rasters[0]}, r"\(OUTPUT\) would overwrite the input .*\(PREDICTORS\)"),
        (
            "predictraster",
            {**predict, "QUANTILES_OUTPUT": str(tmp_path / "." / "dem.tif")},
            r"\(QUANTILES_OUTPUT\) would overwrite the input .*\(PREDICTORS\)",
        ),
        (
            "predictraster",
            {**predict, "SOURCE": str(tmp_path / "o.tif")},
            r"\(SOURCE\) would overwrite the output .*\(OUTPUT\)",
        ),
        ("modelreport", {"MODEL_FILE": path, "REPORT": path}, r"\(REPORT\) would overwrite the input .*\(MODEL_FILE\)"),
    ):
        with pytest.raises(QgsProcessingException, match=words):
            run(name, **given)
    with pytest.raises(QgsProcessingException, match=r"would overwrite the output .*\(MODEL_FILE\)"):
        train(run, training, tmp_path / "z.smmodel", REPORT=str(tmp_path / "z.smmodel"))
    assert before == {file: file.read_bytes() for file in before} and not (tmp_path / "o.tif").exists()


def test_the_model_is_saved_before_any_report_is_drawn(run, training, tmp_path, monkeypatch):
    from sm_toolbox.models import modelfile
    from sm_toolbox.models.reports import training as reports

    order = []
    save, report = modelfile.save_model, reports.training_report
    monkeypatch.setattr(modelfile, "save_model", lambda *args: order.append("model") or save(*args))
    monkeypatch.setattr(reports, "training_report", lambda *args: order.append("report") or report(*args))
    train(run, training, tmp_path / "m.smmodel", MODEL="svr", REPORT=str(tmp_path / "m.html"))
    assert order == ["model", "report"]
