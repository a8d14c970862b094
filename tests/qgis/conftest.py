"""The plugin as QGIS loads it, and Processing around it."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def plugin(qgis_app, qgis_processing):
    """The plugin, loaded from its folder under its installed name."""
    name = "soil_moisture_toolbox"
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    plugin = module.classFactory(None)
    plugin.initProcessing()
    yield plugin
    plugin.unload()


@pytest.fixture
def provider(plugin):
    """The provider."""
    return plugin.provider


@pytest.fixture
def run(plugin):
    """A function that runs an algorithm as the toolbox does; the log goes to its `feedback`."""
    import processing

    def run(name, feedback=None, **parameters):
        return processing.run(f"smtoolbox:{name}", parameters, feedback=feedback)

    return run


@pytest.fixture
def refused(run, tmp_path):
    """A function that runs an algorithm which must fail with certain words, and checks that it leaves no new file."""
    from qgis.core import QgsProcessingException

    def refused(words, name, **parameters):
        # QGIS itself may note statistics of an input beside it; that is no output of ours.
        own = (".aux.xml", "-wal", "-shm")
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and not path.name.endswith(own)}
        with pytest.raises(QgsProcessingException, match=words):
            run(name, **parameters)
        after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and not path.name.endswith(own)}
        assert {path: time for path, time in after.items() if path.suffix != ".gpkg"} == {
            path: time for path, time in before.items() if path.suffix != ".gpkg"
        }
        assert set(after) == set(before)

    return refused


@pytest.fixture
def point_layer(qgis_app):
    """A function that makes a memory layer of points from rows (x, y, *values) and fields (name, type)."""
    from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer

    def make(fields, rows, crs="EPSG:32630", name="stations", kind="Point"):
        definition = "&".join(f"field={field}:{type_}" for field, type_ in fields)
        layer = QgsVectorLayer(f"{kind}?{f'crs={crs}&' if crs else ''}{definition}", name, "memory")
        assert layer.isValid()
        features = []
        for x, y, *values in rows:
            feature = QgsFeature(layer.fields())
            feature.setAttributes(values)
            if kind == "Point" and x is not None:
                feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(x, y)))
            features.append(feature)
        added, _ = layer.dataProvider().addFeatures(features)
        assert added
        return layer

    return make
