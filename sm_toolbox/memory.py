"""The computer's memory, and a check before work that needs more."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from pathlib import Path

from sm_toolbox.errors import InputError

# The rest is left to QGIS and to memory that is not accounted for.
_SHARE = 0.7
_FIRST_GROUP = Path("/sys/fs/cgroup")


def physical_memory() -> int:
    """Return the computer's memory in bytes; 8 GB where Python cannot tell (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30


def free_memory() -> int:
    """Return the bytes that a program can still allocate, within the limits of a container; half of all if unknown."""
    amounts = [amount for amount in (_of_linux(), _of_container(), _of_windows()) if amount is not None]
    return min(amounts) if amounts else physical_memory() // 2


def _of_linux() -> int | None:
    with contextlib.suppress(OSError):
        match = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"), re.MULTILINE)
        return None if match is None else int(match[1]) * 1024
    return None


def _of_container() -> int | None:
    # Of version 2 of control groups, then of version 1. Cached files are counted as used, but given back when they are
    # needed.
    for most, used, kept, key in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        with contextlib.suppress(OSError, ValueError):
            limit, taken = (int((_FIRST_GROUP / name).read_text("ascii")) for name in (most, used))
            cached = re.search(rf"^{key} (\d+)$", (_FIRST_GROUP / kept).read_text("ascii"), re.MULTILINE)
            return max(0, limit - taken + (int(cached[1]) if cached else 0))
    return None


def _of_windows() -> int | None:
    if sys.platform != "win32":
        return None

    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((f"value_{i}", ctypes.c_ulonglong) for i in range(7)),
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    # Total and available physical memory are the first two.
    return int(status.value_1)


def refuse_beyond_memory(needed: float, what: str, remedy: str) -> None:
    """Raise where a piece of work needs more memory than can be had.

    Parameters
    ----------
    needed : float
        Bytes.
    what : str
        Begins the message, and ends before 'about 5,000 MB of memory'.
    remedy : str

    Raises
    ------
    InputError
        Where more than 70 % of the free memory is needed.
    """
    free = free_memory()
    if needed > _SHARE * free:
        raise InputError(
            f"{what} about {needed / 2**20:,.0f} MB of memory, but {free / 2**20:,.0f} MB are free and "
            f"{_SHARE:.0%} of that may be taken. {remedy}"
        )
