"""A product against stations: pairs in time and place, metrics of each station and of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from sm_toolbox.columns import moments_of
from sm_toolbox.errors import InputError
from sm_toolbox.models.planes import VARIABLE
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.bands import Stack, read_bands, single_stack, stacks
from sm_toolbox.raster.cells import CellRule
from sm_toolbox.raster.grid import metres_per_degree
from sm_toolbox.raster.meaning import MOST_MOISTURE, in_same_unit, refuse_fills
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.stations.sampling import Rows, VariableSamples, reaches_in_words, sample_rows
from sm_toolbox.validation.anomalies import VALUES, Deviations
from sm_toolbox.validation.products import ProductsValidation, compare_products
from sm_toolbox.validation.rating import Observed, StationValidation

# Metres within which coordinates of one name are of one station, given to more or fewer digits.
_ONE_PLACE = 1000.0


@dataclass(frozen=True)
class Comparison:
    """How products are brought to observations, and rated.

    Parameters
    ----------
    max_gap_days : TimeRule or float, optional
        How far in time a product may lie from an observation; by default half the distance of its dates.
    min_samples : int, optional
        Pairs that a station needs to be rated on its own.
    method : {'nearest', 'bilinear'} or CellRule, or a mapping of these by label, optional
        How a value is taken at a point, from each product's own cells; or, by a `CellRule`, the value that the product
        has in the cell of a grid that holds the point.
    common_sample : bool, optional
        Whether several products are rated on the rows on which all of them have a value.
    deviations : Deviations, optional
        What of a series is compared: its values, or what is left without the season.
    """

    max_gap_days: TimeRule | float | None = None
    min_samples: int = 10
    method: str | CellRule | Mapping[str, str | CellRule] = "nearest"
    common_sample: bool = True
    deviations: Deviations = VALUES

    def method_of(self, label: str) -> str | CellRule:
        """Return how a value of one product is taken at a point.

        Parameters
        ----------
        label : str
            Of the product.

        Returns
        -------
        str or CellRule
        """
        return self.method[label] if isinstance(self.method, Mapping) else self.method


def validate_stations(
    rows: Rows, observed: np.ndarray, sources: Sequence[Source], groups: Sequence[str | None] | None = None, *,
    max_gap_days: TimeRule | float | None = None, min_samples: int = 10, method: str = "nearest",
    progress: Progress = SILENT,
) -> StationValidation:  # fmt: skip
    """Compare a product with observations.

    Parameters
    ----------
    rows : Rows
        Place, time and station of each observation.
    observed : ndarray of float64 (rows,)
        m³ m⁻³; NaN where there is none.
    sources : sequence of Source
        The product: one variable, static or dated. Where there are several, `soil_moisture` is taken.
    groups : sequence of str, optional
        A property of the stations (land cover, network) for the report.
    max_gap_days : TimeRule or float, optional
        How far in time the product may lie from an observation; by default half the distance of its dates.
    min_samples : int, optional
        Pairs that a station needs to be rated on its own.
    method : {'nearest', 'bilinear'}, optional
    progress : Progress, optional

    Returns
    -------
    StationValidation

    Raises
    ------
    InputError
        Where nothing matches, no station has a name, no station has enough pairs, or product and observations are not
        in one unit.

    Notes
    -----
    Places of one name that are more than 1 km apart are stations of their own, and the same observation in several rows
    is counted once; both with a warning.

    Examples
    --------
    >>> from sm_toolbox.demo.example import LEFT, TOP, write_example
    >>> from sm_toolbox.raster.opening import grid_of
    >>> from sm_toolbox.raster.times import parse_dates
    >>> observed = 0.2 + 0.1 * np.sin(np.arange(20) / 3)
    >>> times = parse_dates("2018-06-01/2018-06-20")
    >>> bands = {f"soil_moisture@{time}": [[value + 0.01]] for time, value in zip(times, observed)}
    >>> product = write_example("product.tif", bands, cell=100)
    >>> rows = Rows("stations", np.full(20, LEFT + 50), np.full(20, TOP - 50), grid_of(product).crs, times, ["a"] * 20)
    >>> pooled = validate_stations(rows, observed, [product]).pooled
    >>> pooled.n, round(pooled.r, 3), round(pooled.bias, 3)
    (20, 1.0, 0.01)
    """
    how = Comparison(max_gap_days, min_samples, method)
    return validate_products(rows, observed, {"product": sources}, groups, how, progress).first


def validate_products(
    rows: Rows,
    observed: np.ndarray,
    products: Mapping[str, Sequence[Source]],
    groups: Sequence[str | None] | None = None,
    how: Comparison = Comparison(),
    progress: Progress = SILENT,
) -> ProductsValidation:
    """Compare several products with the same observations.

    Parameters
    ----------
    rows : Rows
        Place, time and station of each observation.
    observed : ndarray of float64 (rows,)
        m³ m⁻³; NaN where there is none.
    products : mapping of str to sequence of Source
        By label, each as `validate_stations` takes one.
    groups : sequence of str, optional
        A property of the stations (land cover, network) for the report.
    how : Comparison, optional
    progress : Progress, optional

    Returns
    -------
    ProductsValidation

    Raises
    ------
    InputError
        As `validate_stations` for each product, and where the products have too few pairs in common.

    Examples
    --------
    >>> from sm_toolbox.demo.example import LEFT, TOP, write_example
    >>> from sm_toolbox.raster.opening import grid_of
    >>> from sm_toolbox.raster.times import parse_dates
    >>> observed = 0.2 + 0.1 * np.sin(np.arange(20) / 3)
    >>> times = parse_dates("2018-06-01/2018-06-20")
    >>> def product(name, error, count):
    ...     bands = {f"soil_moisture@{time}": [[value + error]] for time, value in zip(times[:count], observed)}
    ...     return [write_example(name, bands, cell=100)]
    >>> near, far = product("near.tif", 0.01, 20), product("far.tif", 0.05, 12)
    >>> x, y = np.full(20, LEFT + 50), np.full(20, TOP - 50)
    >>> rows = Rows("stations", x, y, grid_of(near[0]).crs, times, ["a"] * 20)
    >>> found = validate_products(rows, observed, {"near": near, "far": far}, how=Comparison(max_gap_days=0))
    >>> [(each.pooled.n, round(each.pooled.rmse, 3)) for each in found.results], found.own[0].pooled.n
    ([(12, 0.01), (12, 0.05)], 20)
    """
    if np.isnan(observed).all():
        raise InputError(f"No row of '{rows.layer}' has an observed value. Check the `observed` field.")
    if rows.names is not None and not any(rows.names):
        raise InputError(
            f"The `names` field of '{rows.layer}' is NULL in all rows: there is no station in it. Choose the "
            "field with their names or numbers."
        )
    rows = _told_apart(rows, progress)
    repeated = _repeated(rows, observed, progress)
    values, reasons = {}, {}
    for number, (label, sources) in enumerate(products.items()):
        part = progress.part(number / len(products), (number + 1) / len(products))
        argument = f"sources[{number}]" if number else "sources"
        sampled = _sampled(rows, observed, sources, (how.max_gap_days, how.method_of(label)), argument, part)
        values[label], reasons[label] = sampled.values, why_not(sampled)
    found = compare_products(
        observations_of(rows, observed, groups, repeated),
        values,
        how.min_samples,
        reasons,
        how.deviations,
        how.common_sample,
        progress,
    )
    _tell(found, how.min_samples, progress)
    return found


def _sampled(
    rows: Rows,
    observed: np.ndarray,
    sources: Sequence[Source],
    how: tuple[TimeRule | float | None, str | CellRule],
    argument: str,
    progress: Progress,
) -> VariableSamples:
    """Return a product at the observations; `argument` names it in messages."""
    bands = read_bands(sources)
    variables = stacks(bands)
    if len(variables) > 1 and VARIABLE in variables:
        progress.info(f"Of the variables {', '.join(variables)} the one validated is '{VARIABLE}'.")
        bands = list(variables[VARIABLE].bands)
    stack = single_stack(bands, argument)
    kept = {band.source for band in stack.bands}
    used = [source for source in sources if source in kept]
    samples = sample_rows(rows, used, *how, progress)
    product = next(variable for variable in samples.variables if variable.variable == stack.variable)
    if product.reach_days >= 1 and reaches_in_words([product]):
        progress.info(reaches_in_words([product]))
    refuse_fills(product.values, stack.bands[0].source.label, stack.variable)
    _check_units(observed, product.values, rows.layer, stack)
    return product


def _tell(found: ProductsValidation, min_samples: int, progress: Progress) -> None:
    """Log what came out, and what was left out."""
    several = len(found.labels) > 1
    for label, result in zip(found.labels, found.results):
        of_product = f" ('{label}')" if several else ""
        for reason, count in result.unmatched:
            # What a common sample leaves of each product the line about it says.
            if not several:
                progress.warning(f"{count} observations have no pair: {reason}.")
        if result.too_few and (not several or label == found.labels[0]):
            progress.warning(
                f"{len(result.too_few)} stations have fewer than {min_samples} pairs and are not rated: "
                f"{', '.join(name for name, _ in result.too_few)}."
            )
        pooled = result.pooled
        progress.info(
            f"{pooled.n} pairs{of_product}, {len(result.by_station)} stations rated: R {pooled.r:.3f}, RMSE "
            f"{pooled.rmse:.4f}, bias {pooled.bias:+.4f}{f' {result.unit}' if result.unit else ''}."
        )


def _check_units(observed: np.ndarray, predicted: np.ndarray, layer: str, stack: Stack) -> None:
    """Refuse observations and a product that are not in one unit."""
    pairs = np.isfinite(observed) & np.isfinite(predicted)
    if not pairs.any():
        return
    medians = [float(np.median(values[pairs])) for values in (observed, predicted)]
    if in_same_unit(medians, 0)[1] or not min(medians) <= MOST_MOISTURE < max(medians):
        return
    names = (f"the observations of '{layer}'", f"'{stack.variable}' of '{stack.bands[0].source.label}'")
    larger = int(np.argmax(medians))
    cure = f"with '{('Field', 'Raster')[larger]} calculator'"
    raise InputError(
        f"{names[0][0].upper()}{names[0][1:]} have a median of {medians[0]:.4g}, but {names[1]} one of "
        f"{medians[1]:.4g} at the same places and times: they are not in one unit, and an error or bias would say "
        f"nothing. {names[larger][0].upper()}{names[larger][1:]} are most likely percent: divide them by 100 {cure}; "
        "where they are kg m⁻², divide by 1000 times the layer's thickness in metres (100 for a layer of 10 cm)."
    )


def _told_apart(rows: Rows, progress: Progress) -> Rows:
    """Return rows whose stations have a name of their own, where one name stands for places that are far apart."""
    if rows.names is None:
        return rows
    names = list(rows.names)
    of_name: dict[str | None, list[int]] = {}
    for row, name in enumerate(names):
        of_name.setdefault(name, []).append(row)
    factors = np.array(metres_per_degree(float(np.nanmean(rows.y))) if rows.crs.is_geographic else (1.0, 1.0))
    apart = []
    for name, station_rows in of_name.items():
        places = np.stack([rows.x[station_rows], rows.y[station_rows]], axis=1) * factors
        is_valid = np.isfinite(places).all(axis=1)
        if not name or not is_valid.any() or np.ptp(places[is_valid], axis=0).max() <= _ONE_PLACE:
            continue
        number_of = _near_one_another(places, is_valid)
        if number_of.max() == 0:
            continue
        apart.append(f"{name} ({number_of.max() + 1} places)")
        for row, number in zip(station_rows, number_of):
            names[row] = f"{name} ({number + 1})"
    if apart:
        progress.warning(
            f"'{rows.layer}' has stations of one name at several places, more than {_ONE_PLACE / 1000:g} km "
            f"apart; they are rated each on its own, with a number: {', '.join(apart[:10])}"
            f"{f' and {len(apart) - 10} more' if len(apart) > 10 else ''}."
        )
    return replace(rows, names=names)


def _near_one_another(places: np.ndarray, is_valid: np.ndarray) -> np.ndarray:
    """Number places (rows, 2) so that those within a kilometre of the first of a number share it.

    Rows without a place are of the first.
    """
    numbers = np.zeros(len(places), np.int64)
    distinct, first, place_index = np.unique(places[is_valid], axis=0, return_index=True, return_inverse=True)
    number_of, number, tree = np.full(len(distinct), -1), 0, cKDTree(distinct)
    for place in np.argsort(first):
        if number_of[place] < 0:
            near = np.array(tree.query_ball_point(distinct[place], _ONE_PLACE))
            number_of[near[number_of[near] < 0]] = number
            number += 1
    # NumPy 2.0 gives the inverse two dimensions.
    numbers[is_valid] = number_of[place_index.ravel()]
    return numbers


def _repeated(rows: Rows, observed: np.ndarray, progress: Progress) -> np.ndarray:
    """Return which rows repeat an earlier one: the same station, place, time and value, bool (rows,)."""
    if rows.times is None:
        # Without times repeated values cannot be told from equal ones.
        return np.zeros(len(observed), bool)
    keys: set[tuple] = set()
    repeated = np.zeros(len(observed), bool)
    for row, key in enumerate(
        zip(rows.stations().tolist(), rows.x.tolist(), rows.y.tolist(), rows.times, observed.tolist())
    ):
        # NaN is unequal to itself: rows without a value are never repeats.
        repeated[row] = key in keys and rows.times[row] is not None and not np.isnan(observed[row])
        keys.add(key)
    twice = int(np.count_nonzero(repeated))
    if twice:
        progress.warning(
            f"{twice} rows of '{rows.layer}' repeat the station, place, time and value of an earlier one and are "
            "counted once: they would make the result look more certain than it is."
        )
    return repeated


def observations_of(
    rows: Rows, observed: np.ndarray, groups: Sequence[str | None] | None, repeated: np.ndarray | None = None
) -> Observed:
    """Return observations as they are rated.

    Parameters
    ----------
    rows : Rows
    observed : ndarray of float64 (rows,)
    groups : sequence of str, optional
    repeated : ndarray of bool (rows,), optional
        Rows that repeat an earlier one.

    Returns
    -------
    Observed
    """
    return Observed(
        rows.layer,
        rows.stations(),
        moments_of(rows.times or [None] * len(observed)),
        observed,
        None if groups is None else np.array([group or "(none)" for group in groups]),
        repeated,
    )


def why_not(product: VariableSamples) -> dict[str, np.ndarray]:
    """Say of each row without a value of a product why it has none.

    Parameters
    ----------
    product : VariableSamples

    Returns
    -------
    dict of str to ndarray of bool (rows,)
    """
    return {
        "station outside the product": product.outside,
        "no date of the product near enough": product.no_date,
        "no data in the product": product.no_data,
    }
