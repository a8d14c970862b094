"""What every algorithm of the provider has in common: declaration, help, errors, progress and cancel."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
from pathlib import Path

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterRasterDestination,
    QgsRasterLayer,
)
from qgis.PyQt.QtGui import QIcon

from sm_toolbox.errors import Cancelled, InputError, OutputError, ToolboxError
from sm_toolbox.files import check_output
from sm_toolbox.progress import Progress

from .layers import band_names, is_for_gdal, lost_layers, places_behind
from .presentation import Presentation

ICONS = Path(__file__).parent.parent / "resources" / "icons"
HELP_URL = "https://github.com/soil-moisture-toolbox/soil-moisture-toolbox#"
GROUPS = {
    "predictors": "Predictors",
    "timeseries": "Time series",
    "merging": "Product merging",
    "stations": "Stations",
    "modelling": "Modelling",
    "validation": "Validation",
    "tools": "Tools",
}


class FeedbackProgress(Progress):
    """Passes progress and messages on to Processing, and hears its Cancel."""

    def __init__(self, feedback):
        self._feedback = feedback

    def set_fraction(self, fraction: float) -> None:
        self._feedback.setProgress(100 * fraction)

    def info(self, text: str) -> None:
        self._feedback.pushInfo(text)

    def warning(self, text: str) -> None:
        self._feedback.pushWarning(text)

    def is_cancelled(self) -> bool:
        return self._feedback.isCanceled()


class ToolboxAlgorithm(QgsProcessingAlgorithm):
    """Base of all algorithms.

    A subclass states NAME (the public id), TITLE, GROUP, SUMMARY (one sentence), DETAILS, TAGS, NEEDS (names of
    the libraries it imports) and EXAMPLE (parameters with which it runs on files of the demo scene, outputs aside), and
    writes `declare`, `resolve` and `compute`.
    """

    NAME = TITLE = GROUP = SUMMARY = DETAILS = ""
    TAGS: tuple[str, ...] = ()
    NEEDS: tuple[str, ...] = ()
    EXAMPLE: dict = {}

    def declare(self) -> None:
        """Add parameters and outputs, with `self.add` and `self.addOutput`."""
        raise NotImplementedError

    def resolve(self, parameters, context) -> object:
        """Resolve layers to plain Python in the main thread; what is returned is handed to `compute`."""
        raise NotImplementedError

    def compute(self, inputs, parameters, context, progress: Progress) -> dict:
        """Do the work in a background thread and return the outputs by key."""
        raise NotImplementedError

    def add(self, parameter: QgsProcessingParameterDefinition, text: str, advanced: bool = False) -> None:
        """Add a parameter with its help."""
        parameter.setHelp(text)
        if advanced:
            parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
        self.addParameter(parameter)

    def _default_fields(self, parameters, context, feedback) -> dict:
        """Return the optional fields by key whose default the layer does not have, as not set.

        `processing.run` fills defaults in as if they had been given, so that they cannot be told from those that were; hence the line in the log.
        """
        found = {}
        for definition in self.parameterDefinitions():
            key, default = definition.name(), definition.defaultValue()
            if definition.type() != "field" or not default or not definition.flags() & definition.Flag.FlagOptional:
                continue
            if key in parameters and parameters[key] is None:
                found[key] = ""
            elif parameters.get(key, default) == default:
                source = self.parameterAsSource(parameters, definition.parentLayerParameterName(), context)
                if source is not None and default not in source.fields().names():
                    found[key] = ""
                    feedback.pushInfo(f"{key}: '{source.sourceName()}' has no field '{default}', and no other is given.")
        return found

    def _check_values(self, parameters, context) -> None:
        """Refuse numbers that are none, and fields that the layer does not have; Processing checks neither outside its window."""
        sources = {}
        for definition in self.parameterDefinitions():
            key, kind = definition.name(), definition.type()
            if kind in ("number", "distance") and parameters.get(key) is not None:
                value = self.parameterAsDouble(parameters, key, context)
                if not math.isfinite(value):
                    raise InputError(f"{key} must be a finite number, not {value}.")
            # An empty text is a field that was cleared, for which parameterAsFields would take the default.
            if kind == "field" and parameters.get(key) != "":
                parent = definition.parentLayerParameterName()
                if parent not in sources:
                    sources[parent] = self.parameterAsSource(parameters, parent, context)
                source = sources[parent]
                names = source.fields().names() if source is not None else []
                for name in self.parameterAsFields(parameters, key, context) if names else []:
                    if name and name not in names:
                        raise InputError(f"{key}: '{source.sourceName()}' has no field '{name}'. Its fields are: {', '.join(names)}.")

    def _check_outputs(self, parameters, context) -> None:
        """Find out before hours of work whether the files to be written can be written, and are neither inputs nor each other."""
        destinations = {definition.name() for definition in self.destinationParameterDefinitions()}
        taken = []
        for definition in self.parameterDefinitions():
            if definition.name() not in destinations and definition.type() in ("raster", "multilayer", "source", "vector", "file"):
                for path, part in places_behind(parameters.get(definition.name()), context):
                    if not part and definition.type() in ("source", "vector"):
                        part = _first_table(path)
                    taken.append((path, part, f"the input {definition.name()}"))
        for key in sorted(destinations):
            for path, part in places_behind(parameters.get(key), context):
                for other, other_part, what in taken:
                    if path == other and (not part or not other_part or part.casefold() == other_part.casefold()):
                        raise OutputError(f"{key} would overwrite {what}: both are '{path}'. Give the output another name.")
                if os.path.splitext(path)[1]:
                    taken.append((path, part, f"the output {key}"))
        for definition in self.destinationParameterDefinitions():
            key = definition.name()
            if parameters.get(key) is None:
                continue
            if isinstance(definition, QgsProcessingParameterRasterDestination):
                from sm_toolbox.raster.writers import check_raster_output

                check_raster_output(self.parameterAsOutputLayer(parameters, key, context))
            elif isinstance(definition, QgsProcessingParameterFileDestination):
                check_output(self.parameterAsFileOutput(parameters, key, context))
            elif not isinstance(definition, QgsProcessingParameterFolderDestination):
                for path, _ in places_behind(parameters[key], context):
                    # Others are no files: TEMPORARY_OUTPUT, memory:, tables of a database server.
                    if ":" not in os.path.basename(path) and os.path.splitext(path)[1]:
                        check_output(path)

    def _in_words(self, results) -> list[str]:
        """Return lines that say what came out: the bands of rasters, and the numbers."""
        lines, numbers = [], []
        for definition in self.outputDefinitions():
            value, label = results.get(definition.name()), definition.description()
            if definition.type() == "outputRaster" and isinstance(value, str):
                names = band_names(value)
                if names:
                    lines.append(f"{label}: {names[0]}." if len(names) == 1 else f"{label}: {len(names)} bands, {names[0]} to {names[-1]}.")
            elif definition.type() == "outputNumber" and isinstance(value, (int, float)):
                numbers.append(f"{label}: {value:.4g}" if isinstance(value, float) else f"{label}: {value}")
        return [*lines, *([f"{'; '.join(numbers)}."] if numbers else [])]

    def _announced(self, progress: Progress):
        """Return a context in which the log tells of compiling, for algorithms that compile."""
        if "numba" not in self.NEEDS:
            return contextlib.nullcontext()
        from sm_toolbox.firstuse import announced

        return announced(progress)

    # What QGIS asks for -------------------------------------------------------------------------------------------

    def initAlgorithm(self, configuration=None):
        self.declare()

    def createInstance(self):
        return type(self)()

    def name(self):
        return self.NAME

    def displayName(self):
        return self.TITLE

    def group(self):
        return GROUPS[self.GROUP]

    def groupId(self):
        return self.GROUP

    def tags(self):
        return ["soil moisture", *self.TAGS]

    def icon(self):
        own = ICONS / f"{self.GROUP}.svg"
        return QIcon(str(own if own.exists() else ICONS / "smtoolbox.svg"))

    def svgIconPath(self):
        own = ICONS / f"{self.GROUP}.svg"
        return str(own if own.exists() else ICONS / "smtoolbox.svg")

    def helpUrl(self):
        return HELP_URL + self.NAME

    def shortDescription(self):
        return self.SUMMARY

    def shortHelpString(self):
        rows = [f"<p><b>{d.description()}</b> ({d.name()})<br>{d.help()}</p>" for d in self.parameterDefinitions()]
        # QGIS makes a new paragraph of every line.
        details = " ".join(self.DETAILS.split())
        return f"<p>{self.SUMMARY}</p>{details}<h3>Parameters</h3>{''.join(rows)}"

    def canExecute(self):
        """Say which library is missing; QGIS shows it instead of running the algorithm."""
        missing = [library for library in self.NEEDS if importlib.util.find_spec(library) is None]
        if not missing:
            return True, ""
        return False, (
            f"{self.TITLE} needs the Python libraries {', '.join(missing)}, which QGIS's Python does not have. "
            "Run 'Soil Moisture Toolbox > Tools > Check installation': it says how to get them on this computer."
        )

    def checkParameterValues(self, parameters, context):
        """Name the file where a layer cannot be loaded; Processing itself says only which parameter is wrong."""
        shown = dict(parameters)
        for definition in self.parameterDefinitions():
            value = parameters.get(definition.name())
            if definition.type() == "raster" and is_for_gdal(value):
                shown[definition.name()] = _shown(value)
            elif definition.type() == "field" and value is None and definition.defaultValue():
                # Processing takes the default later, and yet refuses to go on without a value.
                shown[definition.name()] = definition.defaultValue()
            elif definition.type() == "multilayer":
                items = value if isinstance(value, (list, tuple)) else [value]
                if any(map(is_for_gdal, items)):
                    shown[definition.name()] = [_shown(item) if is_for_gdal(item) else item for item in items]
        accepted, message = super().checkParameterValues(shown, context)
        if not accepted:
            lost = lost_layers(self, parameters, context)
            if lost:
                message = f"{message} These cannot be loaded as layers: {', '.join(lost)}. Check the paths, and that QGIS can show the files."
        return accepted, message

    def prepareAlgorithm(self, parameters, context, feedback):
        self._inputs, self._refusal, self._fields = None, None, {}
        try:
            self._fields = self._default_fields(parameters, context, feedback)
            parameters = {**parameters, **self._fields}
            self._check_values(parameters, context)
            self._inputs = self.resolve(parameters, context)
        except ToolboxError as error:
            # Raised here, Processing would log it and tell scripts no more than that there were errors.
            self._refusal = error
        return True

    def processAlgorithm(self, parameters, context, feedback):
        progress = FeedbackProgress(feedback)
        parameters = {**parameters, **self._fields}
        try:
            progress.check()
            if self._refusal is not None:
                raise self._refusal
            self._check_outputs(parameters, context)
            with self._announced(progress):
                results = self.compute(self._inputs, parameters, context, progress)
            for definition in self.destinationParameterDefinitions():
                if isinstance(results.get(definition.name()), str):
                    Presentation.attach(results[definition.name()], context)
            for line in self._in_words(results):
                progress.info(line)
            return results
        except Cancelled:
            # Not an error: QGIS itself reports that the user cancelled. Nothing has been written.
            feedback.pushInfo("Cancelled; no output was written.")
            return {}
        except ToolboxError as error:
            raise QgsProcessingException(str(error)) from error
        except MemoryError as error:
            raise QgsProcessingException(
                "There is not enough memory. Close other programs, give a smaller MEMORY where the algorithm has it, or work on a smaller extent."
            ) from error
        finally:
            self._inputs = None


def _first_table(path: str) -> str:
    """Return the table that QGIS opens where only the file is named; empty for files that are tables themselves."""
    if not path.lower().endswith((".gpkg", ".sqlite")):
        return ""
    from osgeo import ogr

    dataset = None
    # It returns nothing where there is no table, or raises where another plugin has switched GDAL's exceptions on.
    with contextlib.suppress(RuntimeError):
        dataset = ogr.Open(path)
    return dataset.GetLayer(0).GetName() if dataset is not None and dataset.GetLayerCount() else ""


def _shown(path: str):
    """Return the raster layer of a path that Processing does not know for one, for its checks; the path where GDAL cannot open it."""
    layer = QgsRasterLayer(path, path, "gdal")
    return layer if layer.isValid() else path
