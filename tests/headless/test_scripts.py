"""The scripts of docs/scripts.md, run as they stand there: each night, and a batch."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sm_toolbox.models.assessment.splits import RandomSplit
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train
from sm_toolbox.raster.opening import Source

pytestmark = pytest.mark.headless
ROOT = Path(__file__).parents[2]
PLACE = "/data/moisture"
SHAPE = (20, 30)
DAYS = ["2020-06-05", "2020-06-06", "2020-06-08"]


def block(words):
    """Return the block of code of the page that holds some words."""
    text = (ROOT / "docs" / "scripts.md").read_text(encoding="utf-8")
    (found,) = [code for code in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) if words in code]
    return found


def write(path, name, values):
    path.parent.mkdir(exist_ok=True)
    profile = {"crs": "EPSG:4326", "transform": from_origin(10, 50, 0.05, 0.05), "dtype": "float32"}
    with rasterio.open(path, "w", "GTiff", SHAPE[1], SHAPE[0], 1, **profile, nodata=-9999) as dataset:
        dataset.write(np.asarray(values, np.float32), 1)
        dataset.set_band_description(1, name)


def rain(day):
    return np.random.default_rng(int(day.replace("-", ""))).uniform(0, 20, SHAPE)


@pytest.fixture
def place(tmp_path):
    """The folder of the page, with a model of terrain and rain."""
    folder = tmp_path / "moisture"
    folder.mkdir()
    write(folder / "terrain.tif", "elevation", np.linspace(200, 400, 600).reshape(SHAPE))
    random = np.random.default_rng(1)
    elevation, amount = random.uniform(200, 400, 80), random.uniform(0, 20, 80)
    table = make_training_table(
        {"elevation": elevation, "precipitation": amount, "sm": 0.1 + 0.01 * amount - 0.0001 * elevation},
        Roles("sm", ("elevation", "precipitation")),
        "training",
    )
    estimator = make_estimator("random_forest", '{"n_estimators": 9}')
    save_model(train(table, estimator, RandomSplit(2)).model, str(folder / "map.smmodel"))
    return folder


@pytest.fixture
def shell(place, tmp_path):
    """A function that runs a command where `qgis_process` is that of the project."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "qgis_process").write_text(f'#!/bin/sh\nexec "{ROOT}/tools/process.sh" "$@"\n')
    (programs / "qgis_process").chmod(0o755)

    def run(*command):
        clean = {**os.environ, "PATH": f"{programs}:/usr/bin:/bin"}
        done = subprocess.run(command, env=clean, capture_output=True, text=True, cwd=place, timeout=600)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


def arrive(place, day):
    write(place / "arrived" / f"chirps-v2.0.{day.replace('-', '.')}.tif", "", rain(day))


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.tags()


def test_night_by_night(place, shell):
    (place / "night.sh").write_text(block("# night.sh").replace(PLACE, str(place)))
    for day in DAYS[1:]:
        arrive(place, day)
    shell("sh", "night.sh")
    before, _ = read(place / "map.nc")
    # An earlier day comes late.
    arrive(place, DAYS[0])
    log = shell("sh", "night.sh")
    assert f"Added: {DAYS[0]}" in log and "holds 2 dates" in log
    values, tags = read(place / "map.nc")
    np.testing.assert_array_equal(values[1:].view(np.uint32), before.view(np.uint32))
    once = str(place / "once.nc")
    predict_raster(
        load_model(str(place / "map.smmodel")),
        [Source(str(place / "terrain.tif")), Source(str(place / "rain.tif"))],
        once,
    )
    np.testing.assert_array_equal(values.view(np.uint32), read(once)[0].view(np.uint32))
    history = tags["NC_GLOBAL#history"].splitlines()
    assert [line.split("predictraster: ")[1].split(" from ")[0] for line in history] == [", ".join(DAYS[1:]), DAYS[0]]
    _, tags = read(place / "rain.tif")
    assert [line.rpartition(" from ")[2].count("chirps") for line in tags["history"].splitlines()] == [2, 1]
    assert len(read(place / "source.nc")[0]) == 3
    assert sorted(path.name for path in place.iterdir() if path.name.startswith(".")) == []


def test_a_batch_file(place, shell):
    days = [f"2020-06-{day:02}" for day in range(1, 15)]
    with rasterio.open(place / "terrain.tif") as terrain:
        profile = {**terrain.profile, "count": len(days)}
    with rasterio.open(place / "rain.tif", "w", **profile) as file:
        for band, day in enumerate(days, start=1):
            file.write(rain(day).astype(np.float32), band)
            file.set_band_description(band, f"precipitation@{day}")
    (place / "run_batch.py").write_text(block("run_batch.py"))
    (place / "batch.json").write_text(block('"PARAMETERS": {').replace(PLACE, str(place)))
    log = shell(sys.executable, "run_batch.py", "smtoolbox:predictraster", "batch.json")
    assert [len(read(place / f"map_{number}.tif")[0]) for number in (1, 2)] == [7, 7]
    assert log.count("less like the training than") == 1, "of the first row alone"
    # As the panel of QGIS 3.40 saves it: values as they are.
    newer = {"format": "batch_3.40", "rows": [{"OUTPUTS": {"OUTPUT": str(place / "map_2.tif")}}]}
    newer["rows"][0]["PARAMETERS"] = {
        "MODEL_FILE": str(place / "map.smmodel"),
        "PREDICTORS": [str(place / "terrain.tif"), str(place / "rain.tif")],
        "DATES": days[13],
        "GRID": None,
        "UPDATE": True,
    }
    before = (place / "map_2.tif").stat().st_mtime_ns
    (place / "batch.json").write_text(json.dumps(newer))
    log = shell(sys.executable, "run_batch.py", "smtoolbox:predictraster", "batch.json")
    assert "Nothing new" in log and (place / "map_2.tif").stat().st_mtime_ns == before
