"""NEEDS names the libraries that an algorithm's own code imports when it runs, no more and no fewer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# In a process of its own: what others have imported already would not be seen.
_SCRIPT = """
import builtins, importlib.util, json, os, sys, tempfile
from pathlib import Path

root = Path(sys.argv[1])
sys.path.insert(0, str(root))
from qgis.core import QgsApplication, QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer

application = QgsApplication([], False)
application.initQgis()
sys.path.append(os.path.join(QgsApplication.pkgDataPath(), "python", "plugins"))
from processing.core.Processing import Processing
import processing

Processing.initialize()
imported, original = set(), builtins.__import__


def recording(name, globals=None, *others, **more):
    caller = (globals or {}).get("__name__", "")
    if caller.startswith(("sm_toolbox", "soil_moisture_toolbox")):
        imported.add(name.partition(".")[0])
    return original(name, globals, *others, **more)


def load():
    for name in [name for name in sys.modules if name.split(".")[0] in ("sm_toolbox", "soil_moisture_toolbox")]:
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        "soil_moisture_toolbox", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    module = sys.modules["soil_moisture_toolbox"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugin = module.classFactory(None)
    plugin.initProcessing()
    return plugin


def points(fields, rows, name):
    attributes = "&".join(f"field={field}:{kind}" for field, kind in fields)
    layer = QgsVectorLayer("Point?crs=EPSG:32630&" + attributes, name, "memory")
    for x, y, *values in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes(values)
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(x, y)))
        layer.dataProvider().addFeature(feature)
    return layer


from tests.hostile.scene import Scene

work = Path(tempfile.mkdtemp())
plugin = load()
scene = Scene(work, lambda name, **given: processing.run(f"smtoolbox:{name}", given), points)
bases = scene.bases()
rows = __import__("sm_toolbox.libraries", fromlist=["LIBRARIES"]).LIBRARIES
# What QGIS has a stand-in for is never asked for.
libraries = {library.module for library in rows if not library.stand_in}
bases["demodata"] = {"ADD_TO_PROJECT": False}
del bases["importismn"], bases["checkinstallation"]
suffixes = {"rasterDestination": ".tif", "sink": ".gpkg", "fileDestination": ".html", "folderDestination": ""}
found = {}
for name, base in bases.items():
    plugin.unload()
    plugin = load()
    algorithm = plugin.provider.algorithm(name)
    outputs = {}
    for definition in algorithm.destinationParameterDefinitions():
        suffix = ".smmodel" if definition.name() == "MODEL_FILE" else suffixes[definition.type()]
        outputs[definition.name()] = str(work / f"{name}_{definition.name()}{suffix}")
    imported.clear()
    builtins.__import__ = recording
    try:
        processing.run(f"smtoolbox:{name}", {**outputs, **base})
    finally:
        builtins.__import__ = original
    found[name] = [sorted((imported & libraries) - {"numpy"}), sorted(algorithm.NEEDS)]
print("FOUND" + json.dumps(found))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def found():
    done = subprocess.run([sys.executable, "-c", _SCRIPT, str(ROOT)], capture_output=True, text=True, timeout=600)
    line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND")), None)
    assert line, done.stderr[-3000:]
    return json.loads(line[5:])


def test_needs_are_what_is_imported(found):
    assert len(found) > 20
    wrong = {name: pair for name, pair in found.items() if set(pair[0]) != set(pair[1])}
    assert not wrong, "\n".join(
        f"{name}: imports {imports}, NEEDS names {needs}" for name, (imports, needs) in wrong.items()
    )
