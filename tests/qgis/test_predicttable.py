"""Predict table inside QGIS: the values of maps, the numbers of a validation, and what it refuses."""

import numpy as np
import pytest
import rasterio
from qgis.core import QgsProcessingFeedback

from sm_toolbox.metrics import metrics

DATES = ["2020-06-01", "2020-06-09", "2020-06-17"]
ROWS, COLUMNS = 40, 50


@pytest.fixture(scope="module")
def world(plugin, tmp_path_factory, point_layer_factory):
    """Rasters, a table of training stations and one of others sampled from them, and a model."""
    import processing

    from sm_toolbox.raster.opening import Source

    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:ROWS, :COLUMNS]
    dem = (30 * np.sin(column / 9) + row).astype(np.float32)
    ndvi = (0.3 + 0.3 * rng.random((len(DATES), ROWS, COLUMNS))).astype(np.float32)

    def write(name, bands, names):
        path = str(folder / name)
        transform = rasterio.transform.from_origin(500000, 4000000, 30, 30)
        with rasterio.open(
            path, "w", driver="GTiff", width=COLUMNS, height=ROWS, count=len(bands), dtype="float32",
            crs="EPSG:32630", transform=transform,
        ) as file:  # fmt: skip
            file.write(bands)
            for i, each in enumerate(names, start=1):
                file.set_band_description(i, each)
        return Source(path).path

    rasters = [
        write("dem.tif", dem[None], ["dem"]),
        write("ndvi.tif", ndvi, [f"ndvi@{date}" for date in DATES]),
    ]

    def stations(count, seed):
        rng, rows = np.random.default_rng(seed), []
        cells = rng.choice(ROWS * COLUMNS, count, replace=False)
        for number, cell in enumerate(cells):
            r, c = divmod(int(cell), COLUMNS)
            for i, date in enumerate(DATES):
                value = 0.2 + 0.002 * dem[r, c] + 0.1 * ndvi[i, r, c] + rng.normal(0, 0.01)
                network = "Alps" if number % 2 else "Po"
                x, y = 500000 + 30 * (c + 0.5), 4000000 - 30 * (r + 0.5)
                rows.append((x, y, f"{seed}-{number}", date, float(value), network))
        fields = [("station", "string"), ("time", "string"), ("soil_moisture", "double"), ("network", "string")]
        layer = point_layer_factory(fields, rows, name=f"stations {seed}")
        return processing.run(
            "smtoolbox:samplepredictors",
            {"STATIONS": layer, "STATION": "station", "TIME": "time", "PREDICTORS": rasters,
             "OUTPUT": str(folder / f"sampled {seed}.gpkg")},
        )["OUTPUT"]  # fmt: skip

    training, others = stations(30, 1), stations(20, 2)

    def train(name, **more):
        return processing.run(
            "smtoolbox:trainmodel",
            {"TRAINING": training, "TARGET": "soil_moisture", "PREDICTORS": ["dem", "ndvi"], "STATION": "station",
             "TIME": "time", "MODEL": "quantile_forest", "HYPERPARAMETERS": '{"n_estimators": 30}',
             "MODEL_FILE": str(folder / name), **more},
        )["MODEL_FILE"]  # fmt: skip

    model = train("m.smmodel")
    return {"rasters": rasters, "others": others, "training": training, "model": model, "train": train}


def rows_of(layer):
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer(layer, "rows", "ogr") if isinstance(layer, str) else layer
    return layer, [dict(zip(layer.fields().names(), feature.attributes())) for feature in layer.getFeatures()]


def test_rows_have_the_values_of_the_map_in_their_cells(run, world, tmp_path):
    levels = "0.05,0.5,0.95"
    maps = {key: str(tmp_path / f"{key}.tif") for key in ("OUTPUT", "QUANTILES_OUTPUT", "APPLICABILITY_OUTPUT")}
    run("predictraster", MODEL_FILE=world["model"], PREDICTORS=world["rasters"], QUANTILES=levels, **maps)
    done = run("predicttable", MODEL_FILE=world["model"], INPUT=world["others"], QUANTILES=levels,
               OUTPUT=str(tmp_path / "rows.gpkg"))  # fmt: skip
    layer, rows = rows_of(done["OUTPUT"])
    assert len(rows) == 60 and layer.wkbType() == rows_of(world["others"])[0].wkbType()
    names = ["predicted", "q05", "q50", "q95", "dissimilarity", "applicable"]
    assert layer.fields().names()[-6:] == names
    found = np.array([[row[name] for name in names] for row in rows], float)
    expected = np.empty_like(found)
    bands = [["soil_moisture"], ["soil_moisture_q05", "soil_moisture_q50", "soil_moisture_q95"],
             ["dissimilarity", "applicable"]]  # fmt: skip
    points = [feature.geometry().asPoint() for feature in layer.getFeatures()]
    column = 0
    for key, variables in zip(maps, bands):
        with rasterio.open(maps[key]) as dataset:
            values = dataset.read()
            index = {name: i for i, name in enumerate(dataset.descriptions)}
            for variable in variables:
                for i, (row, point) in enumerate(zip(rows, points)):
                    r, c = dataset.index(point.x(), point.y())
                    expected[i, column] = values[index[f"{variable}@{row['time']}"], r, c]
                column += 1
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert 0 < done["APPLICABLE_PERCENT"] <= 100


def test_the_numbers_are_those_of_the_rows(run, world, tmp_path):
    feedback = QgsProcessingFeedback()
    done = run("predicttable", feedback, MODEL_FILE=world["model"], INPUT=world["others"], GROUP="network",
               OUTPUT="TEMPORARY_OUTPUT", GROUP_TABLE="TEMPORARY_OUTPUT", REPORT=str(tmp_path / "r.html"))  # fmt: skip
    _, rows = rows_of(done["OUTPUT"])
    predicted, observed = (np.array([row[name] for row in rows]) for name in ("predicted", "soil_moisture"))
    expected = metrics(predicted, observed)
    for key in ("r", "r2", "rmse", "ubrmse", "bias", "n"):
        assert done[key.upper()] == pytest.approx(expected.values[key], abs=1e-12)
    # What costs nothing: a line and a mean of the rows of the training alone.
    _, known = rows_of(world["training"])
    target = np.array([row["soil_moisture"] for row in known])
    rmse = [np.sqrt(np.mean((target.mean() - observed) ** 2))]
    dem = np.array([row["dem"] for row in known])
    slope, start = np.polyfit(dem, target, 1)
    rmse.append(np.sqrt(np.mean((start + slope * np.array([row["dem"] for row in rows]) - observed) ** 2)))
    assert done["BASELINE_RMSE"] == pytest.approx(min(rmse), rel=1e-5)
    assert done["SKILL"] == pytest.approx(1 - done["RMSE"] / done["BASELINE_RMSE"])
    assert "On these rows the model" in feedback.textLog() and "with 3 at most" in feedback.textLog()
    _, groups = rows_of(done["GROUP_TABLE"])
    assert [(row["group"], row["stations"]) for row in groups[::2]] == [("Alps", 10), ("Po", 10), ("all stations", 20)]
    assert groups[1]["product"] == "a straight line on dem" and 0 <= groups[1]["p_rmse"] <= 1
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    for words in ("Is the model worth having?", "Groups of stations", "a straight line on dem", "Kruskal"):
        assert words in html, words


def test_two_models_on_the_same_rows(run, world, tmp_path):
    poor = world["train"]("poor.smmodel", PREDICTORS=["ndvi"])
    done = run("predicttable", MODEL_FILE=world["model"], COMPARED_MODEL=poor, INPUT=world["others"],
               OUTPUT="TEMPORARY_OUTPUT", REPORT=str(tmp_path / "r.html"), GROUP_TABLE="TEMPORARY_OUTPUT")  # fmt: skip
    _, rows = rows_of(done["OUTPUT"])
    assert all(abs(row["predicted"] - row["predicted_b"]) > 0 for row in rows)
    _, groups = rows_of(done["GROUP_TABLE"])
    second = next(row for row in groups if row["product"] == "the second model")
    assert second["p_rmse"] < 0.05 and second["rmse_mean"] > groups[0]["rmse_mean"]
    assert "the second model − the model" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_rows_without_truth_and_rows_that_lack_a_predictor(run, world, point_layer, tmp_path):
    fields = [("dem", "double"), ("ndvi", "double")]
    layer = point_layer(fields, [(0, 0, 10.0, 0.4), (0, 0, None, 0.4), (0, 0, 12.0, None)], name="bare", kind="None")
    feedback = QgsProcessingFeedback()
    done = run("predicttable", feedback, MODEL_FILE=world["model"], INPUT=layer, QUANTILES="",
               OUTPUT="TEMPORARY_OUTPUT", REPORT=str(tmp_path / "r.html"))  # fmt: skip
    layer, rows = rows_of(done["OUTPUT"])
    assert [isinstance(row["predicted"], float) for row in rows] == [True, False, False]
    assert layer.fields().names() == ["dem", "ndvi", "predicted", "dissimilarity", "applicable"]
    assert "RMSE" not in done and layer.geometryType() == 4
    assert "1 of 3 rows have no prediction: no 'dem'" in feedback.textLog()
    assert "nothing is said of the error" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_rows_of_the_training_are_told(run, world):
    feedback = QgsProcessingFeedback()
    run("predicttable", feedback, MODEL_FILE=world["model"], INPUT=world["training"], OUTPUT="TEMPORARY_OUTPUT")
    assert "At least 90 of 90 rows have the predictors of rows of the training" in feedback.textLog()


def test_refused(refused, world, point_layer, tmp_path):
    out = {"OUTPUT": str(tmp_path / "rows.gpkg"), "MODEL_FILE": world["model"]}
    bare = point_layer([("dem", "double"), ("ndvy", "double")], [(0, 0, 1.0, 0.4)], name="bare")
    refused(
        r"'bare' has no field for the predictors 'ndvi' \(did you mean 'ndvy'\?\)", "predicttable", INPUT=bare, **out
    )
    rows = [(0, 0, 10.0, 0.4, 25.0), (0, 0, 12.0, 0.5, 30.0)]
    percent = point_layer([("dem", "double"), ("ndvi", "double"), ("sm", "double")], rows, name="percent")
    refused("not in one unit", "predicttable", INPUT=percent, OBSERVED="sm", **out)
    empty = point_layer([("dem", "double"), ("ndvi", "double")], [(0, 0, None, 0.4)], name="empty")
    refused("No row of 'empty' has all predictors of the model", "predicttable", INPUT=empty, **out)
