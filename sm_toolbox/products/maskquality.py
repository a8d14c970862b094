"""Masking bands by the quality layers of their products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import listed
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.sensors.quality import QUALITY_LEVELS, QUALITY_RULES, kept, parse_conditions

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.bands import Band, Stack
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source

CUSTOM = "custom"
"""The rule whose conditions the user writes."""


@dataclass(frozen=True)
class Masked:
    """What a mask did.

    Parameters
    ----------
    bands : list of str
        Of the output.
    masked_percent : float
        Of the cells that had data.
    empty : list of str
        Bands of which nothing is left; they are not written.
    """

    bands: list[str]
    masked_percent: float
    empty: list[str]


def mask_quality(
    sources: Sequence[Source],
    quality: Sequence[Source],
    output: str,
    *,
    rule: str,
    level: str = "recommended",
    bits: str = "",
    engine: Engine = ALL_CORES,
) -> Masked:
    """Keep the cells of bands that the quality layers of their dates call good.

    Parameters
    ----------
    sources : sequence of Source
        What is masked; the output has the grid of the first.
    quality : sequence of Source
        Quality layers, matched by date; a static one serves all dates. They are only ever taken nearest.
    output : str
    rule : str
        A key of `QUALITY_RULES`, or `custom`.
    level : {'recommended', 'strict'}, optional
    bits : str, optional
        Conditions of a custom rule, as `parse_conditions`.
    engine : Engine, optional

    Returns
    -------
    Masked

    Raises
    ------
    InputError
        Where the rule is not known, no quality layer is that of the rule, or no date has one.
    OutputError, Cancelled
        As `run_blocks`.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> ndvi = write_example("ndvi.tif", {"ndvi@2018-06-10": [[0.3, 0.4, 0.5]]})
    >>> scl = write_example("scl.tif", {"scl@2018-06-10": [[4, 9, 5]]})
    >>> mask_quality([ndvi], [scl], "good.tif", rule="sentinel2_scl").masked_percent.__round__()
    33
    >>> read_example("good.tif")["ndvi@2018-06-10"]
    array([[0.3, nan, 0.5]], dtype=float32)
    """
    from sm_toolbox.raster.bands import list_bands, read_bands, refuse_duplicates, stacks
    from sm_toolbox.raster.engine import EmptyError, run_blocks
    from sm_toolbox.raster.outputs import RasterOutput

    conditions = _conditions(rule, level, bits)
    bands = list_bands(sources)
    refuse_duplicates(bands)
    if rule != CUSTOM:
        # What is no data among words is said by the conditions of the rule.
        quality = [replace(source, is_words=True) for source in quality]
    words = _quality_stack(stacks(read_bands(quality)), rule)
    matched = [(band, words.nearest(band.time, 0)) for band in bands]
    pairs = [(band, position) for band, position in matched if position is not None]
    without = [band.name for band, position in matched if position is None]
    if not pairs:
        raise InputError(
            f"No band of `sources` has a quality layer of its date: `sources` {bands[0].name} to {bands[-1].name}, "
            f"`quality` {words.bands[0].name} to {words.bands[-1].name}. Give the quality layers of the same dates."
        )
    progress = engine.progress
    if without:
        progress.warning(f"No quality layer of their date, left out: {listed(without)}.")
    needed = sorted({position for _, position in pairs})
    place = [needed.index(position) for _, position in pairs]

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        of_quality = blocks["quality"]
        known = ~np.isnan(of_quality)
        good = kept(np.where(known, of_quality, 0).astype(np.int64), conditions) & known
        values = blocks["bands"]
        before = ~np.isnan(values)
        masked = np.where(good[place], values, np.float32(np.nan))
        counts = {"before": before.sum(axis=(1, 2)), "after": (before & good[place]).sum(axis=(1, 2))}
        return masked, counts

    chosen: list[Band] = [band for band, _ in pairs]
    inputs = {"bands": chosen, "quality": [words.bands[position] for position in needed]}
    names = [band.name for band in chosen]
    scratch = 12 * len(needed) + 4 * len(names)
    rules = [None] * len(chosen) + ["nearest"] * len(needed)
    outputs = [RasterOutput(output, names, leaves_out_empty=True)]
    try:
        facts = run_blocks(
            kernel, inputs, outputs, chosen[0].grid, engine, scratch_bytes_per_cell=scratch, resampling=rules
        ).facts
    except EmptyError as error:
        raise InputError(
            f"Nothing is left of `sources`: {_label(rule)} calls no cell with data good. Choose the `level` "
            "recommended, and check that `quality` is the layer of this product and covers `sources`."
        ) from error
    before, after = facts["before"], facts["after"]
    empty = [name for name, left in zip(names, after) if not left]
    percent = 100 * float(1 - after.sum() / max(1, before.sum()))
    progress.info(f"{percent:.1f} % of the cells with data were masked ({_label(rule)}, {level}).")
    if empty:
        progress.warning(f"Nothing is left of {len(empty)} of {len(names)} bands, left out: {listed(empty)}.")
    return Masked([name for name in names if name not in empty], percent, empty)


def _conditions(rule: str, level: str, bits: str) -> list:
    if rule == CUSTOM:
        return parse_conditions(bits)
    if rule not in QUALITY_RULES:
        raise InputError(f"`rule` is '{rule}', but must be one of: {', '.join([*QUALITY_RULES, CUSTOM])}.")
    if level not in QUALITY_LEVELS:
        raise InputError(f"`level` is '{level}', but must be one of: {', '.join(QUALITY_LEVELS)}.")
    return parse_conditions(getattr(QUALITY_RULES[rule], level))


def _quality_stack(found: Mapping[str, Stack], rule: str) -> Stack:
    """Return the one variable that is the quality layer of a rule."""
    if len(found) == 1:
        return next(iter(found.values()))
    row = QUALITY_RULES.get(rule)
    named = {name: stack for name, stack in found.items() if row is not None and row.names.search(name)}
    if len(named) != 1:
        raise InputError(
            f"`quality` must hold one variable, the quality layer of `rule` {rule}, but holds "
            f"{', '.join(sorted(found))}. Choose the one that belongs to `sources`."
        )
    return next(iter(named.values()))


def _label(rule: str) -> str:
    return "custom" if rule == CUSTOM else QUALITY_RULES[rule].label
