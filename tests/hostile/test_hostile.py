"""Bad input by the thousand: each case ends well or in a clear error, loses nothing and leaves nothing behind.

A thousand cases run with the other tests; `make hostile` runs all of them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tests.hostile.conftest import VERDICTS
from tests.hostile.corpus import all_cases, some_cases
from tests.hostile.scene import Scene

SAMPLE = 1000
# Far above what any of these runs needs: a case that takes longer holds the user up for nothing.
LONGEST = 20
# It may be asked to run every algorithm that compiles.
LONGEST_OF = {"checkinstallation": 180}
ALGORITHMS = sorted(
    [
        "aggregatestations",
        "alignrasters",
        "antecedentindex",
        "calculatebands",
        "checkinstallation",
        "comparemaps",
        "comparescenarios",
        "demodata",
        "downscale",
        "importismn",
        "importproduct",
        "interpolatestations",
        "maskquality",
        "matchproduct",
        "modelreport",
        "predictraster",
        "predicttable",
        "regionalseries",
        "rootzone",
        "samplepredictors",
        "sarpredictors",
        "selectpredictors",
        "soilindices",
        "spectralindices",
        "splitstations",
        "stationquality",
        "tcmerge",
        "temporalanomaly",
        "temporalcomposite",
        "temporalgapfill",
        "temporalstatistics",
        "temporaltrend",
        "terrainindices",
        "thermalinertia",
        "trainmodel",
        "triplecollocation",
        "validatestations",
    ]
)


@pytest.fixture(scope="module")
def scene(plugin, tmp_path_factory, point_layer_factory):
    import processing

    return Scene(
        tmp_path_factory.mktemp("scene"),
        lambda name, **given: processing.run(f"smtoolbox:{name}", given),
        point_layer_factory,
    )


@pytest.fixture(scope="module")
def cases(plugin, scene):
    """The cases of this run by algorithm."""
    found = all_cases(plugin.provider, scene)
    if os.environ.get("SM_HOSTILE") != "all":
        found = some_cases(found, SAMPLE)
    by_algorithm = defaultdict(list)
    for case in found:
        by_algorithm[case.algorithm].append(case)
    return by_algorithm


def test_every_algorithm_has_its_cases(plugin, scene):
    own = {algorithm.name() for algorithm in plugin.provider.algorithms() if algorithm.group() != "Workflows"}
    assert own == set(ALGORITHMS) == set(scene.bases())


def test_the_scene_itself_is_sound(plugin, scene, tmp_path):
    """A case says something only where the run without it would end well."""
    for name, base in scene.bases().items():
        if name in ("demodata", "importismn"):
            continue
        done, message = _run(plugin, name, {**_outputs(plugin, name, tmp_path), **base})
        assert done, f"{name}: {message}"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_hostile_input(plugin, scene, cases, request, tmp_path, name):
    verdicts = request.config.stash[VERDICTS]
    faults = []
    for number, case in enumerate(cases[name]):
        folder = tmp_path / str(number)
        for part in ("in", "out"):
            (folder / part).mkdir(parents=True)
        fault, done = _judge(plugin, scene, case, folder)
        verdicts[case.kind.split(":")[0], "fault" if fault else "done" if done else "refused"] += 1
        if fault:
            faults.append(f"{case}: {fault}")
        shutil.rmtree(folder, ignore_errors=True)
    assert not faults, f"{len(faults)} of {len(cases[name])} cases:\n" + "\n".join(faults)


def _judge(plugin, scene, case, folder):
    """Run a case; return what is wrong with its end, if anything, and whether it was done."""
    inputs = _state(scene.folder)
    outputs = _outputs(plugin, case.algorithm, folder / "out")
    value = (
        case.value(folder / ("out" if case.kind.startswith("output") else "in")) if callable(case.value) else case.value
    )
    before = set(os.listdir(folder / "out"))
    start = time.monotonic()
    done, message = _run(plugin, case.algorithm, {**outputs, **scene.bases()[case.algorithm], case.key: value})
    took = time.monotonic() - start
    if "does not expect" in message or "Traceback" in message:
        return message, done
    if "There is not enough memory" in message:
        return message, done
    if not done and not message.strip():
        return "no word of what is wrong", done
    if took > LONGEST_OF.get(case.algorithm, LONGEST):
        return f"it took {took:.0f} s", done
    if _state(scene.folder) != inputs:
        return "an input was changed", done
    after = set(os.listdir(folder / "out")) - before
    left = [name for name in after if name.startswith(".")] if done else after
    if left:
        return f"it left {', '.join(sorted(left))} after: {message}", done
    return None, done


def _run(plugin, name, parameters):
    """Run an algorithm as Processing does; return whether it ended well, and the last words."""
    from qgis.core import (
        QgsApplication,
        QgsProcessingContext,
        QgsProcessingException,
        QgsProcessingFeedback,
        QgsProject,
    )

    class Errors(QgsProcessingFeedback):
        """Keeps the errors."""

        words = ""

        def reportError(self, error, fatalError=False):
            self.words = error

    context, feedback = QgsProcessingContext(), Errors(False)
    project = QgsProject()
    context.setProject(project)
    context.setFeedback(feedback)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"smtoolbox:{name}")
    try:
        accepted, message = algorithm.checkParameterValues(parameters, context)
    except Exception as error:
        return False, f"Traceback of the check of parameters: {error!r}"
    if not accepted:
        return False, message
    try:
        _, done = algorithm.run(parameters, context, feedback, {}, False)
    except QgsProcessingException as error:
        return False, str(error)
    return done, feedback.words


def _outputs(plugin, name, folder):
    suffixes = {"rasterDestination": ".tif", "sink": ".gpkg", "fileDestination": ".html", "folderDestination": ""}
    found = {}
    for definition in plugin.provider.algorithm(name).destinationParameterDefinitions():
        suffix = ".smmodel" if definition.name() == "MODEL_FILE" else suffixes[definition.type()]
        found[definition.name()] = str(Path(folder) / f"{definition.name()}{suffix}")
    return found


def _state(folder):
    """What the files of a folder are; statistics that QGIS notes aside."""
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if not path.name.endswith((".aux.xml", "-wal", "-shm"))
    }
