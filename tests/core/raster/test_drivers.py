"""One protocol, two drivers: the same descriptions, values, warps, files and refusals through rasterio and osgeo."""

import importlib.machinery
import math
import sys
import types

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin

from sm_toolbox.errors import InputError
from sm_toolbox.raster import choice
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.bands import overview, read_bands
from sm_toolbox.raster.driver import RESAMPLINGS, DriverError
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.points import sample
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.request import Engine

pytest.importorskip("osgeo")
NAMES = ("rasterio", "gdal")
CELLS = np.random.default_rng(3).random((2, 40, 50)).astype(np.float32)


@pytest.fixture
def through(monkeypatch):
    """Return what a function returns through each driver."""

    def run(function):
        results = []
        for name in NAMES:
            monkeypatch.setenv(choice.DRIVER_VARIABLE, name)
            choice.driver.cache_clear()
            choice.driver_for_points.cache_clear()
            assert choice.driver().name == choice.driver_for_points().name == name
            results.append(function())
        return results

    return run


def scaled(write_raster):
    values = (CELLS * 10000).astype(np.int16)
    values[0, :5] = -9999
    source = write_raster("scaled.tif", values, ["red@2020-06-01", "red@2020-06-09"], dtype="int16", nodata=-9999)
    with rasterio.open(source.path, "r+") as dataset:
        dataset.scales, dataset.offsets, dataset.units = (1e-4, 1e-4), (0, 0.5), ("1", "1")
        dataset.update_tags(A="b")
        dataset.update_tags(1, C="d")
    return source


def masked(write_raster):
    source = write_raster("masked.tif", (CELLS * 200).astype(np.uint8), ["a", "b"], dtype="uint8")
    with rasterio.open(source.path, "r+") as dataset:
        dataset.write_mask(np.where(CELLS[0] > 0.5, 255, 0).astype(np.uint8))
    return source


def alpha(write_raster):
    bands = np.stack([CELLS[0] * 200, np.where(CELLS[1] > 0.5, 255, 0)]).astype(np.uint8)
    source = write_raster("alpha.tif", bands, ["grey", "alpha"], dtype="uint8")
    with rasterio.open(source.path, "r+") as dataset:
        dataset.colorinterp = (rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.alpha)
    return source


def whole_numbers(write_raster):
    return write_raster("whole.tif", (CELLS * 60000).astype(np.uint16), ["a", "b"], dtype="uint16", nodata=0)


def longitudes_to_360(write_raster):
    return write_raster("east.tif", CELLS, ["a", "b"], crs="EPSG:4326", transform=from_origin(0, 72, 7.2, 3.6))


def rotated(write_raster):
    along, across = 30 * math.cos(math.radians(20)), 30 * math.sin(math.radians(20))
    turned = Affine(along, across, 500000, across, -along, 4000000)
    return write_raster("rotated.tif", CELLS, ["a", "b"], transform=turned)


def gaps(write_raster):
    return write_raster("gaps.tif", np.where(CELLS > 0.9, np.nan, CELLS), ["a", "b"])


def many_bands(write_raster):
    return write_raster("many.tif", np.tile(CELLS[:1], (30, 1, 1)), [f"v@2020-06-{day:02d}" for day in range(1, 31)])


ODD = [scaled, masked, alpha, whole_numbers, longitudes_to_360, rotated, gaps, many_bands]


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_the_same_bands_and_values(make, write_raster, through):
    source = make(write_raster)

    def look():
        with choice.driver().open(source.path) as dataset:
            described = [dataset.describe(band) for band in range(1, dataset.count + 1)]
            facts = (dataset.format, dataset.width, dataset.transform, dataset.tags(), dataset.tags(1), described)
            masks = [dataset.has_mask(band) for band in range(1, dataset.count + 1)]
        bands = read_bands([source])
        grid = bands[0].grid
        with BandReader(bands, grid).open() as reader:
            values = reader.read(Window(3, 2, 30, 25))
        x, y = grid.transform * (np.array([3.2, 20.7, 49.1]), np.array([4.4, 30.3, 0.6]))
        places = np.arange(3)
        at_points = [
            sample(bands[:1], x, y, grid.crs, places, np.zeros(3, int), method) for method in ("nearest", "bilinear")
        ]
        names = [(band.name, band.index) for band in bands]
        return facts, masks, names, values, at_points, overview(bands[0], 16), tuple(grid.transform)

    first, second = through(look)
    assert first[:3] == second[:3] and first[6] == second[6]
    for one, other in zip((first[3], *first[4], first[5]), (second[3], *second[4], second[5])):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).any()


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("make", [gaps, longitudes_to_360, rotated], ids=lambda make: make.__name__)
def test_the_same_warps(make, resampling, write_raster, through):
    source = make(write_raster)
    if make is longitudes_to_360:
        grid = 3035, Affine(70000, 0, 2500000, 0, -50000, 5500000), 60, 80
    else:
        grid = 4326, Affine(0.00071, 0, -3.001, 0, -0.00053, 36.145), 33, 27

    def warp():
        target = Grid(*grid)
        with BandReader(read_bands([source]), target, resampling).open() as reader:
            return reader.read(Window(0, 0, target.width, target.height))

    first, second = through(warp)
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).mean() > 0.05


def test_the_same_file(write_raster, through, tmp_path):
    source = gaps(write_raster)
    paths = iter(str(tmp_path / f"{name}.tif") for name in NAMES)

    def write():
        path = next(paths)
        bands = read_bands([source])
        output = RasterOutput(path, ["sum@2020-06-01"], {"UNIT_sum": "m"})
        run_blocks(
            lambda blocks, window: blocks["x"].sum(axis=0, keepdims=True),
            {"x": bands},
            [output],
            bands[0].grid,
            Engine(),
        )
        with rasterio.open(path) as dataset:
            profile = {key: value for key, value in dataset.profile.items() if key not in ("nodata", "crs")}
            described = (
                dataset.descriptions,
                dataset.tags()["UNIT_sum"],
                dataset.crs.to_epsg(),
                np.isnan(dataset.nodata),
            )
            return dataset.read(), profile, described

    first, second = through(write)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1:] == second[1:] and first[2][2:] == (32630, True)


def test_the_same_refusals(tmp_path, write_raster, through):
    lines = tmp_path / "text.tif"
    lines.write_text("no raster")
    points = [GroundControlPoint(row, column, column * 30.0, -row * 30.0) for row in (0, 40) for column in (0, 50)]
    with rasterio.open(
        tmp_path / "gcps.tif", "w", driver="GTiff", width=50, height=40, count=1, dtype="float32"
    ) as dataset:
        dataset.write(CELLS[:1])
        dataset.gcps = points, rasterio.crs.CRS.from_epsg(32630)
    whole = gaps(write_raster)
    cut = tmp_path / "cut.tif"
    with open(whole.path, "rb") as file:
        cut.write_bytes(file.read()[:1500])

    def refuse():
        words = []
        for path in (tmp_path / "not there.tif", lines, tmp_path / "gcps.tif", cut):
            with pytest.raises(InputError) as error:
                bands = read_bands([Source(str(path))])
                with BandReader(bands, bands[0].grid).open() as reader:
                    reader.read(Window(0, 0, 50, 40))
            words.append(str(error.value))
        with choice.driver().open(str(tmp_path / "gcps.tif")) as dataset:
            words.append(dataset.control_points())
        with pytest.raises(DriverError):
            choice.driver().crs("no WKT")
        return words

    first, second = through(refuse)
    for one, other in zip(first[:4], second[:4]):
        assert one.split(":")[0] == other.split(":")[0]
    assert first[4] == second[4] == 4


def test_the_same_bounds(through):
    def bounds():
        driver = choice.driver()
        near = driver.transform_bounds(driver.crs(32630), driver.crs(4326), (500000, 4000000, 600000, 4100000))
        over_180 = driver.transform_bounds(driver.crs(32601), driver.crs(4326), (100000, 4000000, 600000, 4100000))
        crs = driver.crs(32630)
        return near, over_180, crs.linear_units_factor, crs.to_epsg(), crs.is_projected, crs.is_geographic

    first, second = through(bounds)
    np.testing.assert_allclose(first[0] + first[1], second[0] + second[1], atol=1e-9)
    assert first[2:] == second[2:] == (("metre", 1.0), 32630, True, False) and first[1][0] > first[1][2]


def test_the_choice(monkeypatch, tmp_path):
    assert choice.choose().name == "rasterio"
    monkeypatch.setenv(choice.DRIVER_VARIABLE, "magic")
    with pytest.raises(InputError, match="must be rasterio or gdal"):
        choice.choose()
    monkeypatch.delenv(choice.DRIVER_VARIABLE)
    real = choice.importlib.util.find_spec
    # A wheel of rasterio, with its own libraries beside it, inside QGIS.
    (tmp_path / "rasterio").mkdir()
    (tmp_path / "rasterio.libs").mkdir()
    spec = importlib.machinery.ModuleSpec("rasterio", None, origin=str(tmp_path / "rasterio" / "__init__.py"))
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: spec if name == "rasterio" else real(name))
    monkeypatch.setitem(sys.modules, "qgis.core", types.ModuleType("qgis.core"))
    chosen = choice.choose()
    assert chosen.name == "gdal" and "rasterio.libs" in chosen.passed_over
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None if name == "rasterio" else real(name))
    assert choice.choose().name == "gdal" and not choice.choose().passed_over
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
    assert choice.choose().name == ""
