"""How wrong a coarse product is in each cell, for the weights of its rows."""

from __future__ import annotations

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.merge import year_parts
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Stack, read_bands, stacks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.times import Time

_MERGED = "merged_error"


def read_errors(source: Source, product: Stack, grid: Grid, window: Window) -> np.ndarray:
    """Read the standard deviations of a product's errors on its dates.

    Parameters
    ----------
    source : Source
        With `merged_error`, and perhaps those of parts of the year (`merged_error_06`, `merged_error_jja`) as 'Merge
        products' writes them, or a single variable; static, or dated and then the band that is nearest in time.
    product : Stack
    grid : Grid
        Of the product.
    window : Window
        Of that grid.

    Returns
    -------
    ndarray of float64 (dates, rows, cols)
        NaN where the error is not known.

    Raises
    ------
    InputError
        Where there are several variables and none is `merged_error`.
    """
    found = stacks(read_bands([source]))
    base = _MERGED if _MERGED in found else next(iter(found))
    if len(found) > 1 and base != _MERGED:
        raise InputError(
            f"`coarse_error` ('{source.label}') has {len(found)} variables ({', '.join(list(found)[:6])}), none of "
            f"which is '{_MERGED}'. Give a raster with one band of standard deviations, or the "
            "weights that 'Merge products' writes."
        )
    bands = []
    for time in (band.time for band in product.bands):
        stack = found[_part(base, time, found)]
        position = 0 if time is None else stack.nearest(time, np.inf)
        bands.append(stack.bands[position or 0])
    distinct = list(dict.fromkeys(bands))
    with BandReader(distinct, grid).open() as opened:
        values = opened.read(window).astype(np.float64)
    return values[[distinct.index(band) for band in bands]]


def _part(base: str, time: Time | None, found: dict[str, Stack]) -> str:
    """Return the variable of the part of the year that a date lies in, where there is one."""
    if time is not None:
        for kind in ("month", "season"):
            names, of_month = year_parts(kind)
            name = f"{base}_{names[of_month[time.start.month - 1]]}"
            if name in found:
                return name
    return base
