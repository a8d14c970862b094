"""predictraster beside the usual loop of GDAL blocks and scikit-learn: ratios of time and of peak memory.

usage: make bench ARGS='predictraster [--repeats 5] [--large] [--smooth] [--small]'

Both read the same raster (2000 × 2000 cells, 25 bands) and write the same map with the same forest (100 trees, at least
10 rows in a leaf) on all cores, each run in a process of its own, interleaved; medians. With --large the memory of
predictraster is measured on a raster of 16 times the cells, too.

Half of the bands are smooth, as climate, soil and elevation are, half rough, as curvatures and radar are. With --smooth
all are smooth: neighbours then take the same way through the trees, which the branch prediction behind scikit-learn
likes best.
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
BANDS, TREES, LEAF, ROWS = 25, 100, 10, 500 if "--small" in sys.argv else 20_000


def names() -> list[str]:
    """Names of the predictors."""
    return [f"p{i}" for i in range(BANDS)]


def write_raster(path: Path, size: int, smooth: bool) -> None:
    """Write waves with noise, a stripe of rows at a time; in every second band the noise is strong unless all are to be
    smooth.
    """
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    rng = np.random.default_rng(1)
    a, b, c = rng.uniform(1, 12, BANDS), rng.uniform(1, 12, BANDS), rng.uniform(0, 6, BANDS)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=size,
        height=size,
        count=BANDS,
        dtype="float32",
        crs="EPSG:32630",
        transform=from_origin(0, 0, 10, 10),
        tiled=True,
        bigtiff="if_safer",
    ) as dataset:
        for index, name in enumerate(names(), start=1):
            dataset.set_band_description(index, name)
        x = np.linspace(0, 1, size, dtype=np.float32)
        for top in range(0, size, 256):
            y = (np.arange(top, min(top + 256, size), dtype=np.float32) / size)[:, None]
            for i in range(BANDS):
                noise = 0.02 if smooth or i % 2 == 0 else 0.2
                values = (
                    0.5
                    + 0.4 * np.sin(a[i] * x + b[i] * y + c[i])
                    + noise * rng.standard_normal((len(y), size), dtype=np.float32)
                )
                dataset.write(values.astype(np.float32), i + 1, window=Window(0, top, size, len(y)))


def train(folder: Path) -> None:
    """Fit one forest, kept both ways."""
    import joblib
    from sklearn.ensemble import RandomForestRegressor

    from sm_toolbox.models.features import FeatureEncoder
    from sm_toolbox.models.learners.forest import Forest
    from sm_toolbox.models.manifest import FORMAT, FORMAT_VERSION, Manifest, PredictorRecord, TargetRecord
    from sm_toolbox.models.modelfile import Model, save_model

    rng = np.random.default_rng(0)
    x = rng.random((ROWS, BANDS), dtype=np.float32)
    y = np.sin(6 * x[:, 0]) + x[:, 1] * x[:, 2] + x[:, 3] ** 2 + 0.3 * rng.standard_normal(ROWS)
    forest = RandomForestRegressor(TREES, min_samples_leaf=LEAF, n_jobs=-1, random_state=0).fit(x, y)
    joblib.dump(forest, folder / "forest.joblib")
    predictors = tuple(PredictorRecord(name) for name in names())
    manifest = Manifest(
        FORMAT, FORMAT_VERSION, "random_forest", "regression", TargetRecord("soil_moisture"), predictors
    )
    save_model(
        Model(manifest, FeatureEncoder(tuple(names()), {}), Forest.from_sklearn(forest.estimators_, BANDS)),
        str(folder / "forest.smmodel"),
    )


def ours(folder: Path, raster: str) -> None:
    """What 'Predict raster' does."""
    from sm_toolbox.models.modelfile import load_model
    from sm_toolbox.models.prediction import predict_raster
    from sm_toolbox.raster.opening import Source

    predict_raster(load_model(str(folder / "forest.smmodel")), [Source(raster)], str(folder / "ours.tif"))


def peer(folder: Path, raster: str) -> None:
    """The loop that people write: rows of blocks through scikit-learn."""
    import joblib
    from osgeo import gdal

    forest = joblib.load(folder / "forest.joblib")
    forest.n_jobs = -1
    source = gdal.Open(raster)
    width, height = source.RasterXSize, source.RasterYSize
    target = gdal.GetDriverByName("GTiff").Create(
        str(folder / "peer.tif"),
        width,
        height,
        1,
        gdal.GDT_Float32,
        ["TILED=YES", "COMPRESS=ZSTD", "ZSTD_LEVEL=1", "PREDICTOR=2"],
    )
    target.SetGeoTransform(source.GetGeoTransform())
    target.SetProjection(source.GetProjection())
    for top in range(0, height, 256):
        rows = min(256, height - top)
        block = source.ReadAsArray(0, top, width, rows)
        flat = block.reshape(BANDS, -1).T
        valid = np.isfinite(flat).all(axis=1)
        out = np.full(len(flat), np.nan, np.float32)
        out[valid] = forest.predict(flat[valid])
        target.GetRasterBand(1).WriteArray(out.reshape(rows, width), 0, top)
    target.FlushCache()


def measure(what: str, folder: Path, raster: Path) -> tuple[float, float]:
    """Run one way in a process of its own; seconds of the job and peak memory in MB."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", what, str(folder), str(raster)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    result = json.loads(done.stdout.strip().split("\n")[-1])
    return result["seconds"], result["peak"]


def worker(what: str, folder: str, raster: str) -> None:
    """Time one way from the start of its imports."""
    start = time.perf_counter()
    {"ours": ours, "peer": peer}[what](Path(folder), raster)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "peak": peak}))


def main() -> None:
    """Compare and print ratios."""
    import rasterio

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--size", type=int, default=2000)
    arguments.add_argument(
        "--large", action="store_true", help="measure memory on a raster of 16 times the cells, too (6.4 GB of disk)"
    )
    arguments.add_argument("--smooth", action="store_true", help="make all bands smooth")
    arguments.add_argument("--small", action="store_true", help="only show that it runs, once and on few cells")
    options = arguments.parse_args()
    if options.small:
        options.size, options.repeats = 100, 1
    with tempfile.TemporaryDirectory(prefix="smtoolbox-bench-") as name:
        folder = Path(name)
        raster = folder / "predictors.tif"
        print(f"Writing {options.size} × {options.size} cells, {BANDS} bands; training {TREES} trees …", flush=True)
        write_raster(raster, options.size, options.smooth)
        train(folder)
        measure("ours", folder, raster)  # numba compiles once per installation
        runs = {"ours": [], "peer": []}
        for repeat in range(options.repeats):
            for what in ("ours", "peer") if repeat % 2 else ("peer", "ours"):
                runs[what].append(measure(what, folder, raster))
        with rasterio.open(folder / "ours.tif") as a, rasterio.open(folder / "peer.tif") as b:
            difference = float(np.abs(a.read(1) - b.read(1)).max())
        (seconds, peak), (peer_seconds, peer_peak) = (np.median(runs[what], axis=0) for what in ("ours", "peer"))
        print(f"Greatest difference of the maps: {difference:.1e}")
        print(f"Time:        GDAL + scikit-learn / predictraster = {peer_seconds / seconds:.2f}")
        print(f"Peak memory: GDAL + scikit-learn / predictraster = {peer_peak / peak:.2f}")
        if options.large:
            raster.unlink()
            write_raster(raster, 4 * options.size, options.smooth)
            print(
                "Peak memory of predictraster: 16 times the cells / once = "
                f"{measure('ours', folder, raster)[1] / peak:.2f}"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    else:
        main()
