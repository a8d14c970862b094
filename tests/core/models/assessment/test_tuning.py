"""The search for hyper-parameters: what is tried, what wins, how it is nested and how it is stopped."""

import numpy as np
import pytest

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.assessment.tuning import Tuner, inner_split, make_candidates
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.reports.training import training_report
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.models.training import train
from sm_toolbox.progress import SILENT


@pytest.fixture(scope="module")
def table():
    """A target of fine structure, which trees of few rows a leaf follow and others do not."""
    rng = np.random.default_rng(0)
    x = rng.random((400, 2))
    y = np.sin(12 * x[:, 0]) + 0.05 * rng.standard_normal(400)
    return TrainingTable(
        Roles("sm", ("a", "b")), x, y, np.arange(400), stations=np.repeat([f"s{i}" for i in range(20)], 20)
    )


LEAVES = '{"n_estimators": 10, "min_samples_leaf": [100, 2, 40]}'


def test_the_best_candidate_wins(table):
    candidates = make_candidates("random_forest", LEAVES, "grid", 10, 0)
    assert [(c.n_estimators, c.min_samples_leaf) for c in candidates] == [(10, 100), (10, 2), (10, 40)]
    tuner = Tuner(candidates, make_split("random", 3))
    found = tuner.search(table, FeatureEncoder(table.roles.predictors, {}), 0, SILENT)
    assert found.best.min_samples_leaf == 2 and len(found.tried) == 3 == found.asked
    assert found.tried[1].rmse < 0.5 * found.tried[0].rmse


def test_each_fold_searches_without_its_own_rows(table, monkeypatch):
    seen = []
    search = Tuner.search
    monkeypatch.setattr(Tuner, "search", lambda self, rows, *rest: seen.append(rows) or search(self, rows, *rest))
    tuner = Tuner(make_candidates("random_forest", LEAVES, "grid", 10, 0), inner_split(make_split("station", 4), 2))
    training = train(table, RandomForest(), make_split("station", 4), tuner=tuner)
    assert len(seen) == 1 + 4 and len(seen[0]) == 400
    for rows, number in zip(seen[1:], range(1, 5)):
        left_out = set(table.stations[training.chosen.fold == number])
        assert not left_out & set(rows.stations) and len(rows) == np.count_nonzero(training.chosen.fold != number)
    assert training.model.manifest.hyperparameters["min_samples_leaf"] == 2
    assert training.model.manifest.search.nested and training.model.manifest.search.tried == 3
    assert "3 of 3 candidates were tried" in training_report(training).html()


def test_whole_stations_beside_random_rows_are_searched_without_their_rows_too(table, monkeypatch):
    seen = []
    search = Tuner.search
    monkeypatch.setattr(Tuner, "search", lambda self, rows, *rest: seen.append(rows) or search(self, rows, *rest))
    tuner = Tuner(make_candidates("random_forest", LEAVES, "grid", 10, 0), inner_split(make_split("random", 4), 2))
    training = train(table, RandomForest(), make_split("random", 4), tuner=tuner)
    assert [split.name for split in training.splits] == ["random", "station"] and len(seen) == 1 + 4 + 4
    for rows, number in zip(seen[5:], range(1, 5)):
        left_out = set(table.stations[training.splits[1].fold == number])
        assert left_out and not left_out & set(rows.stations)


def test_random_draws_are_seeded_and_within_the_space():
    first, again = (make_candidates("random_forest", None, "random", 30, 5) for _ in range(2))
    assert first == again and first != make_candidates("random_forest", None, "random", 30, 6)
    assert all(
        10 <= c.n_estimators <= 100 and c.max_depth in (None, 10, 20, 30) and c.min_samples_leaf in (1, 2, 4, 8)
        for c in first
    )
    fixed = make_candidates("random_forest", '{"n_estimators": 7}', "random", 10, 0)
    assert {c.n_estimators for c in fixed} == {7} and len({c.max_depth for c in fixed}) > 1


def test_layers_of_a_network_are_one_value():
    (only,) = make_candidates("mlp", '{"hidden_layer_sizes": [20, 10], "alpha": [0.001]}', "grid", 10, 0)
    assert tuple(only.hidden_layer_sizes) == (20, 10)
    two = make_candidates("mlp", '{"hidden_layer_sizes": [[20], [10, 5]]}', "grid", 10, 0)
    assert [tuple(c.hidden_layer_sizes) for c in two] == [(20,), (10, 5)]


def test_mistakes_are_named():
    with pytest.raises(InputError, match="more than `count`"):
        make_candidates("random_forest", None, "grid", 10, 0)
    with pytest.raises(InputError, match="the list of min_samples_leaf is empty"):
        make_candidates("random_forest", '{"min_samples_leaf": []}', "grid", 10, 0)
    with pytest.raises(InputError, match="min_samples_leaf is 0"):
        make_candidates("random_forest", '{"min_samples_leaf": [1, 0]}', "grid", 10, 0)
    with pytest.raises(InputError, match="Valid are"):
        make_candidates("random_forest", '{"leaves": [1, 2]}', "grid", 10, 0)


def test_cancel_ends_the_search_or_only_the_search(table, cancelling):
    class AfterTheFirst(cancelling):
        """Cancels once a candidate has been judged."""

        def is_cancelled(self):
            return any(text.startswith("Candidate 1") for text in self.infos)

    candidates = make_candidates("random_forest", LEAVES, "grid", 10, 0)
    arguments = (table, RandomForest(), make_split("random", 2))
    with pytest.raises(Cancelled):
        train(*arguments, tuner=Tuner(candidates, make_split("random", 2)), progress=AfterTheFirst())
    progress = AfterTheFirst()
    training = train(*arguments, tuner=Tuner(candidates, make_split("random", 2), keep_best=True), progress=progress)
    assert 0 < len(training.search.tried) < 3 and not training.nested
    assert any("the best of them is kept" in text for text in progress.warnings)
    assert "The search was stopped" in training_report(training).html()


def test_a_cancel_in_the_search_of_a_fold_keeps_what_was_found_on_all_rows(table, monkeypatch):
    """The search on all rows is done; the user stops that of the second fold."""
    search, calls = Tuner.search, []

    def stopped_later(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled
        return search(self, *arguments)

    candidates = make_candidates("random_forest", LEAVES, "grid", 10, 0)
    arguments = (table, RandomForest(), make_split("random", 3))
    for keep_best in (True, False):
        calls.clear()
        monkeypatch.setattr(Tuner, "search", stopped_later)
        tuner = Tuner(candidates, make_split("random", 2), keep_best)
        if keep_best:
            training = train(*arguments, tuner=tuner)
            assert (
                not training.nested
                and training.model.manifest.hyperparameters["min_samples_leaf"] == 2
                and len(calls) == 3
            )
        else:
            with pytest.raises(Cancelled):
                train(*arguments, tuner=tuner)
