"""Fields: which are preselected, and which can play a part in a training."""

import numpy as np
import pytest
from qgis.core import QgsProcessingFeedback

FIELDS = [
    ("fid", "integer"),
    ("station", "string"),
    ("time", "string"),
    ("soil_moisture", "double"),
    ("land_cover", "string"),
    ("ndvi", "double"),
    ("ndvi_gap_days", "double"),
    ("elevation", "double"),
]


@pytest.fixture
def training(point_layer):
    """A function that makes a training table of 8 stations with 10 rows each."""

    def training(kind="Point", **renamed):
        rng = np.random.default_rng(0)
        rows = [
            (
                500000 + 500 * (i % 8),
                3999000,
                i + 1,
                f"s{i % 8}",
                f"2019-06-{1 + i // 8:02}",
                0.1 + 0.3 * value,
                "wood",
                value,
                float(i % 3),
                rng.random(),
            )
            for i, value in enumerate(rng.random(80).tolist())
        ]
        return point_layer([(renamed.get(name, name), type_) for name, type_ in FIELDS], rows, kind=kind)

    return training


@pytest.fixture
def train(run, tmp_path):
    """A function that trains, and returns the results and the log."""

    def train(layer, **parameters):
        feedback = QgsProcessingFeedback()
        given = {"HYPERPARAMETERS": '{"n_estimators": 5}', "MODEL_FILE": str(tmp_path / "m.smmodel"), **parameters}
        return run("trainmodel", feedback, TRAINING=layer, **given), feedback.textLog()

    return train


def test_fields_that_the_layer_has_are_taken_by_name(train, training):
    done, log = train(training(), PREDICTORS=["ndvi", "elevation"])
    assert done["N"] == 80 and done["RMSE"] < 0.2 and "Split 'station'" in log


def test_all_fields_may_be_selected(train, training):
    _, log = train(training(), PREDICTORS=[name for name, _ in FIELDS])
    said = next(line for line in log.splitlines() if "Left out of the predictors" in line)
    for words in (
        "fid (numbers the rows)",
        "station (has another part)",
        "land_cover (holds no numbers)",
        "ndvi_gap_days (days between row and band)",
    ):
        assert words in said
    assert "elevation" not in said


@pytest.mark.parametrize(
    ("name", "words"), [("fid", "numbers the rows"), ("ndvi_gap_days", "days between the rows and a band")]
)
def test_what_is_no_quantity_is_no_target(refused, training, tmp_path, name, words):
    refused(
        rf"\(TARGET\): the field '{name}' .*{words}",
        "trainmodel",
        TRAINING=training(),
        TARGET=name,
        PREDICTORS=["ndvi"],
        MODEL_FILE=str(tmp_path / "m.smmodel"),
    )


def test_a_default_that_the_layer_lacks_is_refused_where_it_is_needed(refused, training, tmp_path):
    words = r"\(TARGET\): 'stations' has no field 'soil_moisture'. Its fields are: .*moist"
    refused(
        words,
        "trainmodel",
        TRAINING=training(soil_moisture="moist"),
        PREDICTORS=["ndvi"],
        MODEL_FILE=str(tmp_path / "m.smmodel"),
    )


def test_and_not_set_where_it_is_not(train, training):
    _, log = train(training(station="name"), PREDICTORS=["ndvi", "elevation"])
    assert "(STATION): 'stations' has no field 'station'" in log
    assert "the rows are of 8 places" in log and "Split 'station'" in log


def test_a_random_split_is_a_warning(train, training):
    for layer, parameters in ((training(), {"SPLIT": "random"}), (training(kind="NoGeometry"), {"STATION": ""})):
        _, log = train(layer, PREDICTORS=["ndvi", "elevation"], **parameters)
        assert "The split is random" in log and "Split 'random'" in log
    assert "random:" not in train(training(), PREDICTORS=["ndvi", "elevation"])[1]


def test_defaults_of_fields_are_the_names_that_the_toolbox_gives(provider):
    names = {"STATION": "station", "TIME": "time", "TARGET": "soil_moisture", "VALUE": "soil_moisture"}
    for algorithm in provider.algorithms():
        for definition in algorithm.parameterDefinitions():
            if definition.type() == "field" and definition.name() in names:
                assert definition.defaultValue() == names[definition.name()], f"{algorithm.name()} {definition.name()}"
