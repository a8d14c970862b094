"""Speed of the time series algorithms over the time in which the engine merely reads and writes the same stack.

Run with `python benchmarks/timeseries.py [cells [dates]]`: the side of the raster (1000) and the number of daily dates
(120), a third of them gaps. Each row also says the peak memory of this process in a run, over the size of the stack in
memory, which grows with the raster while the peak does not: compare two sizes.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, forget_peak_memory, medians, peak_memory
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.engine import Blocks, run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.writing import raster_writer
from sm_toolbox.timeseries.antecedent import AntecedentSettings, antecedent_indices
from sm_toolbox.timeseries.composite import temporal_composite
from sm_toolbox.timeseries.departure import DEPARTURES, DepartureSettings, temporal_departures
from sm_toolbox.timeseries.gapfill import GAP_FILL_METHODS, fill_gaps
from sm_toolbox.timeseries.regional import regional_series
from sm_toolbox.timeseries.rootzone import RootZoneInputs, root_zone
from sm_toolbox.timeseries.scaling import MATCHINGS, MatchingSettings, match_product
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
        path = Path(name) / "stack.tif"
        # In another process: what it took is not what algorithms take.
        maker = multiprocessing.get_context("spawn").Process(target=make_stack, args=(path, cells, dates))
        maker.start()
        maker.join()
        source = Source(str(path))
        output = str(Path(name) / "out.tif")
        print(
            f"{dates} dates of {cells} × {cells} cells; time over that of reading as many stacks and writing as many "
            "bands, peak memory over that of the stack"
        )
        for label, (stacks, count, task) in tasks_on(source, output, dates).items():
            taken, copied = medians(
                task, lambda stacks=stacks, count=count: copy(source, output, stacks, count), repeats=3
            )
            forget_peak_memory()
            task()
            print(f"{label}: {taken / copied:.1f}, {peak_memory() / (4 * dates * cells**2):.2f}")


def copy(source: Source, output: str, stacks: int, count: int) -> None:
    """Read a stack once or twice, and write some bands."""
    bands = read_bands([source])

    def kernel(blocks: Blocks, window: Window) -> np.ndarray:
        block = blocks["0"]
        return block[:count] if count <= len(block) else np.concatenate([block, block[: count - len(block)]])

    names = [f"b{i}" for i in range(count)]
    run_blocks(kernel, {str(i): bands for i in range(stacks)}, [RasterOutput(output, names)], bands[0].grid)


def tasks_on(source: Source, output: str, dates: int) -> dict[str, tuple[int, int, Callable[[], object]]]:
    """Return the stacks that each algorithm reads, the bands that it writes, and itself."""
    stack = [source]
    months = len({band.name[:-3] for band in read_bands(stack)})
    tasks: dict[str, tuple[int, int, Callable[[], object]]] = {
        f"composite, {which} of the month": (
            1,
            months,
            lambda which=which: temporal_composite(stack, output, statistic=which),
        )
        for which in ("mean", "max", "median")
    }
    tasks["composite, mean of the month of all years"] = (
        1,
        min(12, months),
        lambda: temporal_composite(stack, output, period="month_of_year"),
    )
    tasks["composite, mean of the trailing week"] = (
        1,
        dates,
        lambda: temporal_composite(stack, output, period="trailing"),
    )
    tasks["statistics"] = 1, 5, lambda: temporal_statistics(stack, ["min", "mean", "max", "sd", "count"], output)
    tasks["trend, least squares"] = 1, 4, lambda: temporal_trend(stack, output)
    for method in GAP_FILL_METHODS:
        tasks[f"gaps, {method}"] = 1, dates, lambda method=method: fill_gaps(stack, output, method=method)
    # One year stands for others: the window of a month holds 31 values.
    for method in DEPARTURES:
        settings = DepartureSettings((method,), leave_year_out=False, min_years=1)
        tasks[f"anomalies, {method}"] = (
            1,
            dates,
            lambda settings=settings: temporal_departures(stack, output, settings),
        )
    for label, settings, count in (
        ("precipitation index", AntecedentSettings(spin_up=0), dates),
        ("sum of a week", AntecedentSettings(("sum",), days="7"), dates - 6),
    ):
        tasks[f"antecedent {label}"] = (
            1,
            count,
            lambda settings=settings: antecedent_indices(stack, output, settings),
        )
    tasks["root zone"] = 1, 2 * dates, lambda: root_zone(RootZoneInputs(stack), output)
    for method in MATCHINGS:
        settings = MatchingSettings(method, min_samples=3)
        tasks[f"match, {method}"] = (
            2,
            dates,
            lambda settings=settings: match_product(stack, stack, output, settings),
        )
    tasks["regional series"] = 1, 1, lambda: regional_series(stack)
    return tasks


if __name__ == "__main__":
    main()
