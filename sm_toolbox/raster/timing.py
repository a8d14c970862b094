"""How far, and in which direction, a dated band may lie from what it is used for: for all variables, and for each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import Stack, default_gaps_in_words
from sm_toolbox.raster.times import Time

# A hundred years.
_LARGEST_GAP = 36_525
_ADDS_UP = re.compile(
    r"(.*[_\W])?(rain(fall)?|precip(itation)?(_?cal)?|tp|prcp|api|.+_sum(\d+[a-z]*)?)([_\W\d].*)?", re.IGNORECASE
)


def adds_up(variable: str) -> bool:
    """Say whether a variable adds up over time, so that a later value holds what had not fallen yet: rain.

    Parameters
    ----------
    variable : str

    Returns
    -------
    bool
        For names like rain, precipitation, tp, prcp, rain_sum7d, rain_api.
    """
    return _ADDS_UP.fullmatch(variable) is not None


@dataclass(frozen=True)
class TimeRule:
    """How dated bands are matched in time.

    Parameters
    ----------
    largest : float, optional
        Largest gap in days of all variables; by default half the distance of a variable's dates, and as far as the next
        date where only earlier bands are taken, so that no time within a regular record lacks a band.
    gaps : mapping of str to float, optional
        Largest gaps of single variables, which count before `largest`.
    direction : {'nearest', 'previous'}, optional
        previous: a band that begins after the time is not taken, unless it lies within the day asked for. nearest,
        the default, does not hold for variables that add up (`adds_up`).
    directions : mapping of str to str, optional
        Directions of single variables, which count before `direction`.
    """

    largest: float | None = None
    gaps: Mapping[str, float] = field(default_factory=dict)
    direction: str | None = None
    directions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: TimeRule | float | None) -> TimeRule:
        """Return a rule from what functions take in its place: the largest gap of all variables.

        Parameters
        ----------
        value : TimeRule, float or None

        Returns
        -------
        TimeRule
        """
        return value if isinstance(value, TimeRule) else cls(value)

    def gap(self, name: str, stack: Stack) -> float | None:
        """Return the largest gap that is asked for of a variable, in days; None for the default.

        Parameters
        ----------
        name : str
            Of the column.
        stack : Stack

        Returns
        -------
        float or None
        """
        return self.gaps.get(name, self.gaps.get(stack.variable, self.largest))

    def only_earlier(self, name: str, stack: Stack) -> bool:
        """Say whether only earlier bands of a variable are taken.

        Parameters
        ----------
        name : str
        stack : Stack

        Returns
        -------
        bool
        """
        if name in self.directions:
            return self.directions[name] == "previous"
        return self.direction == "previous" or adds_up(stack.variable)

    def reach(self, name: str, stack: Stack) -> float:
        """Return the largest gap of a variable, in days.

        Parameters
        ----------
        name : str
        stack : Stack

        Returns
        -------
        float
        """
        return stack.reach(self.gap(name, stack), self.only_earlier(name, stack))

    def nearest(self, name: str, stack: Stack, time: Time | None) -> int | None:
        """Return the position of the band for a time, as `Stack.nearest`.

        Parameters
        ----------
        name : str
        stack : Stack
        time : Time or None

        Returns
        -------
        int or None
        """
        return stack.nearest(time, self.gap(name, stack), self.only_earlier(name, stack))

    def defaults_in_words(self, stacks: Mapping[str, Stack]) -> str:
        """Say which gap variables have for which none is asked; empty where there is no such one.

        Parameters
        ----------
        stacks : mapping of str to Stack
            By column.

        Returns
        -------
        str
        """
        reaches = {
            name: self.reach(name, stack)
            for name, stack in stacks.items()
            if not stack.is_static and self.gap(name, stack) is None
        }
        return default_gaps_in_words("variable", reaches) if reaches else ""

    def check_names(self, stacks: Mapping[str, Stack]) -> None:
        """Refuse gaps of variables that are not there, or have no dates.

        Parameters
        ----------
        stacks : mapping of str to Stack
            By column.

        Raises
        ------
        InputError
        """
        known = {word: stack for name, stack in stacks.items() for word in (name, stack.variable)}
        for name in self.gaps:
            if name not in known:
                raise InputError(
                    f"`gaps` names '{name}', which is none of the variables: {', '.join(stacks)}. Correct the name, "
                    "or leave it out."
                )
            if known[name].is_static:
                raise InputError(
                    f"`gaps` names '{name}', which has no date and serves all times "
                    f"('{known[name].bands[0].source.label}'). Leave it out, or give its bands dates."
                )

    def remembering(self, gaps: Mapping[str, float], directions: Mapping[str, str]) -> TimeRule:
        """Return the rule with what a model remembers wherever nothing is asked for.

        Parameters
        ----------
        gaps : mapping of str to float
        directions : mapping of str to str
            By predictor.

        Returns
        -------
        TimeRule
        """
        own = {} if self.largest is not None else dict(gaps)
        return replace(self, gaps={**own, **self.gaps}, directions={**directions, **self.directions})


def parse_gaps(text: str | None) -> dict[str, float]:
    """Read `landcover:366,ndvi:16`: the largest gap of variables, in days.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    dict of str to float

    Raises
    ------
    InputError
        Where a part has another form, or a variable is named twice.

    Examples
    --------
    >>> parse_gaps("landcover:366, ndvi:16")
    {'landcover': 366.0, 'ndvi': 16.0}
    """
    gaps: dict[str, float] = {}
    for part in filter(None, map(str.strip, re.split(r"[,;\n]", text or ""))):
        name, _, days = (piece.strip() for piece in part.rpartition(":"))
        try:
            value = float(days)
        except ValueError:
            value = math.nan
        if not name or not 0 <= value <= _LARGEST_GAP:
            raise InputError(
                f"`gaps`: '{part}' is not of the form variable:days with 0 to {_LARGEST_GAP:,} days. Write "
                "landcover:366,ndvi:16."
            )
        if name in gaps:
            raise InputError(f"`gaps` names '{name}' twice. Leave one of them out.")
        gaps[name] = value
    return gaps


def later_in_words(name: str, stack: Stack, rule: TimeRule, later: int, rows: int, what: str = "rows") -> str:
    """Say what a variable's matching takes from later dates; empty where there is nothing to say.

    Parameters
    ----------
    name : str
    stack : Stack
    rule : TimeRule
    later : int
        Rows that are given a later band.
    rows : int
        All rows.
    what : str, optional
        What they are, for the text.

    Returns
    -------
    str
    """
    if later:
        return (
            f"'{name}': {later:,} of {rows:,} {what} take a value from a later date. `direction` previous takes "
            "earlier ones alone."
        )
    if rule.direction != "previous" and name not in rule.directions and rule.only_earlier(name, stack):
        return f"'{name}' adds up over time: the latest value before each of the {what} is taken, none from after."
    return ""
