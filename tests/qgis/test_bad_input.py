"""Bad input: a clear error that names the culprit and what to do, and nothing written."""

import numpy as np
import pytest
import rasterio
from qgis.core import QgsCoordinateReferenceSystem, QgsProcessingFeedback

FIELDS = [("station", "string"), ("time", "string"), ("sm", "double"), ("a", "double"), ("b", "double")]


@pytest.fixture
def table(point_layer):
    """A function that makes a training layer; each column may be replaced by a function of the row's number."""

    def make(stations=10, days=6, fields=FIELDS, **columns):
        rng = np.random.default_rng(0)
        rows = []
        for i in range(stations * days):
            base = {
                "station": f"s{i // days}",
                "time": f"2020-06-{1 + i % days:02d}",
                "sm": 0.2 + 0.1 * rng.random(),
                "a": rng.random(),
                "b": rng.random(),
            }
            base.update({name: function(i) for name, function in columns.items()})
            rows.append((500000 + 30 * (i // days), 3999900, *(base[name] for name, _ in fields)))
        return point_layer(fields, rows, name="table")

    return make


@pytest.fixture
def train(tmp_path):
    """Parameters of a training."""
    return {
        "TARGET": "sm",
        "PREDICTORS": ["a", "b"],
        "STATION": "station",
        "TIME": "time",
        "HYPERPARAMETERS": '{"n_estimators": 8}',
        "MODEL_FILE": str(tmp_path / "m.smmodel"),
        "REPORT": str(tmp_path / "r.html"),
    }


@pytest.fixture
def model(run, table, train):
    """A model file of the predictors a and b."""
    return run("trainmodel", TRAINING=table(), **train)["MODEL_FILE"]


@pytest.fixture
def rasters(write_raster):
    """Rasters of the predictors a and b."""
    return [write_raster(f"{name}.tif", np.random.default_rng(0).random((40, 50)), [name]).path for name in "ab"]


# Training
# ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "changes", "words"),
    [
        ({"sm": lambda i: 0.25}, {}, "target 'sm' is 0.25 in all 60 complete rows"),
        ({"b": lambda i: 3.0}, {}, r"the same in all 60 complete rows.*: b\."),
        ({"a": lambda i: None}, {}, r"No row of 'table' has a target and all predictors \(60 rows: no a\)"),
        ({"sm": lambda i: float("nan") if i == 4 else 0.2 + i / 1000}, {}, "'sm' of 'table' holds nan in row 5"),
        ({"a": lambda i: float("inf") if i == 4 else i}, {}, "'a' of 'table' holds inf in row 5"),
        ({"time": lambda i: "03/04/2019"}, {}, "holds '03/04/2019', whose order of day and month is not clear"),
        ({"station": lambda i: f"s{i % 3}"}, {}, "3 stations, fewer than 5 folds"),
        ({}, {"TIME": None, "SPLIT": "time"}, "needs the TIME field"),
        ({}, {"SPLIT": "block"}, r"needs .*\(BLOCK_SIZE\)"),
        ({}, {"PREDICTORS": ["a", "sm"]}, "also among the predictors"),
        ({}, {"HYPERPARAMETERS": "{"}, r"\(HYPERPARAMETERS\) is not valid JSON"),
        (
            {},
            {"HYPERPARAMETERS": '{"trees": 3}'},
            r"names trees, which random_forest does not have\. Valid are: n_estimators",
        ),
        ({}, {"CYCLIC": "aspect:360"}, r"\(CYCLIC\) names 'aspect', which is none of the predictors"),
        (
            {"a": lambda i: -1.0 * (i == 3)},
            {"WEIGHT": "a", "PREDICTORS": ["b"]},
            "weights in field 'a'.*zero or positive",
        ),
    ],
)
def test_training(refused, table, train, columns, changes, words):
    refused(words, "trainmodel", TRAINING=table(**columns), **{**train, **changes})


def test_text_in_the_target(refused, table, train):
    fields = [("sm", "string") if name == "sm" else (name, kind) for name, kind in FIELDS]
    refused(
        "'sm' of 'table' must hold numbers, but row 3 holds 'wet'",
        "trainmodel",
        TRAINING=table(fields=fields, sm=lambda i: "wet" if i == 2 else "0.2"),
        **train,
    )


def test_an_empty_table(refused, point_layer, train):
    refused("The layer 'table' has no rows", "trainmodel", TRAINING=point_layer(FIELDS, [], name="table"), **train)


def test_an_output_that_cannot_be_written_is_refused_before_the_work(refused, table, train, tmp_path):
    (tmp_path / "folder.smmodel").mkdir()
    refused("is a folder", "trainmodel", TRAINING=table(), **{**train, "MODEL_FILE": str(tmp_path / "folder.smmodel")})
    refused("does not exist", "trainmodel", TRAINING=table(), **{**train, "REPORT": str(tmp_path / "no" / "r.html")})


# Sampling
# ----------------------------------------------------------------------------------------------------------------


def sampling(point_layer, rasters, rows=((500100, 3999900, "s", "2020-06-01"),), crs="EPSG:32630", **changes):
    stations = point_layer([("station", "string"), ("time", "string")], rows, crs=crs)
    return {
        "STATIONS": stations,
        "STATION": "station",
        "TIME": "time",
        "PREDICTORS": rasters,
        "OUTPUT": "TEMPORARY_OUTPUT",
        **changes,
    }


def test_no_overlap(refused, point_layer, rasters):
    refused(
        r"No station of 'stations' lies within the rasters\. The stations span 10 to 10, 50 to 50 in EPSG:4326",
        "samplepredictors",
        **sampling(point_layer, rasters, [(10, 50, "s", "2020-06-01")], "EPSG:4326"),
    )


def test_stations_without_crs(refused, point_layer, rasters):
    bare = sampling(point_layer, rasters)
    bare["STATIONS"].setCrs(QgsCoordinateReferenceSystem())
    refused("The layer 'stations' has no coordinate reference system", "samplepredictors", **bare)


def test_latitude_and_longitude_swapped(refused, point_layer, rasters):
    refused(
        r"No station of 'stations' lies within the rasters\..*x and y are not swapped",
        "samplepredictors",
        **sampling(point_layer, rasters, [(36.1, -131.0, "s", "2020-06-01")], "EPSG:4326"),
    )


def test_rasters_without_crs(refused, point_layer, write_raster):
    bare = write_raster("bare.tif", np.ones((4, 4)), ["a"], crs=None).path
    refused("'bare' has no coordinate reference system", "samplepredictors", **sampling(point_layer, [bare]))


def test_duplicate_bands(refused, point_layer, write_raster, rasters):
    twin = write_raster("twin.tif", np.ones((2, 4, 4)), ["c", "c"]).path
    refused(
        r"Two bands are named 'c'.*twin\.tif.*twin\.tif", "samplepredictors", **sampling(point_layer, [*rasters, twin])
    )


def test_ambiguous_dates_of_files(refused, point_layer, write_raster):
    path = write_raster("a_20180101_20180116.tif", np.ones((4, 4))).path
    refused(r"a_20180101_20180116\.tif' is ambiguous", "samplepredictors", **sampling(point_layer, [path]))


def test_ambiguous_dates_of_stations(refused, point_layer, rasters):
    refused(
        "holds '03/04/2019', whose order",
        "samplepredictors",
        **sampling(point_layer, rasters, [(500100, 3999900, "s", "03/04/2019")]),
    )


def test_a_raster_of_nothing(refused, point_layer, write_raster):
    empty = write_raster("empty.tif", np.full((40, 50), -1.0), ["a"], nodata=-1).path
    refused("lie on cells without data", "samplepredictors", **sampling(point_layer, [empty]))


def test_a_missing_file(refused, point_layer, rasters, tmp_path):
    refused(r"lost\.tif", "samplepredictors", **sampling(point_layer, [*rasters, str(tmp_path / "lost.tif")]))


def test_a_field_of_that_name_is_there_already(run, point_layer, rasters):
    layer = point_layer([("A", "double"), ("other", "double"), ("b", "double")], [(500100, 3999900, 1.0, 2.0, 3.0)])
    feedback = QgsProcessingFeedback()
    found = run("samplepredictors", feedback, STATIONS=layer, PREDICTORS=rasters, OUTPUT="memory:")["OUTPUT"]
    assert found.fields().names() == ["A", "other", "b", "a_a", "b_b"]
    assert "'a' of 'a' becomes 'a_a', since the table has a field 'a' of its own" in feedback.textLog()


def test_a_field_of_that_name_gives_way_where_asked_for(run, point_layer, rasters):
    layer = point_layer([("a", "string"), ("other", "double"), ("B", "double")], [(500100, 3999900, "s", 2.0, 3000.0)])
    given = {"STATIONS": layer, "PREDICTORS": rasters, "REPLACE": True, "OUTPUT": "memory:"}
    feedback = QgsProcessingFeedback()
    found = run("samplepredictors", feedback, **given)["OUTPUT"]
    assert "The field 'B' of 'stations' is replaced by the values of the raster 'b' (REPLACE)." in feedback.textLog()
    (row,) = found.getFeatures()
    assert found.fields().names() == ["other", "a", "b"] and row["other"] == 2 and row["a"] < 1000 and row["b"] < 1000
    kept = run("samplepredictors", **given, STATION="a", VALUE="B")["OUTPUT"]
    assert kept.fields().names() == ["a", "other", "B", "a_a", "b_b"] and next(kept.getFeatures())["B"] == 3000


def test_a_shapefile_would_cut_the_names(refused, point_layer, write_raster, tmp_path):
    long = write_raster("long.tif", np.ones((40, 50)), ["profile_curvature"]).path
    refused(
        "cuts the names of fields at 10 characters, here profile_curvature.*GeoPackage",
        "samplepredictors",
        **sampling(point_layer, [long], OUTPUT=str(tmp_path / "t.shp")),
    )


def test_lines_instead_of_points(refused, rasters):
    from qgis.core import QgsFeature, QgsGeometry, QgsVectorLayer

    layer = QgsVectorLayer("LineString?crs=EPSG:32630", "roads", "memory")
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromWkt("LineString(500100 3999900, 500200 3999900)"))
    layer.dataProvider().addFeatures([feature])
    refused("'roads' has no points", "samplepredictors", STATIONS=layer, PREDICTORS=rasters, OUTPUT="TEMPORARY_OUTPUT")


# Prediction
# ----------------------------------------------------------------------------------------------------------------


def test_a_predictor_is_missing(refused, model, rasters, tmp_path):
    refused(
        "needs predictors that none of the layers has: 'b'",
        "predictraster",
        MODEL_FILE=model,
        PREDICTORS=rasters[:1],
        OUTPUT=str(tmp_path / "map.tif"),
    )


def test_a_predictor_without_data(refused, model, rasters, write_raster, tmp_path):
    empty = write_raster("empty.tif", np.full((40, 50), np.nan), ["b"]).path
    refused(
        "no cell has data in all that is needed from 'a', 'empty'",
        "predictraster",
        MODEL_FILE=model,
        PREDICTORS=[rasters[0], empty],
        OUTPUT=str(tmp_path / "map.tif"),
    )


def test_a_predictor_elsewhere(refused, model, rasters, write_raster, tmp_path):
    far = write_raster("far.tif", np.ones((4, 4)), ["b"], origin=(900000, 4000000)).path
    refused(
        "does not overlap the grid",
        "predictraster",
        MODEL_FILE=model,
        PREDICTORS=[rasters[0], far],
        OUTPUT=str(tmp_path / "map.tif"),
    )


def test_an_existing_map_is_kept_where_the_run_fails(refused, model, rasters, tmp_path):
    (tmp_path / "map.tif").write_bytes(b"precious")
    refused("'b'", "predictraster", MODEL_FILE=model, PREDICTORS=rasters[:1], OUTPUT=str(tmp_path / "map.tif"))
    assert (tmp_path / "map.tif").read_bytes() == b"precious"


def test_an_output_that_is_no_geotiff(refused, model, rasters, tmp_path):
    refused(r"extension \.tif", "predictraster", MODEL_FILE=model, PREDICTORS=rasters, OUTPUT=str(tmp_path / "map.img"))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 truncated"])
def test_a_foreign_model_file(refused, rasters, tmp_path, content):
    path = tmp_path / "x.smmodel"
    path.write_bytes(content)
    refused(
        r"x\.smmodel' cannot be used",
        "predictraster",
        MODEL_FILE=str(path),
        PREDICTORS=rasters,
        OUTPUT=str(tmp_path / "map.tif"),
    )


def test_dates_that_are_none(refused, model, rasters, tmp_path):
    refused(
        "'soon' is not a date",
        "predictraster",
        MODEL_FILE=model,
        PREDICTORS=rasters,
        DATES="soon",
        OUTPUT=str(tmp_path / "map.tif"),
    )


# Validation
# ----------------------------------------------------------------------------------------------------------------


def test_no_station_has_enough_pairs(refused, point_layer, rasters):
    layer = point_layer([("station", "string"), ("sm", "double")], [(500100, 3999900, "s", 0.2)] * 3)
    refused(
        "No station of 'stations' has 10 pairs",
        "validatestations",
        PRODUCT=rasters[:1],
        STATIONS=layer,
        STATION="station",
        VALUE="sm",
        OUTPUT="TEMPORARY_OUTPUT",
    )


def test_two_products_at_once(refused, point_layer, rasters):
    layer = point_layer([("station", "string"), ("sm", "double")], [(500100, 3999900, "s", 0.2)] * 30)
    refused(
        r"\(PRODUCT\) must hold one variable",
        "validatestations",
        PRODUCT=rasters,
        STATIONS=layer,
        STATION="station",
        VALUE="sm",
        OUTPUT="TEMPORARY_OUTPUT",
    )


def test_demo_data_do_not_replace_other_files(refused, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    refused("holds other files", "demodata", OUTPUT=str(tmp_path / "mine"))


# Cancel
# --------------------------------------------------------------------------------------------------------------------


class CancelAt(QgsProcessingFeedback):
    """Cancels once the progress reaches a share."""

    def __init__(self, percent):
        super().__init__(False)
        self.percent = percent
        self.progressChanged.connect(lambda value: self.cancel() if value >= self.percent else None)
        if percent == 0:
            self.cancel()


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".aux.xml"))


@pytest.mark.parametrize("percent", [0, 10, 60])
def test_cancel_a_training(plugin, table, train, tmp_path, percent):
    run_cancelled(
        "trainmodel", CancelAt(percent), {**train, "TRAINING": table(), "HYPERPARAMETERS": '{"n_estimators": 200}'}
    )
    assert files(tmp_path) == []


@pytest.mark.parametrize("percent", [0, 10, 60])
def test_cancel_a_prediction(plugin, model, write_raster, tmp_path, percent):
    big = [write_raster(f"{name}.tif", np.random.default_rng(0).random((2000, 400)), [name]).path for name in "ab"]
    before = files(tmp_path)
    run_cancelled(
        "predictraster",
        CancelAt(percent),
        {"MODEL_FILE": model, "PREDICTORS": big, "MEMORY": 16, "OUTPUT": str(tmp_path / "map.tif")},
    )
    assert files(tmp_path) == before


@pytest.mark.parametrize("percent", [0, 30])
def test_cancel_terrain(plugin, write_raster, tmp_path, percent):
    dem = write_raster("dem.tif", np.random.default_rng(0).random((6000, 1500)), ["dem"]).path
    run_cancelled("terrainindices", CancelAt(percent), {"DEM": dem, "OUTPUT": str(tmp_path / "t.tif")})
    assert files(tmp_path) == ["dem.tif"]


def run_cancelled(name, feedback, parameters):
    """Run as Processing does, without its check of the result: a cancelled run is no error."""
    from qgis.core import QgsApplication, QgsProcessingContext

    algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"smtoolbox:{name}")
    context = QgsProcessingContext()
    results, _ = algorithm.run(parameters, context, feedback)
    assert results == {} and feedback.isCanceled()


def test_a_band_that_cannot_be_read(refused, model, rasters, tmp_path):
    """A file cut short is named, with what to do."""
    with rasterio.open(rasters[1]) as dataset:
        profile = {**dataset.profile, "height": 4000, "compress": "deflate"}
    path = tmp_path / "cut.tif"
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.random.default_rng(0).random((1, 4000, 50)).astype(np.float32))
        dataset.set_band_description(1, "b")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(
        "cut", "predictraster", MODEL_FILE=model, PREDICTORS=[str(path), rasters[0]], OUTPUT=str(tmp_path / "map.tif")
    )
