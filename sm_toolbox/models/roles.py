"""Which fields of a table can be target, predictor, station, time or weight."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError

# Names that programs give to the numbers of rows.
_ROW_NUMBERS = re.compile(
    r"fid|ogc_fid|objectid|oid|gid|rowid|row_?(id|number|num|nr)|feature_?id|unnamed: 0", re.IGNORECASE
)
# What goes up by one from row to row, too, where one station measured every day.
_OF_TIME = re.compile(r"(.*_)?(doy|day|julian_?day|day_?of_?year|week|month|year|hour)", re.IGNORECASE)
_GAP_DAYS = re.compile(r".+_gap_days", re.IGNORECASE)
# Fewer rows may be numbered 1, 2, 3 by chance.
_FEWEST_ROWS = 10


def is_row_number(name: str, values: Sequence[Any]) -> bool:
    """Return whether a field numbers the rows: by its name, or because its values go up by one from row to row.

    Fields named as days, months or years do not.

    Parameters
    ----------
    name : str
    values : sequence (rows,)

    Returns
    -------
    bool
    """
    if _ROW_NUMBERS.fullmatch(name):
        return True
    if _OF_TIME.fullmatch(name):
        return False
    if len(values) < _FEWEST_ROWS or not all(
        isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in values
    ):
        return False
    return all(math.isfinite(value) for value in values) and bool(np.all(np.diff(np.asarray(values, float)) == 1))


def check_target(name: str, columns: Mapping[str, Sequence[Any]], layer: str) -> None:
    """Reject a target that is not a physical quantity.

    Parameters
    ----------
    name : str
    columns : mapping of str to sequence
    layer : str
        For the message.

    Raises
    ------
    InputError
        Where the field numbers the rows, or holds the days between rows and bands.
    """
    if name not in columns:
        return
    what = (
        "numbers the rows"
        if is_row_number(name, columns[name])
        else "holds the days between the rows and a band"
        if _GAP_DAYS.fullmatch(name)
        else ""
    )
    if what:
        raise InputError(
            f"`target`: the field '{name}' of '{layer}' {what} and is nothing to learn. Choose the field of the "
            "observed soil moisture."
        )


def asks_for_all(asked: Sequence[str], columns: Iterable[str]) -> bool:
    """Return whether all fields of a table are asked for, as the dialog does at first; row numbers do not count.

    Parameters
    ----------
    asked : sequence of str
    columns : iterable of str

    Returns
    -------
    bool
    """
    return len(asked) > 1 and set(asked) >= {name for name in columns if not _ROW_NUMBERS.fullmatch(name)}


def choose_predictors(
    asked: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    parts: Sequence[str | None],
    layer: str,
    sampled: Container[str] = (),
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Leave out fields that cannot be predictors.

    Where all fields of the table are asked for ('Select all'), these are the fields that play another part, those that
    hold no numbers, and in a sampled table those that are of no raster, which no map would have, too; one that is named
    among others is left in, to be refused with its reason.

    Parameters
    ----------
    asked : sequence of str
    columns : mapping of str to sequence
    parts : sequence of str or None
        Fields that play another part: target, station, time, weight.
    layer : str
        The layer's name, for messages.
    sampled : container of str, optional
        Fields that were sampled from rasters; empty where nothing is known of that.

    Returns
    -------
    kept : tuple of str
    left_out : dict of str to str
        Why, by field.

    Raises
    ------
    InputError
        Where nothing is left.
    """
    everything = asks_for_all(asked, columns)
    left_out: dict[str, str] = {}
    for name in asked:
        if name not in columns:
            continue
        if _GAP_DAYS.fullmatch(name):
            left_out[name] = "days between row and band"
        elif name not in parts and is_row_number(name, columns[name]):
            left_out[name] = "numbers the rows"
        elif everything and name in parts:
            left_out[name] = "has another part"
        elif everything and not _holds_numbers(columns[name]):
            left_out[name] = "holds no numbers"
        elif everything and sampled and name not in sampled:
            left_out[name] = "of no raster"
    kept = tuple(name for name in asked if name not in left_out)
    if asked and not kept:
        reasons = ", ".join(f"{name} ({why})" for name, why in left_out.items())
        raise InputError(
            f"`predictors`: none of the fields chosen of '{layer}' can be a predictor: {reasons}. Choose fields "
            "such as elevation or ndvi."
        )
    return kept, left_out


def _holds_numbers(values: Sequence[Any]) -> bool:
    """Return whether a column has only numbers, or text that holds numbers."""
    present = [value for value in values if value is not None and value != ""]
    for value in present:
        if isinstance(value, str):
            try:
                float(value)
            except ValueError:
                return False
        elif not isinstance(value, (int, float, np.number)):
            return False
    return bool(present)


def places(positions: np.ndarray) -> np.ndarray:
    """Name the places of rows by their coordinates: rows of one place are of one station.

    Parameters
    ----------
    positions : ndarray of float64 (rows, 2)
        Metres.

    Returns
    -------
    ndarray of str (rows,)
    """
    # A metre apart is the same place: coordinates of one station differ in their last digits from file to file.
    _, number = np.unique(np.round(positions), axis=0, return_inverse=True)
    return np.array([f"place {index + 1}" for index in number.ravel()])
