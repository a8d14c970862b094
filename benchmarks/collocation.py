"""Speed and memory of triple collocation: over merely reading the stacks, and against NumPy and pytesmo.

Run with `python benchmarks/collocation.py [cells [dates]]`: the side of the rasters (512) and the number of daily dates
(730), a third of them gaps. Memory is compared with that of four times as many dates.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from rasterio.crs import CRS
from rasterio.shutil import copy
from rasterio.transform import from_origin
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, medians, peak_memory
from sm_toolbox.merging.collocation import collocate, covariances_of_sums, design
from sm_toolbox.merging.covariance_kernels import accumulate, sums_per_cell
from sm_toolbox.merging.run import Run
from sm_toolbox.merging.settings import CollocationSettings
from sm_toolbox.merging.triplecollocation import output_bands, triple_collocation
from sm_toolbox.raster import streaming
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import Time
from sm_toolbox.raster.writing import raster_writer

ERRORS = (0.02, 0.03, 0.04)
GAPS = 0.3
TILE = 256


def make_values(product: int, dates: int, shape: tuple[int, int]) -> np.ndarray:
    """Return a product's view of moisture that all products share, float32 (dates, rows, cols), in steps of 0.001 and
    with gaps of its own.
    """
    shared, own = np.random.default_rng(0), np.random.default_rng(1 + product)
    values = own.standard_normal((dates, *shape), np.float32)
    values *= ERRORS[product]
    values += 0.3 + 0.05 * shared.standard_normal((dates, 1, 1), np.float32)
    np.round(values, 3, out=values)
    # Clouds and orbits are larger than a cell.
    gaps = own.random((dates, -(-shape[0] // 16), -(-shape[1] // 16))) < GAPS
    values[np.repeat(np.repeat(gaps, 16, axis=1), 16, axis=2)[:, : shape[0], : shape[1]]] = np.nan
    return values


def make_stacks(folder: Path, cells: int, dates: int) -> list[list[Source]]:
    """Write three products, compressed."""
    grid = Grid(CRS.from_epsg(32630), from_origin(5e5, 4e6, 1000, 1000), cells, cells)
    names = [band_name("soil_moisture", Time(datetime(2010, 1, 1) + timedelta(days=day))) for day in range(dates)]
    sources = []
    for product in range(len(ERRORS)):
        path = folder / f"{'abc'[product]}.tif"
        with raster_writer(RasterOutput(str(path), names), grid) as writer:
            for row in range(0, cells, TILE):
                rows = min(TILE, cells - row)
                for column in range(0, cells, TILE):
                    columns = min(TILE, cells - column)
                    writer.write(make_values(product, dates, (rows, columns)), Window(column, row, columns, rows))
        sources.append([Source(str(path))])
    return sources


def with_deflate(sources: list[list[Source]]) -> list[list[Source]]:
    """Compress the stacks as most providers do, and not as the toolbox."""
    found = []
    for part in sources:
        path = Path(part[0].path).with_suffix(".deflate.tif")
        copy(
            part[0].path,
            path,
            driver="GTiff",
            compress="deflate",
            predictor=3,
            tiled=True,
            blockxsize=TILE,
            blockysize=TILE,
        )
        found.append([Source(str(path))])
    return found


def read_only(sources: list[list[Source]]) -> None:
    """Read the stacks as `triple_collocation` does: the same windows and dates at once, on as many threads."""
    run = Run.of(sources, CollocationSettings(max_gap_days=0), 0, Engine())
    record = run.record()
    fixed, per_date = record.bytes_per_cell()
    reader, stream = run.stream(fixed + 12 * len(output_bands(run.estimation.design, False)), per_date)

    def work(opened, window, emit, progress):
        for _ in record.read(opened, window, stream.dates):
            pass

    for _ in streaming.stream_in_order(reader, work, stream.plan, Engine()):
        pass


def against_reading(sources: list[list[Source]], output: str) -> tuple[float, float]:
    """Return the time of a whole run over that of reading, and the values read per second."""
    whole, read = medians(lambda: triple_collocation(sources, output), lambda: read_only(sources), repeats=3)
    return whole / read, read


def kernel_sums(block: np.ndarray) -> np.ndarray:
    """Return the sums of a block as the algorithm takes them."""
    sums = np.zeros((1, sums_per_cell(len(block)), *block.shape[2:]))
    latest = np.full((len(block), *block.shape[2:]), np.nan, np.float32)
    accumulate(block, np.full(len(block), 0.3, np.float32), np.zeros(block.shape[1], np.int64), sums, latest)
    return sums


def numpy_sums(block: np.ndarray, rows: int) -> np.ndarray:
    """Return the sums of covariances with NumPy, some rows at a time, without those of samples before."""
    count = len(block)
    sums = np.zeros((1, sums_per_cell(count), *block.shape[2:]))
    for row in range(0, block.shape[2], rows):
        place = slice(row, row + rows)
        part = block[:, :, place]
        valid = ~np.isnan(part).any(axis=0)
        sums[0, 0, place] = valid.sum(axis=0)
        deviations = np.where(valid, part - np.float32(0.3), 0).astype(np.float64)
        sums[0, 1 : count + 1, place] = deviations.sum(axis=1)
        for k, (i, j) in enumerate(combinations_with_replacement(range(count), 2)):
            sums[0, 1 + count + k, place] = (deviations[i] * deviations[j]).sum(axis=0)
    return sums


def against_numpy(block: np.ndarray) -> tuple[float, int, float]:
    """Return the time of NumPy over that of the kernel, both on one thread, the rows at a time with which NumPy is
    fastest, and the kernel's time.
    """
    of_covariances = 1 + len(block) + len(block) * (len(block) + 1) // 2
    kernel, numpy = (sums[:, :of_covariances] for sums in (kernel_sums(block), numpy_sums(block, 4)))
    np.testing.assert_allclose(kernel, numpy, rtol=1e-6, atol=1e-6)
    sizes = (1, 8, 64)
    ours, *theirs = medians(
        lambda: kernel_sums(block), *(lambda rows=rows: numpy_sums(block, rows) for rows in sizes), repeats=3
    )
    return min(theirs) / ours, sizes[int(np.argmin(theirs))], ours


def against_pytesmo(block: np.ndarray) -> float | None:
    """Return the time of pytesmo, cell by cell, over ours for the same estimates from values in memory; None without
    pytesmo.
    """
    try:
        from pytesmo.metrics import tcol_metrics
    except ImportError:
        return None
    flat = np.ascontiguousarray(block[:, :, :4, :256])
    some = flat.reshape(*flat.shape[:2], -1)
    plan = design(len(block))

    def ours():
        samples, lost, _, covariances = covariances_of_sums(kernel_sums(flat))
        return collocate(covariances, samples, plan, lost=lost)

    def theirs():
        found = []
        for cell in range(some.shape[2]):
            values = some[:, :, cell]
            found.append(tcol_metrics(*values[:, ~np.isnan(values).any(axis=0)]))
        return np.array(found)

    found, expected = ours(), theirs()
    resolved = found.flags.ravel() == 0
    names = [plan.estimates.index(f"snr_{letter}") for letter in "abc"]
    np.testing.assert_allclose(
        found.estimates.reshape(len(plan.estimates), -1)[names][:, resolved],
        expected[resolved, 0].T,
        rtol=1e-3,
        atol=1e-3,
    )
    mine, other = medians(ours, theirs, repeats=3)
    return other / mine


def peak_of(folder: Path, cells: int, dates: int) -> tuple[float, float]:
    """Return the peak memory (bytes) of a process that collocates stacks of a length, and of one that has only come so
    far as to begin.
    """
    make = folder / str(dates)
    make.mkdir()
    run_alone("make", make, cells, dates)
    return run_alone("collocate", make, cells, dates), run_alone("nothing", make, cells, dates)


def run_alone(task: str, folder: Path, cells: int, dates: int) -> float:
    """Do a part in a process of its own, and return its peak memory (bytes)."""
    command = [sys.executable, __file__, "--alone", task, str(folder), str(cells), str(dates)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def alone(task: str, folder: Path, cells: int, dates: int) -> None:
    """Do a part of the measuring of memory, and print the peak."""
    tasks: dict[str, Callable[[], object]] = {
        "make": lambda: make_stacks(folder, cells, dates),
        "collocate": lambda: triple_collocation(
            [[Source(str(folder / f"{name}.tif"))] for name in "abc"], str(folder / "out.tif")
        ),
        "nothing": lambda: kernel_sums(np.zeros((3, 4, 1, 1), np.float32)),
    }
    tasks[task]()
    # Not `ru_maxrss`, in which a new process starts with the peak of the one that started it.
    print(peak_memory())


def main() -> None:
    if sys.argv[1:2] == ["--alone"]:
        alone(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
        return
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 32 if SMALL else 512
    dates = int(sys.argv[2]) if len(sys.argv) > 2 else 160 if SMALL else 730
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = make_stacks(folder, cells, dates)
        print(f"three products, {dates} dates of {cells} × {cells} cells, {100 * GAPS:.0f} % gaps in each", flush=True)
        for way, stacks in (("as the toolbox writes them", sources), ("DEFLATE", with_deflate(sources))):
            ratio, read = against_reading(stacks, str(folder / "out.tif"))
            print(
                f"whole run over reading the same files, {way}: {ratio:.2f} (reading: "
                f"{3 * dates * cells**2 / read / 1e6:.0f} million values a second)",
                flush=True,
            )
            for part in stacks:
                Path(part[0].path).unlink()
        block = np.stack([make_values(product, dates, (min(64, cells), cells)) for product in range(len(ERRORS))])
        ratio, rows, taken = against_numpy(block)
        print(
            f"covariances with NumPy, {rows} rows at a time, over the kernel: {ratio:.1f} (kernel: "
            f"{block.size / taken / 1e6:.0f} million values a second)",
            flush=True,
        )
        ratio = against_pytesmo(block)
        print(
            "pytesmo is not installed, and left out"
            if ratio is None
            else f"pytesmo, cell by cell, over ours: {ratio:.0f}",
            flush=True,
        )
        short, long = (peak_of(folder, cells // 2, length) for length in (dates, 4 * dates))
        print(
            f"peak memory of a run with {4 * dates} dates over that with {dates}, {cells // 2} × {cells // 2} "
            f"cells: {long[0] / short[0]:.2f} ({long[0] / 2**20:.0f} and {short[0] / 2**20:.0f} MB, of which "
            f"{short[1] / 2**20:.0f} are the program's)"
        )


if __name__ == "__main__":
    main()
