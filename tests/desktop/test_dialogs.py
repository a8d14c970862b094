"""What the windows of algorithms show before anything is chosen."""

import pytest
from qgis.core import QgsProject
from qgis.gui import QgsBrowserGuiModel
from qgis.PyQt.QtWidgets import QCheckBox


@pytest.fixture
def dialog(plugin, provider, point_layer, qgis_iface, monkeypatch):
    """A function that opens the window of an algorithm in a project that has a layer of stations."""
    from processing.gui import ParametersPanel
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    model = QgsBrowserGuiModel()
    monkeypatch.setattr(ParametersPanel.iface, "browserModel", lambda: model)

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
    opened = []

    def dialog(name):
        opened.append(AlgorithmDialog(provider.algorithm(name).create(), False, None))
        return opened[-1]

    yield dialog
    for window in opened:
        window.close()
    QgsProject.instance().removeMapLayer(layer.id())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trainmodel", {"TARGET": "soil_moisture", "STATION": "station", "TIME": "time", "PREDICTORS": []}),
        ("validatestations", {"VALUE": "soil_moisture", "STATION": "station", "TIME": "time"}),
        ("interpolatestations", {"VALUE": "soil_moisture", "STATION": "station", "TIME": "time"}),
    ],
)
def test_fields_of_the_toolbox_are_chosen_already(dialog, name, expected):
    wrappers = dialog(name).mainWidget().wrappers
    assert {key: wrappers[key].parameterValue() for key in expected} == expected


def test_choices_have_no_blank_rows(dialog):
    widget = dialog("terrainindices").mainWidget().wrappers["INDICES"].wrappedWidget()
    boxes = [box.text() for box in widget.findChildren(QCheckBox)]
    assert len(boxes) == 12 and all(boxes)
