"""Names for columns: variables that clash are told apart by their files, and the notes survive as text."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.raster.origins import Origin, origin_from, origins_from_text, origins_to_text, read_predictors
from sm_toolbox.raster.timing import TimeRule


def test_names_without_a_clash_are_the_variables(write_raster):
    sources = [write_raster(f"ndvi_2020060{day}.tif", np.ones((4, 4))) for day in (1, 2)]
    found = read_predictors([*sources, write_raster("dem.tif", np.ones((4, 4)), ["elevation"])], ["station"])
    assert list(found.stacks) == ["ndvi", "elevation"] and len(found.stacks["ndvi"].bands) == 2 and not found.renamed


def test_products_of_one_variable_are_parted_by_files_without_dates(write_raster):
    sources = [
        write_raster(f"{folder}/{product}_2020-06-0{day}.tif", np.ones((4, 4)), ["soil_moisture"])
        for folder in ("x", "y")
        for product in ("smap l3", "smos")
        for day in (1, 2)
    ]
    found = read_predictors(sources[:4])
    assert {name: len(stack.bands) for name, stack in found.stacks.items()} == {
        "soil_moisture_smap_l3": 2,
        "soil_moisture_smos": 2,
    }
    assert list(read_predictors(sources[::4]).stacks) == ["soil_moisture_x_smap_l3", "soil_moisture_y_smap_l3"]


def test_a_name_that_is_taken_gets_its_file(write_raster):
    sources = [
        write_raster("product_a.tif", np.ones((2, 4, 4)), ["soil_moisture", "flag"]),
        write_raster("rain.tif", np.ones((4, 4))),
    ]
    found = read_predictors(sources, ["Soil_Moisture", "RAIN", "rain_rain"])
    assert list(found.stacks) == ["soil_moisture_product_a", "flag", "rain_rain_2"]
    assert found.stacks["soil_moisture_product_a"].variable == "soil_moisture"
    assert read_predictors([write_raster("ndvi_terra.tif", np.ones((4, 4)), ["ndvi"])], ["ndvi"]).stacks.keys() == {
        "ndvi_terra"
    }


def test_products_that_their_files_do_not_tell_apart_are_refused(write_raster):
    with pytest.raises(InputError, match="Two bands are named 'ndvi'"):
        read_predictors([write_raster("both.tif", np.ones((2, 4, 4)), ["ndvi", "ndvi"])])


def test_the_unit_is_noted_where_the_file_has_one(write_raster):
    source = write_raster("terrain.tif", np.ones((2, 4, 4)), ["slope", "twi"])
    with rasterio.open(source.path, "r+") as dataset:
        dataset.update_tags(UNIT_slope="degrees")
    assert [origin.unit for origin in read_predictors([source]).origins(TimeRule(), "nearest").values()] == [
        "degrees",
        None,
    ]


def test_notes_survive_as_text(write_raster):
    stack = write_raster("ndvi.tif", np.ones((3, 4, 4)), [f"ndvi@2020-06-{day:02d}" for day in (1, 9, 17)])
    origin = read_predictors([stack]).origins(TimeRule(), "nearest")["ndvi"]
    assert (origin.time_step_days, origin.largest_gap_days, origin.cell_size, origin.kind) == (8, 4, (30, 30), "amount")
    assert origins_from_text(origins_to_text({"ndvi": origin})) == {"ndvi": origin}
    assert origins_from_text("a comment of the user's") == origins_from_text("[1]") == origins_from_text(None) == {}
    assert (
        origin_from({"variable": "v", "product": "p", "later": 1}) == Origin("v", "p")
        and origin_from({"variable": 3}) is None
    )
