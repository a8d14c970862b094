"""Comparison of maps against closed forms, and against the formulas on whole arrays."""

import numpy as np
import pytest

from sm_toolbox.demo.example import read_example
from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.metrics import metrics
from sm_toolbox.raster.request import Engine
from sm_toolbox.validation.mappairs import MapSettings
from sm_toolbox.validation.maps import compare_maps
from sm_toolbox.validation.mapsums import METRICS_OF_MAPS, metrics_of_sums

DAYS = [f"2020-06-{day:02d}" for day in (1, 3, 5, 7, 9)]


@pytest.fixture
def two(write_raster):
    """Arrays (dates, rows, cols) of product and reference with gaps, and their sources."""
    rng = np.random.default_rng(3)
    reference = 0.2 + 0.1 * rng.random((5, 24, 30))
    product = 0.05 + 0.9 * reference + 0.02 * rng.standard_normal(reference.shape)
    product[:, 3, 4] = np.nan
    reference[2, :5] = np.nan
    product, reference = product.astype(np.float32), reference.astype(np.float32)
    names = [f"soil_moisture@{day}" for day in DAYS]
    return (
        product,
        reference,
        write_raster("product.tif", product, names),
        write_raster("reference.tif", reference, names),
    )


def spaef(product, reference):
    """Return the formula of Demirel et al. 2018 as it is, with common bins."""
    z, w = ((values - values.mean()) / values.std() for values in (product, reference))
    bins = np.linspace(min(z.min(), w.min()), max(z.max(), w.max()), round(np.sqrt(len(z))) + 1)
    counts = [np.histogram(scores, bins)[0] for scores in (z, w)]
    alpha = np.corrcoef(product, reference)[0, 1]
    beta = (product.std() / product.mean()) / (reference.std() / reference.mean())
    gamma = np.minimum(*counts).sum() / counts[1].sum()
    return 1 - np.sqrt((alpha - 1) ** 2 + (beta - 1) ** 2 + (gamma - 1) ** 2)


def pairs_of(product, reference):
    has_both = np.isfinite(product) & np.isfinite(reference)
    return product[has_both].astype(np.float64), reference[has_both].astype(np.float64)


def test_metrics_are_those_of_the_pairs(two, tmp_path):
    product, reference, *sources = two
    result = compare_maps([sources[0]], [sources[1]], str(tmp_path / "d.tif"), cells=str(tmp_path / "cells.tif"))
    for date in range(5):
        own = pairs_of(product[date], reference[date])
        wanted = metrics(*own)
        for name in METRICS_OF_MAPS:
            assert result.by_date[name][date, 0] == pytest.approx(wanted.values[name], abs=1e-12), name
        assert result.by_date["spaef"][date, 0] == pytest.approx(spaef(*own), abs=0.003)
    wanted = metrics(*pairs_of(product, reference))
    for name in METRICS_OF_MAPS:
        assert result.number(name) == pytest.approx(wanted.values[name], abs=1e-12), name
    assert result.number("spaef") == np.median(result.by_date["spaef"][:, 0])
    written = read_example(str(tmp_path / "d.tif"))
    assert list(written) == [f"difference@{day}" for day in DAYS]
    assert np.array_equal(np.stack(list(written.values())), product - reference, equal_nan=True)
    cells = read_example(str(tmp_path / "cells.tif"))
    own = metrics(product[:, 9, 7].astype(float), reference[:, 9, 7].astype(float))
    assert [cells[name][9, 7] for name in ("r", "bias", "ubrmse", "n")] == pytest.approx(
        [own.r, own.bias, own.ubrmse, 5], rel=1e-5
    )
    assert cells["n"][0, 0] == 4 and np.isnan(cells["r"][3, 4])


def test_spaef_in_closed_form(write_raster, tmp_path):
    """Twice a map has R 1, as many variations, and the same z-scores: 1. Twice its variation about the mean: β 2."""
    rng = np.random.default_rng(0)
    truth = 0.3 + 0.05 * rng.standard_normal((40, 40))
    reference = write_raster("truth.tif", [truth], ["soil_moisture"], dtype="float64")
    for name, values, wanted in (
        ("double", 2 * truth, 1.0),
        ("wide", truth.mean() + 2 * (truth - truth.mean()), 0.0),
    ):
        product = write_raster(f"{name}.tif", [values], ["soil_moisture"], dtype="float64")
        result = compare_maps([product], [reference], str(tmp_path / f"d_{name}.tif"))
        # The bands are read in single precision, and a score may fall into the next bin.
        assert result.number("spaef") == pytest.approx(wanted, abs=2e-3), name


def test_windows_and_threads_make_no_difference(two, tmp_path):
    *_, first, second = two
    found = []
    for memory, threads in ((None, 1), (60_000, 3)):
        result = compare_maps([first], [second], str(tmp_path / "d.tif"), engine=Engine(memory=memory, threads=threads))
        found.append(np.stack([result.by_date[name][:, 0] for name in (*METRICS_OF_MAPS, "spaef")]))
    assert found[0] == pytest.approx(found[1], abs=1e-12)


def test_mask_and_zones(two, write_raster, tmp_path):
    product, reference, *sources = two
    zones = np.full((24, 30), 7.0)
    zones[:, 15:] = 2
    zones[0] = np.nan
    mask = np.ones((24, 30))
    mask[10:] = 0
    settings = MapSettings(
        zones=write_raster("zones.tif", [zones], ["landcover"], nodata=-1),
        mask=write_raster("mask.tif", [mask], ["mask"]),
    )
    result = compare_maps([sources[0]], [sources[1]], str(tmp_path / "d.tif"), settings)
    assert result.zones == [2, 7]
    for place, part in enumerate((np.s_[1:10, 15:], np.s_[1:10, :15]), start=1):
        own = pairs_of(product[1][part], reference[1][part])
        assert result.by_date["n"][1, place] == len(own[0])
        assert result.by_date["rmse"][1, place] == pytest.approx(metrics(*own).rmse, abs=1e-12)
        assert result.by_date["spaef"][1, place] == pytest.approx(spaef(*own), abs=0.02)
    assert np.isnan(read_example(str(tmp_path / "d.tif"))[f"difference@{DAYS[0]}"][10:]).all()


def test_the_grid_is_the_one_asked_for(write_raster, tmp_path):
    """Means of 3 × 3 cells on the coarser grid; on the finer one the coarse cells as they are."""
    fine = np.arange(36.0).reshape(6, 6) / 100
    coarse = fine.reshape(2, 3, 2, 3).mean(axis=(1, 3))
    product = write_raster("fine.tif", [fine], ["soil_moisture"])
    reference = write_raster("coarse.tif", [coarse + 0.01], ["soil_moisture"], cell=90.0)
    on_coarser = compare_maps([product], [reference], str(tmp_path / "c.tif"))
    assert on_coarser.number("n") == 4 and on_coarser.number("bias") == pytest.approx(-0.01, abs=1e-6)
    settings = MapSettings("finer", "nearest")
    on_finer = compare_maps([product], [reference], str(tmp_path / "f.tif"), settings)
    assert on_finer.number("n") == 36
    assert read_example(str(tmp_path / "f.tif"))["difference"] == pytest.approx(
        fine - np.kron(coarse, np.ones((3, 3))) - 0.01, abs=1e-6
    )
    # The roles changed, the sign with them.
    assert compare_maps([reference], [product], str(tmp_path / "b.tif")).number("bias") == pytest.approx(0.01, abs=1e-6)


def test_the_area_is_what_both_share(write_raster, tmp_path):
    values = np.random.default_rng(0).random((20, 20)) / 2
    large = write_raster("large.tif", [values], ["soil_moisture"])
    small = write_raster(
        "small.tif", [values[5:11, 4:12]], ["soil_moisture"], origin=(500000.0 + 4 * 30, 4000000.0 - 5 * 30)
    )
    result = compare_maps([small], [large], str(tmp_path / "d.tif"))
    assert (result.pairs.grid.height, result.pairs.grid.width) == (6, 8)
    assert result.number("n") == 48 and result.number("rmse") == pytest.approx(0, abs=1e-7)


def test_the_edge_ratio_is_that_of_the_arrays(write_raster, tmp_path):
    rows, columns = np.mgrid[:30, :30].astype(float)
    truth = 0.2 + 0.002 * (rows + columns)
    blocky = truth + 0.002 * (rows // 5 + columns // 5)
    product = write_raster("blocky.tif", [blocky], ["soil_moisture"], dtype="float64")
    reference = write_raster("truth.tif", [truth], ["soil_moisture"], dtype="float64")
    coarse = write_raster("coarse.tif", [truth[::5, ::5]], ["soil_moisture"], cell=150.0)
    settings = MapSettings(block_grid=coarse)
    result = compare_maps([product], [reference], str(tmp_path / "d.tif"), settings, engine=Engine(memory=20_000))
    assert result.edge_ratio == pytest.approx(2, abs=1e-4)
    assert result.edges.reference == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match=r"`block_grid` 'product.tif' has cells|`block_grid` 'truth.tif' has cells"):
        compare_maps([product], [reference], str(tmp_path / "e.tif"), MapSettings(block_grid=reference))


def test_a_constant_product_has_errors_but_no_correlation(write_raster, progress, tmp_path):
    names = [f"soil_moisture@{day}" for day in DAYS]
    product = write_raster("constant.tif", np.full((5, 4, 4), 0.3), names)
    reference = write_raster("truth.tif", np.random.default_rng(0).random((5, 4, 4)) / 2, names)
    result = compare_maps([product], [reference], str(tmp_path / "d.tif"), engine=Engine(progress=progress))
    assert np.isnan([result.number("r"), result.number("spaef")]).all() and result.number("rmse") > 0
    assert any("5 of 5 dates" in line and "one value" in line for line in progress.warnings)


@pytest.mark.parametrize(
    ("product", "reference", "settings", "words"),
    [
        ("dated", "static", {}, "`reference` .* has no dates, but `product` .* has 2"),
        ("dated", "later", {}, "no common date .*`max_gap_days`"),
        ("dated", "dated", {}, "is in both `product` and `reference`"),
        ("static", "elsewhere", {}, "does not overlap"),
        ("static", "percent", {}, "not in one unit.*divide it by 100"),
        ("static", "gaps", {}, "No cell has data of soil_moisture of 'static.tif' and"),
        ("static", "other", {"mask": "zero"}, "and `mask` is not 0"),
        ("static", "other", {"zones": "other"}, "no whole number"),
        ("static", "other", {"mask": "dated"}, "`mask` 'dated.tif' has 2 bands"),
        ("static", "other", {"compare_on": "middle"}, "`compare_on` is 'middle'.*coarser, finer"),
        ("static", "other", {"resampling": "cubic"}, "`resampling` is 'cubic'"),
    ],
)
def test_what_is_refused(write_raster, tmp_path, leftovers, product, reference, settings, words):
    values = 0.2 + np.random.default_rng(0).random((4, 4)) / 10
    dates = ["soil_moisture@2020-06-01", "soil_moisture@2020-06-02"]
    sources = {
        "dated": write_raster("dated.tif", [values, values], dates),
        "later": write_raster("later.tif", [values], ["soil_moisture@2021-06-01"]),
        "static": write_raster("static.tif", [values], ["soil_moisture"]),
        "other": write_raster("other.tif", [values + 0.01], ["soil_moisture"]),
        "elsewhere": write_raster("elsewhere.tif", [values], ["soil_moisture"], origin=(700000.0, 3000000.0)),
        "percent": write_raster("percent.tif", [100 * values], ["soil_moisture"]),
        "gaps": write_raster("gaps.tif", [values * np.nan], ["soil_moisture"], nodata=-1),
        "zero": write_raster("zero.tif", [values * 0], ["mask"]),
    }
    given = {key: sources.get(value, value) for key, value in settings.items()}
    before = leftovers()
    with pytest.raises(InputError, match=words):
        compare_maps([sources[product]], [sources[reference]], str(tmp_path / "d.tif"), MapSettings(**given))
    assert leftovers() == before


def test_few_dates_have_no_metrics_in_time(write_raster, tmp_path):
    sources = [write_raster(f"{name}.tif", [[[0.1, 0.2 + shift]]], ["sm"]) for name, shift in (("a", 0), ("b", 0.1))]
    with pytest.raises(InputError, match="1 common date; metrics of each cell in time need 3. Leave `cells` out"):
        compare_maps([sources[0]], [sources[1]], str(tmp_path / "d.tif"), cells=str(tmp_path / "c.tif"))


def test_cancel_leaves_nothing(two, cancelling, leftovers, tmp_path):
    *_, first, second = two
    before = leftovers()
    for checks in range(100):
        engine = Engine(threads=1, progress=cancelling(checks))
        try:
            compare_maps([first], [second], str(tmp_path / "d.tif"), engine=engine)
            break
        except Cancelled:
            assert leftovers() == before
    assert 5 < checks < 100


def test_sums_of_nothing_are_no_numbers():
    found = metrics_of_sums(np.zeros((6, 2)))
    assert all(np.isnan(found[name]).all() for name in METRICS_OF_MAPS if name != "n")
