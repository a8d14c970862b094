"""The installation check: what is missing or clashes is named, with the way to put it right on each system."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sm_toolbox import installation, remedies
from sm_toolbox.installation import check_installation, installation_report
from sm_toolbox.libraries import LIBRARIES, Library, is_older, package_of
from sm_toolbox.raster.choice import Choice
from sm_toolbox.remedies import Host, how_to_install, interpreter

BY_MODULE = {library.module: library for library in LIBRARIES}
HOST = Host("/profile/python")


def commands_of(steps):
    return [command for step in steps for command in step.commands]


def test_this_installation_is_ready():
    found = check_installation(HOST, "3.22.16")
    assert found.ready and not found.problems
    versions = {name: version for name, version, *_ in found.versions}
    assert versions["QGIS"] == "3.22.16" and versions["scikit-learn"][0].isdigit()
    assert "Everything that the main algorithms need is there" in installation_report(found).html()


def test_a_missing_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    found = check_installation(HOST, "3.22.16")
    assert not found.ready and "Missing, too old or broken: numba." in found.problems[0]
    assert any("numba" in line for line in commands_of(found.steps)) and "<pre>" in installation_report(found).html()
    assert "Something is missing" in installation_report(found).html()


def test_what_only_one_model_needs_is_a_hint(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    found = check_installation(HOST, "3.22.16")
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
    found = check_installation(HOST, "3.22.16")
    assert (
        not found.ready
        and ("scikit-learn", "cannot be loaded: compiled against another numpy", "1.0", "training models")
        in found.versions
    )


PRESENT = {"numpy": "1.26.4", "scipy": "1.11.1"}
PINS = '"numpy==1.26.4" "scipy==1.11.1"'


@pytest.mark.parametrize("program", ["bin/qgis-ltr-bin.exe", "apps/qgis-ltr/bin/qgis_process.exe"])
def test_how_to_install_on_windows(program):
    """The paths of the installers' layout, as Qt writes them, with a space in them."""
    host = Host("/profile/python", f"C:/Program Files/QGIS 3.44.5/{program}", "Windows")
    steps = how_to_install([BY_MODULE["sklearn"], BY_MODULE["numba"], BY_MODULE["xgboost"]], host, PRESENT)
    assert commands_of(steps) == [
        "python --version",
        f"python -m pip install --user scikit-learn numba xgboost-cpu {PINS}",
    ]
    words = " ".join(step.words for step in steps)
    assert "OSGeo4W Shell from the start menu (C:\\Program Files\\QGIS 3.44.5\\OSGeo4W.bat)" in words
    assert "(C:\\Program Files\\QGIS 3.44.5\\bin\\setup.bat)" in words
    # OSGeo4W has no XGBoost.
    assert "choose python3-scikit-learn, python3-numba. They fit" in words


@pytest.mark.parametrize(
    ("program", "files", "wanted"),
    [
        ("QGIS-final-4_0_3.app/Contents/MacOS/QGIS-final-4_0_3", ("python", "python3.12"), "python"),
        ("QGIS-LTR.app/Contents/MacOS/QGIS-LTR", ("bin/python3", "bin/python3.9"), "bin/python3"),
        ("QGIS.app/Contents/MacOS/qgis_process.app/Contents/MacOS/qgis_process", ("python",), "python"),
    ],
)
def test_how_to_install_on_macos(tmp_path, monkeypatch, program, files, wanted):
    """Bundles as they have been made: the script that sets PYTHONHOME comes before what it starts."""
    bundle = tmp_path / program.partition("/")[0] / "Contents" / "MacOS"
    for name in (*files, tmp_path / program):
        file = bundle / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    host = Host("/profile/python", str(tmp_path / program), "Darwin")
    monkeypatch.setattr(sys, "executable", host.program)
    assert interpreter(host) == str(bundle / wanted)
    lines = commands_of(how_to_install([BY_MODULE["scipy"], BY_MODULE["numba"]], host, {"numpy": "1.26.4"}))
    assert lines == [
        f'"{bundle / wanted}" --version',
        f'"{bundle / wanted}" -m pip install --user scipy numba "numpy==1.26.4"',
    ]


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        ("apt-get", "sudo apt install python3-rasterio"),
        ("dnf", "sudo dnf install python3-rasterio"),
        ("zypper", "sudo zypper install python3-rasterio"),
        ("pacman", "sudo pacman -S python-rasterio"),
    ],
)
def test_how_to_install_on_linux(tmp_path, monkeypatch, program, wanted):
    monkeypatch.setattr(remedies.shutil, "which", lambda name: name if name == program else None)
    (tmp_path / "numba").mkdir()
    host = Host(str(tmp_path), "/usr/bin/qgis", "Linux")
    lines = commands_of(how_to_install([BY_MODULE["rasterio"], BY_MODULE["numba"]], host, PRESENT, ["numba"]))
    work = "~/.cache/smtoolbox-libraries"
    assert lines[:2] == [wanted, f"{interpreter()} --version"]
    assert lines[-5:] == [
        # The profile has an older one.
        f"rm -r '{tmp_path}'/numba '{tmp_path}'/numba-*.dist-info",
        f"{interpreter()} -m venv --clear --system-site-packages --without-pip {work}",
        f"PYTHONPATH='{tmp_path}' {work}/bin/python -m pip install \"numba>=0.56\" {PINS}",
        f"cp -r {work}/lib/python3*/site-packages/. '{tmp_path}'/",
        f"rm -r {work}",
    ]


def test_how_to_install_in_conda(tmp_path, monkeypatch):
    (tmp_path / "conda-meta").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    lines = commands_of(how_to_install([BY_MODULE["numba"], BY_MODULE["xgboost"]], HOST, PRESENT, ["numba"]))
    assert lines == [f'conda install --prefix "{tmp_path}" --channel conda-forge "numba>=0.56" py-xgboost']


@pytest.mark.parametrize("system", ["Windows", "Darwin"])
def test_a_numpy_that_is_too_old_is_not_held(system):
    host = Host("/profile/python", system=system)
    lines = commands_of(
        how_to_install([BY_MODULE["numpy"]], host, {"numpy": "1.20.1", "scipy": "1.7.3"}, too_old=["numpy"])
    )
    assert lines[-1].endswith('-m pip install --user "numpy>=1.22" "scipy==1.7.3"')


@pytest.mark.parametrize(
    ("version", "minimum", "older"),
    [
        ("0.55.2", "0.56", True),
        ("0.56", "0.56.0", False),
        ("1.10.0", "1.9", False),
        ("2.0.0rc1", "2.0", False),
        ("1.2.1+dfsg", "1.3", True),
        ("?", "1.3", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version, minimum, older):
    assert is_older(version, minimum) == older


def test_a_library_that_is_too_old(monkeypatch):
    import pandas

    monkeypatch.setattr(pandas, "__version__", "1.1.5")
    found = check_installation(HOST, "3.22.16")
    assert not found.ready and ("pandas", "1.1.5, too old", "1.3", "tables, demo data") in found.versions
    assert any('"pandas>=1.3"' in line for line in commands_of(found.steps))


def test_a_second_numpy_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = check_installation(HOST, "3.22.16")
    assert found.ready and f"There are two of numpy: the one in {tmp_path}" in " ".join(found.hints)
    assert f"rm -r '{tmp_path}'/numpy '{tmp_path}'/numpy-*.dist-info" in commands_of(found.steps)


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


@pytest.mark.skipif(sys.platform != "linux", reason="the layout of Linux")
@pytest.mark.parametrize("says", ["bin/python3", "local/bin/python3"])
def test_a_python_in_a_folder_below_is_another(tmp_path, monkeypatch, says):
    """As /usr/local/bin/python3 is, where QGIS's Python is /usr/bin/python3."""
    for folder in ("bin", "local/bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "python3").write_text("#!/bin/sh\n")
        (tmp_path / folder / "python3").chmod(0o755)
    for name in ("exec_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / says))
    assert interpreter(Host("", system="Linux")) == str(tmp_path / "bin" / "python3")


def test_libraries_have_the_names_under_which_they_are_installed():
    assert [package_of(name) for name in ("sklearn", "numba", "distributed")] == [
        "scikit-learn",
        "numba",
        "distributed",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="the lines for Linux")
def test_the_lines_for_linux_bring_what_is_missing_and_nothing_that_qgis_has(tmp_path, monkeypatch):
    """With a package that is quick to get, in place of the libraries."""
    library = Library("toolz", "toolz", "0.1", "this test")
    lines = commands_of(how_to_install([library], Host(str(tmp_path / "profile"), system="Linux"), {}))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | {
        "HOME": str(tmp_path)
    }
    # That of QGIS's own Python, not of the environment of the tests.
    if subprocess.run([interpreter(), "-c", "import pip"], env=environment, capture_output=True).returncode:
        pytest.skip("QGIS's Python has no pip")
    (tmp_path / "profile").mkdir()
    (tmp_path / ".cache").mkdir()
    for line in lines:
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
    found = check_installation(HOST, "3.22.16")
    shown = next(text for name, text, *_ in found.versions if name == "Rasters are read through")
    assert shown.startswith("rasterio ") and "GDAL 3" in shown


def test_a_rasterio_with_a_gdal_of_its_own_is_passed_over(monkeypatch):
    monkeypatch.setattr(installation, "choose", lambda: Choice("gdal", "it is QGIS's own", "it brings a GDAL (x.libs)"))
    found = check_installation(HOST, "3.22.16")
    assert found.ready and "rasterio is passed over, since it brings a GDAL (x.libs)" in found.hints[0]
    assert "rasterio" not in {name for name, *_ in found.versions}


def test_neither_rasterio_nor_osgeo(monkeypatch):
    monkeypatch.setattr(installation, "choose", lambda: Choice("", "neither is installed"))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    found = check_installation(HOST, "3.22.16")
    assert any("neither rasterio nor GDAL's own" in problem for problem in found.problems)
    assert any("rasterio" in line for line in commands_of(found.steps))


def test_a_proj_database_of_another_installation_is_noticed(monkeypatch):
    def clash():
        raise RuntimeError(
            "DATABASE.LAYOUT.VERSION.MINOR = 6 whereas a number >= 7 is expected. It comes from another PROJ "
            "installation."
        )

    monkeypatch.setattr(installation, "_crs_of_driver", clash)
    found = check_installation(HOST, "3.22.16")
    assert (
        not found.ready
        and "Another PROJ installation is in the way" in found.problems[0]
        and "virtual environment" in found.problems[0]
    )


def test_gdals_numpy_module(monkeypatch):
    def clash():
        raise ImportError("numpy.core.multiarray failed to import")

    monkeypatch.setattr(installation, "_gdal_array", clash)
    found = check_installation(HOST, "3.22.16")
    assert not found.ready and "pip may have put a newer numpy over QGIS's" in found.problems[0]


def test_it_says_where_compiled_functions_are_kept(monkeypatch):
    found = check_installation(HOST, "3.22")
    assert (
        "Compiled functions",
        str(Path(installation.__file__).parent / "__pycache__"),
        "",
        "starting quickly",
    ) in found.versions
    monkeypatch.setattr("sm_toolbox.compiled.check_cache", lambda: "")
    found = check_installation(HOST, "3.22")
    assert any("Set the environment variable NUMBA_CACHE_DIR" in hint for hint in found.hints) and found.ready


def test_one_list_of_libraries():
    """What is checked, what requirements.txt installs and what `pip install .` brings are the same."""
    root = Path(__file__).parents[2]
    installs = dict(
        re.match(r"([\w-]+)>=([\d.]+)", line).groups()
        for line in (root / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    from_pypi = {library.package for library in LIBRARIES if library.package not in remedies.WITH_QGIS}
    minima = {library.package: library.minimum for library in LIBRARIES}
    assert all(minimum == minima.get(name, "2.0") for name, minimum in installs.items())
    installs = set(installs)
    # joblib comes with scikit-learn, and the two wheels of XGBoost are for different systems.
    assert installs - {"xgboost", "xgboost-cpu"} == from_pypi - {"joblib", "xgboost", "xgboost-cpu"}
    assert {"xgboost", "xgboost-cpu"} <= installs
    dependencies = re.search(r"^dependencies = \[(.*)\]", (root / "pyproject.toml").read_text(), re.M)[1]
    assert set(re.findall(r'"([^"]+)"', dependencies)) == {
        library.package for library in LIBRARIES if not library.optional
    }


def test_the_page_lists_the_libraries():
    page = (Path(__file__).parents[2] / "docs" / "install.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([a-z-]+) \| ([\d.]+) \|", page, re.M))
    assert rows == {library.package.replace("-cpu", ""): library.minimum for library in LIBRARIES}


@pytest.mark.parametrize(("system", "python"), [("Windows", ""), ("Darwin", ""), ("Linux", "/usr/bin/python3")])
def test_the_page_shows_the_lines_that_are_printed(monkeypatch, system, python):
    page = (Path(__file__).parents[2] / "docs" / "install.md").read_text(encoding="utf-8").splitlines()
    monkeypatch.setattr(remedies, "interpreter", lambda host: python)
    monkeypatch.setattr(remedies.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(remedies.shutil, "which", lambda name: name if name == "apt-get" else None)
    monkeypatch.setattr(remedies.os.path, "exists", lambda path: False)
    missing = [library for library in LIBRARIES if library.package not in remedies.WITH_QGIS]
    present = {"Windows": {"numpy": "1.26.4", "scipy": "1.13.0"}, "Darwin": {"numpy": "1.26.4"}}
    present["Linux"] = {"numpy": "1.24.2", "scipy": "1.10.1"}
    if system == "Darwin":
        missing.insert(0, BY_MODULE["scipy"])
    host = Host("/home/me/.local/share/QGIS/QGIS3/profiles/default/python", system=system)
    lines = commands_of(how_to_install(missing, host, present[system]))
    # The wheel's name follows the system that runs the test.
    name = "xgboost" if system == "Darwin" else "xgboost-cpu"
    lines = [re.sub(r"\bxgboost(-cpu)?(?=[ ]|$)", name, line) for line in lines]
    start = page.index(lines[0])
    assert page[start : start + len(lines)] == lines
