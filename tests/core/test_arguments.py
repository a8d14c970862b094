"""Messages of the core name the arguments of its functions in backticks, never the keys of QGIS's dialogs."""

from __future__ import annotations

import ast
import builtins
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "sm_toolbox"
FILES = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path for path in CORE.rglob("*.py")}
ARGUMENT = re.compile(r"`([^`]*)`")
CAPITALS = re.compile(r"(?<![\w/.\\'-])[A-Z][A-Z0-9_]+(?!\w)")
# Keys that are also words of a sentence ("the DEM is rotated against its CRS"), or of another language ("ELSE 0 END").
WORDS = {
    "CEOP",
    "CRS",
    "DEM",
    "ERA5",
    "GRIB",
    "HDF",
    "ISMN",
    "LST",
    "MODIS",
    "NDVI",
    "R2",
    "RMSE",
    "SPAEF",
    "END",
    "PERIOD",
}
RAISED = re.compile(r"Error$")
TOLD = {"info", "warning", "append", "extend", "tell"}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def text_of(node: ast.AST) -> str:
    """Return a literal, {} where it has values; "" of anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def literals(node: ast.AST):
    """Yield the texts below a node that are no docstrings, f-strings whole; and those within their values."""
    if is_docstring(node):
        return
    text = text_of(node)
    if text:
        yield text
    children = (
        [part for part in node.values if isinstance(part, ast.FormattedValue)]
        if isinstance(node, ast.JoinedStr)
        else ast.iter_child_nodes(node)
    )
    for child in children:
        yield from literals(child)


def messages(tree: ast.Module):
    """Yield the texts of errors, warnings and lines of the log, where they are made as they are given."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        raised = RAISED.search(name) and not hasattr(builtins, name)
        if raised or name in TOLD:
            for argument in node.args:
                yield from literals(argument)


@cache
def own_parameters(module: str) -> set[str]:
    """Return the parameters of a module's public functions, and the fields of its public classes."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
            found |= {item.arg for item in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found |= {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}
    return found


@cache
def imported(module: str) -> frozenset[str]:
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found & FILES.keys())


@cache
def related(module: str) -> set[str]:
    """Return the modules that work with a module, near or far, those that these take settings from, and itself."""
    above, news = {module}, {module}
    while news:
        news = {other for other in FILES if imported(other) & news} - above
        above |= news
    return above.union(*(imported(other) for other in above))


NAMED = sorted(
    {
        (module, argument)
        for module in FILES
        for text in literals(tree_of(module))
        for argument in ARGUMENT.findall(text)
        if argument != "{}"
    }
)


def test_arguments_are_found():
    assert len(NAMED) > 150 and ("sm_toolbox.merging.settings", "alpha") in NAMED


@pytest.mark.parametrize(("module", "argument"), NAMED)
def test_what_a_message_names_is_an_argument(module, argument):
    name = re.sub(r"\[(\d|\{\})\]$", "", argument)
    known = set().union(*(own_parameters(other) for other in related(module)))
    assert name in known, f"{module} names `{argument}`, which none of the functions that lead to it takes"


def keys() -> set[str]:
    """Return the words in capitals that the algorithms have as whole texts: keys of parameters, and few more."""
    found = set()
    for path in (ROOT / "algorithms").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CAPITALS.fullmatch(node.value):
                found.add(node.value)
    return found | {f"PRODUCT_{letter}" for letter in "ABCDE"}


@pytest.mark.parametrize("module", sorted(FILES))
def test_no_message_names_a_key_of_qgis(module):
    if module.endswith("report") or ".reports." in module:
        # What reports say beyond the messages is for users of QGIS.
        return
    known = keys() - WORDS
    named = {word for text in messages(tree_of(module)) for word in CAPITALS.findall(text) if word in known}
    assert not named
