"""Merging where it is known what should come out: missing products, cells that are not resolved, parts of the year,
anomalies, units.
"""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.merging.merge import merge_products, year_parts
from sm_toolbox.merging.settings import CollocationSettings
from sm_toolbox.merging.triplecollocation import triple_collocation
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine

DAYS = np.arange("2017-01-01", "2019-01-01", dtype="datetime64[D]")
SHAPE = (3, 4)


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


@pytest.fixture
def make(write_raster):
    """A function that writes products of a common signal: gains, noises (numbers or one for each day), and days;
    returns sources and the signal.
    """

    def make(gains=(1, 0.8, 1.3), noises=(0.02, 0.04, 0.03), days=DAYS, seed=0, change=None, **options):
        rng = np.random.default_rng(seed)
        season = 0.08 * np.cos(2 * np.pi * np.arange(len(days)) / 365)
        signal = 0.25 + season[:, None, None] + rng.normal(0, 0.05, (len(days), *SHAPE))
        products = [
            gain * (signal + np.broadcast_to(noise, len(days))[:, None, None] * rng.normal(size=signal.shape))
            for gain, noise in zip(gains, noises)
        ]
        if change:
            change(products)
        names = [f"sm@{day}" for day in days]
        return [
            [write_raster(f"{letter}.tif", values, names, **options)] for letter, values in zip("abcde", products)
        ], signal

    return make


def test_missing_products_are_made_up_for_by_the_others(make, tmp_path):
    def change(products):
        products[1][::7] = np.nan
        products[0][::11] = np.nan
        products[2][5] = products[1][5] = products[0][5] = np.nan

    sources, signal = make(change=change)
    merge_products(sources, str(tmp_path / "m.tif"), str(tmp_path / "w.tif"))
    merged, weights = np.stack(list(read(tmp_path / "m.tif").values())), read(tmp_path / "w.tif")
    assert np.isnan(merged[5]).all() and np.isfinite(np.delete(merged, 5, axis=0)).all()
    # On a day without b the weights of a and c add up to 1 again.
    day = 7
    a, c = (read(sources[i][0].path)[f"sm@{DAYS[day]}"] for i in (0, 2))
    tc = triple_collocation(sources, str(tmp_path / "tc.tif"))
    found = read(tmp_path / "tc.tif")
    assert tc.tally.resolved_percent == 100
    values = {letter: np.stack(list(read(sources[i][0].path).values())) for i, letter in enumerate("abc")}
    common = np.isfinite(values["a"]) & np.isfinite(values["b"]) & np.isfinite(values["c"])
    mean = {letter: np.nanmean(np.where(common, own, np.nan), axis=0) for letter, own in values.items()}
    rescaled = {"a": a, "c": mean["a"] + found["sensitivity_c"] * (c - mean["c"])}
    share = {letter: found[f"scaled_error_{letter}"] ** -2.0 for letter in "ac"}
    expected = (share["a"] * rescaled["a"] + share["c"] * rescaled["c"]) / (share["a"] + share["c"])
    np.testing.assert_allclose(merged[day], expected, rtol=1e-4)
    np.testing.assert_allclose(weights["weight_a"], found["weight_a"], rtol=1e-4)
    assert np.nanstd(merged - signal) < 0.02


@pytest.mark.parametrize("fallback", ["mean", "best", "nodata"])
def test_cells_that_are_not_resolved(make, tmp_path, fallback):
    def change(products):
        # In the first row c has nothing to do with the others.
        products[2][:, 0] = np.random.default_rng(9).normal(0.3, 0.06, products[2][:, 0].shape)

    sources, _ = make(change=change)
    result = merge_products(sources, str(tmp_path / "m.tif"), str(tmp_path / "w.tif"), fallback=fallback)
    merged, weights = np.stack(list(read(tmp_path / "m.tif").values())), read(tmp_path / "w.tif")
    assert (weights["flag"][0] == 2).all() and (weights["flag"][1:] == 0).all()
    assert result.tally.resolved_percent == pytest.approx(100 * 2 / 3)
    assert np.isnan(weights["weight_a"][0]).all()
    a, b, c = (np.stack(list(read(own[0].path).values())) for own in sources)
    matched = [
        own.mean(axis=0) * 0 + a.mean(axis=0) + (own - own.mean(axis=0)) * a.std(axis=0) / own.std(axis=0)
        for own in (a, b, c)
    ]
    if fallback == "nodata":
        assert np.isnan(merged[:, 0]).all()
    elif fallback == "mean":
        np.testing.assert_allclose(merged[:, 0], np.mean(matched, axis=0)[:, 0], rtol=1e-4)
    else:
        # a and b are correlated with each other, c with neither: one of the two is chosen.
        near = np.minimum(np.abs(merged[:, 0] - matched[0][:, 0]), np.abs(merged[:, 0] - matched[1][:, 0]))
        assert near.max() < 1e-4
    assert np.isfinite(merged[:, 1:]).all()


def test_weights_follow_the_season(make, tmp_path):
    """a is good in winter, b in summer."""
    month = (DAYS.astype("datetime64[M]").astype(int) % 12) + 1
    winter = np.isin(month, (12, 1, 2))
    sources, signal = make(gains=(1, 1, 1), noises=(np.where(winter, 0.02, 0.08), np.where(winter, 0.08, 0.02), 0.03))
    found = {}
    for window in ("all", "season"):
        result = merge_products(sources, str(tmp_path / f"{window}.tif"), str(tmp_path / "w.tif"), window=window)
        found[window] = np.stack(list(read(tmp_path / f"{window}.tif").values()))
    weights = read(tmp_path / "w.tif")
    assert result.parts == ["djf", "mam", "jja", "son"] and min(result.own_weights) > 60
    assert np.nanmedian(weights["weight_a_djf"]) > 0.5 and np.nanmedian(weights["weight_b_jja"]) > 0.5
    error = {window: np.std(values - signal) for window, values in found.items()}
    assert error["season"] < 0.8 * error["all"]


def test_parts_of_the_year():
    names, of_month = year_parts("season")
    assert [names[i] for i in of_month] == [
        "djf",
        "djf",
        "mam",
        "mam",
        "mam",
        "jja",
        "jja",
        "jja",
        "son",
        "son",
        "son",
        "djf",
    ]
    assert year_parts("all")[0] == [] and year_parts("month")[0][8] == "09"


@pytest.mark.parametrize("anomalies", ["climatology", "moving_window"])
def test_anomalies_take_the_season_off(make, tmp_path, progress, anomalies):
    sources, _ = make()
    for name in ("none", anomalies):
        triple_collocation(
            sources,
            str(tmp_path / f"{name}.tif"),
            settings=CollocationSettings(anomalies=name),
            engine=Engine(progress=progress),
        )
    plain, found = (read(tmp_path / f"{name}.tif") for name in ("none", anomalies))
    # Errors are the same, the signal is smaller without the seasons, and so is the correlation with the truth.
    np.testing.assert_allclose(np.median(found["error_b"]), np.median(plain["error_b"]), rtol=0.15)
    assert (np.nanmedian(found["snr_b"]) < np.nanmedian(plain["snr_b"]) - 1) and np.nanmedian(
        found["correlation_b"]
    ) < np.nanmedian(plain["correlation_b"])
    merge_products(sources, str(tmp_path / "m.tif"), settings=CollocationSettings(anomalies=anomalies))
    merged, a = (np.stack(list(read(path).values())) for path in (tmp_path / "m.tif", sources[0][0].path))
    # The merged product has the seasons of the reference.
    assert np.corrcoef(merged[:, 1, 1], a[:, 1, 1])[0, 1] > 0.9 and abs(merged.mean() - a.mean()) < 0.01


def test_the_reference_gives_the_units(make, tmp_path, progress):
    def change(products):
        products[2] *= 100

    sources, signal = make(change=change)
    merge_products(sources, str(tmp_path / "m.tif"), reference="c", engine=Engine(progress=progress))
    merged = np.stack(list(read(tmp_path / "m.tif").values()))
    assert merged.mean() == pytest.approx(130 * signal.mean(), rel=0.02)
    assert any("`reference` c is not in m³ m⁻³" in text for text in progress.warnings)


def test_dates_within_a_gap_and_on_another_grid(make, write_raster, tmp_path, progress):
    sources, _ = make()
    with rasterio.open(sources[1][0].path) as dataset:
        values = dataset.read()
    moved = write_raster(
        "b_moments.tif", values.repeat(2, axis=1).repeat(2, axis=2), [f"sm@{day}T06:00:00" for day in DAYS], cell=15.0
    )
    triple_collocation([sources[0], [moved], sources[2]], str(tmp_path / "x.tif"), engine=Engine(progress=progress))
    triple_collocation(sources, str(tmp_path / "y.tif"))
    x, y = read(tmp_path / "x.tif"), read(tmp_path / "y.tif")
    np.testing.assert_allclose(x["error_b"], y["error_b"], rtol=1e-4)
    assert any("is warped" in text for text in progress.infos)


def test_netcdf_out_and_a_single_row(make, tmp_path, write_raster):
    sources, _ = make()
    rows = []
    for own in sources:
        with rasterio.open(own[0].path) as dataset:
            rows.append([write_raster(f"row_{own[0].label}", dataset.read()[:, :1], dataset.descriptions)])
    merge_products(rows, str(tmp_path / "m.nc"), str(tmp_path / "w.nc"))
    bands = read_bands([Source(str(tmp_path / "m.nc"))])
    assert [band.name for band in bands[:2]] == ["soil_moisture@2017-01-01", "soil_moisture@2017-01-02"] and len(
        bands
    ) == len(DAYS)


@pytest.mark.parametrize(
    "options",
    [
        {"reference": "d"},
        {"reference": "f"},
        {"fallback": "zero"},
        {"window": "week"},
        {"anomalies": "weekly"},
        {"alpha": 0},
        {"replicates": 5},
    ],
)
def test_impossible_settings(make, tmp_path, leftovers, options):
    sources, _ = make(days=DAYS[:120])
    before = leftovers()
    (name,) = options
    if name in CollocationSettings.__dataclass_fields__:
        options = {"settings": CollocationSettings(**options)}
    with pytest.raises(InputError, match=f"`{name}`"):
        merge_products(sources, str(tmp_path / "m.tif"), **options)
    assert leftovers() == before


def test_cancel_leaves_nothing(make, tmp_path, cancelling, leftovers):
    sources, _ = make(days=DAYS[:120])
    before = leftovers()
    for run in (triple_collocation, merge_products):
        with pytest.raises(Cancelled):
            run(sources, str(tmp_path / "out.tif"), engine=Engine(progress=cancelling(1)))
    assert leftovers() == before


@pytest.mark.parametrize("reference", ["d", "e"])
def test_any_product_can_be_the_reference(make, tmp_path, reference):
    sources, _ = make((1, 0.8, 1.3, 2, 0.5), (0.02, 0.04, 0.03, 0.05, 0.02))
    merge_products(sources, str(tmp_path / "m.tif"), reference=reference)
    merged, own = (
        np.stack(list(read(path).values())) for path in (tmp_path / "m.tif", sources["abcde".index(reference)][0].path)
    )
    assert merged.mean() == pytest.approx(own.mean(), rel=0.02)
    with pytest.raises(InputError, match=r"`reference` is 'e', but `sources\[4\]` holds no raster"):
        merge_products(sources[:4], str(tmp_path / "m.tif"), reference="e")


def test_a_date_without_any_product_among_correlated_ones(make, tmp_path):
    """It has no value, and takes no longer than others."""

    def change(products):
        for values in products:
            values[100, 1] = np.nan

    sources, _ = make((1, 0.8, 1.3, 2), (0.02, 0.04, 0.03, 0.05), change=change)
    settings = CollocationSettings(correlated="B-C")
    merge_products(sources, str(tmp_path / "m.tif"), settings=settings)
    merged = np.stack(list(read(tmp_path / "m.tif").values()))
    assert np.isnan(merged[100, 1]).all() and np.count_nonzero(np.isnan(merged)) == SHAPE[1]
