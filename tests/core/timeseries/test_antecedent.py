"""Antecedent indices against the recursion written out, the closed form, and plain sums."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import Engine
from sm_toolbox.timeseries.antecedent import AntecedentSettings, antecedent_indices

API = ("antecedent_precipitation",)


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def daily(count, month=1):
    return [f"rain@2020-0{month}-{day:02d}" for day in range(1, count + 1)]


def written_out(values, k, spin_up):
    """One cell, day by day."""
    out, index, known = [], 0.0, 0
    for value in values:
        if np.isnan(value):
            index, known = 0.0, 0
            out.append(np.nan)
            continue
        index, known = k * index + value, known + 1
        out.append(index if known >= spin_up else np.nan)
    return np.array(out)


def test_the_recursion_with_gaps(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.gamma(0.4, 8, (30, 6, 7)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    source = write_raster("rain.tif", values, daily(30))
    bands = antecedent_indices([source], str(tmp_path / "o.tif"), AntecedentSettings(API, 0.8, spin_up=4))
    assert bands[0] == "rain_api@2020-01-04" and len(bands) == 27
    found = np.stack(list(read(tmp_path / "o.tif").values()))
    for row in range(6):
        for column in range(7):
            expected = written_out(values[:, row, column].astype(float), 0.8, 4)[3:]
            np.testing.assert_allclose(found[:, row, column], expected, rtol=1e-5)
    assert np.isnan(found).any() and (~np.isnan(found)).any()


def test_the_closed_form_and_the_default_spin_up(write_raster, tmp_path, progress):
    """Constant rain p: the index tends to p / (1 - k), and is within 5 % of it when it is first given."""
    source = write_raster("rain.tif", np.full((59, 2, 2), 3.0), [*daily(31), *daily(28, 2)])
    bands = antecedent_indices([source], str(tmp_path / "o.tif"), engine=Engine(progress=progress))
    # 0.9 ** 28.4 is 0.05.
    assert bands[0] == "rain_api@2020-01-29"
    found = read(tmp_path / "o.tif")
    days = np.arange(29, 60)
    np.testing.assert_allclose([band[0, 0] for band in found.values()], 30 * (1 - 0.9**days), rtol=1e-6)
    assert found[bands[0]][0, 0] >= 0.95 * 30
    assert any("no value in the first 28.4 days" in line for line in progress.infos)


def test_missing_dates_are_a_gap(write_raster, tmp_path):
    names = [name for name in daily(12) if not name.endswith("06")]
    source = write_raster("rain.tif", np.full((11, 2, 2), 1.0), names)
    bands = antecedent_indices([source], str(tmp_path / "o.tif"), AntecedentSettings(API, 0.5, spin_up=3))
    # Three days from the beginning, and three days after the gap.
    assert [band[-2:] for band in bands] == ["03", "04", "05", "09", "10", "11", "12"]
    np.testing.assert_allclose(
        [band[0, 0] for band in read(tmp_path / "o.tif").values()][:4], [1.75, 1.875, 1.9375, 1.75]
    )


def test_steps_of_eight_days_decay_by_eight_days(write_raster, tmp_path):
    names = ["rain@2020-01-01", "rain@2020-01-09", "rain@2020-01-17"]
    source = write_raster("rain.tif", np.array([8.0, 0, 4])[:, None, None] * np.ones((1, 2, 2)), names)
    antecedent_indices([source], str(tmp_path / "o.tif"), AntecedentSettings(API, 0.9, spin_up=0))
    found = [band[0, 0] for band in read(tmp_path / "o.tif").values()]
    np.testing.assert_allclose(found, [8, 8 * 0.9**8, 8 * 0.9**16 + 4], rtol=1e-6)


def test_lags_and_sums(write_raster, tmp_path):
    rng = np.random.default_rng(1)
    values = rng.random((12, 5, 5)).astype(np.float32)
    values[4, 0, 0] = np.nan
    ndvi = rng.random((3, 5, 5)).astype(np.float32)
    sources = [
        write_raster("rain.tif", values, daily(12)),
        write_raster("ndvi.tif", ndvi, [f"ndvi@2020-01-{day:02d}" for day in (1, 4, 7)]),
    ]
    bands = antecedent_indices(sources, str(tmp_path / "o.tif"), AntecedentSettings(("lag", "sum"), days="3, 6d"))
    found = read(tmp_path / "o.tif")
    assert [band for band in bands if band.startswith("ndvi")] == [
        "ndvi_lag3d@2020-01-04", "ndvi_lag3d@2020-01-07",
        "ndvi_sum3d@2020-01-01", "ndvi_sum3d@2020-01-04", "ndvi_sum3d@2020-01-07",
        "ndvi_lag6d@2020-01-07",
        "ndvi_sum6d@2020-01-04", "ndvi_sum6d@2020-01-07",
    ]  # fmt: skip
    np.testing.assert_array_equal(found["rain_lag3d@2020-01-04"], values[0])
    np.testing.assert_allclose(found["rain_sum3d@2020-01-03"], values[:3].sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["rain_sum6d@2020-01-12"], values[6:12].sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["ndvi_sum6d@2020-01-07"], ndvi[1:].sum(axis=0), rtol=1e-6)
    assert "rain_sum3d@2020-01-02" not in found
    for day in range(5, 8):
        assert np.isnan(found[f"rain_sum3d@2020-01-{day:02d}"][0, 0])
    assert not np.isnan(found["rain_sum3d@2020-01-08"][0, 0])


def test_little_memory_makes_the_same(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.gamma(0.4, 8, (40, 150, 140)).astype(np.float32)
    source = write_raster("rain.tif", values, [*daily(31), *daily(9, 2)])
    settings = AntecedentSettings(("antecedent_precipitation", "lag", "sum"), 0.8)
    for name, memory in (("a.tif", None), ("b.tif", 2**20)):
        antecedent_indices([source], str(tmp_path / name), settings, Engine(memory=memory))
    a, b = read(tmp_path / "a.tif"), read(tmp_path / "b.tif")
    assert a.keys() == b.keys()
    np.testing.assert_array_equal(np.stack(list(a.values())), np.stack(list(b.values())))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (AntecedentSettings(()), "none is chosen"),
        (AntecedentSettings(("api",)), "`method`: api"),
        (AntecedentSettings(API, 1.0), "`decay` is 1,"),
        (AntecedentSettings(API, float("nan")), "`decay` is nan"),
        (AntecedentSettings(API, spin_up=-1), "`spin_up` is -1"),
        (AntecedentSettings(("sum",), days="a week"), "'a week' is no number of days"),
        (AntecedentSettings(("sum",), days=" ,"), "`days` is empty"),
        (AntecedentSettings(("sum",), days="0.3"), "`days` '0.3': the dates of 'rain' are 1 days apart"),
        (AntecedentSettings(("sum",), days="30"), "has 30 dates in a row"),
        (AntecedentSettings(("lag",), days="30"), "lies 30 days after another"),
        (AntecedentSettings(API), "no more than 10 days in a row, .* first 28.4"),
    ],
)
def test_refusals(write_raster, tmp_path, settings, message):
    source = write_raster("rain.tif", np.ones((10, 2, 2)), daily(10))
    with pytest.raises(InputError, match=message):
        antecedent_indices([source], str(tmp_path / "o.tif"), settings)
    assert not (tmp_path / "o.tif").exists()


def test_records_that_cannot_have_one(write_raster, tmp_path):
    monthly = write_raster("rain.tif", np.ones((3, 2, 2)), ["rain@2020-01", "rain@2020-02", "rain@2020-03"])
    for settings, message in (
        (AntecedentSettings(API), "are months or years. Give the daily rasters"),
        (AntecedentSettings(("sum",)), "`days` '7': the dates of 'rain' are months or years"),
    ):
        with pytest.raises(InputError, match=message):
            antecedent_indices([monthly], str(tmp_path / "o.tif"), settings)
    with pytest.raises(InputError, match="rain has no dates"):
        antecedent_indices([write_raster("static.tif", np.ones((1, 2, 2)), ["rain"])], str(tmp_path / "o.tif"))
    with pytest.raises(InputError, match="rain has a single date"):
        antecedent_indices([write_raster("one.tif", np.ones((1, 2, 2)), ["rain@2020-01-01"])], str(tmp_path / "o.tif"))
