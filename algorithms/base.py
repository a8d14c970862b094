"""What every algorithm of the provider has in common: declaration, help, errors, progress and cancel."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import re
import time
import traceback
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsMessageLog,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterDefinition,
    QgsRasterLayer,
)
from qgis.PyQt.QtGui import QIcon

from sm_toolbox.errors import Cancelled, InputError, ToolboxError
from sm_toolbox.progress import Progress

from .crs import forget_crs_of_this_thread
from .layers import band_names, is_for_gdal, lost_layers, rasters_within
from .outputs import RunOutputs
from .pages import help_url, metadata
from .presentation import Presentation
from .values import absent_defaults, check_values

ICONS = Path(__file__).parent.parent / "resources" / "icons"
GROUPS = {
    "data": "Data",
    "predictors": "Predictors",
    "timeseries": "Time series",
    "merging": "Product merging",
    "stations": "Stations",
    "modelling": "Modelling",
    "validation": "Validation",
    "tools": "Tools",
}


# The core's arguments that have other names as parameters; all others are keys in lower case. An algorithm's ARGUMENTS
# go before.
ARGUMENTS = {
    "builtins": "BUILTIN",
    "correction": "SOLAR_CORRECTION",
    "count": "CANDIDATES",
    "count_applicable": "APPLICABILITY",
    "direction": "TIME_DIRECTION",
    "error": "ERROR_OUTPUT",
    "gaps": "TIME_GAPS",
    "kind": "MODEL",
    "levels": "QUANTILES",
    "max_gap_days": "MAX_TIME_GAP",
    "names": "STATION",
    "observed": "VALUE",
    "paths": "INPUT",
    "prediction": "PREDICTION_AREA",
    "replicates": "BOOTSTRAP",
    "sources": "INPUT",
    "times": "TIME",
    "values": "VALUE",
    **{f"sources[{i}]": f"PRODUCT_{letter}" for i, letter in enumerate("ABCDE")},
}


# Seconds after the start at which the log says what is left.
_MOMENTS = (30, 120, 600, 1800, 3600, *range(7200, 172_800, 7200))


class FeedbackProgress(Progress):
    """Passes progress and messages on to Processing, with parameters by their keys, and hears its Cancel.

    Parameters
    ----------
    feedback : QgsProcessingFeedback
    in_keys : callable, optional
        Names parameters by their keys where a message of the core names arguments.
    """

    def __init__(self, feedback, in_keys=str):
        self._feedback, self._in_keys = feedback, in_keys
        self._began, self._told = time.monotonic(), 0
        # Files have other names while they are written than a user knows them by.
        self.in_words = str

    def set_fraction(self, fraction: float) -> None:
        self._feedback.setProgress(100 * fraction)
        self._tell_time_left(fraction)

    def _tell_time_left(self, fraction: float) -> None:
        """Say in the log what is left of a long run, seldom, since a window shows no more than a bar."""
        passed = time.monotonic() - self._began
        if self._told < len(_MOMENTS) and passed >= _MOMENTS[self._told] and fraction > 0.01:
            self._told = sum(passed >= moment for moment in _MOMENTS)
            left = passed * (1 - fraction) / fraction
            if left >= 60:
                in_words = f"{left / 60:.0f} min" if left < 5400 else f"{left / 3600:.1f} h"
                self._feedback.pushInfo(f"{100 * fraction:.0f} % done; about {in_words} left.")

    def info(self, text: str) -> None:
        self._feedback.pushInfo(self.in_words(self._in_keys(text)))

    def command(self, text: str) -> None:
        self._feedback.pushCommandInfo(text)

    def warning(self, text: str) -> None:
        self._feedback.pushWarning(self.in_words(self._in_keys(text)))

    def is_cancelled(self) -> bool:
        return self._feedback.isCanceled() and not self.had_enough


class ToolboxAlgorithm(QgsProcessingAlgorithm):
    """Base of all algorithms.

    A subclass states NAME (the public id), TITLE, GROUP, SUMMARY (one sentence), DETAILS, TAGS, NEEDS (names of
    the libraries it imports) and EXAMPLE (parameters with which it runs on files of the demo scene, outputs aside), and
    writes `declare`, `resolve` and `compute`. ARGUMENTS are the keys of parameters by argument of the core, where they
    are neither the argument in capitals nor in the table above.
    """

    NAME = TITLE = GROUP = SUMMARY = DETAILS = ""
    TAGS: tuple[str, ...] = ()
    NEEDS: tuple[str, ...] = ()
    EXAMPLE: dict = {}
    ARGUMENTS: dict[str, str] = {}

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

    def in_keys(self, text: str) -> str:
        """Return a text of the core with the keys of this algorithm's parameters for the arguments."""
        return with_keys(text, self.ARGUMENTS)

    def _results_in_words(self, results) -> list[str]:
        """Return lines that say what came out: the bands of rasters, and the numbers."""
        lines, numbers = [], []
        for definition in self.outputDefinitions():
            value, label = results.get(definition.name()), definition.description()
            if definition.type() == "outputRaster" and isinstance(value, str):
                names = band_names(value)
                if names:
                    lines.append(
                        f"{label}: {names[0]}."
                        if len(names) == 1
                        else f"{label}: {len(names)} bands, {names[0]} to {names[-1]}."
                    )
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
        return help_url(self.NAME)

    def shortDescription(self):
        return self.SUMMARY

    def shortHelpString(self):
        rows = [
            f"<p><strong>{d.description()}</strong> ({d.name()})<br>{d.help()}</p>" for d in self.parameterDefinitions()
        ]
        # QGIS makes a new paragraph of every line, and draws <b> in a dark grey that a dark theme swallows.
        details = re.sub(r"(</?)b>", r"\1strong>", " ".join(self.DETAILS.split()))
        return f"<p>{self.SUMMARY}</p>{details}<h3>Parameters</h3>{''.join(rows)}"

    def canExecute(self):
        """Say which library is missing; QGIS shows it instead of running the algorithm."""
        missing = [library for library in self.NEEDS if importlib.util.find_spec(library) is None]
        if not missing:
            return True, ""
        from sm_toolbox.libraries import package_of

        return False, (
            f"{self.TITLE} needs the Python libraries {', '.join(map(package_of, missing))}, which QGIS's Python "
            "does not have. Run 'Soil Moisture Toolbox > Tools > Check installation': it says how to get them on "
            "this computer."
        )

    def checkParameterValues(self, parameters, context):
        """Say what is wrong with a value, and name the file where a layer cannot be loaded; Processing itself says only
        which parameter is wrong.
        """
        try:
            check_values(self, parameters, context)
        except InputError as error:
            return False, self.in_keys(str(error))
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
                message = (
                    f"{message} These cannot be loaded as layers: {', '.join(lost)}. Check the paths, and that QGIS "
                    "can show the files."
                )
        return accepted, message

    def prepareAlgorithm(self, parameters, context, feedback):
        self._inputs, self._refusal, self._fields = None, None, {}
        try:
            self._fields = absent_defaults(self, parameters, context, feedback)
            parameters = {**parameters, **self._fields}
            check_values(self, parameters, context)
            self._inputs = self.resolve(parameters, context)
        except ToolboxError as error:
            # Raised here, Processing would log it and tell scripts no more than that there were errors.
            self._refusal = error
        return True

    def processAlgorithm(self, parameters, context, feedback):
        progress = FeedbackProgress(feedback, self.in_keys)
        outputs, parameters = None, {**parameters, **self._fields}
        try:
            progress.check()
            if self._refusal is not None:
                raise self._refusal
            with RunOutputs(self, parameters, context) as outputs:
                self.outputs, progress.in_words = outputs, outputs.in_words
                outputs.check()
                with self._announced(progress):
                    results = self.compute(self._inputs, parameters, context, progress)
                progress.check()
                results = outputs.keep(results)
            made = [results.get(definition.name()) for definition in self.destinationParameterDefinitions()]
            Presentation.attach_all([item for item in made if isinstance(item, str)], context)
            for line in self._results_in_words(results):
                progress.info(line)
            return results
        except Cancelled:
            # Not an error: QGIS itself reports that the user cancelled. Nothing has been written.
            feedback.pushInfo("Cancelled; no output was written.")
            return {}
        except Exception as error:
            message = self._in_words(error, feedback)
            raise QgsProcessingException(outputs.in_words(message) if outputs is not None else message) from error
        finally:
            self._inputs = self.outputs = None
            forget_crs_of_this_thread()

    def _in_words(self, error: Exception, feedback) -> str:
        """Return what a user is told of an error."""
        if isinstance(error, ToolboxError):
            labels = {d.name(): d.description() for d in self.parameterDefinitions()}
            return with_labels(str(error), labels, self.ARGUMENTS)
        if isinstance(error, MemoryError):
            return (
                "There is not enough memory. Close other programs, give a smaller MEMORY where the algorithm has it, "
                "or work on a smaller extent."
            )
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"The disk is full ({error}). No output was written. Free some space, or choose another disk."
        # A fault of ours: one sentence for the user, the rest for whoever mends it.
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        feedback.pushDebugInfo(trace)
        QgsMessageLog.logMessage(trace, "Soil Moisture Toolbox", Qgis.MessageLevel.Critical)
        return (
            f"'{self.TITLE}' met something it does not expect ({type(error).__name__}: {error}). No output was "
            f"written. Please report it at {metadata('tracker')} with this message, the lines above it and, where "
            "you may share them, the inputs."
        )


def with_keys(message: str, arguments: dict[str, str]) -> str:
    """Name parameters by their keys, where a message of the core names its arguments: `max_gap_days`.

    Parameters
    ----------
    message : str
    arguments : dict of str
        Keys of one algorithm by argument, before those of all; an argument in neither is its key in lower case.
    """

    def key(match: re.Match[str]) -> str:
        argument = match.group(1)
        return arguments.get(argument) or ARGUMENTS.get(argument) or argument.upper()

    return re.sub(r"`([a-z]\w*(?:\[\d\])?)`", key, message)


def with_labels(message: str, labels: dict[str, str], arguments: dict[str, str] | None = None) -> str:
    """Name each parameter, where a message names it first, as the dialog does: 'Label' (KEY).

    Parameters
    ----------
    message : str
        Names parameters by their keys, or arguments of the core in backticks.
    labels : dict of str
        Of the dialog, by key.
    arguments : dict of str, optional
        As in `with_keys`.
    """
    known: set[str] = set()

    def label(match: re.Match[str]) -> str:
        key = match.group()
        if key in known or key not in labels:
            return key
        known.add(key)
        return f"'{labels[key]}' ({key})"

    # Words in quotes, brackets and names of files are no parameters, nor is 'the DEM' of a sentence.
    pattern = r"(?<![\w'\"(/.\\-])(?<![Tt]he )[A-Z][A-Z0-9_]+(?![\w'\"/.\\-]*[\w'\"/\\])"
    return re.sub(pattern, label, with_keys(message, arguments or {}))


def _shown(path: str):
    """Return the raster layer of a path that Processing does not know for one, for its checks; the path where GDAL
    cannot open it.
    """
    layer = QgsRasterLayer(path, path, "gdal")
    if layer.isValid():
        return layer
    # A file of several rasters is none itself.
    parts = rasters_within(path)
    return QgsRasterLayer(parts[0], path, "gdal") if parts else path
