"""Relative wetness and local incidence angles: closed forms, references by NumPy, tracks as Sentinel-1 flies them."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.predictors.sar_geometry import local_incidence, local_incidence_angles, sensor_azimuth
from sm_toolbox.predictors.sar_wetness import WetnessSettings, relative_wetness
from sm_toolbox.raster.request import Engine

DATES = [f"2020-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(0, 240, 12)]


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def test_wetness_lies_between_the_references(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.uniform(-15, -8, (20, 6, 7)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 0, 0] = -10
    values[7:, 0, 1] = np.nan
    source = write_raster("s1.tif", values, [f"vv@{date}" for date in DATES])
    porosity = write_raster("p.tif", np.full((6, 7), 0.45), ["porosity"])
    bands = relative_wetness([source], str(tmp_path / "o.tif"), WetnessSettings(10, 90), porosity)
    assert bands[0] == "relative_wetness@2020-01-01" and bands[-1] == f"soil_moisture@{DATES[-1]}"
    got = np.stack(list(read(tmp_path / "o.tif").values()))
    dry, wet = np.nanpercentile(values[:, 1:], [10, 90], axis=0)
    expected = np.clip((values[:, 1:] - dry) / (wet - dry), 0, 1)
    np.testing.assert_allclose(got[:20, 1:], expected, atol=1e-5)
    np.testing.assert_allclose(got[20:, 1:], 0.45 * expected, atol=1e-5)
    # Neither a cell that always scatters the same nor one of seven dates has references.
    assert np.isnan(got[:, 0, :2]).all() and not np.isnan(got[:20, 0, 2:]).all()


def test_wetness_refusals(write_raster, tmp_path):
    out = str(tmp_path / "o.tif")
    few = [write_raster("few.tif", np.random.default_rng(0).random((7, 2, 2)) - 10, [f"vv@{d}" for d in DATES[:7]])]
    with pytest.raises(InputError, match="vv has 7 dates .* at least 8 are needed"):
        relative_wetness(few, out)
    same = [write_raster("same.tif", np.full((20, 2, 2), -10.0), [f"vv@{date}" for date in DATES])]
    with pytest.raises(InputError, match="No cell has backscatter on 8 dates with 0.5 dB"):
        relative_wetness(same, out)
    with pytest.raises(InputError, match="`dry_percentile` 95 must lie below `wet_percentile` 5"):
        relative_wetness(same, out, WetnessSettings(95, 5))
    percent = write_raster("percent.tif", np.stack([np.full((2, 2), 1.4), np.full((2, 2), 45.0)]), ["bd", "porosity"])
    with pytest.raises(InputError, match="`porosity` 'percent.tif' has a median of 45, but must be in m³ m⁻³"):
        relative_wetness(same, out, porosity=percent)
    two = write_raster("two.tif", np.full((2, 2, 2), 0.4), ["theta_s", "theta_r"])
    with pytest.raises(InputError, match="`porosity` must hold one variable"):
        relative_wetness(same, out, porosity=two)
    assert not (tmp_path / "o.tif").exists()


def test_tracks_as_sentinel_1_flies_them():
    """Ascending it heads some 12° west of north at the equator, more towards the pole; it looks to the right."""
    assert sensor_azimuth(np.array([0.0]), "ascending")[0] == pytest.approx(270 - 12.0, abs=0.3)
    assert sensor_azimuth(np.array([0.0]), "descending")[0] == pytest.approx(90 + 12.0, abs=0.3)
    north, middle = sensor_azimuth(np.array([65.0, 45.0]), "ascending")
    assert north < middle < 258.1
    np.testing.assert_allclose(sensor_azimuth(np.array([-45.0]), "ascending"), middle)
    with pytest.raises(InputError, match="`direction` is 'up'"):
        sensor_azimuth(np.zeros(1), "up")


@pytest.mark.parametrize("slope", [0, 10, 30])
@pytest.mark.parametrize("aspect", [0, 45, 110, 258])
def test_planes_have_the_angle_of_their_normal(slope, aspect):
    """cos θ_local = cos θ cos α + sin θ sin α cos(aspect − azimuth of the sensor)."""
    rows, columns = np.indices((7, 8))
    x, y = 30.0 * columns, -30.0 * rows
    downhill = np.radians(aspect)
    heights = 500 - np.tan(np.radians(slope)) * (x * np.sin(downhill) + y * np.cos(downhill))
    azimuth, theta = np.full((5, 6), 258.0), np.full((1, 5, 6), 38.0, np.float32)
    got = local_incidence(heights.astype(np.float32), theta, azimuth, np.full(5, 30.0), np.full(5, 30.0))
    a, t = np.radians(slope), np.radians(38.0)
    cosine = np.cos(t) * np.cos(a) + np.sin(t) * np.sin(a) * np.cos(np.radians(aspect - 258))
    np.testing.assert_allclose(got, np.degrees(np.arccos(cosine)), atol=2e-3)
    if aspect == 258:
        np.testing.assert_allclose(got, 38 - slope, atol=2e-3)


def test_maps_of_the_local_angle(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    heights = rng.normal(500, 30, (40, 50)).cumsum(axis=0).cumsum(axis=1) / 100
    heights[20, 20] = np.nan
    angle = np.full((2, 40, 50), 38.0)
    sources = [write_raster("s1.tif", np.concatenate([angle, angle - 50]),
                            ["angle@2020-01-01", "angle@2020-01-13", "vv@2020-01-01", "vv@2020-01-13"])]  # fmt: skip
    dem = write_raster("dem.tif", heights, ["elevation"])
    paths = [str(tmp_path / name) for name in ("a.tif", "b.tif")]
    bands = local_incidence_angles(sources, dem, paths[0], "descending")
    local_incidence_angles(sources, dem, paths[1], "descending", Engine(memory=2**20))
    assert bands == ["local_incidence_angle@2020-01-01", "local_incidence_angle@2020-01-13"]
    first, second = (read(path) for path in paths)
    np.testing.assert_array_equal(np.stack(list(first.values())), np.stack(list(second.values())))
    got = first[bands[0]]
    assert np.isnan(got[0]).all() and np.isnan(got[19:22, 19:22]).all() and np.isfinite(got[1:19, 1:-1]).all()
    with pytest.raises(InputError, match="needs `angle`"):
        local_incidence_angles([dem], dem, paths[0])
    radians = [write_raster("rad.tif", np.radians(angle[:1]), ["angle@2020-01-01"])]
    with pytest.raises(InputError, match="`angle` has a median of 0.6632, .* Multiply radians by 57.3"):
        local_incidence_angles(radians, dem, paths[0])
