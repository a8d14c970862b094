"""What the code uses of Qt, under PyQt6: QGIS 4 is built on it. `make qt6` puts it into a folder of its own."""

import ast
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".qt6"
FILES = [ROOT / "plugin.py", *sorted((ROOT / "algorithms").rglob("*.py"))]


def names_of_qt():
    """Return the names that the plugin takes from Qt, with what it takes from them (module, dotted name)."""
    found = set()
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        modules = {
            item.asname or item.name: node.module.rpartition(".")[2]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qgis.PyQt.")
            for item in node.names
        }
        found |= {(module, name) for name, module in modules.items()}
        for node in ast.walk(tree):
            dotted = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if dotted.split(".")[0] in modules and dotted.replace(".", "").isidentifier():
                found.add((modules[dotted.split(".")[0]], dotted))
    return sorted(found)


def functions(*names):
    """Return the code of functions of algorithms/layers.py."""
    tree = ast.parse((ROOT / "algorithms" / "layers.py").read_text(encoding="utf-8"))
    return "\n".join(
        ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names
    )


def pyqt6(code):
    """Run code in a Python of its own that has PyQt6, and qgis.PyQt's additions to it."""
    if not (FOLDER / "PyQt6").is_dir():
        pytest.skip("PyQt6 is not here: `make qt6` gets it and runs this test")
    head = """
        from __future__ import annotations
        from datetime import datetime
        from PyQt6 import QtCore, QtGui
        from PyQt6.QtCore import QDate, QDateTime, QMetaType, Qt, QTime, QVariant
        kinds = {"Double": "Double", "Int": "Int", "String": "QString", "Date": "QDate", "DateTime": "QDateTime"}
        for name, kind in kinds.items():
            setattr(QVariant, name, QMetaType.Type[kind])
    """
    environment = {**os.environ, "PYTHONPATH": str(FOLDER), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + code], capture_output=True, text=True, env=environment
    )
    if "ImportError" in done.stderr and "QtGui" in done.stderr:
        pytest.skip(f"PyQt6 cannot be loaded here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pyqt6_has_every_name_that_is_used():
    names = names_of_qt()
    assert ("QtCore", "Qt.TimeSpec.UTC") in names and ("QtCore", "QVariant.Double") in names
    out = pyqt6(
        "\n".join(
            [
                "missing = []",
                *(
                    f"try: {module}.{name}\nexcept AttributeError: missing.append({name!r})"
                    for module, name in names
                    if not name.startswith(("QDate(", "QVariant()"))
                ),
                "import json; print(json.dumps(missing))",
            ]
        )
    )
    assert json.loads(out) == []


def test_moments_go_to_qt_and_back():
    code = functions("utc_moment", "naive_utc") + textwrap.dedent("""
        moment = utc_moment(datetime(2018, 6, 1, 12, 30, 15))
        print(moment.toString("yyyy-MM-dd hh:mm:ss"), moment.timeSpec() == Qt.TimeSpec.UTC)
        print(naive_utc(moment))
        print(naive_utc(QDateTime(QDate(2018, 6, 1), QTime(1, 0), Qt.TimeSpec.OffsetFromUTC, 7200)))
    """)
    assert pyqt6("\n" + code).splitlines() == ["2018-06-01 12:30:15 True", "2018-06-01 12:30:15", "2018-05-31 23:00:00"]
