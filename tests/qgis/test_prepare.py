"""Compiling beforehand."""

import re
from pathlib import Path

from qgis.core import QgsProcessingFeedback


def test_every_algorithm_that_compiles_is_run(provider):
    from soil_moisture_toolbox.algorithms.tools.checkinstallation import _jobs

    jobs = _jobs(Path("work"))
    compiling = {algorithm.name() for algorithm in provider.algorithms() if "numba" in getattr(algorithm, "NEEDS", ())}
    # It reads a model, and compiles nothing of its own.
    assert compiling - {name for name, _ in jobs} == {"modelreport"}
    for name, parameters in jobs:
        assert set(parameters) <= {d.name() for d in provider.algorithm(name).parameterDefinitions()}, name
        # All files lie in the scene or are made there.
        given = [each for value in parameters.values() for each in (value if isinstance(value, list) else [value])]
        files = [each for each in given if isinstance(each, str) and re.fullmatch(r".*\.(tif|nc|gpkg|csv|zip)", each)]
        assert all(Path(each).parts[0] == "work" for each in files), name


def test_what_does_not_run_is_a_problem(run, monkeypatch):
    from soil_moisture_toolbox.algorithms.tools import checkinstallation

    monkeypatch.setattr(
        checkinstallation,
        "_jobs",
        lambda work: [("soilindices", {"SAND": "lost.tif", "CLAY": "lost.tif", "OUTPUT": str(work / "o.tif")})],
    )
    feedback = QgsProcessingFeedback()
    done = run("checkinstallation", feedback, PREPARE=True)
    assert done["READY"] is False
    assert (
        "'Soil indices' does not run on the demo scene" in feedback.textLog()
        and "functions compiled in" in feedback.textLog()
    )


def test_algorithms_that_compile_listen(provider):
    from contextlib import nullcontext

    assert not isinstance(provider.algorithm("terrainindices")._announced(None), nullcontext)
    assert isinstance(provider.algorithm("soilindices")._announced(None), nullcontext)
