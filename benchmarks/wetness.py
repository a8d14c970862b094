"""Topographic wetness beside GRASS and SAGA: agreement on a real DEM, and speed from file to file.

Run with `python benchmarks/wetness.py [cells [dem.tif]]`: the size of the simulated DEM for the speed (4000), and a DEM
in metres for the agreement (matplotlib's sample of SRTM). Peers that are not installed are left out. With `--memory`
instead: peak memory and time by the size of the raster, and how far strips differ from the whole raster.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import matplotlib.cbook
import numpy as np
import rasterio
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import (
    SMALL,
    Grass,
    Saga,
    forget_peak_memory,
    fractal_dem,
    medians,
    peak_memory,
    write_dem,
    write_large_dem,
)
from sm_toolbox.predictors.flow import BYTES_PER_CELL
from sm_toolbox.predictors.terrain import terrain_indices
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine


def read(path: Path) -> np.ndarray:
    """Read the first band, NaN where there is no data."""
    with rasterio.open(path) as dataset:
        return dataset.read(1, masked=True).astype(float).filled(np.nan)


def ours(dem: Path, folder: Path, routing: str = "mfd", memory: int | None = None) -> Path:
    """Compute our wetness index."""
    path = folder / f"ours_{routing}.tif"
    terrain_indices(Source(str(dem)), ["twi"], str(path), flow_routing=routing, engine=Engine(memory=memory))
    return path


def by_size(folder: Path, sizes: list[int]) -> None:
    """Print peak memory, reading and writing included, and time of rasters of some sizes."""
    ours(write_large_dem(folder / "large.tif", 50), folder)
    for cells in sizes:
        dem = write_large_dem(folder / "large.tif", cells, sizes[0])
        forget_peak_memory()
        start, used = time.perf_counter(), time.process_time()
        ours(dem, folder)
        print(
            f"{cells} × {cells} cells: {peak_memory() / 2**20:,.0f} MB, {time.perf_counter() - start:,.0f} s, "
            f"{time.process_time() - used:,.0f} s of processor time; the whole raster would be "
            f"{cells**2 * BYTES_PER_CELL / 2**20:,.0f} MB"
        )


def strips_and_whole(folder: Path, cells: int) -> None:
    """Print how far results in strips differ from those of the whole raster."""
    dem = write_large_dem(folder / "large.tif", cells)
    for routing in ("mfd", "dinf", "d8"):
        whole = read(ours(dem, folder, routing, cells**2 * BYTES_PER_CELL))
        in_strips = read(ours(dem, folder, routing, cells**2 * BYTES_PER_CELL // 20))
        differences = np.abs(in_strips - whole)
        print(
            f"{routing}, {cells} × {cells} cells in strips: largest difference of twi {np.nanmax(differences):.1g}, "
            f"cells that differ {np.mean(differences[~np.isnan(whole)] > 0):.2g}, of no data "
            f"{(np.isnan(in_strips) != np.isnan(whole)).sum()}"
        )


def watershed(grass: Grass) -> None:
    """Run r.watershed: multiple flow directions over least-cost paths out of depressions, and its wetness index."""
    grass.run("r.watershed -a elevation=dem tci=tci accumulation=area memory=8000 --q --o")


def topidx(grass: Grass) -> None:
    """Run r.topidx on a DEM whose depressions r.fill.dir has filled."""
    grass.run(
        "r.fill.dir input=dem output=filled direction=direction --q --o; r.topidx input=filled output=topidx --q --o"
    )


def saga_wetness(saga: Saga) -> None:
    """Fill (Wang & Liu), accumulate flow (Freeman), and compute slope and wetness index."""
    saga.run("ta_preprocessor", 4, {"ELEV": "dem", "FILLED": "filled"}, MINSLOPE=0.001)
    saga.run("ta_hydrology", 0, {"ELEVATION": "filled", "FLOW": "area"}, METHOD=4, CONVERGENCE=1.1)
    saga.run("ta_morphometry", 0, {"ELEVATION": "dem", "SLOPE": "slope"}, METHOD=2)
    saga.run("ta_hydrology", 20, {"SLOPE": "slope", "AREA": "area", "TWI": "twi"}, CONV=1)


def agreement(name: str, mine: np.ndarray, other: np.ndarray) -> None:
    """Print how two wetness indices agree, three cells from the edge."""
    inner = (slice(3, -3), slice(3, -3))
    a, b = mine[inner].ravel(), other[inner].ravel()
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    middle = np.median(a - b)
    print(
        f"  {name}: r {np.corrcoef(a, b)[0, 1]:.3f}, rank correlation {spearmanr(a, b)[0]:.3f}, median difference "
        f"{middle:+.3f}, half of all within {np.median(np.abs(a - b - middle)):.3f} of it"
    )


def main() -> None:
    if "--memory" in sys.argv or SMALL:
        with tempfile.TemporaryDirectory() as name:
            by_size(Path(name), [60, 120] if SMALL else [4000, 8000, 16000])
            strips_and_whole(Path(name), 120 if SMALL else 4000)
        if not SMALL:
            return
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 100 if SMALL else 4000
    with tempfile.TemporaryDirectory() as name:
        folder, real = Path(name), Path(name) / "real"
        real.mkdir()
        if len(sys.argv) > 2:
            dem = Path(sys.argv[2])
        else:
            sample = np.load(matplotlib.cbook.get_sample_data("jacksboro_fault_dem.npz", asfileobj=False))
            dem = write_dem(real / "srtm.tif", sample["elevation"], 90)
        mine = {routing: read(ours(dem, real, routing)) for routing in ("mfd", "dinf", "d8")}
        print(f"agreement of mfd on {dem.name}, {mine['mfd'].size:,} cells:")
        for routing in ("dinf", "d8"):
            agreement(f"our {routing}", mine["mfd"], mine[routing])
        if Grass.program:
            grass = Grass(dem, real)
            watershed(grass)
            agreement("GRASS r.watershed", mine["mfd"], read(grass.export("tci")))
            topidx(grass)
            agreement("GRASS r.topidx", mine["mfd"], read(grass.export("topidx")))
        if Saga.program:
            saga = Saga(dem, real)
            saga_wetness(saga)
            agreement("SAGA", mine["mfd"], read(saga.path("twi")))

        large = write_dem(folder / "large.tif", fractal_dem(cells), 30)
        tasks = {"ours": lambda: ours(large, folder)}
        if Grass.program:
            large_grass = Grass(large, folder)
            tasks["GRASS r.watershed"] = lambda: watershed(large_grass)
        if Saga.program:
            large_saga = Saga(large, folder)
            tasks["SAGA"] = lambda: saga_wetness(large_saga)
        own, *others = medians(*tasks.values(), repeats=3)
        for name, time in zip(list(tasks)[1:], others):
            print(f"{cells} × {cells} cells, file to file: {time / own:.1f} times as fast as {name}")


if __name__ == "__main__":
    main()
