"""The demo scene: the same for the same seed, plausible, and with the errors that its README states."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import rasterio

from sm_toolbox.demo.products import PRODUCT_ERRORS
from sm_toolbox.demo.write import write_demo_scene
from sm_toolbox.errors import Cancelled, InputError, OutputError
from sm_toolbox.raster.affine import Affine
from sm_toolbox.raster.bands import read_bands, stacks
from sm_toolbox.raster.opening import Source


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    return write_demo_scene(tmp_path_factory.mktemp("demo") / "scene", seed=0)


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read())), dataset


def stack(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_seed_decides(scene, tmp_path):
    again = write_demo_scene(tmp_path / "again", seed=0)
    assert digest(again.folder) == digest(scene.folder)
    other = digest(write_demo_scene(tmp_path / "other", seed=1).folder)
    assert other["dem.tif"] == digest(scene.folder)["dem.tif"]
    assert all(
        other[name] != digest(scene.folder)[name] for name in ("truth.tif", "stations.csv", "product_a.tif", "soil.tif")
    )


def test_every_file_says_that_it_is_simulated(scene):
    for path in scene.folder.glob("*.tif"):
        with rasterio.open(path) as dataset:
            assert dataset.tags()["SIMULATED"].startswith("no" if path.name == "dem.tif" else "yes")
    assert "ALL MOISTURE, SOIL, WEATHER AND SATELLITE VALUES ARE SIMULATED" in scene.readme.read_text(encoding="utf-8")


def test_variables_and_times(scene):
    for name, variables, times in [
        ("dem", {"dem"}, 0),
        ("soil", {"sand", "clay"}, 0),
        ("truth", {"soil_moisture"}, 23),
        ("ndvi", {"ndvi"}, 23),
        ("albedo", {"albedo"}, 23),
        ("lst_day", {"lst_day"}, 23),
        ("lst_night", {"lst_night"}, 23),
        ("rain", {"rain_7d"}, 177),
        ("api", {"api"}, 177),
        ("product_a", {"soil_moisture"}, 183),
    ]:
        found = stacks(read_bands([Source(str(getattr(scene, name)))]))
        assert set(found) == variables and all(len(item.times) == times for item in found.values()), name


def test_the_truth_depends_on_terrain_soil_and_weather_as_it_should(scene):
    truth, dem = stack(scene.truth), stack(scene.dem)[0].astype(float)
    sand, _ = stack(scene.soil)
    assert truth.min() > 0.01 and truth.max() < 0.6
    mean = truth.mean(axis=0)
    from scipy.ndimage import uniform_filter

    position = dem - uniform_filter(dem, 11)
    assert (
        mean[position < np.quantile(position, 0.1)].mean() > mean[position > np.quantile(position, 0.9)].mean() + 0.01
    ), "hollows are wetter than ridges"
    south, east = np.gradient(dem, 90.0)
    steep = np.hypot(south, east) > 0.15
    # Heights that grow towards the south fall towards the north.
    north_facing, south_facing = steep & (south > 2 * np.abs(east)), steep & (south < -2 * np.abs(east))
    assert mean[north_facing].mean() > mean[south_facing].mean() + 0.005, "shady slopes are wetter"
    assert mean[sand > np.quantile(sand, 0.9)].mean() < mean[sand < np.quantile(sand, 0.1)].mean() - 0.02, (
        "sand is drier"
    )


def test_the_land_dries_after_rain(scene):
    product = np.nanmean(stack(scene.product_truth), axis=(1, 2))
    change = np.diff(product)
    drying = change[change < 0]
    # Most days dry a little, few days wet a lot: what rain and drainage do.
    assert 0.5 < len(drying) / len(change) < 0.95 and change.max() > 3 * -np.median(drying)


def test_stations_observe_the_truth_with_the_noise_that_is_stated(scene):
    table = pd.read_csv(scene.stations, parse_dates=["time"])
    other = pd.read_csv(scene.stations_validation, parse_dates=["time"])
    assert (
        table.station.nunique() == 45 and other.station.nunique() == 15 and not set(table.station) & set(other.station)
    )
    bands, dataset = read(scene.truth)
    from rasterio.warp import transform

    errors = []
    for _station, rows in table.groupby("station"):
        x, y = transform("EPSG:4326", dataset.crs, [rows.lon.iloc[0]], [rows.lat.iloc[0]])
        column, row = (int(v) for v in ~Affine.of(dataset.transform) * (x[0], y[0]))
        dates = rows.set_index(rows.time.dt.strftime("soil_moisture@%Y-%m-%d")).soil_moisture
        shared = [name for name in bands if name in dates]
        errors.append([dates[name] - bands[name][row, column] for name in shared])
    bias = np.array([np.mean(e) for e in errors])
    noise = np.concatenate([np.array(e) - np.mean(e) for e in errors])
    assert noise.std() == pytest.approx(0.012, rel=0.15) and bias.std() == pytest.approx(0.01, rel=0.4)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_products_have_the_errors_that_are_stated(scene, name):
    truth, product = stack(scene.product_truth), stack(getattr(scene, f"product_{name}"))
    valid = np.isfinite(product) & np.isfinite(truth)
    assert (valid.mean() < 0.9) == (name == "a"), "the first product has the gaps of an orbit"
    gain, offset = np.polyfit(truth[valid], product[valid], 1)
    error = PRODUCT_ERRORS[name]
    assert (gain, offset) == pytest.approx((error.gain, error.offset), abs=0.02)
    assert (product[valid] - error.gain * truth[valid] - error.offset).std() == pytest.approx(error.noise, rel=0.05)


def test_clouds_and_temperatures(scene):
    day, night = stack(scene.lst_day), stack(scene.lst_night)
    for values in (day, night):
        assert 0.15 < np.isnan(values).mean() < 0.45 and np.nanmin(values) > 270 and np.nanmax(values) < 335
    both = np.isfinite(day) & np.isfinite(night)
    assert (day[both] > night[both]).mean() > 0.99


def test_an_earlier_scene_is_replaced_and_anything_else_is_not(scene, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.docx").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds other files \(thesis\.docx\)"):
        write_demo_scene(folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.docx"]
    again = write_demo_scene(tmp_path / "twice", seed=1)
    again = write_demo_scene(tmp_path / "twice", seed=0)
    assert digest(again.folder) == digest(scene.folder)
    with pytest.raises(OutputError, match="does not exist"):
        write_demo_scene(tmp_path / "no" / "such")
    with pytest.raises(InputError, match="seed"):
        write_demo_scene(tmp_path / "x", seed=-1)


@pytest.mark.parametrize("checks", [0, 20, 150])
def test_cancel_leaves_nothing(tmp_path, cancelling, checks):
    with pytest.raises(Cancelled):
        write_demo_scene(tmp_path / "scene", progress=cancelling(checks))
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlibs_sample_data_the_error_says_what_to_do(tmp_path, monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("jacksboro_fault_dem.npz")

    monkeypatch.setattr("matplotlib.cbook.get_sample_data", missing)
    with pytest.raises(InputError, match="sample data"):
        write_demo_scene(tmp_path / "scene")


def test_the_reflectances_make_the_ndvi(scene):
    bands, ndvi = read(scene.reflectance)[0], read(scene.ndvi)[0]
    assert len(bands) == 7 * len(ndvi)
    for name, values in ndvi.items():
        red, nir = (bands[f"{band}@{name.partition('@')[2]}"] for band in ("red", "nir"))
        np.testing.assert_allclose((nir - red) / (nir + red), values, atol=1e-5)
    assert min(values.min() for values in bands.values()) > 0 and max(values.max() for values in bands.values()) < 0.6


def test_the_radar_sees_moisture_through_speckle(scene):
    bands = read(scene.sentinel1)[0]
    dates = [name.partition("@")[2] for name in bands if name.startswith("vv@")]
    assert list(bands) == [f"{name}@{date}" for name in ("vv", "vh") for date in dates] + ["angle"]
    vv, vh = (np.stack([bands[f"{name}@{date}"] for date in dates]) for name in ("vv", "vh"))
    assert (
        -16 < np.median(vv) < -9 and -22 < np.median(vh) < -15 and 5 < bands["angle"].min() < bands["angle"].max() < 80
    )
    daily = {name.partition("@")[2]: values.mean() for name, values in read(scene.product_truth)[0].items()}
    power = np.log10((10 ** (vv / 10)).mean(axis=(1, 2)))
    assert np.corrcoef(power, [daily[date] for date in dates])[0, 1] > 0.5
