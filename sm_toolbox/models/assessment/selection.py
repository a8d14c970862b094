"""Choice of predictors by errors on rows left out: by importance, forward, or leaving one or one group out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.assessment.outoffold import check_targets
from sm_toolbox.models.assessment.splitting import Split
from sm_toolbox.models.assessment.trials import Importance, Step, Trials
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import Estimator
from sm_toolbox.models.learners.catalogue import LEARNERS, kind_of, kinds_of_rows
from sm_toolbox.models.table import TrainingTable, oddities
from sm_toolbox.progress import SILENT, Progress

SELECTION_METHODS = ("ranked", "forward", "leave_one_out", "groups")
IMPORTANCES = ("permutation", "impurity")
PAIR_LIMIT = 20
"""Up to so many predictors forward selection starts from all pairs: beyond, the pairs alone would be hundreds of
subsets.
"""


@dataclass(frozen=True)
class PredictorSelection:
    """What a selection tried, and what it chose.

    Parameters
    ----------
    method : str
        One of `SELECTION_METHODS`.
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
        """The chosen predictors in the table's order, in which a training has the very error of the chosen step."""
        return [name for name in self.table.roles.predictors if name in self.chosen.predictors]

    @property
    def best(self) -> Step:
        """The step of the smallest RMSE; of equals the first."""
        return min(self.steps, key=lambda step: step.metrics.rmse)

    @property
    def simplest(self) -> Step:
        """The first step whose RMSE is within one standard error of the best step's."""
        return _simplest(self.steps)


@dataclass(frozen=True)
class Method:
    """How predictors are chosen.

    Parameters
    ----------
    key : {'ranked', 'forward', 'leave_one_out', 'groups'}
        'ranked' adds one predictor at a time in the order of importance (Fan et al. 2022, RF_I to RF_XIII) and chooses
        the smallest number whose RMSE is within one standard error over the folds of the best step's
        (Breiman et al. 1984, Classification and Regression Trees, 3.4.3).
        'forward' starts from the best pair, adds the predictor that lowers the RMSE most, and ends where none does
        (Meyer et al. 2018, doi 10.1016/j.envsoft.2017.12.001); of more than `PAIR_LIMIT` predictors it starts from the
        best single one.
        'leave_one_out' and 'groups' leave out each predictor, or each group, in turn, and choose those without which
        the RMSE is larger; all, where the error of these alone is more than a standard error above that of all.
    groups : mapping of str to sequence of str, optional
        Predictors by group, for 'groups'; a predictor in none is always chosen.
    importance : {'permutation', 'impurity'}, optional
        What 'ranked' orders by; its mean over the folds.
    """

    key: str
    groups: Mapping[str, Sequence[str]] | None = None
    importance: str = "permutation"


def select_predictors(
    table: TrainingTable,
    estimator: Estimator,
    split: Split,
    method: Method,
    periods: Mapping[str, float] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> PredictorSelection:
    """Choose predictors by the errors of models of some of them on rows that these have not seen.

    Parameters
    ----------
    table : TrainingTable
        With all predictors to choose from.
    estimator : Estimator
    split : Split
        Decides what the predictors are chosen for: with whole stations left out, for places without one.
    method : Method
    periods : mapping of str to float, optional
        Cyclic predictors.
    seed : int, optional
        The same for every fit, so that only the predictors differ.
    progress : Progress, optional

    Returns
    -------
    PredictorSelection

    Raises
    ------
    InputError
        Where there are too few predictors, the groups do not fit them, the kind has no such importance, or the split is
        not possible with these rows.
    Cancelled
        Within a batch of a fit of the user's Cancel.
    """
    progress.check()
    names, kind = table.roles.predictors, kind_of(estimator)
    parts = _parts(method, names, kind)
    notes = oddities(table)
    if split.cautions is not None:
        notes.append(split.cautions.at_selection)
    for text in notes:
        progress.warning(text)
    encoder = FeatureEncoder(names, periods or {}, table.classes)
    folds = split.divide(table, seed)
    check_targets(table, folds, split.key)
    planned = {"ranked": len(names), "forward": _most_subsets(len(names))}.get(method.key, len(parts) + 2)
    trials = Trials(table, encoder, estimator, folds, seed, progress, planned)
    progress.info(
        f"Up to {planned} sets of predictors will be tried, each in {len(folds)} folds ({split.left_out} left out)."
    )
    importance = None
    if method.key == "ranked":
        steps, chosen, importance = _ranked(trials, method.importance)
    elif method.key == "forward":
        steps, chosen = _forward(trials)
    else:
        steps, chosen, importance, note = _without(trials, parts)
        if note:
            notes.append(note)
            progress.warning(note)
    return PredictorSelection(
        method.key,
        kind,
        split.key,
        split.left_out,
        table,
        encoder,
        estimator,
        method.importance,
        seed,
        steps,
        chosen,
        importance,
        trials.done,
        notes,
    )


def _parts(method: Method, names: Sequence[str], kind: str) -> dict[str, list[str]]:
    """Return what is left out in turn, by name, after checking that the method is possible."""
    if kind not in kinds_of_rows():
        raise InputError(
            f"`kind` {kind} reads predictors with all their earlier values, so that single ones cannot be left out. "
            f"Choose predictors with one of {', '.join(kinds_of_rows())}."
        )
    if method.key in ("forward", "leave_one_out") and len(names) < 2:
        raise InputError(
            f"`method` '{method.key}' needs at least two predictors to choose from, but `predictors` names only "
            f"'{names[0]}'."
        )
    if method.key == "ranked" and method.importance == "impurity" and not LEARNERS[kind].impurity:
        able = ", ".join(key for key, row in LEARNERS.items() if row.impurity)
        raise InputError(
            f"`kind` {kind} has no impurity importance. Choose `importance` permutation, or one of the models that "
            f"have it: {able}."
        )
    if method.key == "leave_one_out":
        return {name: [name] for name in names}
    parts = {name: list(group) for name, group in (method.groups or {}).items()}
    if method.key == "groups":
        _check_groups(parts, names)
    return parts


def make_method(
    key: str, groups: str, importance: str, predictors: Sequence[str], progress: Progress = SILENT
) -> Method:
    """Return the method of a word, with groups from text where it takes any.

    Parameters
    ----------
    key : str
        As `Method` takes it.
    groups : str
        As `parse_groups` reads them; ignored by other methods than `groups`, with a warning.
    importance : str
        As `Method` takes it.
    predictors : sequence of str
    progress : Progress, optional

    Returns
    -------
    Method

    Raises
    ------
    InputError
        As `parse_groups`.
    """
    if groups and key != "groups":
        progress.warning(f"`groups` is ignored, because `method` is '{key}'.")
    return Method(key, parse_groups(groups, predictors) if key == "groups" else None, importance)


def parse_groups(text: str | None, predictors: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `terrain: slope, aspect; soil: sand, clay`.

    Parameters
    ----------
    text : str or None
    predictors : sequence of str

    Returns
    -------
    dict of str to tuple of str
        The predictors of each group.

    Raises
    ------
    InputError
        Where the text has another form, a group is empty or named twice, or a name is none of the predictors.

    Examples
    --------
    >>> parse_groups("terrain: slope, twi; soil: sand", ["slope", "twi", "sand"])
    {'terrain': ('slope', 'twi'), 'soil': ('sand',)}
    """
    groups: dict[str, tuple[str, ...]] = {}
    for item in (part.strip() for part in (text or "").split(";")):
        if not item:
            continue
        name, colon, members = (part.strip() for part in item.partition(":"))
        if not colon or not name:
            raise InputError(
                f"`groups`: '{item}' is not of the form name: predictor, predictor. Separate groups by semicolons: "
                "terrain: slope, aspect; soil: sand, clay."
            )
        if name in groups:
            raise InputError(f"`groups` names the group '{name}' twice.")
        groups[name] = tuple(member for member in (part.strip() for part in members.split(",")) if member)
    _check_groups(groups, predictors)
    return groups


def _check_groups(groups: Mapping[str, Sequence[str]], predictors: Sequence[str]) -> None:
    if not groups:
        raise InputError("`method` 'groups' needs `groups`, such as terrain: slope, aspect; soil: sand, clay.")
    owner: dict[str, str] = {}
    for name, members in groups.items():
        if not members:
            raise InputError(
                f"`groups`: the group '{name}' has no predictors. Name some after the colon, or leave the group out."
            )
        for member in members:
            if member not in predictors:
                raise InputError(
                    f"`groups`: '{member}' in group '{name}' is none of the predictors: {', '.join(predictors)}."
                )
            if member in owner:
                raise InputError(
                    f"`groups`: '{member}' is named twice, in group '{owner[member]}' and in group '{name}'. Name "
                    "it once."
                )
            owner[member] = name
        if len(members) == len(predictors):
            raise InputError(
                f"`groups`: the group '{name}' holds all predictors; without it none would be left. Divide it into "
                "two or more groups."
            )


def _most_subsets(predictors: int) -> int:
    """Return how many sets of predictors forward selection tries where it takes them all."""
    if predictors > PAIR_LIMIT:
        return predictors * (predictors + 1) // 2
    return predictors * (predictors - 1) // 2 + (predictors - 2) * (predictors - 1) // 2


def _ranked(trials: Trials, by: str) -> tuple[list[Step], Step, Importance]:
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


def _forward(trials: Trials) -> tuple[list[Step], Step]:
    count = len(trials.names)
    starts: list[tuple[int, ...]]
    if count <= PAIR_LIMIT:
        starts = [(i, j) for i in range(count) for j in range(i + 1, count)]
    else:
        starts = [(i,) for i in range(count)]
        trials.progress.info(
            f"{count} predictors are more than {PAIR_LIMIT}: the selection starts from the best single predictor, "
            f"not from the best of all {count * (count - 1) // 2} pairs."
        )
    steps = [_best(trials, 1, starts, ())]
    chosen = steps[0]
    while len(chosen.predictors) < count:
        taken = tuple(trials.names.index(name) for name in chosen.predictors)
        step = _best(trials, chosen.number + 1, [(*taken, i) for i in range(count) if i not in taken], taken)
        steps.append(step)
        if not step.metrics.rmse < chosen.metrics.rmse:
            trials.progress.info(
                f"No further predictor lowers the RMSE; the best of them would have been '{step.added[0]}'."
            )
            break
        chosen = step
    return steps, chosen


def _best(trials: Trials, number: int, sets: Iterable[tuple[int, ...]], taken: tuple[int, ...]) -> Step:
    best = None
    for columns in sets:
        step = trials.step(number, columns, added=tuple(trials.names[i] for i in columns[len(taken) :]))
        if best is None or step.metrics.rmse < best.metrics.rmse:
            best = step
    assert best is not None
    trials.progress.info(f"Step {number}: adding {', '.join(best.added)} gives the smallest error, {_errors(best)}.")
    return best


def _without(trials: Trials, parts: Mapping[str, Sequence[str]]) -> tuple[list[Step], Step, Importance, str]:
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
        note = (
            "Without any single one of them the error is not larger, because the others say the same; so all are "
            "kept. `method` 'forward' finds a set without what is said twice."
        )
        return steps, whole, importance, note
    chosen = next((step for step in steps if step.predictors == kept), None)
    if chosen is None:
        chosen = trials.step(len(steps), [i for i in every if trials.names[i] in kept], removed=tuple(singly))
        trials.progress.info(f"Without all that can be spared singly ({', '.join(singly)}): {_errors(chosen)}.")
        steps.append(chosen)
    if chosen.metrics.rmse <= whole.metrics.rmse + whole.rmse_se:
        return steps, chosen, importance, ""
    note = (
        f"What can be spared singly ({', '.join(singly)}) cannot be spared together: without all of it the RMSE "
        f"is {chosen.metrics.rmse:.4f}, with all predictors {whole.metrics.rmse:.4f}. These predictors "
        "stand in for one another, so all are kept. `method` 'forward' finds a set without what is said twice."
    )
    return steps, whole, importance, note


def _simplest(steps: Sequence[Step]) -> Step:
    best = min(steps, key=lambda step: step.metrics.rmse)
    return next(step for step in steps if step.metrics.rmse <= best.metrics.rmse + best.rmse_se)


def _errors(step: Step) -> str:
    values = step.metrics
    return f"RMSE {values.rmse:.4f}, ubRMSE {values.ubrmse:.4f}, bias {values.bias:+.4f}, R {values.r:.3f}"
