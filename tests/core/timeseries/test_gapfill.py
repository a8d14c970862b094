"""Gap filling against NumPy's and SciPy's own interpolation and filters."""

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator
from scipy.signal import savgol_filter

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import parse_dates
from sm_toolbox.timeseries.gapfill import GAP_FILL_METHODS, _polynomial_weights, _regular, fill_gaps
from sm_toolbox.timeseries.gapfill_kernels import fill

NAN = np.nan


def filled(values, days=None, method="linear", targets=None, window=3.0, order=2, max_gap=np.inf):
    """The kernel on one series."""
    values = np.asarray(values, np.float32)
    days = np.arange(len(values), dtype=float) if days is None else np.asarray(days, float)
    targets = days if targets is None else np.asarray(targets, float)
    out = np.empty((len(targets), 1, 1), np.float32)
    weights = _polynomial_weights(int(window), order) if method == "savitzky_golay" else np.empty((0, 0))
    before, after = fill(
        values[:, None, None],
        days,
        targets,
        GAP_FILL_METHODS.index(method),
        window / 2,
        max_gap,
        _regular(days, "lst"),
        weights,
        out,
    )
    assert (before, after) == tuple(np.count_nonzero(~np.isnan(part)) for part in (values, out))
    return out[:, 0, 0]


def gappy(seed, size=60, regular=False):
    rng = np.random.default_rng(seed)
    days = np.arange(size) * 8.0 if regular else np.sort(rng.choice(np.arange(400), size, replace=False)).astype(float)
    values = np.sin(days / 40) * 10 + rng.normal(size=size)
    values[rng.random(size) < 0.4] = NAN
    return days, values.astype(np.float32).astype(float)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("elsewhere", [False, True])
def test_linear_is_numpys(seed, elsewhere):
    days, values = gappy(seed)
    targets = np.arange(days[0] - 5, days[-1] + 5, 1.5) if elsewhere else days
    known = ~np.isnan(values)
    expected = np.interp(targets, days[known], values[known], left=NAN, right=NAN)
    np.testing.assert_allclose(filled(values, days, targets=targets), expected, rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_spline_is_scipys(seed, elsewhere):
    days, values = gappy(seed)
    targets = np.arange(days[0] - 5, days[-1] + 5, 1.5) if elsewhere else days
    known = ~np.isnan(values)
    expected = PchipInterpolator(days[known], values[known], extrapolate=False)(targets)
    np.testing.assert_allclose(filled(values, days, "spline", targets), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("window", "order"), [(5, 2), (7, 2), (9, 3), (3, 0)])
@pytest.mark.parametrize("seed", range(3))
def test_savitzky_golay_is_scipys_on_the_bridged_series(seed, window, order):
    days, values = gappy(seed, regular=True)
    known = np.flatnonzero(~np.isnan(values))
    inside = slice(known[0], known[-1] + 1)
    bridged = np.interp(days[inside], days[known], values[known])
    expected = np.full(len(days), NAN)
    expected[inside] = savgol_filter(bridged, window, order, mode="interp")
    expected[known] = values[known]
    np.testing.assert_allclose(
        filled(values, days, "savitzky_golay", window=window, order=order), expected, rtol=1e-4, atol=1e-4
    )


def test_savitzky_golay_takes_equal_steps_where_the_dates_are_not():
    """A polynomial of the order passes unchanged even over irregular dates, as far as lines between them follow it."""
    days = np.array([0, 8, 16, 25, 32, 40, 49, 56, 64, 72, 80.0])
    line = 3 + 0.5 * days
    line[[4, 7]] = NAN
    np.testing.assert_allclose(filled(line, days, "savitzky_golay", window=5), 3 + 0.5 * days, rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("elsewhere", [False, True])
def test_savitzky_golay_over_irregular_dates(seed, elsewhere):
    days, values = gappy(seed)
    targets = np.arange(days[0] - 5, days[-1] + 5, 1.5) if elsewhere else days
    known = ~np.isnan(values)
    x, y = days[known], values[known]
    steps = np.arange(days[0], days[-1] + 1e-6, np.median(np.diff(days)))
    steps = steps[(steps >= x[0]) & (steps <= x[-1])]
    smooth = savgol_filter(np.interp(steps, x, y), 7, 2, mode="interp")
    expected = np.interp(targets, steps, smooth)
    expected[(targets < x[0]) | (targets > x[-1])] = NAN
    expected = np.where(np.isin(targets, x), np.interp(targets, x, y), expected)
    np.testing.assert_allclose(
        filled(values, days, "savitzky_golay", targets, window=7.0), expected, rtol=1e-4, atol=1e-4
    )


def test_steps_that_are_dates_but_for_rounding():
    days = np.arange(40) * 1.1 + np.tile([0, 1e-10], 20)
    line = 5 + days
    line[[0, 7, 39]] = NAN
    found = filled(line, days, "savitzky_golay", window=5.0)
    assert np.isnan(found[[0, 39]]).all()
    np.testing.assert_allclose(found[1:39], 5 + days[1:39], rtol=1e-6)


def test_savitzky_golay_of_a_record_shorter_than_its_window():
    np.testing.assert_array_equal(
        filled([NAN, 1, NAN, 3, NAN, NAN], method="savitzky_golay", window=5), [NAN, 1, NAN, 3, NAN, NAN]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("window", [2.0, 3.0, 7.5, 30.0])
def test_the_moving_average_by_hand(seed, window):
    days, values = gappy(seed)
    expected = values.copy()
    for i in np.flatnonzero(np.isnan(values)):
        near = values[np.abs(days - days[i]) <= window / 2]
        expected[i] = np.nanmean(near) if np.isfinite(near).any() else NAN
    np.testing.assert_allclose(filled(values, days, "moving_average", window=window), expected, rtol=1e-5)


def test_three_days_are_the_day_before_the_day_and_the_day_after():
    np.testing.assert_array_equal(
        filled([1, NAN, 3, NAN, NAN, NAN, 7], method="moving_average"), [1, 2, 3, 3, NAN, 7, 7]
    )


@pytest.mark.parametrize("method", GAP_FILL_METHODS)
def test_the_longest_gap(method):
    values = np.arange(20.0)
    values[5:8] = NAN  # values at 4 and 8: four days apart
    values[12:17] = NAN  # six days apart
    found = filled(values, method=method, window=9.0, order=1, max_gap=4)
    assert np.isfinite(found[5:8]).all() and np.isnan(found[12:17]).all()
    assert np.isnan(filled(values, method=method, window=9.0, order=1, max_gap=3.9)[5:8]).all()


@pytest.mark.parametrize("method", GAP_FILL_METHODS)
def test_gaps_alone_and_single_values(method):
    assert np.isnan(filled([NAN] * 9, method=method, window=5.0)).all()
    found = filled([NAN, NAN, NAN, NAN, 5, NAN, NAN, NAN, NAN], method=method, window=5.0)
    assert found[4] == 5 and np.isnan(found[[0, 1, 7, 8]]).all()
    assert np.isfinite(found[[3, 5]]).all() == (method == "moving_average")


@pytest.mark.parametrize("method", GAP_FILL_METHODS)
def test_a_complete_series_stays(method):
    values = np.random.default_rng(0).random(30).astype(np.float32)
    np.testing.assert_array_equal(filled(values, method=method, window=5.0), values)


series = st.lists(st.one_of(st.just(NAN), st.floats(-1000, 1000, width=32)), min_size=3, max_size=40)


@settings(deadline=None, max_examples=150)
@given(series, st.sampled_from(["linear", "spline", "moving_average"]))
def test_no_method_overshoots(values, method):
    found = filled(values, method=method)
    if np.isfinite(found).any():
        known = np.array(values)[np.isfinite(values)]
        assert np.nanmin(found) >= known.min() - 1e-3 and np.nanmax(found) <= known.max() + 1e-3


@settings(deadline=None, max_examples=100)
@given(series, st.sampled_from(["linear", "spline"]), st.integers(0, 2**32 - 1))
def test_filled_values_lie_between_their_neighbours(values, method, seed):
    days = np.cumsum(np.random.default_rng(seed).integers(1, 20, len(values))).astype(float)
    found, known = filled(values, days, method), np.flatnonzero(np.isfinite(values))
    for left, right in zip(known, known[1:]):
        low, high = sorted((values[left], values[right]))
        assert (found[left : right + 1] >= low - 1e-3).all() and (found[left : right + 1] <= high + 1e-3).all()
    assert (
        np.isnan(found[: known[0]]).all() and np.isnan(found[known[-1] + 1 :]).all()
        if known.size
        else np.isnan(found).all()
    )


@pytest.mark.parametrize("method", GAP_FILL_METHODS)
@pytest.mark.parametrize("columns", [1, 7, 256, 300])
def test_columns_walked_through_together_are_apart(method, columns):
    """More columns than are taken at once, each with gaps of its own."""
    rng = np.random.default_rng(columns)
    block = rng.random((15, 2, columns)).astype(np.float32)
    block[rng.random(block.shape) < 0.5] = NAN
    days, out = np.arange(15.0), np.empty_like(block)
    sg = method == "savitzky_golay"
    regular, weights = (_regular(days, "lst"), _polynomial_weights(5, 2)) if sg else (np.empty(0), np.empty((0, 0)))
    fill(block, days, days, GAP_FILL_METHODS.index(method), 2.5, 6.0, regular, weights, out)
    for row in range(2):
        for column in {0, columns // 2, columns - 1}:
            expected = filled(block[:, row, column], method=method, window=5.0, max_gap=6.0)
            np.testing.assert_array_equal(out[:, row, column], expected)


def test_the_moving_average_forgets_what_has_left_its_window():
    values = np.array([-3e38, NAN, NAN, NAN, 1, NAN, 3])
    np.testing.assert_array_equal(filled(values, method="moving_average")[3:], [1, 1, 2, 3])


def test_the_longest_gap_between_times_of_day():
    days = np.array([0, 6, 12]) + 5.5 / 24
    assert filled([1, NAN, 3], days, max_gap=days[2] - days[0] - 1e-9)[1] == 2


@settings(deadline=None, max_examples=100)
@given(series, st.sampled_from(GAP_FILL_METHODS), st.floats(-500, 500, width=16))
def test_a_constant_added_is_a_constant_more(values, method, constant):
    one, other = filled(values, method=method), filled(np.array(values) + constant, method=method)
    np.testing.assert_allclose(other, one + constant, atol=0.01)


# Whole files ------------------------------------------------------------------------------------------------------

DATES = ["2018-06-01", "2018-06-03", "2018-06-02", "2018-06-09"]


def stack(write_raster, name="lst.tif", shape=(50, 70), dates=DATES, **options):
    rng = np.random.default_rng(1)
    values = rng.random((len(dates), *shape)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = NAN
    return write_raster(name, values, [f"lst@{date}" for date in dates], **options), values


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def test_files_in_any_order_block_by_block(write_raster, tmp_path, progress):
    source, values = stack(write_raster)
    out = str(tmp_path / "out.tif")
    result = fill_gaps([source], out, engine=Engine(memory=100_000, progress=progress))
    found = read(out)
    order = np.argsort(DATES)
    assert list(found) == result.bands == [f"lst@{DATES[i]}" for i in order]
    days = [0, 1, 2, 8]
    for row, column in ((0, 0), (17, 33), (49, 69)):
        expected = filled(values[order, row, column], days)
        np.testing.assert_array_equal([band[row, column] for band in found.values()], expected)
    before, after = result.missing["lst"]
    assert before == pytest.approx(np.isnan(values).mean()) and after == pytest.approx(
        np.isnan(np.stack(list(found.values()))).mean()
    )
    assert any("missing" in text for text in progress.infos)


@pytest.mark.parametrize("method", GAP_FILL_METHODS)
def test_blocks_change_nothing(write_raster, tmp_path, method):
    source, _ = stack(write_raster, shape=(70, 90), dates=[f"2018-06-{day:02d}" for day in range(1, 15)])
    for name, memory in (("a.tif", None), ("b.tif", 300_000)):
        fill_gaps([source], str(tmp_path / name), method=method, engine=Engine(memory=memory))
    a, b = read(tmp_path / "a.tif"), read(tmp_path / "b.tif")
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_other_dates_and_several_variables(write_raster, tmp_path):
    first, _ = stack(write_raster)
    rain = write_raster(
        "rain.tif", np.array([np.zeros((50, 70)), np.full((50, 70), 4.0)]), ["rain@2018-06-01", "rain@2018-06-05"]
    )
    fill_gaps([first, rain], str(tmp_path / "out.tif"), dates="2018-06-02/2018-06-06/2")
    found = read(tmp_path / "out.tif")
    assert list(found) == [f"{name}@2018-06-0{day}" for name in ("lst", "rain") for day in (2, 4, 6)]
    assert (
        (found["rain@2018-06-02"] == 1).all()
        and (found["rain@2018-06-04"] == 3).all()
        and np.isnan(found["rain@2018-06-06"]).all()
    )


def test_dates_that_no_value_reaches(write_raster, tmp_path, progress):
    source, _ = stack(write_raster)
    out = str(tmp_path / "out.tif")
    fill_gaps([source], out, dates="2018-06-02,2018-06-10", engine=Engine(progress=progress))
    assert any(
        "1 of 2 `dates` lie outside the dates of lst, 2018-06-01 to 2018-06-09" in text for text in progress.warnings
    )
    with pytest.raises(InputError, match=r"`dates`: none lies within the dates of lst"):
        fill_gaps([source], out, dates="2018-06-10")
    # Its window reaches a day and a half further.
    fill_gaps([source], out, method="moving_average", dates="2018-06-10")
    assert np.isfinite(read(out)["lst@2018-06-10"]).any()


def test_times_too_uneven_for_equal_steps(write_raster, tmp_path):
    names = ["lst@2018-06-01T05:30:00", "lst@2018-06-01T05:30:12", "lst@2018-09-01T05:30:00", "lst@2018-09-01T05:30:12"]
    source = write_raster("pairs.tif", np.ones((4, 3, 3)), names)
    with pytest.raises(InputError, match=r"equal steps for savitzky_golay.*Composite over time"):
        fill_gaps([source], str(tmp_path / "out.tif"), method="savitzky_golay")
    fill_gaps([source], str(tmp_path / "out.tif"))


def test_integers_with_scale_and_a_single_row(write_raster, tmp_path):
    raw = np.array([[[100, 0, 300]], [[0, 0, 500]], [[300, 0, 0]]], np.int16)
    source = write_raster("scaled.tif", raw, [f"ndvi@2018-06-0{i}" for i in (1, 2, 3)], dtype="int16", nodata=0)
    with rasterio.open(source.path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.01,) * 3, (1.0,) * 3
    fill_gaps([source], str(tmp_path / "out.tif"))
    np.testing.assert_allclose(
        np.stack(list(read(tmp_path / "out.tif").values()))[:, 0], [[2, NAN, 4], [3, NAN, 6], [4, NAN, NAN]], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("2018-06-13, 2018-06-01", ["2018-06-01", "2018-06-13"]),
        ("2018-06-01/2018-06-13/6", ["2018-06-01", "2018-06-07", "2018-06-13"]),
        ("2018-06-01/2018-06-03", ["2018-06-01", "2018-06-02", "2018-06-03"]),
        ("2018-06-01 05:30 , 2018-07", ["2018-06-01T05:30:00", "2018-07"]),
        ("2018-06-01T05:30:00;2018-07", ["2018-06-01T05:30:00", "2018-07"]),
    ],
)
def test_dates(text, expected):
    assert [str(time) for time in parse_dates(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "1.6.2018",
        "2018-06-01/2018-05-01",
        "2018-06-01/2018-07-01/0",
        "2018-06/2018-08",
        "2018-06-01/1/2/3",
        "2018-06-01/2018-06-10/²",
        "2018-06-01/2018-06-10/99999999999",
        "9999-12-31T23:00-05:00",
        "2018-06-01,2018-06-01",
    ],
)
def test_what_are_no_dates(text):
    with pytest.raises(InputError, match="`dates`"):
        parse_dates(text)


def test_too_many_dates():
    with pytest.raises(InputError, match=r"dates; at most"):
        parse_dates("1900-01-01/2100-01-01")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "cubic"}, "`method` is 'cubic'"),
        ({"method": "savitzky_golay", "window": 4}, r"`window` is 4.*odd"),
        ({"method": "savitzky_golay", "window": 5, "order": 5}, r"`order` is 5.*less than `window`"),
        ({"method": "moving_average", "window": 0}, "`window` is 0"),
        ({"max_gap": 0}, "`max_gap` is 0"),
    ],
)
def test_impossible_settings(write_raster, tmp_path, leftovers, options, words):
    source, _ = stack(write_raster)
    with pytest.raises(InputError, match=words):
        fill_gaps([source], str(tmp_path / "out.tif"), **options)
    assert leftovers() == ["lst.tif"]


def test_inputs_that_cannot_be_filled(write_raster, tmp_path):
    out = str(tmp_path / "out.tif")
    cells = np.ones((2, 3, 4))
    with pytest.raises(InputError, match=r"dem has no dates"):
        fill_gaps([write_raster("dem.tif", cells[0], ["dem"])], out)
    with pytest.raises(InputError, match=r"lst has a single date \(2018-06-01\)"):
        fill_gaps([write_raster("one.tif", cells[0], ["lst@2018-06-01"])], out)
    with pytest.raises(InputError, match=r"both 2018-06 and 2018-06-01|both 2018-06-01 and 2018-06"):
        fill_gaps([write_raster("two.tif", cells, ["lst@2018-06-01", "lst@2018-06"])], out)


def test_cancel(write_raster, tmp_path, cancelling, leftovers):
    source, _ = stack(write_raster)
    with pytest.raises(Cancelled):
        fill_gaps([source], str(tmp_path / "out.tif"), engine=Engine(progress=cancelling(1)))
    assert leftovers() == ["lst.tif"]
