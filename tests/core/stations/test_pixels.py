"""Pixels of a coarse product as rows: their values, the means of the fine cells under them, and what is refused."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.raster.origins import read_predictors
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.pixels import sample_pixels


@pytest.fixture
def fine(write_raster):
    rng = np.random.default_rng(0)
    dem, ndvi = rng.random((40, 40)).astype(np.float32), rng.random((2, 40, 40)).astype(np.float32)
    ndvi[0, :10, :10] = np.nan
    ndvi[0, 10, 10] = np.nan
    sources = [
        write_raster("dem.tif", dem, ["dem"]),
        write_raster("ndvi.tif", ndvi, ["ndvi@2020-06-01", "ndvi@2020-06-09"]),
    ]
    return dem, ndvi, sources


def coarse(write_raster, values, names, cell=300, origin=(500000, 4000000), **options):
    return [write_raster("coarse.tif", values, names, cell=cell, origin=origin, **options)]


def blocks(values):
    """Return the means of 10 x 10 cells."""
    with np.errstate(invalid="ignore"):
        parts = values.reshape(4, 10, 4, 10)
        return np.nanmean(np.where(np.isnan(parts).all(axis=(1, 3), keepdims=True), 0, parts), axis=(1, 3)) + np.where(
            np.isnan(parts).all(axis=(1, 3)), np.nan, 0
        )


def test_means_under_pixels_by_date(fine, write_raster):
    dem, ndvi, sources = fine
    product = np.random.default_rng(1).random((2, 6, 6)).astype(np.float32)
    product[1, 2, 2] = -1
    rows = sample_pixels(
        coarse(write_raster, product, ["sm@2020-06-02", "sm@2020-06-10"], nodata=-1), read_predictors(sources), 4
    )
    # The product is larger than the predictors: 4 x 4 of its 6 x 6 pixels are covered.
    assert len(rows.values) == rows.found == 16 + 15
    first = slice(0, 16)
    np.testing.assert_array_equal(rows.values[first], product[0, :4, :4].ravel())
    np.testing.assert_allclose(rows.predictors["dem"][first], blocks(dem).ravel(), rtol=1e-5)
    np.testing.assert_allclose(rows.predictors["ndvi"][first], blocks(ndvi[0]).ravel(), rtol=1e-5)
    assert np.isnan(rows.predictors["ndvi"][0])
    kept = np.arange(16) != 2 * 4 + 2
    np.testing.assert_allclose(rows.predictors["ndvi"][16:], blocks(ndvi[1]).ravel()[kept], rtol=1e-5)
    np.testing.assert_array_equal(rows.gap_days["ndvi"], -1)
    assert rows.times[0] == parse_time("2020-06-02") and rows.times[-1] == parse_time("2020-06-10")
    assert rows.names[0] == rows.names[16] == "coarse r0 c0" and rows.product == "coarse"
    np.testing.assert_allclose([rows.x[1], rows.y[1]], [500450, 3999850])


def test_pixels_in_another_crs_and_partly_covered_are_left_out(fine, write_raster):
    dem, _, sources = fine
    rows = sample_pixels(
        coarse(write_raster, np.ones((1, 3, 3)), ["sm"], origin=(499880, 4000120)), read_predictors(sources[:1])
    )
    # Begun 120 m outside, only pixels from the second on lie wholly within.
    assert rows.names == ["coarse r1 c1", "coarse r1 c2", "coarse r2 c1", "coarse r2 c2"]
    np.testing.assert_allclose(
        rows.predictors["dem"],
        [dem[r : r + 10, c : c + 10].mean() for r, c in ((6, 6), (6, 16), (16, 6), (16, 16))],
        rtol=1e-5,
    )
    degrees = [write_raster("deg.tif", np.ones((1, 40, 40)), ["sm"], cell=0.003, origin=(-3.02, 36.2), crs="EPSG:4326")]
    turned = sample_pixels(degrees, read_predictors(sources[:1]))
    assert 4 <= len(turned.values) < 20 and np.isfinite(turned.predictors["dem"]).all()


def test_a_seeded_draw(fine, write_raster):
    product = coarse(write_raster, np.random.default_rng(1).random((1, 4, 4)), ["sm"])
    first, again = (sample_pixels(product, read_predictors(fine[2][:1]), most=5) for _ in range(2))
    assert len(first.values) == 5 and first.found == 16 and first.names == again.names
    np.testing.assert_array_equal(first.values, again.values)


def test_refusals(fine, write_raster):
    _, _, sources = fine
    with pytest.raises(InputError, match="No pixel of `product` .* lies wholly within the predictors"):
        sample_pixels(
            coarse(write_raster, np.ones((1, 2, 2)), ["sm"], origin=(900000, 4000000)), read_predictors(sources)
        )
    with pytest.raises(InputError, match="has no data where the predictors lie"):
        sample_pixels(coarse(write_raster, np.full((1, 2, 2), -1.0), ["sm"], nodata=-1), read_predictors(sources))
    other = [
        write_raster("a.tif", np.ones((1, 2, 2)), ["sm@2020-01-01"], cell=300),
        write_raster("b.tif", np.ones((1, 2, 2)), ["sm@2020-01-02"], cell=200),
    ]
    with pytest.raises(InputError, match="must have one grid, but 'b.tif' differs from 'a.tif'"):
        sample_pixels(other, read_predictors(sources))
