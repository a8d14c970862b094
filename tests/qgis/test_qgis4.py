"""Declarations under a stub of QGIS 4 on PyQt6: the algorithms and parameters of the QGIS that runs the tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProcessingParameterDefinition

ROOT = Path(__file__).parents[2]
PYQT6 = ROOT / ".qt6"
OPTIONAL = QgsProcessingParameterDefinition.Flag.FlagOptional
ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced


def in_qgis4(*arguments):
    """Run the stub, or code after it, in a Python of its own."""
    if not (PYQT6 / "PyQt6").is_dir():
        pytest.skip("PyQt6 is not here: `make qt6` gets it and runs these tests")
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    environment["PYTHONPATH"] = os.pathsep.join([str(PYQT6), str(ROOT / "tests" / "qgis4"), *sys.path])
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=300)
    if "ImportError" in done.stderr and "PyQt6" in done.stderr:
        pytest.skip(f"PyQt6 cannot be loaded here: {done.stderr.strip().splitlines()[-1]}")
    return done


def test_every_algorithm_is_declared_as_here(provider):
    done = in_qgis4(str(ROOT / "tests" / "qgis4" / "stub.py"), str(ROOT))
    line = next((line for line in done.stdout.splitlines() if line.startswith("DECLARED")), None)
    assert line, done.stderr[-3000:]
    there = json.loads(line[len("DECLARED") :])
    here = {
        algorithm.name(): {
            "title": algorithm.displayName(),
            "help": algorithm.shortHelpString(),
            "parameters": [
                [
                    p.name(),
                    p.type(),
                    p.description(),
                    bool(p.flags() & OPTIONAL),
                    bool(p.flags() & ADVANCED),
                ]
                for p in algorithm.parameterDefinitions()
            ],
            # QGIS itself adds an output for every destination.
            "outputs": [
                [output.name(), output.type()]
                for output in algorithm.outputDefinitions()
                if algorithm.parameterDefinition(output.name()) is None
            ],
        }
        for algorithm in QgsApplication.processingRegistry().providerById("smtoolbox").algorithms()
        if hasattr(algorithm, "EXAMPLE")
    }
    assert len(here) > 35 and there.keys() == here.keys()
    for name, declared in here.items():
        assert there[name] == declared, name


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("core.QgsProcessingParameterNumber('A', 'a', 1)", "argument 'type' has unexpected type 'int'"),
        ("core.QgsProcessingParameterNumber('A', 'a', core.QgsProcessing.SourceType.TypeRaster)", "unexpected type"),
        ("core.QgsProcessingParameterNumber.Double", "no attribute 'Double'"),
        ("core.QgsProcessing.TypeRaster", "no attribute 'TypeRaster'"),
        ("core.QgsProcessingParameterRasterLayer('A', 'a', parent='B')", "unexpected keyword argument 'parent'"),
        ("core.QgsProcessingParameterBoolean('A', 'a', False, 'yes')", "argument 'optional' has unexpected type 'str'"),
        ("core.QgsProcessingParameterString('A', 'a').setFlags(2)", "argument 'flags' has unexpected type 'int'"),
        ("core.QgsRasterCalcNode", "no attribute 'QgsRasterCalcNode'"),
    ],
)
def test_the_stub_refuses_what_qgis4_refuses(code, fault):
    done = in_qgis4("-c", f"import stub\ncore = stub.CORE\n{code}")
    assert done.returncode != 0 and fault in done.stderr, done.stderr
