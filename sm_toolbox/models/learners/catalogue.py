"""The kinds of models: each a value with its hyper-parameters that can be fitted, and read back from a model file.

A new kind is one module with its `LEARNER`, and its line in `LEARNERS`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any

from sm_toolbox.errors import InputError
from sm_toolbox.models.learners import boosting, lstm, mlp, quantileforest, randomforest, svr
from sm_toolbox.models.learners.base import Estimator, Learner
from sm_toolbox.models.learners.sequences import OfSequences

LEARNERS: dict[str, Learner] = {
    module.LEARNER.key: module.LEARNER for module in (randomforest, quantileforest, boosting, svr, mlp, lstm)
}
"""Kinds of models by the word that users give."""


def kind_of(estimator: Estimator) -> str:
    """Return the key of an estimator's kind in `LEARNERS`.

    Parameters
    ----------
    estimator : Estimator

    Returns
    -------
    str

    Raises
    ------
    ValueError
        Where it is of no row, so that no model file could name it.
    """
    for key, row in LEARNERS.items():
        if type(estimator) is row.estimator:
            return key
    raise ValueError(f"{type(estimator).__name__} is the estimator of none of LEARNERS: {', '.join(LEARNERS)}")


def label_of(kind: str) -> str:
    """Return the label of a kind for titles; the key itself where this version does not know it.

    Parameters
    ----------
    kind : str

    Returns
    -------
    str
    """
    return LEARNERS[kind].label if kind in LEARNERS else kind


def make_estimator(kind: str, hyperparameters: str | None) -> Estimator:
    """Build an estimator from its kind and hyper-parameters as JSON; what is not given keeps its default.

    Parameters
    ----------
    kind : str
        One of `LEARNERS`.
    hyperparameters : str or None
        A JSON object.

    Returns
    -------
    Estimator

    Raises
    ------
    InputError
        As `read_hyperparameters`, and where a value is impossible.
    """
    estimator: Estimator = LEARNERS[kind].estimator(**read_hyperparameters(kind, hyperparameters))
    return estimator


def read_hyperparameters(kind: str, hyperparameters: str | None) -> dict[str, Any]:
    """Read hyper-parameters from JSON.

    Parameters
    ----------
    kind : str
        One of `LEARNERS`.
    hyperparameters : str or None
        A JSON object.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        Where the text is no JSON object or names unknown hyper-parameters (the message lists the valid ones).
    """
    text = (hyperparameters or "").strip() or "{}"
    valid = {item.name: item.default for item in fields(LEARNERS[kind].estimator)}
    listing = ", ".join(f"{name} (default {json.dumps(default)})" for name, default in valid.items())
    try:
        given: Any = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(
            f'`hyperparameters` is not valid JSON ({error}). Write for example {{"n_estimators": 200}}. Valid for '
            f"{kind}: {listing}."
        ) from None
    if not isinstance(given, dict):
        raise InputError(f'`hyperparameters` must be a JSON object such as {{"n_estimators": 200}}, not {text}.')
    unknown = sorted(set(given) - set(valid))
    if unknown:
        raise InputError(
            f"`hyperparameters` names {', '.join(unknown)}, which {kind} does not have. Valid are: {listing}."
        )
    return given


def with_default(kind: str, hyperparameters: str | None, name: str, value: Any) -> str | None:
    """Return hyper-parameters as JSON with another default of one of them, for kinds that have it.

    Parameters
    ----------
    kind : str
        One of `LEARNERS`.
    hyperparameters : str or None
        A JSON object.
    name : str
    value : object

    Returns
    -------
    str or None

    Raises
    ------
    InputError
        As `read_hyperparameters`.

    Examples
    --------
    >>> with_default("lstm", '{"units": [40]}', "sequence_length", 6)
    '{"sequence_length": 6, "units": [40]}'
    """
    if name not in {item.name for item in fields(LEARNERS[kind].estimator)}:
        return hyperparameters
    return json.dumps({name: value, **read_hyperparameters(kind, hyperparameters)})


def kinds_of_rows() -> list[str]:
    """List the kinds that read rows alone, and so can do with any predictors.

    Returns
    -------
    list of str
    """
    return [key for key, row in LEARNERS.items() if not isinstance(row.estimator(), OfSequences)]


def with_features_as_given(estimator: Estimator) -> Estimator:
    """Return an estimator that takes features as they are, where its kind would scale them.

    Parameters
    ----------
    estimator : Estimator

    Returns
    -------
    Estimator
    """
    if "scaling" not in hyperparameters_of(estimator):
        return estimator
    return replace(estimator, scaling="as_given")  # type: ignore[type-var]


def hyperparameters_of(estimator: Estimator) -> dict[str, Any]:
    """Return the hyper-parameters by name.

    Parameters
    ----------
    estimator : Estimator

    Returns
    -------
    dict
    """
    return asdict(estimator)  # type: ignore[call-overload]
