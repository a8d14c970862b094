"""Spectral indices: closed forms, recognition of bands and scales, dates, and values that cannot be reflectances."""

import json

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.predictors.reflectance import ReflectanceScaling, calibrate
from sm_toolbox.predictors.spectral import spectral_indices
from sm_toolbox.predictors.spectral_indices import SPECTRAL_INDICES
from sm_toolbox.predictors.spectral_report import spectral_report
from sm_toolbox.predictors.triangle import fit_edges
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.request import Engine
from sm_toolbox.sensors.optical import SENSORS, recognise_band

REFLECTANCES = {"blue": 0.06, "green": 0.09, "red": 0.11, "nir": 0.38, "swir_1240": 0.35, "swir1": 0.27, "swir2": 0.16}


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out.tif")


@pytest.fixture
def scene(write_raster):
    """A function that writes reflectances, each the same in all cells, as the bands of one file."""

    def make(name="scene.tif", dates=(None,), shape=(3, 4), descriptions=True, **values):
        bands = [
            (f"{role}@{day}" if day else role, np.full(shape, value)) for day in dates for role, value in values.items()
        ]
        return [write_raster(name, np.array([v for _, v in bands]), [n for n, _ in bands] if descriptions else None)]

    return make


def bands_of(sensor):
    return {role: REFLECTANCES[role] for role in SENSORS[sensor].bands}


# By hand from REFLECTANCES. All but GVMI agree with the formulas of the catalogue Awesome Spectral Indices (spyndex
# 0.12: NDVI, SAVI with L = 0.5, VARI, NDWI, NDMI for ndii6, NBR for ndii7). Its GVMI takes 2.1 µm, where Ceccato et al.
# (2002) derive the index for 1.6 µm; it would be 0.4545. Its NDWI is McFeeters', so that both indices of that name
# carry their author here.
BY_HAND = {
    "ndvi": 0.27 / 0.49,
    "savi": 1.5 * 0.27 / 0.99,
    "vari": -0.02 / 0.14,
    "ndwi_gao": 0.03 / 0.73,
    "ndwi_mcfeeters": -0.29 / 0.47,
    "ndii5": 0.03 / 0.73,
    "ndii6": 0.11 / 0.65,
    "ndii7": 0.22 / 0.54,
    "gvmi": (0.48 - 0.29) / (0.48 + 0.29),
}
ALBEDOS = {
    ("modis", "albedo"): 0.0176 + 0.11058 + 0.01458 + 0.01044 + 0.0392 + 0.01296 - 0.0015,
    ("modis", "albedo_visible"): 0.03641 + 0.02544 + 0.02214,
    ("modis", "albedo_nir"): 0.00429 + 0.19152 - 0.00426 + 0.00945 + 0.0882 + 0.01863 + 0.01616,
    ("landsat_tm_etm", "albedo"): 0.02136 + 0.0143 + 0.14174 + 0.02295 + 0.01152 - 0.0018,
    ("landsat_oli", "albedo"): 0.02136 + 0.0143 + 0.14174 + 0.02295 + 0.01152 - 0.0018,
    ("landsat_tm_etm", "albedo_visible"): 0.02658 + 0.02853 + 0.0264,
    ("landsat_oli", "albedo_nir"): 0.26334 + 0.05724 + 0.01856 - 0.003,
    ("sentinel2", "albedo"): 0.013596 + 0.011124 + 0.017303 + 0.129846 + 0.03159 + 0.005408,
}


def test_every_index_by_hand(scene, out):
    spectral_indices(scene(**bands_of("modis")), "modis", list(BY_HAND), out)
    found = read(out)
    assert list(found) == list(BY_HAND)
    assert set(SPECTRAL_INDICES) == {*BY_HAND, "albedo", "albedo_visible", "albedo_nir", "tvdi", "vtci"}, (
        "an index without a value by hand"
    )
    for name, expected in BY_HAND.items():
        np.testing.assert_allclose(found[name], expected, rtol=2e-5, err_msg=name)
    with rasterio.open(out) as dataset:
        assert dataset.tags()["UNIT_ndvi"] == "1"


@pytest.mark.parametrize(("sensor", "name"), ALBEDOS)
def test_albedos_by_hand(scene, out, sensor, name):
    spectral_indices(scene(**bands_of(sensor)), sensor, [name], out)
    np.testing.assert_allclose(read(out)[name], ALBEDOS[sensor, name], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "sensor", "role"),
    [
        ("red", "modis", "red"),
        ("Surface reflectance NIR", "landsat_oli", "nir"),
        ("red_edge_1", "sentinel2", None),
        ("ndvi", "modis", None),
        ("sur_refl_b01", "modis", "red"),
        ("sur_refl_b07_1", "modis", "swir2"),
        ("Nadir_Reflectance_Band5", "modis", "swir_1240"),
        ("BRDF_Albedo_Band_Mandatory_Quality_Band1", "modis", None),
        ("sur_refl_qc_500m", "modis", None),
        ("sur_refl_state_500m", "modis", None),
        ("SR_B4", "landsat_oli", "red"),
        ("SR_B4", "landsat_tm_etm", "nir"),
        ("ST_B10", "landsat_oli", None),
        ("band4", "landsat_oli", "red"),
        ("LC08_L2SP_232084_20160209_20200907_02_T1_SR_B6", "landsat_oli", "swir1"),
        ("LT05_L2SP_232084_19990209_20200907_02_T1_ST_B6", "landsat_tm_etm", None),
        ("LC08_L2SP_232084_20160209_20200907_02_T1_SR_QA_AEROSOL", "landsat_oli", None),
        ("LC82320832016040LGN00_sr_band5", "landsat_oli", "nir"),
        ("T32TQM_20200101T101031_B04_10m", "sentinel2", "red"),
        ("B8", "sentinel2", "nir"),
        ("T32TQM_20200101T101031_B8A_20m", "sentinel2", "nir"),
        ("B4, central wavelength 665 nm", "sentinel2", "red"),
        ("B11", "sentinel2", "swir1"),
        ("swir16", "landsat_oli", "swir1"),
        ("nir08", "landsat_oli", "nir"),
        ("swir22", "sentinel2", "swir2"),
        ("swir_1240", "modis", "swir_1240"),
        ("swir_1240", "sentinel2", None),
        ("B8", "landsat_oli", None),
        ("b", "modis", None),
    ],
)
def test_names_of_bands(name, sensor, role):
    found = recognise_band(name, sensor)
    assert (found and found[0]) == role


@pytest.mark.parametrize(
    ("name", "sensor", "dtype", "stored", "options", "reflectance"),
    [
        ("red.tif", "modis", "int16", 1200, {}, 0.12),
        ("red.tif", "modis", "int16", 32767, {}, None),
        ("red.tif", "modis", "int16", -28672, {}, None),
        ("red.tif", "landsat_oli", "uint16", 11000, {}, 0.1025),
        ("red.tif", "landsat_oli", "uint16", 0, {}, None),
        ("red.tif", "landsat_oli", "int16", 1200, {"scale": 1e-4}, 0.12),
        ("red.tif", "landsat_oli", "float32", 0.12, {}, 0.12),
        ("red.tif", "landsat_oli", "float32", 0.0, {}, 0.0),
        ("red.tif", "modis", "float32", 1200, {"scale": 1e-4}, 0.12),
        ("red.tif", "modis", "int16", 1200, {"scale": 2e-4, "offset": 0.01}, 0.25),
        ("red.tif", "landsat_oli", "uint16", 16000, {"offset": -0.3}, 0.14),
        ("product_N0400_red.tif", "sentinel2", "uint16", 1200, {"offset": 0.0}, 0.12),
        ("product_N0301_red.tif", "sentinel2", "uint16", 1200, {}, 0.12),
        ("product_N0400_red.tif", "sentinel2", "uint16", 2200, {}, 0.12),
        ("product_N0510_red.tif", "sentinel2", "uint16", 2200, {}, 0.12),
        ("product_N0510_red.tif", "sentinel2", "uint16", 0, {}, None),
        ("reprocessed_N0500_red_20180601.tif", "sentinel2", "uint16", 2200, {}, 0.12),
        (
            "S2B_MSIL2A_20180601T101031_N0500_R022_T32TQM_20230815T101010.SAFE/T32TQM_20180601T101031_B04_10m.tif",
            "sentinel2",
            "uint16",
            2200,
            {},
            0.12,
        ),
        ("red_20220124.tif", "sentinel2", "uint16", 1200, {}, 0.12),
        ("red_20220125.tif", "sentinel2", "uint16", 2200, {}, 0.12),
    ],
)
def test_scales_and_fills(write_raster, name, sensor, dtype, stored, options, reflectance):
    (band,) = read_bands([write_raster(name, np.full((2, 2), stored), dtype=dtype)])
    values, wrong = calibrate(band, sensor, **options).apply(np.full((2, 2), stored, np.float32))
    assert not wrong.any()
    np.testing.assert_allclose(values, np.nan if reflectance is None else reflectance, rtol=1e-5)


@pytest.mark.parametrize(
    ("own", "stored"), [((1e-4, 0.0), 1200), ((2.75e-5, -0.2), 11636.3636), ((10000.0, 0.0), 1200)]
)
def test_a_scale_in_the_file_counts_once(write_raster, out, own, stored):
    source = write_raster(
        "scene.tif",
        np.full((2, 3, 3), stored) * [[[1]], [[2]]],
        ["red", "nir"],
        dtype="int16" if own[1] == 0 else "float64",
    )
    with rasterio.open(source.path, "r+") as dataset:
        dataset.scales, dataset.offsets = [own[0]] * 2, [own[1]] * 2
    spectral_indices([source], "modis", ["savi"], out)
    nir = 0.24 if own[1] == 0 else 2 * 0.32 - 0.2
    np.testing.assert_allclose(read(out)["savi"], 1.5 * (nir - 0.12) / (nir + 0.12 + 0.5), rtol=1e-4)
    # What is given is for the stored values, whatever scale the file has.
    if own == (1e-4, 0.0):
        spectral_indices([source], "modis", ["savi"], out, scaling=ReflectanceScaling(2e-4))
        np.testing.assert_allclose(read(out)["savi"], 1.5 * 0.24 / 1.22, rtol=1e-4)


def test_the_baseline_in_the_metadata(write_raster):
    source = write_raster("red.tif", np.full((2, 2), 2200), dtype="uint16")
    with rasterio.open(source.path, "r+") as dataset:
        dataset.update_tags(PROCESSING_BASELINE="04.00")
    assert "baseline 04.00" in calibrate(read_bands([source])[0], "sentinel2").reason


@pytest.mark.parametrize(
    ("name", "sensor", "words"),
    [
        ("red.tif", "sentinel2", "neither a processing baseline.*Give `offset`: -0.1"),
        ("LC08_L1TP_232084_20160209_02_T1_B4.tif", "landsat_oli", "Landsat Level 1.*REFLECTANCE_MULT_BAND"),
    ],
)
def test_scales_that_cannot_be_known(write_raster, name, sensor, words):
    (band,) = read_bands([write_raster(name, np.full((2, 2), 2200), dtype="uint16")])
    with pytest.raises(InputError, match=words):
        calibrate(band, sensor)


def test_bands_in_files_of_their_own_and_of_two_resolutions(write_raster, out, progress):
    place = {"dtype": "uint16", "crs": "EPSG:32632"}
    files = [
        write_raster("p_N0400/T32TQM_20220301T101031_B04_10m.tif", np.full((6, 6), 2000), cell=10.0, **place),
        write_raster("p_N0400/T32TQM_20220301T101031_B08_10m.tif", np.full((6, 6), 5000), cell=10.0, **place),
        write_raster("p_N0400/T32TQM_20220301T101031_B8A_20m.tif", np.full((3, 3), 9000), cell=20.0, **place),
        write_raster("p_N0400/T32TQM_20220301T101031_B11_20m.tif", np.full((3, 3), 3000), cell=20.0, **place),
    ]
    result = spectral_indices(files, "sentinel2", ["ndvi", "ndii6"], out, engine=Engine(progress=progress))
    found = read(out)
    assert list(found) == ["ndvi@2022-03-01T10:10:31", "ndii6@2022-03-01T10:10:31"] == result.bands
    np.testing.assert_allclose(found[result.bands[0]], 0.3 / 0.5, rtol=1e-5)
    np.testing.assert_allclose(found[result.bands[1]], 0.2 / 0.6, rtol=1e-5)
    assert found[result.bands[0]].shape == (6, 6), "the grid of the first band"
    assert "processing baseline 04.00" in progress.infos[0] and "in 3 bands" in progress.infos[0]
    # Without B8 its narrow twin takes its place.
    spectral_indices([files[0], *files[2:]], "sentinel2", ["ndvi"], out)
    np.testing.assert_allclose(read(out)[result.bands[0]], 0.7 / 0.9, rtol=1e-5)


def test_bands_by_position(scene, write_raster, out):
    nameless = scene(red=0.1, nir=0.4, descriptions=False)
    spectral_indices(nameless, "modis", ["ndvi"], out, bands="red=1, nir=2")
    np.testing.assert_allclose(read(out)["ndvi"], 0.6, rtol=1e-5)
    files = [write_raster(f"{name}.tif", np.full((3, 3), value)) for name, value in (("x", 0.1), ("y", 0.4))]
    spectral_indices(files, "modis", ["ndvi"], out, bands="red=1,nir=y")
    np.testing.assert_allclose(read(out)["ndvi"], 0.6, rtol=1e-5)
    # A position overrules a name; the band that bears the name is then nobody's.
    named = scene("named.tif", red=0.1, nir=0.2, other=0.4)
    spectral_indices(named, "modis", ["ndvi"], out, bands="nir=3")
    np.testing.assert_allclose(read(out)["ndvi"], 0.6, rtol=1e-5)


def test_a_position_stands_for_all_dates(scene, out):
    dated = scene("a_20200101.tif", descriptions=False, x=0.1, y=0.4) + scene(
        "a_20200109.tif", descriptions=False, x=0.2, y=0.3
    )
    spectral_indices(dated, "modis", ["ndvi"], out, bands="red=1,nir=2")
    found = read(out)
    assert {name: round(float(values.mean()), 4) for name, values in found.items()} == {
        "ndvi@2020-01-01": 0.6,
        "ndvi@2020-01-09": 0.2,
    }


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ("red=1,nir", "`bands` holds 'nir', but must be of the form"),
        ("swir_1240=1", "names among: blue, green, red"),
        ("red=3", "`sources` has 2 bands"),
        ("red=rot", "no band of `sources` has that name. There are: a, b"),
        ("red=1,nir=a", "both red and nir"),
        ("", "None of the bands .a, b. has a name that is known of landsat_oli"),
    ],
)
def test_bands_that_are_not_there(scene, out, bands, words):
    with pytest.raises(InputError, match=words):
        spectral_indices(scene(a=0.1, b=0.4), "landsat_oli", ["ndvi"], out, bands=bands)


@pytest.mark.parametrize(
    ("sensor", "names", "words"),
    [
        (
            "landsat_oli",
            ["ndvi", "vari"],
            r"vari needs blue, green, red; missing: blue \(B2\), green \(B3\); found: red, nir",
        ),
        ("landsat_oli", ["ndwi_gao"], "landsat_oli has no band swir_1240.*ndii6 is its like"),
        ("sentinel2", ["albedo_nir"], "no such albedo for sentinel2.*known for modis"),
        ("modis", ["tvdi"], "tvdi needs the surface temperature of the same day. Give it as `lst`"),
        ("modis", ["evi"], "`names`: evi. Choose from: ndvi"),
        ("modis", [], "`names`: none is chosen"),
        ("spot", ["ndvi"], "`sensor` is 'spot'"),
    ],
)
def test_what_the_input_cannot_give(scene, out, leftovers, sensor, names, words):
    sources = scene(red=0.1, nir=0.4)
    before = leftovers()
    with pytest.raises(InputError, match=words):
        spectral_indices(sources, sensor, names, out)
    assert leftovers() == before


def test_files_of_another_sensor(scene, out):
    with pytest.raises(InputError, match=r"`sensor` is modis, but 'LC08_L2SP.*' has a name of landsat_oli"):
        spectral_indices(scene("LC08_L2SP_scene.tif", red=0.1, nir=0.4), "modis", ["ndvi"], out)


def test_two_bands_of_one_name(write_raster, out):
    files = [write_raster(f"{name}.tif", np.full((3, 3), 0.1)) for name in ("sr_b4", "toa_b4")]
    with pytest.raises(InputError, match=r"Two bands are red: band 1 of 'sr_b4.tif' and band 1 of 'toa_b4.tif'.*red=2"):
        spectral_indices(files, "landsat_oli", ["ndvi"], out)
    with pytest.raises(InputError, match="`scale` is 0, but must be above 0"):
        spectral_indices(files, "landsat_oli", ["ndvi"], out, scaling=ReflectanceScaling(0))


def test_dates_that_lack_a_band_are_left_out(write_raster, out, progress):
    names = [
        "red@2020-01-01",
        "nir@2020-01-01",
        "red@2020-01-09",
        "red@2020-01-17",
        "nir@2020-01-17",
        "green@2020-01-17",
        "cloud@2020-01-17",
    ]
    source = write_raster("s.tif", np.full((7, 3, 3), 0.2), names)
    result = spectral_indices([source], "modis", ["ndvi", "ndwi_mcfeeters"], out, engine=Engine(progress=progress))
    assert result.bands == ["ndvi@2020-01-01", "ndvi@2020-01-17", "ndwi_mcfeeters@2020-01-17"]
    assert any("ndvi: 2 of 3 dates have all of red, nir; left out: 2020-01-09" in line for line in progress.infos)
    assert any("cloud@2020-01-17" in line for line in progress.infos)


def test_ratios_of_almost_nothing_have_no_value(write_raster, out):
    # Dark water; a sum just large enough; VARI's denominator passes through 0 where blue is the sum of green and red.
    red, nir = np.array([[0.002, 0.006, 0.05]]), np.array([[0.003, 0.006, 0.3]])
    blue, green = np.array([[0.002, 0.01, 0.105]]), np.array([[0.03, 0.03, 0.06]])
    spectral_indices(
        [write_raster("s.tif", np.stack([blue, green, red, nir]), ["blue", "green", "red", "nir"])],
        "modis",
        ["ndvi", "vari"],
        out,
    )
    found = read(out)
    np.testing.assert_array_equal(np.isnan(found["ndvi"]), [[True, False, False]])
    np.testing.assert_array_equal(np.isnan(found["vari"]), [[False, False, True]])


def test_values_that_are_no_reflectances_are_left_out_and_counted(write_raster, out, progress):
    red = np.full((10, 10), 0.1)
    red[0, :3] = -0.015, -0.2, 1.6
    result = spectral_indices(
        [write_raster("s.tif", np.stack([red, np.full((10, 10), 0.4)]), ["red", "nir"])],
        "modis",
        ["ndvi"],
        out,
        engine=Engine(progress=progress),
    )
    found = read(out)["ndvi"][0]
    assert found[0] == 1 and np.isnan(found[1:3]).all() and np.isfinite(found[3:]).all(), "a little below 0 counts as 0"
    assert [item.share for item in result.inputs] == [0.02, 0]
    assert len(progress.warnings) == 1 and "red in band 1 of 's.tif': 2 % of the cells" in progress.warnings[0]


@pytest.mark.parametrize(
    ("dtype", "value", "words"),
    [
        (
            "float32",
            1200,
            "floating-point numbers are reflectances already.*100 % of them.*go from 1200 to 1200.*Set `scale`",
        ),
        ("uint8", 200, "default of landsat_oli"),
    ],
)
def test_most_values_are_no_reflectances(write_raster, out, leftovers, dtype, value, words):
    source = write_raster("s.tif", np.full((2, 5, 5), value), ["red", "nir"], dtype=dtype)
    with pytest.raises(InputError, match=words):
        spectral_indices([source], "landsat_oli", ["ndvi"], out)
    assert leftovers() == ["s.tif"]


def test_scale_is_judged_over_all_dates(write_raster, out):
    """Clouds over the middle date alone are no reason to refuse the record; over most of them they are named."""
    dates = ["2020-06-01", "2020-06-11", "2020-06-21"]

    def scenes(brightness, dark=0.1):
        return [
            write_raster(
                f"{date}.tif",
                np.stack([np.full((6, 6), max(value, dark)), np.full((6, 6), value + 0.2)]),
                [f"red@{date}", f"nir@{date}"],
            )
            for date, value in zip(dates, brightness)
        ]

    spectral_indices(scenes([0.1, 1.6, 0.1]), "modis", ["ndvi"], out)
    found = read(out)
    assert np.isfinite(found["ndvi@2020-06-01"]).all() and np.isnan(found["ndvi@2020-06-11"]).all()
    with pytest.raises(InputError, match="over 3 dates.*under clouds, mask it with its quality layer first"):
        spectral_indices(scenes([1.6, 0.1, 1.7]), "modis", ["ndvi"], out)


def triangle(rng, shape, wet=(290.0, 4.0), dry=(325.0, -25.0)):
    """Return red, nir, temperature and the place (0 wet, 1 dry) of cells spread evenly between two edges."""
    ndvi, place = rng.uniform(0.1, 0.8, shape), rng.uniform(0, 1, shape)
    low, high = wet[0] + wet[1] * ndvi, dry[0] + dry[1] * ndvi
    red = 0.2 * (1 - ndvi)
    return red, red * (1 + ndvi) / (1 - ndvi), low + place * (high - low), place


def test_edges_of_a_known_triangle(write_raster, out, progress):
    red, nir, lst, place = triangle(np.random.default_rng(1), (200, 300))
    lst_file = write_raster("lst.tif", lst, ["lst@2020-06-01T13:30:00"])
    sources = [write_raster("s.tif", np.stack([red, nir]), ["red@2020-06-01T10:10:31", "nir@2020-06-01T10:10:31"])]
    result = spectral_indices(sources, "modis", ["tvdi", "vtci"], out, lst=[lst_file], engine=Engine(progress=progress))
    found = read(out)
    tvdi, vtci = (found[f"{name}@2020-06-01T10:10:31"] for name in ("tvdi", "vtci"))
    (edges,) = result.edges
    # The percentiles leave out 1 % of the range (about 25 K) on each side.
    assert edges.dry == pytest.approx((325, -25), abs=1) and edges.wet == pytest.approx((290, 4), abs=1)
    assert edges.coldest == pytest.approx(290 + 4 * 0.45, abs=0.5)
    np.testing.assert_allclose(vtci, 1 - place, atol=0.03)
    ndvi = (nir - red) / (nir + red)
    by_hand = (lst - edges.coldest) / (edges.dry[0] + edges.dry[1] * ndvi - edges.coldest)
    np.testing.assert_allclose(tvdi, by_hand, atol=1e-4)
    below, above = result.outside["vtci@2020-06-01T10:10:31"]
    assert 0.005 < below < 0.02 and 0.005 < above < 0.02
    with rasterio.open(out) as dataset:
        (stated,) = json.loads(dataset.tags()["EDGES"])
    assert tuple(stated["dry"]) == edges.dry and stated["time"] == "2020-06-01T10:10:31"
    assert any("dry edge 32" in line and "35 bins" in line for line in progress.infos) and not progress.warnings
    html = spectral_report(result, "modis").html()
    assert html.count("data:image/png") == 1 and "Beyond the edges" in html


def test_edges_of_each_date_and_of_a_coarser_temperature(write_raster, out, progress):
    days, parts, hot = ("2020-06-01", "2020-06-09"), [], []
    for seed, dry in enumerate((325.0, 335.0)):
        red, nir, lst, _ = triangle(np.random.default_rng(seed), (40, 60), dry=(dry, -25.0))
        # Four cells alike, so that the coarser temperature is that of each of them.
        parts += [np.kron(red, np.ones((2, 2))), np.kron(nir, np.ones((2, 2)))]
        hot.append(lst)
    sources = [write_raster("s.tif", parts, [f"{role}@{day}" for day in days for role in ("red", "nir")])]
    lst_file = write_raster("lst.tif", hot, [f"lst@{day}" for day in days], cell=60.0)
    result = spectral_indices(sources, "modis", ["ndvi", "vtci"], out, lst=[lst_file])
    assert [edges.dry[0] for edges in result.edges] == pytest.approx([325, 335], abs=1.5)
    # A day without temperature has its other indices, no vtci.
    alone = write_raster("one.tif", hot[0], ["lst@2020-06-09"], cell=60.0)
    other = write_raster("two.tif", hot[0], ["lst@2020-06-30"], cell=60.0)
    result = spectral_indices(
        sources, "modis", ["ndvi", "vtci"], out, lst=[alone, other], engine=Engine(progress=progress)
    )
    assert result.bands == ["ndvi@2020-06-01", "ndvi@2020-06-09", "vtci@2020-06-09"]


def test_a_static_scene_with_its_temperature(write_raster, out):
    red, nir, lst, place = triangle(np.random.default_rng(3), (150, 150))
    sources = [write_raster("s.tif", np.stack([red, nir]), ["red", "nir"])]
    for name in ("lst", "lst@2020-06-01"):
        spectral_indices(sources, "modis", ["vtci"], out, lst=[write_raster("lst.tif", lst - 273.15, [name])])
        np.testing.assert_allclose(read(out)["vtci"], 1 - place, atol=0.05)


def test_a_sample_of_a_large_scene_gives_the_same_edges(write_raster, out, monkeypatch):
    red, nir, lst, _ = triangle(np.random.default_rng(4), (400, 400))
    sources = [write_raster("s.tif", np.stack([red, nir]), ["red", "nir"])]
    lst_file = [write_raster("lst.tif", lst)]
    (whole,) = spectral_indices(sources, "modis", ["vtci"], out, lst=lst_file).edges
    monkeypatch.setattr("sm_toolbox.predictors.triangle.EDGE_CELLS", 130)
    (sample,) = spectral_indices(sources, "modis", ["vtci"], out, lst=lst_file).edges
    assert sample.dry == pytest.approx(whole.dry, abs=1) and sample.wet == pytest.approx(whole.wet, abs=1)


def test_no_triangle(write_raster, out, progress):
    red, nir, lst, _ = triangle(np.random.default_rng(5), (60, 60))
    sources = [write_raster("s.tif", np.stack([red, nir]), ["red", "nir"])]
    with pytest.raises(InputError, match="median of 15.*MODIS × 0.02"):
        spectral_indices(sources, "modis", ["tvdi"], out, lst=[write_raster("raw.tif", lst * 50)])
    with pytest.raises(InputError, match=r"2 bins of NDVI .*but 5 are needed"):
        fit_edges(np.repeat([0.31, 0.51, 0.71], [60, 60, 20]), np.full(140, 300.0))
    rising = write_raster("rising.tif", lst + 60 * (nir - red) / (nir + red))
    spectral_indices(sources, "modis", ["tvdi"], out, lst=[rising], engine=Engine(progress=progress))
    assert any("dry edge does not fall with NDVI" in line for line in progress.warnings)


def test_a_closed_triangle_has_no_value(write_raster, out):
    # The edges meet at an NDVI of about 0.77.
    red, nir, lst, _ = triangle(np.random.default_rng(6), (200, 200), wet=(290.0, 0.0), dry=(320.0, -39.0))
    sources = [write_raster("s.tif", np.stack([red, nir]), ["red", "nir"])]
    spectral_indices(sources, "modis", ["vtci"], out, lst=[write_raster("lst.tif", lst)])
    ndvi = (nir - red) / (nir + red)
    assert np.isnan(read(out)["vtci"][ndvi > 0.78]).all() and np.isfinite(read(out)["vtci"][ndvi < 0.7]).all()


def test_blocks_do_not_matter(write_raster, out, tmp_path):
    rng = np.random.default_rng(7)
    sources = [write_raster("s.tif", rng.uniform(0.01, 0.9, (3, 70, 90)), ["red", "nir", "green"])]
    names = ["ndvi", "savi", "ndwi_mcfeeters"]
    spectral_indices(sources, "modis", names, out)
    spectral_indices(sources, "modis", names, str(tmp_path / "small.tif"), engine=Engine(memory=60_000))
    small = read(tmp_path / "small.tif")
    for name, values in read(out).items():
        np.testing.assert_array_equal(values, small[name])


def test_cancel_leaves_nothing(scene, out, cancelling, leftovers):
    from sm_toolbox.errors import Cancelled

    sources = scene(red=0.1, nir=0.4)
    with pytest.raises(Cancelled):
        spectral_indices(sources, "modis", ["ndvi"], out, engine=Engine(progress=cancelling(0)))
    assert leftovers() == ["scene.tif"]


@pytest.mark.parametrize(
    ("name", "role"), [("Red_River_B8", "nir"), ("band1_blue", "blue"), ("Green Valley B04", "red")]
)
def test_places_named_after_colours(name, role):
    assert recognise_band(name, "sentinel2")[0] == role
