"""Speed of the time series algorithms over the time in which the engine merely reads and writes the same stack.

Run with `python benchmarks/timeseries.py [cells [dates]]`: the side of the raster (1000) and the number of daily dates
(120), a third of them gaps.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, forget_peak_memory, medians, peak_memory
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.writing import raster_writer
from sm_toolbox.timeseries.composite import temporal_composite
from sm_toolbox.timeseries.gapfill import GAP_FILL_METHODS, fill_gaps
from sm_toolbox.timeseries.statistics import temporal_statistics
from sm_toolbox.timeseries.trend import temporal_trend


def make_stack(path: Path, cells: int, dates: int) -> Source:
    """Write a stack of smooth seasons with clouds."""
    grid = Grid(CRS.from_epsg(32630), from_origin(5e5, 4e6, 30, 30), cells, cells)
    names = [band_name("lst", Time(datetime(2018, 1, 1) + timedelta(days=day))) for day in range(dates)]
    rng = np.random.default_rng(0)
    with raster_writer(RasterOutput(str(path), names), grid) as writer:
        for row in range(0, cells, 256):
            shape = (min(256, cells - row), cells)
            season = 10 * np.sin(np.arange(dates) / 40)[:, None, None]
            values = (season + rng.normal(size=shape) + rng.normal(size=(dates, 1, 1))).astype(np.float32)
            # Clouds are larger than a cell.
            clouds = rng.random((dates, -(-shape[0] // 16), -(-cells // 16))) < 0.33
            values[np.kron(clouds, np.ones((1, 16, 16), bool))[:, : shape[0], :cells]] = np.nan
            writer.write(values, Window(0, row, cells, shape[0]))
    return Source(str(path))


def main() -> None:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 40 if SMALL else 1000
    dates = int(sys.argv[2]) if len(sys.argv) > 2 else 40 if SMALL else 120
    with tempfile.TemporaryDirectory() as name:
        source = make_stack(Path(name) / "stack.tif", cells, dates)
        forget_peak_memory()
        output = str(Path(name) / "out.tif")
        bands = read_bands([source])

        def copy(count: int):
            run_blocks(
                lambda blocks, window: blocks["a"][:count],
                {"a": bands},
                [RasterOutput(output, [band.name for band in bands[:count]])],
                bands[0].grid,
            )

        months = len({band.name[:-3] for band in bands})
        tasks = {
            **{
                f"composite, {which} of the month": (
                    months,
                    lambda which=which: temporal_composite([source], output, statistic=which),
                )
                for which in ("mean", "max", "median")
            },
            "composite, mean of the trailing week": (
                dates,
                lambda: temporal_composite([source], output, period="trailing"),
            ),
            "statistics": (5, lambda: temporal_statistics([source], ["min", "mean", "max", "sd", "count"], output)),
            "trend, least squares": (4, lambda: temporal_trend([source], output)),
            **{
                f"gaps, {method}": (dates, lambda method=method: fill_gaps([source], output, method=method))
                for method in GAP_FILL_METHODS
            },
        }
        print(
            f"{dates} dates of {cells} × {cells} cells; time over that of reading the stack and writing as many bands"
        )
        for label, (count, task) in tasks.items():
            taken, copied = medians(task, lambda count=count: copy(count), repeats=3)
            print(f"{label}: {taken / copied:.1f}")
        print(
            f"peak memory of the process: {peak_memory() / (4 * dates * cells**2):.2f} of the size of the stack "
            "in memory"
        )


if __name__ == "__main__":
    main()
