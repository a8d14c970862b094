"""Several products against the same observations: on the sample they share, and by stations that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import student_limits
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.validation.anomalies import VALUES, Deviations
from sm_toolbox.validation.rating import Observed, StationValidation, rate


def label_products(text: str | None, names: Sequence[str]) -> list[str]:
    """Return the labels of products: those that are given, else their names, told apart by numbers where alike.

    Parameters
    ----------
    text : str or None
        Labels separated by commas, as many as products.
    names : sequence of str
        Of the products' files.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        Where there are more or fewer labels than products, or two are alike.

    Examples
    --------
    >>> label_products("SMAP, merged", ["smap.tif", "m.tif"]), label_products("", ["m.tif", "m.tif"])
    (['SMAP', 'merged'], ['m.tif', 'm.tif (2)'])
    """
    labels = [part.strip() for part in (text or "").split(",")]
    if labels == [""]:
        return [
            name if name not in names[:i] else f"{name} ({names[:i].count(name) + 1})" for i, name in enumerate(names)
        ]
    if len(labels) != len(names) or not all(labels):
        raise InputError(
            f"`labels` has {len([label for label in labels if label])} names for {len(names)} products "
            f"({', '.join(names)[:200]}). Give one for each, separated by commas, or none."
        )
    if len(set(labels)) < len(labels):
        raise InputError(f"`labels` names two products alike ({', '.join(labels)[:200]}). Give each its own name.")
    return labels


@dataclass(frozen=True)
class ProductsValidation:
    """Products rated by the same observations.

    Parameters
    ----------
    labels : tuple of str
        Of the products.
    results : tuple of StationValidation
        Of each, on the sample that counts.
    own : tuple of StationValidation or None
        Of each on all its own pairs; None where no station has enough of them.
    common : bool
        Whether the sample that counts is the rows on which all products have a value.
    """

    labels: tuple[str, ...]
    results: tuple[StationValidation, ...]
    own: tuple[StationValidation | None, ...]
    common: bool

    @property
    def differs(self) -> bool:
        """Whether some product has pairs that are not of the common sample."""
        return any(own is not None and own.pooled.n > each.pooled.n for own, each in zip(self.own, self.results))

    @property
    def first(self) -> StationValidation:
        """The first product, which the others are compared with."""
        return self.results[0]


def compare_products(
    observations: Observed,
    products: Mapping[str, np.ndarray],
    min_samples: int = 10,
    why_not: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    deviations: Deviations = VALUES,
    common_sample: bool = True,
    progress: Progress = SILENT,
) -> ProductsValidation:
    """Rate products by the same observations.

    Parameters
    ----------
    observations : Observed
    products : mapping of str to ndarray of float64 (rows,)
        Values by label; NaN where there is none.
    min_samples : int, optional
        Pairs that a station needs to be rated on its own.
    why_not : mapping of str to mapping of str to ndarray of bool (rows,), optional
        Rows without a value of each product, by reason.
    deviations : Deviations, optional
        What of a series is compared.
    common_sample : bool, optional
        Whether only rows count on which all products have a value: errors of different rows cannot be compared.
    progress : Progress, optional

    Returns
    -------
    ProductsValidation

    Raises
    ------
    InputError
        Where no station has enough pairs: of the common sample, or of a product.

    Examples
    --------
    >>> observed, stations = np.array([0.1, 0.2, 0.3, 0.2, 0.15]), np.array(["a"] * 5)
    >>> times = np.datetime64("2018-06-01", "s") + np.arange(5) * np.timedelta64(86400, "s")
    >>> rows = Observed("stations", stations, times, observed)
    >>> gap = np.array([0, 0, 0, 0, np.nan])
    >>> found = compare_products(rows, {"near": observed + 0.01, "far": observed + 0.1 + gap}, min_samples=3)
    >>> [(result.pooled.n, round(result.pooled.rmse, 3)) for result in found.results], found.own[0].pooled.n
    ([(4, 0.01), (4, 0.1)], 5)
    """
    reasons = why_not or {}
    own: list[StationValidation | None] = []
    for label, values in products.items():
        try:
            own.append(rate(observations, values, min_samples, reasons.get(label), deviations))
        except InputError as error:
            if len(products) == 1:
                raise
            if not common_sample:
                raise InputError(f"'{label}': {error}") from None
            own.append(None)
    if len(products) == 1 or not common_sample:
        return ProductsValidation(tuple(products), tuple(item for item in own if item is not None), tuple(own), False)
    everywhere = ~np.isnan(np.stack(list(products.values()))).any(axis=0)
    results = []
    for label, values in products.items():
        others = {**reasons.get(label, {}), "no value of another product": ~np.isnan(values) & ~everywhere}
        common = np.where(everywhere, values, np.nan)
        try:
            results.append(rate(observations, common, min_samples, others, deviations))
        except InputError as error:
            counts = ", ".join(
                f"'{name}' {np.count_nonzero(observations.counts & ~np.isnan(each)):,}"
                for name, each in products.items()
            )
            raise InputError(
                f"The products have too few common pairs ({np.count_nonzero(observations.counts & everywhere):,}; each "
                f"on its own: {counts}). {error} Or switch `common_sample` off: then each is rated on its own "
                "pairs, and their errors are not to be compared."
            ) from None
    found = ProductsValidation(tuple(products), tuple(results), tuple(own), True)
    progress.info(common_in_words(found))
    return found


def common_in_words(found: ProductsValidation) -> str:
    """Say how the products do on their common sample, and each on its own.

    Parameters
    ----------
    found : ProductsValidation

    Returns
    -------
    str
    """
    parts = []
    for label, result, own in zip(found.labels, found.results, found.own):
        alone = (
            "" if own is None or not found.differs else f" (on all its {own.pooled.n:,} pairs {own.pooled.rmse:.4f})"
        )
        parts.append(f"'{label}' {result.pooled.rmse:.4f}{alone}")
    where = f"On the {found.first.pooled.n:,} pairs that all products have" if found.common else "Each on its own pairs"
    return f"{where} the RMSE is: {', '.join(parts)}."


@dataclass(frozen=True)
class PairedDifference:
    """How two products differ at the same stations.

    Parameters
    ----------
    metric : str
        A key of `COMPARED`.
    stations : int
        That both have a value at.
    mean : float
        Mean over stations of the second product's metric less the first's.
    low, high : float
        95 % confidence limits of the mean, by Student's t; NaN where there are fewer than three stations.
    p : float
        Of no difference, by the same test; NaN as the limits.
    better : float
        Share of the stations at which the second product is better.
    """

    metric: str
    stations: int
    mean: float
    low: float
    high: float
    p: float
    better: float


COMPARED = {"r": "R", "rmse": "RMSE", "ubrmse": "ubRMSE", "bias": "size of the bias"}
"""Metrics by which products are compared at stations, with their words; of the bias its size."""
_FEWEST_STATIONS = 3


def paired_difference(
    first: StationValidation, second: StationValidation, metric: str, group: str | None = None
) -> PairedDifference:
    """Compare two products at the stations that both are rated at.

    Pairs of one station are no independent samples, and stations differ in what all products find hard: so it is the
    difference at each station that counts, once.

    Parameters
    ----------
    first, second : StationValidation
    metric : str
        A key of `COMPARED`.
    group : str, optional
        Only stations of this group.

    Returns
    -------
    PairedDifference

    Examples
    --------
    >>> from sm_toolbox.validation.rating import Observed, rate
    >>> rng = np.random.default_rng(0)
    >>> observed, stations = rng.uniform(0.1, 0.4, 60), np.repeat([f"s{i}" for i in range(6)], 10)
    >>> rows = Observed("stations", stations, np.full(60, np.datetime64("NaT", "s")), observed)
    >>> close, far = (rate(rows, observed + size * rng.standard_normal(60)) for size in (0.01, 0.05))
    >>> found = paired_difference(close, far, "rmse")
    >>> found.stations, found.low > 0, found.p < 0.01, found.better
    (6, True, True, 0.0)
    """
    values: list[dict[str, float]] = []
    for result in (first, second):
        kept = [item for item in result.by_station if group is None or item.group == group]
        values.append({item.station: float(item.metrics.values[metric]) for item in kept})
    names = [name for name in values[0] if name in values[1]]
    before, after = (np.array([side[name] for name in names], float) for side in values)
    if metric == "bias":
        before, after = np.abs(before), np.abs(after)
    difference = (after - before)[np.isfinite(after - before)]
    n, nan = len(difference), float("nan")
    if n == 0:
        return PairedDifference(metric, 0, nan, nan, nan, nan, nan)
    mean = float(difference.mean())
    better = float(np.mean(difference > 0 if metric == "r" else difference < 0))
    error = float(difference.std(ddof=1) / np.sqrt(n)) if n >= _FEWEST_STATIONS else nan
    if not error > 0:
        # Products that are equal everywhere, or differ by the same everywhere, have no spread to test against.
        return PairedDifference(metric, n, mean, nan, nan, nan, better)
    return PairedDifference(metric, n, mean, *student_limits(mean, error, n - 1), better)


def pairs_of(labels: Sequence[str]) -> list[tuple[int, int]]:
    """List the pairs of products, the first against all others before the others among themselves.

    Parameters
    ----------
    labels : sequence of str

    Returns
    -------
    list of (int, int)
    """
    return [(i, j) for i in range(len(labels)) for j in range(i + 1, len(labels))]
