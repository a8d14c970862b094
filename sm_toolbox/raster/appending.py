"""Outputs that are added to: what a file of before holds, what made it, and whether more may go into it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property

import sm_toolbox
from sm_toolbox.errors import InputError
from sm_toolbox.raster.bands import Band, list_bands
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import file_of, same_resolution, split_name
from sm_toolbox.raster.opening import Source, open_as_stored
from sm_toolbox.raster.times import Time

MADE_BY = "SMTOOLBOX"
"""Tag of a file that names the algorithm; with an underscore and an argument's name, the tag of a setting."""
HISTORY = "history"
"""Tag of what was written when, and of which files: a line for each run, after CF."""
_FROM, _NONE = " from ", "none"


@dataclass(frozen=True)
class Making:
    """What makes the bands of a file, of which all are to be made alike.

    Parameters
    ----------
    tool : str
        Id of the algorithm.
    settings : mapping of str to str
        What must not change from one run to the next, by argument; `product_type.ndvi` is that of one variable.
    files : sequence of str, optional
        Which files this run reads.
    """

    tool: str
    settings: Mapping[str, str]
    files: Sequence[str] = ()

    def tags(self, bands: Sequence[str], earlier: Earlier | None) -> dict[str, str]:
        """Return what the file says of its making.

        Parameters
        ----------
        bands : sequence of str
            All that the file holds.
        earlier : Earlier or None

        Returns
        -------
        dict of str
        """
        held = earlier.names if earlier else frozenset()
        new = [split_name(name) for name in bands if name not in held]
        dates = sorted({time for _, time in new if time is not None})
        what = ", ".join(map(str, dates)) or ", ".join(variable for variable, _ in new)
        files = ", ".join(dict.fromkeys(os.path.basename(file_of(path)) for path in self.files))
        now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        line = f"{now} sm_toolbox {sm_toolbox.__version__} {self.tool}: {what}{_FROM}{files}"
        before = [earlier.tags[HISTORY]] if earlier and HISTORY in earlier.tags else []
        return {
            MADE_BY: self.tool,
            **{f"{MADE_BY}_{key}": text or _NONE for key, text in self.settings.items()},
            HISTORY: "\n".join([*before, line]),
        }


@dataclass(frozen=True)
class Earlier:
    """A file of before, to which bands are added; what it holds stays as it is stored.

    Parameters
    ----------
    path : str
    bands : tuple of Band
    tags : mapping of str to str
        Of the file.
    units : mapping of str to str
        By variable.
    by_date : bool, optional
        Whether all bands of a date follow each other, rather than those of a variable.
    """

    path: str
    bands: tuple[Band, ...]
    tags: Mapping[str, str] = field(repr=False)
    units: Mapping[str, str]
    by_date: bool = False

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the bands."""
        return frozenset(band.name for band in self.bands)

    @cached_property
    def times(self) -> frozenset[Time | None]:
        """The dates of the bands; None of such without one."""
        return frozenset(band.time for band in self.bands)

    @property
    def grid(self) -> Grid:
        """The grid of all bands."""
        return self.bands[0].grid

    @property
    def files(self) -> frozenset[str]:
        """The names of the files that its history names."""
        lines = self.tags.get(HISTORY, "").splitlines()
        return frozenset(name for line in lines for name in line.rpartition(_FROM)[2].split(", "))

    def beside(self, new: Iterable[tuple[str, Time | None]]) -> Earlier:
        """Return the same where midnights are moments, and no whole days, if others of their variable are added.

        Parameters
        ----------
        new : iterable of (str, Time or None)
            Variables and times of the bands that are added.

        Returns
        -------
        Earlier
        """
        of_moments = {variable for variable, time in new if time is not None and time.resolution == "second"}
        bands = []
        for band in self.bands:
            if band.time is not None and band.variable in of_moments:
                band = replace(band, time=same_resolution([band.time], as_moments=True)[0])
            bands.append(band)
        return replace(self, bands=tuple(bands))

    def in_order(self, new: Sequence[str]) -> list[str]:
        """Return the names of all bands, those of a variable in the order of their dates.

        Parameters
        ----------
        new : sequence of str
            Bands that are added.

        Returns
        -------
        list of str
        """
        names = [*(band.name for band in self.bands), *new]
        variables = {variable: place for place, variable in enumerate(dict.fromkeys(split_name(n)[0] for n in names))}

        def place(name: str) -> tuple[object, ...]:
            variable, time = split_name(name)
            when = (time is not None, time)
            return (*when, variables[variable]) if self.by_date else (variables[variable], *when)

        return sorted(names, key=place)  # type: ignore[arg-type]

    def tags_with(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return what is known of the variables of all bands: units and periods, of before and of those added.

        Parameters
        ----------
        tags : mapping of str to str
            Of the bands that are added.

        Returns
        -------
        dict of str
        """
        units = {f"UNIT_{variable}": unit for variable, unit in self.units.items() if unit}
        periods = {key: text for key, text in self.tags.items() if key.startswith("PERIOD_")}
        return {**units, **periods, **tags}

    def refuse_others(self, making: Making, variables: Mapping[str, str]) -> None:
        """Refuse bands that do not go with those of the file.

        Parameters
        ----------
        making : Making
            Of the bands that are to be added.
        variables : mapping of str to str
            Their variables with units; of an empty unit nothing is said.

        Raises
        ------
        InputError
        """
        foreign = set(variables) - set(self.units)
        if foreign or (self.by_date and set(variables) != set(self.units)):
            raise InputError(
                f"`update`: '{self.path}' holds {', '.join(self.units)}, and would now get {', '.join(variables)}. "
                f"Take the same variables as before. {_OTHERWISE}"
            )
        for key, text in making.settings.items():
            before, now = self.tags.get(f"{MADE_BY}_{key}", _NONE), text or _NONE
            if before != now:
                argument, _, variable = key.partition(".")
                of = f" for {variable}" if variable else ""
                raise InputError(
                    f"`update`: '{self.path}' was made with `{argument}` {before}{of}, and now it is {now}: its "
                    f"dates would mean different things. Take what was taken before. {_OTHERWISE}"
                )
        for name, unit in variables.items():
            if unit and self.units[name] and unit != self.units[name]:
                raise InputError(
                    f"`update`: {name} is in {self.units[name]} in '{self.path}', and would now be in {unit}. "
                    f"{_OTHERWISE}"
                )


_OTHERWISE = "Or give the output another name: it is then made whole."


def read_earlier(path: str, tool: str, by_date: bool = False) -> Earlier | None:
    """Read what a file holds that is to be added to.

    Parameters
    ----------
    path : str
    tool : str
        Id of the algorithm, which must have made it.
    by_date : bool, optional
        As `Earlier`.

    Returns
    -------
    Earlier or None
        None where there is no such file yet.

    Raises
    ------
    InputError
        Where it cannot be read, or something else has made it.
    """
    if not os.path.exists(path):
        return None
    try:
        bands = tuple(list_bands([Source(path)]))
    except InputError as error:
        raise InputError(f"`update`: nothing can be added to the output. {error} {_OTHERWISE}") from error
    units: dict[str, str] = {}
    tags: dict[str, str] = {}
    for source in dict.fromkeys(band.source for band in bands):
        with open_as_stored(source) as dataset:
            tags |= {key.removeprefix("NC_GLOBAL#"): text for key, text in dataset.tags().items()}
            for band in bands:
                if band.source == source and band.variable not in units:
                    unit = dataset.describe(band.index).unit
                    units[band.variable] = "" if unit == "1" else unit
    if tags.get(MADE_BY) != tool:
        maker = f"'{tags[MADE_BY]}'" if MADE_BY in tags else "what, its metadata do not say"
        raise InputError(
            f"`update`: '{path}' was not made by this algorithm ({maker}), so that nothing can be added to it. Give "
            "the output another name, or switch `update` off to replace it."
        )
    return Earlier(path, bands, tags, units, by_date)
