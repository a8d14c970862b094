"""A QGIS that has neither rasterio nor pandas: a newcomer creates demo data and runs the predictors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# In a process of its own, where the libraries cannot be found, as where they are not installed.
_SCRIPT = """
import importlib.abc, importlib.util, json, os, sys
from pathlib import Path

MISSING = ("rasterio", "affine", "pandas")


class NotThere(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


sys.meta_path.insert(0, NotThere())
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in MISSING else real(name, package)
root, work = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(root))
from qgis.core import QgsApplication

application = QgsApplication([], False)
application.initQgis()
sys.path.append(os.path.join(QgsApplication.pkgDataPath(), "python", "plugins"))
from processing.core.Processing import Processing
import processing

Processing.initialize()
spec = importlib.util.spec_from_file_location(
    "soil_moisture_toolbox", root / "__init__.py", submodule_search_locations=[str(root)]
)
module = sys.modules["soil_moisture_toolbox"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
plugin = module.classFactory(None)
plugin.initProcessing()
scene = work / "scene"
processing.run("smtoolbox:demodata", {"OUTPUT": str(scene), "ADD_TO_PROJECT": False})
done = {}


def on_scene(value):
    if isinstance(value, list):
        return [on_scene(item) for item in value]
    return str(scene / value) if isinstance(value, str) and (scene / value).is_file() else value


for algorithm in plugin.provider.algorithms():
    name = algorithm.name()
    if algorithm.group() not in ("Data", "Predictors") or not algorithm.EXAMPLE or not algorithm.canExecute()[0]:
        continue
    example = algorithm.EXAMPLE
    given = {key: on_scene(value) for key, value in example.items()}
    for output in algorithm.destinationParameterDefinitions():
        if output.type() == "rasterDestination":
            given[output.name()] = str(work / f"{name}_{output.name()}.tif")
    processing.run(f"smtoolbox:{name}", given)
    done[name] = Path(given["OUTPUT"]).is_file()
report = processing.run("smtoolbox:checkinstallation", {"REPORT": str(work / "check.html")})
text = (work / "check.html").read_text(encoding="utf-8")
print("FOUND" + json.dumps([done, "module (osgeo)" in text, sorted(set(MISSING) & set(sys.modules))]))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    work = tmp_path_factory.mktemp("bare")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(ROOT), str(work)], capture_output=True, text=True, timeout=600
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND")), None)
    assert line, done.stderr[-3000:]
    return work, *json.loads(line[5:])


def test_demo_data_and_predictors(found):
    work, done, _, loaded = found
    assert len(done) >= 8 and all(done.values()), done
    assert (work / "scene" / "stations.gpkg").is_file() and not loaded


def test_the_check_names_what_serves(found):
    assert found[2]
