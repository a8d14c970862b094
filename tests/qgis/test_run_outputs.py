"""What a run writes: evaluated once, checked before the work, and all of it there in the end, or nothing."""

import contextlib
import importlib
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import rasterio
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
)

from sm_toolbox.errors import OutputError

FIELDS = [("station", "string"), ("time", "date"), ("sm", "double")]


@pytest.fixture
def stations(point_layer):
    """Values of twelve stations on one day."""
    rng = np.random.default_rng(0)
    return point_layer(
        FIELDS,
        [(500000 + 300 * (i % 4), 3999000 - 300 * (i // 4), f"s{i}", "2020-06-01", rng.random()) for i in range(12)],
    )


@pytest.fixture
def days(point_layer):
    """Values of thirty stations on a hundred days: a table that takes some room."""
    times = [f"2020-{month:02d}-{day:02d}" for month in range(1, 5) for day in range(1, 26)]
    return point_layer(FIELDS, [(500015 + i, 3999985, f"station {i}", day, 0.2) for i in range(30) for day in times])


@pytest.fixture
def run_loading(plugin):
    """A function that runs an algorithm as the desktop does, with a project to load the outputs into."""

    def run(name, feedback=None, **parameters):
        context, project = QgsProcessingContext(), QgsProject()
        context.setProject(project)
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"smtoolbox:{name}")
        outputs = {definition.name() for definition in algorithm.destinationParameterDefinitions()}
        given = {
            key: QgsProcessingOutputLayerDefinition(value, project) if key in outputs else value
            for key, value in parameters.items()
        }
        results, done = algorithm.run(given, context, feedback or QgsProcessingFeedback())
        return results, done, context.layersToLoadOnCompletion()

    return run


@pytest.fixture
def small_disk():
    """A function in whose context no file grows beyond a size, as on a full disk."""
    resource = pytest.importorskip("resource", reason="limits of POSIX")

    @contextlib.contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def in_folder(folder):
    """Names of what the user sees and does not see in a folder; statistics that QGIS notes of rasters aside."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".aux.xml"))


def test_every_layer_that_qgis_is_to_load_is_there(run_loading, stations, write_raster):
    grid = write_raster("grid.tif", np.ones((40, 50)), ["grid"]).path
    results, done, loaded = run_loading(
        "interpolatestations",
        STATIONS=stations,
        STATION="station",
        TIME="time",
        VALUE="sm",
        GRID=grid,
        OUTPUT="TEMPORARY_OUTPUT",
        VARIANCE="TEMPORARY_OUTPUT",
    )
    assert done and set(loaded) == {results["OUTPUT"], results["VARIANCE"]}
    assert all(os.path.isfile(path) for path in loaded)


def test_tables_are_loaded_from_where_they_end(run_loading, stations, tmp_path):
    for name, expected in (
        ("table.gpkg", "table.gpkg"),
        ("text.csv", "text.csv"),
        (f"ogr:dbname='{tmp_path}/table.gpkg' table=\"means\" (geom)", None),
    ):
        output = name if expected is None else str(tmp_path / name)
        results, done, loaded = run_loading(
            "aggregatestations",
            INPUT=stations,
            STATION="station",
            TIME="time",
            VALUE="sm",
            PERIOD="month",
            OUTPUT=output,
        )
        path = f"{tmp_path}/table.gpkg|layername=means" if expected is None else str(tmp_path / expected)
        assert done and results["OUTPUT"] == path and list(loaded) == [path]
        assert loaded[path].name == "Means" and loaded[path].outputName == "OUTPUT"
    assert in_folder(tmp_path) == ["table.gpkg", "text.csv"]


def test_a_report_that_fails_takes_the_maps_with_it(plugin, refused, stations, write_raster, tmp_path, monkeypatch):
    import sm_toolbox.stations.interpolation.report as module

    grid = write_raster("grid.tif", np.ones((40, 50)), ["grid"]).path
    (tmp_path / "map.tif").write_bytes(b"of yesterday")

    def fail(result, *others, **more):
        raise OutputError("The report could not be written.")

    monkeypatch.setattr(module, "interpolation_report", fail)
    given = {
        "STATIONS": stations,
        "STATION": "station",
        "TIME": "time",
        "VALUE": "sm",
        "GRID": grid,
        "REPORT": str(tmp_path / "r.html"),
    }
    refused(
        "report could not be written",
        "interpolatestations",
        **given,
        OUTPUT=str(tmp_path / "map.tif"),
        VARIANCE=str(tmp_path / "v.tif"),
    )
    assert (tmp_path / "map.tif").read_bytes() == b"of yesterday" and in_folder(tmp_path) == ["grid.tif", "map.tif"]


def test_cancel_at_the_end_leaves_what_was_there(plugin, stations, write_raster, tmp_path, monkeypatch):
    import sm_toolbox.stations.interpolation.report as module

    grid = write_raster("grid.tif", np.ones((40, 50)), ["grid"]).path
    (tmp_path / "map.tif").write_bytes(b"of yesterday")
    feedback = QgsProcessingFeedback()
    original = module.interpolation_report

    def cancelled(result, *others, **more):
        feedback.cancel()
        return original(result, *others, **more)

    monkeypatch.setattr(module, "interpolation_report", cancelled)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("smtoolbox:interpolatestations")
    given = {"STATIONS": stations, "STATION": "station", "TIME": "time", "VALUE": "sm", "GRID": grid}
    results, _ = algorithm.run(
        {**given, "OUTPUT": str(tmp_path / "map.tif"), "REPORT": str(tmp_path / "r.html")},
        QgsProcessingContext(),
        feedback,
    )
    assert (
        results == {}
        and (tmp_path / "map.tif").read_bytes() == b"of yesterday"
        and in_folder(tmp_path) == ["grid.tif", "map.tif"]
    )


# A GeoPackage of these rows takes about 450 kB, a table as text 150 kB.
@pytest.mark.parametrize("size", [0, 4_096, 40_000, 98_304, 140_000, 200_000, 300_000])
@pytest.mark.parametrize("name", ["table.gpkg", "table.csv", "table.shp"])
def test_tables_on_a_full_disk_keep_the_old_file(run, days, small_disk, tmp_path, name, size):
    from qgis.core import QgsProcessingException

    (tmp_path / name).write_bytes(b"of yesterday")
    given = {
        "INPUT": days,
        "STATION": "station",
        "TIME": "time",
        "VALUE": "sm",
        "PERIOD": "day",
        "OUTPUT": str(tmp_path / name),
    }
    written = False
    with small_disk(size):
        try:
            run("aggregatestations", **given)
            written = True
        except QgsProcessingException as error:
            assert "(OUTPUT)" in str(error) and "Nothing was kept. Check the free space of the disk" in str(error)
    if written:
        from osgeo import ogr

        assert ogr.Open(str(tmp_path / name)).GetLayer(0).GetFeatureCount(1) == 3000
    else:
        assert (tmp_path / name).read_bytes() == b"of yesterday" and in_folder(tmp_path) == [name]


@pytest.mark.parametrize("size", [40_000, 140_000, 200_000, 300_000, 600_000])
def test_a_table_into_a_full_file_keeps_the_others(run, stations, days, small_disk, tmp_path, size):
    from qgis.core import QgsProcessingException

    path = tmp_path / "all.gpkg"
    given = {"STATION": "station", "TIME": "time", "VALUE": "sm", "PERIOD": "day"}
    for table in ("first", "second"):
        run("aggregatestations", INPUT=stations, **given, OUTPUT=f"ogr:dbname='{path}' table=\"{table}\" (geom)")
    rows = {"first": 12, "second": 12}
    with small_disk(size):
        try:
            run("aggregatestations", INPUT=days, **given, OUTPUT=f"ogr:dbname='{path}' table=\"second\" (geom)")
            rows["second"] = 3000
        except QgsProcessingException as error:
            assert "(OUTPUT)" in str(error) and "Check the free space of the disk" in str(error).replace(
                "and check", "Check"
            )
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert {table: database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in rows} == rows
        assert {name for (name,) in database.execute("SELECT table_name FROM gpkg_contents")} == set(rows)
    assert in_folder(tmp_path) == ["all.gpkg"]


def test_two_tables_of_one_run_go_into_one_file_that_is_there(run, days, write_raster, tmp_path):
    times = [f"sm@2020-{month:02d}-{day:02d}" for month in range(1, 5) for day in range(1, 26)]
    rng = np.random.default_rng(0)
    product = write_raster("product.tif", rng.random((len(times), 10, 10)).astype("float32"), times)
    path = tmp_path / "all.gpkg"
    run("aggregatestations", INPUT=days, STATION="station", TIME="time", VALUE="sm", PERIOD="day", OUTPUT=str(path))
    given = {"PRODUCT": product.path, "STATIONS": days, "STATION": "station", "TIME": "time", "VALUE": "sm"}
    # Twice: the second time both replace a table of theirs.
    for _ in range(2):
        run(
            "validatestations",
            **given,
            **{key: f"ogr:dbname='{path}' table=\"{key.lower()}\" (geom)" for key in ("OUTPUT", "MATCHES")},
        )
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = {
            table: database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("output", "matches")
        }
        assert {name for (name,) in database.execute("SELECT table_name FROM gpkg_contents")} == {
            "all",
            "output",
            "matches",
        }
    assert rows == {"output": 30, "matches": 3000}
    assert in_folder(tmp_path) == ["all.gpkg", "product.tif"]


@pytest.mark.parametrize("moment", ["keep", "_write_rows"])
def test_a_file_that_another_run_made_meanwhile_keeps_its_tables(run, stations, tmp_path, monkeypatch, moment):
    outputs = importlib.import_module("soil_moisture_toolbox.algorithms.outputs").RunOutputs

    path = tmp_path / "all.gpkg"
    given = {"INPUT": stations, "STATION": "station", "TIME": "time", "VALUE": "sm", "PERIOD": "day"}
    original = getattr(outputs, moment)

    def after_another(self, *arguments):
        monkeypatch.setattr(outputs, moment, original)
        run("aggregatestations", **given, OUTPUT=f"ogr:dbname='{path}' table=\"other\" (geom)")
        return original(self, *arguments)

    monkeypatch.setattr(outputs, moment, after_another)
    run("aggregatestations", **given, OUTPUT=f"ogr:dbname='{path}' table=\"own\" (geom)")
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert {name for (name,) in database.execute("SELECT table_name FROM gpkg_contents")} == {"own", "other"}
        assert [database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("own", "other")] == [
            12,
            12,
        ]
    assert in_folder(tmp_path) == ["all.gpkg"]


def test_a_table_waits_for_another_run_that_is_writing(run, stations, tmp_path):
    import threading

    path = tmp_path / "all.gpkg"
    given = {"INPUT": stations, "STATION": "station", "TIME": "time", "VALUE": "sm", "PERIOD": "day"}
    run("aggregatestations", **given, OUTPUT=str(path))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("BEGIN IMMEDIATE")
    # Longer than SQLite waits by itself.
    end = threading.Timer(6, database.rollback)
    end.start()
    run("aggregatestations", **given, OUTPUT=f"ogr:dbname='{path}' table=\"more\" (geom)")
    end.join()
    assert {name for (name,) in database.execute("SELECT table_name FROM gpkg_contents")} == {"all", "more"}
    database.close()


def test_messages_leave_out_statements_of_sql(plugin):
    from soil_moisture_toolbox.algorithms.tables import without_sql

    assert (
        without_sql("creation failed (OGR error: sqlite3_exec(CREATE TABLE a (b TEXT)) failed: disk is full)")
        == "creation failed (OGR error: disk is full)"
    )


def test_a_table_goes_into_a_file_that_qgis_shows(run, stations, tmp_path):
    from qgis.core import QgsVectorLayer

    path = tmp_path / "all.gpkg"
    given = {"INPUT": stations, "STATION": "station", "TIME": "time", "VALUE": "sm", "PERIOD": "day"}
    run("aggregatestations", **given, OUTPUT=str(path))
    shown = QgsVectorLayer(f"{path}|layername=all", "shown", "ogr")
    assert shown.featureCount() == 12
    run("aggregatestations", **given, OUTPUT=f"ogr:dbname='{path}' table=\"more\" (geom)")
    assert QgsVectorLayer(f"{path}|layername=more", "more", "ogr").featureCount() == 12
    assert len(list(shown.getFeatures())) == 12


def test_the_source_of_a_vrt_is_not_overwritten(refused, write_raster, tmp_path):
    from osgeo import gdal

    dem = write_raster("dem.tif", np.random.default_rng(0).random((30, 30)), ["dem"]).path
    inner, outer = str(tmp_path / "inner.vrt"), str(tmp_path / "outer.vrt")
    gdal.Translate(inner, dem, format="VRT")
    gdal.BuildVRT(outer, [inner]).FlushCache()
    before = Path(dem).read_bytes()
    for vrt in (inner, outer):
        refused(
            r"'Terrain indices' \(OUTPUT\) would overwrite '.*dem\.tif', of which the input .*\(DEM\).* is made",
            "terrainindices",
            DEM=vrt,
            INDICES=["slope"],
            OUTPUT=dem,
        )
    assert Path(dem).read_bytes() == before
    refused(
        r"would overwrite the input|of which the input", "terrainindices", DEM=outer, INDICES=["slope"], OUTPUT=inner
    )


def test_outputs_that_are_devices_are_refused(refused, run, stations, write_raster, tmp_path):
    dem = write_raster("dem.tif", np.random.default_rng(0).random((30, 30)), ["dem"]).path
    os.symlink(os.devnull, tmp_path / "null.tif")
    os.symlink(os.devnull, tmp_path / "null.gpkg")
    os.symlink(os.devnull, tmp_path / "null.html")
    refused("no file but a device", "terrainindices", DEM=dem, INDICES=["slope"], OUTPUT=str(tmp_path / "null.tif"))
    given = {"INPUT": stations, "STATION": "station", "TIME": "time", "VALUE": "sm", "PERIOD": "day"}
    refused("no file but a device", "aggregatestations", **given, OUTPUT=str(tmp_path / "null.gpkg"))
    refused("no file but a device", "aggregatestations", **given, OUTPUT=os.devnull)
    refused("no file but a device", "checkinstallation", REPORT=str(tmp_path / "null.html"))


def test_messages_name_files_as_the_user_did(refused, stations, write_raster, tmp_path, monkeypatch):
    import sm_toolbox.predictors.terrain as module

    dem = write_raster("dem.tif", np.random.default_rng(0).random((30, 30)), ["dem"]).path

    def full(*arguments, **more):
        raise OutputError(f"Writing '{arguments[2]}' failed.")

    monkeypatch.setattr(module, "terrain_indices", full)
    refused(
        f"Writing '{tmp_path}/slope.tif' failed",
        "terrainindices",
        DEM=dem,
        INDICES=["slope"],
        OUTPUT=str(tmp_path / "slope.tif"),
    )


def test_what_nobody_expected_becomes_one_sentence_and_a_traceback_in_the_log(
    plugin, write_raster, tmp_path, monkeypatch
):
    import sm_toolbox.predictors.terrain as module

    dem = write_raster("dem.tif", np.random.default_rng(0).random((30, 30)), ["dem"]).path

    def broken(*arguments, **more):
        return {}["missing"]

    monkeypatch.setattr(module, "terrain_indices", broken)
    feedback = QgsProcessingFeedback(False)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("smtoolbox:terrainindices")
    _, done = algorithm.run(
        {"DEM": dem, "INDICES": ["slope"], "OUTPUT": str(tmp_path / "slope.tif")}, QgsProcessingContext(), feedback
    )
    assert not done
    log = feedback.textLog()
    assert (
        "'Terrain indices' met something it does not expect (KeyError: 'missing'). No output was written. Please "
        "report it at https://" in log
    )
    assert "Traceback" in log and 'return {}["missing"]' in log


def test_a_raster_output_is_whole(run, write_raster, tmp_path):
    dem = write_raster("dem.tif", np.random.default_rng(0).random((30, 30)), ["dem"]).path
    path = run("terrainindices", DEM=dem, INDICES=["slope"], OUTPUT=str(tmp_path / "slope.tif"))["OUTPUT"]
    assert path == str(tmp_path / "slope.tif")
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("slope",)
    assert in_folder(tmp_path) == ["dem.tif", "slope.tif"]


def test_notes_on_columns_go_with_a_table_into_a_file(run, stations, write_raster, tmp_path):
    from osgeo import ogr

    raster = write_raster("soil.tif", np.ones((120, 120)), ["clay"], origin=(499000, 4000000)).path
    path = tmp_path / "all.gpkg"
    given = {"STATIONS": stations, "STATION": "station", "TIME": "time", "PREDICTORS": [raster]}
    for table in ("one", "two"):
        run("samplepredictors", **given, OUTPUT=f"ogr:dbname='{path}' table=\"{table}\" (geom)")
        dataset = ogr.Open(str(path))
        assert "clay" in dataset.GetLayerByName(table).GetMetadataItem("SMTOOLBOX_ORIGINS")


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_results_have_the_names_that_were_given_where_these_lead_through_a_link(
    run_loading, stations, write_raster, tmp_path
):
    grid = write_raster("grid.tif", np.ones((40, 50)), ["grid"]).path
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    given = {"STATION": "station", "TIME": "time", "VALUE": "sm"}
    report = str(link / "report.html")
    results, done, loaded = run_loading(
        "interpolatestations", STATIONS=stations, **given, GRID=grid, OUTPUT=str(link / "map.tif"), REPORT=report
    )
    assert done and results["OUTPUT"] == str(link / "map.tif") and results["REPORT"] == report
    assert loaded[results["OUTPUT"]].postProcessor() is not None, "the map gets no colours"
    for output in (
        str(link / "table.gpkg"),
        str(link / "text.csv"),
        f"ogr:dbname='{link}/table.gpkg' table=\"means\" (geom)",
    ):
        results, done, loaded = run_loading("aggregatestations", INPUT=stations, **given, PERIOD="month", OUTPUT=output)
        assert done and results["OUTPUT"].startswith(str(link)) and list(loaded) == [results["OUTPUT"]]
        assert loaded[results["OUTPUT"]].postProcessor() is not None


@pytest.mark.parametrize("there", [True, False])
def test_two_tables_of_a_run_go_into_one_file(run, stations, write_raster, tmp_path, there):
    product = write_raster("sm.tif", np.full((120, 120), 0.3), ["soil_moisture"], origin=(499000, 4000000)).path
    path = tmp_path / "all.gpkg"
    if there:
        run(
            "aggregatestations",
            INPUT=stations,
            STATION="station",
            TIME="time",
            VALUE="sm",
            PERIOD="day",
            OUTPUT=str(path),
        )
    given = {
        "PRODUCT": [product],
        "STATIONS": stations,
        "STATION": "station",
        "TIME": "time",
        "VALUE": "sm",
        "MIN_SAMPLES": 1,
    }
    run(
        "validatestations",
        **given,
        **{key: f"ogr:dbname='{path}' table=\"{key.lower()}\" (geom)" for key in ("OUTPUT", "MATCHES")},
    )
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert {name for (name,) in database.execute("SELECT table_name FROM gpkg_contents")} == {
            "output",
            "matches",
            *(["all"] if there else []),
        }
        assert [database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("output", "matches")] == [
            12,
            12,
        ]


def test_a_table_that_loses_its_notes_to_a_full_disk_is_not_kept(run, stations, write_raster, tmp_path, monkeypatch):
    from osgeo import gdal, ogr
    from qgis.core import QgsProcessingException

    raster = write_raster("soil.tif", np.ones((120, 120)), ["clay"], origin=(499000, 4000000)).path
    monkeypatch.setattr(ogr.Layer, "SetMetadataItem", lambda *arguments: gdal.CE_Failure)
    with pytest.raises(QgsProcessingException, match="knows of the rasters behind its columns could not be written"):
        run(
            "samplepredictors",
            STATIONS=stations,
            STATION="station",
            TIME="time",
            PREDICTORS=[raster],
            OUTPUT=str(tmp_path / "table.gpkg"),
        )
    assert in_folder(tmp_path) == ["soil.tif"]


def test_a_table_that_loses_its_spatial_index_to_a_full_disk_is_not_kept(run, stations, tmp_path, monkeypatch):
    from qgis.core import QgsProcessingException
    from soil_moisture_toolbox.algorithms import outputs

    # The rows are there, and the last step of closing failed.
    monkeypatch.setattr(outputs, "has_spatial_index", lambda dataset, layer: False)
    given = {"INPUT": stations, "STATION": "station", "TIME": "time", "VALUE": "sm", "PERIOD": "day"}
    with pytest.raises(QgsProcessingException, match=r"could not be written whole \(without its spatial index\)"):
        run("aggregatestations", **given, OUTPUT=str(tmp_path / "table.gpkg"))
    assert in_folder(tmp_path) == []


def test_tables_of_points_have_their_spatial_index(run, stations, tmp_path):
    from osgeo import gdal
    from soil_moisture_toolbox.algorithms.tables import has_spatial_index

    path = tmp_path / "it's.gpkg"
    given = {"INPUT": stations, "STATION": "station", "TIME": "time", "VALUE": "sm", "PERIOD": "day"}
    run("aggregatestations", **given, OUTPUT=str(path))
    run(
        "aggregatestations",
        **given,
        OUTPUT="ogr:dbname='{}' table=\"more\" (geom)".format(str(path).replace("'", "\\'")),
    )
    dataset = gdal.OpenEx(str(path), gdal.OF_VECTOR)
    assert [has_spatial_index(dataset, dataset.GetLayer(number)) for number in range(2)] == [True, True]
