"""Short ways to say the parameters that many algorithms share."""

from __future__ import annotations

from collections.abc import Iterable

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExpression,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from sm_toolbox.errors import InputError
from sm_toolbox.raster.request import Engine

from .layers import naive_utc

_ANY_FIELD = QgsProcessingParameterField.DataType.Any


def rasters(key, label, optional=False):
    """Any number of single- or multi-band rasters."""
    return QgsProcessingParameterMultipleLayers(key, label, QgsProcessing.SourceType.TypeRaster, optional=optional)


def raster(key, label, optional=False):
    """One raster."""
    return QgsProcessingParameterRasterLayer(key, label, optional=optional)


def points(key, label, optional=False):
    """A point layer."""
    return QgsProcessingParameterFeatureSource(
        key, label, [QgsProcessing.SourceType.TypeVectorPoint], optional=optional
    )


def table(key, label, optional=False):
    """A vector layer or table without geometry."""
    return QgsProcessingParameterFeatureSource(key, label, [QgsProcessing.SourceType.TypeVector], optional=optional)


def field(key, label, parent, default=None, optional=False, multiple=False, numeric=False):
    """A field, or several, of a layer parameter."""
    kind = QgsProcessingParameterField.DataType.Numeric if numeric else _ANY_FIELD
    return QgsProcessingParameterField(key, label, default, parent, kind, multiple, optional)


def number(key, label, default=None, minimum=None, maximum=None, optional=False):
    """A real number."""
    return _number(QgsProcessingParameterNumber.Type.Double, key, label, default, minimum, maximum, optional)


def integer(key, label, default=None, minimum=None, maximum=None, optional=False):
    """A whole number."""
    return _number(QgsProcessingParameterNumber.Type.Integer, key, label, default, minimum, maximum, optional)


def _number(kind, key, label, default, minimum, maximum, optional):
    parameter = QgsProcessingParameterNumber(key, label, kind, default, optional)
    if minimum is not None:
        parameter.setMinimum(minimum)
    if maximum is not None:
        parameter.setMaximum(maximum)
    return parameter


def choice(key, label, options: Iterable[str], default, multiple=False, optional=False):
    """One or more of a list of words; the words themselves are the values (`--MODEL=random_forest`)."""
    parameter = QgsProcessingParameterEnum(key, label, list(options), multiple, default, optional, True)
    if multiple:
        # QGIS 3.22 lists the words of several choices twice in its window, the second time as blank rows; boxes to tick
        # are right everywhere.
        parameter.setMetadata({"widget_wrapper": {"useCheckBoxes": True, "columns": 3}})
    return parameter


def switch(key, label, default=False, optional=False):
    """Yes or no."""
    return QgsProcessingParameterBoolean(key, label, default, optional)


def add_update(algorithm, help_text):
    """Declare whether dates are added to an output that is there."""
    algorithm.add(
        # Optional, so that models that were saved without it stay valid.
        switch("UPDATE", "Add new dates to an existing output", optional=True),
        "Where OUTPUT is there already, made by this algorithm in the same way, it is kept: dates that it holds stay "
        f"as they are stored, and only those that it lacks are made. {help_text} The new file takes the place of the "
        "old one at the very end: an interrupted run leaves the old one. Where nothing is new, it is not touched. The "
        "numbers are of the dates that this run made. The metadata of the file (history) say what was added when, and "
        "from which files.",
        advanced=True,
    )


def text(key, label, default=None, optional=True):
    """A line of text."""
    return QgsProcessingParameterString(key, label, default, False, optional)


def expression(key, label, parent):
    """An expression of QGIS on the fields of a layer parameter."""
    return QgsProcessingParameterExpression(key, label, None, parent, True)


def add_scheduler(algorithm):
    """Declare the Dask cluster on which blocks may be worked on."""
    algorithm.add(
        text("SCHEDULER", "Dask cluster"),
        "Address of the scheduler of a Dask cluster, such as tcp://host:8786, whose workers see the same files "
        "and have this toolbox's sm_toolbox. Code and data are exchanged with that address: name only a cluster "
        "that you trust. Not set: the cores of this computer.",
        advanced=True,
    )


def engine_of(algorithm, parameters, context, progress):
    """Return with what blocks are worked on: MEMORY where the algorithm has it, SCHEDULER, and the progress."""
    memory = (
        None if parameters.get("MEMORY") is None else algorithm.parameterAsInt(parameters, "MEMORY", context) * 2**20
    )
    return Engine(
        memory=memory, scheduler=algorithm.parameterAsString(parameters, "SCHEDULER", context), progress=progress
    )


def raster_output(key, label, optional=False):
    """A raster to write."""
    return QgsProcessingParameterRasterDestination(key, label, optional=optional, createByDefault=not optional)


def layer_output(key, label, optional=False, geometry=QgsProcessing.SourceType.TypeVectorAnyGeometry):
    """A vector layer or table to write."""
    return QgsProcessingParameterFeatureSink(key, label, geometry, None, optional, not optional)


def file_output(key, label, file_filter, optional=False):
    """A file to write."""
    return QgsProcessingParameterFileDestination(key, label, file_filter, None, optional, True)


def report_output(title):
    """The HTML report of an algorithm, named after it in the Results Viewer; it may be skipped."""
    return file_output("REPORT", f"Report ({title})", "HTML files (*.html)", optional=True)


def number_outputs(algorithm, **labels: str) -> None:
    """Declare numbers that an algorithm returns, so that the modeler can chain them."""
    for key, label in labels.items():
        algorithm.addOutput(QgsProcessingOutputNumber(key, label))


# A hundred years: whatever lies further away says nothing, and days are counted in numbers that end.
_LARGEST_GAP = 36_525
GAP_HELP = (
    "earlier or later. Not set: half the distance of its dates (4 days for 8-day composites), which the log says. 0: "
    "the same day."
)


MODEL_GAP_HELP = (
    "earlier or later. Not set: what was given for the training table, else half the distance of its dates (4 days for "
    "8-day composites), which the log says. 0: the same day."
)


def add_time_gap(algorithm, label, text, advanced=False, default=GAP_HELP):
    """Declare how far in time a dated band may lie from what it is used for.

    `text` says from what, and ends where the default is explained.
    """
    algorithm.add(
        number("MAX_TIME_GAP", label, None, minimum=0, optional=True), f"{text}, {default}", advanced=advanced
    )


def time_gap(algorithm, parameters, context):
    """Return the largest gap in time in days; None where it is not set."""
    if parameters.get("MAX_TIME_GAP") is None:
        return None
    days = algorithm.parameterAsDouble(parameters, "MAX_TIME_GAP", context)
    if days > _LARGEST_GAP:
        raise InputError(
            f"MAX_TIME_GAP is {days:g} days; at most {_LARGEST_GAP:,} days (100 years) make sense. Leave it empty "
            "for half the distance of the dates."
        )
    return days


def add_gaps_of_variables(algorithm):
    """Declare the largest gap in time of single variables."""
    algorithm.add(
        text("TIME_GAPS", "Largest gaps of single variables [days]"),
        "Where a variable needs another gap than MAX_TIME_GAP: landcover:366,ndvi:16. A band of a period (8 or 16 "
        "days, a month, a year) has the gap 0 on each of its days.",
        advanced=True,
    )


RESAMPLING_HELP = (
    "auto: mean of cells at least twice as fine (directions by components, classes by their mode), bilinear from "
    "coarser cells, since their borders would show in maps, else the nearest cell. nearest, bilinear, average and mode "
    "hold for all."
)


def add_time_direction(algorithm, default):
    """Declare from which side of a time bands are taken; `default` is None where a model knows it."""
    algorithm.add(
        choice("TIME_DIRECTION", "Dates to take", ["nearest", "previous"], default, optional=True),
        "nearest: the nearest date, earlier or later. previous: never a band that begins after the time, as a forecast "
        "needs it; where no gap is given, each band then serves until the next. What adds up over time (rain, "
        "precip, precipitation, tp, prcp, api, …_sum) is always taken from earlier dates: later ones hold what had "
        f"not fallen yet.{'' if default else ' Not set: as in the training table.'}",
        advanced=True,
    )


def time_rule(algorithm, parameters, context):
    """Return how dated bands are matched in time: MAX_TIME_GAP, TIME_GAPS and, where there is one, TIME_DIRECTION."""
    from sm_toolbox.raster.timing import TimeRule, parse_gaps

    return TimeRule(
        time_gap(algorithm, parameters, context),
        parse_gaps(algorithm.parameterAsString(parameters, "TIME_GAPS", context)),
        algorithm.parameterAsString(parameters, "TIME_DIRECTION", context) or None
        if algorithm.parameterDefinition("TIME_DIRECTION")
        else None,
    )


def whole_number(algorithm, parameters, key, context, most=2**31 - 1):
    """Return a whole number within a bound; Processing itself wraps numbers that are too large for it."""
    value = algorithm.parameterAsDouble(parameters, key, context)
    if value > most:
        raise InputError(f"{key} is {value:g}, but may be up to {most:,}.")
    return int(value)


def moment(algorithm, parameters, key, context):
    """Return a date and time parameter as a datetime in UTC without time zone; None where it is not set."""
    if not parameters.get(key):
        return None
    value = algorithm.parameterAsDateTime(parameters, key, context)
    if not value.isValid():
        raise InputError(f"{key}: '{parameters[key]}' is no time. Write it as 2018-06-01T00:00:00 (UTC).")
    return naive_utc(value)
