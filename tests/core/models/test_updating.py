"""Maps to which dates are added: equal to one run on everything, and whole whatever happens."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

import sm_toolbox.files
from sm_toolbox.errors import Cancelled, InputError, OutputError
from sm_toolbox.models import prediction
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.catalogue import LEARNERS, make_estimator
from sm_toolbox.models.learners.quantileforest import QuantileForest
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.planes import Wanted
from sm_toolbox.models.prediction import predict_raster
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.models.training import train
from sm_toolbox.raster.appending import read_earlier
from sm_toolbox.raster.request import Engine
from sm_toolbox.raster.times import parse_dates

DATES = ["2020-06-01", "2020-06-09", "2020-06-17", "2020-06-25"]
FILES = ("map", "quantiles", "applicability", "error", "source")


def model_of(*names, estimator=None, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((200, len(names)))
    y = x @ np.arange(1, len(names) + 1) + rng.normal(0, 0.05, 200)
    table = TrainingTable(Roles("sm", names), x, y, np.arange(200))
    return train(table, estimator or QuantileForest(9), make_split("random", 2)).model


@pytest.fixture(scope="module")
def model():
    return model_of("dem", "ndvi")


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(5)
    dem, ndvi = rng.random((70, 90)), rng.random((4, 70, 90))
    ndvi[1, :, 20:30] = np.nan
    return dem, ndvi


@pytest.fixture
def night(write_raster, cells, tmp_path):
    """A function that gives the rasters that are there when some of the dates have arrived."""

    def rasters(*places):
        names = [f"ndvi@{DATES[place]}" for place in places]
        return [
            write_raster("dem.tif", cells[0], ["dem"]),
            write_raster(f"ndvi{'_'.join(map(str, places))}.tif", cells[1][list(places)], names),
        ]

    return rasters


def wanted(folder, ending, **more):
    quantiles, applicability, error, source = (str(folder / f"{name}{ending}") for name in FILES[1:])
    return Wanted(
        quantiles, (0.05, 0.95), applicability, source=source, error=error, update=True, **{"dates": None, **more}
    )


def everything(folder, ending):
    """Return names and stored bits of all bands of all outputs."""
    found = {}
    for name in FILES:
        earlier = read_earlier(str(folder / f"{name}{ending}"), "predictraster")
        for band in earlier.bands:
            with rasterio.open(band.source.path) as dataset:
                found[name, band.name] = dataset.read(band.index).view(np.uint32)
    return found


@pytest.mark.parametrize("ending", [".tif", ".nc"])
def test_three_nights_equal_one_run_bit_for_bit(model, night, tmp_path, ending, progress):
    once, nightly = tmp_path / "once", tmp_path / "nightly"
    once.mkdir()
    nightly.mkdir()
    predict_raster(model, night(0, 1, 2, 3), str(once / f"map{ending}"), wanted=wanted(once, ending))
    made = []
    # The third night brings an earlier date than the second.
    for places in ((0,), (0, 3), (0, 1, 2, 3)):
        engine = Engine(progress=progress)
        result = predict_raster(
            model, night(*places), str(nightly / f"map{ending}"), wanted=wanted(nightly, ending), engine=engine
        )
        made.append([name.rpartition("@")[2] for name in result.bands])
    assert made == [[DATES[0]], [DATES[3]], [DATES[1], DATES[2]]]
    expected, found = everything(once, ending), everything(nightly, ending)
    assert list(found) == list(expected) and len(found) == 4 * (1 + 2 + 2 + 1 + 1)
    for key, bits in expected.items():
        np.testing.assert_array_equal(found[key], bits, err_msg=str(key))
    assert "holds 2 dates, which stay as they are. Added: 2020-06-09, 2020-06-17." in " ".join(progress.infos)
    history = read_earlier(str(nightly / f"error{ending}"), "predictraster").tags["history"].splitlines()
    assert [line.partition("predictraster: ")[2] for line in history] == [
        "2020-06-01 from dem.tif, ndvi0.tif",
        "2020-06-25 from dem.tif, ndvi0_3.tif",
        "2020-06-09, 2020-06-17 from dem.tif, ndvi0_1_2_3.tif",
    ]


def test_only_missing_dates_are_predicted(model, night, tmp_path, monkeypatch):
    path, dates, lock = str(tmp_path / "map.tif"), [], threading.Lock()
    predict_date = prediction._predict_date

    def counted(*given):
        with lock:
            dates.append(1)
        predict_date(*given)

    predict_raster(model, night(0, 1, 2), path, wanted=Wanted(update=True))
    monkeypatch.setattr(prediction, "_predict_date", counted)
    predict_raster(model, night(0, 1, 2, 3), path, wanted=Wanted(update=True))
    assert len(dates) == 1, "one block, one date"


def test_nothing_new_leaves_the_file_alone(model, night, tmp_path, progress, leftovers):
    path = tmp_path / "map.tif"
    engine = Engine(progress=progress)
    predict_raster(model, night(0, 1), str(path), wanted=Wanted(update=True))
    os.utime(path, (10**9, 10**9))
    before = leftovers()
    for asked in (None, parse_dates(DATES[1])):
        result = predict_raster(model, night(0, 1), str(path), wanted=Wanted(update=True, dates=asked), engine=engine)
        assert result.bands == []
    # A date that the map holds need not have its predictors any more.
    asked = parse_dates(f"{DATES[0]}, {DATES[3]}")
    assert path.stat().st_mtime == 10**9 and leftovers() == before
    assert "Nothing new" in progress.infos[-1]
    result = predict_raster(model, night(3), str(path), max_gap_days=1, wanted=Wanted(update=True, dates=asked))
    assert result.bands == [f"soil_moisture@{DATES[3]}"]


def test_a_date_without_a_value_is_tried_again(model, night, cells, write_raster, tmp_path, progress):
    path = str(tmp_path / "map.tif")
    update = Wanted(update=True)
    predict_raster(model, night(0), path, wanted=update)
    clouds = write_raster("clouds.tif", np.full((1, 70, 90), np.nan), [f"ndvi@{DATES[1]}"])
    before = Path(path).read_bytes()
    dem, first = night(0)
    sources, engine = [dem, first, clouds], Engine(progress=progress)
    assert predict_raster(model, sources, path, wanted=update, engine=engine).bands == []
    assert "No cell has data in all predictors on 2020-06-09" in progress.warnings[-1]
    assert Path(path).read_bytes() == before
    result = predict_raster(model, [*sources, night(2)[1]], path, wanted=update, engine=engine)
    assert result.bands == [f"soil_moisture@{DATES[2]}"] and result.coverage == 1
    assert "on 2020-06-09: not in the map" in progress.warnings[-1]
    assert predict_raster(model, night(0, 1, 2), path, wanted=update).bands == [f"soil_moisture@{DATES[1]}"]
    # From the first run on; without an update it is a band without values.
    for is_update, count in ((True, 1), (False, 2)):
        once = str(tmp_path / f"{is_update}.tif")
        predict_raster(model, sources, once, wanted=Wanted(update=is_update))
        with rasterio.open(once) as dataset:
            assert dataset.count == count


def _cancelled(model, night, path, cancelling, monkeypatch):
    predict_raster(model, night(0, 1), path, wanted=Wanted(update=True), engine=Engine(progress=cancelling(3)))


def _cancelled_while_copying(model, night, path, cancelling, monkeypatch):
    progress = cancelling()
    progress.set_fraction = lambda fraction: setattr(progress, "_left", 0 if fraction > 0.5 else None)
    predict_raster(model, night(0, 1), path, wanted=Wanted(update=True), engine=Engine(progress=progress))


def _with_a_fault(model, night, path, cancelling, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(prediction, "_predict_date", broken)
    predict_raster(model, night(0, 1), path, wanted=Wanted(update=True))


def _on_a_full_disk(model, night, path, cancelling, monkeypatch):
    class Usage:
        free = 100

    monkeypatch.setattr("sm_toolbox.raster.outputs.shutil.disk_usage", lambda _: Usage)
    predict_raster(model, night(0, 1), path, wanted=Wanted(update=True))


def _while_another_program_has_it_open(model, night, path, cancelling, monkeypatch):
    """As on Windows."""

    def refused(_, final):
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    monkeypatch.setattr(sm_toolbox.files.os, "replace", refused)
    predict_raster(model, night(0, 1), path, wanted=Wanted(update=True))


@pytest.mark.parametrize(
    ("interrupted", "error", "words"),
    [
        (_cancelled, Cancelled, None),
        (_cancelled_while_copying, Cancelled, None),
        (_with_a_fault, ZeroDivisionError, None),
        (_on_a_full_disk, OutputError, "Nothing was kept"),
        (_while_another_program_has_it_open, OutputError, "remove the layer from the project"),
    ],
)
@pytest.mark.parametrize("ending", [".tif", ".nc"])
def test_an_interrupted_update_leaves_the_old_map_whole(
    model, night, tmp_path, cancelling, monkeypatch, leftovers, interrupted, error, words, ending
):
    path = tmp_path / f"map{ending}"
    predict_raster(model, night(0), str(path), wanted=Wanted(update=True))
    night(0, 1)
    before, files = path.read_bytes(), leftovers()
    with pytest.raises(error, match=words):
        interrupted(model, night, str(path), cancelling, monkeypatch)
    assert path.read_bytes() == before and leftovers() == files


_KILLED = """
import os, sys
from sm_toolbox.models.modelfile import load_model
from sm_toolbox.models import prediction
from sm_toolbox.models.planes import Wanted
from sm_toolbox.raster import writing
from sm_toolbox.raster.opening import Source

writing._copy = lambda *_: os._exit(9)
model, output, *sources = sys.argv[1:]
prediction.predict_raster(load_model(model), [Source(path) for path in sources], output, wanted=Wanted(update=True))
"""


def test_a_killed_update_leaves_the_old_map_whole_and_the_next_one_goes_on(model, night, tmp_path):
    path = tmp_path / "map.tif"
    save_model(model, str(tmp_path / "m.smmodel"))
    predict_raster(model, night(0), str(path), wanted=Wanted(update=True))
    before, sources = path.read_bytes(), night(0, 1)
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "m.smmodel"), str(path), *(each.path for each in sources)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 9
    assert path.read_bytes() == before
    assert predict_raster(model, sources, str(path), wanted=Wanted(update=True)).bands == [f"soil_moisture@{DATES[1]}"]


def test_refuses_what_does_not_belong_to_the_map(model, night, write_raster, tmp_path):
    folder = tmp_path
    path = str(folder / "map.tif")
    update = wanted(folder, ".tif")
    predict_raster(model, night(0), path, wanted=update)
    other = model_of("dem", "ndvi", seed=1)
    rasters = night(0, 1)
    with pytest.raises(InputError, match=r"made with `model` quantile_forest 20\d\d-.* and now it is quantile_f"):
        predict_raster(other, rasters, path, wanted=update)
    with pytest.raises(InputError, match=r"made with `fallback` none, and now it is"):
        predict_raster(model, rasters, path, fallback=model_of("dem"), wanted=update)
    with pytest.raises(
        InputError, match=r"holds soil_moisture_q05, soil_moisture_q95, and would now get soil_mo\w+_q50"
    ):
        predict_raster(model, rasters, path, wanted=replace(update, levels=(0.5,)))
    wide = write_raster("wide.tif", np.zeros((60, 90)), ["x"])
    with pytest.raises(InputError, match="lies on another grid than `grid`.*Leave `grid` empty"):
        predict_raster(model, rasters, path, grid=wide, wanted=update)
    with pytest.raises(InputError, match=r"map.tif' is there with 1 dates, but '.*new.tif' is not"):
        predict_raster(model, rasters, path, wanted=replace(update, source=str(folder / "new.tif")))
    (folder / "source.tif").unlink()
    predict_raster(model, night(1), str(folder / "x.tif"), wanted=Wanted(source=str(folder / "source.tif")))
    with pytest.raises(InputError, match=r"do not belong together: only one has 2020-06-0"):
        predict_raster(model, rasters, path, wanted=update)
    with pytest.raises(InputError, match=r"dem.tif' was not made by this algorithm \(what, its metadata do not say\)"):
        predict_raster(model, rasters, str(tmp_path / "dem.tif"), wanted=Wanted(update=True))
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0")
    with pytest.raises(InputError, match="nothing can be added to the output"):
        predict_raster(model, rasters, str(broken), wanted=Wanted(update=True))
    still, of_dem = str(tmp_path / "still.tif"), model_of("dem")
    predict_raster(of_dem, [night(0)[0]], still, wanted=Wanted(update=True))
    assert predict_raster(of_dem, [night(0)[0]], still, wanted=Wanted(update=True)).bands == []


def test_without_a_grid_that_of_the_map_is_taken(model, night, write_raster, cells, tmp_path):
    path = str(tmp_path / "map.tif")
    dem, ndvi = night(0)
    predict_raster(model, [dem, ndvi], path, wanted=Wanted(update=True))
    fine = np.repeat(np.repeat(cells[1][1:2], 2, axis=1), 2, axis=2)
    finer = write_raster("finer.tif", fine, [f"ndvi@{DATES[1]}"], cell=15.0)
    result = predict_raster(model, [finer, dem], path, wanted=Wanted(update=True))
    with rasterio.open(path) as dataset:
        assert dataset.shape == (70, 90) and dataset.count == 2 and len(result.bands) == 1


# An LSTM needs sequences; its arrays are kept as those of the others.
@pytest.mark.parametrize("kind", [kind for kind in LEARNERS if kind != "lstm"])
def test_a_model_file_has_the_mark_of_its_model(kind, tmp_path):
    model = model_of("dem", "ndvi", estimator=make_estimator(kind, ""))
    save_model(model, str(tmp_path / "m.smmodel"))
    assert load_model(str(tmp_path / "m.smmodel")).mark == model.mark
    assert model_of("dem", "ndvi", estimator=make_estimator(kind, ""), seed=1).mark != model.mark


@pytest.mark.parametrize("ending", [".tif", ".nc"])
def test_a_midnight_that_stood_for_a_day_is_known_among_moments(write_raster, cells, tmp_path, ending):
    path, model = str(tmp_path / f"map{ending}"), model_of("ndvi")
    hours = ["2020-06-01T00:00:00", "2020-06-01T03:00:00"]
    first = write_raster("first.tif", cells[1][:1], ["ndvi@2020-06-01"])
    predict_raster(model, [first], path, wanted=Wanted(update=True))
    both = write_raster("both.tif", cells[1][:2], [f"ndvi@{hour}" for hour in hours])
    result = predict_raster(model, [both], path, wanted=Wanted(update=True))
    assert result.bands == [f"soil_moisture@{hours[1]}"]
    assert [band.name for band in read_earlier(path, "predictraster").bands] == [f"soil_moisture@{h}" for h in hours]
