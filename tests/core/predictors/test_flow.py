"""Flow routing against definitions written plainly, closed forms, and the conservation of water."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.predictors import fill_kernels
from sm_toolbox.predictors.flow import FLOW_ROUTINGS, specific_catchment_area
from sm_toolbox.predictors.terrain import terrain_indices
from sm_toolbox.raster.request import Engine

NEIGHBOURS = [(0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1)]


def catchment(dem, routing="mfd", dx=1.0, dy=None, **options):
    """Specific catchment area of heights on equal cells."""
    dem = np.asarray(dem, np.float32)
    rows = dem.shape[0]
    return specific_catchment_area(dem, np.full(rows, dx), np.full(rows, dy or dx), routing, **options)


def filled(dem):
    """Heights without depressions, and the steps over flats, from the kernels."""
    dem = np.asarray(dem, np.float32)
    z = np.pad(dem, 1, constant_values=np.nan).ravel()
    width, queue, steps = dem.shape[1] + 2, np.empty(z.size, np.int32), np.zeros(z.size, np.int32)
    fill_kernels.fill_depressions(z, z.view(np.int32), width, np.empty(0, np.int32), queue, np.zeros(2, np.int64))
    fill_kernels.mark_flats(z, width, 1, dem.shape[0] + 1, steps)
    fill_kernels.grade_flats(z, width, 1, dem.shape[0] + 1, np.empty(0, np.int32), queue, steps, np.zeros(2, np.int64))
    shape = (dem.shape[0] + 2, width)
    return z.reshape(shape)[1:-1, 1:-1], steps.reshape(shape)[1:-1, 1:-1]


def plainly_filled(dem):
    """The least height at which water leaves each cell: a search from the edges and holes upwards, every cell through
    one heap.
    """
    dem = np.asarray(dem, np.float32)
    padded = np.pad(dem, 1, constant_values=np.nan)
    result = np.full(dem.shape, np.nan, np.float32)
    heap = []
    for i, j in np.argwhere(~np.isnan(dem)):
        if any(np.isnan(padded[i + 1 + a, j + 1 + b]) for a, b in NEIGHBOURS):
            heapq.heappush(heap, (dem[i, j], i, j))
    while heap:
        level, i, j = heapq.heappop(heap)
        if np.isnan(result[i, j]):
            result[i, j] = level
            for a, b in NEIGHBOURS:
                y, x = i + a, j + b
                if (
                    0 <= y < dem.shape[0]
                    and 0 <= x < dem.shape[1]
                    and not np.isnan(dem[y, x])
                    and np.isnan(result[y, x])
                ):
                    heapq.heappush(heap, (max(level, dem[y, x]), y, x))
    return result


rough = arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.one_of(st.integers(-3, 6).map(float), st.just(float("nan")), st.floats(-50, 50, width=32)),
)


@settings(max_examples=200, deadline=None)
@given(rough)
def test_depressions_are_filled_to_their_lowest_outlet(dem):
    np.testing.assert_array_equal(filled(dem)[0], plainly_filled(dem))


@settings(max_examples=200, deadline=None)
@given(rough)
def test_every_cell_of_a_flat_leads_out_of_it(dem):
    z, steps = filled(dem)
    for i, j in np.argwhere(~np.isnan(z)):
        around = [
            (z[i + a, j + b], steps[i + a, j + b])
            for a, b in NEIGHBOURS
            if 0 <= i + a < z.shape[0] and 0 <= j + b < z.shape[1]
        ]
        at_edge = len(around) < 8 or np.isnan([height for height, _ in around]).any()
        lower = any(height < z[i, j] for height, _ in around)
        assert (steps[i, j] == 0) == (at_edge or lower)
        if steps[i, j]:
            assert min(step for height, step in around if height == z[i, j]) == steps[i, j] - 1


def plain_receivers(z, steps, i, j, routing, dx, dy):
    """Who gets what share of a cell's water."""
    found = []
    for a, b in NEIGHBOURS:
        y, x = i + a, j + b
        if 0 <= y < z.shape[0] and 0 <= x < z.shape[1] and (z[y, x], steps[y, x]) < (z[i, j], steps[i, j]):
            found.append((float(z[i, j] - z[y, x]) / np.hypot(a * dy, b * dx), 1 / np.hypot(a * dy, b * dx), (y, x)))
    if not found:
        return {}
    level = max(found)[0] == 0
    slopes = [(closeness if level else slope, cell) for slope, closeness, cell in found]
    if routing == "mfd":
        total = sum(slope**1.1 for slope, _ in slopes)
        return {cell: slope**1.1 / total for slope, cell in slopes}
    steepest = max(slope for slope, _ in slopes)
    return {next(cell for slope, cell in slopes if slope == steepest): 1.0}


@pytest.mark.parametrize("routing", ["mfd", "d8"])
@pytest.mark.parametrize(("seed", "decimals"), [(0, 6), (1, 1), (2, 0)])
def test_areas_follow_the_definition(routing, seed, decimals):
    """Also on terrain of few heights, most of it flats."""
    rng = np.random.default_rng(seed)
    dem = np.round(rng.random((23, 31)) * 8, decimals).astype(np.float32)
    dem[5:8, 9:12] = np.nan
    dx, dy = 10.0, 16.0
    z, steps = filled(dem)
    area = np.where(np.isnan(z), np.nan, dx * dy)
    order = sorted(((z[i, j], steps[i, j], i, j) for i, j in np.argwhere(~np.isnan(z))), reverse=True)
    for _, _, i, j in order:
        for cell, share in plain_receivers(z, steps, i, j, routing, dx, dy).items():
            area[cell] += share * area[i, j]
    np.testing.assert_allclose(catchment(dem, routing, dx, dy), area / np.sqrt(dx * dy), rtol=1e-5)


@pytest.mark.parametrize("routing", FLOW_ROUTINGS)
def test_a_basin_with_one_outlet_loses_no_water(routing):
    """Whatever happens inside high walls, all of it leaves through the one gap."""
    rng = np.random.default_rng(3)
    dem = np.round(rng.random((40, 50)) * 20, 1).astype(np.float32)
    dem[0] = dem[-1] = 100
    dem[:, 0] = dem[:, -1] = 100
    dem[0, 17] = -1
    found = catchment(dem, routing)
    walls = 2 * (40 + 50) - 4
    inside = 40 * 50 - walls
    # The outlet has itself, the basin, and perhaps walls that drain into it; the other walls lose only what is their
    # own.
    assert inside + 1 <= found[0, 17] <= 40 * 50
    others = np.ones(dem.shape, bool)
    others[1:-1, 1:-1] = False
    others[0, 17] = False
    assert found[others].max() <= walls


@pytest.mark.parametrize("routing", FLOW_ROUTINGS)
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_plane_gathers_its_length(routing, turns):
    dem = np.rot90(np.repeat(np.arange(30.0)[:, None], 30, axis=1), turns)
    found = np.rot90(catchment(dem, routing, 5.0), -turns)
    # In the middle no water comes from the sides' edges.
    expected = 5.0 * (30 - np.arange(30))
    if routing == "mfd":
        np.testing.assert_allclose(found[20:, 15], expected[20:], rtol=1e-6)
    else:
        np.testing.assert_allclose(found, np.repeat(expected[:, None], 30, axis=1), rtol=1e-6)


@pytest.mark.parametrize("routing", ["dinf", "mfd"])
def test_a_cone_gathers_half_its_radius(routing):
    """Water that spreads from a summit: π r² through a circle of 2 π r. A single direction (d8) cannot do it.

    Only about: a cell's width stands for the length of contour within it, whatever the direction.
    """
    y, x = np.mgrid[-100:101, -100:101].astype(float)
    radius = np.hypot(x, y)
    found = catchment(1000 - radius, routing)
    ring = (radius > 40) & (radius < 90)
    assert abs(np.mean(found[ring] / (radius[ring] / 2)) - 1) < 0.12
    spread = np.std(found[ring] / (radius[ring] / 2))
    assert spread < 0.35 < np.std(catchment(1000 - radius, "d8")[ring] / (radius[ring] / 2))


@pytest.mark.parametrize("angle", [0.1, 0.4, 0.7])
def test_dinf_divides_by_the_angle(angle):
    """On an inclined plane a cell gives its two neighbours shares by the angle between their directions."""
    y, x = np.mgrid[0:3, 0:3].astype(float)
    dem = 100 - np.cos(angle) * x + np.sin(angle) * y
    found = catchment(dem, "dinf")
    # From the central cell towards the east and the north-east; the other cells of the first column give to the second.
    share = angle / (np.pi / 4)
    alone = catchment(np.where((x == 1) & (y == 1), dem, np.nan), "dinf")
    assert alone[1, 1] == 1
    np.testing.assert_allclose(found[1, 1], 1 + (1 - share) * 1 + share * 1, rtol=1e-5)


@pytest.mark.parametrize("routing", FLOW_ROUTINGS)
def test_threads_change_nothing(routing):
    dem = np.random.default_rng(5).random((67, 45)).astype(np.float32)
    one = catchment(dem, routing, threads=1)
    for _ in range(3):
        np.testing.assert_array_equal(catchment(dem, routing, threads=4), one)


@pytest.mark.parametrize("routing", FLOW_ROUTINGS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5)])
def test_small_rasters(routing, shape):
    found = catchment(np.random.default_rng(0).random(shape), routing)
    assert found.shape == shape and (found >= 1).all() and np.isfinite(found).all()


@pytest.mark.parametrize("factor", [1e-40, 1e-30, 1, 1e30])
def test_heights_of_any_size(factor):
    """Shares that vanish or overflow in single precision must not stop the water."""
    valley = np.add.outer(np.arange(8)[::-1] * 1.0, np.abs(np.arange(-2, 3)) * 2.0)
    np.testing.assert_allclose(catchment(valley * factor)[-1].sum(), catchment(valley)[-1].sum(), rtol=0.1)


def test_no_data_at_all():
    assert np.isnan(catchment(np.full((4, 4), np.nan))).all()


def test_a_cancel_is_heard(cancelling):
    with pytest.raises(Cancelled):
        catchment(np.random.default_rng(0).random((600, 600)), progress=cancelling(0))


def test_more_cells_than_can_be_counted():
    dem = np.broadcast_to(np.float32(0), (50_000, 50_000))
    with pytest.raises(InputError, match=r"50,000 × 50,000 cells.*Cut it"):
        specific_catchment_area(dem, np.ones(50_000), np.ones(50_000))


@pytest.mark.parametrize("routing", FLOW_ROUTINGS)
def test_wetness_of_a_file(write_raster, tmp_path, progress, routing):
    """ln(a / tan β) where both are known: a plane of 10 % with 30 m cells."""
    import rasterio

    dem = np.repeat(np.arange(60.0)[:, None] * 3, 70, axis=1)
    out = str(tmp_path / "twi.tif")
    terrain_indices(
        write_raster("dem.tif", dem),
        ["twi", "slope"],
        out,
        flow_routing=routing,
        engine=Engine(memory=200_000, progress=progress),
    )
    with rasterio.open(out) as dataset:
        assert dataset.descriptions == ("twi", "slope")
        twi = dataset.read(1)
    rows = np.arange(1, 59)
    inner = twi[1:-1, 35]
    keep = slice(30, None) if routing == "mfd" else slice(None)
    np.testing.assert_allclose(inner[keep], np.log(30.0 * (60 - rows) / 0.1)[keep], rtol=1e-5)
    assert np.isnan(twi[0]).all() and np.isnan(twi[:, 0]).all()
    assert any("MB of memory" in text for text in progress.infos)


def test_feet_and_degrees(write_raster, tmp_path):
    """Z_FACTOR changes slopes, not areas; in degrees areas are in metres."""
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(1)
    dem = 100 + np.add.outer(np.arange(30.0), np.arange(30.0)) * 2 + rng.random((30, 30))

    def wetness(name, z_factor=1.0, heights=dem, **options):
        terrain_indices(
            write_raster(f"{name}.tif", heights, **options),
            ["twi"],
            str(tmp_path / f"{name}_twi.tif"),
            z_factor=z_factor,
        )
        with rasterio.open(tmp_path / f"{name}_twi.tif") as dataset:
            return dataset.read(1)

    metres = wetness("metres")
    np.testing.assert_allclose(wetness("feet", 0.3048, dem / 0.3048), metres, rtol=1e-3)
    # At the equator a cell of 30 m.
    degrees = wetness("degrees", crs="EPSG:4326", transform=from_origin(10, 30 / 110574 * 15, 30 / 111320, 30 / 110574))
    np.testing.assert_allclose(degrees[1:-1, 1:-1], metres[1:-1, 1:-1], rtol=2e-3)
