"""Kriging and inverse distances: gstools' and pykrige's values, brute force, and what must hold for any stations.

The reference values are those of gstools 1.7.0; pykrige 1.7.3 gives the same to all digits for what it has. Where the
two are installed (`pip install pykrige gstools`), `test_as_the_other_libraries` asks them.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import InputError
from sm_toolbox.geostatistics.interpolation import mean_of_others
from sm_toolbox.geostatistics.inversedistance import InverseDistance
from sm_toolbox.geostatistics.kriging import KINDS, Kriging
from sm_toolbox.geostatistics.variogram import MODELS, Variogram
from sm_toolbox.stations.interpolation.drift import dependent_drift

_I = np.arange(12)
_X, _Y = 5e4 * ((0.37 * _I + 0.11 * _I**2) % 1), 5e4 * ((0.61 * _I + 0.07 * _I**3) % 1)
Z = 0.25 + 0.1 * np.sin(_X / 9e3) + 0.05 * np.cos(_Y / 7e3)
TARGETS = np.array([[4e3, 3.1e4, 0], [2.5e4, 2.2e4, 0], [4.7e4, 5e2, 0]])
STATIONS = np.stack([_X, _Y, 0 * _X], axis=1)
SILL, RANGE, NUGGET = 0.006, 2.6e4, 0.15


def drift_at(points):
    return (np.sin(points[:, 0] / 2e4) + points[:, 1] / 3e4)[:, None]


REFERENCE = {
    ("spherical", "ordinary"): (
        [0.2958909171, 0.2738604885, 0.2369964121],
        [0.003173272059, 0.005487192557, 0.005599548143],
    ),
    ("spherical", "simple"): (
        [0.2995319793, 0.2884570165, 0.2505129223],
        [0.003151756056, 0.005141408854, 0.005303041419],
    ),
    ("spherical", "drift"): (
        [0.2928761309, 0.281358951, 0.2205084384],
        [0.003187857922, 0.005577425168, 0.006035816441],
    ),
    ("exponential", "ordinary"): (
        [0.3001117313, 0.2798748749, 0.2507127814],
        [0.004251061075, 0.005826175222, 0.006068084686],
    ),
    ("exponential", "simple"): (
        [0.3045835707, 0.2900604231, 0.2635994149],
        [0.004198816114, 0.005555130579, 0.005634223333],
    ),
    ("exponential", "drift"): (
        [0.2951864173, 0.2870420954, 0.2305981738],
        [0.004280180612, 0.005887837301, 0.006553752977],
    ),
    ("gaussian", "ordinary"): (
        [0.2940669029, 0.2649827978, 0.2193098716],
        [0.001775395074, 0.004268790323, 0.004688936233],
    ),
    ("gaussian", "simple"): (
        [0.2955612584, 0.2767207411, 0.2313948018],
        [0.0017728827, 0.004113780043, 0.004524625937],
    ),
    ("gaussian", "drift"): (
        [0.2924794039, 0.2711328291, 0.2069699427],
        [0.001781424395, 0.004359279383, 0.005053242572],
    ),
    ("matern", "ordinary"): (
        [0.2965219559, 0.2744180411, 0.2368756895],
        [0.002926342603, 0.005406168231, 0.005630320901],
    ),
    ("matern", "simple"): (
        [0.2995231469, 0.2863153844, 0.2508976863],
        [0.002911269246, 0.005169291326, 0.005301285626],
    ),
    ("matern", "drift"): ([0.2935944564, 0.2813991564, 0.220738626], [0.002940249899, 0.005485254054, 0.006052890288]),
}


def ours(model, kind, neighbours=0):
    drift = drift_at(STATIONS) if kind == "drift" else None
    kriging = Kriging(
        STATIONS,
        Z,
        Variogram(model, SILL, RANGE, NUGGET),
        "simple" if kind == "simple" else "ordinary",
        drift,
        mean=0.3,
        neighbours=neighbours,
    )
    return kriging.predict(TARGETS, drift_at(TARGETS) if kind == "drift" else None, variance=True)


@pytest.mark.parametrize("neighbours", [0, 12])
@pytest.mark.parametrize(("model", "kind"), REFERENCE)
def test_reference_values(model, kind, neighbours):
    mean, variance = ours(model, kind, neighbours)
    np.testing.assert_allclose(mean, REFERENCE[model, kind][0], rtol=1e-8)
    np.testing.assert_allclose(variance, REFERENCE[model, kind][1], rtol=1e-8)


@pytest.mark.peers
@pytest.mark.parametrize(("model", "kind"), REFERENCE)
def test_as_the_other_libraries(model, kind):
    gstools = pytest.importorskip("gstools")
    given = {"dim": 2, "var": SILL * (1 - NUGGET), "nugget": SILL * NUGGET, "rescale": 1}
    covariance = {
        "spherical": lambda: gstools.Spherical(len_scale=RANGE, **given),
        "exponential": lambda: gstools.Exponential(len_scale=RANGE / 3, **given),
        "gaussian": lambda: gstools.Gaussian(len_scale=RANGE / np.sqrt(3), **given),
        "matern": lambda: gstools.Matern(nu=1.5, len_scale=RANGE * np.sqrt(1.5) / 4.743864518390554, **given),
    }[model]()
    at, to = STATIONS[:, :2].T, TARGETS[:, :2].T
    theirs = {
        "ordinary": lambda: gstools.krige.Ordinary(covariance, at, Z)(to, return_var=True),
        "simple": lambda: gstools.krige.Simple(covariance, at, Z, mean=0.3)(to, return_var=True),
        "drift": lambda: gstools.krige.ExtDrift(covariance, at, Z, ext_drift=drift_at(STATIONS)[:, 0])(
            to, ext_drift=drift_at(TARGETS)[:, 0], return_var=True
        ),
    }[kind]()
    for own, other in zip(ours(model, kind), theirs):
        np.testing.assert_allclose(own, other, rtol=1e-7)


@pytest.mark.peers
@pytest.mark.parametrize(
    ("model", "range_"), [("spherical", RANGE), ("exponential", RANGE), ("gaussian", RANGE * 7 / 4 / np.sqrt(3))]
)
def test_as_pykrige(model, range_):
    pytest.importorskip("pykrige")
    from pykrige.ok import OrdinaryKriging
    from pykrige.uk import UniversalKriging

    given = {
        "variogram_model": model,
        "variogram_parameters": {"sill": SILL, "range": range_, "nugget": SILL * NUGGET},
        "exact_values": False,
    }
    for own, other in zip(
        ours(model, "ordinary"), OrdinaryKriging(*STATIONS[:, :2].T, Z, **given).execute("points", *TARGETS[:, :2].T)
    ):
        np.testing.assert_allclose(own, other, rtol=1e-7)
    universal = UniversalKriging(
        *STATIONS[:, :2].T, Z, drift_terms=["specified"], specified_drift=[drift_at(STATIONS)[:, 0]], **given
    )
    theirs = universal.execute("points", *TARGETS[:, :2].T, specified_drift_arrays=[drift_at(TARGETS)[:, 0]])
    for own, other in zip(ours(model, "drift"), theirs):
        np.testing.assert_allclose(own, other, rtol=1e-7)


@pytest.fixture
def network():
    """Thirty stations, four dates with gaps of their own, a static and a dated drift, and cells with drifts."""
    rng = np.random.default_rng(3)
    points, cells = (np.concatenate([1e5 * rng.random((n, 2)), np.zeros((n, 1))], axis=1) for n in (30, 50))
    values = rng.normal(0.3, 0.1, (30, 4))
    values[rng.random((30, 4)) < 0.2] = np.nan
    return points, values, cells, rng.random((30, 2, 4)), rng.random((50, 2, 4))


CASES = [("ordinary", None), ("simple", None), ("ordinary", "static"), ("ordinary", "dated")]


def drifts(network, which):
    if which is None:
        return None, None
    return (network[3], network[4]) if which == "dated" else (network[3][:, :, 0], network[4][:, :, 0])


@pytest.mark.parametrize("neighbours", [0, 30])
@pytest.mark.parametrize(("kind", "which"), CASES)
@pytest.mark.parametrize("model", MODELS)
def test_leaving_one_out_is_what_kriging_from_the_others_gives(network, model, kind, which, neighbours):
    points, values, *_ = network
    drift, _ = drifts(network, which)
    variogram = Variogram(model, 2.0, 6e4, 0.1)
    predicted, variance = Kriging(points, values, variogram, kind, drift, neighbours=neighbours).leave_one_out()
    np.testing.assert_array_equal(np.isnan(predicted), np.isnan(values))
    for number, date in [(0, 0), (7, 1), (19, 2), (-1, 3)]:
        others = np.isfinite(values[:, date])
        station = np.flatnonzero(others)[number]
        others[station] = False
        of_date = None if drift is None else drift[:, :, date] if drift.ndim == 3 else drift
        kriging = Kriging(
            points[others], values[others, date], variogram, kind, None if of_date is None else of_date[others]
        )
        mean, spread = kriging.predict(
            points[[station]], None if of_date is None else of_date[[station]], variance=True
        )
        assert predicted[station, date] == pytest.approx(mean[0], rel=1e-7)
        assert variance[station, date] == pytest.approx(spread[0], rel=1e-7)


@pytest.mark.parametrize(("kind", "which"), CASES)
@pytest.mark.parametrize("model", MODELS)
def test_as_many_neighbours_as_stations_are_all_stations(network, model, kind, which):
    points, values, cells, *_ = network
    at_points, at_cells = drifts(network, which)
    variogram = Variogram(model, 2.0, 6e4, 0.1)
    whole, local = (
        Kriging(points, values, variogram, kind, at_points, neighbours=n).predict(cells, at_cells, variance=True)
        for n in (0, 30)
    )
    for a, b in zip(whole, local):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_few_neighbours_are_the_nearest_ones(network):
    points, values, cells, *_ = network
    variogram = Variogram("exponential", 1.0, 6e4, 0.1)
    mean, variance = Kriging(points, values[:, 0], variogram, neighbours=5).predict(cells, variance=True)
    there = np.flatnonzero(np.isfinite(values[:, 0]))
    for i in (0, 25, 49):
        near = there[np.argsort(np.linalg.norm(points[there] - cells[i], axis=1))[:5]]
        expected = Kriging(points[near], values[near, 0], variogram).predict(cells[[i]], variance=True)
        assert (mean[i], variance[i]) == pytest.approx([value[0] for value in expected], rel=1e-9)


def test_dates_do_not_touch_one_another(network):
    points, values, cells, *_ = network
    variogram = Variogram("matern", 1.0, 6e4, 0.2)
    together = Kriging(points, values, variogram).predict(cells, variance=True)
    for date in range(4):
        own = np.isfinite(values[:, date])
        alone = Kriging(points[own], values[own, date], variogram).predict(cells, variance=True)
        for a, b in zip(together, alone):
            np.testing.assert_allclose(a[:, date], b, rtol=1e-9)


@pytest.mark.parametrize("neighbours", [0, 8])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_exact_at_stations_without_nugget(network, model, kind, neighbours):
    points, values, *_ = network
    mean, variance = Kriging(points, values, Variogram(model, 1.0, 3e4), kind, neighbours=neighbours).predict(
        points, variance=True
    )
    there = np.isfinite(values)
    np.testing.assert_allclose(mean[there], values[there], atol=1e-6)
    assert np.abs(variance[there]).max() < 1e-6 and (variance[~there] > 1e-4).all()


def test_with_a_nugget_the_map_is_smooth_and_not_exact(network):
    points, values, *_ = network
    kriging = Kriging(points, values[:, 0], Variogram("exponential", 1.0, 6e4, 0.5))
    own = np.isfinite(values[:, 0])
    at, beside = kriging.predict(points)[0][own], kriging.predict(points + 1)[0][own]
    assert np.abs(at - values[own, 0]).max() > 0.02
    np.testing.assert_allclose(at, beside, atol=1e-3)


def test_a_pure_nugget_gives_the_mean(network):
    points, values, cells, *_ = network
    mean, variance = Kriging(points, values, Variogram("spherical", 2.0, 6e4, 1.0)).predict(cells, variance=True)
    np.testing.assert_allclose(mean, np.broadcast_to(np.nanmean(values, axis=0), mean.shape), rtol=1e-9)
    np.testing.assert_allclose(
        variance, np.broadcast_to(2 * (1 + 1 / np.isfinite(values).sum(axis=0)), variance.shape), rtol=1e-6
    )


def test_simple_kriging_returns_to_the_mean_far_away(network):
    points, values, *_ = network
    mean, variance = Kriging(points, values[:, 0], Variogram("spherical", 2.0, 6e4), "simple", mean=0.7).predict(
        points[:1] + 1e7, variance=True
    )
    assert (mean[0], variance[0]) == pytest.approx((0.7, 2.0))


def test_a_drift_that_explains_all_is_found_again(network):
    points, values, cells, at_points, at_cells = network
    explained = 3 + at_points[:, 0] - 2 * at_points[:, 1]
    explained[np.isnan(values)] = np.nan
    for neighbours in (0, 12):
        mean, _ = Kriging(
            points, explained, Variogram("exponential", 1.0, 6e4, 0.3), drift=at_points, neighbours=neighbours
        ).predict(cells, at_cells)
        np.testing.assert_allclose(mean, 3 + at_cells[:, 0] - 2 * at_cells[:, 1], rtol=1e-7)


def test_cells_without_drift_are_empty(network):
    points, values, cells, at_points, at_cells = network
    at_cells[3, 1, 2] = np.nan
    for neighbours in (0, 12):
        mean, variance = Kriging(
            points, values, Variogram("exponential", 1.0, 6e4), drift=at_points, neighbours=neighbours
        ).predict(cells, at_cells, variance=True)
        for found in (mean, variance):
            assert np.isnan(found[3, 2]) and np.isnan(found).sum() == 1


def test_a_drift_that_is_the_same_at_the_nearest_stations_does_no_harm(network):
    """Such as distance to a far coast, or a land cover that reaches beyond the neighbours."""
    points, values, cells, *_ = network
    split = (points[:, :1] > 5e4).astype(float)
    mean, variance = Kriging(
        points, values[:, 0], Variogram("exponential", 1.0, 6e4, 0.1), drift=split, neighbours=6
    ).predict(cells, (cells[:, :1] > 5e4).astype(float), variance=True)
    assert np.isfinite(mean).all() and np.isfinite(variance).all() and mean.min() > -0.5 and mean.max() < 1.1


def test_what_cannot_be_kriged(network):
    points, values, _, at_points, _ = network
    variogram = Variogram("spherical", 1.0, 6e4)
    with pytest.raises(InputError, match="A date has 2 values, too few for 3 unknowns"):
        Kriging(points[:2], np.ones(2), variogram, drift=at_points[:2, :, 0])
    with pytest.raises(InputError, match="same at all stations"):
        Kriging(points, values, variogram, drift=np.ones((30, 1)))
    with pytest.raises(InputError, match="known mean, which cannot depend on a drift"):
        Kriging(points, values, variogram, "simple", drift=at_points)
    with pytest.raises(InputError, match="'block' is none of ordinary, simple"):
        Kriging(points, values, variogram, "block")


def test_close_stations_and_a_smooth_model_still_have_a_solution():
    rng = np.random.default_rng(0)
    points = np.concatenate([1e3 * rng.random((60, 2)), np.zeros((60, 1))], axis=1)
    values = np.sin(points[:, 0] / 300)
    for neighbours in (0, 20):
        mean, variance = Kriging(points, values, Variogram("gaussian", 1.0, 1e5), neighbours=neighbours).predict(
            points[:5] + np.array([3.0, 2.0, 0.0]), variance=True
        )
        np.testing.assert_allclose(mean, np.sin((points[:5, 0] + 3) / 300), atol=0.05)
        assert (variance >= 0).all()


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=3, max_size=25, unique=True),
    model=st.sampled_from(sorted(MODELS)),
    range_=st.floats(1.0, 1e4),
    nugget=st.floats(0, 1),
    neighbours=st.sampled_from([0, 3, 8]),
    level=st.floats(-1e3, 1e3),
    seed=st.integers(0, 99),
)
def test_weights_sum_to_one_and_maps_are_finite(places, model, range_, nugget, neighbours, level, seed):
    points = np.array([(x, y, 0) for x, y in places], float)
    rng = np.random.default_rng(seed)
    cells = np.concatenate([1500 * rng.random((20, 2)) - 250, np.zeros((20, 1))], axis=1)
    # One column is level everywhere, one varies.
    values = np.stack([np.full(len(points), level), rng.normal(size=len(points))], axis=1)
    mean, variance = Kriging(points, values, Variogram(model, 1.0, range_, nugget), neighbours=neighbours).predict(
        cells, variance=True
    )
    np.testing.assert_allclose(mean[:, 0], level, rtol=1e-5, atol=1e-8)
    assert np.isfinite(mean).all() and (variance >= 0).all()
    weighted = InverseDistance(points, values, neighbours=neighbours).predict(cells)
    np.testing.assert_allclose(weighted[:, 0], level, rtol=1e-9, atol=1e-12)
    assert (weighted[:, 1] >= values[:, 1].min() - 1e-9).all() and (weighted[:, 1] <= values[:, 1].max() + 1e-9).all()


# Inverse distances
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.5, 20.0])
def test_inverse_distances_by_hand(network, power):
    points, values, cells, *_ = network
    there = np.isfinite(values[:, 1])
    weights = np.linalg.norm(points[there] - cells[:, None], axis=2) ** -power
    expected = (weights * values[there, 1]).sum(axis=1) / weights.sum(axis=1)
    for neighbours in (0, 30):
        found = InverseDistance(points, values, power, neighbours=neighbours)
        np.testing.assert_allclose(found.predict(cells)[:, 1], expected, rtol=1e-9)
        np.testing.assert_allclose(found.predict(points)[there, 1], values[there, 1], rtol=1e-12)
    one = InverseDistance(points, values, power)
    others = there.copy()
    others[np.flatnonzero(there)[4]] = False
    expected = InverseDistance(points[others], values[others, 1], power).predict(points[there][[4]])
    for neighbours in (0, 30):
        one = InverseDistance(points, values, power, neighbours=neighbours).leave_one_out()
        assert one[np.flatnonzero(there)[4], 1] == pytest.approx(expected[0], rel=1e-9)
        np.testing.assert_array_equal(np.isnan(one), np.isnan(values))


def test_inverse_distances_of_one_station():
    one = InverseDistance(np.zeros((1, 3)), np.array([0.4]))
    np.testing.assert_allclose(one.predict(np.array([[0.0, 0, 0], [5e3, 0, 0]])), [0.4, 0.4], rtol=1e-12)
    assert np.isnan(one.leave_one_out()[0])


def test_mean_of_others():
    values = np.array([[1.0, np.nan], [2.0, 5.0], [6.0, np.nan]])
    np.testing.assert_allclose(mean_of_others(values), [[4, np.nan], [3.5, np.nan], [1.5, np.nan]])


def test_dependent_drift():
    rng = np.random.default_rng(0)
    drift = rng.random((20, 3))
    assert dependent_drift(drift) is None
    assert dependent_drift(np.concatenate([drift, 1000 + 0 * drift[:, :1]], axis=1)) == 3
    assert dependent_drift(np.stack([drift[:, 0], drift[:, 1], 3 * drift[:, 0] - drift[:, 1] + 2], axis=1)) == 2
    # Elevations and reflectances differ by factors of thousands.
    assert dependent_drift(drift * [1e4, 1e-4, 1] + [1e3, 0, 0]) is None


@pytest.mark.parametrize("neighbours", [0, 5])
def test_cells_without_a_place_have_no_value(neighbours):
    rng = np.random.default_rng(0)
    points, values = 1000 * rng.random((30, 3)) * [1, 1, 0], rng.random(30)
    cells = np.array([[500.0, 500, 0], [np.nan, 500, 0], [np.inf, 0, 0]])
    model = Kriging(points, values, Variogram("spherical", 1.0, 500.0, 0.1), "ordinary", neighbours=neighbours)
    mean, variance = model.predict(cells, variance=True)
    by_distance = InverseDistance(points, values, neighbours=neighbours).predict(cells)
    for found in (mean, variance, by_distance):
        np.testing.assert_array_equal(np.isnan(found), [False, True, True])
