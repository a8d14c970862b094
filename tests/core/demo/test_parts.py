"""The further parts of the demo scene, each against its truth, and by the algorithms that they are for."""

import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.warp import transform
from scipy.ndimage import gaussian_filter

from sm_toolbox.demo.downloads import GLDAS_ERRORS, SMAP_ERRORS
from sm_toolbox.demo.networks import GAUGE_CATCH, NETWORKS
from sm_toolbox.demo.parts import GLDAS_FILE, RECORDS, SMAP_FILE
from sm_toolbox.demo.products import PRODUCT_ERRORS
from sm_toolbox.demo.write import write_demo_scene
from sm_toolbox.errors import InputError
from sm_toolbox.products.importing import Request, import_product
from sm_toolbox.products.maskquality import mask_quality
from sm_toolbox.raster.affine import Affine
from sm_toolbox.raster.bands import read_bands, stacks
from sm_toolbox.raster.opening import Source


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_demo_scene(tmp_path_factory.mktemp("parts") / "scene").folder


def bands(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def record(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def cells_of(stations, path):
    """Return each station's rows, with its cell in a raster."""
    with rasterio.open(path) as dataset:
        for _, rows in stations.groupby("station"):
            x, y = transform("EPSG:4326", dataset.crs, [rows.lon.iloc[0]], [rows.lat.iloc[0]])
            column, line = ~Affine.of(dataset.transform) * (x[0], y[0])
            yield rows, int(line), int(column)


def test_the_readme_names_every_file(folder):
    text = (folder / "README.txt").read_text(encoding="utf-8")
    shortened = ("clay_0-5cm_mean.tif", "bdod_0-5cm_mean.tif", "soc_0-5cm_mean.tif")
    for path in folder.iterdir():
        assert path.name in text or path.name in shortened or path.name == "README.txt", path.name
    assert {SMAP_FILE, GLDAS_FILE, *RECORDS} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("half", ["am", "pm"])
def test_smap_comes_in_through_import_product(folder, tmp_path, half):
    truth = bands(folder / "smap_truth.tif")
    spread = {}
    for level in ("recommended", "all"):
        output = str(tmp_path / f"{level}.tif")
        result = import_product([str(folder / SMAP_FILE)], output, Request(level=level, overpass=half))
        assert not result.found.skipped and set(result.reasons) <= {"not recommended"}
        found = bands(output)
        # Morning and evening of 6 and 18 h local time are 11:37 and 23:37 UTC there.
        assert all(re.fullmatch(rf"soil_moisture@.*T{11 if half == 'am' else 23}:3\d:\d\d", name) for name in found)
        pairs = np.stack([[band, truth[name[:24]]] for name, band in found.items()])
        seen = np.isfinite(pairs).all(axis=1)
        assert (seen == np.isfinite(pairs[:, 0])).all(), "cells without a truth have no value"
        error = SMAP_ERRORS[half]
        left = (pairs[:, 0] - error.offset - error.gain * pairs[:, 1])[seen]
        spread[level] = left.std()
        if level == "recommended":
            assert left.mean() == pytest.approx(0, abs=0.004) and left.std() == pytest.approx(error.noise, rel=0.1)
    assert spread["all"] > 1.3 * spread["recommended"]
    with rasterio.open(tmp_path / "all.tif") as one, rasterio.open(folder / "smap_truth.tif") as other:
        assert one.crs == other.crs and one.transform.almost_equals(other.transform, 0.01) and one.shape == other.shape


def test_smap_has_a_file_a_day_of_the_providers_names(folder):
    with zipfile.ZipFile(folder / SMAP_FILE) as archive:
        names = archive.namelist()
    assert len(names) == 183 and all(re.fullmatch(r"SMAP_L3_SM_P_E_\d{8}_R18290_001\.h5", name) for name in names)


def test_gldas_comes_in_as_fractions(folder, tmp_path):
    result = import_product([str(folder / GLDAS_FILE)], str(tmp_path / "gldas.tif"))
    assert result.dates == 183
    found, truth = bands(tmp_path / "gldas.tif"), bands(folder / "gldas_truth.tif")
    pairs = np.stack([[band, truth[f"soil_moisture@{name.partition('@')[2]}"]] for name, band in found.items()])
    seen = np.isfinite(pairs).all(axis=1)
    assert (seen == np.isfinite(pairs[:, 0])).all() and seen.mean() > 0.5
    left = (pairs[:, 0] - GLDAS_ERRORS.offset - GLDAS_ERRORS.gain * pairs[:, 1])[seen]
    assert left.mean() == pytest.approx(0, abs=0.003) and left.std() == pytest.approx(GLDAS_ERRORS.noise, rel=0.15)
    cells = pairs[:, :, seen.any(axis=0)].mean(axis=0)
    assert np.corrcoef(cells)[0, 1] > 0.8, "south is not north"
    with rasterio.open(tmp_path / "gldas.tif") as dataset:
        assert set(dataset.units) == {"m3 m-3"}


def test_soilgrids_comes_in_in_its_units(folder, tmp_path):
    variables = ["sand_0_5cm", "clay_0_5cm", "bulk_density_0_5cm", "organic_carbon_0_5cm"]
    files = [str(folder / f"{name}_0-5cm_mean.tif") for name in ("sand", "clay", "bdod", "soc")]
    import_product(files, str(tmp_path / "soil.tif"), Request(variables=variables))
    found = bands(tmp_path / "soil.tif")
    truth = {**bands(folder / "soil.tif"), **bands(folder / "soil_truth.tif")}
    for name, tolerance in (("sand", 5), ("clay", 3), ("bulk_density", 0.05), ("organic_carbon", 3)):
        coarse = truth[name].reshape(100, 3, 100, 3).mean(axis=(1, 3))
        errors = found[f"{name}_0_5cm"] - coarse
        assert errors.mean() == pytest.approx(0, abs=0.2 * tolerance) and errors.std() < tolerance, name
        assert np.corrcoef(found[f"{name}_0_5cm"].ravel(), coarse.ravel())[0, 1] > 0.7


@pytest.mark.parametrize(
    ("seen", "quality", "rule", "truth"),
    [
        ("reflectance_cloudy", "state", "modis_state", "reflectance"),
        ("sentinel2", "scl", "sentinel2_scl", "sentinel2_truth"),
    ],
)
def test_quality_layers_tell_where_the_clouds_are(folder, tmp_path, seen, quality, rule, truth):
    before, clear = bands(folder / f"{seen}.tif"), bands(folder / f"{truth}.tif")
    errors = [np.concatenate([(band - clear[name]).ravel() for name, band in before.items()])]
    for level in ("recommended", "strict"):
        output = str(tmp_path / f"{level}.tif")
        sources = [Source(str(folder / f"{name}.tif")) for name in (seen, quality)]
        result = mask_quality(sources[:1], sources[1:], output, rule=rule, level=level)
        assert not result.empty and 10 < result.masked_percent < 60
        errors.append(np.concatenate([(band - clear[name]).ravel() for name, band in bands(output).items()]))
    rmse = [np.sqrt(np.nanmean(error**2)) for error in errors]
    assert rmse[1] < 0.15 * rmse[0] and rmse[2] <= rmse[1]


def test_land_cover_has_a_lake_and_ice_and_no_station_in_them(folder):
    classes = bands(folder / "landcover_truth.tif")["land_cover"]
    assert set(np.unique(classes)) == {4, 10, 12, 15, 17}
    product = bands(folder / "landcover.tif")
    assert list(product) == ["land_cover@2019"]
    blocks = np.moveaxis(classes.reshape(60, 5, 60, 5), 2, 1).reshape(60, 60, 25)
    pure = (blocks == blocks[..., :1]).all(axis=2)
    wrong = (product["land_cover@2019"] != blocks[..., 0])[pure]
    assert 0.02 < wrong.mean() < 0.08
    lake = (classes == 17).reshape(6, 50, 6, 50).mean(axis=(1, 3))
    assert lake.max() > 0.5 and (lake > 0).sum() == 1
    for table in ("stations", "stations_validation", "stations_networks"):
        stations = pd.read_csv(folder / f"{table}.csv")
        at = [classes[row, column] for _, row, column in cells_of(stations, folder / "landcover_truth.tif")]
        assert not {15, 17} & set(at)


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_measure_as_is_stated(folder, network):
    stations = pd.read_csv(folder / "stations_networks.csv")
    stations = stations[stations.network == network]
    truth = bands(folder / "truth.tif")
    pairs = [
        (truth[f"soil_moisture@{item.time}"][row, column], item.soil_moisture)
        for rows, row, column in cells_of(stations, folder / "truth.tif")
        for item in rows.itertuples()
        if f"soil_moisture@{item.time}" in truth
    ]
    assert stations.station.nunique() == 16
    gain, offset = np.polyfit(*np.array(pairs).T, 1)
    error = NETWORKS[network]
    assert gain == pytest.approx(error.gain, abs=0.06) and offset == pytest.approx(error.offset, abs=0.015)


def test_the_field_has_a_pattern_that_radar_and_sensors_see(folder):
    truth, radar = bands(folder / "field_truth.tif"), bands(folder / "field_radar.tif")
    assert next(iter(truth.values())).shape == (81, 81) and radar["angle"].shape == (81, 81)
    mean = np.stack(list(truth.values())).mean(axis=0)
    assert mean.std() > 0.01
    power = np.stack([10 ** (radar[name.replace("soil_moisture", "vv")] / 10) for name in truth]).mean(axis=0)
    assert np.corrcoef(power.ravel(), mean.ravel())[0, 1] > 0.4
    dem = bands(folder / "field_dem.tif")["dem"]
    relief, pattern = (values - gaussian_filter(values, 8) for values in (dem, mean))
    assert np.corrcoef(relief.ravel(), pattern.ravel())[0, 1] < -0.5, "hollows are wetter"
    stations = pd.read_csv(folder / "stations_field.csv")
    errors = [
        np.mean(
            [
                item.soil_moisture - truth[f"soil_moisture@{item.time}"][row, column]
                for item in rows.itertuples()
                if f"soil_moisture@{item.time}" in truth
            ]
        )
        for rows, row, column in cells_of(stations, folder / "field_truth.tif")
    ]
    assert len(errors) == 60 and np.std(errors) == pytest.approx(0.008, rel=0.35) and abs(np.mean(errors)) < 0.004


def test_gauges_catch_most_of_the_rain(folder):
    rain = bands(folder / "rain_truth.tif")
    caught, fallen = 0.0, 0.0
    for rows, row, column in cells_of(pd.read_csv(folder / "rain_gauges.csv"), folder / "rain_truth.tif"):
        caught += rows.rain.sum()
        fallen += sum(rain[f"rain@{time}"][row, column] for time in rows.time)
    # What is not enough to tip the bucket is lost, too.
    assert GAUGE_CATCH - 0.04 < caught / fallen < GAUGE_CATCH + 0.01


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_the_record_ends_with_the_scene_and_has_its_errors(folder, name):
    product, truth = record(folder / f"record_{name}.nc"), record(folder / "record_truth.nc")
    assert product.shape == (3652, 6, 6)
    np.testing.assert_array_equal(product[-183:], np.stack(list(bands(folder / f"product_{name}.tif").values())))
    frozen, error = record(folder / "record_flag.nc") == 1, PRODUCT_ERRORS[name]
    left = (product - error.offset - error.gain * truth)[~frozen]
    assert np.nanmean(left) == pytest.approx(0, abs=0.001) and np.nanstd(left) == pytest.approx(error.noise, rel=0.02)
    if name == "a":
        assert np.nanmean(product[frozen] / truth[frozen]) == pytest.approx(0.4, abs=0.05)


def test_the_record_has_frost_in_winter_and_a_dry_spell(folder):
    found = stacks(read_bands([Source(str(folder / "record_weather.nc"))]))
    assert set(found) == {"rain", "soil_temperature"}
    dates = pd.DatetimeIndex([time.start for time in found["rain"].times])
    assert (dates == pd.date_range("2009-10-01", "2019-09-30")).all()
    frozen = record(folder / "record_flag.nc").mean(axis=(1, 2))
    assert frozen[dates.month == 1].mean() > 0.4 and frozen[(dates.month > 3) & (dates.month < 11)].max() == 0
    truth = record(folder / "record_truth.nc")
    assert truth.min() > 0.01 and truth.max() < 0.65
    august = dates.month == 8
    east = [truth[august & (dates.year == year)][:, :, 3:].mean() for year in range(2010, 2020)]
    west = [truth[august & (dates.year == year)][:, :, :3].mean() for year in range(2010, 2020)]
    assert int(np.argmin(east)) == 6 and np.argmin(np.subtract(east, west)) == 6, "2016"


def test_without_osgeo_arrays_are_left_out_and_that_is_said(folder, tmp_path, monkeypatch, progress):
    former = tmp_path / "scene"
    former.mkdir()
    for name in ("README.txt", SMAP_FILE, GLDAS_FILE, *RECORDS):
        (former / name).write_bytes((folder / name).read_bytes())
    monkeypatch.setattr("sm_toolbox.demo.write.can_write_arrays", lambda: False)
    scene = write_demo_scene(former, progress=progress)
    assert not [path for path in former.iterdir() if path.name in (SMAP_FILE, GLDAS_FILE, *RECORDS)]
    assert any("osgeo" in message for message in progress.infos)
    assert "SMAP and GLDAS and the record of ten years are not here" in scene.readme.read_text(encoding="utf-8")


def test_years_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(InputError, match="`years` is 11"):
        write_demo_scene(tmp_path / "scene", years=11)
