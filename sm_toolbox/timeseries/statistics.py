"""Statistics over time, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress

if TYPE_CHECKING:
    from rasterio.windows import Window

    from sm_toolbox.raster.bands import Source
    from sm_toolbox.raster.engine import Blocks


def _sd(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    # Deviations first: squares of temperatures in kelvin would leave no digits for a variance in float32.
    deviation = values - np.nansum(values, axis=0, dtype=np.float64) / np.maximum(count, 1)
    return np.sqrt(np.nansum(deviation**2, axis=0) / np.maximum(count - 1, 1))


STATISTICS: dict[str, tuple[int, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "min": (1, lambda values, count: np.fmin.reduce(values, axis=0)),
    "mean": (1, lambda values, count: np.nansum(values, axis=0, dtype=np.float64) / np.maximum(count, 1)),
    "max": (1, lambda values, count: np.fmax.reduce(values, axis=0)),
    "sd": (2, _sd),
    "count": (0, lambda values, count: count),
}
"""Fewest values that a statistic needs, and the function of values (dates, rows, cols) and their count (rows, cols); sd is that of a sample."""


def temporal_statistics(
    sources: Sequence[Source], names: Sequence[str], output: str, memory: int | None = None, progress: Progress = SILENT
) -> list[str]:
    """Compute statistics of every variable over its dates.

    Parameters
    ----------
    sources : sequence of Source
        Dated bands of one or several variables, in any order of dates; on other grids than the first they are warped.
    names : sequence of str
        Keys of `STATISTICS`.
    output : str
        GeoTIFF with the bands `variable_statistic`; gaps do not count, and cells with too few values have none (a count of 0 is a value).

    Returns
    -------
    list of str
        The bands of the output.

    Raises
    ------
    InputError
        Where a variable is not dated or a statistic unknown.
    OutputError, Cancelled
        As `run_blocks`.
    """
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.engine import run_blocks
    from sm_toolbox.raster.writers import RasterOutput

    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in STATISTICS]
    if unknown or not names:
        raise InputError(f"STATISTICS: {', '.join(unknown) or 'none is chosen'}. Choose from: {', '.join(STATISTICS)}.")
    found = stacks(read_bands(sources))
    static = [name for name, stack in found.items() if stack.is_static]
    if static:
        raise InputError(f"{', '.join(static)} have no dates. Name the bands variable@YYYY-MM-DD, or leave them out.")

    def kernel(blocks: Blocks, window: Window) -> np.ndarray:
        out = []
        for values in blocks.values():
            count = np.count_nonzero(~np.isnan(values), axis=0)
            for name in names:
                fewest, function = STATISTICS[name]
                out.append(np.where(count >= fewest, function(values, count), np.nan))
        return np.stack(out).astype(np.float32)

    bands = [f"{variable}_{name}" for variable in found for name in names]
    inputs = {variable: stack.bands for variable, stack in found.items()}
    deepest = max(len(stack.bands) for stack in found.values())
    grid = next(iter(found.values())).bands[0].grid
    run_blocks(kernel, inputs, [RasterOutput(output, bands)], grid, scratch_bytes_per_cell=17 * deepest, memory=memory, progress=progress)
    return bands
