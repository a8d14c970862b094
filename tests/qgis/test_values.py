"""Numbers, choices and switches as scripts give them: what is none is refused with the parameter's names."""

import numpy as np
import pytest


@pytest.fixture
def interpolation(point_layer, write_raster, tmp_path):
    """Parameters of an interpolation that works."""
    rows = [(500000 + 300 * (i % 4), 3999000 - 300 * (i // 4), f"s{i}", 0.1 + 0.01 * i) for i in range(12)]
    layer = point_layer([("station", "string"), ("sm", "double")], rows)
    grid = write_raster("grid.tif", np.ones((40, 50)), ["grid"]).path
    return {"STATIONS": layer, "STATION": "station", "VALUE": "sm", "GRID": grid, "OUTPUT": str(tmp_path / "map.tif")}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"METHOD": "simple_kriging", "MEAN": "0,5"},
            r"'Mean for simple kriging' \(MEAN\): '0,5' is no number\. "
            r"Write 0\.5, with a point",
        ),
        ({"NUGGET": "0,2"}, r"\(NUGGET\): '0,2' is no number\. Write 0\.2"),
        ({"NUGGET": "abc"}, r"\(NUGGET\): 'abc' is no number\. Write a number such as 0\.5, or leave it out"),
        ({"NUGGET": ""}, r"\(NUGGET\): '' is no number"),
        ({"NUGGET": "inf"}, r"\(NUGGET\) must be a finite number, not inf"),
        ({"NUGGET": "1.5"}, r"\(NUGGET\) must be at least 0 and at most 1, not 1\.5"),
        ({"RANGE": "-3"}, r"\(RANGE\) must be at least 0, not -3"),
        ({"MEMORY": "64.5"}, r"\(MEMORY\) must be a whole number, not 64\.5"),
        ({"MEMORY": "99999999999"}, r"\(MEMORY\) must be at least 16 and at most 2\.14748e\+09, not 99999999999"),
        (
            {"METHOD": "krigging"},
            r"'Method' \(METHOD\) does not know 'krigging'\. "
            r"It takes ordinary_kriging, simple_kriging, idw|Incorrect parameter value for METHOD",
        ),
        ({"STATION": "Station"}, r"\(STATION\): 'stations' has no field 'Station'\. Its fields are: station, sm"),
    ],
)
def test_what_is_no_value_is_refused_by_name(refused, interpolation, changes, words):
    refused(words, "interpolatestations", **{**interpolation, **changes})


@pytest.mark.parametrize("given", ["0.25", 0.25, "2.5e-1"])
def test_numbers_as_text_count(run, interpolation, given):
    import rasterio

    with rasterio.open(
        run("interpolatestations", **interpolation, NUGGET=given, RANGE="900", SILL="1")["OUTPUT"]
    ) as dataset:
        assert np.isfinite(dataset.read()).all()


def test_expressions_count(run, interpolation):
    from qgis.core import QgsProperty

    assert run("interpolatestations", **interpolation, NUGGET=QgsProperty.fromExpression("0.5 / 2"))["OUTPUT"]


def test_an_optional_choice_is_one_of_its_words(refused, point_layer, tmp_path):
    rows = [(500000 + i, 4000000, f"s{i % 6}", 0.1 + 0.01 * (i % 17), i % 7, i % 5) for i in range(60)]
    layer = point_layer([("station", "string"), ("sm", "double"), ("a", "double"), ("b", "double")], rows)
    given = {
        "TRAINING": layer,
        "TARGET": "sm",
        "PREDICTORS": ["a", "b"],
        "STATION": "station",
        "MODEL_FILE": str(tmp_path / "m.smmodel"),
    }
    refused(
        r"\(SPLIT\) does not know 'stations'\. It takes random, station, time", "trainmodel", **given, SPLIT="stations"
    )
    refused(r"\(KEEP_BEST\) is switched by true or false, not by 'nope'", "trainmodel", **given, KEEP_BEST="nope")


@pytest.fixture
def damaged(write_raster, tmp_path):
    """A function that writes a dated record and spoils it: a file cut short, a tile of rubbish, a VRT whose source is
    gone.
    """

    def make(name, variable, kind, value=0.2):
        rng = np.random.default_rng(0)
        bands = value * (1 + 0.1 * rng.random((6, 80, 80)))
        names = [f"{variable}@2020-06-{day:02d}" for day in range(1, 7)]
        path = write_raster(name, bands, names, tiled=True, blockxsize=32, blockysize=32, compress="deflate").path
        content = bytearray(open(path, "rb").read())  # noqa: SIM115
        if kind == "cut":
            content = content[: len(content) // 3]
        elif kind == "rubbish":
            third = len(content) // 3
            content[third : 2 * third] = rng.integers(0, 256, third, dtype=np.uint8).tobytes()
        with open(path, "wb") as file:
            file.write(content)
        if kind == "without source":
            import os

            from osgeo import gdal

            gdal.Translate(path.replace(".tif", ".vrt"), path, format="VRT")
            os.remove(path)
            return path.replace(".tif", ".vrt")
        return path

    return make


@pytest.mark.parametrize("kind", ["cut", "rubbish", "without source"])
@pytest.mark.parametrize(
    "case",
    [
        "tcmerge",
        "triplecollocation",
        "thermalinertia",
        "sarpredictors",
        "spectralindices",
        "temporalcomposite",
        "temporaltrend",
        "alignrasters",
        "area",
    ],
)
def test_damaged_files_are_named(run, write_raster, damaged, point_layer, tmp_path, kind, case):
    from qgis.core import QgsProcessingException

    days = [f"2020-06-{day:02d}" for day in range(1, 7)]
    rng = np.random.default_rng(1)

    def sound(variable, value):
        return write_raster(
            f"{variable}.tif", value * (1 + 0.1 * rng.random((6, 80, 80))), [f"{variable}@{day}" for day in days]
        ).path

    out = str(tmp_path / "out.tif")
    if case in ("tcmerge", "triplecollocation"):
        bad = damaged("bad.tif", "soil_moisture", kind)
        given = {
            "PRODUCT_A": sound("a", 0.2),
            "PRODUCT_B": bad,
            "PRODUCT_C": sound("c", 0.2),
            "MIN_SAMPLES": 3,
            "OUTPUT": out,
        }
    elif case == "thermalinertia":
        bad = damaged("bad.tif", "lst_day", kind, 300)
        given = {"ALBEDO": sound("albedo", 0.2), "LST_DAY": bad, "LST_NIGHT": sound("lst_night", 280), "OUTPUT": out}
    elif case == "sarpredictors":
        bad = damaged("bad.tif", "vv", kind, -12)
        given = {"VV": [bad], "OUTPUT": out}
    elif case == "spectralindices":
        bad = damaged("bad.tif", "red", kind, 0.2)
        given = {"INPUT": [bad, sound("nir", 0.3)], "SENSOR": "modis", "INDICES": ["ndvi"], "OUTPUT": out}
    elif case == "area":
        case, bad = "trainmodel", damaged("bad.tif", "a", kind)
        rows = [(500000 + 30 * i, 3999900, f"s{i % 12}", 0.1 + 0.01 * (i % 17), i % 7, i % 5) for i in range(60)]
        layer = point_layer([("station", "string"), ("sm", "double"), ("a", "double"), ("b", "double")], rows)
        given = {
            "TRAINING": layer,
            "TARGET": "sm",
            "PREDICTORS": ["a", "b"],
            "STATION": "station",
            "SPLIT": "knndm",
            "PREDICTION_AREA": bad,
            "MODEL_FILE": str(tmp_path / "m.smmodel"),
        }
    else:
        bad = damaged("bad.tif", "ndvi", kind)
        given = {"INPUT": [bad], "OUTPUT": out}
        given |= (
            {"GRID": sound("grid", 1)}
            if case == "alignrasters"
            else {"PERIOD": "month"}
            if case == "temporalcomposite"
            else {}
        )
    with pytest.raises(QgsProcessingException) as caught:
        run(case, **given)
    message = str(caught.value)
    assert "bad" in message and "does not expect" not in message and "Traceback" not in message, message
    assert not (tmp_path / "out.tif").exists() and not list(tmp_path.glob(".smtoolbox-*"))
