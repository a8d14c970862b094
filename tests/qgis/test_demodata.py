"""The demo scene as it comes into the project."""

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProcessingUtils, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QCoreApplication

GROUP = "Soil Moisture Toolbox demo"


@pytest.fixture(scope="module")
def made(plugin, tmp_path_factory):
    """The folder of a scene, and the context of the run that wrote it."""
    folder = tmp_path_factory.mktemp("demo") / "scene"
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    project = QgsProject()
    context.setProject(project)
    _, done = plugin.provider.algorithm("demodata").create().run({"OUTPUT": str(folder)}, context, feedback)
    assert done, feedback.textLog()
    return folder, context, project


def test_styles_lie_beside_the_files(made):
    folder, *_ = made
    assert not list(folder.glob("*.aux.xml"))
    for path in [*folder.glob("*.tif"), *folder.glob("*.gpkg")]:
        assert path.with_suffix(".qml").is_file(), path.name
    layer = QgsRasterLayer(str(folder / "truth.tif"), "truth")
    assert layer.renderer().type() == "singlebandpseudocolor" and layer.renderer().classificationMax() == 0.5


def test_layers_are_loaded_into_a_group_in_order(made):
    """What QGIS's window does when the algorithm has ended."""
    _, context, project = made
    for path, details in context.layersToLoadOnCompletion().items():
        layer = QgsProcessingUtils.mapLayerFromString(path, context)
        details.setOutputLayerName(layer)
        project.addMapLayer(context.temporaryLayerStore().takeMapLayer(layer))
        details.postProcessor().postProcessLayer(layer, context, QgsProcessingFeedback())
    # QGIS takes layers that have left the tree out of the project when it is idle.
    QCoreApplication.processEvents()
    assert len(project.mapLayers()) == 23
    root = project.layerTreeRoot()
    assert [child.name() for child in root.children()] == [GROUP]
    children = root.findGroup(GROUP).children()
    names = [child.name() for child in children]
    assert len(names) == 23 and names[:3] == ["stations", "stations_validation", "truth"] and names[-1] == "dem"
    assert {child.name() for child in children if child.itemVisibilityChecked()} == {
        "stations",
        "stations_validation",
        "truth",
        "dem",
    }
    stations = next(child.layer() for child in children if child.name() == "stations")
    assert stations.renderer().type() == "graduatedSymbol"


def test_nothing_is_loaded_where_that_is_not_wanted(plugin, tmp_path):
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    _, done = (
        plugin.provider.algorithm("demodata")
        .create()
        .run({"OUTPUT": str(tmp_path / "scene"), "ADD_TO_PROJECT": False}, context, QgsProcessingFeedback())
    )
    assert done and not context.layersToLoadOnCompletion()


def test_years_follow_the_season(plugin, tmp_path):
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    parameters = {"OUTPUT": str(tmp_path / "scene"), "YEARS": 1}
    _, done = plugin.provider.algorithm("demodata").create().run(parameters, context, feedback)
    assert done, feedback.textLog()
    assert QgsRasterLayer(str(tmp_path / "scene" / "product_a.tif"), "").bandCount() == 183 + 366
