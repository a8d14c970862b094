"""From the zip to the first map in fresh systems, by the lines that Check installation prints and nothing else."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("suite", ["bookworm", "sid"])
def test_the_printed_lines_lead_to_the_first_map(suite):
    """`make install-in` makes the systems; they take minutes and gigabytes, so that this test only uses them."""
    systems = Path(os.environ.get("SM_SUITES", ROOT / "build" / "suites"))
    if os.getuid() != 0 or not (systems / suite / "made").exists():
        pytest.skip(f"there is no {suite} in {systems}; as root: make install-in SUITE={suite}")
    done = subprocess.run([ROOT / "tools" / "suite.sh", suite, "install"], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0 and "from the zip to the map" in done.stdout, done.stdout + done.stderr
