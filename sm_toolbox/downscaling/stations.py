"""A fine map against stations, beside the coarse product as it is and resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.metrics import Metrics, correlation
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.opening import Source
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.validation.products import ProductsValidation
from sm_toolbox.validation.rating import StationValidation
from sm_toolbox.validation.stations import Comparison, validate_products

MAP, NEAREST, BILINEAR = "downscaled", "product, nearest cell", "product, bilinear"
"""Labels of what is compared."""


@dataclass(frozen=True)
class StationValues:
    """Observations that take no part in the making of a map.

    Parameters
    ----------
    rows : Rows
    values : ndarray of float64 (rows,)
        m³ m⁻³; NaN where there is none.
    """

    rows: Rows
    values: np.ndarray

    def check(self, coarse: Sequence[Source], progress: Progress) -> None:
        """Find out before the work whether the stations can be compared with the product.

        Parameters
        ----------
        coarse : sequence of Source
        progress : Progress
            Only asked for Cancel: what is to be said is said at the end.

        Raises
        ------
        InputError
            As `validate_products`: where nothing matches in place and time, or the units differ.
        """
        progress.check()
        validate_products(self.rows, self.values, {NEAREST: coarse}, how=Comparison(min_samples=1))

    def compare(self, output: str, coarse: Sequence[Source], progress: Progress = SILENT) -> StationGain | None:
        """Rate map and product by the observations that both have a value at.

        Parameters
        ----------
        output : str
            The map.
        coarse : sequence of Source
        progress : Progress, optional

        Returns
        -------
        StationGain or None
            None, with a warning, where the map has no value at any observation that the product has one at.
        """
        how = Comparison(min_samples=1, method={MAP: "nearest", NEAREST: "nearest", BILINEAR: "bilinear"})
        products = {MAP: [Source(output)], NEAREST: coarse, BILINEAR: coarse}
        try:
            return StationGain(validate_products(self.rows, self.values, products, how=how, progress=progress))
        except InputError as error:
            progress.warning(f"The map is not compared with '{self.rows.layer}': {error}")
            return None


@dataclass(frozen=True)
class StationGain:
    """What a map gains over the product that it was made from, at stations.

    Parameters
    ----------
    found : ProductsValidation
        Of the map, the product's nearest cell, and the product bilinear, on the same pairs.
    """

    found: ProductsValidation

    @property
    def map(self) -> Metrics:
        """Of the map."""
        return self.found.results[0].pooled

    @property
    def best(self) -> Metrics:
        """Of the product, resampled the way that has the smaller error."""
        return min((result.pooled for result in self.found.results[1:]), key=lambda item: item.rmse)

    @property
    def percent(self) -> float:
        """The share of the resampled product's RMSE that the map removes, percent; NaN where that has none."""
        return 100 * (1 - self.map.rmse / self.best.rmse) if self.best.rmse > 0 else float("nan")

    def r_of_places(self) -> list[float]:
        """Return for map and product the correlation of the stations' means, which only differ in space."""
        return [_r_of_places(result) for result in self.found.results]


def _r_of_places(result: StationValidation) -> float:
    _, station = np.unique(result.stations, return_inverse=True)
    counts = np.bincount(station)
    if len(counts) < 3:
        return float("nan")
    return correlation(*(np.bincount(station, values) / counts for values in (result.predicted, result.observed)))
