"""Features and targets on a common scale, kept with the model so that prediction needs raw predictors only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from sm_toolbox.errors import ModelFileError

SCALINGS = ("standard", "as_given")
"""What learners do with features: scale them to mean 0 and standard deviation 1, or take them as they are."""


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of the training rows.

    Parameters
    ----------
    centre, scale : ndarray of float64 (features,)
        A feature that is the same in all rows has the scale 1.
    target_centre, target_scale : ndarray of float64 (1,)
    """

    centre: np.ndarray
    scale: np.ndarray
    target_centre: np.ndarray
    target_scale: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, target: np.ndarray, how: str = "standard") -> Scaling:
        """Take the scale of training rows.

        Parameters
        ----------
        features : ndarray (rows, features)
        target : ndarray of float64 (rows,)
        how : {'standard', 'as_given'}, optional
            Of the features; the target is always scaled.

        Returns
        -------
        Scaling
        """
        as_given = how == "as_given"
        return cls(
            np.zeros(features.shape[1]) if as_given else features.mean(axis=0, dtype=np.float64),
            np.ones(features.shape[1]) if as_given else _spread(features),
            np.array([target.mean()]),
            _spread(target[:, None]),
        )

    def features(self, features: np.ndarray) -> np.ndarray:
        """Scale features.

        Parameters
        ----------
        features : ndarray (rows, features)

        Returns
        -------
        ndarray of float64 (rows, features)
        """
        return (np.asarray(features, np.float64) - self.centre) / self.scale

    def target(self, target: np.ndarray) -> np.ndarray:
        """Scale a target.

        Parameters
        ----------
        target : ndarray of float64 (rows,)

        Returns
        -------
        ndarray of float64 (rows,)
        """
        return (target - self.target_centre) / self.target_scale

    def unscaled(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions in the target's unit.

        Parameters
        ----------
        predicted : ndarray of float64 (rows,)

        Returns
        -------
        ndarray of float64 (rows,)
        """
        return predicted * self.target_scale + self.target_centre

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        return {f"scaling_{item.name}": getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_features: int) -> Scaling:
        """Read what a model file holds.

        Parameters
        ----------
        arrays : mapping of str to ndarray
        n_features : int

        Returns
        -------
        Scaling

        Raises
        ------
        ModelFileError
            Where the arrays cannot be a scaling of so many features.
        """
        scaling = cls(*(float_array(arrays, f"scaling_{item.name}") for item in fields(cls)))
        shapes = [getattr(scaling, item.name).shape for item in fields(cls)]
        if shapes != [(n_features,), (n_features,), (1,), (1,)] or not (
            (scaling.scale > 0).all() and (scaling.target_scale > 0).all()
        ):
            raise ModelFileError("the scaling of its features does not have the shapes and values it must have")
        return scaling


def relative_weights(weights: np.ndarray | None) -> np.ndarray | None:
    """Return weights with a mean of 1, so that penalties mean the same whatever the weights are measured in.

    Parameters
    ----------
    weights : ndarray of float64 (rows,) or None

    Returns
    -------
    ndarray of float64 (rows,) or None
    """
    return None if weights is None else weights / weights.mean()


def float_array(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return an array of finite floating-point numbers.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    name : str

    Returns
    -------
    ndarray

    Raises
    ------
    ModelFileError
        Where it is missing or holds something else.
    """
    if name not in arrays:
        raise ModelFileError(f"the array '{name}' is missing")
    array = arrays[name]
    if array.dtype not in (np.float32, np.float64) or not np.isfinite(array).all():
        raise ModelFileError(f"the array '{name}' holds something else than numbers")
    return array


def _spread(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0, dtype=np.float64)
    return np.where(spread > 1e-12 * np.abs(values).max(axis=0, initial=0), spread, 1.0)
