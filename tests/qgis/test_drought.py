"""A dry spell that was put into the demo scene's record is found at its dates and places."""

import numpy as np
import pytest
import rasterio
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProject,
    QgsRectangle,
)

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
    refused(r"\(TIME\) is needed to fit", "rootzone", INPUT=[str(scene / "product_a.tif")], TIME="",
            VALUE="soil_moisture", STATIONS=str(scene / "stations.gpkg"), OUTPUT=str(tmp_path / "o.tif"))  # fmt: skip
    # The scene's deep sensor follows the surface with ten days; noise of the product asks for more.
    deeper = run("importismn", INPUT=str(scene / "ismn.zip"), DEPTH_FROM=0.15, DEPTH_TO=0.3, PERIOD="day",
                 OUTPUT=str(tmp_path / "deep.gpkg"))["OUTPUT"]  # fmt: skip
    found = run("rootzone", INPUT=[str(scene / "product_a.tif")], STATIONS=deeper,
                STATION="station", TIME="time", VALUE="value", OUTPUT=str(tmp_path / "f.tif"))  # fmt: skip
    assert 5 <= found["FITTED_DAYS"] <= 60


def test_series_of_regions(run, refused, scene, tmp_path):
    """Coverage is that of Predict raster; zones come in another CRS, and those of one name are one."""
    from qgis.core import QgsVectorLayer

    with rasterio.open(scene / "product_a.tif") as dataset:
        values, bounds = dataset.read(), dataset.bounds
    zones = QgsVectorLayer("Polygon?crs=EPSG:4326&field=name:string", "zones", "memory")
    project = QgsCoordinateTransform(
        QgsCoordinateReferenceSystem.fromWkt(rasterio.open(scene / "product_a.tif").crs.to_wkt()),
        zones.crs(),
        QgsProject.instance(),
    )
    middle = (bounds.left + bounds.right) / 2
    features = []
    for name, west, east in (
        ("west", bounds.left, middle),
        ("whole", bounds.left, middle),
        ("whole", middle, bounds.right),
    ):
        feature = QgsFeature(zones.fields())
        feature["name"] = name
        shape = QgsGeometry.fromRect(QgsRectangle(west, bounds.bottom - 50, east, bounds.top + 50)).densifyByCount(50)
        shape.transform(project)
        feature.setGeometry(shape)
        features.append(feature)
    zones.dataProvider().addFeatures(features)
    report = tmp_path / "r.html"
    given = {"INPUT": [str(scene / "product_a.tif")], "ZONES": zones}
    found = run("regionalseries", **given, ZONE="name", LATITUDE_BANDS=True, OUTPUT="memory:", REPORT=str(report))
    rows = [dict(zip(found["OUTPUT"].fields().names(), row.attributes())) for row in found["OUTPUT"].getFeatures()]
    whole = [row for row in rows if row["zone"] == "whole"]
    west = [row for row in rows if row["zone"] == "west"]
    assert len(whole) == len(values) and west[0]["cells"] == 18 and whole[0]["cells"] == 36
    shares = np.isfinite(values).mean(axis=(1, 2))
    np.testing.assert_allclose([row["coverage"] for row in whole], 100 * shares)
    assert whole[0]["mean"] == pytest.approx(np.nanmean(values[0].astype(float)), rel=1e-6)
    assert any(row["zone"].endswith("° N") for row in rows)
    text = report.read_text("utf-8")
    assert "Coverage by latitude and date" in text and "The mean year" in text
    empty = QgsVectorLayer("Polygon?crs=EPSG:4326", "nothing", "memory")
    refused("'nothing' has no polygons", "regionalseries", **{**given, "ZONES": empty}, OUTPUT="memory:")
    lines = zone_layer("LineString", "LINESTRING (-3 38, -2 39)")
    refused("feature 1 of 'zones' is no polygon", "regionalseries", **{**given, "ZONES": lines}, OUTPUT="memory:")


def zone_layer(kind, *shapes):
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer(f"{kind}?crs=EPSG:4326", "zones", "memory")
    for shape in shapes:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromWkt(shape))
        layer.dataProvider().addFeature(feature)
    return layer


def test_zones_that_reach_beyond_the_crs_of_the_rasters(run, scene):
    """Neither the other side of the earth nor what is no latitude has coordinates in a UTM zone."""
    zones = zone_layer(
        "Polygon",
        "POLYGON ((-180 -90, 180 -90, 180 90, -180 90, -180 -90))",
        "POLYGON ((-120 95, -60 95, -60 10, -120 10, -120 95))",
        "POLYGON ((100 95, 120 95, 120 10, 100 10, 100 95))",
    )
    found = run("regionalseries", INPUT=[str(scene / "product_a.tif")], ZONES=zones, OUTPUT="memory:")["OUTPUT"]
    assert {row["zone"]: row["cells"] for row in found.getFeatures()} == {"1": 36, "2": 36, "3": 0}


def test_stations_that_do_not_follow_are_found(run, scene, tmp_path):
    """Of 45 stations ten are given a series of their own: they are flagged, and the others are not."""
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer(str(scene / "stations.gpkg"), "stations", "ogr")
    memory = layer.materialize(QgsFeatureRequest())
    rng = np.random.default_rng(0)
    names = sorted({row["station"] for row in memory.getFeatures()})
    spoilt = set(rng.choice(names, 10, replace=False).tolist())
    index = memory.fields().indexOf("soil_moisture")
    walk = dict.fromkeys(spoilt, 0.25)
    changes = {}
    for row in memory.getFeatures():
        if row["station"] in spoilt:
            walk[row["station"]] += rng.normal(0, 0.01)
            changes[row.id()] = {index: float(walk[row["station"]])}
    memory.dataProvider().changeAttributeValues(changes)
    report = tmp_path / "r.html"
    found = run(
        "stationquality", STATIONS=memory, PRODUCT_A=[str(scene / "product_a.tif")], MIN_SAMPLES=50,
        PRODUCT_B=[str(scene / "product_b.tif")], OUTPUT="memory:", OBSERVATIONS="memory:", REPORT=str(report),
    )  # fmt: skip
    rows = {row["station"]: row for row in found["OUTPUT"].getFeatures()}
    flagged = {name for name, row in rows.items() if row["representative"] == 0}
    judged = {name for name, row in rows.items() if row["representative"] in (0, 1)}
    assert len(judged) >= 40
    assert len(flagged & spoilt) >= 0.8 * len(spoilt & judged) and len(flagged - spoilt) <= 0.1 * len(judged - spoilt)
    assert all(rows[name]["weight"] == 0 and rows[name]["reason"] for name in flagged)
    assert found["REPRESENTATIVE_PERCENT"] == pytest.approx(100 * (1 - len(flagged) / len(judged)))
    weights = {row["station"]: row["station_weight"] for row in found["OBSERVATIONS"].getFeatures()}
    assert weights == {name: row["weight"] for name, row in rows.items()}
    assert "stand for the cells of the products" in report.read_text("utf-8")


def test_radar_alone_follows_the_moisture(run, refused, scene, tmp_path):
    """Relative wetness needs no station: its R in time is what trained maps must beat. And the angle on slopes."""
    paths = {key: str(tmp_path / f"{key}.tif") for key in ("OUTPUT", "WETNESS", "LOCAL_ANGLE")}
    radar = [str(scene / "sentinel1.tif")]
    given = {"VV": radar, "ANGLE": radar, "GRID": str(scene / "ndvi.tif"), "FILTER_SIZE": 5}
    run("sarpredictors", **given, DEM=str(scene / "dem.tif"), PASS="descending", **paths)
    with rasterio.open(paths["WETNESS"]) as dataset, rasterio.open(scene / "truth.tif") as truth:
        wetness = {name.split("@")[1]: dataset.read(i + 1) for i, name in enumerate(dataset.descriptions)}
        actual = {name.split("@")[1]: i + 1 for i, name in enumerate(truth.descriptions)}
        common = sorted(set(wetness) & set(actual))
        ratio = truth.width // dataset.width
        fine = [truth.read(actual[day]).reshape(dataset.height, ratio, dataset.width, ratio) for day in common]
    coarse = np.stack([np.nanmean(day, axis=(1, 3)) for day in fine])
    own = np.stack([wetness[day] for day in common])
    assert len(common) >= 5 and np.nanmin(own) >= 0 and np.nanmax(own) <= 1
    both = np.isfinite(own).all(axis=0)
    own, coarse = own[:, both], coarse[:, both]
    r = ((own - own.mean(0)) * (coarse - coarse.mean(0))).sum(0) / np.sqrt(
        ((own - own.mean(0)) ** 2).sum(0) * ((coarse - coarse.mean(0)) ** 2).sum(0)
    )
    assert np.nanmedian(r) > 0.5
    with rasterio.open(paths["LOCAL_ANGLE"]) as dataset:
        angles, names = dataset.read(1), dataset.descriptions
    assert names[0].startswith("local_incidence_angle") and 1 < np.nanstd(angles) < 30
    refused("LOCAL_ANGLE.* needs .*DEM", "sarpredictors", **given, OUTPUT=str(tmp_path / "o.tif"),
            LOCAL_ANGLE=str(tmp_path / "l.tif"))  # fmt: skip
