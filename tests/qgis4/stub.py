"""A stub of QGIS 4's Python for what declaring an algorithm needs, on PyQt6: strict where QGIS 4 is.

There is no QGIS 4 to run the tests in: Debian has none. Names, signatures and kinds of arguments are those of its API
(python/PyQt6/core/auto_generated/processing/*.sip.in and auto_additions/qgis.py of the QGIS repository): enumerations
are Python's own and know no numbers, a flag of another enumeration is refused, as are an argument that is not in the
signature, a method or a class that is not in the lists below.
"""

import ast
import enum
import inspect
import sys
import types
from pathlib import Path

ENUMERATIONS = {
    "ProcessingSourceType": (
        enum.IntEnum,
        "MapLayer VectorAnyGeometry VectorPoint VectorLine VectorPolygon Raster File Vector Mesh Plugin PointCloud "
        "Annotation VectorTile TiledScene",
    ),
    "ProcessingParameterFlag": (enum.IntFlag, "Advanced Hidden Optional IsModelOutput"),
    "ProcessingNumberParameterType": (enum.Enum, "Integer Double"),
    "ProcessingFieldParameterDataType": (enum.Enum, "Any Numeric String DateTime Binary Boolean"),
    "ProcessingFileParameterBehavior": (enum.Enum, "File Folder"),
    "ProcessingDateTimeParameterDataType": (enum.Enum, "DateTime Date Time"),
    "ExpressionType": (enum.Enum, "Qgis PointCloud RasterCalculator"),
    "MessageLevel": (enum.IntEnum, "Info Warning Critical Success NoLevel"),
    "WkbType": (enum.IntEnum, "Unknown Point LineString Polygon MultiPoint MultiPolygon NoGeometry"),
    "CrsWktVariant": (enum.Enum, "Wkt1Gdal Wkt1Esri Wkt2_2015 Wkt2_2019 Preferred"),
    "VectorTemporalMode": (enum.Enum, "FixedTemporalRange FeatureDateTimeInstantFromField"),
    "RasterTemporalMode": (enum.Enum, "FixedTemporalRange TemporalRangeFromDataProvider FixedRangePerBand"),
}
# What older QGIS call them, with what they put before the members' names, and members of another name.
FORMER = {
    "QgsProcessing.SourceType": ("ProcessingSourceType", "Type"),
    "QgsProcessingParameterDefinition.Flag": ("ProcessingParameterFlag", "Flag"),
    "QgsProcessingParameterNumber.Type": ("ProcessingNumberParameterType", ""),
    "QgsProcessingParameterField.DataType": ("ProcessingFieldParameterDataType", ""),
    "QgsProcessingParameterFile.Behavior": ("ProcessingFileParameterBehavior", ""),
    "QgsProcessingParameterDateTime.Type": ("ProcessingDateTimeParameterDataType", ""),
    "QgsWkbTypes.Type": ("WkbType", ""),
    "QgsCoordinateReferenceSystem.WktVariant": ("CrsWktVariant", ""),
}
# What QGIS keeps beside the enumerations, as it was before QGIS 3.
KEPT = {
    "QgsRasterLayerTemporalProperties.ModeFixedTemporalRange": ("RasterTemporalMode", "FixedTemporalRange"),
    "QgsVectorLayerTemporalProperties.ModeFeatureDateTimeInstantFromField": (
        "VectorTemporalMode",
        "FeatureDateTimeInstantFromField",
    ),
}
RENAMED = {"CrsWktVariant": {"WKT_PREFERRED": "Preferred"}}
# Parameters and outputs: the class, its base, the kind that it says of itself, and the signature.
SIGNATURES = """
QgsProcessingParameterDefinition: object: : name: str, description: str = '', defaultValue: object = None, optional: bool = False, help: str = ''
QgsProcessingDestinationParameter: QgsProcessingParameterDefinition: : name: str, description: str = '', defaultValue: object = None, optional: bool = False, createByDefault: bool = True
QgsProcessingParameterBoolean: QgsProcessingParameterDefinition: boolean: name: str, description: str = '', defaultValue: object = None, optional: bool = False
QgsProcessingParameterCrs: QgsProcessingParameterDefinition: crs: name: str, description: str = '', defaultValue: object = None, optional: bool = False
QgsProcessingParameterExtent: QgsProcessingParameterDefinition: extent: name: str, description: str = '', defaultValue: object = None, optional: bool = False
QgsProcessingParameterFile: QgsProcessingParameterDefinition: file: name: str, description: str = '', behavior: ProcessingFileParameterBehavior = Qgis.ProcessingFileParameterBehavior.File, extension: str = '', defaultValue: object = None, optional: bool = False, fileFilter: str = ''
QgsProcessingParameterMultipleLayers: QgsProcessingParameterDefinition: multilayer: name: str, description: str = '', layerType: ProcessingSourceType = Qgis.ProcessingSourceType.VectorAnyGeometry, defaultValue: object = None, optional: bool = False
QgsProcessingParameterNumber: QgsProcessingParameterDefinition: number: name: str, description: str = '', type: ProcessingNumberParameterType = Qgis.ProcessingNumberParameterType.Integer, defaultValue: object = None, optional: bool = False, minValue: float = 0, maxValue: float = 0
QgsProcessingParameterRasterLayer: QgsProcessingParameterDefinition: raster: name: str, description: str = '', defaultValue: object = None, optional: bool = False
QgsProcessingParameterEnum: QgsProcessingParameterDefinition: enum: name: str, description: str = '', options: list = (), allowMultiple: bool = False, defaultValue: object = None, optional: bool = False, usesStaticStrings: bool = False
QgsProcessingParameterString: QgsProcessingParameterDefinition: string: name: str, description: str = '', defaultValue: object = None, multiLine: bool = False, optional: bool = False
QgsProcessingParameterExpression: QgsProcessingParameterDefinition: expression: name: str, description: str = '', defaultValue: object = None, parentLayerParameterName: str = '', optional: bool = False, type: ExpressionType = Qgis.ExpressionType.Qgis
QgsProcessingParameterField: QgsProcessingParameterDefinition: field: name: str, description: str = '', defaultValue: object = None, parentLayerParameterName: str = '', type: ProcessingFieldParameterDataType = Qgis.ProcessingFieldParameterDataType.Any, allowMultiple: bool = False, optional: bool = False, defaultToAllFields: bool = False
QgsProcessingParameterFeatureSource: QgsProcessingParameterDefinition: source: name: str, description: str = '', types: list = (), defaultValue: object = None, optional: bool = False
QgsProcessingParameterDateTime: QgsProcessingParameterDefinition: datetime: name: str, description: str = '', type: ProcessingDateTimeParameterDataType = Qgis.ProcessingDateTimeParameterDataType.DateTime, defaultValue: object = None, optional: bool = False, minValue: QDateTime = None, maxValue: QDateTime = None
QgsProcessingParameterFeatureSink: QgsProcessingDestinationParameter: sink: name: str, description: str = '', type: ProcessingSourceType = Qgis.ProcessingSourceType.VectorAnyGeometry, defaultValue: object = None, optional: bool = False, createByDefault: bool = True, supportsAppend: bool = False
QgsProcessingParameterRasterDestination: QgsProcessingDestinationParameter: rasterDestination: name: str, description: str = '', defaultValue: object = None, optional: bool = False, createByDefault: bool = True
QgsProcessingParameterFileDestination: QgsProcessingDestinationParameter: fileDestination: name: str, description: str = '', fileFilter: str = '', defaultValue: object = None, optional: bool = False, createByDefault: bool = True
QgsProcessingParameterFolderDestination: QgsProcessingDestinationParameter: folderDestination: name: str, description: str = '', defaultValue: object = None, optional: bool = False, createByDefault: bool = True
QgsProcessingOutputNumber: object: outputNumber: name: str, description: str = ''
QgsProcessingOutputString: object: outputString: name: str, description: str = ''
QgsProcessingOutputBoolean: object: outputBoolean: name: str, description: str = ''
"""  # noqa: E501
# What is asked of a definition before it runs: with the kinds of what is given.
METHODS = {
    "setHelp": "help: str",
    "setFlags": "flags: ProcessingParameterFlag",
    "setMetadata": "metadata: dict",
    "setMinimum": "minimum: float",
    "setMaximum": "maximum: float",
    "setDefaultToAllFields": "enabled: bool",
}
# Classes that modules import and name; what they do is needed only when an algorithm runs.
OTHERS = """
QgsApplication QgsClassificationRange QgsColorRampShader QgsCoordinateReferenceSystem QgsCoordinateTransform
QgsDateTimeRange QgsExpression QgsFeature QgsFeatureRequest QgsFeatureSink QgsField QgsFields QgsGeometry
QgsGradientColorRamp QgsGradientStop QgsGraduatedSymbolRenderer QgsLayerTreeLayer QgsMapLayer QgsMapLayerStyle
QgsMarkerSymbol QgsMessageLog QgsPalettedRasterRenderer QgsPointXY QgsProcessingContext QgsProcessingFeatureSource
QgsProcessingFeedback QgsProcessingLayerPostProcessorInterface QgsProcessingModelAlgorithm
QgsProcessingOutputLayerDefinition QgsProcessingUtils QgsProperty QgsRasterDataProvider QgsRasterLayer
QgsRasterLayerTemporalProperties QgsRasterShader QgsRectangle QgsRendererRange QgsSingleBandPseudoColorRenderer
QgsSingleSymbolRenderer QgsUnitTypes QgsVectorFileWriter QgsVectorLayer QgsVectorLayerTemporalProperties
"""


class QgsProcessingAlgorithm:
    """Keeps what is declared."""

    def __init__(self):
        self.parameters, self.outputs = [], []

    def addParameter(self, definition, createOutput=True):
        assert isinstance(definition, CORE.QgsProcessingParameterDefinition) and createOutput in (True, False)
        assert definition.name() not in {parameter.name() for parameter in self.parameters}
        self.parameters.append(definition)

    def addOutput(self, definition):
        assert type(definition).__name__.startswith("QgsProcessingOutput")
        self.outputs.append(definition)

    def parameterDefinitions(self):
        return self.parameters

    def outputDefinitions(self):
        return self.outputs


class QgsProcessingProvider:
    """Keeps what is added, declared as QGIS does."""

    def __init__(self):
        self.algorithms = []

    def addAlgorithm(self, algorithm):
        assert isinstance(algorithm, QgsProcessingAlgorithm)
        algorithm.initAlgorithm({})
        self.algorithms.append(algorithm)


class QgsProcessingException(Exception):
    """As in QGIS."""


def _checked(signature: inspect.Signature, arguments: tuple, named: dict) -> dict:
    """Bind arguments as SIP does: no others than are in the signature, and none of another kind."""
    given = signature.bind(*arguments, **named)
    for name, value in given.arguments.items():
        kind = signature.parameters[name].annotation
        fits = {
            bool: (bool, int),
            float: (float, int),
            str: (str, type(None)),
            list: (list, tuple),
        }.get(kind, kind)
        if not isinstance(value, fits) or (kind is float and isinstance(value, enum.Enum)):
            raise TypeError(f"argument '{name}' has unexpected type '{type(value).__name__}'")
    given.apply_defaults()
    return given.arguments


def _signature(text: str, names: dict) -> inspect.Signature:
    arguments = ast.parse(f"def f({text}): pass").body[0].args
    none = [inspect.Parameter.empty] * (len(arguments.args) - len(arguments.defaults))
    defaults = [*none, *(eval(ast.unparse(node), names) for node in arguments.defaults)]
    return inspect.Signature(
        [
            inspect.Parameter(
                argument.arg,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=default,
                annotation=eval(ast.unparse(argument.annotation), names),
            )
            for argument, default in zip(arguments.args, defaults)
        ]
    )


def _definition(name: str, base: type, kind: str, signature: inspect.Signature, methods: dict) -> type:
    """Make a class of parameters or outputs."""

    def __init__(self, *arguments, **named):
        self.given = _checked(signature, arguments, named)
        self.given["flags"] = CORE.Qgis.ProcessingParameterFlag(0)
        if self.given.get("optional"):
            self.given["flags"] |= CORE.Qgis.ProcessingParameterFlag.Optional

    def setter(key: str, method: inspect.Signature):
        def set_(self, *arguments, **named):
            self.given.update(_checked(method, arguments, named))

        return set_

    members = {"__init__": __init__, "type": lambda self: kind}
    for key in ("name", "description", "defaultValue", "help", "flags"):
        members[key] = lambda self, key=key: self.given.get(key)
    if base is object and name != "QgsProcessingParameterDefinition":
        return type(name, (base,), members)
    members.update({key: setter(key, method) for key, method in methods.items()})
    return type(name, (base,), members)


def make_core() -> types.ModuleType:
    """Return the module qgis.core."""
    from PyQt6.QtCore import QDateTime, QVariant

    core = types.ModuleType("qgis.core")
    core.Qgis = type("Qgis", (), {"QGIS_VERSION": "4.0.0", "QGIS_VERSION_INT": 40000})
    for name, (kind, members) in ENUMERATIONS.items():
        setattr(core.Qgis, name, kind(name, members))
    names = {"Qgis": core.Qgis, "QDateTime": QDateTime, **vars(core.Qgis)}
    methods = {key: _signature(text, names) for key, text in METHODS.items()}
    for line in SIGNATURES.strip().splitlines():
        name, base, kind, text = line.split(": ", 3)
        parent = object if base == "object" else getattr(core, base)
        setattr(core, name, _definition(name, parent, kind.strip(), _signature(text, names), methods))
    for name in (*OTHERS.split(), "QgsProcessing", "QgsWkbTypes"):
        setattr(core, name, type(name, (), {}))
    for former, (name, prefix) in FORMER.items():
        owner, _, attribute = former.partition(".")
        enumeration = getattr(core.Qgis, name)
        setattr(getattr(core, owner), attribute, enumeration)
        for member in enumeration if prefix else ():
            setattr(enumeration, prefix + member.name, member)
        for old, new in RENAMED.get(name, {}).items():
            setattr(enumeration, old, enumeration[new])
    for former, (name, member) in KEPT.items():
        owner, _, attribute = former.partition(".")
        setattr(getattr(core, owner), attribute, getattr(core.Qgis, name)[member])
    core.NULL = QVariant()
    core.QgsProcessingAlgorithm = QgsProcessingAlgorithm
    core.QgsProcessingProvider = QgsProcessingProvider
    core.QgsProcessingException = QgsProcessingException
    return core


def make_pyqt() -> dict[str, types.ModuleType]:
    """Return qgis.PyQt and its modules: those of PyQt6, with the flat kinds of fields that QGIS adds to QVariant."""
    import PyQt6.sip
    from PyQt6 import QtCore, QtGui

    kinds = {"Int": "Int", "Double": "Double", "String": "QString", "Bool": "Bool", "Date": "QDate", "Time": "QTime",
             "DateTime": "QDateTime", "LongLong": "LongLong"}  # fmt: skip
    for name, kind in kinds.items():
        setattr(QtCore.QVariant, name, QtCore.QMetaType.Type[kind])
    package = types.ModuleType("qgis.PyQt")
    package.__path__ = []
    package.sip, package.QtCore, package.QtGui = PyQt6.sip, QtCore, QtGui
    return {"qgis.PyQt": package, "qgis.PyQt.QtCore": QtCore, "qgis.PyQt.QtGui": QtGui, "qgis.PyQt.sip": PyQt6.sip}


CORE = make_core()


def declared(root: Path) -> dict:
    """Import the plugin in this QGIS and return what each algorithm declares, by id."""
    import importlib.util

    package = types.ModuleType("qgis")
    package.__path__ = []
    package.core = CORE
    sys.modules.update({"qgis": package, "qgis.core": CORE, **make_pyqt()})
    spec = importlib.util.spec_from_file_location(
        "soil_moisture_toolbox", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    plugin = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    plugin._load_science()
    provider = importlib.import_module("soil_moisture_toolbox.algorithms.provider")
    made = provider.SoilMoistureProvider()
    for module in provider.ALGORITHMS:
        made.addAlgorithm(importlib.import_module(f"soil_moisture_toolbox.algorithms.{module}").Algorithm())
    advanced = CORE.Qgis.ProcessingParameterFlag.Advanced
    optional = CORE.Qgis.ProcessingParameterFlag.Optional
    assert made.icon() is not None and all(not algorithm.icon().isNull() for algorithm in made.algorithms)
    return {
        algorithm.name(): {
            "title": algorithm.displayName(),
            "help": algorithm.shortHelpString(),
            "parameters": [
                [p.name(), p.type(), p.description(), bool(p.flags() & optional), bool(p.flags() & advanced)]
                for p in algorithm.parameterDefinitions()
            ],
            "outputs": [[output.name(), output.type()] for output in algorithm.outputDefinitions()],
        }
        for algorithm in made.algorithms
    }


if __name__ == "__main__":
    import json

    print("DECLARED" + json.dumps(declared(Path(sys.argv[1]))))
