"""Every benchmark runs, small: what is measured by hand now and then must not rot in between."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "peers")


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name):
    more = ["--large"] if name == "predictraster" else []
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--small", *more],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip()
