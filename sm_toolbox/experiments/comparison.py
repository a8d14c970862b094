"""All trials of a comparison: planned, timed, made side by side, and kept as they end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.experiments.scenarios import INNER_FOLDS, SCENARIOS, Ground
from sm_toolbox.experiments.settings import ScenarioSettings
from sm_toolbox.experiments.state import State
from sm_toolbox.experiments.trials import METRICS_OF_TRIALS, Bench, Outcome, Trial
from sm_toolbox.experiments.workers import make_trials, workers_of
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.manifest import versions
from sm_toolbox.models.preparation import Prepared
from sm_toolbox.models.table import TrainingTable, make_training_table
from sm_toolbox.progress import Progress
from sm_toolbox.raster.request import ALL_CORES, Engine

_LIBRARIES = ("numpy", "scikit-learn")


@dataclass(frozen=True)
class Baselines:
    """What costs nothing in one scenario and size.

    Parameters
    ----------
    labels : mapping of str to str
        By key of `BASELINES`.
    by_repeat : sequence of mapping of str to mapping of str to float
        Metrics by key, for each repeat.
    """

    labels: Mapping[str, str]
    by_repeat: Sequence[Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class ScenarioComparison:
    """What a comparison of scenarios came to.

    Parameters
    ----------
    settings : ScenarioSettings
    table : TrainingTable
        Rows of the training table and, after them, of the table of tests.
    sizes : mapping of str to list of float
        Of each scenario, those that leave enough for the test.
    left_out : list of str
        What is to be said of the others.
    outcomes : mapping of Trial to Outcome
        In the order in which they were planned.
    baselines : mapping of (str, float) to Baselines
        By scenario and size.
    planned : int
        How many trials there were to make.
    unit : str
        Of the target; "" where it is not known.
    """

    settings: ScenarioSettings
    table: TrainingTable = field(repr=False)
    sizes: Mapping[str, list[float]]
    left_out: list[str]
    outcomes: Mapping[Trial, Outcome] = field(repr=False)
    baselines: Mapping[tuple[str, float], Baselines] = field(repr=False)
    planned: int
    unit: str

    def values(self, scenario: str, size: float, model: str, tuning: str, metric: str = "rmse") -> np.ndarray:
        """Return a metric over the repeats that were finished (repeats,).

        Parameters
        ----------
        scenario : str
        size : float
        model : str
            A kind of model, or a key of `BASELINES`.
        tuning : str
            Of `TUNINGS`; baselines have none.
        metric : str, optional

        Returns
        -------
        ndarray of float64 (repeats,)
            NaN for repeats that are not there.
        """
        if model in self.settings.models:
            found = {
                trial.repeat: outcome.by_tuning[tuning][metric]
                for trial, outcome in self.outcomes.items()
                if (trial.scenario, trial.size, trial.model) == (scenario, size, model)
            }
        else:
            found = {
                repeat: values[model][metric]
                for repeat, values in enumerate(self.baselines[scenario, size].by_repeat)
                if model in values
            }
        return np.array([found.get(repeat, np.nan) for repeat in range(self.settings.repeats)])

    def median(self, scenario: str, size: float, model: str, tuning: str, metric: str = "rmse") -> float:
        """Return the median over the repeats; NaN where none is finished.

        Parameters
        ----------
        scenario, size, model, tuning, metric
            As `values`.

        Returns
        -------
        float
        """
        values = self.values(scenario, size, model, tuning, metric)
        return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")

    def records(self) -> Iterator[tuple[Any, ...]]:
        """Yield a row for each repeat, model and tuning, then those of what costs nothing.

        Yields
        ------
        tuple
            Scenario, size, repeat from 1, model, tuning (none for what costs nothing), the metrics of
            `METRICS_OF_TRIALS`, and the numbers of training and tested rows.
        """
        rows: dict[tuple[str, float, int], tuple[int, int]] = {}
        for trial, outcome in self.outcomes.items():
            key = trial.scenario, trial.size, trial.repeat
            rows[key] = outcome.train, outcome.test
            for tuning, values in outcome.by_tuning.items():
                metrics = (values[name] for name in METRICS_OF_TRIALS)
                yield (trial.scenario, trial.size, trial.repeat + 1, trial.model, tuning, *metrics, *rows[key])
        for (scenario, size, repeat), counts in rows.items():
            for name, values in self.baselines[scenario, size].by_repeat[repeat].items():
                yield (
                    *(scenario, size, repeat + 1, name, "none"),
                    *(values[metric] for metric in METRICS_OF_TRIALS),
                    *counts,
                )

    def rows(self, scenario: str, size: float) -> tuple[int, int]:
        """Return the usual number of training and tested rows; 0 where no trial is finished.

        Parameters
        ----------
        scenario : str
        size : float

        Returns
        -------
        int, int
        """
        found = [
            (outcome.train, outcome.test)
            for trial, outcome in self.outcomes.items()
            if (trial.scenario, trial.size) == (scenario, size)
        ]
        return (int(np.median([n for n, _ in found])), int(np.median([n for _, n in found]))) if found else (0, 0)


def compare_scenarios(
    prepared: Prepared,
    settings: ScenarioSettings,
    *,
    test: TrainingTable | None = None,
    state: str | None = None,
    max_minutes: float | None = None,
    engine: Engine = ALL_CORES,
) -> ScenarioComparison:
    """Compare what ways of testing tell of models that are trained with few rows.

    Parameters
    ----------
    prepared : Prepared
        The training table; its split does not matter here.
    settings : ScenarioSettings
    test : TrainingTable, optional
        With the same predictors; for the scenario regional.
    state : str, optional
        File in which finished trials are kept, and from which an earlier run of the same table and settings goes on.
    max_minutes : float, optional
        After which no more is begun, and what has been finished is told.
    engine : Engine, optional
        Trials run side by side, each in one thread; the same numbers come out of any number of threads.

    Returns
    -------
    ScenarioComparison

    Raises
    ------
    InputError
        Where a setting is impossible, the rows do not allow of a scenario, the state is of another run, or the time
        ended before a trial did.
    OutputError
        Where the state cannot be written.
    Cancelled
        Soon after the user's Cancel; finished trials are in the state.

    Examples
    --------
    >>> from sm_toolbox.models.preparation import SampledTable, prepare_training
    >>> from sm_toolbox.models.table import Roles
    >>> rain = np.tile(np.linspace(0, 1, 10), 10)
    >>> columns = {"station": np.repeat(list("abcdefghij"), 10).tolist(), "rain": rain, "sm": 0.1 + 0.2 * rain}
    >>> prepared = prepare_training(SampledTable(columns), Roles("sm", ("rain",), "station"))
    >>> settings = ScenarioSettings(
    ...     ("dependent", "spatial"), ("svr",), "20,40", sizes_spatial="2,4", repeats=2, candidates=1
    ... )
    >>> result = compare_scenarios(prepared, settings)
    >>> len(result.outcomes), result.rows("spatial", 4.0), bool(result.median("spatial", 4.0, "svr", "nested") < 0.05)
    (8, (40, 60), True)
    """
    progress = engine.progress
    settings.check()
    if max_minutes is not None and not max_minutes > 0:
        raise InputError(f"`max_minutes` is {max_minutes:g}, but must be above 0. Leave it empty for no limit.")
    bench, sizes, left_out = plan_bench(prepared, settings, test)
    for line in left_out:
        progress.warning(f"Left out: {line}.")
    trials = plan_trials(bench, settings, sizes)
    kept = State(state, _identity(bench, settings))
    todo = [trial for trial in trials if trial not in kept.done]
    if len(todo) < len(trials):
        progress.info(f"{len(trials) - len(todo):,} of {len(trials):,} trials are in `state` already.")
    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    if todo:
        _tell_expected(bench, todo, engine)
    before = len(trials) - len(todo)
    for done, (trial, outcome) in enumerate(make_trials(bench, todo, engine, deadline), start=1):
        kept.keep(trial, outcome)
        progress.set_fraction(0.95 * (before + done) / len(trials))
    outcomes = {trial: kept.done[trial] for trial in trials if trial in kept.done}
    if not outcomes:
        raise InputError(
            f"`max_minutes` {max_minutes:g} ended before the first of {len(trials):,} trials did. Allow more minutes, "
            "or take fewer `candidates`."
        )
    if len(outcomes) < len(trials):
        more = " The same `state` goes on from there." if state else " With `state` another run could go on from there."
        progress.warning(
            f"`max_minutes` {max_minutes:g}: {len(outcomes):,} of {len(trials):,} trials are finished and are what is "
            f"told here.{more}"
        )
    baselines = _baselines(bench, sizes, outcomes, progress)
    table = bench.ground.table
    return ScenarioComparison(settings, table, sizes, left_out, outcomes, baselines, len(trials), prepared.table.unit)


def plan_bench(
    prepared: Prepared, settings: ScenarioSettings, test: TrainingTable | None
) -> tuple[Bench, dict[str, list[float]], list[str]]:
    """Bring the rows together, and find the sizes that they allow of.

    Parameters
    ----------
    prepared : Prepared
    settings : ScenarioSettings
    test : TrainingTable or None

    Returns
    -------
    bench : Bench
    sizes : dict of str to list of float
        By scenario.
    left_out : list of str
        What is to be said of other sizes.

    Raises
    ------
    InputError
        Where the rows do not allow of a scenario.
    """
    # Weights would have to be those of each scenario.
    own = replace(prepared.table, weights=None)
    table = own if test is None else _with_tests(own, test)
    encoder = FeatureEncoder(own.roles.predictors, prepared.periods, own.classes, own.limits)
    ground = Ground(table, len(own), settings.seed, settings.train_year)
    asked = settings.sizes()
    sizes, left_out = {}, []
    for key in (key for key in SCENARIOS if key in settings.scenarios):
        found, told = SCENARIOS[key].sizes(ground, asked.get(key, ()))
        sizes[key] = [float(size) for size in found]
        left_out += [f"{key}: {told}"] if told else []
        if key == "temporal":
            ground = replace(ground, largest_temporal=int(max(found)))
    return Bench(ground, encoder, settings.by_model(), settings.candidates), sizes, left_out


def _with_tests(own: TrainingTable, test: TrainingTable) -> TrainingTable:
    """Return the rows of both tables; what only the training table knows of its rows is `(test)` in the other."""
    count = len(test)
    unknown = {
        name: np.full(count, "(test)")
        for name in ("stations", "groups", "places")
        if getattr(own, name) is not None and getattr(test, name) is None
    }
    filled = replace(test, weights=None, **unknown)  # type: ignore[arg-type]
    return replace(own.joined(filled, 1.0), weights=None, sources=None)


def make_test_table(columns: Mapping[str, Sequence[Any]], prepared: Prepared, layer: str) -> TrainingTable:
    """Read the table whose rows are only tested, with the fields of the training table.

    Parameters
    ----------
    columns : mapping of str to sequence
        Attribute values by field.
    prepared : Prepared
        The training table.
    layer : str
        The layer's name, for messages.

    Returns
    -------
    TrainingTable
        Without a station, or a group, where it has no such field.

    Raises
    ------
    InputError
        Where it lacks the target, a predictor or the time, or no row has them.
    """
    roles = prepared.table.roles
    needed = [roles.target, *roles.predictors, *([roles.time] if roles.time else [])]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(
            f"`test` '{layer}' lacks the fields {', '.join(missing)} of the training table; its fields are: "
            f"{', '.join(columns)}. Sample the predictors at its stations, too, under the same names."
        )
    station, group = (name if name in columns else None for name in (roles.station, roles.group))
    own = replace(roles, weight=None, station=station, group=group)
    return make_training_table(columns, own, layer, must_vary=False)


def plan_trials(bench: Bench, settings: ScenarioSettings, sizes: Mapping[str, Sequence[float]]) -> list[Trial]:
    """List the trials, repeat by repeat: a run that ends early has all scenarios, with fewer repeats.

    Parameters
    ----------
    bench : Bench
    settings : ScenarioSettings
    sizes : mapping of str to sequence of float

    Returns
    -------
    list of Trial
    """
    return [
        Trial(key, size, repeat, model)
        for repeat in range(settings.repeats)
        for key, own in sizes.items()
        if repeat < SCENARIOS[key].repeats(bench.ground, settings.repeats)
        for size in own
        for model in settings.models
    ]


def _identity(bench: Bench, settings: ScenarioSettings) -> dict[str, str]:
    """Return what makes a run the one it is: its table, settings and libraries."""
    table, digest = bench.ground.table, hashlib.sha256()
    for values in (table.predictors, table.target, bench.ground.own):
        digest.update(np.ascontiguousarray(values, np.float64).tobytes())
    for names in (table.stations, table.times, table.groups, table.places):
        digest.update(b"-" if names is None else "\n".join(map(str, names.tolist())).encode("utf-8"))
    encoder = bench.encoder
    features = ", ".join(encoder.predictors)
    return {
        "table": f"{len(table):,} rows, {digest.hexdigest()[:16]}",
        "predictors": features,
        "cyclic": ", ".join(f"{name}:{period:g}" for name, period in sorted(encoder.periods.items())),
        "categorical": ", ".join(sorted(encoder.classes)),
        "limits": ", ".join(f"{name}:{low!r}:{high!r}" for name, (low, high) in encoder.limits.items()),
        **settings.as_text(),
        "libraries": ", ".join(f"{name} {number}" for name, number in _libraries().items()),
    }


def _libraries() -> dict[str, str]:
    """Return the versions of what makes the numbers; xgboost comes in two packages."""
    found = {name: number for name, number in versions(*_LIBRARIES).items() if name != "python"}
    own = [number for name in ("xgboost", "xgboost-cpu") if (number := _version(name))]
    return {**found, "xgboost": own[0] if own else "not installed"}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _tell_expected(bench: Bench, trials: Sequence[Trial], engine: Engine) -> None:
    """Say how many fits there are, and how long they take by a first one of each kind with few and with many rows."""
    fits = sum(bench.fits_of(trial) for trial in trials)
    rows = {trial: len(bench.draw(trial).train) for trial in _first_of_sizes(trials)}
    seconds = 0.0
    for model in dict.fromkeys(trial.model for trial in trials):
        own = sorted((trial for trial in rows if trial.model == model), key=lambda trial: rows[trial])
        few, many = own[0], own[-1]
        # The first fit also loads libraries.
        bench.seconds_of_a_fit(few, engine.progress)
        low, high = (bench.seconds_of_a_fit(trial, engine.progress) for trial in (few, many))
        span = max(1, rows[many] - rows[few])
        by_size = {(t.scenario, t.size): low + max(0.0, high - low) * (rows[t] - rows[few]) / span for t in own}
        seconds += sum(
            by_size[trial.scenario, trial.size] * bench.fits_of(trial) for trial in trials if trial.model == model
        )
    workers = workers_of(engine, len(trials))
    where = f"the cluster at {engine.scheduler}" if engine.scheduler else f"{workers} threads"
    per = f"{bench.candidates} candidates, each in {INNER_FOLDS} folds and on all training rows"
    engine.progress.info(
        f"{len(trials):,} trials of {fits:,} fits ({per if bench.candidates > 1 else 'one each'}). By a first fit of "
        f"each kind this takes {_duration(seconds if engine.scheduler else seconds / workers)} on {where}"
        f"{', divided by its threads' if engine.scheduler else ''}."
    )


def _first_of_sizes(trials: Sequence[Trial]) -> list[Trial]:
    found: dict[tuple[str, float, str], Trial] = {}
    for trial in trials:
        found.setdefault((trial.scenario, trial.size, trial.model), trial)
    return list(found.values())


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:.0f} minutes" if seconds < 5400 else f"about {seconds / 3600:.1f} hours"


def _baselines(
    bench: Bench, sizes: Mapping[str, Sequence[float]], outcomes: Mapping[Trial, Outcome], progress: Progress
) -> dict[tuple[str, float], Baselines]:
    """Rate what costs nothing on the rows of each repeat that has an outcome."""
    model = next(iter(outcomes)).model
    found = {}
    for key, own in sizes.items():
        for size in own:
            repeats = 1 + max((t.repeat for t in outcomes if (t.scenario, t.size) == (key, size)), default=-1)
            labels: dict[str, str] = {}
            by_repeat = []
            for repeat in range(repeats):
                progress.check()
                made = bench.baselines(Trial(key, size, repeat, model))
                by_repeat.append({name: values for name, (_, values) in made.items()})
                labels = {**{name: label for name, (label, _) in made.items()}, **labels}
            found[key, size] = Baselines(labels, by_repeat)
    return found
