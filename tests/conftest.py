"""What tests of all floors share: rasters made on the spot, a progress that listens, and where the real data lie."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sm_toolbox.progress import Progress
from sm_toolbox.raster.opening import Source

ROOT = Path(__file__).parents[1]

# The same cases in every run, so that a change is red for what it did; SM_RANDOM looks for others.
hypothesis.settings.register_profile("steady", derandomize=not os.environ.get("SM_RANDOM"))
hypothesis.settings.load_profile("steady")

_exit_status = pytest.StashKey[int]()


# Files that take a minute or more go first, so that no process is left with one of them when all others have ended.
LONG_FILES = ("test_benchmarks.py", "test_package.py", "test_same.py", "test_bootstrap.py", "test_notebooks.py")


def pytest_collection_modifyitems(items):
    """Begin with the long files."""
    order = {name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_sessionfinish(session, exitstatus):
    """Keep the exit status for the end."""
    session.config.stash[_exit_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """End the process without taking QGIS down.

    Python objects that wrap QGIS's outlive the last test, in reference cycles and in modules. Collected after QGIS has
    gone, by the garbage collector or by the interpreter's own end, they crash a run in which every test has passed.
    """
    status = config.stash.get(_exit_status, None)
    if "qgis.core" in sys.modules and status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class RecordingProgress(Progress):
    """Keeps what it is told; cancels after a number of checks where asked to."""

    def __init__(self, cancel_after: int | None = None):
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self.fractions: list[float] = []
        self._left = cancel_after

    def info(self, text):
        self.infos.append(text)

    def warning(self, text):
        self.warnings.append(text)

    def set_fraction(self, fraction):
        self.fractions.append(fraction)

    def is_cancelled(self):
        if self._left is None:
            return False
        self._left -= 1
        return self._left < 0


@pytest.fixture
def progress():
    """A progress that keeps messages."""
    return RecordingProgress()


@pytest.fixture
def cancelling():
    """A factory of progresses that cancel after a number of checks."""
    return RecordingProgress


@pytest.fixture
def write_raster(tmp_path):
    """A function that writes bands (bands, rows, cols) into a GeoTIFF and returns its Source."""

    def write(
        name,
        bands,
        descriptions=None,
        *,
        crs="EPSG:32630",
        cell=30.0,
        origin=(500000.0, 4000000.0),
        transform=None,
        nodata=None,
        dtype="float32",
        **options,
    ):
        bands = np.asarray(bands)
        bands = bands[None] if bands.ndim == 2 else bands
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=bands.shape[2],
            height=bands.shape[1],
            count=len(bands),
            dtype=dtype,
            crs=crs,
            nodata=nodata,
            transform=transform or from_origin(*origin, cell, cell),
            **options,
        ) as dataset:
            dataset.write(bands.astype(dtype))
            for index, description in enumerate(descriptions or [], start=1):
                dataset.set_band_description(index, description)
        return Source(str(path))

    return write


@pytest.fixture(params=[False, True], ids=["returned", "raised"])
def gdal_errors(request):
    """GDAL's errors as they come, and as exceptions, which any plugin may switch on for all of QGIS."""
    gdal = pytest.importorskip("osgeo.gdal")
    before = gdal.GetUseExceptions()
    (gdal.UseExceptions if request.param else gdal.DontUseExceptions)()
    yield
    (gdal.UseExceptions if before else gdal.DontUseExceptions)()


@pytest.fixture
def leftovers(tmp_path):
    """A function that lists the files of the test's folder, so that a half-written output is seen."""
    return lambda: sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


def real_data(*parts: str) -> Path:
    """Return a path in the real data, or skip the test where they are absent."""
    root = Path(os.environ.get("SM_TOOLBOX_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the real data are not here ({path}); set SM_TOOLBOX_DATA to their folder")
    return path


@pytest.fixture(scope="session", name="real_data")
def real_data_fixture():
    """A function that returns a path in the real data, or skips."""
    return real_data


class Headless:
    """Runs algorithms through qgis_process, each in a process of its own."""

    script = Path(__file__).parents[1] / "tools" / "process.sh"

    def call(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run qgis_process with arguments as they are."""
        return subprocess.run([str(self.script), *arguments], capture_output=True, text=True, timeout=600)

    def attempt(self, name: str, **parameters) -> subprocess.CompletedProcess:
        """Run an algorithm that may fail; lists become repeated arguments."""
        arguments = []
        for key, value in parameters.items():
            arguments += [f"--{key}={item}" for item in (value if isinstance(value, (list, tuple)) else [value])]
        return self.call("--json", "run", f"smtoolbox:{name}", *arguments)

    def run(self, name: str, **parameters) -> dict:
        """Run an algorithm and return its outputs."""
        done = self.attempt(name, **parameters)
        assert done.returncode == 0, f"{name} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return self.answer(done)["results"]

    def answer(self, done: subprocess.CompletedProcess) -> dict:
        """Return the answer to --json, whatever QGIS, GDAL or Python say before and after it."""
        for start in re.finditer(r"^\{", done.stdout, re.MULTILINE):
            with contextlib.suppress(ValueError):
                return json.JSONDecoder().raw_decode(done.stdout[start.start() :])[0]
        raise AssertionError(f"no JSON in the answer:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


@pytest.fixture(scope="session")
def headless():
    """Runs algorithms of the provider through qgis_process."""
    return Headless()


# The plugin, for the tests inside QGIS and those of its windows.
# -------------------------------------------------------


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
def no_main_window(monkeypatch, qgis_processing):
    """Later QGIS shows results in its main window, of which a test has an imitation only that it does not take."""
    from processing.gui import Postprocessing

    monkeypatch.setattr(Postprocessing, "iface", None, raising=False)


@pytest.fixture
def provider(plugin):
    """The provider."""
    return plugin.provider


@pytest.fixture(scope="session")
def point_layer_factory(qgis_app):
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


@pytest.fixture
def point_layer(point_layer_factory):
    """As `point_layer_factory`."""
    return point_layer_factory


@pytest.fixture(scope="session")
def scene(plugin, tmp_path_factory):
    """The folder of the demo scene, which tests read."""
    import processing

    folder = tmp_path_factory.mktemp("demo") / "scene"
    processing.run("smtoolbox:demodata", {"OUTPUT": str(folder)})
    return folder


@pytest.fixture
def run(plugin):
    """A function that runs an algorithm as the toolbox does; the log goes to its `feedback`."""
    import processing

    def run(name, feedback=None, **parameters):
        return processing.run(f"smtoolbox:{name}", parameters, feedback=feedback)

    return run
