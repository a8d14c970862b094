"""Columns of attribute tables as numbers, times and names, with messages that name the row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster.meaning import fills_in_column, implausible
from sm_toolbox.raster.times import Time, parse_time

_LARGEST = 1e30
_EMPTY = {"", "null", "none", "na", "n/a"}
_YEAR_FIRST = re.compile(r"^(\d{4})/(\d\d)/(\d\d)(?!\d)")


def to_numbers(values: Sequence[Any], field: str, layer: str) -> np.ndarray:
    """Convert a column to float64; NULL and empty text become NaN.

    Parameters
    ----------
    values : sequence (rows,)
        Numbers, text or None, as tables hold them.
    field, layer : str
        Names for messages.

    Returns
    -------
    ndarray of float64 (rows,)

    Raises
    ------
    InputError
        At the first text that is no number, and at NaN, infinite and absurdly large values, which are not the same as
        NULL: they come from a computation that went wrong and the user should know. At numbers such as -9999 far
        outside the rest, which stand for no value.

    Examples
    --------
    >>> to_numbers([0.2, "0.25", None, ""], "sm", "stations")
    array([0.2 , 0.25,  nan,  nan])
    """
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if value is None or (isinstance(value, str) and value.strip().lower() in _EMPTY):
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InputError(
                f"Field '{field}' of '{layer}' must hold numbers, but row {row + 1} holds '{value}'. Choose "
                "another field, correct the row, or convert the field with 'Refactor fields' (decimal point, no "
                "units)."
            ) from None
        # Sums of squares of larger numbers overflow; no measurement comes near.
        if not abs(number) <= _LARGEST:
            raise InputError(
                f"Field '{field}' of '{layer}' holds {number} in row {row + 1}. Correct the row, or make it NULL "
                "where there is no value."
            )
        numbers[row] = number
    _refuse_fills(numbers, field, layer)
    return numbers


def _refuse_fills(numbers: np.ndarray, field: str, layer: str) -> None:
    """Refuse exact fill values far outside the rest of a column."""
    for fill, count in fills_in_column(numbers)[:1]:
        row = int(np.flatnonzero(numbers == fill)[0]) + 1
        rest = numbers[~np.isnan(numbers) & (numbers != fill)]
        others = f", while all others lie between {rest.min():.4g} and {rest.max():.4g}" if rest.size else ""
        raise InputError(
            f"Field '{field}' of '{layer}' is {fill:g} in {count:,} of {len(numbers):,} rows (row {row} first)"
            f"{others}: no measurement, but most likely a mark of missing values. Make them NULL with 'Field "
            f'calculator\': nullif("{field}", {fill:g}).'
        )


def tell_implausible(values: np.ndarray, field: str, layer: str, progress: Progress) -> None:
    """Warn of a column whose numbers cannot be what its name claims, such as soil moisture in percent.

    Parameters
    ----------
    values : ndarray of float64 (rows,)
        NaN where there is none.
    field, layer : str
        Names for the message.
    progress : Progress
    """
    valid = values[np.isfinite(values)]
    text = implausible(field, float(np.median(valid))) if valid.size else ""
    if text:
        progress.warning(f"Field '{field}' of '{layer}' {text}")


def to_times(values: Sequence[Any], field: str, layer: str) -> list[Time | None]:
    """Convert a column of dates, date-times or ISO 8601 texts (UTC) to times; NULL and empty text become None.

    Parameters
    ----------
    values : sequence (rows,)
        `date`, `datetime`, text or None.
    field, layer : str
        Names for messages.

    Returns
    -------
    list of Time or None

    Raises
    ------
    InputError
        At the first value that is not a time, among them dates such as `03/04/2019`, whose day and month are
        ambiguous.
    """
    known: dict[Any, Time] = {}
    times: list[Time | None] = []
    for row, value in enumerate(values):
        if value is None or (isinstance(value, str) and value.strip().lower() in _EMPTY):
            times.append(None)
            continue
        if value not in known:
            time = _to_time(value)
            if time is None:
                raise InputError(
                    f"Field '{field}' of '{layer}' must hold times, but row {row + 1} holds '{value}', whose "
                    "order of day and month is not clear or which is no date. Use a date field or ISO 8601 text "
                    "(2019-04-03 or 2019-04-03T14:30:00, UTC); 'Refactor fields' with to_date(\"field\", "
                    "'dd/MM/yyyy') converts others."
                )
            known[value] = time
        times.append(known[value])
    return times


def _to_time(value: Any) -> Time | None:
    if isinstance(value, datetime):
        return Time(value, "second")
    if isinstance(value, date):
        return Time(datetime(value.year, value.month, value.day), "day")
    # QGIS writes dates into text files as 2019/04/03 and 2019/04/03 14:30:00; with the year first they are unambiguous.
    return parse_time(_YEAR_FIRST.sub(r"\1-\2-\3", value.strip())) if isinstance(value, str) else None


def to_names(values: Sequence[Any]) -> list[str | None]:
    """Convert a column of names or numbers to text; NULL and empty text become None.

    Parameters
    ----------
    values : sequence (rows,)

    Returns
    -------
    list of str or None
    """
    return [None if value is None or str(value).strip() == "" else str(value).strip() for value in values]


def drop_missing(**missing: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Combine reasons for leaving rows out.

    Parameters
    ----------
    **missing : ndarray of bool (rows,)
        For each reason, the rows that it concerns.

    Returns
    -------
    keep : ndarray of bool (rows,)
    counts : dict of str to int
        How many rows each reason took away that no earlier one had; reasons that took none are left out.
    """
    keep = ~np.zeros_like(next(iter(missing.values())))
    counts = {}
    for reason, rows in missing.items():
        taken = int(np.count_nonzero(rows & keep))
        if taken:
            counts[reason.replace("_", " ")] = taken
        keep &= ~rows
    return keep, counts
