"""A real Sentinel-1 scene against SciPy's filter in linear power."""

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter

from sm_toolbox.predictors.sar import sar_predictors
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine

pytestmark = pytest.mark.real


@pytest.fixture
def scene(real_data):
    """The scene's path, and its power with NaN outside the limits of VV."""
    path = real_data("sentinel1_vv", "S1A__IW___A_20150309T173017_VV_grd_mli_geo_norm_db.tif")
    with rasterio.open(path) as dataset:
        decibels = dataset.read(1, masked=True).filled(np.nan).astype(np.float64)
    return str(path), np.where((decibels >= -25) & (decibels <= -5), 10 ** (decibels / 10), np.nan)


def filtered(power):
    """SciPy's filter knows no gaps: filtered zeros over the filtered share of valid cells."""
    valid = np.isfinite(power)
    total, share = (
        gaussian_filter(values, 1, truncate=1, mode="constant")
        for values in (np.where(valid, power, 0), valid.astype(float))
    )
    return 10 * np.log10(np.where(valid, total, np.nan) / np.where(valid, share, 1))


def test_the_scene_equals_scipy(scene, tmp_path, progress):
    path, power = scene
    bands = sar_predictors(
        [Source(path)],
        [],
        [],
        str(tmp_path / "o.tif"),
        statistics=str(tmp_path / "s.tif"),
        engine=Engine(progress=progress),
    )
    assert bands == ["vv@2015-03-09T17:30:17"]
    with rasterio.open(tmp_path / "o.tif") as dataset:
        found = dataset.read(1)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(power))
    np.testing.assert_allclose(found, filtered(power), atol=1e-4)
    # Bright slopes and buildings, and a few dark cells.
    assert 0.001 < np.isnan(power).mean() < 0.2
    assert progress.infos[-1].startswith(f"`vv`: {100 * np.isnan(power).mean():.1f} % of the values")


def test_means_at_100_m(scene, tmp_path):
    path, power = scene
    with rasterio.open(path) as dataset:
        profile = dataset.profile
    rows, columns = power.shape[0] // 5, power.shape[1] // 5
    profile.update(width=columns, height=rows, transform=profile["transform"] * profile["transform"].scale(5))
    with rasterio.open(tmp_path / "grid.tif", "w", **profile) as dataset:
        dataset.write(np.ones((1, rows, columns), np.float32))
    sar_predictors([Source(path)], [], [], str(tmp_path / "o.tif"), grid=Source(str(tmp_path / "grid.tif")))
    with rasterio.open(tmp_path / "o.tif") as dataset:
        found = dataset.read(1)
    means = np.nanmean(power[: 5 * rows, : 5 * columns].reshape(rows, 5, columns, 5), axis=(1, 3))
    np.testing.assert_allclose(found, filtered(means), atol=1e-4)
