"""Cells left out by their class."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.masking import ClassMask, parse_mask_values
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.reading import BandReader


def write(path, values, **more):
    values = np.asarray(values, "uint8")
    options = {"transform": from_origin(0, 0, 10, 10), "crs": "EPSG:32630", "dtype": "uint8", **more}
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1], width=values.shape[2], **options
    ) as file:
        file.write(values)
    return Source(str(path))


def test_a_class_that_is_called_no_data_is_one(tmp_path):
    """Water is 0 in many land covers, and 0 the value of no data."""
    source = write(tmp_path / "cover.tif", [[[0, 4, 17, 255]]], nodata=0)
    mask = ClassMask(source, (0.0, 17.0))
    with BandReader([mask.band], mask.band.grid).open() as opened:
        values = opened.read(Window(0, 0, 4, 1))[0, 0]
    assert mask.leaves_out(values).tolist() == [True, False, True, False]


def test_a_mask_has_one_band(tmp_path):
    with pytest.raises(InputError, match="`mask` .* has 2 bands"):
        _ = ClassMask(write(tmp_path / "two.tif", [[[1]], [[2]]]), (1.0,)).band


def test_what_is_missing_is_told(tmp_path):
    mask = ClassMask(write(tmp_path / "cover.tif", [[[1, 2]]]), (0.0, 17.0))
    assert "the classes 1, 2, none of which is in `mask_values` (0, 17)" in mask.missing_in_words([1.0, 2.0])
    assert mask.missing_in_words([1.0, 17.0]) == ""


def test_classes_are_numbers():
    assert parse_mask_values("17, 0,17,") == (17.0, 0.0) and parse_mask_values(None) == ()
    with pytest.raises(InputError, match="`mask_values`: 'water' is no number"):
        parse_mask_values("17,water")
