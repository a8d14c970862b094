"""Arithmetic on bands: values equal NumPy's, on every date that the variables share."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.products.calculate import calculate_bands
from sm_toolbox.raster.request import Engine

DAYS = [f"2018-{month:02d}-{day:02d}" for month in (6, 7) for day in range(1, 31)]


@pytest.fixture
def stack(write_raster):
    values = np.random.default_rng(0).random((len(DAYS), 30, 40)).astype(np.float32)
    values[3, :5] = np.nan
    return write_raster("lst.tif", values, [f"lst@{day}" for day in DAYS]), values


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.descriptions


def test_every_date_in_one_call(stack, write_raster, tmp_path):
    source, values = stack
    static = write_raster("dem.tif", np.full((1, 30, 40), 2, np.float32), ["dem"])
    path = str(tmp_path / "o.tif")
    names = calculate_bands([source, static], "x = lst * dem - 1; y = where(x > 0, x, nan)", path, engine=Engine(2**20))
    found, described = read(path)
    assert tuple(names) == described == tuple(f"{name}@{day}" for name in "xy" for day in DAYS)
    expected = values * 2 - 1
    np.testing.assert_array_equal(found[: len(DAYS)], expected)
    np.testing.assert_array_equal(found[len(DAYS) :], np.where(expected > 0, expected, np.nan))


def test_dates_that_the_variables_share(stack, write_raster, tmp_path):
    source, values = stack
    composite = write_raster("MOD13A1_2018153_2018168.tif", np.full((1, 30, 40), 0.5, np.float32), ["ndvi@2018-06-02"])
    path = str(tmp_path / "o.tif")
    assert calculate_bands([source, composite], "z = lst + ndvi", path) == ["z@2018-06-02"]
    np.testing.assert_array_equal(read(path)[0][0], values[1] + np.float32(0.5))
    near = calculate_bands([source, composite], "z = lst + ndvi", path, max_gap_days=2)
    assert near == [f"z@2018-06-0{day}" for day in (1, 2, 3, 4)]
    late = write_raster("late.tif", np.ones((1, 30, 40), np.float32), ["sm@2020-01-01"])
    with pytest.raises(InputError, match=r"No date has all of lst, sm within `max_gap_days` 0 days: lst 2018-06-01 to"):
        calculate_bands([source, late], "z = lst + sm", path)


def test_two_products_of_one_variable(write_raster, tmp_path):
    a, b = (
        write_raster(f"{name}.tif", np.full((1, 6, 8), value, np.float32), ["sm@2018-06-01"])
        for name, value in (("smap", 0.2), ("era5", 0.3))
    )
    path = str(tmp_path / "o.tif")
    assert calculate_bands([a, b], "difference = sm_smap - sm_era5", path) == ["difference@2018-06-01"]
    assert read(path)[0][0, 0, 0] == pytest.approx(-0.1)
    with pytest.raises(InputError, match="no band of `sources` has that name.*There are: sm_era5, sm_smap"):
        calculate_bands([a, b], "difference = sm - 1", path)


def test_renaming_keeps_values_dates_and_unit(stack, tmp_path):
    source, values = stack
    with rasterio.open(source.path, "r+") as dataset:
        dataset.units = ["K"] * len(DAYS)
    path = str(tmp_path / "o.tif")
    calculate_bands([source], "temperature = lst", path)
    found, described = read(path)
    np.testing.assert_array_equal(found, values)
    with rasterio.open(path) as dataset:
        assert described[0] == "temperature@2018-06-01" and dataset.units[0] == "K"


def test_grids_are_brought_together(write_raster, tmp_path):
    fine = write_raster("dem.tif", np.arange(24 * 24, dtype=np.float32).reshape(1, 24, 24), ["dem"], cell=30)
    coarse = write_raster("ndvi.tif", np.full((1, 4, 4), 0.5, np.float32), ["ndvi@2018-06-01"], cell=180)
    path = str(tmp_path / "o.tif")
    calculate_bands([coarse, fine], "x = dem + 0 * ndvi", path)
    assert read(path)[0].shape == (1, 24, 24)
    calculate_bands([coarse, fine], "x = dem + 0 * ndvi", path, grid=coarse)
    assert read(path)[0][0, 0, 0] == pytest.approx(np.arange(576).reshape(24, 24)[:6, :6].mean())


def test_an_expression_without_a_band(stack, tmp_path):
    with pytest.raises(InputError, match="uses no band of `sources`"):
        calculate_bands([stack[0]], "x = 1 + 1", str(tmp_path / "o.tif"))
