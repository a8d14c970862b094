"""The model file: read back equal, and never trusted."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sm_toolbox.errors import InputError, ModelFileError, OutputError
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.modelfile import load_model, save_model
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.models.training import train


class Bomb:
    """Unpickling it would leave a trace."""

    def __reduce__(self):
        return (Path.touch, (Path("/tmp/smtoolbox-pickle-was-run"),))


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    table = TrainingTable(Roles("sm", ("a", "aspect")), rng.random((200, 2)) * 100, rng.random(200), np.arange(200))
    return train(table, RandomForest(8), make_split("random", 2), {"aspect": 360.0}).model


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "m.smmodel"
    save_model(model, str(path))
    return path


def rewrite(path, **members):
    """Write the file again with other members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    new = {**old, **{name.replace("__", "."): data for name, data in members.items()}}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in new.items():
            if data is not None:
                archive.writestr(name, data)


def manifest(path, **changes):
    with zipfile.ZipFile(path) as archive:
        content = json.loads(archive.read("manifest.json"))
    rewrite(path, manifest__json=json.dumps({**content, **changes}))


def test_read_back_equal(model, path):
    again = load_model(str(path))
    rows = np.random.default_rng(1).random((500, 2)) * 100
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    assert again.manifest.to_json() == json.loads(json.dumps(model.manifest.to_json())) and again.predictors == (
        "a",
        "aspect",
    )


def test_a_truncated_file(path):
    data = path.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 30):
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match=r"m\.smmodel' cannot be used"):
            load_model(str(path))


def test_damaged_bytes_are_noticed(path):
    data = bytearray(path.read_bytes())
    for position in range(100, len(data) - 100, 997):
        data[position] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ModelFileError):
        load_model(str(path))


def test_foreign_files(tmp_path):
    for name, data in [("text", b"hello"), ("pickle", pickle.dumps({"a": 1}))]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelFileError, match="cannot be used"):
            load_model(str(tmp_path / name))
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("word/document.xml", "x")
    with pytest.raises(ModelFileError, match="'word/document.xml', which has no place in a model file"):
        load_model(str(tmp_path / "zip"))
    with pytest.raises(ModelFileError, match="does not exist"):
        load_model(str(tmp_path / "missing.smmodel"))


def test_a_newer_format_says_update(path):
    manifest(path, format_version=3)
    with pytest.raises(ModelFileError, match="format 3 is newer than the format 2.*update the toolbox"):
        load_model(str(path))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"format_version": "1"},
        {"format_version": 0},
        {"kind": "magic"},
        {"predictors": []},
        {"predictors": [{"name": 3}]},
        {"predictors": "ab"},
        {"predictors": [{"name": "a"}, {"name": "a"}, {"name": "b"}]},
        {"predictors": [{"name": "a", "period": -1}]},
        {"predictors": [{"name": "a"}]},
    ],
)
def test_a_wrong_manifest(path, changes):
    manifest(path, **changes)
    with pytest.raises(ModelFileError):
        load_model(str(path))


def test_a_pickle_in_the_zip_is_not_run(path):
    trace = Path("/tmp/smtoolbox-pickle-was-run")
    trace.unlink(missing_ok=True)
    rewrite(path, model__pkl=pickle.dumps(Bomb()))
    with pytest.raises(ModelFileError, match=r"'model\.pkl', which has no place"):
        load_model(str(path))
    assert not trace.exists()


def test_a_pickle_in_the_arrays_is_not_run(path):
    trace = Path("/tmp/smtoolbox-pickle-was-run")
    trace.unlink(missing_ok=True)
    data = io.BytesIO()
    np.savez(data, forest_value=np.array([Bomb()], dtype=object))
    assert not trace.exists()
    rewrite(path, arrays__npz=data.getvalue())
    with pytest.raises(ModelFileError, match="holds object, which no array of a model does"):
        load_model(str(path))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "..\\evil.txt"])
def test_paths_that_climb_out(path, tmp_path, name):
    before = sorted(tmp_path.parent.rglob("*"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    with pytest.raises(ModelFileError, match="no place in a model file"):
        load_model(str(path))
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_zip_that_unpacks_to_far_too_much(path, monkeypatch):
    monkeypatch.setattr("sm_toolbox.models.modelfile._LARGEST", 1000)
    with pytest.raises(ModelFileError, match="unpacks to more than any model needs"):
        load_model(str(path))


def arrays_of(path, **changes):
    """Write the arrays again, packed, with others or without some."""
    with zipfile.ZipFile(path) as archive, np.load(io.BytesIO(archive.read("arrays.npz"))) as old:
        arrays = {**old, **changes}
    data = io.BytesIO()
    np.savez_compressed(data, **{name: array for name, array in arrays.items() if array is not None})
    rewrite(path, arrays__npz=data.getvalue())


def test_a_small_file_of_a_huge_array_is_not_unpacked(path):
    """Zeros of a foreign name, packed a thousand times smaller."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**28,)})
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("aoa_extra.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(40):
            member.write(bytes(2**20))
    rewrite(path, arrays__npz=data.getvalue())
    with pytest.raises(ModelFileError, match=r"'aoa_extra\.npy', which no model has"):
        load_model(str(path))


def test_arrays_that_say_they_are_larger_than_the_zip_has(path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**28,)})
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("evidence_target.npy", header.getvalue() + bytes(80))
    rewrite(path, arrays__npz=data.getvalue())
    with pytest.raises(ModelFileError, match="is not as large as it says"):
        load_model(str(path))


@pytest.mark.parametrize(
    "changes", [{"extra": np.zeros(3)}, {"forest_value": np.array(["a"])}, {"forest_value": np.zeros(3, complex)}]
)
def test_foreign_arrays(path, changes):
    arrays_of(path, **changes)
    with pytest.raises(ModelFileError, match="which no"):
        load_model(str(path))


def test_a_model_needs_no_more_than_half_of_the_free_memory(path, monkeypatch):
    monkeypatch.setattr("sm_toolbox.models.modelfile.free_memory", lambda: 1000)
    with pytest.raises(InputError, match="more than half of the .* MB of memory that are free"):
        load_model(str(path))


def test_a_model_that_could_not_be_read_again_is_not_written(model, tmp_path, monkeypatch):
    monkeypatch.setattr("sm_toolbox.models.modelfile._LARGEST", 1000)
    with pytest.raises(OutputError, match="more than the .* MB that a model file may hold.*min_samples_leaf"):
        save_model(model, str(tmp_path / "large.smmodel"))
    assert not (tmp_path / "large.smmodel").exists()


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError(),
        RuntimeError("cannot cache function: no locator available"),
        PermissionError(13, "Permission denied"),
    ],
)
def test_faults_of_the_machine_are_not_blamed_on_the_file(path, monkeypatch, fault):
    monkeypatch.setattr("sm_toolbox.models.modelfile._build", lambda *_: (_ for _ in ()).throw(fault))
    with pytest.raises(type(fault)):
        load_model(str(path))


def test_a_file_that_may_not_be_read(path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        load_model(str(path))


def test_a_member_twice(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", "{}")
    with pytest.raises(ModelFileError, match="each once"):
        load_model(str(path))


def test_a_full_disk_leaves_nothing_and_keeps_the_old_file(model, path, monkeypatch, leftovers):
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zipfile.ZipFile.writestr", full)
    with pytest.raises(OutputError, match="No space left on device.*Nothing was kept"):
        save_model(model, str(path))
    assert leftovers() == ["m.smmodel"] and path.read_bytes() == before


def test_outputs_that_cannot_be_written(model, tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        save_model(model, str(tmp_path / "no" / "m.smmodel"))
    with pytest.raises(OutputError, match="is a folder"):
        save_model(model, str(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": ["random_forest"]},
        {"kind": {}},
        {"target": "sm"},
        {"target": None},
        {"predictors": [{"name": "a"}, {"name": "aspect", "period": 10**400}]},
        {"format_version": True},
        {"predictors": "ab"},
    ],
)
def test_manifests_of_another_kind(path, changes):
    manifest(path, **changes)
    if changes == {"format_version": True}:
        load_model(str(path))
        return
    with pytest.raises(ModelFileError, match=r"m\.smmodel' cannot be used"):
        load_model(str(path))


def test_a_calibration_that_is_none_is_left_out(path):
    manifest(path, calibration={"correction": [float("nan")] * 99})
    assert load_model(str(path)).calibration is None


def test_members_that_are_no_arrays(path):
    with zipfile.ZipFile(path) as archive:
        inner = archive.read("arrays.npz")
    for name, data in (
        ("forest_root.npy", b"not an array"),
        ("evidence_target.npy", np.lib.format.magic(1, 0) + b"\x05\x00{junk"),
    ):
        spoilt = io.BytesIO(inner)
        with zipfile.ZipFile(io.BytesIO(inner)) as old, zipfile.ZipFile(spoilt, "w") as new:
            for member in old.namelist():
                new.writestr(member, data if member == name else old.read(member))
        rewrite(path, arrays__npz=spoilt.getvalue())
        with pytest.raises(ModelFileError, match=r"m\.smmodel' cannot be used"):
            load_model(str(path))
