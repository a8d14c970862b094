"""Speed of the terrain indices: one pass of the compiled loops against a mere copy, and slope with aspect against gdaldem.

Run with `python benchmarks/terrain.py [cells]`; prints ratios of medians of interleaved runs, which other loads on the machine touch
alike. gdaldem is compared from file to file.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

sys.path.insert(0, str(Path(__file__).parent.parent))
from sm_toolbox.predictors.terrain import TERRAIN_INDICES, terrain_indices
from sm_toolbox.predictors.terrain_kernels import KERNEL_ORDER, fill_indices
from sm_toolbox.raster.bands import Source

REPEATS = 5


def medians(*tasks):
    """Return the median time of each task; the tasks take turns."""
    times = [[] for _ in tasks]
    for repeat in range(REPEATS + 1):
        for task, found in zip(tasks, times):
            start = time.perf_counter()
            task()
            if repeat:  # the first round compiles and fills the disk's cache
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in times]


def against_copy(dem: np.ndarray, names: list[str]) -> float:
    """Return the time of the kernel over the time of writing the DEM into every output, both on one thread and 512 rows at a time."""
    halo = 2 if "vector_ruggedness" in names else 1
    places = np.array([names.index(name) if name in names else -1 for name in KERNEL_ORDER])
    rows, columns = 512, dem.shape[1] - 2 * halo
    out, metres = np.empty((len(names), rows, columns), np.float32), np.full(rows + 2 * halo - 2, 30.0)
    starts = range(0, dem.shape[0] - rows - 2 * halo, rows)

    def compute():
        for start in starts:
            fill_indices(dem[start : start + rows + 2 * halo], halo, metres, metres, 1.0, places, out)

    def copy():
        for start in starts:
            out[:] = dem[start : start + rows, :columns]

    computed, copied = medians(compute, copy)
    return computed / copied


def against_gdaldem(dem: np.ndarray, folder: Path) -> float:
    """Return gdaldem's time for slope and for aspect over ours for both, from file to file."""
    path = folder / "dem.tif"
    with rasterio.open(path, "w", driver="GTiff", width=dem.shape[1], height=dem.shape[0], count=1, dtype="float32", crs="EPSG:32630",
                       transform=from_origin(5e5, 4e6, 30, 30), tiled=True) as dataset:  # fmt: skip
        dataset.write(dem, 1)

    def peer():
        for name in ("slope", "aspect"):
            subprocess.run(["gdaldem", name, str(path), str(folder / f"{name}.tif"), "-q"], check=True)

    ours, theirs = medians(lambda: terrain_indices(Source(str(path)), ["slope", "aspect"], str(folder / "ours.tif")), peer)
    return theirs / ours


def main() -> None:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    steps = np.random.default_rng(0).normal(size=(2, cells))
    dem = (800 + np.add.outer(*steps.cumsum(axis=1)) + np.random.default_rng(1).normal(size=(cells, cells))).astype(np.float32)
    for label, names in (("slope + aspect", ["slope", "aspect"]), (f"all {len(TERRAIN_INDICES)} indices", list(TERRAIN_INDICES))):
        print(f"{label}: {against_copy(dem, names):.1f} times a copy into as many bands")
    with tempfile.TemporaryDirectory() as folder:
        print(f"slope + aspect, file to file: {against_gdaldem(dem, Path(folder)):.1f} times as fast as gdaldem")


if __name__ == "__main__":
    main()
