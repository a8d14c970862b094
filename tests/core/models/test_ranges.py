"""Predictors of a map against the training, classes as predictors, and predictors that are the target in disguise."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError, ModelFileError
from sm_toolbox.models.features import FeatureEncoder, parse_classes
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.preparation import SampledTable, prepare_training
from sm_toolbox.models.reports.effects import local_effects
from sm_toolbox.models.reports.model import model_report
from sm_toolbox.models.reports.training import gap_in_words, training_report
from sm_toolbox.models.rowprediction import predict_rows
from sm_toolbox.models.table import Roles
from sm_toolbox.models.training import train
from sm_toolbox.raster.bands import list_bands, overview
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine

RNG = np.random.default_rng(4)
NDVI, LST = RNG.random((30, 40)), 285 + 20 * RNG.random((30, 40))
MOISTURE = 0.1 + 0.2 * NDVI + 0.004 * (305 - LST)


def columns(**more):
    rows, cols = RNG.integers(30, size=200), RNG.integers(40, size=200)
    table = {"station": [f"s{i // 5}" for i in range(200)], "sm": MOISTURE, "ndvi": NDVI, "lst": LST, **more}
    return {name: values if name == "station" else values[rows, cols].tolist() for name, values in table.items()}


def trained(table, predictors, progress, target="sm", categorical=()):
    source = SampledTable(table)
    prepared = prepare_training(
        source, Roles(target, predictors, station="station"), progress=progress, categorical=categorical
    )
    estimator = make_estimator("random_forest", '{"n_estimators": 20}')
    return train(prepared.table, estimator, prepared.split, prepared.periods, progress=progress)


@pytest.fixture(scope="module")
def model():
    from sm_toolbox.progress import SILENT

    return trained(columns(), ("ndvi", "lst"), SILENT).model


@pytest.mark.parametrize(
    ("ndvi", "lst", "words"),
    [
        (1e4 * NDVI + 2000, LST, ["'ndvi'", "stored times 10000"]),
        (NDVI, LST - 273.15, ["'lst'", "°C instead of kelvin"]),
        (100 * NDVI + 5, LST, ["'ndvi'", "percent instead of a fraction"]),
    ],
    ids=["scaled", "celsius", "percent"],
)
def test_predictors_in_other_units_are_named(ndvi, lst, words, model, write_raster, tmp_path, progress):
    """Also without APPLICABILITY."""
    sources = [write_raster("ndvi.tif", ndvi, ["ndvi"]), write_raster("lst.tif", lst, ["lst"])]
    predict_raster(model, sources, str(tmp_path / "map.tif"), engine=Engine(progress=progress))
    (warning,) = progress.warnings
    assert all(word in warning for word in words) and "nearly all cells" in warning


def test_rows_of_a_table_in_another_unit_are_named_too(model, progress):
    own = columns()
    predict_rows(model, SampledTable({**own, "lst": [value - 273.15 for value in own["lst"]]}), progress=progress)
    (warning,) = progress.warnings
    assert "nearly all rows of 'lst'" in warning and "perhaps °C instead of kelvin" in warning
    predict_rows(model, SampledTable(own), progress=progress)
    assert len(progress.warnings) == 1


def test_exchanged_predictors_make_no_map(model, write_raster, tmp_path, progress):
    source = write_raster("swapped.tif", np.stack([NDVI, LST]), ["lst", "ndvi"])
    with pytest.raises(InputError, match="perhaps exchanged with 'lst'"):
        predict_raster(model, [source], str(tmp_path / "map.tif"), engine=Engine(progress=progress))
    assert not list(tmp_path.glob("map*"))


def test_right_predictors_are_no_matter(model, write_raster, tmp_path, progress):
    source = write_raster("right.tif", np.stack([NDVI, LST]), ["ndvi", "lst"])
    predict_raster(model, [source], str(tmp_path / "map.tif"), engine=Engine(progress=progress))
    assert not progress.warnings
    assert np.abs(overview(list_bands([Source(str(tmp_path / "map.tif"))])[0]) - MOISTURE).mean() < 0.015


def test_a_predictor_in_the_target_s_order_is_named(progress):
    trained(columns(copy=np.exp(MOISTURE)), ("ndvi", "copy"), progress)
    (warning,) = (text for text in progress.warnings if "same order as the target" in text)
    assert "'copy' (+1.000)" in warning and "'ndvi'" not in warning


def test_a_target_in_percent_has_no_unit(progress):
    training = trained(columns(percent=100 * MOISTURE), ("ndvi", "lst"), progress, target="percent")
    assert training.model.manifest.target.unit is None
    assert "m³" not in gap_in_words(training) and "m³" not in training_report(training).html()
    (warning,) = progress.warnings
    assert "has a median of 2" in warning and "perhaps percent" in warning
    plain = trained(columns(), ("ndvi", "lst"), progress)
    assert "m³ m⁻³" in gap_in_words(plain) and plain.model.manifest.target.unit == "m3 m-3"


COVER = RNG.choice([10, 40, 60], (30, 40)).astype(float)
BY_COVER = MOISTURE + np.select([COVER == 10, COVER == 40], [0.2, -0.05], 0.1)


def test_classes_become_features_of_their_own(write_raster, tmp_path, progress):
    table = columns(cover=COVER, sm=BY_COVER)
    training = trained(table, ("ndvi", "cover"), progress, categorical=("cover",))
    assert training.model.encoder.names == ["ndvi", "cover=10", "cover=40", "cover=60"]
    assert not progress.warnings
    path = str(tmp_path / "a.smmodel")
    save_model(training.model, path)
    model = load_model(path)
    assert model.manifest.predictors[1].classes == [10, 40, 60]
    unseen = COVER.copy()
    unseen[:3] = 99
    sources = [write_raster("n.tif", NDVI, ["ndvi"]), write_raster("c.tif", unseen, ["cover"], dtype="uint8")]
    predict_raster(model, sources, str(tmp_path / "map.tif"), engine=Engine(progress=progress))
    made = overview(list_bands([Source(str(tmp_path / "map.tif"))])[0])
    assert np.isnan(made[:3]).all() and np.isfinite(made[3:]).all()
    assert made[3:][COVER[3:] == 10].mean() - made[3:][COVER[3:] == 40].mean() == pytest.approx(0.25, abs=0.06)
    (warning,) = progress.warnings
    assert "'cover' (120 cells)" in warning
    # As it was trained, so it predicts after it was read.
    rows = np.array([[0.5, 10], [0.5, 60]], np.float32)
    np.testing.assert_array_equal(model.predict(rows), training.model.predict(rows))


def test_the_report_shows_the_effect_of_each_class(progress):
    training = trained(columns(cover=COVER, sm=BY_COVER), ("ndvi", "cover"), progress, categorical=("cover",))
    evidence = training.model.evidence
    effect = local_effects(training.model, evidence.predictors, 1)
    np.testing.assert_array_equal(effect.at, [10, 40, 60])
    np.testing.assert_allclose(effect.effect - effect.effect[0], [0, -0.25, -0.1], atol=0.05)
    assert "Classes of cover: 10, 40, 60." in model_report(training.model, "a.smmodel").html()


def test_classes_taken_as_amounts_are_named(progress):
    trained(columns(land_cover=COVER, sm=BY_COVER), ("ndvi", "land_cover"), progress)
    (warning,) = progress.warnings
    assert "'land_cover' (3 classes)" in warning and "`categorical`" in warning


def test_what_cannot_be_classes_is_refused():
    values = np.stack([NDVI.ravel()[:50], COVER.ravel()[:50]], axis=1)
    assert parse_classes(("cover",), ("ndvi", "cover"), values) == {"cover": (10.0, 40.0, 60.0)}
    with pytest.raises(InputError, match="'ndvi' has 50 different values"):
        parse_classes(("ndvi",), ("ndvi", "cover"), values)
    with pytest.raises(InputError, match="none of the predictors"):
        parse_classes(("other",), ("ndvi", "cover"), values)


def test_features_of_classes_add_up_by_predictor():
    encoder = FeatureEncoder(("a", "cover", "aspect"), {"aspect": 360.0}, {"cover": (1.0, 2.0, 5.0)})
    encoded = encoder.encode(np.array([[7.0, 2, 90], [8.0, 5, 0]]))
    np.testing.assert_allclose(encoded, [[7, 0, 1, 0, 1, 0], [8, 0, 0, 1, 0, 1]], atol=1e-6)
    np.testing.assert_array_equal(encoder.by_predictor(np.array([1.0, 2, 3, 4, 5, 6])), [1, 9, 11])


@pytest.mark.parametrize("classes", [[], [2, 1], ["a"], [1, 1], "ab", [float("inf")]])
def test_model_files_with_wrong_classes_are_refused(classes, model, tmp_path):
    import json
    import zipfile

    path, wrong = tmp_path / "a.smmodel", tmp_path / "b.smmodel"
    save_model(model, str(path))
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(wrong, "w") as other:
        manifest = json.loads(archive.read("manifest.json"))
        manifest["predictors"][0]["classes"] = classes
        other.writestr("manifest.json", json.dumps(manifest))
        other.writestr("arrays.npz", archive.read("arrays.npz"))
    with pytest.raises(ModelFileError, match="classes"):
        load_model(str(wrong))
