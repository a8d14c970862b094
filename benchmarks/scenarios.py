"""What ways of testing tell of real tables: flux towers of the USA, and loggers of the Cook Agronomy Farm.

Run with `python benchmarks/scenarios.py towers [minutes]` or `cookfarm [minutes]`. The towers are overpasses of
ECOSTRESS with soil moisture measured in place (PyPI wheel ptjplsm 1.10.0, which pip downloads); the farm is that of
Gasch et al. 2015 (doi 10.1016/j.spasta.2015.04.001), in the folder that SM_TOOLBOX_DATA names, its loggers at 0.3 m
every 14th day. Printed are the time of a fit against the bare library, the numbers of trials and fits with the time
that is expected and the one that it took, how busy the cores were, the median RMSE by scenario, size and model, and the
verdict.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, medians
from sm_toolbox.experiments.comparison import compare_scenarios
from sm_toolbox.experiments.report import scenario_report
from sm_toolbox.experiments.settings import ScenarioSettings
from sm_toolbox.experiments.verdict import in_size, verdict
from sm_toolbox.models.assessment.baselines import BASELINES
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.learners.threads import in_one_thread
from sm_toolbox.models.preparation import Prepared, SampledTable, prepare_training
from sm_toolbox.models.table import Roles
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.grid import metres_per_degree
from sm_toolbox.raster.request import Engine

ROOT = Path(__file__).parent.parent
WHEEL = "ptjplsm-1.10.0-py3-none-any.whl"
OF_TOWERS = ("NDVI", "albedo", "ST_C", "SM", "Elev", "field_capacity", "wilting_point")
OF_FARM = [
    "DEM",
    "TWI",
    "BLD",
    "NDRE.M",
    "NDRE.Sd",
    "Bt",
    "Precip_wrcc",
    "MaxT_wrcc",
    "MinT_wrcc",
    "Precip_cum",
    "cday",
]
MODELS = ("random_forest", "xgboost", "svr")
# Beside the defaults those that have as many rows as 9 and 33 stations, so that the two can be compared.
SIZES = {
    "towers": {"sizes_dependent": "0.5,1,2,3,4,5,16,60"},
    "cookfarm": {"sizes_dependent": "0.5,1,2,3,4,5,20,60"},
    "made": {"sizes_dependent": "10,40", "sizes_spatial": "2,8", "sizes_temporal": "1,3"},
}


def towers() -> Prepared:
    """Return the overpasses with soil moisture in (0, 0.7)."""
    folder = ROOT / ".cache" / "ptjplsm"
    if not (folder / WHEEL).exists():
        fetch = [sys.executable, "-m", "pip", "download", "ptjplsm==1.10.0", "--no-deps", "--dest", str(folder)]
        subprocess.run(fetch, check=True)
    with zipfile.ZipFile(folder / WHEEL) as wheel, wheel.open("PTJPLSM/ECOv002-cal-val-PT-JPL-SM-inputs.csv") as file:
        table = pd.read_csv(file)
    table = table[(table.SM_surf > 0) & (table.SM_surf < 0.7)]
    time_of_row = pd.to_datetime(table.time_utc).dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()
    positions = table[["Long", "Lat"]].to_numpy() * metres_per_degree(float(table.Lat.mean()))
    return prepared(table, OF_TOWERS, ("SM_surf", "ID"), time_of_row, positions)


def cookfarm() -> Prepared:
    """Return the loggers at 0.3 m, every 14th day."""
    folder = Path(os.environ.get("SM_TOOLBOX_DATA", ROOT.parent / "shared" / "data"))
    table = pd.read_csv(folder / "cookfarm" / "cast_cookfarm_128545.csv.gz")
    day = pd.to_datetime(table.Date)
    table = table[np.isclose(table.altitude, -0.3) & ((day - day.min()).dt.days % 14 == 0)]
    return prepared(table, OF_FARM, ("VW", "SOURCEID"), table.Date.tolist(), table[["Easting", "Northing"]].to_numpy())


def made() -> Prepared:
    """Return rows of stations with levels of their own, which show no more than that this runs."""
    rng = np.random.default_rng(0)
    station = np.repeat(np.arange(12), 12)
    rain = rng.random(144)
    table = pd.DataFrame({"rain": rain, "sm": 0.2 + rng.normal(0, 0.05, 12)[station] + 0.1 * rain, "name": station})
    dates = [f"{2019 + row % 2}-{1 + row % 12:02d}-01" for row in range(144)]
    return prepared(table, ("rain",), ("sm", "name"), dates, None)


def prepared(
    table: pd.DataFrame, names: Sequence[str], parts: tuple[str, str], times: list[str], positions: np.ndarray | None
) -> Prepared:
    """Return a table as a training takes it, with target and station named in `parts`."""
    columns = {name: [None if pd.isna(value) else value for value in table[name]] for name in (*names, *parts)}
    target, station = parts
    source = SampledTable({**columns, "time": times}, "table", positions)
    return prepare_training(source, Roles(target, tuple(names), station, "time"))


class Printed(Progress):
    """Prints what a log would hold."""

    def info(self, text: str) -> None:
        print(text)

    def warning(self, text: str) -> None:
        print(text)


def against_the_library(rows: Prepared) -> None:
    """Print how long a fit of each kind takes, and the same fit with the bare library."""
    import xgboost
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.svm import SVR

    features, target = rows.table.predictors.astype(np.float32), rows.table.target
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    forest = {"n_estimators": 55, "min_samples_leaf": 2, "max_features": 1 / 3}
    boosted = {"max_depth": 4, "learning_rate": 0.1, "tree_method": "hist"}
    matrix = xgboost.DMatrix(features, target)
    bare = {
        "random_forest": lambda: RandomForestRegressor(**forest, n_jobs=1, random_state=0).fit(features, target),
        "xgboost": lambda: xgboost.train({**boosted, "nthread": 1}, matrix, 200),
        "svr": lambda: SVR(C=1, epsilon=0.1).fit(scaled, (target - target.mean()) / target.std()),
    }
    ours = {
        "random_forest": '{"n_estimators": 55, "min_samples_leaf": 2}',
        "xgboost": '{"n_estimators": 200, "max_depth": 4, "learning_rate": 0.1}',
        "svr": '{"C": 1, "epsilon": 0.1}',
    }
    for kind, library in bare.items():
        estimator = make_estimator(kind, ours[kind])
        with in_one_thread():
            own, other = medians(lambda e=estimator: e.fit(features, target, None, 0, SILENT), library)
        print(f"One fit of {len(target):,} rows, {kind}: {1000 * own:.0f} ms, bare library {1000 * other:.0f} ms")


def main(name: str = "made" if SMALL else "towers", minutes: float = 8) -> None:
    rows = {"towers": towers, "cookfarm": cookfarm, "made": made}[name]()
    print(f"{name}: {len(rows.table):,} rows of {len(np.unique(rows.table.stations))} stations")
    against_the_library(rows)
    small = {"repeats": 2, "candidates": 2} if SMALL else {}
    settings = ScenarioSettings(models=MODELS, **SIZES[name], **small)
    start, busy = time.perf_counter(), time.process_time()
    result = compare_scenarios(rows, settings, max_minutes=minutes, engine=Engine(progress=Printed()))
    took, busy = time.perf_counter() - start, time.process_time() - busy
    print(f"{len(result.outcomes):,} trials took {took:.0f} s, {busy / took:.2f} cores busy of {os.cpu_count()}")
    for scenario, sizes in result.sizes.items():
        for size in sizes:
            train, test = result.rows(scenario, size)
            labels = result.baselines[scenario, size].labels
            found = [
                f"{model} {result.median(scenario, size, model, 'nested'):.4f} (oracle "
                f"{result.median(scenario, size, model, 'oracle'):.4f})"
                for model in MODELS
            ] + [f"{key} {result.median(scenario, size, key, ''):.4f}" for key in BASELINES if key in labels]
            print(f"{scenario}, {in_size(scenario, size)}, {train:,} rows, tested on {test:,}: {', '.join(found)}")
    for line in verdict(result):
        print(line)
    if not SMALL:
        report = Path(f"scenarios_{name}.html")
        scenario_report(result, name).write(str(report))
        print(f"The report is in {report.resolve()}")


if __name__ == "__main__":
    main(*sys.argv[1:2], *(float(argument) for argument in sys.argv[2:3]))
