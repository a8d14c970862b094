"""Which bands the predictors of each date are, where some are earlier values or sums of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sm_toolbox.models.matching import pick_bands
from sm_toolbox.models.modelfile import Model
from sm_toolbox.models.ranges import thinned
from sm_toolbox.raster.bands import Band, Stack
from sm_toolbox.raster.engine import Blocks
from sm_toolbox.raster.lags import addends_of, base_of, without_lags
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.timing import TimeRule


@dataclass(frozen=True)
class Taken:
    """A predictor on a date: the sum of bands of an input; of none where no raster is needed.

    Parameters
    ----------
    name : str
    key : str, optional
        Of the input.
    places : tuple of int, optional
        Of the bands in the input.
    """

    name: str
    key: str = ""
    places: tuple[int, ...] = ()

    def of(self, blocks: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return its values.

        Parameters
        ----------
        blocks : mapping of str to ndarray of float32 (bands, rows, cols)

        Returns
        -------
        ndarray of float32 (rows, cols)
        """
        block = blocks[self.key]
        return block[self.places[0]] if len(self.places) == 1 else block[list(self.places)].sum(axis=0)


@dataclass(frozen=True)
class DatePlan:
    """Which bands are read, and which of them each model takes on each date.

    Parameters
    ----------
    inputs : dict of str to list of Band
        By the first of the predictors that are made of them.
    dates : list of list of (list of Taken or None)
        For each date and model its predictors, in the model's order; None where the model lacks one on that date.
    """

    inputs: dict[str, list[Band]]
    dates: list[list[list[Taken] | None]]

    @cached_property
    def _takings(self) -> dict[str, list[Taken]]:
        """What each predictor is on any date, each once."""
        found: dict[str, dict[Taken, None]] = {}
        for of_date in self.dates:
            for taken in (each for bands in of_date if bands is not None for each in bands if each.places):
                found.setdefault(taken.name, {})[taken] = None
        return {name: list(takings) for name, takings in found.items()}

    def looked_at(self, blocks: Blocks, left_out: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return some cells of the values that each predictor takes of a block.

        Parameters
        ----------
        blocks : mapping of str to ndarray of float32 (bands, rows, cols)
        left_out : ndarray of bool (rows, cols), optional
            Cells that do not count.

        Returns
        -------
        dict of str to ndarray of float32 (dates, fewer rows, fewer cols)
            By predictor.
        """
        some = {key: thinned(block, left_out) for key, block in blocks.items()}
        return {name: np.stack([each.of(some) for each in takings]) for name, takings in self._takings.items()}


def plan_dates(
    models: Sequence[Model],
    used: Sequence[dict[str, Stack]],
    times: Sequence[Time | None],
    timing: TimeRule,
    rules: Mapping[str, str | None],
) -> DatePlan:
    """Choose the bands of each date; a band is read once, whatever is made of it.

    Parameters
    ----------
    models : sequence of Model
    used : sequence of dict of str to Stack
        Of each model, by predictor.
    times : sequence of Time or None
        The dates of the maps; a single None where nothing is dated.
    timing : TimeRule
    rules : mapping of str to (str or None)
        How each predictor reaches the grid, as `learned_rules` returns it.

    Returns
    -------
    DatePlan
    """
    everything = {name: stack for stacks_ in used for name, stack in stacks_.items()}
    # For each date and model the band of each predictor; None where the model lacks one on that date.
    picks = [[pick_bands(stacks_, time, timing) for stacks_ in used] for time in times]
    needed: dict[str, set[int]] = {name: set() for name in everything}
    for pick in (pick for of_date in picks for pick in of_date if pick is not None):
        for name, position in pick.items():
            needed[name].update(addends_of(everything[name])[:, position].tolist())
    key_of: dict[str, str] = {}
    first: dict[tuple[int, str | None], str] = {}
    for name, stack in {**without_lags(everything), **everything}.items():
        key_of[name] = first.setdefault((id(base_of(stack)), rules[name]), name)
    positions = {
        key: sorted(set().union(*(needed[name] for name in everything if key_of[name] == key)))
        for key in first.values()
    }
    place = {key: {position: i for i, position in enumerate(found)} for key, found in positions.items()}
    inputs = {key: [base_of(everything[key]).bands[i] for i in found] for key, found in positions.items() if found}

    def taken(name: str, pick: Mapping[str, int]) -> Taken:
        if name not in pick:
            return Taken(name)
        addends = addends_of(everything[name])[:, pick[name]]
        return Taken(name, key_of[name], tuple(place[key_of[name]][i] for i in addends.tolist()))

    return DatePlan(
        inputs,
        [
            [
                None if pick is None else [taken(name, pick) for name in each.predictors]
                for each, pick in zip(models, of_date)
            ]
            for of_date in picks
        ],
    )
