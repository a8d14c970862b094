"""Statistics over time, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import ALL_CORES, Engine

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.engine import Blocks, Facts
    from sm_toolbox.raster.opening import Source


STATISTICS = ("min", "mean", "max", "sd", "count")
"""In the order in which `summarise` returns them; sd is that of a sample, and needs two values."""


def summarise(values: np.ndarray, names: Sequence[str] = STATISTICS) -> np.ndarray:
    """Return statistics over time of a block.

    Parameters
    ----------
    values : ndarray of float32 (dates, rows, cols)
        NaN in gaps.
    names : sequence of str
        Of `STATISTICS`.

    Returns
    -------
    ndarray of float32 (names, rows, cols)
        NaN where there are too few values.

    Examples
    --------
    >>> values = np.array([0.1, 0.3, np.nan], np.float32).reshape(3, 1, 1)
    >>> print(summarise(values, ["mean", "count"]).ravel())
    [0.2 2. ]
    """
    from sm_toolbox.timeseries import kernels

    out = np.empty((len(STATISTICS), *values.shape[1:]), np.float32)
    kernels.fill_statistics(values, out)
    return out[[STATISTICS.index(name) for name in names]]


def temporal_statistics(
    sources: Sequence[Source],
    names: Sequence[str],
    output: str,
    engine: Engine = ALL_CORES,
) -> list[str]:
    """Compute statistics of every variable over its dates.

    Parameters
    ----------
    sources : sequence of Source
        Dated bands of one or several variables, in any order of dates; on other grids than the first they are warped.
    names : sequence of str
        Of `STATISTICS`.
    output : str
        GeoTIFF with the bands `variable_statistic`; gaps do not count, and cells with too few values have none (a count
        of 0 is a value).
    engine : Engine, optional

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where a variable is not dated, a statistic unknown, or nothing has data.
    OutputError, Cancelled
        As `run_blocks`.
    """
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.meaning import tell_amounts
    from sm_toolbox.raster.outputs import RasterOutput

    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in STATISTICS]
    if unknown or not names:
        raise InputError(f"`names`: {', '.join(unknown) or 'none is chosen'}. Choose from: {', '.join(STATISTICS)}.")
    all_bands = read_bands(sources)
    by_name = stacks(all_bands)
    static = [name for name, stack in by_name.items() if stack.is_static]
    if static:
        raise InputError(f"{', '.join(static)} have no dates. Name the bands variable@YYYY-MM-DD, or leave them out.")

    is_count = np.array([name == "count" for _ in by_name for name in names])

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        result = np.concatenate([summarise(values, names) for values in blocks.values()])
        # A count of 0 is a value, but no data.
        return result, {"with_data": int((result[is_count] > 0).any() or (~np.isnan(result[~is_count])).any())}

    bands = [f"{variable}_{name}" for variable in by_name for name in names]
    inputs = {variable: stack.bands for variable, stack in by_name.items()}
    grid = all_bands[0].grid
    scratch = 8 * len(bands) + 20
    written = run_blocks(kernel, inputs, [RasterOutput(output, bands)], grid, engine, scratch_bytes_per_cell=scratch)
    tell_amounts(written.watch, all_bands, engine.progress)
    return bands
