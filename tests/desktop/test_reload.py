"""The plugin is loaded, unloaded and loaded again as QGIS's plugin manager does it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SESSION = """
import sys
from unittest.mock import MagicMock
from qgis.core import QgsApplication
application = QgsApplication([], True)
application.initQgis()
import qgis.utils
sys.path.insert(0, QgsApplication.pkgDataPath() + "/python/plugins")
from processing.core.Processing import Processing
Processing.initialize()
faults, logged = [], []
qgis.utils.showException = lambda *what, **more: faults.append(str(what[1]))
QgsApplication.messageLog().messageReceived.connect(lambda text, tag, level: logged.append((level, tag, text)))
qgis.utils.iface = MagicMock()
qgis.utils.plugin_paths = [sys.argv[1]]
sys.path.insert(0, sys.argv[1])
qgis.utils.updateAvailablePlugins()
name = "soil_moisture_toolbox"
registry = QgsApplication.processingRegistry()

def offered():
    return sorted(a.id() for p in registry.providers() if p.id() == "smtoolbox" for a in p.algorithms())

assert name in qgis.utils.available_plugins
assert qgis.utils.loadPlugin(name) and qgis.utils.startPlugin(name)
first = offered()
for _ in range(3):
    qgis.utils.reloadPlugin(name)
    assert offered() == first and len(first) > 30 and any("stationmap" in one for one in first)
    assert [p.id() for p in registry.providers()].count("smtoolbox") == 1
assert qgis.utils.unloadPlugin(name)
assert offered() == [] and registry.providerById("smtoolbox") is None
assert name not in qgis.utils.active_plugins
assert [key for key in sys.modules if key.partition(".")[0] in (name, "sm_toolbox")] == []
print("faults", faults)
# What touches the window leaves something there: the plugin has neither menu nor tool bar.
print("calls", [str(call) for call in qgis.utils.iface.mock_calls])
print("log", [entry for entry in logged if entry[0] > 0])
sys.stdout.flush()
import os
os._exit(0)
"""


def test_reloading_leaves_one_provider_and_nothing_behind(tmp_path):
    (tmp_path / "soil_moisture_toolbox").symlink_to(ROOT)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", SESSION, str(tmp_path)], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == ["faults []", "calls []", "log []"]
