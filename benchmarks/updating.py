"""A night's update of a map beside making all of it anew: ratios of time.

usage: make bench ARGS='updating [--small]'

A forest of 100 trees predicts a map of 1000 × 1000 cells on 60 dates, and then on one more, as GeoTIFF and as NetCDF.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
SIZE, DATES = (60, 4) if "--small" in sys.argv else (1000, 60)


def write_raster(path: Path, names: list[str]) -> None:
    """Write noise, band by band."""
    from sm_toolbox.raster.affine import Affine, Window
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.outputs import RasterOutput
    from sm_toolbox.raster.writing import raster_writer

    rng = np.random.default_rng(len(names))
    grid = Grid(32630, Affine(100, 0, 500000, 0, -100, 4000000), SIZE, SIZE)
    with raster_writer(RasterOutput(str(path), names), grid) as writer:
        for place in range(len(names)):
            writer.write(rng.random((1, SIZE, SIZE)).astype(np.float32), Window(0, 0, SIZE, SIZE), place)


def main() -> None:
    """Print how long an update takes, in terms of the whole and of the date alone."""
    from sm_toolbox.models.assessment.splits import RandomSplit
    from sm_toolbox.models.learners.randomforest import RandomForest
    from sm_toolbox.models.planes import Wanted
    from sm_toolbox.models.prediction import predict_raster
    from sm_toolbox.models.table import Roles, make_training_table
    from sm_toolbox.models.training import train
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.times import parse_dates

    rng = np.random.default_rng(0)
    columns = {name: rng.random(500) for name in "abc"}
    columns["sm"] = columns["a"] + 2 * columns["b"] + 3 * columns["c"]
    table = make_training_table(columns, Roles("sm", ("a", "b", "c")), "rows")
    model = train(table, RandomForest(n_estimators=100), RandomSplit(2)).model
    dates = [str(np.datetime64("2020-01-01") + day) for day in range(DATES + 1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_raster(folder / "static.tif", ["a", "b"])
        write_raster(folder / "dated.tif", [f"c@{date}" for date in dates])
        sources = [Source(str(folder / "static.tif")), Source(str(folder / "dated.tif"))]

        def seconds(output: str, chosen: list[str]) -> float:
            start = time.perf_counter()
            wanted = Wanted(update=True, dates=parse_dates(", ".join(chosen)))
            predict_raster(model, sources, str(folder / output), wanted=wanted)
            return time.perf_counter() - start

        seconds("compiled.tif", dates[:1])
        for ending in (".tif", ".nc"):
            alone = seconds(f"alone{ending}", dates[-1:])
            whole = seconds(f"map{ending}", dates[:-1])
            update, nothing = seconds(f"map{ending}", dates), seconds(f"map{ending}", dates)
            size = (folder / f"map{ending}").stat().st_size / 2**20
            print(
                f"{ending}: one date more than {DATES}, {update:.2f} s, takes {update / whole:.3f} of the time of "
                f"these and {update / alone:.1f} times that of its map alone; nothing new: {nothing:.2f} s "
                f"({size:.0f} MB)"
            )


if __name__ == "__main__":
    main()
