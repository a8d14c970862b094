"""What is said of inputs before they are used."""

import numpy as np
import pytest

from sm_toolbox.raster.bands import read_bands, stacks
from sm_toolbox.raster.telling import tell_dated_and_static

CELLS = np.zeros((1, 6, 8), np.float32)


@pytest.fixture
def tell(write_raster, progress):
    def call(*files):
        """Files are names, or names with the descriptions of their bands."""
        sources = []
        for file in files:
            name, names = file if isinstance(file, tuple) else (file, None)
            sources.append(write_raster(name, np.repeat(CELLS, len(names or "1"), axis=0), names))
        tell_dated_and_static(stacks(read_bands(sources)), progress)
        return progress.infos, progress.warnings

    return call


def test_what_is_dated_and_what_is_static_is_logged(tell):
    infos, warnings = tell(("a.tif", ["ndvi@2018-06-10", "ndvi@2018-06-26"]), ("b.tif", ["lst@2018-06"]), "dem.tif")
    line = "Dated: ndvi (2018-06-10 to 2018-06-26, 2), lst (2018-06). The same on all dates: dem."
    assert infos == [line] and not warnings


def test_a_band_that_lost_its_date_is_named(tell):
    _, warnings = tell(("a.tif", ["ndvi@2018-06-10"]), "Filled.tif")
    assert len(warnings) == 1 and "'Filled' ('Filled.tif') has neither a band name nor a date" in warnings[0]


@pytest.mark.parametrize(
    "names", [("x_1.tif", "x_2.tif"), (("a.tif", ["ndvi_1", "ndvi_2"]),), ("t_001.tif", "t_013.tif")]
)
def test_names_that_differ_in_digits_alone(tell, names):
    _, warnings = tell(*names)
    assert len(warnings) == 1 and "differ in digits alone and have no date" in warnings[0]


@pytest.mark.parametrize(
    "names",
    [
        ("sand_0-5cm_mean.tif", "sand_5-15cm_mean.tif"),
        ("T32TQM_B04.tif", "T32TQM_B08.tif"),
        (("embedding.tif", ["A00", "A01", "A02"]),),
        (("lags.tif", ["ndvi_lag1", "ndvi_lag2"]), ("sm.tif", ["sm@2018-06-10"])),
        ("dem.tif", "slope.tif", ("sm.tif", ["sm@2018-06-10"])),
    ],
)
def test_sound_inputs_give_no_warning(tell, names):
    assert not tell(*names)[1]
