"""What a model is worth at rows that took no part in its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import Metrics, metrics
from sm_toolbox.models.assessment.baselines import skill
from sm_toolbox.models.rowprediction import RowPrediction
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.meaning import MOST_MOISTURE, in_same_unit
from sm_toolbox.report import figures
from sm_toolbox.report.page import Page, number
from sm_toolbox.report.text import metric_cells, metric_head
from sm_toolbox.validation.products import ProductsValidation, common_in_words, compare_products
from sm_toolbox.validation.rating import Observed
from sm_toolbox.validation.report import Shown, continue_page, start_page

# From this share on rows that took part in the training make a result look better than it is.
_MANY_SEEN = 0.01


@dataclass(frozen=True)
class PredictionsValidation:
    """Models rated at rows that they have not seen, and what costs nothing beside them.

    Parameters
    ----------
    found : ProductsValidation
        The models, and as the last product the best baseline where there is one.
    baselines : dict of str to Metrics
        What costs nothing, made of the first model's training rows, on the rows that the first model is rated by.
    best : str or None
        The baseline of the smallest error.
    within, beyond : Metrics or None
        Of the first model, within its area of applicability and outside; None where the model does not know it.
    """

    found: ProductsValidation
    baselines: dict[str, Metrics]
    best: str | None
    within: Metrics | None
    beyond: Metrics | None

    @property
    def baseline_rmse(self) -> float:
        """RMSE of the best baseline; NaN where there is none."""
        return float("nan") if self.best is None else float(self.baselines[self.best].rmse)

    @property
    def skill(self) -> float:
        """The share of the best baseline's RMSE that the first model removes; NaN where there is none."""
        return float("nan") if self.best is None else skill(self.found.first.pooled.rmse, self.baseline_rmse)


def rate_predictions(
    observed: Observed, predictions: Mapping[str, RowPrediction], min_samples: int = 10, progress: Progress = SILENT
) -> PredictionsValidation:
    """Rate what models predict of rows that they have not seen.

    Parameters
    ----------
    observed : Observed
    predictions : mapping of str to RowPrediction
        By the model's label; the first is compared with what costs nothing, made of its training rows.
    min_samples : int, optional
        Rows that a station needs to be rated on its own; 1 where no station has so many.
    progress : Progress, optional

    Returns
    -------
    PredictionsValidation

    Raises
    ------
    InputError
        Where no row has both an observed and a predicted value, or the two are not in one unit.
    """
    first = next(iter(predictions.values()))
    products = {label: item.predicted for label, item in predictions.items()}
    everywhere = ~np.isnan(np.stack(list(products.values()))).any(axis=0)
    _check(observed, np.where(everywhere, first.predicted, np.nan))
    _tell_seen(observed, first, progress)
    _, counts = np.unique(observed.stations[observed.counts & everywhere], return_counts=True)
    if counts.max() < min_samples:
        progress.info(f"No station has {min_samples} rows: all are rated on their own, with {counts.max()} at most.")
        min_samples = 1
    why_not = {label: {"no prediction": np.isnan(values)} for label, values in products.items()}
    found = compare_products(observed, products, min_samples, why_not)
    rows = found.first.rows
    rated = {label: values[rows] for label, values in first.baselines.items() if np.isfinite(values[rows]).all()}
    baselines = {label: metrics(values, found.first.observed) for label, values in rated.items()}
    best = min(baselines, key=lambda label: float(baselines[label].rmse)) if baselines else None
    if best is not None:
        products[best] = first.baselines[best]
        found = compare_products(observed, products, min_samples, why_not)
    if len(predictions) > 1:
        progress.info(common_in_words(found))
    within = beyond = None
    applicable = first.applicable[rows]
    if np.isfinite(applicable).any():
        within, beyond = (
            metrics(found.first.predicted[applicable == value], found.first.observed[applicable == value])
            for value in (1, 0)
        )
    return PredictionsValidation(found, baselines, best, within, beyond)


def _check(observed: Observed, predicted: np.ndarray) -> None:
    both = observed.counts & np.isfinite(predicted)
    if not both.any():
        raise InputError(
            f"No row of '{observed.layer}' has an observed value and a prediction (of each model, where there are "
            "two). Check the `observed` field, and that the rows have all predictors."
        )
    medians = [float(np.median(values[both])) for values in (observed.values, predicted)]
    if in_same_unit(medians, 0)[1] or not min(medians) <= MOST_MOISTURE < max(medians):
        return
    raise InputError(
        f"The observations of '{observed.layer}' have a median of {medians[0]:.4g}, but the predictions one of "
        f"{medians[1]:.4g} at the same rows: they are not in one unit, and an error would say nothing. Give the "
        "observations in the unit of the model's target: percent are divided by 100 with 'Field calculator'."
    )


def _tell_seen(observed: Observed, prediction: RowPrediction, progress: Progress) -> None:
    # A model file keeps some thousand of its training rows, so that there may be more.
    seen, rows = (int(np.count_nonzero(chosen)) for chosen in (prediction.seen & observed.counts, observed.counts))
    if seen > _MANY_SEEN * max(1, rows):
        progress.warning(
            f"At least {seen:,} of {rows:,} rows have the predictors of rows of the training: most likely "
            "they took part in the training, and the error is smaller than that of rows that did not. Take them out "
            "('Split stations')."
        )


def worth_of_predictions(rated: PredictionsValidation) -> str:
    """Say whether the model is better than what costs nothing.

    Parameters
    ----------
    rated : PredictionsValidation

    Returns
    -------
    str
        Empty where there is nothing to compare with.
    """
    if rated.best is None:
        return ""
    beside = f"{rated.best} has {number(rated.baseline_rmse)} m³ m⁻³, the model {number(rated.found.first.pooled.rmse)}"
    if rated.skill <= 0:
        return f"On these rows the model is not worth having: {beside}."
    return f"On these rows the model removes {rated.skill:.0%} of the error of the best baseline ({beside})."


def predictions_report(
    rated: PredictionsValidation, title: str, shown: Shown, missing: Mapping[str, int], progress: Progress = SILENT
) -> Page:
    """Write the report on a model at rows that it has not seen.

    Parameters
    ----------
    rated : PredictionsValidation
    title : str
    shown : Shown
    missing : mapping of str to int
        Rows without a prediction, by reason.
    progress : Progress, optional

    Returns
    -------
    Page
    """
    page = start_page(rated.found, title, shown, progress)
    for reason, count in missing.items():
        page.notice(f"{count:,} rows have no prediction: {reason}.", warning=True)
    if rated.best is not None:
        page.notice(worth_of_predictions(rated), warning=rated.skill <= 0)
        page.heading("Is the model worth having?")
        page.table(
            ("Predicted by", *metric_head()),
            [
                (rated.found.labels[0], *metric_cells(rated.found.first.pooled.values)),
                *((label, *metric_cells(item.values)) for label, item in rated.baselines.items()),
            ],
        )
        page.text("What costs nothing is made of the rows that the model was trained on, and judged by the same rows.")
    if rated.within is not None and rated.beyond is not None:
        page.heading("Area of applicability")
        page.table(
            ("Rows", *metric_head()),
            [
                ("within", *metric_cells(rated.within.values)),
                ("outside: unlike the training", *metric_cells(rated.beyond.values)),
            ],
        )
    continue_page(page, rated.found, shown)
    return page


def bare_predictions_report(
    prediction: RowPrediction, title: str, layer: str, groups: np.ndarray | None, unit: str, progress: Progress = SILENT
) -> Page:
    """Write the report on predictions of which nobody knows the truth.

    Parameters
    ----------
    prediction : RowPrediction
    title, layer : str
    groups : ndarray of str (rows,), optional
    unit : str
        Of the target.
    progress : Progress, optional

    Returns
    -------
    Page
    """
    made = ~np.isnan(prediction.predicted)
    page = Page(title, f"{np.count_nonzero(made):,} of {len(made):,} rows of '{layer}'.", progress=progress, unit=unit)
    for reason, count in prediction.missing.items():
        page.notice(f"{count:,} rows have no prediction: {reason}.", warning=True)
    page.notice("No field of observations was given, so that nothing is said of the error.")
    if np.isfinite(prediction.applicable).any():
        share = float(np.nanmean(prediction.applicable))
        page.text(f"{share:.1%} of the predicted rows lie within the area of applicability of the model.")
    by_group = {"all rows": prediction.predicted[made]}
    if groups is not None:
        by_group = {str(name): prediction.predicted[made & (groups == name)] for name in np.unique(groups[made])}
    page.figure(figures.boxes(by_group, "predicted (m³ m⁻³)"), "Predictions.")
    return page
