"""Choice of predictors by errors on rows left out: in the order of importance, forward, or without one or one group in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.importance import permutation_increase
from sm_toolbox.models.assessment.splits import Folds, Split
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator, FittedModel, impurity_of
from sm_toolbox.models.learners.catalogue import LEARNERS
from sm_toolbox.models.learners.threads import side_by_side
from sm_toolbox.models.table import TrainingTable, oddities
from sm_toolbox.progress import SILENT, Progress

METHODS = ("ranked", "forward", "leave_one_out", "groups")
IMPORTANCES = ("permutation", "impurity")
PAIR_LIMIT = 20
"""Up to so many predictors forward selection starts from all pairs: beyond, the pairs alone would be hundreds of subsets."""


@dataclass(frozen=True)
class Step:
    """A set of predictors and the errors of a model that has only these.

    Parameters
    ----------
    number : int
        Among the steps of the selection; 0 for all predictors where some are left out in turn.
    predictors : tuple of str
        In the order in which they were added.
    metrics : Metrics
        Of all rows, each predicted by the model that did not see its fold.
    by_fold : list of Metrics
    added, removed : tuple of str
        What makes the step differ from the one before, or from all predictors; for groups the names of groups.
    """

    number: int
    predictors: tuple[str, ...]
    metrics: Metrics
    by_fold: list[Metrics]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def rmse_sd(self) -> float:
        """Standard deviation of the RMSE over the folds, m³ m⁻³."""
        return float(np.std([values.rmse for values in self.by_fold], ddof=1))

    @property
    def rmse_se(self) -> float:
        """Standard error of the mean RMSE of the folds, m³ m⁻³."""
        return self.rmse_sd / float(np.sqrt(len(self.by_fold)))


@dataclass(frozen=True)
class Importance:
    """How much the model of all predictors leans on each of them.

    Parameters
    ----------
    permutation : ndarray of float64 (folds, predictors)
        Increase of the RMSE on the rows left out when the predictor is shuffled, m³ m⁻³.
    impurity : ndarray of float64 (folds, predictors), optional
        Share of the variance of the training rows that splits at the predictor explain; None for kinds without.
    """

    permutation: np.ndarray
    impurity: np.ndarray | None


@dataclass(frozen=True)
class Selection:
    """What a selection tried, and what it chose.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    kind : str
        Word of the model's kind.
    split : str
        Word of the split.
    left_out : str
        What a fold leaves out, in words.
    table : TrainingTable
    encoder : FeatureEncoder
    estimator : Estimator
    ranked_by : str
        One of `IMPORTANCES`.
    seed : int
    steps : list of Step
    chosen : Step
        One of the steps.
    importance : Importance, optional
        None for the method 'forward', which never has a model of all predictors.
    subsets : int
        Sets of predictors that were tried, whether they became a step or not.
    notes : list of str
        What the user should know before trusting the choice.
    """

    method: str
    kind: str
    split: str
    left_out: str
    table: TrainingTable
    encoder: FeatureEncoder
    estimator: Estimator
    ranked_by: str
    seed: int
    steps: list[Step]
    chosen: Step
    importance: Importance | None
    subsets: int
    notes: list[str]

    @property
    def selected(self) -> list[str]:
        """The chosen predictors in the table's order: a training with them in this order has the very error of the chosen step."""
        return [name for name in self.table.roles.predictors if name in self.chosen.predictors]

    @property
    def best(self) -> Step:
        """The step of the smallest RMSE; of equals the first."""
        return min(self.steps, key=lambda step: step.metrics.rmse)

    @property
    def simplest(self) -> Step:
        """The first step whose RMSE is within one standard error of the best step's."""
        return _simplest(self.steps)


def select_predictors(
    table: TrainingTable,
    kind: str,
    estimator: Estimator,
    split_name: str,
    split: Split,
    method: str,
    periods: Mapping[str, float] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    importance: str = "permutation",
    seed: int = 0,
    progress: Progress = SILENT,
) -> Selection:
    """Choose predictors by the errors of models of some of them on rows that these have not seen.

    Parameters
    ----------
    table : TrainingTable
        With all predictors to choose from.
    kind : str
        Word of the model's kind.
    estimator : Estimator
    split_name : str
        A word of `splits.SPLITS`.
    split : Split
        Decides what the predictors are chosen for: with whole stations left out, for places without one.
    method : {'ranked', 'forward', 'leave_one_out', 'groups'}
        'ranked' adds one predictor at a time in the order of importance (Zhao et al. 2022, RF_I to RF_XIII) and chooses the smallest number whose RMSE is
        within one standard error over the folds of the best step's (Breiman et al. 1984, Classification and Regression Trees, 3.4.3).
        'forward' starts from the best pair, adds the predictor that lowers the RMSE most, and ends where none does (Meyer et al. 2018,
        doi 10.1016/j.envsoft.2017.12.001); of more than `PAIR_LIMIT` predictors it starts from the best single one.
        'leave_one_out' and 'groups' leave out each predictor, or each group, in turn, and choose those without which the RMSE is larger; all, where the
        error of these alone is more than a standard error above that of all.
    periods : mapping of str to float, optional
        Cyclic predictors.
    groups : mapping of str to sequence of str, optional
        Predictors by group, for 'groups'; a predictor in none is always chosen.
    importance : {'permutation', 'impurity'}, optional
        What 'ranked' orders by; its mean over the folds.
    seed : int, optional
        The same for every fit, so that only the predictors differ.

    Raises
    ------
    InputError
        Where there are too few predictors, the groups do not fit them, the kind has no such importance, or the split is not possible with these rows.
    Cancelled
        Within a batch of a fit of the user's Cancel.
    """
    progress.check()
    names = table.roles.predictors
    if method in ("forward", "leave_one_out") and len(names) < 2:
        raise InputError(f"METHOD '{method}' needs at least two predictors to choose from, but PREDICTORS names only '{names[0]}'.")
    if method == "ranked" and importance == "impurity" and not LEARNERS[kind].impurity:
        able = ", ".join(key for key, row in LEARNERS.items() if row.impurity)
        raise InputError(f"MODEL {kind} has no impurity importance. Choose IMPORTANCE permutation, or one of the models that have it: {able}.")
    parts = {name: [name] for name in names} if method == "leave_one_out" else {name: list(group) for name, group in (groups or {}).items()}
    if method == "groups":
        _check_groups(parts, names)
    notes = oddities(table)
    if split.cautions is not None:
        notes.append(split.cautions.at_selection)
    for text in notes:
        progress.warning(text)
    encoder = FeatureEncoder(names, periods or {})
    folds = split.divide(table, seed)
    _check_folds(table, folds, split_name)
    counts = {"ranked": len(names), "forward": _most_subsets(len(names)), "leave_one_out": len(names) + 2, "groups": len(parts) + 2}
    trials = _Trials(table, encoder, estimator, folds, seed, progress, counts[method])
    progress.info(f"Up to {counts[method]} sets of predictors will be tried, each in {len(folds)} folds ({split.left_out} left out).")
    found = None
    if method == "ranked":
        steps, chosen, found = _ranked(trials, importance)
    elif method == "forward":
        steps, chosen = _forward(trials)
    else:
        steps, chosen, found, note = _without(trials, parts)
        if note:
            notes.append(note)
            progress.warning(note)
    return Selection(
        method, kind, split_name, split.left_out, table, encoder, estimator, importance, seed, steps, chosen, found, trials.done, notes
    )  # fmt: skip


def parse_groups(text: str | None, predictors: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `terrain: slope, aspect; soil: sand, clay`.

    Raises
    ------
    InputError
        Where the text has another form, a group is empty or named twice, or a name is none of the predictors.
    """
    groups: dict[str, tuple[str, ...]] = {}
    for item in (part.strip() for part in (text or "").split(";")):
        if not item:
            continue
        name, colon, members = (part.strip() for part in item.partition(":"))
        if not colon or not name:
            raise InputError(
                f"GROUPS: '{item}' is not of the form name: predictor, predictor. Separate groups by semicolons: terrain: slope, aspect; soil: sand, clay."
            )
        if name in groups:
            raise InputError(f"GROUPS names the group '{name}' twice.")
        groups[name] = tuple(member for member in (part.strip() for part in members.split(",")) if member)
    _check_groups(groups, predictors)
    return groups


def _check_groups(groups: Mapping[str, Sequence[str]], predictors: Sequence[str]) -> None:
    if not groups:
        raise InputError("METHOD 'groups' needs GROUPS, such as terrain: slope, aspect; soil: sand, clay.")
    owner: dict[str, str] = {}
    for name, members in groups.items():
        if not members:
            raise InputError(f"GROUPS: the group '{name}' has no predictors. Name some after the colon, or leave the group out.")
        for member in members:
            if member not in predictors:
                raise InputError(f"GROUPS: '{member}' in group '{name}' is none of the predictors: {', '.join(predictors)}.")
            if member in owner:
                raise InputError(f"GROUPS: '{member}' is named twice, in group '{owner[member]}' and in group '{name}'. Name it once.")
            owner[member] = name
        if len(members) == len(predictors):
            raise InputError(f"GROUPS: the group '{name}' holds all predictors; without it none would be left. Divide it into two or more groups.")


def _check_folds(table: TrainingTable, folds: Folds, split_name: str) -> None:
    for number, (train_rows, _) in enumerate(folds, start=1):
        if np.ptp(table.target[train_rows]) == 0:
            raise InputError(
                f"Without fold {number} of SPLIT '{split_name}' the target is the same in all rows: there is nothing to learn. Give fewer FOLDS, or choose another SPLIT."
            )


def _most_subsets(predictors: int) -> int:
    """Return how many sets of predictors forward selection tries where it takes them all."""
    if predictors > PAIR_LIMIT:
        return predictors * (predictors + 1) // 2
    return predictors * (predictors - 1) // 2 + (predictors - 2) * (predictors - 1) // 2


@dataclass
class _Trials:
    """Tries sets of predictors, all on the same folds and with the same seed."""

    table: TrainingTable
    encoder: FeatureEncoder
    estimator: Estimator
    folds: Folds
    seed: int
    progress: Progress
    planned: int
    done: int = field(default=0)

    def __post_init__(self) -> None:
        names = self.encoder.predictors
        self.names = names
        self._features = self.encoder.encode(self.table.predictors)
        self._predictor_of_feature = np.repeat(np.arange(len(names)), [2 if name in self.encoder.periods else 1 for name in names])

    def step(
        self, number: int, columns: Sequence[int], added: tuple[str, ...] = (), removed: tuple[str, ...] = (),
        watch: Callable[[FittedModel, np.ndarray], None] | None = None,
    ) -> Step:  # fmt: skip
        """Fit and judge a model of some predictors in every fold.

        Parameters
        ----------
        columns : sequence of int
            Positions of the predictors.
        watch : callable, optional
            Takes each fold's fitted model and test rows.
        """
        table = self.table
        # Features in the table's order, whatever the order of the choice: one set has one error.
        features = self._features[:, np.isin(self._predictor_of_feature, columns)]
        predictions, by_fold = np.full(len(table), np.nan), []
        self.progress.check()
        begins = [(self.done + fold / len(self.folds)) / self.planned for fold in range(len(self.folds))]
        parts = [self.progress.part(begin, begin + 1 / (self.planned * len(self.folds))) for begin in begins]

        def fit(train: np.ndarray, progress: Progress) -> FittedModel:
            weights = None if table.weights is None else table.weights[train]
            return self.estimator.fit(features[train], table.target[train], weights, self.seed, progress)

        found = side_by_side([partial(fit, train) for train, _ in self.folds], parts, features.size)
        for fitted, (_, test) in zip(found, self.folds):
            predictions[test] = fitted.predict(features[test])
            by_fold.append(metrics(predictions[test], table.target[test]))
            if watch is not None:
                watch(fitted, test)
        self.done += 1
        self.progress.set_fraction(self.done / self.planned)
        return Step(number, tuple(self.names[i] for i in columns), metrics(predictions, table.target), by_fold, added, removed)

    def all_predictors(self, number: int) -> tuple[Step, Importance]:
        """Judge the model of all predictors and what it leans on."""
        permutation, impurity = [], []

        def watch(fitted: FittedModel, test: np.ndarray) -> None:
            rng = np.random.default_rng(self.seed)
            rows = self.table.predictors[test], self.table.target[test]
            permutation.append(permutation_increase(fitted, self.encoder, *rows, rng, progress=self.progress))
            shares = impurity_of(fitted)
            if shares is not None:
                impurity.append(self.encoder.by_predictor(shares))

        step = self.step(number, range(len(self.names)), watch=watch)
        return step, Importance(np.array(permutation), np.array(impurity) if impurity else None)


def _ranked(trials: _Trials, by: str) -> tuple[list[Step], Step, Importance]:
    count = len(trials.names)
    last, importance = trials.all_predictors(count)
    values = importance.impurity if by == "impurity" else importance.permutation
    assert values is not None
    order = [int(i) for i in np.argsort(-values.mean(axis=0), kind="stable")]
    trials.progress.info(f"In the order of importance ({by}): {', '.join(trials.names[i] for i in order)}.")
    steps = []
    for number in range(1, count + 1):
        added = trials.names[order[number - 1]]
        if number < count:
            step = trials.step(number, order[:number], added=(added,))
        else:
            step = Step(count, tuple(trials.names[i] for i in order), last.metrics, last.by_fold, (added,))
        trials.progress.info(f"Step {number}, with '{added}': {_errors(step)}.")
        steps.append(step)
    return steps, _simplest(steps), importance


def _simplest(steps: Sequence[Step]) -> Step:
    best = min(steps, key=lambda step: step.metrics.rmse)
    return next(step for step in steps if step.metrics.rmse <= best.metrics.rmse + best.rmse_se)


def _forward(trials: _Trials) -> tuple[list[Step], Step]:
    count = len(trials.names)
    starts: list[tuple[int, ...]]
    if count <= PAIR_LIMIT:
        starts = [(i, j) for i in range(count) for j in range(i + 1, count)]
    else:
        starts = [(i,) for i in range(count)]
        trials.progress.info(
            f"{count} predictors are more than {PAIR_LIMIT}: the selection starts from the best single predictor, not from the best of all {count * (count - 1) // 2} pairs."
        )
    steps = [_best(trials, 1, starts, ())]
    chosen = steps[0]
    while len(chosen.predictors) < count:
        taken = tuple(trials.names.index(name) for name in chosen.predictors)
        step = _best(trials, chosen.number + 1, [(*taken, i) for i in range(count) if i not in taken], taken)
        steps.append(step)
        if not step.metrics.rmse < chosen.metrics.rmse:
            trials.progress.info(f"No further predictor lowers the RMSE; the best of them would have been '{step.added[0]}'.")
            break
        chosen = step
    return steps, chosen


def _best(trials: _Trials, number: int, sets: Iterable[tuple[int, ...]], taken: tuple[int, ...]) -> Step:
    best = None
    for columns in sets:
        step = trials.step(number, columns, added=tuple(trials.names[i] for i in columns[len(taken) :]))
        if best is None or step.metrics.rmse < best.metrics.rmse:
            best = step
    assert best is not None
    trials.progress.info(f"Step {number}: adding {', '.join(best.added)} gives the smallest error, {_errors(best)}.")
    return best


def _without(trials: _Trials, parts: Mapping[str, Sequence[str]]) -> tuple[list[Step], Step, Importance, str]:
    every = range(len(trials.names))
    whole, importance = trials.all_predictors(0)
    trials.progress.info(f"With all predictors: {_errors(whole)}.")
    steps = [whole]
    spare: set[str] = set()
    singly = []
    for number, (name, members) in enumerate(parts.items(), start=1):
        step = trials.step(number, [i for i in every if trials.names[i] not in members], removed=(name,))
        trials.progress.info(f"Without '{name}': {_errors(step)}.")
        steps.append(step)
        if not step.metrics.rmse > whole.metrics.rmse:
            singly.append(name)
            spare.update(members)
    kept = tuple(name for name in trials.names if name not in spare)
    if not kept:
        note = "Without any single one of them the error is not larger, because the others say the same; so all are kept. METHOD 'forward' finds a set without what is said twice."
        return steps, whole, importance, note
    chosen = next((step for step in steps if step.predictors == kept), None)
    if chosen is None:
        chosen = trials.step(len(steps), [i for i in every if trials.names[i] in kept], removed=tuple(singly))
        trials.progress.info(f"Without all that can be spared singly ({', '.join(singly)}): {_errors(chosen)}.")
        steps.append(chosen)
    if chosen.metrics.rmse <= whole.metrics.rmse + whole.rmse_se:
        return steps, chosen, importance, ""
    note = (
        f"What can be spared singly ({', '.join(singly)}) cannot be spared together: without all of it the RMSE is {chosen.metrics.rmse:.4f}, with all predictors {whole.metrics.rmse:.4f} m³ m⁻³. "
        "These predictors stand in for one another, so all are kept. METHOD 'forward' finds a set without what is said twice."
    )
    return steps, whole, importance, note


def _errors(step: Step) -> str:
    values = step.metrics
    return f"RMSE {values.rmse:.4f}, ubRMSE {values.ubrmse:.4f}, bias {values.bias:+.4f}, R {values.r:.3f}"


def correlations(selection: Selection) -> tuple[list[str], np.ndarray]:
    """Return Pearson correlations between the predictors as the model sees them.

    A cyclic predictor enters as its sine and its cosine: 359° and 1° are neighbours, which a correlation of the angles would not know.

    Returns
    -------
    names : list of str
        Of the features.
    correlation : ndarray of float64 (features, features)
        NaN where a feature does not vary.
    """
    features = selection.encoder.encode(selection.table.predictors).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return selection.encoder.names, np.atleast_2d(np.corrcoef(features, rowvar=False))


def alike(selection: Selection, least: float = 0.8) -> list[tuple[str, str, float]]:
    """List pairs of features of different predictors whose correlation is at least `least` in size, the strongest first."""
    names, correlation = correlations(selection)
    encoder = selection.encoder
    owner = [name for name in encoder.predictors for _ in range(2 if name in encoder.periods else 1)]
    pairs = [
        (names[i], names[j], float(correlation[i, j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if owner[i] != owner[j] and abs(correlation[i, j]) >= least
    ]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))
