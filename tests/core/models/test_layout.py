"""Places in metres: degrees, other units, and the area of a raster beside them."""

import numpy as np
import pytest
from rasterio.crs import CRS

from sm_toolbox.models.layout import Layout


def test_degrees_and_feet():
    x, y = np.array([10.0, 10.001]), np.array([50.0, 50.0])
    layout = Layout.of(x, y, geographic=True)
    # A thousandth of a degree of longitude at 50° is 71.7 m on the ellipsoid.
    assert np.diff(layout.positions[:, 0])[0] == pytest.approx(71.7, abs=0.1)
    assert Layout.of(x, y, metres_per_unit=0.3048).positions[0] == pytest.approx([3.048, 15.24])
    assert Layout.of(np.array([1, np.nan]), y) is None


def test_an_area_beside_the_points(write_raster):
    raster = write_raster("area.tif", np.ones((20, 20)), ["a"])
    x, y = np.array([500300.0, 500330.0]), np.array([3999700.0, 3999730.0])
    area = Layout.of(x, y).of_area(raster, CRS.from_epsg(32630))
    assert area.min(axis=0) == pytest.approx([500015, 3999415]) and area.max(axis=0) == pytest.approx([500585, 3999985])


def test_blocks_of_web_mercator_are_metres_on_the_ground():
    # 20 km of the map are 10 km on the ground at 60° N.
    x, y = np.array([1_000_000.0, 1_020_000.0]), np.array([8_399_737.9, 8_399_737.9])
    layout = Layout.of(x, y, crs=CRS.from_epsg(3857))
    assert np.diff(layout.positions[:, 0])[0] == pytest.approx(10_000, rel=0.01)
    # Of UTM the map's metres stay as they are.
    utm = Layout.of(np.array([500_000.0, 520_000.0]), np.array([6_651_000.0, 6_651_000.0]), crs=CRS.from_epsg(32632))
    assert np.diff(utm.positions[:, 0])[0] == 20_000
