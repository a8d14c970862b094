"""The products of a triple collocation: stacks matched by time, and what can be seen of them before the work."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import LETTERS
from sm_toolbox.progress import Progress
from sm_toolbox.raster.meaning import MOST_MOISTURE, refuse_fills

if TYPE_CHECKING:
    from sm_toolbox.raster.bands import Band, Stack
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import Time

_CUSTOMARY_SAMPLES = 100
# Where in the record to look at values, in eighths: from the middle on, since an orbit may leave out the area on any
# date.
_SPREAD = np.array([4, 2, 6, 0, 8, 1, 3, 5, 7])


@dataclass(frozen=True)
class Products:
    """Products matched by time.

    Parameters
    ----------
    stacks : list of Stack
    times : list of Time
        In order; those of the reference where it has a band on a date.
    positions : ndarray of int64 (products, dates)
        Each product's band on each date, counted over all bands of all products; -1 where it has none.
    medians : list of float
        Of a middle date, for the log and as a first guess of the mean; NaN where no date that was looked at has data.
    """

    stacks: list[Stack]
    times: list[Time]
    positions: np.ndarray
    medians: list[float]

    @property
    def count(self) -> int:
        """The number of products."""
        return len(self.stacks)

    @property
    def bands(self) -> list[Band]:
        """All bands of all products."""
        return [band for stack in self.stacks for band in stack.bands]

    @property
    def grid(self) -> Grid:
        """The grid of the first product."""
        return self.stacks[0].bands[0].grid

    @property
    def labels(self) -> list[str]:
        """The products in words: `a (soil_moisture of smap.tif)`."""
        return [
            f"{LETTERS[i]} ({stack.variable} of {stack.bands[0].source.label})" for i, stack in enumerate(self.stacks)
        ]

    @property
    def common(self) -> np.ndarray:
        """Whether all products have a band on a date, bool (dates,)."""
        complete: np.ndarray = (self.positions >= 0).all(axis=0)
        return complete

    def at(self, dates: np.ndarray) -> Products:
        """Return the products on some dates.

        Parameters
        ----------
        dates : ndarray of bool (dates,)

        Returns
        -------
        Products
        """
        return Products(
            self.stacks, [self.times[i] for i in np.flatnonzero(dates)], self.positions[:, dates], self.medians
        )


def match_times(
    stacks: Sequence[Sequence[Time]], max_gap_days: float | Sequence[float]
) -> tuple[list[Time], np.ndarray]:
    """Match the dates of several stacks one to one.

    Parameters
    ----------
    stacks : sequence of sequence of Time
        Sorted; those of the first are dates of their own, those of the others are joined to the nearest date that is no
        further away than the gap, the nearest pairs first, and become dates of their own where there is none.
    max_gap_days : float or sequence of float
        For all stacks, or for each. Months are only joined to the same month.

    Returns
    -------
    times : list of Time
        In order.
    positions : ndarray of int64 (stacks, dates)
        The place of each date in each stack; -1 where it has none.
    """
    times = list(stacks[0])
    places: list[list[int]] = [list(range(len(times)))]
    gaps = [max_gap_days] * len(stacks) if isinstance(max_gap_days, (int, float)) else max_gap_days
    for own, gap in zip(stacks[1:], gaps[1:]):
        joined = _nearest_pairs(times, own, gap)
        alone = sorted(set(range(len(own))) - set(joined.values()))
        for before in places:
            before += [-1] * len(alone)
        places.append([joined.get(date, -1) for date in range(len(times))] + alone)
        times += [own[i] for i in alone]
    order = sorted(range(len(times)), key=lambda i: times[i])
    return [times[i] for i in order], np.array(places, np.int64)[:, order]


def _nearest_pairs(dates: Sequence[Time], own: Sequence[Time], max_gap_days: float) -> dict[int, int]:
    """Return which of `own` is joined to which date."""
    order = sorted(range(len(dates)), key=lambda i: dates[i])
    starts = [dates[i].start for i in order]
    reach = timedelta(days=max_gap_days + 1)
    found = []
    for place, time in enumerate(own):
        for i in order[bisect_left(starts, time.start - reach) : bisect_right(starts, time.start + reach)]:
            exact = dates[i] == time
            distance = dates[i].distance_days(time)
            if exact or (distance <= max_gap_days and "month" not in (time.resolution, dates[i].resolution)):
                found.append((not exact, distance, abs(dates[i].start - time.start), i, place))
    joined: dict[int, int] = {}
    taken = set()
    for _, _, _, date, place in sorted(found):
        if date not in joined and place not in taken:
            joined[date] = place
            taken.add(place)
    return joined


def read_products(
    sources: Sequence[Sequence[Source]],
    *,
    max_gap_days: float | None,
    reference: int,
    min_samples: int,
    progress: Progress,
) -> Products:
    """List the bands of products, match them by time and look at their values.

    Parameters
    ----------
    sources : sequence of sequence of Source
        Of each product; empty ones at the end are left out.
    max_gap_days : float or None
        Days between dates that are still taken as one; None for half the distance of each product's dates.
    reference : int
        The product whose dates the others are matched to.
    min_samples : int
        Common samples that will be asked for.
    progress : Progress

    Returns
    -------
    Products

    Raises
    ------
    InputError
        Where there are fewer than three products, one is not dated or of several variables, two are the same, months
        and days are mixed, or there are fewer common dates than the samples that are asked for.
    """
    from sm_toolbox.raster.bands import default_gaps_in_words, read_bands, single_stack

    count = max([3, *(i + 1 for i, own in enumerate(sources) if own)])
    for i, own in enumerate(sources[:count]):
        if not own:
            raise InputError(
                f"{_key(i)} holds no raster. Triple collocation needs at least three products, given from "
                "`sources[0]` on without a gap."
            )
    stacks = [single_stack(read_bands(own), f"sources[{i}]") for i, own in enumerate(sources[:count])]
    _check_stacks(stacks)
    order = [reference, *(i for i in range(len(stacks)) if i != reference)]
    gaps = [stacks[i].reach(max_gap_days) for i in order]
    times, matched = match_times([stacks[i].times for i in order], gaps)
    if max_gap_days is None and max(gaps[1:]) >= 1:
        progress.info(default_gaps_in_words("product", {_key(i): gap for i, gap in list(zip(order, gaps))[1:]}))
    starts = np.cumsum([0, *(len(stack.bands) for stack in stacks)])
    positions = np.empty_like(matched)
    for row, i in enumerate(order):
        positions[i] = np.where(matched[row] >= 0, matched[row] + starts[i], -1)
    products = Products(stacks, times, positions, [])
    common = np.flatnonzero(products.common)
    spans = "; ".join(
        f"{_key(i)}: {len(stack.bands)} dates, {stack.times[0]} to {stack.times[-1]}" for i, stack in enumerate(stacks)
    )
    if not common.size:
        raise InputError(
            f"The products have no common date ({spans}). Check the dates of the layers, set `max_gap_days`, or "
            "bring the products to common dates with 'Composite over time'."
        )
    progress.info(f"{common.size} dates have all {len(stacks)} products ({spans}).")
    if common.size < min_samples:
        raise InputError(
            f"The products have {common.size} common dates, from {times[common[0]]} to {times[common[-1]]}, fewer "
            f"than `min_samples` {min_samples}: no cell could be resolved. Add further dates, or lower `min_samples`; "
            f"errors from fewer than {_CUSTOMARY_SAMPLES} samples are very uncertain."
        )
    if min_samples < _CUSTOMARY_SAMPLES:
        progress.warning(
            f"`min_samples` {min_samples} is below the customary {_CUSTOMARY_SAMPLES}: cells with few samples have "
            "very uncertain errors. `replicates` of 'Triple collocation' tells how uncertain."
        )
    return Products(stacks, times, positions, _look(products, common, progress))


def _key(i: int) -> str:
    return f"`sources[{i}]`"


def _check_stacks(stacks: Sequence[Stack]) -> None:
    seen: dict[tuple[str, int], int] = {}
    for i, stack in enumerate(stacks):
        if stack.is_static:
            raise InputError(f"{_key(i)}: {stack.variable} has no dates. Name the bands variable@YYYY-MM-DD.")
        for band in stack.bands:
            twin = seen.setdefault((band.source.path, band.index), i)
            if twin != i:
                raise InputError(
                    f"'{band.source.label}' is in both {_key(twin)} and {_key(i)}. Each product must have files "
                    "of its own: errors can only be told apart where they are independent."
                )
    months = {i: {time.resolution == "month" for time in stack.times} for i, stack in enumerate(stacks)}
    if len(set.union(*months.values())) > 1:
        monthly = ", ".join(_key(i) for i, kinds in months.items() if True in kinds)
        raise InputError(
            f"{monthly} has monthly dates, others have days. Bring all products to one period with 'Composite "
            "over time'."
        )


def _look(products: Products, common: np.ndarray, progress: Progress) -> list[float]:
    """Return the median of each product, and notice units that cannot be m³ m⁻³ and products that are the same."""
    from sm_toolbox.raster.bands import overview

    bands = products.bands
    seen: list[dict[int, np.ndarray]] = []
    for i in range(products.count):
        found: dict[int, np.ndarray] = {}
        for date in common[_SPREAD * (common.size - 1) // 8]:
            values = overview(bands[products.positions[i, date]])
            if np.isfinite(values).any():
                found[int(date)] = values
                refuse_fills(values, bands[products.positions[i, date]].source.label, products.stacks[i].variable)
            if len(found) == 3:
                break
        seen.append(found)
    medians = [
        float(np.median(np.concatenate([values[np.isfinite(values)] for values in found.values()])))
        if found
        else float("nan")
        for found in seen
    ]
    for i, median in enumerate(medians):
        if abs(median) > MOST_MOISTURE:
            low, high = (
                float(extreme([extreme(values[np.isfinite(values)]) for values in seen[i].values()]))
                for extreme in (np.min, np.max)
            )
            progress.warning(
                f"{_key(i)} has values of {low:.4g} to {high:.4g} (median {median:.4g}), which is not m³ m⁻³ but "
                "perhaps percent or kg m⁻². Triple collocation works in any unit that is linear in soil "
                f"moisture: error_{LETTERS[i]} is in this one, scaled errors are in that of the reference."
            )
        for j in range(i):
            both = seen[i].keys() & seen[j].keys()
            if both and all(_same(seen[i][date], seen[j][date]) for date in both):
                raise InputError(
                    f"{_key(j)} and {_key(i)} hold the same values. Each product must be of its own making: "
                    "errors can only be told apart where they are independent."
                )
    return medians


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return (
        first.shape == second.shape
        and np.array_equal(first, second, equal_nan=True)
        and bool(np.nanmax(first) > np.nanmin(first))
    )
