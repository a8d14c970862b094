"""What the windows of algorithms and workflows show before anything is chosen."""

from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProcessingModelAlgorithm, QgsProcessingParameterDefinition, QgsProject
from qgis.PyQt.QtWidgets import QAbstractButton, QCheckBox, QGraphicsView, QLabel

from algorithms.provider import ALGORITHMS

MODELS = sorted((Path(__file__).parents[2] / "resources" / "models").glob("*.model3"))


def id_of(path):
    """Return the name of a workflow that the provider offers."""
    model = QgsProcessingModelAlgorithm()
    assert model.fromFile(str(path)), f"{path.name} cannot be read"
    return model.name()


@pytest.fixture
def offered(provider):
    """The names of what the provider offers, of which windows must open; workflows are known only inside QGIS."""
    return [module.partition(".")[2] for module in ALGORITHMS] + [id_of(path) for path in MODELS]


@pytest.fixture
def stations(point_layer):
    """A layer of stations in the project."""
    rows = [(500000 + i, 3999000, i, f"s{i}", "2019-06-01", 0.2, 0.5) for i in range(3)]
    fields = [
        ("fid", "integer"),
        ("station", "string"),
        ("time", "string"),
        ("soil_moisture", "double"),
        ("ndvi", "double"),
    ]
    layer = point_layer(fields, rows)
    QgsProject.instance().addMapLayer(layer)
    return layer


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "trainmodel",
            {
                "TARGET": "soil_moisture",
                "STATION": "station",
                "TIME": "time",
                "PREDICTORS": ["fid", "station", "time", "soil_moisture", "ndvi"],
            },
        ),
        ("validatestations", {"VALUE": "soil_moisture", "STATION": "station", "TIME": "time"}),
        ("interpolatestations", {"VALUE": "soil_moisture", "STATION": "station", "TIME": "time"}),
    ],
)
def test_fields_of_the_toolbox_are_chosen_already(stations, dialog, name, expected):
    wrappers = dialog(name).mainWidget().wrappers
    assert {key: wrappers[key].parameterValue() for key in expected} == expected


def test_choices_have_no_blank_rows(stations, dialog):
    widget = dialog("terrainindices").mainWidget().wrappers["INDICES"].wrappedWidget()
    boxes = [box.text() for box in widget.findChildren(QCheckBox)]
    assert len(boxes) == 12 and all(boxes)


def asked(algorithm):
    """Return what a window asks for."""
    hidden = QgsProcessingParameterDefinition.Flag.FlagHidden
    return [d for d in algorithm.parameterDefinitions() if not d.flags() & hidden]


def test_every_window_opens_with_a_label_of_its_own_for_each_value(offered, dialog, provider):
    for name in offered:
        window, definitions = dialog(name), asked(provider.algorithm(name))
        panel = window.mainWidget()
        # Labels of Processing end in its own '[optional]'; switches carry their text themselves.
        labels = panel.findChildren(QLabel)
        assert not [label for label in labels if label.isVisibleTo(window) and not label.text().strip()], name
        texts = [label.text().removesuffix(" [optional]") for label in labels]
        texts += [button.text().removesuffix(" [optional]") for button in panel.findChildren(QAbstractButton)]
        for definition in definitions:
            assert texts.count(definition.description()) == 1, f"{name}: {definition.description()}"
        assert {d.name() for d in definitions} <= set(panel.wrappers), name
        # Later QGIS puts the group before it.
        assert window.windowTitle().endswith(provider.algorithm(name).displayName())
        window.close()


def test_every_value_has_its_help(offered, provider):
    for name in offered:
        algorithm = provider.algorithm(name)
        is_model = isinstance(algorithm, QgsProcessingModelAlgorithm)
        told = algorithm.helpContent() if is_model else {}
        for definition in asked(algorithm):
            if is_model and definition.isDestination():
                continue
            help_text = told.get(definition.name(), "") if is_model else definition.help()
            assert len(help_text) > 5, f"{name}: {definition.name()}"


def test_every_batch_panel_opens_with_a_column_for_each_value(offered, batch, provider):
    for name in offered:
        window = batch(name)
        panel = window.mainWidget()
        table = panel.tblParameters
        heads = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount())]
        columns = {d.name(): heads[panel.parameter_to_column[d.name()]] for d in asked(provider.algorithm(name))}
        assert all(columns.values()) and len(set(columns.values())) == len(columns), f"{name}: {columns}"
        window.close()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_workflow_is_whole_and_opens_in_the_modeler(provider, windows, monkeypatch, path):
    from processing.modeler import ModelerDialog

    # The stand-in for QGIS's window has no icons.
    monkeypatch.setattr(ModelerDialog, "iface", None)
    name = id_of(path)
    offered = provider.algorithm(name)
    assert offered is not None and offered.group() == "Workflows" and offered.canExecute() == (True, "")
    assert offered.displayName()[0].isupper() and offered.shortDescription().endswith(".")
    model = offered.create()
    for key, child in model.childAlgorithms().items():
        assert child.algorithm() is not None, f"{key}: there is no {child.algorithmId()}"
        assert model.validateChildAlgorithm(key) == (True, []), key
    valid, problems = model.validate()
    assert valid, problems
    window = ModelerDialog.ModelerDialog.create(model)
    windows.append(window)
    items = [item for view in window.findChildren(QGraphicsView) for item in view.scene().items()]
    drawn = [item for item in items if hasattr(item, "component")]
    parts = len(model.childAlgorithms()) + len(model.parameterComponents())
    assert len(drawn) >= parts
    window.setDirty(False)


def test_the_workflows_are_those_of_the_folder(provider):
    registry = QgsApplication.processingRegistry()
    offered = {a.name() for a in registry.providerById("smtoolbox").algorithms() if a.group() == "Workflows"}
    assert offered == {id_of(path) for path in MODELS} and offered
