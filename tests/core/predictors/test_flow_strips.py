"""Flow routing in strips equals that of the whole raster, in memory that does not grow with it."""

import os
import sys
import tempfile
import threading
import time
import tracemalloc
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.predictors import flow_strips, rowfile
from sm_toolbox.predictors.fill_strips import FILLING_PER_CELL, FilledLand, Heights
from sm_toolbox.predictors.flow import BYTES_PER_CELL, FLOW_ROUTINGS, Crew, specific_catchment_area
from sm_toolbox.predictors.flow_strips import catchment_area_on_disk
from sm_toolbox.predictors.rowfile import RowFile, in_turn
from sm_toolbox.predictors.terrain import terrain_indices
from sm_toolbox.progress import SILENT
from sm_toolbox.raster.request import Engine
from tests.core.predictors.test_flow import filled, rough


def heights_of(dem, sizes):
    """A DEM in memory as one that is read."""
    return Heights(lambda first, last: dem[first:last], dem.shape[1], sizes, sizes)


def both(dem, routing, rows, **options):
    """The areas of the whole raster, and those in strips of so many rows."""
    dem = np.asarray(dem, np.float32)
    sizes = 10 + 0.1 * np.arange(dem.shape[0])
    with tempfile.TemporaryDirectory() as folder:
        memory = rows * FILLING_PER_CELL * (dem.shape[1] + 2)
        area = catchment_area_on_disk(heights_of(dem, sizes), routing, folder, memory, **options)
        assert os.listdir(folder) == ["area"]
        in_strips = area[0 : dem.shape[0], 0 : dem.shape[1]]
    return specific_catchment_area(dem, sizes, sizes, routing), in_strips


def land_of(dem, rows):
    """Heights without depressions and steps over flats, made in strips."""
    dem = np.asarray(dem, np.float32)
    heights = heights_of(dem, np.ones(dem.shape[0]))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        files = [
            stack.enter_context(RowFile(os.path.join(folder, str(number)), dtype, heights.width))
            for number, dtype in enumerate((np.float32, np.int32, np.int32))
        ]
        crew = Crew(stack.enter_context(flow_strips.ThreadPoolExecutor(2)), SILENT)
        land = FilledLand(heights, *files, rows)
        land.grade(land.fill(crew, SILENT), crew, SILENT)
        found = (
            np.empty((dem.shape[0] + 2, heights.width), np.float32),
            np.empty((dem.shape[0] + 2, heights.width), "i4"),
        )
        for file, values in zip(files, found):
            file.read(0, values)
        return tuple(values[1:-1, 1:-1] for values in found)


def lake():
    """A lake across many strips, with islands and one outlet, between noisy hills."""
    rng = np.random.default_rng(0)
    dem = 20 + rng.random((41, 37)) * 5
    y, x = np.mgrid[0:41, 0:37]
    dem[np.hypot(y - 20, 1.2 * (x - 18)) < 15] = 3
    dem[rng.random(dem.shape) < 0.05] = 30
    dem[20, 30:] = 2.5
    return dem


def nested():
    """Depressions within depressions, all larger than a strip: rings of walls, each with a gap on another side."""
    dem = np.full((61, 61), 5.0)
    dem += np.random.default_rng(1).random(dem.shape)
    for ring, wall in ((2, 50), (8, 40), (14, 45), (20, 30)):
        dem[ring, ring:-ring] = dem[-ring - 1, ring:-ring] = wall
        dem[ring : 61 - ring, ring] = dem[ring : 61 - ring, -ring - 1] = wall
    dem[2, 30], dem[-9, 20], dem[30, 14], dem[25, -21] = 35, 38, 20, 12
    return dem


def serpentine():
    """One long level trough that runs up and down across all strips, so that its outlet is far away for most of it."""
    dem = np.full((24, 33), 9.0)
    for column in range(1, 32, 2):
        dem[1:-1, column] = 1
        dem[1 if column % 4 == 1 else -2, column + 1] = 1
    dem[-2, 32] = 9
    dem[0, 31] = dem[0, 1] = 9
    dem[23, 1] = 0
    return dem


def meander():
    """A slope on which one valley crosses the same rows again and again."""
    dem = 50 + np.random.default_rng(2).random((30, 60))
    for column in range(1, 59):
        dem[15 + column // 2 % 2 * (1 + column % 5), column] = 30 - column / 4
        dem[14:22, column] = np.minimum(dem[14:22, column], 40 - column / 4)
    return dem


def coast():
    """Sea at 0 m around islands, and holes."""
    rng = np.random.default_rng(4)
    dem = np.maximum(0, np.round(rng.normal(size=(50, 40)).cumsum(0).cumsum(1) / 10, 1))
    dem[rng.random(dem.shape) < 0.02] = np.nan
    return dem


LANDS = {land.__name__: land() for land in (lake, nested, serpentine, meander, coast)}


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("name", LANDS)
def test_depressions_and_flats_are_those_of_the_whole_raster(name, rows):
    for found, expected in zip(land_of(LANDS[name], rows), filled(LANDS[name])):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("routing", FLOW_ROUTINGS)
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("name", LANDS)
def test_areas_are_those_of_the_whole_raster(name, rows, routing):
    whole, in_strips = both(LANDS[name], routing, rows)
    np.testing.assert_allclose(in_strips, whole, rtol=2e-7)


@settings(max_examples=150, deadline=None)
@given(rough, st.integers(1, 5), st.sampled_from(FLOW_ROUTINGS))
def test_any_land_in_any_strips(dem, rows, routing):
    for found, expected in zip(land_of(dem, rows), filled(dem)):
        np.testing.assert_array_equal(found, expected)
    whole, in_strips = both(dem, routing, rows)
    np.testing.assert_allclose(in_strips, whole, rtol=2e-7)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_rasters_of_a_row_or_a_column(shape):
    whole, in_strips = both(np.random.default_rng(0).random(shape), "mfd", 1)
    np.testing.assert_array_equal(in_strips, whole)


def test_threads_make_no_difference():
    expected = both(LANDS["coast"], "mfd", 3, threads=1)[1]
    for _ in range(3):
        np.testing.assert_array_equal(both(LANDS["coast"], "mfd", 3, threads=4)[1], expected)


def test_memory_does_not_grow_with_the_raster(tmp_path):
    """What NumPy holds at most, on rasters of which the larger has five times the cells."""
    columns, memory = 400, 200 * FILLING_PER_CELL * 402

    def peak(rows):
        def read(first, last):
            y, x = np.arange(first, last, dtype=np.float32)[:, None], np.arange(columns, dtype=np.float32)
            return 5 * np.sin(y / 7) * np.sin(x / 9) - y / 10

        tracemalloc.start()
        try:
            catchment_area_on_disk(
                Heights(read, columns, np.ones(rows), np.ones(rows)), "mfd", str(tmp_path), memory, threads=1
            )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    small, large = peak(800), peak(4000)
    assert large < 1.3 * small
    assert large < 1.5 * memory < 0.1 * 4000 * columns * BYTES_PER_CELL


def test_wetness_in_strips_is_that_in_memory(write_raster, tmp_path, progress, monkeypatch):
    import rasterio

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    dem = write_raster("dem.tif", LANDS["lake"])
    for name, memory in (("whole", None), ("strips", 20_000)):
        terrain_indices(
            dem,
            ["twi", "slope"],
            str(tmp_path / f"{name}.tif"),
            z_factor=2.0,
            engine=Engine(memory=memory, progress=progress),
        )
    whole, in_strips = (rasterio.open(tmp_path / f"{name}.tif").read() for name in ("whole", "strips"))
    np.testing.assert_allclose(in_strips, whole, rtol=1e-6)
    assert any("MB of temporary files in '" in text for text in progress.infos)
    assert os.listdir(tmp_path / "temporary") == []


@pytest.mark.parametrize(
    ("limit", "given"),
    [("sm_toolbox.predictors.terrain.free_memory", None), ("sm_toolbox.predictors.flow.MOST_FLOW_MEMORY", 10**12)],
)
def test_little_memory_leads_to_strips(write_raster, tmp_path, progress, monkeypatch, limit, given):
    """Also where more is given than cells of a raster can be numbered in."""
    dem = write_raster("dem.tif", LANDS["coast"])
    monkeypatch.setattr(limit, 20_000 if given else lambda: 20_000)
    terrain_indices(dem, ["twi"], str(tmp_path / "twi.tif"), engine=Engine(memory=given, progress=progress))
    assert any("MB of temporary files in '" in text for text in progress.infos)


@pytest.mark.parametrize("checks", [0, 3, 40, 150])
def test_a_cancel_leaves_nothing(write_raster, tmp_path, cancelling, monkeypatch, checks):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    dem = write_raster("dem.tif", LANDS["lake"])
    with pytest.raises(Cancelled):
        terrain_indices(
            dem, ["twi"], str(tmp_path / "twi.tif"), engine=Engine(memory=10_000, progress=cancelling(checks))
        )
    assert os.listdir(tmp_path / "temporary") == [] and not (tmp_path / "twi.tif").exists()


def test_a_disk_without_room_is_refused_before_any_work(write_raster, tmp_path, monkeypatch):
    dem = write_raster("dem.tif", LANDS["lake"])
    monkeypatch.setattr(flow_strips.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"37 × 41 cells needs 0 MB for temporary files in .*TMPDIR.*twi out"):
        terrain_indices(dem, ["twi"], str(tmp_path / "twi.tif"), engine=Engine(memory=10_000))


def test_what_fails_ends_the_work_on_other_strips(tmp_path, monkeypatch):
    ended = threading.Event()

    def fill_strip(z, labels, width, control):
        for _ in range(1000):
            if control[1]:
                ended.set()
                return
            time.sleep(0.02)

    def read(first, last):
        if first > 0:
            raise Cancelled
        return LANDS["lake"][first:last]

    monkeypatch.setattr("sm_toolbox.predictors.fill_strips._fill_strip", fill_strip)
    sizes = np.ones(41)
    with pytest.raises(Cancelled):
        catchment_area_on_disk(Heights(read, 37, sizes, sizes), "d8", str(tmp_path), 10_000)
    assert ended.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a device that is always full")
def test_a_disk_that_gets_full_is_said():
    with RowFile("/dev/full", np.int32, 3) as file, pytest.raises(InputError, match=r"No space left.*MB are free"):
        file.write(0, np.zeros(3, np.int32))


def test_a_file_that_fails_on_the_way_leaves_nothing(tmp_path, monkeypatch):
    written = []

    def write(self, first, rows):
        written.append(first)
        if len(written) > 10:
            raise self._failed(OSError(28, "No space left on device"))

    monkeypatch.setattr(rowfile.RowFile, "write", write)
    sizes = np.ones(41)
    with pytest.raises(InputError, match="No space left"):
        catchment_area_on_disk(heights_of(LANDS["lake"].astype("f4"), sizes), "d8", str(tmp_path), 10_000)
    assert len(written) > 10 and set(os.listdir(tmp_path)) <= {"area"}


@pytest.mark.parametrize(
    ("spoil", "said"), [(os.remove, "No such file"), (lambda path: os.truncate(path, 300), "it ends too early")]
)
def test_areas_that_are_cleared_away_are_missed(tmp_path, spoil, said):
    sizes = np.ones(41)
    area = catchment_area_on_disk(heights_of(LANDS["lake"].astype("f4"), sizes), "d8", str(tmp_path), 10_000)
    spoil(area.path)
    with pytest.raises(InputError, match=rf"temporary file .*{said}.*clears that folder"):
        area[0:41, 0:37]


def test_what_waits_is_taken_in_turn():
    waiting, taken = {0, 1, 2}, []
    for number in in_turn(waiting, 3):
        taken.append(number)
        if taken == [0, 1]:
            waiting.add(0)
        if taken == [0, 1, 2, 0]:
            waiting.add(1)
    assert taken == [0, 1, 2, 0, 1]
