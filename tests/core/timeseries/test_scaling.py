"""Matching against NumPy and SciPy, cell by cell, and against pytesmo's numbers."""

import numpy as np
import pytest
import rasterio
from scipy.stats import linregress

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import Engine
from sm_toolbox.timeseries.scaling import MATCHINGS, MatchingSettings, match_product

NODES = [0, 5, 10, 30, 50, 70, 90, 95, 100]


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def named(days, variable="sm"):
    return [f"{variable}@{np.datetime64('2017-01-01') + np.timedelta64(int(day), 'D')}" for day in days]


def by_hand(method, a, b, every):
    """Of one cell: the rule on common samples, for all values."""
    if method == "mean_sd":
        return (every - a.mean()) / a.std() * b.std() + b.mean()
    if method == "linear_regression":
        line = linregress(a, b)
        return line.intercept + line.slope * every
    x, y = (np.percentile(each, NODES, method="hazen") for each in (a, b))
    out = np.interp(every, x, y)
    low, high = every < x[0], every > x[-1]
    out[low] = y[0] + (every[low] - x[0]) * (y[1] - y[0]) / (x[1] - x[0])
    out[high] = y[-1] + (every[high] - x[-1]) * (y[-1] - y[-2]) / (x[-1] - x[-2])
    return out


@pytest.fixture
def pair(write_raster):
    """A biased, damped product of 400 days in percent and a reference of the last 300 of them, both with gaps."""
    rng = np.random.default_rng(0)
    truth = 0.25 + 0.08 * np.sin(np.arange(400) / 30)[:, None, None] + rng.normal(0, 0.02, (400, 3, 4))
    product = 20 + 40 * truth + rng.normal(0, 0.5, truth.shape)
    product[rng.random(product.shape) < 0.2] = np.nan
    reference = truth[100:] ** 2 * 3
    reference[rng.random(reference.shape) < 0.2] = np.nan
    reference[:, 0, 0] = np.nan
    product[:, 0, 1] = 30
    product, reference = product.astype(np.float32), reference.astype(np.float32)
    sources = [
        write_raster("product.tif", product, named(range(400))),
        write_raster("reference.tif", reference, named(range(100, 400), "soil_moisture")),
    ]
    return product, reference, sources


@pytest.mark.parametrize("method", MATCHINGS)
@pytest.mark.parametrize("by_month", [False, True])
def test_every_cell_by_hand(pair, tmp_path, method, by_month):
    product, reference, (a, b) = pair
    found = match_product([a], [b], str(tmp_path / "o.tif"), MatchingSettings(method, by_month, 20))
    got = read(tmp_path / "o.tif")
    assert found.bands == named(range(400))
    days = np.datetime64("2017-01-01") + np.arange(400).astype("timedelta64[D]")
    months = days.astype("datetime64[M]").astype(int) % 12 if by_month else np.zeros(400, int)
    samples = []
    for row, column in np.ndindex(3, 4):
        own = product[:, row, column].astype(float)
        other = np.concatenate([np.full(100, np.nan), reference[:, row, column].astype(float)])
        expected = np.full(400, np.nan)
        common = ~np.isnan(own) & ~np.isnan(other)
        samples.append(common.sum())
        for month in np.unique(months):
            here = months == month
            if (common & here).sum() >= 20 and np.ptp(own[common & here]) > 0:
                expected[here] = by_hand(method, own[common & here], other[common & here], own[here])
        np.testing.assert_allclose(got[:, row, column], expected, rtol=2e-5, atol=2e-6)
    assert np.isnan(got[:, 0, :2]).all() and not np.isnan(got[:, 1:]).all()
    assert found.samples == pytest.approx(np.mean([count for count in samples if count]))


# Of pytesmo 0.18.1: scaling.mean_std, scaling.linreg, and CDFMatching(percentiles=NODES).
PYTESMO = {
    "mean_sd": [0.16166521, 0.15106636, 0.14428309, 0.16420893, 0.14301123, 0.18413478],
    "linear_regression": [0.16166754, 0.15136036, 0.14476376, 0.16414127, 0.1435269, 0.18351877],
    "cdf": [0.16164286, 0.14902941, 0.14319412, 0.16592857, 0.1421, 0.19078472],
}


@pytest.mark.parametrize("method", MATCHINGS)
def test_as_pytesmo(write_raster, tmp_path, method):
    rng = np.random.default_rng(7)
    a = np.round(rng.gamma(3, 0.06, 60), 3)
    b = np.round(0.1 + 0.4 * a + rng.normal(0, 0.01, 60), 3)
    sources = [write_raster(f"{name}.tif", each[:, None, None] * np.ones((1, 2, 2)), named(range(60)))
               for name, each in (("a", a), ("b", b))]  # fmt: skip
    match_product(sources[:1], sources[1:], str(tmp_path / "o.tif"), MatchingSettings(method))
    np.testing.assert_allclose(read(tmp_path / "o.tif")[:6, 0, 0], PYTESMO[method], atol=2e-7)


def test_the_climatology_is_the_reference_s(pair, tmp_path):
    _, reference, (a, b) = pair
    match_product([a], [b], str(tmp_path / "o.tif"), MatchingSettings("mean_sd"))
    got, other = read(tmp_path / "o.tif")[100:, 1:], reference[:, 1:]
    common = ~np.isnan(got) & ~np.isnan(other)
    for row, column in np.ndindex(got.shape[1:]):
        own, theirs = (each[common[:, row, column], row, column] for each in (got, other))
        assert own.mean() == pytest.approx(theirs.mean(), rel=1e-5) and own.std() == pytest.approx(
            theirs.std(), rel=1e-4
        )


def test_little_memory_makes_the_same(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    sources = [
        write_raster(f"{name}.tif", rng.random((60, 140, 150)).astype(np.float32), named(range(60))) for name in "ab"
    ]
    for name, memory in (("o.tif", None), ("p.tif", 2**20)):
        match_product(sources[:1], sources[1:], str(tmp_path / name), engine=Engine(memory=memory))
    np.testing.assert_array_equal(read(tmp_path / "o.tif"), read(tmp_path / "p.tif"))


def test_a_reference_on_another_grid(pair, write_raster, tmp_path):
    _, _, (a, _) = pair
    rng = np.random.default_rng(1)
    coarse = [write_raster("coarse.tif", rng.random((400, 2, 2)), named(range(400)), cell=90.0)]
    match_product([a], coarse, str(tmp_path / "o.tif"))
    got = read(tmp_path / "o.tif")
    assert got.shape == (400, 3, 4) and np.nanmax(got) <= 1.1


def test_refusals(pair, write_raster, tmp_path, progress):
    _, _, (a, b) = pair
    out = str(tmp_path / "o.tif")
    for settings, message in (
        (MatchingSettings("quantile"), "`method` is 'quantile'"),
        (MatchingSettings(min_samples=2), "`min_samples` is 2"),
        (MatchingSettings(min_samples=301), "No cell has `min_samples` 301 common dates on which"),
        (MatchingSettings(by_month=True, min_samples=60), "in a calendar month .* leave `by_month` off, or"),
    ):
        with pytest.raises(InputError, match=message):
            match_product([a], [b], out, settings)
    later = [write_raster("later.tif", np.ones((3, 3, 4)), named(range(900, 903)))]
    with pytest.raises(InputError, match="share no date. Give rasters of the same time"):
        match_product([a], later, out)
    months = [write_raster("months.tif", np.ones((3, 3, 4)), ["sm@2017-01", "sm@2017-02", "sm@2017-03"])]
    with pytest.raises(InputError, match="periods of 1 days, `reference` of 31"):
        match_product([a], months, out)
    empty = [write_raster("empty.tif", np.full((400, 3, 4), np.nan), named(range(400)))]
    with pytest.raises(InputError, match="No cell has data of both `product` and `reference`"):
        match_product([a], empty, out)
    assert not (tmp_path / "o.tif").exists()
    match_product([a], [b], out, engine=Engine(progress=progress))
    assert any("% of the product's values are left out" in line for line in progress.infos)


@pytest.mark.parametrize("method", MATCHINGS)
def test_a_reference_that_does_not_vary_has_no_climatology(write_raster, tmp_path, method):
    rng = np.random.default_rng(2)
    product, reference = (rng.normal(0.3, 0.05, (60, 1, 2)) for _ in range(2))
    reference[:, 0, 1] = 0.2
    a, b = (write_raster(f"{name}.tif", each, named(range(60))) for name, each in (("a", product), ("b", reference)))
    match_product([a], [b], str(tmp_path / "o.tif"), MatchingSettings(method))
    assert np.isfinite(read(tmp_path / "o.tif")[:, 0, 0]).all() and np.isnan(read(tmp_path / "o.tif")[:, 0, 1]).all()


@pytest.mark.parametrize("unit", ["m3 m-3", ""])
def test_the_unit_is_the_reference_s(pair, tmp_path, unit):
    """A product in percent is matched to m³ m⁻³: its values are no percent any more."""
    _, _, (a, b) = pair
    for source, variable, text in ((a, "sm", "%"), (b, "soil_moisture", unit)):
        with rasterio.open(source.path, "r+") as dataset:
            dataset.update_tags(**{f"UNIT_{variable}": text})
            dataset.units = [text] * dataset.count
    for name in ("o.tif", "o.nc"):
        match_product([a], [b], str(tmp_path / name))
    with rasterio.open(tmp_path / "o.tif") as dataset:
        assert set(dataset.units) == {unit or None} and dataset.tags().get("UNIT_sm", "") == unit
    with rasterio.open(f"NETCDF:{tmp_path / 'o.nc'}:sm") as dataset:
        assert dataset.units[0] == (unit or "1")
