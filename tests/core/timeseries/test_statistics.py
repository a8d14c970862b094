"""Statistics over time against NumPy, with gaps, any order of dates and little memory."""

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.raster.request import Engine
from sm_toolbox.timeseries.statistics import STATISTICS, temporal_statistics

ALL = list(STATISTICS)


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1000), st.integers(1, 12), st.floats(0, 1))
def test_against_numpy(write_raster, tmp_path, seed, dates, gaps):
    rng = np.random.default_rng(seed)
    values = 300 + rng.normal(0, 2, (dates, 6, 7)).astype(np.float32)
    values[rng.random(values.shape) < gaps] = np.nan
    values[:, 0, 0] = 290
    source = write_raster("lst.tif", values, [f"lst@2020-01-{1 + i:02d}" for i in rng.permutation(dates)])
    temporal_statistics([source], ALL, str(tmp_path / "o.tif"))
    found = read(tmp_path / "o.tif")
    count = np.isfinite(values).sum(axis=0)
    np.testing.assert_array_equal(found["lst_count"], count)
    double = values.astype(np.float64)
    with np.errstate(all="ignore"):
        mean = np.nansum(double, axis=0) / count
        sd = np.sqrt(np.nansum((double - mean) ** 2, axis=0) / (count - 1))
    np.testing.assert_allclose(found["lst_mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(found["lst_sd"], np.where(count >= 2, sd, np.nan), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(
        found["lst_min"], np.where(count, np.where(np.isnan(values), np.inf, values).min(axis=0), np.nan)
    )
    np.testing.assert_array_equal(
        found["lst_max"], np.where(count, np.where(np.isnan(values), -np.inf, values).max(axis=0), np.nan)
    )


def test_several_variables_and_files_in_little_memory(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    vv = rng.normal(-12, 2, (40, 300, 310)).astype(np.float32)
    first = write_raster("a.tif", vv[:20], [f"vv@2020-02-{1 + i:02d}" for i in range(20)])
    second = write_raster(
        "b.tif",
        np.concatenate([vv[20:], vv[:3]]),
        [*(f"vv@2020-01-{1 + i:02d}" for i in range(20)), *(f"vh@2020-01-{1 + i:02d}" for i in range(3))],
    )
    for memory in (2**30, 2**22):
        bands = temporal_statistics(
            [first, second], ["mean", "max"], str(tmp_path / "o.tif"), engine=Engine(memory=memory)
        )
        found = read(tmp_path / "o.tif")
        assert bands == ["vv_mean", "vv_max", "vh_mean", "vh_max"] == list(found)
        np.testing.assert_allclose(found["vv_mean"], vv.mean(axis=0, dtype=np.float64), rtol=1e-5)
        np.testing.assert_array_equal(found["vh_max"], vv[:3].max(axis=0))


def test_what_is_refused(write_raster, tmp_path, leftovers, cancelling):
    static = write_raster("s.tif", np.ones((3, 3)), ["dem"])
    dated = write_raster("d.tif", np.ones((3, 3)), ["dem2@2020-01-01"])
    before = leftovers()
    for sources, names, words in [
        ([static], ["mean"], "dem have no dates"),
        ([dated], [], "none is chosen"),
        ([dated], ["mode"], "`names`: mode"),
    ]:
        with pytest.raises(InputError, match=words):
            temporal_statistics(sources, names, str(tmp_path / "o.tif"))
    with pytest.raises(Cancelled):
        temporal_statistics([dated], ["mean"], str(tmp_path / "o.tif"), engine=Engine(progress=cancelling(1)))
    assert leftovers() == before


@pytest.mark.parametrize("names", [["count"], ["count", "sd"], ALL])
def test_of_nothing_but_gaps_nothing_is_written(write_raster, tmp_path, leftovers, names):
    empty = write_raster("lst.tif", np.full((2, 3, 3), np.nan), ["lst@2020-01-01", "lst@2020-01-02"])
    before = leftovers()
    with pytest.raises(InputError, match="Nothing was written"):
        temporal_statistics([empty], names, str(tmp_path / "o.tif"))
    assert leftovers() == before
