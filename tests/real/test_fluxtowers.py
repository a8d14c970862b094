"""Flux towers of the USA (ECOSTRESS calibration and validation, in the PyPI wheel ptjplsm 1.10.0, Apache-2.0): random
folds, held-out sites and held-out years tell different errors.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.reports.training import training_report
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train
from sm_toolbox.raster.grid import metres_per_degree

pytestmark = pytest.mark.real
CACHE = Path(__file__).parents[2] / ".cache" / "ptjplsm"
WHEEL = "ptjplsm-1.10.0-py3-none-any.whl"
PREDICTORS = ("NDVI", "albedo", "ST_C", "SM", "Elev", "field_capacity", "wilting_point")


@pytest.fixture(scope="module")
def towers():
    """Overpasses with soil moisture measured in place, screened to (0, 0.7)."""
    if not (CACHE / WHEEL).exists():
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "ptjplsm==1.10.0", "--no-deps", "--quiet", "--dest", str(CACHE)],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            pytest.skip(f"pip cannot fetch ptjplsm 1.10.0: {done.stderr.strip()[-200:]}")
    with zipfile.ZipFile(CACHE / WHEEL) as wheel, wheel.open("PTJPLSM/ECOv002-cal-val-PT-JPL-SM-inputs.csv") as file:
        table = pd.read_csv(file)
    table = table[(table.SM_surf > 0) & (table.SM_surf < 0.7)]
    columns = {
        name: [None if pd.isna(value) else value for value in table[name]] for name in (*PREDICTORS, "SM_surf", "ID")
    }
    columns["time"] = pd.to_datetime(table.time_utc).dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()
    positions = table[["Long", "Lat"]].to_numpy() * metres_per_degree(float(table.Lat.mean()))
    return make_training_table(columns, Roles("SM_surf", PREDICTORS, "ID", "time"), "flux towers", positions)


@pytest.fixture(scope="module")
def trainings(towers):
    """A forest for each way of leaving out."""
    estimator = make_estimator("quantile_forest", None)
    return {name: train(towers, estimator, make_split(name, 5)) for name in ("station", "year", "station_time")}


def test_the_table_is_the_one_described(towers):
    assert len(towers) == 820 and len(np.unique(towers.stations)) == 55
    assert set(np.unique(towers.times.astype("datetime64[Y]")).astype(str)) == {"2019", "2020", "2021", "2022", "2023"}


def test_sites_and_years_left_out_tell_more_error_than_random_rows(trainings):
    found = {
        "random": trainings["station"].splits[1].metrics,
        **{name: training.chosen.metrics for name, training in trainings.items()},
    }
    for name, metrics in found.items():
        print(f"Flux towers, split {name}: R2 {metrics.r2:.3f}, RMSE {metrics.rmse:.4f}, n {metrics.n}")
    assert (
        found["random"].rmse < 0.95 * found["year"].rmse < 0.95**2 * found["station"].rmse < found["station_time"].rmse
    )
    html = training_report(trainings["station"]).html()
    assert "times that of the random split" in html


def test_calibrated_intervals_hold_what_they_promise_at_sites_never_seen(trainings):
    for name, training in trainings.items():
        coverage = training.chosen.coverage
        print(
            f"Flux towers, split {name}: 90 % intervals hold {coverage.reached[-1]:.1%} "
            f"({coverage.uncalibrated[-1]:.1%} without calibration)"
        )
        np.testing.assert_allclose(coverage.reached, coverage.nominal, atol=0.06)
