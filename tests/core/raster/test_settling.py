"""Bands that are left out of a file, and how many calls that takes."""

from unittest.mock import patch

import numpy as np
import rasterio

from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import list_bands
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.writing import raster_writer, settle


def test_many_small_bands_are_copied_together(write_raster, tmp_path):
    grid = list_bands([write_raster("grid.tif", np.zeros((5, 7)))])[0].grid
    names = [f"moist@{np.datetime64('2019-01-01') + day}" for day in range(300)]
    bands = np.random.default_rng(0).random((300, 5, 7)).astype(np.float32)
    bands[::3] = np.nan
    writer = raster_writer(RasterOutput(str(tmp_path / "out.tif"), names, leaves_out_empty=True), grid)
    writer.write(bands, Window(0, 0, 7, 5))
    with patch.object(type(writer), "write", autospec=True, side_effect=type(writer).write) as write:
        left_out = settle(writer, grid)
    assert left_out == names[::3] and write.call_count == 1
    writer.put_in_place()
    with rasterio.open(tmp_path / "out.tif") as dataset:
        kept = [band for band in range(300) if band % 3]
        assert list(dataset.descriptions) == [names[band] for band in kept]
        np.testing.assert_array_equal(dataset.read(), bands[kept])
