"""Maps from models: equal to predicting cell by cell, with dates, grids and gaps."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.models.estimators import RandomForest
from sm_toolbox.models.prediction import parse_dates, predict_raster
from sm_toolbox.models.splits import make_split
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.models.training import train
from sm_toolbox.raster.times import parse_time


def model_of(*names, periods=None):
    rng = np.random.default_rng(0)
    x = rng.random((400, len(names)))
    y = x @ np.arange(1, len(names) + 1) + rng.normal(0, 0.01, 400)
    return train(
        TrainingTable(Roles("sm", names), x, y, np.arange(400)), "random_forest", RandomForest(9), "random", make_split("random", 2), periods
    ).model


@pytest.fixture(scope="module")
def model():
    return model_of("dem", "ndvi")


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.descriptions


def cell_by_cell(model, *bands):
    stacked = np.stack([np.asarray(band, np.float32).ravel() for band in bands], axis=1)
    out = np.full(len(stacked), np.nan)
    valid = ~np.isnan(stacked).any(axis=1)
    out[valid] = model.predict(stacked[valid])
    return out.reshape(bands[0].shape).astype(np.float32)


@pytest.fixture
def cells():
    rng = np.random.default_rng(5)
    dem, ndvi = rng.random((300, 280)), rng.random((4, 300, 280))
    dem[10:20, 30:40] = np.nan
    ndvi[1, :, 100:120] = np.nan
    ndvi[2, :256] = np.nan
    return dem, ndvi


DATES = ["2020-06-01", "2020-06-09", "2020-06-17", "2020-06-25"]


@pytest.fixture
def sources(write_raster, cells):
    return [write_raster("dem.tif", cells[0], ["dem"]), write_raster("ndvi.tif", cells[1], [f"ndvi@{date}" for date in DATES])]


def test_a_band_for_each_date_whatever_the_order_of_files(model, sources, cells, tmp_path):
    expected = np.stack([cell_by_cell(model, cells[0], ndvi) for ndvi in cells[1]])
    for i, order in enumerate((sources, sources[::-1])):
        path = str(tmp_path / f"{i}.tif")
        result = predict_raster(model, order, path, memory=2**20)
        values, names = read(path)
        np.testing.assert_array_equal(values, expected)
        assert names == tuple(f"soil_moisture@{date}" for date in DATES) == tuple(result.bands)
        assert result.coverage == pytest.approx(np.isfinite(expected).mean())


def test_static_predictors_give_one_map(sources, write_raster, cells, tmp_path):
    path = str(tmp_path / "map.tif")
    extra = write_raster("more.tif", np.stack([cells[1][0], np.zeros_like(cells[0])]), ["slope", "unused"])
    predict_raster(model_of("slope", "dem"), [extra, sources[0]], path)
    values, names = read(path)
    assert names == ("soil_moisture",)
    np.testing.assert_array_equal(values[0], cell_by_cell(model_of("slope", "dem"), cells[1][0], cells[0]))


def test_dates_and_gaps(model, sources, tmp_path):
    path = str(tmp_path / "map.tif")
    result = predict_raster(model, sources, path, max_gap_days=4, dates=[parse_time("2020-06-12"), parse_time("2020-06-01")])
    assert result.bands == ["soil_moisture@2020-06-01", "soil_moisture@2020-06-12"]
    with pytest.raises(InputError, match=r"for 2020-07-15 there is no band within 4 days of ndvi \(2020-06-01 to 2020-06-25, 4 dates\)"):
        predict_raster(model, sources, path, max_gap_days=4, dates=[parse_time("2020-07-15")])


def test_dated_predictors_of_different_dates(sources, write_raster, tmp_path, progress):
    two = model_of("ndvi", "lst")
    path = str(tmp_path / "map.tif")
    near = write_raster("lst.tif", np.full((2, 300, 280), 0.5), ["lst@2020-06-10", "lst@2020-06-25"])
    result = predict_raster(two, [sources[1], near], path, progress=progress)
    assert result.bands == ["soil_moisture@2020-06-25"]
    assert "1 of 5 dates have all dated predictors" in " ".join(progress.infos)
    result = predict_raster(two, [sources[1], near], path, max_gap_days=1)
    assert result.bands == ["soil_moisture@2020-06-09", "soil_moisture@2020-06-10", "soil_moisture@2020-06-25"]
    far = write_raster("far.tif", np.full((1, 300, 280), 0.5), ["lst@2021-01-01"])
    with pytest.raises(InputError, match=r"No date has all dated predictors within 0 days.*lst: 2021-01-01"):
        predict_raster(two, [sources[1], far], path)


def test_other_grids_are_warped_to_the_grid_asked_for(model, write_raster, tmp_path, progress):
    dem = write_raster("dem.tif", np.full((40, 40), 0.4), ["dem"], cell=30)
    ndvi = write_raster("ndvi.tif", np.random.default_rng(0).random((4, 4)), ["ndvi"], cell=300)
    path = str(tmp_path / "map.tif")
    predict_raster(model, [dem, ndvi], path, grid=ndvi, progress=progress)
    assert read(path)[0].shape == (1, 4, 4) and any("'dem.tif' is warped" in line for line in progress.infos)
    predict_raster(model, [dem, ndvi], path, progress=progress)
    values = read(path)[0]
    assert values.shape == (1, 40, 40)
    assert (values[0].reshape(4, 10, 4, 10) == values[0].reshape(4, 10, 4, 10)[:, :1, :, :1]).all()


def test_a_missing_predictor_is_named_with_what_there_is(model, write_raster, sources, tmp_path, leftovers):
    other = write_raster("x.tif", np.ones((300, 280)), ["NDVI"])
    before = leftovers()
    with pytest.raises(InputError, match=r"none of the layers has: 'ndvi'.*The layers have: NDVI, dem"):
        predict_raster(model, [sources[0], other], str(tmp_path / "map.tif"))
    close = write_raster("y.tif", np.ones((300, 280)), ["ndvi_1"])
    with pytest.raises(InputError, match=r"'ndvi' \(did you mean 'ndvi_1'\?\)"):
        predict_raster(model, [sources[0], close], str(tmp_path / "map.tif"))
    assert leftovers() == sorted([*before, "y.tif"])


def test_dates_without_dated_predictors(model, write_raster, tmp_path):
    static = write_raster("s.tif", np.ones((2, 8, 8)), ["dem", "ndvi"])
    with pytest.raises(InputError, match="no predictor of the model is dated"):
        predict_raster(model, [static], str(tmp_path / "map.tif"), dates=[parse_time("2020-06-01")])


def test_cancel_in_the_middle(model, sources, tmp_path, leftovers, cancelling):
    before = leftovers()
    with pytest.raises(Cancelled):
        predict_raster(model, sources, str(tmp_path / "map.tif"), memory=2**20, progress=cancelling(3))
    assert leftovers() == before


def test_all_nodata_names_the_layers(model, write_raster, sources, tmp_path, leftovers):
    empty = write_raster("empty.tif", np.full((300, 280), np.nan), ["dem"])
    before = leftovers()
    with pytest.raises(InputError, match=r"'empty\.tif'"):
        predict_raster(model, [empty, sources[1]], str(tmp_path / "map.tif"))
    assert leftovers() == before


def test_cyclic_predictors_are_encoded(write_raster, tmp_path):
    cyclic = model_of("aspect", "dem", periods={"aspect": 360.0})
    rng = np.random.default_rng(2)
    aspect, dem = rng.random((2, 30, 30)) * 360
    path = str(tmp_path / "map.tif")
    predict_raster(cyclic, [write_raster("x.tif", np.stack([dem, aspect]), ["dem", "aspect"])], path)
    np.testing.assert_array_equal(read(path)[0][0], cell_by_cell(cyclic, aspect, dem))


def test_texts_of_dates():
    assert parse_dates(" 2020-06-01, 2020-06 ;") == [parse_time("2020-06-01"), parse_time("2020-06")]
    assert parse_dates("") is None and parse_dates(None) is None
    with pytest.raises(InputError, match="'1.6.2020' is not a date"):
        parse_dates("1.6.2020")
