"""Predictors scaled between stated limits: what learners see, what the file keeps, and what is refused."""

import json
import zipfile

import numpy as np
import pytest

from sm_toolbox.errors import InputError, ModelFileError
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.features import FeatureEncoder, parse_limits
from sm_toolbox.models.learners.catalogue import make_estimator, with_features_as_given
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.reports.model import model_report
from sm_toolbox.models.table import Roles
from sm_toolbox.models.training import train

KINDS = {"svr": "{}", "mlp": '{"hidden_layer_sizes": [16], "max_iter": 60}', "random_forest": '{"n_estimators": 8}'}


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    vv, vh, aspect = rng.uniform(-20, -5, 160), rng.uniform(-28, -12, 160), rng.uniform(0, 360, 160)
    sm = 0.5 + 0.02 * vv + 0.005 * (vh + 20) ** 2 / 10 + 0.02 * np.sin(np.radians(aspect))
    return {"vv": vv, "vh": vh, "aspect": aspect, "sm": sm, "station": [f"s{i % 8}" for i in range(160)]}


def prepared(columns, limits, progress=None, **more):
    given = {} if progress is None else {"progress": progress}
    return prepare_training(
        SampledTable(columns), Roles("sm", ("vv", "vh", "aspect"), "station"), None, SplitRequest("station", 3),
        limits=limits, **given, **more,
    )  # fmt: skip


def test_limits_become_0_and_1():
    encoder = FeatureEncoder(("vv", "aspect", "cover"), {"aspect": 360}, {"cover": (1.0, 2.0)}, {"vv": (-30.0, 5.0)})
    rows = np.array([[-30.0, 90, 1], [5.0, 0, 2], [-12.5, 180, 2], [22.5, 270, 1]])
    np.testing.assert_allclose(encoder.encode(rows)[:, 0], [0, 1, 0.5, 1.5])
    np.testing.assert_allclose(encoder.encode(rows)[:, 1:3].T, [[1, 0, 0, -1], [0, 1, -1, 0]], atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_that_of_features_scaled_by_hand(kind, columns, tmp_path):
    """The learner is told to take what it gets: its own scaling would undo the limits."""
    table = prepared(columns, "vv:-30:5").table
    assert table.limits["vv"] == (-30, 5) and table.limits["vh"] == (columns["vh"].min(), columns["vh"].max())
    assert "aspect" not in table.limits
    estimator = with_features_as_given(make_estimator(kind, KINDS[kind]))
    model = train(table, estimator, make_split("station", 3), {"aspect": 360.0}).model
    angle = np.radians(columns["aspect"])
    by_hand = np.stack(
        [(columns["vv"] + 30) / 35, (columns["vh"] - columns["vh"].min()) / np.ptp(columns["vh"]), np.sin(angle),
         np.cos(angle)], axis=1,
    ).astype(np.float32)  # fmt: skip
    from sm_toolbox.progress import SILENT

    fitted = estimator.fit(by_hand, columns["sm"], None, 0, SILENT)
    rows = np.stack([columns[name] for name in ("vv", "vh", "aspect")], axis=1)
    np.testing.assert_allclose(model.predict(rows), fitted.predict(by_hand), rtol=1e-5, atol=1e-6)
    path = str(tmp_path / "m.smmodel")
    save_model(model, path)
    again = load_model(path)
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    assert again.manifest.format_version == 2 and again.encoder.limits == model.encoder.limits
    assert "vv -30 to 5" in model_report(again, "m").html()


def test_support_vectors_differ_from_those_of_standard_scaling(columns):
    """Narrow limits weigh a predictor more: the two ways are not the same model."""
    rows = np.stack([columns[name] for name in ("vv", "vh", "aspect")], axis=1)
    predictions = []
    for limits in (None, "", "vv:-30:5,vh:-35:0"):
        table = prepared(columns, limits).table
        estimator = (
            make_estimator("svr", None) if limits is None else with_features_as_given(make_estimator("svr", None))
        )
        model = train(table, estimator, make_split("station", 3), {"aspect": 360.0}).model
        assert model.manifest.format_version == (1 if limits is None else 2)
        predictions.append(model.predict(rows))
    assert all(np.abs(predictions[0] - other).max() > 1e-3 for other in predictions[1:])
    assert np.abs(predictions[1] - predictions[2]).max() > 1e-3


def test_rows_beyond_limits_are_told(columns, progress):
    prepared(columns, "vv:-15:-10", progress)
    outside = int(((columns["vv"] < -15) | (columns["vv"] > -10)).sum())
    assert any(
        f"beyond `limits`, and beyond 0 and 1 when scaled: vv ({outside} rows" in text for text in progress.warnings
    )


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("vv:5:-30", "with the lowest value first"),
        ("vv:-30", "not of the form name:lowest:highest"),
        ("vv:a:b", "not of the form name:lowest:highest"),
        ("vv:nan:5", "not of the form name:lowest:highest"),
        ("sand:0:100", "`limits` names 'sand', which is none of the predictors"),
        ("aspect:0:360", "`limits` names 'aspect', which is cyclic"),
    ],
)
def test_refused(columns, limits, words):
    with pytest.raises(InputError, match=words):
        prepared(columns, limits)


def test_names_with_colons_are_read():
    assert parse_limits("a:b:-1:2", ["a:b"]) == {"a:b": (-1.0, 2.0)}


@pytest.mark.parametrize("limits", [[5, -30], [1], ["a", "b"], [0, float("inf")], "ab"])
def test_limits_of_nonsense_in_a_file_are_refused(columns, tmp_path, limits):
    table = prepared(columns, "").table
    path = tmp_path / "m.smmodel"
    save_model(
        train(table, make_estimator("random_forest", KINDS["random_forest"]), make_split("station", 3)).model, str(path)
    )
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    manifest = json.loads(parts["manifest.json"])
    manifest["predictors"][0]["limits"] = limits
    parts["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as written:
        for name, content in parts.items():
            written.writestr(name, content)
    with pytest.raises(ModelFileError, match="the limits of its predictor 'vv' are wrong"):
        load_model(str(path))
