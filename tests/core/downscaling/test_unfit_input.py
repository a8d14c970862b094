"""What does not fit is refused with what helps, before anything is written; or there is a rule, which is told."""

from dataclasses import replace

import numpy as np
import pytest

from sm_toolbox.demo.example import LEFT
from sm_toolbox.downscaling.downscale import downscale
from sm_toolbox.downscaling.fine import DownscaleFiles
from sm_toolbox.downscaling.table import coarse_table
from sm_toolbox.errors import InputError
from sm_toolbox.raster.masking import ClassMask
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.timing import TimeRule
from tests.conftest import RecordingProgress

from .conftest import COARSE, DAYS, FINE, dated, forest, utm, write_on
from .test_downscale import stations


def refused(land, match, inputs, learning=None, **more):
    before = sorted(item.name for item in land.folder.iterdir())
    with pytest.raises(InputError, match=match):
        downscale(inputs, learning or forest(), DownscaleFiles(land.path("map.tif")), **more)
    assert sorted(item.name for item in land.folder.iterdir()) == before


def test_a_product_that_is_finer_than_the_map(land):
    swapped = land.inputs(coarse=land.predictors()[:1], predictors=[land.product()])
    refused(land, "there is nothing to downscale.*Exchange the two", swapped)


def test_a_single_coarse_cell(land):
    one = land.write("one", {name: values[:1, :1] for name, values in zip(dated("soil_moisture"), land.coarse)}, 800)
    refused(land, "has 1 coarse cell with data.*at least 4", land.inputs(coarse=[one]))


def test_bands_of_several_grids(land):
    grid = utm(800, COARSE, COARSE, left=LEFT + 300)
    other = write_on(land.path("other.tif"), grid, {"soil_moisture@2020-09-01": land.coarse[0]})
    refused(land, "must have one grid.*alignrasters", land.inputs(coarse=[land.product(), other]))


def test_several_variables(land):
    two = land.write("two", {"soil_moisture": land.coarse[0], "flag": land.coarse[0]}, 800)
    refused(land, "`coarse` must hold one variable", land.inputs(coarse=[two]))


def test_places_far_apart(land):
    far = write_on(land.path("far.tif"), utm(800, 8, 8, left=LEFT + 90_000), {"soil_moisture": land.coarse[0]})
    refused(land, "share no ground", land.inputs(coarse=[far], predictors=land.predictors()[1:]))
    elsewhere = write_on(land.path("sandy.tif"), utm(100, 9, 9, left=LEFT + 90_000), {"silt": np.ones((9, 9))})
    refused(
        land, "'silt' .* does not overlap the grid of the map", land.inputs(predictors=[*land.predictors(), elsewhere])
    )


def test_dates_that_do_not_fit(land):
    undated = land.write("undated", {"soil_moisture": land.coarse[0]}, 800)
    refused(land, "has no date, but predictors have .ndvi.", land.inputs(coarse=[undated]))
    late = land.write("late", {"soil_moisture@2023-06-01": land.coarse[0]}, 800)
    refused(land, "No date of `coarse`", land.inputs(coarse=[late]))
    refused(land, "`gaps` names 'nvdi'", land.inputs(timing=TimeRule(None, {"nvdi": 3})))
    progress = RecordingProgress()
    both = [land.product(), land.write("late", {"soil_moisture@2023-06-01": land.coarse[0]}, 800)]
    assert len(coarse_table(land.inputs(coarse=both), Engine(progress=progress)).times) == len(DAYS)
    assert any("1 of 4 dates of `coarse` get no map" in line for line in progress.warnings)


def test_gaps_everywhere(land):
    refused(
        land, "has no data where the predictors lie", land.inputs(coarse=[land.product(np.full((3, 8, 8), np.nan))])
    )
    nothing = land.inputs(predictors=land.predictors(sand=np.full((FINE, FINE), np.nan)))
    refused(land, "sand has no data in enough of any of them", nothing)


def test_masks(land):
    cover = land.write("cover", {"landcover": np.full((FINE, FINE), 17.0)})
    refused(land, "masked too much", land.inputs(mask=ClassMask(cover, (17.0,))))
    progress = RecordingProgress()
    coarse_table(land.inputs(mask=ClassMask(cover, (0.0, 15.0))), Engine(progress=progress))
    assert any("Nothing is masked" in line for line in progress.warnings)
    refused(land, "`max_masked_share` is 1", land.inputs(max_masked_share=1.0))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (0.0, "holds 0, but must hold standard deviations above 0"),
        (-0.02, "holds -0.02, but"),
        (np.nan, "has no data in the cells of `coarse`"),
    ],
)
def test_errors_of_the_product(land, values, match):
    errors = land.write("e", {"merged_error": np.full((8, 8), values)}, 800)
    refused(land, match, land.inputs(coarse_error=errors))


def test_errors_of_which_none_is_the_one(land):
    errors = land.write("e", {"error_a": np.ones((8, 8)), "error_b": np.ones((8, 8))}, 800)
    refused(
        land, "has 2 variables .error_a, error_b., none of which is 'merged_error'", land.inputs(coarse_error=errors)
    )


def test_stations_in_another_unit_or_place(land):
    given = stations(land)
    percent = replace(given, values=100 * given.values)
    refused(land, "not in one unit", land.inputs(), stations=percent)
    far = replace(given, rows=replace(given.rows, x=given.rows.x + 90_000))
    refused(land, "No station of .* lies within the rasters", land.inputs(), stations=far)


def test_splits_that_the_cells_do_not_allow(land):
    refused(land, "cannot be divided into 90 folds", land.inputs(), forest(folds=90))
    refused(land, "`split` 'knndm' is none of block", land.inputs(), forest(split="knndm"))
    refused(land, "`residuals` 'bicubic' is none of", land.inputs(), residuals="bicubic")


def test_categories_that_are_no_predictor(land):
    refused(land, "`categorical` names 'cover'", land.inputs(categorical=("cover",)))
