"""Quality masks: bits by hand, rules on made words, dates matched, and what is left."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.products.maskquality import mask_quality
from sm_toolbox.raster.request import Engine
from sm_toolbox.sensors.quality import QUALITY_LEVELS, QUALITY_RULES, kept, parse_conditions

DATA = Path(os.environ.get("SM_TOOLBOX_DATA", Path(__file__).parents[3].parent / "shared" / "data")) / "products"


def words(*bits):
    """Numbers from the bits that are set."""
    return np.array([sum(1 << bit for bit in each) for each in bits])


def keeps(rule, level, values):
    return kept(np.asarray(values), parse_conditions(getattr(QUALITY_RULES[rule], level))).tolist()


def test_landsat():
    values = words((6,), (0,), (1,), (2,), (3,), (4,), (5,), (7,), (6, 8), (6, 8, 9), (6, 14, 15))
    assert keeps("landsat_qa_pixel", "recommended", values) == [True, *[False] * 5, *[True] * 5]
    assert keeps("landsat_qa_pixel", "strict", values) == [True, *[False] * 7, True, False, False]


def test_classes_of_sentinel2():
    assert np.flatnonzero(keeps("sentinel2_scl", "recommended", range(12))).tolist() == [4, 5, 7]
    assert np.flatnonzero(keeps("sentinel2_scl", "strict", range(12))).tolist() == [4, 5]


def test_modis():
    state = [*words((), (0,), (1,), (0, 1), (2,), (10,), (12,), (13,), (8,)), 65535]
    assert keeps("modis_state", "recommended", state) == [
        True,
        False,
        False,
        True,
        False,
        False,
        False,
        True,
        True,
        False,
    ]
    assert keeps("modis_state", "strict", state) == [True, False, False, True, *[False] * 6]
    qc = words((), (0,), (0, 6), (0, 7), (1,), (0, 1), (6,))
    assert keeps("modis_lst_qc", "recommended", qc) == [True, True, True, False, False, False, True]
    assert keeps("modis_lst_qc", "strict", qc) == [True, *[False] * 6]
    assert keeps("modis_vi_quality", "recommended", [0, 1, 2, 3, 255]) == [True, True, False, False, False]
    assert keeps("modis_albedo_qa", "strict", [0, 1, 255]) == [True, False, False]


def test_hls_and_smap():
    fmask = [*words((), (1,), (2,), (3,), (4,), (5,), (6, 7)), 255]
    assert keeps("hls_fmask", "recommended", fmask) == [True, False, True, False, False, True, True, False]
    assert keeps("hls_fmask", "strict", fmask) == [True, *[False] * 7]
    # A set bit means not so.
    assert keeps("smap_retrieval", "recommended", [0, 1, 7, 8, 9]) == [True, False, False, True, False]


def test_every_rule_keeps_less_when_strict():
    numbers = np.arange(2**16)
    for rule in QUALITY_RULES:
        loose, strict = (np.array(keeps(rule, level, numbers)) for level in QUALITY_LEVELS)
        assert strict.any() and not (strict & ~loose).any() and loose.sum() > strict.sum(), rule


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "`bits` is empty"),
        ("3-4", "'3-4' is no condition"),
        ("cloud=0", "'cloud=0' is no condition"),
        ("3=0 and", "'' is no condition"),
        ("4-3=0", "the lower one first"),
        ("3=2", "can never be: these bits hold numbers from 0 to 1"),
        ("0-30=1", "bits from 0 to 23"),
        ("3-4=0,1", "Write in instead of ="),
    ],
)
def test_conditions_that_are_none(text, reason):
    with pytest.raises(InputError, match=reason):
        parse_conditions(text)


@pytest.fixture
def scene(write_raster):
    values = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 4, 6) + 1
    quality = np.full((2, 4, 6), 4, np.uint8)
    quality[0, :2], quality[1] = 9, 8
    ndvi = write_raster("ndvi.tif", values, ["ndvi@2018-06-10", "ndvi@2018-06-26"])
    scl = write_raster("scl.tif", quality, ["scl@2018-06-10", "scl@2018-06-26"], dtype="uint8")
    return ndvi, scl, values, quality


def test_dates_are_matched_and_an_emptied_one_is_named(scene, tmp_path):
    ndvi, scl, values, quality = scene
    path = str(tmp_path / "o.tif")
    result = mask_quality([ndvi], [scl], path, rule="sentinel2_scl")
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), np.where(quality == 4, values, np.nan)[:1])
        assert dataset.descriptions == ("ndvi@2018-06-10",)
    assert result.masked_percent == 75 and result.bands == ["ndvi@2018-06-10"] and result.empty == ["ndvi@2018-06-26"]


def test_dates_without_a_quality_layer_are_left_out(scene, write_raster, tmp_path, progress):
    ndvi, _, _, quality = scene
    first = write_raster("first.tif", quality[:1], ["scl@2018-06-10"], dtype="uint8")
    engine = Engine(progress=progress)
    result = mask_quality([ndvi], [first], str(tmp_path / "o.tif"), rule="sentinel2_scl", engine=engine)
    assert result.bands == ["ndvi@2018-06-10"]
    assert progress.warnings == ["No quality layer of their date, left out: ndvi@2018-06-26."]
    other = write_raster("other.tif", quality[:1], ["scl@2019-06-10"], dtype="uint8")
    with pytest.raises(InputError, match="No band of `sources` has a quality layer .*: `sources` ndvi@2018-06-10 to"):
        mask_quality([ndvi], [other], str(tmp_path / "o.tif"), rule="sentinel2_scl")


def test_words_are_taken_from_the_nearest_cell(write_raster, tmp_path):
    fine = write_raster("ndvi.tif", np.ones((1, 8, 8), np.float32), ["ndvi"], cell=10)
    coarse = write_raster("scl.tif", np.array([[[4, 9], [9, 4]]], np.uint8), ["scl"], cell=40, dtype="uint8")
    path = str(tmp_path / "o.tif")
    mask_quality([fine], [coarse], path, rule="sentinel2_scl")
    with rasterio.open(path) as dataset:
        kept_here = np.isfinite(dataset.read(1))
    assert kept_here[:4, :4].all() and kept_here[4:, 4:].all() and kept_here.sum() == 32


def test_where_nothing_is_left_it_is_said(scene, tmp_path):
    ndvi, scl, _, _ = scene
    with pytest.raises(InputError, match=r"Nothing is left of `sources`: custom calls no cell with data good"):
        mask_quality([ndvi], [scl], str(tmp_path / "o.tif"), rule="custom", bits="value = 11")
    assert not (tmp_path / "o.tif").exists()


def test_the_quality_layer_is_found_by_its_name(scene, write_raster, tmp_path):
    ndvi, scl, _, _ = scene
    other = write_raster("b04.tif", np.zeros((2, 4, 6), np.float32), ["b04@2018-06-10", "b04@2018-06-26"])
    assert mask_quality([ndvi], [scl, other], str(tmp_path / "o.tif"), rule="sentinel2_scl").masked_percent == 75
    with pytest.raises(InputError, match=r"`quality` must hold one variable.*holds b04, scl"):
        mask_quality([ndvi], [scl, other], str(tmp_path / "o.tif"), rule="custom", bits="value=4")


def test_on_a_real_landsat_scene(tmp_path):
    folder = DATA / "landsat"
    if not folder.is_dir():
        pytest.skip("the Landsat scene of ../shared/data/products is not here")
    from sm_toolbox.raster.opening import Source

    red, quality = (Source(str(next(folder.glob(f"*_{name}.TIF")))) for name in ("SR_B4", "QA_PIXEL"))
    path = str(tmp_path / "o.tif")
    result = mask_quality([red], [quality], path, rule="landsat_qa_pixel")
    with rasterio.open(quality.path) as dataset:
        bad = (dataset.read(1).astype(np.int64) & 0b11111) != 0
    with rasterio.open(path) as dataset, rasterio.open(red.path) as original:
        masked, had_data = np.isnan(dataset.read(1)), original.read(1) != 0
    if masked.shape == bad.shape:
        np.testing.assert_array_equal(masked, bad | ~had_data)
    assert 0 < result.masked_percent < 100
