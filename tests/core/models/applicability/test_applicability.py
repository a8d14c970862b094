"""The area of applicability against its definition, written down with all distances at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import Cancelled, InputError, ModelFileError
from sm_toolbox.models.applicability import area as applicability
from sm_toolbox.models.applicability.area import Applicability


class Definition:
    """DI, LPD and threshold by brute force in float64."""

    def __init__(self, rows, weights, folds=None, periods=None):
        self.periods = periods or {}
        rows = self.encode(rows)
        self.mean, sd = rows.mean(axis=0), rows.std(axis=0)
        # Sine and cosine of one predictor share a scale and a weight.
        owner = np.concatenate([[column] * (2 if column in self.periods else 1) for column in range(len(weights))])
        total = np.sqrt([np.sum(sd[owner == column] ** 2) for column in range(len(weights))])
        self.factor = np.where(
            total[owner] > 0, np.maximum(weights, 0)[owner] / np.where(total[owner] > 0, total[owner], 1), 0
        )
        self.points = (rows - self.mean) * self.factor
        between = self.distances(self.points)
        self.mean_distance = between[np.triu_indices(len(rows), 1)].mean()
        folds = np.arange(len(rows)) if folds is None else np.asarray(folds)
        self.training_di = np.where(folds[:, None] == folds, np.inf, between).min(axis=1) / self.mean_distance
        low, high = np.quantile(self.training_di, [0.25, 0.75])
        self.threshold = min(high + 1.5 * (high - low), self.training_di.max())

    def encode(self, rows):
        columns = []
        for column, values in enumerate(np.asarray(rows, np.float32).astype(np.float64).T):
            turn = 2 * np.pi * values / self.periods.get(column, 1)
            columns += [np.sin(turn), np.cos(turn)] if column in self.periods else [values]
        return np.array(columns).T

    def distances(self, points):
        return np.sqrt(np.array([np.square(self.points - point).sum(axis=1) for point in points]))

    def compare(self, rows, threshold):
        """Return DI, and the least and greatest LPD that rounding allows."""
        di = self.distances((self.encode(rows) - self.mean) * self.factor) / self.mean_distance
        return di.min(axis=1), (di <= threshold * (1 - 1e-5)).sum(axis=1), (di <= threshold * (1 + 1e-5)).sum(axis=1)


def make(seed, count=300, width=6, cells=200):
    """Return training rows in different units, correlated, and rows around and far outside them."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(width, width)) * 10 ** rng.uniform(-3, 3, width)
    offset = 10 ** rng.uniform(-2, 4, width)
    rows = rng.normal(size=(count, width)) @ mix + offset
    far = rng.choice([0.3, 1, 5, 100], cells)[:, None]
    queries = (far * rng.normal(size=(cells, width))) @ mix + offset
    weights = 0.8 ** rng.permutation(width)
    return rows.astype(np.float32), weights, queries.astype(np.float32), rng


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([2, 3, 15, 16, 17, 300, 1111]),
    st.sampled_from([1, 3, 4, 5, 12, 25]),
    st.sampled_from([0, 2, 5, 40]),
)
def test_as_defined(seed, count, width, folds):
    rows, weights, queries, rng = make(seed, count, width)
    # Rows that single precision cannot tell apart have no distance.
    assume((rows != rows[0]).any())
    fold = None
    if folds:
        fold = rng.integers(1, folds + 1, count)
        fold[:2] = 1, 2
    definition = Definition(rows, weights / weights.max(), fold)
    area = Applicability.fit(rows, weights, fold)
    assert area.mean_distance == pytest.approx(definition.mean_distance, rel=1e-5)
    np.testing.assert_allclose(area.training_di, definition.training_di, rtol=1e-5, atol=1e-7)
    assert area.threshold == pytest.approx(definition.threshold, rel=1e-5, abs=1e-7)
    check_cells(area, definition, queries)
    check_cells(area, definition, np.concatenate([rows[:50], rows[:50] * np.float32(1.001)]))


def check_cells(area, definition, cells):
    di, lpd = area.dissimilarity(cells, density=True)
    expected, least, greatest = definition.compare(cells, area.threshold)
    np.testing.assert_allclose(di, expected, rtol=1e-5, atol=1e-7)
    assert np.all((lpd >= least) & (lpd <= greatest))
    np.testing.assert_array_equal(lpd >= 1, di <= area.threshold)
    assert di.dtype == lpd.dtype == np.float32


def test_cyclic_predictors():
    """The end of the cycle is near its beginning, and its zero does not matter."""
    rng = np.random.default_rng(1)
    rows = np.stack([rng.uniform(0, 360, 400) ** 0.9, rng.normal(size=400)], axis=1).astype(np.float32)
    cells = np.stack([rng.uniform(-400, 800, 300), rng.normal(size=300)], axis=1).astype(np.float32)
    weights, periods = np.array([1.0, 0.5]), {0: 360.0}
    area = Applicability.fit(rows, weights, periods=periods)
    check_cells(area, Definition(rows, weights, periods=periods), cells)
    turned = Applicability.fit(rows + np.float32([90, 0]), weights, periods=periods)
    np.testing.assert_allclose(
        turned.dissimilarity(cells + np.float32([90, 0]))[0], area.dissimilarity(cells)[0], rtol=1e-3, atol=1e-5
    )
    assert turned.threshold == pytest.approx(area.threshold, rel=1e-3)
    alone = Applicability.fit(rows[:, :1], np.ones(1), periods=periods)
    at_ends, _ = alone.dissimilarity(np.array([[0.0], [360.0], [-360.0], [720.0]]))
    np.testing.assert_allclose(at_ends, at_ends[0], atol=1e-6)


def test_a_cyclic_predictor_weighs_as_much_as_another():
    """The mean square of the distance is twice the sum of the squared weights, however predictors enter."""
    rng = np.random.default_rng(2)
    rows = np.stack([rng.uniform(0, 90, 3000), rng.normal(size=3000)], axis=1)
    cyclic, plain = (Applicability.fit(rows, np.ones(2), periods=periods) for periods in ({0: 360.0}, {}))
    for area in (cyclic, plain):
        points = applicability._encode(area.rows, area.periods) * area.index.scale[: 3 if area is cyclic else 2, None]
        spread = points.var(axis=1, dtype=float)
        assert spread[:-1].sum() == pytest.approx(1, rel=1e-4) and spread[-1] == pytest.approx(1, rel=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(-20, 20), min_size=5, max_size=5), st.floats(1e-6, 1e6))
def test_units_and_the_scale_of_importance_do_not_matter(seed, powers, scale):
    """Powers of two, by which float32 is multiplied without rounding."""
    rows, weights, queries, _ = make(seed, 200, 5)
    units = np.float32(2.0) ** np.array(powers, np.float32)
    area, other = Applicability.fit(rows, weights), Applicability.fit(rows * units, weights * scale)
    assert other.threshold == pytest.approx(area.threshold, rel=1e-5)
    np.testing.assert_allclose(
        other.dissimilarity(queries * units)[0], area.dissimilarity(queries)[0], rtol=1e-5, atol=1e-7
    )


def test_training_rows_have_no_dissimilarity():
    rows, weights, _, _ = make(3, 1000, 20)
    di, lpd = Applicability.fit(rows, weights).dissimilarity(rows, density=True)
    assert np.all(di == 0) and np.all(lpd >= 1)


def test_rows_that_come_twice_count_twice():
    rows, weights, queries, _ = make(4, 101, 5)
    double = np.concatenate([rows, rows])
    folds = np.tile(np.arange(101) % 5 + 1, 2)
    once, twice = Applicability.fit(rows, weights, folds[:101]), Applicability.fit(double, weights, folds)
    check_cells(twice, Definition(double, weights / weights.max(), folds), queries)
    # Each row is its copy's nearest, in the same fold; among all pairs those of copies are 0.
    np.testing.assert_allclose(
        twice.training_di * twice.mean_distance, np.tile(once.training_di * once.mean_distance, 2), rtol=1e-5
    )
    assert twice.mean_distance == pytest.approx(once.mean_distance * 200 / 201, rel=1e-6)


def test_copies_in_other_folds_make_the_threshold_zero(progress):
    rows, weights, queries, _ = make(5, 50, 4)
    area = Applicability.fit(np.concatenate([rows, rows]), weights, np.repeat([1, 2], 50), progress=progress)
    assert area.threshold == 0 and "the same predictors as a row of another fold" in progress.warnings[0]
    di, lpd = area.dissimilarity(np.concatenate([rows[:3], queries[:3]]), density=True)
    assert di[:3].max() == 0 < di[3:].min() and list(lpd) == [2, 2, 2, 0, 0, 0]


def test_predictors_without_weight_do_not_count(progress):
    rows, weights, queries, _ = make(6, 200, 6)
    rows[:, 2] = 7.5
    weights[4] = -0.3
    area = Applicability.fit(rows, weights, progress=progress)
    assert not progress.warnings and area.rows.shape == (200, 4)
    kept = [0, 1, 3, 5]
    only = Applicability.fit(rows[:, kept], weights[kept])
    np.testing.assert_array_equal(area.dissimilarity(queries)[0], only.dissimilarity(queries[:, kept])[0])
    check_cells(area, Definition(rows, weights / weights[kept].max()), queries)


def test_a_cyclic_predictor_on_one_spot_of_its_cycle_does_not_count():
    """Rounding of sine and cosine is no variation."""
    rng = np.random.default_rng(7)
    rows = np.stack([365.0 * rng.integers(0, 4, 100), rng.normal(size=100)], axis=1)
    assert list(Applicability.fit(rows, np.ones(2), periods={0: 365.0}).weights) == [0, 1]


@pytest.mark.parametrize("weights", [[0, 0, 0], [-1, -2, 0], [0, 0, 1]])
def test_without_importance_all_count_alike(weights, progress):
    rows = np.random.default_rng(8).normal(size=(50, 3))
    rows[:, 2] = 1
    area = Applicability.fit(rows, np.array(weights, float), progress=progress)
    assert list(area.weights) == [1, 1, 0] and "No predictor has an importance above zero" in progress.warnings[0]


def test_what_cannot_be_measured_is_refused():
    rows = np.random.default_rng(9).normal(size=(10, 3))
    with pytest.raises(InputError, match="at least 2 training rows, but there is 1"):
        Applicability.fit(rows[:1], np.ones(3))
    with pytest.raises(InputError, match="at least 2 folds"):
        Applicability.fit(rows, np.ones(3), np.full(10, 4))
    with pytest.raises(InputError, match="the same in all 10 training rows"):
        Applicability.fit(np.ones((10, 3)), np.ones(3))
    for bad in ((rows, np.ones(2), None), (rows, np.ones(3), np.ones(9)), (rows[0], np.ones(3), None)):
        with pytest.raises(ValueError, match="must have the shapes"):
            Applicability.fit(*bad)
    for bad_rows, bad_weights in ((np.where(rows > 1, np.nan, rows), np.ones(3)), (rows, np.array([1, np.nan, 1]))):
        with pytest.raises(ValueError, match="finite"):
            Applicability.fit(bad_rows, bad_weights)
    with pytest.raises(ValueError, match=r"\(rows, 3\)"):
        Applicability.fit(rows, np.ones(3)).dissimilarity(rows[:, :2])


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40, 8192 + 5])
@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_cells_with_gaps_stay_gaps(count, gap):
    rows, weights, _, rng = make(10, 100, 5)
    weights[3] = 0
    area = Applicability.fit(rows, weights, periods={1: 10.0})
    cells = rng.normal(size=(count, 5)).astype(np.float32)
    expected = area.dissimilarity(cells, density=True)
    gaps = rng.random(cells.shape) < 0.1
    gaps[-20:-3] = True
    found = area.dissimilarity(np.where(gaps, np.float32(gap), cells), density=True)
    for values, without in zip(found, expected):
        np.testing.assert_array_equal(values, np.where(gaps.any(axis=1), np.nan, without))


def test_values_beyond_all_bounds_are_far_away():
    rows, weights, _, _ = make(11, 100, 5)
    area = Applicability.fit(rows, weights)
    for value in (1e20, -3.4e38, 3.4e38):
        di, lpd = area.dissimilarity(
            np.stack([np.full(5, value), rows[0], np.where(np.arange(5) == 2, value, rows[1])]), density=True
        )
        assert di[0] > 1e6 and di[2] > 1e6 and di[1] == 0 and list(lpd[[0, 2]]) == [0, 0]


def test_no_cells_are_no_trouble():
    rows, weights, _, _ = make(12, 20, 3)
    di, lpd = Applicability.fit(rows, weights).dissimilarity(np.empty((0, 3), np.float32), density=True)
    assert di.shape == lpd.shape == (0,)


def test_neither_order_nor_neighbours_nor_threads_change_anything():
    rows, weights, queries, rng = make(13, 2000, 12, 20000)
    area = Applicability.fit(rows, weights)
    di, lpd = area.dissimilarity(queries, density=True)
    order = rng.permutation(len(queries))
    for values, again in zip((di, lpd), area.dissimilarity(np.asfortranarray(queries[order]), density=True)):
        np.testing.assert_array_equal(values[order], again)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda part: area.dissimilarity(part, density=True), np.array_split(queries, 37)))
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), di)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), lpd)


def test_many_rows_are_measured_by_drawn_pairs(monkeypatch, progress):
    rows, weights, _, _ = make(14, 800, 5)
    exact = Applicability.fit(rows, weights)
    monkeypatch.setattr(applicability, "_ALL_PAIRS_ROWS", 700)
    monkeypatch.setattr(applicability, "_DRAWN_PAIRS", 200_000)
    drawn, again = (Applicability.fit(rows, weights, progress=progress) for _ in range(2))
    assert drawn.mean_distance == again.mean_distance != exact.mean_distance
    stated = float(progress.infos[0].split("standard error ")[1].split(" %")[0]) / 100
    assert 1e-4 < stated < 2e-3 and abs(drawn.mean_distance / exact.mean_distance - 1) < 4 * stated


def test_cancel_is_heard(cancelling):
    rows, weights, _, _ = make(15, 3000, 5)
    for checks in (0, 1, 2, 4):
        with pytest.raises(Cancelled):
            Applicability.fit(rows, weights, progress=cancelling(checks))


def test_progress_reaches_its_end(progress):
    rows, weights, _, _ = make(16, 3000, 5)
    Applicability.fit(rows, weights, progress=progress)
    assert progress.fractions == sorted(progress.fractions) and progress.fractions[-1] == 1


def arrays_of(seed=17):
    rows, weights, _, _ = make(seed, 100, 5)
    weights[1] = 0
    area = Applicability.fit(rows, weights, np.arange(100) % 5 + 1, {2: 24.0})
    return area, {name: array.copy() for name, array in area.to_arrays().items()}


def test_arrays_are_read_back_unchanged():
    area, arrays = arrays_of()
    again = Applicability.from_arrays(arrays, 5)
    cells = make(18, 10, 5)[2]
    assert again.threshold == area.threshold and all(name.startswith("aoa_") for name in arrays)
    for one, other in zip(again.dissimilarity(cells, density=True), area.dissimilarity(cells, density=True)):
        np.testing.assert_array_equal(one, other)
    for name, array in again.to_arrays().items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("aoa_rows", lambda a: a[:, :-1]),
        ("aoa_rows", lambda a: a[:1]),
        ("aoa_rows", lambda a: a[:-1]),
        ("aoa_rows", lambda a: a.ravel()),
        ("aoa_rows", lambda a: a.astype(np.float64)),
        ("aoa_rows", lambda a: np.where(a > 0, np.float32(np.nan), a)),
        ("aoa_rows", lambda a: np.zeros_like(a)),
        ("aoa_rows", lambda a: np.concatenate([a[:, :-1], np.zeros_like(a[:, :1])], axis=1)),
        ("aoa_weights", lambda a: a[:-1]),
        ("aoa_weights", lambda a: -a),
        ("aoa_weights", lambda a: np.zeros_like(a)),
        ("aoa_weights", lambda a: np.ones_like(a)),
        ("aoa_weights", lambda a: a + np.float32(np.inf)),
        ("aoa_weights", lambda a: a * np.float32(1e30)),
        ("aoa_weights", lambda a: a.astype(np.int32)),
        ("aoa_periods", lambda a: a[None]),
        ("aoa_periods", lambda a: a - 1),
        ("aoa_periods", lambda a: np.full_like(a, np.nan)),
        ("aoa_mean_distance", lambda a: -a),
        ("aoa_mean_distance", lambda a: a * 1e300),
        ("aoa_mean_distance", lambda a: a[0]),
        ("aoa_mean_distance", lambda a: np.array([a[0], a[0]])),
        ("aoa_training_di", lambda a: a[1:]),
        ("aoa_training_di", lambda a: -a),
        ("aoa_training_di", lambda a: np.full_like(a, np.inf)),
        ("aoa_training_di", lambda a: np.array(["x"] * len(a))),
    ],
)
def test_arrays_that_cannot_be_are_refused(name, change):
    _, arrays = arrays_of()
    with pytest.raises(ModelFileError):
        Applicability.from_arrays({**arrays, name: np.asarray(change(arrays[name]))}, 5)


def test_missing_arrays_and_other_predictors_are_refused():
    _, arrays = arrays_of()
    for name in arrays:
        with pytest.raises(ModelFileError, match=name):
            Applicability.from_arrays({key: array for key, array in arrays.items() if key != name}, 5)
    with pytest.raises(ModelFileError):
        Applicability.from_arrays(arrays, 6)


@pytest.mark.parametrize("factor", [1e-40, 1e-20, 1e20, 3e38])
def test_absurd_but_possible_numbers_end_without_harm(factor):
    """A file may hold any finite numbers: nothing may hang or read beyond its arrays."""
    _, arrays = arrays_of()
    for name in ("aoa_training_di", "aoa_rows"):
        with np.errstate(over="ignore"):
            changed = np.clip(arrays[name].astype(np.float64) * factor, -3.4e38, 3.4e38).astype(np.float32)
        try:
            area = Applicability.from_arrays({**arrays, name: changed}, 5)
        except ModelFileError:
            continue
        di, lpd = area.dissimilarity(np.zeros((5, 5), np.float32), density=True)
        assert np.all(di >= 0) and np.all((lpd >= 0) & (lpd <= 100))


def test_folds_that_leave_rows_out_on_both_sides():
    """As of stations and periods at once: the threshold is that of the rows that the fold's model had."""
    rng = np.random.default_rng(0)
    rows = rng.random((120, 3))
    station, time = np.arange(120) % 4, np.arange(120) // 30
    folds = [
        (np.flatnonzero((station != s) & (time != t)), np.flatnonzero((station == s) & (time == t)))
        for s in range(4)
        for t in range(4)
    ]
    found = Applicability.fit(rows, np.ones(3), folds)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    expected = np.empty(120)
    for train, test in folds:
        expected[test] = distance[np.ix_(test, train)].min(axis=1)
    expected /= distance[np.triu_indices(120, 1)].mean()
    np.testing.assert_allclose(found.training_di, expected, rtol=1e-4)
    whole = [(np.flatnonzero(station != s), np.flatnonzero(station == s)) for s in range(4)]
    np.testing.assert_array_equal(
        Applicability.fit(rows, np.ones(3), whole).training_di, Applicability.fit(rows, np.ones(3), station).training_di
    )
