"""Groups of stations (land cover, network): how each product does in them, and whether differences are by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.metrics import student_limits
from sm_toolbox.validation.products import ProductsValidation, paired_difference
from sm_toolbox.validation.rating import StationMetrics, StationValidation

EVERY_STATION = "all stations"


@dataclass(frozen=True)
class GroupRow:
    """A product at the stations of a group.

    Parameters
    ----------
    group, product : str
    stations : int
        Rated ones.
    n : int
        Their pairs.
    mean, median : dict of str to float
        Over the stations, of r, rmse, ubrmse and bias; NaN where no station has it.
    p_bias_zero : float
        Of a mean bias of the stations that is none, by Student's t; NaN where there are fewer than three.
    p_first : dict of str to float
        Of no difference to the first product at the same stations, of the keys of `COMPARED`; NaN of the first itself.
    """

    group: str
    product: str
    stations: int
    n: int
    mean: dict[str, float]
    median: dict[str, float]
    p_bias_zero: float
    p_first: dict[str, float]


GROUP_METRICS = ("r", "rmse", "ubrmse", "bias")


def group_rows(found: ProductsValidation) -> list[GroupRow]:
    """Summarise products by group of stations, and over all stations.

    Parameters
    ----------
    found : ProductsValidation

    Returns
    -------
    list of GroupRow
        By group in the order of their names, all stations last; of each the products in their order.
    """
    names = sorted({item.group for result in found.results for item in result.by_station if item.group is not None})
    rows = []
    for group in (*names, None):
        for label, result in zip(found.labels, found.results):
            members = [item for item in result.by_station if group is None or item.group == group]
            if members:
                rows.append(_row(group, label, members, found, result))
    return rows


def _row(
    group: str | None, label: str, members: list[StationMetrics], found: ProductsValidation, result: StationValidation
) -> GroupRow:
    values = {key: np.array([item.metrics.values[key] for item in members], float) for key in GROUP_METRICS}
    valid = {key: each[np.isfinite(each)] for key, each in values.items()}
    return GroupRow(
        EVERY_STATION if group is None else group,
        label,
        len(members),
        sum(item.metrics.n for item in members),
        {key: float(each.mean()) if len(each) else float("nan") for key, each in valid.items()},
        {key: float(np.median(each)) if len(each) else float("nan") for key, each in valid.items()},
        _p_of_zero(valid["bias"]),
        {
            key: float("nan") if result is found.first else paired_difference(found.first, result, key, group).p
            for key in GROUP_METRICS
        },
    )


def _p_of_zero(values: np.ndarray) -> float:
    """Return the p-value of a mean of zero; NaN for fewer than three values, and for equal ones."""
    if len(values) < 3 or not values.std() > 0:
        return float("nan")
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return student_limits(float(values.mean()), error, len(values) - 1)[2]


def groups_differ(result: StationValidation, metric: str) -> float:
    """Return the p-value of groups whose stations are alike, by the ranks of Kruskal and Wallis.

    Parameters
    ----------
    result : StationValidation
    metric : str
        A key of `METRICS`.

    Returns
    -------
    float
        NaN where there are fewer than two groups with three stations or more.
    """
    from scipy import stats

    by_group: dict[str, list[float]] = {}
    for item in result.by_station:
        value = float(item.metrics.values[metric])
        if item.group is not None and np.isfinite(value):
            by_group.setdefault(item.group, []).append(value)
    large = [values for values in by_group.values() if len(values) >= 3]
    if len(large) < 2 or np.ptp(np.concatenate(large)) == 0:
        return float("nan")
    return float(stats.kruskal(*large).pvalue)


@dataclass(frozen=True)
class Tenth:
    """The pairs of a tenth of the observed values, from the driest to the wettest.

    Parameters
    ----------
    low, high : float
        Of the observed values.
    n : int
    observed, predicted, bias : float
        Means; the bias is predicted − observed.
    """

    low: float
    high: float
    n: int
    observed: float
    predicted: float
    bias: float


def by_tenth(predicted: np.ndarray, observed: np.ndarray, parts: int = 10) -> list[Tenth]:
    """Average pairs by tenths of the observed values: how far dry is too wet, and wet too dry.

    Parameters
    ----------
    predicted, observed : ndarray of float64 (pairs,)
    parts : int, optional
        Fewer where there are fewer pairs.

    Returns
    -------
    list of Tenth
        From the driest on, with as many pairs each as can be.

    Examples
    --------
    >>> observed = np.arange(100) / 200
    >>> rows = by_tenth(0.25 + 0.5 * (observed - 0.25), observed)
    >>> len(rows), rows[0].n, round(rows[0].bias, 3), round(rows[-1].bias, 3)
    (10, 10, 0.114, -0.111)
    """
    order = np.argsort(observed, kind="stable")
    found = []
    for part in np.array_split(order, min(parts, len(order))):
        o, p = observed[part], predicted[part]
        found.append(
            Tenth(float(o.min()), float(o.max()), len(part), float(o.mean()), float(p.mean()), float((p - o).mean()))
        )
    return found


def spread_ratio(predicted: np.ndarray, observed: np.ndarray) -> float:
    """Return the standard deviation of the predicted over that of the observed values: below 1 where extremes are lost.

    Parameters
    ----------
    predicted, observed : ndarray of float64 (pairs,)

    Returns
    -------
    float
        NaN where the observed values do not vary.
    """
    spread = float(observed.std())
    return float(predicted.std()) / spread if spread > 1e-12 else float("nan")
