"""What reports say of rows that were held out of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sm_toolbox.metrics import Metrics
from sm_toolbox.models.assessment.holdout import Holdout
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.report.text import metric_cells, metric_head, summary

_EXPLAINED = "Rows held out took part in nothing: neither in the fit, nor in folds or a search."


def holdout_in_words(holdout: Holdout | None) -> str:
    """Say how the model does at rows that were held out.

    Parameters
    ----------
    holdout : Holdout or None

    Returns
    -------
    str
        Empty where none were.
    """
    if holdout is None:
        return ""
    values = holdout.metrics
    rows = f"{values.n:,} rows held out" + (f" ({holdout.beside})" if holdout.beside else "")
    beside = ""
    if holdout.best is not None:
        beside = f"; {holdout.best} has {number(holdout.baselines[holdout.best].rmse)} m³ m⁻³"
    return f"On {rows} the RMSE is {number(values.rmse)} m³ m⁻³, R {number(values.r)}{beside}."


def add_holdout(page: Page, holdout: Holdout, out_of_fold: Metrics, split: str) -> None:
    """Add the section on rows that were held out.

    Parameters
    ----------
    page : Page
    holdout : Holdout
    out_of_fold : Metrics
        Of the chosen split, to set beside.
    split : str
        Its word.
    """
    page.heading("Rows held out")
    page.table(
        ("Rows", "predicted by", *metric_head()),
        [
            ("held out", "the model", *metric_cells(holdout.metrics.values)),
            *(("held out", label, *metric_cells(values.values)) for label, values in holdout.baselines.items()),
            (f"training, out of fold (split '{split}')", "the model", *metric_cells(out_of_fold.values)),
        ],
    )
    page.figure(
        figures.scatter(holdout.target, holdout.predictions, "Rows held out", summary(holdout.metrics)),
        "Predictions of the model at rows that were held out.",
    )
    page.text(f"{_EXPLAINED} They are of {holdout.beside}." if holdout.beside else _EXPLAINED)


def add_kept_holdout(page: Page, record: Mapping[str, Any]) -> None:
    """Add the section on rows that were held out, from what a model file keeps.

    Parameters
    ----------
    page : Page
    record : mapping
        As `Holdout.to_record`.
    """
    page.heading("Rows held out")
    page.table(
        ("Predicted by", *metric_head()),
        [
            ("the model", *metric_cells(record["metrics"])),
            *((item["label"], *metric_cells(item)) for item in record.get("baselines") or ()),
        ],
    )
    beside = record.get("beside")
    page.text(f"{_EXPLAINED} They are of {beside}." if beside else _EXPLAINED)
