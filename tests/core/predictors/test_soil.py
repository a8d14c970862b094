"""Soil indices: the published formula, units that are noticed, and what is clipped."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.predictors.soil import soil_indices
from sm_toolbox.raster.request import Engine


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


@pytest.fixture
def texture(write_raster):
    def make(sand, clay, **options):
        return write_raster("sand.tif", np.atleast_2d(sand), ["sand"], **options), write_raster(
            "clay.tif", np.atleast_2d(clay), ["clay"], **options
        )

    return make


def test_the_example_of_the_formula(texture, tmp_path):
    counts = soil_indices(*texture([31.0, 10.0, np.nan], [20.0, 70.0, 20.0]), str(tmp_path / "o.tif"))
    found = read(tmp_path / "o.tif")
    np.testing.assert_allclose(found["awc"][0], [16.32, 0, np.nan], atol=1e-5)
    np.testing.assert_allclose(found["silt"][0], [49, 20, np.nan], atol=1e-5)
    assert list(found) == ["sand", "clay", "silt", "awc"] and counts == {"clipped_awc": 1, "above_100": 0}


def test_grams_per_kilogram(texture, tmp_path):
    soil_indices(
        *texture([310, 500], [200, 100], dtype="int16", nodata=-32768), str(tmp_path / "o.tif"), units="g_per_kg"
    )
    np.testing.assert_allclose(read(tmp_path / "o.tif")["awc"][0], [16.32, 40.7 - 19 - 6.3], atol=1e-4)


def test_silt_of_its_own_and_bands_of_one_file(write_raster, tmp_path):
    both = write_raster("soil.tif", np.array([[[30.0]], [[20.0]], [[44.0]]]), ["clay", "sand", "silt"])
    soil_indices(both, both, str(tmp_path / "o.tif"), silt=both)
    found = read(tmp_path / "o.tif")
    assert (found["sand"][0, 0], found["clay"][0, 0], found["silt"][0, 0]) == (20, 30, 44)


@pytest.mark.parametrize(
    ("sand", "clay", "units", "words"),
    [
        (
            [310.0],
            [200.0],
            "percent",
            "holds 310, which cannot be percent. The values look like g/kg.*set `units` to g_per_kg",
        ),
        ([31.0], [20.0], "g_per_kg", "look like percent.*Set `units` to percent"),
        ([31.0], [-9999.0], "percent", "Clay in 'clay.tif' holds -9999.*nodata"),
        ([3000.0], [20.0], "percent", "holds 3000.*Check the layer"),
        ([31.0], [20.0], "ppm", "`units` is 'ppm'"),
    ],
)
def test_impossible_values_write_nothing(texture, tmp_path, leftovers, sand, clay, units, words):
    layers = texture(sand, clay)
    before = leftovers()
    with pytest.raises(InputError, match=words):
        soil_indices(*layers, str(tmp_path / "o.tif"), units=units)
    assert leftovers() == before


def test_sums_above_100_and_clipping_are_counted_and_said(texture, tmp_path, progress):
    soil_indices(*texture([60.0, 5.0], [50.0, 80.0]), str(tmp_path / "o.tif"), engine=Engine(progress=progress))
    assert "negative in 2 cells" in progress.warnings[0] and "more than 100 % in 1 cells" in progress.warnings[1]
    assert read(tmp_path / "o.tif")["silt"].min() == 0


def test_a_file_of_several_bands_without_the_name(write_raster, tmp_path):
    two = write_raster("two.tif", np.ones((2, 1, 1)), ["a", "b"])
    with pytest.raises(InputError, match="none of them named 'sand' alone"):
        soil_indices(two, two, str(tmp_path / "o.tif"))
