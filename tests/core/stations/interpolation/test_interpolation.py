"""Maps from stations: what is written, what is left out and said, and that bad input is refused."""

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.geostatistics.inversedistance import InverseDistance
from sm_toolbox.geostatistics.kriging import Kriging
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.interpolation.maps import interpolate_stations
from sm_toolbox.stations.interpolation.report import interpolation_report
from sm_toolbox.stations.interpolation.result import InterpolationSettings, variable_name
from sm_toolbox.stations.sampling import Rows

UTM, WGS84 = CRS.from_epsg(32630), CRS.from_epsg(4326)
ROWS, COLUMNS, CELL = 40, 60, 500.0


def centre(row, column):
    return 500000 + CELL * (np.asarray(column) + 0.5), 4000000 - CELL * (np.asarray(row) + 0.5)


@pytest.fixture
def grid(write_raster):
    return write_raster("grid.tif", np.zeros((ROWS, COLUMNS)), ["x"], cell=CELL)


@pytest.fixture
def network():
    """Thirty stations at centres of cells on three dates, with gaps: a smooth field and noise."""
    rng = np.random.default_rng(5)
    cells = rng.choice(ROWS * COLUMNS, 30, replace=False)
    row, column = np.divmod(cells, COLUMNS)
    x, y = centre(row, column)
    times = [parse_time(text) for text in ("2020-06-01", "2020-06-03", "2020-07-01T12:00:00")]
    values = 0.3 + 0.1 * np.sin(x / 5e3)[:, None] * [1, 2, 0.5] + 0.01 * rng.normal(size=(30, 3))
    values[rng.random((30, 3)) < 0.1] = np.nan
    names = [f"s{i}" for i in range(30)]
    rows = Rows("gauges", np.tile(x, 3), np.tile(y, 3), UTM, [time for time in times for _ in x], names * 3)
    return rows, values.T.ravel(), (row, column), values


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), list(dataset.descriptions)


def static(rows, keep=slice(None), **changes):
    own = {"layer": rows.layer, "x": rows.x[keep], "y": rows.y[keep], "crs": rows.crs, **changes}
    return Rows(**own)


def test_maps_and_variances_of_each_date(network, grid, tmp_path, progress):
    rows, values, (row, column), table = network
    out, spread = str(tmp_path / "map.tif"), str(tmp_path / "variance.tif")
    result = interpolate_stations(
        rows,
        values,
        "rain",
        grid,
        out,
        variance=spread,
        settings=InterpolationSettings(variogram="exponential"),
        engine=Engine(progress=progress),
    )
    maps, names = read(out)
    variances, variance_names = read(spread)
    assert names == ["rain@2020-06-01", "rain@2020-06-03", "rain@2020-07-01T12:00:00"]
    assert variance_names == [name.replace("rain", "rain_variance") for name in names]
    with rasterio.open(out) as made, rasterio.open(grid.path) as given:
        assert (made.crs, made.transform, made.shape) == (given.crs, given.transform, given.shape)
    # The same from the classes themselves, in the plane of the map.
    points = np.stack([rows.x[:30], rows.y[:30], np.zeros(30)], axis=1)
    every_row, every_column = np.mgrid[:ROWS, :COLUMNS]
    cells = np.stack([axis.ravel() for axis in (*centre(every_row, every_column), np.zeros((ROWS, COLUMNS)))], axis=1)
    mean, variance = Kriging(points, table, result.variogram).predict(cells, variance=True)
    np.testing.assert_allclose(maps, mean.T.reshape(maps.shape), rtol=1e-5)
    np.testing.assert_allclose(variances, (variance * result.scale).T.reshape(maps.shape), rtol=1e-5, atol=1e-12)
    # The second date varies most.
    assert result.scale[1] > result.scale[0] > result.scale[2]
    assert np.abs(maps[:, row, column].T - table)[np.isfinite(table)].max() < 0.1
    assert 0.9 < result.left_out.r < 1 and result.left_out.rmse < 0.05 and abs(result.left_out.bias) < 0.02
    assert progress.fractions[-1] == 1 and progress.fractions == sorted(progress.fractions)
    html = interpolation_report(result).html()
    assert "rain" in html and "exponential" in html and html.count("<img") == 4


def test_exact_at_stations_without_nugget(network, grid, tmp_path):
    rows, values, (row, column), table = network
    for settings in (
        InterpolationSettings(nugget=0.0),
        InterpolationSettings(method="simple_kriging", nugget=0.0),
        InterpolationSettings(method="idw"),
        InterpolationSettings(nugget=0.0, neighbours=6),
    ):
        interpolate_stations(rows, values, "v", grid, str(tmp_path / "m.tif"), settings=settings)
        maps, _ = read(tmp_path / "m.tif")
        there = np.isfinite(table)
        np.testing.assert_allclose(maps[:, row, column].T[there], table[there], atol=2e-6)


def test_no_time_is_one_map(network, grid, tmp_path):
    rows, values, *_ = network
    result = interpolate_stations(static(rows), values, "v", grid, str(tmp_path / "m.tif"))
    assert read(tmp_path / "m.tif")[1] == ["v"]
    assert any(
        "rows are of a place that another row has, too: they are averaged" in note for note in result.observations.notes
    )
    assert "no dates" in interpolation_report(result).html()


def test_repeated_rows_are_averaged_and_places_within_a_hundredth_of_a_cell_are_one(grid, tmp_path, progress):
    x, y = centre([5, 5, 5, 30, 20], [10, 10, 10, 40, 20])
    x[1] += 4
    rows = Rows("gauges", x, y, UTM, names=["a", "b", "a", "c", "d"])
    interpolate_stations(
        rows,
        np.array([1.0, 2.0, 6.0, 4.0, 5.0]),
        "v",
        grid,
        str(tmp_path / "m.tif"),
        settings=InterpolationSettings(method="idw"),
        engine=Engine(progress=progress),
    )
    assert read(tmp_path / "m.tif")[0][0, 5, 10] == pytest.approx(3, abs=1e-3)
    assert "2 rows are of a place that another row has" in "\n".join(
        progress.infos
    ) and "1 places lie within a hundredth of a cell" in "\n".join(progress.infos)


def test_a_station_with_several_coordinates_is_named(network, grid, tmp_path, progress):
    rows, values, *_ = network
    station = int(np.flatnonzero(np.isfinite(values[30:60]) & np.isfinite(values[:30]))[4])
    rows.x[30 + station] += 7000
    interpolate_stations(rows, values, "v", grid, str(tmp_path / "m.tif"), engine=Engine(progress=progress))
    assert any(
        "1 stations lie at several places" in text and f"s{station} (2 places, 7 km apart)" in text
        for text in progress.warnings
    )


def test_rows_that_say_nothing_are_counted(network, grid, tmp_path, progress):
    rows, values, *_ = network
    times = list(rows.times)
    times[0] = None
    rows.x[1] = np.nan
    missing = int(np.isnan(values[2:]).sum())
    result = interpolate_stations(
        Rows(rows.layer, rows.x, rows.y, UTM, times),
        np.where(np.arange(90) < 2, 0.3, values),
        "v",
        grid,
        str(tmp_path / "m.tif"),
        engine=Engine(progress=progress),
    )
    assert result.observations.notes[0] == f"Rows left out: 1 no point; {missing} no value; 1 no time."


def test_a_geographic_grid_gives_nearly_the_same_map(network, grid, write_raster, tmp_path):
    rows, values, *_ = network
    from rasterio.warp import transform_bounds

    bounds = transform_bounds(UTM, WGS84, 500000, 4000000 - ROWS * CELL, 500000 + COLUMNS * CELL, 4000000)
    from rasterio.transform import from_bounds

    degrees = write_raster("d.tif", np.zeros((40, 60)), ["x"], crs="EPSG:4326", transform=from_bounds(*bounds, 60, 40))
    settings = InterpolationSettings(variogram="exponential")
    planar = interpolate_stations(rows, values, "v", grid, str(tmp_path / "a.tif"), settings=settings)
    globe = interpolate_stations(rows, values, "v", degrees, str(tmp_path / "b.tif"), settings=settings)
    assert globe.variogram.range == pytest.approx(planar.variogram.range, rel=1e-2)
    np.testing.assert_allclose(globe.left_out.predicted, planar.left_out.predicted, atol=1e-3)
    assert np.abs(read(tmp_path / "a.tif")[0] - read(tmp_path / "b.tif")[0]).mean() < 0.01


def test_blocks_do_not_show(network, write_raster, tmp_path):
    rows, values, *_ = network
    grid = write_raster("fine.tif", np.zeros((700, 900)), ["x"], cell=40.0)
    for method in ("ordinary_kriging", "idw"):
        for memory, name in ((2**22, "small"), (None, "large")):
            interpolate_stations(
                rows,
                values,
                "v",
                grid,
                str(tmp_path / f"{name}.tif"),
                settings=InterpolationSettings(method=method),
                engine=Engine(memory=memory),
            )
        np.testing.assert_array_equal(read(tmp_path / "small.tif")[0], read(tmp_path / "large.tif")[0])


# Drift
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hills(network, write_raster):
    """Values that follow a static and a dated raster."""
    rows, _, (row, column), _ = network
    rng = np.random.default_rng(0)
    dem = 300 + 50 * rng.random((ROWS, COLUMNS)).cumsum(axis=1)
    ndvi = rng.random((3, ROWS, COLUMNS))
    names = ["ndvi@2020-06-01", "ndvi@2020-06-02", "ndvi@2020-07-01"]
    sources = [write_raster("dem.tif", dem, ["dem"], cell=CELL), write_raster("ndvi.tif", ndvi, names, cell=CELL)]
    truth = 0.0002 * dem + 0.3 * ndvi
    return rows, truth[:, row, column].ravel(), sources, truth, dem


def test_drifts_are_matched_in_time_and_explain_the_values(hills, grid, tmp_path):
    rows, values, sources, truth, _ = hills
    result = interpolate_stations(
        rows,
        values,
        "v",
        grid,
        str(tmp_path / "m.tif"),
        variance=str(tmp_path / "v.tif"),
        settings=InterpolationSettings(max_gap_days=1, nugget=0.1, range=5000.0, drift=sources),
    )
    np.testing.assert_allclose(read(tmp_path / "m.tif")[0], truth, rtol=1e-4)
    assert result.drift == ["dem", "ndvi"] and result.left_out.rmse < 1e-5
    assert "Universal kriging" in interpolation_report(result).html()


def test_dates_without_a_drift_get_no_map(hills, grid, tmp_path, progress):
    rows, values, sources, *_ = hills
    result = interpolate_stations(
        rows,
        values,
        "v",
        grid,
        str(tmp_path / "m.tif"),
        settings=InterpolationSettings(max_gap_days=0, drift=sources),
        engine=Engine(progress=progress),
    )
    assert read(tmp_path / "m.tif")[1] == ["v@2020-06-01", "v@2020-07-01T12:00:00"]
    assert result.skipped == [("2020-06-03", 30, "no band of ndvi near enough in time")]
    assert "Dates without a map" in interpolation_report(result).html()


def test_gaps_of_a_drift_stay_gaps_and_stations_in_them_are_left_out(hills, grid, write_raster, tmp_path, progress):
    rows, values, _, truth, dem = hills
    dem = dem.copy()
    dem[:, :30] = np.nan
    source = write_raster("gappy.tif", dem, ["dem"], cell=CELL)
    lost = int((rows.x < 500000 + 30 * CELL).sum())
    result = interpolate_stations(
        rows,
        values,
        "v",
        grid,
        str(tmp_path / "m.tif"),
        settings=InterpolationSettings(drift=[source]),
        engine=Engine(progress=progress),
    )
    maps, _ = read(tmp_path / "m.tif")
    np.testing.assert_array_equal(np.isnan(maps), np.broadcast_to(np.isnan(dem), truth.shape))
    assert any(f"{lost} values are left out, where a drift has no data" in text for text in progress.warnings)
    assert len(result.observations.names) == 30 - lost // 3


def test_useless_drifts_are_named(hills, grid, write_raster, tmp_path, leftovers):
    rows, values, sources, _, dem = hills
    level = write_raster("level.tif", np.full((ROWS, COLUMNS), 7.0), ["sand"], cell=CELL)
    twin = write_raster("feet.tif", dem / 0.3048, ["feet"], cell=CELL)
    far = write_raster("far.tif", dem, ["dem"], cell=CELL, origin=(900000, 4000000))
    before = leftovers()
    for drift, words in (
        ([level], "The drift 'sand' is 7 at all stations"),
        ([sources[0], twin], "The drift 'feet' follows linearly from dem"),
        ([far], "No station of 'gauges' lies within the rasters"),
    ):
        with pytest.raises(InputError, match=words):
            interpolate_stations(
                rows, values, "v", grid, str(tmp_path / "m.tif"), settings=InterpolationSettings(drift=drift)
            )
    with pytest.raises(InputError, match="`times` field of 'gauges' is needed"):
        interpolate_stations(
            static(rows), values, "v", grid, str(tmp_path / "m.tif"), settings=InterpolationSettings(drift=sources[1:])
        )
    for method in ("idw", "simple_kriging"):
        with pytest.raises(InputError, match=f"`drift` is for `method` ordinary_kriging, not for {method}"):
            interpolate_stations(
                rows,
                values,
                "v",
                grid,
                str(tmp_path / "m.tif"),
                settings=InterpolationSettings(method=method, drift=sources),
            )
    assert leftovers() == before


# Bad input
# -----------------------------------------------------------------------------------------------------------------


def test_all_values_equal(network, grid, tmp_path, progress):
    rows, values, *_ = network
    result = interpolate_stations(
        rows,
        np.where(np.isnan(values), np.nan, 0.25),
        "v",
        grid,
        str(tmp_path / "m.tif"),
        variance=str(tmp_path / "v.tif"),
        engine=Engine(progress=progress),
    )
    np.testing.assert_allclose(read(tmp_path / "m.tif")[0], 0.25, rtol=1e-6)
    np.testing.assert_array_equal(read(tmp_path / "v.tif")[0], 0)
    assert result.variogram.sill == 0 and np.isnan(result.left_out.r) and result.left_out.rmse < 1e-9
    assert len(progress.warnings) == 1 and "All values of each date are equal" in progress.warnings[0]
    assert "there is no variogram" in interpolation_report(result).html()


def test_a_dry_day_has_no_variance(network, grid, tmp_path):
    rows, values, *_ = network
    values[:30] = 0
    interpolate_stations(rows, values, "v", grid, str(tmp_path / "m.tif"), variance=str(tmp_path / "v.tif"))
    maps, variances = read(tmp_path / "m.tif")[0], read(tmp_path / "v.tif")[0]
    assert np.abs(maps[0]).max() < 1e-9 and variances[0].max() == 0 and variances[1].min() > 0


def test_dates_with_few_stations_are_left_out_and_listed(network, grid, tmp_path, progress):
    rows, values, *_ = network
    values[32:60] = np.nan
    values[30:32] = 0.2
    result = interpolate_stations(rows, values, "v", grid, str(tmp_path / "m.tif"), engine=Engine(progress=progress))
    assert read(tmp_path / "m.tif")[1] == ["v@2020-06-01", "v@2020-07-01T12:00:00"]
    assert result.skipped == [("2020-06-03", 2, "fewer than 3 stations")]
    assert any("1 of 3 dates get no map: 2020-06-03 (fewer than 3 stations)" in text for text in progress.warnings)


def test_one_station(network, grid, tmp_path, progress, leftovers):
    rows, *_ = network
    before = leftovers()
    with pytest.raises(InputError, match=r"'gauges' has 1 station with .*ordinary_kriging needs 3.*`method` idw"):
        interpolate_stations(static(rows, slice(3, 4)), np.array([0.3]), "v", grid, str(tmp_path / "m.tif"))
    assert leftovers() == before
    result = interpolate_stations(
        static(rows, slice(3, 4)),
        np.array([0.3]),
        "v",
        grid,
        str(tmp_path / "m.tif"),
        settings=InterpolationSettings(method="idw"),
        engine=Engine(progress=progress),
    )
    np.testing.assert_allclose(read(tmp_path / "m.tif")[0], 0.3, rtol=1e-6)
    assert (
        "with one, the map is its value everywhere" in progress.warnings[0]
        and "there is none to compare with" in interpolation_report(result).html()
    )


def test_three_stations(network, grid, tmp_path, progress):
    rows, _, *_ = network
    result = interpolate_stations(
        static(rows, slice(0, 3)),
        np.array([0.1, 0.2, 0.4]),
        "v",
        grid,
        str(tmp_path / "m.tif"),
        engine=Engine(progress=progress),
    )
    assert np.isfinite(read(tmp_path / "m.tif")[0]).all() and any(
        "rests on 3 stations, 3 pairs" in text for text in progress.warnings
    )
    assert "<img" in interpolation_report(result).html()


def test_stations_elsewhere(network, grid, tmp_path, progress, leftovers):
    rows, values, *_ = network
    before = leftovers()
    swapped = Rows("gauges", np.array([36.1, 36.0, 36.05]), np.array([-3.0, -2.9, -2.95]), WGS84)
    with pytest.raises(
        InputError,
        match=r"No station of 'gauges' lies on the grid or near it.*EPSG:4326.*EPSG:32630.*x and y are not swapped",
    ):
        interpolate_stations(swapped, np.ones(3), "v", grid, str(tmp_path / "m.tif"))
    nowhere = Rows("gauges", np.array([36.1, 36.0, 36.05]), np.array([-131.0, -131.1, -131.2]), WGS84)
    with pytest.raises(
        InputError, match="No row of 'gauges' has a point, a value.*3 coordinates outside their CRS.*not swapped"
    ):
        interpolate_stations(nowhere, np.ones(3), "v", grid, str(tmp_path / "m.tif"))
    with pytest.raises(InputError, match=r"No row of 'gauges' has a point, a value and.*\(90 rows: 90 no value\)"):
        interpolate_stations(rows, np.full(90, np.nan), "v", grid, str(tmp_path / "m.tif"))
    assert leftovers() == before
    rows.x[5] += 1e6
    interpolate_stations(rows, values, "v", grid, str(tmp_path / "m.tif"), engine=Engine(progress=progress))
    assert any("1 stations lie far from the grid (s5)" in text for text in progress.warnings)


def test_no_structure_is_said(network, grid, tmp_path, progress):
    rows, _, *_ = network
    noise = np.random.default_rng(2).normal(size=90)
    interpolate_stations(
        rows,
        noise,
        "v",
        grid,
        str(tmp_path / "m.tif"),
        settings=InterpolationSettings(nugget=1.0),
        engine=Engine(progress=progress),
    )
    text = "\n".join(progress.warnings)
    assert (
        "The nugget is 100 % of the sill: no spatial structure" in text
        and "hardly smaller than that of the plain mean" in text
    )


def test_a_trend_and_overshooting_are_said(network, grid, tmp_path, progress):
    rows, _, *_ = network
    interpolate_stations(
        rows,
        np.maximum(0, rows.x - rows.x.mean()) / 1e4,
        "v",
        grid,
        str(tmp_path / "m.tif"),
        settings=InterpolationSettings(variogram="gaussian", nugget=0.0),
        engine=Engine(progress=progress),
    )
    text = "\n".join(progress.warnings)
    assert "exceeds the distances between most stations" in text and "although no station is below 0" in text


def test_what_does_not_fit_together(network, grid, tmp_path):
    rows, values, *_ = network
    with pytest.raises(InputError, match="Inverse distances have no variance"):
        interpolate_stations(
            rows,
            values,
            "v",
            grid,
            str(tmp_path / "m.tif"),
            variance=str(tmp_path / "v.tif"),
            settings=InterpolationSettings(method="idw"),
        )
    with pytest.raises(InputError, match="`method` 'spline' is none of"):
        interpolate_stations(
            rows, values, "v", grid, str(tmp_path / "m.tif"), settings=InterpolationSettings(method="spline")
        )
    with pytest.raises(InputError, match="range above 0 m"):
        interpolate_stations(
            rows,
            values,
            "v",
            grid,
            str(tmp_path / "m.tif"),
            settings=InterpolationSettings(range=0.0, nugget=0.0, sill=1.0),
        )


def test_many_times_suggest_aggregation(grid, tmp_path, progress):
    from datetime import datetime, timedelta

    from sm_toolbox.geostatistics.positions import Positions
    from sm_toolbox.raster.times import Time
    from sm_toolbox.stations.interpolation.observations import gather

    x, y = centre(np.arange(3), np.arange(3))
    times = [Time(datetime(2020, 1, 1) + timedelta(hours=hour), "second") for hour in range(1001) for _ in range(3)]
    from sm_toolbox.raster.opening import grid_of

    target = grid_of(grid)
    found = gather(
        Rows("gauges", np.tile(x, 1001), np.tile(y, 1001), UTM, times),
        np.ones(3003),
        Positions(target),
        target,
        progress,
    )
    assert found.values.shape == (3, 1001) and "Aggregate stations" in progress.warnings[0]


@pytest.mark.parametrize("checks", [1, 8, 30])
@pytest.mark.parametrize("method", ["ordinary_kriging", "idw"])
def test_cancel(network, write_raster, tmp_path, cancelling, leftovers, checks, method):
    rows, values, *_ = network
    grid = write_raster("fine.tif", np.zeros((900, 900)), ["x"], cell=40.0)
    before = leftovers()
    with pytest.raises(Cancelled):
        interpolate_stations(
            rows,
            values,
            "v",
            grid,
            str(tmp_path / "m.tif"),
            settings=InterpolationSettings(method=method),
            engine=Engine(progress=cancelling(checks)),
        )
    assert leftovers() == before


def test_netcdf(network, grid, tmp_path):
    rows, values, *_ = network
    of_days = Rows(rows.layer, rows.x[:60], rows.y[:60], UTM, rows.times[:60])
    interpolate_stations(of_days, values[:60], "v", grid, str(tmp_path / "m.nc"))
    from sm_toolbox.raster.bands import read_bands

    assert [band.name for band in read_bands([Source(str(tmp_path / "m.nc"))])] == ["v@2020-06-01", "v@2020-06-03"]


@pytest.mark.parametrize(
    ("field", "name"), [("value", "value"), ("rain (mm)", "rain_mm"), ("sm@5cm", "sm_5cm"), ("θ", "θ"), ("@", "value")]
)
def test_names_of_variables(field, name):
    assert variable_name(field) == name


def test_inverse_distances_need_no_variogram(network, grid, tmp_path):
    rows, values, _, table = network
    result = interpolate_stations(
        rows, values, "v", grid, str(tmp_path / "m.tif"), settings=InterpolationSettings(method="idw", power=3)
    )
    assert result.variogram is None and result.models == []
    points = np.stack([rows.x[:30], rows.y[:30], np.zeros(30)], axis=1)
    cell = np.array([[*centre(7, 9), 0.0]])
    np.testing.assert_allclose(
        read(tmp_path / "m.tif")[0][:, 7, 9], InverseDistance(points, table, 3).predict(cell)[0], rtol=1e-6
    )
    html = interpolation_report(result).html()
    assert "Inverse distance weighting" in html and "Variogram" not in html and html.count("<img") == 2
