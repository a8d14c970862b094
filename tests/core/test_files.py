"""Outputs that appear together or not at all, and what dead runs leave."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sm_toolbox.errors import OutputError
from sm_toolbox.files import (
    StagedOutputs,
    check_output,
    check_writable,
    one_at_a_time,
    temporary_name,
    tidy,
    working_folder,
)

ROOT = Path(__file__).parents[2]


def write(staged, path, text="new"):
    Path(staged.path(str(path))).write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_all_files_of_a_run_appear_together(tmp_path):
    one, two = tmp_path / "one.tif", tmp_path / "folder" / "two.html"
    two.parent.mkdir()
    one.write_text("old")
    with StagedOutputs() as staged:
        write(staged, one)
        write(staged, two)
        assert one.read_text() == "old" and not two.exists()
        staged.keep()
    assert (one.read_text(), two.read_text()) == ("new", "new")
    assert names(tmp_path) == ["folder", "one.tif"] and names(two.parent) == ["two.html"]


def test_what_is_not_kept_leaves_nothing_and_loses_nothing(tmp_path):
    one = tmp_path / "one.tif"
    one.write_text("old")
    with pytest.raises(ZeroDivisionError), StagedOutputs() as staged:
        write(staged, one)
        raise ZeroDivisionError
    assert one.read_text() == "old" and names(tmp_path) == ["one.tif"]


@pytest.mark.parametrize("links", [True, False])
def test_where_one_cannot_be_replaced_all_is_as_before(tmp_path, monkeypatch, links):
    one, new, taken = tmp_path / "a.tif", tmp_path / "b.tif", tmp_path / "c.html"
    one.write_text("old")
    (taken / "of a user").mkdir(parents=True)
    if not links:
        # Not every file system gives a file two names.
        monkeypatch.setattr(os, "link", lambda *names: (_ for _ in ()).throw(OSError("not supported")))
    with StagedOutputs() as staged:
        for path in (one, new, taken):
            write(staged, path)
        with pytest.raises(OutputError, match=r"c\.html' cannot be replaced .* Nothing was changed"):
            staged.keep()
    assert one.read_text() == "old" and names(tmp_path) == ["a.tif", "c.html"] and names(taken) == ["of a user"]


def test_a_change_that_is_no_file_is_undone_where_a_file_fails(tmp_path):
    class Change:
        done = []

        def make(self):
            self.done.append("made")

        def confirm(self):
            self.done.append("confirmed")

        def undo(self):
            self.done.append("undone")

    taken = tmp_path / "c.html"
    (taken / "of a user").mkdir(parents=True)
    with StagedOutputs() as staged:
        staged.add(Change())
        write(staged, taken)
        with pytest.raises(OutputError):
            staged.keep()
    assert Change.done == ["made", "undone"]


def test_notes_on_the_file_that_was_replaced_go(tmp_path):
    old = tmp_path / "a.gpkg"
    for name in ("a.gpkg", "a.gpkg-wal", "a.gpkg.aux.xml", "b.gpkg-wal"):
        (tmp_path / name).write_text("old")
    with StagedOutputs() as staged:
        write(staged, old)
        Path(staged.path(str(old)) + ".aux.xml").write_text("new")
        staged.keep()
    assert (
        names(tmp_path) == ["a.gpkg", "a.gpkg.aux.xml", "b.gpkg-wal"]
        and (tmp_path / "a.gpkg.aux.xml").read_text() == "new"
    )


def test_what_belongs_to_an_old_shapefile_goes_with_it(tmp_path):
    for name in ("a.shp", "a.dbf", "a.prj", "a.qix", "a.sbn", "a.qml", "b.qix"):
        (tmp_path / name).write_text("old")
    with StagedOutputs() as staged:
        for name in ("a.shp", "a.dbf", "a.prj"):
            write(staged, tmp_path / name)
        staged.keep()
    assert (
        names(tmp_path) == ["a.dbf", "a.prj", "a.qml", "a.shp", "b.qix"] and (tmp_path / "a.prj").read_text() == "new"
    )


def test_a_folder_beside_the_outputs_has_the_rights_of_any_other(tmp_path):
    (tmp_path / "any").mkdir()
    with working_folder(str(tmp_path), hidden=True) as beside, working_folder(str(tmp_path)) as own:
        assert os.stat(beside).st_mode == (tmp_path / "any").stat().st_mode
        assert os.name == "nt" or os.stat(own).st_mode & 0o777 == 0o700


def test_messages_have_the_names_that_the_user_gave(tmp_path):
    with StagedOutputs() as staged:
        path = staged.path(str(tmp_path / "a.tif"))
        assert path != str(tmp_path / "a.tif")
        assert staged.in_words(f"'{path}' is full") == f"'{tmp_path / 'a.tif'}' is full"


def test_a_link_keeps_leading_to_its_file(tmp_path):
    real, link = tmp_path / "real.tif", tmp_path / "link.tif"
    real.write_text("old")
    link.symlink_to(real)
    with StagedOutputs() as staged:
        write(staged, link)
        staged.keep()
    assert link.is_symlink() and real.read_text() == "new"


def run_until(code, folder):
    """Start a process that runs code with a folder, and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "ready\n"
    return process


_RUN = """
import sys, time
from sm_toolbox.files import StagedOutputs, working_folder
with StagedOutputs() as staged, working_folder(sys.argv[1]):
    open(staged.path(sys.argv[1] + "/a.tif"), "w").write("half of it")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_what_a_killed_run_leaves_goes_at_the_next_one_but_a_living_run_keeps_its_own(tmp_path):
    (tmp_path / "a.tif").write_text("old")
    process = run_until(_RUN, tmp_path)
    tidy(str(tmp_path))
    assert len(names(tmp_path)) == 3, "a living run lost its folders"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(names(tmp_path)) == 3
    with working_folder(str(tmp_path)):
        pass
    assert names(tmp_path) == ["a.tif"] and (tmp_path / "a.tif").read_text() == "old"


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_a_run_that_tidies_leaves_one_that_begins_its_folder(tmp_path, monkeypatch):
    import fcntl

    lock, begun = fcntl.flock, []

    def slow(file, how):
        # Another run comes by after the file is there and before it is locked.
        if not begun:
            begun.append(True)
            tidy(str(tmp_path))
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with working_folder(str(tmp_path)) as folder:
        assert os.path.isdir(folder)
        tidy(str(tmp_path))
        assert os.path.isdir(folder)
    assert names(tmp_path) == []


@pytest.mark.parametrize("locks", [True, False])
def test_what_another_program_has_open_goes_with_a_later_run(tmp_path, monkeypatch, locks):
    if not locks:
        monkeypatch.setattr("sm_toolbox.files.fcntl", None)

    def refuse_open(original):
        def remove(path, **more):
            if os.path.basename(path) == "open.tif":
                raise PermissionError("another program has it open")
            original(path, **more)

        return remove

    with monkeypatch.context() as windows:
        for name in ("remove", "unlink"):
            windows.setattr(os, name, refuse_open(getattr(os, name)))
        with working_folder(str(tmp_path)) as folder:
            for name in ("open.tif", "other.tif"):
                (Path(folder) / name).write_text("x")
        tidy(str(tmp_path))
        assert "open.tif" in names(Path(folder)) and "other.tif" not in names(Path(folder))
    tidy(str(tmp_path))
    assert names(tmp_path) == []


def test_a_file_that_a_killed_run_had_moved_away_comes_back(tmp_path, monkeypatch):
    left = tmp_path / ".smtoolbox-left"
    left.mkdir()
    (left / ".smtoolbox-lock").write_text("held")
    for name in ("a.tif", "b.tif"):
        (left / f".smtoolbox-before-{name}").write_text("old")
    (tmp_path / "b.tif").write_text("new")
    tidy(str(tmp_path))
    assert names(tmp_path) == ["a.tif", "b.tif"]
    assert (tmp_path / "a.tif").read_text() == "old" and (tmp_path / "b.tif").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_one_run_at_a_time_gives_names_in_a_folder(tmp_path):
    order = []

    def other():
        with one_at_a_time([str(tmp_path)]):
            order.append("other")

    with one_at_a_time([str(tmp_path), str(tmp_path)]):
        waiting = threading.Thread(target=other)
        waiting.start()
        time.sleep(0.3)
        order.append("first")
    waiting.join()
    assert order == ["first", "other"]


def test_only_what_is_ours_is_tidied(tmp_path):
    own = Path(temporary_name(str(tmp_path / "map.tif")))
    for path in (
        own,
        tmp_path / "of-0123abcd.partial.tif",
        tmp_path / ".hidden.tif",
        tmp_path / "smtoolbox-analysis" / "map.tif",
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        for old in (path, path.parent):
            os.utime(old, (time.time() - 1e6,) * 2)
    fresh = Path(temporary_name(str(tmp_path / "map.tif")))
    fresh.write_text("x")
    tidy(str(tmp_path))
    assert names(tmp_path) == sorted([fresh.name, "of-0123abcd.partial.tif", ".hidden.tif", "smtoolbox-analysis"])


@pytest.mark.skipif(os.name == "nt", reason="devices of POSIX")
def test_devices_pipes_and_sockets_are_no_outputs(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(tmp_path / "socket.tif"))
        (tmp_path / "null.tif").symlink_to(os.devnull)
        for name in ("pipe.tif", "socket.tif", "null.tif"):
            with pytest.raises(OutputError, match="no file but a device, a pipe or a socket"):
                check_output(str(tmp_path / name))


def test_what_windows_will_not_replace_is_refused_before_the_work(tmp_path, monkeypatch):
    path = tmp_path / "a.gpkg"
    path.write_text("x")
    check_output(str(path))

    def refuse(*names):
        raise PermissionError(13, "another program uses the file")

    monkeypatch.setattr("sm_toolbox.files.fcntl", None)
    check_output(str(path))
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OutputError, match=r"a\.gpkg' cannot be replaced while a program has it open.*remove the layer"):
        check_output(str(path))
    check_writable(str(path))
    check_output(str(tmp_path / "new.gpkg"))


def test_names_that_no_file_can_have_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for path, words in (
        (tmp_path / ("x" * 300 + ".tif"), "name too long"),
        (tmp_path / "file" / "out.tif", "not a directory"),
    ):
        with pytest.raises(OutputError, match=f"cannot be written: .*{words}"):
            check_output(str(path))


def test_long_names_are_written(tmp_path):
    path = tmp_path / ("é" * 120 + ".tif")
    assert len(os.path.basename(temporary_name(str(path))).encode()) < 255
    with StagedOutputs() as staged:
        write(staged, path)
        staged.keep()
    assert path.read_text() == "new"
