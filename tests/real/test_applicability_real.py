"""The area of applicability on Cook Agronomy Farm: logger readings against the map, compared with all distances at
once.

Gasch et al. 2015, doi 10.1016/j.spasta.2015.04.001.
"""

import numpy as np
import pandas as pd
import pytest
import rasterio
from scipy.spatial.distance import cdist, pdist

from sm_toolbox.models.applicability.area import Applicability

pytestmark = pytest.mark.real
STATIC = ["DEM", "TWI", "BLD", "NDRE.M", "NDRE.Sd", "Bt"]
WEATHER = ["Precip_wrcc", "MaxT_wrcc", "MinT_wrcc", "Precip_cum", "cday"]
WEIGHTS = np.array([0.021, 0.012, 0.004, 0.008, 0.006, 0.003, -0.0001, 0.003, 0.002, 0.014, 0.025])
DAY, YEAR = 10, 365.25


@pytest.fixture(scope="module")
def farm(real_data):
    """Return training rows, folds of whole loggers, and the cells of the map of one day."""
    table = pd.read_csv(real_data("cookfarm", "cast_cookfarm_128545.csv.gz"))
    table = table[np.isclose(table.altitude, -0.3)].dropna(subset=["VW", *STATIC, *WEATHER])
    with rasterio.open(real_data("cookfarm", "predictors_2012-03-25.tif")) as source:
        bands = dict(zip(source.descriptions, source.read(masked=True).filled(np.nan)))
    day = table.drop_duplicates("Date").set_index("Date").loc["2012-03-25", WEATHER].to_numpy(float)
    static = np.stack([bands[name].ravel() for name in STATIC], axis=1)
    cells = np.concatenate([static, np.broadcast_to(day, (len(static), len(day)))], axis=1).astype(np.float32)
    # Every fifth row is enough for the definition, which takes the square of their number.
    table = table.iloc[::5]
    loggers = np.unique(table.SOURCEID, return_inverse=True)[1]
    return table[STATIC + WEATHER].to_numpy(), loggers % 5 + 1, cells


def weighted(values, rows, cyclic):
    """Return standardised, weighted predictors; the day as sine and cosine where it is cyclic."""

    def features(table):
        table = np.asarray(table, np.float32).astype(float)
        turn = 2 * np.pi * table[:, DAY] / YEAR
        return np.column_stack([table[:, :DAY], np.sin(turn), np.cos(turn)]) if cyclic else table

    train = features(rows)
    sd = train.std(axis=0)
    weights = np.maximum(WEIGHTS, 0)
    if cyclic:
        sd[DAY:] = np.hypot(*sd[DAY:])
        weights = np.append(weights, weights[DAY])
    return (features(values) - train.mean(axis=0)) / sd * weights


@pytest.mark.parametrize("cyclic", [False, True])
def test_as_defined(farm, cyclic):
    rows, folds, cells = farm
    area = Applicability.fit(rows, WEIGHTS, folds, {DAY: YEAR} if cyclic else {})
    points = weighted(rows, rows, cyclic)
    mean = pdist(points).mean()
    between = cdist(points, points)
    between[folds[:, None] == folds] = np.inf
    training_di = between.min(axis=1) / mean
    low, high = np.quantile(training_di, [0.25, 0.75])
    threshold = min(high + 1.5 * (high - low), training_di.max())
    np.testing.assert_allclose(area.training_di, training_di, rtol=1e-5, atol=1e-7)
    assert area.threshold == pytest.approx(threshold, rel=1e-5)
    di, lpd = area.dissimilarity(cells, density=True)
    complete = np.isfinite(cells).all(axis=1)
    np.testing.assert_array_equal(np.isfinite(di), complete)
    np.testing.assert_array_equal(np.isfinite(lpd), complete)
    expected = cdist(weighted(cells[complete], rows, cyclic), points) / mean
    np.testing.assert_allclose(di[complete], expected.min(axis=1), rtol=1e-5, atol=1e-7)
    assert np.all(lpd[complete] >= (expected <= threshold * (1 - 1e-5)).sum(axis=1))
    assert np.all(lpd[complete] <= (expected <= threshold * (1 + 1e-5)).sum(axis=1))
    inside = np.mean(di[complete] <= area.threshold)
    print(
        f"Cook Farm: threshold {area.threshold:.3f}, {100 * inside:.1f} % of the cells inside, median LPD "
        f"{np.median(lpd[complete]):.0f} of {len(rows)}"
    )
    # The loggers were placed to cover the farm.
    assert 0.5 < inside <= 1


def test_folds_of_whole_loggers_draw_the_wider_area(farm):
    """A row's nearest at random is the same logger a day later; what that tells of other places is too narrow."""
    rows, folds, cells = farm
    stations = Applicability.fit(rows, WEIGHTS, folds)
    random = Applicability.fit(rows, WEIGHTS, np.random.default_rng(0).integers(1, 6, len(rows)))
    assert stations.threshold > 3 * random.threshold
    # Twice the elevation is nowhere near the farm.
    cells = cells[np.isfinite(cells).all(axis=1)]
    high = cells * np.where(np.arange(cells.shape[1]) == 0, np.float32(2), np.float32(1))
    assert np.all(stations.dissimilarity(high)[0] > stations.threshold)
