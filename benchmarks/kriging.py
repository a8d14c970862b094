"""Speed of kriging 1,000 stations to 1,000,000 cells, over that of pykrige where it is installed.

Run with `python benchmarks/kriging.py [folder]`: a folder into which `pip install --target folder --no-deps pykrige`
has put pykrige. Without it, the times are compared with one another only. The variogram is the same for all and nothing
is fitted or written; all use all cores that they can.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, forget_peak_memory, medians, peak_memory
from sm_toolbox.geostatistics import interpolation
from sm_toolbox.geostatistics.inversedistance import InverseDistance
from sm_toolbox.geostatistics.kriging import Kriging
from sm_toolbox.geostatistics.variogram import Variogram

STATIONS, SIDE, EXTENT, RANGE, NUGGET = 60 if SMALL else 1000, 30 if SMALL else 1000, 1e5, 3e4, 0.1


def predict(model: Kriging | InverseDistance, cells: np.ndarray, variance: bool = False) -> np.ndarray:
    """Predict cells in blocks on all cores, as the engine does; returned is the mean."""
    blocks = np.array_split(cells, 4 * (cpu_count() or 1))
    with ThreadPoolExecutor() as pool:
        if isinstance(model, InverseDistance):
            return np.concatenate(list(pool.map(model.predict, blocks)))
        return np.concatenate(
            [mean for mean, _ in pool.map(lambda block: model.predict(block, variance=variance), blocks)]
        )


def main() -> None:
    if len(sys.argv) > 1:
        sys.path.append(sys.argv[1])
    rng = np.random.default_rng(0)
    points = np.concatenate([EXTENT * rng.random((STATIONS, 2)), np.zeros((STATIONS, 1))], axis=1)
    values = np.sin(points[:, 0] / 9e3) + rng.normal(0, 0.1, STATIONS)
    axis = EXTENT * (np.arange(SIDE) + 0.5) / SIDE
    cells = np.stack([*(part.ravel() for part in np.meshgrid(axis, axis)), np.zeros(SIDE**2)], axis=1)
    variogram = Variogram("exponential", 1.0, RANGE, NUGGET)

    def local(neighbours: int) -> np.ndarray:
        return predict(Kriging(points, values, variogram, neighbours=neighbours), cells, True)

    def whole() -> np.ndarray:
        return predict(Kriging(points, values, variogram, neighbours=0), cells)

    # What counts all stations is measured with as many stations, although Kriging itself would then take the nearest.
    interpolation.ALL_STATIONS = STATIONS
    ours = {
        "16 nearest stations, mean and variance": lambda: local(16),
        "32 nearest stations, mean and variance": lambda: local(32),
        "all stations, mean": whole,
        "all stations, inverse distances": lambda: predict(InverseDistance(points, values), cells),
    }
    forget_peak_memory()
    before = peak_memory()
    taken = dict(zip(ours, medians(*ours.values(), repeats=3)))
    print(f"{STATIONS:,} stations, {SIDE**2:,} cells; times over that of the first line")
    for name, time in taken.items():
        print(f"{name}: {time / taken['16 nearest stations, mean and variance']:.2f}")
    print(
        f"peak memory over that before: {(peak_memory() - before) / (16 * SIDE**2):.1f} of the size of mean and "
        "variance"
    )
    if importlib.util.find_spec("pykrige") is None:
        print("pykrige is not installed; name a folder that holds it.")
        return
    from pykrige.ok import OrdinaryKriging

    theirs = OrdinaryKriging(
        *points[:, :2].T,
        values,
        variogram_model="exponential",
        variogram_parameters={"sill": 1.0, "range": RANGE, "nugget": NUGGET},
        exact_values=False,
    )
    maps: dict[str, np.ndarray] = {}

    def theirs_of(name: str, **options: int) -> Callable[[], None]:
        return lambda: maps.update({name: theirs.execute("grid", axis, axis, backend="C", **options)[0].ravel()})

    peers = {
        "16 nearest stations, mean and variance": theirs_of(
            "16 nearest stations, mean and variance", n_closest_points=16
        ),
        "all stations, mean": theirs_of("all stations, mean"),
    }
    print("pykrige (C loop; it always computes the variance), times over ours:")
    for name, peer in peers.items():
        ratio = medians(peer, repeats=1)[0] / taken[name]
        print(f"{name}: {ratio:.1f}; largest difference of the maps {np.abs(maps[name] - ours[name]()).max():.1g}")


if __name__ == "__main__":
    main()
