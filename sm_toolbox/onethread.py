"""Products of matrices in one thread, where the work around them is on all cores already."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOCK = threading.Lock()
_LIMITS: list[Any] = []


@contextmanager
def products_in_one_thread() -> Iterator[None]:
    """Keep matrix products single-threaded as long as anybody is in this context.

    With work on each core more threads only compete, small products are no faster on several, and another order of sums
    changes the last bits. The limit is one of the whole process: the last of several threads lifts it. The library that
    can set it comes with scikit-learn; without it all works, some of it slower.
    """
    if importlib.util.find_spec("threadpoolctl") is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    with _LOCK:
        _LIMITS.append(_LIMITS[0] if _LIMITS else threadpool_limits(1))
    try:
        yield
    finally:
        with _LOCK:
            limit = _LIMITS.pop()
            if not _LIMITS:
                limit.restore_original_limits()
