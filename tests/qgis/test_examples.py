"""Every algorithm that has an example runs on the demo scene as the README says, and QGIS shows what came out."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from qgis.core import NULL, Qgis, QgsExpression, QgsExpressionContext, QgsProject, QgsRasterLayer

from algorithms.provider import ALGORITHMS

from .test_meaning import WORDS, Listening

# What a run on the demo scene rightly warns of; all else that is orange or red in the log is a fault.
DECLARED = {
    "soilindices": ["available water capacity came out negative"],
    "tcmerge": ["below the customary 100"],
    "triplecollocation": ["below the customary 100"],
    "aggregatestations": ["in periods with fewer than 10"],
    "importismn": ["means of fewer than 3 observations"],
    "samplepredictors": ["'ndvi' is missing in 88 rows"],
    "downscale": ["2 of 183 dates of COARSE get no map", "below what soil can hold"],
}


@pytest.fixture
def project():
    """The project, which is empty again afterwards."""
    yield QgsProject.instance()
    QgsProject.instance().removeAllMapLayers()


@pytest.mark.parametrize("name", [module.partition(".")[2] for module in ALGORITHMS])
def test_the_example_runs(provider, project, scene, tmp_path, name, no_main_window):
    import processing

    algorithm = provider.algorithm(name)
    if not algorithm.EXAMPLE:
        pytest.skip("it works on what others make, or on nothing")

    def on_scene(value):
        if isinstance(value, list):
            return [on_scene(item) for item in value]
        return str(scene / value) if isinstance(value, str) and (scene / value).is_file() else value

    parameters = {key: on_scene(value) for key, value in algorithm.EXAMPLE.items()}
    outputs = {}
    for definition in algorithm.destinationParameterDefinitions():
        suffix = {"rasterDestination": "tif", "sink": "gpkg", "fileDestination": "html"}[definition.type()]
        outputs[definition.name()] = str(tmp_path / f"{definition.name()}.{suffix}")
    feedback = Listening()
    done = processing.runAndLoadResults(f"smtoolbox:{name}", {**parameters, **outputs}, feedback)
    assert not [text for text in feedback.warned if any(words in text for words in WORDS)], "a false alarm"
    declared = DECLARED.get(name, [])
    assert not [text for text in feedback.warned if not any(words in text for words in declared)], "undeclared"
    assert all(any(words in text for text in feedback.warned) for words in declared), "no longer said"
    assert not feedback.errors
    ends = [d.description() for d in algorithm.outputDefinitions() if d.type() in ("outputRaster", "outputNumber")]
    # Processing adds lines of its own.
    last = feedback.textLog().strip().splitlines()[-4:]
    assert any(line.startswith(tuple(ends)) for line in last), "the log ends with the result"
    for key in outputs:
        assert Path(done[key].split("|")[0]).stat().st_size > 0, key
        if outputs[key].endswith(".tif"):
            with rasterio.open(done[key]) as dataset:
                assert dataset.count > 0 and all(dataset.descriptions)
    layers = {
        d.description() for d in algorithm.destinationParameterDefinitions() if not outputs[d.name()].endswith(".html")
    }
    assert {layer.name() for layer in project.mapLayers().values()} == layers
    for layer in project.mapLayers().values():
        assert layer.isValid()
        (check_raster if isinstance(layer, QgsRasterLayer) else check_table)(layer)


def check_raster(layer):
    """One band in a style of ours, whose range is neither much narrower nor much wider than the data."""
    made, names = layer.renderer(), layer.styleManager().styles()
    with rasterio.open(layer.source()) as dataset:
        described = dataset.descriptions
        values = dataset.read(made.usesBands()[0], masked=True).compressed()
    variables = {text.partition("@")[0] for text in described}
    assert set(names) == (variables if len(variables) > 1 else {"default"}), layer.name()
    if made.type() == "paletted":
        assert set(np.unique(values)) <= {item.value for item in made.classes()} and all(
            item.label for item in made.classes()
        )
    else:
        assert made.type() == "singlebandpseudocolor", layer.name()
        low, high = made.classificationMin(), made.classificationMax()
        assert np.mean((values >= low) & (values <= high)) > 0.8, f"{layer.name()}: {low} to {high} shows few of them"
        spread = np.subtract(*np.percentile(values, (98, 2)))
        assert spread > 0.04 * (high - low), f"{layer.name()}: {low} to {high} shows no difference"
    is_dated = "@" in described[made.usesBands()[0] - 1]
    # Before QGIS 3.38 a layer of several dates has no time of its own, and none is claimed.
    if not is_dated or Qgis.QGIS_VERSION_INT >= 33800:
        assert layer.temporalProperties().isActive() == is_dated, layer.name()


def check_table(layer):
    """Points in classes, each in one; the Temporal Controller plays those that have a time."""
    assert layer.featureCount() > 0
    if not layer.isSpatial():
        return
    made, time = layer.renderer(), layer.fields().lookupField("time")
    assert made.type() == "graduatedSymbol", layer.name()
    expression, context = QgsExpression(made.classAttribute()), QgsExpressionContext()
    context.setFields(layer.fields())
    found = []
    for feature in layer.getFeatures():
        context.setFeature(feature)
        found.append(expression.evaluate(context))
    assert not expression.hasEvalError()
    classes = {made.rangeForValue(value) is not None for value in found if value not in (None, NULL)}
    assert classes == {True}, f"{layer.name()}: some are not drawn"
    dated = time >= 0 and layer.fields().at(time).typeName() in ("Date", "DateTime")
    assert layer.temporalProperties().isActive() == dated, layer.name()
