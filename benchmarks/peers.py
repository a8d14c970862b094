"""What benchmarks share: fair timing, DEMs, and the other programs."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

SMALL = "--small" in sys.argv
"""Whether a benchmark only shows that it runs, on data so small that its numbers mean nothing."""
if SMALL:
    sys.argv.remove("--small")


def medians(*tasks: Callable[[], object], repeats: int = 5) -> list[float]:
    """Return the median time of each task; the tasks take turns, so that other loads on the machine touch them
    alike.
    """
    repeats = 1 if SMALL else repeats
    times: list[list[float]] = [[] for _ in tasks]
    for repeat in range(repeats + 1):
        for task, found in zip(tasks, times):
            start = time.perf_counter()
            task()
            if repeat:  # the first round compiles and fills the disk's cache
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in times]


def forget_peak_memory() -> None:
    """Have the system count the peak memory of this process from now on (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Return the peak memory of this process in bytes (Linux)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def write_dem(path: Path, dem: np.ndarray, cell: float) -> Path:
    """Write a DEM with square cells (m)."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=dem.shape[1],
        height=dem.shape[0],
        count=1,
        dtype="float32",
        crs="EPSG:32630",
        transform=from_origin(5e5, 4e6, cell, cell),
        nodata=np.nan,
        tiled=True,
    ) as dataset:
        dataset.write(dem.astype(np.float32), 1)
    return path


def fractal_dem(cells: int) -> np.ndarray:
    """Return heights of 0 to 1500 m whose amplitudes fall with the square of the frequency, as those of mountains
    do.
    """
    rng = np.random.default_rng(0)
    squared = np.fft.fftfreq(cells)[:, None] ** 2 + np.fft.rfftfreq(cells)[None] ** 2
    squared[0, 0] = np.inf
    heights = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((cells, cells))) / squared, s=(cells, cells))
    return 1500 * (heights - heights.min()) / np.ptp(heights)


def write_large_dem(path: Path, cells: int, tile: int = 4000) -> Path:
    """Write a fractal DEM with some noise that is repeated as in a mirror and falls to the south, 30 m cells, row by
    row: large basins, nested depressions and long rivers, in little memory.
    """
    heights = fractal_dem(min(tile, cells)) + np.random.default_rng(1).normal(size=(min(tile, cells),) * 2)
    turns, places = np.divmod(np.arange(cells), len(heights))
    places = np.where(turns % 2, len(heights) - 1 - places, places)
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": np.nan, "tiled": True}
    grid = {"width": cells, "height": cells, "crs": "EPSG:32630", "transform": from_origin(5e5, 4e6, 30, 30)}
    with rasterio.open(path, "w", **profile, **grid) as dataset:
        for row in range(0, cells, 256):
            rows = np.arange(row, min(row + 256, cells))
            block = heights[np.ix_(places[rows], places)] - 0.05 * rows[:, None]
            dataset.write(block.astype(np.float32), 1, window=((row, row + len(rows)), (0, cells)))
    return path


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Grass:
    """A GRASS session around one DEM, which it knows as `dem`."""

    program = shutil.which("grass")

    def __init__(self, dem: Path, folder: Path):
        self._location, self._folder = folder / "location", folder
        _run(self.program, "-c", dem, self._location, "-e", "--text")
        self.run(f"r.in.gdal -o input={dem} output=dem --q")

    def run(self, script: str) -> None:
        """Run modules."""
        _run(self.program, self._location / "PERMANENT", "--exec", "bash", "-c", script)

    def export(self, name: str) -> Path:
        """Write a raster into a GeoTIFF."""
        path = self._folder / f"{name}.tif"
        self.run(f"r.out.gdal -c -f input={name} output={path} type=Float64 --q --o")
        return path


class Saga:
    """SAGA's tools on one DEM, the grid `dem` of a folder."""

    program = shutil.which("saga_cmd")

    def __init__(self, dem: Path, folder: Path):
        self._folder = folder
        _run("gdal_translate", "-q", "-of", "SAGA", dem, folder / "dem.sdat")

    def run(self, library: str, tool: int, grids: dict[str, str], **options: object) -> None:
        """Run a tool; `grids` are its grids by the names of its parameters."""
        named = [f"-{key}={self._folder / f'{name}.sgrd'}" for key, name in grids.items()]
        _run(self.program, library, tool, *named, *(f"-{key}={value}" for key, value in options.items()))

    def path(self, name: str) -> Path:
        """Return the file of a grid."""
        return self._folder / f"{name}.sdat"
