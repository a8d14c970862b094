"""Terrain indices against closed forms, gdaldem, and the symmetries that any of them must have."""

import matplotlib.cbook
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.predictors.terrain import TERRAIN_INDICES, terrain_indices
from sm_toolbox.predictors.terrain_kernels import KERNEL_ORDER, fill_indices
from sm_toolbox.raster.kinds import mean_direction
from sm_toolbox.raster.request import Engine

gdal = pytest.importorskip("osgeo.gdal", reason="gdaldem, the independent peer, comes with QGIS")


def indices(dem, names, dx=30.0, dy=None, z_factor=1.0):
    """The kernel on an array whose first row is in the north; NaN at the edge."""
    halo = 2
    padded = np.pad(np.asarray(dem, np.float32), halo, constant_values=np.nan)
    places = np.array([names.index(name) if name in names else -1 for name in KERNEL_ORDER])
    out = np.empty((len(names), *np.shape(dem)), np.float32)
    rows = out.shape[1] + 2
    fill_indices(
        padded,
        halo,
        np.full(rows, dx),
        np.full(rows, dy or dx),
        z_factor,
        places,
        out,
        np.ones(np.shape(dem), np.float32),
    )
    return dict(zip(names, out))


def surface(function, dx=30.0, dy=None, size=21):
    """Heights of a function of metres towards east and north of the central cell."""
    dy = dy or dx
    x = (np.arange(size) - size // 2) * dx
    y = (size // 2 - np.arange(size)) * dy
    return function(*np.meshgrid(x, y)).astype(np.float32)


ALL = list(TERRAIN_INDICES)


def test_the_table_and_the_kernel_name_the_same_indices():
    assert tuple(TERRAIN_INDICES) == KERNEL_ORDER


@pytest.mark.parametrize("azimuth", [0, 30, 90, 135, 180, 222, 270, 359])
@pytest.mark.parametrize("cell", [(30.0, 30.0), (10.0, 40.0)])
def test_an_inclined_plane(azimuth, cell):
    """A plane falling towards an azimuth by 20 % has that aspect and no curvature."""
    east, north = np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))
    found = indices(surface(lambda x, y: 500 - 0.2 * (x * east + y * north), *cell), ALL, *cell)
    inner = {name: values[3:-3, 3:-3] for name, values in found.items()}
    np.testing.assert_allclose(inner["slope"], np.degrees(np.arctan(0.2)), rtol=1e-4)
    turn = (inner["aspect"] - azimuth + 180) % 360 - 180
    np.testing.assert_allclose(turn, 0, atol=0.02)
    np.testing.assert_allclose(inner["northness"], north, atol=3e-4)
    np.testing.assert_allclose(inner["eastness"], east, atol=3e-4)
    for name in ("profile_curvature", "plan_curvature", "tangential_curvature", "mean_curvature", "vector_ruggedness"):
        np.testing.assert_allclose(inner[name], 0, atol=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "c"), [(1e-3, 1e-3, 0), (-1e-3, -1e-3, 0), (1e-3, -5e-4, 0), (0, 0, 1e-3), (2e-3, 0, -1e-3)]
)
def test_curvatures_of_a_quadratic_surface(a, b, c):
    """z = a x² + b y² + c xy + 0.1 x + 0.2 y; derivatives at the centre are known."""
    dx, dy = 20.0, 25.0
    found = indices(surface(lambda x, y: a * x**2 + b * y**2 + c * x * y + 0.1 * x + 0.2 * y, dx, dy), ALL, dx, dy)
    p, q, r, t, s = 0.1, 0.2, 2 * a, 2 * b, c
    g = p * p + q * q
    profile = -(p * p * r + 2 * p * q * s + q * q * t) / (g * (1 + g) ** 1.5)
    across = q * q * r - 2 * p * q * s + p * p * t
    tangential = -across / (g * np.sqrt(1 + g))
    expected = {
        "profile_curvature": profile,
        "plan_curvature": -across / g**1.5,
        "tangential_curvature": tangential,
        "mean_curvature": (profile + tangential) / 2,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name][10, 10], value, rtol=2e-3, atol=1e-7, err_msg=name)


def test_a_hair_west_of_north_is_0_not_360():
    """Nearer to north than float32 can tell from 360°; heights of 0 hold so small a difference."""
    dem = np.array([[-300, -300, -300], [0, 0, 1e-4], [300, 300, 300]])
    assert indices(dem, ["aspect"])["aspect"][1, 1] == 0


def test_curvatures_of_a_sphere():
    """Every normal section of a sphere has the curvature 1/R; its contour lines are circles of the distance from the
    summit.
    """
    radius, cell = 2000.0, 5.0
    found = indices(
        surface(lambda x, y: np.sqrt(radius**2 - (x - 400) ** 2 - (y + 300) ** 2) - radius, cell), ALL, cell
    )
    for name, value in {
        "profile_curvature": 1 / radius,
        "tangential_curvature": 1 / radius,
        "mean_curvature": 1 / radius,
        "plan_curvature": 1 / 500,
    }.items():
        np.testing.assert_allclose(found[name][10, 10], value, rtol=0.01, err_msg=name)


def test_a_dome_is_convex_and_a_bowl_concave():
    dome = indices(surface(lambda x, y: -1e-3 * (x**2 + y**2)), ALL)
    assert (
        dome["profile_curvature"][5, 5] > 0
        and dome["tangential_curvature"][5, 5] > 0
        and dome["plan_curvature"][5, 5] > 0
    )
    bowl = indices(surface(lambda x, y: 1e-3 * (x**2 + y**2)), ALL)
    assert bowl["profile_curvature"][5, 5] < 0 and bowl["tangential_curvature"][5, 5] < 0


def test_level_ground():
    flat = {name: values[2:-2, 2:-2] for name, values in indices(np.full((9, 9), 123.4), ALL).items()}
    assert np.isnan(flat.pop("aspect")).all()
    np.testing.assert_array_equal(flat.pop("elevation"), np.float32(123.4))
    # One metre of catchment over the smallest slope.
    np.testing.assert_allclose(flat.pop("twi"), np.log(1 / 0.001), rtol=1e-6)
    for name, values in flat.items():
        np.testing.assert_array_equal(values, 0, err_msg=name)


def test_ruggedness_and_roughness_by_hand():
    rng = np.random.default_rng(0)
    dem = rng.random((12, 14)).astype(np.float32) * 40
    found = indices(dem, ["roughness", "vector_ruggedness", "slope", "aspect"])
    windows = np.lib.stride_tricks.sliding_window_view(dem, (3, 3))
    np.testing.assert_allclose(found["roughness"][1:-1, 1:-1], np.ptp(windows, axis=(2, 3)), rtol=1e-6)
    slope, aspect = np.radians(found["slope"].astype(float)), np.radians(found["aspect"].astype(float))
    normal = np.stack([np.sin(slope) * np.sin(aspect), np.sin(slope) * np.cos(aspect), np.cos(slope)])
    resultant = np.linalg.norm(
        np.lib.stride_tricks.sliding_window_view(normal, (3, 3), axis=(1, 2)).sum(axis=(3, 4)), axis=0
    )
    np.testing.assert_allclose(found["vector_ruggedness"][1:-1, 1:-1], 1 - resultant / 9, atol=1e-5)


def test_ruggedness_keeps_its_digits_where_the_ground_is_gentle():
    dem = np.random.default_rng(0).integers(0, 9, (20, 20)) * 0.0625
    z = np.lib.stride_tricks.sliding_window_view(dem, (3, 3)).astype(float)
    weights = np.array([1, 2, 1]) / 240
    p, q = (z[..., 2] - z[..., 0]) @ weights, (z[..., 0, :] - z[..., 2, :]) @ weights
    normal = np.stack([-p, -q, np.ones_like(p)]) / np.sqrt(1 + p**2 + q**2)
    expected = (
        1
        - np.linalg.norm(np.lib.stride_tricks.sliding_window_view(normal, (3, 3), axis=(1, 2)).sum(axis=(3, 4)), axis=0)
        / 9
    )
    assert expected.max() < 1e-4
    np.testing.assert_allclose(
        indices(dem, ["vector_ruggedness"])["vector_ruggedness"][2:-2, 2:-2], expected, rtol=1e-4
    )


def test_roughness_of_depths_has_no_sign():
    dem = np.random.default_rng(0).random((9, 9))
    heights, depths = (indices(dem, ["roughness"], z_factor=z)["roughness"][1:-1, 1:-1] for z in (1.0, -1.0))
    np.testing.assert_array_equal(depths, heights)


def test_holes_and_edges_have_no_data():
    dem = np.random.default_rng(0).random((11, 11)).astype(np.float32)
    dem[5, 5] = np.nan
    found = indices(dem, ["slope", "roughness", "vector_ruggedness", "mean_curvature", "elevation"])
    hole = np.zeros((11, 11), bool)
    hole[4:7, 4:7] = hole[0] = hole[-1] = hole[:, 0] = hole[:, -1] = True
    for name in ("slope", "roughness", "mean_curvature"):
        np.testing.assert_array_equal(np.isnan(found[name]), hole, err_msg=name)
    wide = np.zeros((11, 11), bool)
    wide[3:8, 3:8] = wide[:2] = wide[-2:] = wide[:, :2] = wide[:, -2:] = True
    np.testing.assert_array_equal(np.isnan(found["vector_ruggedness"]), wide)
    np.testing.assert_array_equal(np.isnan(found["elevation"]), np.isnan(dem))


terrain = st.integers(0, 2**31).map(lambda seed: np.random.default_rng(seed).random((12, 12)).astype(np.float32) * 50)


@settings(max_examples=40, deadline=None)
@given(terrain, st.integers(0, 3))
def test_turning_the_terrain_turns_the_aspect_and_nothing_else(dem, quarters):
    straight, turned = indices(dem, ALL), indices(np.rot90(dem, -quarters), ALL)
    for name in ALL:
        expected = np.rot90(straight[name], -quarters)
        if name in ("aspect", "northness", "eastness"):
            continue
        np.testing.assert_allclose(turned[name], expected, rtol=2e-4, atol=1e-5, err_msg=name)
    turn = (turned["aspect"] - np.rot90(straight["aspect"], -quarters) - 90 * quarters + 180) % 360 - 180
    np.testing.assert_allclose(turn[np.isfinite(turn)], 0, atol=0.01)


@settings(max_examples=40, deadline=None)
@given(terrain, st.floats(-500, 500), st.sampled_from([0.25, 2.0]))
def test_height_and_scale(dem, shift, factor):
    base = indices(dem, ALL)
    for name, values in indices(dem + np.float32(shift), [n for n in ALL if n != "elevation"]).items():
        np.testing.assert_allclose(values, base[name], rtol=5e-3, atol=2e-2 if name == "aspect" else 1e-3, err_msg=name)
    # Cells and heights scaled alike: angles stay, curvatures shrink.
    scaled = indices(dem, ALL, dx=30 * factor, z_factor=factor)
    for name in ("slope", "aspect", "northness", "vector_ruggedness"):
        np.testing.assert_allclose(scaled[name], base[name], rtol=1e-3, atol=1e-3, err_msg=name)
    np.testing.assert_allclose(scaled["mean_curvature"] * factor, base["mean_curvature"], rtol=1e-3, atol=1e-6)


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


@pytest.fixture(scope="module")
def srtm():
    with np.load(matplotlib.cbook.get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as data:
        return data["elevation"]


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_slope_aspect_and_roughness_equal_gdaldem(write_raster, tmp_path, srtm, dtype):
    dem = srtm.astype(dtype).copy()
    dem[100:104, 200:230] = -9999
    source = write_raster("dem.tif", dem, ["dem"], cell=90.0, nodata=-9999, dtype=dtype)
    terrain_indices(source, ["aspect", "slope", "roughness"], str(tmp_path / "out.tif"))
    found = read(tmp_path / "out.tif")
    for name in found:
        options = {"computeEdges": False}
        peer_path = str(tmp_path / f"{name}.tif")
        gdal.DEMProcessing(peer_path, source.path, name, **options)
        with rasterio.open(peer_path) as dataset:
            peer = dataset.read(1, masked=True).filled(np.nan)
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(peer), err_msg=name)
        difference = found[name] - peer
        if name == "aspect":
            difference = (difference + 180) % 360 - 180
        assert np.nanmax(np.abs(difference)) < 2e-4, name


def test_the_result_does_not_depend_on_blocks(write_raster, tmp_path, srtm):
    source = write_raster("dem.tif", srtm, ["dem"], cell=90.0)
    terrain_indices(source, ALL, str(tmp_path / "one.tif"))
    terrain_indices(source, ALL, str(tmp_path / "many.tif"), engine=Engine(memory=2**21))
    one, many = read(tmp_path / "one.tif"), read(tmp_path / "many.tif")
    for name in ALL:
        np.testing.assert_array_equal(one[name], many[name], err_msg=name)


def test_a_dem_in_degrees_agrees_with_the_same_surface_in_metres(write_raster, tmp_path):
    """A plane in metres around 60° north, sampled on degrees: slope and aspect as in metres."""
    latitude, step = 60.0, 1 / 1200
    rows, cols = np.mgrid[0:40, 0:50]
    # Metres per degree on the WGS 84 ellipsoid at 60°: 55,800 along the parallel, 111,412 along the meridian.
    x, y = (cols + 0.5) * step * 55800.2, -(rows + 0.5) * step * 111412.3
    dem = 1000 - 0.3 * x - 0.1 * y
    source = write_raster(
        "deg.tif", dem, ["dem"], crs="EPSG:4326", transform=from_origin(10, latitude + 20 * step, step, step)
    )
    terrain_indices(source, ["slope", "aspect"], str(tmp_path / "out.tif"))
    found = read(tmp_path / "out.tif")
    np.testing.assert_allclose(found["slope"][18:22, 2:-2], np.degrees(np.arctan(np.hypot(0.3, 0.1))), rtol=1e-3)
    np.testing.assert_allclose(found["aspect"][18:22, 2:-2], np.degrees(np.arctan2(0.3, 0.1)), atol=0.05)


def test_blocks_of_a_dem_in_degrees_know_their_latitude(write_raster, tmp_path):
    """A DEM that reaches over 20° of latitude, in blocks of a few rows: each row has its own metres per degree."""
    dem = np.random.default_rng(0).random((800, 60)) * 5000
    source = write_raster("deg.tif", dem, crs="EPSG:4326", transform=from_origin(10, 70, 0.025, 0.025))
    terrain_indices(source, ["slope", "aspect"], str(tmp_path / "one.tif"))
    terrain_indices(source, ["slope", "aspect"], str(tmp_path / "many.tif"), engine=Engine(memory=2**18))
    one, many = read(tmp_path / "one.tif"), read(tmp_path / "many.tif")
    for name in one:
        np.testing.assert_array_equal(one[name], many[name], err_msg=name)


def test_a_south_up_dem_gives_the_same_map_upside_down(write_raster, tmp_path, srtm):
    north_up = write_raster("n.tif", srtm, ["dem"], cell=90.0)
    height = srtm.shape[0] * 90
    south_up = write_raster(
        "s.tif", srtm[::-1], ["dem"], transform=rasterio.Affine(90, 0, 500000, 0, 90, 4000000 - height)
    )
    terrain_indices(north_up, ALL, str(tmp_path / "no.tif"))
    terrain_indices(south_up, ALL, str(tmp_path / "so.tif"))
    one, other = read(tmp_path / "no.tif"), read(tmp_path / "so.tif")
    for name in ALL:
        np.testing.assert_allclose(other[name][::-1], one[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_feet(write_raster, tmp_path):
    """A plane of 20 % in US survey feet, heights in feet too: Z_FACTOR brings both to metres."""
    dem = surface(lambda x, y: 500 - 0.2 * x, 100.0)
    source = write_raster("feet.tif", dem, ["dem"], crs="EPSG:2225", transform=from_origin(6000000, 2000000, 100, 100))
    terrain_indices(source, ["slope"], str(tmp_path / "out.tif"), z_factor=1200 / 3937)
    np.testing.assert_allclose(read(tmp_path / "out.tif")["slope"][5, 5], np.degrees(np.arctan(0.2)), rtol=1e-4)


def test_coarser_grid_is_the_mean_of_the_fine_cells(write_raster, tmp_path, srtm):
    dem = srtm[:300, :400].astype(np.float32)
    source = write_raster("dem.tif", dem, ["dem"], cell=100.0)
    grid = write_raster("grid.tif", np.ones((30, 40)), ["g"], cell=1000.0)
    names = ["slope", "aspect", "mean_curvature", "elevation"]
    terrain_indices(source, names, str(tmp_path / "coarse.tif"), grid=grid)
    terrain_indices(source, [*names, "northness", "eastness"], str(tmp_path / "fine.tif"))
    coarse, fine = read(tmp_path / "coarse.tif"), read(tmp_path / "fine.tif")
    blocks = {
        name: np.nanmean(values.reshape(30, 10, 40, 10).astype(float), axis=(1, 3)) for name, values in fine.items()
    }
    for name in ("slope", "mean_curvature", "elevation"):
        np.testing.assert_allclose(coarse[name], blocks[name], rtol=1e-4, atol=1e-7, err_msg=name)
    expected = np.degrees(np.arctan2(blocks["eastness"], blocks["northness"])) % 360
    turn = (coarse["aspect"] - expected + 180) % 360 - 180
    assert np.nanmax(np.abs(turn)) < 0.1


def test_the_mean_of_350_and_10_degrees_is_north():
    angles = np.radians([350.0, 10.0])
    mean = mean_direction(np.array([np.cos(angles).mean()]), np.array([np.sin(angles).mean()]))
    assert min(mean[0], 360 - mean[0]) < 1e-4
    assert np.isnan(mean_direction(np.array([0.0]), np.array([0.0]))).all()
    assert mean_direction(np.float32([1]), np.float32([-1e-9]))[0] == 0


def test_grid_in_another_crs(write_raster, tmp_path, srtm, progress):
    source = write_raster("dem.tif", srtm, ["dem"], cell=90.0)
    grid = write_raster(
        "grid.tif", np.ones((12, 14)), ["g"], crs="EPSG:4326", transform=from_origin(-2.98, 36.10, 0.02, 0.02)
    )
    terrain_indices(source, ["elevation"], str(tmp_path / "out.tif"), grid=grid, engine=Engine(progress=progress))
    found = read(tmp_path / "out.tif")["elevation"]
    assert found.shape == (12, 14) and srtm.min() < np.nanmin(found) and np.nanmax(found) < srtm.max()


def test_an_index_asked_twice_is_one_band(write_raster, tmp_path):
    source = write_raster("dem.tif", np.random.default_rng(0).random((9, 9)))
    terrain_indices(source, ["slope", "roughness", "slope"], str(tmp_path / "out.tif"))
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.descriptions == ("slope", "roughness")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda w: {"dem": w("d.tif", np.ones((2, 9, 9)), ["a", "b"])}, "has 2 bands, but must have one"),
        (lambda w: {"dem": w("d.tif", np.ones((2, 9)), ["a"])}, "9 × 2 cells; at least 3 × 3"),
        (
            lambda w: {"dem": w("d.tif", np.ones((9, 9)), ["a"], transform=rasterio.Affine(30, 5, 0, 5, -30, 0))},
            "is rotated",
        ),
        (lambda w: {"dem": w("d.tif", np.ones((9, 9)), ["a"], crs=None)}, "no coordinate reference system"),
        (lambda w: {"dem": w("d.tif", np.full((9, 9), -1.0), ["a"], nodata=-1)}, "no cell has data"),
        (lambda w: {"dem": w("d.tif", np.ones((9, 9)), ["a"]), "names": []}, "none is chosen. Choose from: elevation"),
        (lambda w: {"dem": w("d.tif", np.ones((9, 9)), ["a"]), "names": ["steepness"]}, "`names`: steepness"),
        (lambda w: {"dem": w("d.tif", np.ones((9, 9)), ["a"]), "z_factor": 0.0}, "`z_factor` is 0"),
        (
            lambda w: {"dem": w("d.tif", np.ones((9, 9)), ["a"]), "grid": w("g.tif", np.ones((9, 9)), cell=10.0)},
            "finer than those of the DEM",
        ),
        (
            lambda w: {
                "dem": w("d.tif", np.ones((9, 9)), ["a"]),
                "grid": w("g.tif", np.ones((9, 9)), cell=300.0, origin=(9e5, 1e6)),
            },
            "d.tif' does not overlap",
        ),
    ],
)
def test_what_is_refused_writes_nothing(write_raster, tmp_path, leftovers, make, words):
    settings_ = {"names": ["slope"], **make(write_raster)}
    before = leftovers()
    with pytest.raises(InputError, match=words):
        terrain_indices(output=str(tmp_path / "out.tif"), **settings_)
    assert leftovers() == before


@pytest.mark.parametrize("checks", [0, 2, 5])
def test_cancel_leaves_nothing(write_raster, tmp_path, leftovers, cancelling, srtm, checks):
    source = write_raster("dem.tif", srtm, ["dem"], cell=90.0)
    grid = write_raster("grid.tif", np.ones((30, 30)), ["g"], cell=1000.0)
    before = leftovers()
    with pytest.raises(Cancelled):
        terrain_indices(
            source, ALL, str(tmp_path / "out.tif"), grid=grid, engine=Engine(memory=2**21, progress=cancelling(checks))
        )
    assert leftovers() == before
