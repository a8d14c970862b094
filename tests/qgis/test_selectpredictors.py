"""Select predictors inside QGIS: its table and text, the way on to a training, and what it refuses."""

import numpy as np
import pytest
from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingOutputString,
    QgsProcessingParameterFeatureSource,
)
from qgis.core import QgsProcessingModelChildParameterSource as Source

from sm_toolbox.models.modelfile import load_model

FIELDS = [
    ("station", "string"),
    ("time", "string"),
    ("sm", "double"),
    ("noise", "double"),
    ("rain", "double"),
    ("sand", "double"),
    ("id", "double"),
]
NAMES = [
    "step",
    "added",
    "removed",
    "variables",
    "count",
    "n",
    "r",
    "r2",
    "rmse",
    "ubrmse",
    "bias",
    "slope",
    "rmse_sd",
    "chosen",
    "note",
]


@pytest.fixture
def training(point_layer):
    """A training layer where rain and sand matter, and a station's number betrays its level."""
    rng = np.random.default_rng(1)
    rows = []
    for station in range(15):
        level, number = rng.normal(0, 0.01), float(rng.integers(0, 1000))
        for day in range(20):
            noise, rain, sand = rng.random(3).tolist()
            value = float(0.2 + level + 0.1 * rain - 0.06 * sand + rng.normal(0, 0.004))
            rows.append(
                (
                    500000 + 900 * station,
                    3999900 - 700 * (station % 4),
                    f"S {station}",
                    f"2020-06-{day + 1:02d}",
                    value,
                    noise,
                    rain,
                    sand,
                    number,
                )
            )
    return point_layer(FIELDS, rows, name="table")


@pytest.fixture
def options(training, tmp_path):
    """Parameters of a quick selection."""
    return {
        "TRAINING": training,
        "TARGET": "sm",
        "PREDICTORS": ["noise", "rain", "sand", "id"],
        "STATION": "station",
        "TIME": "time",
        "HYPERPARAMETERS": '{"n_estimators": 16, "max_features": null}',
        "OUTPUT": "TEMPORARY_OUTPUT",
        "REPORT": str(tmp_path / "r.html"),
    }


def rows_of(layer):
    return [dict(zip(layer.fields().names(), feature.attributes())) for feature in layer.getFeatures()]


def test_the_table_the_text_and_the_report(run, options, tmp_path):
    feedback = QgsProcessingFeedback()
    done = run("selectpredictors", feedback, METHOD="forward", **options)
    assert done["SELECTED_COUNT"] == 2 and sorted(done["SELECTED"].split(";")) == ["rain", "sand"]
    rows = rows_of(done["OUTPUT"])
    assert list(rows[0]) == NAMES and done["OUTPUT"].geometryType() == 4, "no geometry"
    assert [row["chosen"] for row in rows] == [1, 0] and sorted(rows[0]["variables"].split(", ")) == ["rain", "sand"]
    assert [row["count"] for row in rows] == [2, 3] and all(row["n"] == 300 and row["rmse_sd"] > 0 for row in rows)
    assert rows[0]["rmse"] ** 2 == pytest.approx(rows[0]["ubrmse"] ** 2 + rows[0]["bias"] ** 2)
    assert "2 of 4 predictors are chosen" in feedback.textLog() and "whole stations left out" in feedback.textLog()
    assert (tmp_path / "r.html").stat().st_size > 10000


@pytest.mark.parametrize("method", ["ranked", "leave_one_out"])
def test_other_methods(run, options, method):
    done = run("selectpredictors", METHOD=method, **options)
    rows = rows_of(done["OUTPUT"])
    assert sum(row["chosen"] for row in rows) == 1 and {"rain"} <= set(done["SELECTED"].split(";"))
    assert next(row for row in rows if row["chosen"])["variables"] == done["SELECTED"].replace(";", ", ")
    if method == "leave_one_out":
        assert [row["removed"] for row in rows][:5] == ["", "noise", "rain", "sand", "id"]
    else:
        assert [row["count"] for row in rows] == [1, 2, 3, 4] and rows[0]["added"] == "rain"


def test_groups(run, options):
    done = run("selectpredictors", METHOD="groups", GROUPS="weather: rain; soil: sand; rest: noise, id", **options)
    assert [row["removed"] for row in rows_of(done["OUTPUT"])] == ["", "weather", "soil", "rest"]
    assert done["SELECTED"] == "rain;sand"


def test_groups_are_ignored_with_a_warning_by_other_methods(run, options):
    feedback = QgsProcessingFeedback()
    run("selectpredictors", feedback, METHOD="ranked", GROUPS="whatever", **options)
    assert "GROUPS is ignored, because METHOD is 'ranked'" in feedback.textLog()


def test_other_splits_and_a_table_without_a_report(run, options, write_raster):
    area = write_raster("area.tif", np.ones((60, 500)), ["area"]).path
    for split, more in (("time", {}), ("block", {"BLOCK_SIZE": 1000.0}), ("knndm", {"PREDICTION_AREA": area})):
        done = run(
            "selectpredictors",
            METHOD="ranked",
            SPLIT=split,
            FOLDS=3,
            CYCLIC="id:1000",
            **{**options, **more, "REPORT": None},
        )
        assert done["REPORT"] is None and done["SELECTED_COUNT"] >= 1


def test_the_text_is_what_a_training_takes_as_its_predictors(run, options, tmp_path):
    done = run("selectpredictors", METHOD="forward", **options)
    shared = {key: options[key] for key in ("TRAINING", "TARGET", "STATION", "TIME", "HYPERPARAMETERS")}
    trained = [
        run("trainmodel", PREDICTORS=predictors, MODEL_FILE=str(tmp_path / "m.smmodel"), **shared)
        for predictors in (done["SELECTED"], done["SELECTED"].split(";"))
    ]
    chosen = next(row for row in rows_of(done["OUTPUT"]) if row["chosen"])
    # The same folds, the same model, the same rows: the same error.
    assert [result["RMSE"] for result in trained] == pytest.approx([chosen["rmse"]] * 2, abs=1e-12)


def test_the_chain_in_the_modeler(plugin, training, tmp_path):
    value, given, made = Source.fromStaticValue, Source.fromModelParameter, Source.fromChildOutput
    model = QgsProcessingModelAlgorithm("chain", "tests")
    model.addModelParameter(
        QgsProcessingParameterFeatureSource("TABLE", "Table", [QgsProcessing.SourceType.TypeVector]),
        QgsProcessingModelParameter("TABLE"),
    )
    names = ";".join(["noise", "rain", "sand", "id"])
    steps = {
        "selectpredictors": {"PREDICTORS": value(names), "METHOD": value("forward")},
        "trainmodel": {"PREDICTORS": made("selectpredictors", "SELECTED")},
    }
    for name, parameters in steps.items():
        child = QgsProcessingModelChildAlgorithm(f"smtoolbox:{name}")
        child.setChildId(name)
        child.addParameterSources("TRAINING", [given("TABLE")])
        child.addParameterSources("HYPERPARAMETERS", [value('{"n_estimators": 16, "max_features": null}')])
        for key, field in (("TARGET", "sm"), ("STATION", "station"), ("TIME", "time")):
            child.addParameterSources(key, [value(field)])
        for key, source in parameters.items():
            child.addParameterSources(key, [source])
        output = QgsProcessingModelOutput(name, name)
        output.setChildId(name)
        output.setChildOutputName("MODEL_FILE" if name == "trainmodel" else "OUTPUT")
        child.setModelOutputs({name: output})
        model.addChildAlgorithm(child)
    model.updateDestinationParameters()
    path = str(tmp_path / "m.smmodel")
    outputs = {
        definition.name(): path if "trainmodel" in definition.name() else "TEMPORARY_OUTPUT"
        for definition in model.destinationParameterDefinitions()
    }
    feedback = QgsProcessingFeedback()
    _, succeeded = model.run({"TABLE": training, **outputs}, QgsProcessingContext(), feedback)
    assert succeeded, feedback.textLog()
    assert load_model(path).predictors == ("rain", "sand")


def test_the_text_is_an_output(provider):
    outputs = {output.name(): output for output in provider.algorithm("selectpredictors").outputDefinitions()}
    assert isinstance(outputs["SELECTED"], QgsProcessingOutputString)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"METHOD": "forward", "PREDICTORS": ["rain"]}, r"\(METHOD\) 'forward' needs at least two predictors"),
        ({"METHOD": "leave_one_out", "PREDICTORS": ["rain"]}, r"\(METHOD\) 'leave_one_out' needs at least two"),
        ({"METHOD": "groups"}, r"\(METHOD\) 'groups' needs .*\(GROUPS\)"),
        (
            {"METHOD": "groups", "GROUPS": "soil: sand, loam"},
            "'loam' in group 'soil' is none of the predictors: noise, rain, sand, id",
        ),
        ({"METHOD": "groups", "GROUPS": "soil:"}, "the group 'soil' has no predictors"),
        ({"SPLIT": "block"}, r"needs .*\(BLOCK_SIZE\)"),
        ({"FOLDS": 16}, "15 stations, fewer than 16 folds"),
        ({"HYPERPARAMETERS": '{"trees": 3}'}, "names trees"),
        ({"CYCLIC": "aspect:360"}, r"\(CYCLIC\) names 'aspect'"),
        ({"PREDICTORS": ["sm", "rain"]}, "also among the predictors"),
    ],
)
def test_refused(refused, options, tmp_path, changes, words):
    refused(words, "selectpredictors", **{**options, "OUTPUT": str(tmp_path / "steps.gpkg"), **changes})


def test_cancel_leaves_nothing(run, options, tmp_path):
    class Impatient(QgsProcessingFeedback):
        def setProgress(self, progress):
            if progress > 10:
                self.cancel()

    feedback = Impatient()
    options["HYPERPARAMETERS"] = '{"n_estimators": 200}'
    done = run("selectpredictors", feedback, METHOD="forward", **{**options, "OUTPUT": str(tmp_path / "steps.gpkg")})
    assert "SELECTED" not in done and "Cancelled; no output was written" in feedback.textLog()
    assert not list(tmp_path.iterdir())


def test_on_the_demo_scene(run, scene, tmp_path):
    """From the scene's stations and rasters to a model of the predictors that matter."""
    sampled = run(
        "samplepredictors",
        STATIONS=str(scene / "stations.gpkg"),
        STATION="station",
        TIME="time",
        MAX_TIME_GAP=4,
        PREDICTORS=[str(scene / name) for name in ("dem.tif", "soil.tif", "ndvi.tif", "rain.tif", "api.tif")],
        OUTPUT="TEMPORARY_OUTPUT",
    )["OUTPUT"]
    feedback = QgsProcessingFeedback()
    done = run(
        "selectpredictors",
        feedback,
        TRAINING=sampled,
        TARGET="soil_moisture",
        PREDICTORS=["dem", "sand", "clay", "ndvi", "rain_7d", "api"],
        STATION="station",
        TIME="time",
        METHOD="ranked",
        HYPERPARAMETERS='{"n_estimators": 20}',
        OUTPUT="TEMPORARY_OUTPUT",
        REPORT=str(tmp_path / "r.html"),
    )
    rows = rows_of(done["OUTPUT"])
    assert len(rows) == 6 and 1 <= done["SELECTED_COUNT"] <= 6
    # Soil moisture of the scene follows the rain of the days before: no selection can do without it.
    assert {"api", "rain_7d"} & set(done["SELECTED"].split(";"))
    # How far the errors can be trusted stands in log and table, and follows the predictors into the training.
    (note,) = [row["note"] for row in rows if row["chosen"]]
    assert "somewhat too small" in note and note in feedback.textLog()
    training = {
        "TRAINING": sampled,
        "TARGET": "soil_moisture",
        "STATION": "station",
        "TIME": "time",
        "HYPERPARAMETERS": '{"n_estimators": 5}',
        "MODEL_FILE": str(tmp_path / "m.smmodel"),
        "REPORT": str(tmp_path / "t.html"),
    }
    every = ["dem", "sand", "clay", "ndvi", "rain_7d", "api"]
    for predictors, follows in ((done["SELECTED"].split(";"), len(done["SELECTED"].split(";")) < 6), (every, False)):
        run("trainmodel", PREDICTORS=predictors, **training)
        assert ("chosen by the same errors" in (tmp_path / "t.html").read_text(encoding="utf-8")) == follows
    assert min(row["rmse"] for row in rows) < 0.06 and "Strongly collinear pairs" in (tmp_path / "r.html").read_text(
        encoding="utf-8"
    )
