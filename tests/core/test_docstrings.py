"""Every public function and class of the core says what it takes, in NumPy's style."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "sm_toolbox"
FILES = sorted(FOLDER.rglob("*.py"))
AS_ANOTHER = re.compile(r"^As `[\w.]+`", re.MULTILINE)
RESULT = re.compile(r"^(Returns|Yields)\n---", re.MULTILINE)


def public(body, prefix=""):
    """Yield public functions and classes with their dotted names, methods included."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{prefix}{node.name}.")


def is_dataclass(node):
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def is_property(node):
    return any(ast.unparse(decorator).endswith("property") for decorator in node.decorator_list)


def arguments(node):
    """List what a function takes, or what makes an object of a class."""
    if isinstance(node, ast.ClassDef):
        if is_dataclass(node):
            fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
            fields = [item for item in fields if not ast.unparse(item.annotation).startswith("ClassVar")]
            return [item.target.id for item in fields if not item.target.id.startswith("_")]
        makers = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        return arguments(makers[0]) if makers else []
    given = [item.arg for item in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return [name for name in given if name not in ("self", "cls")]


def described(doc):
    """Return the names that the section on parameters describes."""
    match = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-{3,}|\Z)", doc, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^(\S[^:\n]*)(?: :|$)", match[1], re.MULTILINE) if match else []
    return {name.strip(" *") for line in lines for name in line.split(",")}


def returns(node):
    """Say whether a function returns something; what a context manager without a value yields is nothing."""
    return node.returns is not None and ast.unparse(node.returns) not in ("None", "Iterator[None]")


def missing(node):
    doc = ast.get_docstring(node)
    if not doc:
        return "a docstring"
    if AS_ANOTHER.search(doc) or (isinstance(node, ast.FunctionDef) and is_property(node)):
        return ""
    taken = arguments(node)
    what = sorted(set(taken) - described(doc))
    if taken and isinstance(node, ast.FunctionDef) and returns(node) and not RESULT.search(doc):
        what.append("what it returns")
    return ", ".join(what)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_parameters_are_described(path):
    nodes = public(ast.parse(path.read_text(encoding="utf-8")).body)
    if "kernels" in path.name:
        # Compiled loops may say in sentences what they fill.
        faults = {name: "" if ast.get_docstring(node) else "a docstring" for name, node in nodes}
    else:
        faults = {name: missing(node) for name, node in nodes}
    assert {name: what for name, what in faults.items() if what} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_summaries_take_one_line(path):
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    nodes = [node for node in nodes if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docs = {getattr(node, "name", "module"): ast.get_docstring(node) or "" for node in nodes}
    assert [name for name, doc in docs.items() if "\n" in doc.split("\n\n")[0]] == []
