"""How a product's values relate to those of stations, and bringing them to theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import Progress, Unheard
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.stations.pixels import PixelRows
from sm_toolbox.stations.sampling import Rows, sample_rows

EXTRA_MATCHINGS = ("none", "mean_sd")
_FEWEST_PAIRS = 30
# A spread of so much of the stations', or its inverse, and a mean so far off, in standard deviations, are told.
_OTHER_SPREAD, _OTHER_MEAN = 0.67, 0.5


@dataclass(frozen=True)
class Likeness:
    """A product beside stations, on the rows on which both have a value.

    Parameters
    ----------
    pairs : int
    product_mean, station_mean : float
    spread : float
        Spread of the product in the course of time, as a share of that of the stations.
    station_sd : float
    """

    pairs: int
    product_mean: float
    station_mean: float
    spread: float
    station_sd: float

    @property
    def differs(self) -> bool:
        """Whether a model would learn another spread or mean."""
        off = abs(self.product_mean - self.station_mean) > _OTHER_MEAN * self.station_sd
        return off or not _OTHER_SPREAD <= self.spread <= 1 / _OTHER_SPREAD


def liken(
    product: Sequence[Source],
    rows: Rows,
    observed: np.ndarray,
    max_gap_days: TimeRule | float | None,
    progress: Progress,
) -> Likeness | None:
    """Compare a product with stations.

    Parameters
    ----------
    product : sequence of Source
        One variable.
    rows : Rows
    observed : ndarray of float64 (rows,)
        NaN where there is none.
    max_gap_days : TimeRule or float, optional
        As `sample_rows`.
    progress : Progress

    Returns
    -------
    Likeness or None
        None where fewer than 30 rows have both, or one of the two does not vary at the stations.
    """
    try:
        values = sample_rows(rows, product, TimeRule.of(max_gap_days).largest, "nearest", progress).variables[0].values
    except InputError:
        # No station lies within the product, or none at its dates.
        return None
    both = np.isfinite(values) & np.isfinite(observed)
    if both.sum() < _FEWEST_PAIRS:
        return None
    a, b = values[both], observed[both]
    # In the course of time: what differs from place to place is also of the size of cells.
    _, station = np.unique(rows.stations()[both], return_inverse=True)
    count = np.bincount(station)
    in_time = [part - (np.bincount(station, part) / count)[station] for part in (a, b)]
    spreads = [float(np.sqrt(np.mean(part**2))) for part in in_time]
    if min(spreads) <= 1e-9 * max(1.0, abs(float(b.mean()))):
        return None
    return Likeness(int(both.sum()), float(a.mean()), float(b.mean()), spreads[0] / spreads[1], float(b.std()))


def bring_to_stations(
    pixels: PixelRows,
    product: Sequence[Source],
    rows: Rows,
    observed: np.ndarray,
    wanted: str,
    max_gap_days: TimeRule | float | None,
    progress: Progress,
) -> PixelRows:
    """Bring the values of a product's pixels to the mean and spread of stations, or say where they differ.

    Parameters
    ----------
    pixels : PixelRows
    product : sequence of Source
    rows : Rows
    observed : ndarray of float64 (rows,)
    wanted : {'none', 'mean_sd'}
    max_gap_days : TimeRule or float, optional
    progress : Progress

    Returns
    -------
    PixelRows

    Raises
    ------
    InputError
        Where it is asked for, but too few rows have both.
    """
    if wanted not in EXTRA_MATCHINGS:
        raise InputError(f"`extra_matching` is '{wanted}', but must be one of: {', '.join(EXTRA_MATCHINGS)}.")
    # What the sampling says of the product was said, or does not matter here.
    found = liken(product, rows, observed, max_gap_days, Unheard(progress))
    if wanted == "none":
        if found is not None and found.differs:
            progress.warning(
                f"'{pixels.product}' has {found.spread:.2f} of the stations' spread in the course of time and a mean "
                f"of {found.product_mean:.3g}, theirs is {found.station_mean:.3g}: a model learns that, too. "
                "`extra_matching` mean_sd brings it to theirs."
            )
        return pixels
    if found is None:
        raise InputError(
            f"`extra_matching` {wanted} needs {_FEWEST_PAIRS} rows of '{rows.layer}' with an observation and a value "
            f"of '{pixels.product}', and both must change. Leave it, or match the product with 'Match product to "
            "reference'."
        )
    progress.info(
        f"'{pixels.product}' was brought to the stations: mean {found.product_mean:.3g} to {found.station_mean:.3g}, "
        f"its spread divided by {found.spread:.2f}, on {found.pairs:,} rows that have both."
    )
    values = found.station_mean + (pixels.values - found.product_mean) / found.spread
    return replace(pixels, values=values)
