"""What is installed, what clashes, what is missing and how to get it."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sm_toolbox.libraries import LIBRARIES, Library, is_older
from sm_toolbox.raster.choice import Choice, choose, driver
from sm_toolbox.remedies import Host, Remedy, how_to_install, interpreter, without_second

if TYPE_CHECKING:
    from sm_toolbox.report.page import Page


@dataclass
class Findings:
    """What a check found.

    Parameters
    ----------
    versions : list of (str, str, str, str)
        Library, version or what is wrong, the oldest version that serves, and what it is needed for.
    problems : list of str
        What keeps algorithms from working, each with its remedy.
    hints : list of str
        What would add to them.
    steps : list of Remedy
        What the user is to do, in order.
    """

    versions: list[tuple[str, str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    steps: list[Remedy] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether all main algorithms can run."""
        return not self.problems


def check_installation(host: Host, qgis_version: str) -> Findings:
    """Import every library and look for clashes between them.

    Parameters
    ----------
    host : Host
    qgis_version : str

    Returns
    -------
    Findings
    """
    findings = Findings()
    findings.versions += [
        ("QGIS", qgis_version, "3.22", "everything"),
        ("Python", platform.python_version(), "3.9", "everything"),
        ("QGIS's Python", interpreter(host) or f"not found; this process is {host.program or sys.executable}", "", ""),
    ]
    chosen = choose()
    modules, missing, too_old = _load_libraries(findings, chosen)
    needed, optional = ([library for library in missing if library.optional == kind] for kind in (False, True))
    if needed:
        findings.problems.append(
            f"Missing, too old or broken: {', '.join(library.package for library in needed)}. The lines below get them."
        )
    for library in optional:
        findings.hints.append(f"For {library.needed_for}: {library.package}. The lines below get it.")
    _look_at_driver(findings, chosen)
    _look_for_seconds(findings, modules, host)
    if missing:
        present = {
            library.package: _version(modules[library.module]) for library in LIBRARIES if library.module in modules
        }
        findings.steps += how_to_install(missing, host, present, too_old)
    findings.problems += _clashes(modules)
    if "numba" in modules:
        _look_at_cache(findings)
    return findings


def _load_libraries(findings: Findings, chosen: Choice) -> tuple[dict[str, Any], list[Library], list[str]]:
    """Import the libraries; return them by name, which do not serve, and the packages that are too old."""
    modules: dict[str, Any] = {}
    missing, too_old = [], []
    for library in LIBRARIES:
        if library.stand_in and chosen.name == "gdal":
            # Not loaded, not even to look: its GDAL may be a second one in this process.
            continue
        try:
            module = importlib.import_module(library.module)
        except ImportError as error:
            is_absent = isinstance(error, ModuleNotFoundError) and error.name == library.module
            said = "not installed" if is_absent else f"cannot be loaded: {error}"
        except Exception as error:  # a broken library must be reported, whatever it raises
            said = f"cannot be loaded: {error}"
        else:
            modules[library.module] = module
            said = _version(module)
            if not is_older(said, library.minimum):
                findings.versions.append((library.package, said, library.minimum, library.needed_for))
                continue
            too_old.append(library.package)
            said = f"{said}, too old"
        missing.append(library)
        findings.versions.append((library.package, said, library.minimum, library.needed_for))
    return modules, missing, too_old


def _version(module: Any) -> str:
    return str(getattr(module, "__version__", "?"))


def _look_for_seconds(findings: Findings, modules: dict[str, Any], host: Host) -> None:
    """Find a numpy or scipy that hides another one of the same Python, QGIS's own."""
    for package in ("numpy", "scipy"):
        if package not in modules:
            continue
        folders = _folders_with(package)
        if len(folders) < 2:
            continue
        used, hidden = folders[0], folders[-1]
        findings.hints.append(
            f"There are two of {package}: the one in {used} ({_version(modules[package])}) hides the one in {hidden}, "
            "for which QGIS's own modules were built. Where something fails to load, remove the first."
        )
        findings.steps.append(without_second(package, used, host))


def _folders_with(package: str) -> list[str]:
    """List the folders of Python's search path that hold a package, in its order."""
    found: list[str] = []
    for folder in map(os.path.realpath, sys.path):
        if os.path.isfile(os.path.join(folder, package, "__init__.py")) and folder not in found:
            found.append(folder)
    return found


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
    findings.versions.append(("Rasters are read through", reason, "", "everything with rasters"))
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
    findings.versions.append(("Compiled functions", folder or "cannot be kept", "", "starting quickly"))
    if not folder:
        findings.hints.append(
            "Neither the plugin's folder nor your cache folder can be written, so that functions are compiled "
            "anew in each session (some seconds each). Set the environment variable NUMBA_CACHE_DIR to a folder that "
            "only you can write: what lies there is run."
        )


def _clashes(modules: dict[str, Any]) -> list[str]:
    """Look for libraries that are there but do not work together."""
    problems = []
    if choose().name:
        problems += _try("GDAL cannot look up coordinate reference systems", _crs_of_driver)
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
            "from where QGIS comes from."
        ]
    return []


def _crs_of_driver() -> None:
    driver().crs(32633).to_wkt()


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
    for step in findings.steps:
        page.text(step.words)
        if step.commands:
            page.lines(step.commands)
    page.table(("Part", "here", "needed from", "needed for"), findings.versions)
    return page
