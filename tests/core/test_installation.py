"""The installation check: what is missing or clashes is named, with the way to put it right on each system."""

import sys
from pathlib import Path

import pytest

from sm_toolbox import installation
from sm_toolbox.installation import LIBRARIES, check_installation, how_to_install, installation_report

BY_MODULE = {library.module: library for library in LIBRARIES}


def test_this_installation_is_ready():
    found = check_installation("/profile/python", "3.22.16")
    assert found.ready and not found.problems
    versions = {name: version for name, version, _ in found.versions}
    assert versions["QGIS"] == "3.22.16" and versions["scikit-learn"][0].isdigit()
    assert "Everything that the main algorithms need is there" in installation_report(found).html()


def test_a_missing_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    found = check_installation("/profile/python", "3.22.16")
    assert not found.ready and "Missing or broken: numba." in found.problems[0]
    assert "Something is missing" in installation_report(found).html()


def test_what_only_one_model_needs_is_a_hint(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    found = check_installation("/profile/python", "3.22.16")
    assert found.ready and "For MODEL xgboost alone: xgboost" in found.hints[0] and "xgboost" in installation_report(found).html()


def test_a_library_that_is_there_but_cannot_be_loaded(monkeypatch):
    real = installation.importlib.import_module

    def broken(name):
        if name == "sklearn":
            raise RuntimeError("compiled against another numpy")
        return real(name)

    monkeypatch.setattr(installation.importlib, "import_module", broken)
    found = check_installation("/profile/python", "3.22.16")
    assert not found.ready and ("scikit-learn", "cannot be loaded: compiled against another numpy", "training models") in found.versions


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("Windows", ["OSGeo4W Setup", "python3-rasterio", "OSGeo4W Shell", "python -m pip install --user numba"]),
        ("Darwin", ["/Applications/QGIS.app/Contents/MacOS/bin/python3 -m pip install --user rasterio numba"]),
        ("Linux", ["sudo apt install python3-rasterio", "make install", "'/profile/python/'", "--system-site-packages"]),
    ],
)
def test_how_to_install_on_each_system(system, words):
    import numpy

    text = how_to_install([BY_MODULE["rasterio"], BY_MODULE["numba"]], "/profile/python", system)
    assert all(word in text for word in words) and f"numpy=={numpy.__version__}" in text


def test_two_gdals_in_one_program_are_noticed(monkeypatch):
    monkeypatch.setattr(installation, "_gdal_version", lambda: "9.9.9")
    found = check_installation("/profile/python", "3.22.16")
    assert not found.ready and "beside QGIS's 9.9.9" in found.problems[0]


def test_a_proj_database_of_another_installation_is_noticed(monkeypatch):
    def clash():
        raise RuntimeError("DATABASE.LAYOUT.VERSION.MINOR = 6 whereas a number >= 7 is expected. It comes from another PROJ installation.")

    monkeypatch.setattr(installation, "_rasterio_crs", clash)
    found = check_installation("/profile/python", "3.22.16")
    assert not found.ready and "Another PROJ installation is in the way" in found.problems[0] and "virtual environment" in found.problems[0]


def test_gdals_numpy_module(monkeypatch):
    def clash():
        raise ImportError("numpy.core.multiarray failed to import")

    monkeypatch.setattr(installation, "_gdal_array", clash)
    found = check_installation("/profile/python", "3.22.16")
    assert not found.ready and "pip may have put a newer numpy over QGIS's" in found.problems[0]


def test_it_says_where_compiled_functions_are_kept(monkeypatch):
    found = check_installation("/profile/python", "3.22")
    assert ("Compiled functions", str(Path(installation.__file__).parent / "__pycache__"), "starting quickly") in found.versions
    monkeypatch.setattr("sm_toolbox.compiled.check_cache", lambda: "")
    found = check_installation("/profile/python", "3.22")
    assert any("Set the environment variable NUMBA_CACHE_DIR" in hint for hint in found.hints) and found.ready
