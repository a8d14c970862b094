"""What is installed, what clashes, what is missing and how to get it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sm_toolbox.raster.choice import Choice, choose, driver

if TYPE_CHECKING:
    from sm_toolbox.report.page import Page


@dataclass(frozen=True)
class Library:
    """A library that algorithms need.

    Parameters
    ----------
    module : str
        The name under which Python imports it.
    package : str
        Its name on PyPI.
    needed_for : str
    optional : bool
        Whether all but one choice works without it.
    stand_in : str
        The module of QGIS that does the same where this one is not there.
    """

    module: str
    package: str
    needed_for: str
    optional: bool = False
    stand_in: str = ""


LIBRARIES = (
    Library("numpy", "numpy", "everything"),
    Library("scipy", "scipy", "metrics, interpolation"),
    Library("matplotlib", "matplotlib", "reports, demo data"),
    Library("rasterio", "rasterio", "reading and writing rasters", stand_in="osgeo"),
    Library("pyproj", "pyproj", "coordinates"),
    Library("pandas", "pandas", "tables, demo data"),
    Library("sklearn", "scikit-learn", "training models"),
    Library("joblib", "joblib", "training models"),
    Library("numba", "numba", "terrain indices, prediction"),
    Library(
        "xgboost", "xgboost" if platform.system() == "Darwin" else "xgboost-cpu", "MODEL xgboost alone", optional=True
    ),
)
_PACKAGES = {library.module: library.package for library in LIBRARIES}
# Provided by QGIS or the distribution: pip must not install another build.
_WITH_QGIS = {"numpy", "scipy", "matplotlib", "rasterio", "pyproj"}


@dataclass
class Findings:
    """What a check found.

    Parameters
    ----------
    versions : list of (str, str, str)
        Library, version or what is wrong, and what it is needed for.
    problems : list of str
        What keeps algorithms from working, each with its remedy.
    hints : list of str
        What would add to them.
    commands : list of str
        How to get what is missing, line by line.
    """

    versions: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether all main algorithms can run."""
        return not self.problems


def check_installation(profile_python: str, qgis_version: str) -> Findings:
    """Import every library and look for clashes between them.

    Parameters
    ----------
    profile_python : str
        The `python` folder of the user's QGIS profile, which is on QGIS's search path.
    qgis_version : str

    Returns
    -------
    Findings
    """
    findings = Findings()
    findings.versions += [
        ("QGIS", qgis_version, "everything"),
        ("Python", platform.python_version(), "everything"),
        ("Executable", interpreter() or sys.executable, ""),
    ]
    missing: list[Library] = []
    modules: dict[str, Any] = {}
    chosen = choose()
    for library in LIBRARIES:
        if library.stand_in and chosen.name == "gdal":
            # Not loaded, not even to look: its GDAL may be a second one in this process.
            continue
        try:
            module = modules[library.module] = importlib.import_module(library.module)
        except ImportError as error:
            missing.append(library)
            reason = (
                "not installed"
                if isinstance(error, ModuleNotFoundError) and error.name == library.module
                else f"cannot be loaded: {error}"
            )
            findings.versions.append((library.package, reason, library.needed_for))
        except Exception as error:  # a broken library must be reported, whatever it raises
            missing.append(library)
            findings.versions.append((library.package, f"cannot be loaded: {error}", library.needed_for))
        else:
            findings.versions.append((library.package, str(getattr(module, "__version__", "?")), library.needed_for))
    needed, optional = ([library for library in missing if library.optional == kind] for kind in (False, True))
    if needed:
        findings.problems.append(
            f"Missing or broken: {', '.join(library.package for library in needed)}. The lines below get them."
        )
    for library in optional:
        findings.hints.append(f"For {library.needed_for}: {library.package}. The lines below get it.")
    _look_at_driver(findings, chosen)
    if missing:
        findings.commands = how_to_install(missing, profile_python)
    findings.problems += _clashes(modules)
    if "numba" in modules:
        _look_at_cache(findings)
    return findings


def _look_at_driver(findings: Findings, chosen: Choice) -> None:
    """Say through what rasters are read and written, and why."""
    if not chosen.name:
        findings.problems.append(
            "Rasters cannot be read: neither rasterio nor GDAL's own Python module (osgeo) is here. QGIS brings "
            "osgeo: start QGIS's own Python, or repair the installation of QGIS."
        )
        return
    of_gdal = driver()
    label = {"rasterio": f"rasterio {of_gdal.version}", "gdal": "GDAL's own module (osgeo)"}[chosen.name]
    reason = f"{label}, GDAL {of_gdal.gdal_version}: {chosen.reason}"
    findings.versions.append(("Rasters are read through", reason, "everything with rasters"))
    if chosen.passed_over:
        findings.hints.append(
            f"rasterio is passed over, since {chosen.passed_over}: two GDALs in one program fail in some orders of "
            "loading. GDAL's own module serves, with the same values. To take rasterio, install the one that "
            "belongs to this QGIS (python3-rasterio of OSGeo4W or of the distribution)."
        )


def _look_at_cache(findings: Findings) -> None:
    """Say where compiled functions are kept, which has been tried."""
    from sm_toolbox.compiled import check_cache

    folder = check_cache()
    findings.versions.append(("Compiled functions", folder or "cannot be kept", "starting quickly"))
    if not folder:
        findings.hints.append(
            "Neither the plugin's folder nor your cache folder can be written, so that functions are compiled "
            "anew in each session (about 15 s). Set the environment variable NUMBA_CACHE_DIR to a folder that "
            "only you can write: what lies there is run."
        )


def package_of(module: str) -> str:
    """Return the name under which a library is installed: scikit-learn for sklearn.

    Parameters
    ----------
    module : str
        The name under which Python imports it.

    Returns
    -------
    str
    """
    return _PACKAGES.get(module, module)


def interpreter() -> str:
    """Return QGIS's own Python; empty where it cannot be told.

    Within QGIS `sys.executable` is often QGIS itself, and the first python3 of the PATH often another one, whose
    libraries do not fit.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    beside = os.path.dirname(sys.executable or "")
    names = (f"python{version}", "python3", "python")
    places = [os.path.join(sys.base_exec_prefix, "bin", name) for name in names] + [
        os.path.join(sys.base_exec_prefix, "python.exe")
    ]
    # In QGIS's bundle for macOS Python lies beside the program, or in a folder of it.
    places += [os.path.join(beside, *parts, name) for parts in ((), ("bin",)) for name in names]
    # QGIS takes the first python3 of the PATH for its executable, though that may be a script or another's.
    is_own = os.path.realpath(beside).startswith(os.path.join(os.path.realpath(sys.exec_prefix), ""))
    if os.path.basename(sys.executable or "").lower().startswith("python") and is_own:
        places.insert(0, sys.executable)
    return next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), "")


def how_to_install(missing: list[Library], profile_python: str, system: str | None = None) -> list[str]:
    """Return how to get libraries on this kind of computer.

    Parameters
    ----------
    missing : list of Library
    profile_python : str
        The `python` folder of the user's QGIS profile.
    system : str, optional
        As `platform.system()` names it; by default this computer's.

    Returns
    -------
    list of str
        Sentences and, on lines of their own, commands.
    """
    import numpy

    system = system or platform.system()
    with_qgis = [library.package for library in missing if library.package in _WITH_QGIS]
    from_pypi = [library.package for library in missing if library.package not in _WITH_QGIS]
    # numpy stays at the version that QGIS's own modules were built for.
    pin = f'"numpy=={numpy.__version__}"'
    version = platform.python_version()
    if system == "Windows":
        steps = _on_windows(with_qgis, from_pypi, pin, version)
    elif system == "Darwin":
        python = interpreter() or "/Applications/QGIS.app/Contents/MacOS/bin/python3"
        steps = [
            f"Close QGIS and open the Terminal. This must print Python {version}, QGIS's own:",
            f'"{python}" --version',
            f'"{python}" -m pip install --user {" ".join([*with_qgis, *from_pypi])} {pin}',
        ]
    else:
        steps = _on_linux(with_qgis, from_pypi, pin, version, profile_python)
    return [*steps, "Then start QGIS again and repeat this check."]


def _on_windows(with_qgis: list[str], from_pypi: list[str], pin: str, version: str) -> list[str]:
    steps = []
    if with_qgis:
        steps.append(
            f"Run the OSGeo4W Setup, Advanced Install, and choose {', '.join('python3-' + name for name in with_qgis)}."
        )
    if from_pypi:
        steps += [
            f"Close QGIS and open the OSGeo4W Shell from the start menu. This must print Python {version}, QGIS's own:",
            "python --version",
            f"python -m pip install --user {' '.join(from_pypi)} {pin}",
        ]
    return steps


def _on_linux(with_qgis: list[str], from_pypi: list[str], pin: str, version: str, profile_python: str) -> list[str]:
    steps = []
    if with_qgis:
        steps += [
            "Take these from the distribution, built on the same GDAL and PROJ as QGIS; on Debian and Ubuntu:",
            f"sudo apt install {' '.join('python3-' + name for name in with_qgis)}",
        ]
    if from_pypi:
        python = interpreter() or f"python{version.rpartition('.')[0]}"
        # An environment that sees what QGIS's Python has, pip among it, gets only what that lacks, and without pip of
        # its own nothing else lies in it.
        work = "~/.cache/smtoolbox-libraries"
        steps.append(f"Close QGIS and open a terminal. This must print Python {version}, QGIS's own:")
        steps.append(f"{python} --version")
        if importlib.util.find_spec("pip") is None:
            steps.append("sudo apt install python3-pip")
        steps += [
            f"{python} -m venv --clear --system-site-packages --without-pip {work}",
            f"{work}/bin/python -m pip install {' '.join(from_pypi)} {pin}",
            f"cp -rn {work}/lib/python3*/site-packages/. '{profile_python}/'",
            f"rm -r {work}",
        ]
    return steps


def _clashes(modules: dict[str, Any]) -> list[str]:
    """Look for libraries that are there but do not work together."""
    problems = []
    if choose().name:
        problems += _try("GDAL cannot look up coordinate reference systems", _crs_of_driver)
    if "pyproj" in modules:
        problems += _try("pyproj cannot look up coordinate reference systems", _pyproj_crs)
    numpy = modules.get("numpy")
    if numpy is not None:
        problems += _try(
            f"GDAL's own numpy module does not work with numpy {numpy.__version__}; pip may have put a newer "
            "numpy over QGIS's",
            _gdal_array,
        )
    return problems


def _try(subject: str, action: Any) -> list[str]:
    try:
        action()
    except ImportError as error:
        return [] if isinstance(error, ModuleNotFoundError) else [f"{subject}: {error}."]
    except Exception as error:  # whatever a broken installation raises is what the user must see
        return [
            f"{subject}: {error}. Another PROJ installation is in the way: start QGIS outside any activated virtual "
            "environment or conda environment, with PROJ_LIB, PROJ_DATA and GDAL_DATA not set, and take rasterio "
            "and pyproj from where QGIS comes from."
        ]
    return []


def _crs_of_driver() -> None:
    driver().crs(32633).to_wkt()


def _pyproj_crs() -> None:
    import pyproj

    pyproj.Transformer.from_crs(4326, 32633, always_xy=True).transform(15, 50)


def _gdal_array() -> None:
    importlib.import_module("osgeo.gdal_array")


def installation_report(findings: Findings) -> Page:
    """Write the report on a check.

    Parameters
    ----------
    findings : Findings

    Returns
    -------
    Page
    """
    from sm_toolbox.report.page import Page

    page = Page("Installation check", "Soil Moisture Toolbox")
    page.notice(
        "Everything that the main algorithms need is there."
        if findings.ready
        else "Something is missing or does not work together.",
        warning=not findings.ready,
    )
    for problem in findings.problems:
        page.notice(problem, warning=True)
    for hint in findings.hints:
        page.text(hint)
    if findings.commands:
        page.lines(findings.commands)
    page.table(("Part", "version", "needed for"), findings.versions)
    return page
