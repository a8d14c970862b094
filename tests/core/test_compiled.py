"""Compiled functions are kept where that is safe and possible, and work in any case."""

import ast
from pathlib import Path

import numba
import pytest

from sm_toolbox.compiled import check_cache, njit, private_folder

caching = pytest.importorskip("numba.core.caching")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def read_only(monkeypatch):
    """A function after which only folders below one, or none, can be written."""

    def only(folder=None):
        given = caching._CacheLocator.ensure_cache_path

        def ensure(locator):
            if folder is None or not str(locator.get_cache_path()).startswith(str(folder)):
                raise PermissionError(13, "Permission denied")
            given(locator)

        monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", ensure)

    return only


def twice(value):
    return 2 * value


def test_functions_are_kept_beside_their_module():
    assert check_cache().endswith("__pycache__")


def test_without_any_folder_functions_are_compiled_all_the_same(read_only, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    read_only()
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(twice)
    assert njit(cache=True, nogil=True)(twice)(3) == 6 and check_cache() == ""


def test_the_fallback_is_a_folder_of_the_user_alone(read_only, monkeypatch, tmp_path):
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    read_only(tmp_path)
    assert njit(cache=True)(twice)(3) == 6
    folder = tmp_path / "smtoolbox-compiled"
    assert (
        folder.stat().st_mode & 0o777 == 0o700 and list(folder.rglob("*.nbc")) and check_cache().startswith(str(folder))
    )
    assert not numba.config.CACHE_DIR


@pytest.mark.parametrize("how", ["open to others", "a link", "of somebody else", "a file"])
def test_a_folder_that_others_can_write_is_not_used(monkeypatch, tmp_path, how):
    base = tmp_path / "run"
    base.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    assert private_folder() == base / "smtoolbox-compiled"
    private_folder().rmdir()
    if how == "open to others":
        base.chmod(0o777)
    elif how == "a link":
        other = tmp_path / "other"
        other.mkdir(mode=0o700)
        (base / "smtoolbox-compiled").symlink_to(other)
    elif how == "of somebody else":
        monkeypatch.setattr("os.getuid", lambda: 12345)
    else:
        (base / "smtoolbox-compiled").write_text("")
    assert private_folder() is None


def test_a_disk_that_fills_later_is_no_reason_to_fail(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    monkeypatch.setattr(caching.IndexDataCacheFile, "load", full)
    assert njit(cache=True)(twice)(4) == 8


def is_compiled(node):
    """Whether a function of a syntax tree is decorated with njit."""
    return isinstance(node, ast.FunctionDef) and any("njit" in ast.dump(each) for each in node.decorator_list)


def plain_parts(node):
    """Yield what a syntax tree holds outside compiled functions."""
    for child in ast.iter_child_nodes(node):
        if not is_compiled(child):
            yield child
            yield from plain_parts(child)


def test_python_calls_no_function_that_is_for_compiled_ones_alone():
    """It would end the process: what Python needs to call functions with an underscore is not compiled."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("sm_toolbox", "algorithms", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
    }
    inner = {
        (path.stem, node.name)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if is_compiled(node) and node.name.startswith("_")
    }
    assert ("fill_kernels", "_push") in inner
    for path, tree in trees.items():
        imported = {
            (node.module.rpartition(".")[2], alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        known = {name for module, name in inner if module == path.stem or (module, name) in imported}
        # Outside all functions compiled ones are handed to what makes others of them.
        plain = [each for each in tree.body if not isinstance(each, ast.Assign) and not is_compiled(each)]
        for node in (part for each in plain for part in plain_parts(each)):
            if isinstance(node, ast.Name):
                assert node.id not in known, f"{path.name}: {node.id}"
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and "kernels" in node.value.id:
                assert node.attr not in {name for _, name in inner}, f"{path.name}: {node.attr}"
