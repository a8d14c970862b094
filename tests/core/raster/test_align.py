"""Aligning rasters: the grid asked for, the names kept, the resampling that was chosen."""

import warnings
from xml.sax.saxutils import escape

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.transform import from_origin

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.align import align_rasters, grid_over
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.raster.request import Engine


def test_bands_of_several_files_and_grids(write_raster, tmp_path, progress):
    grid = write_raster("grid.tif", np.zeros((10, 10)), ["g"], cell=100.0)
    fine = write_raster("fine.tif", np.arange(1600.0).reshape(40, 40), ["ndvi@2020-06-01"], cell=25.0)
    same = write_raster("same.tif", np.arange(100).reshape(10, 10), ["class"], cell=100.0, dtype="uint8")
    names = align_rasters([fine, same], grid, str(tmp_path / "o.tif"), "average", engine=Engine(progress=progress))
    with rasterio.open(tmp_path / "o.tif") as dataset, rasterio.open(grid.path) as wanted:
        values = dataset.read()
        assert (
            dataset.descriptions == ("ndvi@2020-06-01", "class") == tuple(names)
            and dataset.transform == wanted.transform
            and dataset.crs == wanted.crs
        )
    np.testing.assert_allclose(values[0], np.arange(1600.0).reshape(10, 4, 10, 4).mean(axis=(1, 3)), rtol=1e-6)
    np.testing.assert_array_equal(values[1], np.arange(100).reshape(10, 10))
    assert len(progress.infos) == 1 and "'fine.tif' is warped" in progress.infos[0]


@pytest.mark.parametrize("method", ["average", "bilinear", "cubic"])
def test_directions_are_averaged_by_components(write_raster, tmp_path, method):
    """350° and 10° have the mean 0°; other bands of the file keep plain means."""
    grid = write_raster("grid.tif", np.zeros((4, 4)), ["g"], cell=40.0)
    degrees = (80 * np.random.default_rng(0).random((16, 16)) - 40) % 360
    fine = write_raster("fine.tif", np.stack([degrees, degrees]), ["other", "aspect"], cell=10.0)
    align_rasters([fine], grid, str(tmp_path / "o.tif"), method)
    with rasterio.open(tmp_path / "o.tif") as dataset:
        other, aspect = dataset.read()
    assert (np.abs((aspect + 180) % 360 - 180) < 40).all() and (np.abs(other - 180) < 140).all()
    if method == "average":
        vectors = np.exp(1j * np.radians(degrees)).reshape(4, 4, 4, 4).mean(axis=(1, 3))
        np.testing.assert_allclose((aspect - np.degrees(np.angle(vectors)) + 180) % 360 - 180, 0, atol=1e-3)
        np.testing.assert_allclose(other, degrees.reshape(4, 4, 4, 4).mean(axis=(1, 3)), rtol=1e-5)


def test_mode_keeps_classes_and_nearest_keeps_values(write_raster, tmp_path):
    grid = write_raster("grid.tif", np.zeros((2, 2)), ["g"], cell=30.0)
    classes = write_raster(
        "c.tif",
        np.array([[1, 1, 5, 5, 5, 9], [1, 7, 5, 5, 5, 9], [1, 1, 5, 9, 9, 9]] * 2),
        ["class"],
        cell=10.0,
        dtype="int16",
    )
    for method in ("mode", "nearest"):
        align_rasters([classes], grid, str(tmp_path / "o.tif"), method)
        with rasterio.open(tmp_path / "o.tif") as dataset:
            assert set(np.unique(dataset.read(1))) <= {1, 5, 7, 9}
    align_rasters([classes], grid, str(tmp_path / "o.tif"), "mode")
    with rasterio.open(tmp_path / "o.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), [[1, 9], [1, 9]])


def test_another_crs_lands_in_the_right_place(write_raster, tmp_path):
    """A gradient of longitude in degrees, warped to UTM, still tells the longitude."""
    from pyproj import Transformer

    step = 0.001
    lon = -3.01 + step * (np.arange(60) + 0.5)
    source = write_raster(
        "lon.tif", np.tile(lon, (60, 1)), ["lon"], crs="EPSG:4326", transform=from_origin(-3.01, 36.15, step, step)
    )
    grid = write_raster("grid.tif", np.zeros((20, 20)), ["g"], cell=100.0)
    align_rasters([source], grid, str(tmp_path / "o.tif"), "bilinear")
    with rasterio.open(tmp_path / "o.tif") as dataset:
        values = dataset.read(1)
    x = 500000 + 100 * (np.arange(20) + 0.5)
    expected, _ = Transformer.from_crs(32630, 4326, always_xy=True).transform(x, np.full(20, 3999050.0))
    np.testing.assert_allclose(values[9], expected, atol=step / 5)


def test_no_overlap(write_raster, tmp_path, leftovers):
    grid = write_raster("grid.tif", np.zeros((2, 2)), ["g"])
    far = write_raster("far.tif", np.zeros((2, 2)), ["f"], origin=(900000, 4000000))
    with pytest.raises(InputError, match="far.tif' does not overlap"):
        align_rasters([far], grid, str(tmp_path / "o.tif"), "nearest")
    assert leftovers() == ["far.tif", "grid.tif"]


@pytest.mark.parametrize("origin", [(499880, 4000120), (499700, 4000300), (500180, 3999820), (499580, 3999820)])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_means_are_right_where_the_grid_reaches_beyond_the_raster(origin, size, write_raster, tmp_path):
    """GDAL before 3.8 averages wrong cells inside the raster, too, where its source window is cut at the raster's
    edge.
    """
    fine = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    fine[3, 3] = np.nan
    grid = write_raster("grid.tif", np.ones((size, size)), cell=300, origin=origin)
    # NaN are gaps although another value is declared as such.
    align_rasters([write_raster("v.tif", fine, ["v"], nodata=-1)], grid, str(tmp_path / "out.tif"), "average")
    row, column = round((4000000 - origin[1]) / 30), round((origin[0] - 500000) / 30)
    padded = np.full((120, 120), np.nan)
    padded[40:80, 40:80] = fine
    parts = padded[40 + row :, 40 + column :][: 10 * size, : 10 * size].reshape(size, 10, size, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmean(parts, axis=(1, 3))
    with rasterio.open(tmp_path / "out.tif") as dataset:
        np.testing.assert_allclose(dataset.read(1), expected, rtol=1e-5)


def test_bands_with_nodata_values_of_their_own_are_averaged(write_raster, tmp_path):
    """Each band's own gaps are left out, whatever value stands for them."""
    bands = np.ones((2, 10, 10), np.float32)
    bands[0, 0, :5], bands[1, 5, :] = -1, -2
    path = tmp_path / "two.vrt"
    for i, nodata in enumerate((-1, -2)):
        write_raster(f"b{i}.tif", bands[i], nodata=nodata)
    parts = "".join(
        '<VRTRasterBand dataType="Float32" '
        f'band="{i + 1}"><Description>v{i}</Description><NoDataValue>{nodata}</NoDataValue>'
        "<SimpleSource><SourceFilename "
        f'relativeToVRT="1">b{i}.tif</SourceFilename></SimpleSource></VRTRasterBand>'
        for i, nodata in enumerate((-1, -2))
    )
    with rasterio.open(tmp_path / "b0.tif") as dataset:
        srs, transform = dataset.crs.to_wkt(), ", ".join(map(str, dataset.transform.to_gdal()))
    path.write_text(
        '<VRTDataset rasterXSize="10" '
        f'rasterYSize="10"><SRS>{escape(srs)}</SRS><GeoTransform>{transform}</GeoTransform>{parts}</VRTDataset>'
    )
    grid = write_raster("grid.tif", np.ones((1, 1)), cell=300)
    align_rasters([Source(str(path))], grid, str(tmp_path / "out.tif"), "average")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        np.testing.assert_allclose(dataset.read().ravel(), [1, 1])


def read_windows(band, grid, resampling, *windows):
    with BandReader([band], grid, resampling).open() as bands:
        return [bands.read(window)[0] for window in windows]


@pytest.mark.parametrize(("cells", "size", "offset"), [(1, 4000, 0), (2, 4000, 0), (3, 9000, 9000), (1, 36000, 10000)])
def test_a_raster_within_one_cell_has_its_mean_there(cells, size, offset, write_raster):
    """GDAL before 3.8 gives nothing there where little lies around the raster."""
    fine = np.random.default_rng(0).random((400, 400)).astype(np.float32)
    (band,) = read_bands([write_raster("fine.tif", fine, ["v"], cell=10.0)])
    grid = Grid(band.grid.crs, from_origin(500000 - offset, 4000000 + offset, size, size), cells, cells)
    (means,) = read_windows(band, grid, "average", Window(0, 0, cells, cells))
    assert np.nanmax(means) == pytest.approx(fine.mean(), rel=1e-5) and np.isfinite(means).sum() == 1


def test_windows_fit_together_without_seams(write_raster):
    (band,) = read_bands([write_raster("fine.tif", np.random.default_rng(0).random((200, 200)), ["v"], cell=10.0)])
    grid = Grid(band.grid.crs, from_origin(500000, 4000000, 50, 50), 40, 40)
    for resampling in ("cubic", "bilinear", "average", "nearest"):
        whole, part = read_windows(band, grid, resampling, Window(0, 0, 40, 40), Window(10, 20, 10, 10))
        np.testing.assert_allclose(part, whole[20:30, 10:20], rtol=1e-5)


@pytest.mark.parametrize(("epsg", "west", "cell"), [(3832, -5e6, 1e5), (32601, 1e5, 5000), (32660, 3e5, 5000)])
def test_a_globe_is_read_across_180_degrees(epsg, west, cell, write_raster):
    globe = write_raster(
        "globe.tif", np.tile(np.arange(720.0), (360, 1)), ["v"], crs="EPSG:4326", cell=0.5, origin=(-180, 90)
    )
    (band,) = read_bands([globe])
    grid = Grid(CRS.from_epsg(epsg), from_origin(west, 4e6, cell, cell), 100, 60)
    (values,) = read_windows(band, grid, "nearest", Window(0, 0, 100, 60))
    column, row = np.meshgrid(np.arange(100) + 0.5, np.arange(60) + 0.5)
    lon, _ = Transformer.from_crs(epsg, 4326, always_xy=True).transform(west + cell * column, 4e6 - cell * row)
    # The nearest cell, but for those that lie on an edge between two.
    assert (np.abs(values - np.floor((np.array(lon) + 180) / 0.5)) % 719 <= 1).all()


def test_many_bands_under_one_cell_are_read_some_at_a_time(write_raster, monkeypatch):
    from sm_toolbox.raster import warping

    monkeypatch.setattr(warping, "_WARPED_CELLS", 20_000)
    values = np.random.default_rng(0).random((7, 60, 60)).astype(np.float32)
    bands = read_bands([write_raster("many.tif", values, list("abcdefg"))])
    grid = Grid(bands[0].grid.crs, from_origin(500000, 4000000, 1800, 1800), 1, 1)
    with BandReader(bands, grid, "average").open() as opened:
        np.testing.assert_allclose(opened.read(Window(0, 0, 1, 1)).ravel(), values.mean(axis=(1, 2)), rtol=1e-5)


def test_a_grid_without_a_raster(write_raster):
    a = write_raster("a.tif", np.ones((1, 20, 30), np.float32), ["a"], cell=30)
    b = write_raster("b.tif", np.ones((1, 20, 30), np.float32), ["b"], cell=30, origin=(501000.0, 4000200.0))
    grid = grid_over([a, b], 250)
    assert (grid.cell_size, grid.width, grid.height) == ((250, 250), 8, 4)
    assert grid.bounds == (500000, 3999250, 502000, 4000250)
    degrees = grid_over([a], 0.36, 4326)
    west = degrees.transform.c / 0.36
    assert degrees.crs.is_geographic and degrees.transform.a == 0.36 and west == pytest.approx(round(west))
    for size in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="`cell_size` is"):
            grid_over([a], size)
    with pytest.raises(InputError, match=r"`cell_size` 1e-06 makes .* cells"):
        grid_over([a], 1e-6)


def test_means_on_a_grid_without_a_raster(write_raster, tmp_path):
    values = np.arange(400, dtype=np.float32).reshape(1, 20, 20)
    source = write_raster("a.tif", values, ["a"], cell=25)
    align_rasters([source], grid_over([source], 100), str(tmp_path / "o.tif"), "average")
    with rasterio.open(tmp_path / "o.tif") as dataset:
        np.testing.assert_allclose(dataset.read(1), values[0].reshape(5, 4, 5, 4).mean(axis=(1, 3)), rtol=1e-6)
