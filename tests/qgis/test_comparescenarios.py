"""Compare evaluation scenarios inside QGIS: its table, its text, its state, and what it refuses."""

import numpy as np
import pytest
from qgis.core import QgsProcessingFeedback, QgsVectorLayer

FIELDS = [("station", "string"), ("time", "string"), ("network", "string"), ("sm", "double"), ("rain", "double")]
FOREST = '{"random_forest": {"n_estimators": 8}}'


@pytest.fixture
def rows():
    """Stations with levels of their own, in two years and three networks."""
    rng = np.random.default_rng(1)
    rows = []
    for station in range(12):
        level = rng.normal(0, 0.05)
        for day in range(12):
            rain = float(rng.random())
            value = float(0.2 + level + 0.1 * rain + rng.normal(0, 0.004))
            time = f"{2019 + day // 6}-06-{1 + day % 6:02d}"
            rows.append((500000 + 900 * station, 4000000, f"s{station}", time, f"n{station % 3}", value, rain))
    return rows


@pytest.fixture
def base(point_layer, rows):
    return {
        "TRAINING": point_layer(FIELDS, rows),
        "TARGET": "sm",
        "PREDICTORS": ["rain"],
        "MODELS": ["random_forest"],
        "HYPERPARAMETERS": FOREST,
        "SIZES_DEPENDENT": "20,60",
        "SIZES_TEMPORAL": "2,4",
        "SIZES_SPATIAL": "3,7",
        "REPEATS": 2,
        "CANDIDATES": 2,
    }


def test_all_scenarios_and_the_state(run, base, point_layer, rows, tmp_path):
    given = {
        **base,
        "GROUP": "network",
        "TEST": point_layer(FIELDS, rows[:40], name="campaign"),
        "SCENARIOS": ["dependent", "temporal", "spatial", "group", "regional"],
        "STATE": str(tmp_path / "state.jsonl"),
        "REPORT": str(tmp_path / "report.html"),
    }
    feedback = QgsProcessingFeedback()
    results = run("comparescenarios", feedback, **given, OUTPUT=str(tmp_path / "first.gpkg"))
    layer = QgsVectorLayer(results["OUTPUT"], "errors", "ogr")
    names = [field.name() for field in layer.fields()]
    assert names[1:] == [
        *("scenario", "size", "repeat", "model", "tuning"),
        *("bias", "r", "rmse", "ubrmse", "train_rows", "test_rows"),
    ]
    found = [feature.attributes()[1:] for feature in layer.getFeatures()]
    # 8 pairs of scenario and size, 2 repeats: 2 tunings and 3 baselines each.
    assert len(found) == 8 * 2 * 5
    assert {row[0] for row in found} == {"dependent", "temporal", "spatial", "group", "regional"}
    assert {row[4] for row in found} == {"nested", "oracle", "none"} and {row[2] for row in found} == {1, 2}
    assert results["OPTIMISM"] > 1 and "Random rows" in results["VERDICT"]
    assert "trials of" in feedback.textLog() and "fits" in feedback.textLog()
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<img") == 5
    again = run("comparescenarios", **given, OUTPUT=str(tmp_path / "second.gpkg"))
    assert {key: again[key] for key in ("OPTIMISM", "VERDICT")} == {
        key: results[key] for key in ("OPTIMISM", "VERDICT")
    }


def test_predictors_are_scaled_between_limits(run, base, tmp_path):
    """Support vectors of gamma 1 see other values of rain between other limits; without SCALING they do nothing."""
    given = {
        **base,
        "MODELS": ["svr"],
        "HYPERPARAMETERS": '{"svr": {"gamma": 1.0}}',
        "SCENARIOS": ["dependent"],
        "CANDIDATES": 1,
        "REPEATS": 1,
    }

    def errors(name, feedback=None, **scaling):
        feedback = feedback or QgsProcessingFeedback()
        results = run("comparescenarios", feedback, **given, **scaling, OUTPUT=str(tmp_path / f"{name}.gpkg"))
        layer = QgsVectorLayer(results["OUTPUT"], name, "ogr")
        return [row["rmse"] for row in layer.getFeatures() if row["tuning"] == "nested"]

    ignored = QgsProcessingFeedback()
    plain = errors("plain", ignored, LIMITS="rain:0:100")
    assert "LIMITS is ignored, because SCALING is 'standard'" in ignored.textLog()
    own, wide = errors("own", SCALING="minmax"), errors("wide", SCALING="minmax", LIMITS="rain:0:100")
    assert len(plain) == len(own) == len(wide) == 2
    # Between 0 and 100 all rain looks alike; between its own limits it is learned from.
    assert all(far > near + 0.002 for near, far in zip(own, wide)) and own != plain


def test_what_is_refused(refused, base, point_layer, rows, tmp_path):
    given = {**base, "OUTPUT": str(tmp_path / "out.gpkg")}
    few = point_layer([item for item in FIELDS if item[0] != "rain"], [row[:-1] for row in rows], name="campaign")
    refused(
        r"'Table of tests' \(TEST\) 'campaign' lacks the fields rain",
        "comparescenarios", **{**given, "TEST": few, "SCENARIOS": ["regional"]},
    )  # fmt: skip
    refused(
        r"\(SIZES_SPATIAL\).*'-3' is no size",
        "comparescenarios", **{**given, "SCENARIOS": ["spatial"], "SIZES_SPATIAL": "-3"},
    )  # fmt: skip
    refused(
        r"\(LIMITS\): 'rain:1:0' is not of the form",
        "comparescenarios", **{**given, "SCALING": "minmax", "LIMITS": "rain:1:0"},
    )  # fmt: skip
    refused(
        "The scenario group needs 'Group field' .GROUP., the field",
        "comparescenarios", **{**given, "SCENARIOS": ["group"]},
    )  # fmt: skip
    notes = tmp_path / "notes.txt"
    notes.write_text("mine\n")
    refused("is no file of finished trials", "comparescenarios", **{**given, "STATE": str(notes)})
