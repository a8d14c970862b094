"""Importing ISMN archives: what QGIS gets of them."""

import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime, QVariant

UTC = Qt.TimeSpec.UTC


def sensor_file(network, station, hours=48, start=datetime(2018, 5, 31), flags=("G",), values=None):
    """Return the path and text of a sensor's file in header+values."""
    times = [start + timedelta(hours=hour) for hour in range(hours)]
    lines = [
        f"{time:%Y/%m/%d %H:%M} {(0.2 + i / 1000) if values is None else values[i]:8.4f} {flags[i % len(flags)]} M"
        for i, time in enumerate(times)
    ]
    path = f"{network}/{station}/{network}_{network}_{station}_sm_0.050000_0.050000_Probe_20180101_20181231.stm"
    return path, "\n".join([f"{network} {network} {station} 45.50000 7.25000 300.00 0.05 0.05 Probe", *lines]) + "\n"


@pytest.fixture
def archive(tmp_path):
    """A function that writes sensor files into a zip."""

    def make(*files, name="archive.zip"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as target:
            for file, text in files or (sensor_file("NET", "Alpha"), sensor_file("NET", "Beta #1", flags=("G", "D03"))):
                target.writestr(file, text)
        return str(path)

    return make


def rows(layer):
    layer = layer if isinstance(layer, QgsVectorLayer) else QgsVectorLayer(layer, "out", "ogr")
    return [
        dict(zip(feature.fields().names(), feature.attributes())) | {"point": feature.geometry().asPoint()}
        for feature in layer.getFeatures()
    ]


def test_observations_as_they_are(run, archive):
    done = run("importismn", INPUT=archive(), OUTPUT="TEMPORARY_OUTPUT")
    found = rows(done["OUTPUT"])
    assert len(found) == 72 == done["OBSERVATIONS"] and done["STATIONS"] == 2
    assert (
        done["OUTPUT"].fields().field("time").type() == QVariant.DateTime
        and done["OUTPUT"].crs().authid() == "EPSG:4326"
    )
    first = found[0]
    assert (
        first["time"] == QDateTime(QDate(2018, 5, 31), QTime(0, 0), UTC)
        and first["value"] == 0.2
        and first["count"] == 1
        and first["unit"] == "m³ m⁻³"
    )
    assert (first["network"], first["station"], first["station_id"], first["sensor"]) == (
        "NET",
        "Alpha",
        "NET/Alpha",
        "Probe",
    )
    assert (first["point"].x(), first["point"].y(), first["lat"], first["lon"], first["elevation"]) == (
        7.25,
        45.5,
        45.5,
        7.25,
        300,
    )
    assert not first["land_cover"] and not first["sand"]
    assert [row["station"] for row in found] == ["Alpha"] * 48 + ["Beta #1"] * 24


@pytest.mark.parametrize(
    ("period", "kind", "times"),
    [
        ("day", QVariant.Date, [QDate(2018, 5, 31), QDate(2018, 6, 1)]),
        ("month", QVariant.String, ["2018-05", "2018-06"]),
    ],
)
def test_means_have_times_that_the_other_tools_read(run, archive, write_raster, tmp_path, period, kind, times):
    out = str(tmp_path / f"{period}.gpkg")
    run("importismn", INPUT=archive(), PERIOD=period, MIN_COUNT=24, OUTPUT=out, REPORT=str(tmp_path / "r.html"))
    found = rows(out)
    assert QgsVectorLayer(out, "o", "ogr").fields().field("time").type() == kind
    assert [(row["station"], row["time"], row["count"]) for row in found] == [("Alpha", time, 24) for time in times]
    assert [row["value"] for row in found] == pytest.approx([0.2115, 0.2355])
    assert (tmp_path / "r.html").stat().st_size > 10_000
    bands = write_raster(
        "ndvi.tif",
        [[[0.5]], [[0.6]]],
        [
            f"ndvi@{'2018-05' if period == 'month' else '2018-05-31'}",
            f"ndvi@{'2018-06' if period == 'month' else '2018-06-01'}",
        ],
        crs="EPSG:4326",
        origin=(7, 46),
        cell=1,
    ).path
    sampled = run(
        "samplepredictors",
        STATIONS=out,
        STATION="station_id",
        TIME="time",
        PREDICTORS=[bands],
        OUTPUT="TEMPORARY_OUTPUT",
    )
    assert [row["ndvi"] for row in rows(sampled["OUTPUT"])] == pytest.approx([0.5, 0.6])


def test_folders_and_paths_with_accents(run, archive, tmp_path):
    zipped = archive(name="Données été/archive #1.zip")
    for source in (zipped, str(tmp_path / "Données été")):
        assert run("importismn", INPUT=source, OUTPUT="TEMPORARY_OUTPUT")["OBSERVATIONS"] == 72
    with zipfile.ZipFile(zipped) as content:
        content.extractall(tmp_path / "unpacked")
    done = run(
        "importismn", INPUT=str(tmp_path / "unpacked"), FLAGS="", SENSORS="mean", OUTPUT=str(tmp_path / "résultat.gpkg")
    )
    assert done["OBSERVATIONS"] == 96


def test_start_and_end(run, archive):
    def times(**limits):
        return [
            row["time"]
            for row in rows(
                run("importismn", INPUT=archive(sensor_file("NET", "Alpha")), OUTPUT="TEMPORARY_OUTPUT", **limits)[
                    "OUTPUT"
                ]
            )
        ]

    assert len(times(START=QDateTime(QDate(2018, 6, 1), QTime(5, 0)))) == 19
    assert times(START="2018-05-31T22:00:00", END="2018-05-31T23:00:00") == [
        QDateTime(QDate(2018, 5, 31), QTime(hour, 0), UTC) for hour in (22, 23)
    ]
    assert len(times(END="2018-05-31")) == 24, "a day is meant whole"
    assert len(times(END=QDateTime(QDate(2018, 5, 31), QTime(12, 0), UTC))) == 13


def test_the_log_tells_what_was_skipped(run, archive):
    feedback = QgsProcessingFeedback()
    run(
        "importismn",
        feedback,
        INPUT=archive(sensor_file("NET", "Alpha"), (sensor_file("NET", "Bad")[0], "")),
        OUTPUT="TEMPORARY_OUTPUT",
    )
    assert "1 files were skipped" in feedback.textLog() and "it is empty" in feedback.textLog()
    assert "48 rows of 1 sensors at 1 stations, from 48 observations" in feedback.textLog()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"FLAGS": "G,X1"}, r"\(FLAGS\) names X1, which ISMN does not have\. Valid are: C01"),
        (
            {"VARIABLE": "snow_depth"},
            r"no sensor of snow_depth\. The variables it has, with the number of files: soil_moisture \(2\)",
        ),
        ({"DEPTH_FROM": 0.5, "DEPTH_TO": 1}, r"The depths it has .*0\.05–0\.05 \(2\)"),
        ({"FLAGS": "D05"}, r"The flags it has: G \(72\), D03 \(24\)"),
        ({"START": "2020-01-01"}, r"it has 2018-05-31T00:00:00 to 2018-06-01T23:00:00"),
        ({"PERIOD": "day", "MIN_COUNT": 25}, "has 25 observations"),
        ({"START": "soon"}, "START"),
    ],
)
def test_nothing_fits(refused, archive, tmp_path, changes, words):
    refused(
        words,
        "importismn",
        INPUT=archive(),
        OUTPUT=str(tmp_path / "o.gpkg"),
        REPORT=str(tmp_path / "r.html"),
        **changes,
    )


def test_no_archive(refused, archive, tmp_path):
    outputs = {"OUTPUT": str(tmp_path / "o.gpkg")}
    refused("does not exist", "importismn", INPUT=str(tmp_path / "none.zip"), **outputs)
    refused(r"holds no \.stm files", "importismn", INPUT=archive(("readme.txt", "hello")), **outputs)
    path = Path(archive())
    path.write_bytes(path.read_bytes()[:-40])
    refused("download it again", "importismn", INPUT=str(path), **outputs)


def test_shapefiles_are_refused(refused, archive, tmp_path):
    refused("a Shapefile cuts the names", "importismn", INPUT=archive(), OUTPUT=str(tmp_path / "o.shp"))


class CancelAt(QgsProcessingFeedback):
    """Cancels once the work has come so far."""

    def __init__(self, percent):
        super().__init__()
        self.progressChanged.connect(lambda progress: self.cancel() if progress >= percent else None)


@pytest.mark.parametrize("percent", [1, 62])
def test_cancel_leaves_nothing(plugin, archive, leftovers, tmp_path, percent):
    """While reading, and while writing the layer."""
    path = archive(*(sensor_file("NET", f"S{number}", hours=3000) for number in range(6)))
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("smtoolbox:importismn")
    feedback = CancelAt(percent)
    results, _ = algorithm.run({"INPUT": path, "OUTPUT": str(tmp_path / "o.gpkg")}, QgsProcessingContext(), feedback)
    assert results == {} and feedback.isCanceled() and leftovers() == ["archive.zip"]


def test_input_is_needed(run):
    with pytest.raises(QgsProcessingException, match="INPUT"):
        run("importismn", OUTPUT="TEMPORARY_OUTPUT")
