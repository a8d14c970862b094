"""The README's recipe for plain tables: from a messy spreadsheet export to a training table, with QGIS's own tools."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from qgis.core import QgsVectorLayer
from qgis.PyQt.QtCore import QVariant

STATIONS = {"Bach-1": (500015.0, 3999985.0), "Höhe 2": (500105.0, 3999925.0), "Moor_3": (500045.0, 3999955.0)}
READINGS = 25


def moisture(station, reading):
    return round(0.15 + 0.05 * station + reading / 1000, 4)


@pytest.fixture
def tables(tmp_path):
    """Two exports of a German spreadsheet in Windows-1252: stations with coordinates; readings in local time (UTC+2), a
    column for each station.
    """
    places = [
        "Station;Ostwert;Nordwert",
        *(f"{name};{x:.1f};{y:.1f}".replace(".", ",") for name, (x, y) in STATIONS.items()),
    ]
    (tmp_path / "stationen.csv").write_bytes("\r\n".join(places).encode("cp1252"))
    lines = ["Datum;" + ";".join(STATIONS)]
    for reading in range(READINGS):
        time = datetime(2019, 6, 1, 1, 30) + timedelta(hours=reading)
        values = [
            "" if (reading, station) == (3, 1) else f"{moisture(station, reading):.4f}".replace(".", ",")
            for station in range(3)
        ]
        lines.append(f"{time:%d.%m.%Y %H:%M};{';'.join(values)}")
    (tmp_path / "messwerte.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    return tmp_path


def delimited_text(path, name):
    """Load a table as 'Add Delimited Text Layer' does: semicolons, decimal comma, no geometry."""
    layer = QgsVectorLayer(
        f"file://{path}?type=csv&delimiter=;&decimalPoint=,&encoding=windows-1252&geomType=none&detectTypes=yes",
        name,
        "delimitedtext",
    )
    assert layer.isValid()
    return layer


def test_from_a_messy_wide_table_to_predictors_at_stations(run, tables, write_raster):
    import processing

    places, wide = (
        delimited_text(tables / "stationen.csv", "stationen"),
        delimited_text(tables / "messwerte.csv", "messwerte"),
    )
    assert [field.name() for field in wide.fields()] == ["Datum", *STATIONS]
    assert [wide.fields().field(name).type() for name in STATIONS] == [QVariant.Double] * 3

    query = " UNION ALL ".join(
        f"""SELECT "Datum", '{name}' AS station, "{name}" AS value FROM input1""" for name in STATIONS
    )
    long = processing.run(
        "qgis:executesql",
        {"INPUT_DATASOURCES": [wide], "INPUT_QUERY": query, "INPUT_GEOMETRY_TYPE": 1, "OUTPUT": "TEMPORARY_OUTPUT"},
    )["OUTPUT"]
    assert long.featureCount() == 3 * READINGS

    mapping = [
        {"name": "station", "type": int(QVariant.String), "length": 0, "precision": 0, "expression": '"station"'},
        {
            "name": "time",
            "type": int(QVariant.DateTime),
            "length": 0,
            "precision": 0,
            "expression": "to_datetime(\"Datum\", 'dd.MM.yyyy HH:mm') - to_interval('2 hours')",
        },
        {"name": "soil_moisture", "type": int(QVariant.Double), "length": 0, "precision": 0, "expression": '"value"'},
    ]
    clean = processing.run(
        "native:refactorfields", {"INPUT": long, "FIELDS_MAPPING": mapping, "OUTPUT": "TEMPORARY_OUTPUT"}
    )["OUTPUT"]
    first = next(clean.getFeatures())
    assert first["time"].toString("yyyy-MM-ddTHH:mm") == "2019-05-31T23:30" and first["soil_moisture"] == moisture(0, 0)

    points = processing.run(
        "native:createpointslayerfromtable",
        {
            "INPUT": places,
            "XFIELD": "Ostwert",
            "YFIELD": "Nordwert",
            "TARGET_CRS": "EPSG:32630",
            "OUTPUT": "TEMPORARY_OUTPUT",
        },
    )["OUTPUT"]
    assert points.featureCount() == 3
    joined = processing.run(
        "native:joinattributestable",
        {
            "INPUT": points,
            "FIELD": "Station",
            "INPUT_2": clean,
            "FIELD_2": "station",
            "FIELDS_TO_COPY": ["time", "soil_moisture"],
            "METHOD": 0,  # one feature for each matching row
            "DISCARD_NONMATCHING": True,
            "OUTPUT": "TEMPORARY_OUTPUT",
        },
    )["OUTPUT"]
    assert joined.featureCount() == 3 * READINGS

    ndvi = np.arange(16.0).reshape(4, 4)
    dated = write_raster("ndvi.tif", np.stack([ndvi, ndvi + 100]), ["ndvi@2019-05-31", "ndvi@2019-06-01"]).path
    done = run(
        "samplepredictors",
        STATIONS=joined,
        STATION="Station",
        TIME="time",
        PREDICTORS=[dated],
        OUTPUT="TEMPORARY_OUTPUT",
    )
    assert done["ROWS"] == 3 * READINGS == done["COMPLETE_ROWS"]
    found = {(row["Station"], row["time"].toString("yyyy-MM-ddTHH:mm")): row for row in done["OUTPUT"].getFeatures()}
    for station, (name, (x, y)) in enumerate(STATIONS.items()):
        cell = ndvi[int((4000000 - y) // 30), int((x - 500000) // 30)]
        for reading in (0, 1, READINGS - 1):
            time = datetime(2019, 5, 31, 23, 30) + timedelta(hours=reading)
            row = found[name, f"{time:%Y-%m-%dT%H:%M}"]
            # The first reading, at 1:30 local time, belongs to the day before in UTC.
            assert row["ndvi"] == cell + (0 if reading == 0 else 100) and row["soil_moisture"] == pytest.approx(
                moisture(station, reading)
            )
    assert not found["Höhe 2", "2019-06-01T02:30"]["soil_moisture"]


def test_long_tables_with_coordinates_in_every_row(run, tmp_path, write_raster):
    """Two steps: refactor fields, create points."""
    import processing

    (tmp_path / "long.csv").write_text(
        "id;when;sm;lon;lat\n12;6/1/2019 2:30 PM;23.1;-3.0;36.1\n12;6/2/2019 2:30 PM;24.0;-3.0;36.1\n", encoding="utf-8"
    )
    layer = QgsVectorLayer(
        f"file://{tmp_path / 'long.csv'}?type=csv&delimiter=;&geomType=none&detectTypes=yes", "long", "delimitedtext"
    )
    mapping = [
        {"name": name, "type": int(kind), "length": 0, "precision": 0, "expression": expression}
        for name, kind, expression in (
            ("station", QVariant.String, '"id"'),
            ("time", QVariant.DateTime, "to_datetime(\"when\", 'M/d/yyyy h:mm AP')"),
            ("soil_moisture", QVariant.Double, '"sm" / 100'),
            ("lon", QVariant.Double, '"lon"'),
            ("lat", QVariant.Double, '"lat"'),
        )
    ]
    clean = processing.run(
        "native:refactorfields", {"INPUT": layer, "FIELDS_MAPPING": mapping, "OUTPUT": "TEMPORARY_OUTPUT"}
    )["OUTPUT"]
    points = processing.run(
        "native:createpointslayerfromtable",
        {"INPUT": clean, "XFIELD": "lon", "YFIELD": "lat", "TARGET_CRS": "EPSG:4326", "OUTPUT": "TEMPORARY_OUTPUT"},
    )["OUTPUT"]
    raster = write_raster(
        "a.tif", [[[1.0]], [[2.0]]], ["a@2019-06-01", "a@2019-06-02"], crs="EPSG:4326", origin=(-4, 37), cell=2
    ).path
    out = run(
        "samplepredictors",
        STATIONS=points,
        STATION="station",
        TIME="time",
        PREDICTORS=[raster],
        OUTPUT="TEMPORARY_OUTPUT",
    )["OUTPUT"]
    assert [
        (row["station"], row["time"].toString("yyyy-MM-ddTHH:mm"), row["soil_moisture"], row["a"])
        for row in out.getFeatures()
    ] == [
        ("12", "2019-06-01T14:30", 0.231, 1),
        ("12", "2019-06-02T14:30", 0.24, 2),
    ]
