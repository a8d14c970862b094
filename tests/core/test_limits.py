"""Sizes that keep a piece of code in view, docstrings aside: none may grow past them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE, FUNCTION, ARGUMENTS = 450, 80, 8
FILES = sorted([*ROOT.glob("sm_toolbox/**/*.py"), *ROOT.glob("algorithms/**/*.py")])


def functions(path):
    """Yield the functions of a file with their lines without the docstring, and the number of their arguments.

    Compiled code and declarations of parameters are left out.
    """
    if "kernels" in path.name:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name != "declare":
            given = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            described = len((ast.get_docstring(node, clean=False) or "").splitlines())
            yield (
                node.name,
                node.end_lineno - node.lineno + 1 - described,
                len([name for name in given if name not in ("self", "cls")]),
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_too_long(path):
    text = path.read_text(encoding="utf-8")
    described = sum(
        len(ast.get_docstring(node, clean=False).splitlines())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
    )
    lines = len(text.splitlines()) - described
    assert lines <= MODULE


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_is_too_long_or_takes_too_much(path):
    for name, lines, arguments in functions(path):
        assert lines <= FUNCTION and arguments <= ARGUMENTS, f"{name}: {lines} lines, {arguments} arguments"
