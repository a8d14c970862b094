"""Intervals as wide everywhere, or the wider the more unlike the training: those that hold more evenly by place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.models.assessment.calibration import Coverage, QuantileShift, coverage
from sm_toolbox.models.assessment.folds import Folds
from sm_toolbox.models.assessment.outoffold import SplitResult
from sm_toolbox.models.table import TrainingTable

# Fewer places tell nothing of their spread.
_FEWEST_PLACES = 8
# What an even width has to be beaten by, and how much wider the other may be, so that chance does not choose.
_GAIN, _WIDER = 0.97, 1.02


@dataclass(frozen=True)
class ModelIntervals:
    """The intervals of a model, and how evenly they hold.

    Parameters
    ----------
    shift : QuantileShift
        Of the kind that was taken, on all rows.
    coverage : Coverage
        Of that kind, each fold calibrated on the others.
    spreads : (float, float) or None
        Root mean square, over places, of the share of observations held minus what the widest interval promises: of
        even widths, and of widths by dissimilarity; None where there are too few places to compare.
    widths : (float, float) or None
        Mean widths of the two, in the target's unit.
    """

    shift: QuantileShift
    coverage: Coverage
    spreads: tuple[float, float] | None = None
    widths: tuple[float, float] | None = None


def choose_intervals(
    table: TrainingTable, chosen: SplitResult, folds: Folds, dissimilarity: np.ndarray | None
) -> ModelIntervals:
    """Calibrate intervals of an even width and of one that grows with dissimilarity, and keep the better.

    The better is that whose share of observations held scatters less from place to place, if it is no wider in the
    mean. Both are split-conformal, the second with scores divided by a scale (Lei et al. 2018, doi
    10.1080/01621459.2017.1307116, section 5.2), and hold what they promise over all.

    Parameters
    ----------
    table : TrainingTable
    chosen : SplitResult
        Of the split whose calibration the model keeps.
    folds : list of (ndarray of int, ndarray of int)
        Its folds.
    dissimilarity : ndarray (rows,) or None
        Of each row from the rows of other folds; None where it is not to count.

    Returns
    -------
    ModelIntervals
    """
    rated = table.rated
    even = QuantileShift.fit(table.target[rated], chosen.quantiles[rated])
    places = table.places if table.places is not None else table.stations
    if dissimilarity is None or places is None or not np.median(dissimilarity[rated]) > 0:
        return ModelIntervals(even, chosen.coverage)
    _, place = np.unique(places[rated], return_inverse=True)
    if place.max(initial=0) + 1 < _FEWEST_PLACES:
        return ModelIntervals(even, chosen.coverage)
    scaled = QuantileShift.fit(table.target[rated], chosen.quantiles[rated], dissimilarity[rated])
    found = chosen.coverage, coverage(table.target, chosen.quantiles, folds, rated, dissimilarity)
    spreads = _spread(found[0], rated, place), _spread(found[1], rated, place)
    widths = float(found[0].width[-1]), float(found[1].width[-1])
    if spreads[1] < _GAIN * spreads[0] and widths[1] <= _WIDER * widths[0]:
        return ModelIntervals(scaled, found[1], spreads, widths)
    return ModelIntervals(even, found[0], spreads, widths)


def _spread(found: Coverage, rated: np.ndarray, place: np.ndarray) -> float:
    """Return the root mean square of the share held at a place minus the nominal one, of the widest interval."""
    held = np.bincount(place, found.inside[rated, -1]) / np.bincount(place)
    return float(np.sqrt(np.mean(np.square(held - found.nominal[-1]))))


def intervals_in_words(intervals: ModelIntervals) -> str:
    """Say which intervals were taken, and why.

    Parameters
    ----------
    intervals : ModelIntervals

    Returns
    -------
    str
        Empty where there was nothing to compare.
    """
    if intervals.spreads is None or intervals.widths is None:
        return ""
    kinds = ("as wide everywhere", "wider where predictors are unlike the training")
    taken = int(intervals.shift.typical > 0)
    nominal = f"{intervals.coverage.nominal[-1]:.0%}"
    parts = [
        f"by {100 * spread:.1f} points with intervals {kind} (mean width {width:.3f} m³ m⁻³)"
        for kind, spread, width in zip(kinds, intervals.spreads, intervals.widths)
    ]
    return (
        f"From place to place the share of observations within {nominal} intervals misses {nominal} "
        f"{', '.join(parts)}. Those {kinds[taken]} are taken."
    )
