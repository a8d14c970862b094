"""Triple collocation where the truth is known: series made with errors of known size, and the demo scene."""

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.demo.products import PRODUCT_ERRORS
from sm_toolbox.demo.write import write_demo_scene
from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import collocate, design
from sm_toolbox.merging.merge import merge_products
from sm_toolbox.merging.settings import CollocationSettings
from sm_toolbox.merging.triplecollocation import triple_collocation
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine


def estimates(series, **options):
    """What is estimated from series (products, samples), by name; and the flag."""
    series = np.asarray(series, float)
    plan = design(len(series), options.pop("correlated", ""))
    valid = np.isfinite(series).all(axis=0)
    found = collocate(np.cov(series[:, valid])[..., None], np.array([valid.sum()]), plan, **options)
    return dict(zip(plan.estimates, found.estimates[:, 0].astype(float))), int(found.flags[0])


def series_of(rng, n, errors, offsets, gains, spread=0.2):
    signal = rng.normal(0.3, spread, n)
    return signal, np.stack(
        [offset + gain * (signal + rng.normal(0, error, n)) for error, offset, gain in zip(errors, offsets, gains)]
    )


def test_the_published_case():
    """Signal N(0.3, 0.2); errors 0.02, 0.07, 0.04; y = 0.2 + 0.9 (s + e), z = 0.5 + 1.6 (s + e)."""
    _, series = series_of(np.random.default_rng(42), 200_000, (0.02, 0.07, 0.04), (0, 0.2, 0.5), (1, 0.9, 1.6))
    found, flag = estimates(series)
    assert flag == 0
    np.testing.assert_allclose([found[f"sensitivity_{x}"] for x in "abc"], [1, 1 / 0.9, 1 / 1.6], rtol=5e-3)
    # SNR as a ratio of amplitudes: 0.2 over the error.
    np.testing.assert_allclose([10 ** (found[f"snr_{x}"] / 20) for x in "abc"], [10, 0.2 / 0.07, 5], rtol=0.03)
    np.testing.assert_allclose([found[f"scaled_error_{x}"] for x in "abc"], [0.02, 0.07, 0.04], rtol=0.02)
    np.testing.assert_allclose([found[f"error_{x}"] for x in "abc"], [0.02, 0.9 * 0.07, 1.6 * 0.04], rtol=0.02)
    weights = 1 / np.array([0.02, 0.07, 0.04]) ** 2
    np.testing.assert_allclose([found[f"weight_{x}"] for x in "abc"], weights / weights.sum(), atol=0.02)
    assert found["merged_error"] == pytest.approx(1 / np.sqrt(weights.sum()), rel=0.02)
    truth = 0.2 / np.sqrt(0.2**2 + np.array([0.02, 0.07, 0.04]) ** 2)
    np.testing.assert_allclose([found[f"correlation_{x}"] for x in "abc"], truth, rtol=1e-3)


def by_the_formulas(q):
    """Gruber et al. 2015 and McColl et al. 2014 as printed, for three products; the space of the first."""
    found = {}
    for i, j, k in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        name = "abc"[i]
        signal = q[i, j] * q[i, k] / q[j, k]
        error = q[i, i] - signal
        found[f"error_{name}"] = np.sqrt(error)
        found[f"snr_{name}"] = 10 * np.log10(signal / error)
        found[f"correlation_{name}"] = np.sqrt(signal / q[i, i])
    found["sensitivity_a"], found["sensitivity_b"], found["sensitivity_c"] = 1.0, q[0, 2] / q[1, 2], q[0, 1] / q[2, 1]
    scaled = {x: found[f"sensitivity_{x}"] * found[f"error_{x}"] for x in "abc"}
    a, b, c = (scaled[x] ** 2 for x in "abc")
    bottom = a * b + a * c + b * c
    found.update({"weight_a": b * c / bottom, "weight_b": a * c / bottom, "weight_c": a * b / bottom})
    found["merged_error"] = np.sqrt(1 / (1 / a + 1 / b + 1 / c))
    return {**found, **{f"scaled_error_{x}": value for x, value in scaled.items()}}


random_case = st.tuples(
    st.integers(0, 10_000),
    st.lists(st.floats(0.01, 0.15), min_size=3, max_size=3),
    st.lists(st.floats(0.3, 3), min_size=3, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(random_case)
def test_the_formulas_and_the_truth_within_its_sampling_error(case):
    seed, errors, gains = case
    n = 4000
    _, series = series_of(np.random.default_rng(seed), n, errors, (0, 0.1, -0.2), gains)
    found, flag = estimates(series)
    if flag:
        # Only a very small error can vanish in the noise of the others.
        assert flag == 3 and min(errors) < 0.4 * max(errors)
        return
    for name, value in by_the_formulas(np.cov(series)).items():
        assert found[name] == pytest.approx(value, rel=1e-4), name
    # The variance of an estimated error variance, for Gaussian series: at most about 2 S (e1² + e2² + e3²) / n.
    for x, error in zip("abc", errors):
        wide = np.sqrt((2 * error**4 + error**2 * sum(e**2 for e in errors) + 2 * np.prod(sorted(errors)[1:]) ** 2) / n)
        assert (
            abs((found[f"scaled_error_{x}"] / found["sensitivity_a"]) ** 2 / gains[0] ** 2 - error**2)
            < 6 * wide + 0.05 * error**2
        )


@settings(max_examples=40, deadline=None)
@given(random_case, st.permutations([0, 1, 2]), st.floats(0.01, 100))
def test_order_and_units_do_not_matter(case, order, factor):
    seed, errors, gains = case
    _, series = series_of(np.random.default_rng(seed), 600, errors, (0, 0.1, -0.2), gains)
    found, flag = estimates(series)
    turned, same = estimates(series[list(order)])
    assert flag == same
    scaled, also = estimates(series * np.array([[1], [factor], [1]]) + np.array([[0], [3], [0]]))
    assert also == flag
    if flag == 0:
        for place, i in enumerate(order):
            for kind in ("error", "snr", "correlation", "weight"):
                assert turned[f"{kind}_{'abc'[place]}"] == pytest.approx(
                    found[f"{kind}_{'abc'[i]}"], rel=1e-3, abs=1e-4
                )
        assert scaled["error_b"] == pytest.approx(factor * found["error_b"], rel=1e-3)
        for name in ("snr_b", "correlation_b", "weight_b", "scaled_error_b", "merged_error"):
            assert scaled[name] == pytest.approx(found[name], rel=1e-3, abs=1e-4)


def test_four_and_five_products_and_a_correlated_pair():
    rng = np.random.default_rng(1)
    n = 200_000
    _, series = series_of(rng, n, (0.05, 0.06, 0.07, 0.04, 0.05), (0,) * 5, (1, 0.8, 1.2, 0.9, 1.1))
    shared = rng.normal(0, 0.05, n)
    correlated = series.copy()
    correlated[1] += 0.8 * shared
    correlated[2] += 1.2 * shared
    for count in (4, 5):
        found, flag = estimates(series[:count])
        assert flag == 0
        np.testing.assert_allclose(
            [found[f"scaled_error_{x}"] for x in "abcde"[:count]], [0.05, 0.06, 0.07, 0.04, 0.05][:count], rtol=0.03
        )
        found, flag = estimates(correlated[:count], correlated="B-C")
        assert flag == 0
        expected = [0.05, np.hypot(0.06, 0.05), np.hypot(0.07, 0.05), 0.04, 0.05]
        np.testing.assert_allclose([found[f"scaled_error_{x}"] for x in "abcde"[:count]], expected[:count], rtol=0.04)
        assert found["error_correlation_bc"] == pytest.approx(0.05**2 / (expected[1] * expected[2]), abs=0.03)
    # Not declared, the shared error counts as signal, and both look better than they are.
    blind, _ = estimates(correlated[:4])
    assert blind["scaled_error_b"] < 0.95 * expected[1]


def test_every_flag():
    rng = np.random.default_rng(2)
    _, good = series_of(rng, 500, (0.05, 0.06, 0.07), (0, 0, 0), (1, 1, 1))
    assert estimates(good)[1] == 0
    assert estimates(good[:, :50])[1] == 1 and estimates(good[:, :50], min_samples=30)[1] == 0
    assert estimates(np.stack([good[0], good[1], rng.normal(size=500)]))[1] == 2
    assert estimates(np.stack([good[0], good[1], -good[2]]))[1] == 2
    assert estimates(np.stack([good[0], good[1], np.full(500, 0.2)]))[1] == 2
    # b and c share what a does not see: their errors are correlated, and that of one is estimated below nothing.
    shared = rng.normal(0, 0.3, 500)
    assert estimates(np.stack([good[0], good[1] + shared, shared + 0.9 * good[1]]))[1] == 3
    assert estimates(np.stack([good[0], good[0], good[2]]))[1] == 3
    found, flag = estimates(np.stack([good[0], good[0], good[2]]))
    assert flag and np.isnan(list(found.values())).all()


# Rasters ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_demo_scene(tmp_path_factory.mktemp("merging") / "scene")


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def products_of(scene):
    return [[Source(str(path))] for path in (scene.product_a, scene.product_b, scene.product_c)]


def test_the_demo_scene_gives_its_errors_away(scene, tmp_path, progress):
    result = triple_collocation(
        products_of(scene),
        str(tmp_path / "tc.tif"),
        settings=CollocationSettings(min_samples=50),
        engine=Engine(progress=progress),
    )
    found = read(tmp_path / "tc.tif")
    resolved = found["flag"] == 0
    assert resolved.mean() > 0.5 and result.tally.resolved_percent == pytest.approx(100 * resolved.mean())
    for letter, error in PRODUCT_ERRORS.items():
        assert np.median(found[f"error_{letter}"][resolved]) == pytest.approx(error.noise, rel=0.15)
        metrics = [values for name, values in found.items() if name.endswith(f"_{letter}") and name not in ("r_", "p_")]
        assert all(np.isnan(values[~resolved]).all() for values in metrics)


def test_the_merged_product_is_nearer_to_the_truth_than_its_parents_and_their_mean(scene, tmp_path):
    merge_products(
        products_of(scene),
        str(tmp_path / "merged.tif"),
        str(tmp_path / "weights.tif"),
        settings=CollocationSettings(min_samples=50),
    )
    merged, weights, truth = read(tmp_path / "merged.tif"), read(tmp_path / "weights.tif"), read(scene.product_truth)
    parents = [read(sources[0].path) for sources in products_of(scene)]
    assert list(merged) == list(truth)
    resolved = weights["flag"] == 0

    def error(stack):
        """Standard deviation of the difference from the truth, where all products are there."""
        differences = []
        for name in truth:
            every = resolved & np.all([np.isfinite(parent[name]) for parent in parents], axis=0)
            differences.append((stack(name) - truth[name])[every])
        return float(np.std(np.concatenate(differences)))

    own = error(lambda name: merged[name])
    alone = [error(lambda name, parent=parent: parent[name]) for parent in parents]
    mean = error(lambda name: np.mean([parent[name] for parent in parents], axis=0))
    assert own < min(alone) and own < mean
    assert own == pytest.approx(np.nanmedian(weights["merged_error"]), rel=0.15)
    np.testing.assert_allclose(sum(weights[f"weight_{x}"] for x in "abc")[resolved], 1, atol=1e-5)


def test_little_memory_changes_nothing(scene, tmp_path):
    for name, memory in (("a", None), ("b", 200_000)):
        triple_collocation(
            products_of(scene),
            str(tmp_path / f"{name}.tif"),
            settings=CollocationSettings(min_samples=50),
            engine=Engine(memory=memory),
        )
        merge_products(
            products_of(scene),
            str(tmp_path / f"m{name}.tif"),
            settings=CollocationSettings(min_samples=50),
            engine=Engine(memory=memory),
        )
    for one, other in (("a", "b"), ("ma", "mb")):
        first, second = read(tmp_path / f"{one}.tif"), read(tmp_path / f"{other}.tif")
        for name in first:
            np.testing.assert_allclose(first[name], second[name], rtol=1e-6, atol=1e-7, err_msg=name)


def test_what_cannot_be_collocated(write_raster, tmp_path, progress):
    rng = np.random.default_rng(0)

    def product(name, dates, values=None):
        values = rng.random((len(dates), 3, 4)) if values is None else values
        return [write_raster(f"{name}.tif", values, [f"sm@{date}" for date in dates])]

    days = [f"2020-01-{day:02d}" for day in range(1, 32)]
    a, b, c = (product(name, days) for name in "abc")
    out = str(tmp_path / "out.tif")
    with pytest.raises(InputError, match="`min_samples`"):
        triple_collocation([a, b, c], out, settings=CollocationSettings(min_samples=1))
    with pytest.raises(InputError, match=r"(?i)common"):
        triple_collocation(
            [a, b, product("later", [day.replace("2020", "2021") for day in days])],
            out,
            settings=CollocationSettings(min_samples=10),
        )
    with pytest.raises(InputError, match=r"b\.tif. is in both `sources\[1\]` and `sources\[2\]`"):
        triple_collocation([a, b, b], out, settings=CollocationSettings(min_samples=10))
    with pytest.raises(InputError, match=r"`correlated`"):
        triple_collocation([a, b, c], out, settings=CollocationSettings(min_samples=10, correlated="B-C"))
    with pytest.raises(InputError):
        triple_collocation([a, b, []], out, settings=CollocationSettings(min_samples=10))
    with rasterio.open(b[0].path) as dataset:
        percent = product("percent", days, 100 * dataset.read())
    # Noise alone: nothing is resolved, which is a result and no error.
    triple_collocation(
        [a, percent, c], out, settings=CollocationSettings(min_samples=10), engine=Engine(progress=progress)
    )
    assert any("percent" in text for text in progress.warnings) and (read(out)["flag"] == 2).mean() > 0.8
