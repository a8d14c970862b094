"""Indices of a real Landsat 8 scene of irrigated land at Talca, Chile."""

import re

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.predictors.reflectance import ReflectanceScaling
from sm_toolbox.predictors.spectral import spectral_indices
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine

pytestmark = pytest.mark.real
SCENE = "LC82320832016040LGN00"


@pytest.fixture
def scene(real_data):
    return [Source(str(real_data("landsat8_talca", f"{SCENE}_sr_band{i}.tif"))) for i in range(2, 8)]


@pytest.fixture
def temperature(real_data, tmp_path):
    """Brightness temperature (K) of band 10, with the constants of the scene's metadata."""
    mtl = real_data("landsat8_talca", f"{SCENE}_MTL.txt").read_text()
    gain, add, k1, k2 = (
        float(re.search(rf"{key}_BAND_10 = (\S+)", mtl).group(1))
        for key in ("RADIANCE_MULT", "RADIANCE_ADD", "K1_CONSTANT", "K2_CONSTANT")
    )
    with rasterio.open(real_data("landsat8_talca", f"{SCENE}_band10.tif")) as dataset:
        kelvin = k2 / np.log(k1 / (gain * dataset.read(1) + add) + 1)
        profile = {**dataset.profile, "dtype": "float32", "nodata": None}
    with rasterio.open(tmp_path / "lst.tif", "w", **profile) as dataset:
        dataset.write(kelvin.astype("float32"), 1)
    return [Source(str(tmp_path / "lst.tif"))]


def read(path):
    with rasterio.open(path) as dataset:
        return {name.partition("@")[0]: values for name, values in zip(dataset.descriptions, dataset.read())}


def test_irrigated_land(scene, temperature, tmp_path, progress):
    names = ["ndvi", "savi", "vari", "ndii6", "ndii7", "gvmi", "albedo", "albedo_visible", "albedo_nir", "tvdi", "vtci"]
    result = spectral_indices(
        scene,
        "landsat_oli",
        names,
        str(tmp_path / "o.tif"),
        scaling=ReflectanceScaling(1e-4),
        lst=temperature,
        engine=Engine(progress=progress),
    )
    assert result.bands[0].startswith("ndvi")
    found = read(tmp_path / "o.tif")
    with rasterio.open(scene[2].path) as red, rasterio.open(scene[3].path) as nir:
        r, n = red.read(1), nir.read(1)
    # Where the sum is large enough to divide by, the scale cancels out.
    sure = n + r >= 100
    np.testing.assert_allclose(found["ndvi"][sure], ((n - r) / (n + r))[sure], rtol=1e-4, atol=1e-6)
    assert (
        np.nanmin(found["ndvi"]) > -0.5
        and 0.85 < np.nanmax(found["ndvi"]) < 0.98
        and 0.4 < np.nanmean(found["ndvi"]) < 0.6
    )
    low, middle, high = np.nanpercentile(found["albedo"], [1, 50, 99])
    assert 0.05 < low < 0.15 < middle < 0.25 < high < 0.5
    assert np.nanmedian(found["albedo_visible"]) < np.nanmedian(found["albedo"]) < np.nanmedian(found["albedo_nir"])
    (edges,) = result.edges
    assert edges.dry[1] < -5 and abs(edges.wet[1]) < abs(edges.dry[1]) and len(edges.centres) > 20
    assert 0 < np.nanmedian(found["tvdi"]) < 1 and np.corrcoef(found["tvdi"][sure], found["vtci"][sure])[0, 1] < -0.9
    assert max(max(shares) for shares in result.outside.values()) < 0.1


def test_integers_in_a_float_file_are_no_reflectances(scene, tmp_path):
    with pytest.raises(InputError, match=r"red in band 1 of .*_sr_band4.tif.* are not reflectances.*Set `scale`"):
        spectral_indices(scene, "landsat_oli", ["ndvi"], str(tmp_path / "o.tif"))
