"""Thermal inertia: closed forms, almanac values, pairing by day, and units that cannot be right."""

from datetime import datetime

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from scipy.integrate import quad

from sm_toolbox.errors import InputError
from sm_toolbox.predictors.thermal import declination, solar_correction, thermal_inertia
from sm_toolbox.raster.request import Engine


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


@pytest.fixture
def layers(write_raster):
    """A function that makes dated layers from values per day."""

    def make(albedo, day, night, dates=("2019-06-01", "2019-06-09"), **options):
        return [
            [
                write_raster(
                    f"{name}.tif",
                    np.array([np.full((3, 4), v) for v in values]),
                    [f"{name}@{d}" for d in dates[: len(values)]] if len(values) > 1 else [name],
                    **options,
                )
            ]
            for name, values in (("albedo", albedo), ("day", day), ("night", night))
        ]

    return make


def test_by_hand(layers, tmp_path):
    result = thermal_inertia(*layers([0.2, 0.3], [310.0, 305.0], [290.0, 304.5]), str(tmp_path / "o.tif"))
    found = read(tmp_path / "o.tif")
    assert (
        list(found)
        == ["ati@2019-06-01", "ati@2019-06-09", "delta_lst@2019-06-01", "delta_lst@2019-06-09"]
        == result.bands
    )
    np.testing.assert_allclose(found["ati@2019-06-01"], 0.8 / 20, rtol=1e-6)
    assert np.isnan(found["ati@2019-06-09"]).all() and np.isnan(found["delta_lst@2019-06-09"]).all(), (
        "a range of 0.5 K says nothing"
    )
    assert result.missing == {"2019-06-01": 0.0, "2019-06-09": 1.0}


def test_modis_scale_and_fill(layers, tmp_path):
    stack = layers([0.2], [15500.0, 0.0], [14500.0, 14400.0])
    thermal_inertia(*stack, str(tmp_path / "o.tif"), lst_scale=0.02)
    found = read(tmp_path / "o.tif")
    np.testing.assert_allclose(found["delta_lst@2019-06-01"], 20, rtol=1e-5)
    assert np.isnan(found["ati@2019-06-09"]).all()


@pytest.mark.parametrize(
    ("day", "degrees"),
    [
        (datetime(2019, 6, 21), 23.45),
        (datetime(2019, 12, 22), -23.45),
        (datetime(2019, 3, 21), 0.0),
        (datetime(2019, 9, 23), 0.0),
    ],
)
def test_declination_at_solstices_and_equinoxes(day, degrees):
    assert np.degrees(declination(day)) == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("latitude", [-50.0, 0.0, 20.0, 45.0])
def test_corrections_against_their_definition(latitude):
    delta = declination(datetime(2019, 5, 10))
    phi = np.radians(latitude)
    tan2 = np.tan(phi) ** 2 * np.tan(delta) ** 2
    hour = np.arccos(-np.tan(phi) * np.tan(delta))
    expected = np.sin(phi) * np.sin(delta) * (1 - tan2) + np.cos(phi) * np.cos(delta) * hour
    assert solar_correction(latitude, delta, "verstraeten") == pytest.approx(expected)

    # The first harmonic is (2/π) ∫ cos z cos h dh over the day, up to the constant: compare its dependence on the
    # latitude.
    def harmonic(lat):
        p = np.radians(lat)
        h = np.arccos(np.clip(-np.tan(p) * np.tan(delta), -1, 1))
        return quad(lambda t: (np.sin(p) * np.sin(delta) + np.cos(p) * np.cos(delta) * np.cos(t)) * np.cos(t), 0, h)[0]

    ratio = solar_correction(latitude, delta, "first_harmonic") / solar_correction(10.0, delta, "first_harmonic")
    assert ratio == pytest.approx(harmonic(latitude) / harmonic(10.0), rel=1e-6)


def test_polar_day_and_night():
    delta = declination(datetime(2019, 6, 21))
    assert np.isfinite(solar_correction(np.array([89.0, -89.0]), delta, "verstraeten")).all()
    assert solar_correction(-89.0, delta, "first_harmonic") == pytest.approx(0, abs=0.01)


def test_the_latitude_of_each_row_counts(write_raster, tmp_path):
    shape, transform = (60, 5), from_origin(10, 60, 0.5, 0.5)

    def make(name, value):
        values = np.full(shape, value)
        return [write_raster(f"{name}.tif", values, [f"{name}@2019-06-01"], crs="EPSG:4326", transform=transform)]

    thermal_inertia(
        make("albedo", 0.2), make("d", 310.0), make("n", 290.0), str(tmp_path / "o.tif"), correction="verstraeten"
    )
    found = read(tmp_path / "o.tif")["ati@2019-06-01"]
    latitude = 60 - 0.5 * (np.arange(60) + 0.5)
    np.testing.assert_allclose(
        found[:, 2], 0.04 * solar_correction(latitude, declination(datetime(2019, 6, 1)), "verstraeten"), rtol=1e-5
    )


def test_a_projected_grid_finds_its_latitudes(layers, tmp_path):
    thermal_inertia(*layers([0.2], [310.0], [290.0], dates=("2019-06-01",)), str(tmp_path / "none.tif"))
    stack = layers([0.2], [310.0, 310.0], [290.0, 290.0])
    thermal_inertia(*stack, str(tmp_path / "o.tif"), correction="first_harmonic")
    expected = 0.04 * solar_correction(36.14, declination(datetime(2019, 6, 1)), "first_harmonic")
    np.testing.assert_allclose(read(tmp_path / "o.tif")["ati@2019-06-01"], expected, rtol=1e-3)


def test_days_that_lack_a_layer_are_left_out(layers, write_raster, tmp_path, progress):
    albedo, day, _ = layers([0.2], [310.0, 311.0], [290.0])
    night = [write_raster("other.tif", np.full((2, 3, 4), 290.0), ["night@2019-06-09", "night@2019-06-17"])]
    result = thermal_inertia(albedo, day, night, str(tmp_path / "o.tif"), engine=Engine(progress=progress))
    assert result.bands == ["ati@2019-06-09", "delta_lst@2019-06-09"] and "1 of 3 dates" in progress.infos[0]


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (([0.2], [310.0, 310.0], [17.0, 17.0]), {}, "not in the same unit: one looks like kelvin"),
        (([0.2], [290.0, 290.0], [310.0, 310.0]), {}, "night is warmer than the day everywhere.*swapped"),
        (([0.2], [15500.0, 15500.0], [15400.0, 15400.0]), {}, "MODIS LST needs `lst_scale` 0.02"),
        (([200.0], [310.0, 310.0], [290.0, 290.0]), {}, "`albedo` has a median of 200"),
        (([0.2], [310.0], [290.0]), {"correction": "verstraeten"}, "none of the layers is dated"),
    ],
)
def test_what_cannot_be_right_writes_nothing(layers, tmp_path, leftovers, values, options, words):
    stack = layers(*values)
    before = leftovers()
    with pytest.raises(InputError, match=words):
        thermal_inertia(*stack, str(tmp_path / "o.tif"), **options)
    assert leftovers() == before


def test_no_common_day(layers, write_raster, tmp_path):
    albedo, day, _ = layers([0.2], [310.0, 311.0], [290.0])
    night = [write_raster("other.tif", np.full((2, 3, 4), 290.0), ["night@2020-06-09", "night@2020-06-17"])]
    with pytest.raises(InputError, match="No day has `lst_day`, `lst_night`"):
        thermal_inertia(albedo, day, night, str(tmp_path / "o.tif"))


def test_roles_are_found_among_several_variables(write_raster, tmp_path, progress):
    """One file of all: as 'Spectral indices' writes the albedo, and as products hold day and night."""
    bands = np.array([np.full((3, 4), value) for value in (0.5, 0.2, 310.0, 290.0)])
    both = write_raster(
        "all.tif", bands, ["ndvi@2019-06-01", "albedo@2019-06-01", "LST_Day@2019-06-01", "lst_night@2019-06-01"]
    )
    thermal_inertia([both], [both], [both], str(tmp_path / "o.tif"), engine=Engine(progress=progress))
    np.testing.assert_allclose(read(tmp_path / "o.tif")["ati@2019-06-01"], 0.8 / 20, rtol=1e-6)
    assert "`albedo`: of the variables ndvi, albedo, LST_Day, lst_night, 'albedo' is taken." in progress.infos
    other = write_raster("other.tif", bands[:2], ["ndvi@2019-06-01", "evi@2019-06-01"])
    with pytest.raises(InputError, match="`albedo` must hold one variable"):
        thermal_inertia([other], [both], [both], str(tmp_path / "o.tif"))
