"""The workflows as files: valid, explained, and what `make models` writes of their descriptions."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
from qgis.core import QgsProcessingModelAlgorithm

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "tools" / "workflows").glob("[a-z]*.py") if path.stem != "build")
STUDIES = {
    "quantilemap": "10.3389/frwa.2020.578367",
    "cloudgapmap": "10.1109/JSTARS.2022.3166974",
    "monthlymap": "10.3390/rs15061531",
    "mergedmap": "10.3390/rs14071744",
    "scenarios": "10.1109/TGRS.2025.3533927",
}


@pytest.fixture(params=MODULES)
def described(request, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    yield import_module(f"workflows.{request.param}").WORKFLOW
    for name in [name for name in sys.modules if name.split(".")[0] == "workflows"]:
        del sys.modules[name]


@pytest.fixture(params=[*STUDIES, "stationmap", "droughtwatch"])
def model(request, provider):
    return provider.algorithm(request.param)


def test_the_files_are_those_of_the_descriptions(provider, described, tmp_path):
    from workflows.build import build, write

    paths = [tmp_path / "offered.model3", tmp_path / "built.model3"]
    offered = QgsProcessingModelAlgorithm()
    assert offered.fromFile(str(ROOT / "resources" / "models" / described.file))
    write(offered, paths[0])
    write(build(described), paths[1])
    built = paths[1].read_text("utf-8")
    if '"Version2"' in built:
        pytest.skip("a later QGIS names outputs otherwise in what it builds anew")
    assert paths[0].read_text("utf-8") == built, "run: make models"


def test_every_study_is_offered(provider):
    offered = {algorithm.name() for algorithm in provider.algorithms() if algorithm.group() == "Workflows"}
    assert offered == {*STUDIES, "stationmap", "droughtwatch"}


def test_a_workflow_is_valid_and_explained(model):
    valid, issues = model.validate()
    assert valid, issues
    assert model.canExecute()[0]
    help_texts = model.helpContent()
    assert STUDIES.get(model.name(), "") in help_texts["ALG_DESC"] and "open a copy" in help_texts["ALG_DESC"]
    assert "open a copy" not in model.shortDescription() and model.displayName() != model.name()
    inputs = [definition for definition in model.parameterDefinitions() if not definition.isDestination()]
    labels = [definition.description() for definition in inputs]
    assert len(set(labels)) == len(labels)
    assert all(help_texts[definition.name()] and definition.help() for definition in inputs)
    # Layers first, what is folded away last.
    folded = [bool(definition.flags() & definition.Flag.FlagAdvanced) for definition in inputs]
    assert folded == sorted(folded)


def test_a_workflow_is_made_of_our_algorithms_and_those_of_qgis(model):
    children = model.childAlgorithms().values()
    assert {child.algorithmId().split(":")[0] for child in children} <= {"smtoolbox", "native"}
    titles = [child.description() for child in children if child.algorithmId().startswith("smtoolbox:")]
    assert all(titles)
    assert all(re.match(r"\d\. ", box.description()) for box in model.groupBoxes()) and model.groupBoxes()


def test_no_choice_is_hidden(model):
    """What the study chose is an input with that default; steps fix only what the shape of the workflow needs."""
    inputs = {d.name(): d.defaultValue() for d in model.parameterDefinitions()}
    expected = {
        "quantilemap": {
            "share": 0.25,
            "folds": 5,
            "smap_window": 3,
            "filter": 3,
            "local_share": 0.1,
            "split": "random",
        },
        "cloudgapmap": {"sun": "none", "kind": "random_forest", "first": "aspect;elevation;albedo;ati;ndvi;ndii5"},
        "monthlymap": {
            "tuning": "grid",
            "folds": 10,
            "tuning_folds": 10,
            "ndvi_statistic": "max",
            "resampling": "nearest",
        },
        "mergedmap": {"kind": "lstm", "residuals": "simple_kriging", "unresolved": "mean", "alpha": 0.05},
        "scenarios": {"repeats": 50, "candidates": 100, "scaling": "minmax", "spatial": "1,9,…,57", "target": 0.06},
    }
    assert {key: inputs[key] for key in expected.get(model.name(), {})} == expected.get(model.name(), {})


def test_stations_for_training_are_not_taken_for_validation(run, scene, tmp_path):
    from qgis.core import QgsProcessingException, QgsProcessingFeedback

    feedback, stations = QgsProcessingFeedback(), str(scene / "stations.gpkg")
    with pytest.raises(QgsProcessingException) as caught:
        run(
            "stationmap",
            feedback,
            dem=str(scene / "dem.tif"),
            predictors=[str(scene / "soil.tif")],
            stations=stations,
            validation=stations,
            **{
                "train:Model file": str(tmp_path / "m.smmodel"),
                "predict:Soil moisture": str(tmp_path / "map.tif"),
                "validate:Stations with metrics": "memory:",
            },
        )
    # Later QGIS says it in the exception alone.
    said = feedback.textLog() + str(caught.value)
    assert "(validation) are those of 'Stations for training' (stations)" in said
    assert not list(tmp_path.iterdir())
