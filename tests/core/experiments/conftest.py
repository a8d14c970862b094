"""A table whose truth is known: stations have levels of their own, which no predictor of other stations tells."""

import numpy as np
import pytest

from sm_toolbox.experiments.comparison import compare_scenarios
from sm_toolbox.experiments.settings import ScenarioSettings
from sm_toolbox.models.preparation import SampledTable, prepare_training
from sm_toolbox.models.table import Roles
from sm_toolbox.raster.request import Engine

SMALL = {"random_forest": '{"random_forest": {"n_estimators": 12, "min_samples_leaf": [1, 2, 4, 8]}}'}


def table_of(stations=20, years=(2018, 2019), rows=8, level=0.05, seed=0, first=0):
    """Return columns: rain is learned anywhere, elevation tells the stations apart and nothing else."""
    rng = np.random.default_rng(seed)
    columns = {name: [] for name in ("station", "network", "time", "rain", "elevation", "sm")}
    for station in range(first, first + stations):
        own, height = rng.normal(0, level), float(rng.integers(0, 3000))
        for year in years:
            for row in range(rows):
                rain = rng.random()
                values = (f"s{station}", f"n{station % 4}", f"{year}-{1 + row % 12:02d}-0{1 + row // 12}", rain, height,
                          0.2 + own + 0.1 * rain + rng.normal(0, 0.005))  # fmt: skip
                for name, value in zip(columns, values):
                    columns[name].append(value)
    return columns


@pytest.fixture
def prepared():
    """The table, prepared for training."""
    return prepared_of(table_of())


def prepared_of(columns, limits=None, **roles):
    roles = {"station": "station", "time": "time", "group": "network", **roles}
    return prepare_training(SampledTable(columns), Roles("sm", ("rain", "elevation"), **roles), limits=limits)


def settings_of(**more):
    given = {
        "scenarios": ("dependent", "spatial"),
        "models": ("random_forest",),
        "sizes_dependent": "10,40",
        "sizes_temporal": "1,3",
        "sizes_spatial": "2,8",
        "repeats": 2,
        "candidates": 3,
        "hyperparameters": SMALL["random_forest"],
        **more,
    }
    return ScenarioSettings(**given)


def compare(prepared, engine=None, settings=None, **more):
    """Compare with small forests; settings as `settings_of`, others as `compare_scenarios`."""
    return compare_scenarios(prepared, settings_of(**(settings or {})), engine=engine or Engine(threads=1), **more)
