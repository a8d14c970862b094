"""The installation check: what is missing or clashes is named, with the way to put it right on each system."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sm_toolbox import installation
from sm_toolbox.installation import (
    LIBRARIES,
    check_installation,
    how_to_install,
    installation_report,
    interpreter,
    package_of,
)
from sm_toolbox.raster.choice import Choice

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
    assert any("numba" in line for line in found.commands) and "<pre>" in installation_report(found).html()
    assert "Something is missing" in installation_report(found).html()


def test_what_only_one_model_needs_is_a_hint(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    found = check_installation("/profile/python", "3.22.16")
    assert (
        found.ready
        and "For MODEL xgboost alone: xgboost" in found.hints[0]
        and "xgboost" in installation_report(found).html()
    )


def test_a_library_that_is_there_but_cannot_be_loaded(monkeypatch):
    real = installation.importlib.import_module

    def broken(name, package=None):
        if name == "sklearn":
            raise RuntimeError("compiled against another numpy")
        return real(name, package)

    monkeypatch.setattr(installation.importlib, "import_module", broken)
    found = check_installation("/profile/python", "3.22.16")
    assert (
        not found.ready
        and ("scikit-learn", "cannot be loaded: compiled against another numpy", "training models") in found.versions
    )


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        (
            "Windows",
            [
                "Run the OSGeo4W Setup, Advanced Install, and choose python3-rasterio.",
                "python --version",
                'python -m pip install --user numba "numpy=={numpy}"',
            ],
        ),
        ("Darwin", ['"{python}" --version', '"{python}" -m pip install --user rasterio numba "numpy=={numpy}"']),
        (
            "Linux",
            [
                "sudo apt install python3-rasterio",
                "{python} --version",
                "{python} -m venv --clear --system-site-packages --without-pip ~/.cache/smtoolbox-libraries",
                '~/.cache/smtoolbox-libraries/bin/python -m pip install numba "numpy=={numpy}"',
                "cp -rn ~/.cache/smtoolbox-libraries/lib/python3*/site-packages/. '/profile/python/'",
            ],
        ),
    ],
)
def test_how_to_install_on_each_system(system, wanted):
    import platform

    import numpy

    lines = how_to_install([BY_MODULE["rasterio"], BY_MODULE["numba"]], "/profile/python", system)
    for command in wanted:
        assert command.format(numpy=numpy.__version__, python=interpreter()) in lines
    assert any(f"must print Python {platform.python_version()}" in line for line in lines)


@pytest.mark.parametrize("says", ["/usr/bin/qgis.bin", "{other}/python3"])
def test_the_interpreter_is_qgiss_own_whatever_comes_first_in_the_path(tmp_path, monkeypatch, says):
    """`says` is what QGIS takes for its executable: itself, or the first python3 of the PATH, here a shim of pyenv."""
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\necho Python 2.7.18\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", says.format(other=tmp_path))
    found = subprocess.run(
        [interpreter(), "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert found == [str(part) for part in sys.version_info[:2]] and str(tmp_path) not in interpreter()


def test_libraries_have_the_names_under_which_they_are_installed():
    assert [package_of(name) for name in ("sklearn", "numba", "distributed")] == [
        "scikit-learn",
        "numba",
        "distributed",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="the lines for Linux")
def test_the_lines_for_linux_bring_what_is_missing_and_nothing_that_qgis_has(tmp_path, monkeypatch):
    """With a package that is quick to get, in place of the libraries."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not installed")
    library = installation.Library("toolz", "toolz", "this test")
    lines = how_to_install([library], str(tmp_path / "profile"), "Linux")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | {
        "HOME": str(tmp_path)
    }
    (tmp_path / "profile").mkdir()
    (tmp_path / ".cache").mkdir()
    for line in lines:
        if line.startswith(("/", "~", "cp", "rm")):
            done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True)
            if "pip" in line and done.returncode and "No matching distribution" in done.stderr:
                pytest.skip("PyPI is not reached")
            assert done.returncode == 0, f"{line}: {done.stderr}"
    assert {path.name.partition("-")[0] for path in (tmp_path / "profile").iterdir()} <= {
        "toolz",
        "tlz",
        "__pycache__",
        "bin",
    }
    assert (tmp_path / "profile" / "toolz" / "__init__.py").is_file() and not list((tmp_path / ".cache").iterdir())


def test_the_driver_is_shown():
    found = check_installation("/profile/python", "3.22.16")
    shown = next(text for name, text, _ in found.versions if name == "Rasters are read through")
    assert shown.startswith("rasterio ") and "GDAL 3" in shown


def test_a_rasterio_with_a_gdal_of_its_own_is_passed_over(monkeypatch):
    monkeypatch.setattr(installation, "choose", lambda: Choice("gdal", "it is QGIS's own", "it brings a GDAL (x.libs)"))
    found = check_installation("/profile/python", "3.22.16")
    assert found.ready and "rasterio is passed over, since it brings a GDAL (x.libs)" in found.hints[0]
    assert "rasterio" not in {name for name, *_ in found.versions}


def test_neither_rasterio_nor_osgeo(monkeypatch):
    monkeypatch.setattr(installation, "choose", lambda: Choice("", "neither is installed"))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    found = check_installation("/profile/python", "3.22.16")
    assert any("neither rasterio nor GDAL's own" in problem for problem in found.problems)
    assert any("rasterio" in line for line in found.commands)


def test_a_proj_database_of_another_installation_is_noticed(monkeypatch):
    def clash():
        raise RuntimeError(
            "DATABASE.LAYOUT.VERSION.MINOR = 6 whereas a number >= 7 is expected. It comes from another PROJ "
            "installation."
        )

    monkeypatch.setattr(installation, "_crs_of_driver", clash)
    found = check_installation("/profile/python", "3.22.16")
    assert (
        not found.ready
        and "Another PROJ installation is in the way" in found.problems[0]
        and "virtual environment" in found.problems[0]
    )


def test_gdals_numpy_module(monkeypatch):
    def clash():
        raise ImportError("numpy.core.multiarray failed to import")

    monkeypatch.setattr(installation, "_gdal_array", clash)
    found = check_installation("/profile/python", "3.22.16")
    assert not found.ready and "pip may have put a newer numpy over QGIS's" in found.problems[0]


def test_it_says_where_compiled_functions_are_kept(monkeypatch):
    found = check_installation("/profile/python", "3.22")
    assert (
        "Compiled functions",
        str(Path(installation.__file__).parent / "__pycache__"),
        "starting quickly",
    ) in found.versions
    monkeypatch.setattr("sm_toolbox.compiled.check_cache", lambda: "")
    found = check_installation("/profile/python", "3.22")
    assert any("Set the environment variable NUMBA_CACHE_DIR" in hint for hint in found.hints) and found.ready


def test_one_list_of_libraries():
    """What is checked, what requirements.txt installs and what `pip install .` brings are the same."""
    root = Path(__file__).parents[2]
    installs = {
        re.split(r"[>=;]", line)[0]
        for line in (root / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    from_pypi = {library.package for library in LIBRARIES if library.package not in installation._WITH_QGIS}
    # joblib comes with scikit-learn, and the two wheels of XGBoost are for different systems.
    assert installs - {"xgboost", "xgboost-cpu"} == from_pypi - {"joblib", "xgboost", "xgboost-cpu"}
    assert {"xgboost", "xgboost-cpu"} <= installs
    dependencies = re.search(r"^dependencies = \[(.*)\]", (root / "pyproject.toml").read_text(), re.M)[1]
    assert set(re.findall(r'"([^"]+)"', dependencies)) == {
        library.package for library in LIBRARIES if not library.optional
    }
