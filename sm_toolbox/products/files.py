"""The files of products: in folders and in archives, of which only what GDAL cannot read in place is unpacked."""

from __future__ import annotations

import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from sm_toolbox.errors import InputError

ARRAY_FILES = (".hdf", ".h5", ".he5", ".hdf5", ".nc", ".nc4", ".cdf", ".grib", ".grib2", ".grb", ".grb2")
"""Endings of files that hold arrays."""
GRIBS = (".grib", ".grib2", ".grb", ".grb2")
"""Endings of GRIB."""
_RASTER_FILES = (".tif", ".tiff", ".jp2", ".gz", ".vrt")
_ZIPS, _TARS = (".zip",), (".tar", ".tgz", ".tar.gz", ".tar.bz2")


def list_files(paths: Sequence[str], scratch: str) -> list[str]:
    """Return the files that are named, with those in folders and archives.

    Rasters in archives are read in place; GDAL cannot read HDF and NetCDF so, which are unpacked.

    Parameters
    ----------
    paths : sequence of str
        Files, folders, zips, tars.
    scratch : str
        Folder for what is unpacked.

    Returns
    -------
    list of str
        In order of their names.

    Raises
    ------
    InputError
        Where one is not there.
    """
    files: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            inner = sorted(str(file) for file in Path(path).rglob("*") if file.is_file())
            files += [found for file in inner for found in _within(file, scratch) if _may_be_product(found)]
        elif os.path.isfile(path) or path.startswith("/vsi"):
            files += list(_within(path, scratch))
        else:
            raise InputError(f"The file or folder '{path}' does not exist.")
    return list(dict.fromkeys(files))


def _may_be_product(path: str) -> bool:
    return path.lower().endswith((*ARRAY_FILES, *_RASTER_FILES, ".buf", ".bufr", ".bfr"))


def _within(path: str, scratch: str) -> Iterator[str]:
    lower = path.lower()
    try:
        if lower.endswith(_ZIPS) and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if _may_be_product(name)]
                unpacked = [name for name in names if name.lower().endswith(ARRAY_FILES)]
                folder = _unpack(archive, unpacked, scratch) if unpacked else ""
        elif lower.endswith(_TARS) and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                names = [name for name in archive.getnames() if _may_be_product(name)]
                unpacked = [name for name in names if name.lower().endswith(ARRAY_FILES)]
                folder = _unpack(archive, unpacked, scratch) if unpacked else ""
        else:
            yield path
            return
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError):
        yield path
        return
    prefix = "/vsizip/" if lower.endswith(_ZIPS) else "/vsitar/"
    for name in sorted(names):
        yield f"{folder}/{name}" if name in unpacked else f"{prefix}{path}/{name}"


def _unpack(archive: zipfile.ZipFile | tarfile.TarFile, names: Sequence[str], scratch: str) -> str:
    """Write members into a folder of their own, never outside of it."""
    folder = tempfile.mkdtemp(dir=scratch)
    for name in names:
        member = PurePosixPath(name)
        if member.is_absolute() or ".." in member.parts:
            raise InputError(
                f"The archive holds '{name}', which lies outside of it. Unpack it by hand if you trust it."
            )
        stream = archive.open(name) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(name)
        if stream is None:
            continue
        target = Path(folder, *member.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with stream, open(target, "wb") as file:
            while block := stream.read(2**20):
                file.write(block)
    return folder
