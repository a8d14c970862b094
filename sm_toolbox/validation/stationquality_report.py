"""The report on what stations are worth as training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.report.figures import station_map
from sm_toolbox.report.page import Page
from sm_toolbox.validation.stationquality import QualitySettings, StationQuality


def quality_report(
    found: Sequence[StationQuality], settings: QualitySettings, is_degrees: bool, progress: Progress = SILENT
) -> Page:
    """Write the report on the quality of stations.

    Parameters
    ----------
    found : sequence of StationQuality
        As `judge_stations` returns them.
    settings : QualitySettings
    is_degrees : bool
        Whether places are in degrees.
    progress : Progress, optional

    Returns
    -------
    Page
    """
    judged = [item for item in found if item.representative is not None]
    good = [item for item in judged if item.representative]
    page = Page("Quality of stations", f"{len(found)} stations, {len(judged)} of them judged.", progress=progress)
    page.notice(
        f"{len(good)} of {len(judged)} stations stand for the cells of the products: their correlation with the truth "
        f"is at least {settings.min_correlation:g}.",
        warning=len(good) < len(judged) / 2,
    )
    page.text(
        "The truth is what the station and two products with independent errors share. What a station does not share "
        "with the land around it, an irrigated field or a hollow, counts as error here, however well its sensor works. "
        "The weight is for 'Train model': 0 where a station is not representative, 1 on average of the others."
    )
    if judged:
        x, y, r = (np.array([getattr(item, name) for item in judged]) for name in ("x", "y", "correlation"))
        page.figure(
            station_map(x, y, np.nan_to_num(r), "correlation with the truth", is_degrees),
            "Judged stations; those that do not follow the products are drawn at 0.",
        )
    page.table(
        ("Station", "days", "error", "correlation", "SNR [dB]", "representative", "why not", "weight"),
        [
            (
                item.name,
                item.n,
                item.error,
                item.correlation,
                item.snr,
                "not judged" if item.representative is None else "yes" if item.representative else "no",
                item.reason,
                item.weight,
            )
            for item in found
        ],
        sortable=True,
    )
    return page
