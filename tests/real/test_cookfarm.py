"""The main job on real input: Cook Agronomy Farm, from logger readings to 10 m maps, through qgis_process.

Gasch et al. 2015, doi 10.1016/j.spasta.2015.04.001.
"""

import numpy as np
import pandas as pd
import pytest
import rasterio

pytestmark = [pytest.mark.real, pytest.mark.headless]
STATIC = ["DEM", "TWI", "BLD", "NDRE.M", "NDRE.Sd", "Bt"]
WEATHER = ["Precip_wrcc", "MaxT_wrcc", "MinT_wrcc", "Precip_cum", "cday"]
MAP_DATES = ["2012-03-25", "2012-06-15", "2012-09-15", "2012-12-01"]


def convert(real_data, folder):
    """Convert the data as a user would: loggers at 0.3 m as CSV, static predictors as one raster, weather as dated
    bands.

    About a quarter of the loggers are kept for validation. The weather of the day is the same everywhere, so that its
    rasters are constant.
    """
    table = pd.read_csv(real_data("cookfarm", "cast_cookfarm_128545.csv.gz"))
    table = table[np.isclose(table.altitude, -0.3)].rename(columns={"SOURCEID": "logger", "VW": "sm"})
    table = table[["logger", "Date", "sm", "Easting", "Northing", *WEATHER]]
    loggers = np.sort(table.logger.unique())
    held_out = set(np.random.default_rng(42).permutation(loggers)[: len(loggers) // 4])
    for name, rows in (
        ("train", table[~table.logger.isin(held_out)]),
        ("validate", table[table.logger.isin(held_out)]),
    ):
        rows.to_csv(folder / f"{name}.csv", index=False)
        with open(folder / f"{name}.csvt", "w") as types:
            types.write(",".join(["String", "Date", *["Real"] * (len(rows.columns) - 2)]))
    weather = table.drop_duplicates("Date").set_index("Date")[WEATHER]
    with rasterio.open(real_data("cookfarm", "predictors_2012-03-25.tif")) as source:
        profile = {**source.profile, "interleave": "band"}
        bands = dict(zip(source.descriptions, source.read()))
    with rasterio.open(folder / "static.tif", "w", **{**profile, "count": len(STATIC)}) as target:
        for index, name in enumerate(STATIC, start=1):
            target.write(bands[name], index)
            target.set_band_description(index, name)
    dated = [(name, date) for date in MAP_DATES for name in WEATHER]
    with rasterio.open(folder / "weather.tif", "w", **{**profile, "count": len(dated)}) as target:
        for index, (name, date) in enumerate(dated, start=1):
            target.write(np.full(bands["DEM"].shape, weather.loc[date, name], np.float32), index)
            target.set_band_description(index, f"{name}@{date}")
    return table, held_out


@pytest.fixture(scope="module")
def farm(real_data, headless, tmp_path_factory):
    """Run the job once."""
    folder = tmp_path_factory.mktemp("cookfarm")
    table, held_out = convert(real_data, folder)
    points = {}
    for name in ("train", "validate"):
        uri = f"delimitedtext://file://{folder / name}.csv?type=csv&xField=Easting&yField=Northing&crs=EPSG:26911"
        points[name] = folder / f"{name}.gpkg"
        done = headless.call("run", "native:savefeatures", f"--INPUT={uri}", f"--OUTPUT={points[name]}")
        assert points[name].exists(), done.stdout + done.stderr
    sampled = headless.run(
        "samplepredictors",
        STATIONS=points["train"],
        STATION="logger",
        TIME="Date",
        PREDICTORS=folder / "static.tif",
        OUTPUT=folder / "training.gpkg",
        REPORT=folder / "sampling.html",
    )
    training = {
        split: headless.run(
            "trainmodel",
            TRAINING=folder / "training.gpkg",
            TARGET="sm",
            PREDICTORS=[*STATIC, *WEATHER],
            STATION="logger",
            TIME="Date",
            SPLIT=split,
            HYPERPARAMETERS='{"min_samples_leaf": 10}',
            MODEL_FILE=folder / f"{split}.smmodel",
            REPORT=folder / f"{split}.html",
        )
        for split in ("station", "random", "year")
    }
    predicted = headless.run(
        "predictraster",
        MODEL_FILE=folder / "station.smmodel",
        PREDICTORS=[folder / "weather.tif", folder / "static.tif"],
        OUTPUT=folder / "map.tif",
    )
    rated = headless.run(
        "validatestations",
        PRODUCT=folder / "map.tif",
        STATIONS=points["validate"],
        STATION="logger",
        TIME="Date",
        VALUE="sm",
        MAX_TIME_GAP=3,
        MIN_SAMPLES=4,
        OUTPUT=folder / "rated.gpkg",
        REPORT=folder / "validation.html",
    )
    return {
        "folder": folder,
        "table": table,
        "held_out": held_out,
        "sampled": sampled,
        "training": training,
        "predicted": predicted,
        "rated": rated,
    }


def test_sampling_finds_the_loggers_on_the_farm(farm):
    rows = (~farm["table"].logger.isin(farm["held_out"])).sum()
    assert farm["sampled"]["ROWS"] == rows and farm["sampled"]["COMPLETE_ROWS"] > 0.9 * rows


def test_the_station_split_tells_what_the_random_one_hides(farm):
    station, random = farm["training"]["station"], farm["training"]["random"]
    for name, result in farm["training"].items():
        print(
            f"Cook Farm 0.3 m, split {name}: R2 {result['R2']:.3f}, RMSE {result['RMSE']:.4f}, ubRMSE "
            f"{result['UBRMSE']:.4f}, n {result['N']}"
        )
    assert random["RMSE"] < 0.6 * farm["training"]["year"]["RMSE"]
    assert random["RMSE"] < 0.6 * station["RMSE"] and random["R2"] > 0.8 > station["R2"] > 0
    report = (farm["folder"] / "station.html").read_text(encoding="utf-8")
    assert "times that of the random split" in report


def test_maps_are_of_the_farm_and_of_its_seasons(farm):
    assert farm["predicted"]["COVERAGE_PERCENT"] > 50
    with rasterio.open(farm["folder"] / "map.tif") as dataset:
        maps = dataset.read()
        assert (
            dataset.descriptions == tuple(f"soil_moisture@{date}" for date in MAP_DATES) and dataset.transform.a == 10
        )
    mean = np.nanmean(maps, axis=(1, 2))
    assert np.nanmin(maps) > 0.05 and np.nanmax(maps) < 0.6
    # Wet spring, dry end of summer in the Palouse.
    assert mean[0] > mean[2] + 0.05 and mean[3] > mean[2]


def test_validation_on_loggers_that_the_model_never_saw(farm):
    rated = farm["rated"]
    print(
        f"Cook Farm 0.3 m, held-out loggers: R2 {rated['R2']:.3f}, RMSE {rated['RMSE']:.4f}, ubRMSE "
        f"{rated['UBRMSE']:.4f}, bias {rated['BIAS']:+.4f}, n {rated['N']}"
    )
    assert rated["N"] >= 40 and rated["R"] > 0.5 and rated["RMSE"] < 0.1
    assert abs(rated["RMSE"] ** 2 - rated["UBRMSE"] ** 2 - rated["BIAS"] ** 2) < 1e-9
