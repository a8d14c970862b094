"""Choosing predictors finds the ones that matter, throws out those that only know the stations, and says how."""

from dataclasses import replace

import numpy as np
import pytest

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.metrics import METRICS, Metrics, metrics
from sm_toolbox.models.assessment.collinearity import alike, correlations
from sm_toolbox.models.assessment.importance import permutation_increase
from sm_toolbox.models.assessment.selection import SELECTION_METHODS, Method, parse_groups, select_predictors
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.assessment.trials import Importance, Step
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.catalogue import LEARNERS, make_estimator
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.reports.selection import in_words, roman, selection_report
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.progress import SILENT

FOREST = RandomForest(25, max_features=None)


def table_of(columns, target, stations=None):
    """A training table of named predictors."""
    rows = np.arange(len(target))
    return TrainingTable(
        Roles("sm", tuple(columns), None if stations is None else "station"),
        np.stack(list(columns.values()), axis=1),
        target,
        rows,
        stations,
    )


def relevant_and_noise(rows=600, seed=0):
    """Rain matters most, sand less, slope least; two columns of noise do not."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.random(rows) for name in ("noise1", "sand", "rain", "noise2", "slope")}
    target = 0.3 * columns["rain"] + 0.15 * columns["sand"] + 0.08 * columns["slope"] + rng.normal(0, 0.005, rows)
    return table_of(columns, target, np.repeat([f"s{i}" for i in range(rows // 20)], 20))


def with_twin():
    """Two columns that say the same, and one that matters by itself."""
    rng = np.random.default_rng(1)
    wet, clay = rng.random(500), rng.random(500)
    columns = {"wet": wet, "twin": -3 * wet + 0.002 * rng.normal(size=500), "clay": clay, "noise": rng.random(500)}
    return table_of(columns, 0.2 * wet + 0.1 * clay + rng.normal(0, 0.004, 500))


def memory_of_stations(stations=15, days=40):
    """The elevation of a station betrays its level, but tells nothing of that of another."""
    rng = np.random.default_rng(3)
    of_row = np.repeat(np.arange(stations), days)
    level, elevation = rng.normal(0, 0.05, stations), rng.permutation(stations) * 100.0
    rain, ndvi = rng.random(len(of_row)), rng.random(len(of_row))
    target = 0.25 + level[of_row] + 0.12 * rain + 0.08 * ndvi + rng.normal(0, 0.005, len(of_row))
    return table_of(
        {"elevation": elevation[of_row], "rain": rain, "ndvi": ndvi}, target, np.array([f"s{i}" for i in of_row])
    )


def select(table, method, split="random", folds=4, estimator=FOREST, groups=None, importance="permutation", **options):
    return select_predictors(table, estimator, make_split(split, folds), Method(method, groups, importance), **options)


@pytest.fixture(scope="module")
def ranked():
    return select(relevant_and_noise(), "ranked", "station")


@pytest.fixture(scope="module")
def forward():
    return select(relevant_and_noise(), "forward", "station")


# In the order of importance
# ---------------------------------------------------------------------------------------------


def test_ranked_adds_the_most_important_first(ranked):
    assert [step.added for step in ranked.steps][:3] == [("rain",), ("sand",), ("slope",)]
    assert [len(step.predictors) for step in ranked.steps] == [1, 2, 3, 4, 5]
    errors = [step.metrics.rmse for step in ranked.steps]
    assert errors[0] > errors[1] > errors[2] and ranked.chosen.predictors == ("rain", "sand", "slope")


def test_a_step_is_a_cross_validation_of_its_predictors(ranked):
    table = ranked.table
    columns = [1, 2]
    predictions = np.full(len(table), np.nan)
    for train, test in make_split("station", 4).divide(table, 0):
        fitted = FOREST.fit(
            table.predictors[train][:, columns].astype(np.float32), table.target[train], None, 0, SILENT
        )
        predictions[test] = fitted.predict(table.predictors[test][:, columns].astype(np.float32))
    assert ranked.steps[1].metrics == metrics(predictions, table.target)
    assert ranked.steps[1].rmse_sd == np.std([fold.rmse for fold in ranked.steps[1].by_fold], ddof=1) > 0


def test_importance_is_that_of_the_model_of_all_predictors_on_rows_left_out(ranked):
    table = ranked.table
    encoder = FeatureEncoder(table.roles.predictors, {})
    train, test = make_split("station", 4).divide(table, 0)[2]
    fitted = FOREST.fit(encoder.encode(table.predictors[train]), table.target[train], None, 0, SILENT)
    expected = permutation_increase(
        fitted, encoder, table.predictors[test], table.target[test], np.random.default_rng(0)
    )
    assert ranked.importance.permutation.shape == (4, 5)
    np.testing.assert_array_equal(ranked.importance.permutation[2], expected)


# Two folds at ± s have a standard deviation of s √2 and a standard error of s.
@pytest.mark.parametrize(("spread", "number"), [(0.0029, 3), (0.0031, 2), (0.04, 1)])
def test_the_smallest_number_within_one_standard_error_is_chosen(monkeypatch, spread, number):
    table = table_of(
        {name: np.random.default_rng(i).random(40) for i, name in enumerate("abcd")},
        np.random.default_rng(9).random(40),
    )

    def step(trials, number, columns, added=(), removed=(), watch=None):
        error = {1: 0.09, 2: 0.062, 3: 0.059, 4: 0.06}[len(columns)]
        folds = [Metrics({"n": 10, "rmse": error + shift}) for shift in (-spread, spread)]
        return Step(
            number,
            tuple(trials.names[i] for i in columns),
            Metrics(dict.fromkeys(METRICS, 0.0) | {"rmse": error}),
            folds,
            added,
            removed,
        )

    importance = Importance(np.tile(np.arange(4, 0, -1.0), (2, 1)), None)
    monkeypatch.setattr("sm_toolbox.models.assessment.trials.Trials.step", step)
    monkeypatch.setattr(
        "sm_toolbox.models.assessment.trials.Trials.all_predictors",
        lambda trials, number: (step(trials, 4, range(4)), importance),
    )
    selection = select(table, "ranked", folds=2)
    assert (selection.chosen.number, selection.best.number) == (number, 3)
    assert ("first within one standard error" in in_words(selection)) == (number != 3)


def test_impurity_importance_orders_where_asked_for():
    selection = select(relevant_and_noise(), "ranked", importance="impurity")
    assert [step.added[0] for step in selection.steps][:3] == ["rain", "sand", "slope"]
    np.testing.assert_allclose(selection.importance.impurity.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", LEARNERS)
def test_impurity_is_known_of_the_kinds_that_say_so_and_of_no_other(kind):
    if kind == "xgboost":
        pytest.importorskip("xgboost")
    table = relevant_and_noise(200)
    fitted = make_estimator(kind, None).fit(table.predictors.astype(np.float32), table.target, None, 0, SILENT)
    assert (getattr(fitted, "impurity_importance", None) is not None) == LEARNERS[kind].impurity


def test_impurity_of_another_kind_is_refused_with_the_kinds_that_have_it():
    with pytest.raises(InputError, match=r"`kind` svr has no impurity importance.*: random_forest"):
        select_predictors(
            relevant_and_noise(100),
            make_estimator("svr", None),
            make_split("random", 2),
            Method("ranked", importance="impurity"),
        )


# Forward
# ----------------------------------------------------------------------------------------------------------------


def test_forward_finds_exactly_what_matters(forward):
    assert sorted(forward.chosen.predictors) == ["rain", "sand", "slope"]
    assert sorted(forward.steps[0].added) == ["rain", "sand"], "the best pair comes first"
    assert forward.chosen.added == ("slope",)
    # One more step was tried and did not help.
    assert len(forward.steps) == 3 and forward.steps[-1].metrics.rmse >= forward.chosen.metrics.rmse
    assert forward.subsets == 10 + 3 + 2 and forward.importance is None


def test_one_set_has_one_error_however_it_was_found(ranked, forward):
    assert ranked.steps[2].metrics == forward.chosen.metrics


def test_with_many_predictors_forward_starts_from_the_best_one(progress):
    rng = np.random.default_rng(0)
    columns = {f"p{i}": rng.random(120) for i in range(21)}
    table = table_of(columns, columns["p13"] + 0.5 * columns["p4"] + 0.01 * rng.random(120))
    selection = select(table, "forward", folds=2, estimator=RandomForest(8, max_features=None), progress=progress)
    assert [step.added for step in selection.steps[:2]] == [("p13",), ("p4",)]
    assert any(
        "starts from the best single predictor, not from the best of all 210 pairs" in text for text in progress.infos
    )


def test_a_predictor_that_remembers_stations_is_thrown_out_with_stations_left_out_and_kept_at_random():
    """What Meyer et al. (2018) show: the split decides what a predictor seems to be worth."""
    table = memory_of_stations()
    by_station, at_random = select(table, "forward", "station"), select(table, "forward", "random")
    assert sorted(by_station.chosen.predictors) == ["ndvi", "rain"] and "elevation" in at_random.chosen.predictors
    assert at_random.chosen.metrics.rmse < 0.5 * by_station.chosen.metrics.rmse
    assert any("only tell the stations apart" in note for note in at_random.notes) and not by_station.notes


def test_a_gain_that_may_be_chance_is_said(forward):
    assert "may help by chance" not in in_words(forward)
    first, second, _ = forward.steps
    factors = zip(second.by_fold, (0.1, 3, 0.1, 5))
    uncertain = replace(
        second, by_fold=[Metrics(values.values | {"rmse": values.rmse * factor}) for values, factor in factors]
    )
    words = in_words(replace(forward, steps=[first, uncertain], chosen=uncertain))
    assert f"Step I ({', '.join(first.predictors)}) is already within one standard error" in words


def test_two_predictors_are_a_pair():
    table = table_of({"a": np.arange(40.0), "b": np.arange(40.0)[::-1] ** 2}, np.arange(40.0))
    selection = select(table, "forward", folds=2)
    assert (
        selection.chosen.predictors == ("a", "b")
        and len(selection.steps) == 1
        and "Every predictor lowered" in in_words(selection)
    )


# Without one, without a group
# --------------------------------------------------------------------------------------------


def test_leaving_one_out_shows_what_is_said_twice(progress):
    selection = select(with_twin(), "leave_one_out", progress=progress)
    whole, without = selection.steps[0], {step.removed[0]: step.metrics.rmse for step in selection.steps[1:5]}
    assert whole.number == 0 and len(whole.predictors) == 4 and whole.removed == ()
    growth = {name: error - whole.metrics.rmse for name, error in without.items()}
    assert growth["clay"] > 0.01 and max(abs(growth["wet"]), abs(growth["twin"])) < 0.05 * growth["clay"]
    # What the two say is kept: by one of them, or by both where neither can be missed beside the other.
    assert (
        "clay" in selection.selected
        and {"wet", "twin"} & set(selection.selected)
        and selection.chosen in selection.steps
    )
    assert any("'wet' and 'twin'" in text for text in progress.warnings), "copies are named"


def test_what_can_be_spared_singly_but_not_together_is_said(progress, blind):
    rng = np.random.default_rng(0)
    wet, clay = rng.random(300), rng.random(300)
    # Coarse enough that a second and third copy only add noise.
    columns = {"a": wet, "b": wet.copy(), "c": wet.copy(), "clay": clay}
    table = table_of(columns, 0.2 * wet + 0.1 * clay + rng.normal(0, 0.02, 300))
    selection = select(table, "groups", groups={"one": ["a"], "two": ["b", "c"]}, progress=progress, estimator=blind)
    together = selection.steps[3]
    assert together.removed == ("one", "two") and together.predictors == ("clay",)
    assert together.metrics.rmse > 2 * selection.steps[0].metrics.rmse and selection.chosen is selection.steps[0]
    assert any("What can be spared singly (one, two) cannot be spared together" in text for text in progress.warnings)


class ForestBlindToCopies:
    """Averages features that are the same, so that a copy changes nothing."""

    def fit(self, features, target, weights, seed, progress):
        _, first = np.unique(features[:50], axis=1, return_index=True)
        fitted = FOREST.fit(features[:, first], target, weights, seed, progress)

        class Fitted:
            def predict(self, features):
                return fitted.predict(features[:, first])

        return Fitted()


@pytest.fixture
def blind(monkeypatch):
    monkeypatch.setitem(
        LEARNERS, "blind", replace(LEARNERS["random_forest"], key="blind", estimator=ForestBlindToCopies)
    )
    return ForestBlindToCopies()


def test_where_each_can_be_spared_all_are_kept(progress, blind):
    wet = np.random.default_rng(0).random(100)
    selection = select(table_of({"a": wet, "b": wet.copy()}, wet), "leave_one_out", progress=progress, estimator=blind)
    assert selection.chosen is selection.steps[0] and selection.chosen.predictors == ("a", "b")
    assert any("so all are kept" in text for text in progress.warnings)


def test_groups_are_left_out_in_turn():
    selection = select(
        relevant_and_noise(),
        "groups",
        groups={"weather": ["rain"], "rubbish": ["noise1", "noise2"], "land": ["sand", "slope"]},
    )
    assert [step.removed for step in selection.steps] == [(), ("weather",), ("rubbish",), ("land",)]
    assert selection.steps[3].predictors == ("noise1", "rain", "noise2")
    assert selection.chosen is selection.steps[2] and selection.chosen.predictors == ("sand", "rain", "slope")


def test_a_predictor_in_no_group_is_kept():
    selection = select(relevant_and_noise(), "groups", groups={"weather": ["rain"], "rubbish": ["noise1"]})
    assert selection.chosen.predictors == ("sand", "rain", "noise2", "slope")


def test_groups_are_read():
    assert parse_groups("terrain: slope , twi;; soil:sand; ", ["slope", "twi", "sand"]) == {
        "terrain": ("slope", "twi"),
        "soil": ("sand",),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "`method` 'groups' needs `groups`"),
        ("slope, twi", "'slope, twi' is not of the form name: predictor, predictor"),
        (": slope", "is not of the form"),
        ("soil: ; terrain: slope", "the group 'soil' has no predictors"),
        ("soil: sand, loam", r"'loam' in group 'soil' is none of the predictors: slope, twi, sand\."),
        ("soil: sand; land: slope, sand", "'sand' is named twice, in group 'soil' and in group 'land'"),
        ("soil: sand; soil: slope", "names the group 'soil' twice"),
        ("all: sand, slope, twi", "the group 'all' holds all predictors"),
    ],
)
def test_bad_groups(text, words):
    with pytest.raises(InputError, match=words):
        parse_groups(text, ["slope", "twi", "sand"])


# Bad input, Cancel, correlations, report
# ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["forward", "leave_one_out"])
def test_one_predictor_is_no_choice(method):
    with pytest.raises(InputError, match=f"`method` '{method}' needs at least two predictors.*only 'a'"):
        select(table_of({"a": np.arange(40.0)}, np.arange(40.0)), method)


def test_one_predictor_can_be_ranked():
    selection = select(table_of({"a": np.arange(40.0)}, np.arange(40.0)), "ranked", folds=2)
    assert (
        selection.chosen.predictors == ("a",)
        and "Correlation of the predictors" not in selection_report(selection).html()
    )


def test_more_predictors_than_rows_warns(progress):
    rng = np.random.default_rng(0)
    columns = {f"p{i}": rng.random(20) for i in range(22)}
    selection = select(
        table_of(columns, columns["p0"]),
        "ranked",
        folds=2,
        estimator=RandomForest(4, min_samples_leaf=2),
        progress=progress,
    )
    assert len(selection.steps) == 22 and any("22 predictors and only 20 rows" in text for text in progress.warnings)


def test_a_fold_whose_rest_is_constant_is_refused():
    table = table_of(
        {"a": np.arange(40.0), "b": np.arange(40.0) ** 2}, np.repeat([0.1, 0.2], 20), np.repeat(["x", "y"], 20)
    )
    with pytest.raises(InputError, match="Without fold . of `split` 'station' the target is the same"):
        select(table, "forward", "station", folds=2)


@pytest.mark.parametrize("method", SELECTION_METHODS)
@pytest.mark.parametrize("checks", [0, 1, 3, 9])
def test_cancel_is_heard_within_a_fit(cancelling, method, checks):
    progress = cancelling(checks)
    options = {"groups": {"g": ["rain"]}} if method == "groups" else {}
    with pytest.raises(Cancelled):
        select(relevant_and_noise(200), method, estimator=RandomForest(400), progress=progress, **options)
    assert max(progress.fractions, default=0) < 0.5


def test_progress_grows_to_the_end(progress):
    select(relevant_and_noise(200), "ranked", folds=2, estimator=RandomForest(16), progress=progress)
    assert (
        progress.fractions == sorted(progress.fractions)
        and progress.fractions[-1] == 1
        and len(progress.fractions) > 10
    )


def test_weights_count():
    table = relevant_and_noise(200)
    weights = np.where(table.target > np.median(table.target), 1.0, 0.0)
    heavy = TrainingTable(
        table.roles, table.predictors, table.target, table.source_rows, table.stations, weights=weights
    )
    options = {"folds": 2, "estimator": RandomForest(8)}
    assert (
        select(heavy, "ranked", **options).chosen.metrics.bias
        > 0.01
        > abs(select(table, "ranked", **options).chosen.metrics.bias)
    )


def test_cyclic_predictors_are_chosen_whole_and_correlate_as_sine_and_cosine():
    rng = np.random.default_rng(0)
    aspect, rain = rng.random(400) * 360, rng.random(400)
    north = np.cos(np.radians(aspect))
    table = table_of(
        {"aspect": aspect, "rain": rain, "north": 2 * north + 5, "wet": -rain},
        0.1 * np.sin(np.radians(aspect)) + 0.1 * rain,
    )
    selection = select(table, "forward", periods={"aspect": 360.0})
    assert "aspect" in selection.chosen.predictors
    names, correlation = correlations(selection)
    assert names == ["sin(aspect)", "cos(aspect)", "rain", "north", "wet"]
    np.testing.assert_allclose(correlation[1, 3], np.corrcoef(np.cos(np.radians(aspect)), north)[0, 1], atol=1e-6)
    assert {frozenset(pair[:2]) for pair in alike(selection)} == {
        frozenset(("cos(aspect)", "north")),
        frozenset(("rain", "wet")),
    }
    assert sorted(round(r, 3) for *_, r in alike(selection)) == [-1, 1]


def test_roman_numerals():
    assert [roman(i) for i in (1, 4, 6, 9, 13, 14, 40, 49, 90, 2024)] == [
        "I",
        "IV",
        "VI",
        "IX",
        "XIII",
        "XIV",
        "XL",
        "XLIX",
        "XC",
        "MMXXIV",
    ]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("ranked", ("III", "chosen", "one standard error", "Breiman et al. 1984", "slope", "Importance", "RF_XIII")),
        (
            "forward",
            ("best of all pairs", "10.1016/j.envsoft.2017.12.001", "No other predictor lowers the RMSE further"),
        ),
        (
            "leave_one_out",
            ("Δ RMSE", "nothing: all predictors", "Left of zero the model is better off without", "Importance"),
        ),
        ("groups", ("Δ RMSE", "weather", "With all predictors the RMSE is", "Importance")),
    ],
)
def test_the_report_holds_what_matters(method, words, tmp_path):
    table = with_twin() if method == "leave_one_out" else relevant_and_noise(200)
    groups = {"weather": ["rain"], "rubbish": ["noise1", "noise2"]} if method == "groups" else None
    selection = select(table, method, "random", folds=3, estimator=RandomForest(10, max_features=None), groups=groups)
    page = selection_report(selection)
    page.write(str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for word in (
        *words,
        "took no part in choice or training",
        "somewhat too small",
        "Correlation of the predictors",
        "only tell the stations apart",
        "models fitted",
    ):
        assert word in text, word
    assert ("Strongly collinear pairs" in text) == (method == "leave_one_out")
    assert in_words(selection).split(" (")[0] in text
    assert text.count("data:image/png;base64,") == (2 if method == "forward" else 3)


def test_the_report_names_impurity_where_the_kind_has_it(ranked):
    assert "impurity importance" in selection_report(ranked).html()
    bare = replace(ranked, importance=replace(ranked.importance, impurity=None))
    assert (
        "impurity importance" not in selection_report(bare).html() and "SD over folds" in selection_report(bare).html()
    )
