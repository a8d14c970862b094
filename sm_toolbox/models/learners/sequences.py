"""Which features of a row are one quantity at successive times: how rows × features become sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from sm_toolbox.errors import ModelFileError
from sm_toolbox.models.learners.base import Estimator

WATCHED_SHARE = 0.3
"""Share of the rows that are watched for when to stop, about (S3)."""


@dataclass(frozen=True)
class SequenceLayout:
    """The features of a row as a sequence of steps.

    Parameters
    ----------
    moving : ndarray of int64 (steps, channels)
        The feature of each channel at each step, the oldest step first.
    fixed : ndarray of int64 (channels,)
        Features that are the same at each step.
    """

    moving: np.ndarray
    fixed: np.ndarray

    @classmethod
    def of_one_step(cls, n_features: int) -> SequenceLayout:
        """Return the layout of rows without a past.

        Parameters
        ----------
        n_features : int

        Returns
        -------
        SequenceLayout
        """
        return cls(np.arange(n_features)[None], np.empty(0, np.int64))

    @property
    def steps(self) -> int:
        """The length of a sequence."""
        return int(self.moving.shape[0])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        return {"lstm_moving": self.moving, "lstm_fixed": self.fixed}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_features: int) -> SequenceLayout:
        """Read what a model file holds.

        Parameters
        ----------
        arrays : mapping of str to ndarray
        n_features : int

        Returns
        -------
        SequenceLayout

        Raises
        ------
        ModelFileError
            Where the arrays name features that are not there, or have other shapes.
        """
        try:
            moving, fixed = arrays["lstm_moving"], arrays["lstm_fixed"]
        except KeyError as error:
            raise ModelFileError(f"the array {error} is missing") from None
        sound = moving.ndim == 2 and fixed.ndim == 1 and moving.shape[0] >= 1 and moving.shape[1] + len(fixed) >= 1
        for array in (moving, fixed):
            sound = sound and array.dtype == np.int64 and bool(((array >= 0) & (array < n_features)).all())
        if not sound:
            raise ModelFileError("its sequences are of features that it does not have")
        return cls(moving, fixed)


@dataclass(frozen=True)
class Parts:
    """Which rows are learned from, and which say when to stop.

    Parameters
    ----------
    learned, watched : ndarray of int (some rows,)
        Without a row in common; rows may be in neither.
    """

    learned: np.ndarray
    watched: np.ndarray


@runtime_checkable
class OfSequences(Protocol):
    """An estimator that takes rows as sequences, and needs to be told how before it is fitted."""

    sequence_length: int

    def bound(self, layout: SequenceLayout, parts: Parts) -> Estimator:
        """Return what can be fitted to rows of a layout.

        Parameters
        ----------
        layout : SequenceLayout
        parts : Parts
            Of the rows of the fit.

        Returns
        -------
        Estimator
        """
        ...
