"""Which driver serves: decided here alone."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sm_toolbox.errors import InputError
from sm_toolbox.raster.driver import Driver

DRIVER_VARIABLE = "SM_TOOLBOX_DRIVER"
"""Environment variable that names the driver to take: `rasterio` or `gdal`."""


@dataclass(frozen=True)
class Choice:
    """Which driver serves, and why.

    Parameters
    ----------
    name : {'rasterio', 'gdal', ''}
        Empty where there is neither.
    reason : str
        For people.
    passed_over : str
        Why rasterio does not serve though it is there; empty where it does or is not there.
    """

    name: str
    reason: str
    passed_over: str = ""


def choose() -> Choice:
    """Decide between rasterio and osgeo.

    rasterio is the first choice wherever it is. Inside QGIS it must share QGIS's own GDAL: a second one in the process,
    which a rasterio from PyPI brings, fails in some orders of loading, so that such a one is passed over, without
    being loaded.

    Returns
    -------
    Choice

    Raises
    ------
    InputError
        Where the environment variable `DRIVER_VARIABLE` names what is not there.
    """
    wanted = os.environ.get(DRIVER_VARIABLE, "")
    has_gdal, has_rasterio = (importlib.util.find_spec(name) is not None for name in ("osgeo", "rasterio"))
    if wanted:
        there = {"rasterio": has_rasterio, "gdal": has_gdal}
        if not there.get(wanted):
            raise InputError(
                f"The environment variable {DRIVER_VARIABLE} is '{wanted}', but must be rasterio or gdal, and that "
                "library must be installed. Remove the variable to leave the choice to the toolbox."
            )
        return Choice(wanted, f"the environment variable {DRIVER_VARIABLE} asks for it")
    if not has_rasterio:
        return Choice("gdal", "rasterio is not installed") if has_gdal else Choice("", "neither is installed")
    if has_gdal and "qgis.core" in sys.modules:
        trouble = _second_gdal()
        if trouble:
            return Choice("gdal", "it is QGIS's own", trouble)
    return Choice("rasterio", "it is installed" + (" and shares QGIS's GDAL" if "qgis.core" in sys.modules else ""))


def _second_gdal() -> str:
    """Say why rasterio brings a GDAL of its own, as its wheels do; empty where it shares QGIS's."""
    spec = importlib.util.find_spec("rasterio")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    # Where the tools that make wheels put the libraries, on Linux, Windows and macOS.
    bundled = next((path for path in (folder.parent / "rasterio.libs", folder / ".dylibs") if path.is_dir()), None)
    if bundled is not None:
        return f"it brings a GDAL of its own ({bundled})"
    try:
        its_own = _load("rasterio").gdal_version
    except Exception as error:  # whatever a broken installation raises: the other driver serves
        return f"it cannot be loaded ({error})"
    of_qgis = _load("gdal").gdal_version
    return "" if its_own == of_qgis else f"it is built on GDAL {its_own}, QGIS on {of_qgis} ({folder})"


@lru_cache
def driver() -> Driver:
    """Return the driver that serves in this process.

    Returns
    -------
    Driver

    Raises
    ------
    InputError
        Where neither library is installed.
    """
    return _load(choose().name)


@lru_cache
def driver_for_points() -> Driver:
    """Return the driver for many small reads.

    That is osgeo where it shares the GDAL of rasterio, since a call of rasterio takes ten times as long.

    Returns
    -------
    Driver

    Raises
    ------
    InputError
        As `driver`.
    """
    chosen = driver()
    if (
        chosen.name == "rasterio"
        and DRIVER_VARIABLE not in os.environ
        and importlib.util.find_spec("osgeo") is not None
    ):
        other = _load("gdal")
        if other.gdal_version == chosen.gdal_version:
            return other
    return chosen


def _load(name: str) -> Driver:
    if name == "rasterio":
        from sm_toolbox.raster.rasterio_driver import RasterioDriver

        return RasterioDriver()
    if name == "gdal":
        from sm_toolbox.raster.gdal_driver import GdalDriver

        return GdalDriver()
    raise InputError(
        "Rasters cannot be read: neither rasterio nor GDAL's Python module (osgeo) is installed. Install rasterio: "
        "python -m pip install rasterio."
    )
