"""What stations are worth as training: their errors against the truth that two products share with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sm_toolbox.columns import moments_of
from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import collocate, design
from sm_toolbox.metrics import lag1_correlation
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.stations.sampling import Rows, sample_rows
from sm_toolbox.validation.anomalies import VALUES, Deviations

_LABELS = ("PRODUCT_A", "PRODUCT_B")


@dataclass(frozen=True)
class QualitySettings:
    """How stations are judged.

    Parameters
    ----------
    max_gap_days : TimeRule or float, optional
        How far in time a product may lie from an observation; by default half the distance of its dates.
    min_samples : int, optional
        Days on which station and both products have a value, below which a station is not judged.
    alpha : float, optional
        The two products, and each of them with the station, must be positively correlated with a two-sided p-value
        below this.
    min_correlation : float, optional
        Correlation with the truth from which a station is representative. 0.7 is a signal as large as the error (a
        signal-to-noise ratio of 0 dB, an error of half the variance: Gruber et al. 2016, doi
        10.1016/j.jag.2015.09.002).
    deviations : Deviations, optional
        The values, or what is left when the season is taken off.
    """

    max_gap_days: TimeRule | float | None = None
    min_samples: int = 100
    alpha: float = 0.05
    min_correlation: float = 0.7
    deviations: Deviations = VALUES

    def check(self) -> None:
        """Refuse settings that mean nothing.

        Raises
        ------
        InputError
        """
        if self.min_samples < 3:
            raise InputError(f"`min_samples` is {self.min_samples}, but must be at least 3.")
        if not 0 < self.alpha <= 1:
            raise InputError(f"`alpha` is {self.alpha:g}, but must be above 0 and at most 1.")
        if not 0 <= self.min_correlation < 1:
            raise InputError(f"`min_correlation` is {self.min_correlation:g}, but must be at least 0 and below 1.")


@dataclass(frozen=True)
class StationQuality:
    """One station.

    Parameters
    ----------
    name : str
    x, y : float
        In the CRS of the rows.
    n : int
        Days on which it and both products have a value.
    error, correlation, snr : float
        Standard deviation of its error, in its own unit; its correlation with the truth; signal-to-noise ratio, dB. NaN
        where it cannot be judged or does not follow the products.
    representative : bool or None
        None where it cannot be judged.
    reason : str
        Why it is not representative, or cannot be judged; empty for representative ones.
    weight : float
        For training: the share of its variance that is the truth, divided by the mean of the representative ones; 0 for
        stations that are not representative, 1 for those that cannot be judged.
    """

    name: str
    x: float
    y: float
    n: int
    error: float
    correlation: float
    snr: float
    representative: bool | None
    reason: str
    weight: float = 1.0


def judge_stations(
    rows: Rows,
    observed: np.ndarray,
    products: tuple[Sequence[Source], Sequence[Source]],
    settings: QualitySettings = QualitySettings(),
    progress: Progress = SILENT,
) -> list[StationQuality]:
    """Judge by triple collocation how well stations stand for the cells of products.

    With Q the covariances of the daily means of a station s and two products a and b, the signal that the station
    shares with the truth has the variance S = Q_sa Q_sb / Q_ab, its error Q_ss − S, and its correlation with the truth
    is √(S / Q_ss) (McColl et al. 2014, doi 10.1002/2014GL061322). What a station does not share with cells of
    kilometres around it counts as error, so that it measures representativeness (Gruber et al. 2013, doi
    10.2136/vzj2012.0170); Zhang et al. 2023 (doi 10.5194/essd-15-2055-2023) train on stations chosen so.

    Parameters
    ----------
    rows : Rows
        Place, time and station of each observation.
    observed : ndarray of float64 (rows,)
        NaN where there is none.
    products : (sequence of Source, sequence of Source)
        Two dated products whose errors are independent of each other: a satellite and a model.
    settings : QualitySettings, optional
    progress : Progress, optional

    Returns
    -------
    list of StationQuality
        By name.

    Raises
    ------
    InputError
        Where rows have no times, the products are one file, a product has several variables, or no station can be
        judged.
    """
    settings.check()
    if rows.times is None:
        raise InputError(f"The `times` field of '{rows.layer}' is needed. Choose it.")
    _refuse_one_product(products)
    values = [
        _of_product(rows, sources, label, settings, progress.part(0.45 * i, 0.45 * (i + 1)))
        for i, (sources, label) in enumerate(zip(products, _LABELS))
    ]
    names, days, daily = _daily(rows, np.stack([observed, *values]))
    left, dropped = settings.deviations.of_series(names, days, daily)
    names, left = names[~dropped], left[:, ~dropped]
    stations = rows.stations()
    found = []
    for name in np.unique(stations[~np.isnan(observed)]):
        own = stations == name
        place = float(np.nanmedian(rows.x[own])), float(np.nanmedian(rows.y[own]))
        found.append(_judge(str(name), place, left[:, names == name], settings))
    judged = [item for item in found if item.representative is not None]
    if not judged:
        raise InputError(
            f"No station of '{rows.layer}' can be judged: {found[0].reason if found else 'there is no observation'}. "
            "Give longer records, or products that agree with each other."
        )
    _tell(found, progress)
    return _weighted(found)


def _refuse_one_product(products: tuple[Sequence[Source], Sequence[Source]]) -> None:
    first, second = ({source.path: source.label for source in sources} for sources in products)
    common = [label for path, label in first.items() if path in second]
    if common:
        raise InputError(
            f"'{common[0]}' is given as both products. Give two whose errors are independent of each "
            "other, such as a satellite's and a model's: what one shares with itself is no truth."
        )


def _of_product(
    rows: Rows, sources: Sequence[Source], label: str, settings: QualitySettings, progress: Progress
) -> np.ndarray:
    variables = sample_rows(rows, sources, settings.max_gap_days, "nearest", progress).variables
    if len(variables) > 1:
        moisture = [item for item in variables if item.variable == "soil_moisture"]
        if not moisture:
            listed = ", ".join(item.variable for item in variables)
            raise InputError(f"{label} has several variables ({listed}). Give the bands of one.")
        variables = moisture
    return variables[0].values


def _daily(rows: Rows, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return station, day and means (series, days) of the days on which all have a value, in order."""
    moments = moments_of(rows.times or [])
    common = ~np.isnan(values).any(axis=0) & ~np.isnat(moments)
    stations, day = rows.stations()[common], moments[common].astype("datetime64[D]")
    order = np.lexsort((day, stations))
    stations, day, values = stations[order], day[order], values[:, common][:, order]
    if not len(day):
        return stations, day.astype("datetime64[s]"), values
    begins = np.concatenate([[True], (stations[1:] != stations[:-1]) | (day[1:] != day[:-1])])
    first = np.flatnonzero(begins)
    count = np.diff(np.append(first, len(day)))
    means = np.add.reduceat(values, first, axis=1) / count
    return stations[first], day[first].astype("datetime64[s]"), means


def _judge(name: str, place: tuple[float, float], series: np.ndarray, settings: QualitySettings) -> StationQuality:
    """Judge one station from its series and those of the products in its cell (3, days)."""
    n = series.shape[1]

    def unjudged(reason: str) -> StationQuality:
        return StationQuality(name, *place, n, np.nan, np.nan, np.nan, None, reason)

    if n < settings.min_samples:
        return unjudged(f"{n} common days, fewer than {settings.min_samples}")
    if (np.ptp(series, axis=1) == 0).any():
        return unjudged("a series does not vary")
    covariances = np.cov(series)
    memory = np.array([lag1_correlation(values) for values in series])
    found = collocate(
        covariances, np.array(float(n)), design(3), min_samples=3, alpha=settings.alpha, memory=np.clip(memory, 0, 0.99)
    )
    follows = (found.correlations > 0) & (found.p_values < settings.alpha)
    pairs = {tuple(pair): bool(ok) for pair, ok in zip(design(3).pairs.tolist(), follows.tolist())}
    if not pairs[1, 2]:
        return unjudged("the two products do not agree with each other there")
    lost = [label for label, pair in zip(_LABELS, ((0, 1), (0, 2))) if not pairs[pair]]
    if lost:
        reason = f"not significantly positively correlated with {' and '.join(lost)}"
        return StationQuality(name, *place, n, np.nan, np.nan, np.nan, False, reason)
    variance = covariances[0, 0]
    signal = min(covariances[0, 1] * covariances[0, 2] / covariances[1, 2], variance)
    error = variance - signal
    correlation = float(np.sqrt(signal / variance))
    snr = float(10 * np.log10(signal / error)) if error > 1e-12 * variance else np.nan
    good = correlation >= settings.min_correlation
    reason = "" if good else f"correlation with the truth {correlation:.2f}, below {settings.min_correlation:g}"
    return StationQuality(name, *place, n, float(np.sqrt(error)), correlation, snr, good, reason)


def _weighted(found: Sequence[StationQuality]) -> list[StationQuality]:
    shares = [item.correlation**2 for item in found if item.representative]
    mean = float(np.mean(shares)) if shares else 1.0
    weights = [
        1.0 if item.representative is None else item.correlation**2 / mean if item.representative else 0.0
        for item in found
    ]
    return [replace(item, weight=weight) for item, weight in zip(found, weights)]


def _tell(found: Sequence[StationQuality], progress: Progress) -> None:
    judged = [item for item in found if item.representative is not None]
    good = sum(bool(item.representative) for item in judged)
    progress.info(
        f"{good} of {len(judged)} stations are representative; {len(found) - len(judged)} cannot be judged and keep "
        "the weight 1."
    )
    if good < len(judged) / 2:
        progress.warning(
            f"{len(judged) - good} of {len(judged)} stations are not representative. Where that is most of a network, "
            "the products may be poor there: look at the reasons before leaving stations out."
        )
