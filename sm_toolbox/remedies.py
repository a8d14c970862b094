"""How to get libraries into QGIS's own Python: the words and the commands for each system."""

from __future__ import annotations

import importlib.util
import ntpath
import os
import platform
import posixpath
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sm_toolbox.libraries import Library

# Where QGIS comes from decides how its Python gets more:
# - macOS: the app's name differs (QGIS.app, QGIS-LTR.app, QGIS-final-4_0_3.app). Bundles made since 3.44 have
#   Contents/MacOS/python, a script that sets PYTHONHOME and starts python3.12 beside it (platform/macos/python.in of
#   the QGIS repository), pip as a module only, and neither bin/python3 nor, in many, numba, scipy and pandas (QGIS
#   issues 63939, 64195, 64335, 66672); the older ones have Contents/MacOS/bin/python3.
# - Windows: both installers lay out OSGeo4W. Its shell (OSGeo4W.bat) sets the paths without which Python finds no SSL;
#   packages of its Setup are src/python3-* of the repository jef-n/OSGeo4W, built with its numpy. There is none of
#   XGBoost. sys.executable is qgis-bin.exe (QGIS issues 45646, 66672).
# - Flatpak: https://qgis.org/resources/installation-guide, "additional Python modules".
IN_OSGEO4W = ("numpy", "scipy", "matplotlib", "rasterio", "pandas", "scikit-learn", "joblib", "numba")
# Built on the GDAL and PROJ of QGIS, or what QGIS's own modules are built on: from the same source as QGIS.
WITH_QGIS = ("numpy", "scipy", "matplotlib", "rasterio")
# The distribution's way to install, by the program that is there.
_DISTRIBUTIONS = {
    "apt-get": "sudo apt install {}",
    "dnf": "sudo dnf install {}",
    "zypper": "sudo zypper install {}",
    "pacman": "sudo pacman -S {}",
}


@dataclass(frozen=True)
class Remedy:
    """Something that the user is to do.

    Parameters
    ----------
    words : str
    commands : tuple of str
        What to type, each on a line of its own.
    """

    words: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Host:
    """The QGIS in which Python runs.

    Parameters
    ----------
    profile_python : str
        The `python` folder of the user's profile, which is on QGIS's search path.
    program : str
        QGIS's own executable; empty where it is not known.
    system : str
        As `platform.system()` names it.
    """

    profile_python: str
    program: str = ""
    system: str = platform.system()


def interpreter(host: Host | None = None) -> str:
    """Return QGIS's own Python; empty where it cannot be told.

    Within QGIS `sys.executable` is often QGIS itself, and the first python3 of the PATH often another one, whose
    libraries do not fit.

    Parameters
    ----------
    host : Host, optional
        By default what this process says of itself.

    Returns
    -------
    str
    """
    host = host or Host("")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    executable = sys.executable or ""
    if host.system == "Darwin":
        places = _in_bundle([host.program, executable], version)
    elif host.system == "Windows":
        places = [os.path.join(sys.base_exec_prefix, "python.exe")]
    else:
        names = (f"python{version}", "python3", "python")
        places = [os.path.join(sys.base_exec_prefix, "bin", name) for name in names]
        # QGIS takes the first python3 of the PATH for its executable, though that may be a script or another's, such as
        # one in /usr/local where QGIS's is in /usr.
        if os.path.realpath(os.path.dirname(executable)) == os.path.realpath(os.path.join(sys.exec_prefix, "bin")):
            places.insert(0, executable)
    return next((place for place in places if _is_python(place)), "")


def _in_bundle(programs: Sequence[str], version: str) -> list[str]:
    """List where Python may lie in the bundle of one of these programs, the best first."""
    folders = []
    for program in programs:
        folder = posixpath.dirname(program)
        # qgis_process is an app within the app.
        while len(folder) > 1:
            if posixpath.basename(folder) == "MacOS" and folder not in folders:
                folders.append(folder)
            folder = posixpath.dirname(folder)
    # The scripts that know where the bundle lies before what they start.
    names = ("python", "bin/python3", "bin/python", "python3", f"python{version}", f"bin/python{version}")
    inside = [posixpath.join(folder, name) for folder in folders for name in names]
    outside = [os.path.join(sys.base_exec_prefix, "bin", name) for name in (f"python{version}", "python3")]
    return [*inside, *outside]


def _is_python(place: str) -> bool:
    name = os.path.basename(place).lower()
    return name.startswith("python") and os.path.isfile(place) and os.access(place, os.X_OK)


def how_to_install(
    missing: Sequence[Library], host: Host, present: dict[str, str], too_old: Sequence[str] = ()
) -> list[Remedy]:
    """Return how to get libraries on this kind of computer.

    Parameters
    ----------
    missing : sequence of Library
    host : Host
    present : dict of str to str
        Versions of the libraries that are there, by package: numpy and scipy stay at theirs, for which QGIS's own
        modules were built, unless they are too old.
    too_old : sequence of str
        The packages among `missing` of which an older version is there.

    Returns
    -------
    list of Remedy
    """
    wanted = [
        f'"{library.package}>={library.minimum}"' if library.package in too_old else library.package
        for library in missing
    ]
    kept = [package for package in ("numpy", "scipy") if package in present and package not in too_old]
    pins = [f'"{package}=={present[package]}"' for package in kept]
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        steps = [_by_conda(wanted)]
    elif host.system == "Windows":
        steps = _on_windows(missing, wanted, pins, host)
    elif host.system == "Darwin":
        python = interpreter(host) or "/Applications/QGIS.app/Contents/MacOS/python"
        steps = _for_the_user("Close QGIS and open the Terminal.", f'"{python}"', [*wanted, *pins])
    elif os.path.exists("/.flatpak-info"):
        inside = "flatpak run --devel --command=python3 org.qgis.qgis"
        steps = _for_the_user("Close QGIS and open a terminal.", inside, [*wanted, *pins])
    else:
        steps = _on_linux(missing, wanted, pins, host)
    return [*steps, Remedy("Then start QGIS again and repeat this check.")]


def _which_python(beginning: str, python: str) -> Remedy:
    return Remedy(
        f"{beginning} This must print Python {platform.python_version()}, QGIS's own:", (f"{python} --version",)
    )


def _for_the_user(beginning: str, python: str, packages: list[str]) -> list[Remedy]:
    """Return how pip installs where Python looks for what this user alone has."""
    return [
        _which_python(beginning, python),
        Remedy("Then:", (f"{python} -m pip install --user {' '.join(packages)}",)),
    ]


def _by_conda(wanted: list[str]) -> Remedy:
    # conda-forge has XGBoost under the one name.
    names = " ".join(wanted).replace("xgboost-cpu", "py-xgboost")
    return Remedy(
        "This QGIS comes from conda. Close it and open a terminal:",
        (f'conda install --prefix "{sys.prefix}" --channel conda-forge {names}',),
    )


def _on_windows(missing: Sequence[Library], wanted: list[str], pins: list[str], host: Host) -> list[Remedy]:
    root = ntpath.dirname(ntpath.dirname(ntpath.normpath(host.program))) if host.program else ""
    # qgis_process lies in apps\qgis-ltr\bin, QGIS itself in bin.
    if ntpath.basename(ntpath.dirname(root)).lower() == "apps" and ntpath.basename(root).lower().startswith("qgis"):
        root = ntpath.dirname(ntpath.dirname(root))
    shell, setup = (
        f" ({ntpath.join(root, *parts)})" if root else "" for parts in (("OSGeo4W.bat",), ("bin", "setup.bat"))
    )
    packages = [f"python3-{library.package}" for library in missing if library.package in IN_OSGEO4W]
    beginning = f"Without an administrator: close QGIS and open the OSGeo4W Shell from the start menu{shell}."
    steps = _for_the_user(beginning, "python", [*wanted, *pins])
    if packages:
        steps.append(
            Remedy(
                f"Or, as an administrator: run the OSGeo4W Setup from the start menu{setup}, Advanced Install, and "
                f"choose {', '.join(packages)}. They fit the numpy that is there."
            )
        )
    return steps


def _on_linux(missing: Sequence[Library], wanted: list[str], pins: list[str], host: Host) -> list[Remedy]:
    steps = []
    with_qgis = [library.package for library in missing if library.package in WITH_QGIS]
    from_pypi = [name for library, name in zip(missing, wanted) if library.package not in WITH_QGIS]
    if with_qgis:
        steps.append(
            Remedy(
                "Take these from the distribution, built on the same GDAL and PROJ as QGIS:", (_of_system(with_qgis),)
            )
        )
    if from_pypi:
        python = interpreter(host) or f"python{sys.version_info.major}.{sys.version_info.minor}"
        # An environment that sees what QGIS's Python has, pip among it, gets only what that lacks, and without pip of
        # its own nothing else lies in it.
        work = "~/.cache/smtoolbox-libraries"
        steps.append(_which_python("Close QGIS and open a terminal.", python))
        if importlib.util.find_spec("pip") is None:
            steps.append(Remedy("pip is missing:", (_of_system(["pip"]),)))
        profile = _quoted(host.profile_python)
        # What lies in the profile counts as installed; a file of an older version may not stay beside the new one's.
        old = [
            f"rm -r {profile}/{library.module} {profile}/{library.package.replace('-', '_')}-*.dist-info"
            for library in missing
            if os.path.isdir(os.path.join(host.profile_python, library.module))
        ]
        steps.append(
            Remedy(
                "Then, line by line:",
                (
                    *old,
                    f"{python} -m venv --clear --system-site-packages --without-pip {work}",
                    f"PYTHONPATH={profile} {work}/bin/python -m pip install {' '.join([*from_pypi, *pins])}",
                    f"cp -r {work}/lib/python3*/site-packages/. {profile}/",
                    f"rm -r {work}",
                ),
            )
        )
    return steps


def _quoted(path: str) -> str:
    """Quote a path for a shell of Unix."""
    return "'" + path.replace("'", "'\\''") + "'"


def _of_system(names: Sequence[str]) -> str:
    """Return the command by which this distribution installs libraries of Python."""
    program = next((name for name in _DISTRIBUTIONS if shutil.which(name)), "apt-get")
    prefix = "python" if program == "pacman" else "python3"
    return _DISTRIBUTIONS[program].format(" ".join(f"{prefix}-{name}" for name in names))


def without_second(package: str, folder: str, host: Host) -> Remedy:
    """Return how to remove a copy of a library that hides QGIS's own.

    Parameters
    ----------
    package : str
    folder : str
        Where it lies.
    host : Host

    Returns
    -------
    Remedy
    """
    words = f"Close QGIS and remove the {package} in {folder}"
    if host.system == "Windows" and folder.endswith("site-packages"):
        return Remedy(f"{words}, in the OSGeo4W Shell:", (f"python -m pip uninstall {package}",))
    if host.system == "Windows":
        return Remedy(f"{words}, in the OSGeo4W Shell:", (f'rmdir /s /q "{ntpath.join(folder, package)}"',))
    quoted = _quoted(folder)
    return Remedy(f"{words}, in a terminal:", (f"rm -r {quoted}/{package} {quoted}/{package}-*.dist-info",))
