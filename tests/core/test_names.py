"""One name, one thing: public names of different modules differ, so that a search finds what it looks for."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "sm_toolbox"
# Each learner's module has its row under this name, as the catalogue expects.
BY_CONVENTION = {"LEARNER"}


def definitions(tree: ast.Module):
    """Yield the names that a module defines; what it imports is no definition."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_public_names_are_defined_once():
    modules = defaultdict(set)
    for path in sorted(FOLDER.rglob("*.py")):
        for name in definitions(ast.parse(path.read_text(encoding="utf-8"))):
            if not name.startswith("_") and name not in BY_CONVENTION:
                modules[name].add(path.relative_to(FOLDER).as_posix())
    twins = {name: sorted(places) for name, places in modules.items() if len(places) > 1}
    assert not twins
