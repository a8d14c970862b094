"""Times of bands and observations, each with the length of time it stands for."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sm_toolbox.errors import InputError

_ONE_DAY = timedelta(days=1)
_MOST_DATES = 10_000
RESOLUTIONS = ("second", "day", "month", "year")
_ISO = re.compile(
    r"(?P<y>\d{4})(?:-(?P<m>\d{2})(?:-(?P<d>\d{2})(?:[T ](?P<H>\d{2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.\d+)?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?)?)?)?$"
)


@dataclass(frozen=True, order=True)
class Time:
    """A moment, a day, several days, a month or a year (UTC).

    Parameters
    ----------
    start : datetime
        The first moment, without time zone (UTC).
    resolution : {'second', 'day', 'month', 'year'}
        What the time stands for: `2018-06` is the whole month, `2018-06-01` the whole day.
    days : int, optional
        How many days a time of resolution 'day' stands for: 16 of an NDVI composite. Times are equal whose first days
        are.
    """

    start: datetime
    resolution: str = field(default="day")
    days: int = field(default=1, compare=False)

    def __str__(self) -> str:
        if self.resolution == "year":
            return f"{self.start:%Y}"
        if self.resolution == "month":
            return self.start.strftime("%Y-%m")
        if self.resolution == "day":
            return self.start.strftime("%Y-%m-%d")
        return self.start.strftime("%Y-%m-%dT%H:%M:%S")

    @property
    def last_day(self) -> datetime:
        """Midnight at the start of the last day that the time covers."""
        day = self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.resolution == "year":
            return day.replace(month=12, day=31)
        if self.resolution == "month":
            return day.replace(day=calendar.monthrange(day.year, day.month)[1])
        return day + (self.days - 1) * _ONE_DAY if self.resolution == "day" else day

    @property
    def end(self) -> datetime:
        """The moment after the last that the time covers; a moment covers none."""
        return self.start if self.resolution == "second" else self.last_day + timedelta(days=1)

    def distance_days(self, other: Time) -> float:
        """Return how many days lie between two times; 0 where one lies within the other.

        Two moments differ by their exact difference. Where one of them is a day or a month, whole days are
        counted, so that an observation at 14:00 is at distance 0 from the map of its day.

        Parameters
        ----------
        other : Time

        Returns
        -------
        float
        """
        if self.resolution == other.resolution == "second":
            return abs((self.start - other.start).total_seconds()) / 86400
        first, second = (self, other) if self.start <= other.start else (other, self)
        midnight = second.start.replace(hour=0, minute=0, second=0, microsecond=0)
        return float(max(0, (midnight - first.last_day).days))


def parse_time(text: str) -> Time | None:
    """Read an ISO 8601 year, month, date or date and time; None where the text is not one.

    A time zone is converted to UTC. `2018-06-01T00:00:00` is a moment, `2018-06-01` a day.

    Parameters
    ----------
    text : str

    Returns
    -------
    Time or None

    Examples
    --------
    >>> str(parse_time("2018-06")), str(parse_time("2018-06-01T02:30+02:00")), parse_time("June")
    ('2018-06', '2018-06-01T00:30:00', None)
    """
    match = _ISO.match(text.strip())
    if match is None:
        return None
    part = match.groupdict()
    try:
        start = datetime(
            int(part["y"]),
            int(part["m"] or 1),
            int(part["d"] or 1),
            int(part["H"] or 0),
            int(part["M"] or 0),
            int(part["S"] or 0),
        )
    except ValueError:
        return None
    # Years that no record has: they stand for "never", and sums of days would leave what Python can count.
    if not 1000 <= start.year < 9000:
        return None
    if part["zone"] and part["zone"] != "Z":
        digits = part["zone"].replace(":", "")
        offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
        start -= offset if digits[0] == "+" else -offset
    if part["H"]:
        return Time(start, "second")
    return Time(start, "day" if part["d"] else "month" if part["m"] else "year")


def period_days(period: str, start: datetime) -> int:
    """Return how many days a period has that begins on a day.

    Parameters
    ----------
    period : str
        `dekad`, `season` (three months), `year`, or a number of days.
    start : datetime

    Returns
    -------
    int
        1 where the text is none of these.
    """
    if period == "dekad":
        return calendar.monthrange(start.year, start.month)[1] - 20 if start.day == 21 else 10
    if period in ("season", "year"):
        month = start.month + (2 if period == "season" else 11)
        last = start.replace(year=start.year + (month > 12), month=(month - 1) % 12 + 1, day=1)
        return (last - start).days + calendar.monthrange(last.year, last.month)[1]
    return int(period) if re.fullmatch(r"[0-9]{1,4}", period) and int(period) else 1


def parse_dates(text: str | None) -> list[Time]:
    """Read dates: ISO 8601 with commas between them, and `first/last/days` for all dates at equal distances.

    `2018-06-01, 2018-06-13` or `2018-06-01/2018-09-30/6`; without the number of days, every day. They are returned in
    order; none for no text.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    list of Time

    Raises
    ------
    InputError
        Where a part is no date, or a date is given twice.

    Examples
    --------
    >>> [str(time) for time in parse_dates("2018-07-01, 2018-06-01/2018-06-13/6")]
    ['2018-06-01', '2018-06-07', '2018-06-13', '2018-07-01']
    """
    found: list[Time] = []
    for part in filter(None, map(str.strip, re.split(r"[,;\n]", text or ""))):
        pieces = [piece.strip() for piece in part.split("/")]
        ends = [parse_time(piece) for piece in pieces[:2]]
        if len(pieces) == 1 and ends[0] is not None:
            found.append(ends[0])
            continue
        first, last = ends if len(pieces) in (2, 3) else (None, None)
        step = pieces[2] if len(pieces) == 3 else "1"
        if (
            first is None
            or last is None
            or not re.fullmatch(r"[0-9]{1,5}", step)
            or int(step) < 1
            or first.resolution in ("month", "year")
            or last < first
        ):
            raise InputError(
                f"`dates`: '{part}' is not a date. Write 2018-06-01 or 2018-06-01T05:30:00, several with commas "
                "between them, or all from one to another every 6 days as 2018-06-01/2018-09-30/6."
            )
        count = (last.start - first.start) // (int(step) * _ONE_DAY) + 1
        if count > _MOST_DATES:
            raise InputError(
                f"`dates`: '{part}' are {count:,} dates; at most {_MOST_DATES:,} are written. Check the years, or "
                "make the step longer."
            )
        found += [Time(first.start + k * int(step) * _ONE_DAY, first.resolution) for k in range(count)]
    twice = [str(a) for a, b in zip(sorted(found), sorted(found)[1:]) if a == b]
    if twice:
        raise InputError(f"`dates`: {twice[0]} is given twice.")
    return sorted(found)
