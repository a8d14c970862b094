"""How far interpolated maps can be trusted: errors at stations left out, and what should be known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.stations.interpolation.result import PLAIN_MEAN, rmse

if TYPE_CHECKING:
    from sm_toolbox.stations.interpolation.result import Result

# Fewer stations have fewer than a hundred pairs.
_FOR_A_VARIOGRAM = 15


def judge(result: Result) -> list[str]:
    """List what should be known before the maps are trusted.

    Parameters
    ----------
    result : Result

    Returns
    -------
    list of str
    """
    warnings = []
    values, left_out, variogram, empirical = (
        result.observations.values,
        result.left_out,
        result.variogram,
        result.empirical,
    )
    fewest = int(np.isfinite(values).sum(axis=0).min())
    if fewest < 3:
        warnings.append(
            f"Some dates have {fewest} station{'' if fewest == 1 else 's'} only: with one, the map is its value "
            "everywhere."
        )
    if variogram is not None and empirical is not None:
        if variogram.sill == 0:
            warnings.append(
                "All values of each date are equal: the maps are these values, and their variance is 0, since "
                "nothing says how much the field varies between the stations."
            )
            return warnings
        stations = len(values)
        if stations < _FOR_A_VARIOGRAM and None in (
            result.settings.nugget,
            result.settings.sill,
            result.settings.range,
        ):
            warnings.append(
                f"The variogram rests on {stations} stations, {stations * (stations - 1) // 2} pairs: its range "
                "and nugget are rough, and the variances with them."
            )
        if variogram.nugget >= 0.9:
            warnings.append(
                f"The nugget is {100 * variogram.nugget:.0f} % of the sill: no spatial structure is seen at the "
                "distances of the stations, and the map is little more than their mean."
            )
        elif variogram.range > empirical.reach:
            warnings.append(
                f"The range ({distance_text(variogram.range)}) exceeds the distances between most stations "
                f"({distance_text(empirical.reach)}): the field has a trend, or the stations lie too close together to "
                "show how far likeness reaches. Variances far from stations are rough; "
                f"{'another' if result.drift else 'a'} drift that explains the trend helps."
            )
    mean_error = rmse(left_out.others[PLAIN_MEAN] - left_out.observed)
    if left_out.rmse > 0.99 * mean_error:
        warnings.append(
            f"At stations left out, the error (RMSE {left_out.rmse:.3g}) is hardly smaller than that of the plain "
            f"mean of the other stations ({mean_error:.3g}): the map tells nothing about differences between "
            "places."
        )
    if np.isfinite(left_out.calibration) and not 0.5 <= left_out.calibration <= 2:
        larger = "larger" if left_out.calibration > 1 else "smaller"
        warnings.append(
            f"Squared errors at stations left out are {left_out.calibration:.2g} times the kriging variances: "
            f"real errors are {larger} than the variances say."
        )
    if result.span[0] < 0 <= np.nanmin(values):
        warnings.append(
            f"The maps go down to {result.span[0]:.3g}, although no station is below 0: kriging may overshoot. "
            "Clip them, or weight by inverse distances (idw), which cannot."
        )
    return warnings


def distance_text(metres: float) -> str:
    """Write a distance in metres or kilometres.

    Parameters
    ----------
    metres : float

    Returns
    -------
    str
    """
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.3g} km"
