"""Time the way from the plugin's zip to a first map in a QGIS that has never seen it. usage: first_map.py zip

As a new user goes it, in windows: Install from ZIP, Check installation, its commands, a new start, Create demo data,
Map soil moisture from stations. What a person reads and clicks is not in it. Outputs, profile and libraries go to a
folder that is removed again. Without a screen it needs Xvfb.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main(package: str) -> None:
    """Go the way in two sessions of QGIS and print what each step took."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        steps: list[tuple[str, float]] = []
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment |= {"HOME": folder, "XDG_RUNTIME_DIR": folder, "FIRST_MAP": folder, "FIRST_MAP_ZIP": package}
        environment.pop("QT_QPA_PLATFORM", None)
        if not environment.get("DISPLAY"):
            screen = subprocess.Popen(["Xvfb", "-displayfd", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            environment["DISPLAY"] = f":{screen.stdout.readline().decode().strip()}"
            stack.callback(screen.terminate)
        steps += session(folder, environment, "install")
        commands = (Path(folder) / "commands.txt").read_text(encoding="utf-8")
        if commands:
            began = time.monotonic()
            subprocess.run(["bash", "-e", "-c", f"mkdir -p ~/.cache\n{commands}"], env=environment, check=True,
                           stdout=subprocess.DEVNULL)  # fmt: skip
            steps.append(("the libraries, by the lines that the check prints", time.monotonic() - began))
        steps += session(folder, environment, "map")
        for label, seconds in steps:
            print(f"{seconds:6.0f} s  {label}")
        print(f"{sum(seconds for _, seconds in steps):6.0f} s  from the zip to the map")


def session(folder: str, environment: dict[str, str], part: str) -> list[tuple[str, float]]:
    """Start QGIS, have it do one part, and return its steps."""
    began = time.time()
    command = [
        "qgis",
        "--profiles-path",
        f"{folder}/profiles",
        "--noversioncheck",
        "--nologo",
        "--code",
        str(Path(sys.argv[0]).resolve()),
    ]
    said = Path(folder) / f"{part}.json"
    done = subprocess.run(command, env={**environment, "FIRST_MAP_PART": part}, timeout=900, capture_output=True)
    if not said.exists():
        sys.exit(f"QGIS ended without a result:\n{done.stderr.decode(errors='replace')[-3000:]}")
    told = json.loads(said.read_text(encoding="utf-8"))
    if "error" in told:
        sys.exit(told["error"])
    return [(f"QGIS starts ({part})", told["started"] - began), *told["steps"]]


# In QGIS ------------------------------------------------------------------------------------------------------------


class Session:
    """What is done in the window of QGIS, step by step."""

    def __init__(self) -> None:
        self.folder = os.environ["FIRST_MAP"]
        self.told = {"started": time.time(), "steps": []}

    def go(self) -> None:
        """Do the part that is asked for, and close QGIS."""
        import traceback

        part = os.environ["FIRST_MAP_PART"]
        try:
            getattr(self, part)()
        except BaseException:
            self.told["error"] = traceback.format_exc()
        said = Path(self.folder) / f"{part}.json"
        said.write_text(json.dumps(self.told), encoding="utf-8")
        os._exit(0)

    def install(self) -> None:
        """Install the zip and ask what is missing."""
        import pyplugin_installer
        from qgis.utils import active_plugins

        began = time.monotonic()
        pyplugin_installer.instance().installFromZipFile(os.environ["FIRST_MAP_ZIP"])
        self.told["steps"].append(("Install from ZIP", time.monotonic() - began))
        assert "soil_moisture_toolbox" in active_plugins
        log = self.run("checkinstallation", {})
        commands = [line for line in log.splitlines() if line.startswith(("/", "~/", "cp ", "rm "))]
        (Path(self.folder) / "commands.txt").write_text("\n".join(commands), encoding="utf-8")

    def map(self) -> None:
        """Make the demo scene and map it by the workflow."""
        from qgis.core import QgsProject

        self.run("demodata", {"OUTPUT": f"{self.folder}/scene"})
        layers = {layer.name(): layer.id() for layer in QgsProject.instance().mapLayers().values()}
        # Longer than QGIS keeps a thread: what a run leaves behind must stand without it.
        self.rest(35)
        given = {"dem": layers["dem"], "stations": layers["stations"], "validation": layers["stations_validation"],
                 "predictors": [layers[name] for name in ("soil", "ndvi", "albedo", "rain", "api")]}  # fmt: skip
        self.run("stationmap", given)
        assert QgsProject.instance().mapLayersByName("Soil moisture"), "there is no map"

    def run(self, name: str, values: dict) -> str:
        """Run an algorithm in its window; return the log."""
        import processing
        from qgis.PyQt.QtWidgets import QTextEdit

        began, ended = time.monotonic(), []
        window = processing.createAlgorithmDialog(f"smtoolbox:{name}", values)
        window.show()
        window.algorithmFinished.connect(lambda *outcome: ended.append(outcome))
        window.runAlgorithm()
        while not ended:
            self.rest(0.1)
        log = window.findChild(QTextEdit, "txtLog").toPlainText()
        assert ended[0][0], log
        self.told["steps"].append((window.windowTitle(), time.monotonic() - began))
        window.close()
        return log

    @staticmethod
    def rest(seconds: float) -> None:
        """Let QGIS work."""
        from qgis.PyQt.QtTest import QTest

        QTest.qWait(int(1000 * seconds))


if "FIRST_MAP_PART" in os.environ:
    from qgis.PyQt.QtCore import QTimer

    # Qt keeps no object for the sake of its method.
    SESSION = Session()
    QTimer.singleShot(1000, SESSION.go)
elif __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
