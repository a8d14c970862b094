"""Check the installation."""

from __future__ import annotations

import os
import time
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
)

from ..base import ToolboxAlgorithm
from ..layers import write_report
from ..parameters import report_output, switch


class Algorithm(ToolboxAlgorithm):
    NAME = "checkinstallation"
    TITLE = "Check installation"
    GROUP = "tools"
    SUMMARY = "Says which Python libraries are there, which are missing or clash, and how to get them on this computer."
    DETAILS = (
        "<p>The plugin never installs anything by itself. Run this first on a new computer, and whenever an "
        "algorithm says that a library is missing. What is missing is listed with the commands that get it, one a "
        "line, for the Python of this very QGIS.</p>"
    )
    TAGS = ("install", "dependencies", "versions", "troubleshooting")

    def declare(self):
        self.add(
            switch("PREPARE", "Compile now"),
            "Algorithms compile their inner loops at their first use, which takes some seconds each. Yes: all "
            "are compiled now, on a small scene, which takes a minute or two, once.",
        )
        self.add(report_output(self.TITLE), "HTML page with versions, problems and their remedies.")
        self.addOutput(QgsProcessingOutputBoolean("READY", "All main algorithms can run"))

    def resolve(self, parameters, context):
        return None

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.installation import check_installation, installation_report
        from sm_toolbox.remedies import Host

        profile = os.path.join(QgsApplication.qgisSettingsDirPath(), "python")
        findings = check_installation(Host(profile, QgsApplication.applicationFilePath()), Qgis.QGIS_VERSION)
        for name, version, minimum, _ in findings.versions:
            progress.info(f"{name}: {version}" + (f" ({minimum} or newer)" if minimum else ""))
        for problem in findings.problems:
            progress.warning(problem)
        for hint in findings.hints:
            progress.info(hint)
        for step in findings.steps:
            progress.info(step.words)
            for command in step.commands:
                progress.command(command)
        if self.parameterAsBool(parameters, "PREPARE", context):
            if findings.ready:
                findings.problems += compile_all(progress)
            else:
                progress.warning("Nothing is compiled before the problems above are solved.")
        progress.info("Ready." if findings.ready else "Not ready; see above.")
        return {"REPORT": write_report(self, lambda: installation_report(findings)), "READY": findings.ready}


def compile_all(progress) -> list[str]:
    """Run every algorithm that compiles on a demo scene; return what failed."""
    from sm_toolbox.files import working_folder
    from sm_toolbox.firstuse import announced
    from sm_toolbox.progress import SILENT

    began, problems = time.monotonic(), []
    with working_folder() as work, announced(SILENT) as compiled:
        jobs = _jobs(Path(work))
        for number, (name, parameters) in enumerate(jobs):
            progress.check()
            feedback = QgsProcessingFeedback()
            algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"smtoolbox:{name}")
            progress.info(f"{algorithm.displayName()} …")
            try:
                # Its own context belongs to the thread that this runs in.
                _, done = algorithm.run(parameters, QgsProcessingContext(), feedback)
                problem = "" if done else feedback.textLog().strip().rpartition("\n")[2]
            except QgsProcessingException as error:
                problem = str(error)
            if problem:
                problems.append(f"'{algorithm.displayName()}' does not run on the demo scene: {problem}")
                progress.warning(problems[-1])
            progress.set_fraction((number + 1) / len(jobs))
        _route_in_strips(work)
    progress.info(
        f"{compiled.count} functions compiled in {time.monotonic() - began:.0f} s; the others were compiled before."
    )
    return problems


def _route_in_strips(folder: str) -> None:
    """Compile what only elevation models that do not fit into memory need, and what only the other routings need."""
    import numpy as np

    from sm_toolbox.predictors.fill_strips import Heights
    from sm_toolbox.predictors.flow import FLOW_ROUTINGS
    from sm_toolbox.predictors.flow_strips import catchment_area_on_disk

    sizes = np.ones(4)
    flat = Heights(lambda first, last: np.zeros((last - first, 4), np.float32), 4, sizes, sizes)
    for routing in FLOW_ROUTINGS:
        catchment_area_on_disk(flat, routing, folder, 0)


def _jobs(work: Path) -> list[tuple[str, dict]]:
    """List algorithms with their parameters: the examples, and training and map for each compiled model."""
    scene = work / "scene"

    def on_scene(value):
        if isinstance(value, list):
            return [on_scene(item) for item in value]
        return (
            str(scene / value)
            if isinstance(value, str) and value.rpartition(".")[2] in ("tif", "nc", "gpkg", "csv", "zip")
            else value
        )

    jobs: list[tuple[str, dict]] = [("demodata", {"OUTPUT": str(scene)})]
    for algorithm in QgsApplication.processingRegistry().providerById("smtoolbox").algorithms():
        if "numba" in getattr(algorithm, "NEEDS", ()) and algorithm.EXAMPLE:
            parameters = {key: on_scene(value) for key, value in algorithm.EXAMPLE.items()}
            for definition in algorithm.destinationParameterDefinitions():
                suffix = {"rasterDestination": "tif", "sink": "gpkg"}.get(definition.type())
                suffix = "smmodel" if definition.name() == "MODEL_FILE" else suffix
                if suffix:
                    parameters[definition.name()] = str(work / f"{algorithm.name()}_{definition.name()}.{suffix}")
            jobs.append((algorithm.name(), parameters))
    table, predictors = str(work / "table.gpkg"), on_scene(["soil.tif", "ndvi.tif"])
    jobs.append(
        (
            "samplepredictors",
            {
                "STATIONS": on_scene("stations_validation.gpkg"),
                "STATION": "station",
                "TIME": "time",
                "PREDICTORS": predictors,
                "OUTPUT": table,
            },
        )
    )
    for kind, hyperparameters in (
        ("random_forest", '{"n_estimators": 8}'),
        ("quantile_forest", '{"n_estimators": 8}'),
        ("svr", ""),
    ):
        jobs += _jobs_of_model(work / kind, kind, hyperparameters, table, predictors, on_scene("product_a.tif"))
    return jobs


def _jobs_of_model(
    stem: Path, kind: str, hyperparameters: str, table: str, predictors: list[str], grid: str
) -> list[tuple[str, dict]]:
    """List training, map and table of a kind of model."""
    model = f"{stem}.smmodel"
    training = {
        "TRAINING": table,
        "TARGET": "soil_moisture",
        "PREDICTORS": ["sand", "clay", "ndvi"],
        "STATION": "station",
        "TIME": "time",
        "MODEL": kind,
        "HYPERPARAMETERS": hyperparameters,
        "FOLDS": 2,
        "MODEL_FILE": model,
    }
    mapping = {
        "MODEL_FILE": model,
        "PREDICTORS": predictors,
        "GRID": grid,
        "APPLICABILITY": True,
        "OUTPUT": f"{stem}.tif",
        "QUANTILES_OUTPUT": f"{stem}_quantiles.tif",
    }
    rows = {
        "MODEL_FILE": model,
        "INPUT": table,
        "OBSERVED": "soil_moisture",
        "STATION": "station",
        "TIME": "time",
        "QUANTILES": "0.05,0.95",
        "OUTPUT": f"{stem}_rows.gpkg",
    }
    return [("trainmodel", training), ("predictraster", mapping), ("predicttable", rows)]
