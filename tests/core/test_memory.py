"""What the computer has, and refusing what needs more."""

import pytest

from sm_toolbox import memory
from sm_toolbox.errors import InputError


def test_free_memory_is_part_of_all():
    assert 0 < memory.free_memory() <= memory.physical_memory()


def test_a_container_has_what_its_limit_leaves(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 300000\n")
    monkeypatch.setattr(memory, "_FIRST_GROUP", tmp_path)
    assert memory.free_memory() == 400000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 400000


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 100 * 2**20)
    memory.refuse_beyond_memory(60 * 2**20, "It needs", "Take less.")
    with pytest.raises(InputError, match=r"It needs about 80 MB of memory, but 100 MB are free and 70% .* Take less\."):
        memory.refuse_beyond_memory(80 * 2**20, "It needs", "Take less.")
