"""What a comparison of scenarios says: how optimistic random rows are, whether a target is met, who is better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.experiments.comparison import ScenarioComparison
from sm_toolbox.experiments.scenarios import SCENARIOS
from sm_toolbox.metrics import student_limits
from sm_toolbox.models.assessment.baselines import BASELINES
from sm_toolbox.models.learners.catalogue import label_of
from sm_toolbox.report.page import number

# Ratios of training rows beyond which two scenarios are not of one size.
_ONE_SIZE = 2.0


@dataclass(frozen=True)
class Optimism:
    """How much smaller the error of random rows is than that of other stations.

    Parameters
    ----------
    ratio : float
        Spatial over dependent RMSE.
    model : str
        The best in the scenario spatial.
    dependent, spatial : float
        Medians of the RMSE, candidates chosen among the training rows.
    sizes : (float, float)
        Of the two scenarios: those of which the numbers of training rows are nearest.
    rows : (int, int)
        These numbers.
    """

    ratio: float
    model: str
    dependent: float
    spatial: float
    sizes: tuple[float, float]
    rows: tuple[int, int]

    @property
    def is_fair(self) -> bool:
        """Whether both are trained with about as many rows."""
        return max(self.rows) <= _ONE_SIZE * min(self.rows)


@dataclass(frozen=True)
class CorrectedDifference:
    """The difference of two errors over repeats that share rows.

    Parameters
    ----------
    difference : float
        Mean over the repeats.
    low, high : float
        95 % limits; NaN with fewer than two repeats.
    p_value : float
        Two-sided.
    """

    difference: float
    low: float
    high: float
    p_value: float


def corrected_comparison(first: np.ndarray, second: np.ndarray, train: float, test: float) -> CorrectedDifference:
    """Compare two errors over repeats with the corrected variance of Nadeau & Bengio (2003).

    Repeats share training rows and tested rows, so that their errors are not independent: s² / J, as a plain t test has
    it, is far too small a variance. Corrected it is s² (1 / J + tested rows / training rows).

    Parameters
    ----------
    first, second : ndarray of float64 (repeats,)
        Of the same repeats; where one is NaN the repeat does not count.
    train, test : float
        Numbers of rows.

    Returns
    -------
    CorrectedDifference
        first − second.

    References
    ----------
    Nadeau, C. & Bengio, Y. (2003). Inference for the generalization error. Machine Learning 52, 239–281, doi
    10.1023/A:1024068626366.

    Examples
    --------
    >>> found = corrected_comparison(np.array([0.08, 0.09, 0.07]), np.array([0.06, 0.06, 0.06]), 80, 20)
    >>> round(found.difference, 3), round(found.low, 3), round(found.high, 3)
    (0.02, -0.013, 0.053)
    """
    differences = first - second
    differences = differences[np.isfinite(differences)]
    count = len(differences)
    mean = float(differences.mean()) if count else float("nan")
    if count < 2 or not train > 0:
        return CorrectedDifference(mean, float("nan"), float("nan"), float("nan"))
    error = float(np.sqrt(differences.var(ddof=1) * (1 / count + test / train)))
    if error == 0:
        return CorrectedDifference(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    return CorrectedDifference(mean, *student_limits(mean, error, count - 1))


def best_model(result: ScenarioComparison, scenario: str, size: float, tuning: str = "nested") -> tuple[str, float]:
    """Return the model of the smallest median RMSE, and that; "" and NaN where nothing is finished.

    Parameters
    ----------
    result : ScenarioComparison
    scenario : str
    size : float
    tuning : str, optional

    Returns
    -------
    str, float
    """
    found = [(result.median(scenario, size, model, tuning), model) for model in result.settings.models]
    finite = [pair for pair in found if np.isfinite(pair[0])]
    return (min(finite)[1], min(finite)[0]) if finite else ("", float("nan"))


def best_baseline(result: ScenarioComparison, scenario: str, size: float) -> tuple[str, float]:
    """Return the key of the baseline of the smallest median RMSE, and that; "" and NaN where there is none.

    Parameters
    ----------
    result : ScenarioComparison
    scenario : str
    size : float

    Returns
    -------
    str, float
    """
    keys = [key for key in BASELINES if key in result.baselines[scenario, size].labels]
    found = [(result.median(scenario, size, key, ""), key) for key in keys]
    finite = [pair for pair in found if np.isfinite(pair[0])]
    return (min(finite)[1], min(finite)[0]) if finite else ("", float("nan"))


def optimism(result: ScenarioComparison) -> Optimism | None:
    """Return how optimistic random rows are; None without the scenarios dependent and spatial.

    Parameters
    ----------
    result : ScenarioComparison

    Returns
    -------
    Optimism or None
    """
    pairs: list[tuple[float, int, int, Optimism]] = []
    for of_rows in result.sizes.get("dependent", []):
        for of_stations in result.sizes.get("spatial", []):
            rows = result.rows("dependent", of_rows)[0], result.rows("spatial", of_stations)[0]
            model, spatial = best_model(result, "spatial", of_stations)
            if min(rows) and model:
                dependent = result.median("dependent", of_rows, model, "nested")
                # Of pairs that are about as near to one another, the larger sets say more.
                distance = round(abs(float(np.log(rows[0] / rows[1]))), 1)
                if np.isfinite(dependent) and dependent > 0:
                    found = Optimism(spatial / dependent, model, dependent, spatial, (of_rows, of_stations), rows)
                    pairs.append((distance, -min(rows), len(pairs), found))
    return min(pairs)[3] if pairs else None


def verdict(result: ScenarioComparison) -> list[str]:
    """Say in sentences what the comparison tells.

    Parameters
    ----------
    result : ScenarioComparison

    Returns
    -------
    list of str
    """
    lines = [*_of_optimism(result)]
    target, unit = result.settings.target_rmse, f" {result.unit}" if result.unit else ""
    for scenario, sizes in result.sizes.items():
        by_size = [(size, *best_model(result, scenario, size)) for size in sizes]
        by_size = [item for item in by_size if item[1]]
        if not by_size:
            continue
        met = [item for item in by_size if item[2] <= target]
        size, model, error = met[0] if met else min(by_size, key=lambda item: item[2])
        words = f"{label_of(model)} {number(error)}{unit} with {in_size(scenario, size)}"
        if met:
            line = f"The target of {target:g}{unit} is met in the scenario {scenario}: {words}."
        else:
            line = f"The target of {target:g}{unit} is not met in the scenario {scenario}: the best is {words}."
            oracles = [(size, *best_model(result, scenario, size, "oracle")) for size in sizes]
            by_oracle = [item for item in oracles if item[1] and item[2] <= target]
            if by_oracle:
                line += (
                    f" It would be ({label_of(by_oracle[0][1])} {number(by_oracle[0][2])}) with hyper-parameters "
                    "chosen on the tested rows, which nobody has."
                )
        lines.append(line)
        lines += _of_baselines(result, scenario, by_size[-1][0])
    return lines


def in_size(scenario: str, size: float) -> str:
    """Return a size in words: `5 % of the rows`.

    Parameters
    ----------
    scenario : str
    size : float

    Returns
    -------
    str
    """
    unit = SCENARIOS[scenario].unit
    return f"{size:g} {unit}" if size != 1 or unit.startswith("%") else f"1 {unit.replace('rows', 'row').rstrip('s')}"


def _of_optimism(result: ScenarioComparison) -> list[str]:
    found = optimism(result)
    if found is None:
        return []
    unit = f" {result.unit}" if result.unit else ""
    compared = (
        f"{label_of(found.model)}, {found.rows[0]:,} random rows {number(found.dependent)}{unit}, {found.rows[1]:,} "
        f"rows of {in_size('spatial', found.sizes[1])} {number(found.spatial)}{unit}"
    )
    if not found.is_fair:
        return [
            f"At other stations the error is {found.ratio:.2f} times that of random rows ({compared}), but the two are "
            "not trained with as many rows: name sizes of both scenarios that are, before this is called optimism."
        ]
    if found.ratio > 1.1:
        return [
            f"Random rows are optimistic for these data: at other stations the error is {found.ratio:.2f} times as "
            f"large ({compared}). A map is as good as the larger one says."
        ]
    return [
        f"Random rows are hardly optimistic for these data: at other stations the error is {found.ratio:.2f} times as "
        f"large ({compared})."
    ]


def _of_baselines(result: ScenarioComparison, scenario: str, size: float) -> list[str]:
    """Say where no model is better than what costs nothing, at the largest size."""
    model, error = best_model(result, scenario, size)
    baseline, free = best_baseline(result, scenario, size)
    if not baseline:
        return []
    values = result.values(scenario, size, model, "nested"), result.values(scenario, size, baseline, "")
    compared = corrected_comparison(*values, *result.rows(scenario, size))
    label = result.baselines[scenario, size].labels[baseline]
    words = f"{number(error)} against {number(free)}, {in_size(scenario, size)}"
    if error >= free:
        return [f"In the scenario {scenario} no model beats {label} ({words}): it is not worth having there."]
    if not compared.high < 0:
        return [
            f"In the scenario {scenario} the best model ({label_of(model)}) has a smaller error than {label} "
            f"({words}), but these repeats do not tell the two apart."
        ]
    return []
