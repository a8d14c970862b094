"""The notebooks: well formed, and each runs in a process of its own that has no QGIS."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sm_toolbox.demo.write import write_demo_scene

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

_RUN = """
import json, sys

sys.modules.update(dict.fromkeys(("qgis", "PyQt5", "PyQt6")))
cells = json.load(open(sys.argv[1], encoding="utf-8"))["cells"]
names = {"__name__": "__main__"}
for cell in cells:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
shown = len(names["figure"].axes)
print("RESULT" + json.dumps({key: names[key] for key in sys.argv[2:]} | {"axes": shown}))
"""


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the demo scene, so that only the first notebook of a user simulates it."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_demo_scene(folder / "demo_scene")
    return folder


@pytest.fixture
def run(folder):
    """A function that runs a notebook's cells in order, and returns what it found by name, and what it printed."""

    def run(name, *wanted):
        code = [sys.executable, "-c", _RUN, str(ROOT / "notebooks" / f"{name}.ipynb"), *wanted]
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": paths, "MPLBACKEND": "agg"}
        done = subprocess.run(code, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        printed, _, found = done.stdout.partition("RESULT")
        assert found, done.stdout[-2000:] + done.stderr[-3000:]
        return json.loads(found), printed

    return run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_a_notebook_without_outputs_whose_cells_are_explained(path):
    book = read(path)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5) and set(book) == {
        "cells",
        "metadata",
        "nbformat",
        "nbformat_minor",
    }
    assert book["metadata"]["language_info"]["name"] == "python"
    cells = book["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    before = ""
    for cell in cells:
        needed = {"cell_type", "id", "metadata", "source"}
        is_code = cell["cell_type"] == "code"
        assert set(cell) == needed | ({"execution_count", "outputs"} if is_code else set())
        assert all(isinstance(line, str) for line in cell["source"]) and "".join(cell["source"]).strip()
        if is_code:
            assert cell["outputs"] == [] and cell["execution_count"] is None and before == "markdown"
        before = cell["cell_type"]
    assert "".join(cells[0]["source"]).startswith("# ") and before == "code"


def test_clouds_are_filled_and_the_map_stays_near_the_truth(run):
    found, printed = run("s1_babao", "worth", "best", "cloudless")
    alone, both = found["worth"]["alone"], found["worth"]["both"]
    # In kind with the study: 14 % of the cells became 64 %, at no loss that counts.
    assert alone["coverage"] < 0.6 and both["coverage"] > 0.99 and both["n"] > 1.5 * alone["n"]
    assert both["r"] > 0.7 and both["rmse"] < alone["rmse"] + 0.01
    assert {"ati", "delta_lst"} & set(found["best"]) and not {"ati", "delta_lst"} & set(found["cloudless"])
    assert found["axes"] == 5 and "RF 13" in printed and "complete rows" in printed


def test_merged_is_better_than_each_parent_and_downscaled_than_coarse(run):
    found, printed = run("s3_yunnan", "worth", "daily_r")
    worth = found["worth"]
    for letter in "abc":
        (line,) = [line for line in printed.splitlines() if line.startswith(f"product {letter}: error found")]
        numbers = [float(word.rstrip(",")) for word in line.split() if word[0].isdigit()]
        # Filled days of product a have an error beyond that of its measurements.
        assert abs(numbers[0] - numbers[1]) < (0.008 if letter == "a" else 0.003)
    assert found["daily_r"]["merged"] > max(found["daily_r"][letter] for letter in "abc")
    assert worth["merged"]["rmse"] < 0.85 * worth["merged, coarse"]["rmse"]
    # A month's mean has taken most of the errors that merging takes: it comes near the best, whichever that is.
    assert worth["merged"]["rmse"] < min(worth[letter]["rmse"] for letter in "abc") + 0.001
    assert worth["merged, kept means"]["rmse"] < worth["merged"]["rmse"]
    assert found["axes"] == 5


def test_the_functions_that_the_page_names_are_there():
    page = (ROOT / "docs" / "scripts.md").read_text(encoding="utf-8")
    table = page[page.index("| step | functions of") :].splitlines()[2:]
    count = 0
    for row in table:
        module = ""
        for name in re.findall(r"`([a-z_.]+)`", row.replace("SampledTable.", "")):
            module = name.rpartition(".")[0] or module
            function = getattr(importlib.import_module(f"sm_toolbox.{module}"), name.rpartition(".")[2])
            assert callable(function) and function.__doc__
            count += 1
    assert count > 30
