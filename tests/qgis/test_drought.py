"""A dry spell that was put into the demo scene's record is found at its dates and places."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.demo.record import DRY_SPELL


def test_the_dry_spell_is_found(run, scene, tmp_path):
    path = tmp_path / "dry.tif"
    found = run("temporalanomaly", INPUT=[str(scene / "record_a.nc")], METHOD=["percentile"], OUTPUT=str(path))
    with rasterio.open(path) as dataset:
        days = np.array([name.split("@")[1] for name in dataset.descriptions])
        ranks = dataset.read()
    first, last = (f"{day:%Y-%m-%d}" for day in DRY_SPELL)
    # The soil dries for some weeks first.
    spell, near = (days >= "2016-07-01") & (days <= last), (days >= first) & (days <= "2016-10-31")
    east = np.arange(ranks.shape[2]) >= ranks.shape[2] // 2
    with np.errstate(invalid="ignore"):
        dry = np.where(np.isnan(ranks), np.nan, ranks < 20)
    assert np.nanmean(dry[spell][:, :, east]) > 0.9
    # Elsewhere and at other times a fifth is, as a fifth must.
    assert np.nanmean(dry[spell][:, :, ~east]) == pytest.approx(0.2, abs=0.05)
    assert np.nanmean(dry[~near]) == pytest.approx(0.2, abs=0.03)
    assert found["DRY_PERCENT"] == pytest.approx(100 * np.nanmean(dry[-1]))


def test_a_season_against_the_record(run, scene, tmp_path):
    """The ten years are the reference of the season's maps, and of products downscaled or predicted likewise."""
    given = {"INPUT": [str(scene / "product_a.tif")], "REFERENCE": [str(scene / "record_a.nc")]}
    found = run("temporalanomaly", **given, METHOD=["difference", "percentile"], OUTPUT=str(tmp_path / "o.tif"))
    with rasterio.open(tmp_path / "o.tif") as dataset:
        names = dataset.descriptions
    assert names[0].startswith("soil_moisture_anomaly@") and 0 <= found["DRY_PERCENT"] <= 100


def test_the_root_zone_follows_the_surface(run, refused, scene, point_layer, tmp_path):
    """Smoother and later than the surface; deeper sensors set the time constant."""
    path = tmp_path / "root.tif"
    run("rootzone", INPUT=[str(scene / "product_a.tif")], TIME_CONSTANT=10, UNITS="moisture", OUTPUT=str(path))
    with rasterio.open(path) as dataset, rasterio.open(scene / "product_a.tif") as surface:
        names = dataset.descriptions
        deep = dataset.read()[: len(names) // 2, 3, 3]
        above = surface.read()[:, 3, 3]
    assert names[0].startswith("root_zone_soil_moisture@") and names[-1].startswith("quality@")
    assert np.nanstd(np.diff(deep)) < 0.3 * np.nanstd(np.diff(above))
    refused(r"\(TIME\) is needed to fit", "rootzone", INPUT=[str(scene / "product_a.tif")], TIME="", VALUE="soil_moisture",
            STATIONS=str(scene / "stations.gpkg"), OUTPUT=str(tmp_path / "o.tif"))  # fmt: skip
    found = run("rootzone", INPUT=[str(scene / "product_a.tif")], STATIONS=str(scene / "stations.gpkg"),
                STATION="station", TIME="time", VALUE="soil_moisture", OUTPUT=str(tmp_path / "f.tif"))  # fmt: skip
    # The demo's stations measure the surface itself.
    assert found["FITTED_DAYS"] <= 10
