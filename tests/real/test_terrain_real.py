"""Terrain indices of a real 10 m DEM in the Andes of Ecuador against gdaldem, and averaged to a coarser grid in another CRS."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_bounds
from rasterio.warp import transform_bounds

from sm_toolbox.predictors.terrain import TERRAIN_INDICES, terrain_indices
from sm_toolbox.raster.bands import Source

pytestmark = pytest.mark.real


@pytest.fixture
def dem(real_data):
    return Source(str(real_data("dem_ecuador", "dem.tif")))


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def horn(path):
    """Slope, aspect (degrees) and roughness in float64, straight from the definitions."""
    with rasterio.open(path) as dataset:
        z, (dx, dy) = dataset.read(1, masked=True).astype(float).filled(np.nan), dataset.res
    windows = np.lib.stride_tricks.sliding_window_view(z, (3, 3))
    weights = np.array([1, 2, 1]) / 8
    p, q = (windows[..., 2] - windows[..., 0]) @ weights / dx, (windows[..., 0, :] - windows[..., 2, :]) @ weights / dy
    return {"slope": np.degrees(np.arctan(np.hypot(p, q))), "aspect": np.degrees(np.arctan2(-p, -q)) % 360, "roughness": np.ptp(windows, axis=(2, 3))}


def turn(a, b):
    return np.abs((a.astype(float) - b + 180) % 360 - 180)


def test_equal_to_gdaldem_and_to_float64(dem, tmp_path):
    gdal = pytest.importorskip("osgeo.gdal", reason="gdaldem, the independent peer, comes with QGIS")
    exact = horn(dem.path)
    terrain_indices(dem, list(exact), str(tmp_path / "out.tif"))
    steepness = np.tan(np.radians(exact["slope"]))
    for name, found in read(tmp_path / "out.tif").items():
        gdal.DEMProcessing(str(tmp_path / f"{name}.tif"), dem.path, name)
        with rasterio.open(tmp_path / f"{name}.tif") as dataset:
            peer = dataset.read(1, masked=True).filled(np.nan)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(peer), err_msg=name)
        found, peer = found[1:-1, 1:-1], peer[1:-1, 1:-1]
        assert np.nanmax(turn(found, exact[name])) < 1e-4, name
        # gdaldem adds up heights of 3,000 m in float32 (steps of 0.24 mm) before it takes differences; what this does to the aspect
        # grows towards level ground.
        assert np.nanmax(turn(found, peer) * (steepness if name == "aspect" else 1)) < 3e-3, name


def test_values_are_those_of_mountains(dem, tmp_path):
    terrain_indices(dem, list(TERRAIN_INDICES), str(tmp_path / "out.tif"))
    found = read(tmp_path / "out.tif")
    assert 10 < np.nanmedian(found["slope"]) < 45
    assert np.nanmin(found["aspect"]) >= 0 and np.nanmax(found["aspect"]) < 360
    assert np.nanmin(found["vector_ruggedness"]) >= 0 and np.nanmax(found["vector_ruggedness"]) < 0.5
    # Ridges are high and convex, valleys low and concave.
    elevation, curvature = found["elevation"], found["mean_curvature"]
    valid = np.isfinite(curvature)
    local = elevation - np.nanmean(elevation)
    assert np.corrcoef(local[valid], curvature[valid])[0, 1] > 0
    for name in TERRAIN_INDICES:
        assert not np.isinf(found[name]).any(), name


def test_averaged_to_degrees(dem, tmp_path):
    with rasterio.open(dem.path) as dataset:
        bounds = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    with rasterio.open(
        tmp_path / "grid.tif", "w", driver="GTiff", width=8, height=9, count=1, dtype="uint8", crs="EPSG:4326", transform=from_bounds(*bounds, 8, 9)
    ) as dataset:
        dataset.write(np.ones((1, 9, 8), np.uint8))
    terrain_indices(dem, list(TERRAIN_INDICES), str(tmp_path / "coarse.tif"), grid=Source(str(tmp_path / "grid.tif")))
    terrain_indices(dem, list(TERRAIN_INDICES), str(tmp_path / "fine.tif"))
    coarse, fine = read(tmp_path / "coarse.tif"), read(tmp_path / "fine.tif")
    for name in ("elevation", "slope", "roughness", "northness", "eastness"):
        spread = np.nanstd(fine[name])
        assert abs(np.nanmean(coarse[name]) - np.nanmean(fine[name])) < 0.05 * spread, name
    direction = np.degrees(np.arctan2(coarse["eastness"], coarse["northness"])) % 360
    np.testing.assert_allclose((coarse["aspect"] - direction + 180) % 360 - 180, 0, atol=1e-3)
