"""A graphical model of a workflow: inputs in order, steps in boxes, each with its help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildDependency,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelGroupBox,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QPointF, QSizeF
from qgis.PyQt.QtGui import QColor

Source = QgsProcessingModelChildParameterSource
COLOURS = ("#e8f1e4", "#e6eef7", "#fbf0df", "#f3e8f4", "#e9f4f4", "#f7e9e6", "#eeeeee")
STEP_WIDTH, STEP_HEIGHT, LEFT = 300, 220, 620
HELP_OF_COPIES = (
    "To change the workflow, open a copy of it: Processing > Graphical Modeler > Model > Open Model, file "
    "resources/models/{file} in the plugin's folder (Settings > User Profiles > Open Active Profile Folder, then "
    "python/plugins/soil_moisture_toolbox), and save it under a name of your own."
)


@dataclass(frozen=True)
class Input:
    """What the user of a workflow gives: a parameter of Processing and its help."""

    parameter: object
    text: str


@dataclass(frozen=True)
class Step:
    """One algorithm of a workflow: its sources by parameter, the outputs that are kept, and why it is there."""

    algorithm: str
    sources: dict
    outputs: dict = field(default_factory=dict)
    note: str = ""
    title: str = ""
    """What the step is called where an algorithm has several; else the algorithm's name."""
    where: tuple = ()
    """A step that must go before, and where it is a `native:condition` the name of the branch."""
    branches: dict = field(default_factory=dict)
    """Of `native:condition`: expression by name of the branch."""


@dataclass(frozen=True)
class Box:
    """Steps that belong together, under a title."""

    title: str
    steps: dict


@dataclass(frozen=True)
class Workflow:
    """A workflow as data."""

    name: str
    title: str
    summary: str
    description: str
    inputs: tuple
    boxes: tuple

    @property
    def file(self):
        return f"{self.name}.model3"


def value(constant):
    """A value that the workflow fixes."""
    return [Source.fromStaticValue(constant)]


def given(name):
    """What the user of the workflow gives."""
    return [Source.fromModelParameter(name)]


def made(child, output="OUTPUT"):
    """What an earlier step makes."""
    return [Source.fromChildOutput(child, output)]


def worked_out(expression):
    """What an expression of QGIS gives."""
    return [Source.fromExpression(expression)]


def known_names(text, fields):
    """What an input of the kind `name:…,name:…` holds of the names in the output `fields` of a step."""
    return worked_out(
        f"array_to_string(array_filter(string_to_array(coalesce({text}, '')), "
        f"array_contains(string_to_array({fields}, ';'), trim(regexp_substr(@element, '^([^:]+)')))))"
    )


def known_groups(text, fields):
    """What an input of the kind `group: name, name; group: …` holds of the names in the output `fields` of a step."""
    inner = (
        "array_to_string(array_filter(string_to_array(regexp_replace(@group, '^[^:]+:', '')), "
        f"array_contains(string_to_array({fields}, ';'), trim(@element))))"
    )
    groups = (
        f"array_foreach(string_to_array({text}, ';'), "
        f"with_variable('group', @element, regexp_substr(@group, '^([^:]+)') || ':' || {inner}))"
    )
    return worked_out(f"array_to_string(array_filter({groups}, right(@element, 1) <> ':'), ';')")


def advanced(entry: Input) -> Input:
    """The same input, folded away."""
    parameter = entry.parameter
    parameter.setFlags(parameter.flags() | parameter.Flag.FlagAdvanced)
    return entry


def raster(name, label, text, optional=False):
    return Input(QgsProcessingParameterRasterLayer(name, label, None, optional), text)


def rasters(name, label, text, optional=False):
    kind = QgsProcessing.SourceType.TypeRaster
    return Input(QgsProcessingParameterMultipleLayers(name, label, kind, None, optional), text)


def points(name, label, text, optional=False):
    kinds = [QgsProcessing.SourceType.TypeVectorPoint]
    return Input(QgsProcessingParameterFeatureSource(name, label, kinds, None, optional), text)


def polygons(name, label, text, optional=False):
    kinds = [QgsProcessing.SourceType.TypeVectorPolygon]
    return Input(QgsProcessingParameterFeatureSource(name, label, kinds, None, optional), text)


def layer_field(name, label, default, layer, text, optional=False):
    parameter = QgsProcessingParameterField(name, label, default, layer)
    if optional:
        parameter.setFlags(parameter.flags() | parameter.Flag.FlagOptional)
    return Input(parameter, text)


def fields_of_observations():
    """The three fields of the stations, which STATION and `value` hand on."""
    return (
        layer_field("station", "Station field", "station", "stations", "Name of the station."),
        layer_field("time", "Time field", "time", "stations", "Date of the observation, in UTC."),
        layer_field("value", "Observed soil moisture", "soil_moisture", "stations", "In m³ m⁻³."),
    )


def number(name, label, default, text, minimum=None, maximum=None, optional=False):
    return _number(QgsProcessingParameterNumber.Type.Double, name, label, default, text, minimum, maximum, optional)


def whole(name, label, default, text, minimum=None, maximum=None, optional=False):
    return _number(QgsProcessingParameterNumber.Type.Integer, name, label, default, text, minimum, maximum, optional)


def _number(kind, name, label, default, text, minimum, maximum, optional):
    parameter = QgsProcessingParameterNumber(name, label, kind, default, optional)
    if minimum is not None:
        parameter.setMinimum(minimum)
    if maximum is not None:
        parameter.setMaximum(maximum)
    return Input(parameter, text)


def words(name, label, default, text, optional=False):
    return Input(QgsProcessingParameterString(name, label, default, False, optional), text)


def choice(name, label, options, default, text, several=False):
    parameter = QgsProcessingParameterEnum(name, label, list(options), several, default, False, True)
    if several:
        parameter.setMetadata({"widget_wrapper": {"useCheckBoxes": True, "columns": 2}})
    return Input(parameter, text)


def switch(name, label, default, text):
    return Input(QgsProcessingParameterBoolean(name, label, default), text)


def day(name, label, default, text):
    kind = QgsProcessingParameterDateTime.Type.Date
    return Input(QgsProcessingParameterDateTime(name, label, kind, default), text)


SEED = advanced(whole("seed", "Seed", 0, "Same seed, same division of the stations, same model: same maps.", 0))
STATION = {"STATION": given("station"), "TIME": given("time")}
STATION_MONTHS = Step(
    "aggregatestations",
    {"INPUT": given("stations"), **STATION, "VALUE": given("value"), "PERIOD": value("month")},
)
RADAR = Step(
    "sarpredictors",
    {
        "VV": given("vv"),
        "VH": given("vh"),
        "ANGLE": given("angle"),
        "GRID": given("grid"),
        "FILTER_SIZE": given("filter"),
    },
)
TERRAIN = Step(
    "terrainindices",
    {"DEM": given("dem"), "INDICES": given("terrain_indices"), "GRID": given("grid")},
)


def build(workflow: Workflow) -> QgsProcessingModelAlgorithm:
    """The model of a workflow."""
    model = QgsProcessingModelAlgorithm(workflow.name, "Workflows", "workflows")
    rows = {False: 0, True: 0}
    for entry in workflow.inputs:
        entry.parameter.setHelp(entry.text)
        folded = bool(entry.parameter.flags() & entry.parameter.Flag.FlagAdvanced)
        component = QgsProcessingModelParameter(entry.parameter.name())
        component.setPosition(QPointF(120 + 240 * folded, 80 + 80 * rows[folded]))
        rows[folded] += 1
        # The model takes what it is given for its own.
        model.addModelParameter(entry.parameter.clone(), component)
    model.setParameterOrder([entry.parameter.name() for entry in workflow.inputs])
    boxes, left = [], LEFT
    for number_of_box, box in enumerate(workflow.boxes):
        columns = _columns(box.steps)
        height = 90 + STEP_HEIGHT * max(len(column) for column in columns)
        width = 60 + STEP_WIDTH * len(columns)
        frame = QgsProcessingModelGroupBox()
        frame.setDescription(f"{number_of_box + 1}. {box.title}")
        frame.setColor(QColor(COLOURS[number_of_box % len(COLOURS)]))
        frame.setSize(QSizeF(width, height))
        frame.setPosition(QPointF(left + width / 2, 40 + height / 2))
        boxes.append(frame)
        for place, column in enumerate(columns):
            for row, child_id in enumerate(column):
                where = QPointF(left + 180 + STEP_WIDTH * place, 180 + STEP_HEIGHT * row)
                model.addChildAlgorithm(_child(child_id, box.steps[child_id], where))
        left += width + 40
    for frame in boxes:
        model.addGroupBox(frame)
    model.updateDestinationParameters()
    model.setHelpContent(
        {
            "ALG_TITLE": workflow.title,
            "ALG_DESC": "</p><p>".join(
                (workflow.summary, workflow.description, HELP_OF_COPIES.format(file=workflow.file))
            ),
            "ALG_CREATOR": "Soil Moisture Toolbox",
            # From here QGIS takes the help of inputs and outputs.
            **{entry.parameter.name(): entry.text for entry in workflow.inputs},
            **_help_of_outputs(workflow),
        }
    )
    return model


def _help_of_outputs(workflow):
    texts = {}
    for box in workflow.boxes:
        for child_id, step in box.steps.items():
            algorithm = QgsApplication.processingRegistry().algorithmById(f"smtoolbox:{step.algorithm}")
            for key, label in step.outputs.items():
                texts[f"{child_id}:{label}"] = algorithm.parameterDefinition(key).help()
    return texts


def write(model: QgsProcessingModelAlgorithm, path: Path) -> None:
    """Write a model, always in the same way: QGIS numbers boxes, and orders them and all attributes, by chance."""
    if not model.toFile(str(path)):
        raise SystemExit(f"{path} could not be written")
    tree = ElementTree.parse(path)
    for element in tree.iter():
        element.attrib = dict(sorted(element.attrib.items(), key=lambda item: ("type", "name", "value").index(item[0])))
    boxes = tree.find("./Option[@name='groupBoxes']")
    title = "./Option[@name='component_description']"
    boxes[:] = sorted(boxes, key=lambda box: box.find(title).get("value"))
    for place, box in enumerate(boxes):
        box.find("./Option[@name='uuid']").set("value", f"{{00000000-0000-4000-8000-{place:012d}}}")
    ElementTree.indent(tree)
    text = ElementTree.tostring(tree.getroot(), encoding="unicode")
    path.write_text(f"<!DOCTYPE model>\n{text}\n", "utf-8")


def _columns(steps):
    """The steps of a box in columns: each one to the right of those whose results it takes."""
    depth = {}
    for child_id, step in steps.items():
        before = [
            source.outputChildId() for sources in step.sources.values() for source in sources if source.outputChildId()
        ]
        depth[child_id] = 1 + max((depth[name] for name in before if name in depth), default=-1)
    return [[name for name in steps if depth[name] == level] for level in range(max(depth.values()) + 1)]


def _child(child_id, step, where):
    name = step.algorithm if ":" in step.algorithm else f"smtoolbox:{step.algorithm}"
    child = QgsProcessingModelChildAlgorithm(name)
    child.setChildId(child_id)
    if step.branches:
        conditions = [{"name": name, "expression": text} for name, text in step.branches.items()]
        child.setConfiguration({"conditions": conditions})
    child.setDescription(step.title or child.algorithm().displayName())
    child.setPosition(where)
    if step.note:
        child.comment().setDescription(step.note)
        child.comment().setSize(QSizeF(STEP_WIDTH - 60, 40))
        child.comment().setPosition(QPointF(where.x(), where.y() - 62))
    # QGIS 3.22 takes a model for invalid whose steps lack the value of a parameter, though it has a default.
    for definition in child.algorithm().parameterDefinitions():
        optional = definition.flags() & definition.Flag.FlagOptional
        absent = definition.name() not in step.sources
        if not definition.isDestination() and not optional and absent and definition.defaultValue() is not None:
            child.addParameterSources(definition.name(), value(definition.defaultValue()))
    for key, sources in step.sources.items():
        child.addParameterSources(key, sources)
    if step.where:
        child.setDependencies([QgsProcessingModelChildDependency(*step.where)])
    final = {}
    for key, label in step.outputs.items():
        output = QgsProcessingModelOutput(label, label)
        output.setChildId(child_id)
        output.setChildOutputName(key)
        output.setPosition(QPointF(where.x() + 60, where.y() + 45 + 30 * len(final)))
        final[label] = output
    child.setModelOutputs(final)
    return child
