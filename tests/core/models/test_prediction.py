"""Maps from models: equal to predicting cell by cell, with dates, grids and gaps."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.manifest import TargetRecord
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.planes import Wanted
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.models.training import train
from sm_toolbox.raster.builtin import builtin_origins
from sm_toolbox.raster.opening import grid_of
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import parse_dates, parse_time
from sm_toolbox.raster.timing import TimeRule


def model_of(*names, periods=None):
    rng = np.random.default_rng(0)
    x = rng.random((400, len(names)))
    y = x @ np.arange(1, len(names) + 1) + rng.normal(0, 0.01, 400)
    return train(
        TrainingTable(Roles("sm", names), x, y, np.arange(400)), RandomForest(9), make_split("random", 2), periods
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
    return [
        write_raster("dem.tif", cells[0], ["dem"]),
        write_raster("ndvi.tif", cells[1], [f"ndvi@{date}" for date in DATES]),
    ]


def test_a_band_for_each_date_whatever_the_order_of_files(model, sources, cells, tmp_path):
    expected = np.stack([cell_by_cell(model, cells[0], ndvi) for ndvi in cells[1]])
    for i, order in enumerate((sources, sources[::-1])):
        path = str(tmp_path / f"{i}.tif")
        result = predict_raster(model, order, path, engine=Engine(memory=2**20))
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
    result = predict_raster(
        model, sources, path, max_gap_days=4, wanted=Wanted(dates=[parse_time("2020-06-12"), parse_time("2020-06-01")])
    )
    assert result.bands == ["soil_moisture@2020-06-01", "soil_moisture@2020-06-12"]
    with pytest.raises(
        InputError, match=r"for 2020-07-15 there is no band within 4 days of ndvi \(2020-06-01 to 2020-06-25, 4 dates\)"
    ):
        predict_raster(model, sources, path, max_gap_days=4, wanted=Wanted(dates=[parse_time("2020-07-15")]))


def test_dated_predictors_of_different_dates(sources, write_raster, tmp_path, progress):
    two = model_of("ndvi", "lst")
    path = str(tmp_path / "map.tif")
    near = write_raster("lst.tif", np.full((2, 300, 280), 0.5), ["lst@2020-06-10", "lst@2020-06-25"])
    result = predict_raster(two, [sources[1], near], path, max_gap_days=0, engine=Engine(progress=progress))
    assert result.bands == ["soil_moisture@2020-06-25"]
    assert "1 of 5 dates have all dated predictors" in " ".join(progress.infos)
    result = predict_raster(two, [sources[1], near], path, max_gap_days=1)
    assert result.bands == ["soil_moisture@2020-06-09", "soil_moisture@2020-06-10", "soil_moisture@2020-06-25"]
    far = write_raster("far.tif", np.full((1, 300, 280), 0.5), ["lst@2021-01-01"])
    with pytest.raises(InputError, match=r"No date has all dated predictors within 0 days.*lst: 2021-01-01"):
        predict_raster(two, [sources[1], far], path, max_gap_days=0)


def test_without_a_gap_it_is_half_the_distance_of_the_dates(model, sources, write_raster, tmp_path, progress):
    daily = write_raster("lst.tif", np.full((30, 30, 28), 0.5), [f"lst@2020-06-{day:02d}" for day in range(1, 31)])
    result = predict_raster(
        model_of("ndvi", "lst"), [daily, sources[1]], str(tmp_path / "map.tif"), engine=Engine(progress=progress)
    )
    assert result.bands == [f"soil_moisture@2020-06-{day:02d}" for day in range(1, 30)]
    assert (
        "`max_gap_days` is not set: half the distance of each variable's dates, in days: ndvi 4, lst 0.5."
        in progress.infos
    )


def noted(model, **origins):
    """The model with what a training table notes of its columns: variable and product."""
    notes = {name: {"variable": variable, "product": product} for name, (variable, product) in origins.items()}
    items = tuple(replace(item, origin=notes[item.name]) for item in model.manifest.predictors)
    return replace(model, manifest=replace(model.manifest, predictors=items))


@pytest.fixture
def two_products(write_raster):
    low, high = np.full((8, 9), 0.2), np.full((8, 9), 0.7)
    return [
        write_raster(f"{name}.tif", values, ["soil_moisture"])
        for name, values in (("product_b", high), ("product_a", low))
    ]


def test_two_products_of_one_variable_are_told_apart_by_their_files(two_products, tmp_path, progress):
    model = model_of("soil_moisture_product_a", "soil_moisture_product_b")
    expected = cell_by_cell(model, np.full((8, 9), 0.2), np.full((8, 9), 0.7))
    notes = {f"soil_moisture_product_{letter}": ("soil_moisture", f"product_{letter}") for letter in "ab"}
    for each in (model, noted(model, **notes)):
        predict_raster(each, two_products, str(tmp_path / "map.tif"), engine=Engine(progress=progress))
        np.testing.assert_array_equal(read(tmp_path / "map.tif")[0][0], expected)
    assert "The predictor 'soil_moisture_product_a' is 'soil_moisture' of 'product_a'." in progress.infos
    with pytest.raises(InputError, match="two products of 'soil_moisture', but only 'product_a.tif' has it"):
        predict_raster(noted(model, **notes), two_products[1:], str(tmp_path / "map.tif"))


def test_a_renamed_predictor_is_found_whatever_its_file_is_called_now(two_products, tmp_path, progress):
    model = noted(model_of("soil_moisture_smap"), soil_moisture_smap=("soil_moisture", "smap"))
    predict_raster(model, two_products[:1], str(tmp_path / "map.tif"), engine=Engine(progress=progress))
    assert (
        "was sampled from 'smap'; now 'product_b' is taken, the only one with 'soil_moisture'" in progress.warnings[0]
    )
    with pytest.raises(
        InputError, match="needs 'soil_moisture_smap', but several products of it are given: product_a, product_b"
    ):
        predict_raster(model, two_products, str(tmp_path / "map.tif"))
    plain = noted(model_of("soil_moisture"), soil_moisture=("soil_moisture", "product_a"))
    predict_raster(plain, two_products, str(tmp_path / "map.tif"), engine=Engine(progress=progress))
    assert "trained without: soil_moisture of 'product_b'." in progress.warnings[-1]
    np.testing.assert_array_equal(read(tmp_path / "map.tif")[0][0], cell_by_cell(plain, np.full((8, 9), 0.2)))


def test_other_grids_are_warped_to_the_grid_asked_for(model, write_raster, tmp_path, progress):
    dem = write_raster("dem.tif", np.full((40, 40), 0.4), ["dem"], cell=30)
    ndvi = write_raster("ndvi.tif", np.random.default_rng(0).random((4, 4)), ["ndvi"], cell=300)
    path = str(tmp_path / "map.tif")
    predict_raster(model, [dem, ndvi], path, grid=ndvi, engine=Engine(progress=progress))
    assert read(path)[0].shape == (1, 4, 4) and any("'dem.tif' is warped" in line for line in progress.infos)
    # A file from before RESAMPLING: the nearest cell, whose borders show.
    old = replace(model, manifest=replace(model.manifest, matching=None))
    predict_raster(old, [dem, ndvi], path, engine=Engine(progress=progress))
    values = read(path)[0]
    assert values.shape == (1, 40, 40)
    assert (values[0].reshape(4, 10, 4, 10) == values[0].reshape(4, 10, 4, 10)[:, :1, :, :1]).all()
    (warning,) = progress.warnings
    assert "learned ndvi from the cells of the rasters themselves" in warning and "`resampling` auto" in warning


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
        predict_raster(model, [static], str(tmp_path / "map.tif"), wanted=Wanted(dates=[parse_time("2020-06-01")]))


def test_cancel_in_the_middle(model, sources, tmp_path, leftovers, cancelling):
    before = leftovers()
    with pytest.raises(Cancelled):
        predict_raster(model, sources, str(tmp_path / "map.tif"), engine=Engine(memory=2**20, progress=cancelling(3)))
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
    aspect, dem = rng.random((2, 30, 30)) * np.array([360, 1])[:, None, None]
    path = str(tmp_path / "map.tif")
    predict_raster(cyclic, [write_raster("x.tif", np.stack([dem, aspect]), ["dem", "aspect"])], path)
    np.testing.assert_array_equal(read(path)[0][0], cell_by_cell(cyclic, aspect, dem))


def test_texts_of_dates():
    assert set(parse_dates(" 2020-06-01, 2020-06 ;")) == {parse_time("2020-06-01"), parse_time("2020-06")}
    assert parse_dates("") == parse_dates(None) == []
    with pytest.raises(InputError, match="'1.6.2020' is not a date"):
        parse_dates("1.6.2020")


# Quantiles, applicability and a second model -----------------------------------------------------------------------


def test_a_fallback_model_fills_cells_and_dates(model, sources, cells, tmp_path):
    only_dem = model_of("dem")
    found = predict_raster(
        model,
        sources,
        str(tmp_path / "o.tif"),
        fallback=only_dem,
        wanted=Wanted(source=str(tmp_path / "s.tif"), count_applicable=True, dates=[parse_time(d) for d in DATES]),
    )
    values, _ = read(tmp_path / "o.tif")
    source, source_names = read(tmp_path / "s.tif")
    assert source_names == tuple(f"source@{date}" for date in DATES)
    dem, ndvi = (np.asarray(band, np.float32) for band in cells)
    for i in range(4):
        first, second = cell_by_cell(model, dem, ndvi[i]), cell_by_cell(only_dem, dem)
        np.testing.assert_array_equal(values[i], np.where(np.isnan(first), second, first))
        np.testing.assert_array_equal(source[i], np.where(~np.isnan(first), 1, np.where(~np.isnan(second), 2, np.nan)))
    valid = ~np.isnan(values)
    assert found.coverage == pytest.approx(valid.mean()) and found.by_model == pytest.approx(
        [(source == n).mean() for n in (1, 2)]
    )
    assert 0 < found.applicable <= 1


def test_predictors_beyond_the_training_are_named(model, write_raster, cells, tmp_path, progress):
    """Such as two bands whose names were swapped, or another unit."""
    sources = [write_raster("dem.tif", cells[0], ["dem"]), write_raster("ndvi.tif", 100 * cells[1][0], ["ndvi"])]
    found = predict_raster(
        model, sources, str(tmp_path / "o.tif"), wanted=Wanted(count_applicable=True), engine=Engine(progress=progress)
    )
    (warning,) = (text for text in progress.warnings if "range of the training" in text)
    assert (
        found.applicable < 0.5
        and "nearly all cells of 'ndvi'" in warning
        and "'dem'" not in warning
        and "the training has 0.0" in warning
    )
    progress.warnings.clear()
    predict_raster(
        model,
        [sources[0], write_raster("near.tif", cells[1][0], ["ndvi"])],
        str(tmp_path / "p.tif"),
        wanted=Wanted(count_applicable=True),
        engine=Engine(progress=progress),
    )
    assert not any("unlike the training" in text for text in progress.warnings)


def test_a_fallback_that_needs_the_same_is_said(model, sources, tmp_path, progress):
    found = predict_raster(model, sources, str(tmp_path / "o.tif"), fallback=model, engine=Engine(progress=progress))
    assert found.by_model[1] == 0 and any("it fills no cell" in warning for warning in progress.warnings)


def test_a_fallback_serves_dates_that_the_model_lacks(model, write_raster, cells, tmp_path):
    """Two predictors of different dates: where the first model has no band, the map is the second model's."""
    sources = [
        write_raster("dem.tif", cells[1][:2], ["dem@2020-06-01", "dem@2020-06-09"]),
        write_raster("ndvi.tif", cells[0], ["ndvi@2020-06-01"]),
    ]
    found = predict_raster(
        model, sources, str(tmp_path / "o.tif"), fallback=model_of("dem"), wanted=Wanted(source=str(tmp_path / "s.tif"))
    )
    assert found.bands == ["soil_moisture@2020-06-01", "soil_moisture@2020-06-09"]
    source, _ = read(tmp_path / "s.tif")
    assert set(np.unique(source[0][~np.isnan(source[0])])) == {1, 2} and set(
        np.unique(source[1][~np.isnan(source[1])])
    ) == {2}


def test_quantiles_and_applicability_beside_the_map(model, sources, cells, tmp_path):
    levels = [0.05, 0.5, 0.95]
    wanted = Wanted(str(tmp_path / "q.tif"), levels, str(tmp_path / "a.tif"))
    found = predict_raster(
        model, sources, str(tmp_path / "o.tif"), wanted=replace(wanted, dates=[parse_time(DATES[0])])
    )
    values, _ = read(tmp_path / "o.tif")
    quantiles, names = read(tmp_path / "q.tif")
    area, area_names = read(tmp_path / "a.tif")
    assert names == tuple(f"soil_moisture_q{n}@{DATES[0]}" for n in ("05", "50", "95")) and area_names == (
        f"dissimilarity@{DATES[0]}",
        f"applicable@{DATES[0]}",
    )
    rows = np.stack([cells[0], cells[1][0]], axis=-1).astype(np.float32).reshape(-1, 2)
    valid = ~np.isnan(rows).any(axis=1)
    mean, expected = model.predict_quantiles(rows[valid], np.array(levels))
    np.testing.assert_allclose(quantiles.reshape(3, -1)[:, valid].T, expected, rtol=1e-6)
    np.testing.assert_allclose(values.reshape(-1)[valid], mean, rtol=1e-6)
    assert np.isnan(quantiles.reshape(3, -1)[:, ~valid]).all() and (np.diff(expected, axis=1) >= 0).all()
    dissimilarity, _ = model.applicability.dissimilarity(rows[valid])
    np.testing.assert_allclose(area[0].reshape(-1)[valid], dissimilarity, rtol=1e-5)
    np.testing.assert_array_equal(area[1].reshape(-1)[valid], dissimilarity <= model.applicability.threshold)
    assert found.applicable == pytest.approx((dissimilarity <= model.applicability.threshold).mean())


def test_cells_unlike_the_training_are_not_applicable(model, write_raster, tmp_path):
    far = np.full((2, 30, 30), 0.5)
    far[0, :, 15:] = 40
    found = predict_raster(
        model,
        [write_raster("far.tif", far, ["dem", "ndvi"])],
        str(tmp_path / "o.tif"),
        wanted=Wanted(count_applicable=True),
    )
    assert found.applicable == 0.5


def test_wishes_that_cannot_be_met(model, sources, tmp_path, leftovers):
    from dataclasses import replace

    before = leftovers()
    old = replace(model, applicability=None, calibration=None)
    for given, wanted, words in (
        (old, Wanted(count_applicable=True), "holds no area of applicability"),
        (old, Wanted(str(tmp_path / "q.tif"), [0.5]), "holds no calibration"),
        (model, Wanted(str(tmp_path / "q.tif")), "`quantiles` needs `levels`"),
    ):
        with pytest.raises(InputError, match=words):
            predict_raster(given, sources, str(tmp_path / "o.tif"), wanted=wanted)
    other = replace(model, manifest=replace(model.manifest, target=TargetRecord("temperature")))
    with pytest.raises(InputError, match="predicts 'sm', but `fallback` predicts 'temperature'"):
        predict_raster(model, sources, str(tmp_path / "o.tif"), fallback=other)
    with pytest.raises(InputError, match="The fallback model needs predictors that none of the layers has: 'rain'"):
        predict_raster(model, sources, str(tmp_path / "o.tif"), fallback=model_of("rain"))
    assert leftovers() == before


def test_a_cluster_makes_the_same_maps(model, sources, tmp_path, progress):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is a development dependency")
    found = {}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        for name, scheduler in (("here", ""), ("there", cluster.scheduler_address)):
            wanted = Wanted(str(tmp_path / f"q_{name}.tif"), [0.1, 0.9], str(tmp_path / f"a_{name}.tif"))
            found[name] = predict_raster(
                model,
                sources,
                str(tmp_path / f"o_{name}.tif"),
                wanted=wanted,
                engine=Engine(memory=2**22, scheduler=scheduler, progress=progress),
            )
    assert found["here"] == found["there"] and any("2 threads of the cluster" in text for text in progress.infos)
    for name in ("o", "q", "a"):
        np.testing.assert_array_equal(read(tmp_path / f"{name}_here.tif")[0], read(tmp_path / f"{name}_there.tif")[0])


def learned_from(variable, **known):
    """A model whose training table noted something of its only predictor, or nothing."""
    rng = np.random.default_rng(0)
    x = rng.random((60, 1))
    origins = {variable: {"variable": variable, "product": "p", **known}} if known else {}
    table = TrainingTable(Roles("sm", (variable,)), x, x[:, 0], np.arange(60), origins=origins)
    return train(table, RandomForest(3), make_split("random", 2)).model


def test_a_model_remembers_gaps_and_directions(write_raster, tmp_path, progress):
    ndvi = write_raster("ndvi.tif", np.random.default_rng(0).random((2, 4, 4)), ["ndvi@2020-06-01", "ndvi@2020-06-09"])
    out = str(tmp_path / "m.tif")
    wanted = Wanted(dates=parse_dates("2020-06-12"))
    taught = learned_from("ndvi", asked_gap_days=1.0, direction="previous")
    with pytest.raises(InputError, match="within 1 days before"):
        predict_raster(taught, [ndvi], out, wanted=wanted)
    predict_raster(taught, [ndvi], out, max_gap_days=5, wanted=wanted)
    predict_raster(taught, [ndvi], out, max_gap_days=TimeRule(gaps={"ndvi": 5}), wanted=wanted)
    predict_raster(learned_from("ndvi"), [ndvi], out, wanted=wanted, engine=Engine(progress=progress))
    assert not progress.warnings
    before = Wanted(dates=parse_dates("2020-05-31"))
    with pytest.raises(InputError, match="before"):
        predict_raster(taught, [ndvi], out, max_gap_days=5, wanted=before)
    predict_raster(taught, [ndvi], out, max_gap_days=TimeRule(5, direction="nearest"), wanted=before,
                   engine=Engine(progress=progress))  # fmt: skip
    assert "'ndvi': 1 of 1 dates take a value from a later date" in " ".join(progress.infos)


def test_rain_of_an_old_model_is_matched_as_it_was_learned(write_raster, tmp_path, progress):
    rain = write_raster("rain.tif", np.random.default_rng(0).random((2, 4, 4)), ["rain@2020-06-01", "rain@2020-06-09"])
    out, engine = str(tmp_path / "m.tif"), Engine(progress=progress)
    before = Wanted(dates=parse_dates("2020-05-30"))
    new = learned_from("rain")
    with pytest.raises(InputError, match="before"):
        predict_raster(new, [rain], out, wanted=before)
    old = replace(new, manifest=replace(new.manifest, matching=None))
    predict_raster(old, [rain], out, wanted=before, engine=engine)
    assert len(progress.warnings) == 1 and "learned rain from dates before and after its rows" in progress.warnings[0]


def test_builtin_variables_are_made_of_cells_and_dates(write_raster, tmp_path, progress):
    rng = np.random.default_rng(0)
    names = ("dem", "longitude", "y", "day_of_year")
    dem = write_raster("dem.tif", rng.random((50, 40)), ["dem"])
    origins = {name: origin.as_dict() for name, origin in builtin_origins(names[1:], (), grid_of(dem).crs).items()}
    columns = np.stack(
        [rng.random(300), rng.uniform(-3, -2.98, 300), rng.uniform(3998000, 4000000, 300), rng.integers(1, 366, 300)], 1
    )
    target = columns[:, 0] + np.sin(columns[:, 3] * 2 * np.pi / 365.25) + (columns[:, 2] - 3999000) / 2000
    table = TrainingTable(Roles("sm", names), columns, target, np.arange(300), origins=origins)
    taught = train(table, RandomForest(9), make_split("random", 2), {"day_of_year": 365.25}).model
    save_model(taught, str(tmp_path / "m.smmodel"))
    taught = load_model(str(tmp_path / "m.smmodel"))
    path = str(tmp_path / "map.tif")
    wanted = Wanted(dates=parse_dates("2020-03-01, 2020-07-01"))
    predict_raster(taught, [dem], path, wanted=wanted, engine=Engine(memory=2**20, progress=progress))
    values, bands = read(path)
    assert bands == ("soil_moisture@2020-03-01", "soil_moisture@2020-07-01") and not progress.warnings
    column, row = np.meshgrid(np.arange(40) + 0.5, np.arange(50) + 0.5)
    x, y = 500000 + 30 * column, 4000000 - 30 * row
    longitude, _ = Transformer.from_crs(32630, 4326, always_xy=True).transform(x, y)
    heights = rasterio.open(dem.path).read(1)
    for band, day in zip(values, (61, 183)):
        np.testing.assert_array_equal(band, cell_by_cell(taught, heights, longitude, y, np.full(x.shape, day)))
    with pytest.raises(InputError, match=r"needs the date \(day_of_year\).*Give `dates`"):
        predict_raster(taught, [dem], path)
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        there = Engine(scheduler=cluster.scheduler_address)
        predict_raster(taught, [dem], str(tmp_path / "there.tif"), wanted=wanted, engine=there)
    np.testing.assert_array_equal(read(tmp_path / "there.tif")[0], values)


def test_a_name_tells_a_builtin_where_the_table_kept_no_notes(write_raster, tmp_path, progress):
    dem = write_raster("dem.tif", np.random.default_rng(0).random((5, 4)), ["dem"])
    plain = model_of("dem", "longitude")
    predict_raster(plain, [dem], str(tmp_path / "map.tif"), engine=Engine(progress=progress))
    assert "No raster has longitude: made of the place" in " ".join(progress.infos)
    with pytest.raises(InputError, match="none of the layers has: 'x'"):
        predict_raster(model_of("dem", "x"), [dem], str(tmp_path / "map.tif"))
