"""Whether anything was gained by downscaling, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_toolbox.downscaling.fine import FineMap
from sm_toolbox.downscaling.learning import CoarseModel
from sm_toolbox.downscaling.stations import StationGain
from sm_toolbox.report.page import number

# Below this share of an error nobody would notice the difference on a map.
_HARDLY = 0.05
# From this roughness on neighbours are about as different as any two cells: noise, which has 1.
_NOISE = 0.8
# Detail below this share of what differs between coarse cells is none.
_NO_DETAIL = 0.02


@dataclass(frozen=True)
class Judgement:
    """What a downscaling is worth.

    Parameters
    ----------
    skill : float
        Of the model on coarse cells left out, over the best of what costs nothing.
    skill_in_space : float
        The same without what differs from date to date: over the mean of each date's cells.
    faults : list of str
        Why nothing was gained; none where something was.
    station_gain : float
        Percent; NaN without stations.
    """

    skill: float
    skill_in_space: float
    faults: list[str]
    station_gain: float

    @property
    def gained(self) -> bool:
        """Whether something was gained, as far as this can be told."""
        return not self.faults

    def in_words(self) -> str:
        """Say what was gained, or that nothing was and why."""
        if self.faults:
            return f"Nothing was gained by downscaling: {'; '.join(self.faults)}."
        at_stations = (
            "No stations were given, so that nothing is known of the detail within the coarse cells but that it comes "
            "of predictors which explain the cells themselves."
            if np.isnan(self.station_gain)
            else f"At the stations the map removes {self.station_gain:.0f} % of the error of the resampled product."
        )
        return (
            f"The predictors explain coarse cells that the model has not seen: it removes {self.skill:.0%} of the "
            f"error of what costs nothing, and {self.skill_in_space:.0%} of what differs between the cells of a date. "
            f"{at_stations}"
        )


def judge_downscaling(coarse_model: CoarseModel, fine: FineMap, gain: StationGain | None) -> Judgement:
    """Find out whether anything was gained.

    Parameters
    ----------
    coarse_model : CoarseModel
    fine : FineMap
    gain : StationGain or None

    Returns
    -------
    Judgement

    Notes
    -----
    Four things can be known. Predictors that say nothing of the product, such as shuffled ones, do not explain cells
    that were left out better than the mean of the other cells on the same date does; what changes from date to date
    is no detail, so that it is taken off. Detail that is there must be more than nothing, and more than noise. And at
    stations the map must be nearer to the truth than the product is.
    """
    training = coarse_model.training
    skill = training.chosen.skill
    space = skill_in_space(coarse_model)
    spread = float(np.nanstd(coarse_model.prepared.table.target))
    faults = []
    if skill <= 0:
        best = training.chosen.best_baseline
        faults.append(
            f"on coarse cells left out the model has an RMSE of {number(training.chosen.metrics.rmse)} m³ m⁻³, "
            f"{best.label if best else 'what costs nothing'} one of {number(best.metrics.rmse if best else np.nan)}"
        )
    if not space > _HARDLY:
        faults.append(
            "which coarse cells of a date are wetter than others the predictors do not tell: on cells left out the "
            f"error is {_more_or_less(space)} that of the date's mean"
        )
    if not fine.detail.spread > _NO_DETAIL * spread:
        faults.append("the predictors hardly differ within coarse cells, so that the map has no detail there")
    elif fine.detail.roughness > _NOISE:
        faults.append(
            "within coarse cells neighbours on the map are as different as any two cells (roughness "
            f"{fine.detail.roughness:.2f}, noise has 1), so that its detail cannot be told from noise"
        )
    percent = float("nan") if gain is None else gain.percent
    if percent <= 0:
        assert gain is not None
        faults.append(
            f"at the stations the map has an RMSE of {number(gain.map.rmse)} m³ m⁻³, the resampled product "
            f"{number(gain.best.rmse)}"
        )
    return Judgement(skill, space, faults, percent)


def skill_in_space(coarse_model: CoarseModel) -> float:
    """Return the share of what differs between the cells of a date that a model explains on cells it has not seen.

    Parameters
    ----------
    coarse_model : CoarseModel

    Returns
    -------
    float
        1 − RMSE / RMSE of the date's mean, both without the mean of each date; NaN where no date has two cells.
    """
    table, rows = coarse_model.table, coarse_model.rows
    _, date = np.unique(table.date[rows], return_inverse=True)
    counts = np.bincount(date)

    def without_date(values: np.ndarray) -> np.ndarray:
        return np.asarray(values - (np.bincount(date, values) / counts)[date])

    observed = without_date(coarse_model.prepared.table.target)
    predicted = without_date(coarse_model.training.chosen.predictions)
    total = float(np.sum(observed**2))
    return 1 - float(np.sqrt(np.sum((predicted - observed) ** 2) / total)) if total > 0 else float("nan")


def _more_or_less(skill: float) -> str:
    return f"{1 - skill:.2f} times" if np.isfinite(skill) else "not less than"
