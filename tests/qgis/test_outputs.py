"""Outputs and inputs that lie in one file: tables of a GeoPackage, rasters within a file."""

import shutil

import numpy as np
import pytest

FIELDS = [("station", "string"), ("time", "date"), ("sm", "double")]


def tables(path):
    """Names of the tables of a file, with their rows."""
    from osgeo import ogr

    dataset = ogr.Open(str(path))
    return {
        layer.GetName(): layer.GetFeatureCount()
        for layer in (dataset.GetLayer(i) for i in range(dataset.GetLayerCount()))
    }


def table_in(path, name):
    """An output as 'Save to GeoPackage…' names it."""
    return f"ogr:dbname='{path}' table=\"{name}\" (geom)"


@pytest.fixture
def stations(run, point_layer, tmp_path):
    """A GeoPackage with the tables `stations` and `others`."""
    path = tmp_path / "it's all.gpkg"
    rows = [(500015 + 30 * i, 3999985, f"s{i % 3}", f"2020-06-{1 + i:02d}", 0.1 + 0.01 * i) for i in range(6)]
    layer = point_layer(FIELDS, rows)
    import processing

    processing.run("native:savefeatures", {"INPUT": layer, "OUTPUT": str(path), "LAYER_NAME": "stations"})
    run(
        "aggregatestations",
        INPUT=layer,
        STATION="station",
        TIME="time",
        VALUE="sm",
        PERIOD="month",
        OUTPUT=table_in(str(path).replace("'", "\\'"), "others"),
    )
    assert tables(path) == {"stations": 6, "others": 3}
    return path


def means(path, **changes):
    return {"INPUT": str(path), "STATION": "station", "TIME": "time", "VALUE": "sm", "PERIOD": "month", **changes}


@pytest.mark.parametrize("given", ["", "|layername=stations"])
def test_a_table_is_not_written_over_its_own_rows(run, stations, given):
    from qgis.core import QgsProcessingException

    quoted = str(stations).replace("'", "\\'")
    for output in (str(stations), table_in(quoted, "stations"), table_in(quoted, "STATIONS")):
        with pytest.raises(QgsProcessingException, match=r"\(OUTPUT\) would overwrite the input .*\(INPUT\)"):
            run("aggregatestations", **means(f"{stations}{given}", OUTPUT=output))
    assert tables(stations) == {"stations": 6, "others": 3}
    run("aggregatestations", **means(f"{stations}{given}", OUTPUT=table_in(quoted, "more")))
    assert tables(stations) == {"stations": 6, "others": 3, "more": 3}


def test_a_raster_within_a_file_is_not_overwritten(refused, run, point_layer, write_raster, tmp_path):
    grid = write_raster("ndvi.tif", np.ones((2, 4, 5)), ["ndvi@2020-06-01", "ndvi@2020-06-02"]).path
    path = tmp_path / "record.nc"
    run("temporalgapfill", INPUT=[grid], METHOD="linear", OUTPUT=str(path))
    named = f'NETCDF:"{path}":ndvi'
    before = path.read_bytes()
    refused(
        r"\(OUTPUT\) would overwrite the input .*\(INPUT\)",
        "temporalstatistics",
        INPUT=[named],
        STATISTICS=["mean"],
        OUTPUT=str(path),
    )
    assert path.read_bytes() == before
    # It is read where the output is another.
    run("temporalstatistics", INPUT=[named], STATISTICS=["mean"], OUTPUT=str(tmp_path / "mean.tif"))
    points = point_layer(FIELDS, [(500015, 3999985, "s", "2020-06-01", 0.2)])
    found = run("samplepredictors", STATIONS=points, TIME="time", PREDICTORS=[named], OUTPUT="memory:")["OUTPUT"]
    assert [feature["ndvi"] for feature in found.getFeatures()] == [1]


def test_a_raster_within_a_file_may_be_the_grid(run, write_raster, tmp_path):
    path = tmp_path / "grid.gpkg"
    from osgeo import gdal

    gdal.Translate(
        str(path),
        write_raster("a.tif", np.ones((4, 5)), ["a"], dtype="uint8").path,
        format="GPKG",
        creationOptions=["RASTER_TABLE=grid"],
    )
    fine = write_raster("fine.tif", np.ones((40, 50)), ["fine"], cell=3.0).path
    done = run(
        "alignrasters", INPUT=[fine], GRID=f"GPKG:{path}:grid", RESAMPLING="average", OUTPUT=str(tmp_path / "out.tif")
    )
    import rasterio

    with rasterio.open(done["OUTPUT"]) as dataset:
        assert dataset.shape == (4, 5)


def test_cancel_leaves_the_other_tables_and_no_part_of_its_own(plugin, stations, point_layer):
    from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingFeedback

    days = [f"2020-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]
    layer = point_layer(FIELDS, [(500015 + i, 3999985, f"s{i}", day, 0.2) for i in range(30) for day in days])

    class CancelWhileWriting(QgsProcessingFeedback):
        """Cancels once rows are being written, beside the file."""

        asked = False

        def isCanceled(self):
            if not self.asked and any(stations.parent.glob(".smtoolbox-*/*.gpkg")):
                self.asked = True
                self.cancel()
            return super().isCanceled()

    feedback = CancelWhileWriting()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("smtoolbox:aggregatestations")
    output = table_in(str(stations).replace("'", "\\'"), "begun")
    results, _ = algorithm.run(
        {**means(""), "INPUT": layer, "PERIOD": "day", "OUTPUT": output}, QgsProcessingContext(), feedback
    )
    assert feedback.asked and results == {} and tables(stations) == {"stations": 6, "others": 3}
    assert not list(stations.parent.glob(".smtoolbox-*"))


def test_tables_that_cannot_be_written_are_refused_before_the_work(
    refused, run, point_layer, write_raster, stations, tmp_path
):
    missing = str(tmp_path / "no folder" / "p.gpkg")
    rows = [(500015 + 30 * i, 3999985, f"s{i % 6}", f"2020-06-{1 + i % 28:02d}", 0.1 + 0.01 * i) for i in range(60)]
    training = {
        "TRAINING": point_layer(FIELDS, rows),
        "TARGET": "sm",
        "PREDICTORS": ["sm"],
        "MODEL_FILE": str(tmp_path / "m.smmodel"),
    }
    refused("the folder '.*no folder' does not exist", "trainmodel", **training, PREDICTIONS=missing)
    refused(
        "the folder '.*no folder' does not exist", "aggregatestations", **means(stations, OUTPUT=table_in(missing, "t"))
    )


def test_a_table_makes_no_shapefile(refused, point_layer, tmp_path):
    rows = [(None, None, f"s{i % 6}", "2020-06-01", 0.1 + 0.01 * i) for i in range(60)]
    layer = point_layer(
        [*FIELDS, ("a", "double"), ("b", "double")],
        [(*row, i % 7, i % 5) for i, row in enumerate(rows)],
        kind="None",
        crs=None,
    )
    given = {
        "TRAINING": layer,
        "TARGET": "sm",
        "PREDICTORS": ["a", "b"],
        "STATION": "station",
        "HYPERPARAMETERS": '{"n_estimators": 5}',
    }
    refused("makes no Shapefile", "selectpredictors", **given, METHOD="forward", OUTPUT=str(tmp_path / "s.shp"))


@pytest.mark.parametrize("key", ["STATION", "TIME", "VALUE"])
def test_fields_that_are_not_there_are_named(refused, stations, key):
    refused(
        rf"\({key}\): '.*' has no field 'Sm'. Its fields are: fid, station, time, sm",
        "aggregatestations",
        **means(stations, **{key: "Sm"}),
        OUTPUT="memory:",
    )


def test_numbers_that_are_none(refused, stations, write_raster, tmp_path):
    grid = write_raster("grid.tif", np.ones((4, 5)), ["grid"]).path
    given = {
        "STATIONS": str(stations),
        "STATION": "station",
        "VALUE": "sm",
        "GRID": grid,
        "OUTPUT": str(tmp_path / "o.tif"),
    }
    refused(
        r"\(MEAN\) must be a finite number, not nan",
        "interpolatestations",
        **given,
        METHOD="simple_kriging",
        MEAN=float("nan"),
    )
    refused(r"\(SILL\) must be above 0", "interpolatestations", **given, SILL=0, RANGE=100)
    refused(r"\(NEIGHBOURS\) may be up to 500, not 2000", "interpolatestations", **given, NEIGHBOURS=2000)


def test_a_folder_may_have_a_dot_in_its_name(run, tmp_path):
    folder = tmp_path / "scene v1.2"
    folder.mkdir()
    run("demodata", OUTPUT=str(folder))
    assert (folder / "stations.gpkg").exists()


def test_a_copy_is_another_file(run, stations, tmp_path):
    copy = tmp_path / "copy.gpkg"
    shutil.copy(stations, copy)
    run("aggregatestations", **means(stations, OUTPUT=str(copy)))
    assert tables(stations) == {"stations": 6, "others": 3}
