"""Earlier values in maps: a map has in a cell what the table has at a station in it, date by date."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train
from sm_toolbox.raster.opening import grid_of
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.stations.table import TableSettings, sample_table

SIDE, CELL, TOP, LEFT = 12, 30.0, 4000000.0, 500000.0
LAGS = "ndvi:1-2, rain:2d, rain:3d:sum"


@pytest.fixture
def rasters(write_raster):
    """Rain of 16 days, of which one is missing and one has a gap, NDVI every four days, and clay."""
    rng = np.random.default_rng(0)
    days = [f"2020-06-{day:02d}" for day in range(1, 17) if day != 9]
    rain = rng.gamma(1, 4, (len(days), SIDE, SIDE))
    rain[4, 3, 3] = np.nan
    ndvi = rng.random((4, SIDE, SIDE))
    return [
        write_raster("rain.tif", rain, [f"rain@{day}" for day in days]),
        write_raster("ndvi.tif", ndvi, [f"ndvi@2020-06-{day:02d}" for day in (2, 6, 10, 14)]),
        write_raster("clay.tif", rng.random((SIDE, SIDE)), ["clay"]),
    ]


def every_cell(rasters, *days):
    """A row in every cell on some days."""
    row, column = np.divmod(np.arange(SIDE**2), SIDE)
    x, y = LEFT + CELL * (column + 0.5), TOP - CELL * (row + 0.5)
    count = len(days)
    times = [parse_time(day) for day in days for _ in range(SIDE**2)]
    return Rows("cells", np.tile(x, count), np.tile(y, count), grid_of(rasters[0]).crs, times)


@pytest.fixture
def model(rasters):
    return model_of(rasters, {})


def model_of(rasters, forget):
    days = [f"2020-06-{day:02d}" for day in range(4, 17)]
    made = sample_table(every_cell(rasters, *days), {}, rasters, TableSettings(lags=LAGS))
    values = {name: np.array(made.columns[name]) for name in made.predictors}
    values["sm"] = np.nan_to_num(values["ndvi_lag2"] + values["rain_sum3d"] / 50 + values["clay"], nan=0.5)
    columns = {name: [None if np.isnan(value) else value for value in column] for name, column in values.items()}
    origins = {} if forget else {name: origin.as_dict() for name, origin in made.samples.origins.items()}
    table = replace(make_training_table(columns, Roles("sm", tuple(made.predictors)), "cells"), origins=origins)
    return train(table, RandomForest(9), make_split("random", 2)).model


@pytest.mark.parametrize("notes", [True, False])
def test_maps_have_what_tables_have(rasters, tmp_path, notes):
    model = model_of(rasters, forget=not notes)
    path = tmp_path / "map.tif"
    made = predict_raster(model, rasters, str(path))
    # NDVI of two steps back counts from 2020-06-10 on, and sums over 2020-06-09 are missing.
    assert [band[-2:] for band in made.bands] == ["08", "12", "13", "14", "15", "16"]
    with rasterio.open(path) as dataset:
        maps = dict(zip(dataset.descriptions, dataset.read()))
    days = [band.split("@")[1] for band in made.bands]
    table = sample_table(every_cell(rasters, *days), {}, rasters, TableSettings(lags=LAGS))
    features = np.stack([table.columns[name] for name in model.predictors], axis=1)
    whole = ~np.isnan(features).any(axis=1)
    expected = np.full(len(features), np.nan)
    expected[whole] = model.predict(features[whole])
    got = np.concatenate([maps[band].ravel() for band in made.bands])
    assert whole.mean() > 0.9
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_bands_are_read_once(rasters, model, tmp_path, monkeypatch):
    from sm_toolbox.models import prediction

    read = {}
    run = prediction.run_blocks

    def counting(kernel, inputs, *rest, **named):
        read.update({name: len(bands) for name, bands in inputs.items()})
        return run(kernel, inputs, *rest, **named)

    monkeypatch.setattr(prediction, "run_blocks", counting)
    predict_raster(model, rasters, str(tmp_path / "map.tif"))
    assert set(read) == {"rain", "ndvi", "clay"} and read["ndvi"] == 4 and read["rain"] <= 15


def test_another_step_is_refused(rasters, model, write_raster, tmp_path):
    slow = write_raster(
        "slow/ndvi.tif", np.random.default_rng(0).random((3, SIDE, SIDE)), [f"ndvi@2020-0{m}-01" for m in (4, 5, 6)]
    )
    with pytest.raises(InputError, match="'ndvi_lag1' in steps of 4 days, but the dates of 'ndvi' .* 30.5 days apart"):
        predict_raster(model, [rasters[0], slow, rasters[2]], str(tmp_path / "map.tif"))
    assert not (tmp_path / "map.tif").exists()


def test_a_raster_that_holds_the_lag_serves(rasters, model, write_raster, tmp_path):
    """As those of Antecedent index do."""
    few = write_raster(
        "few.tif", np.ones((3, SIDE, SIDE)), ["rain@2020-06-14", "rain_lag2d@2020-06-14", "rain_sum3d@2020-06-14"]
    )
    made = predict_raster(model, [few, *rasters[1:]], str(tmp_path / "map.tif"))
    assert [band[-2:] for band in made.bands] == ["14"]
    with pytest.raises(InputError, match="that none of the layers has: 'rain'"):
        predict_raster(model, rasters[1:], str(tmp_path / "other.tif"))
