"""Whole comparisons: against the truth of the table, against plain fits, and the same however they are made."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sm_toolbox.errors import Cancelled, InputError, OutputError
from sm_toolbox.experiments import comparison
from sm_toolbox.experiments.report import scenario_report
from sm_toolbox.experiments.trials import Trial
from sm_toolbox.experiments.verdict import corrected_comparison, optimism, verdict
from sm_toolbox.metrics import metrics
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.progress import SILENT
from sm_toolbox.raster.request import Engine
from tests.core.experiments.conftest import compare, prepared_of, settings_of, table_of

ROOT = Path(__file__).parents[3]


def numbers(result):
    """Return all metrics of a comparison, by trial."""
    return {
        trial: (outcome.train, outcome.test, *(tuple(values.values()) for values in outcome.by_tuning.values()))
        for trial, outcome in result.outcomes.items()
    }


@pytest.fixture(scope="module")
def whole():
    """A comparison of two kinds of models."""
    settings = {
        "models": ("random_forest", "xgboost"),
        "repeats": 4,
        "hyperparameters": '{"random_forest": {"n_estimators": 12}, "xgboost": {"n_estimators": 20}}',
    }
    return compare(prepared_of(table_of()), Engine(threads=2), settings)


def test_random_rows_are_optimistic_where_stations_have_levels_of_their_own(whole):
    """Of 128 random rows and the 128 rows of 8 stations the latter know nothing of the levels of the others."""
    found = optimism(whole)
    assert found.rows == (128, 128) and found.is_fair and found.ratio > 1.8
    lines = verdict(whole)
    assert "Random rows are optimistic" in lines[0]
    assert any("is met in the scenario dependent" in line for line in lines)


def test_the_oracle_is_never_worse(whole):
    for outcome in whole.outcomes.values():
        assert outcome.by_tuning["oracle"]["rmse"] <= outcome.by_tuning["nested"]["rmse"]
    assert any(o.by_tuning["oracle"]["rmse"] < o.by_tuning["nested"]["rmse"] for o in whole.outcomes.values())


def test_one_candidate_is_a_plain_fit(prepared):
    result = compare(prepared, settings={"candidates": 1, "hyperparameters": '{"random_forest": {"n_estimators": 9}}'})
    bench, _, _ = comparison.plan_bench(prepared, result.settings, None)
    for trial, outcome in result.outcomes.items():
        draw, table = bench.draw(trial), prepared.table
        model = make_estimator("random_forest", '{"n_estimators": 9}')
        features = table.predictors.astype(np.float32)
        fitted = model.fit(features[draw.train], table.target[draw.train], None, trial.repeat, SILENT)
        wanted = metrics(fitted.predict(features[draw.test]), table.target[draw.test])
        assert outcome.by_tuning["nested"]["rmse"] == outcome.by_tuning["oracle"]["rmse"] == wanted.rmse
        assert outcome.by_tuning["nested"]["r"] == wanted.r


VECTORS = {"models": ("svr",), "candidates": 1, "repeats": 1, "hyperparameters": ""}


def test_predictors_between_limits_are_a_plain_fit_of_scaled_ones():
    """scikit-learn on rain between 0 and 2 and elevation between 0 and 4000, against scenarios with these limits."""
    from sklearn.svm import SVR

    prepared = prepared_of(table_of(), "rain:0:2,elevation:0:4000")
    result = compare(prepared, settings=VECTORS)
    bench, _, _ = comparison.plan_bench(prepared, result.settings, None)
    table = prepared.table
    scaled = (table.predictors / [2, 4000]).astype(np.float32)
    for trial, outcome in result.outcomes.items():
        draw = bench.draw(trial)
        own, target = scaled[draw.train].astype(np.float64), table.target[draw.train]
        middle, spread = target.mean(), target.std()
        peer = SVR(C=3, epsilon=0.1, gamma=1 / (own.shape[1] * own.var())).fit(own, (target - middle) / spread)
        wanted = metrics(middle + spread * peer.predict(scaled[draw.test].astype(np.float64)), table.target[draw.test])
        assert outcome.by_tuning["nested"]["rmse"] == pytest.approx(wanted.rmse, abs=1e-5)
    standard = compare(prepared_of(table_of()), settings=VECTORS)
    assert all(
        abs(standard.outcomes[trial].by_tuning["nested"]["rmse"] - outcome.by_tuning["nested"]["rmse"]) > 1e-4
        for trial, outcome in result.outcomes.items()
    )
    assert "between limits: rain 0 to 2, elevation 0 to 4000." in scenario_report(result, "stations").html()


def test_limits_are_those_of_the_training_table_and_make_another_run(tmp_path):
    """Those that are not named are its smallest and largest value, whatever the table of tests holds."""
    path, columns = str(tmp_path / "state.jsonl"), table_of()
    prepared = prepared_of(columns, "rain:0:1")
    tests = prepared_of({**table_of(stations=4, seed=9, first=60), "elevation": [9000.0, 0.0] * 32}).table
    bench, _, _ = comparison.plan_bench(prepared, settings_of(scenarios=("regional",)), tests)
    assert bench.encoder.limits == {
        "rain": (0.0, 1.0),
        "elevation": (min(columns["elevation"]), max(columns["elevation"])),
    }
    compare(prepared, settings=VECTORS, state=path)
    with pytest.raises(InputError, match="of another run .limits: rain:0.0:1.0, elevation:.* there,  now"):
        compare(prepared_of(columns), settings=VECTORS, state=path)


def test_baselines_are_in_every_panel(whole):
    for key, found in whole.baselines.items():
        assert set(found.labels) == {"mean", "climatology", "line"} and len(found.by_repeat) == 4
        draw = comparison.plan_bench(prepared_of(table_of()), whole.settings, None)[0].draw(Trial(*key, 0, "xgboost"))
        target = whole.table.target
        error = np.sqrt(np.mean((target[draw.test] - target[draw.train].mean()) ** 2))
        assert found.by_repeat[0]["mean"]["rmse"] == pytest.approx(error)
    html = scenario_report(whole, "stations").html()
    assert html.count("<img") == 2 and "the mean of the training rows" in html and "Nadeau" in html


def test_threads_make_no_difference(prepared):
    found = [numbers(compare(prepared, Engine(threads=threads))) for threads in (1, 3)]
    assert found[0] == found[1] and len(found[0]) == 8


def test_the_number_of_fits_and_the_time_are_said_before(prepared, progress, monkeypatch):
    said = []
    monkeypatch.setattr(comparison, "make_trials", lambda *a: said.extend(progress.infos) or iter(()))
    with pytest.raises(InputError, match="`max_minutes`"):
        compare(prepared, Engine(threads=2, progress=progress), max_minutes=1)
    # 3 draws of 4 values, equal ones once; each in 3 folds and once on all rows, in 2 scenarios with 2 sizes.
    bench, _, _ = comparison.plan_bench(prepared, settings_of(), None)
    fits = sum(16 * len({repr(item) for item in bench.candidates_of("random_forest", i)}) for i in (0, 1))
    assert 32 < fits <= 96
    assert any(f"8 trials of {fits} fits" in line and "about" in line and "2 threads" in line for line in said)


def test_a_state_goes_on_where_it_was_cancelled(prepared, cancelling, tmp_path):
    path = str(tmp_path / "state.jsonl")
    whole = numbers(compare(prepared))
    for checks in range(5, 100):
        with pytest.raises(Cancelled):
            compare(prepared, Engine(threads=1, progress=cancelling(checks)), state=path)
        kept = len(Path(path).read_text().splitlines()) - 1
        if kept > 1:
            break
    assert 1 < kept < 8
    assert numbers(compare(prepared, state=path)) == whole
    assert len(Path(path).read_text().splitlines()) == 1 + 8
    # All is there: nothing is fitted any more.
    made, before = numbers(compare(prepared, state=path)), os.path.getmtime(path)
    assert made == whole and os.path.getmtime(path) == before
    # More repeats keep those that are there.
    more = compare(prepared, settings={"repeats": 3}, state=path)
    assert len(more.outcomes) == 12 and whole.items() <= numbers(more).items()


def test_a_killed_run_leaves_whole_lines(tmp_path):
    """kill -9 in the middle, and the beginning of a line after it: the next run comes to the same."""
    path = tmp_path / "state.jsonl"
    code = (
        "from tests.core.experiments.conftest import *\n"
        f"compare(prepared_of(table_of()), settings={{'repeats': 40}}, state={str(path)!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    end = time.monotonic() + 60
    while time.monotonic() < end and (not path.exists() or len(path.read_bytes().splitlines()) < 4):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lines = path.read_bytes().splitlines()
    assert 4 <= len(lines) < 161
    with open(path, "ab") as file:
        file.write(lines[1][: len(lines[1]) // 2])
    prepared = prepared_of(table_of())
    assert numbers(compare(prepared, state=str(path))) == numbers(compare(prepared))
    for line in path.read_text().splitlines():
        try:
            json.loads(line)
        except ValueError:
            assert line.encode() == lines[1][: len(lines[1]) // 2]


def test_a_state_of_another_run_is_refused_and_not_touched(prepared, tmp_path):
    path = tmp_path / "state.jsonl"
    compare(prepared, settings={"scenarios": ("dependent",), "sizes_dependent": "10", "repeats": 1}, state=str(path))
    before = path.read_bytes()
    other = replace(prepared, table=replace(prepared.table, target=prepared.table.target + 0.01))
    for given, settings, words in (
        (other, {}, "of another run .table: 320 rows"),
        (prepared, {"seed": 1}, "of another run .seed: 0 there, 1 now"),
        (prepared, {"candidates": 4}, "of another run .candidates: 3 there, 4 now"),
    ):
        with pytest.raises(InputError, match=words):
            compare(given, settings=settings, state=str(path))
    foreign = tmp_path / "notes.txt"
    foreign.write_text("my notes\n")
    with pytest.raises(InputError, match="`state` '.*notes.txt' is no file of finished trials"):
        compare(prepared, state=str(foreign))
    with pytest.raises(OutputError, match="is a folder"):
        compare(prepared, state=str(tmp_path))
    assert path.read_bytes() == before and foreign.read_text() == "my notes\n"


def test_the_time_ends_a_run_with_what_is_done(prepared, progress, monkeypatch):
    """The clock goes a minute with each look at it."""
    clock = iter(range(0, 10_000_000, 60))
    monkeypatch.setattr("sm_toolbox.experiments.workers.time.monotonic", lambda: next(clock))
    result = compare(prepared, Engine(threads=1, progress=progress), {"repeats": 3}, max_minutes=4)
    assert 0 < len(result.outcomes) < result.planned == 12
    assert any("trials are finished" in line and "`state`" in line for line in progress.warnings)
    assert "later repeats are missing" in scenario_report(result, "stations").html()
    with pytest.raises(InputError, match="`max_minutes` is -1"):
        compare(prepared, max_minutes=-1)


def test_a_kind_that_never_converges_has_no_numbers(prepared):
    """A network that runs away with every candidate is shown as such, and does not end the comparison."""
    settings = {
        "models": ("random_forest", "mlp"),
        "candidates": 1,
        "hyperparameters": '{"mlp": {"learning_rate_init": 1e30, "max_iter": 3}}',
        "repeats": 1,
    }
    result = compare(prepared, settings=settings)
    failed = [trial for trial in result.outcomes if np.isnan(result.outcomes[trial].by_tuning["nested"]["rmse"])]
    assert {trial.model for trial in failed} == {"mlp"}
    assert "–" in scenario_report(result, "stations").html()


def test_groups_and_other_tables_are_compared_too(prepared):
    other = prepared_of(table_of(stations=4, seed=9, first=60)).table
    result = compare(
        prepared, settings={"scenarios": ("temporal", "group", "regional"), "candidates": 1, "hyperparameters": ""},
        test=other,
    )  # fmt: skip
    assert {(t.scenario, t.size) for t in result.outcomes} == {
        ("temporal", 1.0), ("temporal", 3.0), ("group", 3.0), ("regional", 320.0),
    }  # fmt: skip
    assert optimism(result) is None and len(verdict(result)) >= 3
    # Other years of known stations are easier than unknown networks.
    by = {key: result.median(key, size, "random_forest", "nested") for key, size in (("temporal", 3.0), ("group", 3.0))}
    assert by["temporal"] < by["group"]


def test_corrected_variance_in_closed_form_and_by_simulation():
    """s² (1/J + n2/n1), Student's t with J − 1; a plain t test over repeats finds differences where there are none."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (2, 10))
    found = corrected_comparison(a, b, 90, 10)
    error = np.sqrt(np.var(a - b, ddof=1) * (1 / 10 + 1 / 9))
    assert found.difference == pytest.approx(np.mean(a - b))
    assert found.high - found.difference == pytest.approx(2.262157 * error, rel=1e-5)
    # Two learners of the same quality: noise added to features of no use. Draws of half of 40 rows share rows.
    plain = corrected = 0
    runs = 300
    for _ in range(runs):
        truth = rng.normal(0, 1, 40)
        first, second = (truth + rng.normal(0, 1, 40) for _ in range(2))
        errors = np.empty((2, 15))
        for repeat in range(15):
            test = rng.permutation(40)[:20]
            errors[:, repeat] = [np.mean((guess[test] - truth[test]) ** 2) for guess in (first, second)]
        corrected += corrected_comparison(*errors, 20, 20).p_value < 0.05
        plain += corrected_comparison(*errors, 1e12, 1).p_value < 0.05
    assert plain > 0.4 * runs and corrected < 0.12 * runs


def test_repeats_that_lack_a_number_do_not_count():
    found = corrected_comparison(np.array([0.1, np.nan, 0.3]), np.array([0.0, 0.0, np.nan]), 10, 10)
    assert found.difference == pytest.approx(0.1) and np.isnan(found.p_value)


def test_a_trial_can_be_sent_and_makes_the_same(prepared):
    cloudpickle = pytest.importorskip("cloudpickle", reason="dask.distributed is a development dependency")
    settings = settings_of()
    bench, sizes, _ = comparison.plan_bench(prepared, settings, None)
    trial = comparison.plan_trials(bench, settings, sizes)[-1]
    assert cloudpickle.loads(cloudpickle.dumps(bench)).make(trial, SILENT) == bench.make(trial, SILENT)


def test_a_cluster_makes_the_same(prepared, progress):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is a development dependency")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        there = compare(prepared, Engine(scheduler=cluster.scheduler_address, progress=progress))
    assert numbers(there) == numbers(compare(prepared)) and any("the cluster at" in line for line in progress.infos)
