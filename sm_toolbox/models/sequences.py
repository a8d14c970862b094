"""Which predictors of a table are earlier values of others, so that its rows are sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.sequences import SequenceLayout
from sm_toolbox.models.table import TrainingTable
from sm_toolbox.raster.lags import lag_of_column, read_lag
from sm_toolbox.raster.origins import origin_from

_DAY = np.timedelta64(86_400, "s")
_MOST_LISTED = 6


@dataclass(frozen=True)
class Sequences:
    """How the features of rows are sequences.

    Parameters
    ----------
    layout : SequenceLayout
    moving : tuple of str
        Predictors of which earlier values are there.
    step_days : dict of str to float
        The step of each of them, where the table keeps notes of it.
    unused : tuple of str
        Earlier values that reach further back than a sequence.
    """

    layout: SequenceLayout
    moving: tuple[str, ...]
    step_days: dict[str, float]
    unused: tuple[str, ...]

    def reach_days(self, table: TrainingTable) -> float:
        """Return how far back in time a sequence reaches; by the usual distance of rows where no step is known.

        Parameters
        ----------
        table : TrainingTable

        Returns
        -------
        float
            Days; 0 where nothing is known of time.
        """
        step = max(self.step_days.values(), default=0.0)
        if not step and table.times is not None:
            distances = np.diff(np.unique(table.times))
            step = float(np.median(distances) / _DAY) if len(distances) else 0.0
        return step * (self.layout.steps - 1)

    def as_record(self) -> dict[str, Any]:
        """Return what a manifest says."""
        return {"length": self.layout.steps, "predictors": list(self.moving), "step_days": self.step_days}


def find_sequences(encoder: FeatureEncoder, origins: Mapping[str, Mapping[str, Any]], length: int) -> Sequences:
    """Find the earlier values of each predictor.

    A predictor of which any is there needs all of them, from one step back to `length` − 1; one without is taken as
    the same at each step. Values of days back, and sums, are predictors of their own.

    Parameters
    ----------
    encoder : FeatureEncoder
    origins : mapping of str to mapping
        What the table notes of its columns; where it notes nothing, names say it: `ndvi_lag1`.
    length : int
        Steps of a sequence, the row's own included.

    Returns
    -------
    Sequences

    Raises
    ------
    InputError
        Where there are no earlier values, some are missing, or they are encoded otherwise than the predictor itself.

    Examples
    --------
    >>> encoder = FeatureEncoder(("clay", "ndvi", "ndvi_lag1"), {})
    >>> layout = find_sequences(encoder, {}, 2).layout
    >>> layout.moving.tolist(), layout.fixed.tolist()
    ([[2], [1]], [0])
    """
    notes = {name: origin_from(origins.get(name)) for name in encoder.predictors}
    lags = dict(_lags(encoder.predictors, origins))
    moving = list(dict.fromkeys(base for base, _ in lags))
    if not moving:
        raise InputError(
            f"The LSTM reads the last {length} steps of predictors, but none of {', '.join(encoder.predictors)} is an "
            f"earlier value of another. Sample the predictors again with the lags *:1-{length - 1}, and take the new "
            "fields into `predictors`."
        )
    _refuse_gaps(moving, lags, encoder.predictors, length)
    starts = dict(zip(encoder.predictors, np.cumsum([0, *encoder.widths])[:-1].tolist()))
    channels = []
    for base in moving:
        names = [lags[base, back] for back in range(length - 1, 0, -1)] + [base]
        _refuse_other_codes(names, encoder)
        width = encoder.widths[encoder.predictors.index(base)]
        channels += [[starts[name] + part for name in names] for part in range(width)]
    of_sequences = {*moving, *lags.values()}
    fixed = [
        starts[name] + part
        for name, width in zip(encoder.predictors, encoder.widths)
        if name not in of_sequences
        for part in range(width)
    ]
    steps = {name: note.time_step_days for name in moving if (note := notes[name]) and note.time_step_days}
    unused = tuple(name for (_, back), name in lags.items() if back >= length)
    layout = SequenceLayout(np.array(channels, np.int64).T, np.array(fixed, np.int64))
    return Sequences(layout, tuple(moving), steps, unused)


def bases_of(predictors: Sequence[str], origins: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the predictor of which each is an earlier value, steps back; of all others themselves.

    Parameters
    ----------
    predictors : sequence of str
    origins : mapping of str to mapping
        As `find_sequences` takes them.

    Returns
    -------
    dict of str to str
        By predictor.
    """
    return {**{name: name for name in predictors}, **{name: base for (base, _), name in _lags(predictors, origins)}}


def _lags(predictors: Sequence[str], origins: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[tuple[str, int], str]]:
    """Yield the predictor and the steps back of each that is an earlier value, with its name."""
    for name in predictors:
        parted, note = lag_of_column(name), origin_from(origins.get(name))
        if note is not None:
            lag = None if note.lag is None else read_lag(note.lag)
            parted = None if lag is None else (name.removesuffix(lag.column("")), lag)
        if parted is not None and parted[1].steps and not parted[1].is_sum:
            yield (parted[0], parted[1].steps), name


def _refuse_gaps(
    moving: Sequence[str], lags: Mapping[tuple[str, int], str], predictors: Sequence[str], length: int
) -> None:
    for base in moving:
        names = [base, *(lags.get((base, back), f"{base}_lag{back}") for back in range(1, length))]
        lost = [name for name in names if name not in predictors]
        if lost:
            back = 0
            while (base, back + 1) in lags:
                back += 1
            shorter = f", or give a `sequence_length` of {back + 1}" if back and base not in lost else ""
            listed = ", ".join(lost[:_MOST_LISTED]) + (" …" if len(lost) > _MOST_LISTED else "")
            raise InputError(
                f"A `sequence_length` of {length} needs '{base}' and its {length - 1} earlier values, but the "
                f"predictors lack {listed}. Take them into `predictors`; where the table has none, sample the "
                f"predictors again with the lags {base}:1-{length - 1}{shorter}."
            )


def _refuse_other_codes(names: Sequence[str], encoder: FeatureEncoder) -> None:
    """Refuse earlier values that become other features than the predictor itself."""
    codes = {name: (encoder.periods.get(name), encoder.classes.get(name)) for name in names}
    for name in names:
        if codes[name] != codes[names[-1]]:
            raise InputError(
                f"'{name}' is an earlier value of '{names[-1]}', but one is cyclic or a class and the other is not, or "
                "they have other classes. Name all of them in `cyclic` or `categorical`, or take the earlier values "
                "out of `predictors`."
            )
