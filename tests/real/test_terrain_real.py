"""Terrain indices of a real DEM against gdaldem."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.predictors.terrain import terrain_indices
from sm_toolbox.raster.opening import Source

pytestmark = pytest.mark.real
gdal = pytest.importorskip("osgeo.gdal", reason="gdaldem, the independent peer, comes with QGIS")


def test_the_andes_equal_gdaldem(real_data, tmp_path):
    dem = real_data("dem_ecuador", "dem.tif")
    terrain_indices(Source(str(dem)), ["slope", "aspect", "roughness"], str(tmp_path / "out.tif"))
    with rasterio.open(tmp_path / "out.tif") as dataset:
        found = dict(zip(dataset.descriptions, dataset.read()))
    for name, values in found.items():
        peer_path = str(tmp_path / f"{name}.tif")
        gdal.DEMProcessing(peer_path, str(dem), name)
        with rasterio.open(peer_path) as dataset:
            peer = dataset.read(1, masked=True).filled(np.nan)
        np.testing.assert_array_equal(np.isnan(values), np.isnan(peer))
        difference = values - peer
        if name == "aspect":
            # The direction of a nearly level cell is any direction: it counts as much as the cell is steep.
            difference = ((difference + 180) % 360 - 180) * np.tan(np.radians(found["slope"]))
        # gdaldem adds up heights of thousands of metres in single precision before it takes differences.
        assert np.nanmax(np.abs(difference)) < 3e-3, name


def test_slope_keeps_its_digits_where_gdaldem_loses_some(real_data, tmp_path):
    dem = real_data("dem_ecuador", "dem.tif")
    terrain_indices(Source(str(dem)), ["slope"], str(tmp_path / "out.tif"))
    with rasterio.open(dem) as dataset:
        z = dataset.read(1).astype(np.float64)
    # Horn's formula in double precision.
    x = (z[:-2, 2:] - z[:-2, :-2]) + 2 * (z[1:-1, 2:] - z[1:-1, :-2]) + (z[2:, 2:] - z[2:, :-2])
    y = (z[:-2, :-2] - z[2:, :-2]) + 2 * (z[:-2, 1:-1] - z[2:, 1:-1]) + (z[:-2, 2:] - z[2:, 2:])
    with rasterio.open(tmp_path / "out.tif") as dataset:
        slope = dataset.read(1)[1:-1, 1:-1]
    assert np.nanmax(np.abs(slope - np.degrees(np.arctan(np.hypot(x, y) / 80)))) < 3e-5
