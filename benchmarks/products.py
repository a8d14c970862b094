"""Speed and memory of importing products over GDAL's mere reading and writing of the same numbers.

Run with `python benchmarks/products.py [files [dates [cells]]]`: a year of daily SMAP (365 files of 36 km, morning and
evening), and 46 dates of two tiles of a vegetation index of MODIS with its pixel reliability (of 1200 × 1200 cells).
What it is compared with reads the same layers of the same files, values and quality words, and writes the values as
they are into a GeoTIFF of the same layout and compression, band by band.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from osgeo import gdal

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL, forget_peak_memory, medians, peak_memory
from sm_toolbox.products.importing import Request, import_product
from sm_toolbox.products.placing import MODIS_SINUSOIDAL
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.outputs import TILE, RasterOutput
from sm_toolbox.raster.writing import raster_writer
from sm_toolbox.sensors.grids import KNOWN_GRIDS

gdal.UseExceptions()
HALVES = (("AM", ""), ("PM", "_pm"))
EDGE = 1111950.5196666666
MODIS_FILES = "MOD13A2.A{:%Y%j}.h{}v04.061.2021021073137_1_km_16_days_{}.tif"


def patches(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Return random numbers from 0 to 1 that are the same over 30 × 30 cells: clouds are larger than a cell."""
    coarse = random.random((-(-shape[0] // 30), -(-shape[1] // 30)))
    return np.kron(coarse, np.ones((30, 30)))[: shape[0], : shape[1]]


def make_smap(folder: Path, files: int) -> None:
    """Write days of SMAP in the layout of SPL3SMP: the same values under the name of each."""
    known, random = KNOWN_GRIDS[0], np.random.default_rng(0)
    rows, columns = np.indices((known.rows, known.columns))
    x, y = known.left + (columns + 0.5) * known.cell, known.top - (rows + 0.5) * known.cell
    lon, lat = driver().transform(x.ravel(), y.ravel(), driver().crs(6933), driver().crs(4326))
    lat, lon = (np.asarray(each, np.float32).reshape(rows.shape) for each in (lat, lon))
    first = folder / "first.h5"
    file = gdal.GetDriverByName("netCDF").CreateMultiDimensional(str(first), [], ["FORMAT=NC4"])
    root = file.GetRootGroup()
    dimensions = [root.CreateDimension(name, "", "", size) for name, size in zip("yx", rows.shape)]
    options = ["COMPRESS=DEFLATE", "ZLEVEL=4"]
    for half, end in HALVES:
        group = root.CreateGroup(f"Soil_Moisture_Retrieval_Data_{half}")
        seen = np.sin(columns / 40 + (half == "PM")) > -0.3
        moist = 0.25 + 0.1 * np.sin(rows / 30) + random.normal(0, 0.02, rows.shape)
        for name, values, dtype, fill in (
            ("soil_moisture", np.where(seen, moist, -9999).astype(np.float32), gdal.GDT_Float32, -9999),
            ("retrieval_qual_flag", (patches(rows.shape, random) < 0.2).astype(np.uint16), gdal.GDT_UInt16, 65534),
            ("latitude", lat, gdal.GDT_Float32, -9999),
            ("longitude", lon, gdal.GDT_Float32, -9999),
            ("tb_time_seconds", np.where(seen, 4.8e8 + columns, -9999.0), gdal.GDT_Float64, -9999),
        ):
            array = group.CreateMDArray(name + end, dimensions, gdal.ExtendedDataType.Create(dtype), options)
            array.SetNoDataValueDouble(fill)
            array.Write(np.ascontiguousarray(values))
            del array
        del group
    del dimensions, root, file
    for day in range(files):
        date = datetime(2018, 1, 1) + timedelta(days=day)
        shutil.copy(first, folder / f"SMAP_L3_SM_P_{date:%Y%m%d}_R19240_001.h5")
    first.unlink()


def make_modis(folder: Path, dates: int, cells: int) -> None:
    """Write two tiles of each date, as Planetary Computer ships them."""
    random = np.random.default_rng(0)
    smooth = 5000 + 3000 * np.sin(np.arange(cells) / 50)[:, None] * np.cos(np.arange(cells) / 70)
    for tile in (18, 19):
        values = (smooth + random.normal(0, 200, smooth.shape)).astype(np.int16)
        words = (patches(smooth.shape, random) * 4).astype(np.uint8)
        for layer, stored, dtype in (("NDVI", values, gdal.GDT_Int16), ("pixel_reliability", words, gdal.GDT_Byte)):
            first = folder / f"{tile}_{layer}.tif"
            options = ["TILED=YES", "COMPRESS=DEFLATE", "BLOCKXSIZE=512", "BLOCKYSIZE=512"]
            file = gdal.GetDriverByName("GTiff").Create(str(first), cells, cells, 1, dtype, options)
            file.SetGeoTransform(((tile - 18) * EDGE, EDGE / cells, 0, 5 * EDGE, 0, -EDGE / cells))
            file.SetProjection(MODIS_SINUSOIDAL)
            file.GetRasterBand(1).WriteArray(stored)
            file = None
            for date in range(dates):
                day = datetime(2021, 1, 1) + timedelta(days=8 * date)
                shutil.copy(first, folder / MODIS_FILES.format(day, tile, layer))
            first.unlink()


def copy_smap(folder: Path, output: str) -> None:
    """Read and write what the import of SMAP reads and writes."""
    files = sorted(folder.glob("*.h5"))
    known = KNOWN_GRIDS[0]
    grid = Grid(
        driver().crs(6933), Affine(known.cell, 0, known.left, 0, -known.cell, known.top), known.columns, known.rows
    )
    names = [
        f"soil_moisture_{half}@{path.stem[13:17]}-{path.stem[17:19]}-{path.stem[19:21]}"
        for path in files
        for half in ("am", "pm")
    ]
    with raster_writer(RasterOutput(output, names), grid, (TILE, TILE)) as writer:
        for place, path in enumerate(files):
            root = gdal.OpenEx(str(path), gdal.OF_MULTIDIM_RASTER).GetRootGroup()
            for number, (half, end) in enumerate(HALVES):
                group = root.OpenGroup(f"Soil_Moisture_Retrieval_Data_{half}")
                values, _ = (
                    group.OpenMDArray(name + end).ReadAsArray() for name in ("soil_moisture", "retrieval_qual_flag")
                )
                writer.write(values[None], Window(0, 0, grid.width, grid.height), 2 * place + number)


def copy_modis(folder: Path, output: str) -> None:
    """Read and write what the import of MODIS reads and writes."""
    by_date: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*_NDVI.tif")):
        by_date.setdefault(path.name[8:16], []).append(path)
    first = gdal.Open(str(next(iter(by_date.values()))[0]))
    cells, left = first.RasterXSize, first.GetGeoTransform()[0]
    grid = Grid(
        driver().crs(MODIS_SINUSOIDAL), Affine(EDGE / cells, 0, left, 0, -EDGE / cells, 5 * EDGE), 2 * cells, cells
    )
    with raster_writer(RasterOutput(output, [f"ndvi_{date}" for date in by_date]), grid, (TILE, TILE)) as writer:
        for place, paths in enumerate(by_date.values()):
            values = []
            for path in paths:
                gdal.Open(str(path).replace("NDVI", "pixel_reliability")).ReadAsArray()
                values.append(gdal.Open(str(path)).ReadAsArray())
            writer.write(np.hstack(values)[None].astype(np.float32), Window(0, 0, grid.width, grid.height), place)


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:]]
    files, dates, cells = numbers + ([3, 2, 300] if SMALL else [365, 46, 1200])[len(numbers) :]
    for label, make, copy, part in (
        (f"SMAP, {files} files", lambda folder: make_smap(folder, files), copy_smap, "*_2018010*.h5"),
        (
            f"MODIS, {dates} dates of 2 tiles of {cells} × {cells} cells",
            lambda folder: make_modis(folder, dates, cells),
            copy_modis,
            "*.A20210*.tif",
        ),
    ):
        with tempfile.TemporaryDirectory() as name:
            folder, output = Path(name) / "files", str(Path(name) / "o.tif")
            folder.mkdir()
            make(folder)
            run = lambda: import_product([str(folder)], output)  # noqa: B023, E731
            taken, copied = medians(run, lambda: copy(folder, output), repeats=3)  # noqa: B023
            forget_peak_memory()
            import_product([str(path) for path in sorted(folder.glob(part))], output, Request())
            few = peak_memory()
            forget_peak_memory()
            run()
            print(
                f"{label}: {taken:.1f} s, {taken / copied:.2f} of the time of reading and writing them; peak memory "
                f"{peak_memory() / 2**20:.0f} MB, of {len(list(folder.glob(part)))} of the files {few / 2**20:.0f} MB"
            )


if __name__ == "__main__":
    main()
