"""Terrain indices of a real DEM against gdaldem."""

import numpy as np
import pytest
import rasterio
from sm_toolbox.predictors.terrain import terrain_indices
from sm_toolbox.raster.bands import Source

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
        difference = (values - peer + 180) % 360 - 180 if name == "aspect" else values - peer
        assert np.nanmax(np.abs(difference)) < 5e-4, name
