"""The block engine: same result however it is cut, bounded memory, whole outputs or none."""

import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import from_origin

from sm_toolbox.errors import Cancelled, InputError, OutputError
from sm_toolbox.progress import Beat, Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import read_bands, unit_of_band
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.planning import Windows, plan_blocks
from sm_toolbox.raster.points import sample
from sm_toolbox.raster.request import Engine

ROOT = str(Path(__file__).parents[3])


def total(blocks, window):
    return blocks["x"].sum(axis=0, keepdims=True)


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


@pytest.fixture
def cells():
    return np.random.default_rng(0).random((3, 700, 900)).astype(np.float32)


def test_the_result_does_not_depend_on_blocks_and_threads(write_raster, tmp_path, cells):
    bands = read_bands([write_raster("x.tif", cells, list("abc"), nodata=-9999)])
    for i, (memory, threads) in enumerate([(2**30, 1), (2**21, 2), (2**18, 3)]):
        path = str(tmp_path / f"out{i}.tif")
        valid = run_blocks(
            total,
            {"x": bands},
            [RasterOutput(path, ["sum"])],
            bands[0].grid,
            engine=Engine(memory=memory, threads=threads),
        ).valid_cells
        assert valid == [700 * 900]
        np.testing.assert_array_equal(read(path)[0], cells.sum(axis=0))
    with rasterio.open(path) as dataset:
        assert (
            dataset.descriptions == ("sum",)
            and np.isnan(dataset.nodata)
            and dataset.profile["tiled"]
            and dataset.profile["compress"] in ("zstd", "deflate")
        )
        assert dataset.crs == bands[0].grid.crs and dataset.transform[:6] == bands[0].grid.transform


def test_a_kernel_may_need_no_raster_but_its_place(tmp_path):
    grid = Grid(CRS.from_epsg(32630), from_origin(0, 0, 10, 10), 600, 700)

    def kernel(blocks, window):
        assert blocks == {}
        columns, rows = np.meshgrid(window.col_off + np.arange(window.width), window.row_off + np.arange(window.height))
        return (columns + 1000 * rows).astype(np.float32)[None]

    output = tmp_path / "out.tif"
    assert run_blocks(
        kernel, {}, [RasterOutput(str(output), ["place"])], grid, engine=Engine(memory=2**20)
    ).valid_cells == [700 * 600]
    with rasterio.open(output) as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.arange(600) + 1000 * np.arange(700)[:, None])


def test_halo_reaches_into_neighbouring_blocks(write_raster, tmp_path, cells):
    bands = read_bands([write_raster("x.tif", cells[:1])])
    path = str(tmp_path / "out.tif")

    def mean_of_neighbours(blocks, window):
        block = blocks["x"]
        return np.nanmean(
            [
                block[:, 2 + r : block.shape[1] - 2 + r, 2 + c : block.shape[2] - 2 + c]
                for r in (-2, 2)
                for c in (-2, 2)
            ],
            axis=0,
        )

    run_blocks(
        mean_of_neighbours,
        {"x": bands},
        [RasterOutput(path, ["m"])],
        bands[0].grid,
        halo=2,
        engine=Engine(memory=2**20),
    )
    padded = np.pad(cells[0], 2, constant_values=np.nan)
    expected = np.nanmean([padded[:-4, :-4], padded[:-4, 4:], padded[4:, :-4], padded[4:, 4:]], axis=0)
    np.testing.assert_allclose(read(path)[0], expected, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(1, 600),
    st.integers(1, 3000),
    st.floats(4, 4000),
    st.integers(2**16, 2**28),
    st.integers(1, 8),
    st.integers(0, 3),
)
def test_blocks_cover_the_raster_once_within_the_budget(
    width, height, tile_rows, tile_columns, cell_bytes, memory, threads, halo
):
    grid = Grid(CRS.from_epsg(32630), from_origin(0, 0, 1, 1), width, height)
    plan = plan_blocks(grid, (tile_rows, tile_columns), cell_bytes, memory, threads, halo)
    if len(plan.windows) < 20000:
        seen = np.zeros((height, width), np.uint8)
        for window in plan.windows:
            seen[window.row_off : window.row_off + window.height, window.col_off : window.col_off + window.width] += 1
        assert (seen == 1).all()
    largest = max((window.width + 2 * halo) * (window.height + 2 * halo) for window in plan.windows)
    smallest_possible = (1 + 2 * halo) ** 2
    assert largest <= max(memory / plan.in_flight / cell_bytes, smallest_possible)


def test_nodata_scale_offset_and_infinity(write_raster, tmp_path):
    source = write_raster("x.tif", np.array([[1, 2, -32768]]), dtype="int16", nodata=-32768)
    with rasterio.open(source.path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.1,), (5.0,)
    bands = read_bands([source, write_raster("y.tif", np.array([[1.0, np.inf, 3.0]]))])
    path = str(tmp_path / "out.tif")
    run_blocks(lambda blocks, window: blocks["x"], {"x": bands}, [RasterOutput(path, ["a", "b"])], bands[0].grid)
    np.testing.assert_allclose(read(path), [[[5.1, 5.2, np.nan]], [[1.0, np.nan, 3.0]]], rtol=1e-6)


def test_nodata_that_float32_rounds(write_raster, tmp_path):
    bands = read_bands([write_raster("x.tif", np.array([[1.0, -3.4e38]]), nodata=-3.4e38)])
    path = str(tmp_path / "out.tif")
    run_blocks(lambda blocks, window: blocks["x"], {"x": bands}, [RasterOutput(path, ["a"])], bands[0].grid)
    np.testing.assert_array_equal(read(path)[0], [[1, np.nan]])


@pytest.mark.parametrize(
    ("dtype", "header", "cell"),
    [("float32", -3.40282306e38, -3.40282347e38), ("float64", 1.79e308, np.finfo(float).max)],
)
def test_the_lowest_number_of_a_type_with_other_last_digits(write_raster, tmp_path, dtype, header, cell):
    source = write_raster("a.tif", np.array([[1, cell], [header, 3]]), ["a"], nodata=header, dtype=dtype)
    bands = read_bands([source])
    run_blocks(total, {"x": bands}, [RasterOutput(str(tmp_path / "o.tif"), ["a"])], bands[0].grid)
    np.testing.assert_array_equal(read(tmp_path / "o.tif")[0], [[1, np.nan], [np.nan, 3]])
    x, y = bands[0].grid.transform * (np.array([0.5, 1.5, 0.5]), np.array([0.5, 0.5, 1.5]))
    np.testing.assert_array_equal(
        sample(bands, x, y, bands[0].grid.crs, np.arange(3), np.zeros(3, int)), [1, np.nan, np.nan]
    )


def test_the_windows_of_a_huge_raster_are_not_kept():
    windows = Windows(2_000_000, 3_000_001, 256, 1024)
    assert len(windows) == 7813 * 2930 and windows[0] == Window(0, 0, 1024, 256)
    assert (
        windows[-1]
        == Window(2929 * 1024, 7812 * 256, 3_000_001 - 2929 * 1024, 2_000_000 - 7812 * 256)
        == windows[len(windows) - 1]
    )
    with pytest.raises(IndexError):
        windows[len(windows)]


def test_other_grids_are_warped_and_said_so(write_raster, tmp_path, progress):
    fine = write_raster("fine.tif", np.arange(64.0).reshape(8, 8), cell=10)
    coarse = write_raster("coarse.tif", np.array([[1.0, 2.0], [3.0, np.nan]]), cell=40)
    bands = read_bands([fine, coarse])
    path = str(tmp_path / "fine_out.tif")
    run_blocks(
        lambda blocks, window: blocks["x"],
        {"x": bands},
        [RasterOutput(path, ["f", "c"])],
        bands[0].grid,
        engine=Engine(progress=progress),
    )
    expected = np.kron([[1.0, 2.0], [3.0, np.nan]], np.ones((4, 4)))
    np.testing.assert_array_equal(read(path)[1], expected)
    assert progress.infos == [
        (
            "'coarse.tif' is warped to the grid of the output (nearest): cell size 40 × 40 instead of 10 × 10; 2 × 2 "
            "cells instead of 8 × 8."
        )
    ]
    path = str(tmp_path / "coarse_out.tif")
    run_blocks(lambda blocks, window: blocks["x"], {"x": bands}, [RasterOutput(path, ["f", "c"])], bands[1].grid)
    np.testing.assert_allclose(read(path)[0], np.arange(64.0).reshape(2, 4, 2, 4).mean(axis=(1, 3)), rtol=1e-6)


def test_gaps_of_one_band_do_not_spoil_the_mean_of_another(write_raster, tmp_path):
    cells = np.ones((2, 4, 4))
    cells[1, 0, 0] = np.nan
    bands = read_bands(
        [write_raster("two.tif", cells, ["a", "b"], cell=10), write_raster("grid.tif", np.ones((2, 2)), ["g"], cell=20)]
    )
    path = str(tmp_path / "out.tif")
    run_blocks(
        lambda blocks, window: blocks["x"],
        {"x": bands[:2]},
        [RasterOutput(path, ["a", "b"])],
        bands[2].grid,
        resampling="average",
    )
    np.testing.assert_array_equal(read(path), 1)


def test_integers_without_nodata_are_warped_to_nan_outside(write_raster, tmp_path):
    small = write_raster("small.tif", np.full((2, 2), 7), cell=10, dtype="uint8")
    large = write_raster("large.tif", np.zeros((4, 4)), cell=10)
    bands = read_bands([small, large])
    path = str(tmp_path / "out.tif")
    run_blocks(lambda blocks, window: blocks["x"], {"x": bands}, [RasterOutput(path, ["s", "l"])], bands[1].grid)
    expected = np.full((4, 4), np.nan)
    expected[:2, :2] = 7
    np.testing.assert_array_equal(read(path)[0], expected)


def test_no_overlap_is_refused(write_raster, tmp_path, leftovers):
    bands = read_bands(
        [write_raster("a.tif", np.ones((4, 4))), write_raster("far.tif", np.ones((4, 4)), origin=(900000, 4000000))]
    )
    with pytest.raises(InputError, match=r"far\.tif' does not overlap"):
        run_blocks(total, {"x": bands}, [RasterOutput(str(tmp_path / "out.tif"), ["s"])], bands[0].grid)
    assert leftovers() == ["a.tif", "far.tif"]


def test_all_nodata_writes_nothing(write_raster, tmp_path, leftovers):
    bands = read_bands([write_raster("empty.tif", np.full((300, 300), -1.0), nodata=-1)])
    with pytest.raises(InputError, match=r"no cell has data.*'empty\.tif'"):
        run_blocks(total, {"x": bands}, [RasterOutput(str(tmp_path / "out.tif"), ["s"])], bands[0].grid)
    assert leftovers() == ["empty.tif"]


def test_an_error_in_the_kernel_leaves_nothing_and_keeps_the_old_output(write_raster, tmp_path, cells, leftovers):
    bands = read_bands([write_raster("x.tif", cells, list("abc"))])
    old = tmp_path / "out.tif"
    old.write_bytes(b"old")

    def fails_late(blocks, window):
        if window.row_off > 0:
            raise RuntimeError("broken")
        return total(blocks, window)

    with pytest.raises(RuntimeError, match="broken"):
        run_blocks(
            fails_late, {"x": bands}, [RasterOutput(str(old), ["s"])], bands[0].grid, engine=Engine(memory=2**21)
        )
    assert leftovers() == ["out.tif", "x.tif"] and old.read_bytes() == b"old"


@pytest.mark.parametrize("checks", [0, 1, 3])
def test_cancel_stops_within_a_block_and_leaves_nothing(write_raster, tmp_path, cells, leftovers, cancelling, checks):
    bands = read_bands([write_raster("x.tif", cells, list("abc"))])
    calls = []

    def kernel(blocks, window):
        calls.append(threading.get_ident())
        return total(blocks, window)

    with pytest.raises(Cancelled):
        run_blocks(
            kernel,
            {"x": bands},
            [RasterOutput(str(tmp_path / "out.tif"), ["s"])],
            bands[0].grid,
            engine=Engine(memory=2**20, threads=2, progress=cancelling(checks)),
        )
    assert leftovers() == ["x.tif"]
    assert len(calls) <= checks + 3, "no more than the blocks that were under way"


@pytest.mark.parametrize("cancels", [False, True])
def test_progress_and_cancel_are_heard_within_a_block(write_raster, tmp_path, cells, leftovers, cancels):
    """Of a small map of many dates there is but one block, which takes as long as all of it."""
    bands = read_bands([write_raster("x.tif", cells[:, :40, :40], list("abc"))])
    heard, beat = threading.Event(), Beat()

    class Hearing(Progress):
        def __init__(self):
            self.fractions = []

        def set_fraction(self, fraction):
            self.fractions.append(fraction)
            heard.set()

        def is_cancelled(self):
            return cancels and heard.is_set()

    def kernel(blocks, window):
        beat.step(0.25)
        assert heard.wait(60), "nothing is heard before the block is done"
        for _ in range(600 if cancels else 0):
            time.sleep(0.05)
            beat.step(0)
        beat.step(0.75)
        return total(blocks, window)

    def run():
        progress = Hearing()
        engine = Engine(memory=2**22, threads=2, progress=progress, beat=beat)
        run_blocks(kernel, {"x": bands}, [RasterOutput(str(tmp_path / "out.tif"), ["s"])], bands[0].grid, engine)
        return progress.fractions

    if cancels:
        with pytest.raises(Cancelled):
            run()
        assert leftovers() == ["x.tif"]
    else:
        fractions = run()
        assert fractions[0] == 0.25 and fractions[-1] == 1


def test_outputs_that_cannot_be_written_are_refused_before_the_work(write_raster, tmp_path):
    bands = read_bands([write_raster("x.tif", np.ones((4, 4)))])
    (tmp_path / "folder.tif").mkdir()
    for path, words in [
        ("folder.tif", "is a folder"),
        ("no/such/out.tif", "does not exist"),
        ("out.xyz", "Give it the extension .tif"),
    ]:
        with pytest.raises(OutputError, match=words):
            run_blocks(
                lambda blocks, window: pytest.fail("worked"),
                {"x": bands},
                [RasterOutput(str(tmp_path / path), ["s"])],
                bands[0].grid,
            )


def test_an_existing_output_that_is_locked(monkeypatch, write_raster, tmp_path, leftovers):
    """On Windows a file that another program has open cannot be replaced; QGIS itself is often that program."""
    bands = read_bands([write_raster("x.tif", np.ones((4, 4)))])
    (tmp_path / "out.tif").write_bytes(b"old")

    def locked(*_):
        raise PermissionError(13, "in use")

    monkeypatch.setattr("os.replace", locked)
    with pytest.raises(OutputError, match=r"out\.tif' cannot be replaced \(in use\)"):
        run_blocks(total, {"x": bands}, [RasterOutput(str(tmp_path / "out.tif"), ["s"])], bands[0].grid)
    assert leftovers() == ["out.tif", "x.tif"] and (tmp_path / "out.tif").read_bytes() == b"old"


def test_a_full_disk_is_noticed_though_gdal_says_nothing(write_raster, tmp_path, leftovers):
    """A limit on the size of files stands in for a full disk: writes fail in the same place, on closing too."""
    source = write_raster("x.tif", np.random.default_rng(0).random((600, 600)), ["x"])
    code = f"""
        import resource, signal, sys
        sys.path.insert(0, {ROOT!r})
        from sm_toolbox.errors import OutputError
        from sm_toolbox.raster.bands import read_bands
        from sm_toolbox.raster.opening import Source
        from sm_toolbox.raster.engine import run_blocks
        from sm_toolbox.raster.outputs import RasterOutput
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        bands = read_bands([Source({source.path!r})])
        try:
            output = RasterOutput({str(tmp_path / "out.tif")!r}, ["x"])
            run_blocks(lambda blocks, window: blocks["x"], {{"x": bands}}, [output], bands[0].grid)
        except OutputError as error:
            print("refused:", error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "could not be written whole" in done.stdout and "Nothing was kept" in done.stdout
    assert leftovers() == ["x.tif"]


def test_a_block_without_any_valid_cell(write_raster, tmp_path):
    cells = np.ones((600, 300))
    cells[:256] = np.nan
    bands = read_bands([write_raster("x.tif", cells)])
    path = str(tmp_path / "out.tif")
    run_blocks(total, {"x": bands}, [RasterOutput(path, ["s"])], bands[0].grid, engine=Engine(memory=2**20, threads=1))
    np.testing.assert_array_equal(read(path)[0], cells)


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc, which only Linux has"
)
def test_memory_stays_within_the_budget(tmp_path):
    """The peak of a process that streams a raster does not follow the raster's size."""
    peaks = []
    for rows in (4096, 16384):
        path = tmp_path / f"{rows}.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=1024,
            height=rows,
            count=4,
            dtype="float32",
            crs="EPSG:32630",
            transform=from_origin(0, 0, 10, 10),
            tiled=True,
        ) as dataset:
            for row in range(0, rows, 256):
                dataset.write(
                    np.full((4, 256, 1024), row, np.float32), window=rasterio.windows.Window(0, row, 1024, 256)
                )
            for band, name in enumerate("abcd", start=1):
                dataset.set_band_description(band, name)
        code = f"""
            import sys
            sys.path.insert(0, {ROOT!r})
            from sm_toolbox.raster.bands import read_bands
            from sm_toolbox.raster.opening import Source
            from sm_toolbox.raster.engine import run_blocks
            from sm_toolbox.raster.outputs import RasterOutput
            from sm_toolbox.raster.request import Engine
            bands = read_bands([Source({str(path)!r})])
            output = RasterOutput({str(tmp_path / "o.tif")!r}, list("abcd"))
            engine = Engine(memory=2**25, threads=2)
            run_blocks(lambda blocks, window: blocks["x"] * 2, {{"x": bands}}, [output], bands[0].grid, engine=engine)
            print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) * 1024)
    assert peaks[1] - peaks[0] < 2**25, (
        "four times the raster (200 MB more, and as much to write) must not cost a budget more"
    )


def test_many_bands_in_little_memory_are_written_once(write_raster, tmp_path):
    """Blocks thinner than the usual tile still fill whole tiles: the file is not larger, and nothing is read back."""
    cells = np.random.default_rng(0).random((1, 500, 600))
    bands = read_bands([write_raster("x.tif", cells)])
    names = [f"b{i}" for i in range(80)]
    sizes = []
    for memory in (2**30, 2**22):
        path = tmp_path / f"{memory}.tif"
        run_blocks(
            lambda blocks, window: np.repeat(blocks["x"], 80, axis=0),
            {"x": bands},
            [RasterOutput(str(path), names)],
            bands[0].grid,
            engine=Engine(memory=memory),
        )
        sizes.append(path.stat().st_size)
        np.testing.assert_array_equal(read(path)[79], cells[0].astype(np.float32))
    assert sizes[1] < 1.05 * sizes[0]


def test_a_long_record_gets_the_memory_of_one_tile_and_no_more_than_a_quarter(write_raster, progress, monkeypatch):
    from sm_toolbox.raster import planning

    monkeypatch.setattr(planning, "physical_memory", lambda: 4 * 2**30)
    assert planning.memory_for((256, 256), 100, 25, 0, progress) == planning.DEFAULT_MEMORY and not progress.infos
    assert planning.memory_for((256, 256), 10_000, 2500, 0, progress) == 256 * 256 * 10_000 and not progress.infos
    assert planning.memory_for((256, 256), 40_000, 10_000, 0, progress) == 2**30
    assert "10,000 bands of one tile take 2,500 MB" in progress.infos[0] and "about 3 times" in progress.infos[0]


def test_one_block_at_a_time_is_better_than_half_tiles():
    grid = Grid(CRS.from_epsg(32630), from_origin(0, 0, 30, 30), 1000, 1000)
    plan = plan_blocks(grid, (256, 256), 1000, 70_000_000, 4)
    assert plan.in_flight == plan.threads == 1 and plan.windows[0].width == 256


@pytest.mark.parametrize("open_files", [1, 3])
def test_more_files_than_may_be_open(write_raster, tmp_path, monkeypatch, open_files):
    """Long records of single-band files: only some stay open, and the result is the same."""
    from sm_toolbox.raster import reading

    monkeypatch.setattr(reading, "OPEN_FILES", open_files)
    sources = [write_raster(f"ndvi_201806{day:02d}.tif", np.full((40, 50), day), ["ndvi"]) for day in range(1, 9)]
    bands = read_bands(sources)
    output = str(tmp_path / "out.tif")
    run_blocks(
        lambda blocks, window: blocks["a"],
        {"a": bands},
        [RasterOutput(output, [band.name for band in bands])],
        bands[0].grid,
        engine=Engine(memory=30_000),
    )
    with rasterio.open(output) as dataset:
        for day, values in enumerate(dataset.read(), start=1):
            assert (values == day).all()


def test_two_outputs_in_one_file(write_raster, tmp_path, leftovers):
    bands = read_bands([write_raster("a.tif", np.ones((4, 5)), ["a"])])
    outputs = [RasterOutput(str(tmp_path / "x.tif"), ["a"]), RasterOutput(str(tmp_path / "." / "x.tif"), ["b"])]
    with pytest.raises(OutputError, match=r"same file.*Give each a name"):
        run_blocks(lambda blocks, window: np.repeat(blocks["a"], 2, axis=0), {"a": bands}, outputs, bands[0].grid)
    assert leftovers() == ["a.tif"]


def test_units_travel_with_their_variables(write_raster, tmp_path):
    source = write_raster("sm.tif", np.full((1, 9, 9), 0.2, np.float32), ["sm@2020-06-01"])
    with rasterio.open(source.path, "r+") as dataset:
        dataset.units = ("m3 m-3",)
    bands, path = read_bands([source]), str(tmp_path / "out.tif")
    names = ["sm_mean", "sm@2020-06-01", "count"]
    run_blocks(
        lambda blocks, window: np.repeat(blocks["sm"], 3, axis=0),
        {"sm": bands},
        [RasterOutput(path, names)],
        bands[0].grid,
    )
    with rasterio.open(path) as dataset:
        assert dataset.units == ("m3 m-3", "m3 m-3", None)
    assert [unit_of_band(band) for band in read_bands([Source(path)])] == ["m3 m-3", "m3 m-3", None]
