"""What is known of choices of predictors in this session, so that trainings with them say how they came about."""

from __future__ import annotations

from sm_toolbox.models.table import TrainingTable

_CHOICES: dict[tuple[str, str, frozenset[str]], str] = {}


def remember_choice(table: TrainingTable, predictors: list[str], trust: str) -> None:
    """Keep how far the errors of chosen predictors can be trusted.

    Parameters
    ----------
    table : TrainingTable
        On whose rows they were chosen.
    predictors : list of str
        The chosen ones.
    trust : str
        A sentence, as `trust_in_words` gives it.
    """
    if set(predictors) != set(table.roles.predictors):
        _CHOICES[table.layer, table.roles.target, frozenset(predictors)] = trust


def choice_of(table: TrainingTable) -> str:
    """Return how far the errors of a table's predictors can be trusted, if they were chosen on its rows.

    Parameters
    ----------
    table : TrainingTable

    Returns
    -------
    str
        Empty where nothing is known of a choice.
    """
    return _CHOICES.get((table.layer, table.roles.target, frozenset(table.roles.predictors)), "")
