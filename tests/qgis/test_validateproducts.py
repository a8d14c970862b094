"""Several products against stations inside QGIS: common pairs, fields, groups, seasons, and one product as it was."""

import numpy as np
import pytest
from qgis.core import QgsProcessingFeedback

from sm_toolbox.metrics import metrics

DAYS = [f"2020-06-{day:02d}" for day in range(1, 21)]


@pytest.fixture
def world(write_raster, point_layer):
    """Two products, the second with gaps and a bias, and stations in two networks."""
    rng = np.random.default_rng(0)
    truth = 0.25 + 0.05 * rng.standard_normal((20, 8, 8))
    close = (truth + 0.01 * rng.standard_normal(truth.shape)).astype(np.float32)
    wet = (truth + 0.04 + 0.02 * rng.standard_normal(truth.shape)).astype(np.float32)
    wet[::4] = np.nan
    names = [f"soil_moisture@{day}" for day in DAYS]
    cells = [(1, 1), (2, 5), (4, 4), (6, 2), (6, 6), (3, 7)]
    rows = []
    for number, (r, c) in enumerate(cells):
        for i, day in enumerate(DAYS):
            network = "Alps" if number < 3 else "Po"
            rows.append((500000 + 30 * (c + 0.5), 4000000 - 30 * (r + 0.5), f"s{number}", day, truth[i, r, c], network))
    fields = [("station", "string"), ("time", "string"), ("soil_moisture", "double"), ("network", "string")]
    return {
        "PRODUCT": [write_raster("close.tif", close, names).path],
        "PRODUCT_B": [write_raster("wet.tif", wet, names).path],
        "STATIONS": point_layer(fields, [(*row[:4], float(row[4]), row[5]) for row in rows]),
        "GROUP": "network",
        "MAX_TIME_GAP": 0,
        "OUTPUT": "TEMPORARY_OUTPUT",
    }


def rows_of(layer):
    return [dict(zip(layer.fields().names(), feature.attributes())) for feature in layer.getFeatures()]


def test_products_on_their_common_pairs(run, world, tmp_path):
    feedback = QgsProcessingFeedback()
    done = run("validatestations", feedback, LABELS="close,wet", MATCHES="TEMPORARY_OUTPUT",
               GROUP_TABLE="memory:", REPORT=str(tmp_path / "r.html"), SERIES="s2,nowhere", **world)  # fmt: skip
    pairs = rows_of(done["MATCHES"])
    assert len(pairs) == 90 == done["N"]
    observed, first, second = (
        np.array([row[name] for row in pairs]) for name in ("observed", "predicted", "predicted_b")
    )
    assert done["RMSE"] == pytest.approx(metrics(first, observed).rmse, abs=1e-12)
    stations = rows_of(done["OUTPUT"])
    assert len(stations) == 6 and stations[0]["n_b"] == stations[0]["n"] == 15
    own = np.array([row["station"] == "s0" for row in pairs])
    station = next(row for row in stations if row["station"] == "s0")
    assert station["rmse_b"] == pytest.approx(metrics(second[own], observed[own]).rmse, abs=1e-12)
    assert "bias_low_b" in station and "r_squared_b" in station
    groups = {(row["group"], row["product"]): row for row in rows_of(done["GROUP_TABLE"])}
    assert len(groups) == 6 and groups["Po", "wet"]["bias_mean"] == pytest.approx(
        np.mean([row["bias_b"] for row in stations if row["group"] == "Po"])
    )
    assert groups["all stations", "wet"]["p_rmse"] < 0.01 and groups["all stations", "wet"]["stations"] == 6
    log = feedback.textLog()
    assert "On the 90 pairs that all products have" in log and "SERIES names 'nowhere'" in log
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "wet − close" in html and "Station s2." in html and "Station s1." not in html


def test_each_on_its_own_pairs_and_one_alone(run, world):
    alone = run("validatestations", **{key: value for key, value in world.items() if key != "PRODUCT_B"})
    apart = run("validatestations", COMMON_SAMPLE=False, MATCHES="TEMPORARY_OUTPUT", **world)
    numbers = ("R", "R2", "RMSE", "UBRMSE", "BIAS", "N", "MEDIAN_R", "MEDIAN_UBRMSE", "MEDIAN_BIAS")
    assert [apart[key] for key in numbers] == [alone[key] for key in numbers] and alone["N"] == 120
    assert not [name for name in alone["OUTPUT"].fields().names() if name.endswith("_b")]
    pairs = rows_of(apart["MATCHES"])
    assert len(pairs) == 120 and sum(isinstance(row["predicted_b"], float) for row in pairs) == 90


def test_without_the_season_a_bias_is_none(run, world):
    done = run("validatestations", ANOMALIES="moving_window", ANOMALY_WINDOW=11, **world)
    rows = rows_of(done["OUTPUT"])
    assert abs(done["BIAS"]) < 0.01 and all(abs(row["bias_b"]) < 0.01 for row in rows)
    assert all(row["r"] > 0.8 for row in rows)


def test_products_on_the_cells_of_the_first(run, world, write_raster):
    """A coarse product, read bilinearly at the centres of the first's cells."""
    coarse = np.arange(16.0).reshape(4, 4) / 100 + 0.1
    path = write_raster("coarse.tif", coarse, ["soil_moisture"], cell=60.0).path
    world["PRODUCT_B"] = [path]
    values = {}
    for rule in ("bilinear", "nearest"):
        done = run("validatestations", RESAMPLING=rule, MATCHES="TEMPORARY_OUTPUT", **world)
        values[rule] = {row["station"]: row["predicted_b"] for row in rows_of(done["MATCHES"])}
    # Station s2: cell (4, 4) of 30 m, whose centre lies a quarter of a coarse cell from the centre of (2, 2).
    assert values["nearest"]["s2"] == pytest.approx(coarse[2, 2], abs=1e-6)
    expected = 0.75 * (0.75 * coarse[2, 2] + 0.25 * coarse[2, 1]) + 0.25 * (0.75 * coarse[1, 2] + 0.25 * coarse[1, 1])
    assert values["bilinear"]["s2"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"LABELS": "one"}, r"\(LABELS\) has 1 names for 2 products"),
        ({"LABELS": "one,one"}, "names two products alike"),
        ({"PRODUCT_B": "late"}, r"too few common pairs \(12; each on its own: .*\(COMMON_SAMPLE\) off"),
        ({"PRODUCT_B": "two"}, r"\(PRODUCT_B\)"),
        ({"ANOMALIES": "moving_window", "ANOMALY_WINDOW": 100000}, r"\(ANOMALY_WINDOW\) is 100000 days"),
    ],
)
def test_refused(refused, world, write_raster, tmp_path, given, words):
    bands = np.full((2, 8, 8), 0.2)
    others = {
        "late": write_raster("late.tif", bands, ["soil_moisture@2020-06-19", "soil_moisture@2020-06-20"]).path,
        "two": write_raster("two.tif", bands, ["a", "b"]).path,
    }
    given = {key: [others[value]] if value in others else value for key, value in given.items()}
    refused(words, "validatestations", **{**world, "OUTPUT": str(tmp_path / "o.gpkg"), **given})


def test_a_constant_product(run, world, write_raster, tmp_path):
    """It has an error, but no correlation; the report says so and is written."""
    world["PRODUCT_B"] = [write_raster("constant.tif", np.full((8, 8), 0.25), ["soil_moisture"]).path]
    done = run("validatestations", REPORT=str(tmp_path / "r.html"), **world)
    rows = rows_of(done["OUTPUT"])
    assert all(row["rmse_b"] > 0 and not isinstance(row["r_b"], float) for row in rows)
