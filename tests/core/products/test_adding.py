"""Imports to which new files are added: equal to one import of all, without reading what is there."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.products import importing
from sm_toolbox.products.importing import Request, import_product
from sm_toolbox.raster.appending import read_earlier
from sm_toolbox.raster.choice import driver

from .conftest import FILL, SMAP_CELL, degrees, time_axis, write_arrays

AM = np.array([[0.1, 0.2, FILL], [0.3, 0.4, 0.5]], np.float32)
SECONDS, DAY = 481_140_000.0, 86400
UPDATE = Request(update=True)


@pytest.fixture
def arrive(smap):
    """A function with which the SMAP file of a day of April 2015 arrives in a folder."""

    def file(day, folder="in", am=AM, pm=AM[::-1], **more):
        name = f"{folder}/SMAP_L3_SM_P_201504{day:02}_R19240_001.h5"
        return smap(name, am, pm, **{"seconds": SECONDS + (day - 1) * DAY, **more})

    return file


def held(path):
    found = {}
    for band in read_earlier(str(path), "importproduct").bands:
        with rasterio.open(band.source.path) as dataset:
            found[band.name] = dataset.read(band.index).view(np.uint32)
    return found


@pytest.mark.parametrize("ending", [".tif", ".nc"])
@pytest.mark.parametrize("overpass", ["both", "am", "mean"])
def test_file_by_file_equals_all_at_once(arrive, tmp_path, ending, overpass):
    folder, out, once = str(tmp_path / "in"), str(tmp_path / f"out{ending}"), str(tmp_path / f"once{ending}")
    request = Request(overpass=overpass, update=True)
    counts = []
    # The second day comes last.
    for day in (1, 3, 2):
        arrive(day)
        counts.append(len(import_product([folder], out, request).bands))
    import_product([folder], once, Request(overpass=overpass))
    expected, found = held(once), held(out)
    assert list(found) == list(expected) and counts == [len(expected) // 3] * 3
    for name, bits in expected.items():
        np.testing.assert_array_equal(found[name], bits, err_msg=name)
    both = [read_earlier(path, "importproduct") for path in (out, once)]
    assert both[0].units == both[1].units == {"soil_moisture": "m3 m-3"} and both[0].grid.same_as(both[1].grid)
    history = both[0].tags["history"].splitlines()
    assert [line.rpartition(" from ")[2] for line in history] == [
        f"SMAP_L3_SM_P_2015040{day}_R19240_001.h5" for day in (1, 3, 2)
    ]


def test_files_of_before_are_not_read_and_need_not_be_there(arrive, tmp_path, monkeypatch):
    out = str(tmp_path / "out.tif")
    import_product([arrive(1), arrive(2)], out, UPDATE)
    read = []
    read_block = importing.read_block
    monkeypatch.setattr(
        importing, "read_block", lambda files, band, *rest: read.append(band.name) or read_block(files, band, *rest)
    )
    import_product([arrive(1), arrive(2), arrive(3)], out, UPDATE)
    assert read == ["soil_moisture@2015-04-03T05:58:55", "soil_moisture@2015-04-03T17:58:55"]
    # Only the newest file, and one of noon to noon that would be known by its day alone.
    wide = arrive(4, "alone", seconds=SECONDS + 3 * DAY)
    import_product([wide], out, UPDATE)
    assert len(held(out)) == 8


def test_several_variables_stay_together_in_the_order_of_dates(write_raster, tmp_path):
    names = [f"MOD13Q1.A2020{day:03}.h18v04.061.2020{day:03}000000" for day in (1, 17)]
    for name in names:
        for layer, value in (("250m 16 days NDVI", 5000), ("250m 16 days EVI", 3000)):
            write_raster(
                f"{name[9:16]}/MOD13Q1.061__{layer.replace(' ', '_')}_doy{name[9:16]}_aid0001.tif",
                np.full((1, 4, 4), value),
                dtype="int16",
                nodata=-3000,
            )
    out = str(tmp_path / "out.nc")
    for request in (Request(variables=("ndvi", "evi"), level="all", update=True),):
        import_product([str(tmp_path / "2020001")], out, request)
        import_product([str(tmp_path / "2020001"), str(tmp_path / "2020017")], out, request)
    earlier = read_earlier(out, "importproduct")
    found = [band.name for band in earlier.bands]
    assert sorted(found) == sorted(f"{v}@2020-01-{d}" for v in ("ndvi", "evi") for d in ("01", "17"))
    assert {band.time.days for band in earlier.bands} == {16}


def test_nothing_new_leaves_the_file_alone(arrive, tmp_path, progress):
    out = tmp_path / "out.tif"
    files = [arrive(1), arrive(2)]
    import_product(files, str(out), UPDATE)
    os.utime(out, (10**9, 10**9))
    done = import_product(files, str(out), UPDATE, progress)
    assert done.bands == [] and done.dates == 0 and out.stat().st_mtime == 10**9 and "Nothing new" in progress.infos[-1]
    nothing_left = arrive(3, am=np.full_like(AM, FILL), pm=np.full_like(AM, FILL))
    assert import_product([*files, nothing_left], str(out), UPDATE, progress).bands == []
    assert "Nothing was added" in progress.warnings[-1] and out.stat().st_mtime == 10**9


def test_a_file_that_is_still_on_its_way_is_waited_for(arrive, tmp_path, progress):
    folder, out = tmp_path / "in", str(tmp_path / "out.tif")
    arrive(1)
    import_product([str(folder)], out, UPDATE)
    whole = arrive(2, am=np.tile(AM, (40, 40)), pm=np.tile(AM, (40, 40)))
    shutil.copy(whole, tmp_path / "whole.h5")
    Path(whole).write_bytes(Path(whole).read_bytes()[:-20000])
    import_product([str(folder)], out, UPDATE, progress)
    assert len(held(out)) == 2
    arrive(2)
    import_product([str(folder)], out, UPDATE, progress)
    assert len(held(out)) == 4


def test_a_file_that_comes_late_for_its_date_is_named(arrive, tmp_path, progress):
    out = str(tmp_path / "out.tif")
    first = arrive(1)
    import_product([first], out, UPDATE)
    late = shutil.copy(first, first.replace("_001.h5", "_002.h5"))
    done = import_product([first, late], out, UPDATE, progress)
    assert (
        done.bands == [] and "1 files are of dates that" in progress.warnings[-1] and "_002.h5" in progress.warnings[-1]
    )


def test_an_interrupted_update_leaves_the_old_file(arrive, tmp_path, cancelling, monkeypatch, leftovers):
    out = tmp_path / "out.tif"
    import_product([arrive(1)], str(out), UPDATE)
    files = [arrive(1), arrive(2)]
    before, there = out.read_bytes(), leftovers()
    with pytest.raises(Cancelled):
        import_product(files, str(out), UPDATE, cancelling(1))
    monkeypatch.setattr(importing, "settle", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_product(files, str(out), UPDATE)
    assert out.read_bytes() == before and leftovers() == there


def test_refuses_what_does_not_go_with_the_output(arrive, smap, write_raster, tmp_path):
    out = str(tmp_path / "out.tif")
    files = [arrive(1), arrive(2)]
    import_product(files[:1], out, UPDATE)
    with pytest.raises(InputError, match="made with `level` recommended, and now it is strict"):
        import_product(files, out, Request(level="strict", update=True))
    with pytest.raises(InputError, match="made with `overpass` both, and now it is mean"):
        import_product(files, out, Request(overpass="mean", update=True))
    with pytest.raises(InputError, match=r"holds soil_moisture, and would now get .*retrieval_qual_flag"):
        import_product(files, out, Request(variables=("soil_moisture", "retrieval_qual_flag"), update=True))
    fine = smap("SMAP_L3_SM_P_E_20150402_R19240_001.h5", np.full((8, 12), 0.25), row=400, column=2000, factor=4)
    with pytest.raises(InputError, match=r"the files do not lie on the grid of .*out.tif' \("):
        import_product([fine], out, UPDATE)
    with pytest.raises(InputError, match=r"\(they reach beyond it\). Give the `extent`"):
        import_product([arrive(3, column=505)], out, UPDATE)
    foreign = write_raster("foreign.tif", np.zeros((2, 2)), ["soil_moisture@2015-04-01"])
    with pytest.raises(InputError, match="was not made by this algorithm"):
        import_product(files, foreign.path, UPDATE)


def test_an_extent_is_kept(arrive, tmp_path):
    out = str(tmp_path / "out.tif")
    first = arrive(1)
    import_product([first], str(tmp_path / "all.tif"))
    with rasterio.open(tmp_path / "all.tif") as dataset:
        box = dataset.bounds
    west = (box.left + 1, box.bottom + 1, box.left + 2 * SMAP_CELL - 1, box.top - 1), driver().crs(6933)
    import_product([first], out, Request(extent=west, update=True))
    import_product([first, arrive(2)], out, Request(extent=west, update=True))
    assert {bits.shape for bits in held(out).values()} == {(2, 2)} and len(held(out)) == 4


@pytest.mark.parametrize("ending", [".tif", ".nc"])
def test_a_midnight_that_came_first_is_known_among_moments(tmp_path, ending):
    out = str(tmp_path / f"out{ending}")

    def gldas(hour):
        arrays = {
            **degrees([45.0, 45.25], [9.0, 9.25]),
            **time_axis([hour * 60], "minutes since 2020-07-01 00:00:00"),
            "/SoilMoi0_10cm_inst": (
                np.full((1, 2, 2), 20.0 + hour, np.float32),
                ("time", "lat", "lon"),
                {"units": "kg m-2", "fill": FILL},
            ),
        }
        return write_arrays(tmp_path / f"GLDAS_NOAH025_3H.A20200701.{hour:02}00.021.nc4", arrays)

    files = [gldas(0)]
    import_product(files, out, UPDATE)
    files += [gldas(3), gldas(6)]
    assert len(import_product(files, out, UPDATE).bands) == 2
    import_product(files, str(tmp_path / f"once{ending}"))
    found, expected = held(out), held(tmp_path / f"once{ending}")
    assert list(found) == list(expected) and len(expected) == 3
    for name, bits in expected.items():
        np.testing.assert_array_equal(found[name], bits)
