"""Compiling is said, once, and only where it happens."""

import importlib
import sys

import pytest

pytest.importorskip("numba")


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """A module of compiled functions that looks like one of the toolbox's."""
    (tmp_path / "firstuse_kernels.py").write_text(
        "from numba import njit\n@njit(cache=True)\ndef double(x):\n    return 2 * x\n@njit(cache=True)\ndef "
        "half(x):\n    return x / 2\n"
    )

    def load(package="sm_toolbox"):
        name = f"{package}.firstuse_kernels"
        spec = importlib.util.spec_from_file_location(name, tmp_path / "firstuse_kernels.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_the_first_use_is_said_once_and_the_cached_one_not(kernels, progress):
    from sm_toolbox.firstuse import MESSAGE, announced

    module = kernels()
    with announced(progress) as found:
        assert module.double(2.0) == 4 and module.half(2.0) == 1
    assert progress.infos == [MESSAGE] and found.count == 2
    progress.infos.clear()
    again = kernels()
    with announced(progress) as found:
        assert again.double(2.0) == 4
    assert progress.infos == [] and found.count == 0


def test_what_others_compile_is_not_ours(kernels, progress):
    from sm_toolbox.firstuse import announced

    with announced(progress):
        kernels("other").double(2.0)
    assert progress.infos == []


def test_nothing_listens_afterwards(kernels, progress):
    from sm_toolbox.firstuse import announced

    with pytest.raises(ZeroDivisionError), announced(progress):
        raise ZeroDivisionError
    kernels().half(2.0)
    assert progress.infos == []


def test_what_cannot_be_kept_is_compiled_every_time_and_said_so(kernels, progress, monkeypatch):
    from sm_toolbox.firstuse import EVERY_TIME, announced

    module = kernels()
    without_cache = type(module.double)(module.double.py_func)
    with announced(progress):
        assert without_cache(2.0) == 4
    assert progress.infos == [EVERY_TIME]
