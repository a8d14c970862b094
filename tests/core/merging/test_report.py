"""What the reports say."""

import numpy as np
import pytest

from sm_toolbox.merging.merge import merge_products
from sm_toolbox.merging.report import collocation_report, merge_report
from sm_toolbox.merging.settings import CollocationSettings
from sm_toolbox.merging.triplecollocation import triple_collocation

DAYS = np.arange("2019-01-01", "2020-01-01", dtype="datetime64[D]")


@pytest.fixture
def products(write_raster):
    """Four products; the errors of b and c are partly the same, and c has no skill in the first row."""
    rng = np.random.default_rng(0)
    shape = (len(DAYS), 6, 7)
    signal, shared = rng.normal(0.25, 0.06, shape), rng.normal(0, 0.04, shape)
    noise = [rng.normal(0, size, shape) for size in (0.02, 0.02, 0.02, 0.03)]
    series = [signal + noise[0], signal + shared + noise[1], signal + shared + noise[2], signal + noise[3]]
    series[2][:, 0] = rng.normal(0.25, 0.05, (len(DAYS), 7))
    return [
        [write_raster(f"{name}.tif", values, [f"sm@{day}" for day in DAYS])] for name, values in zip("abcd", series)
    ]


def test_three_products(products, tmp_path):
    page = collocation_report(triple_collocation(products[:3], str(tmp_path / "tc.tif"))).html()
    assert "Errors and skill" in page and "With three products correlated errors cannot be seen" in page
    assert "cells of flag 2" in page and "are resolved" in page and page.count("<img") >= 6


def test_correlated_errors_are_named(products, tmp_path):
    page = collocation_report(triple_collocation(products, str(tmp_path / "tc.tif"))).html()
    assert (
        "The largest error correlation is that of B-C" in page or "The largest error correlation is that of A-D" in page
    )
    declared = collocation_report(
        triple_collocation(products, str(tmp_path / "tc.tif"), settings=CollocationSettings(correlated="B-C"))
    ).html()
    assert "Errors of B-C may be correlated" in declared


def test_merged(products, tmp_path):
    page = merge_report(merge_products(products[:3], str(tmp_path / "m.tif"), window="season", fallback="best")).html()
    assert (
        "Weights" in page
        and "plain mean" in page
        and "jja" in page
        and "FALLBACK best" in page
        and "independent" in page
    )


def test_nothing_resolved(write_raster, tmp_path):
    rng = np.random.default_rng(1)
    noise = [
        [write_raster(f"{name}.tif", rng.random((len(DAYS), 3, 4)), [f"sm@{day}" for day in DAYS])] for name in "abc"
    ]
    page = collocation_report(triple_collocation(noise, str(tmp_path / "tc.tif"))).html()
    assert "0.0 % of the 12 cells" in page and "Errors and skill" not in page
    assert "0.0 %" in merge_report(merge_products(noise, str(tmp_path / "m.tif"))).html()
