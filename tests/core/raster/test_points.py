"""Values at points: against plain array indexing, rasterio.sample and interpolation by hand."""

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Affine
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.points import sample, transform_points

UTM = CRS.from_epsg(32630)
WGS = CRS.from_epsg(4326)


@pytest.fixture
def field(write_raster):
    cells = np.random.default_rng(0).random((3, 90, 70)).astype(np.float32)
    cells[:, 40:45, 30:35] = -9999
    source = write_raster("field.tif", cells, list("abc"), nodata=-9999, tiled=True, blockxsize=16, blockysize=16)
    return np.where(cells == -9999, np.nan, cells), read_bands([source]), source.path


def centres(rows, columns):
    return 500000 + 30 * (np.asarray(columns) + 0.5), 4000000 - 30 * (np.asarray(rows) + 0.5)


def test_nearest_is_the_cell_that_holds_the_point(field):
    _cells, bands, path = field
    rng = np.random.default_rng(1)
    x, y = 500000 + rng.random(400) * 2100, 4000000 - rng.random(400) * 2700
    points, wanted = np.repeat(np.arange(400), 3), np.tile(np.arange(3), 400)
    values = sample(bands, x, y, UTM, points, wanted).reshape(400, 3)
    with rasterio.open(path) as dataset:
        peer = np.array([np.where(value == -9999, np.nan, value) for value in dataset.sample(np.stack([x, y], 1))])
    np.testing.assert_array_equal(values, peer)


def test_stations_in_another_crs(field):
    cells, bands, _ = field
    x, y = centres([3, 50], [4, 60])
    lon, lat = Transformer.from_crs(32630, 4326, always_xy=True).transform(x, y)
    values = sample(bands, np.array(lon), np.array(lat), WGS, np.array([0, 1]), np.array([0, 2]))
    np.testing.assert_array_equal(values, [cells[0, 3, 4], cells[2, 50, 60]])


def test_outside_nodata_and_not_wanted_are_nan(field):
    _, bands, _ = field
    x, y = centres([-1, 42, 10, 10], [10, 32, 70, 10])
    values = sample(bands, x, y, UTM, np.arange(4), np.array([0, 0, 0, -1]))
    assert np.isnan(values).all()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(1, 88), st.floats(1, 68))
def test_bilinear_and_mean_by_hand(field, row, column):
    cells, bands, _ = field
    # On the very edge of a cell rounding decides which one it is.
    assume(all(abs(2 * value - round(2 * value)) > 1e-6 for value in (row, column)))
    x, y = np.array([500000 + 30 * column]), np.array([4000000 - 30 * row])
    one = np.array([0])
    r, c = int(np.floor(row - 0.5)), int(np.floor(column - 0.5))
    weight = np.outer([1 - (row - 0.5 - r), row - 0.5 - r], [1 - (column - 0.5 - c), column - 0.5 - c])
    four = cells[1, r : r + 2, c : c + 2]
    weight = np.where(np.isnan(four), 0, weight)
    expected = np.nansum(four * weight) / weight.sum() if weight.sum() > 1e-9 else np.nan
    np.testing.assert_allclose(sample(bands, x, y, UTM, one, one + 1, "bilinear"), expected, rtol=1e-5)
    r, c = int(row), int(column)
    nine = cells[1, r - 1 : r + 2, c - 1 : c + 2]
    expected = np.nan if np.isnan(nine).all() else np.nanmean(nine)
    np.testing.assert_allclose(sample(bands, x, y, UTM, one, one + 1, "mean_3x3"), expected, rtol=1e-5)


def test_bilinear_at_the_edge_uses_the_cells_there_are(field):
    cells, bands, _ = field
    values = sample(bands, np.array([500001.0]), np.array([3999999.0]), UTM, np.array([0]), np.array([0]), "bilinear")
    np.testing.assert_allclose(values, cells[0, 0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("west", "columns", "cell"),
    [(230, 70, 1), (0, 360, 1), (-0.125, 1440, 0.25), (350, 30, 1), (0, 514, 0.7), (-190, 360, 1)],
)
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_longitudes_from_0_to_360_and_back(west, columns, cell, method, write_raster):
    """Each cell holds the longitude of its centre, from -180 to 180."""
    centre = west + cell * (np.arange(columns) + 0.5)
    values = np.broadcast_to((centre + 180) % 360 - 180, (20, columns))
    bands = read_bands([write_raster("lon.tif", values, ["lon"], crs="EPSG:4326", cell=cell, origin=(west, 10))])
    lon = (centre + 180) % 360 - 180
    inner = slice(2, -2, 7)
    found = sample(
        bands,
        lon[inner],
        np.full(len(lon[inner]), 10 - 5.5 * cell),
        WGS,
        np.arange(len(lon[inner])),
        np.zeros(len(lon[inner]), int),
        method,
    )
    away = np.abs(np.abs(lon[inner]) - 180) > 2 * cell
    np.testing.assert_allclose(found[away], lon[inner][away], atol=1e-4)
    assert away.sum() >= 4


@pytest.mark.parametrize("method", ["bilinear", "mean_3x3"])
def test_directions_are_averaged_by_components(write_raster, method):
    """350° and 10° have the mean 0°."""
    degrees = np.where(np.add.outer(np.arange(6), np.arange(6)) % 2, 350.0, 10.0)
    degrees[0, 0] = np.nan
    bands = [read_bands([write_raster(f"{name}.tif", degrees, [name])])[0] for name in ("aspect", "other")]
    x, y = bands[0].grid.transform * (np.array([3.0, 1.0]), np.array([3.0, 1.0]))
    aspect, other = (sample([band], x, y, band.grid.crs, np.arange(2), np.zeros(2, int), method) for band in bands)
    away = np.abs((aspect + 180) % 360 - 180)
    assert (away < 6).all() and (np.abs(other - 180) < 60).all()


@pytest.mark.parametrize("west", [-180, 0, -90.0])
@pytest.mark.parametrize("method", ["bilinear", "mean_3x3"])
def test_neighbours_around_the_globe(write_raster, west, method):
    """At the edge of a raster of the whole globe as anywhere else."""
    values = np.random.default_rng(0).random((9, 36)).astype(np.float32)
    (globe,) = read_bands([write_raster("globe.tif", values, ["v"], crs="EPSG:4326", cell=10.0, origin=(west, 45))])
    (turned,) = read_bands(
        [
            write_raster(
                "turned.tif",
                np.roll(values, -18, axis=1),
                ["v"],
                crs="EPSG:4326",
                cell=10.0,
                origin=(west + 180 - 360 * (west >= 0), 45),
            )
        ]
    )
    lon = np.array([west + 1, west + 7, west - 0.5, west + 359, west + 182])
    lon = (lon + 180) % 360 - 180
    lat = np.array([3.0, -12, 21, 0, 7])
    found, expected = (
        sample([band], lon, lat, WGS, np.arange(5), np.zeros(5, int), method) for band in (globe, turned)
    )
    # The last is at the edge of the other raster.
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    if method == "mean_3x3":
        assert found[0] == pytest.approx(values[np.ix_([3, 4, 5], [35, 0, 1])].mean(), rel=1e-6)


@pytest.mark.parametrize(
    "transform",
    [
        (0, 10, 500000, 10, 0, 4000000),
        (10, 5, 500000, 5, -10, 4000000),
        (10, 0, 500000, 0, 10, 3990000),
        (-10, 0, 500000, 0, -10, 4000000),
    ],
)
def test_rotated_mirrored_and_south_up_rasters(transform, write_raster):
    values = np.random.default_rng(0).random((30, 40))
    bands = read_bands([write_raster("r.tif", values, ["v"], transform=Affine(*transform))])
    row, column = np.indices((30, 40)).reshape(2, -1)
    x, y = Affine(*transform) * (column + 0.5, row + 0.5)
    found = sample(bands, x, y, UTM, np.arange(1200), np.zeros(1200, int))
    np.testing.assert_allclose(found, values.ravel(), rtol=1e-6)


def test_cancel_opens_no_more_files(write_raster, cancelling, monkeypatch):
    from sm_toolbox.errors import Cancelled
    from sm_toolbox.raster import points as sampling

    bands = [
        band
        for i in range(60)
        for band in read_bands([write_raster(f"v_2020{i:03d}.tif".replace("2020000", "2020060"), np.ones((5, 5)))])
    ]
    opened = []
    original = sampling.PointFile

    def counting(*arguments):
        opened.append(1)
        return original(*arguments)

    monkeypatch.setattr(sampling, "PointFile", counting)
    x, y = centres([2], [2])
    with pytest.raises(Cancelled):
        sample(bands, x, y, UTM, np.zeros(60, int), np.arange(60), progress=cancelling(0))
    assert len(opened) < 60


@pytest.mark.parametrize(("own", "to"), [(4326, 32630), (32630, 4326), (3035, 6933), (31467, 25832)])
def test_points_move_as_by_pyproj(own, to):
    """Those that cannot be moved, such as ones with latitude and longitude swapped, are missing; the others are not."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-9, 9, 500), rng.uniform(36, 60, 500)
    if own != 4326:
        x, y = Transformer.from_crs(4326, own, always_xy=True).transform(x, y)
    by_pyproj = Transformer.from_crs(own, to, always_xy=True).transform
    whole = transform_points(x, y, CRS.from_epsg(own), CRS.from_epsg(to))
    np.testing.assert_allclose(whole, by_pyproj(x, y), rtol=1e-12, atol=1e-9)
    y[[3, 77]], x[410] = 1e30, np.nan
    some = transform_points(x, y, CRS.from_epsg(own), CRS.from_epsg(to))
    lost = ~np.isfinite(by_pyproj(x, y)).all(axis=0)
    assert lost[410]
    np.testing.assert_array_equal(np.isnan(some), [lost, lost])
    np.testing.assert_allclose(np.stack(some)[:, ~lost], np.stack(by_pyproj(x, y))[:, ~lost], rtol=1e-12, atol=1e-9)
    assert transform_points(x[:0], y[:0], CRS.from_epsg(own), CRS.from_epsg(to))[0].size == 0


@pytest.mark.usefixtures("gdal_errors")
def test_points_that_cannot_be_moved_are_missing_alone():
    """Where its exceptions are on, GDAL raises for one such point among many since 3.7."""
    x, y = transform_points(np.array([3.0, 50, 4]), np.array([50.0, 120, 51]), WGS, UTM)
    np.testing.assert_array_equal(np.isnan(x), [False, True, False])
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))


def test_no_way_between_two_worlds():
    moon = CRS.from_wkt(
        'GEOGCS["Moon 2000",DATUM["D_Moon_2000",SPHEROID["Moon_2000_IAU_IAG",1737400,0]],'
        'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]]'
    )
    with pytest.raises(InputError, match="Points cannot be transformed from Moon 2000"):
        transform_points(np.array([1.0]), np.array([2.0]), moon, UTM)
