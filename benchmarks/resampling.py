"""What the way in which coarse predictors reach a fine map does to it, on the demo scene, whose truth is known.

Run with `python benchmarks/resampling.py [seeds]`: scenes of the seeds 0 to 4. For each a random forest learns from the
stations and makes maps of 90 m from predictors of 90 m, 450 m and 4.5 km: with the cells of the rasters as they are
(METHOD nearest), as RESAMPLING auto has them, and from rasters that were all aligned by hand with bilinear
interpolation. Printed are the edge ratio, which is the mean absolute difference of neighbours across borders of the
450 m cells over that of neighbours within them (1: no borders to be seen), and the RMSE against the truth and at
stations that took no part.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from rasterio.crs import CRS

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL
from sm_toolbox.demo.write import write_demo_scene
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.planes import Wanted
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.table import Roles
from sm_toolbox.models.training import train
from sm_toolbox.predictors.terrain import terrain_indices
from sm_toolbox.raster.align import align_rasters
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.times import parse_dates, parse_time
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.stations.table import TableSettings, sample_table
from sm_toolbox.validation.edges import edge_ratio
from sm_toolbox.validation.stations import validate_stations

RASTERS = ("soil", "ndvi", "albedo", "rain", "api")
TERRAIN = ("elevation", "slope", "northness", "eastness", "profile_curvature", "tangential_curvature")
# Cells of the map in one of 450 m.
BLOCK = 5
WAYS = ("nearest", "auto", "by hand")


def read_stations(path: Path) -> tuple[Rows, np.ndarray]:
    """Return the rows of a table of stations and what they measured."""
    table = pd.read_csv(path)
    times = {text: parse_time(text) for text in table.time.unique()}
    place = table.lon.to_numpy(), table.lat.to_numpy(), CRS.from_epsg(4326)
    rows = Rows(path.stem, *place, [times[text] for text in table.time], table.station.tolist())
    return rows, table.soil_moisture.to_numpy()


def edges_of_blocks(values: np.ndarray) -> float:
    """Return the edge ratio of a map (bands, rows, cols) for cells of 450 m."""
    rows, columns = np.indices(values.shape[1:]) // BLOCK
    return edge_ratio(values, rows * values.shape[2] + columns)


def make_map(way: str, folder: Path, sources: list[Source], dem: Source, dates: str) -> np.ndarray:
    """Train on the stations and predict; return edge ratio and RMSE against the truth and at validation stations."""
    rows, observed = read_stations(folder / "stations.csv")
    columns = {"station": rows.names, "observed": observed.tolist()}
    settings = TableSettings("station", value="observed", max_gap_days=4, method="nearest", grid=dem)
    if way == "auto":
        settings = TableSettings("station", value="observed", max_gap_days=4, grid=dem)
    made = sample_table(rows, columns, sources, settings)
    roles = Roles("observed", tuple(made.predictors), "station")
    notes = {name: origin.as_dict() for name, origin in made.samples.origins.items()}
    known = {name: [None if value != value else value for value in values] for name, values in made.columns.items()}
    prepared = prepare_training(SampledTable(known, origins=notes), roles, request=SplitRequest("station"))
    trees = make_estimator("random_forest", '{"n_estimators": 5}' if SMALL else None)
    model = train(prepared.table, trees, prepared.split, prepared.periods).model
    output = folder / f"map_{way.replace(' ', '_')}.tif"
    wanted = Wanted(dates=parse_dates(dates) or None)
    predict_raster(model, sources, str(output), grid=dem, max_gap_days=4, wanted=wanted)
    with rasterio.open(output) as dataset, rasterio.open(folder / "truth.tif") as truth_file:
        # The truth is known every eight days.
        names = [name for name in truth_file.descriptions if name in dataset.descriptions]
        values, truth = (
            file.read([file.descriptions.index(name) + 1 for name in names]) for file in (dataset, truth_file)
        )
    result = validate_stations(*read_stations(folder / "stations_validation.csv"), [Source(str(output))], min_samples=1)
    error = np.sqrt(np.nanmean((values - truth) ** 2))
    return np.array([edges_of_blocks(values), error, result.pooled.rmse, edges_of_blocks(truth)])


def of_seed(seed: int) -> np.ndarray:
    """Return what each way comes to on one scene (ways, 4)."""
    dates = "2019-05-09" if SMALL else ""
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_demo_scene(Path(temporary) / "scene", seed).folder
        dem = Source(str(folder / "dem.tif"))
        terrain = folder / "terrain.tif"
        terrain_indices(dem, TERRAIN, str(terrain))
        rasters = [terrain, *(folder / f"{name}.tif" for name in RASTERS)]
        sources = [Source(str(path)) for path in rasters]
        by_hand = []
        for source in sources:
            aligned = folder / f"aligned_{Path(source.path).name}"
            align_rasters([source], dem, str(aligned), "bilinear")
            by_hand.append(Source(str(aligned)))
        return np.array([make_map(way, folder, by_hand if way == "by hand" else sources, dem, dates) for way in WAYS])


def main(seeds: int = 1 if SMALL else 5) -> None:
    for seed in range(seeds):
        found = of_seed(seed)
        print(f"Seed {seed} (edge ratio of the truth {found[0, 3]:.2f}):")
        for way, (edges, error, at_stations, _) in zip(WAYS, found):
            print(f"  {way}: edge ratio {edges:.2f}, RMSE {error:.4f} against the truth, {at_stations:.4f} at stations")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
