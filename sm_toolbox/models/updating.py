"""Maps that are there already: which dates they hold, and which are still to be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sm_toolbox.errors import InputError
from sm_toolbox.models.matching import choose_dates
from sm_toolbox.models.modelfile import Model
from sm_toolbox.models.planes import Planes, Wanted
from sm_toolbox.progress import Progress, listed
from sm_toolbox.raster.appending import Earlier, Making, read_earlier
from sm_toolbox.raster.bands import Stack
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import split_name
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.timing import TimeRule

_TOOL = "predictraster"
_OTHERWISE = "Or give all outputs other names: they are then made whole."


def making_of(models: Sequence[Model], wanted: Wanted) -> Making:
    """Return what all dates of a map have in common.

    Parameters
    ----------
    models : sequence of Model
        The model, and the fallback model where there is one.
    wanted : Wanted

    Returns
    -------
    Making
    """
    marks = [each.mark for each in models]
    return Making(
        _TOOL,
        {"model": marks[0], "fallback": marks[1] if len(marks) > 1 else "", "resampling": wanted.resampling or ""},
    )


@dataclass(frozen=True)
class Held:
    """What the outputs hold from before.

    Parameters
    ----------
    files : mapping of str to Earlier, optional
        By output; none where everything is to be made.
    """

    files: Mapping[str, Earlier] = field(default_factory=dict)

    @property
    def map(self) -> Earlier | None:
        """The file of the map; None where there is none."""
        return next(iter(self.files.values()), None)

    def grid(self, own: Grid, is_given: bool) -> Grid:
        """Return the grid of the dates that are added.

        Parameters
        ----------
        own : Grid
            What it would be without a map of before.
        is_given : bool
            Whether it was asked for.

        Returns
        -------
        Grid

        Raises
        ------
        InputError
            Where another grid than that of the map was asked for.
        """
        if self.map is None or own.same_as(self.map.grid):
            return own
        if is_given:
            apart = ", ".join(own.differences(self.map.grid))
            raise InputError(
                f"`update`: '{self.map.path}' lies on another grid than `grid` ({apart}). Leave `grid` empty: then the "
                f"grid of the map is taken. {_OTHERWISE}"
            )
        return self.map.grid

    def choose_missing(
        self,
        used: Sequence[dict[str, Stack]],
        timing: TimeRule,
        wanted: Sequence[Time] | None,
        progress: Progress,
        of_date: Sequence[str] = (),
    ) -> tuple[Held, list[Time | None]]:
        """Choose the dates, as `choose_dates`, that are not there yet.

        Parameters
        ----------
        used, timing, wanted, progress, of_date
            As in `choose_dates`.

        Returns
        -------
        Held
            With times as those of the dates are.
        list of Time or None
            Empty where all are there.

        Raises
        ------
        InputError
            As `choose_dates`, and where the map has dates and the predictors none, or the other way round.
        """
        if self.map is None:
            return self, choose_dates(used, timing, wanted, progress, of_date)
        asked = wanted and [time for time in wanted if time not in self.map.times]
        # Predictors of dates that are there need not be there any more.
        times = [] if wanted and not asked else choose_dates(used, timing, asked, progress, of_date)
        if times and (None in self.map.times) != (None in times):
            has, have = ("no date", "have dates") if None in self.map.times else ("dates", "have none")
            raise InputError(
                f"`update`: '{self.map.path}' has {has}, but its predictors now {have}. Give the predictors with which "
                f"it was made. {_OTHERWISE}"
            )
        files = {
            path: earlier.beside((variable, time) for variable in earlier.units for time in times)
            for path, earlier in self.files.items()
        }
        held = next(iter(files.values())).times
        times = [time for time in times if time not in held]
        progress.info(
            f"'{self.map.path}' holds {len(held)} dates, which stay as they are. Added: {listed(times)}."
            if times
            else f"Nothing new: '{self.map.path}' holds all dates ({len(held)}) and stays as it is."
        )
        return Held(files), times


def tell_left_out(times: Sequence[Time | None], bands: Sequence[str], progress: Progress) -> list[Time | None]:
    """Return the dates that were added; warn of such without a value, which were not.

    Parameters
    ----------
    times : sequence of Time or None
        That were made.
    bands : sequence of str
        That were left out.
    progress : Progress

    Returns
    -------
    list of Time or None
    """
    lost = {split_name(name)[1] for name in bands}
    tell_empty([time for time in times if time in lost], progress)
    return [time for time in times if time not in lost]


def tell_empty(times: Sequence[Time | None], progress: Progress) -> None:
    """Warn of dates that are not in the map, since no cell has a value.

    Parameters
    ----------
    times : sequence of Time or None
    progress : Progress
    """
    if times:
        progress.warning(
            f"No cell has data in all predictors on {listed(times)}: not in the map. The next update tries again."
        )


def read_held(planes: Planes, wanted: Wanted, making: Making, unit: str) -> Held:
    """Read what the outputs of a prediction hold that are to be added to.

    Parameters
    ----------
    planes : Planes
    wanted : Wanted
    making : Making
        Of the dates that are to be added.
    unit : str
        Of the model's target; empty where it is not known.

    Returns
    -------
    Held
        Nothing where no update is wanted, or no output is there yet.

    Raises
    ------
    InputError
        Where an output cannot be added to, or one lacks dates that another has.
    """
    if not wanted.update:
        return Held()
    found: dict[str, Earlier] = {}
    absent = []
    for file in planes.written:
        place = wanted.destinations.get(file.path, file.path)
        earlier = read_earlier(place, _TOOL, by_date=True)
        if earlier is None:
            absent.append(place)
        else:
            earlier.refuse_others(making, dict.fromkeys(file.names, unit if file.from_model else ""))
            found[file.path] = earlier
    if found and absent:
        there = next(iter(found.values()))
        raise InputError(
            f"`update`: '{there.path}' is there with {len(there.times)} dates, but '{absent[0]}' is not: all outputs "
            f"are to hold the same dates. Leave out what was not asked for before. {_OTHERWISE}"
        )
    for first, other in zip(list(found.values()), list(found.values())[1:]):
        apart = first.times ^ other.times
        if apart or not first.grid.same_as(other.grid):
            why = f"only one has {min(map(str, apart))}" if apart else "their grids differ"
            raise InputError(
                f"`update`: '{first.path}' and '{other.path}' do not belong together: {why}. Name outputs that were "
                f"written by the same runs. {_OTHERWISE}"
            )
    return Held(found)
