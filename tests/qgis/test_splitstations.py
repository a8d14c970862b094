"""Split stations inside QGIS: tables on both sides, by share, date and expression, and on to a training."""

import pytest
from qgis.core import QgsProcessingFeedback

FIELDS = [("station", "string"), ("time", "string"), ("soil_moisture", "double"), ("network", "string")]


@pytest.fixture
def stations(point_layer):
    rows = []
    for number in range(12):
        for day in range(4):
            values = (
                f"s{number}",
                f"201{4 + day // 2}-06-0{day + 1}",
                0.2 + 0.01 * day,
                "Alps" if number < 8 else "Po",
            )
            rows.append((500000 + 900 * number, 4000000, *values))
    return point_layer(FIELDS, rows)


def names(layer, field="station"):
    return {feature[field] for feature in layer.getFeatures()}


def test_by_share_with_strata(run, stations):
    done = run("splitstations", INPUT=stations, METHOD="share", SHARE=0.25, STRATA="network", TRAINING="memory:",
               VALIDATION="memory:")  # fmt: skip
    training, validation = done["TRAINING"], done["VALIDATION"]
    assert not names(training) & names(validation) and len(names(validation)) == 3
    assert sorted(name in {f"s{i}" for i in range(8)} for name in names(validation)) == [False, True, True]
    assert (done["TRAINING_ROWS"], done["VALIDATION_ROWS"]) == (36, 12) == (
        training.featureCount(), validation.featureCount()
    )  # fmt: skip
    assert training.fields().names() == [name for name, _ in FIELDS] and training.crs().authid() == "EPSG:32630"
    assert {feature.geometry().asPoint().x() for feature in validation.getFeatures()} == {
        500000 + 900 * int(name[1:]) for name in names(validation)
    }


def test_before_a_date(run, stations):
    done = run("splitstations", INPUT=stations, METHOD="before_date", DATE="2015-01-01T00:00:00", TRAINING="memory:",
               VALIDATION="memory:")  # fmt: skip
    assert max(names(done["TRAINING"], "time")) < "2015" <= min(names(done["VALIDATION"], "time"))


@pytest.mark.parametrize(
    ("expression", "counts"),
    [
        ("\"network\" = 'Po'", (32, 16)),
        ("\"time\" >= '2015'", (24, 24)),
        # Rows of s0 before 2015 share their station with the validation, and dates are on both sides.
        ("\"station\" = 's0' and \"time\" >= '2015'", (44, 2)),
    ],
)
def test_by_expression(run, stations, expression, counts):
    feedback = QgsProcessingFeedback()
    done = run("splitstations", feedback, INPUT=stations, METHOD="expression", EXPRESSION=expression,
               TRAINING="memory:", VALIDATION="memory:")  # fmt: skip
    assert (done["TRAINING_ROWS"], done["VALIDATION_ROWS"]) == counts
    assert ("2 rows are on neither side" in feedback.textLog()) == (sum(counts) < 48)


def test_what_a_training_table_knows_is_on_both_sides(run, scene, tmp_path):
    from algorithms.origins import read_origins

    sampled = run("samplepredictors", STATIONS=str(scene / "stations.gpkg"), STATION="station", TIME="time",
                  PREDICTORS=[str(scene / "dem.tif")], OUTPUT=str(tmp_path / "sampled.gpkg"))["OUTPUT"]  # fmt: skip
    done = run("splitstations", INPUT=sampled, STATION="station", TRAINING=str(tmp_path / "training.gpkg"),
               VALIDATION="memory:")  # fmt: skip
    from qgis.core import QgsProcessingContext, QgsVectorLayer

    for made in (done["TRAINING"], done["VALIDATION"]):
        layer = QgsVectorLayer(made, "x", "ogr") if isinstance(made, str) else made
        assert read_origins(layer, layer.fields(), QgsProcessingContext())["dem"].product == "dem"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"METHOD": "before_date"}, r"\(METHOD\) before_date needs"),
        ({"METHOD": "before_date", "DATE": "2030-01-01T00:00:00"}, "none is left for the validation"),
        ({"METHOD": "expression"}, r"\(METHOD\) expression needs"),
        ({"METHOD": "expression", "EXPRESSION": "\"netwerk\" = 'Po'"}, "names 'netwerk', which is no field"),
        ({"METHOD": "expression", "EXPRESSION": "\"network\" = = 'Po'"}, "is no expression of QGIS"),
        ({"METHOD": "expression", "EXPRESSION": "true"}, "is true for all of the 48 rows"),
        ({"METHOD": "expression", "EXPRESSION": "to_int('a')"}, "cannot be evaluated in row 1"),
        ({"SHARE": 0}, r"\(SHARE\) is 0, but must be above 0 and below 1"),
    ],
)
def test_refused(refused, stations, tmp_path, given, words):
    outputs = {"TRAINING": str(tmp_path / "a.gpkg"), "VALIDATION": str(tmp_path / "b.gpkg")}
    refused(words, "splitstations", INPUT=stations, **outputs, **given)
