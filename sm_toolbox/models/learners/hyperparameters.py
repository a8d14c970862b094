"""What hyper-parameters of all kinds share: checks of what users give, and ranges to search."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from sm_toolbox.errors import InputError


class NoConvergence(InputError):
    """A fit failed with these hyper-parameters; others may succeed."""


@dataclass(frozen=True)
class IntRange:
    """Whole numbers to draw from uniformly.

    Parameters
    ----------
    low, high : int
        Both included.
    """

    low: int
    high: int


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number; JSON's true and false are not.

    Parameters
    ----------
    value : object
        As JSON gives it.

    Returns
    -------
    bool
    """
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; Python reads NaN and Infinity from JSON, too.

    Parameters
    ----------
    value : object
        As JSON gives it.

    Returns
    -------
    bool
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check(holds: bool, name: str, value: Any, expected: str) -> None:
    """Reject an impossible hyper-parameter.

    Parameters
    ----------
    holds : bool
        What must be so.
    name : str
    value : object
        As JSON can write it.
    expected : str
        In words.

    Raises
    ------
    InputError
        Where it does not hold.
    """
    if not holds:
        raise InputError(f"`hyperparameters`: {name} is {json.dumps(value)}, but must be {expected}.")
