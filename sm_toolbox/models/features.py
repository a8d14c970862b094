"""From predictors as users know them to the features a model sees: cyclic ones enter as sine and cosine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    """

    predictors: tuple[str, ...]
    periods: Mapping[str, float]

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [
            name
            for predictor in self.predictors
            for name in ([f"sin({predictor})", f"cos({predictor})"] if predictor in self.periods else [predictor])
        ]

    def by_predictor(self, values: np.ndarray) -> np.ndarray:
        """Add up values of features (features,) by predictor (predictors,).

        Parameters
        ----------
        values : ndarray of float64 (features,)

        Returns
        -------
        ndarray of float64 (predictors,)
        """
        starts = np.cumsum([0, *(2 if name in self.periods else 1 for name in self.predictors)])[:-1]
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
        if not self.periods:
            return np.asarray(predictors, np.float32)
        columns = []
        for name, values in zip(self.predictors, predictors.T):
            if name in self.periods:
                angle = values.astype(np.float64) * (2 * np.pi / self.periods[name])
                columns += [np.sin(angle), np.cos(angle)]
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
                f"CYCLIC: '{item}' is not of the form name:period with a positive period, such as aspect:360."
            )
        if name not in predictors:
            raise InputError(f"CYCLIC names '{name}', which is none of the predictors: {', '.join(predictors)}.")
        periods[name] = value
    return periods
