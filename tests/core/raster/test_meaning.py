"""What files and tables do not say of their numbers; the rows of docs/meaning.md, each with the right value."""

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio

from sm_toolbox.columns import tell_implausible, to_numbers
from sm_toolbox.errors import InputError
from sm_toolbox.merging.settings import CollocationSettings
from sm_toolbox.merging.triplecollocation import triple_collocation
from sm_toolbox.predictors.spectral import spectral_indices
from sm_toolbox.predictors.terrain import terrain_indices
from sm_toolbox.predictors.thermal import thermal_inertia
from sm_toolbox.raster.align import align_rasters
from sm_toolbox.raster.bands import list_bands, overview, read_bands
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.meaning import in_same_unit
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.points import sample
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import parse_dates
from sm_toolbox.sensors.quantities import customary_unit, is_coordinate, names_classes, quantity_of
from sm_toolbox.stations.sampling import Rows, sample_rows, tell_suspects
from sm_toolbox.timeseries.composite import temporal_composite
from sm_toolbox.timeseries.gapfill import fill_gaps
from sm_toolbox.timeseries.statistics import temporal_statistics
from sm_toolbox.timeseries.trend import temporal_trend
from sm_toolbox.validation.stations import validate_stations

DATES = [f"2018-06-{day:02d}" for day in range(1, 25)]
MOISTURE = 0.25 + 0.08 * np.sin(np.arange(24) / 3)[:, None, None] + 0.02 * np.random.default_rng(1).random((24, 12, 15))
GAPS = np.random.default_rng(2).random(MOISTURE.shape) < 0.1


def named(variable):
    return [f"{variable}@{date}" for date in DATES]


@pytest.fixture
def engine(progress):
    return Engine(progress=progress)


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out.tif")


@pytest.fixture
def undeclared(write_raster):
    """Soil moisture whose gaps are -9999, which the file does not say."""
    return write_raster("export.tif", np.where(GAPS, -9999, MOISTURE), named("sm"))


@pytest.mark.parametrize(
    "run",
    [
        lambda source, out, engine: temporal_composite([source], out, engine=engine),
        lambda source, out, engine: temporal_statistics([source], ["mean"], out, engine),
        lambda source, out, engine: temporal_trend([source], out, engine=engine),
        lambda source, out, engine: fill_gaps([source], out, engine=engine),
    ],
    ids=["composite", "statistics", "trend", "gapfill"],
)
def test_undeclared_fill_values_are_refused(run, undeclared, out, engine, tmp_path):
    with pytest.raises(InputError, match=r"'sm' of 'export.tif' is -9999 in (9|10|11)\.\d% of the cells.*NoData value"):
        run(undeclared, out, engine)
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("fill", [-9999, -999, -32768, 1e20, 9.96921e36])
def test_fill_values_of_many_programs_are_known(fill, write_raster, out, engine):
    source = write_raster("a.tif", np.where(GAPS, fill, MOISTURE), named("sm"))
    with pytest.raises(InputError, match="of the cells"):
        temporal_statistics([source], ["mean"], out, engine)


@pytest.mark.parametrize(("dtype", "fill"), [("uint8", 255), ("uint16", 65535), ("int16", 32767)])
def test_the_highest_number_of_a_type_is_named(dtype, fill, write_raster, out, engine, progress):
    values = np.where(GAPS, fill, np.round(MOISTURE * 200))
    temporal_statistics([write_raster("a.tif", values, named("x"), dtype=dtype)], ["mean"], out, engine)
    (warning,) = progress.warnings
    assert f"is {fill} in " in warning and "Assign a specified NoData value" in warning


def test_zeros_in_the_shape_of_gaps_are_named(write_raster, out, engine, progress):
    values = MOISTURE.copy()
    values[:, :3] = 0
    temporal_statistics([write_raster("a.tif", values, named("soil_moisture"))], ["mean"], out, engine)
    (warning,) = progress.warnings
    assert "is 0 in 25.0% of the cells" in warning


def test_fills_are_found_before_cells_are_put_together(write_raster, out, engine):
    """Averaged with others, -9999 is no -9999 any more."""
    fine = write_raster("fine.tif", np.where(GAPS[:1], -9999, MOISTURE[:1]), ["sm"], cell=30)
    coarse = write_raster("coarse.tif", np.ones((1, 4, 5)), ["grid"], cell=90)
    with pytest.raises(InputError, match="is -9999"):
        align_rasters([fine], coarse, out, "average", engine)


def test_declared_fill_values_are_gaps(write_raster, out, engine, progress):
    source = write_raster("a.tif", np.where(GAPS, -9999, MOISTURE), named("sm"), nodata=-9999)
    temporal_statistics([source], ["mean"], out, engine)
    assert not progress.warnings
    np.testing.assert_allclose(
        overview(list_bands([Source(out)])[0]), np.nanmean(np.where(GAPS, np.nan, MOISTURE), 0), 1e-5
    )


def test_slopes_and_collocation_refuse_fills(write_raster, out, engine):
    heights = 300 + 10 * np.random.default_rng(0).random((40, 50))
    heights[:5] = -9999
    with pytest.raises(InputError, match="is -9999 in 1"):
        terrain_indices(write_raster("dem.tif", heights, ["dem"]), ["slope"], out, engine=engine)
    rng = np.random.default_rng(0)
    products = [
        [
            write_raster(
                f"{k}.tif", np.where(GAPS, -9999, MOISTURE + 0.02 * rng.standard_normal(GAPS.shape)), named("sm")
            )
        ]
        for k in "abc"
    ]
    with pytest.raises(InputError, match="is -9999"):
        triple_collocation(products, out, CollocationSettings(min_samples=5), engine=engine)


def test_fills_in_tables_count_from_the_first_row():
    with pytest.raises(InputError, match=r"'sm' of 'stations' is -9999 in 1 of 4 rows \(row 3 first\).*nullif\(\"sm\""):
        to_numbers([0.2, 0.25, -9999, 0.3], "sm", "stations")
    with pytest.raises(InputError, match="is 9999 in 1 of 13 rows"):
        to_numbers([0.2, 0.25, 0.3] * 4 + [9999], "sm", "stations")
    for sound in ([0.2, -0.01, 0.3], [-30, -99, 20, -150], [1, 2, 9999], [-9999, -9500, -10400, -12000]):
        np.testing.assert_array_equal(to_numbers(sound, "x", "t"), sound)


def test_fills_among_sampled_values_are_named(undeclared, progress):
    grid = list_bands([undeclared])[0].grid
    rows = _rows(grid, 200)
    tell_suspects(sample_rows(rows, [undeclared], progress=progress), progress)
    (warning,) = progress.warnings
    assert "'sm' at the points of 'stations' is -9999 in" in warning


def _rows(grid, count=240):
    rng = np.random.default_rng(5)
    x, y = grid.transform * (15 * rng.random(count), 12 * rng.random(count))
    times = [parse_dates(DATES[i % 24])[0] for i in range(count)]
    return Rows("stations", x, y, grid.crs, times, [f"s{i // 24}" for i in range(count)])


def test_percent_against_fractions_is_refused(write_raster, progress):
    product = write_raster("product.tif", MOISTURE, named("sm"))
    rows = _rows(list_bands([product])[0].grid)
    observed = sample_rows(rows, [product]).variables[0].values + 0.01
    with pytest.raises(
        InputError, match=r"median of 2\d\.\d+, but 'sm' of 'product.tif' one of 0\.2\d+.*divide them by 100"
    ):
        validate_stations(rows, 100 * observed, [product], progress=progress)
    result = validate_stations(rows, observed, [product], progress=progress)
    assert result.pooled.bias == pytest.approx(-0.01, abs=1e-6) and result.unit == "m³ m⁻³"
    percent = write_raster("percent.tif", 100 * MOISTURE, named("sm"))
    result = validate_stations(rows, 100 * observed, [percent], progress=progress)
    assert result.unit == "", "in one unit, but in which is not known"


def test_a_product_with_fills_is_not_validated(undeclared, progress):
    rows = _rows(list_bands([undeclared])[0].grid)
    with pytest.raises(InputError, match="is -9999 in"):
        validate_stations(rows, np.full(240, 0.2) + np.arange(240) / 1e4, [undeclared], progress=progress)
    assert not progress.warnings, "one message per fault"


def test_impossible_numbers_are_named(write_raster, out, engine, progress):
    temporal_statistics([write_raster("a.tif", 100 * MOISTURE, named("soil_moisture"))], ["mean"], out, engine)
    (warning,) = progress.warnings
    assert "has a median of 2" in warning and "not soil moisture in m³ m⁻³" in warning and "divided by 100" in warning
    tell_implausible(np.array([21.0, 25, 30]), "sm", "stations", progress)
    assert "Field 'sm' of 'stations' has a median of 25" in progress.warnings[-1]


def test_units_of_files_are_read(write_raster, out, engine, progress):
    """Percent of soil moisture becomes a fraction, and the log says so; kg m⁻² stays what it is, without a word."""
    source = write_raster("a.tif", 100 * MOISTURE, named("soil_moisture"))
    with rasterio.open(source.path, "r+") as dataset:
        dataset.units = ["%"] * 24
    temporal_statistics([source], ["mean"], out, engine)
    np.testing.assert_allclose(overview(list_bands([Source(out)])[0]), MOISTURE.mean(0), 1e-5)
    assert not progress.warnings and any("0.01 × the percent" in text for text in progress.infos)
    of_toolbox = write_raster("b.tif", 100 * MOISTURE, named("soil_moisture"))
    with rasterio.open(of_toolbox.path, "r+") as dataset:
        dataset.update_tags(UNIT_soil_moisture="%")
    np.testing.assert_allclose(overview(list_bands([of_toolbox])[0]), MOISTURE[0], 1e-5)
    layer = write_raster("c.tif", 100 * MOISTURE, named("soil_moisture"))
    with rasterio.open(layer.path, "r+") as dataset:
        dataset.units = ["kg m-2"] * 24
    temporal_statistics([layer], ["mean"], out, engine)
    assert not progress.warnings


def test_percent_of_saturation_stays(write_raster):
    source = write_raster("ssm.tif", 100 * MOISTURE[:1], ["ssm"])
    with rasterio.open(source.path, "r+") as dataset:
        dataset.units = ["%"]
    np.testing.assert_allclose(overview(list_bands([source])[0]), 100 * MOISTURE[0], 1e-5)


def test_celsius_and_kelvin_are_told_apart_by_their_units(write_raster, out, engine, progress):
    albedo = write_raster("albedo.tif", np.full((1, 4, 5), 0.2), ["albedo"])
    day, night = (
        write_raster(f"{name}.tif", np.full((1, 4, 5), value), [name])
        for name, value in (("lst_day", 305), ("lst_night", 11.85))
    )
    for source, unit in ((day, "K"), (night, "degC")):
        with rasterio.open(source.path, "r+") as dataset:
            dataset.units = [unit]
    thermal_inertia([albedo], [day], [night], out, engine=engine)
    np.testing.assert_allclose(overview(list_bands([Source(out)])[1]), 20, atol=1e-3)
    assert any("`lst_night` is in °C" in text for text in progress.infos)


def mod13(write_raster, name="MOD13A2.A2018161.h18v04.061.2021342063412_NDVI.tif"):
    stored = np.round(4000 + 2000 * np.random.default_rng(0).random((30, 40)))
    source = write_raster(name, stored, dtype="int16", nodata=-3000)
    with rasterio.open(source.path, "r+") as dataset:
        dataset.scales = [10000.0]
    return source, stored / 10000


def test_a_scale_that_is_a_divisor_divides_everywhere(write_raster, out, engine, progress):
    source, ndvi = mod13(write_raster)
    band = list_bands([source])[0]
    np.testing.assert_allclose(overview(band), ndvi, 1e-6)
    with BandReader([band], band.grid).open() as reader:
        np.testing.assert_allclose(reader.read(_whole(band.grid))[0], ndvi, 1e-5)
    x, y = band.grid.transform * (np.array([3.5, 20.5]), np.array([7.5, 1.5]))
    values = sample([band], x, y, band.grid.crs, np.arange(2), np.zeros(2, int))
    np.testing.assert_allclose(values, [ndvi[7, 3], ndvi[1, 20]], 1e-5)
    align_rasters([source], source, out, "nearest", engine)
    np.testing.assert_allclose(overview(list_bands([Source(out)])[0]), ndvi, 1e-5)
    assert any("10000 is a divisor" in text for text in progress.infos) and not progress.warnings


def _whole(grid: Grid):
    from sm_toolbox.raster.affine import Window

    return Window(0, 0, grid.width, grid.height)


def test_scales_below_one_and_of_other_quantities_stay(write_raster):
    source = write_raster("lst.tif", np.full((1, 3, 4), 15000), ["lst_day"], dtype="uint16")
    with rasterio.open(source.path, "r+") as dataset:
        dataset.scales = [0.02]
    np.testing.assert_allclose(overview(list_bands([source])[0]), 300)
    source = write_raster("pressure.tif", np.full((1, 3, 4), 950), ["pressure"], dtype="uint16")
    with rasterio.open(source.path, "r+") as dataset:
        dataset.scales = [100.0]
    np.testing.assert_allclose(overview(list_bands([source])[0]), 95000)


def test_landsat_collection_2_has_the_scale_of_its_product(write_raster, tmp_path, progress):
    rng = np.random.default_rng(0)
    cover, wet = rng.random((2, 120, 120))
    red, nir, lst = 0.25 - 0.2 * cover, 0.3 + 0.15 * cover, 290 + (1 - wet) * (28 - 20 * cover)
    scene = "LC08_L2SP_194028_20180610_20200831_02_T1"

    def put(name, values):
        return write_raster(f"{scene}_{name}.TIF", np.round(values), dtype="uint16")

    red_band, nir_band = put("SR_B4", (red + 0.2) / 2.75e-5), put("SR_B5", (nir + 0.2) / 2.75e-5)
    stored = (lst - 149) / 0.00341802
    stored[0, 0] = 0
    thermal = put("ST_B10", stored)
    kelvin = overview(list_bands([thermal])[0])
    assert np.isnan(kelvin[0, 0]), "0 is no data"
    np.testing.assert_allclose(kelvin[1:], lst[1:], atol=0.002)
    np.testing.assert_allclose(overview(list_bands([red_band])[0]), red, atol=2e-5)
    output = str(tmp_path / "indices.tif")
    spectral_indices(
        [red_band, nir_band], "landsat_oli", ["ndvi", "tvdi"], output, lst=[thermal], engine=Engine(progress=progress)
    )
    bands = {band.variable: overview(band) for band in read_bands([Source(output)])}
    np.testing.assert_allclose(bands["ndvi"], (nir - red) / (nir + red), atol=1e-3)
    assert np.corrcoef(bands["tvdi"].ravel()[1:], (1 - wet).ravel()[1:])[0, 1] > 0.95


def test_a_known_scale_is_not_applied_twice(write_raster, out, engine):
    stored = {"lst_day": (305 - 149) / 0.00341802, "lst_night": (285 - 149) / 0.00341802}
    scene = "LC08_L2SP_194028_20180610_20200831_02_T1_ST_B10.TIF"
    day, night = (
        write_raster(f"{name}/{scene}", np.full((1, 4, 5), round(value)), dtype="uint16")
        for name, value in stored.items()
    )
    albedo = write_raster("albedo_20180610.tif", np.full((1, 4, 5), 0.2), ["albedo"])
    with pytest.raises(InputError, match="in kelvin already.*Leave `lst_scale` empty"):
        thermal_inertia([albedo], [day], [night], out, lst_scale=0.00341802, engine=engine)
    thermal_inertia([albedo], [day], [night], out, engine=engine)
    np.testing.assert_allclose(overview(list_bands([Source(out)])[0]), 0.04, atol=1e-4)


@pytest.mark.parametrize(("darkest", "doubtful"), [(1300, True), (300, False)])
def test_sentinel2_without_its_baseline_is_a_doubt(darkest, doubtful, write_raster, out, engine, progress):
    """Of before 2022, and perhaps processed again since; cells darker than the offset prove that there is none."""
    rng = np.random.default_rng(0)
    sources = [
        write_raster(f"T32TQM_20180610T101031_{name}_10m.tif", darkest + 3000 * rng.random((20, 20)), dtype="uint16")
        for name in ("B04", "B08")
    ]
    spectral_indices(sources, "sentinel2", ["ndvi"], out, engine=engine)
    assert any("give `offset` -0.1" in text for text in progress.warnings) == doubtful


def test_every_fault_of_the_page_has_its_test():
    root = Path(__file__).parents[3]
    named = set(re.findall(r"`(test_\w+)`", (root / "docs" / "meaning.md").read_text(encoding="utf-8")))
    files = ["core/raster/test_meaning.py", "core/models/test_ranges.py", "qgis/test_meaning.py"]
    there = "".join((root / "tests" / name).read_text(encoding="utf-8") for name in files)
    assert len(named) > 25 and not [name for name in named if f"def {name}(" not in there]


def land_cover(write_raster, **options):
    return write_raster("classes.tif", np.where(np.random.default_rng(0).random((100, 100)) < 0.6, 10, 40), **options)


def test_classes_are_recognised(write_raster):
    assert list_bands([land_cover(write_raster, descriptions=["land_cover"], dtype="uint8")])[0].is_class
    coloured = land_cover(write_raster, descriptions=["x"], dtype="uint8")
    assert not list_bands([coloured])[0].is_class
    with rasterio.open(coloured.path, "r+") as dataset:
        dataset.write_colormap(1, {10: (0, 100, 0, 255), 40: (240, 150, 255, 255)})
    assert list_bands([coloured])[0].is_class
    categories = write_raster("cats.tif", np.ones((1, 3, 3)), ["x"], dtype="uint8")
    with open(f"{categories.path}.aux.xml", "w") as file:
        file.write(
            '<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category>a</Category></CategoryNames></PAMRasterBand>'
            "</PAMDataset>"
        )
    assert list_bands([categories])[0].is_class


def test_classes_are_never_averaged(write_raster, out, engine, progress):
    source = land_cover(write_raster, descriptions=["land_cover"], dtype="uint8", cell=10)
    grid = write_raster("grid.tif", np.ones((10, 10)), ["grid"], cell=100)
    align_rasters([source], grid, out, "average", engine)
    aligned = overview(list_bands([Source(out)])[0])
    with rasterio.open(source.path) as dataset:
        blocks = dataset.read(1).reshape(10, 10, 10, 10).swapaxes(1, 2).reshape(10, 10, 100)
    share = (blocks == 10).mean(-1)
    clear = share != 0.5
    np.testing.assert_array_equal(aligned[clear], np.where(share > 0.5, 10, 40)[clear])
    assert any("classes by their mode" in text for text in progress.infos)
    with BandReader(list_bands([source]), list_bands([grid])[0].grid).open() as reader:
        assert set(np.unique(reader.read(_whole(list_bands([grid])[0].grid)))) <= {10, 40}


@pytest.mark.parametrize("method", ["nearest", "bilinear", "mean_3x3"])
def test_classes_at_points_are_those_of_the_cell(method, write_raster, progress):
    source = land_cover(write_raster, descriptions=["land_cover"], dtype="uint8")
    rows = _rows(list_bands([source])[0].grid)
    samples = sample_rows(rows, [source], method=method, progress=progress)
    assert set(np.unique(samples.variables[0].values)) == {10, 40}
    assert samples.origins["land_cover"].kind == "class"
    assert len([text for text in progress.infos if "Classes have no mean" in text]) == (method != "nearest")


def test_statistics_of_classes_are_a_warning(write_raster, out, engine, progress):
    values = np.where(np.random.default_rng(0).random((3, 9, 9)) < 0.6, 10, 40)
    temporal_statistics([write_raster("a.tif", values, named("lulc")[:3], dtype="uint8")], ["mean"], out, engine)
    (warning,) = progress.warnings
    assert "Numbers of classes are taken as amounts: 'lulc' of 'a.tif'" in warning


def test_names_and_units():
    keys = {
        "sm": "soil_moisture",
        "SoilMoi0_10cm_inst": "soil_moisture",
        "1 km 16 days NDVI": "vegetation_index",
        "sur_refl_b01": "reflectance",
        "lst_day": "temperature",
        "elevation": "elevation",
        "soil_moisture_uncertainty": None,
        "osm_roads": None,
        "slope": None,
    }
    assert {name: getattr(quantity_of(name), "key", None) for name in keys} == keys
    assert {customary_unit(unit) for unit in ("m3 m-3", "m³ m⁻³", "m**3 m**-3", "m3/m3", "m^3/m^3")} == {"m3 m-3"}
    assert [customary_unit(unit) for unit in ("%", "kg m**-2", "Kelvin", "°C", "hPa")] == [
        "%",
        "kg m-2",
        "K",
        "degC",
        "hPa",
    ]
    assert names_classes("LC_Type1") and names_classes("land cover") and not names_classes("land_cover_fraction")
    assert list(in_same_unit([0.25, 0.3, 25, np.nan], 0)) == [True, True, False, True]


@pytest.mark.parametrize("fill", [-6999, -7777, -8888, -999.9, -9999.99, -2147483648])
def test_fills_of_stations_and_models_are_refused(fill, write_raster, out, engine):
    source = write_raster("a.tif", np.where(GAPS, fill, MOISTURE), named("sm"))
    with pytest.raises(InputError, match=r"'sm' of 'a.tif' is -.* in (9|10|11)\.\d% of the cells"):
        temporal_statistics([source], ["mean"], out, engine)


@pytest.mark.parametrize(
    ("variable", "fill", "factor"),
    [
        *(("sm", fill, 1) for fill in (-1, -2, -9.99, -99.99, -128, -5000, 2, 100, 255, 999, 65535, 1e10)),
        ("ndvi", -3, 1),
        ("lst", -273.15, 50),
        ("rain", -1, 10),
        ("precipitation", 29999, 10),
        ("anything", -5, 1),
    ],
)
def test_a_number_of_many_cells_that_cannot_be_measured_is_named(
    variable, fill, factor, write_raster, out, engine, progress
):
    source = write_raster("a.tif", np.where(GAPS, fill, MOISTURE * factor), named(variable))
    temporal_statistics([source], ["mean"], out, engine)
    (warning,) = progress.warnings
    assert f"'{variable}' of 'a.tif' is {fill:g} in " in warning


def test_scaled_numbers_that_cannot_be_measured_are_named_as_stored(write_raster, out, engine, progress):
    source = write_raster("a.tif", np.where(GAPS, -99, np.round(MOISTURE * 100)), named("sm"), dtype="int16")
    with rasterio.open(source.path, "r+") as file:
        file.scales = [0.01] * file.count
    temporal_statistics([source], ["mean"], out, engine)
    (warning,) = progress.warnings
    assert "'sm' of 'a.tif' is -99 in " in warning and "NoData value -99." in warning


@pytest.mark.parametrize(
    ("variable", "values"),
    [
        ("aspect", np.where(GAPS, -1, MOISTURE * 700)),
        ("rain", np.where(GAPS, 0, MOISTURE * 10)),
        ("snow", np.where(GAPS, 0, MOISTURE)),
        ("ndvi", np.maximum(MOISTURE - 0.3, -0.1)),
        ("lst", np.round(MOISTURE * 20)),
        ("curvature", np.round((MOISTURE - 0.25) * 30)),
        ("sm", np.where(np.random.default_rng(3).random(MOISTURE.shape) < 0.005, 0, MOISTURE)),
    ],
)
def test_numbers_of_many_cells_that_may_be_measured_are_not_named(
    variable, values, write_raster, out, engine, progress
):
    temporal_statistics([write_raster("a.tif", values, named(variable))], ["mean"], out, engine)
    assert not progress.warnings


@pytest.mark.parametrize(
    ("variable", "unit", "values", "words"),
    [
        ("lst", "K", MOISTURE * 80, "no kelvin as its unit says"),
        ("lst", "degC", 280 + MOISTURE * 80, "no °C as its unit says"),
        ("sm", "%", MOISTURE, "look like m³ m⁻³"),
    ],
)
def test_units_that_the_numbers_contradict_are_named(
    variable, unit, values, words, write_raster, out, engine, progress
):
    source = write_raster("a.tif", values, named(variable))
    with rasterio.open(source.path, "r+") as file:
        file.units = [unit] * file.count
    temporal_statistics([source], ["mean"], out, engine)
    (warning,) = progress.warnings
    assert words in warning


def test_single_impossible_rows_of_a_table_are_named(progress):
    tell_implausible(np.array([0.2, 0.3, -9.99, 0.25]), "soil_moisture", "obs", progress)
    tell_implausible(np.array([0.2, 0.3, 0.25]), "soil_moisture", "obs", progress)
    (warning,) = progress.warnings
    assert "in 1 of 4 rows" in warning and "-9.99" in warning


def test_coordinates_of_cells_are_no_measurements():
    assert all(map(is_coordinate, ["latitude", "longitude_pm", "cell_lat", "LON"]))
    assert not any(map(is_coordinate, ["latent_heat", "longwave", "slope", "lat_flux"]))
