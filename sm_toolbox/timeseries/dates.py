"""Checks of the dates of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError

if TYPE_CHECKING:
    from sm_toolbox.raster.bands import Stack
    from sm_toolbox.raster.times import Time

# A trend needs at least three values: a line through two has no residuals.
FEWEST = 3
# Lengths of two kinds of periods beyond this ratio have other spreads: a day and a month.
_SAME_PERIOD = 1.5


def require_dates(stack: Stack, fewest: int = 1) -> None:
    """Reject a stack without dates, or with fewer than are needed.

    Parameters
    ----------
    stack : Stack
    fewest : int, optional
        Dates that are needed.

    Raises
    ------
    InputError
    """
    if stack.is_static:
        raise InputError(f"{stack.variable} has no dates. Name the bands variable@YYYY-MM-DD, or leave it out.")
    count = len(stack.times)
    if count < fewest:
        raise InputError(
            f"{stack.variable} has {'a single date' if count == 1 else f'{count} dates'} "
            f"({', '.join(map(str, stack.times))}), but at least {fewest} are needed. Add the layers of further "
            "dates."
        )


def require_distinct_starts(stack: Stack) -> None:
    """Reject a stack with two dates that start at the same moment, such as a month and its first day.

    Parameters
    ----------
    stack : Stack

    Raises
    ------
    InputError
    """
    for earlier, later in zip(stack.times, stack.times[1:]):
        if earlier.start == later.start:
            raise InputError(
                f"{stack.variable} has both {earlier} and {later}, which start at the same moment. Leave one of "
                "them out, or bring all to one period with 'Composite over time'."
            )


def require_same_periods(stack: Stack, reference: Stack) -> None:
    """Reject a reference whose dates stand for periods of another length: means of months spread less than days.

    Parameters
    ----------
    stack, reference : Stack

    Raises
    ------
    InputError
    """
    lengths = [
        float(np.median([(time.end - time.start) / timedelta(days=1) for time in each.times]))
        for each in (stack, reference)
    ]
    if max(lengths) > _SAME_PERIOD * max(min(lengths), 1.0):
        raise InputError(
            f"'{stack.variable}' is of periods of {lengths[0]:g} days, `reference` of {lengths[1]:g}; means of longer "
            "periods spread less. Bring both to one period with 'Composite over time'."
        )


def days_since_first(times: Sequence[Time], first: Time) -> np.ndarray:
    """Return the days between a time and others, by their starts.

    Parameters
    ----------
    times : sequence of Time
    first : Time

    Returns
    -------
    ndarray of float64 (times,)
    """
    return np.array([(time.start - first.start) / timedelta(days=1) for time in times])
