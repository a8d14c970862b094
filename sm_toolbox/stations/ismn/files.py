"""Files of the International Soil Moisture Network: what an archive holds, read one file at a time and never unpacked.

An archive has a folder for each network, in it one for each station, and in that a file for each sensor and a table of
static variables. The name of a sensor's file says what it holds:
`CSE_network_station_variable_depthfrom_depthto_sensor_start_end.stm`. ISMN writes it in two formats:

- *header+values*: a first line `CSE network station latitude longitude elevation depthfrom depthto sensor`, then `date
  time value flag providerflag`;
- *CEOP-sep*: no first line, all of it in every line: `date time date time CSE network station latitude longitude
  elevation depthfrom depthto value flag providerflag`.

Sources: https://ismn.earth/en/data/ismn-formats and the files themselves. Times are UTC.
"""

from __future__ import annotations

import contextlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Callable

from sm_toolbox.errors import InputError
from sm_toolbox.memory import free_memory
from sm_toolbox.progress import SILENT, Progress

# The abbreviations of file names.
VARIABLES = {
    "sm": "soil_moisture",
    "ts": "soil_temperature",
    "su": "soil_suction",
    "p": "precipitation",
    "ta": "air_temperature",
    "sd": "snow_depth",
    "sweq": "snow_water_equivalent",
    "tsf": "surface_temperature",
    "tsfq": "surface_temperature_quality_flag_original",
}
_NAME = re.compile(
    r"(?P<cse>[^_]+)_(?P<network>[^_]+)_(?P<station>.+)_(?P<variable>[A-Za-z-]+)_(?P<top>-?\d+\.\d+)_(?P<bottom>-?\d+\.\d+)"
    r"(?:_(?P<sensor>.+?))?_\d{8}_\d{8}\.stm$",
    re.IGNORECASE,
)
HEAD = 4096
_CHUNK = 4 << 20
# Twenty years of five-minute values take half of it.
_LARGEST = 512 << 20
_TOO_LARGE = f"more than {_LARGEST >> 20} MB unpacked, which no sensor's file has"


class UnreadableFile(Exception):
    """One file of an archive cannot be used; the message says why. The others can."""


@dataclass(frozen=True)
class SensorName:
    """Network, station, variable and depths in the name of a file.

    Parameters
    ----------
    network, station : str
        As in file names, which have no underscores in networks.
    variable : str
        Such as `soil_moisture`.
    top, bottom : float
        Depth in m, negative above ground.
    sensor : str
        Empty where the name has none.
    """

    network: str
    station: str
    variable: str
    top: float
    bottom: float
    sensor: str


@dataclass(frozen=True)
class Entry:
    """A file in a folder or in a zip.

    Parameters
    ----------
    container : str
        The folder or zip.
    name : str
        Path within it, with `/`.
    size : int
        Bytes to be read from the disk, compressed where they are.
    unpacked : int
        Bytes that it says it holds.
    open : callable
        Returns the file's bytes as a stream.
    """

    container: str
    name: str
    size: int
    unpacked: int
    open: Callable[[], IO[bytes]] = field(repr=False, compare=False)

    @property
    def folder(self) -> tuple[str, str]:
        """Where it lies: container and folder within it."""
        return self.container, str(PurePosixPath(self.name).parent)

    @property
    def sensor(self) -> SensorName | None:
        """What the name says; None where it is not built as ISMN's."""
        match = _NAME.match(PurePosixPath(self.name).name)
        if match is None:
            return None
        part = match.groupdict()
        word = part["variable"].lower().replace("-", "_")
        return SensorName(
            part["network"],
            part["station"],
            VARIABLES.get(word, word),
            float(part["top"]),
            float(part["bottom"]),
            part["sensor"] or "",
        )


# What an archive holds ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_archive(path: str) -> Iterator[tuple[list[Entry], list[tuple[str, str]]]]:
    """List the files of an archive, and keep its zips open.

    Parameters
    ----------
    path : str
        A zip as downloaded, a folder with unpacked files or zips, or one `.stm` file.

    Yields
    ------
    entries : list of Entry
        Sensor files and static variables, sorted by container and name.
    skipped : list of (str, str)
        Files of a folder that cannot be opened, and why.

    Raises
    ------
    InputError
        Where there is nothing of the kind.
    """
    target = Path(path)
    skipped: list[tuple[str, str]] = []
    with contextlib.ExitStack() as stack:
        if target.is_dir():
            entries = _list_folder(target, stack, skipped)
        elif not target.is_file():
            raise InputError(
                f"'{path}' does not exist. Name the zip that ISMN sent, or the folder into which it was unpacked."
            )
        elif zipfile.is_zipfile(target):
            entries = _list_zip(target, stack)
        elif target.suffix.lower() == ".stm":
            entries = [_file_entry(target.parent, file) for file in (target, *sorted(target.parent.glob("*.csv")))]
        elif target.suffix.lower() == ".zip" or _starts_as_zip(target):
            raise InputError(
                f"'{path}' is not a complete zip: its table of contents at the end is missing. Most likely the "
                "download broke off; download it again."
            )
        else:
            raise InputError(
                f"'{path}' is not a zip, a folder or an .stm file. Name the zip that ISMN sent, or the folder "
                "into which it was unpacked."
            )
        if not any(entry.name.lower().endswith(".stm") for entry in entries):
            others = ", ".join(entry.name for entry in entries[:3]) or "nothing of the kind"
            raise InputError(
                f"'{path}' holds no .stm files of the International Soil Moisture Network (but "
                f"{others}{'; ' + '; '.join(': '.join(pair) for pair in skipped) if skipped else ''}). Choose the "
                "formats 'CEOP' or 'Header+values' for the download, and name the zip or the folder that has the "
                "networks' folders in it."
            )
        yield sorted(entries, key=lambda entry: (entry.container, entry.name)), skipped


def _starts_as_zip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _list_folder(folder: Path, stack: contextlib.ExitStack, skipped: list[tuple[str, str]]) -> list[Entry]:
    entries = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(parent) / name
            if path.suffix.lower() == ".zip":
                try:
                    entries += _list_zip(path, stack)
                except InputError as error:
                    skipped.append((str(path.relative_to(folder)), str(error)))
            elif _is_wanted(name):
                try:
                    entries.append(_file_entry(folder, path))
                except OSError as error:
                    skipped.append((str(path.relative_to(folder)), f"cannot be read ({error.strerror or error})"))
    return entries


def _file_entry(folder: Path, path: Path) -> Entry:
    return Entry(
        str(folder),
        path.relative_to(folder).as_posix(),
        path.stat().st_size,
        path.stat().st_size,
        lambda: open(path, "rb"),
    )


def _list_zip(path: Path, stack: contextlib.ExitStack) -> list[Entry]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            f"'{path}' cannot be opened as a zip ({error}). Most likely the download broke off; download it again."
        ) from error
    return [
        Entry(str(path), _decoded(info), info.compress_size, info.file_size, partial(archive.open, info))
        for info in archive.infolist()
        if _is_wanted(PurePosixPath(info.filename).name)
    ]


def _is_wanted(name: str) -> bool:
    # macOS puts a shadow file named ._name beside each file of the zips it makes.
    return name.lower().endswith((".stm", ".csv")) and not name.startswith("._")


def _decoded(info: zipfile.ZipInfo) -> str:
    """Return the name of a file in a zip; Python takes names not marked as UTF-8 for cp437, whatever wrote them."""
    if info.flag_bits & 0x800:
        return info.filename
    raw = info.filename.encode("cp437")
    for encoding in ("utf-8", "latin-1"):
        with contextlib.suppress(UnicodeDecodeError):
            name = raw.decode(encoding)
            # Accented letters of cp437 are control characters in Latin-1.
            if all(letter.isalpha() for letter in name if ord(letter) > 127):
                return name
    return info.filename


# What a file holds ----------------------------------------------------------------------------------------------------


def read_head(entry: Entry) -> bytes:
    """Read the beginning of a file.

    Parameters
    ----------
    entry : Entry

    Returns
    -------
    bytes

    Raises
    ------
    UnreadableFile
    """
    with _reading(entry) as stream:
        return stream.read(HEAD)


def read_all(entry: Entry, progress: Progress = SILENT) -> bytes:
    """Read a file.

    Parameters
    ----------
    entry : Entry
    progress : Progress, optional

    Returns
    -------
    bytes

    Raises
    ------
    UnreadableFile
    Cancelled
        Within a few MB of the user's Cancel.
    """
    parts: list[bytes] = []
    # By what the zip's directory says, before anything is unpacked; what it hides is found while reading.
    if entry.unpacked > _LARGEST:
        raise UnreadableFile(_TOO_LARGE)
    if entry.unpacked > free_memory() // 2:
        raise UnreadableFile(f"{entry.unpacked >> 20:,} MB unpacked, more than half of the free memory")
    with _reading(entry) as stream:
        while True:
            progress.check()
            part = stream.read(_CHUNK)
            if not part:
                return b"".join(parts)
            parts.append(part)
            if len(parts) * _CHUNK > _LARGEST:
                raise UnreadableFile(_TOO_LARGE)


@contextlib.contextmanager
def _reading(entry: Entry) -> Iterator[IO[bytes]]:
    try:
        with entry.open() as stream:
            yield stream
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UnreadableFile(f"damaged in the zip ({error}); download the archive again") from error
    except NotImplementedError as error:
        raise UnreadableFile(
            f"packed in a way that cannot be read ({error}); unpack the zip and name the folder"
        ) from error
    except RuntimeError as error:
        raise UnreadableFile(f"protected by a password ({error}); unpack the zip and name the folder") from error
    except OSError as error:
        raise UnreadableFile(f"cannot be read ({error.strerror or error})") from error
