"""Sentences and rows that several reports share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sm_toolbox.metrics import METRICS, Metrics
from sm_toolbox.report.page import number


def metric_head(short: bool = False) -> list[str]:
    """Return the head of the columns that `metric_cells` fills; a short table leaves out what other metrics imply.

    Parameters
    ----------
    short : bool, optional

    Returns
    -------
    list of str
    """
    return [row.symbol for row in METRICS.values() if row.is_own or not short]


def metric_cells(values: Mapping[str, Any], short: bool = False) -> list[Any]:
    """Return the cells of a table row under `metric_head`; None for a metric that a model file does not have.

    Parameters
    ----------
    values : mapping of str to float
        By key of `METRICS`.
    short : bool, optional
        As `metric_head`.

    Returns
    -------
    list
    """
    return [values.get(key) for key, row in METRICS.items() if row.is_own or not short]


def metrics_explained() -> str:
    """Say what the metrics of a table are."""
    return " ".join(row.explained for row in METRICS.values() if row.explained)


def summary(values: Metrics) -> str:
    """Return the note of a scatter plot.

    Parameters
    ----------
    values : Metrics

    Returns
    -------
    str
    """
    return (
        f"n = {values.n:,}\nR = {number(values.r)}\nR² = {number(values.r2)}\nRMSE = {number(values.rmse)}\nubRMSE = "
        f"{number(values.ubrmse)}\nbias = {number(values.bias)}"
    )


def bare_coverage(share: float) -> str:
    """Return the coverage without calibration; a model without quantiles of its own has none.

    Parameters
    ----------
    share : float
        0 to 1.

    Returns
    -------
    str
    """
    return f"{share:.1%}" if share > 0 else "–"
