"""Importing products through Processing: what people write into the fields, and what they get."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from qgis.PyQt.QtCore import QDateTime, Qt
from rasterio.transform import from_origin

SCENE = "LC08_L2SP_192029_{}_20200912_02_T1_{}.TIF"


@pytest.fixture
def landsat(tmp_path):
    """A folder of two scenes: red, near infrared and their quality, of which one cell is cloudy."""
    folder = tmp_path / "Aufnahmen über Größen"
    folder.mkdir()
    for date in ("20200710", "20200726"):
        for layer, values in (
            ("SR_B4", np.full((4, 6), 10000, np.uint16)),
            ("SR_B5", np.full((4, 6), 20000, np.uint16)),
            ("QA_PIXEL", np.where(np.arange(24).reshape(4, 6) == 0, 8, 64).astype(np.uint16)),
        ):
            with rasterio.open(
                folder / SCENE.format(date, layer),
                "w",
                driver="GTiff",
                width=6,
                height=4,
                count=1,
                dtype="uint16",
                crs="EPSG:32632",
                transform=from_origin(500000, 5000000, 30, 30),
            ) as dataset:
                dataset.write(values, 1)
    return folder


def bands(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def test_a_folder_with_its_report(run, landsat, tmp_path):
    from qgis.core import QgsProcessingFeedback

    feedback, report = QgsProcessingFeedback(), tmp_path / "report.html"
    done = run(
        "importproduct", feedback, FOLDER=str(landsat), OUTPUT=str(tmp_path / "résultat.tif"), REPORT=str(report)
    )
    found = bands(done["OUTPUT"])
    assert list(found) == [f"{name}@2020-07-{day}" for name in ("red", "nir") for day in (10, 26)]
    assert np.isnan(found["red@2020-07-10"][0, 0]) and found["nir@2020-07-26"][1, 1] == pytest.approx(0.35)
    assert done["DATES"] == 2 and done["MASKED_PERCENT"] == pytest.approx(100 / 24)
    text = report.read_text(encoding="utf-8")
    for words in ("Landsat Collection 2", "cloud", "SR_B4.TIF", "red@2020-07-10", "level recommended"):
        assert words in text
    assert "Masked cells" in feedback.textLog()


def test_files_extent_and_dates_as_text(run, landsat, tmp_path):
    files = sorted(str(path) for path in landsat.glob("*"))
    given = {"INPUT": files, "VARIABLES": " red , SR_B5", "LEVEL": "all", "OUTPUT": str(tmp_path / "o.tif")}
    # The two columns in the middle, in degrees.
    extent = "9.0008,9.0014,45.1528,45.1535 [EPSG:4326]"
    done = run("importproduct", **given, EXTENT=extent, START="2020-07-20", END="2020-07-26T00:00:00")
    found = bands(done["OUTPUT"])
    assert list(found) == ["red@2020-07-26", "nir@2020-07-26"] and done["MASKED_PERCENT"] == 0
    assert found["red@2020-07-26"].shape[1] < 6
    moment = QDateTime.fromString("2020-07-10T00:00:00", Qt.DateFormat.ISODate)
    assert run("importproduct", **given, START=moment, END=moment)["DATES"] == 1


def test_temporary_output_has_the_layers_name(run, landsat):
    done = run("importproduct", FOLDER=str(landsat), OUTPUT="TEMPORARY_OUTPUT")
    assert (len(bands(done["OUTPUT"])) == 4 and "REPORT" not in done) or not done.get("REPORT")


def test_refusals(refused, landsat, tmp_path):
    output = {"OUTPUT": str(tmp_path / "o.tif")}
    refused(
        "Neither 'Files' .INPUT. nor 'Folder' .FOLDER. is set. Choose files, or a folder", "importproduct", **output
    )
    refused(r"'Folder' \(FOLDER\): '.*none' is no folder", "importproduct", FOLDER=str(tmp_path / "none"), **output)
    given = {"FOLDER": str(landsat), **output}
    refused(r"\(EXTENT\): no file has cells there", "importproduct", **given, EXTENT="-80,-79,-10,-9 [EPSG:4326]")
    refused(r"\(START\) is 2020-08-01.*after .*\(END\)", "importproduct", **given, START="2020-08-01", END="2020-07-01")
    refused(r"\(START\), .*\(END\): no file is of these dates", "importproduct", **given, START="2021-08-01")
    refused(
        r"\(INPUT\): no file can be imported: .*among the variables that are asked",
        "importproduct",
        **given,
        VARIABLES="x",
    )
    refused("PRODUCT_TYPE|product smap_l3", "importproduct", **given, PRODUCT_TYPE="smap_l3")
    first = next(landsat.glob("*_SR_B4.TIF"))
    own = first.with_suffix(".tif")
    first.rename(own)
    refused("would overwrite the input", "importproduct", INPUT=[str(own)], OUTPUT=str(own))
    refused("is one of the files that are imported", "importproduct", FOLDER=str(landsat), OUTPUT=str(own))


def test_damaged_file_is_named_in_the_report(run, landsat, tmp_path):
    bad = sorted(landsat.glob("*_SR_B5.TIF"))[0]
    bad.write_bytes(bad.read_bytes()[:100])
    report = tmp_path / "r.html"
    done = run("importproduct", FOLDER=str(landsat), OUTPUT=str(tmp_path / "o.tif"), REPORT=str(report))
    assert list(bands(done["OUTPUT"])) == ["red@2020-07-10", "red@2020-07-26", "nir@2020-07-26"]
    assert Path(bad).name in report.read_text(encoding="utf-8").partition("Files that were skipped")[2]
