"""Matching a product to a reference: cell by cell, so that both have one climatology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.timeseries.dates import require_dates, require_distinct_starts, require_same_periods

if TYPE_CHECKING:
    from sm_toolbox.progress import Progress
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source

MATCHINGS = ("mean_sd", "linear_regression", "cdf")


@dataclass(frozen=True)
class MatchingSettings:
    """How a product is matched to a reference.

    Parameters
    ----------
    method : {'mean_sd', 'linear_regression', 'cdf'}, optional
        By mean and standard deviation; by the line that predicts the reference, which also damps what the two do not
        share; or by the distributions (Reichle & Koster 2004, doi 10.1029/2004GL020938), with straight lines between
        the percentiles 0, 5, 10, 30, 50, 70, 90, 95, 100 (Hazen's positions) that go on beyond the ends.
    by_month : bool, optional
        Whether each calendar month is matched on its own.
    min_samples : int, optional
        Common dates that a cell needs, in each month where `by_month`.
    """

    method: str = "cdf"
    by_month: bool = False
    min_samples: int = 30

    def check(self) -> None:
        """Refuse settings that mean nothing.

        Raises
        ------
        InputError
        """
        if self.method not in MATCHINGS:
            raise InputError(f"`method` is '{self.method}', but must be one of: {', '.join(MATCHINGS)}.")
        if self.min_samples < 3:
            raise InputError(f"`min_samples` is {self.min_samples}, but must be at least 3.")


DEFAULT_MATCHING = MatchingSettings()


@dataclass(frozen=True)
class Matched:
    """What was matched.

    Parameters
    ----------
    bands : list of str
    samples : float
        Mean number of common dates of the cells that have any.
    """

    bands: list[str]
    samples: float


def match_product(
    product: Sequence[Source],
    reference: Sequence[Source],
    output: str,
    settings: MatchingSettings = DEFAULT_MATCHING,
    engine: Engine = ALL_CORES,
) -> Matched:
    """Bring a product to the climatology of a reference, cell by cell.

    The rule of each cell is found on the dates that both have, and holds for all dates of the product.

    Parameters
    ----------
    product : sequence of Source
        Dated bands of one variable; its grid is that of the output.
    reference : sequence of Source
        Dated bands of one variable, in any unit, of the same kind of periods; on another grid it is warped.
    output : str
        GeoTIFF or NetCDF with the bands of the product, in the unit of the reference.
    settings : MatchingSettings, optional
    engine : Engine, optional

    Returns
    -------
    Matched

    Raises
    ------
    InputError
        Where a stack is not dated, the two share no date, a setting is impossible, or no cell has enough samples.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> days = ["2018-06-01", "2018-06-02", "2018-06-03"]
    >>> damped = write_example("a.tif", {f"sm@{day}": [[value]] for day, value in zip(days, (0.2, 0.21, 0.22))})
    >>> truth = write_example("b.tif", {f"sm@{day}": [[value]] for day, value in zip(days, (0.1, 0.2, 0.3))})
    >>> match_product([damped], [truth], "matched.tif", MatchingSettings("mean_sd", min_samples=3)).samples
    3.0
    >>> print(read_example("matched.tif")["sm@2018-06-03"].round(3))
    [[0.3]]
    """
    from sm_toolbox.raster.bands import read_bands, single_stack, unit_of_band
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.meaning import tell_amounts
    from sm_toolbox.raster.naming import band_name
    from sm_toolbox.raster.outputs import RasterOutput

    settings.check()
    stack, record = (
        single_stack(read_bands(sources), name) for sources, name in ((product, "product"), (reference, "reference"))
    )
    for each in (stack, record):
        require_dates(each, 2)
        require_distinct_starts(each)
    require_same_periods(stack, record)
    found = [record.nearest(time, None) for time in stack.times]
    partner = np.array([-1 if place is None else place for place in found], np.int64)
    if not (partner >= 0).any():
        raise InputError(
            f"`product` ({stack.times[0]} to {stack.times[-1]}) and `reference` ({record.times[0]} to "
            f"{record.times[-1]}) share no date. Give rasters of the same time."
        )
    months = np.array([(time.start + (time.end - time.start) / 2).month - 1 for time in stack.times])
    kernel = partial(
        _matched,
        partner=partner,
        groups=_groups(months if settings.by_month else np.zeros(len(months))),
        settings=settings,
    )
    bands = [band_name(stack.variable, time) for time in stack.times]
    written = run_blocks(
        kernel,
        {"product": stack.bands, "reference": record.bands},
        [RasterOutput(output, bands, {f"UNIT_{stack.variable}": unit_of_band(record.bands[0]) or ""})],
        stack.bands[0].grid,
        engine,
        scratch_bytes_per_cell=2 * len(bands) + 16,
    )
    tell_amounts(written.watch, [*stack.bands, *record.bands], engine.progress)
    tally: _Tally = written.facts["tally"]
    return Matched(bands, tally.samples / max(1, tally.with_samples))


def _groups(group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the dates group by group, and where each group begins and the last one ends."""
    order = np.argsort(group, kind="stable")
    begins = np.flatnonzero(np.diff(group[order], prepend=-1))
    return order.astype(np.int64), np.append(begins, len(group)).astype(np.int64)


def _matched(
    blocks: Blocks,
    window: Window,
    partner: np.ndarray,
    groups: tuple[np.ndarray, np.ndarray],
    settings: MatchingSettings,
) -> tuple[np.ndarray, Facts]:
    """Return the matched product of a block; a kernel."""
    from sm_toolbox.timeseries.scaling_kernels import match_cells

    block = blocks["product"]
    out = np.empty_like(block)
    samples = np.zeros(block.shape[1:], np.int64)
    method = MATCHINGS.index(settings.method)
    match_cells(block, blocks["reference"], partner, *groups, method, settings.min_samples, out, samples)
    given, made = ~np.isnan(block), ~np.isnan(out)
    tally = _Tally(
        values=int(given.sum()),
        lost=int((given & ~made).sum()),
        with_samples=int((samples > 0).sum()),
        samples=int(samples.sum()),
        settings=settings,
    )
    return out, {"tally": tally}


@dataclass(frozen=True)
class _Tally:
    """Samples, and values that were lost; a fact of blocks."""

    values: int
    lost: int
    with_samples: int
    samples: int
    settings: MatchingSettings

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(
            self.values + other.values,
            self.lost + other.lost,
            self.with_samples + other.with_samples,
            self.samples + other.samples,
            self.settings,
        )

    def conclude(self, progress: Progress) -> None:
        """Say what has no value, and refuse a map without any."""
        each = " in a calendar month" if self.settings.by_month else ""
        if self.values and not self.samples:
            raise InputError(
                "No cell has data of both `product` and `reference` on a common date. Check that the layers overlap, "
                "that they are not empty, and that their nodata values are right."
            )
        if self.values and self.lost == self.values:
            raise InputError(
                f"No cell has `min_samples` {self.settings.min_samples} common dates{each} on which product "
                "and reference vary. Give longer records"
                + (", leave `by_month` off," if each else "")
                + " or ask for fewer samples."
            )
        if self.lost:
            progress.info(
                f"{100 * self.lost / self.values:.1f} % of the product's values are left out: their cells have fewer "
                f"than {self.settings.min_samples} common dates{each} (`min_samples`), or do not vary."
            )
