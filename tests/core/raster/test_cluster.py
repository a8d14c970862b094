"""A Dask cluster: the same values, no wait without an end, and one clear sentence where it cannot be used."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.progress import Progress
from sm_toolbox.raster import cluster
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.request import Engine

distributed = pytest.importorskip("distributed", reason="dask.distributed is a development dependency")
START = """
import sys, time, distributed
if __name__ == "__main__":
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")
    print(cluster.scheduler_address, flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def there():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as found:
        yield found


@pytest.fixture
def source(write_raster):
    values = np.random.default_rng(0).random((2, 600, 500)).astype(np.float32)
    values[:, :200] = np.nan
    return write_raster("x.tif", values, ["a", "b"])


def slow(seconds):
    """Return a kernel that takes its time; made here, so that workers need not know this file."""

    def kernel(blocks, window):
        time.sleep(seconds)
        return blocks["x"] * 2, {
            "cells": blocks["x"][0].size,
            "sum": np.nansum(blocks["x"], axis=(1, 2), dtype=np.float64),
        }

    return kernel


def work(source, path, address, kernel=None, progress=None):
    bands = read_bands([source])
    engine = Engine(2**21, 2, address, progress or Progress())
    return run_blocks(kernel or slow(0), {"x": bands}, [RasterOutput(str(path), ["a", "b"])], bands[0].grid, engine)


def refused(source, tmp_path, address, words, **named):
    """Check that a run is refused in one sentence, leaves nothing, and does not take long."""
    before, start = sorted(os.listdir(tmp_path)), time.monotonic()
    with pytest.raises(InputError, match=words) as caught:
        work(source, tmp_path / "out.tif", address, **named)
    assert "leave `scheduler` empty" in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before and time.monotonic() - start < 15


def cells(path):
    with rasterio.open(path) as dataset:
        return dataset.read().tobytes()


def test_facts_come_in_the_order_of_the_windows(source, tmp_path, there):
    """Sums of floats depend on their order."""
    here = work(source, tmp_path / "here.tif", "")
    sent = work(source, tmp_path / "sent.tif", there.scheduler_address)
    assert here.valid_cells == sent.valid_cells and here.facts["cells"] == sent.facts["cells"] == 300_000
    assert here.facts["sum"].tobytes() == sent.facts["sum"].tobytes()
    assert cells(tmp_path / "here.tif") == cells(tmp_path / "sent.tif")


def test_one_of_two_workers_is_killed(source, tmp_path, there):
    work(source, tmp_path / "here.tif", "")
    with distributed.Client(there.scheduler_address, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
    killer = threading.Timer(0.6, os.kill, (victim, signal.SIGKILL))
    killer.start()
    work(source, tmp_path / "sent.tif", there.scheduler_address, slow(0.2))
    assert killer.finished.is_set(), "it was killed meanwhile"
    killer.join()
    assert cells(tmp_path / "here.tif") == cells(tmp_path / "sent.tif")


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:1",
        "127.0.0.1:1",
        "nonsense",
        "tcp://host",
        "tcp://[::1",
        "http://a b:80",
        " ",
        "tcp://127.0.0.1:99999",
    ],
)
def test_no_cluster_there(source, tmp_path, monkeypatch, address):
    monkeypatch.setattr(cluster, "_PATIENCE", 1)
    refused(source, tmp_path, address, "cannot be reached")


def test_something_else_listens_there(source, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 1)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        address = f"tcp://127.0.0.1:{deaf.getsockname()[1]}"
        refused(source, tmp_path, address, "cannot be reached")


@pytest.mark.parametrize("library", ["numpy", "numba", "rasterio", "sm_toolbox"])
def test_workers_with_other_libraries(source, tmp_path, there, monkeypatch, library):
    own = {**cluster._own_versions(), library: "0.0.1"}
    monkeypatch.setattr(cluster, "_own_versions", lambda: own)
    refused(
        source,
        tmp_path,
        there.scheduler_address,
        rf"has {library} .*, and this computer 0\.0\.1.*python -m pip install numpy==",
    )


def test_workers_that_join_later_are_compared(monkeypatch, progress):
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as growing:
        with closing(cluster._Cluster(growing.scheduler_address, progress)) as here:
            here.compare_versions()
            here._check_alive()
            own = {**cluster._own_versions(), "numpy": "0.0.1"}
            monkeypatch.setattr(cluster, "_own_versions", lambda: own)
            # Those that were compared are not asked again.
            here._check_alive()
            growing.scale(2)
            here.client.wait_for_workers(2, timeout=60)
            with pytest.raises(InputError, match=r"has numpy .*, and this computer 0\.0\.1"):
                here._check_alive()


def test_workers_with_another_python(source, tmp_path, there, monkeypatch):
    monkeypatch.setattr(cluster, "sys", SimpleNamespace(version_info=(3, 99, 0)))
    refused(
        source,
        tmp_path,
        there.scheduler_address,
        r"has Python 3\..*, and this computer 3\.99.*python3\.99 -m venv worker && worker/bin/python -m pip",
    )


def test_no_workers_and_a_worker_without_the_toolbox(source, tmp_path, monkeypatch, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        refused(source, tmp_path, empty.scheduler_address, "has no workers. Start some with 'dask worker tcp:")
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            empty.scheduler_address,
            "--no-nanny",
            "--nthreads",
            "1",
            "--no-dashboard",
        ]
        worker = subprocess.Popen(command, cwd=elsewhere, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with distributed.Client(empty, set_as_default=False) as client:
                client.wait_for_workers(1, timeout=30)
            refused(source, tmp_path, empty.scheduler_address, "has no sm_toolbox. .*pip install")
        finally:
            worker.kill()
            worker.wait()


def test_files_that_workers_cannot_see(source, tmp_path, there, monkeypatch):
    missing, other = str(tmp_path / "missing.tif"), source.path
    assert cluster._unseen({missing: 5, other: os.path.getsize(other)}) == [missing]
    assert cluster._unseen({other: 5}) == [other], "another file of that name"
    monkeypatch.setattr(cluster, "_unseen", lambda files: [*files])
    refused(source, tmp_path, there.scheduler_address, f"cannot see '{source.path}' as this computer does")


def test_a_relative_path(source, tmp_path, there, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(Source("x.tif"), tmp_path, there.scheduler_address, "'x.tif' is a relative path")


def test_all_workers_leave(source, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 2)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as found:
        leave = threading.Timer(2, found.scale, (0,))
        leave.start()
        refused(
            source,
            tmp_path,
            found.scheduler_address,
            "was lost: (it has no workers any more|its workers)",
            kernel=slow(5),
        )
        leave.join()


def test_the_scheduler_is_killed(source, tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 2)
    script = tmp_path_factory.mktemp("scheduler") / "start.py"
    script.write_text(START)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            [str(cluster.Path(cluster.__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        ),
    }
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    try:
        address = process.stdout.readline().strip()
        killer = threading.Timer(3, process.kill)
        killer.start()
        refused(source, tmp_path, address, "was lost: its ", kernel=slow(5))
        killer.join()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class CancelledAfter(Progress):
    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def is_cancelled(self):
        return time.monotonic() > self.end


@pytest.mark.parametrize("seconds", [0.0, 0.3, 2.0])
def test_cancel_is_heard_in_every_wait(source, tmp_path, there, seconds):
    before, start = sorted(os.listdir(tmp_path)), time.monotonic()
    with pytest.raises(Cancelled):
        work(source, tmp_path / "out.tif", there.scheduler_address, slow(4), CancelledAfter(seconds))
    assert time.monotonic() - start < seconds + 6 and sorted(os.listdir(tmp_path)) == before


def test_a_library_that_only_the_worker_lacks(source, tmp_path, there):
    def kernel(blocks, window):
        raise ModuleNotFoundError("No module named 'pyproj'")

    refused(source, tmp_path, there.scheduler_address, "lacks a library: No module named 'pyproj'", kernel=kernel)


def test_errors_come_back_as_they_are(source, tmp_path, there):
    def kernel(blocks, window):
        raise InputError("UNITS are wrong.")

    with pytest.raises(InputError, match=r"^UNITS are wrong\.$"):
        work(source, tmp_path / "out.tif", there.scheduler_address, kernel)
    assert os.listdir(tmp_path) == ["x.tif"]


def test_gaps_are_not_sent():
    rng = np.random.default_rng(0)
    values = rng.random((3, 100, 200), np.float32)
    values[1:, :90] = np.nan
    values[0, 0, :5] = [-np.nan, np.inf, -np.inf, -0.0, 0.0]
    packed = cluster._packed((values, {"n": 3}, [(0, values[:, ::2])], values[0, :5, :5]))
    back = cluster._unpacked(pickle.loads(pickle.dumps(packed)))
    assert (
        back[0].tobytes() == values.tobytes()
        and back[2][0][1].tobytes() == values[:, ::2].tobytes()
        and back[1] == {"n": 3}
    )
    assert back[3] is not values and back[3].tobytes() == values[0, :5, :5].tobytes()
    assert len(pickle.dumps(packed[0])) < 0.45 * values.nbytes
