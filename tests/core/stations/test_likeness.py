"""A product's pixels as extra targets: brought to the stations' mean and spread, or told where they differ."""

import numpy as np
import pytest
from rasterio.crs import CRS

from sm_toolbox.errors import InputError
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.stations.table import TableSettings, sample_table

DAYS = [str(np.datetime64("2020-01-01") + np.timedelta64(i, "D")) for i in range(60)]


@pytest.fixture
def scene(write_raster):
    """Two stations that follow a truth, and a product with half of its spread, 0.1 too wet."""
    rng = np.random.default_rng(0)
    truth = 0.25 + 0.05 * np.sin(np.arange(60) / 5)
    product = 0.35 + 0.5 * (truth - 0.25)
    values = product[:, None, None] * np.ones((1, 2, 2))
    sources = [write_raster("smap.tif", values, [f"sm@{day}" for day in DAYS], cell=600.0)]
    predictors = [write_raster("clay.tif", rng.random((40, 40)), ["clay"])]
    x, y = np.repeat([500015.0, 500615.0], 60), np.repeat([3999985.0, 3999385.0], 60)
    names = ["a"] * 60 + ["b"] * 60
    rows = Rows("gauges", x, y, CRS.from_epsg(32630), [parse_time(day) for day in DAYS] * 2, names)
    # The second station is drier at all times: that is of places, not of the product.
    observed = np.concatenate([truth + 0.05, truth - 0.05])
    columns = {"station": names, "day": DAYS * 2, "sm": observed.tolist()}
    return rows, columns, predictors, sources, truth


def settings(**more):
    return TableSettings(station="station", time="day", value="sm", **more)


def test_values_are_brought_to_the_stations(scene, progress):
    rows, columns, predictors, product, truth = scene
    table = sample_table(rows, columns, predictors, settings(extra_matching="mean_sd"), product, progress)
    values = np.array(table.columns["sm"][120:]).reshape(60, 4)
    np.testing.assert_allclose(values, truth[:, None] * np.ones((1, 4)), atol=2e-4)
    assert any("spread divided by 0.50, on 120 rows" in line for line in progress.infos)


def test_what_differs_is_told(scene, progress):
    rows, columns, predictors, product, _ = scene
    table = sample_table(rows, columns, predictors, settings(), product, progress)
    assert table.columns["sm"][120] == pytest.approx(0.35, abs=0.01)
    (warning,) = [line for line in progress.warnings if "learns that" in line]
    assert "'smap' has 0.50 of the stations' spread" in warning and "`extra_matching` mean_sd" in warning


def test_refusals(scene):
    rows, columns, predictors, product, _ = scene
    few = {**columns, "sm": [*columns["sm"][:10], *[None] * 110]}
    with pytest.raises(InputError, match="`extra_matching` mean_sd needs 30 rows of 'gauges'"):
        sample_table(rows, few, predictors, settings(extra_matching="mean_sd"), product)
    with pytest.raises(InputError, match="`extra_matching` is 'cdf'"):
        sample_table(rows, columns, predictors, settings(extra_matching="cdf"), product)
