"""Three products as downloaded, to a merged one, without leaving the toolbox."""

from datetime import datetime

import numpy as np
import pytest
import rasterio

from sm_toolbox.raster.arraywriting import NewArray, write_arrays


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


@pytest.fixture(scope="module")
def era5_land(scene, tmp_path_factory):
    """A file in the layout of the Climate Data Store since 2024, 12:00 of each day, from the truth of the scene."""
    path = tmp_path_factory.mktemp("era5") / "data_0.nc"
    truth = read(scene / "gldas_truth.tif")
    with rasterio.open(scene / "gldas_truth.tif") as dataset:
        transform, (rows, columns) = dataset.transform, dataset.shape
    noise = np.random.default_rng(0).normal(0, 0.03, (len(truth), rows, columns))
    values = (0.1 + 0.9 * np.stack(list(truth.values())) + noise).astype(np.float32)
    dates = [datetime.fromisoformat(name.partition("@")[2]) for name in truth]
    seconds = np.array([(date - datetime(1970, 1, 1)).total_seconds() + 12 * 3600 for date in dates])
    lon = transform.c + transform.a * (np.arange(columns) + 0.5)
    lat = transform.f + transform.e * (np.arange(rows) + 0.5)
    axes = (
        NewArray("/valid_time", ("valid_time",), seconds, None, "seconds since 1970-01-01", {"calendar": "standard"}),
        NewArray("/latitude", ("latitude",), lat, None, "degrees_north", {"standard_name": "latitude"}),
        NewArray("/longitude", ("longitude",), lon, None, "degrees_east", {"standard_name": "longitude"}),
    )
    moist = NewArray("/swvl1", ("valid_time", "latitude", "longitude"), values, np.nan, "m**3 m**-3")
    write_arrays(str(path), [*axes, moist], {"institution": "European Centre for Medium-Range Weather Forecasts"})
    return path


def test_products_as_downloaded_are_merged(run, scene, era5_land, tmp_path):
    files = {
        "smap": (scene / "smap_l3.zip", {"OVERPASS": "am"}),
        "gldas": (next(scene.glob("GLDAS_*.nc4")), {}),
        "era5": (era5_land, {}),
    }
    imported = {
        name: run("importproduct", INPUT=[str(path)], **options, OUTPUT=str(tmp_path / f"{name}.tif"))["OUTPUT"]
        for name, (path, options) in files.items()
    }
    # In m³ m⁻³ all of them, on the grids and dates of their truth.
    truth = read(scene / "gldas_truth.tif")
    for name, gain, offset in (("gldas", 0.75, 0.045), ("era5", 0.9, 0.1)):
        bands = read(imported[name])
        assert len(bands) == len(truth)
        errors = [
            band - (offset + gain * truth[f"soil_moisture@{key.partition('@')[2][:10]}"]) for key, band in bands.items()
        ]
        assert abs(np.nanmean(errors)) < 0.01
    done = run(
        "tcmerge",
        PRODUCT_A=[imported["smap"]],
        PRODUCT_B=[imported["gldas"]],
        PRODUCT_C=[imported["era5"]],
        MAX_TIME_GAP=1,
        MIN_SAMPLES=30,
        REFERENCE="a",
        OUTPUT=str(tmp_path / "merged.tif"),
        WEIGHTS=str(tmp_path / "weights.tif"),
    )
    assert done["RESOLVED_PERCENT"] > 50
    merged, smap, of_smap = (read(path) for path in (done["OUTPUT"], imported["smap"], scene / "smap_truth.tif"))
    by_day = {key.partition("@")[2][:10]: band for key, band in smap.items()}
    common = [key for key in merged if key.partition("@")[2][:10] in by_day]
    assert len(common) > 60

    def error(bands):
        return np.sqrt(np.nanmean(np.square(np.stack(bands) - np.stack(at_truth))))

    at_truth = [of_smap[f"soil_moisture@{key.partition('@')[2][:10]}"] for key in common]
    with rasterio.open(done["OUTPUT"]) as one, rasterio.open(scene / "smap_truth.tif") as other:
        assert one.shape == other.shape and one.transform.almost_equals(other.transform, 1e-3)
    assert error([merged[key] for key in common]) < error([by_day[key.partition("@")[2][:10]] for key in common])
