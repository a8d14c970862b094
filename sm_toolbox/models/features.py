"""From predictors as users know them to the features a model sees: cyclic ones enter as sine and cosine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.errors import InputError


@dataclass(frozen=True)
class FeatureEncoder:
    """Turns predictors (rows, predictors) into features (rows, features).

    Parameters
    ----------
    predictors : tuple of str
    periods : mapping of str to float
        Period of each cyclic predictor in its own unit: 360 for aspect in degrees.
    classes : mapping of str to tuple of float, optional
        The classes of each categorical predictor, ascending; each becomes a feature that is 1 where a row is of it.
    limits : mapping of str to (float, float), optional
        The values of predictors that become 0 and 1; in between and beyond the feature is linear.
    """

    predictors: tuple[str, ...]
    periods: Mapping[str, float]
    classes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [
            name
            for predictor in self.predictors
            for name in (
                [f"sin({predictor})", f"cos({predictor})"]
                if predictor in self.periods
                else [f"{predictor}={value:g}" for value in self.classes[predictor]]
                if predictor in self.classes
                else [predictor]
            )
        ]

    @property
    def widths(self) -> list[int]:
        """How many features each predictor makes."""
        return [2 if name in self.periods else len(self.classes.get(name, (0,))) for name in self.predictors]

    def unseen(self, values: np.ndarray, predictor: str) -> np.ndarray | None:
        """Say which values of a predictor are of no class of the training.

        Parameters
        ----------
        values : ndarray of float
        predictor : str

        Returns
        -------
        ndarray of bool, same shape, or None
            None where the predictor is no class; NaN is of none.
        """
        return ~np.isin(values, self.classes[predictor]) if predictor in self.classes else None

    def by_predictor(self, values: np.ndarray) -> np.ndarray:
        """Add up values of features (features,) by predictor (predictors,).

        Parameters
        ----------
        values : ndarray of float64 (features,)

        Returns
        -------
        ndarray of float64 (predictors,)
        """
        starts = np.cumsum([0, *self.widths])[:-1]
        return np.add.reduceat(values, starts)

    def encode(self, predictors: np.ndarray) -> np.ndarray:
        """Encode predictors of the last axis.

        Parameters
        ----------
        predictors : ndarray (rows, predictors)

        Returns
        -------
        ndarray of float32 (rows, features)
        """
        if not self.periods and not self.classes and not self.limits:
            return np.asarray(predictors, np.float32)
        columns = []
        for name, values in zip(self.predictors, predictors.T):
            if name in self.periods:
                angle = values.astype(np.float64) * (2 * np.pi / self.periods[name])
                columns += [np.sin(angle), np.cos(angle)]
            elif name in self.classes:
                columns += [values == np.float32(value) for value in self.classes[name]]
            elif name in self.limits:
                low, high = self.limits[name]
                columns.append((values.astype(np.float64) - low) / (high - low))
            else:
                columns.append(values)
        return np.stack(columns, axis=1).astype(np.float32)


def parse_cyclic(text: str | None, predictors: Sequence[str]) -> dict[str, float]:
    """Read `aspect:360,doy:365`.

    Parameters
    ----------
    text : str or None
    predictors : sequence of str

    Returns
    -------
    dict of str to float
        The period of each cyclic predictor, in its unit.

    Raises
    ------
    InputError
        Where the text has another form, a period is not positive, or a name is none of the predictors.
    """
    periods: dict[str, float] = {}
    for item in (part.strip() for part in (text or "").split(",")):
        if not item:
            continue
        name, colon, period = (part.strip() for part in item.rpartition(":"))
        try:
            value = float(period)
        except ValueError:
            value = 0.0
        if not colon or not 1e-6 <= value < np.inf:
            raise InputError(
                f"`cyclic`: '{item}' is not of the form name:period with a positive period, such as aspect:360."
            )
        if name not in predictors:
            raise InputError(f"`cyclic` names '{name}', which is none of the predictors: {', '.join(predictors)}.")
        periods[name] = value
    return periods


def limits_in_words(limits: Mapping[str, tuple[float, float]]) -> str:
    """Say between which values predictors are scaled, for reports.

    Parameters
    ----------
    limits : mapping of str to (float, float)
        By predictor, each in its own unit.

    Returns
    -------
    str
        A sentence.
    """
    listed = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in limits.items())
    return f"Scaled to 0 and 1 between limits: {listed}."


def parse_limits(text: str | None, predictors: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Read `vv:-30:5,vh:-35:0`.

    Parameters
    ----------
    text : str or None
    predictors : sequence of str

    Returns
    -------
    dict of str to (float, float)
        Lowest and highest value by predictor.

    Raises
    ------
    InputError
        Where the text has another form, the first limit is not below the second, or a name is none of the predictors.

    Examples
    --------
    >>> parse_limits("vv:-30:5, vh:-35:0", ["vv", "vh", "ndvi"])
    {'vv': (-30.0, 5.0), 'vh': (-35.0, 0.0)}
    """
    limits: dict[str, tuple[float, float]] = {}
    for item in (part.strip() for part in (text or "").split(",")):
        if not item:
            continue
        name, *ends = (part.strip() for part in item.rsplit(":", 2))
        try:
            low, high = map(float, ends)
        except ValueError:
            low = high = float("nan")
        if not (np.isfinite([low, high]).all() and high - low > 1e-12 * max(abs(low), abs(high))):
            raise InputError(
                f"`limits`: '{item[:100]}' is not of the form name:lowest:highest with the lowest value first, such as "
                "vv:-30:5."
            )
        if name not in predictors:
            raise InputError(f"`limits` names '{name}', which is none of the predictors: {', '.join(predictors)}.")
        limits[name] = (low, high)
    return limits


# More classes than this are most likely amounts, or numbers of rows.
_MOST_CLASSES = 100


def parse_classes(names: Sequence[str], predictors: Sequence[str], values: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Find the classes of categorical predictors.

    Parameters
    ----------
    names : sequence of str
        The categorical ones.
    predictors : sequence of str
    values : ndarray of float64 (rows, predictors)

    Returns
    -------
    dict of str to tuple of float
        Ascending, by predictor.

    Raises
    ------
    InputError
        Where a name is none of the predictors, or holds no classes.
    """
    classes: dict[str, tuple[float, ...]] = {}
    for name in names:
        if name not in predictors:
            raise InputError(
                f"`categorical` names '{name}', which is none of the predictors: {', '.join(predictors)}. Add it to "
                "`predictors`, or take it out of `categorical`."
            )
        found = np.unique(values[:, predictors.index(name)])
        if len(found) > _MOST_CLASSES or (found != np.round(found)).any():
            raise InputError(
                f"`categorical`: '{name}' has {len(found)} different values, from {found[0]:g} to {found[-1]:g}; "
                f"classes are whole numbers, at most {_MOST_CLASSES} of them. Take it out of `categorical` where it is "
                "an amount."
            )
        classes[name] = tuple(float(value) for value in found)
    return classes
