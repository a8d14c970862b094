"""`pip install .` in a clean environment, without osgeo and QGIS: the core samples, interpolates, trains, predicts and
validates.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_SCRIPT = """
import importlib.util, sys
from pathlib import Path
import numpy as np
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.assessment.splits import StationSplit
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.writing import raster_writer
from sm_toolbox.stations.interpolation.maps import interpolate_stations
from sm_toolbox.stations.sampling import Rows, sample_rows
from sm_toolbox.validation.stations import validate_stations

assert importlib.util.find_spec("osgeo") is None and importlib.util.find_spec("qgis") is None
folder = Path(sys.argv[1])
grid = Grid(32630, Affine(100, 0, 500000, 0, -100, 4000000), 60, 50)
random = np.random.default_rng(0)
row, column = np.mgrid[:50, :60]
dem = (200 + 5 * row + 20 * np.sin(column / 7)).astype(np.float32)
days = [f"2020-06-{day:02d}" for day in range(1, 11)]
ndvi = np.stack([0.3 + 0.004 * column + 0.02 * day for day in range(10)]).astype(np.float32)
for name, bands, values in (("dem", ["dem"], dem[None]), ("ndvi", [f"ndvi@{day}" for day in days], ndvi)):
    with raster_writer(RasterOutput(str(folder / f"{name}.tif"), bands), grid) as writer:
        writer.write(values, Window(0, 0, 60, 50))
sources = [Source(str(folder / "dem.tif")), Source(str(folder / "ndvi.tif"))]
from sm_toolbox.raster.times import parse_time

at = random.integers(0, (50, 60), (30, 2))
places, day_of_row = np.repeat(np.arange(30), 10), np.tile(np.arange(10), 30)
x, y = grid.transform * (at[places, 1] + 0.5, at[places, 0] + 0.5)
truth = 0.0005 * dem[at[places, 0], at[places, 1]] + 0.3 * ndvi[day_of_row, at[places, 0], at[places, 1]]
names = [f"s{place}" for place in places]
rows = Rows("stations", x, y, driver().crs(32630), [parse_time(days[day]) for day in day_of_row], names)
samples = sample_rows(rows, sources, 0)
columns = {variable.variable: variable.values for variable in samples.variables}
assert {"dem", "ndvi"} == set(columns) and all(np.isfinite(values).all() for values in columns.values())
table = make_training_table(
    {"sm": truth, **columns, "station": names}, Roles("sm", ["dem", "ndvi"], station="station"), "table"
)
training = train(table, RandomForest(n_estimators=30), StationSplit(folds=5))
predict_raster(training.model, sources, str(folder / "map.tif"))
result = validate_stations(rows, truth, [Source(str(folder / "map.tif"))])
assert result.pooled.r > 0.95, result.pooled
interpolated = interpolate_stations(rows, truth, "sm", sources[0], str(folder / "kriged.tif"))
with driver().open(str(folder / "kriged.tif")) as dataset:
    assert dataset.count == 10
print("DONE", driver().name)
"""


def test_the_core_in_a_clean_environment(tmp_path):
    environment = tmp_path / "clean"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, capture_output=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "compiled")}
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    (copy / "sm_toolbox").symlink_to(ROOT / "sm_toolbox")
    installed = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", str(copy)], env=clean, capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"pip cannot get the libraries here: {installed.stderr.strip().splitlines()[-1]}")
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [str(python), "-c", _SCRIPT, str(tmp_path / "work")], env=clean, capture_output=True, text=True, cwd=tmp_path
    )
    assert "DONE rasterio" in done.stdout, done.stderr[-3000:]
