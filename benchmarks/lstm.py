"""Speed and memory of LSTMs (S3's: 80 and 100 units, 12 steps) beside torch, on all cores.

Run with `python benchmarks/lstm.py [folder] [--large]`; `folder` may hold the package torch, and without it our own
times are printed alone. Predictions of rows, a training epoch of two sizes of tables, and maps of 60 dates from the
files: 300 × 300 cells and 4 times as many, with `--large` 1000 × 1000. Ours predict blocks of rows on as many threads
as there are cores, as `predict_raster` does it; torch gets all cores and batches of its best size.

NumPy's products of matrices take most of the time, and their library may not know a new processor: the bundled or
system OpenBLAS says with `threadpoolctl` which kernel it runs (printed), and OPENBLAS_CORETYPE=SkylakeX, say, names
another.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, forget_peak_memory, medians, peak_memory
from sm_toolbox.models.assessment.splits import StationSplit
from sm_toolbox.models.learners.lstm import ShortTermMemory
from sm_toolbox.models.learners.lstm_network import Network, Shape
from sm_toolbox.models.learners.lstm_torch import TorchTrainer
from sm_toolbox.models.learners.lstm_training import Course, NumpyTrainer
from sm_toolbox.models.learners.sequences import Parts
from sm_toolbox.models.modelfile import Model
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train
from sm_toolbox.onethread import products_in_one_thread
from sm_toolbox.raster.opening import Source

LARGE = "--large" in sys.argv
if LARGE:
    sys.argv.remove("--large")
if len(sys.argv) > 1:
    sys.path.insert(1, sys.argv[1])
WITH_TORCH = importlib.util.find_spec("torch") is not None
THREADS = os.cpu_count() or 1
STEPS, MOVING, FIXED, UNITS, BATCH = 12, 3, 4, (80, 100), 32
BLOCK, AT_ONCE, FEW = 4096, 512, 6400


def rows_per_second(what: str, rows: int, ours: Callable[[], object], peer: Callable[[], object] | None) -> None:
    """Print the speed of ours, and how many times as fast it is as torch."""
    mine, *theirs = medians(ours, *([peer] if peer else []), repeats=3)
    beside = f", {theirs[0] / mine:.2f} times as fast as torch" if theirs else " (torch is not installed)"
    print(f"{what}: {rows / mine / 1000:.1f} thousand rows per second{beside}", flush=True)


def predictions(rows: int) -> None:
    """Rows of pixels."""
    rng = np.random.default_rng(0)
    shape = Shape(MOVING + FIXED, UNITS)
    network = Network(shape, shape.drawn(rng), MOVING)
    moving = rng.standard_normal((STEPS, rows, MOVING)).astype(np.float32)
    fixed = rng.standard_normal((rows, FIXED)).astype(np.float32)
    blocks = [slice(start, start + BLOCK) for start in range(0, rows, BLOCK)]

    def ours() -> list[np.ndarray]:
        with products_in_one_thread(), ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda part: network.predict(moving[:, part], fixed[part]), blocks))

    peer = None
    if WITH_TORCH:
        import torch

        both = np.concatenate([moving, np.broadcast_to(fixed, (STEPS, *fixed.shape))], axis=2)
        nothing = np.zeros(rows, np.float32)
        trainer = TorchTrainer(
            Course(both, nothing, nothing, Parts(blocks, blocks), MOVING), shape, network.vector, 0.1
        )

        def peer() -> list[np.ndarray]:
            return [trainer.predict(np.arange(start, min(rows, start + AT_ONCE))) for start in range(0, rows, AT_ONCE)]

        off = np.abs(np.concatenate(ours()) - np.concatenate(peer())).max()
        print(f"Predictions differ from torch's ({torch.__version__}) by up to {off:.1e} standard deviations")
    rows_per_second("Predictions", rows, ours, peer)


def epochs(what: str, rows: int) -> None:
    """Batches of an epoch of training, of a large table the first ones."""
    rng = np.random.default_rng(0)
    shape, learned = Shape(MOVING + FIXED, UNITS), np.arange(rows)
    sequences = rng.standard_normal((STEPS, rows, MOVING + FIXED)).astype(np.float32)
    weights = np.ones(rows, np.float32)
    course = Course(sequences, sequences[-1, :, 0].copy(), weights, Parts(learned, learned[:0]), MOVING)
    keep = np.float32(1 / 0.8)

    def epoch(kind: type) -> Callable[[], None]:
        trainer = kind(course, shape, shape.drawn(np.random.default_rng(0)), 0.001)

        def run() -> None:
            order = rng.permutation(learned)[:FEW]
            for start in range(0, len(order), BATCH):
                batch = order[start : start + BATCH]
                sizes = (STEPS, len(batch), UNITS[0]), (len(batch), UNITS[1])
                trainer.learn_from(batch, [(rng.random(size, np.float32) > 0.2) * keep for size in sizes])

        return run

    def ours() -> None:
        with products_in_one_thread():
            mine()

    mine = epoch(NumpyTrainer)
    rows_per_second(f"Training, {what}", min(rows, FEW), ours, epoch(TorchTrainer) if WITH_TORCH else None)


def trained() -> Model:
    """Return a model of S3's size, trained for a moment."""
    rng = np.random.default_rng(0)
    lags = [f"rain_lag{back}" for back in range(1, STEPS)]
    columns = {name: rng.random(80) for name in ("sm", "clay", "rain", *lags)}
    columns["station"] = np.arange(80) // 10
    table = make_training_table(columns, Roles("sm", ("clay", "rain", *lags), "station"), "table")
    return train(table, ShortTermMemory(max_epochs=1), StationSplit(2)).model


def write_bands(path: Path, side: int, names: list[str]) -> Source:
    """Write random bands as a tiled GeoTIFF."""
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(len(names))
    options = {"crs": "EPSG:32630", "transform": from_origin(5e5, 4e6, 30, 30), "dtype": "float32", "tiled": True}
    with rasterio.open(path, "w", driver="GTiff", width=side, height=side, count=len(names), **options) as file:
        for index, name in enumerate(names, start=1):
            file.write(rng.random((side, side), np.float32), index)
            file.set_band_description(index, name)
    return Source(str(path))


def maps(side: int, dates: int, model: Model, folder: Path) -> None:
    """Maps of many dates from file to file, and the memory that they take."""
    months = np.datetime64("2010-01") + np.arange(dates + STEPS - 1)
    sources = [
        write_bands(folder / f"rain{side}.tif", side, [f"rain@{month}" for month in months]),
        write_bands(folder / f"clay{side}.tif", side, ["clay"]),
    ]
    forget_peak_memory()
    start = time.perf_counter()
    made = predict_raster(model, sources, str(folder / f"map{side}.tif"))
    seconds = time.perf_counter() - start
    print(
        f"Maps of {side} × {side} cells and {len(made.bands)} dates: {seconds:.0f} s, "
        f"{side * side * len(made.bands) / seconds / 1000:.1f} thousand rows per second, "
        f"peak memory {peak_memory() / 2**20:,.0f} MB",
        flush=True,
    )


def main() -> None:
    from threadpoolctl import threadpool_info

    known = [f"{item['internal_api']} {item.get('architecture', '')}" for item in threadpool_info()]
    print(f"Products of matrices by {', '.join(known)}; {THREADS} cores")
    predictions(2000 if SMALL else 60_000)
    epochs("36 cells × 60 months", 100 if SMALL else 2160)
    epochs("2,000 cells × 60 months", 200 if SMALL else 120_000)
    model = trained()
    with tempfile.TemporaryDirectory() as folder:
        for side in (8, 16) if SMALL else (1000,) if LARGE else (150, 300):
            maps(side, 3 if SMALL else 60, model, Path(folder))


if __name__ == "__main__":
    main()
