"""Columns of attribute tables as numbers, times and names, with messages that name the row."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster.meaning import fills_in_column, implausible
from sm_toolbox.raster.times import Time, parse_time
from sm_toolbox.sensors.dateforms import MONTH_NAMES, MONTHS_BY_NAME
from sm_toolbox.sensors.quantities import quantity_of

SOURCE_FIELD, STATIONS_SOURCE = "source", "station"
"""The field that says whether a row is of a station, or else of which product, and what it holds for stations."""
_LARGEST = 1e30
_EMPTY = {"", "null", "none", "na", "n/a"}
_NO_TIME = {*_EMPTY, "nat", "nan"}


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
    tell_impossible(values, field, layer, progress)


def tell_impossible(values: np.ndarray, field: str, layer: str, progress: Progress) -> None:
    """Warn of single rows whose numbers cannot be what the name of their column claims, where most can.

    Parameters
    ----------
    values : ndarray of float64 (rows,)
        NaN where there is none.
    field, layer : str
        Names for the message.
    progress : Progress
    """
    valid, quantity = values[np.isfinite(values)], quantity_of(field)
    if quantity is None or not valid.size or not quantity.low <= np.median(valid) <= quantity.high:
        return
    outside = valid[(valid < quantity.low) | (valid > quantity.high)]
    if outside.size:
        progress.warning(
            f"Field '{field}' of '{layer}' holds numbers in {outside.size:,} of {len(values):,} rows that are not "
            f"{quantity.label}: {', '.join(f'{value:.4g}' for value in np.unique(outside)[:3])}. Correct them, or "
            "make them NULL where they stand for no value."
        )


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
        ambiguous, and numbers that may be dates; with the expression of QGIS that converts the column.
    """
    known: dict[Any, Time] = {}
    _refuse_numbers(values, field, layer)
    times: list[Time | None] = []
    for row, value in enumerate(values):
        if value is None or value != value or (isinstance(value, str) and value.strip().lower() in _NO_TIME):
            times.append(None)
            continue
        if value not in known:
            time = _to_time(value)
            if time is None:
                raise InputError(
                    f"Field '{field}' of '{layer}' must hold times, but row {row + 1} holds '{value}', "
                    f"{_what_it_is(str(value), field)}"
                )
            known[value] = time
        times.append(known[value])
    return times


def moments_of(times: Sequence[Time | None]) -> np.ndarray:
    """Return the first moment of each time.

    Parameters
    ----------
    times : sequence of Time or None

    Returns
    -------
    ndarray of datetime64[s] (times,)
        NaT for None.
    """
    none = np.datetime64("NaT", "s")
    return np.array([none if time is None else np.datetime64(time.start, "s") for time in times], "datetime64[s]")


def _to_time(value: Any) -> Time | None:
    if isinstance(value, datetime):
        return Time(value, "second")
    if isinstance(value, date):
        return Time(datetime(value.year, value.month, value.day), "day")
    if isinstance(value, (int, float)):
        # Numbers of digits of a date that `_refuse_numbers` has let through.
        return _time_of_text(str(int(value)))
    return _time_of_text(value.strip()) if isinstance(value, str) else None


def _time_of_text(text: str) -> Time | None:
    """Read ISO 8601, in its forms with and without signs, and what differs from it but leaves no doubt."""
    # QGIS writes dates into text files as 2019/04/03 and 2019/04/03 14:30:00; with the year first they are unambiguous.
    text = re.sub(r"^(\d{4})([/.])(\d{1,2})\2(\d{1,2})(?!\d)", r"\1-\3-\4", text)
    text = re.sub(r"^(\d{4})-(\d)(?=-)", r"\1-0\2", text)
    text = re.sub(r"^(\d{4}-\d\d)-(\d)(?!\d)", r"\1-0\2", text)
    text = re.sub(r"^(\d{4})_(\d\d)_(\d\d)(?!\d)", r"\1-\2-\3", text)
    text = re.sub(r"^(\d{4})(\d\d)(\d\d)(?:T?(\d\d)(?:(\d\d)(\d\d)?)?)?(?=Z?$)", _with_signs, text)
    text = re.sub(r"^(\d{4})-?(\d{3})$", _day_of_year, text)
    text = re.sub(r"^(\d{4})-?W(\d\d)-?([1-7])$", _day_of_week, text)
    text = _DAY_BY_NAME.sub(_by_name_of_month, text)
    text = _NAME_AND_DAY.sub(_by_name_of_month, text)
    text = re.sub(r"(?<=[T ])(\d)(?=[:h])", r"0\1", text)
    text = re.sub(r"(?<=[T ]\d\d)h(\d\d)$", r":\1", text)
    text = re.sub(r"(?<=:\d\d),\d+", "", text)
    text = _TWELVE_HOURS.sub(_in_24_hours, text)
    text = re.sub(r"\s*(UTC|GMT)$", "Z", text)
    text = re.sub(r"([+-]\d\d)$", r"\1:00", text) if ":" in text else text
    whole_day = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ]24:00(?::00)?(Z?)", text)
    if whole_day:
        start = parse_time(f"{whole_day[1]}T00:00:00")
        return None if start is None else Time(start.start + timedelta(days=1), "second")
    return parse_time(text)


_DAY_BY_NAME = re.compile(
    rf"^(?P<d>\d{{1,2}})\.?(?:[- ]| de )?(?P<n>{MONTH_NAMES})\.?(?:[- ]| de )?(?P<y>\d{{4}})(?!\d)", re.IGNORECASE
)
_NAME_AND_DAY = re.compile(rf"^(?P<n>{MONTH_NAMES})\.? (?P<d>\d{{1,2}}),? (?P<y>\d{{4}})(?!\d)", re.IGNORECASE)
_TWELVE_HOURS = re.compile(r"(?<=[T ])(\d\d):(\d\d)(:\d\d)?\s*([ap])\.?m\.?$", re.IGNORECASE)


def _with_signs(match: re.Match[str]) -> str:
    year, month, day, *clock = match.groups()
    return f"{year}-{month}-{day}" + (f"T{clock[0]}:{clock[1] or '00'}:{clock[2] or '00'}" if clock[0] else "")


def _day_of_year(match: re.Match[str]) -> str:
    year, number = int(match[1]), int(match[2])
    day = datetime(year, 1, 1) + timedelta(days=number - 1) if 1 <= number <= 366 and year >= 1 else None
    return match[0] if day is None or day.year != year else day.strftime("%Y-%m-%d")


def _day_of_week(match: re.Match[str]) -> str:
    try:
        return datetime.fromisocalendar(*map(int, match.groups())).strftime("%Y-%m-%d")  # type: ignore[call-arg]
    except ValueError:
        return match[0]


def _by_name_of_month(match: re.Match[str]) -> str:
    return f"{match['y']}-{MONTHS_BY_NAME[match['n'].lower()]:02d}-{int(match['d']):02d}"


def _in_24_hours(match: re.Match[str]) -> str:
    hour = int(match[1])
    if not 1 <= hour <= 12:
        return match[0]
    return f"{hour % 12 + 12 * (match[4].lower() == 'p'):02d}:{match[2]}{match[3] or ''}"


def _refuse_numbers(values: Sequence[Any], field: str, layer: str) -> None:
    """Refuse columns of numbers that are no dates as YYYYMMDD, and say what they seem to be."""
    numbers = [_number(value) for value in values if value is not None and value != ""]
    known = [number for number in numbers if number is not None]
    if not known or len(known) < len(numbers):
        return
    if all(number == int(number) and _has_digits_of_a_date(int(number)) for number in known):
        return
    low, high = min(known), max(known)
    start = f"Field '{field}' of '{layer}' must hold times, but holds numbers ({low:.15g} to {high:.15g})"
    convert = "Convert them with 'Refactor fields' or the field calculator: "
    since = "to_datetime('{}') + to_interval(\"{}\" || ' {}')"
    if low >= 50_000 and high <= 70_000:
        raise InputError(
            f"{start}, as modified Julian days are counted (or days of Excel, of 2036 and later). "
            f"{convert}{since.format('1858-11-17 00:00:00', field, 'days')}."
        )
    for first, last, zero, words in (
        (2_415_020, 2_524_600, 2_440_587.5, "Julian days are"),
        (700_000, 800_000, 719_529, "MATLAB's datenum is"),
    ):
        if first <= low and high <= last:
            raise InputError(
                f"{start}, as {words} counted. {convert}to_datetime('1970-01-01 00:00:00') + "
                f"to_interval((\"{field}\" - {zero}) || ' days')."
            )
    if all(number == int(number) and _is_yyyymmdd(20_000_000 + int(number)) for number in known) and high < 1_000_000:
        raise InputError(
            f"{start}, which may be dates as YYMMDD. {convert}to_date('20' || lpad(\"{field}\", 6, '0'), 'yyyyMMdd')."
        )
    if low >= 20_000 and high <= 80_000:
        raise InputError(
            f"{start}, as Excel counts days. {convert}{since.format('1899-12-30 00:00:00', field, 'days')}."
        )
    if low >= 1e8 and high <= 5e9:
        raise InputError(
            f"{start}, as seconds since 1970 are counted. "
            f"{convert}{since.format('1970-01-01 00:00:00', field, 'seconds')}."
        )
    if low >= 1e11 and high <= 5e12:
        raise InputError(
            f"{start}, as milliseconds since 1970 are counted. {convert}"
            f"to_datetime('1970-01-01 00:00:00') + to_interval((\"{field}\" / 1000) || ' seconds')."
        )
    if low >= 1900 and high < 2200 and any(number != int(number) for number in known):
        raise InputError(
            f'{start}, years with fractions. {convert}make_datetime(floor("{field}"), 1, 1, 0, 0, 0) + '
            f'to_interval((("{field}" - floor("{field}")) * 365.25) || \' days\').'
        )
    if all(number == int(number) and 190_001 <= number <= 219_912 and 1 <= number % 100 <= 12 for number in known):
        raise InputError(f'{start}, months as YYYYMM. {convert}left("{field}", 4) || \'-\' || right("{field}", 2).')
    if all(number == int(number) and 1900 <= number < 2200 for number in known):
        raise InputError(
            f"{start}, years alone. A year is no time to match maps by: give a date, such as the middle of the season."
        )
    raise InputError(f"{start}. Use a date field, or ISO 8601 text (2019-04-03 or 2019-04-03T14:30:00, UTC).")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_yyyymmdd(number: int) -> bool:
    try:
        datetime(number // 10_000, number // 100 % 100, number % 100)
    except (ValueError, OverflowError):
        return False
    return 1900 <= number // 10_000 < 2200


def _has_digits_of_a_date(number: int) -> bool:
    """Say whether a number is YYYYMMDD, with hour, minute and second or without, or YYYYDDD."""
    digits = str(number)
    if len(digits) == 7:
        return 1900 <= int(digits[:4]) < 2200 and _time_of_text(digits) is not None
    day = len(digits) in (8, 10, 12, 14) and _is_yyyymmdd(int(digits[:8]))
    return day and (len(digits) == 8 or _time_of_text(digits) is not None)


def _what_it_is(text: str, field: str) -> str:
    """Say why a text is no time, and how to make one of it."""
    match = re.match(r"^(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(.*)$", text.strip())
    if match is None:
        return (
            "which is no date. Use a date field, or ISO 8601 text (2019-04-03 or 2019-04-03T14:30:00, UTC); 'Refactor "
            f"fields' with to_datetime(\"{field}\", 'FORMAT') converts others, FORMAT such as dd MMM yyyy hh:mm."
        )
    sign, both = match[2], len(match[1]) == len(match[3]) == 2
    clock = " hh:mm:ss" if match[5].count(":") == 2 else " hh:mm" if ":" in match[5] else ""
    if re.search(r"[ap]\.?m\.?$", text.strip(), re.IGNORECASE):
        clock = f"{clock.replace('hh', 'h')} AP"
    function = "to_datetime" if clock else "to_date"
    # Qt takes years of two digits as those of 1900 to 1999.
    source = f'"{field}"'
    if len(match[4]) == 2:
        source = f"regexp_replace({source}, '(?<=[./-])(?=\\\\d\\\\d($| ))', '20')"
    day, month = ("dd", "MM") if both else ("d", "M")
    day_first, month_first = (
        f"{function}({source}, '{form}{sign}yyyy{clock}')" for form in (f"{day}{sign}{month}", f"{month}{sign}{day}")
    )
    return (
        "whose order of day and month is not clear. Convert the field with 'Refactor fields' or the field calculator: "
        f"{day_first} where the day comes first, {month_first} where the month does."
    )


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


def drop_missing(missing: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, int]]:
    """Combine reasons for leaving rows out.

    Parameters
    ----------
    missing : mapping of str to ndarray of bool (rows,)
        For each reason, in words, the rows that it concerns.

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
            counts[reason] = taken
        keep &= ~rows
    return keep, counts
