"""The Processing provider `smtoolbox`: the table of all algorithms."""

from __future__ import annotations

import importlib
from pathlib import Path

from qgis.core import QgsApplication, QgsProcessingModelAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .base import ICONS
from .pages import help_url

# One algorithm = one module named like its id, in the folder of its group, with one class `Algorithm`.
ALGORITHMS = (
    "data.alignrasters",
    "data.calculatebands",
    "data.importproduct",
    "data.maskquality",
    "predictors.sarpredictors",
    "predictors.soilindices",
    "predictors.spectralindices",
    "predictors.terrainindices",
    "predictors.thermalinertia",
    "timeseries.temporalcomposite",
    "timeseries.antecedentindex",
    "timeseries.temporalanomaly",
    "timeseries.rootzone",
    "timeseries.regionalseries",
    "timeseries.matchproduct",
    "timeseries.temporalgapfill",
    "timeseries.temporalstatistics",
    "timeseries.temporaltrend",
    "merging.stationquality",
    "merging.tcmerge",
    "merging.triplecollocation",
    "stations.aggregatestations",
    "stations.importismn",
    "stations.interpolatestations",
    "stations.samplepredictors",
    "stations.splitstations",
    "modelling.selectpredictors",
    "modelling.trainmodel",
    "modelling.predictraster",
    "modelling.predicttable",
    "modelling.modelreport",
    "modelling.downscale",
    "validation.validatestations",
    "validation.comparemaps",
    "validation.comparescenarios",
    "tools.checkinstallation",
    "tools.demodata",
)
MODELS = Path(__file__).parent.parent / "resources" / "models"


class ProvidedModel(QgsProcessingModelAlgorithm):
    """A model whose id is its name, and whose title is that of its help."""

    def displayName(self):
        return self.helpContent().get("ALG_TITLE", self.name())

    def shortDescription(self):
        return self.helpContent().get("ALG_DESC", "").partition("</p>")[0]

    def tags(self):
        return ["soil moisture", "workflow", "study"]

    def helpUrl(self):
        return help_url(self.name())

    def icon(self):
        return QIcon(self.svgIconPath())

    def svgIconPath(self):
        return str(ICONS / "smtoolbox.svg")

    def canExecute(self):
        """Whether every step can run: else which library is missing, and how to get it."""
        for child in self.childAlgorithms().values():
            if child.algorithm() is not None:
                possible, reason = child.algorithm().canExecute()
                if not possible:
                    return possible, reason
        return super().canExecute()

    def checkParameterValues(self, parameters, context):
        return super().checkParameterValues(self._with_defaults(parameters), context)

    def processAlgorithm(self, parameters, context, feedback):
        return super().processAlgorithm(self._with_defaults(parameters), context, feedback)

    def _with_defaults(self, parameters):
        # Outside its window Processing hands the steps nothing for an input that is not given, whatever default the
        # model has for it.
        defaults = {
            d.name(): d.defaultValue()
            for d in self.parameterDefinitions()
            if not d.isDestination() and d.defaultValue() is not None
        }
        return {**defaults, **{key: value for key, value in parameters.items() if value is not None}}

    def createInstance(self):
        copy = type(self)()
        copy.loadVariant(self.toVariant())
        copy.setSourceFilePath(self.sourceFilePath())
        return copy


class SoilMoistureProvider(QgsProcessingProvider):
    """Offers the algorithms of the Soil Moisture Toolbox and the models made of them."""

    def id(self):
        return "smtoolbox"

    def name(self):
        return "Soil Moisture Toolbox"

    def icon(self):
        return QIcon(self.svgIconPath())

    def svgIconPath(self):
        return str(ICONS / "smtoolbox.svg")

    def loadAlgorithms(self):
        for module in ALGORITHMS:
            self.addAlgorithm(importlib.import_module(f".{module}", __package__).Algorithm())
        # A model finds its steps through the registry, which knows them only once the provider is there: `register`
        # loads twice.
        if QgsApplication.processingRegistry().providerById(self.id()) is not None:
            for path in sorted(MODELS.glob("*.model3")):
                model = ProvidedModel()
                if model.fromFile(str(path)):
                    model.setSourceFilePath(str(path))
                    self.addAlgorithm(model)


def register() -> SoilMoistureProvider:
    """Add the provider, with its models, to the registry."""
    provider = SoilMoistureProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    provider.refreshAlgorithms()
    return provider
