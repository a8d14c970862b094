"""Downscaling against a known truth, and what it says where there is nothing to gain."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from sm_toolbox.demo.example import LEFT, TOP, read_example
from sm_toolbox.downscaling.blocks import Lattice, block_means
from sm_toolbox.downscaling.downscale import downscale
from sm_toolbox.downscaling.fine import DownscaleFiles
from sm_toolbox.downscaling.report import downscaling_report
from sm_toolbox.downscaling.stations import StationValues
from sm_toolbox.downscaling.table import coarse_table
from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.planes import Wanted
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.raster.affine import Affine
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.masking import ClassMask
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows
from tests.conftest import RecordingProgress

from .conftest import COARSE, DAYS, FINE, RATIO, dated, forest, means, smooth, utm, write_on


def files(land, **more):
    return DownscaleFiles(land.path("map.tif"), **more)


def read(path, variable="soil_moisture"):
    found = read_example(path)
    return np.stack([found[name] for name in dated(variable)])


def rmse(values, truth):
    return float(np.sqrt(np.nanmean((values - truth) ** 2)))


def stations(land, every=6, noise=0.0):
    """Return stations in the cells of a coarse net, one value on each date."""
    row, column = (part.ravel() for part in np.mgrid[3:FINE:every, 2:FINE:every])
    x, y = LEFT + 100 * (column + 0.5), TOP - 100 * (row + 0.5)
    values = np.concatenate([truth[row, column] for truth in land.truth])
    values = values + noise * np.random.default_rng(0).normal(size=len(values))
    times = [parse_time(day) for day in DAYS for _ in row]
    names = [f"s{i}" for i in range(len(row))] * len(DAYS)
    rows = Rows("stations", np.tile(x, 3), np.tile(y, 3), driver().crs(32630), times, names)
    return StationValues(rows, values)


def test_a_known_truth_is_found_again(land):
    progress = RecordingProgress()
    result = downscale(land.inputs(), forest(), files(land), stations=stations(land), engine=Engine(progress=progress))
    made = read(land.path("map.tif"))
    nearest = np.repeat(np.repeat(land.coarse, RATIO, 1), RATIO, 2)
    assert rmse(made, land.truth) < 0.6 * rmse(nearest, land.truth)
    # Each coarse cell is kept, and so is what no predictor knows.
    assert np.abs(means(made.astype(float)) - land.coarse).max() < 1e-4
    assert result.fine.block_error < 1e-4 < result.fine.error_without
    assert result.judgement.gained and result.judgement.skill > 0.3 and result.judgement.skill_in_space > 0.3
    assert result.gain.percent > 20
    assert [item.name for item in result.coarse_model.results] == ["block", "random", "time"]
    assert any("removes" in line for line in progress.infos)
    assert len(set(progress.infos)) == len(progress.infos), "the same is said twice"


def test_residuals_of_all_kinds(land):
    found = {}
    for residuals in ("none", "simple_kriging", "ordinary_kriging", "block_bilinear"):
        result = downscale(land.inputs(), forest(), files(land), residuals)
        found[residuals] = rmse(read(land.path("map.tif")), land.truth), result
    assert found["block_bilinear"][0] < found["none"][0] and found["simple_kriging"][0] < found["none"][0]
    assert found["none"][1].fine.with_residual == 0 and found["simple_kriging"][1].fine.with_residual == 1
    assert found["none"][1].fine.block_error == pytest.approx(
        np.abs(means(read_of_model(land, found["none"][1])) - land.coarse).max(), abs=1e-5
    )
    loose = downscale(land.inputs(), forest(), files(land), conserve=False).fine
    assert 1e-4 < loose.block_error < found["none"][1].fine.block_error


def read_of_model(land, result):
    """Return the map that 'Predict raster' makes of the model file."""
    path = land.path("model.smmodel")
    save_model(result.coarse_model.training.model, path)
    predict_raster(
        load_model(path), land.predictors(), land.path("alone.tif"), wanted=Wanted(dates=[parse_time(d) for d in DAYS])
    )
    return read(land.path("alone.tif")).astype(float)


def test_the_model_serves_predictraster(land):
    result = downscale(land.inputs(), forest(), files(land), "none")
    assert np.array_equal(read(land.path("map.tif")), read_of_model(land, result).astype(np.float32))
    manifest = result.coarse_model.training.model.manifest
    assert manifest.names == ("ndvi", "sand") and manifest.predictors[0].origin["time_step_days"] > 20


def shuffled(rng, values, within):
    """Shuffle the cells of a map: all of them, or those of each coarse cell."""
    if not within:
        return rng.permutation(values.ravel()).reshape(values.shape)
    blocks = values.reshape(COARSE, RATIO, COARSE, RATIO).transpose(0, 2, 1, 3).reshape(COARSE**2, RATIO**2)
    blocks = np.stack([rng.permutation(block) for block in blocks]).reshape(COARSE, COARSE, RATIO, RATIO)
    return blocks.transpose(0, 2, 1, 3).reshape(values.shape)


@pytest.mark.parametrize("with_stations", [False, True])
@pytest.mark.parametrize("within", [False, True])
def test_with_shuffled_predictors_nothing_is_gained(land, within, with_stations):
    rng = np.random.default_rng(0)
    ndvi = np.stack([shuffled(rng, values, within) for values in land.ndvi])
    inputs = land.inputs(predictors=land.predictors(ndvi, shuffled(rng, land.sand, within)))
    progress = RecordingProgress()
    given = stations(land) if with_stations else None
    result = downscale(inputs, forest(), files(land), stations=given, engine=Engine(progress=progress))
    assert not result.judgement.gained
    assert any(line.startswith("Nothing was gained by downscaling") for line in progress.warnings)
    words = result.judgement.in_words()
    assert "cannot be told from noise" in words
    # Shuffled within coarse cells the means are what they were, and the model of them as good.
    assert ("which coarse cells of a date are wetter" in words) == (not within)


def test_predictors_without_detail_gain_nothing(land):
    """The ndvi of each coarse cell on all its fine ones: learned from as well as ever, and of no use within."""
    squares = [np.repeat(np.repeat(means(values), RATIO, 0), RATIO, 1) for values in (*land.ndvi, land.sand)]
    inputs = land.inputs(predictors=land.predictors(squares[:3], squares[3]))
    result = downscale(inputs, forest(), files(land))
    assert result.judgement.skill > 0.3
    assert result.judgement.faults == [
        "the predictors hardly differ within coarse cells, so that the map has no detail there"
    ]


def test_quantiles_move_with_the_residual_and_sources_are_told(land):
    coarse = land.coarse.copy()
    coarse[0, 2, 3] = np.nan
    coarse[1] = np.nan
    progress = RecordingProgress()
    wanted = files(
        land,
        quantiles=land.path("q.tif"),
        levels=(0.1, 0.9),
        applicability=land.path("a.tif"),
        source=land.path("s.tif"),
    )
    inputs = land.inputs(coarse=[land.product(coarse)])
    result = downscale(inputs, forest(), wanted, engine=Engine(progress=progress))
    made, source = read(land.path("map.tif")), read(land.path("s.tif"), "source")
    low, high = (read(land.path("q.tif"), f"soil_moisture_{name}") for name in ("q10", "q90"))
    assert ((low <= high + 1e-6) & np.isfinite(made)).all()
    where = np.kron(np.isnan(coarse), np.ones((RATIO, RATIO))) > 0
    assert (source[where] == 2).all() and (source[~where] == 1).all()
    assert result.fine.with_residual == pytest.approx((~where).mean(), abs=1e-6)
    alone = read_of_model(land, result)
    assert made[where] == pytest.approx(alone[where], abs=1e-6)
    model = result.coarse_model.training.model
    cell = np.array([[land.ndvi[2, 30, 30], land.sand[30, 30]]])
    _, quantiles = model.predict_quantiles(cell.astype(np.float32), np.array([0.1, 0.9]))
    moved = made[2, 30, 30] - alone[2, 30, 30]
    assert [low[2, 30, 30], high[2, 30, 30]] == pytest.approx(quantiles[0] + moved, abs=1e-5)
    assert set(np.unique(read(land.path("a.tif"), "applicable"))) <= {0, 1}
    assert any("no data on 1 dates (2020-07-01)" in line for line in progress.warnings)


def test_masked_cells_are_in_no_mean_and_get_no_value(land):
    cover = np.full((FINE, FINE), 4.0)
    cover[:6, :8] = 17  # three quarters of the first coarse cell
    cover[8:10, :8] = 15  # a quarter of the one below
    water = np.isin(cover, (15, 17))
    ndvi = land.ndvi.copy()
    ndvi[:, water] = -0.3
    coarse = land.coarse.copy()
    coarse[:, 0, 0] = 0.9
    mask = ClassMask(land.write("landcover", {"landcover": cover}), (0.0, 15.0, 17.0))
    inputs = land.inputs(coarse=[land.product(coarse)], predictors=land.predictors(ndvi), mask=mask)
    wanted = files(land, source=land.path("s.tif"), quantiles=land.path("q.tif"), levels=(0.5,))
    result = downscale(inputs, forest(), wanted)
    made = read(land.path("map.tif"))
    assert np.isnan(made[:, water]).all() and np.isfinite(made[:, ~water]).all()
    assert np.isnan(read(land.path("q.tif"), "soil_moisture_q50")[:, water]).all()
    # Too much of the first cell is masked: neither learned from nor corrected.
    assert 0 not in result.coarse_model.table.cell
    assert (read(land.path("s.tif"), "source")[:, 6:8, :8] == 2).all() and np.nanmax(made) < 0.5
    assert np.nanmean(made[0, 10:16, :8]) == pytest.approx(coarse[0, 1, 0], abs=1e-4)
    table = result.coarse_model.prepared.table
    assert table.predictors[:, 0].min() > 0.1
    assert result.fine.prediction.outside.low["ndvi"] > 0


def test_weights_are_the_inverse_of_the_variance(land):
    sigma = np.full((COARSE, COARSE), 0.02)
    sigma[:, :4] = 0.04
    sigma[0, 0] = np.nan
    table = coarse_table(land.inputs(coarse_error=land.write("e", {"merged_error": sigma}, cell=800)), Engine())
    weights = np.array(table.source.columns["weight"], float)
    left = table.cell % COARSE < 4
    known = np.isfinite(weights)
    assert (~known).sum() == 3 and (table.cell[~known] == 0).all()
    assert weights[~left & known] == pytest.approx(4 * weights[left & known][0])
    assert np.nanmean(weights) == pytest.approx(1)
    # Of parts of the year each date has its own.
    parts = {"merged_error": sigma, "merged_error_jja": sigma, "merged_error_07": sigma / 2, "weight_a": sigma}
    table = coarse_table(land.inputs(coarse_error=land.write("e", parts, cell=800)), Engine())
    weights = np.array(table.source.columns["weight"], float)
    at = {date: weights[(table.date == date) & (table.cell == 9)][0] for date in range(3)}
    assert at[0] == at[2] == pytest.approx(at[1] / 4)


def test_maps_of_any_grid(land):
    """Coarse cells that do not nest, in degrees: their means are kept, over the cells whose centres they hold."""
    grid = Grid(4326, Affine(0.011, 0.0, -3.01, 0.0, -0.009, 36.15), 10, 9)
    lattice = Lattice.over(grid, utm(100, FINE, FINE))

    def averaged(source):
        return block_means(read_bands([source]), [False] * 3, [None] * 3, lattice, None, Engine()).values

    product = averaged(land.write("truth", dict(zip(dated("soil_moisture"), land.truth))))
    source = write_on(land.path("degrees.tif"), lattice.grid, dict(zip(dated("soil_moisture"), product)))
    result = downscale(land.inputs(coarse=[source]), forest(), files(land))
    assert result.fine.block_error < 1e-4
    off = np.abs(averaged(Source(land.path("map.tif"))) - product)
    assert lattice.is_whole.sum() > 20 and off[:, lattice.is_whole].max() < 1e-4
    page = downscaling_report(result, Engine()).html()
    assert "EPSG:4326" in page and "whose centres lie in the coarse cell" in page


def test_a_map_that_is_larger_than_the_product(land):
    """Beyond the product the map is of the model alone, in whatever blocks it is made."""
    size = 600
    rows, columns = np.mgrid[:size, :size]
    ndvi = 0.5 + 0.2 * np.sin(rows / 9) * np.cos(columns / 11)
    grid = land.write("wide", {"ndvi": ndvi})
    product = land.write("part", {"soil_moisture": means(0.1 + 0.3 * ndvi[:FINE, :FINE])}, cell=800)
    wanted = files(land, source=land.path("s.tif"))
    result = downscale(
        replace(land.inputs(predictors=[grid]), coarse=[product]), forest(), wanted, engine=Engine(memory=2**20)
    )
    assert result.fine.with_residual == pytest.approx((FINE / size) ** 2, rel=1e-6) and result.fine.block_error < 1e-4
    with rasterio.open(land.path("s.tif")) as file:
        source = file.read(1)
    assert (source[:FINE, :FINE] == 1).all() and (source[FINE:] == 2).all() and (source[:, FINE:] == 2).all()


def test_static_predictors_and_products_without_dates(land):
    progress = RecordingProgress()
    inputs = land.inputs(predictors=land.predictors()[1:])
    result = downscale(inputs, forest(), files(land), engine=Engine(progress=progress))
    assert any("No predictor has dates" in line for line in progress.warnings)
    made = read(land.path("map.tif"))
    assert np.abs(means(made.astype(float)) - land.coarse).max() < 1e-4
    assert np.isfinite(result.judgement.skill_in_space)
    # One date, and none.
    for name, product in (
        ("soil_moisture@2020-06-01", land.write("one", {dated("soil_moisture")[0]: land.coarse[0]}, cell=800)),
        ("soil_moisture", land.write("none", {"soil_moisture": land.coarse[0]}, cell=800)),
    ):
        done = downscale(replace(inputs, coarse=[product]), forest(folds=3), files(land))
        assert list(read_example(land.path("map.tif"))) == [name]
        assert [item.name for item in done.coarse_model.results] == ["block", "random"]


def test_earlier_values_are_predictors(land):
    """What fell in the month before: a model that knows it is better, and its maps are those of 'Predict raster'."""
    rng = np.random.default_rng(5)
    rain = np.stack([20 + 10 * smooth(rng, (FINE, FINE), 4) for _ in range(4)])
    days = ("2020-05-01", *DAYS)
    fallen = land.write("rain", {f"rain@{day}": values for day, values in zip(days, rain)})
    coarse = [land.product(means(land.truth + 0.004 * rain[:3]))]
    inputs = land.inputs(coarse=coarse, predictors=[*land.predictors(), fallen])
    plain = downscale(inputs, forest(), files(land))
    progress = RecordingProgress()
    result = downscale(
        replace(inputs, lags="rain:1, rain:2:sum"), forest(), files(land), "none", engine=Engine(progress=progress)
    )
    table = result.coarse_model.table
    assert list(table.predictors.stacks)[-2:] == ["rain_lag1", "rain_sum2"]
    june = table.date == 1
    assert np.array(table.source.columns["rain_lag1"])[june] == pytest.approx(means(rain[1]).ravel()[table.cell[june]])
    wanted = means(rain[1] + rain[2]).ravel()[table.cell[june]]
    assert np.array(table.source.columns["rain_sum2"])[june] == pytest.approx(wanted)
    assert result.judgement.skill > plain.judgement.skill + 0.1
    save_model(result.coarse_model.training.model, land.path("lags.smmodel"))
    dates = Wanted(dates=[parse_time(day) for day in DAYS])
    predict_raster(load_model(land.path("lags.smmodel")), inputs.predictors, land.path("lags.tif"), wanted=dates)
    assert np.array_equal(read(land.path("map.tif")), read(land.path("lags.tif")))
    # Two steps back there is nothing for the first date.
    short = downscale(replace(inputs, lags="rain:2"), forest(), files(land), engine=Engine(progress=progress))
    assert [str(time) for time in short.coarse_model.table.times] == list(DAYS[1:])
    assert any(
        "1 of 3 dates of `coarse` get no map: there is no band of rain_lag2" in line for line in progress.warnings
    )


def test_the_report_tells_it(land):
    progress = RecordingProgress()
    wanted = replace(files(land), count_applicable=True)
    result = downscale(land.inputs(), forest(), wanted, stations=stations(land))
    html = downscaling_report(result, Engine(progress=progress)).html()
    for words in (
        "Gain over the resampled product",
        "Coarse cells that the model has not seen",
        "Before and after",
        "Edge ratio",
        "Beyond what the model has seen",
        "Each predictor left out in turn",
        "lie within the area of applicability",
        "blocks of 1,600 m, 5 folds",
    ):
        assert words in html, words
    assert html.count("<img") == 5


def test_a_cancel_leaves_nothing(land):
    inputs = land.inputs()
    before = sorted(item.name for item in land.folder.iterdir())
    many = 10**6
    counting = RecordingProgress(many)
    downscale(inputs, forest(), files(land), engine=Engine(progress=counting))
    (land.folder / "map.tif").unlink()
    checks = many - counting._left
    for cancel_after in (1, checks // 3, 2 * checks // 3):
        with pytest.raises(Cancelled):
            downscale(inputs, forest(), files(land), engine=Engine(progress=RecordingProgress(cancel_after)))
        assert sorted(item.name for item in land.folder.iterdir()) == before


def test_a_network_reads_the_months_before(land):
    """S3's network: sequences of all dated predictors, made where no earlier values are asked for."""
    rng = np.random.default_rng(5)
    days = ("2020-05-01", *DAYS)
    rain = np.stack([20 + 10 * smooth(rng, (FINE, FINE), 4) for _ in range(4)])
    fallen = land.write("rain", {f"rain@{day}": values for day, values in zip(days, rain)})
    ndvi = land.write("ndvi", {f"ndvi@{day}": values for day, values in zip(days, [land.ndvi[0], *land.ndvi])})
    coarse = [land.product(means(land.truth + 0.004 * rain[:3]))]
    inputs = land.inputs(coarse=coarse, predictors=[ndvi, land.write("sand", {"sand": land.sand}), fallen])
    words = '{"sequence_length": 2, "units": [12], "dropout": 0, "learning_rate": 0.01, "max_epochs": 60}'
    learning = replace(forest(), candidates=[make_estimator("lstm", words)])
    result = downscale(inputs, learning, files(land), "none")
    assert list(result.coarse_model.table.predictors.stacks) == ["ndvi", "sand", "rain", "ndvi_lag1", "rain_lag1"]
    model = result.coarse_model.training.model
    assert model.manifest.sequence["length"] == 2 and result.judgement.skill > 0.5
    assert "Importance" in downscaling_report(result, Engine()).html()
    save_model(model, land.path("lstm.smmodel"))
    dates = Wanted(dates=[parse_time(day) for day in DAYS])
    predict_raster(load_model(land.path("lstm.smmodel")), inputs.predictors, land.path("lstm.tif"), wanted=dates)
    np.testing.assert_allclose(read(land.path("map.tif")), read(land.path("lstm.tif")), rtol=1e-6)
    kept = downscale(inputs, learning, files(land))
    assert kept.fine.block_error < 1e-4
    with pytest.raises(InputError, match="reads earlier values .* none of `predictors` has dates"):
        downscale(replace(inputs, predictors=[land.write("sand", {"sand": land.sand})]), learning, files(land))
    long = replace(learning, candidates=[make_estimator("lstm", '{"sequence_length": 9, "units": [4]}')])
    with pytest.raises(InputError, match="and of those before them, which earlier values are of"):
        downscale(inputs, long, files(land))
