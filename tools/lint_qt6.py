"""Refuse what PyQt6, and with it QGIS 4, does not have. usage: lint_qt6.py [files or folders]

A line that ends in `# qt6: why` is taken as it is.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = ("__init__.py", "plugin.py", "algorithms", "tools", "tests/qgis", "tests/desktop")
# qgis.PyQt adds these to QVariant under Qt 6.
FLAT = {
    "Int",
    "Double",
    "String",
    "Bool",
    "Date",
    "Time",
    "DateTime",
    "LongLong",
    "UInt",
    "ULongLong",
    "ByteArray",
    "StringList",
    "List",
    "Map",
}
# Such as Qgis.QGIS_VERSION.
_NO_ENUM = re.compile(r"[A-Z0-9_]+$")


def faults(code: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers of Python code and what is wrong there."""
    lines = code.splitlines()
    tree = ast.parse(code)
    nested = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        for message in _messages(node, id(node) in nested or id(node) in called):
            if "# qt6:" not in lines[node.lineno - 1]:
                yield node.lineno, message


def _messages(node: ast.AST, goes_on: bool) -> Iterator[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [item.name for item in node.names]
        if any(name.split(".")[0] in ("PyQt5", "PyQt6") for name in names):
            yield "import from qgis.PyQt, which is PyQt5 or PyQt6 as QGIS is"
    elif isinstance(node, ast.Attribute):
        if node.attr == "exec_":
            yield "exec_ is exec in PyQt6"
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if owner == "QVariant" and node.attr == "Type":
            yield "QVariant.Type is gone in PyQt6; qgis.PyQt has QVariant.Double and its like"
        is_member = (
            node.attr != "Type"
            and re.match(r"[A-Z]", node.attr)
            and (owner == "Qt" or not _NO_ENUM.match(node.attr))
            and not goes_on
        )
        if re.match(r"(Qgs|Q)[A-Z]|Qt$|Qgis$", owner) and is_member and not (owner == "QVariant" and node.attr in FLAT):
            yield f"{owner}.{node.attr}: name the enumeration, too (Qt.TimeSpec.UTC, not Qt.UTC)"
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "QDateTime"
        and len(node.args) > 4
    ):
        yield "QDateTime of many numbers is gone in PyQt6: QDateTime(QDate(...), QTime(...), Qt.TimeSpec.UTC)"


def main(arguments: list[str]) -> int:
    """Check files, and all files of folders; return the number of faults."""
    found = 0
    for place in arguments or PLACES:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for line, message in faults(file.read_text(encoding="utf-8")) if file.exists() else ():
                found += 1
                print(f"{file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}:{line}: {message}")
    return found


if __name__ == "__main__":
    raise SystemExit(1 if main(sys.argv[1:]) else 0)
