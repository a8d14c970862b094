"""Error of each method of gap filling: a share of the valid values of a series is hidden, filled, and compared.

Run with `python benchmarks/gapfill_error.py stack.tif [share]`; the bands of the stack are dates of one variable. With
--small a little stack is made.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL
from benchmarks.timeseries import make_stack
from sm_toolbox.raster.bands import read_bands, single_stack
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.writing import raster_writer
from sm_toolbox.timeseries.gapfill import GAP_FILL_METHODS, fill_gaps


@dataclass(frozen=True)
class Error:
    """How well hidden values were filled: share of them that got a value, root mean square error and mean error of
    those.
    """

    filled: float
    rmse: float
    bias: float


def errors(path: str, share: float = 0.1, seed: int = 0) -> dict[str, Error]:
    """Hide a share of the valid values, and fill them by each method and, for comparison, by the mean of each cell over
    all dates.
    """
    stack = single_stack(read_bands([Source(path)]), "stack")
    grid = stack.bands[0].grid
    window = rasterio.windows.Window(0, 0, grid.width, grid.height)
    with BandReader(stack.bands, grid).open() as reader:
        truth = reader.read(window)
    hidden = ~np.isnan(truth) & (np.random.default_rng(seed).random(truth.shape) < share)
    masked = np.where(hidden, np.nan, truth)
    names = [band_name(stack.variable, time) for time in stack.times]
    with warnings.catch_warnings():
        # Some cells have no value at all.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = {"mean of the cell": np.broadcast_to(np.nanmean(masked, axis=0), masked.shape)}
    with tempfile.TemporaryDirectory() as folder:
        source = Source(str(Path(folder) / "hidden.tif"))
        with raster_writer(RasterOutput(source.path, names), grid) as writer:
            writer.write(masked, window)
        for method in GAP_FILL_METHODS:
            output = str(Path(folder) / f"{method}.tif")
            # A moving average must reach the neighbouring dates.
            spacing = float(np.median(np.diff([time.start.timestamp() for time in stack.times]))) / 86400
            fill_gaps([source], output, method=method, window=3 * spacing if method == "moving_average" else None)
            with rasterio.open(output) as dataset:
                found[method] = dataset.read()
    result = {}
    for name, values in found.items():
        difference = (values - truth)[hidden]
        known = difference[~np.isnan(difference)].astype(float)
        result[name] = Error(known.size / difference.size, float(np.sqrt(np.mean(known**2))), float(known.mean()))
    return result


def main() -> None:
    if SMALL:
        with tempfile.TemporaryDirectory() as folder:
            report(make_stack(Path(folder) / "stack.tif", 24, 40).path, 0.1)
        return
    if len(sys.argv) < 2:
        print("Name a stack of dated bands.")
        return
    report(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.1)


def report(path: str, share: float) -> None:
    """Print the errors of all methods on a stack."""
    print(f"{100 * share:g} % of the valid values of {Path(path).name} hidden")
    for name, error in errors(path, share).items():
        print(
            f"{name:18} RMSE {error.rmse:.2f}, mean error {error.bias:+.2f}, {100 * error.filled:.1f} % of them filled"
        )


if __name__ == "__main__":
    main()
