"""downscale beside predictraster with the same model on the same fine grid: ratios of time and of peak memory.

usage: make bench ARGS='downscale [--repeats 5] [--large] [--small]'

A product of 40 × 40 cells is downscaled to 2000 × 2000 with 25 predictors and a forest (100 trees, at least 10 rows in
a leaf), and the same map is made by predictraster of the model that came out, each in a process of its own,
interleaved; medians. What downscale does beyond the prediction is to average the predictors, to find the residuals, and
to write the map a second time with them; training and validation, which predictraster does not do, are told apart. With
--large the memory of downscale is measured on a raster of 16 times the cells, too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))
COARSE = 10 if "--small" in sys.argv else 40
HYPERPARAMETERS = '{"n_estimators": 100, "min_samples_leaf": 10}'


def write_product(path: Path, predictors: Path) -> None:
    """Write a product that depends on some of the predictors."""
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.transform import from_origin

    with rasterio.open(predictors) as fine:
        means = fine.read([1, 3, 5], out_shape=(3, COARSE, COARSE), resampling=Resampling.average)
        cell = 10 * fine.width / COARSE
        crs = fine.crs
    noise = np.random.default_rng(2).normal(0, 0.01, (COARSE, COARSE))
    values = 0.1 + 0.2 * means[0] + 0.1 * means[1] * means[2] + noise
    with rasterio.open(
        path, "w", driver="GTiff", width=COARSE, height=COARSE, count=1, dtype="float32", crs=crs,
        transform=from_origin(0, 0, cell, cell),
    ) as dataset:  # fmt: skip
        dataset.write(values.astype(np.float32), 1)
        dataset.set_band_description(1, "soil_moisture")


def downscale(folder: Path, raster: str) -> dict[str, float]:
    """What 'Downscale product' does, by its parts."""
    from sm_toolbox.downscaling.fine import DownscaleFiles, make_fine_map
    from sm_toolbox.downscaling.learning import Learning, learn_cells
    from sm_toolbox.downscaling.table import DownscaleInputs, coarse_table
    from sm_toolbox.models.learners.catalogue import make_estimator
    from sm_toolbox.models.modelfile import save_model
    from sm_toolbox.progress import SILENT
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.request import Engine

    start = time.perf_counter()
    inputs = DownscaleInputs([Source(str(folder / "coarse.tif"))], [Source(raster)])
    table = coarse_table(inputs, Engine())
    averaged = time.perf_counter()
    model = learn_cells(table, Learning([make_estimator("random_forest", HYPERPARAMETERS)]), SILENT)
    learned = time.perf_counter()
    make_fine_map(model, DownscaleFiles(str(folder / "fine.tif")), "block_bilinear", True, Engine())
    save_model(model.training.model, str(folder / "model.smmodel"))
    return {"learning": learned - averaged, "seconds": time.perf_counter() - start - (learned - averaged)}


def predict(folder: Path, raster: str) -> dict[str, float]:
    """What 'Predict raster' does with the model."""
    from sm_toolbox.models.modelfile import load_model
    from sm_toolbox.models.prediction import predict_raster
    from sm_toolbox.raster.opening import Source

    start = time.perf_counter()
    predict_raster(load_model(str(folder / "model.smmodel")), [Source(raster)], str(folder / "map.tif"))
    return {"learning": 0.0, "seconds": time.perf_counter() - start}


def measure(what: str, folder: Path, raster: Path) -> tuple[float, float, float]:
    """Run one way in a process of its own; seconds of the map and of learning, and peak memory in MB."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", what, str(folder), str(raster)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    result = json.loads(done.stdout.strip().split("\n")[-1])
    return result["seconds"], result["learning"], result["peak"]


def worker(what: str, folder: str, raster: str) -> None:
    """Time one way."""
    result = {"downscale": downscale, "predict": predict}[what](Path(folder), raster)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    print(json.dumps({**result, "peak": peak}))


def main() -> None:
    """Compare and print ratios."""
    from predictraster import write_raster

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--size", type=int, default=2000)
    arguments.add_argument(
        "--large", action="store_true", help="measure memory on a raster of 16 times the cells, too (6.4 GB of disk)"
    )
    arguments.add_argument("--small", action="store_true", help="only show that it runs, once and on few cells")
    options = arguments.parse_args()
    if options.small:
        options.size, options.repeats = 100, 1
    with tempfile.TemporaryDirectory(prefix="smtoolbox-bench-") as name:
        folder = Path(name)
        raster = folder / "predictors.tif"
        print(f"Writing {options.size} × {options.size} cells, 25 bands …", flush=True)
        write_raster(raster, options.size, False)
        write_product(folder / "coarse.tif", raster)
        measure("downscale", folder, raster)  # numba compiles once per installation
        measure("predict", folder, raster)
        runs = {"downscale": [], "predict": []}
        for repeat in range(options.repeats):
            for what in ("downscale", "predict") if repeat % 2 else ("predict", "downscale"):
                runs[what].append(measure(what, folder, raster))
        ours, base = (np.median(runs[what], axis=0) for what in ("downscale", "predict"))
        print(f"Time of the map:        downscale / predictraster = {ours[0] / base[0]:.2f}")
        print(f"With its training:      downscale / predictraster = {(ours[0] + ours[1]) / base[0]:.2f}")
        print(f"Peak memory:            downscale / predictraster = {ours[2] / base[2]:.2f}")
        if options.large:
            raster.unlink()
            write_raster(raster, 4 * options.size, False)
            write_product(folder / "coarse.tif", raster)
            peak = measure("downscale", folder, raster)[2]
            print(f"Peak memory of downscale: 16 times the cells / once = {peak / ours[2]:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    else:
        main()
