"""What the toolbox says a map is worth, held against the truth that only a simulated scene has."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.crs import CRS

from sm_toolbox.demo.write import write_demo_scene
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.planes import Wanted
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows, sample_rows

PREDICTORS = ("sand", "clay", "ndvi", "rain_7d", "api", "dem")
DATES = ("2019-05-09", "2019-07-04", "2019-08-29")


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A quantile forest of the scene's stations, and its maps beside the truth."""
    folder = write_demo_scene(tmp_path_factory.mktemp("truth") / "scene", seed=0).folder
    sources = [Source(str(folder / f"{name}.tif")) for name in ("soil", "ndvi", "rain", "api", "dem")]
    stations = pd.read_csv(folder / "stations.csv")
    times = {text: parse_time(text) for text in stations.time.unique()}
    rows = Rows(
        "stations",
        stations.lon.to_numpy(),
        stations.lat.to_numpy(),
        CRS.from_epsg(4326),
        [times[text] for text in stations.time],
        stations.station.tolist(),
    )
    samples = sample_rows(rows, sources, max_gap_days=4)
    columns = {
        variable.variable: [None if np.isnan(value) else value for value in variable.values]
        for variable in samples.variables
    }
    table = make_training_table(
        {**columns, "sm": stations.soil_moisture.tolist(), "station": stations.station.tolist()},
        Roles("sm", PREDICTORS, "station"),
        "stations",
    )
    training = train(table, make_estimator("quantile_forest", None), make_split("station", 5))
    paths = {name: str(folder / f"made_{name}.tif") for name in ("map", "quantiles", "area")}
    predict_raster(
        training.model,
        sources,
        paths["map"],
        grid=sources[-1],
        max_gap_days=4,
        wanted=Wanted(paths["quantiles"], [0.05, 0.95], paths["area"], dates=[parse_time(date) for date in DATES]),
    )
    with rasterio.open(folder / "truth.tif") as dataset:
        truth = dataset.read([dataset.descriptions.index(f"soil_moisture@{date}") + 1 for date in DATES])
    read = {name: rasterio.open(path).read() for name, path in paths.items()}
    known = np.isfinite(truth) & np.isfinite(read["map"])
    return (
        training,
        truth[known],
        read["map"][known],
        read["quantiles"][0::2][known],
        read["quantiles"][1::2][known],
        read["area"][1::2][known] == 1,
    )


def test_intervals_hold_the_truth(maps):
    _, truth, _, low, high, _ = maps
    held = ((low <= truth) & (truth <= high)).mean()
    print(f"Demo scene: 90 % intervals hold {held:.1%} of the true map")
    assert 0.85 < held < 0.97


def test_the_station_split_tells_the_error_of_the_map_and_the_random_one_does_not(maps):
    training, truth, predicted, *_ = maps
    error = np.sqrt(np.mean((predicted - truth) ** 2))
    station, random = (split.metrics.rmse for split in training.splits)
    # Stations measure with an error of their own, which the truth does not have.
    print(
        f"Demo scene: RMSE of the true map {error:.4f}, of stations left out {station:.4f}, of rows left out "
        f"{random:.4f}"
    )
    assert abs(error - station) < abs(error - random)


def test_the_map_is_worse_where_it_does_not_apply(maps):
    _, truth, predicted, _, _, applicable = maps
    inside, outside = (np.sqrt(np.mean((predicted - truth)[where] ** 2)) for where in (applicable, ~applicable))
    print(
        f"Demo scene: RMSE {inside:.4f} within the area of applicability ({applicable.mean():.1%} of the cells), "
        f"{outside:.4f} outside"
    )
    assert inside < outside
