"""The exponential filter against its recursion, and the weighted mean that it stands for."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.raster.opening import grid_of
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.stations.timeconstant import fit_time_constant
from sm_toolbox.timeseries.rootzone import RootZoneInputs, RootZoneSettings, exponential_filter, root_zone


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def named(days, variable="sm"):
    return [f"{variable}@{np.datetime64('2018-01-01') + np.timedelta64(int(day), 'D')}" for day in days]


def recursive(days, values, constant):
    """Albergel et al. 2008, Eqs. 4 and 5, as printed."""
    index, gain, before, out = None, 1.0, None, []
    for day, value in zip(days, values):
        if np.isnan(value):
            out.append(np.nan)
            continue
        if index is None:
            index = value
        else:
            gain = gain / (gain + np.exp(-(day - before) / constant))
            index = index + gain * (value - index)
        before = day
        out.append(index)
    return np.array(out)


@pytest.mark.parametrize("constant", [1, 10, 60])
def test_the_recursion_and_the_weighted_mean(constant):
    rng = np.random.default_rng(0)
    days = np.cumsum(rng.integers(1, 9, 120)).astype(float)
    values = rng.random(120)
    values[rng.random(120) < 0.3] = np.nan
    found = exponential_filter(days, values, constant)
    np.testing.assert_allclose(found, recursive(days, values, constant), rtol=1e-10)
    weights = np.where(np.isnan(values), 0, np.exp(-(days[-1] - days) / constant))
    if not np.isnan(values[-1]):
        assert found[-1] == pytest.approx((weights * np.nan_to_num(values)).sum() / weights.sum())


def test_as_pytesmo():
    """The numbers of pytesmo 0.18.1, time_series.filters.exp_filter with a time constant of 10 days."""
    days = np.array([1.0, 2, 5, 6, 8, 10, 14, 16, 21, 22, 27, 30])
    values = np.array([0.039, 0.59, 0.166, 0.678, np.nan, 0.311, 0.938, 0.538, 0.812, 0.658, 0.611, 0.191])
    expected = [0.039, 0.32826352, 0.26096605, 0.39203921, np.nan, 0.36617081, 0.55063514, 0.54706389, 0.63127974,
                0.6382263, 0.63005771, 0.50349827]  # fmt: skip
    np.testing.assert_allclose(exponential_filter(days, values, 10), expected, atol=1e-8)


def test_a_step_is_followed_with_the_time_constant():
    """Daily, from 0 to 1: after a time constant 1 - 1/e of the way, once the past is long."""
    days = np.arange(400.0)
    found = exponential_filter(days, (days >= 300).astype(float), 20)
    assert found[320] == pytest.approx(1 - np.exp(-21 / 20), abs=1e-6)


def test_maps_are_the_filter_in_every_cell(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    days = np.cumsum(rng.integers(1, 5, 80))
    values = (0.1 + 0.3 * rng.random((80, 5, 6))).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 0, 0] = np.nan
    values[:, 0, 1] = 0.2
    source = write_raster("sm.tif", values, named(days))
    bands = root_zone(RootZoneInputs([source]), str(tmp_path / "o.tif"), RootZoneSettings(10, min_observations=1))
    found = read(tmp_path / "o.tif")
    assert bands[0] == named(days, "soil_water_index")[0] and bands[-1] == named(days, "quality")[-1]
    index, quality = (np.stack(list(found.values()))[part] for part in (slice(80), slice(80, None)))
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = np.fmin.reduce(values), np.fmax.reduce(values)
        expected = exponential_filter(days.astype(float), np.moveaxis((values - low) / (high - low), 0, -1), 10)
    expected = np.moveaxis(expected, -1, 0)
    observed = ~np.isnan(expected)
    np.testing.assert_allclose(index[observed], expected[observed], atol=2e-6)
    assert np.isnan(index[:, 0, :2]).all()
    assert np.nanmin(index) >= 0 and np.nanmax(index) <= 1
    # A gap keeps the last value, with less behind it.
    date, row, column = next(zip(*np.nonzero(~observed[1:, 1:] & observed[:-1, 1:])))
    assert index[date + 1, row + 1, column] == index[date, row + 1, column]
    assert quality[date + 1, row + 1, column] < quality[date, row + 1, column]
    assert (quality[~np.isnan(quality)] <= 1).all() and quality[-1, 2:].min() > 0.5


def test_quality_and_gaps(write_raster, tmp_path):
    """Daily, then nothing for weeks: no value once the last is older than the time constant."""
    values = np.full((60, 2, 2), 0.2, np.float32)
    values[::2] = 0.3
    values[30:55] = np.nan
    source = write_raster("sm.tif", values, named(range(60)))
    root_zone(RootZoneInputs([source]), str(tmp_path / "o.tif"), RootZoneSettings(5, min_observations=4))
    found = np.stack(list(read(tmp_path / "o.tif").values()))[:, 0, 0]
    # The first three dates cannot have four observations, and are left out.
    first = np.full(3, np.nan)
    index, quality = np.concatenate([first, found[:57]]), np.concatenate([first, found[57:]])
    # Four observations within 15 days from the fourth day on, and again from the fourth after the gap.
    assert np.isnan(index[:3]).all() and not np.isnan(index[3:35]).any()
    assert np.isnan(index[35:58]).all() and not np.isnan(index[58:]).any()
    assert quality[29] == pytest.approx(1, abs=0.01) and quality[34] == pytest.approx(np.exp(-1), abs=0.01)


def test_limits_units_and_a_raster_of_time_constants(write_raster, tmp_path, progress):
    rng = np.random.default_rng(0)
    values = (0.1 + 0.3 * rng.random((40, 4, 4))).astype(np.float32)
    surface = write_raster("sm.tif", values, named(range(40)))
    constants = np.full((4, 4), 8.0)
    constants[0], constants[1, 0] = 3, 0
    inputs = RootZoneInputs(
        [surface],
        write_raster("t.tif", constants, ["t"]),
        write_raster("wp.tif", np.full((4, 4), 0.15), ["wilting_point"]),
        write_raster("fc.tif", np.full((4, 4), 0.35), ["field_capacity"]),
    )
    root_zone(inputs, str(tmp_path / "o.tif"), RootZoneSettings(units="moisture"), Engine(progress=progress))
    found = read(tmp_path / "o.tif")
    got = np.stack([found[name] for name in named(range(3, 40), "root_zone_soil_moisture")])
    share = np.clip((values.astype(float) - 0.15) / 0.2, 0, 1)
    for row, constant in ((0, 3), (2, 8)):
        expected = 0.15 + 0.2 * exponential_filter(np.arange(40.0), share[:, row, 1], constant)
        np.testing.assert_allclose(got[1:, row, 1], expected[4:], atol=1e-6)
    assert np.isnan(got[:, 1, 0]).all()
    assert "1 cells without a `time_constant` above 0 have no value." in progress.infos
    assert any("lie below `wilting_point` or above" in warning for warning in progress.warnings)


def test_little_memory_makes_the_same(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    source = write_raster("sm.tif", rng.random((60, 140, 150)).astype(np.float32), named(range(60)))
    for name, memory in (("a.tif", None), ("b.tif", 2**20)):
        root_zone(RootZoneInputs([source]), str(tmp_path / name), engine=Engine(memory=memory))
    a, b = read(tmp_path / "a.tif"), read(tmp_path / "b.tif")
    np.testing.assert_array_equal(np.stack(list(a.values())), np.stack(list(b.values())))


def test_the_time_constant_of_deeper_sensors(write_raster, progress):
    """Sensors that follow the surface with 15 days, with noise: found again, at most stations and for all."""
    rng = np.random.default_rng(0)
    days = np.arange(300)
    surface = np.cumsum(rng.normal(0, 1, (300, 4, 4)), axis=0) * np.exp(-days[:, None, None] / 1e9)
    surface -= surface.mean(axis=0)
    values = (0.25 + 0.01 * surface).astype(np.float32)
    source = write_raster("sm.tif", values, named(days))
    times, x, y, names, observed = [], [], [], [], []
    for row in range(4):
        deep = exponential_filter(days.astype(float), values[:, row, 1].astype(float), 15)
        for day in days[5:]:
            times.append(parse_time(named([day])[0].split("@")[1]))
            x.append(500045.0)
            y.append(3999985.0 - 30 * row)
            names.append(f"s{row}")
            observed.append(0.1 + 0.5 * deep[day] + rng.normal(0, 0.002))
    rows = Rows("deep", np.array(x), np.array(y), grid_of(source).crs, times, names)
    fit = fit_time_constant(rows, np.array(observed), [source], progress)
    assert fit.days == 15 and len(fit.stations) == 4 and all(r > 0.9 for _, _, r, _ in fit.stations)
    assert any("15 days" in line for line in progress.infos)
    # A station with few observations does not count, and none with enough is an error.
    few = Rows("deep", rows.x[:20], rows.y[:20], rows.crs, rows.times[:20], rows.names[:20])
    with pytest.raises(InputError, match="No station of 'deep' has 30 days"):
        fit_time_constant(few, np.array(observed[:20]), [source], progress)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (RootZoneSettings(0), "`time_constant` is 0 days"),
        (RootZoneSettings(-5), "`time_constant` is -5 days"),
        (RootZoneSettings(float("nan")), "`time_constant` is nan days"),
        (RootZoneSettings(units="percent"), "`units` is 'percent'"),
        (RootZoneSettings(min_observations=0), "`min_observations` is 0"),
    ],
)
def test_refusals(write_raster, tmp_path, settings, message):
    source = write_raster("sm.tif", np.ones((6, 2, 2)), named(range(6)))
    with pytest.raises(InputError, match=message):
        root_zone(RootZoneInputs([source]), str(tmp_path / "o.tif"), settings)


def test_rasters_that_do_not_serve(write_raster, tmp_path):
    values = np.arange(6.0)[:, None, None] * np.ones((1, 2, 2))
    surface = [write_raster("sm.tif", values, named(range(6)))]
    for inputs, message in (
        (RootZoneInputs([write_raster("c.tif", np.ones((6, 2, 2)), named(range(6)))]), "No cell has a range"),
        (RootZoneInputs(surface, write_raster("t.tif", np.full((2, 2), -1.0), ["t"])), "nowhere above 0"),
        (RootZoneInputs(surface, write_raster("two.tif", np.ones((2, 2, 2)), ["t", "u"])), "has 2 bands"),
        (RootZoneInputs(surface, write_raster("gap.tif", np.full((2, 2), np.nan), ["t"])), "nowhere above 0"),
        (
            RootZoneInputs([write_raster("rare.tif", values, named(range(0, 600, 100)))]),
            "within three time constants, 60",
        ),
        (RootZoneInputs([write_raster("static.tif", np.ones((2, 2)), ["sm"])]), "has no dates"),
    ):
        with pytest.raises(InputError, match=message):
            root_zone(inputs, str(tmp_path / "o.tif"), RootZoneSettings(min_observations=2))
        assert not (tmp_path / "o.tif").exists()


def test_a_field_capacity_in_percent(write_raster, tmp_path, progress):
    """The index of 0.3 m3 m-3 between 0.1 m3 m-3 and 40 % is 0 all over: no number to write without a word."""
    rng = np.random.default_rng(1)
    surface = [write_raster("sm.tif", rng.uniform(0.12, 0.35, (30, 2, 2)), named(range(30)))]
    for capacity, warnings in ((0.4, 0), (40.0, 1)):
        field = write_raster(f"fc{capacity}.tif", np.full((2, 2), capacity), ["fc"])
        inputs = RootZoneInputs(surface, field_capacity=field)
        root_zone(inputs, str(tmp_path / "o.tif"), engine=Engine(progress=progress))
        assert len(progress.warnings) == warnings
    assert "not in one unit" in progress.warnings[0]
