"""Where arrays lie: HDF-EOS5's description of its grid, EASE-Grid 2.0 by size and coordinates, swaths, odd axes."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.products.placing import place_array, place_swath
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.arrays import ArrayFacts, ArrayFile, Axis
from sm_toolbox.raster.choice import driver

from .conftest import FILL, SMAP_CELL, SMAP_LEFT, SMAP_TOP, degrees

EDGE = 1111950.519667
GRID = """GROUP=GridStructure
	GROUP=GRID_1
		GridName="VIIRS_Grid_1km_2D"
		XDim=2
		YDim=2
		UpperLeftPointMtrs=({left},{top})
		LowerRightMtrs=({right},{bottom})
		Projection={projection}
		ProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)
	END_GROUP=GRID_1
	GROUP=GRID_2
		GridName="VIIRS_Grid_500m_2D"
		XDim=4
		YDim=4
		UpperLeftPointMtrs=({left},{top})
		LowerRightMtrs=({right},{bottom})
		Projection={projection}
	END_GROUP=GRID_2
END_GROUP=GridStructure
END
"""
TILE = {"left": 0.0, "top": 5 * EDGE, "right": EDGE, "bottom": 4 * EDGE, "projection": "HE5_GCTP_SNSOID"}


def write_eos(path, arrays, **corners):
    """Write HDF-EOS5 as VIIRS' land products come: arrays by their grid and name."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(GRID.format(**{**TILE, **corners}))
        for (grid, name), values in arrays.items():
            file[f"HDFEOS/GRIDS/{grid}/Data Fields/{name}"] = values
    return str(path)


def test_viirs_of_two_grids_in_one_file(tmp_path, made):
    """As VNP09GA: 500 m bands, and bands and quality words of 1 km."""
    words = np.array([[0, 0b1000], [0, 0]], np.uint8)
    path = write_eos(
        tmp_path / "VNP09GA.A2021001.h18v04.002.2021021073137.h5",
        {
            ("VIIRS_Grid_500m_2D", "SurfReflect_I1_1"): np.arange(16, dtype=np.int16).reshape(4, 4) * 100,
            ("VIIRS_Grid_1km_2D", "SurfReflect_M5_1"): np.full((2, 2), 9000, np.int16),
            ("VIIRS_Grid_1km_2D", "SurfReflect_M3_1"): np.array([[300, 400], [500, -28672]], np.int16),
            ("VIIRS_Grid_1km_2D", "SurfReflect_QF1_1"): words,
            ("VIIRS_Grid_1km_2D", "SurfReflect_QF2_1"): np.array([[0, 0], [0b100000, 0]], np.uint8),
        },
    )
    done = made(path)
    red, blue = done["red@2021-01-01"], done["blue@2021-01-01"]
    # The finer of both bands of red; 1 km words rule out four cells each.
    expected = np.arange(16).reshape(4, 4) / 100.0
    expected[:2, 2:], expected[2:, :2] = np.nan, np.nan
    np.testing.assert_allclose(red, expected, atol=1e-6)
    np.testing.assert_allclose(blue[:2, :2], 0.03, atol=1e-7)
    assert np.isnan(blue[2:]).all() and done.result.reasons["snow"] > 0
    assert done.transform.a == pytest.approx(EDGE / 4) and done.transform.f == pytest.approx(5 * EDGE)
    assert "6371007.181" in done.crs.to_wkt()


def test_vegetation_and_temperature_of_viirs(tmp_path, made):
    vi = "VIIRS_Grid_500m_2D"
    path = write_eos(
        tmp_path / "VNP13A1.A2021001.h18v04.002.2021021073137.h5",
        {
            (vi, "500 m 16 days NDVI"): np.full((4, 4), 5000, np.int16),
            (vi, "500 m 16 days EVI2"): np.full((4, 4), 1000, np.int16),
            (vi, "500 m 16 days pixel reliability"): np.array([[0, 2, 4, 5]] * 4, np.int8),
        },
    )
    done = made(path)
    assert list(done.bands) == ["ndvi@2021-01-01"]
    np.testing.assert_array_equal(np.isfinite(done["ndvi@2021-01-01"][0]), [1, 1, 1, 0])
    words = np.full((2, 2), 0, np.uint16)
    words[0, 0] = 2
    path = write_eos(
        tmp_path / "VJ121A1D.A2021001.h18v04.002.2021021073137.h5",
        {
            ("VIIRS_Grid_1km_2D", "LST_1KM"): np.array([[15000, 15000], [0, 15000]], np.uint16),
            ("VIIRS_Grid_1km_2D", "QC"): words,
        },
    )
    np.testing.assert_allclose(made(path)["lst@2021-01-01"], [[np.nan, 300], [np.nan, 300]])


def test_corners_in_packed_degrees(tmp_path, made):
    """The climate modelling grid writes degrees as DDDMMMSSS, under a name that says metres."""
    path = write_eos(
        tmp_path / "VNP13C1.A2021001.002.2021021073137.h5",
        {("VIIRS_Grid_500m_2D", "CMG 0.05 Deg 16 days NDVI"): np.full((4, 4), 5000, np.int16)},
        left=-180000000.0,
        top=90000000.0,
        right=180000000.0,
        bottom=-30030000.0,
        projection="HE5_GCTP_GEO",
    )
    done = made(path)
    assert done.crs.to_epsg() == 4326
    assert done.transform[:6] == pytest.approx((90, 0, -180, 0, -(90 + 30.5) / 4, 90))


def test_other_projections_are_refused(tmp_path, made):
    path = write_eos(
        tmp_path / "VNP13A1.A2021001.h18v04.002.2021021073137.h5",
        {("VIIRS_Grid_500m_2D", "500 m 16 days NDVI"): np.full((4, 4), 5000, np.int16)},
        projection="HE5_GCTP_LAMAZ",
    )
    with pytest.raises(InputError, match="lies in the projection HE5_GCTP_LAMAZ, which is not read from HDF-EOS5"):
        made(path)


def test_coordinates_that_are_those_of_no_grid(smap, arrays, made):
    """Latitudes that are half a cell off what the size says."""
    path = smap("SMAP_L3_SM_P_20150401_R19240_001.h5", np.full((3, 3), 0.2), row=100.5)
    with pytest.raises(
        InputError, match="latitudes and longitudes of .* are not those of EASE-Grid 2.0, global, 36 km"
    ):
        made(path)
    bare = {
        "/Soil_Moisture_Retrieval_Data_AM/soil_moisture": (np.full((3, 3), 0.2, np.float32), ("y", "x"), {"fill": FILL})
    }
    path = arrays("SMAP_L3_SM_P_20150402_R19240_001.h5", bare)
    with pytest.raises(InputError, match="is a part of EASE-Grid 2.0, global, 36 km, but its file lacks latitudes"):
        made(path)


def placed(arrays, axes, shape=(2, 3)):
    path = arrays("x.nc", {**axes, "/v": (np.arange(6, dtype=np.float32).reshape(shape), ("lat", "lon"), {})})
    with ArrayFile(path) as file:
        placing = place_array(file, file.describe("/v"), None, ("", ""))
        whole = placing.grid
        values = placing.read(
            Window(0, 0, whole.width, whole.height), lambda *at: file.read("/v", at[:2], at[2:]).reshape(at[2:])
        )
    return placing, values


def test_rows_from_the_south_and_longitudes_to_360(arrays):
    placing, values = placed(arrays, degrees((0, 1), (190, 191, 192)))
    assert placing.is_flipped and placing.grid.transform[:6] == (1, 0, -170.5, 0, -1, 1.5)
    np.testing.assert_array_equal(values, [[3, 4, 5], [0, 1, 2]])


def test_a_window_of_longitudes_across_180(arrays):
    with pytest.raises(InputError, match="longitudes run across 180°"):
        placed(arrays, degrees((1, 0), (178, 181, 184)))


def test_windows_of_what_is_flipped_and_moved(arrays):
    lon = np.arange(0, 360, 90.0)
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    path = arrays("x.nc", {**degrees((-1, 0, 1), lon), "/v": (values, ("lat", "lon"), {})})
    with ArrayFile(path) as file:
        placing = place_array(file, file.describe("/v"), None, ("", ""))

        def part(*at):
            return file.read("/v", at[:2], at[2:]).reshape(at[2:])

        whole = placing.read(Window(0, 0, 4, 3), part)
        for left in range(4):
            for top in range(3):
                window = Window(left, top, 4 - left, 3 - top)
                np.testing.assert_array_equal(placing.read(window, part), whole[top:, left:])
    assert placing.shift


def test_uneven_axes_are_refused(arrays):
    with pytest.raises(InputError, match="not evenly spaced, and are those of no EASE-Grid 2.0"):
        placed(arrays, degrees((1, 0), (0, 1, 5)))


def test_ease_grid_by_metres_without_a_crs():
    x = SMAP_LEFT + (np.arange(4) + 10.5) * SMAP_CELL
    y = SMAP_TOP - (np.arange(3) + 20.5) * SMAP_CELL
    facts = ArrayFacts("/v", (Axis("y", "m", y, 3), Axis("x", "m", x, 4)), np.dtype("f4"), (), 1, 0, "", "", {})
    grid = place_array(None, facts, None, ("", "")).grid
    assert grid.crs.to_epsg() == 6933 and grid.transform.c == pytest.approx(SMAP_LEFT + 10 * SMAP_CELL)
    polar = -9000000.0 + (np.arange(4) + 0.5) * 9000
    facts = ArrayFacts(
        "/v", (Axis("y", "m", -polar, 4), Axis("x", "m", polar, 4)), np.dtype("f4"), (), 1, 0, "", "", {}
    )
    assert place_array(None, facts, None, ("", "")).grid.crs.to_epsg() == 6931


def test_each_cell_of_a_swath_has_the_nearest_node():
    """Brute force over all nodes of a small swath."""
    random = np.random.default_rng(0)
    rows, columns = np.indices((12, 10))
    latitude = 50 + rows * 0.22 + random.normal(0, 0.02, rows.shape)
    longitude = 10 + columns * 0.3 + random.normal(0, 0.02, rows.shape)
    taken = rows > 1
    placing = place_swath(latitude, longitude, taken)
    grid = placing.grid
    y, x = np.indices((grid.height, grid.width)) + 0.5
    lon, lat = driver().transform(*(grid.transform * (x.ravel(), y.ravel())), driver().crs(6933), driver().crs(4326))
    lon, lat = np.radians(lon), np.radians(lat)
    other_lat, other_lon = np.radians(latitude.ravel()), np.radians(longitude.ravel())
    cosine = np.sin(lat[:, None]) * np.sin(other_lat) + np.cos(lat[:, None]) * np.cos(other_lat) * np.cos(
        lon[:, None] - other_lon
    )
    away = np.where(taken.ravel(), 6371 * np.arccos(np.clip(cosine, -1, 1)), np.inf)
    nearest, distance = away.argmin(axis=1), away.min(axis=1)
    nodes = placing.nodes.ravel()
    there = nodes >= 0
    assert (distance[there] < 18.1).all() and (distance[~there] > 17.9).all()
    # Metres of the ellipsoid and the sphere differ by a few per mille.
    np.testing.assert_allclose(away[there, nodes[there]], distance[there], atol=0.06)
    assert (nodes[there] == nearest[there]).mean() > 0.97


def test_a_swath_beyond_the_map():
    with pytest.raises(InputError, match="no cell of the swath lies between 85° S and 85° N"):
        place_swath(np.full((2, 2), 88.0), np.zeros((2, 2)), np.ones((2, 2), bool))
