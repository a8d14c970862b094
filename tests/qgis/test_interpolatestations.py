"""Interpolate stations, as QGIS runs it."""

import math

import numpy as np
import pytest
import rasterio
from qgis.core import QgsFeatureRequest, QgsProcessingFeatureSourceDefinition, QgsProject, QgsVectorLayer

FIELDS = [("station", "string"), ("time", "string"), ("rain (mm)", "double"), ("note", "string"), ("height", "double")]


@pytest.fixture
def gauges(point_layer):
    """Twenty-five gauges on two days."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(25):
        x, y = 500000 + 20000 * rng.random(), 3980000 + 20000 * rng.random()
        for day in (1, 2):
            rows.append(
                (
                    x,
                    y,
                    f"g{i}",
                    f"2018-06-0{day}",
                    day * (5 + 3 * math.sin(x / 4000) + 0.3 * rng.normal()),
                    "wet" if i == 7 else "4",
                    1.0,
                )
            )
    return point_layer(FIELDS, rows, name="gauges")


@pytest.fixture
def grid(write_raster):
    return write_raster("grid.tif", np.zeros((40, 40)), ["dem"], cell=500).path


@pytest.fixture
def asked(gauges, grid, tmp_path):
    return {
        "STATIONS": gauges,
        "STATION": "station",
        "TIME": "time",
        "VALUE": "rain (mm)",
        "GRID": grid,
        "OUTPUT": str(tmp_path / "map.tif"),
        "REPORT": str(tmp_path / "report.html"),
    }


def test_maps_numbers_and_report(run, asked, tmp_path):
    done = run("interpolatestations", VARIOGRAM="matern", VARIANCE=str(tmp_path / "variance.tif"), **asked)
    with (
        rasterio.open(done["OUTPUT"]) as maps,
        rasterio.open(done["VARIANCE"]) as variances,
        rasterio.open(asked["GRID"]) as grid,
    ):
        assert maps.descriptions == ("rain_mm@2018-06-01", "rain_mm@2018-06-02")
        assert variances.descriptions == ("rain_mm_variance@2018-06-01", "rain_mm_variance@2018-06-02")
        assert (maps.shape, maps.transform, maps.crs) == (grid.shape, grid.transform, grid.crs)
        first, second = maps.read()
        assert 1.5 < np.median(second) / np.median(first) < 2.5 and (variances.read() > 0).all()
    assert done["DATES"] == 2 and 0 < done["RMSE"] < 3 and abs(done["BIAS"]) < 1 and done["R"] > 0.8
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "rain_mm" in report and "matern" in report and "gauges" in report


@pytest.mark.parametrize(
    "changes",
    [
        {"METHOD": "simple_kriging", "MEAN": 0},
        {"METHOD": "idw", "POWER": 3},
        {"NUGGET": 0, "RANGE": 8000},
        {"NEIGHBOURS": 5, "SILL": 4, "VARIOGRAM": "exponential"},
        {"TIME": None},
    ],
)
def test_methods_and_settings(run, asked, tmp_path, changes):
    done = run("interpolatestations", **{**asked, **changes})
    with rasterio.open(done["OUTPUT"]) as maps:
        assert maps.count == (1 if "TIME" in changes else 2) and np.isfinite(maps.read()).all()
    assert "VARIANCE" not in done or done["VARIANCE"] is None


def test_zero_is_a_nugget_and_not_an_unset_number(run, asked, gauges, grid):
    """The map meets the stations, as it does not with the nugget that is fitted."""
    done = run("interpolatestations", **{**asked, "NUGGET": 0})
    worst = 0.0
    with rasterio.open(done["OUTPUT"]) as maps:
        for feature in gauges.getFeatures():
            point = feature.geometry().asPoint()
            if feature["time"] == "2018-06-01":
                worst = max(worst, abs(next(maps.sample([(point.x(), point.y())]))[0] - feature["rain (mm)"]))
    assert worst < 1.0


def test_only_selected_features(run, asked, gauges):
    QgsProject.instance().addMapLayer(gauges)
    gauges.selectByExpression("\"time\" = '2018-06-02'")
    done = run("interpolatestations", **{**asked, "STATIONS": QgsProcessingFeatureSourceDefinition(gauges.id(), True)})
    with rasterio.open(done["OUTPUT"]) as maps:
        assert maps.descriptions == ("rain_mm@2018-06-02",)
    QgsProject.instance().removeMapLayer(gauges.id())


def test_an_empty_selection(refused, asked, gauges):
    QgsProject.instance().addMapLayer(gauges)
    gauges.removeSelection()
    refused(
        "has no rows",
        "interpolatestations",
        **{**asked, "STATIONS": QgsProcessingFeatureSourceDefinition(gauges.id(), True)},
    )
    QgsProject.instance().removeMapLayer(gauges.id())


def test_drift_and_output_chain_as_predictors(run, asked, gauges, write_raster, tmp_path):
    rng = np.random.default_rng(1)
    dem = write_raster("dem.tif", 500 * rng.random((40, 40)), ["dem"], cell=500).path
    done = run("interpolatestations", **{**asked, "DRIFT": [dem]})
    sampled = run(
        "samplepredictors", STATIONS=gauges, TIME="time", PREDICTORS=[done["OUTPUT"]], OUTPUT=str(tmp_path / "t.gpkg")
    )
    layer = QgsVectorLayer(sampled["OUTPUT"], "t")
    assert layer.fields().lookupField("rain_mm") >= 0
    assert all(feature["rain_mm"] is not None for feature in layer.getFeatures(QgsFeatureRequest().setLimit(50)))


def one(gauges, point_layer, count=1, **changes):
    """A layer of the first stations on the first day, with some values replaced."""
    rows = []
    for feature in gauges.getFeatures():
        if feature["time"] == "2018-06-01" and len(rows) < count:
            point = feature.geometry().asPoint()
            values = {name: feature[name] for name, _ in FIELDS}
            values.update({name: change(len(rows)) for name, change in changes.items()})
            rows.append((point.x(), point.y(), *values.values()))
    return point_layer(FIELDS, rows, name="few")


def test_bad_values(refused, asked, gauges, point_layer):
    refused(
        "'note' of 'gauges' must hold numbers, but row 15 holds 'wet'",
        "interpolatestations",
        **{**asked, "VALUE": "note"},
    )
    nan = one(gauges, point_layer, 5, **{"rain (mm)": lambda i: float("nan") if i == 2 else 1.0})
    refused(r"'rain \(mm\)' of 'few' holds nan in row 3", "interpolatestations", **{**asked, "STATIONS": nan})
    refused(
        "'note' of 'gauges' must hold times, but row 1 holds '4'", "interpolatestations", **{**asked, "TIME": "note"}
    )


def test_one_station(refused, run, asked, gauges, point_layer):
    single = one(gauges, point_layer)
    refused(
        "'few' has 1 station with a value.*ordinary_kriging needs 3",
        "interpolatestations",
        **{**asked, "STATIONS": single},
    )
    done = run("interpolatestations", **{**asked, "STATIONS": single, "METHOD": "idw"})
    with rasterio.open(done["OUTPUT"]) as maps:
        assert np.ptp(maps.read()) == 0
    assert math.isnan(done["RMSE"])


def test_all_values_equal(run, asked):
    done = run("interpolatestations", **{**asked, "VALUE": "height"})
    with rasterio.open(done["OUTPUT"]) as maps:
        np.testing.assert_allclose(maps.read(), 1, rtol=1e-6)


def test_swapped_coordinates(refused, asked, point_layer):
    swapped = point_layer(
        FIELDS,
        [(36.0 + i / 20, -3.0, f"g{i}", "2018-06-01", 2.0 + i, "4", 1.0) for i in range(6)],
        crs="EPSG:4326",
        name="swapped",
    )
    refused(
        r"No station of 'swapped' lies on the grid or near it.*x and y are not swapped",
        "interpolatestations",
        **{**asked, "STATIONS": swapped},
    )


def test_no_variance_of_inverse_distances(refused, asked, tmp_path):
    refused(
        "Inverse distances have no variance",
        "interpolatestations",
        **{**asked, "METHOD": "idw", "VARIANCE": str(tmp_path / "v.tif")},
    )


def test_a_grid_without_crs(refused, asked, write_raster):
    bare = write_raster("bare.tif", np.zeros((4, 4)), ["a"], crs=None).path
    refused("has no coordinate reference system", "interpolatestations", **{**asked, "GRID": bare})
