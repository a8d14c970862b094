"""Predictor algorithms as the toolbox runs them, on the demo scene."""

import numpy as np
import pytest
import rasterio


@pytest.fixture(scope="module")
def scene(plugin, tmp_path_factory):
    import processing

    folder = tmp_path_factory.mktemp("predictors") / "scene"
    processing.run("smtoolbox:demodata", {"OUTPUT": str(folder)})
    return folder


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def test_thermal_inertia_knows_where_it_is_moist(run, scene, tmp_path):
    files = {key: [str(scene / f"{name}.tif")] for key, name in (("ALBEDO", "albedo"), ("LST_DAY", "lst_day"), ("LST_NIGHT", "lst_night"))}
    out = run("thermalinertia", **files, SOLAR_CORRECTION="verstraeten", OUTPUT=str(tmp_path / "ati.tif"))["OUTPUT"]
    grid = str(scene / "ndvi.tif")
    truth = run("alignrasters", INPUT=[str(scene / "truth.tif")], GRID=grid, RESAMPLING="average", OUTPUT=str(tmp_path / "truth.tif"))["OUTPUT"]
    ati, moist = read(out), read(truth)
    pairs = [(ati[name].ravel(), moist[name.replace("ati", "soil_moisture")].ravel()) for name in ati if name.startswith("ati")]
    x, y = (np.concatenate(part) for part in zip(*pairs))
    valid = np.isfinite(x) & np.isfinite(y)
    assert 0.3 < valid.mean() < 0.95 and np.corrcoef(x[valid], y[valid])[0, 1] > 0.4


def test_soil_indices(run, scene, refused, tmp_path):
    soil = str(scene / "soil.tif")
    found = read(run("soilindices", SAND=soil, CLAY=soil, OUTPUT=str(tmp_path / "awc.tif"))["OUTPUT"])
    assert list(found) == ["sand", "clay", "silt", "awc"]
    np.testing.assert_allclose(found["sand"] + found["clay"] + found["silt"], 100, atol=1e-3)
    refused("look like percent", "soilindices", SAND=soil, CLAY=soil, UNITS="g_per_kg", OUTPUT=str(tmp_path / "x.tif"))


def test_an_optional_number_that_is_not_set_is_no_zero(run, scene, tmp_path):
    files = {key: [str(scene / f"{name}.tif")] for key, name in (("ALBEDO", "albedo"), ("LST_DAY", "lst_day"), ("LST_NIGHT", "lst_night"))}
    plain = read(run("thermalinertia", **files, OUTPUT=str(tmp_path / "a.tif"))["OUTPUT"])
    one = read(run("thermalinertia", **files, LST_SCALE=1, OUTPUT=str(tmp_path / "b.tif"))["OUTPUT"])
    for name in plain:
        np.testing.assert_array_equal(plain[name], one[name])
