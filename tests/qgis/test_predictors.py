"""Predictor algorithms as the toolbox runs them, on the demo scene."""

import numpy as np
import rasterio


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def test_thermal_inertia_knows_where_it_is_moist(run, scene, tmp_path):
    files = {
        key: [str(scene / f"{name}.tif")]
        for key, name in (("ALBEDO", "albedo"), ("LST_DAY", "lst_day"), ("LST_NIGHT", "lst_night"))
    }
    out = run("thermalinertia", **files, SOLAR_CORRECTION="verstraeten", OUTPUT=str(tmp_path / "ati.tif"))["OUTPUT"]
    grid = str(scene / "ndvi.tif")
    truth = run(
        "alignrasters",
        INPUT=[str(scene / "truth.tif")],
        GRID=grid,
        RESAMPLING="average",
        OUTPUT=str(tmp_path / "truth.tif"),
    )["OUTPUT"]
    ati, moist = read(out), read(truth)
    pairs = [
        (ati[name].ravel(), moist[name.replace("ati", "soil_moisture")].ravel())
        for name in ati
        if name.startswith("ati")
    ]
    x, y = (np.concatenate(part) for part in zip(*pairs))
    valid = np.isfinite(x) & np.isfinite(y)
    assert 0.3 < valid.mean() < 0.95 and np.corrcoef(x[valid], y[valid])[0, 1] > 0.4


def test_soil_indices(run, scene, refused, tmp_path):
    soil = str(scene / "soil.tif")
    found = read(run("soilindices", SAND=soil, CLAY=soil, OUTPUT=str(tmp_path / "awc.tif"))["OUTPUT"])
    assert list(found) == ["sand", "clay", "silt", "awc"]
    np.testing.assert_allclose(found["sand"] + found["clay"] + found["silt"], 100, atol=1e-3)
    refused("look like percent", "soilindices", SAND=soil, CLAY=soil, UNITS="g_per_kg", OUTPUT=str(tmp_path / "x.tif"))


def test_an_optional_number_that_is_not_set_is_no_zero(run, scene, tmp_path):
    files = {
        key: [str(scene / f"{name}.tif")]
        for key, name in (("ALBEDO", "albedo"), ("LST_DAY", "lst_day"), ("LST_NIGHT", "lst_night"))
    }
    plain = read(run("thermalinertia", **files, OUTPUT=str(tmp_path / "a.tif"))["OUTPUT"])
    one = read(run("thermalinertia", **files, LST_SCALE=1, OUTPUT=str(tmp_path / "b.tif"))["OUTPUT"])
    for name in plain:
        np.testing.assert_array_equal(plain[name], one[name])


def test_spectral_indices_of_the_reflectances(run, scene, refused, tmp_path):
    reflectance = [str(scene / "reflectance.tif")]
    refused(
        "ndii5 needs|tvdi needs",
        "spectralindices",
        INPUT=reflectance,
        SENSOR="modis",
        INDICES=["tvdi"],
        OUTPUT=str(tmp_path / "x.tif"),
    )
    done = run(
        "spectralindices",
        INPUT=reflectance,
        SENSOR="modis",
        LST=[str(scene / "lst_day.tif")],
        INDICES=["ndvi", "albedo", "tvdi"],
        OUTPUT=str(tmp_path / "indices.tif"),
        REPORT=str(tmp_path / "indices.html"),
    )
    found, ndvi, truth = read(done["OUTPUT"]), read(scene / "ndvi.tif"), read(scene / "truth.tif")
    for name, values in ndvi.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4)
    assert "NDVI" in (tmp_path / "indices.html").read_text(encoding="utf-8")
    # Where it is dry for its vegetation it is warm, though heights and slopes count as well.
    date = (
        "2019-07-28"
        if "tvdi@2019-07-28" in found
        else sorted(name for name in found if name.startswith("tvdi"))[12].partition("@")[2]
    )
    moist = truth[f"soil_moisture@{date}"]
    moist = (
        moist[: moist.shape[0] // 5 * 5, : moist.shape[1] // 5 * 5]
        .reshape(moist.shape[0] // 5, 5, -1, 5)
        .mean(axis=(1, 3))
    )
    dry = found[f"tvdi@{date}"]
    valid = np.isfinite(dry)
    assert np.corrcoef(dry[valid], moist[valid])[0, 1] < -0.1


def test_radar_predictors_and_their_statistics(run, scene, tmp_path):
    layer = [str(scene / "sentinel1.tif")]
    done = run(
        "sarpredictors", VV=layer, VH=layer, ANGLE=layer, GRID=str(scene / "ndvi.tif"), FILTER_SIZE=3,
        OUTPUT=str(tmp_path / "radar.tif"), STATISTICS=str(tmp_path / "statistics.tif"),
    )  # fmt: skip
    found, statistics = read(done["OUTPUT"]), read(done["STATISTICS"])
    dates = sum(name.startswith("vv@") for name in found)
    assert (
        dates == 16
        and "angle" in found
        and set(statistics) == {f"{name}_{s}" for name in ("vv", "vh") for s in ("min", "mean", "max", "sd")}
    )
    # 25 cells and a window of 3 × 3: the speckle of one cell (2 dB) has gone.
    assert np.nanstd(found[f"vv@{next(iter(found)).partition('@')[2]}"]) < 1.5


def test_gaps_filled_and_trend(run, scene, tmp_path):
    filled = run(
        "temporalgapfill",
        INPUT=[str(scene / "lst_day.tif")],
        METHOD="linear",
        MAX_GAP=32,
        OUTPUT=str(tmp_path / "filled.nc"),
    )["OUTPUT"]
    before = read(scene / "lst_day.tif")
    with rasterio.open(filled) as dataset:
        after = dataset.read()
    gaps = np.isnan(np.stack(list(before.values())))
    assert np.isnan(after).mean() < 0.3 * gaps.mean()
    np.testing.assert_array_equal(after[~gaps], np.stack(list(before.values()))[~gaps])
    # What one algorithm writes as NetCDF the next one takes.
    trend = read(run("temporaltrend", INPUT=[filled], METHOD="theil_sen", OUTPUT=str(tmp_path / "trend.tif"))["OUTPUT"])
    assert list(trend) == ["slope", "slope_per_step", "p_value", "n", "slope_low", "slope_high"]
    assert np.nanmax(trend["n"]) == len(before)


def test_a_netcdf_of_several_variables_goes_on_into_the_next_algorithm(run, scene, tmp_path):
    files = {
        key: [str(scene / f"{name}.tif")]
        for key, name in (("ALBEDO", "albedo"), ("LST_DAY", "lst_day"), ("LST_NIGHT", "lst_night"))
    }
    ati = run("thermalinertia", **files, OUTPUT=str(tmp_path / "ati.nc"))["OUTPUT"]
    monthly = read(
        run(
            "temporalcomposite",
            INPUT=[str(scene / "ndvi.tif"), ati],
            PERIOD="month",
            OUTPUT=str(tmp_path / "monthly.tif"),
        )["OUTPUT"]
    )
    assert {name.partition("@")[0] for name in monthly} == {"ndvi", "ati", "delta_lst"} and "ati@2019-06" in monthly


def test_topographic_wetness(run, scene, tmp_path):
    wet = read(
        run(
            "terrainindices",
            DEM=str(scene / "dem.tif"),
            INDICES=["twi"],
            FLOW_ROUTING="dinf",
            OUTPUT=str(tmp_path / "twi.tif"),
        )["OUTPUT"]
    )
    assert np.nanmin(wet["twi"]) > 3 and np.nanmax(wet["twi"]) < 30
