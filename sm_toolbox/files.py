"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from sm_toolbox.errors import OutputError


def check_output(path: str) -> None:
    """Find out, before any work is done, whether a file can be written.

    Raises
    ------
    OutputError
        Where the folder is missing or not writable, or an existing file cannot be replaced.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"The output '{path}' is a folder. Name a file in it.")
    if not target.parent.is_dir():
        raise OutputError(f"The output '{path}' cannot be written: the folder '{target.parent}' does not exist. Create it first.")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"The output '{path}' cannot be written: you may not write into '{target.parent}'. Choose another folder.")
    if target.exists():
        try:
            with open(target, "r+b"):
                pass
        except OSError as error:
            raise OutputError(
                f"The existing output '{path}' cannot be replaced ({error.strerror or error}). Close the programs that have it open (QGIS itself, where the layer is loaded), "
                "clear its write protection, or choose another name."
            ) from error


def temporary_name(path: str) -> str:
    """Return a name beside a file under which it is written until it is complete."""
    target = Path(path)
    return str(target.with_name(f".{target.stem}-{uuid.uuid4().hex[:8]}.partial{target.suffix}"))


def put_in_place(temporary: str, path: str) -> None:
    """Give a complete file its name, replacing an existing one.

    Raises
    ------
    OutputError
        Where the existing file is locked; the new one is removed.
    """
    try:
        os.replace(temporary, path)
    except OSError as error:
        remove_quietly(temporary)
        raise OutputError(
            f"The output '{path}' cannot be replaced ({error.strerror or error}). Close the programs that have it open, or choose another name."
        ) from error
    # Statistics that GDAL or QGIS kept of the file that was replaced would be shown for the new one.
    remove_quietly(path + ".aux.xml")


def remove_quietly(path: str) -> None:
    """Remove a file where it exists; clearing up must not hide the error that led to it."""
    with contextlib.suppress(OSError):
        os.remove(path)
