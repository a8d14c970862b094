"""Hostile values, by the kind of parameter: each a name and what makes the value in a folder."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
from qgis.core import QgsVectorLayer

from tests.hostile.scene import CELL, COLUMNS, DAYS, LEFT, ROWS, TOP, dated, write

SHAPE = (len(DAYS), ROWS, COLUMNS)
NUMBERS = {
    "decimal comma": "0,5",
    "letters": "abc",
    "empty text": "",
    "not a number": float("nan"),
    "infinite": float("inf"),
    "negative": -1,
    "zero": 0,
    "huge": 1e308,
    "beyond 64 bits": 2**63,
    "beyond 32 bits": 2**31,
    "tens of millions": 3 * 10**7,
    "fraction": 0.5,
    "tiny": 1e-300,
    "list": [1, 2],
    "truth": True,
}
TEXTS = {
    "empty": "",
    "blank": "  ",
    "separators": ";;,,::",
    "brace": "{",
    "list": "[]",
    "number": "12",
    "not a number": "nan",
    "long": "a" * 100_000,
    "emoji": "😀",
    "quotes": "'\"`",
    "mathematics": "$\\frac{4$_^",
    "line break": "a\nb",
    "path": "../../etc/passwd",
    "code": "__import__('os').system('true')",
    "percent": "%s%n",
    "pairs": "a:b,c:d",
    "dates": "2020-13-45,01/02/2020",
    "negative": '{"n_estimators": -1}',
    "range": "0,1,2",
    "address": "tcp://127.0.0.1:1",
}
CHOICES = {"garbage": "garbage", "empty": "", "index": 99, "list of garbage": ["garbage"], "list": []}
SWITCHES = {"garbage": "nope", "number": 7, "list": []}
FIELDS = {
    "missing": "there is none",
    "text": "station",
    "capitals": "SOIL_MOISTURE",
    "quotes": 'a"b',
    "list": ["soil_moisture", "soil_moisture"],
    "itself": "soil_moisture",
}
CRSS = {"garbage": "EPSG:nought", "number": 7, "of a planet": "IAU:49900", "empty": "", "list": ["EPSG:4326"]}
EXTENTS = {
    "garbage": "here",
    "empty": "",
    "of no size": "1,1,1,1 [EPSG:4326]",
    "infinite": "nan,nan,nan,nan [EPSG:4326]",
    "elsewhere": "100,101,50,51 [EPSG:4326]",
    "past the pole": "-400,400,-100,100 [EPSG:4326]",
    "number": 3,
}
DATES = {
    "garbage": "the day before",
    "impossible": "2020-13-45",
    "empty": "",
    "far": "9999-12-31T00:00:00",
    "number": 5,
}


def _values(seed=1):
    return 0.2 + 0.1 * np.random.default_rng(seed).random(SHAPE)


def _spoilt(path, how):
    written = write(path, _values(), dated("ndvi"))
    content = bytearray(Path(written).read_bytes())
    third = len(content) // 3
    if how == "cut":
        content = content[:third]
    elif how == "rubbish":
        content[third : 2 * third] = np.random.default_rng(0).integers(0, 256, third, dtype=np.uint8).tobytes()
    Path(written).write_bytes(content)
    return written


def _file(path, content=b""):
    path.write_bytes(content)
    return str(path)


def _folder(path):
    path.mkdir(exist_ok=True)
    return str(path)


def _vrt(path, source=None):
    from osgeo import gdal

    real = write(path.with_suffix(".tif"), _values(), dated("ndvi"))
    gdal.Translate(str(path), real, format="VRT")
    if source == "gone":
        os.remove(real)
    return str(path)


def _hole(value):
    values = _values()
    values[:, 5:9, 5:9] = value
    return values


def raster_kinds() -> dict:
    """Return hostile rasters: by name, what makes one in a folder and returns its path."""
    names = dated("ndvi")
    engineering = 'LOCAL_CS["site",UNIT["metre",1]]'
    return {
        "missing file": lambda f: str(f / "there is none.tif"),
        "folder": lambda f: _folder(f / "folder.tif"),
        "empty file": lambda f: _file(f / "empty.tif"),
        "text": lambda f: _file(f / "text.tif", b"not a raster"),
        "cut file": lambda f: _spoilt(f / "cut.tif", "cut"),
        "rubbish tile": lambda f: _spoilt(f / "rubbish.tif", "rubbish"),
        "vrt without source": lambda f: _vrt(f / "gone.vrt", "gone"),
        "vrt": lambda f: _vrt(f / "sound.vrt"),
        "all gaps": lambda f: write(f / "gaps.tif", np.full(SHAPE, np.nan), names),
        "infinite": lambda f: write(f / "infinite.tif", _hole(np.inf), names),
        "huge values": lambda f: write(f / "huge.tif", _hole(1e38), names),
        "constant": lambda f: write(f / "constant.tif", np.full(SHAPE, 0.2), names),
        "zeros": lambda f: write(f / "zeros.tif", np.zeros(SHAPE), names),
        "negative": lambda f: write(f / "negative.tif", -_values(), names),
        "integers without gaps": lambda f: write(f / "integers.tif", 100 * _values(), names, dtype="int16"),
        "bytes with no data": lambda f: write(f / "bytes.tif", 100 * _values(), names, dtype="uint8", nodata=255),
        "complex": lambda f: write(f / "complex.tif", _values(), names, dtype="complex64"),
        "one cell": lambda f: write(f / "one.tif", _values()[:, :1, :1], names),
        "one row": lambda f: write(f / "row.tif", _values()[:, :1], names),
        "no crs": lambda f: write(f / "no_crs.tif", _values(), names, crs=None),
        "engineering crs": lambda f: write(f / "engineering.tif", _values(), names, crs=engineering),
        "elsewhere": lambda f: write(f / "elsewhere.tif", _values(), names, left=200_000, top=100_000),
        "other crs": lambda f: write(
            f / "degrees.tif", _values(), names, crs="EPSG:4326", left=-3.001, top=36.15, cell=0.0003
        ),
        "other crs elsewhere": lambda f: write(f / "polar.tif", _values(), names, crs="EPSG:3995", left=0, top=0),
        "latitudes beyond the pole": lambda f: write(
            f / "pole.tif", _values(), names, crs="EPSG:4326", left=0, top=95, cell=1
        ),
        "cells of nothing": lambda f: write(f / "nothing.tif", _values(), names, cell=1e-9),
        "cells of a billion metres": lambda f: write(f / "billion.tif", _values(), names, cell=1e9),
        "upside down": lambda f: write(
            f / "upside.tif",
            _values(),
            names,
            transform=__import__("affine").Affine(CELL, 0, LEFT, 0, CELL, TOP - ROWS * CELL),
        ),
        "rotated": lambda f: write(
            f / "rotated.tif", _values(), names, transform=__import__("affine").Affine(CELL, 5, LEFT, 5, -CELL, TOP)
        ),
        "undated": lambda f: write(f / "undated.tif", _values()[:1], ["ndvi"]),
        "nameless": lambda f: write(f / "nameless.tif", _values(), [""] * len(DAYS)),
        "one date twice": lambda f: write(f / "twice.tif", _values(), [names[0]] * len(DAYS)),
        "impossible date": lambda f: write(f / "impossible.tif", _values(), ["ndvi@2020-13-45", *names[1:]]),
        "other dates": lambda f: write(
            f / "late.tif", _values(), [f"ndvi@2031-01-{i + 1:02d}" for i in range(len(DAYS))]
        ),
        "name of mathematics": lambda f: write(
            f / "frac$_^{4$.tif", _values(), ["$\\frac{4$_^"] + [f"x{i}" for i in range(len(DAYS) - 1)]
        ),
        "vector": lambda f: _file(
            f / "points.geojson",
            b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[0,0]}}]}',
        ),
        "path of a program": lambda f: "/bin/sh",
        "wms": lambda f: "crs=EPSG:4326&url=http://127.0.0.1:1/wms&layers=a&format=image/png&styles=",
    }


def table_kinds(scene) -> dict:
    """Return hostile tables: by name, what makes a layer or a path."""

    def layer(kind="Point", crs="EPSG:32630", rows=None, fields=scene.fields, name="stations", change=None, at=None):
        from qgis.core import QgsFeature, QgsGeometry, QgsPointXY

        definition = "&".join(f"field={field}:{type_}" for field, type_ in fields)
        made = QgsVectorLayer(f"{kind}?{f'crs={crs}&' if crs else ''}{definition}", name, "memory")
        features = []
        for number, (x, y, *values) in enumerate(scene.points if rows is None else rows):
            feature = QgsFeature(made.fields())
            feature.setAttributes([change(number, i, value) if change else value for i, value in enumerate(values)])
            x, y = (x, y) if at is None else at(number, x, y)
            if x is not None:
                geometry = QgsGeometry.fromPointXY(QgsPointXY(x, y))
                feature.setGeometry(geometry.buffer(5, 3) if kind == "Polygon" else geometry)
            features.append(feature)
        made.dataProvider().addFeatures(features)
        return made

    def column(position, value):
        return lambda number, i, old: value if i == position else old

    return {
        "missing file": lambda f: str(f / "there is none.gpkg"),
        "empty file": lambda f: _file(f / "empty.gpkg"),
        "text": lambda f: _file(f / "text.gpkg", b"no table"),
        "raster": lambda f: scene.dem,
        "no rows": lambda f: layer(rows=[]),
        "one row": lambda f: layer(rows=scene.points[:1]),
        "two rows": lambda f: layer(rows=scene.points[:2]),
        "every row twice": lambda f: layer(rows=[*scene.points, *scene.points]),
        "no geometry": lambda f: layer("None", at=lambda *old: (None, None)),
        "polygons": lambda f: layer("Polygon"),
        "rows without points": lambda f: layer(at=lambda number, x, y: (None, None) if number % 3 == 0 else (x, y)),
        "all at one place": lambda f: layer(at=lambda *old: (LEFT + 400, TOP - 300)),
        "far away": lambda f: layer(at=lambda number, x, y: (x + 5e6, y)),
        "infinite coordinates": lambda f: layer(at=lambda number, x, y: (float("inf"), y) if number == 3 else (x, y)),
        "no crs": lambda f: layer(crs=None),
        "degrees in metres": lambda f: layer(crs="EPSG:4326"),
        "values null": lambda f: layer(change=column(2, None)),
        "stations null": lambda f: layer(change=column(0, None)),
        "times null": lambda f: layer(change=column(1, None)),
        "times garbage": lambda f: layer(change=column(1, "the day before")),
        "times of one day": lambda f: layer(change=column(1, DAYS[0])),
        "values nan": lambda f: layer(change=lambda number, i, old: float("nan") if i == 2 and number == 5 else old),
        "values infinite": lambda f: layer(
            change=lambda number, i, old: float("inf") if i == 2 and number == 5 else old
        ),
        "values constant": lambda f: layer(change=column(2, 0.2)),
        "values huge": lambda f: layer(change=lambda number, i, old: old * 1e300 if i == 2 else old),
        "values text": lambda f: layer(
            fields=[(name, "string" if name == "soil_moisture" else kind) for name, kind in scene.fields],
            change=lambda n, i, old: str(old),
        ),
        "predictor null": lambda f: layer(change=column(3, None)),
        "predictor constant": lambda f: layer(change=column(3, 1.0)),
        "weights negative": lambda f: layer(change=column(5, -1.0)),
        "station names of mathematics": lambda f: layer(
            change=lambda number, i, old: f"$\\frac{{{number // 6}$_^" if i == 0 else old, name="$_^{"
        ),
        "station names long": lambda f: layer(
            change=lambda number, i, old: f"{number // 6}" + "x" * 5_000 if i == 0 else old
        ),
        "stations of one row": lambda f: layer(change=lambda number, i, old: f"s{number}" if i == 0 else old),
        "fields missing": lambda f: layer(fields=scene.fields[:2], rows=[point[:4] for point in scene.points]),
    }


def file_kinds(scene) -> dict:
    """Return hostile files for parameters that take one: a model, an archive."""

    def model(change):
        def make(folder):
            path = folder / "changed.smmodel"
            with zipfile.ZipFile(scene.model) as whole, zipfile.ZipFile(path, "w") as written:
                parts = {name: whole.read(name) for name in whole.namelist()}
                for name, content in change(parts).items():
                    written.writestr(name, content, zipfile.ZIP_DEFLATED)
            return str(path)

        return make

    def bomb(parts):
        arrays = io.BytesIO()
        np.savez_compressed(
            arrays, **dict(np.load(io.BytesIO(parts["arrays.npz"]))), more=np.zeros(2 * 10**8, np.uint8)
        )
        return {**parts, "arrays.npz": arrays.getvalue()}

    def pickled(parts):
        arrays = io.BytesIO()
        np.savez_compressed(arrays, feature=np.array([{}], dtype=object))
        return {**parts, "arrays.npz": arrays.getvalue()}

    return {
        "missing file": lambda f: str(f / "there is none.smmodel"),
        "folder": lambda f: _folder(f / "folder.smmodel"),
        "empty file": lambda f: _file(f / "empty.smmodel"),
        "text": lambda f: _file(f / "text.smmodel", b"no model"),
        "zip of nothing": lambda f: _file(f / "zip.smmodel", b"PK\x05\x06" + bytes(18)),
        "cut model": lambda f: _file(f / "cut.smmodel", Path(scene.model).read_bytes()[:2000]),
        "manifest of nothing": model(lambda parts: {**parts, "manifest.json": b"{}"}),
        "manifest of garbage": model(lambda parts: {**parts, "manifest.json": b"\xff\xfe garbage"}),
        "manifest nested": model(lambda parts: {**parts, "manifest.json": b"[" * 100_000}),
        "further member": model(lambda parts: {**parts, "../evil.py": b"print(1)"}),
        "no arrays": model(lambda parts: {"manifest.json": parts["manifest.json"]}),
        "bomb": model(bomb),
        "pickle": model(pickled),
        "raster": lambda f: scene.dem,
        "path of a program": lambda f: "/bin/sh",
    }  # fmt: skip


def output_kinds(kind: str, base: dict) -> dict:
    """Return hostile places for an output of a kind, of an algorithm with these parameters."""
    suffix = {"rasterDestination": ".tif", "sink": ".gpkg", "fileDestination": ".html", "folderDestination": ""}[kind]

    def link(folder, target):
        path = folder / f"link{suffix}"
        if not path.is_symlink():
            path.symlink_to(target)
        return str(path)

    kinds = {
        "missing folder": lambda f: str(f / "no folder" / f"out{suffix}"),
        "folder": lambda f: _folder(f / f"is a folder{suffix}"),
        "device": lambda f: link(f, os.devnull),
        "long name": lambda f: str(f / ("x" * 300 + suffix)),
        "odd name": lambda f: str(f / f"é $_^ 'a' %41 |{suffix}"),
        "foreign extension": lambda f: str(f / "out.exe"),
        "no extension": lambda f: str(f / "out"),
        "in a file": lambda f: _file(f / "file", b"x") + f"/out{suffix}",
    }
    inputs = [
        item
        for value in base.values()
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, str) and os.path.isfile(item)
    ]
    if inputs:
        kinds["input"] = lambda f: inputs[0]
    if kind == "sink":
        kinds["shapefile"] = lambda f: str(f / "out.shp")
        kinds["text"] = lambda f: str(f / "out.csv")
        kinds["memory"] = lambda f: "TEMPORARY_OUTPUT"
    if kind == "folderDestination":
        return {name: kinds[name] for name in ("missing folder", "device", "long name", "in a file")}
    return kinds
