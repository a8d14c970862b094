"""Sentences and rows that several reports share."""

from __future__ import annotations

from sm_toolbox.metrics import Metrics
from sm_toolbox.report.page import number

HEAD = ("n", "R", "r²", "R²", "RMSE", "ubRMSE", "bias", "slope")
EXPLAINED = (
    "R is Pearson's correlation and r² its square. R² = 1 − SSE/SST is the share of the variance explained; it is negative where the observed mean would be the better prediction. "
    "RMSE, ubRMSE (RMSE without the bias) and bias (predicted − observed) are in m³ m⁻³. The slope is that of observed on predicted; 1 is ideal."
)


def metric_cells(values: Metrics) -> tuple[float, ...]:
    """Return the cells of a table row under `HEAD`."""
    return values.n, values.r, values.r_squared, values.r2, values.rmse, values.ubrmse, values.bias, values.slope


def summary(values: Metrics) -> str:
    """Return the note of a scatter plot."""
    return f"n = {values.n:,}\nR = {number(values.r)}\nR² = {number(values.r2)}\nRMSE = {number(values.rmse)}\nubRMSE = {number(values.ubrmse)}\nbias = {number(values.bias)}"


def bare_coverage(share: float) -> str:
    """Return the coverage without calibration; a model without quantiles of its own has none."""
    return f"{share:.1%}" if share > 0 else "–"
