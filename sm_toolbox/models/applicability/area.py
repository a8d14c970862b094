"""Where a model may be applied: how far the predictors of a map are from those of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.errors import InputError, ModelFileError
from sm_toolbox.models.applicability.index import Index, build_index
from sm_toolbox.progress import SILENT, Progress

# Up to as many training rows all pairs are compared (about a second), beyond it as many pairs are drawn.
_ALL_PAIRS_ROWS, _DRAWN_PAIRS = 20_000, 10_000_000
# On the unit circle less than this is the rounding of sine and cosine.
_SAME_ANGLE = 1e-6
_ROWS = 8192


@dataclass(frozen=True)
class Applicability:
    """The area of applicability of a model, and the density of its training rows.

    The dissimilarity index (DI) of a row is its distance to the nearest training row over the mean distance between two
    training rows. Distances are Euclidean, after each predictor was standardised by mean and standard deviation of the
    training and multiplied by its importance (Meyer & Pebesma 2021, doi 10.1111/2041-210X.13650). The local point
    density (LPD) is the number of training rows within the threshold of the DI (Schumacher et al. 2024), so that it is
    at least 1 just where the DI is at most the threshold.

    A cyclic predictor enters as sine and cosine, both divided by the square root of the sum of their variances:
    together they count as one standardised predictor does, wherever its zero is.

    The threshold is min(q75 + 1.5 IQR, maximum) of the training rows' DI, each to the nearest row outside its fold. The
    R package CAST takes the largest of these DI that is at most q75 + 1.5 IQR, with hinges for quartiles, which is
    mostly a little less, and counts rows below the threshold rather than up to it.

    Parameters
    ----------
    rows : ndarray of float32 (rows, predictors with a weight)
        Training rows.
    weights : ndarray of float32 (predictors,)
        From 0 to 1; predictors without a weight do not count.
    periods : ndarray of float64 (predictors,)
        Of cyclic predictors, in their unit; 0 for others.
    mean_distance : float
        Between two training rows, in weighted standard deviations.
    training_di : ndarray of float32 (rows,)
        DI of each training row to the nearest outside its fold.
    threshold : float
        DI above which a prediction is outside the area of applicability.
    index : Index
    """

    rows: np.ndarray
    weights: np.ndarray
    periods: np.ndarray
    mean_distance: float
    training_di: np.ndarray
    threshold: float
    index: Index = field(repr=False)

    @classmethod
    def fit(
        cls,
        predictors: np.ndarray,
        weights: np.ndarray,
        folds: np.ndarray | Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
        periods: Mapping[int, float] | None = None,
        progress: Progress = SILENT,
    ) -> Applicability:
        """Measure the training rows.

        The mean distance is that of all pairs for up to 20,000 rows; for more, that of 10 million pairs drawn with a
        fixed seed, whose standard error is 1/3000 of the scatter of the distances, usually about 0.01 % of their mean,
        and is reported to `progress`.

        Parameters
        ----------
        predictors : ndarray (rows, predictors)
            Without missing values. Predictors that are the same in all rows get no weight.
        weights : ndarray (predictors,)
            Importance of each predictor. Only ratios count; a negative one is zero; where none is positive, all are
            equal, with a warning.
        folds : ndarray of int (rows,), or sequence of (ndarray of int, ndarray of int), optional
            Fold of each row in the cross-validation, or training and test rows of each fold, every row being a test row
            once; without it, each row is a fold of its own.
        periods : mapping of int to float, optional
            Periods of cyclic predictors by column.
        progress : Progress, optional

        Returns
        -------
        Applicability

        Raises
        ------
        InputError
            Where there are fewer than two rows or folds, or all rows are the same.
        Cancelled
            Within about a second of the user's Cancel.

        Examples
        --------
        >>> predictors = np.random.default_rng(0).normal(size=(200, 2))
        >>> area = Applicability.fit(predictors, weights=np.array([1.0, 0.5]))
        >>> dissimilarity, _ = area.dissimilarity(np.array([[0.0, 0.0], [9.0, 0.0]]))
        >>> (dissimilarity <= area.threshold).tolist()
        [True, False]
        """
        rows = np.asarray(predictors, np.float32)
        importance = np.asarray(weights, np.float64)
        pairs = None
        if folds is not None and not isinstance(folds, np.ndarray):
            pairs, folds = _as_numbers(folds, len(rows))
        if (
            rows.ndim != 2
            or importance.shape != rows.shape[1:]
            or (folds is not None and np.shape(folds) != rows.shape[:1])
        ):
            raise ValueError(
                "predictors, weights and folds must have the shapes (rows, predictors), (predictors,) and (rows,)"
            )
        if not (np.isfinite(rows).all() and np.isfinite(importance).all()):
            raise ValueError("predictors and weights must be finite")
        if len(rows) < 2:
            raise InputError(
                f"The area of applicability needs at least 2 training rows, but there is {len(rows)}. Add rows, "
                "or leave it out."
            )
        groups = np.arange(len(rows)) if folds is None else np.unique(folds, return_inverse=True)[1]
        if groups.max() == 0:
            raise InputError(
                "The threshold of the area of applicability needs training rows of at least 2 folds, but all are "
                "in one. Give more `folds`, or no folds."
            )
        cycle = np.zeros(len(importance))
        for column, period in (periods or {}).items():
            cycle[column] = period
        weight = _weights(rows, importance, cycle, progress)
        used = weight > 0
        rows = np.ascontiguousarray(rows[:, used])
        features = _encode(rows, cycle[used])
        scale = _scale(features, weight[used], cycle[used])
        progress.check()
        index = build_index(features, scale, groups.astype(np.int32))
        progress.check()
        mean_distance = _mean_distance(
            (features.T.astype(np.float64) - features.mean(axis=1, dtype=np.float64)) * scale, progress.part(0, 0.5)
        )
        if pairs is None:
            training_di = _between_folds(features, groups.astype(np.int32), index, mean_distance, progress.part(0.5, 1))
        else:
            training_di = _between_pairs(features, scale, pairs, mean_distance, progress.part(0.5, 1))
        threshold = _threshold(training_di)
        if threshold == 0:
            progress.warning(
                "Most training rows have the same predictors as a row of another fold, so that the threshold of "
                "the area of applicability is 0: only what equals a training row is inside. Choose a `split` that "
                "keeps such rows together, such as 'station'."
            )
        return cls(rows, weight, cycle, mean_distance, training_di, threshold, index)

    def dissimilarity(self, predictors: np.ndarray, density: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Compare rows with the training, on the calling thread.

        Neighbours on a map should follow each other: the search for one begins where that for the last ended.

        Parameters
        ----------
        predictors : ndarray (rows, predictors)
            Fastest as float32 whose columns are contiguous.
        density : bool, optional
            Whether to count the training rows nearby, too.

        Returns
        -------
        di : ndarray of float32 (rows,)
            DI; NaN where any predictor is missing or infinite. Outside the area of applicability where it is above
            `threshold`.
        lpd : ndarray of float32 (rows,) or None
            Number of training rows within the threshold, NaN as above.
        """
        from sm_toolbox.models.applicability.kernels import count_within, nearest

        rows = np.asarray(predictors, np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.weights):
            raise ValueError(f"predictors must have the shape (rows, {len(self.weights)}), not {rows.shape}")
        used = self.weights > 0
        unit = np.float32(1 / self.mean_distance)
        di = np.empty(len(rows), np.float32)
        limit = _largest_square(np.float32(self.threshold), unit)
        lpd = np.empty(len(rows), np.float32) if density else None
        outsider = np.full(min(len(rows), _ROWS), -1, np.int32)
        for start in range(0, len(rows), _ROWS):
            block = slice(start, start + _ROWS)
            part = rows[block]
            features = _encode(part if used.all() else part[:, used], self.periods[used])
            nearest(features, outsider, self.index, unit, di[block])
            if lpd is not None:
                count_within(features, self.index, limit, lpd[block])
        if not used.all():
            missing = ~np.isfinite(rows[:, ~used]).all(axis=1)
            di[missing] = np.nan
            if lpd is not None:
                lpd[missing] = np.nan
        return di, lpd

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        return {
            "aoa_rows": self.rows,
            "aoa_weights": self.weights,
            "aoa_periods": self.periods,
            "aoa_mean_distance": np.array([self.mean_distance]),
            "aoa_training_di": self.training_di,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_predictors: int) -> Applicability:
        """Read what a model file holds, after checking it.

        Parameters
        ----------
        arrays : mapping of str to ndarray
        n_predictors : int

        Returns
        -------
        Applicability

        Raises
        ------
        ModelFileError
            Where the arrays cannot be those of an area of applicability.
        """
        names = ("rows", "weights", "periods", "mean_distance", "training_di")
        try:
            rows, weights, periods, mean_distance, training_di = (arrays[f"aoa_{name}"] for name in names)
        except KeyError as error:
            raise ModelFileError(f"the array {error} is missing") from None
        types = (np.float32, np.float32, np.float64, np.float64, np.float32)
        if not all(
            array.dtype == kind for array, kind in zip((rows, weights, periods, mean_distance, training_di), types)
        ):
            raise ModelFileError("the arrays of the area of applicability do not have the types they must have")
        shapes = weights.shape == periods.shape == (n_predictors,) and mean_distance.shape == (1,)
        if (
            not shapes
            or rows.ndim != 2
            or len(rows) < 2
            or rows.shape[1] != np.count_nonzero(weights)
            or training_di.shape != rows.shape[:1]
        ):
            raise ModelFileError("the arrays of the area of applicability do not have the shapes they must have")
        numbers = all(
            np.isfinite(array).all() and (array >= 0).all() for array in (weights, periods, mean_distance, training_di)
        )
        if (
            not numbers
            or not np.isfinite(rows).all()
            or not 0 < weights.max(initial=0) <= 1
            or not 1e-30 < mean_distance[0] < 1e30
        ):
            raise ModelFileError("the area of applicability holds numbers that cannot be")
        used = weights > 0
        rows = np.ascontiguousarray(rows)
        features = _encode(rows, periods[used])
        scale = _scale(features, weights[used], periods[used])
        if not (scale > 0).all():
            raise ModelFileError("the area of applicability weighs predictors that are the same in all rows")
        index = build_index(features, scale, np.zeros(len(rows), np.int32))
        return cls(rows, weights, periods, float(mean_distance[0]), training_di, _threshold(training_di), index)


def _weights(rows: np.ndarray, importance: np.ndarray, periods: np.ndarray, progress: Progress) -> np.ndarray:
    """Return weights of up to 1, and 0 for constant predictors."""
    varied = np.array(
        [
            bool(
                (
                    _scale(_encode(rows[:, i : i + 1], periods[i : i + 1]), np.ones(1, np.float32), periods[i : i + 1])
                    > 0
                ).all()
            )
            for i in range(rows.shape[1])
        ]
    )
    if not varied.any():
        raise InputError(
            f"All predictors are the same in all {len(rows)} training rows, so that no area of applicability can "
            "be told. Choose other predictors."
        )
    weights = np.where(varied, np.maximum(importance, 0), 0)
    if not weights.any():
        progress.warning("No predictor has an importance above zero: all count alike in the area of applicability.")
        weights = varied.astype(np.float64)
    weights = (weights / weights.max()).astype(np.float32)
    # Weights too small for float32 are 0.
    weights[weights < np.finfo(np.float32).tiny] = 0
    return weights


def _encode(rows: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return features (features, rows) of rows (rows, predictors): cyclic predictors become sine and cosine."""
    if not periods.any():
        return np.ascontiguousarray(rows.T)
    features = []
    # An infinite number has no sine, and becomes NaN.
    with np.errstate(invalid="ignore"):
        for values, period in zip(rows.T, periods):
            if period > 0:
                angle = values.astype(np.float64) * (2 * np.pi / period)
                features += [np.sin(angle), np.cos(angle)]
            else:
                features.append(values)
    return np.stack(features).astype(np.float32)


def _scale(features: np.ndarray, weights: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return weight over standard deviation of each feature, float32 (features,); 0 where it does not vary."""
    variances = iter(np.var(features, axis=1, dtype=np.float64))
    constant = iter((features == features[:, :1]).all(axis=1))
    factors = []
    for weight, period in zip(weights.astype(np.float64), periods):
        if period > 0:
            both = next(variances) + next(variances)
            next(constant), next(constant)
            factors += 2 * [weight / np.sqrt(both) if both > _SAME_ANGLE**2 else 0.0]
        else:
            variance = next(variances)
            factors.append(0.0 if next(constant) or variance == 0 else weight / np.sqrt(variance))
    kinds = np.finfo(np.float32)
    return np.array([factor if kinds.tiny <= factor <= kinds.max else 0.0 for factor in factors], np.float32)


def _threshold(training_di: np.ndarray) -> float:
    low, high = np.percentile(training_di, [25, 75])
    # A number of float32, as the DI is, so that a DI at the threshold is not above it.
    return float(np.float32(min(high + 1.5 * (high - low), training_di.max())))


def _largest_square(threshold: np.float32, unit: np.float32) -> np.float32:
    """Return the largest squared distance whose DI, as the kernel rounds it, is at most the threshold."""
    with np.errstate(over="ignore", under="ignore"):
        square = np.square(threshold / unit)
        if not np.isfinite(square) or square < np.finfo(np.float32).tiny:
            # Where squares overflow or underflow the loop below would not end.
            return square
        while np.sqrt(square) * unit > threshold:
            square = np.nextafter(square, np.float32(0))
        while np.sqrt(larger := np.nextafter(square, np.float32(np.inf))) * unit <= threshold:
            square = larger
    return square


def _mean_distance(points: np.ndarray, progress: Progress) -> float:
    """Return the mean distance between two of the points, float64 (rows, features), in memory linear in the rows."""
    count = len(points)
    if count <= _ALL_PAIRS_ROWS:
        squares = np.einsum("ij,ij->i", points, points)
        step = max(1, 2**21 // count)
        total = 0.0
        for start in range(0, count, step):
            progress.check()
            stop = min(start + step, count)
            squared = squares[start:stop, None] + squares[start:] - 2 * (points[start:stop] @ points[start:].T)
            distances = np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
            np.fill_diagonal(distances, 0)
            # Within a block each pair is counted twice.
            total += distances[:, : stop - start].sum() / 2 + distances[:, stop - start :].sum()
            progress.set_fraction(stop / count)
        return float(total / (count * (count - 1) / 2))
    rng = np.random.default_rng(0)
    total, total_squared, step = 0.0, 0.0, 2**16
    for start in range(0, _DRAWN_PAIRS, step):
        progress.check()
        size = min(step, _DRAWN_PAIRS - start)
        one = rng.integers(0, count, size)
        other = (one + rng.integers(1, count, size)) % count
        squared = np.square(points[one] - points[other]).sum(axis=1)
        total += float(np.sqrt(squared).sum())
        total_squared += float(squared.sum())
        progress.set_fraction((start + size) / _DRAWN_PAIRS)
    mean = total / _DRAWN_PAIRS
    error = np.sqrt(max(total_squared / _DRAWN_PAIRS - mean**2, 0) / _DRAWN_PAIRS)
    progress.info(
        f"Mean distance between training rows from {_DRAWN_PAIRS} pairs of {count} rows: standard error "
        f"{100 * error / mean:.3f} %."
    )
    return mean


def _between_folds(
    features: np.ndarray, groups: np.ndarray, index: Index, mean_distance: float, progress: Progress
) -> np.ndarray:
    """Return the DI of each training row, float32 (rows,), to the nearest of another group."""
    from sm_toolbox.models.applicability.kernels import nearest

    # Similar rows next to each other make the search faster.
    order = np.lexsort((features[0], groups))
    di = np.empty(len(groups), np.float32)
    step = 1024
    for start in range(0, len(order), step):
        progress.check()
        some = order[start : start + step]
        nearest_di = np.empty(len(some), np.float32)
        nearest(np.ascontiguousarray(features[:, some]), groups[some], index, np.float32(1 / mean_distance), nearest_di)
        di[some] = nearest_di
        progress.set_fraction(min(start + step, len(order)) / len(order))
    return di


def _as_numbers(
    folds: Sequence[tuple[np.ndarray, np.ndarray]], count: int
) -> tuple[Sequence[tuple[np.ndarray, np.ndarray]] | None, np.ndarray]:
    """Return the fold of each row, and the folds themselves where some rows are in no training or test set."""
    number = np.zeros(count, np.int64)
    for i, (_, test) in enumerate(folds):
        number[test] = i
    whole = all(len(train) + len(test) == count for train, test in folds)
    return (None if whole else folds), number


def _between_pairs(
    features: np.ndarray,
    scale: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    mean_distance: float,
    progress: Progress,
) -> np.ndarray:
    """Return the DI of each training row, float32 (rows,), to the training rows of the fold that tests it."""
    from sm_toolbox.models.applicability.kernels import nearest

    di = np.empty(features.shape[1], np.float32)
    for number, (train, test) in enumerate(folds):
        progress.check()
        index = build_index(np.ascontiguousarray(features[:, train]), scale, np.zeros(len(train), np.int32))
        nearest_di = np.empty(len(test), np.float32)
        nearest(
            np.ascontiguousarray(features[:, test]),
            np.full(len(test), -1, np.int32),
            index,
            np.float32(1 / mean_distance),
            nearest_di,
        )
        di[test] = nearest_di
        progress.set_fraction((number + 1) / len(folds))
    return di
