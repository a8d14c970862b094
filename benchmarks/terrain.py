"""Speed of the terrain indices without flow: against a mere copy, the time of writing them, gdaldem, GRASS and SAGA.

Run with `python benchmarks/terrain.py [cells]`; prints ratios of medians of runs that take turns. Peers that are not
installed are left out.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, Grass, Saga, medians, write_dem
from sm_toolbox.predictors.terrain import TERRAIN_INDICES, terrain_indices
from sm_toolbox.predictors.terrain_kernels import KERNEL_ORDER, fill_indices
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput

NAMES = [name for name in TERRAIN_INDICES if name != "twi"]


def against_copy(dem: np.ndarray, names: list[str]) -> float:
    """Return the time of the kernel over the time of writing the DEM into every output, both on one thread and 512 rows
    at a time.
    """
    halo = 2 if "vector_ruggedness" in names else 1
    places = np.array([names.index(name) if name in names else -1 for name in KERNEL_ORDER])
    rows, columns = 512, dem.shape[1] - 2 * halo
    out, metres = np.empty((len(names), rows, columns), np.float32), np.full(rows + 2 * halo - 2, 30.0)
    catchment = np.empty((0, 0), np.float32)
    starts = range(0, dem.shape[0] - rows - 2 * halo, rows)

    def compute():
        for start in starts:
            fill_indices(dem[start : start + rows + 2 * halo], halo, metres, metres, 1.0, places, out, catchment)

    def copy():
        for start in starts:
            out[:] = dem[start : start + rows, :columns]

    computed, copied = medians(compute, copy)
    return computed / copied


def against_writing(dem: Path, folder: Path) -> float:
    """Return the time for all indices over the time in which the engine reads the DEM and writes as many smooth
    bands.
    """
    output = str(folder / "all.tif")
    bands = read_bands([Source(str(dem))])

    def write():
        run_blocks(
            lambda blocks, window: np.repeat(blocks["dem"], len(NAMES), axis=0),
            {"dem": bands},
            [RasterOutput(output, NAMES)],
            bands[0].grid,
        )

    ours, written = medians(lambda: terrain_indices(Source(str(dem)), NAMES, output), write)
    return ours / written


def against_peers(dem: Path, folder: Path) -> dict[str, float]:
    """Return for each peer its time for slope and aspect over ours, from file to file."""

    def gdaldem():
        for name in ("slope", "aspect"):
            subprocess.run(["gdaldem", name, str(dem), str(folder / f"{name}.tif"), "-q"], check=True)

    tasks = {
        "ours": lambda: terrain_indices(Source(str(dem)), ["slope", "aspect"], str(folder / "ours.tif")),
        "gdaldem": gdaldem,
    }
    if Grass.program:
        grass = Grass(dem, folder)
        tasks["GRASS"] = lambda: grass.run("r.slope.aspect elevation=dem slope=slope aspect=aspect --q --o")
    if Saga.program:
        saga = Saga(dem, folder)
        tasks["SAGA"] = lambda: saga.run(
            "ta_morphometry", 0, {"ELEVATION": "dem", "SLOPE": "slope", "ASPECT": "aspect"}, METHOD=2
        )
    own, *others = medians(*tasks.values())
    return {name: time / own for name, time in zip(list(tasks)[1:], others)}


def main() -> None:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 100 if SMALL else 4000
    steps = np.random.default_rng(0).normal(size=(2, cells))
    dem = (800 + np.add.outer(*steps.cumsum(axis=1)) + np.random.default_rng(1).normal(size=(cells, cells))).astype(
        np.float32
    )
    for label, names in (("slope + aspect", ["slope", "aspect"]), (f"all {len(NAMES)} indices", NAMES)):
        print(f"{label}: {against_copy(dem, names):.1f} times a copy into as many bands")
    with tempfile.TemporaryDirectory() as name:
        path = write_dem(Path(name) / "dem.tif", dem, 30)
        print(
            f"all {len(NAMES)} indices, file to file: {against_writing(path, Path(name)):.1f} times writing the "
            "DEM into as many bands"
        )
        for peer, ratio in against_peers(path, Path(name)).items():
            print(f"slope + aspect, file to file: {ratio:.1f} times as fast as {peer}")


if __name__ == "__main__":
    main()
