"""Sound products and tables, as providers write them, raise no alarm."""

from itertools import islice

import numpy as np
import pytest

from sm_toolbox.columns import to_numbers
from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import list_bands
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.reading import BandReader

pytestmark = pytest.mark.real
RASTERS = (".tif", ".tiff", ".nc", ".hdf", ".h5", ".grib", ".jp2")
LARGEST = 5e7


@pytest.fixture
def files(real_data):
    folder = real_data("README.md").parent

    def files(*endings):
        return sorted(path for path in folder.rglob("*") if path.name.lower().endswith(endings))

    return files


def test_rasters_are_read_without_a_warning(files, progress):
    read = 0
    for path in files(*RASTERS):
        try:
            bands = list_bands([Source(str(path))])
        except InputError:
            # Swaths and the like are no rasters, which others test.
            continue
        parts = {}
        for band in bands:
            parts.setdefault((band.source, band.grid), []).append(band)
        for (_, grid), own in parts.items():
            fits = max(1, int(LARGEST / (grid.width * grid.height)))
            reader = BandReader(list(islice(own, fits)), grid)
            rows = max(1, min(grid.height, int(LARGEST / grid.width / len(reader.bands))))
            with reader.open() as opened:
                opened.read(Window(0, 0, grid.width, rows))
            reader.watch.tell(progress)
            reader.watch.tell_ranges(progress)
            read += 1
    assert read > 50 and not progress.warnings


def test_columns_of_tables_are_read(files):
    pandas = pytest.importorskip("pandas")
    columns = 0
    for path in files(".csv"):
        table = pandas.read_csv(path)
        for name in table.select_dtypes("number"):
            values = [None if np.isnan(value) else value for value in table[name].to_numpy(float)]
            assert len(to_numbers(values, name, path.name)) == len(table)
            columns += 1
    assert columns > 20
