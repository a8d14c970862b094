"""The Python libraries that the toolbox needs: what each is for, and from which version on it serves."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """A library that algorithms need.

    Parameters
    ----------
    module : str
        The name under which Python imports it.
    package : str
        Its name on PyPI.
    minimum : str
        The oldest version that serves.
    needed_for : str
    optional : bool
        Whether all but one choice works without it.
    stand_in : str
        The module of QGIS that does the same where this one is not there.
    """

    module: str
    package: str
    minimum: str
    needed_for: str
    optional: bool = False
    stand_in: str = ""


LIBRARIES = (
    Library("numpy", "numpy", "1.22", "everything"),
    Library("scipy", "scipy", "1.7", "metrics, interpolation"),
    Library("matplotlib", "matplotlib", "3.4", "reports, demo data"),
    Library("rasterio", "rasterio", "1.2", "reading and writing rasters", stand_in="osgeo"),
    Library("pandas", "pandas", "1.3", "tables, demo data"),
    Library("sklearn", "scikit-learn", "1.0", "training models"),
    Library("joblib", "joblib", "1.0", "training models"),
    Library("numba", "numba", "0.56", "terrain indices, prediction"),
    # xgboost-cpu is the small wheel of the same module; macOS has the other one only.
    Library(
        "xgboost",
        "xgboost" if platform.system() == "Darwin" else "xgboost-cpu",
        "2.0",
        "MODEL xgboost alone",
        optional=True,
    ),
)
_PACKAGES = {library.module: library.package for library in LIBRARIES}


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


def is_older(version: str, minimum: str) -> bool:
    """Return whether a version comes before another, by its numbers.

    Parameters
    ----------
    version : str
        1.24.2, 2.0.0rc1, 3.1+dfsg; one without numbers is taken for new.
    minimum : str

    Returns
    -------
    bool
    """
    numbers, wanted = _numbers(version), _numbers(minimum)
    return bool(numbers) and numbers + (0,) * (len(wanted) - len(numbers)) < wanted


def _numbers(version: str) -> tuple[int, ...]:
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()
