"""Two products as maps: matched by time, on one grid, with the cells and zones that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.products import match_times
from sm_toolbox.progress import Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band, Stack, default_gaps_in_words, overview, read_bands, single_stack
from sm_toolbox.raster.meaning import MOST_MOISTURE, in_same_unit, refuse_fills
from sm_toolbox.raster.reading import RULES, ground_cell
from sm_toolbox.raster.warping import touched_window

if TYPE_CHECKING:
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.streaming import OpenStacks

COMPARE_ON = ("coarser", "finer")
"""Words of COMPARE_ON."""

# More are no zones but amounts, and a table that nobody reads.
MOST_ZONES = 1000


@dataclass(frozen=True)
class MapSettings:
    """How two maps are compared.

    Parameters
    ----------
    compare_on : {'coarser', 'finer'}
        On whose cells.
    resampling : str, optional
        How the other reaches that grid: a word of `RULES`.
    mask : Source, optional
        Cells where it is 0 or without data take no part.
    zones : Source, optional
        Whole numbers of zones, rated each on its own.
    block_grid : Source, optional
        A raster whose cells may show as borders in the product.
    max_gap_days : float, optional
        Days between dates that are still taken as one; by default half the distance of each product's dates.
    """

    compare_on: str = "coarser"
    resampling: str = "auto"
    mask: Source | None = None
    zones: Source | None = None
    block_grid: Source | None = None
    max_gap_days: float | None = None

    def check(self) -> None:
        """Raise where a word is none of those known.

        Raises
        ------
        InputError
        """
        for name, words in (("compare_on", COMPARE_ON), ("resampling", RULES)):
            if getattr(self, name) not in words:
                raise InputError(f"`{name}` is '{getattr(self, name)}', but must be one of: {', '.join(words)}.")


DEFAULT_MAP_SETTINGS = MapSettings()


@dataclass(frozen=True)
class MapPairs:
    """Two products on the dates that both have.

    Parameters
    ----------
    product, reference : Stack
    names : list of str
        Of the dates, those of the product; one empty name where both are static.
    positions : ndarray of int64 (2, dates)
        The band of product and reference on each date, counted over all bands of `bands`.
    bands : list of Band
        Of the product, the reference, and where they are given the mask and the zones.
    grid : Grid
        The grid of the comparison: that of one of the two, over the ground that both share.
    rules : list of (str or None)
        How each band is warped to it.
    has_mask, has_zones : bool
    shift : float
        About the median of the reference.
    """

    product: Stack
    reference: Stack
    names: list[str]
    positions: np.ndarray
    bands: list[Band]
    grid: Grid
    rules: list[str | None]
    has_mask: bool
    has_zones: bool
    shift: float

    @property
    def dates(self) -> int:
        """The number of common dates."""
        return len(self.names)

    @property
    def labels(self) -> tuple[str, str]:
        """The two in words: `soil_moisture of 'map.tif'`."""
        first, second = (
            f"{stack.variable} of '{stack.bands[0].source.label}'" for stack in (self.product, self.reference)
        )
        return first, second

    def zones_of(self, opened: OpenStacks, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Read which cells of a window take part, and in which zones they lie.

        Parameters
        ----------
        opened : OpenStacks
        window : Window

        Returns
        -------
        values : ndarray of int64 (zones,)
            The numbers of the window's zones.
        zones : ndarray of int32 (rows, cols)
            The place of each cell's zone in `values`, from 1; 0 where it lies in none, -1 where it takes no part.

        Raises
        ------
        InputError
            Where zones are no whole numbers, or too many.
        """
        zones = np.zeros((int(window.height), int(window.width)), np.int32)
        values = np.empty(0, np.int64)
        after = len(self.product.bands) + len(self.reference.bands)
        if self.has_zones:
            numbers = opened.read(np.array([after + self.has_mask]), window)[0]
            has_zone = np.isfinite(numbers)
            found, places = np.unique(numbers[has_zone], return_inverse=True)
            label = self.bands[-1].source.label
            broken = found[found != np.round(found)]
            if len(broken):
                raise InputError(
                    f"`zones` '{label}' holds {broken[0]:g}, which is no whole number. Choose a raster of classes or "
                    "regions, each with a number of its own."
                )
            refuse_many_zones(len(found), label)
            values, zones[has_zone] = found.astype(np.int64), places.ravel() + 1
        if self.has_mask:
            mask = opened.read(np.array([after]), window)[0]
            zones[~np.isfinite(mask) | (mask == 0)] = -1
        return values, zones


def refuse_many_zones(count: int, label: str) -> None:
    """Raise where there are so many zones that they are none.

    Parameters
    ----------
    count : int
    label : str
        The name of the raster.

    Raises
    ------
    InputError
    """
    if count > MOST_ZONES:
        raise InputError(
            f"`zones` '{label}' holds more than {MOST_ZONES:,} different numbers: it is no raster of zones. Choose one "
            "of classes or regions, or make classes of it with 'Calculate with bands'."
        )


def read_map_pairs(
    product: Sequence[Source], reference: Sequence[Source], settings: MapSettings, progress: Progress
) -> MapPairs:
    """Match two products by time, and find the grid on which they are compared.

    Parameters
    ----------
    product, reference : sequence of Source
        Each of one variable, both dated or both static.
    settings : MapSettings
    progress : Progress

    Returns
    -------
    MapPairs

    Raises
    ------
    InputError
        Where one is dated and the other is not, they share no date or no ground, are the same files, or are not in one
        unit.
    """
    settings.check()
    stacks = [single_stack(read_bands(own), name) for own, name in ((product, "product"), (reference, "reference"))]
    refuse_twins(*stacks)
    names, places = common_dates(stacks, settings.max_gap_days, progress)
    positions = places + np.array([[0], [len(stacks[0].bands)]])
    grid = comparison_grid(stacks[0].bands[0], stacks[1].bands[0], settings.compare_on)
    bands = [*stacks[0].bands, *stacks[1].bands]
    rules: list[str | None] = [settings.resampling] * len(bands)
    for source, name in ((settings.mask, "mask"), (settings.zones, "zones")):
        if source is not None:
            own = read_bands([source])
            if len(own) > 1:
                raise InputError(
                    f"`{name}` '{source.label}' has {len(own)} bands ({', '.join(band.name for band in own[:5])}), but "
                    "must have one. Extract it into a file of its own with 'Calculate with bands'."
                )
            _require_overlap(own[0], grid, name)
            # Numbers of classes: never an average of them.
            bands.append(replace(own[0], is_class=True))
            rules.append(None)
    shift = _look_at_values(stacks, places, progress)
    has_mask, has_zones = settings.mask is not None, settings.zones is not None
    return MapPairs(stacks[0], stacks[1], names, positions, bands, grid, rules, has_mask, has_zones, shift)


def refuse_twins(product: Stack, reference: Stack) -> None:
    """Raise where a band is compared with itself.

    Parameters
    ----------
    product, reference : Stack

    Raises
    ------
    InputError
    """
    own = {(band.source.path, band.index) for band in product.bands}
    for band in reference.bands:
        if (band.source.path, band.index) in own:
            raise InputError(
                f"'{band.source.label}' is in both `product` and `reference`: a map agrees with itself. Choose another "
                "file for one of them."
            )


def common_dates(
    stacks: Sequence[Stack], max_gap_days: float | None, progress: Progress
) -> tuple[list[str], np.ndarray]:
    """Match the dates of two stacks.

    Parameters
    ----------
    stacks : sequence of Stack
        Product and reference.
    max_gap_days : float or None
    progress : Progress

    Returns
    -------
    names : list of str
        Of the common dates as the product has them; one empty name where both are static.
    places : ndarray of int64 (2, dates)
        Each one's band on each date.

    Raises
    ------
    InputError
        Where one is dated and the other is not, or they share no date.
    """
    static = [stack.is_static for stack in stacks]
    if all(static):
        return [""], np.zeros((2, 1), np.int64)
    if any(static):
        which = int(np.argmax(static))
        words = [f"`{name}` ({stacks[i].variable} of '{stacks[i].bands[0].source.label}')"
                 for i, name in enumerate(("product", "reference"))]  # fmt: skip
        raise InputError(
            f"{words[which]} has no dates, but {words[1 - which]} has {len(stacks[1 - which].times)}. Name its bands "
            "variable@YYYY-MM-DD, or compare it with one map of the other ('Composite over time', PERIOD all, has no "
            "dates either)."
        )
    gaps = [stack.reach(max_gap_days) for stack in stacks]
    times, places = match_times([stack.times for stack in stacks], gaps)
    if max_gap_days is None and max(gaps) >= 1:
        progress.info(default_gaps_in_words("product", {"`reference`": gaps[1]}))
    common = np.flatnonzero((places >= 0).all(axis=0))
    spans = "; ".join(
        f"`{name}`: {len(stack.bands)} dates, {stack.times[0]} to {stack.times[-1]}"
        for name, stack in zip(("product", "reference"), stacks)
    )
    if not common.size:
        raise InputError(
            f"The two have no common date ({spans}). Check the dates of the layers, set `max_gap_days`, or bring both "
            "to common periods with 'Composite over time'."
        )
    progress.info(f"{common.size} common dates ({spans}).")
    return [str(times[i]) for i in common], places[:, common]


def comparison_grid(product: Band, reference: Band, compare_on: str) -> Grid:
    """Return the grid of a comparison: that of the coarser or the finer map, over the ground that both share.

    Parameters
    ----------
    product, reference : Band
    compare_on : {'coarser', 'finer'}

    Returns
    -------
    Grid
        Of two with cells of one size, that of the reference.

    Raises
    ------
    InputError
        Where they share no ground.
    """
    sizes = [float(np.prod(ground_cell(band.grid))) for band in (product, reference)]
    # To a percent, since sizes in degrees and metres are not the same to the last digit.
    is_product = sizes[0] > 1.01 * sizes[1] if compare_on == "coarser" else sizes[0] < 0.99 * sizes[1]
    chosen, other = (product, reference) if is_product else (reference, product)
    shared = _require_overlap(other, chosen.grid, "product" if other is product else "reference")
    if shared == Window(0, 0, chosen.grid.width, chosen.grid.height):
        return chosen.grid
    return replace(
        chosen.grid,
        transform=shared.transform(chosen.grid.transform),
        width=int(shared.width),
        height=int(shared.height),
    )


def _require_overlap(band: Band, grid: Grid, name: str) -> Window:
    """Return the window of a grid that a raster touches, or raise where there is none."""
    shared = touched_window(band.grid, grid)
    if not shared.width or not shared.height:
        raise InputError(
            f"`{name}` '{band.source.label}' does not overlap the area of the comparison. Check the extents and "
            "coordinate reference systems of all layers."
        )
    return shared


def _look_at_values(stacks: Sequence[Stack], places: np.ndarray, progress: Progress) -> float:
    """Return the median of the reference on some date, and refuse fill values and units that are not the same."""
    medians = [float("nan"), float("nan")]
    for side, stack in enumerate(stacks):
        for date in np.unique(np.linspace(0, places.shape[1] - 1, 5).round().astype(int)):
            progress.check()
            band = stack.bands[places[side, date]]
            values = overview(band)
            if np.isfinite(values).any():
                refuse_fills(values, band.source.label, stack.variable)
                medians[side] = float(np.nanmedian(values))
                break
    is_moisture = min(medians) <= MOST_MOISTURE < max(medians)
    if np.isfinite(medians).all() and not in_same_unit(medians, 1)[0] and is_moisture:
        names = [f"`{name}` '{stack.bands[0].source.label}'" for name, stack in zip(("product", "reference"), stacks)]
        larger = int(np.argmax(medians))
        raise InputError(
            f"{names[0]} has a median of {medians[0]:.4g}, but {names[1]} one of {medians[1]:.4g}: they are not in one "
            f"unit, and an error or bias would say nothing. {names[larger]} is most likely percent: divide it by 100 "
            "with 'Raster calculator'; where it is kg m⁻², divide by 1000 times the layer's thickness in metres (100 "
            "for a layer of 10 cm)."
        )
    return medians[1] if np.isfinite(medians[1]) else 0.0
