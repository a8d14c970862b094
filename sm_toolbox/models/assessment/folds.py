"""Folds of rows, from the fold of each row or from groups that stay together."""

from __future__ import annotations

import numpy as np

from sm_toolbox.errors import InputError

Folds = list[tuple[np.ndarray, np.ndarray]]
"""For each fold the positions of its training and of its test rows."""


def calendar_folds(units: np.ndarray, folds: int, seed: int, name: str, what: str) -> Folds:
    """Put whole units of the calendar into folds, one each where there are as many folds.

    Parameters
    ----------
    units : ndarray of int (rows,)
    folds, seed : int
    name, what : str
        One of them, and several, for messages.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Training and test rows of each fold.

    Raises
    ------
    InputError
        Where all rows are of one unit.
    """
    count = len(np.unique(units))
    if count < 2:
        raise InputError(
            f"The training rows are of one {name} only, so that none can be left out. Choose another `split`."
        )
    return group_folds(units, min(folds, count), seed, what)


def group_folds(groups: np.ndarray, folds: int, seed: int, what: str) -> Folds:
    """Put whole groups into folds, in random order and each into the fold that has the fewest rows.

    Parameters
    ----------
    groups : ndarray (rows,)
    folds, seed : int
    what : str
        What groups are called, for messages.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Training and test rows of each fold.

    Raises
    ------
    InputError
        Where there are fewer groups than folds.
    """
    names, group_index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise InputError(
            f"The training rows are of {len(names)} {what}, fewer than {folds} folds. Give fewer `folds` (at least "
            "2), or choose another `split`."
        )
    order = np.random.default_rng(seed).permutation(len(names))
    rows_in_fold = np.zeros(folds, np.int64)
    fold_of_group = np.empty(len(names), np.int64)
    for group in order:
        fold_of_group[group] = np.argmin(rows_in_fold)
        rows_in_fold[fold_of_group[group]] += counts[group]
    return numbered_folds(fold_of_group[group_index])


def numbered_folds(fold: np.ndarray) -> Folds:
    """Return the folds of rows whose folds are numbered (rows,) from 0.

    Parameters
    ----------
    fold : ndarray of int (rows,)

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Training and test rows of each fold.
    """
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(int(fold.max()) + 1)]
