"""Speed of sampling many dated rasters at many stations, against `rasterio.sample` file by file.

Run with `python benchmarks/sampling.py [files [stations [cells]]]`: 200 files, 1000 stations, rasters of 1000 × 1000
cells in tiles of 256, once uncompressed and once compressed (DEFLATE with predictor). Every station has a row for every
date. Prints how many times faster the values arrive, for stations all over the raster and for as many in one corner,
and the same values are checked to come; and how many times faster the files are merely opened and read where stations
are, which is what any way of sampling must do.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.windows import from_bounds

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, medians
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.times import Time
from sm_toolbox.stations.sampling import Rows, sample_rows

CELL = 30.0
WEST, NORTH = 5e5, 4e6
LAYOUTS = {"uncompressed": {}, "compressed": {"compress": "deflate", "predictor": 3}}


def write_files(folder: Path, files: int, cells: int, layout: dict) -> list[Path]:
    """Write dated rasters, smooth as NDVI is, in tiles."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:cells, :cells] / cells
    field = (np.sin(9 * rows) * np.cos(7 * columns) + 0.01 * rng.standard_normal((cells, cells))).astype(np.float32)
    paths = []
    for day in range(files):
        path = folder / f"ndvi_{datetime(2015, 1, 1) + timedelta(days=day):%Y-%m-%d}.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=cells,
            height=cells,
            count=1,
            dtype="float32",
            crs="EPSG:32630",
            transform=from_origin(WEST, NORTH, CELL, CELL),
            nodata=-9999,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            **layout,
        ) as dataset:
            dataset.write(np.round(field * (1 + day / files), 4), 1)
        paths.append(path)
    return paths


def by_rasterio(paths: list[Path], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sample file by file, as the manual of rasterio shows it."""
    values = []
    for path in paths:
        with rasterio.open(path) as dataset:
            values.append([value[0] for value in dataset.sample(zip(x, y))])
    return np.array(values)


def read_only(paths: list[Path], x: np.ndarray, y: np.ndarray) -> None:
    """Open the files and read the rectangle in which the stations lie, on all cores."""

    def read(path: Path) -> None:
        with rasterio.open(path) as dataset:
            dataset.read(1, window=from_bounds(x.min(), y.min(), x.max(), y.max(), dataset.transform))

    with ThreadPoolExecutor(os.cpu_count()) as pool, rasterio.Env():
        list(pool.map(read, paths))


def by_toolbox(paths: list[Path], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sample all files in one pass, matched by the dates of the rows."""
    dates = [Time(datetime(2015, 1, 1) + timedelta(days=day)) for day in range(len(paths))]
    times = [date for date in dates for _ in x]
    rows = Rows("stations", np.tile(x, len(paths)), np.tile(y, len(paths)), CRS.from_epsg(32630), times)
    samples = sample_rows(rows, [Source(str(path)) for path in paths])
    return samples.variables[0].values.reshape(len(paths), len(x))


def main(
    files: int = 5 if SMALL else 200, stations: int = 20 if SMALL else 1000, cells: int = 60 if SMALL else 1000
) -> None:
    rng = np.random.default_rng(1)
    for layout, options in LAYOUTS.items():
        with tempfile.TemporaryDirectory() as folder:
            paths = write_files(Path(folder), files, cells, options)
            for where, part in (("all over the raster", 1.0), ("in one corner", 0.2)):
                x = WEST + CELL * cells * part * rng.random(stations)
                y = NORTH - CELL * cells * part * rng.random(stations)
                np.testing.assert_array_equal(by_toolbox(paths, x, y), by_rasterio(paths, x, y))
                ours, peer, least = medians(
                    *(partial(way, paths, x, y) for way in (by_toolbox, by_rasterio, read_only)), repeats=3
                )
                print(
                    f"{files} rasters at {stations} stations {where}, {layout}: {peer / ours:.1f} times as fast "
                    f"as rasterio.sample; only opening and reading the files {peer / least:.1f} times",
                    flush=True,
                )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
