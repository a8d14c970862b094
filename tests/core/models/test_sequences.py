"""Rows as sequences: which columns are earlier values, which rows are watched, and what a network learns of memory."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.problem import Problem
from sm_toolbox.models.assessment.selection import Method, select_predictors
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.assessment.stopping import held_apart
from sm_toolbox.models.assessment.tuning import Tuner, make_candidates
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.lstm import ShortTermMemory
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.reports.model import model_report
from sm_toolbox.models.reports.training import gap_in_words, training_report
from sm_toolbox.models.sequences import find_sequences
from sm_toolbox.models.table import Roles, make_training_table
from sm_toolbox.models.training import train
from sm_toolbox.raster.origins import Origin

STEPS = 6
LAGS = tuple(f"rain_lag{back}" for back in range(1, STEPS))
SMALL = ShortTermMemory(sequence_length=STEPS, units=(16,), max_epochs=60, learning_rate=0.01, dropout=0.0, patience=10)


def names_of(layout, encoder):
    return [[encoder.names[i] for i in step] for step in layout.moving], [encoder.names[i] for i in layout.fixed]


def test_the_oldest_step_comes_first():
    encoder = FeatureEncoder(("ndvi_lag2", "clay", "ndvi", "lst", "ndvi_lag1", "lst_lag1", "lst_lag2"), {})
    found = find_sequences(encoder, {}, 3)
    assert names_of(found.layout, encoder) == (
        [["ndvi_lag2", "lst_lag2"], ["ndvi_lag1", "lst_lag1"], ["ndvi", "lst"]],
        ["clay"],
    )
    assert found.moving == ("ndvi", "lst") and found.unused == () and found.step_days == {}


def test_days_back_and_sums_are_predictors_of_their_own():
    encoder = FeatureEncoder(("rain", "rain_lag1", "rain_lag7d", "rain_sum7d", "rain_sum3"), {})
    layout = find_sequences(encoder, {}, 2).layout
    assert names_of(layout, encoder) == ([["rain_lag1"], ["rain"]], ["rain_lag7d", "rain_sum7d", "rain_sum3"])


def test_notes_count_more_than_names():
    """A product of which the field was named anew, and a variable that happens to be called like a lag."""
    encoder = FeatureEncoder(("ndvi_modis", "ndvi_modis_lag1", "x", "x_lag1"), {})
    note = Origin("ndvi", "modis", time_step_days=8.0).as_dict()
    origins = {
        "ndvi_modis": note,
        "ndvi_modis_lag1": {**note, "lag": "1"},
        "x": Origin("x", "a").as_dict(),
        "x_lag1": Origin("x_lag1", "b").as_dict(),
    }
    found = find_sequences(encoder, origins, 2)
    assert names_of(found.layout, encoder) == ([["ndvi_modis_lag1"], ["ndvi_modis"]], ["x", "x_lag1"])
    assert found.as_record() == {"length": 2, "predictors": ["ndvi_modis"], "step_days": {"ndvi_modis": 8.0}}


def test_cyclic_predictors_and_classes_move_as_all_their_features():
    classes = dict.fromkeys(("c", "c_lag1"), (1.0, 2.0))
    encoder = FeatureEncoder(("a", "a_lag1", "c", "c_lag1"), {"a": 360.0, "a_lag1": 360.0}, classes)
    layout = find_sequences(encoder, {}, 2).layout
    assert names_of(layout, encoder)[0] == [
        ["sin(a_lag1)", "cos(a_lag1)", "c_lag1=1", "c_lag1=2"],
        ["sin(a)", "cos(a)", "c=1", "c=2"],
    ]
    for odd in (
        FeatureEncoder(("a", "a_lag1"), {"a": 360.0}),
        FeatureEncoder(("c", "c_lag1"), {}, {"c": (1.0, 2.0), "c_lag1": (1.0, 3.0)}),
    ):
        with pytest.raises(InputError, match="Name all of them in `cyclic` or `categorical`"):
            find_sequences(odd, {}, 2)


@pytest.mark.parametrize(
    ("predictors", "length", "words"),
    [
        (("ndvi", "clay"), 12, r"none of ndvi, clay is an earlier value .* with the lags \*:1-11"),
        (("ndvi", "ndvi_lag1", "ndvi_lag2"), 12,
         r"12 needs 'ndvi' and its 11 .* lack ndvi_lag3, .*_lag8 …\. .* ndvi:1-11, or give a `sequence_length` of 3"),
        (("ndvi", "ndvi_lag1", "ndvi_lag3"), 4, r"lack ndvi_lag2\. .* ndvi:1-3, or give a `sequence_length` of 2\."),
        (("ndvi_lag1", "clay"), 2, r"lack ndvi\. Take them into `predictors`; .* ndvi:1-1\."),
        (("a", "a_lag1", "b", "b_lag1", "b_lag2"), 3, r"needs 'a' .* lack a_lag2\."),
    ],
)  # fmt: skip
def test_missing_steps_are_told_with_the_cure(predictors, length, words):
    with pytest.raises(InputError, match=words):
        find_sequences(FeatureEncoder(predictors, {}), {}, length)


def remembering(seed=0, stations=12, steps=40, shuffled=False):
    """Moisture that is the memory of six steps of rain; shuffled in time, earlier values know nothing."""
    rng = np.random.default_rng(seed)
    columns = {name: [] for name in ("station", "time", "sm", "clay", "rain", *LAGS)}
    months = np.datetime64("2015-01") + np.arange(steps + STEPS)
    for station in range(stations):
        rain, clay = rng.standard_normal(steps + STEPS), rng.random()
        memory = sum(0.8**back * np.roll(rain, back) for back in range(STEPS))
        if shuffled:
            order = rng.permutation(np.arange(STEPS, steps + STEPS))
            rain, memory = (np.concatenate([values[:STEPS], values[order]]) for values in (rain, memory))
        for t in range(STEPS, steps + STEPS):
            row = (f"s{station}", f"{months[t]}-01", 0.25 + 0.03 * memory[t] + 0.02 * clay + rng.normal(0, 0.003))
            for name, value in zip(columns, (*row, clay, *rain[t : t - STEPS : -1])):
                columns[name].append(value)
    return columns


def as_table(columns, predictors=("clay", "rain", *LAGS)):
    return make_training_table(columns, Roles("sm", predictors, "station", "time"), "table")


def error(table, estimator):
    return train(table, estimator, make_split("station", 3)).chosen.metrics.rmse


def test_memory_is_learned_where_there_is_memory():
    split = make_split("station", 3)
    found = {}
    for shuffled in (False, True):
        columns = remembering(shuffled=shuffled)
        training = train(as_table(columns), SMALL, split)
        found[shuffled] = (
            training.chosen.metrics.rmse,
            training.rival.metrics.rmse,
            error(as_table(columns, ("clay", "rain")), RandomForest(100)),
        )
    network, forest, without = found[False]
    assert network < 0.4 * without and forest < 0.75 * without and network < forest
    network, forest, without = found[True]
    assert network > 0.9 * without and forest > 0.9 * without


@pytest.fixture(scope="module")
def training():
    return train(as_table(remembering()), replace(SMALL, max_epochs=10), make_split("station", 3))


def test_reports_say_what_was_read_and_which_model_wins(training, tmp_path):
    words = gap_in_words(training)
    assert "The long short-term memory beats the random forest: with whole stations left out the RMSE is" in words
    html = training_report(training).html()
    for text in ("Beside a random forest", "Course of the training", "Read as sequences of 6 steps: rain"):
        assert text in html
    assert training.model.manifest.sequence["length"] == STEPS
    path = str(tmp_path / "m.smmodel")
    save_model(training.model, path)
    again = load_model(path)
    rows = training.table.predictors
    np.testing.assert_array_equal(again.predict(rows), training.model.predict(rows))
    assert "Course of the training" in model_report(again, "m").html()
    mean, quantiles = again.predict_quantiles(rows, np.array([0.05, 0.95]))
    assert (quantiles[:, 0] < mean).all() and (mean < quantiles[:, 1]).all()


def test_a_worse_model_is_told(training):
    values = {**training.chosen.metrics.values, "rmse": 0.001}
    better = replace(training.rival, metrics=replace(training.rival.metrics, values=values))
    assert "The random forest beats the long short-term memory" in gap_in_words(replace(training, rival=better))
    equal = replace(training.rival, metrics=training.chosen.metrics)
    assert "is as good as a random forest of the same predictors" in gap_in_words(replace(training, rival=equal))


def test_steps_further_back_are_told(progress):
    table = as_table(remembering())
    train(table, replace(SMALL, sequence_length=4, max_epochs=1), make_split("station", 3), progress=progress)
    assert "further back are not used: rain_lag4, rain_lag5. Take them out of `predictors`" in progress.warnings[0]


def test_search_and_limits_go_with_sequences():
    table = replace(as_table(remembering(steps=12)), limits={"rain": (-3.0, 3.0)})
    candidates = make_candidates("lstm", '{"units": [[4], [6]], "sequence_length": 6, "max_epochs": 2}', "grid", 9, 0)
    tuner = Tuner([replace(each, scaling="as_given") for each in candidates], make_split("station", 2))
    found = train(table, candidates[0], make_split("station", 2), tuner=tuner)
    assert len(found.search.tried) == 2 and found.model.manifest.hyperparameters["scaling"] == "as_given"


def test_earlier_values_have_the_limits_of_the_predictor_itself():
    roles = Roles("sm", ("clay", "rain", *LAGS), "station")
    columns = remembering()
    values = np.array([columns[name] for name in ("rain", *LAGS)])
    for text, expected in (("rain:-9:9", (-9.0, 9.0)), ("clay:0:1", (values.min(), values.max()))):
        limits = prepare_training(SampledTable(columns), roles, limits=text).table.limits
        assert {limits[name] for name in ("rain", *LAGS)} == {expected}
    both = prepare_training(SampledTable(columns), roles, limits="rain:-9:9,rain_lag1:-8:8").table.limits
    assert both["rain_lag1"] == (-8, 8) and both["rain_lag2"] == (-9, 9)


def test_selection_does_not_take_sequences_apart():
    with pytest.raises(InputError, match="`kind` lstm reads predictors with all their earlier values"):
        select_predictors(as_table(remembering()), SMALL, make_split("station", 3), Method("ranked"))


def parts_of(key, table, reach=150.0):
    return held_apart(table, None if key is None else make_split(key, 3, 5000.0), 0, reach)


@pytest.mark.parametrize("key", ["station", "block", "group", "station_time", "random", None])
def test_no_place_is_on_both_sides(key):
    table = as_table(remembering())
    place = np.array([int(name[1:]) for name in table.stations])
    table = replace(table, positions=np.stack([7000.0 * place, 0.0 * place], axis=1), groups=place // 2)
    parts = parts_of(key, table)
    of = table.groups if key == "group" else table.stations
    assert not {*of[parts.learned]} & {*of[parts.watched]}
    assert len(parts.learned) + len(parts.watched) == len(table) and 0.2 < len(parts.watched) / len(table) < 0.42


@pytest.mark.parametrize("key", ["time", "year", "month"])
def test_no_sequence_reaches_from_one_side_into_the_other(key):
    table = as_table(remembering())
    parts = parts_of(key, table)
    first = table.times[parts.watched].min()
    assert (first - table.times[parts.learned].max()) / np.timedelta64(86_400, "s") > 150
    assert len(parts.watched) / len(table) == pytest.approx(0.3, abs=0.03)
    # A record too short for the gap: whole stations.
    parts = parts_of(key, table, reach=1000.0)
    assert not {*table.stations[parts.learned]} & {*table.stations[parts.watched]}


def test_few_rows_are_parted_all_the_same():
    columns = remembering(stations=2, steps=4)
    columns["station"] = ["a"] * 8
    table = replace(as_table(columns, ("rain", *LAGS)), times=None)
    parts = parts_of("station", table)
    assert len(parts.watched) == 2 and len(parts.learned) == 6 and not {*parts.learned} & {*parts.watched}


def test_the_reach_is_that_of_the_notes_or_of_the_rows():
    table = as_table(remembering())
    encoder = FeatureEncoder(table.roles.predictors, {})
    assert find_sequences(encoder, {}, STEPS).reach_days(table) == pytest.approx(5 * 30.7, abs=3)
    origins = {"rain": Origin("rain", "a", time_step_days=8.0).as_dict()}
    origins |= {name: Origin("rain", "a", time_step_days=8.0, lag=name[-1]).as_dict() for name in LAGS}
    assert find_sequences(encoder, origins, STEPS).reach_days(table) == 40
    assert Problem(replace(table, origins=origins), encoder, 0).sequences_of(SMALL).step_days == {"rain": 8.0}


def test_maps_are_those_of_the_rows_and_other_steps_are_refused(write_raster, tmp_path):
    origins = {"rain": Origin("rain", "rain", time_step_days=30.4).as_dict(), "clay": Origin("clay", "clay").as_dict()}
    origins |= {name: {**origins["rain"], "lag": name[-1]} for name in LAGS}
    table = replace(as_table(remembering()), origins=origins)
    model = train(table, replace(SMALL, max_epochs=3), make_split("station", 3)).model
    rng = np.random.default_rng(0)
    rain, clay = rng.standard_normal((8, 9, 11)).astype(np.float32), rng.random((9, 11)).astype(np.float32)
    rain[1, 2, 3] = np.nan
    static = write_raster("clay.tif", clay, ["clay"])
    months = write_raster("rain.tif", rain, [f"rain@2020-{month:02d}-01" for month in range(1, 9)])
    made = predict_raster(model, [months, static], str(tmp_path / "map.tif"))
    assert [band[-10:] for band in made.bands] == ["2020-06-01", "2020-07-01", "2020-08-01"]
    with rasterio.open(tmp_path / "map.tif") as dataset:
        found = dataset.read(1)
    rows = np.stack([clay, *rain[5::-1]], axis=-1).reshape(-1, 7)
    expected = np.full(99, np.nan)
    expected[~np.isnan(rows).any(axis=1)] = model.predict(rows[~np.isnan(rows).any(axis=1)])
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)
    assert np.isnan(expected).sum() == 1
    days = [f"rain@2020-{8 * i // 30 + 1:02d}-{8 * i % 30 + 1:02d}" for i in range(8)]
    eight = write_raster("days.tif", rain, days)
    with pytest.raises(InputError, match=r"learned 'rain_lag1' in steps of 30\.4 days, but the dates of 'rain'"):
        predict_raster(model, [eight, static], str(tmp_path / "no.tif"))


def test_rows_without_a_past_are_told_in_few_lines(progress):
    """The first rows of a sequence lack many earlier values: 20 lines would say the same thing."""
    rng = np.random.default_rng(0)
    series = rng.random(60)
    lags = {f"rain_lag{i}": [*[None] * i, *series[: 60 - i]] for i in range(1, 21)}
    columns = {"station": ["a", "b"] * 30, "sm": rng.random(60), "rain": series, **lags}
    roles = Roles("sm", ("rain", *lags), station="station")
    request = SplitRequest(folds=2)
    assert len(prepare_training(SampledTable(columns), roles, request=request, progress=progress).table) == 40
    told = [line for line in progress.warnings if "left out" in line]
    assert 2 <= len(told) <= 7 and "further rows are left out: no rain_lag7, no" in told[-1]
    assert sum(int(line.split()[0]) for line in told) == 20
