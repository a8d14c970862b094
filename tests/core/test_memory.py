"""What the computer has, and refusing what needs more."""

import pytest

from sm_toolbox import memory
from sm_toolbox.errors import InputError
from sm_toolbox.predictors.terrain import terrain_indices


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


def test_wetness_of_a_dem_that_does_not_fit_is_refused_before_any_work(write_raster, tmp_path, monkeypatch, leftovers):
    import numpy as np

    dem = write_raster("dem.tif", np.random.default_rng(0).random((100, 100)), ["dem"])
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000)
    with pytest.raises(
        InputError, match=r"whole DEM 'dem.tif' of 100 × 100 cells and needs about .* MB.*70% of that.*Leave twi out"
    ):
        terrain_indices(dem, ["slope", "twi"], str(tmp_path / "out.tif"))
    assert leftovers() == ["dem.tif"]
    terrain_indices(dem, ["slope"], str(tmp_path / "out.tif"))
