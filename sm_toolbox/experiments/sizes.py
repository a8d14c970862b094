"""Sizes of training sets as text: `0.5,1,2` and `1,3,…,21`."""

from __future__ import annotations

import re

from sm_toolbox.errors import InputError

_ELLIPSIS = re.compile(r"…|\.\.\.+")
_MOST_SIZES = 100


def parse_sizes(text: str, name: str, *, whole: bool, most: float) -> tuple[float, ...]:
    """Read sizes, in which three dots stand for steps as long as the one before them.

    Parameters
    ----------
    text : str
        Numbers with commas: `1,3,…,21` is 1, 3, 5 and so on up to 21, which is one itself.
    name : str
        The argument, for messages.
    whole : bool
        Whether only whole numbers are sizes.
    most : float
        The largest that makes sense.

    Returns
    -------
    tuple of float
        Ascending, each once.

    Raises
    ------
    InputError
        Where a part is no number, or no size.

    Examples
    --------
    >>> parse_sizes("1, 9, …, 33", "sizes_spatial", whole=True, most=1000)
    (1, 9, 17, 25, 33)
    >>> parse_sizes("5,0.5", "sizes_dependent", whole=False, most=100)
    (0.5, 5.0)
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    sizes: list[float] = []
    for place, part in enumerate(parts):
        if _ELLIPSIS.fullmatch(part):
            last = _size(parts[place + 1], name, whole, most) if place + 1 < len(parts) else 0.0
            step = sizes[-1] - sizes[-2] if len(sizes) > 1 else 0.0
            if step <= 0 or last <= sizes[-1]:
                raise InputError(
                    f"`{name}` is '{text}': three dots need two ascending sizes before them and a larger one after "
                    "them, as in 1,3,…,21."
                )
            count = int((last - sizes[-1]) / step + 1e-9)
            if count > _MOST_SIZES:
                raise InputError(f"`{name}` '{text}' makes more than {_MOST_SIZES} sizes. Take longer steps.")
            start = sizes[-1]
            sizes += [start + step * i for i in range(1, count + 1)]
        else:
            sizes.append(_size(part, name, whole, most))
    if not sizes:
        raise InputError(f"`{name}` names no size. Write numbers with commas, such as 1,3,…,21.")
    if len(set(sizes)) > _MOST_SIZES:
        raise InputError(f"`{name}` names {len(set(sizes))} sizes; at most {_MOST_SIZES} make sense.")
    return tuple(sorted({int(size) if whole else float(size) for size in sizes}))


def _size(part: str, name: str, whole: bool, most: float) -> float:
    try:
        size = float(part)
    except ValueError:
        size = float("nan")
    if not 0 < size <= most or (whole and size != int(size)):
        kind = "whole numbers" if whole else "numbers"
        raise InputError(
            f"`{name}`: '{part}' is no size. Write {kind} above 0 and up to {most:g} with commas, such as "
            f"{'1,3,…,21' if whole else '0.5,1,2,5'}."
        )
    return size
